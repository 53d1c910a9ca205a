/* fuzz_rpc.c - arbitrary bytes, split arbitrarily, for both ends of an RPC connection and all that
 * decodes a call. The first byte chooses: bit 0 the end; bit 1 starts a server connection with a
 * good preamble and context; bits 2-7 the size of the pieces. What comes out in pieces must be what
 * comes out in one go. */
// room: common_rpc
#include <stdlib.h>

#include "common/rpc/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FRAME = 1 << 16 };

struct trace {
    uint64_t events, digest;
    bool ended;
};

static void note(struct trace *t, unsigned kind, const void *data, size_t size)
{
    const uint8_t *p = data;
    t->events++;
    t->digest = t->digest * 31 + kind;
    for (size_t i = 0; i < size; i++)
        t->digest = t->digest * 31 + p[i];
}

/* What call.c does with a call, for every method that has the name. */
static void decode_call(const struct rpc_event *ev)
{
    struct arena arena;
    struct err err = {0};
    for (size_t i = 0; i < CLIENT_METHOD_COUNT; i++) {
        const struct rpc_method *m = &rpc_client_methods[i];
        if (!slice_equal(slice_of(m->name), ev->method.method))
            continue;
        if (rpc_check_strings(m->request, ev->body, &err) != 0)
            return;
        arena_init(&arena, ev->frame_size * 16 + (1 << 20));
        ProtobufCMessage *q =
            protobuf_c_message_unpack(m->request, &arena.pb, ev->body.size, ev->body.data);
        if (q != NULL) /* what was understood can be said again */
            CHECK(protobuf_c_message_get_packed_size(q) <= ev->body.size * 4 + 64);
        arena_fini(&arena);
    }
}

static void serve(struct rpc_server_conn *c, struct buf *unread, struct trace *t)
{
    static struct rpc_event ev;
    do {
        struct slice left = {buf_head(unread), buf_size(unread)};
        size_t used = rpc_server_conn_step(c, left, &ev);
        CHECK(used <= left.size);
        if (ev.kind != RPC_EVENT_MORE)
            note(t, ev.kind, ev.answer, ev.answer_size);
        if (ev.kind == RPC_EVENT_CALL) {
            CHECK(c->state == RPC_CONN_OPEN);
            decode_call(&ev);
        }
        if (ev.kind == RPC_EVENT_FATAL || ev.kind == RPC_EVENT_CLOSE)
            CHECK(c->state == RPC_CONN_CLOSED);
        buf_consume(unread, used);
    } while (ev.kind != RPC_EVENT_MORE);
    t->ended = c->state == RPC_CONN_CLOSED;
    if (c->state < RPC_CONN_OPEN)
        CHECK(buf_size(unread) < RPC_PRE_CONTEXT_MAX);
    if (!t->ended)
        CHECK(rpc_server_conn_wants(c, (struct slice){buf_head(unread), buf_size(unread)}) > 0);
}

static void ask(const struct rpc_client_conn *c, struct buf *unread, struct trace *t)
{
    static struct rpc_reply_event r;
    do {
        struct slice left = {buf_head(unread), buf_size(unread)};
        size_t used = rpc_client_conn_step(c, left, &r);
        CHECK(used <= left.size);
        if (r.kind != RPC_REPLY_MORE)
            note(t, r.kind, r.body.data, r.body.size);
        t->ended = r.kind == RPC_REPLY_BAD || r.kind == RPC_REPLY_FATAL;
        buf_consume(unread, used);
    } while (r.kind == RPC_REPLY_CALL);
}

static struct trace run(bool server, bool opened, const uint8_t *data, size_t size, size_t piece)
{
    struct rpc_server_conn s;
    struct rpc_client_conn c = {.max_response = MAX_FRAME};
    struct trace t = {0};
    struct buf unread = {0};
    uint8_t id[RPC_CLIENT_ID_SIZE] = {0};
    rpc_server_conn_init(&s, MAX_FRAME);
    if (server && opened && rpc_client_conn_hello(&unread, id, "u", RPC_CLIENT_PROTOCOL) != 0)
        abort();
    for (size_t at = 0; at < size && !t.ended; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        if (buf_append(&unread, data + at, n) != 0)
            abort();
        if (server)
            serve(&s, &unread, &t);
        else
            ask(&c, &unread, &t);
    }
    buf_fini(&unread);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4 * MAX_FRAME)
        return 0;
    bool server = (data[0] & 1) == 0, opened = (data[0] & 2) != 0;
    size_t piece = data[0] >> 2;
    struct trace whole = run(server, opened, data + 1, size - 1, size);
    struct trace parts = run(server, opened, data + 1, size - 1, piece == 0 ? size : piece);
    CHECK(whole.events == parts.events && whole.digest == parts.digest);
    return 0;
}
