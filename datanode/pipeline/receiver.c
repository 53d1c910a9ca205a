/* receiver.c - WRITE_BLOCK: sets a pipeline up (replica here, connection to the next node, answers
 * back) and runs it. Three kinds: a client writes (RBW, acknowledgements); a node copies to us
 * (TEMPORARY, no answers); a node copies for a client that repairs its pipeline (TEMPORARY, one
 * answer at the end). Appending and the recovery stages are refused: stage_allowed is where they
 * come in. */
#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

typedef Xfer__OpWriteBlock__BlockConstructionStage stage_t;
#define STAGE(name) XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__##name

struct write_op {
    struct transfer *t;
    const Xfer__OpWriteBlock *op;
    bool client, transfer; /* see the card: first, third kind; neither: second */
    struct mirror mirror;
    struct replica_writer writer;
};

static int stage_allowed(stage_t stage, struct err *err)
{
    switch (stage) {
    case STAGE(PIPELINE_SETUP_CREATE):
    case STAGE(TRANSFER_RBW):
    case STAGE(TRANSFER_FINALIZED):
        return 0;
    case STAGE(PIPELINE_SETUP_APPEND):
    case STAGE(PIPELINE_SETUP_APPEND_RECOVERY):
        return fail(err, ERR_UNSUPPORTED, "appending to a block is not supported by this version");
    case STAGE(PIPELINE_SETUP_STREAMING_RECOVERY):
    case STAGE(PIPELINE_CLOSE_RECOVERY):
        return fail(err, ERR_UNSUPPORTED,
                    "the recovery of a pipeline is not supported by this version");
    default:
        return fail(err, ERR_PROTOCOL, "stage %d can't begin a pipeline", (int)stage);
    }
}

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

static int create_replica(struct write_op *w, struct err *err)
{
    const Xfer__OpWriteBlock *op = w->op;
    struct block_pool *pool;
    struct replica_request q = {.type = (enum storage_type)op->storage_type,
                                .state = w->client ? REPLICA_RBW : REPLICA_TEMPORARY};
    TRY(stage_allowed(op->stage, err));
    if (op->n_targets >= XFER_MAX_PIPELINE)
        return fail(err, ERR_PROTOCOL, "a pipeline of %zu nodes is too long", op->n_targets + 1);
    TRY(xfer_checksum_kind(op->requested_checksum, &q.kind, err));
    TRY(header_block(w->t, op->header->base_header, &pool, &q.block, err));
    return replica_create(pool, &q, &w->writer, err);
}

/* Nothing was written, the client tries other nodes: no trace stays. */
static void withdraw(struct write_op *w)
{
    struct replica_writer *writer = &w->writer;
    struct block b = writer->block;
    struct block_pool *pool = writer->pool;
    bool rbw = writer->state == REPLICA_RBW;
    replica_abandon(writer);
    if (rbw && replica_remove(pool, b.id, b.gen_stamp, false, NULL) != 0)
        log_debug("a withdrawn replica was gone already block=%lld", (long long)b.id);
}

static int set_up(struct write_op *w, struct err *err)
{
    if (create_replica(w, err) != 0) {
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

static int run(struct write_op *w, struct err *err)
{
    const struct pipeline_config *config = w->t->config;
    TRY(sock_set_timeouts(w->t->in->fd, grown_timeout(config->read_timeout_ms, w->op->n_targets),
                          config->write_timeout_ms, err));
    TRY(set_up(w, err));
    struct stream s = {.transfer = w->t,
                       .mirror = &w->mirror,
                       .writer = &w->writer,
                       .downstream = mirror_open(&w->mirror) ? w->op->n_targets : 0,
                       .acks = w->client,
                       .to_rbw = w->op->stage == STAGE(TRANSFER_RBW)};
    TRY(stream_run(&s, err));
    if (w->transfer)
        TRY(xfer_send_response(w->t->in->fd, XFER__STATUS__SUCCESS, NULL, NULL, err));
    return 0;
}

int op_write_block(struct transfer *t, const Xfer__OpWriteBlock *op, struct err *err)
{
    struct write_op w = {.t = t, .op = op};
    w.transfer = op->stage == STAGE(TRANSFER_RBW) || op->stage == STAGE(TRANSFER_FINALIZED);
    w.client = op->header->client_name[0] != '\0' && !w.transfer;
    mirror_init(&w.mirror, t->watch);
    int rc = run(&w, err);
    mirror_close(&w.mirror);
    if (rc == 0) /* a pipeline's connection is never used again */
        rc = fail(err, ERR_CLOSED, "the block is complete");
    return rc;
}
