/* moves.c - many moves at a time: who may take part in how many, and what became of them.
 * Threads: main's starts and waits; each move has a worker. `lock` guards all but the options. */
#include <pthread.h>
#include <stdlib.h>

#include "cli/moves/moves.h"
#include "common/io/io.h"
#include "common/obs/obs.h"

enum { PAUSE_MS = 10000 }; /* of a node after a failed move */

struct pinned {
    uint64_t id;
    size_t source;
};
struct load {
    unsigned moves;
    int64_t paused_until_ms;
};
struct moves {
    struct moves_options options;
    const struct move_nodes *nodes;
    struct workers *workers;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct load *load; /* of each node */
    unsigned under_way;
    struct moves_result result;
    struct pinned *pinned;
    size_t pinned_count;
};
struct task {
    struct moves *moves;
    struct move_order order;
};

int moves_new(const struct moves_options *o, const struct move_nodes *nodes, struct moves **ret,
              struct err *err)
{
    struct moves *m = text_alloc(sizeof(*m));
    pthread_condattr_t attr;
    *m = (struct moves){.options = *o, .nodes = nodes};
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&m->ended, &attr) == 0);
    pthread_condattr_destroy(&attr);
    m->load = text_alloc((nodes->count + 1) * sizeof(*m->load));
    m->workers = workers_new("mover", o->threads);
    if (m->workers == NULL) {
        moves_free(m);
        return fail(err, ERR_NO_MEMORY, "no memory for the threads of moves");
    }
    *ret = m;
    return 0;
}

void moves_free(struct moves *m)
{
    if (m == NULL)
        return;
    if (m->workers != NULL)
        workers_free(m->workers);
    pthread_cond_destroy(&m->ended);
    pthread_mutex_destroy(&m->lock);
    text_free(m->load);
    text_free(m->pinned);
    text_free(m);
}

bool moves_paused(struct moves *m, size_t node)
{
    pthread_mutex_lock(&m->lock);
    bool paused = clock_monotonic_ms() < m->load[node].paused_until_ms;
    pthread_mutex_unlock(&m->lock);
    return paused;
}

bool moves_may(struct moves *m, size_t node)
{
    if (moves_paused(m, node))
        return false;
    pthread_mutex_lock(&m->lock);
    bool may = m->load[node].moves < m->options.per_node && m->under_way < m->options.threads;
    pthread_mutex_unlock(&m->lock);
    return may;
}

static void count(struct moves *m, const struct move_order *o, int change)
{
    m->under_way += (unsigned)change;
    m->load[o->target].moves += (unsigned)change;
    if (o->proxy != o->target)
        m->load[o->proxy].moves += (unsigned)change;
}

/* With the lock. */
static void note_failure(struct moves *m, const struct move_order *o, bool pinned)
{
    m->result.failed++;
    if (pinned) {
        m->pinned = text_grow(m->pinned, (m->pinned_count + 1) * sizeof(*m->pinned));
        m->pinned[m->pinned_count++] = (struct pinned){o->id, o->source};
        return;
    }
    int64_t until_ms = clock_monotonic_ms() + PAUSE_MS;
    m->load[o->target].paused_until_ms = m->load[o->proxy].paused_until_ms = until_ms;
}

static void run(void *arg)
{
    struct task *t = arg;
    struct moves *m = t->moves;
    const struct move_order *o = &t->order;
    struct err err = {0};
    bool pinned;
    int rc = order_run(&m->options, m->nodes, o, &pinned, &err);
    if (rc != 0)
        log_warn("a move failed block=%lld from=%s to=%s:%s through=%s cause=%s", (long long)o->id,
                 m->nodes->items[o->source].name, m->nodes->items[o->target].name,
                 move_type_name(o->type), m->nodes->items[o->proxy].name, log_quote(err.text));
    else
        log_info("moved block=%lld bytes=%llu from=%s to=%s:%s through=%s", (long long)o->id,
                 (unsigned long long)o->length, m->nodes->items[o->source].name,
                 m->nodes->items[o->target].name, move_type_name(o->type),
                 m->nodes->items[o->proxy].name);
    pthread_mutex_lock(&m->lock);
    if (rc != 0)
        note_failure(m, o, pinned);
    else {
        m->result.blocks++;
        m->result.bytes += o->length;
    }
    count(m, o, -1);
    pthread_cond_broadcast(&m->ended);
    pthread_mutex_unlock(&m->lock);
    text_free(t);
}

void moves_start(struct moves *m, const struct move_order *order)
{
    struct task *t = text_alloc(sizeof(*t));
    *t = (struct task){m, *order};
    pthread_mutex_lock(&m->lock);
    count(m, order, 1);
    pthread_mutex_unlock(&m->lock);
    if (workers_submit(m->workers, run, t, m->options.threads) != 0)
        run(t); /* no thread could be had: then this one */
}

bool moves_wait(struct moves *m, int64_t timeout_ms)
{
    int64_t end_ms = clock_monotonic_ms() + timeout_ms;
    struct timespec end = {.tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000};
    pthread_mutex_lock(&m->lock);
    unsigned before = m->under_way;
    uint64_t done = m->result.blocks + m->result.failed;
    while (m->under_way > 0 && done == m->result.blocks + m->result.failed)
        if (pthread_cond_timedwait(&m->ended, &m->lock, &end) != 0)
            break;
    pthread_mutex_unlock(&m->lock);
    return before > 0;
}

void moves_finish(struct moves *m)
{
    while (moves_wait(m, 1000)) {
    }
}

struct moves_result moves_result(struct moves *m)
{
    pthread_mutex_lock(&m->lock);
    struct moves_result r = m->result;
    pthread_mutex_unlock(&m->lock);
    return r;
}

bool moves_pinned(struct moves *m, size_t i, uint64_t *ret_id, size_t *ret_source)
{
    pthread_mutex_lock(&m->lock);
    bool there = i < m->pinned_count;
    if (there) {
        *ret_id = m->pinned[i].id;
        *ret_source = m->pinned[i].source;
    }
    pthread_mutex_unlock(&m->lock);
    return there;
}
