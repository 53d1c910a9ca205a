#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/nodes/nodes.h"

static struct nodes *make(void)
{
    struct nodes_settings s;
    nodes_settings_defaults(&s);
    struct nodes *n = NULL;
    cr_assert_eq(nodes_new(&s, &n), 0);
    return n;
}

static uint32_t add(struct nodes *n, const char *uuid, const char *ip, uint32_t port,
                    const char *rack, int64_t now)
{
    uint32_t node = 0;
    struct node_registration r = {.uuid = uuid,
                                  .ip = ip,
                                  .hostname = "host",
                                  .software_version = "3.4.3",
                                  .xfer_port = port,
                                  .rack = rack};
    cr_assert_eq(nodes_register(n, &r, now, now, &node, NULL), 0);
    nodes_verify(n);
    return node;
}

static void beat(struct nodes *n, uint32_t node, const char *storage, uint32_t failed_volumes,
                 uint32_t xceivers, int64_t now)
{
    struct node_storage_report s = {
        .uuid = storage, .type = STORAGE_DISK, .capacity = 100, .remaining = 60, .dfs_used = 40};
    struct node_heartbeat h = {.storages = &s,
                               .storage_count = storage != NULL,
                               .xceivers = xceivers,
                               .failed_volumes = failed_volumes};
    cr_assert_eq(nodes_heartbeat(n, node, &h, now, now, NULL), 0);
    nodes_verify(n);
}

Test(nodes, found_by_uuid_address_machine_and_host)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 9866, NULL, 1),
             b = add(n, "b", "10.0.0.1", 9867, "/r1", 1);
    cr_assert_neq(a, b);
    cr_assert_eq(nodes_find(n, "a"), a);
    cr_assert_eq(nodes_find(n, "c"), 0);
    cr_assert_eq(nodes_find_address(n, "10.0.0.1", 9867), b);
    cr_assert_eq(nodes_find_address(n, "10.0.0.1", 9868), 0);
    cr_assert_eq(nodes_find_host(n, "host:9867"), b);
    cr_assert_eq(nodes_find_host(n, "10.0.0.1:9866"), a);
    cr_assert_eq(nodes_find_host(n, "host:x"), 0);
    cr_assert_eq(nodes_find_host(n, "other"), 0);
    nodes_declare_dead(n, b);
    cr_assert_eq(nodes_find_ip(n, "10.0.0.1"), a, "a live node of the machine is preferred");
    nodes_declare_dead(n, a);
    cr_assert_neq(nodes_find_ip(n, "10.0.0.1"), 0);
    cr_assert_str_eq(nodes_at(n, a)->rack, DEFAULT_RACK);
    nodes_free(n);
}

Test(nodes, same_uuid_moves)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 9866, "/r1", 1);
    beat(n, a, "DS-1", 0, 0, 2);
    nodes_storage_mut(n, 1)->reported = true;
    cr_assert_eq(add(n, "a", "10.0.0.2", 9866, "/r2", 3), a);
    cr_assert_eq(nodes_find_address(n, "10.0.0.1", 9866), 0);
    cr_assert_eq(nodes_find_address(n, "10.0.0.2", 9866), a);
    cr_assert_eq(nodes_find_ip(n, "10.0.0.1"), 0);
    cr_assert_eq(nodes_find_registered(n, "a", "10.0.0.1", 9866), 0);
    cr_assert_eq(nodes_find_registered(n, "a", "10.0.0.2", 9866), a);
    cr_assert_not(nodes_storage(n, 1)->reported, "stale until its next full report");
    cr_assert_eq(nodes_at(n, a)->registration, 2);
    cr_assert_eq(nodes_live_rack_count(n), 1);
    nodes_free(n);
}

Test(nodes, other_uuid_at_the_address_evicts)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 9866, "/r1", 1),
             b = add(n, "b", "10.0.0.1", 9866, "/r2", 2);
    cr_assert(nodes_at(n, a)->gone);
    cr_assert_not(nodes_at(n, a)->alive);
    uint32_t list[4];
    cr_assert_eq(nodes_list(n, NODES_ALL, list, 4), 1);
    cr_assert_eq(list[0], b);
    cr_assert_eq(nodes_find_registered(n, "a", "10.0.0.1", 9866), 0);
    cr_assert_eq(add(n, "a", "10.0.0.9", 9866, "/r1", 3), a, "it may come back elsewhere");
    cr_assert_not(nodes_at(n, a)->gone);
    cr_assert_eq(nodes_live_count(n), 2);
    nodes_free(n);
}

Test(nodes, refuses_bad_registrations)
{
    struct nodes *n = make();
    struct node_registration good = {
        .uuid = "a", .ip = "10.0.0.1", .hostname = "h", .software_version = "3", .xfer_port = 1};
    char longer[NODE_TEXT_MAX + 2];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    struct node_registration bad[6] = {good, good, good, good, good, good};
    bad[0].uuid = "";
    bad[1].ip = NULL;
    bad[2].hostname = longer;
    bad[3].rack = "rack";
    bad[4].xfer_port = 0;
    bad[5].hostname = "two words";
    for (int i = 0; i < 6; i++) {
        struct err err = {0};
        uint32_t node = 77;
        cr_assert_eq(nodes_register(n, &bad[i], 1, 1, &node, &err), ERR_ILLEGAL_ARGUMENT, "%d", i);
        cr_assert_eq(node, 77);
    }
    cr_assert_eq(nodes_count(n), 0);
    nodes_free(n);
}

Test(nodes, silence_makes_stale_then_dead)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 9866, NULL, 1000);
    const struct nodes_settings *s = nodes_settings_get(n);
    cr_assert_eq(nodes_dead_after_ms(s), 630000);
    cr_assert_not(node_is_stale(nodes_at(n, a), s, 1000 + 29999));
    cr_assert(node_is_stale(nodes_at(n, a), s, 1000 + 30000));
    cr_assert_eq(nodes_check(n, 1000 + 630000), 0);
    cr_assert_eq(nodes_check(n, 1000 + 630001), 1);
    cr_assert_eq(nodes_check(n, 1000 + 630002), 0, "told once");
    struct nodes_stats stats;
    nodes_stats(n, 700000, &stats);
    cr_assert_eq(stats.dead, 1);
    cr_assert_eq(stats.live, 0);
    cr_assert_eq(nodes_find_registered(n, "a", "10.0.0.1", 9866), 0);
    add(n, "a", "10.0.0.1", 9866, NULL, 700000);
    cr_assert_eq(nodes_find_registered(n, "a", "10.0.0.1", 9866), a);
    nodes_demand_registration(n, a);
    cr_assert_eq(nodes_find_registered(n, "a", "10.0.0.1", 9866), 0);
    nodes_free(n);
}

Test(nodes, heartbeat_sums_and_lost_volumes)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 9866, NULL, 1);
    struct node_storage_report two[] = {
        {.uuid = "DS-1", .type = 1, .capacity = 10, .remaining = 5},
        {.uuid = "DS-2", .type = 2, .capacity = 20, .remaining = 7}};
    struct node_heartbeat h = {.storages = two, .storage_count = 2, .xceivers = 4};
    cr_assert_eq(nodes_heartbeat(n, a, &h, 2, 2, NULL), 0);
    cr_assert_eq(nodes_at(n, a)->capacity, 30);
    cr_assert_float_eq(nodes_average_xceivers(n), 4.0, 1e-9);
    h.storage_count = 1;
    cr_assert_eq(nodes_heartbeat(n, a, &h, 3, 3, NULL), 0);
    cr_assert_not(nodes_storage(n, 2)->failed, "missing once, but no volume failed");
    h.failed_volumes = 1;
    cr_assert_eq(nodes_heartbeat(n, a, &h, 4, 4, NULL), 0);
    cr_assert(nodes_storage(n, 2)->failed);
    cr_assert_eq(nodes_at(n, a)->capacity, 10);
    nodes_storage_mut(n, 2)->reported = true;
    h.storage_count = 2;
    cr_assert_eq(nodes_heartbeat(n, a, &h, 5, 5, NULL), 0);
    cr_assert_not(nodes_storage(n, 2)->failed);
    cr_assert_not(nodes_storage(n, 2)->reported, "its replicas must be told anew");
    two[0].type = 9;
    cr_assert_eq(nodes_heartbeat(n, a, &h, 6, 6, NULL), ERR_ILLEGAL_ARGUMENT);
    nodes_verify(n);
    nodes_free(n);
}

Test(nodes, storages_are_bounded)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 9866, NULL, 1), s = 0;
    for (int i = 0; i < NODE_STORAGES_MAX; i++) {
        char uuid[32];
        snprintf(uuid, sizeof(uuid), "DS-%d", i);
        cr_assert_eq(nodes_add_storage(n, a, uuid, STORAGE_DISK, false, &s, NULL), 0);
    }
    cr_assert_eq(nodes_add_storage(n, a, "more", STORAGE_DISK, false, &s, NULL),
                 ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(nodes_add_storage(n, a, "DS-3", STORAGE_SSD, false, &s, NULL), 0);
    cr_assert_eq(s, 4);
    cr_assert_eq(nodes_storage(n, s)->type, STORAGE_SSD);
    nodes_free(n);
}

Test(nodes, distance_counts_hops)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 1, "/d1/r1", 1),
             b = add(n, "b", "10.0.0.2", 1, "/d1/r1", 1);
    uint32_t c = add(n, "c", "10.0.0.3", 1, "/d1/r2", 1),
             d = add(n, "d", "10.0.0.4", 1, "/d2/r1", 1);
    uint32_t e = add(n, "e", "10.0.0.5", 1, "/d1/r10", 1);
    cr_assert_eq(nodes_distance(n, a, a), 0);
    cr_assert_eq(nodes_distance(n, a, b), 2);
    cr_assert_eq(nodes_distance(n, a, c), 4);
    cr_assert_eq(nodes_distance(n, a, e), 4);
    cr_assert_eq(nodes_distance(n, a, d), 6);
    cr_assert_eq(nodes_rack_distance(n, a, "/d1/r1"), 2);
    cr_assert_eq(nodes_rack_distance(n, a, "/d1/r9"), 4);
    cr_assert_eq(nodes_rack_distance(n, a, NULL), UINT32_MAX);
    cr_assert_eq(nodes_live_rack_count(n), 4);
    uint32_t version = nodes_topology_version(n);
    add(n, "b", "10.0.0.2", 1, "/d1/r2", 2);
    cr_assert_neq(nodes_topology_version(n), version);
    nodes_free(n);
}

Test(nodes, report_leases_are_six_at_a_time)
{
    struct nodes *n = make();
    struct rng rng = {3};
    uint32_t ids[8];
    uint64_t lease[8];
    for (int i = 0; i < 8; i++) {
        char uuid[32], ip[32];
        snprintf(uuid, sizeof(uuid), "n%d", i);
        snprintf(ip, sizeof(ip), "10.0.0.%d", i);
        ids[i] = add(n, uuid, ip, 1, NULL, 1);
        lease[i] = nodes_grant_report_lease(n, ids[i], 100, &rng);
    }
    for (int i = 0; i < 6; i++)
        cr_assert(lease[i] != 0 && nodes_check_report_lease(n, ids[i], lease[i], 200));
    cr_assert(lease[6] == 0 && lease[7] == 0);
    cr_assert(nodes_check_report_lease(n, ids[7], 0, 200), "0 bypasses");
    cr_assert_not(nodes_check_report_lease(n, ids[1], lease[0], 200));
    cr_assert_not(nodes_check_report_lease(n, ids[0], lease[0], 100 + 300000), "expired");
    nodes_end_report_lease(n, ids[2]);
    cr_assert_not(nodes_check_report_lease(n, ids[2], lease[2], 200));
    cr_assert_neq(nodes_grant_report_lease(n, ids[6], 200, &rng), 0);
    cr_assert_eq(nodes_grant_report_lease(n, ids[7], 200, &rng), 0);
    cr_assert_neq(nodes_grant_report_lease(n, ids[7], 100 + 300000, &rng), 0);
    nodes_free(n);
}

Test(nodes, copies_leave_by_room)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 1, NULL, 1), targets[3] = {7, 8, 9};
    for (uint64_t id = 1; id <= 5; id++)
        cr_assert(nodes_order_copy(n, a, (struct node_block){id, 1, 1}, targets, 3));
    struct node_copy_order out[8];
    cr_assert_eq(nodes_take_copies(n, a, out, 8), 2);
    cr_assert_eq(out[0].block.id, 1);
    cr_assert_eq(out[1].targets[2], 9);
    nodes_at_mut(n, a)->xmits = 1;
    cr_assert_eq(nodes_take_copies(n, a, out, 8), 1);
    nodes_at_mut(n, a)->xmits = 5;
    cr_assert_eq(nodes_take_copies(n, a, out, 8), 0);
    cr_assert(nodes_cancel_copy(n, a, 4));
    cr_assert_not(nodes_cancel_copy(n, a, 4));
    cr_assert_eq(nodes_take_all_copies(n, a, out, 8), 1);
    cr_assert_eq(out[0].block.id, 5);
    uint32_t accepted = 0;
    while (nodes_order_copy(n, a, (struct node_block){9, 1, 1}, targets, 1))
        accepted++;
    cr_assert_eq(accepted, NODE_COPIES_MAX);
    nodes_verify(n);
    nodes_free(n);
}

Test(nodes, deletions_are_kept_once_and_leave_in_order)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 1, NULL, 1);
    for (uint64_t id = 1; id <= 2500; id++)
        cr_assert(nodes_order_invalidate(n, a, (struct node_block){id, 1, 5}));
    cr_assert(nodes_order_invalidate(n, a, (struct node_block){7, 3, 5}));
    cr_assert(nodes_order_invalidate(n, a, (struct node_block){7, 2, 5}));
    cr_assert_eq(nodes_at(n, a)->invalid_count, 2500);
    cr_assert(nodes_invalidate_ordered(n, a, 7, 3));
    cr_assert_not(nodes_invalidate_ordered(n, a, 7, 1));
    cr_assert(nodes_invalidate_waits(n, a, 7));
    nodes_cancel_invalidate(n, a, 1);
    nodes_cancel_invalidate(n, a, 2500);
    nodes_cancel_invalidate(n, a, 1200);
    nodes_verify(n);
    static struct node_block out[4000];
    cr_assert_eq(nodes_take_invalidates(n, a, out, 4000), 1000, "the limit of a heartbeat");
    cr_assert_eq(out[0].id, 2);
    cr_assert_eq(nodes_take_invalidates(n, a, out, 10), 10);
    cr_assert_eq(nodes_take_invalidates(n, a, out, 4000), 1000);
    cr_assert_eq(nodes_take_invalidates(n, a, out, 4000), 487);
    cr_assert_eq(nodes_take_invalidates(n, a, out, 4000), 0);
    nodes_verify(n);
    nodes_order_invalidate(n, a, (struct node_block){1, 1, 1});
    nodes_clear_orders(n, a);
    nodes_verify(n);
    nodes_free(n);
}

Test(nodes, deletions_are_granted_to_a_share_of_those_that_wait)
{
    struct nodes *n = make();
    struct rng rng = {7};
    struct node_block out[10];
    uint32_t seen = 0;
    for (uint32_t i = 1; i <= 10; i++) {
        char uuid[16], ip[16];
        snprintf(uuid, sizeof(uuid), "u%u", i);
        snprintf(ip, sizeof(ip), "10.0.0.%u", i);
        add(n, uuid, ip, 9866, NULL, 0);
        for (uint64_t id = 1; i <= 5 && id <= 3; id++)
            cr_assert(nodes_order_invalidate(n, i, (struct node_block){id, 1, 5}));
    }
    nodes_grant_invalidates(n, 0.11, &rng);
    for (uint32_t i = 1; i <= 10; i++)
        seen += nodes_invalidates_granted(n, i);
    cr_assert_eq(seen, 2 * 3, "two of ten, and only who waits for some");
    for (int turn = 0; turn < 50; turn++)
        nodes_grant_invalidates(n, 0.11, &rng);
    for (uint32_t i = 1; i <= 10; i++) {
        cr_assert_eq(nodes_invalidates_granted(n, i), i <= 5 ? 3 : 0, "everybody's turn comes");
        cr_assert_eq(nodes_take_invalidates(n, i, out, 10), i <= 5 ? 3 : 0);
        cr_assert(nodes_order_invalidate(n, i, (struct node_block){9, 1, 5}));
        if (i == 3)
            nodes_clear_orders(n, i);
    }
    cr_assert_eq(nodes_invalidates_granted(n, 1), 1, "what is left of the grant");
    cr_assert_eq(nodes_invalidates_granted(n, 3), 0);
    cr_assert_eq(nodes_invalidates_granted(n, 9), 0);
    nodes_free(n);
}

Test(nodes, grants_in_slices_are_as_many)
{
    struct nodes *n = make();
    struct rng rng = {11};
    uint32_t granted = 0, slices = 1;
    for (uint32_t i = 1; i <= 20; i++) {
        char uuid[16], ip[16];
        snprintf(uuid, sizeof(uuid), "u%u", i);
        snprintf(ip, sizeof(ip), "10.0.0.%u", i);
        add(n, uuid, ip, 9866, NULL, 0);
        cr_assert(nodes_order_invalidate(n, i, (struct node_block){1, 1, 5}));
    }
    nodes_begin_grants(n, 0.32);
    for (; nodes_grant_some(n, &rng, 3); slices++) {
        nodes_verify(n);
        if (slices == 1)
            nodes_declare_dead(n, 20);
    }
    cr_assert_geq(slices, 3);
    for (uint32_t i = 1; i <= 20; i++)
        granted += nodes_invalidates_granted(n, i);
    cr_assert(granted == 7 || granted == 6, "a third, rounded up, but for one that died: %u",
              granted);
    nodes_begin_grants(n, 1);
    (void)nodes_grant_some(n, &rng, UINT32_MAX);
    for (uint32_t i = 1; i < 20; i++)
        cr_assert_eq(nodes_invalidates_granted(n, i), 1);
    nodes_free(n);
}

Test(nodes, losses_are_counted)
{
    struct nodes *n = make();
    uint32_t a = add(n, "u1", "10.0.0.1", 9866, NULL, 0);
    uint32_t before = nodes_losses(n);
    struct node_storage_report disk = {.uuid = "DS-1", .type = STORAGE_DISK};
    struct node_heartbeat h = {.storages = &disk, .storage_count = 1};
    cr_assert_eq(nodes_heartbeat(n, a, &h, 1, 1, NULL), 0);
    cr_assert_eq(nodes_losses(n), before);
    disk.failed = true;
    cr_assert_eq(nodes_heartbeat(n, a, &h, 2, 2, NULL), 0);
    cr_assert_eq(nodes_losses(n), ++before);
    cr_assert_eq(nodes_heartbeat(n, a, &h, 3, 3, NULL), 0);
    cr_assert_eq(nodes_losses(n), before, "once");
    nodes_set_admin(n, a, ADMIN_IN_MAINTENANCE);
    cr_assert_eq(nodes_losses(n), ++before);
    nodes_declare_dead(n, a);
    cr_assert_eq(nodes_losses(n), ++before);
    (void)add(n, "u2", "10.0.0.1", 9866, NULL, 5);
    cr_assert_gt(nodes_losses(n), before, "its place was taken");
    nodes_free(n);
}

Test(nodes, a_storage_that_no_heartbeat_names_is_gone)
{
    struct nodes *n = make();
    uint32_t node = add(n, "u1", "10.0.0.1", 9866, NULL, 0), late = 0;
    struct node_storage_report named = {.uuid = "DS-1", .type = STORAGE_DISK};
    struct node_heartbeat h = {.storages = &named, .storage_count = 1};
    cr_assert_eq(nodes_heartbeat(n, node, &h, 1, 1, NULL), 0);
    cr_assert_eq(nodes_add_storage(n, node, "DS-2", STORAGE_DISK, false, &late, NULL), 0);
    for (int beat = 2; beat <= 3; beat++)
        cr_assert_eq(nodes_heartbeat(n, node, &h, beat, beat, NULL), 0);
    cr_assert_not(nodes_storage(n, late)->failed, "it may be new");
    cr_assert_eq(nodes_heartbeat(n, node, &h, 4, 4, NULL), 0);
    cr_assert(nodes_storage(n, late)->failed);
    cr_assert_not(nodes_storage(n, nodes_find_storage(n, node, "DS-1"))->failed);
    nodes_free(n);
}

Test(nodes, promises_fade)
{
    struct nodes *n = make();
    uint32_t a = add(n, "a", "10.0.0.1", 1, NULL, 1000), s = 0;
    cr_assert_eq(nodes_add_storage(n, a, "DS-1", STORAGE_DISK, false, &s, NULL), 0);
    nodes_schedule(n, s);
    nodes_schedule(n, s);
    nodes_unschedule(n, s);
    cr_assert_eq(node_storage_scheduled(nodes_storage(n, s)), 1);
    nodes_check(n, 1000 + 600000);
    cr_assert_eq(node_storage_scheduled(nodes_storage(n, s)), 1);
    nodes_check(n, 1000 + 1200000);
    cr_assert_eq(node_storage_scheduled(nodes_storage(n, s)), 0);
    nodes_unschedule(n, s);
    cr_assert_eq(node_storage_scheduled(nodes_storage(n, s)), 0);
    nodes_free(n);
}

/* A long random history: the tables must stay right whatever comes. */
Test(nodes, random_history_verifies)
{
    struct nodes *n = make();
    struct rng rng = {11};
    int64_t now = 1000;
    for (int step = 0; step < 4000; step++) {
        char uuid[32], ip[32];
        snprintf(uuid, sizeof(uuid), "n%d", (int)rng_below(&rng, 12));
        snprintf(ip, sizeof(ip), "10.0.0.%d", (int)rng_below(&rng, 6));
        static const char *const racks[] = {"/a", "/b", "/c", NULL};
        uint32_t known = nodes_find(n, uuid);
        switch (rng_below(&rng, 5)) {
        case 0: {
            struct node_registration r = {uuid,
                                          ip,
                                          "h",
                                          "3",
                                          (uint32_t)rng_below(&rng, 2) + 1,
                                          2,
                                          3,
                                          0,
                                          racks[rng_below(&rng, 4)]};
            cr_assert_eq(nodes_register(n, &r, now, now, &known, NULL), 0);
            break;
        }
        case 1:
            if (known != 0 && nodes_at(n, known)->alive)
                beat(n, known, "DS-1", 0, (uint32_t)rng_below(&rng, 50), now);
            break;
        case 2:
            if (known != 0)
                nodes_declare_dead(n, known);
            break;
        case 3:
            now += (int64_t)rng_below(&rng, 60000);
            nodes_check(n, now);
            break;
        default:
            if (known != 0)
                nodes_order_invalidate(n, known, (struct node_block){rng_below(&rng, 9), 1, 1});
        }
        nodes_verify(n);
    }
    nodes_free(n);
}
