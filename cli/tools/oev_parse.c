/* oev_parse.c - the XML of an edit log back as records. One <RECORD> at a time becomes a small tree
 * in an arena, and the table of oev.def takes the values out of it. The file may hold anything:
 * what is missing, unknown or no number is an error that names it.
 * Thread: main's. */
#include <errno.h>
#include <expat.h>
#include <stdlib.h>

#include "cli/tools/internal.h"
#include "cli/tools/oev.def"
#include "namenode/journal/journal.h"

enum { BLOCK = 1 << 16, MAX_DEPTH = 8, MAX_RECORD = 64 << 20 };

struct node {
    const char *name;
    struct slice text;
    struct node *parent, *first, *last, *next;
};

struct parser {
    const struct xml_input_events *events;
    XML_Parser xml;
    struct arena arena; /* of one record */
    struct node *at;    /* open element inside a record, or NULL */
    struct buf text;
    char outside[16]; /* the open element outside of records: EDITS, EDITS_VERSION */
    int depth;
    struct err err;
    int rc;
};

static void stop(struct parser *p, int rc)
{
    if (p->rc == 0 && rc != 0) {
        p->rc = rc;
        (void)XML_StopParser(p->xml, XML_FALSE);
    }
}

static int no_memory(struct err *err)
{
    return fail(err, ERR_NO_MEMORY, "no memory for a record of the edit log");
}

/* ---- the tree ---- */

static void start_element(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    struct parser *p = ctx;
    buf_clear(&p->text);
    p->depth++;
    if (p->at == NULL && strcmp(name, "RECORD") != 0) {
        (void)snprintf(p->outside, sizeof(p->outside), "%s", name);
        if (p->depth == 1 && strcmp(name, "EDITS") != 0)
            stop(p, fail(&p->err, ERR_CORRUPT, "the file doesn't begin with <EDITS>"));
        return;
    }
    struct node *n = arena_new(&p->arena, struct node);
    if (n == NULL || (n->name = arena_strdup(&p->arena, name)) == NULL || p->depth > MAX_DEPTH) {
        stop(p, fail(&p->err, ERR_CORRUPT, "a record is too deep or too large"));
        return;
    }
    n->parent = p->at;
    if (p->at != NULL) {
        if (p->at->last != NULL)
            p->at->last->next = n;
        else
            p->at->first = n;
        p->at->last = n;
    }
    p->at = n;
}

static void characters(void *ctx, const XML_Char *text, int size)
{
    struct parser *p = ctx;
    if (buf_size(&p->text) + (size_t)size > MAX_RECORD ||
        buf_append(&p->text, text, (size_t)size) != 0)
        stop(p, fail(&p->err, ERR_CORRUPT, "a text is too large"));
}

/* \hhhh; is a character that XML can't hold. */
static int unmangle(struct parser *p, struct slice in, struct slice *ret)
{
    uint8_t *to = arena_alloc(&p->arena, in.size + 1);
    size_t n = 0;
    if (to == NULL)
        return no_memory(&p->err);
    for (size_t i = 0; i < in.size;) {
        if (in.data[i] != '\\') {
            to[n++] = in.data[i++];
            continue;
        }
        uint32_t cp = 0;
        size_t digits = 0;
        for (i++; digits < 4 && i < in.size; digits++, i++) {
            uint8_t c = in.data[i] | 0x20;
            int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (v < 0)
                break;
            cp = cp << 4 | (uint32_t)v;
        }
        if (digits != 4 || i >= in.size || in.data[i++] != ';')
            return fail(&p->err, ERR_CORRUPT, "unterminated code point escape");
        if (cp >= 0x800) {
            to[n++] = (uint8_t)(0xe0 | cp >> 12);
            to[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
            to[n++] = (uint8_t)(0x80 | (cp & 0x3f));
        } else {
            to[n++] = (uint8_t)cp; /* controls and the backslash */
        }
    }
    *ret = (struct slice){to, n};
    return 0;
}

static int end_record(struct parser *p, const struct node *record);

static void end_element(void *ctx, const XML_Char *name)
{
    struct parser *p = ctx;
    (void)name;
    p->depth--;
    struct slice text = {buf_head(&p->text), buf_size(&p->text)};
    if (p->at == NULL) {
        if (strcmp(p->outside, "EDITS_VERSION") == 0 && buf_append(&p->text, "", 1) == 0)
            stop(p, p->events->version(p->events->ctx,
                                       (int)strtol((char *)buf_head(&p->text), NULL, 10), &p->err));
        p->outside[0] = '\0';
        return;
    }
    struct node *n = p->at;
    if (n->first == NULL)
        stop(p, unmangle(p, text, &n->text));
    buf_clear(&p->text);
    p->at = n->parent;
    if (p->at == NULL && p->rc == 0) {
        stop(p, end_record(p, n));
        arena_reset(&p->arena);
    }
}

/* ---- values ---- */

struct get {
    struct parser *p;
    const struct node *in; /* <DATA>, or an element in it */
};

static const struct node *child(const struct node *n, const char *name)
{
    for (const struct node *c = n->first; c != NULL; c = c->next)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static uint32_t children(const struct node *n, const char *name)
{
    uint32_t count = 0;
    for (const struct node *c = n->first; c != NULL; c = c->next)
        count += strcmp(c->name, name) == 0;
    return count;
}

static int wanted(struct get *g, const char *tag, const struct node **ret)
{
    *ret = child(g->in, tag);
    return *ret != NULL ? 0 : fail(&g->p->err, ERR_CORRUPT, "no entry found for %s", tag);
}

static int number(struct get *g, const char *tag, int64_t *ret)
{
    const struct node *n;
    TRY(wanted(g, tag, &n));
    char digits[32], *end;
    if (n->text.size == 0 || n->text.size >= sizeof(digits))
        return fail(&g->p->err, ERR_CORRUPT, "%s is no number", tag);
    memcpy(digits, n->text.data, n->text.size);
    digits[n->text.size] = '\0';
    errno = 0;
    *ret = strtoll(digits, &end, 10);
    return errno == 0 && *end == '\0' ? 0 : fail(&g->p->err, ERR_CORRUPT, "%s is no number", tag);
}

#define NUMBER_KIND(kind, type)                                    \
    static int get_##kind(struct get *g, const char *tag, type *v) \
    {                                                              \
        int64_t n;                                                 \
        TRY(number(g, tag, &n));                                   \
        *v = (type)n;                                              \
        return 0;                                                  \
    }
NUMBER_KIND(s64, uint64_t)
NUMBER_KIND(s32, uint32_t)
NUMBER_KIND(s16, uint16_t)
NUMBER_KIND(s8, uint8_t)
#undef NUMBER_KIND

static bool is_text(struct slice s, const char *text)
{
    return slice_equal(s, slice_of(text));
}

/* Java takes anything but "true" as false. */
static int get_bool(struct get *g, const char *tag, bool *v)
{
    const struct node *n = child(g->in, tag);
    *v = n != NULL && is_text(n->text, "true");
    return 0;
}

static int get_str(struct get *g, const char *tag, edit_str *v)
{
    const struct node *n;
    TRY(wanted(g, tag, &n));
    *v = n->text;
    return 0;
}

static int get_given(struct get *g, const char *tag, edit_str *v)
{
    const struct node *n = child(g->in, tag);
    *v = n == NULL ? (struct slice){0} : n->text;
    return 0;
}

/* Memory for all elements of that name. */
static int array_of(struct get *g, const char *tag, size_t size, void *ret_array,
                    uint32_t *ret_count)
{
    uint32_t count = children(g->in, tag);
    void *p = arena_zalloc(&g->p->arena, (count + 1) * size);
    if (p == NULL)
        return no_memory(&g->p->err);
    memcpy(ret_array, &p, sizeof(p));
    *ret_count = count;
    return 0;
}

static int get_blocks(struct get *g, const char *tag, struct edit_block_list *v)
{
    uint32_t i = 0;
    TRY(array_of(g, tag, sizeof(*v->at), &v->at, &v->count));
    for (const struct node *c = g->in->first; c != NULL; c = c->next) {
        if (strcmp(c->name, tag) != 0)
            continue;
        struct get inner = {g->p, c};
        TRY(get_s64(&inner, "BLOCK_ID", &v->at[i].id));
        TRY(get_s64(&inner, "NUM_BYTES", &v->at[i].length));
        TRY(get_s64(&inner, "GENSTAMP", &v->at[i++].genstamp));
    }
    return 0;
}

static int inner_of(struct get *g, const char *tag, struct get *ret)
{
    ret->p = g->p;
    return wanted(g, tag, &ret->in);
}

static int get_perm(struct get *g, const char *tag, edit_perm *v)
{
    struct get inner;
    TRY(inner_of(g, tag, &inner));
    TRY(get_str(&inner, "USERNAME", &v->user));
    TRY(get_str(&inner, "GROUPNAME", &v->group));
    return get_s16(&inner, "MODE", &v->mode);
}

static int word_of(struct get *g, const char *tag, const char *const *words, size_t count,
                   uint8_t *ret)
{
    const struct node *n;
    TRY(wanted(g, tag, &n));
    for (size_t i = 0; i < count; i++)
        if (is_text(n->text, words[i])) {
            *ret = (uint8_t)i;
            return 0;
        }
    return fail(&g->p->err, ERR_CORRUPT, "%s has an unknown value", tag);
}

static int get_acl_entry(struct get *g, struct edit_acl_entry *a)
{
    static const char *const scopes[] = {"ACCESS", "DEFAULT"},
                             *const types[] = {"USER", "GROUP", "MASK", "OTHER"},
                             *const perms[] = {"---", "--x", "-w-", "-wx",
                                               "r--", "r-x", "rw-", "rwx"};
    TRY(word_of(g, "SCOPE", scopes, ARRAY_SIZE(scopes), &a->scope));
    TRY(word_of(g, "TYPE", types, ARRAY_SIZE(types), &a->type));
    TRY(get_given(g, "NAME", &a->name));
    return word_of(g, "PERM", perms, ARRAY_SIZE(perms), &a->access);
}

static int get_acl(struct get *g, const char *tag, edit_acl *v)
{
    uint32_t i = 0;
    TRY(array_of(g, tag, sizeof(*v->at), &v->at, &v->count));
    for (const struct node *c = g->in->first; c != NULL; c = c->next)
        if (strcmp(c->name, tag) == 0)
            TRY(get_acl_entry(&(struct get){g->p, c}, &v->at[i++]));
    return 0;
}

static int get_acl_log(struct get *g, const char *tag, edit_acl_log *v)
{
    TRY(get_str(g, "SRC", &v->src));
    return get_acl(g, tag, &v->entries);
}

/* Hexadecimal digits behind `skip` characters. */
static int get_hex(struct get *g, const char *tag, size_t skip, struct slice *ret)
{
    const struct node *n;
    TRY(wanted(g, tag, &n));
    uint8_t *to = arena_alloc(&g->p->arena, n->text.size + 1);
    if (to == NULL)
        return no_memory(&g->p->err);
    size_t count = 0;
    for (size_t i = skip; i + 1 < n->text.size; i += 2) {
        char two[3] = {(char)n->text.data[i], (char)n->text.data[i + 1], '\0'}, *end;
        to[count++] = (uint8_t)strtoul(two, &end, 16);
        if (*end != '\0')
            return fail(&g->p->err, ERR_CORRUPT, "%s isn't hexadecimal", tag);
    }
    *ret = (struct slice){to, count};
    return 0;
}

static int get_xattr(struct get *g, struct edit_xattr *x)
{
    static const char *const spaces[] = {"USER", "TRUSTED", "SECURITY", "SYSTEM", "RAW"};
    TRY(word_of(g, "NAMESPACE", spaces, ARRAY_SIZE(spaces), &x->space));
    TRY(get_str(g, "NAME", &x->name));
    return child(g->in, "VALUE") == NULL ? 0 : get_hex(g, "VALUE", 2, &x->value);
}

static int get_xattrs(struct get *g, const char *tag, edit_xattrs *v)
{
    uint32_t i = 0;
    TRY(array_of(g, tag, sizeof(*v->at), &v->at, &v->count));
    for (const struct node *c = g->in->first; c != NULL; c = c->next)
        if (strcmp(c->name, tag) == 0)
            TRY(get_xattr(&(struct get){g->p, c}, &v->at[i++]));
    return 0;
}

static int get_xattrs_of(struct get *g, const char *tag, edit_xattrs *v)
{
    TRY(get_str(g, tag, &v->src));
    return get_xattrs(g, "XATTR", v);
}

static int get_rpc(struct get *g, const char *tag, edit_rpc *v)
{
    (void)tag;
    const struct node *id = child(g->in, "RPC_CLIENTID");
    v->call_id = EDIT_NO_CALL_ID;
    if (id == NULL || child(g->in, "RPC_CALLID") == NULL)
        return 0;
    uint32_t call;
    TRY(get_s32(g, "RPC_CALLID", &call));
    v->call_id = (int32_t)call;
    uint8_t *to = arena_zalloc(&g->p->arena, 16);
    if (to == NULL)
        return no_memory(&g->p->err);
    size_t digits = 0;
    for (size_t i = 0; i < id->text.size && digits < 32; i++) {
        uint8_t c = id->text.data[i] | 0x20;
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            continue; /* the hyphens */
        to[digits / 2] = (uint8_t)(to[digits / 2] << 4 | d);
        digits++;
    }
    v->client_id = (struct slice){to, digits == 32 ? 16 : 0};
    return 0;
}

static int get_strs(struct get *g, const char *tag, edit_strs *v)
{
    struct get inner;
    TRY(inner_of(g, tag, &inner));
    uint32_t count = 0;
    for (const struct node *c = inner.in->first; c != NULL; c = c->next)
        count++;
    v->at = arena_array(&g->p->arena, struct slice, count + 1);
    if (v->at == NULL)
        return no_memory(&g->p->err);
    for (const struct node *c = inner.in->first; c != NULL; c = c->next)
        v->at[v->count++] = c->text;
    return 0;
}

static int get_options(struct get *g, const char *tag, edit_options *v)
{
    static const char *const names[] = {"NONE", "OVERWRITE", "TO_TRASH"};
    const struct node *n;
    TRY(wanted(g, tag, &n));
    uint8_t *to = arena_alloc(&g->p->arena, n->text.size + 1);
    if (to == NULL)
        return no_memory(&g->p->err);
    size_t count = 0;
    for (size_t at = 0; at < n->text.size; at++) {
        size_t end = at;
        while (end < n->text.size && n->text.data[end] != '|')
            end++;
        for (uint8_t i = 0; i < ARRAY_SIZE(names); i++)
            if (is_text((struct slice){n->text.data + at, end - at}, names[i]))
                to[count++] = i;
        at = end;
    }
    *v = (struct slice){to, count};
    return 0;
}

static int get_token(struct get *g, const char *tag, edit_token *v)
{
    struct get inner;
    TRY(inner_of(g, tag, &inner));
    TRY(get_s32(&inner, "SEQUENCE_NUMBER", &v->sequence));
    TRY(get_str(&inner, "OWNER", &v->owner));
    TRY(get_str(&inner, "RENEWER", &v->renewer));
    TRY(get_str(&inner, "REALUSER", &v->real_user));
    TRY(get_s64(&inner, "ISSUE_DATE", &v->issue_date));
    TRY(get_s64(&inner, "MAX_DATE", &v->max_date));
    return get_s32(&inner, "MASTER_KEY_ID", &v->master_key);
}

static int get_master_key(struct get *g, const char *tag, edit_master_key *v)
{
    struct get inner;
    TRY(inner_of(g, tag, &inner));
    TRY(get_s32(&inner, "KEY_ID", &v->id));
    TRY(get_s64(&inner, "EXPIRY_DATE", &v->expiry));
    v->has_key = child(inner.in, "KEY") != NULL;
    return v->has_key ? get_hex(&inner, "KEY", 0, &v->key) : 0;
}

static bool has(struct get *g, const char *tag, uint32_t flag, uint32_t *flags)
{
    bool there = child(g->in, tag) != NULL;
    *flags |= there ? flag : 0;
    return there;
}

static int get_directive(struct get *g, const char *tag, edit_directive *v)
{
    (void)tag;
    TRY(get_s64(g, "ID", &v->id));
    if (has(g, "PATH", 1, &v->flags))
        TRY(get_str(g, "PATH", &v->path));
    if (has(g, "REPLICATION", 2, &v->flags))
        TRY(get_s16(g, "REPLICATION", &v->replication));
    if (has(g, "POOL", 4, &v->flags))
        TRY(get_str(g, "POOL", &v->pool));
    return has(g, "EXPIRATION", 8, &v->flags) ? get_s64(g, "EXPIRATION", &v->expiry) : 0;
}

static int get_cache_pool(struct get *g, const char *tag, edit_cache_pool *v)
{
    (void)tag;
    TRY(get_str(g, "POOLNAME", &v->name));
    if (has(g, "OWNERNAME", 1, &v->flags))
        TRY(get_str(g, "OWNERNAME", &v->owner));
    if (has(g, "GROUPNAME", 2, &v->flags))
        TRY(get_str(g, "GROUPNAME", &v->group));
    if (has(g, "MODE", 4, &v->flags))
        TRY(get_s16(g, "MODE", &v->mode));
    if (has(g, "LIMIT", 8, &v->flags))
        TRY(get_s64(g, "LIMIT", &v->limit));
    if (has(g, "MAXRELATIVEEXPIRY", 16, &v->flags))
        TRY(get_s64(g, "MAXRELATIVEEXPIRY", &v->max_expiry));
    if (!has(g, "DEFAULTREPLICATION", 32, &v->flags))
        return 0;
    return get_s16(g, "DEFAULTREPLICATION", &v->replication);
}

static int get_ec_schema(struct get *g, const char *tag, edit_ec_schema *v)
{
    uint32_t pairs = children(g->in, "EXTRAOPTION");
    TRY(get_str(g, tag, &v->codec));
    TRY(get_s32(g, "DATAUNITS", &v->data_units));
    TRY(get_s32(g, "PARITYUNITS", &v->parity_units));
    TRY(get_s32(g, "CELLSIZE", &v->cell_size));
    v->options.at = arena_array(&g->p->arena, struct slice, 2 * (size_t)pairs + 1);
    if (v->options.at == NULL)
        return no_memory(&g->p->err);
    for (const struct node *c = g->in->first; c != NULL; c = c->next) {
        if (strcmp(c->name, "EXTRAOPTION") != 0)
            continue;
        struct get inner = {g->p, c};
        TRY(get_str(&inner, "KEY", &v->options.at[v->options.count++]));
        TRY(get_str(&inner, "VALUE", &v->options.at[v->options.count++]));
    }
    return 0;
}

/* ---- records ---- */

#define E(kind, tag, field) TRY(get_##kind(g, #tag, &op->field));
#define C(tag, text)
#define O(name, NAME, elements)                                   \
    static int get_op_##name(struct get *g, struct op_##name *op) \
    {                                                             \
        (void)g;                                                  \
        (void)op;                                                 \
        elements return 0;                                        \
    }
OEV_OPS(O)
#undef O
#undef C
#undef E

/* What the XML doesn't say, but the file has. */
static void complete(struct edit *e)
{
    if (e->code == OP_mkdir)
        e->mkdir.atime = e->mkdir.mtime;
}

static int get_body(struct get *g, struct edit *e)
{
    switch (e->code) {
#define O(name, NAME, elements) \
    case OP_##name:             \
        return get_op_##name(g, &e->name);
        OEV_OPS(O)
#undef O
    default:
        return fail(&g->p->err, ERR_CORRUPT, "an unknown operation");
    }
}

static int end_record(struct parser *p, const struct node *record)
{
    struct get g = {p, record};
    const struct node *code_node, *data;
    TRY(wanted(&g, "OPCODE", &code_node));
    TRY(wanted(&g, "DATA", &data));
    const char *name = arena_strndup(&p->arena, code_node->text.data, code_node->text.size);
    int code = name != NULL && strncmp(name, "OP_", 3) == 0 ? oev_code(name + 3) : -1;
    if (code < 0)
        return fail(&p->err, ERR_CORRUPT, "unknown operation %.100s", name == NULL ? "" : name);
    struct edit e = {.code = (uint8_t)code};
    g.in = data;
    TRY(get_s64(&g, "TXID", &e.txid));
    TRY(get_body(&g, &e));
    complete(&e);
    return p->events->record(p->events->ctx, &e, &p->err);
}

/* ---- the file ---- */

static int feed(struct parser *p, FILE *in, const char *path, struct err *err)
{
    size_t n;
    do {
        void *block = XML_GetBuffer(p->xml, BLOCK);
        if (block == NULL)
            return no_memory(err);
        n = fread(block, 1, BLOCK, in);
        if (ferror(in) != 0)
            return fail_errno(err, "%s", path);
        if (XML_ParseBuffer(p->xml, (int)n, n == 0) != XML_STATUS_OK)
            break;
    } while (n > 0);
    if (p->rc == 0 && XML_GetErrorCode(p->xml) == XML_ERROR_NONE)
        return 0;
    unsigned long line = (unsigned long)XML_GetCurrentLineNumber(p->xml);
    if (p->rc == 0)
        return fail(err, ERR_CORRUPT, "%s: line %lu: %s", path, line,
                    XML_ErrorString(XML_GetErrorCode(p->xml)));
    return fail(err, p->rc, "%.300s: line %lu: %.500s", path, line, p->err.text);
}

/* Entities that expand to others are a way to exhaust memory; our XML has none. */
static void refuse_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                           const XML_Char *public, int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    struct parser *p = ctx;
    stop(p, fail(&p->err, ERR_CORRUPT, "a document type isn't allowed"));
}

int oev_parse(const char *path, const struct xml_input_events *events, struct err *err)
{
    struct parser p = {.events = events};
    FILE *in = fopen(path, "rbe");
    if (in == NULL)
        return fail_errno(err, "%s", path);
    p.xml = XML_ParserCreate("UTF-8");
    arena_init(&p.arena, 0);
    int rc = p.xml == NULL ? no_memory(err) : 0;
    if (rc == 0) {
        XML_SetUserData(p.xml, &p);
        XML_SetElementHandler(p.xml, start_element, end_element);
        XML_SetCharacterDataHandler(p.xml, characters);
        XML_SetStartDoctypeDeclHandler(p.xml, refuse_doctype);
        rc = feed(&p, in, path, err);
    }
    XML_ParserFree(p.xml);
    arena_fini(&p.arena);
    buf_fini(&p.text);
    (void)fclose(in);
    return rc;
}
