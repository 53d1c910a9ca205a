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
    d->round.seek = d->round.node = d->round.tried = 0;
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
    if (!has_reported(d, node))
        return false;
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

/* The next node, by its number; those that are dead have no hurry when not all can be looked at. */
static bool takes_node(const struct drain *d, const struct node *node)
{
    uint32_t max = d->settings.max_tracked;
    return is_leaving(node) && (max == 0 || d->round.tried < max || !node->alive);
}

/* Goes on to the next node, or as far as the budget allows, or ends the round. */
static size_t seek_node(struct drain *d, size_t budget)
{
    struct round *r = &d->round;
    size_t visited = 0;
    while (visited < budget) {
        uint32_t i = ++r->seek;
        if (i > nodes_count(d->nodes)) {
            end_round(d);
            break;
        }
        visited += i % NODES_A_VISIT == 0;
        const struct node *node = nodes_at(d->nodes, i);
        if (!takes_node(d, node))
            continue;
        begin_node(d, i);
        r->tried -= !node->alive;
        break;
    }
    return visited;
}

/* Some blocks of the node that is looked at; behind its last one the node is judged. */
static size_t look_at_node(struct drain *d, size_t budget)
{
    handle_t list[STEP];
    size_t count = 0;
    struct round *r = &d->round;
    if (r->walk.storage != 0 && !r->spoiled)
        count = blocks_walk_next(d->blocks, &r->walk, list, budget < STEP ? budget : STEP);
    for (size_t i = 0; i < count; i++)
        look_at_block(d, list[i]);
    if (count > 0)
        return count;
    uint32_t next = r->walk.storage == 0 ? 0 : nodes_storage(d->nodes, r->walk.storage)->next;
    if (next != 0 && !r->spoiled) {
        r->walk = blocks_walk(d->blocks, next);
    } else {
        end_node(d);
        r->node = 0;
    }
    return 1;
}

/* ---- time ---- */

static size_t look_at_begin(struct drain *d, size_t budget)
{
    struct round *r = &d->round;
    size_t visited = 0;
    for (; visited < budget && r->seek < nodes_count(d->nodes);) {
        struct node *node = nodes_at_mut(d->nodes, ++r->seek);
        node->open_found = node->open_only_here_found = 0;
        r->any |= is_leaving(node);
        visited += r->seek % NODES_A_VISIT == 0;
    }
    if (r->seek < nodes_count(d->nodes))
        return visited;
    if (!r->any)
        d->open_last.count = 0;
    *r = (struct round){.phase = r->any ? PHASE_OPEN_FILES : PHASE_IDLE};
    return visited;
}

static size_t look(struct drain *d, size_t budget)
{
    switch (d->round.phase) {
    case PHASE_BEGIN:
        return look_at_begin(d, budget);
    case PHASE_OPEN_FILES:
        return look_at_open_files(d, budget);
    default:
        return d->round.node == 0 ? seek_node(d, budget) : look_at_node(d, budget);
    }
}

bool drain_tick(struct drain *d, int64_t now_ms, int64_t mono_ms, size_t budget)
{
    if (mono_ms >= d->next_ms) {
        d->next_ms = mono_ms + d->settings.interval_ms;
        d->visited = 0;
        d->expiring = 1;
        if (d->round.phase == PHASE_IDLE)
            d->round = (struct round){.phase = PHASE_BEGIN};
    }
    size_t expired = expire_maintenance(d, now_ms, budget);
    budget -= expired < budget ? expired : budget;
    uint32_t left = d->settings.blocks_per_interval - d->visited;
    if (left < budget)
        budget = left;
    while (budget > 0 && d->round.phase != PHASE_IDLE) {
        size_t visited = look(d, budget);
        if (visited > budget)
            visited = budget;
        budget -= visited;
        d->visited += (uint32_t)visited;
    }
    return d->expiring != 0 ||
           (d->round.phase != PHASE_IDLE && d->visited < d->settings.blocks_per_interval);
}
