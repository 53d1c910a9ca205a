/* culprit.c - the units of a group are intact and still don't fit each other: which one is wrong?
 * Thread: the task's. All live units are read once more; each is suspected in turn, and is out of
 * suspicion as soon as the others without it don't fit each other either. When exactly one stays,
 * it is told of as corrupt. That needs two units more than there are data units; with fewer the log
 * says what is known and a person has to decide. Rare, so it takes its time. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/ec/internal.h"

struct suspect {
    uint32_t computed; /* units that are computed from k of the others */
    struct ec_decoder *decoder;
};

struct jury {
    const struct order *order;
    struct ec_coder *coder;
    struct source units[EC_MAX_UNITS];
    uint32_t live; /* bits of those that can be read */
    struct suspect suspects[EC_MAX_UNITS];
    uint8_t *space[EC_MAX_UNITS];
    uint64_t at, end;
};

static bool has(uint32_t bits, unsigned index)
{
    return (bits >> index & 1) != 0;
}

static void put_out(struct suspect *s)
{
    ec_decoder_free(s->decoder);
    s->decoder = NULL;
}

/* The lowest k of them. */
static uint32_t first_of(uint32_t bits, unsigned k)
{
    uint32_t ret = 0;
    for (; k > 0 && bits != 0; k--) {
        ret |= bits & (0u - bits);
        bits &= bits - 1;
    }
    return ret;
}

static int suspect_all(struct jury *j, struct err *err)
{
    unsigned k = j->order->policy.data_units;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        struct suspect *s = &j->suspects[i];
        put_out(s);
        if (!has(j->live, i))
            continue;
        uint32_t others = (j->live & ~(1u << i)) | j->order->empty, used = first_of(others, k);
        s->computed = others & ~used;
        if (s->computed != 0)
            TRY(ec_decoder_new(j->coder, used, s->computed, &s->decoder, err));
    }
    return 0;
}

/* Opens all that can be opened; the rest is no part of it. */
static int open_all(struct jury *j, struct err *err)
{
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        struct err why = {0};
        if (!has(j->live, i))
            continue;
        source_close(&j->units[i]);
        j->units[i].patient = true;
        if (source_open(&j->units[i], 0, &why) == 0)
            continue;
        log_warn("a unit can't be looked at block=%lld cause=%s",
                 (long long)order_block_id(j->order, i), log_quote(why.text));
        j->live &= ~(1u << i);
    }
    unsigned known = (unsigned)__builtin_popcount(j->live | j->order->empty);
    j->at = 0;
    if (known < j->order->policy.data_units + 2u)
        return fail(err, ERR_BLOCK_MISSING, "%u units are too few to tell which one is wrong",
                    known);
    return suspect_all(j, err);
}

/* False: a unit failed and is no longer part of it. */
static bool fill_all(struct jury *j)
{
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        struct source *s = &j->units[i];
        struct err why = {0};
        if (!has(j->live, i) || j->at >= s->length)
            continue;
        int rc = source_fill(s, &why);
        if (rc == 0)
            continue;
        log_warn("a unit can't be looked at block=%lld cause=%s",
                 (long long)order_block_id(j->order, i), log_quote(why.text));
        if (rc == ERR_CHECKSUM)
            source_blame(s);
        j->live &= ~(1u << i);
        return false;
    }
    return true;
}

static bool differs(const struct jury *j, unsigned index, size_t size)
{
    const struct source *s = &j->units[index];
    const uint8_t *got = j->space[index];
    if (has(j->live, index) && j->at < s->length)
        return memcmp(got, source_bytes(s), size) != 0;
    for (size_t i = 0; i < size; i++)
        if (got[i] != 0)
            return true;
    return false;
}

static void try_suspect(struct jury *j, struct suspect *s, size_t size)
{
    uint8_t *units[EC_MAX_UNITS] = {NULL};
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (has(s->computed, i))
            units[i] = j->space[i];
        else if (has(j->live, i) && j->at < j->units[i].length)
            units[i] = (uint8_t *)(uintptr_t)source_bytes(&j->units[i]);
    ec_decode(s->decoder, size, units);
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (has(s->computed, i) && differs(j, i, size)) {
            put_out(s);
            return;
        }
}

static void look(struct jury *j, uint32_t slice)
{
    uint64_t size = j->end - j->at < slice ? j->end - j->at : slice;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (has(j->live, i) && j->at < j->units[i].length && j->units[i].size < size)
            size = j->units[i].size;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (j->suspects[i].decoder != NULL)
            try_suspect(j, &j->suspects[i], (size_t)size);
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (has(j->live, i) && j->at < j->units[i].length)
            source_used(&j->units[i], (size_t)size);
    j->at += size;
}

static void judge(const struct jury *j)
{
    unsigned count = 0, wrong = 0;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (j->suspects[i].decoder != NULL) {
            count++;
            wrong = i;
        }
    if (count != 1) {
        log_error("the units of a group don't fit each other, and %s block=%lld stamp=%llu",
                  count == 0 ? "more than one is wrong" : "now they do",
                  (long long)j->order->group.id, (unsigned long long)j->order->group.gen_stamp);
        return;
    }
    const Hdfs__DatanodeID *id = j->units[wrong].at_node->node->id;
    log_error("a unit is intact but not that of its group block=%lld stamp=%llu node=%s:%u",
              (long long)order_block_id(j->order, wrong),
              (unsigned long long)j->order->group.gen_stamp, id->ip_addr, id->xfer_port);
    source_blame(&j->units[wrong]);
}

static int run(struct jury *j, const struct rebuild_settings *settings, struct wires *wires,
               struct err *err)
{
    const struct order *o = j->order;
    TRY(ec_coder_new(&o->policy, &j->coder, err));
    for (size_t i = 0; i < o->source_count; i++) {
        unsigned index = o->sources[i].index;
        if (has(j->live, index))
            continue;
        source_init(&j->units[index], o, &o->sources[i], settings, wires);
        j->live |= 1u << index;
        j->end = j->units[index].length > j->end ? j->units[index].length : j->end;
    }
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if ((j->space[i] = malloc(settings->slice)) == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory to look for a wrong unit");
    TRY(open_all(j, err));
    while (j->at < j->end && !wires_stopped(wires)) {
        if (fill_all(j))
            look(j, settings->slice);
        else
            TRY(open_all(j, err));
    }
    if (!wires_stopped(wires))
        judge(j);
    return 0;
}

void culprit_find(const struct order *o, const struct rebuild_settings *settings,
                  struct wires *wires)
{
    struct err err = {0};
    struct jury *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return;
    j->order = o;
    if (run(j, settings, wires, &err) != 0)
        log_error("the units of a group don't fit each other block=%lld stamp=%llu cause=%s",
                  (long long)o->group.id, (unsigned long long)o->group.gen_stamp,
                  log_quote(err.text));
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        if (j->units[i].order != NULL)
            source_close(&j->units[i]);
        put_out(&j->suspects[i]);
        free(j->space[i]);
    }
    ec_coder_free(j->coder);
    free(j);
}
