#include <time.h>
#include <unistd.h>

#include "loopback.h"

void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

struct rpc_call *held_call(struct inbox_node *n)
{
    return (struct rpc_call *)(void *)((char *)n - offsetof(struct rpc_call, node));
}

static void answer_big(struct rpc_call *call);

void answer(struct rpc_call *take_call)
{
    if (take_call->method->tag == CLIENT_getLinkTarget) {
        answer_big(take_call);
        return;
    }
    Cp__GetPreferredBlockSizeResponse r = CP__GET_PREFERRED_BLOCK_SIZE_RESPONSE__INIT;
    const Cp__GetPreferredBlockSizeRequest *q = (const void *)take_call->request;
    r.bsize = strlen(q->filename);
    rpc_reply(take_call, &r.base);
}

/* The path of getLinkTarget is the size of the answer. */
static void answer_big(struct rpc_call *call)
{
    Cp__GetLinkTargetResponse r = CP__GET_LINK_TARGET_RESPONSE__INIT;
    size_t size = strtoul(((Cp__GetLinkTargetRequest *)call->request)->path, NULL, 10);
    r.target_path = arena_alloc(&call->arena, size + 1);
    memset(r.target_path, 'x', size);
    r.target_path[size] = '\0';
    rpc_reply(call, &r.base);
}

static void dispatch(void *ctx, struct rpc_call *call)
{
    struct fixture *f = ctx;
    struct err err = {0};
    const char *name = "hold";
    if (call->method->tag == CLIENT_getPreferredBlockSize)
        name = ((Cp__GetPreferredBlockSizeRequest *)call->request)->filename;
    else if (!f->hold_big)
        name = "big";
    if (strncmp(name, "hold", 4) == 0) {
        inbox_put(&f->held, &call->node);
        atomic_fetch_add(&f->held_count, 1);
    } else if (strcmp(name, "missing") == 0) {
        (void)fail(&err, ERR_NOT_FOUND, "File does not exist: %s", name);
        rpc_reply_error(call, &err);
    } else if (strcmp(name, "unknown-class") == 0) {
        (void)fail_remote(&err, "a.b.Strange", "odd");
        rpc_reply_error(call, &err);
    } else if (strcmp(name, "user") == 0) {
        (void)fail(&err, ERR_IO, "user=%s real=%s peer=%s", call->user,
                   call->real_user != NULL ? call->real_user : "-", call->peer_host);
        rpc_reply_error(call, &err);
    } else {
        answer(call);
    }
}

void setup_client(struct fixture *f, const struct rpc_client_options *o)
{
    struct err err = {0};
    struct rpc_client_options standard = {.user = "tester"};
    rpc_client_free(f->client);
    cr_assert_eq(rpc_client_new(o != NULL ? o : &standard, &f->client, &err), 0, "%s", err.text);
}

void setup(struct fixture *f, const struct rpc_server_options *o)
{
    struct err err = {0};
    struct rpc_server_options all = o != NULL ? *o : (struct rpc_server_options){0};
    memset(f, 0, sizeof(*f));
    log_set_level(LOG_ERROR);
    inbox_init(&f->held);
    f->protocols[0] = (struct rpc_protocol){.name = RPC_CLIENT_PROTOCOL,
                                            .version = 1,
                                            .methods = rpc_client_methods,
                                            .method_count = CLIENT_METHOD_COUNT,
                                            .dispatch = dispatch,
                                            .ctx = f};
    f->protocols[1] = f->protocols[0];
    f->protocols[1].name = "second.Protocol";
    all.listen = (struct addr){"127.0.0.1", 0};
    all.name = "test";
    all.protocols = f->protocols;
    all.protocol_count = 2;
    cr_assert_eq(rpc_server_start(&all, &f->server, &err), 0, "%s", err.text);
    setup_client(f, NULL);
}

void teardown(struct fixture *f)
{
    rpc_client_free(f->client);
    for (struct inbox_node *n = inbox_take_all(&f->held, 0), *next; n != NULL; n = next) {
        next = n->next;
        answer(held_call(n));
    }
    rpc_server_free(f->server);
    inbox_fini(&f->held);
}

struct rpc_target target_of(const struct fixture *f)
{
    return (struct rpc_target){{"127.0.0.1", rpc_server_port(f->server)}, RPC_CLIENT_PROTOCOL, 1};
}

int raw_call(struct fixture *f, const struct rpc_target *t, const struct rpc_method *m,
             const ProtobufCMessage *request, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *response;
    arena_init(&arena, 0);
    int rc = rpc_call(f->client, t, m, request, &arena, &response, err);
    arena_fini(&arena);
    return rc;
}

int ask(struct fixture *f, const char *name, uint64_t *ret, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *response;
    struct rpc_target t = target_of(f);
    Cp__GetPreferredBlockSizeRequest req = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    req.filename = (char *)(uintptr_t)name;
    arena_init(&arena, 0);
    int rc = rpc_call(f->client, &t, &rpc_client_methods[CLIENT_getPreferredBlockSize], &req.base,
                      &arena, &response, err);
    if (rc == 0)
        *ret = ((Cp__GetPreferredBlockSizeResponse *)response)->bsize;
    arena_fini(&arena);
    return rc;
}

int dial(const struct fixture *f)
{
    int fd = -1;
    struct err err = {0};
    struct addr a = target_of(f).addr;
    cr_assert_eq(sock_connect(&a, 5000, &fd, &err), 0, "%s", err.text);
    cr_assert_eq(sock_set_timeouts(fd, 10000, 10000, &err), 0);
    return fd;
}

bool metric_reaches(enum metric m, uint64_t value)
{
    for (int i = 0; i < 500 && metric_get(m) < value; i++)
        pause_ms(10);
    return metric_get(m) >= value;
}

struct inbox_node *take_held(struct fixture *f, unsigned count)
{
    for (int i = 0; i < 1000 && atomic_load(&f->held_count) < count; i++)
        pause_ms(5);
    cr_assert_geq(atomic_load(&f->held_count), count);
    return inbox_take_all(&f->held, 0);
}

static const uint8_t test_id[RPC_CLIENT_ID_SIZE] = "0123456789abcdef";

void put_hello(struct buf *b, const char *user, const char *real_user)
{
    struct rpc_request_header h = {
        .kind = 2, .call_id = RPC_ID_CONTEXT, .retry_count = -1, .client_id = {test_id, 16}};
    Rpc__UserInformation info = RPC__USER_INFORMATION__INIT;
    Rpc__IpcConnectionContext context = RPC__IPC_CONNECTION_CONTEXT__INIT;
    info.effective_user = (char *)(uintptr_t)user;
    info.real_user = (char *)(uintptr_t)real_user;
    context.user_info = &info;
    cr_assert_eq(buf_append(b, "hrpc\x09\0\0", 7), 0);
    cr_assert_eq(rpc_request_encode(b, &h, NULL, &context.base), 0);
}

static void put_request(struct buf *b, int32_t call_id, const char *method,
                        const ProtobufCMessage *q)
{
    struct rpc_request_header h = {
        .kind = 2, .call_id = call_id, .retry_count = 0, .client_id = {test_id, 16}};
    struct rpc_method_header m = {slice_of(method), slice_of(RPC_CLIENT_PROTOCOL), 1};
    cr_assert_eq(rpc_request_encode(b, &h, &m, q), 0);
}

void put_ask(struct buf *b, int32_t call_id, const char *name)
{
    Cp__GetPreferredBlockSizeRequest q = CP__GET_PREFERRED_BLOCK_SIZE_REQUEST__INIT;
    q.filename = (char *)(uintptr_t)name;
    put_request(b, call_id, "getPreferredBlockSize", &q.base);
}

void put_ask_big(struct buf *b, int32_t call_id, size_t size)
{
    char text[32];
    Cp__GetLinkTargetRequest q = CP__GET_LINK_TARGET_REQUEST__INIT;
    snprintf(text, sizeof(text), "%zu", size);
    q.path = text;
    put_request(b, call_id, "getLinkTarget", &q.base);
}

void send_all(int fd, const struct buf *b)
{
    struct buf copy = *b;
    struct err err = {0};
    cr_assert_eq(sock_write_full(fd, buf_head(&copy), buf_size(&copy), &err), 0, "%s", err.text);
}

bool read_reply(int fd, struct buf *frame, struct rpc_reply_event *r)
{
    struct rpc_client_conn c = {.max_response = 128 << 20};
    uint8_t length[4];
    buf_clear(frame);
    if (sock_read_full(fd, length, sizeof(length), NULL) != 0)
        return false;
    struct reader in = reader_of(length, sizeof(length));
    uint32_t size = read_u32(&in);
    cr_assert_eq(buf_append(frame, length, sizeof(length)), 0);
    uint8_t *p = buf_reserve(frame, size);
    if (sock_read_full(fd, p, size, NULL) != 0)
        return false;
    buf_commit(frame, size);
    cr_assert_eq(rpc_client_conn_step(&c, (struct slice){buf_head(frame), buf_size(frame)}, r),
                 size + 4);
    return true;
}

bool at_end(int fd)
{
    char some[4096];
    ssize_t n;
    while ((n = read(fd, some, sizeof(some))) > 0)
        continue;
    return n == 0 || errno == ECONNRESET;
}
