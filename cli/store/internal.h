/* internal.h - what the two kinds of stores and the paths share. */
#pragma once
#include "cli/store/store.h"
#include "common/base/base.h"

struct store_kind {
    int (*stat)(struct store *s, const char *path, struct dfs_stat *ret, struct err *err);
    int (*opendir)(struct store *s, const char *path, struct store_dir **ret, struct err *err);
    int (*readdir)(struct store_dir *dir, struct dfs_stat *ret, bool *ret_more, struct err *err);
    void (*closedir)(struct store_dir *dir);
    int (*mkdirs)(struct store *s, const char *path, uint32_t mode, struct err *err);
    int (*rename)(struct store *s, const char *from, const char *to, unsigned flags,
                  struct err *err);
    int (*remove)(struct store *s, const char *path, bool recursive, struct err *err);
    int (*chmod)(struct store *s, const char *path, uint32_t mode, struct err *err);
    int (*chown)(struct store *s, const char *path, const char *owner, const char *group,
                 struct err *err);
    int (*utimes)(struct store *s, const char *path, int64_t modified_ms, int64_t accessed_ms,
                  struct err *err);
    int (*set_replication)(struct store *s, const char *path, uint32_t replication,
                           struct err *err);
    int (*summary)(struct store *s, const char *path, struct dfs_summary *ret, struct err *err);
    int (*statfs)(struct store *s, struct dfs_usage *ret, struct err *err);
    int (*trash_minutes)(struct store *s, uint64_t *ret, struct err *err);
    int (*checksum)(struct store *s, const char *path, struct dfs_checksum *ret, struct err *err);
    int (*access)(struct store *s, const char *path, bool writing, struct err *err);
    int (*open)(struct store *s, const char *path, struct stream **ret, struct err *err);
    int (*create)(struct store *s, const char *path, const struct store_create *options,
                  struct stream **ret, struct err *err);
    /* NULL: not supported */
    int (*append)(struct store *s, const char *path, bool new_block, struct stream **ret,
                  struct err *err);
    int (*truncate)(struct store *s, const char *path, uint64_t length, bool *ret_done,
                    struct err *err);
    int (*concat)(struct store *s, const char *target, const char *const *sources, struct err *err);
    int (*read)(struct stream *f, void *data, size_t size, size_t *ret_read, struct err *err);
    int (*write)(struct stream *f, const void *data, size_t size, struct err *err);
    int (*seek)(struct stream *f, uint64_t offset, struct err *err);
    int (*close)(struct stream *f, struct err *err);
    void (*abort)(struct stream *f);
};

/* url and home are owned; dfs is NULL for the local disk. */
struct store {
    const struct store_kind *kind;
    char *url, *home;
    struct dfs *dfs;
};

struct stream {
    struct store *store;
    uint64_t length; /* of a file that is read */
    struct dfs_file *file;
    int fd;
    struct local_sums *sums; /* local.c's .crc writer */
    char *path;
};

struct store_dir {
    struct store *store;
    struct dfs_dir *dir;
    void *local; /* DIR */
    char *path;
};

extern const struct store_kind store_hdfs, store_local;

/* The parts of a path as written; pointers into text but `path`, which is owned. scheme_size and
 * authority_size 0: none. */
struct path_parts {
    const char *scheme, *authority;
    size_t scheme_size, authority_size;
    bool has_authority;
    const char *path;
};
must_use int path_split(const char *text, struct path_parts *ret, struct err *err);
/* The store that the parts name. */
must_use int stores_find(struct stores *s, const struct path_parts *parts, struct store **ret,
                         struct err *err);
/* "{a,b}" with a slash inside is spelled out; a NULL-terminated list to be freed with list_free. */
must_use int glob_expand(const char *pattern, char ***ret, struct err *err);
void list_free(char **list);
