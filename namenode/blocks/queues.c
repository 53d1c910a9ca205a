/* queues.c - what state the replicas of a block are in, and the queues that follow from it. See
 * internal.h.
 * Thread: state. Where a block belongs is a function of its record alone (and of the racks), so
 * that block_refresh after every change keeps queues and counters right, and blocks_verify can
 * recount them.
 * Invariants: (1) queues[blk.queue].at[blk.queue_pos] is the block; (2) counters equal a recount.
 */
#include <stdlib.h>

#include "namenode/blocks/internal.h"

void count_good(const struct node *node, struct replica_counts *ret)
{
    switch (node->admin) {
    case ADMIN_NORMAL:
        ret->live++;
        break;
    case ADMIN_DECOMMISSION_IN_PROGRESS:
        ret->decommissioning++;
        break;
    case ADMIN_DECOMMISSIONED:
        ret->decommissioned++;
        break;
    default:
        ret->entering += node->admin == ADMIN_ENTERING_MAINTENANCE && node->alive;
        ret->maintenance += node->admin == ADMIN_IN_MAINTENANCE || !node->alive;
    }
}

void count_replicas(const struct blocks *b, struct block *blk, struct replica_counts *ret)
{
    *ret = (struct replica_counts){0};
    const struct replica *r = replicas_of(b, blk);
    if (blk->striped)
        group_count_units(b, blk, ret);
    for (uint32_t i = 0; i < blk->replica_count; i++) {
        ret->corrupt += (r[i].tag & REPLICA_CORRUPT) != 0;
        ret->excess += (r[i].tag & REPLICA_EXCESS) != 0;
        if (!blk->striped && replica_is_live(&r[i]))
            count_good(nodes_at(b->nodes, replica_node(b, &r[i])), ret);
        ret->stale += !nodes_storage(b->nodes, replica_storage(&r[i]))->reported;
    }
    const struct side *side = side_of(b, blk);
    if (!blk->striped && side != NULL && side->pending != NULL)
        ret->pending = side->pending->target_count;
}

void blocks_count(const struct blocks *b, handle_t block, struct replica_counts *ret)
{
    count_replicas(b, block_at(b, block), ret);
}

/* So many must stay in service while others are in maintenance. */
static uint32_t maintenance_minimum(const struct blocks *b, const struct block *blk)
{
    return blk->striped ? block_minimum(b, blk) : b->settings.maintenance_min;
}

uint32_t expected_live(const struct blocks *b, const struct block *blk,
                       const struct replica_counts *n)
{
    uint32_t kept = n->entering + n->maintenance, replication = block_wanted(b, blk);
    uint32_t min = maintenance_minimum(b, blk), rest = replication > kept ? replication - kept : 0;
    if (min > replication)
        min = replication;
    return rest > min ? rest : min;
}

/* Some corrupt replica isn't worth keeping: there are enough good ones, or more replicas in all
 * than wanted, or it is just what a failed pipeline left behind. */
bool corrupt_removable(const struct blocks *b, struct block *blk, const struct replica_counts *n)
{
    if (n->corrupt == 0 || n->live < block_minimum(b, blk) || n->live == 0)
        return false;
    if (!blk->striped && (n->live >= blk->replication || n->live + n->corrupt > blk->replication))
        return true;
    const struct side *side = side_of(b, blk);
    for (uint32_t i = 0; i < side->note_count; i++)
        if (blk->striped ? group_corrupt_removable(b, blk, n, &side->notes[i])
                         : side->notes[i].generation_stamp < blk->generation_stamp)
            return true;
    return false;
}

/* Changes when a block may have become, or ceased to be, badly spread. */
uint32_t topology_now(const struct blocks *b)
{
    uint32_t version = place_version(b->nodes, &b->settings.place);
    return b->group_count == 0 ? version : version + place_version(b->nodes, &b->place_groups);
}

/* On fewer racks than the placement rule wants. */
static bool badly_spread(const struct blocks *b, struct block *blk)
{
    const struct place_settings *place = block_place(b, blk);
    const struct replica *r = replicas_of(b, blk);
    uint32_t nodes[REPLICAS_MAX], count = 0;
    if (place->rule != PLACE_BY_DOMAINS && nodes_live_rack_count(b->nodes) < 2)
        return false; /* nearly always */
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (replica_is_live(&r[i]) &&
            !node_decommissions(nodes_at(b->nodes, replica_node(b, &r[i]))))
            nodes[count++] = replica_node(b, &r[i]);
    return place_missing(b->nodes, place, nodes, count, block_wanted(b, blk)) > 0;
}

/* A strange group is safe: no report would ever tell that it is readable. */
static bool is_safe(const struct blocks *b, const struct block *blk, const struct replica_counts *n)
{
    if (blk->state != BLOCK_COMPLETE)
        return false;
    if (!blk->striped)
        return replica_counts_good(n) + n->excess >= b->settings.safemode_replication;
    return block_is_strange(b, blk) || replica_counts_good(n) >= block_minimum(b, blk);
}

/* Hadoop's priorities of what isn't missing. */
static enum queue_id priority(const struct blocks *b, const struct block *blk, uint32_t live,
                              uint32_t expected)
{
    if (!blk->striped) {
        if (live <= 1)
            return Q_HIGHEST;
        return live * 3 < expected ? Q_VERY_LOW : Q_LOW;
    }
    uint32_t data = block_minimum(b, blk);
    if (live <= data)
        return Q_HIGHEST;
    return (live - data) * 3 < block_ec(b, blk)->parity_units + 1u ? Q_VERY_LOW : Q_LOW;
}

/* What is lost comes before what is too much: as long as something is waited for, nothing goes. */
static enum queue_id classify_group(const struct blocks *b, struct block *blk,
                                    const struct replica_counts *n)
{
    if (replica_counts_good(n) < block_minimum(b, blk))
        return Q_MISSING;
    if (group_lacks(b, blk, n) != 0)
        return priority(b, blk, n->live, 0);
    if (n->duplicate > 0 || corrupt_removable(b, blk, n))
        return Q_EXTRA;
    return n->pending > 0 || !badly_spread(b, blk) ? Q_NONE : Q_BADLY;
}

static enum queue_id classify(const struct blocks *b, struct block *blk,
                              const struct replica_counts *n)
{
    if (blk->state != BLOCK_COMPLETE || !b->populating || block_is_strange(b, blk))
        return Q_NONE;
    if (blk->striped)
        return classify_group(b, blk, n);
    if (replica_counts_good(n) == 0)
        return Q_MISSING;
    uint32_t expected = expected_live(b, blk, n);
    if (n->live > blk->replication || corrupt_removable(b, blk, n))
        return Q_EXTRA;
    if (n->live < expected)
        return n->live + n->pending >= expected ? Q_NONE : priority(b, blk, n->live, expected);
    if (blk->replication < 2 || n->pending > 0 || !badly_spread(b, blk))
        return Q_NONE;
    return Q_BADLY;
}

/* Where it is being written, on nodes that stay: of one that is COMMITTED some may be recorded
 * already. */
static uint32_t open_in_service(const struct blocks *b, const struct block *blk,
                                const struct replica_counts *n)
{
    const struct side *side = side_of(b, blk);
    const struct construction *c = side == NULL ? NULL : side->construction;
    uint32_t count = 0;
    for (uint32_t i = 0; c != NULL && i < c->count; i++) {
        uint32_t storage = c->expected[i].storage;
        count += storage_usable(b, storage) &&
                 note_find(b, blk, spot_of(storage, c->expected[i].index)) == NULL &&
                 node_in_service(nodes_at(b->nodes, nodes_storage(b->nodes, storage)->node));
    }
    return count > n->live ? count : n->live;
}

void blocks_check_leaving(const struct blocks *b, handle_t block, enum admin_state admin,
                          struct leaving_block *ret)
{
    struct block *blk = block_at(b, block);
    struct replica_counts n;
    bool maintenance = admin == ADMIN_ENTERING_MAINTENANCE;
    count_replicas(b, blk, &n);
    *ret = (struct leaving_block){.open = blk->state != BLOCK_COMPLETE};
    uint32_t live = ret->open ? open_in_service(b, blk, &n) : n.live;
    uint32_t expected = expected_live(b, blk, &n), min = maintenance_minimum(b, blk);
    uint32_t wanted = block_wanted(b, blk);
    if (block_is_strange(b, blk))
        return; /* nobody could make copies */
    if (ret->open)
        ret->enough = live >= (maintenance ? min : block_minimum(b, blk));
    else if (live >= expected && blk->queue != Q_BADLY)
        ret->enough = true;
    else if (maintenance)
        ret->enough = live >= (min < wanted ? min : wanted);
    else
        ret->enough =
            expected > live && live >= (blk->striped ? wanted : b->settings.replication_default);
    ret->only_here = blk->striped ? live < block_minimum(b, blk) : live == 0;
}

/* ---- the queues ---- */

static bool is_missing_one(const struct block *blk)
{
    return blk->queue == Q_MISSING && !blk->striped && blk->replication == 1;
}

void queue_leave(struct blocks *b, struct block *blk)
{
    if (blk->queue == Q_NONE)
        return;
    struct queue *q = &b->queues[blk->queue];
    CHECK(blk->queue_pos < q->count && block_at(b, q->at[blk->queue_pos]) == blk);
    b->missing_one_count -= is_missing_one(blk);
    q->groups -= blk->striped;
    handle_t last = q->at[--q->count];
    q->at[blk->queue_pos] = last;
    block_at(b, last)->queue_pos = blk->queue_pos;
    blk->queue = Q_NONE;
}

static bool queue_enter(struct blocks *b, handle_t h, enum queue_id id)
{
    struct queue *q = &b->queues[id];
    struct block *blk = block_at(b, h);
    if (q->count == q->capacity) {
        uint32_t capacity = q->capacity == 0 ? 256 : q->capacity * 2;
        handle_t *at = capacity <= q->capacity ? NULL : realloc(q->at, capacity * sizeof(*at));
        if (at == NULL)
            return false;
        q->at = at;
        q->capacity = capacity;
    }
    blk->queue = id & 7u;
    blk->queue_pos = q->count;
    q->at[q->count++] = h;
    b->missing_one_count += is_missing_one(blk);
    q->groups += blk->striped;
    return true;
}

/* Surplus that is suddenly needed: deletions that no node has been told yet are taken back. Of a
 * group only what has an index that no other live one has. */
static bool rescue_excess(struct blocks *b, struct block *blk, const struct replica_counts *n,
                          uint32_t wanted)
{
    const struct ec_policy *ec = block_ec(b, blk);
    uint32_t rescued = 0,
             units = n->live_units | (ec == NULL ? 0 : ~(uint32_t)group_units(blk, ec));
    struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count && rescued < wanted; i++) {
        uint32_t node = replica_node(b, &r[i]), unit = 1u << replica_index(&r[i]);
        uint64_t id = internal_id(blk, replica_index(&r[i]));
        if ((r[i].tag & REPLICA_EXCESS) == 0 || !node_in_service(nodes_at(b->nodes, node)) ||
            (blk->striped && (units & unit) != 0) ||
            !nodes_invalidate_ordered(b->nodes, node, id, blk->generation_stamp))
            continue;
        nodes_cancel_invalidate(b->nodes, node, id);
        replica_set_excess(b, &r[i], false);
        units |= unit;
        rescued++;
    }
    return rescued > 0;
}

void block_refresh(struct blocks *b, handle_t h)
{
    struct block *blk = block_at(b, h);
    if (blk->state == BLOCK_NONE)
        return;
    struct replica_counts n;
    count_replicas(b, blk, &n);
    bool complete = blk->state == BLOCK_COMPLETE;
    uint32_t expected = expected_live(b, blk, &n);
    if (complete && n.excess > 0 && n.live < expected &&
        rescue_excess(b, blk, &n, expected - n.live))
        count_replicas(b, blk, &n);
    bool safe = is_safe(b, blk, &n);
    b->safe_count += (uint64_t)safe - blk->safe;
    blk->safe = safe;
    b->corrupt_count += (uint64_t)(n.corrupt > 0) - blk->has_corrupt;
    if (blk->striped)
        b->corrupt_groups += (uint64_t)(n.corrupt > 0) - blk->has_corrupt;
    blk->has_corrupt = n.corrupt > 0;
    enum queue_id id = classify(b, blk, &n);
    if (id == blk->queue)
        return;
    queue_leave(b, blk);
    if (id != Q_NONE && !queue_enter(b, h, id) && b->scan_cursor == 0)
        b->scan_cursor = 1; /* no memory: look at all again later */
}

/* ---- the recount ---- */

struct recount {
    uint64_t total, complete, safe, corrupt, excess, missing_one, pending, queued[Q_COUNT];
    uint64_t groups, corrupt_groups, queued_groups[Q_COUNT];
};

static void verify_replicas(const struct blocks *b, handle_t h, struct recount *c)
{
    struct block *blk = block_at(b, h);
    const struct replica *r = replicas_of(b, blk);
    uint32_t corrupt = 0;
    for (uint32_t i = 0; i < blk->replica_count; i++) {
        uint32_t storage = replica_storage(&r[i]);
        CHECK(blk->striped || replica_index(&r[i]) == 0);
        CHECK(storage < b->storage_capacity && r[i].pos < b->storages[storage].count);
        CHECK(b->storages[storage].at[r[i].pos] == h);
        CHECK((r[i].tag & REPLICA_CORRUPT) == 0 || (r[i].tag & REPLICA_EXCESS) == 0);
        CHECK(((r[i].tag & REPLICA_CORRUPT) != 0) ==
              (note_find(b, blk, replica_spot(&r[i])) != NULL));
        for (uint32_t k = 0; k < i; k++)
            CHECK(replica_node(b, &r[k]) != replica_node(b, &r[i]) ||
                  replica_index(&r[k]) != replica_index(&r[i]));
        c->excess += (r[i].tag & REPLICA_EXCESS) != 0;
        corrupt += (r[i].tag & REPLICA_CORRUPT) != 0;
    }
    const struct side *side = side_of(b, blk);
    CHECK(corrupt == (side == NULL ? 0 : side->note_count));
}

static void verify_block(const struct blocks *b, handle_t h, struct recount *c)
{
    struct block *blk = block_at(b, h);
    struct replica_counts n;
    count_replicas(b, blk, &n);
    verify_replicas(b, h, c);
    CHECK(idmap_find(&b->by_id, blk->id) == h);
    const struct side *side = side_of(b, blk);
    CHECK(blk->state != BLOCK_COMPLETE || side == NULL || side->construction == NULL);
    c->total++;
    c->complete += blk->state == BLOCK_COMPLETE;
    c->safe += is_safe(b, blk, &n);
    c->corrupt += n.corrupt > 0;
    c->pending += side != NULL && side->pending != NULL;
    c->queued[blk->queue]++;
    c->groups += blk->striped;
    c->corrupt_groups += blk->striped && n.corrupt > 0;
    c->queued_groups[blk->queue] += blk->striped;
    c->missing_one += is_missing_one(blk);
    if (blk->queue != Q_NONE)
        CHECK(b->queues[blk->queue].at[blk->queue_pos] == h);
    if (b->topology_seen == topology_now(b) && b->scan_cursor == 0 && b->renewing == 0)
        CHECK(blk->queue == classify(b, blk, &n));
}

static void verify_storages(const struct blocks *b)
{
    uint32_t renewing = 0;
    for (uint32_t s = 1; s < b->storage_capacity; s++) {
        const struct storage_list *list = &b->storages[s];
        CHECK(list->seen <= list->count && list->renew <= list->count);
        renewing += list->renew > 0;
        if (s <= nodes_storage_count(b->nodes))
            CHECK(nodes_storage(b->nodes, s)->block_count == list->count);
        for (uint32_t i = 0; i < list->count; i++) {
            struct block *blk = block_at(b, list->at[i]);
            const struct replica *r = replicas_of(b, blk);
            uint32_t found = 0;
            for (uint32_t k = 0; k < blk->replica_count; k++)
                found += replica_storage(&r[k]) == s && r[k].pos == i;
            CHECK(found == 1);
        }
    }
    CHECK(renewing == b->renewing);
}

void blocks_verify(const struct blocks *b)
{
    struct recount c = {0};
    for (handle_t h = 1; h <= b->pool.used; h++)
        if (block_at(b, h)->state != BLOCK_NONE)
            verify_block(b, h, &c);
    verify_storages(b);
    for (size_t i = 0; i < b->doomed.count; i++)
        verify_replicas(b, b->doomed.at[b->doomed.head + i], &c);
    CHECK(c.total == b->total && c.total == b->by_id.used);
    CHECK(c.complete == b->complete_count && c.safe == b->safe_count);
    CHECK(c.corrupt == b->corrupt_count && c.excess == b->excess_count);
    CHECK(c.missing_one == b->missing_one_count && c.pending == b->pending_count);
    CHECK(c.groups == b->group_count && c.corrupt_groups == b->corrupt_groups);
    for (int q = Q_HIGHEST; q < Q_COUNT; q++)
        CHECK(c.queued[q] == b->queues[q].count && c.queued_groups[q] == b->queues[q].groups);
    CHECK(c.total + b->doomed.count == b->pool.live);
}

size_t blocks_list_waiting(const struct blocks *b, unsigned priority, uint32_t *cursor,
                           handle_t *ret_blocks, size_t max)
{
    CHECK(priority <= Q_MISSING - Q_HIGHEST);
    const struct queue *q = &b->queues[Q_HIGHEST + priority];
    size_t n = 0;
    while (n < max && *cursor < q->count)
        ret_blocks[n++] = q->at[(*cursor)++];
    return n;
}

handle_t blocks_next_pending(const struct blocks *b, handle_t block, int64_t *ret_since_ms,
                             uint32_t *ret_copies)
{
    const struct pending *p = b->pendings;
    if (block != 0) {
        const struct side *side = side_of(b, block_at(b, block));
        p = side == NULL || side->pending == NULL ? NULL : side->pending->next;
    }
    if (p == NULL)
        return 0;
    *ret_since_ms = p->since_ms;
    *ret_copies = p->target_count;
    return p->block;
}
