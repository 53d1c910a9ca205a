/* Whole groups in memory: any three lost blocks of RS-6-3 at all edges, and what a dead writer
 * leaves. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/ec/ec.h"

struct group {
    struct ec_policy policy;
    struct ec_coder *coder;
    uint64_t length;
    uint8_t *bytes, *blocks[EC_MAX_UNITS];
};

/* Parity is made by stripes, as a writer does; short cells are padded with zeros. */
static void encode_stripe(struct group *g, uint64_t stripe, uint8_t *scratch)
{
    const struct ec_policy *p = &g->policy;
    uint64_t at = stripe * p->cell_size, longest = ec_internal_length(p, g->length, 0) - at;
    size_t size = longest < p->cell_size ? (size_t)longest : p->cell_size;
    const uint8_t *data[EC_MAX_UNITS] = {NULL};
    uint8_t *parity[EC_MAX_UNITS];
    for (unsigned i = 0; i < p->data_units; i++) {
        uint64_t length = ec_internal_length(p, g->length, i);
        if (length <= at)
            continue;
        data[i] = g->blocks[i] + at;
        if (length - at < size) {
            uint8_t *padded = memset(scratch + i * p->cell_size, 0, size);
            memcpy(padded, data[i], (size_t)(length - at));
            data[i] = padded;
        }
    }
    for (unsigned i = 0; i < p->parity_units; i++)
        parity[i] = g->blocks[p->data_units + i] + at;
    ec_encode(g->coder, size, data, parity);
}

static void group_init(struct group *g, const struct ec_policy *p, const uint8_t *bytes,
                       uint64_t length)
{
    struct err err = {0};
    struct ec_policy whole = *p;
    whole.cell_size = EC_DEFAULT_CELL; /* the coder doesn't care for it, the check does */
    *g = (struct group){.policy = *p, .length = length, .bytes = malloc(length + 1)};
    cr_assert_eq(ec_coder_new(&whole, &g->coder, &err), 0);
    memcpy(g->bytes, bytes, length);
    for (unsigned i = 0; i < ec_units(p); i++)
        g->blocks[i] = malloc(ec_internal_length(p, length, i) + 1);
    for (uint64_t at = 0; at < length;) {
        struct ec_place place = ec_locate(p, at);
        uint64_t n = place.left < length - at ? place.left : length - at;
        memcpy(g->blocks[place.index] + place.offset, bytes + at, n);
        at += n;
    }
    uint8_t *scratch = malloc((size_t)p->cell_size * EC_MAX_UNITS);
    for (uint64_t s = 0; s * p->cell_size < ec_internal_length(p, length, 0); s++)
        encode_stripe(g, s, scratch);
    free(scratch);
}

static void group_fini(struct group *g)
{
    ec_coder_free(g->coder);
    for (unsigned i = 0; i < ec_units(&g->policy); i++)
        free(g->blocks[i]);
    free(g->bytes);
}

static uint8_t *random_bytes(size_t size, uint64_t seed)
{
    struct rng rng = {seed};
    uint8_t *bytes = malloc(size + 8);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = rng_next(&rng);
        memcpy(bytes + i, &word, 8);
    }
    return bytes;
}

/* ---- any three lost ---- */

/* A block as a reader sees it next to the longest one: padded with zeros, absent ones NULL. */
static uint8_t *padded(const struct group *g, unsigned unit)
{
    uint64_t longest = ec_internal_length(&g->policy, g->length, 0);
    uint64_t length = ec_internal_length(&g->policy, g->length, unit);
    if (length == 0)
        return NULL;
    uint8_t *copy = calloc(1, longest);
    memcpy(copy, g->blocks[unit], length);
    return copy;
}

static void restores(const struct group *g, uint8_t *const all[], uint32_t lost)
{
    const struct ec_policy *p = &g->policy;
    uint64_t longest = ec_internal_length(p, g->length, 0);
    uint8_t *units[EC_MAX_UNITS];
    for (unsigned i = 0; i < ec_units(p); i++)
        units[i] = (lost >> i & 1) != 0 ? malloc(longest + 1) : all[i];
    struct ec_decoder *d = NULL;
    struct err err = {0};
    uint32_t every = (UINT32_C(1) << ec_units(p)) - 1;
    cr_assert_eq(ec_decoder_new(g->coder, every & ~lost, lost, &d, &err), 0, "%s", err.text);
    ec_decode(d, longest, units);
    for (unsigned i = 0; i < ec_units(p); i++) {
        if ((lost >> i & 1) == 0)
            continue;
        uint64_t length = ec_internal_length(p, g->length, i);
        cr_assert_eq(memcmp(units[i], g->blocks[i], length), 0, "length %llu lost %x unit %u",
                     (unsigned long long)g->length, lost, i);
        for (uint64_t at = length; at < longest; at++)
            cr_assert_eq(units[i][at], 0); /* what is behind the end of a block decodes to zeros */
        free(units[i]);
    }
    ec_decoder_free(d);
}

static void any_three(uint32_t cell, uint64_t length)
{
    struct ec_policy p = *ec_policy_builtin(1);
    p.cell_size = cell;
    uint8_t *bytes = random_bytes(length, length);
    struct group g;
    uint8_t *all[EC_MAX_UNITS];
    group_init(&g, &p, bytes, length);
    for (unsigned i = 0; i < ec_units(&p); i++)
        all[i] = padded(&g, i);
    for (uint32_t lost = 1; lost < UINT32_C(1) << ec_units(&p); lost++)
        if (__builtin_popcount(lost) <= 3)
            restores(&g, all, lost);
    for (unsigned i = 0; i < ec_units(&p); i++)
        free(all[i]);
    group_fini(&g);
    free(bytes);
}

Test(ec, any_three_lost_blocks_of_rs_6_3_at_all_edges)
{
    const uint64_t cell = 4096, stripe = 6 * cell;
    const uint64_t edges[] = {0, cell, 3 * cell, stripe, stripe + cell, 2 * stripe, 4 * stripe};
    for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
        for (int d = -1; d <= 1; d++)
            if (edges[i] > 0 || d >= 0)
                any_three((uint32_t)cell, edges[i] + (uint64_t)(int64_t)d);
}

Test(ec, any_three_lost_blocks_of_rs_6_3_with_its_own_cells)
{
    any_three(EC_DEFAULT_CELL, EC_DEFAULT_CELL - 1);
    any_three(EC_DEFAULT_CELL, 6 * EC_DEFAULT_CELL + 1);
}

/* ---- a dead writer ---- */

enum { TINY_CELL = 8 };

/* All that stays must be a part of the group that the writer would have made of the safe length. */
static void is_sound(const struct group *g, const uint64_t *lengths, uint32_t present)
{
    const struct ec_policy *p = &g->policy;
    uint64_t safe = ec_safe_length(p, lengths, present);
    uint32_t units = ec_safe_units(p, lengths, present, safe);
    cr_assert_leq(safe, g->length);
    cr_assert_eq(units & ~present, 0);
    struct group cut;
    group_init(&cut, p, g->bytes, safe);
    unsigned have = 0;
    for (unsigned i = 0; i < ec_units(p); i++) {
        uint64_t need = ec_internal_length(p, safe, i);
        have += (units >> i & 1) != 0 || (need == 0 && i < p->data_units);
        if ((units >> i & 1) == 0)
            continue;
        cr_assert_leq(need, lengths[i]);
        cr_assert_eq(memcmp(g->blocks[i], cut.blocks[i], need), 0, "unit %u of %llu, cut to %llu",
                     i, (unsigned long long)g->length, (unsigned long long)safe);
    }
    cr_assert_geq(have, p->data_units);
    group_fini(&cut);
}

/* A writer has sent `length` bytes, and the parity of the last stripe if it was closing. */
static void dies(struct rng *rng, const struct ec_policy *p, const uint8_t *bytes)
{
    uint64_t stripe = (uint64_t)p->cell_size * p->data_units;
    uint64_t length = rng_below(rng, 5 * stripe + 1);
    bool closing = rng_below(rng, 2) == 0;
    struct group g;
    group_init(&g, p, bytes, length);
    uint64_t lengths[EC_MAX_UNITS] = {0};
    uint32_t present = 0;
    unsigned lost = 0;
    for (unsigned i = 0; i < ec_units(p); i++) {
        uint64_t sent = i < p->data_units || closing ? ec_internal_length(p, length, i)
                                                     : length / stripe * p->cell_size;
        if (rng_below(rng, 6) == 0 || sent == 0) {
            lost += sent != 0;
            continue;
        }
        uint64_t lag = rng_below(rng, 3) == 0 ? rng_below(rng, sent + 1) : 0;
        present |= UINT32_C(1) << i;
        lengths[i] = sent - lag;
        lost += lag > 0;
    }
    is_sound(&g, lengths, present);
    if (lost == 0)
        cr_assert_eq(ec_safe_length(p, lengths, present), length);
    group_fini(&g);
}

Test(ec, nothing_wrong_is_kept_of_a_dead_writers_group)
{
    uint8_t *bytes = random_bytes(4096, 3);
    struct rng rng = {11};
    for (uint32_t id = 1; id <= 5; id++) {
        struct ec_policy p = *ec_policy_builtin(id);
        p.cell_size = TINY_CELL;
        for (int i = 0; i < 1500; i++)
            dies(&rng, &p, bytes);
    }
    free(bytes);
}

static uint64_t safe(const uint64_t lengths[5], uint32_t present, uint32_t *ret_units)
{
    struct ec_policy p = *ec_policy_builtin(2); /* 3 + 2, a stripe has 24 bytes */
    uint64_t all[EC_MAX_UNITS] = {0};
    p.cell_size = TINY_CELL;
    memcpy(all, lengths, 5 * sizeof(*lengths));
    uint64_t length = ec_safe_length(&p, all, present);
    *ret_units = ec_safe_units(&p, all, present, length);
    return length;
}

Test(ec, what_a_dead_writer_leaves)
{
    const struct {
        uint64_t lengths[5];
        uint32_t present, units;
        uint64_t length;
    } cases[] = {
        {{0}, 0x00, 0x00, 0},
        {{5}, 0x01, 0x01, 5},                        /* the first cell, in part */
        {{8, 3}, 0x03, 0x03, 11},                    /* one and a part */
        {{8, 3, 0, 8, 8}, 0x1b, 0x03, 11},           /* its parity may be of more than 11 bytes */
        {{8, 0, 8, 8, 8}, 0x1d, 0x1d, 24},           /* one lost, but the last cell was there */
        {{8, 8, 0, 8, 8}, 0x1b, 0x03, 16},           /* the third may be zeros: not written */
        {{0, 8, 0, 8, 8}, 0x1a, 0x00, 0},            /* nobody knows how long this was */
        {{0, 0, 8, 8, 8}, 0x1c, 0x1c, 24},           /* as many as can be lost */
        {{0, 0, 0, 8, 8}, 0x18, 0x00, 0},            /* more than that */
        {{16, 16, 11, 8, 8}, 0x1f, 0x07, 43},        /* a tail, without parity for it */
        {{16, 16, 0, 8, 8}, 0x1b, 0x1b, 24},         /* a tail can't do without a data block */
        {{16, 16, 0, 16, 16}, 0x1b, 0x1b, 24},       /* the last cell of stripe 2 is unknown */
        {{16, 16, 0, 17, 16}, 0x1b, 0x1b, 48},       /* but not if there is a stripe 3 */
        {{16, 16, 16, 8, 8}, 0x1f, 0x1f & 0x07, 48}, /* parity is late: too short */
        {{24, 16, 16, 16, 16}, 0x1f, 0x07, 56},      /* two stripes, a cell, and no parity of it */
        {{8, 16, 16, 8, 8}, 0x1f, 0x1f, 24},         /* the first is late */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t units;
        cr_assert_eq(safe(cases[i].lengths, cases[i].present, &units), cases[i].length,
                     "case %zu: %llu", i,
                     (unsigned long long)safe(cases[i].lengths, cases[i].present, &units));
        cr_assert_eq(units, cases[i].units, "case %zu: %x", i, units);
    }
}
