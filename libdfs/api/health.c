/* health.c - what the server decides, counts or is told to do: access to a path, blocks that need
 * care, the journal, open files.
 * Thread: any. */
#include <stdlib.h>

#include "libdfs/api/internal.h"
#include "users.pb-c.h"

static int do_access(struct op *op, const char *path, unsigned mode)
{
    TRY(op_path(op, path, &path));
    Cp__CheckAccessRequest request = CP__CHECK_ACCESS_REQUEST__INIT;
    Cp__CheckAccessResponse *response;
    request.path = (char *)(uintptr_t)path;
    request.mode = (Hdfs__AclEntry__FsAction)(mode & 7);
    return OP_CALL(op, checkAccess, &request, &response);
}

int dfs_access(struct dfs *fs, const char *path, unsigned mode, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_access(&op, path, mode), error);
}

static int do_replicated(struct op *op, struct dfs_block_health *ret)
{
    Cp__GetFsReplicatedBlockStatsRequest request = CP__GET_FS_REPLICATED_BLOCK_STATS_REQUEST__INIT;
    Cp__GetFsReplicatedBlockStatsResponse *r;
    TRY(OP_CALL(op, getFsReplicatedBlockStats, &request, &r));
    *ret = (struct dfs_block_health){
        .low_redundancy = r->low_redundancy,
        .corrupt = r->corrupt_blocks,
        .missing = r->missing_blocks,
        .missing_one_replica = r->missing_repl_one_blocks,
        .pending_deletion = r->pending_deletion_blocks,
        .highest_priority = r->highest_prio_low_redundancy_blocks,
        .has_highest_priority = r->has_highest_prio_low_redundancy_blocks,
    };
    return 0;
}

static int do_groups(struct op *op, struct dfs_block_health *ret)
{
    Cp__GetFsECBlockGroupStatsRequest request = CP__GET_FS_ECBLOCK_GROUP_STATS_REQUEST__INIT;
    Cp__GetFsECBlockGroupStatsResponse *r;
    TRY(OP_CALL(op, getFsECBlockGroupStats, &request, &r));
    *ret = (struct dfs_block_health){
        .low_redundancy = r->low_redundancy,
        .corrupt = r->corrupt_blocks,
        .missing = r->missing_blocks,
        .pending_deletion = r->pending_deletion_blocks,
        .highest_priority = r->highest_prio_low_redundancy_blocks,
        .has_highest_priority = r->has_highest_prio_low_redundancy_blocks,
    };
    return 0;
}

int dfs_block_health(struct dfs *fs, struct dfs_block_health *ret_replicated,
                     struct dfs_block_health *ret_groups, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    int rc = do_replicated(&op, ret_replicated);
    if (rc == 0)
        rc = do_groups(&op, ret_groups);
    return op_end(&op, rc, error);
}

static int do_save_if(struct op *op, uint64_t window_s, uint64_t gap, bool *ret_saved)
{
    Cp__SaveNamespaceRequest request = CP__SAVE_NAMESPACE_REQUEST__INIT;
    Cp__SaveNamespaceResponse *response;
    request.has_time_window = request.has_tx_gap = true;
    request.time_window = window_s;
    request.tx_gap = gap;
    TRY(OP_CALL(op, saveNamespace, &request, &response));
    *ret_saved = !response->has_saved || response->saved;
    return 0;
}

int dfs_save_namespace_if(struct dfs *fs, uint64_t window_s, uint64_t gap, bool *ret_saved,
                          struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_save_if(&op, window_s, gap, ret_saved), error);
}

static int do_roll(struct op *op, uint64_t *ret)
{
    Cp__RollEditsRequest request = CP__ROLL_EDITS_REQUEST__INIT;
    Cp__RollEditsResponse *response;
    TRY(OP_CALL(op, rollEdits, &request, &response));
    *ret = response->new_segment_tx_id;
    return 0;
}

int dfs_roll_edits(struct dfs *fs, uint64_t *ret_first_txid, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_roll(&op, ret_first_txid), error);
}

static int do_restore(struct op *op, const char *arg, bool *ret_on)
{
    Cp__RestoreFailedStorageRequest request = CP__RESTORE_FAILED_STORAGE_REQUEST__INIT;
    Cp__RestoreFailedStorageResponse *response;
    request.arg = (char *)(uintptr_t)arg;
    TRY(OP_CALL(op, restoreFailedStorage, &request, &response));
    *ret_on = response->result;
    return 0;
}

int dfs_restore_failed_storage(struct dfs *fs, const char *arg, bool *ret_on,
                               struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_restore(&op, arg, ret_on), error);
}

int dfs_refresh_nodes(struct dfs *fs, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    Cp__RefreshNodesRequest request = CP__REFRESH_NODES_REQUEST__INIT;
    Cp__RefreshNodesResponse *response;
    return op_end(&op, OP_CALL(&op, refreshNodes, &request, &response), error);
}

int dfs_finalize_upgrade(struct dfs *fs, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    Cp__FinalizeUpgradeRequest request = CP__FINALIZE_UPGRADE_REQUEST__INIT;
    Cp__FinalizeUpgradeResponse *response;
    return op_end(&op, OP_CALL(&op, finalizeUpgrade, &request, &response), error);
}

static int do_upgrade_status(struct op *op, bool *ret_finalized)
{
    Cp__UpgradeStatusRequest request = CP__UPGRADE_STATUS_REQUEST__INIT;
    Cp__UpgradeStatusResponse *response;
    TRY(OP_CALL(op, upgradeStatus, &request, &response));
    *ret_finalized = response->upgrade_finalized;
    return 0;
}

int dfs_is_upgrade_finalized(struct dfs *fs, bool *ret_finalized, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_upgrade_status(&op, ret_finalized), error);
}

int dfs_metasave(struct dfs *fs, const char *name, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    Cp__MetaSaveRequest request = CP__META_SAVE_REQUEST__INIT;
    Cp__MetaSaveResponse *response;
    request.filename = (char *)(uintptr_t)name;
    return op_end(&op, OP_CALL(&op, metaSave, &request, &response), error);
}

int dfs_set_balancer_bandwidth(struct dfs *fs, int64_t bytes_per_second, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    Cp__SetBalancerBandwidthRequest request = CP__SET_BALANCER_BANDWIDTH_REQUEST__INIT;
    Cp__SetBalancerBandwidthResponse *response;
    request.bandwidth = bytes_per_second;
    return op_end(&op, OP_CALL(&op, setBalancerBandwidth, &request, &response), error);
}

void dfs_open_files_free(struct dfs_open_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
        free(files->items[i].client);
        free(files->items[i].host);
    }
    free(files->items);
    *files = (struct dfs_open_files){0};
}

static int fill_open_files(struct op *op, const Cp__ListOpenFilesResponse *r,
                           struct dfs_open_files *ret)
{
    struct dfs_open_files f = {.items = calloc(r->n_entries + 1, sizeof(*f.items)),
                               .more = r->has_more};
    bool filled = f.items != NULL;
    for (size_t i = 0; i < r->n_entries && filled; i++) {
        const Cp__OpenFilesBatchResponse *e = r->entries[i];
        f.count = i + 1;
        f.items[i] = (struct dfs_open_file){.id = e->id,
                                            .path = strdup(e->path),
                                            .client = strdup(e->client_name),
                                            .host = strdup(e->client_machine)};
        filled = f.items[i].path != NULL && f.items[i].client != NULL && f.items[i].host != NULL;
    }
    if (!filled) {
        dfs_open_files_free(&f);
        return fail(&op->err, ERR_NO_MEMORY, "no memory for a list of open files");
    }
    *ret = f;
    return 0;
}

static int do_open_files(struct op *op, int64_t after, const char *path, bool blocking,
                         struct dfs_open_files *ret)
{
    Hdfs__OpenFilesType type = blocking ? HDFS__OPEN_FILES_TYPE__BLOCKING_DECOMMISSION
                                        : HDFS__OPEN_FILES_TYPE__ALL_OPEN_FILES;
    TRY(op_path(op, path, &path));
    Cp__ListOpenFilesRequest request = CP__LIST_OPEN_FILES_REQUEST__INIT;
    Cp__ListOpenFilesResponse *response;
    request.id = after;
    request.n_types = 1;
    request.types = &type;
    request.path = (char *)(uintptr_t)path;
    TRY(OP_CALL(op, listOpenFiles, &request, &response));
    return fill_open_files(op, response, ret);
}

int dfs_list_open_files(struct dfs *fs, int64_t after, const char *path, bool blocking,
                        struct dfs_open_files *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_open_files(&op, after, path, blocking, ret), error);
}

/* ---- users ---- */

static int do_groups_of(struct op *op, const char *user, char **ret)
{
    Us__GetGroupsForUserRequest request = US__GET_GROUPS_FOR_USER_REQUEST__INIT;
    ProtobufCMessage *message;
    request.user = (char *)(uintptr_t)user;
    TRY(meta_call_other(op->fs->env.meta, RPC_USER_GROUPS_PROTOCOL,
                        &rpc_user_groups_methods[USER_GROUPS_getGroupsForUser], &request.base,
                        &op->arena, &message, &op->err));
    const Us__GetGroupsForUserResponse *response = (const Us__GetGroupsForUserResponse *)message;
    struct buf text = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < response->n_groups; i++)
        rc = buf_printf(&text, "%s%s", i == 0 ? "" : " ", response->groups[i]);
    if (rc == 0)
        rc = buf_append(&text, "", 1);
    if (rc == 0 && (*ret = strdup((const char *)buf_head(&text))) == NULL)
        rc = ERR_NO_MEMORY;
    buf_fini(&text);
    return rc == 0 ? 0 : fail(&op->err, ERR_NO_MEMORY, "no memory for the groups of a user");
}

int dfs_groups_of(struct dfs *fs, const char *user, char **ret_groups, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_groups_of(&op, user, ret_groups), error);
}

static int do_refresh(struct op *op, enum dfs_server_part what)
{
    Us__RefreshUserToGroupsMappingsRequest groups =
        US__REFRESH_USER_TO_GROUPS_MAPPINGS_REQUEST__INIT;
    Us__RefreshSuperUserGroupsConfigurationRequest proxies =
        US__REFRESH_SUPER_USER_GROUPS_CONFIGURATION_REQUEST__INIT;
    Us__RefreshServiceAclRequest acl = US__REFRESH_SERVICE_ACL_REQUEST__INIT;
    const ProtobufCMessage *request = what == DFS_REFRESH_GROUPS        ? &groups.base
                                      : what == DFS_REFRESH_PROXY_USERS ? &proxies.base
                                                                        : &acl.base;
    const struct rpc_method *method =
        what == DFS_REFRESH_GROUPS
            ? &rpc_user_refresh_methods[USER_REFRESH_refreshUserToGroupsMappings]
        : what == DFS_REFRESH_PROXY_USERS
            ? &rpc_user_refresh_methods[USER_REFRESH_refreshSuperUserGroupsConfiguration]
            : &rpc_refresh_policy_methods[REFRESH_POLICY_refreshServiceAcl];
    ProtobufCMessage *response;
    return meta_call_other(op->fs->env.meta,
                           what == DFS_REFRESH_SERVICE_ACL ? RPC_REFRESH_POLICY_PROTOCOL
                                                           : RPC_USER_REFRESH_PROTOCOL,
                           method, request, &op->arena, &response, &op->err);
}

int dfs_refresh_server(struct dfs *fs, enum dfs_server_part what, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_refresh(&op, what), error);
}
