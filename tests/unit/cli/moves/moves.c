/* moves.c, order.c - what becomes of a move, by the answer of its target. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/moves/moves.h"
#include "common/io/io.h"
#include "common/xfer/xfer.h"

static struct move_node items[3];
static const struct move_nodes nodes = {items, 3};
static struct moves *moves;
static int listener;

static void node(size_t i, const char *uuid, uint32_t port)
{
    items[i] = (struct move_node){.uuid = (char *)(uintptr_t)uuid,
                                  .ip = (char *)(uintptr_t) "127.0.0.1",
                                  .host = (char *)(uintptr_t) "localhost",
                                  .rack = (char *)(uintptr_t) "/r",
                                  .xfer_port = port};
}

static void set_up(void)
{
    struct moves_options o = {.pool_id = "BP-1", .threads = 4, .per_node = 2};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    struct err err = {0};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&a, size), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    node(0, "target", ntohs(a.sin_port));
    node(1, "source", 9);
    node(2, "other", 9);
    cr_assert_eq(moves_new(&o, &nodes, &moves, &err), 0);
}

static void tear_down(void)
{
    moves_free(moves);
    close(listener);
}

/* Takes an order and says all of that, one after the other. */
struct answers {
    Xfer__Status list[3];
    size_t count;
    char source[16]; /* of the order: who shall lose its replica */
};

static void *serve(void *arg)
{
    struct answers *a = arg;
    struct err err = {0};
    struct arena arena;
    struct xfer_in in;
    enum xfer_opcode op;
    ProtobufCMessage *m;
    int fd = accept(listener, NULL, NULL);
    arena_init(&arena, 1 << 20);
    xfer_in_init(&in, fd);
    if (xfer_recv_op(&in, &arena, &op, &m, &err) == 0 && op == XFER_REPLACE_BLOCK)
        snprintf(a->source, sizeof(a->source), "%s", ((Xfer__OpReplaceBlock *)m)->del_hint);
    for (size_t i = 0; i < a->count; i++)
        (void)!xfer_send_response(fd, a->list[i], "because", NULL, &err);
    xfer_in_fini(&in);
    arena_fini(&arena);
    close(fd);
    return NULL;
}

static void move_with(struct answers *a)
{
    struct move_order o = {.id = 7, .length = 100, .target = 0, .proxy = 2, .source = 1, .type = 1};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, serve, a), 0);
    moves_start(moves, &o);
    moves_finish(moves);
    pthread_join(thread, NULL);
    cr_assert_str_eq(a->source, "source");
}

TestSuite(moves, .init = set_up, .fini = tear_down, .timeout = 30);

Test(moves, signs_of_life_then_success)
{
    struct answers a = {
        {XFER__STATUS__IN_PROGRESS, XFER__STATUS__IN_PROGRESS, XFER__STATUS__SUCCESS}, 3, ""};
    move_with(&a);
    struct moves_result r = moves_result(moves);
    cr_assert(r.blocks == 1 && r.bytes == 100 && r.failed == 0);
    cr_assert(moves_may(moves, 0) && moves_may(moves, 1) && moves_may(moves, 2));
}

Test(moves, after_a_failure_target_and_proxy_pause)
{
    struct answers a = {{XFER__STATUS__IN_PROGRESS, XFER__STATUS__ERROR}, 2, ""};
    move_with(&a);
    struct moves_result r = moves_result(moves);
    cr_assert(r.blocks == 0 && r.bytes == 0 && r.failed == 1);
    cr_assert(moves_paused(moves, 0) && moves_paused(moves, 2));
    cr_assert(!moves_paused(moves, 1) && moves_may(moves, 1), "the source took no part");
    uint64_t id;
    size_t source;
    cr_assert_not(moves_pinned(moves, 0, &id, &source));
}

Test(moves, a_target_that_hangs_up_is_a_failure)
{
    struct answers a = {{XFER__STATUS__IN_PROGRESS}, 1, ""};
    move_with(&a);
    cr_assert_eq(moves_result(moves).failed, 1);
}

Test(moves, a_pinned_replica_is_remembered_and_nobody_pauses)
{
    struct answers a = {{XFER__STATUS__ERROR_BLOCK_PINNED}, 1, ""};
    uint64_t id = 0;
    size_t source = 0;
    move_with(&a);
    cr_assert_eq(moves_result(moves).failed, 1);
    cr_assert(moves_pinned(moves, 0, &id, &source));
    cr_assert(id == 7 && source == 1);
    cr_assert(moves_may(moves, 0) && moves_may(moves, 2));
}

Test(moves, no_more_than_so_many_on_a_node)
{
    struct answers a = {{XFER__STATUS__SUCCESS}, 1, ""}, b = a;
    struct move_order o = {.id = 7, .length = 1, .target = 0, .proxy = 1, .source = 1, .type = 1};
    moves_start(moves, &o); /* nobody answers yet */
    cr_assert(moves_may(moves, 0));
    o.id = 8;
    o.proxy = o.source = 2;
    moves_start(moves, &o);
    cr_assert_not(moves_may(moves, 0), "two is what a node may");
    cr_assert(moves_may(moves, 1) && moves_may(moves, 2));
    serve(&a);
    serve(&b);
    moves_finish(moves);
    cr_assert_eq(moves_result(moves).blocks, 2);
    cr_assert(moves_may(moves, 0));
}
