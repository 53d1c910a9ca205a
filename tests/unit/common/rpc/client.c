/* client.c - the client against servers that behave badly. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loopback.h"

/* A listening socket that the test itself serves, and a call on a thread of its own. */
struct stage {
    struct fixture f;
    int listen_fd;
    struct rpc_target target;
    pthread_t thread;
    const char *name;
    int rc;
    uint64_t size;
    struct err err;
};

static void stage_open(struct stage *s, const struct rpc_client_options *o)
{
    struct addr a = {"127.0.0.1", 0};
    memset(s, 0, sizeof(*s));
    log_set_level(LOG_ERROR);
    cr_assert_eq(sock_listen(&a, &s->listen_fd, &a.port, &s->err), 0);
    s->target = (struct rpc_target){a, RPC_CLIENT_PROTOCOL, 1};
    s->name = "/abc";
    setup_client(&s->f, o);
}

static void *stage_run(void *arg)
{
    struct stage *s = arg;
    struct arena arena;
    ProtobufCMessage *response;
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)(uintptr_t)s->name;
    arena_init(&arena, 0);
    s->rc = rpc_call(s->f.client, &s->target, &rpc_client_methods[CLIENT_getPreferredBlockSize],
                     &req.base, &arena, &response, &s->err);
    if (s->rc == 0)
        s->size = ((Cp__GetPreferredBlockSizeResponse *)response)->bsize;
    arena_fini(&arena);
    return NULL;
}

static void stage_call(struct stage *s)
{
    cr_assert_eq(pthread_create(&s->thread, NULL, stage_run, s), 0);
}

static void stage_wait(struct stage *s)
{
    pthread_join(s->thread, NULL);
}

static void stage_close(struct stage *s)
{
    rpc_client_free(s->f.client);
    close(s->listen_fd);
}

static int stage_accept(struct stage *s)
{
    struct err err = {0};
    int fd = accept(s->listen_fd, NULL, NULL);
    cr_assert_geq(fd, 0);
    cr_assert_eq(sock_set_timeouts(fd, 10000, 10000, &err), 0);
    return fd;
}

static bool nobody_else_connects(struct stage *s)
{
    struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
    return poll(&p, 1, 100) == 0;
}

/* Reads preamble, context and frames until a call has come; returns its id. pings counts those
 * before it. */
static int32_t read_call(int fd, unsigned *pings)
{
    for (;;) {
        struct rpc_request_header h;
        uint8_t length[4];
        cr_assert_eq(sock_read_full(fd, length, 4, NULL), 0);
        if (memcmp(length, "hrpc", 4) == 0) {
            cr_assert_eq(sock_read_full(fd, length, 3, NULL), 0);
            continue;
        }
        struct reader in = reader_of(length, 4);
        uint32_t size = read_u32(&in);
        uint8_t *frame = malloc(size);
        cr_assert_eq(sock_read_full(fd, frame, size, NULL), 0);
        in = reader_of(frame, size);
        cr_assert_null(rpc_request_header_decode(pb_delimited(&in), &h));
        free(frame);
        if (h.call_id == RPC_ID_PING && pings != NULL && ++*pings > 0)
            return h.call_id;
        if (h.call_id >= 0)
            return h.call_id;
    }
}

static void send_response(int fd, const struct rpc_response_header *h, bool has_body)
{
    struct buf b = {0};
    cr_assert_eq(rpc_response_start(&b, h, has_body, has_body ? 2 : 0), 0);
    if (has_body)
        cr_assert_eq(buf_append(&b, "\x08\x2a", 2), 0); /* bsize 42 */
    send_all(fd, &b);
    buf_fini(&b);
}

Test(client, fatal_fails_the_call_with_the_servers_class)
{
    struct stage s;
    stage_open(&s, NULL);
    stage_call(&s);
    int fd = stage_accept(&s);
    (void)read_call(fd, NULL);
    struct rpc_response_header h = {
        .call_id = (uint32_t)RPC_ID_NONE,
        .status = 2,
        .exception_class = slice_of("org.apache.hadoop.security.AccessControlException"),
        .message = slice_of("no\n\tat a.b.C"),
        .detail = 15};
    send_response(fd, &h, false);
    stage_wait(&s);
    cr_assert_eq(s.rc, ERR_ACCESS);
    cr_assert_str_eq(s.err.text, "no");
    cr_assert_str_eq(s.err.remote_class, "org.apache.hadoop.security.AccessControlException");
    cr_assert(at_end(fd));
    close(fd);
    stage_close(&s);
}

static void check_text(struct stage *s, const char *reason)
{
    char want[256];
    snprintf(want, sizeof(want), "call getPreferredBlockSize to 127.0.0.1:%u failed: %s",
             s->target.addr.port, reason);
    cr_assert_str_eq(s->err.text, want);
    cr_assert_str_eq(s->err.remote_class, "");
}

Test(client, response_that_does_not_fill_its_frame)
{
    struct stage s;
    stage_open(&s, NULL);
    stage_call(&s);
    int fd = stage_accept(&s);
    (void)read_call(fd, NULL);
    static const uint8_t reply[] = {0, 0, 0, 9, 4, 8, 0, 16, 0, 2, 8, 42, 0};
    cr_assert_eq(write(fd, reply, sizeof(reply)), sizeof(reply));
    stage_wait(&s);
    cr_assert_eq(s.rc, ERR_PROTOCOL);
    check_text(&s, "length mismatch in the response to call 0");
    close(fd);
    stage_close(&s);
}

Test(client, response_longer_than_the_limit)
{
    struct stage s;
    stage_open(&s, &(struct rpc_client_options){.user = "u", .max_response = 1000});
    stage_call(&s);
    int fd = stage_accept(&s);
    (void)read_call(fd, NULL);
    static const uint8_t reply[] = {0, 0, 3, 0xe9, 0};
    cr_assert_eq(write(fd, reply, sizeof(reply)), sizeof(reply));
    stage_wait(&s);
    cr_assert_eq(s.rc, ERR_PROTOCOL);
    check_text(&s, "a response of 1001 bytes is longer than the limit of 1000");
    close(fd);
    stage_close(&s);
}

Test(client, a_request_that_was_sent_is_not_sent_again)
{
    struct stage s;
    stage_open(&s, NULL);
    stage_call(&s);
    int fd = stage_accept(&s);
    (void)read_call(fd, NULL);
    close(fd);
    stage_wait(&s);
    cr_assert_eq(s.rc, ERR_EOF);
    check_text(&s, "the server closed the connection");
    cr_assert(nobody_else_connects(&s));
    stage_close(&s);
}

Test(client, a_request_that_was_not_sent_completely_is_sent_once_more)
{
    enum { SIZE = 32 << 20 }; /* more than the sockets' buffers */
    struct stage s;
    char *name = malloc(SIZE + 1);
    memset(name, 'n', SIZE);
    name[SIZE] = '\0';
    stage_open(&s, NULL);
    s.name = name;
    stage_call(&s);
    close(stage_accept(&s));
    int fd = stage_accept(&s);
    struct rpc_response_header h = {.call_id = (uint32_t)read_call(fd, NULL)};
    send_response(fd, &h, true);
    stage_wait(&s);
    cr_assert_eq(s.rc, 0, "%s", s.err.text);
    cr_assert_eq(s.size, 42);
    close(fd);
    /* but only once */
    stage_call(&s);
    close(stage_accept(&s));
    close(stage_accept(&s));
    stage_wait(&s);
    cr_assert_neq(s.rc, 0);
    cr_assert(nobody_else_connects(&s));
    stage_close(&s);
    free(name);
}

Test(client, pings_while_it_waits)
{
    struct stage s;
    unsigned pings = 0;
    stage_open(&s, &(struct rpc_client_options){.user = "u", .ping_interval_ms = 30});
    stage_call(&s);
    int fd = stage_accept(&s);
    struct rpc_response_header h = {.call_id = (uint32_t)read_call(fd, NULL)};
    cr_assert_eq(read_call(fd, &pings), RPC_ID_PING);
    cr_assert_eq(read_call(fd, &pings), RPC_ID_PING);
    send_response(fd, &h, true);
    stage_wait(&s);
    cr_assert_eq(s.rc, 0, "%s", s.err.text);
    close(fd);
    stage_close(&s);
}

Test(client, a_call_that_is_not_answered_in_time)
{
    struct stage s;
    stage_open(&s, &(struct rpc_client_options){.user = "u", .call_timeout_ms = 100});
    stage_call(&s);
    int fd = stage_accept(&s);
    struct rpc_response_header h = {.call_id = (uint32_t)read_call(fd, NULL)};
    stage_wait(&s);
    cr_assert_eq(s.rc, ERR_TIMEOUT);
    check_text(&s, "no answer within 100 ms");
    send_response(fd, &h, true); /* too late, and harmless */
    stage_call(&s);
    h.call_id = (uint32_t)read_call(fd, NULL); /* on the same connection */
    send_response(fd, &h, true);
    stage_wait(&s);
    cr_assert_eq(s.rc, 0, "%s", s.err.text);
    close(fd);
    stage_close(&s);
}

Test(client, idle_connections_are_closed)
{
    struct stage s;
    stage_open(&s, &(struct rpc_client_options){.user = "u", .idle_ms = 50});
    stage_call(&s);
    int fd = stage_accept(&s);
    struct rpc_response_header h = {.call_id = (uint32_t)read_call(fd, NULL)};
    send_response(fd, &h, true);
    stage_wait(&s);
    cr_assert(at_end(fd));
    close(fd);
    stage_call(&s);
    fd = stage_accept(&s);
    h.call_id = (uint32_t)read_call(fd, NULL);
    send_response(fd, &h, true);
    stage_wait(&s);
    cr_assert_eq(s.rc, 0);
    close(fd);
    stage_close(&s);
}

Test(client, refused_connects_are_tried_again)
{
    struct stage s;
    struct err err = {0};
    stage_open(&s, &(struct rpc_client_options){.user = "u", .connect_retries = 3});
    uint16_t port = 0;
    close(s.listen_fd);
    stage_call(&s);
    pause_ms(200);
    cr_assert_eq(sock_listen(&s.target.addr, &s.listen_fd, &port, &err), 0, "%s", err.text);
    int fd = stage_accept(&s);
    struct rpc_response_header h = {.call_id = (uint32_t)read_call(fd, NULL)};
    send_response(fd, &h, true);
    stage_wait(&s);
    cr_assert_eq(s.rc, 0, "%s", s.err.text);
    close(fd);
    stage_close(&s);
}

Test(client, freeing_it_fails_the_calls)
{
    struct stage s;
    stage_open(&s, NULL);
    stage_call(&s);
    int fd = stage_accept(&s);
    (void)read_call(fd, NULL);
    atomic_store(&s.f.client->closing, true);
    (void)uv_async_send(&s.f.client->wake);
    stage_wait(&s);
    cr_assert_eq(s.rc, ERR_CLOSED);
    check_text(&s, "the client is closed");
    close(fd);
    stage_close(&s);
}

Test(client, garbage_instead_of_responses)
{
    struct rng rng = {.state = 5};
    struct stage s;
    stage_open(&s, &(struct rpc_client_options){.user = "u", .call_timeout_ms = 1000});
    for (int i = 0; i < 100; i++) {
        uint8_t noise[64];
        stage_call(&s);
        int fd = stage_accept(&s);
        (void)read_call(fd, NULL);
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (uint8_t)rng_next(&rng);
        if (i % 2 == 0)
            put_u32(noise, (uint32_t)rng_below(&rng, 60));
        (void)!write(fd, noise, sizeof(noise));
        close(fd);
        stage_wait(&s);
        cr_assert_neq(s.rc, 0);
    }
    stage_close(&s);
}
