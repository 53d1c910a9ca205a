/* facts.c - a copy of the figures, so that pages never touch the state. Core. */
#include <stdio.h>
#include <stdlib.h>

#include "namenode/blocks/blocks.h"
#include "namenode/namespace/namespace.h"
#include "namenode/nodes/nodes.h"
#include "namenode/web/web.h"

enum { MAX_NODES = 5000 }; /* more are counted, not listed */

static uint32_t blocks_of_node(const struct nn *nn, const struct node *node)
{
    uint32_t blocks = 0;
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(nn->nodes, s)->next)
        blocks += nodes_storage(nn->nodes, s)->block_count;
    return blocks;
}

static int add_node(struct facts *f, const struct nn *nn, const struct node *node, int64_t mono_ms)
{
    struct facts_node n = {
        .host = arena_strdup(&f->arena, node->hostname),
        .ip = arena_strdup(&f->arena, node->ip),
        .rack = arena_strdup(&f->arena, node->rack),
        .version = arena_strdup(&f->arena, node->software_version),
        .port = node->xfer_port,
        .http_port = node->info_port,
        .failed_volumes = node->failed_volumes,
        .blocks = blocks_of_node(nn, node),
        .xceivers = node->xceivers,
        .alive = node->alive,
        .admin = node->admin,
        .leaving_blocks = node->leaving_blocks,
        .leaving_open_blocks = node->leaving_open_blocks,
        .leaving_only_here = node->leaving_only_here,
        .leaving_ms = mono_ms - node->leaving_since_ms,
        .heard_ago_ms = mono_ms - node->heard_ms,
        .capacity = node->capacity,
        .used = node->dfs_used,
        .remaining = node->remaining,
        .non_dfs = node->non_dfs_used,
    };
    if (n.host == NULL || n.ip == NULL || n.rack == NULL || n.version == NULL)
        return ERR_NO_MEMORY;
    f->nodes[f->node_count++] = n;
    return 0;
}

static int add_nodes(struct facts *f, const struct nn *nn, int64_t mono_ms)
{
    uint32_t count = nodes_list(nn->nodes, NODES_ALL, NULL, 0);
    if (count > MAX_NODES)
        count = MAX_NODES;
    uint32_t *list = arena_array(&f->arena, uint32_t, count + 1);
    f->nodes = arena_array(&f->arena, struct facts_node, count + 1);
    if (list == NULL || f->nodes == NULL)
        return ERR_NO_MEMORY;
    (void)nodes_list(nn->nodes, NODES_ALL, list, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(add_node(f, nn, nodes_at(nn->nodes, list[i]), mono_ms));
    return 0;
}

static int slow_text(struct facts *f, struct buf *b, int rc, const char **ret)
{
    if (rc == 0 && buf_size(b) > 0 &&
        (*ret = arena_strndup(&f->arena, buf_head(b), buf_size(b))) == NULL)
        rc = ERR_NO_MEMORY;
    buf_fini(b);
    return rc;
}

static int add_slow(struct facts *f, const struct nn *nn, int64_t mono_ms)
{
    const struct nodes_settings *s = nodes_settings_get(nn->nodes);
    struct buf peers = {0}, disks = {0};
    if (s->slow_peers)
        TRY(slow_text(f, &peers, nodes_slow_peers_json(nn->nodes, mono_ms, &peers),
                      &f->slow_peers));
    if (!s->slow_disks)
        return 0;
    return slow_text(f, &disks, nodes_slow_disks_json(nn->nodes, mono_ms, &disks), &f->slow_disks);
}

static void add_totals(struct facts *f, const struct nn *nn, int64_t mono_ms)
{
    struct ns_stats ns;
    struct blocks_stats b;
    struct nodes_stats n;
    ns_stats(nn->ns, &ns);
    blocks_stats(nn->blocks, &b);
    nodes_stats(nn->nodes, mono_ms, &n);
    f->inodes = ns.inodes;
    f->files = ns.files;
    f->directories = ns.directories;
    f->open_files = ns.open_files;
    f->namespace_bytes = ns.bytes;
    f->blocks = b.blocks;
    f->missing = b.missing;
    f->missing_one = b.missing_replication_one;
    f->corrupt = b.corrupt;
    f->low_redundancy = b.low_redundancy;
    f->pending = b.pending;
    f->scheduled = b.scheduled;
    f->deletions = b.pending_deletion;
    f->excess = b.excess;
    f->block_bytes = b.bytes_of_records;
    f->capacity = n.capacity;
    f->used = n.dfs_used;
    f->remaining = n.remaining;
    f->non_dfs = n.non_dfs_used;
    f->pool_used = n.block_pool_used;
    f->live = n.live;
    f->dead = n.dead;
    f->stale = n.stale;
    f->xceivers = n.xceivers;
    f->failed_volumes = n.failed_volumes;
    f->racks = n.racks;
    f->decommissioning = n.decommissioning;
    f->decommissioned_live = n.decommissioned_live;
    f->decommissioned_dead = n.decommissioned_dead;
    f->entering_maintenance = n.entering_maintenance;
    f->maintenance_live = n.maintenance_live;
    f->maintenance_dead = n.maintenance_dead;
    f->in_service = n.in_service;
}

const char *facts_admin_name(uint8_t admin)
{
    static const char *const names[] = {
        [ADMIN_NORMAL] = "In Service",
        [ADMIN_DECOMMISSION_IN_PROGRESS] = "Decommission In Progress",
        [ADMIN_DECOMMISSIONED] = "Decommissioned",
        [ADMIN_ENTERING_MAINTENANCE] = "Entering Maintenance",
        [ADMIN_IN_MAINTENANCE] = "In Maintenance",
    };
    return admin < ARRAY_SIZE(names) ? names[admin] : "Unknown";
}

struct facts *facts_gather(const struct nn *nn, int64_t mono_ms, const struct facts_shell *shell)
{
    struct facts *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    arena_init(&f->arena, 0);
    f->shell = *shell;
    f->txid = nn->last_txid;
    snprintf(f->cluster_id, sizeof(f->cluster_id), "%s", nn->identity.cluster_id);
    snprintf(f->block_pool_id, sizeof(f->block_pool_id), "%s", nn->identity.block_pool_id);
    if (blocks_in_safe_mode(nn->blocks))
        blocks_safe_mode_tip(nn->blocks, mono_ms, f->safe_mode, sizeof(f->safe_mode));
    add_totals(f, nn, mono_ms);
    if (add_nodes(f, nn, mono_ms) != 0 || add_slow(f, nn, mono_ms) != 0) {
        facts_free(f);
        return NULL;
    }
    return f;
}

void facts_free(struct facts *f)
{
    if (f == NULL)
        return;
    arena_fini(&f->arena);
    free(f);
}
