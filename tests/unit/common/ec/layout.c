/* Where bytes are, against a model that deals them out one cell at a time; and policies. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ec/ec.h"

enum { CELL = 1024 };

static struct ec_policy small(uint32_t id)
{
    struct ec_policy p = *ec_policy_builtin(id);
    p.cell_size = CELL;
    return p;
}

static void deals(const struct ec_policy *p, uint64_t length)
{
    uint64_t lengths[EC_MAX_UNITS] = {0}, space = 0;
    for (uint64_t at = 0; at < length;) {
        unsigned unit = (unsigned)(at / CELL % p->data_units);
        uint64_t n = length - at < CELL ? length - at : CELL;
        struct ec_place place = ec_locate(p, at);
        cr_assert_eq(place.index, unit);
        cr_assert_eq(place.offset, lengths[unit]);
        cr_assert_eq(place.left, CELL);
        place = ec_locate(p, at + n - 1);
        cr_assert_eq(place.index, unit);
        cr_assert_eq(place.offset, lengths[unit] + n - 1);
        cr_assert_eq(place.left, CELL - n + 1);
        cr_assert_eq(ec_group_offset(p, unit, lengths[unit]), at);
        cr_assert_eq(ec_group_offset(p, unit, lengths[unit] + n - 1), at + n - 1);
        lengths[unit] += n;
        if (unit == 0)
            for (unsigned i = p->data_units; i < ec_units(p); i++)
                lengths[i] += n;
        at += n;
    }
    for (unsigned i = 0; i < ec_units(p); i++) {
        cr_assert_eq(ec_internal_length(p, length, i), lengths[i], "policy %u length %llu unit %u",
                     p->id, (unsigned long long)length, i);
        space += lengths[i];
    }
    cr_assert_eq(ec_group_space(p, length), space);
}

Test(ec, layout_is_the_models)
{
    for (uint32_t id = 1; id <= 5; id++) {
        struct ec_policy p = small(id);
        uint64_t stripe = (uint64_t)CELL * p.data_units;
        uint64_t edges[] = {0, CELL, 2 * CELL, stripe, stripe + CELL, 7 * stripe};
        for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
            for (int d = -1; d <= 1; d++)
                if (edges[i] > 0 || d >= 0)
                    deals(&p, edges[i] + (uint64_t)(int64_t)d);
    }
}

Test(ec, layout_of_big_groups)
{
    const struct ec_policy *p = ec_policy_builtin(5);
    uint64_t full = UINT64_C(1) << 40; /* bytes in each data block */
    cr_assert_eq(ec_internal_length(p, full * 10, 0), full);
    cr_assert_eq(ec_internal_length(p, full * 10, 13), full);
    cr_assert_eq(ec_internal_length(p, full * 10 + 1, 13), full + 1);
    cr_assert_eq(ec_internal_length(p, full * 10 + 1, 1), full);
    cr_assert_eq(ec_locate(p, full * 10 - 1).index, 9);
    cr_assert_eq(ec_group_offset(p, 9, full - 1), full * 10 - 1);
    cr_assert_eq(ec_group_space(p, full * 10), full * 14);
}

Test(ec, ids_of_groups_and_their_blocks)
{
    uint64_t group = (uint64_t)(INT64_MIN + 16);
    cr_assert(ec_is_striped_id(group));
    cr_assert_not(ec_is_striped_id(1073741825));
    cr_assert_eq(ec_group_id(group + 8), group);
    cr_assert_eq(ec_index_of(group + 8), 8);
    cr_assert_eq(ec_index_of(group), 0);
}

/* ---- policies ---- */

Test(ec, codecs_by_name)
{
    cr_assert_eq(ec_codec_named("rs"), EC_RS);
    cr_assert_eq(ec_codec_named("RS-legacy"), EC_RS_LEGACY);
    cr_assert_eq(ec_codec_named("XOR"), EC_XOR);
    cr_assert_eq(ec_codec_named("none"), EC_CODEC_NONE);
    cr_assert_eq(ec_codec_named("replication"), EC_CODEC_NONE);
    cr_assert_str_eq(ec_codec_name(EC_RS_LEGACY), "rs-legacy");
}

Test(ec, builtin_policies)
{
    for (uint32_t id = 1; id <= 5; id++) {
        const struct ec_policy *p = ec_policy_builtin(id);
        struct err err = {0};
        cr_assert_eq(p->id, id);
        cr_assert_eq(ec_policy_check(p, &err), 0, "%s", err.text);
    }
    cr_assert_null(ec_policy_builtin(0));
    cr_assert_null(ec_policy_builtin(6));
    cr_assert_null(ec_policy_builtin(UINT32_MAX));
    cr_assert_eq(ec_units(ec_policy_builtin(5)), 14);
}

Test(ec, what_a_policy_can_be)
{
    const struct {
        struct ec_policy p;
        const char *why; /* NULL: it can */
    } cases[] = {
        {{64, 12, 4, EC_RS, 65536}, NULL},
        {{64, 1, 15, EC_RS_LEGACY, 1024}, NULL},
        {{64, 15, 1, EC_XOR, 1024}, NULL},
        {{64, 0, 3, EC_RS, 1024}, "0 data and 3 parity units: each needs at least one"},
        {{64, 3, 0, EC_RS, 1024}, "3 data and 0 parity units: each needs at least one"},
        {{64, 13, 4, EC_RS, 1024},
         "13 data and 4 parity units: a group has at most 16 internal blocks"},
        {{64, 2, 2, EC_XOR, 1024}, "codec xor makes 1 parity unit, not 2"},
        {{64, 3, 2, EC_CODEC_NONE, 1024}, "erasure coding policy 64 has no codec"},
        {{64, 3, 2, EC_RS, 0}, "cell size 0 is not a multiple of 1024"},
        {{64, 3, 2, EC_RS, 1500}, "cell size 1500 is not a multiple of 1024"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        int rc = ec_policy_check(&cases[i].p, &err);
        cr_assert_eq(rc, cases[i].why == NULL ? 0 : ERR_ILLEGAL_ARGUMENT, "case %zu", i);
        if (cases[i].why != NULL)
            cr_assert_str_eq(err.text, cases[i].why);
        struct ec_coder *c = NULL;
        cr_assert_eq(ec_coder_new(&cases[i].p, &c, &err), rc);
        ec_coder_free(c);
    }
}

static int take(uint32_t id, const char *codec, uint32_t k, uint32_t m, uint32_t cell,
                struct ec_policy *ret)
{
    Hdfs__ECSchema schema = HDFS__ECSCHEMA__INIT;
    Hdfs__ErasureCodingPolicy message = HDFS__ERASURE_CODING_POLICY__INIT;
    struct err err = {0};
    schema.codec_name = (char *)codec;
    schema.data_units = k;
    schema.parity_units = m;
    message.id = id;
    message.schema = codec == NULL ? NULL : &schema;
    message.has_cell_size = cell != 0;
    message.cell_size = cell;
    return ec_policy_take(&message, ret, &err);
}

Test(ec, policies_of_messages)
{
    struct ec_policy p = {0};
    cr_assert_eq(take(64, "RS", 4, 2, 65536, &p), 0);
    cr_assert(p.id == 64 && p.data_units == 4 && p.parity_units == 2 && p.codec == EC_RS &&
              p.cell_size == 65536);
    cr_assert_eq(take(2, NULL, 0, 0, 0, &p), 0);
    cr_assert(p.id == 2 && p.data_units == 3 && p.cell_size == EC_DEFAULT_CELL);
    cr_assert_eq(take(64, "turbo", 4, 2, 65536, &p), ERR_UNSUPPORTED);
    cr_assert_eq(take(0, "replication", 1, 2, 1024, &p), ERR_UNSUPPORTED);
    cr_assert_eq(take(64, NULL, 0, 0, 1024, &p), ERR_PROTOCOL);
    cr_assert_eq(take(64, "rs", 4, 2, 0, &p), ERR_PROTOCOL);
    cr_assert_eq(take(64, "rs", 4, 2, 1000, &p), ERR_PROTOCOL);
    cr_assert_eq(take(64, "rs", 260, 258, 1024, &p), ERR_PROTOCOL); /* 4 and 2 in a byte */
    cr_assert_eq(take(320, "rs", 4, 2, 1024, &p), ERR_PROTOCOL);
    cr_assert_eq(take(64, "xor", 2, 2, 1024, &p), ERR_PROTOCOL);
    cr_assert_eq(p.id, 2); /* as it was */
}
