/* block.c - addBlock, abandonBlock.
 * Invariant: a block is committed with the client's length and stamp before the next one is
 * allocated. */
#include <inttypes.h>
#include <stdio.h>

#include "namenode/handlers/file/internal.h"
#include "namenode/state/state.h"

uint32_t node_named(const struct call *c, const Hdfs__DatanodeInfo *info)
{
    return nodes_find(nn_of(c)->nodes, info->id->datanode_uuid);
}

/* Indices of the nodes that are known; the others can't be chosen anyway. */
int nodes_named(struct call *c, Hdfs__DatanodeInfo *const *list, size_t count, uint32_t **ret,
                size_t *ret_count)
{
    uint32_t *out = arena_array(arena_of(c), uint32_t, count);
    size_t n = 0;
    if (out == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++)
        if ((out[n] = node_named(c, list[i])) != 0)
            n++;
    *ret = out;
    *ret_count = n;
    return 0;
}

static size_t nodes_favored(struct call *c, const Cp__AddBlockRequest *req, uint32_t *ret,
                            size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < req->n_favored_nodes && count < max; i++) {
        uint32_t node = nodes_find_host(nn_of(c)->nodes, req->favored_nodes[i]);
        if (node != 0)
            ret[count++] = node;
    }
    return count;
}

/* A group is of use with its data units alone. */
static int check_enough(struct call *c, const Cp__AddBlockRequest *req,
                        const struct kept_ec_policy *ec, size_t found)
{
    uint32_t least = ec != NULL ? ec->data_units : c->env->settings->replication_min;
    char excluded[24] = "no";
    if (found >= least)
        return 0;
    if (req->n_exclude_nodes > 0)
        snprintf(excluded, sizeof(excluded), "%zu", req->n_exclude_nodes);
    return fail(&c->err, ERR_IO,
                "File %s could only be written to %zu of the %u %s%s. There are %u datanode(s) "
                "running and %s node(s) are excluded in this operation.",
                req->src, found, least, ec != NULL ? "required nodes for " : "minReplication nodes",
                ec != NULL ? ec->name : "", nodes_live_count(nn_of(c)->nodes), excluded);
}

static int choose_targets(struct call *c, const Cp__AddBlockRequest *req, handle_t file,
                          uint32_t *targets, size_t *ret_count)
{
    const struct inode *inode = ns_inode(ns_of(c), file);
    const struct kept_ec_policy *ec = call_ec_policy(c, file);
    uint32_t favored[16], *excluded;
    struct place_request place = {.wanted = ec != NULL ? ec->data_units + ec->parity_units
                                                       : inode->file.replication,
                                  .block_size = inode->file.block_size,
                                  .favored = favored,
                                  .policy = ns_effective_policy(ns_of(c), file),
                                  .writer_rack = c->rack};
    struct slice machine = ns_uc_machine(ns_of(c), file);
    const char *ip = arena_strndup(arena_of(c), machine.data, machine.size);
    if (ip == NULL)
        return call_no_memory(c);
    place.writer_node = nodes_find_ip(nn_of(c)->nodes, ip);
    TRY(nodes_named(c, req->exclude_nodes, req->n_exclude_nodes, &excluded, &place.excluded_count));
    place.excluded = excluded;
    place.favored_count = nodes_favored(c, req, favored, ARRAY_SIZE(favored));
    for (size_t i = 0; i < req->n_flags; i++)
        place.flags |= req->flags[i] == HDFS__ADD_BLOCK_FLAG__NO_LOCAL_WRITE
                           ? PLACE_NO_LOCAL_WRITE
                           : PLACE_IGNORE_CLIENT_LOCALITY;
    *ret_count = (ec != NULL ? blocks_place_units : blocks_place)(blocks_of(c), &place, c->mono_ms,
                                                                  c->env->rng, targets);
    return check_enough(c, req, ec, *ret_count);
}

/* What the client's `previous` says of its last block. *ret_retry: the last block is the answer
 * that got lost. */
static int check_previous(struct call *c, const Cp__AddBlockRequest *req, const struct resolved *r,
                          bool *ret_retry)
{
    handle_t file = resolved_last(r);
    handle_t last = block_from_end(c, file, 0), penultimate = block_from_end(c, file, 1);
    *ret_retry = false;
    if (same_block(c, req->previous, last))
        return 0;
    if (req->previous == NULL && last != 0 && blocks_is_complete(blocks_of(c), last) &&
        blocks_length(blocks_of(c), last) >= ns_inode(ns_of(c), file)->file.block_size)
        return 0; /* an append that starts at a block's end */
    if (last == 0 || !same_block(c, req->previous, penultimate))
        return fail(&c->err, ERR_IO,
                    "Cannot allocate block in %s: passed 'previous' block does not match actual "
                    "last block in file",
                    r->text);
    struct block_info info;
    blocks_get(blocks_of(c), last, &info);
    if (info.length != 0)
        return fail(&c->err, ERR_IO,
                    "Request looked like a retry to allocate block blk_%" PRIu64
                    " but it already contains %" PRIu64 " bytes",
                    info.id, info.length);
    *ret_retry = true;
    return 0;
}

int answer_block(struct call *c, handle_t file, handle_t block, Hdfs__LocatedBlock **ret)
{
    struct block_info info;
    struct expected_replica expected[MAX_TARGETS];
    uint32_t storages[MAX_TARGETS];
    uint8_t indices[MAX_TARGETS];
    blocks_get(blocks_of(c), block, &info);
    size_t count = blocks_expected(blocks_of(c), block, expected, MAX_TARGETS);
    if (count > MAX_TARGETS)
        count = MAX_TARGETS;
    for (size_t i = 0; i < count; i++) {
        storages[i] = expected[i].storage;
        indices[i] = expected[i].index;
    }
    uint64_t offset = ns_file_length(ns_of(c), file) - info.length;
    TRY(status_located_block(c, &info, offset, storages, count, false, ret));
    return info.ec == 0 ? 0 : status_add_units(c, indices, count, *ret);
}

/* Ids of groups come in steps of 16; old NameNodes drew ids of any sign, so that one may be taken.
 */
static int next_group_id(struct call *c, uint64_t *ret)
{
    uint64_t id = ec_group_id(nn_of(c)->last_striped_block_id);
    bool taken = true;
    while (taken) {
        id += EC_MAX_UNITS;
        taken = false;
        for (unsigned i = 0; i < EC_MAX_UNITS; i++)
            taken |= blocks_find(blocks_of(c), id + i) != 0;
        if (!ec_is_striped_id(id))
            return fail(&c->err, ERR_IO,
                        "All negative block group IDs are used, growing into positive IDs, which "
                        "might conflict with non-erasure coded blocks.");
    }
    *ret = id;
    return 0;
}

/* A new id, a new stamp and the block itself: three records, as Hadoop writes them. */
static int allocate_block(struct call *c, const struct resolved *r, struct edit_block *ret)
{
    handle_t file = resolved_last(r), last = block_from_end(c, file, 0);
    struct edit_block previous;
    struct edit e = {.code = OP_allocate_block_id};
    ret->id = nn_of(c)->last_block_id + 1;
    if (ns_inode(ns_of(c), file)->file.ec != 0)
        TRY(next_group_id(c, &ret->id));
    e.allocate_block_id.block_id = ret->id;
    TRY(call_commit(c, &e));
    e = (struct edit){.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = ret->genstamp = nn_of(c)->generation_stamp + 1;
    TRY(call_commit(c, &e));
    ret->length = 0;
    if (last != 0) {
        struct block_info info;
        blocks_get(blocks_of(c), last, &info);
        previous = (struct edit_block){info.id, info.length, info.generation_stamp};
    }
    if (edit_for_add_block(nn_of(c), r->text, last != 0 ? &previous : NULL, ret, call_rpc_ids(c),
                           arena_of(c), &e) != 0)
        return call_no_memory(c);
    return call_commit(c, &e);
}

static int check_may_add(struct call *c, const Cp__AddBlockRequest *req, const struct resolved *r)
{
    handle_t file = resolved_last(r), penultimate = block_from_end(c, file, 1);
    if (penultimate != 0 && !blocks_is_complete(blocks_of(c), penultimate))
        return fail(&c->err, ERR_NOT_REPLICATED, "Not replicated yet: %s", r->text);
    TRY(commit_last(c, file, req->previous));
    if (ns_inode(ns_of(c), file)->file.block_count >= c->env->settings->max_blocks_per_file)
        return fail(&c->err, ERR_IO,
                    "File has reached the limit on maximum number of blocks "
                    "(dfs.namenode.fs-limits.max-blocks-per-file): %u >= %" PRIu64,
                    ns_inode(ns_of(c), file)->file.block_count,
                    c->env->settings->max_blocks_per_file);
    return 0;
}

int fs_addBlock(struct call *c)
{
    REQUEST(c, Cp__AddBlockRequest);
    RESPOND(c, Cp__AddBlockResponse, cp__add_block_response);
    struct resolved r;
    uint32_t targets[MAX_TARGETS];
    size_t count = 0;
    bool retry;
    TRY(call_check_pool(c, req->previous));
    TRY(call_check_safe_mode(c, "Cannot add block to ", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client_name, &r));
    handle_t file = resolved_last(&r);
    TRY(check_previous(c, req, &r, &retry));
    if (retry)
        return answer_block(c, file, block_from_end(c, file, 0), &res->block);
    TRY(check_may_add(c, req, &r));
    TRY(choose_targets(c, req, file, targets, &count));
    TRY(call_check_space_quota(c, &r, (int64_t)ns_inode(ns_of(c), file)->file.block_size));
    struct edit_block made;
    TRY(allocate_block(c, &r, &made));
    handle_t block = blocks_find(blocks_of(c), made.id);
    if (blocks_set_expected(blocks_of(c), block, targets, count) != 0)
        return call_no_memory(c);
    return answer_block(c, file, block, &res->block);
}

int fs_abandonBlock(struct call *c)
{
    REQUEST(c, Cp__AbandonBlockRequest);
    RESPOND(c, Cp__AbandonBlockResponse, cp__abandon_block_response);
    struct resolved r;
    struct edit e;
    (void)res;
    TRY(call_check_pool(c, req->b));
    TRY(call_check_safe_mode(c, "Cannot abandon block for ", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->holder, &r));
    handle_t file = resolved_last(&r), last = block_from_end(c, file, 0);
    struct block_info info = {0};
    if (ns_inode(ns_of(c), file)->file.ec != 0)
        return 0; /* a group stays: its writer goes on with other nodes */
    if (last != 0)
        blocks_get(blocks_of(c), last, &info);
    if (last == 0 || info.id != req->b->block_id)
        return 0; /* gone already */
    if (info.state == BLOCK_COMPLETE)
        return fail(&c->err, ERR_IO, "blk_%" PRIu64 " of %s is complete, it can not be abandoned",
                    info.id, r.text);
    if (edit_for_update_blocks(nn_of(c), r.text, file, NULL, true, call_rpc_ids(c), arena_of(c),
                               &e) != 0)
        return call_no_memory(c);
    return call_commit(c, &e);
}
