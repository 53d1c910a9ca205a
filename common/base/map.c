/* map.c - id to handle. See pool.h. Load factor at most 3/4; removal shifts back, so there are no
 * tombstones but in a table that is being left: there a probe has to get past what has moved. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/pool.h"

#define GONE UINT32_MAX /* in the old table; no pool gives this handle */

/* A table of n grows at 3/4 n, the next one at 3/2 n: 3/4 n calls have n slots to move. */
enum { MOVE_EACH = 8, FIRST_SIZE = 64 };

static uint32_t place(uint64_t id, uint32_t mask)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15ULL) >> 32) & mask;
}

void idmap_init(struct idmap *m, uint64_t (*id_of)(const void *owner, handle_t h),
                const void *owner)
{
    *m = (struct idmap){.id_of = id_of, .owner = owner};
}

void idmap_fini(struct idmap *m)
{
    free(m->slots);
    free(m->old);
    *m = (struct idmap){.id_of = m->id_of, .owner = m->owner};
}

size_t idmap_bytes(const struct idmap *m)
{
    size_t n = m->slots == NULL ? 0 : (size_t)m->mask + 1;
    return (n + (m->old == NULL ? 0 : (size_t)m->old_mask + 1)) * sizeof(handle_t);
}

static void insert(struct idmap *m, uint64_t id, handle_t h)
{
    uint32_t i = place(id, m->mask);
    while (m->slots[i] != 0)
        i = (i + 1) & m->mask;
    m->slots[i] = h;
}

static void move_some(struct idmap *m, uint32_t count)
{
    while (m->old != NULL && count-- > 0) {
        handle_t *slot = &m->old[m->moved];
        if (*slot != 0 && *slot != GONE) {
            insert(m, m->id_of(m->owner, *slot), *slot);
            *slot = GONE;
        }
        if (m->moved++ == m->old_mask) {
            free(m->old);
            m->old = NULL;
        }
    }
}

static int grow(struct idmap *m)
{
    size_t n = m->slots == NULL ? FIRST_SIZE : ((size_t)m->mask + 1) * 2;
    if (n > (size_t)UINT32_MAX + 1)
        return ERR_NO_MEMORY;
    handle_t *bigger = calloc(n, sizeof(*bigger));
    if (bigger == NULL)
        return ERR_NO_MEMORY;
    move_some(m, UINT32_MAX); /* nothing is left by now */
    m->old = m->slots;
    m->old_mask = m->mask;
    m->moved = 0;
    m->slots = bigger;
    m->mask = (uint32_t)(n - 1);
    return 0;
}

/* The slot that holds the id in one of the tables; NULL: none. */
static handle_t *find_in(const struct idmap *m, handle_t *slots, uint32_t mask, uint64_t id)
{
    if (slots == NULL)
        return NULL;
    for (uint32_t i = place(id, mask); slots[i] != 0; i = (i + 1) & mask)
        if (slots[i] != GONE && m->id_of(m->owner, slots[i]) == id)
            return &slots[i];
    return NULL;
}

handle_t idmap_find(const struct idmap *m, uint64_t id)
{
    const handle_t *slot = find_in(m, m->slots, m->mask, id);
    if (slot == NULL && m->old != NULL)
        slot = find_in(m, m->old, m->old_mask, id);
    return slot == NULL ? 0 : *slot;
}

int idmap_put(struct idmap *m, uint64_t id, handle_t h)
{
    if (m->slots == NULL || m->used >= ((uint64_t)m->mask + 1) * 3 / 4)
        TRY(grow(m));
    move_some(m, MOVE_EACH);
    insert(m, id, h);
    m->used++;
    return 0;
}

/* Closes the hole at i of the table in use. */
static void shift_back(struct idmap *m, uint32_t i)
{
    for (uint32_t j = (i + 1) & m->mask; m->slots[j] != 0; j = (j + 1) & m->mask) {
        uint32_t home = place(m->id_of(m->owner, m->slots[j]), m->mask);
        if (((j - home) & m->mask) >= ((j - i) & m->mask)) { /* j may move back to the hole */
            m->slots[i] = m->slots[j];
            i = j;
        }
    }
    m->slots[i] = 0;
}

void idmap_remove(struct idmap *m, uint64_t id)
{
    const handle_t *slot = find_in(m, m->slots, m->mask, id);
    if (slot != NULL) {
        shift_back(m, (uint32_t)(slot - m->slots));
    } else {
        handle_t *left = find_in(m, m->old, m->old_mask, id);
        CHECK(left != NULL);
        *left = GONE;
    }
    m->used--;
}
