/* policy_file.c - reads the XML file of `dfs ec -addPolicies` with expat.
 *
 * In: any bytes. Out: policies, or an error with file and line. A file never makes us read other
 * files or grow: entity declarations and deep nesting are errors, and everything has a limit.
 * Policies may name schemas that come later, so they are put together at the end. Thread: any;
 * pure. */
#include <ctype.h>
#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ec/ec.h"
#include "common/base/base.h"

enum {
    SCHEMAS_MAX = 256,
    POLICIES_MAX = 256,
    OPTIONS_MAX = 32,
    TEXT_MAX = 4096,
    LAYOUT = 1,
    ROOT = 1,  /* depths of elements */
    PART = 2,  /* layoutversion, schemas, policies */
    ITEM = 3,  /* schema, policy */
    FIELD = 4, /* k, m, codec, schema, cellsize .. */
};

struct schema {
    const char *id, *codec, *k, *m;
    uint32_t data_units, parity_units;
    const char *options[2 * OPTIONS_MAX];
    size_t option_count;
};

struct wanted {
    const char *schema;
    uint32_t cell_size;
    int line;
};

enum part { PART_OTHER, PART_LAYOUT, PART_SCHEMAS, PART_POLICIES };

struct parse {
    XML_Parser parser;
    const char *file;
    struct err *err;
    int rc;
    struct arena arena;
    int depth;
    enum part part;
    bool has_layout, has_schemas, has_policies;
    char text[TEXT_MAX];
    size_t text_size;
    struct schema schemas[SCHEMAS_MAX];
    size_t schema_count;
    struct wanted wanted[POLICIES_MAX];
    size_t wanted_count;
};

/* ---- errors ---- */

__attribute__((format(printf, 3, 4))) static void refuse(struct parse *p, int code, const char *fmt,
                                                         ...)
{
    char why[512];
    va_list args;
    if (p->rc != 0)
        return;
    va_start(args, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    p->rc = fail(p->err, code, "%s:%d: %s", p->file, (int)XML_GetCurrentLineNumber(p->parser), why);
    (void)XML_StopParser(p->parser, XML_FALSE); /* fails only when it is stopped already */
}

static const char *kept(struct parse *p, const char *text)
{
    const char *copy = arena_strdup(&p->arena, text);
    if (copy == NULL)
        refuse(p, ERR_NO_MEMORY, "no memory");
    return copy == NULL ? "" : copy;
}

/* A whole number as Java reads an int. */
static bool parse_int(const char *text, int64_t *ret)
{
    char *end;
    bool sign = text[0] == '-' || text[0] == '+';
    if (!isdigit((unsigned char)text[sign ? 1 : 0]))
        return false;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || n > INT32_MAX || n < INT32_MIN)
        return false;
    *ret = n;
    return true;
}

/* ---- elements begin ---- */

static void begin_part(struct parse *p, const char *element)
{
    p->part = PART_OTHER;
    if (strcmp(element, "layoutversion") == 0) {
        p->part = PART_LAYOUT;
        p->has_layout = true;
    } else if (strcmp(element, "schemas") == 0) {
        p->part = PART_SCHEMAS;
        p->has_schemas = true;
    } else if (strcmp(element, "policies") == 0) {
        p->part = PART_POLICIES;
        p->has_policies = true;
    }
}

static void begin_schema(struct parse *p, const XML_Char **attributes)
{
    struct schema *s = &p->schemas[p->schema_count];
    if (p->schema_count == SCHEMAS_MAX) {
        refuse(p, ERR_CONFIG, "more than %d schemas", SCHEMAS_MAX);
        return;
    }
    *s = (struct schema){.id = ""};
    for (size_t i = 0; attributes[i] != NULL; i += 2)
        if (strcmp(attributes[i], "id") == 0)
            s->id = kept(p, attributes[i + 1]);
    p->schema_count++;
}

static void begin_policy(struct parse *p)
{
    if (p->wanted_count == POLICIES_MAX) {
        refuse(p, ERR_CONFIG, "more than %d policies", POLICIES_MAX);
        return;
    }
    p->wanted[p->wanted_count++] =
        (struct wanted){.line = (int)XML_GetCurrentLineNumber(p->parser)};
}

static void begin_item(struct parse *p, const char *element, const XML_Char **attributes)
{
    if (p->part == PART_SCHEMAS && strcmp(element, "schema") == 0)
        begin_schema(p, attributes);
    else if (p->part == PART_POLICIES && strcmp(element, "policy") == 0)
        begin_policy(p);
    else if (p->part == PART_SCHEMAS || p->part == PART_POLICIES)
        refuse(p, ERR_CONFIG, "Bad element in EC policy configuration file: %.200s", element);
}

static void on_start(void *context, const XML_Char *element, const XML_Char **attributes)
{
    struct parse *p = context;
    if (p->rc != 0)
        return;
    p->text_size = 0;
    p->depth++;
    if (p->depth == ROOT && strcmp(element, "configuration") != 0)
        refuse(p, ERR_CONFIG,
               "Bad EC policy configuration file: top-level element not <configuration>");
    else if (p->depth == PART)
        begin_part(p, element);
    else if (p->depth == ITEM)
        begin_item(p, element, attributes);
    else if (p->depth > FIELD)
        refuse(p, ERR_CONFIG, "elements are nested too deep: %.200s", element);
}

/* ---- elements end ---- */

static uint32_t units(struct parse *p, const char *name, const char *text)
{
    int64_t n = 0;
    if (text == NULL)
        refuse(p, ERR_ILLEGAL_ARGUMENT, "No good option for numDataUnits or numParityUnits found ");
    else if (!parse_int(text, &n))
        refuse(p, ERR_ILLEGAL_ARGUMENT,
               "Option value %.200s for %s is found. It should be an integer", text, name);
    else if (n <= 0)
        refuse(p, ERR_ILLEGAL_ARGUMENT, "Bad option value %lld found for %s", (long long)n, name);
    return (uint32_t)n;
}

static bool same_options(const struct schema *a, const struct schema *b)
{
    size_t same = 0;
    for (size_t i = 0; i < a->option_count; i++)
        for (size_t n = 0; n < b->option_count; n++)
            same += strcmp(a->options[2 * i], b->options[2 * n]) == 0 &&
                    strcmp(a->options[2 * i + 1], b->options[2 * n + 1]) == 0;
    return a->option_count == b->option_count && same == a->option_count;
}

static bool same_schema(const struct schema *a, const struct schema *b)
{
    return strcmp(a->codec, b->codec) == 0 && a->data_units == b->data_units &&
           a->parity_units == b->parity_units && same_options(a, b);
}

static void end_schema(struct parse *p)
{
    struct schema *s = &p->schemas[p->schema_count - 1];
    if (s->codec == NULL && s->k == NULL && s->m == NULL && s->option_count == 0) {
        refuse(p, ERR_ILLEGAL_ARGUMENT, "No schema options are provided");
        return;
    }
    if (s->codec == NULL || s->codec[0] == '\0') {
        refuse(p, ERR_ILLEGAL_ARGUMENT, "No codec option is provided");
        return;
    }
    s->data_units = units(p, "numDataUnits", s->k);
    s->parity_units = units(p, "numParityUnits", s->m);
    for (struct schema *other = p->schemas; p->rc == 0 && other < s; other++)
        if (same_schema(other, s))
            refuse(p, ERR_CONFIG, "Repetitive schemas in EC policy configuration file: %.200s",
                   s->id);
}

static void add_option(struct parse *p, struct schema *s, const char *name, const char *value)
{
    if (s->option_count == OPTIONS_MAX) {
        refuse(p, ERR_CONFIG, "more than %d options", OPTIONS_MAX);
        return;
    }
    for (size_t i = 0; i < s->option_count; i++)
        if (strcmp(s->options[2 * i], name) == 0) { /* the last one counts */
            s->options[2 * i + 1] = kept(p, value);
            return;
        }
    s->options[2 * s->option_count] = kept(p, name);
    s->options[2 * s->option_count + 1] = kept(p, value);
    s->option_count++;
}

static void schema_field(struct parse *p, const char *name, const char *value)
{
    struct schema *s = &p->schemas[p->schema_count - 1];
    if (strcmp(name, "k") == 0 || strcmp(name, "numDataUnits") == 0)
        s->k = kept(p, value);
    else if (strcmp(name, "m") == 0 || strcmp(name, "numParityUnits") == 0)
        s->m = kept(p, value);
    else if (strcmp(name, "codec") == 0)
        s->codec = kept(p, value);
    else
        add_option(p, s, name, value);
}

static void policy_field(struct parse *p, const char *name, const char *value)
{
    struct wanted *w = &p->wanted[p->wanted_count - 1];
    int64_t n = 0;
    if (strcmp(name, "schema") == 0) {
        w->schema = kept(p, value);
    } else if (strcmp(name, "cellsize") == 0) {
        if (!parse_int(value, &n))
            refuse(p, ERR_ILLEGAL_ARGUMENT,
                   "Bad EC policy cellsize value %.200s is found. It should be an integer", value);
        else if (n > 0 && n % 1024 != 0)
            refuse(p, ERR_ILLEGAL_ARGUMENT, "cellSize must be 1024 aligned");
        w->cell_size = n > 0 ? (uint32_t)n : 0;
    }
}

static void end_layout(struct parse *p, const char *value)
{
    int64_t n = 0;
    if (p->text_size == 0)
        refuse(p, ERR_ILLEGAL_ARGUMENT, "Value of <layoutVersion> is null");
    else if (!parse_int(value, &n))
        refuse(p, ERR_ILLEGAL_ARGUMENT,
               "Bad layoutVersion value %.200s is found. It should be an integer", value);
    else if (n != LAYOUT)
        refuse(p, ERR_CONFIG, "The parse failed because of bad layoutversion value");
}

/* The text so far without blanks around it. */
static const char *trimmed(struct parse *p)
{
    char *text = p->text;
    size_t size = p->text_size;
    while (size > 0 && (unsigned char)text[size - 1] <= ' ')
        size--;
    text[size] = '\0';
    while ((unsigned char)*text <= ' ' && *text != '\0')
        text++;
    return text;
}

static void on_end(void *context, const XML_Char *element)
{
    struct parse *p = context;
    if (p->rc != 0)
        return;
    const char *value = trimmed(p);
    bool in_list = p->part == PART_SCHEMAS || p->part == PART_POLICIES;
    if (p->depth == PART && p->part == PART_LAYOUT)
        end_layout(p, value);
    else if (p->depth == ITEM && p->part == PART_SCHEMAS)
        end_schema(p);
    else if (p->depth == FIELD && in_list && p->text_size == 0)
        refuse(p, ERR_ILLEGAL_ARGUMENT, "Value of <%.200s> is null", element);
    else if (p->depth == FIELD && p->part == PART_SCHEMAS)
        schema_field(p, element, value);
    else if (p->depth == FIELD && p->part == PART_POLICIES)
        policy_field(p, element, value);
    p->depth--;
    p->text_size = 0;
}

static void on_text(void *context, const XML_Char *text, int size)
{
    struct parse *p = context;
    if (p->rc != 0)
        return;
    if ((size_t)size >= TEXT_MAX - p->text_size) {
        refuse(p, ERR_CONFIG, "a value has more than %d bytes", TEXT_MAX - 1);
        return;
    }
    memcpy(p->text + p->text_size, text, (size_t)size);
    p->text_size += (size_t)size;
}

static void on_entity(void *context, const XML_Char *name, int is_parameter, const XML_Char *value,
                      int size, const XML_Char *base, const XML_Char *system,
                      const XML_Char *public_id, const XML_Char *notation)
{
    (void)name;
    (void)is_parameter;
    (void)value;
    (void)size;
    (void)base;
    (void)system;
    (void)public_id;
    (void)notation;
    refuse(context, ERR_CONFIG, "entity declarations are refused");
}

/* ---- the whole ---- */

static bool fill(const struct schema *s, uint32_t cell_size, struct dfs_ec_policy *ret)
{
    *ret = (struct dfs_ec_policy){.data_units = s->data_units,
                                  .parity_units = s->parity_units,
                                  .cell_size = cell_size,
                                  .id = -1,
                                  .codec = strdup(s->codec),
                                  .options = calloc(2 * s->option_count + 1, sizeof(char *))};
    if (ret->codec == NULL || ret->options == NULL ||
        asprintf(&ret->name, "%s-%u-%u-%uk", s->codec, s->data_units, s->parity_units,
                 cell_size / 1024) < 0)
        return false;
    for (size_t i = 0; s->codec[i] != '\0'; i++)
        ret->name[i] = (char)toupper((unsigned char)ret->name[i]);
    ret->option_count = s->option_count;
    for (size_t i = 0; i < 2 * s->option_count; i++)
        if ((ret->options[i] = strdup(s->options[i])) == NULL)
            return false;
    return true;
}

static const struct schema *find_schema(const struct parse *p, const char *id)
{
    for (size_t i = p->schema_count; id != NULL && i > 0; i--)
        if (strcmp(p->schemas[i - 1].id, id) == 0)
            return &p->schemas[i - 1];
    return NULL;
}

/* The same once more is passed over, as Hadoop does. */
static bool is_repeated(const struct parse *p, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (p->wanted[i].cell_size == p->wanted[at].cell_size &&
            find_schema(p, p->wanted[i].schema) == find_schema(p, p->wanted[at].schema))
            return true;
    return false;
}

static int put_together(struct parse *p, struct dfs_ec_policies *ret)
{
    ret->items = calloc(p->wanted_count + 1, sizeof(*ret->items));
    if (ret->items == NULL)
        return fail(p->err, ERR_NO_MEMORY, "no memory");
    for (size_t i = 0; i < p->wanted_count; i++) {
        const struct wanted *w = &p->wanted[i];
        const struct schema *s = find_schema(p, w->schema);
        if (s == NULL || w->cell_size == 0)
            return fail(p->err, ERR_CONFIG,
                        "%s:%d: Bad policy is found in EC policy configuration file: %s", p->file,
                        w->line, s == NULL ? "there is no such schema" : "it has no cellsize");
        if (!is_repeated(p, i) && !fill(s, w->cell_size, &ret->items[ret->count++]))
            return fail(p->err, ERR_NO_MEMORY, "no memory");
    }
    return 0;
}

static int check_parts(struct parse *p)
{
    const char *missing = !p->has_layout     ? "layoutVersion"
                          : !p->has_schemas  ? "schemas"
                          : !p->has_policies ? "policies"
                                             : NULL;
    return missing == NULL
               ? 0
               : fail(p->err, ERR_CONFIG, "%s: Bad EC policy configuration file: no <%s> element",
                      p->file, missing);
}

static int run(struct parse *p, const void *data, size_t size)
{
    if (size > INT32_MAX)
        return fail(p->err, ERR_CONFIG, "%s: the file is too large", p->file);
    XML_SetUserData(p->parser, p);
    XML_SetElementHandler(p->parser, on_start, on_end);
    XML_SetCharacterDataHandler(p->parser, on_text);
    XML_SetEntityDeclHandler(p->parser, on_entity);
    enum XML_Status status = XML_Parse(p->parser, data, (int)size, XML_TRUE);
    if (p->rc != 0)
        return p->rc;
    if (status != XML_STATUS_OK)
        return fail(p->err, ERR_CONFIG, "%s:%d: %s", p->file,
                    (int)XML_GetCurrentLineNumber(p->parser),
                    XML_ErrorString(XML_GetErrorCode(p->parser)));
    return check_parts(p);
}

int policy_file_parse(const char *name, const void *data, size_t size, struct dfs_ec_policies *ret,
                      struct err *err)
{
    struct parse *p = calloc(1, sizeof(*p));
    struct dfs_ec_policies all = {0};
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory");
    p->file = name;
    p->err = err;
    arena_init(&p->arena, 0);
    p->parser = XML_ParserCreate(NULL);
    int rc = p->parser == NULL ? fail(err, ERR_NO_MEMORY, "no memory") : run(p, data, size);
    if (rc == 0)
        rc = put_together(p, &all);
    if (rc == 0)
        *ret = all;
    else
        dfs_ec_policies_free(&all);
    if (p->parser != NULL)
        XML_ParserFree(p->parser);
    arena_fini(&p->arena);
    free(p);
    return rc;
}
