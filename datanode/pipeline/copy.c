/* copy.c - a replica that goes to other nodes: for replication at the NameNode's command, and for a
 * client that repairs its pipeline (TRANSFER_BLOCK). Moves of a balancer are in move.c. */
#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

enum { COPY_PACKET = 64 * 1024 };

static void fill_op(Xfer__OpWriteBlock *op, const struct copy_request *q)
{
    op->targets = q->targets + 1;
    op->n_targets = q->target_count - 1;
    if (q->target_types != NULL) {
        op->has_storage_type = true;
        op->storage_type = q->target_types[0];
        op->target_storage_types = (Hdfs__StorageType *)(uintptr_t)(q->target_types + 1);
        op->n_target_storage_types = q->target_count - 1;
    }
    if (q->target_ids != NULL) {
        op->storage_id = q->target_ids[0];
        op->target_storage_ids = q->target_ids + 1;
        op->n_target_storage_ids = q->target_count - 1;
    }
}

static int send_write_op(int fd, const struct copy_request *q, const struct replica_reader *r,
                         struct err *err)
{
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    Xfer__BaseHeader base = XFER__BASE_HEADER__INIT;
    Xfer__ClientOperationHeader header = XFER__CLIENT_OPERATION_HEADER__INIT;
    Xfer__Checksum checksum = XFER__CHECKSUM__INIT;
    Xfer__OpWriteBlock op = XFER__OP_WRITE_BLOCK__INIT;
    Rpc__Token token = RPC__TOKEN__INIT;
    token.kind = token.service = (char *)(uintptr_t) "";
    block.pool_id = (char *)(uintptr_t)q->pool_id;
    block.block_id = r->block.id;
    block.generation_stamp = r->block.gen_stamp;
    block.has_num_bytes = true;
    block.num_bytes = r->block.length;
    base.block = &block;
    base.token = &token;
    header.base_header = &base;
    header.client_name = (char *)(uintptr_t)q->client_name;
    checksum.type = (Hdfs__ChecksumType)r->kind.type;
    checksum.bytes_per_checksum = r->kind.bytes_per_chunk;
    op.header = &header;
    op.requested_checksum = &checksum;
    op.stage = q->client_name[0] == '\0'
                   ? XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE
               : r->state == REPLICA_FINALIZED
                   ? XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_FINALIZED
                   : XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_RBW;
    fill_op(&op, q);
    return xfer_send_op(fd, XFER_WRITE_BLOCK, &op.base, err);
}

static int read_answer(struct mirror *m, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *message;
    arena_init(&arena, 1 << 20);
    int rc = xfer_recv_message(&m->in, &xfer__block_op_response__descriptor, &arena, &message, err);
    if (rc == 0) {
        const Xfer__BlockOpResponse *r = (const Xfer__BlockOpResponse *)message;
        if (r->status != XFER__STATUS__SUCCESS)
            rc = fail(err, ERR_REMOTE, "%s answers status %d: %s", m->name, (int)r->status,
                      log_quote(r->message == NULL ? "" : r->message));
    }
    arena_fini(&arena);
    return rc;
}

static int copy_to(const struct pipeline_config *config, const struct copy_request *q,
                   const struct replica_reader *r, struct mirror *m, struct err *err)
{
    struct send_range range = {.length = r->block.length,
                               .with_sums = true,
                               .packet = COPY_PACKET,
                               .throttle = config->transfer};
    TRY(mirror_connect(m, config, q->targets[0], q->target_count, err));
    TRY(send_write_op(m->in.fd, q, r, err));
    TRY(send_replica(m->in.fd, r, &range, err));
    return q->client_name[0] != '\0' ? read_answer(m, err) : 0;
}

int copy_block(const struct pipeline_config *config, const struct copy_request *q,
               struct transfer_watch *watch, struct err *err)
{
    struct replica_reader r;
    struct mirror m;
    if (q->target_count == 0)
        return fail(err, ERR_PROTOCOL, "a copy has no target");
    struct block_pool *pool = store_pool(config->store, q->pool_id);
    if (pool == NULL)
        return fail(err, ERR_NO_REPLICA, "there is no block pool %s here", log_quote(q->pool_id));
    int rc = replica_open(pool, q->block.id, q->block.gen_stamp, 0, 0, &r, err);
    suspect_replica(config, q->pool_id, &q->block, rc);
    TRY(rc);
    mirror_init(&m, watch);
    rc = copy_to(config, q, &r, &m, err);
    /* a target that breaks off may have met wrong checksums */
    suspect_replica(config, q->pool_id, &r.block, rc == ERR_EOF ? ERR_CHECKSUM : rc);
    mirror_close(&m);
    replica_close(&r);
    if (rc == 0)
        metric_add(METRIC_blocks_copied, 1);
    return rc;
}

int op_transfer_block(struct transfer *t, const Xfer__OpTransferBlock *op, struct err *err)
{
    struct block_pool *pool;
    struct copy_request q = {.targets = op->targets,
                             .target_count = op->n_targets,
                             .client_name = op->header->client_name};
    if (op->n_target_storage_types == op->n_targets)
        q.target_types = op->target_storage_types;
    if (op->n_target_storage_ids == op->n_targets)
        q.target_ids = op->target_storage_ids;
    int rc = header_block(t, op->header->base_header, &pool, &q.block, err);
    if (rc == 0 && q.client_name[0] == '\0')
        rc = fail(err, ERR_PROTOCOL, "a transfer without a client");
    if (rc == 0) {
        q.pool_id = pool_id(pool);
        rc = copy_block(t->config, &q, t->watch, err);
    }
    if (rc != 0) {
        answer_error(t, err, NULL);
        return rc;
    }
    return xfer_send_response(t->in->fd, XFER__STATUS__SUCCESS, NULL, NULL, err);
}
