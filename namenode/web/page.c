/* page.c - the page for people, and the figures for Prometheus. Pure. */
#include <inttypes.h>
#include <time.h>

#include "common/web/web.h"
#include "namenode/nodes/nodes.h"
#include "namenode/web/web.h"

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static int put(struct buf *out, const char *text)
{
    return buf_append(out, text, strlen(text));
}

static int card(struct buf *out, const char *name, uint64_t value, bool bad)
{
    return buf_printf(out, "<div class=\"card\"><b%s>%" PRIu64 "</b><span>%s</span></div>",
                      bad && value > 0 ? " class=\"bad\"" : "", value, name);
}

static int head(const struct facts *f, const char *rpc_address, struct buf *out)
{
    char since[40];
    time_t seconds = (time_t)(f->shell.started_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S UTC", &utc);
    TRY(web_put_head(out, "Hadron NameNode"));
    TRY(put(out, "<h1>NameNode "));
    TRY(web_put_html(out, rpc_address));
    TRY(buf_printf(out, "</h1><p class=\"sub\">Hadron %s &middot; cluster ", f->shell.version));
    TRY(web_put_html(out, f->cluster_id));
    TRY(put(out, " &middot; block pool "));
    TRY(web_put_html(out, f->block_pool_id));
    TRY(buf_printf(out,
                   "<br>up since %s &middot; transaction %" PRIu64 ", newest image %" PRIu64 "</p>",
                   since, f->txid, f->shell.image_txid));
    if (f->safe_mode[0] == '\0')
        return put(out, "<p class=\"ok\">Safe mode is off.</p>");
    TRY(put(out, "<p class=\"note\">Safe mode is on. "));
    TRY(web_put_html(out, f->safe_mode));
    return put(out, "</p>");
}

static int capacity(const struct facts *f, struct buf *out)
{
    TRY(put(out, "<h2>Capacity</h2><div><b>"));
    TRY(web_put_bytes(out, f->used));
    TRY(put(out, "</b> used of "));
    TRY(web_put_bytes(out, f->capacity));
    TRY(put(out, ", "));
    TRY(web_put_bytes(out, f->remaining));
    TRY(put(out, " free, "));
    TRY(web_put_bytes(out, f->non_dfs));
    return buf_printf(out,
                      " used by others</div><div class=\"bar\"><i style=\"width:%.1f%%\"></i>"
                      "</div>",
                      100 * share(f->used, f->capacity));
}

static int summary(const struct facts *f, struct buf *out)
{
    TRY(put(out, "<h2>Namespace and blocks</h2><div class=\"cards\">"));
    TRY(card(out, "files", f->files, false));
    TRY(card(out, "directories", f->directories, false));
    TRY(card(out, "blocks", f->blocks, false));
    TRY(card(out, "open files", f->open_files, false));
    TRY(card(out, "missing blocks", f->missing, true));
    TRY(card(out, "corrupt blocks", f->corrupt, true));
    TRY(card(out, "under-replicated", f->low_redundancy, true));
    TRY(card(out, "replicas to delete", f->deletions, false));
    TRY(put(out, "</div><h2>Memory</h2><p>"));
    TRY(web_put_bytes(out, f->shell.resident_bytes));
    return buf_printf(out, " resident; %.0f bytes an inode, %.0f bytes a block</p>",
                      share(f->namespace_bytes, f->inodes), share(f->block_bytes, f->blocks));
}

static int size_cell(struct buf *out, uint64_t bytes)
{
    TRY(put(out, "<td class=\"n\">"));
    TRY(web_put_bytes(out, bytes));
    return put(out, "</td>");
}

/* How far a node has come that is on its way out of the service. */
static int admin_cell(const struct facts_node *n, struct buf *out)
{
    TRY(buf_printf(out, "<td>%s", facts_admin_name(n->admin)));
    if (n->admin == ADMIN_DECOMMISSION_IN_PROGRESS || n->admin == ADMIN_ENTERING_MAINTENANCE)
        TRY(buf_printf(out, ", %u blocks left, %u of them in open files", n->leaving_blocks,
                       n->leaving_open_blocks));
    return put(out, "</td>");
}

static int node_row(const struct facts_node *n, struct buf *out)
{
    TRY(put(out, "<tr><td>"));
    TRY(web_put_html(out, n->host));
    TRY(buf_printf(out, ":%u</td><td>", n->port));
    TRY(web_put_html(out, n->rack));
    TRY(put(out,
            n->alive ? "</td><td class=\"ok\">live</td>" : "</td><td class=\"bad\">dead</td>"));
    TRY(admin_cell(n, out));
    TRY(buf_printf(out, "<td class=\"n\">%" PRId64 " s</td>", n->heard_ago_ms / 1000));
    TRY(size_cell(out, n->used));
    TRY(size_cell(out, n->capacity));
    TRY(buf_printf(out, "<td class=\"n\">%u</td><td class=\"n\">%u</td><td>", n->blocks,
                   n->failed_volumes));
    TRY(web_put_html(out, n->version));
    return put(out, "</td></tr>");
}

static int nodes(const struct facts *f, struct buf *out)
{
    TRY(buf_printf(out, "<h2>DataNodes: %u live, %u dead, %u stale, %u racks</h2>", f->live,
                   f->dead, f->stale, f->racks));
    TRY(put(out, "<table><tr><th>node</th><th>rack</th><th>state</th><th>service</th><th "
                 "class=\"n\">heard</th>"
                 "<th class=\"n\">used</th><th class=\"n\">capacity</th><th class=\"n\">blocks</th>"
                 "<th class=\"n\">failed volumes</th><th>version</th></tr>"));
    for (uint32_t i = 0; i < f->node_count; i++)
        TRY(node_row(&f->nodes[i], out));
    return put(out, "</table>");
}

int facts_page(const struct facts *f, const char *rpc_address, struct buf *out)
{
    TRY(head(f, rpc_address, out));
    TRY(capacity(f, out));
    TRY(summary(f, out));
    TRY(nodes(f, out));
    return put(out, "<footer><a href=\"jmx\">jmx</a> &middot; <a href=\"prom\">prom</a></footer>"
                    "</body></html>\n");
}

int facts_prom(const struct facts *f, struct buf *out)
{
    const struct {
        const char *name, *help;
        double value;
    } figures[] = {
        {"namenode_inodes", "files, directories and links", (double)f->inodes},
        {"namenode_files", "files", (double)f->files},
        {"namenode_directories", "directories", (double)f->directories},
        {"namenode_open_files", "files being written", (double)f->open_files},
        {"namenode_blocks", "blocks", (double)f->blocks},
        {"namenode_missing_blocks", "blocks without a live replica", (double)f->missing},
        {"namenode_corrupt_blocks", "blocks with a corrupt replica", (double)f->corrupt},
        {"namenode_low_redundancy_blocks", "blocks with too few replicas",
         (double)f->low_redundancy},
        {"namenode_pending_blocks", "blocks with copies under way", (double)f->pending},
        {"namenode_pending_deletions", "replicas that wait for deletion", (double)f->deletions},
        {"namenode_safe_mode", "1 while it is on", f->safe_mode[0] != '\0'},
        {"namenode_capacity_bytes", "of live DataNodes", (double)f->capacity},
        {"namenode_used_bytes", "by replicas", (double)f->used},
        {"namenode_remaining_bytes", "free for replicas", (double)f->remaining},
        {"namenode_live_datanodes", "heard from in time", f->live},
        {"namenode_dead_datanodes", "not heard from", f->dead},
        {"namenode_stale_datanodes", "not heard from lately", f->stale},
        {"namenode_decommissioning_datanodes", "being decommissioned", f->decommissioning},
        {"namenode_decommissioned_datanodes", "live ones", f->decommissioned_live},
        {"namenode_entering_maintenance_datanodes", "being prepared", f->entering_maintenance},
        {"namenode_maintenance_datanodes", "in maintenance, dead ones too",
         (double)f->maintenance_live + f->maintenance_dead},
        {"namenode_failed_volumes", "of live DataNodes", f->failed_volumes},
        {"namenode_transfers", "active transfers of live DataNodes", f->xceivers},
        {"namenode_last_txid", "newest transaction", (double)f->txid},
        {"namenode_image_txid", "transaction of the newest image", (double)f->shell.image_txid},
        {"namenode_namespace_bytes", "memory of the namespace", (double)f->namespace_bytes},
        {"namenode_bytes_per_inode", "memory of the namespace by inodes",
         share(f->namespace_bytes, f->inodes)},
        {"namenode_bytes_per_block", "memory of the block records by blocks",
         share(f->block_bytes, f->blocks)},
        {"namenode_resident_bytes", "memory of the process", (double)f->shell.resident_bytes},
        {"namenode_retry_cache_entries", "at-most-once calls that are known",
         (double)f->shell.retry_entries},
    };
    for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
        TRY(web_put_figure(out, figures[i].name, figures[i].help, figures[i].value));
    return web_put_counters(out);
}
