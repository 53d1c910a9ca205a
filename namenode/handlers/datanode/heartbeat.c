/* heartbeat.c - heartbeats, the orders that go with the answer, and lifelines. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/datanode/internal.h"

enum {
    MAX_COPIES = 64,
    MAX_INVALIDATES = 1000,
    MAX_STORAGES = NODE_STORAGES_MAX,
    MAX_COMMANDS = 4
};

static int add_command(struct call *c, Dp__DatanodeCommand__Type type, Dp__DatanodeCommand **ret)
{
    NEW(c, Dp__DatanodeCommand, dp__datanode_command, command);
    command->cmd_type = type;
    *ret = command;
    return 0;
}

int register_command(struct call *c, Dp__DatanodeCommand **ret)
{
    NEW(c, Dp__RegisterCommand, dp__register_command, body);
    TRY(add_command(c, DP__DATANODE_COMMAND__TYPE__RegisterCommand, ret));
    (*ret)->register_cmd = body;
    return 0;
}

int finalize_command(struct call *c, Dp__DatanodeCommand **ret)
{
    const struct handler_shell *shell = &c->env->shell;
    if (shell->upgrade_is_open != NULL && shell->upgrade_is_open(shell->ctx))
        return 0;
    NEW(c, Dp__FinalizeCommand, dp__finalize_command, body);
    body->block_pool_id = nn_of(c)->identity.block_pool_id;
    TRY(add_command(c, DP__DATANODE_COMMAND__TYPE__FinalizeCommand, ret));
    (*ret)->finalize_cmd = body;
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

static int order_copies(struct call *c, uint32_t node, uint32_t max, Dp__SendHeartbeatResponse *res)
{
    struct node_copy_order orders[MAX_COPIES];
    Dp__DatanodeCommand *command = NULL;
    uint32_t n =
        nodes_take_copies(nn_of(c)->nodes, node, orders, max < MAX_COPIES ? max : MAX_COPIES);
    if (n == 0)
        return 0;
    TRY(block_command(c, DP__BLOCK_COMMAND__ACTION__TRANSFER, n, &command));
    for (uint32_t i = 0; i < n; i++)
        TRY(add_block(c, command->blk_cmd, &orders[i].block, orders[i].targets,
                      orders[i].target_count));
    res->cmds[res->n_cmds++] = command;
    return 0;
}

static int order_rebuilds(struct call *c, uint32_t node, uint32_t max,
                          Dp__SendHeartbeatResponse *res)
{
    TRY(rebuild_orders(c, node, max, &res->cmds[res->n_cmds]));
    res->n_cmds += res->cmds[res->n_cmds] != NULL;
    return 0;
}

static int order_invalidates(struct call *c, uint32_t node, Dp__SendHeartbeatResponse *res)
{
    uint32_t max = nodes_invalidates_granted(nn_of(c)->nodes, node), n = 0;
    Dp__DatanodeCommand *command = NULL;
    if (max == 0)
        return 0;
    if (max > MAX_INVALIDATES)
        max = MAX_INVALIDATES;
    struct node_block *blocks = arena_array(arena_of(c), struct node_block, max);
    if (blocks == NULL)
        return call_no_memory(c);
    uint32_t taken = nodes_take_invalidates(nn_of(c)->nodes, node, blocks, max);
    for (uint32_t i = 0; i < taken; i++)
        if (blocks_confirm_deletion(blocks_of(c), node, &blocks[i]))
            blocks[n++] = blocks[i];
    if (n == 0)
        return 0;
    TRY(block_command(c, DP__BLOCK_COMMAND__ACTION__INVALIDATE, n, &command));
    for (uint32_t i = 0; i < n; i++)
        TRY(add_block(c, command->blk_cmd, &blocks[i], NULL, 0));
    res->cmds[res->n_cmds++] = command;
    return 0;
}

static int order_bandwidth(struct call *c, uint32_t node, Dp__SendHeartbeatResponse *res)
{
    uint64_t bandwidth = nodes_take_bandwidth(nn_of(c)->nodes, node);
    Dp__DatanodeCommand *command = NULL;
    if (bandwidth == 0)
        return 0;
    NEW(c, Dp__BalancerBandwidthCommand, dp__balancer_bandwidth_command, body);
    body->bandwidth = bandwidth;
    TRY(add_command(c, DP__DATANODE_COMMAND__TYPE__BalancerBandwidthCommand, &command));
    command->balancer_cmd = body;
    res->cmds[res->n_cmds++] = command;
    return 0;
}

static int take_heartbeat(struct call *c, const Dp__SendHeartbeatRequest *req, uint32_t node,
                          bool lifeline)
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
                               .cache_used = req->cache_used,
                               .lifeline = lifeline};
    return nodes_heartbeat(nn_of(c)->nodes, node, &h, c->mono_ms, c->now_ms, &c->err);
}

static double told(protobuf_c_boolean has, double value)
{
    return has ? value : -1;
}

/* Which peers and which of its own disks the node finds slow. */
static void take_slow_reports(struct call *c, const Dp__SendHeartbeatRequest *req, uint32_t node)
{
    struct nodes *nodes = nn_of(c)->nodes;
    for (size_t i = 0; i < req->n_slow_peers; i++) {
        const Dp__SlowPeerReport *r = req->slow_peers[i];
        struct slow_latency l = {r->aggregate_latency, r->median, r->mad, r->upper_limit_latency};
        nodes_slow_peer(nodes, node, r->data_node_id, &l, c->mono_ms);
    }
    for (size_t i = 0; i < req->n_slow_disks; i++) {
        const Dp__SlowDiskReport *r = req->slow_disks[i];
        struct slow_disk_latency l = {
            told(r->has_mean_metadata_op_latency, r->mean_metadata_op_latency),
            told(r->has_mean_read_io_latency, r->mean_read_io_latency),
            told(r->has_mean_write_io_latency, r->mean_write_io_latency)};
        nodes_slow_disk(nodes, node, r->base_path, &l, c->mono_ms);
    }
}

/* A node that has left the list of those who may join stops when it is told so. */
static int check_allowed(struct call *c, const Hdfs__DatanodeID *id)
{
    uint32_t i = nodes_find(nn_of(c)->nodes, id->datanode_uuid);
    const struct node *node = i == 0 ? NULL : nodes_at(nn_of(c)->nodes, i);
    if (node == NULL || !node->disallowed)
        return 0;
    nodes_declare_dead(nn_of(c)->nodes, i);
    return fail(&c->err, ERR_DISALLOWED_NODE,
                "Datanode denied communication with namenode because the host is not in the "
                "include-list: %s:%u",
                node->ip, node->xfer_port);
}

int dn_sendHeartbeat(struct call *c)
{
    REQUEST(c, Dp__SendHeartbeatRequest);
    RESPOND(c, Dp__SendHeartbeatResponse, dp__send_heartbeat_response);
    NEW(c, Dp__NNHAStatusHeartbeat, dp__nnhastatus_heartbeat, status);
    status->state = DP__NNHASTATUS_HEARTBEAT__STATE__ACTIVE;
    status->txid = nn_of(c)->last_txid;
    res->ha_status = status;
    res->cmds = arena_array(arena_of(c), Dp__DatanodeCommand *, MAX_COMMANDS);
    if (res->cmds == NULL)
        return call_no_memory(c);
    TRY(check_allowed(c, req->registration->datanode_id));
    uint32_t node = registered(c, req->registration);
    if (node == 0 || nodes_at(nn_of(c)->nodes, node)->must_register) {
        res->n_cmds = 1;
        return register_command(c, &res->cmds[0]);
    }
    TRY(take_heartbeat(c, req, node, false));
    metric_add(METRIC_heartbeats_taken, 1);
    take_slow_reports(c, req, node);
    res->has_is_slownode = true;
    res->is_slownode = nodes_at(nn_of(c)->nodes, node)->slow;
    if (req->has_request_full_block_report_lease && req->request_full_block_report_lease) {
        res->full_block_report_lease_id =
            nodes_grant_report_lease(nn_of(c)->nodes, node, c->mono_ms, c->env->rng);
        res->has_full_block_report_lease_id = true;
    }
    if (blocks_in_safe_mode(blocks_of(c)))
        return 0;
    TRY(recovery_orders(c, node, &res->cmds[0]));
    if (res->cmds[0] != NULL) { /* the rest waits for the next heartbeat */
        res->n_cmds = 1;
        return 0;
    }
    struct node_share share = nodes_stream_share(nn_of(c)->nodes, node);
    TRY(order_copies(c, node, share.copies, res));
    TRY(order_rebuilds(c, node, share.rebuilds, res));
    TRY(order_invalidates(c, node, res));
    return order_bandwidth(c, node, res);
}

/* Nothing can be ordered with the answer, so whoever would have to be told something is ignored:
 * its next heartbeat tells it. */
int dn_sendLifeline(struct call *c)
{
    REQUEST(c, Dp__SendHeartbeatRequest);
    RESPOND(c, Dp__SendLifelineResponse, dp__send_lifeline_response);
    (void)res;
    uint32_t i = registered(c, req->registration);
    const struct node *node = i == 0 ? NULL : nodes_at(nn_of(c)->nodes, i);
    if (node == NULL || node->must_register || node->disallowed)
        return 0;
    return take_heartbeat(c, req, i, true);
}
