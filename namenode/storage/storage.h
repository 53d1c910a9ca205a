/* storage.h - the folders that keep image and edits, and who makes edits durable. Door of
 * namenode/storage. Shell: files and threads, no decisions about the namespace.
 *
 * Life: storage_open (locks the folders) -> storage_load (image, edits) -> edit_log_local (the
 * journal's thread) -> edit_log_append.. -> edit_log_close -> storage_close. Checkpoints run
 * beside, see checkpoint_start. */
#pragma once
#include "common/base/base.h"
#include "namenode/nn.h"

struct conf;
struct storage;

/* ---- folders ---- */

/* Parses dfs.namenode.name.dir and .edits.dir, locks each folder (ERR_LOCKED names the holder),
 * reads the VERSION files and checks that they agree. ERR_NOT_FOUND: nothing is formatted, or a
 * folder doesn't exist. */
must_use int storage_open(const struct conf *conf, struct storage **ret, struct err *err);
/* A layout older than ours needs an upgrade: ERR_NODE_VERSION otherwise. */
enum storage_mode { STORAGE_REGULAR, STORAGE_UPGRADE };
must_use int storage_open_for(const struct conf *conf, enum storage_mode mode, struct storage **ret,
                              struct err *err);
void storage_close(struct storage *s); /* releases the locks; NULL is fine */
const struct nn_identity *storage_identity(const struct storage *s);
/* dfs.namenode.name.dir.restore, as restoreFailedStorage reads and sets it: whether a folder that
 * failed is looked at again whenever a segment ends or an image is written. */
bool storage_restores(const struct storage *s);
void storage_set_restores(struct storage *s, bool on);
/* Does so now; to be called before the new segment begins. */
void storage_try_failed(struct storage *s);
/* "a,b": the folders in use, for log lines. */
int storage_describe(const struct storage *s, struct buf *out);

struct storage_format_options {
    bool force, non_interactive;
    const char *cluster_id; /* NULL: a new one */
    const char *address;    /* numeric, for the block pool's name */
    uint64_t now_ms;
};
/* Makes an identity; for the fresh namespace that storage_format then saves. */
must_use int storage_new_identity(const struct storage_format_options *o, struct nn_identity *ret,
                                  struct err *err);
/* Writes VERSION, seen_txid and the image of nn (fresh, at txid 0) to every folder. Asks or refuses
 * as the options say when there is data: ERR_EXISTS. After 0 a power cut leaves a folder that
 * starts. */
must_use int storage_format(const struct conf *conf, const struct storage_format_options *o,
                            const struct nn *nn, struct err *err);
must_use int storage_is_formatted(const struct conf *conf, bool *ret, struct err *err);

/* ---- start ---- */

struct storage_loaded {
    uint64_t image_txid, edits, last_txid;
    bool image_damaged; /* a newer one could not be used */
    bool dir_outdated;  /* a folder lacks the image that was loaded */
};
/* The newest good image, then every edit behind it. Ends with all segments finalized. Errors name
 * file, offset and transaction id. */
must_use int storage_load(struct storage *s, struct nn **ret_nn, struct storage_loaded *ret,
                          struct err *err);

/* ---- another state takes the place of this one: upgrade.c ---- */

/* Opened for STORAGE_UPGRADE and loaded: the former state goes to previous/, and the new one gets a
 * new cTime, also in nn. All folders or none, also when it is cut off: the next start sees to it.
 */
must_use int storage_upgrade(struct storage *s, struct nn *nn, uint64_t now_ms, struct err *err);
/* Whether an upgrade is open: there is a previous/. */
bool storage_keeps_previous(const struct storage *s);
/* Drops previous/. Repeat it after an error. */
must_use int storage_finalize_upgrade(struct storage *s, struct err *err);
/* No NameNode runs: previous/ becomes current/ again. Repeat it after an error. */
must_use int storage_rollback(const struct conf *conf, struct err *err);
/* Fills empty name directories from dfs.namenode.checkpoint.dir, as open and load would leave
 * them. */
must_use int storage_import(const struct conf *conf, struct storage **ret, struct nn **ret_nn,
                            struct storage_loaded *loaded, struct err *err);
/* The layout version in VERSION; a running NameNode doesn't matter. */
must_use int storage_layout(const struct conf *conf, int *ret, struct err *err);
enum { STORAGE_LAYOUT = -67 };

/* ---- edit log: an interface; local files are the first kind of it ---- */

struct edit_log;
struct edit_log_events {
    void *ctx;
    /* On the journal's thread: everything up to txid is on disk. */
    void (*durable)(void *ctx, uint64_t txid);
    /* On the journal's thread: nothing can be made durable any more. The process has to end. */
    void (*lost)(void *ctx, const struct err *why);
};
struct edit_log_kind {
    int (*append)(struct edit_log *log, uint64_t txid, struct slice edit, struct err *err);
    void (*kick)(struct edit_log *log);
    void (*end_segment)(struct edit_log *log);
    void (*close)(struct edit_log *take_log);
};
struct edit_log {
    const struct edit_log_kind *kind;
};

/* Queues one encoded edit, in order of txid; waits while too much is queued. Fails for lack of
 * memory only. */
static inline must_use int edit_log_append(struct edit_log *log, uint64_t txid, struct slice edit,
                                           struct err *err)
{
    return log->kind->append(log, txid, edit, err);
}
/* What is queued shall be made durable now (the journal gathers more while it is busy). */
static inline void edit_log_kick(struct edit_log *log)
{
    log->kind->kick(log);
}
/* The last edit appended ends its segment. */
static inline void edit_log_end_segment(struct edit_log *log)
{
    log->kind->end_segment(log);
}
/* Makes all that is queued durable, then ends the thread. */
static inline void edit_log_close(struct edit_log *take_log)
{
    if (take_log != NULL)
        take_log->kind->close(take_log);
}

must_use int edit_log_local(struct storage *s, const struct edit_log_events *events,
                            struct edit_log **ret, struct err *err);

/* ---- checkpoints ---- */

/* Writes the image of nn, as it is at this moment, from a child process with a frozen copy of
 * memory. To be called by the state's owner thread at a quiet point, just after nn's last edit
 * ended a segment. `wait_durable` is called on the checkpoint's thread before the image gets its
 * name; `done` (err NULL: success) at the end, on that thread. */
struct checkpoint_events {
    void *ctx;
    int (*wait_durable)(void *ctx, uint64_t txid); /* not 0: the process is ending */
    void (*done)(void *ctx, uint64_t txid, const struct err *err);
};
struct checkpoint;
must_use int checkpoint_start(struct storage *s, const struct nn *nn,
                              const struct checkpoint_events *events, struct checkpoint **ret,
                              struct err *err);
/* After done: joins the thread. Before: kills the child first. */
void checkpoint_free(struct checkpoint *c);
