/* rebuild.c - orders to reconstruct lost internal blocks of erasure coded groups, and how a node's
 * streams are shared between them and copies. See nodes.h. Thread: state.
 * Invariant: rebuild_count is the length of the list. */
#include <stdlib.h>
#include <utlist.h>

#include "namenode/nodes/internal.h"

void rebuilds_free(struct node_rebuild *list)
{
    struct node_rebuild *order, *next;
    DL_FOREACH_SAFE(list, order, next)
    {
        free(order);
    }
}

bool nodes_order_rebuild(struct nodes *n, uint32_t i, const struct node_rebuild_order *o)
{
    struct node *node = nodes_at_mut(n, i);
    CHECK(o->target_count > 0 && o->target_count + o->source_count <= REBUILD_UNITS);
    CHECK(o->excluded_count <= REBUILD_UNITS);
    struct node_rebuild *order =
        node->rebuild_count >= NODE_COPIES_MAX ? NULL : malloc(sizeof(*order));
    if (order == NULL)
        return false;
    order->order = *o;
    DL_APPEND(node->rebuilds, order);
    node->rebuild_count++;
    return true;
}

uint32_t nodes_take_rebuilds(struct nodes *n, uint32_t i, struct node_rebuild_order *ret,
                             uint32_t max)
{
    struct node *node = nodes_at_mut(n, i);
    uint32_t count = 0;
    while (count < max && node->rebuilds != NULL) {
        struct node_rebuild *order = node->rebuilds;
        DL_DELETE(node->rebuilds, order);
        node->rebuild_count--;
        ret[count++] = order->order;
        free(order);
    }
    return count;
}

bool nodes_cancel_rebuild(struct nodes *n, uint32_t i, uint64_t group_id)
{
    struct node *node = nodes_at_mut(n, i);
    struct node_rebuild *order, *next;
    bool found = false;
    DL_FOREACH_SAFE(node->rebuilds, order, next)
    {
        if (order->order.group.id != group_id)
            continue;
        DL_DELETE(node->rebuilds, order);
        free(order);
        node->rebuild_count--;
        found = true;
    }
    return found;
}

uint32_t node_streams_left(const struct nodes *n, const struct node *node)
{
    uint32_t most = n->settings.max_streams;
    if (!node_in_service(node) && most < n->settings.max_streams_hard)
        most = n->settings.max_streams_hard; /* it serves no writers */
    return node->xmits >= most ? 0 : most - node->xmits;
}

/* Rounded up, so that none of them starves beside many of the other. */
static uint32_t part(uint32_t room, uint32_t of, uint32_t all)
{
    return all == 0 ? 0 : (uint32_t)(((uint64_t)room * of + all - 1) / all);
}

struct node_share nodes_stream_share(const struct nodes *n, uint32_t i)
{
    const struct node *node = nodes_at(n, i);
    uint32_t room = node_streams_left(n, node), all = node->copy_count + node->rebuild_count;
    return (struct node_share){.copies = part(room, node->copy_count, all),
                               .rebuilds = part(room, node->rebuild_count, all)};
}
