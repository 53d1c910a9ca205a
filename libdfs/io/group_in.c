/* group_in.c - the bytes of a block group from the DataNodes that have its internal blocks.
 * Thread: the owner's, who waits in poll(2) for all units at once. The shell around read/stripe.c:
 * works stripe by stripe, with one open stream for each internal block that is being read, from
 * stripe to stripe. Bytes go straight into the caller's memory; what is only read to rebuild others
 * goes into scratch cells. When a part of a stripe is asked for and something in it must be
 * rebuilt, all the rest of the stripe is read at once and kept.
 * Invariants: (1) column c of cells[i] that has been read is at cells[i].at[c - base], for c in
 * got, and got.from == base; (2) a unit is lost when all its locations were tried; (3) no stream
 * writes into the caller's memory after group_in_read has returned. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "libdfs/io/internal.h"

enum {
    SKIP_MAX = 256 * 1024, /* so many bytes are rather read than asked for anew */
    ASK_AGAIN = 3,         /* times a node that cuts connections, but gets on, is asked again */
    LATE_FACTOR = 3,       /* late: so much longer than the others took */
    STORY_SIZE = 100
};

struct unit {
    struct unit_in *in; /* NULL: no stream */
    unsigned node;      /* its location */
    unsigned again;
    uint64_t opened_at;
    uint64_t tried; /* bits of locations */
    char story[STORY_SIZE];
};

struct cell {
    uint8_t *at;
    uint32_t base;
    struct rd_span got;
    uint8_t *scratch;
    size_t capacity;
};

struct group_in {
    struct io_env *env;
    const struct rd_group *group;
    const Hdfs__LocatedBlock *block;
    const struct ec_coder *coder;
    const struct group_owner *owner;
    uint64_t position, end;
    unsigned unit_count;
    uint32_t lost, avoid;
    uint32_t late; /* avoided because they were late in this stripe */
    uint32_t slow; /* in an earlier one, and haven't delivered since */
    struct unit units[EC_MAX_UNITS];
    struct cell cells[EC_MAX_UNITS];
    struct rd_stripe stripe;
    uint8_t *data; /* where the byte `from` of the group goes */
    uint64_t from;
    int64_t began_ms, finished_ms; /* of this stripe; when a unit was last done */
    uint32_t done;                 /* units read as far as needed */
    struct ec_decoder *decoder;    /* of the last pattern */
    uint32_t decoder_have, decoder_want;
    uint8_t *kept; /* [kept_from, kept_to) of the group */
    uint64_t kept_from, kept_to;
};

static bool all_dead(const struct group_in *g, uint64_t locs)
{
    for (unsigned n = 0; n < RD_MAX_REPLICAS; n++)
        if ((locs >> n & 1) != 0 && !g->owner->is_dead(g->owner->arg, g->block->locs[n]))
            return false;
    return true;
}

int group_in_open(struct io_env *env, const struct rd_group *group, const Hdfs__LocatedBlock *block,
                  const struct ec_coder *coder, const struct group_owner *owner, uint64_t position,
                  uint64_t end, struct group_in **ret, struct err *err)
{
    CHECK(position < end && end <= group->length);
    struct group_in *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to read");
    g->env = env;
    g->group = group;
    g->block = block;
    g->coder = coder;
    g->owner = owner;
    g->position = position;
    g->end = end;
    g->unit_count = ec_units(&group->policy);
    for (unsigned i = 0; i < g->unit_count; i++) {
        if (group->locs[i] == 0)
            g->lost |= 1U << i;
        else if (all_dead(g, group->locs[i]))
            g->avoid |= 1U << i;
    }
    *ret = g;
    return 0;
}

static void close_stream(struct group_in *g, unsigned i)
{
    unit_in_close(take_ptr(&g->units[i].in));
}

/* The location doesn't deliver. */
static void blame(struct group_in *g, unsigned i, const struct err *why)
{
    struct unit *u = &g->units[i];
    Hdfs__ExtendedBlock internal = rd_internal_block(g->group, g->block, i);
    char name[300];
    node_address(g->block->locs[u->node]->id, g->env->use_hostname, name, sizeof(name));
    snprintf(u->story, sizeof(u->story), "%.40s: %.55s", name, why->text);
    g->owner->failed(g->owner->arg, g->block, &internal, u->node, why);
}

static void unit_failed(struct group_in *g, unsigned i, const struct err *why)
{
    struct unit *u = &g->units[i];
    bool went_on = u->in != NULL && unit_in_position(u->in) > u->opened_at;
    close_stream(g, i);
    if (why->code == ERR_EOF && went_on && u->again++ < ASK_AGAIN)
        return; /* a connection that was idle for long, or a node that has just restarted */
    u->again = 0;
    u->tried |= 1ULL << u->node;
    if ((g->group->locs[i] & ~u->tried) == 0)
        g->lost |= 1U << i; /* keeps (2) */
    blame(g, i, why);
}

/* The next location to ask: one that isn't known to be dead, if there is one. */
static unsigned choose(const struct group_in *g, unsigned i)
{
    uint64_t left = g->group->locs[i] & ~g->units[i].tried;
    CHECK(left != 0);
    for (unsigned n = 0; n < RD_MAX_REPLICAS; n++)
        if ((left >> n & 1) != 0 && !g->owner->is_dead(g->owner->arg, g->block->locs[n]))
            return n;
    return (unsigned)__builtin_ctzll(left);
}

/* How far a stream of unit i will be of use. In the last stripe just what is needed for others is
 * read of it, and that is told each time. */
static uint64_t stream_end(const struct group_in *g, unsigned i)
{
    const struct ec_policy *p = &g->group->policy;
    bool data = i < p->data_units;
    if (g->end - g->stripe.start > (uint64_t)p->cell_size * p->data_units)
        return rd_unit_end(g->group, i, g->end, !data || g->stripe.missing != 0);
    bool behind = g->stripe.start + (i + 1) * (uint64_t)p->cell_size <= g->position;
    return data && !behind ? rd_unit_end(g->group, i, g->end, false) : 0;
}

/* A stream of unit i from byte `at` of its block on, at least up to `least`. */
static int open_stream(struct group_in *g, unsigned i, uint64_t at, uint64_t least, struct err *err)
{
    struct unit *u = &g->units[i];
    uint64_t to = stream_end(g, i);
    Hdfs__ExtendedBlock internal = rd_internal_block(g->group, g->block, i);
    const Rpc__Token *token = g->block->block_token;
    u->node = choose(g, i);
    u->opened_at = at;
    if (u->node < g->block->n_block_tokens)
        token = g->block->block_tokens[u->node];
    return unit_in_open(g->env, g->block->locs[u->node]->id, &internal, token, at,
                        to > least ? to : least, &u->in, err);
}

/* Closes a stream that can't go on at byte `at` with so much room. */
static void fit_stream(struct group_in *g, unsigned i, uint64_t at, size_t room)
{
    struct unit_in *in = g->units[i].in;
    if (in == NULL)
        return;
    uint64_t position = unit_in_position(in);
    if (position > at || at - position > SKIP_MAX || at >= unit_in_end(in) ||
        unit_in_busy(in) > room)
        close_stream(g, i);
}

/* Reads what is there of unit i, without waiting. */
static int advance(struct group_in *g, unsigned i, struct err *err)
{
    struct cell *c = &g->cells[i];
    struct rd_span need = g->stripe.need[i];
    while (c->got.to < need.to) {
        uint64_t at = g->stripe.row + c->got.to;
        size_t n, room = need.to - c->got.to;
        fit_stream(g, i, at, room);
        if (g->units[i].in == NULL && (g->stripe.missing & 1U << i) != 0)
            return 0; /* late, and not worth a new start */
        if (g->units[i].in == NULL)
            TRY(open_stream(g, i, at, g->stripe.row + need.to, err));
        struct unit_in *in = g->units[i].in;
        uint8_t waste[8192];
        uint64_t behind = at - unit_in_position(in);
        if (behind > 0)
            TRY(unit_in_read(in, waste, behind < sizeof(waste) ? (size_t)behind : sizeof(waste), &n,
                             err));
        else
            TRY(unit_in_read(in, c->at + (c->got.to - c->base), room, &n, err));
        if (n == 0)
            return 0;
        if (behind == 0)
            c->got.to += (uint32_t)n;
    }
    return 0;
}

static uint8_t *place_of(const struct group_in *g, unsigned i, uint32_t column)
{
    return g->data +
           (g->stripe.start + (uint64_t)i * g->group->policy.cell_size + column - g->from);
}

/* Room for `size` bytes, with what is in the old scratch kept alive in *ret_old. */
static int more_scratch(struct cell *c, size_t size, uint8_t **ret_old, struct err *err)
{
    *ret_old = NULL;
    if (c->capacity >= size)
        return 0;
    uint8_t *scratch = malloc(size);
    if (scratch == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a cell of %zu bytes", size);
    *ret_old = c->scratch;
    c->scratch = scratch;
    c->capacity = size;
    return 0;
}

/* Decides where the bytes of unit i go, and takes along what has come. keeps (1) */
static int place(struct group_in *g, unsigned i, struct err *err)
{
    const struct rd_stripe *s = &g->stripe;
    struct cell *c = &g->cells[i];
    struct rd_span need = s->need[i], want = s->want[i];
    bool keep = rd_span_size(c->got) > 0 && need.from >= c->base && need.from <= c->got.to;
    uint32_t from = keep ? c->base : need.from, to = need.to;
    bool input = s->missing != 0 && (s->inputs >> i & 1) != 0;
    if (input && s->size[i] > s->rebuild.from && to < s->rebuild.to)
        to = s->rebuild.to; /* zeros come behind the end */
    if (keep && to < c->got.to)
        to = c->got.to;
    uint8_t *old = NULL, *at;
    if (from == want.from && to == want.to) {
        at = place_of(g, i, from);
    } else {
        TRY(more_scratch(c, to - from, &old, err));
        at = c->scratch;
    }
    if (at != c->at || from != c->base) {
        if (g->units[i].in != NULL && unit_in_busy(g->units[i].in) > 0)
            close_stream(g, i);
        if (keep)
            memcpy(at, c->at, rd_span_size(c->got));
        else
            c->got = (struct rd_span){from, from};
    }
    c->at = at;
    c->base = from;
    free(old);
    return 0;
}

static int too_few(const struct group_in *g, const struct err *why, struct err *err)
{
    char story[600] = "";
    size_t used = 0;
    for (unsigned i = 0; i < g->unit_count && used < sizeof(story); i++) {
        if ((g->lost >> i & 1) == 0 || rd_internal_block(g->group, g->block, i).num_bytes == 0)
            continue;
        const char *said = g->units[i].story;
        used += (size_t)snprintf(story + used, sizeof(story) - used, "; index %u: %s", i,
                                 said[0] != '\0' ? said : "no node has it");
    }
    return fail(err, ERR_BLOCK_MISSING, "%s%s", why->text, story);
}

static void look_what_is_done(struct group_in *g)
{
    for (unsigned i = 0; i < g->unit_count; i++) {
        struct rd_span need = g->stripe.need[i], got = g->cells[i].got;
        bool done = rd_span_size(need) > 0 && got.from <= need.from && got.to >= need.to;
        if (done && (g->done >> i & 1) == 0)
            g->finished_ms = clock_monotonic_ms();
        g->done = done ? g->done | 1U << i : g->done & ~(1U << i);
    }
}

static int plan(struct group_in *g, struct err *err)
{
    struct rd_span got[EC_MAX_UNITS];
    struct err why = {0};
    for (unsigned i = 0; i < EC_MAX_UNITS; i++)
        got[i] = g->cells[i].got;
    if (rd_stripe_plan(&g->stripe, g->group, g->lost, g->avoid, g->late | g->slow, got, &why) != 0)
        return too_few(g, &why, err);
    for (unsigned i = 0; i < g->unit_count; i++)
        if (rd_span_size(g->stripe.need[i]) > 0)
            TRY(place(g, i, err));
    look_what_is_done(g);
    return 0;
}

static bool is_pending(const struct group_in *g, unsigned i)
{
    return rd_span_size(g->stripe.need[i]) > 0 && (g->done >> i & 1) == 0;
}

/* Gets on with all units of `which`. *ret_changed: one has failed, so that a new plan is due. */
static void advance_all(struct group_in *g, uint32_t which, bool *ret_changed)
{
    for (unsigned i = 0; i < g->unit_count; i++) {
        struct err why = {0};
        struct unit_in *in = g->units[i].in;
        size_t n;
        int rc = 0;
        if (is_pending(g, i))
            rc = (which >> i & 1) != 0 ? advance(g, i, &why) : 0;
        else if (in != NULL && !unit_in_started(in)) /* nobody polls for what it takes in by this */
            rc = unit_in_read(in, NULL, 0, &n, &why);
        if (rc == 0)
            continue;
        unit_failed(g, i, &why);
        *ret_changed = true;
    }
    look_what_is_done(g);
}

/* When the units that are still out will be late; INT64_MAX: never, as there is nobody to take
 * their place. */
static int64_t late_at(const struct group_in *g)
{
    uint32_t out = g->stripe.relied & ~g->done;
    unsigned count = 0;
    for (unsigned i = 0; i < g->unit_count; i++)
        count += (out >> i & 1) != 0 && is_pending(g, i);
    if (count == 0 || count > rd_stripe_spares(&g->stripe, g->group, g->lost | g->late | g->slow))
        return INT64_MAX;
    int64_t took = LATE_FACTOR * (g->finished_ms - g->began_ms);
    return g->finished_ms + (took > g->env->hedge_ms ? took : g->env->hedge_ms);
}

static void call_late(struct group_in *g, int64_t now_ms)
{
    for (unsigned i = 0; i < g->unit_count; i++)
        if ((g->stripe.relied >> i & 1) != 0 && is_pending(g, i))
            g->late |= 1U << i;
    g->avoid |= g->late;
    g->finished_ms = now_ms; /* the others get their time, too */
}

static int silence_limit(const struct group_in *g, const struct unit_in *in)
{
    return unit_in_events(in) == POLLOUT ? g->env->timeouts.connect_ms : g->env->timeouts.read_ms;
}

static int64_t silent_until(const struct group_in *g, unsigned i)
{
    const struct unit_in *in = g->units[i].in;
    int limit =
        unit_in_events(in) == POLLOUT ? g->env->timeouts.connect_ms : g->env->timeouts.read_ms;
    int64_t since = unit_in_heard_ms(in);
    return limit == 0 ? INT64_MAX : (since > g->began_ms ? since : g->began_ms) + limit;
}

/* Waits for something to come, or for the time when somebody must be given up. *ret_ready: units
 * to get on with. */
static void wait_for_units(struct group_in *g, uint32_t *ret_ready, bool *ret_changed)
{
    struct pollfd polled[EC_MAX_UNITS];
    unsigned who[EC_MAX_UNITS];
    nfds_t count = 0;
    int64_t until = late_at(g);
    for (unsigned i = 0; i < g->unit_count; i++) {
        struct unit_in *in = g->units[i].in;
        if (in == NULL || (unit_in_started(in) && !is_pending(g, i)))
            continue;
        who[count] = i;
        polled[count++] = (struct pollfd){.fd = unit_in_fd(in), .events = unit_in_events(in)};
        if (silent_until(g, i) < until)
            until = silent_until(g, i);
    }
    CHECK(count > 0);
    int64_t left = until - clock_monotonic_ms();
    int timeout = until == INT64_MAX ? -1 : left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
    (void)poll(polled, count, timeout); /* interrupted: as if nothing had come */
    int64_t now = clock_monotonic_ms();
    *ret_ready = 0;
    for (nfds_t n = 0; n < count; n++) {
        struct err why = {0};
        if (polled[n].revents != 0) {
            *ret_ready |= 1U << who[n];
        } else if (now >= silent_until(g, who[n])) {
            (void)fail(&why, ERR_TIMEOUT, "no byte for %d ms",
                       silence_limit(g, g->units[who[n]].in));
            unit_failed(g, who[n], &why);
            *ret_changed = true;
        }
    }
    if (*ret_ready == 0 && now >= late_at(g)) {
        call_late(g, now);
        *ret_changed = true;
    }
}

static int need_decoder(struct group_in *g, uint32_t want, struct err *err)
{
    uint32_t have = g->stripe.inputs;
    if (g->decoder != NULL && g->decoder_have == have && g->decoder_want == want)
        return 0;
    ec_decoder_free(take_ptr(&g->decoder));
    TRY(ec_decoder_new(g->coder, have, want, &g->decoder, err));
    g->decoder_have = have;
    g->decoder_want = want;
    return 0;
}

static bool same_span(struct rd_span a, struct rd_span b)
{
    return a.from == b.from && a.to == b.to;
}

static uint8_t *input_of(struct group_in *g, unsigned i)
{
    const struct rd_stripe *s = &g->stripe;
    struct cell *c = &g->cells[i];
    if (s->size[i] <= s->rebuild.from)
        return NULL;
    if (s->size[i] < s->rebuild.to)
        memset(c->at + (s->size[i] - c->base), 0, s->rebuild.to - s->size[i]);
    return c->at + (s->rebuild.from - c->base);
}

/* Computes the wanted columns of the units in `lost` into the caller's memory. */
static int decode(struct group_in *g, uint32_t lost, struct err *err)
{
    const struct rd_stripe *s = &g->stripe;
    uint8_t *units[EC_MAX_UNITS] = {0};
    TRY(need_decoder(g, lost, err));
    for (unsigned i = 0; i < g->unit_count; i++) {
        uint8_t *old = NULL;
        if ((s->inputs >> i & 1) != 0)
            units[i] = input_of(g, i);
        if ((lost >> i & 1) == 0)
            continue;
        close_stream(g, i); /* its bytes would go where the rebuilt ones are */
        if (same_span(s->want[i], s->rebuild)) {
            units[i] = place_of(g, i, s->want[i].from);
            continue;
        }
        TRY(more_scratch(&g->cells[i], rd_span_size(s->rebuild), &old, err));
        free(old);
        units[i] = g->cells[i].scratch;
    }
    ec_decode(g->decoder, rd_span_size(s->rebuild), units);
    for (unsigned i = 0; i < g->unit_count; i++)
        if ((lost >> i & 1) != 0 && !same_span(s->want[i], s->rebuild))
            memcpy(place_of(g, i, s->want[i].from), units[i] + (s->want[i].from - s->rebuild.from),
                   rd_span_size(s->want[i]));
    return 0;
}

/* Who was late and is still out is left alone as long as possible. Who was avoided and has
 * delivered is trusted again. */
static void settle(struct group_in *g)
{
    for (unsigned i = 0; i < g->unit_count; i++) {
        uint32_t bit = 1U << i;
        if ((g->avoid & g->done & bit) != 0) {
            g->avoid &= ~bit;
            g->slow &= ~bit;
            g->owner->worked(g->owner->arg, g->block->locs[g->units[i].node]);
        } else if ((g->late & ~g->lost & bit) != 0) {
            struct err why = {0};
            (void)fail(&why, ERR_TIMEOUT, "much slower than the others");
            blame(g, i, &why);
            close_stream(g, i);
            g->slow |= bit;
        }
    }
    g->late = 0;
}

static void end_stripe(struct group_in *g)
{
    for (unsigned i = 0; i < g->unit_count; i++) {
        if (g->units[i].in != NULL && unit_in_busy(g->units[i].in) > 0)
            close_stream(g, i); /* keeps (3) */
        g->cells[i].got = (struct rd_span){0, 0};
        g->cells[i].at = NULL;
    }
}

static int finish(struct group_in *g, uint32_t lost, struct err *err)
{
    const struct rd_stripe *s = &g->stripe;
    if (lost != 0)
        TRY(decode(g, lost, err));
    for (unsigned i = 0; i < g->unit_count; i++) {
        if ((s->wanted & ~lost & 1U << i) == 0)
            continue;
        uint8_t *to = place_of(g, i, s->want[i].from);
        const uint8_t *from = g->cells[i].at + (s->want[i].from - g->cells[i].base);
        if (to != from)
            memcpy(to, from, rd_span_size(s->want[i]));
    }
    settle(g);
    return 0;
}

/* More of this stripe will be read soon: lets the nodes begin. */
static void start_others(struct group_in *g, uint64_t from, uint64_t to)
{
    struct rd_stripe rest;
    rd_stripe_init(&rest, g->group, from, to);
    for (unsigned i = 0; i < g->unit_count; i++) {
        struct err why = {0};
        if ((rest.wanted & ~g->stripe.wanted & ~g->lost & ~g->avoid & 1U << i) == 0 ||
            g->units[i].in != NULL)
            continue;
        if (open_stream(g, i, rest.row + rest.want[i].from, 0, &why) != 0)
            unit_failed(g, i, &why);
    }
}

/* Until all is there; *ret_done false: something must be rebuilt, and `whole` is false. */
static int work(struct group_in *g, bool whole, bool *ret_done, struct err *err)
{
    uint32_t lost, ready = UINT32_MAX;
    bool changed = true;
    for (;;) {
        if (changed) {
            TRY(plan(g, err));
            if (g->stripe.missing != 0 && !whole)
                return 0;
            changed = false;
            ready = UINT32_MAX;
        }
        advance_all(g, ready, &changed);
        if (rd_stripe_ready(&g->stripe, g->done, &lost))
            break;
        if (!changed)
            wait_for_units(g, &ready, &changed);
    }
    *ret_done = true;
    return finish(g, lost, err);
}

/* The bytes [from, to), of one stripe, into data. */
static int fill(struct group_in *g, uint8_t *data, uint64_t from, uint64_t to, uint64_t stripe_end,
                bool *ret_done, struct err *err)
{
    *ret_done = false;
    g->data = data;
    g->from = from;
    g->done = 0;
    g->began_ms = g->finished_ms = clock_monotonic_ms();
    rd_stripe_init(&g->stripe, g->group, from, to);
    if (to < stripe_end)
        start_others(g, from, stripe_end);
    int rc = work(g, to == stripe_end, ret_done, err);
    end_stripe(g);
    return rc;
}

static int fill_kept(struct group_in *g, uint64_t to, struct err *err)
{
    const struct ec_policy *p = &g->group->policy;
    bool done;
    if (g->kept == NULL)
        g->kept = malloc((size_t)p->cell_size * p->data_units);
    if (g->kept == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a stripe");
    TRY(fill(g, g->kept, g->position, to, to, &done, err));
    CHECK(done);
    g->kept_from = g->position;
    g->kept_to = to;
    return 0;
}

static size_t from_kept(struct group_in *g, void *data, size_t size)
{
    uint64_t left = g->kept_to - g->position;
    size_t n = size < left ? size : (size_t)left;
    memcpy(data, g->kept + (g->position - g->kept_from), n);
    g->position += n;
    return n;
}

int group_in_read(struct group_in *g, void *data, size_t size, size_t *ret, struct err *err)
{
    uint64_t stripe = (uint64_t)g->group->policy.cell_size * g->group->policy.data_units;
    uint64_t last = g->position / stripe * stripe + stripe;
    *ret = 0;
    if (g->position == g->end || size == 0)
        return 0;
    if (g->position >= g->kept_from && g->position < g->kept_to) {
        *ret = from_kept(g, data, size);
        return 0;
    }
    last = last < g->end ? last : g->end;
    uint64_t to = size < last - g->position ? g->position + size : last;
    bool done;
    TRY(fill(g, data, g->position, to, last, &done, err));
    if (!done) {
        TRY(fill_kept(g, last, err));
        *ret = from_kept(g, data, size);
        return 0;
    }
    *ret = (size_t)(to - g->position);
    g->position = to;
    return 0;
}

uint64_t group_in_position(const struct group_in *g)
{
    return g->position;
}

uint64_t group_in_end(const struct group_in *g)
{
    return g->end;
}

void group_in_skip(struct group_in *g, uint64_t size)
{
    uint64_t left = g->end - g->position;
    g->position += size < left ? size : left;
}

void group_in_close(struct group_in *g)
{
    if (g == NULL)
        return;
    for (unsigned i = 0; i < g->unit_count; i++) {
        close_stream(g, i);
        free(g->cells[i].scratch);
    }
    ec_decoder_free(g->decoder);
    free(g->kept);
    free(g);
}
