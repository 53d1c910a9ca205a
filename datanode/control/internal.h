/* internal.h - what the files of datanode/control share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "common/rpc/rpc.h"
#include "datanode.pb-c.h"
#include "datanode/control/control.h"

enum {
    MAX_NAMENODES = 16,
    QUEUE_LIMIT = 1 << 20, /* events of one NameNode */
    MAX_BAD = 4096,        /* replicas found bad since the last turn */
    CALL_MEMORY = 64 << 20
};

/* incremental.c: what has happened since the last report. Guarded by the actor's lock. */
struct event {
    const char *storage_id; /* lives as long as the store */
    enum storage_type type;
    enum store_event what;
    struct block block;
    char instead_of[40]; /* the node to delete it from, "": the NameNode chooses */
};
struct event_queue {
    struct event *items;
    size_t count, capacity;
    bool overflown; /* some were lost: only a full report helps */
    bool urgent;    /* a replica is complete: the client of its file waits */
};

struct actor {
    struct control *control;
    struct addr addr, lifeline_addr; /* without a host: no lifeline */
    char name[300];
    pthread_t thread, lifeline_thread;
    bool started, lifeline_started;
    atomic_bool used;    /* false: a free place */
    atomic_bool refused; /* by the NameNode, for good */

    pthread_mutex_t lock; /* guards what follows, up to stopping */
    pthread_cond_t wake, lifeline_wake;
    int64_t lifeline_due_ms;
    struct event_queue queue;
    char pool_id[256]; /* "" until the first handshake */
    struct block bad[MAX_BAD];
    size_t bad_count;
    bool full_wanted, report_wanted, heartbeat_wanted;
    enum { NO_ERROR, VOLUME_ERROR, FATAL_ERROR } error; /* of a disk, to be told */
    char error_text[512];
    bool stopping;

    /* written by the actor's thread only, under the lock; others read them under it */
    struct block_pool *pool;
    uint32_t namespace_id;
    uint64_t ctime;
    char cluster_id[128];

    /* the actor's thread only */
    bool buffers; /* it takes reports in buffers */
    uint64_t lease_id;
    int64_t next_heartbeat_ms, next_full_ms, next_incremental_ms, next_outliers_ms;
    int64_t active_txid; /* of its latest claim to be active */
    bool active, unreachable, register_again;
    atomic_bool registered;
};

struct control {
    struct control_options options;
    uint16_t ipc_port;
    struct rpc_client *rpc;
    struct actor actors[MAX_NAMENODES];
    pthread_mutex_t refresh_lock; /* guards coming and going of actors, and ended */
    bool ended;
    atomic_int_fast64_t heartbeat_ms, report_ms, report_delay_ms, report_split;
    pthread_mutex_t claim_lock; /* guards claims */
    struct claim {
        char pool_id[256];
        int64_t txid;
        const struct actor *by;
    } claims[MAX_NAMENODES];
    size_t claim_count;
};

/* namenodes.c */
must_use int namenodes_of(const struct conf *conf, struct addr out[MAX_NAMENODES],
                          size_t *ret_count, struct err *err);
/* The same with the addresses for lifelines, those without a host where there is none. */
must_use int namenodes_with_lifelines(const struct conf *conf, struct addr out[MAX_NAMENODES],
                                      struct addr lifelines[MAX_NAMENODES], size_t *ret_count,
                                      struct err *err);
/* "3.4.3-x" against "2.1.0-beta": by the numbers, then a qualifier is less than none. */
int version_compare(const char *a, const char *b);

/* control.c: none is left that may still take this node. */
bool control_all_refused(struct control *c);

/* actor.c */
must_use int actor_call(struct actor *a, enum datanode_method method,
                        const ProtobufCMessage *request, struct arena *arena,
                        ProtobufCMessage **ret, struct err *err);
/* The registration that goes with every call, in the arena. NULL: no memory. */
Dp__DatanodeRegistration *actor_registration(const struct actor *a, struct arena *arena);
void *actor_thread(void *actor);

/* heartbeat.c */
must_use int heartbeat_send(struct actor *a, struct err *err);
/* Storages, failed volumes and load; from any thread. */
must_use int heartbeat_figures(struct actor *a, struct block_pool *pool,
                               Dp__SendHeartbeatRequest *request, struct arena *arena,
                               struct err *err);
Hdfs__DatanodeStorage *storage_message(struct arena *arena, const char *id, enum storage_type type);

/* lifeline.c */
int64_t lifeline_interval_ms(const struct control *c);
/* A heartbeat goes out now: a lifeline is due when none follows in time. */
void lifeline_postpone(struct actor *a, int64_t now_ms);
void *lifeline_thread(void *actor);

/* incremental.c */
void queue_add(struct event_queue *q, const struct event *e);
void queue_fini(struct event_queue *q);
must_use int incremental_send(struct actor *a, struct err *err);

/* report.c */
must_use int full_report_send(struct actor *a, struct err *err);
must_use int bad_blocks_send(struct actor *a, struct err *err);
/* What failed disks there are to be told of; fatal_only: before the node stops. */
must_use int error_send(struct actor *a, bool fatal_only, struct err *err);

/* commands.c */
void commands_run(struct actor *a, Dp__DatanodeCommand **commands, size_t count);
