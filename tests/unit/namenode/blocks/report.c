#include "tests/unit/namenode/blocks/fixture.h"

struct entry {
    uint64_t id, len, gs;
    enum replica_state state;
};

static uint8_t *put_entry(uint8_t *p, struct entry e)
{
    p = put_varint(p, e.id << 1 ^ (uint64_t)((int64_t)e.id >> 63)); /* zigzag */
    p = put_varint(p, e.len);
    p = put_varint(p, e.gs);
    return put_varint(p, (uint64_t)e.state);
}

/* The buffer form, cut in pieces of `piece` bytes. */
static int report_pieces(struct cluster *c, uint32_t storage, const struct entry *list,
                         size_t count, size_t piece, struct err *err)
{
    static uint8_t bytes[1 << 16];
    static struct slice slices[1 << 16];
    uint8_t *end = bytes;
    for (size_t i = 0; i < count; i++)
        end = put_entry(end, list[i]);
    size_t size = (size_t)(end - bytes), n = 0;
    for (size_t at = 0; at < size; at += piece)
        slices[n++] = (struct slice){bytes + at, size - at < piece ? size - at : piece};
    struct report_source source = {.buffers = slices, .buffer_count = n};
    return blocks_report_all(c->blocks, storage, &source, c->now, c->now, err);
}

static void report(struct cluster *c, uint32_t storage, const struct entry *list, size_t count)
{
    cr_assert_eq(report_pieces(c, storage, list, count, 1 << 16, NULL), 0);
    blocks_verify(c->blocks);
}

Test(report, buffers_may_be_cut_anywhere)
{
    struct entry list[50];
    for (size_t piece = 1; piece < 60; piece++) {
        struct cluster c = cluster_new((struct cluster_opts){.nodes = 1, .unreported = true});
        for (uint64_t i = 0; i < 50; i++) {
            uint64_t id = i % 2 ? i + 1 : (1ULL << 40) + i;
            add_block(&c, id, 1, BLOCK_COMPLETE);
            list[i] = (struct entry){id, LEN, GS, REPLICA_FINALIZED};
        }
        cr_assert_eq(report_pieces(&c, 1, list, 50, piece, NULL), 0);
        cr_assert_eq(stats(&c).safe, 50);
        cr_assert(nodes_storage(c.nodes, 1)->reported);
        cluster_free(&c);
    }
}

Test(report, truncated_or_overlong_is_refused_and_drops_nothing)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 1});
    handle_t h = add_stored(&c, 7, 1, 1);
    static const uint8_t cut[] = {0x02, 0x80};
    static const uint8_t overlong[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct slice pieces[] = {{cut, sizeof(cut)}};
    struct report_source source = {.buffers = pieces, .buffer_count = 1};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), ERR_PROTOCOL);
    pieces[0] = (struct slice){overlong, sizeof(overlong)};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), ERR_PROTOCOL);
    cr_assert_eq(counts(&c, h).live, 1);
    cluster_free(&c);
}

Test(report, long_form)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 1, .unreported = true});
    handle_t a = add_block(&c, 7, 1, BLOCK_COMPLETE), b = add_block(&c, 8, 1, BLOCK_COMPLETE);
    handle_t open = add_block(&c, 9, 1, BLOCK_UNDER_CONSTRUCTION);
    uint64_t minus = UINT64_MAX;
    uint64_t longs[] = {2, 1, 7, LEN, GS, 8, LEN, GS, minus, minus, minus, 9, 3, GS, REPLICA_RBW};
    struct report_source source = {.longs = longs, .long_count = 15};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), 0);
    cr_assert(counts(&c, a).live == 1 && counts(&c, b).live == 1);
    struct expected_replica e;
    cr_assert_eq(blocks_expected(c.blocks, open, &e, 1), 1);
    cr_assert(e.reported && e.length == 3 && e.state == REPLICA_RBW);
    for (size_t n = 1; n < 15; n++) {
        source.long_count = n;
        cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), ERR_PROTOCOL);
    }
    uint64_t huge[] = {UINT64_MAX / 3 + 1, 0, 1, 1, 1};
    source = (struct report_source){.longs = huge, .long_count = 5};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), ERR_PROTOCOL);
    uint64_t none[] = {0, 0};
    source = (struct report_source){.longs = none, .long_count = 2};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), 0);
    cr_assert_eq(stats(&c).missing, 2);
    cluster_free(&c);
}

Test(report, diff_rules)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 2});
    handle_t stamp = add_stored(&c, 1, 2, 0), length = add_stored(&c, 2, 2, 0);
    handle_t rbw = add_stored(&c, 3, 2, 0), rwr = add_stored(&c, 4, 2, 0);
    handle_t absent = add_stored(&c, 5, 2, 2), good = add_stored(&c, 6, 2, 0);
    handle_t older = add_block(&c, 7, 2, BLOCK_UNDER_CONSTRUCTION);
    handle_t masked = add_stored(&c, 8, 2, 0), temporary = add_stored(&c, 9, 2, 0);
    struct entry list[] = {
        {1, LEN, GS - 1, REPLICA_FINALIZED},
        {2, LEN + 1, GS, REPLICA_FINALIZED},
        {3, LEN, GS, REPLICA_RBW},
        {4, LEN, GS, REPLICA_RWR},
        {6, LEN, GS, REPLICA_FINALIZED},
        {7, LEN, GS - 1, REPLICA_RBW},
        {8, LEN | 5ULL << 48, GS, (enum replica_state)(REPLICA_FINALIZED | 0x30)},
        {9, LEN, GS, REPLICA_TEMPORARY},
        {99, LEN, GS, REPLICA_FINALIZED},
    };
    report(&c, 1, list, 9);
    cr_assert_eq(counts(&c, stamp).corrupt, 1);
    cr_assert_eq(counts(&c, length).corrupt, 1);
    cr_assert_eq(counts(&c, rbw).corrupt + counts(&c, rbw).live, 0, "its final report will follow");
    cr_assert_eq(counts(&c, rwr).corrupt, 1);
    cr_assert_eq(counts(&c, absent).live, 1, "dropped from the first storage only");
    cr_assert_eq(counts(&c, good).live, 1);
    cr_assert_eq(counts(&c, older).corrupt, 1);
    cr_assert_eq(counts(&c, masked).live, 1, "reserved bits don't matter");
    cr_assert_eq(counts(&c, temporary).corrupt + counts(&c, temporary).live, 0);
    cr_assert(ordered(&c, 1, 99));
    struct node_block out;
    cr_assert_eq(nodes_take_invalidates(c.nodes, 1, &out, 1), 1);
    cr_assert_eq(out.length, INT64_MAX, "no answer is wanted for an unknown block");
    cluster_free(&c);
}

Test(report, slices_tolerate_changes_in_between)
{
    enum { BLOCKS = 300 };
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 2});
    static uint8_t bytes[BLOCKS * 40];
    uint8_t *end = bytes;
    for (uint64_t id = 1; id <= BLOCKS; id++) {
        add_stored(&c, id, 1, id % 3 == 0 ? 1 : 0);
        if (id % 2 == 0)
            end = put_entry(end, (struct entry){id, LEN, GS, REPLICA_FINALIZED});
    }
    struct slice piece = {bytes, (size_t)(end - bytes)};
    struct report_source source = {.buffers = &piece, .buffer_count = 1};
    struct block_report *r = NULL;
    cr_assert_eq(blocks_report_start(c.blocks, 1, &source, &r), 0);
    int rc;
    uint64_t added = 1000, removed = BLOCKS;
    while ((rc = blocks_report_step(r, 7, c.now, c.now, NULL)) == REPORT_MORE) {
        blocks_verify(c.blocks);
        if (removed > 0) {
            blocks_remove(c.blocks, blocks_find(c.blocks, removed));
            removed -= 5;
        }
        handle_t h = add_block(&c, added, 1, BLOCK_COMPLETE);
        tell(&c, 2, added++, GS, LEN, BLOCK_RECEIVED);
        cr_assert_eq(counts(&c, h).live, 1);
    }
    cr_assert_eq(rc, REPORT_DONE);
    blocks_report_free(r);
    blocks_verify(c.blocks);
    for (uint64_t id = 1; id <= BLOCKS; id++) {
        handle_t h = blocks_find(c.blocks, id);
        if (h != 0)
            cr_assert_eq(counts(&c, h).live, id % 2 == 0, "block %d", (int)id);
    }
    cluster_free(&c);
}

Test(report, incremental_one_waits_for_the_full_one)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 1});
    uint8_t bytes[400], *end = bytes;
    for (uint64_t id = 1; id <= 8; id++) {
        add_stored(&c, id, 1, 1);
        end = put_entry(end, (struct entry){id, LEN, GS, REPLICA_FINALIZED});
    }
    struct slice piece = {bytes, (size_t)(end - bytes)};
    struct report_source source = {.buffers = &piece, .buffer_count = 1};
    struct block_report *r = NULL;
    cr_assert_eq(blocks_report_start(c.blocks, 1, &source, &r), 0);
    cr_assert_eq(blocks_report_step(r, 2, c.now, c.now, NULL), REPORT_MORE);
    tell(&c, 1, 7, GS, LEN, BLOCK_DELETED);
    cr_assert_eq(counts(&c, blocks_find(c.blocks, 7)).live, 0,
                 "not added again by the older report");
    cr_assert_eq(blocks_report_step(r, 2, c.now, c.now, NULL), REPORT_DONE);
    blocks_report_free(r);
    cluster_free(&c);
}

Test(report, void_after_registration_or_another_report)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 1});
    handle_t h = add_stored(&c, 1, 1, 1);
    struct report_source empty = {0};
    struct block_report *r = NULL, *second = NULL;
    cr_assert_eq(blocks_report_start(c.blocks, 1, &empty, &r), 0);
    cr_assert_eq(blocks_report_start(c.blocks, 1, &empty, &second), 0);
    cr_assert_eq(blocks_report_step(r, 9, c.now, c.now, NULL), ERR_RETRIABLE);
    blocks_report_free(r);
    cluster_add_node(&c, 1, 0);
    cr_assert_eq(blocks_report_step(second, 9, c.now, c.now, NULL), ERR_RETRIABLE);
    blocks_report_free(second);
    cr_assert_eq(counts(&c, h).live, 1);
    cr_assert_eq(counts(&c, h).stale, 1);
    cr_assert_eq(blocks_report_start(c.blocks, 1, &empty, &r), 0);
    cluster_free(&c);
    cr_assert_eq(blocks_report_step(r, 9, 0, 0, NULL), ERR_RETRIABLE,
                 "outlives what it reported to");
    blocks_report_free(r);
}

Test(report, a_replica_moves_between_volumes_of_a_node)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 1});
    uint32_t other = 0;
    cr_assert_eq(nodes_add_storage(c.nodes, 1, "DS-other", STORAGE_SSD, false, &other, NULL), 0);
    handle_t h = add_stored(&c, 1, 1, 1);
    tell(&c, other, 1, GS, LEN, BLOCK_RECEIVED);
    struct replica_info info;
    cr_assert_eq(blocks_replicas(c.blocks, h, &info, 1), 1);
    cr_assert_eq(info.storage, other);
    tell(&c, 1, 1, GS, LEN, BLOCK_DELETED);
    cr_assert_eq(counts(&c, h).live, 1, "the old place doesn't matter any more");
    cluster_free(&c);
}

Test(report, reader_complaint_is_not_taken_back_by_a_report)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 2});
    handle_t h = add_stored(&c, 1, 2, 2);
    blocks_mark_corrupt(c.blocks, 1, GS - 1, 1, 0, CORRUPT_REPORTED);
    blocks_mark_corrupt(c.blocks, 77, GS, 1, 0, CORRUPT_REPORTED);
    cr_assert_eq(counts(&c, h).corrupt, 0, "about another replica or block");
    blocks_mark_corrupt(c.blocks, 1, GS, 1, 0, CORRUPT_REPORTED);
    cr_assert_eq(counts(&c, h).corrupt, 1);
    struct entry list[] = {{1, LEN, GS, REPLICA_FINALIZED}};
    report(&c, 1, list, 1);
    cr_assert_eq(counts(&c, h).corrupt, 1);
    cr_assert_eq(stats(&c).corrupt, 1);
    tell(&c, 1, 1, GS, LEN, BLOCK_DELETED);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).live, 2, "a new copy is another replica");
    cluster_free(&c);
}

Test(report, surplus_that_turned_bad_is_never_taken_back)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_stored(&c, 1, 3, 4);
    cluster_tick(&c, 3000);
    uint32_t surplus = 1;
    while (surplus < 4 && !ordered(&c, surplus, 1))
        surplus++;
    cr_assert_eq(counts(&c, h).excess, 1);
    struct entry cut = {1, LEN - 1, GS, REPLICA_FINALIZED};
    report(&c, surplus, &cut, 1);
    cr_assert_eq(counts(&c, h).excess, 0);
    cr_assert_eq(counts(&c, h).corrupt, 1);
    nodes_declare_dead(c.nodes, surplus == 1 ? 2 : 1);
    cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, h).live, 2);
    cluster_free(&c);
}
