/* dump.c - a record as text for people, in the shape of Hadoop's offline viewer; by the table of
 * ops.def. */
#include "namenode/journal/internal.h"

static int text(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.data[i];
        if (c < 0x20 || c == '<' || c == '>' || c == '&')
            TRY(buf_printf(out, "&#%u;", c));
        else
            TRY(buf_append(out, &c, 1));
    }
    return 0;
}

static int hex(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.size; i++)
        TRY(buf_printf(out, "%02x", s.data[i]));
    return 0;
}

static int dump_u64(struct buf *out, const edit_u64 *v)
{
    return buf_printf(out, "%lld", (long long)*v);
}
static int dump_snapshot_time(struct buf *out, const edit_snapshot_time *v)
{
    return dump_u64(out, v);
}
static int dump_u32(struct buf *out, const edit_u32 *v)
{
    return buf_printf(out, "%u", *v);
}
static int dump_u16(struct buf *out, const edit_u16 *v)
{
    return buf_printf(out, "%u", *v);
}
static int dump_u8(struct buf *out, const edit_u8 *v)
{
    return buf_printf(out, "%u", *v);
}
static int dump_ec_policy(struct buf *out, const edit_ec_policy *v)
{
    return dump_u8(out, v);
}
static int dump_bool(struct buf *out, const edit_bool *v)
{
    return buf_printf(out, "%s", *v ? "true" : "false");
}
static int dump_str(struct buf *out, const edit_str *v)
{
    return text(out, *v);
}
static int dump_options(struct buf *out, const edit_options *v)
{
    return hex(out, *v);
}

static int dump_strs(struct buf *out, const edit_strs *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        TRY(buf_printf(out, "<S>"));
        TRY(text(out, v->at[i]));
        TRY(buf_printf(out, "</S>"));
    }
    return 0;
}

static int dump_blocks(struct buf *out, const edit_blocks *v)
{
    for (uint32_t i = 0; i < v->count; i++)
        TRY(buf_printf(out, "<BLOCK>%lld_%llu len=%llu</BLOCK>", (long long)v->at[i].id,
                       (unsigned long long)v->at[i].genstamp, (unsigned long long)v->at[i].length));
    return 0;
}
static int dump_wide_blocks(struct buf *out, const edit_wide_blocks *v)
{
    return dump_blocks(out, v);
}

static int dump_perm(struct buf *out, const edit_perm *v)
{
    TRY(text(out, v->user));
    TRY(buf_printf(out, ":"));
    TRY(text(out, v->group));
    return buf_printf(out, ":%o", v->mode);
}

static int dump_acl(struct buf *out, const edit_acl *v)
{
    static const char *const types[] = {"user", "group", "mask", "other"};
    for (uint32_t i = 0; i < v->count; i++) {
        const struct edit_acl_entry *a = &v->at[i];
        TRY(buf_printf(out, "<ENTRY>%s%s:", a->scope != 0 ? "default:" : "", types[a->type & 3]));
        TRY(text(out, a->name));
        TRY(buf_printf(out, ":%u</ENTRY>", a->access));
    }
    return 0;
}
static int dump_acl_log(struct buf *out, const edit_acl_log *v)
{
    TRY(text(out, v->src));
    return dump_acl(out, &v->entries);
}

static int dump_xattrs(struct buf *out, const edit_xattrs *v)
{
    TRY(text(out, v->src));
    for (uint32_t i = 0; i < v->count; i++) {
        TRY(buf_printf(out, "<XATTR>%u:", v->at[i].space));
        TRY(text(out, v->at[i].name));
        TRY(buf_printf(out, "="));
        TRY(hex(out, v->at[i].value));
        TRY(buf_printf(out, "</XATTR>"));
    }
    return 0;
}

static int dump_rpc(struct buf *out, const edit_rpc *v)
{
    TRY(hex(out, v->client_id));
    return buf_printf(out, ":%d", v->call_id);
}

static int dump_token(struct buf *out, const edit_token *v)
{
    TRY(text(out, v->owner));
    TRY(buf_printf(out, "/"));
    TRY(text(out, v->renewer));
    TRY(buf_printf(out, "/"));
    TRY(text(out, v->real_user));
    return buf_printf(out, " issued=%llu until=%llu sequence=%u key=%u",
                      (unsigned long long)v->issue_date, (unsigned long long)v->max_date,
                      v->sequence, v->master_key);
}

/* The key itself is a secret. */
static int dump_master_key(struct buf *out, const edit_master_key *v)
{
    return buf_printf(out, "id=%u expiry=%llu %zu bytes", v->id, (unsigned long long)v->expiry,
                      v->key.size);
}

static int dump_directive(struct buf *out, const edit_directive *v)
{
    TRY(buf_printf(out, "id=%llu flags=%u path=", (unsigned long long)v->id, v->flags));
    TRY(text(out, v->path));
    TRY(buf_printf(out, " pool="));
    TRY(text(out, v->pool));
    return buf_printf(out, " replication=%u expiry=%lld", v->replication, (long long)v->expiry);
}

static int dump_cache_pool(struct buf *out, const edit_cache_pool *v)
{
    TRY(text(out, v->name));
    TRY(buf_printf(out, " flags=%u owner=", v->flags));
    TRY(text(out, v->owner));
    TRY(buf_printf(out, " group="));
    TRY(text(out, v->group));
    return buf_printf(out, " mode=%o limit=%lld", v->mode, (long long)v->limit);
}

static int dump_ec_schema(struct buf *out, const edit_ec_schema *v)
{
    TRY(text(out, v->codec));
    TRY(buf_printf(out, "-%u-%u-%u", v->data_units, v->parity_units, v->cell_size));
    return dump_strs(out, &v->options);
}

#define F(type, name)                    \
    TRY(buf_printf(out, "<" #name ">")); \
    TRY(dump_##type(out, &op->name));    \
    TRY(buf_printf(out, "</" #name ">"));
#define OP(code, name, fields)                                             \
    static int dump_op_##name(struct buf *out, const struct op_##name *op) \
    {                                                                      \
        (void)out;                                                         \
        (void)op;                                                          \
        fields return 0;                                                   \
    }
EDIT_OPS(OP)
#undef OP
#undef F

static int dump_body(struct buf *out, const struct edit *e)
{
    switch (e->code) {
#define OP(code, name, fields) \
    case code:                 \
        return dump_op_##name(out, &e->name);
        EDIT_OPS(OP)
#undef OP
    default:
        return 0;
    }
}

int edit_dump(struct buf *out, const struct edit *e)
{
    const char *name = edit_op_name(e->code);
    TRY(buf_printf(out, "<RECORD><OPCODE>%s</OPCODE><TXID>%llu</TXID>", name == NULL ? "?" : name,
                   (unsigned long long)e->txid));
    TRY(dump_body(out, e));
    return buf_printf(out, "</RECORD>\n");
}

const char *edit_op_name(int code)
{
    switch (code) {
#define OP(number, name, fields) \
    case number:                 \
        return #name;
        EDIT_OPS(OP)
#undef OP
    default:
        return NULL;
    }
}
