/* conn_cache.c - idle connections to DataNodes, kept for the next read.
 * Thread: any; `lock` guards the list. A DataNode closes its end after 4 s without a request, so
 * ours leave sooner; a connection that died meanwhile shows at the first request, and the reader
 * then takes a fresh one. */
#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

#include "libdfs/io/internal.h"

struct conn_cache {
    pthread_mutex_t lock;
    struct dnc *idle; /* oldest first */
    size_t count, capacity;
    int64_t expiry_ms;
};

struct conn_cache *conn_cache_new(size_t capacity, int64_t expiry_ms)
{
    struct conn_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->capacity = capacity;
    cache->expiry_ms = expiry_ms;
    return cache;
}

static void free_list(struct dnc *list)
{
    struct dnc *c, *next;
    DL_FOREACH_SAFE(list, c, next)
    dnc_free(c);
}

void conn_cache_free(struct conn_cache *cache)
{
    if (cache == NULL)
        return;
    free_list(cache->idle);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* Moves what is too old, and the oldest beyond the capacity, to *out: closing happens without the
 * lock. */
static void expire(struct conn_cache *cache, struct dnc **out)
{
    int64_t now = clock_monotonic_ms();
    while (cache->idle != NULL && (cache->count > cache->capacity ||
                                   now - cache->idle->idle_since_ms > cache->expiry_ms)) {
        struct dnc *c = cache->idle;
        DL_DELETE(cache->idle, c);
        cache->count--;
        DL_APPEND(*out, c);
    }
}

struct dnc *conn_cache_take(struct conn_cache *cache, const char *name)
{
    struct dnc *expired = NULL, *c, *found = NULL;
    pthread_mutex_lock(&cache->lock);
    expire(cache, &expired);
    DL_FOREACH(cache->idle, c)
    if (strcmp(c->name, name) == 0)
        found = c; /* the youngest */
    if (found != NULL) {
        DL_DELETE(cache->idle, found);
        cache->count--;
        found->reused = true;
    }
    pthread_mutex_unlock(&cache->lock);
    free_list(expired);
    return found;
}

void conn_cache_give(struct conn_cache *cache, struct dnc *take_c)
{
    struct dnc *expired = NULL;
    take_c->idle_since_ms = clock_monotonic_ms();
    pthread_mutex_lock(&cache->lock);
    DL_APPEND(cache->idle, take_c);
    cache->count++;
    expire(cache, &expired);
    pthread_mutex_unlock(&cache->lock);
    free_list(expired);
}
