/* rounds.c - when the folders are looked at: first at a random moment within the interval, so that
 * the nodes of a cluster don't do it together, then each interval; some volumes at a time. */
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/scan/internal.h"

struct job {
    struct scanner *s;
    size_t volume;
    const char *path; /* lives as long as the store */
};

static void scan_pool(const struct job *j, struct block_pool *p)
{
    struct folder_counts counts;
    struct err err = {0};
    int64_t start_ms = clock_monotonic_ms();
    int rc = folders_scan(j->s, j->volume, j->path, p, &counts, &err);
    if (rc == ERR_CLOSED)
        return;
    if (rc != 0)
        log_warn("a round over the folders failed volume=%s pool=%s cause=%s", j->path, pool_id(p),
                 log_quote(err.text));
    else if (counts.differences > 0 || counts.misplaced > 0)
        log_info("folders and records compared volume=%s pool=%s blocks=%llu differences=%llu "
                 "misplaced=%llu ms=%lld",
                 j->path, pool_id(p), (unsigned long long)counts.blocks,
                 (unsigned long long)counts.differences, (unsigned long long)counts.misplaced,
                 (long long)(clock_monotonic_ms() - start_ms));
}

static void run(void *arg)
{
    struct job *j = arg;
    struct block_pool *pools[MAX_SCAN_POOLS];
    size_t count = store_pools(j->s->o.store, pools, MAX_SCAN_POOLS);
    scanner_be_idle();
    for (size_t i = 0; i < count && !scanner_stopping(j->s); i++)
        scan_pool(j, pools[i]);
    free(j);
}

static void round_once(struct scanner *s)
{
    struct volume_info volumes[STORE_MAX_VOLUMES];
    size_t count = store_volumes(s->o.store, NULL, volumes);
    struct workers *workers = workers_new("dn-folders", s->folder_threads);
    for (size_t i = 0; i < count && workers != NULL; i++) {
        struct job *j = volumes[i].failed ? NULL : malloc(sizeof(*j));
        if (j == NULL)
            continue;
        *j = (struct job){s, i, volumes[i].path};
        if (workers_submit(workers, run, j, STORE_MAX_VOLUMES) != 0)
            free(j); /* the next round has it */
    }
    workers_free(workers); /* waits for all */
    pthread_mutex_lock(&s->lock);
    s->counts.rounds++;
    pthread_mutex_unlock(&s->lock);
}

static void *rounds_run(void *arg)
{
    struct scanner *s = arg;
    uint64_t interval = (uint64_t)s->folder_interval_ms;
    int64_t next = clock_monotonic_ms() + (int64_t)(random_u64() % interval);
    pthread_setname_np(pthread_self(), "dn-dirscan");
    while (!scanner_wait_until(s, next)) {
        round_once(s);
        next += s->folder_interval_ms;
        if (next < clock_monotonic_ms())
            next = clock_monotonic_ms() + s->folder_interval_ms;
    }
    return NULL;
}

int rounds_start(struct scanner *s, struct err *err)
{
    int rc = pthread_create(&s->rounds.thread, NULL, rounds_run, s);
    if (rc != 0)
        return fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
    s->rounds.started = true;
    return 0;
}
