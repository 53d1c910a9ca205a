/* tail.c - blk_<id>.tail: the checksum of a last partial chunk as of the last hsync.
 * The checksum file holds one checksum for a chunk, and it is overwritten while the chunk grows. A
 * power cut between the two writes could leave synced bytes without a checksum that fits. So an
 * hsync that ends inside a chunk writes {length, checksum} here first: two slots in two pages,
 * written in turn, so that the record in force is never touched. The start-up scan consults it;
 * finalizing removes it. */
#include <fcntl.h>
#include <unistd.h>

#include "datanode/store/internal.h"

void tail_encode(const struct tail_record *record, uint8_t out[TAIL_RECORD_SIZE])
{
    put_u32(put_u64(out, record->length), record->crc);
    put_u32(out + 12, crc32c(0, out, 12));
}

bool tail_decode(const uint8_t in[TAIL_RECORD_SIZE], struct tail_record *ret)
{
    struct reader r = reader_of(in, TAIL_RECORD_SIZE);
    uint64_t length = read_u64(&r);
    uint32_t crc = read_u32(&r);
    if (length == 0 || read_u32(&r) != crc32c(0, in, 12))
        return false;
    *ret = (struct tail_record){length, crc};
    return true;
}

static int create(struct replica_writer *w, struct err *err)
{
    static const uint8_t zeros[2 * TAIL_SLOT_SIZE];
    struct store_path path;
    layout_tail(&path, w->volume, w->pool->id, w->block.id);
    int fd = open(path.text, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail_errno(err, "creating %s", path.text);
    w->tail_fd = fd;
    w->dir_synced = false;
    TRY(file_write_full(fd, zeros, sizeof(zeros), path.text,
                        err)); /* later ones need no new space */
    if (fsync(fd) != 0)
        return fail(err, ERR_DISK, "syncing %s: %s", path.text, strerror(errno));
    return 0;
}

int tail_attach(struct replica_writer *w, struct err *err)
{
    struct store_path path;
    layout_tail(&path, w->volume, w->pool->id, w->block.id);
    int fd = open(path.text, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : fail_errno(err, "opening %s", path.text);
    w->tail_fd = fd;
    uint64_t longest = 0;
    for (uint32_t slot = 0; slot < 2; slot++) {
        uint8_t in[TAIL_RECORD_SIZE];
        struct tail_record t;
        if (pread(fd, in, sizeof(in), (off_t)slot * TAIL_SLOT_SIZE) == (ssize_t)sizeof(in) &&
            tail_decode(in, &t) && t.length <= w->block.length && t.length > longest) {
            longest = t.length;
            w->tail_slot = slot ^ 1; /* this one is in force */
        }
    }
    return 0;
}

int tail_write(struct replica_writer *w, struct err *err)
{
    if (w->tail_fd < 0)
        TRY(create(w, err));
    uint8_t out[TAIL_RECORD_SIZE];
    tail_encode(&(struct tail_record){w->block.length, w->partial_crc}, out);
    ssize_t n = pwrite(w->tail_fd, out, sizeof(out), (off_t)w->tail_slot * TAIL_SLOT_SIZE);
    if (n != (ssize_t)sizeof(out))
        return fail_errno(err, "writing the tail record of blk_%lld", (long long)w->block.id);
    if (fdatasync(w->tail_fd) != 0)
        return fail(err, ERR_DISK, "syncing the tail record of blk_%lld: %s",
                    (long long)w->block.id, strerror(errno));
    w->tail_slot ^= 1;
    return 0;
}

size_t tail_read(const char *path, struct tail_record out[2])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t count = 0;
    for (off_t slot = 0; slot < 2; slot++) {
        uint8_t in[TAIL_RECORD_SIZE];
        if (pread(fd, in, sizeof(in), slot * TAIL_SLOT_SIZE) == (ssize_t)sizeof(in) &&
            tail_decode(in, &out[count]))
            count++;
    }
    close(fd);
    return count;
}
