/* monitor.c - the work that comes due by time, in slices. See blocks_tick.
 * Thread: state. Time and randomness come in.
 * Invariant: each call visits about `budget` blocks and leaves everything consistent; what is left
 * is found again by looking (node dead, storage failed, queue not empty), never by a remembered
 * position alone, so nodes may come back and blocks may go in between. */
#include "namenode/blocks/internal.h"

static void spend(size_t *budget, size_t visited)
{
    *budget -= visited < *budget ? visited : *budget;
}

/* ---- lost storages ---- */

static void drain_storage(struct blocks *b, uint32_t storage, size_t *budget)
{
    struct storage_list *list = storage_list_of(b, storage);
    if (list == NULL)
        return;
    if (list->report != NULL && list->count > 0)
        report_void(list->report); /* its node died */
    while (list->count > 0 && *budget > 0) {
        handle_t h = list->at[list->count - 1];
        const struct replica *r = replica_at_place(b, h, storage, list->count - 1);
        block_replica_remove(b, h, replica_spot(r));
        block_refresh(b, h);
        spend(budget, 1);
    }
}

static bool drain_node(struct blocks *b, uint32_t i, size_t *budget)
{
    struct node *node = nodes_at_mut(b->nodes, i);
    bool more = false;
    if (!node->alive && !node->drained) {
        pending_node_died(b);
        uint32_t before = node->invalid_count;
        more = nodes_clear_some_orders(b->nodes, i, (uint32_t)*budget);
        node->drained = !more;
        spend(budget, before - node->invalid_count);
    }
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(b->nodes, s)->next) {
        const struct node_storage *storage = nodes_storage(b->nodes, s);
        bool kept = node->alive || (node_in_maintenance(node) && !node->gone); /* it comes back */
        if (storage->block_count == 0 || (kept && !storage->failed))
            continue;
        drain_storage(b, s, budget);
        more |= storage->block_count > 0;
    }
    return more;
}

/* ---- rounds over all nodes: who fell silent, and what is to be dropped ---- */

enum {
    ROUND_MS = 250,    /* from one's begin to the next's; at once when something was lost */
    NODES_A_VISIT = 8, /* looking at a node is that much cheaper than at a block */
    STORAGES_A_VISIT = 64,
};

static void begin_round(struct blocks *b, int64_t mono_ms)
{
    bool due = b->patrol.since_ms == 0 || mono_ms - b->patrol.since_ms >= ROUND_MS;
    if (b->patrol.node != 0 || (!due && b->patrol.losses == nodes_losses(b->nodes)))
        return;
    nodes_check_slow(b->nodes, mono_ms);
    b->patrol.node = 1;
    b->patrol.since_ms = mono_ms;
    b->patrol.losses = nodes_losses(b->nodes);
}

/* True: it stopped because of the budget, at a node that it comes back to. */
static bool patrol(struct blocks *b, int64_t mono_ms, size_t *budget)
{
    begin_round(b, mono_ms);
    while (b->patrol.node != 0) {
        uint32_t i = b->patrol.node;
        if (i > nodes_count(b->nodes)) {
            b->patrol.node = 0;
            break;
        }
        if (*budget == 0)
            return true;
        b->patrol.losses += nodes_check_node(b->nodes, i, mono_ms);
        if (drain_node(b, i, budget))
            return true;
        b->patrol.node++;
        spend(budget, i % NODES_A_VISIT == 0);
    }
    return b->patrol.losses != nodes_losses(b->nodes);
}

static bool sweep(struct blocks *b, size_t *budget)
{
    spend(budget, pending_sweep(b, *budget));
    return b->sweep != NULL || b->sweep_again;
}

/* ---- nodes whose admin state changed ---- */

void blocks_set_admin(struct blocks *b, uint32_t i, enum admin_state admin)
{
    nodes_set_admin(b->nodes, i, admin);
    for (uint32_t s = nodes_at(b->nodes, i)->storages; s != 0;) {
        if (s < b->storage_capacity)
            storage_list_renew(b, &b->storages[s], b->storages[s].count);
        s = nodes_storage(b->nodes, s)->next;
    }
}

static bool renew(struct blocks *b, size_t *budget)
{
    while (b->renewing > 0 && *budget > 0) {
        if (b->renew_cursor >= b->storage_capacity)
            b->renew_cursor = 0;
        struct storage_list *list = &b->storages[b->renew_cursor];
        while (list->renew > 0 && *budget > 0) {
            storage_list_renew(b, list, list->renew - 1);
            block_refresh(b, list->at[list->renew]);
            spend(budget, 1);
        }
        if (list->renew == 0)
            spend(budget, ++b->renew_cursor % STORAGES_A_VISIT == 0);
    }
    return b->renewing > 0;
}

/* ---- removed blocks ---- */

static bool dispose_doomed(struct blocks *b, size_t *budget)
{
    handle_t h;
    while (*budget > 0 && (h = fifo_pop(&b->doomed)) != 0)
        spend(budget, block_dispose(b, h));
    return b->doomed.count > 0;
}

/* ---- classification of all blocks: after startup, and when racks come or go ---- */

static bool scan(struct blocks *b, size_t *budget)
{
    uint32_t topology = topology_now(b);
    if (b->populating && topology != b->topology_seen) {
        b->topology_seen = topology;
        b->scan_cursor = 1;
    }
    if (!b->populating || b->scan_cursor == 0)
        return false;
    for (; *budget > 0 && b->scan_cursor <= b->pool.used; b->scan_cursor++) {
        block_refresh(b, b->scan_cursor);
        spend(budget, 1);
    }
    if (b->scan_cursor <= b->pool.used)
        return true;
    b->scan_cursor = 0;
    return false;
}

enum { GRANTS = 2000 }; /* nodes that a slice looks at */

/* An iteration begins at each interval and takes as many slices as it needs. */
static bool redundancy(struct blocks *b, int64_t mono_ms, struct rng *rng, size_t *budget)
{
    spend(budget, pending_expire(b, mono_ms, *budget));
    spend(budget, surplus_run(b, mono_ms, *budget / 2));
    if (b->redundancy_ms == 0 || mono_ms - b->redundancy_ms >= b->settings.redundancy_interval_ms) {
        b->redundancy_ms = mono_ms;
        redundancy_begin(b);
        if (mono_ms - b->started_ms >= b->settings.deletion_delay_ms)
            nodes_begin_grants(b->nodes, b->settings.invalidate_share);
    }
    bool more = nodes_grant_some(b->nodes, rng, GRANTS);
    spend(budget, redundancy_run(b, mono_ms, rng, *budget));
    return more || b->redundancy.work > 0;
}

bool blocks_tick(struct blocks *b, int64_t mono_ms, struct rng *rng, size_t budget)
{
    b->seen_ms = mono_ms;
    bool more = patrol(b, mono_ms, &budget);
    more |= sweep(b, &budget);
    more |= dispose_doomed(b, &budget);
    safemode_check(b, mono_ms);
    more |= renew(b, &budget);
    more |= scan(b, &budget);
    if (b->populating && !blocks_in_safe_mode(b))
        more |= redundancy(b, mono_ms, rng, &budget);
    return more;
}
