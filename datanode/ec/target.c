/* target.c - an internal block that goes to the node that shall have it: a WRITE_BLOCK without a
 * client, as for replication, so there are no acknowledgements. Thread: the task's.
 * The node keeps nothing until the empty last packet, and that goes only when all is known to be
 * right; a connection that ends before throws its temporary replica away. A target that fails takes
 * nothing more, and its space is used for bytes that nobody keeps. */
#include <stdlib.h>
#include <sys/socket.h>

#include "common/obs/obs.h"
#include "datanode/ec/internal.h"

enum { PACKET = 64 * 1024, CHUNK = 512 };

static void fails(struct target *t, const struct err *why)
{
    const Hdfs__DatanodeID *id = t->at_node->node->id;
    log_warn("a target of a reconstruction fails block=%lld node=%s:%u cause=%s",
             (long long)order_block_id(t->order, t->at_node->index), id->ip_addr, id->xfer_port,
             log_quote(why->text));
    t->failed = true;
    t->fill = 0;
}

static int send_op(struct target *t, struct err *err)
{
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    Xfer__BaseHeader base = XFER__BASE_HEADER__INIT;
    Xfer__ClientOperationHeader header = XFER__CLIENT_OPERATION_HEADER__INIT;
    Xfer__Checksum checksum = XFER__CHECKSUM__INIT;
    Xfer__OpWriteBlock op = XFER__OP_WRITE_BLOCK__INIT;
    Rpc__Token token = RPC__TOKEN__INIT;
    token.kind = token.service = (char *)(uintptr_t) "";
    block.pool_id = (char *)(uintptr_t)t->order->pool_id;
    block.block_id = order_block_id(t->order, t->at_node->index);
    block.generation_stamp = t->order->group.gen_stamp;
    block.has_num_bytes = true;
    block.num_bytes = t->length;
    base.block = &block;
    base.token = &token;
    header.base_header = &base;
    header.client_name = (char *)(uintptr_t) "";
    checksum.type = (Hdfs__ChecksumType)t->kind.type;
    checksum.bytes_per_checksum = t->kind.bytes_per_chunk;
    op.header = &header;
    op.requested_checksum = &checksum;
    op.stage = XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE;
    op.has_storage_type = t->at_node->has_type;
    op.storage_type = t->at_node->type;
    op.storage_id = (char *)(uintptr_t)t->at_node->storage_id;
    return xfer_send_op(t->fd, XFER_WRITE_BLOCK, &op.base, err);
}

/* A node that takes nothing for as long as others may be silent is as good as gone. */
static int write_ms(const struct pipeline_config *config)
{
    int w = config->write_timeout_ms, r = config->read_timeout_ms;
    return r > 0 && (w == 0 || r < w) ? r : w;
}

int target_open(struct target *t, const struct order *o, const struct order_target *at_node,
                const struct rebuild_settings *settings, struct wires *wires, struct crc_kind kind,
                struct err *err)
{
    struct err own = {0};
    *t = (struct target){.order = o,
                         .at_node = at_node,
                         .settings = settings,
                         .wires = wires,
                         .length = order_length(o, at_node->index),
                         .fd = -1,
                         .kind = kind};
    if (kind.type == CRC_NULL)
        t->kind = (struct crc_kind){CRC_CRC32C, CHUNK};
    size_t chunk = t->kind.bytes_per_chunk;
    t->room = chunk > PACKET ? chunk : PACKET - PACKET % chunk;
    size_t sums = crc_sums_size(t->kind, t->room);
    t->memory = malloc(XFER_PACKET_HEADER_MAX + sums + t->room);
    if (t->memory == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a target");
    t->data = t->memory + XFER_PACKET_HEADER_MAX + sums;
    int rc = wires_connect(wires, settings->pipeline, at_node->node->id, settings->slow_ms,
                           settings->pipeline->read_timeout_ms, write_ms(settings->pipeline),
                           &t->fd, &own);
    if (rc == 0)
        rc = send_op(t, &own);
    if (rc != 0)
        fails(t, &own);
    return 0;
}

void target_close(struct target *t)
{
    if (t->memory != NULL && t->fd >= 0)
        wires_close(t->wires, t->fd);
    t->fd = -1;
    free(t->memory);
    t->memory = t->data = NULL;
}

uint8_t *target_space(const struct target *t, size_t *ret_room)
{
    uint64_t left = t->length - t->sent - t->fill;
    *ret_room = t->room - t->fill;
    if (target_wants(t) && left < *ret_room)
        *ret_room = (size_t)left;
    return t->data + t->fill;
}

static int send_packet(struct target *t, bool last, struct err *err)
{
    uint8_t header[XFER_PACKET_HEADER_MAX];
    struct xfer_packet p = {.offset = (int64_t)t->sent,
                            .seqno = t->seqno++,
                            .data_size = (uint32_t)t->fill,
                            .sums_size = (uint32_t)crc_sums_size(t->kind, t->fill),
                            .last = last};
    size_t size = xfer_packet_encode(&p, header);
    uint8_t *sums = t->data - p.sums_size, *from = sums - size;
    crc_compute(t->kind, t->data, t->fill, sums);
    memcpy(from, header, size);
    size += p.sums_size + t->fill;
    throttle_use(t->settings->pipeline->transfer, size);
    throttle_use(t->settings->write, t->fill);
    TRY(sock_write_full(t->fd, from, size, err));
    metric_add(METRIC_ec_bytes_written, t->fill);
    t->sent += t->fill;
    t->fill = 0;
    return 0;
}

void target_add(struct target *t, size_t size)
{
    struct err err = {0};
    if (!target_wants(t))
        return;
    t->fill += size;
    CHECK(t->fill <= t->room && t->sent + t->fill <= t->length);
    if ((t->fill == t->room || t->sent + t->fill == t->length) && send_packet(t, false, &err) != 0)
        fails(t, &err);
}

/* It closes when it is done with the replica. */
static int await_end(const struct target *t, struct err *err)
{
    uint8_t byte;
    int rc = sock_read_full(t->fd, &byte, 1, err);
    if (rc == ERR_EOF)
        return 0;
    return rc == 0 ? fail(err, ERR_PROTOCOL, "a target speaks where it has nothing to say") : rc;
}

void target_commit(struct target *t)
{
    struct err err = {0};
    if (t->failed)
        return;
    CHECK(t->sent == t->length);
    if (send_packet(t, true, &err) != 0)
        fails(t, &err);
}

void target_await(struct target *t)
{
    struct err err = {0};
    if (!t->failed && await_end(t, &err) != 0)
        fails(t, &err);
}
