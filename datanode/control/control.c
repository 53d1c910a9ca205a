/* control.c - starts and stops the actors, and spreads what happens here to all of them. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/control/internal.h"

enum { CALL_TIMEOUT_MS = 60000 };

static void on_event(void *ctx, enum store_event what, const char *pool, const char *storage_id,
                     enum storage_type type, const struct block *block, const char *instead_of)
{
    struct control *c = ctx;
    struct event e = {storage_id, type, what, *block, ""};
    if (instead_of != NULL && strlen(instead_of) < sizeof(e.instead_of))
        memcpy(e.instead_of, instead_of, strlen(instead_of) + 1);
    for (size_t i = 0; i < MAX_NAMENODES; i++) {
        struct actor *a = &c->actors[i];
        pthread_mutex_lock(&a->lock);
        if (strcmp(a->pool_id, pool) == 0) {
            queue_add(&a->queue, &e);
            if (a->queue.urgent || a->queue.overflown)
                pthread_cond_signal(&a->wake);
        }
        pthread_mutex_unlock(&a->lock);
    }
}

static void on_notice(void *ctx, enum store_notice notice, const char *text)
{
    struct control *c = ctx;
    for (size_t i = 0; i < MAX_NAMENODES; i++) {
        struct actor *a = &c->actors[i];
        if (!atomic_load(&a->used))
            continue;
        pthread_mutex_lock(&a->lock);
        a->heartbeat_wanted = a->report_wanted = a->full_wanted = true;
        if (notice != STORE_VOLUMES_CHANGED) {
            a->error = notice == STORE_UNUSABLE ? FATAL_ERROR : VOLUME_ERROR;
            snprintf(a->error_text, sizeof(a->error_text), "%s", text);
        }
        pthread_cond_signal(&a->wake);
        pthread_mutex_unlock(&a->lock);
    }
    if (notice == STORE_UNUSABLE && c->options.unusable != NULL)
        c->options.unusable(c->options.unusable_ctx, text);
}

static void actor_init(struct control *c, struct actor *a)
{
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&a->lock, NULL) == 0);
    CHECK(pthread_cond_init(&a->wake, &attr) == 0);
    CHECK(pthread_cond_init(&a->lifeline_wake, &attr) == 0);
    pthread_condattr_destroy(&attr);
    a->control = c;
}

/* A free place is for this NameNode from now on. */
static void actor_use(struct actor *a, const struct addr *addr, const struct addr *lifeline)
{
    a->addr = *addr;
    a->lifeline_addr = *lifeline;
    a->stopping = false;
    a->refused = false;
    a->active = a->unreachable = a->register_again = false;
    a->lease_id = 0;
    a->next_outliers_ms = 0;
    snprintf(a->name, sizeof(a->name), "%.255s:%u", addr->host, addr->port);
    atomic_store(&a->used, true);
}

static void actor_fini(struct actor *a)
{
    queue_fini(&a->queue);
    pthread_cond_destroy(&a->lifeline_wake);
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
}

int control_new(const struct control_options *o, struct control **ret, struct err *err)
{
    struct control *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the control threads");
    c->options = *o;
    CHECK(pthread_mutex_init(&c->claim_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&c->refresh_lock, NULL) == 0);
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        actor_init(c, &c->actors[i]);
    static const enum conf_key keys[] = {CONF_heartbeat_interval, CONF_dn_report_interval,
                                         CONF_dn_report_delay, CONF_dn_report_split};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        control_configure(c, o->conf, keys[i]);
    struct rpc_client_options rpc = {.call_timeout_ms = CALL_TIMEOUT_MS};
    struct addr addrs[MAX_NAMENODES], lifelines[MAX_NAMENODES];
    size_t count = 0;
    int rc = namenodes_with_lifelines(o->conf, addrs, lifelines, &count, err);
    if (rc == 0)
        rc = rpc_client_new(&rpc, &c->rpc, err);
    if (rc != 0) {
        control_free(c);
        return rc;
    }
    for (size_t i = 0; i < count; i++)
        actor_use(&c->actors[i], &addrs[i], &lifelines[i]);
    store_listen(o->store, on_event, c);
    store_watch(o->store, on_notice, c);
    *ret = c;
    return 0;
}

static int start_thread(pthread_t *ret, void *(*run)(void *), struct actor *a, bool *ret_started,
                        struct err *err)
{
    int rc = pthread_create(ret, NULL, run, a);
    if (rc != 0)
        return fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
    *ret_started = true;
    return 0;
}

static int actor_start(struct actor *a, struct err *err)
{
    TRY(start_thread(&a->thread, actor_thread, a, &a->started, err));
    if (a->lifeline_addr.host[0] == '\0')
        return 0;
    return start_thread(&a->lifeline_thread, lifeline_thread, a, &a->lifeline_started, err);
}

int control_run(struct control *c, uint16_t ipc_port, struct err *err)
{
    c->ipc_port = ipc_port;
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        if (atomic_load(&c->actors[i].used))
            TRY(actor_start(&c->actors[i], err));
    return 0;
}

static void actor_tell_stop(struct actor *a)
{
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_signal(&a->wake);
    pthread_cond_signal(&a->lifeline_wake);
    pthread_mutex_unlock(&a->lock);
}

/* Waits for a call under way. */
static void actor_join(struct actor *a)
{
    if (a->started)
        pthread_join(a->thread, NULL);
    if (a->lifeline_started)
        pthread_join(a->lifeline_thread, NULL);
    a->started = a->lifeline_started = false;
}

void control_end(struct control *c)
{
    pthread_mutex_lock(&c->refresh_lock);
    c->ended = true;
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        actor_tell_stop(&c->actors[i]);
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        actor_join(&c->actors[i]);
    pthread_mutex_unlock(&c->refresh_lock);
}

/* ---- another list of NameNodes ---- */

static bool same_addr(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_in(const struct addr *addr, const struct addr *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_addr(addr, &list[i]))
            return true;
    return false;
}

/* Nothing of the NameNode is left in its place. */
static void actor_leave(struct actor *a)
{
    struct control *c = a->control;
    actor_tell_stop(a);
    actor_join(a);
    pthread_mutex_lock(&c->claim_lock);
    for (size_t i = 0; i < c->claim_count; i++)
        if (c->claims[i].by == a) {
            c->claims[i].by = NULL;
            c->claims[i].txid = -1;
        }
    pthread_mutex_unlock(&c->claim_lock);
    pthread_mutex_lock(&a->lock);
    queue_fini(&a->queue);
    a->queue = (struct event_queue){0};
    a->pool_id[0] = '\0';
    a->bad_count = 0;
    a->full_wanted = a->report_wanted = a->heartbeat_wanted = false;
    a->error = NO_ERROR;
    pthread_mutex_unlock(&a->lock);
    atomic_store(&a->registered, false);
    atomic_store(&a->used, false);
    log_info("this NameNode is served no more namenode=%s", a->name);
}

static int actor_join_in(struct control *c, const struct addr *addr, const struct addr *lifeline,
                         struct err *err)
{
    struct actor *free_place = NULL;
    for (size_t i = 0; i < MAX_NAMENODES; i++) {
        struct actor *a = &c->actors[i];
        if (!atomic_load(&a->used))
            free_place = free_place == NULL ? a : free_place;
        else if (same_addr(&a->addr, addr) && !atomic_load(&a->refused))
            return 0;
        else if (same_addr(&a->addr, addr)) { /* once more */
            actor_leave(a);
            free_place = a;
        }
    }
    if (free_place == NULL)
        return fail(err, ERR_CONFIG, "more than %d NameNodes", MAX_NAMENODES);
    actor_use(free_place, addr, lifeline);
    log_info("one more NameNode is served namenode=%s", free_place->name);
    return actor_start(free_place, err);
}

int control_refresh(struct control *c, const struct conf *now, struct err *err)
{
    struct addr addrs[MAX_NAMENODES], lifelines[MAX_NAMENODES];
    size_t count = 0;
    TRY(namenodes_with_lifelines(now, addrs, lifelines, &count, err));
    int rc = 0;
    pthread_mutex_lock(&c->refresh_lock);
    if (c->ended)
        rc = fail(err, ERR_CLOSED, "this node stops");
    for (size_t i = 0; rc == 0 && i < MAX_NAMENODES; i++)
        if (atomic_load(&c->actors[i].used) && !is_in(&c->actors[i].addr, addrs, count))
            actor_leave(&c->actors[i]);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = actor_join_in(c, &addrs[i], &lifelines[i], err);
    pthread_mutex_unlock(&c->refresh_lock);
    return rc;
}

bool control_serves(struct control *c, const char *pool)
{
    bool serves = false;
    for (size_t i = 0; i < MAX_NAMENODES; i++) {
        struct actor *a = &c->actors[i];
        pthread_mutex_lock(&a->lock);
        serves |= strcmp(a->pool_id, pool) == 0;
        pthread_mutex_unlock(&a->lock);
    }
    return serves;
}

bool control_all_refused(struct control *c)
{
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        if (atomic_load(&c->actors[i].used) && !atomic_load(&c->actors[i].refused))
            return false;
    return true;
}

void control_configure(struct control *c, const struct conf *now, enum conf_key key)
{
    switch (key) {
    case CONF_heartbeat_interval:
        atomic_store(&c->heartbeat_ms, conf_ms(now, key) > 0 ? conf_ms(now, key) : 1);
        break;
    case CONF_dn_report_interval:
        atomic_store(&c->report_ms, conf_ms(now, key));
        break;
    case CONF_dn_report_delay:
        atomic_store(&c->report_delay_ms, conf_ms(now, key));
        break;
    case CONF_dn_report_split:
        atomic_store(&c->report_split, conf_int(now, key));
        break;
    default:
        CHECK(false);
    }
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        actor_fini(&c->actors[i]);
    if (c->rpc != NULL)
        rpc_client_free(c->rpc);
    pthread_mutex_destroy(&c->claim_lock);
    pthread_mutex_destroy(&c->refresh_lock);
    free(c);
}

void control_report(struct control *c, bool incremental)
{
    control_report_to(c, incremental, NULL);
}

void control_report_to(struct control *c, bool incremental, const struct addr *only)
{
    for (size_t i = 0; i < MAX_NAMENODES; i++) {
        struct actor *a = &c->actors[i];
        pthread_mutex_lock(&a->lock);
        if (atomic_load(&a->used) && (only == NULL || same_addr(only, &a->addr))) {
            a->report_wanted = true;
            a->full_wanted |= !incremental;
            pthread_cond_signal(&a->wake);
        }
        pthread_mutex_unlock(&a->lock);
    }
}

void control_bad_block(struct control *c, const char *pool, const struct block *block)
{
    for (size_t i = 0; i < MAX_NAMENODES; i++) {
        struct actor *a = &c->actors[i];
        pthread_mutex_lock(&a->lock);
        if (strcmp(a->pool_id, pool) == 0 && a->bad_count < MAX_BAD) {
            a->bad[a->bad_count++] = *block; /* beyond: its next reader or copy reports it again */
            a->report_wanted = true;
            pthread_cond_signal(&a->wake);
        }
        pthread_mutex_unlock(&a->lock);
    }
}

uint64_t control_bandwidth(const struct control *c)
{
    return throttle_rate(c->options.balance);
}

bool control_registered(const struct control *c)
{
    for (size_t i = 0; i < MAX_NAMENODES; i++)
        if (atomic_load(&c->actors[i].registered))
            return true;
    return false;
}
