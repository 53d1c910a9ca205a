/* writer.c - a model writer: adds blocks, writes them through a pipeline of model DataNodes, mends
 * the pipeline, closes the file; or dies somewhere on the way. See sim.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

enum { TRIES = 40, RENEW_MS = 20 * SECOND };

static event_fn add_block, write_on, finish_block, complete;

static void later(struct sim *s, struct file *f, event_fn *run, int64_t low, int64_t high)
{
    sim_at(s, s->now + between(s, low, high), run, f, f->life);
}

static bool is_void(const struct file *f, uint64_t life)
{
    return !f->used || f->dead_writer || f->life != (uint32_t)life;
}

void file_kill_writer(struct sim *s, struct file *f)
{
    if (!f->open || f->dead_writer)
        return;
    f->dead_writer = true;
    f->life++;
    s->live_writers--;
    sim_trace(s, "writer dies", UINT32_MAX, f->count > 0 ? f->ids[f->count - 1] : 0, f->count, 0);
}

/* Out of patience after many tries. */
static bool gives_up(struct sim *s, struct file *f)
{
    if (++f->tries < TRIES)
        return false;
    file_kill_writer(s, f);
    return true;
}

static void renew(struct sim *s, struct file *f)
{
    if (s->now - f->renewed_ms < RENEW_MS)
        return;
    Cp__RenewLeaseRequest req = CP__RENEW_LEASE_REQUEST__INIT;
    req.client_name = f->holder;
    if (name_client(s, CLIENT_renewLease, &req.base) == 0)
        f->renewed_ms = s->now;
}

static void name_block(struct sim *s, const struct file *f, Hdfs__ExtendedBlock *b)
{
    hdfs__extended_block__init(b);
    b->pool_id = s->nn->identity.block_pool_id;
    b->block_id = f->ids[f->count - 1];
    b->generation_stamp = f->stamp;
    b->has_num_bytes = true;
    b->num_bytes = f->length;
}

/* ---- the pipeline ---- */

static struct held *member(struct sim *s, const struct file *f, uint32_t i)
{
    struct held *h = held_here(truth_need(s, f->ids[f->count - 1]), f->pipe[i].peer);
    return h != NULL && h->stamp == f->stamp && h->state == REPLICA_RBW &&
                   peer_reachable(s, &s->peers[f->pipe[i].peer])
               ? h
               : NULL;
}

static bool pipeline_is_whole(struct sim *s, const struct file *f)
{
    for (uint32_t i = 0; i < f->pipe_count; i++)
        if (member(s, f, i) == NULL)
            return false;
    return f->pipe_count > 0;
}

static int new_stamp(struct sim *s, struct file *f, uint64_t *ret)
{
    Cp__UpdateBlockForPipelineRequest req = CP__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    Hdfs__ExtendedBlock b;
    name_block(s, f, &b);
    req.block = &b;
    req.client_name = f->holder;
    TRY(name_client(s, CLIENT_updateBlockForPipeline, &req.base));
    const Cp__UpdateBlockForPipelineResponse *res = (const void *)s->call.response;
    *ret = res->block->b->generation_stamp;
    return 0;
}

static int tell_pipeline(struct sim *s, struct file *f, uint64_t stamp)
{
    Hdfs__DatanodeID ids[SIM_TARGETS], *nodes[SIM_TARGETS];
    char uuids[SIM_TARGETS][24], disks[SIM_TARGETS][48], *storages[SIM_TARGETS];
    Cp__UpdatePipelineRequest req = CP__UPDATE_PIPELINE_REQUEST__INIT;
    Hdfs__ExtendedBlock old, new;
    name_block(s, f, &old);
    new = old;
    new.generation_stamp = stamp;
    for (uint32_t i = 0; i < f->pipe_count; i++) {
        const struct peer *p = &s->peers[f->pipe[i].peer];
        snprintf(uuids[i], sizeof(uuids[i]), "dn%u", p->id);
        snprintf(disks[i], sizeof(disks[i]), "DS-%u-%u-%u", f->pipe[i].disk, p->id,
                 p->disk_number[f->pipe[i].disk]);
        hdfs__datanode_id__init(&ids[i]);
        ids[i].ip_addr = ids[i].host_name = (char *)"10.0.0.1";
        ids[i].datanode_uuid = uuids[i];
        nodes[i] = &ids[i];
        storages[i] = disks[i];
    }
    req.client_name = f->holder;
    req.old_block = &old;
    req.new_block = &new;
    req.new_nodes = nodes;
    req.storage_ids = storages;
    req.n_new_nodes = req.n_storage_ids = f->pipe_count;
    return name_client(s, CLIENT_updatePipeline, &req.base);
}

/* Goes on with those that are there, under a new stamp. `from`: their state until now. */
static int mend(struct sim *s, struct file *f, uint8_t from)
{
    uint64_t stamp, id = f->ids[f->count - 1];
    struct truth *t = truth_need(s, id);
    TRY(new_stamp(s, f, &stamp));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->pipe_count; i++) {
        struct held *h = held_here(t, f->pipe[i].peer);
        if (h == NULL || h->state != from || h->stamp != f->stamp || h->length < f->length ||
            h->rotten || !peer_reachable(s, &s->peers[h->peer]) || (s->faults && chance(s, 20)))
            continue;
        h->state = REPLICA_RBW;
        h->stamp = stamp;
        h->length = f->length;
        if (from == REPLICA_FINALIZED)
            peer_change(s, &s->peers[h->peer], h, id, BLOCK_RECEIVING);
        f->pipe[kept].disk = h->disk;
        f->pipe[kept++].peer = h->peer;
        sim_trace(s, "goes on", h->peer, id, stamp, f->length);
    }
    f->pipe_count = kept;
    if (kept == 0) {
        file_kill_writer(s, f);
        return ERR_IO;
    }
    if (s->faults && chance(s, 20)) {
        file_kill_writer(s, f); /* between the new stamp and telling it */
        return ERR_IO;
    }
    TRY(tell_pipeline(s, f, stamp));
    f->stamp = stamp;
    return 0;
}

static void take_targets(struct sim *s, struct file *f, const Hdfs__LocatedBlock *b)
{
    f->pipe_count = 0;
    for (size_t i = 0; i < b->n_locs && i < SIM_TARGETS; i++) {
        f->pipe[f->pipe_count].peer = peer_named(b->locs[i]->id->datanode_uuid);
        f->pipe[f->pipe_count++].disk = disk_named(b->storage_ids[i]);
    }
    (void)s;
}

static void set_up(struct sim *s, struct file *f)
{
    uint64_t id = f->ids[f->count - 1];
    struct truth *t = truth_need(s, id);
    t->file = (uint32_t)(f - s->files) + 1;
    for (uint32_t i = 0; i < f->pipe_count; i++) {
        struct peer *p = &s->peers[f->pipe[i].peer];
        if (!peer_reachable(s, p) || p->disk_bad[f->pipe[i].disk])
            break; /* the chain is cut there */
        struct held *h = held_put(s, t, p->id, f->pipe[i].disk, REPLICA_RBW, f->stamp, 0);
        sim_trace(s, "is written to", p->id, id, f->stamp, 0);
        if (chance(s, 2))
            peer_change(s, p, h, id, BLOCK_RECEIVING);
    }
}

/* ---- the steps ---- */

static void append_id(struct file *f, uint64_t id)
{
    f->ids = sim_grow(f->ids, f->count, &f->capacity, sizeof(*f->ids));
    f->ids[f->count++] = id;
}

static void add_block(struct sim *s, void *ctx, uint64_t life)
{
    struct file *f = ctx;
    if (is_void(f, life))
        return;
    Cp__AddBlockRequest req = CP__ADD_BLOCK_REQUEST__INIT;
    Hdfs__ExtendedBlock previous;
    req.src = f->path;
    req.client_name = f->holder;
    if (f->count > 0) {
        name_block(s, f, &previous);
        req.previous = &previous;
    }
    renew(s, f);
    int rc = name_client(s, CLIENT_addBlock, &req.base);
    if (rc != 0) {
        if (!gives_up(s, f))
            later(s, f, add_block, SECOND, 5 * SECOND);
        return;
    }
    const Cp__AddBlockResponse *res = (const void *)s->call.response;
    append_id(f, res->block->b->block_id);
    f->stamp = res->block->b->generation_stamp;
    f->length = 0;
    f->tries = 0;
    take_targets(s, f, res->block);
    set_up(s, f);
    later(s, f, write_on, 100, 2 * SECOND);
}

static void write_on(struct sim *s, void *ctx, uint64_t life)
{
    struct file *f = ctx;
    if (is_void(f, life))
        return;
    renew(s, f);
    if (!pipeline_is_whole(s, f) && mend(s, f, REPLICA_RBW) != 0) {
        if (!f->dead_writer && !gives_up(s, f))
            later(s, f, write_on, SECOND, 5 * SECOND);
        return;
    }
    f->tries = 0;
    f->length += rng_below(&s->rng, 1 << 17) + 1;
    for (uint32_t i = 0; i < f->pipe_count; i++) {
        struct held *h = member(s, f, i);
        if (h != NULL)
            h->length = f->length;
    }
    if (s->faults && chance(s, 60))
        file_kill_writer(s, f);
    else if (f->length > 1 << 19 || chance(s, 4))
        later(s, f, finish_block, 1, 200);
    else
        later(s, f, write_on, 100, 12 * SECOND);
}

static void finish_block(struct sim *s, void *ctx, uint64_t life)
{
    struct file *f = ctx;
    if (is_void(f, life))
        return;
    if (!pipeline_is_whole(s, f)) {
        later(s, f, write_on, 1, 100);
        return;
    }
    uint64_t id = f->ids[f->count - 1];
    for (uint32_t i = 0; i < f->pipe_count; i++) {
        struct held *h = member(s, f, i);
        h->state = REPLICA_FINALIZED;
        sim_trace(s, "finalizes", h->peer, id, h->stamp, h->length);
        peer_change(s, &s->peers[h->peer], h, id, BLOCK_RECEIVED);
    }
    truth_finished(s, id);
    f->tries = 0;
    if (--f->blocks_wanted > 0)
        later(s, f, add_block, 1, SECOND);
    else
        later(s, f, complete, 1, SECOND);
}

static void complete(struct sim *s, void *ctx, uint64_t life)
{
    struct file *f = ctx;
    if (is_void(f, life))
        return;
    Cp__CompleteRequest req = CP__COMPLETE_REQUEST__INIT;
    Hdfs__ExtendedBlock last;
    name_block(s, f, &last);
    req.src = f->path;
    req.client_name = f->holder;
    req.last = &last;
    renew(s, f);
    int rc = name_client(s, CLIENT_complete, &req.base);
    bool closed = rc == 0 && ((const Cp__CompleteResponse *)(const void *)s->call.response)->result;
    if (!closed) {
        if (!gives_up(s, f))
            later(s, f, complete, 400, 4 * SECOND);
        return;
    }
    f->open = false;
    f->life++;
    s->live_writers--;
    sim_trace(s, "file closed", UINT32_MAX, f->ids[f->count - 1], f->count, f->length);
}

/* A new file, or the last block of one that was reopened. */
void writer_start(struct sim *s, struct file *f, bool append)
{
    f->open = true;
    f->dead_writer = false;
    f->life++;
    f->tries = 0;
    f->renewed_ms = s->now;
    f->blocks_wanted = (uint32_t)rng_below(&s->rng, 3) + 1;
    s->live_writers++;
    if (!append) {
        later(s, f, add_block, 1, 100);
        return;
    }
    const Cp__AppendResponse *res = (const void *)s->call.response;
    if (res->block == NULL) { /* the last block is full, or there is none */
        f->stamp = f->length = 0;
        later(s, f, add_block, 1, 100);
        file_kill_writer(s, f);
        return;
    }
    f->stamp = res->block->b->generation_stamp;
    f->length = res->block->b->num_bytes;
    take_targets(s, f, res->block);
    sim_trace(s, "append", UINT32_MAX, f->ids[f->count - 1], f->stamp, f->length);
    if (mend(s, f, REPLICA_FINALIZED) == 0)
        later(s, f, write_on, 1, 1000);
    else
        file_kill_writer(s, f);
}
