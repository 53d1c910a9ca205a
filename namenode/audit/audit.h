/* audit.h - who did what: one line a call, as Hadoop's FSNamesystem.audit writes it. Door of
 * namenode/audit.
 *
 * audit_line is pure and runs on the state's thread; the line travels with the call through the
 * gate and is put into the log when the answer leaves, so that nothing is claimed that a crash
 * takes back. The log has a writer thread of its own. */
#pragma once
#include "common/base/base.h"

struct conf;

/* The last column of proto/methods.def. */
enum {
    AUDIT_PERM = 1,          /* perm= of src as it is afterwards */
    AUDIT_PERM_DST = 2,      /* perm= of dst */
    AUDIT_IF_TRUE = 4,       /* only if the answer is true, or access was denied */
    AUDIT_RESULT = 8,        /* allowed= is the answer */
    AUDIT_EACH_FAILURE = 16, /* any failure is allowed=false */
    AUDIT_DENIAL_ONLY = 32,
    AUDIT_SRC_IF_DENIED = 64,
    AUDIT_SRC_IF_ALLOWED = 128
};
struct audit_rule {
    const char *cmd, *src, *dst; /* src, dst: fields of the request; NULL: none */
    unsigned how;
};

struct audit_settings {
    bool caller_context, remote_port;
    size_t max_context, max_signature;
    const char *separator;
    char **quiet; /* commands that are left out */
    size_t quiet_count;
};
must_use int audit_settings_from_conf(const struct conf *conf, struct audit_settings *ret);
void audit_settings_fini(struct audit_settings *s);
bool audit_is_quiet(const struct audit_settings *s, const char *cmd);

struct audit_event {
    bool allowed;
    const char *user, *real_user, *address; /* real_user NULL: no proxy */
    const char *cmd, *src, *dst;            /* NULL: "null" */
    const char *owner, *group;              /* NULL: perm=null */
    uint16_t mode;
    const char *context; /* NULL: none */
    struct slice signature;
    uint16_t port;
};
/* Memory from the arena; an empty slice: no memory. Without time and line feed. */
struct slice audit_line(const struct audit_settings *s, const struct audit_event *e,
                        struct arena *arena);

/* ---- the log ---- */
struct audit_log;
/* Appends to the file of hadron.namenode.audit.log; *ret is NULL when that is unset. A file that
 * was moved away (logrotate) is made anew within a second. */
must_use int audit_log_open(const struct conf *conf, struct audit_log **ret, struct err *err);
/* Any thread. A full buffer makes it wait, or drops the line if so configured; NULL: nothing. */
void audit_log_put(struct audit_log *log, struct slice line);
/* Writes what is left. */
void audit_log_close(struct audit_log *take_log);
