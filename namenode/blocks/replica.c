/* replica.c - which storages hold a block, seen from both sides. See internal.h.
 * Thread: state. A block keeps small records of its storages; a storage keeps a plain array of its
 * blocks, and each replica knows its place in there, so that adding and removing cost no search.
 * Invariants: (1) storages[s].at[r.pos] is the block of each replica r on s, and no two replicas on
 * s have the same pos (a group may be there twice); (2) at most one replica of a block per node,
 * and of a group per node and index; (3) a corrupt replica, and no other, has a note. */
#include <stdlib.h>

#include "namenode/blocks/internal.h"

#define NO_PLACE UINT32_MAX

struct storage_list *storage_list_of(struct blocks *b, uint32_t storage)
{
    if (storage >= b->storage_capacity) {
        uint32_t capacity = b->storage_capacity == 0 ? 64 : b->storage_capacity;
        while (capacity <= storage)
            capacity *= 2;
        struct storage_list *lists = realloc(b->storages, capacity * sizeof(*lists));
        if (lists == NULL)
            return NULL;
        memset(lists + b->storage_capacity, 0, (capacity - b->storage_capacity) * sizeof(*lists));
        b->storages = lists;
        b->storage_capacity = capacity;
    }
    return &b->storages[storage];
}

struct replica *block_replica_find(const struct blocks *b, struct block *blk, uint32_t spot)
{
    struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (replica_spot(&r[i]) == spot)
            return &r[i];
    return NULL;
}

struct replica *replica_find_node(const struct blocks *b, struct block *blk, uint32_t node,
                                  unsigned index)
{
    struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (replica_index(&r[i]) == index && replica_node(b, &r[i]) == node)
            return &r[i];
    return NULL;
}

/* ---- the storage's side ---- */

struct replica *replica_at_place(const struct blocks *b, handle_t h, uint32_t storage, uint32_t pos)
{
    struct block *blk = block_at(b, h);
    struct replica *r = replicas_of(b, blk);
    uint32_t i = 0;
    while (i < blk->replica_count && (replica_storage(&r[i]) != storage || r[i].pos != pos))
        i++;
    CHECK(i < blk->replica_count);
    return &r[i];
}

void storage_list_renew(struct blocks *b, struct storage_list *list, uint32_t count)
{
    b->renewing -= list->renew > 0;
    list->renew = count;
    b->renewing += list->renew > 0;
}

/* Its place changed: who walks over the list comes back to it. */
static void list_moved(struct blocks *b, struct storage_list *list, uint32_t pos)
{
    list->changes++;
    if (list->renew != 0 && pos >= list->renew)
        storage_list_renew(b, list, pos + 1);
}

/* The replica at `from` goes to `to`, over whatever is there. */
static void list_move(struct blocks *b, struct storage_list *list, uint32_t storage, uint32_t from,
                      uint32_t to)
{
    replica_at_place(b, list->at[from], storage, from)->pos = to;
    list->at[to] = list->at[from];
}

static bool list_reserve(struct storage_list *list)
{
    if (list->count < list->capacity)
        return true;
    uint32_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
    handle_t *at = capacity <= list->capacity ? NULL : realloc(list->at, capacity * sizeof(*at));
    if (at == NULL)
        return false;
    list->at = at;
    list->capacity = capacity;
    return true;
}

/* The replica is in the block's record already, without a place. */
static void list_insert(struct blocks *b, struct storage_list *list, handle_t h, struct replica *r)
{
    uint32_t pos = list->count++, storage = replica_storage(r);
    if (list->report != NULL) { /* newer than the report: not to be dropped as absent from it */
        if (list->seen < pos) {
            list_move(b, list, storage, list->seen, pos);
            list_moved(b, list, pos);
        }
        pos = list->seen++;
    }
    list->changes++;
    list->at[pos] = h;
    r->pos = pos;
    nodes_storage_mut(b->nodes, storage)->block_count = list->count;
}

/* The replica at pos has left the block's record already. */
static void list_remove(struct blocks *b, struct storage_list *list, uint32_t storage, uint32_t pos)
{
    if (list->report != NULL && pos < list->seen) {
        list->seen--;
        if (pos != list->seen)
            list_move(b, list, storage, list->seen, pos);
        pos = list->seen;
    }
    list->count--;
    if (pos != list->count)
        list_move(b, list, storage, list->count, pos);
    if (list->renew > list->count)
        storage_list_renew(b, list, list->count);
    nodes_storage_mut(b->nodes, storage)->block_count = list->count;
}

void storage_list_mark_seen(struct blocks *b, struct storage_list *list, struct replica *r,
                            uint32_t storage)
{
    uint32_t pos = r->pos, to = list->seen;
    if (pos < to)
        return;
    handle_t h = list->at[pos];
    list->seen++;
    if (pos == to)
        return;
    list_move(b, list, storage, to, pos);
    list->at[to] = h;
    r->pos = to;
    list_moved(b, list, pos);
}

struct storage_walk blocks_walk(const struct blocks *b, uint32_t storage)
{
    if (storage >= b->storage_capacity)
        return (struct storage_walk){.storage = storage};
    const struct storage_list *list = &b->storages[storage];
    return (struct storage_walk){storage, list->count, list->changes};
}

size_t blocks_walk_next(const struct blocks *b, struct storage_walk *w, handle_t *ret, size_t max)
{
    size_t count = 0;
    if (w->storage >= b->storage_capacity)
        return 0;
    const struct storage_list *list = &b->storages[w->storage];
    if (w->left > list->count)
        w->left = list->count;
    while (count < max && w->left > 0) {
        handle_t h = list->at[--w->left];
        if (block_at(b, h)->state != BLOCK_NONE)
            ret[count++] = h;
    }
    return count;
}

bool blocks_walk_missed(const struct blocks *b, const struct storage_walk *w)
{
    return w->storage < b->storage_capacity && b->storages[w->storage].changes != w->changes;
}

/* ---- the block's side ---- */

static bool replicas_reserve(struct blocks *b, struct block *blk)
{
    if (blk->replica_count < INLINE_REPLICAS)
        return true;
    if (blk->replica_count >= REPLICAS_MAX)
        return false;
    struct side *side = side_need(b, blk);
    if (side == NULL)
        return false;
    if (side->many != NULL && blk->replica_count < side->many_capacity)
        return true;
    uint32_t capacity = blk->replica_count * 2u;
    struct replica *many = realloc(side->many, capacity * sizeof(*many));
    if (many == NULL) {
        side_trim(b, blk);
        return false;
    }
    if (side->many == NULL)
        memcpy(many, blk->few, sizeof(blk->few));
    side->many = many;
    side->many_capacity = capacity;
    return true;
}

static void replicas_shrink(struct blocks *b, struct block *blk)
{
    struct side *side = side_of(b, blk);
    if (side == NULL || side->many == NULL || blk->replica_count > INLINE_REPLICAS)
        return;
    memcpy(blk->few, side->many, blk->replica_count * sizeof(*blk->few));
    free(side->many);
    side->many = NULL;
    side_trim(b, blk);
}

struct replica *replica_add(struct blocks *b, handle_t h, uint32_t spot)
{
    struct block *blk = block_at(b, h);
    uint32_t storage = spot_storage(spot), node = nodes_storage(b->nodes, storage)->node;
    struct replica *r = replica_find_node(b, blk, node, spot_index(spot));
    if (r != NULL && replica_spot(r) == spot)
        return r;
    struct storage_list *list = storage > REPLICA_STORAGE ? NULL : storage_list_of(b, storage);
    if (list == NULL || !list_reserve(list))
        return NULL;
    if (r != NULL) /* it moved to another volume; keeps (2) */
        block_replica_remove(b, h, replica_spot(r));
    if (!replicas_reserve(b, blk))
        return NULL;
    uint32_t last = blk->replica_count;
    blk->replica_count = (last + 1) & 1023u;
    r = &replicas_of(b, blk)[last];
    *r = (struct replica){.tag = spot, .pos = NO_PLACE};
    list_insert(b, list, h, r);
    return r;
}

static void note_drop(struct blocks *b, struct block *blk, uint32_t spot)
{
    struct corrupt_note *note = note_find(b, blk, spot);
    CHECK(note != NULL);
    struct side *side = side_of(b, blk);
    *note = side->notes[--side->note_count];
    if (side->note_count == 0) {
        free(side->notes);
        side->notes = NULL;
        side_trim(b, blk);
    }
}

void block_replica_remove(struct blocks *b, handle_t h, uint32_t spot)
{
    struct block *blk = block_at(b, h);
    struct replica *r = block_replica_find(b, blk, spot);
    CHECK(r != NULL);
    uint32_t storage = spot_storage(spot);
    struct storage_list *list = &b->storages[storage];
    CHECK(r->pos < list->count && list->at[r->pos] == h);
    uint32_t pos = r->pos;
    if (r->tag & REPLICA_CORRUPT)
        note_drop(b, blk, spot);
    replica_set_excess(b, r, false);
    uint32_t last = blk->replica_count - 1u;
    *r = replicas_of(b, blk)[last];
    blk->replica_count = last & 1023u;
    replicas_shrink(b, blk);
    list_remove(b, list, storage, pos);
}

void replica_set_excess(struct blocks *b, struct replica *r, bool excess)
{
    bool is = (r->tag & REPLICA_EXCESS) != 0;
    if (is == excess)
        return;
    r->tag ^= REPLICA_EXCESS;
    b->excess_count += excess ? 1u : -(uint64_t)1;
}

/* ---- corrupt ones ---- */

struct corrupt_note *note_find(const struct blocks *b, const struct block *blk, uint32_t spot)
{
    const struct side *side = side_of(b, blk);
    for (uint32_t i = 0; side != NULL && i < side->note_count; i++)
        if (side->notes[i].spot == spot)
            return &side->notes[i];
    return NULL;
}

static struct corrupt_note *note_add(struct blocks *b, struct block *blk)
{
    struct side *side = side_need(b, blk);
    if (side == NULL)
        return NULL;
    struct corrupt_note *notes =
        realloc(side->notes, ((size_t)side->note_count + 1) * sizeof(*notes));
    if (notes == NULL) {
        side_trim(b, blk);
        return NULL;
    }
    side->notes = notes;
    return &notes[side->note_count++];
}

bool replica_set_corrupt(struct blocks *b, handle_t h, uint32_t spot, uint64_t generation_stamp,
                         enum corrupt_reason reason)
{
    struct block *blk = block_at(b, h);
    struct replica *r = replica_add(b, h, spot);
    if (r == NULL)
        return false;
    struct corrupt_note *note = note_find(b, blk, spot);
    if (note == NULL && (note = note_add(b, blk)) == NULL) {
        block_replica_remove(b, h, spot); /* unknown is safer than taken for good */
        return false;
    }
    if ((r->tag & REPLICA_CORRUPT) != 0 && note->reason == CORRUPT_REPORTED)
        reason = CORRUPT_REPORTED; /* a report can't take that back */
    *note = (struct corrupt_note){spot, reason, generation_stamp};
    r = block_replica_find(b, blk, spot);
    replica_set_excess(b, r, false);
    r->tag |= REPLICA_CORRUPT;
    return true;
}

void replica_clear_corrupt(struct blocks *b, struct block *blk, struct replica *r)
{
    if ((r->tag & REPLICA_CORRUPT) == 0)
        return;
    uint32_t spot = replica_spot(r);
    r->tag &= ~REPLICA_CORRUPT;
    note_drop(b, blk, spot);
}

/* The stamp under which the node knows it. */
uint64_t replica_stamp(const struct blocks *b, struct block *blk, const struct replica *r)
{
    const struct corrupt_note *note =
        r->tag & REPLICA_CORRUPT ? note_find(b, blk, replica_spot(r)) : NULL;
    return note == NULL ? blk->generation_stamp : note->generation_stamp;
}
