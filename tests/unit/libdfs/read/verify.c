/* The bytes of a block: any range, any packet cut, any size of the caller's memory, against a
 * pretended server. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "libdfs/read/read.h"

enum { CHUNK = 512, BLOCK = 5 * CHUNK + 100 };

static uint8_t block[BLOCK];

static void fill_block(void)
{
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (uint8_t)(i * 7 + i / 256);
}

/* A server that sends packets of packet_chunks chunks; the reader's shell in small. */
struct peer {
    struct rd_flow flow;
    uint64_t sent_to, stop; /* in the block */
    int64_t seqno;
    uint32_t packet_chunks;
    uint8_t sums[64];
    uint8_t bounce[2 * CHUNK];
    size_t at, end;
};

static void start(struct peer *p, uint64_t from, uint64_t to, uint32_t packet_chunks)
{
    struct crc_kind kind = {CRC_CRC32C, CHUNK};
    *p = (struct peer){.packet_chunks = packet_chunks};
    uint64_t first = from / CHUNK * CHUNK, stop = (to + CHUNK - 1) / CHUNK * CHUNK;
    p->sent_to = first;
    p->stop = stop < BLOCK ? stop : BLOCK;
    cr_assert_eq(rd_flow_start(&p->flow, kind, first, from, to, NULL), 0);
}

static struct xfer_packet next_header(struct peer *p)
{
    uint64_t left = p->stop - p->sent_to, size = p->packet_chunks * CHUNK;
    struct xfer_packet h = {.offset = (int64_t)p->sent_to, .seqno = p->seqno++};
    h.data_size = (uint32_t)(left < size ? left : size);
    h.last = left == 0;
    h.sums_size = (uint32_t)crc_sums_size(p->flow.kind, h.data_size);
    crc_compute(p->flow.kind, block + p->sent_to, h.data_size, p->sums);
    p->sent_to += h.data_size;
    return h;
}

static int deliver(struct peer *p, uint8_t *out, size_t space, size_t *ret)
{
    if (p->at == p->end) {
        struct err err = {0};
        if (p->flow.next_offset == p->flow.packet_end) {
            struct xfer_packet h = next_header(p);
            TRY(rd_flow_packet(&p->flow, &h, &err));
        }
        struct rd_take t = rd_flow_take(&p->flow, space, sizeof(p->bounce));
        cr_assert(t.direct <= space);
        cr_assert((t.direct > 0) != (t.bounce > 0));
        size_t n = t.direct > 0 ? t.direct : t.bounce;
        uint8_t *to = t.direct > 0 ? out : p->bounce;
        memcpy(to, block + p->flow.next_offset, n);
        TRY(rd_flow_verify(&p->flow, to, n, p->sums, &err));
        if (t.direct > 0) {
            rd_flow_deliver(&p->flow, n);
            *ret = n;
            return 0;
        }
        p->at = t.skip;
        p->end = t.skip + t.wanted;
    }
    size_t n = p->end - p->at < space ? p->end - p->at : space;
    memcpy(out, p->bounce + p->at, n);
    p->at += n;
    rd_flow_deliver(&p->flow, n);
    *ret = n;
    return 0;
}

Test(verify, every_range_comes_whole, .init = fill_block)
{
    static const uint64_t edges[] = {0, 1, 511, 512, 513, 1023, 1024, 2000, 2560, 2659, BLOCK};
    static const size_t spaces[] = {1, 7, 100, 512, 513, 1024, 4096};
    uint8_t out[BLOCK + 1];
    for (size_t a = 0; a < ARRAY_SIZE(edges); a++)
        for (size_t b = a + 1; b < ARRAY_SIZE(edges); b++)
            for (uint32_t chunks = 1; chunks <= 4; chunks++)
                for (size_t s = 0; s < ARRAY_SIZE(spaces); s++) {
                    struct peer p;
                    uint64_t from = edges[a], to = edges[b], done = 0;
                    start(&p, from, to, chunks);
                    while (done < to - from) {
                        size_t n = 0, space = spaces[s];
                        if (space > sizeof(out) - done)
                            space = sizeof(out) - (size_t)done;
                        cr_assert_eq(deliver(&p, out + done, space, &n), 0);
                        cr_assert_gt(n, 0);
                        done += n;
                    }
                    cr_assert_eq(done, to - from);
                    cr_assert_eq(memcmp(out, block + from, (size_t)done), 0);
                }
}

Test(verify, a_flipped_bit_is_found, .init = fill_block)
{
    for (size_t at = 0; at < BLOCK; at += 97) {
        struct peer p;
        struct err err = {0};
        uint8_t copy[BLOCK];
        start(&p, 0, BLOCK, 6);
        struct xfer_packet h = next_header(&p);
        cr_assert_eq(rd_flow_packet(&p.flow, &h, NULL), 0);
        memcpy(copy, block, BLOCK);
        copy[at] ^= 4;
        cr_assert_eq(rd_flow_verify(&p.flow, copy, BLOCK, p.sums, &err), ERR_CHECKSUM);
        cr_assert_eq(p.flow.next_offset, 0);
    }
}

Test(verify, aligned_bytes_go_straight_to_the_caller, .init = fill_block)
{
    struct peer p;
    start(&p, 0, BLOCK, 6);
    struct xfer_packet h = next_header(&p);
    cr_assert_eq(rd_flow_packet(&p.flow, &h, NULL), 0);
    struct rd_take t = rd_flow_take(&p.flow, BLOCK, RD_BOUNCE_SIZE);
    cr_assert_eq(t.direct, BLOCK);
    /* small reads in a row are served from one filling of the bounce buffer */
    t = rd_flow_take(&p.flow, CHUNK, RD_BOUNCE_SIZE);
    cr_assert_eq(t.bounce, BLOCK);
    cr_assert_eq(t.wanted, BLOCK);
}

Test(verify, wrong_packets_are_refused, .init = fill_block)
{
    struct crc_kind kind = {CRC_CRC32C, CHUNK};
    struct rd_flow f;
    cr_assert_eq(rd_flow_start(&f, kind, 0, 512, 600, NULL), ERR_PROTOCOL); /* a chunk too early */
    cr_assert_eq(rd_flow_start(&f, kind, 512, 100, 600, NULL), ERR_PROTOCOL);
    cr_assert_eq(rd_flow_start(&f, kind, 100, 100, 600, NULL), ERR_PROTOCOL);
    static const struct xfer_packet wrong[] = {
        {.offset = 0, .seqno = 1, .data_size = CHUNK, .sums_size = 4},
        {.offset = CHUNK, .seqno = 0, .data_size = CHUNK, .sums_size = 4},
        {.offset = -1, .seqno = 0, .data_size = CHUNK, .sums_size = 4},
        {.offset = 0, .seqno = 0, .data_size = CHUNK, .sums_size = 8},
        {.offset = 0, .seqno = 0, .data_size = 0, .sums_size = 0},
        {.offset = 0, .seqno = 0, .data_size = CHUNK, .sums_size = 4, .last = true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        cr_assert_eq(rd_flow_start(&f, kind, 0, 0, 600, NULL), 0);
        cr_assert_eq(rd_flow_packet(&f, &wrong[i], NULL), ERR_PROTOCOL, "case %zu", i);
    }
    /* the end before all wanted bytes came */
    struct xfer_packet last = {.offset = 0, .seqno = 0, .last = true};
    cr_assert_eq(rd_flow_start(&f, kind, 0, 0, 600, NULL), 0);
    cr_assert_eq(rd_flow_packet(&f, &last, NULL), ERR_EOF);
    /* a short chunk in the middle makes the next packet start off a border */
    struct xfer_packet odd = {.offset = 0, .seqno = 0, .data_size = 300, .sums_size = 4};
    struct xfer_packet next = {.offset = 300, .seqno = 1, .data_size = 300, .sums_size = 4};
    uint8_t sum[4];
    crc_compute(kind, block, 300, sum);
    cr_assert_eq(rd_flow_start(&f, kind, 0, 0, 600, NULL), 0);
    cr_assert_eq(rd_flow_packet(&f, &odd, NULL), 0);
    cr_assert_eq(rd_flow_verify(&f, block, 300, sum, NULL), 0);
    cr_assert_eq(rd_flow_packet(&f, &next, NULL), ERR_PROTOCOL);
}
