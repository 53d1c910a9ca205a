/* metasave.c - the state of blocks and DataNodes as text, in the lines of Hadoop's metasave.
 * Thread: state; the shell writes the file elsewhere. */
#include <inttypes.h>
#include <time.h>

#include "namenode/handlers/call.h"

enum { SLICE = 256, PRIORITY_MISSING = 4, MAX_REPLICAS = 64 };

/* 1536 -> "1.50 KB" */
static int put_bytes(struct buf *out, uint64_t n)
{
    static const char prefixes[] = "KMGTPE";
    if (n < 1024)
        return buf_printf(out, "%" PRIu64 " B", n);
    unsigned shift = 10, at = 0;
    while (at + 1 < sizeof(prefixes) - 1 && n >> shift >= 1024) {
        shift += 10;
        at++;
    }
    if ((n & (((uint64_t)1 << shift) - 1)) == 0)
        return buf_printf(out, "%" PRIu64 " %cB", n >> shift, prefixes[at]);
    double value = (double)n / (double)((uint64_t)1 << shift);
    if (value >= 1023.995 && at + 1 < sizeof(prefixes) - 1) {
        value /= 1024;
        at++;
    }
    return buf_printf(out, "%.2f %cB", value, prefixes[at]);
}

static int put_amount(struct buf *out, uint64_t n)
{
    TRY(buf_printf(out, " %" PRIu64 "(", n));
    TRY(put_bytes(out, n));
    return buf_printf(out, ")");
}

static int put_address(struct buf *out, const struct node *node)
{
    return buf_printf(out, "%s:%u", node->ip, node->xfer_port);
}

/* ---- blocks ---- */

static int put_name(struct buf *out, const struct block_info *info)
{
    return buf_printf(out, "blk_%" PRId64 "_%" PRIu64, (int64_t)info->id, info->generation_stamp);
}

static int put_replica(struct call *c, struct buf *out, const struct replica_info *r)
{
    const struct node_storage *s = nodes_storage(nn_of(c)->nodes, r->storage);
    const struct node *node = nodes_at(nn_of(c)->nodes, s->node);
    const char *state = "";
    if (r->corrupt)
        state = "(corrupt)";
    else if (node_decommissions(node))
        state = "(decommissioned)";
    else if (!node_in_service(node))
        state = "(maintenance)";
    TRY(buf_printf(out, " "));
    TRY(put_address(out, node));
    return buf_printf(out, "%s%s : ", state,
                      s->reported ? "" : " (block deletions maybe out of date)");
}

static int put_block(struct call *c, struct buf *out, handle_t block)
{
    struct block_info info;
    struct replica_counts n;
    struct replica_info replicas[MAX_REPLICAS];
    blocks_get(blocks_of(c), block, &info);
    blocks_count(blocks_of(c), block, &n);
    const char *path = info.owner == 0 ? NULL : ns_path(ns_of(c), info.owner, arena_of(c));
    TRY(buf_printf(out, "%s: ", path == NULL ? "[orphaned]" : path));
    TRY(put_name(out, &info));
    uint32_t leaving = n.decommissioning + n.decommissioned;
    TRY(buf_printf(out,
                   "%s (replicas: live: %u decommissioning and decommissioned: %u corrupt: %u in "
                   "excess: %u maintenance mode: %u) ",
                   n.live + leaving > 0 ? "" : " MISSING", n.live, leaving, n.corrupt, n.excess,
                   n.entering + n.maintenance));
    size_t count = blocks_replicas(blocks_of(c), block, replicas, MAX_REPLICAS);
    for (size_t i = 0; i < count && i < MAX_REPLICAS; i++)
        TRY(put_replica(c, out, &replicas[i]));
    return buf_printf(out, "\n");
}

static int put_waiting(struct call *c, struct buf *out, unsigned priority)
{
    handle_t list[SLICE];
    uint32_t cursor = 0;
    for (size_t n; (n = blocks_list_waiting(blocks_of(c), priority, &cursor, list, SLICE)) > 0;)
        for (size_t i = 0; i < n; i++)
            TRY(put_block(c, out, list[i]));
    return 0;
}

static int put_pending(struct call *c, struct buf *out, uint64_t count)
{
    int64_t since_ms;
    uint32_t copies;
    TRY(buf_printf(out, "Metasave: Blocks being reconstructed: %" PRIu64 "\n", count));
    handle_t b = 0;
    while ((b = blocks_next_pending(blocks_of(c), b, &since_ms, &copies)) != 0) {
        struct block_info info;
        time_t since = (time_t)((c->now_ms - (c->mono_ms - since_ms)) / 1000);
        struct tm t;
        char text[32] = "";
        blocks_get(blocks_of(c), b, &info);
        if (localtime_r(&since, &t) != NULL)
            (void)strftime(text, sizeof(text), "%H:%M:%S", &t);
        TRY(put_name(out, &info));
        TRY(buf_printf(out, " StartTime: %s NumReconstructInProgress: %u\n", text, copies));
    }
    return 0;
}

static int put_invalidates(struct call *c, struct buf *out)
{
    const struct nodes *nodes = nn_of(c)->nodes;
    uint64_t blocks = 0;
    uint32_t holders = 0;
    for (uint32_t i = 1; i <= nodes_count(nodes); i++) {
        blocks += nodes_at(nodes, i)->invalid_count;
        holders += nodes_at(nodes, i)->invalid_count > 0;
    }
    return buf_printf(out, "Metasave: Blocks %" PRIu64 " waiting deletion from %u datanodes.\n",
                      blocks, holders);
}

static int put_corrupt(struct call *c, struct buf *out)
{
    handle_t list[SLICE];
    uint32_t cursor = 0;
    TRY(buf_printf(out, "Corrupt Blocks:\n"));
    for (size_t n; (n = blocks_list_missing(blocks_of(c), &cursor, list, SLICE)) > 0;)
        for (size_t i = 0; i < n; i++) {
            struct block_info info;
            struct replica_info replicas[MAX_REPLICAS];
            blocks_get(blocks_of(c), list[i], &info);
            size_t count = blocks_replicas(blocks_of(c), list[i], replicas, MAX_REPLICAS);
            for (size_t k = 0; k < count && k < MAX_REPLICAS; k++) {
                const struct node_storage *s = nodes_storage(nn_of(c)->nodes, replicas[k].storage);
                if (!replicas[k].corrupt)
                    continue;
                TRY(buf_printf(out, "Block="));
                TRY(put_name(out, &info));
                TRY(buf_printf(out, "\tSize=%" PRIu64 "\tNode=", info.length));
                TRY(put_address(out, nodes_at(nn_of(c)->nodes, s->node)));
                TRY(buf_printf(out, "\tStorageID=%s\tStorageState=%s\tTotalReplicas=%zu\n", s->uuid,
                               s->failed ? "FAILED" : "NORMAL", count));
            }
        }
    return 0;
}

/* ---- nodes ---- */

static const char *admin_mark(const struct node *node)
{
    static const char *const marks[] = {[ADMIN_NORMAL] = "IN",
                                        [ADMIN_DECOMMISSION_IN_PROGRESS] = "DP",
                                        [ADMIN_DECOMMISSIONED] = "DD",
                                        [ADMIN_ENTERING_MAINTENANCE] = "EM",
                                        [ADMIN_IN_MAINTENANCE] = "IM"};
    return node->admin < ARRAY_SIZE(marks) && marks[node->admin] != NULL ? marks[node->admin]
                                                                         : "IN";
}

static double percent(uint64_t part, uint64_t of)
{
    return of == 0 ? 100 : (double)part * 100 / (double)of;
}

static int put_node(struct buf *out, const struct node *node)
{
    time_t heard = (time_t)(node->heard_wall_ms / 1000);
    struct tm t;
    char text[64] = "";
    uint64_t cache_left =
        node->cache_capacity > node->cache_used ? node->cache_capacity - node->cache_used : 0;
    if (localtime_r(&heard, &t) != NULL)
        (void)strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Z %Y", &t);
    TRY(put_address(out, node));
    if (strcmp(node->rack, "/default-rack") != 0)
        TRY(buf_printf(out, " %s", node->rack));
    if (node->upgrade_domain != NULL && node->upgrade_domain[0] != '\0')
        TRY(buf_printf(out, " %s", node->upgrade_domain));
    TRY(buf_printf(out, " %s", admin_mark(node)));
    TRY(put_amount(out, node->capacity));
    TRY(put_amount(out, node->dfs_used));
    TRY(buf_printf(out, " %.2f%%", percent(node->dfs_used, node->capacity)));
    TRY(put_amount(out, node->remaining));
    TRY(put_amount(out, node->cache_capacity));
    TRY(put_amount(out, node->cache_used));
    TRY(buf_printf(out, " %.2f%%", percent(node->cache_used, node->cache_capacity)));
    TRY(put_amount(out, cache_left));
    TRY(buf_printf(out, " %s", text));
    if (node->copy_count > 0)
        TRY(buf_printf(out, " %u blocks to be replicated;", node->copy_count));
    if (node->rebuild_count > 0)
        TRY(buf_printf(out, " %u blocks to be erasure coded;", node->rebuild_count));
    if (node->invalid_count > 0)
        TRY(buf_printf(out, " %u blocks to be invalidated;", node->invalid_count));
    if (node->recovery_count > 0)
        TRY(buf_printf(out, " %u blocks to be recovered;", node->recovery_count));
    return buf_printf(out, "\n");
}

static int put_nodes(struct call *c, struct buf *out)
{
    const struct nodes *nodes = nn_of(c)->nodes;
    TRY(buf_printf(out, "Metasave: Number of datanodes: %u\n",
                   nodes_list(nodes, NODES_ALL, NULL, 0)));
    for (uint32_t i = 1; i <= nodes_count(nodes); i++)
        if (!nodes_at(nodes, i)->gone)
            TRY(put_node(out, nodes_at(nodes, i)));
    return 0;
}

static int put_all(struct call *c, struct buf *out)
{
    struct ns_stats ns;
    struct nodes_stats nodes;
    struct blocks_stats blocks;
    ns_stats(ns_of(c), &ns);
    nodes_stats(nn_of(c)->nodes, c->mono_ms, &nodes);
    blocks_stats(blocks_of(c), &blocks);
    TRY(buf_printf(out,
                   "%" PRIu64 " files and directories, %" PRIu64 " blocks = %" PRIu64
                   " total filesystem objects\nLive Datanodes: %u\nDead Datanodes: %u\n",
                   ns.inodes, blocks.blocks, ns.inodes + blocks.blocks, nodes.live, nodes.dead));
    TRY(buf_printf(out, "Metasave: Blocks waiting for reconstruction: %" PRIu64 "\n",
                   blocks.low_redundancy - blocks.missing));
    for (unsigned p = 0; p < PRIORITY_MISSING; p++)
        TRY(put_waiting(c, out, p));
    TRY(buf_printf(out, "Metasave: Blocks currently missing: %" PRIu64 "\n", blocks.missing));
    TRY(put_waiting(c, out, PRIORITY_MISSING));
    TRY(buf_printf(out, "Mis-replicated blocks that have been postponed:\n"));
    TRY(put_pending(c, out, blocks.pending));
    TRY(put_invalidates(c, out));
    TRY(put_corrupt(c, out));
    return put_nodes(c, out);
}

int fs_metaSave(struct call *c)
{
    REQUEST(c, Cp__MetaSaveRequest);
    RESPOND(c, Cp__MetaSaveResponse, cp__meta_save_response);
    struct buf text = {0};
    (void)res;
    TRY(call_check_superuser_for(c, "metaSave"));
    if (req->filename[0] == '\0' || strchr(req->filename, '/') != NULL)
        return fail(&c->err, ERR_IO, "%s is not the plain name of a file", req->filename);
    if (put_all(c, &text) != 0) {
        buf_fini(&text);
        return call_no_memory(c);
    }
    c->env->shell.save_text(c->env->shell.ctx, c, req->filename, &text);
    return CALL_TAKEN;
}
