/* encode.c - a record as Hadoop's bytes, by the table of ops.def.
 * Layout: u8 opcode, i32 length (without opcode and checksum), i64 transaction id, body, u32 CRC32
 * of all before. Strings are Java's: UTF-16 units each as UTF-8 of its own, so that a character
 * beyond U+FFFF takes two groups of three. */
#include "namenode/journal/internal.h"

enum { MAX_STRING = 65535 };

static int put_bytes(struct buf *out, const void *data, size_t size)
{
    return buf_append(out, data, size);
}

static int put_edit_u8(struct buf *out, uint8_t v)
{
    return put_bytes(out, &v, 1);
}

static int put_edit_u16(struct buf *out, uint16_t v)
{
    uint8_t bytes[2];
    put_u16(bytes, v);
    return put_bytes(out, bytes, sizeof(bytes));
}

static int put_edit_u32(struct buf *out, uint32_t v)
{
    uint8_t bytes[4];
    put_u32(bytes, v);
    return put_bytes(out, bytes, sizeof(bytes));
}

static int put_edit_u64(struct buf *out, uint64_t v)
{
    uint8_t bytes[8];
    put_u64(bytes, v);
    return put_bytes(out, bytes, sizeof(bytes));
}

/* Java's variable-length integer: small ones in a byte, else a byte with sign and length, then
 * big-endian bytes. */
static int put_vlong(struct buf *out, int64_t v)
{
    if (v >= -112 && v <= 127)
        return put_edit_u8(out, (uint8_t)v);
    uint64_t magnitude = v < 0 ? ~(uint64_t)v : (uint64_t)v;
    int bytes = (71 - __builtin_clzll(magnitude)) / 8; /* magnitude is over 111 */
    TRY(put_edit_u8(out, (uint8_t)((v < 0 ? -120 : -112) - bytes)));
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        TRY(put_edit_u8(out, (uint8_t)(magnitude >> shift)));
    return 0;
}

static int put_text(struct buf *out, struct slice s)
{
    TRY(put_vlong(out, (int64_t)s.size));
    return put_bytes(out, s.data, s.size);
}

static size_t java_size(struct slice s)
{
    size_t size = s.size;
    for (size_t i = 0; i < s.size; i++)
        size += s.data[i] >= 0xf0 ? 2 : 0; /* 4 bytes become 6 */
    return size;
}

static uint8_t *put_unit(uint8_t *p, uint32_t unit)
{
    p = put_u8(p, (uint8_t)(0xe0 | unit >> 12));
    p = put_u8(p, (uint8_t)(0x80 | (unit >> 6 & 0x3f)));
    return put_u8(p, (uint8_t)(0x80 | (unit & 0x3f)));
}

static int word_str(struct buf *out, const struct slice *s, struct err *err)
{
    size_t size = java_size(*s);
    if (size > MAX_STRING)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "a string of %zu bytes is too long for the edit log",
                    size);
    uint8_t *p = buf_reserve(out, 2 + size + 6);
    if (p == NULL)
        return ERR_NO_MEMORY;
    uint8_t *start = p;
    p = put_u16(p, (uint16_t)size);
    for (size_t i = 0; i < s->size; i++) {
        uint8_t c = s->data[i];
        if (c < 0xf0 || s->size - i < 4) {
            p = put_u8(p, c);
            continue;
        }
        uint32_t code = (uint32_t)(c & 7) << 18 | (uint32_t)(s->data[i + 1] & 0x3f) << 12 |
                        (uint32_t)(s->data[i + 2] & 0x3f) << 6 | (s->data[i + 3] & 0x3f);
        p = put_unit(p, 0xd800 + ((code - 0x10000) >> 10));
        p = put_unit(p, 0xdc00 + ((code - 0x10000) & 0x3ff));
        i += 3;
    }
    if ((size_t)(p - start) != 2 + size)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "a string for the edit log isn't valid UTF-8");
    buf_commit(out, 2 + size);
    return 0;
}

/* ---- the words of ops.def ---- */

#define PLAIN_WORD(type, put)                                                      \
    static int word_##type(struct buf *out, const edit_##type *v, struct err *err) \
    {                                                                              \
        (void)err;                                                                 \
        return put(out, *v);                                                       \
    }
PLAIN_WORD(u64, put_edit_u64)
PLAIN_WORD(u32, put_edit_u32)
PLAIN_WORD(u16, put_edit_u16)
PLAIN_WORD(u8, put_edit_u8)
PLAIN_WORD(bool, put_edit_u8)
PLAIN_WORD(ec_policy, put_edit_u8)
PLAIN_WORD(snapshot_time, put_edit_u64)
#undef PLAIN_WORD

static int word_options(struct buf *out, const edit_options *v, struct err *err)
{
    (void)err;
    TRY(put_edit_u32(out, (uint32_t)v->size));
    return put_bytes(out, v->data, v->size);
}

static int word_strs(struct buf *out, const edit_strs *v, struct err *err)
{
    TRY(put_edit_u32(out, v->count));
    for (uint32_t i = 0; i < v->count; i++)
        TRY(word_str(out, &v->at[i], err));
    return 0;
}

static int word_blocks(struct buf *out, const edit_blocks *v, struct err *err)
{
    (void)err;
    struct edit_block last = {0};
    TRY(put_vlong(out, v->count));
    for (uint32_t i = 0; i < v->count; i++) {
        TRY(put_edit_u64(out, v->at[i].id));
        TRY(put_vlong(out, (int64_t)(v->at[i].length - last.length)));
        TRY(put_vlong(out, (int64_t)(v->at[i].genstamp - last.genstamp)));
        last = v->at[i];
    }
    return 0;
}

static int word_wide_blocks(struct buf *out, const edit_wide_blocks *v, struct err *err)
{
    (void)err;
    TRY(put_edit_u32(out, v->count));
    for (uint32_t i = 0; i < v->count; i++) {
        TRY(put_edit_u64(out, v->at[i].id));
        TRY(put_edit_u64(out, v->at[i].length));
        TRY(put_edit_u64(out, v->at[i].genstamp));
    }
    return 0;
}

static int word_perm(struct buf *out, const edit_perm *v, struct err *err)
{
    (void)err;
    TRY(put_text(out, v->user));
    TRY(put_text(out, v->group));
    return put_edit_u16(out, v->mode);
}

static int word_acl(struct buf *out, const edit_acl *v, struct err *err)
{
    TRY(put_edit_u32(out, v->count));
    for (uint32_t i = 0; i < v->count; i++) {
        const struct edit_acl_entry *a = &v->at[i];
        bool named = a->name.size > 0;
        TRY(put_edit_u8(out, (uint8_t)(a->access | a->type << 3 | a->scope << 5 | named << 6)));
        if (named)
            TRY(word_str(out, &a->name, err));
    }
    return 0;
}

/* Fields of our own small protobuf messages; all are of the length-delimited or varint kind. */
static int put_pb_bytes(struct buf *out, unsigned number, struct slice s)
{
    uint8_t head[20], *p = put_varint(put_varint(head, number << 3 | 2), s.size);
    TRY(put_bytes(out, head, (size_t)(p - head)));
    return put_bytes(out, s.data, s.size);
}

static int put_pb_varint(struct buf *out, unsigned number, uint64_t v)
{
    uint8_t head[20], *p = put_varint(put_varint(head, number << 3), v);
    return put_bytes(out, head, (size_t)(p - head));
}

/* message's bytes, delimited, to out. */
static int put_delimited(struct buf *out, struct buf *message, int rc)
{
    uint8_t head[10];
    size_t size = buf_size(message);
    if (rc == 0)
        rc = put_bytes(out, head, (size_t)(put_varint(head, size) - head));
    if (rc == 0 && size > 0)
        rc = put_bytes(out, buf_head(message), size);
    buf_fini(message);
    return rc;
}

static int xattr_fields(struct buf *out, const struct edit_xattr *x)
{
    TRY(put_pb_varint(out, 1, x->space));
    TRY(put_pb_bytes(out, 2, x->name));
    return x->value.data == NULL ? 0 : put_pb_bytes(out, 3, x->value);
}

static int xattr_list_fields(struct buf *out, const edit_xattrs *v)
{
    if (v->src.size > 0)
        TRY(put_pb_bytes(out, 1, v->src));
    for (uint32_t i = 0; i < v->count; i++) {
        struct buf one = {0};
        int rc = xattr_fields(&one, &v->at[i]);
        if (rc == 0)
            rc = put_pb_bytes(out, 2, (struct slice){buf_head(&one), buf_size(&one)});
        buf_fini(&one);
        TRY(rc);
    }
    return 0;
}

static int word_xattrs(struct buf *out, const edit_xattrs *v, struct err *err)
{
    (void)err;
    struct buf message = {0};
    int rc = xattr_list_fields(&message, v);
    return put_delimited(out, &message, rc);
}

static int acl_log_fields(struct buf *out, const edit_acl_log *v)
{
    TRY(put_pb_bytes(out, 1, v->src));
    for (uint32_t i = 0; i < v->entries.count; i++) {
        const struct edit_acl_entry *a = &v->entries.at[i];
        struct buf one = {0};
        int rc = put_pb_varint(&one, 1, a->type);
        rc = rc != 0 ? rc : put_pb_varint(&one, 2, a->scope);
        rc = rc != 0 ? rc : put_pb_varint(&one, 3, a->access);
        if (rc == 0 && a->name.size > 0)
            rc = put_pb_bytes(&one, 4, a->name);
        rc = rc != 0 ? rc : put_pb_bytes(out, 2, (struct slice){buf_head(&one), buf_size(&one)});
        buf_fini(&one);
        TRY(rc);
    }
    return 0;
}

static int word_acl_log(struct buf *out, const edit_acl_log *v, struct err *err)
{
    (void)err;
    struct buf message = {0};
    int rc = acl_log_fields(&message, v);
    return put_delimited(out, &message, rc);
}

static int word_rpc(struct buf *out, const edit_rpc *v, struct err *err)
{
    if (v->client_id.size > 255)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "a client id of %zu bytes", v->client_id.size);
    TRY(put_edit_u16(out, (uint16_t)v->client_id.size));
    TRY(put_bytes(out, v->client_id.data, v->client_id.size));
    return put_edit_u32(out, (uint32_t)v->call_id);
}

static int word_token(struct buf *out, const edit_token *v, struct err *err)
{
    (void)err;
    TRY(put_edit_u8(out, 0)); /* version */
    TRY(put_text(out, v->owner));
    TRY(put_text(out, v->renewer));
    TRY(put_text(out, v->real_user));
    TRY(put_vlong(out, (int64_t)v->issue_date));
    TRY(put_vlong(out, (int64_t)v->max_date));
    TRY(put_vlong(out, (int32_t)v->sequence));
    return put_vlong(out, (int32_t)v->master_key);
}

static int word_master_key(struct buf *out, const edit_master_key *v, struct err *err)
{
    (void)err;
    TRY(put_vlong(out, (int32_t)v->id));
    TRY(put_vlong(out, (int64_t)v->expiry));
    if (!v->has_key)
        return put_vlong(out, -1);
    return put_text(out, v->key);
}

static int word_directive(struct buf *out, const edit_directive *v, struct err *err)
{
    TRY(put_edit_u64(out, v->id));
    TRY(put_edit_u32(out, v->flags));
    if ((v->flags & 1) != 0)
        TRY(word_str(out, &v->path, err));
    if ((v->flags & 2) != 0)
        TRY(put_edit_u16(out, v->replication));
    if ((v->flags & 4) != 0)
        TRY(word_str(out, &v->pool, err));
    return (v->flags & 8) != 0 ? put_edit_u64(out, v->expiry) : 0;
}

static int word_cache_pool(struct buf *out, const edit_cache_pool *v, struct err *err)
{
    TRY(word_str(out, &v->name, err));
    TRY(put_edit_u32(out, v->flags));
    if ((v->flags & 1) != 0)
        TRY(word_str(out, &v->owner, err));
    if ((v->flags & 2) != 0)
        TRY(word_str(out, &v->group, err));
    if ((v->flags & 4) != 0)
        TRY(put_edit_u16(out, v->mode));
    if ((v->flags & 8) != 0)
        TRY(put_edit_u64(out, v->limit));
    if ((v->flags & 16) != 0)
        TRY(put_edit_u64(out, v->max_expiry));
    return (v->flags & 32) != 0 ? put_edit_u16(out, v->replication) : 0;
}

static int word_ec_schema(struct buf *out, const edit_ec_schema *v, struct err *err)
{
    TRY(word_str(out, &v->codec, err));
    TRY(put_edit_u32(out, v->data_units));
    TRY(put_edit_u32(out, v->parity_units));
    TRY(put_edit_u32(out, v->cell_size));
    TRY(put_edit_u32(out, v->options.count / 2));
    for (uint32_t i = 0; i < v->options.count; i++)
        TRY(word_str(out, &v->options.at[i], err));
    return 0;
}

/* ---- records ---- */

#define F(type, name) TRY(word_##type(out, &op->name, err));
#define OP(code, name, fields)                                                             \
    static int encode_##name(struct buf *out, const struct op_##name *op, struct err *err) \
    {                                                                                      \
        (void)out;                                                                         \
        (void)op;                                                                          \
        (void)err;                                                                         \
        fields return 0;                                                                   \
    }
EDIT_OPS(OP)
#undef OP
#undef F

static int encode_body(struct buf *out, const struct edit *e, struct err *err)
{
    switch (e->code) {
#define OP(code, name, fields) \
    case code:                 \
        return encode_##name(out, &e->name, err);
        EDIT_OPS(OP)
#undef OP
    default:
        return fail(err, ERR_ILLEGAL_ARGUMENT, "no edit operation has the code %d", e->code);
    }
}

static int encode_record(struct buf *out, const struct edit *e, struct err *err)
{
    size_t start = buf_size(out);
    TRY(put_edit_u8(out, e->code));
    TRY(put_edit_u32(out, 0));
    TRY(put_edit_u64(out, e->txid));
    TRY(encode_body(out, e, err));
    size_t size = buf_size(out) - start;
    if (size > EDIT_MAX_OP_SIZE)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "an edit of %zu bytes is too large", size);
    put_u32(buf_head(out) + start + 1, (uint32_t)(size - 1));
    return put_edit_u32(out, crc32_zlib(0, buf_head(out) + start, size));
}

int edit_encode(struct buf *out, const struct edit *e, struct err *err)
{
    size_t size = buf_size(out);
    int rc = encode_record(out, e, err);
    if (rc != 0)
        out->end = out->start + size;
    return rc;
}

int edit_encode_header(struct buf *out)
{
    TRY(put_edit_u32(out, (uint32_t)EDIT_LAYOUT_VERSION));
    return put_edit_u32(out, 0); /* no layout flags */
}
