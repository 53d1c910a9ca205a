/* conf.c - the properties of all sources, and what the keys of the table mean.
 * Thread: the one that loads; after conf_finish any may read.
 * Invariants: (1) every key has a value that fits its type and range, after conf_new already; (2) a
 * source that is refused changes nothing; (3) a value with references is judged by conf_finish,
 * because a later source may still define what it refers to; until then the key keeps its last good
 * value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/conf/internal.h"
#include "common/obs/obs.h"

#define DEFAULT_DIR "/etc/hadoop/conf"
#define SETTING     "setting" /* the origin of single ones */

const struct conf_property *conf_property_find(const struct conf *c, const char *name)
{
    struct conf_property *found;
    HASH_FIND_STR(c->properties, name, found);
    return found;
}

static void property_free(struct conf_property *p)
{
    if (p == NULL)
        return;
    free(p->name);
    free(p->value);
    free(p->origin);
    free(p->expanded);
    free(p);
}

static struct conf_property *property_new(const char *name)
{
    struct conf_property *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->name = strdup(name);
    if (p->name == NULL) {
        free(p);
        return NULL;
    }
    return p;
}

/* Finds or adds; NULL: no memory. */
static struct conf_property *property_take(struct conf *c, const char *name)
{
    struct conf_property *p;
    HASH_FIND_STR(c->properties, name, p);
    if (p != NULL)
        return p;
    p = property_new(name);
    if (p == NULL)
        return NULL;
    HASH_ADD_KEYPTR(hh, c->properties, p->name, strlen(p->name), p);
    if (p->hh.tbl == NULL) { /* what uthash leaves when it got no memory */
        property_free(p);
        return NULL;
    }
    return p;
}

static int property_set(struct conf *c, const char *name, const char *value, const char *origin,
                        bool final)
{
    struct conf_property *p = property_take(c, name);
    char *own_value = strdup(value), *own_origin = strdup(origin);
    if (p == NULL || own_value == NULL || own_origin == NULL) {
        free(own_value);
        free(own_origin);
        return ERR_NO_MEMORY;
    }
    free(p->value);
    free(p->origin);
    p->value = own_value;
    p->origin = own_origin;
    p->final = final;
    return 0;
}

/* Says which key of which source err is about. */
static int blame(const char *name, const char *value, const char *origin, int rc, struct err *err)
{
    if (err == NULL)
        return rc;
    struct err inner = *err;
    int shown = (int)strnlen(value, 200);
    return fail(err, rc, "%s=\"%.*s\" (%s): %s", name, shown, value, origin, inner.text);
}

static int value_set(struct conf *c, int key, const char *text, bool set, struct err *err)
{
    struct conf_value v = {.set = set};
    TRY(conf_value_parse(&conf_keys[key], text, &v, err));
    v.text = strdup(text);
    if (v.text == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory");
    free(c->values[key].text);
    c->values[key] = v;
    return 0;
}

static int resolve_property(struct conf *c, struct conf_property *p, struct err *err)
{
    char *text = NULL;
    TRY(conf_expand(c, p->name, p->value, &text, err));
    free(p->expanded);
    p->expanded = text;
    int key = conf_key_find(p->name);
    return key >= 0 ? value_set(c, key, text, true, err) : 0;
}

static int resolve_default(struct conf *c, int key, struct err *err)
{
    char *text = NULL;
    TRY(conf_expand(c, conf_keys[key].name, conf_keys[key].default_value, &text, err));
    int rc = value_set(c, key, text, false, err);
    free(text);
    return rc;
}

/* A failure counts when `strict`, or when the value has no references that could still change. */
static int resolve_all(struct conf *c, bool strict, struct err *err)
{
    for (struct conf_property *p = c->properties; p != NULL; p = p->hh.next) {
        struct err inner = {0};
        int rc = resolve_property(c, p, &inner);
        if (c->lenient && rc != ERR_NO_MEMORY)
            continue;
        bool counts = strict && conf_key_find(p->name) >= 0;
        if (rc != 0 && (counts || rc == ERR_NO_MEMORY || strstr(p->value, "${") == NULL)) {
            if (err != NULL)
                *err = inner;
            return blame(p->name, p->value, p->origin, rc, err);
        }
    }
    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        if (conf_property_find(c, conf_keys[key].name) != NULL && c->values[key].text != NULL)
            continue;
        struct err inner = {0};
        int rc = resolve_default(c, key, &inner);
        if (rc != 0 && (strict || rc == ERR_NO_MEMORY)) {
            if (err != NULL)
                *err = inner;
            return blame(conf_keys[key].name, conf_keys[key].default_value, "default", rc, err);
        }
    }
    return 0;
}

struct conf *conf_new(void)
{
    struct conf *c = calloc(1, sizeof(*c));
    if (c != NULL && resolve_all(c, true, NULL) != 0) {
        conf_free(c);
        return NULL;
    }
    return c;
}

void conf_free(struct conf *c)
{
    if (c == NULL)
        return;
    struct conf_property *p, *next;
    HASH_ITER(hh, c->properties, p, next)
    {
        HASH_DEL(c->properties, p);
        property_free(p);
    }
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        free(c->values[key].text);
    buf_fini(&c->sources);
    free(c);
}

static int copy_properties(struct conf *to, const struct conf *from)
{
    for (const struct conf_property *p = from->properties; p != NULL; p = p->hh.next)
        TRY(property_set(to, p->name, p->value, p->origin, p->final));
    to->lenient = from->lenient;
    TRY(buf_append(&to->sources, from->sources.data + from->sources.start,
                   buf_size(&from->sources)));
    return resolve_all(to, false, NULL);
}

struct conf *conf_copy(const struct conf *c)
{
    struct conf *copy = conf_new();
    if (copy != NULL && copy_properties(copy, c) != 0) {
        conf_free(copy);
        return NULL;
    }
    return copy;
}

/* Literal values are judged before anything is changed: keeps (2). */
static int check_entry(const struct conf *c, const char *name, const char *value,
                       const char *origin, struct err *err)
{
    int key = conf_key_find(name);
    if (key < 0 || c->lenient || strstr(value, "${") != NULL)
        return 0;
    struct conf_value ignored = {0};
    int rc = conf_value_parse(&conf_keys[key], value, &ignored, err);
    return rc == 0 ? 0 : blame(name, value, origin, rc, err);
}

static int merge(struct conf *c, const char *file, const struct conf_entries *entries,
                 struct err *err)
{
    for (size_t i = 0; i < entries->count; i++)
        TRY(check_entry(c, conf_name_current(entries->items[i].name), entries->items[i].value, file,
                        err));
    for (size_t i = 0; i < entries->count; i++) {
        const struct conf_entry *e = &entries->items[i];
        const char *name = conf_name_current(e->name);
        const struct conf_property *before = conf_property_find(c, name);
        if (before != NULL && before->final) {
            log_warn("a final property is not overridden key=%s value=%s file=%s:%d final_in=%s",
                     log_quote(name), log_quote(e->value), file, e->line, before->origin);
            continue;
        }
        if (property_set(c, name, e->value, file, e->final) != 0)
            return fail(err, ERR_NO_MEMORY, "no memory for the properties of %s", file);
    }
    return resolve_all(c, false, err);
}

int conf_add_text(struct conf *c, const char *name, const void *text, size_t size, struct err *err)
{
    struct conf_entries entries = {0};
    TRY(conf_xml_parse(name, (struct slice){text, size}, &entries, err));
    int rc = merge(c, name, &entries, err);
    conf_entries_fini(&entries);
    return rc;
}

static int read_file(FILE *f, const char *path, struct buf *text, struct err *err)
{
    enum { STEP = 64 * 1024 };
    for (;;) {
        uint8_t *at = buf_reserve(text, STEP);
        if (at == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory to read %s", path);
        size_t n = fread(at, 1, STEP, f);
        buf_commit(text, n);
        if (buf_size(text) > CONF_MAX_FILE_BYTES)
            return fail(err, ERR_CONFIG, "%s is larger than %d bytes", path, CONF_MAX_FILE_BYTES);
        if (n == 0 && ferror(f))
            return fail_errno(err, "read %s", path);
        if (n == 0)
            return 0;
    }
}

static int add_file(struct conf *c, const char *path, struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return fail_errno(err, "open %s", path);
    struct buf text = {0};
    int rc = read_file(f, path, &text, err);
    fclose(f);
    if (rc == 0)
        rc = conf_add_text(c, path, text.data + text.start, buf_size(&text), err);
    buf_fini(&text);
    return rc;
}

static int add_source(struct conf *c, char kind, const char *path, struct err *err)
{
    if (buf_printf(&c->sources, "%c%s", kind, path) != 0 || buf_append(&c->sources, "", 1) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for the sources of the configuration");
    return 0;
}

int conf_add_file(struct conf *c, const char *path, struct err *err)
{
    TRY(add_source(c, 'f', path, err));
    return add_file(c, path, err);
}

static int add_if_there(struct conf *c, const char *dir, const char *file, struct err *err)
{
    char *path = NULL;
    struct stat st;
    if (asprintf(&path, "%s/%s", dir, file) < 0)
        return fail(err, ERR_NO_MEMORY, "no memory for the path of %s", file);
    int rc = 0;
    if (stat(path, &st) == 0 || errno != ENOENT)
        rc = add_file(c, path, err);
    free(path);
    return rc;
}

int conf_add_dir(struct conf *c, const char *dir, struct err *err)
{
    const char *named = dir != NULL ? dir : getenv("HADOOP_CONF_DIR");
    if (named != NULL && named[0] == '\0')
        named = NULL;
    const char *use = named != NULL ? named : DEFAULT_DIR;
    struct stat st;
    if (stat(use, &st) != 0) {
        if (named == NULL)
            return 0;
        return fail_errno(err, "configuration folder %s%s", use,
                          dir == NULL ? " (HADOOP_CONF_DIR)" : "");
    }
    if (!S_ISDIR(st.st_mode))
        return fail(err, ERR_NOT_DIR, "configuration folder %s is not a folder", use);
    TRY(add_source(c, 'd', use, err));
    TRY(add_if_there(c, use, "core-site.xml", err));
    return add_if_there(c, use, "hdfs-site.xml", err);
}

int conf_set(struct conf *c, const char *name, const char *value, struct err *err)
{
    const char *now = conf_name_current(name);
    TRY(check_entry(c, now, value, SETTING, err));
    if (property_set(c, now, value, SETTING, false) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory to set %s", name);
    return resolve_all(c, false, err);
}

int conf_set_pair(struct conf *c, const char *pair, struct err *err)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair)
        return fail(err, ERR_CONFIG, "\"%s\" is not key=value", pair);
    char *name = strndup(pair, (size_t)(equals - pair));
    if (name == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to set %s", pair);
    int rc = conf_set(c, name, equals + 1, err);
    free(name);
    return rc;
}

int conf_finish(struct conf *c, struct err *err)
{
    return resolve_all(c, true, err);
}

static int read_sources(struct conf *c, const struct buf *sources, struct err *err)
{
    const char *at = (const char *)sources->data + sources->start, *end = at + buf_size(sources);
    for (; at < end; at += strlen(at) + 1)
        TRY(*at == 'd' ? conf_add_dir(c, at + 1, err) : conf_add_file(c, at + 1, err));
    return 0;
}

int conf_reload(const struct conf *c, struct conf **ret, struct err *err)
{
    struct conf *now = conf_new();
    if (now == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the configuration");
    now->lenient = true;
    int rc = read_sources(now, &c->sources, err);
    for (const struct conf_property *p = c->properties; rc == 0 && p != NULL; p = p->hh.next)
        if (strcmp(p->origin, SETTING) == 0)
            rc = conf_set(now, p->name, p->value, err);
    if (rc != 0) {
        conf_free(now);
        return rc;
    }
    *ret = now;
    return 0;
}

int conf_check(const struct conf *c, const char *name, struct err *err)
{
    const struct conf_property *p = conf_property_find(c, name);
    int key = conf_key_find(name);
    char *text = NULL;
    if (p == NULL || key < 0)
        return 0;
    TRY(conf_expand(c, p->name, p->value, &text, err));
    struct conf_value ignored = {0};
    int rc = conf_value_parse(&conf_keys[key], text, &ignored, err);
    free(text);
    return rc;
}

static int unset(struct conf *c, const char *name, struct err *err)
{
    struct conf_property *p;
    HASH_FIND_STR(c->properties, name, p);
    if (p == NULL)
        return 0;
    HASH_DEL(c->properties, p);
    property_free(p);
    int key = conf_key_find(name);
    if (key >= 0)
        TRY(resolve_default(c, key, err));
    return resolve_all(c, false, err);
}

int conf_adopt(struct conf *c, const struct conf *from, const char *name, struct err *err)
{
    const struct conf_property *p = conf_property_find(from, name);
    if (p == NULL)
        return unset(c, name, err);
    if (property_set(c, p->name, p->value, p->origin, p->final) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory to set %s", name);
    return resolve_all(c, false, err);
}
