/* Records as bytes: Hadoop's own vectors, every operation there and back, torn and damaged
 * segments. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/crc/crc.h"
#include "namenode/journal/journal.h"

static struct buf out;
static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 0);
}

static void teardown(void)
{
    buf_fini(&out);
    arena_fini(&arena);
}

TestSuite(record, .init = setup, .fini = teardown);

static void expect_hex(const char *hex)
{
    static char text[4096];
    size_t n = 0;
    for (size_t i = 0; i < buf_size(&out); i++)
        n += (size_t)sprintf(text + n, "%02x", buf_head(&out)[i]);
    cr_assert_str_eq(text, hex);
}

static void encode(const struct edit *e)
{
    struct err err = {0};
    cr_assert_eq(edit_encode(&out, e, &err), 0, "%s", err.text);
}

Test(record, delete_as_hadoop_writes_it)
{
    uint8_t id[16];
    for (uint8_t i = 0; i < 16; i++)
        id[i] = i;
    struct edit e = {.txid = 3, .code = OP_delete};
    e.delete =
        (struct op_delete){.path = slice_of("/a"), .time = 1700000000000, .rpc = {{id, 16}, 5}};
    encode(&e);
    expect_hex("020000002e000000000000000300022f610000018bcfe568000010"
               "000102030405060708090a0b0c0d0e0f000000059c426e40");
}

Test(record, mkdir_as_hadoop_writes_it)
{
    struct edit e = {.txid = 5, .code = OP_mkdir};
    e.mkdir = (struct op_mkdir){.inode_id = 16387,
                                .path = slice_of("/d"),
                                .mtime = 7,
                                .atime = 7,
                                .perm = {slice_of("alice"), slice_of("users"), 0755}};
    encode(&e);
    expect_hex("030000003b0000000000000005000000000000400300022f64000000000000000700000000000000070"
               "5616c696365"
               "05757365727301ed0000000000689c7967");
}

Test(record, letters_beyond_the_first_plane_take_two_groups_of_three)
{
    struct edit e = {.txid = 1, .code = OP_allow_snapshot};
    e.allow_snapshot.root = slice_of("/\xf0\x9f\x98\x80");
    encode(&e);
    cr_assert_eq(memcmp(buf_head(&out) + 13, "\x00\x07/\xed\xa0\xbd\xed\xb8\x80", 9), 0);
}

Test(record, a_segment_begins_with_its_layout)
{
    cr_assert_eq(edit_encode_header(&out), 0);
    expect_hex("ffffffbd00000000");
}

Test(record, what_can_not_be_written_leaves_nothing_behind)
{
    static char huge[70000];
    struct err err = {0};
    memset(huge, 'x', sizeof(huge) - 1);
    struct edit e = {.txid = 1, .code = OP_allow_snapshot};
    encode(&e);
    size_t size = buf_size(&out);
    e.allow_snapshot.root = slice_of(huge);
    cr_assert_eq(edit_encode(&out, &e, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(buf_size(&out), size);
    e = (struct edit){.txid = 1, .code = 77};
    cr_assert_eq(edit_encode(&out, &e, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(buf_size(&out), size);
}

/* n random records with consecutive ids behind a header; ends[i] is the offset behind record i. */
static void random_segment(uint64_t seed, unsigned n, size_t *ends)
{
    struct rng rng = {seed};
    buf_clear(&out);
    cr_assert_eq(edit_encode_header(&out), 0);
    for (unsigned i = 0; i < n; i++) {
        struct edit e;
        edit_random(&rng, &arena, &e);
        e.txid = i + 1;
        encode(&e);
        ends[i] = buf_size(&out);
    }
}

enum { RECORDS = 4000 };
static size_t ends[RECORDS];

Test(record, every_operation_survives_the_way_there_and_back)
{
    struct edit_reader r;
    struct err err = {0};
    struct buf again = {0}, text = {0};
    struct edit e;
    bool seen[256] = {false};
    random_segment(42, RECORDS, ends);
    cr_assert_eq(edit_reader_init(&r, buf_head(&out), buf_size(&out), 1, &err), 0);
    cr_assert_eq(edit_encode_header(&again), 0);
    struct arena read_arena;
    arena_init(&read_arena, 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        cr_assert_eq(edit_read(&r, &read_arena, &e, &err), EDIT_READ_ONE, "%s", err.text);
        cr_assert_eq(e.txid, i + 1);
        cr_assert_eq(edit_encode(&again, &e, &err), 0);
        cr_assert_eq(edit_dump(&text, &e), 0);
        cr_assert_not_null(strstr((char *)buf_head(&text), edit_op_name(e.code)));
        buf_clear(&text);
        seen[e.code] = true;
        arena_reset(&read_arena);
    }
    cr_assert_eq(edit_read(&r, &read_arena, &e, &err), EDIT_READ_END);
    cr_assert_eq(buf_size(&again), buf_size(&out));
    cr_assert_eq(memcmp(buf_head(&again), buf_head(&out), buf_size(&out)), 0);
    for (int code = 0; code < 256; code++)
        cr_assert_eq(seen[code], edit_op_name(code) != NULL, "%d", code);
    arena_fini(&read_arena);
    buf_fini(&again);
    buf_fini(&text);
}

/* Reads all of `bytes`; the result of the last read, the number before it, and where it stood. */
static int read_all(const uint8_t *bytes, size_t size, unsigned *count, size_t *offset)
{
    struct edit_reader r;
    struct err err = {0};
    struct arena scratch;
    struct edit e;
    uint64_t txid;
    uint8_t code;
    int rc = edit_reader_init(&r, bytes, size, 1, &err);
    *count = 0;
    if (rc != 0)
        return rc;
    struct edit_reader scan = r;
    arena_init(&scratch, 0);
    while ((rc = edit_read(&r, &scratch, &e, &err)) == EDIT_READ_ONE) {
        cr_assert_eq(edit_scan(&scan, &txid, &code, &err), EDIT_READ_ONE);
        cr_assert(txid == e.txid && code == e.code && scan.offset == r.offset);
        ++*count;
        arena_reset(&scratch);
    }
    arena_fini(&scratch);
    *offset = r.offset;
    return rc;
}

Test(record, a_segment_cut_anywhere_is_a_torn_tail)
{
    enum { FEW = 12 };
    unsigned count, whole = 0;
    size_t offset;
    random_segment(7, FEW, ends);
    for (size_t size = EDIT_SEGMENT_HEADER_SIZE; size <= buf_size(&out); size++) {
        while (whole < FEW && ends[whole] <= size)
            whole++;
        size_t good = whole == 0 ? EDIT_SEGMENT_HEADER_SIZE : ends[whole - 1];
        /* an ADD begins with a zero: alone it looks like what was allocated and never written */
        int rc = read_all(buf_head(&out), size, &count, &offset);
        cr_assert(rc == (size == good ? EDIT_READ_END : ERR_EOF) ||
                      (rc == EDIT_READ_END && size - good < 5),
                  "%zu: %d", size, rc);
        cr_assert(count == whole && offset == good, "%zu", size);
    }
    cr_assert_eq(read_all(buf_head(&out), 7, &count, &offset), ERR_EOF);
}

Test(record, padding_ends_a_segment_but_only_if_nothing_follows)
{
    unsigned count;
    size_t offset;
    static uint8_t padded[1 << 20];
    random_segment(9, 20, ends);
    size_t size = buf_size(&out);
    cr_assert_lt(size, sizeof(padded) / 2);
    for (int fill = 0; fill < 256; fill += 255) {
        memset(padded, fill, sizeof(padded));
        memcpy(padded, buf_head(&out), size);
        cr_assert_eq(read_all(padded, sizeof(padded), &count, &offset), EDIT_READ_END);
        cr_assert(count == 20 && offset == size);
        /* a batch of which only a later page reached the disk: valid records behind padding */
        memset(padded + ends[9], fill, ends[10] - ends[9]);
        cr_assert_eq(read_all(padded, sizeof(padded), &count, &offset), ERR_CORRUPT);
        cr_assert(count == 10 && offset == ends[9]);
    }
}

Test(record, a_flipped_bit_in_the_middle_stops_and_at_the_end_is_torn)
{
    enum { FEW = 10 };
    unsigned count;
    size_t offset;
    random_segment(13, FEW, ends);
    for (size_t at = EDIT_SEGMENT_HEADER_SIZE; at < buf_size(&out); at++) {
        unsigned in = 0;
        while (ends[in] <= at)
            in++;
        buf_head(&out)[at] ^= 0x10;
        int rc = read_all(buf_head(&out), buf_size(&out), &count, &offset);
        cr_assert_eq(rc, in == FEW - 1 ? ERR_EOF : ERR_CORRUPT, "byte %zu", at);
        cr_assert_eq(count, in);
        buf_head(&out)[at] ^= 0x10;
    }
}

Test(record, a_gap_in_the_ids_is_damage)
{
    unsigned count;
    size_t offset;
    random_segment(21, 3, ends);
    struct edit e = {.txid = 5, .code = OP_end_log_segment};
    encode(&e);
    cr_assert_eq(read_all(buf_head(&out), buf_size(&out), &count, &offset), ERR_CORRUPT);
    cr_assert_eq(count, 3);
}

Test(record, layouts_that_are_not_understood_are_refused)
{
    struct edit_reader r;
    struct err err = {0};
    const uint8_t newer[8] = {0xff, 0xff, 0xff, 0xbc}, older[8] = {0xff, 0xff, 0xff, 0xc2},
                  flags[8] = {0xff, 0xff, 0xff, 0xbd, 0, 0, 0, 1};
    cr_assert_eq(edit_reader_init(&r, newer, 8, 0, &err), ERR_VERSION);
    cr_assert_not_null(strstr(err.text, "-68"));
    cr_assert_eq(edit_reader_init(&r, older, 8, 0, &err), ERR_VERSION);
    cr_assert_eq(edit_reader_init(&r, flags, 8, 0, &err), ERR_VERSION);
}

Test(record, bodies_that_lie_about_counts_take_no_memory)
{
    /* an UPDATE_BLOCKS that announces 2^31 - 1 blocks */
    struct edit e = {.txid = 1, .code = OP_update_blocks};
    struct edit_block block = {1, 2, 3};
    e.update_blocks = (struct op_update_blocks){.path = slice_of("/a"), .blocks = {&block, 1}};
    cr_assert_eq(edit_encode_header(&out), 0);
    encode(&e);
    unsigned count;
    size_t offset;
    uint8_t *vint = buf_head(&out) + EDIT_SEGMENT_HEADER_SIZE + 13 + 4;
    cr_assert_eq(*vint, 1);
    *vint = 100;
    uint32_t size = (uint32_t)buf_size(&out) - EDIT_SEGMENT_HEADER_SIZE - 4;
    put_u32(buf_head(&out) + EDIT_SEGMENT_HEADER_SIZE + size,
            crc32_zlib(0, buf_head(&out) + EDIT_SEGMENT_HEADER_SIZE, size));
    cr_assert_eq(read_all(buf_head(&out), buf_size(&out), &count, &offset), ERR_CORRUPT);
    cr_assert(count == 0 && offset == EDIT_SEGMENT_HEADER_SIZE);
}
