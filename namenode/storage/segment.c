/* segment.c - reads a file of edits and tells a torn end from damage.
 *
 * A segment is a header, edits back to back, then 0xFF padding, because room is taken in steps of 1
 * MiB so that a sync needn't write the file's size.
 *
 * What may be cut off. The writer answers nobody before the sync of the batch, and each batch lies
 * behind the one before. So (1) a good edit behind a bad one proves damage in the middle - unless a
 * whole sector between them was never written, which only happens to a batch that was not synced.
 * (2) A bad edit at the end is torn when bytes of it are missing. (3) A bad edit at the end of
 * which no byte is missing was written as a whole and may have been acknowledged: that is damage,
 * and the start stops rather than drop it. Thread: the one that loads. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc/crc.h"
#include "namenode/journal/journal.h"
#include "namenode/storage/internal.h"

enum {
    CODE_INVALID = 0xff,
    MAX_EDIT_CODE = 52,
    EDIT_OVERHEAD = 5,    /* code and CRC: not counted in an edit's length */
    MIN_EDIT_LENGTH = 12, /* the length itself and the transaction id */
    SECTOR = 512,
    MAX_BATCH_EDITS = 64 << 20,
};

static bool is_padding(const uint8_t *p, size_t size)
{
    if (size == 0)
        return true;
    return (p[0] == 0xff || p[0] == 0) && memcmp(p, p + 1, size - 1) == 0;
}

/* A whole edit with the right CRC at the start of [data, data + size)? */
static bool frame_good(const uint8_t *data, size_t size)
{
    struct reader in = reader_of(data, size);
    uint8_t code = read_u8(&in);
    uint32_t length = read_u32(&in);
    if (in.bad || code == CODE_INVALID || length < MIN_EDIT_LENGTH || length > EDIT_MAX_OP_SIZE)
        return false;
    size_t total = (size_t)length + EDIT_OVERHEAD;
    if (total > size)
        return false;
    struct reader crc = reader_of(data + total - 4, 4);
    return crc32_zlib(0, data, total - 4) == read_u32(&crc);
}

/* The bytes from the bad place on. */
struct tail {
    uint8_t *data;
    size_t size;
    size_t written;     /* without the padding at the end */
    size_t file_offset; /* of data */
};

static struct tail tail_at(struct buf *file, size_t offset)
{
    struct tail t = {buf_head(file) + offset, buf_size(file) - offset, 0, offset};
    t.written = t.size;
    while (t.written > 0 && (t.data[t.written - 1] == 0xff || t.data[t.written - 1] == 0))
        t.written--;
    return t;
}

/* Where a good edit with a later id begins; t->size if nowhere. */
static size_t find_later_edit(const struct tail *t, uint64_t last_txid)
{
    for (size_t i = 1; i < t->written; i++) {
        size_t left = t->size - i;
        if (left < MIN_EDIT_LENGTH + EDIT_OVERHEAD || t->data[i] > MAX_EDIT_CODE)
            continue;
        struct reader in = reader_of(t->data + i + 5, 8);
        uint64_t txid = read_u64(&in);
        if (txid > last_txid && txid - last_txid < MAX_BATCH_EDITS && frame_good(t->data + i, left))
            return i;
    }
    return t->size;
}

/* Whether a sector that was never written lies between the bad place and `end`. */
static bool has_unwritten_sector(const struct tail *t, size_t end)
{
    size_t i = (SECTOR - t->file_offset % SECTOR) % SECTOR;
    for (; i + SECTOR <= end; i += SECTOR) {
        if (is_padding(t->data + i, SECTOR))
            return true;
    }
    return false;
}

/* A whole last edit of which only the length is wrong: with the right one the CRC fits. */
static bool only_length_wrong(const struct tail *t)
{
    for (size_t total = t->written; total <= t->written + 4 && total <= t->size; total++) {
        if (total < MIN_EDIT_LENGTH + EDIT_OVERHEAD || total > EDIT_MAX_OP_SIZE)
            continue;
        uint8_t saved[4];
        memcpy(saved, t->data + 1, sizeof(saved));
        put_u32(t->data + 1, (uint32_t)(total - EDIT_OVERHEAD));
        bool good = frame_good(t->data, t->size);
        memcpy(t->data + 1, saved, sizeof(saved));
        if (good)
            return true;
    }
    return false;
}

/* A whole edit of which only the code was turned into padding's. */
static bool only_code_wrong(const struct tail *t)
{
    bool good = false;
    uint8_t saved = t->data[0];
    for (uint8_t code = 0; !good && code <= MAX_EDIT_CODE; code++) {
        t->data[0] = code;
        good = frame_good(t->data, t->size);
    }
    t->data[0] = saved;
    return good;
}

/* Rules (1) to (3) of the card. */
static enum segment_state judge(const struct tail *t, uint64_t last_txid)
{
    size_t later = find_later_edit(t, last_txid);
    if (later < t->size)
        return has_unwritten_sector(t, later) ? SEGMENT_TORN : SEGMENT_CORRUPT;
    if (t->written < MIN_EDIT_LENGTH + EDIT_OVERHEAD)
        return SEGMENT_TORN;
    if (t->data[0] == CODE_INVALID)
        return only_code_wrong(t) ? SEGMENT_CORRUPT : SEGMENT_TORN;
    struct reader in = reader_of(t->data + 1, 4);
    uint64_t total = (uint64_t)read_u32(&in) + EDIT_OVERHEAD;
    bool sector_edge = (t->file_offset + t->written) % SECTOR == 0;
    if (total <= t->written || (total <= t->written + 4 && total <= t->size && !sector_edge))
        return has_unwritten_sector(t, t->written) ? SEGMENT_TORN : SEGMENT_CORRUPT;
    return only_length_wrong(t) ? SEGMENT_CORRUPT : SEGMENT_TORN;
}

/* An edit that is whole, has its right CRC and yet was refused: its id doesn't follow. */
static bool refused_whole(const struct tail *t)
{
    return frame_good(t->data, t->size);
}

/* A file that was just being made has no header yet. */
static bool is_empty(struct buf *file)
{
    return buf_size(file) < EDIT_SEGMENT_HEADER_SIZE ||
           is_padding(buf_head(file), EDIT_SEGMENT_HEADER_SIZE);
}

static int scan(struct buf *file, struct segment_scan *ret)
{
    if (is_empty(file))
        return 0;
    struct edit_reader r;
    TRY(edit_reader_init(&r, buf_head(file), buf_size(file), 0, &ret->why));
    int rc;
    uint64_t txid;
    uint8_t code;
    while ((rc = edit_scan(&r, &txid, &code, &ret->why)) == EDIT_READ_ONE) {
        ret->first_txid = ret->first_txid == 0 ? txid : ret->first_txid;
        ret->last_txid = txid;
        ret->valid_size = r.offset;
    }
    if (rc != ERR_EOF && rc != ERR_CORRUPT)
        return rc;
    struct tail t = tail_at(file, r.offset);
    ret->state = refused_whole(&t) ? SEGMENT_CORRUPT : judge(&t, ret->last_txid);
    return 0;
}

int segment_read(const char *path, struct buf *ret_file, struct segment_scan *ret, struct err *err)
{
    *ret = (struct segment_scan){.state = SEGMENT_CLEAN, .valid_size = EDIT_SEGMENT_HEADER_SIZE};
    TRY(file_read(path, SIZE_MAX, ret_file, err));
    int rc = scan(ret_file, ret);
    if (rc == ERR_NO_MEMORY)
        return fail(err, rc, "no memory to read %s", path);
    if (rc != 0)
        ret->state = SEGMENT_CORRUPT; /* the header */
    if (ret->state == SEGMENT_CLEAN)
        return 0;
    struct err why = ret->why;
    (void)fail(&ret->why, ERR_CORRUPT, "%.300s: %.400s", path, why.text);
    return 0;
}
