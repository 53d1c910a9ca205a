/* move.c - REPLACE_BLOCK: a balancer or mover wants a replica here that stands elsewhere.
 * From another node it is pulled with COPY_BLOCK; the NameNode hears of it together with the node
 * that shall lose its own. If the source is this node it goes to another of its volumes. While the
 * bytes come, the one who waits gets IN_PROGRESS now and then. All bytes count for the balancer's
 * throttle, and only so many moves run at a time; one more is refused, the balancer tries later. */
#include <stdio.h>

#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

enum { SIGN_OF_LIFE_MS = 30000 }; /* without time-outs */

struct move {
    struct transfer *t;
    const Xfer__OpReplaceBlock *op;
    struct block_pool *pool;
    struct block block;
    struct mirror source;
    int64_t told_ms;     /* when the waiting one last heard of us */
    Xfer__Status status; /* of the answer when it fails */
};

void move_quota_text(const struct pipeline_config *config, char *out, size_t size)
{
    snprintf(out, size, "threads quota=%u is exceeded.", config->balance_moves);
}

/* Before `bytes` are moved on. Whoever waits and went away is noticed at the end. */
static void move_use(void *ctx, uint64_t bytes)
{
    struct move *m = ctx;
    int timeout_ms = m->t->config->read_timeout_ms;
    int64_t now_ms = clock_monotonic_ms();
    throttle_use(m->t->config->balance, bytes);
    if (now_ms - m->told_ms < (timeout_ms > 0 ? timeout_ms / 2 : SIGN_OF_LIFE_MS))
        return;
    struct err err = {0};
    if (xfer_send_response(m->t->in->fd, XFER__STATUS__IN_PROGRESS, NULL, NULL, &err) != 0)
        log_debug("the one who asked for a move is gone cause=%s", log_quote(err.text));
    m->told_ms = now_ms;
}

/* --- from another node --- */

static int read_start(struct move *m, struct crc_kind *ret_kind, struct err *err)
{
    ProtobufCMessage *message;
    TRY(xfer_recv_message(&m->source.in, &xfer__block_op_response__descriptor, m->t->arena,
                          &message, err));
    const Xfer__BlockOpResponse *r = (const Xfer__BlockOpResponse *)message;
    if (r->status == XFER__STATUS__ERROR_BLOCK_PINNED)
        m->status = r->status;
    if (r->status != XFER__STATUS__SUCCESS)
        return fail(err, ERR_REMOTE, "%s answers status %d: %s", m->source.name, (int)r->status,
                    log_quote(r->message == NULL ? "" : r->message));
    if (r->read_op_checksum_info == NULL)
        return fail(err, ERR_PROTOCOL, "%s names no checksums", m->source.name);
    return xfer_checksum_kind(r->read_op_checksum_info->checksum, ret_kind, err);
}

static int store_packet(const struct incoming *i, struct replica_writer *w, struct err *err)
{
    const struct xfer_packet *p = &i->packet;
    if (p->data_size == 0)
        return 0;
    if (p->offset < 0 || p->sums_size != crc_sums_size(w->kind, p->data_size))
        return fail(err, ERR_PROTOCOL, "%u bytes at %lld come with %u bytes of checksums",
                    p->data_size, (long long)p->offset, p->sums_size);
    TRY(crc_verify(w->kind, incoming_data(i), p->data_size, incoming_sums(i), (uint64_t)p->offset,
                   err));
    metric_add(METRIC_bytes_written, p->data_size);
    return replica_append(w, (uint64_t)p->offset, incoming_data(i), p->data_size, incoming_sums(i),
                          p->sums_size, err);
}

static int receive_packets(struct move *m, struct replica_writer *w, struct err *err)
{
    struct incoming in = {0};
    int rc = 0;
    do {
        rc = incoming_receive(&in, &m->source.in, err);
        if (rc == 0)
            rc = store_packet(&in, w, err);
        if (rc == 0)
            move_use(m, in.packet.sums_size + in.packet.data_size);
    } while (rc == 0 && !in.packet.last);
    incoming_fini(&in);
    if (rc == 0 && w->block.length != m->block.length)
        return fail(err, ERR_CORRUPT, "%s sent %llu of %llu bytes", m->source.name,
                    (unsigned long long)w->block.length, (unsigned long long)m->block.length);
    return rc;
}

static int receive(struct move *m, struct crc_kind kind, struct err *err)
{
    struct replica_writer writer;
    struct replica_request q = {.block = m->block,
                                .state = REPLICA_TEMPORARY,
                                .type = (enum storage_type)m->op->storage_type,
                                .kind = kind};
    TRY(replica_create(m->pool, &q, &writer, err));
    writer.instead_of = m->op->del_hint;
    int rc = receive_packets(m, &writer, err);
    if (rc == 0)
        return replica_finalize(&writer, err);
    replica_abandon(&writer);
    return rc;
}

static int pull(struct move *m, struct err *err)
{
    Xfer__OpCopyBlock copy = XFER__OP_COPY_BLOCK__INIT;
    struct crc_kind kind;
    char done[2];
    copy.header = m->op->header; /* goes on as it came */
    TRY(mirror_connect(&m->source, m->t->config, m->op->source, 1, err));
    TRY(xfer_send_op(m->source.in.fd, XFER_COPY_BLOCK, &copy.base, err));
    TRY(read_start(m, &kind, err));
    TRY(receive(m, kind, err));
    struct err late = {0}; /* the source says when it is ready for the next; we have it anyway */
    if (xfer_read(&m->source.in, done, sizeof(done), &late) != 0)
        log_debug("the source of a move ended early cause=%s", log_quote(late.text));
    return 0;
}

/* --- --- */

static int move(struct move *m, struct err *err)
{
    const struct pipeline_config *config = m->t->config;
    TRY(header_block(m->t, m->op->header, &m->pool, &m->block, err));
    if (strcmp(m->op->source->id->datanode_uuid, store_uuid(config->store)) == 0)
        return replica_relocate(m->pool, &m->block, (enum storage_type)m->op->storage_type,
                                move_use, m, err);
    return pull(m, err);
}

static int refuse(const struct transfer *t, const Xfer__OpReplaceBlock *op, struct err *err)
{
    char text[500], peer[300], why[100];
    sock_peer(t->in->fd, peer, sizeof(peer));
    move_quota_text(t->config, why, sizeof(why));
    snprintf(text, sizeof(text), "Not able to receive block %lld from /%s because %s",
             (long long)op->header->block->block_id, peer, why);
    TRY(xfer_send_response(t->in->fd, XFER__STATUS__ERROR, text, NULL, err));
    return fail(err, ERR_CLOSED, "%s", text);
}

static int answer_failure(const struct move *m, const struct err *why)
{
    char text[1200];
    const Hdfs__ExtendedBlock *b = m->op->header->block;
    snprintf(text, sizeof(text), "opReplaceBlock %s:blk_%lld_%llu received exception %s: %s",
             b->pool_id, (long long)b->block_id, (unsigned long long)b->generation_stamp,
             err_class(why), why->text);
    struct err err = {0};
    if (xfer_send_response(m->t->in->fd, m->status, text, NULL, &err) != 0)
        log_debug("nobody heard of a failed move cause=%s", log_quote(err.text));
    return why->code;
}

int op_replace_block(struct transfer *t, const Xfer__OpReplaceBlock *op, struct err *err)
{
    struct move m = {
        .t = t, .op = op, .told_ms = clock_monotonic_ms(), .status = XFER__STATUS__ERROR};
    if (!throttle_enter(t->config->balance))
        return refuse(t, op, err);
    mirror_init(&m.source, t->watch);
    int rc = move(&m, err);
    mirror_close(&m.source);
    throttle_leave(t->config->balance);
    if (rc != 0)
        return answer_failure(&m, err);
    metric_add(METRIC_blocks_moved, 1);
    return xfer_send_response(t->in->fd, XFER__STATUS__SUCCESS, NULL, NULL, err);
}
