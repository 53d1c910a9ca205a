/* throttle.c - a bucket that many threads share. Thread: any; the lock guards everything. */
#include "datanode/throttle/throttle.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/io/io.h"

struct throttle {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the rate, or the end */
    struct bucket bucket;
    unsigned limit, inside;
    bool limited, ended;
};

struct throttle *throttle_new(uint64_t bytes_per_second)
{
    struct throttle *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    CHECK(pthread_cond_init(&t->changed, &attr) == 0);
    pthread_condattr_destroy(&attr);
    bucket_init(&t->bucket, bytes_per_second, clock_monotonic_ns());
    return t;
}

void throttle_free(struct throttle *t)
{
    if (t == NULL)
        return;
    CHECK(t->inside == 0);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void throttle_set(struct throttle *t, uint64_t bytes_per_second)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    bucket_set(&t->bucket, bytes_per_second, clock_monotonic_ns());
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

uint64_t throttle_rate(struct throttle *t)
{
    if (t == NULL)
        return 0;
    pthread_mutex_lock(&t->lock);
    uint64_t rate = t->bucket.rate;
    pthread_mutex_unlock(&t->lock);
    return rate;
}

void throttle_use(struct throttle *t, uint64_t bytes)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    uint64_t place = bucket_reserve(&t->bucket, bytes, clock_monotonic_ns());
    for (;;) {
        int64_t now = clock_monotonic_ns(), wait = bucket_wait_ns(&t->bucket, place, now);
        if (wait == 0 || t->ended)
            break;
        int64_t end_ns = now + wait;
        struct timespec end = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
        (void)pthread_cond_timedwait(&t->changed, &t->lock, &end);
    }
    pthread_mutex_unlock(&t->lock);
}

void throttle_end(struct throttle *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->ended = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void throttle_set_limit(struct throttle *t, unsigned limit)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->limit = limit;
    t->limited = true;
    pthread_mutex_unlock(&t->lock);
}

bool throttle_enter(struct throttle *t)
{
    if (t == NULL)
        return true;
    pthread_mutex_lock(&t->lock);
    bool enters = !t->limited || t->inside < t->limit;
    t->inside += enters;
    pthread_mutex_unlock(&t->lock);
    return enters;
}

void throttle_leave(struct throttle *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    CHECK(t->inside > 0);
    t->inside--;
    pthread_mutex_unlock(&t->lock);
}

unsigned throttle_inside(struct throttle *t)
{
    if (t == NULL)
        return 0;
    pthread_mutex_lock(&t->lock);
    unsigned inside = t->inside;
    pthread_mutex_unlock(&t->lock);
    return inside;
}
