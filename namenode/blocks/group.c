/* group.c - block groups of erasure coded files: how many internal blocks one has, how long they
 * are, which of them are there. See internal.h.
 * Thread: state. Facts: Hadoop's BlockInfoStriped.
 * Invariants: (1) what is empty is neither wanted nor counted: a group shorter than a stripe has
 * fewer data units; (2) an index counts once, however many have it. */
#include "namenode/blocks/internal.h"

void blocks_ec_from(struct blocks *b, block_ec_fn policy, void *ctx)
{
    b->ec_of = policy;
    b->ec_ctx = ctx;
}

const struct ec_policy *block_ec(const struct blocks *b, const struct block *blk)
{
    return blk->striped && b->ec_of != NULL ? b->ec_of(b->ec_ctx, (uint8_t)blk->replication) : NULL;
}

const struct ec_policy *blocks_ec_policy(const struct blocks *b, handle_t block)
{
    return block_ec(b, block_at(b, block));
}

handle_t block_told(const struct blocks *b, uint64_t id, unsigned *ret_index)
{
    *ret_index = 0;
    handle_t h = ec_is_striped_id(id) ? blocks_find(b, ec_group_id(id)) : 0;
    if (h == 0 || !block_at(b, h)->striped)
        return blocks_find(b, id); /* early Hadoop drew ids of any sign */
    const struct ec_policy *ec = block_ec(b, block_at(b, h));
    *ret_index = ec_index_of(id);
    return ec == NULL || *ret_index < ec_units(ec) ? h : 0;
}

/* ---- how many ---- */

/* Keeps (1). While it is written, its length isn't known. */
uint32_t group_data_units(const struct block *blk, const struct ec_policy *ec)
{
    if (blk->state != BLOCK_COMMITTED && blk->state != BLOCK_COMPLETE)
        return ec->data_units;
    uint64_t cells = blk->length == 0 ? 1 : (blk->length - 1) / ec->cell_size + 1;
    return cells < ec->data_units ? (uint32_t)cells : ec->data_units;
}

uint16_t group_units(const struct block *blk, const struct ec_policy *ec)
{
    unsigned data = (1u << group_data_units(blk, ec)) - 1;
    unsigned parity = ((1u << ec->parity_units) - 1) << ec->data_units;
    return (uint16_t)(data | parity);
}

uint32_t block_wanted(const struct blocks *b, const struct block *blk)
{
    if (!blk->striped)
        return blk->replication;
    const struct ec_policy *ec = block_ec(b, blk);
    return ec == NULL ? 0 : group_data_units(blk, ec) + ec->parity_units;
}

uint32_t block_minimum(const struct blocks *b, const struct block *blk)
{
    if (!blk->striped)
        return b->settings.replication_min;
    const struct ec_policy *ec = block_ec(b, blk);
    return ec == NULL ? UINT32_MAX : group_data_units(blk, ec);
}

uint32_t blocks_units_wanted(const struct blocks *b, handle_t block)
{
    return block_wanted(b, block_at(b, block));
}

uint32_t blocks_units_minimum(const struct blocks *b, handle_t block)
{
    return block_minimum(b, block_at(b, block));
}

/* ---- what nodes have ---- */

bool block_stored_length(const struct blocks *b, const struct block *blk, unsigned index,
                         uint64_t *ret)
{
    const struct ec_policy *ec = block_ec(b, blk);
    if (blk->striped && (ec == NULL || index >= ec_units(ec)))
        return false;
    *ret = blk->striped ? ec_internal_length(ec, blk->length, index) : blk->length;
    return true;
}

struct node_block unit_order(const struct blocks *b, const struct block *blk, unsigned index,
                             uint64_t generation_stamp)
{
    struct node_block order = {.id = internal_id(blk, index), .generation_stamp = generation_stamp};
    (void)block_stored_length(b, blk, index, &order.length);
    return order;
}

struct node_block replica_order(const struct blocks *b, struct block *blk, const struct replica *r)
{
    return unit_order(b, blk, replica_index(r), replica_stamp(b, blk, r));
}

const struct place_settings *block_place(const struct blocks *b, const struct block *blk)
{
    return blk->striped ? &b->place_groups : &b->settings.place;
}

size_t blocks_place_units(struct blocks *b, const struct place_request *req, int64_t mono_ms,
                          struct rng *rng, uint32_t *ret_storages)
{
    return place_choose(b->nodes, &b->place_groups, req, mono_ms, rng, ret_storages);
}

/* ---- which are there ---- */

/* Adds what the units in `units` count as when those already in ret->good_units are left out. */
static void count_units(const struct node *node, unsigned unit, struct replica_counts *ret)
{
    if (ret->good_units & unit)
        return;
    count_good(node, ret);
    ret->good_units = (uint16_t)(ret->good_units | unit);
    if (node_in_service(node))
        ret->live_units = (uint16_t)(ret->live_units | unit);
    if (node_in_maintenance(node))
        ret->kept_units = (uint16_t)(ret->kept_units | unit);
}

/* Keeps (2): those in service first, then those that leave, have left, are in maintenance. Of a
 * strange group nobody knows which are of use, so all are. */
void group_count_units(const struct blocks *b, struct block *blk, struct replica_counts *ret)
{
    static const enum admin_state order[] = {ADMIN_NORMAL, ADMIN_DECOMMISSION_IN_PROGRESS,
                                             ADMIN_DECOMMISSIONED, ADMIN_ENTERING_MAINTENANCE,
                                             ADMIN_IN_MAINTENANCE};
    const struct ec_policy *ec = block_ec(b, blk);
    unsigned wanted = ec == NULL ? UINT16_MAX : group_units(blk, ec);
    const struct replica *r = replicas_of(b, blk);
    uint32_t live = 0;
    for (size_t k = 0; k < ARRAY_SIZE(order); k++)
        for (uint32_t i = 0; i < blk->replica_count; i++) {
            const struct node *node = nodes_at(b->nodes, replica_node(b, &r[i]));
            unsigned unit = 1u << replica_index(&r[i]);
            if (!replica_is_live(&r[i]) || node->admin != order[k])
                continue;
            live += node_in_service(node);
            if (wanted & unit)
                count_units(node, unit, ret);
        }
    ret->duplicate = live - ret->live;
    const struct side *side = side_of(b, blk);
    const struct pending *p = side == NULL ? NULL : side->pending;
    for (uint32_t i = 0; p != NULL && i < p->target_count; i++)
        ret->pending_units |= (uint16_t)(wanted & 1u << spot_index(p->targets[i].spot));
    ret->pending = (uint32_t)__builtin_popcount(ret->pending_units & ~ret->live_units);
}

uint16_t group_lacks(const struct blocks *b, const struct block *blk,
                     const struct replica_counts *n)
{
    const struct ec_policy *ec = block_ec(b, blk);
    struct mend_state s = {
        .live = n->live_units, .kept = n->kept_units, .pending = n->pending_units};
    return ec == NULL ? 0 : mend_wanted(group_units(blk, ec), group_data_units(blk, ec), &s);
}

/* ---- what has to be done for it ---- */

void group_describe(const struct blocks *b, struct block *blk, struct group_view *ret)
{
    const struct ec_policy *ec = block_ec(b, blk);
    const struct replica *r = replicas_of(b, blk);
    const struct side *side = side_of(b, blk);
    const struct pending *p = side == NULL ? NULL : side->pending;
    size_t count = 0, pending = 0;
    CHECK(ec != NULL);
    for (; count < blk->replica_count && count < ARRAY_SIZE(ret->replicas); count++)
        ret->replicas[count] =
            (struct mend_replica){.storage = replica_storage(&r[count]),
                                  .index = (uint8_t)replica_index(&r[count]),
                                  .corrupt = (r[count].tag & REPLICA_CORRUPT) != 0,
                                  .excess = (r[count].tag & REPLICA_EXCESS) != 0};
    for (; p != NULL && pending < p->target_count && pending < ARRAY_SIZE(ret->pending); pending++)
        ret->pending[pending] =
            (struct mend_replica){.storage = spot_storage(p->targets[pending].spot),
                                  .index = (uint8_t)spot_index(p->targets[pending].spot)};
    ret->group = (struct mend_group){.replicas = ret->replicas,
                                     .replica_count = count,
                                     .pending = ret->pending,
                                     .pending_count = pending,
                                     .units = group_units(blk, ec),
                                     .data_units = (uint8_t)group_data_units(blk, ec),
                                     .parity_units = ec->parity_units,
                                     .ec_policy = ec->id,
                                     .storage_policy = block_policy(b, blk),
                                     .block = {blk->id, blk->generation_stamp, blk->length},
                                     .unit_size = ec_internal_length(ec, blk->length, 0)};
}

/* Corrupt replica r isn't worth keeping: another one in service has its index, or nobody needs the
 * index, or it is just what a failed pipeline left behind and the rest can be read. */
bool group_corrupt_removable(const struct blocks *b, const struct block *blk,
                             const struct replica_counts *n, const struct corrupt_note *note)
{
    const struct ec_policy *ec = block_ec(b, blk);
    if (ec == NULL || (uint32_t)__builtin_popcount(n->live_units) < group_data_units(blk, ec))
        return false;
    uint16_t unit = (uint16_t)(1u << spot_index(note->spot));
    return (n->live_units & unit) != 0 || (group_units(blk, ec) & unit) == 0 ||
           note->generation_stamp < blk->generation_stamp;
}

/* ---- where to read ---- */

enum { RANK_CORRUPT = 1 << 9, RANK_EXCESS = 1 << 8 };

struct unit_choice {
    struct unit_location at;
    uint32_t rank; /* smaller is better; UINT32_MAX: none */
};

static uint32_t unit_rank(const struct blocks *b, uint32_t storage, uint32_t flags, int64_t mono_ms)
{
    static const uint32_t order[] = {
        [ADMIN_ENTERING_MAINTENANCE] = 2,
        [ADMIN_DECOMMISSION_IN_PROGRESS] = 4,
        [ADMIN_DECOMMISSIONED] = 6,
        [ADMIN_IN_MAINTENANCE] = 8,
    };
    const struct node *node = nodes_at(b->nodes, nodes_storage(b->nodes, storage)->node);
    if (!storage_usable(b, storage))
        return UINT32_MAX;
    return order[node->admin] + node_is_stale(node, nodes_settings_get(b->nodes), mono_ms) +
           ((flags & REPLICA_EXCESS) != 0 ? (uint32_t)RANK_EXCESS : 0) +
           ((flags & REPLICA_CORRUPT) != 0 ? (uint32_t)RANK_CORRUPT : 0);
}

static void offer(struct unit_choice *choices, uint32_t storage, unsigned index, uint32_t rank)
{
    if (rank < choices[index].rank)
        choices[index] = (struct unit_choice){{storage, (uint8_t)index}, rank};
}

static void offer_replicas(const struct blocks *b, struct block *blk, int64_t mono_ms,
                           bool with_corrupt, struct unit_choice *choices)
{
    const struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (with_corrupt || (r[i].tag & REPLICA_CORRUPT) == 0)
            offer(choices, replica_storage(&r[i]), replica_index(&r[i]),
                  unit_rank(b, replica_storage(&r[i]), r[i].tag, mono_ms));
}

/* Where it is being written. */
static void offer_expected(const struct blocks *b, struct block *blk, int64_t mono_ms,
                           struct unit_choice *choices)
{
    const struct side *side = side_of(b, blk);
    const struct construction *c = side == NULL ? NULL : side->construction;
    for (uint32_t i = 0; c != NULL && i < c->count; i++) {
        const struct expected_replica *e = &c->expected[i];
        if (note_find(b, blk, spot_of(e->storage, e->index)) == NULL)
            offer(choices, e->storage, e->index, unit_rank(b, e->storage, 0, mono_ms));
    }
}

/* Too few others are left to read it. */
static bool is_corrupt(const struct blocks *b, struct block *blk)
{
    struct replica_counts n;
    count_replicas(b, blk, &n);
    return n.corrupt > 0 && replica_counts_good(&n) < block_minimum(b, blk);
}

size_t blocks_unit_locations(struct blocks *b, handle_t block, int64_t mono_ms,
                             struct unit_location *ret, size_t max, bool *ret_corrupt)
{
    struct block *blk = block_at(b, block);
    struct unit_choice choices[EC_MAX_UNITS];
    size_t count = 0;
    for (size_t i = 0; i < EC_MAX_UNITS; i++)
        choices[i].rank = UINT32_MAX;
    *ret_corrupt = blk->state == BLOCK_COMPLETE && is_corrupt(b, blk);
    if (blk->state != BLOCK_COMPLETE)
        offer_expected(b, blk, mono_ms, choices);
    offer_replicas(b, blk, mono_ms, *ret_corrupt, choices);
    for (;;) { /* by rank, those of the same one by index */
        size_t best = 0;
        for (size_t i = 1; i < EC_MAX_UNITS; i++)
            if (choices[i].rank < choices[best].rank)
                best = i;
        if (choices[best].rank == UINT32_MAX || count == max)
            return count;
        ret[count++] = choices[best].at;
        choices[best].rank = UINT32_MAX;
    }
}
