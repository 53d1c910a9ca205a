/* retry.h - which at-most-once calls have succeeded already. Door of namenode/retry.
 * Core: no clock, time is passed in. Thread: state.
 *
 * Whoever applies an edit that carries the ids of a call notes them here, live as well as on
 * replay; so a call that is repeated after a lost answer or a restart of the NameNode is known.
 * What is kept is the operation and the inode, from which the first answer is made again; failed
 * calls leave no edit and are executed again. */
#pragma once
#include "common/base/base.h"

enum { RETRY_CLIENT_ID_SIZE = 16 };

struct retry;
struct retry_settings {
    uint32_t max_entries; /* 0: nothing is remembered; beyond, the oldest goes */
    int64_t expiry_ms;
};
void retry_settings_defaults(struct retry_settings *s);
/* Entries for a share (in percent) of a heap of that many bytes, rounded as Hadoop does it. */
uint32_t retry_entries_for(double percent, uint64_t heap_bytes);

struct retry *retry_new(void); /* with the defaults; NULL: no memory */
void retry_free(struct retry *r);
/* Drops the oldest entries that are too many now. */
void retry_configure(struct retry *r, const struct retry_settings *s);
/* The time of what is noted from now on. Never goes back. */
void retry_set_now(struct retry *r, int64_t mono_ms);
/* After a replay, which has no time of its own: everything in it counts as noted just now. */
void retry_restart(struct retry *r, int64_t mono_ms);

/* An id of another size than 16, or a negative call id, is no repeatable call and is ignored. For
 * lack of memory the entry is left out: the call would be executed again. */
void retry_note(struct retry *r, struct slice client_id, int32_t call_id, uint8_t op,
                uint64_t inode_id);

struct retry_answer {
    uint8_t op;        /* the edit's code */
    uint64_t inode_id; /* of a file that was created; else 0 */
};
bool retry_find(const struct retry *r, struct slice client_id, int32_t call_id,
                struct retry_answer *ret);
uint32_t retry_count(const struct retry *r);
