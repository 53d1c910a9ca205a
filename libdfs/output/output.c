/* output.c - a file open for writing: its packets, and the door to it.
 * Thread: the caller's, and the keeper's tick for heartbeats; `lock` guards everything.
 * Acknowledgements are taken by the caller's thread whenever it writes, and waited for when the
 * window is full or the caller asks to. The deciding is in write/: window.c cuts packets and keeps
 * them until acknowledged, pipeline.c knows the nodes and whom to blame. Life of a block:
 * - block.c asks the NameNode for it and sets it up at the DataNodes (for an append: recover.c);
 * - packets out, acknowledgements in; when a node fails, recover.c sets the rest up again;
 * - end_block: everything acknowledged, then the empty last packet, then its acknowledgement.
 * Invariants: (1) at most one block is open; (2) the last packet leaves only when all others are
 * acknowledged, so a node is never finalized while another lacks data; (3) after the first failure
 * that couldn't be mended `failed` is set and every call answers it.
 * Lock order: keeper.lock, then this lock by trylock. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "libdfs/output/internal.h"

enum { DRAIN_FROM = 8 /* acknowledgements are looked for when so many packets are in flight */ };

static int stick(struct output *o, int rc, const struct err *err)
{
    if (rc != 0 && o->failed.code == 0) {
        o->failed = *err;
        o->failed.code = rc;
    }
    return rc;
}

static const char *status_name(Xfer__Status status)
{
    const ProtobufCEnumValue *name =
        protobuf_c_enum_descriptor_get_value(&xfer__status__descriptor, (int)status);
    return name != NULL ? name->name : "an unknown status";
}

static int bad_ack(struct output *o, const struct xfer_ack *ack, unsigned bad, struct err *err)
{
    Xfer__Status status = xfer_ack_status(ack->flags[bad]);
    o->blamed = 1ULL << bad;
    if (status == XFER__STATUS__OOB_RESTART)
        output_restarting(o, bad);
    return fail(err, ERR_IO, "acknowledged packet %lld with %s", (long long)ack->seqno,
                status_name(status));
}

/* One acknowledgement that can be read; o->blamed tells the nodes on failure. */
static int take_ack(struct output *o, struct err *err)
{
    struct xfer_ack ack;
    int bad;
    o->blamed = 1;
    TRY(xfer_recv_ack(&o->conn->in, &ack, err));
    wr_watch_start(&o->watch, clock_monotonic_ms());
    TRY(wr_blame_ack(&o->pipeline, &ack, &bad, err));
    if (bad >= 0)
        return bad_ack(o, &ack, (unsigned)bad, err);
    wr_window_congestion(&o->window, wr_ack_congested(&ack));
    int slow = wr_pipeline_slow(&o->pipeline, &ack, o->env->slow_acks);
    if (slow >= 0) {
        o->blamed = 1ULL << slow;
        return fail(err, ERR_IO, "called itself slow %u times in a row", o->env->slow_acks);
    }
    if (ack.seqno == XFER_HEARTBEAT_SEQNO)
        return 0;
    return wr_window_ack(&o->window, ack.seqno, err);
}

static bool ack_waits(struct output *o, int timeout_ms)
{
    if (buf_size(&o->conn->in.buffered) > 0)
        return true;
    struct pollfd p = {.fd = o->conn->fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

/* When sending failed, an answer that is already there may tell who is really to blame. */
static void look_for_blame(struct output *o, struct err *err)
{
    while (ack_waits(o, 100)) {
        struct err e = {0};
        if (take_ack(o, &e) == 0)
            continue;
        if (e.code == ERR_IO) /* a node's own word; anything else says no more than err */
            *err = e;
        else
            o->blamed = 1;
        return;
    }
    o->blamed = 1;
}

/* Takes acknowledgements while the socket is full, so that neither side waits for the other. */
static int wait_for_room(struct output *o, struct err *err)
{
    short events = 0;
    TRY(output_wait(o, o->conn, POLLIN | POLLOUT, &events, err));
    return (events & (POLLIN | POLLERR | POLLHUP)) != 0 ? take_ack(o, err) : 0;
}

/* *ret false: the socket is full. */
static int send_piece(struct output *o, struct msghdr *m, bool *ret, struct err *err)
{
    ssize_t n = sendmsg(o->conn->fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);
    *ret = n >= 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        int rc = fail_errno(err, "sending a packet");
        look_for_blame(o, err);
        return rc;
    }
    for (size_t left = n > 0 ? (size_t)n : 0; left > 0;) {
        size_t part = left < m->msg_iov->iov_len ? left : m->msg_iov->iov_len;
        m->msg_iov->iov_base = (uint8_t *)m->msg_iov->iov_base + part;
        m->msg_iov->iov_len -= part;
        left -= part;
        if (m->msg_iov->iov_len == 0 && m->msg_iovlen > 1) {
            m->msg_iov++;
            m->msg_iovlen--;
        }
    }
    return 0;
}

static int send_packet(struct output *o, struct wr_packet *p, struct err *err)
{
    struct iovec iov[] = {{p->wire, p->wire_size}, {p->data, p->header.data_size}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = p->header.data_size > 0 ? 2 : 1};
    if (o->window.unacked == p) /* nothing else is due: silence counts from now on */
        wr_watch_start(&o->watch, clock_monotonic_ms());
    while (m.msg_iov->iov_len > 0) {
        bool some;
        TRY(send_piece(o, &m, &some, err));
        if (!some)
            TRY(wait_for_room(o, err));
    }
    o->sent_ms = clock_monotonic_ms();
    wr_window_sent(&o->window);
    return 0;
}

static int wait_for_ack(struct output *o, struct err *err)
{
    short events = 0;
    TRY(output_wait(o, o->conn, POLLIN, &events, err));
    return take_ack(o, err);
}

static int step_packets(struct output *o, unsigned leave_in_flight, struct err *err)
{
    struct wr_packet *p = wr_window_next(&o->window);
    if (p != NULL)
        return send_packet(o, p, err);
    if (o->window.in_flight > leave_in_flight)
        return wait_for_ack(o, err);
    return 0;
}

/* Sends what is cut and waits until at most so many packets are in flight. */
static int push(struct output *o, unsigned leave_in_flight, struct err *err)
{
    while (wr_window_next(&o->window) != NULL || o->window.in_flight > leave_in_flight) {
        struct err e = {0};
        if (step_packets(o, leave_in_flight, &e) != 0)
            TRY(output_recover(o, &e, err));
    }
    while (o->window.in_flight >= DRAIN_FROM && o->conn != NULL && ack_waits(o, 0)) {
        struct err e = {0};
        if (take_ack(o, &e) != 0) {
            TRY(output_recover(o, &e, err));
            return push(o, leave_in_flight, err);
        }
    }
    return 0;
}

static int end_block(struct output *o, struct err *err)
{
    TRY(wr_window_cut(&o->window, false, err));
    TRY(push(o, 0, err));
    bool sync = o->env->sync_on_close || o->o.sync_blocks || o->synced;
    TRY(wr_window_cut_last(&o->window, sync, err));
    wr_pipeline_move(&o->pipeline, WR_CLOSING);
    TRY(push(o, 0, err));
    output_cut_connection(o);
    o->appending = false;
    o->block.num_bytes = o->window.offset;
    wr_pipeline_move(&o->pipeline, WR_DONE);
    return 0;
}

static int write_some(struct output *o, const void *data, size_t size, size_t *ret, struct err *err)
{
    bool full;
    if (o->pipeline.stage != WR_STREAMING)
        TRY(output_open_block(o, err));
    TRY(wr_window_add(&o->window, data, size, ret, &full, err));
    o->length += *ret;
    if (!full)
        return 0;
    if (o->window.offset == o->window.block_size)
        return end_block(o, err);
    TRY(wr_window_cut(&o->window, false, err));
    return push(o, o->window.allowed - 1, err);
}

static void tick(struct keeper_entry *entry, int64_t now_ms, bool lease_lost)
{
    struct output *o = (struct output *)(void *)((char *)entry - offsetof(struct output, entry));
    if (pthread_mutex_trylock(&o->lock) != 0)
        return; /* the writer is at work, so it isn't idle */
    struct err err = {0};
    if (lease_lost && o->failed.code == 0)
        (void)stick(o,
                    fail(&err, ERR_LEASE_EXPIRED, "the lease on %s could not be renewed", o->path),
                    &err);
    struct pollfd p = {.fd = o->conn != NULL ? o->conn->fd : -1, .events = POLLOUT};
    if (o->failed.code == 0 && o->conn != NULL && now_ms - o->sent_ms >= OUTPUT_HEARTBEAT_MS &&
        poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
        (void)!output_send_heartbeat(o, NULL); /* a broken pipeline shows at the next write */
    pthread_mutex_unlock(&o->lock);
}

int output_open(struct io_env *env, const struct output_options *options, struct output **ret,
                struct err *err)
{
    size_t size = strlen(options->path) + 1;
    struct output *o = calloc(1, sizeof(*o) + size);
    if (o == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to write %s", options->path);
    o->env = env;
    o->o = *options;
    memcpy(o->path, options->path, size);
    o->o.path = o->path;
    o->length = options->length;
    o->restarting = -1;
    o->entry.tick = tick;
    hdfs__extended_block__init(&o->block);
    pthread_mutex_init(&o->lock, NULL);
    arena_init(&o->block_arena, 64 * 1024 * 1024);
    arena_init(&o->exclude_arena, 1024 * 1024);
    wr_pipeline_init(&o->pipeline);
    int rc =
        wr_window_init(&o->window, options->kind, options->packet_size, env->max_in_flight, err);
    if (rc == 0)
        rc = keeper_add(env->keeper, &o->entry, err);
    o->kept = rc == 0;
    if (rc == 0 && options->last_block != NULL) {
        pthread_mutex_lock(&o->lock);
        rc = output_open_append(o, err);
        pthread_mutex_unlock(&o->lock);
    }
    if (rc != 0) {
        output_abort(o);
        return rc;
    }
    *ret = o;
    return 0;
}

static int already_failed(const struct output *o, struct err *err)
{
    if (o->failed.code != 0 && err != NULL)
        *err = o->failed;
    return o->failed.code;
}

int output_write(struct output *o, const void *data, size_t size, struct err *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = already_failed(o, err);
    for (size_t done = 0; done < size && rc == 0;) {
        size_t n = 0;
        rc = stick(o, write_some(o, (const uint8_t *)data + done, size - done, &n, err), err);
        done += n;
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

static int flush_all(struct output *o, unsigned flags, struct err *err)
{
    bool sync = (flags & OUTPUT_SYNC) != 0;
    o->flushed = true;
    o->synced = o->synced || sync; /* blocks that end later are synced then, too */
    if (o->pipeline.stage == WR_STREAMING && o->window.offset > 0) {
        TRY(wr_window_cut(&o->window, sync, err));
        TRY(push(o, 0, err));
        if ((flags & OUTPUT_END_BLOCK) != 0)
            TRY(end_block(o, err));
    }
    return output_persist(o, (flags & OUTPUT_UPDATE_LENGTH) != 0, err);
}

int output_flush(struct output *o, unsigned flags, struct err *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = already_failed(o, err);
    if (rc == 0)
        rc = stick(o, flush_all(o, flags, err), err);
    pthread_mutex_unlock(&o->lock);
    return rc;
}

uint64_t output_length(const struct output *o)
{
    return o->length;
}

unsigned output_nodes(struct output *o, char *out, size_t size)
{
    size_t used = 0;
    pthread_mutex_lock(&o->lock);
    unsigned count = o->pipeline.stage == WR_STREAMING ? o->pipeline.count : 0;
    if (size > 0)
        out[0] = '\0';
    for (unsigned i = 0; i < count && used < size; i++) {
        char name[300];
        wr_node_name(output_node(o, i), name, sizeof(name));
        int n = snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "", name);
        used += n > 0 ? (size_t)n : 0;
    }
    pthread_mutex_unlock(&o->lock);
    return count;
}

static void destroy(struct output *o)
{
    if (o->kept)
        keeper_remove(o->env->keeper, &o->entry);
    dnc_free(o->conn);
    probe_unref(o->probe);
    wr_window_fini(&o->window);
    arena_fini(&o->block_arena);
    arena_fini(&o->exclude_arena);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

int output_close(struct output *o, struct err *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = already_failed(o, err);
    if (rc == 0 && o->pipeline.stage == WR_STREAMING)
        rc = end_block(o, err);
    if (rc == 0)
        rc = output_complete(o, err);
    pthread_mutex_unlock(&o->lock);
    destroy(o);
    return rc;
}

void output_abort(struct output *o)
{
    destroy(o);
}
