/* client_io.c - the client's connections, on its loop thread.
 * A link is the connection to one address for one protocol: RESOLVING -> CONNECTING (-> WAITING ->
 * CONNECTING ...) -> OPEN; it ends by failing, by idleness, or with the client. Sockets and name
 * look-ups are objects of their own that outlive their link until libuv lets go of them
 * (socket->link NULL: nobody is interested any more). Invariants: (1) a call is in exactly one
 * link's list from the inbox to finish(); (2) link->sent_end never is below what the peer may have
 * seen: a call that ends behind it was not sent completely and may be sent once more; (3) a broken
 * link leaves client->links before its calls are failed or sent again. */
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "common/rpc/internal.h"

enum { RETRY_PAUSE_MS = 1000, WRITE_CHUNK = 256 * 1024, READ_ROOM = 4096, KEEP_BYTES = 64 * 1024 };

struct client_socket {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct buf writing;
    struct client_link *link;
};

struct client_resolve {
    uv_getaddrinfo_t request;
    struct client_link *link;
};

static void begin(struct client_link *link);
static void submit(struct rpc_client *c, struct client_call *call);

/* ---- the end of a call ---- */

static void finish(struct client_call *call, int rc)
{
    pthread_mutex_lock(&call->lock);
    call->rc = rc;
    call->done = true;
    pthread_cond_signal(&call->ready);
    pthread_mutex_unlock(&call->lock); /* the caller may be gone after this */
}

static void fail_call(struct client_call *call, int code, const char *reason)
{
    finish(call, fail(call->err, code, "call %s to %s:%u failed: %s", call->method,
                      call->target->addr.host, call->target->addr.port, reason));
}

static void fail_by_server(struct client_call *call, const struct rpc_response_header *h)
{
    char cls[128], text[sizeof(((struct err *)NULL)->text)];
    struct slice name = h->exception_class;
    if (name.size == 0)
        name = slice_of(err_code_class(ERR_REMOTE));
    snprintf(cls, sizeof(cls), "%.*s", name.size < sizeof(cls) ? (int)name.size : 127,
             (const char *)name.data);
    snprintf(text, sizeof(text), "%.*s",
             h->message.size < sizeof(text) ? (int)h->message.size : (int)sizeof(text) - 1,
             h->message.data != NULL ? (const char *)h->message.data : "");
    finish(call, fail_remote(call->err, cls, text));
}

/* ---- the end of a link ---- */

static void on_socket_closed(uv_handle_t *h)
{
    struct client_socket *s = h->data;
    buf_fini(&s->writing);
    free(s);
}

static void drop_socket(struct client_link *link)
{
    if (link->socket == NULL)
        return;
    link->socket->link = NULL;
    uv_close((uv_handle_t *)&link->socket->tcp, on_socket_closed);
    link->socket = NULL;
}

static void link_free(struct client_link *link)
{
    drop_socket(link);
    if (link->resolve != NULL) {
        link->resolve->link = NULL;
        (void)uv_cancel((uv_req_t *)&link->resolve->request); /* or its answer is thrown away */
    }
    if (link->addresses != NULL)
        freeaddrinfo(link->addresses);
    buf_fini(&link->in);
    buf_fini(&link->out);
    free(link->protocol);
    free(link);
}

/* Fails what was sent, sends again what was not; the link is gone. */
static void link_break(struct client_link *link, int code, const char *reason)
{
    struct rpc_client *c = link->client;
    struct client_call *calls = link->calls, *call, *next;
    bool was_open = link->state == LINK_OPEN;
    uint64_t sent_end = link->sent_end;
    link->calls = NULL;
    DL_DELETE(c->links, link); /* keeps (3) */
    link_free(link);
    DL_FOREACH_SAFE(calls, call, next)
    {
        DL_DELETE(calls, call);
        bool again =
            was_open && call->frame_end > sent_end && !call->resent && !atomic_load(&c->closing);
        if (again) {
            call->resent = true;
            submit(c, call);
        } else {
            fail_call(call, code, reason);
        }
    }
}

static void link_break_by_server(struct client_link *link, const struct rpc_response_header *h)
{
    struct client_call *call, *next;
    DL_FOREACH_SAFE(link->calls, call, next)
    {
        DL_DELETE(link->calls, call);
        fail_by_server(call, h);
    }
    link_break(link, ERR_EOF, "the server gave the connection up");
}

static int code_of(int status)
{
    switch (status) {
    case UV_ETIMEDOUT:
        return ERR_TIMEOUT;
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_EOF:
        return ERR_EOF;
    case UV_ENOMEM:
    case UV_ENOBUFS:
        return ERR_NO_MEMORY;
    default:
        return ERR_CONNECT;
    }
}

static void link_break_status(struct client_link *link, int status)
{
    link_break(link, code_of(status),
               status == UV_EOF ? "the server closed the connection" : uv_strerror(status));
}

/* ---- bytes out ---- */

static void flush(struct client_link *link);

static void on_written(uv_write_t *w, int status)
{
    struct client_socket *s = w->data;
    buf_clear(&s->writing);
    if (s->writing.capacity > KEEP_BYTES)
        buf_fini(&s->writing);
    if (s->link == NULL)
        return;
    if (status < 0)
        link_break_status(s->link, status);
    else
        flush(s->link);
}

/* What the socket doesn't take at once goes into a uv_write, chunk by chunk, so that sent_end stays
 * close. */
static int write_later(struct client_link *link)
{
    struct client_socket *s = link->socket;
    size_t size = buf_size(&link->out) < WRITE_CHUNK ? buf_size(&link->out) : WRITE_CHUNK;
    if (buf_append(&s->writing, buf_head(&link->out), size) != 0)
        return UV_ENOMEM;
    buf_consume(&link->out, size);
    link->sent_end += size;
    uv_buf_t b = uv_buf_init((char *)buf_head(&s->writing), (unsigned)size);
    s->write.data = s;
    return uv_write(&s->write, (uv_stream_t *)&s->tcp, &b, 1, on_written);
}

static void flush(struct client_link *link)
{
    struct client_socket *s = link->socket;
    int rc = 0;
    if (link->state != LINK_OPEN || buf_size(&link->out) == 0 || buf_size(&s->writing) > 0)
        return;
    size_t size = buf_size(&link->out);
    uv_buf_t b = {.base = (char *)buf_head(&link->out), .len = size};
    rc = uv_try_write((uv_stream_t *)&s->tcp, &b, 1);
    if (rc > 0) {
        buf_consume(&link->out, (size_t)rc);
        link->sent_end += (uint64_t)rc;
    }
    if (rc >= 0 || rc == UV_EAGAIN)
        rc = buf_size(&link->out) > 0 ? write_later(link) : 0;
    if (buf_size(&link->out) == 0 && link->out.capacity > KEEP_BYTES)
        buf_fini(&link->out);
    if (rc < 0)
        link_break_status(link, rc);
}

static bool put_call(struct client_link *link, struct client_call *call)
{
    size_t size = buf_size(&call->frame);
    if (buf_append(&link->out, buf_head(&call->frame), size) != 0)
        return false;
    link->queued_end += size;
    call->frame_end = link->queued_end;
    if (link->state == LINK_OPEN)
        call->deadline_ms = clock_monotonic_ms() + link->client->o.call_timeout_ms;
    return true;
}

/* ---- bytes in ---- */

static struct client_call *find_call(struct client_link *link, uint32_t call_id)
{
    struct client_call *call;
    DL_FOREACH(link->calls, call) /* answers mostly come in order: the first */
    if ((uint32_t)call->call_id == call_id)
        return call;
    return NULL;
}

static void take_response(struct client_link *link, const struct rpc_reply_event *r)
{
    struct client_call *call = find_call(link, r->header.call_id);
    if (call == NULL)
        return; /* its caller has waited too long and is gone */
    DL_DELETE(link->calls, call);
    if (r->header.status != RPC__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS)
        fail_by_server(call, &r->header);
    else if (buf_append(&call->response, r->body.data, r->body.size) != 0)
        fail_call(call, ERR_NO_MEMORY, "no memory for the response");
    else
        finish(call, 0);
}

/* Bytes used; the link may be gone after it (SIZE_MAX). */
static size_t understand(struct client_link *link, struct slice bytes)
{
    struct rpc_reply_event r;
    size_t used = 0;
    for (;;) {
        used += rpc_client_conn_step(&link->client->core,
                                     (struct slice){bytes.data + used, bytes.size - used}, &r);
        switch (r.kind) {
        case RPC_REPLY_MORE:
            return used;
        case RPC_REPLY_CALL:
            take_response(link, &r);
            break;
        case RPC_REPLY_FATAL:
            link_break_by_server(link, &r.header);
            return SIZE_MAX;
        case RPC_REPLY_BAD:
            link_break(link, ERR_PROTOCOL, r.reason);
            return SIZE_MAX;
        }
    }
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct client_socket *s = h->data;
    struct client_link *link = s->link;
    (void)suggested;
    *ret = uv_buf_init(NULL, 0);
    if (link == NULL)
        return;
    if (buf_size(&link->in) == 0) {
        *ret = uv_buf_init((char *)link->client->scratch, sizeof(link->client->scratch));
        return;
    }
    uint8_t *p = buf_reserve(&link->in, READ_ROOM);
    size_t room = p != NULL ? link->in.capacity - link->in.end : 0;
    *ret = uv_buf_init((char *)p, room < UINT32_MAX ? (unsigned)room : UINT32_MAX);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct client_socket *s = stream->data;
    struct client_link *link = s->link;
    if (link == NULL || n == 0)
        return;
    if (n < 0) {
        link_break_status(link, (int)n);
        return;
    }
    link->active_ms = link->pinged_ms = clock_monotonic_ms();
    bool scratch = b->base == (char *)link->client->scratch;
    if (!scratch)
        buf_commit(&link->in, (size_t)n);
    struct slice bytes = scratch ? (struct slice){(uint8_t *)b->base, (size_t)n}
                                 : (struct slice){buf_head(&link->in), buf_size(&link->in)};
    size_t used = understand(link, bytes);
    if (used == SIZE_MAX)
        return;
    if (!scratch) {
        buf_consume(&link->in, used);
        if (buf_size(&link->in) == 0)
            buf_fini(&link->in);
    } else if (used < bytes.size &&
               buf_append(&link->in, bytes.data + used, bytes.size - used) != 0) {
        link_break_status(link, UV_ENOMEM);
    }
}

/* ---- connecting ---- */

static void link_open(struct client_link *link)
{
    struct rpc_client *c = link->client;
    struct client_call *call;
    struct buf hello = {0};
    (void)uv_tcp_nodelay(&link->socket->tcp, 1); /* slower without, not wrong */
    if (rpc_client_conn_hello(&hello, c->client_id, c->user, link->protocol) != 0 ||
        buf_append(&hello, buf_head(&link->out), buf_size(&link->out)) != 0) {
        buf_fini(&hello);
        link_break_status(link, UV_ENOMEM);
        return;
    }
    link->state = LINK_OPEN;
    link->active_ms = link->pinged_ms = clock_monotonic_ms();
    uint64_t shift = buf_size(&hello) - buf_size(&link->out);
    link->queued_end += shift;
    DL_FOREACH(link->calls, call)
    {
        call->frame_end += shift;
        call->deadline_ms = link->active_ms + c->o.call_timeout_ms;
    }
    buf_fini(&link->out);
    link->out = hello;
    int rc = uv_read_start((uv_stream_t *)&link->socket->tcp, on_room, on_read);
    if (rc != 0)
        link_break_status(link, rc);
    else
        flush(link);
}

static void attempt(struct client_link *link);

/* The next address, a pause and all of them again, or the end. */
static void attempt_failed(struct client_link *link, int status)
{
    drop_socket(link);
    link->address = link->address->ai_next;
    if (link->address != NULL && status != UV_ENOMEM) {
        attempt(link);
        return;
    }
    link->address = link->addresses;
    if (link->attempts++ < link->client->o.connect_retries &&
        (status == UV_ECONNREFUSED || status == UV_ETIMEDOUT)) {
        link->state = LINK_WAITING;
        link->until_ms = clock_monotonic_ms() + RETRY_PAUSE_MS;
        return;
    }
    link_break_status(link, status);
}

static void on_connect(uv_connect_t *r, int status)
{
    struct client_socket *s = r->data;
    if (s->link == NULL)
        return;
    if (status < 0)
        attempt_failed(s->link, status);
    else
        link_open(s->link);
}

static void attempt(struct client_link *link)
{
    struct client_socket *s = calloc(1, sizeof(*s));
    int rc = s != NULL ? uv_tcp_init(&link->client->uv, &s->tcp) : UV_ENOMEM;
    if (rc != 0) {
        free(s);
        link_break_status(link, rc);
        return;
    }
    s->tcp.data = s->connect.data = s;
    s->link = link;
    link->socket = s;
    link->state = LINK_CONNECTING;
    link->until_ms = clock_monotonic_ms() + link->client->o.connect_timeout_ms;
    rc = uv_tcp_connect(&s->connect, &s->tcp, link->address->ai_addr, on_connect);
    if (rc != 0)
        attempt_failed(link, rc);
}

static void resolved(struct client_link *link, int status, struct addrinfo *take_list)
{
    char reason[128];
    if (status == 0) {
        link->addresses = link->address = take_list;
        attempt(link);
        return;
    }
    snprintf(reason, sizeof(reason), "resolve the host: %s", uv_strerror(status));
    link_break(link, ERR_CONNECT, reason);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct client_resolve *resolve = r->data;
    struct client_link *link = resolve->link;
    free(resolve);
    if (link == NULL) {
        uv_freeaddrinfo(list);
        return;
    }
    link->resolve = NULL;
    resolved(link, status, list);
}

static void begin(struct client_link *link)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    snprintf(port, sizeof(port), "%u", link->addr.port);
    if (getaddrinfo(link->addr.host, port, &hints, &list) == 0) { /* numeric: never waits */
        resolved(link, 0, list);
        return;
    }
    hints.ai_flags = AI_NUMERICSERV;
    struct client_resolve *resolve = calloc(1, sizeof(*resolve));
    int rc = UV_ENOMEM;
    if (resolve != NULL) {
        resolve->link = link;
        resolve->request.data = resolve;
        rc = uv_getaddrinfo(&link->client->uv, &resolve->request, on_resolved, link->addr.host,
                            port, &hints);
    }
    if (rc != 0) {
        free(resolve);
        resolved(link, rc, NULL);
        return;
    }
    link->resolve = resolve;
}

/* ---- links and their clock ---- */

static void on_tick(uv_timer_t *t);

static struct client_link *link_new(struct rpc_client *c, const struct rpc_target *t)
{
    struct client_link *link = calloc(1, sizeof(*link));
    if (link == NULL || (link->protocol = strdup(t->protocol)) == NULL) {
        free(link);
        return NULL;
    }
    link->client = c;
    link->addr = t->addr;
    DL_APPEND(c->links, link);
    if (!c->ticking)
        (void)uv_timer_start(&c->tick, on_tick, (uint64_t)c->tick_ms, (uint64_t)c->tick_ms);
    c->ticking = true; /* it starts unless the handle is closing, and then no link is made */
    return link;
}

static struct client_link *link_find(struct rpc_client *c, const struct rpc_target *t)
{
    struct client_link *link;
    DL_FOREACH(c->links, link)
    if (link->addr.port == t->addr.port && strcmp(link->addr.host, t->addr.host) == 0 &&
        strcmp(link->protocol, t->protocol) == 0)
        return link;
    return NULL;
}

static void submit(struct rpc_client *c, struct client_call *call)
{
    struct client_link *link = link_find(c, call->target);
    bool fresh = link == NULL;
    if (fresh)
        link = link_new(c, call->target);
    if (link == NULL || !put_call(link, call)) {
        fail_call(call, ERR_NO_MEMORY, "no memory for the request");
        return;
    }
    DL_APPEND(link->calls, call);
    link->active_ms = clock_monotonic_ms();
    if (link->calls->next == NULL)
        link->pinged_ms = link->active_ms;
    if (fresh)
        begin(link);
    else
        flush(link);
}

static void expire_calls(struct client_link *link, int64_t now_ms)
{
    char reason[64];
    snprintf(reason, sizeof(reason), "no answer within %d ms", link->client->o.call_timeout_ms);
    while (link->calls != NULL && link->calls->deadline_ms != 0 &&
           link->calls->deadline_ms <= now_ms) {
        struct client_call *call = link->calls;
        DL_DELETE(link->calls, call);
        fail_call(call, ERR_TIMEOUT, reason);
    }
}

static void check_open(struct client_link *link, int64_t now_ms)
{
    struct rpc_client *c = link->client;
    expire_calls(link, now_ms);
    if (link->calls == NULL) {
        if (now_ms - link->active_ms >= c->o.idle_ms)
            link_break(link, ERR_CLOSED, "idle");
        return;
    }
    if (now_ms - link->pinged_ms < c->o.ping_interval_ms)
        return;
    size_t before = buf_size(&link->out);
    link->pinged_ms = now_ms;
    if (rpc_client_conn_ping(&link->out, c->client_id) != 0)
        return; /* no memory: without a ping this time */
    link->queued_end += buf_size(&link->out) - before;
    flush(link);
}

static void check_times(struct client_link *link, int64_t now_ms)
{
    if (link->state == LINK_OPEN)
        check_open(link, now_ms);
    else if (link->state == LINK_CONNECTING && now_ms >= link->until_ms)
        attempt_failed(link, UV_ETIMEDOUT);
    else if (link->state == LINK_WAITING && now_ms >= link->until_ms)
        attempt(link);
}

static void on_tick(uv_timer_t *t)
{
    struct rpc_client *c = t->data;
    struct client_link *link, *next;
    int64_t now_ms = clock_monotonic_ms();
    DL_FOREACH_SAFE(c->links, link, next)
    check_times(link, now_ms);
    if (c->links == NULL) {
        (void)uv_timer_stop(t); /* always 0 */
        c->ticking = false;
    }
}

/* ---- the loop ---- */

static struct client_call *call_of_node(struct inbox_node *n)
{
    return (struct client_call *)(void *)((char *)n - offsetof(struct client_call, node));
}

static void close_all(struct rpc_client *c)
{
    while (c->links != NULL)
        link_break(c->links, ERR_CLOSED, "the client is closed");
    uv_close((uv_handle_t *)&c->tick, NULL);
    uv_close((uv_handle_t *)&c->wake, NULL);
}

static void on_wake(uv_async_t *h)
{
    struct rpc_client *c = h->data;
    bool closing = atomic_load(&c->closing);
    for (struct inbox_node *n = inbox_take_all(&c->inbox, 0), *next; n != NULL; n = next) {
        next = n->next;
        if (closing)
            fail_call(call_of_node(n), ERR_CLOSED, "the client is closed");
        else
            submit(c, call_of_node(n));
    }
    if (closing)
        close_all(c);
}

static void *run_loop(void *arg)
{
    struct rpc_client *c = arg;
    (void)uv_run(&c->uv, UV_RUN_DEFAULT); /* 0: close_all left nothing */
    return NULL;
}

static int start_thread(struct rpc_client *c)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the program's; a broken pipe is an error code here */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails only for a bad first argument */
    int rc = pthread_create(&c->thread, NULL, run_loop, c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        (void)pthread_setname_np(c->thread, "rpc-client"); /* for people only */
    return -rc;
}

int client_loop_start(struct rpc_client *c, struct err *err)
{
    int rc = uv_loop_init(&c->uv);
    if (rc != 0)
        return fail(err, ERR_IO, "start an event loop: %s", uv_strerror(rc));
    inbox_init(&c->inbox);
    c->tick.data = c->wake.data = c;
    CHECK(uv_timer_init(&c->uv, &c->tick) == 0);
    rc = uv_async_init(&c->uv, &c->wake, on_wake);
    if (rc == 0)
        rc = start_thread(c);
    if (rc == 0)
        return 0;
    uv_close((uv_handle_t *)&c->tick, NULL);
    if (uv_handle_get_type((uv_handle_t *)&c->wake) == UV_ASYNC)
        uv_close((uv_handle_t *)&c->wake, NULL);
    (void)uv_run(&c->uv, UV_RUN_DEFAULT); /* the close callbacks */
    (void)uv_loop_close(&c->uv);          /* nothing is open in it */
    inbox_fini(&c->inbox);
    return fail(err, ERR_IO, "start an RPC client: %s", uv_strerror(rc));
}

void client_loop_stop(struct rpc_client *c)
{
    atomic_store(&c->closing, true);
    (void)uv_async_send(&c->wake); /* the handle lives until on_wake has seen `closing` */
    CHECK(pthread_join(c->thread, NULL) == 0);
    CHECK(uv_loop_close(&c->uv) == 0);
    inbox_fini(&c->inbox);
}

void client_post(struct rpc_client *c, struct client_call *call)
{
    inbox_put(&c->inbox, &call->node);
    (void)uv_async_send(&c->wake); /* the client outlives its calls */
}
