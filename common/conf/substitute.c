/* substitute.c - ${key}, ${env.NAME}, ${env.NAME:-default}, ${env.NAME-default} in values. Thread:
 * any; reads the environment. Invariants: (1) a reference that nobody defines stays as it is
 * written, as in Hadoop; (2) a key that refers to itself is an error; (3) depth and size of the
 * result are limited, so that no file makes us work without end. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/internal.h"

struct expansion {
    const struct conf *conf;
    const char *active[CONF_MAX_SUBSTITUTION_DEPTH + 1]; /* the keys we are inside of */
    size_t depth;
    size_t total; /* bytes put out, at any depth */
    struct err *err;
};

static int expand_text(struct expansion *x, const char **at, bool in_name, struct buf *out);

static int put(struct expansion *x, struct buf *out, const char *text, size_t size)
{
    x->total += size;
    if (x->total > CONF_MAX_EXPANDED_BYTES)
        return fail(x->err, ERR_CONFIG, "its references expand to more than %d bytes",
                    CONF_MAX_EXPANDED_BYTES);
    if (buf_append(out, text, size) != 0)
        return fail(x->err, ERR_NO_MEMORY, "no memory to expand it");
    return 0;
}

static int put_text(struct expansion *x, struct buf *out, const char *text)
{
    return put(x, out, text, strlen(text));
}

static int enter(struct expansion *x, const char *name)
{
    for (size_t i = 0; i < x->depth; i++)
        if (strcmp(x->active[i], name) == 0)
            return fail(x->err, ERR_CONFIG, "${%s} refers to itself", name);
    if (x->depth == ARRAY_SIZE(x->active))
        return fail(x->err, ERR_CONFIG, "its references go deeper than %d",
                    CONF_MAX_SUBSTITUTION_DEPTH);
    x->active[x->depth++] = name;
    return 0;
}

/* The system properties of a JVM that configuration files use. */
static int put_system_property(struct expansion *x, const char *name, struct buf *out,
                               bool *ret_found)
{
    *ret_found = true;
    if (strcmp(name, "java.io.tmpdir") == 0)
        return put_text(x, out, "/tmp");
    bool is_name = strcmp(name, "user.name") == 0;
    if (is_name || strcmp(name, "user.home") == 0) {
        struct passwd entry, *found = NULL;
        char text[4096];
        if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) == 0 && found != NULL)
            return put_text(x, out, is_name ? entry.pw_name : entry.pw_dir);
        const char *fallback = getenv(is_name ? "USER" : "HOME");
        return put_text(x, out, fallback != NULL ? fallback : "?");
    }
    *ret_found = false;
    return 0;
}

/* name: what follows "env." */
static int put_environment(struct expansion *x, const char *name, struct buf *out, bool *ret_found)
{
    const char *dash = strchr(name, '-');
    bool also_empty = dash != NULL && dash > name && dash[-1] == ':';
    size_t size = dash == NULL ? strlen(name) : (size_t)(dash - name) - (also_empty ? 1 : 0);
    char *variable = strndup(name, size);
    if (variable == NULL)
        return fail(x->err, ERR_NO_MEMORY, "no memory to expand it");
    const char *value = getenv(variable);
    free(variable);
    if (dash != NULL && (value == NULL || (also_empty && value[0] == '\0')))
        value = dash + 1;
    *ret_found = value != NULL;
    return value != NULL ? put_text(x, out, value) : 0;
}

static int put_key(struct expansion *x, const char *name, struct buf *out, bool *ret_found)
{
    const char *now = conf_name_current(name);
    const struct conf_property *p = conf_property_find(x->conf, now);
    int key = conf_key_find(now);
    const char *value = p != NULL ? p->value : key >= 0 ? conf_keys[key].default_value : NULL;
    *ret_found = value != NULL && (p != NULL || value[0] != '\0');
    if (!*ret_found)
        return 0;
    TRY(enter(x, now));
    int rc = expand_text(x, &value, false, out);
    x->depth--;
    return rc;
}

static int put_reference(struct expansion *x, const char *name, struct buf *out)
{
    bool found = false;
    if (strncmp(name, "env.", 4) == 0)
        TRY(put_environment(x, name + 4, out, &found));
    if (!found && conf_property_find(x->conf, name) == NULL)
        TRY(put_system_property(x, name, out, &found));
    if (!found)
        TRY(put_key(x, name, out, &found));
    if (found)
        return 0;
    TRY(put(x, out, "${", 2));
    TRY(put_text(x, out, name));
    return put(x, out, "}", 1);
}

/* *at is behind "${". A reference that never ends is plain text. */
static int expand_reference(struct expansion *x, const char **at, struct buf *out)
{
    struct buf name = {0};
    int rc = enter(x, "${"); /* names may contain references: this bounds the recursion, too */
    if (rc != 0)
        return rc;
    x->active[x->depth - 1] = ""; /* nested names aren't cycles */
    rc = expand_text(x, at, true, &name);
    x->depth--;
    if (rc == 0)
        rc = put(x, &name, "", 1);
    if (rc == 0 && **at == '}') {
        ++*at;
        rc = put_reference(x, (const char *)buf_head(&name), out);
    } else if (rc == 0) {
        rc = put(x, out, "${", 2);
        rc = rc != 0 ? rc : put_text(x, out, (const char *)buf_head(&name));
    }
    buf_fini(&name);
    return rc;
}

/* Up to the end, or in a name up to its '}'. */
static int expand_text(struct expansion *x, const char **at, bool in_name, struct buf *out)
{
    while (**at != '\0' && !(in_name && **at == '}')) {
        if ((*at)[0] == '$' && (*at)[1] == '{') {
            *at += 2;
            TRY(expand_reference(x, at, out));
            continue;
        }
        const char *stop = *at + 1;
        while (*stop != '\0' && *stop != '$' && !(in_name && *stop == '}'))
            stop++;
        TRY(put(x, out, *at, (size_t)(stop - *at)));
        *at = stop;
    }
    return 0;
}

/* The text without white space around it, as a string of its own. */
static char *trimmed(const struct buf *b)
{
    const char *start = (const char *)b->data + b->start, *end = (const char *)b->data + b->end;
    while (start < end && strchr(" \t\r\n", *start) != NULL)
        start++;
    while (end > start && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    return strndup(start, (size_t)(end - start));
}

int conf_expand(const struct conf *c, const char *name, const char *value, char **ret_text,
                struct err *err)
{
    struct expansion x = {.conf = c, .active = {name}, .depth = 1, .err = err};
    struct buf out = {0};
    int rc = put(&x, &out, "", 0); /* so that there is memory to point to */
    rc = rc != 0 ? rc : expand_text(&x, &value, false, &out);
    char *text = rc == 0 ? trimmed(&out) : NULL;
    buf_fini(&out);
    if (rc == 0 && text == NULL)
        rc = fail(err, ERR_NO_MEMORY, "no memory to expand it");
    if (rc == 0)
        *ret_text = text;
    return rc;
}
