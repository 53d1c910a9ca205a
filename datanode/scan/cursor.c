/* cursor.c - the cursor file of the block scanner, as Jackson writes it for Hadoop: one flat object
 * of numbers, texts or null, and booleans. The text comes from a disk, so nothing of it is
 * believed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "datanode/scan/internal.h"

static int put_text(struct buf *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return buf_printf(out, "  \"%s\" : null,\n", name);
    return buf_printf(out, "  \"%s\" : \"%s\",\n", name, text); /* subdir7, blk_5: no quoting */
}

int cursor_encode(const struct cursor *c, struct buf *out)
{
    TRY(buf_printf(out, "{\n  \"lastSavedMs\" : %" PRId64 ",\n  \"iterStartMs\" : %" PRId64 ",\n",
                   c->saved_ms, c->started_ms));
    TRY(put_text(out, "curFinalizedDir", c->dir));
    TRY(put_text(out, "curFinalizedSubDir", c->sub));
    TRY(put_text(out, "curEntry", c->entry));
    return buf_printf(out, "  \"atEnd\" : %s\n}", c->at_end ? "true" : "false");
}

struct text {
    const char *at, *end;
    bool bad;
};

static void skip_blanks(struct text *t)
{
    while (t->at < t->end && strchr(" \t\r\n", *t->at) != NULL && *t->at != '\0')
        t->at++;
}

static bool accept(struct text *t, const char *word)
{
    size_t size = strlen(word);
    skip_blanks(t);
    if ((size_t)(t->end - t->at) < size || memcmp(t->at, word, size) != 0)
        return false;
    t->at += size;
    return true;
}

static void expect(struct text *t, const char *word)
{
    if (!accept(t, word))
        t->bad = true;
}

/* Letters, digits, '_' and '-' only: nothing else is in a name of the layout. */
static void read_text(struct text *t, char out[NAME_SIZE])
{
    size_t n = 0;
    expect(t, "\"");
    while (!t->bad && t->at < t->end && *t->at != '"') {
        char c = *t->at++;
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        if (!fine || n + 1 >= NAME_SIZE)
            t->bad = true;
        else
            out[n++] = c;
    }
    out[n] = '\0';
    expect(t, "\"");
}

static void read_name(struct text *t, char out[NAME_SIZE])
{
    out[0] = '\0';
    if (!accept(t, "null"))
        read_text(t, out);
}

static int64_t read_number(struct text *t)
{
    int64_t n = 0;
    size_t digits = 0;
    skip_blanks(t);
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9' && digits < 18; t->at++, digits++)
        n = n * 10 + (*t->at - '0');
    t->bad |= digits == 0 || (t->at < t->end && *t->at >= '0' && *t->at <= '9');
    return n;
}

static bool read_bool(struct text *t)
{
    if (accept(t, "true"))
        return true;
    expect(t, "false");
    return false;
}

static void read_member(struct text *t, struct cursor *c)
{
    char name[NAME_SIZE];
    read_text(t, name);
    expect(t, ":");
    if (t->bad)
        return;
    if (strcmp(name, "lastSavedMs") == 0)
        c->saved_ms = read_number(t);
    else if (strcmp(name, "iterStartMs") == 0)
        c->started_ms = read_number(t);
    else if (strcmp(name, "curFinalizedDir") == 0)
        read_name(t, c->dir);
    else if (strcmp(name, "curFinalizedSubDir") == 0)
        read_name(t, c->sub);
    else if (strcmp(name, "curEntry") == 0)
        read_name(t, c->entry);
    else if (strcmp(name, "atEnd") == 0)
        c->at_end = read_bool(t);
    else
        t->bad = true;
}

int cursor_decode(const char *text, size_t size, struct cursor *ret, struct err *err)
{
    struct text t = {text, text + size, false};
    struct cursor c = {0};
    expect(&t, "{");
    do {
        read_member(&t, &c);
    } while (!t.bad && accept(&t, ","));
    expect(&t, "}");
    skip_blanks(&t);
    /* a sub-folder without a folder, or a folder that isn't one of ours, leads nowhere */
    bool fits = (c.dir[0] == '\0' || strncmp(c.dir, "subdir", 6) == 0) &&
                (c.sub[0] == '\0' || (c.dir[0] != '\0' && strncmp(c.sub, "subdir", 6) == 0));
    if (t.bad || t.at != t.end || !fits)
        return fail(err, ERR_CORRUPT, "it is not the cursor of a block scanner");
    *ret = c;
    return 0;
}
