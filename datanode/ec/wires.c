/* wires.c - the connections of a task, so that a stopping node can end them. Thread: the task's,
 * and whoever stops the node. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/ec/internal.h"

void wires_init(struct wires *w)
{
    *w = (struct wires){0};
    CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
}

void wires_fini(struct wires *w)
{
    CHECK(w->count == 0);
    pthread_mutex_destroy(&w->lock);
}

void wires_stop(struct wires *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    for (unsigned i = 0; i < w->count; i++)
        shutdown(w->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&w->lock);
}

bool wires_stopped(struct wires *w)
{
    pthread_mutex_lock(&w->lock);
    bool stopped = w->stopped;
    pthread_mutex_unlock(&w->lock);
    return stopped;
}

static int add(struct wires *w, int fd, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    bool goes_on = !w->stopped && w->count < MAX_FDS;
    if (goes_on)
        w->fds[w->count++] = fd;
    pthread_mutex_unlock(&w->lock);
    return goes_on ? 0 : fail(err, ERR_CLOSED, "this node is stopping");
}

int wires_connect(struct wires *w, const struct pipeline_config *config, const Hdfs__DatanodeID *id,
                  int connect_ms, int read_ms, int write_ms, int *ret_fd, struct err *err)
{
    const char *host = config->use_hostname ? id->host_name : id->ip_addr;
    struct addr addr = {.port = (uint16_t)id->xfer_port};
    int fd;
    if (strlen(host) >= sizeof(addr.host) || id->xfer_port == 0 || id->xfer_port > UINT16_MAX)
        return fail(err, ERR_PROTOCOL, "%s:%u is not an address", log_quote(host), id->xfer_port);
    snprintf(addr.host, sizeof(addr.host), "%s", host);
    if (wires_stopped(w))
        return fail(err, ERR_CLOSED, "this node is stopping");
    TRY(sock_connect(&addr, connect_ms, &fd, err));
    int rc = sock_set_timeouts(fd, read_ms, write_ms, err);
    if (rc == 0)
        rc = add(w, fd, err);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

void wires_close(struct wires *w, int fd)
{
    pthread_mutex_lock(&w->lock);
    unsigned i = 0;
    while (i < w->count && w->fds[i] != fd)
        i++;
    CHECK(i < w->count);
    w->fds[i] = w->fds[--w->count];
    pthread_mutex_unlock(&w->lock);
    close(fd); /* nobody else knows its number any more */
}
