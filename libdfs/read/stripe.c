/* stripe.c - what to read of a stripe, from whom, and what to compute.
 * Pure. Wanted bytes whose unit is there are read as they are; columns of wanted bytes whose unit
 * is lost are rebuilt from the same columns of k other units. Invariants: (1) columns that are
 * rebuilt lie in one span; (2) an input is needed in that span as far as its cell goes, the rest
 * counts as zeros; (3) a missing unit that isn't lost is still needed: whichever comes first, its
 * own bytes or the rebuilt ones, is taken. */
#include "libdfs/read/read.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A group still being written. Its visible bytes are those of internal block 0, as Hadoop's readers
 * take them. So every stripe before the one that holds byte `visible` of that block is complete,
 * with its parity, and longer than what is visible of it. */
static void init_open(struct rd_group *g, uint64_t visible)
{
    uint64_t cell = g->policy.cell_size;
    g->coded = visible / cell * cell * g->policy.data_units;
    g->length = visible > g->coded ? visible : g->coded;
}

int rd_group_init(struct rd_group *g, const struct ec_policy *policy, const struct rd_entry *entry,
                  struct err *err)
{
    const Hdfs__LocatedBlock *b = entry->block;
    struct rd_group group = {.policy = *policy, .length = entry->length, .coded = entry->length};
    if (ec_index_of(b->b->block_id) != 0 || b->block_indices.len != b->n_locs)
        return fail(err, ERR_PROTOCOL, "block group %lld has %zu locations and %zu indices",
                    (long long)b->b->block_id, b->n_locs, b->block_indices.len);
    for (size_t i = 0; i < b->n_locs && i < RD_MAX_REPLICAS; i++) {
        unsigned index = b->block_indices.data[i];
        if (index >= ec_units(policy))
            return fail(err, ERR_PROTOCOL, "block group %lld has an internal block %u of %u",
                        (long long)b->b->block_id, index, ec_units(policy));
        group.locs[index] |= 1ULL << i;
    }
    if (entry->open)
        init_open(&group, entry->length);
    *g = group;
    return 0;
}

Hdfs__ExtendedBlock rd_internal_block(const struct rd_group *g, const Hdfs__LocatedBlock *block,
                                      unsigned index)
{
    Hdfs__ExtendedBlock b = *block->b;
    b.block_id += index;
    b.has_num_bytes = true;
    b.num_bytes = ec_internal_length(&g->policy, g->length, index);
    return b;
}

uint64_t rd_unit_end(const struct rd_group *g, unsigned index, uint64_t end, bool coded)
{
    uint64_t own = ec_internal_length(&g->policy, g->length, index);
    return min_u64(own, ec_internal_length(&g->policy, end, coded ? 0 : index));
}

void rd_stripe_init(struct rd_stripe *s, const struct rd_group *g, uint64_t position, uint64_t end)
{
    uint64_t cell = g->policy.cell_size, stripe = cell * g->policy.data_units;
    CHECK(position < end && end <= g->length);
    *s = (struct rd_stripe){.start = position / stripe * stripe, .row = position / stripe * cell};
    CHECK(end - s->start <= stripe);
    for (unsigned i = 0; i < ec_units(&g->policy); i++) {
        uint64_t length = ec_internal_length(&g->policy, g->length, i);
        s->size[i] = length > s->row ? (uint32_t)min_u64(length - s->row, cell) : 0;
        uint64_t first = s->start + i * cell;
        if (i >= g->policy.data_units || end <= first || position >= first + cell)
            continue;
        s->want[i].from = position > first ? (uint32_t)(position - first) : 0;
        s->want[i].to = (uint32_t)min_u64(end - first, cell);
        s->wanted |= 1U << i;
    }
}

static bool covers(struct rd_span outer, struct rd_span inner)
{
    return rd_span_size(inner) == 0 || (outer.from <= inner.from && inner.to <= outer.to);
}

static struct rd_span hull(struct rd_span a, struct rd_span b)
{
    if (rd_span_size(a) == 0 || rd_span_size(b) == 0)
        return rd_span_size(a) == 0 ? b : a;
    return (struct rd_span){a.from < b.from ? a.from : b.from, a.to > b.to ? a.to : b.to};
}

/* The columns that unit i must give when span is rebuilt. keeps (2) */
static struct rd_span share(const struct rd_stripe *s, unsigned i, struct rd_span span)
{
    uint32_t to = span.to < s->size[i] ? span.to : s->size[i];
    return to > span.from ? (struct rd_span){span.from, to} : (struct rd_span){0, 0};
}

/* Wanted units that won't come, and the columns that this takes. */
static void find_missing(struct rd_stripe *s, uint32_t out, const struct rd_span *got)
{
    s->missing = 0;
    s->rebuild = (struct rd_span){0, 0};
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        if ((s->wanted & out & 1U << i) == 0 || covers(got[i], s->want[i]))
            continue;
        s->missing |= 1U << i;
        s->rebuild = hull(s->rebuild, s->want[i]); /* keeps (1) */
    }
}

/* k units to rebuild from: data first, and what needs no reading before all else. Fewer when there
 * aren't so many. */
static uint32_t pick_inputs(const struct rd_stripe *s, const struct rd_group *g, uint32_t out,
                            const struct rd_span *got)
{
    uint32_t inputs = 0;
    unsigned count = 0, units = ec_units(&g->policy);
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < units && count < g->policy.data_units; i++) {
            bool there = covers(got[i], share(s, i, s->rebuild));
            bool may = pass == 0 ? there : (out & 1U << i) == 0;
            if (!may || ((inputs | s->missing) & 1U << i) != 0)
                continue;
            inputs |= 1U << i;
            count++;
        }
    return inputs;
}

static void set_needs(struct rd_stripe *s, uint32_t lost)
{
    s->relied = s->missing != 0 ? s->inputs | (s->wanted & ~s->missing) : s->wanted;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        uint32_t bit = 1U << i;
        s->need[i] = (struct rd_span){0, 0};
        if ((s->relied & bit) != 0 || (s->missing & ~lost & bit) != 0) /* keeps (3) */
            s->need[i] = s->want[i];
        if (s->missing != 0 && (s->inputs & bit) != 0)
            s->need[i] = hull(s->need[i], share(s, i, s->rebuild));
    }
}

/* Units that can be had, cells of zeros included. */
static unsigned count_left(const struct rd_stripe *s, const struct rd_group *g, uint32_t lost)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ec_units(&g->policy); i++)
        count += (lost >> i & 1) == 0 || s->size[i] == 0;
    return count;
}

int rd_stripe_plan(struct rd_stripe *s, const struct rd_group *g, uint32_t lost, uint32_t avoid,
                   uint32_t slow, const struct rd_span got[EC_MAX_UNITS], struct err *err)
{
    avoid &= ~lost;
    for (;;) {
        find_missing(s, lost | avoid, got);
        s->inputs = s->missing != 0 ? pick_inputs(s, g, lost | avoid, got) : 0;
        bool coded = s->start < g->coded;
        if (s->missing == 0 ||
            (coded && __builtin_popcount(s->inputs) == (int)g->policy.data_units))
            break;
        if (avoid == 0)
            return fail(err, ERR_BLOCK_MISSING, "%u of %u units are left and %u are needed%s",
                        count_left(s, g, lost), ec_units(&g->policy), g->policy.data_units,
                        coded ? "" : ", as parity is not written yet");
        uint32_t next = (avoid & ~slow) != 0 ? avoid & ~slow : avoid;
        avoid &= ~(next & -next); /* its turn has come */
    }
    set_needs(s, lost);
    return 0;
}

unsigned rd_stripe_spares(const struct rd_stripe *s, const struct rd_group *g, uint32_t out)
{
    uint32_t all = (1U << ec_units(&g->policy)) - 1;
    if (s->start >= g->coded)
        return 0;
    return (unsigned)__builtin_popcount(all & ~out & ~s->relied);
}

bool rd_stripe_ready(const struct rd_stripe *s, uint32_t done, uint32_t *ret_decode)
{
    uint32_t left = s->wanted & ~done;
    uint32_t there = done;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (rd_span_size(s->need[i]) == 0)
            there |= 1U << i;
    *ret_decode = left;
    return left == 0 || ((left & ~s->missing) == 0 && (s->inputs & ~there) == 0);
}
