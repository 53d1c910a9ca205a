/* packet.c - packet headers of the data stream: u32 PLEN, u16 HLEN, header, checksums, data.
 * The header's four required fields have fixed widths, so no packet is shorter than PACKET_MIN
 * bytes; a reader may take so many at once without touching the next one. */
#include "common/xfer/internal.h"

enum {
    HLEN_PLAIN = 25,
    HLEN_MAX = 256, /* room for fields that later versions may add */
    PACKET_MIN = 6 + HLEN_PLAIN,
    FIELD_OFFSET = 1,
    FIELD_SEQNO = 2,
    FIELD_LAST = 4,
    FIELD_DATA_LEN = 8,
    FIELDS_REQUIRED = FIELD_OFFSET | FIELD_SEQNO | FIELD_LAST | FIELD_DATA_LEN
};

static uint8_t *put_le(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        *p++ = (uint8_t)v;
    return p;
}

static uint64_t read_le(struct reader *r, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)read_u8(r) << (8 * i);
    return v;
}

size_t xfer_packet_encode(const struct xfer_packet *p, uint8_t out[XFER_PACKET_HEADER_MAX])
{
    uint8_t *at = put_u32(out, 4 + p->sums_size + p->data_size);
    at = put_u16(at, p->sync ? HLEN_PLAIN + 2 : HLEN_PLAIN);
    at = put_le(put_u8(at, 0x09), (uint64_t)p->offset, 8);
    at = put_le(put_u8(at, 0x11), (uint64_t)p->seqno, 8);
    at = put_u8(put_u8(at, 0x18), p->last);
    at = put_le(put_u8(at, 0x25), p->data_size, 4);
    if (p->sync)
        at = put_u8(put_u8(at, 0x28), 1);
    return (size_t)(at - out);
}

static void skip_field(struct reader *r, uint64_t tag)
{
    switch (tag & 7) {
    case 0:
        (void)read_varint(r);
        break;
    case 1:
        (void)read_bytes(r, 8);
        break;
    case 2: {
        uint64_t size = read_varint(r);
        (void)read_bytes(r, size > HLEN_MAX ? SIZE_MAX : (size_t)size);
        break;
    }
    case 5:
        (void)read_bytes(r, 4);
        break;
    default:
        r->bad = true;
    }
}

/* The protobuf part. Returns the FIELD_... bits that were there; r->bad if it is malformed. */
static unsigned header_fields(struct reader *r, struct xfer_packet *p)
{
    unsigned seen = 0;
    while (reader_left(r) > 0 && !r->bad) {
        uint64_t tag = read_varint(r);
        switch (tag) {
        case 0x09:
            p->offset = (int64_t)read_le(r, 8);
            seen |= FIELD_OFFSET;
            break;
        case 0x11:
            p->seqno = (int64_t)read_le(r, 8);
            seen |= FIELD_SEQNO;
            break;
        case 0x18:
            p->last = read_varint(r) != 0;
            seen |= FIELD_LAST;
            break;
        case 0x25:
            p->data_size = (uint32_t)read_le(r, 4);
            seen |= FIELD_DATA_LEN;
            break;
        case 0x28:
            p->sync = read_varint(r) != 0;
            break;
        default:
            skip_field(r, tag);
        }
    }
    return seen;
}

ssize_t xfer_packet_decode(struct slice bytes, struct xfer_packet *ret, struct err *err)
{
    if (bytes.size < 6)
        return 0;
    struct reader r = reader_of(bytes.data, bytes.size);
    uint32_t plen = read_u32(&r);
    uint16_t hlen = read_u16(&r);
    if (plen < 4 || plen + hlen > XFER_MAX_PACKET || plen > XFER_MAX_PACKET)
        return fail(err, ERR_PROTOCOL, "packet length %u is not between 4 and %d", plen,
                    XFER_MAX_PACKET - hlen);
    if (hlen < HLEN_PLAIN || hlen > HLEN_MAX)
        return fail(err, ERR_PROTOCOL, "packet header length %u is not between %d and %d", hlen,
                    HLEN_PLAIN, HLEN_MAX);
    if (reader_left(&r) < hlen)
        return 0;
    struct reader h = reader_of(r.at, hlen);
    struct xfer_packet p = {0};
    if (header_fields(&h, &p) != FIELDS_REQUIRED || h.bad)
        return fail(err, ERR_PROTOCOL, "malformed packet header");
    if (p.data_size > plen - 4)
        return fail(err, ERR_PROTOCOL, "packet of %u bytes announces %u bytes of data", plen,
                    p.data_size);
    p.sums_size = plen - 4 - p.data_size;
    *ret = p;
    return 6 + hlen;
}

int xfer_recv_packet(struct xfer_in *in, struct xfer_packet *ret, struct err *err)
{
    uint8_t header[6 + HLEN_MAX];
    TRY(xfer_read(in, header, PACKET_MIN, err));
    ssize_t used = xfer_packet_decode((struct slice){header, PACKET_MIN}, ret, err);
    if (used == 0) { /* HLEN was accepted and is more than the smallest */
        size_t hlen = (size_t)(header[4] << 8 | header[5]);
        TRY(xfer_read(in, header + PACKET_MIN, hlen - HLEN_PLAIN, err));
        used = xfer_packet_decode((struct slice){header, 6 + hlen}, ret, err);
    }
    return used < 0 ? (int)used : 0;
}
