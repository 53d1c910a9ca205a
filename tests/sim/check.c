/* check.c - what must hold. See sim.h and README.md.
 * (1) a good replica is ordered deleted only while the NameNode has as many live ones as wanted
 * beside it; (2) what it takes for a live replica is one, unless it wasn't told yet; (3) its sums
 * equal a recount; (4) no node is given more than its limits; (5) when the faults have ended, every
 * block gets exactly what it shall have, and nothing else remains. */
#include <stdlib.h>

#include "tests/sim/sim.h"

/* ---- orders ---- */

static uint32_t live_others(struct sim *s, handle_t block, uint32_t node)
{
    struct replica_info r[64];
    size_t count = blocks_replicas(blocks_in(s), block, r, 64);
    uint32_t live = 0;
    for (size_t i = 0; i < count && i < 64; i++) {
        const struct node_storage *storage = nodes_storage(s->nn->nodes, r[i].storage);
        live += !r[i].corrupt && !r[i].excess && storage->node != node && !storage->failed &&
                nodes_at(s->nn->nodes, storage->node)->alive;
    }
    return live;
}

/* Keeps (1). */
static void check_deletion(struct sim *s, const struct peer *p, const struct order *o)
{
    struct truth *t = truth_of(s, o->id);
    struct block_info info;
    handle_t block;
    if (t == NULL || !truth_info(s, t, &info, &block) || info.state != BLOCK_COMPLETE)
        return;
    const struct held *h = held_here(t, p->id);
    if (h == NULL || !held_good(h, &info) || h->stamp != o->stamp)
        return;
    arena_reset(&s->rpc.arena);
    uint32_t node = nodes_find(s->nn->nodes, peer_uuid(&s->rpc.arena, p));
    uint32_t others = live_others(s, block, node);
    if (others < info.replication)
        sim_fail(s, o->id, p->id,
                 "a good replica is ordered deleted on peer %u though only %u others are live, %u "
                 "are wanted",
                 p->id, others, info.replication);
}

void check_orders(struct sim *s, const struct peer *p, const struct message *m)
{
    const struct blocks_settings *b = blocks_settings_get(blocks_in(s));
    const struct nodes_settings *n = nodes_settings_get(s->nn->nodes);
    uint32_t copies = 0, deletions = 0;
    for (uint32_t i = 0; i < m->order_count; i++) {
        const struct order *o = &m->orders[i];
        copies += o->kind == ORDER_COPY;
        deletions += o->kind == ORDER_DELETE;
        sim_trace(s,
                  o->kind == ORDER_COPY     ? "is ordered to copy"
                  : o->kind == ORDER_DELETE ? "is ordered to delete"
                                            : "is ordered to recover",
                  p->id, o->id, o->stamp, o->target_count > 0 ? o->targets[0] : o->length);
        if (o->kind == ORDER_DELETE)
            check_deletion(s, p, o);
    }
    s->counts.copies += copies;
    if (copies > b->max_streams_hard)
        sim_fail(s, 0, p->id, "%u copies ordered at once", copies);
    if (deletions > n->invalidate_limit)
        sim_fail(s, 0, p->id, "%u deletions ordered at once", deletions);
}

/* ---- beliefs ---- */

static bool excused(struct sim *s, const struct held *h, const struct node_storage *storage)
{
    (void)s;
    if (!storage->reported)
        return true; /* of before it registered anew */
    if (h == NULL)
        return false;
    if (h->rotten)
        return true;
    return (h->gone || h->hurt) && !h->told;
}

/* Keeps (2). */
static void check_block(struct sim *s, struct truth *t)
{
    struct block_info info;
    struct replica_info r[64];
    handle_t block;
    if (!truth_info(s, t, &info, &block) || info.state != BLOCK_COMPLETE)
        return;
    size_t count = blocks_replicas(blocks_in(s), block, r, 64);
    for (size_t i = 0; i < count && i < 64; i++) {
        const struct node_storage *storage = nodes_storage(s->nn->nodes, r[i].storage);
        const struct node *node = nodes_at(s->nn->nodes, storage->node);
        if (r[i].corrupt || !node->alive || storage->failed)
            continue;
        uint32_t peer = peer_named(node->uuid);
        const struct held *h = held_find(t, peer);
        if ((h == NULL || !held_good(h, &info)) && !excused(s, h, storage))
            sim_fail(s, t->id, peer, "the NameNode takes the replica on peer %u for a good one",
                     peer);
    }
}

void check_beliefs(struct sim *s)
{
    if (s->nn_down)
        return;
    s->counts.checks++;
    for (size_t i = 0; i < s->truth_count; i++)
        if (s->truths[i] != NULL)
            check_block(s, s->truths[i]);
}

/* Keeps (3): they CHECK. */
void check_sums(struct sim *s)
{
    struct err err = {0};
    if (s->nn_down)
        return;
    blocks_verify(blocks_in(s));
    nodes_verify(s->nn->nodes);
    if (nn_verify(s->nn, &err) != 0)
        sim_fail(s, 0, 0, "%s", err.text);
}

/* ---- the end ---- */

static uint32_t usable_peers(const struct sim *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->o.peers; i++) {
        bool disk = false;
        for (uint32_t d = 0; d < SIM_DISKS; d++)
            disk |= !s->peers[i].disk_bad[d];
        count += s->peers[i].up && disk;
    }
    return count;
}

static uint32_t racks_of(struct sim *s, const struct truth *t, const struct block_info *info)
{
    uint32_t racks = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        bool first = held_good(&t->at[i], info) && s->peers[t->at[i].peer].up;
        for (uint32_t k = 0; k < i && first; k++)
            first = !held_good(&t->at[k], info) || !s->peers[t->at[k].peer].up ||
                    s->peers[t->at[k].peer].rack != s->peers[t->at[i].peer].rack;
        racks += first;
    }
    return racks;
}

static uint32_t live_racks(const struct sim *s)
{
    uint32_t racks = 0;
    for (uint32_t r = 0; r < s->o.racks; r++) {
        bool live = false;
        for (uint32_t i = 0; i < s->o.peers; i++)
            live |= s->peers[i].rack == r && s->peers[i].up;
        racks += live;
    }
    return racks;
}

static const char *complete_block(struct sim *s, const struct truth *t,
                                  const struct block_info *info, handle_t block)
{
    uint32_t good = 0, here = 0, usable = usable_peers(s);
    uint32_t wanted = info->replication < usable ? info->replication : usable;
    struct replica_counts n;
    blocks_count(blocks_in(s), block, &n);
    for (uint32_t i = 0; i < t->count; i++) {
        bool up = s->peers[t->at[i].peer].up;
        good += up && held_good(&t->at[i], info);
        here += up && !t->at[i].gone;
    }
    if (good == 0) /* lost, which check_end looks at; bad ones remain */
        return n.live == 0 ? NULL : "live replicas that aren't there";
    if (good < wanted)
        return "too few replicas";
    if (good > wanted || here > good)
        return "too many replicas";
    if (n.live != good || n.corrupt > 0 || n.excess > 0 || n.pending > 0)
        return "figures that aren't at rest";
    if (good > 1 && racks_of(s, t, info) < 2 && live_racks(s) > 1)
        return "all replicas on one rack";
    return NULL;
}

static const char *settled(struct sim *s, const struct truth *t)
{
    struct block_info info;
    handle_t block;
    bool any = false;
    for (uint32_t i = 0; i < t->count; i++)
        any |= s->peers[t->at[i].peer].up && !t->at[i].gone;
    if (!truth_info(s, t, &info, &block))
        return any ? "replicas of no block" : NULL;
    if (info.state == BLOCK_COMPLETE)
        return complete_block(s, t, &info, block);
    return NULL; /* files_settled looks at it */
}

/* Startup safe mode lasts while too many blocks have no replica at all; then the operator has to
 * end it. */
static const char *safe_mode(struct sim *s)
{
    struct blocks_stats b;
    uint64_t reported = 0, unheard = 0;
    for (size_t i = 0; i < s->truth_count; i++) {
        struct truth *t = s->truths[i];
        struct block_info info;
        bool any = false;
        if (t == NULL || !truth_info(s, t, &info, NULL) || info.state != BLOCK_COMPLETE)
            continue;
        for (uint32_t k = 0; k < t->count; k++) {
            struct held h = t->at[k];
            h.rotten = h.rotten && h.told;
            any |= s->peers[h.peer].up && held_good(&h, &info);
        }
        reported += any;
        struct replica_counts n;
        blocks_count(blocks_in(s), blocks_find(blocks_in(s), t->id), &n);
        if (any && n.live == 0)
            unheard = t->id;
    }
    blocks_stats(blocks_in(s), &b);
    if ((double)reported >= (double)b.complete * 0.999) {
        char tip[1000];
        blocks_safe_mode_tip(blocks_in(s), s->now, tip, sizeof(tip));
        sim_fail(s, unheard, UINT32_MAX, "safe mode doesn't end: %s", tip);
    }
    (void)blocks_leave_safe_mode(blocks_in(s), true, s->now);
    return "in safe mode";
}

const char *check_settled(struct sim *s, uint64_t *ret_block)
{
    *ret_block = 0;
    if (blocks_in_safe_mode(blocks_in(s)))
        return s->now - s->safe_mode_since > 12 * MINUTE ? safe_mode(s) : "in safe mode";
    for (size_t i = 0; i < s->truth_count; i++) {
        const char *why = s->truths[i] == NULL ? NULL : settled(s, s->truths[i]);
        if (why != NULL) {
            *ret_block = s->truths[i]->id;
            return why;
        }
    }
    return files_settled(s, ret_block) ? NULL : "a file isn't closed";
}

/* Keeps (5). */
static void check_losses(struct sim *s)
{
    for (size_t i = 0; i < s->truth_count; i++) {
        struct truth *t = s->truths[i];
        struct block_info info;
        if (t == NULL || !truth_info(s, t, &info, NULL) || info.state != BLOCK_COMPLETE ||
            info.length == 0 || truth_good(s, t, &info, UINT32_MAX) > 0)
            continue;
        s->counts.lost_blocks++;
        if (t->destroyed < t->made)
            sim_fail(s, t->id, 0, "a block is lost though faults took only %u of its %u replicas",
                     t->destroyed, t->made);
    }
}

/* The first node that has yet to be told of deletions. */
static uint32_t waits_for_deletions(struct sim *s)
{
    for (uint32_t i = 1; i <= nodes_count(s->nn->nodes); i++)
        if (nodes_at(s->nn->nodes, i)->invalid_count > 0)
            return peer_named(nodes_at(s->nn->nodes, i)->uuid);
    return UINT32_MAX;
}

bool check_at_rest(struct sim *s)
{
    struct blocks_stats b;
    blocks_stats(blocks_in(s), &b);
    return b.excess == 0 && b.pending_deletion == 0 && b.pending == 0 && b.postponed == 0;
}

void check_end(struct sim *s)
{
    struct blocks_stats b;
    check_sums(s);
    check_beliefs(s);
    check_losses(s);
    blocks_stats(blocks_in(s), &b);
    if (!check_at_rest(s))
        sim_fail(s, 0, waits_for_deletions(s),
                 "not at rest: excess %llu deletions %llu pending %llu postponed %llu",
                 (unsigned long long)b.excess, (unsigned long long)b.pending_deletion,
                 (unsigned long long)b.pending, (unsigned long long)b.postponed);
}
