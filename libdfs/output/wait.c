/* wait.c - waiting for a connection without being held up by a node that will not answer.
 * Thread: the writer's, with the file's lock. write/watch.c decides whom to suspect; here are the
 * clock, poll and the probes. An acknowledgement only comes when all nodes have it, so silence says
 * nothing about who is stuck: each node's RPC port is asked instead. */
#include <poll.h>
#include <stdio.h>

#include "common/obs/obs.h"
#include "libdfs/output/internal.h"

enum { SLICE_MS = 200 };

void output_watch_pipeline(struct output *o)
{
    o->watched_count = o->pipeline.count;
    for (unsigned i = 0; i < o->pipeline.count; i++)
        o->watched[i] = output_node(o, i)->id;
    wr_watch_start(&o->watch, clock_monotonic_ms());
}

int output_send_heartbeat(struct output *o, struct err *err)
{
    struct xfer_packet p = {.seqno = XFER_HEARTBEAT_SEQNO};
    uint8_t out[XFER_PACKET_HEADER_MAX];
    size_t size = xfer_packet_encode(&p, out);
    o->sent_ms = clock_monotonic_ms();
    return sock_write_full(o->conn->fd, out, size, err);
}

static unsigned take_signs(struct output *o, struct wr_sign *signs)
{
    if (o->probe == NULL)
        return 0;
    for (unsigned i = 0; i < o->watched_count; i++) {
        struct probe_sign s = probe_sign(o->probe, i);
        signs[i] = (struct wr_sign){s.done, s.answered, s.has_length, s.length, s.took_ms};
    }
    return o->watched_count;
}

static void start_probe(struct output *o, int64_t now)
{
    probe_unref(take_ptr(&o->probe));
    if (probe_start(o->env->meta, o->watched, o->watched_count, o->env->use_hostname, &o->block,
                    &o->probe) == 0)
        wr_watch_probing(&o->watch, now);
}

static int blame(struct output *o, uint64_t blamed, struct err *err)
{
    o->blamed = blamed;
    return fail(err, ERR_TIMEOUT, "%s for %lld ms", wr_watch_reason(&o->watch),
                (long long)(clock_monotonic_ms() - o->watch.since_ms));
}

static int look_after(struct output *o, struct err *err)
{
    int64_t now = clock_monotonic_ms();
    /* a node that starts up is silent: a set-up given up now would reach it later, and disturb */
    if (o->restarting >= 0 && now < o->restart_ms)
        return 0;
    int64_t patience =
        o->env->timeouts.read_ms + (int64_t)o->env->timeouts.per_node_ms * o->watched_count;
    struct wr_sign signs[WR_MAX_NODES];
    struct wr_watch_case c = {.signs = signs,
                              .nodes = o->watched_count,
                              .sent = o->window.sent,
                              .syncing = wr_window_syncing(&o->window),
                              .patience_ms = patience};
    c.signs_known = take_signs(o, signs) > 0;
    uint64_t blamed = 0;
    switch (wr_watch_step(&o->watch, now, &c, &blamed)) {
    case WR_WATCH_BLAME:
        return blame(o, blamed, err);
    case WR_WATCH_PROBE:
        start_probe(o, now);
        break;
    case WR_WATCH_WAIT:
        break;
    }
    return 0;
}

int output_wait(struct output *o, struct dnc *c, short events, short *ret, struct err *err)
{
    for (;;) {
        if ((events & POLLIN) != 0 && buf_size(&c->in.buffered) > 0) {
            *ret = POLLIN;
            return 0;
        }
        struct pollfd p = {.fd = c->fd, .events = events};
        if (poll(&p, 1, SLICE_MS) > 0) {
            *ret = p.revents;
            return 0;
        }
        /* with POLLOUT a packet is half sent: no heartbeat may go into it */
        if (c == o->conn && o->pipeline.stage != WR_SETUP && (events & POLLOUT) == 0 &&
            clock_monotonic_ms() - o->sent_ms >= OUTPUT_HEARTBEAT_MS)
            TRY(output_send_heartbeat(o, err));
        TRY(look_after(o, err));
    }
}
