/* receiver.c - WRITE_BLOCK: sets a pipeline up (replica here, connection to the next node, answers
 * back) and runs it. Three kinds: a client writes (RBW, acknowledgements); a node copies to us
 * (TEMPORARY, no answers); a node copies for a client that repairs its pipeline (TEMPORARY, one
 * answer at the end). The stage of a client says which replica is there already: none, a finalized
 * one that grows, one whose pipeline broke, one whose close wasn't answered (then no data follow).
 */
#include <stdio.h>

#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

typedef Xfer__OpWriteBlock__BlockConstructionStage stage_t;
#define STAGE(name) XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__##name

struct write_op {
    struct transfer *t;
    const Xfer__OpWriteBlock *op;
    bool client, transfer; /* see the card: first, third kind; neither: second */
    bool fresh;            /* the replica is new: it goes when the pipeline isn't set up */
    bool close_only;
    struct mirror mirror;
    struct replica_writer writer;
};

/* Of optional lists that run along the targets. */
static void shift_targets(Xfer__OpWriteBlock *next, const Xfer__OpWriteBlock *op)
{
    next->n_targets = op->n_targets - 1;
    next->targets = op->targets + 1;
    next->has_storage_type = op->n_target_storage_types > 0;
    if (op->n_target_storage_types > 0) {
        next->storage_type = op->target_storage_types[0];
        next->n_target_storage_types = op->n_target_storage_types - 1;
        next->target_storage_types = op->target_storage_types + 1;
    }
    next->storage_id = NULL;
    if (op->n_target_storage_ids > 0) {
        next->storage_id = op->target_storage_ids[0];
        next->n_target_storage_ids = op->n_target_storage_ids - 1;
        next->target_storage_ids = op->target_storage_ids + 1;
    }
    next->has_pinning = op->n_target_pinnings > 0;
    if (op->n_target_pinnings > 0) {
        next->pinning = op->target_pinnings[0];
        next->n_target_pinnings = op->n_target_pinnings - 1;
        next->target_pinnings = op->target_pinnings + 1;
    }
}

/* *ret_bad: the node to blame, in the arena. */
static int read_connect_ack(struct write_op *w, const char **ret_bad, struct err *err)
{
    ProtobufCMessage *m;
    struct pollfd fd = {w->mirror.in.fd, POLLIN, 0};
    int timeout = grown_timeout(w->t->config->read_timeout_ms, w->op->n_targets), ready;
    mirror_alive(&w->mirror);
    TRY(mirror_poll(&w->mirror, &fd, 1, true, timeout == 0 ? -1 : timeout, &ready, err));
    mirror_alive(&w->mirror);
    TRY(xfer_recv_message(&w->mirror.in, &xfer__block_op_response__descriptor, w->t->arena, &m,
                          err));
    const Xfer__BlockOpResponse *r = (const Xfer__BlockOpResponse *)m;
    if (r->status == XFER__STATUS__SUCCESS)
        return 0;
    if (r->first_bad_link != NULL && r->first_bad_link[0] != '\0')
        *ret_bad = r->first_bad_link;
    return fail(err, ERR_REMOTE, "%s answers status %d: %s", w->mirror.name, (int)r->status,
                log_quote(r->message == NULL ? "" : r->message));
}

static int connect_next(struct write_op *w, const char **ret_bad, struct err *err)
{
    const Xfer__OpWriteBlock *op = w->op;
    Xfer__OpWriteBlock next = *op; /* the header goes on as it came */
    shift_targets(&next, op);
    int rc = mirror_connect(&w->mirror, w->t->config, op->targets[0], op->n_targets, err);
    *ret_bad = w->mirror.name;
    TRY(rc);
    TRY(xfer_send_op(w->mirror.in.fd, XFER_WRITE_BLOCK, &next.base, err));
    return w->client ? read_connect_ack(w, ret_bad, err) : 0;
}

/* A replica that is there: by the client's stage. */
static int continue_replica(struct write_op *w, struct block_pool *pool, const struct block *block,
                            struct err *err)
{
    const Xfer__OpWriteBlock *op = w->op;
    struct replica_reopening q = {.block = *block,
                                  .new_stamp = op->latest_generation_stamp,
                                  .min_length = op->min_bytes_rcvd,
                                  .max_length = op->max_bytes_rcvd};
    switch (op->stage) {
    case STAGE(PIPELINE_SETUP_APPEND):
        return replica_reopen(pool, &q, &w->writer, err);
    case STAGE(PIPELINE_SETUP_APPEND_RECOVERY):
        return replica_recover_append(pool, &q, &w->writer, err);
    case STAGE(PIPELINE_SETUP_STREAMING_RECOVERY):
        return replica_recover_rbw(pool, &q, &w->writer, err);
    case STAGE(PIPELINE_CLOSE_RECOVERY):
        w->close_only = true;
        return replica_recover_close(pool, &q, err);
    default:
        return fail(err, ERR_PROTOCOL, "stage %d can't begin a pipeline", (int)op->stage);
    }
}

static void stop_writing(void *watch)
{
    transfer_watch_stop(watch);
}

/* On a favored node: a balancer leaves it there. */
static int pin(struct write_op *w, struct err *err)
{
    int rc = replica_pin(&w->writer, err);
    if (rc != 0)
        replica_abandon(&w->writer);
    return rc;
}

static int prepare_replica(struct write_op *w, struct crc_kind kind, struct err *err)
{
    const Xfer__OpWriteBlock *op = w->op;
    struct block_pool *pool;
    struct replica_request q = {.type = (enum storage_type)op->storage_type,
                                .state = w->client ? REPLICA_RBW : REPLICA_TEMPORARY,
                                .kind = kind};
    if (op->n_targets >= XFER_MAX_PIPELINE)
        return fail(err, ERR_PROTOCOL, "a pipeline of %zu nodes is too long", op->n_targets + 1);
    TRY(header_block(w->t, op->header->base_header, &pool, &q.block, err));
    if (w->client && op->stage != STAGE(PIPELINE_SETUP_CREATE))
        return continue_replica(w, pool, &q.block, err);
    if (w->client && op->latest_generation_stamp != 0)
        q.block.gen_stamp = op->latest_generation_stamp; /* an earlier try makes place */
    uint64_t visible = q.block.length;
    w->fresh = true;
    TRY(replica_create(pool, &q, &w->writer, err));
    if (w->client && w->t->config->pinning && op->has_pinning && op->pinning)
        TRY(pin(w, err));
    if (w->transfer)
        w->writer.visible = visible;
    return 0;
}

/* The client tries other nodes: no trace stays of a new replica, and others wait for it. */
static void withdraw(struct write_op *w)
{
    struct replica_writer *writer = &w->writer;
    if (w->close_only)
        return;
    struct block b = writer->block;
    struct block_pool *pool = writer->pool;
    bool rbw = writer->state == REPLICA_RBW && w->fresh;
    replica_abandon(writer);
    if (rbw && replica_remove(pool, b.id, b.gen_stamp, false, NULL) != 0)
        log_debug("a withdrawn replica was gone already block=%lld", (long long)b.id);
}

static int set_up(struct write_op *w, struct crc_kind *ret_kind, struct err *err)
{
    int rc = xfer_checksum_kind(w->op->requested_checksum, ret_kind, err);
    if (rc == 0)
        rc = prepare_replica(w, *ret_kind, err);
    if (rc == 0 && !w->close_only && w->t->watch != NULL)
        replica_on_stop(&w->writer, stop_writing, w->t->watch);
    if (rc != 0) {
        if (w->client || w->transfer)
            answer_error(w->t, err, w->t->local);
        return err->code;
    }
    struct err why = {0};
    const char *bad = NULL;
    if (w->op->n_targets > 0 && connect_next(w, &bad, &why) != 0) {
        mirror_close(&w->mirror);
        if (w->client) {
            withdraw(w);
            answer_error(w->t, &why, bad);
            *err = why;
            return why.code;
        }
        log_warn("a copy goes no further than here block=%lld next=%s cause=%s",
                 (long long)w->writer.block.id, w->mirror.name, log_quote(why.text));
    }
    if (w->client && xfer_send_response(w->t->in->fd, XFER__STATUS__SUCCESS, NULL, "", err) != 0) {
        withdraw(w);
        return err->code;
    }
    return 0;
}

/* Only the last node of a pipeline is measured: sending to another one waits for those behind it,
 * too. Its name is its web address, as Hadoop's NameNodes look it up. */
static struct series *peer_times(const struct write_op *w)
{
    char name[300];
    if (w->op->n_targets != 1)
        return NULL;
    const Hdfs__DatanodeID *id = w->op->targets[0]->id;
    bool secure = id->has_info_secure_port && id->info_secure_port != 0;
    snprintf(name, sizeof(name), "%.255s:%u", id->ip_addr,
             secure ? id->info_secure_port : id->info_port);
    return stats_peer(w->t->config->stats, name);
}

static int run(struct write_op *w, struct err *err)
{
    const struct pipeline_config *config = w->t->config;
    TRY(sock_set_timeouts(w->t->in->fd, grown_timeout(config->read_timeout_ms, w->op->n_targets),
                          config->write_timeout_ms, err));
    struct crc_kind kind;
    TRY(set_up(w, &kind, err));
    if (w->close_only)
        return 0;
    struct stream s = {.transfer = w->t,
                       .kind = kind,
                       .mirror = &w->mirror,
                       .writer = &w->writer,
                       .downstream = mirror_open(&w->mirror) ? w->op->n_targets : 0,
                       .acks = w->client,
                       .throttle = config->write,
                       .peer = peer_times(w),
                       .to_rbw = w->op->stage == STAGE(TRANSFER_RBW)};
    TRY(stream_run(&s, err));
    if (w->transfer)
        TRY(xfer_send_response(w->t->in->fd, XFER__STATUS__SUCCESS, NULL, NULL, err));
    return 0;
}

static void watch_writing(struct transfer_watch *watch, int fd)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->up = fd;
    pthread_mutex_unlock(&watch->lock);
}

int op_write_block(struct transfer *t, const Xfer__OpWriteBlock *op, struct err *err)
{
    struct write_op w = {.t = t, .op = op};
    w.transfer = op->stage == STAGE(TRANSFER_RBW) || op->stage == STAGE(TRANSFER_FINALIZED);
    w.client = op->header->client_name[0] != '\0' && !w.transfer;
    mirror_init(&w.mirror, t->watch);
    watch_writing(t->watch, t->in->fd);
    int rc = run(&w, err);
    mirror_close(&w.mirror);
    watch_writing(t->watch, -1);
    if (rc == 0) /* a pipeline's connection is never used again */
        rc = fail(err, ERR_CLOSED, "the block is complete");
    return rc;
}
