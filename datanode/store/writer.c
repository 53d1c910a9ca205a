/* writer.c - a replica from its creation to its end.
 * Thread: the writer's owner; the record in the map is changed under the pool's lock, files without
 * it. Invariants: (1) bytes below block.length are never written again, so readers need no lock for
 * them; (2) every byte below block.length has its checksum in the checksum file, that of a last
 * partial chunk also in memory; (3) what replica_sync returned for stays verifiable: a last partial
 * chunk by its tail record, whatever happens to its place in the checksum file; (4) after a failed
 * sync nothing is tried again: the volume goes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

enum { WRITE_BEHIND = 8 << 20 };

int writer_gone(const struct replica_writer *w, struct err *err)
{
    return fail(err, ERR_NO_REPLICA, "blk_%lld_%llu was removed while it was written",
                (long long)w->block.id, (unsigned long long)w->block.gen_stamp);
}

struct replica *writer_record(const struct replica_writer *w)
{
    struct replica *r = replica_find(w->pool, w->block.id);
    if (r == NULL || r->state != w->state || r->gen_stamp != w->block.gen_stamp || r->open == NULL)
        return NULL;
    return r;
}

int writer_stop(struct block_pool *p, uint64_t id, struct err *err)
{
    int64_t end_ms = clock_monotonic_ms() + p->store->stop_timeout_ms;
    struct timespec end = {.tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000};
    for (;;) { /* the wait lets others change the map: look again */
        struct replica *r = replica_find(p, id);
        if (r == NULL || !replica_in_use(r))
            return 0;
        if (r->open->stop != NULL)
            r->open->stop(r->open->stop_ctx);
        else if (!r->open->busy)
            return fail(err, ERR_REPLICA_EXISTS, "blk_%lld_%llu has a writer", (long long)r->id,
                        (unsigned long long)r->gen_stamp);
        if (pthread_cond_timedwait(&p->changed, &p->lock, &end) == ETIMEDOUT)
            return fail(err, ERR_IO, "the writer of blk_%lld doesn't stop within %lld ms",
                        (long long)id, (long long)p->store->stop_timeout_ms);
    }
}

void replica_on_stop(struct replica_writer *w, void (*stop)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL) {
        r->open->stop = stop;
        r->open->stop_ctx = ctx;
    }
    pthread_mutex_unlock(&w->pool->lock);
}

/* With the lock: nobody writes it any more. */
static void let_go(struct volume *v, struct replica_open *open)
{
    atomic_fetch_sub(&v->reserved_open, (int64_t)open->reserved);
    open->reserved = 0;
    open->data_fd = open->meta_fd = -1;
    open->busy = false;
    open->stop = NULL;
}

void writer_set_length(struct block_pool *p, struct replica *r, uint64_t length)
{
    replica_account(p, r->volume, layout_used(length) - layout_used(r->length));
    r->length = length;
}

/* --- creation --- */

/* With the lock. An older one without a writer makes place: its files are removed at once. */
static int make_place(struct block_pool *p, const struct block *block, struct err *err)
{
    struct replica *r = replica_find(p, block->id);
    if (r == NULL)
        return 0;
    if (r->gen_stamp < block->gen_stamp && replica_in_use(r)) {
        TRY(writer_stop(p, block->id, err));
        if ((r = replica_find(p, block->id)) == NULL)
            return 0;
    }
    if (r->gen_stamp >= block->gen_stamp || r->state == REPLICA_DELETED || replica_in_use(r))
        return fail(err, ERR_REPLICA_EXISTS,
                    "Block blk_%lld_%llu already exists in state %s and thus cannot be created.",
                    (long long)r->id, (unsigned long long)r->gen_stamp,
                    replica_state_name((enum replica_state)r->state));
    struct block old = {r->id, r->gen_stamp, r->length};
    const struct volume *v = store_volume(p->store, r->volume);
    enum place place = replica_place(r);
    if (r->open != NULL)
        atomic_fetch_sub(&store_volume(p->store, r->volume)->reserved_open,
                         (int64_t)r->open->reserved);
    replica_forget(p, r);
    replica_unlink(p, v, place, &old);
    return 0;
}

static int enter(struct block_pool *p, const struct replica_request *q, struct volume *v,
                 struct err *err)
{
    struct replica_open *open = replica_open_new(q->kind, q->block.length);
    if (open == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for an open replica");
    open->has_partial = true;
    struct replica *r;
    pthread_mutex_lock(&p->lock);
    int rc = make_place(p, &q->block, err);
    if (rc == 0 && !volume_works(v)) /* with the lock: who takes it out drops what is there then */
        rc = fail(err, ERR_DISK, "%s was taken out of service", v->path);
    if (rc == 0)
        rc = replica_insert(p,
                            &(struct replica){.state = (uint8_t)q->state,
                                              .volume = (uint8_t)v->index,
                                              .id = q->block.id,
                                              .gen_stamp = q->block.gen_stamp,
                                              .open = open},
                            &r, err);
    pthread_mutex_unlock(&p->lock);
    if (rc != 0)
        free(open);
    else
        atomic_fetch_add(&v->reserved_open, (int64_t)q->block.length);
    return rc;
}

static int create_file(const char *path, int *ret_fd, struct err *err)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail_errno(err, "creating %s", path);
    *ret_fd = fd;
    return 0;
}

/* The checksum file first: a data file without one would have no stamp. */
static int create_files(struct replica_writer *w, struct err *err)
{
    struct store_path path;
    uint8_t header[META_HEADER_SIZE];
    enum place place = place_of(w->state);
    layout_meta(&path, w->volume, w->pool->id, place, w->block.id, w->block.gen_stamp);
    TRY(create_file(path.text, &w->meta_fd, err));
    meta_header_encode(w->kind, header);
    TRY(file_write_full(w->meta_fd, header, sizeof(header), path.text, err));
    layout_data(&path, w->volume, w->pool->id, place, w->block.id);
    return create_file(path.text, &w->data_fd, err);
}

/* Readers may use the files from now on. */
static int publish_files(const struct replica_writer *w, struct err *err)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL) {
        r->open->data_fd = w->data_fd;
        r->open->meta_fd = w->meta_fd;
    }
    pthread_mutex_unlock(&w->pool->lock);
    return r == NULL ? writer_gone(w, err) : 0;
}

void writer_close_files(struct replica_writer *w)
{
    int fds[] = {w->data_fd, w->meta_fd, w->tail_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    w->data_fd = w->meta_fd = w->tail_fd = -1;
}

/* The replica leaves map and disk. */
static void discard(struct replica_writer *w)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL) {
        atomic_fetch_sub(&w->volume->reserved_open, (int64_t)r->open->reserved);
        replica_forget(w->pool, r);
        pthread_cond_broadcast(&w->pool->changed);
    }
    pthread_mutex_unlock(&w->pool->lock);
    writer_close_files(w);
    if (r != NULL)
        replica_unlink(w->pool, w->volume, place_of(w->state), &w->block);
}

int replica_create(struct block_pool *p, const struct replica_request *q,
                   struct replica_writer *ret, struct err *err)
{
    CHECK(q->state == REPLICA_RBW || q->state == REPLICA_TEMPORARY);
    struct volume *v;
    TRY(volume_choose(p->store, q->type, q->block.length, &v, err));
    TRY(enter(p, q, v, err));
    struct replica_writer w = {.pool = p,
                               .volume = v,
                               .block = {q->block.id, q->block.gen_stamp, 0},
                               .state = q->state,
                               .kind = q->kind,
                               .data_fd = -1,
                               .meta_fd = -1,
                               .tail_fd = -1,
                               .visible = UINT64_MAX,
                               .synced = UINT64_MAX,
                               .meta_synced = UINT64_MAX,
                               .durable = p->store->durable};
    struct err own = {0};
    int rc = create_files(&w, &own);
    if (rc == 0)
        rc = publish_files(&w, &own);
    if (rc != 0) {
        discard(&w);
        (void)volume_error(v, &own);
        if (err != NULL)
            *err = own;
        return rc;
    }
    if (w.state == REPLICA_RBW)
        pool_tell(p, STORE_RECEIVING, v, &w.block);
    *ret = w;
    return 0;
}

/* --- data --- */

static int write_at(const struct replica_writer *w, int fd, const uint8_t *data, size_t size,
                    uint64_t offset, struct err *err)
{
    const char *place = fd == w->data_fd ? "write" : "write-checksums";
    errno = failpoint(w->volume->rules->failpoints, place, offset + size);
    if (errno != 0)
        return fail_errno(err, "writing blk_%lld", (long long)w->block.id);
    struct series *times = w->volume->times[DISK_WRITE];
    int64_t began_ns = series_begin(times);
    while (size > 0) {
        ssize_t n = pwrite(fd, data, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "writing blk_%lld", (long long)w->block.id);
        data += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    series_end(times, began_ns);
    return 0;
}

/* New bytes and their sums, already cut to what is new. */
struct piece {
    const uint8_t *data, *sums;
    size_t size, sums_size;
    uint64_t offset;
    uint32_t partial_crc;
};

static int check_range(const struct replica_writer *w, uint64_t offset, size_t size,
                       size_t sums_size, struct err *err)
{
    uint32_t chunk = w->kind.bytes_per_chunk;
    uint64_t inside = offset % chunk;
    if (offset > w->block.length || offset + size < offset)
        return fail(err, ERR_PROTOCOL, "a packet starts at %llu, blk_%lld has %llu bytes",
                    (unsigned long long)offset, (long long)w->block.id,
                    (unsigned long long)w->block.length);
    if (inside != 0 && size > chunk - inside)
        return fail(err, ERR_PROTOCOL,
                    "a packet of %zu bytes starts inside a chunk, at %llu of blk_%lld with %llu",
                    size, (unsigned long long)offset, (long long)w->block.id,
                    (unsigned long long)w->block.length);
    if (sums_size != crc_sums_size(w->kind, size))
        return fail(err, ERR_PROTOCOL, "%zu bytes of data come with %zu bytes of checksums", size,
                    sums_size);
    return 0;
}

static uint32_t last_sum(const uint8_t *sums, size_t sums_size)
{
    struct reader r = reader_of(sums + sums_size - 4, 4);
    return read_u32(&r);
}

static int write_piece(struct replica_writer *w, const struct piece *x, struct err *err)
{
    TRY(write_at(w, w->data_fd, x->data, x->size, x->offset, err));
    uint64_t sums_at = META_HEADER_SIZE + x->offset / w->kind.bytes_per_chunk * 4;
    TRY(write_at(w, w->meta_fd, x->sums, x->sums_size, sums_at, err));
    return 0;
}

static int publish_length(struct replica_writer *w, uint64_t length, uint32_t partial_crc,
                          struct err *err)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL) {
        uint64_t grown = length - r->length;
        uint64_t from_reserve = grown < r->open->reserved ? grown : r->open->reserved;
        r->open->reserved -= from_reserve;
        atomic_fetch_sub(&w->volume->reserved_open, (int64_t)from_reserve);
        writer_set_length(w->pool, r, length);
        r->open->partial_crc = partial_crc;
    }
    pthread_mutex_unlock(&w->pool->lock);
    if (r == NULL)
        return writer_gone(w, err);
    w->block.length = length;
    w->partial_crc = partial_crc;
    return 0;
}

/* Starts the write-back early, so that the sync at the end finds little to do. */
static void write_behind(struct replica_writer *w)
{
    if (!w->durable || w->block.length - w->written_back < WRITE_BEHIND)
        return;
    (void)sync_file_range(w->data_fd, (off_t)w->written_back,
                          (off_t)(w->block.length - w->written_back), SYNC_FILE_RANGE_WRITE);
    w->written_back = w->block.length; /* a hint only: the sync finds what failed here */
}

int replica_append(struct replica_writer *w, uint64_t offset, const uint8_t *data, size_t size,
                   const uint8_t *sums, size_t sums_size, struct err *err)
{
    TRY(check_range(w, offset, size, sums_size, err));
    uint64_t have = w->block.length, end = offset + size;
    if (end <= have)
        return 0;
    uint32_t chunk = w->kind.bytes_per_chunk;
    size_t skip = (size_t)(have - offset), skip_sums = 0;
    if (sums_size > 0)
        skip_sums = (size_t)(have / chunk - offset / chunk) * 4;
    struct piece x = {data + skip, sums + skip_sums, size - skip, sums_size - skip_sums, have, 0};
    uint8_t combined[4];
    if (sums_size > 0 && end % chunk != 0)
        x.partial_crc = last_sum(sums, sums_size);
    if (sums_size > 0 && offset % chunk != 0) { /* the sum covers the packet's bytes only */
        uint32_t crc;
        if (skip == 0) {
            crc = crc_combine(w->kind.type, w->partial_crc, last_sum(sums, sums_size), size);
        } else { /* sent again: what is new needs a sum of its own, so the packet must be right */
            TRY(crc_verify(w->kind, data, size, sums, offset, err));
            crc = crc_update(w->kind.type, w->partial_crc, x.data, x.size);
        }
        put_u32(combined, crc);
        x.sums_size = 4;
        x.sums = combined;
        x.partial_crc = end % chunk != 0 ? crc : 0;
    }
    struct err own = {0};
    int rc = write_piece(w, &x, &own);
    if (rc == 0)
        rc = publish_length(w, end, x.partial_crc, &own);
    if (rc != 0) {
        (void)volume_error(w->volume, &own);
        if (err != NULL)
            *err = own;
        return rc;
    }
    write_behind(w);
    return 0;
}

void replica_acked(struct replica_writer *w, uint64_t length)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL && r->open->acked < length && length <= r->length) {
        r->open->acked = length;
        pthread_cond_broadcast(&w->pool->changed);
    }
    pthread_mutex_unlock(&w->pool->lock);
}

/* --- durability --- */

static int sync_fd(const struct replica_writer *w, int fd, struct err *err)
{
    errno = failpoint(w->volume->rules->failpoints, "sync", w->block.length);
    if (errno != 0 || fdatasync(fd) != 0)
        return fail(err, ERR_DISK, "syncing blk_%lld: %s", (long long)w->block.id, strerror(errno));
    return 0;
}

/* The order keeps one of two things true at any moment: the last synced length has a checksum on
 * disk, in the checksum file or in one slot of the tail; the record written now only counts once
 * its data are there. */
static int sync_files(struct replica_writer *w, bool with_tail, struct err *err)
{
    uint64_t length = w->block.length, chunks = length / w->kind.bytes_per_chunk;
    bool partial = length % w->kind.bytes_per_chunk != 0 && w->kind.type != CRC_NULL;
    bool tail_waits = false;
    if (partial && with_tail && w->synced != length)
        TRY(tail_write_ahead(w, &tail_waits, err));
    if (w->synced != length)
        TRY(sync_fd(w, w->data_fd, err));
    if (w->meta_synced != chunks || (partial && !with_tail)) {
        TRY(sync_fd(w, w->meta_fd, err));
        w->meta_synced = chunks; /* the tail record stands for the partial one */
    }
    if (tail_waits)
        TRY(tail_sync(w, err));
    w->synced = length;
    return 0;
}

static int sync_all(struct replica_writer *w, struct err *err)
{
    TRY(sync_files(w, true, err));
    if (w->dir_synced)
        return 0;
    struct store_path dir;
    layout_dir(&dir, w->volume, w->pool->id, place_of(w->state), w->block.id);
    if (durable_sync_dir(dir.text, err) != 0)
        return fail(err, ERR_DISK, "syncing %s failed", dir.text);
    w->dir_synced = true;
    return 0;
}

int replica_sync(struct replica_writer *w, struct err *err)
{
    struct err own = {0};
    if (sync_all(w, &own) == 0)
        return 0;
    if (err != NULL)
        *err = own;
    return volume_error(w->volume, &own);
}

/* --- the end --- */

int writer_rename(const char *from, const char *to, const char *dir, struct err *err)
{
    if (rename(from, to) == 0)
        return 0;
    if (errno == ENOENT) { /* the first replica of its folder */
        TRY(durable_mkdirs(dir, 0755, err));
        if (rename(from, to) == 0)
            return 0;
    }
    return fail_errno(err, "renaming %s to %s", from, to);
}

/* Both files to another place, checksums first: data in the finalized tree has its checksums there.
 */
static int move_files(const struct replica_writer *w, enum place to, struct err *err)
{
    struct store_path from_path, to_path, dir;
    enum place from = place_of(w->state);
    const struct block *b = &w->block;
    layout_dir(&dir, w->volume, w->pool->id, to, b->id);
    layout_meta(&from_path, w->volume, w->pool->id, from, b->id, b->gen_stamp);
    layout_meta(&to_path, w->volume, w->pool->id, to, b->id, b->gen_stamp);
    TRY(writer_rename(from_path.text, to_path.text, dir.text, err));
    layout_data(&from_path, w->volume, w->pool->id, from, b->id);
    layout_data(&to_path, w->volume, w->pool->id, to, b->id);
    int64_t began_ns = series_begin(w->volume->times[DISK_METADATA]);
    TRY(writer_rename(from_path.text, to_path.text, dir.text, err));
    series_end(w->volume->times[DISK_METADATA], began_ns);
    if (w->durable && durable_sync_dir(dir.text, err) != 0)
        return fail(err, ERR_DISK, "syncing %s failed", dir.text);
    return 0;
}

/* The record follows its files; without a record (removed meanwhile) the files go too. */
static int change_state(struct replica_writer *w, enum replica_state to, struct err *err)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL) {
        let_go(w->volume, r->open);
        r->open->acked = w->visible < r->length ? w->visible : r->length;
        replica_move(r, to);
        pthread_cond_broadcast(&w->pool->changed);
    }
    pthread_mutex_unlock(&w->pool->lock);
    if (r != NULL)
        return 0;
    if (volume_works(w->volume)) /* else another start decides about the files */
        replica_unlink(w->pool, w->volume, place_of(to), &w->block);
    return writer_gone(w, err);
}

static void remove_tail(const struct replica_writer *w)
{
    struct store_path path;
    if (w->tail_fd < 0)
        return;
    layout_tail(&path, w->volume, w->pool->id, w->block.id);
    (void)unlink(path.text); /* without its replica it is litter that the next scan removes */
}

static int finish(struct replica_writer *w, enum replica_state to, struct err *err)
{
    if (w->durable)
        TRY(sync_files(w, false, err));
    TRY(move_files(w, place_of(to), err));
    return change_state(w, to, err);
}

static int finish_or_abandon(struct replica_writer *w, enum replica_state to, struct err *err)
{
    struct err own = {0};
    if (finish(w, to, &own) != 0) {
        replica_abandon(w);
        if (err != NULL)
            *err = own;
        return volume_error(w->volume, &own);
    }
    remove_tail(w);
    if (w->pool->store->drop_behind_writes)
        (void)posix_fadvise(w->data_fd, 0, 0, POSIX_FADV_DONTNEED);
    writer_close_files(w);
    return 0;
}

int replica_finalize(struct replica_writer *w, struct err *err)
{
    TRY(finish_or_abandon(w, REPLICA_FINALIZED, err));
    pool_tell_moved(w->pool, STORE_RECEIVED, w->volume, &w->block, w->instead_of);
    metric_add(METRIC_blocks_written, 1);
    return 0;
}

int replica_to_rbw(struct replica_writer *w, struct err *err)
{
    CHECK(w->state == REPLICA_TEMPORARY);
    TRY(finish_or_abandon(w, REPLICA_RBW, err));
    pool_tell(w->pool, STORE_RECEIVING, w->volume, &w->block);
    return 0;
}

void replica_mark_restart(struct replica_writer *w)
{
    struct store_path path;
    char text[32];
    struct err err = {0};
    if (w->state != REPLICA_RBW)
        return;
    int n = snprintf(text, sizeof(text), "%lld",
                     (long long)(clock_wall_ms() + w->pool->store->restart_ms));
    layout_restart(&path, w->volume, w->pool->id, w->block.id);
    if (durable_write_file(path.text, text, (size_t)n, &err) != 0)
        log_warn("an open replica will wait for a recovery after the restart block=%lld cause=%s",
                 (long long)w->block.id, log_quote(err.text));
}

void replica_abandon(struct replica_writer *w)
{
    if (w->state == REPLICA_TEMPORARY) {
        discard(w);
        return;
    }
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = writer_record(w);
    if (r != NULL) {
        let_go(w->volume, r->open);
        pthread_cond_broadcast(&w->pool->changed);
    }
    pthread_mutex_unlock(&w->pool->lock);
    writer_close_files(w);
}
