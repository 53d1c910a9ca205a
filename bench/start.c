/* start.c - how long a DataNode's volumes take to be scanned, and what a replica costs in memory.
 * bench_start VALUE_OF_DATA_DIR [POOL]: opens the volumes, attaches the pool (BP-1), prints one
 * line, ends cleanly. `bench_start --make DIR VOLUMES REPLICAS` makes empty replicas for it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/io.h"
#include "datanode/store/store.h"

static long rss_kb(void)
{
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f != NULL)
        fclose(f);
    return kb;
}

static int touch(const char *path, struct err *err)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail_errno(err, "making %s", path);
    close(fd);
    return 0;
}

static int make_one(const char *dir, unsigned long volumes, uint64_t i, struct err *err)
{
    struct volume v = {0};
    struct store_path path;
    char root[VOLUME_PATH_MAX];
    uint64_t id = 1073741825 + i;
    snprintf(root, sizeof(root), "%s/v%lu", dir, (unsigned long)(i % volumes));
    v.path = root;
    if ((id & 255) == 0 || i < volumes) { /* the next folder, on all volumes */
        for (unsigned long k = 0; k < volumes; k++) {
            snprintf(root, sizeof(root), "%s/v%lu", dir, k);
            layout_dir(&path, &v, "BP-1", PLACE_FINALIZED, id);
            TRY(durable_mkdirs(path.text, 0755, err));
        }
        snprintf(root, sizeof(root), "%s/v%lu", dir, (unsigned long)(i % volumes));
    }
    layout_data(&path, &v, "BP-1", PLACE_FINALIZED, id);
    TRY(touch(path.text, err));
    layout_meta(&path, &v, "BP-1", PLACE_FINALIZED, id, 1001);
    return touch(path.text, err);
}

static int make(const char *dir, unsigned long volumes, uint64_t count, struct err *err)
{
    for (uint64_t i = 0; i < count; i++)
        TRY(make_one(dir, volumes, i, err));
    return 0;
}

static int start(const char *value, const char *pool, struct err *err)
{
    struct conf *conf = conf_new();
    struct store *s;
    struct block_pool *p;
    const struct pool_identity id = {pool, "CID-bench", 1, 1};
    TRY(conf_set(conf, "dfs.datanode.data.dir", value, err));
    TRY(conf_finish(conf, err));
    long before_kb = rss_kb();
    int64_t start_ms = clock_monotonic_ms();
    TRY(store_open(conf, &s, err));
    TRY(store_attach(s, &id, &p, err));
    int64_t ms = clock_monotonic_ms() - start_ms;
    uint64_t count = pool_replicas(p);
    printf("replicas=%llu ms=%lld bytes_a_replica=%llu\n", (unsigned long long)count, (long long)ms,
           (unsigned long long)(rss_kb() - before_kb) * 1024 / (count == 0 ? 1 : count));
    start_ms = clock_monotonic_ms();
    store_close(s);
    printf("stop ms=%lld\n", (long long)(clock_monotonic_ms() - start_ms));
    conf_free(conf);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    int rc = 1;
    if (argc == 5 && strcmp(argv[1], "--make") == 0)
        rc = make(argv[2], strtoul(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), &err);
    else if (argc >= 2)
        rc = start(argv[1], argc > 2 ? argv[2] : "BP-1", &err);
    if (rc != 0)
        fprintf(stderr, "bench_start: %s\n", err.text);
    return rc == 0 ? 0 : 1;
}
