/* cluster.c - what a balancer or mover asks of the NameNode beyond libdfs. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/moves/moves.h"
#include "client.pb-c.h"
#include "common/io/io.h"
#include "common/rpc/rpc.h"
#include "datanode.pb-c.h"

enum { ANSWER_MEMORY = 512 << 20, DEFAULT_PORT = 8020 };

static int call(struct cluster *c, const char *protocol, const struct rpc_method *method,
                const ProtobufCMessage *request, struct arena *arena, ProtobufCMessage **ret,
                struct err *err)
{
    struct rpc_target target = {.addr = *c->addr, .protocol = protocol, .version = 1};
    return rpc_call(c->rpc, &target, method, request, arena, ret, err);
}

static int connect_rpc(struct cluster *c, struct err *err)
{
    struct rpc_client_options o = {.user = dfs_user(c->dfs), .connect_retries = 10};
    c->addr = text_alloc(sizeof(*c->addr));
    TRY(addr_parse(c->url + strlen("hdfs://"), DEFAULT_PORT, "the NameNode's address", c->addr,
                   err));
    return rpc_client_new(&o, &c->rpc, err);
}

static int ask_pool(struct cluster *c, struct err *err)
{
    Dp__VersionRequestRequest request = DP__VERSION_REQUEST_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, ANSWER_MEMORY);
    int rc = call(c, RPC_NAMENODE_PROTOCOL, &rpc_namenode_methods[NAMENODE_versionRequest],
                  &request.base, &arena, &m, err);
    if (rc == 0)
        snprintf(c->pool_id, sizeof(c->pool_id), "%s",
                 ((const Dp__VersionRequestResponse *)m)->info->block_pool_id);
    arena_fini(&arena);
    return rc;
}

int cluster_open(struct stores *stores, const char *name, const char *lock_path,
                 struct cluster *ret, struct err *err)
{
    struct store *store;
    *ret = (struct cluster){.conf = stores_conf(stores)};
    TRY(stores_default(stores, &store, err));
    ret->dfs = store_dfs(store);
    ret->url = store_url(store);
    if (ret->dfs == NULL || strncmp(ret->url, "hdfs://", 7) != 0)
        return fail(err, ERR_IO, "FileSystem %s is not an HDFS file system", ret->url);
    TRY(connect_rpc(ret, err));
    TRY(ask_pool(ret, err));
    return lock_take(ret, name, lock_path, err);
}

void cluster_close(struct cluster *c)
{
    lock_drop(c);
    rpc_client_free(c->rpc);
    text_free(c->addr);
    *c = (struct cluster){0};
}

int cluster_is_upgrading(struct cluster *c, bool *ret, struct err *err)
{
    Np__IsUpgradeFinalizedRequest upgrade = NP__IS_UPGRADE_FINALIZED_REQUEST__INIT;
    Np__IsRollingUpgradeRequest rolling = NP__IS_ROLLING_UPGRADE_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, ANSWER_MEMORY);
    int rc = call(c, RPC_NAMENODE_PROTOCOL, &rpc_namenode_methods[NAMENODE_isUpgradeFinalized],
                  &upgrade.base, &arena, &m, err);
    if (rc == 0)
        *ret = !((const Np__IsUpgradeFinalizedResponse *)m)->is_upgrade_finalized;
    if (rc == 0)
        rc = call(c, RPC_NAMENODE_PROTOCOL, &rpc_namenode_methods[NAMENODE_isRollingUpgrade],
                  &rolling.base, &arena, &m, err);
    if (rc == 0)
        *ret |= ((const Np__IsRollingUpgradeResponse *)m)->is_rolling_upgrade;
    arena_fini(&arena);
    return rc;
}

/* --- DataNodes --- */

static void add_storage(struct move_node *n, const Hdfs__StorageReport *r, uint64_t block_size)
{
    int type = r->storage != NULL ? (int)r->storage->storage_type : (int)DFS_DISK;
    if (type <= 0 || type >= MOVE_TYPES || (r->has_failed && r->failed))
        return;
    struct move_space *s = &n->types[type];
    s->there = true;
    s->capacity += r->capacity;
    s->used += r->dfs_used;
    s->pool_used += r->block_pool_used;
    s->remaining += r->remaining >= block_size ? r->remaining : 0;
    if (r->remaining > s->most_remaining)
        s->most_remaining = r->remaining;
}

static void fill_node(struct move_node *n, const Hdfs__DatanodeStorageReport *report,
                      uint64_t block_size)
{
    const Hdfs__DatanodeInfo *info = report->datanode_info;
    const Hdfs__DatanodeID *id = info->id;
    *n = (struct move_node){
        .uuid = text_dup(id->datanode_uuid),
        .ip = text_dup(id->ip_addr),
        .host = text_dup(id->host_name),
        .rack = text_dup(info->location != NULL ? info->location : "/default-rack"),
        .xfer_port = id->xfer_port,
        .info_port = id->info_port,
        .ipc_port = id->ipc_port,
        .in_service = info->admin_state == HDFS__DATANODE_INFO__ADMIN_STATE__NORMAL};
    snprintf(n->name, sizeof(n->name), "%s:%u", n->ip, n->xfer_port);
    for (size_t i = 0; i < report->n_storage_reports; i++)
        add_storage(n, report->storage_reports[i], block_size);
}

static int by_uuid(const void *a, const void *b)
{
    return strcmp(((const struct move_node *)a)->uuid, ((const struct move_node *)b)->uuid);
}

int cluster_nodes(struct cluster *c, uint64_t block_size, struct move_nodes *ret, struct err *err)
{
    Cp__GetDatanodeStorageReportRequest request = CP__GET_DATANODE_STORAGE_REPORT_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *m;
    request.type = HDFS__DATANODE_REPORT_TYPE__LIVE;
    arena_init(&arena, ANSWER_MEMORY);
    int rc = call(c, RPC_CLIENT_PROTOCOL, &rpc_client_methods[CLIENT_getDatanodeStorageReport],
                  &request.base, &arena, &m, err);
    if (rc == 0) {
        const Cp__GetDatanodeStorageReportResponse *r =
            (const Cp__GetDatanodeStorageReportResponse *)m;
        ret->count = r->n_datanode_storage_reports;
        ret->items = text_alloc((ret->count + 1) * sizeof(*ret->items));
        for (size_t i = 0; i < ret->count; i++)
            fill_node(&ret->items[i], r->datanode_storage_reports[i], block_size);
        qsort(ret->items, ret->count, sizeof(*ret->items), by_uuid);
    }
    arena_fini(&arena);
    return rc;
}

size_t move_nodes_find(const struct move_nodes *n, const char *uuid)
{
    struct move_node key = {.uuid = (char *)(uintptr_t)uuid};
    const struct move_node *found =
        n->count == 0 ? NULL : bsearch(&key, n->items, n->count, sizeof(*n->items), by_uuid);
    return found == NULL ? SIZE_MAX : (size_t)(found - n->items);
}

void move_nodes_free(struct move_nodes *n)
{
    for (size_t i = 0; i < n->count; i++) {
        text_free(n->items[i].uuid);
        text_free(n->items[i].ip);
        text_free(n->items[i].host);
        text_free(n->items[i].rack);
    }
    text_free(n->items);
    *n = (struct move_nodes){0};
}

/* --- blocks --- */

int cluster_blocks(struct cluster *c, const struct move_node *node, int type, uint64_t size,
                   uint64_t min_block, uint64_t hot_ms, struct arena *arena,
                   const Np__BlocksWithLocations **ret, struct err *err)
{
    Np__GetBlocksRequest request = NP__GET_BLOCKS_REQUEST__INIT;
    Hdfs__DatanodeID id = HDFS__DATANODE_ID__INIT;
    ProtobufCMessage *m;
    id.ip_addr = node->ip;
    id.host_name = node->host;
    id.datanode_uuid = node->uuid;
    id.xfer_port = node->xfer_port;
    id.info_port = node->info_port;
    id.ipc_port = node->ipc_port;
    request.datanode = &id;
    request.size = size;
    request.has_min_block_size = true;
    request.min_block_size = min_block;
    request.has_time_interval = true;
    request.time_interval = hot_ms;
    request.has_storage_type = type != 0;
    request.storage_type = (Hdfs__StorageType)type;
    TRY(call(c, RPC_NAMENODE_PROTOCOL, &rpc_namenode_methods[NAMENODE_getBlocks], &request.base,
             arena, &m, err));
    *ret = ((const Np__GetBlocksResponse *)m)->blocks;
    return 0;
}

int cluster_listing(struct cluster *c, const char *path, struct slice start_after,
                    struct arena *arena, const Hdfs__DirectoryListing **ret, struct err *err)
{
    Cp__GetListingRequest request = CP__GET_LISTING_REQUEST__INIT;
    ProtobufCMessage *m;
    request.src = (char *)(uintptr_t)path;
    request.start_after.data = (uint8_t *)(uintptr_t)start_after.data;
    request.start_after.len = start_after.size;
    request.need_location = true;
    TRY(call(c, RPC_CLIENT_PROTOCOL, &rpc_client_methods[CLIENT_getListing], &request.base, arena,
             &m, err));
    *ret = ((const Cp__GetListingResponse *)m)->dir_list;
    return 0;
}
