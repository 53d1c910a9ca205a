/* again.c - a call that must be executed at most once and comes a second time gets its first
 * answer.
 *
 * The answer is made from the state as it is now, which differs from the first one only if others
 * have changed the file meanwhile. It passes the gate like any other, so a repetition that comes
 * before the first answer was durable waits for the same. */
#include <inttypes.h>

#include "namenode/handlers/call.h"
#include "namenode/retry/retry.h"

enum { MANY = 0, ONCE = 1 };
#define M(name, stem, repeat, audit) [CLIENT_##name] = (repeat) == ONCE,
static const bool once[CLIENT_METHOD_COUNT] = {CLIENT_METHODS(M)};
#undef M

bool call_is_once(const struct call *c)
{
    return c->rpc->method >= rpc_client_methods &&
           c->rpc->method < rpc_client_methods + CLIENT_METHOD_COUNT && once[c->rpc->method->tag];
}

bool call_is_repeated(const struct call *c, struct retry_answer *ret)
{
    return call_is_once(c) &&
           retry_find(nn_of(c)->retry, (struct slice){c->rpc->client_id, c->rpc->client_id_size},
                      c->rpc->call_id, ret);
}

static int create_again(struct call *c, uint64_t inode_id)
{
    REQUEST(c, Cp__CreateRequest);
    RESPOND(c, Cp__CreateResponse, cp__create_response);
    handle_t file = ns_find_id(ns_of(c), inode_id);
    if (file == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File does not exist: %s (inode %" PRIu64 ")", req->src,
                    inode_id);
    return status_of(c, file, (struct slice){0}, false, &res->fs);
}

/* An empty answer, or one that says true. */
static int plain_again(struct call *c)
{
    const ProtobufCMessageDescriptor *type = c->rpc->method->response;
    ProtobufCMessage *response = arena_alloc(arena_of(c), type->sizeof_message);
    if (response == NULL)
        return call_no_memory(c);
    protobuf_c_message_init(type, response);
    const ProtobufCFieldDescriptor *result =
        protobuf_c_message_descriptor_get_field_by_name(type, "result");
    if (result != NULL && result->type == PROTOBUF_C_TYPE_BOOL)
        *(protobuf_c_boolean *)(void *)((char *)response + result->offset) = true;
    c->response = response;
    return 0;
}

int call_answer_again(struct call *c, const struct retry_answer *first)
{
    switch (c->rpc->method->tag) {
    case CLIENT_create:
        return create_again(c, first->inode_id);
    case CLIENT_append:
        return call_append_again(c);
    case CLIENT_addErasureCodingPolicies:
        return call_ec_add_again(c);
    default:
        return plain_again(c);
    }
}
