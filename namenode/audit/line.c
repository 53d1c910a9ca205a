/* line.c - the text of a line. Pure. */
#include "common/conf/conf.h"
#include "namenode/audit/audit.h"

int audit_settings_from_conf(const struct conf *conf, struct audit_settings *ret)
{
    *ret = (struct audit_settings){
        .caller_context = conf_bool(conf, CONF_caller_context),
        .remote_port = conf_bool(conf, CONF_audit_remote_port),
        .max_context = (size_t)conf_int(conf, CONF_caller_context_max),
        .max_signature = (size_t)conf_int(conf, CONF_caller_signature_max),
        .separator = conf_str(conf, CONF_caller_context_separator),
    };
    return conf_list(conf_str(conf, CONF_audit_quiet), &ret->quiet, &ret->quiet_count);
}

void audit_settings_fini(struct audit_settings *s)
{
    if (s->quiet != NULL)
        conf_list_free(s->quiet, s->quiet_count);
    s->quiet = NULL;
}

bool audit_is_quiet(const struct audit_settings *s, const char *cmd)
{
    for (size_t i = 0; i < s->quiet_count; i++)
        if (strcmp(s->quiet[i], cmd) == 0)
            return true;
    return false;
}

/* One code point of valid UTF-8; *at moves behind it. */
static uint32_t next_point(const char **at)
{
    const unsigned char *p = (const unsigned char *)*at;
    unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? p[0] : p[0] & (0x3fu >> more);
    unsigned i = 1;
    for (; i <= more && (p[i] & 0xc0) == 0x80; i++)
        point = point << 6 | (p[i] & 0x3f);
    *at += i;
    return point;
}

static int put_escaped(struct buf *b, uint32_t point)
{
    static const char letters[] = "btn\0fr"; /* of 8 to 13 */
    if (point == '"' || point == '\\')
        return buf_printf(b, "\\%c", (char)point);
    if (point >= 8 && point <= 13 && point != 11)
        return buf_printf(b, "\\%c", letters[point - 8]);
    if (point >= 0x10000)
        return buf_printf(b, "\\u%04X\\u%04X", 0xd800 + ((point - 0x10000) >> 10),
                          0xdc00 + ((point - 0x10000) & 0x3ff));
    return point < 32 || point > 127 ? buf_printf(b, "\\u%04X", point)
                                     : buf_append(b, &(char){(char)point}, 1);
}

/* As a Java string literal; at most `max` characters of that. */
static int put_text(struct buf *b, const char *text, size_t max)
{
    size_t start = buf_size(b);
    if (text == NULL)
        return buf_append(b, "null", 4);
    while (*text != '\0') {
        TRY(put_escaped(b, next_point(&text)));
        if (buf_size(b) - start >= max) {
            b->end = b->start + start + max;
            return 0;
        }
    }
    return 0;
}

/* A user's name is the client's word: it must forge neither a line nor a field. */
static int put_name(struct buf *b, const char *name)
{
    size_t start = buf_size(b);
    TRY(buf_append(b, name, strlen(name)));
    for (uint8_t *at = buf_head(b) + start, *end = buf_head(b) + buf_size(b); at < end; at++)
        if (*at < ' ' || *at == 0x7f)
            *at = '?';
    return 0;
}

static int put_perm(struct buf *b, const struct audit_event *e)
{
    if (e->owner == NULL)
        return buf_append(b, "\tperm=null", 10);
    char mode[10];
    for (unsigned i = 0; i < 9; i++)
        mode[i] = (e->mode & (0400u >> i)) != 0 ? "rwxrwxrwx"[i] : '-';
    if ((e->mode & 01000) != 0)
        mode[8] = (e->mode & 1) != 0 ? 't' : 'T';
    mode[9] = '\0';
    TRY(buf_append(b, "\tperm=", 6));
    TRY(put_name(b, e->owner));
    TRY(buf_append(b, ":", 1));
    TRY(put_name(b, e->group));
    return buf_printf(b, ":%s", mode);
}

static int put_context(struct buf *b, const struct audit_settings *s, const struct audit_event *e)
{
    struct buf whole = {0};
    bool has = e->context != NULL && e->context[0] != '\0';
    int rc = has ? buf_append(&whole, e->context, strlen(e->context)) : 0;
    if (rc == 0 && s->remote_port && (!has || strstr(e->context, "clientPort:") == NULL)) {
        rc = buf_printf(&whole, "%sclientPort:%u", has ? s->separator : "", e->port);
        has = true;
    }
    if (rc == 0)
        rc = buf_append(&whole, "", 1);
    if (rc == 0 && has)
        rc = buf_append(b, "\tcallerContext=", 15);
    if (rc == 0 && has)
        rc = put_text(b, (const char *)buf_head(&whole), s->max_context);
    buf_fini(&whole);
    return rc;
}

static int put_signature(struct buf *b, const struct audit_settings *s, const struct audit_event *e)
{
    char text[256];
    if (e->context == NULL || e->context[0] == '\0' || e->signature.size == 0 ||
        e->signature.size > s->max_signature || e->signature.size >= sizeof(text) ||
        !utf8_valid(e->signature))
        return 0;
    memcpy(text, e->signature.data, e->signature.size);
    text[e->signature.size] = '\0';
    TRY(buf_append(b, ":", 1));
    return put_text(b, text, SIZE_MAX);
}

static int put_line(struct buf *b, const struct audit_settings *s, const struct audit_event *e)
{
    TRY(buf_printf(b, "allowed=%s\tugi=", e->allowed ? "true" : "false"));
    TRY(put_name(b, e->user));
    TRY(buf_printf(b, " (auth:%s)", e->real_user != NULL ? "PROXY" : "SIMPLE"));
    if (e->real_user != NULL) {
        TRY(buf_append(b, " via ", 5));
        TRY(put_name(b, e->real_user));
        TRY(buf_append(b, " (auth:SIMPLE)", 14));
    }
    TRY(buf_printf(b, "\tip=/%s\tcmd=%s\tsrc=", e->address, e->cmd));
    TRY(put_text(b, e->src, SIZE_MAX));
    TRY(buf_append(b, "\tdst=", 5));
    TRY(put_text(b, e->dst, SIZE_MAX));
    TRY(put_perm(b, e));
    TRY(buf_append(b, "\tproto=rpc", 10));
    if (!s->caller_context)
        return 0;
    TRY(put_context(b, s, e));
    return put_signature(b, s, e);
}

struct slice audit_line(const struct audit_settings *s, const struct audit_event *e,
                        struct arena *arena)
{
    struct buf b = {0};
    struct slice line = {NULL, 0};
    if (put_line(&b, s, e) == 0) {
        size_t size = buf_size(&b);
        uint8_t *copy = arena_alloc(arena, size);
        if (copy != NULL) {
            memcpy(copy, buf_head(&b), size);
            line = (struct slice){copy, size};
        }
    }
    buf_fini(&b);
    return line;
}
