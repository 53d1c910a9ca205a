/* ack.c - pipeline acknowledgements: sequence number, and for each node of the pipeline a status.
 * Newer peers send flags (status, congestion, slowness), older ones only the statuses; flags win
 * where both are. */
#include "common/io/io.h"
#include "common/xfer/internal.h"

enum { ACK_MAX = 1024, FLAG_ECN_SHIFT = 5 };

uint32_t xfer_ack_flag(Xfer__Status status, enum xfer_ecn ecn)
{
    return ((uint32_t)status & 15) | (uint32_t)ecn << FLAG_ECN_SHIFT;
}

size_t xfer_ack_encode(const struct xfer_ack *ack, uint8_t out[XFER_ACK_MAX])
{
    CHECK(ack->count <= XFER_MAX_PIPELINE);
    uint8_t body[XFER_ACK_MAX], *p = body;
    p = put_varint(put_u8(p, 0x08), (uint64_t)ack->seqno << 1 ^ (ack->seqno < 0 ? UINT64_MAX : 0));
    size_t flags_size = 0;
    for (uint32_t i = 0; i < ack->count; i++) {
        p = put_varint(put_u8(p, 0x10), ack->flags[i] & 15);
        flags_size += varint_size(ack->flags[i]);
    }
    p = put_varint(put_u8(p, 0x18), ack->downstream_ns);
    if (ack->count > 0) {
        p = put_varint(put_u8(p, 0x22), flags_size);
        for (uint32_t i = 0; i < ack->count; i++)
            p = put_varint(p, ack->flags[i]);
    }
    size_t size = (size_t)(p - body);
    uint8_t *at = put_varint(out, size);
    memcpy(at, body, size);
    return (size_t)(at - out) + size;
}

int xfer_send_ack(int fd, const struct xfer_ack *ack, struct err *err)
{
    uint8_t out[XFER_ACK_MAX];
    return sock_write_full(fd, out, xfer_ack_encode(ack, out), err);
}

struct ack_list {
    uint32_t count;
    uint32_t items[XFER_MAX_PIPELINE];
};

static void list_add(struct ack_list *list, struct reader *r)
{
    uint64_t value = read_varint(r);
    if (list->count == XFER_MAX_PIPELINE || value > UINT32_MAX)
        r->bad = true;
    else
        list->items[list->count++] = (uint32_t)value;
}

static void list_packed(struct ack_list *list, struct reader *r)
{
    uint64_t size = read_varint(r);
    struct slice s = read_bytes(r, size > ACK_MAX ? SIZE_MAX : (size_t)size);
    if (r->bad)
        return;
    struct reader packed = reader_of(s.data, s.size);
    while (reader_left(&packed) > 0 && !packed.bad)
        list_add(list, &packed);
    r->bad |= packed.bad;
}

static void ack_fields(struct reader *r, struct xfer_ack *ack, bool *seqno_seen)
{
    struct ack_list replies = {0}, flags = {0};
    while (reader_left(r) > 0 && !r->bad) {
        switch (read_varint(r)) {
        case 0x08:
            ack->seqno = read_svarint(r);
            *seqno_seen = true;
            break;
        case 0x10:
            list_add(&replies, r);
            break;
        case 0x12:
            list_packed(&replies, r);
            break;
        case 0x18:
            ack->downstream_ns = read_varint(r);
            break;
        case 0x20:
            list_add(&flags, r);
            break;
        case 0x22:
            list_packed(&flags, r);
            break;
        default:
            r->bad = true;
        }
    }
    const struct ack_list *use = flags.count > 0 ? &flags : &replies;
    ack->count = use->count;
    memcpy(ack->flags, use->items, use->count * sizeof(use->items[0]));
}

ssize_t xfer_ack_decode(struct slice bytes, struct xfer_ack *ret, struct err *err)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    if (bytes.size == 0 || (bytes.size == 1 && bytes.data[0] & 0x80))
        return 0;
    uint64_t size = read_u8(&r);
    if (size & 0x80) /* at most two bytes of length: an acknowledgement is short */
        size = (size & 0x7f) | (uint64_t)read_u8(&r) << 7;
    if (size > ACK_MAX)
        return fail(err, ERR_PROTOCOL, "an acknowledgement is longer than %d bytes", ACK_MAX);
    if (reader_left(&r) < size)
        return 0;
    struct slice body = read_bytes(&r, (size_t)size);
    struct reader fields = reader_of(body.data, body.size);
    struct xfer_ack ack = {0};
    bool seqno_seen = false;
    ack_fields(&fields, &ack, &seqno_seen);
    if (fields.bad || !seqno_seen)
        return fail(err, ERR_PROTOCOL, "malformed acknowledgement of %llu bytes",
                    (unsigned long long)size);
    *ret = ack;
    return r.at - bytes.data;
}

int xfer_recv_ack(struct xfer_in *in, struct xfer_ack *ret, struct err *err)
{
    for (;;) {
        struct slice bytes = {buf_head(&in->buffered), buf_size(&in->buffered)};
        ssize_t used = xfer_ack_decode(bytes, ret, err);
        if (used < 0)
            return (int)used;
        if (used > 0) {
            buf_consume(&in->buffered, (size_t)used);
            return 0;
        }
        TRY(xfer_fill(in, err));
    }
}
