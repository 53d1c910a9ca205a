/* recovery.c - the orders to lead the recovery of a block, and what came of it.
 * Invariant: only the attempt under the block's present recovery id counts; whoever led an older
 * one is told so. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/datanode/internal.h"
#include "namenode/state/state.h"

enum { MAX_RECOVERIES = 1000, MAX_LOCATIONS = 512 };

/* ---- orders ---- */

/* All of a group: who leads it decides by those that are silent, too. Their indices in parallel. */
static int group_locations(struct call *c, handle_t block, uint32_t *storages, size_t *ret_count,
                           Dp__RecoveringBlock *order)
{
    struct expected_replica all[MAX_LOCATIONS];
    struct block_info info;
    blocks_get(blocks_of(c), block, &info);
    const struct kept_ec_policy *policy = kept_find_policy_id(nn_of(c)->kept, info.ec);
    CHECK(policy != NULL);
    size_t count = blocks_expected(blocks_of(c), block, all, MAX_LOCATIONS);
    count = count < MAX_LOCATIONS ? count : MAX_LOCATIONS;
    uint8_t *indices = arena_array(arena_of(c), uint8_t, count);
    if (indices == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        storages[i] = all[i].storage;
        indices[i] = all[i].index;
    }
    order->has_block_indices = true;
    order->block_indices = (ProtobufCBinaryData){count, indices};
    *ret_count = count;
    return call_ec_message(c, policy, &order->ec_policy);
}

/* Silent nodes would only hold the others up, if there are others. */
static size_t recovery_locations(struct call *c, handle_t block, uint32_t *storages)
{
    struct expected_replica all[MAX_LOCATIONS];
    const struct nodes *nodes = nn_of(c)->nodes;
    size_t count = blocks_expected(blocks_of(c), block, all, MAX_LOCATIONS), heard = 0;
    count = count < MAX_LOCATIONS ? count : MAX_LOCATIONS;
    for (size_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(nodes, nodes_storage(nodes, all[i].storage)->node);
        if (node->alive && !node_is_stale(node, nodes_settings_get(nodes), c->mono_ms))
            storages[heard++] = all[i].storage;
    }
    if (heard > 1)
        return heard;
    for (size_t i = 0; i < count; i++)
        storages[i] = all[i].storage;
    return count;
}

static int recovering_block(struct call *c, handle_t block, Dp__RecoveringBlock **ret)
{
    uint32_t storages[MAX_LOCATIONS];
    struct block_info info;
    uint64_t cut_length;
    NEW(c, Dp__RecoveringBlock, dp__recovering_block, order);
    blocks_get(blocks_of(c), block, &info);
    order->new_gen_stamp = blocks_recovery_id(blocks_of(c), block);
    if (blocks_being_cut(blocks_of(c), block, &cut_length)) {
        NEW(c, Hdfs__Block, hdfs__block, cut);
        cut->block_id = info.id;
        cut->gen_stamp = order->new_gen_stamp;
        cut->has_num_bytes = true;
        cut->num_bytes = cut_length;
        order->truncate_block = cut;
    }
    size_t count = 0;
    if (info.ec != 0)
        TRY(group_locations(c, block, storages, &count, order));
    else
        count = recovery_locations(c, block, storages);
    *ret = order;
    return status_located_block(c, &info, UINT64_MAX, storages, count, false, &order->block);
}

/* A group of a policy that nobody knows can't be recovered by anybody. */
static bool can_be_recovered(const struct call *c, handle_t block)
{
    struct block_info info;
    blocks_get(nn_of(c)->blocks, block, &info);
    return info.ec == 0 || kept_find_policy_id(nn_of(c)->kept, info.ec) != NULL;
}

int recovery_orders(struct call *c, uint32_t node, Dp__DatanodeCommand **ret)
{
    uint64_t ids[MAX_RECOVERIES];
    uint32_t count = nodes_take_recoveries(nn_of(c)->nodes, node, ids, MAX_RECOVERIES);
    *ret = NULL;
    if (count == 0)
        return 0;
    NEW(c, Dp__BlockRecoveryCommand, dp__block_recovery_command, body);
    NEW(c, Dp__DatanodeCommand, dp__datanode_command, command);
    body->blocks = arena_array(arena_of(c), Dp__RecoveringBlock *, count);
    if (body->blocks == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++) {
        handle_t block = blocks_find(blocks_of(c), ids[i]);
        if (block != 0 && blocks_state(blocks_of(c), block) == BLOCK_UNDER_RECOVERY &&
            blocks_recovery_leader(blocks_of(c), block) == node && can_be_recovered(c, block))
            TRY(recovering_block(c, block, &body->blocks[body->n_blocks++]));
    }
    if (body->n_blocks == 0)
        return 0;
    command->cmd_type = DP__DATANODE_COMMAND__TYPE__BlockRecoveryCommand;
    command->recovery_cmd = body;
    *ret = command;
    return 0;
}

/* ---- results ---- */

static const char *block_text(struct call *c, const Hdfs__ExtendedBlock *b)
{
    const char *text = arena_printf(arena_of(c), "%s:blk_%" PRId64 "_%" PRIu64, b->pool_id,
                                    (int64_t)b->block_id, b->generation_stamp);
    return text != NULL ? text : "";
}

static handle_t last_block(struct call *c, handle_t file)
{
    uint32_t count = ns_inode(ns_of(c), file)->file.block_count;
    return count == 0 ? 0 : ns_blocks(ns_of(c), file)[count - 1];
}

/* *ret_block 0: there is nothing to do, as for a result that is told again. */
static int find_recovered(struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                          handle_t *ret_block)
{
    handle_t block = blocks_find(blocks_of(c), req->block->block_id);
    *ret_block = 0;
    if (block == 0)
        return req->delete_block
                   ? 0
                   : fail(&c->err, ERR_IO, "Block (=%s) not found", block_text(c, req->block));
    handle_t file = blocks_owner(blocks_of(c), block);
    if (!ns_attached(ns_of(c), file))
        return fail(&c->err, ERR_NOT_FOUND,
                    "File not found: inode %" PRIu64 ", likely due to delayed block removal",
                    ns_inode(ns_of(c), file)->id);
    handle_t last = last_block(c, file);
    bool open = ns_uc(ns_of(c), file) != NULL;
    if ((!open || blocks_is_complete(blocks_of(c), block)) &&
        blocks_is_complete(blocks_of(c), last))
        return 0;
    uint64_t id = blocks_recovery_id(blocks_of(c), last);
    if (id != req->new_gen_stamp || id == 0)
        return fail(&c->err, ERR_IO,
                    "The recovery id %" PRIu64 " does not match current recovery id %" PRIu64
                    " for block %s",
                    req->new_gen_stamp, id, block_text(c, req->block));
    if (block != last || blocks_state(blocks_of(c), block) != BLOCK_UNDER_RECOVERY)
        return fail(&c->err, ERR_IO, "Block (=%s) is not the one that is recovered",
                    block_text(c, req->block));
    if (req->new_length > INT64_MAX)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "Block (=%s) can not have %" PRIu64 " bytes",
                    block_text(c, req->block), req->new_length);
    *ret_block = block;
    return 0;
}

/* What was acknowledged (the length in the journal), or what a node has told of. */
static uint64_t known_bytes(struct call *c, handle_t block)
{
    struct expected_replica all[MAX_LOCATIONS];
    uint64_t known = blocks_length(blocks_of(c), block);
    size_t count = blocks_expected(blocks_of(c), block, all, MAX_LOCATIONS);
    for (size_t i = 0; i < count && i < MAX_LOCATIONS; i++)
        if (all[i].reported && all[i].length > known)
            known = all[i].length;
    return known;
}

/* The length of a group that can't be kept at all is 0. */
static bool is_dropped(const struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                       handle_t block)
{
    struct block_info info;
    blocks_get(nn_of(c)->blocks, block, &info);
    return req->delete_block || (info.ec != 0 && req->new_length == 0);
}

/* Of a group whoever leads has asked all nodes, and none of those that answer has anything that
 * could be read: only what is away may hold more. */
static int check_group_loss(struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                            handle_t block)
{
    struct expected_replica all[MAX_LOCATIONS];
    const struct nodes *nodes = nn_of(c)->nodes;
    size_t count = blocks_expected(blocks_of(c), block, all, MAX_LOCATIONS), away = 0;
    for (size_t i = 0; i < count && i < MAX_LOCATIONS; i++)
        away +=
            all[i].reported && !nodes_at(nodes, nodes_storage(nodes, all[i].storage)->node)->alive;
    if (away == 0 && blocks_length(blocks_of(c), block) == 0)
        return 0;
    return fail(
        &c->err, ERR_IO,
        "Block (=%s) is not dropped: %zu of its internal blocks are on nodes that are away, "
        "and %" PRIu64
        " bytes of it were acknowledged; its recovery goes on when the nodes are back, or "
        "the file is deleted",
        block_text(c, req->block), away, blocks_length(blocks_of(c), block));
}

/* The internal blocks that are named must be enough to read the length that is told. */
static int check_units(struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                       handle_t block, const uint32_t *storages, size_t count)
{
    const struct ec_policy *ec = blocks_ec_policy(blocks_of(c), block);
    unsigned have = 0;
    if (ec == NULL)
        return 0;
    for (unsigned i = 0; i < ec_units(ec); i++)
        have += i < count && storages[i] != 0;
    for (unsigned i = 0; i < ec->data_units; i++)
        have += ec_internal_length(ec, req->new_length, i) == 0 && (i >= count || storages[i] == 0);
    if (have >= ec->data_units)
        return 0;
    return fail(&c->err, ERR_IO, "Block (=%s) of %" PRIu64 " bytes can't be read from %zu targets",
                block_text(c, req->block), req->new_length, count);
}

/* A leader that reached only nodes without the block says that it is to go; when there are bytes
 * somewhere, the nodes that have them are waited for. */
static int check_loss(struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                      handle_t block)
{
    struct block_info info;
    bool dropped = is_dropped(c, req, block);
    blocks_get(blocks_of(c), block, &info);
    if (dropped && info.ec != 0)
        return check_group_loss(c, req, block);
    uint64_t known = dropped ? known_bytes(c, block) : 0, cut_length;
    if (known > 0)
        return fail(&c->err, ERR_IO,
                    "Block (=%s) has %" PRIu64
                    " bytes somewhere, it is not dropped because the nodes that were asked have "
                    "none; its recovery goes on when the others are back, or the file is deleted",
                    block_text(c, req->block), known);
    if (!dropped && req->new_length < info.length &&
        !blocks_being_cut(blocks_of(c), block, &cut_length))
        log_warn("a recovered block is shorter than what was acknowledged block=%" PRIu64
                 " length=%" PRIu64 " acknowledged=%" PRIu64,
                 req->block->block_id, req->new_length, info.length);
    return 0;
}

/* Of a group one for each index, 0: nobody has it (Hadoop names an empty node). */
static int named_storages(struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                          bool aligned, uint32_t **ret, size_t *ret_count)
{
    uint32_t *out = arena_array(arena_of(c), uint32_t, req->n_new_targets);
    size_t n = 0;
    if (out == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_new_targets && i < req->n_new_target_storages; i++) {
        uint32_t node = nodes_find(nn_of(c)->nodes, req->new_targets[i]->datanode_uuid);
        uint32_t storage =
            node == 0 ? 0 : nodes_find_storage(nn_of(c)->nodes, node, req->new_target_storages[i]);
        if (storage != 0 || aligned)
            out[n++] = storage;
    }
    *ret = out;
    *ret_count = n;
    return 0;
}

/* Closes the file, or writes its blocks down; with the last one as recovered, or without it. */
static int commit_recovered(struct call *c, const Dp__CommitBlockSynchronizationRequest *req,
                            bool dropped, handle_t file, const char *path)
{
    struct edit e;
    struct edit_block last = {req->block->block_id, req->new_length, req->new_gen_stamp};
    const struct edit_block *as = dropped ? NULL : &last;
    struct edit_rpc_ids none = {.call_id = EDIT_NO_CALL_ID};
    int made =
        req->close_file
            ? edit_for_close(nn_of(c), path, file, as, (uint64_t)c->now_ms, arena_of(c), &e)
            : edit_for_update_blocks(nn_of(c), path, file, as, dropped, none, arena_of(c), &e);
    if (made != 0)
        return call_no_memory(c);
    if (req->close_file && dropped)
        e.close.blocks.count--;
    return call_commit(c, &e);
}

int dn_commitBlockSynchronization(struct call *c)
{
    REQUEST(c, Dp__CommitBlockSynchronizationRequest);
    RESPOND(c, Dp__CommitBlockSynchronizationResponse, dp__commit_block_synchronization_response);
    handle_t block;
    uint32_t *storages = NULL;
    size_t count = 0;
    (void)res;
    TRY(call_check_pool(c, req->block));
    TRY(call_check_safe_mode(c, "Cannot commitBlockSynchronization while in safe mode", ""));
    TRY(find_recovered(c, req, &block));
    if (block == 0)
        return 0;
    bool dropped = is_dropped(c, req, block);
    TRY(check_loss(c, req, block));
    handle_t file = blocks_owner(blocks_of(c), block);
    const char *path = ns_path(ns_of(c), file, arena_of(c));
    bool group = blocks_ec_policy(blocks_of(c), block) != NULL;
    TRY(named_storages(c, req, group, &storages, &count));
    if (group && !dropped)
        TRY(check_units(c, req, block, storages, count));
    if (path == NULL)
        return call_no_memory(c);
    if (!dropped && count > 0 && blocks_set_expected(blocks_of(c), block, storages, count) != 0)
        return call_no_memory(c);
    TRY(commit_recovered(c, req, dropped, file, path));
    log_info("block recovered block=%" PRIu64 " id=%" PRIu64 " length=%" PRIu64 " nodes=%zu%s%s",
             req->block->block_id, req->new_gen_stamp, req->new_length, count,
             req->close_file ? " closed" : "", dropped ? " deleted" : "");
    if (dropped)
        return 0;
    if (req->close_file)
        return blocks_recovered(blocks_of(c), block, storages, count) != 0 ? call_no_memory(c) : 0;
    blocks_end_recovery(blocks_of(c), block);
    return 0;
}
