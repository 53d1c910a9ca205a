/* Storage policies: types of new and further replicas, fallbacks, and which go first. */
#include "tests/unit/namenode/placement/fixture.h"

static const uint8_t all_types[] = {STORAGE_DISK, STORAGE_SSD, STORAGE_ARCHIVE, 0};

static void check_types(struct field *f, uint8_t policy, uint32_t disks, uint32_t ssds,
                        uint32_t archives)
{
    uint32_t t[3];
    uint32_t wanted = disks + ssds + archives;
    for (uint32_t writer = 0; writer <= 3; writer++) {
        struct place_request req = {.wanted = 3, .writer_node = writer, .policy = policy};
        cr_assert_eq(place(f, req, t), wanted, "policy %u", policy);
        cr_assert_eq(count_type(f, t, wanted, STORAGE_DISK), disks, "policy %u", policy);
        cr_assert_eq(count_type(f, t, wanted, STORAGE_SSD), ssds, "policy %u", policy);
        cr_assert_eq(count_type(f, t, wanted, STORAGE_ARCHIVE), archives, "policy %u", policy);
        for (size_t i = 0; i < wanted; i++)
            for (size_t k = 0; k < i; k++)
                cr_assert_neq(node_of(f, t[i]), node_of(f, t[k]));
        if (wanted > 1)
            cr_assert_eq(count_racks(f, t, wanted), 2);
    }
}

Test(types, every_policy_where_all_types_are)
{
    struct field f = field_typed(6, 2, all_types);
    check_types(&f, 0, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_HOT, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_COLD, 0, 0, 3);
    check_types(&f, STORAGE_POLICY_WARM, 1, 0, 2);
    check_types(&f, STORAGE_POLICY_ONE_SSD, 2, 1, 0);
    check_types(&f, STORAGE_POLICY_ALL_SSD, 0, 3, 0);
    check_types(&f, STORAGE_POLICY_ALL_NVDIMM, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_LAZY_PERSIST, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_PROVIDED, 3, 0, 0);
    check_types(&f, 99, 3, 0, 0); /* an id that nobody knows */
    field_free(&f);
}

Test(types, fallbacks_of_new_blocks)
{
    struct field f = field_typed(6, 2, (const uint8_t[]){STORAGE_DISK, 0});
    check_types(&f, STORAGE_POLICY_ONE_SSD, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_ALL_SSD, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_WARM, 3, 0, 0);
    check_types(&f, STORAGE_POLICY_COLD, 0, 0, 0); /* has none */
    field_free(&f);
    f = field_typed(6, 2, (const uint8_t[]){STORAGE_ARCHIVE, 0});
    check_types(&f, STORAGE_POLICY_HOT, 0, 0, 0);
    check_types(&f, STORAGE_POLICY_WARM, 0, 0, 3);
    field_free(&f);
}

Test(types, some_of_a_type_the_rest_falls_back)
{
    struct field f = field_typed(5, 0, (const uint8_t[]){STORAGE_DISK, 0});
    uint32_t ssd = field_add(&f, 6, 0), t[3];
    field_volumes(&f, ssd, (const uint8_t[]){STORAGE_SSD, 0}, 900ULL * MIB, 0);
    struct place_request req = {.wanted = 3, .policy = STORAGE_POLICY_ALL_SSD};
    cr_assert_eq(place(&f, req, t), 3);
    cr_assert_eq(count_type(&f, t, 3, STORAGE_SSD), 1);
    req.policy = STORAGE_POLICY_ONE_SSD;
    cr_assert_eq(place(&f, req, t), 3);
    cr_assert_eq(count_type(&f, t, 3, STORAGE_SSD), 1);
    field_free(&f);
}

Test(types, further_replicas_follow_those_that_there_are)
{
    struct field f = field_typed(6, 2, all_types);
    uint32_t t[2], chosen[2]; /* volumes of node i: 3i - 2 DISK, 3i - 1 SSD, 3i ARCHIVE */
    chosen[0] = 1;
    chosen[1] = 4;
    struct place_request req = {
        .wanted = 1, .chosen = chosen, .chosen_count = 2, .policy = STORAGE_POLICY_ONE_SSD};
    cr_assert_eq(place(&f, req, t), 1);
    cr_assert_eq(count_type(&f, t, 1, STORAGE_SSD), 1);
    chosen[0] = 2;
    cr_assert_eq(place(&f, req, t), 1);
    cr_assert_eq(count_type(&f, t, 1, STORAGE_DISK), 1);
    field_free(&f);
    f = field_typed(4, 0, (const uint8_t[]){STORAGE_ARCHIVE, 0});
    chosen[0] = 1;
    req = (struct place_request){.wanted = 1, .chosen = chosen, .chosen_count = 1};
    cr_assert_eq(place(&f, req, t), 1, "a HOT block is copied to ARCHIVE when there is no disk");
    field_free(&f);
}

Test(types, favored_nodes_take_the_types_in_order)
{
    struct field f = field_typed(6, 2, all_types);
    uint32_t t[3], favored[] = {5, 6};
    struct place_request req = {
        .wanted = 3, .favored = favored, .favored_count = 2, .policy = STORAGE_POLICY_ONE_SSD};
    cr_assert_eq(place(&f, req, t), 3);
    cr_assert_eq(count_type(&f, t, 3, STORAGE_SSD), 1);
    uint32_t found = 0;
    for (int i = 0; i < 3; i++)
        found += node_of(&f, t[i]) >= 5;
    cr_assert_eq(found, 2);
    field_free(&f);
}

static size_t surplus(struct field *f, struct surplus_request req, uint32_t *ret)
{
    return place_surplus(f->nodes, &f->settings, &req, f->now, ret);
}

Test(types, wrong_types_go_first)
{
    struct field f = field_typed(6, 1, all_types);
    uint32_t gone[4], have[] = {1, 5, 7, 10}; /* disk, ssd, disk, disk */
    struct surplus_request req = {.storages = have, .count = 4, .keep = 3};
    cr_assert_eq(surplus(&f, req, gone), 1);
    cr_assert_eq(gone[0], 5);
    req.policy = STORAGE_POLICY_ONE_SSD;
    cr_assert_eq(surplus(&f, req, gone), 1);
    cr_assert_neq(gone[0], 5);
    req.policy = STORAGE_POLICY_COLD;
    cr_assert_eq(surplus(&f, req, gone), 1, "all are wrong");
    req.policy = STORAGE_POLICY_HOT;
    req.hint_node = 3;
    cr_assert_eq(surplus(&f, req, gone), 1);
    cr_assert_eq(gone[0], 5, "the hinted one is of a type that is wanted");
    field_free(&f);
}

Test(types, racks_are_kept_when_replicas_go)
{
    struct field f = field_new(9, 3);
    for (int i = 0; i < 1000; i++) {
        uint32_t have[6], gone[6], left[6], count = 2 + (uint32_t)rng_below(&f.rng, 5), kept = 0;
        for (uint32_t k = 0; k < count;) {
            have[k] = (uint32_t)rng_below(&f.rng, 9) + 1;
            uint32_t j = 0;
            while (j < k && have[j] != have[k])
                j++;
            k += j == k;
        }
        uint32_t keep = 2 + (uint32_t)rng_below(&f.rng, count - 1);
        f.settings.rule = i % 2 == 0 ? PLACE_BY_DEFAULT : PLACE_BY_RACKS;
        struct surplus_request req = {.storages = have,
                                      .count = count,
                                      .keep = keep,
                                      .hint_node = (uint32_t)rng_below(&f.rng, 10)};
        size_t n = surplus(&f, req, gone);
        cr_assert_eq(n, count - keep);
        for (uint32_t k = 0; k < count; k++) {
            size_t j = 0;
            while (j < n && gone[j] != have[k])
                j++;
            if (j == n)
                left[kept++] = have[k];
        }
        cr_assert_eq(kept, keep);
        uint32_t before = count_racks(&f, have, count), after = count_racks(&f, left, kept);
        uint32_t wanted = i % 2 == 0 ? 2 : keep;
        cr_assert_geq(after, before < wanted ? before : wanted);
    }
    field_free(&f);
}

Test(types, a_hint_is_followed_when_the_new_one_brings_its_rack)
{
    struct field f = field_new(6, 3);
    uint32_t gone[4], have[] = {1, 2, 4}; /* racks 1, 2, 1; node 2 moved to node 3 (rack 0) */
    struct surplus_request req = {.storages = have, .count = 3, .keep = 2, .hint_node = 2};
    cr_assert_eq(surplus(&f, req, gone), 1);
    cr_assert_neq(gone[0], 2, "the only one of its rack stays");
    uint32_t moved[] = {1, 2, 3};
    req = (struct surplus_request){
        .storages = moved, .count = 3, .keep = 2, .hint_node = 2, .added_node = 3};
    cr_assert_eq(surplus(&f, req, gone), 1);
    cr_assert_eq(gone[0], 2);
    field_free(&f);
}
