/* kept_ec.c - which erasure coding policies may be used, and what is kept of that. */
#include <criterion/criterion.h>

#include "namenode/state/state.h"

static struct kept *k;

static void setup(void)
{
    cr_assert_eq(kept_new(&k), 0);
}

static void teardown(void)
{
    kept_free(k);
}

TestSuite(kept_ec, .init = setup, .fini = teardown);

static struct kept_ec_policy *put(uint8_t id, const char *codec, uint32_t units, uint32_t parity,
                                  uint32_t cell, uint8_t state)
{
    struct arena names;
    arena_init(&names, 0);
    struct kept_ec_policy p = {.id = id,
                               .state = state,
                               .codec = codec,
                               .data_units = units,
                               .parity_units = parity,
                               .cell_size = cell};
    p.name = kept_ec_name(codec, units, parity, cell, &names);
    cr_assert_eq(kept_put_policy(k, &p), 0);
    arena_fini(&names);
    return kept_find_policy_id(k, id);
}

Test(kept_ec, built_in_ones)
{
    cr_assert_eq(k->policy_count, 5);
    cr_assert_str_eq(kept_find_policy_id(k, 3)->name, "RS-LEGACY-6-3-1024k");
    cr_assert_eq(kept_find_policy(k, "RS-10-4-1024k")->id, 5);
    cr_assert_eq(kept_ec(k, 4)->codec, EC_XOR);
    cr_assert_null(kept_ec(k, 0));
    cr_assert_null(kept_ec(k, 6));
    cr_assert_eq(kept_ec_next_id(k), 64);
}

Test(kept_ec, the_default_is_on_whatever_the_image_says)
{
    struct kept_ec_policy *rs63 = kept_find_policy_id(k, 1), *xor = kept_find_policy_id(k, 4);
    cr_assert(kept_ec_enabled(k, rs63));
    cr_assert_eq(rs63->state, KEPT_EC_DISABLED);
    cr_assert(kept_ec_configure(k, "XOR-2-1-1024k", 1 << 22));
    cr_assert_not(kept_ec_enabled(k, rs63));
    cr_assert(kept_ec_enabled(k, xor));
    kept_ec_set_state(xor, KEPT_EC_DISABLED);
    cr_assert_not(kept_ec_enabled(k, xor), "until somebody disables it");
    kept_ec_set_state(xor, KEPT_EC_ENABLED);
    cr_assert(kept_ec_enabled(k, xor));
    cr_assert_eq(xor->state, KEPT_EC_ENABLED);
    cr_assert(kept_ec_configure(k, "", 1 << 22));
    cr_assert_not(kept_ec_enabled(k, rs63));
    cr_assert_not(kept_ec_configure(k, "RS-4-2-64k", 1 << 22));
}

/* Disabled in the journal, before the configuration is known: that counts. */
Test(kept_ec, disabled_by_the_journal)
{
    kept_ec_set_state(kept_find_policy_id(k, 1), KEPT_EC_DISABLED);
    cr_assert(kept_ec_configure(k, "RS-6-3-1024k", 1 << 22));
    cr_assert_not(kept_ec_enabled(k, kept_find_policy_id(k, 1)));
}

Test(kept_ec, what_cannot_be_computed_is_kept_and_off)
{
    struct kept_ec_policy *none = put(64, "lrc", 4, 2, 65536, KEPT_EC_ENABLED);
    struct kept_ec_policy *odd = put(65, "xor", 4, 2, 65536, KEPT_EC_ENABLED);
    struct kept_ec_policy *wide = put(66, "rs", 300, 2, 65536, KEPT_EC_ENABLED);
    struct kept_ec_policy *large = put(67, "rs", 4, 2, 1 << 23, KEPT_EC_ENABLED);
    struct kept_ec_policy *gone = put(68, "lrc", 2, 2, 65536, KEPT_EC_REMOVED);
    cr_assert(kept_ec_configure(k, "RS-6-3-1024k", 1 << 22));
    cr_assert_eq(kept_ec_state(k, none), KEPT_EC_DISABLED);
    cr_assert_eq(kept_ec_state(k, odd), KEPT_EC_DISABLED);
    cr_assert_eq(kept_ec_state(k, wide), KEPT_EC_DISABLED);
    cr_assert_eq(kept_ec_state(k, large), KEPT_EC_DISABLED);
    cr_assert_eq(kept_ec_state(k, gone), KEPT_EC_REMOVED);
    cr_assert_eq(none->state, KEPT_EC_ENABLED, "the image keeps what it had");
    cr_assert_eq(kept_ec(k, 64)->codec, EC_CODEC_NONE);
    cr_assert_eq(kept_ec(k, 67)->codec, EC_RS);
    cr_assert_eq(kept_ec_next_id(k), 69);
}

Test(kept_ec, the_same_by_name_or_by_schema)
{
    const char *options[] = {"a", "1", "b", "2"}, *turned[] = {"b", "2", "a", "1"};
    struct kept_ec_policy p = {.id = 70,
                               .name = "other",
                               .codec = "rs",
                               .data_units = 4,
                               .parity_units = 2,
                               .cell_size = 1024,
                               .options = options,
                               .option_count = 4};
    cr_assert_null(kept_ec_same(k, &p));
    cr_assert_eq(kept_put_policy(k, &p), 0);
    p.name = "another";
    p.options = turned;
    cr_assert_eq(kept_ec_same(k, &p)->id, 70, "options have no order");
    p.option_count = 2;
    cr_assert_null(kept_ec_same(k, &p));
    p.name = "other";
    cr_assert_eq(kept_ec_same(k, &p)->id, 70);
}
