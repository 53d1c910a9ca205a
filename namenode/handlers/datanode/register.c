/* register.c - handshake and registration of DataNodes; errors that they tell. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/datanode/internal.h"

enum { LAYOUT_VERSION = -67, CAPABILITY_REPORT_BUFFERS = 1 };

static int own_storage_info(struct call *c, Dp__StorageInfo **ret)
{
    const struct nn_identity *id = &nn_of(c)->identity;
    NEW(c, Dp__StorageInfo, dp__storage_info, info);
    info->layout_version = (uint32_t)LAYOUT_VERSION;
    info->namespace_id = (uint32_t)id->namespace_id;
    info->cluster_id = (char *)id->cluster_id;
    info->c_time = id->ctime_ms;
    *ret = info;
    return 0;
}

int dn_versionRequest(struct call *c)
{
    RESPOND(c, Dp__VersionRequestResponse, dp__version_request_response);
    NEW(c, Dp__NamespaceInfo, dp__namespace_info, info);
    TRY(own_storage_info(c, &info->storage_info));
    info->build_version = (char *)"hadron-" HADRON_VERSION;
    info->block_pool_id = nn_of(c)->identity.block_pool_id;
    info->software_version = (char *)c->env->software_version;
    info->has_capabilities = info->has_state = true;
    info->capabilities = CAPABILITY_REPORT_BUFFERS;
    info->state = DP__NNHASTATUS_HEARTBEAT__STATE__ACTIVE;
    res->info = info;
    return 0;
}

/* A node of another cluster, or of this one before it was formatted anew. */
static int check_cluster(struct call *c, const Dp__DatanodeRegistration *reg)
{
    const struct nn_identity *id = &nn_of(c)->identity;
    const Dp__StorageInfo *info = reg->storage_info;
    if (strcmp(info->cluster_id, id->cluster_id) == 0 &&
        info->namespace_id == (uint32_t)id->namespace_id && info->c_time == id->ctime_ms)
        return 0;
    return fail(&c->err, ERR_UNREGISTERED_NODE,
                "Invalid registration ID of %s:%u: it is of cluster %s (namespace %d, cTime "
                "%" PRIu64 "), this NameNode of cluster %s (namespace %d, cTime %" PRIu64 ")",
                c->rpc->peer_host, reg->datanode_id->xfer_port, info->cluster_id,
                (int32_t)info->namespace_id, info->c_time, id->cluster_id, id->namespace_id,
                id->ctime_ms);
}

/* As Java prints a registration. */
static const char *registration_text(struct call *c, const Dp__DatanodeRegistration *reg)
{
    const Hdfs__DatanodeID *id = reg->datanode_id;
    const Dp__StorageInfo *info = reg->storage_info;
    const char *text = arena_printf(
        arena_of(c),
        "DatanodeRegistration(%s:%u, datanodeUuid=%s, infoPort=%u, infoSecurePort=%u, ipcPort=%u, "
        "storageInfo=lv=%d;cid=%s;nsid=%d;c=%" PRIu64 ")",
        id->ip_addr, id->xfer_port, id->datanode_uuid, id->info_port, id->info_secure_port,
        id->ipc_port, (int32_t)info->layout_version, info->cluster_id, (int32_t)info->namespace_id,
        info->c_time);
    return text != NULL ? text : id->ip_addr;
}

int dn_registerDatanode(struct call *c)
{
    REQUEST(c, Dp__RegisterDatanodeRequest);
    RESPOND(c, Dp__RegisterDatanodeResponse, dp__register_datanode_response);
    Dp__DatanodeRegistration *reg = req->registration;
    Hdfs__DatanodeID *id = reg->datanode_id;
    uint32_t node;
    TRY(check_cluster(c, reg));
    id->ip_addr = c->rpc->peer_host; /* what a node believes of its own address counts less */
    TRY(call_check_included(c, id->ip_addr, id->xfer_port, registration_text(c, reg)));
    struct node_registration r = {.uuid = id->datanode_uuid,
                                  .ip = id->ip_addr,
                                  .hostname = id->host_name,
                                  .software_version = reg->software_version,
                                  .xfer_port = id->xfer_port,
                                  .info_port = id->info_port,
                                  .ipc_port = id->ipc_port,
                                  .info_secure_port = id->info_secure_port,
                                  .rack = c->rack};
    TRY(nodes_register(nn_of(c)->nodes, &r, c->mono_ms, c->now_ms, &node, &c->err));
    log_info("DataNode registered node=%s:%u uuid=%s rack=%s version=%s", r.ip, r.xfer_port,
             log_quote(r.uuid), nodes_at(nn_of(c)->nodes, node)->rack,
             log_quote(r.software_version));
    nodes_at_mut(nn_of(c)->nodes, node)->disallowed = false;
    res->registration = reg;
    return call_apply_hosts(c, node);
}

uint32_t registered(const struct call *c, const Dp__DatanodeRegistration *reg)
{
    return nodes_find_registered(nn_of(c)->nodes, reg->datanode_id->datanode_uuid,
                                 c->rpc->peer_host, reg->datanode_id->xfer_port);
}

/* For calls that can't be answered with a command. */
int need_registered(struct call *c, const Dp__DatanodeRegistration *reg, uint32_t *ret_node)
{
    *ret_node = registered(c, reg);
    if (*ret_node == 0)
        return fail(&c->err, ERR_IO, "%s from dead or unregistered node %s:%u",
                    c->rpc->method->name, c->rpc->peer_host, reg->datanode_id->xfer_port);
    return 0;
}

int dn_cacheReport(struct call *c)
{
    RESPOND(c, Dp__CacheReportResponse, dp__cache_report_response);
    (void)res; /* nothing is cached by us, so nothing that a node says of it changes anything */
    return 0;
}

int dn_errorReport(struct call *c)
{
    REQUEST(c, Dp__ErrorReportRequest);
    RESPOND(c, Dp__ErrorReportResponse, dp__error_report_response);
    uint32_t node;
    (void)res;
    TRY(need_registered(c, req->registration, &node));
    log_limited(LOG_WARN, "DataNode reports an error node=%s:%u code=%u text=%s", c->rpc->peer_host,
                req->registration->datanode_id->xfer_port, req->error_code, log_quote(req->msg));
    if (req->error_code == DP__ERROR_REPORT_REQUEST__ERROR_CODE__FATAL_DISK_ERROR)
        nodes_declare_dead(nn_of(c)->nodes, node);
    return 0;
}
