/* upgrade.c - one state of the folders goes aside, another takes its place: -upgrade, -rollback,
 * finalizeUpgrade, -importCheckpoint; and what a process that died in between left behind.
 *
 * Upgrade:  (a) every folder: current/ becomes previous.tmp/, a new current/ gets the edits as hard
 *           links, seen_txid and an image; (b) every folder: VERSION; (c) every folder:
 * previous.tmp/ becomes previous/. Rollback: a folder with previous/: current/ becomes
 * removed.tmp/, previous/ becomes current/, removed.tmp/ goes. Finalize: previous/ becomes
 * finalized.tmp/, which goes.
 *
 * The names are Hadoop's, so either side ends what the other began. Invariants: (1) until the first
 * VERSION of (b) a start leads back to the old state in all folders, from then on to the new one in
 * all folders; (2) a rollback that was cut off is ended by repeating it; (3) each step is on disk
 * before the next one begins. Thread: the one that starts; finalize: the state's. */
#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/state/state.h"
#include "namenode/storage/internal.h"

enum { OPEN_FOLDERS = 8 };

static void beside(const struct name_dir *d, const char *name, char out[STORAGE_PATH])
{
    snprintf(out, STORAGE_PATH, "%s/%s", d->path, name);
}

static bool has(const struct name_dir *d, const char *name)
{
    char path[STORAGE_PATH];
    beside(d, name, path);
    return access(path, F_OK) == 0;
}

static int move(const struct name_dir *d, const char *from, const char *to, struct err *err)
{
    char a[STORAGE_PATH], b[STORAGE_PATH];
    beside(d, from, a);
    beside(d, to, b);
    return durable_rename(a, b, err);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* May be cut off anywhere: whoever comes next calls it again. */
static int remove_tree(const struct name_dir *d, const char *name, struct err *err)
{
    char path[STORAGE_PATH];
    beside(d, name, path);
    if (nftw(path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return fail_errno(err, "remove %s", path);
    return durable_sync_dir(d->path, err);
}

static int inconsistent(const struct name_dir *d, const char *why, struct err *err)
{
    return fail(err, ERR_CORRUPT, "Directory %s is in an inconsistent state: %s", d->path, why);
}

static int read_named(const struct name_dir *d, const char *name, struct nn_identity *id,
                      int *ret_layout, struct err *err)
{
    char path[STORAGE_PATH];
    beside(d, name, path);
    return version_read(path, id, ret_layout, err);
}

/* ---- what was cut off ---- */

static int recover_upgrade(const struct name_dir *d, const struct nn_identity *forward,
                           struct err *err)
{
    if (has(d, "previous"))
        return inconsistent(d, "previous and previous.tmp cannot exist together.", err);
    if (has(d, "current/VERSION") || forward != NULL) {
        log_info("upgrade that was cut off is completed dir=%s", d->path);
        if (!has(d, "current/VERSION"))
            TRY(dir_write_version(d, forward, LAYOUT_VERSION, err));
        return move(d, "previous.tmp", "previous", err);
    }
    log_info("upgrade that was cut off is undone dir=%s", d->path);
    TRY(remove_tree(d, "current", err));
    return move(d, "previous.tmp", "current", err);
}

static int recover_rollback(const struct name_dir *d, struct err *err)
{
    bool current = has(d, "current/VERSION"), previous = has(d, "previous");
    if (current == previous)
        return inconsistent(d,
                            "one and only one directory current or previous must be present when "
                            "removed.tmp exists.",
                            err);
    log_info("rollback that was cut off is %s dir=%s", current ? "completed" : "undone", d->path);
    return current ? remove_tree(d, "removed.tmp", err) : move(d, "removed.tmp", "current", err);
}

static int recover(const struct name_dir *d, const struct nn_identity *forward, struct err *err)
{
    bool upgrade = has(d, "previous.tmp"), rollback = has(d, "removed.tmp");
    bool finalize = has(d, "finalized.tmp");
    if (upgrade + rollback + finalize > 1)
        return inconsistent(d, "too many temporary directories.", err);
    if (upgrade)
        return recover_upgrade(d, forward, err);
    if (rollback)
        return recover_rollback(d, err);
    if (finalize && has(d, "previous"))
        return inconsistent(d, "previous and finalized.tmp cannot exist together.", err);
    if (finalize)
        return remove_tree(d, "finalized.tmp", err);
    if (has(d, "previous") && !has(d, "current/VERSION"))
        return inconsistent(d, "version file in current directory is missing.", err);
    return 0;
}

int storage_recover(struct storage *s, struct err *err)
{
    struct nn_identity id;
    const struct nn_identity *forward = NULL;
    int layout;
    for (size_t i = 0; i < s->dir_count && forward == NULL; i++) {
        const struct name_dir *d = &s->dirs[i];
        if (!has(d, "current/VERSION") || (!has(d, "previous") && !has(d, "previous.tmp")))
            continue;
        TRY(read_named(d, "current/VERSION", &id, &layout, err));
        forward = &id;
    }
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(recover(&s->dirs[i], forward, err));
    s->keeps_previous = false;
    for (size_t i = 0; i < s->dir_count; i++)
        s->keeps_previous |= has(&s->dirs[i], "previous");
    return 0;
}

bool storage_keeps_previous(const struct storage *s)
{
    return s->keeps_previous;
}

/* ---- upgrade ---- */

/* Segments only grow at their end, and these have ended: both states may share them. */
static int link_edits(const struct name_dir *d, struct err *err)
{
    char old[STORAGE_PATH], from[STORAGE_PATH + 256], to[STORAGE_PATH + 256];
    beside(d, "previous.tmp", old);
    DIR *dir = opendir(old);
    if (dir == NULL)
        return fail_errno(err, "%s", old);
    struct dirent *e;
    int rc = 0;
    while (rc == 0 && (e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, "edits_", 6) != 0)
            continue;
        snprintf(from, sizeof(from), "%s/%s", old, e->d_name);
        snprintf(to, sizeof(to), "%s/%s", d->current, e->d_name);
        if (link(from, to) != 0)
            rc = fail_errno(err, "link %s to %s", from, to);
    }
    closedir(dir);
    return rc;
}

static int set_aside(const struct name_dir *d, uint64_t txid, struct err *err)
{
    if (!dir_usable(d))
        return fail(err, ERR_IO, "Upgrade failed: %s is not in use", d->path);
    TRY(move(d, "current", "previous.tmp", err));
    TRY(durable_mkdirs(d->current, 0700, err));
    TRY(link_edits(d, err));
    return dir_write_seen_txid(d, txid, err); /* syncs the links, too */
}

/* All or nothing: one folder that fails ends it. */
static int write_everywhere(struct storage *s, const struct nn *nn, struct err *err)
{
    struct image_written w;
    struct err why = {0};
    TRY(image_write(s, nn, NULL, NULL, &w, &why) == 0 && why.code == 0
            ? 0
            : fail(err, why.code, "%.600s", why.text));
    TRY(image_publish(s, nn->last_txid, &w, err));
    for (size_t i = 0; i < s->dir_count; i++) {
        if (!dir_usable(&s->dirs[i]))
            return fail(err, ERR_IO, "no image could be stored in %s", s->dirs[i].path);
    }
    return 0;
}

int storage_upgrade(struct storage *s, struct nn *nn, uint64_t now_ms, struct err *err)
{
    struct nn_identity id = s->identity;
    id.ctime_ms = now_ms > id.ctime_ms ? now_ms : id.ctime_ms + 1;
    log_info("upgrade begins old_layout=%d old_ctime=%" PRIu64 " new_layout=%d new_ctime=%" PRIu64,
             s->layout, s->identity.ctime_ms, LAYOUT_VERSION, id.ctime_ms);
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(set_aside(&s->dirs[i], nn->last_txid, err));
    TRY(write_everywhere(s, nn, err));
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(dir_write_version(&s->dirs[i], &id, LAYOUT_VERSION, err));
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(move(&s->dirs[i], "previous.tmp", "previous", err));
    s->identity = nn->identity = id;
    s->layout = LAYOUT_VERSION;
    s->keeps_previous = true;
    log_info("upgrade is done; rollback is possible until it is finalized");
    return 0;
}

int storage_finalize_upgrade(struct storage *s, struct err *err)
{
    for (size_t i = 0; i < s->dir_count; i++) {
        const struct name_dir *d = &s->dirs[i];
        if (!has(d, "previous"))
            continue;
        TRY(move(d, "previous", "finalized.tmp", err));
        TRY(remove_tree(d, "finalized.tmp", err));
        log_info("upgrade is finalized dir=%s", d->path);
    }
    s->keeps_previous = false;
    return 0;
}

/* ---- rollback ---- */

static int can_roll_back(const struct name_dir *d, bool *ret, struct err *err)
{
    struct nn_identity id;
    int layout;
    if (!has(d, "previous"))
        return read_named(d, "current/VERSION", &id, &layout, err);
    TRY(read_named(d, "previous/VERSION", &id, &layout, err));
    if (layout != LAYOUT_VERSION)
        return fail(err, ERR_NODE_VERSION,
                    "Cannot rollback to storage version %d using this version of the NameNode, "
                    "which uses storage version %d. Please use the previous version of HDFS to "
                    "perform the rollback.",
                    layout, LAYOUT_VERSION);
    *ret = true;
    return 0;
}

static int roll_back(struct storage *s, struct err *err)
{
    bool can = false;
    TRY(storage_lock(s, err));
    TRY(storage_recover(s, err));
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(can_roll_back(&s->dirs[i], &can, err));
    if (!can)
        return fail(err, ERR_NOT_FOUND,
                    "Cannot rollback. None of the storage directories contain previous fs state.");
    for (size_t i = 0; i < s->dir_count; i++) {
        const struct name_dir *d = &s->dirs[i];
        if (!has(d, "previous"))
            continue;
        TRY(move(d, "current", "removed.tmp", err));
        TRY(move(d, "previous", "current", err));
        TRY(remove_tree(d, "removed.tmp", err));
        log_info("rollback is complete dir=%s", d->path);
    }
    return 0;
}

int storage_rollback(const struct conf *conf, struct err *err)
{
    struct storage *s;
    TRY(storage_from_conf(conf, &s, err));
    int rc = roll_back(s, err);
    storage_close(s);
    return rc;
}

/* ---- import ---- */

static int load_checkpoint(const struct conf *conf, struct nn **ret, struct storage_loaded *loaded,
                           struct err *err)
{
    struct storage *s;
    TRY(storage_of_keys(conf, CONF_checkpoint_dir, CONF_checkpoint_edits_dir, &s, err));
    int rc = storage_open_dirs(s, STORAGE_REGULAR, err);
    if (rc == 0)
        rc = storage_load(s, ret, loaded, err);
    storage_close(s);
    return rc;
}

static int check_empty(const struct storage *s, struct err *err)
{
    for (size_t i = 0; i < s->dir_count; i++) {
        if (has(&s->dirs[i], "current/VERSION") || has(&s->dirs[i], "previous"))
            return fail(err, ERR_EXISTS,
                        "Cannot import image from a checkpoint.  NameNode already contains an "
                        "image in %s",
                        s->dirs[i].path);
    }
    return 0;
}

static int fill(struct storage *s, const struct nn *nn, struct err *err)
{
    s->identity = nn->identity;
    s->layout = LAYOUT_VERSION;
    for (size_t i = 0; i < s->dir_count; i++) {
        TRY(durable_mkdirs(s->dirs[i].current, 0700, err));
        TRY(dir_clear(&s->dirs[i], err));
        TRY(dir_write_seen_txid(&s->dirs[i], nn->last_txid, err));
        s->dirs[i].seen_txid = nn->last_txid;
    }
    TRY(write_everywhere(s, nn, err));
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(dir_write_version(&s->dirs[i], &nn->identity, LAYOUT_VERSION, err));
    return 0;
}

int storage_import(const struct conf *conf, struct storage **ret, struct nn **ret_nn,
                   struct storage_loaded *loaded, struct err *err)
{
    struct storage *s;
    struct nn *nn = NULL;
    TRY(storage_from_conf(conf, &s, err));
    int rc = storage_lock(s, err);
    if (rc == 0)
        rc = check_empty(s, err);
    if (rc == 0)
        rc = load_checkpoint(conf, &nn, loaded, err);
    if (rc == 0)
        rc = fill(s, nn, err);
    if (rc != 0) {
        nn_free(nn);
        storage_close(s);
        return rc;
    }
    *loaded = (struct storage_loaded){.image_txid = nn->last_txid, .last_txid = nn->last_txid};
    *ret = s;
    *ret_nn = nn;
    return 0;
}

int storage_layout(const struct conf *conf, int *ret, struct err *err)
{
    struct storage *s;
    struct nn_identity id;
    TRY(storage_from_conf(conf, &s, err));
    int rc = read_named(&s->dirs[0], "current/VERSION", &id, ret, err);
    storage_close(s);
    return rc;
}
