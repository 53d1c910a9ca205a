/* What comes due for many nodes or blocks at once is taken in slices of the tick's budget. */
#include "tests/unit/namenode/blocks/fixture.h"

enum { BLOCKS = 60 };

/* Ticks without time passing until nothing is left; returns how many it took. */
static int slices(struct cluster *c, size_t budget)
{
    int count = 1;
    for (; blocks_tick(c->blocks, c->now, &c->rng, budget); count++) {
        blocks_verify(c->blocks);
        nodes_verify(c->nodes);
        cr_assert_lt(count, 10000);
    }
    return count;
}

Test(slices, copies_from_and_to_dead_nodes_are_swept)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 12});
    struct blocks_settings s = *blocks_settings_get(c.blocks);
    s.max_streams = s.max_streams_hard = 4 * BLOCKS;
    s.work_multiplier = BLOCKS;
    blocks_configure(c.blocks, &s);
    handle_t h[BLOCKS];
    for (uint64_t i = 0; i < BLOCKS; i++)
        h[i] = add_stored(&c, i + 1, 3, 2); /* on nodes 1 and 2 */
    cluster_tick(&c, 3000);
    cr_assert_eq(stats(&c).pending, BLOCKS);
    uint32_t orders = nodes_at(c.nodes, 2)->copy_count;
    cr_assert_gt(orders, 5);
    nodes_declare_dead(c.nodes, 2);
    for (uint32_t target = 3; target <= 7; target++)
        nodes_declare_dead(c.nodes, target);
    cr_assert_gt(slices(&c, 5), BLOCKS / 5, "no slice does it all");
    cr_assert_eq(nodes_at(c.nodes, 2)->copy_count, 0);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        struct replica_counts n = counts(&c, h[i]);
        cr_assert_eq(n.live, 1);
        cr_assert_leq(n.pending, 1);
    }
    cr_assert_lt(stats(&c).pending, BLOCKS, "those from or to the dead aren't waited for");
    c.now += 3000;
    cluster_tick(&c, 3000);
    for (uint64_t i = 0; i < BLOCKS; i++)
        cr_assert_eq(counts(&c, h[i]).pending, 2);
    cr_assert_geq(nodes_at(c.nodes, 1)->copy_count, BLOCKS);
    cluster_free(&c);
}

Test(slices, a_node_that_dies_during_a_sweep_is_seen_too)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 4});
    struct blocks_settings s = *blocks_settings_get(c.blocks);
    s.max_streams = s.max_streams_hard = 4 * BLOCKS;
    s.work_multiplier = BLOCKS;
    blocks_configure(c.blocks, &s);
    for (uint64_t id = 1; id <= BLOCKS; id++)
        add_stored(&c, id, 2, 1); /* on node 1, copies go to 2, 3 and 4 */
    cluster_tick(&c, 3000);
    cr_assert_eq(stats(&c).pending, BLOCKS);
    nodes_declare_dead(c.nodes, 2);
    cr_assert(blocks_tick(c.blocks, c.now, &c.rng, 3));
    cr_assert(blocks_tick(c.blocks, c.now, &c.rng, 3));
    nodes_declare_dead(c.nodes, 3);
    nodes_declare_dead(c.nodes, 4);
    (void)slices(&c, 3);
    cr_assert_eq(stats(&c).pending, 0, "nobody is left to get one");
    cr_assert_eq(stats(&c).scheduled, 0);
    cluster_free(&c);
}

Test(slices, deletions_of_a_dead_node_are_forgotten_before_its_replicas)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    for (uint64_t id = 1; id <= BLOCKS; id++)
        blocks_remove(c.blocks, add_stored(&c, id, 3, 3));
    for (uint64_t id = 101; id <= 100 + BLOCKS; id++)
        add_stored(&c, id, 3, 3);
    (void)slices(&c, 1000);
    cr_assert_eq(nodes_at(c.nodes, 3)->invalid_count, BLOCKS);
    nodes_declare_dead(c.nodes, 3);
    cr_assert(blocks_tick(c.blocks, c.now, &c.rng, 7));
    cr_assert_eq(nodes_at(c.nodes, 3)->invalid_count, BLOCKS - 7);
    cr_assert_eq(nodes_storage(c.nodes, 3)->block_count, BLOCKS);
    cr_assert_gt(slices(&c, 7), 2 * BLOCKS / 7 - 2);
    cr_assert_eq(nodes_at(c.nodes, 3)->invalid_count, 0);
    cr_assert_eq(nodes_storage(c.nodes, 3)->block_count, 0);
    cluster_free(&c);
}

Test(slices, silent_nodes_are_found_with_any_budget)
{
    enum { NODES = 100 };
    struct cluster c = cluster_new((struct cluster_opts){.nodes = NODES});
    int64_t dead_ms = nodes_dead_after_ms(nodes_settings_get(c.nodes)) + 1;
    (void)slices(&c, 1);
    for (uint32_t i = 1; i <= NODES; i++)
        nodes_at_mut(c.nodes, i)->heard_ms = c.now + (i % 2 == 0 ? dead_ms : 0);
    c.now += dead_ms;
    cr_assert_gt(slices(&c, 1), 10);
    cr_assert_eq(nodes_live_count(c.nodes), NODES / 2);
    cr_assert_lt(slices(&c, 1), 5, "no new round so soon");
    cluster_free(&c);
}
