/* round.c - the look at what is left on nodes that leave. See drain.c for the rules. Thread: state.
 */
#include <stdlib.h>

#include "namenode/drain/internal.h"

enum { STEP = 64, EXPECTED_MAX = 64, REPLICAS_MAX = 64 };

static bool is_leaving(const struct node *node)
{
    return !node->gone && (node->admin == ADMIN_DECOMMISSION_IN_PROGRESS ||
                           node->admin == ADMIN_ENTERING_MAINTENANCE);
}

/* Without memory a file isn't shown as what it is: in the way. */
static void note_file(struct drain *d, uint64_t inode_id)
{
    struct id_list *l = &d->open_now;
    if (l->count > 0 && l->ids[l->count - 1] == inode_id)
        return;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        uint64_t *ids = realloc(l->ids, capacity * sizeof(*ids));
        if (ids == NULL)
            return;
        l->ids = ids;
        l->capacity = capacity;
    }
    l->ids[l->count++] = inode_id;
}

/* ---- open files ---- */

/* Then the look at the node's storages finds it. */
static bool is_recorded_on(const struct drain *d, handle_t block, uint32_t node)
{
    struct replica_info list[REPLICAS_MAX];
    size_t count = blocks_replicas(d->blocks, block, list, REPLICAS_MAX);
    for (size_t i = 0; i < count && i < REPLICAS_MAX; i++)
        if (nodes_storage(d->nodes, list[i].storage)->node == node)
            return true;
    return false;
}

static void look_at_open_block(struct drain *d, uint64_t inode_id, handle_t block)
{
    struct expected_replica list[EXPECTED_MAX];
    size_t count = blocks_expected(d->blocks, block, list, EXPECTED_MAX);
    for (size_t i = 0; i < count && i < EXPECTED_MAX; i++) {
        uint32_t n = nodes_storage(d->nodes, list[i].storage)->node;
        struct node *node = nodes_at_mut(d->nodes, n);
        struct leaving_block found;
        if (!is_leaving(node) || is_recorded_on(d, block, n))
            continue;
        blocks_check_leaving(d->blocks, block, node->admin, &found);
        if (found.enough)
            continue;
        node->open_found++;
        node->open_only_here_found += found.only_here;
        note_file(d, inode_id);
    }
}

static size_t look_at_open_file(struct drain *d, handle_t file)
{
    const struct inode *inode = ns_inode(d->ns, file);
    const handle_t *blocks = ns_blocks(d->ns, file);
    size_t visited = 1;
    for (uint32_t i = inode->file.block_count; i > 0; i--, visited++) {
        if (blocks_is_complete(d->blocks, blocks[i - 1]))
            break;
        look_at_open_block(d, inode->id, blocks[i - 1]);
    }
    return visited;
}

static void begin_nodes(struct drain *d)
{
    d->round.phase = PHASE_NODES;
    d->round.node = d->round.tried = 0;
}

static size_t look_at_open_files(struct drain *d, size_t budget)
{
    size_t visited = 0;
    while (visited < budget) {
        handle_t file = ns_open_after(d->ns, d->round.file);
        if (file == 0) {
            begin_nodes(d);
            break;
        }
        d->round.file = ns_inode(d->ns, file)->id;
        visited += look_at_open_file(d, file);
    }
    return visited;
}

/* ---- nodes ---- */

static uint32_t changes_of(const struct drain *d, const struct node *node)
{
    uint32_t sum = 0;
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(d->nodes, s)->next)
        sum += blocks_walk(d->blocks, s).changes;
    return sum;
}

/* All that it holds is known. */
static bool has_reported(const struct drain *d, const struct node *node)
{
    for (uint32_t s = node->storages; s != 0;) {
        const struct node_storage *storage = nodes_storage(d->nodes, s);
        if (!storage->reported && !storage->failed)
            return false;
        s = storage->next;
    }
    return node->storages != 0;
}

/* A dead one may be needed for what nobody else has: it leaves when nothing lacks copies. */
static bool may_finish(const struct drain *d, const struct node *node)
{
    struct blocks_stats stats;
    if (!has_reported(d, node) || node->has_striped)
        return false; /* nobody could make copies of what isn't recorded */
    if (node->alive)
        return true;
    blocks_stats(d->blocks, &stats);
    return stats.queues_ready && stats.low_redundancy == 0 && stats.pending == 0;
}

static void begin_node(struct drain *d, uint32_t i)
{
    const struct node *node = nodes_at(d->nodes, i);
    d->round.node = i;
    d->round.tried++;
    d->round.spoiled = false;
    d->round.changes = changes_of(d, node);
    d->round.blocks = d->round.open_blocks = node->open_found;
    d->round.only_here = node->open_only_here_found;
    d->round.walk = (struct storage_walk){0};
    if (node->storages != 0)
        d->round.walk = blocks_walk(d->blocks, node->storages);
}

/* Keeps (1). */
static void end_node(struct drain *d)
{
    struct round *r = &d->round;
    struct node *node = nodes_at_mut(d->nodes, r->node);
    if (!r->spoiled && is_leaving(node)) {
        node->leaving_blocks = r->blocks;
        node->leaving_open_blocks = r->open_blocks;
        node->leaving_only_here = r->only_here;
        if (r->blocks == 0 && r->changes == changes_of(d, node) && may_finish(d, node))
            finish_node(d, r->node);
    }
}

static void look_at_block(struct drain *d, handle_t block)
{
    struct leaving_block found;
    const struct node *node = nodes_at(d->nodes, d->round.node);
    handle_t file = blocks_owner(d->blocks, block);
    blocks_check_leaving(d->blocks, block, node->admin, &found);
    if (found.enough || file == 0)
        return;
    d->round.blocks++;
    d->round.only_here += found.only_here;
    if (inode_is_file(ns_inode(d->ns, file)) && ns_uc(d->ns, file) != NULL) {
        d->round.open_blocks++;
        note_file(d, ns_inode(d->ns, file)->id);
    }
}

/* The next node, by its number; those that are dead have no hurry when not all can be looked at. */
static bool next_node(struct drain *d)
{
    uint32_t max = d->settings.max_tracked;
    for (uint32_t i = d->round.node + 1; i <= nodes_count(d->nodes); i++) {
        const struct node *node = nodes_at(d->nodes, i);
        if (!is_leaving(node))
            continue;
        if (max != 0 && d->round.tried >= max && node->alive)
            continue;
        begin_node(d, i);
        d->round.tried -= !node->alive;
        return true;
    }
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void end_round(struct drain *d)
{
    struct id_list old = d->open_last;
    if (d->open_now.count > 0)
        qsort(d->open_now.ids, d->open_now.count, sizeof(*d->open_now.ids), compare_ids);
    d->open_last = d->open_now;
    d->open_now = old;
    d->open_now.count = 0;
    d->round = (struct round){0};
}

static size_t look_at_nodes(struct drain *d, size_t budget)
{
    handle_t list[STEP];
    size_t visited = 0;
    if (d->round.node == 0 && !next_node(d)) {
        end_round(d);
        return 0;
    }
    while (visited < budget) {
        size_t left = budget - visited, count = 0;
        if (d->round.walk.storage != 0 && !d->round.spoiled)
            count = blocks_walk_next(d->blocks, &d->round.walk, list, left < STEP ? left : STEP);
        for (size_t i = 0; i < count; i++)
            look_at_block(d, list[i]);
        visited += count + 1;
        if (count > 0)
            continue;
        uint32_t s = d->round.walk.storage;
        uint32_t next = s == 0 ? 0 : nodes_storage(d->nodes, s)->next;
        if (next != 0 && !d->round.spoiled) {
            d->round.walk = blocks_walk(d->blocks, next);
            continue;
        }
        end_node(d);
        if (!next_node(d)) {
            end_round(d);
            break;
        }
    }
    return visited;
}

/* ---- time ---- */

static void begin_round(struct drain *d)
{
    bool any = false;
    for (uint32_t i = 1; i <= nodes_count(d->nodes); i++) {
        struct node *node = nodes_at_mut(d->nodes, i);
        node->open_found = node->open_only_here_found = 0;
        any |= is_leaving(node);
    }
    if (any)
        d->round = (struct round){.phase = PHASE_OPEN_FILES};
    else
        d->open_last.count = 0;
}

bool drain_tick(struct drain *d, int64_t now_ms, int64_t mono_ms, size_t budget)
{
    if (mono_ms >= d->next_ms) {
        d->next_ms = mono_ms + d->settings.interval_ms;
        d->visited = 0;
        expire_maintenance(d, now_ms);
        if (d->round.phase == PHASE_IDLE)
            begin_round(d);
    }
    uint32_t left = d->settings.blocks_per_interval - d->visited;
    if (left < budget)
        budget = left;
    while (budget > 0 && d->round.phase != PHASE_IDLE) {
        size_t visited = d->round.phase == PHASE_OPEN_FILES ? look_at_open_files(d, budget)
                                                            : look_at_nodes(d, budget);
        if (visited > budget)
            visited = budget;
        budget -= visited;
        d->visited += (uint32_t)visited;
    }
    return d->round.phase != PHASE_IDLE && d->visited < d->settings.blocks_per_interval;
}
