/* drain.c - the moves of nodes between in service, leaving and out of it. See drain.h.
 *
 * A node that leaves counts for nothing from the first moment: the queues of blocks/ make copies of
 * what it holds. What is done here is to find out when nothing is left that needs it. Once an
 * interval begins a round: first all open files (whose blocks no list of a storage knows), then,
 * node by node, all blocks of its storages. A node for which a whole round has found nothing moves
 * on to DECOMMISSIONED or IN_MAINTENANCE. Invariants:
 * (1) a node moves on only after a look at all its blocks and all open files during which nothing
 *     came to its storages, and not before it has sent its full reports;
 * (2) a block being written counts where its pipeline is; the node stays until enough of it is on
 *     nodes in service;
 * (3) the look is a cursor: no turn visits more than its budget. */
#include <stdlib.h>

#include "namenode/drain/internal.h"

void drain_settings_defaults(struct drain_settings *s)
{
    *s = (struct drain_settings){
        .interval_ms = 30000, .blocks_per_interval = 500000, .max_tracked = 100};
}

struct drain *drain_new(const struct drain_settings *settings, const struct ns *ns,
                        struct blocks *blocks, struct nodes *nodes)
{
    struct drain *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->settings = *settings;
    d->ns = ns;
    d->blocks = blocks;
    d->nodes = nodes;
    return d;
}

void drain_free(struct drain *d)
{
    if (d == NULL)
        return;
    free(d->open_now.ids);
    free(d->open_last.ids);
    free(d);
}

void drain_watch(struct drain *d, drain_watch_fn moved, void *ctx)
{
    d->moved = moved;
    d->moved_ctx = ctx;
}

/* ---- moves ---- */

/* Which states a node may take from each. */
#define MAY(state) (1u << ADMIN_##state)
static const unsigned admin_moves[] = {
    [ADMIN_NORMAL] = MAY(DECOMMISSION_IN_PROGRESS) | MAY(DECOMMISSIONED) |
                     MAY(ENTERING_MAINTENANCE) | MAY(IN_MAINTENANCE),
    [ADMIN_DECOMMISSION_IN_PROGRESS] =
        MAY(NORMAL) | MAY(DECOMMISSIONED) | MAY(ENTERING_MAINTENANCE) | MAY(IN_MAINTENANCE),
    [ADMIN_DECOMMISSIONED] = MAY(NORMAL) | MAY(IN_MAINTENANCE),
    [ADMIN_ENTERING_MAINTENANCE] =
        MAY(NORMAL) | MAY(IN_MAINTENANCE) | MAY(DECOMMISSION_IN_PROGRESS) | MAY(DECOMMISSIONED),
    [ADMIN_IN_MAINTENANCE] = MAY(NORMAL) | MAY(DECOMMISSION_IN_PROGRESS) | MAY(DECOMMISSIONED),
};

static void move_node(struct drain *d, uint32_t i, enum admin_state to)
{
    struct node *node = nodes_at_mut(d->nodes, i);
    enum admin_state from = node->admin;
    CHECK(admin_moves[from] & (1u << to));
    blocks_set_admin(d->blocks, i, to);
    if (d->round.node == i)
        d->round.spoiled = true;
    node->leaving_blocks = node->leaving_open_blocks = node->leaving_only_here = 0;
    if (d->moved != NULL)
        d->moved(d->moved_ctx, i, from, to);
}

void finish_node(struct drain *d, uint32_t i)
{
    bool maintenance = nodes_at(d->nodes, i)->admin == ADMIN_ENTERING_MAINTENANCE;
    move_node(d, i, maintenance ? ADMIN_IN_MAINTENANCE : ADMIN_DECOMMISSIONED);
}

static void start_decommission(struct drain *d, uint32_t i, int64_t mono_ms)
{
    struct node *node = nodes_at_mut(d->nodes, i);
    if (node_decommissions(node))
        return;
    node->leaving_since_ms = mono_ms;
    move_node(d, i, node->alive ? ADMIN_DECOMMISSION_IN_PROGRESS : ADMIN_DECOMMISSIONED);
}

static void start_maintenance(struct drain *d, uint32_t i, int64_t until_ms, int64_t mono_ms)
{
    struct node *node = nodes_at_mut(d->nodes, i);
    node->maintenance_until_ms = until_ms;
    if (node_in_maintenance(node))
        return;
    bool at_once = !node->alive || node->admin == ADMIN_DECOMMISSIONED ||
                   blocks_settings_get(d->blocks)->maintenance_min == 0;
    node->leaving_since_ms = mono_ms;
    move_node(d, i, at_once ? ADMIN_IN_MAINTENANCE : ADMIN_ENTERING_MAINTENANCE);
}

void drain_apply(struct drain *d, uint32_t i, const struct host_wish *wish, int64_t now_ms,
                 int64_t mono_ms)
{
    if (now_ms < wish->maintenance_until_ms)
        start_maintenance(d, i, wish->maintenance_until_ms, mono_ms);
    else if (wish->excluded)
        start_decommission(d, i, mono_ms);
    else if (!node_in_service(nodes_at(d->nodes, i)))
        move_node(d, i, ADMIN_NORMAL);
}

size_t expire_maintenance(struct drain *d, int64_t now_ms, size_t budget)
{
    size_t visited = 0;
    while (d->expiring != 0 && visited < budget) {
        uint32_t i = d->expiring;
        if (i > nodes_count(d->nodes)) {
            d->expiring = 0;
            break;
        }
        const struct node *node = nodes_at(d->nodes, i);
        if (node_in_maintenance(node) && now_ms >= node->maintenance_until_ms)
            move_node(d, i, ADMIN_NORMAL);
        d->expiring++;
        visited += i % NODES_A_VISIT == 0;
    }
    return visited;
}

uint64_t drain_next_blocking(const struct drain *d, uint64_t after)
{
    size_t low = 0, high = d == NULL ? 0 : d->open_last.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->open_last.ids[middle] <= after)
            low = middle + 1;
        else
            high = middle;
    }
    return d != NULL && low < d->open_last.count ? d->open_last.ids[low] : 0;
}
