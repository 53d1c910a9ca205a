/* sim.h - a NameNode's core with model DataNodes and model writers on a virtual clock.
 * One thread, no real time, all randomness from the seed: the same seed is the same run, bit for
 * bit. The NameNode is the real one without its threads: handlers, namespace, journal (in memory),
 * blocks, nodes. What a model DataNode holds is the truth (`truth`, `held`) that the checkers
 * compare with what the NameNode believes. */
#pragma once
#include "client.pb-c.h"
#include "datanode.pb-c.h"
#include "namenode/blocks/blocks.h"
#include "namenode/handlers/handlers.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, SIM_DISKS = 3, SIM_TARGETS = 16, SIM_PATH = 48 };

struct sim;
struct peer;

/* ---- world.c: clock, events, trace, failure ---- */

typedef void event_fn(struct sim *s, void *ctx, uint64_t arg);
struct event {
    int64_t at;
    uint64_t order;
    event_fn *run;
    void *ctx;
    uint64_t arg;
};

/* What one run is like; chosen by the seed, or by hand. */
struct sim_options {
    uint64_t seed;
    uint32_t peers, racks, files;
    int64_t faulty_ms; /* how long faults go on */
    bool restarts, draining, trace;
};

/* A line of the trace: kept as numbers, printed only when something is wrong. */
struct trace_line {
    int64_t at;
    const char *what;
    uint32_t peer; /* UINT32_MAX: none */
    uint64_t block, a, b;
};

/* ---- disk.c: what is really on the disks ---- */

struct held {
    uint32_t peer;
    uint8_t disk;
    uint8_t state; /* enum replica_state */
    bool gone;     /* it was here; kept to know why it isn't */
    bool rotten, hurt;
    bool told; /* the NameNode was told what happened to it last */
    uint64_t stamp, length;
    uint64_t changed; /* number of the event that made it gone or hurt */
};

struct truth {
    uint64_t id;
    struct held *at;
    uint32_t count, capacity;
    uint32_t made, destroyed; /* good ones when it was finished; of those, taken by faults since */
    uint32_t file;            /* index + 1; 0: none any more */
};

/* ---- the DataNode's side ---- */

struct told {
    uint64_t id, stamp, length;
    uint8_t status; /* enum received_status */
    uint8_t disk;
};

struct told_list {
    struct told *at;
    uint32_t count, capacity;
};

struct order {
    enum { ORDER_COPY, ORDER_DELETE, ORDER_RECOVER } kind;
    uint64_t id, stamp, length, new_stamp, cut_length;
    bool cut;
    uint32_t targets[SIM_TARGETS], target_count; /* peers */
};

enum message_kind { SAY_REGISTER, SAY_BEAT, SAY_CHANGES, SAY_REPORT };

struct message {
    uint32_t refs;
    enum message_kind kind;
    struct peer *from;
    uint32_t incarnation, epoch;
    bool lost_answer;
    uint64_t snapshot; /* the event at which a full report or heartbeat was made, and */
    uint32_t disks;    /* the working ones then: a bit each */
    struct rpc_call rpc;
    struct call call;
    struct told_list sent;
    /* the answer */
    int rc;
    bool must_register;
    uint64_t lease;
    struct order *orders;
    uint32_t order_count;
    struct message *next; /* of those that the NameNode takes in turns */
};

struct peer {
    uint32_t id, rack;
    bool up, cut, registered, lasting; /* lasting: down for good */
    uint32_t incarnation;
    struct message *out; /* what it waits for */
    bool waking;
    int64_t beat_due, changes_due, report_due, paused_until;
    uint64_t lease;
    struct told_list changes;
    uint32_t disk_number[SIM_DISKS]; /* counts replacements */
    bool disk_bad[SIM_DISKS];
    uint32_t failed_volumes, copies, slowness;
    uint32_t copies_ordered;
};

/* ---- the writer's side ---- */

struct file {
    bool used, open, dead_writer, closing;
    char path[SIM_PATH], holder[32];
    uint32_t replication, life; /* life: of the writer; older events are void */
    uint64_t *ids;
    uint32_t count, capacity;
    uint64_t stamp, length; /* of the block that is written */
    struct {
        uint32_t peer;
        uint8_t disk;
    } pipe[SIM_TARGETS];
    uint32_t pipe_count, blocks_wanted, tries;
    int64_t renewed_ms;
};

struct sim_counts {
    uint64_t events, registrations, beats, changes, reports, report_turns, copies, deletions,
        recoveries, copied, files, appends, truncates, restarts, crashes, lost_blocks, checks,
        stale_reports;
    int64_t settled_ms;
};

struct sim {
    struct sim_options o;
    struct rng rng;
    int64_t now, wall_offset;
    struct event *heap;
    size_t heap_count, heap_capacity;
    uint64_t next_order;
    uint64_t fingerprint; /* of all that happened */
    struct trace_line *trace;
    size_t trace_count, trace_capacity;
    bool faults;

    struct nn *nn;
    struct nn_settings settings;
    struct handler_env env;
    struct rng nn_rng;
    struct buf journal;
    struct rpc_protocol protocol;
    struct rpc_call rpc; /* of the last call of a writer */
    struct call call;
    uint32_t epoch; /* counts restarts */
    bool nn_down;
    int64_t safe_mode_since;
    struct message *turns;

    struct peer *peers;
    struct truth **truths; /* by id - FIRST_BLOCK_ID */
    size_t truth_count, truth_capacity;
    struct file *files;
    uint32_t names; /* of files, ever */
    uint32_t live_writers;
    int64_t report_interval_ms, changes_interval_ms;
    struct sim_counts counts;
};

void sim_init(struct sim *s, const struct sim_options *o);
void sim_fini(struct sim *s);
void sim_at(struct sim *s, int64_t at, event_fn *run, void *ctx, uint64_t arg);
void sim_run_until(struct sim *s, int64_t at);
void sim_trace(struct sim *s, const char *what, uint32_t peer, uint64_t block, uint64_t a,
               uint64_t b);
_Noreturn void sim_fail(struct sim *s, uint64_t block, uint32_t peer, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void *sim_grow(void *at, size_t count, uint32_t *capacity, size_t size);

static inline bool chance(struct sim *s, uint64_t one_in)
{
    return rng_below(&s->rng, one_in) == 0;
}
static inline int64_t between(struct sim *s, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&s->rng, (uint64_t)(high - low + 1));
}

/* ---- name.c: the NameNode ---- */

void name_start(struct sim *s);
void name_stop(struct sim *s);
/* Ends it and starts another on its journal; the digests must be equal. */
void name_restart(struct sim *s);
int name_client(struct sim *s, enum client_method method, ProtobufCMessage *request);
void name_prepare(struct sim *s, struct rpc_call *rpc, struct call *call,
                  const struct rpc_method *method, ProtobufCMessage *request);
void name_tick(struct sim *s, void *ctx, uint64_t arg);
void name_finish_turns(struct sim *s);
static inline struct blocks *blocks_in(struct sim *s)
{
    return s->nn->blocks;
}

/* ---- disk.c ---- */

struct truth *truth_of(struct sim *s, uint64_t id); /* NULL: never heard of */
struct truth *truth_need(struct sim *s, uint64_t id);
struct held *held_find(struct truth *t, uint32_t peer); /* gone ones, too */
struct held *held_here(struct truth *t, uint32_t peer); /* NULL also if gone */
struct held *held_put(struct sim *s, struct truth *t, uint32_t peer, uint8_t disk, uint8_t state,
                      uint64_t stamp, uint64_t length);
void held_drop(struct sim *s, struct held *h);
/* FINALIZED, not rotten, and as the NameNode has recorded the block. */
bool held_good(const struct held *h, const struct block_info *info);
bool truth_info(struct sim *s, const struct truth *t, struct block_info *ret, handle_t *ret_block);
uint32_t truth_good(struct sim *s, const struct truth *t, const struct block_info *info,
                    uint32_t but);
void truth_finished(struct sim *s, uint64_t id);
void truth_damage(struct sim *s, struct truth *t, struct held *h);

/* ---- peer.c: the life of a DataNode; say.c: what it says; orders.c: what it is ordered ---- */

void peer_wake(struct sim *s, struct peer *p, int64_t at);
void peer_init(struct sim *s, uint32_t i);
void peer_crash(struct sim *s, struct peer *p);
void peer_restart(struct sim *s, struct peer *p);
void peer_lose_disk(struct sim *s, struct peer *p, uint32_t disk, bool replaced);
void peer_change(struct sim *s, struct peer *p, const struct held *h, uint64_t id,
                 enum received_status status);
static inline bool peer_reachable(const struct sim *s, const struct peer *p)
{
    return p->up && !p->cut && p->paused_until <= s->now;
}
struct message *say_new(struct sim *s, struct peer *p, enum message_kind kind);
void say_unref(struct message *m);
/* Runs it in the NameNode (one turn). True: done. */
bool say_arrive(struct sim *s, struct message *m);
void told_push(struct told_list *l, const struct told *t);
uint32_t peer_named(const char *uuid);
uint8_t disk_named(const char *uuid);
char *peer_uuid(struct arena *a, const struct peer *p);
char *disk_uuid(struct arena *a, const struct peer *p, uint32_t disk);
void orders_run(struct sim *s, struct peer *p, const struct order *orders, uint32_t count);
void recovery_run(struct sim *s, struct peer *p, const struct order *o);

/* ---- writer.c, files.c ---- */

void files_init(struct sim *s);
void file_operate(struct sim *s); /* one random operation of some user */
void file_new(struct sim *s);
void file_kill_writer(struct sim *s, struct file *f);
void file_forget(struct sim *s, struct file *f);
bool file_is_closed(struct sim *s, const struct file *f);
bool files_settled(struct sim *s, uint64_t *ret_block);
void writer_start(struct sim *s, struct file *f, bool append);

/* ---- faults.c ---- */

void faults_step(struct sim *s, void *ctx, uint64_t arg);
void faults_end(struct sim *s);

/* ---- check.c ---- */

void check_orders(struct sim *s, const struct peer *p, const struct message *m);
void check_beliefs(struct sim *s);
void check_sums(struct sim *s);
/* NULL: all blocks are as they shall be when nothing happens any more; else what isn't. */
const char *check_settled(struct sim *s, uint64_t *ret_block);
bool check_at_rest(struct sim *s); /* no work is left, also for no deleted block */
void check_end(struct sim *s);

/* run.c */
uint64_t sim_run(const struct sim_options *o, struct sim_counts *ret);
void sim_options_of(uint64_t seed, struct sim_options *ret);
/* scale.c */
int scale_main(int argc, char **argv);
