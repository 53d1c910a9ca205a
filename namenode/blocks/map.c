/* map.c - the block records. See blocks.h.
 * Thread: state. Owns the pool of records, the side records, and the map by id.
 * Invariants: (1) a record whose state isn't NONE is in by_id and counted in total; (2) a removed
 * block is NONE at once, its replicas may stay in the storage lists until its turn in `doomed`;
 * (3) complete_count counts the COMPLETE ones. */
#include <stdlib.h>

#include "namenode/blocks/internal.h"

void blocks_settings_defaults(struct blocks_settings *s)
{
    *s = (struct blocks_settings){
        .replication_min = 1,
        .replication_max = 512,
        .redundancy_interval_ms = 3000,
        .work_multiplier = 2,
        .max_streams = 2,
        .max_streams_hard = 4,
        .pending_timeout_ms = 300000,
        .safemode_threshold = 0.999,
        .safemode_extension_ms = 30000,
        .maintenance_min = 1,
        .replication_default = 3,
        .invalidate_share = 0.32,
    };
    place_settings_defaults(&s->place);
}

static uint64_t block_id_of(const void *owner, handle_t h)
{
    const struct block *blk = pool_at(owner, h);
    return blk->id;
}

int blocks_new(const struct blocks_settings *settings, struct nodes *nodes,
               struct blocks **ret_blocks)
{
    struct blocks *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return ERR_NO_MEMORY;
    b->settings = *settings;
    if (b->settings.safemode_replication == 0)
        b->settings.safemode_replication = settings->replication_min;
    b->nodes = nodes;
    b->place_groups = b->settings.place;
    b->place_groups.rule = PLACE_BY_RACKS;
    b->safemode.startup = SAFEMODE_PENDING; /* until blocks_start looks */
    pool_init(&b->pool, sizeof(struct block));
    pool_init(&b->sides, sizeof(struct side));
    idmap_init(&b->by_id, block_id_of, &b->pool);
    *ret_blocks = b;
    return 0;
}

static void side_fini(struct side *side)
{
    free(side->many);
    free(side->notes);
    construction_free(side->construction);
}

void blocks_free(struct blocks *b)
{
    if (b == NULL)
        return;
    for (handle_t h = 1; h <= b->pool.used; h++)
        if (block_at(b, h)->state != BLOCK_NONE && block_at(b, h)->side != 0)
            side_fini(side_of(b, block_at(b, h)));
    for (size_t i = 0; i < b->doomed.count; i++) {
        struct block *blk = block_at(b, b->doomed.at[b->doomed.head + i]);
        if (blk->side != 0)
            side_fini(side_of(b, blk));
    }
    for (uint32_t s = 0; s < b->storage_capacity; s++) {
        if (b->storages[s].report != NULL)
            report_void(b->storages[s].report);
        free(b->storages[s].at);
    }
    for (struct pending *p = b->pendings, *next; p != NULL; p = next) {
        next = p->next;
        free(p);
    }
    for (int q = 0; q < Q_COUNT; q++)
        free(b->queues[q].at);
    free(b->storages);
    free(b->doomed.at);
    free(b->completed.at);
    idmap_fini(&b->by_id);
    pool_fini(&b->pool);
    pool_fini(&b->sides);
    free(b);
}

const struct blocks_settings *blocks_settings_get(const struct blocks *b)
{
    return &b->settings;
}

void blocks_configure(struct blocks *b, const struct blocks_settings *settings)
{
    b->settings = *settings;
    b->place_groups = settings->place;
    b->place_groups.rule = PLACE_BY_RACKS;
    if (b->settings.safemode_replication == 0)
        b->settings.safemode_replication = settings->replication_min;
}

/* ---- side records ---- */

struct side *side_need(struct blocks *b, struct block *blk)
{
    if (blk->side == 0)
        blk->side = pool_take(&b->sides);
    return side_of(b, blk);
}

void side_trim(struct blocks *b, struct block *blk)
{
    struct side *side = side_of(b, blk);
    if (side == NULL || side->many != NULL || side->construction != NULL || side->notes != NULL ||
        side->pending != NULL)
        return;
    pool_give(&b->sides, blk->side);
    blk->side = 0;
}

/* ---- queues of handles ---- */

bool fifo_push(struct handle_fifo *f, handle_t h)
{
    if (f->head > 0 && f->head + f->count == f->capacity) {
        memmove(f->at, f->at + f->head, f->count * sizeof(*f->at));
        f->head = 0;
    }
    if (f->count == f->capacity) {
        size_t capacity = f->capacity == 0 ? 64 : f->capacity * 2;
        handle_t *at = realloc(f->at, capacity * sizeof(*at));
        if (at == NULL)
            return false;
        f->at = at;
        f->capacity = capacity;
    }
    f->at[f->head + f->count++] = h;
    return true;
}

handle_t fifo_pop(struct handle_fifo *f)
{
    if (f->count == 0)
        return 0;
    handle_t h = f->at[f->head++];
    if (--f->count == 0)
        f->head = 0;
    return h;
}

/* ---- records ---- */

#define MAY(state) (1u << BLOCK_##state)

/* Moves that a block may make; NONE is left by blocks_add and entered by removal. */
static const unsigned block_moves[] = {
    [BLOCK_NONE] = MAY(UNDER_CONSTRUCTION) | MAY(COMMITTED) | MAY(COMPLETE),
    [BLOCK_UNDER_CONSTRUCTION] = MAY(UNDER_RECOVERY) | MAY(COMMITTED) | MAY(COMPLETE) | MAY(NONE),
    [BLOCK_UNDER_RECOVERY] = MAY(UNDER_CONSTRUCTION) | MAY(COMMITTED) | MAY(COMPLETE) | MAY(NONE),
    [BLOCK_COMMITTED] = MAY(UNDER_RECOVERY) | MAY(COMPLETE) | MAY(NONE),
    [BLOCK_COMPLETE] = MAY(UNDER_CONSTRUCTION) | MAY(NONE),
};

void blocks_policy_from(struct blocks *b, block_policy_fn policy, void *ctx)
{
    b->policy_of = policy;
    b->policy_ctx = ctx;
}

void blocks_watch(struct blocks *b, block_watch_fn changed, void *ctx)
{
    b->changed = changed;
    b->changed_ctx = ctx;
}

static void tell(const struct blocks *b, const struct block *blk, uint64_t old_length,
                 bool was_complete)
{
    bool is_complete = blk->state == BLOCK_COMPLETE;
    if (b->changed != NULL && blk->owner != 0 &&
        (old_length != blk->length || was_complete != is_complete))
        b->changed(b->changed_ctx, blk->owner, old_length, was_complete, blk->length, is_complete);
}

void set_length(struct blocks *b, struct block *blk, uint64_t length)
{
    uint64_t old_length = blk->length;
    blk->length = length;
    tell(b, blk, old_length, blk->state == BLOCK_COMPLETE);
}

/* The only place that moves a block. */
void set_state(struct blocks *b, struct block *blk, enum block_state state)
{
    if (blk->state == state)
        return;
    CHECK(block_moves[blk->state] & (1u << state));
    bool lives_on = blk->state != BLOCK_NONE && state != BLOCK_NONE;
    bool was_complete = blk->state == BLOCK_COMPLETE;
    b->complete_count -= blk->state == BLOCK_COMPLETE;
    b->complete_count += state == BLOCK_COMPLETE;
    blk->state = state & 7u;
    if (lives_on)
        tell(b, blk, blk->length, was_complete);
}

/* More than REPLICAS_MAX would never be recorded anyway; images of others may say so. */
static uint32_t clamp_replication(uint32_t replication)
{
    return replication < REPLICAS_MAX ? replication : REPLICAS_MAX;
}

int blocks_add(struct blocks *b, const struct block_info *info, handle_t *ret_block)
{
    CHECK(idmap_find(&b->by_id, info->id) == 0);
    handle_t h = pool_take(&b->pool);
    if (h == 0)
        return ERR_NO_MEMORY;
    struct block *blk = block_at(b, h);
    blk->id = info->id;
    if (idmap_put(&b->by_id, info->id, h) != 0) {
        pool_give(&b->pool, h);
        return ERR_NO_MEMORY;
    }
    blk->generation_stamp = info->generation_stamp;
    blk->length = info->length;
    blk->owner = info->owner;
    blk->striped = info->ec != 0;
    blk->replication = info->ec != 0 ? info->ec : clamp_replication(info->replication) & 1023u;
    set_state(b, blk, info->state);
    b->total++;
    b->group_count += blk->striped;
    block_refresh(b, h);
    *ret_block = h;
    return 0;
}

handle_t blocks_find(const struct blocks *b, uint64_t id)
{
    return idmap_find(&b->by_id, id);
}

static struct block *known(const struct blocks *b, handle_t h)
{
    CHECK(h != 0 && h <= b->pool.used);
    struct block *blk = block_at(b, h);
    CHECK(blk->state != BLOCK_NONE);
    return blk;
}

void blocks_get(const struct blocks *b, handle_t block, struct block_info *ret)
{
    const struct block *blk = known(b, block);
    *ret = (struct block_info){.id = blk->id,
                               .generation_stamp = blk->generation_stamp,
                               .length = blk->length,
                               .owner = blk->owner,
                               .replication = blk->striped ? 1 : blk->replication,
                               .state = blk->state,
                               .ec = blk->striped ? (uint8_t)blk->replication : 0};
}

enum block_state blocks_state(const struct blocks *b, handle_t block)
{
    return known(b, block)->state;
}

uint64_t blocks_length(const struct blocks *b, handle_t block)
{
    return known(b, block)->length;
}

handle_t blocks_owner(const struct blocks *b, handle_t block)
{
    return known(b, block)->owner;
}

void blocks_set_length(struct blocks *b, handle_t block, uint64_t length)
{
    set_length(b, known(b, block), length);
}

void blocks_set_generation_stamp(struct blocks *b, handle_t block, uint64_t generation_stamp)
{
    known(b, block)->generation_stamp = generation_stamp;
    block_refresh(b, block);
}

void blocks_set_owner(struct blocks *b, handle_t block, handle_t owner)
{
    known(b, block)->owner = owner;
}

void blocks_set_replication(struct blocks *b, handle_t block, uint32_t replication)
{
    struct block *blk = known(b, block);
    replication = clamp_replication(replication);
    if (blk->striped || blk->replication == replication)
        return;
    queue_leave(b, blk); /* its counters depend on the replication it was queued with */
    blk->replication = replication & 1023u;
    if (blk->side != 0 && side_of(b, blk)->pending != NULL)
        pending_drop(b, blk);
    block_refresh(b, block);
}

/* ---- removal ---- */

/* The record becomes nameless; keeps (1) and (2). */
static void doom(struct blocks *b, handle_t h)
{
    struct block *blk = known(b, h);
    queue_leave(b, blk);
    b->safe_count -= blk->safe;
    b->corrupt_count -= blk->has_corrupt;
    b->corrupt_groups -= blk->has_corrupt && blk->striped;
    blk->safe = blk->has_corrupt = 0;
    pending_drop(b, blk);
    recovery_drop(b, blk);
    idmap_remove(&b->by_id, blk->id);
    set_state(b, blk, BLOCK_NONE);
    b->total--;
    b->group_count -= blk->striped;
}

static void order_delete(struct blocks *b, uint32_t storage, struct node_block order)
{
    uint32_t node = nodes_storage(b->nodes, storage)->node;
    if (nodes_at(b->nodes, node)->alive) /* else its next full report will name an unknown block */
        (void)nodes_order_invalidate(b->nodes, node, order);
}

size_t block_dispose(struct blocks *b, handle_t h)
{
    struct block *blk = block_at(b, h);
    size_t visited = 1;
    const struct side *side = side_of(b, blk);
    const struct construction *c = side == NULL ? NULL : side->construction;
    for (uint32_t i = 0; c != NULL && i < c->count; i++)
        if (c->expected[i].reported)
            order_delete(b, c->expected[i].storage,
                         (struct node_block){internal_id(blk, c->expected[i].index),
                                             c->expected[i].generation_stamp,
                                             c->expected[i].length});
    for (; blk->replica_count > 0; visited++) {
        struct replica *r = &replicas_of(b, blk)[blk->replica_count - 1];
        order_delete(b, replica_storage(r), replica_order(b, blk, r));
        block_replica_remove(b, h, replica_spot(r));
    }
    if (blk->side != 0) {
        side_fini(side_of(b, blk));
        pool_give(&b->sides, blk->side);
    }
    pool_give(&b->pool, h);
    return visited;
}

void blocks_remove(struct blocks *b, handle_t block)
{
    doom(b, block);
    block_dispose(b, block);
}

void blocks_remove_list(struct blocks *b, const handle_t *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        doom(b, blocks[i]);
        if (!fifo_push(&b->doomed, blocks[i]))
            block_dispose(b, blocks[i]);
    }
}

handle_t blocks_take_completed(struct blocks *b)
{
    handle_t h;
    while ((h = fifo_pop(&b->completed)) != 0)
        if (block_at(b, h)->state ==
            BLOCK_COMPLETE) /* it may have been removed or reopened since */
            return h;
    return 0;
}

/* ---- sums ---- */

static void sum_queues(const struct blocks *b, struct blocks_stats *ret)
{
    for (int q = Q_HIGHEST; q <= Q_MISSING; q++) {
        ret->low_redundancy += b->queues[q].count;
        ret->groups.low_redundancy += b->queues[q].groups;
    }
    ret->groups.blocks = b->group_count;
    ret->groups.missing = b->queues[Q_MISSING].groups;
    ret->groups.corrupt = b->corrupt_groups;
    ret->groups.highest_priority = b->queues[Q_HIGHEST].groups;
    ret->groups.badly_distributed = b->queues[Q_BADLY].groups;
    ret->groups.future_bytes = b->future_group_bytes;
}

void blocks_stats(const struct blocks *b, struct blocks_stats *ret)
{
    *ret = (struct blocks_stats){
        .blocks = b->total,
        .complete = b->complete_count,
        .under_construction = b->total - b->complete_count,
        .missing = b->queues[Q_MISSING].count,
        .missing_replication_one = b->missing_one_count,
        .corrupt = b->corrupt_count,
        .highest_priority = b->queues[Q_HIGHEST].count,
        .badly_distributed = b->queues[Q_BADLY].count,
        .pending = b->pending_count,
        .pending_deletion = b->doomed.count,
        .excess = b->excess_count,
        .postponed = b->queues[Q_EXTRA].count,
        .safe = b->safe_count,
        .future_bytes = b->future_bytes,
        .queues_ready = b->populating && b->scan_cursor == 0,
    };
    sum_queues(b, ret);
    for (uint32_t s = 1; s <= nodes_storage_count(b->nodes); s++)
        ret->scheduled += node_storage_scheduled(nodes_storage(b->nodes, s));
    for (uint32_t i = 1; i <= nodes_count(b->nodes); i++) {
        ret->pending_deletion += nodes_at(b->nodes, i)->invalid_count;
        ret->groups.pending_deletion += nodes_at(b->nodes, i)->invalid_internal;
    }
    ret->bytes_of_records = pool_bytes(&b->pool) + pool_bytes(&b->sides) + idmap_bytes(&b->by_id);
    for (uint32_t s = 0; s < b->storage_capacity; s++)
        ret->bytes_of_records += b->storages[s].capacity * sizeof(handle_t);
}

size_t blocks_list_missing(const struct blocks *b, uint32_t *cursor, handle_t *ret_blocks,
                           size_t max)
{
    const struct queue *q = &b->queues[Q_MISSING];
    size_t count = 0;
    while (count < max && *cursor < q->count)
        ret_blocks[count++] = q->at[(*cursor)++];
    return count;
}

size_t blocks_list_storage(const struct blocks *b, uint32_t storage, uint32_t *cursor,
                           handle_t *ret_blocks, size_t max)
{
    size_t count = 0;
    if (storage >= b->storage_capacity)
        return 0;
    const struct storage_list *list = &b->storages[storage];
    for (; count < max && *cursor < list->count; ++*cursor) {
        handle_t h = list->at[*cursor];
        if (block_at(b, h)->state != BLOCK_NONE)
            ret_blocks[count++] = h;
    }
    return count;
}
