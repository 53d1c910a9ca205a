/* conf.h - Hadoop's configuration. Door of common/conf.
 * Sources in order, later ones win unless a property is final: defaults of keys.def, core-site.xml,
 * hdfs-site.xml of HADOOP_CONF_DIR (or a given folder), then single settings (command line -D
 * key=value). Values are expanded (${key}, ${env.NAME}, ${env.NAME:-default}, depth 20) and known
 * keys are checked when a source is added: an ill-typed or out-of-range value is an error that
 * names key, value and file. So typed getters can't fail. Immutable after loading; then
 * thread-safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/conf/keys.def"

enum conf_key {
#define K(id, name, type, def, min, max, help) CONF_##id,
    CONF_KEYS(K)
#undef K
        CONF_KEY_COUNT
};

struct conf;

/* Defaults only. NULL: no memory. */
struct conf *conf_new(void);
void conf_free(struct conf *c);
struct conf *conf_copy(const struct conf *c);
/* Reads one XML file of <configuration>. A missing file is an error here. */
must_use int conf_add_file(struct conf *c, const char *path, struct err *err);
/* The same for text that is in memory; name stands for the file in errors. */
must_use int conf_add_text(struct conf *c, const char *name, const void *text, size_t size,
                           struct err *err);
/* core-site.xml and hdfs-site.xml of dir, each if there; dir NULL: $HADOOP_CONF_DIR if set, else
 * /etc/hadoop/conf if there, else nothing. A dir that is named but missing is an error. */
must_use int conf_add_dir(struct conf *c, const char *dir, struct err *err);
/* One property, name as in Hadoop (deprecated aliases are mapped). Overrides even final ones. */
must_use int conf_set(struct conf *c, const char *name, const char *value, struct err *err);
/* "name=value", as of -D. */
must_use int conf_set_pair(struct conf *c, const char *pair, struct err *err);
/* Checks everything again as a whole after the last source (references between keys resolve now).
 */
must_use int conf_finish(struct conf *c, struct err *err);

/* What the same files say now, with the same single settings over it. Values of the wrong type are
 * kept as text, their keys have their default: conf_check tells. The texts of conf_add_text aren't
 * there to be read again. */
must_use int conf_reload(const struct conf *c, struct conf **ret, struct err *err);
/* Does the property's value fit its key? */
must_use int conf_check(const struct conf *c, const char *name, struct err *err);
/* The property as `from` has it, or hasn't; also where it came from, so the next conf_reload reads
 * it from there. */
must_use int conf_adopt(struct conf *c, const struct conf *from, const char *name, struct err *err);

/* Typed getters for keys of the table. Times are in ms whatever the key's own unit is; sizes in
 * bytes. Strings are "" when unset. */
const char *conf_str(const struct conf *c, enum conf_key key);
int64_t conf_int(const struct conf *c, enum conf_key key);
int64_t conf_size(const struct conf *c, enum conf_key key);
int64_t conf_ms(const struct conf *c, enum conf_key key);
double conf_double(const struct conf *c, enum conf_key key);
bool conf_bool(const struct conf *c, enum conf_key key);
bool conf_is_set(const struct conf *c, enum conf_key key); /* by a source, not by default */
/* Any property by name, expanded; NULL if unset and without default. For keys with a nameservice
 * suffix. */
const char *conf_raw(const struct conf *c, const char *name);
/* Comma list, trimmed, empty items dropped; returns the count, *ret_items to be freed with
 * conf_list_free. */
must_use int conf_list(const char *value, char ***ret_items, size_t *ret_count);
void conf_list_free(char **items, size_t count);
/* Every property of the sources, its value expanded as far as can be. */
void conf_each(const struct conf *c, void (*cb)(void *ctx, const char *name, const char *value),
               void *ctx);
/* Calls back for each property of the sources that nobody honours: neither in keys.def nor of a
 * family like hadoop.proxyuser.<user>.groups, nor referred to by another one. */
void conf_unknown(const struct conf *c, void (*cb)(void *ctx, const char *name, const char *file),
                  void *ctx);
/* Names these in the log, one line each. For servers, once at start. */
void conf_log_unknown(const struct conf *c);
/* The key's name and the help of the table. */
const char *conf_name(enum conf_key key);
const char *conf_help(enum conf_key key);
