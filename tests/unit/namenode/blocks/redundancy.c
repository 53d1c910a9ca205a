#include "tests/unit/namenode/blocks/fixture.h"

/* Carries out all waiting copies at once. Returns how many replicas were made. */
static int run_copies(struct cluster *c)
{
    int made = 0;
    for (uint32_t node = 1; node <= nodes_count(c->nodes); node++) {
        struct node_copy_order orders[16];
        uint32_t n = nodes_take_copies(c->nodes, node, orders, 16);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t targets[16], count = orders[i].target_count;
            struct node_block block = orders[i].block;
            memcpy(targets, orders[i].targets, count * sizeof(*targets));
            for (uint32_t k = 0; k < count; k++, made++)
                tell(c, targets[k], block.id, block.generation_stamp, block.length, BLOCK_RECEIVED);
        }
    }
    return made;
}

Test(redundancy, a_lost_node_is_replaced)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 5});
    handle_t h[20];
    for (uint64_t i = 0; i < 20; i++)
        h[i] = add_stored(&c, i + 1, 3, 3);
    nodes_declare_dead(c.nodes, 2);
    cluster_tick(&c, 1000);
    cr_assert_eq(nodes_storage(c.nodes, 2)->block_count, 0);
    for (int i = 0; i < 40; i++) {
        run_copies(&c);
        cluster_tick(&c, 3000);
    }
    for (uint64_t i = 0; i < 20; i++)
        cr_assert_eq(counts(&c, h[i]).live, 3, "block %d", (int)i);
    struct blocks_stats s = stats(&c);
    cr_assert(s.low_redundancy == 0 && s.pending == 0 && s.scheduled == 0);
    cluster_free(&c);
}

Test(redundancy, the_endangered_come_first_and_sources_are_not_overloaded)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    for (uint64_t id = 1; id <= 30; id++)
        add_stored(&c, id, 3, 2); /* on nodes 1 and 2 */
    handle_t alone = add_block(&c, 99, 3, BLOCK_COMPLETE);
    tell(&c, 1, 99, GS, LEN, BLOCK_RECEIVED);
    cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, alone).pending, 2);
    cr_assert_leq(nodes_at(c.nodes, 1)->copy_count, 4);
    cr_assert_leq(nodes_at(c.nodes, 2)->copy_count, 2);
    cluster_free(&c);
}

Test(redundancy, copies_that_never_arrive_are_ordered_again)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 2, 1);
    cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, h).pending, 1);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    struct node_copy_order order;
    cr_assert_eq(nodes_take_copies(c.nodes, 1, &order, 1), 1);
    cluster_tick(&c, 299000);
    cr_assert_eq(counts(&c, h).pending, 1);
    cr_assert_eq(nodes_at(c.nodes, 1)->copy_count, 0);
    cluster_tick(&c, 3000);
    cr_assert_eq(nodes_at(c.nodes, 1)->copy_count, 1, "timed out, ordered again");
    cluster_free(&c);
}

Test(redundancy, a_copy_from_a_bad_replica_is_asked_of_another_at_once)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_stored(&c, 1, 3, 2);
    cluster_tick(&c, 3000);
    uint32_t source = nodes_at(c.nodes, 1)->copy_count == 1 ? 1 : 2;
    struct node_copy_order order;
    cr_assert_eq(nodes_take_copies(c.nodes, source, &order, 1), 1);
    blocks_mark_corrupt(c.blocks, 1, GS, 4, 0, CORRUPT_REPORTED);
    cr_assert_eq(counts(&c, h).pending, 1, "nothing is known of a replica there");
    blocks_mark_corrupt(c.blocks, 1, GS, source, 0, CORRUPT_REPORTED);
    cr_assert_eq(counts(&c, h).pending, 0);
    cluster_tick(&c, 3000);
    cr_assert_eq(nodes_at(c.nodes, 3 - source)->copy_count, 1);
    cr_assert_eq(counts(&c, h).pending, 2);
    blocks_mark_corrupt(c.blocks, 1, GS, source, 0, CORRUPT_REPORTED);
    cr_assert_eq(counts(&c, h).pending, 2, "the copy comes from the good one");
    cluster_free(&c);
}

Test(redundancy, deletions_wait_for_their_turn_and_for_the_delay_after_the_start)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 10});
    struct blocks_settings s = *blocks_settings_get(c.blocks);
    s.deletion_delay_ms = 20000;
    blocks_configure(c.blocks, &s);
    blocks_remove(c.blocks, add_stored(&c, 1, 10, 10));
    uint32_t granted = 0;
    for (int turn = 0; turn < 6; turn++)
        cluster_tick(&c, 3000);
    for (uint32_t i = 1; i <= 10; i++)
        granted += nodes_invalidates_granted(c.nodes, i);
    cr_assert_eq(granted, 0, "18 s after the start");
    cluster_tick(&c, 3000);
    for (uint32_t i = 1; i <= 10; i++)
        granted += nodes_invalidates_granted(c.nodes, i);
    cr_assert_eq(granted, 4, "32 of 100 nodes, rounded up");
    cluster_free(&c);
}

Test(redundancy, orders_of_a_node_that_dies_are_taken_back_at_once)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_stored(&c, 1, 3, 2);
    cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, h).pending, 1);
    uint32_t source = nodes_at(c.nodes, 1)->copy_count == 1 ? 1 : 2;
    nodes_declare_dead(c.nodes, source);
    cluster_tick(&c, 3000);
    cr_assert_eq(nodes_at(c.nodes, source)->copy_count, 0);
    cr_assert_eq(nodes_at(c.nodes, 3 - source)->copy_count, 1);
    cr_assert_eq(counts(&c, h).pending, 2);
    cluster_free(&c);
}

Test(redundancy, surplus_goes_from_the_fullest_and_keeps_two_racks)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 6, .racks = 2});
    handle_t h = add_block(&c, 1, 4, BLOCK_COMPLETE);
    static const uint32_t where[] = {1, 3, 5, 2}; /* three on one rack, one on the other */
    for (int i = 0; i < 4; i++)
        tell(&c, where[i], 1, GS, LEN, BLOCK_RECEIVED);
    cluster_beat(&c, 3, 300ULL * MIB);
    cluster_beat(&c, 2, 1ULL * MIB);
    blocks_set_replication(c.blocks, h, 2);
    cluster_tick(&c, 1000);
    cr_assert_eq(counts(&c, h).excess, 2);
    cr_assert(ordered(&c, 3, 1), "the fullest of those that share a rack");
    cr_assert_not(ordered(&c, 2, 1), "fuller still, but alone on its rack");
    cr_assert_eq(stats(&c).excess, 2);
    cr_assert_eq(stats(&c).pending_deletion, 2);
    cluster_free(&c);
}

Test(redundancy, surplus_waits_for_every_full_report)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 2, 3);
    cluster_add_node(&c, 3, 0); /* registers anew */
    cluster_beat(&c, 3, MIB);
    cluster_tick(&c, 1000);
    cr_assert_eq(counts(&c, h).excess, 0);
    cr_assert_eq(stats(&c).postponed, 1);
    uint64_t longs[] = {1, 0, 1, LEN, GS};
    struct report_source source = {.longs = longs, .long_count = 5};
    cr_assert_eq(blocks_report_all(c.blocks, 3, &source, c.now, c.now, NULL), 0);
    cluster_tick(&c, 1000);
    cr_assert_eq(counts(&c, h).excess, 1);
    cr_assert_eq(stats(&c).postponed, 0);
    cluster_free(&c);
}

Test(redundancy, surplus_is_rescued_when_others_are_lost)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 1, 3);
    cluster_tick(&c, 1000);
    cr_assert_eq(counts(&c, h).excess, 2);
    blocks_set_replication(c.blocks, h, 3);
    cr_assert_eq(counts(&c, h).live, 3, "no node had been told yet");
    for (uint32_t node = 1; node <= 3; node++)
        cr_assert_not(ordered(&c, node, 1));
    cluster_free(&c);
}

Test(redundancy, replicas_on_a_dead_node_are_no_surplus)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 2, 3);
    nodes_declare_dead(c.nodes, 1); /* its replicas are still recorded */
    struct received_block again = {.block = {1, GS, LEN}, .status = BLOCK_RECEIVED, .hint_node = 2};
    cr_assert_eq(blocks_received(c.blocks, 3, &again, 1, c.now, NULL), 0);
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).excess, 0);
    cluster_tick(&c, 1000);
    cr_assert_eq(counts(&c, h).live, 2);
    cluster_free(&c);
}

Test(redundancy, surplus_that_was_not_deleted_is_ordered_again)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 2});
    handle_t h = add_stored(&c, 1, 1, 2);
    cluster_tick(&c, 1000);
    uint32_t node = ordered(&c, 1, 1) ? 1 : 2;
    struct node_block lost;
    cr_assert_eq(nodes_take_invalidates(c.nodes, node, &lost, 1), 1);
    uint64_t longs[] = {1, 0, 1, LEN, GS};
    struct report_source source = {.longs = longs, .long_count = 5};
    cr_assert_eq(blocks_report_all(c.blocks, node, &source, c.now, c.now, NULL), 0);
    cr_assert(ordered(&c, node, 1));
    cr_assert_eq(counts(&c, h).excess, 1, "the same one, never another");
    cluster_free(&c);
}

Test(redundancy, delete_hint_of_a_mover)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_stored(&c, 1, 3, 3);
    struct received_block moved = {.block = {1, GS, LEN}, .status = BLOCK_RECEIVED, .hint_node = 2};
    cr_assert_eq(blocks_received(c.blocks, 4, &moved, 1, c.now, NULL), 0);
    cr_assert(ordered(&c, 2, 1));
    cr_assert_eq(counts(&c, h).live, 3);
    cluster_free(&c);
}

Test(redundancy, corrupt_replica_goes_when_enough_good_ones_exist)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_stored(&c, 1, 3, 3);
    blocks_mark_corrupt(c.blocks, 1, GS, 2, 0, CORRUPT_REPORTED);
    cluster_tick(&c, 3000);
    cr_assert_not(ordered(&c, 2, 1), "only two good ones");
    cr_assert_eq(counts(&c, h).pending, 1);
    cr_assert_eq(run_copies(&c), 1);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, 2, 1));
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).corrupt, 0);
    cluster_free(&c);
}

Test(redundancy, corrupt_replica_makes_room_on_a_small_cluster)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 3, 3);
    blocks_mark_corrupt(c.blocks, 1, GS, 2, 0, CORRUPT_REPORTED);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, 2, 1), "nowhere else to copy to");
    struct node_block out;
    cr_assert_eq(nodes_take_invalidates(c.nodes, 2, &out, 1), 1);
    cluster_tick(&c, 3000);
    run_copies(&c);
    cr_assert_eq(counts(&c, h).live, 3);
    cluster_free(&c);
}

Test(redundancy, many_corrupt_replicas_make_room_one_after_the_other)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    handle_t h = add_stored(&c, 1, 4, 4);
    struct node_block out;
    for (uint32_t node = 2; node <= 4; node++)
        blocks_mark_corrupt(c.blocks, 1, GS, node, 0, CORRUPT_REPORTED);
    for (int turn = 0; turn < 5; turn++)
        cluster_tick(&c, 3000);
    cr_assert_geq(counts(&c, h).corrupt, 1, "with one good one, one bad one is kept");
    for (uint32_t node = 2; node <= 4; node++)
        while (nodes_take_invalidates(c.nodes, node, &out, 1) == 1)
            continue;
    cluster_tick(&c, 3000);
    cr_assert_geq(counts(&c, h).pending, 1);
    cluster_free(&c);
}

Test(redundancy, last_corrupt_replicas_are_kept)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 3, 3);
    for (uint32_t node = 1; node <= 3; node++)
        blocks_mark_corrupt(c.blocks, 1, GS, node, 0, CORRUPT_REPORTED);
    cr_assert_eq(stats(&c).missing, 1);
    for (int i = 0; i < 5; i++)
        cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, h).corrupt, 3);
    cr_assert_eq(stats(&c).pending_deletion, 0);
    cluster_free(&c);
}

Test(redundancy, all_on_one_rack_gets_a_second_rack)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 6, .racks = 2});
    handle_t h = add_block(&c, 1, 3, BLOCK_COMPLETE);
    static const uint32_t odd[] = {1, 3, 5};
    for (int i = 0; i < 3; i++)
        tell(&c, odd[i], 1, GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(stats(&c).badly_distributed, 1);
    cluster_tick(&c, 3000);
    cr_assert_eq(run_copies(&c), 1);
    cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).excess, 1);
    cr_assert_eq(stats(&c).badly_distributed, 0);
    cluster_free(&c);
}

Test(redundancy, a_second_rack_makes_old_blocks_badly_distributed)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3, .racks = 1});
    handle_t h = add_stored(&c, 1, 3, 3);
    cr_assert_eq(stats(&c).badly_distributed, 0);
    uint32_t node = cluster_add_node(&c, 5, 4);
    cluster_beat(&c, node, 900ULL * MIB);
    report_empty(&c, nodes_at(c.nodes, node)->storages);
    cluster_tick(&c, 3000);
    cr_assert_eq(counts(&c, h).pending, 1);
    cluster_free(&c);
}

Test(redundancy, failed_volume_loses_its_replicas_only)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 2, 2);
    struct node_storage_report s = {.uuid = "DS-2", .type = STORAGE_DISK, .failed = true};
    struct node_heartbeat beat = {.storages = &s, .storage_count = 1, .failed_volumes = 1};
    cr_assert_eq(nodes_heartbeat(c.nodes, 2, &beat, c.now, c.now, NULL), 0);
    while (blocks_tick(c.blocks, c.now, &c.rng, 10))
        ;
    cr_assert_eq(counts(&c, h).live, 1);
    cr_assert_eq(nodes_live_count(c.nodes), 3);
    cluster_free(&c);
}

Test(redundancy, nothing_is_ordered_in_safe_mode)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    blocks_enter_safe_mode(c.blocks, false);
    add_stored(&c, 1, 3, 1);
    add_stored(&c, 2, 1, 3);
    for (int i = 0; i < 5; i++)
        cluster_tick(&c, 3000);
    cr_assert_eq(stats(&c).pending, 0);
    cr_assert_eq(stats(&c).pending_deletion, 0);
    cr_assert(blocks_leave_safe_mode(c.blocks, false, c.now));
    cluster_tick(&c, 3000);
    cr_assert_eq(stats(&c).pending, 1);
    cr_assert_eq(stats(&c).pending_deletion, 2);
    cluster_free(&c);
}
