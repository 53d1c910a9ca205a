/* inter.c - InterDatanodeProtocol: what the primary of a block recovery asks of the others.
 * Thread: calls arrive on the RPC server's loop and run on a worker each, since they wait for
 * writers to stop and for disks. */
#include <stdlib.h>

#include "common/obs/obs.h"
#include "common/rpc/rpc.h"
#include "datanode/server/internal.h"
#include "dnipc.pb-c.h"

enum { INTER_THREADS = 16, INTER_QUEUE = 1000 };

struct inter {
    struct store *store;
    struct workers *workers;
};

struct inter_call {
    struct inter *inter;
    struct rpc_call *call;
};

static int find_pool(const struct inter *i, const Hdfs__ExtendedBlock *b, struct block_pool **ret,
                     struct err *err)
{
    *ret = store_await_pool(i->store, b->pool_id);
    return *ret != NULL ? 0
                        : fail(err, ERR_NO_REPLICA, "Replica not found: there is no block pool %s",
                               log_quote(b->pool_id));
}

static int init_recovery(const struct inter *i, struct rpc_call *call, struct err *err)
{
    const Dp__RecoveringBlock *q = ((const Di__InitReplicaRecoveryRequest *)call->request)->block;
    const Hdfs__ExtendedBlock *b = q->block->b;
    struct block block = {b->block_id, b->generation_stamp, b->num_bytes};
    struct block_pool *pool;
    struct replica_recovery found;
    Di__InitReplicaRecoveryResponse r = DI__INIT_REPLICA_RECOVERY_RESPONSE__INIT;
    Hdfs__Block have = HDFS__BLOCK__INIT;
    TRY(find_pool(i, b, &pool, err));
    TRY(replica_init_recovery(pool, &block, q->new_gen_stamp, &found, err));
    log_info("a recovery begins block=%lld stamp=%llu found=%d state=%s length=%llu",
             (long long)block.id, (unsigned long long)q->new_gen_stamp, found.found,
             replica_state_name(found.state), (unsigned long long)found.block.length);
    r.replica_found = found.found;
    if (found.found) {
        r.has_state = true;
        r.state = (Dp__ReplicaState)found.state;
        have.block_id = found.block.id;
        have.gen_stamp = found.block.gen_stamp;
        have.has_num_bytes = true;
        have.num_bytes = found.block.length;
        r.block = &have;
    }
    rpc_reply(call, &r.base);
    return 0;
}

static int update_replica(const struct inter *i, struct rpc_call *call, struct err *err)
{
    const Di__UpdateReplicaUnderRecoveryRequest *q =
        (const Di__UpdateReplicaUnderRecoveryRequest *)call->request;
    const Hdfs__ExtendedBlock *b = q->block;
    struct replica_update u = {.block = {b->block_id, b->generation_stamp, b->num_bytes},
                               .recovery_id = q->recovery_id,
                               .new_length = q->new_length,
                               .new_id = q->has_new_block_id ? q->new_block_id : 0};
    struct block_pool *pool;
    const char *storage;
    Di__UpdateReplicaUnderRecoveryResponse r = DI__UPDATE_REPLICA_UNDER_RECOVERY_RESPONSE__INIT;
    TRY(find_pool(i, b, &pool, err));
    TRY(replica_update_recovery(pool, &u, &storage, err));
    r.storage_uuid = (char *)(uintptr_t)storage;
    rpc_reply(call, &r.base);
    return 0;
}

static void run(void *arg)
{
    struct inter_call *x = arg;
    struct err err = {0};
    int rc = x->call->method->tag == INTER_DATANODE_initReplicaRecovery
                 ? init_recovery(x->inter, x->call, &err)
                 : update_replica(x->inter, x->call, &err);
    if (rc != 0) {
        log_info("a call of a recovery is refused method=%s cause=%s", x->call->method->name,
                 log_quote(err.text));
        rpc_reply_error(x->call, &err);
    }
    free(x);
}

void inter_dispatch(void *ctx, struct rpc_call *call)
{
    struct inter *i = ctx;
    struct err err = {0};
    struct inter_call *x = malloc(sizeof(*x));
    int rc = x == NULL ? fail(&err, ERR_NO_MEMORY, "no memory for a call") : 0;
    if (rc == 0) {
        *x = (struct inter_call){i, call};
        rc = workers_submit(i->workers, run, x, INTER_QUEUE);
        if (rc != 0)
            rc = fail(&err, rc, "%d calls wait already", INTER_QUEUE);
    }
    if (rc != 0) {
        free(x);
        rpc_reply_error(call, &err);
    }
}

int inter_new(struct store *store, struct inter **ret, struct err *err)
{
    struct inter *i = calloc(1, sizeof(*i));
    if (i == NULL || (i->workers = workers_new("dn-inter", INTER_THREADS)) == NULL) {
        free(i);
        return fail(err, ERR_NO_MEMORY, "no memory for the RPC port");
    }
    i->store = store;
    *ret = i;
    return 0;
}

void inter_free(struct inter *i)
{
    if (i == NULL)
        return;
    workers_free(i->workers);
    free(i);
}
