/* serve.h - checks that are asked for over HTTP: /fsck. Door of namenode/fsck/serve.
 * A job belongs to the thread that has it: the web server's makes it, a worker looks up who asks,
 * then the state's runs it turn by turn, and a worker copies what can be saved. */
#pragma once
#include <stdatomic.h>

#include "common/auth/auth.h"
#include "common/io/io.h"
#include "common/web/web.h"
#include "namenode/fsck/fsck.h"
#include "namenode/handlers/handlers.h"

struct audit_log;
struct fsck_job;

/* What the process lends. Constant while it runs, but `running`. */
struct fsck_server {
    void *ctx;
    const struct handler_env *env;
    struct groups *groups;
    struct workers *workers;
    struct audit_log *audit;
    const char *superuser; /* who runs the process */
    const char *url;       /* of this NameNode, for what is copied */
    int (*authorize)(void *ctx, const char *real, const char *user, const char *host,
                     struct err *err);
    /* fsck_turn(job) shall run on the state's thread, after what waits there. Any thread. */
    void (*post)(void *turn);
    void (*done)(void *turn); /* the job is over; thread: state's, or a worker's */
    atomic_uint running;
};

/* struct web_page's open. `turn` belongs to the job until done(turn); on failure it stays the
 * caller's. */
must_use int fsck_open(struct fsck_server *s, void *turn, const struct web_request *r,
                       struct web_stream *take_stream, struct err *err, struct fsck_job **ret);
/* One slice. Thread: state. */
void fsck_turn(struct fsck_job *job);
