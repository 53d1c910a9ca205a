#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/mend/mend.h"

enum { NODES = 12, ALL = 0x1ff, DATA = 6, PARITY = 3, DISK_FREE = 1000 };

/* Node i has the storage i; three nodes on each of four racks. */
struct cluster {
    struct nodes *nodes;
    struct place_settings place;
    struct mend_limits limits;
    struct rng rng;
    struct mend_replica r[32], p[16];
    struct mend_group g;
    struct mend_plan plan;
};

static void add_node(struct cluster *c, int i, const char *rack)
{
    char uuid[32], ip[32], disk[32];
    uint32_t node = 0;
    snprintf(uuid, sizeof(uuid), "n%d", i);
    snprintf(ip, sizeof(ip), "10.0.0.%d", i);
    snprintf(disk, sizeof(disk), "d%d", i);
    struct node_registration r = {.uuid = uuid,
                                  .ip = ip,
                                  .hostname = uuid,
                                  .software_version = "3.4.3",
                                  .xfer_port = 1,
                                  .rack = rack};
    cr_assert_eq(nodes_register(c->nodes, &r, 1, 1, &node, NULL), 0);
    struct node_storage_report s = {
        .uuid = disk, .type = STORAGE_DISK, .capacity = DISK_FREE, .remaining = DISK_FREE};
    struct node_heartbeat h = {.storages = &s, .storage_count = 1};
    cr_assert_eq(nodes_heartbeat(c->nodes, node, &h, 1, 1, NULL), 0);
    cr_assert_eq(node, (uint32_t)i);
}

/* Index i on node i + 1. */
static void start(struct cluster *c)
{
    struct nodes_settings s;
    *c = (struct cluster){.limits = {2, 4, false}};
    nodes_settings_defaults(&s);
    place_settings_defaults(&c->place);
    c->place.rule = PLACE_BY_RACKS;
    c->place.consider_load = false;
    c->rng = (struct rng){7};
    cr_assert_eq(nodes_new(&s, &c->nodes), 0);
    for (int i = 1; i <= NODES; i++) {
        char rack[32];
        snprintf(rack, sizeof(rack), "/r%d", i % 4);
        add_node(c, i, rack);
    }
    for (unsigned i = 0; i < DATA + PARITY; i++)
        c->r[i] = (struct mend_replica){.storage = i + 1, .index = (uint8_t)i};
    c->g = (struct mend_group){.replicas = c->r,
                               .replica_count = DATA + PARITY,
                               .pending = c->p,
                               .units = ALL,
                               .data_units = DATA,
                               .parity_units = PARITY,
                               .ec_policy = 1,
                               .block = {0xfffffffffffffff0u, 1001, 600},
                               .unit_size = 1};
}

static void lose(struct cluster *c, uint8_t index)
{
    for (size_t i = 0; i < c->g.replica_count; i++)
        if (c->r[i].index == index)
            c->r[i] = c->r[--c->g.replica_count];
}

static void make_plan(struct cluster *c)
{
    mend_make(c->nodes, &c->place, &c->g, &c->limits, 2, &c->rng, &c->plan);
}

static void busy(struct cluster *c, uint32_t node, unsigned orders)
{
    uint32_t target = 1;
    while (orders-- > 0)
        cr_assert(nodes_order_copy(c->nodes, node, (struct node_block){1, 1, 1}, &target, 1));
}

static bool has_replica(const struct cluster *c, uint32_t storage)
{
    for (size_t i = 0; i < c->g.replica_count; i++)
        if (c->r[i].storage == storage)
            return true;
    for (size_t i = 0; i < c->g.pending_count; i++)
        if (c->p[i].storage == storage)
            return true;
    return false;
}

static uint16_t bits(const uint8_t *list, size_t count)
{
    uint16_t set = 0;
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(set & (1 << list[i]), 0, "an index twice");
        cr_assert(i == 0 || list[i] > list[i - 1], "not ascending");
        set |= (uint16_t)(1 << list[i]);
    }
    return set;
}

/* What has to hold for any plan, and that a Java DataNode comes to the same targets. */
static void check_plan(const struct cluster *c)
{
    const struct node_rebuild_order *o = &c->plan.rebuild;
    uint16_t sources = bits(o->source_indices, o->source_count);
    uint16_t targets = bits(o->target_indices, o->target_count);
    uint16_t excluded = bits(o->excluded, o->excluded_count);
    for (size_t i = 0; i < o->target_count; i++)
        cr_assert_not(has_replica(c, o->targets[i]));
    for (size_t i = 0; i < c->plan.copy_count; i++) {
        cr_assert_not(has_replica(c, c->plan.copies[i].target));
        cr_assert(has_replica(c, c->plan.copies[i].source));
    }
    if (o->target_count == 0)
        return;
    cr_assert_geq(o->source_count, c->g.data_units);
    cr_assert_leq(o->target_count, c->g.parity_units);
    cr_assert_eq(sources | targets | excluded, c->g.units);
    cr_assert_eq((sources & targets) | (sources & excluded) | (targets & excluded), 0);
    cr_assert_eq(targets, c->g.units & ~sources & ~excluded);
}

Test(mend, a_whole_group_needs_nothing)
{
    struct cluster c;
    start(&c);
    make_plan(&c);
    cr_assert(c.plan.rebuild.target_count == 0 && c.plan.copy_count == 0);
    cr_assert_eq(c.plan.obstacle, MEND_NONE);
    nodes_free(c.nodes);
}

Test(mend, all_that_is_lost_is_one_order)
{
    struct cluster c;
    start(&c);
    lose(&c, 7);
    lose(&c, 2);
    lose(&c, 4);
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 3);
    cr_assert_eq(c.plan.rebuild.source_count, 6);
    cr_assert_eq(c.plan.rebuild.excluded_count, 0);
    cr_assert_eq(c.plan.rebuild.target_indices[1], 4);
    cr_assert(c.plan.copy_count == 0 && c.plan.obstacle == MEND_NONE);
    nodes_free(c.nodes);
}

Test(mend, what_is_on_its_way_is_excluded)
{
    struct cluster c;
    start(&c);
    lose(&c, 7);
    lose(&c, 2);
    c.p[c.g.pending_count++] = (struct mend_replica){.storage = 11, .index = 2};
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 1);
    cr_assert_eq(c.plan.rebuild.target_indices[0], 7);
    cr_assert(c.plan.rebuild.excluded_count == 1 && c.plan.rebuild.excluded[0] == 2);
    nodes_free(c.nodes);
}

Test(mend, busy_sources_are_excluded_but_never_decoded)
{
    struct cluster c;
    start(&c);
    lose(&c, 0);
    busy(&c, 3, 2); /* index 2 */
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 1);
    cr_assert_eq(c.plan.rebuild.target_indices[0], 0);
    cr_assert(c.plan.rebuild.excluded_count == 1 && c.plan.rebuild.excluded[0] == 2);
    busy(&c, 4, 2);
    make_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 1, "six are left");
    busy(&c, 5, 2);
    make_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 0);
    cr_assert_eq(c.plan.obstacle, MEND_BUSY);
    c.limits.urgent = true;
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.source_count, 8);
    nodes_free(c.nodes);
}

Test(mend, who_leaves_is_copied_and_the_lost_decoded)
{
    struct cluster c;
    start(&c);
    lose(&c, 8);
    nodes_set_admin(c.nodes, 2, ADMIN_DECOMMISSION_IN_PROGRESS); /* index 1 */
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 1);
    cr_assert_eq(c.plan.rebuild.target_indices[0], 8);
    cr_assert_eq(c.plan.rebuild.source_count, 8, "it is a source, too");
    cr_assert_eq(c.plan.copy_count, 1);
    cr_assert(c.plan.copies[0].source == 2 && c.plan.copies[0].index == 1);
    cr_assert_neq(c.plan.copies[0].target, c.plan.rebuild.targets[0]);
    nodes_free(c.nodes);
}

/* Hadoop decoded it onto the wrong target then. */
Test(mend, a_busy_leaver_is_waited_for)
{
    struct cluster c;
    start(&c);
    lose(&c, 8);
    nodes_set_admin(c.nodes, 2, ADMIN_DECOMMISSION_IN_PROGRESS);
    busy(&c, 2, 3);
    make_plan(&c);
    cr_assert_eq(c.plan.copy_count, 1, "who leaves may do more");
    busy(&c, 2, 1);
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.copy_count, 0);
    cr_assert_eq(c.plan.obstacle, MEND_BUSY);
    cr_assert_eq(c.plan.rebuild.target_count, 1);
    cr_assert_eq(c.plan.rebuild.target_indices[0], 8);
    cr_assert(c.plan.rebuild.excluded_count == 1 && c.plan.rebuild.excluded[0] == 1);
    nodes_free(c.nodes);
}

Test(mend, a_leaver_that_has_a_twin_in_service_needs_nothing)
{
    struct cluster c;
    start(&c);
    nodes_set_admin(c.nodes, 2, ADMIN_DECOMMISSIONED);
    c.r[c.g.replica_count++] = (struct mend_replica){.storage = 12, .index = 1};
    make_plan(&c);
    cr_assert(c.plan.copy_count == 0 && c.plan.rebuild.target_count == 0);
    nodes_free(c.nodes);
}

Test(mend, maintenance_is_waited_out_while_the_rest_can_be_read)
{
    struct cluster c;
    start(&c);
    for (uint32_t node = 1; node <= 3; node++)
        nodes_set_admin(c.nodes, node, ADMIN_ENTERING_MAINTENANCE);
    make_plan(&c);
    cr_assert(c.plan.copy_count == 0 && c.plan.rebuild.target_count == 0);
    nodes_set_admin(c.nodes, 4, ADMIN_ENTERING_MAINTENANCE);
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.copy_count, 1, "five would be left");
    lose(&c, 8);
    make_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 1, "what is lost doesn't come back");
    cr_assert_eq(c.plan.copy_count, 1);
    nodes_free(c.nodes);
}

Test(mend, too_few_are_let_alone)
{
    struct cluster c;
    start(&c);
    for (uint8_t index = 0; index < 4; index++)
        lose(&c, index);
    nodes_set_admin(c.nodes, 5, ADMIN_DECOMMISSION_IN_PROGRESS); /* index 4 */
    make_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 0);
    cr_assert_eq(c.plan.copy_count, 1, "what there is can still be saved");
    cr_assert_eq(c.plan.obstacle, MEND_UNREADABLE);
    nodes_free(c.nodes);
}

Test(mend, corrupt_and_surplus_ones_are_no_sources)
{
    struct cluster c;
    start(&c);
    c.r[0].corrupt = true;
    c.r[1].excess = true;
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 2);
    cr_assert_eq(c.plan.rebuild.source_count, 7);
    nodes_free(c.nodes);
}

Test(mend, too_few_nodes_give_the_lowest_first)
{
    struct cluster c;
    start(&c);
    lose(&c, 0);
    lose(&c, 5);
    for (uint32_t node = 11; node <= NODES; node++)
        nodes_declare_dead(c.nodes, node);
    nodes_declare_dead(c.nodes, 1);
    nodes_declare_dead(c.nodes, 6);
    make_plan(&c); /* only node 10 is left */
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 1);
    cr_assert_eq(c.plan.rebuild.target_indices[0], 0);
    cr_assert(c.plan.rebuild.excluded_count == 1 && c.plan.rebuild.excluded[0] == 5);
    cr_assert_eq(c.plan.obstacle, MEND_NO_TARGETS);
    nodes_declare_dead(c.nodes, 10);
    make_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 0);
    nodes_free(c.nodes);
}

/* One cell of data: index 0 and the parity. */
Test(mend, empty_internal_blocks_do_not_exist)
{
    struct cluster c;
    start(&c);
    for (uint8_t index = 1; index < DATA; index++)
        lose(&c, index);
    c.g.units = 0x1c1;
    c.g.data_units = 1;
    for (size_t i = 0; i < c.g.replica_count; i++)
        c.r[i].storage = (uint32_t)i + 1; /* all racks */
    make_plan(&c);
    cr_assert(c.plan.copy_count == 0 && c.plan.rebuild.target_count == 0);
    lose(&c, 0);
    lose(&c, 6);
    lose(&c, 7);
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.rebuild.target_count, 3);
    cr_assert_eq(c.plan.rebuild.target_indices[0], 0);
    cr_assert_eq(c.plan.rebuild.source_count, 1);
    nodes_free(c.nodes);
}

Test(mend, too_few_racks_cost_one_copy)
{
    struct cluster c;
    start(&c);
    /* nobody on rack 0 (nodes 4, 8, 12): indices 3 and 7 move to nodes 10 and 11 */
    c.r[3].storage = 10;
    c.r[7].storage = 11;
    make_plan(&c);
    check_plan(&c);
    cr_assert_eq(c.plan.copy_count, 1);
    cr_assert_eq(c.plan.copies[0].target % 4, 0);
    nodes_declare_dead(c.nodes, 4);
    nodes_declare_dead(c.nodes, 8);
    busy(&c, 12, 0);
    make_plan(&c);
    cr_assert_eq(c.plan.copies[0].target, 12);
    nodes_declare_dead(c.nodes, 12);
    make_plan(&c);
    cr_assert_eq(c.plan.copy_count, 0, "there is no such rack any more");
    nodes_free(c.nodes);
}

/* ---- surplus ---- */

Test(mend, one_of_each_stays)
{
    struct cluster c;
    uint32_t gone[32];
    start(&c);
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 0);
    c.r[c.g.replica_count++] = (struct mend_replica){.storage = 10, .index = 2};
    c.r[c.g.replica_count++] = (struct mend_replica){.storage = 11, .index = 2};
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 2);
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(c.r[gone[i]].index, 2);
    cr_assert_neq(gone[0], gone[1]);
    nodes_free(c.nodes);
}

Test(mend, the_hinted_one_goes_if_it_is_a_duplicate)
{
    struct cluster c;
    uint32_t gone[32];
    start(&c);
    c.r[c.g.replica_count++] = (struct mend_replica){.storage = 10, .index = 2};
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 10, 2, gone), 1);
    cr_assert_eq(gone[0], 9);
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 3, 2, gone), 1);
    cr_assert_eq(gone[0], 2);
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 1, 2, gone), 1, "index 0 is nobody's duplicate");
    cr_assert_eq(c.r[gone[0]].index, 2);
    nodes_free(c.nodes);
}

Test(mend, a_duplicate_out_of_service_does_not_count)
{
    struct cluster c;
    uint32_t gone[32];
    start(&c);
    c.r[c.g.replica_count++] = (struct mend_replica){.storage = 10, .index = 2};
    nodes_set_admin(c.nodes, 10, ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 0);
    nodes_set_admin(c.nodes, 10, ADMIN_NORMAL);
    c.r[9].corrupt = true;
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 0);
    c.r[9].corrupt = false;
    c.r[2].excess = true; /* goes already */
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 0);
    nodes_free(c.nodes);
}

Test(mend, an_index_that_holds_nothing_goes)
{
    struct cluster c;
    uint32_t gone[32];
    start(&c);
    c.g.units = ALL & ~(1 << 5);
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 1);
    cr_assert_eq(c.r[gone[0]].index, 5);
    nodes_free(c.nodes);
}

/* The rack where most of the group is gives. */
Test(mend, the_crowded_rack_gives)
{
    struct cluster c;
    uint32_t gone[32];
    start(&c);
    c.r[7].storage = 9; /* rack 1 has nodes 1, 5, 9; rack 0 only node 4 */
    c.r[8].storage = 10;
    c.r[c.g.replica_count++] = (struct mend_replica){.storage = 8, .index = 0};
    cr_assert_eq(mend_surplus(c.nodes, &c.g, 0, 2, gone), 1);
    cr_assert_eq(gone[0], 0);
    nodes_free(c.nodes);
}

/* ---- anything ---- */

static void anything(struct cluster *c)
{
    c->g.replica_count = c->g.pending_count = 0;
    for (uint32_t node = 1; node <= NODES; node++) {
        nodes_clear_orders(c->nodes, node);
        nodes_set_admin(c->nodes, node,
                        rng_below(&c->rng, 3) != 0 ? ADMIN_NORMAL
                                                   : (enum admin_state)rng_below(&c->rng, 5));
        busy(c, node, rng_below(&c->rng, 5) == 0 ? 3 : 0);
        uint8_t index = (uint8_t)rng_below(&c->rng, DATA + PARITY);
        struct mend_replica r = {.storage = node, .index = index};
        uint64_t what = rng_below(&c->rng, 12);
        r.corrupt = what == 0;
        r.excess = what == 1;
        if (what == 2)
            c->p[c->g.pending_count++] = r;
        else if (what < 10)
            c->r[c->g.replica_count++] = r;
    }
    c->limits.urgent = rng_below(&c->rng, 2) == 0;
}

static void check_surplus(const struct cluster *c)
{
    uint32_t gone[32];
    struct mend_state before, after;
    struct mend_replica left[32];
    struct mend_group g = c->g;
    size_t count = mend_surplus(c->nodes, &c->g, 3, 2, gone);
    memcpy(left, c->r, sizeof(left));
    for (size_t i = 0; i < count; i++)
        left[gone[i]].excess = true;
    g.replicas = left;
    mend_look(c->nodes, &c->g, &before);
    mend_look(c->nodes, &g, &after);
    cr_assert_eq(before.live, after.live);
    cr_assert_eq(mend_surplus(c->nodes, &g, 0, 2, gone), 0, "none is left");
}

Test(mend, plans_hold_whatever_there_is)
{
    struct cluster c;
    unsigned decoded = 0, copied = 0;
    start(&c);
    for (int round = 0; round < 20000; round++) {
        struct mend_state s;
        anything(&c);
        make_plan(&c);
        check_plan(&c);
        check_surplus(&c);
        mend_look(c.nodes, &c.g, &s);
        const struct node_rebuild_order *o = &c.plan.rebuild;
        cr_assert_eq(bits(o->target_indices, o->target_count) & (s.readable | s.pending), 0,
                     "what can be read is never decoded");
        decoded += o->target_count;
        copied += (unsigned)c.plan.copy_count;
    }
    cr_assert(decoded > 1000 && copied > 1000);
    nodes_free(c.nodes);
}
