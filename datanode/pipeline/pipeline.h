/* pipeline.h - operations of the data port, run by a worker thread with plain blocking code. Door
 * of datanode/pipeline. Each op_... answers on the connection itself and returns 0 when the
 * connection may carry another operation, an error when it must be closed (the error is for the
 * log). */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/xfer/xfer.h"
#include "datanode/stats/stats.h"
#include "datanode/store/store.h"
#include "datanode/throttle/throttle.h"

struct pipeline_config {
    struct store *store;
    int read_timeout_ms, write_timeout_ms; /* 0: none */
    bool use_hostname;
    bool drop_behind_reads;
    uint32_t read_packet; /* data bytes of a packet to a reader */
    /* a next node that owes an answer so long is asked whether it lives (0: never), and given up
     * when that isn't answered in time */
    int mirror_quiet_ms, mirror_probe_ms;
    bool tell_load, tell_slow; /* in acknowledgements */
    double load_limit;         /* of a processor */
    atomic_bool *slow;         /* the NameNode calls this node slow */
    struct stats *stats;       /* how long other nodes take; NULL: not measured */
    /* bytes a second, each NULL for no limit: moves of the balancer (also how many at a time),
     * copies to other nodes, blocks that come in, blocks that are read */
    struct throttle *balance, *transfer, *write, *read;
    unsigned balance_moves; /* at a time; the text of a refusal */
    bool pinning;           /* replicas on favored nodes are marked, and not moved */
    /* Something is wrong with the bytes of a replica, or seems so: it is to be looked at soon. May
     * be NULL; never waits. */
    void (*suspect)(void *ctx, const char *pool_id, const struct block *block);
    void *suspect_ctx;
};

/* What a worker may block on, so that a stopping node or another writer of the replica can end it.
 */
struct transfer_watch {
    pthread_mutex_t lock; /* guards the rest */
    int fd;               /* besides its connection; -1: none; shutdown(2), its user closes it */
    int up;               /* its connection while it writes; -1: it doesn't */
    bool stopped, restarting;
};
void transfer_watch_init(struct transfer_watch *w);
void transfer_watch_fini(struct transfer_watch *w);
void transfer_watch_stop(struct transfer_watch *w);
/* The node stops and comes back soon: a writer's client is told, and its replica marked. */
void transfer_watch_restart(struct transfer_watch *w);

struct transfer {
    const struct pipeline_config *config;
    struct xfer_in *in; /* its fd is the connection */
    struct arena *arena;
    const char *local; /* own ip:port as the peer sees it */
    struct transfer_watch *watch;
};

must_use int op_write_block(struct transfer *t, const Xfer__OpWriteBlock *op, struct err *err);
/* On 0 the peer owes a ClientReadStatus before its next operation. */
must_use int op_read_block(struct transfer *t, const Xfer__OpReadBlock *op, struct err *err);
must_use int op_copy_block(struct transfer *t, const Xfer__OpCopyBlock *op, struct err *err);
must_use int op_block_checksum(struct transfer *t, const Xfer__OpBlockChecksum *op,
                               struct err *err);
must_use int op_transfer_block(struct transfer *t, const Xfer__OpTransferBlock *op,
                               struct err *err);
must_use int op_replace_block(struct transfer *t, const Xfer__OpReplaceBlock *op, struct err *err);

/* A replica that goes to other nodes: replication (client_name "") or the repair of a pipeline. */
struct copy_request {
    const char *pool_id;
    struct block block;
    Hdfs__DatanodeInfo **targets; /* the first is connected to, the rest follow in a row */
    size_t target_count;
    const Hdfs__StorageType *target_types; /* NULL, or one for each target */
    char **target_ids;                     /* NULL, or one for each target */
    const char *client_name;
};
must_use int copy_block(const struct pipeline_config *config, const struct copy_request *q,
                        struct transfer_watch *watch, struct err *err);
