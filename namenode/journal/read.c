/* read.c - walks the records of a segment that lies in memory, and tells a torn tail from damage.
 *
 * After a crash the last segment may end in anything: half a record, old padding, blocks of zeros
 * that were allocated and never written. None of that was acknowledged, so it may be cut off - but
 * only if nothing valid follows. A valid record behind a bad one means that something that was once
 * written has been damaged, and then the start must stop. */
#include "namenode/journal/internal.h"

enum { TXID_WINDOW = 1 << 24 }; /* how far ahead a valid record's id can be */

int edit_reader_init(struct edit_reader *r, const void *data, size_t size, uint64_t first_txid,
                     struct err *err)
{
    if (size < EDIT_SEGMENT_HEADER_SIZE)
        return fail(err, ERR_EOF, "the segment has no header: only %zu bytes", size);
    struct reader head = reader_of(data, EDIT_SEGMENT_HEADER_SIZE);
    int32_t version = (int32_t)read_u32(&head);
    uint32_t flags = read_u32(&head);
    if (version < EDIT_LAYOUT_VERSION || version > EDIT_OLDEST_LAYOUT_VERSION)
        return fail(err, ERR_VERSION,
                    "the segment has layout version %d, and %d to %d are understood", version,
                    EDIT_OLDEST_LAYOUT_VERSION, EDIT_LAYOUT_VERSION);
    if (flags != 0)
        return fail(err, ERR_VERSION, "the segment has layout flags that aren't understood");
    *r = (struct edit_reader){.bytes = {data, size},
                              .offset = EDIT_SEGMENT_HEADER_SIZE,
                              .next_txid = first_txid,
                              .layout_version = version};
    return 0;
}

/* One framed record. */
struct frame {
    uint8_t code;
    uint64_t txid;
    struct slice body;
    size_t size; /* all of it */
};

static bool known_code(uint8_t code)
{
    return edit_op_name(code) != NULL;
}

/* Whether a whole record with the right checksum starts at offset. */
static bool frame_at(const struct edit_reader *r, size_t offset, struct frame *ret)
{
    const uint8_t *start = r->bytes.data + offset;
    struct reader in = reader_of(start, r->bytes.size - offset);
    ret->code = read_u8(&in);
    uint32_t length = read_u32(&in);
    if (in.bad || !known_code(ret->code) || length < RECORD_MIN_LENGTH || length > EDIT_MAX_OP_SIZE)
        return false;
    ret->txid = read_u64(&in);
    ret->body = read_bytes(&in, length - RECORD_MIN_LENGTH);
    uint32_t crc = read_u32(&in);
    ret->size = (size_t)length + 1 + RECORD_CRC;
    return !in.bad && crc == crc32_zlib(0, start, ret->size - RECORD_CRC);
}

/* Nothing but bytes of one kind: preallocated, or allocated by the file system and never written.
 */
static bool all_padding(const struct edit_reader *r, size_t offset)
{
    uint8_t kind = r->bytes.data[offset];
    if (kind != EDIT_PADDING_BYTE && kind != 0)
        return false;
    for (; offset < r->bytes.size; offset++)
        if (r->bytes.data[offset] != EDIT_PADDING_BYTE && r->bytes.data[offset] != 0)
            return false;
    return true;
}

/* The first valid record with a later id behind the bad one; 0: none. */
static size_t find_later(const struct edit_reader *r, struct frame *ret)
{
    uint64_t least = r->next_txid;
    for (size_t at = r->offset + 1; at + RECORD_MIN_LENGTH + 1 + RECORD_CRC <= r->bytes.size;
         at++) {
        struct reader in = reader_of(r->bytes.data + at, r->bytes.size - at);
        uint8_t code = read_u8(&in);
        uint32_t length = read_u32(&in);
        uint64_t txid = read_u64(&in);
        if (!known_code(code) || length > r->bytes.size - at || txid < least ||
            txid - least > TXID_WINDOW)
            continue; /* cheap tests first: the checksum of 50 MiB at every byte would take for ever
                       */
        if (frame_at(r, at, ret))
            return at;
    }
    return 0;
}

static int classify(struct edit_reader *r, struct err *err)
{
    struct frame later;
    size_t at = find_later(r, &later);
    if (at == 0)
        return fail(
            err, ERR_EOF,
            "offset %zu: no whole record where transaction %llu should be, and none follows",
            r->offset, (unsigned long long)r->next_txid);
    return fail(err, ERR_CORRUPT,
                "offset %zu: damaged where transaction %llu should be, yet transaction %llu is "
                "whole at offset %zu",
                r->offset, (unsigned long long)r->next_txid, (unsigned long long)later.txid, at);
}

static int next_frame(struct edit_reader *r, struct frame *ret, struct err *err)
{
    if (r->offset == r->bytes.size || all_padding(r, r->offset))
        return EDIT_READ_END;
    if (!frame_at(r, r->offset, ret))
        return classify(r, err);
    if (r->next_txid != 0 && ret->txid != r->next_txid)
        return fail(err, ERR_CORRUPT, "offset %zu: transaction %llu where %llu should be",
                    r->offset, (unsigned long long)ret->txid, (unsigned long long)r->next_txid);
    return EDIT_READ_ONE;
}

static void step(struct edit_reader *r, const struct frame *f)
{
    r->offset += f->size;
    r->next_txid = f->txid + 1;
}

int edit_read(struct edit_reader *r, struct arena *arena, struct edit *ret, struct err *err)
{
    struct frame f;
    int rc = next_frame(r, &f, err);
    if (rc != EDIT_READ_ONE)
        return rc;
    struct decoder d = {.reader = reader_of(f.body.data, f.body.size),
                        .arena = arena,
                        .layout_version = r->layout_version};
    memset(ret, 0, sizeof(*ret));
    ret->txid = f.txid;
    ret->code = f.code;
    rc = edit_decode_body(&d, ret);
    if (rc == ERR_NO_MEMORY)
        return fail(err, rc, "offset %zu: no memory for transaction %llu", r->offset,
                    (unsigned long long)f.txid);
    if (rc != 0)
        return fail(err, ERR_CORRUPT, "offset %zu: transaction %llu (%s) has a malformed body",
                    r->offset, (unsigned long long)f.txid, edit_op_name(f.code));
    step(r, &f);
    return EDIT_READ_ONE;
}

int edit_scan(struct edit_reader *r, uint64_t *ret_txid, uint8_t *ret_code, struct err *err)
{
    struct frame f;
    int rc = next_frame(r, &f, err);
    if (rc != EDIT_READ_ONE)
        return rc;
    *ret_txid = f.txid;
    *ret_code = f.code;
    step(r, &f);
    return EDIT_READ_ONE;
}
