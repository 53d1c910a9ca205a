/* fixture_node.c - a pretended DataNode: one connection at a time, faults as told. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static const struct crc_kind kind = {CRC_CRC32C, 512};

/* True if the fault is still to strike; counts it. */
static bool strike(struct fake_node *n)
{
    if (n->fault.times == 0)
        return false;
    n->fault.times--;
    return true;
}

static void send_ack(int fd, int64_t seqno, uint32_t count, int bad)
{
    struct xfer_ack ack = {.seqno = seqno, .count = count};
    for (uint32_t i = 0; i < count; i++)
        ack.flags[i] = xfer_ack_flag((int)i == bad ? XFER__STATUS__ERROR : XFER__STATUS__SUCCESS,
                                     XFER_ECN_DISABLED);
    (void)!xfer_send_ack(fd, &ack, NULL);
}

/* Stores packets; returns when the connection or the block is done. */
static void take_packets(struct fake_node *n, struct xfer_in *in, unsigned block, uint32_t count)
{
    struct fake_cluster *c = n->cluster;
    for (int packets = 0;; packets++) {
        struct xfer_packet p;
        uint8_t sums[4096], data[65536];
        if (xfer_recv_packet(in, &p, NULL) != 0 || p.sums_size > sizeof(sums) ||
            p.data_size > sizeof(data) || xfer_read(in, sums, p.sums_size, NULL) != 0 ||
            xfer_read(in, data, p.data_size, NULL) != 0)
            return;
        if (packets == n->fault.cut_after_packets && strike(n))
            return;
        if (packets == n->fault.error_after_packets && strike(n)) {
            send_ack(in->fd, p.seqno, count, (int)n->fault.blame_position);
            return;
        }
        cr_assert_eq(crc_verify(kind, data, p.data_size, sums, 0, NULL), 0);
        pthread_mutex_lock(&c->lock);
        if (p.data_size > 0) {
            cr_assert((uint64_t)p.offset <= c->sizes[block], "a hole");
            memcpy(c->data[block] + p.offset, data, p.data_size);
            c->sizes[block] = (uint64_t)p.offset + p.data_size;
        }
        c->finalized[block] = p.last;
        pthread_mutex_unlock(&c->lock);
        send_ack(in->fd, p.seqno, count, -1);
        if (p.last)
            return;
    }
}

static void serve_write(struct fake_node *n, struct xfer_in *in, const Xfer__OpWriteBlock *op)
{
    struct fake_cluster *c = n->cluster;
    unsigned block = (unsigned)op->header->base_header->block->block_id;
    bool closing =
        op->stage == XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE_RECOVERY;
    pthread_mutex_lock(&c->lock);
    fake_log(c, "setup%d-%u ", (int)op->stage, op->pipeline_size);
    if (op->stage != XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE) {
        cr_assert_gt(op->latest_generation_stamp, c->stamps[block]);
        cr_assert_leq(op->min_bytes_rcvd, c->sizes[block]);
        c->sizes[block] = op->min_bytes_rcvd; /* cut back to what all have acknowledged */
        c->finalized[block] = closing;
    } else {
        c->sizes[block] = 0;
    }
    pthread_mutex_unlock(&c->lock);
    if (n->fault.refuse_setup && strike(n)) {
        char link[32] = "";
        unsigned at = n->fault.blame_position;
        if (at > 0 && at <= op->n_targets)
            snprintf(link, sizeof(link), "127.0.0.1:%u", op->targets[at - 1]->id->xfer_port);
        (void)!xfer_send_response(in->fd, XFER__STATUS__ERROR, "no room here", link, NULL);
        return;
    }
    (void)!xfer_send_response(in->fd, XFER__STATUS__SUCCESS, NULL, "", NULL);
    if (!closing)
        take_packets(n, in, block, op->pipeline_size);
}

static bool send_data(struct fake_node *n, int fd, unsigned block, uint64_t from, uint64_t to)
{
    struct fake_cluster *c = n->cluster;
    struct xfer_packet p = {.offset = (int64_t)from};
    for (int packets = 0;; packets++) {
        uint8_t out[XFER_PACKET_HEADER_MAX], sums[4096], data[16384];
        p.data_size = (uint32_t)(to - (uint64_t)p.offset < sizeof(data) ? to - (uint64_t)p.offset
                                                                        : sizeof(data));
        p.last = p.data_size == 0;
        p.sums_size = (uint32_t)crc_sums_size(kind, p.data_size);
        memcpy(data, c->data[block] + p.offset, p.data_size);
        crc_compute(kind, data, p.data_size, sums);
        if (packets == n->fault.drop_read_after && strike(n))
            return false;
        if (n->fault.flip_bit && p.data_size > 700 && strike(n))
            data[700] ^= 1;
        if (sock_write_full(fd, out, xfer_packet_encode(&p, out), NULL) != 0 ||
            sock_write_full(fd, sums, p.sums_size, NULL) != 0 ||
            sock_write_full(fd, data, p.data_size, NULL) != 0)
            return false;
        if (p.last)
            return true;
        p.offset += p.data_size;
        p.seqno++;
    }
}

/* True: the connection can take another operation. */
static bool serve_read(struct fake_node *n, struct xfer_in *in, const Xfer__OpReadBlock *op)
{
    struct fake_cluster *c = n->cluster;
    unsigned block = (unsigned)op->header->base_header->block->block_id;
    uint64_t from = op->offset / 512 * 512, to = (op->offset + op->len + 511) / 512 * 512;
    Xfer__Checksum sum = XFER__CHECKSUM__INIT;
    Xfer__ReadOpChecksumInfo info = XFER__READ_OP_CHECKSUM_INFO__INIT;
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    pthread_mutex_lock(&c->lock);
    fake_log(c, "read%u ", (unsigned)(n - c->nodes));
    to = to < c->sizes[block] ? to : c->sizes[block];
    pthread_mutex_unlock(&c->lock);
    sum.type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    sum.bytes_per_checksum = 512;
    info.checksum = &sum;
    info.chunk_offset = from;
    response.read_op_checksum_info = &info;
    if (xfer_send_message(in->fd, &response.base, NULL) != 0 ||
        !send_data(n, in->fd, block, from, to))
        return false;
    struct arena arena;
    ProtobufCMessage *status;
    arena_init(&arena, 65536);
    int rc = xfer_recv_message(in, &xfer__client_read_status__descriptor, &arena, &status, NULL);
    cr_assert(rc != 0 ||
              ((Xfer__ClientReadStatus *)(void *)status)->status == XFER__STATUS__CHECKSUM_OK);
    arena_fini(&arena);
    return rc == 0 && !(n->fault.close_after_read && strike(n));
}

static void serve(struct fake_node *n, int fd)
{
    struct xfer_in in;
    bool more = true;
    xfer_in_init(&in, fd);
    while (more) {
        struct arena arena;
        enum xfer_opcode op;
        ProtobufCMessage *message;
        arena_init(&arena, 1 << 20);
        more = xfer_recv_op(&in, &arena, &op, &message, NULL) == 0;
        if (more && op == XFER_WRITE_BLOCK)
            serve_write(n, &in, (const Xfer__OpWriteBlock *)(void *)message);
        more = more && op == XFER_READ_BLOCK &&
               serve_read(n, &in, (const Xfer__OpReadBlock *)(void *)message);
        arena_fini(&arena);
    }
    xfer_in_fini(&in);
    close(fd);
}

void *fake_node_main(void *arg)
{
    struct fake_node *n = arg;
    for (;;) {
        int fd = accept(n->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        (void)!sock_set_timeouts(fd, 3000, 3000, NULL);
        __atomic_add_fetch(&n->accepted, 1, __ATOMIC_RELAXED);
        serve(n, fd);
    }
}
