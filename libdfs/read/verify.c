/* verify.c - the bytes of a block on their way from the socket to the caller.
 * Pure. The server sends whole chunks from the chunk that holds the first wanted byte; only the
 * last chunk of a block may be short. Whole chunks that the caller wants and has room for go
 * straight into his memory and are checked there; the rest (an unwanted head or tail, a chunk cut
 * by the end of his memory) goes through a bounce buffer. Invariants: (1) packet_start <=
 * next_offset <= packet_end, next_offset is on a chunk border or at packet_end; (2) nothing is
 * delivered that was not checked; (3) position <= end; (4) position is ahead of next_offset only
 * before the first byte, and behind it only while the bounce buffer holds the bytes between or at
 * the end. */
#include "libdfs/read/read.h"

int rd_flow_start(struct rd_flow *f, struct crc_kind kind, uint64_t chunk_offset, uint64_t position,
                  uint64_t end, struct err *err)
{
    CHECK(position < end);
    if (chunk_offset > position || position - chunk_offset >= kind.bytes_per_chunk ||
        chunk_offset % kind.bytes_per_chunk != 0)
        return fail(
            err, ERR_PROTOCOL, "DataNode starts at %llu where %llu was asked (chunks of %u)",
            (unsigned long long)chunk_offset, (unsigned long long)position, kind.bytes_per_chunk);
    *f = (struct rd_flow){
        .kind = kind,
        .position = position,
        .end = end,
        .next_offset = chunk_offset,
        .packet_start = chunk_offset,
        .packet_end = chunk_offset,
    };
    return 0;
}

int rd_flow_packet(struct rd_flow *f, const struct xfer_packet *p, struct err *err)
{
    CHECK(f->next_offset == f->packet_end);
    if (p->seqno != f->next_seqno || f->done)
        return fail(err, ERR_PROTOCOL, "packet %lld came, %lld was due", (long long)p->seqno,
                    (long long)f->next_seqno);
    if (p->last != (p->data_size == 0))
        return fail(err, ERR_PROTOCOL, "packet %lld has %u bytes of data and %s the last one",
                    (long long)p->seqno, p->data_size, p->last ? "is" : "is not");
    f->next_seqno++;
    if (p->last) {
        f->done = true;
        if (f->position < f->end)
            return fail(err, ERR_EOF, "DataNode ended at byte %llu of the block, %llu were asked",
                        (unsigned long long)f->position, (unsigned long long)f->end);
        return 0;
    }
    if (p->offset < 0 || (uint64_t)p->offset != f->next_offset ||
        f->next_offset % f->kind.bytes_per_chunk != 0)
        return fail(err, ERR_PROTOCOL, "packet at %lld of the block came, %llu was due",
                    (long long)p->offset, (unsigned long long)f->next_offset);
    if (p->sums_size != crc_sums_size(f->kind, p->data_size))
        return fail(err, ERR_PROTOCOL, "packet of %u bytes has %u bytes of checksums", p->data_size,
                    p->sums_size);
    f->packet_start = f->next_offset;
    f->packet_end = f->next_offset + p->data_size;
    return 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct rd_take rd_flow_take(const struct rd_flow *f, size_t space, size_t bounce_size)
{
    CHECK(f->next_offset < f->packet_end);
    CHECK(f->position >= f->next_offset && f->position < f->end);
    CHECK(space > 0 && bounce_size >= f->kind.bytes_per_chunk);
    uint64_t chunk = f->kind.bytes_per_chunk, left = f->packet_end - f->next_offset;
    if (f->position == f->next_offset) {
        uint64_t most = min_u64(space, f->end - f->position);
        uint64_t direct = most >= left ? left : most / chunk * chunk;
        /* many small reads in a row are better served from a bounce buffer filled at once */
        if (direct == left || direct >= bounce_size / 2 || f->end - f->position <= most)
            if (direct > 0)
                return (struct rd_take){.direct = (size_t)direct};
    }
    uint64_t bounce = left <= bounce_size ? left : bounce_size / chunk * chunk;
    uint64_t skip = min_u64(f->position - f->next_offset, bounce);
    return (struct rd_take){
        .bounce = (size_t)bounce,
        .skip = (size_t)skip,
        .wanted = (size_t)min_u64(bounce - skip, f->end - f->position),
    };
}

int rd_flow_verify(struct rd_flow *f, const void *data, size_t size, const uint8_t *sums,
                   struct err *err)
{
    CHECK(size <= f->packet_end - f->next_offset);
    uint64_t first = (f->next_offset - f->packet_start) / f->kind.bytes_per_chunk;
    TRY(crc_verify(f->kind, data, size, sums + first * 4, f->next_offset, err));
    f->next_offset += size;
    return 0;
}

void rd_flow_deliver(struct rd_flow *f, size_t size)
{
    CHECK(size <= f->end - f->position);
    f->position += size;
}
