/* internal.h - one check, and what the files of this room do of it. */
#pragma once
#include "namenode/blocks/blocks.h"
#include "namenode/fsck/fsck.h"
#include "namenode/namespace/namespace.h"
#include "namenode/nodes/nodes.h"
#include "namenode/placement/placement.h"

enum { FSCK_MAX_REPLICAS = 1024 };

/* The replicas of a block, each in one of these. */
struct fsck_counts {
    uint32_t live, corrupt, excess, decommissioning, decommissioned, entering, maintenance;
    uint32_t stale;     /* of all: on storages without a full report yet */
    uint32_t redundant; /* of a group: more than one of their index */
};
static inline uint32_t fsck_total(const struct fsck_counts *n)
{
    return n->live + n->decommissioned + n->decommissioning + n->entering + n->maintenance;
}

struct fsck_sums {
    uint64_t files, size, blocks;
    uint64_t open_files, open_size, open_blocks; /* not looked at */
    uint64_t missing, missing_size, corrupt, corrupt_size, corrupt_files;
    uint64_t replicas, expected, missing_replicas;
    uint64_t decommissioned, decommissioning, entering, maintenance;
    uint64_t under_min, min, over, under, misplaced, queued;
};
static inline bool fsck_healthy(const struct fsck_sums *s)
{
    return s->missing == 0 && s->corrupt == 0;
}

/* A directory that is being walked; its name is the first path_size bytes of the path. */
struct fsck_frame {
    uint64_t id;
    size_t path_size;
};

/* The file that is being looked at. id 0: none. */
struct fsck_file {
    uint64_t id;
    uint32_t at, end, number; /* blocks; `number` of those reported so far */
    bool is_open, striped;
    uint32_t missing, corrupt, under, misplaced;
    uint64_t missing_size, corrupt_size;
    struct buf report;
};

/* Blocks of one policy with replicas on these types of storage (by Java's ordinal). */
struct fsck_combination {
    uint8_t policy;
    uint16_t types[QUOTA_TYPES];
    uint64_t count;
};

enum fsck_stage {
    FSCK_START,
    FSCK_BLOCKS,  /* by id */
    FSCK_CORRUPT, /* the list of corrupt files */
    FSCK_WALK,
    FSCK_SALVAGE, /* waits for it */
    FSCK_CLOSE_FILE,
    FSCK_SUMS,
    FSCK_END
};

struct fsck {
    struct nn *nn;
    struct arena arena; /* of options and caller */
    struct fsck_options o;
    struct fsck_caller caller;
    struct ns_caller who;
    struct fsck_host host;
    struct fsck_time now;
    int64_t started_ms; /* monotonic */
    enum fsck_stage stage;
    struct buf *out; /* while a step runs */
    bool no_memory;
    struct err err; /* why it fails */

    struct buf path; /* of what was visited last; not NUL-terminated */
    struct fsck_frame *frames;
    size_t frame_count, frame_capacity;
    struct fsck_file file;
    uint64_t directories, symlinks;
    struct fsck_sums replicated, striped;
    bool internal_error;

    struct fsck_combination *combinations;
    size_t combination_count;
    uint64_t combined_blocks;

    uint32_t cursor, listed; /* corrupt files */
    struct buf list;
    const char *next_id; /* in block_ids */
};

/* fsck.c */
void fsck_say(struct fsck *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fsck_put(struct fsck *f, struct buf *to, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* NULL while permissions aren't checked. */
const struct ns_caller *fsck_who(const struct fsck *f);
enum { FSCK_DATE_SIZE = 64 };
const char *fsck_date(int64_t now_ms, char out[FSCK_DATE_SIZE]);

/* walk.c; each returns the cost */
int fsck_walk_from(struct fsck *f, handle_t top);
int fsck_walk(struct fsck *f, size_t *budget);

/* file.c */
int fsck_file_begin(struct fsck *f, handle_t file, size_t *budget);
void fsck_file_blocks(struct fsck *f, size_t *budget);
/* All blocks are counted: what is wrong with it, and what to do about that. */
void fsck_file_end(struct fsck *f);
void fsck_file_close(struct fsck *f);

/* replica.c */
void fsck_count(const struct fsck *f, handle_t block, struct fsck_counts *ret);
/* Where it can be read; *ret_corrupt: from corrupt replicas only. */
size_t fsck_locations(const struct fsck *f, handle_t block, uint32_t *ret_storages, size_t max,
                      bool *ret_corrupt);
/* " [..]" of the replicas as wanted, or nothing. */
void fsck_put_replicas(struct fsck *f, handle_t block, struct buf *to);
const char *fsck_type_name(unsigned storage_type);

/* placed.c */
/* Racks more that the placement rule wants; 0: it is satisfied. */
uint32_t fsck_racks_wanted(const struct fsck *f, const uint32_t *storages, size_t count,
                           uint32_t replication, bool striped);
void fsck_count_types(struct fsck *f, handle_t file, const uint32_t *storages, size_t count);
void fsck_say_policies(struct fsck *f);

/* sums.c */
void fsck_say_replicated(struct fsck *f);
void fsck_say_striped(struct fsck *f);
enum { FSCK_FLOAT_SIZE = 64 };
/* As Java writes a float. */
const char *fsck_float(float value, char out[FSCK_FLOAT_SIZE]);

/* listed.c: blocks by id, and the list of corrupt files */
void fsck_blocks_by_id(struct fsck *f, size_t *budget);
int fsck_list_corrupt(struct fsck *f, size_t *budget);
