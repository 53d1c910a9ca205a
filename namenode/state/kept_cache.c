/* kept_cache.c - pools and directives of the cache manager: only stored, never used. See state.h.
 * Invariants: pools are sorted by name, directives by id, as an image has them; a directive's pool
 * exists. */
#include <stdlib.h>

#include "namenode/state/state.h"

/* The array with room for one more at index `at`; it doubles at powers of two. NULL: no memory. */
static void *opened(void *array, uint32_t count, size_t size, uint32_t at)
{
    bool full = (count & (count - 1)) == 0;
    uint8_t *grown = full ? realloc(array, (count == 0 ? 1 : (size_t)count * 2) * size) : array;
    if (grown != NULL)
        memmove(grown + (at + 1) * size, grown + at * size, (count - at) * size);
    return grown;
}

static const char *copy(struct kept *k, const char *text)
{
    return arena_strdup(&k->texts, text == NULL ? "" : text);
}

/* Where the pool is, or would stand. */
static uint32_t place_of_pool(const struct kept *k, const char *name)
{
    uint32_t low = 0, high = k->cache_pool_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(k->cache_pools[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t place_of_directive(const struct kept *k, uint64_t id)
{
    uint32_t low = 0, high = k->directive_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (k->directives[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct kept_cache_pool *kept_find_cache_pool(const struct kept *k, const char *name)
{
    uint32_t at = place_of_pool(k, name);
    return at < k->cache_pool_count && strcmp(k->cache_pools[at].name, name) == 0
               ? &k->cache_pools[at]
               : NULL;
}

int kept_put_cache_pool(struct kept *k, const struct kept_cache_pool *pool)
{
    struct kept_cache_pool new = *pool, *old = kept_find_cache_pool(k, pool->name);
    new.name = copy(k, pool->name);
    new.owner = copy(k, pool->owner);
    new.group = copy(k, pool->group);
    if (new.name == NULL || new.owner == NULL || new.group == NULL)
        return ERR_NO_MEMORY;
    if (old != NULL) {
        *old = new;
        return 0;
    }
    uint32_t at = place_of_pool(k, new.name);
    void *grown = opened(k->cache_pools, k->cache_pool_count, sizeof(new), at);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    k->cache_pools = grown;
    k->cache_pools[at] = new;
    k->cache_pool_count++;
    return 0;
}

static void drop_directive_at(struct kept *k, uint32_t at)
{
    k->directive_count--;
    memmove(k->directives + at, k->directives + at + 1,
            (k->directive_count - at) * sizeof(*k->directives));
}

void kept_drop_cache_pool(struct kept *k, const char *name)
{
    const struct kept_cache_pool *pool = kept_find_cache_pool(k, name);
    if (pool == NULL)
        return;
    uint32_t left = 0;
    for (uint32_t i = 0; i < k->directive_count; i++)
        if (strcmp(k->directives[i].pool, name) != 0)
            k->directives[left++] = k->directives[i];
    k->directive_count = left;
    uint32_t at = (uint32_t)(pool - k->cache_pools);
    k->cache_pool_count--;
    memmove(k->cache_pools + at, k->cache_pools + at + 1,
            (k->cache_pool_count - at) * sizeof(*k->cache_pools));
}

struct kept_directive *kept_find_directive(const struct kept *k, uint64_t id)
{
    uint32_t at = place_of_directive(k, id);
    return at < k->directive_count && k->directives[at].id == id ? &k->directives[at] : NULL;
}

int kept_put_directive(struct kept *k, const struct kept_directive *directive)
{
    struct kept_directive new = *directive, *old = kept_find_directive(k, directive->id);
    new.path = copy(k, directive->path);
    new.pool = copy(k, directive->pool);
    if (new.path == NULL || new.pool == NULL)
        return ERR_NO_MEMORY;
    if (old != NULL) {
        *old = new;
        return 0;
    }
    uint32_t at = place_of_directive(k, new.id);
    void *grown = opened(k->directives, k->directive_count, sizeof(new), at);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    k->directives = grown;
    k->directives[at] = new;
    k->directive_count++;
    return 0;
}

void kept_drop_directive(struct kept *k, uint64_t id)
{
    const struct kept_directive *d = kept_find_directive(k, id);
    if (d != NULL)
        drop_directive_at(k, (uint32_t)(d - k->directives));
}
