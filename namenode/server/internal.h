/* internal.h - what the files of namenode/server share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/auth/auth.h"
#include "common/io/io.h"
#include "common/reconf/reconf.h"
#include "common/rpc/rpc.h"
#include "namenode/audit/audit.h"
#include "namenode/handlers/handlers.h"
#include "namenode/namespace/namespace.h"
#include "namenode/nodes/nodes.h"
#include "namenode/server/server.h"
#include "namenode/storage/storage.h"

struct server;

/* What other threads hand to the state's thread. */
struct message {
    struct inbox_node node;
    void (*run)(struct server *s, struct message *m);
};

/* A call on its way: lives in the arena of its rpc_call. */
struct nn_call {
    struct message message;
    struct server *server;
    struct call call;
    int (*handle)(struct call *c);
    uint64_t wait_txid;   /* the answer leaves when this is durable */
    bool failed;          /* the answer is call.err */
    struct err hosts_err; /* why the lists of hosts couldn't be read */
    struct nn_call *next; /* in the gate */
};

/* gate.c: answers that wait for the journal, in order of their transaction ids. */
struct gate {
    pthread_mutex_t lock; /* guards all of it; a leaf */
    pthread_cond_t moved;
    struct nn_call *head, **tail;
    uint64_t durable;
    bool closed;
};
void gate_init(struct gate *g);
void gate_fini(struct gate *g);
/* The call's answer goes out now or when wait_txid is durable. Takes the call. */
void gate_pass(struct gate *g, struct nn_call *take_call);
/* Everything up to txid is durable: sends what waited for it. On the journal's thread. */
void gate_open(struct gate *g, uint64_t txid);
/* 0: durable; ERR_CLOSED: the gate was closed before. */
must_use int gate_wait(struct gate *g, uint64_t txid);
/* Ends the waiting of gate_wait, and drops answers that never got durable. */
void gate_close(struct gate *g);

/* checkpoints.c; thread: state */
struct checkpoints {
    struct checkpoint *running;
    uint64_t image_txid;                        /* of the newest image */
    int64_t last_ms, checked_ms, not_before_ms; /* monotonic */
    int64_t period_ms, check_period_ms, txns;
    bool wanted; /* as soon as possible */
    struct nn_call *waiting,
        *joined; /* saveNamespace calls for the next image, for the running one */
};
void checkpoints_init(struct server *s, const struct storage_loaded *loaded);
void checkpoints_tick(struct server *s, int64_t mono_ms);
void checkpoints_start_waiting(struct server *s);
void checkpoints_save(void *server, struct rpc_call *take_call);
void checkpoints_stop(struct server *s);

/* trash.c; thread: state */
struct trash {
    int64_t keep_ms, interval_ms;     /* interval 0: off */
    int64_t next_ms, round_ms;        /* wall */
    bool clean_root, running;         /* running: a round is under way */
    uint8_t after[NS_MAX_NAME_BYTES]; /* the last user of the slice before */
    size_t after_size;
};
void trash_init(struct server *s, int64_t now_ms);
/* True: more is to be done at once. */
bool trash_tick(struct server *s, int64_t now_ms);

/* racks.c: net.topology.* */
struct racks;
must_use int racks_new(const struct conf *conf, struct racks **ret, struct err *err);
void racks_free(struct racks *r);
/* From memory only; false: racks_find must be asked. The text is the arena's. is_node: a DataNode
 * registers, so a failure of the script isn't remembered. */
bool racks_cached(struct racks *r, const char *host, bool is_node, struct arena *arena,
                  const char **ret);
/* May run the script; never fails, DEFAULT_RACK at worst. */
const char *racks_find(struct racks *r, const char *host, bool is_node, struct arena *arena);
/* The script is asked again. */
void racks_forget(struct racks *r, const char *host);

/* proxy.c: hadoop.proxyuser.*; ctx is the server. */
int proxy_authorize(void *ctx, const char *real, const char *user, const char *host,
                    struct err *err);

/* settings.c */
must_use int settings_from_conf(const struct conf *conf, struct nn_settings *ret, struct err *err);
void settings_fini(struct nn_settings *s);
/* The keys that can change while it runs; ctx is the server. */
extern const struct reconf_key settings_keys[];
extern const size_t settings_key_count;

/* net.c */
must_use int net_start(struct server *s, struct err *err);
void net_free(struct server *s);

/* Runs and answers what has come by the lifeline. Thread: state. */
void net_run_lifelines(struct server *s);

/* The protocols about users, for struct rpc_protocol. */
void users_dispatch_groups(void *server, struct rpc_call *rpc);
void users_dispatch_refresh(void *server, struct rpc_call *rpc);
void users_dispatch_policy(void *server, struct rpc_call *rpc);
/* And those that make the server read something again. */
void reconf_dispatch(void *server, struct rpc_call *rpc);
void call_queue_dispatch(void *server, struct rpc_call *rpc);
void generic_refresh_dispatch(void *server, struct rpc_call *rpc);

/* state.c */
must_use int state_start(struct server *s, struct err *err);
/* Runs what is in the inbox, ends the segment, joins. */
void state_stop(struct server *s);
/* For shell.commit and the segment's own edits. Thread: state. */
int state_commit(void *server, struct edit *e, struct err *err);
/* For struct drain. */
void state_node_moved(void *server, uint32_t node, enum admin_state from, enum admin_state to);
/* Ends the segment; the caller may look at nn, then must begin the next one. */
void state_end_segment(struct server *s);
void state_begin_segment(struct server *s);

/* status.c: the web server */
must_use int status_new(struct server *s, struct err *err);   /* before the state's thread */
must_use int status_start(struct server *s, struct err *err); /* when the RPC address is known */
void status_tick(struct server *s, int64_t mono_ms);          /* thread: state */
void status_stop(struct server *s);
void status_free(struct server *s); /* when the state's thread has ended */

struct server {
    const struct conf *conf;
    struct storage *storage;
    struct nn *nn; /* the state's thread alone, once it runs */
    char process_user[256];
    struct nn_settings settings;
    struct handler_env env;
    struct rng rng;

    struct audit_settings audit_settings;
    struct audit_log *audit; /* NULL: off */
    struct reconf *reconf;
    pthread_rwlock_t proxy_lock; /* guards the next one; a leaf */
    struct conf *proxy_rules;    /* hadoop.proxyuser.* as read again; NULL: as at start */
    struct groups *groups;
    struct racks *racks;
    struct hosts *hosts; /* state: that of env */
    struct drain *drain;
    struct workers *workers; /* look-ups that block */
    struct rpc_protocol protocols[10];
    struct rpc_server *rpc;
    char address[300];
    struct rpc_protocol lifeline_protocol;
    struct rpc_server *lifeline; /* with a loop of its own; NULL: off */

    struct inbox inbox;
    struct inbox lifelines; /* run before whatever waits in the other one */
    struct message lifelines_came;
    atomic_bool lifelines_told; /* that message is in the inbox */
    pthread_t state_thread;
    bool state_running;
    atomic_bool stopping;
    struct buf scratch; /* one encoded edit */
    struct edit_log *log;
    struct gate gate;
    struct status *status;
    struct checkpoints checkpoints;
    struct trash trash;
    int64_t next_second_ms, next_blocks_ms; /* monotonic */
    bool work_left;                         /* a slice of long work was cut off */
};
