/* call.c - one call on the server: from the pool, decoded, handed over, answered.
 * Threads: take, dispatch and release on the connection's loop; the rpc_reply_... functions on any
 * thread, by the one who holds the call. Until it is answered a call belongs to the protocol; then
 * it travels back to its loop as the message that carries the encoded reply. Pool: a loop keeps
 * POOL_CALLS calls with their first arena chunk, so that a usual call costs no malloc. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "common/rpc/internal.h"

enum {
    POOL_CALLS = 512,
    POOL_KEEP_BYTES = 16 * 1024, /* larger memory of a pooled call goes back */
    ARENA_PER_BYTE = 16,         /* decoding may take so many times the frame ... */
    ARENA_BASE = 1 << 20,        /* ... and this; more is an attack by tiny nested messages */
    ARENA_HANDLER = 512 << 20,   /* what a handler may take to build its response */
    CHARGE_FROM = 64 * 1024,     /* calls that take less are bounded by their number */
    MAX_RESPONSE = 128 << 20     /* what clients accept: ipc.maximum.response.length */
};

static __thread struct server_loop *this_loop;

void server_loop_enter(struct server_loop *loop)
{
    this_loop = loop;
}

static struct server_call *container(struct rpc_call *call)
{
    return (struct server_call *)(void *)((char *)call - offsetof(struct server_call, call));
}

/* ---- pool ---- */

struct server_call *server_call_take(struct server_conn *conn)
{
    struct server_loop *loop = conn->loop;
    struct server_call *c = loop->free_calls;
    if (c != NULL) {
        loop->free_calls = c->next;
        loop->free_call_count--;
    } else {
        c = calloc(1, sizeof(*c));
        if (c == NULL)
            return NULL;
        arena_init(&c->call.arena, ARENA_BASE);
    }
    loop->live_calls++;
    c->conn = conn;
    c->next = NULL;
    c->in_flight = c->broken = false;
    c->charged = 0;
    return c;
}

static void call_free(struct server_call *c)
{
    arena_fini(&c->call.arena);
    buf_fini(&c->reply);
    free(c);
}

void server_call_release(struct server_loop *loop, struct server_call *c)
{
    loop->live_calls--;
    if (loop->free_call_count >= POOL_CALLS) {
        call_free(c);
        return;
    }
    arena_reset(&c->call.arena);
    if (c->call.arena.total > POOL_KEEP_BYTES)
        arena_fini(&c->call.arena);
    buf_clear(&c->reply);
    if (c->reply.capacity > POOL_KEEP_BYTES)
        buf_fini(&c->reply);
    c->conn = NULL;
    c->next = loop->free_calls;
    loop->free_calls = c;
    loop->free_call_count++;
}

void server_calls_free(struct server_loop *loop)
{
    while (loop->free_calls != NULL) {
        struct server_call *c = loop->free_calls;
        loop->free_calls = c->next;
        call_free(c);
    }
}

static void charge(struct server_call *c)
{
    if (c->call.arena.total < CHARGE_FROM)
        return;
    c->charged = c->call.arena.total;
    atomic_fetch_add(&c->conn->loop->server->call_bytes, c->charged);
}

void server_call_discharge(struct server_call *c)
{
    struct rpc_server *s = c->conn->loop->server;
    if (c->charged == 0)
        return;
    size_t before = atomic_fetch_sub(&s->call_bytes, c->charged);
    if (before > s->max_call_bytes && before - c->charged <= s->max_call_bytes)
        server_look_again(s);
    c->charged = 0;
}

/* ---- finding the method ---- */

static int by_name(const void *a, const void *b)
{
    const struct rpc_method *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

int server_index_protocols(struct rpc_server *s)
{
    for (size_t i = 0; i < s->o.protocol_count; i++) {
        const struct rpc_protocol *p = &s->protocols[i];
        const struct rpc_method **sorted = calloc(p->method_count + 1, sizeof(struct rpc_method *));
        if (sorted == NULL)
            return ERR_NO_MEMORY;
        for (size_t k = 0; k < p->method_count; k++)
            sorted[k] = &p->methods[k];
        qsort(sorted, p->method_count, sizeof(struct rpc_method *), by_name);
        s->indexes[i].sorted = sorted;
    }
    return 0;
}

static const struct rpc_method *find_method(const struct rpc_server *s, size_t protocol,
                                            struct slice name)
{
    const struct rpc_method **sorted = s->indexes[protocol].sorted;
    size_t low = 0, high = s->protocols[protocol].method_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strncmp((const char *)name.data, sorted[mid]->name, name.size);
        if (order == 0 && sorted[mid]->name[name.size] != '\0')
            order = -1;
        if (order == 0)
            return sorted[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static int find(struct server_call *c, const struct rpc_method_header *h, struct err *err)
{
    const struct rpc_server *s = c->conn->loop->server;
    int length = h->protocol.size < 300 ? (int)h->protocol.size : 300;
    const char *name = (const char *)h->protocol.data;
    for (size_t i = 0; i < s->o.protocol_count; i++) {
        const struct rpc_protocol *p = &s->protocols[i];
        if (!slice_equal(slice_of(p->name), h->protocol))
            continue;
        if (p->version != h->version)
            return fail(err, ERR_VERSION,
                        "Protocol %s version mismatch. (client = %llu, server = %llu)", p->name,
                        (unsigned long long)h->version, (unsigned long long)p->version);
        c->call.protocol = p;
        c->call.method = find_method(s, i, h->method);
        if (c->call.method != NULL)
            return 0;
        return fail(err, ERR_NO_METHOD, "Unknown method %.*s called on %s protocol.",
                    h->method.size < 200 ? (int)h->method.size : 200, (const char *)h->method.data,
                    p->name);
    }
    return fail(err, ERR_NO_PROTOCOL, "Unknown protocol: %.*s", length, name);
}

/* ---- decoding and dispatch ---- */

static void fill(struct server_call *c, const struct rpc_event *ev)
{
    struct rpc_call *call = &c->call;
    const struct server_conn *conn = c->conn;
    call->arena.limit = ev->frame_size * ARENA_PER_BYTE + ARENA_BASE;
    call->protocol = NULL;
    call->method = NULL;
    call->request = NULL;
    call->user = conn->user;
    call->real_user = conn->real_user;
    memcpy(call->peer_host, conn->peer_host, sizeof(call->peer_host));
    call->peer_port = conn->peer_port;
    call->client_id_size = ev->header.client_id.size == RPC_CLIENT_ID_SIZE ? RPC_CLIENT_ID_SIZE : 0;
    if (call->client_id_size != 0)
        memcpy(call->client_id, ev->header.client_id.data, RPC_CLIENT_ID_SIZE);
    call->call_id = ev->header.call_id;
    call->retry_count = ev->header.retry_count;
    call->received_ns = clock_monotonic_ns();
    call->owner_data = NULL;
    call->caller_context = NULL;
    struct slice context = ev->header.caller_context;
    if (context.data != NULL && utf8_valid(context))
        call->caller_context = arena_strndup(&call->arena, context.data, context.size);
    struct slice signature = ev->header.caller_signature;
    call->caller_signature = (struct slice){0};
    if (signature.data != NULL && (call->caller_signature.data = (const uint8_t *)arena_strndup(
                                       &call->arena, signature.data, signature.size)) != NULL)
        call->caller_signature.size = signature.size;
}

static int decode(struct server_call *c, const struct rpc_event *ev, struct err *err)
{
    struct rpc_call *call = &c->call;
    TRY(find(c, &ev->method, err));
    TRY(rpc_check_strings(call->method->request, ev->body, err));
    call->request = protobuf_c_message_unpack(call->method->request, &call->arena.pb, ev->body.size,
                                              ev->body.data);
    if (call->request == NULL)
        return fail(err, ERR_PROTOCOL, "the argument of %s cannot be decoded (%zu bytes)",
                    call->method->name, ev->body.size);
    charge(c);
    call->arena.limit = ARENA_HANDLER;
    return 0;
}

static void send_reply(struct server_call *c);
static int encode_success(struct server_call *c, const ProtobufCMessage *response, struct err *err);

/* Admin tools ask which methods a protocol has; an empty list means "as new as you". */
static bool answer_meta(struct server_call *c, const struct rpc_method_header *h)
{
    if (!slice_equal(h->protocol, slice_of("org.apache.hadoop.ipc.ProtocolMetaInfoPB")) ||
        h->version != 1 ||
        !(slice_equal(h->method, slice_of("getProtocolSignature")) ||
          slice_equal(h->method, slice_of("getProtocolVersions"))))
        return false;
    if (encode_success(c, NULL, NULL) != 0)
        c->broken = true;
    send_reply(c);
    return true;
}

void server_call_dispatch(struct server_call *c, const struct rpc_event *ev)
{
    struct err err = {0};
    metric_add(METRIC_rpc_calls, 1);
    fill(c, ev);
    if (answer_meta(c, &ev->method))
        return;
    if (decode(c, ev, &err) == 0)
        c->call.protocol->dispatch(c->call.protocol->ctx, &c->call);
    else
        rpc_reply_error(&c->call, &err);
}

/* ---- replies ---- */

static struct rpc_response_header header_of(const struct rpc_call *call)
{
    return (struct rpc_response_header){
        .call_id = (uint32_t)call->call_id,
        .status = RPC__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS,
        .retry_count = call->retry_count,
        .client_id = {call->client_id, call->client_id_size},
    };
}

/* response NULL: an empty message. */
static int encode_success(struct server_call *c, const ProtobufCMessage *response, struct err *err)
{
    struct rpc_response_header h = header_of(&c->call);
    size_t size = response != NULL ? protobuf_c_message_get_packed_size(response) : 0;
    buf_clear(&c->reply);
    if (size > MAX_RESPONSE)
        return fail(err, ERR_RPC_SERVER, "the response of %zu bytes is longer than %d", size,
                    MAX_RESPONSE);
    if (rpc_response_start(&c->reply, &h, true, size) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for a response of %zu bytes", size);
    if (size > 0)
        buf_commit(&c->reply,
                   protobuf_c_message_pack(response, buf_head(&c->reply) + buf_size(&c->reply)));
    return 0;
}

static int detail_of(int code)
{
    switch (code) {
    case ERR_NO_METHOD:
        return RPC__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_NO_SUCH_METHOD;
    case ERR_NO_PROTOCOL:
        return RPC__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_NO_SUCH_PROTOCOL;
    case ERR_RPC_SERVER:
        return RPC__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_RPC_SERVER;
    case ERR_VERSION:
        return RPC__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_RPC_VERSION_MISMATCH;
    default:
        return RPC__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__ERROR_APPLICATION;
    }
}

static int encode_error(struct server_call *c, const struct err *err)
{
    struct rpc_response_header h = header_of(&c->call);
    int code = err->code < 0 ? err->code : ERR_IO;
    const char *cls = err->remote_class[0] != '\0' ? err->remote_class : err_code_class(code);
    h.status = RPC__RPC_RESPONSE_HEADER__RPC_STATUS__ERROR;
    h.detail = detail_of(code);
    h.exception_class = slice_of(cls);
    h.message = slice_of(err->text[0] != '\0' ? err->text : err_name(code)); /* never unset */
    buf_clear(&c->reply);
    return rpc_response_start(&c->reply, &h, false, 0);
}

static void send_reply(struct server_call *c)
{
    struct server_loop *loop = c->conn->loop;
    if (loop == this_loop) { /* answered where it was dispatched: nobody has to be woken */
        c->next = NULL;
        *loop->local_last = c;
        loop->local_last = &c->next;
        return;
    }
    inbox_put(&loop->replies, &c->call.node);
    (void)uv_async_send(
        &loop->wake); /* fails only for a handle that is being closed; ours is not */
}

void rpc_reply(struct rpc_call *take_call, const ProtobufCMessage *response)
{
    struct err err = {0};
    if (encode_success(container(take_call), response, &err) == 0)
        rpc_reply_send(take_call);
    else
        rpc_reply_error(take_call, &err);
}

void rpc_reply_error(struct rpc_call *take_call, const struct err *err)
{
    struct server_call *c = container(take_call);
    metric_add(METRIC_rpc_errors, 1);
    if (encode_error(c, err) != 0)
        c->broken = true;
    send_reply(c);
}

int rpc_reply_encode(struct rpc_call *call, const ProtobufCMessage *response)
{
    return encode_success(container(call), response, NULL);
}

void rpc_reply_send(struct rpc_call *take_call)
{
    struct server_call *c = container(take_call);
    CHECK(buf_size(&c->reply) > 0); /* encoded before */
    send_reply(c);
}
