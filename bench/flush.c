/* flush.c - how long a small durable or visible append takes: bench_flush URL COUNT SIZE
 * REPLICATION Writes COUNT records of SIZE bytes to one file, each followed by hflush, then as many
 * (at most 500) followed by hsync. Prints the median and the 99th percentile. */
#include <dfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SYNCS = 500, MOST_SIZE = 65536 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check(int rc, const struct dfs_error *e)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_flush: %s %s\n", e->exception, e->text);
    exit(1);
}

static void measure(struct dfs_file *file, unsigned flags, size_t count, size_t size, double *us)
{
    static const char record[MOST_SIZE];
    struct dfs_error e;
    for (size_t i = 0; i < count; i++) {
        double start = now_us();
        check((int)dfs_write(file, record, size, &e), &e);
        check(dfs_sync(file, flags, &e), &e);
        us[i] = now_us() - start;
    }
    qsort(us, count, sizeof(*us), compare);
    printf("%-8s p50 %8.0f us   p99 %8.0f us   worst %8.0f us\n", flags != 0 ? "hsync" : "hflush",
           us[count / 2], us[count * 99 / 100], us[count - 1]);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t count = strtoul(argv[2], NULL, 10), size = strtoul(argv[3], NULL, 10);
    if (count == 0 || size == 0 || size > MOST_SIZE)
        return 2;
    struct dfs_create_options o = {.overwrite = true,
                                   .replication = (uint32_t)strtoul(argv[4], NULL, 10)};
    struct dfs *fs;
    struct dfs_file *file;
    struct dfs_error e;
    double *us = calloc(count, sizeof(*us));
    check(us == NULL ? -1 : 0, &(struct dfs_error){.text = "no memory"});
    check(dfs_connect(&(struct dfs_options){.url = argv[1]}, &fs, &e), &e);
    check(dfs_create(fs, "/bench_flush", &o, &file, &e), &e);
    measure(file, 0, count / 10 + 1, size, us); /* warms */
    measure(file, 0, count, size, us);
    measure(file, DFS_SYNC_DISK, count < MOST_SYNCS ? count : MOST_SYNCS, size, us);
    check(dfs_close(file, &e), &e);
    check(dfs_delete(fs, "/bench_flush", false, &e), &e);
    dfs_disconnect(fs);
    free(us);
    return 0;
}
