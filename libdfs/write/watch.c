/* watch.c - which node of a silent pipeline is to blame.
 * Pure: the caller passes the time, and what a probe of the nodes' RPC ports has found so far. See
 * README.md for the algorithm. Invariants: (1) nobody is blamed while none of the nodes answers a
 * probe (it may be us, or the network, or ports that a firewall closes), until the patience of the
 * socket time-outs ends; (2) time in which we ourselves didn't run counts for nobody. */
#include "libdfs/write/write.h"

enum {
    PROBE_AFTER_MS = 1000, /* silence before the nodes are asked */
    ANSWER_MS = 3000,      /* a process that is at work answers within this */
    PROBE_AGAIN_MS = 1000, /* pause after a probe that accused nobody */
    PROMPT_MS = 500,       /* answers so quick show that the machine isn't just busy */
    LAG_MS = 5000,         /* the write of one node blocks, the others' have ended */
    LAG_SYNC_MS = 30000,   /* the same while it syncs */
    STEP_MS = 1000,        /* steps are due five times as often */
};

void wr_watch_start(struct wr_watch *w, int64_t now_ms)
{
    *w = (struct wr_watch){.since_ms = now_ms, .looked_ms = now_ms, .lag_position = -1};
}

void wr_watch_probing(struct wr_watch *w, int64_t now_ms)
{
    w->probe_ms = now_ms;
}

const char *wr_watch_reason(const struct wr_watch *w)
{
    return w->reason != NULL ? w->reason : "no answer";
}

static void end_probe(struct wr_watch *w, int64_t now_ms)
{
    w->probe_ms = 0;
    w->next_probe_ms = now_ms + PROBE_AGAIN_MS;
}

/* Bytes reach a node's disk after its mirror and are acknowledged from the end: behind a stuck disk
 * all nodes have acknowledged more than that one. *ret_step: there is such a step. */
static int find_lag(const struct wr_watch_case *c, bool *ret_step)
{
    *ret_step = false;
    for (unsigned i = 0; i < c->nodes; i++)
        if (!c->signs[i].has_length || c->signs[i].took_ms > PROMPT_MS)
            return -1;
    for (int i = (int)c->nodes - 2; i >= 0; i--)
        if (c->signs[i].length < c->signs[i + 1].length) {
            *ret_step = true;
            return i;
        }
    return c->signs[c->nodes - 1].length < c->sent ? (int)c->nodes - 1 : -1;
}

static bool blame_lag(struct wr_watch *w, int64_t now_ms, const struct wr_watch_case *c,
                      uint64_t *ret_blamed)
{
    bool step;
    int at = find_lag(c, &step);
    bool same = at >= 0 && at == w->lag_position && c->signs[at].length == w->lag_length;
    w->lag_rounds = same ? w->lag_rounds + 1 : 1;
    w->lag_position = at;
    if (at < 0)
        return false;
    w->lag_length = c->signs[at].length;
    int64_t limit = c->syncing ? LAG_SYNC_MS : LAG_MS;
    if (!step) /* the last one's disk, or any link: not as clear */
        limit *= 2;
    if (c->nodes < 2 || w->lag_rounds < 3 || now_ms - w->since_ms < limit)
        return false;
    w->reason = "its process answers, but it has not acknowledged data";
    *ret_blamed = 1ULL << at;
    return true;
}

enum { UNDECIDED, INNOCENT, GUILTY };

/* A refusal is as sure as an answer; for silence the time must be up. */
static int judge(struct wr_watch *w, int64_t now_ms, const struct wr_watch_case *c,
                 uint64_t *ret_blamed)
{
    uint64_t refused = 0, silent = 0;
    unsigned answered = 0;
    for (unsigned i = 0; i < c->nodes; i++) {
        if (c->signs[i].answered)
            answered++;
        else if (c->signs[i].done)
            refused |= 1ULL << i;
        else
            silent |= 1ULL << i;
    }
    bool time_up = now_ms - w->probe_ms >= ANSWER_MS;
    if (answered > 0 && (refused != 0 || (time_up && silent != 0))) {
        w->reason = "no acknowledgement, nor an answer to a probe,";
        *ret_blamed = time_up ? refused | silent : refused;
        end_probe(w, now_ms);
        return GUILTY;
    }
    if (!time_up && silent != 0)
        return UNDECIDED;
    end_probe(w, now_ms);
    return answered == c->nodes && blame_lag(w, now_ms, c, ret_blamed) ? GUILTY : INNOCENT;
}

enum wr_watch_action wr_watch_step(struct wr_watch *w, int64_t now_ms,
                                   const struct wr_watch_case *c, uint64_t *ret_blamed)
{
    int64_t gap = now_ms - w->looked_ms;
    w->looked_ms = now_ms;
    if (gap > STEP_MS) { /* (2) */
        w->since_ms += gap;
        if (w->probe_ms != 0)
            w->probe_ms += gap;
    }
    if (c->patience_ms > 0 && now_ms - w->since_ms > c->patience_ms) {
        w->reason = "no acknowledgement";
        *ret_blamed = 1ULL << (w->lag_position >= 0 ? w->lag_position : 0);
        return WR_WATCH_BLAME;
    }
    if (w->probe_ms != 0 && c->signs_known)
        return judge(w, now_ms, c, ret_blamed) == GUILTY ? WR_WATCH_BLAME : WR_WATCH_WAIT;
    if (w->probe_ms == 0 && now_ms - w->since_ms >= PROBE_AFTER_MS && now_ms >= w->next_probe_ms)
        return WR_WATCH_PROBE;
    return WR_WATCH_WAIT;
}
