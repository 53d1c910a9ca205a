/* finish.c - complete and fsync.
 * Invariant: a file is closed only when all its blocks are COMPLETE. */
#include <inttypes.h>

#include "namenode/handlers/file/internal.h"

/* A client that missed the answer closes again: right if its last block is the file's. */
static bool closed_already(struct call *c, const Cp__CompleteRequest *req, const struct resolved *r)
{
    handle_t file = req->has_file_id && req->file_id != 0 ? ns_find_id(ns_of(c), req->file_id)
                                                          : resolved_last(r);
    return file != 0 && inode_is_file(ns_inode(ns_of(c), file)) && ns_uc(ns_of(c), file) == NULL &&
           same_block(c, req->last, block_from_end(c, file, 0));
}

static bool all_complete(struct call *c, handle_t file)
{
    const handle_t *list = ns_blocks(ns_of(c), file);
    for (uint32_t i = 0; i < ns_inode(ns_of(c), file)->file.block_count; i++)
        if (!blocks_complete(blocks_of(c), list[i]))
            return false;
    return true;
}

int fs_complete(struct call *c)
{
    REQUEST(c, Cp__CompleteRequest);
    RESPOND(c, Cp__CompleteResponse, cp__complete_response);
    struct resolved r = {0};
    struct edit e;
    TRY(call_check_pool(c, req->last));
    TRY(call_check_safe_mode(c, "Cannot complete file ", req->src));
    int rc = writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client_name, &r);
    if (rc == ERR_LEASE_EXPIRED && closed_already(c, req, &r)) {
        c->err = (struct err){0};
        res->result = true;
        return 0;
    }
    TRY(rc);
    handle_t file = resolved_last(&r), penultimate = block_from_end(c, file, 1);
    if (penultimate != 0 && !blocks_complete(blocks_of(c), penultimate))
        return 0; /* false: ask again */
    TRY(commit_last(c, file, req->last));
    if (!all_complete(c, file))
        return 0;
    if (edit_for_close(nn_of(c), r.text, file, NULL, (uint64_t)c->now_ms, arena_of(c), &e) != 0)
        return call_no_memory(c);
    TRY(call_commit(c, &e));
    res->result = true;
    return 0;
}

int fs_fsync(struct call *c)
{
    REQUEST(c, Cp__FsyncRequest);
    RESPOND(c, Cp__FsyncResponse, cp__fsync_response);
    struct resolved r;
    struct edit e;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot fsync file ", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client, &r));
    handle_t file = resolved_last(&r), last = block_from_end(c, file, 0);
    if (last == 0)
        return 0;
    struct block_info info;
    blocks_get(blocks_of(c), last, &info);
    struct edit_block block = {info.id, info.length, info.generation_stamp};
    bool written = info.state == BLOCK_UNDER_CONSTRUCTION; /* others have their final length */
    if (written && req->has_last_block_length && req->last_block_length > 0 &&
        (uint64_t)req->last_block_length > info.length) {
        block.length = (uint64_t)req->last_block_length;
        TRY(check_told_length(c, file, info.id, block.length));
    }
    if (edit_for_update_blocks(nn_of(c), r.text, file, &block, false, call_rpc_ids(c), arena_of(c),
                               &e) != 0)
        return call_no_memory(c);
    return call_commit(c, &e);
}
