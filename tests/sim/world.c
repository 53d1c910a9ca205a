/* world.c - the clock, what happens next, and what happened. See sim.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { TRACE_MAX = 1 << 21, SHOWN_MAX = 120 };
#define NO_PEER UINT32_MAX

static bool sooner(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void *sim_grow(void *at, size_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return at;
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    void *bigger = realloc(at, *capacity * size);
    CHECK(bigger != NULL);
    return bigger;
}

void sim_at(struct sim *s, int64_t at, event_fn *run, void *ctx, uint64_t arg)
{
    if (s->heap_count == s->heap_capacity) {
        s->heap_capacity = s->heap_capacity == 0 ? 256 : s->heap_capacity * 2;
        s->heap = realloc(s->heap, s->heap_capacity * sizeof(*s->heap));
        CHECK(s->heap != NULL);
    }
    struct event e = {at < s->now ? s->now : at, s->next_order++, run, ctx, arg};
    size_t i = s->heap_count++;
    for (; i > 0 && sooner(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
}

static struct event pop(struct sim *s)
{
    struct event first = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0;
    for (size_t k; (k = 2 * i + 1) < s->heap_count; i = k) {
        if (k + 1 < s->heap_count && sooner(&s->heap[k + 1], &s->heap[k]))
            k++;
        if (!sooner(&s->heap[k], &last))
            break;
        s->heap[i] = s->heap[k];
    }
    s->heap[i] = last;
    return first;
}

static void mix(struct sim *s, uint64_t v)
{
    s->fingerprint = (s->fingerprint ^ v) * 0x100000001b3ULL;
    s->fingerprint ^= s->fingerprint >> 29;
}

void sim_run_until(struct sim *s, int64_t at)
{
    while (s->heap_count > 0 && s->heap[0].at <= at) {
        struct event e = pop(s);
        s->now = e.at;
        s->counts.events++;
        mix(s, (uint64_t)e.at);
        mix(s, e.arg);
        e.run(s, e.ctx, e.arg);
    }
    s->now = at;
}

/* ---- trace ---- */

void sim_trace(struct sim *s, const char *what, uint32_t peer, uint64_t block, uint64_t a,
               uint64_t b)
{
    mix(s, block);
    mix(s, peer + a * 31 + b * 1009);
    if (s->trace_count == s->trace_capacity) {
        if (s->trace_capacity == TRACE_MAX) { /* the older half goes */
            s->trace_count = TRACE_MAX / 2;
            memmove(s->trace, s->trace + TRACE_MAX / 2, s->trace_count * sizeof(*s->trace));
        } else {
            s->trace_capacity = s->trace_capacity == 0 ? 4096 : s->trace_capacity * 2;
            s->trace = realloc(s->trace, s->trace_capacity * sizeof(*s->trace));
            CHECK(s->trace != NULL);
        }
    }
    s->trace[s->trace_count++] = (struct trace_line){s->now, what, peer, block, a, b};
}

static bool concerns(struct sim *s, const struct trace_line *l, uint64_t block, uint32_t peer)
{
    if (block != 0 && l->block == block)
        return true;
    if (l->block != 0)
        return false;
    if (l->peer == NO_PEER || l->peer == peer)
        return true;
    struct truth *t = block == 0 ? NULL : truth_of(s, block);
    return t != NULL && held_find(t, l->peer) != NULL;
}

static void show_line(const struct trace_line *l)
{
    fprintf(stderr, "  %9.3f %-28s", (double)l->at / SECOND, l->what);
    if (l->peer != NO_PEER)
        fprintf(stderr, " peer=%u", l->peer);
    if (l->block != 0)
        fprintf(stderr, " block=%llu", (unsigned long long)l->block);
    fprintf(stderr, " %llu %llu\n", (unsigned long long)l->a, (unsigned long long)l->b);
}

static void show_truth(struct sim *s, uint64_t block)
{
    struct truth *t = block == 0 ? NULL : truth_of(s, block);
    struct block_info info;
    handle_t h;
    if (t == NULL)
        return;
    if (truth_info(s, t, &info, &h)) {
        struct replica_counts n;
        blocks_count(blocks_in(s), h, &n);
        fprintf(stderr,
                "  the NameNode: state %d stamp %llu length %llu wanted %u live %u corrupt %u "
                "excess %u stale %u pending %u\n",
                info.state, (unsigned long long)info.generation_stamp,
                (unsigned long long)info.length, info.replication, n.live, n.corrupt, n.excess,
                n.stale, n.pending);
    } else {
        fprintf(stderr, "  the NameNode doesn't know the block\n");
    }
    fprintf(stderr, "  made %u destroyed %u\n", t->made, t->destroyed);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct held *r = &t->at[i];
        fprintf(stderr,
                "  on peer %u disk %u: state %u stamp %llu length %llu%s%s%s%s, peer %s%s\n",
                r->peer, r->disk, r->state, (unsigned long long)r->stamp,
                (unsigned long long)r->length, r->gone ? " gone" : "", r->rotten ? " rotten" : "",
                r->hurt ? " hurt" : "", r->told ? " told" : "",
                s->peers[r->peer].up ? "up" : "down", s->peers[r->peer].cut ? " cut off" : "");
    }
}

/* The last lines that name the block, its nodes, or everybody. */
void sim_fail(struct sim *s, uint64_t block, uint32_t peer, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "seed %llu, %.3f s: ", (unsigned long long)s->o.seed, (double)s->now / SECOND);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    show_truth(s, block);
    size_t from = s->trace_count, shown = 0;
    while (from > 0 && shown < SHOWN_MAX)
        shown += concerns(s, &s->trace[--from], block, peer);
    for (; from < s->trace_count; from++)
        if (concerns(s, &s->trace[from], block, peer))
            show_line(&s->trace[from]);
    fprintf(stderr, "again: dfs-sim --first %llu --seeds 1\n", (unsigned long long)s->o.seed);
    fflush(stderr);
    _Exit(1);
}
