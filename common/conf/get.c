/* get.c - how the rest of the program asks. Thread: any, after conf_finish; nothing here can fail
 * but for memory. */
#include <stdlib.h>
#include <string.h>

#include "common/conf/internal.h"
#include "common/obs/obs.h"

const char *conf_str(const struct conf *c, enum conf_key key)
{
    return c->values[key].text;
}

int64_t conf_int(const struct conf *c, enum conf_key key)
{
    CHECK(conf_keys[key].type == CONF_TYPE_INT);
    return c->values[key].integer;
}

int64_t conf_size(const struct conf *c, enum conf_key key)
{
    CHECK(conf_keys[key].type == CONF_TYPE_SIZE || conf_keys[key].type == CONF_TYPE_INT);
    return c->values[key].integer;
}

int64_t conf_ms(const struct conf *c, enum conf_key key)
{
    CHECK(conf_keys[key].type >= CONF_TYPE_SEC);
    return c->values[key].integer;
}

double conf_double(const struct conf *c, enum conf_key key)
{
    CHECK(conf_keys[key].type == CONF_TYPE_DOUBLE);
    return c->values[key].real;
}

bool conf_bool(const struct conf *c, enum conf_key key)
{
    CHECK(conf_keys[key].type == CONF_TYPE_BOOL);
    return c->values[key].integer != 0;
}

bool conf_is_set(const struct conf *c, enum conf_key key)
{
    return c->values[key].set;
}

const char *conf_raw(const struct conf *c, const char *name)
{
    const char *now = conf_name_current(name);
    const struct conf_property *p = conf_property_find(c, now);
    if (p != NULL)
        return p->expanded != NULL ? p->expanded : p->value;
    int key = conf_key_find(now);
    if (key < 0 || c->values[key].text[0] == '\0')
        return NULL;
    return c->values[key].text;
}

/* Whether ${name} is in some value: then the property has an effect. */
static bool is_referred_to(const struct conf *c, const char *name)
{
    size_t size = strlen(name);
    for (const struct conf_property *p = c->properties; p != NULL; p = p->hh.next) {
        for (const char *at = p->value; (at = strstr(at, "${")) != NULL;) {
            at += 2;
            if (strncmp(at, name, size) == 0 && at[size] == '}')
                return true;
        }
    }
    return false;
}

void conf_unknown(const struct conf *c, void (*cb)(void *ctx, const char *name, const char *file),
                  void *ctx)
{
    for (const struct conf_property *p = c->properties; p != NULL; p = p->hh.next)
        if (!conf_name_known(p->name) && !is_referred_to(c, p->name))
            cb(ctx, p->name, p->origin);
}

void conf_each(const struct conf *c, void (*cb)(void *ctx, const char *name, const char *value),
               void *ctx)
{
    for (const struct conf_property *p = c->properties; p != NULL; p = p->hh.next)
        cb(ctx, p->name, p->expanded != NULL ? p->expanded : p->value);
}

static void log_unknown(void *ctx, const char *name, const char *file)
{
    (void)ctx;
    log_warn("a configuration key is not honoured key=%s file=%s", log_quote(name),
             log_quote(file));
}

void conf_log_unknown(const struct conf *c)
{
    conf_unknown(c, log_unknown, NULL);
}

/* The next item of a comma list without the blanks around it; false: no more. */
static bool next_item(const char **at, struct slice *ret)
{
    static const char blanks[] = " \t\r\n";
    while (**at != '\0') {
        const char *start = *at + strspn(*at, blanks);
        const char *end = start + strcspn(start, ",");
        *at = end + (*end == ',');
        while (end > start && strchr(blanks, end[-1]) != NULL)
            end--;
        if (end > start) {
            *ret = (struct slice){(const uint8_t *)start, (size_t)(end - start)};
            return true;
        }
    }
    return false;
}

int conf_list(const char *value, char ***ret_items, size_t *ret_count)
{
    size_t count = 0, filled = 0;
    struct slice item;
    for (const char *at = value; next_item(&at, &item);)
        count++;
    char **items = calloc(count + 1, sizeof(*items));
    if (items == NULL)
        return ERR_NO_MEMORY;
    for (const char *at = value; next_item(&at, &item);) {
        items[filled] = strndup((const char *)item.data, item.size);
        if (items[filled] == NULL) {
            conf_list_free(items, filled);
            return ERR_NO_MEMORY;
        }
        filled++;
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

void conf_list_free(char **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i]);
    free(items);
}
