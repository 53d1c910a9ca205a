/* policy.c - what an administrator decides about a path: quotas, storage policies, snapshots.
 * Thread: any. */
#include <stdio.h>
#include <stdlib.h>

#include "libdfs/api/internal.h"

static int do_set_quota(struct op *op, const char *path, int64_t names, int64_t space,
                        enum dfs_storage_type type)
{
    TRY(op_path(op, path, &path));
    Cp__SetQuotaRequest request = CP__SET_QUOTA_REQUEST__INIT;
    Cp__SetQuotaResponse *response;
    request.path = (char *)(uintptr_t)path;
    request.namespace_quota = (uint64_t)names;
    request.storagespace_quota = (uint64_t)space;
    request.has_storage_type = type != 0;
    request.storage_type = (Hdfs__StorageType)type;
    return OP_CALL(op, setQuota, &request, &response);
}

int dfs_set_quota(struct dfs *fs, const char *path, int64_t names, int64_t space,
                  struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_set_quota(&op, path, names, space, 0), error);
}

int dfs_set_type_quota(struct dfs *fs, const char *path, enum dfs_storage_type type, int64_t space,
                       struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_set_quota(&op, path, DFS_QUOTA_KEEP, space, type), error);
}

static void fill_types(const Hdfs__StorageTypeQuotaInfos *from, struct dfs_quota_usage *u)
{
    for (size_t i = 0; i < DFS_STORAGE_TYPES; i++)
        u->type_quota[i] = -1;
    for (size_t i = 0; from != NULL && i < from->n_type_quota_info; i++) {
        const Hdfs__StorageTypeQuotaInfo *t = from->type_quota_info[i];
        size_t type = t->has_type ? (size_t)t->type : DFS_DISK;
        if (type >= DFS_STORAGE_TYPES)
            continue;
        u->type_quota[type] = (int64_t)t->quota;
        u->type_space[type] = (int64_t)t->consumed;
    }
}

static int do_quota_usage(struct op *op, const char *path, struct dfs_quota_usage *ret)
{
    TRY(op_path(op, path, &path));
    Cp__GetQuotaUsageRequest request = CP__GET_QUOTA_USAGE_REQUEST__INIT;
    Cp__GetQuotaUsageResponse *response;
    request.path = (char *)(uintptr_t)path;
    TRY(OP_CALL(op, getQuotaUsage, &request, &response));
    const Hdfs__QuotaUsage *u = response->usage;
    *ret = (struct dfs_quota_usage){
        .names = (int64_t)u->file_and_directory_count,
        .space = (int64_t)u->space_consumed,
        .name_quota = (int64_t)u->quota,
        .space_quota = (int64_t)u->space_quota,
    };
    fill_types(u->type_quota_infos, ret);
    return 0;
}

int dfs_quota_usage(struct dfs *fs, const char *path, struct dfs_quota_usage *ret,
                    struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_quota_usage(&op, path, ret), error);
}

static void fill_list(const Hdfs__StorageTypes *from, enum dfs_storage_type to[8])
{
    for (size_t i = 0; i < 8; i++)
        to[i] = from != NULL && i < from->n_storage_types && i < 7
                    ? (enum dfs_storage_type)from->storage_types[i]
                    : (enum dfs_storage_type)0;
}

static int do_policies(struct op *op, struct dfs_storage_policy *ret, size_t *ret_count)
{
    Cp__GetStoragePoliciesRequest request = CP__GET_STORAGE_POLICIES_REQUEST__INIT;
    Cp__GetStoragePoliciesResponse *response;
    TRY(OP_CALL(op, getStoragePolicies, &request, &response));
    size_t count = 0;
    for (; count < response->n_policies && count < DFS_POLICIES_MAX; count++) {
        const Hdfs__BlockStoragePolicy *p = response->policies[count];
        ret[count] = (struct dfs_storage_policy){.id = p->policy_id};
        (void)snprintf(ret[count].name, sizeof(ret[count].name), "%s", p->name);
        fill_list(p->creation_policy, ret[count].types);
        fill_list(p->creation_fallback_policy, ret[count].creation_fallbacks);
        fill_list(p->replication_fallback_policy, ret[count].replication_fallbacks);
    }
    *ret_count = count;
    return 0;
}

int dfs_storage_policies(struct dfs *fs, struct dfs_storage_policy ret[DFS_POLICIES_MAX],
                         size_t *ret_count, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_policies(&op, ret, ret_count), error);
}

static int do_set_policy(struct op *op, const char *path, const char *policy)
{
    TRY(op_path(op, path, &path));
    Cp__SetStoragePolicyRequest request = CP__SET_STORAGE_POLICY_REQUEST__INIT;
    Cp__SetStoragePolicyResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.policy_name = (char *)(uintptr_t)policy;
    return OP_CALL(op, setStoragePolicy, &request, &response);
}

int dfs_set_storage_policy(struct dfs *fs, const char *path, const char *policy,
                           struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_set_policy(&op, path, policy), error);
}

static int do_unset_policy(struct op *op, const char *path)
{
    TRY(op_path(op, path, &path));
    Cp__UnsetStoragePolicyRequest request = CP__UNSET_STORAGE_POLICY_REQUEST__INIT;
    Cp__UnsetStoragePolicyResponse *response;
    request.src = (char *)(uintptr_t)path;
    return OP_CALL(op, unsetStoragePolicy, &request, &response);
}

int dfs_unset_storage_policy(struct dfs *fs, const char *path, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_unset_policy(&op, path), error);
}

static int do_satisfy_policy(struct op *op, const char *path)
{
    TRY(op_path(op, path, &path));
    Cp__SatisfyStoragePolicyRequest request = CP__SATISFY_STORAGE_POLICY_REQUEST__INIT;
    Cp__SatisfyStoragePolicyResponse *response;
    request.src = (char *)(uintptr_t)path;
    return OP_CALL(op, satisfyStoragePolicy, &request, &response);
}

int dfs_satisfy_storage_policy(struct dfs *fs, const char *path, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_satisfy_policy(&op, path), error);
}

static int do_create_snapshot(struct op *op, const char *path, const char *name, char **ret_path)
{
    TRY(op_path(op, path, &path));
    Cp__CreateSnapshotRequest request = CP__CREATE_SNAPSHOT_REQUEST__INIT;
    Cp__CreateSnapshotResponse *response;
    request.snapshot_root = (char *)(uintptr_t)path;
    request.snapshot_name = (char *)(uintptr_t)name;
    TRY(OP_CALL(op, createSnapshot, &request, &response));
    char *copy = strdup(response->snapshot_path);
    if (copy == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for a path");
    *ret_path = copy;
    return 0;
}

int dfs_create_snapshot(struct dfs *fs, const char *path, const char *name, char **ret_path,
                        struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_create_snapshot(&op, path, name, ret_path), error);
}

static int do_delete_snapshot(struct op *op, const char *path, const char *name)
{
    TRY(op_path(op, path, &path));
    Cp__DeleteSnapshotRequest request = CP__DELETE_SNAPSHOT_REQUEST__INIT;
    Cp__DeleteSnapshotResponse *response;
    request.snapshot_root = (char *)(uintptr_t)path;
    request.snapshot_name = (char *)(uintptr_t)name;
    return OP_CALL(op, deleteSnapshot, &request, &response);
}

int dfs_delete_snapshot(struct dfs *fs, const char *path, const char *name, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_delete_snapshot(&op, path, name), error);
}

static int do_rename_snapshot(struct op *op, const char *path, const char *old_name,
                              const char *new_name)
{
    TRY(op_path(op, path, &path));
    Cp__RenameSnapshotRequest request = CP__RENAME_SNAPSHOT_REQUEST__INIT;
    Cp__RenameSnapshotResponse *response;
    request.snapshot_root = (char *)(uintptr_t)path;
    request.snapshot_old_name = (char *)(uintptr_t)old_name;
    request.snapshot_new_name = (char *)(uintptr_t)new_name;
    return OP_CALL(op, renameSnapshot, &request, &response);
}

int dfs_rename_snapshot(struct dfs *fs, const char *path, const char *old_name,
                        const char *new_name, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_rename_snapshot(&op, path, old_name, new_name), error);
}

static int do_allow(struct op *op, const char *path, bool allowed)
{
    TRY(op_path(op, path, &path));
    if (allowed) {
        Cp__AllowSnapshotRequest request = CP__ALLOW_SNAPSHOT_REQUEST__INIT;
        Cp__AllowSnapshotResponse *response;
        request.snapshot_root = (char *)(uintptr_t)path;
        return OP_CALL(op, allowSnapshot, &request, &response);
    }
    Cp__DisallowSnapshotRequest request = CP__DISALLOW_SNAPSHOT_REQUEST__INIT;
    Cp__DisallowSnapshotResponse *response;
    request.snapshot_root = (char *)(uintptr_t)path;
    return OP_CALL(op, disallowSnapshot, &request, &response);
}

int dfs_allow_snapshots(struct dfs *fs, const char *path, bool allowed, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_allow(&op, path, allowed), error);
}
