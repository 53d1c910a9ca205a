/* moves.h - the cluster as a balancer or mover sees it, and replicas on their way. Door of
 * cli/moves. Thread: main's. */
#pragma once
#include "cli/store/store.h"
#include "common/base/base.h"
#include "hdfs.pb-c.h"
#include "namenode.pb-c.h"

enum { MOVE_TYPES = DFS_STORAGE_TYPES }; /* indices are enum dfs_storage_type */

/* Exit codes of Hadoop's, as the shell sees them. */
enum moves_exit {
    MOVES_SUCCESS = 0,
    MOVES_IN_PROGRESS = 1,
    MOVES_NO_BLOCK = 254,
    MOVES_NO_PROGRESS = 253,
    MOVES_IO_EXCEPTION = 252,
    MOVES_ILLEGAL_ARGUMENTS = 251,
    MOVES_INTERRUPTED = 250,
    MOVES_UPGRADE = 249,
    MOVES_BAD_LINE = 255,
};

/* A DataNode's volumes of one storage type. */
struct move_space {
    bool there;
    uint64_t capacity, used, pool_used;
    uint64_t remaining;      /* of volumes with room for a block */
    uint64_t most_remaining; /* of a single volume */
};
struct move_node {
    char *uuid, *ip, *host, *rack;
    char name[300]; /* ip:port */
    uint32_t xfer_port, info_port, ipc_port;
    bool in_service;
    struct move_space types[MOVE_TYPES];
};
struct move_nodes {
    struct move_node *items; /* by uuid */
    size_t count;
};
/* The index, or SIZE_MAX. */
size_t move_nodes_find(const struct move_nodes *n, const char *uuid);
void move_nodes_free(struct move_nodes *n);
/* Data of that type may be moved: it is not in memory. */
bool move_type_is_movable(int type);
const char *move_type_name(int type);

/* racks.c, pure: the replicas at `places` (nodes) stand on no fewer racks when the one at `moved`
 * goes to `target`. */
bool moves_keep_racks(const struct move_nodes *nodes, const size_t *places, size_t count,
                      size_t moved, size_t target);

/* --- the NameNode --- */

struct cluster {
    const struct conf *conf;
    struct dfs *dfs;
    const char *url; /* hdfs://host:port */
    char pool_id[256];
    struct rpc_client *rpc;
    struct addr *addr;
    struct dfs_file *lock; /* open while this one runs */
    const char *lock_path;
};
/* Refuses (ERR_IO "Another <name> is running.") while another one holds lock_path. */
must_use int cluster_open(struct stores *stores, const char *name, const char *lock_path,
                          struct cluster *ret, struct err *err);
void cluster_close(struct cluster *c);
/* The live ones. */
must_use int cluster_nodes(struct cluster *c, uint64_t block_size, struct move_nodes *ret,
                           struct err *err);
must_use int cluster_is_upgrading(struct cluster *c, bool *ret, struct err *err);
/* Answers are the arena's. type 0: all. */
must_use int cluster_blocks(struct cluster *c, const struct move_node *node, int type,
                            uint64_t size, uint64_t min_block, uint64_t hot_ms, struct arena *arena,
                            const Np__BlocksWithLocations **ret, struct err *err);
/* A page of a listing with locations behind start_after; NULL: it isn't there. */
must_use int cluster_listing(struct cluster *c, const char *path, struct slice start_after,
                             struct arena *arena, const Hdfs__DirectoryListing **ret,
                             struct err *err);

/* lock.c */
must_use int lock_take(struct cluster *c, const char *name, const char *path, struct err *err);
void lock_drop(struct cluster *c);

/* --- replicas on their way --- */

struct move_order {
    uint64_t id, generation_stamp, length;
    size_t target, proxy, source; /* nodes: gets it, sends it, loses it afterwards */
    int type;                     /* of the target's volume */
};
struct moves_options {
    const char *pool_id;
    unsigned threads, per_node;
    bool use_hostname;
    int64_t timeout_ms; /* of one move, 0: none */
};
struct moves_result {
    uint64_t bytes, blocks; /* moved */
    uint64_t failed;
};
struct moves;
/* nodes must outlive it. */
must_use int moves_new(const struct moves_options *o, const struct move_nodes *nodes,
                       struct moves **ret, struct err *err);
/* Waits for those under way. */
void moves_free(struct moves *m);
/* The node may take part in one more. */
bool moves_may(struct moves *m, size_t node);
/* It waits for the end of a failed move's pause; more than that can't be said of it. */
bool moves_paused(struct moves *m, size_t node);
/* The order is copied. */
void moves_start(struct moves *m, const struct move_order *order);
/* Until one ends, at most that long; false: none is under way. */
bool moves_wait(struct moves *m, int64_t timeout_ms);
void moves_finish(struct moves *m); /* until none is under way */
struct moves_result moves_result(struct moves *m);
/* The i-th move that was refused because the replica is pinned; false: there are no more. */
bool moves_pinned(struct moves *m, size_t i, uint64_t *ret_id, size_t *ret_source);

/* order.c: one move, from connecting to the last answer. */
must_use int order_run(const struct moves_options *o, const struct move_nodes *nodes,
                       const struct move_order *order, bool *ret_pinned, struct err *err);

/* --- words --- text.c */

/* "1.50 GB", as Hadoop describes bytes. */
const char *moves_bytes(int64_t n, char out[TEXT_SIZE]);
/* "Nov 24, 2026, 1:20:00 AM" */
const char *moves_date(char out[TEXT_SIZE]);
/* A Java double. */
const char *moves_double(double d, char out[TEXT_SIZE]);
/* "<exception>: <text>.  Exiting ..." on standard output. */
void moves_print_failure(const struct err *err);
