/* throttle.h - how many bytes a second may be used for something, and by how many at a time. Door
 * of datanode/throttle. All functions of a throttle are thread-safe; a NULL throttle limits
 * nothing. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/base.h"

/* --- the rule: pure, time is passed in ---
 * Bytes are allowed at a steady rate; what nobody took is kept for BUCKET_BURST_MS. Whoever comes
 * gets a place behind all who came before and waits until that place is allowed, so nobody
 * overtakes and a change of the rate counts for those who wait, too. */
enum { BUCKET_BURST_MS = 100 };
struct bucket {
    uint64_t rate; /* bytes a second; 0: no limit */
    uint64_t reserved, allowed;
    int64_t at_ns; /* of `allowed` */
};
void bucket_init(struct bucket *b, uint64_t rate, int64_t now_ns);
void bucket_set(struct bucket *b, uint64_t rate, int64_t now_ns);
/* A place for `bytes`. */
uint64_t bucket_reserve(struct bucket *b, uint64_t bytes, int64_t now_ns);
/* How long until the place is allowed; 0: it is. */
int64_t bucket_wait_ns(struct bucket *b, uint64_t place, int64_t now_ns);

/* --- a bucket with a lock and the clock --- */
struct throttle;
/* bytes_per_second 0: no limit. NULL: no memory. */
struct throttle *throttle_new(uint64_t bytes_per_second);
void throttle_free(struct throttle *t); /* nobody may be in it */
void throttle_set(struct throttle *t, uint64_t bytes_per_second);
uint64_t throttle_rate(struct throttle *t);
/* Returns when the bytes may go; at once after throttle_end. */
void throttle_use(struct throttle *t, uint64_t bytes);
/* For good: nobody waits any more, since the node stops. */
void throttle_end(struct throttle *t);

/* At most `limit` at a time; more are refused, as Hadoop refuses more moves of blocks than
 * dfs.datanode.balance.max.concurrent.moves. Without a limit (the start) everybody may enter. */
void throttle_set_limit(struct throttle *t, unsigned limit);
must_use bool throttle_enter(struct throttle *t); /* true: throttle_leave when done */
void throttle_leave(struct throttle *t);
unsigned throttle_inside(struct throttle *t);
