/* gate.c - answers leave in order, and never before their transaction is durable. The RPC server's
 * calls are replaced by ones that take notes. */
#include <criterion/criterion.h>

#include "namenode/server/internal.h"

enum { CALLS = 16 };

static struct nn_call calls[CALLS];
static struct rpc_call rpcs[CALLS];
static int sent[CALLS + 1], sent_count, failed_count;
static bool encoded[CALLS], encode_fails;

static int index_of(const struct rpc_call *c)
{
    return (int)(c - rpcs);
}

int rpc_reply_encode(struct rpc_call *call, const ProtobufCMessage *response)
{
    (void)response;
    if (encode_fails)
        return ERR_NO_MEMORY;
    encoded[index_of(call)] = true;
    return 0;
}

void rpc_reply(struct rpc_call *take_call, const ProtobufCMessage *response)
{
    (void)take_call;
    (void)response;
    cr_assert_fail("the gate encodes first");
}

void rpc_reply_send(struct rpc_call *take_call)
{
    cr_assert(encoded[index_of(take_call)]);
    sent[sent_count++] = index_of(take_call);
}

void rpc_reply_error(struct rpc_call *take_call, const struct err *err)
{
    cr_assert_neq(err->code, 0);
    failed_count++;
    sent[sent_count++] = index_of(take_call);
}

static void pass(struct gate *g, int i, uint64_t txid)
{
    calls[i] = (struct nn_call){.wait_txid = txid};
    calls[i].call.rpc = &rpcs[i];
    gate_pass(g, &calls[i]);
}

Test(gate, holds_until_durable_and_keeps_the_order)
{
    struct gate g;
    gate_init(&g);
    gate_open(&g, 10);
    pass(&g, 0, 10); /* a read of what is durable */
    cr_assert_eq(sent_count, 1);
    pass(&g, 1, 11);
    pass(&g, 2, 11); /* a read that saw 11 */
    pass(&g, 3, 13);
    cr_assert_eq(sent_count, 1);
    cr_assert(encoded[3], "encoded before it waits");
    gate_open(&g, 12);
    cr_assert_eq(sent_count, 3);
    cr_assert_eq(sent[1], 1);
    cr_assert_eq(sent[2], 2);
    pass(&g, 4, 12);
    cr_assert_eq(sent_count, 4);
    gate_open(&g, 20);
    cr_assert_eq(sent_count, 5);
    cr_assert_eq(sent[4], 3);
    gate_close(&g);
    gate_fini(&g);
}

Test(gate, errors_wait_too)
{
    struct gate g;
    gate_init(&g);
    calls[0] = (struct nn_call){.wait_txid = 5, .failed = true};
    calls[0].call.rpc = &rpcs[0];
    (void)fail(&calls[0].call.err, ERR_EXISTS, "made a moment ago");
    gate_pass(&g, &calls[0]);
    cr_assert_eq(sent_count, 0);
    gate_open(&g, 5);
    cr_assert_eq(failed_count, 1);
    gate_close(&g);
    gate_fini(&g);
}

Test(gate, what_never_got_durable_is_not_answered_as_done)
{
    struct gate g;
    gate_init(&g);
    pass(&g, 0, 1);
    pass(&g, 1, 2);
    gate_close(&g);
    cr_assert_eq(sent_count, 2);
    cr_assert_eq(failed_count, 2);
    cr_assert_eq(gate_wait(&g, 3), ERR_CLOSED);
    pass(&g, 2, 2); /* too late */
    cr_assert_eq(failed_count, 3);
    pass(&g, 3, 0);
    cr_assert_eq(failed_count, 3);
    cr_assert_eq(sent_count, 4);
    gate_fini(&g);
}

Test(gate, an_answer_that_can_not_be_encoded_is_an_error)
{
    struct gate g;
    gate_init(&g);
    encode_fails = true;
    pass(&g, 0, 0);
    cr_assert_eq(failed_count, 1);
    gate_close(&g);
    gate_fini(&g);
}
