/* incoming.c - one packet from upstream, kept as it goes on to the next node.
 * The buffer starts at the size of a usual packet and doubles only as the bytes of a larger one
 * arrive: an announced length takes no memory. */
#include <stdlib.h>

#include "datanode/pipeline/internal.h"

enum { USUAL_PACKET = 96 * 1024 };

void incoming_fini(struct incoming *i)
{
    free(i->bytes);
    *i = (struct incoming){0};
}

static int grow(struct incoming *i, struct err *err)
{
    size_t capacity = i->capacity == 0 ? USUAL_PACKET : i->capacity * 2;
    uint8_t *bytes = realloc(i->bytes, capacity);
    if (bytes == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a packet of %u bytes",
                    i->packet.sums_size + i->packet.data_size);
    i->bytes = bytes;
    i->capacity = capacity;
    return 0;
}

int incoming_receive(struct incoming *i, struct xfer_in *from, struct err *err)
{
    TRY(xfer_recv_packet(from, &i->packet, err));
    size_t end = XFER_PACKET_HEADER_MAX + i->packet.sums_size + i->packet.data_size;
    for (size_t at = XFER_PACKET_HEADER_MAX; at < end;) {
        if (at >= i->capacity)
            TRY(grow(i, err));
        size_t stop = end < i->capacity ? end : i->capacity;
        TRY(xfer_read(from, i->bytes + at, stop - at, err));
        at = stop;
    }
    return 0;
}

/* The header is written before the body that is there already, so that one write sends both. */
int incoming_forward(struct incoming *i, struct mirror *m, struct err *err)
{
    uint8_t header[XFER_PACKET_HEADER_MAX];
    size_t size = xfer_packet_encode(&i->packet, header);
    size_t body = i->packet.sums_size + i->packet.data_size;
    if (body == 0)
        return mirror_send(m, header, size, err);
    uint8_t *start = i->bytes + XFER_PACKET_HEADER_MAX - size;
    memcpy(start, header, size);
    return mirror_send(m, start, size + body, err);
}
