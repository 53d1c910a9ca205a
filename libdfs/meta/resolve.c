/* resolve.c - from an URL or the configuration to the addresses of NameNodes.
 * A nameservice (dfs.nameservices) has one address, or with dfs.ha.namenodes.<ns> several, of which
 * one is active. Thread: any. Pure but for the configuration that it reads. */
#include <stdio.h>
#include <strings.h>

#include "libdfs/meta/meta.h"

static const char scheme[] = "hdfs://";

static bool list_has(const char *list, const char *item)
{
    char **items;
    size_t count;
    if (list == NULL || conf_list(list, &items, &count) != 0)
        return false;
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(items[i], item) == 0;
    conf_list_free(items, count);
    return found;
}

static int add_address(const struct conf *conf, const char *key, const char *id,
                       struct meta_addresses *a, struct err *err)
{
    const char *value = conf_raw(conf, key);
    if (value == NULL || value[0] == '\0')
        return fail(err, ERR_CONFIG, "%s is not set, but nameservice %s needs it", key,
                    a->authority);
    if (a->count == META_MAX_NAMENODES)
        return fail(err, ERR_CONFIG, "nameservice %s has more than %d NameNodes", a->authority,
                    META_MAX_NAMENODES);
    TRY(addr_parse(value, META_DEFAULT_PORT, key, &a->items[a->count], err));
    snprintf(a->ids[a->count], sizeof(a->ids[0]), "%s", id);
    a->count++;
    return 0;
}

static int add_nameservice(const struct conf *conf, struct meta_addresses *a, struct err *err)
{
    char key[512];
    snprintf(key, sizeof(key), "dfs.ha.namenodes.%s", a->authority);
    const char *list = conf_raw(conf, key);
    a->logical = true;
    if (list == NULL || list[0] == '\0') {
        snprintf(key, sizeof(key), "dfs.namenode.rpc-address.%s", a->authority);
        return add_address(conf, key, "", a, err);
    }
    char **ids;
    size_t count;
    TRY(conf_list(list, &ids, &count));
    int rc = count > 0 ? 0 : fail(err, ERR_CONFIG, "%s names no NameNode", key);
    for (size_t i = 0; i < count && rc == 0; i++) {
        snprintf(key, sizeof(key), "dfs.namenode.rpc-address.%s.%s", a->authority, ids[i]);
        rc = add_address(conf, key, ids[i], a, err);
    }
    conf_list_free(ids, count);
    return rc;
}

int meta_resolve(const struct conf *conf, const char *url, struct meta_addresses *ret,
                 struct err *err)
{
    if (url == NULL)
        url = conf_str(conf, CONF_default_fs);
    if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
        return fail(err, ERR_CONFIG, "%s is not a URL of HDFS (hdfs://host:port)", url);
    const char *host = url + sizeof(scheme) - 1;
    size_t size = strcspn(host, "/?#");
    struct meta_addresses a = {0};
    if (size == 0 || size >= sizeof(a.authority))
        return fail(err, ERR_CONFIG, "%s names no host", url);
    memcpy(a.authority, host, size);
    if (list_has(conf_raw(conf, "dfs.nameservices"), a.authority)) {
        TRY(add_nameservice(conf, &a, err));
    } else {
        TRY(addr_parse(a.authority, META_DEFAULT_PORT, "file system URL", &a.items[0], err));
        a.count = 1;
        bool v6 = strchr(a.items[0].host, ':') != NULL;
        snprintf(a.authority, sizeof(a.authority), v6 ? "[%s]:%u" : "%s:%u", a.items[0].host,
                 a.items[0].port);
    }
    *ret = a;
    return 0;
}

bool meta_same_authority(const struct meta_addresses *a, const char *authority, size_t size)
{
    char text[sizeof(a->authority)];
    if (size == 0)
        return true; /* hdfs:///path means the default file system */
    if (size >= sizeof(text))
        return false;
    memcpy(text, authority, size);
    text[size] = '\0';
    if (strcasecmp(text, a->authority) == 0)
        return true;
    struct addr other;
    if (a->logical || addr_parse(text, META_DEFAULT_PORT, "URL", &other, NULL) != 0)
        return false;
    return other.port == a->items[0].port && strcasecmp(other.host, a->items[0].host) == 0;
}
