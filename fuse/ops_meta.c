/* ops_meta.c - what is known of one file: look-ups, attributes, statfs. Thread: any of the session.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "fuse/internal.h"

static mode_t type_of(enum dfs_type type)
{
    return type == DFS_DIRECTORY ? S_IFDIR : type == DFS_SYMLINK ? S_IFLNK : S_IFREG;
}

static struct timespec to_timespec(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

void mount_fill_attr(struct mount *m, const struct dfs_stat *stat, struct stat *ret)
{
    *ret =
        (struct stat){.st_ino = stat->file_id,
                      .st_mode = type_of(stat->type) | (stat->mode & 01777),
                      .st_nlink = 1, /* of a folder: "not told" to those who count its children */
                      .st_uid = users_uid(&m->users, stat->owner),
                      .st_gid = users_gid(&m->users, stat->group),
                      .st_size = (off_t)stat->length,
                      .st_blksize = MOUNT_IO_BYTES,
                      .st_atim = to_timespec(stat->accessed_ms),
                      .st_mtim = to_timespec(stat->modified_ms),
                      .st_ctim = to_timespec(stat->modified_ms)};
    if (stat->type == DFS_SYMLINK && stat->target != NULL)
        ret->st_size = (off_t)strlen(stat->target);
    ret->st_blocks = (ret->st_size + 511) / 512;
}

static int stat_path(struct mount *m, const char *path, struct dfs_stat *ret)
{
    struct dfs_error error = {0};
    int rc = dfs_stat(m->fs, path, ret, &error);
    return rc == 0 ? 0 : mount_errno(rc, &error, "stat", path);
}

static void set_size(struct stat *attr, uint64_t size)
{
    attr->st_size = (off_t)size;
    attr->st_blocks = (attr->st_size + 511) / 512;
}

int mount_getattr(struct mount *m, uint64_t node, struct stat *ret)
{
    char *path = NULL;
    struct dfs_stat stat = {0};
    uint64_t written;
    TRY(nodes_path(&m->nodes, node, NULL, &path));
    int rc = stat_path(m, path, &stat);
    free(path);
    TRY(rc);
    mount_fill_attr(m, &stat, ret);
    dfs_stat_free(&stat);
    if (nodes_written_size(&m->nodes, node, &written))
        set_size(ret, written);
    return 0;
}

int mount_make_entry(struct mount *m, fuse_ino_t parent, const char *name,
                     struct fuse_entry_param *ret)
{
    char *path = NULL;
    struct dfs_stat stat = {0};
    uint64_t written;
    if (!utf8_valid(slice_of(name)))
        return -EILSEQ;
    TRY(nodes_path(&m->nodes, parent, name, &path));
    int rc = stat_path(m, path, &stat);
    free(path);
    TRY(rc);
    *ret = (struct fuse_entry_param){.attr_timeout = MOUNT_CACHE_SECONDS,
                                     .entry_timeout = MOUNT_CACHE_SECONDS};
    mount_fill_attr(m, &stat, &ret->attr);
    ret->ino = nodes_use(&m->nodes, parent, name, stat.type == DFS_DIRECTORY);
    dfs_stat_free(&stat);
    if (ret->ino == 0)
        return -ENOMEM;
    if (nodes_written_size(&m->nodes, ret->ino, &written))
        set_size(&ret->attr, written);
    return 0;
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry;
    int rc = mount_make_entry(mount_of(req), parent, name, &entry);
    if (rc != 0)
        fuse_reply_err(req, -rc);
    else if (fuse_reply_entry(req, &entry) !=
             0) /* the caller is gone: the kernel doesn't know it */
        nodes_forget(&mount_of(req)->nodes, entry.ino, 1);
}

void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t uses)
{
    nodes_forget(&mount_of(req)->nodes, node, uses);
    fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        nodes_forget(&mount_of(req)->nodes, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, int rc, const struct stat *attr)
{
    if (rc != 0)
        fuse_reply_err(req, -rc);
    else
        fuse_reply_attr(req, attr, MOUNT_CACHE_SECONDS);
}

void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
    struct stat attr;
    (void)fi; /* a file opened and then removed has no attributes any more */
    reply_attr(req, mount_getattr(mount_of(req), node, &attr), &attr);
}

/* truncate(2) of a file that isn't open here. */
static int truncate_closed(struct mount *m, fuse_ino_t node, uint64_t size)
{
    char *path = NULL;
    uint64_t written;
    if (nodes_written_size(&m->nodes, node, &written))
        return -EBUSY;
    TRY(nodes_path(&m->nodes, node, NULL, &path));
    int rc = mount_cut(m, path, size);
    free(path);
    return rc;
}

static int set_file_size(struct mount *m, fuse_ino_t node, uint64_t size, struct handle *h)
{
    struct stat now;
    TRY(mount_getattr(m, node, &now));
    if ((uint64_t)now.st_size == size)
        return 0;
    if (size > (uint64_t)now.st_size) /* HDFS has no holes, and writing zeros may take for ever */
        return -EOPNOTSUPP;
    return h != NULL ? handle_truncate(m, h, size) : truncate_closed(m, node, size);
}

static int set_owner(struct mount *m, const char *path, const struct stat *attr, int to_set)
{
    struct dfs_error error = {0};
    char *owner = NULL, *group = NULL;
    int rc = 0;
    if (to_set & FUSE_SET_ATTR_UID)
        rc = users_name(attr->st_uid, &owner);
    if (rc == 0 && (to_set & FUSE_SET_ATTR_GID) != 0)
        rc = users_group(attr->st_gid, &group);
    if (rc == 0)
        rc = dfs_chown(m->fs, path, owner, group, &error);
    if (rc != 0 && error.code != 0)
        rc = mount_errno(rc, &error, "chown", path);
    free(owner);
    free(group);
    return rc;
}

static int64_t chosen_ms(int to_set, int bit, int now_bit, struct timespec value)
{
    struct timespec now;
    if (to_set & now_bit) {
        clock_gettime(CLOCK_REALTIME, &now);
        value = now;
    } else if ((to_set & bit) == 0) {
        return -1;
    }
    int64_t ms = (int64_t)value.tv_sec * 1000 + value.tv_nsec / 1000000;
    return ms < 0 ? 0 : ms; /* HDFS knows no time before 1970 */
}

static int set_times(struct mount *m, fuse_ino_t node, const char *path, const struct stat *attr,
                     int to_set)
{
    struct dfs_error error = {0};
    struct node_times times = {.modified_ms = chosen_ms(to_set, FUSE_SET_ATTR_MTIME,
                                                        FUSE_SET_ATTR_MTIME_NOW, attr->st_mtim),
                               .accessed_ms = chosen_ms(to_set, FUSE_SET_ATTR_ATIME,
                                                        FUSE_SET_ATTR_ATIME_NOW, attr->st_atim)};
    if (times.modified_ms < 0 && times.accessed_ms < 0)
        return 0;
    int rc = dfs_utimes(m->fs, path, times.modified_ms, times.accessed_ms, &error);
    if (rc != 0)
        return mount_errno(rc, &error, "utimes", path);
    (void)nodes_keep_times(&m->nodes, node, times); /* closing the file would change them */
    return 0;
}

static int set_attributes(struct mount *m, fuse_ino_t node, const struct stat *attr, int to_set,
                          struct handle *h)
{
    char *path = NULL;
    struct dfs_error error = {0};
    if (to_set & FUSE_SET_ATTR_SIZE)
        TRY(set_file_size(m, node, (uint64_t)attr->st_size, h));
    TRY(nodes_path(&m->nodes, node, NULL, &path));
    int rc = 0;
    if (to_set & FUSE_SET_ATTR_MODE) {
        rc = dfs_chmod(m->fs, path, attr->st_mode & 01777, &error);
        rc = rc != 0 ? mount_errno(rc, &error, "chmod", path) : 0;
    }
    if (rc == 0 && (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0)
        rc = set_owner(m, path, attr, to_set);
    if (rc == 0)
        rc = set_times(m, node, path, attr, to_set);
    free(path);
    return rc;
}

void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set,
                struct fuse_file_info *fi)
{
    struct mount *m = mount_of(req);
    struct handle *h = fi != NULL ? (struct handle *)(uintptr_t)fi->fh : NULL;
    struct stat now;
    int rc = set_attributes(m, node, attr, to_set, h);
    if (rc == 0)
        rc = mount_getattr(m, node, &now);
    reply_attr(req, rc, &now);
}

void op_readlink(fuse_req_t req, fuse_ino_t node)
{
    struct mount *m = mount_of(req);
    struct dfs_stat stat = {0};
    char *path = NULL;
    int rc = nodes_path(&m->nodes, node, NULL, &path);
    if (rc == 0)
        rc = stat_path(m, path, &stat);
    if (rc == 0 && stat.target != NULL)
        fuse_reply_readlink(req, stat.target);
    else
        fuse_reply_err(req, rc != 0 ? -rc : EINVAL);
    dfs_stat_free(&stat);
    free(path);
}

/* Only what needs no server: each operation is judged there, with groups that are known only there.
 */
void op_access(fuse_req_t req, fuse_ino_t node, int mask)
{
    struct mount *m = mount_of(req);
    struct stat attr;
    int rc = mount_getattr(m, node, &attr);
    if (rc == 0 && (mask & W_OK) != 0 && m->options->read_only)
        rc = -EROFS;
    if (rc == 0 && (mask & X_OK) != 0 && S_ISREG(attr.st_mode) && (attr.st_mode & 0111) == 0)
        rc = -EACCES;
    fuse_reply_err(req, -rc);
}

void op_statfs(fuse_req_t req, fuse_ino_t node)
{
    enum { UNIT = 4096, LONGEST_NAME = 255 };
    struct mount *m = mount_of(req);
    struct dfs_error error = {0};
    struct dfs_usage usage = {0};
    (void)node;
    int rc = dfs_statfs(m->fs, &usage, &error);
    if (rc != 0) {
        fuse_reply_err(req, -mount_errno(rc, &error, "statfs", "/"));
        return;
    }
    struct statvfs st = {.f_bsize = UNIT,
                         .f_frsize = UNIT,
                         .f_blocks = usage.capacity / UNIT,
                         .f_bfree = usage.remaining / UNIT,
                         .f_bavail = usage.remaining / UNIT,
                         .f_namemax = LONGEST_NAME};
    fuse_reply_statfs(req, &st);
}
