/* groups.c - block groups: internal blocks by storage and index, what is enough, what is wrong. */
#include "fixture.h"

enum { CELL = 1024 };
#define GROUP ((uint64_t)INT64_MIN + 16)

/* RS-3-2 with small cells is 2, and nothing else is known. */
static const struct ec_policy rs32 = {
    .id = 2, .data_units = 3, .parity_units = 2, .codec = EC_RS, .cell_size = CELL};

static const struct ec_policy *policy_at(void *ctx, uint8_t id)
{
    (void)ctx;
    return id == rs32.id ? &rs32 : NULL;
}

static struct cluster groups_new(uint32_t nodes)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = nodes});
    blocks_ec_from(c.blocks, policy_at, NULL);
    return c;
}

static handle_t add_group(struct cluster *c, uint64_t id, uint8_t ec, uint64_t length,
                          enum block_state state)
{
    struct block_info info = {.id = id,
                              .generation_stamp = GS,
                              .length = length,
                              .owner = 5,
                              .replication = 1,
                              .state = state,
                              .ec = ec};
    handle_t h = 0;
    cr_assert_eq(blocks_add(c->blocks, &info, &h), 0);
    return h;
}

/* Storage i + 1 says that it has the internal block i. */
static void tell_unit(struct cluster *c, uint32_t storage, uint64_t group, unsigned index,
                      uint64_t length)
{
    tell(c, storage, group + index, GS, ec_internal_length(&rs32, length, index), BLOCK_RECEIVED);
    blocks_verify(c->blocks);
}

static handle_t add_whole(struct cluster *c, uint64_t length)
{
    handle_t h = add_group(c, GROUP, 2, length, BLOCK_COMPLETE);
    for (unsigned i = 0; i < 5; i++)
        if (ec_internal_length(&rs32, length, i) > 0)
            tell_unit(c, i + 1, GROUP, i, length);
    return h;
}

static bool corrupt_at(struct cluster *c, handle_t h, uint32_t storage, unsigned index,
                       enum corrupt_reason reason)
{
    struct replica_info list[16];
    size_t count = blocks_replicas(c->blocks, h, list, 16);
    for (size_t i = 0; i < count; i++)
        if (list[i].storage == storage && list[i].index == index)
            return list[i].corrupt && list[i].reason == reason;
    return false;
}

Test(groups, each_internal_block_counts_by_its_index)
{
    struct cluster c = groups_new(6);
    handle_t h = add_whole(&c, 3 * CELL);
    cr_assert_eq(counts(&c, h).live, 5);
    cr_assert_eq(counts(&c, h).live_units, 31);
    cr_assert_eq(stats(&c).groups.blocks, 1);
    cr_assert_eq(stats(&c).groups.low_redundancy, 0);
    tell_unit(&c, 6, GROUP, 0, 3 * CELL);
    cr_assert_eq(counts(&c, h).live, 5, "the same index twice is one");
    cr_assert_eq(counts(&c, h).duplicate, 1);
    tell(&c, 1, GROUP, GS, CELL, BLOCK_DELETED);
    cr_assert_eq(counts(&c, h).live, 5);
    cr_assert_eq(counts(&c, h).duplicate, 0);
    struct block_info info;
    blocks_get(c.blocks, h, &info);
    cr_assert(info.ec == 2 && info.replication == 1 && info.length == 3 * CELL);
    cluster_free(&c);
}

Test(groups, a_short_group_wants_fewer)
{
    struct cluster c = groups_new(5);
    handle_t one = add_group(&c, GROUP, 2, 1, BLOCK_COMPLETE);
    handle_t two = add_group(&c, GROUP + 16, 2, CELL + 1, BLOCK_COMPLETE);
    handle_t open = add_group(&c, GROUP + 32, 2, 1, BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(blocks_units_wanted(c.blocks, one), 3);
    cr_assert_eq(blocks_units_minimum(c.blocks, one), 1);
    cr_assert_eq(blocks_units_wanted(c.blocks, two), 4);
    cr_assert_eq(blocks_units_minimum(c.blocks, two), 2);
    cr_assert_eq(blocks_units_wanted(c.blocks, open), 5, "nobody knows how long it gets");
    cr_assert_eq(blocks_units_minimum(c.blocks, open), 3);
    tell_unit(&c, 1, GROUP, 0, 1);
    tell_unit(&c, 4, GROUP, 3, 1);
    cr_assert_eq(stats(&c).groups.missing, 1, "only the other one");
    tell_unit(&c, 5, GROUP, 4, 1);
    cr_assert_eq(counts(&c, one).live, 3);
    tell(&c, 2, GROUP + 1, GS, 0, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, one).live, 3, "what is empty is of no use");
    cr_assert_eq(counts(&c, one).duplicate, 1);
    cluster_free(&c);
}

Test(groups, missing_is_what_cannot_be_decoded)
{
    struct cluster c = groups_new(5);
    handle_t h = add_group(&c, GROUP, 2, 3 * CELL, BLOCK_COMPLETE);
    cr_assert_eq(stats(&c).groups.missing, 1);
    tell_unit(&c, 2, GROUP, 1, 3 * CELL);
    tell_unit(&c, 4, GROUP, 3, 3 * CELL);
    tell_unit(&c, 1, GROUP, 1, 3 * CELL);
    cr_assert_eq(stats(&c).groups.missing, 1, "two of three");
    tell_unit(&c, 5, GROUP, 4, 3 * CELL);
    cr_assert_eq(stats(&c).groups.missing, 0);
    cr_assert_eq(stats(&c).groups.low_redundancy, 1);
    cr_assert_eq(stats(&c).groups.highest_priority, 1);
    cr_assert_eq(stats(&c).missing_replication_one, 0);
    tell_unit(&c, 3, GROUP, 2, 3 * CELL);
    cr_assert_eq(stats(&c).groups.highest_priority, 0);
    cr_assert_eq(stats(&c).groups.low_redundancy, 1);
    tell_unit(&c, 3, GROUP, 0, 3 * CELL);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(counts(&c, h).live, 5);
    cluster_free(&c);
}

Test(groups, one_storage_can_hold_several_internal_blocks)
{
    struct cluster c = groups_new(2);
    handle_t h = add_group(&c, GROUP, 2, 3 * CELL, BLOCK_COMPLETE);
    handle_t other = add_block(&c, 1, 1, BLOCK_COMPLETE);
    for (unsigned i = 0; i < 4; i++)
        tell_unit(&c, 1, GROUP, i, 3 * CELL);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    tell_unit(&c, 1, GROUP, 4, 3 * CELL);
    cr_assert_eq(counts(&c, h).live, 5);
    cr_assert_eq(nodes_storage(c.nodes, 1)->block_count, 6);
    /* A full report names three of them, out of order: the rest is gone. */
    uint64_t longs[] = {4,   0,  GROUP + 4, CELL, GS, GROUP + 1,  CELL,       GS,        1,
                        LEN, GS, GROUP + 3, CELL, GS, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    struct report_source source = {.longs = longs, .long_count = ARRAY_SIZE(longs)};
    struct block_report *r;
    cr_assert_eq(blocks_report_start(c.blocks, 1, &source, &r), 0);
    int rc;
    while ((rc = blocks_report_step(r, 1, c.now, c.now, NULL)) == REPORT_MORE)
        blocks_verify(c.blocks);
    cr_assert_eq(rc, REPORT_DONE);
    blocks_report_free(r);
    cr_assert_eq(counts(&c, h).live_units, 1 << 4 | 1 << 1 | 1 << 3);
    cr_assert_eq(counts(&c, other).live, 1);
    tell_unit(&c, 2, GROUP, 3, 3 * CELL);
    nodes_declare_dead(c.nodes, 1);
    cluster_tick(&c, 1);
    cr_assert_eq(counts(&c, h).live_units, 1 << 3);
    cluster_free(&c);
}

Test(groups, an_internal_block_has_its_own_length)
{
    struct cluster c = groups_new(5);
    const uint64_t length = 4 * CELL + 10; /* 2 cells, cell + 10, cell; parity 2 cells */
    handle_t h = add_group(&c, GROUP, 2, length, BLOCK_COMPLETE);
    tell(&c, 1, GROUP, GS, length, BLOCK_RECEIVED);
    cr_assert(corrupt_at(&c, h, 1, 0, CORRUPT_LENGTH));
    tell(&c, 2, GROUP + 1, GS, CELL + 10, BLOCK_RECEIVED);
    tell(&c, 3, GROUP + 2, GS, CELL + 10, BLOCK_RECEIVED);
    tell(&c, 4, GROUP + 3, GS, 2 * CELL, BLOCK_RECEIVED);
    tell(&c, 5, GROUP + 4, GS + 1, 2 * CELL, BLOCK_RECEIVED);
    cr_assert(corrupt_at(&c, h, 3, 2, CORRUPT_LENGTH));
    cr_assert(corrupt_at(&c, h, 5, 4, CORRUPT_STAMP));
    cr_assert_eq(counts(&c, h).live_units, 1 << 1 | 1 << 3);
    cr_assert_eq(stats(&c).groups.corrupt, 1);
    tell(&c, 1, GROUP, GS, 2 * CELL, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).live_units, 1 << 0 | 1 << 1 | 1 << 3, "the right one heals it");
    cluster_free(&c);
}

Test(groups, what_no_policy_has_is_deleted)
{
    struct cluster c = groups_new(5);
    handle_t h = add_group(&c, GROUP, 2, 3 * CELL, BLOCK_COMPLETE);
    tell(&c, 1, GROUP + 5, GS, CELL, BLOCK_RECEIVED);
    tell(&c, 1, GROUP + 16, GS, CELL, BLOCK_RECEIVED);
    cr_assert(ordered(&c, 1, GROUP + 5) && ordered(&c, 1, GROUP + 16));
    cr_assert_eq(stats(&c).groups.pending_deletion, 2);
    cr_assert_eq(counts(&c, h).live, 0);
    cluster_free(&c);
}

Test(groups, deletion_orders_name_the_internal_block)
{
    struct cluster c = groups_new(5);
    handle_t h = add_whole(&c, 3 * CELL + 1);
    blocks_mark_corrupt(c.blocks, GROUP + 3, GS, 0, 4, CORRUPT_REPORTED);
    blocks_mark_corrupt(c.blocks, GROUP + 3, GS, 0, 1, CORRUPT_REPORTED); /* it isn't there */
    cr_assert(corrupt_at(&c, h, 4, 3, CORRUPT_REPORTED));
    cr_assert_eq(counts(&c, h).corrupt, 1);
    blocks_remove(c.blocks, h);
    for (unsigned i = 0; i < 5; i++) {
        struct node_block out[4];
        nodes_grant_invalidates(c.nodes, 1, &c.rng);
        cr_assert_eq(nodes_take_invalidates(c.nodes, i + 1, out, 4), 1);
        cr_assert_eq(out[0].id, GROUP + i);
        cr_assert_eq(out[0].length, ec_internal_length(&rs32, 3 * CELL + 1, i));
    }
    cluster_free(&c);
}

Test(groups, a_group_is_complete_when_it_can_be_read)
{
    struct cluster c = groups_new(5);
    handle_t h = add_group(&c, GROUP, 2, 0, BLOCK_UNDER_CONSTRUCTION);
    uint32_t where[] = {1, 2, 3, 0, 5};
    cr_assert_eq(blocks_set_expected(c.blocks, h, where, 5), 0);
    struct expected_replica expected[8];
    cr_assert_eq(blocks_expected(c.blocks, h, expected, 8), 4);
    cr_assert(expected[3].storage == 5 && expected[3].index == 4);
    tell(&c, 1, GROUP, GS, CELL, BLOCK_RECEIVED);
    tell(&c, 5, GROUP + 4, GS, CELL, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, 2 * CELL + 5, NULL), 0);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_COMMITTED, "two of three");
    tell(&c, 3, GROUP + 2, GS, 5, BLOCK_RECEIVED);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_COMPLETE);
    cr_assert_eq(counts(&c, h).pending, 1, "the pipeline's last one is on its way");
    cr_assert_eq(stats(&c).groups.low_redundancy, 1, "index 3 isn't");
    cr_assert_eq(blocks_take_completed(c.blocks), h);
    cluster_free(&c);
}

Test(groups, a_short_group_completes_with_what_it_has)
{
    struct cluster c = groups_new(5);
    handle_t h = add_group(&c, GROUP, 2, 0, BLOCK_UNDER_CONSTRUCTION);
    uint32_t where[] = {1, 2, 3, 4, 5};
    cr_assert_eq(blocks_set_expected(c.blocks, h, where, 5), 0);
    tell(&c, 1, GROUP, GS, 7, BLOCK_RECEIVED);
    tell(&c, 4, GROUP + 3, GS, 7, BLOCK_RECEIVED);
    tell(&c, 5, GROUP + 4, GS, 7, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, 7, NULL), 0);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_COMPLETE);
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).pending, 0, "what is empty never comes");
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cluster_free(&c);
}

Test(groups, who_left_the_pipeline_is_out_of_date)
{
    struct cluster c = groups_new(5);
    handle_t h = add_group(&c, GROUP, 2, 0, BLOCK_UNDER_CONSTRUCTION);
    uint32_t before[] = {1, 2, 3, 4, 5}, after[] = {1, 2, 3, 4, 0};
    cr_assert_eq(blocks_set_expected(c.blocks, h, before, 5), 0);
    tell(&c, 5, GROUP + 4, GS, CELL, BLOCK_RECEIVED);
    blocks_set_generation_stamp(c.blocks, h, GS + 1);
    cr_assert_eq(blocks_set_expected(c.blocks, h, after, 5), 0);
    cr_assert(corrupt_at(&c, h, 5, 4, CORRUPT_STAMP));
    cluster_free(&c);
}

Test(groups, safe_mode_waits_for_what_can_be_read)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 5, .stay_in_safe_mode = true});
    blocks_ec_from(c.blocks, policy_at, NULL);
    (void)add_group(&c, GROUP, 2, 3 * CELL, BLOCK_COMPLETE);
    (void)add_group(&c, GROUP + 16, 77, 3 * CELL, BLOCK_COMPLETE);
    cr_assert_eq(stats(&c).safe, 1, "nobody can say that of a strange policy");
    tell_unit(&c, 1, GROUP, 0, 3 * CELL);
    tell_unit(&c, 2, GROUP, 4, 3 * CELL);
    tell_unit(&c, 3, GROUP, 4, 3 * CELL);
    cr_assert_eq(stats(&c).safe, 1);
    tell_unit(&c, 3, GROUP, 2, 3 * CELL);
    cr_assert_eq(stats(&c).safe, 2);
    cluster_free(&c);
}

Test(groups, an_unknown_policy_is_let_alone)
{
    struct cluster c = groups_new(3);
    handle_t h = add_group(&c, GROUP, 77, 3 * CELL, BLOCK_COMPLETE);
    handle_t open = add_group(&c, GROUP + 16, 77, 0, BLOCK_UNDER_CONSTRUCTION);
    tell(&c, 1, GROUP + 15, GS, 1, BLOCK_RECEIVED);
    tell(&c, 2, GROUP + 15, GS, 2, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).corrupt, 0);
    cr_assert_eq(stats(&c).missing, 0);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(stats(&c).pending_deletion, 0);
    tell(&c, 1, GROUP + 16, GS, 3, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, open, GS, 3, NULL), 0);
    cr_assert_eq(blocks_state(c.blocks, open), BLOCK_COMMITTED);
    cluster_free(&c);
}

Test(groups, readers_get_each_index_once_by_index)
{
    struct cluster c = groups_new(6);
    handle_t h = add_whole(&c, 3 * CELL);
    tell_unit(&c, 6, GROUP, 1, 3 * CELL);
    struct unit_location l[16];
    bool corrupt = true;
    cr_assert_eq(blocks_unit_locations(c.blocks, h, c.now, l, 16, &corrupt), 5);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(l[i].index, i);
    cr_assert(!corrupt);
    blocks_set_admin(c.blocks, 1, ADMIN_DECOMMISSION_IN_PROGRESS);
    blocks_set_admin(c.blocks, 2, ADMIN_DECOMMISSION_IN_PROGRESS);
    cluster_tick(&c, 1);
    cr_assert_eq(blocks_unit_locations(c.blocks, h, c.now, l, 16, &corrupt), 5);
    cr_assert(l[0].index == 1 && l[0].storage == 6, "another has it");
    cr_assert(l[4].index == 0 && l[4].storage == 1, "who leaves comes last");
    cr_assert_eq(counts(&c, h).live_units, 30);
    cr_assert_eq(counts(&c, h).decommissioning, 1);
    struct leaving_block leaving;
    blocks_check_leaving(c.blocks, h, ADMIN_DECOMMISSION_IN_PROGRESS, &leaving);
    cr_assert(!leaving.enough && !leaving.only_here);
    cluster_free(&c);
}

Test(groups, corrupt_ones_are_told_only_when_the_rest_is_not_enough)
{
    struct cluster c = groups_new(5);
    handle_t h = add_whole(&c, 3 * CELL);
    struct unit_location l[16];
    bool corrupt = true;
    for (unsigned i = 0; i < 2; i++)
        blocks_mark_corrupt(c.blocks, GROUP + i, GS, i + 1, 0, CORRUPT_REPORTED);
    cr_assert_eq(blocks_unit_locations(c.blocks, h, c.now, l, 16, &corrupt), 3);
    cr_assert(!corrupt && l[0].index == 2);
    blocks_mark_corrupt(c.blocks, GROUP + 2, GS, 3, 0, CORRUPT_REPORTED);
    cr_assert_eq(blocks_unit_locations(c.blocks, h, c.now, l, 16, &corrupt), 5);
    cr_assert(corrupt && l[0].index == 3);
    cr_assert_eq(stats(&c).groups.missing, 1);
    cluster_free(&c);
}
