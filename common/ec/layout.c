/* layout.c - policies, and where the bytes of a group lie on its internal blocks.
 * Thread: any. Pure.
 * Invariants of a group: (1) a stripe is k cells of data and one parity cell on each of m blocks;
 * (2) only the last stripe may be short, and then its first cells are full, one may be part of a
 * cell and the rest are absent; (3) the parity of a stripe is as long as its first data cell. */
#include <strings.h>

#include "common/ec/ec.h"

static const char *const codec_names[] = {
    [EC_CODEC_NONE] = "none", [EC_RS] = "rs", [EC_RS_LEGACY] = "rs-legacy", [EC_XOR] = "xor"};

static const struct ec_policy builtins[] = {
    {1, 6, 3, EC_RS, EC_DEFAULT_CELL},        {2, 3, 2, EC_RS, EC_DEFAULT_CELL},
    {3, 6, 3, EC_RS_LEGACY, EC_DEFAULT_CELL}, {4, 2, 1, EC_XOR, EC_DEFAULT_CELL},
    {5, 10, 4, EC_RS, EC_DEFAULT_CELL},
};

enum ec_codec ec_codec_named(const char *name)
{
    for (unsigned i = EC_RS; i < ARRAY_SIZE(codec_names); i++)
        if (strcasecmp(name, codec_names[i]) == 0)
            return (enum ec_codec)i;
    return EC_CODEC_NONE;
}

const char *ec_codec_name(enum ec_codec codec)
{
    CHECK((unsigned)codec < ARRAY_SIZE(codec_names));
    return codec_names[codec];
}

const struct ec_policy *ec_policy_builtin(uint32_t id)
{
    return id >= 1 && id <= ARRAY_SIZE(builtins) ? &builtins[id - 1] : NULL;
}

int ec_policy_check(const struct ec_policy *p, struct err *err)
{
    if (p->codec <= EC_CODEC_NONE || p->codec > EC_XOR)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "erasure coding policy %u has no codec", p->id);
    if (p->data_units == 0 || p->parity_units == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "%u data and %u parity units: each needs at least one", p->data_units,
                    p->parity_units);
    if (ec_units(p) > EC_MAX_UNITS)
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "%u data and %u parity units: a group has at most %d internal blocks",
                    p->data_units, p->parity_units, EC_MAX_UNITS);
    if (p->codec == EC_XOR && p->parity_units != 1)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "codec xor makes 1 parity unit, not %u",
                    p->parity_units);
    if (p->cell_size == 0 || p->cell_size % 1024 != 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "cell size %u is not a multiple of 1024",
                    p->cell_size);
    return 0;
}

/* All that is outside of what a policy can have, before it is cut to the fields' widths. */
static int message_check(const Hdfs__ErasureCodingPolicy *m, struct err *err)
{
    if (m->schema == NULL || !m->has_cell_size)
        return fail(err, ERR_PROTOCOL, "erasure coding policy %u without schema or cell size",
                    m->id);
    if (m->id > UINT8_MAX || m->schema->data_units > EC_MAX_UNITS ||
        m->schema->parity_units > EC_MAX_UNITS)
        return fail(err, ERR_PROTOCOL, "erasure coding policy %u with %u data and %u parity units",
                    m->id, m->schema->data_units, m->schema->parity_units);
    return 0;
}

int ec_policy_take(const Hdfs__ErasureCodingPolicy *message, struct ec_policy *ret, struct err *err)
{
    const struct ec_policy *builtin = ec_policy_builtin(message->id);
    if (builtin != NULL) { /* the id says it all; peers may leave the rest out */
        *ret = *builtin;
        return 0;
    }
    TRY(message_check(message, err));
    struct ec_policy p = {
        .id = (uint8_t)message->id,
        .data_units = (uint8_t)message->schema->data_units,
        .parity_units = (uint8_t)message->schema->parity_units,
        .codec = ec_codec_named(message->schema->codec_name),
        .cell_size = message->cell_size,
    };
    if (p.codec == EC_CODEC_NONE)
        return fail(err, ERR_UNSUPPORTED, "erasure codec %s is not known",
                    message->schema->codec_name);
    struct err why = {0};
    if (ec_policy_check(&p, &why) != 0)
        return fail(err, ERR_PROTOCOL, "erasure coding policy %u: %s", message->id, why.text);
    *ret = p;
    return 0;
}

static uint64_t stripe_size(const struct ec_policy *p)
{
    return (uint64_t)p->cell_size * p->data_units;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t ec_internal_length(const struct ec_policy *p, uint64_t group_length, unsigned index)
{
    uint64_t rest = group_length % stripe_size(p);
    uint64_t before = index < p->data_units ? (uint64_t)index * p->cell_size : 0;
    uint64_t last = rest > before ? min_u64(rest - before, p->cell_size) : 0; /* keeps (2), (3) */
    return group_length / stripe_size(p) * p->cell_size + last;
}

uint64_t ec_group_space(const struct ec_policy *p, uint64_t group_length)
{
    return group_length + p->parity_units * ec_internal_length(p, group_length, 0);
}

struct ec_place ec_locate(const struct ec_policy *p, uint64_t offset)
{
    uint64_t cell = offset / p->cell_size, in_cell = offset % p->cell_size;
    return (struct ec_place){
        .index = (unsigned)(cell % p->data_units),
        .offset = cell / p->data_units * p->cell_size + in_cell,
        .left = p->cell_size - in_cell,
    };
}

uint64_t ec_group_offset(const struct ec_policy *p, unsigned index, uint64_t offset)
{
    CHECK(index < p->data_units);
    uint64_t stripe = offset / p->cell_size;
    return stripe * stripe_size(p) + (uint64_t)index * p->cell_size + offset % p->cell_size;
}

/* ---- what a dead writer left ----
 *
 * A writer sends data cells as they come, and the parity of a stripe when the stripe is full or
 * the group is closed. Each internal block is a stream of its own, so any may lag behind: of an
 * internal block only a prefix of what was sent is there. That gives:
 * (a) bytes of a parity cell were computed from all the data its stripe will ever have;
 * (b) a byte anywhere in stripe s + 1 or in the last data cell of stripe s proves that all before
 *     it was written; a parity cell proves nothing about the data cells but the first, because the
 *     rest of them may be filled up with zeros;
 * (c) from lengths alone nobody can tell for how much data the parity of the last stripe was
 *     made, so a group that ends within a stripe can't use the parity it finds there. */

static unsigned reaching(const struct ec_policy *p, const uint64_t *lengths, uint32_t present,
                         uint64_t length)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ec_units(p); i++)
        count += (present >> i & 1) != 0 && lengths[i] >= length;
    return count;
}

/* The longest length that at least k blocks have. */
static uint64_t common_length(const struct ec_policy *p, const uint64_t *lengths, uint32_t present)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < ec_units(p); i++)
        if ((present >> i & 1) != 0 && lengths[i] > best &&
            reaching(p, lengths, present, lengths[i]) >= p->data_units)
            best = lengths[i];
    return best;
}

/* Full stripes of which all can be decoded and, by (b), all was written. */
static uint64_t safe_stripes(const struct ec_policy *p, const uint64_t *lengths, uint32_t present)
{
    uint64_t stripes = common_length(p, lengths, present) / p->cell_size;
    uint64_t edge = stripes * p->cell_size;
    unsigned last = p->data_units - 1u;
    bool last_cell = (present >> last & 1) != 0 && lengths[last] >= edge;
    if (stripes > 0 && !last_cell && reaching(p, lengths, present, edge + 1) == 0)
        stripes--;
    return stripes;
}

/* Bytes in a row in the stripe after `stripes` full ones that are there themselves. */
static uint64_t tail_length(const struct ec_policy *p, const uint64_t *lengths, uint32_t present,
                            uint64_t stripes)
{
    uint64_t sum = 0, edge = stripes * p->cell_size;
    for (unsigned i = 0; i < p->data_units; i++) {
        uint64_t have = (present >> i & 1) != 0 && lengths[i] > edge ? lengths[i] - edge : 0;
        sum += min_u64(have, p->cell_size);
        if (have < p->cell_size)
            break;
    }
    return sum;
}

uint64_t ec_safe_length(const struct ec_policy *p, const uint64_t lengths[EC_MAX_UNITS],
                        uint32_t present)
{
    uint64_t stripes = safe_stripes(p, lengths, present);
    uint64_t whole = stripes * stripe_size(p);
    for (unsigned i = 0; i < p->data_units && stripes > 0; i++)
        if ((present >> i & 1) == 0 || lengths[i] < stripes * p->cell_size)
            return whole; /* needs the parity blocks, which can't go with a tail: (c) */
    return whole + tail_length(p, lengths, present, stripes);
}

uint32_t ec_safe_units(const struct ec_policy *p, const uint64_t lengths[EC_MAX_UNITS],
                       uint32_t present, uint64_t length)
{
    bool whole = length % stripe_size(p) == 0;
    uint32_t units = 0;
    for (unsigned i = 0; i < ec_units(p); i++) {
        uint64_t need = ec_internal_length(p, length, i);
        if ((present >> i & 1) != 0 && need > 0 && lengths[i] >= need &&
            (i < p->data_units || whole))
            units |= UINT32_C(1) << i;
    }
    return units;
}
