/* replica.c - the life of a replica, and the map of a pool.
 * All but the two pure functions at the top want the pool's lock.
 * Invariants: (1) a state changes only through replica_move; (2) `open` is there exactly in RBW,
 * TEMPORARY and RUR; (3) an id is in the map at most once; (4) DELETED stays in the map until its
 * files are gone, so that a new replica of the same block can't lose its files to the removal of
 * the old one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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

void replica_account(struct block_pool *p, size_t slot, int64_t bytes)
{
    atomic_fetch_add(&p->used[slot], bytes);
    atomic_fetch_add(&store_volume(p->store, slot)->used, bytes);
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
    atomic_fetch_add(&store_volume(p->store, r->volume)->replicas, 1);
    replica_account(p, r->volume, layout_used(r->length));
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

enum place place_of(enum replica_state state)
{
    switch (state) {
    case REPLICA_FINALIZED:
        return PLACE_FINALIZED;
    case REPLICA_TEMPORARY:
        return PLACE_TMP;
    default:
        return PLACE_RBW;
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
    replica_account(p, r->volume, -layout_used(r->length));
    atomic_fetch_sub(&store_volume(p->store, r->volume)->replicas, 1);
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

void pool_tell_moved(const struct block_pool *p, enum store_event event, const struct volume *v,
                     const struct block *block, const char *instead_of)
{
    if (p->store->listener != NULL)
        p->store->listener(p->store->listener_ctx, event, p->id, v->storage_id, v->type, block,
                           instead_of);
}

void pool_tell(const struct block_pool *p, enum store_event event, const struct volume *v,
               const struct block *block)
{
    pool_tell_moved(p, event, v, block, NULL);
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

/* With the lock, from *h on: up to `max` records of the volume go. */
static size_t drop_some(struct block_pool *p, const struct volume *v, handle_t *h,
                        struct block *out, size_t max)
{
    size_t count = 0;
    for (; *h <= p->replicas.used && count < max; ++*h) {
        struct replica *r = pool_at(&p->replicas, *h);
        if (r->state == REPLICA_NONE || r->volume != v->index)
            continue;
        if (r->open != NULL && r->open->stop != NULL)
            r->open->stop(r->open->stop_ctx);
        out[count++] = (struct block){r->id, r->gen_stamp, r->length};
        replica_forget(p, r);
    }
    return count;
}

void pool_drop_volume(struct block_pool *p, const struct volume *v, bool tell)
{
    enum { SLICE = 256 };
    struct block gone[SLICE];
    uint64_t lost = 0;
    handle_t h = 1;
    for (size_t n = SLICE; n == SLICE; lost += n) { /* nothing new comes: it works no more */
        pthread_mutex_lock(&p->lock);
        n = drop_some(p, v, &h, gone, SLICE);
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        for (size_t i = 0; tell && i < n; i++)
            pool_tell(p, STORE_REMOVED, v, &gone[i]);
    }
    log_warn("the replicas of a volume are gone pool=%s volume=%s replicas=%llu", p->id, v->path,
             (unsigned long long)lost);
}

void pool_evict_writers(struct block_pool *p)
{
    pthread_mutex_lock(&p->lock);
    for (handle_t h = 1; h <= p->replicas.used; h++) {
        const struct replica *r = pool_at(&p->replicas, h);
        if (r->state != REPLICA_NONE && r->open != NULL && r->open->stop != NULL)
            r->open->stop(r->open->stop_ctx);
    }
    pthread_mutex_unlock(&p->lock);
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

/* With the lock: the record as it was when the files were looked at, or NULL. */
static struct replica *still(const struct block_pool *p, const struct replica_info *known)
{
    struct replica *r = replica_find(p, known->block.id);
    bool same = r != NULL && r->state == REPLICA_FINALIZED && r->volume == known->volume &&
                r->gen_stamp == known->block.gen_stamp && r->length == known->block.length;
    return same ? r : NULL;
}

struct removal {
    struct block_pool *pool;
    struct volume *volume;
    struct block block;
    enum place place;
    bool quiet;
};

/* Doesn't need the volume's threads, only its memory. */
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

/* With the lock, so the volume's thread is there: a volume that leaves takes its records first.
 * False: a million wait already, the caller has to do it without the lock. */
static bool begin_removal(struct block_pool *p, struct replica *r, bool quiet, struct removal *x)
{
    *x = (struct removal){p,
                          store_volume(p->store, r->volume),
                          {r->id, r->gen_stamp, r->length},
                          replica_place(r),
                          quiet};
    if (r->open != NULL)
        atomic_fetch_sub(&x->volume->reserved_open, (int64_t)r->open->reserved);
    replica_move(r, REPLICA_DELETED);
    pthread_cond_broadcast(&p->changed);
    return workers_submit(x->volume->remover, run_removal, x, 1u << 20) == 0;
}

/* With the lock, by names that were just looked at: is the data file there? */
static bool has_data(const struct block_pool *p, const struct replica *r, struct stat *st)
{
    struct store_path path;
    layout_data(&path, store_volume(p->store, r->volume), p->id, PLACE_FINALIZED, r->id);
    return lstat(path.text, st) == 0;
}

/* With the lock. */
static bool files_fit(const struct block_pool *p, const struct replica *r)
{
    struct store_path path;
    struct stat st;
    layout_meta(&path, store_volume(p->store, r->volume), p->id, PLACE_FINALIZED, r->id,
                r->gen_stamp);
    return has_data(p, r, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == r->length &&
           access(path.text, F_OK) == 0;
}

/* `known`: only if the record still says that and there is no data; NULL: whatever it says. */
static int remove_record(struct block_pool *p, uint64_t id, uint64_t gen_stamp,
                         const struct replica_info *known, bool quiet, struct err *err)
{
    struct stat st;
    struct removal *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to remove a replica");
    pthread_mutex_lock(&p->lock);
    struct replica *r = known != NULL ? still(p, known) : replica_find(p, id);
    if (r != NULL && known != NULL && has_data(p, r, &st))
        r = NULL; /* moved away and back */
    bool found = r != NULL && r->state != REPLICA_DELETED && r->gen_stamp == gen_stamp;
    bool queued = found && begin_removal(p, r, quiet, x);
    pthread_mutex_unlock(&p->lock);
    if (!found) {
        free(x);
        return fail(err, ERR_NO_REPLICA, "no replica blk_%lld_%llu to remove", (long long)id,
                    (unsigned long long)gen_stamp);
    }
    if (!queued)
        run_removal(x);
    return 0;
}

int replica_remove(struct block_pool *p, uint64_t id, uint64_t gen_stamp, bool quiet,
                   struct err *err)
{
    return remove_record(p, id, gen_stamp, NULL, quiet, err);
}

/* --- to another volume of this node ---
 * The copy is made beside the map, in the temporary folder of the new volume, and read through a
 * reader, so a rotten replica is found instead of copied. Then, under the pool's lock, it gets its
 * final name and the record changes volume if it is still the same finalized replica: a writer that
 * appended or another move that was faster wins, and the copy goes.
 * Invariants: (1) the bytes of the new place are whole (and on disk, if configured) before the
 * record names it; (2) the files of the old place go after the new names are on disk: after a crash
 * in between the start-up scan finds two good replicas and keeps one; (3) only the lock's holder
 * touches finalized names here, so no file goes that the record names. */

enum { PIECE = 1 << 20 }; /* about; whole chunks */

struct relocation {
    struct block_pool *pool;
    struct replica_reader from;
    struct volume *to;
    int data_fd, meta_fd;
    uint8_t *data, *sums;
    void (*use)(void *ctx, uint64_t bytes);
    void *ctx;
};

static int create_copy(const struct store_path *path, int *ret_fd, struct err *err)
{
    *ret_fd = open(path->text, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    return *ret_fd < 0 ? fail_errno(err, "creating %s", path->text) : 0;
}

static int create_copies(struct relocation *x, struct err *err)
{
    struct store_path path;
    uint8_t header[META_HEADER_SIZE];
    struct stat st;
    const struct block *b = &x->from.block;
    layout_meta(&path, x->to, x->pool->id, PLACE_TMP, b->id, b->gen_stamp);
    TRY(create_copy(&path, &x->meta_fd, err));
    meta_header_encode(x->from.kind, header);
    TRY(file_write_full(x->meta_fd, header, sizeof(header), path.text, err));
    layout_data(&path, x->to, x->pool->id, PLACE_TMP, b->id);
    TRY(create_copy(&path, &x->data_fd, err));
    if (fstat(x->from.data_fd, &st) != 0 || fchmod(x->data_fd, st.st_mode & 07777) != 0)
        return fail_errno(err, "the mode of %s", path.text); /* it may be pinned */
    return 0;
}

static int copy_piece(struct relocation *x, uint64_t at, size_t size, struct err *err)
{
    const struct replica_reader *r = &x->from;
    size_t sums_size = crc_sums_size(r->kind, size);
    if (x->use != NULL)
        x->use(x->ctx, size);
    TRY(file_read_at(r->data_fd, x->data, size, at, "a replica", err));
    if (sums_size > 0) {
        TRY(replica_sums(r, at / r->kind.bytes_per_chunk, sums_size / 4, x->sums, err));
        TRY(crc_verify(r->kind, x->data, size, x->sums, at, err));
        TRY(file_write_full(x->meta_fd, x->sums, sums_size, "a checksum file", err));
    }
    return file_write_full(x->data_fd, x->data, size, "a replica", err);
}

static int copy_data(struct relocation *x, struct err *err)
{
    uint32_t chunk = x->from.kind.bytes_per_chunk;
    size_t piece = chunk >= PIECE ? chunk : PIECE - PIECE % chunk;
    x->data = malloc(piece);
    x->sums = malloc(crc_sums_size(x->from.kind, piece) + 4);
    if (x->data == NULL || x->sums == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to move a replica");
    for (uint64_t at = 0; at < x->from.block.length; at += piece) {
        uint64_t left = x->from.block.length - at;
        TRY(copy_piece(x, at, left < piece ? (size_t)left : piece, err));
    }
    if (x->pool->store->durable && (fdatasync(x->data_fd) != 0 || fdatasync(x->meta_fd) != 0))
        return fail_errno(err, "syncing a replica that moves");
    return 0;
}

/* From the temporary folder to the finalized one of the new volume, checksums first. */
static int rename_copies(const struct relocation *x, const char *dir, struct err *err)
{
    struct store_path from, to;
    const struct block *b = &x->from.block;
    layout_meta(&from, x->to, x->pool->id, PLACE_TMP, b->id, b->gen_stamp);
    layout_meta(&to, x->to, x->pool->id, PLACE_FINALIZED, b->id, b->gen_stamp);
    TRY(writer_rename(from.text, to.text, dir, err));
    layout_data(&from, x->to, x->pool->id, PLACE_TMP, b->id);
    layout_data(&to, x->to, x->pool->id, PLACE_FINALIZED, b->id);
    return writer_rename(from.text, to.text, dir, err);
}

/* With the lock: nothing happened to it since the copy began. */
static struct replica *unchanged(const struct relocation *x)
{
    const struct block *b = &x->from.block;
    struct replica *r = replica_find(x->pool, b->id);
    if (r == NULL || r->state != REPLICA_FINALIZED || r->gen_stamp != b->gen_stamp ||
        r->length != b->length || r->volume != x->from.volume->index)
        return NULL;
    return r;
}

static void change_volume(const struct relocation *x, struct replica *r)
{
    replica_account(x->pool, r->volume, -layout_used(r->length));
    atomic_fetch_sub(&x->from.volume->replicas, 1);
    r->volume = (uint8_t)x->to->index;
    replica_account(x->pool, r->volume, layout_used(r->length));
    atomic_fetch_add(&x->to->replicas, 1);
}

/* Names and record change together: while the record names the old volume, a finalized file of
 * that block on the new one can't be another replica that lives. */
static int publish_locked(const struct relocation *x, const char *dir, struct err *err)
{
    bool work = volume_works(x->to) && volume_works(x->from.volume);
    struct replica *r = work ? unchanged(x) : NULL;
    if (r == NULL)
        return fail(err, ERR_NO_REPLICA, "blk_%lld_%llu was changed while it was moved",
                    (long long)x->from.block.id, (unsigned long long)x->from.block.gen_stamp);
    int rc = rename_copies(x, dir, err);
    if (rc == 0)
        change_volume(x, r);
    else
        replica_unlink(x->pool, x->to, PLACE_FINALIZED, &x->from.block);
    return rc;
}

static int publish(const struct relocation *x, struct err *err)
{
    struct store_path dir;
    layout_dir(&dir, x->to, x->pool->id, PLACE_FINALIZED, x->from.block.id);
    pthread_mutex_lock(&x->pool->lock);
    int rc = publish_locked(x, dir.text, err);
    pthread_mutex_unlock(&x->pool->lock);
    return rc;
}

/* Those that this move has made: files of the same name may be somebody else's. */
static void drop_copies(const struct relocation *x)
{
    struct store_path path;
    const struct block *b = &x->from.block;
    layout_data(&path, x->to, x->pool->id, PLACE_TMP, b->id);
    if (x->data_fd >= 0)
        unlink_logged(path.text);
    layout_meta(&path, x->to, x->pool->id, PLACE_TMP, b->id, b->gen_stamp);
    if (x->meta_fd >= 0)
        unlink_logged(path.text);
}

/* Unless the record came back to their volume meanwhile. Without the new names on disk they stay
 * for the next start. */
static void drop_old_files(const struct relocation *x)
{
    struct store_path dir;
    struct err err = {0};
    layout_dir(&dir, x->to, x->pool->id, PLACE_FINALIZED, x->from.block.id);
    if (x->pool->store->durable && durable_sync_dir(dir.text, &err) != 0) {
        (void)volume_error(x->to, &err);
        return;
    }
    pthread_mutex_lock(&x->pool->lock);
    const struct replica *r = replica_find(x->pool, x->from.block.id);
    if (r == NULL || r->volume != x->from.volume->index)
        replica_unlink(x->pool, x->from.volume, PLACE_FINALIZED, &x->from.block);
    pthread_mutex_unlock(&x->pool->lock);
}

static int relocate(struct relocation *x, struct err *err)
{
    struct err own = {0};
    int rc = create_copies(x, &own);
    if (rc == 0)
        rc = copy_data(x, &own);
    if (rc == 0)
        rc = publish(x, &own);
    if (rc == 0) {
        pool_tell(x->pool, STORE_RECEIVED, x->to, &x->from.block); /* before the old files go */
        drop_old_files(x);
        return 0;
    }
    drop_copies(x);
    if (rc != ERR_CHECKSUM && rc != ERR_NO_MEMORY && rc != ERR_NO_REPLICA)
        (void)volume_error(x->to, &own);
    if (err != NULL)
        *err = own;
    return rc;
}

static int check_movable(const struct replica_reader *r, struct err *err)
{
    if (r->state == REPLICA_FINALIZED)
        return 0;
    return fail(err, ERR_NO_REPLICA, "blk_%lld_%llu is %s: only a finalized replica can be moved",
                (long long)r->block.id, (unsigned long long)r->block.gen_stamp,
                replica_state_name(r->state));
}

static void end_relocation(struct relocation *x)
{
    if (x->data_fd >= 0)
        close(x->data_fd);
    if (x->meta_fd >= 0)
        close(x->meta_fd);
    free(x->data);
    free(x->sums);
}

int replica_relocate(struct block_pool *p, const struct block *block, enum storage_type type,
                     void (*use)(void *ctx, uint64_t bytes), void *ctx, struct err *err)
{
    struct relocation x = {.pool = p, .data_fd = -1, .meta_fd = -1, .use = use, .ctx = ctx};
    TRY(replica_open(p, block->id, block->gen_stamp, 0, 0, &x.from, err));
    int rc = check_movable(&x.from, err);
    bool there = rc == 0 && x.from.volume->type == type;
    if (rc == 0 && !there)
        rc = volume_choose(p->store, type, x.from.block.length, &x.to, err);
    if (rc == 0 && !there)
        rc = relocate(&x, err);
    end_relocation(&x);
    replica_close(&x.from);
    return rc;
}

int replica_pin(const struct replica_writer *w, struct err *err)
{
    struct stat st;
    if (fstat(w->data_fd, &st) != 0 || fchmod(w->data_fd, (st.st_mode & 07777) | S_ISVTX) != 0)
        return fail_errno(err, "pinning blk_%lld", (long long)w->block.id);
    return 0;
}

bool replica_is_pinned(const struct replica_reader *r)
{
    struct stat st;
    return fstat(r->data_fd, &st) == 0 && (st.st_mode & S_ISVTX) != 0;
}

/* --- memory against disk --- */

bool replica_look(struct block_pool *p, uint64_t id, struct replica_info *ret)
{
    pthread_mutex_lock(&p->lock);
    const struct replica *r = replica_find(p, id);
    if (r != NULL)
        *ret = (struct replica_info){
            {r->id, r->gen_stamp, r->length}, (enum replica_state)r->state, r->volume};
    pthread_mutex_unlock(&p->lock);
    return r != NULL;
}

/* The files of a block at their place on a volume. */
struct files {
    bool data, regular, meta;
    uint64_t gen_stamp, length;
};

/* Of several checksum files the one with the wanted stamp, else the latest. */
static int find_meta(const struct store_path *dir, uint64_t id, uint64_t wanted, struct files *f,
                     struct err *err)
{
    DIR *d = opendir(dir->text);
    if (d == NULL)
        return errno == ENOENT ? 0 : fail_errno(err, "opening %s", dir->text);
    uint64_t other, stamp;
    errno = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!layout_meta_name(e->d_name, &other, &stamp) || other != id)
            continue;
        if (!f->meta || stamp == wanted || (f->gen_stamp != wanted && stamp > f->gen_stamp))
            f->gen_stamp = stamp;
        f->meta = true;
    }
    int rc = errno != 0 ? fail_errno(err, "reading %s", dir->text) : 0;
    closedir(d);
    return rc;
}

static int find_files(const struct block_pool *p, const struct volume *v, uint64_t id,
                      uint64_t wanted, struct files *f, struct err *err)
{
    struct store_path path;
    struct stat st;
    *f = (struct files){0};
    layout_data(&path, v, p->id, PLACE_FINALIZED, id);
    f->data = lstat(path.text, &st) == 0;
    if (!f->data && errno != ENOENT && errno != ENOTDIR)
        return fail_errno(err, "asking for %s", path.text);
    if (f->data) {
        f->regular = S_ISREG(st.st_mode);
        f->length = (uint64_t)st.st_size;
    }
    layout_dir(&path, v, p->id, PLACE_FINALIZED, id);
    return find_meta(&path, id, wanted, f, err);
}

/* With the lock: the volume and the pool take new records. Who takes them out of service drops the
 * records after that. */
static bool may_insert(const struct block_pool *p, const struct volume *v)
{
    return volume_works(v) && !atomic_load(&p->gone);
}

static int insert_found(struct block_pool *p, const struct volume *v, const struct block *b,
                        struct err *err)
{
    struct replica *r;
    return replica_insert(p,
                          &(struct replica){.state = REPLICA_FINALIZED,
                                            .volume = (uint8_t)v->index,
                                            .id = b->id,
                                            .gen_stamp = b->gen_stamp,
                                            .length = b->length},
                          &r, err);
}

static int without_record(struct block_pool *p, const struct volume *v, uint64_t id,
                          const struct files *f, enum reconciled *ret, struct err *err)
{
    struct block b = {id, f->gen_stamp, f->length};
    struct store_path path;
    if (f->data && !(f->meta && f->regular)) {
        *ret = RECONCILED_ALONE;
        return 0;
    }
    if (!f->meta)
        return 0;
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    bool ours = replica_find(p, id) == NULL && may_insert(p, v);
    if (ours && f->data) {
        rc = insert_found(p, v, &b, err);
        *ret = rc == 0 ? RECONCILED_ADDED : RECONCILED_SAME;
    } else if (ours) {
        layout_meta(&path, v, p->id, PLACE_FINALIZED, id, f->gen_stamp);
        unlink_logged(path.text);
        *ret = RECONCILED_LITTER;
    }
    pthread_mutex_unlock(&p->lock);
    if (*ret == RECONCILED_ADDED)
        pool_tell(p, STORE_RECEIVED, v, &b);
    return rc;
}

/* In a folder that isn't the volume's any more, since its disk was unmounted, nothing is found, and
 * nothing is gone. */
static int without_data(struct block_pool *p, struct volume *v, const struct replica_info *known,
                        enum reconciled *ret, struct err *err)
{
    if (volume_in_place(v, err) != 0)
        return volume_error(v, err);
    if (remove_record(p, known->block.id, known->block.gen_stamp, known, false, NULL) == 0)
        *ret = RECONCILED_FORGOTTEN;
    return 0;
}

static void with_data(struct block_pool *p, const struct replica_info *known, const struct files *f,
                      enum reconciled *ret)
{
    const struct block *b = &known->block;
    bool bad = !f->regular || !f->meta || f->gen_stamp != b->gen_stamp;
    if (!bad && f->length == b->length)
        return;
    pthread_mutex_lock(&p->lock);
    struct replica *r = still(p, known);
    if (r != NULL && files_fit(p, r))
        r = NULL; /* it was being moved */
    if (r != NULL && f->regular && f->length != b->length)
        writer_set_length(p, r, f->length); /* full reports say it again */
    pthread_mutex_unlock(&p->lock);
    *ret = r != NULL ? RECONCILED_BAD : RECONCILED_SAME;
}

/* The record says another volume. */
static int on_two_volumes(struct block_pool *p, struct volume *v, const struct replica_info *known,
                          const struct files *here, enum reconciled *ret, struct err *err)
{
    const struct block *b = &known->block;
    struct block found = {b->id, here->gen_stamp, here->length};
    struct volume *other = store_volume(p->store, known->volume);
    struct files there;
    if (!here->data || !here->meta || !here->regular)
        return 0;
    TRY(find_files(p, other, b->id, b->gen_stamp, &there, err));
    bool lacks = !there.data || !there.meta;
    bool wins = lacks || found.gen_stamp > b->gen_stamp ||
                (found.gen_stamp == b->gen_stamp && found.length > b->length);
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    struct replica *r = may_insert(p, v) ? still(p, known) : NULL;
    if (r != NULL && lacks && files_fit(p, r))
        r = NULL; /* it was being moved */
    if (r != NULL && wins) {
        replica_forget(p, r);
        rc = insert_found(p, v, &found, err);
        replica_unlink(p, other, PLACE_FINALIZED, b);
    } else if (r != NULL) {
        replica_unlink(p, v, PLACE_FINALIZED, &found);
    }
    pthread_mutex_unlock(&p->lock);
    if (r == NULL || rc != 0)
        return rc;
    *ret = RECONCILED_TWICE;
    log_warn("a block is there twice, one copy is removed block=%lld stamp=%llu volume=%s",
             (long long)b->id, (unsigned long long)(wins ? b->gen_stamp : found.gen_stamp),
             wins ? other->path : v->path);
    if (wins) {
        pool_tell(p, STORE_REMOVED, other, b);
        pool_tell(p, STORE_RECEIVED, v, &found);
    }
    return 0;
}

int replica_reconcile(struct block_pool *p, size_t volume, uint64_t id, enum reconciled *ret,
                      struct block *ret_block, struct err *err)
{
    struct volume *v = store_volume(p->store, volume);
    struct replica_info known = {.block.id = id};
    struct files f;
    bool has = replica_look(p, id, &known);
    CHECK(volume < STORE_MAX_VOLUMES);
    *ret = RECONCILED_SAME;
    *ret_block = known.block;
    if (v == NULL || !volume_works(v) || (has && known.state != REPLICA_FINALIZED))
        return 0;
    TRY(find_files(p, v, id, known.block.gen_stamp, &f, err));
    if (!has)
        return without_record(p, v, id, &f, ret, err);
    if (known.volume != volume)
        return on_two_volumes(p, v, &known, &f, ret, err);
    if (!f.data)
        return without_data(p, v, &known, ret, err);
    with_data(p, &known, &f, ret);
    return 0;
}
