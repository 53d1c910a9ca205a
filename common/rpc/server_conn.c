/* server_conn.c - what the bytes of a client mean: preamble, SASL, context, calls, pings.
 * Pure: bytes in, one event at a time out. The owner keeps the unread bytes and does what the event
 * says. Invariants: (1) no byte of a frame is looked at before the whole frame is there, and before
 * the context is accepted no frame is longer than RPC_PRE_CONTEXT_MAX; (2) after FATAL and CLOSE
 * nothing is read; (3) an event of kind CALL only comes in state OPEN, and OPEN comes only by one
 * context. */
#include <stdarg.h>
#include <stdio.h>

#include "common/rpc/internal.h"

#define STATUS(s) RPC__RPC_RESPONSE_HEADER__RPC_STATUS__##s
#define DETAIL(d) RPC__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__##d

static const char http_answer[] =
    "HTTP/1.1 404 Not Found\r\nContent-type: text/plain\r\n\r\n"
    "It looks like you are making an HTTP request to a Hadoop IPC port. This is not the correct "
    "port for the web interface on this daemon.\r\n";

void rpc_server_conn_init(struct rpc_server_conn *c, size_t max_frame)
{
    *c = (struct rpc_server_conn){.state = RPC_CONN_PREAMBLE, .max_frame = max_frame};
}

/* Every change of state, and no other place. */
static void move(struct rpc_server_conn *c, enum rpc_conn_state to)
{
    static const unsigned may[] = {
        [RPC_CONN_PREAMBLE] = 1u << RPC_CONN_CONTEXT | 1u << RPC_CONN_CLOSED,
        [RPC_CONN_CONTEXT] = 1u << RPC_CONN_OPEN | 1u << RPC_CONN_CLOSED,
        [RPC_CONN_OPEN] = 1u << RPC_CONN_CLOSED,
        [RPC_CONN_CLOSED] = 0,
    };
    CHECK((may[c->state] & 1u << to) != 0);
    c->state = to;
}

static void set_answer(struct rpc_event *ev, const void *data, size_t size)
{
    CHECK(size <= sizeof(ev->answer));
    memcpy(ev->answer, data, size);
    ev->answer_size = size;
}

static void answer_frame(struct rpc_event *ev, const struct rpc_response_header *h,
                         const void *body, size_t body_size)
{
    struct buf out = {0};
    ev->answer_size = 0;
    if (rpc_response_start(&out, h, body != NULL, body_size) != 0 ||
        (body != NULL && buf_append(&out, body, body_size) != 0)) {
        buf_fini(&out); /* no memory: the connection ends without a word */
        ev->kind = RPC_EVENT_CLOSE;
        ev->reason = "no memory for an answer";
        return;
    }
    set_answer(ev, buf_head(&out), buf_size(&out));
    buf_fini(&out);
}

struct verdict {
    int32_t call_id, retry_count;
    int status, detail;
    const char *exception_class;
    struct slice client_id; /* at most RPC_CLIENT_ID_SIZE bytes */
};

__attribute__((format(printf, 3, 4))) static void
answer_error(struct rpc_event *ev, struct verdict v, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct rpc_response_header h = {.call_id = (uint32_t)v.call_id,
                                    .status = v.status,
                                    .retry_count = v.retry_count,
                                    .exception_class = slice_of(v.exception_class),
                                    .message = slice_of(text),
                                    .client_id = v.client_id,
                                    .detail = v.detail};
    answer_frame(ev, &h, NULL, 0);
}

#define fatal(c, ev, call, code, cls, ...)                                     \
    do {                                                                       \
        move((c), RPC_CONN_CLOSED);                                            \
        (ev)->kind = RPC_EVENT_FATAL;                                          \
        (ev)->reason = #code;                                                  \
        answer_error((ev),                                                     \
                     (struct verdict){.call_id = (call),                       \
                                      .retry_count = (ev)->header.retry_count, \
                                      .status = STATUS(FATAL),                 \
                                      .detail = DETAIL(code),                  \
                                      .exception_class = (cls)},               \
                     __VA_ARGS__);                                             \
    } while (0)

static void close_silently(struct rpc_server_conn *c, struct rpc_event *ev, const char *reason)
{
    move(c, RPC_CONN_CLOSED);
    ev->kind = RPC_EVENT_CLOSE;
    ev->reason = reason;
}

static void answer_http(struct rpc_server_conn *c, struct rpc_event *ev)
{
    move(c, RPC_CONN_CLOSED);
    ev->kind = RPC_EVENT_FATAL;
    ev->reason = "HTTP request";
    set_answer(ev, http_answer, sizeof(http_answer) - 1);
}

/* Clients of other versions read other layouts: before 9 two length-prefixed strings follow two
 * words, before 3 a word and a byte. */
static void answer_version(struct rpc_server_conn *c, struct rpc_event *ev, int version)
{
    const char *cls = err_code_class(ERR_VERSION);
    char text[128];
    int n = snprintf(text, sizeof(text),
                     "Server IPC version %d cannot communicate with client version %d", RPC_VERSION,
                     version);
    if (version >= RPC_VERSION) {
        fatal(c, ev, RPC_ID_NONE, FATAL_VERSION_MISMATCH, cls, "%s", text);
        return;
    }
    move(c, RPC_CONN_CLOSED);
    ev->kind = RPC_EVENT_FATAL;
    ev->reason = "FATAL_VERSION_MISMATCH";
    uint8_t *p = ev->answer;
    p = version >= 3 ? put_u32(put_u32(p, UINT32_MAX), UINT32_MAX) : put_u8(put_u32(p, 0), 1);
    p = put_u32(p, (uint32_t)strlen(cls));
    memcpy(p, cls, strlen(cls));
    p = put_u32(p + strlen(cls), (uint32_t)n);
    memcpy(p, text, (size_t)n);
    ev->answer_size = (size_t)(p + n - ev->answer);
}

static size_t step_preamble(struct rpc_server_conn *c, struct slice bytes, struct rpc_event *ev)
{
    if (bytes.size >= 4 && memcmp(bytes.data, "GET ", 4) == 0) {
        answer_http(c, ev);
        return bytes.size;
    }
    if (bytes.size < RPC_PREAMBLE_SIZE) {
        ev->kind = RPC_EVENT_MORE;
        return 0;
    }
    ev->header.retry_count = -1;
    int version = (int8_t)bytes.data[4], auth = (int8_t)bytes.data[6];
    if (memcmp(bytes.data, "hrpc", 4) != 0 || version != RPC_VERSION) {
        answer_version(c, ev, version);
    } else if (auth != RPC_AUTH_NONE && auth != RPC_AUTH_SASL) {
        fatal(c, ev, RPC_ID_NONE, FATAL_UNAUTHORIZED, "org.apache.hadoop.ipc.IpcException",
              "Unknown auth protocol:%d", auth);
    } else {
        c->sasl = auth == RPC_AUTH_SASL;
        move(c, RPC_CONN_CONTEXT);
    }
    return RPC_PREAMBLE_SIZE;
}

#define INVALID(c, ev, ...)                                          \
    fatal((c), (ev), (ev)->header.call_id, FATAL_INVALID_RPC_HEADER, \
          err_code_class(ERR_RPC_SERVER), __VA_ARGS__)

static bool header_fits(struct rpc_server_conn *c, struct rpc_event *ev)
{
    static const char *const kinds[] = {"RPC_BUILTIN", "RPC_WRITABLE", "RPC_PROTOCOL_BUFFER"};
    static const char *const ops[] = {"RPC_FINAL_PACKET", "RPC_CONTINUATION_PACKET",
                                      "RPC_CLOSE_CONNECTION"};
    const struct rpc_request_header *h = &ev->header;
    if (h->op < 0)
        INVALID(c, ev, " IPC Server: No rpc op in rpcRequestHeader");
    else if (h->op != RPC__RPC_REQUEST_HEADER__OPERATION__RPC_FINAL_PACKET)
        INVALID(c, ev, "IPC Server does not implement rpc header operation%s", ops[h->op]);
    else if (h->kind < 0)
        INVALID(c, ev, " IPC Server: No rpc kind in rpcRequestHeader");
    else if (h->kind != RPC__RPC_KIND__RPC_PROTOCOL_BUFFER)
        INVALID(c, ev, "Unknown rpc kind in rpc header%s", kinds[h->kind]);
    return c->state != RPC_CONN_CLOSED;
}

static void undecodable(struct rpc_server_conn *c, struct rpc_event *ev, int32_t call_id,
                        const char *message, const char *problem)
{
    fatal(c, ev, call_id, FATAL_DESERIALIZING_REQUEST, err_code_class(ERR_RPC_SERVER),
          "Error decoding %s: %s", message, problem);
}

/* A server that only knows SIMPLE answers NEGOTIATE with SUCCESS and goes on with the context; a
 * client may also choose SIMPLE by itself. */
static void step_sasl(struct rpc_server_conn *c, struct slice rest, struct rpc_event *ev)
{
    static const uint8_t success[] = {2 << 3, RPC__RPC_SASL__SASL_STATE__SUCCESS};
    static const char *const states[] = {"SUCCESS",   "NEGOTIATE", "INITIATE",
                                         "CHALLENGE", "RESPONSE",  "WRAP"};
    static const char denied[] = "org.apache.hadoop.security.AccessControlException";
    struct reader r = reader_of(rest.data, rest.size);
    struct rpc_sasl sasl;
    if (!c->sasl) {
        INVALID(c, ev, "SASL protocol not requested by client");
        return;
    }
    struct slice message = pb_delimited(&r);
    const char *problem = r.bad ? "it is cut off" : rpc_sasl_decode(message, &sasl);
    if (problem != NULL) {
        undecodable(c, ev, RPC_ID_SASL, "RpcSaslProto", problem);
    } else if (sasl.state == RPC__RPC_SASL__SASL_STATE__NEGOTIATE) {
        struct rpc_response_header h = {.call_id = (uint32_t)RPC_ID_SASL, .retry_count = -1};
        ev->kind = RPC_EVENT_ANSWER;
        answer_frame(ev, &h, success, sizeof(success));
        c->sasl = false;
    } else if (sasl.state != RPC__RPC_SASL__SASL_STATE__INITIATE) {
        fatal(c, ev, RPC_ID_SASL, FATAL_UNAUTHORIZED, "javax.security.sasl.SaslException",
              "Client sent unsupported state %s", states[sasl.state]);
    } else if (sasl.auth_count != 1 || !slice_equal(sasl.method, slice_of("SIMPLE"))) {
        fatal(c, ev, RPC_ID_SASL, FATAL_UNAUTHORIZED, denied,
              "Only SIMPLE authentication is enabled. Available:[SIMPLE]");
    } else {
        c->sasl = false; /* SIMPLE was chosen: no answer */
    }
}

static bool user_valid(struct slice user)
{
    return user.size > 0 && utf8_valid(user);
}

static void step_context(struct rpc_server_conn *c, struct slice rest, struct rpc_event *ev)
{
    struct reader r = reader_of(rest.data, rest.size);
    if (c->state == RPC_CONN_OPEN) {
        INVALID(c, ev, "Connection context already processed");
        return;
    }
    if (c->sasl) {
        INVALID(c, ev, "Connection header sent during SASL negotiation");
        return;
    }
    struct slice message = pb_delimited(&r);
    const char *problem = r.bad ? "it is cut off" : rpc_context_decode(message, &ev->context);
    if (problem != NULL) {
        undecodable(c, ev, RPC_ID_CONTEXT, "IpcConnectionContextProto", problem);
    } else if (!user_valid(ev->context.user) ||
               (ev->context.real_user.data != NULL && !user_valid(ev->context.real_user))) {
        fatal(c, ev, RPC_ID_CONTEXT, FATAL_UNAUTHORIZED,
              "org.apache.hadoop.security.AccessControlException",
              "The connection context names no user");
    } else {
        ev->kind = RPC_EVENT_CONTEXT;
        move(c, RPC_CONN_OPEN);
    }
}

static void step_call(struct rpc_server_conn *c, struct reader *r, struct rpc_event *ev)
{
    if (c->state != RPC_CONN_OPEN) {
        INVALID(c, ev, "Connection context not established");
        return;
    }
    struct slice method = pb_delimited(r);
    const char *what = "RequestHeaderProto";
    const char *problem = r->bad ? "it is cut off" : rpc_method_header_decode(method, &ev->method);
    if (problem == NULL) {
        what = "the argument";
        ev->body = pb_delimited(r); /* bytes behind it are allowed, as in Hadoop */
        problem = r->bad ? "it is cut off" : NULL;
    }
    ev->kind = RPC_EVENT_CALL;
    if (problem == NULL)
        return;
    /* only this call is wrong; the frames before and behind it are whole */
    ev->kind = RPC_EVENT_ANSWER;
    struct verdict v = {.call_id = ev->header.call_id,
                        .retry_count = ev->header.retry_count,
                        .status = STATUS(ERROR),
                        .detail = DETAIL(ERROR_RPC_SERVER),
                        .exception_class = err_code_class(ERR_RPC_SERVER)};
    if (ev->header.client_id.size == RPC_CLIENT_ID_SIZE)
        v.client_id = ev->header.client_id;
    answer_error(ev, v, "Error decoding %s: %s", what, problem);
}

static void step_frame(struct rpc_server_conn *c, struct slice frame, struct rpc_event *ev)
{
    struct reader r = reader_of(frame.data, frame.size);
    struct slice header = pb_delimited(&r);
    const char *problem = r.bad ? "it is cut off" : rpc_request_header_decode(header, &ev->header);
    if (problem != NULL) {
        ev->header = (struct rpc_request_header){.retry_count = -1};
        undecodable(c, ev, RPC_ID_NONE, "RpcRequestHeaderProto", problem);
        return;
    }
    if (!header_fits(c, ev))
        return;
    struct slice rest = {r.at, reader_left(&r)};
    ev->frame_size = frame.size;
    if (ev->header.call_id >= 0)
        step_call(c, &r, ev);
    else if (ev->header.call_id == RPC_ID_CONTEXT)
        step_context(c, rest, ev);
    else if (ev->header.call_id == RPC_ID_SASL)
        step_sasl(c, rest, ev);
    else if (ev->header.call_id != RPC_ID_PING)
        INVALID(c, ev, "Unknown out of band call #%d", ev->header.call_id);
}

static uint32_t frame_length(struct slice bytes)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    return read_u32(&r);
}

/* 0 while the frame is not complete or when it must not be read; else the whole frame. */
static size_t take_frame(struct rpc_server_conn *c, struct slice bytes, struct rpc_event *ev)
{
    ev->kind = RPC_EVENT_MORE;
    if (bytes.size < sizeof(uint32_t))
        return 0;
    size_t length = frame_length(bytes);
    if (length > c->max_frame) {
        close_silently(c, ev, "frame longer than the limit");
        return 0;
    }
    if (c->state != RPC_CONN_OPEN && sizeof(uint32_t) + length > RPC_PRE_CONTEXT_MAX) {
        ev->header.retry_count = -1;
        fatal(c, ev, RPC_ID_NONE, FATAL_INVALID_RPC_HEADER, err_code_class(ERR_RPC_SERVER),
              "A frame of %zu bytes before the connection context", length);
        return 0;
    }
    size_t whole = sizeof(uint32_t) + length;
    return bytes.size < whole ? 0 : whole;
}

size_t rpc_server_conn_step(struct rpc_server_conn *c, struct slice bytes, struct rpc_event *ev)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    for (;;) { /* pings and a chosen SIMPLE are no event */
        struct slice left = {r.at, reader_left(&r)};
        memset(ev, 0, offsetof(struct rpc_event, answer));
        ev->kind = RPC_EVENT_MORE;
        if (c->state == RPC_CONN_CLOSED)
            return bytes.size;
        if (c->state == RPC_CONN_PREAMBLE) {
            size_t used = step_preamble(c, left, ev);
            r.at += used;
            if (used == 0 || ev->kind != RPC_EVENT_MORE)
                break;
            continue;
        }
        size_t whole = take_frame(c, left, ev);
        if (whole == 0)
            break;
        r.at += whole;
        step_frame(c, (struct slice){left.data + sizeof(uint32_t), whole - sizeof(uint32_t)}, ev);
        if (ev->kind != RPC_EVENT_MORE)
            break;
    }
    return bytes.size - reader_left(&r);
}

void rpc_server_conn_refuse(struct rpc_server_conn *c, struct rpc_event *ev, const struct err *err)
{
    CHECK(ev->kind == RPC_EVENT_CONTEXT);
    fatal(c, ev, RPC_ID_CONTEXT, FATAL_UNAUTHORIZED, err_class(err), "%s", err->text);
}

size_t rpc_server_conn_wants(const struct rpc_server_conn *c, struct slice bytes)
{
    if (c->state == RPC_CONN_PREAMBLE)
        return bytes.size < RPC_PREAMBLE_SIZE ? RPC_PREAMBLE_SIZE - bytes.size : 1;
    if (bytes.size < sizeof(uint32_t))
        return sizeof(uint32_t) - bytes.size;
    size_t whole = sizeof(uint32_t) + frame_length(bytes);
    return whole > bytes.size ? whole - bytes.size : 1;
}
