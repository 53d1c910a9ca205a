/* plan.c, candidates.c - who gives how much to whom; which block may go where. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "cli/balancer/internal.h"

enum { NODES = 4 };

static struct move_node items[NODES];
static struct move_nodes nodes = {items, NODES};
static const size_t order[NODES] = {0, 1, 2, 3};
static bool is_source[NODES];
static struct plan plan;

static void node(size_t i, const char *rack, uint64_t used)
{
    static char uuids[NODES][8];
    snprintf(uuids[i], sizeof(uuids[i]), "u%zu", i);
    items[i] = (struct move_node){.uuid = uuids[i], .rack = (char *)(uintptr_t)rack};
    items[i].types[DFS_DISK] = (struct move_space){.there = true,
                                                   .capacity = 1000,
                                                   .used = used,
                                                   .pool_used = used / 2,
                                                   .remaining = 1000 - used,
                                                   .most_remaining = 1000 - used};
    is_source[i] = true;
}

static uint64_t make(double threshold, uint64_t most)
{
    struct plan_settings s = {.threshold = threshold, .max_to_move = most};
    plan_make(&s, &nodes, order, NODES, is_source, &plan);
    return plan_match(&plan, &nodes);
}

static void fini(void)
{
    plan_fini(&plan);
}

/* Bytes planned from one node to another. */
static uint64_t planned(size_t from, size_t to)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < plan.task_count; i++)
        if (plan.groups[plan.tasks[i].source].node == from &&
            plan.groups[plan.tasks[i].target].node == to)
            bytes += plan.tasks[i].size;
    return bytes;
}

TestSuite(plan, .fini = fini);

Test(plan, balanced_is_left_alone)
{
    for (size_t i = 0; i < NODES; i++)
        node(i, "/r", 400 + 20 * i); /* 40, 42, 44, 46: average 43 */
    cr_assert_eq(make(10, 1 << 30), 0);
    cr_assert_eq(plan.bytes_left, 0);
    cr_assert_eq(plan.task_count, 0);
}

Test(plan, full_gives_to_empty)
{
    node(0, "/r", 800);
    node(1, "/r", 800);
    node(2, "/r", 0);
    node(3, "/r", 400);
    cr_assert_eq(make(10, 1 << 30), 600, "the empty one gets to the average, 50 %%");
    cr_assert_eq(plan.bytes_left, 400, "beyond 60 %% and below 40 %%: 2 x 200, 1 x 400");
    cr_assert_eq(planned(0, 2), 300);
    cr_assert_eq(planned(1, 2), 200);
    cr_assert_eq(planned(1, 3), 100, "over to below average");
    plan_fini(&plan);
    cr_assert_eq(make(10, 50), 100, "no group more than its limit in an iteration");
}

Test(plan, same_rack_first)
{
    node(0, "/a", 900);
    node(1, "/b", 900);
    node(2, "/b", 100);
    node(3, "/a", 100);
    (void)make(10, 1 << 30);
    cr_assert_eq(planned(0, 3), 400);
    cr_assert_eq(planned(1, 2), 400);
    cr_assert_eq(planned(0, 2) + planned(1, 3), 0);
}

Test(plan, only_sources_give)
{
    node(0, "/r", 900);
    node(1, "/r", 900);
    node(2, "/r", 100);
    node(3, "/r", 100);
    is_source[0] = false;
    (void)make(10, 1 << 30);
    cr_assert_eq(planned(0, 2) + planned(0, 3), 0);
    cr_assert_eq(planned(1, 2) + planned(1, 3), 400);
}

Test(plan, a_target_needs_room_and_types_dont_mix)
{
    for (size_t i = 0; i < NODES; i++)
        node(i, "/r", i < 2 ? 900 : 100);
    items[2].types[DFS_DISK].remaining = 10; /* others use its disk */
    items[3].types[DFS_SSD] = items[3].types[DFS_DISK];
    items[3].types[DFS_DISK] = (struct move_space){0};
    (void)make(10, 1 << 30);
    cr_assert_eq(planned(0, 2) + planned(1, 2), 10);
    cr_assert_eq(planned(0, 3) + planned(1, 3), 0, "the only SSD is as full as all SSDs");
}

/* --- candidates --- */

static struct candidate block_on(size_t a, size_t b)
{
    return (struct candidate){
        .id = 7, .length = 100, .nodes = {a, b}, .types = {DFS_DISK, DFS_DISK}, .count = 2};
}

static bool fits(const struct candidate *c, size_t from, size_t to)
{
    struct plan_group s = {.node = from, .type = DFS_DISK}, t = {.node = to, .type = DFS_DISK};
    return candidate_fits(c, &nodes, &s, &t);
}

Test(candidates, never_twice_on_a_node_nor_on_fewer_racks)
{
    node(0, "/a", 0);
    node(1, "/b", 0);
    node(2, "/b", 0);
    node(3, "/c", 0);
    struct candidate c = block_on(0, 1);
    cr_assert(!fits(&c, 0, 1), "it is there already");
    cr_assert(!fits(&c, 0, 2), "both would stand on /b");
    cr_assert(fits(&c, 1, 2), "/a and /b as before");
    cr_assert(fits(&c, 0, 3));
    cr_assert(!fits(&c, 3, 2), "the source doesn't have it");
}

Test(candidates, internal_blocks_of_a_group)
{
    node(0, "/a", 0);
    struct candidate c = block_on(0, 0);
    struct plan_group s = {.node = 0, .type = DFS_DISK};
    struct move_order o;
    c.count = 1;
    c.data_blocks = 3;
    c.cell_size = 10;
    c.length = 75; /* cells of 10: 3 + 3 full ones, then 10 and 5 */
    const uint64_t lengths[] = {30, 25, 20, 30, 30};
    for (uint8_t i = 0; i < 5; i++) {
        c.indices[0] = i;
        cr_assert(candidate_block(&c, &s, &o));
        cr_assert_eq(o.id, 7u + i);
        cr_assert_eq(o.length, lengths[i], "%u: %llu", i, (unsigned long long)o.length);
    }
}

Test(candidates, more_places_than_kept_are_refused)
{
    Np__BlockWithLocations b = NP__BLOCK_WITH_LOCATIONS__INIT;
    Hdfs__Block id = HDFS__BLOCK__INIT;
    struct candidate c;
    char *uuids[CANDIDATE_PLACES + 1];
    Hdfs__StorageType types[CANDIDATE_PLACES + 1];
    node(0, "/a", 0);
    for (size_t i = 0; i <= CANDIDATE_PLACES; i++) {
        uuids[i] = (char *)(uintptr_t)(i == 0 ? "u0" : "unknown");
        types[i] = HDFS__STORAGE_TYPE__DISK;
    }
    b.block = &id;
    b.datanode_uuids = uuids;
    b.storage_types = types;
    b.n_datanode_uuids = b.n_storage_types = CANDIDATE_PLACES + 1;
    nodes.count = 1;
    cr_assert(!candidate_of(&b, &nodes, &c));
    b.n_datanode_uuids = b.n_storage_types = 3;
    cr_assert(candidate_of(&b, &nodes, &c));
    cr_assert_eq(c.count, 1, "who isn't alive is no place");
    b.n_storage_types = 2;
    cr_assert(!candidate_of(&b, &nodes, &c));
    nodes.count = NODES;
}
