/* internal.h - what the files of datanode/store share.
 * Lock order: store.swap_lock, store.lock, then pool.lock; store.failures_lock and chooser_lock are
 * taken alone. pool.lock guards the map and every field of its replicas;
 * it is never held over a system call that may wait for a disk, but for the rare replacement of an
 * outdated replica. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/io/io.h"
#include "datanode/store/store.h"

enum {
    TAIL_SLOT_SIZE = 4096, /* two slots, each in a page of its own, written in turn */
    TAIL_RECORD_SIZE = 16,
    MAX_POOLS = 16
};

struct store {
    pthread_mutex_t swap_lock; /* volumes come and go one at a time */
    pthread_mutex_t lock;      /* guards attaching and uuid; pools only grow */
    _Atomic(struct volume *) volumes[STORE_MAX_VOLUMES]; /* by slot; never NULL below the count */
    atomic_size_t volume_count;
    struct volume *retired; /* whose slot was taken by another; guarded by swap_lock */
    struct block_pool *pools[MAX_POOLS];
    atomic_size_t pool_count;
    char uuid[64];
    struct conf *conf;
    struct volume_rules rules;
    int64_t tolerated;
    bool durable; /* finalize means fsync */
    bool drop_behind_writes;
    int64_t restart_ms;      /* a restart is over so soon */
    int64_t stop_timeout_ms; /* for a writer that is asked to stop */
    store_listener listener;
    void *listener_ctx;
    pthread_mutex_t chooser_lock; /* guards chooser */
    struct volume_chooser chooser;

    pthread_mutex_t failures_lock; /* guards what follows */
    pthread_cond_t failures_wake;
    struct volume_failures failures;
    store_watcher watcher;
    void *watcher_ctx;
    pthread_t keeper; /* finds volumes that hang */
    bool kept, stopping, unusable;
};

/* Of a replica that is being written, whose writer went away, or that is under recovery. */
struct replica_open {
    int data_fd, meta_fd; /* the writer's, -1 when it is gone */
    bool busy;            /* somebody works on the files before or without being a writer */
    bool has_partial;     /* partial_crc holds; else the file says it */
    uint8_t original;     /* in RUR: the state before */
    uint32_t partial_crc; /* of [last chunk border .. length) */
    uint64_t acked;
    struct crc_kind kind;
    uint64_t reserved;
    uint64_t recovery_id; /* in RUR */
    void (*stop)(void *ctx);
    void *stop_ctx;
};

/* 48 bytes, in the pool's slabs. */
struct replica {
    uint32_t free_link;
    uint8_t state;
    uint8_t volume;
    uint64_t id, gen_stamp;
    uint64_t length; /* bytes on disk */
    struct replica_open *open;
};
_Static_assert(sizeof(struct replica) <= 48, "millions of replicas must fit");

struct block_pool {
    struct store *store;
    char id[POOL_ID_MAX + 1], cluster_id[128];
    uint32_t namespace_id;
    uint64_t ctime;
    atomic_bool gone; /* deleted: only an attach finds it, and takes it into use again */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an open replica grew or was finalized */
    struct pool replicas;
    struct idmap map;
    uint64_t count;
    atomic_int_fast64_t used[STORE_MAX_VOLUMES];
};

static inline struct volume *store_volume(const struct store *s, size_t slot)
{
    return atomic_load(&s->volumes[slot]);
}

enum place place_of(enum replica_state state);

/* failures.c */
must_use int failures_start(struct store *s, struct err *err);
void failures_stop(struct store *s);
/* The volume has failed: it is counted, its replicas are forgotten, the owner is told. */
void volume_fail(struct volume *v, const char *why);
/* The path is no longer a failed one. */
void failures_forget(struct store *s, const struct volume *v);
void store_notify(struct store *s, enum store_notice notice, const char *text);

/* swap.c */
/* In the next slot, joining. */
must_use int volumes_add(struct store *s, struct volume *take_v, struct err *err);

/* store.c */
/* The node's id as the volume says it, if it does. */
must_use int store_check_uuid(struct store *s, const struct volume *v, struct err *err);
must_use int volume_choose(struct store *s, enum storage_type type, uint64_t need,
                           struct volume **ret, struct err *err);

/* replica.c; the pool's lock is held */
void pool_map_init(struct block_pool *p);
struct replica *replica_find(const struct block_pool *p, uint64_t id);
must_use int replica_insert(struct block_pool *p, const struct replica *r, struct replica **ret,
                            struct err *err);
/* Bytes of a slot, in the pool and on the volume. */
void replica_account(struct block_pool *p, size_t slot, int64_t bytes);
void replica_move(struct replica *r, enum replica_state to);
void replica_forget(struct block_pool *p, struct replica *r);
struct replica_open *replica_open_new(struct crc_kind kind, uint64_t reserved);
/* Removes from disk what a failed or outdated replica left. */
void replica_unlink(const struct block_pool *p, const struct volume *v, enum place place,
                    const struct block *block);
void pool_tell(const struct block_pool *p, enum store_event event, const struct volume *v,
               const struct block *block);
void pool_tell_moved(const struct block_pool *p, enum store_event event, const struct volume *v,
                     const struct block *block, const char *instead_of);
/* Where the files are; of RUR that depends on the state before. */
enum place replica_place(const struct replica *r);
/* Somebody changes the files of it. */
bool replica_in_use(const struct replica *r);
/* Without the lock: every replica of the volume leaves the map, its writers are asked to stop.
 * `tell`: the listener hears of each one; a NameNode finds a failed volume by its heartbeats, but
 * not one that was taken away. */
void pool_drop_volume(struct block_pool *p, const struct volume *v, bool tell);
/* Everybody who works on a replica is asked to stop. */
void pool_evict_writers(struct block_pool *p);

/* writer.c */
/* With the lock: the writer's record, or NULL if it isn't its own any more. */
struct replica *writer_record(const struct replica_writer *w);
int writer_gone(const struct replica_writer *w, struct err *err);
void writer_close_files(struct replica_writer *w);
must_use int writer_rename(const char *from, const char *to, const char *dir, struct err *err);
/* With the lock. Asks the one who works on the replica to stop and waits; 0: nobody does. */
must_use int writer_stop(struct block_pool *p, uint64_t id, struct err *err);
/* The record's length and account. */
void writer_set_length(struct block_pool *p, struct replica *r, uint64_t length);

/* tail.c: the synced checksum of a last partial chunk */
struct tail_record {
    uint64_t length;
    uint32_t crc;
};
void tail_encode(const struct tail_record *record, uint8_t out[TAIL_RECORD_SIZE]);
bool tail_decode(const uint8_t in[TAIL_RECORD_SIZE], struct tail_record *ret);
must_use int tail_write(struct replica_writer *w, struct err *err); /* and syncs */
/* Before the replica's data are synced: that flush covers the record, too, or *ret_needs_sync. */
must_use int tail_write_ahead(struct replica_writer *w, bool *ret_needs_sync, struct err *err);
must_use int tail_sync(const struct replica_writer *w, struct err *err);
/* Opens what an earlier writer of the replica left, if anything; what is in force stays. */
must_use int tail_attach(struct replica_writer *w, struct err *err);
/* The records that are whole, at most 2. */
size_t tail_read(const char *path, struct tail_record out[2]);

/* scan.c */
must_use int pool_scan(struct block_pool *p, struct err *err); /* all volumes that work */
/* One that joins; other replicas are in use meanwhile. */
must_use int pool_scan_volume(struct block_pool *p, struct volume *v, struct err *err);
/* The same bytes in a file of its own, when an upgrade's previous state shares it. A file that
 * isn't there stays so. */
must_use int break_links(const char *path, struct err *err);
/* rbw only, exported for tests: finds out how much of the two files can be trusted and cuts them to
 * it. */
must_use int scan_open_replica(const struct volume *v, const char *pool_id, struct block *block,
                               struct crc_kind *ret_kind, uint32_t *ret_partial_crc,
                               struct err *err);
