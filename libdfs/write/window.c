/* window.c - bytes become packets, packets stay until all nodes have them.
 * Pure but for the memory of packets: at most max_in_flight + 1 of them, reused until the file is
 * closed. Invariants: (1) packets of a block have consecutive seqnos from 0 and are acknowledged in
 * that order; (2) a packet starts on a chunk border; after a flush in the middle of a chunk the
 * next packet starts on that chunk's border and repeats it, so that checksums on disk are always
 * those of whole chunks (or of the block's last one); only where an append began inside a chunk do
 * packets start there, and end with that chunk; (3) no packet crosses the block's end; (4) offset
 * counts each byte once, repeated ones not. */
#include <stdlib.h>

#include "libdfs/write/write.h"

int wr_window_init(struct wr_window *w, struct crc_kind kind, uint32_t packet_size,
                   unsigned max_in_flight, struct err *err)
{
    uint32_t chunk = kind.bytes_per_chunk, unit = chunk + (kind.type == CRC_NULL ? 0 : 4);
    uint32_t body = packet_size > XFER_PACKET_HEADER_MAX ? packet_size - XFER_PACKET_HEADER_MAX : 0;
    uint32_t chunks = body / unit > 0 ? body / unit : 1;
    *w = (struct wr_window){
        .kind = kind,
        .packet_data_max = chunks * chunk,
        .max_in_flight = max_in_flight,
        .allowed = max_in_flight,
        .partial = malloc(chunk),
    };
    w->unacked_tail = &w->unacked;
    if (w->partial == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to write");
    return 0;
}

static void free_list(struct wr_packet *p)
{
    while (p != NULL) {
        struct wr_packet *next = p->next;
        free(p);
        p = next;
    }
}

void wr_window_fini(struct wr_window *w)
{
    free(w->current);
    free_list(w->unacked);
    free_list(w->spare);
    free(w->partial);
    *w = (struct wr_window){0};
}

void wr_window_start(struct wr_window *w, uint64_t block_size, uint64_t length)
{
    CHECK(w->in_flight == 0 && w->current == NULL && length <= block_size);
    w->block_size = block_size;
    w->offset = w->acked = w->sent = length;
    w->next_seqno = 0;
    w->partial_size = 0;
    w->closing = false;
    w->unsent = NULL;
}

static struct wr_packet *take_packet(struct wr_window *w)
{
    struct wr_packet *p = w->spare;
    if (p != NULL) {
        w->spare = p->next;
    } else {
        size_t sums = crc_sums_size(w->kind, w->packet_data_max);
        p = malloc(sizeof(*p) + XFER_PACKET_HEADER_MAX + sums + w->packet_data_max);
        if (p == NULL)
            return NULL;
        p->sums = (uint8_t *)(p + 1) + XFER_PACKET_HEADER_MAX;
        p->data = p->sums + sums;
    }
    p->next = NULL;
    p->header = (struct xfer_packet){0};
    return p;
}

/* Bytes that the packet may hold: one that starts inside a chunk (an append) ends with it, because
 * its only checksum is added to what the nodes have of the chunk. */
static uint32_t capacity(const struct wr_window *w, const struct wr_packet *p)
{
    uint32_t chunk = w->kind.bytes_per_chunk;
    uint32_t inside = (uint32_t)((uint64_t)p->header.offset % chunk);
    return inside == 0 ? w->packet_data_max : chunk - inside;
}

/* Makes `current`, with the kept chunk in front. */
static int begin_packet(struct wr_window *w, struct err *err)
{
    struct wr_packet *p = take_packet(w);
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a packet");
    p->header.offset = (int64_t)(w->offset - w->partial_size);
    p->header.data_size = w->partial_size;
    if (w->partial_size > 0)
        memcpy(p->data, w->partial, w->partial_size);
    w->partial_size = 0;
    w->current = p;
    return 0;
}

int wr_window_add(struct wr_window *w, const void *data, size_t size, size_t *ret_taken,
                  bool *ret_full, struct err *err)
{
    CHECK(!w->closing && w->offset <= w->block_size);
    if (w->current == NULL && size > 0 && w->offset < w->block_size)
        TRY(begin_packet(w, err));
    uint64_t room = w->block_size - w->offset;
    if (w->current != NULL && room > capacity(w, w->current) - w->current->header.data_size)
        room = capacity(w, w->current) - w->current->header.data_size;
    size_t n = size < room ? size : (size_t)room;
    if (n > 0) {
        memcpy(w->current->data + w->current->header.data_size, data, n);
        w->current->header.data_size += (uint32_t)n;
        w->offset += n;
    }
    *ret_taken = n;
    *ret_full = n == room;
    return 0;
}

static void keep_partial(struct wr_window *w, const struct wr_packet *p)
{
    uint64_t end = (uint64_t)p->header.offset + p->header.data_size;
    uint32_t rest = (uint32_t)(end % w->kind.bytes_per_chunk);
    if (rest == 0 || w->offset == w->block_size)
        return;
    if (rest > p->header.data_size) /* the append began inside this chunk */
        rest = p->header.data_size;
    memcpy(w->partial, p->data + p->header.data_size - rest, rest);
    w->partial_size = rest;
}

static void seal(struct wr_window *w, struct wr_packet *p)
{
    p->header.seqno = w->next_seqno++;
    p->header.sums_size = (uint32_t)crc_sums_size(w->kind, p->header.data_size);
    crc_compute(w->kind, p->data, p->header.data_size, p->sums);
    uint8_t header[XFER_PACKET_HEADER_MAX];
    size_t size = xfer_packet_encode(&p->header, header);
    p->wire = p->sums - size;
    memcpy(p->wire, header, size);
    p->wire_size = size + p->header.sums_size;
    *w->unacked_tail = p;
    w->unacked_tail = &p->next;
    w->in_flight++;
    if (w->unsent == NULL)
        w->unsent = p;
}

int wr_window_cut(struct wr_window *w, bool sync, struct err *err)
{
    CHECK(!w->closing);
    struct wr_packet *p = take_ptr(&w->current);
    if (p == NULL) {
        if (!sync)
            return 0;
        if ((p = take_packet(w)) == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a packet");
        p->header.offset = (int64_t)w->offset;
    } else {
        keep_partial(w, p);
    }
    p->header.sync = sync;
    seal(w, p);
    return 0;
}

int wr_window_cut_last(struct wr_window *w, bool sync, struct err *err)
{
    CHECK(w->current == NULL && w->in_flight == 0 && !w->closing);
    struct wr_packet *p = take_packet(w);
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a packet");
    p->header.offset = (int64_t)w->offset;
    p->header.last = true;
    p->header.sync = sync;
    w->partial_size = 0;
    w->closing = true;
    seal(w, p);
    return 0;
}

bool wr_window_may_send(const struct wr_window *w)
{
    return w->in_flight < w->allowed;
}

struct wr_packet *wr_window_next(struct wr_window *w)
{
    return w->unsent;
}

void wr_window_sent(struct wr_window *w)
{
    const struct wr_packet *p = w->unsent;
    CHECK(p != NULL);
    uint64_t end = (uint64_t)p->header.offset + p->header.data_size;
    if (w->sent < end)
        w->sent = end;
    w->unsent = p->next;
}

static void release_first(struct wr_window *w)
{
    struct wr_packet *p = w->unacked;
    w->unacked = p->next;
    if (w->unacked == NULL)
        w->unacked_tail = &w->unacked;
    if (w->unsent == p)
        w->unsent = p->next;
    w->in_flight--;
    p->next = w->spare;
    w->spare = p;
}

int wr_window_ack(struct wr_window *w, int64_t seqno, struct err *err)
{
    struct wr_packet *p = w->unacked;
    if (p == NULL || p == w->unsent || p->header.seqno != seqno)
        return fail(err, ERR_PROTOCOL, "acknowledgement of packet %lld came, %lld was due",
                    (long long)seqno, p == NULL ? -1LL : (long long)p->header.seqno);
    uint64_t end = (uint64_t)p->header.offset + p->header.data_size;
    if (w->acked < end)
        w->acked = end;
    release_first(w);
    return 0;
}

bool wr_window_all_acked(const struct wr_window *w)
{
    return w->in_flight == 0;
}

void wr_window_resend(struct wr_window *w)
{
    w->unsent = w->unacked;
}

void wr_window_forget_last(struct wr_window *w)
{
    CHECK(w->in_flight == 1 && w->unacked->header.last);
    release_first(w);
}

void wr_window_congestion(struct wr_window *w, bool congested)
{
    if (congested)
        w->allowed = w->allowed > 1 ? w->allowed / 2 : 1;
    else if (w->allowed < w->max_in_flight)
        w->allowed++;
}

bool wr_window_syncing(const struct wr_window *w)
{
    for (const struct wr_packet *p = w->unacked; p != NULL && p != w->unsent; p = p->next)
        if (p->header.sync)
            return true;
    return false;
}
