/* mirror.c - the connection to the next node of a pipeline, and what all operations need of a
 * header. Thread: the worker of the operation; the watch is locked, since a stopping node reaches
 * in.
 *
 * A next node that is stopped or cut off takes bytes for a while and says nothing. Waiting for the
 * long time-outs would hold the writer up, and short ones would drop a node that is only slow. So
 * silence leads to a question on a second connection, which any living node answers at once: with
 * an error, by closing, it doesn't matter. Only a node that doesn't answer that is given up. Time
 * in which this process itself didn't run doesn't count. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

void transfer_watch_init(struct transfer_watch *w)
{
    *w = (struct transfer_watch){.fd = -1, .up = -1};
    CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
}

void transfer_watch_fini(struct transfer_watch *w)
{
    pthread_mutex_destroy(&w->lock);
}

void transfer_watch_stop(struct transfer_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    if (w->fd >= 0)
        shutdown(w->fd, SHUT_RDWR);
    if (w->up >= 0)
        shutdown(w->up, SHUT_RDWR);
    pthread_mutex_unlock(&w->lock);
}

void transfer_watch_restart(struct transfer_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->restarting = true;
    if (w->up >= 0)
        shutdown(w->up, SHUT_RD); /* it wakes, and can still speak */
    pthread_mutex_unlock(&w->lock);
}

static bool watch_set(struct transfer_watch *w, int fd)
{
    if (w == NULL)
        return true;
    pthread_mutex_lock(&w->lock);
    bool goes_on = !w->stopped;
    w->fd = fd;
    pthread_mutex_unlock(&w->lock);
    return goes_on;
}

int grown_timeout(int timeout_ms, size_t nodes)
{
    return timeout_ms == 0 ? 0 : timeout_ms + (int)nodes * TIMEOUT_PER_NODE_MS;
}

void mirror_init(struct mirror *m, struct transfer_watch *watch)
{
    *m = (struct mirror){.watch = watch, .probe_fd = -1};
    xfer_in_init(&m->in, -1);
}

static void probe_end(struct mirror *m)
{
    if (m->probe_fd >= 0)
        close(m->probe_fd);
    m->probe_fd = -1;
    m->asked = m->connected = false;
}

void mirror_close(struct mirror *m)
{
    probe_end(m);
    if (m->in.fd < 0)
        return;
    (void)watch_set(m->watch, -1); /* before the number may mean something else */
    close(m->in.fd);
    xfer_in_fini(&m->in);
    xfer_in_init(&m->in, -1);
}

int mirror_connect(struct mirror *m, const struct pipeline_config *config,
                   const Hdfs__DatanodeInfo *target, size_t nodes, struct err *err)
{
    const Hdfs__DatanodeID *id = target->id;
    const char *host = config->use_hostname ? id->host_name : id->ip_addr;
    struct addr addr = {.port = (uint16_t)id->xfer_port};
    snprintf(m->name, sizeof(m->name), "%.255s:%u", id->ip_addr, id->xfer_port);
    if (strlen(host) >= sizeof(addr.host) || id->xfer_port == 0 || id->xfer_port > UINT16_MAX)
        return fail(err, ERR_PROTOCOL, "%s is not an address", log_quote(m->name));
    snprintf(addr.host, sizeof(addr.host), "%s", host);
    int read_ms = grown_timeout(config->read_timeout_ms, nodes);
    int fd;
    TRY(sock_connect(&addr, read_ms, &fd, err));
    m->in.fd = fd;
    m->config = config;
    m->addr = addr;
    m->write_timeout_ms = grown_timeout(config->write_timeout_ms, nodes);
    if (!watch_set(m->watch, fd))
        return fail(err, ERR_CLOSED, "this node is stopping");
    return sock_set_timeouts(fd, read_ms, grown_timeout(config->write_timeout_ms, nodes), err);
}

/* --- does it live? --- */

void mirror_alive(struct mirror *m)
{
    m->alive_ms = clock_monotonic_ms();
    probe_end(m);
}

static int probe_start(struct mirror *m, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    char port[8];
    snprintf(port, sizeof(port), "%u", m->addr.port);
    m->asked = true;
    m->asked_ms = clock_monotonic_ms();
    if (getaddrinfo(m->addr.host, port, &hints, &list) != 0)
        return 0; /* its name is somebody else's fault: only the time counts */
    m->probe_fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = m->probe_fd < 0 ? 0 : connect(m->probe_fd, list->ai_addr, list->ai_addrlen);
    int eno = errno;
    freeaddrinfo(list);
    if (rc != 0 && eno == ECONNREFUSED)
        return fail(err, ERR_CONNECT, "%s is gone", m->name);
    return 0;
}

/* An operation on a block pool that doesn't exist. */
static int probe_ask(struct mirror *m, struct err *err)
{
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    Xfer__BaseHeader header = XFER__BASE_HEADER__INIT;
    Xfer__OpBlockChecksum op = XFER__OP_BLOCK_CHECKSUM__INIT;
    Rpc__Token token = RPC__TOKEN__INIT;
    int eno = 0;
    socklen_t size = sizeof(eno);
    if (getsockopt(m->probe_fd, SOL_SOCKET, SO_ERROR, &eno, &size) == 0 && eno == ECONNREFUSED)
        return fail(err, ERR_CONNECT, "%s is gone", m->name);
    m->connected = true;
    block.pool_id = token.kind = token.service = (char *)(uintptr_t) "";
    header.block = &block;
    header.token = &token;
    op.header = &header;
    struct err own = {0};
    if (xfer_send_op(m->probe_fd, XFER_BLOCK_CHECKSUM, &op.base, &own) != 0)
        log_debug("a question to the next node isn't sent cause=%s", log_quote(own.text));
    return 0;
}

/* Asks when it is time; *ret_wait: until there is something to do, -1: nothing. */
static int watch_over(struct mirror *m, bool owes, int *ret_wait, struct err *err)
{
    *ret_wait = -1;
    if (!owes || m->config == NULL || m->config->mirror_quiet_ms == 0) {
        probe_end(m);
        return 0;
    }
    int64_t now = clock_monotonic_ms();
    if (!m->asked && now - m->alive_ms >= m->config->mirror_quiet_ms)
        TRY(probe_start(m, err));
    int64_t left = m->asked ? m->asked_ms + m->config->mirror_probe_ms - now
                            : m->alive_ms + m->config->mirror_quiet_ms - now;
    if (m->asked && left <= 0)
        return fail(err, ERR_TIMEOUT, "%s doesn't answer, not even whether it lives", m->name);
    *ret_wait = left < 1 ? 1 : (int)left;
    return 0;
}

static int probe_ready(struct mirror *m, int revents, struct err *err)
{
    if (!m->connected)
        return revents == 0 ? 0 : probe_ask(m, err);
    if (revents != 0)
        mirror_alive(m);
    return 0;
}

enum { OVERSLEPT_MS = 300 };

/* One poll; time that this process was not given doesn't count against the mirror. */
static int poll_once(struct mirror *m, struct pollfd *fds, unsigned count, int wait_ms, int *ret,
                     struct err *err)
{
    struct pollfd all[3];
    memcpy(all, fds, count * sizeof(*fds));
    all[count] = (struct pollfd){m->probe_fd, m->connected ? POLLIN : POLLOUT, 0};
    int64_t start = clock_monotonic_ms();
    int n = poll(all, count + 1, wait_ms);
    int64_t late = clock_monotonic_ms() - start - wait_ms;
    if (n < 0 && errno != EINTR)
        return fail_errno(err, "waiting for a packet");
    if (wait_ms >= 0 && late > OVERSLEPT_MS) {
        m->alive_ms += late;
        m->asked_ms += late;
    }
    *ret = 0;
    for (unsigned i = 0; n > 0 && i < count; i++) {
        fds[i].revents = all[i].revents;
        *ret += all[i].revents != 0;
    }
    return n > 0 && m->probe_fd >= 0 ? probe_ready(m, all[count].revents, err) : 0;
}

int mirror_poll(struct mirror *m, struct pollfd *fds, unsigned count, bool owes, int timeout_ms,
                int *ret_ready, struct err *err)
{
    int64_t end_ms = clock_monotonic_ms() + timeout_ms;
    CHECK(count <= 2);
    for (;;) {
        int wait_ms, left_ms = -1;
        TRY(watch_over(m, owes, &wait_ms, err));
        if (timeout_ms >= 0) {
            int64_t left = end_ms - clock_monotonic_ms();
            left_ms = left < 0 ? 0 : (int)left;
        }
        if (wait_ms < 0 || (left_ms >= 0 && left_ms < wait_ms))
            wait_ms = left_ms;
        for (unsigned i = 0; i < count; i++)
            fds[i].revents = 0;
        TRY(poll_once(m, fds, count, wait_ms, ret_ready, err));
        if (*ret_ready > 0 || left_ms == 0)
            return 0;
    }
}

int mirror_send(struct mirror *m, const uint8_t *data, size_t size, struct err *err)
{
    bool waited = false;
    while (size > 0) {
        ssize_t n = send(m->in.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            if (waited)
                mirror_alive(m); /* it made room */
            data += n;
            size -= (size_t)n;
            waited = false;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return fail_errno(err, "sending to %s", m->name);
        struct pollfd fd = {m->in.fd, POLLOUT, 0};
        int ready;
        if (!waited && !m->asked)
            m->alive_ms = clock_monotonic_ms();
        waited = true;
        TRY(mirror_poll(m, &fd, 1, true, m->write_timeout_ms == 0 ? -1 : m->write_timeout_ms,
                        &ready, err));
        if (ready == 0)
            return fail(err, ERR_TIMEOUT, "%s takes nothing for %d ms", m->name,
                        m->write_timeout_ms);
    }
    return 0;
}

int header_block(const struct transfer *t, const Xfer__BaseHeader *header,
                 struct block_pool **ret_pool, struct block *ret, struct err *err)
{
    const Hdfs__ExtendedBlock *b = header->block;
    *ret_pool = store_await_pool(t->config->store, b->pool_id);
    if (*ret_pool == NULL)
        return fail(
            err, ERR_NO_REPLICA, "Replica not found for %s:blk_%lld_%llu: no such block pool",
            log_quote(b->pool_id), (long long)b->block_id, (unsigned long long)b->generation_stamp);
    *ret = (struct block){b->block_id, b->generation_stamp, b->num_bytes};
    return 0;
}

void answer_error(const struct transfer *t, const struct err *why, const char *first_bad_link)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s: %s", err_class(why), why->text);
    struct err err = {0};
    if (xfer_send_response(t->in->fd, XFER__STATUS__ERROR, text, first_bad_link, &err) != 0)
        log_debug("a peer didn't hear of an error cause=%s", log_quote(err.text));
}
