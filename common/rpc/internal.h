/* internal.h - what the files of common/rpc share: the pure codec, the two connection cores, the
 * server's pieces. The cores (header.c check.c server_conn.c client_conn.c) take bytes and return
 * events; they know no socket, no clock and no thread. The shells (call.c server.c server_io.c
 * client.c client_io.c) do as told. */
#pragma once
#include "common/rpc/rpc.h"
#include "rpc.pb-c.h"

enum {
    RPC_VERSION = 9,
    RPC_PREAMBLE_SIZE = 7,
    RPC_PRE_CONTEXT_MAX =
        8192, /* bytes buffered of a connection whose context has not been accepted */
    RPC_DEFAULT_MAX_FRAME = 128 << 20,
    RPC_AUTH_NONE = 0,
    RPC_AUTH_SASL = -33,
    /* call ids out of band */
    RPC_ID_NONE = -1,
    RPC_ID_CONTEXT = -3,
    RPC_ID_PING = -4,
    RPC_ID_SASL = -33,
    RPC_HEADER_MAX = 128 /* of an encoded response header without class and text */
};

/* ---- header.c: protobuf fields and the headers of frames ---- */

/* One field of an encoded message. */
struct pb_field {
    uint32_t number;
    unsigned wire;      /* 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes */
    uint64_t value;     /* wire 0, 1, 5 */
    struct slice bytes; /* wire 2 */
};
/* The next field; false at the end and when the bytes are malformed (r->bad). Groups are malformed.
 */
bool pb_next(struct reader *r, struct pb_field *f);
/* A varint length and so many bytes. */
struct slice pb_delimited(struct reader *r);

struct rpc_request_header {
    int32_t kind, op; /* -1: absent or unknown */
    int32_t call_id, retry_count;
    struct slice client_id;
    struct slice caller_context, caller_signature; /* .data NULL: none */
};
/* What is wrong with it, or NULL. */
const char *rpc_request_header_decode(struct slice bytes, struct rpc_request_header *ret);

struct rpc_method_header {
    struct slice method, protocol;
    uint64_t version;
};
const char *rpc_method_header_decode(struct slice bytes, struct rpc_method_header *ret);

struct rpc_context {
    struct slice user, real_user, protocol; /* .data NULL: absent */
};
const char *rpc_context_decode(struct slice bytes, struct rpc_context *ret);

struct rpc_sasl {
    int state;
    struct slice method; /* of the first auth */
    size_t auth_count;
};
const char *rpc_sasl_decode(struct slice bytes, struct rpc_sasl *ret);

struct rpc_response_header {
    uint32_t call_id;
    int status;
    int32_t retry_count;
    struct slice client_id;
    struct slice exception_class,
        message; /* .data NULL: absent; only with status ERROR and FATAL */
    int detail;
};
const char *rpc_response_header_decode(struct slice bytes, struct rpc_response_header *ret);
/* A whole frame: length, header and (body_size bytes to come are counted) the start of the body.
 * Appends to out, which then has room for body_size more bytes. */
must_use int rpc_response_start(struct buf *out, const struct rpc_response_header *h, bool has_body,
                                size_t body_size);
/* A whole request frame, or with method NULL header and body only (context, SASL). */
must_use int rpc_request_encode(struct buf *out, const struct rpc_request_header *h,
                                const struct rpc_method_header *method,
                                const ProtobufCMessage *body);

/* ---- server_conn.c: the server's side of a connection ---- */

enum rpc_conn_state {
    RPC_CONN_PREAMBLE, /* seven bytes, no answer */
    RPC_CONN_CONTEXT,  /* SASL messages, then the context */
    RPC_CONN_OPEN,     /* calls and pings */
    RPC_CONN_CLOSED    /* nothing is read any more */
};

struct rpc_server_conn {
    enum rpc_conn_state state;
    bool sasl; /* a SASL message must come before the context */
    size_t max_frame;
};

enum rpc_event_kind {
    RPC_EVENT_MORE,    /* more bytes are needed */
    RPC_EVENT_CONTEXT, /* ev.context; the connection is open unless rpc_server_conn_refuse is called
                        */
    RPC_EVENT_CALL,    /* ev.header, ev.method, ev.body */
    RPC_EVENT_ANSWER,  /* send ev.answer */
    RPC_EVENT_FATAL,   /* send ev.answer, then close */
    RPC_EVENT_CLOSE    /* close without an answer */
};

struct rpc_event {
    enum rpc_event_kind kind;
    struct rpc_request_header header;
    struct rpc_method_header method;
    struct rpc_context context;
    struct slice body;  /* the encoded argument */
    size_t frame_size;  /* of the call */
    const char *reason; /* of FATAL and CLOSE */
    size_t answer_size;
    uint8_t answer[1024];
};

void rpc_server_conn_init(struct rpc_server_conn *c, size_t max_frame);
/* Looks at the unread bytes and returns how many it used; *ev says what happened (slices borrow
 * from bytes). */
size_t rpc_server_conn_step(struct rpc_server_conn *c, struct slice bytes, struct rpc_event *ev);
/* Turns a CONTEXT event into a FATAL one with err's class and text. */
void rpc_server_conn_refuse(struct rpc_server_conn *c, struct rpc_event *ev, const struct err *err);
/* How many bytes of the frame that `bytes` starts are still to come (at least 1). */
size_t rpc_server_conn_wants(const struct rpc_server_conn *c, struct slice bytes);

/* ---- client_conn.c: the client's side ---- */

struct rpc_client_conn {
    size_t max_response;
};
enum rpc_reply_kind {
    RPC_REPLY_MORE,
    RPC_REPLY_CALL,  /* r.header, r.body: success or error of one call */
    RPC_REPLY_FATAL, /* r.header: the server gives the connection up; all its calls have failed */
    RPC_REPLY_BAD    /* r.reason: the bytes are not a response */
};
struct rpc_reply_event {
    enum rpc_reply_kind kind;
    struct rpc_response_header header;
    struct slice body;
    char reason[160];
};
size_t rpc_client_conn_step(const struct rpc_client_conn *c, struct slice bytes,
                            struct rpc_reply_event *r);
/* Preamble and context: what a connection starts with. */
must_use int rpc_client_conn_hello(struct buf *out, const uint8_t client_id[RPC_CLIENT_ID_SIZE],
                                   const char *user, const char *protocol);
must_use int rpc_client_conn_ping(struct buf *out, const uint8_t client_id[RPC_CLIENT_ID_SIZE]);

/* ---- the server's shell: server.c (start, accept, stop), server_io.c (one connection), call.c
 * (one call) ---- */
#include <stdatomic.h>
#include <uv.h>

struct server_loop;

struct server_call {
    struct rpc_call call;
    struct server_conn *conn;
    struct buf reply;
    bool in_flight; /* the peer waits for it; else an answer of the connection itself */
    bool broken;    /* there was no memory for any reply */
    size_t charged; /* its share of server->call_bytes */
    struct server_call *next;
};

/* Lives on its loop's thread; calls point to it until they are answered. */
struct server_conn {
    struct rpc_server_conn core;
    struct server_loop *loop;
    struct inbox_node node;                      /* from the accepting loop to its own */
    struct server_conn *prev, *next;             /* loop->conns */
    struct server_conn *ready_prev, *ready_next; /* loop->ready */
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    int fd;
    struct buf in;     /* unread bytes: the start of a frame, or what came while reading pauses */
    size_t in_counted; /* its share of server->buffered */
    struct server_call *out, *out_last;
    size_t out_offset;  /* sent bytes of *out */
    size_t out_bytes;   /* unsent bytes of all */
    size_t out_writing; /* bytes that a uv_write holds */
    unsigned in_flight;
    bool ready, reading, closing, closed;
    bool crowded;   /* its frame may not grow while others fill server->max_buffered */
    bool finishing; /* the last answer is queued: nothing is understood any more */
    bool
        lingering; /* it is sent: wait for the peer's end, so that a reset doesn't eat the answer */
    int64_t accepted_ms, read_ms, wrote_ms, call_ms;
    char *user, *real_user;
    char peer_host[64];
    uint16_t peer_port;
};

enum { SERVER_SCRATCH = 64 * 1024 };

struct server_loop {
    struct rpc_server *server;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_timer_t tick;
    pthread_t thread;
    bool thread_started, stop_seen;
    struct inbox replies;  /* struct server_call by call.node */
    struct inbox accepted; /* struct server_conn by node */
    struct server_conn *conns, *ready;
    struct server_call *local, **local_last; /* replies given on this thread */
    struct server_call *free_calls;
    size_t free_call_count, live_calls;
    size_t out_bytes;        /* queued replies of all its connections */
    _Atomic bool look_again; /* memory of calls was given back: paused connections may go on */
    _Atomic unsigned conn_count;
    uint8_t scratch[SERVER_SCRATCH];
    struct rpc_event event;
};

struct method_index {
    const struct rpc_method **sorted; /* by name */
};

struct rpc_server {
    struct rpc_server_options o;
    char *name;
    struct rpc_protocol *protocols;
    struct method_index *indexes;
    struct server_loop *loops;
    unsigned loop_count;
    int listen_fd;
    uint16_t port;
    uv_poll_t listener; /* of loop 0 */
    bool listening;
    _Atomic unsigned connections;
    _Atomic size_t buffered;   /* bytes of large unfinished frames, all connections */
    size_t max_buffered;       /* no further frame grows beyond; twice it: what grows is closed */
    _Atomic size_t call_bytes; /* memory of the large calls that are being worked on */
    size_t max_call_bytes;
    int64_t tick_ms;
    _Atomic bool stopping;
    _Atomic int64_t stop_deadline_ms;
    bool joined;
};

/* call.c */
/* This thread is the loop's from now on (NULL: no more). */
void server_loop_enter(struct server_loop *loop);
struct server_call *server_call_take(struct server_conn *conn);
void server_call_release(struct server_loop *loop, struct server_call *c);
/* Decodes and hands over to the protocol, or answers with the error. */
void server_call_dispatch(struct server_call *c, const struct rpc_event *ev);
/* The call's memory no longer counts against the server's. */
void server_call_discharge(struct server_call *c);
/* The arena and the reply's memory of calls that wait in the pool. */
void server_calls_free(struct server_loop *loop);
int server_index_protocols(struct rpc_server *s);

/* server.c: replies that were given on the loop's own thread go to their connections. */
void server_loop_take_local(struct server_loop *loop);
/* On any loop: wakes all, so that connections that paused for memory go on. */
void server_look_again(struct rpc_server *s);

/* server_io.c: all on the loop's thread */
struct server_conn *server_conn_new(struct server_loop *loop, int fd);
void server_conn_start(struct server_conn *conn);
void server_conn_close(struct server_conn *conn);
void server_conn_drop(struct server_conn *conn); /* not started yet */
/* A reply came back: into the connection's queue, or nowhere if that is gone. */
void server_conn_deliver(struct server_call *c);
/* Writes what is queued, goes on reading where a limit had stopped it. */
void server_conn_ready(struct server_conn *conn);
/* Paused connections look whether they may go on. */
void server_conn_look_again(struct server_conn *conn);
void server_conn_check_times(struct server_conn *conn, int64_t now_ms);

/* ---- the client's shell: client.c (callers' threads), client_io.c (the loop's thread) ---- */

/* One call of a caller, on its stack; the loop's from rpc_client_post until `done`. */
struct client_call {
    struct inbox_node node;
    struct client_call *prev, *next; /* link->calls */
    const struct rpc_target *target;
    const char *method;
    int32_t call_id;
    struct buf frame;    /* the request; kept for a second attempt */
    uint64_t frame_end;  /* place in the link's stream behind its last byte */
    int64_t deadline_ms; /* 0: its connection is not open yet */
    bool resent;
    struct buf response; /* the encoded result */
    int rc;
    struct err *err;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t ready;
    bool done;
};

struct client_socket;

enum client_link_state { LINK_RESOLVING, LINK_CONNECTING, LINK_WAITING, LINK_OPEN };

/* The connection to one address for one protocol. */
struct client_link {
    struct rpc_client *client;
    struct client_link *prev, *next;
    struct addr addr;
    char *protocol;
    enum client_link_state state;
    struct client_resolve *resolve;
    struct client_socket *socket;
    struct addrinfo *addresses, *address;
    unsigned attempts;
    int64_t until_ms;  /* of the state: connect time-out, end of the pause */
    int64_t active_ms; /* something was read, sent or asked */
    int64_t pinged_ms;
    struct buf in, out;
    uint64_t queued_end;       /* place in the stream behind out */
    uint64_t sent_end;         /* how far the stream may have reached the peer */
    struct client_call *calls; /* in order of their deadlines */
};

struct rpc_client {
    struct rpc_client_options o;
    char *user;
    uint8_t client_id[RPC_CLIENT_ID_SIZE];
    _Atomic uint32_t next_call_id;
    struct rpc_client_conn core;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick;
    bool ticking;
    int64_t tick_ms;
    pthread_t thread;
    struct inbox inbox; /* struct client_call by node */
    _Atomic bool closing;
    struct client_link *links;
    uint8_t scratch[64 * 1024];
};

int client_loop_start(struct rpc_client *c, struct err *err);
void client_loop_stop(struct rpc_client *c);
void client_post(struct rpc_client *c, struct client_call *call);
