#include "tests/unit/namenode/placement/fixture.h"

Test(placement, first_local_second_remote_third_beside_the_second)
{
    struct field c = field_new(9, 3);
    for (int i = 0; i < 200; i++) {
        uint32_t t[3], writer = (uint32_t)rng_below(&c.rng, 9) + 1;
        cr_assert_eq(place(&c, (struct place_request){.wanted = 3, .writer_node = writer}, t), 3);
        cr_assert_eq(t[0], writer);
        cr_assert_neq(rack(&c, t[0]), rack(&c, t[1]));
        cr_assert_eq(rack(&c, t[1]), rack(&c, t[2]));
        cr_assert_neq(t[1], t[2]);
    }
    field_free(&c);
}

Test(placement, excluded_favored_and_flags)
{
    struct field c = field_new(6, 2);
    uint32_t t[6], excluded[] = {1, 2}, favored[] = {5, 6};
    for (int i = 0; i < 50; i++) {
        struct place_request req = {
            .wanted = 3, .writer_node = 1, .excluded = excluded, .excluded_count = 2};
        cr_assert_eq(place(&c, req, t), 3);
        for (int k = 0; k < 3; k++)
            cr_assert_gt(t[k], 2);
        req = (struct place_request){
            .wanted = 3, .writer_node = 1, .favored = favored, .favored_count = 2};
        cr_assert_eq(place(&c, req, t), 3);
        bool five = false, six = false;
        for (int k = 0; k < 3; k++) {
            five |= t[k] == 5;
            six |= t[k] == 6;
        }
        cr_assert(five && six);
        req = (struct place_request){.wanted = 3, .writer_node = 4, .flags = PLACE_NO_LOCAL_WRITE};
        cr_assert_eq(place(&c, req, t), 3);
        cr_assert(t[0] != 4 && t[1] != 4 && t[2] != 4);
        req.wanted = 6;
        cr_assert_eq(place(&c, req, t), 6, "the flag gives way when there are no others");
    }
    field_free(&c);
}

Test(placement, ignored_locality_spreads_the_first)
{
    struct field c = field_new(10, 2);
    uint32_t seen = 0, t[1];
    for (int i = 0; i < 200; i++) {
        struct place_request req = {
            .wanted = 1, .writer_node = 3, .flags = PLACE_IGNORE_CLIENT_LOCALITY};
        cr_assert_eq(place(&c, req, t), 1);
        seen |= 1u << t[0];
    }
    cr_assert_eq(seen, 0x7feu);
    field_free(&c);
}

Test(placement, full_silent_busy_and_dead_nodes)
{
    struct field c = field_new(4, 2);
    uint32_t t[4];
    field_disk(&c, 1, 10);
    struct place_request req = {.wanted = 4, .block_size = MIB};
    cr_assert_eq(place(&c, req, t), 3, "no room on the first");
    nodes_declare_dead(c.nodes, 2);
    cr_assert_eq(place(&c, req, t), 2);
    req.wanted = 1;
    field_volumes(&c, 3, (const uint8_t[]){STORAGE_DISK, 0}, 900ULL * MIB, 100);
    for (int i = 0; i < 30; i++) {
        cr_assert_eq(place(&c, req, t), 1);
        cr_assert_eq(t[0], 4, "the other is too busy");
    }
    req.wanted = 2;
    cr_assert_eq(place(&c, req, t), 2, "busy is better than short");
    req.policy = STORAGE_POLICY_COLD;
    cr_assert_eq(place(&c, req, t), 0);
    field_free(&c);
}

Test(placement, promised_space_is_not_given_twice)
{
    struct field c = field_new(1, 0);
    field_disk(&c, 1, 5ULL * MIB);
    uint32_t t[1];
    struct place_request req = {.wanted = 1, .block_size = 2ULL * MIB};
    cr_assert_eq(place(&c, req, t), 1);
    nodes_schedule(c.nodes, 1);
    cr_assert_eq(place(&c, req, t), 1);
    nodes_schedule(c.nodes, 1);
    cr_assert_eq(place(&c, req, t), 0);
    field_free(&c);
}

Test(placement, pending_deletion_keeps_a_node_out)
{
    struct field c = field_new(2, 0);
    uint32_t t[2];
    nodes_order_invalidate(c.nodes, 1, (struct node_block){7, 1001, 1000});
    cr_assert_eq(place(&c, (struct place_request){.wanted = 2, .block_id = 7}, t), 1);
    cr_assert_eq(t[0], 2);
    cr_assert_eq(place(&c, (struct place_request){.wanted = 2, .block_id = 8}, t), 2);
    field_free(&c);
}

/* Two racks for 1,000 random placements on one cluster. */
Test(placement, two_racks_for_1000_random_placements)
{
    struct field c = field_new(12, 4);
    uint32_t t[3], used[13] = {0};
    for (int i = 0; i < 1000; i++) {
        uint32_t writer = (uint32_t)rng_below(&c.rng, 13);
        cr_assert_eq(place(&c, (struct place_request){.wanted = 3, .writer_node = writer}, t), 3);
        cr_assert_eq(count_racks(&c, t, 3), 2);
        for (int k = 0; k < 3; k++)
            used[t[k]]++;
    }
    for (int i = 1; i <= 12; i++)
        cr_assert(used[i] > 180 && used[i] < 320, "node %d: %u of 3000", i, used[i]);
    field_free(&c);
}

/* Over random clusters and requests the rules must hold. */
Test(placement, rules_over_1000_random_clusters)
{
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct rng rng = {seed};
        uint32_t n = (uint32_t)rng_below(&rng, 24) + 1, racks = (uint32_t)rng_below(&rng, 6);
        struct field c = field_new(n, racks);
        c.rng.state = seed * 77;
        for (uint32_t i = 1; i <= n; i++)
            if (rng_below(&rng, 6) == 0)
                nodes_declare_dead(c.nodes, i);
        uint32_t live = nodes_live_count(c.nodes), live_racks = nodes_live_rack_count(c.nodes);
        uint32_t wanted = (uint32_t)rng_below(&rng, 8) + 1, excluded[4], t[8];
        size_t excluded_count = rng_below(&rng, 3);
        for (size_t i = 0; i < excluded_count; i++)
            excluded[i] = (uint32_t)rng_below(&rng, n) + 1;
        struct place_request req = {.wanted = wanted,
                                    .writer_node = (uint32_t)rng_below(&rng, n + 1),
                                    .excluded = excluded,
                                    .excluded_count = excluded_count,
                                    .block_size = MIB};
        size_t count = place(&c, req, t);
        size_t total = wanted < live ? wanted : live;
        cr_assert_leq(count, total);
        uint32_t used = 0, per_rack[8] = {0};
        for (size_t i = 0; i < count; i++) {
            const struct node *node = nodes_at(c.nodes, t[i]);
            cr_assert(node->alive);
            for (size_t k = 0; k < excluded_count; k++)
                cr_assert_neq(excluded[k], t[i]);
            for (size_t k = 0; k < i; k++)
                cr_assert_neq(t[k], t[i]);
            used += per_rack[node->rack_id]++ == 0;
        }
        if (excluded_count == 0 && live_racks > 1 && total >= 2)
            cr_assert_geq(used, 2, "seed %d: %d on one of %d racks", (int)seed, (int)count,
                          (int)live_racks);
        size_t most = live_racks > 1 && total > 1 ? (total - 1) / live_racks + 2 : total;
        for (size_t k = 0; k < 8; k++)
            cr_assert_leq(per_rack[k], most, "seed %d", (int)seed);
        if (excluded_count == 0 && live_racks <= 1)
            cr_assert_eq(count, total, "seed %d", (int)seed);
        if (count > 0 && req.writer_node != 0 && nodes_at(c.nodes, req.writer_node)->alive &&
            excluded_count == 0)
            cr_assert_eq(t[0], req.writer_node);
        field_free(&c);
    }
}
