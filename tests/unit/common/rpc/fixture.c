#include <time.h>

#include "loopback.h"

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

struct rpc_call *held_call(struct inbox_node *n)
{
    return (struct rpc_call *)(void *)((char *)n - offsetof(struct rpc_call, node));
}

void answer(struct rpc_call *take_call)
{
    Cp__GetPreferredBlockSizeResponse r = CP__GET_PREFERRED_BLOCK_SIZE_RESPONSE__INIT;
    const Cp__GetPreferredBlockSizeRequest *q = (const void *)take_call->request;
    r.bsize = strlen(q->filename);
    rpc_reply(take_call, &r.base);
}

static void dispatch_big(struct rpc_call *call, const char *name)
{
    Cp__GetLinkTargetResponse r = CP__GET_LINK_TARGET_RESPONSE__INIT;
    size_t size = strtoul(name + 4, NULL, 10);
    r.target_path = arena_alloc(&call->arena, size + 1);
    memset(r.target_path, 'x', size);
    r.target_path[size] = '\0';
    rpc_reply(call, &r.base);
}

static void dispatch(void *ctx, struct rpc_call *call)
{
    struct fixture *f = ctx;
    struct err err = {0};
    if (call->method->tag == CLIENT_getLinkTarget) {
        dispatch_big(call, ((Cp__GetLinkTargetRequest *)call->request)->path);
        return;
    }
    const char *name = ((Cp__GetPreferredBlockSizeRequest *)call->request)->filename;
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
