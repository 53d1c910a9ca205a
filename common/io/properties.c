/* properties.c - Java's properties files, as the VERSION files are. Thread: any that may block.
 * Reads what java.util.Properties reads: comments, continued lines, the separators = : blank, and
 * the escapes. The file is ISO-8859-1 with \uXXXX; our strings are UTF-8. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/io/io.h"

enum { MAX_FILE_BYTES = 1 << 20 };

void properties_fini(struct properties *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].name);
        free(p->items[i].value);
    }
    free(p->items);
    *p = (struct properties){0};
}

static struct property *find(const struct properties *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return &p->items[i];
    return NULL;
}

const char *properties_get(const struct properties *p, const char *name)
{
    const struct property *found = find(p, name);
    return found != NULL ? found->value : NULL;
}

static int append_property(struct properties *p, const char *name, char *take_value)
{
    char *own_name = strdup(name);
    struct property *grown =
        own_name != NULL ? realloc(p->items, (p->count + 1) * sizeof(*grown)) : NULL;
    if (grown == NULL) {
        free(own_name);
        free(take_value);
        return ERR_NO_MEMORY;
    }
    p->items = grown;
    p->items[p->count++] = (struct property){own_name, take_value};
    return 0;
}

int properties_set(struct properties *p, const char *name, const char *value)
{
    char *own_value = strdup(value);
    if (own_value == NULL)
        return ERR_NO_MEMORY;
    struct property *found = find(p, name);
    if (found == NULL)
        return append_property(p, name, own_value);
    free(found->value);
    found->value = own_value;
    return 0;
}

/* UTF-8 of one code point. */
static int put_utf8(struct buf *b, uint32_t c)
{
    uint8_t out[4];
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (uint8_t)c;
    } else if (c < 0x800) {
        out[n++] = (uint8_t)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        out[n++] = (uint8_t)(0xe0 | c >> 12);
        out[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    } else {
        out[n++] = (uint8_t)(0xf0 | c >> 18);
        out[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        out[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        out[n++] = (uint8_t)(0x80 | (c & 0x3f));
    return buf_append(b, out, n);
}

static bool read_hex4(struct reader *r, uint32_t *ret)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = read_u8(r);
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    *ret = value;
    return true;
}

/* Behind "\u": one code point, of two escapes if it is a surrogate pair. */
static int read_unicode(struct reader *r, struct buf *out)
{
    uint32_t c, low;
    if (!read_hex4(r, &c) || c == 0)
        return ERR_CORRUPT;
    if (c >= 0xd800 && c < 0xdc00) {
        if (read_u8(r) != '\\' || read_u8(r) != 'u' || !read_hex4(r, &low) || low < 0xdc00 ||
            low >= 0xe000)
            return ERR_CORRUPT;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return ERR_CORRUPT;
    }
    return put_utf8(out, c);
}

static int read_escape(struct reader *r, struct buf *out)
{
    uint8_t c = read_u8(r);
    if (r->bad)
        return 0; /* a lone backslash at the end is dropped */
    switch (c) {
    case 'u':
        return read_unicode(r, out);
    case 't':
        return put_utf8(out, '\t');
    case 'n':
        return put_utf8(out, '\n');
    case 'r':
        return put_utf8(out, '\r');
    case 'f':
        return put_utf8(out, '\f');
    default:
        return put_utf8(out, c);
    }
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static uint8_t peek(const struct reader *r)
{
    return reader_left(r) > 0 ? *r->at : 0;
}

static void skip_blanks(struct reader *r)
{
    while (reader_left(r) > 0 && is_blank(*r->at))
        r->at++;
}

/* A word up to `stop_at_separator` or the end of the logical line, NUL added. */
static int read_word(struct reader *r, bool stop_at_separator, struct buf *out)
{
    while (reader_left(r) > 0) {
        uint8_t c = *r->at;
        if (stop_at_separator && (c == '=' || c == ':' || is_blank(c)))
            break;
        r->at++;
        if (c == '\0')
            return ERR_CORRUPT;
        TRY(c == '\\' ? read_escape(r, out) : put_utf8(out, c));
    }
    return buf_append(out, "", 1);
}

static int parse_line(struct slice line, struct properties *ret, struct buf *name,
                      struct buf *value)
{
    struct reader r = reader_of(line.data, line.size);
    buf_clear(name);
    buf_clear(value);
    TRY(read_word(&r, true, name));
    skip_blanks(&r);
    if (peek(&r) == '=' || peek(&r) == ':')
        r.at++;
    skip_blanks(&r);
    TRY(read_word(&r, false, value));
    return properties_set(ret, (const char *)buf_head(name), (const char *)buf_head(value));
}

/* Joins the continued lines of one logical line into `line`; comments and empty lines give an empty
 * one. */
static int read_line(struct reader *r, struct buf *line)
{
    bool first = true, more = true;
    while (more && reader_left(r) > 0) {
        skip_blanks(r);
        const uint8_t *start = r->at;
        while (reader_left(r) > 0 && *r->at != '\n' && *r->at != '\r')
            r->at++;
        size_t size = (size_t)(r->at - start), backslashes = 0;
        while (reader_left(r) > 0 && (*r->at == '\n' || *r->at == '\r'))
            if (*r->at++ == '\n')
                break;
        if (first && size > 0 && (*start == '#' || *start == '!'))
            return 0;
        while (backslashes < size && start[size - 1 - backslashes] == '\\')
            backslashes++;
        more = backslashes % 2 == 1;
        TRY(buf_append(line, start, size - (more ? 1 : 0)));
        first = false;
    }
    return 0;
}

static int parse_file(struct slice text, struct properties *ret)
{
    struct reader r = reader_of(text.data, text.size);
    struct buf line = {0}, name = {0}, value = {0};
    int rc = 0;
    while (rc == 0 && reader_left(&r) > 0) {
        buf_clear(&line);
        rc = read_line(&r, &line);
        if (rc == 0 && buf_size(&line) > 0)
            rc = parse_line((struct slice){buf_head(&line), buf_size(&line)}, ret, &name, &value);
    }
    buf_fini(&line);
    buf_fini(&name);
    buf_fini(&value);
    return rc;
}

int properties_read(const char *path, struct properties *ret, struct err *err)
{
    struct buf text = {0};
    struct properties all = {0};
    int rc = file_read(path, MAX_FILE_BYTES, &text, err);
    if (rc == 0) {
        rc = parse_file((struct slice){text.data + text.start, buf_size(&text)}, &all);
        if (rc != 0)
            rc = fail(err, rc, "%s is not a properties file", path);
    }
    buf_fini(&text);
    if (rc == 0)
        *ret = all;
    else
        properties_fini(&all);
    return rc;
}

/* The next code point of well-formed UTF-8. */
static uint32_t next_utf8(const uint8_t **at)
{
    uint32_t c = *(*at)++;
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (more > 0)
        c &= 0x3fu >> more;
    while (more-- > 0)
        c = c << 6 | (*(*at)++ & 0x3f);
    return c;
}

static int put_escaped(struct buf *b, uint32_t c, bool escape_blank)
{
    if (c >= 0x10000)
        return buf_printf(b, "\\u%04X\\u%04X", 0xd800 + ((c - 0x10000) >> 10),
                          0xdc00 + ((c - 0x10000) & 0x3ff));
    switch (c) {
    case '\t':
        return buf_append(b, "\\t", 2);
    case '\n':
        return buf_append(b, "\\n", 2);
    case '\r':
        return buf_append(b, "\\r", 2);
    case '\f':
        return buf_append(b, "\\f", 2);
    case '\\':
    case '=':
    case ':':
    case '#':
    case '!':
        return buf_printf(b, "\\%c", (char)c);
    case ' ':
        return escape_blank ? buf_append(b, "\\ ", 2) : buf_append(b, " ", 1);
    default:
        return c < ' ' || c > '~' ? buf_printf(b, "\\u%04X", c) : buf_printf(b, "%c", (char)c);
    }
}

/* Blanks are escaped everywhere in a name, in a value only in front. */
static int put_text(struct buf *b, const char *text, bool is_name)
{
    if (!utf8_valid(slice_of(text)))
        return ERR_ILLEGAL_ARGUMENT;
    for (const uint8_t *at = (const uint8_t *)text; *at != '\0';) {
        bool in_front = at == (const uint8_t *)text;
        TRY(put_escaped(b, next_utf8(&at), is_name || in_front));
    }
    return 0;
}

static int put_date(struct buf *b)
{
    char text[64];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "#%a %b %d %H:%M:%S UTC %Y", &utc);
    return buf_printf(b, "%s\n", text);
}

static int put_all(struct buf *b, const struct properties *p)
{
    TRY(put_date(b));
    for (size_t i = 0; i < p->count; i++) {
        TRY(put_text(b, p->items[i].name, true));
        TRY(buf_append(b, "=", 1));
        TRY(put_text(b, p->items[i].value, false));
        TRY(buf_append(b, "\n", 1));
    }
    return 0;
}

int properties_write(const char *path, const struct properties *p, struct err *err)
{
    struct buf text = {0};
    int rc = put_all(&text, p);
    rc = rc == 0 ? durable_write_file(path, text.data + text.start, buf_size(&text), err)
                 : fail(err, rc, "the properties for %s can't be written", path);
    buf_fini(&text);
    return rc;
}
