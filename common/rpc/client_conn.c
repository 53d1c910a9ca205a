/* client_conn.c - what a client sends first, and what the bytes of a server mean.
 * Pure. The response's header and body borrow from the bytes; a response must fill its frame
 * exactly. */
#include <stdarg.h>
#include <stdio.h>

#include "common/rpc/internal.h"

__attribute__((format(printf, 2, 3))) static size_t bad(struct rpc_reply_event *r, const char *fmt,
                                                        ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
    va_end(ap);
    r->kind = RPC_REPLY_BAD;
    return 0;
}

static void decode_frame(struct slice frame, struct rpc_reply_event *r)
{
    struct reader in = reader_of(frame.data, frame.size);
    struct slice header = pb_delimited(&in);
    const char *problem = in.bad ? "it is cut off" : rpc_response_header_decode(header, &r->header);
    if (problem != NULL) {
        (void)bad(r, "the response has a bad header: %s", problem);
        return;
    }
    r->kind = r->header.status == RPC__RPC_RESPONSE_HEADER__RPC_STATUS__FATAL ? RPC_REPLY_FATAL
                                                                              : RPC_REPLY_CALL;
    if (r->header.status == RPC__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS)
        r->body = pb_delimited(&in);
    if (in.bad || reader_left(&in) != 0)
        (void)bad(r, "length mismatch in the response to call %u", r->header.call_id);
}

size_t rpc_client_conn_step(const struct rpc_client_conn *c, struct slice bytes,
                            struct rpc_reply_event *r)
{
    struct reader in = reader_of(bytes.data, bytes.size);
    *r = (struct rpc_reply_event){.kind = RPC_REPLY_MORE};
    if (bytes.size < sizeof(uint32_t))
        return 0;
    uint32_t length = read_u32(&in);
    if (length > INT32_MAX)
        return bad(r, "a response of negative length");
    if (length > c->max_response)
        return bad(r, "a response of %u bytes is longer than the limit of %zu", length,
                   c->max_response);
    if (reader_left(&in) < length)
        return 0;
    decode_frame(read_bytes(&in, length), r);
    return sizeof(uint32_t) + length;
}

static struct rpc_request_header out_of_band(const uint8_t *client_id, int32_t call_id)
{
    return (struct rpc_request_header){
        .kind = RPC__RPC_KIND__RPC_PROTOCOL_BUFFER,
        .op = RPC__RPC_REQUEST_HEADER__OPERATION__RPC_FINAL_PACKET,
        .call_id = call_id,
        .retry_count = -1,
        .client_id = {client_id, RPC_CLIENT_ID_SIZE},
    };
}

int rpc_client_conn_hello(struct buf *out, const uint8_t client_id[RPC_CLIENT_ID_SIZE],
                          const char *user, const char *protocol)
{
    static const uint8_t preamble[RPC_PREAMBLE_SIZE] = {'h', 'r', 'p', 'c', RPC_VERSION, 0, 0};
    struct rpc_request_header h = out_of_band(client_id, RPC_ID_CONTEXT);
    Rpc__UserInformation info = RPC__USER_INFORMATION__INIT;
    Rpc__IpcConnectionContext context = RPC__IPC_CONNECTION_CONTEXT__INIT;
    info.effective_user = (char *)(uintptr_t)user;
    context.user_info = &info;
    context.protocol = (char *)(uintptr_t)protocol;
    TRY(buf_append(out, preamble, sizeof(preamble)));
    return rpc_request_encode(out, &h, NULL, &context.base);
}

int rpc_client_conn_ping(struct buf *out, const uint8_t client_id[RPC_CLIENT_ID_SIZE])
{
    struct rpc_request_header h = out_of_band(client_id, RPC_ID_PING);
    return rpc_request_encode(out, &h, NULL, NULL);
}
