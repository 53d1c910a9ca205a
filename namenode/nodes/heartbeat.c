/* heartbeat.c - who lives, who holds how much, who may send a full report. See nodes.h.
 * Thread: state. Time comes in.
 * Invariant: live_count, service_count, service_xceivers and the racks' live counts agree with the
 * nodes' `alive` and `admin`, which only node_set_alive and nodes_set_admin move. */
#include <stdlib.h>

#include "namenode/nodes/internal.h"

static void count_service(struct nodes *n, const struct node *node, bool in)
{
    if (!node->alive || node->admin != ADMIN_NORMAL)
        return;
    n->service_count += in ? 1u : -1u;
    n->service_xceivers += in ? node->xceivers : -(uint64_t)node->xceivers;
}

/* What no rule may rely on: a rack whose nodes are all about to go counts as empty. */
static void count_rack(struct nodes *n, const struct node *node, bool in)
{
    if (!node->alive || node_decommissions(node))
        return;
    struct rack *rack = &n->racks[node->rack_id - 1];
    uint32_t racks = n->live_rack_count;
    if (in)
        n->live_rack_count += rack->live++ == 0;
    else
        n->live_rack_count -= --rack->live == 0;
    n->topology_version += (racks > 1) != (n->live_rack_count > 1);
    n->rack_changes += racks != n->live_rack_count;
}

void nodes_set_admin(struct nodes *n, uint32_t i, enum admin_state admin)
{
    struct node *node = nodes_at_mut(n, i);
    struct node moved = *node;
    moved.admin = (uint8_t)admin;
    bool racks_change = node_decommissions(node) != node_decommissions(&moved);
    count_service(n, node, false);
    if (racks_change)
        count_rack(n, node, false);
    node->admin = (uint8_t)admin;
    n->losses++;
    count_service(n, node, true);
    if (racks_change)
        count_rack(n, node, true);
}

void node_set_alive(struct nodes *n, struct node *node, bool alive)
{
    if (node->alive == alive)
        return;
    CHECK(node->rack_id != 0 && !(alive && node->gone));
    if (alive) {
        n->live_count++;
        n->waiting_count += node->invalid_count > 0;
        node->alive = true;
        count_service(n, node, true);
        count_rack(n, node, true);
    } else {
        count_service(n, node, false);
        count_rack(n, node, false);
        node->alive = false;
        n->live_count--;
        n->waiting_count -= node->invalid_count > 0;
        n->losses++;
    }
}

int64_t nodes_dead_after_ms(const struct nodes_settings *s)
{
    return 2 * s->recheck_interval_ms + 10 * s->heartbeat_interval_ms;
}

bool nodes_check_node(struct nodes *n, uint32_t i, int64_t mono_ms)
{
    struct node *node = nodes_at_mut(n, i);
    bool dies = node->alive && mono_ms - node->heard_ms > nodes_dead_after_ms(&n->settings);
    if (dies)
        nodes_declare_dead(n, i);
    roll_scheduled(n, node, mono_ms);
    return dies;
}

void nodes_check_slow(struct nodes *n, int64_t mono_ms)
{
    slow_check(n, mono_ms);
}

uint32_t nodes_check(struct nodes *n, int64_t mono_ms)
{
    uint32_t died = 0;
    for (uint32_t i = 1; i <= nodes_count(n); i++)
        died += nodes_check_node(n, i, mono_ms);
    nodes_check_slow(n, mono_ms);
    return died;
}

uint32_t nodes_losses(const struct nodes *n)
{
    return n->losses;
}

void nodes_declare_dead(struct nodes *n, uint32_t node)
{
    node_set_alive(n, nodes_at_mut(n, node), false);
    nodes_end_report_lease(n, node);
}

void nodes_demand_registration(struct nodes *n, uint32_t node)
{
    nodes_at_mut(n, node)->must_register = true;
}

void node_sum_storages(struct nodes *n, struct node *node)
{
    node->capacity = node->dfs_used = node->remaining = node->block_pool_used = 0;
    node->non_dfs_used = 0;
    for (uint32_t s = node->storages; s != 0;) {
        const struct node_storage *storage = nodes_storage(n, s);
        if (!storage->failed) {
            node->capacity += storage->capacity;
            node->dfs_used += storage->dfs_used;
            node->remaining += storage->remaining;
            node->block_pool_used += storage->block_pool_used;
            node->non_dfs_used += storage->non_dfs_used;
        }
        s = storage->next;
    }
}

static void take_report(struct nodes *n, struct node_storage *s,
                        const struct node_storage_report *r)
{
    if (s->failed && !r->failed)
        s->reported = false; /* its replicas were dropped: only a full report tells what is there */
    n->losses += r->failed && !s->failed;
    s->failed = r->failed;
    s->capacity = r->capacity;
    s->dfs_used = r->dfs_used;
    s->remaining = r->remaining;
    s->block_pool_used = r->block_pool_used;
    s->non_dfs_used = r->non_dfs_used;
}

/* News of a disk that has just failed may come after the heartbeat that didn't name it any more:
 * nothing would ever take back what it made us believe. One that comes is named within a beat. */
enum { UNNAMED_BEATS = 3 };

static void fail_unnamed(struct nodes *n, struct node *node, uint32_t beats)
{
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(n, s)->next) {
        struct node_storage *storage = nodes_storage_mut(n, s);
        if (node->heartbeats - storage->heartbeat < beats || storage->failed)
            continue;
        storage->failed = true;
        n->losses++;
    }
}

int nodes_heartbeat(struct nodes *n, uint32_t i, const struct node_heartbeat *h, int64_t mono_ms,
                    int64_t now_ms, struct err *err)
{
    struct node *node = nodes_at_mut(n, i);
    CHECK(node->alive);
    node->heartbeats++;
    for (size_t k = 0; k < h->storage_count; k++) {
        const struct node_storage_report *r = &h->storages[k];
        uint32_t s = 0;
        TRY(nodes_add_storage(n, i, r->uuid, r->type, r->read_only, &s, err));
        take_report(n, nodes_storage_mut(n, s), r);
        nodes_storage_mut(n, s)->heartbeat = node->heartbeats;
    }
    bool lost = h->failed_volumes > node->failed_volumes || !node->heard_since_registration;
    fail_unnamed(n, node, lost ? 1 : UNNAMED_BEATS);
    node_sum_storages(n, node);
    count_service(n, node, false);
    node->xceivers = h->xceivers;
    count_service(n, node, true);
    node->xmits = h->xmits;
    node->failed_volumes = h->failed_volumes;
    node->cache_capacity = h->cache_capacity;
    node->cache_used = h->cache_used;
    node->heard_ms = mono_ms;
    node->heard_wall_ms = now_ms;
    node->heard_since_registration |= !h->lifeline;
    return 0;
}

double nodes_average_xceivers(const struct nodes *n)
{
    return n->service_count == 0 ? 0 : (double)n->service_xceivers / n->service_count;
}

uint32_t nodes_live_count(const struct nodes *n)
{
    return n->live_count;
}

static bool lease_valid(const struct node *node, int64_t mono_ms)
{
    return node->report_lease != 0 && mono_ms < node->report_lease_until_ms;
}

static void lease_drop(struct nodes *n, uint32_t k)
{
    nodes_at_mut(n, n->lease_holders[k])->report_lease = 0;
    n->lease_holders[k] = n->lease_holders[--n->lease_count];
}

/* Every node asks at every heartbeat until its report is taken: only the holders are looked at. */
static bool lease_reserve(struct nodes *n, int64_t mono_ms)
{
    for (uint32_t k = n->lease_count; k-- > 0;)
        if (!lease_valid(nodes_at(n, n->lease_holders[k]), mono_ms))
            lease_drop(n, k);
    if (n->lease_count >= n->settings.report_leases)
        return false;
    if (n->lease_count < n->lease_capacity)
        return true;
    uint32_t capacity = n->lease_capacity == 0 ? 8 : n->lease_capacity * 2;
    uint32_t *holders = realloc(n->lease_holders, capacity * sizeof(*holders));
    if (holders == NULL)
        return false;
    n->lease_holders = holders;
    n->lease_capacity = capacity;
    return true;
}

uint64_t nodes_grant_report_lease(struct nodes *n, uint32_t i, int64_t mono_ms, struct rng *rng)
{
    struct node *node = nodes_at_mut(n, i);
    nodes_end_report_lease(n, i);
    if (!lease_reserve(n, mono_ms))
        return 0;
    while (node->report_lease == 0)
        node->report_lease = rng_next(rng);
    node->report_lease_until_ms = mono_ms + n->settings.report_lease_ms;
    n->lease_holders[n->lease_count++] = i;
    return node->report_lease;
}

bool nodes_check_report_lease(const struct nodes *n, uint32_t i, uint64_t lease, int64_t mono_ms)
{
    const struct node *node = nodes_at(n, i);
    return lease == 0 || (lease_valid(node, mono_ms) && node->report_lease == lease);
}

void nodes_end_report_lease(struct nodes *n, uint32_t node)
{
    for (uint32_t k = n->lease_count; k-- > 0;)
        if (n->lease_holders[k] == node)
            lease_drop(n, k);
}

static void add_live(struct nodes_stats *ret, const struct node *node,
                     const struct nodes_settings *settings, int64_t mono_ms)
{
    ret->live++;
    ret->stale += node_is_stale(node, settings, mono_ms);
    ret->xceivers += node->xceivers;
    ret->failed_volumes += node->failed_volumes;
    if (node->admin == ADMIN_DECOMMISSIONED || node->admin == ADMIN_IN_MAINTENANCE)
        return;
    ret->cache_capacity += node->cache_capacity;
    ret->cache_used += node->cache_used;
    if (!node_in_service(node))
        return;
    ret->capacity += node->capacity;
    ret->dfs_used += node->dfs_used;
    ret->remaining += node->remaining;
    ret->block_pool_used += node->block_pool_used;
    ret->non_dfs_used += node->non_dfs_used;
}

static void add_admin(struct nodes_stats *ret, const struct node *node)
{
    ret->decommissioning += node->admin == ADMIN_DECOMMISSION_IN_PROGRESS;
    ret->decommissioned_live += node->admin == ADMIN_DECOMMISSIONED && node->alive;
    ret->decommissioned_dead += node->admin == ADMIN_DECOMMISSIONED && !node->alive;
    ret->entering_maintenance += node->admin == ADMIN_ENTERING_MAINTENANCE;
    ret->maintenance_live += node->admin == ADMIN_IN_MAINTENANCE && node->alive;
    ret->maintenance_dead += node->admin == ADMIN_IN_MAINTENANCE && !node->alive;
}

void nodes_stats(const struct nodes *n, int64_t mono_ms, struct nodes_stats *ret)
{
    *ret = (struct nodes_stats){0};
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        const struct node *node = nodes_at(n, i);
        ret->invalidates += node->invalid_count;
        if (node->alive)
            add_live(ret, node, &n->settings, mono_ms);
        else
            ret->dead += !node->gone && !node->disallowed;
        if (!node->gone && !node->disallowed)
            add_admin(ret, node);
    }
    ret->racks = n->live_rack_count;
    ret->in_service = n->service_count;
    ret->in_service_xceivers = (uint32_t)n->service_xceivers;
}
