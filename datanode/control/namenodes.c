/* namenodes.c - which NameNodes a configuration names, and the order of version texts. Pure. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "datanode/control/internal.h"

enum { DEFAULT_PORT = 8020 };

struct found {
    struct addr *out, *lifelines;
    size_t count;
};

static int add(const char *text, const char *what, struct found *f, struct err *err)
{
    if (f->count == MAX_NAMENODES)
        return fail(err, ERR_CONFIG, "more than %d NameNodes", MAX_NAMENODES);
    TRY(addr_parse(text, DEFAULT_PORT, what, &f->out[f->count], err));
    f->lifelines[f->count++] = (struct addr){0};
    return 0;
}

/* The lifeline of the NameNode that was added last. */
static int add_lifeline(const struct conf *conf, const char *suffix, struct found *f,
                        struct err *err)
{
    char key[512];
    int n = snprintf(key, sizeof(key), "%s%s", conf_name(CONF_nn_lifeline_address), suffix);
    const char *value = n < (int)sizeof(key) ? conf_raw(conf, key) : NULL;
    if (value == NULL || value[0] == '\0')
        return 0;
    return addr_parse(value, 0, key, &f->lifelines[f->count - 1], err);
}

/* The service address of one NameNode, else its RPC address; suffix ".ns.nn", ".ns" or "". */
static int add_configured(const struct conf *conf, const char *suffix, struct found *f,
                          struct err *err)
{
    static const char *const keys[] = {"dfs.namenode.servicerpc-address",
                                       "dfs.namenode.rpc-address"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char key[512];
        int n = snprintf(key, sizeof(key), "%s%s", keys[i], suffix);
        const char *value = n < (int)sizeof(key) ? conf_raw(conf, key) : NULL;
        if (value != NULL && value[0] != '\0') {
            TRY(add(value, key, f, err));
            return add_lifeline(conf, suffix, f, err);
        }
    }
    return 0;
}

static int add_service(const struct conf *conf, const char *service, struct found *f,
                       struct err *err)
{
    char key[512], suffix[512];
    char **names = NULL;
    size_t name_count = 0;
    snprintf(key, sizeof(key), "dfs.ha.namenodes.%s", service);
    const char *value = conf_raw(conf, key);
    if (value == NULL || value[0] == '\0') {
        snprintf(suffix, sizeof(suffix), ".%s", service);
        return add_configured(conf, suffix, f, err);
    }
    int rc = conf_list(value, &names, &name_count);
    for (size_t i = 0; rc == 0 && i < name_count; i++) {
        snprintf(suffix, sizeof(suffix), ".%s.%s", service, names[i]);
        rc = add_configured(conf, suffix, f, err);
    }
    conf_list_free(names, name_count);
    return rc;
}

static int add_default_fs(const struct conf *conf, struct found *f, struct err *err)
{
    const char *fs = conf_str(conf, CONF_default_fs);
    if (strncmp(fs, "hdfs://", 7) != 0)
        return 0;
    char authority[300];
    size_t size = strcspn(fs + 7, "/");
    if (size == 0 || size >= sizeof(authority))
        return fail(err, ERR_CONFIG, "fs.defaultFS: %s has no usable host", fs);
    snprintf(authority, sizeof(authority), "%.*s", (int)size, fs + 7);
    TRY(add(authority, "fs.defaultFS", f, err));
    return add_lifeline(conf, "", f, err);
}

/* The nameservices whose blocks are kept here: those named as internal, else all. */
static int services_of(const struct conf *conf, char ***ret, size_t *ret_count, struct err *err)
{
    char **all = NULL;
    size_t count = 0;
    TRY(conf_list(conf_str(conf, CONF_nameservices), &all, &count));
    if (conf_list(conf_str(conf, CONF_internal_nameservices), ret, ret_count) != 0 ||
        *ret_count == 0) {
        conf_list_free(*ret, *ret_count);
        *ret = all;
        *ret_count = count;
        return 0;
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < *ret_count; i++) {
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known |= strcmp((*ret)[i], all[k]) == 0;
        if (!known)
            rc = fail(err, ERR_CONFIG, "Unknown nameservice: %s", (*ret)[i]);
    }
    conf_list_free(all, count);
    return rc;
}

int namenodes_of(const struct conf *conf, struct addr out[MAX_NAMENODES], size_t *ret_count,
                 struct err *err)
{
    struct addr lifelines[MAX_NAMENODES];
    return namenodes_with_lifelines(conf, out, lifelines, ret_count, err);
}

int namenodes_with_lifelines(const struct conf *conf, struct addr out[MAX_NAMENODES],
                             struct addr lifelines[MAX_NAMENODES], size_t *ret_count,
                             struct err *err)
{
    struct found f = {out, lifelines, 0};
    char **services = NULL;
    size_t service_count = 0;
    int rc = services_of(conf, &services, &service_count, err);
    for (size_t i = 0; rc == 0 && i < service_count; i++)
        rc = add_service(conf, services[i], &f, err);
    conf_list_free(services, service_count);
    TRY(rc);
    if (f.count == 0)
        TRY(add_configured(conf, "", &f, err));
    if (f.count == 0)
        TRY(add_default_fs(conf, &f, err));
    if (f.count == 0)
        return fail(err, ERR_CONFIG,
                    "no NameNode is configured: set dfs.namenode.rpc-address, "
                    "dfs.namenode.servicerpc-address or fs.defaultFS (hdfs://host:port)");
    *ret_count = f.count;
    return 0;
}

/* The number at *at, moved behind it and one dot. */
static unsigned long next_number(const char **at)
{
    char *end = NULL;
    unsigned long value = isdigit((unsigned char)**at) ? strtoul(*at, &end, 10) : 0;
    if (end != NULL)
        *at = end;
    if (**at == '.' && isdigit((unsigned char)(*at)[1]))
        ++*at;
    return value;
}

int version_compare(const char *a, const char *b)
{
    while (isdigit((unsigned char)*a) || isdigit((unsigned char)*b)) {
        unsigned long x = next_number(&a), y = next_number(&b);
        if (x != y)
            return x < y ? -1 : 1;
    }
    if ((*a == '\0') != (*b == '\0'))
        return *a == '\0' ? 1 : -1;
    int order = strcasecmp(a, b);
    return order < 0 ? -1 : order > 0;
}
