/* heartbeat.c - what a heartbeat says and what its answer brings.
 * Commands count only from the NameNode that is active: whoever claims so with a transaction id
 * greater than that of any earlier claim for the pool. From a standby only REGISTER and keys are
 * obeyed. */
#include <stdio.h>

#include "common/obs/obs.h"
#include "datanode/control/internal.h"

enum { MAX_SLOW = 64 }; /* peers, and disks, in one heartbeat */

Hdfs__DatanodeStorage *storage_message(struct arena *arena, const char *id, enum storage_type type)
{
    static const Hdfs__DatanodeStorage init = HDFS__DATANODE_STORAGE__INIT;
    Hdfs__DatanodeStorage *s = arena_new(arena, Hdfs__DatanodeStorage);
    if (s == NULL)
        return NULL;
    *s = init;
    s->storage_uuid = (char *)(uintptr_t)id;
    s->has_state = s->has_storage_type = true;
    s->storage_type = (Hdfs__StorageType)type;
    return s;
}

static Hdfs__StorageReport *storage_report(struct arena *arena, const struct volume_info *v)
{
    static const Hdfs__StorageReport init = HDFS__STORAGE_REPORT__INIT;
    Hdfs__StorageReport *r = arena_new(arena, Hdfs__StorageReport);
    if (r == NULL)
        return NULL;
    *r = init;
    r->storage_uuid = (char *)(uintptr_t)v->storage_id;
    r->storage = storage_message(arena, v->storage_id, v->type);
    r->has_failed = r->has_capacity = r->has_dfs_used = r->has_remaining = true;
    r->has_block_pool_used = r->has_non_dfs_used = true;
    r->capacity = v->capacity;
    r->dfs_used = v->used;
    r->remaining = v->remaining;
    r->block_pool_used = v->pool_used;
    r->non_dfs_used = v->non_dfs_used;
    return r->storage == NULL ? NULL : r;
}

static int add_reports(struct actor *a, struct block_pool *pool, Dp__SendHeartbeatRequest *request,
                       struct arena *arena, struct err *err)
{
    struct volume_info volumes[STORE_MAX_VOLUMES];
    size_t count = store_volumes(a->control->options.store, pool, volumes);
    request->reports = arena_array(arena, Hdfs__StorageReport *, count);
    for (size_t i = 0; request->reports != NULL && i < count; i++) {
        if (volumes[i].failed) /* a storage that is not named is a failed one */
            continue;
        Hdfs__StorageReport *r = storage_report(arena, &volumes[i]);
        if (r == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a heartbeat");
        request->reports[request->n_reports++] = r;
    }
    return request->reports == NULL ? fail(err, ERR_NO_MEMORY, "no memory for a heartbeat") : 0;
}

static int add_failures(struct actor *a, Dp__SendHeartbeatRequest *request, struct arena *arena,
                        struct err *err)
{
    static const Dp__VolumeFailureSummary init = DP__VOLUME_FAILURE_SUMMARY__INIT;
    struct volume_failures f;
    store_failures(a->control->options.store, &f);
    request->has_failed_volumes = true;
    request->failed_volumes = (uint32_t)f.count;
    if (f.count == 0)
        return 0;
    Dp__VolumeFailureSummary *s = arena_new(arena, Dp__VolumeFailureSummary);
    char **paths = arena_array(arena, char *, f.count);
    if (s == NULL || paths == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a heartbeat");
    *s = init;
    for (size_t i = 0; i < f.count; i++)
        paths[i] = (char *)(uintptr_t)f.paths[i];
    s->failed_storage_locations = paths;
    s->n_failed_storage_locations = f.count;
    s->last_volume_failure_date = (uint64_t)f.last_ms;
    s->estimated_capacity_lost_total = f.capacity_lost;
    request->volume_failure_summary = s;
    return 0;
}

int heartbeat_figures(struct actor *a, struct block_pool *pool, Dp__SendHeartbeatRequest *request,
                      struct arena *arena, struct err *err)
{
    const struct control_options *o = &a->control->options;
    TRY(add_reports(a, pool, request, arena, err));
    TRY(add_failures(a, request, arena, err));
    request->has_xmits_in_progress = request->has_xceiver_count = true;
    request->xmits_in_progress = copier_active(o->copier) + rebuilder_load(o->rebuilder);
    request->xceiver_count = o->transfers(o->transfers_ctx);
    request->has_cache_capacity = request->has_cache_used = true;
    return 0;
}

static int add_slow_peers(struct stats *s, int64_t now_ms, Dp__SendHeartbeatRequest *request,
                          struct arena *arena)
{
    static const Dp__SlowPeerReport init = DP__SLOW_PEER_REPORT__INIT;
    struct slow_peer slow[MAX_SLOW];
    size_t count = stats_slow_peers(s, now_ms, slow, MAX_SLOW);
    Dp__SlowPeerReport *reports = arena_array(arena, Dp__SlowPeerReport, count);
    request->slow_peers = arena_array(arena, Dp__SlowPeerReport *, count);
    if (reports == NULL || request->slow_peers == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        Dp__SlowPeerReport *r = &reports[i];
        *r = init;
        r->data_node_id = (char *)(uintptr_t)slow[i].name;
        r->has_aggregate_latency = r->has_median = r->has_mad = r->has_upper_limit_latency = true;
        r->aggregate_latency = slow[i].mean_ms;
        r->median = slow[i].facts.median;
        r->mad = slow[i].facts.mad;
        r->upper_limit_latency = slow[i].facts.limit;
        request->slow_peers[request->n_slow_peers++] = r;
    }
    return 0;
}

static int add_slow_disks(struct stats *s, int64_t now_ms, Dp__SendHeartbeatRequest *request,
                          struct arena *arena)
{
    static const Dp__SlowDiskReport init = DP__SLOW_DISK_REPORT__INIT;
    struct slow_disk slow[MAX_SLOW];
    size_t count = stats_slow_disks(s, now_ms, slow, MAX_SLOW);
    Dp__SlowDiskReport *reports = arena_array(arena, Dp__SlowDiskReport, count);
    request->slow_disks = arena_array(arena, Dp__SlowDiskReport *, count);
    if (reports == NULL || request->slow_disks == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        Dp__SlowDiskReport *r = &reports[i];
        *r = init;
        r->base_path = (char *)(uintptr_t)slow[i].path;
        r->mean_metadata_op_latency = slow[i].mean_ms[DISK_METADATA];
        r->mean_read_io_latency = slow[i].mean_ms[DISK_READ];
        r->mean_write_io_latency = slow[i].mean_ms[DISK_WRITE];
        r->has_mean_metadata_op_latency = r->mean_metadata_op_latency > 0;
        r->has_mean_read_io_latency = r->mean_read_io_latency > 0;
        r->has_mean_write_io_latency = r->mean_write_io_latency > 0;
        request->slow_disks[request->n_slow_disks++] = r;
    }
    return 0;
}

/* Once in a while, whether anybody is slow or not. */
static bool outliers_due(const struct actor *a)
{
    return a->control->options.stats != NULL && clock_monotonic_ms() >= a->next_outliers_ms;
}

static int add_outliers(struct actor *a, Dp__SendHeartbeatRequest *request, struct arena *arena,
                        struct err *err)
{
    struct stats *s = a->control->options.stats;
    int64_t now_ms = clock_monotonic_ms();
    if (add_slow_peers(s, now_ms, request, arena) != 0 ||
        add_slow_disks(s, now_ms, request, arena) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for a heartbeat");
    return 0;
}

static int build(struct actor *a, Dp__SendHeartbeatRequest *request, struct arena *arena,
                 struct err *err)
{
    request->registration = actor_registration(a, arena);
    if (request->registration == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a heartbeat");
    TRY(heartbeat_figures(a, a->pool, request, arena, err));
    request->has_request_full_block_report_lease = true;
    request->request_full_block_report_lease =
        a->lease_id == 0 && a->next_full_ms <= clock_monotonic_ms();
    return 0;
}

/* The pool's entry in the table of claims; the claim lock is held. */
static struct claim *find_claim(struct control *c, const char *pool_id)
{
    for (size_t i = 0; i < c->claim_count; i++)
        if (strcmp(c->claims[i].pool_id, pool_id) == 0)
            return &c->claims[i];
    if (c->claim_count == MAX_NAMENODES)
        return NULL;
    struct claim *n = &c->claims[c->claim_count++];
    snprintf(n->pool_id, sizeof(n->pool_id), "%s", pool_id);
    n->txid = -1;
    return n;
}

static void take_ha_status(struct actor *a, const Dp__NNHAStatusHeartbeat *status)
{
    struct control *c = a->control;
    bool says_active = status->state == DP__NNHASTATUS_HEARTBEAT__STATE__ACTIVE;
    int64_t txid = (int64_t)status->txid;
    pthread_mutex_lock(&c->claim_lock);
    struct claim *claim = find_claim(c, a->pool_id);
    if (claim != NULL && says_active && claim->by != a && txid > claim->txid) {
        log_info("this NameNode is active namenode=%s txid=%lld", a->name, (long long)txid);
        claim->by = a;
    } else if (claim != NULL && says_active && claim->by != a) {
        log_limited(LOG_WARN,
                    "a NameNode says it is active, with an old transaction id "
                    "namenode=%s txid=%lld known=%lld",
                    a->name, (long long)txid, (long long)claim->txid);
    } else if (claim != NULL && !says_active && claim->by == a) {
        claim->by = NULL;
    }
    a->active = claim != NULL && claim->by == a;
    if (a->active && txid > claim->txid)
        claim->txid = txid;
    pthread_mutex_unlock(&c->claim_lock);
}

static void take_answer(struct actor *a, const Dp__SendHeartbeatResponse *r)
{
    take_ha_status(a, r->ha_status);
    if (a->active && a->control->options.slow != NULL)
        atomic_store(a->control->options.slow, r->has_is_slownode && r->is_slownode);
    if (r->has_full_block_report_lease_id && r->full_block_report_lease_id != 0)
        a->lease_id = r->full_block_report_lease_id;
    commands_run(a, r->cmds, r->n_cmds);
}

int heartbeat_send(struct actor *a, struct err *err)
{
    Dp__SendHeartbeatRequest request = DP__SEND_HEARTBEAT_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, CALL_MEMORY);
    bool outliers = outliers_due(a);
    int rc = build(a, &request, &arena, err);
    if (rc == 0 && outliers)
        rc = add_outliers(a, &request, &arena, err);
    if (rc == 0)
        rc = actor_call(a, DATANODE_sendHeartbeat, &request.base, &arena, &m, err);
    if (rc == 0 && outliers)
        a->next_outliers_ms = clock_monotonic_ms() + stats_interval_ms(a->control->options.stats);
    if (rc == 0)
        take_answer(a, (const Dp__SendHeartbeatResponse *)m);
    arena_fini(&arena);
    return rc;
}
