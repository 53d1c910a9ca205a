/* volume.h - one data folder of a DataNode: names, VERSION files, space, health, upgrades. Door of
 * datanode/volume.
 *
 * A volume knows nothing of replicas but what they need; the store above it keeps them. It has two
 * threads: one that watches it (asks for its space, probes it) and one that removes files. Whoever
 * is not one of these two never waits for its disk here, but in the functions that say so. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/base.h"
#include "common/conf/conf.h"
#include "common/crc/crc.h"
#include "common/io/io.h"
#include "datanode/stats/stats.h"

enum {
    STORE_LAYOUT_VERSION = -57,
    STORE_PATH_MAX = 1024,
    STORE_MAX_VOLUMES = 64,
    VOLUME_PATH_MAX = 512,
    STORAGE_TYPE_END = 7,
    POOL_ID_MAX = 200,
    META_HEADER_SIZE = 2 + CRC_HEADER_SIZE
};

enum storage_type { /* Hadoop's numbers */
                    STORAGE_DISK = 1,
                    STORAGE_SSD = 2,
                    STORAGE_ARCHIVE = 3,
                    STORAGE_RAM_DISK = 4,
                    STORAGE_NVDIMM = 6
};
/* 0 for a name that is none of them. */
int storage_type_of(const char *name);
const char *storage_type_name(enum storage_type type);

struct pool_identity {
    const char *pool_id, *cluster_id;
    uint32_t namespace_id;
    uint64_t ctime;
};

/* --- the folders of dfs.datanode.data.dir (locations.c, pure) --- */

struct volume_location {
    char text[VOLUME_PATH_MAX + 32]; /* as it was given */
    char path[VOLUME_PATH_MAX];
    enum storage_type type;
};
/* "[SSD]file:///d1" or "/d1", comma separated; ERR_CONFIG: unreadable, none, too many, twice. */
must_use int volume_locations(const char *value, struct volume_location out[STORE_MAX_VOLUMES],
                              size_t *ret_count, struct err *err);

/* --- what is left to others (reserve.c, pure) --- */

struct volume_reserve {
    enum reserve_rule { RESERVE_ABSOLUTE, RESERVE_PERCENT, RESERVE_MORE, RESERVE_LESS } rule;
    uint64_t bytes;
    unsigned percent;
};
/* dfs.datanode.du.reserved and .pct for this folder and type. */
must_use int volume_reserve_of(const struct conf *conf, const struct volume_location *l,
                               struct volume_reserve *ret, struct err *err);
uint64_t volume_reserve_bytes(const struct volume_reserve *r, uint64_t total);

struct volume_space {
    uint64_t capacity, used, remaining, non_dfs_used, reserved;
};
/* Of a file system with `total` bytes of which `available` are free; `used` by replicas, `open`
 * promised to those that are written. */
struct volume_space volume_space_of(const struct volume_reserve *r, uint64_t total,
                                    uint64_t available, uint64_t used, uint64_t open);

/* --- which volume takes a new replica (choose.c, pure) --- */

enum choosing_policy { CHOOSE_ROUND_ROBIN, CHOOSE_AVAILABLE_SPACE };
struct volume_chooser {
    enum choosing_policy policy;
    uint64_t additional; /* round robin: so much is to be left besides the block */
    bool strict;         /* also when no volume has that much */
    uint64_t threshold;  /* available space: differences up to this don't matter */
    double fraction;     /* of blocks that go to those with more space */
    struct rng rng;
    struct { /* next in turn: among all, among those with much and with little space */
        size_t all, high, low;
    } turn[STORAGE_TYPE_END];
};
must_use int volume_chooser_init(struct volume_chooser *c, const struct conf *conf, uint64_t seed,
                                 struct err *err);
struct volume_candidate {
    size_t slot;
    uint64_t remaining;
};
/* All candidates have that type. ERR_NO_SPACE. */
must_use int volume_choose_among(struct volume_chooser *c, enum storage_type type,
                                 const struct volume_candidate *candidates, size_t count,
                                 uint64_t need, size_t *ret_slot, struct err *err);

/* --- a volume --- */

enum volume_state {
    VOLUME_JOINING, /* being opened and scanned; not told of to anybody */
    VOLUME_WORKS,
    VOLUME_FAILED,
    VOLUME_REMOVED
};

struct volume;
/* What is the same for all volumes of a store; lives longer than they. */
struct volume_rules {
    struct stats *stats; /* where file operations are measured; NULL: nowhere */
    unsigned dir_mode;
    bool rollback;                    /* pools go back to the state before an upgrade */
    int64_t check_timeout_ms;         /* a disk that doesn't answer for so long has failed */
    int64_t check_gap_ms;             /* between two checks that a missing file is the cause of */
    char failpoints[VOLUME_PATH_MAX]; /* for tests; "": none */
    /* The volume is to be taken out of service. From the volume's thread or whoever met the error;
     * must be quick and not wait for the disk. */
    void (*on_bad)(void *ctx, struct volume *v, const char *why);
    void *ctx;
};

struct volume {
    const struct volume_rules *rules;
    size_t index; /* its slot in the store */
    struct volume_location location;
    const char *path;               /* of location */
    struct series *times[DISK_OPS]; /* of file operations, NULL: not measured */
    char storage_id[128];           /* "" until the first attach on a fresh volume, then final */
    char cluster_id[128], uuid[64];
    enum storage_type type;
    int lock_fd;
    struct volume_reserve reserve;
    atomic_int state;
    atomic_int_fast64_t used;          /* by the replicas of all pools */
    atomic_int_fast64_t reserved_open; /* bytes promised to open replicas */
    atomic_uint_fast64_t replicas;
    struct workers *remover;
    struct volume *next_retired; /* the store's: left, but somebody may still point to it */

    pthread_t thread; /* watches */
    bool watched, stuck;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stopping, check_wanted;
    int64_t last_check_ms;             /* 0: never */
    uint64_t total, available;         /* of the file system, at the last look */
    int64_t used_then;                 /* by replicas, at that time */
    atomic_int_fast64_t busy_since_ms; /* 0: the thread doesn't wait for the disk */
};

must_use int volume_new(const struct volume_rules *rules, const struct volume_location *l,
                        const struct conf *conf, struct volume **ret, struct err *err);
/* Makes, locks and reads the folder, probes it, and starts to watch it. Waits for the disk. */
must_use int volume_open(struct volume *v, struct err *err);
/* Writes the VERSION files that are missing, finishes, makes or undoes an upgrade of the pool.
 * Waits for the disk. `uuid` is the node's. */
must_use int volume_attach(struct volume *v, const struct pool_identity *id, const char *uuid,
                           struct err *err);
/* What an upgrade of the pool kept is no longer wanted; the files go in the background. */
must_use int volume_finalize(struct volume *v, const char *pool_id, struct err *err);
/* Ends the threads and lets the folder go. false: a thread hangs in the disk, and uses the memory
 * on. */
bool volume_close(struct volume *v);
void volume_free(struct volume *v); /* after volume_close said true */

bool volume_works(const struct volume *v);
/* From the last look, a second ago at most unless the disk hangs. */
struct volume_space volume_space(struct volume *v);
/* After an error of reading or writing: looks soon whether the volume still works, and tells of it
 * if not. Doesn't wait. */
void volume_check(struct volume *v, const struct err *cause);
/* Looks at the volume if the error may be its fault, and passes the error on. */
int volume_error(struct volume *v, struct err *err);
/* The folder is the one that was opened: what isn't in it is gone. Waits for the disk. */
must_use int volume_in_place(const struct volume *v, struct err *err);
/* The watching thread waits for the disk longer than is allowed. */
bool volume_hangs(const struct volume *v, int64_t now_ms);
const char *volume_path(const struct volume *v);
const char *volume_storage_id(const struct volume *v);
enum storage_type volume_type(const struct volume *v);

/* --- a pool's folder and its upgrades (upgrade.c); dir is <volume>/current/<pool> --- */

/* Completes or undoes what a crash left, then goes to the state that the NameNode's identity wants:
 * nothing, an upgrade (previous/ keeps the state before, by hard links), or with `rollback` the
 * state of previous/. The pool has a current/VERSION before and after. */
must_use int upgrade_recover(const char *dir, struct err *err);
must_use int upgrade_make(const char *dir, const struct pool_identity *id, struct err *err);
/* false in *ret_done: there is nothing to go back to. */
must_use int upgrade_undo(const char *dir, const struct pool_identity *id, bool *ret_done,
                          struct err *err);
/* What is left of previous/ is in finalized.tmp/, *ret_wanted: which is to be removed. */
must_use int upgrade_finalize(const char *dir, bool *ret_wanted, struct err *err);
/* The folder and all that is in it; no error if there is none. */
must_use int remove_tree(const char *dir, struct err *err);

/* --- the VERSION of a pool (version.c) --- */

struct pool_version {
    uint32_t namespace_id;
    uint64_t ctime;
    char pool_id[POOL_ID_MAX + 1];
};
must_use int pool_version_read(const char *path, struct pool_version *ret, struct err *err);
must_use int pool_version_write(const char *path, const struct pool_identity *id, struct err *err);

/* --- names and places (layout.c, pure) --- */

struct store_path {
    char text[STORE_PATH_MAX];
};
enum place { PLACE_FINALIZED, PLACE_RBW, PLACE_TMP };
bool layout_block_name(const char *name, uint64_t *ret_id);
bool layout_meta_name(const char *name, uint64_t *ret_id, uint64_t *ret_gen_stamp);
bool layout_pool_id_valid(const char *pool_id);
void layout_pool_dir(struct store_path *out, const struct volume *v, const char *pool_id);
void layout_dir(struct store_path *out, const struct volume *v, const char *pool_id,
                enum place place, uint64_t id);
void layout_data(struct store_path *out, const struct volume *v, const char *pool_id,
                 enum place place, uint64_t id);
void layout_meta(struct store_path *out, const struct volume *v, const char *pool_id,
                 enum place place, uint64_t id, uint64_t gen_stamp);
void layout_tail(struct store_path *out, const struct volume *v, const char *pool_id, uint64_t id);
/* Says until when a replica is RBW again after a restart. */
void layout_restart(struct store_path *out, const struct volume *v, const char *pool_id,
                    uint64_t id);
uint64_t layout_meta_size(struct crc_kind kind, uint64_t length);
/* What a replica of that length counts for in "used". */
int64_t layout_used(uint64_t length);
void meta_header_encode(struct crc_kind kind, uint8_t out[META_HEADER_SIZE]);
must_use int meta_header_decode(const uint8_t in[META_HEADER_SIZE], struct crc_kind *ret,
                                struct err *err);
