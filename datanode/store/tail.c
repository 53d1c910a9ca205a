/* tail.c - blk_<id>.tail: the checksum of a last partial chunk as of the last hsync.
 * The checksum file holds one checksum for a chunk, and it is overwritten while the chunk grows. A
 * power cut between the two writes could leave synced bytes without a checksum that fits. So an
 * hsync that ends inside a chunk writes {length, checksum} here: two slots in two pages, written in
 * turn, so that the record in force is never touched. A record may be on disk before its bytes are
 * (after a power cut the other one counts then). The start-up scan consults it; finalizing removes
 * it. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
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
    TRY(break_links(path.text, err));
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

/* Into the slot that isn't in force; *ret_at: where. */
static int put_record(struct replica_writer *w, off_t *ret_at, struct err *err)
{
    if (w->tail_fd < 0)
        TRY(create(w, err));
    uint8_t out[TAIL_RECORD_SIZE];
    tail_encode(&(struct tail_record){w->block.length, w->partial_crc}, out);
    *ret_at = (off_t)w->tail_slot * TAIL_SLOT_SIZE;
    if (pwrite(w->tail_fd, out, sizeof(out), *ret_at) != (ssize_t)sizeof(out))
        return fail_errno(err, "writing the tail record of blk_%lld", (long long)w->block.id);
    w->tail_slot ^= 1;
    return 0;
}

int tail_sync(const struct replica_writer *w, struct err *err)
{
    if (fdatasync(w->tail_fd) != 0)
        return fail(err, ERR_DISK, "syncing the tail record of blk_%lld: %s",
                    (long long)w->block.id, strerror(errno));
    return 0;
}

int tail_write(struct replica_writer *w, struct err *err)
{
    off_t at;
    TRY(put_record(w, &at, err));
    return tail_sync(w, err);
}

/* Overwritten blocks stay where they are, so to hand them to the device is all but the flush of the
 * device's cache. */
static bool overwrites_in_place(int fd)
{
    enum { XFS_MAGIC = 0x58465342 };
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_MAGIC);
}

int tail_write_ahead(struct replica_writer *w, bool *ret_needs_sync, struct err *err)
{
    off_t at;
    TRY(put_record(w, &at, err));
    *ret_needs_sync =
        !overwrites_in_place(w->tail_fd) ||
        sync_file_range(w->tail_fd, at, TAIL_SLOT_SIZE,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER) != 0; /* the sync says what is wrong */
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
