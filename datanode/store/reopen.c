/* reopen.c - a replica that is there already is written again: appended to, taken over from a
 * writer that lost its pipeline, cut and closed by a block recovery.
 * Thread: any; whoever works on a replica's files holds it by `busy` or by its descriptors, all
 * others stop him first. Renames and the record they belong to are changed under the pool's lock,
 * so that readers never look for a name that is gone.
 *
 * Invariants: (1) a stamp is raised by one rename of the checksum file; (2) out of the finalized
 * folder goes the data first, then the checksums, the reverse of finalizing: data in the finalized
 * tree has its checksums there, and the start-up scan brings the checksums after their data; (3)
 * the checksum of a last partial chunk is never changed before a tail record on disk holds the one
 * in force, so a power cut at any instant leaves the acknowledged bytes verifiable; (4) a cut
 * happens in the rbw folder only, where the start-up scan trusts nothing but checksums. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

static int unfit(struct err *err, const struct block_pool *p, const struct replica *r,
                 const char *why)
{
    return fail(err, ERR_NO_REPLICA, "%s %s:blk_%lld_%llu state %s length %llu", why, p->id,
                (long long)r->id, (unsigned long long)r->gen_stamp,
                replica_state_name((enum replica_state)r->state), (unsigned long long)r->length);
}

/* With the lock. The replica with nobody working on it. */
static int find_quiet(struct block_pool *p, uint64_t id, struct replica **ret, struct err *err)
{
    struct replica *r = replica_find(p, id);
    if (r == NULL || r->state == REPLICA_DELETED)
        return fail(err, ERR_NO_REPLICA, "Replica not found for %s:blk_%lld", p->id, (long long)id);
    TRY(writer_stop(p, id, err));
    r = replica_find(p, id);
    if (r == NULL || r->state == REPLICA_DELETED)
        return fail(err, ERR_NO_REPLICA, "Replica not found for %s:blk_%lld", p->id, (long long)id);
    *ret = r;
    return 0;
}

static int check_stamp(const struct block_pool *p, const struct replica *r,
                       const struct replica_reopening *q, struct err *err)
{
    if (r->gen_stamp < q->block.gen_stamp || r->gen_stamp > q->new_stamp)
        return fail(err, ERR_NO_REPLICA,
                    "Cannot append to a replica with unexpected generation stamp "
                    "%s:blk_%lld_%llu. Expected GS range is [%llu, %llu].",
                    p->id, (long long)r->id, (unsigned long long)r->gen_stamp,
                    (unsigned long long)q->block.gen_stamp, (unsigned long long)q->new_stamp);
    return 0;
}

static int check_length(const struct replica *r, uint64_t expected, struct err *err)
{
    if (r->length != expected)
        return fail(err, ERR_CORRUPT,
                    "Corrupted replica blk_%lld_%llu with a length of %llu expected length is %llu",
                    (long long)r->id, (unsigned long long)r->gen_stamp,
                    (unsigned long long)r->length, (unsigned long long)expected);
    return 0;
}

/* All data must be acknowledged, since nothing is cut here. */
static int check_complete(const struct replica *r, struct err *err)
{
    if (r->state == REPLICA_RBW && r->open->acked != r->length)
        return fail(err, ERR_REPLICA_EXISTS,
                    "RBW replica blk_%lld_%llu: bytesOnDisk(%llu) and bytesAcked(%llu) are not "
                    "the same.",
                    (long long)r->id, (unsigned long long)r->gen_stamp,
                    (unsigned long long)r->length, (unsigned long long)r->open->acked);
    return 0;
}

static struct replica_writer writer_of(struct block_pool *p, const struct replica *r)
{
    return (struct replica_writer){.pool = p,
                                   .volume = store_volume(p->store, r->volume),
                                   .block = {r->id, r->gen_stamp, r->length},
                                   .state = (enum replica_state)r->state,
                                   .data_fd = -1,
                                   .meta_fd = -1,
                                   .tail_fd = -1,
                                   .visible = UINT64_MAX,
                                   .synced = UINT64_MAX,
                                   .meta_synced = UINT64_MAX,
                                   .written_back = r->length,
                                   .durable = p->store->durable};
}

/* --- files --- */

int break_links(const char *path, struct err *err)
{
    struct stat st;
    char copy[STORE_PATH_MAX + 8];
    if (stat(path, &st) != 0)
        return errno == ENOENT ? 0 : fail_errno(err, "asking for %s", path);
    if (st.st_nlink == 1)
        return 0;
    snprintf(copy, sizeof(copy), "%s.own", path);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = open(copy, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    int rc = from < 0 || to < 0 ? fail_errno(err, "copying %s", path) : 0;
    for (off_t left = st.st_size; rc == 0 && left > 0;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
        if (n <= 0)
            rc = fail_errno(err, "copying %s", path);
        left -= n;
    }
    if (rc == 0 && fsync(to) != 0)
        rc = fail(err, ERR_DISK, "syncing %s: %s", copy, strerror(errno));
    if (rc == 0 && rename(copy, path) != 0)
        rc = fail_errno(err, "renaming %s", copy);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return rc;
}

static int open_files(struct replica_writer *w, enum place place, struct err *err)
{
    struct store_path data, meta;
    uint8_t header[META_HEADER_SIZE];
    layout_data(&data, w->volume, w->pool->id, place, w->block.id);
    layout_meta(&meta, w->volume, w->pool->id, place, w->block.id, w->block.gen_stamp);
    TRY(break_links(data.text, err));
    TRY(break_links(meta.text, err));
    w->data_fd = open(data.text, O_RDWR | O_CLOEXEC);
    if (w->data_fd < 0)
        return fail_errno(err, "opening %s", data.text);
    w->meta_fd = open(meta.text, O_RDWR | O_CLOEXEC);
    if (w->meta_fd < 0)
        return fail_errno(err, "opening %s", meta.text);
    TRY(file_read_at(w->meta_fd, header, sizeof(header), 0, "a replica", err));
    return meta_header_decode(header, &w->kind, err);
}

static int stored_sum(const struct replica_writer *w, uint64_t chunk, uint32_t *ret,
                      struct err *err)
{
    uint8_t bytes[4];
    TRY(file_read_at(w->meta_fd, bytes, 4, META_HEADER_SIZE + chunk * 4, "a replica", err));
    struct reader r = reader_of(bytes, 4);
    *ret = read_u32(&r);
    return 0;
}

/* The checksum of the last chunk when the replica ends at `length`, after a look whether the chunk
 * is what it was. known: of the present last partial chunk, NULL: the file says it. */
static int chunk_crc(const struct replica_writer *w, uint64_t length, const uint32_t *known,
                     uint32_t *ret, struct err *err)
{
    uint32_t chunk = w->kind.bytes_per_chunk, want;
    *ret = 0;
    if (length % chunk == 0 || w->kind.type == CRC_NULL)
        return 0;
    uint64_t start = length / chunk * chunk;
    size_t keep = (size_t)(length - start);
    size_t have = w->block.length - start < chunk ? (size_t)(w->block.length - start) : chunk;
    uint8_t *data = malloc(chunk);
    if (data == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a chunk");
    int rc = file_read_at(w->data_fd, data, have, start, "a replica", err);
    if (rc == 0 && known != NULL && have < chunk)
        want = *known;
    else if (rc == 0)
        rc = stored_sum(w, start / chunk, &want, err);
    if (rc == 0 && crc_update(w->kind.type, 0, data, have) != want)
        rc = fail(err, ERR_CORRUPT, "the last chunk of blk_%lld is not what its checksum says",
                  (long long)w->block.id);
    if (rc == 0)
        *ret = crc_update(w->kind.type, 0, data, keep);
    free(data);
    return rc;
}

static bool files_end_at(const struct replica_writer *w, uint64_t length, uint32_t crc)
{
    struct stat data, meta;
    uint32_t stored = crc;
    if (fstat(w->data_fd, &data) != 0 || fstat(w->meta_fd, &meta) != 0 ||
        (uint64_t)data.st_size != length ||
        (uint64_t)meta.st_size != layout_meta_size(w->kind, length))
        return false;
    if (length % w->kind.bytes_per_chunk != 0 && w->kind.type != CRC_NULL &&
        stored_sum(w, length / w->kind.bytes_per_chunk, &stored, NULL) != 0)
        return false;
    return stored == crc;
}

/* Both files end at `length`, which is not beyond what is there; keeps (3). */
static int cut(struct replica_writer *w, uint64_t length, uint32_t crc, struct err *err)
{
    bool partial = length % w->kind.bytes_per_chunk != 0 && w->kind.type != CRC_NULL;
    uint64_t meta_size = layout_meta_size(w->kind, length);
    w->partial_crc = crc;
    w->block.length = length;
    if (files_end_at(w, length, crc))
        return 0;
    if (partial)
        TRY(tail_write(w, err));
    if (ftruncate(w->data_fd, (off_t)length) != 0)
        return fail_errno(err, "cutting blk_%lld", (long long)w->block.id);
    if (partial) {
        uint8_t bytes[4];
        put_u32(bytes, crc);
        if (pwrite(w->meta_fd, bytes, 4, (off_t)(meta_size - 4)) != 4)
            return fail_errno(err, "writing a checksum of blk_%lld", (long long)w->block.id);
    }
    if (ftruncate(w->meta_fd, (off_t)meta_size) != 0)
        return fail_errno(err, "cutting the checksums of blk_%lld", (long long)w->block.id);
    return 0;
}

static int sync_place(const struct replica_writer *w, enum place place, struct err *err)
{
    struct store_path dir;
    layout_dir(&dir, w->volume, w->pool->id, place, w->block.id);
    if (durable_sync_dir(dir.text, err) != 0)
        return fail(err, ERR_DISK, "syncing %s failed", dir.text);
    return 0;
}

/* With the lock, both ends of the record's names: keeps (1) and (2). */
static int move_in(const struct replica_writer *w, enum place from, enum place to, uint64_t stamp,
                   struct err *err)
{
    struct store_path a, b, dir;
    uint64_t id = w->block.id;
    const char *pool = w->pool->id;
    layout_dir(&dir, w->volume, pool, to, id);
    layout_data(&a, w->volume, pool, from, id);
    layout_data(&b, w->volume, pool, to, id);
    if (from != to)
        TRY(writer_rename(a.text, b.text, dir.text, err));
    layout_meta(&a, w->volume, pool, from, id, w->block.gen_stamp);
    layout_meta(&b, w->volume, pool, to, id, stamp);
    return w->block.gen_stamp == stamp && from == to ? 0
                                                     : writer_rename(a.text, b.text, dir.text, err);
}

/* --- writing on --- */

/* Gives up what was claimed. */
static int release(struct replica_writer *w, const struct err *why, struct err *err)
{
    struct err own = *why;
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = replica_find(w->pool, w->block.id);
    if (r != NULL && r->open != NULL && r->state == w->state &&
        r->gen_stamp == w->block.gen_stamp) {
        r->open->busy = false;
        r->open->data_fd = r->open->meta_fd = -1;
        pthread_cond_broadcast(&w->pool->changed);
    }
    pthread_mutex_unlock(&w->pool->lock);
    writer_close_files(w);
    (void)volume_error(w->volume, &own);
    if (err != NULL)
        *err = own;
    return own.code;
}

/* With the lock: the record as of the claim, or an error. */
static int still_claimed(const struct replica_writer *w, struct replica **ret, struct err *err)
{
    *ret = writer_record(w);
    return *ret == NULL ? writer_gone(w, err) : 0;
}

/* A claimed RBW: cut to `length`, renamed to the new stamp, its descriptors published. */
static int take_over(struct replica_writer *w, uint64_t length, uint64_t stamp,
                     const uint32_t *known, struct err *err)
{
    uint32_t crc;
    struct replica *r;
    TRY(open_files(w, PLACE_RBW, err));
    TRY(tail_attach(w, err));
    TRY(chunk_crc(w, length, known, &crc, err));
    TRY(cut(w, length, crc, err));
    pthread_mutex_lock(&w->pool->lock);
    int rc = still_claimed(w, &r, err);
    if (rc == 0)
        rc = move_in(w, PLACE_RBW, PLACE_RBW, stamp, err);
    if (rc == 0) {
        writer_set_length(w->pool, r, length);
        r->gen_stamp = w->block.gen_stamp = stamp;
        r->open->acked = length;
        r->open->kind = w->kind;
        r->open->has_partial = true;
        r->open->partial_crc = crc;
        r->open->data_fd = w->data_fd;
        r->open->meta_fd = w->meta_fd;
        r->open->busy = false;
    }
    pthread_mutex_unlock(&w->pool->lock);
    return rc;
}

/* With the lock. */
static void claim(struct replica *r)
{
    r->open->busy = true;
    r->open->stop = NULL;
}

static int reopen_rbw(struct replica_writer *w, const struct replica_open *open, uint64_t length,
                      uint64_t stamp, struct replica_writer *ret, struct err *err)
{
    struct err own = {0};
    if (take_over(w, length, stamp, open->has_partial ? &open->partial_crc : NULL, &own) != 0)
        return release(w, &own, err);
    if (w->durable && sync_place(w, PLACE_RBW, &own) != 0)
        return release(w, &own, err);
    *ret = *w;
    return 0;
}

int replica_recover_rbw(struct block_pool *p, const struct replica_reopening *q,
                        struct replica_writer *ret, struct err *err)
{
    struct replica *r;
    struct replica_writer w;
    struct replica_open open;
    pthread_mutex_lock(&p->lock);
    int rc = find_quiet(p, q->block.id, &r, err);
    if (rc == 0 && r->state != REPLICA_RBW)
        rc = unfit(err, p, r, "Cannot recover a non-RBW replica");
    if (rc == 0)
        rc = check_stamp(p, r, q, err);
    if (rc == 0 && (r->open->acked < q->min_length || r->length > q->max_length))
        rc = fail(err, ERR_NO_REPLICA,
                  "Unmatched length replica blk_%lld_%llu: BytesAcked = %llu BytesRcvd = %llu are "
                  "not in the range of [%llu, %llu].",
                  (long long)r->id, (unsigned long long)r->gen_stamp,
                  (unsigned long long)r->open->acked, (unsigned long long)r->length,
                  (unsigned long long)q->min_length, (unsigned long long)q->max_length);
    if (rc == 0) {
        claim(r);
        w = writer_of(p, r);
        open = *r->open;
    }
    pthread_mutex_unlock(&p->lock);
    TRY(rc);
    return reopen_rbw(&w, &open, open.acked, q->new_stamp, ret, err);
}

/* FINALIZED becomes RBW at the new stamp. With the lock; the files are open. */
static int unfinalize(struct replica_writer *w, struct replica *r, uint64_t stamp, uint32_t crc,
                      struct err *err)
{
    struct replica_open *open = replica_open_new(w->kind, 0);
    if (open == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for an open replica");
    int rc = move_in(w, PLACE_FINALIZED, PLACE_RBW, stamp, err);
    if (rc != 0) {
        free(open);
        return rc;
    }
    open->acked = r->length;
    open->partial_crc = w->partial_crc = crc;
    open->has_partial = true;
    open->data_fd = w->data_fd;
    open->meta_fd = w->meta_fd;
    r->open = open;
    r->gen_stamp = w->block.gen_stamp = stamp;
    replica_move(r, REPLICA_RBW);
    w->state = REPLICA_RBW;
    return 0;
}

static int append_files(struct replica_writer *w, uint64_t stamp, struct err *err)
{
    uint32_t crc;
    struct replica *r;
    TRY(open_files(w, PLACE_FINALIZED, err));
    TRY(chunk_crc(w, w->block.length, NULL, &crc, err));
    pthread_mutex_lock(&w->pool->lock);
    r = replica_find(w->pool, w->block.id);
    int rc = r != NULL && r->state == REPLICA_FINALIZED && r->gen_stamp == w->block.gen_stamp &&
                     r->length == w->block.length
                 ? unfinalize(w, r, stamp, crc, err)
                 : writer_gone(w, err);
    pthread_mutex_unlock(&w->pool->lock);
    TRY(rc);
    if (w->block.length % w->kind.bytes_per_chunk != 0 && w->kind.type != CRC_NULL)
        TRY(tail_write(w, err)); /* before anything touches the checksum of the last chunk */
    TRY(sync_place(w, PLACE_RBW, err));
    return sync_place(w, PLACE_FINALIZED, err);
}

/* w: of a FINALIZED replica. */
static int reopen_finalized(struct replica_writer *w, uint64_t stamp, struct replica_writer *ret,
                            struct err *err)
{
    struct err own = {0};
    if (append_files(w, stamp, &own) != 0)
        return release(w, &own, err);
    pool_tell(w->pool, STORE_RECEIVING, w->volume, &w->block);
    *ret = *w;
    return 0;
}

int replica_reopen(struct block_pool *p, const struct replica_reopening *q,
                   struct replica_writer *ret, struct err *err)
{
    struct replica_writer w;
    pthread_mutex_lock(&p->lock);
    struct replica *r = replica_find(p, q->block.id);
    int rc = 0;
    if (r == NULL || r->state == REPLICA_DELETED || r->gen_stamp != q->block.gen_stamp)
        rc = fail(err, ERR_NO_REPLICA, "Cannot append to a non-existent replica %s:blk_%lld_%llu",
                  p->id, (long long)q->block.id, (unsigned long long)q->block.gen_stamp);
    else if (q->new_stamp < q->block.gen_stamp)
        rc = fail(err, ERR_PROTOCOL,
                  "The new generation stamp %llu should be greater than the replica's %llu",
                  (unsigned long long)q->new_stamp, (unsigned long long)q->block.gen_stamp);
    else if (r->state != REPLICA_FINALIZED)
        rc = unfit(err, p, r, "Cannot append to an unfinalized replica");
    else
        rc = check_length(r, q->min_length, err);
    if (rc == 0)
        w = writer_of(p, r);
    pthread_mutex_unlock(&p->lock);
    TRY(rc);
    return reopen_finalized(&w, q->new_stamp, ret, err);
}

/* FINALIZED or RBW, complete, of a fitting stamp; RBW is claimed. */
static int claim_complete(struct block_pool *p, const struct replica_reopening *q,
                          struct replica_writer *ret, struct replica_open *ret_open,
                          struct err *err)
{
    struct replica *r;
    pthread_mutex_lock(&p->lock);
    int rc = find_quiet(p, q->block.id, &r, err);
    if (rc == 0 && r->state != REPLICA_FINALIZED && r->state != REPLICA_RBW)
        rc = unfit(err, p, r, "Cannot append to a replica that is neither finalized nor RBW");
    if (rc == 0)
        rc = check_stamp(p, r, q, err);
    if (rc == 0)
        rc = check_complete(r, err);
    if (rc == 0)
        rc = check_length(r, q->min_length, err);
    if (rc == 0) {
        *ret = writer_of(p, r);
        if (r->open != NULL) {
            claim(r);
            *ret_open = *r->open;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int replica_recover_append(struct block_pool *p, const struct replica_reopening *q,
                           struct replica_writer *ret, struct err *err)
{
    struct replica_writer w;
    struct replica_open open;
    TRY(claim_complete(p, q, &w, &open, err));
    if (w.state == REPLICA_FINALIZED)
        return reopen_finalized(&w, q->new_stamp, ret, err);
    TRY(reopen_rbw(&w, &open, w.block.length, q->new_stamp, ret, err));
    pool_tell(p, STORE_RECEIVING, ret->volume, &ret->block);
    return 0;
}

/* FINALIZED stays so, with a new stamp; its present state is FINALIZED or RUR. */
static int stamp_finalized(struct replica_writer *w, uint64_t stamp, struct err *err)
{
    pthread_mutex_lock(&w->pool->lock);
    struct replica *r = replica_find(w->pool, w->block.id);
    int rc = r != NULL && r->state == w->state && r->gen_stamp == w->block.gen_stamp
                 ? move_in(w, PLACE_FINALIZED, PLACE_FINALIZED, stamp, err)
                 : writer_gone(w, err);
    if (rc == 0) {
        r->gen_stamp = w->block.gen_stamp = stamp;
        if (w->state == REPLICA_RUR) {
            replica_move(r, REPLICA_FINALIZED);
            pthread_cond_broadcast(&w->pool->changed);
        }
    }
    pthread_mutex_unlock(&w->pool->lock);
    TRY(rc);
    TRY(sync_place(w, PLACE_FINALIZED, err));
    pool_tell(w->pool, STORE_RECEIVED, w->volume, &w->block);
    return 0;
}

int replica_recover_close(struct block_pool *p, const struct replica_reopening *q, struct err *err)
{
    struct replica_writer w;
    struct replica_open open;
    TRY(claim_complete(p, q, &w, &open, err));
    if (w.state == REPLICA_RBW) {
        TRY(reopen_rbw(&w, &open, w.block.length, q->new_stamp, &w, err));
        return replica_finalize(&w, err);
    }
    struct err own = {0};
    int rc = stamp_finalized(&w, q->new_stamp, &own);
    return rc == 0 ? 0 : release(&w, &own, err);
}

/* --- block recovery --- */

static int check_recovery(const struct block_pool *p, const struct replica *r,
                          const struct block *block, uint64_t recovery_id, struct err *err)
{
    if (r->gen_stamp < block->gen_stamp)
        return unfit(err, p, r, "the replica here is older than the block:");
    if (r->gen_stamp >= recovery_id)
        return fail(err, ERR_PROTOCOL, "replica blk_%lld_%llu is not older than recovery %llu",
                    (long long)r->id, (unsigned long long)r->gen_stamp,
                    (unsigned long long)recovery_id);
    if (r->state == REPLICA_RUR && (r->open->recovery_id >= recovery_id || r->open->busy))
        return fail(err, ERR_RECOVERY,
                    "rur.getRecoveryID() >= recoveryId = %llu, block=blk_%lld_%llu, recovery %llu",
                    (unsigned long long)recovery_id, (long long)r->id,
                    (unsigned long long)r->gen_stamp, (unsigned long long)r->open->recovery_id);
    return 0;
}

/* With the lock. */
static int make_rur(struct block_pool *p, struct replica *r, uint64_t recovery_id, struct err *err)
{
    if (r->state != REPLICA_RUR) {
        uint8_t original = r->state;
        if (r->open == NULL && (r->open = replica_open_new((struct crc_kind){0}, 0)) == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a recovery");
        if (!r->open->has_partial)
            r->open->acked = r->length;
        atomic_fetch_sub(&store_volume(p->store, r->volume)->reserved_open,
                         (int64_t)r->open->reserved);
        r->open->reserved = 0;
        r->open->original = original;
        replica_move(r, REPLICA_RUR);
    }
    r->open->recovery_id = recovery_id;
    return 0;
}

int replica_init_recovery(struct block_pool *p, const struct block *block, uint64_t recovery_id,
                          struct replica_recovery *ret, struct err *err)
{
    *ret = (struct replica_recovery){.found = false};
    pthread_mutex_lock(&p->lock);
    struct replica *r = replica_find(p, block->id);
    int rc = 0;
    if (r != NULL && (r->state == REPLICA_RBW || r->state == REPLICA_TEMPORARY)) {
        rc = writer_stop(p, block->id, err);
        r = replica_find(p, block->id);
    }
    if (rc == 0 && r != NULL && r->state != REPLICA_DELETED) {
        rc = check_recovery(p, r, block, recovery_id, err);
        if (rc == 0)
            rc = make_rur(p, r, recovery_id, err);
        if (rc == 0)
            *ret = (struct replica_recovery){
                true, (enum replica_state)r->open->original, {r->id, r->gen_stamp, r->length}};
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* With the lock. */
static int claim_rur(struct block_pool *p, const struct replica_update *u,
                     struct replica_writer *ret, struct replica_open *ret_open, struct err *err)
{
    struct replica *r = replica_find(p, u->block.id);
    if (r == NULL || r->state == REPLICA_DELETED)
        return fail(err, ERR_NO_REPLICA, "Replica not found for %s:blk_%lld_%llu", p->id,
                    (long long)u->block.id, (unsigned long long)u->block.gen_stamp);
    if (r->state != REPLICA_RUR)
        return fail(err, ERR_PROTOCOL, "replica blk_%lld_%llu is %s, not RUR", (long long)r->id,
                    (unsigned long long)r->gen_stamp,
                    replica_state_name((enum replica_state)r->state));
    if (r->open->recovery_id != u->recovery_id || r->open->busy)
        return fail(err, ERR_PROTOCOL, "replica blk_%lld_%llu belongs to recovery %llu, not %llu",
                    (long long)r->id, (unsigned long long)r->gen_stamp,
                    (unsigned long long)r->open->recovery_id, (unsigned long long)u->recovery_id);
    TRY(check_length(r, u->block.length, err));
    if (r->length < u->new_length)
        return fail(err, ERR_PROTOCOL, "replica blk_%lld_%llu has %llu bytes, less than %llu",
                    (long long)r->id, (unsigned long long)r->gen_stamp,
                    (unsigned long long)r->length, (unsigned long long)u->new_length);
    r->open->busy = true;
    *ret = writer_of(p, r);
    ret->durable = true;
    *ret_open = *r->open;
    return 0;
}

/* Into the rbw folder at the new stamp, cut there: keeps (4). */
static int cut_rur(struct replica_writer *w, const struct replica_open *open,
                   const struct replica_update *u, struct err *err)
{
    uint32_t crc;
    struct replica *r;
    enum place from = place_of((enum replica_state)open->original);
    TRY(open_files(w, from, err));
    TRY(tail_attach(w, err));
    TRY(chunk_crc(w, u->new_length, open->has_partial ? &open->partial_crc : NULL, &crc, err));
    pthread_mutex_lock(&w->pool->lock);
    int rc = still_claimed(w, &r, err);
    if (rc == 0)
        rc = move_in(w, from, PLACE_RBW, u->recovery_id, err);
    if (rc == 0) {
        r->gen_stamp = w->block.gen_stamp = u->recovery_id;
        r->open->original = REPLICA_RWR;
        r->open->has_partial = false;
    }
    pthread_mutex_unlock(&w->pool->lock);
    TRY(rc);
    TRY(sync_place(w, PLACE_RBW, err));
    TRY(cut(w, u->new_length, crc, err));
    pthread_mutex_lock(&w->pool->lock);
    rc = still_claimed(w, &r, err);
    if (rc == 0) {
        writer_set_length(w->pool, r, u->new_length);
        r->open->acked = u->new_length;
    }
    pthread_mutex_unlock(&w->pool->lock);
    return rc;
}

/* --- a prefix becomes a block of its own --- */

static int copy_data(const struct replica_writer *from, const struct replica_writer *to,
                     uint64_t length, struct err *err)
{
    loff_t in = 0, out = 0;
    while ((uint64_t)in < length) {
        ssize_t n = copy_file_range(from->data_fd, &in, to->data_fd, &out,
                                    (size_t)(length - (uint64_t)in), 0);
        if (n <= 0)
            return fail_errno(err, "copying blk_%lld", (long long)from->block.id);
    }
    in = out = META_HEADER_SIZE;
    loff_t end = (loff_t)layout_meta_size(from->kind, length);
    while (in < end) {
        ssize_t n = copy_file_range(from->meta_fd, &in, to->meta_fd, &out, (size_t)(end - in), 0);
        if (n <= 0)
            return fail_errno(err, "copying the checksums of blk_%lld", (long long)from->block.id);
    }
    return 0;
}

static int copy_prefix(const struct replica_writer *from, const struct replica_open *open,
                       const struct replica_update *u, struct replica_writer *to, struct err *err)
{
    uint32_t crc;
    TRY(chunk_crc(from, u->new_length, open->has_partial ? &open->partial_crc : NULL, &crc, err));
    struct replica_request q = {.block = {u->new_id, u->recovery_id, u->new_length},
                                .state = REPLICA_RBW,
                                .type = from->volume->type,
                                .kind = from->kind};
    TRY(replica_create(from->pool, &q, to, err));
    to->durable = true;
    int rc = copy_data(from, to, u->new_length, err);
    pthread_mutex_lock(&to->pool->lock);
    struct replica *r = writer_record(to);
    if (rc == 0 && r == NULL)
        rc = writer_gone(to, err);
    if (rc == 0) {
        writer_set_length(to->pool, r, u->new_length);
        r->open->partial_crc = crc;
        to->block.length = u->new_length;
    }
    pthread_mutex_unlock(&to->pool->lock);
    if (rc == 0)
        rc = cut(to, u->new_length, crc, err);
    if (rc == 0)
        return 0;
    replica_abandon(to);
    if (replica_remove(to->pool, u->new_id, u->recovery_id, true, NULL) != 0)
        log_debug("a half copied block was gone already block=%lld", (long long)u->new_id);
    return rc;
}

static int copy_rur(struct replica_writer *w, const struct replica_open *open,
                    const struct replica_update *u, struct err *err)
{
    enum place place = place_of((enum replica_state)open->original);
    struct replica_writer to;
    TRY(open_files(w, place, err));
    TRY(copy_prefix(w, open, u, &to, err));
    TRY(replica_finalize(&to, err));
    writer_close_files(w);
    if (place == PLACE_FINALIZED) /* as it was */
        return stamp_finalized(w, w->block.gen_stamp, err);
    struct replica_update whole = {w->block, w->block.gen_stamp, w->block.length, 0};
    TRY(cut_rur(w, open, &whole, err));
    return replica_finalize(w, err);
}

int replica_update_recovery(struct block_pool *p, const struct replica_update *u,
                            const char **ret_storage, struct err *err)
{
    struct replica_writer w;
    struct replica_open open;
    struct err own = {0};
    pthread_mutex_lock(&p->lock);
    int rc = claim_rur(p, u, &w, &open, err);
    pthread_mutex_unlock(&p->lock);
    TRY(rc);
    *ret_storage = w.volume->storage_id;
    if (u->new_id != 0 && u->new_id != u->block.id)
        rc = copy_rur(&w, &open, u, &own);
    else if (open.original == REPLICA_FINALIZED && u->new_length == w.block.length)
        rc = stamp_finalized(&w, u->recovery_id, &own);
    else if ((rc = cut_rur(&w, &open, u, &own)) == 0)
        return replica_finalize(&w, err);
    return rc == 0 ? 0 : release(&w, &own, err);
}
