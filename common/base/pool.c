/* pool.c - slabs of equal records. See pool.h. */
#include "common/base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { SLAB_RECORDS = 1 << POOL_SLAB_BITS };

void pool_init(struct pool *p, size_t record_size)
{
    CHECK(record_size >= sizeof(handle_t));
    *p = (struct pool){.record_size = record_size};
}

void pool_fini(struct pool *p)
{
    for (uint32_t i = 0; i < p->slab_count; i++)
        free(p->slabs[i]);
    free(p->slabs);
    *p = (struct pool){.record_size = p->record_size};
}

static bool add_slab(struct pool *p)
{
    if ((p->slab_count & (p->slab_count - 1)) == 0) { /* the table doubles at each power of two */
        size_t n = p->slab_count == 0 ? 1 : (size_t)p->slab_count * 2;
        uint8_t **slabs = realloc(p->slabs, n * sizeof(*slabs));
        if (slabs == NULL)
            return false;
        p->slabs = slabs;
    }
    uint8_t *slab = malloc(p->record_size * SLAB_RECORDS);
    if (slab == NULL)
        return false;
    p->slabs[p->slab_count++] = slab;
    return true;
}

handle_t pool_take(struct pool *p)
{
    handle_t h = p->free_head;
    if (h != 0) {
        memcpy(&p->free_head, pool_at(p, h), sizeof(h));
    } else {
        if (p->used == UINT32_MAX - 1)
            return 0;
        if (p->used == p->slab_count * (uint64_t)SLAB_RECORDS && !add_slab(p))
            return 0;
        h = ++p->used;
    }
    memset(pool_at(p, h), 0, p->record_size);
    p->live++;
    return h;
}

void pool_give(struct pool *p, handle_t h)
{
    CHECK(h != 0 && h <= p->used);
    memcpy(pool_at(p, h), &p->free_head, sizeof(h));
    p->free_head = h;
    p->live--;
}

size_t pool_bytes(const struct pool *p)
{
    return (size_t)p->slab_count * SLAB_RECORDS * p->record_size;
}
