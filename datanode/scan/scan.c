/* scan.c - starts and ends the threads, one for each volume that works, and keeps the counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/scan/internal.h"

enum { WATCH_MS = 1000 };
enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_IDLE = 3, IOPRIO_CLASS_SHIFT = 13, NICEST = 19 };

/* Refusals don't matter: it is a favour to the others. */
void scanner_be_idle(void)
{
    int id = (int)gettid();
    (void)setpriority(PRIO_PROCESS, (id_t)id, NICEST);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, id, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
}

bool scanner_stopping(struct scanner *s)
{
    pthread_mutex_lock(&s->lock);
    bool stops = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stops;
}

bool scanner_wait_until(struct scanner *s, int64_t when_ms)
{
    struct timespec end = {.tv_sec = when_ms / 1000, .tv_nsec = when_ms % 1000 * 1000000};
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && pthread_cond_timedwait(&s->wake, &s->lock, &end) != ETIMEDOUT)
        ;
    bool stops = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stops;
}

/* --- findings --- */

void scanner_bad(struct scanner *s, struct block_pool *p, const struct block *b, const char *why)
{
    log_warn("a replica is bad pool=%s block=%lld stamp=%llu cause=%s", pool_id(p),
             (long long)b->id, (unsigned long long)b->gen_stamp, log_quote(why));
    pthread_mutex_lock(&s->lock);
    s->counts.bad++;
    pthread_mutex_unlock(&s->lock);
    s->o.bad(s->o.ctx, pool_id(p), b);
}

static const char *const reconciled_names[] = {[RECONCILED_SAME] = "same",
                                               [RECONCILED_FORGOTTEN] = "its files are gone",
                                               [RECONCILED_ADDED] = "it was unknown",
                                               [RECONCILED_BAD] = "its files don't fit",
                                               [RECONCILED_LITTER] = "checksums without data",
                                               [RECONCILED_ALONE] =
                                                   "data without checksums, left alone",
                                               [RECONCILED_TWICE] = "it was there twice"};

static void count(struct scanner *s, enum reconciled what)
{
    struct scanner_counts *c = &s->counts;
    pthread_mutex_lock(&s->lock);
    c->forgotten += what == RECONCILED_FORGOTTEN;
    c->added += what == RECONCILED_ADDED;
    c->litter += what == RECONCILED_LITTER;
    c->alone += what == RECONCILED_ALONE;
    c->twice += what == RECONCILED_TWICE;
    pthread_mutex_unlock(&s->lock);
}

void scanner_reconcile(struct scanner *s, struct block_pool *p, size_t volume, uint64_t id,
                       const char *why)
{
    enum reconciled what;
    struct block b;
    struct err err = {0};
    if (replica_reconcile(p, volume, id, &what, &b, &err) != 0) {
        log_limited(LOG_WARN, "a block can't be compared with its files block=%lld cause=%s",
                    (long long)id, log_quote(err.text));
        return;
    }
    if (what == RECONCILED_SAME)
        return;
    count(s, what);
    if (what == RECONCILED_BAD)
        scanner_bad(s, p, &b, "its files are not those of the record");
    else
        log_warn("record and files of a block differ pool=%s block=%lld found=%s why=%s",
                 pool_id(p), (long long)id, log_quote(reconciled_names[what]), log_quote(why));
}

void scanner_suspect(struct scanner *s, const char *pool_name, const struct block *block)
{
    struct block_pool *p = s == NULL ? NULL : store_pool(s->o.store, pool_name);
    struct replica_info info;
    if (p == NULL || !replica_look(p, block->id, &info) || info.state != REPLICA_FINALIZED)
        return;
    pthread_mutex_lock(&s->lock);
    struct volume_scan *vs = s->volumes[info.volume];
    if (vs != NULL && suspects_put(&vs->suspects, p, &info.block, clock_monotonic_ms())) {
        log_debug("a replica is suspect pool=%s block=%lld", pool_name, (long long)block->id);
        pthread_cond_broadcast(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

void scanner_counts(struct scanner *s, struct scanner_counts *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->counts;
    pthread_mutex_unlock(&s->lock);
}

int scanner_report(struct scanner *s, struct buf *out)
{
    int rc = 0;
    if (s->rate == 0)
        return buf_printf(out, "Periodic block scanner is not running. "
                               "Please check the datanode log if this is unexpected.");
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; rc == 0 && i < STORE_MAX_VOLUMES; i++)
        if (s->volumes[i] != NULL)
            rc = figures_print(&s->volumes[i]->figures, s->volumes[i]->storage_id,
                               s->volumes[i]->path, clock_monotonic_ms(), clock_wall_ms(), out);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* --- threads --- */

static void thread_free(struct volume_scan *vs)
{
    if (vs->started)
        pthread_join(vs->thread, NULL);
    suspects_fini(&vs->suspects);
    free(vs);
}

static void thread_begin(struct scanner *s, size_t index, const struct volume_info *v)
{
    struct volume_scan *vs = calloc(1, sizeof(*vs));
    if (vs == NULL)
        return; /* the watcher tries again */
    vs->scanner = s;
    vs->index = index;
    vs->figures.next_start_ms = vs->figures.period_end_ms = -1;
    vs->figures.minute = clock_monotonic_ms() / 60000;
    snprintf(vs->path, sizeof(vs->path), "%s", v->path);
    snprintf(vs->storage_id, sizeof(vs->storage_id), "%s", v->storage_id);
    if (suspects_init(&vs->suspects) != 0 ||
        pthread_create(&vs->thread, NULL, volume_scan_run, vs) != 0) {
        thread_free(vs);
        return;
    }
    vs->started = true;
    pthread_mutex_lock(&s->lock);
    s->volumes[index] = vs;
    pthread_mutex_unlock(&s->lock);
}

/* Out of reach of others, then without its thread. */
static void thread_end(struct scanner *s, size_t index)
{
    pthread_mutex_lock(&s->lock);
    struct volume_scan *vs = s->volumes[index];
    s->volumes[index] = NULL;
    if (vs != NULL)
        vs->ending = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (vs != NULL)
        thread_free(vs);
}

/* Is to end, and has: a disk that hangs must not keep the watcher from the others. */
static bool has_ended(struct scanner *s, struct volume_scan *vs)
{
    pthread_mutex_lock(&s->lock);
    vs->ending = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return atomic_load(&vs->over);
}

/* s->volumes is written by this thread only. */
static void watch_volumes(struct scanner *s)
{
    struct volume_info v[STORE_MAX_VOLUMES];
    size_t n = store_volumes(s->o.store, NULL, v);
    for (size_t i = 0; i < STORE_MAX_VOLUMES; i++) {
        bool works = i < n && !v[i].failed && v[i].storage_id[0] != '\0';
        struct volume_scan *vs = s->volumes[i];
        bool wanted = vs != NULL && works && strcmp(vs->storage_id, v[i].storage_id) == 0 &&
                      strcmp(vs->path, v[i].path) == 0;
        if (vs != NULL && !wanted && has_ended(s, vs))
            thread_end(s, i);
        if (works && s->volumes[i] == NULL)
            thread_begin(s, i, &v[i]);
    }
}

static void *watch(void *arg)
{
    struct scanner *s = arg;
    pthread_setname_np(pthread_self(), "dn-scan-watch");
    do {
        watch_volumes(s);
    } while (!scanner_wait_until(s, clock_monotonic_ms() + WATCH_MS));
    return NULL;
}

static void configure(struct scanner *s)
{
    const struct conf *conf = s->o.conf;
    static const int64_t hour_ms = 3600000;
    int64_t period = conf_int(conf, CONF_dn_scan_period) * hour_ms;
    if (conf_is_set(conf, CONF_dn_scan_period_ms))
        period = conf_ms(conf, CONF_dn_scan_period_ms);
    if (period == 0) /* Hadoop's rule: 0 is the default, less is none */
        period = 504 * hour_ms;
    s->period_ms = period;
    s->rate = period < 0 ? 0 : (uint64_t)conf_size(conf, CONF_dn_scan_rate);
    s->save_ms = conf_ms(conf, CONF_dn_scan_save);
    s->skip_recent = conf_bool(conf, CONF_dn_scan_skip_recent);
    s->folder_interval_ms = conf_ms(conf, CONF_dn_folder_interval);
    s->folder_threads = (unsigned)conf_int(conf, CONF_dn_folder_threads);
    int64_t limit = conf_int(conf, CONF_dn_folder_limit);
    s->folder_limit_ms = limit > 0 && limit < 1000 ? limit : 0;
}

int scanner_start(const struct scanner_options *o, struct scanner **ret, struct err *err)
{
    struct scanner *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the scanners");
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    CHECK(pthread_cond_init(&s->wake, &attr) == 0);
    pthread_condattr_destroy(&attr);
    s->o = *o;
    configure(s);
    int rc = s->folder_interval_ms > 0 ? rounds_start(s, err) : 0;
    if (rc == 0 && s->rate > 0) {
        rc = pthread_create(&s->watcher, NULL, watch, s);
        s->watching = rc == 0;
        if (rc != 0)
            rc = fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
    }
    if (rc != 0) {
        scanner_stop(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void scanner_stop(struct scanner *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->watching)
        pthread_join(s->watcher, NULL);
    for (size_t i = 0; i < STORE_MAX_VOLUMES; i++)
        thread_end(s, i);
    if (s->rounds.started)
        pthread_join(s->rounds.thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
