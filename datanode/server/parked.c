/* parked.c - connections that wait for their next operation: no thread, and memory only for what
 * has come. Thread: the loop. States: PARKED (polled) -> RUNNING (a worker has it) -> PARKED or
 * CLOSING (the handle is being closed, then it is freed). Only the loop closes the descriptor, so a
 * number can't come back under a worker's hands. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/obs/obs.h"
#include "datanode/server/internal.h"

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct data_server *s = c->server;
    DL_DELETE(s->conns, c);
    s->conn_count--;
    close(c->in.fd);
    xfer_in_fini(&c->in);
    arena_fini(&c->arena);
    transfer_watch_fini(&c->watch);
    free(c);
    if (s->closing && s->conns == NULL)
        uv_async_send(&s->wake);
}

void conn_close(struct conn *c)
{
    CHECK(c->state != CONN_CLOSING);
    c->state = CONN_CLOSING;
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

static void bad_input(struct conn *c, const struct err *why)
{
    char peer[300];
    metric_add(METRIC_xfer_bad_ops, 1);
    sock_peer(c->in.fd, peer, sizeof(peer));
    log_limited(LOG_WARN, "a data connection is closed peer=%s cause=%s", peer,
                log_quote(why->text));
    conn_close(c);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void park(struct conn *c, int64_t wait_ms)
{
    c->deadline_ms = clock_monotonic_ms() + wait_ms;
    if (c->state == CONN_PARKED)
        return;
    c->state = CONN_PARKED;
    if (uv_poll_start(&c->poll, UV_READABLE, on_readable) != 0)
        conn_close(c);
}

static void hand_over(struct conn *c)
{
    uv_poll_stop(&c->poll);
    c->state = CONN_RUNNING;
    if (workers_submit(c->server->workers, transfer_run, c, 0) == 0)
        return;
    static const char text[] =
        "org.apache.hadoop.ipc.RetriableException: too many transfers, try another node";
    struct err err = {0};
    metric_add(METRIC_xfer_refused, 1);
    log_limited(LOG_WARN, "too many transfers limit=%u", c->server->options.max_transfers);
    /* it fits the empty socket buffer: the loop doesn't wait */
    if (xfer_send_response(c->in.fd, XFER__STATUS__ERROR, text, NULL, &err) != 0)
        log_debug("a peer didn't hear that there are too many transfers cause=%s",
                  log_quote(err.text));
    conn_close(c);
}

/* The answer that a reader owes. 1: got it, 0: more bytes needed, <0 error. */
static int take_status(struct conn *c, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, 1 << 16);
    struct slice bytes = {buf_head(&c->in.buffered), buf_size(&c->in.buffered)};
    ssize_t used =
        xfer_decode_message(bytes, &xfer__client_read_status__descriptor, &arena, &m, err);
    if (used > 0) {
        buf_consume(&c->in.buffered, (size_t)used);
        c->status_owed = false;
        if (((Xfer__ClientReadStatus *)m)->status == XFER__STATUS__ERROR_CHECKSUM)
            metric_add(METRIC_checksum_errors, 1);
    }
    arena_fini(&arena);
    return used > 0 ? 1 : (int)used;
}

/* The operation in the buffer. 1: it is there, or so much of it that a worker waits for the rest;
 * 0: more bytes needed; <0 error. */
static int take_op(struct conn *c, struct err *err)
{
    struct slice bytes = {buf_head(&c->in.buffered), buf_size(&c->in.buffered)};
    ssize_t used = xfer_decode_op(bytes, &c->arena, &c->op, &c->message, err);
    if (used < 0)
        return (int)used;
    if (used > 0) {
        buf_consume(&c->in.buffered, (size_t)used);
        return 1;
    }
    c->message = NULL;
    return bytes.size >= PARKED_BYTES;
}

static void consider(struct conn *c, int64_t wait_ms)
{
    struct err err = {0};
    int rc = 1;
    if (c->status_owed)
        rc = take_status(c, &err);
    if (rc > 0)
        rc = take_op(c, &err);
    if (rc < 0)
        bad_input(c, &err);
    else if (rc == 0)
        park(c, wait_ms);
    else
        hand_over(c);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    (void)events;
    size_t have = buf_size(&c->in.buffered);
    CHECK(c->state == CONN_PARKED && have < PARKED_BYTES);
    uint8_t *room = buf_reserve(&c->in.buffered, PARKED_BYTES - have);
    ssize_t n =
        room == NULL || status != 0 ? 0 : recv(c->in.fd, room, PARKED_BYTES - have, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* gone, or no memory: this connection only */
        conn_close(c);
        return;
    }
    buf_commit(&c->in.buffered, (size_t)n);
    consider(c, c->deadline_ms - clock_monotonic_ms()); /* slow senders get no more time */
}

void conn_accept(struct data_server *s, int fd)
{
    struct conn *c = calloc(1, sizeof(*c));
    int one = 1;
    if (c == NULL || uv_poll_init(&s->loop, &c->poll, fd) != 0) {
        free(c);
        close(fd);
        return;
    }
    /* workers block on it; the loop reads with MSG_DONTWAIT */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->server = s;
    c->poll.data = c;
    xfer_in_init(&c->in, fd);
    arena_init(&c->arena, OP_MEMORY);
    transfer_watch_init(&c->watch);
    DL_APPEND(s->conns, c);
    s->conn_count++;
    c->state = CONN_RUNNING;
    park(c, s->options.first_ms);
}

void conn_returned(struct conn *c)
{
    struct data_server *s = c->server;
    CHECK(c->state == CONN_RUNNING);
    arena_fini(&c->arena); /* an idle connection keeps nothing */
    arena_init(&c->arena, OP_MEMORY);
    c->message = NULL;
    if (buf_size(&c->in.buffered) == 0)
        buf_fini(&c->in.buffered);
    if (c->result != 0 || s->closing) {
        conn_close(c);
        return;
    }
    consider(c, c->status_owed ? s->options.first_ms : s->options.keepalive_ms);
}

void conn_tick(struct data_server *s, int64_t now_ms)
{
    struct conn *c, *next;
    DL_FOREACH_SAFE(s->conns, c, next)
    {
        if (c->state == CONN_PARKED && c->deadline_ms <= now_ms)
            conn_close(c);
    }
}
