/* heal.c - groups that lost internal blocks, have too many, or lie on nodes that leave: the orders
 * that follow, and that they lead to whole groups whatever happens meanwhile. */
#include "fixture.h"

enum { CELL = 1024, UNITS = 5, DATA = 3 };
#define GROUP ((uint64_t)INT64_MIN + 16)

static const struct ec_policy rs32 = {
    .id = 2, .data_units = DATA, .parity_units = 2, .codec = EC_RS, .cell_size = CELL};

static const struct ec_policy *policy_at(void *ctx, uint8_t id)
{
    (void)ctx;
    return id == rs32.id ? &rs32 : NULL;
}

static struct cluster start(uint32_t nodes, uint32_t racks)
{
    struct cluster c = cluster_new((struct cluster_opts){.nodes = nodes, .racks = racks});
    blocks_ec_from(c.blocks, policy_at, NULL);
    return c;
}

static handle_t add_group(struct cluster *c, uint64_t id, uint64_t length)
{
    struct block_info info = {.id = id,
                              .generation_stamp = GS,
                              .length = length,
                              .owner = 5,
                              .replication = 1,
                              .state = BLOCK_COMPLETE,
                              .ec = rs32.id};
    handle_t h = 0;
    cr_assert_eq(blocks_add(c->blocks, &info, &h), 0);
    return h;
}

static void tell_unit(struct cluster *c, uint32_t storage, uint64_t group, unsigned index,
                      uint64_t length)
{
    tell(c, storage, group + index, GS, ec_internal_length(&rs32, length, index), BLOCK_RECEIVED);
}

/* Index i on storage i + 1. */
static handle_t add_whole(struct cluster *c, uint64_t length)
{
    handle_t h = add_group(c, GROUP, length);
    for (unsigned i = 0; i < UNITS; i++)
        if (ec_internal_length(&rs32, length, i) > 0)
            tell_unit(c, i + 1, GROUP, i, length);
    return h;
}

static void lose(struct cluster *c, uint32_t storage, unsigned index)
{
    tell(c, storage, GROUP + index, GS, 0, BLOCK_DELETED);
}

/* The only order of all nodes; node 0: there is none. */
static struct node_rebuild_order rebuild_order(struct cluster *c, uint32_t *ret_node)
{
    struct node_rebuild_order o = {0};
    *ret_node = 0;
    for (uint32_t i = 1; i <= nodes_count(c->nodes); i++) {
        struct node_rebuild_order list[4];
        uint32_t n = nodes_take_rebuilds(c->nodes, i, list, 4);
        cr_assert(n == 0 || (n == 1 && *ret_node == 0));
        if (n == 1) {
            o = list[0];
            *ret_node = i;
        }
    }
    return o;
}

struct copy {
    uint32_t source, target; /* nodes; 0: none */
    uint64_t id;
};

static struct copy copy_order(struct cluster *c)
{
    struct copy copy = {0};
    for (uint32_t i = 1; i <= nodes_count(c->nodes); i++) {
        struct node_copy_order list[8];
        uint32_t n = nodes_take_all_copies(c->nodes, i, list, 8);
        cr_assert(n == 0 || (n == 1 && copy.id == 0 && list[0].target_count == 1));
        if (n == 1)
            copy = (struct copy){i, list[0].targets[0], list[0].block.id};
    }
    return copy;
}

Test(heal, what_is_lost_is_one_order_for_the_first_target)
{
    struct cluster c = start(8, 0);
    uint32_t worker;
    handle_t h = add_whole(&c, 3 * CELL);
    lose(&c, 5, 4);
    lose(&c, 2, 1);
    cluster_tick(&c, 3000);
    struct node_rebuild_order o = rebuild_order(&c, &worker);
    cr_assert_neq(worker, 0);
    cr_assert(o.group.id == GROUP && o.group.length == 3 * CELL && o.policy == 2);
    cr_assert_eq(o.target_count, 2);
    cr_assert(o.target_indices[0] == 1 && o.target_indices[1] == 4);
    cr_assert_eq(o.source_count, 3);
    cr_assert_eq(nodes_storage(c.nodes, o.targets[0])->node, worker);
    cr_assert_eq(counts(&c, h).pending, 2);
    cr_assert_eq(stats(&c).pending, 1);
    cluster_tick(&c, 3000);
    rebuild_order(&c, &worker);
    cr_assert_eq(worker, 0, "it is on its way");
    tell_unit(&c, o.targets[0], GROUP, 1, 3 * CELL);
    tell_unit(&c, o.targets[1], GROUP, 4, 3 * CELL);
    cr_assert_eq(counts(&c, h).live_units, 31);
    cr_assert_eq(stats(&c).pending, 0);
    cr_assert_eq(stats(&c).low_redundancy, 0);
    cluster_free(&c);
}

Test(heal, another_loss_is_ordered_beside_the_first)
{
    struct cluster c = start(8, 0);
    uint32_t worker;
    handle_t h = add_whole(&c, 3 * CELL);
    lose(&c, 5, 4);
    cluster_tick(&c, 3000);
    struct node_rebuild_order first = rebuild_order(&c, &worker);
    lose(&c, 1, 0);
    cluster_tick(&c, 3000);
    struct node_rebuild_order o = rebuild_order(&c, &worker);
    cr_assert(o.target_count == 1 && o.target_indices[0] == 0);
    cr_assert(o.excluded_count == 1 && o.excluded[0] == 4, "that one comes");
    cr_assert_neq(o.targets[0], first.targets[0]);
    cr_assert_eq(counts(&c, h).pending, 2);
    cluster_free(&c);
}

Test(heal, an_order_that_is_not_heard_of_is_made_again)
{
    struct cluster c = start(8, 0);
    uint32_t worker;
    (void)add_whole(&c, 3 * CELL);
    lose(&c, 3, 2);
    cluster_tick(&c, 3000);
    cr_assert_eq(rebuild_order(&c, &worker).target_count, 1);
    c.now += 300000;
    cluster_tick(&c, 3000);
    cr_assert_eq(rebuild_order(&c, &worker).target_count, 1);
    nodes_declare_dead(c.nodes, worker);
    cluster_tick(&c, 3000);
    cluster_tick(&c, 3000);
    uint32_t second;
    cr_assert_eq(rebuild_order(&c, &second).target_count, 1, "the worker is dead: at once");
    cr_assert_neq(second, worker);
    cluster_free(&c);
}

Test(heal, priorities_follow_the_losses_that_are_left)
{
    struct cluster c = start(5, 0); /* nobody to rebuild on */
    handle_t list[4];
    uint32_t cursor;
    (void)add_whole(&c, 3 * CELL);
    for (unsigned lost = 0; lost <= 3; lost++) {
        unsigned priority[] = {9, 2, 0, 4}; /* Hadoop's */
        for (unsigned p = 0; p <= 4; p++) {
            cursor = 0;
            cr_assert_eq(blocks_list_waiting(c.blocks, p, &cursor, list, 4), p == priority[lost],
                         "%u lost, priority %u", lost, p);
        }
        if (lost < 3)
            lose(&c, lost + 1, lost);
    }
    cr_assert_eq(stats(&c).groups.missing, 1);
    cluster_free(&c);
}

Test(heal, who_leaves_is_copied_from)
{
    struct cluster c = start(7, 0);
    uint32_t worker;
    struct leaving_block leaving;
    handle_t h = add_whole(&c, 3 * CELL);
    blocks_set_admin(c.blocks, 2, ADMIN_DECOMMISSION_IN_PROGRESS);
    cluster_tick(&c, 3000);
    struct copy copy = copy_order(&c);
    rebuild_order(&c, &worker);
    cr_assert_eq(worker, 0);
    cr_assert(copy.source == 2 && copy.id == GROUP + 1 && copy.target >= 6);
    blocks_check_leaving(c.blocks, h, ADMIN_DECOMMISSION_IN_PROGRESS, &leaving);
    cr_assert(!leaving.enough);
    tell_unit(&c, copy.target, GROUP, 1, 3 * CELL);
    blocks_check_leaving(c.blocks, h, ADMIN_DECOMMISSION_IN_PROGRESS, &leaving);
    cr_assert(leaving.enough);
    blocks_set_admin(c.blocks, 2, ADMIN_DECOMMISSIONED);
    cluster_tick(&c, 3000);
    cr_assert_eq(copy_order(&c).id, 0);
    cr_assert(!ordered(&c, 2, GROUP + 1), "what has left is nobody's surplus");
    blocks_set_admin(c.blocks, 2, ADMIN_NORMAL); /* it is back: one too many */
    cluster_tick(&c, 3000);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, 2, GROUP + 1) != ordered(&c, copy.target, GROUP + 1));
    cluster_free(&c);
}

Test(heal, maintenance_costs_nothing_while_the_group_can_be_read)
{
    struct cluster c = start(8, 0);
    uint32_t worker;
    struct leaving_block leaving;
    handle_t h = add_whole(&c, 3 * CELL);
    for (uint32_t node = 1; node <= 2; node++)
        blocks_set_admin(c.blocks, node, ADMIN_ENTERING_MAINTENANCE);
    cluster_tick(&c, 3000);
    cr_assert_eq(copy_order(&c).id, 0);
    blocks_check_leaving(c.blocks, h, ADMIN_ENTERING_MAINTENANCE, &leaving);
    cr_assert(leaving.enough);
    blocks_set_admin(c.blocks, 3, ADMIN_ENTERING_MAINTENANCE);
    blocks_check_leaving(c.blocks, h, ADMIN_ENTERING_MAINTENANCE, &leaving);
    cr_assert(!leaving.enough);
    cluster_tick(&c, 3000);
    struct copy copy = copy_order(&c);
    cr_assert(copy.source == 1 && copy.id == GROUP);
    tell_unit(&c, copy.target, GROUP, 0, 3 * CELL);
    blocks_check_leaving(c.blocks, h, ADMIN_ENTERING_MAINTENANCE, &leaving);
    cr_assert(leaving.enough);
    rebuild_order(&c, &worker);
    cr_assert_eq(worker, 0);
    cluster_free(&c);
}

Test(heal, a_corrupt_one_is_replaced_first_and_deleted_then)
{
    struct cluster c = start(7, 0);
    uint32_t worker;
    handle_t h = add_whole(&c, 3 * CELL);
    blocks_mark_corrupt(c.blocks, GROUP + 3, GS, 4, 0, CORRUPT_REPORTED);
    cluster_tick(&c, 3000);
    cluster_tick(&c, 3000);
    struct node_rebuild_order o = rebuild_order(&c, &worker);
    cr_assert(o.target_count == 1 && o.target_indices[0] == 3);
    cr_assert(worker != 4 && o.source_count == 4);
    cr_assert(!ordered(&c, 4, GROUP + 3));
    tell_unit(&c, o.targets[0], GROUP, 3, 3 * CELL);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, 4, GROUP + 3));
    cr_assert_eq(counts(&c, h).corrupt, 0);
    cr_assert_eq(counts(&c, h).live_units, 31);
    cluster_free(&c);
}

/* On a cluster with no other node the bad one gives way, if the others can make it. */
Test(heal, a_corrupt_one_makes_room_for_itself)
{
    struct cluster c = start(5, 0);
    uint32_t worker;
    (void)add_whole(&c, 3 * CELL);
    blocks_mark_corrupt(c.blocks, GROUP + 3, GS, 4, 0, CORRUPT_REPORTED);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, 4, GROUP + 3));
    cluster_tick(&c, 3000);
    rebuild_order(&c, &worker);
    cr_assert_eq(worker, 0, "as long as it waits for that deletion it is no target");
    struct node_block out[4];
    cr_assert_eq(nodes_take_invalidates(c.nodes, 4, out, 4), 1);
    cluster_tick(&c, 3000);
    struct node_rebuild_order o = rebuild_order(&c, &worker);
    cr_assert(worker == 4 && o.target_indices[0] == 3);
    cluster_free(&c);
}

Test(heal, what_cannot_be_made_again_is_never_deleted)
{
    struct cluster c = start(5, 0);
    (void)add_whole(&c, 3 * CELL);
    lose(&c, 1, 0);
    lose(&c, 2, 1);
    blocks_mark_corrupt(c.blocks, GROUP + 3, GS, 4, 0, CORRUPT_REPORTED);
    for (int i = 0; i < 3; i++)
        cluster_tick(&c, 3000);
    cr_assert(!ordered(&c, 4, GROUP + 3), "some of its cells may be all there is");
    cr_assert_eq(stats(&c).groups.missing, 1);
    cluster_free(&c);
}

Test(heal, one_of_two_goes_and_the_hint_counts)
{
    struct cluster c = start(7, 0);
    handle_t h = add_whole(&c, 3 * CELL);
    struct received_block moved = {
        .block = {GROUP + 2, GS, CELL}, .status = BLOCK_RECEIVED, .hint_node = 3};
    cr_assert_eq(blocks_received(c.blocks, 6, &moved, 1, c.now, NULL), 0);
    cr_assert(ordered(&c, 3, GROUP + 2));
    cr_assert_eq(counts(&c, h).excess, 1);
    cr_assert_eq(counts(&c, h).live_units, 31);
    struct node_block order = {GROUP + 2, GS, CELL};
    cr_assert(blocks_confirm_deletion(c.blocks, 3, &order));
    nodes_declare_dead(c.nodes, 6);
    cr_assert_not(blocks_confirm_deletion(c.blocks, 3, &order), "the other one went");
    cluster_tick(&c, 1);
    cr_assert_eq(counts(&c, h).live_units, 31);
    cluster_free(&c);
}

Test(heal, nothing_goes_while_a_storage_has_not_reported)
{
    struct cluster c = start(7, 0);
    (void)add_whole(&c, 3 * CELL);
    cr_assert_eq(cluster_add_node(&c, 1, 0), 1, "it registers anew: what it has isn't known");
    tell_unit(&c, 6, GROUP, 2, 3 * CELL);
    cluster_tick(&c, 3000);
    cr_assert(!ordered(&c, 3, GROUP + 2) && !ordered(&c, 6, GROUP + 2));
    uint64_t longs[] = {1, 0, GROUP, CELL, GS, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    struct report_source source = {.longs = longs, .long_count = ARRAY_SIZE(longs)};
    cr_assert_eq(blocks_report_all(c.blocks, 1, &source, c.now, c.now, NULL), 0);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, 3, GROUP + 2) != ordered(&c, 6, GROUP + 2));
    cluster_free(&c);
}

Test(heal, too_few_racks_cost_a_copy_and_then_a_deletion)
{
    struct cluster c = start(8, 4); /* racks 0 to 3: nodes 4 8, 1 5, 2 6, 3 7 */
    handle_t h = add_group(&c, GROUP, 3 * CELL);
    static const uint32_t where[UNITS] = {1, 5, 2, 6, 3};
    for (unsigned i = 0; i < UNITS; i++)
        tell_unit(&c, where[i], GROUP, i, 3 * CELL);
    cr_assert_eq(stats(&c).groups.badly_distributed, 1);
    cluster_tick(&c, 3000);
    struct copy copy = copy_order(&c);
    cr_assert_eq(copy.target % 4, 0);
    unsigned index = (unsigned)(copy.id - GROUP);
    tell_unit(&c, copy.target, GROUP, index, 3 * CELL);
    cluster_tick(&c, 3000);
    cr_assert(ordered(&c, copy.source, copy.id), "not the one on the new rack");
    cr_assert_eq(counts(&c, h).live_units, 31);
    cr_assert_eq(stats(&c).groups.badly_distributed, 0);
    cluster_free(&c);
}

Test(heal, a_short_group_is_healed_from_one)
{
    struct cluster c = start(6, 0);
    uint32_t worker;
    (void)add_whole(&c, 100); /* indices 0, 3, 4 */
    lose(&c, 1, 0);
    lose(&c, 5, 4);
    cluster_tick(&c, 3000);
    struct node_rebuild_order o = rebuild_order(&c, &worker);
    cr_assert(o.target_count == 2 && o.target_indices[0] == 0 && o.target_indices[1] == 4);
    cr_assert(o.source_count == 1 && o.source_indices[0] == 3 && o.excluded_count == 0);
    cluster_free(&c);
}

/* ---- whatever happens ---- */

enum { NODES = 12, GROUPS = 12, STEPS = 1500 };
enum unit_state { ABSENT, GOOD, BAD };

struct world {
    struct cluster c;
    uint64_t lengths[GROUPS];
    handle_t groups[GROUPS];
    uint8_t disk[NODES + 1][GROUPS][UNITS];
    unsigned rebuilt, copied, deleted;
};

static uint64_t id_of(unsigned g)
{
    return GROUP + 16 * (uint64_t)g;
}

static bool alive(const struct world *w, uint32_t node)
{
    return nodes_at(w->c.nodes, node)->alive;
}

static unsigned good_units(const struct world *w, unsigned g)
{
    unsigned count = 0;
    for (unsigned i = 0; i < UNITS; i++) {
        bool found = false;
        for (uint32_t n = 1; n <= NODES; n++)
            found |= alive(w, n) && w->disk[n][g][i] == GOOD;
        count += found;
    }
    return count;
}

static unsigned wanted_units(const struct world *w, unsigned g)
{
    return blocks_units_wanted(w->c.blocks, w->groups[g]);
}

static void store(struct world *w, uint32_t node, unsigned g, unsigned index)
{
    for (unsigned i = 0; i < UNITS; i++)
        cr_assert_eq(w->disk[node][g][i], ABSENT, "node %u has one of group %u", node, g);
    w->disk[node][g][index] = GOOD;
    tell_unit(&w->c, node, id_of(g), index, w->lengths[g]);
}

static void take_rebuilds(struct world *w, uint32_t node)
{
    struct node_rebuild_order list[4];
    uint32_t n = nodes_take_rebuilds(w->c.nodes, node, list, 4);
    for (uint32_t k = 0; k < n; k++) {
        const struct node_rebuild_order *o = &list[k];
        unsigned g = (unsigned)((o->group.id - GROUP) / 16), sources = 0;
        for (unsigned i = 0; i < o->source_count; i++)
            sources +=
                alive(w, o->sources[i]) && w->disk[o->sources[i]][g][o->source_indices[i]] == GOOD;
        if (sources < blocks_units_minimum(w->c.blocks, w->groups[g]) ||
            rng_below(&w->c.rng, 6) == 0)
            continue; /* it fails, and the NameNode isn't told */
        for (unsigned i = 0; i < o->target_count; i++)
            if (alive(w, o->targets[i])) {
                store(w, o->targets[i], g, o->target_indices[i]);
                w->rebuilt++;
            }
    }
}

static void take_copies(struct world *w, uint32_t node)
{
    struct node_copy_order list[8];
    struct {
        unsigned g, index;
        uint32_t target;
    } todo[8];
    uint32_t n = nodes_take_copies(w->c.nodes, node, list, 8);
    for (uint32_t k = 0; k < n; k++) {
        todo[k].g = (unsigned)((list[k].block.id - GROUP) / 16);
        todo[k].index = (unsigned)(list[k].block.id & 15);
        todo[k].target = list[k].targets[0];
    }
    for (uint32_t k = 0; k < n; k++)
        if (alive(w, todo[k].target) && w->disk[node][todo[k].g][todo[k].index] == GOOD) {
            store(w, todo[k].target, todo[k].g, todo[k].index);
            w->copied++;
        }
}

static void take_deletions(struct world *w, uint32_t node)
{
    struct node_block list[64];
    uint32_t n = nodes_take_invalidates(w->c.nodes, node, list, 64);
    for (uint32_t k = 0; k < n; k++) {
        unsigned g = (unsigned)((list[k].id - GROUP) / 16), index = (unsigned)(list[k].id & 15);
        if (!blocks_confirm_deletion(w->c.blocks, node, &list[k]) ||
            w->disk[node][g][index] == ABSENT)
            continue;
        unsigned before = good_units(w, g);
        w->disk[node][g][index] = ABSENT;
        cr_assert_eq(good_units(w, g), before, "the last one of its index was deleted");
        tell(&w->c, node, list[k].id, GS, 0, BLOCK_DELETED);
        w->deleted++;
    }
}

static void serve(struct world *w)
{
    for (uint32_t node = 1; node <= NODES; node++) {
        if (!alive(w, node))
            continue;
        take_copies(w, node);
        take_rebuilds(w, node);
        take_deletions(w, node);
    }
}

/* Would all groups survive its loss, and another one's? */
static bool can_spare(struct world *w, uint32_t node)
{
    struct node *n = nodes_at_mut(w->c.nodes, node);
    bool spare = true;
    for (unsigned g = 0; g < GROUPS; g++) {
        unsigned minimum = blocks_units_minimum(w->c.blocks, w->groups[g]);
        n->alive = false;
        spare &= good_units(w, g) > minimum;
        n->alive = true;
    }
    return spare;
}

static void come_back(struct world *w, uint32_t node)
{
    uint64_t longs[3 * GROUPS * UNITS + 8] = {0};
    size_t at = 2;
    cr_assert_eq(cluster_add_node(&w->c, node, 3), node);
    cluster_beat(&w->c, node, 900ULL * MIB);
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < UNITS; i++)
            if (w->disk[node][g][i] != ABSENT) {
                longs[0]++;
                longs[at++] = id_of(g) + i;
                longs[at++] = ec_internal_length(&rs32, w->lengths[g], i);
                longs[at++] = GS;
            }
    for (int i = 0; i < 3; i++)
        longs[at++] = UINT64_MAX;
    struct report_source source = {.longs = longs, .long_count = at};
    cr_assert_eq(blocks_report_all(w->c.blocks, node, &source, w->c.now, w->c.now, NULL), 0);
    for (unsigned g = 0; g < GROUPS; g++) /* its scanner finds them again */
        for (unsigned i = 0; i < UNITS; i++)
            if (w->disk[node][g][i] == BAD)
                blocks_mark_corrupt(w->c.blocks, id_of(g) + i, GS, node, 0, CORRUPT_REPORTED);
}

static void rot(struct world *w, uint32_t node)
{
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < UNITS; i++) {
            if (w->disk[node][g][i] != GOOD ||
                good_units(w, g) <= blocks_units_minimum(w->c.blocks, w->groups[g]) + 1)
                continue;
            w->disk[node][g][i] = BAD;
            blocks_mark_corrupt(w->c.blocks, id_of(g) + i, GS, node, 0, CORRUPT_REPORTED);
            return;
        }
}

static void disturb(struct world *w)
{
    uint32_t node = (uint32_t)rng_below(&w->c.rng, NODES) + 1;
    switch (rng_below(&w->c.rng, 8)) {
    case 0:
        if (alive(w, node) && can_spare(w, node))
            nodes_declare_dead(w->c.nodes, node);
        break;
    case 1:
    case 2:
        if (!alive(w, node))
            come_back(w, node);
        break;
    case 3:
        if (alive(w, node))
            rot(w, node);
        break;
    case 4:
        blocks_set_admin(w->c.blocks, node, (enum admin_state)rng_below(&w->c.rng, 5));
        break;
    case 5:
        blocks_set_admin(w->c.blocks, node, ADMIN_NORMAL);
        break;
    default:
        break;
    }
}

static bool is_whole(struct world *w, unsigned g)
{
    struct replica_counts n = counts(&w->c, w->groups[g]);
    return n.live == wanted_units(w, g) && n.corrupt == 0 && n.duplicate == 0 && n.pending == 0;
}

static bool all_whole(struct world *w)
{
    for (unsigned g = 0; g < GROUPS; g++)
        if (!is_whole(w, g))
            return false;
    return stats(&w->c).groups.badly_distributed == 0;
}

static void run(uint64_t seed)
{
    static const uint64_t lengths[] = {1, CELL - 1, CELL + 1, 2 * CELL + 7, 3 * CELL, 9 * CELL + 3};
    static struct world w;
    w = (struct world){.c = start(NODES, 3)};
    w.c.rng = (struct rng){seed};
    for (unsigned g = 0; g < GROUPS; g++) {
        w.lengths[g] = lengths[g % ARRAY_SIZE(lengths)];
        w.groups[g] = add_group(&w.c, id_of(g), w.lengths[g]);
        for (unsigned i = 0; i < UNITS; i++)
            if (ec_internal_length(&rs32, w.lengths[g], i) > 0)
                store(&w, 1 + (g + i) % NODES, g, i);
    }
    for (int step = 0; step < STEPS; step++) {
        disturb(&w);
        if (rng_below(&w.c.rng, 2) == 0)
            cluster_tick(&w.c, 1500);
        serve(&w);
        for (unsigned g = 0; g < GROUPS; g++)
            cr_assert_geq(good_units(&w, g), blocks_units_minimum(w.c.blocks, w.groups[g]),
                          "seed %d step %d g %u: %u", (int)seed, step, g, good_units(&w, g));
    }
    for (uint32_t node = 1; node <= NODES; node++) {
        blocks_set_admin(w.c.blocks, node, ADMIN_NORMAL);
        if (!alive(&w, node))
            come_back(&w, node);
    }
    int rounds = 0;
    for (; rounds < 1000 && !all_whole(&w); rounds++) {
        cluster_tick(&w.c, 3000);
        serve(&w);
    }
    cr_assert(all_whole(&w), "not healed");
    for (unsigned g = 0; g < GROUPS; g++)
        cr_assert_eq(good_units(&w, g), wanted_units(&w, g));
    cr_assert(w.rebuilt > 10 && w.copied > 10 && w.deleted > 10, "%u rebuilt, %u copied, %u gone",
              w.rebuilt, w.copied, w.deleted);
    cluster_free(&w.c);
}

Test(heal, all_get_whole_again_whatever_happens)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed);
}
