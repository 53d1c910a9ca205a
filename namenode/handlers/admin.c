/* admin.c - the file system as a whole: defaults, statistics, DataNodes, safe mode, and the answers
 * of features that are off. */
#include <stdlib.h>

#include "ha.pb-c.h"
#include "namenode/handlers/internal.h"

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
    res->low_redundancy = blocks.low_redundancy;
    res->corrupt_blocks = blocks.corrupt;
    res->missing_blocks = blocks.missing;
    res->missing_repl_one_blocks = blocks.missing_replication_one;
    res->blocks_in_future = blocks.future_bytes;
    res->pending_deletion_blocks = blocks.pending_deletion;
    res->has_highest_prio_low_redundancy_blocks = true;
    res->highest_prio_low_redundancy_blocks = blocks.highest_priority;
    return 0;
}

int fs_getFsECBlockGroupStats(struct call *c)
{
    RESPOND(c, Cp__GetFsECBlockGroupStatsResponse, cp__get_fs_ecblock_group_stats_response);
    (void)res; /* there are no block groups: all zero */
    return 0;
}

static enum node_filter filter_of(Hdfs__DatanodeReportType type, bool *ret_none)
{
    *ret_none = false;
    switch (type) {
    case HDFS__DATANODE_REPORT_TYPE__ALL:
        return NODES_ALL;
    case HDFS__DATANODE_REPORT_TYPE__LIVE:
        return NODES_LIVE;
    case HDFS__DATANODE_REPORT_TYPE__DEAD:
        return NODES_DEAD;
    default:
        *ret_none = true; /* nobody is being decommissioned or maintained yet */
        return NODES_ALL;
    }
}

static int nodes_wanted(struct call *c, Hdfs__DatanodeReportType type, uint32_t **ret,
                        uint32_t *ret_count)
{
    bool none;
    enum node_filter filter = filter_of(type, &none);
    uint32_t count = none ? 0 : nodes_list(nn_of(c)->nodes, filter, NULL, 0);
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
    res->di = arena_array(arena_of(c), Hdfs__DatanodeInfo *, count);
    if (res->di == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++)
        TRY(status_datanode(c, list[i], &res->di[i]));
    res->n_di = count;
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

int fs_setSafeMode(struct call *c)
{
    REQUEST(c, Cp__SetSafeModeRequest);
    RESPOND(c, Cp__SetSafeModeResponse, cp__set_safe_mode_response);
    struct blocks *blocks = blocks_of(c);
    if (req->action != HDFS__SAFE_MODE_ACTION__SAFEMODE_GET)
        TRY(call_check_superuser(c));
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
    (void)res; /* no upgrade is ever open: done already */
    return call_check_superuser(c);
}

int fs_upgradeStatus(struct call *c)
{
    RESPOND(c, Cp__UpgradeStatusResponse, cp__upgrade_status_response);
    res->upgrade_finalized = true;
    return call_check_superuser(c);
}

int fs_msync(struct call *c)
{
    RESPOND(c, Cp__MsyncResponse, cp__msync_response);
    (void)res; /* the gate is the answer: all that this call could see is durable when it leaves */
    return 0;
}

int fs_getHAServiceState(struct call *c)
{
    RESPOND(c, Cp__GetHAServiceStateResponse, cp__get_haservice_state_response);
    res->state = HA__HASERVICE_STATE__ACTIVE;
    return 0;
}

int fs_getCurrentEditLogTxid(struct call *c)
{
    RESPOND(c, Cp__GetCurrentEditLogTxidResponse, cp__get_current_edit_log_txid_response);
    TRY(call_check_superuser(c));
    res->txid = (int64_t)nn_of(c)->last_txid;
    return 0;
}

int fs_listCorruptFileBlocks(struct call *c)
{
    enum { PAGE = 100 };
    REQUEST(c, Cp__ListCorruptFileBlocksRequest);
    RESPOND(c, Cp__ListCorruptFileBlocksResponse, cp__list_corrupt_file_blocks_response);
    uint32_t cursor = req->cookie != NULL ? (uint32_t)strtoul(req->cookie, NULL, 10) : 0;
    handle_t found[PAGE];
    TRY(call_check_superuser(c));
    size_t count = blocks_list_missing(blocks_of(c), &cursor, found, PAGE);
    size_t prefix = strcmp(req->path, "/") == 0 ? 0 : strlen(req->path);
    NEW(c, Hdfs__CorruptFileBlocks, hdfs__corrupt_file_blocks, list);
    list->files = arena_array(arena_of(c), char *, PAGE);
    list->cookie = arena_printf(arena_of(c), "%u", cursor);
    if (list->files == NULL || list->cookie == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        const char *path = ns_path(ns_of(c), blocks_owner(blocks_of(c), found[i]), arena_of(c));
        if (path == NULL)
            return call_no_memory(c);
        if (strncmp(path, req->path, prefix) == 0 &&
            (prefix == 0 || path[prefix] == '/' || path[prefix] == '\0'))
            list->files[list->n_files++] = (char *)path;
    }
    res->corrupt = list;
    return 0;
}

static int open_entry(struct call *c, handle_t file, Cp__OpenFilesBatchResponse **ret)
{
    NEW(c, Cp__OpenFilesBatchResponse, cp__open_files_batch_response, entry);
    struct slice machine = ns_uc_machine(ns_of(c), file);
    entry->id = (int64_t)ns_inode(ns_of(c), file)->id;
    entry->path = (char *)ns_path(ns_of(c), file, arena_of(c));
    entry->client_name = (char *)ns_uc_client(ns_of(c), file);
    entry->client_machine = arena_strndup(arena_of(c), machine.data, machine.size);
    if (entry->path == NULL || entry->client_machine == NULL)
        return call_no_memory(c);
    *ret = entry;
    return 0;
}

/* In the order of inode ids, which is the cursor; a page at a time, so the scan of all leases stays
 * short enough for what an administrator asks now and then. */
int fs_listOpenFiles(struct call *c)
{
    enum { PAGE = 1000 };
    REQUEST(c, Cp__ListOpenFilesRequest);
    RESPOND(c, Cp__ListOpenFilesResponse, cp__list_open_files_response);
    TRY(call_check_superuser(c));
    res->entries = arena_array(arena_of(c), Cp__OpenFilesBatchResponse *, PAGE);
    if (res->entries == NULL)
        return call_no_memory(c);
    uint64_t after = (uint64_t)req->id;
    for (;;) {
        handle_t best = 0;
        uint64_t best_id = UINT64_MAX;
        for (handle_t lease = ns_lease_next_expired(ns_of(c), 0, INT64_MAX, 0); lease != 0;
             lease = ns_lease_next_expired(ns_of(c), lease, INT64_MAX, 0))
            for (handle_t f = ns_lease_next_file(ns_of(c), lease, 0); f != 0;
                 f = ns_lease_next_file(ns_of(c), lease, f)) {
                uint64_t id = ns_inode(ns_of(c), f)->id;
                if (id > after && id < best_id) {
                    best = f;
                    best_id = id;
                }
            }
        if (best == 0)
            return 0;
        if (res->n_entries == PAGE) {
            res->has_more = true;
            return 0;
        }
        TRY(open_entry(c, best, &res->entries[res->n_entries++]));
        after = best_id;
    }
}

/* ---- features that are off: the answer that says so ---- */

int fs_getDelegationToken(struct call *c)
{
    RESPOND(c, Cp__GetDelegationTokenResponse, cp__get_delegation_token_response);
    (void)res; /* none without Kerberos */
    return 0;
}

int fs_getDataEncryptionKey(struct call *c)
{
    RESPOND(c, Cp__GetDataEncryptionKeyResponse, cp__get_data_encryption_key_response);
    (void)res;
    return 0;
}

int fs_getEZForPath(struct call *c)
{
    RESPOND(c, Cp__GetEZForPathResponse, cp__get_ezfor_path_response);
    (void)res;
    return 0;
}

int fs_listEncryptionZones(struct call *c)
{
    RESPOND(c, Cp__ListEncryptionZonesResponse, cp__list_encryption_zones_response);
    (void)res;
    return call_check_superuser(c);
}

int fs_getErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__GetErasureCodingPolicyRequest);
    RESPOND(c, Cp__GetErasureCodingPolicyResponse, cp__get_erasure_coding_policy_response);
    struct resolved r;
    (void)res;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Path not found: %s", req->src);
    return 0;
}

int fs_getErasureCodingPolicies(struct call *c)
{
    RESPOND(c, Cp__GetErasureCodingPoliciesResponse, cp__get_erasure_coding_policies_response);
    (void)res;
    return 0;
}

/* ---- storage policies: known by name; placement by them comes later ---- */

#define T(type) HDFS__STORAGE_TYPE__##type
static const struct storage_policy {
    uint8_t id;
    const char *name;
    Hdfs__StorageType creation[2], creation_fallback[2], replication_fallback[2]; /* 0 ends */
} policies[] = {
    {1, "PROVIDED", {T(PROVIDED), T(DISK)}, {T(PROVIDED), T(DISK)}, {T(PROVIDED), T(DISK)}},
    {2, "COLD", {T(ARCHIVE)}, {0}, {0}},
    {5, "WARM", {T(DISK), T(ARCHIVE)}, {T(DISK), T(ARCHIVE)}, {T(DISK), T(ARCHIVE)}},
    {7, "HOT", {T(DISK)}, {0}, {T(ARCHIVE)}},
    {10, "ONE_SSD", {T(SSD), T(DISK)}, {T(SSD), T(DISK)}, {T(SSD), T(DISK)}},
    {12, "ALL_SSD", {T(SSD)}, {T(DISK)}, {T(DISK)}},
    {14, "ALL_NVDIMM", {T(NVDIMM)}, {T(DISK)}, {T(DISK)}},
    {15, "LAZY_PERSIST", {T(RAM_DISK), T(DISK)}, {T(DISK)}, {T(DISK)}},
};
#undef T

static int types_of(struct call *c, const Hdfs__StorageType types[2], Hdfs__StorageTypes **ret)
{
    NEW(c, Hdfs__StorageTypes, hdfs__storage_types, message);
    message->storage_types = (Hdfs__StorageType *)types;
    while (message->n_storage_types < 2 && types[message->n_storage_types] != 0)
        message->n_storage_types++;
    *ret = message;
    return 0;
}

static int policy_message(struct call *c, const struct storage_policy *p,
                          Hdfs__BlockStoragePolicy **ret)
{
    NEW(c, Hdfs__BlockStoragePolicy, hdfs__block_storage_policy, message);
    message->policy_id = p->id;
    message->name = (char *)p->name;
    TRY(types_of(c, p->creation, &message->creation_policy));
    TRY(types_of(c, p->creation_fallback, &message->creation_fallback_policy));
    TRY(types_of(c, p->replication_fallback, &message->replication_fallback_policy));
    *ret = message;
    return 0;
}

int fs_getStoragePolicies(struct call *c)
{
    RESPOND(c, Cp__GetStoragePoliciesResponse, cp__get_storage_policies_response);
    res->policies = arena_array(arena_of(c), Hdfs__BlockStoragePolicy *, ARRAY_SIZE(policies));
    if (res->policies == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        TRY(policy_message(c, &policies[i], &res->policies[i]));
    res->n_policies = ARRAY_SIZE(policies);
    return 0;
}

int fs_getStoragePolicy(struct call *c)
{
    enum { HOT = 7 };
    REQUEST(c, Cp__GetStoragePolicyRequest);
    RESPOND(c, Cp__GetStoragePolicyResponse, cp__get_storage_policy_response);
    struct resolved r;
    TRY(call_resolve(c, req->path, PATH_READ, &r));
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory does not exist: %s", r.text);
    uint8_t id = ns_effective_policy(ns_of(c), resolved_last(&r));
    if (id == 0)
        id = HOT;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (policies[i].id == id)
            return policy_message(c, &policies[i], &res->storage_policy);
    return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s has the unknown storage policy %u", r.text, id);
}
