/* store.h - file systems and paths behind one face: HDFS through libdfs, and the local disk. Door
 * of cli/store. A `struct store` is thread-safe; streams and directories are not. Paths given to a
 * store are absolute and normalised. Every function returns 0 or an enum err_code with the text in
 * *err; a refusal that the server sent as an illegal argument comes as ERR_REMOTE, so that
 * ERR_ILLEGAL_ARGUMENT always means the command line. */
#pragma once
#include "cli/text/text.h"
#include "common/conf/conf.h"
#include "dfs.h"

struct store;
struct stream;
struct store_dir;

/* The file systems of one run, opened when first named. */
struct stores;
/* conf and settings ("key=value", NULL-terminated) are borrowed. */
struct stores *stores_new(const struct conf *conf, const char *const *settings);
void stores_free(struct stores *s);
must_use int stores_default(struct stores *s, struct store **ret, struct err *err);
must_use int stores_local(struct stores *s, struct store **ret, struct err *err);
const struct conf *stores_conf(const struct stores *s);

const char *store_url(const struct store *s);  /* "hdfs://host:port" or "file:///" */
const char *store_home(const struct store *s); /* where relative paths start */
bool store_is_local(const struct store *s);
/* The handle of libdfs, NULL for a local store. */
struct dfs *store_dfs(const struct store *s);
/* What such a call returned, as an error of ours; 0 if it went well. */
int store_failed(struct err *err, int rc, const struct dfs_error *error);

int store_stat(struct store *s, const char *path, struct dfs_stat *ret, struct err *err);
int store_opendir(struct store *s, const char *path, struct store_dir **ret, struct err *err);
/* *ret_more false: the end. */
int store_readdir(struct store_dir *dir, struct dfs_stat *ret, bool *ret_more, struct err *err);
void store_closedir(struct store_dir *dir);
/* With missing parents. */
int store_mkdirs(struct store *s, const char *path, uint32_t mode, struct err *err);
int store_rename(struct store *s, const char *from, const char *to, unsigned flags,
                 struct err *err);
int store_delete(struct store *s, const char *path, bool recursive, struct err *err);
int store_chmod(struct store *s, const char *path, uint32_t mode, struct err *err);
int store_chown(struct store *s, const char *path, const char *owner, const char *group,
                struct err *err);
int store_utimes(struct store *s, const char *path, int64_t modified_ms, int64_t accessed_ms,
                 struct err *err);
int store_set_replication(struct store *s, const char *path, uint32_t replication, struct err *err);
int store_summary(struct store *s, const char *path, struct dfs_summary *ret, struct err *err);
int store_statfs(struct store *s, struct dfs_usage *ret, struct err *err);
int store_trash_minutes(struct store *s, uint64_t *ret, struct err *err);
/* algorithm "NONE" where there is none. */
int store_checksum(struct store *s, const char *path, struct dfs_checksum *ret, struct err *err);
/* 0 when the caller may read (write) the path. */
int store_access(struct store *s, const char *path, bool writing, struct err *err);

struct store_create {
    bool lazy;      /* one replica */
    bool checksums; /* local: write the .crc file beside it */
};
int file_store_open(struct store *s, const char *path, struct stream **ret, struct err *err);
/* Overwrites; makes missing parents. */
int store_create(struct store *s, const char *path, const struct store_create *options,
                 struct stream **ret, struct err *err);
/* At the end of a file that exists. */
int store_append(struct store *s, const char *path, bool new_block, struct stream **ret,
                 struct err *err);
/* *ret_done false: the end of the last block is still being cut off. */
int store_truncate(struct store *s, const char *path, uint64_t length, bool *ret_done,
                   struct err *err);
/* sources: NULL-terminated. */
int store_concat(struct store *s, const char *target, const char *const *sources, struct err *err);
int stream_read(struct stream *f, void *data, size_t size, size_t *ret_read, struct err *err);
int stream_write(struct stream *f, const void *data, size_t size, struct err *err);
int stream_seek(struct stream *f, uint64_t offset, struct err *err);
uint64_t stream_length(const struct stream *f);
/* Frees; for a written one 0 means complete. */
int stream_close(struct stream *f, struct err *err);
/* Frees a written one without finishing it. */
void stream_abort(struct stream *f);

/* A path as the user wrote it, and what is there. */
struct item {
    struct store *store;
    char *text; /* as shown */
    char *path; /* absolute, normalised */
    struct dfs_stat stat;
    bool exists;
};
struct items {
    struct item *at;
    size_t count, capacity;
};
void item_fini(struct item *item);
void items_fini(struct items *items);
void items_add(struct items *items, struct item *take_item);
/* Hadoop's order of paths. */
void items_sort(struct items *items);
int path_compare(const char *a, const char *b);

/* The path as it is written (no glob), on its own or the default store. */
int item_plain(struct stores *s, const char *text, struct item *ret, struct err *err);
/* On the local disk; "file:" in front is allowed. */
int item_local(struct stores *s, const char *text, struct item *ret, struct err *err);
/* The matches of a pattern, sorted; a pattern without wildcards gives one item that may not exist.
 */
int item_glob(struct stores *s, const char *pattern, struct items *ret, struct err *err);
/* dir/name with its state looked up. */
int item_child(const struct item *dir, const char *name, struct item *ret, struct err *err);
/* dir/name, taken not to exist. */
struct item item_child_unseen(const struct item *dir, const char *name);
/* dir/<name in stat>; takes the strings of *take_stat. */
void item_child_of_stat(const struct item *dir, struct dfs_stat *take_stat, struct item *ret);
struct item item_copy(const struct item *item);
/* Looks again; not being there is no error. */
int item_look(struct item *item, struct err *err);
bool item_is_dir(const struct item *item);
const char *item_name(const struct item *item);
/* Written like a folder: ends with a slash, "." or ".." */
bool item_looks_like_dir(const struct item *item);
int item_parent_exists(const struct item *item, bool *ret, struct err *err);
/* With the store's URL in front. */
char *item_qualified(const struct item *item);
/* Absolute and normalised: no double or trailing slashes, no "." and "..". */
char *path_absolute(const char *home, const char *path);
char *path_parent(const char *path);

/* One component against a pattern: * ? [a-z] [^a] [!a] {a,b} \x */
struct pattern;
int pattern_new(const char *text, struct pattern **ret, struct err *err);
void pattern_free(struct pattern *p);
bool pattern_has_wildcard(const struct pattern *p);
bool pattern_matches(const struct pattern *p, const char *name);
