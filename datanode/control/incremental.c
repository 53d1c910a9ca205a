/* incremental.c - single events of replicas, told to a NameNode in order and until it has them.
 * The queue is bounded: when it is full (a NameNode that is away for long), it is dropped and a
 * full report follows. */
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/control/internal.h"

enum { BATCH = 10000 };

void queue_fini(struct event_queue *q)
{
    free(q->items);
    *q = (struct event_queue){0};
}

static void overflow(struct event_queue *q)
{
    q->count = 0;
    q->urgent = false;
    q->overflown = true;
}

void queue_add(struct event_queue *q, const struct event *e)
{
    if (q->overflown)
        return; /* the full report will have it */
    if (q->count == q->capacity) {
        size_t capacity = q->capacity == 0 ? 64 : q->capacity * 2;
        struct event *items =
            capacity > QUEUE_LIMIT ? NULL : realloc(q->items, capacity * sizeof(*items));
        if (items == NULL) {
            overflow(q);
            return;
        }
        q->items = items;
        q->capacity = capacity;
    }
    q->items[q->count++] = *e;
    q->urgent |= e->what == STORE_RECEIVED;
}

static Dp__ReceivedDeletedBlockInfo *event_message(struct arena *arena, const struct event *e)
{
    static const Dp__ReceivedDeletedBlockInfo init = DP__RECEIVED_DELETED_BLOCK_INFO__INIT;
    static const Hdfs__Block block_init = HDFS__BLOCK__INIT;
    static const Dp__ReceivedDeletedBlockInfo__BlockStatus status[] = {
        [STORE_RECEIVING] = DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING,
        [STORE_RECEIVED] = DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVED,
        [STORE_REMOVED] = DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED,
    };
    Dp__ReceivedDeletedBlockInfo *info = arena_new(arena, Dp__ReceivedDeletedBlockInfo);
    Hdfs__Block *block = arena_new(arena, Hdfs__Block);
    if (info == NULL || block == NULL)
        return NULL;
    *info = init;
    *block = block_init;
    block->block_id = e->block.id;
    block->gen_stamp = e->block.gen_stamp;
    block->has_num_bytes = true;
    block->num_bytes = e->block.length;
    info->block = block;
    info->status = status[e->what];
    if (e->instead_of[0] != '\0')
        info->delete_hint = (char *)(uintptr_t)e->instead_of;
    return info;
}

/* The events of one storage, in order. */
static Dp__StorageReceivedDeletedBlocks *
storage_events(struct arena *arena, const struct event *items, size_t count, const struct event *of)
{
    static const Dp__StorageReceivedDeletedBlocks init = DP__STORAGE_RECEIVED_DELETED_BLOCKS__INIT;
    Dp__StorageReceivedDeletedBlocks *s = arena_new(arena, Dp__StorageReceivedDeletedBlocks);
    if (s == NULL)
        return NULL;
    *s = init;
    s->storage_uuid = (char *)(uintptr_t)of->storage_id;
    s->storage = storage_message(arena, of->storage_id, of->type);
    s->blocks = arena_array(arena, Dp__ReceivedDeletedBlockInfo *, count);
    if (s->storage == NULL || s->blocks == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (items[i].storage_id != of->storage_id)
            continue;
        Dp__ReceivedDeletedBlockInfo *info = event_message(arena, &items[i]);
        if (info == NULL)
            return NULL;
        s->blocks[s->n_blocks++] = info;
    }
    return s;
}

static int build(struct actor *a, Dp__BlockReceivedAndDeletedRequest *request, struct arena *arena,
                 const struct event *items, size_t count, struct err *err)
{
    request->registration = actor_registration(a, arena);
    request->block_pool_id = (char *)(uintptr_t)pool_id(a->pool);
    request->blocks = arena_array(arena, Dp__StorageReceivedDeletedBlocks *, STORE_MAX_VOLUMES);
    if (request->registration == NULL || request->blocks == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for an incremental report");
    size_t storages = 0;
    for (size_t i = 0; i < count && storages < STORE_MAX_VOLUMES; i++) {
        bool known = false; /* few storages: look at those that are there */
        for (size_t k = 0; k < storages && !known; k++)
            known = request->blocks[k]->storage_uuid == items[i].storage_id;
        if (known)
            continue;
        request->blocks[storages] = storage_events(arena, items, count, &items[i]);
        if (request->blocks[storages++] == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for an incremental report");
    }
    request->n_blocks = storages;
    return 0;
}

static int send_batch(struct actor *a, const struct event *items, size_t count, struct err *err)
{
    Dp__BlockReceivedAndDeletedRequest request = DP__BLOCK_RECEIVED_AND_DELETED_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, CALL_MEMORY);
    int rc = build(a, &request, &arena, items, count, err);
    if (rc == 0)
        rc = actor_call(a, DATANODE_blockReceivedAndDeleted, &request.base, &arena, &m, err);
    arena_fini(&arena);
    return rc;
}

/* What could not be sent goes before what came meanwhile. */
static void put_back(struct actor *a, struct event_queue *old, size_t from)
{
    struct event_queue merged = {0};
    for (size_t i = from; i < old->count; i++)
        queue_add(&merged, &old->items[i]);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->queue.count; i++)
        queue_add(&merged, &a->queue.items[i]);
    merged.overflown |= a->queue.overflown;
    struct event_queue drop = a->queue;
    a->queue = merged;
    pthread_mutex_unlock(&a->lock);
    queue_fini(&drop);
}

int incremental_send(struct actor *a, struct err *err)
{
    pthread_mutex_lock(&a->lock);
    struct event_queue q = a->queue;
    a->queue = (struct event_queue){.overflown = q.overflown};
    pthread_mutex_unlock(&a->lock);
    int rc = 0;
    size_t at = 0;
    while (rc == 0 && at < q.count) {
        size_t n = q.count - at < BATCH ? q.count - at : BATCH;
        rc = send_batch(a, q.items + at, n, err);
        at += rc == 0 ? n : 0;
    }
    if (rc != 0)
        put_back(a, &q, at);
    queue_fini(&q);
    return rc;
}
