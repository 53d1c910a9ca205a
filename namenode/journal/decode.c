/* decode.c - Hadoop's bytes as a record, by the table of ops.def.
 * The bytes have the right checksum, but may still come from anywhere: counts are checked against
 * what is left before memory is taken, and a body must end exactly where its record does. */
#include "namenode/journal/internal.h"

static void *take(struct decoder *d, size_t count, size_t size, size_t least_bytes)
{
    if (count > reader_left(&d->reader) / least_bytes) { /* announces more than can be there */
        d->reader.bad = true;
        return NULL;
    }
    void *p = arena_zalloc(d->arena, count * size + 1); /* never NULL for nothing */
    if (p == NULL)
        d->no_memory = d->reader.bad = true;
    return p;
}

static int64_t get_vlong(struct decoder *d)
{
    int8_t first = (int8_t)read_u8(&d->reader);
    if (first >= -112)
        return first;
    bool negative = first < -120;
    int bytes = negative ? -120 - first : -112 - first;
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | read_u8(&d->reader);
    return negative ? (int64_t)~v : (int64_t)v;
}

static uint32_t get_count(struct decoder *d)
{
    int64_t n = get_vlong(d);
    if (n < 0 || n > INT32_MAX)
        d->reader.bad = true;
    return d->reader.bad ? 0 : (uint32_t)n;
}

static struct slice get_text(struct decoder *d)
{
    return read_bytes(&d->reader, get_count(d));
}

/* The UTF-16 unit of three bytes, or 0 when they aren't of that form. */
static uint32_t unit_at(const uint8_t *p, size_t left)
{
    if (left < 3 || (p[0] & 0xf0) != 0xe0 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
        return 0;
    return (uint32_t)(p[0] & 0xf) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
}

/* Two surrogates of three bytes become the four bytes of UTF-8; everything else stays. */
static void get_str(struct decoder *d, edit_str *ret)
{
    struct slice raw = read_bytes(&d->reader, read_u16(&d->reader));
    if (raw.size == 0 || memchr(raw.data, 0xed, raw.size) == NULL) {
        *ret = raw;
        return;
    }
    uint8_t *to = arena_alloc(d->arena, raw.size), *p = to;
    if (to == NULL) {
        d->no_memory = d->reader.bad = true;
        return;
    }
    for (size_t i = 0; i < raw.size;) {
        uint32_t high = unit_at(raw.data + i, raw.size - i);
        uint32_t low = high == 0 ? 0 : unit_at(raw.data + i + 3, raw.size - i - 3);
        if (high < 0xd800 || high >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
            *p++ = raw.data[i++];
            continue;
        }
        uint32_t code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        *p++ = (uint8_t)(0xf0 | code >> 18);
        *p++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        *p++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *p++ = (uint8_t)(0x80 | (code & 0x3f));
        i += 6;
    }
    *ret = (struct slice){to, (size_t)(p - to)};
}

/* ---- the words of ops.def ---- */

#define PLAIN_WORD(type, read)                                  \
    static void get_##type(struct decoder *d, edit_##type *ret) \
    {                                                           \
        *ret = read(&d->reader);                                \
    }
PLAIN_WORD(u64, read_u64)
PLAIN_WORD(u32, read_u32)
PLAIN_WORD(u16, read_u16)
PLAIN_WORD(u8, read_u8)
#undef PLAIN_WORD

static void get_bool(struct decoder *d, edit_bool *ret)
{
    *ret = read_u8(&d->reader) != 0;
}

static void get_ec_policy(struct decoder *d, edit_ec_policy *ret)
{
    *ret = d->layout_version <= -64 ? read_u8(&d->reader) : 0;
}

static void get_snapshot_time(struct decoder *d, edit_snapshot_time *ret)
{
    *ret = d->layout_version <= -66 ? read_u64(&d->reader) : 0;
}

static void get_options(struct decoder *d, edit_options *ret)
{
    *ret = read_bytes(&d->reader, read_u32(&d->reader));
}

static void get_string_list(struct decoder *d, struct edit_string_list *ret, uint32_t count)
{
    ret->at = take(d, count, sizeof(*ret->at), 2);
    for (uint32_t i = 0; i < count && !d->reader.bad; i++)
        get_str(d, &ret->at[i]);
    ret->count = d->reader.bad ? 0 : count;
}

static void get_strs(struct decoder *d, edit_strs *ret)
{
    get_string_list(d, ret, read_u32(&d->reader));
}

static void get_blocks(struct decoder *d, edit_blocks *ret)
{
    uint32_t count = get_count(d);
    struct edit_block last = {0};
    ret->at = take(d, count, sizeof(*ret->at), 10);
    for (uint32_t i = 0; i < count && !d->reader.bad; i++) {
        last.id = read_u64(&d->reader);
        last.length += (uint64_t)get_vlong(d);
        last.genstamp += (uint64_t)get_vlong(d);
        ret->at[i] = last;
    }
    ret->count = d->reader.bad ? 0 : count;
}

static void get_wide_blocks(struct decoder *d, edit_wide_blocks *ret)
{
    uint32_t count = read_u32(&d->reader);
    ret->at = take(d, count, sizeof(*ret->at), 24);
    for (uint32_t i = 0; i < count && !d->reader.bad; i++) {
        ret->at[i].id = read_u64(&d->reader);
        ret->at[i].length = read_u64(&d->reader);
        ret->at[i].genstamp = read_u64(&d->reader);
    }
    ret->count = d->reader.bad ? 0 : count;
}

static void get_perm(struct decoder *d, edit_perm *ret)
{
    ret->user = get_text(d);
    ret->group = get_text(d);
    ret->mode = read_u16(&d->reader);
}

static void get_acl(struct decoder *d, edit_acl *ret)
{
    uint32_t count = read_u32(&d->reader);
    ret->at = take(d, count, sizeof(*ret->at), 1);
    for (uint32_t i = 0; i < count && !d->reader.bad; i++) {
        uint8_t v = read_u8(&d->reader);
        ret->at[i] =
            (struct edit_acl_entry){.scope = v >> 5 & 1, .type = v >> 3 & 3, .access = v & 7};
        if ((v & 1 << 6) != 0)
            get_str(d, &ret->at[i].name);
    }
    ret->count = d->reader.bad ? 0 : count;
}

static struct slice get_delimited(struct decoder *d)
{
    uint64_t size = read_varint(&d->reader);
    if (size > reader_left(&d->reader))
        d->reader.bad = true;
    return d->reader.bad ? (struct slice){0} : read_bytes(&d->reader, (size_t)size);
}

static struct slice slice_or_empty(const char *text)
{
    return text == NULL ? (struct slice){0} : slice_of(text);
}

static void get_xattrs(struct decoder *d, edit_xattrs *ret)
{
    struct slice bytes = get_delimited(d);
    Image__XAttrEditLog *m =
        d->reader.bad ? NULL : image__xattr_edit_log__unpack(&d->arena->pb, bytes.size, bytes.data);
    if (m == NULL) {
        d->reader.bad = true;
        return;
    }
    ret->src = slice_or_empty(m->src);
    ret->at = arena_array(d->arena, struct edit_xattr, m->n_xattrs + 1);
    if (ret->at == NULL) {
        d->no_memory = d->reader.bad = true;
        return;
    }
    for (size_t i = 0; i < m->n_xattrs; i++) {
        const Hdfs__XAttr *x = m->xattrs[i];
        ret->at[i] =
            (struct edit_xattr){.space = (uint8_t)x->namespace_, .name = slice_or_empty(x->name)};
        if (x->has_value)
            ret->at[i].value = (struct slice){
                x->value.data == NULL ? (const uint8_t *)"" : x->value.data, x->value.len};
        d->reader.bad |= (int)x->namespace_ > XATTR_RAW || ret->at[i].name.size == 0;
    }
    ret->count = (uint32_t)m->n_xattrs;
}

static void get_acl_log(struct decoder *d, edit_acl_log *ret)
{
    struct slice bytes = get_delimited(d);
    Image__AclEditLog *m =
        d->reader.bad ? NULL : image__acl_edit_log__unpack(&d->arena->pb, bytes.size, bytes.data);
    if (m == NULL) {
        d->reader.bad = true;
        return;
    }
    ret->src = slice_or_empty(m->src);
    ret->entries.at = arena_array(d->arena, struct edit_acl_entry, m->n_entries + 1);
    if (ret->entries.at == NULL) {
        d->no_memory = d->reader.bad = true;
        return;
    }
    for (size_t i = 0; i < m->n_entries; i++) {
        const Hdfs__AclEntry *a = m->entries[i];
        ret->entries.at[i] = (struct edit_acl_entry){.scope = (uint8_t)a->scope,
                                                     .type = (uint8_t)a->type,
                                                     .access = (uint8_t)a->permissions,
                                                     .name = slice_or_empty(a->name)};
        d->reader.bad |=
            (int)a->scope > 1 || (int)a->type > ACL_OTHER || (int)a->permissions > ACCESS_ALL;
    }
    ret->entries.count = (uint32_t)m->n_entries;
}

static void get_rpc(struct decoder *d, edit_rpc *ret)
{
    ret->client_id = read_bytes(&d->reader, read_u16(&d->reader));
    ret->call_id = (int32_t)read_u32(&d->reader);
}

static void get_token(struct decoder *d, edit_token *ret)
{
    if (read_u8(&d->reader) != 0) /* version */
        d->reader.bad = true;
    ret->owner = get_text(d);
    ret->renewer = get_text(d);
    ret->real_user = get_text(d);
    ret->issue_date = (uint64_t)get_vlong(d);
    ret->max_date = (uint64_t)get_vlong(d);
    ret->sequence = (uint32_t)get_vlong(d);
    ret->master_key = (uint32_t)get_vlong(d);
}

static void get_master_key(struct decoder *d, edit_master_key *ret)
{
    ret->id = (uint32_t)get_vlong(d);
    ret->expiry = (uint64_t)get_vlong(d);
    int64_t size = get_vlong(d);
    ret->has_key = size >= 0;
    if (size < -1 || size > INT32_MAX)
        d->reader.bad = true;
    else if (size >= 0)
        ret->key = read_bytes(&d->reader, (size_t)size);
}

static void get_directive(struct decoder *d, edit_directive *ret)
{
    ret->id = read_u64(&d->reader);
    ret->flags = read_u32(&d->reader);
    if ((ret->flags & 1) != 0)
        get_str(d, &ret->path);
    if ((ret->flags & 2) != 0)
        ret->replication = read_u16(&d->reader);
    if ((ret->flags & 4) != 0)
        get_str(d, &ret->pool);
    if ((ret->flags & 8) != 0)
        ret->expiry = read_u64(&d->reader);
    d->reader.bad |= ret->flags > 15;
}

static void get_cache_pool(struct decoder *d, edit_cache_pool *ret)
{
    get_str(d, &ret->name);
    ret->flags = read_u32(&d->reader);
    if ((ret->flags & 1) != 0)
        get_str(d, &ret->owner);
    if ((ret->flags & 2) != 0)
        get_str(d, &ret->group);
    if ((ret->flags & 4) != 0)
        ret->mode = read_u16(&d->reader);
    if ((ret->flags & 8) != 0)
        ret->limit = read_u64(&d->reader);
    if ((ret->flags & 16) != 0)
        ret->max_expiry = read_u64(&d->reader);
    if ((ret->flags & 32) != 0)
        ret->replication = read_u16(&d->reader);
    d->reader.bad |= ret->flags > 63;
}

static void get_ec_schema(struct decoder *d, edit_ec_schema *ret)
{
    get_str(d, &ret->codec);
    ret->data_units = read_u32(&d->reader);
    ret->parity_units = read_u32(&d->reader);
    ret->cell_size = read_u32(&d->reader);
    uint32_t pairs = read_u32(&d->reader);
    if (pairs > reader_left(&d->reader) / 4)
        d->reader.bad = true;
    else
        get_string_list(d, &ret->options, pairs * 2);
}

/* ---- bodies ---- */

#define F(type, name) get_##type(d, &op->name);
#define OP(code, name, fields)                                         \
    static void decode_##name(struct decoder *d, struct op_##name *op) \
    {                                                                  \
        (void)d;                                                       \
        (void)op;                                                      \
        fields                                                         \
    }
EDIT_OPS(OP)
#undef OP
#undef F

int edit_decode_body(struct decoder *d, struct edit *ret)
{
    switch (ret->code) {
#define OP(code, name, fields)        \
    case code:                        \
        decode_##name(d, &ret->name); \
        break;
        EDIT_OPS(OP)
#undef OP
    default:
        d->reader.bad = true;
    }
    if (d->no_memory)
        return ERR_NO_MEMORY;
    return d->reader.bad || reader_left(&d->reader) > 0 ? ERR_CORRUPT : 0;
}
