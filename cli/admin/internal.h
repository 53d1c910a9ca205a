/* internal.h - one run of an administrator's command, and the commands by file. */
#pragma once
#include <protobuf-c/protobuf-c.h>

#include "cli/admin/admin.h"
#include "common/base/base.h"

/* What a command returns: 0, what libdfs answered (negative, the text is in `error`), or one of
 * these. */
enum {
    ADMIN_USAGE = 1,  /* a bad command line: error's text, if any, and the usage are shown */
    ADMIN_FAILED = 2, /* it has told why */
    ADMIN_ONE = 3     /* the same, and the exit code is 1 */
};
enum { ADMIN_ANY = 0x7fffffff };

struct admin {
    struct stores *stores;
    const char *name;
    struct dfs *dfs; /* the default file system */
    const char *url;
    int argc;
    char **argv; /* argv[0] is "-report" */
    struct dfs_error error;
};

struct admin_command {
    const char *name;
    int (*run)(struct admin *a);
    int min, max;        /* words behind the name */
    const char *summary; /* in the list of all */
    const char *usage;   /* after a bad command line; NULL: the same */
    const char *help;
};

__attribute__((format(printf, 2, 3))) int admin_bad_usage(struct admin *a, const char *fmt, ...);

/* servers.c: one question to one server. */
struct rpc_method;
struct server_question {
    const char *address, *protocol;
    const struct rpc_method *method;
};
/* The arena is the caller's to end, in any case. ERR_ILLEGAL_ARGUMENT: the address is none. */
int server_call(const struct server_question *q, const ProtobufCMessage *request,
                struct arena *arena, ProtobufCMessage **ret, struct err *err);
/* As Java shows an exception; for text_free. */
char *server_exception(const struct err *err);
int admin_datanode_info(struct admin *a);
int admin_volume_report(struct admin *a);
int admin_get_bandwidth(struct admin *a);
int admin_refresh_namenodes(struct admin *a);
int admin_delete_pool(struct admin *a);
int admin_shutdown_datanode(struct admin *a);
int admin_evict_writers(struct admin *a);
int admin_trigger_report(struct admin *a);
int admin_refresh(struct admin *a);
int admin_refresh_call_queue(struct admin *a);
/* reconfig.c */
int admin_reconfig(struct admin *a);
/* report.c */
int admin_report(struct admin *a);
int admin_topology(struct admin *a);
/* cluster.c */
int admin_safemode(struct admin *a);
int admin_save_namespace(struct admin *a);
int admin_roll_edits(struct admin *a);
int admin_restore(struct admin *a);
int admin_refresh_nodes(struct admin *a);
int admin_refresh_acl(struct admin *a);
int admin_refresh_groups(struct admin *a);
int admin_refresh_proxies(struct admin *a);
int admin_finalize(struct admin *a);
int admin_upgrade(struct admin *a);
int admin_bandwidth(struct admin *a);
int admin_metasave(struct admin *a);
int admin_open_files(struct admin *a);
int admin_allow_snapshot(struct admin *a);
int admin_disallow_snapshot(struct admin *a);
/* quota.c */
int admin_set_quota(struct admin *a);
int admin_clear_quota(struct admin *a);
int admin_set_space(struct admin *a);
int admin_clear_space(struct admin *a);
/* "5m" -> 5242880; false with the text in error: not a number. */
bool admin_parse_long(const char *text, int64_t *ret, struct err *err);
