/* verify.c - reads a replica and compares it with its checksums.
 * The data are read past the page cache where the file system can: what others have in there stays,
 * and what is checked is what stands on the disk. Else the pages that came in are dropped behind.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datanode/scan/internal.h"

enum { PIECE = 256 * 1024, ALIGNMENT = 4096 };

struct verify {
    struct replica_reader r;
    uint8_t *data, *sums;
    size_t piece;
    bool direct;
};

static int prepare(struct verify *v, struct err *err)
{
    struct stat st;
    uint32_t chunk = v->r.kind.bytes_per_chunk;
    if (fstat(v->r.data_fd, &st) != 0)
        return fail_errno(err, "asking for the size of blk_%lld", (long long)v->r.block.id);
    if ((uint64_t)st.st_size != v->r.on_disk)
        return fail(err, ERR_CORRUPT, "blk_%lld has %lld bytes on disk instead of %llu",
                    (long long)v->r.block.id, (long long)st.st_size,
                    (unsigned long long)v->r.on_disk);
    v->piece = chunk >= PIECE ? chunk : PIECE / chunk * chunk;
    v->direct = v->piece % ALIGNMENT == 0 &&
                fcntl(v->r.data_fd, F_SETFL, O_RDONLY | O_DIRECT) == 0; /* else without */
    v->data = aligned_alloc(ALIGNMENT, (v->piece + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    v->sums = malloc(crc_sums_size(v->r.kind, v->piece) + 4);
    if (v->data == NULL || v->sums == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to check a replica");
    return 0;
}

/* Whole pieces are asked for, also at the end: a direct read must be aligned. */
static int read_piece(struct verify *v, uint64_t offset, size_t size, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(v->r.data_fd, v->data + done, v->piece - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL && v->direct) { /* also after a short direct read */
            v->direct = false;
            if (fcntl(v->r.data_fd, F_SETFL, O_RDONLY) == 0)
                continue;
        }
        if (n < 0)
            return fail_errno(err, "reading blk_%lld", (long long)v->r.block.id);
        if (n == 0)
            return fail(err, ERR_CORRUPT, "blk_%lld became shorter", (long long)v->r.block.id);
        done += (size_t)n;
    }
    if (!v->direct)
        (void)posix_fadvise(v->r.data_fd, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
    return 0;
}

static int check(struct verify *v, verify_pace pace, void *ctx, uint64_t *ret_bytes,
                 struct err *err)
{
    struct crc_kind kind = v->r.kind;
    uint64_t end = v->r.on_disk;
    for (uint64_t at = 0; at < end;) {
        size_t size = end - at < v->piece ? (size_t)(end - at) : v->piece;
        size_t sums = crc_sums_size(kind, size);
        if (!pace(ctx, size + sums))
            return fail(err, ERR_CLOSED, "the scanner stops");
        TRY(read_piece(v, at, size, err));
        if (kind.type != CRC_NULL) {
            TRY(replica_sums(&v->r, at / kind.bytes_per_chunk, sums / 4, v->sums, err));
            TRY(crc_verify(kind, v->data, size, v->sums, at, err));
        }
        at += size;
        *ret_bytes += size + sums;
    }
    return 0;
}

int verify_replica(struct block_pool *p, const struct block *b, verify_pace pace, void *ctx,
                   uint64_t *ret_bytes, struct err *err)
{
    struct verify v = {0};
    *ret_bytes = 0;
    TRY(replica_open(p, b->id, b->gen_stamp, 0, 0, &v.r, err));
    int rc = v.r.state != REPLICA_FINALIZED || v.r.block.gen_stamp != b->gen_stamp
                 ? fail(err, ERR_NO_REPLICA, "blk_%lld is being changed", (long long)b->id)
                 : prepare(&v, err);
    if (rc == 0)
        rc = check(&v, pace, ctx, ret_bytes, err);
    if (rc == ERR_IO) /* its disk may be at fault */
        volume_check(v.r.volume, err);
    free(v.data);
    free(v.sums);
    replica_close(&v.r);
    return rc;
}
