/* admin.c - questions about the whole: usage, nodes, locations, safe mode.
 * Thread: any. */
#include <stdio.h>
#include <stdlib.h>

#include "libdfs/api/internal.h"

static int do_content_summary(struct op *op, const char *path, struct dfs_summary *ret)
{
    TRY(op_path(op, path, &path));
    Cp__GetContentSummaryRequest request = CP__GET_CONTENT_SUMMARY_REQUEST__INIT;
    Cp__GetContentSummaryResponse *response;
    request.path = (char *)(uintptr_t)path;
    TRY(OP_CALL(op, getContentSummary, &request, &response));
    const Hdfs__ContentSummary *s = response->summary;
    *ret = (struct dfs_summary){
        .length = s->length,
        .files = s->file_count,
        .directories = s->directory_count,
        .space_consumed = s->space_consumed,
        .quota = (int64_t)s->quota,
        .space_quota = (int64_t)s->space_quota,
        .snapshot_length = s->has_snapshot_length ? s->snapshot_length : 0,
        .snapshot_files = s->has_snapshot_file_count ? s->snapshot_file_count : 0,
        .snapshot_directories = s->has_snapshot_directory_count ? s->snapshot_directory_count : 0,
        .snapshot_space = s->has_snapshot_space_consumed ? s->snapshot_space_consumed : 0,
    };
    if (s->erasure_coding_policy != NULL)
        (void)snprintf(ret->erasure_coding, sizeof(ret->erasure_coding), "%s",
                       s->erasure_coding_policy);
    return 0;
}

int dfs_content_summary(struct dfs *fs, const char *path, struct dfs_summary *ret,
                        struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_content_summary(&op, path, ret), error);
}

static int do_statfs(struct op *op, struct dfs_usage *ret)
{
    Cp__GetFsStatsRequest request = CP__GET_FS_STATS_REQUEST__INIT;
    Cp__GetFsStatsResponse *r;
    TRY(OP_CALL(op, getFsStats, &request, &r));
    *ret = (struct dfs_usage){
        .capacity = r->capacity,
        .used = r->used,
        .remaining = r->remaining,
        .under_replicated = r->under_replicated,
        .corrupt_blocks = r->corrupt_blocks,
        .missing_blocks = r->missing_blocks,
    };
    return 0;
}

int dfs_statfs(struct dfs *fs, struct dfs_usage *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_statfs(&op, ret), error);
}

static bool fill_location(const Hdfs__LocatedBlock *b, struct dfs_location *l)
{
    *l = (struct dfs_location){
        .offset = b->offset,
        .length = b->b->num_bytes,
        .corrupt = b->corrupt,
        .hosts = calloc(b->n_locs + 1, sizeof(char *)),
        .nodes = calloc(b->n_locs + 1, sizeof(char *)),
    };
    if (l->hosts == NULL || l->nodes == NULL)
        return false;
    for (size_t i = 0; i < b->n_locs; i++) {
        const Hdfs__DatanodeID *id = b->locs[i]->id;
        l->host_count = i + 1;
        l->hosts[i] = strdup(id->host_name);
        if (l->hosts[i] == NULL || asprintf(&l->nodes[i], "%s:%u", id->ip_addr, id->xfer_port) < 0)
            return false;
    }
    return true;
}

static int fill_locations(struct op *op, const Hdfs__LocatedBlocks *from, struct dfs_locations *ret)
{
    struct dfs_locations l = {.items = calloc(from->n_blocks + 1, sizeof(*l.items))};
    bool filled = l.items != NULL;
    for (size_t i = 0; i < from->n_blocks && filled; i++) {
        l.count = i + 1;
        filled = fill_location(from->blocks[i], &l.items[i]);
    }
    if (!filled) {
        dfs_locations_free(&l);
        return fail(&op->err, ERR_NO_MEMORY, "no memory for locations");
    }
    *ret = l;
    return 0;
}

static int do_locate(struct op *op, const char *path, uint64_t offset, uint64_t length,
                     struct dfs_locations *ret)
{
    TRY(op_path(op, path, &path));
    Cp__GetBlockLocationsRequest request = CP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    Cp__GetBlockLocationsResponse *response;
    request.src = (char *)(uintptr_t)path;
    request.offset = offset;
    request.length = length < INT64_MAX ? length : INT64_MAX;
    TRY(OP_CALL(op, getBlockLocations, &request, &response));
    if (response->locations == NULL)
        return fail(&op->err, ERR_NOT_FOUND, "File does not exist: %s", path);
    return fill_locations(op, response->locations, ret);
}

int dfs_locate(struct dfs *fs, const char *path, uint64_t offset, uint64_t length,
               struct dfs_locations *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_locate(&op, path, offset, length, ret), error);
}

static void free_location(struct dfs_location *l)
{
    for (size_t i = 0; i < l->host_count; i++) {
        free(l->hosts != NULL ? l->hosts[i] : NULL);
        free(l->nodes != NULL ? l->nodes[i] : NULL);
    }
    free(l->hosts);
    free(l->nodes);
}

void dfs_locations_free(struct dfs_locations *locations)
{
    for (size_t i = 0; i < locations->count; i++)
        free_location(&locations->items[i]);
    free(locations->items);
    *locations = (struct dfs_locations){0};
}

static bool fill_node(const Hdfs__DatanodeInfo *from, struct dfs_node *n)
{
    *n = (struct dfs_node){
        .host = strdup(from->id->host_name),
        .uuid = strdup(from->id->datanode_uuid),
        .rack = strdup(from->location != NULL ? from->location : ""),
        .capacity = from->capacity,
        .used = from->dfs_used,
        .remaining = from->remaining,
        .non_dfs_used = from->non_dfs_used,
        .blocks = from->num_blocks,
        .transfers = from->xceiver_count,
        .last_contact_ms = (int64_t)from->last_update,
        .cache_capacity = from->cache_capacity,
        .cache_used = from->cache_used,
        .last_report_ms = (int64_t)from->last_block_report_time,
        .admin_state = from->has_admin_state ? (uint32_t)from->admin_state : 0,
        .ipc_port = from->id->ipc_port,
    };
    if (asprintf(&n->address, "%s:%u", from->id->ip_addr, from->id->xfer_port) < 0)
        n->address = NULL;
    if (from->upgrade_domain != NULL && (n->upgrade_domain = strdup(from->upgrade_domain)) == NULL)
        return false;
    return n->host != NULL && n->uuid != NULL && n->rack != NULL && n->address != NULL;
}

static int fill_nodes(struct op *op, Hdfs__DatanodeInfo *const *from, size_t count,
                      struct dfs_nodes *ret)
{
    struct dfs_nodes nodes = {.items = calloc(count + 1, sizeof(*nodes.items))};
    bool filled = nodes.items != NULL;
    for (size_t i = 0; i < count && filled; i++) {
        nodes.count = i + 1;
        filled = fill_node(from[i], &nodes.items[i]);
    }
    if (!filled) {
        dfs_nodes_free(&nodes);
        return fail(&op->err, ERR_NO_MEMORY, "no memory for a list of nodes");
    }
    *ret = nodes;
    return 0;
}

static int do_slow_nodes(struct op *op, struct dfs_nodes *ret)
{
    Cp__GetSlowDatanodeReportRequest request = CP__GET_SLOW_DATANODE_REPORT_REQUEST__INIT;
    Cp__GetSlowDatanodeReportResponse *r;
    TRY(OP_CALL(op, getSlowDatanodeReport, &request, &r));
    return fill_nodes(op, r->datanode_info_proto, r->n_datanode_info_proto, ret);
}

static int do_nodes(struct op *op, enum dfs_node_filter filter, struct dfs_nodes *ret)
{
    if (filter == DFS_NODES_SLOW)
        return do_slow_nodes(op, ret);
    Cp__GetDatanodeReportRequest request = CP__GET_DATANODE_REPORT_REQUEST__INIT;
    Cp__GetDatanodeReportResponse *r;
    request.type = (Hdfs__DatanodeReportType)filter;
    TRY(OP_CALL(op, getDatanodeReport, &request, &r));
    return fill_nodes(op, r->di, r->n_di, ret);
}

int dfs_nodes(struct dfs *fs, enum dfs_node_filter filter, struct dfs_nodes *ret,
              struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_nodes(&op, filter, ret), error);
}

void dfs_nodes_free(struct dfs_nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        free(nodes->items[i].host);
        free(nodes->items[i].address);
        free(nodes->items[i].upgrade_domain);
        free(nodes->items[i].uuid);
        free(nodes->items[i].rack);
    }
    free(nodes->items);
    *nodes = (struct dfs_nodes){0};
}

static int do_safemode(struct op *op, enum dfs_safemode_action action, bool *ret_on)
{
    Cp__SetSafeModeRequest request = CP__SET_SAFE_MODE_REQUEST__INIT;
    Cp__SetSafeModeResponse *response;
    request.action = (Hdfs__SafeModeAction)action;
    TRY(OP_CALL(op, setSafeMode, &request, &response));
    if (ret_on != NULL)
        *ret_on = response->result;
    return 0;
}

int dfs_safemode(struct dfs *fs, enum dfs_safemode_action action, bool *ret_on,
                 struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_safemode(&op, action, ret_on), error);
}

int dfs_save_namespace(struct dfs *fs, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    Cp__SaveNamespaceRequest request = CP__SAVE_NAMESPACE_REQUEST__INIT;
    Cp__SaveNamespaceResponse *response;
    return op_end(&op, OP_CALL(&op, saveNamespace, &request, &response), error);
}
