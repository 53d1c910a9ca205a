/* actor.c - the life with one NameNode: handshake, then heartbeats and reports until the node
 * stops. Thread: one for each NameNode; others reach it through the queue and the flags under its
 * lock. Errors of the network and of a NameNode that starts are waited out for ever, with growing
 * pauses; a refusal (another cluster, an excluded node, an old version) ends the actor with one
 * clear line. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/obs/obs.h"
#include "datanode/control/internal.h"

enum { RETRY_MIN_MS = 500, RETRY_MAX_MS = 5000, LAYOUT_VERSION = -57 };

int actor_call(struct actor *a, enum datanode_method method, const ProtobufCMessage *request,
               struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
    struct rpc_target target = {a->addr, RPC_DATANODE_PROTOCOL, 1};
    return rpc_call(a->control->rpc, &target, &rpc_datanode_methods[method], request, arena, ret,
                    err);
}

static bool stopping(struct actor *a)
{
    pthread_mutex_lock(&a->lock);
    bool stops = a->stopping;
    pthread_mutex_unlock(&a->lock);
    return stops;
}

/* Until the time, or until somebody wants something. */
static void wait_until(struct actor *a, int64_t when_ms, bool for_events)
{
    struct timespec end = {.tv_sec = when_ms / 1000, .tv_nsec = when_ms % 1000 * 1000000};
    pthread_mutex_lock(&a->lock);
    while (!a->stopping && !(for_events && (a->queue.urgent || a->report_wanted)))
        if (pthread_cond_timedwait(&a->wake, &a->lock, &end) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&a->lock);
}

Dp__DatanodeRegistration *actor_registration(const struct actor *a, struct arena *arena)
{
    static const Dp__DatanodeRegistration registration = DP__DATANODE_REGISTRATION__INIT;
    static const Hdfs__DatanodeID datanode_id = HDFS__DATANODE_ID__INIT;
    static const Dp__StorageInfo storage_info = DP__STORAGE_INFO__INIT;
    static const Dp__ExportedBlockKeys block_keys = DP__EXPORTED_BLOCK_KEYS__INIT;
    static const Dp__BlockKey block_key = DP__BLOCK_KEY__INIT;
    const struct control_options *o = &a->control->options;
    Dp__DatanodeRegistration *r = arena_new(arena, Dp__DatanodeRegistration);
    Hdfs__DatanodeID *id = arena_new(arena, Hdfs__DatanodeID);
    Dp__StorageInfo *storage = arena_new(arena, Dp__StorageInfo);
    Dp__ExportedBlockKeys *keys = arena_new(arena, Dp__ExportedBlockKeys);
    Dp__BlockKey *key = arena_new(arena, Dp__BlockKey);
    if (r == NULL || id == NULL || storage == NULL || keys == NULL || key == NULL)
        return NULL;
    *r = registration;
    *id = datanode_id;
    *storage = storage_info;
    *keys = block_keys;
    *key = block_key;
    id->ip_addr = (char *)(uintptr_t)o->ip;
    id->host_name = (char *)(uintptr_t)o->host_name;
    id->datanode_uuid = (char *)(uintptr_t)store_uuid(o->store);
    id->xfer_port = o->data_port;
    id->info_port = o->info_port;
    id->ipc_port = a->control->ipc_port;
    storage->layout_version = (uint32_t)LAYOUT_VERSION;
    storage->namespace_id = a->namespace_id;
    storage->cluster_id = (char *)(uintptr_t)a->cluster_id;
    storage->c_time = a->ctime;
    keys->current_key = key;
    r->datanode_id = id;
    r->storage_info = storage;
    r->keys = keys;
    r->software_version = (char *)(uintptr_t)DATANODE_VERSION;
    return r;
}

/* --- handshake --- */

static int take_namespace(struct actor *a, const Dp__NamespaceInfo *info, struct err *err)
{
    const struct control *c = a->control;
    const char *least = conf_str(c->options.conf, CONF_dn_min_namenode_version);
    if (version_compare(info->software_version, least) < 0)
        return fail(err, ERR_NODE_VERSION, "the NameNode %s has version %s, at least %s is needed",
                    a->name, info->software_version, least);
    struct pool_identity id = {info->block_pool_id, info->storage_info->cluster_id,
                               info->storage_info->namespace_id, info->storage_info->c_time};
    if (strlen(id.pool_id) >= sizeof(a->pool_id) || strlen(id.cluster_id) >= sizeof(a->cluster_id))
        return fail(err, ERR_PROTOCOL, "the NameNode's identity is too long");
    struct block_pool *pool;
    TRY(store_attach(c->options.store, &id, &pool, err));
    pthread_mutex_lock(&a->lock);
    a->pool = pool;
    a->namespace_id = id.namespace_id;
    a->ctime = id.ctime;
    snprintf(a->cluster_id, sizeof(a->cluster_id), "%s", id.cluster_id);
    snprintf(a->pool_id, sizeof(a->pool_id), "%s", id.pool_id);
    pthread_mutex_unlock(&a->lock);
    a->buffers = info->has_capabilities && (info->capabilities & 1) != 0;
    return 0;
}

static int register_node(struct actor *a, struct arena *arena, struct err *err)
{
    Dp__RegisterDatanodeRequest request = DP__REGISTER_DATANODE_REQUEST__INIT;
    ProtobufCMessage *response;
    request.registration = actor_registration(a, arena);
    if (request.registration == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to register");
    return actor_call(a, DATANODE_registerDatanode, &request.base, arena, &response, err);
}

static int handshake_in(struct actor *a, struct arena *arena, struct err *err)
{
    Dp__VersionRequestRequest request = DP__VERSION_REQUEST_REQUEST__INIT;
    ProtobufCMessage *m;
    TRY(actor_call(a, DATANODE_versionRequest, &request.base, arena, &m, err));
    TRY(take_namespace(a, ((Dp__VersionRequestResponse *)m)->info, err));
    TRY(register_node(a, arena, err));
    /* a full report follows, so what waits in the queue is old news */
    pthread_mutex_lock(&a->lock);
    a->queue.count = 0;
    a->queue.urgent = a->queue.overflown = false;
    a->full_wanted = true;
    pthread_mutex_unlock(&a->lock);
    a->lease_id = 0;
    a->register_again = false;
    a->next_heartbeat_ms = 0;
    atomic_store(&a->registered, true);
    lifeline_postpone(a, clock_monotonic_ms());
    log_info("registered namenode=%s pool=%s cluster=%s uuid=%s", a->name, a->pool_id,
             a->cluster_id, store_uuid(a->control->options.store));
    return 0;
}

static int handshake(struct actor *a, struct err *err)
{
    struct arena arena;
    arena_init(&arena, CALL_MEMORY);
    int rc = handshake_in(a, &arena, err);
    arena_fini(&arena);
    return rc;
}

/* --- errors --- */

/* Nothing that waiting would change. */
static bool is_refusal(int code)
{
    switch (code) {
    case ERR_UNREGISTERED_NODE:
    case ERR_DISALLOWED_NODE:
    case ERR_NODE_VERSION:
    case ERR_CORRUPT: /* of our volumes: another cluster, another namespace, a broken VERSION */
    case ERR_DISK:
    case ERR_UNSUPPORTED:
        return true;
    default:
        return false;
    }
}

static void note_unreachable(struct actor *a, const struct err *err)
{
    if (!a->unreachable)
        log_warn("the NameNode doesn't answer, retrying namenode=%s error=%s cause=%s", a->name,
                 err_name(err->code), log_quote(err->text));
    a->unreachable = true;
}

static void note_reachable(struct actor *a)
{
    if (a->unreachable)
        log_info("the NameNode answers again namenode=%s", a->name);
    a->unreachable = false;
}

/* --- service --- */

static bool incremental_due(struct actor *a, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    bool due = a->queue.count > 0 &&
               (a->queue.urgent || a->report_wanted || now_ms >= a->next_incremental_ms);
    a->report_wanted = false;
    pthread_mutex_unlock(&a->lock);
    return due;
}

static bool full_due(struct actor *a, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    if (a->queue.overflown)
        a->full_wanted = true;
    bool wanted = a->full_wanted;
    pthread_mutex_unlock(&a->lock);
    if (wanted && a->next_full_ms > now_ms)
        a->next_full_ms = now_ms;
    return a->next_full_ms <= now_ms;
}

static bool heartbeat_due(struct actor *a, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    bool wanted = a->heartbeat_wanted;
    a->heartbeat_wanted = false;
    pthread_mutex_unlock(&a->lock);
    return wanted || now_ms >= a->next_heartbeat_ms;
}

static void full_done(struct actor *a, int64_t now_ms)
{
    pthread_mutex_lock(&a->lock);
    a->full_wanted = false;
    pthread_mutex_unlock(&a->lock);
    a->lease_id = 0;
    a->next_full_ms = now_ms + atomic_load(&a->control->report_ms);
}

static int serve_turn(struct actor *a, struct err *err)
{
    int64_t interval_ms = atomic_load(&a->control->heartbeat_ms);
    int64_t now_ms = clock_monotonic_ms();
    bool full = full_due(a, now_ms);
    if (heartbeat_due(a, now_ms)) {
        a->next_heartbeat_ms = now_ms + interval_ms;
        lifeline_postpone(a, now_ms);
        TRY(heartbeat_send(a, err));
        metric_add(METRIC_heartbeats_sent, 1);
        note_reachable(a);
    }
    if (a->register_again)
        return 0;
    TRY(error_send(a, false, err));
    TRY(bad_blocks_send(a, err));
    if (incremental_due(a, now_ms) || (full && a->lease_id != 0)) {
        TRY(incremental_send(a, err)); /* also before a full report, which must not be older */
        a->next_incremental_ms = now_ms + interval_ms;
    }
    if (full && a->lease_id != 0) {
        TRY(full_report_send(a, err));
        full_done(a, now_ms);
    }
    wait_until(a, a->next_heartbeat_ms, true);
    return 0;
}

static void refused(struct actor *a, const struct err *err)
{
    struct control *c = a->control;
    atomic_store(&a->registered, false);
    atomic_store(&a->refused, true);
    log_error("no service for this NameNode any more namenode=%s error=%s cause=%s", a->name,
              err_name(err->code), log_quote(err->text));
    if (c->options.refused != NULL)
        c->options.refused(c->options.refused_ctx, err->text, control_all_refused(c));
}

/* One handshake and the service after it. 0: register again or stop. */
static int session(struct actor *a, struct err *err)
{
    TRY(handshake(a, err));
    note_reachable(a);
    int64_t delay_ms = atomic_load(&a->control->report_delay_ms);
    a->next_full_ms = clock_monotonic_ms();
    if (delay_ms > 0)
        a->next_full_ms += (int64_t)(random_u64() % (uint64_t)delay_ms);
    int64_t pause_ms = RETRY_MIN_MS;
    while (!a->register_again && !stopping(a)) {
        *err = (struct err){0};
        int rc = serve_turn(a, err);
        if (rc == 0) {
            pause_ms = RETRY_MIN_MS;
            continue;
        }
        if (is_refusal(rc))
            return rc;
        note_unreachable(a, err);
        wait_until(a, clock_monotonic_ms() + pause_ms, false);
        pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
    }
    return 0;
}

void *actor_thread(void *arg)
{
    struct actor *a = arg;
    int64_t pause_ms = RETRY_MIN_MS;
    pthread_setname_np(pthread_self(), "dn-actor");
    while (!stopping(a)) {
        struct err err = {0};
        int rc = session(a, &err);
        if (rc == 0) {
            pause_ms = RETRY_MIN_MS;
            continue;
        }
        if (is_refusal(rc)) {
            refused(a, &err);
            break;
        }
        note_unreachable(a, &err);
        wait_until(a, clock_monotonic_ms() + pause_ms, false);
        pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
    }
    struct err last = {0};
    if (atomic_load(&a->registered) && !a->unreachable && error_send(a, true, &last) != 0)
        note_unreachable(a, &last); /* it finds out when no heartbeats come */
    return NULL;
}
