/* header.c - the headers of Hadoop RPC frames as bytes.
 * Pure. Decoders borrow from their input and never allocate; a decoder returns NULL or what is
 * wrong. They are written by hand and not by the generated code because every call passes here
 * twice: no allocation, one pass. Facts: the request's callId is zigzag, the response's a plain
 * u32; a frame is u32 big-endian length and varint-delimited messages back to back. */
#include "common/rpc/internal.h"

enum { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5, UNKNOWN = -1 };

struct slice pb_delimited(struct reader *r)
{
    uint64_t size = read_varint(r);
    if (size > reader_left(r)) {
        r->bad = true;
        return (struct slice){0};
    }
    return read_bytes(r, (size_t)size);
}

static uint64_t little_endian(struct reader *r, size_t size)
{
    struct slice s = read_bytes(r, size);
    uint64_t v = 0;
    for (size_t i = s.size; i > 0; i--)
        v = v << 8 | s.data[i - 1];
    return v;
}

bool pb_next(struct reader *r, struct pb_field *f)
{
    if (r->bad || r->at == r->end)
        return false;
    uint64_t tag = read_varint(r);
    f->number = (uint32_t)(tag >> 3);
    f->wire = (unsigned)(tag & 7);
    f->bytes = (struct slice){0};
    f->value = 0;
    if (tag > UINT32_MAX || f->number == 0)
        r->bad = true;
    else if (f->wire == WIRE_VARINT)
        f->value = read_varint(r);
    else if (f->wire == WIRE_BYTES)
        f->bytes = pb_delimited(r);
    else if (f->wire == WIRE_64)
        f->value = little_endian(r, 8);
    else if (f->wire == WIRE_32)
        f->value = little_endian(r, 4);
    else
        r->bad = true;
    return !r->bad;
}

static int32_t unzigzag(uint64_t v)
{
    uint32_t n = (uint32_t)v;
    return (int32_t)((n >> 1) ^ (0 - (n & 1)));
}

static uint32_t zigzag(int32_t v)
{
    return ((uint32_t)v << 1) ^ (uint32_t)(v >> 31);
}

static int32_t enum_value(uint64_t v, int32_t last)
{
    return v <= (uint64_t)last ? (int32_t)v : UNKNOWN;
}

static const char malformed[] = "the bytes are not a message";

static void caller_context_decode(struct slice bytes, struct rpc_request_header *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    struct slice text = {0}, signature = {0};
    while (pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == WIRE_BYTES)
            text = f.bytes;
        else if (f.number == 2 && f.wire == WIRE_BYTES)
            signature = f.bytes;
    }
    if (r.bad)
        return; /* it is for the audit log only */
    ret->caller_context = text;
    ret->caller_signature = signature;
}

const char *rpc_request_header_decode(struct slice bytes, struct rpc_request_header *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    bool has_call_id = false, has_client_id = false;
    *ret = (struct rpc_request_header){.kind = UNKNOWN, .op = UNKNOWN, .retry_count = -1};
    while (pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == WIRE_VARINT) {
            ret->kind = enum_value(f.value, RPC__RPC_KIND__RPC_PROTOCOL_BUFFER);
        } else if (f.number == 2 && f.wire == WIRE_VARINT) {
            ret->op = enum_value(f.value, RPC__RPC_REQUEST_HEADER__OPERATION__RPC_CLOSE_CONNECTION);
        } else if (f.number == 3 && f.wire == WIRE_VARINT) {
            ret->call_id = unzigzag(f.value);
            has_call_id = true;
        } else if (f.number == 4 && f.wire == WIRE_BYTES) {
            ret->client_id = f.bytes;
            has_client_id = true;
        } else if (f.number == 5 && f.wire == WIRE_VARINT) {
            ret->retry_count = unzigzag(f.value);
        } else if (f.number == 7 && f.wire == WIRE_BYTES) {
            caller_context_decode(f.bytes, ret);
        }
    }
    if (r.bad)
        return malformed;
    if (!has_call_id)
        return "Message missing required fields: callId";
    return has_client_id ? NULL : "Message missing required fields: clientId";
}

const char *rpc_method_header_decode(struct slice bytes, struct rpc_method_header *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    bool has_version = false;
    *ret = (struct rpc_method_header){0};
    while (pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == WIRE_BYTES) {
            ret->method = f.bytes;
        } else if (f.number == 2 && f.wire == WIRE_BYTES) {
            ret->protocol = f.bytes;
        } else if (f.number == 3 && f.wire == WIRE_VARINT) {
            ret->version = f.value;
            has_version = true;
        }
    }
    if (r.bad)
        return malformed;
    if (ret->method.data == NULL)
        return "Message missing required fields: methodName";
    if (ret->protocol.data == NULL)
        return "Message missing required fields: declaringClassProtocolName";
    return has_version ? NULL : "Message missing required fields: clientProtocolVersion";
}

static const char *user_info_decode(struct slice bytes, struct rpc_context *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    while (pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == WIRE_BYTES)
            ret->user = f.bytes;
        else if (f.number == 2 && f.wire == WIRE_BYTES)
            ret->real_user = f.bytes;
    }
    return r.bad ? malformed : NULL;
}

const char *rpc_context_decode(struct slice bytes, struct rpc_context *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    *ret = (struct rpc_context){0};
    while (pb_next(&r, &f)) {
        if (f.number == 3 && f.wire == WIRE_BYTES)
            ret->protocol = f.bytes;
        else if (f.number == 2 && f.wire == WIRE_BYTES && user_info_decode(f.bytes, ret) != NULL)
            return malformed;
    }
    return r.bad ? malformed : NULL;
}

static struct slice auth_method(struct slice bytes)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    struct slice method = {0};
    while (pb_next(&r, &f))
        if (f.number == 1 && f.wire == WIRE_BYTES)
            method = f.bytes;
    return r.bad ? (struct slice){0} : method;
}

const char *rpc_sasl_decode(struct slice bytes, struct rpc_sasl *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    *ret = (struct rpc_sasl){.state = UNKNOWN};
    while (pb_next(&r, &f)) {
        if (f.number == 2 && f.wire == WIRE_VARINT)
            ret->state = enum_value(f.value, RPC__RPC_SASL__SASL_STATE__WRAP);
        else if (f.number == 4 && f.wire == WIRE_BYTES && ret->auth_count++ == 0)
            ret->method = auth_method(f.bytes);
    }
    if (r.bad)
        return malformed;
    return ret->state == UNKNOWN ? "Message missing required fields: state" : NULL;
}

const char *rpc_response_header_decode(struct slice bytes, struct rpc_response_header *ret)
{
    struct reader r = reader_of(bytes.data, bytes.size);
    struct pb_field f;
    bool has_call_id = false;
    *ret = (struct rpc_response_header){.status = UNKNOWN, .retry_count = -1};
    while (pb_next(&r, &f)) {
        if (f.number == 1 && f.wire == WIRE_VARINT) {
            ret->call_id = (uint32_t)f.value;
            has_call_id = true;
        } else if (f.number == 2 && f.wire == WIRE_VARINT) {
            ret->status = enum_value(f.value, RPC__RPC_RESPONSE_HEADER__RPC_STATUS__FATAL);
        } else if (f.number == 4 && f.wire == WIRE_BYTES) {
            ret->exception_class = f.bytes;
        } else if (f.number == 5 && f.wire == WIRE_BYTES) {
            ret->message = f.bytes;
        } else if (f.number == 6 && f.wire == WIRE_VARINT) {
            ret->detail = (int)(f.value & 0xff);
        } else if (f.number == 7 && f.wire == WIRE_BYTES) {
            ret->client_id = f.bytes;
        } else if (f.number == 8 && f.wire == WIRE_VARINT) {
            ret->retry_count = unzigzag(f.value);
        }
    }
    if (r.bad)
        return malformed;
    if (!has_call_id)
        return "it has no callId";
    return ret->status == UNKNOWN ? "it has no status" : NULL;
}

static uint8_t *put_number(uint8_t *p, unsigned field, uint64_t v)
{
    return put_varint(put_varint(p, field << 3 | WIRE_VARINT), v);
}

static uint8_t *put_bytes(uint8_t *p, unsigned field, struct slice s)
{
    p = put_varint(put_varint(p, field << 3 | WIRE_BYTES), s.size);
    if (s.size > 0)
        memcpy(p, s.data, s.size);
    return p + s.size;
}

static uint8_t *put_response_header(uint8_t *p, const struct rpc_response_header *h)
{
    p = put_number(p, 1, h->call_id);
    p = put_number(p, 2, (uint64_t)h->status);
    p = put_number(p, 3, RPC_VERSION);
    if (h->status != RPC__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS) {
        p = put_bytes(p, 4, h->exception_class);
        p = put_bytes(p, 5, h->message);
        p = put_number(p, 6, (uint64_t)h->detail);
    }
    p = put_bytes(p, 7, h->client_id);
    return put_number(p, 8, zigzag(h->retry_count));
}

/* Prepares out for a frame whose header takes at most header_max bytes; *ret_header is where the
 * header goes. */
static int frame_start(struct buf *out, size_t header_max, size_t body_size, uint8_t **ret_header)
{
    size_t room;
    if (__builtin_add_overflow(header_max + 32, body_size, &room))
        return ERR_NO_MEMORY;
    uint8_t *p = buf_reserve(out, room);
    if (p == NULL)
        return ERR_NO_MEMORY;
    *ret_header = p + sizeof(uint32_t) + varint_size(header_max);
    return 0;
}

int rpc_response_start(struct buf *out, const struct rpc_response_header *h, bool has_body,
                       size_t body_size)
{
    size_t max = RPC_HEADER_MAX + h->exception_class.size + h->message.size + h->client_id.size;
    uint8_t *header;
    TRY(frame_start(out, max, body_size, &header));
    /* encoded behind the largest possible length varint, then moved up to the real one */
    size_t size = (size_t)(put_response_header(header, h) - header);
    size_t body_total = has_body ? varint_size(body_size) + body_size : 0;
    uint8_t *p = buf_head(out) + buf_size(out);
    p = put_u32(p, (uint32_t)(varint_size(size) + size + body_total));
    p = put_varint(p, size);
    memmove(p, header, size);
    p += size;
    if (has_body)
        p = put_varint(p, body_size);
    out->end = (size_t)(p - out->data);
    return 0;
}

static uint8_t *put_request_header(uint8_t *p, const struct rpc_request_header *h)
{
    p = put_number(p, 1, (uint64_t)h->kind);
    p = put_number(p, 2, (uint64_t)h->op);
    p = put_number(p, 3, zigzag(h->call_id));
    p = put_bytes(p, 4, h->client_id);
    return put_number(p, 5, zigzag(h->retry_count));
}

static size_t method_size(const struct rpc_method_header *m)
{
    return 1 + varint_size(m->method.size) + m->method.size + 1 + varint_size(m->protocol.size) +
           m->protocol.size + 1 + varint_size(m->version);
}

int rpc_request_encode(struct buf *out, const struct rpc_request_header *h,
                       const struct rpc_method_header *method, const ProtobufCMessage *body)
{
    uint8_t header[64];
    CHECK(h->client_id.size <= RPC_CLIENT_ID_SIZE);
    size_t header_size = (size_t)(put_request_header(header, h) - header);
    size_t body_size = body != NULL ? protobuf_c_message_get_packed_size(body) : 0;
    size_t name_size = method != NULL ? method_size(method) : 0;
    size_t total = varint_size(header_size) + header_size;
    if (method != NULL)
        total += varint_size(name_size) + name_size;
    if (body != NULL)
        total += varint_size(body_size) + body_size;
    if (total > INT32_MAX)
        return ERR_PROTOCOL;
    uint8_t *p = buf_reserve(out, sizeof(uint32_t) + total);
    if (p == NULL)
        return ERR_NO_MEMORY;
    p = put_varint(put_u32(p, (uint32_t)total), header_size);
    memcpy(p, header, header_size);
    p += header_size;
    if (method != NULL) {
        p = put_bytes(put_varint(p, name_size), 1, method->method);
        p = put_number(put_bytes(p, 2, method->protocol), 3, method->version);
    }
    if (body != NULL) {
        p = put_varint(p, body_size);
        p += protobuf_c_message_pack(body, p);
    }
    buf_commit(out, sizeof(uint32_t) + total);
    return 0;
}
