#include "tests/unit/namenode/blocks/fixture.h"

static size_t where(struct cluster *c, handle_t h, struct reader_hint hint, uint32_t *ret,
                    bool *corrupt)
{
    return blocks_locations(c->blocks, h, &hint, c->now, &c->rng, ret, 16, corrupt);
}

Test(locate, own_node_then_own_rack_then_the_rest_at_random)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 8, .racks = 4});
    handle_t h = add_stored(&c, 1, 6, 6);
    uint32_t t[16], thirds = 0;
    bool corrupt;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(where(&c, h, (struct reader_hint){.node = 5}, t, &corrupt), 6);
        cr_assert(t[0] == 5 && t[1] == 1 && !corrupt, "5 and 1 share a rack");
        thirds |= 1u << t[2];
    }
    cr_assert_eq(thirds, 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6);
    cr_assert_eq(where(&c, h, (struct reader_hint){.rack = "/r2"}, t, &corrupt), 6);
    cr_assert((t[0] == 2 && t[1] == 6) || (t[0] == 6 && t[1] == 2));
    cluster_free(&c);
}

Test(locate, silent_last_dead_never)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 3, 3);
    uint32_t t[16];
    bool corrupt;
    c.now += 31000;
    cluster_beat(&c, 2, MIB);
    cluster_beat(&c, 3, MIB);
    cr_assert_eq(where(&c, h, (struct reader_hint){.node = 1}, t, &corrupt), 3);
    cr_assert_eq(t[2], 1, "though it is the reader's own");
    nodes_declare_dead(c.nodes, 2);
    cr_assert_eq(where(&c, h, (struct reader_hint){0}, t, &corrupt), 2);
    cr_assert_eq(t[0], 3);
    cluster_free(&c);
}

Test(locate, corrupt_only_when_there_is_nothing_else)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 2});
    handle_t h = add_stored(&c, 1, 2, 2);
    uint32_t t[16];
    bool corrupt;
    blocks_mark_corrupt(c.blocks, 1, GS, 0, 1, CORRUPT_REPORTED);
    cr_assert_eq(where(&c, h, (struct reader_hint){0}, t, &corrupt), 1);
    cr_assert(t[0] == 2 && !corrupt);
    blocks_mark_corrupt(c.blocks, 1, GS, 2, 0, CORRUPT_REPORTED);
    cr_assert_eq(where(&c, h, (struct reader_hint){0}, t, &corrupt), 2);
    cr_assert(corrupt);
    cluster_free(&c);
}

Test(locate, surplus_is_not_offered)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_stored(&c, 1, 2, 3);
    uint32_t t[16];
    bool corrupt;
    cluster_tick(&c, 1000);
    cr_assert_eq(where(&c, h, (struct reader_hint){0}, t, &corrupt), 2);
    cluster_free(&c);
}

Test(locate, block_under_construction_is_read_where_it_is_written)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = 3});
    handle_t h = add_block(&c, 1, 2, BLOCK_UNDER_CONSTRUCTION);
    uint32_t t[16], expected[] = {3, 2};
    bool corrupt;
    cr_assert_eq(where(&c, h, (struct reader_hint){0}, t, &corrupt), 0);
    cr_assert_eq(blocks_set_expected(c.blocks, h, expected, 2), 0);
    cr_assert_eq(where(&c, h, (struct reader_hint){.node = 2}, t, &corrupt), 2);
    cr_assert(t[0] == 2 && t[1] == 3);
    cluster_free(&c);
}
