/* peer.c - the life of a model DataNode. See sim.h.
 * Like Hadoop's it has one thread for its NameNode: it registers, beats, tells changes and reports,
 * one call after the other. A call that isn't answered in time is given up and what it told is told
 * again, while the first one may still arrive. */
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { BEAT_MS = 3 * SECOND, PATIENCE_MS = 12 * SECOND };

static event_fn wake, arrive, answered, given_up;

void peer_wake(struct sim *s, struct peer *p, int64_t at)
{
    if (p->waking)
        return;
    p->waking = true;
    sim_at(s, at, wake, p, p->incarnation);
}

void peer_init(struct sim *s, uint32_t i)
{
    struct peer *p = &s->peers[i];
    *p = (struct peer){.id = i, .rack = i % s->o.racks, .up = true, .slowness = 1};
    if (chance(s, 8))
        p->slowness = (uint32_t)between(s, 2, 12);
    peer_wake(s, p, s->now + between(s, 0, 5 * SECOND));
}

static void send(struct sim *s, struct peer *p, enum message_kind kind)
{
    struct message *m = say_new(s, p, kind);
    p->out = m;
    int64_t delay = between(s, 1, 20 * (int64_t)p->slowness);
    m->refs++;
    sim_at(s, s->now + PATIENCE_MS, given_up, m, p->id);
    bool lost = p->cut || (s->faults && chance(s, 150));
    m->lost_answer = s->faults && chance(s, 150);
    if (s->faults && chance(s, 400)) /* arrives when it was given up; see README */
        delay = PATIENCE_MS + between(s, 5, 40) * SECOND;
    if (lost)
        return;
    m->refs++;
    sim_at(s, s->now + delay, arrive, m, p->id);
}

/* What is due first: registration, heartbeat, changes, report. */
static void act(struct sim *s, struct peer *p)
{
    if (!p->registered) {
        send(s, p, SAY_REGISTER);
    } else if (p->beat_due <= s->now) {
        p->beat_due = s->now + BEAT_MS;
        send(s, p, SAY_BEAT);
    } else if (p->changes.count > 0 && (p->changes_due <= s->now || p->lease != 0)) {
        p->changes_due = s->now + s->changes_interval_ms;
        send(s, p, SAY_CHANGES);
    } else if (p->lease != 0) {
        send(s, p, SAY_REPORT);
    } else {
        int64_t next = p->beat_due;
        if (p->changes.count > 0 && p->changes_due < next)
            next = p->changes_due;
        peer_wake(s, p, next);
    }
}

static void wake(struct sim *s, void *ctx, uint64_t arg)
{
    struct peer *p = ctx;
    if ((uint32_t)arg != p->incarnation)
        return;
    p->waking = false;
    if (!p->up || p->out != NULL)
        return;
    if (p->paused_until > s->now)
        peer_wake(s, p, p->paused_until);
    else
        act(s, p);
}

/* ---- on the way ---- */

/* What was told and may have been lost is told again, unless something newer is to be told. */
static void tell_again(struct peer *p, struct message *m)
{
    struct told_list later = p->changes;
    p->changes = m->sent;
    m->sent = (struct told_list){0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->changes.count; i++) {
        bool newer = false;
        for (uint32_t k = 0; k < later.count; k++)
            newer |=
                later.at[k].id == p->changes.at[i].id && later.at[k].disk == p->changes.at[i].disk;
        if (!newer)
            p->changes.at[kept++] = p->changes.at[i];
    }
    p->changes.count = kept;
    for (uint32_t k = 0; k < later.count; k++)
        told_push(&p->changes, &later.at[k]);
    free(later.at);
}

static void release(struct sim *s, struct peer *p)
{
    p->out = NULL;
    peer_wake(s, p, s->now + 1);
}

static void given_up(struct sim *s, void *ctx, uint64_t arg)
{
    struct message *m = ctx;
    struct peer *p = m->from;
    (void)arg;
    if (p->out == m && p->incarnation == m->incarnation) {
        if (!p->cut)
            sim_trace(s, "gives a call up", p->id, 0, (uint64_t)m->kind, 0);
        if (m->kind == SAY_CHANGES) {
            /* the message keeps its own list: it may still arrive */
            struct told_list copy = {0};
            for (uint32_t i = 0; i < m->sent.count; i++)
                told_push(&copy, &m->sent.at[i]);
            tell_again(p, m);
            m->sent = copy;
        }
        if (m->kind == SAY_REPORT)
            p->lease = 0;
        release(s, p);
    }
    say_unref(m);
}

/* Old news about a block on which there is newer news is kept out: no NameNode could tell. */
static bool is_outdated(struct sim *s, const struct message *m)
{
    for (uint32_t i = 0; i < m->sent.count; i++) {
        const struct told *t = &m->sent.at[i];
        struct truth *truth = truth_of(s, t->id);
        const struct held *h = truth == NULL ? NULL : held_find(truth, m->from->id);
        bool deleted = t->status == BLOCK_DELETED;
        if (h == NULL || h->disk != t->disk || h->gone != deleted || h->stamp != t->stamp)
            return true;
    }
    return false;
}

static void turn(struct sim *s, void *ctx, uint64_t arg);

static void done(struct sim *s, struct message *m)
{
    if (m->lost_answer)
        say_unref(m);
    else
        sim_at(s, s->now + between(s, 1, 20), answered, m, m->from->id);
}

static void arrive(struct sim *s, void *ctx, uint64_t arg)
{
    struct message *m = ctx;
    struct peer *p = m->from;
    bool late = p->out != m || p->incarnation != m->incarnation;
    (void)arg;
    s->counts.stale_reports += late;
    /* a machine that was started anew has new connections, as has everybody with a new NameNode */
    if (s->nn_down || m->epoch != s->epoch || p->incarnation != m->incarnation || p->cut ||
        (late && (is_outdated(s, m) || m->kind == SAY_REGISTER))) {
        say_unref(m);
        return;
    }
    if (say_arrive(s, m)) {
        done(s, m);
        return;
    }
    m->next = s->turns;
    s->turns = m;
    sim_at(s, s->now + 2, turn, m, p->id);
}

/* A report that is taken in slices; the pointer may be old when all turns were finished at once. */
static void turn(struct sim *s, void *ctx, uint64_t arg)
{
    struct message **link = &s->turns;
    (void)arg;
    while (*link != NULL && *link != ctx)
        link = &(*link)->next;
    struct message *m = *link;
    if (m == NULL)
        return;
    if (!say_arrive(s, m)) {
        sim_at(s, s->now + between(s, 1, 300), turn, m, m->from->id);
        return;
    }
    *link = m->next;
    done(s, m);
}

static void take_answer(struct sim *s, struct peer *p, struct message *m)
{
    if (m->must_register) {
        p->registered = false;
        p->lease = 0;
        return;
    }
    switch (m->kind) {
    case SAY_REGISTER:
        p->registered = m->rc == 0;
        p->beat_due = s->now;
        p->report_due = s->now + between(s, 0, 20 * SECOND);
        p->lease = 0;
        s->counts.registrations++;
        sim_trace(s, "is registered", p->id, 0, p->incarnation, 0);
        break;
    case SAY_BEAT:
        s->counts.beats++;
        p->lease = m->lease;
        orders_run(s, p, m->orders, m->order_count);
        break;
    case SAY_CHANGES:
        s->counts.changes += m->sent.count;
        if (m->rc != 0)
            tell_again(p, m);
        break;
    case SAY_REPORT:
        p->lease = 0;
        s->counts.reports += m->rc == 0;
        if (m->rc == 0)
            p->report_due = s->now + s->report_interval_ms;
        break;
    }
}

static void answered(struct sim *s, void *ctx, uint64_t arg)
{
    struct message *m = ctx;
    struct peer *p = m->from;
    (void)arg;
    if (p->out == m && p->incarnation == m->incarnation && !p->cut && m->epoch == s->epoch) {
        take_answer(s, p, m);
        release(s, p);
    }
    arena_fini(&m->rpc.arena); /* the timer that gives it up may hold it for long */
    say_unref(m);
}

void peer_change(struct sim *s, struct peer *p, const struct held *h, uint64_t id,
                 enum received_status status)
{
    struct told t = {id, h->stamp, h->length, (uint8_t)status, h->disk};
    struct told_list *l = &p->changes;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->count; i++) /* the newest counts */
        if (l->at[i].id != id || l->at[i].disk != h->disk)
            l->at[kept++] = l->at[i];
    l->count = kept;
    told_push(l, &t);
    if (p->up && p->out == NULL)
        peer_wake(s, p, s->now + 1);
}

/* ---- bad days ---- */

void peer_crash(struct sim *s, struct peer *p)
{
    sim_trace(s, "crashes", p->id, 0, 0, 0);
    s->counts.crashes++;
    p->up = p->registered = p->waking = false;
    p->incarnation++;
    p->out = NULL;
    p->lease = 0;
    p->copies = 0;
    p->changes.count = 0;
}

void peer_restart(struct sim *s, struct peer *p)
{
    sim_trace(s, "starts again", p->id, 0, 0, 0);
    p->up = true;
    p->cut = false;
    p->paused_until = 0;
    p->failed_volumes = 0;
    for (uint32_t d = 0; d < SIM_DISKS; d++)
        if (p->disk_bad[d]) {
            p->disk_bad[d] = false; /* a new one is in its place */
            p->disk_number[d]++;
        }
    for (size_t i = 0; i < s->truth_count; i++) {
        struct held *h = s->truths[i] == NULL ? NULL : held_here(s->truths[i], p->id);
        if (h == NULL || h->state != REPLICA_RBW)
            continue;
        h->state = REPLICA_RWR;
        if (chance(s, 4)) /* what wasn't synced */
            h->length = rng_below(&s->rng, h->length + 1);
    }
    peer_wake(s, p, s->now + between(s, 0, 3 * SECOND));
}

void peer_lose_disk(struct sim *s, struct peer *p, uint32_t disk, bool replaced)
{
    sim_trace(s, "loses a disk", p->id, 0, disk, replaced);
    for (size_t i = 0; i < s->truth_count; i++) {
        struct held *h = s->truths[i] == NULL ? NULL : held_here(s->truths[i], p->id);
        if (h == NULL || h->disk != disk)
            continue;
        truth_damage(s, s->truths[i], h);
        sim_trace(s, "replica lost with its disk", p->id, s->truths[i]->id, disk, 0);
        held_drop(s, h);
    }
    if (replaced) {
        p->disk_number[disk]++;
    } else {
        p->disk_bad[disk] = true;
        p->failed_volumes++;
    }
}
