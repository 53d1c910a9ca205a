/* server_io.c - one connection of the server: bytes in, replies out, and its limits.
 * Thread: the connection's loop, all of it. The connection owns its unread bytes and the calls in
 * its out queue; calls that are being worked on belong to their protocol and keep the connection's
 * memory alive (in_flight). Invariants: (1) at most max_calls_in_flight calls are out and at most
 * OUT_PAUSE bytes of replies queued when a frame is read; (2) more than OUT_LIMIT queued bytes end
 * the connection; (3) before the context is accepted `in` never holds more than RPC_PRE_CONTEXT_MAX
 * bytes; (4) memory is freed when the handle is closed and in_flight is 0. */
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "common/obs/obs.h"
#include "common/rpc/internal.h"

enum {
    OUT_PAUSE = 4 << 20,
    OUT_LIMIT = 64 << 20,
    OUT_LIMIT_LOOP = 1 << 30, /* of all connections of a loop */
    IOV_BATCH = 128,
    READ_ROOM = 4096,
    COUNT_FROM = 64 * 1024, /* memory of unread bytes that counts against server->max_buffered */
    LINGER_MS = 1000,
    STALL_MS = 120 * 1000 /* neither side of a begun transfer moves */
};

static struct slice unread(struct server_conn *conn)
{
    return (struct slice){buf_head(&conn->in), buf_size(&conn->in)};
}

static void ended(const struct server_conn *conn, const char *reason)
{
    log_limited(LOG_WARN, "rpc connection closed server=%s peer=%s:%u reason=%s",
                conn->loop->server->name, conn->peer_host, conn->peer_port, log_quote(reason));
}

/* Large unfinished frames count together: beyond the soft limit no further one may grow (crowded),
 * beyond the hard one what grows is closed. */
static void count_in(struct server_conn *conn)
{
    struct rpc_server *s = conn->loop->server;
    size_t now = conn->in.capacity > COUNT_FROM ? conn->in.capacity : 0, before = conn->in_counted;
    conn->crowded = before == 0 && now > 0 && atomic_load(&s->buffered) > s->max_buffered;
    if (now == before || conn->crowded)
        return;
    size_t old_total = atomic_fetch_add(&s->buffered, now - before);
    size_t total = old_total + now - before;
    conn->in_counted = now;
    if (now < before && old_total > s->max_buffered && total <= s->max_buffered)
        server_look_again(s);
    if (now > before && total > s->max_buffered * 2 && !conn->closing) {
        metric_add(METRIC_rpc_buffers_refused, 1);
        ended(conn, "all connections together hold too many bytes of unfinished frames");
        server_conn_close(conn);
    }
}

static void drop_in(struct server_conn *conn)
{
    buf_fini(&conn->in);
    count_in(conn);
}

/* ---- life ---- */

struct server_conn *server_conn_new(struct server_loop *loop, int fd)
{
    struct server_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->loop = loop;
    conn->fd = fd;
    rpc_server_conn_init(&conn->core, loop->server->o.max_frame);
    atomic_fetch_add(&loop->server->connections, 1);
    atomic_fetch_add(&loop->conn_count, 1);
    return conn;
}

static void uncount(struct server_conn *conn)
{
    atomic_fetch_sub(&conn->loop->server->connections, 1);
    atomic_fetch_sub(&conn->loop->conn_count, 1);
}

static void maybe_free(struct server_conn *conn)
{
    if (!conn->closed || conn->in_flight > 0)
        return;
    free(conn->user);
    free(conn->real_user);
    free(conn);
}

static void release_out(struct server_conn *conn)
{
    while (conn->out != NULL) {
        struct server_call *c = conn->out;
        conn->out = c->next;
        server_call_release(conn->loop, c);
    }
    conn->loop->out_bytes -= conn->out_bytes;
    conn->out_bytes = 0;
}

static void on_closed(uv_handle_t *h)
{
    struct server_conn *conn = h->data;
    struct server_loop *loop = conn->loop;
    drop_in(conn);
    release_out(conn);
    DL_DELETE(loop->conns, conn);
    if (conn->ready)
        DL_DELETE2(loop->ready, conn, ready_prev, ready_next);
    conn->ready = false;
    conn->closed = true;
    maybe_free(conn);
}

void server_conn_close(struct server_conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    uncount(conn);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void server_conn_drop(struct server_conn *conn)
{
    close(conn->fd);
    uncount(conn);
    free(conn);
}

static void make_ready(struct server_conn *conn)
{
    if (conn->ready || conn->closing)
        return;
    conn->ready = true;
    DL_APPEND2(conn->loop->ready, conn, ready_prev, ready_next);
}

/* ---- bytes out ---- */

static void sent(struct server_conn *conn, size_t size)
{
    conn->out_bytes -= size;
    conn->loop->out_bytes -= size;
    conn->wrote_ms = clock_monotonic_ms();
    while (conn->out != NULL && size >= buf_size(&conn->out->reply) - conn->out_offset) {
        struct server_call *c = conn->out;
        size -= buf_size(&c->reply) - conn->out_offset;
        conn->out_offset = 0;
        conn->out = c->next;
        server_call_release(conn->loop, c);
    }
    conn->out_offset += size;
}

static unsigned gather(struct server_conn *conn, uv_buf_t *bufs, size_t *ret_total)
{
    unsigned n = 0;
    size_t offset = conn->out_offset;
    *ret_total = 0;
    for (struct server_call *c = conn->out; c != NULL && n < IOV_BATCH; c = c->next, offset = 0) {
        bufs[n].base = (char *)buf_head(&c->reply) + offset;
        bufs[n].len = buf_size(&c->reply) - offset;
        *ret_total += bufs[n++].len;
    }
    return n;
}

static void on_written(uv_write_t *w, int status)
{
    struct server_conn *conn = w->data;
    size_t size = conn->out_writing;
    conn->out_writing = 0;
    if (conn->closing)
        return;
    if (status < 0) {
        server_conn_close(conn);
        return;
    }
    sent(conn, size);
    make_ready(conn);
}

static void on_shutdown(uv_shutdown_t *r, int status)
{
    struct server_conn *conn = r->data;
    if (status < 0 && !conn->closing)
        server_conn_close(conn);
}

/* The socket took all of it, or a uv_write waits till it does. */
static void flush(struct server_conn *conn)
{
    uv_buf_t bufs[IOV_BATCH];
    size_t total;
    while (conn->out != NULL && conn->out_writing == 0 && !conn->closing) {
        unsigned n = gather(conn, bufs, &total);
        int rc = uv_try_write((uv_stream_t *)&conn->tcp, bufs, n);
        if (rc < 0 && rc != UV_EAGAIN) {
            server_conn_close(conn);
            return;
        }
        if (rc > 0)
            sent(conn, (size_t)rc);
        if (rc > 0 && (size_t)rc == total)
            continue;
        n = gather(conn, bufs, &total);
        conn->write.data = conn;
        if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, bufs, n, on_written) != 0) {
            server_conn_close(conn);
            return;
        }
        conn->out_writing = total;
    }
}

/* A single reply may be longer than the limit: only what piles up is the reader's fault. */
static bool overflows(const struct server_conn *conn, size_t size)
{
    return conn->out_bytes > 0 &&
           (conn->out_bytes + size > OUT_LIMIT || conn->loop->out_bytes + size > OUT_LIMIT_LOOP);
}

static void queue(struct server_conn *conn, struct server_call *c)
{
    size_t size = buf_size(&c->reply);
    if (conn->out == NULL)
        conn->wrote_ms = clock_monotonic_ms();
    if (overflows(conn, size))
        flush(conn); /* what the socket takes now is no reason to end it */
    if (!conn->closing && overflows(conn, size)) {
        metric_add(METRIC_rpc_slow_readers, 1);
        ended(conn, "the peer doesn't read its replies");
        server_conn_close(conn);
    }
    if (conn->closing) {
        server_call_release(conn->loop, c);
        return;
    }
    c->next = NULL;
    if (conn->out == NULL)
        conn->out = c;
    else
        conn->out_last->next = c;
    conn->out_last = c;
    conn->out_bytes += size;
    conn->loop->out_bytes += size;
    make_ready(conn);
}

/* ---- bytes in ---- */

static bool full(const struct server_conn *conn)
{
    const struct rpc_server *s = conn->loop->server;
    return conn->in_flight >= s->o.max_calls_in_flight || conn->out_bytes > OUT_PAUSE ||
           atomic_load_explicit(&s->call_bytes, memory_order_relaxed) > s->max_call_bytes;
}

static void queue_answer(struct server_conn *conn, const struct rpc_event *ev)
{
    struct server_call *c = server_call_take(conn);
    if (c == NULL || buf_append(&c->reply, ev->answer, ev->answer_size) != 0) {
        if (c != NULL)
            server_call_release(conn->loop, c);
        server_conn_close(conn);
        return;
    }
    queue(conn, c);
}

static char *copy(struct slice s)
{
    return strndup((const char *)s.data, s.size);
}

static int authorize(struct server_conn *conn, struct err *err)
{
    const struct rpc_server_options *o = &conn->loop->server->o;
    if (conn->real_user == NULL)
        return 0;
    if (o->authorize_proxy != NULL)
        return o->authorize_proxy(o->authorize_ctx, conn->real_user, conn->user, conn->peer_host,
                                  err);
    return fail(err, ERR_AUTHORIZATION, "User: %s is not allowed to impersonate %s",
                conn->real_user, conn->user);
}

static void take_context(struct server_conn *conn, struct rpc_event *ev)
{
    struct err err = {0};
    conn->user = copy(ev->context.user);
    if (ev->context.real_user.data != NULL)
        conn->real_user = copy(ev->context.real_user);
    if (conn->user == NULL || (ev->context.real_user.data != NULL && conn->real_user == NULL))
        server_conn_close(conn); /* no memory */
    else if (authorize(conn, &err) != 0)
        rpc_server_conn_refuse(&conn->core, ev, &err);
}

static void take_call(struct server_conn *conn, const struct rpc_event *ev)
{
    struct server_call *c = server_call_take(conn);
    if (c == NULL) {
        server_conn_close(conn);
        return;
    }
    c->in_flight = true;
    conn->in_flight++;
    server_call_dispatch(c, ev);
}

static void act(struct server_conn *conn, struct rpc_event *ev)
{
    if (ev->kind == RPC_EVENT_CONTEXT)
        take_context(conn, ev); /* may turn it into a FATAL */
    if (conn->closing)
        return;
    if (ev->kind == RPC_EVENT_CALL)
        take_call(conn, ev);
    if (ev->kind == RPC_EVENT_ANSWER || ev->kind == RPC_EVENT_FATAL)
        queue_answer(conn, ev);
    if (ev->kind == RPC_EVENT_FATAL || ev->kind == RPC_EVENT_CLOSE) {
        metric_add(METRIC_rpc_bad_frames, 1);
        ended(conn, ev->reason);
        conn->finishing = true;
    }
    if (ev->kind == RPC_EVENT_CLOSE)
        server_conn_close(conn);
}

static size_t understand(struct server_conn *conn, struct slice bytes)
{
    struct rpc_event *ev = &conn->loop->event;
    size_t used = 0;
    while (!conn->closing && !conn->finishing && !full(conn)) {
        used += rpc_server_conn_step(&conn->core,
                                     (struct slice){bytes.data + used, bytes.size - used}, ev);
        if (ev->kind == RPC_EVENT_MORE)
            break;
        act(conn, ev);
        server_loop_take_local(
            conn->loop); /* so that full() sees what a handler answered at once */
    }
    return conn->finishing ? bytes.size : used;
}

static void understand_unread(struct server_conn *conn)
{
    if (buf_size(&conn->in) == 0)
        return;
    buf_consume(&conn->in, understand(conn, unread(conn)));
    if (buf_size(&conn->in) == 0)
        drop_in(conn); /* an idle connection holds no memory */
    else
        count_in(conn);
}

static void understand_scratch(struct server_conn *conn, struct slice bytes)
{
    size_t used = understand(conn, bytes);
    if (conn->closing || used == bytes.size)
        return;
    if (buf_append(&conn->in, bytes.data + used, bytes.size - used) != 0) {
        ended(conn, "no memory for its bytes");
        server_conn_close(conn);
    }
}

/* Straight into `in` when a frame has begun, else into the loop's scratch: whole small frames are
 * never copied. */
static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct server_conn *conn = h->data;
    (void)suggested;
    *ret = uv_buf_init((char *)conn->loop->scratch, SERVER_SCRATCH);
    if (buf_size(&conn->in) == 0 || conn->finishing)
        return;
    size_t want = rpc_server_conn_wants(&conn->core, unread(conn));
    if (conn->core.state == RPC_CONN_OPEN && want < READ_ROOM)
        want = READ_ROOM;
    if (want > SERVER_SCRATCH) /* never by what the frame announces */
        want = SERVER_SCRATCH;
    uint8_t *p = buf_reserve(&conn->in, want);
    size_t room = p != NULL ? conn->in.capacity - conn->in.end : 0;
    *ret = uv_buf_init((char *)p, room < UINT32_MAX ? (unsigned)room : UINT32_MAX);
}

static void stop_reading(struct server_conn *conn)
{
    if (conn->reading)
        (void)uv_read_stop((uv_stream_t *)&conn->tcp); /* always 0 */
    conn->reading = false;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct server_conn *conn = stream->data;
    if (n < 0) { /* the end, an error, or (UV_ENOBUFS) no memory */
        if (n == UV_ENOBUFS)
            ended(conn, "no memory for its bytes");
        server_conn_close(conn);
        return;
    }
    if (n == 0 || conn->finishing)
        return;
    conn->read_ms = clock_monotonic_ms();
    if (b->base == (char *)conn->loop->scratch) {
        understand_scratch(conn, (struct slice){(uint8_t *)b->base, (size_t)n});
        count_in(conn);
    } else {
        buf_commit(&conn->in, (size_t)n);
        understand_unread(conn);
    }
    if ((full(conn) || conn->crowded) && !conn->closing) {
        metric_add(METRIC_rpc_pauses, 1);
        stop_reading(conn);
    }
}

static void start_reading(struct server_conn *conn)
{
    if (conn->reading || conn->closing)
        return;
    if (uv_read_start((uv_stream_t *)&conn->tcp, on_room, on_read) != 0)
        server_conn_close(conn);
    else
        conn->reading = true;
}

/* ---- what the loop calls ---- */

void server_conn_start(struct server_conn *conn)
{
    struct server_loop *loop = conn->loop;
    int rc = uv_tcp_init(&loop->uv, &conn->tcp);
    if (rc != 0) {
        server_conn_drop(conn);
        return;
    }
    conn->tcp.data = conn;
    conn->accepted_ms = conn->read_ms = conn->wrote_ms = conn->call_ms = clock_monotonic_ms();
    DL_APPEND(loop->conns, conn);
    rc = uv_tcp_open(&conn->tcp, conn->fd);
    if (rc != 0) {
        close(conn->fd);
        server_conn_close(conn);
        return;
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1);       /* slower without, not wrong */
    (void)uv_tcp_keepalive(&conn->tcp, 1, 60); /* finds dead peers; the limits hold without it */
    start_reading(conn);
}

void server_conn_deliver(struct server_call *c)
{
    struct server_conn *conn = c->conn;
    server_call_discharge(c);
    if (c->in_flight) {
        conn->in_flight--;
        conn->call_ms = clock_monotonic_ms();
    }
    if (conn->closing || conn->finishing || c->broken) {
        bool broken = c->broken;
        server_call_release(conn->loop, c);
        if (broken)
            server_conn_close(conn);
        maybe_free(conn);
        return;
    }
    arena_reset(
        &c->call.arena); /* only the reply's bytes are needed while they wait for the socket */
    queue(conn, c);
}

static void linger(struct server_conn *conn)
{
    conn->lingering = true;
    conn->wrote_ms = clock_monotonic_ms();
    conn->shutdown.data = conn;
    drop_in(conn);
    start_reading(conn); /* and drop what comes, until the peer ends or LINGER_MS are over */
    if (!conn->closing && uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown) != 0)
        server_conn_close(conn);
}

void server_conn_ready(struct server_conn *conn)
{
    flush(conn);
    if (conn->closing)
        return;
    if (conn->finishing) {
        if (conn->out == NULL && !conn->lingering)
            linger(conn);
        return;
    }
    if (conn->loop->stop_seen) {
        stop_reading(conn);
        if (conn->out == NULL)
            server_conn_close(conn);
        return;
    }
    if (conn->reading || full(conn))
        return;
    understand_unread(conn);
    if (!full(conn) && !conn->finishing && !conn->crowded)
        start_reading(conn);
}

void server_conn_look_again(struct server_conn *conn)
{
    if (!conn->reading && !full(conn))
        make_ready(conn);
}

void server_conn_check_times(struct server_conn *conn, int64_t now_ms)
{
    const struct rpc_server *s = conn->loop->server;
    const char *reason = NULL;
    bool many = atomic_load(&s->connections) > s->o.max_connections / 5 * 2;
    if (conn->lingering) {
        if (now_ms - conn->wrote_ms > LINGER_MS)
            server_conn_close(conn);
        return;
    }
    if (conn->core.state < RPC_CONN_OPEN && now_ms - conn->accepted_ms > s->o.handshake_ms) {
        metric_add(METRIC_rpc_handshake_timeouts, 1);
        reason = "no connection context in time";
    } else if (conn->out != NULL && now_ms - conn->wrote_ms > STALL_MS) {
        metric_add(METRIC_rpc_slow_readers, 1);
        reason = "the peer has stopped reading its replies";
    } else if (conn->reading && buf_size(&conn->in) > 0 && now_ms - conn->read_ms > STALL_MS) {
        metric_add(METRIC_rpc_stalled_frames, 1);
        reason = "a frame was begun and not continued";
    }
    if (reason != NULL) {
        ended(conn, reason);
        server_conn_close(conn);
        return;
    }
    bool idle = conn->in_flight == 0 && conn->out == NULL && buf_size(&conn->in) == 0 &&
                now_ms - conn->call_ms > s->o.idle_ms && now_ms - conn->read_ms > s->o.idle_ms;
    if (idle && many) {
        metric_add(METRIC_rpc_idle_closed, 1);
        server_conn_close(conn);
    }
}
