// room: common_xfer
/* Decoders of the data port: the first byte chooses operation, packet header or acknowledgement.
 * What decodes must encode to something that decodes to the same. */
#include <stdlib.h>

#include "common/xfer/xfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_op(struct slice bytes)
{
    struct arena arena;
    arena_init(&arena, 16u << 20);
    enum xfer_opcode op;
    ProtobufCMessage *m;
    struct err err = {0};
    ssize_t used = xfer_decode_op(bytes, &arena, &op, &m, &err);
    if (used > 0 && (size_t)used > bytes.size)
        abort();
    if (used > 0)
        (void)protobuf_c_message_get_packed_size(m);
    arena_fini(&arena);
}

static void fuzz_packet(struct slice bytes)
{
    struct xfer_packet p, again;
    struct err err = {0};
    uint8_t out[XFER_PACKET_HEADER_MAX];
    if (xfer_packet_decode(bytes, &p, &err) <= 0)
        return;
    if ((uint64_t)p.data_size + p.sums_size > XFER_MAX_PACKET)
        abort();
    size_t n = xfer_packet_encode(&p, out);
    if (xfer_packet_decode((struct slice){out, n}, &again, &err) != (ssize_t)n ||
        again.seqno != p.seqno || again.data_size != p.data_size || again.sync != p.sync)
        abort();
}

static void fuzz_ack(struct slice bytes)
{
    struct xfer_ack ack, again;
    struct err err = {0};
    uint8_t out[XFER_ACK_MAX];
    if (xfer_ack_decode(bytes, &ack, &err) <= 0)
        return;
    if (ack.count > XFER_MAX_PIPELINE)
        abort();
    size_t n = xfer_ack_encode(&ack, out);
    if (xfer_ack_decode((struct slice){out, n}, &again, &err) != (ssize_t)n ||
        again.seqno != ack.seqno || again.count != ack.count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice bytes = {data + 1, size - 1};
    switch (data[0] % 3) {
    case 0:
        fuzz_op(bytes);
        break;
    case 1:
        fuzz_packet(bytes);
        break;
    default:
        fuzz_ack(bytes);
    }
    return 0;
}
