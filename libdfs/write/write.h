/* write.h - what decides in a write: how bytes become packets, who is to blame, what to do next.
 * Door of libdfs/write. Core: no clock, no sockets, no files, no threads; the file's lock guards
 * everything. */
#pragma once
#include "common/base/base.h"
#include "common/crc/crc.h"
#include "common/xfer/xfer.h"
#include "hdfs.pb-c.h"

/* window.c: packets of one open block, from the first byte to the acknowledgement of the last one.
 */
struct wr_packet {
    struct wr_packet *next;
    struct xfer_packet header;
    uint8_t *sums, *data; /* header, checksums and data in one allocation: wire is the header's
                             place before sums */
    uint8_t *wire;
    size_t wire_size;
};
struct wr_window {
    struct crc_kind kind;
    uint32_t packet_data_max; /* a multiple of the chunk */
    unsigned max_in_flight;
    unsigned
        allowed; /* in flight, less than max_in_flight while nodes say that they are congested */
    uint64_t block_size;
    uint64_t offset; /* bytes of the block that were accepted */
    uint64_t sent;   /* bytes of the block that may be at some node */
    uint64_t acked;  /* bytes of the block that all nodes have acknowledged */
    int64_t next_seqno;
    struct wr_packet *current;                 /* being filled; NULL if none */
    struct wr_packet *unacked, **unacked_tail; /* in order of seqno; [unsent..] still to be sent */
    struct wr_packet *unsent;
    unsigned in_flight; /* length of unacked */
    struct wr_packet *spare;
    uint8_t *partial; /* the chunk that a flush cut: the next packet repeats it */
    uint32_t partial_size;
    bool closing; /* the last packet is cut */
};
/* packet_size: dfs.client-write-packet-size; data per packet is what fits beside header and
 * checksums. */
must_use int wr_window_init(struct wr_window *w, struct crc_kind kind, uint32_t packet_size,
                            unsigned max_in_flight, struct err *err);
void wr_window_fini(struct wr_window *w);
/* Before each block, which has `length` bytes already; nothing may be in flight. */
void wr_window_start(struct wr_window *w, uint64_t block_size, uint64_t length);
/* Copies what fits into the current packet (up to its end, or the block's); *ret_taken may be less
 * than size, then or when *ret_full: cut and send first. */
must_use int wr_window_add(struct wr_window *w, const void *data, size_t size, size_t *ret_taken,
                           bool *ret_full, struct err *err);
/* Makes the current packet ready to be sent; sync makes the nodes fsync. Without data it makes an
 * empty packet only if sync. A flush in the middle of a chunk keeps the chunk for the next packet.
 */
must_use int wr_window_cut(struct wr_window *w, bool sync, struct err *err);
/* The empty last packet. All others must be acknowledged. */
must_use int wr_window_cut_last(struct wr_window *w, bool sync, struct err *err);
bool wr_window_may_send(const struct wr_window *w); /* room for another packet in flight */
/* Next packet to send, and that it was sent. NULL: none. */
struct wr_packet *wr_window_next(struct wr_window *w);
void wr_window_sent(struct wr_window *w);
/* An acknowledgement of success for seqno (heartbeats are the caller's). ERR_PROTOCOL out of order.
 */
must_use int wr_window_ack(struct wr_window *w, int64_t seqno, struct err *err);
bool wr_window_all_acked(const struct wr_window *w);
/* After a new pipeline is set up: all that isn't acknowledged is to be sent again. */
void wr_window_resend(struct wr_window *w);
/* What the acknowledgement said about congestion: half the window if so, else one packet more. */
void wr_window_congestion(struct wr_window *w, bool congested);
bool wr_window_syncing(const struct wr_window *w); /* a packet in flight makes the nodes sync */
/* The last packet needs no answer any more (its nodes were told by CLOSE_RECOVERY). */
void wr_window_forget_last(struct wr_window *w);

/* pipeline.c: the nodes of one block and their failures. */
enum { WR_MAX_NODES = XFER_MAX_PIPELINE };
enum wr_stage { WR_NONE, WR_SETUP, WR_STREAMING, WR_CLOSING, WR_DONE, WR_FAILED };
struct wr_pipeline {
    enum wr_stage stage;
    const Hdfs__LocatedBlock *block; /* lives in the writer's arena of this block */
    unsigned nodes[WR_MAX_NODES];    /* indices in block->locs, those that remain */
    unsigned count;
    unsigned recoveries; /* since acked moved last */
    uint64_t recovery_acked;
    unsigned slow_acks[WR_MAX_NODES]; /* by position, in a row */
    char story[512];                  /* what each node that failed has said, for the error text */
};
void wr_pipeline_init(struct wr_pipeline *p);
/* New block; forgets old nodes and, with the first block that succeeds, their story. */
must_use int wr_pipeline_start(struct wr_pipeline *p, const Hdfs__LocatedBlock *block,
                               struct err *err);
void wr_pipeline_move(struct wr_pipeline *p, enum wr_stage stage);
/* Node of the pipeline that a set-up answer blames: by firstBadLink (ip:port), else the first one.
 */
unsigned wr_blame_response(const struct wr_pipeline *p, const char *first_bad_link);
/* -1: success of all; else the position of the first node that didn't succeed. ERR_PROTOCOL as
 * *ret_bad when the count of answers can't be. */
must_use int wr_blame_ack(const struct wr_pipeline *p, const struct xfer_ack *ack, int *ret_bad,
                          struct err *err);
/* Any node that says it is congested. */
bool wr_ack_congested(const struct xfer_ack *ack);
/* Position of a node that has called itself slow in `threshold` acknowledgements in a row (0:
 * never), or -1. */
int wr_pipeline_slow(struct wr_pipeline *p, const struct xfer_ack *ack, unsigned threshold);
/* Should another node take the place of those that left? */
enum wr_replace { WR_REPLACE_NEVER, WR_REPLACE_DEFAULT, WR_REPLACE_ALWAYS };
bool wr_replace_wanted(enum wr_replace policy, const struct wr_pipeline *p, unsigned replication,
                       bool appending, bool flushed);
/* The NameNode's answer to the wish for one more node: index in located->locs of the node that is
 * not in the pipeline yet, or -1. */
int wr_pipeline_find_new(const struct wr_pipeline *p, const Hdfs__LocatedBlock *located);
/* All nodes of `located` are the pipeline now. ERR_PROTOCOL when one of the old ones is missing. */
must_use int wr_pipeline_adopt(struct wr_pipeline *p, const Hdfs__LocatedBlock *located,
                               struct err *err);
/* Takes the node at `position` out and notes what it said. */
void wr_pipeline_drop(struct wr_pipeline *p, unsigned position, const char *what);
/* May a broken pipeline be set up again? False: no node left, or too often without progress. */
bool wr_pipeline_may_recover(struct wr_pipeline *p, uint64_t acked, unsigned max_recoveries);
void wr_node_name(const Hdfs__DatanodeInfo *node, char *out, size_t size); /* ip:port */

/* watch.c: who is to blame when nothing is heard. */
struct wr_sign { /* what a probe has found out about a node */
    bool done, answered, has_length;
    uint64_t length; /* of the block, acknowledged by this node and all behind it */
    int64_t took_ms;
};
struct wr_watch_case {
    const struct wr_sign *signs; /* of the running probe, valid if signs_known */
    bool signs_known;
    unsigned nodes;
    uint64_t sent;       /* bytes of the block that all nodes should have */
    bool syncing;        /* a sync was asked for: disks may take their time */
    int64_t patience_ms; /* 0: for ever */
};
struct wr_watch {
    int64_t since_ms; /* nothing was heard since then, and something was due */
    int64_t looked_ms;
    int64_t probe_ms; /* when the running probe began, 0: none */
    int64_t next_probe_ms;
    int lag_position; /* of the last probe, -1: none */
    uint64_t lag_length;
    unsigned lag_rounds; /* probes in a row that found the same lag */
    const char *reason;
};
enum wr_watch_action { WR_WATCH_WAIT, WR_WATCH_PROBE, WR_WATCH_BLAME };
/* Something was heard, or something new is due. */
void wr_watch_start(struct wr_watch *w, int64_t now_ms);
void wr_watch_probing(struct wr_watch *w, int64_t now_ms);
/* At least once a second while waiting. *ret_blamed: positions, for BLAME. */
enum wr_watch_action wr_watch_step(struct wr_watch *w, int64_t now_ms,
                                   const struct wr_watch_case *c, uint64_t *ret_blamed);
const char *wr_watch_reason(const struct wr_watch *w);

/* finish.c: calls that answer "not yet" (complete, addBlock): wait, doubling, then give up. */
struct wr_patience {
    int64_t delay_ms, max_delay_ms;
    unsigned retries;
    int64_t soon_ms; /* waits before the first retry, four times as long each; 0: none */
};
/* True: wait *ret_ms and ask again. */
bool wr_patience_more(struct wr_patience *p, int64_t *ret_ms);
