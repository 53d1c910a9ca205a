/* rebuild.c - one reconstruction: reads as many units as needed, decodes in slices, verifies, and
 * sends the result to its targets. Thread: the task's, one for all of it.
 *
 * Invariants: (1) a slice never crosses the end of a unit, a piece of a source or a packet of a
 * target, so units are whole or absent, and absent ones count as zeros; (2) every byte of a source
 * had its checksum verified; (3) nothing is committed before the check has come out right: from
 * what was made, and as many inputs as that needs, another unit is computed - one that is live and
 * wasn't read, whose node tells the checksum over the whole of it, or else one of the inputs. The
 * first also finds inputs that are intact but wrong, such as stale parity; both find a decoder that
 * went wrong; (4) what decodes behind the end of a unit must be zeros; (5) an input that fails, is
 * slow or has wrong bytes is replaced by another unit from the same byte on. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/ec/internal.h"

struct check {
    enum { BY_INPUT, BY_SUM } how;
    unsigned index;
    uint64_t length; /* of that unit */
    struct whole_sum want;
    uint32_t crc;
    struct ec_decoder *decoder;
    uint8_t *bytes;
};

struct rebuild {
    const struct order *order;
    const struct rebuild_settings *settings;
    struct wires *wires;
    struct ec_coder *coder;
    struct ec_decoder *decoder;
    struct source sources[MAX_SOURCES];
    struct source *inputs[EC_MAX_UNITS];
    uint32_t input_bits; /* with the empty units */
    uint32_t wanted;
    struct target targets[EC_MAX_UNITS];
    size_t target_count; /* that were opened */
    struct check check;
    uint64_t at, end;
    uint8_t *units[EC_MAX_UNITS];
    int64_t read_ns, decode_ns, write_ns, validate_ns;
};

static bool has(uint32_t bits, unsigned index)
{
    return (bits >> index & 1) != 0;
}

/* --- plan: which units make which --- */

/* k units that the check is computed from: what was made comes first. */
static uint32_t check_inputs(const struct rebuild *r)
{
    uint32_t from[2] = {r->wanted, r->input_bits & ~(1u << r->check.index)}, bits = 0;
    unsigned left = r->order->policy.data_units;
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < EC_MAX_UNITS && left > 0; i++)
            if (has(from[set], i)) {
                bits |= 1u << i;
                left--;
            }
    return bits;
}

static int plan(struct rebuild *r, struct err *err)
{
    ec_decoder_free(r->decoder);
    ec_decoder_free(r->check.decoder);
    r->decoder = r->check.decoder = NULL;
    TRY(ec_decoder_new(r->coder, r->input_bits, r->wanted, &r->decoder, err));
    return ec_decoder_new(r->coder, check_inputs(r), 1u << r->check.index, &r->check.decoder, err);
}

static uint64_t longest_target(const struct rebuild *r)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < r->order->target_count; i++) {
        uint64_t length = order_length(r->order, r->order->targets[i].index);
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* No other unit is left: an input is computed anew. */
static void check_by_input(struct rebuild *r)
{
    const struct source *best = NULL;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (r->inputs[i] != NULL && (best == NULL || r->inputs[i]->length > best->length))
            best = r->inputs[i];
    CHECK(best != NULL);
    r->check.how = BY_INPUT;
    r->check.index = best->at_node->index;
    r->check.length = best->length;
    r->end = longest_target(r);
}

static void choose_check(struct rebuild *r)
{
    for (size_t i = 0; i < r->order->source_count; i++) {
        const struct source *s = &r->sources[i];
        struct err err = {0};
        if (s->state != SOURCE_UNTRIED || s->local || has(r->input_bits, s->at_node->index))
            continue;
        if (whole_sum_ask(r->order, s->at_node, r->settings, r->wires, &r->check.want, &err) != 0) {
            log_info("a unit can't serve as a check block=%lld cause=%s",
                     (long long)order_block_id(r->order, s->at_node->index), log_quote(err.text));
            continue;
        }
        r->check.how = BY_SUM;
        r->check.index = s->at_node->index;
        r->check.length = s->length;
        r->end = s->length > longest_target(r) ? s->length : longest_target(r);
        return;
    }
    check_by_input(r);
}

/* --- inputs --- */

static void tell_failure(const struct rebuild *r, const struct source *s, int rc,
                         const struct err *why)
{
    const Hdfs__DatanodeID *id = s->at_node->node->id;
    if (wires_stopped(r->wires))
        return;
    log_warn("a source of a reconstruction fails block=%lld node=%s:%u cause=%s",
             (long long)order_block_id(r->order, s->at_node->index), id->ip_addr, id->xfer_port,
             log_quote(why->text));
    if (rc == ERR_CHECKSUM || (rc == ERR_CORRUPT && s->local)) {
        metric_add(METRIC_checksum_errors, rc == ERR_CHECKSUM);
        source_blame(s);
    }
}

static bool adopt(struct rebuild *r, struct source *s)
{
    struct err err = {0};
    if (r->at < s->length) { /* else all it has counts as zeros from here on */
        int rc = source_open(s, r->at, &err);
        if (rc != 0) {
            tell_failure(r, s, rc, &err);
            return false;
        }
    }
    r->inputs[s->at_node->index] = s;
    r->input_bits |= 1u << s->at_node->index;
    return true;
}

enum round { OWN_STORE, OTHERS, THE_CHECK, SLOW_ONES, ROUNDS };

static bool fits(const struct rebuild *r, const struct source *s, enum round round)
{
    bool check =
        r->check.how == BY_SUM && r->check.decoder != NULL && s->at_node->index == r->check.index;
    if (has(r->input_bits, s->at_node->index))
        return false;
    switch (round) {
    case OWN_STORE:
        return s->state == SOURCE_UNTRIED && s->local;
    case OTHERS:
        return s->state == SOURCE_UNTRIED && !check;
    case THE_CHECK:
        return s->state == SOURCE_UNTRIED;
    default:
        return s->state == SOURCE_SLOW;
    }
}

/* Until there are enough. */
static int find_inputs(struct rebuild *r, struct err *err)
{
    unsigned k = r->order->policy.data_units;
    for (enum round round = OWN_STORE; round < ROUNDS; round++)
        for (size_t i = 0; i < r->order->source_count; i++) {
            struct source *s = &r->sources[i];
            if ((unsigned)__builtin_popcount(r->input_bits) >= k)
                return 0;
            if (wires_stopped(r->wires))
                return fail(err, ERR_CLOSED, "this node is stopping");
            if (!fits(r, s, round))
                continue;
            s->patient = round == SLOW_ONES;
            (void)adopt(r, s); /* it has been told */
        }
    unsigned found = (unsigned)__builtin_popcount(r->input_bits);
    if (found >= k)
        return 0;
    return fail(err, ERR_BLOCK_MISSING, "only %u of %u units of blk_%lld can be read", found, k,
                (long long)r->order->group.id);
}

static int replace(struct rebuild *r, unsigned index, int rc, const struct err *why,
                   struct err *err)
{
    tell_failure(r, r->inputs[index], rc, why);
    r->inputs[index] = NULL;
    r->input_bits &= ~(1u << index);
    TRY(find_inputs(r, err));
    if (r->check.how == BY_SUM ? has(r->input_bits, r->check.index)
                               : r->inputs[r->check.index] == NULL)
        check_by_input(r);
    return plan(r, err);
}

/* The first input without bytes gets some; true when all have. */
static bool fill_inputs(struct rebuild *r, unsigned *ret_index, int *ret_rc, struct err *why)
{
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        struct source *s = r->inputs[i];
        if (s == NULL || r->at >= s->length)
            continue;
        *ret_rc = source_fill(s, why);
        *ret_index = i;
        if (*ret_rc != 0)
            return false;
    }
    return true;
}

/* --- a slice --- */

static int gather(struct rebuild *r, struct err *err)
{
    for (;;) {
        struct err why = {0};
        unsigned index = 0;
        int rc = 0;
        if (fill_inputs(r, &index, &rc, &why))
            return 0;
        TRY(replace(r, index, rc, &why, err));
        if (r->at >= r->end)
            return 0;
    }
}

static size_t lay_out(struct rebuild *r)
{
    uint64_t size = r->end - r->at, to_check = r->check.length - r->at;
    if (r->at < r->check.length && to_check < size)
        size = to_check;
    memset(r->units, 0, sizeof(r->units));
    for (unsigned i = 0; i < EC_MAX_UNITS; i++) {
        struct source *s = r->inputs[i];
        if (s == NULL || r->at >= s->length)
            continue;
        r->units[i] = (uint8_t *)(uintptr_t)source_bytes(s);
        size = s->size < size ? s->size : size;
    }
    for (size_t i = 0; i < r->target_count; i++) {
        size_t room;
        r->units[r->targets[i].at_node->index] = target_space(&r->targets[i], &room);
        size = room < size ? room : size;
    }
    CHECK(size > 0);
    return (size_t)size;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static int misfit(const struct rebuild *r, unsigned index, struct err *err)
{
    char inputs[EC_MAX_UNITS * 3 + 1] = "";
    size_t used = 0;
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (has(r->input_bits, i))
            used += (size_t)snprintf(inputs + used, sizeof(inputs) - used, "%s%u",
                                     used > 0 ? "," : "", i);
    return fail(err, ERR_CORRUPT,
                "the units of blk_%lld_%llu don't fit each other: made from %s, wrong by unit %u, "
                "at byte %llu of it",
                (long long)r->order->group.id, (unsigned long long)r->order->group.gen_stamp,
                inputs, index, (unsigned long long)r->at);
}

static int check_slice(struct rebuild *r, size_t size, struct err *err)
{
    struct check *c = &r->check;
    const uint8_t *read = r->units[c->index];
    for (size_t i = 0; i < r->target_count; i++) {
        unsigned index = r->targets[i].at_node->index;
        if (r->at >= r->targets[i].length && !all_zero(r->units[index], size))
            return misfit(r, index, err);
    }
    r->units[c->index] = c->bytes;
    ec_decode(c->decoder, size, r->units);
    bool right = true;
    if (r->at >= c->length)
        right = all_zero(c->bytes, size);
    else if (c->how == BY_SUM)
        c->crc = crc_update(c->want.type, c->crc, c->bytes, size);
    else
        right = memcmp(c->bytes, read, size) == 0;
    return right ? 0 : misfit(r, c->index, err);
}

static int hand_out(struct rebuild *r, size_t size, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < r->target_count; i++) {
        target_add(&r->targets[i], size);
        any |= !r->targets[i].failed;
    }
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        if (r->inputs[i] != NULL && r->at < r->inputs[i]->length)
            source_used(r->inputs[i], size);
    r->at += size;
    return any ? 0 : fail(err, ERR_REMOTE, "all targets failed");
}

static int slice(struct rebuild *r, struct err *err)
{
    int64_t start = clock_monotonic_ns();
    TRY(gather(r, err));
    if (r->at >= r->end)
        return 0;
    size_t size = lay_out(r);
    throttle_use(r->settings->read, (uint64_t)size * order_inputs(r->order));
    int64_t read = clock_monotonic_ns();
    ec_decode(r->decoder, size, r->units);
    int64_t decoded = clock_monotonic_ns();
    TRY(check_slice(r, size, err));
    int64_t checked = clock_monotonic_ns();
    TRY(hand_out(r, size, err));
    r->read_ns += read - start;
    r->decode_ns += decoded - read;
    r->validate_ns += checked - decoded;
    r->write_ns += clock_monotonic_ns() - checked;
    return 0;
}

/* --- the whole --- */

static int open_targets(struct rebuild *r, struct err *err)
{
    struct crc_kind kind = {CRC_NULL, 0};
    for (unsigned i = 0; i < EC_MAX_UNITS && kind.type == CRC_NULL; i++)
        if (r->inputs[i] != NULL)
            kind = r->inputs[i]->kind;
    for (size_t i = 0; i < r->order->target_count; i++) {
        TRY(target_open(&r->targets[i], r->order, &r->order->targets[i], r->settings, r->wires,
                        kind, err));
        r->target_count++;
    }
    r->check.bytes = malloc(r->targets[0].room);
    return r->check.bytes == NULL ? fail(err, ERR_NO_MEMORY, "no memory for a check") : 0;
}

static int prepare(struct rebuild *r, struct err *err)
{
    const struct order *o = r->order;
    TRY(ec_coder_new(&o->policy, &r->coder, err));
    for (size_t i = 0; i < o->source_count; i++)
        source_init(&r->sources[i], o, &o->sources[i], r->settings, r->wires);
    for (size_t i = 0; i < o->target_count; i++)
        r->wanted |= 1u << o->targets[i].index;
    r->input_bits = o->empty;
    TRY(find_inputs(r, err));
    choose_check(r);
    TRY(plan(r, err));
    return open_targets(r, err);
}

static int commit(struct rebuild *r, unsigned *ret_made, struct err *err)
{
    if (r->check.how == BY_SUM && r->check.crc != r->check.want.crc)
        return misfit(r, r->check.index, err);
    if (wires_stopped(r->wires))
        return fail(err, ERR_CLOSED, "this node is stopping");
    for (size_t i = 0; i < r->target_count; i++)
        target_commit(&r->targets[i]);
    for (size_t i = 0; i < r->target_count; i++) {
        target_await(&r->targets[i]);
        *ret_made += !r->targets[i].failed;
    }
    return *ret_made > 0 ? 0 : fail(err, ERR_REMOTE, "all targets failed");
}

static void measure(const struct rebuild *r)
{
    enum { MS = 1000000 };
    metric_add(METRIC_ec_decoding_ns, (uint64_t)r->decode_ns);
    metric_add(METRIC_ec_read_ms, (uint64_t)r->read_ns / MS);
    metric_add(METRIC_ec_write_ms, (uint64_t)r->write_ns / MS);
    metric_add(METRIC_ec_validate_ms, (uint64_t)r->validate_ns / MS);
}

static void finish(struct rebuild *r)
{
    for (size_t i = 0; i < r->order->source_count; i++)
        if (r->sources[i].order != NULL)
            source_close(&r->sources[i]);
    for (size_t i = 0; i < r->order->target_count; i++)
        target_close(&r->targets[i]);
    ec_decoder_free(r->check.decoder);
    ec_decoder_free(r->decoder);
    ec_coder_free(r->coder);
    free(r->check.bytes);
    measure(r);
    free(r);
}

int rebuild_run(const struct order *o, const struct rebuild_settings *settings, struct wires *wires,
                unsigned *ret_made, struct err *err)
{
    struct rebuild *r = calloc(1, sizeof(*r));
    unsigned made = 0;
    if (r == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a reconstruction");
    r->order = o;
    r->settings = settings;
    r->wires = wires;
    int rc = prepare(r, err);
    while (rc == 0 && r->at < r->end)
        rc = slice(r, err);
    if (rc == 0)
        rc = commit(r, &made, err);
    finish(r);
    *ret_made = made;
    return rc;
}
