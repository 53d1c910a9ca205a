/* reconf.h - settings of a running server that are read again. Door of common/reconf.
 * A table says which keys can be changed and how; a run, in a thread of its own, reads the same
 * files again and applies what differs from the settings in force. All functions are thread-safe.
 */
#pragma once
#include "common/conf/conf.h"
#include "common/rpc/rpc.h"

struct reconf_key {
    const char *name;
    /* Puts the value that `now` has into force; its type and range are right. A failure leaves what
     * was, and its text becomes the answer. On the run's thread, which may take its time. */
    int (*apply)(void *ctx, const struct conf *now, struct err *err);
};

struct reconf_options {
    const struct conf *conf; /* at start; copied */
    const struct reconf_key *keys;
    size_t key_count;
    void *ctx; /* of the functions */
};
struct reconf;
must_use int reconf_new(const struct reconf_options *o, struct reconf **ret, struct err *err);
/* Waits for a run. */
void reconf_free(struct reconf *r);
/* ERR_IO while another run is under way. */
must_use int reconf_start(struct reconf *r, struct err *err);
/* No run begins any more; waits for one. */
void reconf_stop(struct reconf *r);

struct reconf_change {
    char *name, *old_value; /* old_value "": it wasn't set */
    char *new_value;        /* NULL: it isn't set any more and has no default */
    char *error;            /* NULL: it is in force */
};
struct reconf_status {
    int64_t start_ms;                    /* wall time; 0: there was no run */
    int64_t end_ms;                      /* 0: it goes on */
    const struct reconf_change *changes; /* sorted by name */
    size_t change_count;
};
/* Calls back with the state of the last run, which holds during the call. */
void reconf_look(struct reconf *r, void (*cb)(void *ctx, const struct reconf_status *s), void *ctx);

/* answer.c: the calls. Each takes the rpc_call; whether the caller may is asked before. */
void reconf_answer_start(struct reconf *r, struct rpc_call *take_call);
void reconf_answer_status(struct reconf *r, struct rpc_call *take_call);
void reconf_answer_list(struct reconf *r, struct rpc_call *take_call);
