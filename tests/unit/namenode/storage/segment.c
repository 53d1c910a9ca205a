/* segment.c - each byte of a file of edits flipped, each length cut: never fewer edits than were
 * acknowledged without an error, never a crash. */
#include "fixture.h"

#include <stdio.h>
#include <unistd.h>

enum { EDITS = 24 };

static struct buf original;

/* A file in progress with EDITS edits of different kinds and lengths, behind it `padding` bytes of
 * 0xff. */
static void make(size_t padding)
{
    struct rng rng = {11};
    struct arena arena;
    struct err err = {0};
    buf_fini(&original);
    original = (struct buf){0};
    arena_init(&arena, 0);
    cr_assert_eq(edit_encode_header(&original), 0);
    for (uint64_t txid = 1; txid <= EDITS; txid++) {
        struct edit e;
        edit_random(&rng, &arena, &e);
        e.txid = txid;
        cr_assert_eq(edit_encode(&original, &e, &err), 0, "%s", err.text);
    }
    memset(buf_reserve(&original, padding + 1), 0xff, padding);
    buf_commit(&original, padding);
    arena_fini(&arena);
}

static struct segment_scan scan_of(const void *data, size_t size)
{
    char path[] = "/tmp/hadron-segment-XXXXXX";
    struct segment_scan scan;
    struct buf file = {0};
    struct err err = {0};
    int fd = mkstemp(path);
    cr_assert_eq(file_write_full(fd, data, size, path, &err), 0);
    close(fd);
    cr_assert_eq(segment_read(path, &file, &scan, &err), 0, "%s", err.text);
    buf_fini(&file);
    unlink(path);
    return scan;
}

Test(segment, whole)
{
    make(5000);
    struct segment_scan scan = scan_of(buf_head(&original), buf_size(&original));
    cr_assert_eq(scan.state, SEGMENT_CLEAN, "%s", scan.why.text);
    cr_assert_eq(scan.first_txid, 1);
    cr_assert_eq(scan.last_txid, EDITS);
    cr_assert_eq(scan.valid_size, buf_size(&original) - 5000);
}

static void flip_all(size_t padding, uint8_t mask)
{
    make(padding);
    uint8_t *bytes = buf_head(&original);
    size_t end = buf_size(&original) - padding;
    for (size_t i = 0; i < buf_size(&original); i++) {
        bytes[i] ^= mask;
        struct segment_scan scan = scan_of(bytes, buf_size(&original));
        if (i < end)
            cr_assert(scan.state == SEGMENT_CORRUPT ||
                          (scan.state == SEGMENT_CLEAN && scan.last_txid == EDITS),
                      "byte %zu of %zu: state %d, last %lu", i, end, scan.state, scan.last_txid);
        else
            cr_assert_eq(scan.last_txid, EDITS, "padding byte %zu", i - end);
        bytes[i] ^= mask;
    }
}

Test(segment, any_flipped_bit_of_an_edit_is_damage)
{
    flip_all(700, 0x01);
    flip_all(700, 0x80);
}

Test(segment, any_inverted_byte_is_damage_also_without_padding)
{
    flip_all(0, 0xff);
}

Test(segment, any_cut_leaves_whole_edits)
{
    make(600);
    uint64_t last = EDITS;
    for (size_t size = buf_size(&original); size-- > 0;) {
        struct segment_scan scan = scan_of(buf_head(&original), size);
        cr_assert_neq(scan.state, SEGMENT_CORRUPT, "%zu: %s", size, scan.why.text);
        cr_assert_leq(scan.last_txid, last);
        cr_assert_leq(scan.valid_size, size < 8 ? 8 : size);
        last = scan.last_txid;
    }
    cr_assert_eq(last, 0);
}

Test(segment, an_unwritten_end_is_torn_at_any_sector)
{
    make(4096);
    size_t end = buf_size(&original) - 4096;
    for (size_t from = 512; from < end; from += 512) {
        struct buf copy = {0};
        cr_assert_eq(buf_append(&copy, buf_head(&original), buf_size(&original)), 0);
        memset(buf_head(&copy) + from, from % 1024 == 0 ? 0xff : 0, end - from);
        struct segment_scan scan = scan_of(buf_head(&copy), buf_size(&copy));
        cr_assert_neq(scan.state, SEGMENT_CORRUPT, "from %zu: %s", from, scan.why.text);
        cr_assert_lt(scan.last_txid, EDITS);
        buf_fini(&copy);
    }
}

/* A batch that was not synced may reach the disk in any order of its sectors. */
Test(segment, an_unwritten_sector_before_good_edits_is_torn)
{
    make(4096);
    size_t end = buf_size(&original) - 4096;
    cr_assert_gt(end, 2048, "the sample must be long enough");
    cr_assert_not_null(original.data);
    memset(original.data + original.start + 512, 0xff, 512);
    struct segment_scan scan = scan_of(buf_head(&original), buf_size(&original));
    cr_assert_eq(scan.state, SEGMENT_TORN, "%s", scan.why.text);
}

Test(segment, an_id_that_does_not_follow_is_damage)
{
    struct err err = {0};
    struct buf file = {0};
    struct edit e = {.txid = 5, .code = OP_start_log_segment};
    cr_assert_eq(edit_encode_header(&file), 0);
    cr_assert_eq(edit_encode(&file, &e, &err), 0);
    e.txid = 7;
    cr_assert_eq(edit_encode(&file, &e, &err), 0);
    struct segment_scan scan = scan_of(buf_head(&file), buf_size(&file));
    cr_assert_eq(scan.state, SEGMENT_CORRUPT);
    cr_assert_eq(scan.last_txid, 5);
    buf_fini(&file);
}
