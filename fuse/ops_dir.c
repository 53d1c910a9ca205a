/* ops_dir.c - folders: their entries, and what changes them. Thread: any of the session; an open
 * folder has a lock. */
#include <stdlib.h>
#include <string.h>

#include "fuse/internal.h"

/* An open folder. Offsets are positions: 1 behind ".", 2 behind "..", 3 behind the first entry ...
 */
struct listing {
    pthread_mutex_t lock; /* guards the rest */
    struct dfs_dir *dir;  /* NULL: not asked yet, or at the end */
    char *path;
    off_t next;            /* the offset that comes next */
    struct dfs_stat entry; /* read but not handed out, for lack of room */
    bool has_entry, ended;
};

static int child_path(struct mount *m, fuse_ino_t parent, const char *name, char **ret)
{
    if (!utf8_valid(slice_of(name)))
        return -EILSEQ;
    return nodes_path(&m->nodes, parent, name, ret);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct mount *m = mount_of(req);
    struct dfs_error error = {0};
    struct fuse_entry_param entry;
    char *path = NULL;
    int rc = child_path(m, parent, name, &path);
    if (rc == 0) {
        rc = dfs_mkdirs(m->fs, path, mode & 01777, false, &error);
        rc = rc != 0 ? mount_errno(rc, &error, "mkdir", path) : 0;
    }
    if (rc == 0)
        rc = mount_make_entry(m, parent, name, &entry);
    free(path);
    if (rc != 0)
        fuse_reply_err(req, -rc);
    else if (fuse_reply_entry(req, &entry) != 0)
        nodes_forget(&m->nodes, entry.ino, 1);
}

static void remove_child(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = mount_of(req);
    struct dfs_error error = {0};
    char *path = NULL;
    int rc = child_path(m, parent, name, &path);
    if (rc == 0) {
        rc = dfs_delete(m->fs, path, false, &error);
        rc = rc < 0 ? mount_errno(rc, &error, "remove", path) : 0;
    }
    if (rc == 0)
        nodes_removed(&m->nodes, parent, name);
    free(path);
    fuse_reply_err(req, -rc);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_child(req, parent, name);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_child(req, parent, name);
}

/* What POSIX wants to hear before something is replaced; HDFS has one exception for all of it. */
static int may_replace(struct mount *m, const char *from, const char *to)
{
    struct dfs_stat source = {0}, target = {0};
    struct dfs_error error = {0};
    int rc = dfs_stat(m->fs, to, &target, &error);
    if (rc == -ENOENT)
        return 0;
    if (rc == 0)
        rc = dfs_stat(m->fs, from, &source, &error);
    if (rc != 0) {
        rc = mount_errno(rc, &error, "rename", from);
    } else if (target.type == DFS_DIRECTORY && source.type != DFS_DIRECTORY) {
        rc = -EISDIR;
    } else if (target.type != DFS_DIRECTORY && source.type == DFS_DIRECTORY) {
        rc = -ENOTDIR;
    } else if (target.type == DFS_DIRECTORY && target.children > 0) {
        rc = -ENOTEMPTY;
    }
    dfs_stat_free(&source);
    dfs_stat_free(&target);
    return rc;
}

static int rename_paths(struct mount *m, const char *from, const char *to, bool replace)
{
    struct dfs_error error = {0};
    if (replace)
        TRY(may_replace(m, from, to));
    int rc = dfs_rename(m->fs, from, to, replace ? DFS_RENAME_OVERWRITE : 0, &error);
    return rc == 0 ? 0 : mount_errno(rc, &error, "rename", from);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags)
{
    struct mount *m = mount_of(req);
    char *from = NULL, *to = NULL;
    int rc = (flags & ~(unsigned)RENAME_NOREPLACE) != 0 ? -EINVAL : 0;
    if (rc == 0)
        rc = child_path(m, parent, name, &from);
    if (rc == 0)
        rc = child_path(m, new_parent, new_name, &to);
    if (rc == 0)
        rc = rename_paths(m, from, to, (flags & RENAME_NOREPLACE) == 0);
    if (rc == 0)
        nodes_renamed(&m->nodes, parent, name, new_parent, new_name);
    free(from);
    free(to);
    fuse_reply_err(req, -rc);
}

/* EPERM is what POSIX gives where the file system has no such things. */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)parent, (void)name, (void)mode, (void)device;
    fuse_reply_err(req, EPERM);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target, (void)parent, (void)name;
    fuse_reply_err(req, EPERM);
}

void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
    (void)node, (void)parent, (void)name;
    fuse_reply_err(req, EPERM);
}

static void listing_free(struct listing *l)
{
    dfs_closedir(l->dir);
    dfs_stat_free(&l->entry);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}

static int listing_open(struct mount *m, struct listing *l)
{
    struct dfs_error error = {0};
    int rc = dfs_opendir(m->fs, l->path, &l->dir, &error);
    return rc == 0 ? 0 : mount_errno(rc, &error, "list", l->path);
}

void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct listing *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    int rc = nodes_path(&m->nodes, node, NULL, &l->path);
    if (rc == 0)
        rc = listing_open(m, l);
    if (rc == 0) {
        fi->fh = (uintptr_t)l;
        rc = fuse_reply_open(req, fi);
        if (rc == 0)
            return;
    } else {
        fuse_reply_err(req, -rc);
    }
    listing_free(l);
}

/* Makes l->entry the next one: 1, 0 at the end. */
static int listing_peek(struct listing *l)
{
    struct dfs_error error = {0};
    if (l->has_entry || l->ended)
        return l->has_entry;
    int rc = dfs_readdir(l->dir, &l->entry, &error);
    if (rc < 0)
        return mount_errno(rc, &error, "list", l->path);
    l->has_entry = rc > 0;
    l->ended = rc == 0;
    return rc;
}

static void listing_advance(struct listing *l)
{
    if (l->next >= 2)
        dfs_stat_free(&l->entry);
    l->has_entry = false;
    l->next++;
}

/* Goes to an offset that was handed out before: backwards from the start again. */
static int listing_seek(struct mount *m, struct listing *l, off_t offset)
{
    if (offset < l->next) {
        struct dfs_dir *old = l->dir;
        l->dir = NULL;
        TRY(listing_open(m, l));
        dfs_closedir(old);
        dfs_stat_free(&l->entry);
        l->has_entry = l->ended = false;
        l->next = 0;
    }
    while (l->next < offset) {
        if (l->next >= 2) {
            int rc = listing_peek(l);
            if (rc <= 0)
                return rc;
        }
        listing_advance(l);
    }
    return 0;
}

/* "." and ".." have no number of their own here: the kernel knows them. */
static size_t add_dot(fuse_req_t req, char *out, size_t room, const struct listing *l, bool plus)
{
    struct fuse_entry_param entry = {.attr = {.st_ino = FUSE_ROOT_ID, .st_mode = S_IFDIR}};
    const char *name = l->next == 0 ? "." : "..";
    if (plus)
        return fuse_add_direntry_plus(req, out, room, name, &entry, l->next + 1);
    return fuse_add_direntry(req, out, room, name, &entry.attr, l->next + 1);
}

/* Bytes taken, or more than room when it doesn't fit. A use is counted only for what is handed out.
 */
static size_t add_entry(fuse_req_t req, char *out, size_t room, const struct listing *l,
                        fuse_ino_t node, bool plus)
{
    struct mount *m = mount_of(req);
    const char *name = l->entry.name;
    struct fuse_entry_param entry = {.attr_timeout = MOUNT_CACHE_SECONDS,
                                     .entry_timeout = MOUNT_CACHE_SECONDS};
    size_t need = plus ? fuse_add_direntry_plus(req, NULL, 0, name, NULL, 0)
                       : fuse_add_direntry(req, NULL, 0, name, NULL, 0);
    if (need > room)
        return need;
    mount_fill_attr(m, &l->entry, &entry.attr);
    uint64_t written;
    if (nodes_child_written_size(&m->nodes, node, name, &written))
        entry.attr.st_size = (off_t)written;
    if (!plus)
        return fuse_add_direntry(req, out, room, name, &entry.attr, l->next + 1);
    entry.ino = nodes_use(&m->nodes, node, name, l->entry.type == DFS_DIRECTORY);
    return fuse_add_direntry_plus(req, out, room, name, &entry, l->next + 1);
}

/* Fills out as far as it goes; the bytes, or an error if there is nothing to give. */
static ssize_t fill(fuse_req_t req, struct listing *l, fuse_ino_t node, char *out, size_t size,
                    bool plus)
{
    size_t used = 0;
    for (;;) {
        int rc = l->next >= 2 ? listing_peek(l) : 1;
        if (rc < 0 && used == 0)
            return rc;
        if (rc <= 0)
            return (ssize_t)used;
        size_t n = l->next < 2 ? add_dot(req, out + used, size - used, l, plus)
                               : add_entry(req, out + used, size - used, l, node, plus);
        if (n > size - used)
            return (ssize_t)used;
        used += n;
        listing_advance(l);
    }
}

static void read_listing(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset,
                         struct listing *l, bool plus)
{
    if (size > MOUNT_IO_BYTES)
        size = MOUNT_IO_BYTES;
    char *out = malloc(size);
    if (out == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&l->lock);
    ssize_t n = listing_seek(mount_of(req), l, offset);
    if (n == 0)
        n = fill(req, l, node, out, size, plus);
    pthread_mutex_unlock(&l->lock);
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_buf(req, out, (size_t)n);
    free(out);
}

void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset,
                struct fuse_file_info *fi)
{
    read_listing(req, node, size, offset, (struct listing *)(uintptr_t)fi->fh, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    read_listing(req, node, size, offset, (struct listing *)(uintptr_t)fi->fh, true);
}

void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    (void)node;
    listing_free((struct listing *)(uintptr_t)fi->fh);
    fuse_reply_err(req, 0);
}
