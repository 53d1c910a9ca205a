/* Packets of a block: cut around chunk, packet and block edges, flushed in the middle of chunks,
 * sent again. The peer here is a DataNode in small: it takes packets as one does and ends up with
 * the block's bytes and checksums. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "libdfs/write/write.h"

enum { CHUNK = 512, PACKET = 65536, PACKET_DATA = 64512 };

static const struct crc_kind kind = {CRC_CRC32C, CHUNK};

struct peer {
    uint8_t *data;
    uint64_t size;
    int64_t next_seqno;
    bool last, synced;
};

static void receive(struct peer *p, const struct wr_packet *w)
{
    struct xfer_packet h;
    struct err err = {0};
    ssize_t used = xfer_packet_decode((struct slice){w->wire, w->wire_size}, &h, &err);
    cr_assert_gt(used, 0, "%s", err.text);
    cr_assert_eq(h.seqno, p->next_seqno);
    p->next_seqno++;
    cr_assert_eq((size_t)used + h.sums_size, w->wire_size);
    cr_assert_eq(h.offset % CHUNK == 0 || h.data_size == 0, true, "a packet starts in a chunk");
    cr_assert_leq((uint64_t)h.offset, p->size);
    cr_assert_geq((uint64_t)h.offset + h.data_size, p->size);
    cr_assert_eq(crc_verify(kind, w->data, h.data_size, w->wire + used, 0, NULL), 0);
    if (h.data_size > 0)
        memcpy(p->data + h.offset, w->data, h.data_size);
    p->size = (uint64_t)h.offset + h.data_size;
    p->last = h.last;
    p->synced = h.sync;
}

static void deliver_all(struct wr_window *w, struct peer *p)
{
    struct wr_packet *packet;
    while ((packet = wr_window_next(w)) != NULL) {
        receive(p, packet);
        wr_window_sent(w);
    }
    while (!wr_window_all_acked(w))
        cr_assert_eq(wr_window_ack(w, w->unacked->header.seqno, NULL), 0);
    cr_assert_eq(w->acked, p->size);
}

static void write_block(const uint8_t *data, uint64_t size, uint64_t block_size, size_t piece,
                        unsigned flush_every)
{
    struct wr_window w;
    struct peer p = {.data = calloc(1, (size_t)size + 1)};
    cr_assert_eq(wr_window_init(&w, kind, PACKET, 4, NULL), 0);
    wr_window_start(&w, block_size, 0);
    unsigned pieces = 0;
    for (uint64_t done = 0; done < size;) {
        size_t taken, want = piece < size - done ? piece : (size_t)(size - done);
        bool full;
        cr_assert_eq(wr_window_add(&w, data + done, want, &taken, &full, NULL), 0);
        cr_assert(taken == want || full);
        done += taken;
        cr_assert_eq(w.offset, done);
        bool flush = flush_every > 0 && ++pieces % flush_every == 0;
        if (full || flush) {
            cr_assert_eq(wr_window_cut(&w, flush, NULL), 0);
            deliver_all(&w, &p);
            cr_assert_eq(p.size, done, "after a cut everything is there");
            cr_assert_eq(p.synced, flush);
        }
    }
    cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    deliver_all(&w, &p);
    cr_assert_eq(wr_window_cut_last(&w, true, NULL), 0);
    deliver_all(&w, &p);
    cr_assert(p.last && p.synced);
    cr_assert_eq(p.size, size);
    cr_assert_eq(memcmp(p.data, data, (size_t)size), 0);
    free(p.data);
    wr_window_fini(&w);
}

Test(window, edges)
{
    static const uint64_t sizes[] = {1,     511,   512,   513,    1024,   64511,
                                     64512, 64513, 65024, 129023, 129024, 129025};
    static const size_t pieces[] = {1021, 512, 513, 64512, 200000};
    uint8_t *data = malloc(200000);
    for (size_t i = 0; i < 200000; i++)
        data[i] = (uint8_t)(i * 31 + i / 777);
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
            for (unsigned flush = 0; flush < 4; flush++) {
                write_block(data, sizes[s], 1 << 20, pieces[i], flush);
                write_block(data, sizes[s], (sizes[s] + CHUNK - 1) / CHUNK * CHUNK, pieces[i],
                            flush);
            }
    free(data);
}

Test(window, a_packet_never_crosses_the_block)
{
    struct wr_window w;
    uint8_t data[4096] = {0};
    size_t taken;
    bool full;
    cr_assert_eq(wr_window_init(&w, kind, PACKET, 4, NULL), 0);
    cr_assert_eq(w.packet_data_max, PACKET_DATA);
    wr_window_start(&w, 1024, 0);
    cr_assert_eq(wr_window_add(&w, data, sizeof(data), &taken, &full, NULL), 0);
    cr_assert_eq(taken, 1024);
    cr_assert(full);
    cr_assert_eq(wr_window_add(&w, data, 10, &taken, &full, NULL), 0);
    cr_assert_eq(taken, 0);
    cr_assert(full);
    wr_window_fini(&w);
}

Test(window, acknowledgements_in_order_only)
{
    struct wr_window w;
    uint8_t data[CHUNK] = {0};
    size_t taken;
    bool full;
    cr_assert_eq(wr_window_init(&w, kind, PACKET, 2, NULL), 0);
    wr_window_start(&w, 1 << 20, 0);
    cr_assert_eq(wr_window_ack(&w, 0, NULL), ERR_PROTOCOL, "nothing was sent");
    for (int i = 0; i < 2; i++) {
        cr_assert(wr_window_may_send(&w));
        cr_assert_eq(wr_window_add(&w, data, sizeof(data), &taken, &full, NULL), 0);
        cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    }
    cr_assert(!wr_window_may_send(&w));
    cr_assert_eq(wr_window_ack(&w, 0, NULL), ERR_PROTOCOL, "cut, but not sent yet");
    wr_window_sent(&w);
    cr_assert_eq(wr_window_ack(&w, 1, NULL), ERR_PROTOCOL);
    cr_assert_eq(wr_window_ack(&w, 0, NULL), 0);
    cr_assert_eq(wr_window_ack(&w, 0, NULL), ERR_PROTOCOL);
    cr_assert_eq(w.acked, CHUNK);
    wr_window_fini(&w);
}

Test(window, what_was_not_acknowledged_is_sent_again)
{
    struct wr_window w;
    uint8_t *data = malloc(300000);
    size_t taken;
    bool full;
    for (size_t i = 0; i < 300000; i++)
        data[i] = (uint8_t)(i * 13);
    cr_assert_eq(wr_window_init(&w, kind, PACKET, 80, NULL), 0);
    wr_window_start(&w, 1 << 20, 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(wr_window_add(&w, data + i * PACKET_DATA, PACKET_DATA, &taken, &full, NULL),
                     0);
        cr_assert_eq(taken, PACKET_DATA);
        cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    }
    for (int i = 0; i < 3; i++)
        wr_window_sent(&w);
    cr_assert_eq(wr_window_ack(&w, 0, NULL), 0);
    cr_assert_eq(w.sent, 3 * PACKET_DATA);
    wr_window_resend(&w);
    struct peer p = {.data = calloc(1, 300000), .size = PACKET_DATA, .next_seqno = 1};
    memcpy(p.data, data, PACKET_DATA); /* what the acknowledged packet left there */
    deliver_all(&w, &p);
    cr_assert_eq(p.size, 4 * PACKET_DATA);
    cr_assert_eq(memcmp(p.data, data, 4 * PACKET_DATA), 0);
    cr_assert_eq(w.sent, 4 * PACKET_DATA);
    /* the last packet needs no answer if its nodes were told otherwise */
    cr_assert_eq(wr_window_cut_last(&w, false, NULL), 0);
    wr_window_forget_last(&w);
    cr_assert(wr_window_all_acked(&w));
    wr_window_start(&w, 1 << 20, 0);
    cr_assert_eq(w.acked, 0);
    free(p.data);
    free(data);
    wr_window_fini(&w);
}

Test(window, sync_without_data_is_an_empty_packet)
{
    struct wr_window w;
    uint8_t data[700] = {1};
    size_t taken;
    bool full;
    cr_assert_eq(wr_window_init(&w, kind, PACKET, 80, NULL), 0);
    wr_window_start(&w, 1 << 20, 0);
    cr_assert_eq(wr_window_add(&w, data, sizeof(data), &taken, &full, NULL), 0);
    cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    struct peer p = {.data = calloc(1, 2000)};
    deliver_all(&w, &p);
    cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    cr_assert_null(wr_window_next(&w), "a flush without news sends nothing");
    cr_assert_eq(wr_window_cut(&w, true, NULL), 0);
    struct wr_packet *empty = wr_window_next(&w);
    cr_assert_eq(empty->header.data_size, 0);
    cr_assert_eq(empty->header.offset, 700);
    cr_assert(empty->header.sync && !empty->header.last);
    deliver_all(&w, &p);
    /* the cut chunk comes again with what follows */
    cr_assert_eq(wr_window_add(&w, data, 5, &taken, &full, NULL), 0);
    cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    cr_assert_eq(wr_window_next(&w)->header.offset, 512);
    cr_assert_eq(wr_window_next(&w)->header.data_size, 193);
    deliver_all(&w, &p);
    cr_assert_eq(p.size, 705);
    free(p.data);
    wr_window_fini(&w);
}

/* The node of an append: it has `size` bytes and the checksum of its last chunk, and takes a packet
 * that starts inside a chunk only if it ends with that chunk. */
static void receive_append(struct peer *p, const struct wr_packet *w)
{
    struct xfer_packet h;
    ssize_t used = xfer_packet_decode((struct slice){w->wire, w->wire_size}, &h, NULL);
    cr_assert_gt(used, 0);
    cr_assert_eq(h.seqno, p->next_seqno++);
    uint64_t offset = (uint64_t)h.offset, inside = offset % CHUNK;
    cr_assert_leq(offset, p->size, "a hole");
    if (inside != 0)
        cr_assert_leq(inside + h.data_size, CHUNK, "%llu + %u", (unsigned long long)offset,
                      h.data_size);
    cr_assert_eq(crc_verify(kind, w->data, h.data_size, w->wire + used, 0, NULL), 0);
    memcpy(p->data + offset, w->data, h.data_size);
    p->size = offset + h.data_size > p->size ? offset + h.data_size : p->size;
}

static void append_pieces(uint64_t length, size_t piece, unsigned count, bool flush)
{
    struct wr_window w;
    uint64_t block_size = 8192;
    uint8_t data[8192];
    struct peer p = {.data = calloc(1, sizeof(data)), .size = length};
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 300);
    memcpy(p.data, data, (size_t)length);
    cr_assert_eq(wr_window_init(&w, kind, 1200, 100, NULL), 0);
    wr_window_start(&w, block_size, length);
    cr_assert_eq(w.acked, length);
    uint64_t end = length + piece * count;
    for (uint64_t at = length; at < end && at < block_size;) {
        size_t taken, left = piece - (size_t)((at - length) % piece);
        bool full;
        cr_assert_eq(wr_window_add(&w, data + at, left, &taken, &full, NULL), 0);
        at += taken;
        if (full || (flush && (at - length) % piece == 0))
            cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
        for (struct wr_packet *packet; (packet = wr_window_next(&w)) != NULL; wr_window_sent(&w))
            receive_append(&p, packet);
        while (!wr_window_all_acked(&w))
            cr_assert_eq(wr_window_ack(&w, w.unacked->header.seqno, NULL), 0);
    }
    cr_assert_eq(wr_window_cut(&w, false, NULL), 0);
    for (struct wr_packet *packet; (packet = wr_window_next(&w)) != NULL; wr_window_sent(&w))
        receive_append(&p, packet);
    end = end < block_size ? end : block_size;
    cr_assert_eq(p.size, end);
    cr_assert_eq(memcmp(p.data, data, (size_t)end), 0, "append of %zu to %llu", piece,
                 (unsigned long long)length);
    free(p.data);
    wr_window_fini(&w);
}

Test(window, append_anywhere_in_a_chunk)
{
    static const uint64_t lengths[] = {0, 1, 511, 512, 513, 1000, 1023, 1024, 8000, 8191};
    static const size_t pieces[] = {1, 10, 511, 512, 513, 1500};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
            append_pieces(lengths[i], pieces[k], 7, true);
            append_pieces(lengths[i], pieces[k], 7, false);
        }
}

Test(window, congestion_halves_and_grows_back)
{
    struct wr_window w;
    cr_assert_eq(wr_window_init(&w, kind, PACKET, 80, NULL), 0);
    wr_window_congestion(&w, true);
    cr_assert_eq(w.allowed, 40);
    for (int i = 0; i < 10; i++)
        wr_window_congestion(&w, true);
    cr_assert_eq(w.allowed, 1);
    for (int i = 0; i < 100; i++)
        wr_window_congestion(&w, false);
    cr_assert_eq(w.allowed, 80);
    wr_window_fini(&w);
}
