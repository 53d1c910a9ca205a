/* cluster.c - the file system as a whole: defaults, statistics, DataNodes, safe mode, image and
 * journal. */
#include "ha.pb-c.h"
#include "namenode/handlers/call.h"

int fs_getServerDefaults(struct call *c)
{
    RESPOND(c, Cp__GetServerDefaultsResponse, cp__get_server_defaults_response);
    const struct nn_settings *s = c->env->settings;
    NEW(c, Hdfs__FsServerDefaults, hdfs__fs_server_defaults, d);
    d->block_size = s->block_size;
    d->bytes_per_checksum = s->bytes_per_checksum;
    d->write_packet_size = s->write_packet_size;
    d->replication = s->replication;
    d->file_buffer_size = s->file_buffer_size;
    d->has_encrypt_data_transfer = d->has_trash_interval = d->has_checksum_type = true;
    d->trash_interval = s->trash_interval_min;
    d->checksum_type = (Hdfs__ChecksumType)s->checksum_type;
    d->key_provider_uri = (char *)"";
    d->has_policy_id = d->has_snapshot_trash_root_enabled = true;
    d->policy_id = POLICY_HOT;
    res->server_defaults = d;
    return 0;
}

int fs_getFsStats(struct call *c)
{
    RESPOND(c, Cp__GetFsStatsResponse, cp__get_fs_stats_response);
    struct nodes_stats nodes;
    struct blocks_stats blocks;
    nodes_stats(nn_of(c)->nodes, c->mono_ms, &nodes);
    blocks_stats(blocks_of(c), &blocks);
    res->capacity = nodes.capacity;
    res->used = nodes.dfs_used;
    res->remaining = nodes.remaining;
    res->under_replicated = blocks.low_redundancy;
    res->corrupt_blocks = blocks.corrupt;
    res->missing_blocks = blocks.missing;
    res->has_missing_repl_one_blocks = res->has_blocks_in_future = true;
    res->missing_repl_one_blocks = blocks.missing_replication_one;
    res->blocks_in_future = blocks.future_bytes;
    res->has_pending_deletion_blocks = true;
    res->pending_deletion_blocks = blocks.pending_deletion;
    return 0;
}

int fs_getFsReplicatedBlockStats(struct call *c)
{
    RESPOND(c, Cp__GetFsReplicatedBlockStatsResponse, cp__get_fs_replicated_block_stats_response);
    struct blocks_stats blocks;
    blocks_stats(blocks_of(c), &blocks);
    res->low_redundancy = blocks.low_redundancy - blocks.groups.low_redundancy;
    res->corrupt_blocks = blocks.corrupt - blocks.groups.corrupt;
    res->missing_blocks = blocks.missing - blocks.groups.missing;
    res->missing_repl_one_blocks = blocks.missing_replication_one;
    res->blocks_in_future = blocks.future_bytes - blocks.groups.future_bytes;
    res->pending_deletion_blocks = blocks.pending_deletion - blocks.groups.pending_deletion;
    res->has_highest_prio_low_redundancy_blocks = true;
    res->highest_prio_low_redundancy_blocks =
        blocks.highest_priority - blocks.groups.highest_priority;
    return 0;
}

int fs_getFsECBlockGroupStats(struct call *c)
{
    RESPOND(c, Cp__GetFsECBlockGroupStatsResponse, cp__get_fs_ecblock_group_stats_response);
    struct blocks_stats blocks;
    blocks_stats(blocks_of(c), &blocks);
    res->low_redundancy = blocks.groups.low_redundancy;
    res->corrupt_blocks = blocks.groups.corrupt;
    res->missing_blocks = blocks.groups.missing;
    res->blocks_in_future = blocks.groups.future_bytes;
    res->pending_deletion_blocks = blocks.groups.pending_deletion;
    res->has_highest_prio_low_redundancy_blocks = true;
    res->highest_prio_low_redundancy_blocks = blocks.groups.highest_priority;
    return 0;
}

static enum node_filter filter_of(Hdfs__DatanodeReportType type)
{
    switch (type) {
    case HDFS__DATANODE_REPORT_TYPE__LIVE:
        return NODES_LIVE;
    case HDFS__DATANODE_REPORT_TYPE__DEAD:
        return NODES_DEAD;
    case HDFS__DATANODE_REPORT_TYPE__DECOMMISSIONING:
        return NODES_DECOMMISSIONING;
    case HDFS__DATANODE_REPORT_TYPE__ENTERING_MAINTENANCE:
        return NODES_ENTERING_MAINTENANCE;
    case HDFS__DATANODE_REPORT_TYPE__IN_MAINTENANCE:
        return NODES_IN_MAINTENANCE;
    default:
        return NODES_ALL;
    }
}

static int nodes_wanted(struct call *c, Hdfs__DatanodeReportType type, uint32_t **ret,
                        uint32_t *ret_count)
{
    enum node_filter filter = filter_of(type);
    uint32_t count = nodes_list(nn_of(c)->nodes, filter, NULL, 0);
    *ret = arena_array(arena_of(c), uint32_t, count);
    if (*ret == NULL)
        return call_no_memory(c);
    if (count > 0)
        (void)nodes_list(nn_of(c)->nodes, filter, *ret, count);
    *ret_count = count;
    return 0;
}

int fs_getDatanodeReport(struct call *c)
{
    REQUEST(c, Cp__GetDatanodeReportRequest);
    RESPOND(c, Cp__GetDatanodeReportResponse, cp__get_datanode_report_response);
    uint32_t *list, count;
    TRY(call_check_superuser(c));
    TRY(nodes_wanted(c, req->type, &list, &count));
    enum node_filter filter = filter_of(req->type);
    size_t unheard = filter == NODES_ALL || filter == NODES_DEAD ? call_hosts_count(c) : 0;
    res->di = arena_array(arena_of(c), Hdfs__DatanodeInfo *, count + unheard);
    if (res->di == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++)
        TRY(status_datanode(c, list[i], &res->di[i]));
    TRY(call_unheard_hosts(c, res->di + count, unheard, &unheard));
    res->n_di = count + unheard;
    return 0;
}

int fs_getSlowDatanodeReport(struct call *c)
{
    RESPOND(c, Cp__GetSlowDatanodeReportResponse, cp__get_slow_datanode_report_response);
    uint32_t max = nodes_count(nn_of(c)->nodes),
             *list = arena_array(arena_of(c), uint32_t, max + 1);
    if (list == NULL)
        return call_no_memory(c);
    uint32_t count = nodes_slow_list(nn_of(c)->nodes, c->mono_ms, list, max);
    res->datanode_info_proto = arena_array(arena_of(c), Hdfs__DatanodeInfo *, count);
    if (res->datanode_info_proto == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++)
        TRY(status_datanode(c, list[i], &res->datanode_info_proto[i]));
    res->n_datanode_info_proto = count;
    return 0;
}

static int storage_report(struct call *c, const struct node_storage *s, Hdfs__StorageReport **ret)
{
    NEW(c, Hdfs__StorageReport, hdfs__storage_report, report);
    NEW(c, Hdfs__DatanodeStorage, hdfs__datanode_storage, storage);
    storage->storage_uuid = report->storage_uuid = s->uuid;
    storage->has_state = storage->has_storage_type = true;
    storage->state = s->read_only ? HDFS__DATANODE_STORAGE__STORAGE_STATE__READ_ONLY_SHARED
                                  : HDFS__DATANODE_STORAGE__STORAGE_STATE__NORMAL;
    storage->storage_type = (Hdfs__StorageType)s->type;
    report->storage = storage;
    report->has_failed = report->has_capacity = report->has_dfs_used = true;
    report->failed = s->failed;
    report->capacity = s->capacity;
    report->dfs_used = s->dfs_used;
    report->has_remaining = report->has_block_pool_used = report->has_non_dfs_used = true;
    report->remaining = s->remaining;
    report->block_pool_used = s->block_pool_used;
    report->non_dfs_used = s->non_dfs_used;
    *ret = report;
    return 0;
}

int fs_getDatanodeStorageReport(struct call *c)
{
    REQUEST(c, Cp__GetDatanodeStorageReportRequest);
    RESPOND(c, Cp__GetDatanodeStorageReportResponse, cp__get_datanode_storage_report_response);
    uint32_t *list, count;
    TRY(call_check_superuser(c));
    TRY(nodes_wanted(c, req->type, &list, &count));
    res->datanode_storage_reports = arena_array(arena_of(c), Hdfs__DatanodeStorageReport *, count);
    if (res->datanode_storage_reports == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++) {
        NEW(c, Hdfs__DatanodeStorageReport, hdfs__datanode_storage_report, report);
        TRY(status_datanode(c, list[i], &report->datanode_info));
        report->storage_reports =
            arena_array(arena_of(c), Hdfs__StorageReport *, NODE_STORAGES_MAX);
        if (report->storage_reports == NULL)
            return call_no_memory(c);
        for (uint32_t s = nodes_at(nn_of(c)->nodes, list[i])->storages; s != 0;) {
            const struct node_storage *storage = nodes_storage(nn_of(c)->nodes, s);
            TRY(storage_report(c, storage, &report->storage_reports[report->n_storage_reports++]));
            s = storage->next;
        }
        res->datanode_storage_reports[res->n_datanode_storage_reports++] = report;
    }
    return 0;
}

/* NULL: anybody may ask. */
static const char *safe_mode_operation(Hdfs__SafeModeAction action)
{
    switch (action) {
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_ENTER:
        return "safemode_enter";
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_LEAVE:
        return "safemode_leave";
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_FORCE_EXIT:
        return "safemode_force_exit";
    default:
        return NULL;
    }
}

int fs_setSafeMode(struct call *c)
{
    REQUEST(c, Cp__SetSafeModeRequest);
    RESPOND(c, Cp__SetSafeModeResponse, cp__set_safe_mode_response);
    struct blocks *blocks = blocks_of(c);
    const char *operation = safe_mode_operation(req->action);
    if (operation != NULL)
        TRY(call_check_superuser_for(c, operation));
    switch (req->action) {
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_ENTER:
        blocks_enter_safe_mode(blocks, false);
        break;
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_LEAVE:
        (void)blocks_leave_safe_mode(blocks, false, c->mono_ms); /* the answer says whether */
        break;
    case HDFS__SAFE_MODE_ACTION__SAFEMODE_FORCE_EXIT:
        (void)blocks_leave_safe_mode(blocks, true, c->mono_ms);
        break;
    default:
        break;
    }
    res->result = blocks_in_safe_mode(blocks);
    return 0;
}

int fs_saveNamespace(struct call *c)
{
    TRY(call_check_superuser(c));
    if (!blocks_in_safe_mode(blocks_of(c)))
        return fail(&c->err, ERR_IO,
                    "Safe mode should be turned ON in order to create namespace image.");
    c->env->shell.save_namespace(c->env->shell.ctx, c->rpc);
    return CALL_TAKEN;
}

/* "check" asks; any other word but "true" stands for false, as in Hadoop. */
int fs_restoreFailedStorage(struct call *c)
{
    REQUEST(c, Cp__RestoreFailedStorageRequest);
    RESPOND(c, Cp__RestoreFailedStorageResponse, cp__restore_failed_storage_response);
    TRY(call_check_superuser(c));
    bool on = strcmp(req->arg, "true") == 0;
    const struct handler_shell *shell = &c->env->shell;
    res->result =
        shell->restore_failed_storage(shell->ctx, strcmp(req->arg, "check") == 0 ? NULL : &on);
    return 0;
}

int fs_rollEdits(struct call *c)
{
    RESPOND(c, Cp__RollEditsResponse, cp__roll_edits_response);
    TRY(call_check_superuser(c));
    TRY(call_check_safe_mode(c, "Log not rolled", ""));
    uint64_t txid;
    TRY(c->env->shell.roll_edits(c->env->shell.ctx, &txid, &c->err));
    res->new_segment_tx_id = txid;
    return 0;
}

int fs_finalizeUpgrade(struct call *c)
{
    RESPOND(c, Cp__FinalizeUpgradeResponse, cp__finalize_upgrade_response);
    (void)res;
    TRY(call_check_superuser_for(c, "finalizeUpgrade"));
    return c->env->shell.finalize_upgrade(c->env->shell.ctx, &c->err);
}

int fs_upgradeStatus(struct call *c)
{
    RESPOND(c, Cp__UpgradeStatusResponse, cp__upgrade_status_response);
    res->upgrade_finalized = !c->env->shell.upgrade_is_open(c->env->shell.ctx);
    return 0;
}

int fs_msync(struct call *c)
{
    RESPOND(c, Cp__MsyncResponse, cp__msync_response);
    (void)res; /* the gate is the answer: all that this call could see is durable when it leaves */
    return 0;
}

int fs_getHAServiceState(struct call *c)
{
    return fail(&c->err, ERR_NO_HA, "HA for namenode is not enabled");
}

int fs_getCurrentEditLogTxid(struct call *c)
{
    RESPOND(c, Cp__GetCurrentEditLogTxidResponse, cp__get_current_edit_log_txid_response);
    TRY(call_check_superuser(c));
    res->txid = (int64_t)nn_of(c)->last_txid;
    return 0;
}

int fs_setBalancerBandwidth(struct call *c)
{
    REQUEST(c, Cp__SetBalancerBandwidthRequest);
    RESPOND(c, Cp__SetBalancerBandwidthResponse, cp__set_balancer_bandwidth_response);
    (void)res;
    TRY(call_check_superuser_for(c, "setBalancerBandwidth"));
    nodes_set_bandwidth(nn_of(c)->nodes, req->bandwidth > 0 ? (uint64_t)req->bandwidth : 0);
    return 0;
}
