/* internal.h - what the files of datanode/pipeline share. */
#pragma once
#include "common/io/io.h"
#include "datanode/pipeline/pipeline.h"

/* Time-outs grow with the nodes downstream, so that the one next to a failure speaks first. */
enum { TIMEOUT_PER_NODE_MS = 5000 };
int grown_timeout(int timeout_ms, size_t nodes);

/* mirror.c: the connection to the next node */
struct mirror {
    struct xfer_in in; /* in.fd -1: none */
    struct transfer_watch *watch;
    char name[300]; /* ip:port as the NameNode told the client */
};
void mirror_init(struct mirror *m, struct transfer_watch *watch);
void mirror_close(struct mirror *m);
static inline bool mirror_open(const struct mirror *m)
{
    return m->in.fd >= 0;
}
must_use int mirror_connect(struct mirror *m, const struct pipeline_config *config,
                            const Hdfs__DatanodeInfo *target, size_t nodes, struct err *err);

/* incoming.c: packets from upstream; the bytes stand as they go on to the mirror */
struct incoming {
    uint8_t *bytes; /* XFER_PACKET_HEADER_MAX, sums, data */
    size_t capacity;
    struct xfer_packet packet;
};
void incoming_fini(struct incoming *i);
must_use int incoming_receive(struct incoming *i, struct xfer_in *from, struct err *err);
must_use int incoming_forward(struct incoming *i, int fd, struct err *err);
static inline const uint8_t *incoming_sums(const struct incoming *i)
{
    return i->bytes + XFER_PACKET_HEADER_MAX;
}
static inline const uint8_t *incoming_data(const struct incoming *i)
{
    return incoming_sums(i) + i->packet.sums_size;
}

/* stream.c: the life of a pipeline between connect and last acknowledgement */
struct stream {
    struct transfer *transfer;
    struct mirror *mirror;
    struct replica_writer *writer;
    size_t downstream; /* nodes behind this one */
    bool acks;         /* a client waits for them */
    bool to_rbw;       /* a copy that becomes RBW, not FINALIZED */
};
/* Takes the writer, whatever happens. */
must_use int stream_run(struct stream *s, struct err *err);

/* sender.c */
struct send_range {
    uint64_t offset, length;
    bool with_sums;
    uint32_t packet;
    bool drop_behind;
};
/* Where data of the range starts, for the answer before the packets. */
uint64_t send_start(const struct replica_reader *r, const struct send_range *range);
must_use int send_replica(int fd, const struct replica_reader *r, const struct send_range *range,
                          struct err *err);

/* The pool and block of a header, or an error. */
must_use int header_block(const struct transfer *t, const Xfer__BaseHeader *header,
                          struct block_pool **ret_pool, struct block *ret, struct err *err);
/* ERROR with the exception's class and text, as Java clients look for it. */
void answer_error(const struct transfer *t, const struct err *why, const char *first_bad_link);
