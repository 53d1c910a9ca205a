/* locate.c - where a block can be read, and complaints of those who tried. See blocks.h.
 * Thread: state. Randomness and time come in. */
#include "namenode/blocks/internal.h"

enum { LOCATIONS_MAX = REPLICAS_MAX };

struct location {
    uint32_t storage, rank;
};

size_t blocks_replicas(const struct blocks *b, handle_t block, struct replica_info *ret, size_t max)
{
    struct block *blk = block_at(b, block);
    const struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count && i < max; i++) {
        const struct corrupt_note *note =
            (r[i].tag & REPLICA_CORRUPT) != 0 ? note_find(b, blk, replica_spot(&r[i])) : NULL;
        ret[i] = (struct replica_info){
            .storage = replica_storage(&r[i]),
            .index = (uint8_t)replica_index(&r[i]),
            .corrupt = (r[i].tag & REPLICA_CORRUPT) != 0,
            .excess = (r[i].tag & REPLICA_EXCESS) != 0,
            .reason = note == NULL ? (enum corrupt_reason)0 : note->reason,
        };
    }
    return blk->replica_count;
}

void blocks_look_again(struct blocks *b, handle_t block)
{
    block_refresh(b, block);
}

/* Smaller is better: distance, with silent nodes behind all others, and those that leave behind
 * these: who is being decommissioned may be gone soon. */
static uint32_t rank_of(const struct blocks *b, uint32_t storage, const struct reader_hint *reader,
                        int64_t mono_ms)
{
    enum { LEAVING = 1 << 21, SILENT = 1 << 20, FAR = 1 << 19 };
    static const uint32_t order[] = {
        [ADMIN_ENTERING_MAINTENANCE] = 1,
        [ADMIN_DECOMMISSION_IN_PROGRESS] = 2,
        [ADMIN_DECOMMISSIONED] = 3,
        [ADMIN_IN_MAINTENANCE] = 4,
    };
    uint32_t node = nodes_storage(b->nodes, storage)->node;
    uint32_t hops = reader->node != 0 ? nodes_distance(b->nodes, reader->node, node)
                                      : nodes_rack_distance(b->nodes, node, reader->rack);
    const struct node *n = nodes_at(b->nodes, node);
    bool silent = node_is_stale(n, nodes_settings_get(b->nodes), mono_ms);
    return (hops < FAR ? hops : (uint32_t)FAR) + (silent ? (uint32_t)SILENT : 0) +
           order[n->admin] * LEAVING;
}

static size_t add_replicas(const struct blocks *b, struct block *blk, uint32_t flag,
                           struct location *ret)
{
    const struct replica *r = replicas_of(b, blk);
    size_t count = 0;
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if ((r[i].tag & (REPLICA_CORRUPT | REPLICA_EXCESS)) == flag &&
            storage_usable(b, replica_storage(&r[i])))
            ret[count++].storage = replica_storage(&r[i]);
    return count;
}

static size_t add_expected(const struct blocks *b, struct block *blk, struct location *ret)
{
    const struct side *side = side_of(b, blk);
    const struct construction *c = side == NULL ? NULL : side->construction;
    size_t count = 0;
    for (uint32_t i = 0; c != NULL && i < c->count; i++) {
        uint32_t storage = c->expected[i].storage;
        const struct replica *r = block_replica_find(b, blk, storage);
        if (storage_usable(b, storage) && (r == NULL || (r->tag & REPLICA_CORRUPT) == 0))
            ret[count++].storage = storage;
    }
    return count;
}

static size_t collect(const struct blocks *b, struct block *blk, struct location *ret,
                      bool *ret_corrupt)
{
    *ret_corrupt = false;
    size_t count = blk->state == BLOCK_COMPLETE ? 0 : add_expected(b, blk, ret);
    if (count == 0)
        count = add_replicas(b, blk, 0, ret);
    if (count == 0)
        count = add_replicas(b, blk, REPLICA_EXCESS, ret);
    if (count > 0)
        return count;
    count = add_replicas(b, blk, REPLICA_CORRUPT, ret);
    *ret_corrupt = count > 0;
    return count;
}

/* A node in maintenance may be switched off at any time: not read while another has the block. */
static size_t without_maintenance(const struct blocks *b, const struct location *l, size_t count)
{
    size_t kept = count;
    while (kept > 0 &&
           nodes_at(b->nodes, nodes_storage(b->nodes, l[kept - 1].storage)->node)->admin ==
               ADMIN_IN_MAINTENANCE)
        kept--; /* they are the last ones */
    return kept > 0 ? kept : count;
}

static void shuffle(struct location *l, size_t count, struct rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = rng_below(rng, i);
        struct location swap = l[i - 1];
        l[i - 1] = l[k];
        l[k] = swap;
    }
}

static void sort_by_rank(struct location *l, size_t count)
{
    for (size_t i = 1; i < count; i++) { /* stable, and there are few */
        struct location moving = l[i];
        size_t k = i;
        for (; k > 0 && l[k - 1].rank > moving.rank; k--)
            l[k] = l[k - 1];
        l[k] = moving;
    }
}

size_t blocks_locations(struct blocks *b, handle_t block, const struct reader_hint *reader,
                        int64_t mono_ms, struct rng *rng, uint32_t *ret_storages, size_t max,
                        bool *ret_corrupt)
{
    struct location l[LOCATIONS_MAX];
    size_t count = collect(b, block_at(b, block), l, ret_corrupt);
    shuffle(l, count, rng);
    for (size_t i = 0; i < count; i++)
        l[i].rank = rank_of(b, l[i].storage, reader, mono_ms);
    sort_by_rank(l, count);
    count = without_maintenance(b, l, count);
    if (count > max)
        count = max;
    for (size_t i = 0; i < count; i++)
        ret_storages[i] = l[i].storage;
    return count;
}

void blocks_mark_corrupt(struct blocks *b, uint64_t block_id, uint64_t generation_stamp,
                         uint32_t node, uint32_t storage, enum corrupt_reason reason)
{
    unsigned index;
    handle_t h = block_told(b, block_id, &index);
    if (h == 0 || (node == 0 && storage == 0))
        return;
    struct block *blk = block_at(b, h);
    if (generation_stamp != blk->generation_stamp)
        return; /* about an older replica, while the recorded one may be right */
    const struct replica *r =
        storage != 0 ? block_replica_find(b, blk, spot_of(storage, index)) : NULL;
    if (r == NULL && node != 0)
        r = replica_find_node(b, blk, node, index);
    if (r == NULL)
        return;
    uint32_t where = replica_node(b, r);
    (void)replica_set_corrupt(b, h, replica_spot(r), generation_stamp, reason);
    pending_source_bad(b, blk, where, index);
    block_refresh(b, h);
}
