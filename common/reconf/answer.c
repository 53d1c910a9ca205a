/* answer.c - the calls of ReconfigurationProtocol, also as ClientDatanodeProtocol has them.
 * Thread: the RPC server's; nothing here waits. */
#include "common/reconf/internal.h"
#include "reconf.pb-c.h"

static void answer(struct rpc_call *call, int rc, const ProtobufCMessage *response,
                   const struct err *err)
{
    if (rc == 0)
        rpc_reply(call, response);
    else
        rpc_reply_error(call, err);
}

void reconf_answer_start(struct reconf *r, struct rpc_call *call)
{
    Rc__StartReconfigurationResponse response = RC__START_RECONFIGURATION_RESPONSE__INIT;
    struct err err = {0};
    answer(call, reconf_start(r, &err), &response.base, &err);
}

static int add_changes(Rc__GetReconfigurationStatusResponse *r, const struct reconf_status *s,
                       struct arena *arena)
{
    static const Rc__ConfigChange init = RC__CONFIG_CHANGE__INIT;
    r->changes = arena_array(arena, Rc__ConfigChange *, s->change_count);
    for (size_t i = 0; r->changes != NULL && i < s->change_count; i++) {
        const struct reconf_change *from = &s->changes[i];
        Rc__ConfigChange *to = arena_new(arena, Rc__ConfigChange);
        if (to == NULL)
            return ERR_NO_MEMORY;
        *to = init;
        to->name = from->name;
        to->old_value = from->old_value;
        to->new_value = from->new_value;
        to->error_message = from->error;
        r->changes[r->n_changes++] = to;
    }
    return r->changes == NULL ? ERR_NO_MEMORY : 0;
}

static void answer_status(void *ctx, const struct reconf_status *s)
{
    struct rpc_call *call = ctx;
    Rc__GetReconfigurationStatusResponse response = RC__GET_RECONFIGURATION_STATUS_RESPONSE__INIT;
    struct err err = {0};
    int rc = 0;
    response.start_time = s->start_ms;
    if (s->end_ms != 0) {
        response.has_end_time = true;
        response.end_time = s->end_ms;
        if (add_changes(&response, s, &call->arena) != 0)
            rc = fail(&err, ERR_NO_MEMORY, "no memory for the changes");
    }
    answer(call, rc, &response.base, &err);
}

void reconf_answer_status(struct reconf *r, struct rpc_call *call)
{
    reconf_look(r, answer_status, call);
}

void reconf_answer_list(struct reconf *r, struct rpc_call *call)
{
    Rc__ListReconfigurablePropertiesResponse response =
        RC__LIST_RECONFIGURABLE_PROPERTIES_RESPONSE__INIT;
    struct err err = {0};
    size_t count = r->options.key_count;
    response.name = arena_array(&call->arena, char *, count);
    if (response.name == NULL) {
        answer(call, fail(&err, ERR_NO_MEMORY, "no memory for the list"), NULL, &err);
        return;
    }
    for (size_t i = 0; i < count; i++)
        response.name[i] = (char *)(uintptr_t)r->options.keys[i].name;
    response.n_name = count;
    answer(call, 0, &response.base, &err);
}
