/* keys.c - the tables of keys and of their old names. Thread: any; constant. */
#include <string.h>

#include "common/conf/aliases.def"
#include "common/conf/internal.h"

const struct conf_key_info conf_keys[CONF_KEY_COUNT] = {
#define K(id, key_name, key_type, def, low, high, text) \
    [CONF_##id] = {.name = (key_name),                  \
                   .default_value = (def),              \
                   .help = (text),                      \
                   .type = CONF_TYPE_##key_type,        \
                   .min = (low),                        \
                   .max = (high)},
    CONF_KEYS(K)
#undef K
};

static const struct {
    const char *old, *now;
} aliases[] = {
#define A(old_name, new_name) {(old_name), (new_name)},
    CONF_ALIASES(A)
#undef A
};

const char *conf_name_current(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        if (strcmp(aliases[i].old, name) == 0)
            return aliases[i].now;
    return name;
}

int conf_key_find(const char *name)
{
    for (int i = 0; i < CONF_KEY_COUNT; i++)
        if (strcmp(conf_keys[i].name, name) == 0)
            return i;
    return -1;
}

bool conf_name_known(const char *name)
{
    static const char *const families[] = {
        "dfs.ha.namenodes.",
        "dfs.namenode.rpc-address.",
        "dfs.namenode.servicerpc-address.",
        "hadoop.proxyuser.",
    };
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (strncmp(families[i], name, strlen(families[i])) == 0)
            return true;
    return conf_key_find(name) >= 0;
}

const char *conf_name(enum conf_key key)
{
    return conf_keys[key].name;
}

const char *conf_help(enum conf_key key)
{
    return conf_keys[key].help;
}
