/* worker.c - takes orders of reconstructions and runs them on a bounded pool. A task carries its
 * own arena with the order, since the command is gone when it runs. Thread: submit and load from
 * any, tasks on the pool's. */
#include <stdlib.h>

#include "common/obs/obs.h"
#include "datanode/ec/internal.h"

enum { QUEUE = 10000, CALL_TIMEOUT_MS = 20000, CONNECT_TIMEOUT_MS = 5000 };

struct task {
    struct rebuilder *rebuilder;
    struct arena arena;
    struct order order; /* task_of */
    struct addr namenode;
    struct wires wires;
    unsigned weight;
    struct task *next;
};

struct rebuilder {
    struct rebuild_settings settings;
    double weight;
    struct workers *workers;
    struct rpc_client *rpc;
    atomic_uint load;
    pthread_mutex_t lock; /* guards running and stopped */
    struct task *running;
    bool stopped;
};

/* --- bad sources --- */

/* A task's order is its first member that others see. */
static struct task *task_of(const struct order *o)
{
    return (struct task *)((uintptr_t)o - offsetof(struct task, order));
}

static void tell_namenode(void *ctx, const struct order *o, const struct order_source *s)
{
    struct rebuilder *r = ctx;
    struct rpc_target target = {task_of(o)->namenode, RPC_DATANODE_PROTOCOL, 1};
    Dp__ReportBadBlocksRequest request = DP__REPORT_BAD_BLOCKS_REQUEST__INIT;
    Hdfs__LocatedBlock located = HDFS__LOCATED_BLOCK__INIT, *blocks[] = {&located};
    Hdfs__ExtendedBlock b = HDFS__EXTENDED_BLOCK__INIT;
    Hdfs__DatanodeInfo *infos[] = {(Hdfs__DatanodeInfo *)(uintptr_t)s->node};
    Rpc__Token token = RPC__TOKEN__INIT;
    struct arena arena;
    struct err err = {0};
    ProtobufCMessage *m;
    token.kind = token.service = (char *)(uintptr_t) "";
    b.pool_id = (char *)(uintptr_t)o->pool_id;
    b.block_id = order_block_id(o, s->index);
    b.generation_stamp = o->group.gen_stamp;
    b.has_num_bytes = true;
    b.num_bytes = order_length(o, s->index);
    located.b = &b;
    located.locs = infos;
    located.n_locs = 1;
    located.block_token = &token;
    request.blocks = blocks;
    request.n_blocks = 1;
    arena_init(&arena, TASK_MEMORY);
    if (rpc_call(r->rpc, &target, &rpc_datanode_methods[DATANODE_reportBadBlocks], &request.base,
                 &arena, &m, &err) != 0)
        log_warn("a bad source isn't reported block=%lld cause=%s", (long long)b.block_id,
                 log_quote(err.text));
    arena_fini(&arena);
}

/* --- life --- */

static int configure(struct rebuilder *r, const struct conf *conf, struct err *err)
{
    struct rebuild_settings *s = &r->settings;
    s->slice = (uint32_t)conf_size(conf, CONF_dn_ec_buffer);
    s->slow_ms = (int)conf_ms(conf, CONF_dn_ec_timeout);
    s->bad_there = tell_namenode;
    s->there_ctx = r;
    r->weight = conf_double(conf, CONF_dn_ec_weight);
    s->read = throttle_new((uint64_t)conf_size(conf, CONF_dn_ec_read_bandwidth));
    s->write = throttle_new((uint64_t)conf_size(conf, CONF_dn_ec_write_bandwidth));
    r->workers = workers_new("dn-ec", (unsigned)conf_int(conf, CONF_dn_ec_threads));
    if (s->read == NULL || s->write == NULL || r->workers == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for reconstructions");
    struct rpc_client_options o = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .call_timeout_ms = CALL_TIMEOUT_MS};
    return rpc_client_new(&o, &r->rpc, err);
}

int rebuilder_new(const struct conf *conf, const struct pipeline_config *pipeline,
                  rebuilder_bad bad, void *ctx, struct rebuilder **ret, struct err *err)
{
    struct rebuilder *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for reconstructions");
    CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    r->settings.pipeline = pipeline;
    r->settings.bad_here = bad;
    r->settings.bad_ctx = ctx;
    int rc = configure(r, conf, err);
    if (rc != 0) {
        rebuilder_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void rebuilder_free(struct rebuilder *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopped = true;
    for (struct task *t = r->running; t != NULL; t = t->next)
        wires_stop(&t->wires);
    pthread_mutex_unlock(&r->lock);
    if (r->settings.read != NULL)
        throttle_end(r->settings.read);
    if (r->settings.write != NULL)
        throttle_end(r->settings.write);
    if (r->workers != NULL)
        workers_free(r->workers);
    if (r->rpc != NULL)
        rpc_client_free(r->rpc);
    throttle_free(r->settings.read);
    throttle_free(r->settings.write);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* --- tasks --- */

static void task_free(struct task *t)
{
    wires_fini(&t->wires);
    arena_fini(&t->arena);
    free(t);
}

static bool begin(struct task *t)
{
    struct rebuilder *r = t->rebuilder;
    pthread_mutex_lock(&r->lock);
    bool goes_on = !r->stopped;
    t->next = r->running;
    r->running = t;
    pthread_mutex_unlock(&r->lock);
    return goes_on;
}

static void end(struct task *t)
{
    struct rebuilder *r = t->rebuilder;
    pthread_mutex_lock(&r->lock);
    struct task **at = &r->running;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    pthread_mutex_unlock(&r->lock);
    atomic_fetch_sub(&r->load, t->weight);
    task_free(t);
}

static void rebuild(struct task *t)
{
    const struct order *o = &t->order;
    struct err err = {0};
    unsigned made;
    int64_t start_ms = clock_monotonic_ms();
    int rc = rebuild_run(o, &t->rebuilder->settings, &t->wires, &made, &err);
    metric_add(METRIC_ec_tasks, 1);
    if (rc == 0) {
        log_info("internal blocks reconstructed group=%lld stamp=%llu made=%u of=%zu ms=%lld",
                 (long long)o->group.id, (unsigned long long)o->group.gen_stamp, made,
                 o->target_count, (long long)(clock_monotonic_ms() - start_ms));
        return;
    }
    metric_add(METRIC_ec_failed_tasks, 1);
    log_warn("a reconstruction failed group=%lld stamp=%llu cause=%s", (long long)o->group.id,
             (unsigned long long)o->group.gen_stamp, log_quote(err.text));
    if (rc == ERR_CORRUPT) {
        metric_add(METRIC_ec_invalid_tasks, 1);
        culprit_find(o, &t->rebuilder->settings, &t->wires);
    }
}

static void run(void *arg)
{
    struct task *t = arg;
    if (begin(t))
        rebuild(t);
    end(t);
}

/* What a task weighs: connections it has at a time, and never nothing. */
static unsigned weigh(const struct rebuilder *r, const struct order *o)
{
    size_t wide = order_inputs(o) > o->target_count ? order_inputs(o) : o->target_count;
    double weight = (double)wide * r->weight;
    return weight < 1 ? 1 : (unsigned)weight;
}

/* The order, packed and unpacked again into the task's arena. */
static int keep_order(struct task *t, const Hdfs__BlockECReconstructionInfo *order, struct err *err)
{
    size_t size = hdfs__block_ecreconstruction_info__get_packed_size(order);
    uint8_t *bytes = arena_alloc(&t->arena, size + 1);
    if (bytes == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a reconstruction");
    hdfs__block_ecreconstruction_info__pack(order, bytes);
    Hdfs__BlockECReconstructionInfo *kept =
        hdfs__block_ecreconstruction_info__unpack(&t->arena.pb, size, bytes);
    if (kept == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a reconstruction");
    return order_take(kept, &t->order, err);
}

int rebuilder_submit(struct rebuilder *r, const Hdfs__BlockECReconstructionInfo *order,
                     const struct addr *namenode, struct err *err)
{
    struct task *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a reconstruction");
    t->rebuilder = r;
    t->namenode = *namenode;
    arena_init(&t->arena, TASK_MEMORY);
    wires_init(&t->wires);
    int rc = keep_order(t, order, err);
    if (rc == 0) {
        t->weight = weigh(r, &t->order);
        atomic_fetch_add(&r->load, t->weight);
        rc = workers_submit(r->workers, run, t, QUEUE);
        if (rc != 0) {
            atomic_fetch_sub(&r->load, t->weight);
            rc = fail(err, rc, "%d reconstructions wait already", QUEUE);
        }
    }
    if (rc != 0)
        task_free(t);
    return rc;
}

unsigned rebuilder_load(const struct rebuilder *r)
{
    return atomic_load(&r->load);
}
