/* reconf.c - one run: read, compare, apply.
 * Thread: the run's own; the others only start it and look.
 * Invariants: (1) one run at a time; (2) a key that could not be applied keeps its old value here,
 * so the next run tries it again; (3) the changes are published when the run is over. */
#include <stdlib.h>

#include "common/obs/obs.h"
#include "common/reconf/internal.h"

static const struct reconf_key *find_key(const struct reconf *r, const char *name)
{
    for (size_t i = 0; i < r->options.key_count; i++)
        if (strcmp(r->options.keys[i].name, name) == 0)
            return &r->options.keys[i];
    return NULL;
}

static void changes_free(struct reconf_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(changes[i].name);
        free(changes[i].old_value);
        free(changes[i].new_value);
        free(changes[i].error);
    }
    free(changes);
}

/* ---- what differs ---- */

struct difference {
    const struct conf *before, *now;
    struct reconf_change *items;
    size_t count, capacity;
    bool no_memory;
};

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void note(struct difference *d, const char *name)
{
    const char *before = conf_raw(d->before, name), *now = conf_raw(d->now, name);
    if (same(before, now))
        return;
    if (d->count == d->capacity) {
        size_t more = d->capacity == 0 ? 16 : d->capacity * 2;
        struct reconf_change *grown = realloc(d->items, more * sizeof(*grown));
        if (grown == NULL) {
            d->no_memory = true;
            return;
        }
        d->items = grown;
        d->capacity = more;
    }
    struct reconf_change *c = &d->items[d->count++];
    *c = (struct reconf_change){.name = strdup(name),
                                .old_value = strdup(before == NULL ? "" : before),
                                .new_value = now == NULL ? NULL : strdup(now)};
    d->no_memory |= c->name == NULL || c->old_value == NULL || (now != NULL && !c->new_value);
}

static void note_new(void *ctx, const char *name, const char *value)
{
    (void)value;
    note(ctx, name);
}

struct names {
    const char *wanted;
    bool found;
};

static void is_name(void *ctx, const char *name, const char *value)
{
    struct names *n = ctx;
    (void)value;
    n->found |= strcmp(n->wanted, name) == 0;
}

/* What the files don't name any more: the rest was noted by its new value. */
static void note_gone(void *ctx, const char *name, const char *value)
{
    struct difference *d = ctx;
    struct names n = {name, false};
    (void)value;
    conf_each(d->now, is_name, &n);
    if (!n.found)
        note(d, name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct reconf_change *)a)->name, ((const struct reconf_change *)b)->name);
}

/* ---- applying ---- */

static int apply(struct reconf *r, const struct conf *now, const struct reconf_change *c,
                 struct err *err)
{
    const struct reconf_key *key = find_key(r, c->name);
    if (key == NULL)
        return fail(err, ERR_UNSUPPORTED, "Property %s is not reconfigurable", c->name);
    TRY(conf_check(now, c->name, err));
    TRY(key->apply(r->options.ctx, now, err));
    return conf_adopt(r->current, now, c->name, err);
}

static void apply_all(struct reconf *r, const struct conf *now, struct difference *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct reconf_change *c = &d->items[i];
        struct err err = {0};
        bool done = apply(r, now, c, &err) == 0;
        if (!done && (c->error = strdup(err.text)) == NULL)
            d->no_memory = true;
        log_info("a setting %s key=%s old=%s new=%s%s%s", done ? "has changed" : "stays",
                 log_quote(c->name), log_quote(c->old_value),
                 log_quote(c->new_value == NULL ? "" : c->new_value),
                 done ? "" : " cause=", done ? "" : log_quote(err.text));
    }
}

/* The files can't be read at all: that is the one change that failed. */
static void note_unreadable(struct difference *d, const struct err *why)
{
    d->items = calloc(1, sizeof(*d->items));
    if (d->items == NULL)
        return;
    d->items[0] = (struct reconf_change){
        .name = strdup("hadoop.conf.dir"), .old_value = strdup(""), .error = strdup(why->text)};
    d->no_memory = !d->items[0].name || !d->items[0].old_value || !d->items[0].error;
    d->count = 1;
}

static void compare(struct reconf *r, struct difference *d)
{
    struct conf *now = NULL;
    struct err err = {0};
    if (conf_reload(r->current, &now, &err) != 0) {
        log_warn("the configuration can't be read again cause=%s", log_quote(err.text));
        note_unreadable(d, &err);
        return;
    }
    d->before = r->current;
    d->now = now;
    conf_each(now, note_new, d);
    conf_each(r->current, note_gone, d);
    if (!d->no_memory) {
        if (d->count > 1)
            qsort(d->items, d->count, sizeof(*d->items), by_name);
        apply_all(r, now, d);
    }
    conf_free(now);
}

static void *run(void *arg)
{
    struct reconf *r = arg;
    struct difference d = {0};
    compare(r, &d);
    if (d.no_memory) {
        log_error("no memory for a reconfiguration");
        changes_free(d.items, d.count);
        d.items = NULL;
        d.count = 0;
    }
    pthread_mutex_lock(&r->lock);
    r->changes = d.items;
    r->change_count = d.count;
    r->end_ms = clock_wall_ms();
    r->running = false;
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- the whole ---- */

int reconf_new(const struct reconf_options *o, struct reconf **ret, struct err *err)
{
    struct reconf *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for reconfigurations");
    r->options = *o;
    CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    r->current = conf_copy(o->conf);
    if (r->current == NULL) {
        reconf_free(r);
        return fail(err, ERR_NO_MEMORY, "no memory for reconfigurations");
    }
    *ret = r;
    return 0;
}

/* With the lock; the thread of a run that is over. */
static void join_last(struct reconf *r)
{
    if (r->joinable)
        pthread_join(r->thread, NULL);
    r->joinable = false;
}

int reconf_start(struct reconf *r, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    if (r->stopped)
        rc = fail(err, ERR_IO, "The server is stopped.");
    else if (r->running)
        rc = fail(err, ERR_IO, "Another reconfiguration task is running.");
    else {
        join_last(r);
        changes_free(r->changes, r->change_count);
        r->changes = NULL;
        r->change_count = 0;
        r->start_ms = clock_wall_ms();
        r->end_ms = 0;
        int eno = pthread_create(&r->thread, NULL, run, r);
        if (eno != 0)
            rc = fail_errno_at(err, eno, __FILE__, __LINE__, "a thread for the reconfiguration");
        r->running = r->joinable = eno == 0;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

void reconf_stop(struct reconf *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopped = true;
    bool joinable = r->joinable;
    r->joinable = false;
    pthread_mutex_unlock(&r->lock);
    if (joinable)
        pthread_join(r->thread, NULL);
}

void reconf_free(struct reconf *r)
{
    if (r == NULL)
        return;
    reconf_stop(r);
    changes_free(r->changes, r->change_count);
    conf_free(r->current);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void reconf_look(struct reconf *r, void (*cb)(void *ctx, const struct reconf_status *s), void *ctx)
{
    pthread_mutex_lock(&r->lock);
    struct reconf_status s = {r->start_ms, r->end_ms, r->changes, r->change_count};
    cb(ctx, &s);
    pthread_mutex_unlock(&r->lock);
}
