/* limits.c - raw bytes against the server: order, back-pressure, every limit and its answer. */
#include <sys/socket.h>
#include <unistd.h>

#include "loopback.h"

static void put_name(char *name, size_t size, int i)
{
    snprintf(name, size, "hold%0*d", i % 50 + 1, i);
}

Test(limits, a_thousand_calls_answered_backwards)
{
    enum { CALLS = 1000 };
    static struct rpc_call *calls[CALLS];
    static bool seen[CALLS];
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    char name[128];
    setup(&f, &(struct rpc_server_options){.max_calls_in_flight = CALLS});
    int fd = dial(&f);
    put_hello(&b, "u", NULL);
    for (int i = 0; i < CALLS; i++) {
        put_name(name, sizeof(name), i);
        put_ask(&b, i, name);
    }
    send_all(fd, &b);
    size_t n = 0;
    for (struct inbox_node *at = take_held(&f, CALLS); at != NULL; at = at->next)
        calls[n++] = held_call(at);
    cr_assert_eq(n, CALLS);
    while (n > 0)
        answer(calls[--n]);
    for (int i = 0; i < CALLS; i++) {
        cr_assert(read_reply(fd, &frame, &r));
        cr_assert_eq(r.header.status, 0);
        cr_assert_lt(r.header.call_id, CALLS);
        cr_assert_not(seen[r.header.call_id]);
        seen[r.header.call_id] = true;
        put_name(name, sizeof(name), (int)r.header.call_id);
        struct reader in = reader_of(r.body.data, r.body.size);
        cr_assert_eq(read_u8(&in), 1 << 3);
        cr_assert_eq(read_varint(&in), strlen(name));
    }
    close(fd);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

Test(limits, reading_pauses_at_the_limit_of_calls)
{
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    setup(&f, &(struct rpc_server_options){.max_calls_in_flight = 10});
    int fd = dial(&f);
    put_hello(&b, "u", NULL);
    for (int i = 0; i < 25; i++)
        put_ask(&b, i, "hold");
    send_all(fd, &b);
    for (unsigned round = 1; round <= 3; round++) {
        unsigned want = round < 3 ? round * 10 : 25;
        struct inbox_node *n = take_held(&f, want), *next;
        pause_ms(30);
        cr_assert_eq(atomic_load(&f.held_count), want); /* and no more */
        for (; n != NULL; n = next) {
            next = n->next;
            answer(held_call(n));
        }
    }
    for (int i = 0; i < 25; i++)
        cr_assert(read_reply(fd, &frame, &r));
    cr_assert_geq(metric_get(METRIC_rpc_pauses), 1);
    close(fd);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

Test(limits, byte_by_byte)
{
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    setup(&f, NULL);
    int fd = dial(&f);
    put_hello(&b, "u", NULL);
    put_ask(&b, 5, "/abc");
    put_ask(&b, 6, "missing");
    for (size_t i = 0; i < buf_size(&b); i++)
        cr_assert_eq(write(fd, buf_head(&b) + i, 1), 1);
    cr_assert(read_reply(fd, &frame, &r));
    cr_assert_eq(r.header.call_id, 5);
    cr_assert_eq(r.header.status, 0);
    cr_assert(read_reply(fd, &frame, &r));
    cr_assert_eq(r.header.call_id, 6);
    cr_assert_eq(r.header.status, 1);
    cr_assert(slice_equal(r.header.client_id, slice_of("0123456789abcdef")));
    close(fd);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

static void shoot(struct fixture *f, struct rng *rng, int kind)
{
    struct buf b = {0};
    uint8_t noise[600];
    size_t n = rng_below(rng, sizeof(noise)) + 1;
    int fd = dial(f);
    for (size_t i = 0; i < n; i++)
        noise[i] = (uint8_t)rng_next(rng);
    if (kind > 0)
        cr_assert_eq(buf_append(&b, "hrpc\x09\0\0", 7), 0);
    if (kind > 1) {
        buf_clear(&b);
        put_hello(&b, "u", NULL);
    }
    if (kind > 2) { /* a whole frame of noise */
        uint8_t length[4];
        put_u32(length, (uint32_t)n);
        cr_assert_eq(buf_append(&b, length, 4), 0);
    }
    cr_assert_eq(buf_append(&b, noise, n), 0);
    if (kind > 3) { /* a good call with some bytes changed */
        size_t from = buf_size(&b);
        buf_clear(&b);
        put_hello(&b, "u", NULL);
        from = buf_size(&b);
        put_ask(&b, 1, "/abc");
        for (int i = 0; i < 3; i++)
            buf_head(&b)[from + 4 + rng_below(rng, buf_size(&b) - from - 4)] ^=
                (uint8_t)rng_next(rng);
    }
    (void)!write(fd, buf_head(&b), buf_size(&b));
    close(fd);
    buf_fini(&b);
}

Test(limits, garbage_ends_connections_not_the_server)
{
    struct fixture f;
    struct rng rng = {.state = 17};
    struct err err = {0};
    uint64_t size = 0;
    setup(&f, NULL);
    for (int i = 0; i < 500; i++)
        shoot(&f, &rng, i % 5);
    cr_assert(metric_reaches(METRIC_rpc_bad_frames, 100));
    cr_assert_eq(ask(&f, "/abc", &size, &err), 0, "%s", err.text);
    teardown(&f);
}

static size_t resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert_eq(fscanf(file, "%lu %lu", &all, &resident), 2);
    fclose(file);
    return resident * 4096;
}

Test(limits, announced_lengths_take_no_memory)
{
    enum { CONNECTIONS = 200 };
    int fds[CONNECTIONS];
    struct fixture f;
    struct buf b = {0};
    struct err err = {0};
    uint64_t size = 0;
    setup(&f, NULL);
    put_hello(&b, "u", NULL);
    uint8_t length[12];
    put_u64(put_u32(length, 100 << 20), 0);
    cr_assert_eq(buf_append(&b, length, sizeof(length)), 0);
    size_t before = resident_bytes();
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = dial(&f);
        send_all(fds[i], &b);
    }
    cr_assert_eq(ask(&f, "/abc", &size, &err), 0, "%s", err.text);
    cr_assert_lt(resident_bytes() - before, 64 << 20);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    buf_fini(&b);
    teardown(&f);
}

static void expect_end(struct fixture *f, const struct buf *b, size_t answer_size)
{
    int fd = dial(f);
    char answer[256];
    send_all(fd, b);
    if (answer_size > 0)
        cr_assert_eq(sock_read_full(fd, answer, answer_size < 60 ? answer_size : 60, NULL), 0);
    cr_assert(at_end(fd));
    close(fd);
}

Test(limits, frames_beyond_the_limit)
{
    struct fixture f;
    struct buf b = {0};
    uint8_t length[4];
    setup(&f, &(struct rpc_server_options){.max_frame = 100000});
    put_hello(&b, "u", NULL);
    put_u32(length, 100001);
    cr_assert_eq(buf_append(&b, length, 4), 0);
    expect_end(&f, &b, 0);
    buf_clear(&b);
    cr_assert_eq(buf_append(&b, "hrpc\x09\0\0", 7), 0);
    put_u32(length, 9000); /* allowed later, but not before the context: answered, then closed */
    cr_assert_eq(buf_append(&b, length, 4), 0);
    expect_end(&f, &b, 60);
    cr_assert_geq(metric_get(METRIC_rpc_bad_frames), 2);
    buf_fini(&b);
    teardown(&f);
}

Test(limits, the_answer_survives_what_the_client_still_sends)
{
    /* a version mismatch and then 100 kB: closing at once would reset the connection and lose the
     * answer */
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    static char more[100000];
    setup(&f, NULL);
    int fd = dial(&f);
    cr_assert_eq(buf_append(&b, "hrpc\x0a\0\0", 7), 0);
    cr_assert_eq(buf_append(&b, more, sizeof(more)), 0);
    send_all(fd, &b);
    pause_ms(100);
    cr_assert(read_reply(fd, &frame, &r));
    cr_assert_eq(r.kind, RPC_REPLY_FATAL);
    cr_assert(slice_equal(r.header.exception_class,
                          slice_of("org.apache.hadoop.ipc.RPC$VersionMismatch")));
    cr_assert(at_end(fd));
    close(fd);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

Test(limits, a_client_that_reads_late_gets_everything)
{
    enum { CALLS = 60, SIZE = 1000000 };
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    setup(&f, NULL);
    int fd = dial(&f);
    put_hello(&b, "u", NULL);
    for (int i = 0; i < CALLS; i++)
        put_ask_big(&b, i, SIZE);
    send_all(fd, &b);
    cr_assert(metric_reaches(METRIC_rpc_pauses, 1)); /* 4 MiB of replies wait: no more is read */
    cr_assert_lt(metric_get(METRIC_rpc_calls), CALLS);
    for (uint32_t i = 0; i < CALLS; i++) {
        cr_assert(read_reply(fd, &frame, &r));
        cr_assert_eq(r.header.call_id, i);
        cr_assert_gt(r.body.size, SIZE);
    }
    close(fd);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

Test(limits, a_slow_reader_is_closed)
{
    enum { CALLS = 100 };
    struct fixture f;
    struct buf b = {0};
    setup(&f, NULL);
    f.hold_big = true;
    int fd = dial(&f);
    put_hello(&b, "u", NULL);
    for (int i = 0; i < CALLS; i++)
        put_ask_big(&b, i, 1000000);
    send_all(fd, &b);
    for (struct inbox_node *n = take_held(&f, CALLS), *next; n != NULL; n = next) {
        next = n->next;
        answer(held_call(n));
    }
    cr_assert(metric_reaches(METRIC_rpc_slow_readers, 1));
    cr_assert(at_end(fd));
    close(fd);
    buf_fini(&b);
    teardown(&f);
}

Test(limits, connections)
{
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    int fds[3];
    setup(&f, &(struct rpc_server_options){.max_connections = 3});
    put_hello(&b, "u", NULL);
    put_ask(&b, 1, "/");
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&f);
        send_all(fds[i], &b);
        cr_assert(read_reply(fds[i], &frame, &r));
    }
    int refused = dial(&f);
    cr_assert(at_end(refused));
    close(refused);
    cr_assert_geq(metric_get(METRIC_rpc_connections_refused), 1);
    close(fds[0]);
    bool served = false; /* the server sees the close some time later */
    for (int i = 0; i < 200 && !served; i++) {
        int fd = dial(&f);
        (void)!write(fd, buf_head(&b), buf_size(&b));
        served = read_reply(fd, &frame, &r);
        close(fd);
        pause_ms(5);
    }
    cr_assert(served);
    close(fds[1]);
    close(fds[2]);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

Test(limits, handshake_time)
{
    struct fixture f;
    setup(&f, &(struct rpc_server_options){.handshake_ms = 100});
    int silent = dial(&f), slow = dial(&f);
    cr_assert_eq(write(slow, "hrpc\x09", 5), 5);
    cr_assert(at_end(silent));
    cr_assert(at_end(slow));
    cr_assert_geq(metric_get(METRIC_rpc_handshake_timeouts), 2);
    close(silent);
    close(slow);
    teardown(&f);
}

Test(limits, idle_connections_go_when_many_are_open)
{
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    int fds[3];
    setup(&f, &(struct rpc_server_options){.idle_ms = 100, .max_connections = 5});
    put_hello(&b, "u", NULL);
    put_ask(&b, 1, "/");
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&f);
        send_all(fds[i], &b);
        cr_assert(read_reply(fds[i], &frame, &r));
    }
    cr_assert(metric_reaches(METRIC_rpc_idle_closed, 1)); /* more than 2 of 5 */
    pause_ms(300);
    cr_assert_eq(metric_get(METRIC_rpc_idle_closed), 1);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

/* A connection on a thread of its own: sends, waits for one reply. */
struct talker {
    struct fixture *f;
    const struct buf *sent;
    pthread_t thread;
    bool answered;
};

static void *talk(void *arg)
{
    struct talker *t = arg;
    struct buf frame = {0}, b = *t->sent;
    struct rpc_reply_event r;
    int fd = dial(t->f);
    t->answered = sock_write_full(fd, buf_head(&b), buf_size(&b), NULL) == 0 &&
                  read_reply(fd, &frame, &r) && r.header.status == 0;
    close(fd);
    buf_fini(&frame);
    return NULL;
}

static void start_talkers(struct talker *t, int count, struct fixture *f, const struct buf *sent)
{
    for (int i = 0; i < count; i++) {
        t[i] = (struct talker){.f = f, .sent = sent};
        cr_assert_eq(pthread_create(&t[i].thread, NULL, talk, &t[i]), 0);
    }
}

static int count_answered(struct talker *t, int count)
{
    int answered = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(t[i].thread, NULL);
        answered += t[i].answered;
    }
    return answered;
}

static struct buf long_call(const char *start, size_t size)
{
    struct buf b = {0};
    char *name = malloc(size + 1);
    memset(name, 'n', size);
    memcpy(name, start, strlen(start));
    name[size] = '\0';
    put_hello(&b, "u", NULL);
    put_ask(&b, 1, name);
    free(name);
    return b;
}

Test(limits, unfinished_frames_of_all_connections)
{
    enum { STALLED = 6, TALKERS = 10 };
    struct fixture f;
    struct talker t[TALKERS];
    int fds[STALLED];
    setup(&f, &(struct rpc_server_options){.max_frame = 700000, .loops = 2}); /* 2.8 MB grow */
    struct buf b = long_call("/", 600000), part = b;
    part.end -= 1;
    for (int i = 0; i < STALLED; i++) { /* one byte is missing: each keeps 1 MB */
        fds[i] = dial(&f);
        cr_assert_eq(
            sock_write_full(fds[i], buf_head(&part), i < 3 ? buf_size(&part) : 100000, NULL), 0);
    }
    start_talkers(t, TALKERS, &f, &b);
    cr_assert(metric_reaches(METRIC_rpc_pauses, 1)); /* crowded: somebody waits */
    for (int i = 0; i < STALLED; i++)
        close(fds[i]);
    int answered = count_answered(t, TALKERS);
    cr_assert_geq((uint64_t)answered + metric_get(METRIC_rpc_buffers_refused), TALKERS);
    cr_assert_gt(answered, 0); /* nobody waits for ever: served, or closed and counted */
    buf_fini(&b);
    teardown(&f);
}

Test(limits, many_tiny_messages_in_one_call)
{
    /* one locatedBlock-like element takes two bytes on the wire and hundreds in memory */
    enum { ELEMENTS = 2000000 };
    struct fixture f;
    struct buf b = {0}, frame = {0}, body = {0};
    struct rpc_reply_event r;
    struct rpc_request_header h = {.kind = 2, .call_id = 1};
    struct rpc_method_header m = {slice_of("addBlock"), slice_of(RPC_CLIENT_PROTOCOL), 1};
    setup(&f, NULL);
    for (int i = 0; i < ELEMENTS; i++)
        cr_assert_eq(buf_append(&body, "\x22", 2), 0); /* excludeNodes, empty */
    put_hello(&b, "u", NULL);
    size_t at = buf_size(&b);
    cr_assert_eq(rpc_request_encode(&b, &h, &m, NULL), 0);
    uint8_t size[10];
    size_t n = (size_t)(put_varint(size, buf_size(&body)) - size);
    cr_assert_eq(buf_append(&b, size, n), 0);
    cr_assert_eq(buf_append(&b, buf_head(&body), buf_size(&body)), 0);
    put_u32(buf_head(&b) + at, (uint32_t)(buf_size(&b) - at - 4));
    put_ask(&b, 2, "/abc");
    int fd = dial(&f);
    send_all(fd, &b);
    cr_assert(read_reply(fd, &frame, &r));
    cr_assert_eq(r.header.call_id, 1);
    cr_assert_eq(r.header.status, 1);
    cr_assert(read_reply(fd, &frame, &r));
    cr_assert_eq(r.header.call_id, 2);
    cr_assert_eq(r.header.status, 0);
    close(fd);
    buf_fini(&b);
    buf_fini(&body);
    buf_fini(&frame);
    teardown(&f);
}

Test(limits, memory_of_calls_in_flight)
{
    enum { TALKERS = 30 };
    struct fixture f;
    struct talker t[TALKERS];
    unsigned answered = 0;
    setup(&f, &(struct rpc_server_options){.max_frame = 1000000, .loops = 2}); /* 8 MB of calls */
    struct buf b = long_call("hold", 900000);
    start_talkers(t, TALKERS, &f, &b);
    while (answered + metric_get(METRIC_rpc_buffers_refused) < TALKERS) {
        struct inbox_node *n = inbox_take_all(&f.held, 200), *next;
        pause_ms(50);
        cr_assert_lt(atomic_load(&f.held_count) - answered, 12);
        for (; n != NULL; n = next) {
            next = n->next;
            answer(held_call(n));
            answered++;
        }
    }
    cr_assert_eq((uint64_t)count_answered(t, TALKERS) + metric_get(METRIC_rpc_buffers_refused),
                 TALKERS);
    buf_fini(&b);
    teardown(&f);
}

/* ---- stopping ---- */

Test(stop, replies_given_before_leave)
{
    struct fixture f;
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    setup(&f, NULL);
    f.hold_big = true;
    int fd = dial(&f);
    put_hello(&b, "u", NULL);
    for (int i = 0; i < 3; i++)
        put_ask_big(&b, i, 100000);
    send_all(fd, &b);
    for (struct inbox_node *n = take_held(&f, 3), *next; n != NULL; n = next) {
        next = n->next;
        answer(held_call(n));
    }
    rpc_server_stop(f.server, 5000);
    for (int i = 0; i < 3; i++)
        cr_assert(read_reply(fd, &frame, &r));
    cr_assert(at_end(fd));
    close(fd);
    buf_fini(&b);
    buf_fini(&frame);
    teardown(&f);
}

Test(stop, calls_that_are_held_may_be_answered_later)
{
    struct fixture f;
    struct buf b = {0};
    setup(&f, &(struct rpc_server_options){.loops = 2});
    put_hello(&b, "u", NULL);
    put_ask(&b, 1, "hold");
    put_ask(&b, 2, "hold");
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(&f);
        send_all(fds[i], &b);
    }
    struct inbox_node *held = take_held(&f, 8);
    int64_t start = clock_monotonic_ms();
    rpc_server_stop(f.server, 60000);
    cr_assert_lt(clock_monotonic_ms() - start, 5000); /* held calls are not waited for */
    for (struct inbox_node *next; held != NULL; held = next) {
        next = held->next;
        answer(held_call(held));
    }
    for (int i = 0; i < 4; i++) {
        cr_assert(at_end(fds[i]));
        close(fds[i]);
    }
    buf_fini(&b);
    teardown(&f);
}

Test(stop, a_peer_that_goes_away_while_its_calls_are_held)
{
    struct fixture f;
    struct buf b = {0};
    setup(&f, NULL);
    put_hello(&b, "u", NULL);
    for (int i = 0; i < 20; i++)
        put_ask(&b, i, "hold");
    int fd = dial(&f);
    send_all(fd, &b);
    struct inbox_node *held = take_held(&f, 20);
    close(fd);
    pause_ms(20);
    for (struct inbox_node *next; held != NULL; held = next) {
        next = held->next;
        answer(held_call(held));
    }
    struct err err = {0};
    uint64_t size = 0;
    cr_assert_eq(ask(&f, "/abc", &size, &err), 0, "%s", err.text);
    buf_fini(&b);
    teardown(&f);
}
