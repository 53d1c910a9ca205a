/* xml.c - reads <configuration> files with expat. Thread: any; pure.
 * A configuration never makes us read other files or grow: entity declarations, XInclude and deep
 * nesting are errors, external DTDs aren't read. Unknown elements inside a property (description,
 * source, tag) are skipped. */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/internal.h"

enum field { FIELD_NONE, FIELD_NAME, FIELD_VALUE, FIELD_FINAL };

struct parse {
    XML_Parser parser;
    const char *file;
    struct conf_entries *entries;
    struct err *err;
    int rc;
    int depth;
    bool in_property;
    enum field field; /* of the open element, at depth 3 */
    struct buf text;
    struct conf_entry entry; /* being read */
};

void conf_entries_fini(struct conf_entries *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free(e->items[i].name);
        free(e->items[i].value);
    }
    free(e->items);
    *e = (struct conf_entries){0};
}

static int line_of(const struct parse *p)
{
    return (int)XML_GetCurrentLineNumber(p->parser);
}

/* Remembers the first error and ends the parsing. */
static void refuse(struct parse *p, int code, const char *why)
{
    if (p->rc != 0)
        return;
    p->rc = fail(p->err, code, "%s:%d: %s", p->file, line_of(p), why);
    (void)XML_StopParser(p->parser, XML_FALSE); /* fails only when it is stopped already */
}

static void entry_fini(struct conf_entry *e)
{
    free(e->name);
    free(e->value);
    *e = (struct conf_entry){0};
}

static char *dup_trimmed(const char *text, size_t size)
{
    while (size > 0 && strchr(" \t\r\n", text[0]) != NULL) {
        text++;
        size--;
    }
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        size--;
    return size == 0 ? strdup("") : strndup(text, size); /* text may be NULL then */
}

static void set_field(struct parse *p, enum field field, const char *text, size_t size)
{
    char *copy = dup_trimmed(text, size);
    if (copy == NULL) {
        refuse(p, ERR_NO_MEMORY, "no memory");
        return;
    }
    if (field == FIELD_FINAL) {
        p->entry.final = strcmp(copy, "true") == 0;
        free(copy);
        return;
    }
    char **place = field == FIELD_NAME ? &p->entry.name : &p->entry.value;
    free(*place);
    *place = copy;
}

static enum field field_of(const char *element)
{
    return strcmp(element, "name") == 0    ? FIELD_NAME
           : strcmp(element, "value") == 0 ? FIELD_VALUE
           : strcmp(element, "final") == 0 ? FIELD_FINAL
                                           : FIELD_NONE;
}

static void start_property(struct parse *p, const XML_Char **attributes)
{
    p->in_property = true;
    p->entry.line = line_of(p);
    for (size_t i = 0; p->rc == 0 && attributes[i] != NULL; i += 2) {
        enum field field = field_of(attributes[i]);
        if (field != FIELD_NONE)
            set_field(p, field, attributes[i + 1], strlen(attributes[i + 1]));
    }
}

static void on_start(void *context, const XML_Char *element, const XML_Char **attributes)
{
    struct parse *p = context;
    if (p->rc != 0)
        return;
    const char *colon = strrchr(element, ':');
    if (strcmp(colon != NULL ? colon + 1 : element, "include") == 0) {
        refuse(p, ERR_CONFIG, "XInclude is not supported");
        return;
    }
    if (++p->depth > CONF_MAX_ELEMENT_DEPTH) {
        refuse(p, ERR_CONFIG, "elements are nested too deep");
        return;
    }
    if (p->depth == 1 && strcmp(element, "configuration") != 0)
        refuse(p, ERR_CONFIG, "the outermost element is not <configuration>");
    else if (p->depth == 2 && strcmp(element, "property") == 0)
        start_property(p, attributes);
    else if (p->depth == 3 && p->in_property) {
        p->field = field_of(element);
        buf_clear(&p->text);
    }
}

static void add_entry(struct parse *p)
{
    struct conf_entries *all = p->entries;
    if (p->entry.name == NULL || p->entry.name[0] == '\0') {
        refuse(p, ERR_CONFIG, "a property has no name");
        return;
    }
    if (p->entry.value == NULL) { /* Hadoop passes over a property without a value */
        entry_fini(&p->entry);
        return;
    }
    if (all->count == all->capacity) {
        size_t capacity = all->capacity == 0 ? 64 : all->capacity * 2;
        struct conf_entry *grown = realloc(all->items, capacity * sizeof(*grown));
        if (grown == NULL) {
            refuse(p, ERR_NO_MEMORY, "no memory");
            return;
        }
        all->items = grown;
        all->capacity = capacity;
    }
    all->items[all->count++] = p->entry;
    p->entry = (struct conf_entry){0};
}

static void on_end(void *context, const XML_Char *element)
{
    struct parse *p = context;
    (void)element; /* expat has checked that it matches */
    if (p->rc != 0)
        return;
    if (p->depth == 3 && p->field != FIELD_NONE) {
        set_field(p, p->field, (const char *)buf_head(&p->text), buf_size(&p->text));
        p->field = FIELD_NONE;
    } else if (p->depth == 2 && p->in_property) {
        p->in_property = false;
        add_entry(p);
    }
    p->depth--;
}

static void on_text(void *context, const XML_Char *text, int size)
{
    struct parse *p = context;
    if (p->rc == 0 && p->field != FIELD_NONE && buf_append(&p->text, text, (size_t)size) != 0)
        refuse(p, ERR_NO_MEMORY, "no memory");
}

static void on_entity(void *context, const XML_Char *name, int is_parameter, const XML_Char *value,
                      int value_length, const XML_Char *base, const XML_Char *system_id,
                      const XML_Char *public_id, const XML_Char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)value_length;
    (void)base, (void)system_id, (void)public_id, (void)notation;
    refuse(context, ERR_CONFIG, "entities are not allowed");
}

static void on_skipped(void *context, const XML_Char *name, int is_parameter)
{
    (void)name, (void)is_parameter;
    refuse(context, ERR_CONFIG, "entities are not allowed");
}

static int run(struct parse *p, struct slice text)
{
    XML_SetUserData(p->parser, p);
    XML_SetElementHandler(p->parser, on_start, on_end);
    XML_SetCharacterDataHandler(p->parser, on_text);
    XML_SetEntityDeclHandler(p->parser, on_entity);
    XML_SetSkippedEntityHandler(p->parser, on_skipped);
    enum XML_Status status =
        XML_Parse(p->parser, (const char *)text.data, (int)text.size, XML_TRUE);
    if (status != XML_STATUS_OK && p->rc == 0)
        p->rc = fail(p->err, ERR_CONFIG, "%s:%d: %s", p->file, line_of(p),
                     XML_ErrorString(XML_GetErrorCode(p->parser)));
    return p->rc;
}

int conf_xml_parse(const char *file, struct slice text, struct conf_entries *ret, struct err *err)
{
    if (text.size > CONF_MAX_FILE_BYTES)
        return fail(err, ERR_CONFIG, "%s is larger than %d bytes", file, CONF_MAX_FILE_BYTES);
    struct conf_entries entries = {0};
    struct parse p = {.file = file, .entries = &entries, .err = err};
    p.parser = XML_ParserCreate(NULL);
    if (p.parser == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to read %s", file);
    int rc = run(&p, text);
    XML_ParserFree(p.parser);
    buf_fini(&p.text);
    entry_fini(&p.entry);
    if (rc == 0)
        *ret = entries;
    else
        conf_entries_fini(&entries);
    return rc;
}
