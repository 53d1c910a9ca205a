/* json.c - lists of hosts as JSON. See hosts.h. Pure.
 * Each object is read for itself: so both forms are one, and an error has a line. */
#include <jansson.h>
#include <stdlib.h>

#include "namenode/hosts/internal.h"

/* A place in the file. */
struct place {
    struct slice text;
    const char *file;
    size_t at, line;
};

static const char *const admin_names[] = {
    [ADMIN_NORMAL] = "NORMAL",
    [ADMIN_DECOMMISSION_IN_PROGRESS] = "DECOMMISSION_INPROGRESS",
    [ADMIN_DECOMMISSIONED] = "DECOMMISSIONED",
    [ADMIN_ENTERING_MAINTENANCE] = "ENTERING_MAINTENANCE",
    [ADMIN_IN_MAINTENANCE] = "IN_MAINTENANCE",
};

static int bad_value(const struct place *p, const char *field, const json_t *value, struct err *err)
{
    char text[SHOWN_MAX + 1], *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    struct slice bytes = slice_of(dump != NULL ? dump : "");
    int rc = fail(err, ERR_CONFIG, "%s, line %zu: %s can't be %s", p->file, p->line, field,
                  shown(text, bytes));
    free(dump);
    return rc;
}

static int take_state(const char *name, struct entry *e)
{
    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(admin_names); i++)
        if (strcmp(name, admin_names[i]) == 0) {
            e->wish = (uint8_t)i;
            return 0;
        }
    return ERR_CONFIG;
}

/* Nonzero: the value isn't one for that field. */
static int take_field(const char *field, const json_t *value, struct entry *e)
{
    if (strcmp(field, "hostName") == 0) {
        if (!json_is_string(value) ||
            host_check((struct slice){(const uint8_t *)json_string_value(value),
                                      json_string_length(value)}) != 0)
            return ERR_CONFIG;
        e->name = strdup(json_string_value(value));
        return e->name == NULL ? ERR_NO_MEMORY : 0;
    }
    if (strcmp(field, "port") == 0) {
        json_int_t port = json_integer_value(value);
        e->port = (uint32_t)port;
        return json_is_integer(value) && port >= 0 && port <= UINT16_MAX ? 0 : ERR_CONFIG;
    }
    if (strcmp(field, "upgradeDomain") == 0) {
        if (json_is_null(value))
            return 0;
        if (!json_is_string(value) || json_string_length(value) > NODE_TEXT_MAX)
            return ERR_CONFIG;
        e->upgrade_domain = strdup(json_string_value(value));
        return e->upgrade_domain == NULL ? ERR_NO_MEMORY : 0;
    }
    if (strcmp(field, "adminState") == 0)
        return take_state(json_string_value(value), e);
    e->maintenance_until_ms = json_integer_value(value);
    return json_is_integer(value) ? 0 : ERR_CONFIG;
}

static bool is_field(const char *field)
{
    static const char *const fields[] = {"hostName", "port", "upgradeDomain", "adminState",
                                         "maintenanceExpireTimeInMS"};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(field, fields[i]) == 0)
            return true;
    return false;
}

static int take_object(struct hosts *h, json_t *object, const struct place *p, struct err *err)
{
    struct entry e = {.includes = true, .wish = ADMIN_NORMAL, .maintenance_until_ms = INT64_MAX};
    const char *field;
    json_t *value;
    char text[SHOWN_MAX + 1];
    int rc = 0;
    json_object_foreach(object, field, value)
    {
        if (rc != 0)
            continue;
        if (!is_field(field))
            rc = fail(err, ERR_CONFIG, "%s, line %zu: there is no field \"%s\"", p->file, p->line,
                      shown(text, slice_of(field)));
        else if ((rc = take_field(field, value, &e)) != 0)
            rc = rc == ERR_NO_MEMORY ? rc : bad_value(p, field, value, err);
    }
    if (rc == 0 && e.name == NULL)
        rc = fail(err, ERR_CONFIG, "%s, line %zu: an object without hostName", p->file, p->line);
    if (rc != 0) {
        free(e.name);
        free(e.upgrade_domain);
    } else {
        rc = entry_add(h, &e);
    }
    return rc != ERR_NO_MEMORY ? rc
                               : fail(err, ERR_NO_MEMORY, "%s, line %zu: no memory for more hosts",
                                      p->file, p->line);
}

/* The next character that isn't white space; 0: the end. */
static uint8_t peek(struct place *p)
{
    for (; p->at < p->text.size; p->at++) {
        uint8_t c = p->text.data[p->at];
        if (c == '\n')
            p->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return c;
    }
    return 0;
}

static int unexpected(const struct place *p, const char *wanted, struct err *err)
{
    char text[SHOWN_MAX + 1];
    size_t left = p->text.size - p->at;
    if (left == 0)
        return fail(err, ERR_CONFIG, "%s, line %zu: the file ends where %s is expected", p->file,
                    p->line, wanted);
    struct slice rest = {p->text.data + p->at, left < 16 ? left : 16};
    return fail(err, ERR_CONFIG, "%s, line %zu: \"%s\" where %s is expected", p->file, p->line,
                shown(text, rest), wanted);
}

static int next_object(struct hosts *h, struct place *p, struct err *err)
{
    if (peek(p) != '{')
        return unexpected(p, "an object", err);
    json_error_t why;
    json_t *object = json_loadb((const char *)p->text.data + p->at, p->text.size - p->at,
                                JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &why);
    if (object == NULL)
        return fail(err, ERR_CONFIG, "%s, line %zu: %s", p->file, p->line + (size_t)why.line - 1,
                    why.text);
    int rc = take_object(h, object, p, err);
    json_decref(object);
    size_t end = p->at + (size_t)why.position;
    for (; p->at < end && p->at < p->text.size; p->at++)
        p->line += p->text.data[p->at] == '\n';
    return rc;
}

static int array(struct hosts *h, struct place *p, struct err *err)
{
    p->at++; /* the bracket */
    for (bool first = true; peek(p) != ']'; first = false) {
        if (!first && peek(p) != ',')
            return unexpected(p, "a comma or ]", err);
        p->at += !first;
        TRY(next_object(h, p, err));
    }
    p->at++;
    return peek(p) == 0 ? 0 : unexpected(p, "the end", err);
}

int hosts_add_json(struct hosts *h, struct slice text, const char *file, struct err *err)
{
    struct place p = {.text = text, .file = file, .line = 1};
    if (peek(&p) == '[')
        return array(h, &p, err);
    while (peek(&p) != 0 || p.at < text.size)
        TRY(next_object(h, &p, err));
    return 0;
}
