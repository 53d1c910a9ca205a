/* health.c - what the server decides or counts: access to a path, blocks that need care.
 * Thread: any. */
#include "libdfs/api/internal.h"

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
