/* reader.c - a replica as a reader sees it.
 * Thread: any. Of an open replica the writer's descriptors are duplicated under the lock, so a
 * rename in between does no harm; of a finalized one the files are opened without the lock, and a
 * second look follows when they have just moved. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

enum { OPEN_TRIES = 3 };

static int not_found(const struct block_pool *p, uint64_t id, uint64_t gen_stamp, const char *why,
                     struct err *err)
{
    return fail(err, ERR_NO_REPLICA, "Replica not found for %s:blk_%lld_%llu%s", p->id,
                (long long)id, (unsigned long long)gen_stamp, why);
}

/* What may be asked for; with the lock. */
static uint64_t visible(const struct replica *r)
{
    return r->open != NULL ? r->open->acked : r->length;
}

static int find_readable(struct block_pool *p, uint64_t id, uint64_t gen_stamp,
                         struct replica **ret, struct err *err)
{
    struct replica *r = replica_find(p, id);
    if (r == NULL || r->state == REPLICA_DELETED)
        return not_found(p, id, gen_stamp, "", err);
    if (r->state == REPLICA_TEMPORARY ||
        (r->state == REPLICA_RUR && r->open->original == REPLICA_TEMPORARY))
        return not_found(p, id, gen_stamp, ": it is a copy that is still coming in", err);
    if (r->gen_stamp < gen_stamp)
        return not_found(p, id, gen_stamp, ": the replica here is older", err);
    *ret = r;
    return 0;
}

static bool wait_changed(struct block_pool *p, int64_t deadline_ms)
{
    struct timespec end = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    return pthread_cond_timedwait(&p->changed, &p->lock, &end) == 0;
}

static int dup_fd(int fd, int *ret, struct err *err)
{
    *ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *ret < 0 ? fail_errno(err, "duplicating a descriptor") : 0;
}

static int look(struct block_pool *p, uint64_t id, uint64_t gen_stamp, uint64_t need,
                int64_t timeout_ms, struct replica_reader *ret, struct err *err)
{
    struct replica *r;
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) { /* a wait lets others change the map: look again */
        TRY(find_readable(p, id, gen_stamp, &r, err));
        if (r->open == NULL || visible(r) >= need || !wait_changed(p, deadline_ms))
            break;
    }
    TRY(find_readable(p, id, gen_stamp, &r, err));
    *ret = (struct replica_reader){.data_fd = -1,
                                   .meta_fd = -1,
                                   .block = {id, r->gen_stamp, visible(r)},
                                   .state = (enum replica_state)r->state,
                                   .place = (int)replica_place(r),
                                   .on_disk = r->length,
                                   .volume = store_volume(p->store, r->volume)};
    if (r->open == NULL)
        return 0;
    ret->kind = r->open->kind;
    ret->has_partial = r->open->has_partial;
    ret->partial_crc = r->open->partial_crc;
    if (r->open->data_fd < 0)
        return 0;
    TRY(dup_fd(r->open->data_fd, &ret->data_fd, err));
    return dup_fd(r->open->meta_fd, &ret->meta_fd, err);
}

static int open_files(const struct block_pool *p, struct replica_reader *r, struct err *err)
{
    struct store_path path;
    enum place place = (enum place)r->place;
    layout_meta(&path, r->volume, p->id, place, r->block.id, r->block.gen_stamp);
    r->meta_fd = open(path.text, O_RDONLY | O_CLOEXEC);
    if (r->meta_fd < 0)
        return fail_errno(err, "opening %s", path.text);
    layout_data(&path, r->volume, p->id, place, r->block.id);
    r->data_fd = open(path.text, O_RDONLY | O_CLOEXEC);
    if (r->data_fd < 0)
        return fail_errno(err, "opening %s", path.text);
    return 0;
}

static int check_files(struct replica_reader *r, struct err *err)
{
    uint8_t header[META_HEADER_SIZE];
    struct stat data, meta;
    if (pread(r->meta_fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return fail(err, ERR_CORRUPT, "the checksum file of blk_%lld has no header",
                    (long long)r->block.id);
    TRY(meta_header_decode(header, &r->kind, err));
    if (fstat(r->data_fd, &data) != 0 || fstat(r->meta_fd, &meta) != 0)
        return fail_errno(err, "asking for the size of blk_%lld", (long long)r->block.id);
    if ((uint64_t)data.st_size < r->on_disk)
        return fail(err, ERR_CORRUPT, "blk_%lld has %lld bytes on disk instead of %llu",
                    (long long)r->block.id, (long long)data.st_size,
                    (unsigned long long)r->on_disk);
    if ((uint64_t)meta.st_size < layout_meta_size(r->kind, r->on_disk))
        return fail(err, ERR_CORRUPT, "the checksum file of blk_%lld is too short",
                    (long long)r->block.id);
    return 0;
}

static int try_open(struct block_pool *p, uint64_t id, uint64_t gen_stamp, uint64_t need,
                    int64_t timeout_ms, struct replica_reader *r, struct err *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = look(p, id, gen_stamp, need, timeout_ms, r, err);
    pthread_mutex_unlock(&p->lock);
    if (rc != 0 || r->data_fd >= 0)
        return rc;
    TRY(open_files(p, r, err));
    return check_files(r, err);
}

int replica_open(struct block_pool *p, uint64_t id, uint64_t gen_stamp, uint64_t need,
                 int64_t timeout_ms, struct replica_reader *ret, struct err *err)
{
    struct err own = {0};
    for (int i = 0; i < OPEN_TRIES; i++) {
        struct replica_reader r = {.data_fd = -1, .meta_fd = -1};
        int rc = try_open(p, id, gen_stamp, need, timeout_ms, &r, &own);
        if (rc == 0) {
            *ret = r;
            return 0;
        }
        replica_close(&r);
        if (rc != ERR_NOT_FOUND || i == OPEN_TRIES - 1) {
            if (r.volume != NULL && rc != ERR_NO_REPLICA)
                (void)volume_error(r.volume, &own);
            break;
        }
    }
    if (err != NULL)
        *err = own;
    return own.code;
}

void replica_close(struct replica_reader *r)
{
    if (r->data_fd >= 0)
        close(r->data_fd);
    if (r->meta_fd >= 0)
        close(r->meta_fd);
    r->data_fd = r->meta_fd = -1;
}

int replica_sums(const struct replica_reader *r, uint64_t first, size_t count, uint8_t *out,
                 struct err *err)
{
    size_t size = count * 4, done = 0;
    struct series *times = r->volume->times[DISK_READ];
    int64_t began_ns = series_begin(times);
    while (done < size) {
        ssize_t n = pread(r->meta_fd, out + done, size - done,
                          (off_t)(META_HEADER_SIZE + first * 4 + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "reading the checksums of blk_%lld", (long long)r->block.id);
        if (n == 0)
            return fail(err, ERR_CORRUPT, "the checksum file of blk_%lld is too short",
                        (long long)r->block.id);
        done += (size_t)n;
    }
    series_end(times, began_ns);
    /* the file may be ahead of the bytes that are served */
    if (r->has_partial && r->on_disk % r->kind.bytes_per_chunk != 0 &&
        first + count == r->on_disk / r->kind.bytes_per_chunk + 1)
        put_u32(out + size - 4, r->partial_crc);
    return 0;
}

int replica_visible_length(struct block_pool *p, uint64_t id, uint64_t gen_stamp, uint64_t *ret,
                           struct err *err)
{
    struct replica *r;
    pthread_mutex_lock(&p->lock);
    int rc = find_readable(p, id, gen_stamp, &r, err);
    if (rc == 0)
        *ret = visible(r);
    pthread_mutex_unlock(&p->lock);
    return rc;
}
