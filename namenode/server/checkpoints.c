/* checkpoints.c - when an image is written, and who waits for it.
 *
 * An image is due after a start that replayed edits, after so many transactions, after so much
 * time, and when an administrator says saveNamespace. The segment is ended first, so that the image
 * stands for whole segments; the copy is frozen between the two segments. Thread: state; the end of
 * a checkpoint comes as a message. Invariant: at most one runs. */
#include <inttypes.h>
#include <stdlib.h>

#include "client.pb-c.h"
#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/journal/journal.h"
#include "namenode/server/internal.h"

enum { RETRY_MS = 60000 };

/* What the checkpoint's thread tells; malloced. */
struct finished {
    struct message message;
    uint64_t txid;
    struct err err; /* code 0: success */
};

void checkpoints_init(struct server *s, const struct storage_loaded *loaded)
{
    struct checkpoints *c = &s->checkpoints;
    c->period_ms = conf_ms(s->conf, CONF_checkpoint_period);
    c->check_period_ms = conf_ms(s->conf, CONF_checkpoint_check_period);
    c->txns = conf_int(s->conf, CONF_checkpoint_txns);
    c->image_txid = loaded->image_txid;
    c->last_ms = c->checked_ms = clock_monotonic_ms();
    c->wanted = loaded->edits > 0 || loaded->image_damaged || loaded->dir_outdated;
}

static void answer_saves(struct nn_call *list, const struct err *err)
{
    while (list != NULL) {
        struct nn_call *call = list;
        list = call->next;
        Cp__SaveNamespaceResponse response;
        cp__save_namespace_response__init(&response);
        response.has_saved = true;
        response.saved = true;
        if (err->code != 0) {
            rpc_reply_error(call->call.rpc, err);
        } else {
            audit_log_put(call->server->audit, call->call.audit);
            rpc_reply(call->call.rpc, &response.base);
        }
    }
}

static int wait_durable(void *server, uint64_t txid)
{
    return gate_wait(&((struct server *)server)->gate, txid);
}

static void note_failure(struct checkpoints *c, uint64_t txid, const struct err *err)
{
    log_error("image could not be written txid=%" PRIu64 " why=%s", txid, log_quote(err->text));
    c->not_before_ms = clock_monotonic_ms() + RETRY_MS;
    c->wanted = true;
}

static void run_finished(struct server *s, struct message *m)
{
    struct finished *f = (struct finished *)m;
    struct checkpoints *c = &s->checkpoints;
    checkpoint_free(c->running);
    c->running = NULL;
    c->last_ms = clock_monotonic_ms();
    if (f->err.code == 0)
        c->image_txid = f->txid;
    else
        note_failure(c, f->txid, &f->err);
    answer_saves(c->joined, &f->err);
    c->joined = NULL;
    free(f);
}

/* On the checkpoint's thread, which ends right after. */
static void tell_finished(void *server, uint64_t txid, const struct err *err)
{
    struct server *s = server;
    struct finished *f = calloc(1, sizeof(*f));
    CHECK(f != NULL); /* without it nobody would learn of the end */
    f->message.run = run_finished;
    f->txid = txid;
    if (err != NULL)
        f->err = *err;
    inbox_put(&s->inbox, &f->message.node);
}

static void begin(struct server *s)
{
    struct checkpoints *c = &s->checkpoints;
    struct checkpoint_events events = {s, wait_durable, tell_finished};
    struct err err = {0};
    c->wanted = false;
    c->joined = c->waiting;
    c->waiting = NULL;
    storage_try_failed(s->storage);
    state_end_segment(s);
    int64_t start_ns = clock_monotonic_ns();
    int rc = checkpoint_start(s->storage, s->nn, &events, &c->running, &err);
    int64_t stall_us = (clock_monotonic_ns() - start_ns) / 1000;
    uint64_t txid = s->nn->last_txid;
    state_begin_segment(s);
    if (rc == 0) {
        log_info("image is being written txid=%" PRIu64 " stall_us=%" PRId64, txid, stall_us);
        return;
    }
    note_failure(c, txid, &err);
    answer_saves(c->joined, &err);
    c->joined = NULL;
}

static bool is_due(const struct server *s, int64_t mono_ms)
{
    const struct checkpoints *c = &s->checkpoints;
    uint64_t since = s->nn->last_txid - c->image_txid;
    if (since > (uint64_t)c->txns)
        return true;
    /* the two edits that only end and begin a segment are nothing to save */
    return since > 2 && mono_ms - c->last_ms >= c->period_ms;
}

void checkpoints_tick(struct server *s, int64_t mono_ms)
{
    struct checkpoints *c = &s->checkpoints;
    if (c->running != NULL || mono_ms < c->not_before_ms)
        return;
    if (!c->wanted) {
        if (mono_ms - c->checked_ms < c->check_period_ms)
            return;
        c->checked_ms = mono_ms;
        if (!is_due(s, mono_ms))
            return;
    }
    begin(s);
}

void checkpoints_start_waiting(struct server *s)
{
    if (s->checkpoints.waiting != NULL && s->checkpoints.running == NULL)
        begin(s);
}

/* Only queues: the handler is still in its turn, and the copy is made at a quiet point. */
void checkpoints_save(void *server, struct rpc_call *take_call)
{
    struct server *s = server;
    struct nn_call *call = take_call->owner_data;
    call->next = s->checkpoints.waiting;
    s->checkpoints.waiting = call;
}

void checkpoints_stop(struct server *s)
{
    struct checkpoints *c = &s->checkpoints;
    struct err err = {0};
    (void)fail(&err, ERR_RETRIABLE, "the NameNode is stopping");
    answer_saves(c->waiting, &err);
    c->waiting = NULL;
    /* joins its thread, so its message is in the inbox now */
    checkpoint_free(c->running);
    c->running = NULL;
}
