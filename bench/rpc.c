/* rpc.c - what a call costs: calls a second and CPU per call of a method that does nothing.
 * Three forms: one caller that waits for each answer, eight callers on one client, and raw frames
 * pipelined on one connection. The pipelined form's client only moves bytes, so its CPU is nearly
 * all the server's. Usage: bench_rpc [calls] [loops] */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.pb-c.h"
#include "common/obs/obs.h"
#include "common/rpc/internal.h"

enum { CALLERS = 8, WINDOW = 64 };

struct owner { /* answers on a thread of its own, as the NameNode does */
    struct inbox inbox;
    pthread_t thread;
    bool own_thread;
};

static void answer(struct rpc_call *call)
{
    Cp__GetPreferredBlockSizeResponse r = CP__GET_PREFERRED_BLOCK_SIZE_RESPONSE__INIT;
    r.bsize = 128 << 20;
    rpc_reply(call, &r.base);
}

static void dispatch(void *ctx, struct rpc_call *call)
{
    struct owner *o = ctx;
    if (o->own_thread)
        inbox_put(&o->inbox, &call->node);
    else
        answer(call);
}

static void *own(void *arg)
{
    struct owner *o = arg;
    struct inbox_node *n, *next;
    while ((n = inbox_take_all(&o->inbox, -1)) != NULL)
        for (; n != NULL; n = next) {
            next = n->next;
            answer((struct rpc_call *)(void *)((char *)n - offsetof(struct rpc_call, node)));
        }
    return NULL;
}

struct clock {
    int64_t wall_ns, cpu_ns;
};

static struct clock now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    int64_t us =
        (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
    return (struct clock){clock_monotonic_ns(), us * 1000};
}

static void report(const char *what, struct clock from, long calls)
{
    struct clock to = now();
    double s = (double)(to.wall_ns - from.wall_ns) / 1e9;
    printf("%-28s %9.0f calls/s  %6.2f us CPU per call, both ends\n", what, (double)calls / s,
           (double)(to.cpu_ns - from.cpu_ns) / 1e3 / (double)calls);
}

struct caller {
    struct rpc_client *client;
    struct rpc_target target;
    long calls;
};

static void *call_many(void *arg)
{
    const struct caller *c = arg;
    struct arena arena;
    ProtobufCMessage *response;
    struct err err = {0};
    Cp__GetPreferredBlockSizeRequest q = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    q.filename = (char *)(uintptr_t) "/some/path/of/usual/length";
    arena_init(&arena, 0);
    for (long i = 0; i < c->calls; i++) {
        arena_reset(&arena);
        if (rpc_call(c->client, &c->target, &rpc_client_methods[CLIENT_getPreferredBlockSize],
                     &q.base, &arena, &response, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
    }
    arena_fini(&arena);
    return NULL;
}

static void bench_callers(const char *what, struct rpc_target target, unsigned callers, long calls)
{
    struct caller c = {.target = target, .calls = calls / callers};
    struct err err = {0};
    pthread_t threads[CALLERS];
    if (rpc_client_new(&(struct rpc_client_options){.user = "bench"}, &c.client, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    struct clock from = now();
    for (unsigned i = 0; i < callers; i++)
        CHECK(pthread_create(&threads[i], NULL, call_many, &c) == 0);
    for (unsigned i = 0; i < callers; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    report(what, from, c.calls * callers);
    rpc_client_free(c.client);
}

static void put_call(struct buf *b, const uint8_t *id, int32_t call_id)
{
    struct rpc_request_header h = {
        .kind = 2, .call_id = call_id, .client_id = {id, RPC_CLIENT_ID_SIZE}};
    struct rpc_method_header m = {slice_of("getPreferredBlockSize"), slice_of(RPC_CLIENT_PROTOCOL),
                                  1};
    Cp__GetPreferredBlockSizeRequest q = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    q.filename = (char *)(uintptr_t) "/some/path/of/usual/length";
    CHECK(rpc_request_encode(b, &h, &m, &q.base) == 0);
}

/* Keeps WINDOW calls under way by sending the same bytes again and counting what comes back. */
static void bench_pipelined(const char *what, struct rpc_target target, long calls)
{
    struct buf hello = {0}, batch = {0};
    struct err err = {0};
    uint8_t id[RPC_CLIENT_ID_SIZE] = {7}, in[65536];
    int fd;
    if (sock_connect(&target.addr, 5000, &fd, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    CHECK(rpc_client_conn_hello(&hello, id, "bench", RPC_CLIENT_PROTOCOL) == 0);
    for (int32_t i = 0; i < WINDOW; i++)
        put_call(&batch, id, 1);
    CHECK(sock_write_full(fd, buf_head(&hello), buf_size(&hello), &err) == 0);
    struct clock from = now();
    size_t reply = 0;
    for (long done = 0; done < calls; done += WINDOW) {
        CHECK(sock_write_full(fd, buf_head(&batch), buf_size(&batch), &err) == 0);
        if (reply == 0) { /* all replies have the length of the first */
            CHECK(sock_read_full(fd, in, 4, &err) == 0);
            struct reader r = reader_of(in, 4);
            reply = read_u32(&r) + 4;
            CHECK(sock_read_full(fd, in, reply * WINDOW - 4, &err) == 0);
        } else {
            CHECK(sock_read_full(fd, in, reply * WINDOW, &err) == 0);
        }
    }
    report(what, from, calls);
    close(fd);
    buf_fini(&hello);
    buf_fini(&batch);
}

static void bench_all(long calls, unsigned loops, bool own_thread)
{
    struct owner o = {.own_thread = own_thread};
    struct rpc_protocol p = {.name = RPC_CLIENT_PROTOCOL,
                             .version = 1,
                             .methods = rpc_client_methods,
                             .method_count = CLIENT_METHOD_COUNT,
                             .dispatch = dispatch,
                             .ctx = &o};
    struct rpc_server_options options = {.listen = {"127.0.0.1", 0},
                                         .name = "bench",
                                         .loops = loops,
                                         .protocols = &p,
                                         .protocol_count = 1};
    struct rpc_server *s;
    struct err err = {0};
    inbox_init(&o.inbox);
    if (rpc_server_start(&options, &s, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    CHECK(pthread_create(&o.thread, NULL, own, &o) == 0);
    struct rpc_target t = {{"127.0.0.1", rpc_server_port(s)}, RPC_CLIENT_PROTOCOL, 1};
    printf("answered on %s\n", own_thread ? "an owner thread" : "the loop");
    bench_callers("  1 caller", t, 1, calls / 4);
    bench_callers("  8 callers, 1 client", t, CALLERS, calls / 2);
    bench_pipelined("  64 pipelined", t, calls);
    rpc_server_stop(s, 0);
    inbox_close(&o.inbox);
    pthread_join(o.thread, NULL);
    rpc_server_free(s);
    inbox_fini(&o.inbox);
}

int main(int argc, char **argv)
{
    long calls = argc > 1 ? strtol(argv[1], NULL, 10) : 200000;
    unsigned loops = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    log_init("bench");
    bench_all(calls, loops, false);
    bench_all(calls, loops, true);
    return 0;
}
