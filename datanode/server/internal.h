/* internal.h - what the files of datanode/server share. */
#pragma once
#include <stdatomic.h>
#include <uv.h>

#include "datanode/server/server.h"

enum {
    PARKED_BYTES = 8 * 1024, /* buffered before an operation is complete */
    OP_MEMORY = 16 << 20,    /* a decoded operation; messages are at most XFER_MAX_HEADER */
    TICK_MS = 500
};

enum conn_state { CONN_PARKED, CONN_RUNNING, CONN_CLOSING };

/* Owned by the loop; while RUNNING, all but state, list and watch belong to the worker. */
struct conn {
    struct data_server *server;
    struct conn *prev, *next;
    uv_poll_t poll;
    enum conn_state state;
    struct xfer_in in; /* in.fd: the connection, closed by the loop only */
    struct arena arena;
    enum xfer_opcode op;
    ProtobufCMessage *message; /* NULL: the worker reads the rest of a long one */
    bool status_owed;          /* the peer's ClientReadStatus comes before its next operation */
    int64_t deadline_ms;
    int result; /* of the operation */
    struct transfer_watch watch;
    struct inbox_node node;
};

struct data_server {
    struct data_server_options options;
    uv_loop_t loop;
    uv_poll_t listener;
    uv_timer_t tick;
    uv_async_t wake;
    int listen_fd;
    uint16_t port;
    pthread_t thread;
    struct workers *workers;
    struct inbox returned; /* connections whose operation ended */
    atomic_bool stopping, restarting;
    struct conn *conns; /* all; utlist's doubly linked list */
    size_t conn_count, max_conns;
    bool accept_paused, closing;
};

/* parked.c, on the loop */
void conn_accept(struct data_server *s, int fd);
void conn_returned(struct conn *c);
void conn_close(struct conn *c);
void conn_tick(struct data_server *s, int64_t now_ms);

/* transfer.c, on a worker */
void transfer_run(void *conn);

/* inter.c */
struct inter;
struct rpc_call;
must_use int inter_new(struct store *store, struct inter **ret, struct err *err);
void inter_free(struct inter *i);
void inter_dispatch(void *inter, struct rpc_call *call);

/* admin.c */
struct admin;
must_use int admin_new(const struct ipc_options *o, struct admin **ret, struct err *err);
void admin_free(struct admin *a); /* answers what it holds */
bool admin_has(int tag);          /* a method of ClientDatanodeProtocol */
void admin_dispatch(struct admin *a, struct rpc_call *take_call);
