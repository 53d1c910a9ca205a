/* mirror.c - the connection to the next node of a pipeline, and what all operations need of a
 * header. Thread: the worker of the operation; the watch is locked, since a stopping node reaches
 * in. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

void transfer_watch_init(struct transfer_watch *w)
{
    *w = (struct transfer_watch){.fd = -1};
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
    *m = (struct mirror){.watch = watch};
    xfer_in_init(&m->in, -1);
}

void mirror_close(struct mirror *m)
{
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
    if (!watch_set(m->watch, fd))
        return fail(err, ERR_CLOSED, "this node is stopping");
    return sock_set_timeouts(fd, read_ms, grown_timeout(config->write_timeout_ms, nodes), err);
}

int header_block(const struct transfer *t, const Xfer__BaseHeader *header,
                 struct block_pool **ret_pool, struct block *ret, struct err *err)
{
    const Hdfs__ExtendedBlock *b = header->block;
    *ret_pool = store_pool(t->config->store, b->pool_id);
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
