#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xfer/xfer.h"

/* hex with blanks -> bytes */
static struct slice hex(const char *text, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    for (; *text != '\0'; text++)
        if (*text != ' ') {
            sscanf(text++, "%2x", &byte);
            out[n++] = (uint8_t)byte;
        }
    return (struct slice){out, n};
}

static void check_packet(struct xfer_packet p, const char *want_hex)
{
    uint8_t want[64], out[XFER_PACKET_HEADER_MAX];
    struct slice w = hex(want_hex, want);
    cr_assert_eq(xfer_packet_encode(&p, out), w.size);
    cr_assert_eq(memcmp(out, want, w.size), 0);
    struct xfer_packet back;
    struct err err = {0};
    cr_assert_eq(xfer_packet_decode(w, &back, &err), (ssize_t)w.size);
    cr_assert(back.offset == p.offset && back.seqno == p.seqno && back.data_size == p.data_size &&
              back.sums_size == p.sums_size && back.last == p.last && back.sync == p.sync);
    for (size_t cut = 0; cut < w.size; cut++)
        cr_assert_eq(xfer_packet_decode((struct slice){want, cut}, &back, &err), 0);
}

Test(packet, as_seen_on_the_wire)
{
    check_packet((struct xfer_packet){.data_size = 512, .sums_size = 4},
                 "00000208 0019 090000000000000000 110000000000000000 1800 2500020000");
    check_packet((struct xfer_packet){.offset = 512, .seqno = 1, .last = true, .sync = true},
                 "00000004 001b 090002000000000000 110100000000000000 1801 2500000000 2801");
    check_packet((struct xfer_packet){.seqno = XFER_HEARTBEAT_SEQNO},
                 "00000004 0019 090000000000000000 11ffffffffffffffff 1800 2500000000");
}

Test(packet, bad_lengths_are_errors)
{
    static const char *bad[] = {
        "00000003 0019", /* PLEN below its own size */
        "01000000 0019", /* beyond the limit together with HLEN */
        "ffffffff 0019", /* overflow */
        "00000004 0018", /* HLEN below the smallest header */
        "00000004 0200", /* HLEN beyond the largest */
        "00000004 0019 090000000000000000 110000000000000000 1800 2501000000", /* data > PLEN */
        "00000004 0019 090000000000000000 110000000000000000 1800 25ffffffff",
        "00000004 0019 090000000000000000 090000000000000000 1800 2500000000", /* no seqno */
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t bytes[64];
        struct xfer_packet p;
        struct err err = {0};
        cr_assert_eq(xfer_packet_decode(hex(bad[i], bytes), &p, &err), ERR_PROTOCOL, "%zu", i);
    }
}

static void check_ack(struct xfer_ack ack, const char *want_hex)
{
    uint8_t want[64], out[XFER_ACK_MAX];
    struct slice w = hex(want_hex, want);
    cr_assert_eq(xfer_ack_encode(&ack, out), w.size, "%s", want_hex);
    cr_assert_eq(memcmp(out, want, w.size), 0, "%s", want_hex);
    struct xfer_ack back;
    struct err err = {0};
    for (size_t cut = 0; cut < w.size; cut++)
        cr_assert_eq(xfer_ack_decode((struct slice){want, cut}, &back, &err), 0);
    cr_assert_eq(xfer_ack_decode(w, &back, &err), (ssize_t)w.size);
    cr_assert(back.seqno == ack.seqno && back.count == ack.count);
    cr_assert_eq(memcmp(back.flags, ack.flags, ack.count * sizeof(ack.flags[0])), 0);
}

Test(ack, as_seen_on_the_wire)
{
    check_ack((struct xfer_ack){.count = 1}, "09 0800 1000 1800 220100");
    check_ack((struct xfer_ack){.seqno = -1, .count = 1}, "09 0801 1000 1800 220100");
    check_ack((struct xfer_ack){.seqno = 1, .count = 2, .flags = {0, 161}},
              "0d 0802 1000 1001 1800 2203 00 a101");
    check_ack((struct xfer_ack){.seqno = 1, .count = 1, .flags = {352}},
              "0a 0802 1000 1800 2202 e002");
    cr_assert_eq(xfer_ack_flag(XFER__STATUS__ERROR, XFER_ECN_SUPPORTED), 33);
    cr_assert_eq(xfer_ack_status(161), XFER__STATUS__ERROR);
}

Test(ack, old_peers_send_no_flags)
{
    uint8_t bytes[32];
    struct xfer_ack ack;
    struct err err = {0};
    cr_assert_eq(xfer_ack_decode(hex("06 0804 1000 1001", bytes), &ack, &err), 7);
    cr_assert(ack.seqno == 2 && ack.count == 2 && ack.flags[1] == 1);
}

Test(ack, bad_ones_are_errors)
{
    static const char *bad[] = {"ff7f", "02 1000", "03 0800 10", "04 0800 2205", "02 0a00"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t bytes[32];
        struct xfer_ack ack;
        struct err err = {0};
        cr_assert_eq(xfer_ack_decode(hex(bad[i], bytes), &ack, &err), ERR_PROTOCOL, "%zu", i);
    }
    uint8_t many[512] = {0xca, 0x01, 0x08, 0x00}; /* 100 statuses: more than a pipeline may have */
    for (size_t i = 0; i < 100; i++)
        many[4 + 2 * i] = 0x10;
    struct xfer_ack ack;
    struct err err = {0};
    cr_assert_eq(xfer_ack_decode((struct slice){many, sizeof(many)}, &ack, &err), ERR_PROTOCOL);
}

static size_t read_op_bytes(uint8_t *out)
{
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    Xfer__BaseHeader base = XFER__BASE_HEADER__INIT;
    Xfer__ClientOperationHeader header = XFER__CLIENT_OPERATION_HEADER__INIT;
    Xfer__OpReadBlock op = XFER__OP_READ_BLOCK__INIT;
    block.pool_id = (char *)"BP-1";
    block.block_id = 1073741825;
    block.generation_stamp = 1001;
    base.block = &block;
    header.base_header = &base;
    header.client_name = (char *)"c";
    op.header = &header;
    op.len = 100;
    uint8_t *p = put_u8(put_u16(out, 28), XFER_READ_BLOCK);
    p = put_varint(p, xfer__op_read_block__get_packed_size(&op));
    return (size_t)(p - out) + xfer__op_read_block__pack(&op, p);
}

Test(op, needs_all_bytes_then_decodes)
{
    uint8_t bytes[256];
    size_t size = read_op_bytes(bytes);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    enum xfer_opcode op;
    ProtobufCMessage *m;
    struct err err = {0};
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(xfer_decode_op((struct slice){bytes, cut}, &arena, &op, &m, &err), 0);
    cr_assert_eq(xfer_decode_op((struct slice){bytes, size + 3}, &arena, &op, &m, &err),
                 (ssize_t)size);
    cr_assert_eq(op, XFER_READ_BLOCK);
    cr_assert_eq(((Xfer__OpReadBlock *)m)->header->base_header->block->block_id, 1073741825);
    arena_fini(&arena);
}

Test(op, bad_ones_are_errors)
{
    struct {
        const char *text;
        int code;
    } bad[] = {
        {"001b51", ERR_VERSION},           /* version 27 */
        {"4745", ERR_VERSION},             /* "GE" */
        {"001c00", ERR_PROTOCOL},          /* no such operation */
        {"001c51 ffffff7f", ERR_PROTOCOL}, /* announces too much */
        {"001c51 ffffffffffffff", ERR_PROTOCOL},
        {"001c51 00", ERR_PROTOCOL},      /* required fields are missing */
        {"001c51 02 0a05", ERR_PROTOCOL}, /* field longer than the message */
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        uint8_t bytes[32];
        enum xfer_opcode op;
        ProtobufCMessage *m;
        struct err err = {0};
        cr_assert_eq(xfer_decode_op(hex(bad[i].text, bytes), &arena, &op, &m, &err), bad[i].code,
                     "%s", bad[i].text);
        arena_fini(&arena);
    }
}

Test(stream, messages_packets_and_acks_share_one_buffer)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct err err = {0};
    struct xfer_packet p = {
        .offset = 512, .seqno = 3, .data_size = 5, .sums_size = 4, .sync = true};
    uint8_t header[XFER_PACKET_HEADER_MAX];
    size_t n = xfer_packet_encode(&p, header);
    struct xfer_ack ack = {.seqno = 3, .count = 3};
    cr_assert_eq(xfer_send_response(pair[0], XFER__STATUS__ERROR, "no", "1.2.3.4:5", &err), 0);
    cr_assert_eq(write(pair[0], header, n), (ssize_t)n);
    cr_assert_eq(write(pair[0], "sumshello", 9), 9);
    cr_assert_eq(xfer_send_ack(pair[0], &ack, &err), 0);
    close(pair[0]);

    struct xfer_in in;
    xfer_in_init(&in, pair[1]);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    ProtobufCMessage *m;
    cr_assert_eq(xfer_recv_message(&in, &xfer__block_op_response__descriptor, &arena, &m, &err), 0);
    cr_assert_str_eq(((Xfer__BlockOpResponse *)m)->first_bad_link, "1.2.3.4:5");
    struct xfer_packet got;
    cr_assert_eq(xfer_recv_packet(&in, &got, &err), 0);
    cr_assert(got.seqno == 3 && got.sync && got.data_size == 5 && got.sums_size == 4);
    char body[10] = "";
    cr_assert_eq(xfer_read(&in, body, 9, &err), 0);
    cr_assert_str_eq(body, "sumshello");
    struct xfer_ack got_ack;
    cr_assert_eq(xfer_recv_ack(&in, &got_ack, &err), 0);
    cr_assert(got_ack.seqno == 3 && got_ack.count == 3);
    enum xfer_opcode op;
    cr_assert_eq(xfer_recv_op(&in, &arena, &op, &m, &err), ERR_EOF);
    xfer_in_fini(&in);
    arena_fini(&arena);
    close(pair[1]);
}

Test(checksum, unknown_kinds_are_errors)
{
    Xfer__Checksum m = XFER__CHECKSUM__INIT;
    struct crc_kind kind;
    struct err err = {0};
    m.type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    m.bytes_per_checksum = 512;
    cr_assert_eq(xfer_checksum_kind(&m, &kind, &err), 0);
    cr_assert(kind.type == CRC_CRC32C && kind.bytes_per_chunk == 512);
    m.bytes_per_checksum = 0;
    cr_assert_eq(xfer_checksum_kind(&m, &kind, &err), ERR_PROTOCOL);
    m.bytes_per_checksum = 512;
    m.type = (Hdfs__ChecksumType)258;
    cr_assert_eq(xfer_checksum_kind(&m, &kind, &err), ERR_PROTOCOL);
}
