/* Codes and decodes: equal to Hadoop's Java coders, any loss, any size and alignment. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/ec/ec.h"

static struct ec_policy make(enum ec_codec codec, unsigned k, unsigned m)
{
    return (struct ec_policy){.id = 64,
                              .data_units = (uint8_t)k,
                              .parity_units = (uint8_t)m,
                              .codec = codec,
                              .cell_size = EC_DEFAULT_CELL};
}

static struct ec_coder *coder(const struct ec_policy *p)
{
    struct ec_coder *c = NULL;
    struct err err = {0};
    cr_assert_eq(ec_coder_new(p, &c, &err), 0, "%s", err.text);
    return c;
}

static struct ec_decoder *decoder(const struct ec_coder *c, uint32_t have, uint32_t want)
{
    struct ec_decoder *d = NULL;
    struct err err = {0};
    cr_assert_eq(ec_decoder_new(c, have, want, &d, &err), 0, "%s", err.text);
    return d;
}

/* The check sum of java.util.zip.CRC32. */
static uint32_t crc32_of(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & (0U - (crc & 1)));
    }
    return ~crc;
}

static void fill(struct rng *rng, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)rng_next(rng);
}

/* Made with RawErasureEncoder of Hadoop 3.4.3 ("rs_java", "rs-legacy_java", "xor_java"), which also
 * decoded each loss of up to m units to the same bytes: the CRC32 of all parity units. Data: the
 * low bytes of rng_next, unit after unit, seeded with size * 1000 + k * 16 + m. */
static const struct java_vector {
    enum ec_codec codec;
    uint8_t k, m;
    uint16_t size;
    uint32_t crc;
} java_vectors[] = {
    {EC_RS, 6, 3, 1, 0xe51d2d04},           {EC_RS, 6, 3, 7, 0x4020c149},
    {EC_RS, 6, 3, 64, 0x592745d2},          {EC_RS, 6, 3, 129, 0x73667500},
    {EC_RS, 6, 3, 4096, 0x507eb01a},        {EC_RS, 3, 2, 1, 0x219bfe2a},
    {EC_RS, 3, 2, 7, 0x60f1ab8d},           {EC_RS, 3, 2, 64, 0x4c305328},
    {EC_RS, 3, 2, 129, 0x5bf09576},         {EC_RS, 3, 2, 4096, 0x678681b8},
    {EC_RS_LEGACY, 6, 3, 1, 0x67b8f049},    {EC_RS_LEGACY, 6, 3, 7, 0x78b50798},
    {EC_RS_LEGACY, 6, 3, 64, 0x44962fa8},   {EC_RS_LEGACY, 6, 3, 129, 0x9c3e3bbc},
    {EC_RS_LEGACY, 6, 3, 4096, 0xc80f21e0}, {EC_RS_LEGACY, 3, 2, 1, 0x00696321},
    {EC_RS_LEGACY, 3, 2, 7, 0x59f31dcd},    {EC_RS_LEGACY, 3, 2, 64, 0x7536ba40},
    {EC_RS_LEGACY, 3, 2, 129, 0x723c65bc},  {EC_RS_LEGACY, 3, 2, 4096, 0x0f5b6622},
    {EC_XOR, 2, 1, 1, 0x74beb8ea},          {EC_XOR, 2, 1, 7, 0x8f9655d1},
    {EC_XOR, 2, 1, 64, 0x899b4f5d},         {EC_XOR, 2, 1, 129, 0xe6f98244},
    {EC_XOR, 2, 1, 4096, 0x980004de},       {EC_RS, 10, 4, 1, 0xb14438ca},
    {EC_RS, 10, 4, 7, 0x990243b5},          {EC_RS, 10, 4, 64, 0xbc9752dc},
    {EC_RS, 10, 4, 129, 0xe0b13601},        {EC_RS, 10, 4, 4096, 0xb268d46b},
    {EC_RS, 12, 4, 1, 0xae8da480},          {EC_RS, 12, 4, 7, 0x4bbdc282},
    {EC_RS, 12, 4, 64, 0x2f2de157},         {EC_RS, 12, 4, 129, 0x83c096e7},
    {EC_RS, 12, 4, 4096, 0x6344a929},       {EC_RS_LEGACY, 10, 4, 1, 0x7d65f9ef},
    {EC_RS_LEGACY, 10, 4, 7, 0xd8c47ba6},   {EC_RS_LEGACY, 10, 4, 64, 0xb8984c10},
    {EC_RS_LEGACY, 10, 4, 129, 0x184e18af}, {EC_RS_LEGACY, 10, 4, 4096, 0xd2199c7e},
    {EC_RS, 1, 2, 1, 0x8c3ccc00},           {EC_RS, 1, 2, 7, 0xa74f1b42},
    {EC_RS, 1, 2, 64, 0x2090a90d},          {EC_RS, 1, 2, 129, 0x337ce06f},
    {EC_RS, 1, 2, 4096, 0x039c7cdc},        {EC_RS_LEGACY, 4, 1, 1, 0x2cd6f4fb},
    {EC_RS_LEGACY, 4, 1, 7, 0xf80a4d4a},    {EC_RS_LEGACY, 4, 1, 64, 0x6550c645},
    {EC_RS_LEGACY, 4, 1, 129, 0x0d4c98af},  {EC_RS_LEGACY, 4, 1, 4096, 0xb82f7a9e},
};

static void gives(const struct java_vector *v)
{
    static uint8_t bytes[EC_MAX_UNITS][4096];
    struct rng rng = {(uint64_t)v->size * 1000 + v->k * 16 + v->m};
    struct ec_policy p = make(v->codec, v->k, v->m);
    struct ec_coder *c = coder(&p);
    const uint8_t *data[EC_MAX_UNITS];
    uint8_t *parity[EC_MAX_UNITS];
    for (unsigned i = 0; i < v->k; i++) {
        fill(&rng, bytes[i], v->size);
        data[i] = bytes[i];
    }
    for (unsigned i = 0; i < v->m; i++)
        parity[i] = bytes[v->k + i];
    ec_encode(c, v->size, data, parity);
    uint32_t crc = 0;
    for (unsigned i = 0; i < v->m; i++)
        crc = crc32_of(crc, parity[i], v->size);
    cr_assert_eq(crc, v->crc, "%s %u+%u size %u", ec_codec_name(v->codec), v->k, v->m, v->size);
    ec_coder_free(c);
}

Test(ec, parity_is_what_javas_coders_give)
{
    for (size_t i = 0; i < ARRAY_SIZE(java_vectors); i++)
        gives(&java_vectors[i]);
}

/* ---- any loss ---- */

enum { MAX_SIZE = 130, SLOT = MAX_SIZE + 64 };

struct units {
    uint8_t slots[EC_MAX_UNITS][SLOT];
    uint8_t *at[EC_MAX_UNITS]; /* 16 + i bytes in, so not aligned; what is around must not change */
};

static void units_init(struct units *u, struct rng *rng)
{
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        memset(u->slots[i], 0xee, SLOT);
        u->at[i] = u->slots[i] + 16 + i;
        fill(rng, u->at[i], MAX_SIZE);
    }
}

static bool outside_is_untouched(const struct units *u, unsigned unit, size_t size)
{
    for (const uint8_t *p = u->slots[unit]; p < u->slots[unit] + SLOT; p++)
        if ((p < u->at[unit] || p >= u->at[unit] + size) && *p != 0xee)
            return false;
    return true;
}

static void loses(const struct ec_coder *c, const struct ec_policy *p, uint32_t lost, size_t size,
                  const struct units *all)
{
    uint32_t every = (UINT32_C(1) << ec_units(p)) - 1;
    struct ec_decoder *d = decoder(c, every & ~lost, lost);
    struct units u = *all;
    uint8_t *units[EC_MAX_UNITS];
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        units[i] = u.slots[i] + 16 + i;
        u.at[i] = units[i];
        if ((lost >> i & 1) != 0)
            memset(u.slots[i], 0xee, SLOT);
    }
    cr_assert_eq((unsigned)__builtin_popcount(ec_decoder_inputs(d)), p->data_units);
    cr_assert_eq(ec_decoder_inputs(d) & ~(every & ~lost), 0);
    ec_decode(d, size, units);
    for (unsigned i = 0; i < ec_units(p); i++) {
        cr_assert_arr_eq(units[i], all->at[i], size, "policy %u lost %x size %zu unit %u", p->id,
                         lost, size, i);
        if ((lost >> i & 1) != 0)
            cr_assert(outside_is_untouched(&u, i, size), "policy %u size %zu", p->id, size);
    }
    ec_decoder_free(d);
}

static void any_loss(uint32_t id, size_t size)
{
    const struct ec_policy *p = ec_policy_builtin(id);
    struct ec_coder *c = coder(p);
    struct rng rng = {id * 1000 + size};
    struct units all;
    units_init(&all, &rng);
    const uint8_t *data[EC_MAX_UNITS];
    for (unsigned i = 0; i < p->data_units; i++)
        data[i] = all.at[i];
    for (unsigned i = p->data_units; i < ec_units(p); i++)
        memset(all.slots[i], 0xee, SLOT);
    ec_encode(c, size, data, all.at + p->data_units);
    for (unsigned i = p->data_units; i < ec_units(p); i++)
        cr_assert(outside_is_untouched(&all, i, size), "policy %u size %zu", id, size);
    for (uint32_t lost = 1; lost < UINT32_C(1) << ec_units(p); lost++)
        if (__builtin_popcount(lost) <= p->parity_units)
            loses(c, p, lost, size, &all);
    ec_coder_free(c);
}

Test(ec, any_loss_of_up_to_m_units_at_any_size)
{
    for (size_t size = 1; size <= MAX_SIZE; size++)
        for (uint32_t id = 1; id <= 4; id++)
            any_loss(id, size);
    for (size_t size = 1; size <= MAX_SIZE; size += size < 70 ? 1 : 13)
        any_loss(5, size);
}

Test(ec, null_is_zeros)
{
    enum { SIZE = 100 };
    static const uint8_t zeros[SIZE] = {0};
    for (uint32_t id = 1; id <= 5; id++) {
        const struct ec_policy *p = ec_policy_builtin(id);
        struct ec_coder *c = coder(p);
        struct rng rng = {id};
        for (uint32_t mask = 0; mask < UINT32_C(1) << p->data_units; mask++) {
            uint8_t bytes[EC_MAX_UNITS][SIZE], same[EC_MAX_UNITS][SIZE];
            const uint8_t *data[EC_MAX_UNITS], *full[EC_MAX_UNITS];
            uint8_t *a[EC_MAX_UNITS], *b[EC_MAX_UNITS];
            fill(&rng, bytes[0], sizeof(bytes));
            for (unsigned i = 0; i < p->data_units; i++) {
                full[i] = (mask >> i & 1) != 0 ? zeros : bytes[i];
                data[i] = (mask >> i & 1) != 0 ? NULL : bytes[i];
            }
            for (unsigned i = 0; i < p->parity_units; i++) {
                a[i] = bytes[p->data_units + i];
                b[i] = same[i];
            }
            ec_encode(c, SIZE, data, a);
            ec_encode(c, SIZE, full, b);
            for (unsigned i = 0; i < p->parity_units; i++)
                cr_assert_arr_eq(a[i], b[i], SIZE, "policy %u zeros %x", id, mask);
        }
        ec_coder_free(c);
    }
}

Test(ec, decodes_from_null_inputs)
{
    /* a file of one short cell: only unit 0 and the parity are there, the rest are zeros */
    const struct ec_policy *p = ec_policy_builtin(1);
    struct ec_coder *c = coder(p);
    uint8_t cell[40], out[40], par[3][40];
    struct rng rng = {9};
    fill(&rng, cell, sizeof(cell));
    const uint8_t *data[6] = {cell};
    ec_encode(c, sizeof(cell), data, (uint8_t *[]){par[0], par[1], par[2]});
    struct ec_decoder *d = decoder(c, 0x17e, 1); /* 1..6 and 8 */
    cr_assert_eq(ec_decoder_inputs(d), 0x7e);
    uint8_t *units[EC_MAX_UNITS] = {[0] = out, [6] = par[0]};
    ec_decode(d, sizeof(out), units);
    cr_assert_arr_eq(out, cell, sizeof(cell));
    ec_decoder_free(d);
    ec_coder_free(c);
}

Test(ec, uses_the_lowest_units_and_says_what_is_missing)
{
    const struct ec_policy *p = ec_policy_builtin(2);
    struct ec_coder *c = coder(p);
    struct ec_decoder *d = decoder(c, 0x1b, 0x4);
    cr_assert_eq(ec_decoder_inputs(d), 0x0b);
    ec_decoder_free(d);
    struct err err = {0};
    cr_assert_eq(ec_decoder_new(c, 0x12, 0x1, &d, &err), ERR_BLOCK_MISSING);
    cr_assert_str_eq(err.text, "2 of the 3 units needed are there; missing: 0 2 3");
    ec_coder_free(c);
}

Test(ec, every_shape_of_a_policy_can_lose_m)
{
    enum ec_codec codecs[] = {EC_RS, EC_RS_LEGACY};
    for (size_t n = 0; n < ARRAY_SIZE(codecs); n++)
        for (unsigned k = 1; k < EC_MAX_UNITS; k++) {
            unsigned m = EC_MAX_UNITS - k < 4 ? EC_MAX_UNITS - k : 4;
            struct ec_policy p = make(codecs[n], k, m);
            struct ec_coder *c = coder(&p);
            struct rng rng = {k};
            struct units all;
            units_init(&all, &rng);
            const uint8_t *data[EC_MAX_UNITS];
            for (unsigned i = 0; i < k; i++)
                data[i] = all.at[i];
            ec_encode(c, 33, data, all.at + k);
            for (uint32_t lost = 1; lost < UINT32_C(1) << (k + m); lost += 2)
                if ((unsigned)__builtin_popcount(lost) == m) {
                    struct ec_decoder *d = decoder(c, ((UINT32_C(1) << (k + m)) - 1) & ~lost, 1);
                    uint8_t out[33], *units[EC_MAX_UNITS];
                    memcpy(units, all.at, sizeof(units));
                    units[0] = out;
                    ec_decode(d, 33, units);
                    cr_assert_arr_eq(out, all.at[0], 33);
                    ec_decoder_free(d);
                }
            ec_coder_free(c);
        }
}
