/* local.c - a store that is the local disk, with the faces that Hadoop gives it: one replica, 32
 * MiB blocks, hidden checksum files (.name.crc), error texts of the system. Thread: any. */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/store/internal.h"

enum { LOCAL_BLOCK = 32 << 20, SUM_CHUNK = 512 };

/* The .crc file that is written beside a local one: "crc\0", chunk size, then a CRC-32 for each
 * chunk. */
struct local_sums {
    FILE *out;
    uint32_t crc, filled;
};

static int local_failed(struct err *err, const char *path)
{
    int eno = errno;
    int code = eno == ENOENT ? ERR_NOT_FOUND : eno == EACCES || eno == EPERM ? ERR_ACCESS : ERR_IO;
    if (eno == EEXIST)
        code = ERR_EXISTS;
    if (eno == EACCES)
        return fail(err, code, "%s (Permission denied)", path);
    return fail(err, code, "%s: %s", path, strerror(eno));
}

static char *user_name(uid_t uid)
{
    struct passwd pw, *found = NULL;
    char data[1024];
    if (getpwuid_r(uid, &pw, data, sizeof(data), &found) == 0 && found != NULL)
        return text_dup(pw.pw_name);
    return text_printf("%u", uid);
}

static char *group_name(gid_t gid)
{
    struct group gr, *found = NULL;
    char data[4096];
    if (getgrgid_r(gid, &gr, data, sizeof(data), &found) == 0 && found != NULL)
        return text_dup(gr.gr_name);
    return text_printf("%u", gid);
}

static int64_t ms_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fill_stat(const struct stat *st, const char *name, struct dfs_stat *ret)
{
    bool dir = S_ISDIR(st->st_mode);
    *ret = (struct dfs_stat){
        .type = dir ? DFS_DIRECTORY : DFS_FILE,
        .name = text_dup(name),
        .owner = user_name(st->st_uid),
        .group = group_name(st->st_gid),
        .mode = st->st_mode & 01777,
        .length = (uint64_t)st->st_size,
        .block_size = LOCAL_BLOCK,
        .file_id = st->st_ino,
        .replication = 1,
        .modified_ms = ms_of(st->st_mtim),
        .accessed_ms = ms_of(st->st_atim),
        .children = -1,
    };
}

static int local_stat(struct store *s, const char *path, struct dfs_stat *ret, struct err *err)
{
    (void)s; /* there is one local disk */
    struct stat st;
    if (stat(path, &st) < 0) {
        if (errno == ENOTDIR)
            errno = ENOENT;
        return local_failed(err, path);
    }
    const char *slash = strrchr(path, '/');
    fill_stat(&st, slash + 1, ret);
    return 0;
}

static int local_opendir(struct store *s, const char *path, struct store_dir **ret, struct err *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return local_failed(err, path);
    struct store_dir *d = text_alloc(sizeof(*d));
    *d = (struct store_dir){.store = s, .local = dir, .path = text_dup(path)};
    *ret = d;
    return 0;
}

static bool is_sum_name(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && name[0] == '.' && strcmp(name + n - 4, ".crc") == 0;
}

static int local_readdir(struct store_dir *dir, struct dfs_stat *ret, bool *ret_more,
                         struct err *err)
{
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir->local);
        *ret_more = e != NULL;
        if (e == NULL)
            return errno == 0 ? 0 : local_failed(err, dir->path);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || is_sum_name(e->d_name))
            continue;
        struct stat st;
        if (fstatat(dirfd(dir->local), e->d_name, &st, 0) < 0 &&
            fstatat(dirfd(dir->local), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone in between */
        fill_stat(&st, e->d_name, ret);
        return 0;
    }
}

static void local_closedir(struct store_dir *dir)
{
    (void)closedir(dir->local); /* only read from */
    text_free(dir->path);
    text_free(dir);
}

static int local_mkdirs(struct store *s, const char *path, uint32_t mode, struct err *err)
{
    if (mkdir(path, (mode_t)mode) == 0)
        return 0;
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    if (errno != ENOENT)
        return local_failed(err, path);
    auto_text parent = path_parent(path);
    TRY(local_mkdirs(s, parent, mode, err));
    return mkdir(path, (mode_t)mode) == 0 || errno == EEXIST ? 0 : local_failed(err, path);
}

static char *sums_path(const char *path)
{
    auto_text parent = path_parent(path);
    return text_printf("%s/.%s.crc", strcmp(parent, "/") == 0 ? "" : parent,
                       strrchr(path, '/') + 1);
}

/* A checksum file follows its file; a stale one must not stay beside the new file. */
static void rename_sums(const char *from, const char *to)
{
    auto_text from_sums = sums_path(from);
    auto_text to_sums = sums_path(to);
    if (rename(from_sums, to_sums) < 0)
        (void)unlink(to_sums);
}

static int local_rename(struct store *s, const char *from, const char *to, unsigned flags,
                        struct err *err)
{
    (void)s;
    unsigned how = flags & DFS_RENAME_OVERWRITE ? 0 : RENAME_NOREPLACE;
    int rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, how);
    if (rc < 0 && errno == EINVAL) /* file systems without NOREPLACE */
        rc = rename(from, to);
    if (rc < 0)
        return local_failed(err, to);
    rename_sums(from, to);
    return 0;
}

static int remove_children(struct store *s, const char *path, struct err *err);

static int local_remove(struct store *s, const char *path, bool recursive, struct err *err)
{
    if (unlink(path) == 0) {
        auto_text sums = sums_path(path);
        (void)unlink(sums); /* mostly there is none */
        return 0;
    }
    if (errno != EISDIR && errno != EPERM)
        return local_failed(err, path);
    if (recursive)
        TRY(remove_children(s, path, err));
    return rmdir(path) == 0 ? 0 : local_failed(err, path);
}

static int remove_children(struct store *s, const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return local_failed(err, path);
    int rc = 0;
    struct dirent *e;
    while (rc == 0 && (e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        auto_text child = text_printf("%s/%s", path, e->d_name);
        rc = local_remove(s, child, true, err);
    }
    (void)closedir(dir); /* only read from */
    return rc;
}

static int local_chmod(struct store *s, const char *path, uint32_t mode, struct err *err)
{
    (void)s;
    return chmod(path, (mode_t)mode) == 0 ? 0 : local_failed(err, path);
}

/* -1: unchanged; an unknown name is an error. */
static int ids_of(const char *owner, const char *group, uid_t *uid, gid_t *gid, struct err *err)
{
    *uid = (uid_t)-1;
    *gid = (gid_t)-1;
    if (owner != NULL && owner[0] != '\0') {
        struct passwd pw, *found = NULL;
        char data[1024];
        if (getpwnam_r(owner, &pw, data, sizeof(data), &found) != 0 || found == NULL)
            return fail(err, ERR_IO, "chown: invalid user: '%s'", owner);
        *uid = pw.pw_uid;
    }
    if (group != NULL && group[0] != '\0') {
        struct group gr, *found = NULL;
        char data[4096];
        if (getgrnam_r(group, &gr, data, sizeof(data), &found) != 0 || found == NULL)
            return fail(err, ERR_IO, "chown: invalid group: '%s:%s'", owner ? owner : "", group);
        *gid = gr.gr_gid;
    }
    return 0;
}

static int local_chown(struct store *s, const char *path, const char *owner, const char *group,
                       struct err *err)
{
    (void)s;
    uid_t uid;
    gid_t gid;
    TRY(ids_of(owner, group, &uid, &gid, err));
    return chown(path, uid, gid) == 0 ? 0 : local_failed(err, path);
}

static struct timespec time_of(int64_t ms)
{
    if (ms < 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static int local_utimes(struct store *s, const char *path, int64_t modified_ms, int64_t accessed_ms,
                        struct err *err)
{
    (void)s;
    struct timespec times[2] = {time_of(accessed_ms), time_of(modified_ms)};
    return utimensat(AT_FDCWD, path, times, 0) == 0 ? 0 : local_failed(err, path);
}

static int local_set_replication(struct store *s, const char *path, uint32_t replication,
                                 struct err *err)
{
    (void)s;
    (void)path; /* one copy, whatever is asked: so does Hadoop */
    (void)replication;
    (void)err;
    return 0;
}

static int local_summary(struct store *s, const char *path, struct dfs_summary *ret,
                         struct err *err)
{
    struct dfs_stat st;
    TRY(local_stat(s, path, &st, err));
    bool is_dir = st.type == DFS_DIRECTORY;
    *ret = (struct dfs_summary){.quota = -1, .space_quota = -1};
    *(is_dir ? &ret->directories : &ret->files) = 1;
    ret->length = ret->space_consumed = is_dir ? 0 : st.length;
    dfs_stat_free(&st);
    if (!is_dir)
        return 0;
    struct store_dir *dir;
    TRY(local_opendir(s, path, &dir, err));
    bool more = true;
    int rc = 0;
    while (rc == 0 && (rc = local_readdir(dir, &st, &more, err)) == 0 && more) {
        struct dfs_summary child;
        auto_text child_path = text_printf("%s/%s", path, st.name);
        dfs_stat_free(&st);
        rc = local_summary(s, child_path, &child, err);
        if (rc == 0) {
            ret->length += child.length;
            ret->space_consumed += child.space_consumed;
            ret->files += child.files;
            ret->directories += child.directories;
        }
    }
    local_closedir(dir);
    return rc;
}

static int local_statfs(struct store *s, struct dfs_usage *ret, struct err *err)
{
    struct statvfs v;
    if (statvfs("/", &v) < 0)
        return local_failed(err, s->url);
    *ret = (struct dfs_usage){.capacity = v.f_blocks * v.f_frsize,
                              .used = (v.f_blocks - v.f_bfree) * v.f_frsize,
                              .remaining = v.f_bavail * v.f_frsize};
    return 0;
}

static int local_trash_minutes(struct store *s, uint64_t *ret, struct err *err)
{
    (void)s;
    (void)err;
    *ret = 0;
    return 0;
}

static int local_checksum(struct store *s, const char *path, struct dfs_checksum *ret,
                          struct err *err)
{
    (void)s;
    (void)path;
    (void)err;
    *ret = (struct dfs_checksum){.algorithm = "NONE"};
    return 0;
}

static int local_access(struct store *s, const char *path, bool writing, struct err *err)
{
    (void)s;
    return access(path, writing ? W_OK : R_OK) == 0 ? 0 : local_failed(err, path);
}

static int local_open(struct store *s, const char *path, struct stream **ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return local_failed(err, path);
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int rc = local_failed(err, path);
        close(fd);
        return rc;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only a hint */
    struct stream *f = text_alloc(sizeof(*f));
    *f = (struct stream){
        .store = s, .length = (uint64_t)st.st_size, .fd = fd, .path = text_dup(path)};
    *ret = f;
    return 0;
}

static int sums_create(const char *path, struct local_sums **ret, struct err *err)
{
    static const uint8_t header[] = {'c', 'r', 'c', 0, 0, 0, SUM_CHUNK >> 8, SUM_CHUNK & 0xff};
    auto_text name = sums_path(path);
    FILE *out = fopen(name, "we");
    if (out == NULL || fwrite(header, sizeof(header), 1, out) != 1) {
        int rc = local_failed(err, name);
        if (out != NULL)
            fclose(out);
        return rc;
    }
    struct local_sums *sums = text_alloc(sizeof(*sums));
    *sums = (struct local_sums){.out = out};
    *ret = sums;
    return 0;
}

static void sums_flush(struct local_sums *sums)
{
    uint8_t be[4];
    put_u32(be, sums->crc);
    (void)fwrite(be, sizeof(be), 1, sums->out); /* ferror tells at the end */
    sums->crc = sums->filled = 0;
}

static void sums_add(struct local_sums *sums, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t n = SUM_CHUNK - sums->filled < size ? SUM_CHUNK - sums->filled : size;
        sums->crc = (uint32_t)crc32(sums->crc, data, (uInt)n);
        sums->filled += (uint32_t)n;
        data += n;
        size -= n;
        if (sums->filled == SUM_CHUNK)
            sums_flush(sums);
    }
}

static bool sums_close(struct local_sums *sums)
{
    if (sums == NULL)
        return true;
    if (sums->filled > 0)
        sums_flush(sums);
    bool good = !ferror(sums->out);
    if (fclose(sums->out) != 0)
        good = false;
    text_free(sums);
    return good;
}

static int local_create(struct store *s, const char *path, const struct store_create *options,
                        struct stream **ret, struct err *err)
{
    auto_text parent = path_parent(path);
    TRY(local_mkdirs(s, parent, 0777, err));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return local_failed(err, path);
    struct local_sums *sums = NULL;
    if (options->checksums) {
        int rc = sums_create(path, &sums, err);
        if (rc != 0) {
            close(fd);
            return rc;
        }
    }
    struct stream *f = text_alloc(sizeof(*f));
    *f = (struct stream){.store = s, .fd = fd, .sums = sums, .path = text_dup(path)};
    *ret = f;
    return 0;
}

static int local_read(struct stream *f, void *data, size_t size, size_t *ret_read, struct err *err)
{
    ssize_t n = read(f->fd, data, size);
    if (n < 0)
        return local_failed(err, f->path);
    *ret_read = (size_t)n;
    return 0;
}

static int local_write(struct stream *f, const void *data, size_t size, struct err *err)
{
    const uint8_t *at = data;
    for (size_t left = size; left > 0;) {
        ssize_t n = write(f->fd, at, left);
        if (n < 0)
            return local_failed(err, f->path);
        at += n;
        left -= (size_t)n;
    }
    if (f->sums != NULL)
        sums_add(f->sums, data, size);
    return 0;
}

static int local_seek(struct stream *f, uint64_t offset, struct err *err)
{
    return lseek(f->fd, (off_t)offset, SEEK_SET) < 0 ? local_failed(err, f->path) : 0;
}

static void stream_free(struct stream *f)
{
    text_free(f->path);
    text_free(f);
}

static int local_close(struct stream *f, struct err *err)
{
    bool good = sums_close(f->sums);
    good = close(f->fd) == 0 && good;
    int rc = good ? 0 : local_failed(err, f->path);
    stream_free(f);
    return rc;
}

static void local_abort(struct stream *f)
{
    (void)sums_close(f->sums); /* given up anyway */
    (void)close(f->fd);
    stream_free(f);
}

const struct store_kind store_local = {
    .stat = local_stat,
    .opendir = local_opendir,
    .readdir = local_readdir,
    .closedir = local_closedir,
    .mkdirs = local_mkdirs,
    .rename = local_rename,
    .remove = local_remove,
    .chmod = local_chmod,
    .chown = local_chown,
    .utimes = local_utimes,
    .set_replication = local_set_replication,
    .summary = local_summary,
    .statfs = local_statfs,
    .trash_minutes = local_trash_minutes,
    .checksum = local_checksum,
    .access = local_access,
    .open = local_open,
    .create = local_create,
    .read = local_read,
    .write = local_write,
    .seek = local_seek,
    .close = local_close,
    .abort = local_abort,
};
