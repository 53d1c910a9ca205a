/* upgrade.c - the folder of a block pool through an upgrade of the file system, its end or its
 * undoing, as Hadoop does it, so that either program finishes what the other began.
 *
 * Folders in <volume>/current/<pool>: current/, previous/ (before the upgrade), and while one of
 * the three is under way previous.tmp/ (upgrade), removed.tmp/ (undoing), finalized.tmp/ (end).
 * Each step is a rename that is synced before the next one:
 *   upgrade:  previous -> finalized.tmp (one that was never finalized), current -> previous.tmp,
 *             current is made anew from links, its VERSION last, previous.tmp -> previous
 *   undoing:  current -> removed.tmp, previous -> current, removed.tmp goes
 *   end:      previous -> finalized.tmp, which goes
 * Invariants: (1) a current/ with a VERSION is whole; (2) at any instant current, previous.tmp or
 * removed.tmp holds every replica; (3) after upgrade_recover none of the .tmp folders is left.
 * The two states share the files; whoever changes one in place gives it a copy first. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/volume/internal.h"

enum { MAX_DEPTH = 16, OPEN_DIRS = 20 };

static void name(struct store_path *out, const char *dir, const char *entry)
{
    int n = snprintf(out->text, sizeof(out->text), "%s/%s", dir, entry);
    CHECK(n > 0 && n < STORE_PATH_MAX); /* volume and pool id were measured when they came in */
}

static bool there(const char *dir, const char *entry)
{
    struct store_path path;
    struct stat st;
    name(&path, dir, entry);
    return lstat(path.text, &st) == 0;
}

static int move(const char *dir, const char *from, const char *to, struct err *err)
{
    struct store_path a, b;
    name(&a, dir, from);
    name(&b, dir, to);
    return durable_rename(a.text, b.text, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int remove_tree(const char *dir, struct err *err)
{
    if (nftw(dir, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return fail_errno(err, "removing %s", dir);
    return 0;
}

static int drop(const char *dir, const char *entry, struct err *err)
{
    struct store_path path;
    name(&path, dir, entry);
    return remove_tree(path.text, err);
}

int upgrade_recover(const char *dir, struct err *err)
{
    bool whole = there(dir, "current/VERSION");
    if (there(dir, "previous.tmp")) {
        log_warn("an upgrade was cut off path=%s then=%s", dir, whole ? "done" : "undone");
        if (!whole)
            TRY(drop(dir, "current", err));
        TRY(move(dir, "previous.tmp", whole ? "previous" : "current", err));
    }
    if (there(dir, "removed.tmp")) {
        log_warn("the undoing of an upgrade was cut off path=%s then=%s", dir,
                 whole ? "done" : "undone");
        if (whole)
            TRY(drop(dir, "removed.tmp", err));
        else
            TRY(move(dir, "removed.tmp", "current", err));
    }
    return drop(dir, "finalized.tmp", err);
}

/* --- links --- */

static int link_tree(const char *from, const char *to, int depth, uint64_t *count, struct err *err);

static int link_entry(const char *from, const char *to, const char *entry, int depth,
                      uint64_t *count, struct err *err)
{
    struct store_path a, b;
    struct stat st;
    if (strlen(from) + strlen(entry) + 2 > STORE_PATH_MAX)
        return fail(err, ERR_CORRUPT, "%s/%s is too deep", from, entry);
    name(&a, from, entry);
    name(&b, to, entry);
    if (lstat(a.text, &st) != 0)
        return fail_errno(err, "asking for %s", a.text);
    if (S_ISDIR(st.st_mode))
        return depth < MAX_DEPTH ? link_tree(a.text, b.text, depth + 1, count, err) : 0;
    if (!S_ISREG(st.st_mode))
        return 0;
    if (link(a.text, b.text) != 0)
        return fail_errno(err, "linking %s to %s", a.text, b.text);
    ++*count;
    return 0;
}

static int link_tree(const char *from, const char *to, int depth, uint64_t *count, struct err *err)
{
    if (mkdir(to, 0755) != 0)
        return fail_errno(err, "making %s", to);
    DIR *d = opendir(from);
    if (d == NULL)
        return fail_errno(err, "opening %s", from);
    int rc = 0;
    errno = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d)) != NULL; errno = 0)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = link_entry(from, to, e->d_name, depth, count, err);
    if (rc == 0 && errno != 0)
        rc = fail_errno(err, "reading %s", from);
    closedir(d);
    return rc;
}

/* One flush for all the folders and links. */
static int sync_all(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "opening %s", dir);
    int rc = syncfs(fd) == 0 ? 0 : fail(err, ERR_DISK, "syncing %s: %s", dir, strerror(errno));
    close(fd);
    return rc;
}

static int build(const char *dir, const struct pool_identity *id, uint64_t *count, struct err *err)
{
    static const char *const kept[] = {"finalized", "rbw"};
    struct store_path from, to, current;
    name(&current, dir, "current");
    if (mkdir(current.text, 0755) != 0)
        return fail_errno(err, "making %s", current.text);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        struct store_path old;
        name(&old, dir, "previous.tmp");
        name(&from, old.text, kept[i]);
        name(&to, current.text, kept[i]);
        TRY(link_tree(from.text, to.text, 0, count, err));
    }
    TRY(sync_all(dir, err));
    name(&to, current.text, "VERSION");
    return pool_version_write(to.text, id, err);
}

int upgrade_make(const char *dir, const struct pool_identity *id, struct err *err)
{
    uint64_t count = 0;
    int64_t start_ms = clock_monotonic_ms();
    log_info("upgrading a block pool path=%s ctime=%llu", dir, (unsigned long long)id->ctime);
    if (there(dir, "previous")) {
        TRY(move(dir, "previous", "finalized.tmp", err));
        TRY(drop(dir, "finalized.tmp", err));
    }
    TRY(move(dir, "current", "previous.tmp", err));
    TRY(build(dir, id, &count, err)); /* what fails here is undone by the next start */
    TRY(move(dir, "previous.tmp", "previous", err));
    log_info("a block pool is upgraded path=%s links=%llu ms=%lld", dir, (unsigned long long)count,
             (long long)(clock_monotonic_ms() - start_ms));
    return 0;
}

int upgrade_undo(const char *dir, const struct pool_identity *id, bool *ret_done, struct err *err)
{
    struct store_path path;
    struct pool_version before;
    *ret_done = false;
    if (!there(dir, "previous"))
        return 0;
    name(&path, dir, "previous/VERSION");
    TRY(pool_version_read(path.text, &before, err));
    if (before.ctime > id->ctime)
        return fail(err, ERR_CORRUPT,
                    "Cannot rollback to a newer state. Datanode previous state in %s: CTime = %llu "
                    "is newer than the namespace state: CTime = %llu",
                    dir, (unsigned long long)before.ctime, (unsigned long long)id->ctime);
    TRY(move(dir, "current", "removed.tmp", err));
    TRY(move(dir, "previous", "current", err));
    TRY(drop(dir, "removed.tmp", err));
    log_info("the upgrade of a block pool is undone path=%s ctime=%llu", dir,
             (unsigned long long)before.ctime);
    *ret_done = true;
    return 0;
}

int upgrade_finalize(const char *dir, bool *ret_wanted, struct err *err)
{
    *ret_wanted = there(dir, "previous");
    if (!*ret_wanted)
        return 0;
    TRY(move(dir, "previous", "finalized.tmp", err));
    log_info("the upgrade of a block pool is final path=%s", dir);
    return 0;
}
