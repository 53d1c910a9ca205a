/* internal.h - what the files of datanode/scan share.
 * Lock: scanner.lock guards volumes' queues and figures, the counts and `stopping`; a leaf, never
 * held over a system call that waits for a disk. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/io/io.h"
#include "datanode/scan/scan.h"
#include "datanode/throttle/throttle.h"

enum {
    MAX_SCAN_POOLS = 16,
    MAX_SUSPECTS = 1000, /* waiting, and remembered as looked at, of one volume */
    NAME_SIZE = 32,      /* of a folder or data file of the layout, with its NUL */
    SCAN_PATH_MAX = 1024,
    MINUTES = 60
};

/* cursor.c: where the block scanner is in a pool; what Hadoop keeps in scanner.cursor. Pure. */
struct cursor {
    int64_t saved_ms, started_ms;                          /* wall time */
    char dir[NAME_SIZE], sub[NAME_SIZE], entry[NAME_SIZE]; /* "": none */
    bool at_end;
};
int cursor_encode(const struct cursor *c, struct buf *out);
must_use int cursor_decode(const char *text, size_t size, struct cursor *ret, struct err *err);

/* walk.c: the finalized folders of a pool on a volume, in the order of names */
struct walk {
    struct cursor at;
    char root[SCAN_PATH_MAX]; /* the folder `finalized` */
    char (*names)[NAME_SIZE]; /* of the current folder */
    size_t count, capacity;
    bool listed;
    int64_t listed_ms; /* monotonic */
};
void walk_init(struct walk *w, const char *root);
void walk_fini(struct walk *w);
void walk_rewind(struct walk *w, int64_t wall_ms);
/* The next data file at its right place; false: the end, at.at_end is set. An error is an end, too:
 * the next round tries again. */
must_use int walk_next(struct walk *w, uint64_t *ret_id, bool *ret_found, struct err *err);

/* verify.c: one replica against its checksums. `pace` comes before each piece is read; false: stop
 * (ERR_CLOSED). ERR_NO_REPLICA, ERR_NOT_FOUND, ERR_NO_MEMORY, ERR_BUSY, ERR_CLOSED say nothing
 * about the replica, all others that it is bad. */
typedef bool (*verify_pace)(void *ctx, size_t bytes);
must_use int verify_replica(struct block_pool *p, const struct block *b, verify_pace pace,
                            void *ctx, uint64_t *ret_bytes, struct err *err);
/* What an error of it means. */
static inline bool verify_is_bad(int code)
{
    return code != 0 && code != ERR_NO_REPLICA && code != ERR_NOT_FOUND && code != ERR_NO_MEMORY &&
           code != ERR_BUSY && code != ERR_CLOSED;
}

/* suspects.c: replicas that come first. The lock is held. */
struct suspect {
    struct block_pool *pool;
    uint64_t id, gen_stamp;
    int64_t when_ms;
};
struct suspects {
    struct suspect *waiting, *recent; /* rings of MAX_SUSPECTS */
    size_t first, count, recent_at;
};
must_use int suspects_init(struct suspects *q);
void suspects_fini(struct suspects *q);
/* False: it waits already, was looked at within ten minutes, or too many wait. */
bool suspects_put(struct suspects *q, struct block_pool *p, const struct block *b, int64_t now_ms);
bool suspects_take(struct suspects *q, struct suspect *ret);

/* What the report shows of a volume. */
struct volume_figures {
    uint64_t minute_bytes[MINUTES];
    int64_t minute; /* monotonic, of the latest slot */
    uint64_t scanned_in_period, scanned, scans, errors;
    int64_t next_start_ms; /* monotonic; -1: now */
    int64_t period_end_ms; /* wall; -1: none */
    char last[300];
    bool at_end;
};
void figures_bytes(struct volume_figures *f, uint64_t bytes, int64_t now_ms);
uint64_t figures_last_hour(struct volume_figures *f, int64_t now_ms);
must_use int figures_print(struct volume_figures *f, const char *storage_id, const char *path,
                           int64_t now_ms, int64_t wall_ms, struct buf *out);

/* volume.c: the block scanner of one volume */
struct pool_walk {
    struct block_pool *pool;
    struct walk walk;
    char cursor_path[SCAN_PATH_MAX];
    int64_t saved_ms; /* monotonic */
};
struct volume_scan {
    struct scanner *scanner;
    size_t index; /* of store_volumes */
    char path[SCAN_PATH_MAX], storage_id[128];
    pthread_t thread;
    bool started;
    atomic_bool over; /* the thread has nothing more to do */
    bool ending;      /* the lock; the volume is gone */
    struct suspects suspects;
    struct volume_figures figures;
    /* the thread's own */
    struct pool_walk pools[MAX_SCAN_POOLS];
    size_t pool_count, current;
    bool nested; /* a suspect is looked at */
    struct bucket bucket;
};
void *volume_scan_run(void *volume_scan);

/* folders.c: one round over the folders of a pool on a volume */
struct folder_counts {
    uint64_t blocks, differences, misplaced;
};
must_use int folders_scan(struct scanner *s, size_t volume, const char *path, struct block_pool *p,
                          struct folder_counts *ret, struct err *err);

/* rounds.c: the thread of the directory scanner */
struct rounds {
    pthread_t thread;
    bool started;
};
must_use int rounds_start(struct scanner *s, struct err *err);

/* scan.c */
struct scanner {
    struct scanner_options o;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* stopping, a suspect, a volume that ends */
    bool stopping;
    struct scanner_counts counts;
    struct volume_scan *volumes[STORE_MAX_VOLUMES];
    /* from the configuration */
    uint64_t rate;              /* bytes a second of a volume, 0: no block scanner */
    int64_t period_ms, save_ms; /* of the block scanner */
    int64_t folder_interval_ms; /* <= 0: no directory scanner */
    int64_t folder_limit_ms;    /* of each second that a thread may run; 0: all */
    unsigned folder_threads;
    bool skip_recent;
    struct rounds rounds;
    pthread_t watcher; /* starts and ends the volumes' threads */
    bool watching;
};
bool scanner_stopping(struct scanner *s);
/* Waits until a monotonic time or the end; true: the end. */
bool scanner_wait_until(struct scanner *s, int64_t when_ms);
/* Makes record and files of a block agree, and tells who needs to know. */
void scanner_reconcile(struct scanner *s, struct block_pool *p, size_t volume, uint64_t id,
                       const char *why);
void scanner_bad(struct scanner *s, struct block_pool *p, const struct block *b, const char *why);
/* The calling thread gets what nobody else wants. */
void scanner_be_idle(void);
