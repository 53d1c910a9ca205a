/* hdfs.c - a store that is an HDFS: each word is one of libdfs's, errors are turned round.
 * Thread: any (libdfs's handles are thread-safe). */
#include <stdlib.h>
#include <unistd.h>

#include "cli/store/internal.h"

static int code_of_errno(int eno)
{
    switch (eno) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case ENOTEMPTY:
        return ERR_NOT_EMPTY;
    case EACCES:
    case EPERM:
        return ERR_ACCESS;
    case EINTR:
        return ERR_INTERRUPTED;
    default:
        return ERR_IO;
    }
}

/* rc of libdfs and its error -> ours. */
int store_failed(struct err *err, int rc, const struct dfs_error *error)
{
    if (rc >= 0)
        return 0;
    const char *text = error->text[0] == '\0' ? "Input/output error" : error->text;
    int code = error->exception[0] == '\0' ? code_of_errno(-rc) : err_from_class(error->exception);
    if (rc == -ENOENT && code != ERR_NOT_FOUND)
        code = ERR_NOT_FOUND;
    if (code == ERR_ILLEGAL_ARGUMENT || code == ERR_CONFIG || code == ERR_INVALID_PATH)
        code = ERR_REMOTE; /* the server's opinion, not the command line's grammar */
    return fail(err, code, "%s", text);
}

static int hdfs_stat(struct store *s, const char *path, struct dfs_stat *ret, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_stat(s->dfs, path, ret, &e), &e);
}

static int hdfs_opendir(struct store *s, const char *path, struct store_dir **ret, struct err *err)
{
    struct dfs_error e = {0};
    struct dfs_dir *dir;
    TRY(store_failed(err, dfs_opendir(s->dfs, path, &dir, &e), &e));
    struct store_dir *d = text_alloc(sizeof(*d));
    *d = (struct store_dir){.store = s, .dir = dir};
    *ret = d;
    return 0;
}

static int hdfs_readdir(struct store_dir *dir, struct dfs_stat *ret, bool *ret_more,
                        struct err *err)
{
    struct dfs_error e = {0};
    int rc = dfs_readdir(dir->dir, ret, &e);
    TRY(store_failed(err, rc, &e));
    *ret_more = rc == 1;
    return 0;
}

static void hdfs_closedir(struct store_dir *dir)
{
    dfs_closedir(dir->dir);
    text_free(dir);
}

static int hdfs_mkdirs(struct store *s, const char *path, uint32_t mode, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_mkdirs(s->dfs, path, mode, true, &e), &e);
}

static int hdfs_rename(struct store *s, const char *from, const char *to, unsigned flags,
                       struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_rename(s->dfs, from, to, flags, &e), &e);
}

static int hdfs_remove(struct store *s, const char *path, bool recursive, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_delete(s->dfs, path, recursive, &e), &e);
}

static int hdfs_chmod(struct store *s, const char *path, uint32_t mode, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_chmod(s->dfs, path, mode, &e), &e);
}

static int hdfs_chown(struct store *s, const char *path, const char *owner, const char *group,
                      struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_chown(s->dfs, path, owner, group, &e), &e);
}

static int hdfs_utimes(struct store *s, const char *path, int64_t modified_ms, int64_t accessed_ms,
                       struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_utimes(s->dfs, path, modified_ms, accessed_ms, &e), &e);
}

static int hdfs_set_replication(struct store *s, const char *path, uint32_t replication,
                                struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_set_replication(s->dfs, path, replication, &e), &e);
}

static int hdfs_summary(struct store *s, const char *path, struct dfs_summary *ret, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_content_summary(s->dfs, path, ret, &e), &e);
}

static int hdfs_statfs(struct store *s, struct dfs_usage *ret, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_statfs(s->dfs, ret, &e), &e);
}

static int hdfs_trash_minutes(struct store *s, uint64_t *ret, struct err *err)
{
    struct dfs_error e = {0};
    struct dfs_defaults defaults;
    TRY(store_failed(err, dfs_server_defaults(s->dfs, &defaults, &e), &e));
    *ret = defaults.trash_interval_minutes;
    return 0;
}

static int hdfs_checksum(struct store *s, const char *path, struct dfs_checksum *ret,
                         struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_checksum(s->dfs, path, ret, &e), &e);
}

static int hdfs_access(struct store *s, const char *path, bool writing, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_access(s->dfs, path, writing ? W_OK : R_OK, &e), &e);
}

static int hdfs_open(struct store *s, const char *path, struct stream **ret, struct err *err)
{
    struct dfs_error e = {0};
    struct dfs_file *file;
    TRY(store_failed(err, dfs_open(s->dfs, path, &file, &e), &e));
    struct stream *f = text_alloc(sizeof(*f));
    *f = (struct stream){.store = s, .length = dfs_length(file), .file = file, .fd = -1};
    *ret = f;
    return 0;
}

static int hdfs_create(struct store *s, const char *path, const struct store_create *options,
                       struct stream **ret, struct err *err)
{
    struct dfs_error e = {0};
    struct dfs_create_options o = {.overwrite = true, .create_parents = true};
    if (options->lazy)
        o.replication = 1;
    struct dfs_file *file;
    TRY(store_failed(err, dfs_create(s->dfs, path, &o, &file, &e), &e));
    struct stream *f = text_alloc(sizeof(*f));
    *f = (struct stream){.store = s, .file = file, .fd = -1};
    *ret = f;
    return 0;
}

static int hdfs_append(struct store *s, const char *path, bool new_block, struct stream **ret,
                       struct err *err)
{
    struct dfs_error e = {0};
    struct dfs_file *file;
    TRY(store_failed(err, dfs_append(s->dfs, path, new_block ? DFS_APPEND_NEW_BLOCK : 0, &file, &e),
                     &e));
    struct stream *f = text_alloc(sizeof(*f));
    *f = (struct stream){.store = s, .file = file, .fd = -1};
    *ret = f;
    return 0;
}

static int hdfs_truncate(struct store *s, const char *path, uint64_t length, bool *ret_done,
                         struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_truncate(s->dfs, path, length, ret_done, &e), &e);
}

static int hdfs_concat(struct store *s, const char *target, const char *const *sources,
                       struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_concat(s->dfs, target, sources, &e), &e);
}

static int hdfs_read(struct stream *f, void *data, size_t size, size_t *ret_read, struct err *err)
{
    struct dfs_error e = {0};
    ssize_t n = dfs_read(f->file, data, size, &e);
    TRY(store_failed(err, n < 0 ? (int)n : 0, &e));
    *ret_read = (size_t)n;
    return 0;
}

static int hdfs_write(struct stream *f, const void *data, size_t size, struct err *err)
{
    struct dfs_error e = {0};
    ssize_t n = dfs_write(f->file, data, size, &e);
    return store_failed(err, n < 0 ? (int)n : 0, &e);
}

static int hdfs_seek(struct stream *f, uint64_t offset, struct err *err)
{
    struct dfs_error e = {0};
    return store_failed(err, dfs_seek(f->file, offset, &e), &e);
}

static int hdfs_close(struct stream *f, struct err *err)
{
    struct dfs_error e = {0};
    int rc = store_failed(err, dfs_close(f->file, &e), &e);
    text_free(f);
    return rc;
}

static void hdfs_abort(struct stream *f)
{
    dfs_abort(f->file);
    text_free(f);
}

const struct store_kind store_hdfs = {
    .stat = hdfs_stat,
    .opendir = hdfs_opendir,
    .readdir = hdfs_readdir,
    .closedir = hdfs_closedir,
    .mkdirs = hdfs_mkdirs,
    .rename = hdfs_rename,
    .remove = hdfs_remove,
    .chmod = hdfs_chmod,
    .chown = hdfs_chown,
    .utimes = hdfs_utimes,
    .set_replication = hdfs_set_replication,
    .summary = hdfs_summary,
    .statfs = hdfs_statfs,
    .trash_minutes = hdfs_trash_minutes,
    .checksum = hdfs_checksum,
    .access = hdfs_access,
    .open = hdfs_open,
    .create = hdfs_create,
    .append = hdfs_append,
    .truncate = hdfs_truncate,
    .concat = hdfs_concat,
    .read = hdfs_read,
    .write = hdfs_write,
    .seek = hdfs_seek,
    .close = hdfs_close,
    .abort = hdfs_abort,
};
