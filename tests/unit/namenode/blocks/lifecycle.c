#include "tests/unit/namenode/blocks/fixture.h"

Test(lifecycle, written_committed_completed_by_reports)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_block(&c, 1, 3, BLOCK_UNDER_CONSTRUCTION);
    uint32_t where[] = {1, 2, 3};
    cr_assert_eq(blocks_set_expected(c.blocks, h, where, 3), 0);
    cr_assert_eq(stats(&c).scheduled, 3);
    cr_assert_eq(blocks_expected(c.blocks, h, NULL, 0), 3);
    tell(&c, 1, 1, GS, 0, BLOCK_RECEIVING);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_COMMITTED);
    cr_assert_not(blocks_complete(c.blocks, h), "no replica yet");
    cr_assert_eq(blocks_take_completed(c.blocks), 0);
    tell(&c, 2, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert(blocks_is_complete(c.blocks, h));
    cr_assert_eq(blocks_take_completed(c.blocks), h);
    cr_assert_eq(blocks_take_completed(c.blocks), 0);
    cr_assert_eq(stats(&c).low_redundancy, 0, "the others of the pipeline are about to report");
    cluster_tick(&c, 3000);
    cr_assert_eq(nodes_at(c.nodes, 2)->copy_count, 0);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).pending, 1);
    tell(&c, 3, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(stats(&c).scheduled, 0);
    cr_assert(blocks_sufficient(c.blocks, h));
    cluster_free(&c);
}

Test(lifecycle, a_pipeline_s_node_that_never_reports_is_replaced)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 5});
    uint32_t where[] = {1, 2, 3};
    handle_t h = add_block(&c, 1, 3, BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(blocks_set_expected(c.blocks, h, where, 3), 0);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    cluster_tick(&c, 3000);
    cr_assert_eq(nodes_at(c.nodes, 1)->copy_count, 0);
    nodes_declare_dead(c.nodes, 2);
    cluster_tick(&c, 3000);
    cr_assert_eq(nodes_at(c.nodes, 1)->copy_count, 1, "one will not come");
    cr_assert_eq(counts(&c, h).pending, 2);
    cluster_tick(&c, 301 * 1000);
    cr_assert_eq(nodes_at(c.nodes, 1)->copy_count, 1, "all is ordered anew, for both");
    cr_assert_eq(counts(&c, h).pending, 2);
    cluster_free(&c);
}

Test(lifecycle, replicas_that_came_before_the_commit_are_judged_then)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_block(&c, 1, 3, BLOCK_UNDER_CONSTRUCTION);
    uint32_t where[] = {1, 2, 3};
    cr_assert_eq(blocks_set_expected(c.blocks, h, where, 3), 0);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    tell(&c, 2, 1, GS, LEN - 1, BLOCK_RECEIVED);
    tell(&c, 3, 1, GS + 1, LEN, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    cr_assert(blocks_is_complete(c.blocks, h), "one of them matches");
    cr_assert_eq(counts(&c, h).live, 1);
    cr_assert_eq(counts(&c, h).corrupt, 2);
    tell(&c, 2, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).live, 2, "a right report heals a wrong one");
    cluster_free(&c);
}

Test(lifecycle, pipeline_recovery_leaves_the_old_stamp_behind)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_block(&c, 1, 3, BLOCK_UNDER_CONSTRUCTION);
    uint32_t before[] = {1, 2, 3}, after[] = {1, 2};
    cr_assert_eq(blocks_set_expected(c.blocks, h, before, 3), 0);
    tell(&c, 3, 1, GS, LEN, BLOCK_RECEIVED); /* the one that drops out had finalized */
    blocks_set_generation_stamp(c.blocks, h, GS + 1);
    cr_assert_eq(blocks_set_expected(c.blocks, h, after, 2), 0);
    cr_assert_eq(counts(&c, h).corrupt, 1);
    struct err err = {0};
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(blocks_commit(c.blocks, h, GS + 1, LEN, NULL), 0);
    tell(&c, 1, 1, GS + 1, LEN, BLOCK_RECEIVED);
    tell(&c, 2, 1, GS + 1, LEN, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).live, 2);
    cluster_tick(&c, 1000); /* what the failed pipeline left goes though a third is still missing */
    cr_assert(ordered(&c, 3, 1));
    cr_assert_eq(counts(&c, h).corrupt, 0);
    struct node_block out[2];
    cr_assert_eq(nodes_take_invalidates(c.nodes, 3, out, 2), 1);
    cr_assert_eq(out[0].generation_stamp, GS, "under the stamp by which the node knows it");
    cluster_free(&c);
}

Test(lifecycle, commit_twice_is_fine_but_not_otherwise)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 1});
    handle_t h = add_block(&c, 1, 1, BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN - 1, NULL), ERR_ILLEGAL_ARGUMENT);
    tell(&c, 1, 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN + 1, NULL), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(blocks_commit(c.blocks, h, GS + 1, LEN, NULL), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(blocks_length(c.blocks, h), LEN);
    cluster_free(&c);
}

Test(lifecycle, append_reopens_and_old_replicas_do_not_count_afterwards)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 3, 3);
    cr_assert_eq(blocks_reopen(c.blocks, h), 0);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_UNDER_CONSTRUCTION);
    struct expected_replica e[4];
    cr_assert_eq(blocks_expected(c.blocks, h, e, 4), 3);
    cr_assert(e[0].reported && e[0].generation_stamp == GS && e[0].length == LEN);
    blocks_set_generation_stamp(c.blocks, h, GS + 5);
    uint32_t where[] = {1, 2, 3};
    cr_assert_eq(blocks_set_expected(c.blocks, h, where, 3), 0);
    tell(&c, 2, 1, GS + 5, LEN + 10, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, h, GS + 5, LEN + 10, NULL), 0);
    cr_assert_eq(counts(&c, h).live, 1);
    cr_assert_eq(counts(&c, h).corrupt, 0, "the others' reports are on the way");
    tell(&c, 1, 1, GS + 5, LEN + 10, BLOCK_RECEIVED);
    tell(&c, 3, 1, GS + 5, LEN + 10, BLOCK_RECEIVED);
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).corrupt, 0);
    cluster_free(&c);
}

Test(lifecycle, recovery_keeps_its_id)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 2});
    handle_t h = add_block(&c, 1, 2, BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(blocks_recovery_id(c.blocks, h), 0);
    cr_assert_eq(blocks_begin_recovery(c.blocks, h, GS + 9), 0);
    cr_assert_eq(blocks_state(c.blocks, h), BLOCK_UNDER_RECOVERY);
    cr_assert_eq(blocks_recovery_id(c.blocks, h), GS + 9);
    blocks_set_generation_stamp(c.blocks, h, GS + 9);
    tell(&c, 1, 1, GS + 9, 70, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, h, GS + 9, 70, NULL), 0);
    cr_assert(blocks_is_complete(c.blocks, h));
    cluster_free(&c);
}

Test(lifecycle, removal_orders_every_replica_deleted)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 5});
    handle_t h = add_stored(&c, 1, 5, 5);
    handle_t open = add_block(&c, 2, 1, BLOCK_UNDER_CONSTRUCTION);
    tell(&c, 4, 2, GS, 10, BLOCK_RECEIVING);
    blocks_remove(c.blocks, h);
    blocks_remove(c.blocks, open);
    cr_assert_eq(blocks_find(c.blocks, 1), 0);
    for (uint32_t node = 1; node <= 5; node++)
        cr_assert(ordered(&c, node, 1));
    cr_assert(ordered(&c, 4, 2));
    cr_assert_eq(stats(&c).blocks, 0);
    cr_assert_eq(nodes_storage(c.nodes, 1)->block_count, 0);
    cluster_free(&c);
}

Test(lifecycle, big_removal_goes_in_slices)
{
    enum { BLOCKS = 500 };
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t list[BLOCKS];
    for (uint64_t i = 0; i < BLOCKS; i++)
        list[i] = add_stored(&c, i + 1, 3, 3);
    blocks_remove_list(c.blocks, list, BLOCKS);
    blocks_verify(c.blocks);
    cr_assert_eq(stats(&c).blocks, 0);
    cr_assert_eq(stats(&c).pending_deletion, BLOCKS);
    cr_assert_eq(blocks_find(c.blocks, 3), 0);
    int turns = 0;
    while (blocks_tick(c.blocks, c.now, &c.rng, 100)) {
        blocks_verify(c.blocks);
        turns++;
    }
    cr_assert_geq(turns, BLOCKS * 4 / 100 - 1);
    cr_assert_eq(nodes_at(c.nodes, 2)->invalid_count, BLOCKS);
    cluster_free(&c);
}

Test(lifecycle, many_replicas_and_back)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 20});
    handle_t h = add_stored(&c, 1, 20, 20);
    cr_assert_eq(counts(&c, h).live, 20);
    blocks_verify(c.blocks);
    for (uint32_t s = 1; s <= 19; s++) {
        tell(&c, s, 1, GS, LEN, BLOCK_DELETED);
        blocks_verify(c.blocks);
    }
    cr_assert_eq(counts(&c, h).live, 1);
    cr_assert_eq(stats(&c).highest_priority, 1);
    tell(&c, 20, 1, GS, LEN, BLOCK_DELETED);
    cr_assert_eq(stats(&c).missing, 1);
    cr_assert_eq(stats(&c).missing_replication_one, 0);
    uint32_t cursor = 0;
    handle_t missing[2];
    cr_assert_eq(blocks_list_missing(c.blocks, &cursor, missing, 2), 1);
    cr_assert_eq(missing[0], h);
    cluster_free(&c);
}
