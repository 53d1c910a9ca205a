/* server.c - start, accept, loops, stop.
 * Threads: rpc_server_start/stop/free by the owner; each loop has its thread; loop 0 accepts and
 * hands a socket to the loop with the fewest connections. A turn of a loop: read what came (calls
 * are dispatched at once), take replies from the inbox, then, before it sleeps, one writev per
 * connection that has something to say (on_prepare). Ownership: loops live until rpc_server_free,
 * so that a late reply finds an inbox. */
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/obs/obs.h"
#include "common/rpc/internal.h"

enum { ACCEPT_BATCH = 64, MAX_LOOPS = 64, MAX_TICK_MS = 500 };

/* ---- accept ---- */

static struct server_loop *least_busy(struct rpc_server *s)
{
    struct server_loop *best = &s->loops[0];
    for (unsigned i = 1; i < s->loop_count; i++)
        if (atomic_load(&s->loops[i].conn_count) < atomic_load(&best->conn_count))
            best = &s->loops[i];
    return best;
}

static void name_peer(struct server_conn *conn, const struct sockaddr_storage *from, socklen_t size)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo((const struct sockaddr *)from, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(conn->peer_host, sizeof(conn->peer_host), "unknown");
        return;
    }
    bool mapped = strncmp(host, "::ffff:", 7) == 0 && strchr(host, '.') != NULL;
    snprintf(conn->peer_host, sizeof(conn->peer_host), "%.63s", mapped ? host + 7 : host);
    conn->peer_port = (uint16_t)strtoul(port, NULL, 10);
}

static void welcome(struct rpc_server *s, int fd, const struct sockaddr_storage *from,
                    socklen_t size)
{
    struct server_loop *loop = least_busy(s);
    struct server_conn *conn = NULL;
    if (atomic_load(&s->connections) < s->o.max_connections)
        conn = server_conn_new(loop, fd);
    if (conn == NULL) {
        metric_add(METRIC_rpc_connections_refused, 1);
        close(fd);
        log_limited(LOG_WARN, "rpc connection refused server=%s limit=%u", s->name,
                    s->o.max_connections);
        return;
    }
    metric_add(METRIC_rpc_connections_accepted, 1);
    name_peer(conn, from, size);
    if (loop == &s->loops[0]) {
        server_conn_start(conn);
        return;
    }
    inbox_put(&loop->accepted, &conn->node);
    (void)uv_async_send(&loop->wake); /* the handle lives until rpc_server_free */
}

static void on_connection(uv_poll_t *h, int status, int events)
{
    struct rpc_server *s = h->data;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof(from);
        int fd =
            accept4(s->listen_fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            welcome(s, fd, &from, size);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_limited(LOG_ERROR, "rpc accept failed server=%s error=%s", s->name,
                        log_quote(strerror(errno)));
            (void)uv_poll_stop(h); /* on_tick goes on, when some files may have been closed */
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void listen_again(struct rpc_server *s)
{
    if (s->listening && !uv_is_active((uv_handle_t *)&s->listener))
        (void)uv_poll_start(&s->listener, UV_READABLE, on_connection); /* or at the next tick */
}

/* ---- a turn ---- */

static struct server_conn *conn_of_node(struct inbox_node *n)
{
    return (struct server_conn *)(void *)((char *)n - offsetof(struct server_conn, node));
}

static struct server_call *call_of_node(struct inbox_node *n)
{
    return (struct server_call *)(void *)((char *)n - offsetof(struct server_call, call.node));
}

static void take_inboxes(struct server_loop *loop)
{
    for (struct inbox_node *n = inbox_take_all(&loop->accepted, 0), *next; n != NULL; n = next) {
        next = n->next;
        server_conn_start(conn_of_node(n));
    }
    for (struct inbox_node *n = inbox_take_all(&loop->replies, 0), *next; n != NULL; n = next) {
        next = n->next;
        server_conn_deliver(call_of_node(n));
    }
}

void server_loop_take_local(struct server_loop *loop)
{
    struct server_call *c = loop->local;
    loop->local = NULL;
    loop->local_last = &loop->local;
    for (struct server_call *next; c != NULL; c = next) {
        next = c->next;
        server_conn_deliver(c);
    }
}

static void run_ready(struct server_loop *loop)
{
    server_loop_take_local(loop);
    while (loop->ready != NULL) {
        struct server_conn *conn = loop->ready;
        DL_DELETE2(loop->ready, conn, ready_prev, ready_next);
        conn->ready = false;
        server_conn_ready(conn); /* may read frames that waited, whose replies are local again */
        server_loop_take_local(loop);
    }
}

static void on_tick(uv_timer_t *h);

static void stop_listening(struct server_loop *loop)
{
    struct rpc_server *s = loop->server;
    if (loop == &s->loops[0] && s->listening) {
        s->listening = false;
        uv_close((uv_handle_t *)&s->listener, NULL);
    }
}

static void stop_step(struct server_loop *loop)
{
    if (!atomic_load(&loop->server->stopping))
        return;
    bool late = clock_monotonic_ms() >= atomic_load(&loop->server->stop_deadline_ms);
    struct server_conn *conn, *next;
    if (!loop->stop_seen) {
        loop->stop_seen = true;
        stop_listening(loop);
        /* the deadline is looked at each time the loop wakes */
        (void)uv_timer_start(&loop->tick, on_tick, 10, 10); /* fails only for a closing handle */
    }
    DL_FOREACH_SAFE(loop->conns, conn, next)
    {
        if (late)
            server_conn_close(conn);
        else
            server_conn_ready(conn);
    }
    if (loop->conns == NULL)
        uv_stop(&loop->uv);
}

static void on_prepare(uv_prepare_t *h)
{
    struct server_loop *loop = h->data;
    run_ready(loop);
    stop_step(loop);
}

void server_look_again(struct rpc_server *s)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        atomic_store(&s->loops[i].look_again, true);
        (void)uv_async_send(&s->loops[i].wake); /* the handle lives until rpc_server_free */
    }
}

static void on_wake(uv_async_t *h)
{
    struct server_loop *loop = h->data;
    struct server_conn *conn, *next;
    take_inboxes(loop);
    if (atomic_exchange(&loop->look_again, false))
        DL_FOREACH_SAFE(loop->conns, conn, next)
    server_conn_look_again(conn);
}

static void on_tick(uv_timer_t *h)
{
    struct server_loop *loop = h->data;
    struct server_conn *conn, *next;
    int64_t now_ms = clock_monotonic_ms();
    DL_FOREACH_SAFE(loop->conns, conn, next)
    if (!conn->closing)
        server_conn_check_times(conn, now_ms);
    if (loop == &loop->server->loops[0] && !loop->stop_seen)
        listen_again(loop->server);
}

static void *run_loop(void *arg)
{
    struct server_loop *loop = arg;
    server_loop_enter(loop);
    (void)uv_run(&loop->uv,
                 UV_RUN_DEFAULT); /* what is left over then is seen to by rpc_server_free */
    server_loop_enter(NULL);
    return NULL;
}

/* ---- start ---- */

static int loop_init(struct rpc_server *s, struct server_loop *loop, struct err *err)
{
    loop->server = s;
    loop->local_last = &loop->local;
    inbox_init(&loop->replies);
    inbox_init(&loop->accepted);
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0)
        return fail(err, ERR_IO, "start an event loop: %s", uv_strerror(rc));
    CHECK(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    CHECK(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    CHECK(uv_timer_init(&loop->uv, &loop->tick) == 0);
    CHECK(uv_timer_start(&loop->tick, on_tick, (uint64_t)s->tick_ms, (uint64_t)s->tick_ms) == 0);
    loop->prepare.data = loop->tick.data = loop->wake.data = loop;
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    return rc == 0 ? 0 : fail(err, ERR_IO, "start an event loop: %s", uv_strerror(rc));
}

static int start_thread(struct rpc_server *s, unsigned i, struct err *err)
{
    struct server_loop *loop = &s->loops[i];
    sigset_t all, before;
    char name[16];
    sigfillset(&all); /* signals are the main thread's; a broken pipe is an error code here */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails only for a bad first argument */
    errno = pthread_create(&loop->thread, NULL, run_loop, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno != 0)
        return fail_errno(err, "start a thread");
    loop->thread_started = true;
    snprintf(name, sizeof(name), "%.10s-%u", s->name, i);
    (void)pthread_setname_np(loop->thread, name); /* for people only */
    return 0;
}

static int listen_on(struct rpc_server *s, struct err *err)
{
    TRY(sock_listen(&s->o.listen, &s->listen_fd, &s->port, err));
    int flags = fcntl(s->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(s->listen_fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return fail_errno(err, "listen on %s:%u", s->o.listen.host, s->o.listen.port);
    int rc = uv_poll_init(&s->loops[0].uv, &s->listener, s->listen_fd);
    if (rc != 0)
        return fail(err, ERR_IO, "listen on %s:%u: %s", s->o.listen.host, s->o.listen.port,
                    uv_strerror(rc));
    s->listener.data = s;
    s->listening = true;
    listen_again(s);
    return 0;
}

static int64_t or_default(int64_t value, int64_t standard)
{
    return value != 0 ? value : standard;
}

static void set_defaults(struct rpc_server *s)
{
    struct rpc_server_options *o = &s->o;
    o->loops = o->loops == 0 ? 1 : o->loops > MAX_LOOPS ? MAX_LOOPS : o->loops;
    o->max_frame = o->max_frame == 0 ? RPC_DEFAULT_MAX_FRAME : o->max_frame;
    o->max_connections = (unsigned)or_default(o->max_connections, 10000);
    o->max_calls_in_flight = (unsigned)or_default(o->max_calls_in_flight, 256);
    o->idle_ms = or_default(o->idle_ms, 20000);
    o->handshake_ms = or_default(o->handshake_ms, 10000);
    s->max_buffered = o->max_frame * 4;
    s->max_call_bytes = o->max_frame * 8;
    int64_t shortest = o->idle_ms < o->handshake_ms ? o->idle_ms : o->handshake_ms;
    s->tick_ms = shortest / 4 < 10 ? 10 : shortest / 4 > MAX_TICK_MS ? MAX_TICK_MS : shortest / 4;
}

static int copy_options(struct rpc_server *s, const struct rpc_server_options *o)
{
    s->o = *o;
    s->name = strdup(o->name != NULL ? o->name : "rpc");
    s->protocols = calloc(o->protocol_count + 1, sizeof(*s->protocols));
    s->indexes = calloc(o->protocol_count + 1, sizeof(*s->indexes));
    set_defaults(s);
    s->loops = calloc(s->o.loops, sizeof(*s->loops));
    if (s->name == NULL || s->protocols == NULL || s->indexes == NULL || s->loops == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < o->protocol_count; i++)
        s->protocols[i] = o->protocols[i];
    s->o.protocols = s->protocols;
    return server_index_protocols(s);
}

static int start(struct rpc_server *s, const struct rpc_server_options *o, struct err *err)
{
    if (copy_options(s, o) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory to start the RPC server");
    for (; s->loop_count < s->o.loops; s->loop_count++)
        TRY(loop_init(s, &s->loops[s->loop_count], err));
    TRY(listen_on(s, err));
    for (unsigned i = 0; i < s->loop_count; i++)
        TRY(start_thread(s, i, err));
    return 0;
}

int rpc_server_start(const struct rpc_server_options *o, struct rpc_server **ret, struct err *err)
{
    struct rpc_server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to start the RPC server");
    s->listen_fd = -1;
    int rc = start(s, o, err);
    if (rc != 0) {
        rpc_server_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

uint16_t rpc_server_port(const struct rpc_server *s)
{
    return s->port;
}

/* ---- stop ---- */

void rpc_server_stop(struct rpc_server *s, int64_t drain_ms)
{
    if (s->joined)
        return;
    atomic_store(&s->stop_deadline_ms, clock_monotonic_ms() + drain_ms);
    atomic_store(&s->stopping, true);
    for (unsigned i = 0; i < s->loop_count; i++) {
        struct server_loop *loop = &s->loops[i];
        if (!loop->thread_started)
            continue;
        (void)uv_async_send(&loop->wake); /* the handle lives until rpc_server_free */
        CHECK(pthread_join(loop->thread, NULL) == 0);
    }
    s->joined = true;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

/* On the owner's thread, after the loop's has ended. False: somebody still holds a call. */
static bool loop_fini(struct server_loop *loop)
{
    for (struct inbox_node *n = inbox_take_all(&loop->accepted, 0), *next; n != NULL; n = next) {
        next = n->next;
        server_conn_drop(conn_of_node(n));
    }
    take_inboxes(loop); /* replies that nobody waits for */
    server_loop_take_local(loop);
    uv_walk(&loop->uv, close_handle, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* runs the close callbacks, then has nothing left */
    if (loop->live_calls > 0) {
        log_error("rpc calls never answered server=%s count=%zu", loop->server->name,
                  loop->live_calls);
        return false;
    }
    CHECK(uv_loop_close(&loop->uv) == 0);
    inbox_fini(&loop->replies);
    inbox_fini(&loop->accepted);
    server_calls_free(loop);
    return true;
}

void rpc_server_free(struct rpc_server *s)
{
    bool unused = true;
    if (s == NULL)
        return;
    rpc_server_stop(s, 0);
    for (unsigned i = 0; i < s->loop_count; i++)
        unused = loop_fini(&s->loops[i]) && unused;
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (!unused)
        return; /* a late reply must find its inbox: rather leak than crash */
    for (size_t i = 0; s->indexes != NULL && i < s->o.protocol_count; i++)
        free(s->indexes[i].sorted);
    free(s->indexes);
    free(s->protocols);
    free(s->loops);
    free(s->name);
    free(s);
}
