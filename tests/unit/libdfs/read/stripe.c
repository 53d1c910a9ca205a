/* stripe.c - plans of stripes, played against memory: what is needed is copied, what is lost is
 * rebuilt, and the caller's bytes must be right, for every loss that the policy can bear. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "libdfs/read/read.h"

enum { CELL = 1024, ROWS = 3 };

struct world {
    struct rd_group group;
    uint8_t *data;                /* of the group */
    uint8_t *units[EC_MAX_UNITS]; /* internal blocks, zeros behind their ends */
    struct ec_coder *coder;
};

static struct world make(enum ec_codec codec, uint8_t k, uint8_t m, uint64_t length)
{
    struct world w = {.group = {.policy = {64, k, m, codec, CELL}, .length = length}};
    struct err err = {0};
    uint64_t stripe = (uint64_t)CELL * k;
    w.group.coded = length;
    w.data = calloc(1, stripe * (ROWS + 1));
    for (uint64_t i = 0; i < length; i++)
        w.data[i] = (uint8_t)(i * 31 + i / 253 + 1);
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        w.units[i] = calloc(1, CELL * (ROWS + 1));
    cr_assert_eq(ec_coder_new(&w.group.policy, &w.coder, &err), 0, "%s", err.text);
    for (uint64_t row = 0; row < ROWS + 1; row++) {
        const uint8_t *data[EC_MAX_UNITS];
        uint8_t *parity[EC_MAX_UNITS];
        for (unsigned i = 0; i < k; i++) {
            data[i] = w.units[i] + row * CELL;
            memcpy(w.units[i] + row * CELL, w.data + row * stripe + i * (uint64_t)CELL, CELL);
        }
        for (unsigned i = 0; i < m; i++)
            parity[i] = w.units[k + i] + row * CELL;
        ec_encode(w.coder, CELL, data, parity);
    }
    return w;
}

static void drop(struct world *w)
{
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        free(w->units[i]);
    free(w->data);
    ec_coder_free(w->coder);
}

/* Reads what the plan needs of the units that aren't lost; byte c of a cell lies at cells[i][c]. */
static uint32_t play(const struct world *w, const struct rd_stripe *s, uint32_t lost,
                     struct rd_span got[EC_MAX_UNITS], uint8_t cells[EC_MAX_UNITS][CELL])
{
    uint32_t done = 0;
    for (unsigned i = 0; i < ec_units(&w->group.policy); i++) {
        struct rd_span need = s->need[i];
        if (rd_span_size(need) == 0)
            continue;
        cr_assert_leq(need.to, s->size[i], "unit %u is read behind its end", i);
        if ((lost >> i & 1) != 0) {
            cr_assert(got[i].from <= need.from && need.to <= got[i].to, "a lost unit is needed");
        } else {
            memcpy(cells[i] + need.from, w->units[i] + s->row + need.from, rd_span_size(need));
            got[i] = need;
        }
        done |= 1U << i;
    }
    return done;
}

static void rebuild(const struct world *w, const struct rd_stripe *s, uint32_t want,
                    uint8_t cells[EC_MAX_UNITS][CELL])
{
    struct ec_decoder *d;
    struct err err = {0};
    uint8_t *units[EC_MAX_UNITS] = {0};
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        if ((s->inputs >> i & 1) != 0 && s->size[i] < s->rebuild.to) /* zeros behind the end */
            memset(cells[i] + s->size[i], 0, s->rebuild.to - s->size[i]);
        if (((s->inputs | want) >> i & 1) != 0)
            units[i] = cells[i] + s->rebuild.from;
    }
    cr_assert_eq(ec_decoder_new(w->coder, s->inputs, want, &d, &err), 0, "%s", err.text);
    ec_decode(d, rd_span_size(s->rebuild), units);
    ec_decoder_free(d);
}

/* lost from the start, `then` lost when the first plan was carried out but for them. */
static void read_range(const struct world *w, uint64_t position, uint64_t end, uint32_t lost,
                       uint32_t then, uint32_t avoid)
{
    static uint8_t cells[EC_MAX_UNITS][CELL];
    struct rd_span got[EC_MAX_UNITS] = {0};
    struct rd_stripe s;
    struct err err = {0};
    uint32_t decode;
    memset(cells, 0xee, sizeof(cells));
    rd_stripe_init(&s, &w->group, position, end);
    cr_assert_eq(rd_stripe_plan(&s, &w->group, lost, avoid, avoid & 12, got, &err), 0, "%s",
                 err.text);
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if ((then >> i & 1) != 0)
            s.need[i] = (struct rd_span){0, 0};
    (void)play(w, &s, lost, got, cells);
    lost |= then;
    cr_assert_eq(rd_stripe_plan(&s, &w->group, lost, avoid, avoid & 12, got, &err), 0, "%s",
                 err.text);
    uint32_t done = play(w, &s, lost, got, cells);
    cr_assert(rd_stripe_ready(&s, done, &decode));
    if (decode != 0)
        rebuild(w, &s, decode, cells);
    for (uint64_t at = position; at < end; at++) {
        struct ec_place p = ec_locate(&w->group.policy, at);
        cr_assert_eq(cells[p.index][p.offset - s.row], w->data[at], "byte %llu of [%llu,%llu)",
                     (unsigned long long)at, (unsigned long long)position, (unsigned long long)end);
    }
}

static void all_losses(enum ec_codec codec, uint8_t k, uint8_t m, uint64_t length)
{
    struct world w = make(codec, k, m, length);
    uint64_t stripe = (uint64_t)CELL * k, last = (length - 1) / stripe * stripe;
    uint64_t spots[] = {last, last + 1, last + CELL - 1, last + CELL, last + CELL + 700, length};
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 6; b++)
            for (uint32_t lost = 0; lost < 1U << (k + m); lost++) {
                if (spots[a] >= spots[b] || spots[b] > length || __builtin_popcount(lost) > (int)m)
                    continue;
                read_range(&w, spots[a], spots[b], lost, 0, 0);
                read_range(&w, spots[a], spots[b], 0, lost, 0);
                read_range(&w, spots[a], spots[b], lost & 0x55, lost & 0xaa, 0);
                read_range(&w, spots[a], spots[b], 0, 0, lost);
                read_range(&w, spots[a], spots[b], lost, 0, ~lost & 0x2a);
            }
    drop(&w);
}

Test(stripe, any_loss_that_the_policy_bears)
{
    uint64_t stripe = 3 * CELL;
    uint64_t lengths[] = {1,          CELL - 1,
                          CELL,       CELL + 1,
                          stripe - 1, stripe,
                          stripe + 1, stripe + CELL + 5,
                          stripe * 2, stripe * 2 + CELL * 2 + 9};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        all_losses(EC_RS, 3, 2, lengths[i]);
        all_losses(EC_RS_LEGACY, 3, 2, lengths[i]);
    }
    all_losses(EC_XOR, 2, 1, 2 * CELL + 100);
    all_losses(EC_RS, 6, 3, 6 * CELL + 2 * CELL + 100);
    all_losses(EC_RS, 1, 1, CELL + 10);
}

Test(stripe, only_what_is_needed_is_read)
{
    struct world w = make(EC_RS, 3, 2, 6 * CELL);
    struct rd_span got[EC_MAX_UNITS] = {0};
    struct rd_stripe s;
    rd_stripe_init(&s, &w.group, 3 * CELL + 100, 3 * CELL + 200);
    cr_assert_eq(rd_stripe_plan(&s, &w.group, 0, 0, 0, got, NULL), 0);
    cr_assert_eq(s.relied, 1);
    cr_assert_eq(s.row, CELL);
    cr_assert_eq(s.need[0].from, 100);
    cr_assert_eq(s.need[0].to, 200);
    cr_assert_eq(rd_stripe_spares(&s, &w.group, 0), 4);
    cr_assert_eq(rd_stripe_plan(&s, &w.group, 1, 0, 0, got, NULL), 0);
    cr_assert_eq(s.inputs, 2 | 4 | 8, "data first, then as much parity as it takes");
    cr_assert_eq(rd_span_size(s.need[3]), 100);
    cr_assert_eq(rd_stripe_spares(&s, &w.group, 1), 1);
    drop(&w);
}

Test(stripe, too_few_units)
{
    struct world w = make(EC_RS, 3, 2, 6 * CELL);
    struct rd_span got[EC_MAX_UNITS] = {0};
    struct rd_stripe s;
    struct err err = {0};
    rd_stripe_init(&s, &w.group, 0, 3 * CELL);
    cr_assert_eq(rd_stripe_plan(&s, &w.group, 7, 0, 0, got, &err), ERR_BLOCK_MISSING);
    cr_assert_str_eq(err.text, "2 of 5 units are left and 3 are needed");
    cr_assert_eq(rd_stripe_plan(&s, &w.group, 3, 4, 4, got, NULL), 0,
                 "avoided ones are used at last");
    cr_assert_eq(rd_stripe_plan(&s, &w.group, 0, 15, 2, got, NULL), 0);
    cr_assert_eq(s.relied, 1 | 4 | 16, "first those that were not slow");
    drop(&w);
}

static struct rd_entry entry_of(Hdfs__LocatedBlock *b, Hdfs__ExtendedBlock *id, uint64_t length,
                                bool open)
{
    hdfs__located_block__init(b);
    hdfs__extended_block__init(id);
    id->block_id = (uint64_t)-16;
    b->b = id;
    return (struct rd_entry){.length = length, .block = b, .open = open};
}

Test(stripe, a_group_being_written_has_whole_stripes_only_for_sure)
{
    Hdfs__LocatedBlock b;
    Hdfs__ExtendedBlock id;
    struct ec_policy p = {64, 3, 2, EC_RS, CELL};
    struct rd_group g;
    struct rd_entry e = entry_of(&b, &id, 2 * CELL + 10, true);
    cr_assert_eq(rd_group_init(&g, &p, &e, NULL), 0);
    cr_assert_eq(g.coded, 6 * CELL, "internal block 0 is in its third row: two are complete");
    cr_assert_eq(g.length, 6 * CELL);
    e = entry_of(&b, &id, 10, true);
    cr_assert_eq(rd_group_init(&g, &p, &e, NULL), 0);
    cr_assert_eq(g.coded, 0);
    cr_assert_eq(g.length, 10);
    struct rd_span got[EC_MAX_UNITS] = {0};
    struct rd_stripe s;
    rd_stripe_init(&s, &g, 0, 10);
    cr_assert_eq(rd_stripe_plan(&s, &g, 0, 0, 0, got, NULL), 0);
    cr_assert_eq(rd_stripe_plan(&s, &g, 1, 0, 0, got, NULL), ERR_BLOCK_MISSING, "no parity yet");
}

Test(stripe, groups_that_cannot_be)
{
    Hdfs__LocatedBlock b;
    Hdfs__ExtendedBlock id;
    struct ec_policy p = {64, 3, 2, EC_RS, CELL};
    struct rd_group g;
    uint8_t five = 5;
    struct rd_entry e = entry_of(&b, &id, 100, false);
    b.n_locs = 1;
    cr_assert_eq(rd_group_init(&g, &p, &e, NULL), ERR_PROTOCOL, "a location without index");
    b.block_indices = (ProtobufCBinaryData){1, &five};
    cr_assert_eq(rd_group_init(&g, &p, &e, NULL), ERR_PROTOCOL, "index 5 of 5 units");
    five = 4;
    cr_assert_eq(rd_group_init(&g, &p, &e, NULL), 0);
    cr_assert_eq(g.locs[4], 1);
    id.block_id = (uint64_t)-15;
    cr_assert_eq(rd_group_init(&g, &p, &e, NULL), ERR_PROTOCOL, "an internal block");
}
