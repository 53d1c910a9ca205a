/* store.h - volumes and the replicas on them. Door of datanode/store.
 *
 * A store is all the volumes of one DataNode; a block pool is the namespace of one cluster in it.
 * Replicas live in memory as small records (see internal.h), on disk in Hadoop's layout. All
 * functions are thread-safe; a struct replica_writer or replica_reader has one owner at a time.
 *
 * What stands on disk under a name is whole: a replica becomes visible by rename, and its directory
 * is synced. What an hsync or the last packet acknowledged survives a power cut together with its
 * checksums. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/base/base.h"
#include "common/conf/conf.h"
#include "common/crc/crc.h"
#include "datanode/volume/volume.h"

struct store;
struct block_pool;

/* The first five are the numbers of block reports. */
enum replica_state {
    REPLICA_FINALIZED,
    REPLICA_RBW,       /* being written, or its writer went away */
    REPLICA_RWR,       /* was open when this node stopped; waits for recovery */
    REPLICA_RUR,       /* under recovery */
    REPLICA_TEMPORARY, /* a copy that comes in from another node */
    REPLICA_DELETED,   /* its files are being removed */
    REPLICA_NONE,
    REPLICA_STATE_COUNT
};
const char *replica_state_name(enum replica_state state);
bool replica_may_move(enum replica_state from, enum replica_state to);

struct block {
    uint64_t id, gen_stamp, length;
};

/* --- the whole --- */

/* What the owner is told of, from whichever thread did it; must not call back into the store.
 * instead_of: the node whose replica shall go now that this one is here, NULL or "": none. */
enum store_event { STORE_RECEIVING, STORE_RECEIVED, STORE_REMOVED };
typedef void (*store_listener)(void *ctx, enum store_event event, const char *pool_id,
                               const char *storage_id, enum storage_type type,
                               const struct block *block, const char *instead_of);

/* Opens and locks the folders of dfs.datanode.data.dir; more bad ones than are tolerated is an
 * error. conf is copied. */
must_use int store_open(const struct conf *conf, struct store **ret, struct err *err);
struct store_options {
    bool rollback;       /* each pool goes back to what an upgrade kept, if it kept anything */
    struct stats *stats; /* where file operations are measured; NULL: nowhere */
};
must_use int store_open_with(const struct conf *conf, const struct store_options *o,
                             struct store **ret, struct err *err);
/* All readers and writers must be gone. What hangs in a disk is left as it is. */
void store_close(struct store *s);
void store_listen(struct store *s, store_listener listener,
                  void *ctx); /* before the first attach */

/* What happens to volumes, from whichever thread found it; must not call back into the store. */
enum store_notice {
    STORE_VOLUMES_CHANGED, /* heartbeats and a full report should tell of it soon; text: "" */
    STORE_VOLUME_FAILED,   /* as well; text: path and cause */
    STORE_UNUSABLE         /* more have failed than are tolerated: the node has to stop */
};
typedef void (*store_watcher)(void *ctx, enum store_notice notice, const char *text);
void store_watch(struct store *s, store_watcher watcher, void *ctx); /* before the first attach */

/* Finds or makes the block pool: checks or writes the VERSION files, scans the volumes. Another
 * cluster's volumes are refused with both cluster IDs. Again for a known pool: only checks. */
must_use int store_attach(struct store *s, const struct pool_identity *id, struct block_pool **ret,
                          struct err *err);
/* What upgrades of the pool kept is no longer wanted. Does nothing while volumes come or go: the
 * NameNode says it again with the full report that follows. */
void store_finalize_upgrade(struct block_pool *p);
/* Asks everybody who writes a replica to stop; their clients go on without this node. */
void store_evict_writers(struct store *s);
/* Deletes a block pool that no NameNode is served for. Not forced: only one without blocks. */
must_use int store_remove_pool(struct store *s, const char *pool_id, bool force, struct err *err);
/* NULL if there is no such pool (yet). */
struct block_pool *store_pool(struct store *s, const char *pool_id);
/* The same for whoever comes before the first pool is attached: a node that just started is asked
 * for what it has while it still looks. Waits at most STORE_START_WAIT_MS. */
enum { STORE_START_WAIT_MS = 5000 };
struct block_pool *store_await_pool(struct store *s, const char *pool_id);
const char *pool_id(const struct block_pool *p);
/* All that there are; they live as long as the store. Returns the count. */
size_t store_pools(struct store *s, struct block_pool **out, size_t max);
/* The node's own id; "" before the first attach on fresh volumes. */
const char *store_uuid(const struct store *s);

struct volume_info {
    const char *path, *storage_id;
    enum storage_type type;
    bool failed;  /* or not there yet, or removed: takes no part */
    bool removed; /* or not there yet: not even a failure to be told of */
    uint64_t capacity, used, pool_used, remaining, non_dfs_used, reserved, reserved_open, replicas;
};
/* pool may be NULL (pool_used 0). Returns the count; failed ones are in it. */
size_t store_volumes(struct store *s, const struct block_pool *pool,
                     struct volume_info out[STORE_MAX_VOLUMES]);
struct volume_failures {
    size_t count;                         /* folders, also those that failed at start */
    const char *paths[STORE_MAX_VOLUMES]; /* live as long as the store */
    int64_t last_ms;                      /* wall time */
    uint64_t capacity_lost;
};
void store_failures(struct store *s, struct volume_failures *ret);

/* Hot swap. What a reconfiguration of dfs.datanode.data.dir calls (the handler of that key):
 *
 *     int store_reconfigure(struct store *s, const char *new_value,
 *                           struct store_changes *ret, struct err *err);
 *
 * new_value is the whole new value, comma separated, "[SSD]file:///d1" or "/d1". Folders that are
 * new in it (also ones that have failed) are opened and scanned, then those that are missing in it
 * leave: their writers end, their replicas leave memory, heartbeats and reports no longer name
 * them, and every NameNode gets a full report. One folder's trouble doesn't stop the others: 0 when
 * all was done, else an error whose text has a line "FAILED TO ADD: <dir>: <why>" for each one that
 * was not, which is the text of the property's answer; *ret is filled in both cases. Nothing is
 * done when the value can't be read, names no folder, leaves no volume or changes a storage type.
 * Takes as long as the scans: call it from a thread of your own, calls exclude each other. */
struct store_changes {
    size_t added, removed, unchanged, failed;
};
must_use int store_reconfigure(struct store *s, const char *new_value, struct store_changes *ret,
                               struct err *err);
/* The value of dfs.datanode.data.dir that is in force, without folders that have failed or could
 * not be added: what a reconfiguration compares with the file. Adds to `out`, with a 0 at the end.
 */
must_use int store_data_dirs(struct store *s, struct buf *out, struct err *err);

/* --- writing --- */

struct replica_writer {
    struct block_pool *pool;
    struct volume *volume;
    struct block block; /* length: bytes on disk, all their checksums too */
    enum replica_state state;
    struct crc_kind kind;
    int data_fd, meta_fd, tail_fd;
    uint32_t partial_crc; /* of the last chunk when length is inside one */
    uint64_t visible;     /* of a copy that becomes RBW: what its readers may see */
    uint64_t synced, meta_synced, written_back;
    uint32_t tail_slot;
    bool dir_synced, durable;
    const char *instead_of; /* told to the listener when it is FINALIZED; the owner's */
};

struct replica_request {
    struct block block;       /* length: the bytes to reserve */
    enum replica_state state; /* REPLICA_RBW or REPLICA_TEMPORARY */
    enum storage_type type;
    struct crc_kind kind;
};
/* Makes both files on the next volume of that type with room for it. ERR_REPLICA_EXISTS,
 * ERR_NO_SPACE, ERR_DISK. */
must_use int replica_create(struct block_pool *p, const struct replica_request *request,
                            struct replica_writer *ret, struct err *err);
/* Bytes at `offset` with their checksums as they came: whole chunks but the last, starting at a
 * chunk's begin or exactly at the end of what is there. Bytes that are there already are skipped,
 * never rewritten. */
must_use int replica_append(struct replica_writer *w, uint64_t offset, const uint8_t *data,
                            size_t size, const uint8_t *sums, size_t sums_size, struct err *err);
/* All that was appended is on disk, and verifiable, when this returns. */
must_use int replica_sync(struct replica_writer *w, struct err *err);
/* Another writer or a recovery wants the replica: `stop` is called with a lock held and must only
 * make this writer come to its end soon. Never after finalize or abandon. */
void replica_on_stop(struct replica_writer *w, void (*stop)(void *ctx), void *ctx);
/* Readers may see `length` bytes. */
void replica_acked(struct replica_writer *w, uint64_t length);
/* Makes it durable (if configured) and FINALIZED, tells the listener. Takes the writer, also on
 * failure. */
must_use int replica_finalize(struct replica_writer *take_w, struct err *err);
/* A complete TEMPORARY copy of an open replica becomes RBW. Takes the writer. */
must_use int replica_to_rbw(struct replica_writer *take_w, struct err *err);
/* The writer is gone: RBW stays as it is for a recovery, TEMPORARY is removed. Takes the writer. */
void replica_abandon(struct replica_writer *take_w);

/* The node comes back soon: if it does, the start-up scan makes the replica RBW again, for the
 * writer that waits for that. Before abandon. */
void replica_mark_restart(struct replica_writer *w);

/* --- writing again --- */

struct replica_reopening {
    struct block block; /* as the client knows it; length: what the block may grow to */
    uint64_t new_stamp;
    uint64_t min_length, max_length; /* acknowledged to the client; sent by it */
};
/* All of these stop another writer of the replica first and raise its stamp. ERR_NO_REPLICA for a
 * state, stamp or length that doesn't fit. */
/* FINALIZED with exactly min_length becomes RBW. */
must_use int replica_reopen(struct block_pool *p, const struct replica_reopening *q,
                            struct replica_writer *ret, struct err *err);
/* The same after a failed attempt, when it may be RBW already. */
must_use int replica_recover_append(struct block_pool *p, const struct replica_reopening *q,
                                    struct replica_writer *ret, struct err *err);
/* RBW, cut to what was acknowledged. */
must_use int replica_recover_rbw(struct block_pool *p, const struct replica_reopening *q,
                                 struct replica_writer *ret, struct err *err);
/* RBW or FINALIZED with exactly min_length becomes FINALIZED; the listener is told. */
must_use int replica_recover_close(struct block_pool *p, const struct replica_reopening *q,
                                   struct err *err);

/* --- block recovery --- */

struct replica_recovery {
    bool found;
    enum replica_state state; /* before the recovery */
    struct block block;
};
/* The replica becomes RUR, its writer is stopped. ERR_RECOVERY when a newer recovery has it. */
must_use int replica_init_recovery(struct block_pool *p, const struct block *block,
                                   uint64_t recovery_id, struct replica_recovery *ret,
                                   struct err *err);
struct replica_update {
    struct block block; /* as init_recovery said it */
    uint64_t recovery_id, new_length;
    uint64_t new_id; /* another id: the prefix becomes a new block, the old one stays as it is */
};
/* RUR becomes FINALIZED with the new length and the recovery's id as its stamp. *ret_storage lives
 * as long as the store. */
must_use int replica_update_recovery(struct block_pool *p, const struct replica_update *u,
                                     const char **ret_storage, struct err *err);

/* --- reading --- */

struct replica_reader {
    int data_fd, meta_fd;
    struct crc_kind kind;
    struct block block; /* length: what may be asked for (of an open replica: acknowledged) */
    enum replica_state state;
    int place;        /* internal */
    uint64_t on_disk; /* bytes with checksums; a last chunk may be completed up to here */
    bool has_partial; /* the checksum of the last chunk, [..on_disk), is partial_crc and not what
                         the file says */
    uint32_t partial_crc;
    struct volume *volume;
};
/* gen_stamp 0: any. An older replica is ERR_NO_REPLICA. For open ones waits at most timeout_ms for
 * `need` bytes. */
must_use int replica_open(struct block_pool *p, uint64_t id, uint64_t gen_stamp, uint64_t need,
                          int64_t timeout_ms, struct replica_reader *ret, struct err *err);
void replica_close(struct replica_reader *r);
/* The stored checksums of `count` chunks from chunk `first` on, 4 bytes each. */
must_use int replica_sums(const struct replica_reader *r, uint64_t first, size_t count,
                          uint8_t *out, struct err *err);
must_use int replica_visible_length(struct block_pool *p, uint64_t id, uint64_t gen_stamp,
                                    uint64_t *ret, struct err *err);

/* --- moving --- */

/* A FINALIZED replica goes to a volume of that type: copied (its checksums are looked at), then the
 * record changes and the old files go; the listener is told of the new place. At once if it is on
 * one already. use (may be NULL) is called for each piece of the copy, before it is made. */
must_use int replica_relocate(struct block_pool *p, const struct block *block,
                              enum storage_type type, void (*use)(void *ctx, uint64_t bytes),
                              void *ctx, struct err *err);
/* The balancer must not take it away: a mark on the data file, as Hadoop's. */
must_use int replica_pin(const struct replica_writer *w, struct err *err);
bool replica_is_pinned(const struct replica_reader *r);

/* --- removing, failing, reporting --- */

/* Gone from memory when this returns; the files follow, then the listener is told (unless quiet).
 * The stamp must match. ERR_NO_REPLICA. */
must_use int replica_remove(struct block_pool *p, uint64_t id, uint64_t gen_stamp, bool quiet,
                            struct err *err);
struct replica_info {
    struct block block;
    enum replica_state state;
    size_t volume; /* index of store_volumes */
};
/* Some replicas from *cursor (0 at the start) on; 0 at the end. Not a snapshot: changes meanwhile
 * are events. */
size_t pool_list(struct block_pool *p, uint32_t *cursor, struct replica_info *out, size_t max);
uint64_t pool_replicas(struct block_pool *p);

/* --- memory against disk, for the scanners --- */

/* The record of a replica with its state as it is. */
bool replica_look(struct block_pool *p, uint64_t id, struct replica_info *ret);
enum reconciled {
    RECONCILED_SAME,      /* nothing to do, or not now: it changes */
    RECONCILED_FORGOTTEN, /* there was no data file; the listener is told */
    RECONCILED_ADDED,     /* both files were there without a record; the listener is told */
    RECONCILED_BAD,       /* the record stays: to be reported as bad */
    RECONCILED_LITTER,    /* checksums without data, removed */
    RECONCILED_ALONE,     /* data without checksums and without a record, left alone */
    RECONCILED_TWICE      /* on two volumes: the lesser one is removed */
};
/* Compares the record of a block with its files on a volume, now, and makes them agree. Replicas
 * that are not FINALIZED are left alone. ret_block: what the record said. */
must_use int replica_reconcile(struct block_pool *p, size_t volume, uint64_t id,
                               enum reconciled *ret, struct block *ret_block, struct err *err);
