/* lifeline.c - tells a NameNode that this node lives when no heartbeat has got there for a while:
 * by an address of its own, which answers although the NameNode's other port is too busy to.
 * Thread: one for each NameNode with such an address. It waits for nothing that the actor holds,
 * and the actor for nothing of it: what both know is guarded by the actor's lock. */
#include <stdlib.h>
#include <time.h>

#include "common/obs/obs.h"
#include "datanode/control/internal.h"

enum { RETRY_MS = 1000 };

int64_t lifeline_interval_ms(const struct control *c)
{
    int64_t heartbeat_ms = atomic_load(&c->heartbeat_ms);
    int64_t interval_ms = conf_ms(c->options.conf, CONF_dn_lifeline_interval);
    return interval_ms > heartbeat_ms ? interval_ms : 3 * heartbeat_ms;
}

void lifeline_postpone(struct actor *a, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    a->lifeline_due_ms = now_ms + lifeline_interval_ms(a->control);
    pthread_cond_signal(&a->lifeline_wake);
    pthread_mutex_unlock(&a->lock);
}

/* The identity as the actor knows it now; its own text, since the actor may register anew. */
static int identify(struct actor *a, struct arena *arena, Dp__SendHeartbeatRequest *request,
                    struct block_pool **ret_pool, struct err *err)
{
    pthread_mutex_lock(&a->lock);
    Dp__DatanodeRegistration *r = actor_registration(a, arena);
    char *cluster_id = arena_strdup(arena, a->cluster_id);
    *ret_pool = a->pool;
    pthread_mutex_unlock(&a->lock);
    if (r == NULL || cluster_id == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a lifeline");
    r->storage_info->cluster_id = cluster_id;
    request->registration = r;
    return 0;
}

static int send_in(struct actor *a, struct arena *arena, struct err *err)
{
    Dp__SendHeartbeatRequest request = DP__SEND_HEARTBEAT_REQUEST__INIT;
    struct rpc_target target = {a->lifeline_addr, RPC_LIFELINE_PROTOCOL, 1};
    struct block_pool *pool;
    ProtobufCMessage *answer;
    TRY(identify(a, arena, &request, &pool, err));
    TRY(heartbeat_figures(a, pool, &request, arena, err));
    return rpc_call(a->control->rpc, &target, &rpc_lifeline_methods[LIFELINE_sendLifeline],
                    &request.base, arena, &answer, err);
}

/* When to look again. */
static int64_t send_lifeline(struct actor *a)
{
    struct arena arena;
    struct err err = {0};
    arena_init(&arena, CALL_MEMORY);
    int rc = send_in(a, &arena, &err);
    arena_fini(&arena);
    if (rc == 0) {
        metric_add(METRIC_lifelines_sent, 1);
        return clock_monotonic_ms() + lifeline_interval_ms(a->control);
    }
    log_limited(LOG_WARN, "a lifeline doesn't reach the NameNode namenode=%s error=%s cause=%s",
                a->name, err_name(err.code), log_quote(err.text));
    return clock_monotonic_ms() + RETRY_MS;
}

void *lifeline_thread(void *arg)
{
    struct actor *a = arg;
    pthread_setname_np(pthread_self(), "dn-lifeline");
    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        int64_t due_ms = a->lifeline_due_ms;
        if (!atomic_load(&a->registered)) {
            pthread_cond_wait(&a->lifeline_wake, &a->lock);
        } else if (clock_monotonic_ms() >= due_ms) {
            pthread_mutex_unlock(&a->lock);
            int64_t next_ms = send_lifeline(a);
            pthread_mutex_lock(&a->lock);
            if (a->lifeline_due_ms < next_ms) /* else a heartbeat has gone out meanwhile */
                a->lifeline_due_ms = next_ms;
        } else {
            struct timespec end = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
            pthread_cond_timedwait(&a->lifeline_wake, &a->lock, &end);
        }
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}
