/* state.c - the one thread that owns the namespace, the blocks and the nodes.
 *
 * It takes what other threads put into the inbox, in order, runs it to its end and hands the answer
 * to the gate. Between two takes it does what is due: leases, heartbeats, replication, deleted
 * trees, all in slices, so that a turn stays short. Invariants: (1) nn changes on this thread only;
 * (2) an edit is queued for the journal before it is applied, and both happen or none; (3) the
 * journal is kicked at the end of each take and after KICK_EVERY messages. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/blocks/blocks.h"
#include "namenode/drain/drain.h"
#include "namenode/hosts/hosts.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"
#include "namenode/retry/retry.h"
#include "namenode/server/internal.h"

enum {
    KICK_EVERY = 128,
    SECOND_MS = 1000,
    BLOCKS_TICK_MS = 500,
    BLOCKS_BUDGET = 2000,     /* block visits of a slice, about a millisecond */
    DRAIN_BUDGET = 2000,      /* blocks of nodes that leave */
    COLLECT_BUDGET = 2000,    /* inodes of deleted trees */
    MAX_IDLE_EDIT = 64 << 10, /* scratch beyond that is given back */
};

int state_commit(void *server, struct edit *e, struct err *err)
{
    struct server *s = server;
    e->txid = s->nn->last_txid + 1;
    buf_clear(&s->scratch);
    TRY(edit_encode(&s->scratch, e, err));
    struct slice bytes = {buf_head(&s->scratch), buf_size(&s->scratch)};
    TRY(edit_log_append(s->log, e->txid, bytes, err));
    struct err why = {0};
    if (edit_apply(s->nn, e, &why) != 0) {
        /* the edit is in the journal's hands: memory that doesn't follow it must not serve anybody
         */
        log_error("edit that was accepted can't be applied txid=%" PRIu64 " op=%s why=%s", e->txid,
                  edit_op_name(e->code), log_quote(why.text));
        abort();
    }
    if (s->scratch.capacity > MAX_IDLE_EDIT)
        buf_fini(&s->scratch);
    return 0;
}

static void commit_mark(struct server *s, enum edit_code code)
{
    struct edit e = {.code = (uint8_t)code};
    struct err err = {0};
    if (state_commit(s, &e, &err) != 0) {
        log_error("segment of the journal can't be changed why=%s", log_quote(err.text));
        abort();
    }
}

void state_end_segment(struct server *s)
{
    commit_mark(s, OP_end_log_segment);
    edit_log_end_segment(s->log);
}

void state_begin_segment(struct server *s)
{
    commit_mark(s, OP_start_log_segment);
    edit_log_kick(s->log);
}

static int roll_edits(void *server, uint64_t *ret_txid, struct err *err)
{
    (void)err;
    struct server *s = server;
    storage_try_failed(s->storage);
    state_end_segment(s);
    state_begin_segment(s);
    *ret_txid = s->nn->last_txid;
    return 0;
}

/* NULL: only asks. */
static bool restore_failed(void *server, const bool *set)
{
    struct server *s = server;
    if (set != NULL)
        storage_set_restores(s->storage, *set);
    return storage_restores(s->storage);
}

static bool upgrade_is_open(void *server)
{
    return storage_keeps_previous(((struct server *)server)->storage);
}

static int finalize_upgrade(void *server, struct err *err)
{
    return storage_finalize_upgrade(((struct server *)server)->storage, err);
}

static uint64_t image_txid(void *server)
{
    return ((struct server *)server)->checkpoints.image_txid;
}

static void set_hosts(void *server, struct hosts *hosts)
{
    struct server *s = server;
    hosts_free(s->hosts);
    s->env.hosts = s->hosts = hosts;
}

/* ---- a text for the administrator ---- */

struct text_file {
    struct server *server;
    struct call *call;
    const char *name; /* the call's arena */
    struct buf text;
};

static int write_text(const struct text_file *f, struct err *err)
{
    const char *dir = conf_str(f->server->conf, CONF_log_dir);
    char path[1024];
    if (snprintf(path, sizeof(path), "%s/%s", dir, f->name) >= (int)sizeof(path))
        return fail(err, ERR_IO, "%s: the path is too long", f->name);
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return fail_errno(err, "%s", path);
    size_t size = buf_size(&f->text);
    bool written = fwrite(f->text.data + f->text.start, 1, size, out) == size;
    int rc = written ? 0 : fail_errno(err, "write %s", path);
    if (fclose(out) != 0 && rc == 0)
        rc = fail_errno(err, "close %s", path);
    return rc;
}

/* On a worker. */
static void save_on_worker(void *arg)
{
    struct text_file *f = arg;
    struct call *c = f->call;
    int rc = write_text(f, &c->err);
    buf_fini(&f->text);
    if (rc == 0)
        rpc_reply(c->rpc, c->response);
    else
        rpc_reply_error(c->rpc, &c->err);
}

static void save_text(void *server, struct call *c, const char *name, struct buf *text)
{
    enum { MAX_WAITING = 100 };
    struct server *s = server;
    struct text_file *f = arena_new(&c->rpc->arena, struct text_file);
    if (f != NULL)
        *f = (struct text_file){s, c, name, *text};
    if (f != NULL && workers_submit(s->workers, save_on_worker, f, MAX_WAITING) == 0)
        return;
    buf_fini(text);
    (void)fail(&c->err, ERR_BUSY, "the text can't be written now");
    rpc_reply_error(c->rpc, &c->err);
}

void state_node_moved(void *server, uint32_t node, enum admin_state from, enum admin_state to)
{
    static const char *const names[] = {
        [ADMIN_NORMAL] = "in-service",
        [ADMIN_DECOMMISSION_IN_PROGRESS] = "decommission-in-progress",
        [ADMIN_DECOMMISSIONED] = "decommissioned",
        [ADMIN_ENTERING_MAINTENANCE] = "entering-maintenance",
        [ADMIN_IN_MAINTENANCE] = "in-maintenance",
    };
    const struct server *s = server;
    const struct node *n = nodes_at(s->nn->nodes, node);
    log_info("DataNode changes its admin state node=%s:%u from=%s to=%s alive=%s", n->ip,
             n->xfer_port, names[from], names[to], n->alive ? "yes" : "no");
}

/* ---- time ---- */

static void each_second(struct server *s, int64_t mono_ms)
{
    struct err err = {0};
    if (handlers_tick(&s->env, clock_wall_ms(), mono_ms, &err) != 0)
        log_limited(LOG_WARN, "leases could not be looked at why=%s", log_quote(err.text));
    checkpoints_tick(s, mono_ms);
    s->work_left |= trash_tick(s, clock_wall_ms());
    status_tick(s, mono_ms);
}

static void run_due(struct server *s)
{
    int64_t mono_ms = clock_monotonic_ms();
    ns_set_now(s->nn->ns, mono_ms);
    retry_set_now(s->nn->retry, mono_ms);
    if (mono_ms >= s->next_second_ms) {
        s->next_second_ms = mono_ms + SECOND_MS;
        each_second(s, mono_ms);
    }
    if (s->work_left || mono_ms >= s->next_blocks_ms) {
        s->next_blocks_ms = mono_ms + BLOCKS_TICK_MS;
        s->work_left = blocks_tick(s->nn->blocks, mono_ms, &s->rng, BLOCKS_BUDGET);
        s->work_left |= drain_tick(s->drain, clock_wall_ms(), mono_ms, DRAIN_BUDGET);
    }
    s->work_left |= nn_collect(s->nn, COLLECT_BUDGET);
    if (s->trash.running)
        s->work_left |= trash_tick(s, clock_wall_ms());
}

/* ---- the thread ---- */

static void run_messages(struct server *s, struct inbox_node *list)
{
    unsigned since_kick = 0;
    while (list != NULL) {
        struct message *m = (struct message *)list;
        list = list->next;
        m->run(s, m);
        if (++since_kick == KICK_EVERY) {
            edit_log_kick(s->log);
            net_run_lifelines(s);
            since_kick = 0;
        }
    }
    edit_log_kick(s->log);
}

/* The network brings nothing new any more; long work comes back until it is done. */
static void run_the_rest(struct server *s)
{
    struct inbox_node *list;
    while ((list = inbox_take_all(&s->inbox, 0)) != NULL)
        run_messages(s, list);
    net_run_lifelines(s);
}

static int64_t idle_ms(const struct server *s)
{
    if (s->work_left)
        return 0;
    int64_t next = s->next_second_ms < s->next_blocks_ms ? s->next_second_ms : s->next_blocks_ms;
    int64_t left = next - clock_monotonic_ms();
    return left > 0 ? left : 0;
}

static void *state_main(void *arg)
{
    struct server *s = arg;
    state_begin_segment(s);
    while (!atomic_load(&s->stopping)) {
        struct inbox_node *list = inbox_take_all(&s->inbox, idle_ms(s));
        ns_set_now(s->nn->ns, clock_monotonic_ms());
        run_messages(s, list);
        checkpoints_start_waiting(s);
        net_run_lifelines(s); /* before anybody is declared dead */
        run_due(s);
        edit_log_kick(s->log);
    }
    run_the_rest(s);
    checkpoints_stop(s);
    run_the_rest(s);
    state_end_segment(s);
    return NULL;
}

int state_start(struct server *s, struct err *err)
{
    s->env.shell = (struct handler_shell){s,
                                          state_commit,
                                          roll_edits,
                                          checkpoints_save,
                                          restore_failed,
                                          upgrade_is_open,
                                          finalize_upgrade,
                                          image_txid,
                                          set_hosts,
                                          save_text};
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int eno = pthread_create(&s->state_thread, NULL, state_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (eno != 0)
        return fail_errno_at(err, eno, __FILE__, __LINE__, "state's thread");
    pthread_setname_np(s->state_thread, "state");
    s->state_running = true;
    return 0;
}

void state_stop(struct server *s)
{
    if (!s->state_running)
        return;
    atomic_store(&s->stopping, true);
    inbox_close(&s->inbox);
    pthread_join(s->state_thread, NULL);
    s->state_running = false;
}
