/* fsck.h - checks files and blocks below a path and tells of it line by line, as Hadoop's fsck
 * does. Door of namenode/fsck. Thread: state. Core: time comes in, text goes out, what changes
 * anything is asked of the host. A check is a cursor: each step takes a budget, and between two
 * steps anything may change below it. Lines and words are read by scripts: they are Hadoop's. */
#pragma once
#include "common/base/base.h"
#include "namenode/nn.h"

struct fsck_options {
    const char *path;      /* NULL: / */
    const char *block_ids; /* names with blanks between; NULL: a path is checked, not blocks */
    const char *after;     /* cookie of the page before; NULL: the first page */
    bool move, delete, files, blocks, locations, racks, replica_details, upgrade_domains;
    bool policies, progress, open_files, corrupt_only, maintenance, replicate;
};

struct fsck_caller {
    const char *user, *real_user; /* real_user NULL: the user is nobody's proxy */
    const char *address;
    const char *const *groups;
    size_t group_count;
    bool superuser;
};

/* A part of a file that stands in one block. */
struct fsck_piece {
    uint64_t offset, length;
    bool readable, corrupt; /* a replica is there; but only corrupt ones */
};
struct fsck_remains {
    const char *path;
    uint32_t mode;
    const struct fsck_piece *pieces;
    size_t count;
};

/* What a check asks of its surroundings. */
struct fsck_host {
    void *ctx;
    bool permissions; /* are checked */
    uint32_t replication, replication_min, corrupt_page;
    /* On behalf of the caller; 0 or a negative code. */
    int (*delete)(void *ctx, const char *path);
    /* Copies what can be read of a file to /lost+found, in its own time, then calls fsck_salvaged;
     * `remains` is good until this returns. Not 0: it will not. */
    int (*salvage)(void *ctx, const struct fsck_remains *remains);
};

struct fsck;
struct fsck_time {
    int64_t now_ms, mono_ms;
};
/* Texts and lists of options and caller are copied. Borrows nn. NULL: no memory. */
struct fsck *fsck_new(struct nn *nn, const struct fsck_options *options,
                      const struct fsck_caller *caller, const struct fsck_host *host);
void fsck_free(struct fsck *f);
/* What the audit log calls the source. */
const char *fsck_source(const struct fsck *f);

enum { FSCK_DONE, FSCK_MORE, FSCK_WAITS };
/* Looks at about `budget` inodes and replicas and appends text. FSCK_WAITS: for fsck_salvaged.
 * ERR_NO_MEMORY: it can't go on. */
must_use int fsck_step(struct fsck *f, struct fsck_time now, size_t budget, struct buf *out);
/* ok: all that could be read is copied. */
void fsck_salvaged(struct fsck *f, bool ok);
