#include "tests/unit/namenode/blocks/fixture.h"

static struct cluster make(uint32_t min_nodes, int64_t extension_ms, uint64_t blocks)
{
    struct cluster c = {.rng = {42}, .now = 1000000};
    struct nodes_settings ns;
    struct blocks_settings bs;
    nodes_settings_defaults(&ns);
    blocks_settings_defaults(&bs);
    bs.safemode_extension_ms = extension_ms;
    bs.safemode_min_nodes = min_nodes;
    cr_assert_eq(nodes_new(&ns, &c.nodes), 0);
    cr_assert_eq(blocks_new(&bs, c.nodes, &c.blocks), 0);
    for (uint64_t id = 1; id <= blocks; id++)
        add_block(&c, id, 3, BLOCK_COMPLETE);
    blocks_start(c.blocks, 5000, c.now);
    return c;
}

static void expect_tip(struct cluster *c, const char *text)
{
    char tip[1024];
    blocks_safe_mode_tip(c->blocks, c->now, tip, sizeof(tip));
    cr_assert_str_eq(tip, text);
}

static void join(struct cluster *c, uint32_t i, uint64_t blocks)
{
    cluster_add_node(c, i, 0);
    cluster_beat(c, i, MIB);
    for (uint64_t id = 1; id <= blocks; id++)
        tell(c, i, id, GS, LEN, BLOCK_RECEIVED);
}

Test(safemode, empty_namespace_needs_none)
{
    struct cluster c = make(0, 30000, 0);
    cr_assert_not(blocks_in_safe_mode(c.blocks));
    cluster_free(&c);
}

Test(safemode, waits_for_blocks_then_for_the_extension)
{
    struct cluster c = make(0, 30000, 1000);
    cr_assert(blocks_in_startup_safe_mode(c.blocks));
    join(&c, 1, 10);
    expect_tip(&c,
               "The reported blocks 10 needs additional 989 blocks to reach the threshold 0.9990 "
               "of total blocks 1000.\nThe minimum number of live datanodes is not required. "
               "Safe mode will be turned off automatically once the thresholds have been "
               "reached.");
    join(&c, 2, 999);
    cr_assert_eq(blocks_safe_mode(c.blocks), SAFEMODE_EXTENSION);
    c.now += 10500;
    expect_tip(&c, "The reported blocks 999 has reached the threshold 0.9990 of total blocks 1000. "
                   "The minimum number of live datanodes is not required. In safe mode extension. "
                   "Safe mode will be turned off automatically in 19 seconds.");
    cr_assert_eq(stats(&c).missing, 0, "queues are filled afterwards");
    c.now += 19500;
    while (blocks_tick(c.blocks, c.now, &c.rng, 100))
        ;
    cr_assert_not(blocks_in_safe_mode(c.blocks));
    cr_assert_eq(stats(&c).missing, 1);
    cr_assert(stats(&c).queues_ready);
    cluster_free(&c);
}

Test(safemode, needs_enough_nodes)
{
    struct cluster c = make(2, 0, 1);
    join(&c, 1, 1);
    expect_tip(&c, "The reported blocks 1 has reached the threshold 0.9990 of total blocks 1. The "
                   "number of live datanodes 1 needs an additional 1 live datanodes to reach the "
                   "minimum number 2.\nSafe mode will be turned off automatically once the "
                   "thresholds have been reached.");
    join(&c, 2, 0);
    blocks_tick(c.blocks, c.now, &c.rng, 100);
    cr_assert_not(blocks_in_safe_mode(c.blocks));
    cluster_free(&c);
}

Test(safemode, manual_one_stays)
{
    struct cluster c = make(0, 0, 1);
    blocks_enter_safe_mode(c.blocks, false);
    join(&c, 1, 1);
    cr_assert_not(blocks_in_startup_safe_mode(c.blocks));
    cr_assert(blocks_in_safe_mode(c.blocks));
    expect_tip(&c, "It was turned on manually. Use \"hdfs dfsadmin -safemode leave\" to turn safe "
                   "mode off.");
    cr_assert(blocks_leave_safe_mode(c.blocks, false, c.now));
    cr_assert_not(blocks_in_safe_mode(c.blocks));
    blocks_enter_safe_mode(c.blocks, true);
    cr_assert_eq(blocks_safe_mode(c.blocks), SAFEMODE_LOW_RESOURCES);
    cluster_free(&c);
}

Test(safemode, leave_ends_the_startup_one)
{
    struct cluster c = make(0, 30000, 5);
    cr_assert(blocks_leave_safe_mode(c.blocks, false, c.now));
    blocks_tick(c.blocks, c.now, &c.rng, 100);
    cr_assert_eq(stats(&c).missing, 5);
    cluster_free(&c);
}

Test(safemode, replicas_from_the_future_hold_it)
{
    struct cluster c = make(0, 0, 2);
    cluster_add_node(&c, 1, 0);
    cluster_beat(&c, 1, MIB);
    uint64_t longs[] = {2, 0, 900, 77, 5001, 901, 10, 5000};
    struct report_source source = {.longs = longs, .long_count = 8};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), 0);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(blocks_bytes_in_future(c.blocks), 77);
    cr_assert(blocks_in_safe_mode(c.blocks));
    cr_assert_not(ordered(&c, 1, 900), "not deleted");
    cr_assert(ordered(&c, 1, 901));
    cr_assert_not(blocks_leave_safe_mode(c.blocks, false, c.now));
    char tip[1024];
    blocks_safe_mode_tip(c.blocks, c.now, tip, sizeof(tip));
    cr_assert_not_null(strstr(tip, "Exiting safe mode will cause loss of 77 byte(s)."));
    cr_assert(blocks_leave_safe_mode(c.blocks, true, c.now));
    cr_assert_not(blocks_in_safe_mode(c.blocks));
    cluster_free(&c);
}

Test(safemode, second_full_report_at_startup_counts)
{
    struct cluster c = make(0, 0, 3);
    cluster_add_node(&c, 1, 0);
    cluster_beat(&c, 1, MIB);
    uint64_t longs[] = {1, 0, 1, LEN, GS};
    struct report_source source = {.longs = longs, .long_count = 5}, empty = {0};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), 0);
    cr_assert_eq(stats(&c).safe, 1);
    cr_assert_eq(blocks_report_all(c.blocks, 1, &empty, c.now, c.now, NULL), 0);
    cr_assert_eq(stats(&c).safe, 0, "the next one may be hours away");
    cluster_free(&c);
}
