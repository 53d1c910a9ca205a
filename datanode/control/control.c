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
    for (size_t i = 0; i < c->actor_count; i++) {
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
    for (size_t i = 0; i < c->actor_count; i++) {
        struct actor *a = &c->actors[i];
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

static void actor_init(struct control *c, struct actor *a, const struct addr *addr)
{
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&a->lock, NULL) == 0);
    CHECK(pthread_cond_init(&a->wake, &attr) == 0);
    pthread_condattr_destroy(&attr);
    a->control = c;
    a->addr = *addr;
    snprintf(a->name, sizeof(a->name), "%.255s:%u", addr->host, addr->port);
}

static void actor_fini(struct actor *a)
{
    queue_fini(&a->queue);
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
    struct rpc_client_options rpc = {.call_timeout_ms = CALL_TIMEOUT_MS};
    struct addr addrs[MAX_NAMENODES];
    size_t count = 0;
    int rc = namenodes_of(o->conf, addrs, &count, err);
    if (rc == 0)
        rc = rpc_client_new(&rpc, &c->rpc, err);
    if (rc != 0) {
        control_free(c);
        return rc;
    }
    for (size_t i = 0; i < count; i++)
        actor_init(c, &c->actors[i], &addrs[i]);
    c->actor_count = count;
    store_listen(o->store, on_event, c);
    store_watch(o->store, on_notice, c);
    *ret = c;
    return 0;
}

int control_run(struct control *c, uint16_t ipc_port, struct err *err)
{
    c->ipc_port = ipc_port;
    for (size_t i = 0; i < c->actor_count; i++) {
        int rc = pthread_create(&c->actors[i].thread, NULL, actor_thread, &c->actors[i]);
        if (rc != 0)
            return fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
        c->actors[i].started = true;
    }
    return 0;
}

void control_end(struct control *c)
{
    for (size_t i = 0; i < c->actor_count; i++) {
        pthread_mutex_lock(&c->actors[i].lock);
        c->actors[i].stopping = true;
        pthread_cond_signal(&c->actors[i].wake);
        pthread_mutex_unlock(&c->actors[i].lock);
    }
    for (size_t i = 0; i < c->actor_count; i++)
        if (c->actors[i].started)
            pthread_join(c->actors[i].thread, NULL);
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->actor_count; i++)
        actor_fini(&c->actors[i]);
    if (c->rpc != NULL)
        rpc_client_free(c->rpc);
    pthread_mutex_destroy(&c->claim_lock);
    free(c);
}

void control_report(struct control *c, bool incremental)
{
    for (size_t i = 0; i < c->actor_count; i++) {
        struct actor *a = &c->actors[i];
        pthread_mutex_lock(&a->lock);
        a->report_wanted = true;
        a->full_wanted |= !incremental;
        pthread_cond_signal(&a->wake);
        pthread_mutex_unlock(&a->lock);
    }
}

void control_bad_block(struct control *c, const char *pool, const struct block *block)
{
    for (size_t i = 0; i < c->actor_count; i++) {
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
    for (size_t i = 0; i < c->actor_count; i++)
        if (atomic_load(&c->actors[i].registered))
            return true;
    return false;
}
