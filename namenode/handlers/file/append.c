/* append.c - an existing file is written further: into its last block, or behind it.
 * Invariant: the last block keeps its stamp until the client has a pipeline with a new one. */
#include <inttypes.h>

#include "namenode/handlers/file/internal.h"

enum { NEW_BLOCK = 32 };

/* As few replicas as there are nodes will do. */
static bool sufficiently_replicated(struct call *c, handle_t block)
{
    struct replica_counts n;
    blocks_count(blocks_of(c), block, &n);
    uint32_t usable = replica_counts_usable(&n);
    return usable >= blocks_units_minimum(blocks_of(c), block) ||
           usable >= nodes_live_count(nn_of(c)->nodes);
}

static const char *block_text(struct call *c, handle_t block)
{
    struct block_info info;
    blocks_get(blocks_of(c), block, &info);
    const char *text = arena_printf(arena_of(c), "blk_%" PRId64 "_%" PRIu64, (int64_t)info.id,
                                    info.generation_stamp);
    return text != NULL ? text : "";
}

static int check_last_block(struct call *c, const struct resolved *r)
{
    handle_t last = block_from_end(c, resolved_last(r), 0);
    if (last == 0)
        return 0;
    if (blocks_state(blocks_of(c), last) == BLOCK_COMMITTED && !blocks_complete(blocks_of(c), last))
        return fail(&c->err, ERR_RETRIABLE,
                    "org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException: append: "
                    "lastBlock=%s of src=%s is COMMITTED but not yet COMPLETE.",
                    block_text(c, last), r->text);
    if (blocks_is_complete(blocks_of(c), last) && !sufficiently_replicated(c, last))
        return fail(&c->err, ERR_IO,
                    "append: lastBlock=%s of src=%s is not sufficiently replicated yet.",
                    block_text(c, last), r->text);
    return 0;
}

static int check_append(struct call *c, const struct resolved *r, const char *holder,
                        bool new_block)
{
    handle_t file = resolved_last(r);
    if (file != 0 && inode_is_dir(ns_inode(ns_of(c), file)))
        return fail(&c->err, ERR_EXISTS,
                    "Cannot append to directory %s; already exists as a directory.", r->text);
    TRY(call_check_access(c, r, (struct ns_want){.target = ACCESS_WRITE}));
    if (file == 0)
        return fail(&c->err, ERR_NOT_FOUND,
                    "Failed to append to non-existent file %s for client %s", r->text,
                    c->rpc->peer_host);
    TRY(ns_check_file(ns_of(c), r, &c->err));
    if (ns_inode(ns_of(c), file)->file.ec != 0 && !new_block)
        return fail(&c->err, ERR_UNSUPPORTED,
                    "Append on EC file without new block is not supported. Use NEW_BLOCK create "
                    "flag while appending file.");
    if (ns_inode(ns_of(c), file)->file.policy == LAZY_PERSIST_POLICY)
        return fail(&c->err, ERR_UNSUPPORTED, "Cannot append to lazy persist file %s", r->text);
    TRY(lease_check_other_writer(c, r, holder, "APPEND_FILE"));
    return check_last_block(c, r);
}

/* The last block counts in full while it is written. */
static int check_quota(struct call *c, const struct resolved *r)
{
    handle_t file = resolved_last(r), last = block_from_end(c, file, 0);
    if (last == 0)
        return 0;
    return call_check_space_quota(
        c, r,
        (int64_t)(ns_inode(ns_of(c), file)->file.block_size - blocks_length(blocks_of(c), last)));
}

/* What the client continues: the open last block with its nodes; of a block that is left as it is,
 * only the name. */
static int answer_last(struct call *c, handle_t file, bool new_block, Cp__AppendResponse *res)
{
    handle_t last = block_from_end(c, file, 0);
    struct block_info info;
    if (last == 0)
        return 0;
    if (!blocks_is_complete(blocks_of(c), last))
        return answer_block(c, file, last, &res->block);
    blocks_get(blocks_of(c), last, &info);
    return new_block ? status_located_block(c, &info, UINT64_MAX, NULL, 0, false, &res->block) : 0;
}

int fs_append(struct call *c)
{
    REQUEST(c, Cp__AppendRequest);
    RESPOND(c, Cp__AppendResponse, cp__append_response);
    struct resolved r;
    struct edit e = {.code = OP_append};
    bool new_block = req->has_flag && (req->flag & NEW_BLOCK) != 0;
    TRY(call_check_safe_mode(c, "Cannot append to file", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(check_append(c, &r, req->client_name, new_block));
    handle_t file = resolved_last(&r);
    TRY(check_quota(c, &r));
    e.append = (struct op_append){.path = slice_of(r.text),
                                  .client = slice_of(req->client_name),
                                  .machine = slice_of(c->rpc->peer_host),
                                  .new_block = new_block,
                                  .rpc = call_rpc_ids(c)};
    TRY(call_commit(c, &e));
    TRY(answer_last(c, file, new_block, res));
    return status_of(c, file, (struct slice){0}, false, &res->stat);
}

/* The first answer got lost: the file is open for the caller already. */
int call_append_again(struct call *c)
{
    REQUEST(c, Cp__AppendRequest);
    RESPOND(c, Cp__AppendResponse, cp__append_response);
    struct resolved r;
    bool new_block = req->has_flag && (req->flag & NEW_BLOCK) != 0;
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    TRY(answer_last(c, resolved_last(&r), new_block, res));
    return status_of(c, resolved_last(&r), (struct slice){0}, false, &res->stat);
}
