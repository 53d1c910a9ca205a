/* op.c - operation headers, delimited messages, responses.
 * Codecs are pure; xfer_recv_... and xfer_send_... block on the socket with its time-outs. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/io/io.h"
#include "common/xfer/internal.h"

void xfer_in_init(struct xfer_in *in, int fd)
{
    *in = (struct xfer_in){.fd = fd};
}

void xfer_in_fini(struct xfer_in *in)
{
    buf_fini(&in->buffered);
}

int xfer_fill(struct xfer_in *in, struct err *err)
{
    uint8_t *room = buf_reserve(&in->buffered, XFER_FILL);
    if (room == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for %d bytes of a connection", XFER_FILL);
    ssize_t n;
    do {
        n = recv(in->fd, room, XFER_FILL, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail_errno(err, "reading from the connection");
    if (n == 0)
        return fail(err, ERR_EOF, "the peer closed the connection");
    buf_commit(&in->buffered, (size_t)n);
    return 0;
}

int xfer_read(struct xfer_in *in, void *data, size_t size, struct err *err)
{
    size_t have = buf_size(&in->buffered);
    size_t n = size < have ? size : have;
    if (n > 0) {
        memcpy(data, buf_head(&in->buffered), n);
        buf_consume(&in->buffered, n);
    }
    if (n == size)
        return 0;
    return sock_read_full(in->fd, (uint8_t *)data + n, size - n, err);
}

/* Length of the delimited message at r: 1 and *ret_body, 0 more bytes needed, <0 error. */
static int delimited(struct reader *r, struct slice *ret_body, struct err *err)
{
    uint64_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (reader_left(r) == 0)
            return 0;
        uint8_t byte = read_u8(r);
        size |= (uint64_t)(byte & 0x7f) << shift;
        if (size > XFER_MAX_HEADER || shift > 28)
            return fail(err, ERR_PROTOCOL, "a message is longer than %d bytes", XFER_MAX_HEADER);
        if ((byte & 0x80) == 0)
            break;
    }
    if (reader_left(r) < size)
        return 0;
    *ret_body = read_bytes(r, (size_t)size);
    return 1;
}

static int unpack(const ProtobufCMessageDescriptor *descriptor, struct slice body,
                  struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(descriptor, &arena->pb, body.size, body.data);
    if (m == NULL)
        return fail(err, ERR_PROTOCOL, "malformed %s of %zu bytes", descriptor->name, body.size);
    *ret = m;
    return 0;
}

ssize_t xfer_decode_message(struct slice bytes, const ProtobufCMessageDescriptor *descriptor,
                            struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct slice body;
    int got = delimited(&r, &body, err);
    if (got <= 0)
        return got;
    TRY(unpack(descriptor, body, arena, ret, err));
    return r.at - bytes.data;
}

int xfer_recv_message(struct xfer_in *in, const ProtobufCMessageDescriptor *descriptor,
                      struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
    for (;;) {
        struct slice bytes = {buf_head(&in->buffered), buf_size(&in->buffered)};
        ssize_t used = xfer_decode_message(bytes, descriptor, arena, ret, err);
        if (used < 0)
            return (int)used;
        if (used > 0) {
            buf_consume(&in->buffered, (size_t)used);
            return 0;
        }
        TRY(xfer_fill(in, err));
    }
}

/* Sends prefix and delimited message in one write. */
static int send_prefixed(int fd, const uint8_t *prefix, size_t prefix_size,
                         const ProtobufCMessage *message, struct err *err)
{
    uint8_t small[1024], *out = small;
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > XFER_MAX_HEADER)
        return fail(err, ERR_PROTOCOL, "a message of %zu bytes is longer than %d", size,
                    XFER_MAX_HEADER);
    size_t total = prefix_size + varint_size(size) + size;
    if (total > sizeof(small) && (out = malloc(total)) == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a message of %zu bytes", size);
    if (prefix_size > 0)
        memcpy(out, prefix, prefix_size);
    protobuf_c_message_pack(message, put_varint(out + prefix_size, size));
    int rc = sock_write_full(fd, out, total, err);
    if (out != small)
        free(out);
    return rc;
}

int xfer_send_message(int fd, const ProtobufCMessage *message, struct err *err)
{
    return send_prefixed(fd, NULL, 0, message, err);
}

int xfer_send_op(int fd, enum xfer_opcode op, const ProtobufCMessage *message, struct err *err)
{
    uint8_t prefix[3];
    put_u8(put_u16(prefix, XFER_VERSION), (uint8_t)op);
    return send_prefixed(fd, prefix, sizeof(prefix), message, err);
}

static const ProtobufCMessageDescriptor *op_descriptor(uint8_t op)
{
    switch (op) {
#define OP(code, name, message) \
    case code:                  \
        return &message##__descriptor;
        XFER_OPS(OP)
#undef OP
    default:
        return NULL;
    }
}

ssize_t xfer_decode_op(struct slice bytes, struct arena *arena, enum xfer_opcode *ret_op,
                       ProtobufCMessage **ret, struct err *err)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    if (bytes.size < 2)
        return 0;
    uint16_t version = read_u16(&r);
    if (version != XFER_VERSION)
        return fail(err, ERR_VERSION, "data transfer version %u instead of %d", version,
                    XFER_VERSION);
    if (bytes.size < 3)
        return 0;
    uint8_t op = read_u8(&r);
    const ProtobufCMessageDescriptor *descriptor = op_descriptor(op);
    if (descriptor == NULL)
        return fail(err, ERR_PROTOCOL, "unknown data transfer operation %u", op);
    struct slice body;
    int got = delimited(&r, &body, err);
    if (got <= 0)
        return got;
    TRY(unpack(descriptor, body, arena, ret, err));
    *ret_op = (enum xfer_opcode)op;
    return r.at - bytes.data;
}

int xfer_recv_op(struct xfer_in *in, struct arena *arena, enum xfer_opcode *ret_op,
                 ProtobufCMessage **ret, struct err *err)
{
    for (;;) {
        struct slice bytes = {buf_head(&in->buffered), buf_size(&in->buffered)};
        ssize_t used = xfer_decode_op(bytes, arena, ret_op, ret, err);
        if (used < 0)
            return (int)used;
        if (used > 0) {
            buf_consume(&in->buffered, (size_t)used);
            return 0;
        }
        TRY(xfer_fill(in, err));
    }
}

int xfer_send_response(int fd, Xfer__Status status, const char *message, const char *first_bad_link,
                       struct err *err)
{
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    response.status = status;
    response.message = (char *)(uintptr_t)message;
    response.first_bad_link = (char *)(uintptr_t)first_bad_link;
    return xfer_send_message(fd, &response.base, err);
}

int xfer_checksum_kind(const Xfer__Checksum *message, struct crc_kind *ret, struct err *err)
{
    uint8_t header[CRC_HEADER_SIZE];
    unsigned type = (unsigned)message->type;
    put_u32(put_u8(header, type > 255 ? 255 : (uint8_t)type), message->bytes_per_checksum);
    return crc_header_decode(header, ret, err);
}
