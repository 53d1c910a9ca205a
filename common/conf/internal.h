/* internal.h - what the files of common/conf share. */
#pragma once
#include <stddef.h>

#define HASH_NONFATAL_OOM             1
#define HASH_FUNCTION(key, size, out) HASH_FNV(key, size, out) /* no switch that falls through */
#include <uthash.h>

#include "common/base/base.h"
#include "common/conf/conf.h"

enum {
    CONF_MAX_FILE_BYTES = 16 << 20,
    CONF_MAX_ELEMENT_DEPTH = 20,
    CONF_MAX_SUBSTITUTION_DEPTH = 20,
    CONF_MAX_EXPANDED_BYTES = 1 << 20,
};

enum conf_type {
    CONF_TYPE_STR,
    CONF_TYPE_INT,
    CONF_TYPE_SIZE,
    CONF_TYPE_DOUBLE,
    CONF_TYPE_BOOL,
    CONF_TYPE_SEC,
    CONF_TYPE_MS,
    CONF_TYPE_MIN,
};

struct conf_key_info {
    const char *name, *default_value, *help;
    enum conf_type type;
    int64_t min, max;
};
extern const struct conf_key_info conf_keys[CONF_KEY_COUNT];

/* What a source said. */
struct conf_property {
    char *name, *value; /* as written; the name after mapping of aliases */
    char *origin;       /* file, or where else it came from */
    char *expanded;     /* set by resolve; NULL: can't be expanded yet */
    bool final;
    UT_hash_handle hh;
};

/* What a key of the table means now. */
struct conf_value {
    char *text;      /* expanded, "" when unset */
    int64_t integer; /* INT, SIZE; times in ms; BOOL 0 or 1 */
    double real;
    bool set; /* by a source */
};

struct conf {
    struct conf_property *properties; /* uthash by name, in order of appearance */
    struct conf_value values[CONF_KEY_COUNT];
    bool lenient;       /* a value that doesn't fit leaves its key at the default */
    struct buf sources; /* what conf_reload reads: 'd' or 'f', the path, 0; in order */
};

/* One <property> of a file, before it is merged. */
struct conf_entry {
    char *name, *value;
    int line;
    bool final;
};
struct conf_entries {
    struct conf_entry *items;
    size_t count, capacity;
};
void conf_entries_fini(struct conf_entries *e);

/* xml.c: file names the source in errors. */
must_use int conf_xml_parse(const char *file, struct slice text, struct conf_entries *ret,
                            struct err *err);

/* substitute.c: the expansion of value as a C string to be freed. name: whose value it is. */
must_use int conf_expand(const struct conf *c, const char *name, const char *value, char **ret_text,
                         struct err *err);

/* value.c: checks text (trimmed, expanded) against the key's type and range. On failure err says
 * what is wrong with it, without key and file. */
must_use int conf_value_parse(const struct conf_key_info *key, const char *text,
                              struct conf_value *ret, struct err *err);

/* keys.c */
const char *conf_name_current(const char *name); /* maps deprecated names */
int conf_key_find(const char *name);             /* an enum conf_key, or -1 */
bool conf_name_known(const char *name); /* in the table or of a family like dfs.ha.namenodes.<ns> */

/* conf.c */
const struct conf_property *conf_property_find(const struct conf *c, const char *name);
