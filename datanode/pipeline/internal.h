/* internal.h - what the files of datanode/pipeline share. */
#pragma once
#include <poll.h>

#include "common/io/io.h"
#include "datanode/pipeline/pipeline.h"

/* Time-outs grow with the nodes downstream, so that the one next to a failure speaks first. */
enum { TIMEOUT_PER_NODE_MS = 5000 };
int grown_timeout(int timeout_ms, size_t nodes);

/* mirror.c: the connection to the next node */
struct mirror {
    struct xfer_in in; /* in.fd -1: none */
    struct transfer_watch *watch;
    const struct pipeline_config *config;
    struct addr addr;
    char name[300];        /* ip:port as the NameNode told the client */
    int write_timeout_ms;  /* 0: none */
    int64_t alive_ms;      /* its latest sign of life, or when it began to owe one */
    int64_t asked_ms;      /* when the question went out */
    int probe_fd;          /* the connection of the question whether it lives, -1: none */
    bool asked, connected; /* the question is on its way; it is sent */
};
void mirror_init(struct mirror *m, struct transfer_watch *watch);
void mirror_close(struct mirror *m);
static inline bool mirror_open(const struct mirror *m)
{
    return m->in.fd >= 0;
}
must_use int mirror_connect(struct mirror *m, const struct pipeline_config *config,
                            const Hdfs__DatanodeInfo *target, size_t nodes, struct err *err);
/* It sent something, or begins to owe something. */
void mirror_alive(struct mirror *m);
/* poll(2) of up to 2 descriptors. While the mirror owes something and is silent, it is asked on a
 * connection of its own whether it lives. *ret_ready 0: time is up (-1 ms: never). ERR_TIMEOUT or
 * ERR_CONNECT: it doesn't live. */
must_use int mirror_poll(struct mirror *m, struct pollfd *fds, unsigned count, bool owes,
                         int timeout_ms, int *ret_ready, struct err *err);
must_use int mirror_send(struct mirror *m, const uint8_t *data, size_t size, struct err *err);

/* incoming.c: packets from upstream; the bytes stand as they go on to the mirror */
struct incoming {
    uint8_t *bytes; /* XFER_PACKET_HEADER_MAX, sums, data */
    size_t capacity;
    struct xfer_packet packet;
};
void incoming_fini(struct incoming *i);
must_use int incoming_receive(struct incoming *i, struct xfer_in *from, struct err *err);
must_use int incoming_forward(struct incoming *i, struct mirror *m, struct err *err);
static inline const uint8_t *incoming_sums(const struct incoming *i)
{
    return i->bytes + XFER_PACKET_HEADER_MAX;
}
static inline const uint8_t *incoming_data(const struct incoming *i)
{
    return incoming_sums(i) + i->packet.sums_size;
}

/* translate.c: a packet whose checksums are of another kind than the replica's */
must_use int translate_append(struct replica_writer *w, struct crc_kind from, uint64_t offset,
                              const uint8_t *data, size_t size, const uint8_t *sums,
                              size_t sums_size, struct err *err);

/* stream.c: the life of a pipeline between connect and last acknowledgement */
struct stream {
    struct transfer *transfer;
    struct mirror *mirror;
    struct replica_writer *writer;
    struct crc_kind kind; /* of the packets; the replica's own may differ */
    size_t downstream;    /* nodes behind this one */
    bool acks;            /* a client waits for them */
    bool to_rbw;          /* a copy that becomes RBW, not FINALIZED */
    struct throttle *throttle;
    struct series *peer; /* how long packets to the next node take; NULL: not measured */
};
/* Takes the writer, whatever happens. */
must_use int stream_run(struct stream *s, struct err *err);

/* sender.c */
struct send_range {
    uint64_t offset, length;
    bool with_sums;
    uint32_t packet;
    bool drop_behind;
    struct throttle *throttle;
};
/* Where data of the range starts, for the answer before the packets. */
uint64_t send_start(const struct replica_reader *r, const struct send_range *range);
must_use int send_replica(int fd, const struct replica_reader *r, const struct send_range *range,
                          struct err *err);

/* move.c: why a move isn't begun, as Hadoop says it. */
void move_quota_text(const struct pipeline_config *config, char *out, size_t size);

/* The replica failed with this code: it becomes suspect, if the code says something about it. */
void suspect_replica(const struct pipeline_config *config, const char *pool_id,
                     const struct block *block, int code);

/* The pool and block of a header, or an error. */
must_use int header_block(const struct transfer *t, const Xfer__BaseHeader *header,
                          struct block_pool **ret_pool, struct block *ret, struct err *err);
/* ERROR with the exception's class and text, as Java clients look for it. */
void answer_error(const struct transfer *t, const struct err *why, const char *first_bad_link);
