/* accept.c - the data port's loop: listener, timer, returning connections, end.
 * Thread: the loop's own; other threads only set `stopping` or put connections into `returned`, and
 * wake it. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/obs/obs.h"
#include "datanode/server/internal.h"

enum { ACCEPT_BATCH = 64, MAX_CONNECTIONS = 50000, RESTART_MS = 1500 };

static void pause_accepting(struct data_server *s)
{
    uv_poll_stop(&s->listener); /* the next tick tries again */
    s->accept_paused = true;
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void resume_accepting(struct data_server *s)
{
    if (!s->accept_paused || s->closing)
        return;
    s->accept_paused = uv_poll_start(&s->listener, UV_READABLE, on_listener) != 0;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct data_server *s = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            log_limited(LOG_WARN, "no connection can be accepted error=%s",
                        log_quote(strerror(errno)));
            pause_accepting(s);
        }
        if (fd < 0)
            return;
        if (s->conn_count >= s->max_conns) {
            metric_add(METRIC_xfer_refused, 1);
            log_limited(LOG_WARN, "too many data connections limit=%zu", s->max_conns);
            close(fd);
            continue;
        }
        conn_accept(s, fd);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct data_server *s = timer->data;
    conn_tick(s, clock_monotonic_ms());
    resume_accepting(s);
}

static void close_all(struct data_server *s)
{
    s->closing = true;
    uv_close((uv_handle_t *)&s->listener, NULL);
    uv_close((uv_handle_t *)&s->tick, NULL);
    struct conn *c, *next;
    DL_FOREACH_SAFE(s->conns, c, next)
    {
        if (c->state == CONN_PARKED) {
            conn_close(c);
        } else if (c->state == CONN_RUNNING) {
            shutdown(c->in.fd, SHUT_RDWR);
            transfer_watch_stop(&c->watch);
        }
    }
}

static void tell_writers(struct data_server *s)
{
    struct conn *c;
    DL_FOREACH(s->conns, c)
    {
        if (c->state == CONN_RUNNING)
            transfer_watch_restart(&c->watch);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct data_server *s = wake->data;
    struct inbox_node *n = inbox_take_all(&s->returned, 0), *next;
    for (; n != NULL; n = next) {
        next = n->next;
        conn_returned((struct conn *)(void *)((char *)n - offsetof(struct conn, node)));
    }
    if (atomic_exchange(&s->restarting, false))
        tell_writers(s);
    if (atomic_load(&s->stopping) && !s->closing)
        close_all(s);
    if (s->closing && s->conns == NULL && !uv_is_closing((uv_handle_t *)wake))
        uv_close((uv_handle_t *)wake, NULL); /* the last handle: the loop ends */
}

static void *loop_thread(void *arg)
{
    struct data_server *s = arg;
    pthread_setname_np(pthread_self(), "dn-data");
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static size_t connection_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return MAX_CONNECTIONS;
    size_t most = (size_t)limit.rlim_cur / 4 * 3; /* the rest is for replicas and mirrors */
    return most < MAX_CONNECTIONS ? most : MAX_CONNECTIONS;
}

static int start_loop(struct data_server *s, struct err *err)
{
    int rc = uv_loop_init(&s->loop);
    if (rc != 0)
        return fail(err, ERR_IO, "starting a loop: %s", uv_strerror(rc));
    CHECK(uv_poll_init(&s->loop, &s->listener, s->listen_fd) == 0);
    CHECK(uv_timer_init(&s->loop, &s->tick) == 0);
    CHECK(uv_async_init(&s->loop, &s->wake, on_wake) == 0);
    s->listener.data = s->tick.data = s->wake.data = s;
    CHECK(uv_poll_start(&s->listener, UV_READABLE, on_listener) == 0);
    CHECK(uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS) == 0);
    if ((rc = pthread_create(&s->thread, NULL, loop_thread, s)) != 0)
        return fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
    return 0;
}

int data_server_start(const struct data_server_options *o, struct data_server **ret,
                      struct err *err)
{
    struct data_server *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->workers = workers_new("dn-xfer", o->max_transfers)) == NULL) {
        free(s);
        return fail(err, ERR_NO_MEMORY, "no memory for the data port");
    }
    s->options = *o;
    s->max_conns = connection_limit();
    inbox_init(&s->returned);
    int rc = sock_listen(&o->listen, &s->listen_fd, &s->port, err);
    if (rc == 0) {
        rc = start_loop(s, err);
        if (rc != 0)
            close(s->listen_fd);
    }
    if (rc != 0) {
        workers_free(s->workers);
        inbox_fini(&s->returned);
        free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

uint16_t data_server_port(const struct data_server *s)
{
    return s->port;
}

unsigned data_server_active(const struct data_server *s)
{
    return workers_busy(s->workers);
}

void data_server_restart(struct data_server *s)
{
    atomic_store(&s->restarting, true);
    uv_async_send(&s->wake);
    int64_t end_ms = clock_monotonic_ms() + RESTART_MS;
    struct timespec pause = {.tv_nsec = 50 * 1000000};
    do
        nanosleep(&pause, NULL);
    while (data_server_active(s) > 0 && clock_monotonic_ms() < end_ms);
}

void data_server_stop(struct data_server *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->stopping, true);
    uv_async_send(&s->wake);
    pthread_join(s->thread, NULL);
    workers_free(s->workers);
    CHECK(uv_loop_close(&s->loop) == 0);
    close(s->listen_fd);
    inbox_fini(&s->returned);
    free(s);
}
