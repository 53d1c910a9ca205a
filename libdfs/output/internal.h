/* internal.h - shared by the files of libdfs/output only. */
#pragma once
#include <pthread.h>

#include "common/io/io.h"
#include "libdfs/output/output.h"
#include "libdfs/write/write.h"

enum {
    OUTPUT_MAX_EXCLUDED = 64,
    OUTPUT_HEARTBEAT_MS = 30000 /* half of a DataNode's patience */
};

struct output {
    struct io_env *env;
    struct keeper_entry entry;
    bool kept;            /* entry is in the keeper's list */
    pthread_mutex_t lock; /* guards all below */
    struct output_options o;
    char pool_id[128];
    Hdfs__ExtendedBlock block; /* current or last one; pool_id points above */
    bool has_block;
    bool appending;             /* the current block had bytes when the file was opened */
    bool flushed, synced;       /* hflush or hsync was asked for */
    bool persisted;             /* the NameNode was told of the block by fsync */
    struct arena block_arena;   /* located blocks of the current block */
    struct arena exclude_arena; /* nodes that failed; they live as long as the file */
    Hdfs__DatanodeInfo *excluded[OUTPUT_MAX_EXCLUDED];
    size_t excluded_count;
    struct wr_window window;
    struct wr_pipeline pipeline;
    Rpc__Token *token;
    struct dnc *conn;
    int64_t sent_ms;
    struct wr_watch watch;
    struct probe *probe;
    const Hdfs__DatanodeID *watched[WR_MAX_NODES]; /* whom the watch is about */
    unsigned watched_count;
    uint64_t blamed;    /* positions in the pipeline of the nodes that the last failure is about */
    int restarting;     /* position of the node that said it will be back, or -1 */
    int64_t restart_ms; /* until when it is waited for */
    uint64_t length;
    struct err failed;
    char path[];
};

/* wait.c: waits for one connection while it watches the nodes behind it. */
/* Starts to watch the nodes of the pipeline. */
void output_watch_pipeline(struct output *o);
/* Until c is ready for `events` (poll's). On failure o->blamed tells whom the watch suspects, as
 * positions in o->watched. */
must_use int output_wait(struct output *o, struct dnc *c, short events, short *ret,
                         struct err *err);
must_use int output_send_heartbeat(struct output *o, struct err *err);

/* block.c; all with the lock held. */
must_use int output_open_block(struct output *o, struct err *err);
must_use int output_open_append(struct output *o, struct err *err);
void output_take_block(struct output *o, const Hdfs__LocatedBlock *b);
typedef Xfer__OpWriteBlock__BlockConstructionStage output_stage;
/* Connects to the first node and sets the pipeline up; on failure o->blamed says who failed. */
must_use int output_set_up(struct output *o, output_stage stage, uint64_t new_stamp,
                           struct err *err);
void output_cut_connection(struct output *o);
void output_exclude(struct output *o, const Hdfs__DatanodeInfo *node);
const Hdfs__DatanodeInfo *output_node(const struct output *o, unsigned position);
int output_no_nodes(struct output *o, const char *what, struct err *err);
/* Before a reader can count on flushed bytes the NameNode must have logged the block; with `length`
 * it shows the bytes written, too. */
must_use int output_persist(struct output *o, bool length, struct err *err);
/* Asks the NameNode before a file is given up: ERR_LEASE_EXPIRED or ERR_NOT_FOUND if it isn't ours
 * any more, else 0. A block that somebody else has recovered looks like one whose nodes all failed.
 */
must_use int output_still_ours(struct output *o, struct err *err);
must_use int output_complete(struct output *o, struct err *err);

/* recover.c: a node failed (o->blamed, *why). 0: the block goes on with the others. */
must_use int output_recover(struct output *o, const struct err *why, struct err *err);
/* Sets the pipeline of an append up, in the same way. */
must_use int output_join_append(struct output *o, struct err *err);
/* A node said OOB_RESTART: is it to be waited for? Else it counts as failed. */
void output_restarting(struct output *o, unsigned position);
