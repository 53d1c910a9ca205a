/* check_open.c - how much of a replica that was open when the node stopped can be trusted.
 * After a crash of the process all writes are in the page cache: at most the last chunk is ahead of
 * its checksum. After a power cut any unsynced page may be missing, but write-back runs behind the
 * writer, so what is older than WINDOW is on disk; and whatever an hsync answered for has a
 * checksum: in the checksum file, or in a tail record. Result: the longest prefix whose chunks
 * inside the window all fit, then as much of the next chunk as fits the stored checksum or a tail
 * record. Both files are cut to it. The tail file stays, so that a crash in here repeats
 * harmlessly. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

enum { WINDOW = 32 << 20, BATCH = 1 << 20 };

struct check {
    int data_fd, meta_fd;
    uint64_t data_size, sums; /* bytes; checksums in the file */
    struct crc_kind kind;
    struct tail_record tails[2];
    size_t tail_count;
    uint8_t *data, *sum_bytes;
};

/* The first chunk of [from, to) that doesn't fit its checksum, or `to`. */
static int first_bad(const struct check *c, uint64_t from, uint64_t to, uint64_t *ret,
                     struct err *err)
{
    uint32_t chunk = c->kind.bytes_per_chunk;
    uint64_t step = BATCH / chunk > 0 ? BATCH / chunk : 1;
    for (uint64_t at = from; at < to; at += step) {
        uint64_t n = to - at < step ? to - at : step;
        uint64_t size = n * chunk;
        if (size > c->data_size - at * chunk)
            size = c->data_size - at * chunk;
        TRY(file_read_at(c->data_fd, c->data, (size_t)size, at * chunk, "an open replica", err));
        TRY(file_read_at(c->meta_fd, c->sum_bytes, (size_t)n * 4, META_HEADER_SIZE + at * 4,
                         "an open replica", err));
        for (uint64_t i = 0; i < n; i++) {
            size_t left = (size_t)(size - i * chunk), length = left < chunk ? left : chunk;
            if (crc_verify(c->kind, c->data + i * chunk, length, c->sum_bytes + i * 4, 0, NULL) !=
                0) {
                *ret = at + i;
                return 0;
            }
        }
    }
    *ret = to;
    return 0;
}

/* Chunks from the begin that can be trusted. */
static int good_chunks(const struct check *c, uint64_t count, uint64_t *ret, struct err *err)
{
    uint64_t window = WINDOW / c->kind.bytes_per_chunk, end = count;
    for (;;) {
        uint64_t from = end > window ? end - window : 0;
        TRY(first_bad(c, from, end, ret, err));
        if (*ret > from || from == 0)
            return 0;
        end = from; /* bad from the window's first chunk on: look further back */
    }
}

/* The longest prefix of chunk `index` that some checksum fits; its length and checksum. */
static int partial_chunk(const struct check *c, uint64_t index, uint32_t *ret_size,
                         uint32_t *ret_crc, struct err *err)
{
    uint32_t chunk = c->kind.bytes_per_chunk, stored = 0, crc = 0;
    uint64_t start = index * chunk;
    uint64_t rest = c->data_size - start < chunk ? c->data_size - start : chunk;
    TRY(file_read_at(c->data_fd, c->data, (size_t)rest, start, "an open replica", err));
    bool has_sum = index < c->sums;
    if (has_sum) {
        uint8_t bytes[4];
        TRY(file_read_at(c->meta_fd, bytes, 4, META_HEADER_SIZE + index * 4, "an open replica",
                         err));
        struct reader r = reader_of(bytes, 4);
        stored = read_u32(&r);
    }
    *ret_size = 0;
    for (uint32_t n = 1; n <= rest; n++) {
        crc = crc_update(c->kind.type, crc, c->data + n - 1, 1);
        bool fits = has_sum && crc == stored;
        for (size_t i = 0; i < c->tail_count; i++)
            fits |= c->tails[i].length == start + n && c->tails[i].crc == crc;
        if (fits) {
            *ret_size = n;
            *ret_crc = crc;
        }
    }
    return 0;
}

/* Makes both files say exactly `length` bytes. */
static int cut(const struct check *c, uint64_t length, uint32_t partial_crc, struct err *err)
{
    uint32_t chunk = c->kind.bytes_per_chunk;
    uint64_t meta_size = layout_meta_size(c->kind, length);
    if (ftruncate(c->data_fd, (off_t)length) != 0 || ftruncate(c->meta_fd, (off_t)meta_size) != 0)
        return fail_errno(err, "cutting an open replica");
    if (length % chunk != 0 && c->kind.type != CRC_NULL) {
        uint8_t bytes[4];
        put_u32(bytes, partial_crc);
        if (pwrite(c->meta_fd, bytes, 4, (off_t)(meta_size - 4)) != 4)
            return fail_errno(err, "writing a checksum of an open replica");
    }
    if (fsync(c->data_fd) != 0 || fsync(c->meta_fd) != 0)
        return fail(err, ERR_DISK, "syncing an open replica: %s", strerror(errno));
    return 0;
}

/* Do both files say exactly `length` bytes already? */
static bool is_cut(const struct check *c, uint64_t meta_size, uint64_t length, uint32_t partial_crc)
{
    if (length != c->data_size || meta_size != layout_meta_size(c->kind, length))
        return false;
    if (length % c->kind.bytes_per_chunk == 0 || c->kind.type == CRC_NULL)
        return true;
    uint8_t bytes[4], want[4];
    put_u32(want, partial_crc);
    return file_read_at(c->meta_fd, bytes, 4, meta_size - 4, "an open replica", NULL) == 0 &&
           memcmp(bytes, want, 4) == 0;
}

static int examine(const struct check *c, uint64_t *ret_length, uint32_t *ret_crc, struct err *err)
{
    uint32_t chunk = c->kind.bytes_per_chunk, size = 0;
    *ret_crc = 0;
    *ret_length = c->data_size;
    if (c->kind.type == CRC_NULL)
        return 0;
    uint64_t count = c->data_size / chunk + (c->data_size % chunk != 0), good;
    TRY(good_chunks(c, count < c->sums ? count : c->sums, &good, err));
    if (good * chunk < c->data_size) {
        TRY(partial_chunk(c, good, &size, ret_crc, err));
        *ret_length = good * chunk + size;
    } else if (c->data_size % chunk != 0) { /* the last chunk fits, as far as it goes */
        TRY(partial_chunk(c, good - 1, &size, ret_crc, err));
    }
    return 0;
}

/* A checksum file that was cut off before its header ended has no data that was ever acknowledged.
 */
static int read_header(struct check *c, uint64_t meta_size, struct err *err)
{
    uint8_t header[META_HEADER_SIZE];
    if (meta_size >= META_HEADER_SIZE) {
        TRY(file_read_at(c->meta_fd, header, sizeof(header), 0, "an open replica", err));
        struct err bad = {0};
        if (meta_header_decode(header, &c->kind, &bad) == 0) {
            c->sums = (meta_size - META_HEADER_SIZE) / 4;
            return 0;
        }
        log_warn("the checksum file of an open replica has a bad header cause=%s",
                 log_quote(bad.text));
    }
    c->kind = (struct crc_kind){CRC_CRC32C, 512};
    c->sums = 0;
    meta_header_encode(c->kind, header);
    if (pwrite(c->meta_fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return fail_errno(err, "writing the header of a checksum file");
    return 0;
}

/* Of two records the newer one may be of an hsync that the power cut; the older one was answered.
 */
static uint64_t synced_length(const struct check *c)
{
    uint64_t a = c->tails[0].length, b = c->tails[1].length;
    return a < b ? a : b;
}

static int check_files(struct check *c, const struct store_path *tail, struct block *block,
                       uint32_t *ret_crc, struct err *err)
{
    struct stat data, meta;
    if (fstat(c->data_fd, &data) != 0 || fstat(c->meta_fd, &meta) != 0)
        return fail_errno(err, "asking for the size of an open replica");
    c->data_size = (uint64_t)data.st_size;
    TRY(read_header(c, (uint64_t)meta.st_size, err));
    c->tail_count = tail_read(tail->text, c->tails);
    size_t batch = BATCH > c->kind.bytes_per_chunk ? BATCH : c->kind.bytes_per_chunk;
    c->data = malloc(batch);
    c->sum_bytes = malloc(batch / c->kind.bytes_per_chunk * 4);
    if (c->data == NULL || c->sum_bytes == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to check an open replica");
    uint64_t length;
    TRY(examine(c, &length, ret_crc, err));
    if (c->tail_count == 2 && synced_length(c) > length)
        log_error("an open replica lost synced bytes block=%lld synced=%llu found=%llu",
                  (long long)block->id, (unsigned long long)synced_length(c),
                  (unsigned long long)length);
    if (!is_cut(c, (uint64_t)meta.st_size, length, *ret_crc))
        TRY(cut(c, length, *ret_crc, err));
    block->length = length;
    return 0;
}

int scan_open_replica(const struct volume *v, const char *pool_id, struct block *block,
                      struct crc_kind *ret_kind, uint32_t *ret_partial_crc, struct err *err)
{
    struct store_path path, tail;
    struct check c = {.data_fd = -1, .meta_fd = -1};
    layout_data(&path, v, pool_id, PLACE_RBW, block->id);
    TRY(break_links(path.text, err)); /* it may be cut */
    c.data_fd = open(path.text, O_RDWR | O_CLOEXEC);
    if (c.data_fd < 0)
        return fail_errno(err, "opening %s", path.text);
    layout_meta(&path, v, pool_id, PLACE_RBW, block->id, block->gen_stamp);
    int rc = break_links(path.text, err);
    layout_tail(&tail, v, pool_id, block->id);
    if (rc == 0 && (c.meta_fd = open(path.text, O_RDWR | O_CLOEXEC)) < 0)
        rc = fail_errno(err, "opening %s", path.text);
    if (rc == 0)
        rc = check_files(&c, &tail, block, ret_partial_crc, err);
    if (rc == 0)
        *ret_kind = c.kind;
    free(c.data);
    free(c.sum_bytes);
    close(c.data_fd);
    if (c.meta_fd >= 0)
        close(c.meta_fd);
    return rc;
}
