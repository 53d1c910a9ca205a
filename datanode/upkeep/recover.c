/* recover.c - block recovery, as the primary: a block whose writer went away gets one length and
 * one stamp at all its nodes, then the NameNode is told. Thread: submit from any, tasks on the
 * recoverer's own. A task carries its own arena with the NameNode's order.
 *
 * Rules: a node takes part when its replica isn't older than the block, has bytes, and was RWR or
 * better. FINALIZED beats RBW beats RWR. Finalized ones must have one length (that of a truncation
 * is given, and an earlier attempt may have cut some already: then they must only be long enough);
 * of open ones the shortest is what all of them have. No replica with bytes: the block is deleted.
 * A newer recovery at any node ends this one without a word (block groups: group.c). A node that
 * fails is left out, when one is left that does not. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/upkeep/internal.h"
#include "dnipc.pb-c.h"

enum {
    RECOVERY_THREADS = 8,
    RECOVERY_QUEUE = 10000,
    TASK_MEMORY = 1 << 20,
    CALL_TIMEOUT_MS = 20000,
    CONNECT_TIMEOUT_MS = 5000
};

struct recoverer {
    struct store *store;
    bool use_hostname;
    struct workers *workers;
    struct rpc_client *rpc;
};

struct task {
    struct recoverer *recoverer;
    struct arena arena;
    Dp__RecoveringBlock *order;
    struct addr namenode;
};

int recoverer_new(struct store *store, bool use_hostname, struct recoverer **ret, struct err *err)
{
    struct recoverer *r = calloc(1, sizeof(*r));
    if (r == NULL || (r->workers = workers_new("dn-recover", RECOVERY_THREADS)) == NULL) {
        free(r);
        return fail(err, ERR_NO_MEMORY, "no memory for the recovery of blocks");
    }
    r->store = store;
    r->use_hostname = use_hostname;
    struct rpc_client_options o = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .call_timeout_ms = CALL_TIMEOUT_MS};
    int rc = rpc_client_new(&o, &r->rpc, err);
    if (rc != 0) {
        recoverer_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void recoverer_free(struct recoverer *r)
{
    if (r == NULL)
        return;
    workers_free(r->workers);
    rpc_client_free(r->rpc);
    free(r);
}

/* --- what is decided, pure --- */

bool recovery_takes_part(const struct recovery_vote *v)
{
    return v->answered && v->state <= REPLICA_RWR && v->block.length > 0;
}

static enum replica_state best_state(const struct recovery_vote *votes, size_t count)
{
    enum replica_state best = REPLICA_RWR;
    for (size_t i = 0; i < count; i++)
        if (recovery_takes_part(&votes[i]) && votes[i].state < best)
            best = votes[i].state;
    return best;
}

static int finalized_length(const struct recovery_vote *votes, size_t count, bool any_length,
                            uint64_t *ret, struct err *err)
{
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++) {
        const struct recovery_vote *v = &votes[i];
        if (!recovery_takes_part(v) || v->state != REPLICA_FINALIZED)
            continue;
        if (length > 0 && v->block.length != length && !any_length)
            return fail(err, ERR_CORRUPT,
                        "Inconsistent size of finalized replicas. Replica blk_%lld_%llu of %llu "
                        "bytes expected size: %llu",
                        (long long)v->block.id, (unsigned long long)v->block.gen_stamp,
                        (unsigned long long)v->block.length, (unsigned long long)length);
        length = v->block.length;
    }
    *ret = length;
    return 0;
}

int recovery_plan(struct recovery_vote *votes, size_t count, const uint64_t *truncate_to,
                  uint64_t *ret_length, struct err *err)
{
    enum replica_state best = best_state(votes, count);
    uint64_t length = UINT64_MAX;
    if (best == REPLICA_FINALIZED)
        TRY(finalized_length(votes, count, truncate_to != NULL, &length, err));
    for (size_t i = 0; i < count; i++) {
        struct recovery_vote *v = &votes[i];
        v->chosen = recovery_takes_part(v) &&
                    (v->state == best || (best == REPLICA_FINALIZED && v->state == REPLICA_RBW &&
                                          v->block.length == length));
        if (v->chosen && best != REPLICA_FINALIZED && v->block.length < length)
            length = v->block.length;
        if (truncate_to != NULL && v->block.length < *truncate_to)
            v->chosen = false;
    }
    *ret_length = truncate_to != NULL ? *truncate_to : length;
    return 0;
}

/* --- calls --- */

static struct rpc_target target_of(const struct recoverer *r, const Hdfs__DatanodeID *id)
{
    struct rpc_target t = {.protocol = RPC_INTER_DATANODE_PROTOCOL, .version = 1};
    snprintf(t.addr.host, sizeof(t.addr.host), "%.255s",
             r->use_hostname ? id->host_name : id->ip_addr);
    t.addr.port = (uint16_t)id->ipc_port;
    return t;
}

static bool is_self(const struct recoverer *r, const Hdfs__DatanodeID *id)
{
    return strcmp(id->datanode_uuid, store_uuid(r->store)) == 0;
}

static int ask_self(const struct recovery *x, uint64_t block_id, struct recovery_vote *v,
                    struct err *err)
{
    struct block_pool *pool = store_pool(x->recoverer->store, x->block->pool_id);
    struct block b = {block_id, x->block->generation_stamp, x->block->num_bytes};
    struct replica_recovery found;
    if (pool == NULL)
        return fail(err, ERR_NO_REPLICA, "there is no block pool %s here",
                    log_quote(x->block->pool_id));
    TRY(replica_init_recovery(pool, &b, x->id, &found, err));
    v->answered = true;
    v->state = found.found ? found.state : REPLICA_NONE;
    v->block = found.block;
    return 0;
}

/* The order for another node, of the block that it has. */
static int ask_other(const struct recovery *x, size_t i, struct recovery_vote *v, struct err *err)
{
    const Hdfs__DatanodeID *id = x->nodes[i]->id;
    Hdfs__LocatedBlock located = *x->task->order->block;
    Hdfs__ExtendedBlock block = *x->block;
    Dp__RecoveringBlock order = *x->task->order;
    Di__InitReplicaRecoveryRequest q = DI__INIT_REPLICA_RECOVERY_REQUEST__INIT;
    struct rpc_target target = target_of(x->recoverer, id);
    ProtobufCMessage *m;
    block.block_id = recovery_block_id(x, i);
    located.b = &block;
    order.block = &located;
    order.ec_policy = NULL;
    order.has_block_indices = false;
    q.block = &order;
    TRY(rpc_call(x->recoverer->rpc, &target,
                 &rpc_inter_datanode_methods[INTER_DATANODE_initReplicaRecovery], &q.base,
                 &x->task->arena, &m, err));
    const Di__InitReplicaRecoveryResponse *r = (const Di__InitReplicaRecoveryResponse *)m;
    v->answered = true;
    v->state = REPLICA_NONE;
    if (r->replica_found && r->block != NULL && r->has_state) {
        v->state = (enum replica_state)r->state;
        v->block = (struct block){r->block->block_id, r->block->gen_stamp, r->block->num_bytes};
    }
    return 0;
}

static int ask(const struct recovery *x, size_t i, struct recovery_vote *v, struct err *err)
{
    const Hdfs__DatanodeID *id = x->nodes[i]->id;
    TRY(is_self(x->recoverer, id) ? ask_self(x, recovery_block_id(x, i), v, err)
                                  : ask_other(x, i, v, err));
    if (v->state != REPLICA_NONE && v->block.gen_stamp < x->block->generation_stamp)
        v->state = REPLICA_NONE; /* outdated */
    return 0;
}

/* *ret_storage: of the replica at the node, in the arena or the store's. */
int recovery_update(const struct recovery *x, size_t i, uint64_t length, const char **ret_storage,
                    struct err *err)
{
    const Hdfs__DatanodeID *id = x->nodes[i]->id;
    const struct block *b = &x->votes[i].block;
    const Hdfs__Block *truncated = x->task->order->truncate_block;
    uint64_t new_id = truncated != NULL ? truncated->block_id : recovery_block_id(x, i);
    if (is_self(x->recoverer, id)) {
        struct replica_update u = {*b, x->id, length, new_id};
        return replica_update_recovery(store_pool(x->recoverer->store, x->block->pool_id), &u,
                                       ret_storage, err);
    }
    Di__UpdateReplicaUnderRecoveryRequest q = DI__UPDATE_REPLICA_UNDER_RECOVERY_REQUEST__INIT;
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    struct rpc_target target = target_of(x->recoverer, id);
    ProtobufCMessage *m;
    block.pool_id = x->block->pool_id;
    block.block_id = b->id;
    block.generation_stamp = b->gen_stamp;
    block.has_num_bytes = true;
    block.num_bytes = b->length;
    q.block = &block;
    q.recovery_id = x->id;
    q.new_length = length;
    q.has_new_block_id = true;
    q.new_block_id = new_id;
    TRY(rpc_call(x->recoverer->rpc, &target,
                 &rpc_inter_datanode_methods[INTER_DATANODE_updateReplicaUnderRecovery], &q.base,
                 &x->task->arena, &m, err));
    const char *storage = ((const Di__UpdateReplicaUnderRecoveryResponse *)m)->storage_uuid;
    *ret_storage = storage == NULL ? "" : storage;
    return 0;
}

int recovery_commit(const struct recovery *x, uint64_t length, Hdfs__DatanodeID **nodes,
                    char **storages, size_t count, struct err *err)
{
    Dp__CommitBlockSynchronizationRequest q = DP__COMMIT_BLOCK_SYNCHRONIZATION_REQUEST__INIT;
    struct rpc_target target = {x->task->namenode, RPC_DATANODE_PROTOCOL, 1};
    ProtobufCMessage *m;
    q.block = (Hdfs__ExtendedBlock *)(uintptr_t)x->block;
    q.new_gen_stamp = x->id;
    q.new_length = length;
    q.close_file = true;
    q.delete_block = count == 0;
    q.new_targets = nodes;
    q.n_new_targets = count;
    q.new_target_storages = storages;
    q.n_new_target_storages = count;
    return rpc_call(x->recoverer->rpc, &target,
                    &rpc_datanode_methods[DATANODE_commitBlockSynchronization], &q.base,
                    &x->task->arena, &m, err);
}

/* --- the recovery --- */

int recovery_ask_all(struct recovery *x, size_t *ret_usable, struct err *err)
{
    size_t failed = 0, with_bytes = 0;
    *ret_usable = 0;
    for (size_t i = 0; i < x->count; i++) {
        struct recovery_vote *v = &x->votes[i];
        struct err own = {0};
        int rc = ask(x, i, v, &own);
        if (rc == ERR_RECOVERY) {
            *err = own;
            return rc;
        }
        if (rc != 0) {
            failed++;
            log_warn("a node doesn't take part in a recovery block=%lld node=%s:%u cause=%s",
                     (long long)x->block->block_id, x->nodes[i]->id->ip_addr,
                     x->nodes[i]->id->ipc_port, log_quote(own.text));
        }
        *ret_usable += recovery_takes_part(v);
        with_bytes += v->answered && v->state != REPLICA_NONE && v->block.length > 0;
    }
    if (failed == x->count)
        return fail(err, ERR_REMOTE, "All datanodes failed: block=blk_%lld_%llu",
                    (long long)x->block->block_id, (unsigned long long)x->block->generation_stamp);
    if (with_bytes > 0 && *ret_usable == 0)
        return fail(err, ERR_CORRUPT,
                    "Found %zu replica(s) for block blk_%lld but none is in RWR or better state",
                    with_bytes, (long long)x->block->block_id);
    return 0;
}

static int update_all(struct recovery *x, uint64_t length, struct err *err)
{
    Hdfs__DatanodeID *nodes[MAX_NODES];
    char *storages[MAX_NODES];
    size_t count = 0;
    struct err last = {0};
    for (size_t i = 0; i < x->count; i++) {
        const char *storage;
        if (!x->votes[i].chosen)
            continue;
        if (recovery_update(x, i, length, &storage, &last) != 0) {
            log_warn("a node drops out of a recovery block=%lld node=%s:%u cause=%s",
                     (long long)x->block->block_id, x->nodes[i]->id->ip_addr,
                     x->nodes[i]->id->ipc_port, log_quote(last.text));
            continue;
        }
        nodes[count] = x->nodes[i]->id;
        storages[count++] = (char *)(uintptr_t)storage;
    }
    if (count == 0)
        return fail(err, ERR_REMOTE, "Cannot recover blk_%lld, all datanodes failed, the last: %s",
                    (long long)x->block->block_id, last.text);
    TRY(recovery_commit(x, length, nodes, storages, count, err));
    log_info("block recovered block=%lld stamp=%llu length=%llu nodes=%zu",
             (long long)x->block->block_id, (unsigned long long)x->id, (unsigned long long)length,
             count);
    return 0;
}

static int recover(struct recovery *x, struct err *err)
{
    size_t usable;
    uint64_t length;
    TRY(recovery_ask_all(x, &usable, err));
    if (usable == 0)
        return recovery_commit(x, 0, NULL, NULL, 0, err);
    const Hdfs__Block *truncated = x->task->order->truncate_block;
    const uint64_t to = truncated != NULL ? truncated->num_bytes : 0;
    TRY(recovery_plan(x->votes, x->count, truncated != NULL ? &to : NULL, &length, err));
    return update_all(x, length, err);
}

static void run(void *arg)
{
    struct task *t = arg;
    const Hdfs__LocatedBlock *b = t->order->block;
    struct recovery x = {.recoverer = t->recoverer,
                         .task = t,
                         .block = b->b,
                         .id = t->order->new_gen_stamp,
                         .count = b->n_locs,
                         .nodes = b->locs};
    struct err err = {0};
    if (t->order->ec_policy != NULL) /* as many as there are nodes: recoverer_submit */
        x.indices = t->order->block_indices.data;
    int rc = x.indices != NULL ? group_recover(&x, t->order->ec_policy, &err) : recover(&x, &err);
    if (rc == ERR_RECOVERY)
        log_info("a recovery gives way to a newer one block=%lld stamp=%llu",
                 (long long)x.block->block_id, (unsigned long long)x.id);
    else if (rc != 0)
        log_warn("a recovery failed block=%lld stamp=%llu cause=%s", (long long)x.block->block_id,
                 (unsigned long long)x.id, log_quote(err.text));
    arena_fini(&t->arena);
    free(t);
}

/* The order, packed and unpacked again into the task's arena. */
static int keep_order(struct task *t, const Dp__RecoveringBlock *order, struct err *err)
{
    size_t size = dp__recovering_block__get_packed_size(order);
    uint8_t *bytes = arena_alloc(&t->arena, size + 1);
    if (bytes == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a recovery");
    dp__recovering_block__pack(order, bytes);
    t->order = dp__recovering_block__unpack(&t->arena.pb, size, bytes);
    return t->order == NULL ? fail(err, ERR_NO_MEMORY, "no memory for a recovery") : 0;
}

int recoverer_submit(struct recoverer *r, const Dp__RecoveringBlock *order,
                     const struct addr *namenode, struct err *err)
{
    if (order->block->n_locs == 0 || order->block->n_locs > MAX_NODES)
        return fail(err, ERR_PROTOCOL, "a recovery with %zu nodes", order->block->n_locs);
    if (order->ec_policy != NULL &&
        (!order->has_block_indices || order->block_indices.len != order->block->n_locs))
        return fail(err, ERR_PROTOCOL, "a recovery of a group with %zu nodes and %zu indices",
                    order->block->n_locs, order->block_indices.len);
    struct task *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a recovery");
    t->recoverer = r;
    t->namenode = *namenode;
    arena_init(&t->arena, TASK_MEMORY);
    int rc = keep_order(t, order, err);
    if (rc == 0 && (rc = workers_submit(r->workers, run, t, RECOVERY_QUEUE)) != 0)
        rc = fail(err, rc, "%d recoveries wait already", RECOVERY_QUEUE);
    if (rc != 0) {
        arena_fini(&t->arena);
        free(t);
    }
    return rc;
}
