/* redundancy.c - restores and trims the number of replicas. See blocks.h.
 * Thread: state. Randomness and time come in.
 * A block that needs copies waits in a queue (queues.c) until a source with room and targets are
 * found; then it is `pending` until the targets report, or until a time-out puts it back.
 * Invariants: (1) surplus is only chosen among replicas on live nodes, never below the wanted
 * number, never while some replica of the block is on a storage without a full report; (2) a source
 * is never given more than max_streams_hard orders; (3) the pending list is ordered by time. */
#include <stdlib.h>
#include <utlist.h>

#include "namenode/blocks/internal.h"

enum { PENDING_EXPECTED_MAX = 16 };

/* ---- copies under way ---- */

static void pending_unlink(struct blocks *b, struct pending *p)
{
    if (b->sweep == p)
        b->sweep = p->next;
    DL_DELETE(b->pendings, p);
    free(p);
}

static void pending_free(struct blocks *b, struct block *blk)
{
    struct side *side = side_of(b, blk);
    struct pending *p = side->pending;
    for (uint32_t i = 0; i < p->target_count; i++)
        nodes_unschedule(b->nodes, spot_storage(p->targets[i].spot));
    pending_unlink(b, p);
    side->pending = NULL;
    side_trim(b, blk);
    b->pending_count--;
}

/* What its source hasn't been told yet it won't be. */
static void cancel_order(struct blocks *b, const struct block *blk, const struct pending_target *t)
{
    if (t->source == 0)
        return;
    nodes_cancel_copy(b->nodes, t->source, internal_id(blk, spot_index(t->spot)));
    if (blk->striped)
        nodes_cancel_rebuild(b->nodes, t->source, blk->id);
}

void pending_drop(struct blocks *b, struct block *blk)
{
    const struct side *side = side_of(b, blk);
    if (side == NULL || side->pending == NULL)
        return;
    for (uint32_t i = 0; i < side->pending->target_count; i++)
        cancel_order(b, blk, &side->pending->targets[i]);
    pending_free(b, blk);
}

static struct pending *pending_of(const struct blocks *b, const struct block *blk)
{
    const struct side *side = side_of(b, blk);
    return side == NULL ? NULL : side->pending;
}

static void pending_remove(struct pending *p, uint32_t i)
{
    p->targets[i] = p->targets[--p->target_count];
}

/* Takes the target on that node off. */
void pending_arrived(struct blocks *b, struct block *blk, uint32_t node, unsigned index)
{
    struct pending *p = pending_of(b, blk);
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->target_count;) {
        uint32_t spot = p->targets[i].spot;
        if (nodes_storage(b->nodes, spot_storage(spot))->node == node && spot_index(spot) == index)
            pending_remove(p, i);
        else
            i++;
    }
    if (p->target_count == 0)
        pending_free(b, blk);
}

/* What it was to copy won't arrive, or would be bad itself: others are asked at once. */
void pending_source_bad(struct blocks *b, struct block *blk, uint32_t node, unsigned index)
{
    struct pending *p = pending_of(b, blk);
    for (uint32_t i = 0; p != NULL && i < p->target_count;) {
        struct pending_target t = p->targets[i];
        if (t.source != node || spot_index(t.spot) != index) {
            i++;
            continue;
        }
        cancel_order(b, blk, &t);
        nodes_unschedule(b->nodes, spot_storage(t.spot));
        pending_remove(p, i);
    }
    if (p != NULL && p->target_count == 0)
        pending_free(b, blk);
}

/* Room for so many more copies under way, which the caller fills; NULL: no memory. */
static struct pending_target *pending_grow(struct blocks *b, handle_t h, uint32_t count,
                                           int64_t mono_ms)
{
    struct block *blk = block_at(b, h);
    struct side *side = side_need(b, blk);
    if (side == NULL)
        return NULL;
    struct pending *old = side->pending;
    uint32_t before = old == NULL ? 0 : old->target_count;
    struct pending *p = malloc(sizeof(*p) + sizeof(p->targets[0]) * ((size_t)before + count));
    if (p == NULL) {
        side_trim(b, blk);
        return NULL;
    }
    *p = (struct pending){.block = h, .since_ms = mono_ms};
    p->target_count = before + count;
    if (before > 0)
        memcpy(p->targets, old->targets, sizeof(p->targets[0]) * before);
    if (old != NULL)
        pending_unlink(b, old);
    DL_APPEND(b->pendings, p); /* keeps (3) */
    side->pending = p;
    b->pending_count += old == NULL;
    return p->targets + before;
}

void pending_expected(struct blocks *b, handle_t h)
{
    struct block *blk = block_at(b, h);
    const struct construction *c = blk->side == 0 ? NULL : side_of(b, blk)->construction;
    const struct ec_policy *ec = block_ec(b, blk);
    uint32_t wanted = ec == NULL ? 1 : group_units(blk, ec); /* indices that aren't empty */
    struct pending_target targets[PENDING_EXPECTED_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; c != NULL && i < c->count && count < PENDING_EXPECTED_MAX; i++) {
        uint32_t storage = c->expected[i].storage;
        uint32_t node = nodes_storage(b->nodes, storage)->node;
        unsigned index = c->expected[i].index;
        if (storage_usable(b, storage) && node_in_service(nodes_at(b->nodes, node)) &&
            (wanted & 1u << index) != 0 && replica_find_node(b, blk, node, index) == NULL)
            targets[count++] = (struct pending_target){.spot = spot_of(storage, index)};
    }
    int64_t last_ms = b->pendings == NULL ? 0 : b->pendings->prev->since_ms; /* keeps (3) */
    struct pending_target *added =
        count == 0 ? NULL : pending_grow(b, h, count, b->seen_ms > last_ms ? b->seen_ms : last_ms);
    if (added != NULL) /* without memory copies are ordered that weren't needed */
        memcpy(added, targets, count * sizeof(*targets));
}

void pending_node_died(struct blocks *b)
{
    b->sweep_again = true;
}

static bool is_alive(const struct blocks *b, uint32_t node)
{
    return nodes_at(b->nodes, node)->alive;
}

/* Undelivered orders of dead nodes won't be carried out, and nothing will arrive there. Of a group
 * the rest is still on its way. */
static void sweep_one(struct blocks *b, struct pending *p)
{
    handle_t h = p->block;
    struct block *blk = block_at(b, h);
    bool hit = false;
    for (uint32_t i = p->target_count; i-- > 0;) {
        struct pending_target t = p->targets[i];
        bool sent = t.source == 0 || is_alive(b, t.source);
        if (sent && is_alive(b, nodes_storage(b->nodes, spot_storage(t.spot))->node))
            continue;
        hit = true;
        if (p->target_count == 1) {
            pending_free(b, blk);
            break;
        }
        nodes_unschedule(b->nodes, spot_storage(t.spot));
        pending_remove(p, i);
    }
    if (hit)
        block_refresh(b, h);
}

size_t pending_sweep(struct blocks *b, size_t budget)
{
    size_t visited = 0;
    while (visited < budget) {
        if (b->sweep == NULL && b->sweep_again) {
            b->sweep = b->pendings;
            b->sweep_again = false;
        }
        struct pending *p = b->sweep;
        if (p == NULL)
            break;
        b->sweep = p->next;
        sweep_one(b, p);
        visited++;
    }
    return visited;
}

size_t pending_expire(struct blocks *b, int64_t mono_ms, size_t budget)
{
    size_t visited = 0;
    while (visited < budget && b->pendings != NULL &&
           mono_ms - b->pendings->since_ms >= b->settings.pending_timeout_ms) {
        handle_t h = b->pendings->block;
        pending_drop(b, block_at(b, h));
        block_refresh(b, h);
        visited++;
    }
    return visited;
}

/* ---- more replicas ---- */

enum { NODES_NAMED_MAX = REPLICAS_MAX + 64 };

/* Keeps (2). Who is about to leave serves no writers, and may do more. */
static uint32_t source_limit(const struct blocks *b, const struct block *blk,
                             const struct node *node)
{
    return blk->queue == Q_HIGHEST || !node_in_service(node) ? b->settings.max_streams_hard
                                                             : b->settings.max_streams;
}

/* The node to copy from: a random one of those with room; 0: none. Those that have left, or that
 * may be switched off at any time, only if nobody else has it. */
static uint32_t choose_source(const struct blocks *b, struct block *blk, struct rng *rng)
{
    uint32_t chosen = 0, seen = 0, left = 0, left_seen = 0;
    bool others = false;
    const struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++) {
        if (!replica_is_live(&r[i]) || !storage_usable(b, replica_storage(&r[i])))
            continue;
        uint32_t node = replica_node(b, &r[i]);
        const struct node *n = nodes_at(b->nodes, node);
        bool gone = n->admin == ADMIN_DECOMMISSIONED || n->admin == ADMIN_IN_MAINTENANCE;
        others |= !gone;
        if (n->copy_count >= source_limit(b, blk, n))
            continue;
        if (gone && rng_below(rng, ++left_seen) == 0)
            left = node;
        else if (!gone && rng_below(rng, ++seen) == 0)
            chosen = node;
    }
    return others ? chosen : left;
}

struct node_lists {
    uint32_t have[NODES_NAMED_MAX], avoid[NODES_NAMED_MAX]; /* storages; nodes */
    size_t have_count, avoid_count;
};

/* Storages that hold a good replica or will, and nodes that must not get one though they don't. */
static void list_nodes(const struct blocks *b, struct block *blk, struct node_lists *l)
{
    l->have_count = l->avoid_count = 0;
    const struct replica *r = replicas_of(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++) {
        uint32_t node = replica_node(b, &r[i]);
        if (replica_in_service(b, &r[i]) && storage_usable(b, replica_storage(&r[i])))
            l->have[l->have_count++] = replica_storage(&r[i]);
        else
            l->avoid[l->avoid_count++] = node;
    }
    const struct side *side = side_of(b, blk);
    const struct pending *p = side == NULL ? NULL : side->pending;
    for (uint32_t i = 0; p != NULL && i < p->target_count && l->have_count < NODES_NAMED_MAX; i++)
        l->have[l->have_count++] = spot_storage(p->targets[i].spot);
}

/* What the rule about racks misses with those that there are and `more`. */
static uint32_t missing_with(const struct blocks *b, const struct block *blk,
                             const struct node_lists *l, const uint32_t *more, size_t more_count)
{
    uint32_t nodes[2 * NODES_NAMED_MAX];
    size_t count = 0;
    for (size_t i = 0; i < l->have_count; i++)
        nodes[count++] = nodes_storage(b->nodes, l->have[i])->node;
    for (size_t i = 0; i < more_count; i++)
        nodes[count++] = nodes_storage(b->nodes, more[i])->node;
    return place_missing(b->nodes, &b->settings.place, nodes, count, blk->replication);
}

size_t blocks_place(struct blocks *b, const struct place_request *req, int64_t mono_ms,
                    struct rng *rng, uint32_t *ret_storages)
{
    return place_choose(b->nodes, &b->settings.place, req, mono_ms, rng, ret_storages);
}

static uint32_t choose_targets(struct blocks *b, struct block *blk, uint32_t source,
                               uint32_t wanted, int64_t mono_ms, struct rng *rng, uint32_t *ret)
{
    struct node_lists l;
    list_nodes(b, blk, &l);
    uint32_t missing = missing_with(b, blk, &l, NULL, 0);
    struct place_request req = {
        .wanted = blk->queue == Q_BADLY ? missing : wanted,
        .writer_node = source,
        .chosen = l.have,
        .chosen_count = l.have_count,
        .excluded = l.avoid,
        .excluded_count = l.avoid_count,
        .block_size = blk->length,
        .block_id = blk->id,
        .policy = block_policy(b, blk),
    };
    uint32_t count = (uint32_t)blocks_place(b, &req, mono_ms, rng, ret);
    if (blk->queue == Q_BADLY && missing_with(b, blk, &l, ret, count) >= missing)
        return 0; /* one more on the same rack helps nobody */
    return count;
}

/* On a cluster with no other node a corrupt replica blocks the place of its own replacement. It may
 * go if half of the wanted number are good, or another corrupt one is left. */
static void give_up_corrupt(struct blocks *b, handle_t h, const struct replica_counts *n)
{
    struct block *blk = block_at(b, h);
    uint32_t most = nodes_live_count(b->nodes); /* that many there can be at all */
    uint32_t wanted = blk->replication < most ? blk->replication : most;
    if (n->corrupt == 0 || n->stale > 0 || n->live < b->settings.replication_min || n->live == 0 ||
        (n->live * 2 < wanted && n->corrupt < 2))
        return;
    const struct replica *r = replicas_of(b, blk);
    while ((r->tag & REPLICA_CORRUPT) == 0)
        r++;
    struct node_block order = replica_order(b, blk, r);
    if (nodes_order_invalidate(b->nodes, replica_node(b, r), order))
        block_replica_remove(b, h, replica_spot(r));
}

/* Written down before it is ordered: so many replicas (or internal blocks; indices NULL: a
 * replicated block) will come to these storages. */
static bool promise(struct blocks *b, handle_t h, uint32_t source, const uint32_t *targets,
                    const uint8_t *indices, uint32_t count, int64_t mono_ms)
{
    struct pending_target *added = pending_grow(b, h, count, mono_ms);
    if (added == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t index = indices == NULL ? 0 : indices[i];
        added[i] = (struct pending_target){.spot = spot_of(targets[i], index), .source = source};
        nodes_schedule(b->nodes, targets[i]);
    }
    return true;
}

static void schedule_copies(struct blocks *b, handle_t h, int64_t mono_ms, struct rng *rng)
{
    struct block *blk = block_at(b, h);
    struct replica_counts n;
    count_replicas(b, blk, &n);
    uint32_t source = choose_source(b, blk, rng);
    uint32_t have = n.live + n.pending, expected = expected_live(b, blk, &n);
    uint32_t wanted = blk->queue == Q_BADLY ? 1 : expected - have;
    if (source == 0 || (blk->queue != Q_BADLY && have >= expected))
        return;
    uint32_t targets[NODES_NAMED_MAX];
    uint32_t count = choose_targets(b, blk, source, wanted, mono_ms, rng, targets);
    struct node_block order = {blk->id, blk->generation_stamp, blk->length};
    if (count == 0) {
        give_up_corrupt(b, h, &n);
    } else if (promise(b, h, source, targets, NULL, count, mono_ms) &&
               !nodes_order_copy(b->nodes, source, order, targets, count)) {
        pending_drop(b, blk);
    }
    block_refresh(b, h);
}

/* ---- the same for groups: namenode/mend says what ---- */

static void order_rebuild(struct blocks *b, handle_t h, const struct node_rebuild_order *o,
                          int64_t mono_ms)
{
    uint32_t worker = nodes_storage(b->nodes, o->targets[0])->node;
    if (promise(b, h, worker, o->targets, o->target_indices, o->target_count, mono_ms) &&
        !nodes_order_rebuild(b->nodes, worker, o))
        pending_drop(b, block_at(b, h)); /* all of it: it is asked again */
}

static void order_unit_copy(struct blocks *b, handle_t h, const struct mend_copy *copy,
                            int64_t mono_ms)
{
    struct block *blk = block_at(b, h);
    uint32_t source = nodes_storage(b->nodes, copy->source)->node;
    struct node_block order = unit_order(b, blk, copy->index, blk->generation_stamp);
    if (promise(b, h, source, &copy->target, &copy->index, 1, mono_ms) &&
        !nodes_order_copy(b->nodes, source, order, &copy->target, 1))
        pending_drop(b, blk);
}

static void remove_duplicates(struct blocks *b, handle_t h, const struct group_view *v,
                              uint32_t hint_node, int64_t mono_ms)
{
    struct block *blk = block_at(b, h);
    uint32_t gone[VIEW_REPLICAS];
    size_t count = mend_surplus(b->nodes, &v->group, hint_node, mono_ms, gone);
    for (size_t i = 0; i < count; i++) {
        const struct mend_replica *g = &v->replicas[gone[i]];
        struct replica *r = block_replica_find(b, blk, spot_of(g->storage, g->index));
        if (!nodes_order_invalidate(b->nodes, replica_node(b, r), replica_order(b, blk, r)))
            break;
        replica_set_excess(b, r, true);
    }
}

/* No node is left for what is lost: duplicates make room, and a corrupt internal block whose place
 * its own replacement needs goes as long as the others can make it. */
static void make_room(struct blocks *b, handle_t h, const struct group_view *v, int64_t mono_ms)
{
    struct block *blk = block_at(b, h);
    struct mend_state s;
    struct replica_counts n;
    count_replicas(b, blk, &n);
    if (n.stale > 0)
        return;
    mend_look(b->nodes, &v->group, &s);
    if (n.duplicate > 0) {
        remove_duplicates(b, h, v, 0, mono_ms);
        return;
    }
    if (n.corrupt == 0 || (unsigned)__builtin_popcount(s.readable) < v->group.data_units)
        return;
    const struct replica *r = replicas_of(b, blk);
    while ((r->tag & REPLICA_CORRUPT) == 0)
        r++;
    if (nodes_order_invalidate(b->nodes, replica_node(b, r), replica_order(b, blk, r)))
        block_replica_remove(b, h, replica_spot(r));
}

static void schedule_group(struct blocks *b, handle_t h, int64_t mono_ms, struct rng *rng)
{
    struct block *blk = block_at(b, h);
    struct group_view view;
    struct mend_plan plan;
    struct mend_limits limits = {b->settings.max_streams, b->settings.max_streams_hard,
                                 blk->queue == Q_HIGHEST};
    group_describe(b, blk, &view);
    mend_make(b->nodes, block_place(b, blk), &view.group, &limits, mono_ms, rng, &plan);
    if (plan.rebuild.target_count > 0)
        order_rebuild(b, h, &plan.rebuild, mono_ms);
    for (size_t i = 0; i < plan.copy_count; i++)
        order_unit_copy(b, h, &plan.copies[i], mono_ms);
    if (plan.obstacle == MEND_NO_TARGETS && blk->queue != Q_BADLY)
        make_room(b, h, &view, mono_ms);
    block_refresh(b, h);
}

void redundancy_begin(struct blocks *b)
{
    b->redundancy.work = (size_t)nodes_live_count(b->nodes) * b->settings.work_multiplier;
    b->redundancy.queue = Q_HIGHEST;
    b->redundancy.left = b->queues[Q_HIGHEST].count;
}

/* Looks at one block; how many visits that was worth. */
static size_t redundancy_visit(struct blocks *b, struct queue *q, int64_t mono_ms, struct rng *rng)
{
    enum { PLACEMENT = 20 }; /* choosing targets costs that much more */
    if (q->cursor >= q->count)
        q->cursor = 0;
    handle_t h = q->at[q->cursor];
    uint64_t before = b->pending_count;
    if (block_at(b, h)->striped)
        schedule_group(b, h, mono_ms, rng);
    else
        schedule_copies(b, h, mono_ms, rng);
    if (q->cursor < q->count && q->at[q->cursor] == h)
        q->cursor++; /* still there: others first */
    return b->pending_count != before ? PLACEMENT : 1;
}

/* A slice of an iteration: one pass in order of priority, each queue from where it stopped. */
size_t redundancy_run(struct blocks *b, int64_t mono_ms, struct rng *rng, size_t budget)
{
    size_t cost = 0;
    while (b->redundancy.work > 0 && cost < budget) {
        struct queue *q = &b->queues[b->redundancy.queue];
        if (b->redundancy.left > 0 && q->count > 0) {
            b->redundancy.left--;
            b->redundancy.work--;
            cost += redundancy_visit(b, q, mono_ms, rng);
        } else if (b->redundancy.queue == Q_BADLY) {
            b->redundancy.work = 0;
        } else {
            b->redundancy.left = b->queues[++b->redundancy.queue].count;
        }
    }
    return cost;
}

/* ---- fewer replicas ---- */

static bool removable(const struct blocks *b, const struct replica *r)
{
    return replica_in_service(b, r) && storage_usable(b, replica_storage(r));
}

static bool copy_removable(const struct blocks *b, const struct block *blk,
                           const struct replica_counts *n, const struct corrupt_note *note)
{
    return n->live >= b->settings.replication_min &&
           (n->live >= blk->replication || n->live + n->corrupt > blk->replication ||
            note->generation_stamp < blk->generation_stamp);
}

/* The corrupt ones that corrupt_removable allows. */
static void remove_corrupt(struct blocks *b, handle_t h)
{
    struct block *blk = block_at(b, h);
    struct replica_counts n;
    for (uint32_t i = 0; i < blk->replica_count;) {
        const struct replica *r = &replicas_of(b, blk)[i];
        count_replicas(b, blk, &n);
        const struct corrupt_note *note = note_find(b, blk, replica_spot(r));
        bool go = note != NULL && (blk->striped ? group_corrupt_removable(b, blk, &n, note)
                                                : copy_removable(b, blk, &n, note));
        if (go && nodes_order_invalidate(b->nodes, replica_node(b, r), replica_order(b, blk, r)))
            block_replica_remove(b, h, replica_spot(r)); /* another one takes place i */
        else
            i++;
    }
}

/* Those on nodes in service; the rest doesn't count as a replica too many. */
static size_t list_removable(const struct blocks *b, struct block *blk, uint32_t *ret)
{
    const struct replica *r = replicas_of(b, blk);
    size_t count = 0;
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (removable(b, &r[i]))
            ret[count++] = replica_storage(&r[i]);
    return count;
}

/* Keeps (1). */
void surplus_process(struct blocks *b, handle_t h, uint32_t hint_node, uint32_t added_node,
                     int64_t mono_ms)
{
    struct block *blk = block_at(b, h);
    struct replica_counts n;
    count_replicas(b, blk, &n);
    if (n.stale > 0)
        return;
    remove_corrupt(b, h);
    if (blk->striped) {
        struct group_view view;
        if (block_is_strange(b, blk))
            return;
        group_describe(b, blk, &view);
        remove_duplicates(b, h, &view, hint_node, mono_ms);
        block_refresh(b, h);
        return;
    }
    uint32_t good[REPLICAS_MAX], gone[REPLICAS_MAX];
    struct surplus_request req = {.storages = good,
                                  .count = list_removable(b, blk, good),
                                  .keep = blk->replication,
                                  .policy = block_policy(b, blk),
                                  .hint_node = hint_node,
                                  .added_node = added_node};
    size_t count = place_surplus(b->nodes, &b->settings.place, &req, mono_ms, gone);
    struct node_block order = {blk->id, blk->generation_stamp, blk->length};
    for (size_t i = 0; i < count; i++) {
        struct replica *r = block_replica_find(b, blk, gone[i]);
        if (!nodes_order_invalidate(b->nodes, replica_node(b, r), order))
            break;
        replica_set_excess(b, r, true);
    }
    block_refresh(b, h);
}

/* The others are enough: of a group, one on a working node has its index. */
static bool still_surplus(const struct blocks *b, struct block *blk, unsigned index)
{
    uint32_t good[REPLICAS_MAX];
    const struct replica *r = replicas_of(b, blk);
    if (!blk->striped)
        return list_removable(b, blk, good) >= blk->replication;
    const struct ec_policy *ec = block_ec(b, blk);
    for (uint32_t i = 0; i < blk->replica_count; i++)
        if (replica_index(&r[i]) == index && removable(b, &r[i]))
            return true;
    return ec != NULL && (group_units(blk, ec) & 1u << index) == 0; /* it is empty */
}

bool blocks_confirm_deletion(struct blocks *b, uint32_t node, const struct node_block *order)
{
    unsigned index;
    handle_t h = block_told(b, order->id, &index);
    struct replica *r = h == 0 ? NULL : replica_find_node(b, block_at(b, h), node, index);
    if (r == NULL || (r->tag & REPLICA_EXCESS) == 0 ||
        order->generation_stamp != block_at(b, h)->generation_stamp ||
        still_surplus(b, block_at(b, h), index))
        return true;
    replica_set_excess(b, r, false);
    block_refresh(b, h);
    return false;
}

size_t surplus_run(struct blocks *b, int64_t mono_ms, size_t budget)
{
    struct queue *q = &b->queues[Q_EXTRA];
    size_t visited = 0;
    for (uint32_t left = q->count; left > 0 && visited < budget && q->count > 0;
         left--, visited++) {
        if (q->cursor >= q->count)
            q->cursor = 0;
        handle_t h = q->at[q->cursor];
        surplus_process(b, h, 0, 0, mono_ms);
        if (q->cursor < q->count && q->at[q->cursor] == h)
            q->cursor++;
    }
    return visited;
}
