/* commands.c - orders that wait for a node's next heartbeat. See nodes.h.
 * Thread: state. Copies are few: heap records in a list. Deletions may be millions after a big
 * delete: pool records in a list, found by block id.
 * Invariants: (1) a block id waits at most once for deletion on a node; (2) invalid_count is the
 * length of that list and the size of invalid_ids. */
#include <stdlib.h>
#include <utlist.h>

#include "namenode/nodes/internal.h"

void copies_free(struct node_copy *list)
{
    struct node_copy *copy, *next;
    DL_FOREACH_SAFE(list, copy, next)
    {
        free(copy);
    }
}

bool nodes_order_copy(struct nodes *n, uint32_t i, struct node_block block, const uint32_t *targets,
                      uint32_t target_count)
{
    struct node *node = nodes_at_mut(n, i);
    CHECK(target_count > 0);
    if (node->copy_count >= NODE_COPIES_MAX)
        return false;
    size_t bytes = sizeof(*targets) * target_count;
    struct node_copy *copy = malloc(sizeof(*copy) + bytes);
    if (copy == NULL)
        return false;
    copy->block = block;
    copy->target_count = target_count;
    memcpy(copy->targets, targets, bytes);
    DL_APPEND(node->copies, copy);
    node->copy_count++;
    return true;
}

uint32_t nodes_take_all_copies(struct nodes *n, uint32_t i, struct node_copy_order *ret_orders,
                               uint32_t max)
{
    struct node *node = nodes_at_mut(n, i);
    copies_free(n->spent);
    n->spent = NULL;
    uint32_t count = 0;
    while (count < max && node->copies != NULL) {
        struct node_copy *copy = node->copies;
        DL_DELETE(node->copies, copy);
        DL_APPEND(n->spent, copy);
        node->copy_count--;
        ret_orders[count++] =
            (struct node_copy_order){copy->block, copy->targets, copy->target_count};
    }
    return count;
}

uint32_t nodes_take_copies(struct nodes *n, uint32_t i, struct node_copy_order *ret_orders,
                           uint32_t max)
{
    uint32_t room = node_streams_left(n, nodes_at(n, i));
    return nodes_take_all_copies(n, i, ret_orders, max < room ? max : room);
}

bool nodes_cancel_copy(struct nodes *n, uint32_t i, uint64_t block_id)
{
    struct node *node = nodes_at_mut(n, i);
    struct node_copy *copy, *next;
    bool found = false;
    DL_FOREACH_SAFE(node->copies, copy, next)
    {
        if (copy->block.id != block_id)
            continue;
        DL_DELETE(node->copies, copy);
        free(copy);
        node->copy_count--;
        found = true;
    }
    return found;
}

/* ---- deletions ---- */

uint64_t invalid_id_of(const void *owner, handle_t h)
{
    const struct invalid *v = pool_at(owner, h);
    return v->block.id;
}

static struct invalid *invalid_at(const struct nodes *n, uint32_t h)
{
    return pool_at(&n->invalids, h);
}

static void invalid_unlink(struct nodes *n, struct node *node, uint32_t h)
{
    struct invalid *v = invalid_at(n, h);
    idmap_remove(&node->invalid_ids, v->block.id);
    node->invalid_internal -= (int64_t)v->block.id < 0;
    *(v->prev == 0 ? &node->invalid_first : &invalid_at(n, v->prev)->next) = v->next;
    *(v->next == 0 ? &node->invalid_last : &invalid_at(n, v->next)->prev) = v->prev;
    pool_give(&n->invalids, h);
    node->invalid_count--;
    n->waiting_count -= node->invalid_count == 0 && node->alive;
    if (node->invalid_count == 0)
        idmap_fini(&node->invalid_ids); /* after a big delete the table is big */
}

bool nodes_order_invalidate(struct nodes *n, uint32_t i, struct node_block block)
{
    struct node *node = nodes_at_mut(n, i);
    uint32_t h = idmap_find(&node->invalid_ids, block.id);
    if (h != 0) {
        if (block.generation_stamp > invalid_at(n, h)->block.generation_stamp)
            invalid_at(n, h)->block = block;
        return true;
    }
    h = pool_take(&n->invalids);
    if (h == 0)
        return false;
    *invalid_at(n, h) = (struct invalid){.block = block, .prev = node->invalid_last};
    if (idmap_put(&node->invalid_ids, block.id, h) != 0) {
        pool_give(&n->invalids, h);
        return false;
    }
    *(node->invalid_last == 0 ? &node->invalid_first : &invalid_at(n, node->invalid_last)->next) =
        h;
    node->invalid_last = h;
    n->waiting_count += node->invalid_count == 0 && node->alive;
    node->invalid_count++;
    node->invalid_internal += (int64_t)block.id < 0;
    return true;
}

bool nodes_invalidate_ordered(const struct nodes *n, uint32_t node, uint64_t block_id,
                              uint64_t generation_stamp)
{
    uint32_t h = idmap_find(&nodes_at(n, node)->invalid_ids, block_id);
    return h != 0 && invalid_at(n, h)->block.generation_stamp == generation_stamp;
}

bool nodes_invalidate_waits(const struct nodes *n, uint32_t node, uint64_t block_id)
{
    return idmap_find(&nodes_at(n, node)->invalid_ids, block_id) != 0;
}

void nodes_cancel_invalidate(struct nodes *n, uint32_t node, uint64_t block_id)
{
    uint32_t h = idmap_find(&nodes_at(n, node)->invalid_ids, block_id);
    if (h != 0)
        invalid_unlink(n, nodes_at_mut(n, node), h);
}

uint32_t nodes_take_invalidates(struct nodes *n, uint32_t i, struct node_block *ret_blocks,
                                uint32_t max)
{
    struct node *node = nodes_at_mut(n, i);
    if (max > n->settings.invalidate_limit)
        max = n->settings.invalidate_limit;
    uint32_t count = 0;
    while (count < max && node->invalid_first != 0) {
        ret_blocks[count++] = invalid_at(n, node->invalid_first)->block;
        invalid_unlink(n, node, node->invalid_first);
    }
    node->invalid_granted -= count < node->invalid_granted ? count : node->invalid_granted;
    return count;
}

static bool waits_for_deletions(const struct node *node)
{
    return node->alive && node->invalid_count > 0;
}

void nodes_begin_grants(struct nodes *n, double share)
{
    double part = n->live_count * share;
    n->grants.node = 1;
    n->grants.waiting = n->waiting_count;
    n->grants.room = (uint32_t)part;
    n->grants.room += n->grants.room < part;
}

/* Each that waits is taken with the chance that is left for it, so all choices are equally likely
 * and no list is needed. Should others come to wait meanwhile, the last are taken for sure. */
bool nodes_grant_some(struct nodes *n, struct rng *rng, uint32_t max)
{
    uint32_t *i = &n->grants.node, *waiting = &n->grants.waiting;
    for (; *i != 0 && max > 0; (*i)++, max--) {
        if (*i > nodes_count(n) || n->grants.room == 0 || n->waiting_count == 0) {
            *i = 0;
            break;
        }
        struct node *node = nodes_at_mut(n, *i);
        if (!waits_for_deletions(node))
            continue;
        if (n->grants.room >= *waiting || rng_below(rng, *waiting) < n->grants.room) {
            node->invalid_granted = n->settings.invalidate_limit;
            n->grants.room--;
        }
        *waiting -= *waiting > 0;
    }
    return *i != 0;
}

void nodes_grant_invalidates(struct nodes *n, double share, struct rng *rng)
{
    nodes_begin_grants(n, share);
    (void)nodes_grant_some(n, rng, UINT32_MAX);
}

uint32_t nodes_invalidates_granted(const struct nodes *n, uint32_t i)
{
    const struct node *node = nodes_at(n, i);
    return node->invalid_count < node->invalid_granted ? node->invalid_count
                                                       : node->invalid_granted;
}

/* ---- recoveries: one for each file whose writer was lost, so there are few ---- */

void recoveries_free(struct node_recovery *list)
{
    struct node_recovery *order, *next;
    DL_FOREACH_SAFE(list, order, next)
    {
        free(order);
    }
}

bool nodes_order_recovery(struct nodes *n, uint32_t i, uint64_t block_id)
{
    struct node *node = nodes_at_mut(n, i);
    struct node_recovery *order;
    DL_FOREACH(node->recoveries, order)
    {
        if (order->block_id == block_id)
            return true;
    }
    if (node->recovery_count >= NODE_COPIES_MAX || (order = calloc(1, sizeof(*order))) == NULL)
        return false;
    order->block_id = block_id;
    DL_APPEND(node->recoveries, order);
    node->recovery_count++;
    return true;
}

uint32_t nodes_take_recoveries(struct nodes *n, uint32_t i, uint64_t *ret_block_ids, uint32_t max)
{
    struct node *node = nodes_at_mut(n, i);
    uint32_t count = 0;
    while (count < max && node->recoveries != NULL) {
        struct node_recovery *order = node->recoveries;
        DL_DELETE(node->recoveries, order);
        ret_block_ids[count++] = order->block_id;
        free(order);
        node->recovery_count--;
    }
    return count;
}

void nodes_set_bandwidth(struct nodes *n, uint64_t bytes_per_second)
{
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        struct node *node = nodes_at_mut(n, i);
        if (node->alive && !node->gone)
            node->bandwidth = bytes_per_second;
    }
}

uint64_t nodes_take_bandwidth(struct nodes *n, uint32_t i)
{
    struct node *node = nodes_at_mut(n, i);
    uint64_t bandwidth = node->bandwidth;
    node->bandwidth = 0;
    return bandwidth;
}

bool nodes_clear_some_orders(struct nodes *n, uint32_t i, uint32_t max)
{
    struct node *node = nodes_at_mut(n, i);
    recoveries_free(node->recoveries);
    node->recoveries = NULL;
    node->recovery_count = 0;
    copies_free(node->copies);
    node->copies = NULL;
    node->copy_count = 0;
    rebuilds_free(node->rebuilds);
    node->rebuilds = NULL;
    node->rebuild_count = 0;
    for (; node->invalid_first != 0 && max > 0; max--)
        invalid_unlink(n, node, node->invalid_first);
    node->invalid_granted = 0;
    return node->invalid_first != 0;
}

void nodes_clear_orders(struct nodes *n, uint32_t i)
{
    (void)nodes_clear_some_orders(n, i, UINT32_MAX);
}
