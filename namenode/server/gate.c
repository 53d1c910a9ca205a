/* gate.c - no answer shows what a power cut could take back.
 *
 * A call that ended at transaction n, whether it changed something or only looked, is answered when
 * n is durable. The state's thread adds in order of n, the journal's thread releases from the
 * front. Invariants: (1) wait_txid never falls along the queue; (2) nothing in the queue is
 * durable. */
#include "namenode/server/internal.h"

void gate_init(struct gate *g)
{
    *g = (struct gate){.durable = 0};
    g->tail = &g->head;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->moved, NULL);
}

void gate_fini(struct gate *g)
{
    CHECK(g->head == NULL);
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->lock);
}

static void send_encoded(struct nn_call *take_call)
{
    if (take_call->call.audit.size > 0)
        audit_log_put(take_call->server->audit, take_call->call.audit);
    if (take_call->failed)
        rpc_reply_error(take_call->call.rpc, &take_call->call.err);
    else
        rpc_reply_send(take_call->call.rpc);
}

/* The gate is closed: what it saw never gets durable. */
static void fail_late(struct nn_call *take_call)
{
    take_call->failed = true;
    (void)fail(&take_call->call.err, ERR_RETRIABLE, "the NameNode is stopping");
    rpc_reply_error(take_call->call.rpc, &take_call->call.err);
}

void gate_pass(struct gate *g, struct nn_call *take_call)
{
    if (!take_call->failed &&
        rpc_reply_encode(take_call->call.rpc, take_call->call.response) != 0) {
        take_call->failed = true;
        (void)fail(&take_call->call.err, ERR_NO_MEMORY, "no memory for the answer");
    }
    take_call->next = NULL;
    pthread_mutex_lock(&g->lock);
    bool waits = take_call->wait_txid > g->durable, late = waits && g->closed;
    if (waits && !late) {
        *g->tail = take_call;
        g->tail = &take_call->next;
    }
    pthread_mutex_unlock(&g->lock);
    if (late)
        fail_late(take_call);
    else if (!waits)
        send_encoded(take_call);
}

void gate_open(struct gate *g, uint64_t txid)
{
    pthread_mutex_lock(&g->lock);
    g->durable = txid;
    struct nn_call *ready = g->head, **end = &g->head;
    while (*end != NULL && (*end)->wait_txid <= txid)
        end = &(*end)->next;
    if (end == &g->head) {
        ready = NULL;
    } else {
        g->head = *end;
        *end = NULL;
        if (g->head == NULL)
            g->tail = &g->head;
    }
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
    while (ready != NULL) {
        struct nn_call *c = ready;
        ready = c->next;
        send_encoded(c);
    }
}

int gate_wait(struct gate *g, uint64_t txid)
{
    pthread_mutex_lock(&g->lock);
    while (g->durable < txid && !g->closed)
        pthread_cond_wait(&g->moved, &g->lock);
    int rc = g->durable >= txid ? 0 : ERR_CLOSED;
    pthread_mutex_unlock(&g->lock);
    return rc;
}

void gate_close(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    struct nn_call *left = g->head;
    g->head = NULL;
    g->tail = &g->head;
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
    while (left != NULL) {
        struct nn_call *c = left;
        left = c->next;
        fail_late(c);
    }
}
