/* internal.h - shared by the files of libdfs/io only. */
#pragma once
#include <pthread.h>

#include "common/io/io.h"
#include "libdfs/io/io.h"

/* getBlockLocations into a fresh page. ERR_NOT_FOUND when there is no such file. */
must_use int fetch_page(struct io_env *env, const char *path, uint64_t offset, uint64_t length,
                        struct rd_page **ret, struct err *err);
/* Bytes of a block under construction that may be read; 0 when no node has it yet. */
must_use int open_block_length(struct io_env *env, const Hdfs__LocatedBlock *block, uint64_t *ret,
                               struct err *err);

/* block_in.c: OP_READ_BLOCK for the bytes [from, to), and what its answer begins. */
must_use int send_read(struct dnc *c, const struct io_env *env, const Hdfs__ExtendedBlock *block,
                       const Rpc__Token *token, uint64_t from, uint64_t to, struct err *err);
must_use int start_flow(struct rd_flow *f, const Xfer__BlockOpResponse *answer, uint64_t from,
                        uint64_t to, struct err *err);

/* unit_in.c: one OP_READ_BLOCK that never waits; its owner polls. */
struct unit_in;
/* Borrows node and token. */
must_use int unit_in_open(struct io_env *env, const Hdfs__DatanodeID *node,
                          const Hdfs__ExtendedBlock *block, const Rpc__Token *token, uint64_t from,
                          uint64_t to, struct unit_in **ret, struct err *err);
/* What is there of the next `size` bytes, checked; *ret 0: nothing now. After that the next call
 * must continue at the same place (data + *ret) with unit_in_busy bytes of room, if that isn't 0.
 * size 0 only gets the connection going. */
must_use int unit_in_read(struct unit_in *u, void *data, size_t size, size_t *ret, struct err *err);
/* Unchecked bytes are in the caller's memory: how much room they have there. 0: none are. */
size_t unit_in_busy(const struct unit_in *u);
bool unit_in_started(const struct unit_in *u); /* the DataNode has accepted the request */
int unit_in_fd(const struct unit_in *u);
short unit_in_events(const struct unit_in *u);
uint64_t unit_in_position(const struct unit_in *u);
uint64_t unit_in_end(const struct unit_in *u);
int64_t unit_in_heard_ms(const struct unit_in *u); /* monotonic: when the last byte came */
void unit_in_close(struct unit_in *u);

/* group_in.c: the bytes [position, end) of a block group; as block_in, but lost, corrupt and slow
 * units are its own business as long as enough are left. */
struct group_owner {
    void *arg;
    bool (*is_dead)(void *arg, const Hdfs__DatanodeInfo *node);
    /* The location doesn't deliver: why->code ERR_CHECKSUM, ERR_TIMEOUT (or merely slow), ... */
    void (*failed)(void *arg, const Hdfs__LocatedBlock *group, const Hdfs__ExtendedBlock *internal,
                   unsigned location, const struct err *why);
    /* One that was dead has delivered. */
    void (*worked)(void *arg, const Hdfs__DatanodeInfo *node);
};
struct group_in;
/* Connects to nobody yet. Borrows all it is given. */
must_use int group_in_open(struct io_env *env, const struct rd_group *group,
                           const Hdfs__LocatedBlock *block, const struct ec_coder *coder,
                           const struct group_owner *owner, uint64_t position, uint64_t end,
                           struct group_in **ret, struct err *err);
/* At least one byte unless the range is done (*ret 0). ERR_BLOCK_MISSING: too few units are left;
 * the text says what each has said. */
must_use int group_in_read(struct group_in *g, void *data, size_t size, size_t *ret,
                           struct err *err);
uint64_t group_in_position(const struct group_in *g);
uint64_t group_in_end(const struct group_in *g);
void group_in_skip(struct group_in *g, uint64_t size); /* at most to the end of the range */
void group_in_close(struct group_in *g);
