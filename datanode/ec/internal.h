/* internal.h - what the files of datanode/ec share. */
#pragma once
#include <stdatomic.h>

#include "common/ec/ec.h"
#include "common/rpc/rpc.h"
#include "datanode/ec/reconstruct.h"

enum { MAX_SOURCES = 64, MAX_FDS = MAX_SOURCES + EC_MAX_UNITS, TASK_MEMORY = 1 << 20 };

/* --- order.c: what a NameNode wants --- */

struct order_source {
    unsigned index;
    const Hdfs__DatanodeInfo *node;
};
struct order_target {
    unsigned index;
    const Hdfs__DatanodeInfo *node;
    bool has_type;
    Hdfs__StorageType type;
    const char *storage_id; /* NULL: any */
};
struct order {
    const char *pool_id;
    struct block group; /* length: bytes of data */
    struct ec_policy policy;
    size_t source_count, target_count;
    struct order_source sources[MAX_SOURCES];
    struct order_target targets[EC_MAX_UNITS];
    uint32_t empty; /* bits of the data units that have no bytes: known, and never stored */
};
/* Checks the message; the order points into it. Nothing is to be made: ERR_PROTOCOL, too. */
must_use int order_take(const Hdfs__BlockECReconstructionInfo *m, struct order *ret,
                        struct err *err);
static inline uint64_t order_length(const struct order *o, unsigned index)
{
    return ec_internal_length(&o->policy, o->group.length, index);
}
static inline uint64_t order_block_id(const struct order *o, unsigned index)
{
    return o->group.id + index;
}
/* Real inputs that a reconstruction needs besides the empty units. */
static inline unsigned order_inputs(const struct order *o)
{
    return o->policy.data_units - (unsigned)__builtin_popcount(o->empty);
}

/* --- settings and the connections of a running task, so that a stopping node ends them --- */

struct rebuild_settings {
    const struct pipeline_config *pipeline;
    uint32_t slice; /* bytes of a unit at a time */
    int slow_ms;    /* a source that needs longer for a slice is slow */
    struct throttle *read, *write;
    rebuilder_bad bad_here;
    void *bad_ctx;
    /* A source elsewhere has wrong bytes. */
    void (*bad_there)(void *ctx, const struct order *o, const struct order_source *s);
    void *there_ctx;
};

struct wires {
    pthread_mutex_t lock; /* guards the rest */
    int fds[MAX_FDS];
    unsigned count;
    bool stopped;
};
void wires_init(struct wires *w);
void wires_fini(struct wires *w);
void wires_stop(struct wires *w);
bool wires_stopped(struct wires *w);
/* Connects to a node; the descriptor is known to the wires until wires_close. */
must_use int wires_connect(struct wires *w, const struct pipeline_config *config,
                           const Hdfs__DatanodeID *id, int connect_ms, int read_ms, int write_ms,
                           int *ret_fd, struct err *err);
void wires_close(struct wires *w, int fd);

/* --- source.c: an internal block that is read --- */

struct source {
    const struct order *order;
    const struct order_source *at_node;
    const struct rebuild_settings *settings;
    struct wires *wires;
    uint64_t length, at; /* of the internal block; the next byte that nobody took */
    enum { SOURCE_UNTRIED, SOURCE_OPEN, SOURCE_SLOW, SOURCE_FAILED } state;
    bool local, patient; /* patient: slowness is borne, nobody else is left */
    struct xfer_in in;
    struct replica_reader replica;
    struct crc_kind kind;
    struct xfer_packet packet; /* the current one */
    uint32_t packet_done;      /* bytes of its data that were read */
    uint64_t packet_at;        /* where the packets have come in the block */
    uint8_t *sums, *bytes;     /* checksums of a packet; a piece of its data */
    size_t sums_size, sums_room, room;
    size_t head, size; /* of the piece: what nobody took yet */
};
void source_init(struct source *s, const struct order *o, const struct order_source *at_node,
                 const struct rebuild_settings *settings, struct wires *wires);
/* From byte `at` on, which is inside. */
must_use int source_open(struct source *s, uint64_t at, struct err *err);
/* At least one byte is there. ERR_CHECKSUM: its bytes are wrong. */
must_use int source_fill(struct source *s, struct err *err);
static inline const uint8_t *source_bytes(const struct source *s)
{
    return s->bytes + s->head;
}
void source_used(struct source *s, size_t size);
void source_close(struct source *s);
/* Tells whoever must know that its bytes are wrong. */
void source_blame(const struct source *s);

/* The checksum over a whole internal block at another node, made from its stored checksums. */
struct whole_sum {
    enum crc_type type;
    uint32_t crc;
};
must_use int whole_sum_ask(const struct order *o, const struct order_source *at_node,
                           const struct rebuild_settings *settings, struct wires *wires,
                           struct whole_sum *ret, struct err *err);

/* --- target.c: an internal block that is written --- */

struct target {
    const struct order *order;
    const struct order_target *at_node;
    const struct rebuild_settings *settings;
    struct wires *wires;
    uint64_t length, sent; /* sent: without what waits in the packet */
    int fd;
    bool failed;
    struct crc_kind kind;
    uint8_t *memory, *data; /* of the packet: header and checksums before the data */
    size_t room, fill;
    int64_t seqno;
};
/* Sets it up; what can't be reached is failed at once. ERR_NO_MEMORY only. */
must_use int target_open(struct target *t, const struct order *o,
                         const struct order_target *at_node,
                         const struct rebuild_settings *settings, struct wires *wires,
                         struct crc_kind kind, struct err *err);
/* Is the byte `at` of the units part of it? Behind its end the space is for zeros nobody keeps. */
static inline bool target_wants(const struct target *t)
{
    return !t->failed && t->sent + t->fill < t->length;
}
/* Where the next bytes go; *ret_room: how many. */
uint8_t *target_space(const struct target *t, size_t *ret_room);
void target_add(struct target *t, size_t size);
/* All bytes are there and right: the node may keep them. */
void target_commit(struct target *t);
/* Waits until it has; fails the target when it is known that it hasn't. */
void target_await(struct target *t);
void target_close(struct target *t);

/* --- rebuild.c --- */

/* Makes what the order wants, or an error and nothing. ERR_CORRUPT: the units don't fit each
 * other. Bad sources were told of. *ret_made: targets that have theirs. */
must_use int rebuild_run(const struct order *o, const struct rebuild_settings *settings,
                         struct wires *wires, unsigned *ret_made, struct err *err);

/* --- culprit.c: the units don't fit each other --- */

/* Reads all; the one without which the others fit is told of, when there is exactly one. */
void culprit_find(const struct order *o, const struct rebuild_settings *settings,
                  struct wires *wires);
