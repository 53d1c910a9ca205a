/* truncate.c - a file gets shorter. What lies behind the block that has the new end goes at once;
 * that block itself is cut by its DataNodes, by way of a recovery to a given length, and the file
 * is closed when they have told so.
 *
 * A call that is repeated because its answer got lost is not executed again: meanwhile somebody may
 * have written on. (Its record has no room for the call's ids, so a restart forgets that.)
 *
 * Invariant: the new length is in the journal before any DataNode is told. */
#include <inttypes.h>

#include "namenode/handlers/file/internal.h"
#include "namenode/retry/retry.h"

/* A client that asks again while the DataNodes are at it. *ret_known: then the answer is false. */
static int check_under_way(struct call *c, const struct resolved *r, const Cp__TruncateRequest *req,
                           bool *ret_known)
{
    handle_t file = resolved_last(r), last = block_from_end(c, file, 0);
    uint64_t cut_length;
    *ret_known = false;
    if (last == 0 || blocks_state(blocks_of(c), last) != BLOCK_UNDER_RECOVERY ||
        !blocks_being_cut(blocks_of(c), last, &cut_length))
        return 0;
    uint64_t gone = blocks_length(blocks_of(c), last) - cut_length;
    if (req->new_length != ns_file_length(ns_of(c), file) - gone)
        return fail(&c->err, ERR_BEING_CREATED,
                    "Failed to TRUNCATE_FILE %s for %s on %s because %s is being truncated.",
                    r->text, req->client_name, c->rpc->peer_host, r->text);
    *ret_known = true;
    return 0;
}

static int check_kind(struct call *c, const struct resolved *r)
{
    const struct inode *inode = ns_inode(ns_of(c), resolved_last(r));
    if (inode->file.ec != 0)
        return fail(&c->err, ERR_UNSUPPORTED, "Cannot truncate file with striped block %s",
                    r->text);
    if (inode->file.policy == LAZY_PERSIST_POLICY)
        return fail(&c->err, ERR_UNSUPPORTED, "Cannot truncate lazy persist file %s", r->text);
    return 0;
}

/* The block in which the file will end; 0: at a block's end. */
static handle_t cut_block(struct call *c, handle_t file, uint64_t new_length)
{
    const handle_t *list = ns_blocks(ns_of(c), file);
    uint64_t start = 0, end;
    for (uint32_t i = 0; start < new_length; i++, start = end) {
        end = start + blocks_length(blocks_of(c), list[i]);
        if (new_length < end)
            return list[i];
    }
    return 0;
}

static int commit_truncate(struct call *c, const struct resolved *r, const Cp__TruncateRequest *req,
                           handle_t cut)
{
    struct edit_block block;
    struct edit e = {.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = nn_of(c)->generation_stamp + 1;
    if (cut != 0) {
        struct block_info info;
        blocks_get(blocks_of(c), cut, &info);
        block = (struct edit_block){info.id, info.length, e.set_genstamp_v2.genstamp};
        TRY(call_commit(c, &e));
    }
    e = (struct edit){.code = OP_truncate};
    e.truncate = (struct op_truncate){.path = slice_of(r->text),
                                      .client = slice_of(req->client_name),
                                      .machine = slice_of(c->rpc->peer_host),
                                      .length = req->new_length,
                                      .time = (uint64_t)c->now_ms,
                                      .blocks = {&block, cut != 0}};
    return call_commit(c, &e);
}

/* The block that is cut counts in full until that is done; those behind it go. */
static int check_quota(struct call *c, const struct resolved *r, handle_t cut)
{
    handle_t file = resolved_last(r);
    const struct inode_file *f = &ns_inode(ns_of(c), file)->file;
    const handle_t *all = ns_blocks(ns_of(c), file);
    if (cut == 0)
        return 0;
    int64_t more = (int64_t)f->block_size - (int64_t)blocks_length(blocks_of(c), cut);
    for (uint32_t i = f->block_count; i-- > 0 && all[i] != cut;)
        more -= (int64_t)blocks_length(blocks_of(c), all[i]);
    return call_check_space_quota(c, r, more);
}

static int truncate(struct call *c, const struct resolved *r, const Cp__TruncateRequest *req,
                    bool *ret_done)
{
    handle_t file = resolved_last(r);
    uint64_t length = ns_file_length(ns_of(c), file);
    *ret_done = true;
    if (length == req->new_length)
        return 0;
    if (length < req->new_length)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Cannot truncate to a larger file size. Current size: %" PRIu64
                    ", truncate size: %" PRIu64 ".",
                    length, req->new_length);
    handle_t cut = cut_block(c, file, req->new_length);
    TRY(check_quota(c, r, cut));
    TRY(commit_truncate(c, r, req, cut));
    *ret_done = cut == 0;
    return cut == 0
               ? 0
               : lease_start_recovery(c->env, cut, nn_of(c)->generation_stamp, c->mono_ms, &c->err);
}

static struct slice client_id(const struct call *c)
{
    return (struct slice){c->rpc->client_id, c->rpc->client_id_size};
}

/* True when it is one that succeeded before. *ret_done: the DataNodes have cut it by now. */
static bool repeated(struct call *c, bool *ret_done)
{
    struct retry_answer first;
    uint64_t cut_length;
    if (!retry_find(nn_of(c)->retry, client_id(c), c->rpc->call_id, &first) ||
        first.op != OP_truncate)
        return false;
    handle_t file = ns_find_id(ns_of(c), first.inode_id);
    handle_t last = file == 0 ? 0 : block_from_end(c, file, 0);
    *ret_done = last == 0 || !blocks_being_cut(blocks_of(c), last, &cut_length);
    return true;
}

int fs_truncate(struct call *c)
{
    REQUEST(c, Cp__TruncateRequest);
    RESPOND(c, Cp__TruncateResponse, cp__truncate_response);
    struct resolved r;
    bool known, done = false;
    if (req->new_length > INT64_MAX)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Cannot truncate to a negative file size: %" PRId64 ".",
                    (int64_t)req->new_length);
    if (repeated(c, &done)) {
        res->result = done;
        return 0;
    }
    TRY(call_check_safe_mode(c, "Cannot truncate for ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    TRY(check_kind(c, &r));
    TRY(check_under_way(c, &r, req, &known));
    if (known)
        return 0; /* false: wait */
    TRY(lease_check_other_writer(c, &r, req->client_name, "TRUNCATE_FILE"));
    TRY(truncate(c, &r, req, &done));
    retry_note(nn_of(c)->retry, client_id(c), c->rpc->call_id, OP_truncate,
               ns_inode(ns_of(c), resolved_last(&r))->id);
    res->result = done;
    return 0;
}
