/* recovery.c - a model DataNode leads the recovery of a block that lost its writer. See sim.h. */
#include "tests/sim/sim.h"

struct found {
    struct held *at[SIM_TARGETS];
    uint32_t count, reached;
};

static void ask(struct sim *s, struct truth *t, const struct order *o, struct found *f)
{
    for (uint32_t i = 0; i < o->target_count; i++) {
        if (!peer_reachable(s, &s->peers[o->targets[i]]))
            continue;
        f->reached++;
        struct held *h = held_here(t, o->targets[i]);
        if (h != NULL && h->stamp >= o->stamp && h->stamp < o->new_stamp && h->length > 0)
            f->at[f->count++] = h;
    }
}

/* The best state, and the length that all of them have. */
static uint64_t agree(struct found *f)
{
    uint8_t best = REPLICA_RWR;
    uint64_t length = UINT64_MAX;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->count; i++)
        best = f->at[i]->state < best ? f->at[i]->state : best;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->at[i]->state == best && f->at[i]->length < length)
            length = f->at[i]->length;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct held *h = f->at[i];
        if (h->state == best ||
            (best == REPLICA_FINALIZED && h->state == REPLICA_RBW && h->length == length))
            f->at[kept++] = f->at[i];
    }
    f->count = kept;
    return length;
}

static int commit(struct sim *s, const struct order *o, uint64_t length, bool drop,
                  const struct found *f)
{
    struct rpc_call *rpc = &s->rpc;
    struct arena *a = &rpc->arena;
    arena_reset(a);
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    Dp__CommitBlockSynchronizationRequest req = DP__COMMIT_BLOCK_SYNCHRONIZATION_REQUEST__INIT;
    block.pool_id = s->nn->identity.block_pool_id;
    block.block_id = o->id;
    block.generation_stamp = o->stamp;
    req.block = &block;
    req.new_gen_stamp = o->new_stamp;
    req.new_length = length;
    req.close_file = true;
    req.delete_block = drop;
    req.new_targets = arena_array(a, Hdfs__DatanodeID *, f->count + 1);
    req.new_target_storages = arena_array(a, char *, f->count + 1);
    for (uint32_t i = 0; i < f->count; i++) {
        Hdfs__DatanodeID *id = arena_new(a, Hdfs__DatanodeID);
        hdfs__datanode_id__init(id);
        id->ip_addr = id->host_name = (char *)"10.0.0.1";
        id->datanode_uuid = peer_uuid(a, &s->peers[f->at[i]->peer]);
        req.new_targets[i] = id;
        req.new_target_storages[i] = disk_uuid(a, &s->peers[f->at[i]->peer], f->at[i]->disk);
    }
    req.n_new_targets = req.n_new_target_storages = f->count;
    name_prepare(s, rpc, &s->call, &rpc_datanode_methods[DATANODE_commitBlockSynchronization],
                 &req.base);
    return handle_datanode_call(&s->call);
}

static void renew(struct sim *s, const struct order *o, struct found *f, uint64_t length)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        struct held *h = f->at[i];
        if (s->faults && chance(s, 20))
            continue; /* it went away in between */
        h->state = REPLICA_FINALIZED;
        h->stamp = o->new_stamp;
        h->length = length;
        h->hurt = false; /* what is left of it is the block now */
        peer_change(s, &s->peers[h->peer], h, o->id, BLOCK_RECEIVED);
        f->at[kept++] = h;
        sim_trace(s, "recovered", h->peer, o->id, h->stamp, length);
    }
    f->count = kept;
}

void recovery_run(struct sim *s, struct peer *p, const struct order *o)
{
    struct truth *t = truth_need(s, o->id);
    struct found f = {.count = 0};
    ask(s, t, o, &f);
    s->counts.recoveries++;
    sim_trace(s, "leads a recovery", p->id, o->id, o->new_stamp, f.count);
    if (f.reached == 0)
        return;
    bool drop = f.count == 0;
    uint64_t length = drop ? 0 : agree(&f);
    if (o->cut && length > o->cut_length)
        length = o->cut_length;
    renew(s, o, &f, length);
    if ((!drop && f.count == 0) || s->nn_down || (s->faults && chance(s, 20)))
        return; /* the leader dies before it can tell */
    int rc = commit(s, o, length, drop, &f);
    sim_trace(s, drop ? "says the block is to go" : "says it is recovered", p->id, o->id,
              o->new_stamp, (uint64_t)-rc);
    if (rc == 0 && !drop)
        truth_finished(s, o->id);
}
