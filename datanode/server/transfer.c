/* transfer.c - one operation of a data connection on a worker thread. */
#include "common/obs/obs.h"
#include "datanode/server/internal.h"

static const char *op_name(enum xfer_opcode op)
{
    switch (op) {
#define OP(code, name, message) \
    case XFER_##name:           \
        return #name;
        XFER_OPS(OP)
#undef OP
    }
    return "?";
}

static int run_op(struct conn *c, struct transfer *t, struct err *err)
{
    switch (c->op) {
    case XFER_WRITE_BLOCK:
        return op_write_block(t, (const Xfer__OpWriteBlock *)c->message, err);
    case XFER_READ_BLOCK:
        return op_read_block(t, (const Xfer__OpReadBlock *)c->message, err);
    case XFER_COPY_BLOCK:
        return op_copy_block(t, (const Xfer__OpCopyBlock *)c->message, err);
    case XFER_REPLACE_BLOCK:
        return op_replace_block(t, (const Xfer__OpReplaceBlock *)c->message, err);
    case XFER_BLOCK_CHECKSUM:
        return op_block_checksum(t, (const Xfer__OpBlockChecksum *)c->message, err);
    case XFER_TRANSFER_BLOCK:
        return op_transfer_block(t, (const Xfer__OpTransferBlock *)c->message, err);
    }
    return fail(err, ERR_PROTOCOL, "operation %d", (int)c->op);
}

static int finish_reading(struct conn *c, struct err *err)
{
    int wait_ms = (int)c->server->options.first_ms;
    TRY(sock_set_timeouts(c->in.fd, wait_ms, wait_ms, err));
    return xfer_recv_op(&c->in, &c->arena, &c->op, &c->message, err);
}

/* Peers that go away are their own business; what we could not do is worth a line. */
static void log_end(const struct conn *c, const struct err *err)
{
    char peer[300];
    if (err->code == ERR_CLOSED)
        return;
    sock_peer(c->in.fd, peer, sizeof(peer));
    if (err->code == ERR_EOF)
        log_debug("a transfer was cut off op=%s peer=%s cause=%s", op_name(c->op), peer,
                  log_quote(err->text));
    else
        log_limited(LOG_WARN, "a transfer failed op=%s peer=%s error=%s cause=%s", op_name(c->op),
                    peer, err_name(err->code), log_quote(err->text));
}

void transfer_run(void *arg)
{
    struct conn *c = arg;
    char local[300];
    struct err err = {0};
    sock_local(c->in.fd, local, sizeof(local));
    struct transfer t = {.config = c->server->options.pipeline,
                         .in = &c->in,
                         .arena = &c->arena,
                         .local = local,
                         .watch = &c->watch};
    c->result = c->message == NULL ? finish_reading(c, &err) : 0;
    if (c->result == 0)
        c->result = run_op(c, &t, &err);
    if (c->result != 0)
        log_end(c, &err);
    else
        c->status_owed = c->op == XFER_READ_BLOCK;
    struct data_server *s = c->server;
    inbox_put(&s->returned, &c->node); /* from here on it is the loop's */
    uv_async_send(&s->wake);
}
