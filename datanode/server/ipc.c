/* ipc.c - the RPC port: ClientDatanodeProtocol; inter.c has InterDatanodeProtocol.
 * Thread: the RPC server's loop; every method here is short, the others are in admin.c. Methods
 * that are in neither answer RpcNoSuchMethodException. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "common/rpc/rpc.h"
#include "datanode/server/internal.h"
#include "dnipc.pb-c.h"

enum { DRAIN_MS = 1000, MAX_LOOPS = 4 };

struct ipc {
    struct ipc_options options;
    struct rpc_server *server;
    struct inter *inter;
    struct rpc_protocol protocols[2];
    struct admin *admin;
    int64_t start_ms;
};

static void answer(struct rpc_call *call, int rc, const ProtobufCMessage *response,
                   const struct err *err)
{
    if (rc == 0)
        rpc_reply(call, response);
    else
        rpc_reply_error(call, err);
}

static void visible_length(struct ipc *i, struct rpc_call *call)
{
    const Di__GetReplicaVisibleLengthRequest *q =
        (const Di__GetReplicaVisibleLengthRequest *)call->request;
    Di__GetReplicaVisibleLengthResponse r = DI__GET_REPLICA_VISIBLE_LENGTH_RESPONSE__INIT;
    struct err err = {0};
    struct block_pool *pool = store_pool(i->options.store, q->block->pool_id);
    int rc = pool == NULL
                 ? fail(&err, ERR_NO_REPLICA, "Replica not found: there is no block pool %s here",
                        log_quote(q->block->pool_id))
                 : replica_visible_length(pool, q->block->block_id, q->block->generation_stamp,
                                          &r.length, &err);
    answer(call, rc, &r.base, &err);
}

static void datanode_info(struct ipc *i, struct rpc_call *call)
{
    Di__GetDatanodeInfoResponse r = DI__GET_DATANODE_INFO_RESPONSE__INIT;
    Hdfs__DatanodeLocalInfo info = HDFS__DATANODE_LOCAL_INFO__INIT;
    info.software_version = (char *)(uintptr_t)DATANODE_VERSION;
    info.config_version = (char *)(uintptr_t) "core-3.0.0,hdfs-1";
    info.uptime = (uint64_t)(clock_monotonic_ms() - i->start_ms) / 1000;
    r.local_info = &info;
    rpc_reply(call, &r.base);
}

static void balancer_bandwidth(struct ipc *i, struct rpc_call *call)
{
    Di__GetBalancerBandwidthResponse r = DI__GET_BALANCER_BANDWIDTH_RESPONSE__INIT;
    r.bandwidth = control_bandwidth(i->options.control);
    rpc_reply(call, &r.base);
}

/* The old way of reading blocks of this machine: for users that the node's owner has named, and
 * there is no key for that. */
static void local_path(struct rpc_call *call)
{
    struct err err = {0};
    (void)fail(&err, ERR_ACCESS,
               "Can't continue with getBlockLocalPathInfo() authorization. The user %s is not "
               "configured in dfs.block.local-path-access.user",
               call->user);
    rpc_reply_error(call, &err);
}

static void refuse(struct rpc_call *call)
{
    struct err err = {0};
    (void)fail(&err, ERR_NO_METHOD, "Unknown method %s called on %s protocol.", call->method->name,
               call->protocol->name);
    rpc_reply_error(call, &err);
}

static void dispatch(void *ctx, struct rpc_call *call)
{
    struct ipc *i = ctx;
    switch (call->method->tag) {
    case DATANODE_IPC_getReplicaVisibleLength:
        visible_length(i, call);
        break;
    case DATANODE_IPC_getDatanodeInfo:
        datanode_info(i, call);
        break;
    case DATANODE_IPC_getBalancerBandwidth:
        balancer_bandwidth(i, call);
        break;
    case DATANODE_IPC_getBlockLocalPathInfo:
        local_path(call);
        break;
    default:
        if (admin_has(call->method->tag))
            admin_dispatch(i->admin, call);
        else
            refuse(call);
    }
}

int ipc_start(const struct ipc_options *o, struct ipc **ret, struct err *err)
{
    struct ipc *i = calloc(1, sizeof(*i));
    if (i == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the RPC port");
    i->options = *o;
    i->start_ms = clock_monotonic_ms();
    int rc = inter_new(o->store, &i->inter, err);
    if (rc == 0)
        rc = admin_new(o, &i->admin, err);
    if (rc != 0) {
        inter_free(i->inter);
        free(i);
        return rc;
    }
    i->protocols[0] =
        (struct rpc_protocol){RPC_DATANODE_IPC_PROTOCOL, 1,        rpc_datanode_ipc_methods,
                              DATANODE_IPC_METHOD_COUNT, dispatch, i};
    i->protocols[1] = (struct rpc_protocol){RPC_INTER_DATANODE_PROTOCOL,
                                            1,
                                            rpc_inter_datanode_methods,
                                            INTER_DATANODE_METHOD_COUNT,
                                            inter_dispatch,
                                            i->inter};
    int64_t loops = conf_int(o->conf, CONF_dn_handler_count);
    struct rpc_server_options server = {
        .listen = o->listen,
        .name = "dn-ipc",
        .loops = loops > MAX_LOOPS ? MAX_LOOPS : (unsigned)loops,
        .protocols = i->protocols,
        .protocol_count = ARRAY_SIZE(i->protocols),
        .max_frame = (size_t)conf_size(o->conf, CONF_ipc_max_data),
    };
    rc = rpc_server_start(&server, &i->server, err);
    if (rc != 0) {
        inter_free(i->inter);
        admin_free(i->admin);
        free(i);
        return rc;
    }
    *ret = i;
    return 0;
}

uint16_t ipc_port(const struct ipc *i)
{
    return rpc_server_port(i->server);
}

void ipc_stop(struct ipc *i)
{
    if (i == NULL)
        return;
    rpc_server_stop(i->server, DRAIN_MS);
    inter_free(i->inter); /* answers what it holds */
    admin_free(i->admin);
    rpc_server_free(i->server);
    free(i);
}
