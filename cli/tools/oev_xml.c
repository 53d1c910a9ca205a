/* oev_xml.c - records of the edit log as the XML of Hadoop's offline edits viewer, byte for byte.
 * Thread: main's. */
#include "cli/tools/internal.h"
#include "cli/tools/oev.def"
#include "namenode/journal/journal.h"

/* ---- characters ---- */

uint32_t text_next(struct slice s, size_t *at)
{
    const uint8_t *p = s.data + *at;
    size_t left = s.size - *at;
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (n > left || !utf8_valid((struct slice){p, n})) {
        *at += 1;
        return 0xfffd;
    }
    *at += n;
    uint32_t cp = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        cp = cp << 6 | (p[i] & 0x3f);
    return cp;
}

bool text_is_mangled(uint32_t cp)
{
    if (cp < 0x20)
        return cp != '\t' && cp != '\n' && cp != '\r';
    return (cp >= 0xd800 && cp < 0xe000) || cp == 0xfffe || cp == 0xffff || cp == '\\';
}

void text_put_utf8(FILE *out, uint32_t cp)
{
    if (cp < 0x80) {
        (void)putc_unlocked((int)cp, out);
        return;
    }
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    int more = cp >= 0x10000 ? 3 : cp >= 0x800 ? 2 : 1;
    (void)putc_unlocked((int)(leads[more] | cp >> 6 * more), out);
    while (more-- > 0)
        (void)putc_unlocked((int)(0x80 | (cp >> 6 * more & 0x3f)), out);
}

/* ---- elements ---- */

static void put(struct xml *x, const char *text)
{
    x->bad |= fputs(text, x->out) < 0;
    if (x->copy != NULL)
        (void)fputs(text, x->copy);
}

void xml_raw(struct xml *x, const char *text)
{
    put(x, text);
}

static void indent(struct xml *x)
{
    for (int i = 0; i < x->depth; i++)
        put(x, "  ");
}

static void put_tag(struct xml *x, const char *before, const char *tag, const char *after)
{
    put(x, before);
    put(x, tag);
    put(x, after);
}

void xml_open(struct xml *x, const char *tag)
{
    indent(x);
    put_tag(x, "<", tag, ">\n");
    x->depth++;
}

void xml_close(struct xml *x, const char *tag)
{
    x->depth--;
    indent(x);
    put_tag(x, "</", tag, ">\n");
}

/* What Java's serializer writes as a reference: markup, controls, and all beyond U+FFFF. */
static void put_char(FILE *out, uint32_t cp)
{
    if (text_is_mangled(cp))
        (void)fprintf(out, "\\%04x;", cp);
    else if (cp == '&')
        (void)fputs("&amp;", out);
    else if (cp == '<')
        (void)fputs("&lt;", out);
    else if (cp == '>')
        (void)fputs("&gt;", out);
    else if (cp == '\r' || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp >= 0x10000)
        (void)fprintf(out, "&#%u;", cp);
    else
        text_put_utf8(out, cp);
}

void xml_text(struct xml *x, const char *tag, struct slice text)
{
    indent(x);
    if (text.size == 0) {
        put_tag(x, "<", tag, "/>\n");
        return;
    }
    put_tag(x, "<", tag, ">");
    for (size_t at = 0; at < text.size;) {
        uint32_t cp = text_next(text, &at);
        put_char(x->out, cp);
        if (x->copy != NULL)
            put_char(x->copy, cp);
    }
    put_tag(x, "</", tag, ">\n");
}

void xml_number(struct xml *x, const char *tag, int64_t value)
{
    char digits[32];
    (void)snprintf(digits, sizeof(digits), "%" PRId64, value);
    xml_text(x, tag, slice_of(digits));
}

static void put_hex(struct xml *x, const char *tag, const char *prefix, struct slice bytes)
{
    indent(x);
    if (bytes.size == 0 && prefix[0] == '\0') {
        put_tag(x, "<", tag, "/>\n");
        return;
    }
    put_tag(x, "<", tag, ">");
    put(x, prefix);
    for (size_t i = 0; i < bytes.size; i++) {
        char two[3];
        (void)snprintf(two, sizeof(two), "%02x", bytes.data[i]);
        put(x, two);
    }
    put_tag(x, "</", tag, ">\n");
}

/* ---- the kinds of oev.def ---- */

#define NUMBER_KIND(kind, type, java)                                     \
    static void put_##kind(struct xml *x, const char *tag, const type *v) \
    {                                                                     \
        xml_number(x, tag, (java)*v);                                     \
    }
NUMBER_KIND(s64, uint64_t, int64_t)
NUMBER_KIND(s32, uint32_t, int32_t)
NUMBER_KIND(s16, uint16_t, int16_t)
NUMBER_KIND(s8, uint8_t, int8_t)
#undef NUMBER_KIND

static void put_bool(struct xml *x, const char *tag, const bool *v)
{
    xml_text(x, tag, slice_of(*v ? "true" : "false"));
}

static void put_str(struct xml *x, const char *tag, const edit_str *v)
{
    xml_text(x, tag, *v);
}

/* Left out when there is none. */
static void put_given(struct xml *x, const char *tag, const edit_str *v)
{
    if (v->size > 0)
        xml_text(x, tag, *v);
}

static void put_blocks(struct xml *x, const char *tag, const struct edit_block_list *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        xml_open(x, tag);
        xml_number(x, "BLOCK_ID", (int64_t)v->at[i].id);
        xml_number(x, "NUM_BYTES", (int64_t)v->at[i].length);
        xml_number(x, "GENSTAMP", (int64_t)v->at[i].genstamp);
        xml_close(x, tag);
    }
}

static void put_perm(struct xml *x, const char *tag, const edit_perm *v)
{
    xml_open(x, tag);
    xml_text(x, "USERNAME", v->user);
    xml_text(x, "GROUPNAME", v->group);
    xml_number(x, "MODE", (int16_t)v->mode);
    xml_close(x, tag);
}

static void put_acl(struct xml *x, const char *tag, const edit_acl *v)
{
    static const char *const types[] = {"USER", "GROUP", "MASK", "OTHER"};
    for (uint32_t i = 0; i < v->count; i++) {
        const struct edit_acl_entry *a = &v->at[i];
        char perm[4] = {(a->access & 4) != 0 ? 'r' : '-', (a->access & 2) != 0 ? 'w' : '-',
                        (a->access & 1) != 0 ? 'x' : '-', '\0'};
        xml_open(x, tag);
        xml_text(x, "SCOPE", slice_of(a->scope != 0 ? "DEFAULT" : "ACCESS"));
        xml_text(x, "TYPE", slice_of(types[a->type & 3]));
        if (a->name.size > 0)
            xml_text(x, "NAME", a->name);
        xml_text(x, "PERM", slice_of(perm));
        xml_close(x, tag);
    }
}

static void put_acl_log(struct xml *x, const char *tag, const edit_acl_log *v)
{
    xml_text(x, "SRC", v->src);
    put_acl(x, tag, &v->entries);
}

static void put_xattrs(struct xml *x, const char *tag, const edit_xattrs *v)
{
    static const char *const spaces[] = {"USER", "TRUSTED", "SECURITY", "SYSTEM", "RAW"};
    for (uint32_t i = 0; i < v->count; i++) {
        xml_open(x, tag);
        xml_text(x, "NAMESPACE", slice_of(spaces[v->at[i].space % ARRAY_SIZE(spaces)]));
        xml_text(x, "NAME", v->at[i].name);
        if (v->at[i].value.data != NULL)
            put_hex(x, "VALUE", "0x", v->at[i].value);
        xml_close(x, tag);
    }
}

static void put_xattrs_of(struct xml *x, const char *tag, const edit_xattrs *v)
{
    xml_text(x, tag, v->src);
    put_xattrs(x, "XATTR", v);
}

static void put_rpc(struct xml *x, const char *tag, const edit_rpc *v)
{
    (void)tag;
    const uint8_t *b = v->client_id.data;
    char text[40] = "";
    if (v->client_id.size == 16)
        (void)snprintf(text, sizeof(text),
                       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                       b[13], b[14], b[15]);
    xml_text(x, "RPC_CLIENTID", slice_of(text));
    xml_number(x, "RPC_CALLID", v->call_id);
}

static void put_strs(struct xml *x, const char *tag, const edit_strs *v)
{
    if (v->count == 0) {
        indent(x);
        put_tag(x, "<", tag, "/>\n");
        return;
    }
    xml_open(x, tag);
    for (uint32_t i = 0; i < v->count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "SOURCE%u", i + 1);
        xml_text(x, name, v->at[i]);
    }
    xml_close(x, tag);
}

static void put_options(struct xml *x, const char *tag, const edit_options *v)
{
    static const char *const names[] = {"NONE", "OVERWRITE", "TO_TRASH"};
    char text[128];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < v->size && n < sizeof(text) - 16; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i == 0 ? "" : "|",
                              v->data[i] < ARRAY_SIZE(names) ? names[v->data[i]] : "?");
    xml_text(x, tag, slice_of(text));
}

static void put_token(struct xml *x, const char *tag, const edit_token *v)
{
    xml_open(x, tag);
    xml_text(x, "KIND", slice_of("HDFS_DELEGATION_TOKEN"));
    xml_number(x, "SEQUENCE_NUMBER", (int32_t)v->sequence);
    xml_text(x, "OWNER", v->owner);
    xml_text(x, "RENEWER", v->renewer);
    xml_text(x, "REALUSER", v->real_user);
    xml_number(x, "ISSUE_DATE", (int64_t)v->issue_date);
    xml_number(x, "MAX_DATE", (int64_t)v->max_date);
    xml_number(x, "MASTER_KEY_ID", (int32_t)v->master_key);
    xml_close(x, tag);
}

static void put_master_key(struct xml *x, const char *tag, const edit_master_key *v)
{
    xml_open(x, tag);
    xml_number(x, "KEY_ID", (int32_t)v->id);
    xml_number(x, "EXPIRY_DATE", (int64_t)v->expiry);
    if (v->has_key)
        put_hex(x, "KEY", "", v->key);
    xml_close(x, tag);
}

static void put_directive(struct xml *x, const char *tag, const edit_directive *v)
{
    (void)tag;
    xml_number(x, "ID", (int64_t)v->id);
    if ((v->flags & 1) != 0)
        xml_text(x, "PATH", v->path);
    if ((v->flags & 2) != 0)
        xml_number(x, "REPLICATION", (int16_t)v->replication);
    if ((v->flags & 4) != 0)
        xml_text(x, "POOL", v->pool);
    if ((v->flags & 8) != 0)
        xml_number(x, "EXPIRATION", (int64_t)v->expiry);
}

static void put_cache_pool(struct xml *x, const char *tag, const edit_cache_pool *v)
{
    (void)tag;
    xml_text(x, "POOLNAME", v->name);
    if ((v->flags & 1) != 0)
        xml_text(x, "OWNERNAME", v->owner);
    if ((v->flags & 2) != 0)
        xml_text(x, "GROUPNAME", v->group);
    if ((v->flags & 4) != 0)
        xml_number(x, "MODE", (int16_t)v->mode);
    if ((v->flags & 8) != 0)
        xml_number(x, "LIMIT", (int64_t)v->limit);
    if ((v->flags & 16) != 0)
        xml_number(x, "MAXRELATIVEEXPIRY", (int64_t)v->max_expiry);
    if ((v->flags & 32) != 0)
        xml_number(x, "DEFAULTREPLICATION", (int16_t)v->replication);
}

static void put_ec_schema(struct xml *x, const char *tag, const edit_ec_schema *v)
{
    xml_text(x, tag, v->codec);
    xml_number(x, "DATAUNITS", (int32_t)v->data_units);
    xml_number(x, "PARITYUNITS", (int32_t)v->parity_units);
    xml_number(x, "CELLSIZE", (int32_t)v->cell_size);
    xml_number(x, "EXTRAOPTIONS", v->options.count / 2);
    for (uint32_t i = 0; i + 1 < v->options.count; i += 2) {
        xml_open(x, "EXTRAOPTION");
        xml_text(x, "KEY", v->options.at[i]);
        xml_text(x, "VALUE", v->options.at[i + 1]);
        xml_close(x, "EXTRAOPTION");
    }
}

/* ---- records ---- */

#define E(kind, tag, field) put_##kind(x, #tag, &op->field);
#define C(tag, text)        xml_text(x, #tag, slice_of(text));
#define O(name, NAME, elements)                                          \
    static void put_op_##name(struct xml *x, const struct op_##name *op) \
    {                                                                    \
        (void)x;                                                         \
        (void)op;                                                        \
        elements                                                         \
    }
OEV_OPS(O)
#undef O
#undef C
#undef E

void oev_put_record(struct xml *x, const struct edit *e)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "OP_%s", oev_name(e->code));
    xml_open(x, "RECORD");
    xml_text(x, "OPCODE", slice_of(name));
    xml_open(x, "DATA");
    xml_number(x, "TXID", (int64_t)e->txid);
    switch (e->code) {
#define O(name, NAME, elements)     \
    case OP_##name:                 \
        put_op_##name(x, &e->name); \
        break;
        OEV_OPS(O)
#undef O
    default:
        break;
    }
    xml_close(x, "DATA");
    xml_close(x, "RECORD");
}

const char *oev_name(int code)
{
    switch (code) {
#define O(name, NAME, elements) \
    case OP_##name:             \
        return #NAME;
        OEV_OPS(O)
#undef O
#define O(number, NAME) \
    case number:        \
        return #NAME;
        OEV_OLD_OPS(O)
#undef O
    default:
        return NULL;
    }
}

int oev_code(const char *name)
{
#define O(op, NAME, elements)     \
    if (strcmp(name, #NAME) == 0) \
        return OP_##op;
    OEV_OPS(O)
#undef O
    return -1;
}
