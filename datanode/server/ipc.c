/* ipc.c - the RPC port: ClientDatanodeProtocol; inter.c has InterDatanodeProtocol.
 * Thread: the RPC server's loop; every method here is short. Administrative ones want the user who
 * runs this process. Methods that are not here answer RpcNoSuchMethodException. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    int64_t start_ms;
    char owner[128];
};

static void answer(struct rpc_call *call, int rc, const ProtobufCMessage *response,
                   const struct err *err)
{
    if (rc == 0)
        rpc_reply(call, response);
    else
        rpc_reply_error(call, err);
}

static int need_owner(const struct ipc *i, const struct rpc_call *call, struct err *err)
{
    if (strcmp(call->user, i->owner) == 0)
        return 0;
    return fail(err, ERR_ACCESS, "Access denied for user %s. Superuser privilege is required",
                log_quote(call->user));
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

static Hdfs__DatanodeVolumeInfo *volume_message(struct arena *arena, const struct volume_info *v)
{
    static const Hdfs__DatanodeVolumeInfo init = HDFS__DATANODE_VOLUME_INFO__INIT;
    Hdfs__DatanodeVolumeInfo *m = arena_new(arena, Hdfs__DatanodeVolumeInfo);
    if (m == NULL)
        return NULL;
    *m = init;
    m->path = (char *)(uintptr_t)v->path;
    m->storage_type = (Hdfs__StorageType)v->type;
    m->used_space = v->used;
    m->free_space = v->remaining;
    m->reserved_space = v->reserved;
    m->reserved_space_for_replicas = v->reserved_open;
    m->num_blocks = v->replicas;
    return m;
}

static void volume_report(struct ipc *i, struct rpc_call *call)
{
    Di__GetVolumeReportResponse r = DI__GET_VOLUME_REPORT_RESPONSE__INIT;
    struct volume_info volumes[STORE_MAX_VOLUMES];
    Hdfs__DatanodeVolumeInfo *list[STORE_MAX_VOLUMES];
    struct err err = {0};
    int rc = 0;
    size_t count = store_volumes(i->options.store, NULL, volumes);
    r.volume_info = list;
    for (size_t k = 0; rc == 0 && k < count; k++) {
        if (volumes[k].failed)
            continue;
        list[r.n_volume_info] = volume_message(&call->arena, &volumes[k]);
        if (list[r.n_volume_info++] == NULL)
            rc = fail(&err, ERR_NO_MEMORY, "no memory for a report");
    }
    answer(call, rc, &r.base, &err);
}

static void trigger_report(struct ipc *i, struct rpc_call *call)
{
    const Di__TriggerBlockReportRequest *q = (const Di__TriggerBlockReportRequest *)call->request;
    Di__TriggerBlockReportResponse r = DI__TRIGGER_BLOCK_REPORT_RESPONSE__INIT;
    struct err err = {0};
    int rc = need_owner(i, call, &err);
    if (rc == 0)
        control_report(i->options.control, q->incremental);
    answer(call, rc, &r.base, &err);
}

static void balancer_bandwidth(struct ipc *i, struct rpc_call *call)
{
    Di__GetBalancerBandwidthResponse r = DI__GET_BALANCER_BANDWIDTH_RESPONSE__INIT;
    r.bandwidth = control_bandwidth(i->options.control);
    rpc_reply(call, &r.base);
}

static void shut_down(struct ipc *i, struct rpc_call *call)
{
    const Di__ShutdownDatanodeRequest *q = (const Di__ShutdownDatanodeRequest *)call->request;
    bool restart = q->for_upgrade;
    Di__ShutdownDatanodeResponse r = DI__SHUTDOWN_DATANODE_RESPONSE__INIT;
    struct err err = {0};
    int rc = need_owner(i, call, &err);
    if (rc == 0)
        log_info("shutdown is asked for user=%s peer=%s", log_quote(call->user), call->peer_host);
    answer(call, rc, &r.base, &err);
    if (rc == 0 && i->options.shutdown != NULL)
        i->options.shutdown(i->options.shutdown_ctx, restart);
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
    case DATANODE_IPC_getVolumeReport:
        volume_report(i, call);
        break;
    case DATANODE_IPC_triggerBlockReport:
        trigger_report(i, call);
        break;
    case DATANODE_IPC_getBalancerBandwidth:
        balancer_bandwidth(i, call);
        break;
    case DATANODE_IPC_shutdownDatanode:
        shut_down(i, call);
        break;
    default:
        refuse(call);
    }
}

static void find_owner(struct ipc *i)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        snprintf(i->owner, sizeof(i->owner), "%s", found->pw_name);
    else
        snprintf(i->owner, sizeof(i->owner), "%u", (unsigned)geteuid());
}

int ipc_start(const struct ipc_options *o, struct ipc **ret, struct err *err)
{
    struct ipc *i = calloc(1, sizeof(*i));
    if (i == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the RPC port");
    i->options = *o;
    i->start_ms = clock_monotonic_ms();
    find_owner(i);
    int rc = inter_new(o->store, &i->inter, err);
    if (rc != 0) {
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
    rpc_server_free(i->server);
    free(i);
}
