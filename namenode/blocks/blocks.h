/* blocks.h - every block: its record, its replicas, and the work that keeps both in agreement.
 * A block group of an erasure coded file is a block, too: its replicas are its internal blocks,
 * each with its index; internal blocks have ids of their own (group id + index), which reports and
 * orders name, while the handle is that of the group. Door of namenode/blocks. Thread: state. Core:
 * time and randomness come in as arguments, nothing is journaled here. The records belong to the
 * namespace (added, committed, removed by applied edits); the replicas are what DataNodes report.
 * Blocks are named by a 32-bit handle (0 is none) that lives until the block is removed; storages
 * and nodes by the indices of nodes/nodes.h. */
#pragma once
#include "common/base/base.h"
#include "common/ec/ec.h"
#include "namenode/nodes/nodes.h"
#include "namenode/placement/placement.h"

/* The moves are checked: UNDER_CONSTRUCTION -> COMMITTED -> COMPLETE -> (append)
 * UNDER_CONSTRUCTION; UNDER_CONSTRUCTION, COMMITTED <-> UNDER_RECOVERY. */
enum block_state {
    BLOCK_NONE, /* no such block: freed, or removed and waiting for its slice of clean-up */
    BLOCK_UNDER_CONSTRUCTION,
    BLOCK_UNDER_RECOVERY,
    BLOCK_COMMITTED, /* the client has told the final length and stamp */
    BLOCK_COMPLETE,  /* and enough replicas with both were reported (or a closed file was replayed)
                      */
};

/* The numbers of ReplicaState on the wire. */
enum replica_state { REPLICA_FINALIZED, REPLICA_RBW, REPLICA_RWR, REPLICA_RUR, REPLICA_TEMPORARY };

/* The numbers of BlockStatus on the wire. */
enum received_status { BLOCK_RECEIVING = 1, BLOCK_RECEIVED = 2, BLOCK_DELETED = 3 };

enum corrupt_reason {
    CORRUPT_REPORTED = 1, /* by a reader or the node's scanner; only deletion heals it */
    CORRUPT_STAMP,        /* the rest came from a report, and a later, right report heals it */
    CORRUPT_LENGTH,
    CORRUPT_STATE,
};

struct blocks_settings {
    uint32_t replication_min;       /* dfs.namenode.replication.min, 1 */
    uint32_t replication_max;       /* dfs.replication.max, 512 */
    int64_t redundancy_interval_ms; /* dfs.namenode.redundancy.interval.seconds, 3 s */
    uint32_t work_multiplier;       /* dfs.namenode.replication.work.multiplier.per.iteration, 2 */
    uint32_t max_streams;           /* dfs.namenode.replication.max-streams, 2 */
    uint32_t max_streams_hard;      /* dfs.namenode.replication.max-streams-hard-limit, 4 */
    int64_t pending_timeout_ms;     /* dfs.namenode.reconstruction.pending.timeout-sec, 300 s */
    struct place_settings place;    /* where replicas go */
    double safemode_threshold;      /* dfs.namenode.safemode.threshold-pct, 0.999 */
    uint32_t safemode_min_nodes;    /* dfs.namenode.safemode.min.datanodes, 0 */
    uint32_t safemode_replication;  /* dfs.namenode.safemode.replication.min; 0: replication_min */
    uint32_t maintenance_min;       /* dfs.namenode.maintenance.replication.min, 1 */
    uint32_t replication_default;   /* dfs.replication, 3 */
    int64_t safemode_extension_ms;  /* dfs.namenode.safemode.extension, 30 s */
    double invalidate_share;        /* dfs.namenode.invalidate.work.pct.per.iteration, 0.32 */
    int64_t deletion_delay_ms;      /* dfs.namenode.startup.delay.block.deletion.sec, 0 */
};
/* Hadoop's defaults. */
void blocks_settings_defaults(struct blocks_settings *s);

struct blocks;

/* Borrows nodes, which must outlive it. */
must_use int blocks_new(const struct blocks_settings *settings, struct nodes *nodes,
                        struct blocks **ret_blocks);
void blocks_free(struct blocks *b);
const struct blocks_settings *blocks_settings_get(const struct blocks *b);
/* Other settings; after an image was loaded (which knows only the defaults) and before
 * blocks_start. */
void blocks_configure(struct blocks *b, const struct blocks_settings *settings);

/* ---- records; called when an edit is applied or an image is loaded ---- */

struct block_info {
    uint64_t id, generation_stamp, length;
    handle_t owner;       /* inode */
    uint32_t replication; /* 1 for a group */
    enum block_state state;
    uint8_t ec; /* the id of the policy of a group; 0: a replicated block */
};

/* Tells of each change of a block's length or of its being COMPLETE, after it; not of its birth and
 * removal. Set once by the owner of both rooms. */
typedef void (*block_watch_fn)(void *ctx, handle_t owner, uint64_t old_length, bool was_complete,
                               uint64_t new_length, bool is_complete);
void blocks_watch(struct blocks *b, block_watch_fn changed, void *ctx);

/* The storage policy of an owner's blocks, 0: the default one. Set once; without it all have the
 * default. */
typedef uint8_t (*block_policy_fn)(void *ctx, handle_t owner);
void blocks_policy_from(struct blocks *b, block_policy_fn policy, void *ctx);

/* The policy with that id, NULL: there is none. Set once; without it no policy is known. A group of
 * an unknown policy is kept as it is: its internal blocks are recorded, and it is never healed,
 * completed by reports, or counted as missing. */
typedef const struct ec_policy *(*block_ec_fn)(void *ctx, uint8_t id);
void blocks_ec_from(struct blocks *b, block_ec_fn policy, void *ctx);

/* state: UNDER_CONSTRUCTION, COMMITTED or COMPLETE (then without replicas until they are reported).
 * Only ERR_NO_MEMORY; an id that is there already is a CHECK, so look first when bytes from outside
 * name it. */
must_use int blocks_add(struct blocks *b, const struct block_info *info, handle_t *ret_block);
/* 0: unknown or removed. */
handle_t blocks_find(const struct blocks *b, uint64_t id);
void blocks_get(const struct blocks *b, handle_t block, struct block_info *ret);
/* Parts of it, without a struct. */
enum block_state blocks_state(const struct blocks *b, handle_t block);
uint64_t blocks_length(const struct blocks *b, handle_t block);
handle_t blocks_owner(const struct blocks *b, handle_t block);
static inline bool blocks_is_complete(const struct blocks *b, handle_t block)
{
    return blocks_state(b, block) == BLOCK_COMPLETE;
}

/* The handle dies at once; replicas get their deletion orders now (blocks_remove) or by and by in
 * blocks_tick. */
void blocks_remove(struct blocks *b, handle_t block);
void blocks_remove_list(struct blocks *b, const handle_t *blocks, size_t count);

/* An image or edits change these fields of a block under construction (or force them on replay). */
void blocks_set_length(struct blocks *b, handle_t block, uint64_t length);
void blocks_set_generation_stamp(struct blocks *b, handle_t block, uint64_t generation_stamp);
void blocks_set_owner(struct blocks *b, handle_t block, handle_t owner);
/* setReplication: surplus replicas go, missing ones come. Nothing happens to a group. */
void blocks_set_replication(struct blocks *b, handle_t block, uint32_t replication);
/* -> COMMITTED, and on to COMPLETE when replication_min replicas (of a group: as many internal
 * blocks as there are data units in it) match. Replicas that were reported
 * with another stamp are dropped, those with another length become corrupt. ERR_ILLEGAL_ARGUMENT:
 * the stamp is older than the record's, or the length shrinks below what is recorded for a
 * COMMITTED or COMPLETE block; nothing has changed. Committing a COMMITTED or COMPLETE block again
 * with the same numbers is fine. */
must_use int blocks_commit(struct blocks *b, handle_t block, uint64_t generation_stamp,
                           uint64_t length, struct err *err);
/* COMMITTED -> COMPLETE if replication_min replicas are there; true if it is COMPLETE afterwards.
 */
bool blocks_complete(struct blocks *b, handle_t block);
/* Whatever the replicas (replay of a CLOSE). */
void blocks_force_complete(struct blocks *b, handle_t block);
/* COMPLETE -> UNDER_CONSTRUCTION for append; the replicas become the expected locations. Needs no
 * memory beyond the side record: ERR_NO_MEMORY only. */
must_use int blocks_reopen(struct blocks *b, handle_t block);
/* Recovery of the last block of a lost writer: its id is the stamp that the recovered replicas will
 * get. */
must_use int blocks_begin_recovery(struct blocks *b, handle_t block, uint64_t recovery_id);
uint64_t blocks_recovery_id(const struct blocks *b, handle_t block); /* 0: none */
/* The same, and one of the expected nodes is ordered to lead it: the live one heard last among
 * those that didn't lead one yet. *ret_node 0: there is none. The first attempt
 * has limit_ms, each one more of that than the last, up to six times. */
must_use int blocks_start_recovery(struct blocks *b, handle_t block, uint64_t recovery_id,
                                   int64_t mono_ms, int64_t limit_ms, uint32_t *ret_node);
/* No attempt was made yet, or the time of the last one is over. */
bool blocks_recovery_due(const struct blocks *b, handle_t block, int64_t mono_ms);
/* The node that leads it; 0: none. */
uint32_t blocks_recovery_leader(const struct blocks *b, handle_t block);
/* Blocks of which an attempt has run out of time: pass 0 first, then what was returned; 0: no more.
 */
handle_t blocks_next_overdue(const struct blocks *b, handle_t block, int64_t mono_ms);
/* UNDER_RECOVERY -> UNDER_CONSTRUCTION: recovered, yet its file stays open. */
void blocks_end_recovery(struct blocks *b, handle_t block);
/* These storages have the recovered block as it is recorded now; of a group storages[i] has the
 * internal block i, 0: nobody has it. */
must_use int blocks_recovered(struct blocks *b, handle_t block, const uint32_t *storages,
                              size_t count);
/* A block under construction is to be cut: its recovery, which is overdue at once, has to make the
 * replicas that long. Until then its length stays what it was. */
must_use int blocks_cut(struct blocks *b, handle_t block, uint64_t length);
/* False: it isn't being cut. *ret_length: what it will have. */
bool blocks_being_cut(const struct blocks *b, handle_t block, uint64_t *ret_length);

/* ---- blocks under construction ---- */

struct expected_replica {
    uint32_t storage;
    uint8_t index; /* of the internal block of a group, else 0 */
    bool reported;
    enum replica_state state; /* as reported; RBW until then */
    uint64_t generation_stamp, length;
    bool led; /* its node was asked to lead a recovery */
};

/* Where the pipeline writes: chosen targets, or what updatePipeline says. Counts them as scheduled.
 * Of a group storages[i] is to have the internal block i; 0: nobody has it. */
must_use int blocks_set_expected(struct blocks *b, handle_t block, const uint32_t *storages,
                                 size_t count);
/* At most max; returns how many there are. Those of a COMPLETE block: none. */
size_t blocks_expected(const struct blocks *b, handle_t block, struct expected_replica *ret,
                       size_t max);

/* ---- where to read ---- */

struct reader_hint {
    uint32_t node;    /* the DataNode on the reader's machine, 0: none */
    const char *rack; /* of the reader when it is no DataNode; NULL: unknown */
};

/* Storages to read from: own node, own rack, others in random order among equals; silent (stale)
 * nodes last. Corrupt ones only when there is nothing else (*ret_corrupt). For a block under
 * construction the expected ones. At most max; returns the number stored. */
size_t blocks_locations(struct blocks *b, handle_t block, const struct reader_hint *reader,
                        int64_t mono_ms, struct rng *rng, uint32_t *ret_storages, size_t max,
                        bool *ret_corrupt);

/* The same for a group: the best place of each index, by index; those on nodes that are silent or
 * leave come behind. Corrupt ones only when too few others are left to read the group
 * (*ret_corrupt). */
struct unit_location {
    uint32_t storage;
    uint8_t index;
};
size_t blocks_unit_locations(struct blocks *b, handle_t block, int64_t mono_ms,
                             struct unit_location *ret, size_t max, bool *ret_corrupt);

/* Of a group live .. maintenance count indices, not replicas: each index once, by the best replica
 * it has, in the order of these fields. */
struct replica_counts {
    uint32_t live; /* matching, neither corrupt nor excess, on nodes in service */
    uint32_t corrupt, excess;
    uint32_t stale;   /* of all that are recorded: on storages without a full report yet */
    uint32_t pending; /* copies under way */
    /* Good ones on nodes that leave or have left the service; never counted as live. */
    uint32_t decommissioning, decommissioned;
    uint32_t entering; /* on live nodes that are entering maintenance */
    uint32_t
        maintenance; /* in maintenance: kept, also while the node is dead, but not to be read */
    /* Of a group: */
    uint32_t duplicate;     /* live replicas beyond the first one of their index, or of no use */
    uint16_t live_units;    /* the indices that count as live, as bits, and */
    uint16_t good_units;    /* those that count as any of live .. maintenance, */
    uint16_t kept_units;    /* as entering or maintenance, */
    uint16_t pending_units; /* and those under way */
};
/* Those that hold the data. */
static inline uint32_t replica_counts_good(const struct replica_counts *n)
{
    return n->live + n->decommissioning + n->decommissioned + n->entering + n->maintenance;
}
/* Those that can complete a block: a node doesn't leave before it is written. */
static inline uint32_t replica_counts_usable(const struct replica_counts *n)
{
    return n->live + n->decommissioning + n->entering;
}
/* fsck -replicate: puts the block into the queue where it belongs, should that have been missed. */
void blocks_look_again(struct blocks *b, handle_t block);
void blocks_count(const struct blocks *b, handle_t block, struct replica_counts *ret);
/* All recorded replicas, for fsck and the like; flags as counts.  */
struct replica_info {
    uint32_t storage;
    uint8_t index; /* of the internal block of a group, else 0 */
    bool corrupt, excess;
    enum corrupt_reason reason; /* of a corrupt one, else 0 */
};
size_t blocks_replicas(const struct blocks *b, handle_t block, struct replica_info *ret,
                       size_t max);
/* Replicas (internal blocks) that it is to have, and how many make it readable and complete. */
uint32_t blocks_units_wanted(const struct blocks *b, handle_t block);
uint32_t blocks_units_minimum(const struct blocks *b, handle_t block);
/* NULL: replicated, or the policy is unknown. */
const struct ec_policy *blocks_ec_policy(const struct blocks *b, handle_t block);
bool blocks_min_replicated(const struct blocks *b,
                           handle_t block); /* blocks_units_minimum usable ones */
bool blocks_sufficient(const struct blocks *b, handle_t block); /* expected number of live ones */

/* ---- nodes that leave the service, or come back ---- */

/* nodes_set_admin, and the node's blocks are looked at again, in slices of blocks_tick. */
void blocks_set_admin(struct blocks *b, uint32_t node, enum admin_state admin);
/* What keeps a node from leaving. */
struct leaving_block {
    bool enough;    /* nothing: those in service are enough without it */
    bool open;      /* it is being written; then only where it is written counts */
    bool only_here; /* no node in service has it */
};
/* admin: of the node, DECOMMISSION_IN_PROGRESS or ENTERING_MAINTENANCE. */
void blocks_check_leaving(const struct blocks *b, handle_t block, enum admin_state admin,
                          struct leaving_block *ret);
/* All blocks of a storage that stay, in slices, from its last to its first. */
struct storage_walk {
    uint32_t storage, left, changes;
};
struct storage_walk blocks_walk(const struct blocks *b, uint32_t storage);
/* 0: the end. */
size_t blocks_walk_next(const struct blocks *b, struct storage_walk *w, handle_t *ret, size_t max);
/* Some block came or moved since it began, and may have been missed. */
bool blocks_walk_missed(const struct blocks *b, const struct storage_walk *w);

/* An order to delete that is about to leave: false if it is surplus no more because other replicas
 * went meanwhile (their nodes died and are not drained yet); then it is taken back. */
bool blocks_confirm_deletion(struct blocks *b, uint32_t node, const struct node_block *order);

/* A reader or scanner says that the replica on that storage is bad; of a group block_id is that of
 * the internal block. Unknown block or replica: nothing happens. storage 0: the replica on `node`.
 */
void blocks_mark_corrupt(struct blocks *b, uint64_t block_id, uint64_t generation_stamp,
                         uint32_t node, uint32_t storage, enum corrupt_reason reason);

/* ---- blocks that just got COMPLETE because a replica was reported ---- */

/* Their files may be closable now. Handle 0: no more. */
handle_t blocks_take_completed(struct blocks *b);

/* ---- reports; the caller has checked registration, lease and pool ---- */

/* Full report of one storage, taken in slices. The bytes are borrowed until it is done or
 * cancelled. */
struct report_source {
    const struct slice *buffers; /* buffer form: one string in pieces; entries may straddle them */
    size_t buffer_count;
    const uint64_t *longs; /* long form when buffers == NULL */
    size_t long_count;
};

struct block_report; /* heap */

/* Also makes an earlier unfinished report of that storage void. */
must_use int blocks_report_start(struct blocks *b, uint32_t storage,
                                 const struct report_source *source,
                                 struct block_report **ret_report);
enum { REPORT_DONE = 0, REPORT_MORE = 1 };
/* Takes about `budget` replicas. REPORT_DONE: all is processed, absent replicas are dropped, the
 * storage is no longer stale. ERR_PROTOCOL: malformed; what was read stays, nothing is dropped.
 * ERR_RETRIABLE: the node registered anew or sent another report of that storage meanwhile. After
 * anything but REPORT_MORE call blocks_report_free. */
must_use int blocks_report_step(struct block_report *r, size_t budget, int64_t mono_ms,
                                int64_t now_ms, struct err *err);
void blocks_report_free(struct block_report *r);
/* Start, all steps, free; for small reports and tests. */
must_use int blocks_report_all(struct blocks *b, uint32_t storage,
                               const struct report_source *source, int64_t mono_ms, int64_t now_ms,
                               struct err *err);

struct received_block {
    struct node_block block;
    enum received_status status;
    uint32_t hint_node; /* deleteHint: drop the surplus there; 0: none */
};
/* Incremental report of one storage. A full report of it that is under way is first finished. */
must_use int blocks_received(struct blocks *b, uint32_t storage, const struct received_block *list,
                             size_t count, int64_t mono_ms, struct err *err);

/* ---- placement ---- */

/* place_choose with the settings of the blocks. Changes nothing (blocks_set_expected counts the
 * storages as scheduled). */
size_t blocks_place(struct blocks *b, const struct place_request *req, int64_t mono_ms,
                    struct rng *rng, uint32_t *ret_storages);
/* The same for internal blocks: on as many racks as there are. */
size_t blocks_place_units(struct blocks *b, const struct place_request *req, int64_t mono_ms,
                          struct rng *rng, uint32_t *ret_storages);

/* ---- time ---- */

/* Does the work that is due: dead nodes and failed storages, removed blocks, surplus and missing
 * replicas, timed-out copies, safe mode; about `budget` block visits. True: call again soon, it
 * stopped because of the budget. Nodes are checked (nodes_check_node) in rounds, one in 250 ms at
 * most. Good rate: every 100 ms .. 1 s. */
bool blocks_tick(struct blocks *b, int64_t mono_ms, struct rng *rng, size_t budget);

/* ---- safe mode ---- */

enum safemode {
    SAFEMODE_OFF,
    SAFEMODE_PENDING,
    SAFEMODE_EXTENSION,
    SAFEMODE_MANUAL,
    SAFEMODE_LOW_RESOURCES
};

/* After image and edits are loaded. last_*: what this NameNode has given out; replicas beyond that
 * in a report while in startup safe mode mean that the metadata is too old, and then safe mode
 * doesn't end by itself. */
void blocks_start(struct blocks *b, uint64_t last_generation_stamp, int64_t mono_ms);
/* Nobody is expected to report more: all storages that are known have, and a minute has passed. */
bool blocks_heard_all(const struct blocks *b, int64_t mono_ms);
bool blocks_in_safe_mode(const struct blocks *b); /* any kind: no changes, no orders to nodes */
bool blocks_in_startup_safe_mode(const struct blocks *b); /* PENDING or EXTENSION */
enum safemode blocks_safe_mode(const struct blocks *b);
void blocks_enter_safe_mode(struct blocks *b, bool low_resources);
/* Also ends the startup one. False: refused because of blocks from the future; force (forceExit)
 * overrules. */
bool blocks_leave_safe_mode(struct blocks *b, bool force, int64_t mono_ms);
uint64_t blocks_bytes_in_future(const struct blocks *b);
/* getSafeModeTip's text, cut to size. */
void blocks_safe_mode_tip(const struct blocks *b, int64_t mono_ms, char *ret_text, size_t size);

/* ---- sums ---- */

struct blocks_stats {
    uint64_t blocks, complete, under_construction; /* COMMITTED counts as under construction */
    uint64_t low_redundancy; /* COMPLETE with too few live replicas, missing ones included */
    uint64_t missing;        /* no live replica, none under way */
    uint64_t missing_replication_one;
    uint64_t corrupt;           /* with a corrupt replica */
    uint64_t highest_priority;  /* one live replica left of several */
    uint64_t badly_distributed; /* on fewer racks than the placement rule wants */
    uint64_t pending;           /* with copies under way */
    uint64_t scheduled;         /* new replicas promised to storages */
    uint64_t pending_deletion; /* replicas that wait for deletion orders, and removed blocks not yet
                                  visited */
    uint64_t excess;    /* surplus replicas that were ordered deleted and are still reported */
    uint64_t postponed; /* surplus that waits for full reports */
    uint64_t safe;      /* COMPLETE with safemode_replication live ones */
    uint64_t future_bytes;
    uint64_t bytes_of_records; /* memory */
    /* What the numbers above count of erasure coded files. */
    struct {
        uint64_t blocks, low_redundancy, missing, corrupt, highest_priority, badly_distributed,
            future_bytes, pending_deletion;
    } groups;
    bool queues_ready; /* false until startup safe mode ended: the queue figures are 0 */
};
void blocks_stats(const struct blocks *b, struct blocks_stats *ret);
/* Missing or corrupt blocks without a live replica, for listCorruptFileBlocks: from *cursor (start
 * with 0) on, at most max handles; returns the number. */
size_t blocks_list_missing(const struct blocks *b, uint32_t *cursor, handle_t *ret_blocks,
                           size_t max);
/* Blocks that wait for work, as metasave shows them, by Hadoop's priority: 0 (highest) to 3, 4 for
 * missing ones. From *cursor on; 0: no more. */
size_t blocks_list_waiting(const struct blocks *b, unsigned priority, uint32_t *cursor,
                           handle_t *ret_blocks, size_t max);
/* The next block with copies under way: pass 0 first, then what was returned; 0: no more. */
handle_t blocks_next_pending(const struct blocks *b, handle_t block, int64_t *ret_since_ms,
                             uint32_t *ret_copies);
/* Blocks of a storage, for getBlocks of the balancer: from *cursor on. */
size_t blocks_list_storage(const struct blocks *b, uint32_t storage, uint32_t *cursor,
                           handle_t *ret_blocks, size_t max);

/* Recounts everything and CHECKs it against the counters, queues and lists; slow. */
void blocks_verify(const struct blocks *b);
