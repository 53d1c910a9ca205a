/* internal.h - shared by the files of libdfs/api only. */
#pragma once
#include <dfs.h>
#include <pthread.h>

#include "common/io/io.h"
#include "libdfs/io/io.h"
#include "libdfs/output/output.h"
#include "libdfs/write/write.h"

struct dfs {
    struct conf *conf;
    struct io_env env;
    char *url;
    uint32_t umask;
    pthread_mutex_t lock; /* guards all below */
    struct dfs_defaults defaults;
    struct crc_kind defaults_kind;
    int64_t defaults_until_ms; /* monotonic; 0: not asked yet */
};

struct dfs_file {
    struct dfs *fs;
    struct input *in; /* one of these two */
    struct output *out;
};

/* file.c; NULL: no memory. */
struct dfs_file *file_new(struct dfs *fs);

/* One call of the API: its memory and its error. */
struct op {
    struct dfs *fs;
    struct arena arena;
    struct err err;
};
void op_begin(struct op *op, struct dfs *fs);
/* Frees, fills *error and returns 0 or -errno. */
int op_end(struct op *op, int rc, struct dfs_error *error);

/* client.c: the server's form of a path: absolute, no empty parts, no "." or "..". Lives in the
 * op's arena. */
must_use int op_path(struct op *op, const char *path, const char **ret);
/* attr.c */
must_use int stat_fill(struct op *op, const Hdfs__HdfsFileStatus *from, const char *name,
                       size_t name_size, struct dfs_stat *ret);
const char *last_component(const char *path);
/* *ret NULL: there is none. */
must_use int get_file_info(struct op *op, const char *path, Hdfs__HdfsFileStatus **ret);
/* client.c: cached for an hour. */
must_use int server_defaults(struct op *op, struct dfs_defaults *ret, struct crc_kind *ret_kind);
/* file.c: of the configuration, else the server's. */
uint32_t packet_size(const struct op *op, const struct dfs_defaults *d);
#define OP_CALL(op, method, request, ret) \
    META_CALL((op)->fs->env.meta, method, (request), &(op)->arena, (ret), &(op)->err)
#define PERMISSION(name, mode)                           \
    Hdfs__FsPermission name = HDFS__FS_PERMISSION__INIT; \
    name.perm = (mode)
