/* pool.h - records with 32-bit handles, and a map from 64-bit ids to handles.
 * Handle 0 is none. Records stay where they are while they live, so pointers are good between two
 * frees. Slabs are never given back: a namespace that was once large will be large again. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

typedef uint32_t handle_t;

struct pool {
    uint8_t **slabs;
    size_t record_size;
    uint32_t slab_count, used, free_head, live;
};

/* record_size >= 4: a free record's first four bytes link the free list. */
void pool_init(struct pool *p, size_t record_size);
void pool_fini(struct pool *p);
/* A zeroed record; 0: no memory or 2^32 - 2 records. */
handle_t pool_take(struct pool *p);
void pool_give(struct pool *p, handle_t h);

enum { POOL_SLAB_BITS = 12 };
static inline void *pool_at(const struct pool *p, handle_t h)
{
    uint32_t i = h - 1;
    return p->slabs[i >> POOL_SLAB_BITS] +
           (size_t)(i & ((1u << POOL_SLAB_BITS) - 1)) * p->record_size;
}
/* Bytes that the pool holds from the system. */
size_t pool_bytes(const struct pool *p);

/* Open addressing with linear probing; the ids live in the records themselves. Growing is spread
 * over the calls that follow, so that no single one has to move everything. */
struct idmap {
    handle_t *slots;
    handle_t *old; /* the smaller table, while it is being moved; NULL otherwise */
    uint32_t mask, old_mask, used;
    uint32_t moved; /* slots of the old one that are done with */
    uint64_t (*id_of)(const void *owner, handle_t h);
    const void *owner;
};

void idmap_init(struct idmap *m, uint64_t (*id_of)(const void *owner, handle_t h),
                const void *owner);
void idmap_fini(struct idmap *m);
handle_t idmap_find(const struct idmap *m, uint64_t id);
/* The id must not be in the map yet. */
must_use int idmap_put(struct idmap *m, uint64_t id, handle_t h);
/* Memory that it holds. */
size_t idmap_bytes(const struct idmap *m);
/* Call while the record still holds its id. */
void idmap_remove(struct idmap *m, uint64_t id);
