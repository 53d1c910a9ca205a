/* pipeline.c - a pipeline that lost a node: another one, a new stamp, the new list. */
#include <inttypes.h>

#include "namenode/handlers/file/internal.h"

static const char *extended_text(struct call *c, const Hdfs__ExtendedBlock *b)
{
    const char *text = arena_printf(arena_of(c), "%s:blk_%" PRId64 "_%" PRIu64, b->pool_id,
                                    (int64_t)b->block_id, b->generation_stamp);
    return text != NULL ? text : "";
}

/* Excluded ones, and all of the pipeline: also those of which the storage isn't known. */
static int nodes_to_avoid(struct call *c, const Cp__GetAdditionalDatanodeRequest *req,
                          uint32_t **ret, size_t *ret_count)
{
    size_t count = 0, all = req->n_excludes + req->n_existings;
    Hdfs__DatanodeInfo **list = arena_array(arena_of(c), Hdfs__DatanodeInfo *, all);
    if (list == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_excludes; i++)
        list[count++] = req->excludes[i];
    for (size_t i = 0; i < req->n_existings; i++)
        list[count++] = req->existings[i];
    return nodes_named(c, list, count, ret, ret_count);
}

int fs_getAdditionalDatanode(struct call *c)
{
    REQUEST(c, Cp__GetAdditionalDatanodeRequest);
    RESPOND(c, Cp__GetAdditionalDatanodeResponse, cp__get_additional_datanode_response);
    struct resolved r;
    uint32_t storages[MAX_TARGETS], *excluded;
    size_t n = 0;
    TRY(call_check_pool(c, req->blk));
    TRY(call_check_safe_mode(c, "Cannot add datanode; src=", req->src));
    TRY(writer_file(c, req->src, req->has_file_id ? req->file_id : 0, req->client_name, &r));
    struct place_request place = {.wanted = req->num_additional_nodes,
                                  .block_id = req->blk->block_id,
                                  .block_size =
                                      ns_inode(ns_of(c), resolved_last(&r))->file.block_size,
                                  .policy = ns_effective_policy(ns_of(c), resolved_last(&r)),
                                  .writer_rack = c->rack};
    struct slice machine = ns_uc_machine(ns_of(c), resolved_last(&r));
    const char *ip = arena_strndup(arena_of(c), machine.data, machine.size);
    if (ip == NULL)
        return call_no_memory(c);
    place.writer_node = nodes_find_ip(nn_of(c)->nodes, ip);
    if (place.wanted > MAX_TARGETS || req->n_existings > MAX_TARGETS - place.wanted)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%u more DataNodes wanted for a pipeline of %zu",
                    place.wanted, req->n_existings);
    TRY(nodes_to_avoid(c, req, &excluded, &place.excluded_count));
    place.excluded = excluded;
    for (size_t i = 0; i < req->n_existings && i < req->n_existing_storage_uuids; i++) {
        uint32_t node = node_named(c, req->existings[i]);
        uint32_t storage =
            node == 0 ? 0
                      : nodes_find_storage(nn_of(c)->nodes, node, req->existing_storage_uuids[i]);
        if (storage != 0)
            storages[n++] = storage;
    }
    place.chosen = storages;
    place.chosen_count = n;
    bool striped = ns_inode(ns_of(c), resolved_last(&r))->file.ec != 0;
    n += (striped ? blocks_place_units : blocks_place)(blocks_of(c), &place, c->mono_ms,
                                                       c->env->rng, storages + n);
    struct block_info info = {.id = req->blk->block_id,
                              .generation_stamp = req->blk->generation_stamp,
                              .length = req->blk->num_bytes};
    return status_located_block(c, &info, UINT64_MAX, storages, n, false, &res->block);
}

/* The block must be under construction, and `client` its file's writer. */
static int check_uc_block(struct call *c, const Hdfs__ExtendedBlock *block, const char *client,
                          handle_t *ret)
{
    TRY(call_check_pool(c, block));
    static const char *const states[] = {
        [BLOCK_UNDER_RECOVERY] = "UNDER_RECOVERY",
        [BLOCK_COMMITTED] = "COMMITTED",
        [BLOCK_COMPLETE] = "COMPLETE",
    };
    handle_t h = blocks_find(blocks_of(c), block->block_id);
    if (h == 0)
        return fail(&c->err, ERR_IO, "%s does not exist.", extended_text(c, block));
    enum block_state state = blocks_state(blocks_of(c), h);
    if (state != BLOCK_UNDER_CONSTRUCTION)
        return fail(&c->err, ERR_IO, "Unexpected BlockUCState: %s is %s but not UNDER_CONSTRUCTION",
                    extended_text(c, block), states[state]);
    handle_t file = blocks_owner(blocks_of(c), h);
    if (file == 0 || !ns_attached(ns_of(c), file) || ns_uc(ns_of(c), file) == NULL)
        return fail(&c->err, ERR_IO,
                    "The file blk_%" PRIu64
                    " belonged to does not exist or it is not under construction.",
                    block->block_id);
    if (strcmp(client, ns_uc_client(ns_of(c), file)) != 0)
        return fail(&c->err, ERR_LEASE_EXPIRED,
                    "Lease mismatch: %s is accessed by a non lease holder %s",
                    extended_text(c, block), client);
    *ret = h;
    return 0;
}

/* Of a group all indices, each with its token. */
static int name_units(struct call *c, handle_t block, Hdfs__LocatedBlock *located)
{
    uint8_t indices[EC_MAX_UNITS];
    const struct ec_policy *ec = blocks_ec_policy(blocks_of(c), block);
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        indices[i] = (uint8_t)i;
    return ec == NULL ? 0 : status_add_units(c, indices, ec_units(ec), located);
}

int fs_updateBlockForPipeline(struct call *c)
{
    REQUEST(c, Cp__UpdateBlockForPipelineRequest);
    RESPOND(c, Cp__UpdateBlockForPipelineResponse, cp__update_block_for_pipeline_response);
    handle_t block;
    TRY(call_check_safe_mode(c, "Cannot get a new generation stamp and an access token for block",
                             ""));
    TRY(check_uc_block(c, req->block, req->client_name, &block));
    struct edit e = {.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = nn_of(c)->generation_stamp + 1;
    TRY(call_commit(c, &e));
    struct block_info info = {.id = req->block->block_id,
                              .generation_stamp = nn_of(c)->generation_stamp,
                              .length = req->block->num_bytes};
    TRY(status_located_block(c, &info, UINT64_MAX, NULL, 0, false, &res->block));
    return name_units(c, block, res->block);
}

static int check_renewed(struct call *c, const Cp__UpdatePipelineRequest *req,
                         const struct block_info *info)
{
    const Hdfs__ExtendedBlock *new = req->new_block;
    if (new->block_id != info->id || new->generation_stamp > nn_of(c)->generation_stamp)
        return fail(&c->err, ERR_IO, "Update %s to %s, which was never given out",
                    extended_text(c, req->old_block), extended_text(c, new));
    if (new->generation_stamp <= info->generation_stamp)
        return fail(&c->err, ERR_IO,
                    "Update %s but the new block %s does not have a larger generation stamp than "
                    "the last block blk_%" PRId64 "_%" PRIu64,
                    extended_text(c, req->old_block), extended_text(c, new), (int64_t)info->id,
                    info->generation_stamp);
    if (new->num_bytes < info->length)
        return fail(&c->err, ERR_IO,
                    "Update %s (size=%" PRIu64 ") to a smaller size block %s (size=%" PRIu64 ")",
                    extended_text(c, req->old_block), req->old_block->num_bytes,
                    extended_text(c, new), new->num_bytes);
    return 0;
}

int fs_updatePipeline(struct call *c)
{
    REQUEST(c, Cp__UpdatePipelineRequest);
    RESPOND(c, Cp__UpdatePipelineResponse, cp__update_pipeline_response);
    handle_t block;
    struct resolved r;
    struct block_info info;
    struct edit e;
    (void)res;
    TRY(call_check_safe_mode(c, "Pipeline not updated", ""));
    TRY(check_uc_block(c, req->old_block, req->client_name, &block));
    blocks_get(blocks_of(c), block, &info);
    const Hdfs__ExtendedBlock *new = req->new_block;
    TRY(check_renewed(c, req, &info));
    TRY(check_told_length(c, info.owner, info.id, new->num_bytes));
    uint32_t *storages = arena_array(arena_of(c), uint32_t, req->n_new_nodes);
    size_t n = 0;
    if (storages == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_new_nodes && i < req->n_storage_ids; i++) {
        uint32_t node = nodes_find(nn_of(c)->nodes, req->new_nodes[i]->datanode_uuid);
        uint32_t storage =
            node == 0 ? 0 : nodes_find_storage(nn_of(c)->nodes, node, req->storage_ids[i]);
        if (storage != 0 || info.ec != 0) /* of a group each has its place; unknown: nobody */
            storages[n++] = storage;
    }
    handle_t file = blocks_owner(blocks_of(c), block);
    TRY(ns_resolve_inode(ns_of(c), file, arena_of(c), &r, &c->err));
    struct edit_block last = {info.id, new->num_bytes, new->generation_stamp};
    if (edit_for_update_blocks(nn_of(c), r.text, file, &last, false, call_rpc_ids(c), arena_of(c),
                               &e) != 0)
        return call_no_memory(c);
    TRY(call_commit(c, &e));
    return blocks_set_expected(blocks_of(c), block, storages, n) != 0 ? call_no_memory(c) : 0;
}
