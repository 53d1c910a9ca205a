/* datanode.c - DatanodeProtocol: registration, heartbeats with their orders, block reports. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/internal.h"

enum {
    LAYOUT_VERSION = -67,
    CAPABILITY_REPORT_BUFFERS = 1,
    MAX_COPIES = 64,
    MAX_INVALIDATES = 1000,
    MAX_STORAGES = NODE_STORAGES_MAX
};

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

int dn_registerDatanode(struct call *c)
{
    REQUEST(c, Dp__RegisterDatanodeRequest);
    RESPOND(c, Dp__RegisterDatanodeResponse, dp__register_datanode_response);
    Dp__DatanodeRegistration *reg = req->registration;
    Hdfs__DatanodeID *id = reg->datanode_id;
    uint32_t node;
    TRY(check_cluster(c, reg));
    id->ip_addr = c->rpc->peer_host; /* what a node believes of its own address counts less */
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
    res->registration = reg;
    return 0;
}

static uint32_t registered(const struct call *c, const Dp__DatanodeRegistration *reg)
{
    return nodes_find_registered(nn_of(c)->nodes, reg->datanode_id->datanode_uuid,
                                 c->rpc->peer_host, reg->datanode_id->xfer_port);
}

/* For calls that can't be answered with a command. */
static int need_registered(struct call *c, const Dp__DatanodeRegistration *reg, uint32_t *ret_node)
{
    *ret_node = registered(c, reg);
    if (*ret_node == 0)
        return fail(&c->err, ERR_IO, "%s from dead or unregistered node %s:%u",
                    c->rpc->method->name, c->rpc->peer_host, reg->datanode_id->xfer_port);
    return 0;
}

static int add_command(struct call *c, Dp__DatanodeCommand__Type type, Dp__DatanodeCommand **ret)
{
    NEW(c, Dp__DatanodeCommand, dp__datanode_command, command);
    command->cmd_type = type;
    *ret = command;
    return 0;
}

static int register_command(struct call *c, Dp__DatanodeCommand **ret)
{
    NEW(c, Dp__RegisterCommand, dp__register_command, body);
    TRY(add_command(c, DP__DATANODE_COMMAND__TYPE__RegisterCommand, ret));
    (*ret)->register_cmd = body;
    return 0;
}

static int block_command(struct call *c, Dp__BlockCommand__Action action, size_t count,
                         Dp__DatanodeCommand **ret)
{
    NEW(c, Dp__BlockCommand, dp__block_command, body);
    body->action = action;
    body->block_pool_id = nn_of(c)->identity.block_pool_id;
    body->blocks = arena_array(arena_of(c), Hdfs__Block *, count);
    body->targets = arena_array(arena_of(c), Hdfs__DatanodeInfos *, count);
    body->target_storage_uuids = arena_array(arena_of(c), Hdfs__StorageUuids *, count);
    body->target_storage_types = arena_array(arena_of(c), Hdfs__StorageTypes *, count);
    if (body->blocks == NULL || body->targets == NULL || body->target_storage_uuids == NULL ||
        body->target_storage_types == NULL)
        return call_no_memory(c);
    TRY(add_command(c, DP__DATANODE_COMMAND__TYPE__BlockCommand, ret));
    (*ret)->blk_cmd = body;
    return 0;
}

/* Each block of a command has its list of targets, an empty one in deletions. */
static int add_block(struct call *c, Dp__BlockCommand *body, const struct node_block *b,
                     const uint32_t *targets, size_t count)
{
    NEW(c, Hdfs__Block, hdfs__block, block);
    NEW(c, Hdfs__DatanodeInfos, hdfs__datanode_infos, nodes);
    NEW(c, Hdfs__StorageUuids, hdfs__storage_uuids, uuids);
    NEW(c, Hdfs__StorageTypes, hdfs__storage_types, types);
    nodes->datanodes = arena_array(arena_of(c), Hdfs__DatanodeInfo *, count);
    uuids->storage_uuids = arena_array(arena_of(c), char *, count);
    types->storage_types = arena_array(arena_of(c), Hdfs__StorageType, count);
    if (nodes->datanodes == NULL || uuids->storage_uuids == NULL || types->storage_types == NULL)
        return call_no_memory(c);
    block->block_id = b->id;
    block->gen_stamp = b->generation_stamp;
    block->has_num_bytes = true;
    block->num_bytes = b->length;
    for (size_t i = 0; i < count; i++) {
        const struct node_storage *s = nodes_storage(nn_of(c)->nodes, targets[i]);
        TRY(status_datanode(c, s->node, &nodes->datanodes[i]));
        uuids->storage_uuids[i] = s->uuid;
        types->storage_types[i] = (Hdfs__StorageType)s->type;
    }
    nodes->n_datanodes = uuids->n_storage_uuids = types->n_storage_types = count;
    body->blocks[body->n_blocks++] = block;
    body->targets[body->n_targets++] = nodes;
    body->target_storage_uuids[body->n_target_storage_uuids++] = uuids;
    body->target_storage_types[body->n_target_storage_types++] = types;
    return 0;
}

static int order_copies(struct call *c, uint32_t node, Dp__SendHeartbeatResponse *res)
{
    struct node_copy_order orders[MAX_COPIES];
    Dp__DatanodeCommand *command;
    uint32_t n = nodes_take_copies(nn_of(c)->nodes, node, orders, MAX_COPIES);
    if (n == 0)
        return 0;
    TRY(block_command(c, DP__BLOCK_COMMAND__ACTION__TRANSFER, n, &command));
    for (uint32_t i = 0; i < n; i++)
        TRY(add_block(c, command->blk_cmd, &orders[i].block, orders[i].targets,
                      orders[i].target_count));
    res->cmds[res->n_cmds++] = command;
    return 0;
}

static int order_invalidates(struct call *c, uint32_t node, Dp__SendHeartbeatResponse *res)
{
    struct node_block *blocks = arena_array(arena_of(c), struct node_block, MAX_INVALIDATES);
    Dp__DatanodeCommand *command;
    if (blocks == NULL)
        return call_no_memory(c);
    uint32_t n = nodes_take_invalidates(nn_of(c)->nodes, node, blocks, MAX_INVALIDATES);
    if (n == 0)
        return 0;
    TRY(block_command(c, DP__BLOCK_COMMAND__ACTION__INVALIDATE, n, &command));
    for (uint32_t i = 0; i < n; i++)
        TRY(add_block(c, command->blk_cmd, &blocks[i], NULL, 0));
    res->cmds[res->n_cmds++] = command;
    return 0;
}

static int take_heartbeat(struct call *c, const Dp__SendHeartbeatRequest *req, uint32_t node)
{
    size_t n = req->n_reports;
    if (n > MAX_STORAGES)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "a heartbeat with %zu storages, at most %d", n,
                    MAX_STORAGES);
    struct node_storage_report *list = arena_array(arena_of(c), struct node_storage_report, n);
    if (list == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < n; i++) {
        const Hdfs__StorageReport *r = req->reports[i];
        const Hdfs__DatanodeStorage *s = r->storage;
        list[i] = (struct node_storage_report){
            .uuid = s != NULL ? s->storage_uuid : r->storage_uuid,
            .type = s != NULL ? (int)s->storage_type : STORAGE_DISK,
            .read_only =
                s != NULL && s->state == HDFS__DATANODE_STORAGE__STORAGE_STATE__READ_ONLY_SHARED,
            .failed = r->failed,
            .capacity = r->capacity,
            .dfs_used = r->dfs_used,
            .remaining = r->remaining,
            .block_pool_used = r->block_pool_used,
            .non_dfs_used = r->has_non_dfs_used ? r->non_dfs_used
                            : r->capacity > r->dfs_used + r->remaining
                                ? r->capacity - r->dfs_used - r->remaining
                                : 0};
    }
    struct node_heartbeat h = {.storages = list,
                               .storage_count = n,
                               .xmits = req->xmits_in_progress,
                               .xceivers = req->xceiver_count,
                               .failed_volumes = req->failed_volumes,
                               .cache_capacity = req->cache_capacity,
                               .cache_used = req->cache_used};
    return nodes_heartbeat(nn_of(c)->nodes, node, &h, c->mono_ms, c->now_ms, &c->err);
}

int dn_sendHeartbeat(struct call *c)
{
    REQUEST(c, Dp__SendHeartbeatRequest);
    RESPOND(c, Dp__SendHeartbeatResponse, dp__send_heartbeat_response);
    NEW(c, Dp__NNHAStatusHeartbeat, dp__nnhastatus_heartbeat, status);
    status->state = DP__NNHASTATUS_HEARTBEAT__STATE__ACTIVE;
    status->txid = nn_of(c)->last_txid;
    res->ha_status = status;
    res->cmds = arena_array(arena_of(c), Dp__DatanodeCommand *, 2);
    if (res->cmds == NULL)
        return call_no_memory(c);
    uint32_t node = registered(c, req->registration);
    if (node == 0 || nodes_at(nn_of(c)->nodes, node)->must_register) {
        res->n_cmds = 1;
        return register_command(c, &res->cmds[0]);
    }
    TRY(take_heartbeat(c, req, node));
    if (req->has_request_full_block_report_lease && req->request_full_block_report_lease) {
        res->full_block_report_lease_id =
            nodes_grant_report_lease(nn_of(c)->nodes, node, c->mono_ms, c->env->rng);
        res->has_full_block_report_lease_id = true;
    }
    if (blocks_in_safe_mode(blocks_of(c)))
        return 0;
    TRY(order_copies(c, node, res));
    return order_invalidates(c, node, res);
}

/* ---- block reports ---- */

static int check_our_pool(struct call *c, const char *pool)
{
    if (strcmp(pool, nn_of(c)->identity.block_pool_id) == 0)
        return 0;
    return fail(&c->err, ERR_IO, "%s of block pool %s, this NameNode has %s", c->rpc->method->name,
                pool, nn_of(c)->identity.block_pool_id);
}

/* A million replicas must not hold up everybody else: a report is taken in turns. */
struct report_progress {
    size_t next;                 /* of req->reports */
    struct block_report *report; /* of the storage under way */
};
enum { REPORT_TURN = 5000 }; /* replicas, about a millisecond */

static int report_begin(struct call *c, uint32_t node, const Dp__StorageBlockReport *report,
                        struct block_report **ret)
{
    uint32_t storage;
    const Hdfs__DatanodeStorage *s = report->storage;
    TRY(nodes_add_storage(nn_of(c)->nodes, node, s->storage_uuid, (int)s->storage_type,
                          s->state == HDFS__DATANODE_STORAGE__STORAGE_STATE__READ_ONLY_SHARED,
                          &storage, &c->err));
    struct report_source source = {.longs = report->blocks, .long_count = report->n_blocks};
    if (report->has_number_of_blocks) { /* the buffer form, empty for an empty storage */
        struct slice *buffers =
            arena_array(arena_of(c), struct slice, report->n_blocks_buffers + 1);
        if (buffers == NULL)
            return call_no_memory(c);
        for (size_t i = 0; i < report->n_blocks_buffers; i++)
            buffers[i] =
                (struct slice){report->blocks_buffers[i].data, report->blocks_buffers[i].len};
        source =
            (struct report_source){.buffers = buffers, .buffer_count = report->n_blocks_buffers};
    }
    if (blocks_report_start(blocks_of(c), storage, &source, ret) != 0)
        return call_no_memory(c);
    return 0;
}

static int report_turn(struct call *c, uint32_t node, const Dp__BlockReportRequest *req,
                       struct report_progress *p)
{
    while (p->next < req->n_reports) {
        if (p->report == NULL)
            TRY(report_begin(c, node, req->reports[p->next], &p->report));
        int rc = blocks_report_step(p->report, REPORT_TURN, c->mono_ms, c->now_ms, &c->err);
        if (rc == REPORT_MORE)
            return CALL_AGAIN;
        blocks_report_free(p->report);
        p->report = NULL;
        TRY(rc);
        p->next++;
    }
    return 0;
}

/* The lease is checked once: it may run out while the report waits for its turns. */
static int report_lease_check(struct call *c, uint32_t node, const Dp__BlockReportRequest *req)
{
    uint64_t lease = req->context != NULL ? req->context->lease_id : 0;
    if (nodes_check_report_lease(nn_of(c)->nodes, node, lease, c->mono_ms))
        return 0;
    return fail(&c->err, ERR_REPORT_LEASE,
                "block report of %s:%u rejected: lease 0x%" PRIx64 " is not valid",
                c->rpc->peer_host, req->registration->datanode_id->xfer_port, lease);
}

int dn_blockReport(struct call *c)
{
    REQUEST(c, Dp__BlockReportRequest);
    RESPOND(c, Dp__BlockReportResponse, dp__block_report_response);
    const Dp__BlockReportContext *context = req->context;
    struct report_progress *p = c->progress;
    TRY(check_our_pool(c, req->block_pool_id));
    uint32_t node = registered(c, req->registration);
    if (node == 0) {
        if (p != NULL)
            blocks_report_free(p->report);
        return register_command(c, &res->cmd);
    }
    if (p == NULL) {
        TRY(report_lease_check(c, node, req));
        p = arena_new(arena_of(c), struct report_progress);
        if (p == NULL)
            return call_no_memory(c);
        c->progress = p;
    }
    int rc = report_turn(c, node, req, p);
    if (rc == 0 && (context == NULL || context->cur_rpc + 1 >= context->total_rpcs))
        nodes_end_report_lease(nn_of(c)->nodes, node);
    return rc;
}

static int received_storage(struct call *c, uint32_t node,
                            const Dp__StorageReceivedDeletedBlocks *list)
{
    const Hdfs__DatanodeStorage *s = list->storage;
    uint32_t storage;
    TRY(nodes_add_storage(nn_of(c)->nodes, node, s != NULL ? s->storage_uuid : list->storage_uuid,
                          s != NULL ? (int)s->storage_type : STORAGE_DISK, false, &storage,
                          &c->err));
    struct received_block *blocks = arena_array(arena_of(c), struct received_block, list->n_blocks);
    if (blocks == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < list->n_blocks; i++) {
        const Dp__ReceivedDeletedBlockInfo *b = list->blocks[i];
        blocks[i].block =
            (struct node_block){b->block->block_id, b->block->gen_stamp, b->block->num_bytes};
        blocks[i].status = (enum received_status)b->status;
        if (b->delete_hint != NULL && b->delete_hint[0] != '\0')
            blocks[i].hint_node = nodes_find(nn_of(c)->nodes, b->delete_hint);
    }
    return blocks_received(blocks_of(c), storage, blocks, list->n_blocks, c->mono_ms, &c->err);
}

int dn_blockReceivedAndDeleted(struct call *c)
{
    REQUEST(c, Dp__BlockReceivedAndDeletedRequest);
    RESPOND(c, Dp__BlockReceivedAndDeletedResponse, dp__block_received_and_deleted_response);
    uint32_t node;
    (void)res;
    TRY(check_our_pool(c, req->block_pool_id));
    TRY(need_registered(c, req->registration, &node));
    for (size_t i = 0; i < req->n_blocks; i++) {
        int rc = received_storage(c, node, req->blocks[i]);
        if (rc !=
            0) { /* what was lost of it comes back with the full report of a new registration */
            nodes_demand_registration(nn_of(c)->nodes, node);
            return rc;
        }
    }
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

/* ---- bad blocks, told by clients and by nodes ---- */

int report_bad_blocks(struct call *c, Hdfs__LocatedBlock **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Hdfs__LocatedBlock *b = list[i];
        TRY(call_check_pool(c, b->b));
        for (size_t k = 0; k < b->n_locs; k++) {
            uint32_t node = nodes_find(nn_of(c)->nodes, b->locs[k]->id->datanode_uuid);
            uint32_t storage = node != 0 && k < b->n_storage_ids
                                   ? nodes_find_storage(nn_of(c)->nodes, node, b->storage_ids[k])
                                   : 0;
            if (node == 0)
                continue;
            log_limited(LOG_WARN, "replica reported as corrupt block=%" PRIu64 " node=%s:%u",
                        b->b->block_id, nodes_at(nn_of(c)->nodes, node)->ip,
                        nodes_at(nn_of(c)->nodes, node)->xfer_port);
            blocks_mark_corrupt(blocks_of(c), b->b->block_id, b->b->generation_stamp, node, storage,
                                CORRUPT_REPORTED);
        }
    }
    return 0;
}

int fs_reportBadBlocks(struct call *c)
{
    REQUEST(c, Cp__ReportBadBlocksRequest);
    RESPOND(c, Cp__ReportBadBlocksResponse, cp__report_bad_blocks_response);
    (void)res;
    return report_bad_blocks(c, req->blocks, req->n_blocks);
}

int dn_reportBadBlocks(struct call *c)
{
    REQUEST(c, Dp__ReportBadBlocksRequest);
    RESPOND(c, Dp__ReportBadBlocksResponse, dp__report_bad_blocks_response);
    (void)res;
    return report_bad_blocks(c, req->blocks, req->n_blocks);
}
