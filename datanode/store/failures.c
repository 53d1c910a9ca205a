/* failures.c - volumes that fail, by an error or by not answering, and what follows from it.
 * Thread: any; the keeper looks once in a while for volumes that hang. failures_lock is held only
 * to count: the replicas are dropped and the owner is told without it. */
#include <stdio.h>
#include <time.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

enum { KEEPER_MS = 500 };

static size_t working(const struct store *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->volume_count; i++)
        count += volume_works(store_volume(s, i));
    return count;
}

/* With failures_lock. Whether the store is unusable from now on. */
static bool note(struct store *s, struct volume *v)
{
    struct volume_failures *f = &s->failures;
    if (atomic_load(&v->state) != VOLUME_FAILED)
        return false; /* removed meanwhile: no longer anybody's trouble */
    if (f->count < STORE_MAX_VOLUMES)
        f->paths[f->count++] = v->path;
    f->last_ms = clock_wall_ms();
    f->capacity_lost += volume_space(v).capacity;
    bool enough = s->tolerated < 0 ? working(s) > 0 || !s->kept : (int64_t)f->count <= s->tolerated;
    bool now_unusable = !enough && !s->unusable;
    s->unusable |= !enough;
    return now_unusable;
}

void store_notify(struct store *s, enum store_notice notice, const char *text)
{
    if (s->watcher != NULL)
        s->watcher(s->watcher_ctx, notice, text);
}

static struct store *store_of(const struct volume *v)
{
    return v->rules->ctx;
}

/* false: another thread was first, or it doesn't matter any more. */
static bool mark_failed(struct volume *v)
{
    int works = VOLUME_WORKS, joins = VOLUME_JOINING;
    return atomic_compare_exchange_strong(&v->state, &works, VOLUME_FAILED) ||
           atomic_compare_exchange_strong(&v->state, &joins, VOLUME_FAILED);
}

void volume_fail(struct volume *v, const char *why)
{
    struct store *s = store_of(v);
    char text[VOLUME_PATH_MAX + 800];
    if (!mark_failed(v))
        return;
    log_error("a volume is taken out of service path=%s storage=%s cause=%s", v->path,
              v->storage_id, log_quote(why));
    metric_add(METRIC_volume_failures, 1);
    pthread_mutex_lock(&s->failures_lock);
    bool now_unusable = note(s, v);
    pthread_mutex_unlock(&s->failures_lock);
    snprintf(text, sizeof(text), "%s: %s", v->path, why);
    store_notify(s, now_unusable ? STORE_UNUSABLE : STORE_VOLUME_FAILED, text);
    for (size_t i = 0; i < s->pool_count; i++)
        pool_drop_volume(s->pools[i], v, false);
}

void failures_forget(struct store *s, const struct volume *v)
{
    struct volume_failures *f = &s->failures;
    pthread_mutex_lock(&s->failures_lock);
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->paths[i], v->path) == 0)
            f->paths[i--] = f->paths[--f->count];
    if (f->count == 0)
        f->capacity_lost = 0;
    pthread_mutex_unlock(&s->failures_lock);
}

void store_watch(struct store *s, store_watcher watcher, void *ctx)
{
    s->watcher = watcher;
    s->watcher_ctx = ctx;
}

void store_failures(struct store *s, struct volume_failures *ret)
{
    pthread_mutex_lock(&s->failures_lock);
    *ret = s->failures;
    pthread_mutex_unlock(&s->failures_lock);
}

/* --- the keeper --- */

static void find_hanging(struct store *s)
{
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = store_volume(s, i);
        if (volume_works(v) && volume_hangs(v, now_ms))
            volume_fail(v, "the disk doesn't answer");
    }
}

static void *keeper_thread(void *arg)
{
    struct store *s = arg;
    pthread_setname_np(pthread_self(), "dn-keeper");
    pthread_mutex_lock(&s->failures_lock);
    while (!s->stopping) {
        int64_t end_ms = clock_monotonic_ms() + KEEPER_MS;
        struct timespec end = {.tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&s->failures_wake, &s->failures_lock, &end);
        pthread_mutex_unlock(&s->failures_lock);
        find_hanging(s);
        pthread_mutex_lock(&s->failures_lock);
    }
    pthread_mutex_unlock(&s->failures_lock);
    return NULL;
}

int failures_start(struct store *s, struct err *err)
{
    int rc = pthread_create(&s->keeper, NULL, keeper_thread, s);
    if (rc != 0)
        return fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
    s->kept = true;
    return 0;
}

void failures_stop(struct store *s)
{
    if (!s->kept)
        return;
    pthread_mutex_lock(&s->failures_lock);
    s->stopping = true;
    pthread_cond_signal(&s->failures_wake);
    pthread_mutex_unlock(&s->failures_lock);
    pthread_join(s->keeper, NULL);
    s->kept = false;
}
