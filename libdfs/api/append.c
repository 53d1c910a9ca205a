/* append.c - files that exist are changed: appended to, cut, joined; and their leases.
 * Thread: any. */
#include <stdlib.h>

#include "libdfs/api/internal.h"

enum { NOT_YET_SOON_MS = 2 };

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Right after a close the last block's replicas may not have been reported yet. */
static bool not_yet(int rc, const struct err *err)
{
    return rc == ERR_NOT_REPLICATED ||
           (rc != 0 && ends_with(err->text, "is not sufficiently replicated yet."));
}

static int call_append(struct op *op, const char *path, unsigned flags, Cp__AppendResponse **ret)
{
    const struct io_env *env = &op->fs->env;
    Cp__AppendRequest request = CP__APPEND_REQUEST__INIT;
    request.src = UNCONST(char, path);
    request.client_name = op->fs->env.client_name;
    request.has_flag = true;
    request.flag = HDFS__CREATE_FLAG__APPEND;
    if ((flags & DFS_APPEND_NEW_BLOCK) != 0)
        request.flag |= HDFS__CREATE_FLAG__NEW_BLOCK;
    struct wr_patience patience = {env->not_yet_delay_ms, env->not_yet_max_delay_ms,
                                   env->not_yet_retries, NOT_YET_SOON_MS};
    for (;;) {
        int64_t wait_ms;
        int rc = OP_CALL(op, append, &request, ret);
        if (!not_yet(rc, &op->err) || !wr_patience_more(&patience, &wait_ms))
            return rc;
        clock_sleep_ms(wait_ms);
    }
}

static int do_append(struct op *op, const char *path, unsigned flags, struct dfs_file *f)
{
    struct output_options o = {.is_append = true};
    struct dfs_defaults d;
    Cp__AppendResponse *response;
    TRY(op_path(op, path, &path));
    TRY(server_defaults(op, &d, &o.kind));
    TRY(call_append(op, path, flags, &response));
    Hdfs__HdfsFileStatus *status = response->stat;
    if (status == NULL)
        TRY(get_file_info(op, path, &status));
    if (status == NULL)
        return fail(&op->err, ERR_NOT_FOUND, "File does not exist: %s", path);
    if (status->ec_policy != NULL || status->file_encryption_info != NULL)
        return fail(&op->err, ERR_UNSUPPORTED, "%s is %s, which this client can't write", path,
                    status->ec_policy != NULL ? "erasure coded" : "encrypted");
    o.path = path;
    o.file_id = status->file_id;
    o.block_size = status->has_blocksize ? status->blocksize : d.block_size;
    o.replication = status->has_block_replication ? status->block_replication : d.replication;
    o.packet_size = packet_size(op, &d);
    o.sync_blocks = (flags & DFS_APPEND_SYNC_BLOCKS) != 0;
    o.length = status->length;
    o.last_block = response->block;
    return output_open(&op->fs->env, &o, &f->out, &op->err);
}

int dfs_append(struct dfs *fs, const char *path, unsigned flags, struct dfs_file **ret,
               struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    struct dfs_file *f = file_new(fs);
    int rc = f != NULL ? do_append(&op, path, flags, f)
                       : fail(&op.err, ERR_NO_MEMORY, "no memory to append");
    if (rc == 0)
        *ret = f;
    else
        free(f);
    return op_end(&op, rc, error);
}

/* ---- to keep writers away ---- */

static int do_hold(struct op *op, const char *path)
{
    Cp__AppendResponse *response;
    TRY(op_path(op, path, &path));
    return call_append(op, path, DFS_APPEND_NEW_BLOCK, &response);
}

int dfs_hold(struct dfs *fs, const char *path, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_hold(&op, path), error);
}

static int do_release(struct op *op, const char *path, uint64_t file_id)
{
    Cp__CompleteRequest request = CP__COMPLETE_REQUEST__INIT;
    Cp__CompleteResponse *response;
    TRY(op_path(op, path, &path));
    request.src = UNCONST(char, path);
    request.client_name = op->fs->env.client_name;
    request.has_file_id = true;
    request.file_id = file_id;
    TRY(OP_CALL(op, complete, &request, &response));
    return response->result ? 0 : fail(&op->err, ERR_NOT_REPLICATED, "%s is not closed yet", path);
}

int dfs_release(struct dfs *fs, const char *path, uint64_t file_id, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_release(&op, path, file_id), error);
}

static int do_truncate(struct op *op, const char *path, uint64_t length, bool *ret_done)
{
    TRY(op_path(op, path, &path));
    Cp__TruncateRequest request = CP__TRUNCATE_REQUEST__INIT;
    Cp__TruncateResponse *response;
    request.src = UNCONST(char, path);
    request.new_length = length;
    request.client_name = op->fs->env.client_name;
    TRY(OP_CALL(op, truncate, &request, &response));
    *ret_done = response->result;
    return 0;
}

int dfs_truncate(struct dfs *fs, const char *path, uint64_t length, bool *ret_done,
                 struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_truncate(&op, path, length, ret_done), error);
}

static int do_concat(struct op *op, const char *target, const char *const *sources)
{
    Cp__ConcatRequest request = CP__CONCAT_REQUEST__INIT;
    Cp__ConcatResponse *response;
    size_t count = 0;
    while (sources[count] != NULL)
        count++;
    TRY(op_path(op, target, &target));
    request.trg = UNCONST(char, target);
    request.srcs = arena_alloc(&op->arena, (count + 1) * sizeof(char *));
    if (request.srcs == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for %zu paths", count);
    for (; request.n_srcs < count; request.n_srcs++) {
        const char *path;
        TRY(op_path(op, sources[request.n_srcs], &path));
        request.srcs[request.n_srcs] = UNCONST(char, path);
    }
    return OP_CALL(op, concat, &request, &response);
}

int dfs_concat(struct dfs *fs, const char *target, const char *const *sources,
               struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_concat(&op, target, sources), error);
}

static int do_recover_lease(struct op *op, const char *path, bool *ret_closed)
{
    TRY(op_path(op, path, &path));
    Cp__RecoverLeaseRequest request = CP__RECOVER_LEASE_REQUEST__INIT;
    Cp__RecoverLeaseResponse *response;
    request.src = UNCONST(char, path);
    request.client_name = op->fs->env.client_name;
    TRY(OP_CALL(op, recoverLease, &request, &response));
    *ret_closed = response->result;
    return 0;
}

int dfs_recover_lease(struct dfs *fs, const char *path, bool *ret_closed, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_recover_lease(&op, path, ret_closed), error);
}

static int do_is_closed(struct op *op, const char *path, bool *ret_closed)
{
    TRY(op_path(op, path, &path));
    Cp__IsFileClosedRequest request = CP__IS_FILE_CLOSED_REQUEST__INIT;
    Cp__IsFileClosedResponse *response;
    request.src = UNCONST(char, path);
    TRY(OP_CALL(op, isFileClosed, &request, &response));
    *ret_closed = response->result;
    return 0;
}

int dfs_is_closed(struct dfs *fs, const char *path, bool *ret_closed, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_is_closed(&op, path, ret_closed), error);
}
