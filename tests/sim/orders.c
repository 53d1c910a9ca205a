/* orders.c - what model DataNodes are ordered: copies, deletions, recoveries. See sim.h.
 * Each order is carried out a while after it came, in any sequence. */
#include <stdlib.h>

#include "tests/sim/sim.h"

#define NO_ACK 0x7fffffffffffffffULL

struct job {
    struct peer *peer;
    uint32_t incarnation;
    struct order order;
};

static bool job_is_void(struct sim *s, const struct job *j)
{
    (void)s;
    return !j->peer->up || j->peer->incarnation != j->incarnation;
}

/* ---- deletions ---- */

static void delete_replica(struct sim *s, void *ctx, uint64_t arg)
{
    struct job *j = ctx;
    struct truth *t = truth_of(s, j->order.id);
    struct held *h = t == NULL ? NULL : held_here(t, j->peer->id);
    (void)arg;
    if (!job_is_void(s, j) && h != NULL && h->stamp == j->order.stamp) {
        held_drop(s, h);
        s->counts.deletions++;
        sim_trace(s, "deletes", j->peer->id, t->id, h->stamp, j->order.length);
        if (j->order.length != NO_ACK)
            peer_change(s, j->peer, h, t->id, BLOCK_DELETED);
    }
    free(j);
}

/* ---- copies ---- */

static uint8_t any_disk(struct sim *s, const struct peer *p)
{
    uint8_t d = (uint8_t)rng_below(&s->rng, SIM_DISKS);
    for (uint32_t i = 0; i < SIM_DISKS && p->disk_bad[d]; i++)
        d = (uint8_t)((d + 1u) % SIM_DISKS);
    return p->disk_bad[d] ? UINT8_MAX : d;
}

/* The receiver of a bad replica tells where it comes from. */
static void tell_bad(struct sim *s, const struct truth *t, const struct held *h)
{
    const struct node *node;
    uint32_t i = nodes_find(s->nn->nodes, peer_uuid(&s->rpc.arena, &s->peers[h->peer]));
    if (s->nn_down || i == 0)
        return;
    node = nodes_at(s->nn->nodes, i);
    if (!node->gone)
        blocks_mark_corrupt(blocks_in(s), t->id, h->stamp, i, 0, CORRUPT_REPORTED);
    sim_trace(s, "found rotten", h->peer, t->id, h->stamp, 0);
}

static void copy_to(struct sim *s, struct truth *t, const struct order *o)
{
    for (uint32_t i = 0; i < o->target_count; i++) {
        struct peer *to = &s->peers[o->targets[i]];
        uint8_t disk = any_disk(s, to);
        if (!peer_reachable(s, to) || held_here(t, to->id) != NULL || disk == UINT8_MAX ||
            (s->faults && chance(s, 20)))
            return; /* those behind it in the chain get nothing either */
        struct held *h = held_put(s, t, to->id, disk, REPLICA_FINALIZED, o->stamp, o->length);
        s->counts.copied++;
        sim_trace(s, "gets a copy", to->id, t->id, o->stamp, o->length);
        peer_change(s, to, h, t->id, BLOCK_RECEIVED);
    }
}

static void end_copy(struct sim *s, void *ctx, uint64_t arg)
{
    struct job *j = ctx;
    struct truth *t = truth_of(s, j->order.id);
    const struct held *h = t == NULL ? NULL : held_here(t, j->peer->id);
    (void)arg;
    if (!job_is_void(s, j)) {
        j->peer->copies--;
        if (h != NULL && !j->peer->cut && h->state == REPLICA_FINALIZED &&
            h->stamp == j->order.stamp && h->length >= j->order.length) {
            if (h->rotten)
                tell_bad(s, t, h);
            else
                copy_to(s, t, &j->order);
        }
    }
    free(j);
}

static void begin_copy(struct sim *s, void *ctx, uint64_t arg)
{
    struct job *j = ctx;
    (void)arg;
    if (job_is_void(s, j)) {
        free(j);
        return;
    }
    j->peer->copies++;
    sim_at(s, s->now + between(s, SECOND, 8 * SECOND) * j->peer->slowness, end_copy, j, 0);
}

static void begin_recovery(struct sim *s, void *ctx, uint64_t arg)
{
    struct job *j = ctx;
    (void)arg;
    if (!job_is_void(s, j) && !j->peer->cut)
        recovery_run(s, j->peer, &j->order);
    free(j);
}

void orders_run(struct sim *s, struct peer *p, const struct order *orders, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct job *j = malloc(sizeof(*j));
        CHECK(j != NULL);
        *j = (struct job){p, p->incarnation, orders[i]};
        int64_t at = s->now + between(s, 1, 500 * (int64_t)p->slowness);
        sim_at(s, at,
               orders[i].kind == ORDER_COPY     ? begin_copy
               : orders[i].kind == ORDER_DELETE ? delete_replica
                                                : begin_recovery,
               j, p->id);
    }
}
