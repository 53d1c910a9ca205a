/* run.c - one seed from its beginning to its end. See sim.h. */
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { BOUND_MS = 90 * MINUTE, LOOK_MS = 20 * SECOND, REST_MS = 2 * MINUTE };

/* Mostly small clusters, on which much happens to each block; one in fifty is larger, one in three
 * hundred has thousands of nodes. What a large one costs are its heartbeats, so its faults are many
 * at once and soon over. */
static uint32_t peers_of(struct rng *rng)
{
    uint64_t size = rng_below(rng, 300);
    if (size == 0)
        return (uint32_t)rng_below(rng, 2000) + 1000;
    if (size < 6)
        return (uint32_t)rng_below(rng, 400) + 100;
    return size < 180 ? (uint32_t)rng_below(rng, 10) + 4 : (uint32_t)rng_below(rng, 50) + 10;
}

void sim_options_of(uint64_t seed, struct sim_options *ret)
{
    struct rng rng = {seed ^ 0x5eed};
    *ret = (struct sim_options){.seed = seed, .peers = peers_of(&rng)};
    bool large = ret->peers >= 100;
    ret->racks = rng_below(&rng, 3) == 0 ? 1 : (uint32_t)rng_below(&rng, 5) + 2;
    ret->files = large ? 200 : (uint32_t)rng_below(&rng, 60) + 5;
    ret->faulty_ms = large ? 3 * MINUTE : (int64_t)(rng_below(&rng, 20) + 5) * MINUTE;
    ret->restarts = rng_below(&rng, 3) > 0;
}

void sim_init(struct sim *s, const struct sim_options *o)
{
    *s = (struct sim){.o = *o,
                      .rng = {o->seed},
                      .nn_rng = {o->seed * 31 + 7},
                      .now = SECOND,
                      .wall_offset = 1700000000000,
                      .fingerprint = o->seed};
    s->report_interval_ms = between(s, 2, 8) * MINUTE;
    s->changes_interval_ms = chance(s, 2) ? 1 : between(s, 100, 3000);
    s->faults = true;
    name_start(s);
    files_init(s);
    s->peers = calloc(o->peers, sizeof(*s->peers));
    CHECK(s->peers != NULL);
    for (uint32_t i = 0; i < o->peers; i++)
        peer_init(s, i);
    sim_at(s, s->now, faults_step, NULL, 0);
}

void sim_fini(struct sim *s)
{
    for (uint32_t i = 0; i < s->o.files; i++)
        free(s->files[i].ids);
    for (size_t i = 0; i < s->truth_count; i++)
        if (s->truths[i] != NULL)
            free(s->truths[i]->at);
    for (size_t i = 0; i < s->truth_count; i++)
        free(s->truths[i]);
    for (uint32_t i = 0; i < s->o.peers; i++)
        free(s->peers[i].changes.at);
    name_stop(s);
    arena_fini(&s->rpc.arena);
    buf_fini(&s->journal);
    free(s->truths);
    free(s->files);
    free(s->peers);
    free(s->heap); /* what waited in it is left to the end of the process */
    free(s->trace);
}

static void await_rest(struct sim *s)
{
    int64_t from = s->now;
    uint64_t block = 0;
    const char *why = "";
    while (s->now - from < BOUND_MS) {
        sim_run_until(s, s->now + LOOK_MS);
        if ((why = check_settled(s, &block)) == NULL)
            break;
    }
    if (why != NULL)
        sim_fail(s, block, UINT32_MAX, "%d minutes after the last fault: %s", BOUND_MS / MINUTE,
                 why);
    s->counts.settled_ms = s->now - from;
    sim_run_until(s, s->now + MINUTE); /* late news, and what a report orders that was under way */
    for (int more = 0; more < REST_MS / LOOK_MS && !check_at_rest(s); more++)
        sim_run_until(s, s->now + LOOK_MS);
}

/* All files go, and with them all that was kept for them. */
static void delete_all(struct sim *s)
{
    struct blocks_stats b;
    for (uint32_t i = 0; i < s->o.files; i++) {
        Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
        struct file *f = &s->files[i];
        if (!f->used)
            continue;
        req.src = f->path;
        if (name_client(s, CLIENT_delete, &req.base) != 0)
            sim_fail(s, 0, 0, "%s can't be deleted: %s", f->path, s->call.err.text);
        file_forget(s, f);
    }
    await_rest(s);
    blocks_stats(blocks_in(s), &b);
    if (b.blocks != 0 || b.pending_deletion != 0 || b.pending != 0)
        sim_fail(s, 0, 0, "%llu blocks and %llu deletions are left", (unsigned long long)b.blocks,
                 (unsigned long long)b.pending_deletion);
    check_sums(s);
}

uint64_t sim_run(const struct sim_options *o, struct sim_counts *ret)
{
    struct sim *s = malloc(sizeof(*s));
    CHECK(s != NULL);
    sim_init(s, o);
    sim_run_until(s, s->now + o->faulty_ms);
    faults_end(s);
    await_rest(s);
    check_end(s);
    if (o->restarts) {
        name_restart(s);
        await_rest(s);
        check_end(s);
    }
    if (o->seed % 2 == 0)
        delete_all(s);
    uint64_t fingerprint = s->fingerprint ^ nn_digest(s->nn);
    *ret = s->counts;
    sim_fini(s);
    free(s);
    return fingerprint;
}
