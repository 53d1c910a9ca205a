/* faults.c - what goes wrong, by the seed. See sim.h. */
#include <stdlib.h>

#include "tests/sim/sim.h"

static uint32_t healthy(const struct sim *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->o.peers; i++)
        count += s->peers[i].up && !s->peers[i].cut;
    return count;
}

static void rot(struct sim *s)
{
    if (s->truth_count == 0)
        return;
    struct truth *t = s->truths[rng_below(&s->rng, s->truth_count)];
    if (t == NULL || t->count == 0)
        return;
    struct held *h = &t->at[rng_below(&s->rng, t->count)];
    if (h->gone || h->state != REPLICA_FINALIZED || h->length < 2)
        return;
    truth_damage(s, t, h);
    if (chance(s, 3)) {
        h->hurt = true; /* its file got shorter, and the next report says so */
        h->told = false;
        h->length--;
        h->changed = s->counts.events;
    } else {
        h->rotten = true;
        h->told = false;
    }
    sim_trace(s, h->hurt ? "file is shortened" : "rots", h->peer, t->id, h->stamp, h->length);
}

/* Readers and scanners find some of what rots. */
static void find_rot(struct sim *s, uint64_t one_in)
{
    for (size_t i = 0; i < s->truth_count && !s->nn_down; i++) {
        struct truth *t = s->truths[i];
        for (uint32_t k = 0; t != NULL && k < t->count; k++) {
            struct held *h = &t->at[k];
            if (!h->rotten || h->gone || !peer_reachable(s, &s->peers[h->peer]) ||
                !chance(s, one_in))
                continue;
            arena_reset(&s->rpc.arena);
            uint32_t node = nodes_find(s->nn->nodes, peer_uuid(&s->rpc.arena, &s->peers[h->peer]));
            if (node != 0)
                blocks_mark_corrupt(blocks_in(s), t->id, h->stamp, node, 0, CORRUPT_REPORTED);
            if (!h->told)
                sim_trace(s, "rot is found", h->peer, t->id, h->stamp, 0);
            h->told = true;
        }
    }
}

static void rack_fault(struct sim *s)
{
    uint32_t rack = (uint32_t)rng_below(&s->rng, s->o.racks);
    bool cut = chance(s, 2);
    if (s->o.racks < 3 || healthy(s) < s->o.peers * 2 / 3)
        return;
    sim_trace(s, cut ? "rack is cut off" : "rack loses power", UINT32_MAX, 0, rack, 0);
    for (uint32_t i = 0; i < s->o.peers; i++) {
        struct peer *p = &s->peers[i];
        if (p->rack != rack || !p->up)
            continue;
        if (cut)
            p->cut = true;
        else
            peer_crash(s, p);
    }
}

static void name_up(struct sim *s, void *ctx, uint64_t arg)
{
    (void)ctx;
    (void)arg;
    if (!s->nn_down)
        return;
    s->nn_down = false;
    name_restart(s);
}

static void name_fault(struct sim *s)
{
    if (s->nn_down || !s->o.restarts)
        return;
    name_finish_turns(s);
    s->nn_down = true;
    sim_trace(s, "NameNode stops", UINT32_MAX, 0, 0, 0);
    sim_at(s, s->now + between(s, 0, 40 * SECOND), name_up, NULL, 0);
}

static void peer_fault(struct sim *s, struct peer *p)
{
    if (!p->up) {
        if (chance(s, 12))
            peer_lose_disk(s, p, (uint32_t)rng_below(&s->rng, SIM_DISKS), true);
        if (!p->lasting && chance(s, 3))
            peer_restart(s, p);
        return;
    }
    if (p->cut) {
        p->cut = !chance(s, 3);
        if (!p->cut) {
            sim_trace(s, "is back on the network", p->id, 0, 0, 0);
        }
        return;
    }
    if (healthy(s) <= s->o.peers / 2)
        return;
    switch (rng_below(&s->rng, 12)) {
    case 0:
    case 1:
        peer_crash(s, p);
        break;
    case 2:
        peer_crash(s, p);
        peer_restart(s, p); /* at once: nobody noticed */
        break;
    case 3:
        p->cut = true;
        sim_trace(s, "is cut off", p->id, 0, 0, 0);
        break;
    case 4:
        p->paused_until = s->now + between(s, 5, 100) * SECOND;
        sim_trace(s, "pauses", p->id, 0, 0, 0);
        break;
    case 5:
        if (chance(s, 3) && !p->disk_bad[0])
            peer_lose_disk(s, p, 0, false);
        break;
    default:
        break;
    }
}

static void spoil(struct sim *s)
{
    uint32_t many = s->o.peers / 10 + 1;
    for (uint32_t i = 0; i < many; i++)
        peer_fault(s, &s->peers[rng_below(&s->rng, s->o.peers)]);
    if (chance(s, 3))
        rot(s);
    if (chance(s, 60))
        rack_fault(s);
    if (chance(s, 80))
        name_fault(s);
    if (chance(s, 30))
        s->wall_offset += between(s, -24 * 60, 24 * 60) * MINUTE;
    if (chance(s, 10)) {
        struct file *f = &s->files[rng_below(&s->rng, s->o.files)];
        if (f->used)
            file_kill_writer(s, f);
    }
}

void faults_step(struct sim *s, void *ctx, uint64_t arg)
{
    (void)ctx;
    if (s->faults) {
        if (chance(s, 2))
            spoil(s);
        for (uint32_t i = 0; i < s->o.files / 20 + 1; i++)
            file_operate(s);
    }
    find_rot(s, s->faults ? 20 : 3);
    check_beliefs(s);
    if (chance(s, 4))
        check_sums(s);
    sim_at(s, s->now + 3 * SECOND, faults_step, NULL, arg);
}

/* Quiet: everybody comes back, but for some that are gone for good. */
void faults_end(struct sim *s)
{
    s->faults = false;
    if (s->nn_down)
        name_up(s, NULL, 0);
    uint32_t lost = chance(s, 3) && s->o.peers > 12 ? (uint32_t)rng_below(&s->rng, 3) : 0;
    for (uint32_t i = 0; i < s->o.peers; i++) {
        struct peer *p = &s->peers[i];
        p->cut = false;
        p->slowness = 1;
        if (p->up)
            continue;
        if (lost > 0) {
            lost--;
            p->lasting = true;
        } else {
            peer_restart(s, p);
        }
    }
    sim_trace(s, "faults end", UINT32_MAX, 0, 0, 0);
}
