/* codec.c - the two cores and the headers, without a socket. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "client.pb-c.h"
#include "common/rpc/internal.h"
#include "vectors.h"

static struct buf unhex(const char *text)
{
    struct buf b = {0};
    for (; *text != '\0'; text += 2) {
        unsigned byte = 0;
        cr_assert_eq(sscanf(text, "%2x", &byte), 1);
        cr_assert_eq(buf_append(&b, &(uint8_t){(uint8_t)byte}, 1), 0);
    }
    return b;
}

/* All answers to `sent`, fed in pieces of at most `step` bytes. */
struct outcome {
    struct buf answers;
    unsigned contexts, calls;
    enum rpc_event_kind last;
    char user[64], method[64];
    int32_t call_id;
};

static void note(struct outcome *o, struct rpc_server_conn *c, struct rpc_event *ev)
{
    struct err err = {0};
    o->last = ev->kind;
    if (ev->kind == RPC_EVENT_CONTEXT) {
        o->contexts++;
        snprintf(o->user, sizeof(o->user), "%.*s", (int)ev->context.user.size,
                 (const char *)ev->context.user.data);
        if (ev->context.real_user.data == NULL)
            return;
        (void)fail(&err, ERR_AUTHORIZATION, "User: %.*s is not allowed to impersonate %s",
                   (int)ev->context.real_user.size, (const char *)ev->context.real_user.data,
                   o->user);
        rpc_server_conn_refuse(c, ev, &err);
        o->last = ev->kind;
    }
    if (ev->kind == RPC_EVENT_CALL) {
        o->calls++;
        o->call_id = ev->header.call_id;
        snprintf(o->method, sizeof(o->method), "%.*s", (int)ev->method.method.size,
                 (const char *)ev->method.method.data);
    }
    if (ev->kind == RPC_EVENT_ANSWER || ev->kind == RPC_EVENT_FATAL)
        cr_assert_eq(buf_append(&o->answers, ev->answer, ev->answer_size), 0);
}

static struct outcome feed(const char *hex, size_t step)
{
    static struct rpc_event ev;
    struct rpc_server_conn c;
    struct outcome o = {0};
    struct buf sent = unhex(hex), unread = {0};
    rpc_server_conn_init(&c, 1 << 20);
    for (size_t at = 0; at < buf_size(&sent); at += step) {
        size_t n = buf_size(&sent) - at < step ? buf_size(&sent) - at : step;
        cr_assert_eq(buf_append(&unread, buf_head(&sent) + at, n), 0);
        do {
            struct slice left = {buf_head(&unread), buf_size(&unread)};
            buf_consume(&unread, rpc_server_conn_step(&c, left, &ev));
            if (ev.kind != RPC_EVENT_MORE)
                note(&o, &c, &ev);
        } while (ev.kind != RPC_EVENT_MORE && c.state != RPC_CONN_CLOSED);
        if (c.state != RPC_CONN_CLOSED)
            cr_assert_gt(
                rpc_server_conn_wants(&c, (struct slice){buf_head(&unread), buf_size(&unread)}), 0);
    }
    buf_fini(&sent);
    buf_fini(&unread);
    return o;
}

Test(server_core, answers_what_hadoop_answers)
{
    static const size_t steps[] = {1, 2, 7, 64, 1 << 20};
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        struct buf want = unhex(vectors[i].answer);
        for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
            struct outcome o = feed(vectors[i].sent, steps[k]);
            cr_assert(buf_size(&o.answers) == buf_size(&want) &&
                          (buf_size(&want) == 0 ||
                           memcmp(buf_head(&o.answers), buf_head(&want), buf_size(&want)) == 0),
                      "%s, in pieces of %zu", vectors[i].name, steps[k]);
            cr_assert(o.last == RPC_EVENT_FATAL || o.last == RPC_EVENT_CLOSE, "%s",
                      vectors[i].name);
            buf_fini(&o.answers);
        }
        buf_fini(&want);
    }
}

Test(server_core, understands_the_java_client)
{
    for (size_t step = 1; step < 300; step += 13) {
        struct outcome o = feed(java_client_hello, step);
        cr_assert_eq(o.contexts, 1);
        cr_assert_str_eq(o.user, "root");
        cr_assert_eq(o.calls, 1);
        cr_assert_str_eq(o.method, "getFileInfo");
        cr_assert_eq(o.call_id, 0);
        cr_assert_eq(buf_size(&o.answers), 0);
    }
}

/* Frames of our own client core. */
static struct buf hello(const char *user)
{
    struct buf b = {0};
    uint8_t id[RPC_CLIENT_ID_SIZE] = {1};
    cr_assert_eq(rpc_client_conn_hello(&b, id, user, RPC_CLIENT_PROTOCOL), 0);
    return b;
}

Test(server_core, sasl_negotiate_is_answered_with_success)
{
    /* NEGOTIATE, then the context and a call: the client goes on with SIMPLE */
    struct outcome o = feed("68727063"
                            "0900df"
                            "0000001e"
                            "1a08021000184122100001020304050607"
                            "08090a0b0c0d0e0f2801021001",
                            1);
    struct buf want = unhex("00000012"
                            "0e08dfffffff0f100018093a004001"
                            "021000");
    cr_assert_eq(o.last, RPC_EVENT_ANSWER);
    cr_assert_eq(buf_size(&o.answers), buf_size(&want));
    cr_assert_arr_eq(buf_head(&o.answers), buf_head(&want), buf_size(&want));
    buf_fini(&o.answers);
    buf_fini(&want);
}

static enum rpc_event_kind first_event(struct rpc_server_conn *c, const struct buf *b,
                                       struct rpc_event *ev)
{
    struct buf copy = *b;
    (void)rpc_server_conn_step(c, (struct slice){buf_head(&copy), buf_size(&copy)}, ev);
    return ev->kind;
}

Test(server_core, long_frames_wait_for_the_context)
{
    static struct rpc_event ev;
    struct rpc_server_conn c;
    char user[RPC_PRE_CONTEXT_MAX];
    memset(user, 'u', sizeof(user));
    user[8000] = '\0';
    rpc_server_conn_init(&c, 1 << 20);
    struct buf fits = hello(user);
    cr_assert_eq(first_event(&c, &fits, &ev), RPC_EVENT_CONTEXT);
    cr_assert_eq(ev.context.user.size, 8000);
    buf_fini(&fits);
    user[8000] = 'u';
    user[RPC_PRE_CONTEXT_MAX - 1] = '\0';
    rpc_server_conn_init(&c, 1 << 20);
    struct buf too_long = hello(user);
    /* known from the length alone */
    too_long.end = too_long.start + RPC_PREAMBLE_SIZE + 4;
    cr_assert_eq(first_event(&c, &too_long, &ev), RPC_EVENT_FATAL);
    cr_assert_eq(c.state, RPC_CONN_CLOSED);
    buf_fini(&too_long);
}

Test(server_core, users_must_be_names)
{
    static struct rpc_event ev;
    struct rpc_server_conn c;
    static const char *const bad[] = {"", "a\xff", "\xed\xa0\x80"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        rpc_server_conn_init(&c, 1 << 20);
        struct buf b = hello(bad[i]);
        cr_assert_eq(first_event(&c, &b, &ev), RPC_EVENT_FATAL, "%zu", i);
        buf_fini(&b);
    }
}

Test(header, call_ids_on_the_wire)
{
    static const int32_t ids[] = {0, 1, 63, 64, INT32_MAX, -1, -3, -4, -33, INT32_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct buf b = {0};
        struct rpc_request_header h = {.kind = 2, .call_id = ids[i], .retry_count = -1}, back;
        cr_assert_eq(rpc_request_encode(&b, &h, NULL, NULL), 0);
        struct reader r = reader_of(buf_head(&b), buf_size(&b));
        cr_assert_eq(read_u32(&r), reader_left(&r));
        cr_assert_null(rpc_request_header_decode(pb_delimited(&r), &back));
        cr_assert_eq(back.call_id, ids[i]);
        cr_assert_eq(back.retry_count, -1);
        cr_assert_eq(reader_left(&r), 0);
        buf_fini(&b);
    }
}

Test(header, java_request_is_encoded_alike)
{
    /* the call of java_client_hello without its caller context */
    struct buf want = unhex(java_client_hello), got = {0};
    uint8_t *frame = buf_head(&want) + 7 + 4 + 0x5b;
    struct reader r = reader_of(frame + 4, 0x66);
    struct rpc_request_header h;
    cr_assert_null(rpc_request_header_decode(pb_delimited(&r), &h));
    Cp__GetFileInfoRequest q = CP__GET_FILE_INFO_REQUEST__INIT;
    q.src = (char *)"/";
    struct rpc_method_header m = {slice_of("getFileInfo"), slice_of(RPC_CLIENT_PROTOCOL), 1};
    cr_assert_eq(rpc_request_encode(&got, &h, &m, &q.base), 0);
    /* the lengths differ by the 7 bytes of the caller context, the rest is the same */
    cr_assert_eq(buf_size(&got), 4 + 0x66 - 7);
    cr_assert_arr_eq(buf_head(&got) + 5, frame + 5, 0x21 - 7);
    cr_assert_arr_eq(buf_head(&got) + 5 + 0x21 - 7, frame + 5 + 0x21, 0x66 - 0x22);
    buf_fini(&want);
    buf_fini(&got);
}

Test(header, cut_anywhere_is_an_error_not_a_read_beyond)
{
    struct buf b = unhex(java_client_hello);
    for (size_t size = 0; size < 0x21; size++) {
        struct rpc_request_header h;
        uint8_t *exact = malloc(size > 0 ? size : 1); /* so that the sanitizer sees its end */
        memcpy(exact, buf_head(&b) + 7 + 4 + 0x5b + 4 + 1, size);
        (void)rpc_request_header_decode((struct slice){exact, size}, &h);
        free(exact);
    }
    buf_fini(&b);
}

/* ---- client core ---- */

static enum rpc_reply_kind reply_of(struct buf *b, struct rpc_reply_event *r, size_t max)
{
    struct rpc_client_conn c = {.max_response = max};
    (void)rpc_client_conn_step(&c, (struct slice){buf_head(b), buf_size(b)}, r);
    return r->kind;
}

Test(client_core, understands_hadoop)
{
    struct buf b = unhex(java_success);
    struct rpc_reply_event r;
    cr_assert_eq(reply_of(&b, &r, 1 << 20), RPC_REPLY_CALL);
    cr_assert_eq(r.header.call_id, 4);
    cr_assert_eq(r.header.status, 0);
    cr_assert_eq(r.header.retry_count, 0);
    cr_assert_eq(r.header.client_id.size, 16);
    cr_assert_eq(r.body.size, 0x33);
    b.end--; /* not all there yet */
    cr_assert_eq(reply_of(&b, &r, 1 << 20), RPC_REPLY_MORE);
    b.end++;
    cr_assert_eq(reply_of(&b, &r, 10), RPC_REPLY_BAD);
    cr_assert(strstr(r.reason, "longer than the limit of 10") != NULL, "%s", r.reason);
    buf_fini(&b);
}

Test(client_core, a_header_of_call_id_and_status_is_enough)
{
    struct buf b = unhex("00000006040804100000");
    b.end = b.start + 10;
    struct rpc_reply_event r;
    cr_assert_eq(reply_of(&b, &r, 1000), RPC_REPLY_CALL);
    cr_assert_eq(r.header.call_id, 4);
    cr_assert_eq(r.body.size, 0);
    buf_fini(&b);
}

Test(client_core, left_over_bytes_end_the_connection)
{
    struct buf b = unhex("0000000704080410000000");
    struct rpc_reply_event r;
    cr_assert_eq(reply_of(&b, &r, 1000), RPC_REPLY_BAD);
    cr_assert_str_eq(r.reason, "length mismatch in the response to call 4");
    buf_fini(&b);
}

Test(client_core, fatal_and_negative_length)
{
    struct rpc_reply_event r;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        if (strcmp(vectors[i].name, "ctx twice") == 0) {
            struct buf b = unhex(vectors[i].answer);
            cr_assert_eq(reply_of(&b, &r, 1000), RPC_REPLY_FATAL);
            cr_assert_eq((int32_t)r.header.call_id, RPC_ID_CONTEXT);
            buf_fini(&b);
        }
    }
    struct buf b = unhex("ffffffff00");
    cr_assert_eq(reply_of(&b, &r, SIZE_MAX), RPC_REPLY_BAD);
    buf_fini(&b);
}

/* ---- strings ---- */

static int check_mkdirs(const char *src, size_t size)
{
    uint8_t bytes[64], *p = bytes;
    struct err err = {0};
    p = put_varint(put_u8(p, 1 << 3 | 2), size);
    memcpy(p, src, size);
    int rc = rpc_check_strings(&cp__mkdirs_request__descriptor,
                               (struct slice){bytes, (size_t)(p + size - bytes)}, &err);
    if (rc != 0)
        cr_assert_str_eq(err.text, "field src of MkdirsRequest is not UTF-8 without NUL");
    return rc;
}

Test(check_strings, nul_and_bad_utf8)
{
    cr_assert_eq(check_mkdirs("/a", 2), 0);
    cr_assert_eq(check_mkdirs("/\xc3\xa9", 3), 0);
    cr_assert_eq(check_mkdirs("/\xf0\x9f\x98\x80", 5), 0);
    cr_assert_eq(check_mkdirs("/a\0b", 4), ERR_PROTOCOL);
    cr_assert_eq(check_mkdirs("/\xc3", 2), ERR_PROTOCOL);
    cr_assert_eq(check_mkdirs("/\xc0\x80", 3), ERR_PROTOCOL);
}

Test(check_strings, nested_fields_are_looked_at)
{
    Cp__RenewLeaseRequest q = CP__RENEW_LEASE_REQUEST__INIT;
    char *names[] = {(char *)"ok", (char *)"b\xff"};
    uint8_t bytes[64];
    q.client_name = (char *)"c";
    q.namespaces = names;
    q.n_namespaces = 2;
    size_t n = protobuf_c_message_pack(&q.base, bytes);
    cr_assert_eq(
        rpc_check_strings(&cp__renew_lease_request__descriptor, (struct slice){bytes, n}, NULL),
        ERR_PROTOCOL);
    Cp__AddBlockRequest a = CP__ADD_BLOCK_REQUEST__INIT;
    Hdfs__ExtendedBlock block = HDFS__EXTENDED_BLOCK__INIT;
    a.src = (char *)"/a";
    a.client_name = (char *)"x";
    a.previous = &block;
    block.pool_id = (char *)"BP-1";
    n = protobuf_c_message_pack(&a.base, bytes);
    cr_assert_eq(
        rpc_check_strings(&cp__add_block_request__descriptor, (struct slice){bytes, n}, NULL), 0);
    block.pool_id = (char *)"BP\xff";
    n = protobuf_c_message_pack(&a.base, bytes);
    cr_assert_eq(
        rpc_check_strings(&cp__add_block_request__descriptor, (struct slice){bytes, n}, NULL),
        ERR_PROTOCOL);
}
