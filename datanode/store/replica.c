/* replica.c - the life of a replica, and the map of a pool.
 * All but the two pure functions at the top want the pool's lock.
 * Invariants: (1) a state changes only through replica_move; (2) `open` is there exactly in RBW,
 * TEMPORARY and RUR; (3) an id is in the map at most once; (4) DELETED stays in the map until its
 * files are gone, so that a new replica of the same block can't lose its files to the removal of
 * the old one.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

#define MAY(state) (1u << REPLICA_##state)

static const struct {
    const char *name;
    unsigned may;
} rules[REPLICA_STATE_COUNT] = {
    [REPLICA_FINALIZED] = {"FINALIZED", MAY(RBW) | MAY(RUR) | MAY(DELETED)},
    [REPLICA_RBW] = {"RBW", MAY(FINALIZED) | MAY(RUR) | MAY(DELETED)},
    [REPLICA_RWR] = {"RWR", MAY(RUR) | MAY(DELETED)},
    [REPLICA_RUR] = {"RUR", MAY(FINALIZED) | MAY(DELETED)},
    [REPLICA_TEMPORARY] = {"TEMPORARY", MAY(FINALIZED) | MAY(RBW) | MAY(RUR) | MAY(DELETED)},
    [REPLICA_DELETED] = {"DELETED", 0},
    [REPLICA_NONE] = {"NONE", MAY(FINALIZED) | MAY(RBW) | MAY(RWR) | MAY(TEMPORARY)},
};

const char *replica_state_name(enum replica_state state)
{
    return state < REPLICA_STATE_COUNT ? rules[state].name : "?";
}

bool replica_may_move(enum replica_state from, enum replica_state to)
{
    return (rules[from].may & 1u << to) != 0;
}

static uint64_t id_of(const void *owner, handle_t h)
{
    return ((const struct replica *)pool_at(owner, h))->id;
}

void pool_map_init(struct block_pool *p)
{
    pool_init(&p->replicas, sizeof(struct replica));
    idmap_init(&p->map, id_of, &p->replicas);
}

struct replica *replica_find(const struct block_pool *p, uint64_t id)
{
    handle_t h = idmap_find(&p->map, id);
    return h == 0 ? NULL : pool_at(&p->replicas, h);
}

int replica_insert(struct block_pool *p, const struct replica *r, struct replica **ret,
                   struct err *err)
{
    CHECK(replica_find(p, r->id) == NULL);
    CHECK((r->open != NULL) == (r->state == REPLICA_RBW || r->state == REPLICA_TEMPORARY));
    handle_t h = pool_take(&p->replicas);
    if (h == 0)
        return fail(err, ERR_NO_MEMORY, "no memory for another replica");
    struct replica *slot = pool_at(&p->replicas, h);
    *slot = *r;
    if (idmap_put(&p->map, r->id, h) != 0) {
        *slot = (struct replica){.state = REPLICA_NONE};
        pool_give(&p->replicas, h);
        return fail(err, ERR_NO_MEMORY, "no memory for another replica");
    }
    p->count++;
    atomic_fetch_add(&p->store->volumes[r->volume].replicas, 1);
    atomic_fetch_add(&p->used[r->volume], layout_used(r->length));
    *ret = slot;
    return 0;
}

void replica_move(struct replica *r, enum replica_state to)
{
    CHECK(replica_may_move(r->state, to));
    r->state = (uint8_t)to;
    if (to != REPLICA_RBW && to != REPLICA_RUR) {
        free(r->open);
        r->open = NULL;
    }
}

enum place replica_place(const struct replica *r)
{
    return place_of((enum replica_state)(r->state == REPLICA_RUR ? r->open->original : r->state));
}

bool replica_in_use(const struct replica *r)
{
    return r->open != NULL && (r->open->busy || r->open->data_fd >= 0);
}

void replica_forget(struct block_pool *p, struct replica *r)
{
    handle_t h = idmap_find(&p->map, r->id);
    CHECK(h != 0 && pool_at(&p->replicas, h) == (void *)r);
    atomic_fetch_sub(&p->used[r->volume], layout_used(r->length));
    atomic_fetch_sub(&p->store->volumes[r->volume].replicas, 1);
    idmap_remove(&p->map, r->id);
    free(r->open);
    *r = (struct replica){.state = REPLICA_NONE};
    pool_give(&p->replicas, h);
    p->count--;
}

struct replica_open *replica_open_new(struct crc_kind kind, uint64_t reserved)
{
    struct replica_open *o = calloc(1, sizeof(*o));
    if (o != NULL)
        *o =
            (struct replica_open){.data_fd = -1, .meta_fd = -1, .kind = kind, .reserved = reserved};
    return o;
}

void pool_tell(const struct block_pool *p, enum store_event event, const struct volume *v,
               const struct block *block)
{
    if (p->store->listener != NULL)
        p->store->listener(p->store->listener_ctx, event, p->id, v->storage_id, v->type, block);
}

/* Every slot that was ever taken is looked at; free ones are REPLICA_NONE. */
size_t pool_list(struct block_pool *p, uint32_t *cursor, struct replica_info *out, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&p->lock);
    while (*cursor < p->replicas.used && count < max) {
        const struct replica *r = pool_at(&p->replicas, ++*cursor);
        if (r->state == REPLICA_NONE || r->state == REPLICA_DELETED)
            continue;
        enum replica_state state = (enum replica_state)r->state;
        if (state == REPLICA_RUR) /* for the NameNode it is what it was, or it would be corrupt */
            state = (enum replica_state)r->open->original;
        out[count++] = (struct replica_info){{r->id, r->gen_stamp, r->length}, state, r->volume};
    }
    pthread_mutex_unlock(&p->lock);
    return count;
}

uint64_t pool_replicas(struct block_pool *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t count = p->count;
    pthread_mutex_unlock(&p->lock);
    return count;
}

void pool_drop_volume(struct block_pool *p, const struct volume *v)
{
    uint64_t lost = 0;
    pthread_mutex_lock(&p->lock);
    for (handle_t h = 1; h <= p->replicas.used; h++) {
        struct replica *r = pool_at(&p->replicas, h);
        if (r->state == REPLICA_NONE || r->volume != v->index)
            continue;
        replica_forget(p, r);
        lost++;
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    log_error("replicas of a failed volume are gone pool=%s volume=%s replicas=%llu", p->id,
              v->path, (unsigned long long)lost);
}

static void unlink_logged(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        log_limited(LOG_WARN, "a file of a removed replica stays path=%s error=%s", path,
                    log_quote(strerror(errno)));
}

void replica_unlink(const struct block_pool *p, const struct volume *v, enum place place,
                    const struct block *block)
{
    struct store_path path;
    layout_data(&path, v, p->id, place,
                block->id); /* data first: a checksum file alone is litter */
    unlink_logged(path.text);
    layout_meta(&path, v, p->id, place, block->id, block->gen_stamp);
    unlink_logged(path.text);
    if (place == PLACE_RBW) {
        layout_tail(&path, v, p->id, block->id);
        unlink_logged(path.text);
    }
}

struct removal {
    struct block_pool *pool;
    struct volume *volume;
    struct block block;
    enum place place;
    bool quiet;
};

static void run_removal(void *arg)
{
    struct removal *x = arg;
    replica_unlink(x->pool, x->volume, x->place, &x->block);
    pthread_mutex_lock(&x->pool->lock);
    struct replica *r = replica_find(x->pool, x->block.id);
    bool ours = r != NULL && r->state == REPLICA_DELETED && r->gen_stamp == x->block.gen_stamp;
    if (ours)
        replica_forget(x->pool, r);
    pthread_mutex_unlock(&x->pool->lock);
    metric_add(METRIC_blocks_deleted, 1);
    if (ours && !x->quiet)
        pool_tell(x->pool, STORE_REMOVED, x->volume, &x->block);
    free(x);
}

int replica_remove(struct block_pool *p, uint64_t id, uint64_t gen_stamp, bool quiet,
                   struct err *err)
{
    struct removal *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to remove a replica");
    pthread_mutex_lock(&p->lock);
    struct replica *r = replica_find(p, id);
    bool found = r != NULL && r->state != REPLICA_DELETED && r->gen_stamp == gen_stamp;
    if (found) {
        *x = (struct removal){
            p, &p->store->volumes[r->volume], {id, gen_stamp, r->length}, replica_place(r), quiet};
        if (r->open != NULL)
            atomic_fetch_sub(&x->volume->reserved_open, (int64_t)r->open->reserved);
        replica_move(r, REPLICA_DELETED);
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    if (!found) {
        free(x);
        return fail(err, ERR_NO_REPLICA, "no replica blk_%lld_%llu to remove", (long long)id,
                    (unsigned long long)gen_stamp);
    }
    if (workers_submit(x->volume->remover, run_removal, x, 1u << 20) != 0)
        run_removal(x); /* a million wait already: the caller is slowed down */
    return 0;
}
