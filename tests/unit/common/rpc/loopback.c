/* loopback.c - server and client against each other, and raw bytes against the server. */
#include <unistd.h>

#include "loopback.h"

Test(loopback, one_call)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    uint64_t size = 0;
    cr_assert_eq(ask(&f, "/a", &size, &err), 0, "%s", err.text);
    cr_assert_eq(size, 2);
    teardown(&f);
}

Test(loopback, errors_carry_class_and_text)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    uint64_t size = 0;
    cr_assert_eq(ask(&f, "missing", &size, &err), ERR_NOT_FOUND);
    cr_assert_str_eq(err.remote_class, "java.io.FileNotFoundException");
    cr_assert_str_eq(err.text, "File does not exist: missing");
    cr_assert_eq(ask(&f, "unknown-class", &size, &err), ERR_REMOTE);
    cr_assert_str_eq(err.remote_class, "a.b.Strange");
    /* and the connection lives */
    cr_assert_eq(ask(&f, "/abc", &size, &err), 0, "%s", err.text);
    cr_assert_eq(size, 4);
    teardown(&f);
}

Test(loopback, unknown_method_protocol_and_version)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)"/";
    struct rpc_method odd = rpc_client_methods[CLIENT_getPreferredBlockSize];
    odd.name = "fooBar";
    struct rpc_target t = target_of(&f);
    cr_assert_eq(raw_call(&f, &t, &odd, &req.base, &err), ERR_NO_METHOD);
    cr_assert_str_eq(err.text, "Unknown method fooBar called on " RPC_CLIENT_PROTOCOL " protocol.");
    t.version = 7;
    const struct rpc_method *known = &rpc_client_methods[CLIENT_getPreferredBlockSize];
    cr_assert_eq(raw_call(&f, &t, known, &req.base, &err), ERR_VERSION);
    cr_assert_str_eq(err.text,
                     "Protocol " RPC_CLIENT_PROTOCOL " version mismatch. (client = 7, server = 1)");
    t.version = 1;
    t.protocol = "a.b.C";
    cr_assert_eq(raw_call(&f, &t, known, &req.base, &err), ERR_NO_PROTOCOL);
    cr_assert_str_eq(err.text, "Unknown protocol: a.b.C");
    teardown(&f);
}

Test(loopback, nothing_listens)
{
    struct fixture f;
    setup(&f, NULL);
    struct rpc_target t = target_of(&f);
    struct err err = {0};
    rpc_server_free(f.server);
    f.server = NULL;
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)"/";
    cr_assert_eq(
        raw_call(&f, &t, &rpc_client_methods[CLIENT_getPreferredBlockSize], &req.base, &err),
        ERR_CONNECT);
    char text[200];
    snprintf(text, sizeof(text),
             "call getPreferredBlockSize to 127.0.0.1:%u failed: connection refused", t.addr.port);
    cr_assert_str_eq(err.text, text);
    teardown(&f);
}

Test(loopback, big_request_and_big_response)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    enum { SIZE = 20 << 20 };
    char *name = malloc(SIZE + 1);
    uint64_t size = 0;
    memset(name, 'n', SIZE);
    name[SIZE] = '\0';
    cr_assert_eq(ask(&f, name, &size, &err), 0, "%s", err.text);
    cr_assert_eq(size, SIZE);
    free(name);

    struct arena arena;
    ProtobufCMessage *response;
    struct rpc_target t = target_of(&f);
    Cp__GetLinkTargetRequest q = CP__GET_LINK_TARGET_REQUEST__INIT;
    q.path = (char *)"20000000";
    arena_init(&arena, 0);
    cr_assert_eq(rpc_call(f.client, &t, &rpc_client_methods[CLIENT_getLinkTarget], &q.base, &arena,
                          &response, &err),
                 0, "%s", err.text);
    cr_assert_eq(strlen(((Cp__GetLinkTargetResponse *)response)->target_path), 20000000);
    arena_fini(&arena);
    teardown(&f);
}

Test(loopback, two_protocols_on_one_port)
{
    struct fixture f;
    setup(&f, NULL);
    struct err err = {0};
    struct rpc_target t = target_of(&f);
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)"/";
    t.protocol = "second.Protocol";
    cr_assert_eq(
        raw_call(&f, &t, &rpc_client_methods[CLIENT_getPreferredBlockSize], &req.base, &err), 0,
        "%s", err.text);
    teardown(&f);
}

struct many {
    struct fixture *f;
    unsigned number;
};

static void *ask_many(void *arg)
{
    const struct many *m = arg;
    char name[300];
    for (unsigned i = 0; i < 200; i++) {
        struct err err = {0};
        uint64_t size = 0;
        size_t length = (m->number * 31 + i) % 290 + 1;
        memset(name, 'a', length);
        name[length] = '\0';
        cr_assert_eq(ask(m->f, name, &size, &err), 0, "%s", err.text);
        cr_assert_eq(size, length);
    }
    return NULL;
}

Test(loopback, many_threads_many_loops)
{
    enum { THREADS = 8 };
    struct fixture f;
    struct many m[THREADS];
    pthread_t threads[THREADS];
    setup(&f, &(struct rpc_server_options){.loops = 3});
    for (unsigned i = 0; i < THREADS; i++) {
        m[i] = (struct many){&f, i};
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_many, &m[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    teardown(&f);
}

static int authorize_alice(void *ctx, const char *real, const char *user, const char *host,
                           struct err *err)
{
    (void)ctx;
    cr_assert_str_eq(host, "127.0.0.1");
    if (strcmp(real, "alice") == 0)
        return 0;
    return fail(err, ERR_AUTHORIZATION, "User: %s is not allowed to impersonate %s", real, user);
}

static void proxy_case(struct fixture *f, const char *real, int status, const char *text)
{
    int fd = dial(f);
    struct buf b = {0}, frame = {0};
    struct rpc_reply_event r;
    put_hello(&b, "bob", real);
    put_ask(&b, 1, "user");
    send_all(fd, &b);
    cr_assert(read_reply(fd, &frame, &r));
    cr_assert_eq(r.header.status, status);
    cr_assert(slice_equal(r.header.message, slice_of(text)), "%.*s", (int)r.header.message.size,
              (const char *)r.header.message.data);
    buf_fini(&b);
    buf_fini(&frame);
    close(fd);
}

Test(loopback, proxy_users)
{
    struct fixture f;
    setup(&f, &(struct rpc_server_options){.authorize_proxy = authorize_alice});
    proxy_case(&f, NULL, 1, "user=bob real=- peer=127.0.0.1");
    proxy_case(&f, "alice", 1, "user=bob real=alice peer=127.0.0.1");
    proxy_case(&f, "mallory", 2, "User: mallory is not allowed to impersonate bob");
    teardown(&f);
    setup(&f, NULL);
    proxy_case(&f, "alice", 2, "User: alice is not allowed to impersonate bob");
    teardown(&f);
}
