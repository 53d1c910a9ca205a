/* xfer.h - DataTransferProtocol version 28 as bytes, for DataNode and libdfs. Door of common/xfer.
 * Codecs are pure; the xfer_recv_... and xfer_send_... functions are the thin blocking shell over a
 * socket with time-outs. Nothing is allocated by an announced length: a varint-delimited header is
 * at most XFER_MAX_HEADER. */
#pragma once
#include <sys/types.h>

#include "common/base/base.h"
#include "common/crc/crc.h"
#include "hdfs.pb-c.h"
#include "xfer.pb-c.h"

enum {
    XFER_VERSION = 28,
    XFER_MAX_HEADER = 256 * 1024,       /* one op or response message */
    XFER_MAX_PACKET = 16 * 1024 * 1024, /* PLEN + HLEN, dfs.data.transfer.max.packet.size */
    XFER_PACKET_HEADER_MAX = 33,        /* u32 PLEN, u16 HLEN, 27 bytes of protobuf */
    XFER_HEARTBEAT_SEQNO = -1,
    XFER_UNKNOWN_SEQNO = -2
};

/* op(code, name, message) */
#define XFER_OPS(OP)                                \
    OP(80, WRITE_BLOCK, xfer__op_write_block)       \
    OP(81, READ_BLOCK, xfer__op_read_block)         \
    OP(83, REPLACE_BLOCK, xfer__op_replace_block)   \
    OP(84, COPY_BLOCK, xfer__op_copy_block)         \
    OP(85, BLOCK_CHECKSUM, xfer__op_block_checksum) \
    OP(86, TRANSFER_BLOCK, xfer__op_transfer_block)
enum xfer_opcode {
#define OP(code, name, message) XFER_##name = code,
    XFER_OPS(OP)
#undef OP
};

/* Buffered reading end of a connection; one owner. */
struct xfer_in {
    int fd;
    struct buf buffered;
};
void xfer_in_init(struct xfer_in *in, int fd);
void xfer_in_fini(struct xfer_in *in); /* does not close fd */
/* Exactly `size` bytes: first from the buffer, then straight from the socket into data. */
must_use int xfer_read(struct xfer_in *in, void *data, size_t size, struct err *err);
/* One varint-delimited message into the arena. */
must_use int xfer_recv_message(struct xfer_in *in, const ProtobufCMessageDescriptor *descriptor,
                               struct arena *arena, ProtobufCMessage **ret, struct err *err);
/* Pure form: >0 bytes used, 0 more bytes needed, <0 error. */
ssize_t xfer_decode_message(struct slice bytes, const ProtobufCMessageDescriptor *descriptor,
                            struct arena *arena, ProtobufCMessage **ret, struct err *err);
must_use int xfer_send_message(int fd, const ProtobufCMessage *message, struct err *err);
/* u16 version, u8 op, message. ERR_EOF when the peer closed before the first byte. ERR_VERSION,
 * ERR_PROTOCOL. */
must_use int xfer_recv_op(struct xfer_in *in, struct arena *arena, enum xfer_opcode *ret_op,
                          ProtobufCMessage **ret, struct err *err);
must_use int xfer_send_op(int fd, enum xfer_opcode op, const ProtobufCMessage *message,
                          struct err *err);
/* Pure form for fuzzing and for loops: >0 bytes used, 0 more bytes needed, <0 error. */
ssize_t xfer_decode_op(struct slice bytes, struct arena *arena, enum xfer_opcode *ret_op,
                       ProtobufCMessage **ret, struct err *err);

struct xfer_packet {
    int64_t offset; /* in the block */
    int64_t seqno;
    uint32_t data_size;
    uint32_t sums_size; /* bytes of checksums between header and data */
    bool last, sync;
};
/* PLEN, HLEN and header; returns the bytes written to out. */
size_t xfer_packet_encode(const struct xfer_packet *p, uint8_t out[XFER_PACKET_HEADER_MAX]);
/* Checks all lengths. >0 bytes used, 0 more needed, <0 ERR_PROTOCOL. */
ssize_t xfer_packet_decode(struct slice bytes, struct xfer_packet *ret, struct err *err);
must_use int xfer_recv_packet(struct xfer_in *in, struct xfer_packet *ret, struct err *err);

enum { XFER_MAX_PIPELINE = 64 };
enum xfer_ecn { XFER_ECN_DISABLED, XFER_ECN_SUPPORTED, XFER_ECN_SUPPORTED2, XFER_ECN_CONGESTED };
struct xfer_ack {
    int64_t seqno;
    uint64_t downstream_ns;
    uint32_t count;
    uint32_t flags[XFER_MAX_PIPELINE]; /* bits 0-3 Status, 5-6 ECN, 7-8 SLOW; own first, then
                                          downstream */
};
static inline Xfer__Status xfer_ack_status(uint32_t flag)
{
    return (Xfer__Status)(flag & 15);
}
uint32_t xfer_ack_flag(Xfer__Status status, enum xfer_ecn ecn);
enum { XFER_ACK_MAX = 1024 }; /* length and message of the longest acknowledgement that is sent */
/* Pure forms: bytes written; >0 bytes used, 0 more needed, <0 ERR_PROTOCOL. */
size_t xfer_ack_encode(const struct xfer_ack *ack, uint8_t out[XFER_ACK_MAX]);
ssize_t xfer_ack_decode(struct slice bytes, struct xfer_ack *ret, struct err *err);
must_use int xfer_recv_ack(struct xfer_in *in, struct xfer_ack *ret, struct err *err);
must_use int xfer_send_ack(int fd, const struct xfer_ack *ack, struct err *err);

/* BlockOpResponse with status and text (either may be absent: message NULL). */
must_use int xfer_send_response(int fd, Xfer__Status status, const char *message,
                                const char *first_bad_link, struct err *err);
/* crc_kind <-> Checksum message; unknown types are errors. */
must_use int xfer_checksum_kind(const Xfer__Checksum *message, struct crc_kind *ret,
                                struct err *err);
