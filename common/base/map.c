/* map.c - id to handle. See pool.h. Load factor at most 3/4; removal shifts back, so there are no
 * tombstones. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/pool.h"

static uint32_t place(const struct idmap *m, uint64_t id)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15ULL) >> 32) & m->mask;
}

void idmap_init(struct idmap *m, uint64_t (*id_of)(const void *owner, handle_t h),
                const void *owner)
{
    *m = (struct idmap){.id_of = id_of, .owner = owner};
}

void idmap_fini(struct idmap *m)
{
    free(m->slots);
    m->slots = NULL;
    m->mask = m->used = 0;
}

static void insert(struct idmap *m, uint64_t id, handle_t h)
{
    uint32_t i = place(m, id);
    while (m->slots[i] != 0)
        i = (i + 1) & m->mask;
    m->slots[i] = h;
}

static int grow(struct idmap *m)
{
    struct idmap bigger = *m;
    size_t n = m->slots == NULL ? 64 : ((size_t)m->mask + 1) * 2;
    if (n > (size_t)UINT32_MAX + 1)
        return ERR_NO_MEMORY;
    bigger.slots = calloc(n, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return ERR_NO_MEMORY;
    bigger.mask = (uint32_t)(n - 1);
    if (m->slots != NULL)
        for (size_t i = 0; i <= m->mask; i++)
            if (m->slots[i] != 0)
                insert(&bigger, m->id_of(m->owner, m->slots[i]), m->slots[i]);
    free(m->slots);
    *m = bigger;
    return 0;
}

handle_t idmap_find(const struct idmap *m, uint64_t id)
{
    if (m->slots == NULL)
        return 0;
    for (uint32_t i = place(m, id); m->slots[i] != 0; i = (i + 1) & m->mask)
        if (m->id_of(m->owner, m->slots[i]) == id)
            return m->slots[i];
    return 0;
}

int idmap_put(struct idmap *m, uint64_t id, handle_t h)
{
    if (m->slots == NULL || m->used >= ((uint64_t)m->mask + 1) * 3 / 4)
        TRY(grow(m));
    insert(m, id, h);
    m->used++;
    return 0;
}

void idmap_remove(struct idmap *m, uint64_t id)
{
    CHECK(m->slots != NULL);
    uint32_t i = place(m, id);
    while (m->slots[i] != 0 && m->id_of(m->owner, m->slots[i]) != id)
        i = (i + 1) & m->mask;
    CHECK(m->slots[i] != 0);
    for (uint32_t j = (i + 1) & m->mask; m->slots[j] != 0; j = (j + 1) & m->mask) {
        uint32_t home = place(m, m->id_of(m->owner, m->slots[j]));
        if (((j - home) & m->mask) >= ((j - i) & m->mask)) { /* j may move back to the hole */
            m->slots[i] = m->slots[j];
            i = j;
        }
    }
    m->slots[i] = 0;
    m->used--;
}
