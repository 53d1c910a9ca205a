/* status.c - what many answers contain: file status, located blocks, DataNode descriptions. */
#include "namenode/handlers/call.h"

enum { MAX_LOCATIONS = 512 };

int status_empty_token(struct call *c, Rpc__Token **ret)
{
    NEW(c, Rpc__Token, rpc__token, token);
    token->kind = token->service = (char *)"";
    *ret = token;
    return 0;
}

int status_datanode(struct call *c, uint32_t node_index, Hdfs__DatanodeInfo **ret)
{
    const struct node *node = nodes_at(nn_of(c)->nodes, node_index);
    NEW(c, Hdfs__DatanodeInfo, hdfs__datanode_info, info);
    NEW(c, Hdfs__DatanodeID, hdfs__datanode_id, id);
    id->ip_addr = node->ip;
    id->host_name = node->hostname;
    id->datanode_uuid = node->uuid;
    id->xfer_port = node->xfer_port;
    id->info_port = node->info_port;
    id->ipc_port = node->ipc_port;
    id->has_info_secure_port = true;
    id->info_secure_port = node->info_secure_port;
    info->id = id;
    info->location = node->rack;
    info->upgrade_domain = node->upgrade_domain;
    info->has_admin_state = true;
    info->admin_state = (Hdfs__DatanodeInfo__AdminState)node->admin;
#define SET(field, value)     \
    info->has_##field = true; \
    info->field = (value)
    SET(capacity, node->capacity);
    SET(dfs_used, node->dfs_used);
    SET(remaining, node->remaining);
    SET(block_pool_used, node->block_pool_used);
    SET(non_dfs_used, node->non_dfs_used);
    SET(xceiver_count, node->xceivers);
    SET(cache_capacity, node->cache_capacity);
    SET(cache_used, node->cache_used);
    SET(last_update, (uint64_t)node->heard_wall_ms);
    SET(last_update_monotonic, (uint64_t)node->heard_ms);
    SET(last_block_report_time, (uint64_t)node->report_wall_ms);
    SET(last_block_report_monotonic, (uint64_t)node->report_ms);
    uint32_t blocks = 0;
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(nn_of(c)->nodes, s)->next)
        blocks += nodes_storage(nn_of(c)->nodes, s)->block_count;
    SET(num_blocks, blocks);
#undef SET
    *ret = info;
    return 0;
}

int status_located_block(struct call *c, const struct block_info *info, uint64_t offset,
                         const uint32_t *storages, size_t count, bool corrupt,
                         Hdfs__LocatedBlock **ret)
{
    NEW(c, Hdfs__LocatedBlock, hdfs__located_block, located);
    NEW(c, Hdfs__ExtendedBlock, hdfs__extended_block, block);
    block->pool_id = nn_of(c)->identity.block_pool_id;
    block->block_id = info->id;
    block->generation_stamp = info->generation_stamp;
    block->has_num_bytes = true;
    block->num_bytes = info->length;
    located->b = block;
    located->offset = offset;
    located->corrupt = corrupt;
    TRY(status_empty_token(c, &located->block_token));
    located->locs = arena_array(arena_of(c), Hdfs__DatanodeInfo *, count);
    located->storage_types = arena_array(arena_of(c), Hdfs__StorageType, count);
    located->storage_ids = arena_array(arena_of(c), char *, count);
    located->is_cached = arena_array(arena_of(c), protobuf_c_boolean, count);
    if (located->locs == NULL || located->storage_types == NULL || located->storage_ids == NULL ||
        located->is_cached == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        const struct node_storage *storage = nodes_storage(nn_of(c)->nodes, storages[i]);
        TRY(status_datanode(c, storage->node, &located->locs[i]));
        located->storage_types[i] = (Hdfs__StorageType)storage->type;
        located->storage_ids[i] = storage->uuid;
    }
    located->n_locs = located->n_storage_types = located->n_storage_ids = located->n_is_cached =
        count;
    *ret = located;
    return 0;
}

int status_add_units(struct call *c, const uint8_t *indices, size_t count,
                     Hdfs__LocatedBlock *located)
{
    uint8_t *copy = arena_array(arena_of(c), uint8_t, count);
    located->block_tokens = arena_array(arena_of(c), Rpc__Token *, count);
    if (copy == NULL || located->block_tokens == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        copy[i] = indices[i];
        TRY(status_empty_token(c, &located->block_tokens[i]));
    }
    located->n_block_tokens = count;
    located->has_block_indices = true;
    located->block_indices = (ProtobufCBinaryData){count, copy};
    return 0;
}

static int locate_group(struct call *c, handle_t block, const struct block_info *info,
                        uint64_t offset, Hdfs__LocatedBlock **ret)
{
    struct unit_location units[EC_MAX_UNITS];
    uint32_t storages[EC_MAX_UNITS];
    uint8_t indices[EC_MAX_UNITS];
    bool corrupt = false;
    size_t count =
        blocks_unit_locations(blocks_of(c), block, c->mono_ms, units, EC_MAX_UNITS, &corrupt);
    for (size_t i = 0; i < count; i++) {
        storages[i] = units[i].storage;
        indices[i] = units[i].index;
    }
    TRY(status_located_block(c, info, offset, storages, count, corrupt, ret));
    return status_add_units(c, indices, count, *ret);
}

static int locate(struct call *c, handle_t block, uint64_t offset, Hdfs__LocatedBlock **ret)
{
    struct block_info info;
    uint32_t storages[MAX_LOCATIONS];
    bool corrupt = false;
    struct reader_hint reader = {.node = nodes_find_ip(nn_of(c)->nodes, c->rpc->peer_host),
                                 .rack = c->rack};
    blocks_get(blocks_of(c), block, &info);
    if (info.ec != 0)
        return locate_group(c, block, &info, offset, ret);
    size_t count = blocks_locations(blocks_of(c), block, &reader, c->mono_ms, c->env->rng, storages,
                                    MAX_LOCATIONS, &corrupt);
    return status_located_block(c, &info, offset, storages, count, corrupt, ret);
}

/* The index of the first block that ends behind `offset`; *ret_start is where it starts. A single
 * empty block counts as behind, so that a reader learns where a file that was just created is being
 * written. */
static uint32_t first_block(struct call *c, const handle_t *blocks, uint32_t count, uint64_t offset,
                            uint64_t *ret_start)
{
    uint64_t start = 0;
    uint32_t i = 0;
    if (blocks_length(blocks_of(c), blocks[0]) != 0)
        for (; i < count; i++) {
            uint64_t length = blocks_length(blocks_of(c), blocks[i]);
            if (start + length > offset)
                break;
            start += length;
        }
    *ret_start = start;
    return i;
}

static int locate_range(struct call *c, const handle_t *blocks, uint32_t count, uint64_t offset,
                        uint64_t length, Hdfs__LocatedBlocks *res)
{
    uint64_t start, end;
    if (__builtin_add_overflow(offset, length, &end))
        end = UINT64_MAX;
    uint32_t first = first_block(c, blocks, count, offset, &start), n = 0;
    res->blocks = arena_array(arena_of(c), Hdfs__LocatedBlock *, count - first);
    if (res->blocks == NULL)
        return call_no_memory(c);
    for (uint32_t i = first; i < count && (n == 0 || start < end); i++) {
        TRY(locate(c, blocks[i], start, &res->blocks[n++]));
        start += blocks_length(blocks_of(c), blocks[i]);
    }
    res->n_blocks = n;
    return 0;
}

int status_located_blocks(struct call *c, handle_t file, uint64_t offset, uint64_t length,
                          Hdfs__LocatedBlocks **ret)
{
    const struct inode *inode = ns_inode(ns_of(c), file);
    const handle_t *blocks = ns_blocks(ns_of(c), file);
    uint32_t count = inode->file.block_count;
    const struct kept_ec_policy *ec = call_ec_policy(c, file);
    NEW(c, Hdfs__LocatedBlocks, hdfs__located_blocks, res);
    res->under_construction = inode->file.uc != 0;
    *ret = res;
    if (ec != NULL)
        TRY(call_ec_message(c, ec, &res->ec_policy));
    if (count == 0)
        return 0;
    handle_t last = blocks[count - 1];
    uint64_t total = ns_file_length(ns_of(c), file);
    uint64_t last_start = total - blocks_length(blocks_of(c), last);
    res->is_last_block_complete = blocks_is_complete(blocks_of(c), last);
    res->file_length = res->is_last_block_complete ? total : last_start;
    TRY(locate(c, last, last_start, &res->last_block));
    return locate_range(c, blocks, count, offset, length, res);
}

static int set_flags(struct call *c, handle_t h, Hdfs__HdfsFileStatus *status)
{
    uint32_t acl_entries;
    const struct kept_ec_policy *ec = call_ec_policy(c, h);
    (void)ns_acl(ns_of(c), h, &acl_entries);
    status->has_flags = true;
    status->flags = (acl_entries > 0 ? HDFS__HDFS_FILE_STATUS__FLAGS__HAS_ACL : 0) |
                    (ec != NULL ? HDFS__HDFS_FILE_STATUS__FLAGS__HAS_EC : 0) |
                    /* the root could have snapshots, if there were any */
                    (h == ns_root(ns_of(c)) ? HDFS__HDFS_FILE_STATUS__FLAGS__SNAPSHOT_ENABLED : 0);
    return ec == NULL ? 0 : call_ec_message(c, ec, &status->ec_policy);
}

static void set_by_type(struct call *c, handle_t h, const struct inode *inode,
                        Hdfs__HdfsFileStatus *status)
{
    status->has_children_num = status->has_block_replication = status->has_blocksize = true;
    status->children_num = 0;
    if (inode_is_dir(inode)) {
        status->file_type = HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR;
        status->children_num = (int32_t)inode->dir.child_count;
    } else if (inode_is_file(inode)) {
        status->file_type = HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_FILE;
        status->length = ns_file_length(ns_of(c), h);
        status->access_time = inode->file.atime_ms;
        /* a striped file has no replication; Java says 1 */
        status->block_replication = inode->file.ec != 0 ? 1 : inode->file.replication;
        status->blocksize = inode->file.block_size;
    } else {
        struct slice target = ns_symlink_target(ns_of(c), h);
        status->file_type = HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_SYMLINK;
        status->access_time = inode->link.atime_ms;
        status->has_symlink = true;
        status->symlink = (ProtobufCBinaryData){target.size, (uint8_t *)target.data};
    }
}

int status_of(struct call *c, handle_t h, struct slice name, bool locations,
              Hdfs__HdfsFileStatus **ret)
{
    const struct inode *inode = ns_inode(ns_of(c), h);
    NEW(c, Hdfs__HdfsFileStatus, hdfs__hdfs_file_status, status);
    NEW(c, Hdfs__FsPermission, hdfs__fs_permission, permission);
    permission->perm = perm_mode(inode->perm);
    status->permission = permission;
    status->path = (ProtobufCBinaryData){name.size, (uint8_t *)name.data};
    status->owner = (char *)ns_user(ns_of(c), h);
    status->group = (char *)ns_group(ns_of(c), h);
    status->modification_time = inode->mtime_ms;
    status->has_file_id = true;
    status->file_id = inode->id;
    status->has_storage_policy = true;
    if (inode->type != INODE_SYMLINK)
        status->storage_policy = ns_effective_policy(ns_of(c), h);
    set_by_type(c, h, inode, status);
    TRY(set_flags(c, h, status));
    if (locations && inode_is_file(inode))
        TRY(status_located_blocks(c, h, 0, UINT64_MAX, &status->locations));
    *ret = status;
    return 0;
}
