/* attr.c - what a file is and who may use it.
 * Thread: any. */
#include <stdlib.h>

#include "libdfs/api/internal.h"

int get_file_info(struct op *op, const char *path, Hdfs__HdfsFileStatus **ret)
{
    Cp__GetFileInfoRequest request = CP__GET_FILE_INFO_REQUEST__INIT;
    Cp__GetFileInfoResponse *response;
    request.src = (char *)(uintptr_t)path;
    TRY(OP_CALL(op, getFileInfo, &request, &response));
    *ret = response->fs;
    return 0;
}

static char *copy_bytes(const void *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

static enum dfs_type type_of(const Hdfs__HdfsFileStatus *from)
{
    return from->file_type == HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR    ? DFS_DIRECTORY
           : from->file_type == HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_FILE ? DFS_FILE
                                                                           : DFS_SYMLINK;
}

static bool fill_strings(const Hdfs__HdfsFileStatus *from, const char *name, size_t name_size,
                         struct dfs_stat *s)
{
    s->name = copy_bytes(name, name_size);
    s->owner = copy_bytes(from->owner, strlen(from->owner));
    s->group = copy_bytes(from->group, strlen(from->group));
    if (s->type == DFS_SYMLINK && from->has_symlink)
        s->target = copy_bytes(from->symlink.data, from->symlink.len);
    return s->name != NULL && s->owner != NULL && s->group != NULL &&
           (s->target != NULL || s->type != DFS_SYMLINK || !from->has_symlink);
}

int stat_fill(struct op *op, const Hdfs__HdfsFileStatus *from, const char *name, size_t name_size,
              struct dfs_stat *ret)
{
    uint32_t flags = from->has_flags ? from->flags : 0;
    struct dfs_stat s = {
        .type = type_of(from),
        .mode = from->permission->perm & 01777,
        .has_acl = (flags & HDFS__HDFS_FILE_STATUS__FLAGS__HAS_ACL) != 0,
        .encrypted = (flags & HDFS__HDFS_FILE_STATUS__FLAGS__HAS_CRYPT) != 0 ||
                     from->file_encryption_info != NULL,
        .erasure_coded =
            (flags & HDFS__HDFS_FILE_STATUS__FLAGS__HAS_EC) != 0 || from->ec_policy != NULL,
        .length = from->length,
        .block_size = from->blocksize,
        .file_id = from->file_id,
        .replication = from->block_replication,
        .modified_ms = (int64_t)from->modification_time,
        .accessed_ms = (int64_t)from->access_time,
        .children = from->has_children_num ? from->children_num : -1,
        .storage_policy = from->has_storage_policy ? from->storage_policy : 0,
        .ec_policy = from->ec_policy != NULL ? from->ec_policy->id : 0,
    };
    if (!fill_strings(from, name, name_size, &s)) {
        dfs_stat_free(&s);
        return fail(&op->err, ERR_NO_MEMORY, "no memory for a file's attributes");
    }
    *ret = s;
    return 0;
}

void dfs_stat_free(struct dfs_stat *stat)
{
    free(stat->name);
    free(stat->owner);
    free(stat->group);
    free(stat->target);
    *stat = (struct dfs_stat){0};
}

static int no_such(struct op *op, const char *path)
{
    return fail(&op->err, ERR_NOT_FOUND, "File does not exist: %s", path);
}

static int do_stat(struct op *op, const char *path, struct dfs_stat *ret)
{
    Hdfs__HdfsFileStatus *status;
    TRY(op_path(op, path, &path));
    TRY(get_file_info(op, path, &status));
    if (status == NULL)
        return no_such(op, path);
    const char *name = last_component(path);
    return stat_fill(op, status, name, strlen(name), ret);
}

int dfs_stat(struct dfs *fs, const char *path, struct dfs_stat *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_stat(&op, path, ret), error);
}

static int do_chmod(struct op *op, const char *path, uint32_t mode)
{
    TRY(op_path(op, path, &path));
    PERMISSION(permission, mode & 01777);
    Cp__SetPermissionRequest request = CP__SET_PERMISSION_REQUEST__INIT;
    Cp__SetPermissionResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.permission = &permission;
    return OP_CALL(op, setPermission, &request, &response);
}

int dfs_chmod(struct dfs *fs, const char *path, uint32_t mode, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_chmod(&op, path, mode), error);
}

static char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? (char *)(uintptr_t)text : NULL;
}

static int do_chown(struct op *op, const char *path, const char *owner, const char *group)
{
    TRY(op_path(op, path, &path));
    Cp__SetOwnerRequest request = CP__SET_OWNER_REQUEST__INIT;
    Cp__SetOwnerResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.username = or_null(owner);
    request.groupname = or_null(group);
    if (request.username == NULL && request.groupname == NULL)
        return fail(&op->err, ERR_ILLEGAL_ARGUMENT, "neither an owner nor a group is given");
    return OP_CALL(op, setOwner, &request, &response);
}

int dfs_chown(struct dfs *fs, const char *path, const char *owner, const char *group,
              struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_chown(&op, path, owner, group), error);
}

static int do_utimes(struct op *op, const char *path, int64_t modified_ms, int64_t accessed_ms)
{
    TRY(op_path(op, path, &path));
    Cp__SetTimesRequest request = CP__SET_TIMES_REQUEST__INIT;
    Cp__SetTimesResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.mtime = (uint64_t)modified_ms;
    request.atime = (uint64_t)accessed_ms;
    return OP_CALL(op, setTimes, &request, &response);
}

int dfs_utimes(struct dfs *fs, const char *path, int64_t modified_ms, int64_t accessed_ms,
               struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_utimes(&op, path, modified_ms, accessed_ms), error);
}

/* A NameNode answers false for what isn't a file; that alone doesn't say why. */
static int do_set_replication(struct op *op, const char *path, uint32_t replication)
{
    TRY(op_path(op, path, &path));
    Cp__SetReplicationRequest request = CP__SET_REPLICATION_REQUEST__INIT;
    Cp__SetReplicationResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.replication = replication;
    TRY(OP_CALL(op, setReplication, &request, &response));
    if (response->result)
        return 0;
    Hdfs__HdfsFileStatus *status;
    TRY(get_file_info(op, path, &status));
    if (status == NULL)
        return no_such(op, path);
    return fail(&op->err, ERR_IS_DIR, "%s is not a file", path);
}

int dfs_set_replication(struct dfs *fs, const char *path, uint32_t replication,
                        struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_set_replication(&op, path, replication), error);
}
