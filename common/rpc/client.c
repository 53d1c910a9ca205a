/* client.c - a call as its caller sees it: encode, hand to the loop, wait, decode.
 * Threads: any number of callers; encoding and decoding happen on theirs. The client's loop thread
 * (client_io.c) owns the call from client_post until it sets `done`. */
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/rpc/internal.h"

enum { MIN_TICK_MS = 5, MAX_TICK_MS = 250 };

static char *process_user(void)
{
    const char *name = getenv("HADOOP_USER_NAME");
    struct passwd entry, *found = NULL;
    char text[4096];
    if (name != NULL && name[0] != '\0')
        return strdup(name);
    if (getpwuid_r(getuid(), &entry, text, sizeof(text), &found) != 0 || found == NULL)
        return NULL;
    return strdup(found->pw_name);
}

static int or_default(int value, int standard)
{
    return value != 0 ? value : standard;
}

static void set_options(struct rpc_client *c, const struct rpc_client_options *o)
{
    c->o = *o;
    c->o.connect_timeout_ms = or_default(o->connect_timeout_ms, 20000);
    c->o.call_timeout_ms = or_default(o->call_timeout_ms, 120000);
    c->o.ping_interval_ms = or_default(o->ping_interval_ms, 60000);
    c->o.idle_ms = or_default(o->idle_ms, 10000);
    c->o.max_response = o->max_response != 0 ? o->max_response : RPC_DEFAULT_MAX_FRAME;
    c->core.max_response = c->o.max_response;
    int shortest = c->o.connect_timeout_ms;
    shortest = c->o.call_timeout_ms < shortest ? c->o.call_timeout_ms : shortest;
    shortest = c->o.ping_interval_ms < shortest ? c->o.ping_interval_ms : shortest;
    shortest = c->o.idle_ms < shortest ? c->o.idle_ms : shortest;
    c->tick_ms = shortest / 8;
    if (c->tick_ms < MIN_TICK_MS)
        c->tick_ms = MIN_TICK_MS;
    if (c->tick_ms > MAX_TICK_MS)
        c->tick_ms = MAX_TICK_MS;
}

int rpc_client_new(const struct rpc_client_options *o, struct rpc_client **ret, struct err *err)
{
    struct rpc_client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for an RPC client");
    set_options(c, o);
    c->user = o->user != NULL ? strdup(o->user) : process_user();
    c->o.user = c->user;
    int rc = c->user == NULL ? fail(err, ERR_CONFIG,
                                    "no user name: HADOOP_USER_NAME is not set and uid %u "
                                    "has no entry in the user database",
                                    (unsigned)getuid())
                             : 0;
    for (size_t i = 0; i < RPC_CLIENT_ID_SIZE; i += sizeof(uint64_t)) {
        uint64_t word = random_u64();
        memcpy(c->client_id + i, &word, sizeof(word));
    }
    if (rc == 0)
        rc = client_loop_start(c, err);
    if (rc != 0) {
        free(c->user);
        free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void rpc_client_free(struct rpc_client *c)
{
    if (c == NULL)
        return;
    client_loop_stop(c);
    free(c->user);
    free(c);
}

const char *rpc_client_user(const struct rpc_client *c)
{
    return c->user;
}

int32_t rpc_new_call_id(struct rpc_client *c)
{
    return (int32_t)(atomic_fetch_add(&c->next_call_id, 1) & INT32_MAX);
}

static int encode(struct rpc_client *c, struct client_call *call, const struct rpc_method *method,
                  const ProtobufCMessage *request, int32_t retry_count)
{
    struct rpc_request_header h = {
        .kind = RPC__RPC_KIND__RPC_PROTOCOL_BUFFER,
        .op = RPC__RPC_REQUEST_HEADER__OPERATION__RPC_FINAL_PACKET,
        .call_id = call->call_id,
        .retry_count = retry_count,
        .client_id = {c->client_id, RPC_CLIENT_ID_SIZE},
    };
    struct rpc_method_header m = {.method = slice_of(method->name),
                                  .protocol = slice_of(call->target->protocol),
                                  .version = call->target->version};
    if (rpc_request_encode(&call->frame, &h, &m, request) != 0)
        return fail(call->err, ERR_NO_MEMORY, "call %s to %s:%u failed: no memory for the request",
                    method->name, call->target->addr.host, call->target->addr.port);
    return 0;
}

static void wait_done(struct client_call *call)
{
    pthread_mutex_lock(&call->lock);
    while (!call->done)
        pthread_cond_wait(&call->ready, &call->lock);
    pthread_mutex_unlock(&call->lock);
}

static int decode(struct client_call *call, const struct rpc_method *method, struct arena *arena,
                  ProtobufCMessage **ret, struct err *err)
{
    TRY(call->rc);
    ProtobufCMessage *response = protobuf_c_message_unpack(
        method->response, &arena->pb, buf_size(&call->response), buf_head(&call->response));
    if (response == NULL)
        return fail(err, ERR_PROTOCOL,
                    "call %s to %s:%u failed: the response of %zu bytes cannot be decoded",
                    method->name, call->target->addr.host, call->target->addr.port,
                    buf_size(&call->response));
    *ret = response;
    return 0;
}

int rpc_call_full(struct rpc_client *c, const struct rpc_target *target,
                  const struct rpc_method *method, const ProtobufCMessage *request, int32_t call_id,
                  int32_t retry_count, struct arena *arena, ProtobufCMessage **ret_response,
                  struct err *err)
{
    struct client_call call = {
        .target = target, .method = method->name, .call_id = call_id, .err = err};
    TRY(encode(c, &call, method, request, retry_count));
    CHECK(pthread_mutex_init(&call.lock, NULL) == 0);
    CHECK(pthread_cond_init(&call.ready, NULL) == 0);
    client_post(c, &call);
    wait_done(&call);
    int rc = decode(&call, method, arena, ret_response, err);
    pthread_cond_destroy(&call.ready);
    pthread_mutex_destroy(&call.lock);
    buf_fini(&call.frame);
    buf_fini(&call.response);
    return rc;
}

int rpc_call(struct rpc_client *c, const struct rpc_target *target, const struct rpc_method *method,
             const ProtobufCMessage *request, struct arena *arena, ProtobufCMessage **ret_response,
             struct err *err)
{
    return rpc_call_full(c, target, method, request, rpc_new_call_id(c), 0, arena, ret_response,
                         err);
}
