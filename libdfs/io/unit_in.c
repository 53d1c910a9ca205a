/* unit_in.c - the bytes of one internal block from one DataNode, without ever waiting.
 * Thread: the owner's, who polls. The same protocol as block_in.c, as a machine: connect, ask,
 * packets. Bytes go straight into the caller's memory where rd_flow_take allows it; the header and
 * the checksums of the next packet are taken with the same system call. Invariants: (1) taking is
 * set while a part of the packet's data is due, `taken` bytes of it have come, unchecked; (2)
 * bounce[bounce_at, bounce_end) are checked bytes from position on that the caller hasn't got; (3)
 * sums_have == sums_size before any data is taken. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "libdfs/io/internal.h"

enum { SMALL_READ = 4096, GOODBYE_MS = 20 };
enum step { CONNECTING, ASKED, FLOWING };

struct unit_in {
    struct io_env *env;
    const Hdfs__DatanodeID *node;
    const Rpc__Token *token;
    Hdfs__ExtendedBlock block;
    struct dnc *conn;
    enum step step;
    unsigned stale; /* kept connections that were dead */
    int64_t heard_ms;
    struct rd_flow flow;
    uint8_t *sums; /* of the packet that is being read */
    size_t sums_size, sums_have, sums_capacity;
    struct rd_take take;
    uint8_t *taking;
    size_t taken;
    uint8_t *bounce;
    size_t bounce_size, bounce_at, bounce_end;
};

/* A kept connection first; it may be dead, which only shows when it is used. */
static int connect_it(struct unit_in *u, struct err *err)
{
    char name[sizeof(u->conn->name)];
    node_address(u->node, u->env->use_hostname, name, sizeof(name));
    u->step = CONNECTING;
    while (u->stale < u->env->cached_conn_retry) {
        u->conn = conn_cache_take(u->env->cache, name);
        if (u->conn == NULL)
            break;
        u->step = ASKED;
        if (send_read(u->conn, u->env, &u->block, u->token, u->flow.position, u->flow.end, err) ==
            0)
            return 0;
        u->stale++;
        dnc_free(take_ptr(&u->conn));
    }
    u->step = CONNECTING;
    return dnc_connect_start(u->node, u->env->use_hostname, &u->conn, err);
}

static void destroy(struct unit_in *u)
{
    dnc_free(u->conn);
    free(u->sums);
    free(u->bounce);
    free(u);
}

int unit_in_open(struct io_env *env, const Hdfs__DatanodeID *node, const Hdfs__ExtendedBlock *block,
                 const Rpc__Token *token, uint64_t from, uint64_t to, struct unit_in **ret,
                 struct err *err)
{
    CHECK(from < to);
    struct unit_in *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to read");
    u->env = env;
    u->node = node;
    u->block = *block;
    u->token = token;
    u->flow.position = from;
    u->flow.end = to;
    u->heard_ms = clock_monotonic_ms();
    int rc = connect_it(u, err);
    if (rc != 0) {
        destroy(u);
        return rc;
    }
    *ret = u;
    return 0;
}

/* One system call; *ret 0: nothing is there. */
static int receive(struct unit_in *u, struct iovec *iov, size_t count, size_t *ret, struct err *err)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t n;
    do {
        n = recvmsg(u->conn->fd, &message, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return fail(err, ERR_EOF, "the peer closed the connection");
    if (n < 0 && errno != EAGAIN)
        return fail_errno(err, "reading from the connection");
    *ret = n > 0 ? (size_t)n : 0;
    if (n > 0)
        u->heard_ms = clock_monotonic_ms();
    return 0;
}

/* More into the buffer of small things. */
static int receive_small(struct unit_in *u, bool *ret_more, struct err *err)
{
    struct buf *b = &u->conn->in.buffered;
    struct iovec iov = {buf_reserve(b, SMALL_READ), SMALL_READ};
    size_t n;
    if (iov.iov_base == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for %d bytes of a connection", SMALL_READ);
    TRY(receive(u, &iov, 1, &n, err));
    buf_commit(b, n);
    *ret_more = n > 0;
    return 0;
}

static int take_answer(struct unit_in *u, bool *ret_more, struct arena *arena, struct err *err)
{
    struct buf *b = &u->conn->in.buffered;
    struct slice bytes = {buf_head(b), buf_size(b)};
    ProtobufCMessage *message;
    ssize_t used =
        xfer_decode_message(bytes, &xfer__block_op_response__descriptor, arena, &message, err);
    if (used < 0)
        return (int)used;
    if (used == 0)
        return receive_small(u, ret_more, err);
    buf_consume(b, (size_t)used);
    const Xfer__BlockOpResponse *answer = (const Xfer__BlockOpResponse *)(void *)message;
    TRY(dnc_status(answer, err));
    TRY(start_flow(&u->flow, answer, u->flow.position, u->flow.end, err));
    u->step = FLOWING;
    *ret_more = true;
    return 0;
}

/* One step towards FLOWING; *ret_more: it succeeded. */
static int start(struct unit_in *u, bool *ret_more, struct err *err)
{
    *ret_more = false;
    if (u->step == CONNECTING) {
        TRY(dnc_connect_check(u->conn, &u->env->timeouts, ret_more, err));
        if (!*ret_more)
            return 0;
        u->step = ASKED;
        u->heard_ms = clock_monotonic_ms();
        return send_read(u->conn, u->env, &u->block, u->token, u->flow.position, u->flow.end, err);
    }
    struct arena arena;
    arena_init(&arena, XFER_MAX_HEADER * 4);
    int rc = take_answer(u, ret_more, &arena, err);
    arena_fini(&arena);
    if (rc != ERR_EOF || u->step != ASKED || !u->conn->reused)
        return rc;
    u->stale++;
    dnc_free(take_ptr(&u->conn));
    *ret_more = true;
    return connect_it(u, err);
}

static int begin_packet(struct unit_in *u, const struct xfer_packet *p, struct err *err)
{
    TRY(rd_flow_packet(&u->flow, p, err));
    if (p->sums_size > u->sums_capacity) { /* bounded by XFER_MAX_PACKET */
        uint8_t *sums = realloc(u->sums, p->sums_size);
        if (sums == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for checksums");
        u->sums = sums;
        u->sums_capacity = p->sums_size;
    }
    u->sums_size = p->sums_size;
    u->sums_have = 0;
    return 0;
}

/* Header and checksums of a packet; *ret_there false: not all has come. */
static int next_packet(struct unit_in *u, bool *ret_there, struct err *err)
{
    struct buf *b = &u->conn->in.buffered;
    for (bool more = true; more;) {
        bool headless = u->flow.next_offset == u->flow.packet_end && !u->flow.done;
        struct xfer_packet p;
        ssize_t used = 0;
        if (headless)
            used = xfer_packet_decode((struct slice){buf_head(b), buf_size(b)}, &p, err);
        if (used < 0)
            return (int)used;
        if (used > 0) {
            buf_consume(b, (size_t)used);
            TRY(begin_packet(u, &p, err));
            headless = u->flow.next_offset == u->flow.packet_end && !u->flow.done;
        }
        size_t n = u->sums_size - u->sums_have;
        if (n > buf_size(b))
            n = buf_size(b);
        if (!headless && n > 0) {
            memcpy(u->sums + u->sums_have, buf_head(b), n);
            buf_consume(b, n);
            u->sums_have += n;
        }
        if (!headless && u->sums_have == u->sums_size) {
            *ret_there = true;
            return 0;
        }
        TRY(receive_small(u, &more, err));
    }
    *ret_there = false;
    return 0;
}

static int need_bounce(struct unit_in *u, struct err *err)
{
    if (u->bounce != NULL)
        return 0;
    size_t chunk = u->flow.kind.bytes_per_chunk;
    size_t size = chunk > RD_BOUNCE_SIZE ? chunk : RD_BOUNCE_SIZE;
    u->bounce = malloc(size);
    if (u->bounce == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to read");
    u->bounce_size = size;
    return 0;
}

static size_t take_size(const struct unit_in *u)
{
    return u->take.direct > 0 ? u->take.direct : u->take.bounce;
}

/* The rest of what is being taken, and if it ends the packet, the beginning of the next. */
static int receive_data(struct unit_in *u, struct err *err)
{
    struct buf *b = &u->conn->in.buffered;
    size_t left = take_size(u) - u->taken, n = left < buf_size(b) ? left : buf_size(b);
    if (n > 0) {
        memcpy(u->taking + u->taken, buf_head(b), n);
        buf_consume(b, n);
        u->taken += n;
        left -= n;
    }
    if (left == 0)
        return 0;
    struct iovec iov[2] = {{u->taking + u->taken, left}};
    size_t count = 1, head = XFER_PACKET_HEADER_MAX + u->sums_size;
    if (u->flow.next_offset + take_size(u) == u->flow.packet_end && head <= SMALL_READ) {
        iov[1] = (struct iovec){buf_reserve(b, head), head};
        count += iov[1].iov_base != NULL;
    }
    TRY(receive(u, iov, count, &n, err));
    if (n > left)
        buf_commit(b, n - left);
    u->taken += n > left ? left : n;
    return 0;
}

static size_t from_bounce(struct unit_in *u, void *data, size_t size)
{
    size_t n = u->bounce_end - u->bounce_at;
    if (n > size)
        n = size;
    memcpy(data, u->bounce + u->bounce_at, n);
    u->bounce_at += n;
    rd_flow_deliver(&u->flow, n);
    return n;
}

/* What is taken is there: checks it. *ret: bytes that are in the caller's memory by that. */
static int finish_take(struct unit_in *u, size_t *ret, struct err *err)
{
    const uint8_t *data = take_ptr(&u->taking);
    TRY(rd_flow_verify(&u->flow, data, take_size(u), u->sums, err));
    *ret = u->take.direct;
    rd_flow_deliver(&u->flow, u->take.direct);
    if (u->take.direct == 0) {
        u->bounce_at = u->take.skip;
        u->bounce_end = u->take.skip + u->take.wanted;
    }
    return 0;
}

/* *ret_more false: nothing is there now. */
static int flow_step(struct unit_in *u, uint8_t *data, size_t size, size_t *ret, bool *ret_more,
                     struct err *err)
{
    *ret = 0;
    *ret_more = true;
    if (u->bounce_at < u->bounce_end) {
        *ret = from_bounce(u, data, size);
        return 0;
    }
    if (u->taking == NULL) {
        TRY(next_packet(u, ret_more, err));
        if (!*ret_more)
            return 0;
        TRY(need_bounce(u, err));
        u->take = rd_flow_take(&u->flow, size, u->bounce_size);
        u->taking = u->take.direct > 0 ? data : u->bounce;
        u->taken = 0;
    }
    CHECK(u->take.direct == 0 || (u->taking == data && u->take.direct <= size));
    TRY(receive_data(u, err));
    if (u->taken == take_size(u))
        return finish_take(u, ret, err);
    *ret_more = false; /* a short read has emptied the socket */
    return 0;
}

int unit_in_read(struct unit_in *u, void *data, size_t size, size_t *ret, struct err *err)
{
    size_t done = 0;
    bool more = true;
    while (u->step != FLOWING && more)
        TRY(start(u, &more, err));
    while (u->step == FLOWING && more && done < size && u->flow.position < u->flow.end) {
        size_t n;
        TRY(flow_step(u, (uint8_t *)data + done, size - done, &n, &more, err));
        done += n;
    }
    *ret = done;
    return 0;
}

size_t unit_in_busy(const struct unit_in *u)
{
    return u->taking != NULL ? u->take.direct : 0;
}

bool unit_in_started(const struct unit_in *u)
{
    return u->step == FLOWING;
}

int unit_in_fd(const struct unit_in *u)
{
    return u->conn->fd;
}

short unit_in_events(const struct unit_in *u)
{
    return u->step == CONNECTING ? POLLOUT : POLLIN;
}

uint64_t unit_in_position(const struct unit_in *u)
{
    return u->flow.position;
}

uint64_t unit_in_end(const struct unit_in *u)
{
    return u->flow.end;
}

int64_t unit_in_heard_ms(const struct unit_in *u)
{
    return u->heard_ms;
}

/* All wanted bytes are there: takes what the server sends beyond (the rest of a chunk, the empty
 * packet). *ret_more false: it hasn't come yet. */
static int take_rest(struct unit_in *u, bool *ret_more)
{
    struct rd_flow *f = &u->flow;
    *ret_more = true;
    while (f->next_offset < f->packet_end) {
        uint64_t left = f->packet_end - f->next_offset;
        struct buf *b = &u->conn->in.buffered;
        struct iovec iov = {u->bounce, left < u->bounce_size ? (size_t)left : u->bounce_size};
        size_t n = iov.iov_len < buf_size(b) ? iov.iov_len : buf_size(b);
        if (n > 0)
            buf_consume(b, n);
        else
            TRY(receive(u, &iov, 1, &n, NULL));
        if (n == 0) {
            *ret_more = false;
            return 0;
        }
        f->next_offset += n;
    }
    return next_packet(u, ret_more, NULL);
}

/* Tells the server that the checksums were right, so that the connection can be used again. Who is
 * late with the end of his answer loses his connection. */
static int say_goodbye(struct unit_in *u)
{
    int64_t deadline_ms = clock_monotonic_ms() + GOODBYE_MS;
    while (!u->flow.done) {
        bool more;
        TRY(take_rest(u, &more));
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        struct pollfd p = {.fd = u->conn->fd, .events = POLLIN};
        if (!more && (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0))
            return ERR_TIMEOUT;
    }
    Xfer__ClientReadStatus status = XFER__CLIENT_READ_STATUS__INIT;
    status.status =
        u->flow.kind.type == CRC_NULL ? XFER__STATUS__SUCCESS : XFER__STATUS__CHECKSUM_OK;
    return xfer_send_message(u->conn->fd, &status.base, NULL);
}

void unit_in_close(struct unit_in *u)
{
    if (u == NULL)
        return;
    bool complete = u->step == FLOWING && u->flow.position == u->flow.end && u->bounce != NULL;
    if (complete && say_goodbye(u) == 0)
        conn_cache_give(u->env->cache, take_ptr(&u->conn));
    destroy(u);
}
