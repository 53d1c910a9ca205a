/* handlers.h - one function per RPC method: check, resolve, append one edit, answer. Door of
 * namenode/handlers. Thread: state. The shell (namenode/server) makes a `struct call` from a
 * decoded RPC, runs it here, then holds the reply until env.nn->last_txid as it was after the call
 * is durable (the gate; also for reads). */
#pragma once
#include "common/base/base.h"
#include "common/rpc/rpc.h"
#include "namenode/nn.h"

struct drain; /* drain/drain.h */
struct edit;  /* journal/journal.h */
struct call;
struct hosts; /* hosts/hosts.h */

/* Who calls; groups are looked up by the shell before the call reaches the state thread. */
struct principal {
    const char *user;
    const char *const *groups;
    size_t group_count;
    bool superuser; /* runs the NameNode, or is in dfs.permissions.superusergroup */
};

/* Settings that handlers use, from the configuration. */
struct nn_settings {
    uint64_t block_size, min_block_size, max_blocks_per_file, max_component_length, max_dir_items;
    uint32_t bytes_per_checksum, write_packet_size, replication, replication_min, replication_max;
    uint32_t file_buffer_size, list_limit, checksum_type, handlers_reserved;
    uint64_t trash_interval_min, access_time_precision_ms;
    bool permissions_enabled, symlinks_enabled, owner_may_set_quota, quota_by_type_enabled;
    uint32_t batched_list_limit, open_files_page, corrupt_files_page;
    const char *supergroup;
    bool acls_disabled, xattrs_disabled, protect_subdirs;
    bool acls_by_masked_mode; /* default ACLs are filtered by the mode after the umask */
    uint32_t max_xattrs, max_xattr_size;
    bool ec_user_policies; /* may be added */
    char **protected_dirs; /* absolute, normal paths */
    size_t protected_count;
    int64_t heartbeat_interval_ms;
    int64_t lease_hard_limit_ms;
    uint32_t report_turn; /* replicas of a full report in one turn; 0: as usual */
};

/* What handlers ask of the shell. */
struct handler_shell {
    void *ctx;
    /* Gives *e its transaction id, encodes it into the batch that the journal thread takes, and
     * applies it to nn. Fails only before anything has changed. */
    int (*commit)(void *ctx, struct edit *e, struct err *err);
    /* Ends the current segment; *ret_txid is the first id of the new one. */
    int (*roll_edits)(void *ctx, uint64_t *ret_txid, struct err *err);
    /* Takes the reply over: the shell answers `call` (saved = true) when the image is durable. */
    void (*save_namespace)(void *ctx, struct rpc_call *take_call);
    /* Whether name directories that failed are tried again; sets it first unless `set` is NULL. */
    bool (*restore_failed_storage)(void *ctx, const bool *set);
    /* An upgrade is open until it is finalized; DataNodes keep their former state as long. */
    bool (*upgrade_is_open)(void *ctx);
    int (*finalize_upgrade)(void *ctx, struct err *err);
    /* The last transaction in the newest image. */
    uint64_t (*image_txid)(void *ctx);
    /* env.hosts from now on; frees those before. */
    void (*set_hosts)(void *ctx, struct hosts *take_hosts);
    /* Takes the reply over: answers `call` with its response when the text, which is taken, is in
     * the file of that name in the log directory. */
    void (*save_text)(void *ctx, struct call *take_call, const char *name, struct buf *take_text);
};

struct audit_settings; /* audit/audit.h */
struct handler_env {
    struct nn *nn;
    const struct audit_settings *audit; /* NULL: nothing is audited */
    const struct nn_settings *settings;
    struct handler_shell shell;
    struct rng *rng;
    const struct hosts *hosts;    /* who may join; NULL: everybody */
    struct drain *drain;          /* NULL: nobody is ever drained */
    const char *software_version; /* "3.4.3" as told to peers */
};

/* One call; lives in rpc->arena or on the stack of the state thread. */
struct call {
    const struct handler_env *env;
    struct rpc_call *rpc; /* arena, request, client id, call id, peer */
    struct principal who;
    const char *rack; /* of the peer, in registerDatanode and calls that place or locate blocks */
    struct hosts *hosts;        /* for refreshNodes: read by the shell, which frees what is left */
    struct err *hosts_err;      /* or why they couldn't be read; NULL: they weren't */
    int64_t now_ms;             /* wall */
    int64_t mono_ms;            /* monotonic */
    void *progress;             /* the handler's own, from one turn of CALL_AGAIN to the next */
    ProtobufCMessage *response; /* set on success; in the arena */
    struct err err;             /* set on failure */
    const char *audit_src;      /* what the audit log names in place of a field of the request */
    bool unaudited;             /* nothing was done: no line */
    struct slice audit;         /* a line for the audit log when the answer leaves; the arena's */
};

enum {
    CALL_TAKEN = 1, /* the shell will answer later */
    CALL_AGAIN = 2, /* long work: the same call once more, after those that wait had their turn */
};

/* 0: c->response is set. Negative: c->err is set. CALL_TAKEN: don't touch the rpc_call any more. */
int handle_client_call(struct call *c);   /* method tags: enum client_method */
int handle_datanode_call(struct call *c); /* method tags: enum datanode_method */
int handle_lifeline_call(struct call *c); /* method tags: enum lifeline_method */
int handle_namenode_call(struct call *c); /* method tags: enum namenode_method */
int handle_ha_call(struct call *c);       /* method tags: enum ha_method */

/* Called by the shell every second or so: soft and hard lease limits, closing of files whose last
 * block got complete. May commit. */
int handlers_tick(const struct handler_env *env, int64_t now_ms, int64_t mono_ms, struct err *err);
