/* rebuild.c - orders to reconstruct internal blocks of erasure coded groups. Thread: state. */
#include "namenode/handlers/datanode/internal.h"
#include "namenode/state/state.h"

enum { MAX_REBUILDS = 64 };

/* A list of storages as messages have it: nodes, and in parallel ids and types of the storages. */
struct told_storages {
    Hdfs__DatanodeInfos *nodes;
    Hdfs__StorageUuids *uuids;
    Hdfs__StorageTypes *types;
};

static int tell_storages(struct call *c, const uint32_t *storages, size_t count,
                         struct told_storages *ret)
{
    NEW(c, Hdfs__DatanodeInfos, hdfs__datanode_infos, nodes);
    NEW(c, Hdfs__StorageUuids, hdfs__storage_uuids, uuids);
    NEW(c, Hdfs__StorageTypes, hdfs__storage_types, types);
    nodes->datanodes = arena_array(arena_of(c), Hdfs__DatanodeInfo *, count);
    uuids->storage_uuids = arena_array(arena_of(c), char *, count);
    types->storage_types = arena_array(arena_of(c), Hdfs__StorageType, count);
    if (nodes->datanodes == NULL || uuids->storage_uuids == NULL || types->storage_types == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        const struct node_storage *s = nodes_storage(nn_of(c)->nodes, storages[i]);
        TRY(status_datanode(c, s->node, &nodes->datanodes[i]));
        uuids->storage_uuids[i] = s->uuid;
        types->storage_types[i] = (Hdfs__StorageType)s->type;
    }
    nodes->n_datanodes = uuids->n_storage_uuids = types->n_storage_types = count;
    *ret = (struct told_storages){nodes, uuids, types};
    return 0;
}

static int tell_indices(struct call *c, const uint8_t *indices, size_t count,
                        ProtobufCBinaryData *ret)
{
    uint8_t *copy = arena_array(arena_of(c), uint8_t, count);
    if (copy == NULL)
        return call_no_memory(c);
    if (count > 0)
        memcpy(copy, indices, count);
    *ret = (ProtobufCBinaryData){count, copy};
    return 0;
}

static int tell_targets(struct call *c, const struct node_rebuild_order *o,
                        Hdfs__BlockECReconstructionInfo *info)
{
    struct told_storages targets;
    TRY(tell_storages(c, o->targets, o->target_count, &targets));
    info->target_dn_infos = targets.nodes;
    info->target_storage_uuids = targets.uuids;
    info->target_storage_types = targets.types;
    info->target_indices = arena_array(arena_of(c), uint32_t, o->target_count);
    if (info->target_indices == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < o->target_count; i++)
        info->target_indices[i] = o->target_indices[i];
    info->n_target_indices = o->target_count;
    return 0;
}

static int tell_order(struct call *c, const struct node_rebuild_order *o,
                      const struct kept_ec_policy *policy, Hdfs__BlockECReconstructionInfo **ret)
{
    struct told_storages sources;
    NEW(c, Hdfs__BlockECReconstructionInfo, hdfs__block_ecreconstruction_info, info);
    NEW(c, Hdfs__ExtendedBlock, hdfs__extended_block, block);
    block->pool_id = nn_of(c)->identity.block_pool_id;
    block->block_id = o->group.id;
    block->generation_stamp = o->group.generation_stamp;
    block->has_num_bytes = true;
    block->num_bytes = o->group.length;
    info->block = block;
    TRY(tell_storages(c, o->sources, o->source_count, &sources));
    info->source_dn_infos = sources.nodes;
    TRY(tell_targets(c, o, info));
    TRY(tell_indices(c, o->source_indices, o->source_count, &info->live_block_indices));
    info->has_exclude_reconstructed_indices = true;
    TRY(tell_indices(c, o->excluded, o->excluded_count, &info->exclude_reconstructed_indices));
    *ret = info;
    return call_ec_message(c, policy, &info->ec_policy);
}

/* The group may have gone, or been opened anew, while the order waited. */
static bool still_wanted(struct call *c, const struct node_rebuild_order *o)
{
    struct block_info info;
    handle_t block = blocks_find(blocks_of(c), o->group.id);
    if (block == 0 || !blocks_is_complete(blocks_of(c), block))
        return false;
    blocks_get(blocks_of(c), block, &info);
    return info.generation_stamp == o->group.generation_stamp && info.length == o->group.length;
}

int rebuild_orders(struct call *c, uint32_t node, uint32_t max, Dp__DatanodeCommand **ret)
{
    struct node_rebuild_order orders[MAX_REBUILDS];
    uint32_t count =
        nodes_take_rebuilds(nn_of(c)->nodes, node, orders, max < MAX_REBUILDS ? max : MAX_REBUILDS);
    *ret = NULL;
    if (count == 0)
        return 0;
    NEW(c, Dp__BlockECReconstructionCommand, dp__block_ecreconstruction_command, body);
    NEW(c, Dp__DatanodeCommand, dp__datanode_command, command);
    body->block_ec_reconstruction_info =
        arena_array(arena_of(c), Hdfs__BlockECReconstructionInfo *, count);
    if (body->block_ec_reconstruction_info == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++) {
        const struct kept_ec_policy *policy = kept_find_policy_id(nn_of(c)->kept, orders[i].policy);
        if (policy != NULL && still_wanted(c, &orders[i]))
            TRY(tell_order(
                c, &orders[i], policy,
                &body->block_ec_reconstruction_info[body->n_block_ec_reconstruction_info++]));
    }
    if (body->n_block_ec_reconstruction_info == 0)
        return 0;
    command->cmd_type = DP__DATANODE_COMMAND__TYPE__BlockECReconstructionCommand;
    command->blk_ec_reconstruction_cmd = body;
    *ret = command;
    return 0;
}
