/* copy.c - copies for replication. A task carries its own arena with the targets, since the command
 * is gone when it runs. Thread: submit from any, tasks on the copier's own. */
#include <stdatomic.h>
#include <stdlib.h>

#include "common/io/io.h"
#include "common/obs/obs.h"
#include "datanode/upkeep/upkeep.h"

enum { COPY_THREADS = 16, COPY_QUEUE = 10000, TASK_MEMORY = 1 << 20 };

struct copier {
    const struct pipeline_config *config;
    struct workers *workers;
    copier_bad bad;
    void *ctx;
    atomic_uint active;
    pthread_mutex_t lock; /* guards running and stopped */
    struct task *running;
    bool stopped;
};

struct task {
    struct copier *copier;
    struct arena arena;
    struct copy_request request;
    struct transfer_watch watch;
    struct task *next;
};

int copier_new(const struct pipeline_config *config, copier_bad bad, void *ctx, struct copier **ret,
               struct err *err)
{
    struct copier *c = calloc(1, sizeof(*c));
    if (c == NULL || (c->workers = workers_new("dn-copy", COPY_THREADS)) == NULL) {
        free(c);
        return fail(err, ERR_NO_MEMORY, "no memory for the copier");
    }
    CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    c->config = config;
    c->bad = bad;
    c->ctx = ctx;
    *ret = c;
    return 0;
}

void copier_free(struct copier *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopped = true;
    for (struct task *t = c->running; t != NULL; t = t->next)
        transfer_watch_stop(&t->watch);
    pthread_mutex_unlock(&c->lock);
    workers_free(c->workers);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void task_free(struct task *t)
{
    transfer_watch_fini(&t->watch);
    arena_fini(&t->arena);
    free(t);
}

static bool begin(struct task *t)
{
    struct copier *c = t->copier;
    pthread_mutex_lock(&c->lock);
    bool goes_on = !c->stopped;
    t->next = c->running;
    c->running = t;
    pthread_mutex_unlock(&c->lock);
    return goes_on;
}

static void end(struct task *t)
{
    struct copier *c = t->copier;
    pthread_mutex_lock(&c->lock);
    struct task **at = &c->running;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    pthread_mutex_unlock(&c->lock);
    atomic_fetch_sub(&c->active, 1);
    task_free(t);
}

static void run(void *arg)
{
    struct task *t = arg;
    struct copier *c = t->copier;
    const struct copy_request *q = &t->request;
    struct err err = {0};
    if (begin(t)) {
        int rc = copy_block(c->config, q, &t->watch, &err);
        if (rc == 0)
            log_info("replica copied block=%lld stamp=%llu target=%s:%u", (long long)q->block.id,
                     (unsigned long long)q->block.gen_stamp, q->targets[0]->id->ip_addr,
                     q->targets[0]->id->xfer_port);
        else
            log_warn("a copy failed block=%lld stamp=%llu cause=%s", (long long)q->block.id,
                     (unsigned long long)q->block.gen_stamp, log_quote(err.text));
        if (rc == ERR_CORRUPT || rc == ERR_CHECKSUM)
            c->bad(c->ctx, q->pool_id, &q->block);
    }
    end(t);
}

/* The command's part for one block, packed and unpacked again into the task's arena. */
static int copy_targets(struct task *t, const Dp__BlockCommand *command, size_t index,
                        struct err *err)
{
    const Hdfs__DatanodeInfos *from = command->targets[index];
    size_t size = hdfs__datanode_infos__get_packed_size(from);
    uint8_t *bytes = arena_alloc(&t->arena, size + 1);
    if (bytes == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a copy");
    hdfs__datanode_infos__pack(from, bytes);
    Hdfs__DatanodeInfos *infos = hdfs__datanode_infos__unpack(&t->arena.pb, size, bytes);
    t->request.pool_id = arena_strdup(&t->arena, command->block_pool_id);
    if (infos == NULL || t->request.pool_id == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a copy");
    t->request.targets = infos->datanodes;
    t->request.target_count = infos->n_datanodes;
    return 0;
}

static int copy_storages(struct task *t, const Dp__BlockCommand *command, size_t index,
                         struct err *err)
{
    struct copy_request *q = &t->request;
    if (command->n_target_storage_types > index &&
        command->target_storage_types[index]->n_storage_types == q->target_count) {
        Hdfs__StorageType *types = arena_array(&t->arena, Hdfs__StorageType, q->target_count);
        if (types == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a copy");
        memcpy(types, command->target_storage_types[index]->storage_types,
               q->target_count * sizeof(*types));
        q->target_types = types;
    }
    if (command->n_target_storage_uuids > index &&
        command->target_storage_uuids[index]->n_storage_uuids == q->target_count) {
        q->target_ids = arena_array(&t->arena, char *, q->target_count);
        for (size_t i = 0; q->target_ids != NULL && i < q->target_count; i++) {
            q->target_ids[i] =
                arena_strdup(&t->arena, command->target_storage_uuids[index]->storage_uuids[i]);
            if (q->target_ids[i] == NULL)
                q->target_ids = NULL; /* optional on the wire */
        }
    }
    return 0;
}

int copier_submit(struct copier *c, const Dp__BlockCommand *command, size_t index, struct err *err)
{
    const Hdfs__Block *b = command->blocks[index];
    if (command->n_targets <= index || command->targets[index]->n_datanodes == 0)
        return fail(err, ERR_PROTOCOL, "no target for blk_%lld", (long long)b->block_id);
    struct task *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a copy");
    t->copier = c;
    t->request.block = (struct block){b->block_id, b->gen_stamp, b->num_bytes};
    t->request.client_name = "";
    arena_init(&t->arena, TASK_MEMORY);
    transfer_watch_init(&t->watch);
    int rc = copy_targets(t, command, index, err);
    if (rc == 0)
        rc = copy_storages(t, command, index, err);
    if (rc == 0) {
        atomic_fetch_add(&c->active, 1);
        rc = workers_submit(c->workers, run, t, COPY_QUEUE);
        if (rc != 0) {
            atomic_fetch_sub(&c->active, 1);
            rc = fail(err, rc, "%d copies wait already", COPY_QUEUE);
        }
    }
    if (rc != 0)
        task_free(t);
    return rc;
}

unsigned copier_active(const struct copier *c)
{
    return atomic_load(&c->active);
}
