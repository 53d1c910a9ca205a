/* Nodes that leave the service and come back: their states, what they wait for, what counts. Node i
 * of the cluster has storage i; time runs in intervals of the look at what is left. */
#include "../blocks/fixture.h"

#include "namenode/drain/drain.h"
#include "namenode/hosts/hosts.h"
#include "namenode/namespace/namespace.h"

enum { INTERVAL = 30000, NODES = 5 };

static struct cluster c;
static struct ns *ns;
static struct drain *drain;
static unsigned moves;
static uint64_t next_id = 1000;

static void moved(void *ctx, uint32_t node, enum admin_state from, enum admin_state to)
{
    (void)ctx;
    cr_assert_neq(from, to);
    cr_assert_eq(nodes_at(c.nodes, node)->admin, to);
    moves++;
}

static uint64_t length_of(const void *ctx, handle_t block)
{
    return blocks_length(ctx, block);
}

static bool is_complete(const void *ctx, handle_t block)
{
    return blocks_is_complete(ctx, block);
}

static void start_with(const struct drain_settings *s)
{
    c = cluster_new((struct cluster_opts){.nodes = NODES});
    cr_assert_eq(ns_new("root", "supergroup", &ns), 0);
    ns_set_block_length(ns, length_of, c.blocks);
    ns_set_block_complete(ns, is_complete);
    drain = drain_new(s, ns, c.blocks, c.nodes);
    drain_watch(drain, moved, NULL);
    moves = 0;
}

static void setup(void)
{
    struct drain_settings s;
    drain_settings_defaults(&s);
    start_with(&s);
}

static void teardown(void)
{
    drain_free(drain);
    ns_free(ns);
    cluster_free(&c);
}

TestSuite(drain, .init = setup, .fini = teardown);

static handle_t add_file(bool open)
{
    char name[32];
    handle_t h = 0;
    snprintf(name, sizeof(name), "f%llu", (unsigned long long)next_id);
    struct ns_new_inode n = {.id = 20000 + next_id,
                             .parent = ns_root(ns),
                             .name = slice_of(name),
                             .block_size = MIB,
                             .replication = 3};
    cr_assert_eq(ns_add(ns, INODE_FILE, &n, false, &h), 0);
    if (open)
        cr_assert_eq(ns_open_file(ns, h, slice_of("client"), slice_of("machine")), 0);
    return h;
}

static handle_t block_of(handle_t file, uint32_t replication, enum block_state state)
{
    struct block_info info = {.id = next_id++,
                              .generation_stamp = GS,
                              .length = state == BLOCK_UNDER_CONSTRUCTION ? 0 : LEN,
                              .owner = file,
                              .replication = replication,
                              .state = state};
    handle_t h = 0;
    cr_assert_eq(blocks_add(c.blocks, &info, &h), 0);
    cr_assert_eq(ns_push_block(ns, file, h), 0);
    return h;
}

static uint64_t id_of(handle_t block)
{
    struct block_info info;
    blocks_get(c.blocks, block, &info);
    return info.id;
}

/* A closed file of one block on the first `replicas` storages. */
static handle_t closed(uint32_t replication, uint32_t replicas)
{
    handle_t h = block_of(add_file(false), replication, BLOCK_COMPLETE);
    for (uint32_t s = 1; s <= replicas; s++)
        tell(&c, s, id_of(h), GS, LEN, BLOCK_RECEIVED);
    return h;
}

/* Passes an interval: the work of blocks/, then a whole look. */
static void pass(void)
{
    cluster_tick(&c, INTERVAL);
    while (drain_tick(drain, c.now, c.now, 7))
        ;
    nodes_verify(c.nodes);
}

static void apply(uint32_t node, struct host_wish wish)
{
    drain_apply(drain, node, &wish, c.now, c.now);
}

static void decommission(uint32_t node)
{
    apply(node, (struct host_wish){.included = true, .excluded = true});
}

static void maintain(uint32_t node, int64_t ms)
{
    apply(node, (struct host_wish){.included = true, .maintenance_until_ms = c.now + ms});
}

static void back(uint32_t node)
{
    apply(node, (struct host_wish){.included = true});
}

static enum admin_state admin(uint32_t node)
{
    return nodes_at(c.nodes, node)->admin;
}

/* The copies that were ordered arrive; returns how many. */
static unsigned copies_arrive(void)
{
    unsigned count = 0;
    for (uint32_t i = 1; i <= nodes_count(c.nodes); i++) {
        struct node_copy_order orders[64];
        uint32_t n = nodes_take_all_copies(c.nodes, i, orders, 64);
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t t = 0; t < orders[k].target_count; t++, count++)
                tell(&c, orders[k].targets[t], orders[k].block.id, GS, LEN, BLOCK_RECEIVED);
    }
    return count;
}

Test(drain, a_node_stays_until_its_blocks_have_copies)
{
    handle_t h = closed(3, 3);
    decommission(1);
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(counts(&c, h).live, 2);
    cr_assert_eq(counts(&c, h).decommissioning, 1);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_blocks, 1);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_open_blocks, 0);
    cr_assert_eq(copies_arrive(), 1);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).decommissioned, 1);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_blocks, 0);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(moves, 2);
}

Test(drain, the_only_replica_is_a_source_and_is_not_missing)
{
    handle_t h = closed(1, 1);
    decommission(1);
    pass();
    cr_assert_eq(stats(&c).missing, 0);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_only_here, 1);
    cr_assert_eq(copies_arrive(), 1);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
    cr_assert_eq(counts(&c, h).live, 1);
}

Test(drain, back_in_service_the_surplus_goes)
{
    handle_t h = closed(3, 3);
    decommission(1);
    pass();
    copies_arrive();
    pass();
    back(1);
    cr_assert_eq(admin(1), ADMIN_NORMAL);
    pass();
    cr_assert_eq(counts(&c, h).live, 3);
    cr_assert_eq(counts(&c, h).excess, 1);
}

Test(drain, an_order_that_is_taken_back_leaves_no_trace)
{
    handle_t h = closed(3, 3);
    decommission(2);
    back(2);
    cluster_tick(&c, 1);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(counts(&c, h).live, 3);
}

static handle_t open_on(uint32_t first, uint32_t count)
{
    handle_t h = block_of(add_file(true), 3, BLOCK_UNDER_CONSTRUCTION);
    uint32_t storages[NODES];
    for (uint32_t i = 0; i < count; i++)
        storages[i] = first + i;
    cr_assert_eq(blocks_set_expected(c.blocks, h, storages, count), 0);
    for (uint32_t i = 0; i < count; i++)
        tell(&c, storages[i], id_of(h), GS, 0, BLOCK_RECEIVING);
    return h;
}

Test(drain, the_last_place_of_an_open_block_stays)
{
    handle_t h = open_on(1, 1);
    decommission(1);
    for (int i = 0; i < 3; i++)
        pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_blocks, 1);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_open_blocks, 1);
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_only_here, 1);
    uint64_t file = ns_inode(ns, blocks_owner(c.blocks, h))->id;
    cr_assert_eq(drain_next_blocking(drain, 0), file);
    cr_assert_eq(drain_next_blocking(drain, file), 0);
    /* the writer closes: committed is not enough for the node to go, a copy is */
    tell(&c, 1, id_of(h), GS, LEN, BLOCK_RECEIVED);
    cr_assert_eq(blocks_commit(c.blocks, h, GS, LEN, NULL), 0);
    cr_assert(blocks_is_complete(c.blocks, h));
    ns_close_file(ns, blocks_owner(c.blocks, h));
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(drain_next_blocking(drain, 0), 0);
    cr_assert(copies_arrive() >= 1);
    pass();
    pass();
    copies_arrive();
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
}

Test(drain, an_open_block_with_other_places_blocks_nobody)
{
    (void)open_on(1, 3);
    decommission(2);
    pass();
    cr_assert_eq(admin(2), ADMIN_DECOMMISSIONED);
    cr_assert_eq(drain_next_blocking(drain, 0), 0);
}

Test(drain, a_pipeline_that_leaves_as_a_whole_is_waited_for)
{
    (void)open_on(1, 3);
    for (uint32_t i = 1; i <= 3; i++)
        decommission(i);
    pass();
    for (uint32_t i = 1; i <= 3; i++)
        cr_assert_eq(admin(i), ADMIN_DECOMMISSION_IN_PROGRESS);
    back(3);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
    cr_assert_eq(admin(2), ADMIN_DECOMMISSIONED);
}

Test(drain, leaving_nodes_get_no_blocks)
{
    decommission(1);
    maintain(2, 1000000);
    struct place_request req = {.wanted = 5, .writer_node = 1, .block_size = MIB};
    uint32_t storages[5];
    size_t count = blocks_place(c.blocks, &req, c.now, &c.rng, storages);
    cr_assert_eq(count, 3);
    for (size_t i = 0; i < count; i++)
        cr_assert(storages[i] >= 3);
}

Test(drain, readers_get_leaving_nodes_last_and_none_in_maintenance)
{
    handle_t h = closed(5, 5);
    decommission(1);
    maintain(2, 10000000);
    maintain(3, 10000000);
    struct reader_hint reader = {.node = 1};
    uint32_t storages[NODES];
    bool corrupt;
    size_t count = blocks_locations(c.blocks, h, &reader, c.now, &c.rng, storages, NODES, &corrupt);
    cr_assert_eq(count, 5);
    cr_assert(storages[0] >= 4 && storages[1] >= 4);
    cr_assert_eq(storages[4], 1); /* the reader's own, yet on its way out */
    pass();
    cr_assert_eq(admin(2), ADMIN_IN_MAINTENANCE);
    count = blocks_locations(c.blocks, h, &reader, c.now, &c.rng, storages, NODES, &corrupt);
    cr_assert_eq(count, 3);
    cr_assert_eq(storages[2], 1);
}

Test(drain, maintenance_needs_one_live_replica_only)
{
    handle_t h = closed(3, 3);
    maintain(1, 100 * INTERVAL);
    cr_assert_eq(admin(1), ADMIN_ENTERING_MAINTENANCE);
    pass();
    cr_assert_eq(admin(1), ADMIN_IN_MAINTENANCE);
    cr_assert_eq(copies_arrive(), 0);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(counts(&c, h).live, 2);
    cr_assert_eq(counts(&c, h).maintenance, 1);
    maintain(2, 100 * INTERVAL);
    pass();
    cr_assert_eq(admin(2), ADMIN_IN_MAINTENANCE);
    maintain(3, 100 * INTERVAL); /* the last one must make a copy first */
    pass();
    cr_assert_eq(admin(3), ADMIN_ENTERING_MAINTENANCE);
    cr_assert_eq(copies_arrive(), 1);
    pass();
    cr_assert_eq(admin(3), ADMIN_IN_MAINTENANCE);
}

Test(drain, a_dead_node_in_maintenance_keeps_its_replicas_until_its_time_is_over)
{
    handle_t h = closed(3, 3);
    maintain(1, 3 * INTERVAL);
    pass();
    cr_assert_eq(admin(1), ADMIN_IN_MAINTENANCE);
    nodes_declare_dead(c.nodes, 1);
    pass();
    cr_assert_eq(counts(&c, h).maintenance, 1);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    pass();
    pass(); /* over */
    cr_assert_eq(admin(1), ADMIN_NORMAL);
    cluster_tick(&c, 1);
    cr_assert_eq(counts(&c, h).maintenance, 0);
    cr_assert_eq(counts(&c, h).live, 2);
    cr_assert_eq(stats(&c).low_redundancy + stats(&c).pending, 1);
}

Test(drain, maintenance_can_be_made_longer)
{
    maintain(1, INTERVAL);
    pass();
    maintain(1, 10 * INTERVAL);
    pass();
    pass();
    cr_assert_eq(admin(1), ADMIN_IN_MAINTENANCE);
    apply(1, (struct host_wish){.included = true, .maintenance_until_ms = c.now - 1});
    cr_assert_eq(admin(1), ADMIN_NORMAL);
}

Test(drain, dead_nodes_go_at_once)
{
    nodes_declare_dead(c.nodes, 1);
    nodes_declare_dead(c.nodes, 2);
    decommission(1);
    maintain(2, 1000);
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
    cr_assert_eq(admin(2), ADMIN_IN_MAINTENANCE);
}

Test(drain, a_node_that_dies_on_its_way_waits_until_nothing_lacks_copies)
{
    (void)closed(3, 3);
    decommission(1);
    pass();
    nodes_declare_dead(c.nodes, 1);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    copies_arrive();
    pass();
    copies_arrive();
    pass();
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
}

Test(drain, nobody_leaves_before_its_full_report)
{
    uint32_t node = cluster_add_node(&c, NODES + 1, 0);
    cluster_beat(&c, node, 900ULL * MIB);
    decommission(node);
    pass();
    cr_assert_eq(admin(node), ADMIN_DECOMMISSION_IN_PROGRESS);
    report_empty(&c, node);
    pass();
    cr_assert_eq(admin(node), ADMIN_DECOMMISSIONED);
}

/* Nobody could make the internal block anew: the policy is unknown. */
Test(drain, a_node_with_internal_blocks_of_an_unknown_policy_stays)
{
    struct block_info group = {.id = (uint64_t)-1600,
                               .generation_stamp = GS,
                               .length = LEN,
                               .owner = add_file(false),
                               .replication = 1,
                               .state = BLOCK_COMPLETE,
                               .ec = 70};
    handle_t h;
    cr_assert_eq(blocks_add(c.blocks, &group, &h), 0);
    tell(&c, 1, group.id + 2, GS, LEN, BLOCK_RECEIVED);
    decommission(1);
    decommission(2);
    pass();
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(admin(2), ADMIN_DECOMMISSIONED);
}

Test(drain, a_decommissioned_node_enters_maintenance_at_once)
{
    decommission(1);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
    maintain(1, 1000);
    cr_assert_eq(admin(1), ADMIN_IN_MAINTENANCE);
    decommission(1);
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
}

Test(drain, figures_count_nodes_in_service_only)
{
    struct nodes_stats before, n;
    nodes_stats(c.nodes, c.now, &before);
    decommission(1);
    maintain(2, 1000000);
    nodes_stats(c.nodes, c.now, &n);
    cr_assert_eq(n.capacity, before.capacity / NODES * (NODES - 2));
    cr_assert_eq(n.live, NODES);
    cr_assert_eq(n.in_service, NODES - 2);
    cr_assert_eq(n.decommissioning, 1);
    cr_assert_eq(n.entering_maintenance, 1);
    pass();
    nodes_stats(c.nodes, c.now, &n);
    cr_assert_eq(n.decommissioned_live, 1);
    cr_assert_eq(n.maintenance_live, 1);
}

/* The look is cut by its limit for an interval, and goes on in the next one. */
Test(drain_slices, at_most_so_many_blocks_an_interval, .fini = teardown)
{
    start_with(&(struct drain_settings){.interval_ms = INTERVAL, .blocks_per_interval = 10});
    for (int i = 0; i < 25; i++)
        (void)closed(1, 1);
    for (int i = 0; i < 25; i++) /* copies that are there already */
        tell(&c, 2, next_id - 1 - (uint64_t)i, GS, LEN, BLOCK_RECEIVED);
    decommission(1);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    pass();
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
}

Test(drain_slices, no_more_nodes_than_wanted_are_looked_at, .fini = teardown)
{
    start_with(&(struct drain_settings){
        .interval_ms = INTERVAL, .blocks_per_interval = 1000, .max_tracked = 1});
    decommission(1);
    decommission(2);
    pass();
    cr_assert_eq(admin(1), ADMIN_DECOMMISSIONED);
    cr_assert_eq(admin(2), ADMIN_DECOMMISSION_IN_PROGRESS);
    pass();
    cr_assert_eq(admin(2), ADMIN_DECOMMISSIONED);
}

/* A full report that moves the blocks of the list about in the middle of the look. */
Test(drain, blocks_that_come_during_the_look_are_not_missed)
{
    for (int i = 0; i < 20; i++)
        (void)closed(1, 1);
    (void)closed(3, 3);
    decommission(1);
    for (int i = 0; i < 20; i++)
        tell(&c, 4, next_id - 2 - (uint64_t)i, GS, LEN, BLOCK_RECEIVED);
    tell(&c, 4, next_id - 1, GS, LEN, BLOCK_RECEIVED);
    cluster_tick(&c, INTERVAL);
    (void)drain_tick(drain, c.now, c.now, 5);
    handle_t late = block_of(add_file(false), 2, BLOCK_COMPLETE);
    tell(&c, 1, id_of(late), GS, LEN, BLOCK_RECEIVED);
    while (drain_tick(drain, c.now, c.now, 5))
        ;
    cr_assert_eq(admin(1), ADMIN_DECOMMISSION_IN_PROGRESS);
    pass();
    cr_assert_eq(nodes_at(c.nodes, 1)->leaving_only_here, 1);
}
