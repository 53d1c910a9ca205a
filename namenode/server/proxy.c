/* proxy.c - who may act for whom: hadoop.proxyuser.<real>.users|groups|hosts.
 * Thread: a loop's, once a connection. Reads the configuration and the groups only. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/conf.h"
#include "namenode/server/internal.h"

static const char *rule(const struct server *s, const char *real, const char *what)
{
    char name[512];
    int n = snprintf(name, sizeof(name), "hadoop.proxyuser.%s.%s", real, what);
    const char *value = n > 0 && (size_t)n < sizeof(name) ? conf_raw(s->conf, name) : NULL;
    return value != NULL ? value : "";
}

/* Calls match for each item; "*" matches all. */
static bool any_item(const char *list, bool (*match)(const void *ctx, const char *item),
                     const void *ctx)
{
    char **items = NULL;
    size_t count = 0;
    bool found = false;
    if (conf_list(list, &items, &count) != 0)
        return false;
    for (size_t i = 0; i < count && !found; i++)
        found = strcmp(items[i], "*") == 0 || match(ctx, items[i]);
    conf_list_free(items, count);
    return found;
}

static bool is_text(const void *ctx, const char *item)
{
    return strcmp(ctx, item) == 0;
}

static bool is_group(const void *ctx, const char *item)
{
    const struct group_list *groups = ctx;
    for (size_t i = 0; i < groups->count; i++) {
        if (strcmp(groups->names[i], item) == 0)
            return true;
    }
    return false;
}

/* "10.0.0.0/8" */
static bool in_network(const char *host, const char *item)
{
    char base[64];
    const char *slash = strchr(item, '/');
    if (slash == NULL || (size_t)(slash - item) >= sizeof(base))
        return false;
    snprintf(base, sizeof(base), "%.*s", (int)(slash - item), item);
    struct in_addr a, b;
    char *end;
    long bits = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end != '\0' || bits < 0 || bits > 32)
        return false;
    if (inet_pton(AF_INET, base, &a) != 1 || inet_pton(AF_INET, host, &b) != 1)
        return false;
    uint32_t mask = bits == 0 ? 0 : ~UINT32_C(0) << (32 - bits);
    return ((ntohl(a.s_addr) ^ ntohl(b.s_addr)) & mask) == 0;
}

static bool resolves_to(const char *name, const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(name, NULL, &hints, &list) != 0)
        return false;
    bool found = false;
    for (struct addrinfo *a = list; a != NULL && !found; a = a->ai_next) {
        char text[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
            0)
            found = strcmp(text, host) == 0;
    }
    freeaddrinfo(list);
    return found;
}

static bool is_host(const void *ctx, const char *item)
{
    return strcmp(ctx, item) == 0 || in_network(ctx, item) || resolves_to(item, ctx);
}

static bool may_act_for(struct server *s, const char *real, const char *user)
{
    if (any_item(rule(s, real, "users"), is_text, user))
        return true;
    struct arena arena;
    struct group_list groups;
    arena_init(&arena, 0);
    bool may = groups_find(s->groups, user, &arena, &groups) == 0 &&
               any_item(rule(s, real, "groups"), is_group, &groups);
    arena_fini(&arena);
    return may;
}

int proxy_authorize(void *ctx, const char *real, const char *user, const char *host,
                    struct err *err)
{
    struct server *s = ctx;
    if (!may_act_for(s, real, user))
        return fail(err, ERR_AUTHORIZATION, "User: %s is not allowed to impersonate %s", real,
                    user);
    if (!any_item(rule(s, real, "hosts"), is_host, host))
        return fail(err, ERR_AUTHORIZATION,
                    "Unauthorized connection for super-user: %s from IP /%s", real, host);
    return 0;
}
