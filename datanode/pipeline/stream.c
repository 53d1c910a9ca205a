/* stream.c - the packets and acknowledgements of one block that is being written.
 *
 * One thread a block: it polls the connection from upstream and the one to the next node (the
 * mirror), and handles whichever has something. Acknowledgements are short and both ends always
 * read, so a write can't block for ever in a circle.
 *
 * Invariants: (1) a packet goes to the mirror before it goes to the disk; (2) an acknowledgement
 * leaves when this node and all behind it have the packet, for the last one: when the replica is
 * finalized (and durable, if configured); (3) the visible length grows only by packets that
 * everybody has; (4) the last node checks the checksums, the others pass them on; (5) after an own
 * error or a lost mirror the client is told in an acknowledgement and the replica stays RBW, for
 * the client to repair the pipeline; (6) a mirror that is silent while it owes an answer is asked
 * whether it lives (mirror.c), so a stopped one is found long before the time-outs. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

enum { FLAG_SLOW_SHIFT = 7, LINGER_MS = 1000 };
enum { MAX_PENDING = 1024 }; /* packets between here and the last node; beyond, upstream waits */

struct pending {
    int64_t seqno;
    uint64_t end; /* bytes of the block after this packet */
    bool last;
};

struct run {
    struct stream *s;
    struct incoming incoming;
    struct pending *pending; /* a ring, only with a mirror */
    size_t first, count;
    bool writer_gone; /* finalized */
    bool received_last, mirror_lost, done;
};

static void mirror_fails(struct run *r, const struct err *why)
{
    log_info("the next node of a pipeline is lost block=%lld mirror=%s cause=%s",
             (long long)r->s->writer->block.id, r->s->mirror->name, log_quote(why->text));
    mirror_close(r->s->mirror);
    r->mirror_lost = true;
}

/* What this node says of itself besides the status. */
static uint32_t flag_of(const struct run *r, Xfer__Status status)
{
    const struct pipeline_config *config = r->s->transfer->config;
    enum xfer_ecn ecn = XFER_ECN_DISABLED;
    double load;
    if (config->tell_load) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        bool much = getloadavg(&load, 1) == 1 && load > config->load_limit * (double)processors;
        ecn = much ? XFER_ECN_CONGESTED : XFER_ECN_SUPPORTED;
    }
    uint32_t flag = xfer_ack_flag(status, ecn);
    if (config->tell_slow)
        flag |= (config->slow != NULL && atomic_load(config->slow) ? 2u : 1u) << FLAG_SLOW_SHIFT;
    return flag;
}

static int send_ack(struct run *r, int64_t seqno, Xfer__Status own, const struct xfer_ack *behind,
                    struct err *err)
{
    struct xfer_ack ack = {.seqno = seqno, .count = 1};
    ack.flags[0] = flag_of(r, own);
    if (behind != NULL && behind->count < XFER_MAX_PIPELINE) {
        ack.downstream_ns = behind->downstream_ns;
        ack.count += behind->count;
        memcpy(ack.flags + 1, behind->flags, behind->count * sizeof(ack.flags[0]));
    } else if (r->mirror_lost) { /* exactly two: the client blames the node after this one */
        ack.flags[ack.count++] = xfer_ack_flag(XFER__STATUS__ERROR, XFER_ECN_DISABLED);
    }
    return xfer_send_ack(r->s->transfer->in->fd, &ack, err);
}

/* --- own part of a packet --- */

static int verify(const struct run *r, struct err *err)
{
    const struct incoming *i = &r->incoming;
    struct crc_kind kind = r->s->writer->kind;
    if (i->packet.sums_size != crc_sums_size(kind, i->packet.data_size))
        return fail(err, ERR_PROTOCOL, "%u bytes of data come with %u bytes of checksums",
                    i->packet.data_size, i->packet.sums_size);
    return crc_verify(kind, incoming_data(i), i->packet.data_size, incoming_sums(i),
                      (uint64_t)i->packet.offset, err);
}

static int store_packet(struct run *r, struct err *err)
{
    const struct incoming *i = &r->incoming;
    const struct xfer_packet *p = &i->packet;
    if (p->data_size == 0)
        return 0;
    if (p->offset < 0)
        return fail(err, ERR_PROTOCOL, "a packet has the offset %lld", (long long)p->offset);
    struct replica_writer *w = r->s->writer;
    struct crc_kind kind = r->s->kind;
    if (p->sums_size == 0) /* Java sends none for files whose policy is LAZY_PERSIST */
        kind.type = CRC_NULL;
    bool same = kind.type == w->kind.type && kind.bytes_per_chunk == w->kind.bytes_per_chunk;
    if (same && r->s->downstream == 0)
        TRY(verify(r, err));
    TRY((same ? replica_append(w, (uint64_t)p->offset, incoming_data(i), p->data_size,
                               incoming_sums(i), p->sums_size, err)
              : translate_append(w, kind, (uint64_t)p->offset, incoming_data(i), p->data_size,
                                 incoming_sums(i), p->sums_size, err)));
    metric_add(METRIC_bytes_written, p->data_size);
    return 0;
}

static int finish_replica(struct run *r, struct err *err)
{
    r->writer_gone = true;
    return r->s->to_rbw ? replica_to_rbw(r->s->writer, err) : replica_finalize(r->s->writer, err);
}

static int own_part(struct run *r, struct err *err)
{
    const struct xfer_packet *p = &r->incoming.packet;
    if (p->seqno == XFER_HEARTBEAT_SEQNO)
        return 0;
    TRY(store_packet(r, err));
    if (p->sync)
        TRY(replica_sync(r->s->writer, err));
    if (!p->last)
        return 0;
    r->received_last = true;
    return finish_replica(r, err);
}

/* --- packets --- */

static int check_packet(const struct xfer_packet *p, struct err *err)
{
    bool heartbeat = p->seqno == XFER_HEARTBEAT_SEQNO;
    if (p->seqno < XFER_HEARTBEAT_SEQNO)
        return fail(err, ERR_PROTOCOL, "a packet has the number %lld", (long long)p->seqno);
    if ((heartbeat || p->last) && p->data_size > 0)
        return fail(err, ERR_PROTOCOL, "packet %lld must not have data", (long long)p->seqno);
    return 0;
}

static uint64_t end_of(const struct xfer_packet *p)
{
    return p->data_size == 0 ? 0 : (uint64_t)p->offset + p->data_size;
}

static void remember(struct run *r)
{
    const struct xfer_packet *p = &r->incoming.packet;
    CHECK(r->count < MAX_PENDING);
    if (r->count == 0)
        mirror_alive(r->s->mirror);
    r->pending[(r->first + r->count++) % MAX_PENDING] =
        (struct pending){p->seqno, end_of(p), p->last};
}

/* Upstream gets what it is told before the connection is closed under unread packets. */
static void linger(const struct run *r)
{
    uint8_t bytes[4096];
    int fd = r->s->transfer->in->fd;
    int64_t end_ms = clock_monotonic_ms() + LINGER_MS;
    shutdown(fd, SHUT_WR);
    for (int64_t left; (left = end_ms - clock_monotonic_ms()) > 0;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, (int)left) <= 0 || recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
            return;
    }
}

/* Tells the client what went wrong here, as the answer it waits for; the caller closes. */
static int own_failure(struct run *r, const struct err *why, struct err *err)
{
    Xfer__Status status =
        why->code == ERR_CHECKSUM ? XFER__STATUS__ERROR_CHECKSUM : XFER__STATUS__ERROR;
    if (why->code == ERR_CHECKSUM)
        metric_add(METRIC_checksum_errors, 1);
    r->mirror_lost = false; /* the blame is ours alone */
    int64_t seqno = r->count > 0 ? r->pending[r->first].seqno : r->incoming.packet.seqno;
    if (r->s->acks && send_ack(r, seqno, status, NULL, NULL) == 0)
        linger(r);
    *err = *why;
    return why->code;
}

/* What still waits is answered as far as this node has it. */
static int flush_pending(struct run *r, struct err *err)
{
    for (; r->count > 0; r->first = (r->first + 1) % MAX_PENDING, r->count--) {
        const struct pending *p = &r->pending[r->first];
        TRY(send_ack(r, p->seqno, XFER__STATUS__SUCCESS, NULL, err));
        r->done |= p->last;
    }
    return 0;
}

static int answer(struct run *r, struct err *err)
{
    const struct xfer_packet *p = &r->incoming.packet;
    if (!r->s->acks) {
        r->done = p->last;
        return 0;
    }
    if (mirror_open(r->s->mirror)) {
        remember(r);
        return 0;
    }
    TRY(flush_pending(r, err)); /* the mirror may have gone with this packet */
    if (!r->mirror_lost && !r->writer_gone)
        replica_acked(r->s->writer, end_of(p));
    r->done = p->last;
    return send_ack(r, p->seqno, XFER__STATUS__SUCCESS, NULL, err);
}

static int forward(struct run *r, struct err *err)
{
    int64_t began_ns = series_begin(r->s->peer);
    TRY(incoming_forward(&r->incoming, r->s->mirror, err));
    series_end(r->s->peer, began_ns);
    return 0;
}

static int take_packet(struct run *r, struct err *err)
{
    struct err own = {0};
    TRY(incoming_receive(&r->incoming, r->s->transfer->in, err));
    TRY(check_packet(&r->incoming.packet, err));
    throttle_use(r->s->throttle, r->incoming.packet.sums_size + r->incoming.packet.data_size);
    if (mirror_open(r->s->mirror) && forward(r, &own) != 0)
        mirror_fails(r, &own);
    own = (struct err){0};
    if (own_part(r, &own) != 0)
        return own_failure(r, &own, err);
    return answer(r, err);
}

/* --- acknowledgements from the mirror --- */

static bool all_success(const struct xfer_ack *ack)
{
    for (uint32_t i = 0; i < ack->count; i++)
        if (xfer_ack_status(ack->flags[i]) != XFER__STATUS__SUCCESS)
            return false;
    return true;
}

static int pass_on(struct run *r, const struct xfer_ack *ack, struct err *err)
{
    struct pending p = r->pending[r->first];
    r->first = (r->first + 1) % MAX_PENDING;
    r->count--;
    if (all_success(ack) && !r->writer_gone)
        replica_acked(r->s->writer, p.end);
    r->done = p.last;
    TRY(send_ack(r, p.seqno, XFER__STATUS__SUCCESS, ack, err));
    if (ack->count > 0 && xfer_ack_status(ack->flags[0]) == XFER__STATUS__ERROR_CHECKSUM)
        return fail(err, ERR_CHECKSUM, "%s says that what it got from here is corrupt",
                    r->s->mirror->name);
    return 0;
}

static int take_ack(struct run *r, struct err *err)
{
    struct xfer_ack ack;
    struct err own = {0};
    int rc = xfer_recv_ack(&r->s->mirror->in, &ack, &own);
    if (rc == 0)
        mirror_alive(r->s->mirror);
    if (rc == 0 &&
        ack.seqno == XFER_UNKNOWN_SEQNO) /* out of band: it restarts, the client decides */
        return send_ack(r, ack.seqno, XFER__STATUS__SUCCESS, &ack, err);
    if (rc == 0 && (r->count == 0 || r->pending[r->first].seqno != ack.seqno))
        rc = fail(&own, ERR_PROTOCOL, "an acknowledgement for %lld is out of order",
                  (long long)ack.seqno);
    if (rc == 0)
        return pass_on(r, &ack, err);
    mirror_fails(r, &own);
    return flush_pending(r, err);
}

/* --- the loop --- */

enum { UP = 1, DOWN = 2 };

static int wait_ready(struct run *r, int *ret_ready, struct err *err)
{
    struct xfer_in *up = r->s->transfer->in, *down = &r->s->mirror->in;
    bool want_up = !r->received_last && r->count < MAX_PENDING;
    *ret_ready = (want_up && buf_size(&up->buffered) > 0 ? UP : 0) |
                 (mirror_open(r->s->mirror) && buf_size(&down->buffered) > 0 ? DOWN : 0);
    if (*ret_ready != 0)
        return 0;
    struct pollfd fds[2] = {{want_up ? up->fd : -1, POLLIN, 0}, {down->fd, POLLIN, 0}};
    int timeout = grown_timeout(r->s->transfer->config->read_timeout_ms, r->s->downstream), n;
    struct err why = {0};
    bool owes = mirror_open(r->s->mirror) && r->count > 0;
    int rc = mirror_poll(r->s->mirror, fds, 2, owes, timeout == 0 ? -1 : timeout, &n, &why);
    if (rc == 0 && n == 0 && !owes)
        return fail(err, ERR_TIMEOUT, "no packet for %d ms", timeout);
    if (rc == 0 && n == 0)
        rc = fail(&why, ERR_TIMEOUT, "no acknowledgement for %d ms", timeout);
    if (rc != 0) { /* the mirror owes answers */
        mirror_fails(r, &why);
        return flush_pending(r, err);
    }
    *ret_ready = (fds[0].revents != 0 ? UP : 0) | (fds[1].revents != 0 ? DOWN : 0);
    return 0;
}

static int turn(struct run *r, struct err *err)
{
    int ready;
    TRY(wait_ready(r, &ready, err));
    if (ready & DOWN)
        TRY(take_ack(r, err));
    if (ready & UP)
        TRY(take_packet(r, err));
    return 0;
}

/* Out of band: this node stops and will be back. */
static void tell_restart(struct run *r)
{
    struct transfer_watch *watch = r->s->transfer->watch;
    bool restarting = false;
    if (watch != NULL) {
        pthread_mutex_lock(&watch->lock);
        restarting = watch->restarting;
        pthread_mutex_unlock(&watch->lock);
    }
    if (!restarting || r->writer_gone)
        return;
    r->mirror_lost = false;
    struct err own = {0};
    if (send_ack(r, XFER_UNKNOWN_SEQNO, XFER__STATUS__OOB_RESTART, NULL, &own) != 0)
        log_debug("a client didn't hear of the restart cause=%s", log_quote(own.text));
    replica_mark_restart(r->s->writer);
}

int stream_run(struct stream *s, struct err *err)
{
    struct run r = {.s = s};
    int rc = 0;
    if (mirror_open(s->mirror) && s->acks &&
        (r.pending = calloc(MAX_PENDING, sizeof(*r.pending))) == NULL)
        rc = fail(err, ERR_NO_MEMORY, "no memory for a pipeline");
    while (rc == 0 && !r.done)
        rc = s->acks ? turn(&r, err) : take_packet(&r, err);
    if (rc != 0 && s->acks)
        tell_restart(&r);
    if (!r.writer_gone)
        replica_abandon(s->writer);
    incoming_fini(&r.incoming);
    free(r.pending);
    return rc;
}
