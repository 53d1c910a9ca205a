/* internal.h - what the files of dfs-mount share.
 * Functions return 0 (or a count) or a negative errno value, as dfs.h and FUSE both do. Lock order:
 * handle before nodes; users alone. No lock but a handle's own is held while a server is asked. */
#pragma once
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HASH_NONFATAL_OOM             1
#define HASH_FUNCTION(key, size, out) HASH_FNV(key, size, out) /* no switch that falls through */
#include <uthash.h>

#include "common/base/base.h"
#include "libdfs/include/dfs.h"

/* options.c */
enum { MOUNT_MAX_SETTINGS = 256 };
struct mount_options {
    bool foreground, help, version, allow_other, read_only;
    const char *user, *conf_dir, *log_file, *mountpoint;
    char *url;                                    /* hdfs://host:port, NULL: fs.defaultFS */
    char *root;                                   /* the path behind it, "" for the root */
    const char *settings[MOUNT_MAX_SETTINGS + 2]; /* NULL-terminated, ours last */
    size_t setting_count;
    struct buf flags; /* the words of -o, comma separated, with a NUL */
};
must_use int options_parse(int argc, char **argv, struct mount_options *ret, struct err *err);
void options_fini(struct mount_options *o);
void options_print_help(FILE *out);

/* nodes.c: what the kernel knows by number. A node is a place in the tree; its path follows
 * renames. */
struct node;
struct nodes {
    pthread_mutex_t lock; /* guards all of it, and all nodes */
    struct node *by_id, *by_name;
    struct node *root;
    uint64_t next_id;
};
/* Times that were set while a file was written, to be set again when it is closed. -1: not. */
struct node_times {
    int64_t modified_ms, accessed_ms;
};
must_use int nodes_init(struct nodes *n, const char *root_path);
void nodes_fini(struct nodes *n);
/* The path of a node, or of its child `name` unless that is NULL; to be freed. -ENOENT when it was
 * removed. */
must_use int nodes_path(struct nodes *n, uint64_t id, const char *name, char **ret_path);
/* Finds or adds the child and counts one more use of it; 0: no memory. */
uint64_t nodes_use(struct nodes *n, uint64_t parent, const char *name, bool directory);
void nodes_use_again(struct nodes *n, uint64_t id);
void nodes_forget(struct nodes *n, uint64_t id, uint64_t uses);
void nodes_removed(struct nodes *n, uint64_t parent, const char *name);
void nodes_renamed(struct nodes *n, uint64_t parent, const char *name, uint64_t new_parent,
                   const char *new_name);
/* One writer a node: -EBUSY. Between begin and end the node's size is what was written. */
must_use int nodes_begin_write(struct nodes *n, uint64_t id);
void nodes_wrote(struct nodes *n, uint64_t id, uint64_t size);
struct node_times nodes_end_write(struct nodes *n, uint64_t id);
bool nodes_written_size(struct nodes *n, uint64_t id, uint64_t *ret_size);
bool nodes_child_written_size(struct nodes *n, uint64_t parent, const char *name,
                              uint64_t *ret_size);
/* False when nobody writes it. */
bool nodes_keep_times(struct nodes *n, uint64_t id, struct node_times times);
size_t nodes_count(struct nodes *n);

/* users.c: names of HDFS to numbers of this machine and back, remembered for a minute. */
struct name_id;
struct users {
    pthread_mutex_t lock; /* guards the tables */
    struct name_id *users, *groups;
};
void users_init(struct users *u);
void users_fini(struct users *u);
uid_t users_uid(struct users *u, const char *name); /* nobody's when unknown */
gid_t users_gid(struct users *u, const char *name);
/* The name to be freed; -EINVAL when the number has none. */
must_use int users_name(uid_t uid, char **ret_name);
must_use int users_group(gid_t gid, char **ret_name);

/* handles.c: open files. */
enum handle_state {
    HANDLE_READING,
    HANDLE_PENDING, /* opened for writing, nothing asked of it yet */
    HANDLE_WRITING,
    HANDLE_CLOSED, /* written and complete; only release is to come */
    HANDLE_FAILED, /* a write went wrong: the error is told at each flush */
};
struct mount;
struct handle {
    struct handle *prev, *next; /* in mount->handles */
    pthread_mutex_t lock;       /* guards the rest */
    enum handle_state state;
    uint64_t node;
    bool read_only; /* never changes */
    struct dfs_file *reader, *writer;
    uint64_t size; /* written so far */
    bool dirty;    /* since the last flush */
    bool append;   /* O_APPEND: whatever the kernel takes for the end, bytes go there */
    int failure;   /* errno of FAILED, negative */
    pid_t opener;  /* process, 0: not known */
};
must_use int handle_open_reader(struct mount *m, uint64_t node, struct handle **ret);
/* For a file that exists; flags: of open(2), O_TRUNC and O_APPEND count. */
must_use int handle_open_writer(struct mount *m, uint64_t node, int flags, pid_t pid,
                                struct handle **ret);
/* A new file, that has a node already. */
must_use int handle_create(struct mount *m, uint64_t node, uint32_t mode, int flags, pid_t pid,
                           struct handle **ret);
ssize_t handle_read(struct mount *m, struct handle *h, void *data, size_t size, uint64_t offset);
ssize_t handle_write(struct mount *m, struct handle *h, const void *data, size_t size,
                     uint64_t offset);
/* Makes it shorter; empty as by creating it again. */
must_use int handle_truncate(struct mount *m, struct handle *h, uint64_t size);
/* The same for a file that nobody writes. */
must_use int mount_cut(struct mount *m, const char *path, uint64_t size);
must_use int handle_flush(struct mount *m, struct handle *h, pid_t pid);
must_use int handle_sync(struct mount *m, struct handle *h);
void handle_release(struct mount *m, struct handle *h);
/* At the end of the session: the kernel may not have told us of the last releases. */
void handles_release_all(struct mount *m);

struct mount {
    const struct mount_options *options;
    struct dfs *fs;
    struct nodes nodes;
    struct users users;
    pthread_mutex_t handles_lock; /* guards the list, a leaf */
    struct handle *handles;
};

/* session.c */
must_use int mount_run(const struct mount_options *o);
extern const struct fuse_lowlevel_ops mount_ops;

/* errno.c: what a program gets to see of a failure; logs what isn't its fault. rc: negative, of
 * dfs.h. */
int mount_errno(int rc, const struct dfs_error *error, const char *what, const char *path);

/* ops_meta.c */
enum { MOUNT_CACHE_SECONDS = 1, MOUNT_IO_BYTES = 1 << 20 };
static inline struct mount *mount_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}
void mount_fill_attr(struct mount *m, const struct dfs_stat *stat, struct stat *ret);
/* Asks the server; ret_attr says what was written so far of a file that is being written here. */
must_use int mount_getattr(struct mount *m, uint64_t node, struct stat *ret);
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t uses);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set,
                struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t node);
void op_access(fuse_req_t req, fuse_ino_t node, int mask);
void op_statfs(fuse_req_t req, fuse_ino_t node);

/* ops_dir.c */
/* Replies with the entry of a name that exists. */
must_use int mount_make_entry(struct mount *m, fuse_ino_t parent, const char *name,
                              struct fuse_entry_param *ret);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name);
void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset,
                struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset,
                    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);

/* ops_io.c */
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi);
void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t offset,
              struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
