/* name.c - the NameNode without its threads: calls run at once, edits are applied and kept, time
 * comes from the world. See sim.h. */
#include <stdio.h>
#include <stdlib.h>

#include "namenode/retry/retry.h"
#include "tests/sim/sim.h"

enum { TICK_MS = 500, COLLECT = 500 };

static int commit(void *ctx, struct edit *e, struct err *err)
{
    struct sim *s = ctx;
    e->txid = s->nn->last_txid + 1;
    TRY(edit_encode(&s->journal, e, err));
    return edit_apply(s->nn, e, err);
}

static void fill_settings(struct sim *s)
{
    s->settings = (struct nn_settings){.block_size = 1 << 20,
                                       .min_block_size = 1024,
                                       .max_blocks_per_file = 100,
                                       .max_component_length = 255,
                                       .max_dir_items = 1000000,
                                       .replication = 3,
                                       .replication_min = 1,
                                       .replication_max = 512,
                                       .list_limit = 1000,
                                       .batched_list_limit = 100,
                                       .open_files_page = 1000,
                                       .corrupt_files_page = 100,
                                       .quota_by_type_enabled = true,
                                       .lease_hard_limit_ms = 3 * MINUTE,
                                       .heartbeat_interval_ms = 3000,
                                       .supergroup = "supergroup",
                                       .report_turn = (uint32_t)between(s, 1, 30)};
}

static void configure(struct sim *s)
{
    struct nodes_settings n;
    struct blocks_settings b;
    struct rng rng = {s->o.seed * 77 + 5};
    nodes_settings_defaults(&n);
    blocks_settings_defaults(&b);
    n.recheck_interval_ms = 20 * SECOND; /* dead after 70 s */
    n.stale_interval_ms = 15 * SECOND;
    n.report_lease_ms = MINUTE;
    n.report_leases = (uint32_t)rng_below(&rng, 6) + 1;
    n.invalidate_limit = rng_below(&rng, 3) == 0 ? 5 : 1000;
    b.pending_timeout_ms = MINUTE;
    b.safemode_extension_ms = rng_below(&rng, 2) == 0 ? 0 : 5 * SECOND;
    b.place.consider_load = rng_below(&rng, 2) == 0;
    nn_configure(&n, &b);
}

static void make(struct sim *s, struct nn **ret)
{
    struct nn_identity id = {.namespace_id = 7, .ctime_ms = 1};
    struct err err = {0};
    snprintf(id.cluster_id, sizeof(id.cluster_id), "CID-sim");
    snprintf(id.block_pool_id, sizeof(id.block_pool_id), "BP-1-10.0.0.1-1");
    if (nn_new(&id, "root", "supergroup", ret, &err) != 0)
        sim_fail(s, 0, 0, "no NameNode: %s", err.text);
}

static void begin(struct sim *s)
{
    s->env = (struct handler_env){.nn = s->nn,
                                  .settings = &s->settings,
                                  .shell = {.ctx = s, .commit = commit},
                                  .rng = &s->nn_rng,
                                  .software_version = "3.4.3"};
    ns_set_now(s->nn->ns, s->now);
    blocks_start(blocks_in(s), s->nn->generation_stamp, s->now);
    s->safe_mode_since = s->now;
    sim_at(s, s->now, name_tick, NULL, s->epoch);
}

void name_start(struct sim *s)
{
    fill_settings(s);
    configure(s);
    make(s, &s->nn);
    CHECK(edit_encode_header(&s->journal) == 0);
    arena_init(&s->rpc.arena, 0);
    begin(s);
}

void name_stop(struct sim *s)
{
    name_finish_turns(s);
    nn_free(s->nn);
    s->nn = NULL;
}

static struct nn *replay(struct sim *s)
{
    struct nn *nn;
    struct arena arena;
    struct edit e;
    struct edit_reader reader;
    struct err err = {0};
    int rc;
    make(s, &nn);
    arena_init(&arena, 0);
    CHECK(edit_reader_init(&reader, buf_head(&s->journal), buf_size(&s->journal), 1, &err) == 0);
    while ((rc = edit_read(&reader, &arena, &e, &err)) == EDIT_READ_ONE) {
        if (edit_apply(nn, &e, &err) != 0)
            sim_fail(s, 0, 0, "edit %llu can't be applied again: %s", (unsigned long long)e.txid,
                     err.text);
        arena_reset(&arena);
    }
    if (rc != EDIT_READ_END)
        sim_fail(s, 0, 0, "the journal can't be read: %s", err.text);
    arena_fini(&arena);
    if (nn_verify(nn, &err) != 0)
        sim_fail(s, 0, 0, "after replay: %s", err.text);
    return nn;
}

void name_restart(struct sim *s)
{
    name_finish_turns(s);
    struct nn *next = replay(s);
    if (nn_digest(next) != nn_digest(s->nn))
        sim_fail(s, 0, 0, "the journal leads to another state");
    nn_free(s->nn);
    s->nn = next;
    s->epoch++;
    s->counts.restarts++;
    sim_trace(s, "NameNode starts anew", UINT32_MAX, 0, s->epoch, next->last_txid);
    begin(s);
}

/* ---- calls ---- */

void name_prepare(struct sim *s, struct rpc_call *rpc, struct call *call,
                  const struct rpc_method *method, ProtobufCMessage *request)
{
    rpc->method = method;
    rpc->protocol = &s->protocol;
    s->protocol.name = "sim";
    rpc->request = request;
    *call = (struct call){.env = &s->env,
                          .rpc = rpc,
                          .who = {.user = "root", .superuser = true},
                          .now_ms = s->now + s->wall_offset,
                          .mono_ms = s->now};
    ns_set_now(s->nn->ns, s->now);
}

int name_client(struct sim *s, enum client_method method, ProtobufCMessage *request)
{
    if (s->nn_down)
        return ERR_CLOSED;
    arena_reset(&s->rpc.arena);
    snprintf(s->rpc.peer_host, sizeof(s->rpc.peer_host), "10.9.9.9");
    name_prepare(s, &s->rpc, &s->call, &rpc_client_methods[method], request);
    return handle_client_call(&s->call);
}

/* The shell gives each call that takes long its turn in the end. */
void name_finish_turns(struct sim *s)
{
    while (s->turns != NULL) {
        struct message *m = s->turns;
        s->turns = m->next;
        while (!say_arrive(s, m))
            ;
        say_unref(m);
    }
}

static void check_safe_mode(struct sim *s)
{
    if (!blocks_in_safe_mode(blocks_in(s)))
        s->safe_mode_since = s->now;
}

/* What the owner thread does between messages. */
void name_tick(struct sim *s, void *ctx, uint64_t arg)
{
    struct err err = {0};
    if (arg != s->epoch)
        return;
    (void)ctx;
    if (s->nn_down) {
        sim_at(s, s->now + TICK_MS, name_tick, NULL, arg);
        return;
    }
    ns_set_now(s->nn->ns, s->now);
    retry_set_now(s->nn->retry, s->now);
    if (s->now % SECOND == 0 && handlers_tick(&s->env, s->now + s->wall_offset, s->now, &err) != 0)
        sim_fail(s, 0, 0, "leases: %s", err.text);
    bool more = blocks_tick(blocks_in(s), s->now, &s->nn_rng, (size_t)between(s, 1, 200));
    more |= nn_collect(s->nn, COLLECT);
    check_safe_mode(s);
    sim_at(s, s->now + (more ? 5 : TICK_MS - s->now % TICK_MS), name_tick, NULL, arg);
}
