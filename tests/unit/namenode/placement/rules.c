/* The placement rules beside the default one, and nodes that are let alone. */
#include "tests/unit/namenode/placement/fixture.h"

Test(rules, names_of_hadoops_classes)
{
    enum place_rule rule;
    const char *package = "org.apache.hadoop.hdfs.server.blockmanagement.";
    char name[200];
    snprintf(name, sizeof(name), "%sBlockPlacementPolicyRackFaultTolerant", package);
    cr_assert(place_rule_named(name, &rule) && rule == PLACE_BY_RACKS);
    snprintf(name, sizeof(name), "%sAvailableSpaceBlockPlacementPolicy", package);
    cr_assert(place_rule_named(name, &rule) && rule == PLACE_BY_SPACE);
    cr_assert(place_rule_named("BlockPlacementPolicyWithUpgradeDomain", &rule) &&
              rule == PLACE_BY_DOMAINS);
    cr_assert(!place_rule_named("BlockPlacementPolicyWithNodeGroup", &rule));
    cr_assert(!place_rule_named("", &rule));
}

Test(rules, by_racks_each_replica_on_its_own)
{
    struct field f = field_new(20, 5);
    f.settings.rule = PLACE_BY_RACKS;
    uint32_t t[12];
    for (int i = 0; i < 300; i++) {
        struct place_request req = {.writer_node = (uint32_t)rng_below(&f.rng, 21)};
        for (req.wanted = 2; req.wanted <= 12; req.wanted++) {
            cr_assert_eq(place(&f, req, t), req.wanted);
            uint32_t per_rack[8] = {0};
            for (size_t k = 0; k < req.wanted; k++)
                per_rack[rack(&f, t[k])]++;
            cr_assert_eq(count_racks(&f, t, req.wanted), req.wanted < 5 ? req.wanted : 5);
            for (size_t k = 0; k < 8; k++)
                cr_assert_leq(per_rack[k], (req.wanted + 4) / 5, "%u replicas", req.wanted);
        }
    }
    field_free(&f);
}

Test(rules, by_racks_small_racks_dont_stop_it)
{
    struct field f = field_new(0, 0);
    f.settings.rule = PLACE_BY_RACKS;
    for (uint32_t i = 1; i <= 8; i++) {
        cr_assert_eq(field_add(&f, i, i <= 6 ? 0 : i), i); /* six on one rack, two alone */
        field_disk(&f, i, 900ULL * MIB);
    }
    uint32_t t[8];
    cr_assert_eq(place(&f, (struct place_request){.wanted = 7, .writer_node = 1}, t), 7);
    cr_assert_eq(count_racks(&f, t, 7), 3);
    field_free(&f);
}

Test(rules, by_domains)
{
    struct field f = field_new(12, 3);
    f.settings.rule = PLACE_BY_DOMAINS;
    char domain[8];
    for (uint32_t i = 1; i <= 12; i++) {
        snprintf(domain, sizeof(domain), "d%u", i % 4);
        cr_assert_eq(nodes_set_upgrade_domain(f.nodes, i, domain), 0);
    }
    uint32_t t[5];
    for (int i = 0; i < 500; i++) {
        struct place_request req = {.wanted = 3, .writer_node = (uint32_t)rng_below(&f.rng, 13)};
        cr_assert_eq(place(&f, req, t), 3);
        cr_assert(t[0] % 4 != t[1] % 4 && t[0] % 4 != t[2] % 4 && t[1] % 4 != t[2] % 4);
        cr_assert_geq(count_racks(&f, t, 3), 2);
        req.wanted = 5;
        cr_assert_eq(place(&f, req, t), 5, "beyond the factor domains may repeat");
    }
    uint32_t same[] = {4, 8, 1}; /* d0 d0 d1 */
    cr_assert_eq(place_missing(f.nodes, &f.settings, same, 3, 3), 1);
    uint32_t spread[] = {4, 5, 2};
    cr_assert_eq(place_missing(f.nodes, &f.settings, spread, 3, 3), 0);
    struct place_request more = {.wanted = 1, .chosen = same, .chosen_count = 3};
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(place(&f, more, t), 1);
        cr_assert(t[0] % 4 > 1, "a new domain");
    }
    field_free(&f);
}

static uint32_t emptier_of_1000(struct field *f)
{
    uint32_t emptier = 0, t[1];
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(place(f, (struct place_request){.wanted = 1}, t), 1);
        emptier += t[0] <= 5;
    }
    return emptier;
}

Test(rules, by_space_prefers_emptier_nodes)
{
    struct field f = field_new(10, 0);
    for (uint32_t i = 6; i <= 10; i++)
        field_disk(&f, i, 200ULL * MIB);
    uint32_t n = emptier_of_1000(&f);
    cr_assert(n > 440 && n < 560, "%u", n);
    f.settings.rule = PLACE_BY_SPACE;
    f.settings.space_preference = 100; /* one of two: three quarters */
    n = emptier_of_1000(&f);
    cr_assert(n > 700 && n < 800, "%u", n);
    f.settings.space_tolerance = 80;
    n = emptier_of_1000(&f);
    cr_assert(n > 440 && n < 560, "the difference is tolerated: %u", n);
    f.settings.space_tolerance_limit = 50;
    n = emptier_of_1000(&f);
    cr_assert(n > 700 && n < 800, "but not on full nodes: %u", n);
    field_free(&f);
}

Test(rules, not_on_the_writers_rack)
{
    struct field f = field_new(9, 3);
    uint32_t t[3];
    for (int i = 0; i < 200; i++) {
        struct place_request req = {.wanted = 3, .writer_node = 4, .flags = PLACE_NO_LOCAL_RACK};
        cr_assert_eq(place(&f, req, t), 3);
        for (int k = 0; k < 3; k++)
            cr_assert_neq(rack(&f, t[k]), nodes_at(f.nodes, 4)->rack_id);
    }
    field_free(&f);
}

Test(rules, a_writer_without_a_node_gets_its_rack)
{
    struct field f = field_new(9, 3);
    uint32_t t[3], first = 0;
    for (int i = 0; i < 100; i++) {
        struct place_request req = {.wanted = 3, .writer_rack = "/r2"};
        cr_assert_eq(place(&f, req, t), 3);
        cr_assert_str_eq(nodes_at(f.nodes, t[0])->rack, "/r2");
        req.flags = PLACE_IGNORE_CLIENT_LOCALITY;
        cr_assert_eq(place(&f, req, t), 3);
        first += strcmp(nodes_at(f.nodes, t[0])->rack, "/r2") == 0;
    }
    cr_assert_lt(first, 60);
    field_free(&f);
}

Test(rules, slow_stale_draining_nodes_get_nothing)
{
    struct field f = field_new(5, 0);
    uint32_t t[5];
    struct place_request req = {.wanted = 5};
    nodes_at_mut(f.nodes, 2)->slow = true;
    cr_assert_eq(place(&f, req, t), 5, "unless it is asked for");
    f.settings.avoid_slow = true;
    cr_assert_eq(place(&f, req, t), 4);
    f.settings.avoid_slow = false;
    f.settings.avoid_stale = true;
    f.now += 60000;
    for (uint32_t i = 1; i <= 4; i++)
        field_disk(&f, i, 900ULL * MIB);
    req.wanted = 1;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(place(&f, req, t), 1);
        cr_assert_neq(t[0], 5);
    }
    req.wanted = 5;
    cr_assert_eq(place(&f, req, t), 5, "a silent one is better than none");
    field_free(&f);
}

Test(rules, load_by_type_and_volume)
{
    struct field f = field_new(0, 0);
    static const uint8_t disk[] = {STORAGE_DISK, 0}, ssd[] = {STORAGE_SSD, 0};
    for (uint32_t i = 1; i <= 6; i++) {
        field_add(&f, i, 0);
        field_volumes(&f, i, i <= 3 ? disk : ssd, 900ULL * MIB, i <= 3 ? 100 : 1);
    }
    uint32_t t[3];
    struct place_request req = {.wanted = 1};
    f.settings.load_factor = 1.2; /* of all nodes: every disk is too busy */
    f.settings.consider_load_by_type = true;
    cr_assert_eq(place(&f, req, t), 1, "the other disks are as busy");
    field_volumes(&f, 1, disk, 900ULL * MIB, 10);
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(place(&f, req, t), 1);
        cr_assert_eq(node_of(&f, t[0]), 1);
    }
    field_free(&f);
}
