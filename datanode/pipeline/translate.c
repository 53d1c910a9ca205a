/* translate.c - a packet whose checksums are of another kind than those of the replica: a client
 * appends with other settings than the block was written with. The packet's own checksums are
 * verified, then new ones are computed chunk by chunk of the replica. */
#include <stdlib.h>

#include "datanode/pipeline/internal.h"

/* One piece that is inside a chunk, or starts at a chunk's begin. */
static int append_piece(struct replica_writer *w, uint64_t offset, const uint8_t *data, size_t size,
                        struct err *err)
{
    size_t sums_size = crc_sums_size(w->kind, size);
    uint8_t *sums = malloc(sums_size + 1);
    if (sums == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for checksums");
    crc_compute(w->kind, data, size, sums);
    int rc = replica_append(w, offset, data, size, sums, sums_size, err);
    free(sums);
    return rc;
}

int translate_append(struct replica_writer *w, struct crc_kind from, uint64_t offset,
                     const uint8_t *data, size_t size, const uint8_t *sums, size_t sums_size,
                     struct err *err)
{
    if (sums_size != crc_sums_size(from, size))
        return fail(err, ERR_PROTOCOL, "%zu bytes of data come with %zu bytes of checksums", size,
                    sums_size);
    TRY(crc_verify(from, data, size, sums, offset, err));
    if (offset > w->block.length)
        return fail(err, ERR_PROTOCOL, "a packet starts at %llu, blk_%lld has %llu bytes",
                    (unsigned long long)offset, (long long)w->block.id,
                    (unsigned long long)w->block.length);
    uint64_t have = w->block.length - offset; /* sent again */
    if (have >= size)
        return 0;
    data += have;
    size -= (size_t)have;
    offset = w->block.length;
    size_t head = (size_t)(w->kind.bytes_per_chunk - offset % w->kind.bytes_per_chunk);
    if (head == w->kind.bytes_per_chunk)
        return append_piece(w, offset, data, size, err);
    if (head > size)
        head = size;
    TRY(append_piece(w, offset, data, head, err));
    return head == size ? 0 : append_piece(w, offset + head, data + head, size - head, err);
}
