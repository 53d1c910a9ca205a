/* order.c - one replica moves: REPLACE_BLOCK to its new node, which fetches it from the proxy and
 * says every now and then that it is still at it. */
#include <stdio.h>
#include <unistd.h>

#include "cli/moves/moves.h"
#include "common/io/io.h"
#include "common/xfer/xfer.h"

enum {
    CONNECT_MS = 60000,
    ANSWER_MS = 5 * 60000, /* without a sign of life */
    ANSWER_MEMORY = 1 << 20
};

static int send_order(int fd, const struct moves_options *o, const struct move_nodes *nodes,
                      const struct move_order *order, struct err *err)
{
    Xfer__OpReplaceBlock op = XFER__OP_REPLACE_BLOCK__INIT;
    Xfer__BaseHeader header = XFER__BASE_HEADER__INIT;
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    Hdfs__DatanodeInfo source = HDFS__DATANODE_INFO__INIT;
    Hdfs__DatanodeID id = HDFS__DATANODE_ID__INIT;
    Rpc__Token token = RPC__TOKEN__INIT;
    const struct move_node *proxy = &nodes->items[order->proxy];
    token.kind = token.service = (char *)(uintptr_t) "";
    block.pool_id = (char *)(uintptr_t)o->pool_id;
    block.block_id = order->id;
    block.generation_stamp = order->generation_stamp;
    block.has_num_bytes = true;
    block.num_bytes = order->length;
    header.block = &block;
    header.token = &token;
    id.ip_addr = proxy->ip;
    id.host_name = proxy->host;
    id.datanode_uuid = proxy->uuid;
    id.xfer_port = proxy->xfer_port;
    id.info_port = proxy->info_port;
    id.ipc_port = proxy->ipc_port;
    source.id = &id;
    source.location = proxy->rack;
    op.header = &header;
    op.del_hint = nodes->items[order->source].uuid;
    op.source = &source;
    op.has_storage_type = true;
    op.storage_type = (Hdfs__StorageType)order->type;
    return xfer_send_op(fd, XFER_REPLACE_BLOCK, &op.base, err);
}

static int read_answer(struct xfer_in *in, Xfer__Status *ret, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, ANSWER_MEMORY);
    int rc = xfer_recv_message(in, &xfer__block_op_response__descriptor, &arena, &m, err);
    if (rc == 0) {
        const Xfer__BlockOpResponse *r = (const Xfer__BlockOpResponse *)m;
        *ret = r->status;
        if (r->status != XFER__STATUS__SUCCESS && r->status != XFER__STATUS__IN_PROGRESS)
            rc = fail(err, ERR_REMOTE, "Got error, status=%d, status message %s", (int)r->status,
                      r->message == NULL ? "" : r->message);
    }
    arena_fini(&arena);
    return rc;
}

static int converse(int fd, const struct moves_options *o, const struct move_nodes *nodes,
                    const struct move_order *order, Xfer__Status *ret, struct err *err)
{
    struct xfer_in in;
    int64_t start_ms = clock_monotonic_ms();
    TRY(sock_set_timeouts(fd, ANSWER_MS, CONNECT_MS, err));
    TRY(send_order(fd, o, nodes, order, err));
    xfer_in_init(&in, fd);
    int rc;
    do {
        rc = read_answer(&in, ret, err);
        if (rc == 0 && *ret == XFER__STATUS__IN_PROGRESS && o->timeout_ms > 0 &&
            clock_monotonic_ms() - start_ms > o->timeout_ms)
            rc = fail(err, ERR_TIMEOUT, "Block move timed out");
    } while (rc == 0 && *ret == XFER__STATUS__IN_PROGRESS);
    xfer_in_fini(&in);
    return rc;
}

int order_run(const struct moves_options *o, const struct move_nodes *nodes,
              const struct move_order *order, bool *ret_pinned, struct err *err)
{
    const struct move_node *target = &nodes->items[order->target];
    const char *host = o->use_hostname ? target->host : target->ip;
    struct addr addr = {.port = (uint16_t)target->xfer_port};
    Xfer__Status status = XFER__STATUS__SUCCESS;
    int fd;
    *ret_pinned = false;
    if (strlen(host) >= sizeof(addr.host) || target->xfer_port > UINT16_MAX)
        return fail(err, ERR_PROTOCOL, "%s is not an address", target->name);
    snprintf(addr.host, sizeof(addr.host), "%s", host);
    TRY(sock_connect(&addr, CONNECT_MS, &fd, err));
    int rc = converse(fd, o, nodes, order, &status, err);
    close(fd);
    *ret_pinned = rc != 0 && status == XFER__STATUS__ERROR_BLOCK_PINNED;
    return rc;
}
