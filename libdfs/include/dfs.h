/* dfs.h - HDFS for C programs. The only header of libdfs that users see.
 *
 * Everything returns 0 (or a count) on success and a negative errno value on failure; the text,
 * with the server's Java exception, is in the dfs_error that the caller passes (NULL: not wanted).
 * All functions are thread-safe; one open file must be used by one thread at a time except for
 * dfs_pread. Paths are absolute or relative to /user/<user>, UTF-8; a full hdfs:// URL of the same
 * file system is accepted too. Nothing is global: background threads belong to the struct dfs and
 * end with it. */
#ifndef DFS_H
#define DFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dfs;
struct dfs_file;

struct dfs_error {
    int code;            /* errno value, positive; 0: no error */
    char exception[160]; /* Java class, "" when the failure is local */
    char text[768];      /* one line */
};

struct dfs_options {
    const char *url;             /* hdfs://host[:port]; NULL: fs.defaultFS of the configuration */
    const char *user;            /* NULL: HADOOP_USER_NAME, else the process's user */
    const char *conf_dir;        /* NULL: HADOOP_CONF_DIR */
    const char *const *settings; /* "key=value" strings, NULL-terminated; NULL: none */
};

/* Makes a client; the first call connects. */
int dfs_connect(const struct dfs_options *options, struct dfs **ret, struct dfs_error *error);
/* Files must be closed before. */
void dfs_disconnect(struct dfs *fs);
const char *dfs_url(const struct dfs *fs); /* hdfs://host:port */
const char *dfs_user(const struct dfs *fs);

enum dfs_type { DFS_FILE = 1, DFS_DIRECTORY, DFS_SYMLINK };

/* Strings belong to the dfs_stat; dfs_stat_free frees them (and zeroes). */
struct dfs_stat {
    enum dfs_type type;
    char *name; /* last component of the path, "" for the root */
    char *owner, *group;
    char *target;  /* of a symlink, else NULL */
    uint32_t mode; /* permission bits, sticky 01000 */
    bool has_acl, encrypted, erasure_coded;
    uint64_t length, block_size, file_id;
    uint32_t replication;             /* 0 for directories */
    int64_t modified_ms, accessed_ms; /* since 1970 */
    int32_t children;                 /* -1: not told */
    uint32_t storage_policy;          /* id, 0: unspecified */
    uint32_t ec_policy; /* id of the erasure coding policy: of a file, or for new ones; 0: none */
};
int dfs_stat(struct dfs *fs, const char *path, struct dfs_stat *ret, struct dfs_error *error);
void dfs_stat_free(struct dfs_stat *stat);

/* Listing in pages; order is the server's. A file lists itself under its own name. */
struct dfs_dir;
int dfs_opendir(struct dfs *fs, const char *path, struct dfs_dir **ret, struct dfs_error *error);
/* 1: *ret is filled (free it), 0: the end. */
int dfs_readdir(struct dfs_dir *dir, struct dfs_stat *ret, struct dfs_error *error);
void dfs_closedir(struct dfs_dir *dir);

/* umask of the configuration is applied to mode; mode is what the server gets as "masked". */
int dfs_mkdirs(struct dfs *fs, const char *path, uint32_t mode, bool parents,
               struct dfs_error *error);
enum dfs_rename_flags { DFS_RENAME_OVERWRITE = 1, DFS_RENAME_TO_TRASH = 2 };
/* rename2 of HDFS: fails with -EEXIST unless overwriting; never moves into an existing directory.
 */
int dfs_rename(struct dfs *fs, const char *from, const char *to, unsigned flags,
               struct dfs_error *error);
/* -ENOENT when it is not there; -ENOTEMPTY for a directory with children and !recursive. */
int dfs_delete(struct dfs *fs, const char *path, bool recursive, struct dfs_error *error);
int dfs_chmod(struct dfs *fs, const char *path, uint32_t mode, struct dfs_error *error);
/* NULL or "": unchanged. */
int dfs_chown(struct dfs *fs, const char *path, const char *owner, const char *group,
              struct dfs_error *error);
/* -1: unchanged. */
int dfs_utimes(struct dfs *fs, const char *path, int64_t modified_ms, int64_t accessed_ms,
               struct dfs_error *error);
int dfs_set_replication(struct dfs *fs, const char *path, uint32_t replication,
                        struct dfs_error *error);
/* 0 when the caller may do all of mode (R_OK 4, W_OK 2, X_OK 1, as of access(2)), else -EACCES. */
int dfs_access(struct dfs *fs, const char *path, unsigned mode, struct dfs_error *error);

struct dfs_summary {
    uint64_t length, files, directories, space_consumed;
    int64_t quota, space_quota; /* -1: none */
    /* of them, what only snapshots hold */
    uint64_t snapshot_length, snapshot_files, snapshot_directories, snapshot_space;
    char erasure_coding[64]; /* policy; "" if there is none, "Replicated" for a replicated file */
};
int dfs_content_summary(struct dfs *fs, const char *path, struct dfs_summary *ret,
                        struct dfs_error *error);
struct dfs_usage {
    uint64_t capacity, used, remaining;
    uint64_t under_replicated, corrupt_blocks, missing_blocks;
};
int dfs_statfs(struct dfs *fs, struct dfs_usage *ret, struct dfs_error *error);
struct dfs_defaults {
    uint64_t block_size, trash_interval_minutes;
    uint32_t replication, bytes_per_checksum, write_packet_size;
};
int dfs_server_defaults(struct dfs *fs, struct dfs_defaults *ret, struct dfs_error *error);

/* Where the bytes are, for schedulers. Free with dfs_locations_free. */
struct dfs_location {
    uint64_t offset, length;
    char **hosts; /* host names, nearest first */
    char **nodes; /* ip:port of the data port, parallel to hosts */
    size_t host_count;
    bool corrupt;
};
struct dfs_locations {
    struct dfs_location *items;
    size_t count;
};
int dfs_locate(struct dfs *fs, const char *path, uint64_t offset, uint64_t length,
               struct dfs_locations *ret, struct dfs_error *error);
void dfs_locations_free(struct dfs_locations *locations);

/* Reading. */
int dfs_open(struct dfs *fs, const char *path, struct dfs_file **ret, struct dfs_error *error);
uint64_t dfs_length(const struct dfs_file *file);
/* Bytes read, 0 at the end; may be short. */
ssize_t dfs_read(struct dfs_file *file, void *data, size_t size, struct dfs_error *error);
/* Independent of the position; any number of threads. Fills all of size unless the file ends. */
ssize_t dfs_pread(struct dfs_file *file, void *data, size_t size, uint64_t offset,
                  struct dfs_error *error);
int dfs_seek(struct dfs_file *file, uint64_t offset, struct dfs_error *error);
/* Asks how long the file is by now (a writer may be at work), for dfs_length and later reads. While
 * it is open elsewhere its length never shrinks; a read at the known end looks by itself. */
int dfs_refresh(struct dfs_file *file, struct dfs_error *error);
uint64_t dfs_tell(const struct dfs_file *file);

/* Writing. */
struct dfs_create_options {
    bool overwrite, create_parents;
    uint32_t mode;         /* 0: 0666; umask is applied */
    uint32_t replication;  /* 0: dfs.replication */
    uint64_t block_size;   /* 0: dfs.blocksize */
    bool sync_blocks;      /* each block is on the disks when its last packet is acknowledged */
    const char *ec_policy; /* erasure coding policy; NULL or "": that of the directory */
    bool replicate;        /* whatever the directory says; not with ec_policy */
};
int dfs_create(struct dfs *fs, const char *path, const struct dfs_create_options *options,
               struct dfs_file **ret, struct dfs_error *error);
/* All or an error: after an error the file only takes dfs_close or dfs_abort. */
ssize_t dfs_write(struct dfs_file *file, const void *data, size_t size, struct dfs_error *error);
/* Goes on at the end of a closed file. NEW_BLOCK: with a new block instead of the last one's free
 * room. */
enum dfs_append_flags { DFS_APPEND_NEW_BLOCK = 1, DFS_APPEND_SYNC_BLOCKS = 2 };
int dfs_append(struct dfs *fs, const char *path, unsigned flags, struct dfs_file **ret,
               struct dfs_error *error);
/* Takes the lease of a closed file, for at most a minute, and changes nothing: nobody else can open
 * it for writing until dfs_release (which sets its modification time), or until it is deleted or
 * overwritten. -EBUSY: somebody writes it. */
int dfs_hold(struct dfs *fs, const char *path, struct dfs_error *error);
int dfs_release(struct dfs *fs, const char *path, uint64_t file_id, struct dfs_error *error);
/* hflush: new readers see the bytes. hsync: all bytes of the file are on disk, too. */
int dfs_hflush(struct dfs_file *file, struct dfs_error *error);
int dfs_hsync(struct dfs_file *file, struct dfs_error *error);
/* The same with flags: DISK is hsync, UPDATE_LENGTH makes the length known to the NameNode, too
 * (dfs_stat shows it), END_BLOCK lets the next byte begin a new block. */
enum dfs_sync_flags { DFS_SYNC_DISK = 1, DFS_SYNC_UPDATE_LENGTH = 2, DFS_SYNC_END_BLOCK = 4 };
int dfs_sync(struct dfs_file *file, unsigned flags, struct dfs_error *error);
/* The DataNodes that take the current block, in the order in which the bytes pass them:
 * "ip:port ip:port"; "" between two blocks. Returns their count. */
int dfs_pipeline(struct dfs_file *file, char *out, size_t size);
/* Frees the file in any case. For a written one: 0 means complete and durable. */
int dfs_close(struct dfs_file *file, struct dfs_error *error);
/* Gives a written file up: what is there stays for lease recovery. Frees. */
void dfs_abort(struct dfs_file *file);

/* Cuts a closed file. *ret_done false: the last block is still being cut, dfs_is_closed tells when
 * that is done. */
int dfs_truncate(struct dfs *fs, const char *path, uint64_t length, bool *ret_done,
                 struct dfs_error *error);
/* Puts the blocks of the sources (NULL-terminated) behind those of the target; the sources vanish.
 */
int dfs_concat(struct dfs *fs, const char *target, const char *const *sources,
               struct dfs_error *error);
/* Takes the file from a writer that is gone. *ret_closed false: under way, ask again. */
int dfs_recover_lease(struct dfs *fs, const char *path, bool *ret_closed, struct dfs_error *error);
int dfs_is_closed(struct dfs *fs, const char *path, bool *ret_closed, struct dfs_error *error);

/* Hadoop's file checksum: algorithm name (MD5-of-0MD5-of-512CRC32C) and its bytes. */
struct dfs_checksum {
    char algorithm[64];
    uint8_t bytes[32];
    size_t size;
};
int dfs_checksum(struct dfs *fs, const char *path, struct dfs_checksum *ret,
                 struct dfs_error *error);

/* Access control lists. */
enum dfs_acl_type { DFS_ACL_USER, DFS_ACL_GROUP, DFS_ACL_MASK, DFS_ACL_OTHER };
struct dfs_acl_entry {
    enum dfs_acl_type type;
    bool is_default;    /* of the default ACL of a directory */
    uint8_t permission; /* r 4, w 2, x 1 */
    char *name;         /* NULL: the owner, the owning group */
};
/* What is not in the permission bits: no owner, other and mask of the access ACL among items. */
struct dfs_acl {
    char *owner, *group;
    bool sticky, has_mode;
    uint32_t mode; /* if has_mode */
    struct dfs_acl_entry *items;
    size_t count;
};
int dfs_get_acl(struct dfs *fs, const char *path, struct dfs_acl *ret, struct dfs_error *error);
void dfs_acl_free(struct dfs_acl *acl);
/* MODIFY adds or replaces the entries, REMOVE takes them out (permissions don't count), SET
 * replaces the whole ACL; the others take no entries. */
enum dfs_acl_change {
    DFS_ACL_MODIFY,
    DFS_ACL_REMOVE,
    DFS_ACL_SET,
    DFS_ACL_REMOVE_DEFAULT,
    DFS_ACL_REMOVE_ALL
};
int dfs_change_acl(struct dfs *fs, const char *path, enum dfs_acl_change change,
                   const struct dfs_acl_entry *entries, size_t count, struct dfs_error *error);

/* Extended attributes. Names begin with user. trusted. security. system. or raw. */
struct dfs_xattr {
    char *name;
    uint8_t *value; /* size bytes and a zero behind them */
    size_t size;
};
struct dfs_xattrs {
    struct dfs_xattr *items;
    size_t count;
};
/* names: NULL-terminated, all must be there; NULL: all that the caller may see. */
int dfs_get_xattrs(struct dfs *fs, const char *path, const char *const *names,
                   struct dfs_xattrs *ret, struct dfs_error *error);
void dfs_xattrs_free(struct dfs_xattrs *xattrs);
enum dfs_xattr_flags { DFS_XATTR_CREATE = 1, DFS_XATTR_REPLACE = 2 };
/* With both flags it may be there or not. value NULL: none. */
int dfs_set_xattr(struct dfs *fs, const char *path, const char *name, const void *value,
                  size_t size, unsigned flags, struct dfs_error *error);
int dfs_remove_xattr(struct dfs *fs, const char *path, const char *name, struct dfs_error *error);

/* Quotas. The types are those that can have one; their order is the wire's. */
enum dfs_storage_type {
    DFS_DISK = 1,
    DFS_SSD,
    DFS_ARCHIVE,
    DFS_RAM_DISK,
    DFS_PROVIDED,
    DFS_NVDIMM,
    DFS_STORAGE_TYPES /* one more than the last */
};
#define DFS_QUOTA_KEEP  INT64_MAX /* leave it as it is */
#define DFS_QUOTA_CLEAR (-1)
int dfs_set_quota(struct dfs *fs, const char *path, int64_t names, int64_t space,
                  struct dfs_error *error);
int dfs_set_type_quota(struct dfs *fs, const char *path, enum dfs_storage_type type, int64_t space,
                       struct dfs_error *error);
struct dfs_quota_usage {
    int64_t names, space;            /* used */
    int64_t name_quota, space_quota; /* -1: none */
    int64_t type_space[DFS_STORAGE_TYPES];
    int64_t type_quota[DFS_STORAGE_TYPES]; /* -1: none */
};
int dfs_quota_usage(struct dfs *fs, const char *path, struct dfs_quota_usage *ret,
                    struct dfs_error *error);

/* Storage policies. */
struct dfs_storage_policy {
    char name[64];
    uint32_t id;
    /* lists that end with 0 */
    enum dfs_storage_type types[8], creation_fallbacks[8], replication_fallbacks[8];
};
enum { DFS_POLICIES_MAX = 16 };
/* In the server's order. */
int dfs_storage_policies(struct dfs *fs, struct dfs_storage_policy ret[DFS_POLICIES_MAX],
                         size_t *ret_count, struct dfs_error *error);
int dfs_set_storage_policy(struct dfs *fs, const char *path, const char *policy,
                           struct dfs_error *error);
int dfs_unset_storage_policy(struct dfs *fs, const char *path, struct dfs_error *error);
int dfs_satisfy_storage_policy(struct dfs *fs, const char *path, struct dfs_error *error);

/* Erasure coding policies. */
enum dfs_ec_state { DFS_EC_DISABLED = 1, DFS_EC_ENABLED, DFS_EC_REMOVED };
struct dfs_ec_policy {
    char *name, *codec; /* NULL: no policy */
    uint32_t data_units, parity_units, cell_size;
    int32_t id;
    int state;      /* enum dfs_ec_state; 0: not told */
    char **options; /* key, value, key, value .. */
    size_t option_count;
};
struct dfs_ec_policies {
    struct dfs_ec_policy *items;
    size_t count;
};
/* All, also those that are disabled or removed. */
int dfs_ec_policies(struct dfs *fs, struct dfs_ec_policies *ret, struct dfs_error *error);
void dfs_ec_policies_free(struct dfs_ec_policies *policies);
/* Of a file, or the one that new files in a directory get. */
int dfs_ec_get_policy(struct dfs *fs, const char *path, struct dfs_ec_policy *ret,
                      struct dfs_error *error);
void dfs_ec_policy_free(struct dfs_ec_policy *policy);
/* For new files below a directory. NULL: the server's default policy; "replication": none. */
int dfs_ec_set_policy(struct dfs *fs, const char *path, const char *policy,
                      struct dfs_error *error);
/* -ENODATA: the directory has none of its own. */
int dfs_ec_unset_policy(struct dfs *fs, const char *path, struct dfs_error *error);
/* What became of each; the names are made by the server. */
struct dfs_ec_added {
    bool done;
    struct dfs_ec_policy policy;
    char *text; /* why not */
};
int dfs_ec_add_policies(struct dfs *fs, const struct dfs_ec_policy *policies, size_t count,
                        struct dfs_ec_added *ret, struct dfs_error *error);
void dfs_ec_added_free(struct dfs_ec_added *added, size_t count);
enum dfs_ec_change { DFS_EC_ENABLE = 1, DFS_EC_DISABLE, DFS_EC_REMOVE };
int dfs_ec_change(struct dfs *fs, enum dfs_ec_change change, const char *policy,
                  struct dfs_error *error);
struct dfs_ec_codec {
    char codec[32], coders[96]; /* coders: "a, b" */
};
enum { DFS_EC_CODECS_MAX = 16 };
int dfs_ec_codecs(struct dfs *fs, struct dfs_ec_codec ret[DFS_EC_CODECS_MAX], size_t *ret_count,
                  struct dfs_error *error);
/* Whether there are nodes and racks enough, for all enabled policies if count is 0. *ret_text: to
 * be freed by free. */
int dfs_ec_check_cluster(struct dfs *fs, const char *const *policies, size_t count, bool *ret_fits,
                         char **ret_text, struct dfs_error *error);

/* Snapshots. */
/* name NULL: the server makes one up. *ret_path (to be freed by free) is the path of the snapshot.
 */
int dfs_create_snapshot(struct dfs *fs, const char *path, const char *name, char **ret_path,
                        struct dfs_error *error);
int dfs_delete_snapshot(struct dfs *fs, const char *path, const char *name,
                        struct dfs_error *error);
int dfs_rename_snapshot(struct dfs *fs, const char *path, const char *old_name,
                        const char *new_name, struct dfs_error *error);
/* May snapshots be made of this directory? */
int dfs_allow_snapshots(struct dfs *fs, const char *path, bool allowed, struct dfs_error *error);

/* For administrators. */
enum dfs_node_filter { DFS_NODES_ALL = 1, DFS_NODES_LIVE, DFS_NODES_DEAD, DFS_NODES_SLOW = 100 };
struct dfs_node {
    char *host, *address, *uuid, *rack; /* address: ip:port of the data port */
    uint64_t capacity, used, remaining, non_dfs_used;
    uint32_t blocks, transfers;
    int64_t last_contact_ms; /* since 1970 */
    uint64_t cache_capacity, cache_used;
    int64_t last_report_ms; /* of all blocks, since 1970; 0: never */
    uint32_t admin_state;   /* 0 normal, 1 decommissioning, 2 decommissioned, 3 entering, 4 in
                               maintenance */
    uint32_t ipc_port;      /* of its RPC server */
    char *upgrade_domain;   /* NULL: none */
};
/* Blocks that need care: of replicated files, and groups of erasure-coded ones. */
struct dfs_block_health {
    uint64_t low_redundancy, corrupt, missing, missing_one_replica, pending_deletion;
    uint64_t highest_priority; /* of low_redundancy */
    bool has_highest_priority; /* the server told */
};
int dfs_block_health(struct dfs *fs, struct dfs_block_health *ret_replicated,
                     struct dfs_block_health *ret_groups, struct dfs_error *error);
struct dfs_nodes {
    struct dfs_node *items;
    size_t count;
};
int dfs_nodes(struct dfs *fs, enum dfs_node_filter filter, struct dfs_nodes *ret,
              struct dfs_error *error);
void dfs_nodes_free(struct dfs_nodes *nodes);
enum dfs_safemode_action {
    DFS_SAFEMODE_LEAVE = 1,
    DFS_SAFEMODE_ENTER,
    DFS_SAFEMODE_GET,
    DFS_SAFEMODE_FORCE_EXIT
};
int dfs_safemode(struct dfs *fs, enum dfs_safemode_action action, bool *ret_on,
                 struct dfs_error *error);
int dfs_save_namespace(struct dfs *fs, struct dfs_error *error);
/* Only if the last image is older than window_s or has more than gap transactions behind it. */
int dfs_save_namespace_if(struct dfs *fs, uint64_t window_s, uint64_t gap, bool *ret_saved,
                          struct dfs_error *error);
int dfs_roll_edits(struct dfs *fs, uint64_t *ret_first_txid, struct dfs_error *error);
/* "true", "false" or "check". */
int dfs_restore_failed_storage(struct dfs *fs, const char *arg, bool *ret_on,
                               struct dfs_error *error);
int dfs_refresh_nodes(struct dfs *fs, struct dfs_error *error);
/* The groups of a user as the NameNode knows them: names with a blank between (to be freed by
 * free),
 * "" for none. */
int dfs_groups_of(struct dfs *fs, const char *user, char **ret_groups, struct dfs_error *error);
/* What the NameNode shall read again. */
enum dfs_server_part { DFS_REFRESH_GROUPS, DFS_REFRESH_PROXY_USERS, DFS_REFRESH_SERVICE_ACL };
int dfs_refresh_server(struct dfs *fs, enum dfs_server_part what, struct dfs_error *error);
int dfs_finalize_upgrade(struct dfs *fs, struct dfs_error *error);
int dfs_is_upgrade_finalized(struct dfs *fs, bool *ret_finalized, struct dfs_error *error);
/* Into a file of this name in the log directory of the server. */
int dfs_metasave(struct dfs *fs, const char *name, struct dfs_error *error);
int dfs_set_balancer_bandwidth(struct dfs *fs, int64_t bytes_per_second, struct dfs_error *error);
struct dfs_open_file {
    int64_t id;
    char *path, *client, *host;
};
struct dfs_open_files {
    struct dfs_open_file *items;
    size_t count;
    bool more;
};
/* One page: files with an id above `after` (0 to begin) below path. blocking: only those that keep
 * a node from being decommissioned. */
int dfs_list_open_files(struct dfs *fs, int64_t after, const char *path, bool blocking,
                        struct dfs_open_files *ret, struct dfs_error *error);
void dfs_open_files_free(struct dfs_open_files *files);

#ifdef __cplusplus
}
#endif
#endif
