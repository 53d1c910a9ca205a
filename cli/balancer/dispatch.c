/* dispatch.c - the moves of one iteration.
 * Each source has the tasks of the plan and a list of blocks, fetched when it runs out. Round and
 * round, each source starts one move if it finds a block that fits a task, a target and a proxy
 * (any node with a replica, one on the target's rack first) that may take part in one more. When
 * nothing can be started, it waits for a move to end.
 * A block that was moved in this iteration isn't looked at again, whatever came of it: only the
 * next answer of the NameNode tells where it is. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/balancer/internal.h"
#include "common/io/io.h"
#include "common/obs/obs.h"

enum { ANSWER_MEMORY = 512 << 20, WAIT_MS = 1000 };

/* Ids of blocks; open addressing, 0: free. */
struct id_set {
    uint64_t *at;
    size_t count, room;
};

struct source {
    size_t group;
    struct candidate *blocks;
    size_t count, room;
    struct id_set seen; /* blocks that came; one that doesn't fit won't do so later */
    uint64_t scheduled; /* bytes that its tasks still want */
    uint64_t to_receive;
    int64_t moved_ms; /* when it last started a move */
    bool done;
};

struct iteration {
    struct cluster *cluster;
    const struct dispatch_settings *settings;
    struct plan *plan;
    const struct move_nodes *nodes;
    struct moves *moves;
    struct source *sources;
    size_t count;
    struct id_set moved; /* those whose moves were started */
    int64_t start_ms, next_call_ms;
};

/* --- sets of blocks --- */

/* The place of an id, or where it belongs. */
static size_t id_place(const uint64_t *at, size_t room, uint64_t id)
{
    size_t i = (size_t)((id * 0x9e3779b97f4a7c15ULL) >> 32) & (room - 1);
    while (at[i] != 0 && at[i] != id)
        i = (i + 1) & (room - 1);
    return i;
}

static bool id_set_has(const struct id_set *s, uint64_t id)
{
    return s->room > 0 && s->at[id_place(s->at, s->room, id)] == id;
}

static void id_set_grow(struct id_set *s)
{
    size_t room = s->room == 0 ? 1024 : s->room * 2;
    uint64_t *at = text_alloc(room * sizeof(*at));
    for (size_t i = 0; i < s->room; i++)
        if (s->at[i] != 0)
            at[id_place(at, room, s->at[i])] = s->at[i];
    text_free(s->at);
    s->at = at;
    s->room = room;
}

/* False: it is in the set already. */
static bool id_set_add(struct id_set *s, uint64_t id)
{
    if (s->count * 2 >= s->room)
        id_set_grow(s);
    size_t i = id_place(s->at, s->room, id);
    if (s->at[i] == id)
        return false;
    s->at[i] = id;
    s->count++;
    return true;
}

static bool was_moved(const struct iteration *x, uint64_t id)
{
    return id_set_has(&x->moved, id);
}

/* --- blocks of a source --- */

static struct plan_group *group_of(const struct iteration *x, const struct source *s)
{
    return &x->plan->groups[s->group];
}

static bool fits_a_task(const struct iteration *x, const struct source *s,
                        const struct candidate *c)
{
    for (size_t i = 0; i < x->plan->task_count; i++) {
        const struct plan_task *t = &x->plan->tasks[i];
        if (t->source == s->group && t->size > 0 &&
            candidate_fits(c, x->nodes, group_of(x, s), &x->plan->groups[t->target]))
            return true;
    }
    return false;
}

static void add_block(struct iteration *x, struct source *s, const struct candidate *c)
{
    if (was_moved(x, c->id) || !id_set_add(&s->seen, c->id) || !fits_a_task(x, s, c))
        return;
    if (s->count == s->room) {
        s->room = s->room == 0 ? 256 : s->room * 2;
        s->blocks = text_grow(s->blocks, s->room * sizeof(*s->blocks));
    }
    s->blocks[s->count++] = *c;
}

static void keep_pace(struct iteration *x)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < x->next_call_ms)
        clock_sleep_ms(x->next_call_ms - now_ms);
    x->next_call_ms = clock_monotonic_ms() + 1000 / x->settings->calls_per_second;
}

/* *ret_bytes 0: the NameNode has nothing for it. */
static int fetch(struct iteration *x, struct source *s, uint64_t *ret_bytes, struct err *err)
{
    const struct dispatch_settings *d = x->settings;
    const struct plan_group *g = group_of(x, s);
    const Np__BlocksWithLocations *answer;
    struct arena arena;
    uint64_t size = d->blocks_size < s->to_receive ? d->blocks_size : s->to_receive;
    keep_pace(x);
    arena_init(&arena, ANSWER_MEMORY);
    int rc = cluster_blocks(x->cluster, &x->nodes->items[g->node], g->type, size, d->min_block,
                            d->hot_ms, &arena, &answer, err);
    *ret_bytes = 0;
    for (size_t i = 0; rc == 0 && i < answer->n_blocks; i++) {
        struct candidate c;
        struct move_order block;
        if (answer->blocks[i]->block->num_bytes < d->min_block ||
            !candidate_of(answer->blocks[i], x->nodes, &c))
            continue;
        *ret_bytes += candidate_block(&c, g, &block) ? block.length : c.length;
        add_block(x, s, &c);
    }
    arena_fini(&arena);
    return rc;
}

/* --- starting moves --- */

/* A replica that the target can fetch, the nearest first. */
static bool choose_proxy(struct iteration *x, const struct candidate *c,
                         const struct plan_group *target, struct move_order *o)
{
    const char *rack = x->nodes->items[target->node].rack;
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < c->count; i++) {
            size_t node = c->nodes[i];
            bool near = strcmp(x->nodes->items[node].rack, rack) == 0;
            if (c->data_blocks > 0 && node != o->source)
                continue; /* nobody else has the same internal block */
            if (near == (turn == 0) && moves_may(x->moves, node)) {
                o->proxy = node;
                return true;
            }
        }
    }
    return false;
}

static bool start_block(struct iteration *x, struct source *s, struct plan_task *t, size_t i)
{
    const struct candidate *c = &s->blocks[i];
    const struct plan_group *target = &x->plan->groups[t->target];
    struct move_order o;
    if (was_moved(x, c->id) || !candidate_fits(c, x->nodes, group_of(x, s), target) ||
        !candidate_block(c, group_of(x, s), &o) || !choose_proxy(x, c, target, &o))
        return false;
    o.target = target->node;
    o.type = target->type;
    (void)id_set_add(&x->moved, c->id); /* it isn't there: see above */
    s->scheduled -= o.length < s->scheduled ? o.length : s->scheduled;
    t->size -= o.length < t->size ? o.length : t->size;
    moves_start(x->moves, &o);
    s->blocks[i] = s->blocks[--s->count];
    return true;
}

static bool start_move(struct iteration *x, struct source *s)
{
    for (size_t k = 0; k < x->plan->task_count; k++) {
        struct plan_task *t = &x->plan->tasks[k];
        if (t->source != s->group || t->size == 0 ||
            !moves_may(x->moves, x->plan->groups[t->target].node))
            continue;
        for (size_t i = 0; i < s->count; i++)
            if (start_block(x, s, t, i))
                return true;
    }
    return false;
}

static void forget_moved(const struct iteration *x, struct source *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!was_moved(x, s->blocks[i].id))
            s->blocks[kept++] = s->blocks[i];
    s->count = kept;
}

/* No block came; the source waits for moves to end, but not for ever. */
static void wait_or_give_up(const struct iteration *x, struct source *s)
{
    int64_t idle_ms = clock_monotonic_ms() - s->moved_ms;
    s->done = s->count == 0 || idle_ms > x->settings->no_move_ms;
}

/* True: it did something. */
static int step(struct iteration *x, struct source *s, bool *ret_busy, struct err *err)
{
    uint64_t received;
    *ret_busy = true;
    if (s->scheduled == 0) {
        s->done = true;
        return 0;
    }
    if (start_move(x, s)) {
        s->moved_ms = clock_monotonic_ms();
        return 0;
    }
    forget_moved(x, s);
    if (s->to_receive > 0) {
        TRY(fetch(x, s, &received, err));
        s->to_receive -= received < s->to_receive ? received : s->to_receive;
        s->done = received == 0;
        return 0;
    }
    *ret_busy = false;
    wait_or_give_up(x, s);
    return 0;
}

static bool is_over(const struct iteration *x)
{
    const struct dispatch_settings *d = x->settings;
    return balancer_interrupted() ||
           (d->iteration_ms >= 0 && clock_monotonic_ms() - x->start_ms > d->iteration_ms);
}

static void run(struct iteration *x)
{
    for (bool left = true; left && !is_over(x);) {
        bool any = false;
        left = false;
        for (size_t i = 0; i < x->count && !is_over(x); i++) {
            struct source *s = &x->sources[i];
            struct err err = {0};
            bool busy = false;
            if (s->done)
                continue;
            if (step(x, s, &busy, &err) != 0) { /* as in Hadoop: this source, this time */
                log_warn("no blocks of a node node=%s cause=%s",
                         x->nodes->items[group_of(x, s)->node].name, log_quote(err.text));
                s->done = true;
            }
            any |= busy;
            left |= !s->done;
        }
        if (left && !any && !moves_wait(x->moves, WAIT_MS))
            clock_sleep_ms(WAIT_MS / 10); /* nodes pause */
    }
}

static void set_up(struct iteration *x)
{
    x->sources = text_alloc((x->plan->group_count + 1) * sizeof(*x->sources));
    for (size_t g = 0; g < x->plan->group_count; g++) {
        struct source s = {.group = g, .moved_ms = x->start_ms};
        for (size_t i = 0; i < x->plan->task_count; i++)
            if (x->plan->tasks[i].source == g)
                s.scheduled += x->plan->tasks[i].size;
        s.to_receive = 2 * s.scheduled;
        if (s.scheduled > 0)
            x->sources[x->count++] = s;
    }
}

int dispatch(struct cluster *c, const struct dispatch_settings *s, struct plan *p,
             const struct move_nodes *nodes, struct moves *moves, struct err *err)
{
    struct iteration x = {.cluster = c,
                          .settings = s,
                          .plan = p,
                          .nodes = nodes,
                          .moves = moves,
                          .start_ms = clock_monotonic_ms()};
    set_up(&x);
    run(&x);
    moves_finish(moves);
    for (size_t i = 0; i < x.count; i++) {
        text_free(x.sources[i].blocks);
        text_free(x.sources[i].seen.at);
    }
    text_free(x.sources);
    text_free(x.moved.at);
    if (balancer_interrupted())
        return fail(err, ERR_INTERRUPTED, "interrupted");
    return 0;
}
