/* proxy.c - users: who may act for whom (hadoop.proxyuser.<real>.users|groups|hosts), and the small
 * protocols about them: their groups, and refreshing what is remembered of them.
 * Thread: a loop's; a worker's where NSS may block. Touches the configuration and the groups only,
 * no state of the namespace. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/conf.h"
#include "namenode/server/internal.h"
#include "users.pb-c.h"

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

/* ---- protocols about users ---- */

enum { MAX_WAITING = 1000 };

/* cmd= of the audit log, as Hadoop writes it. */
static void audit(struct server *s, struct rpc_call *rpc, const char *cmd)
{
    if (s->audit == NULL || audit_is_quiet(&s->audit_settings, cmd))
        return;
    struct audit_event e = {.allowed = true,
                            .user = rpc->user,
                            .real_user = rpc->real_user,
                            .address = rpc->peer_host,
                            .cmd = cmd,
                            .context = rpc->caller_context,
                            .signature = rpc->caller_signature,
                            .port = rpc->peer_port};
    audit_log_put(s->audit, audit_line(&s->audit_settings, &e, &rpc->arena));
}

static void refuse(struct rpc_call *rpc, int code, const char *text)
{
    struct err err = {0};
    (void)fail(&err, code, "%s", text);
    rpc_reply_error(rpc, &err);
}

static void answer_groups(void *arg)
{
    struct rpc_call *rpc = arg;
    struct server *s = rpc->owner_data;
    const Us__GetGroupsForUserRequest *request = (const Us__GetGroupsForUserRequest *)rpc->request;
    Us__GetGroupsForUserResponse response = US__GET_GROUPS_FOR_USER_RESPONSE__INIT;
    struct group_list groups;
    if (groups_find(s->groups, request->user, &rpc->arena, &groups) != 0) {
        refuse(rpc, ERR_NO_MEMORY, "no memory for the groups of a user");
        return;
    }
    response.groups = (char **)(uintptr_t)groups.names;
    response.n_groups = groups.count;
    rpc_reply(rpc, &response.base);
}

void users_dispatch_groups(void *server, struct rpc_call *rpc)
{
    const struct server *s = server;
    rpc->owner_data = server;
    const Us__GetGroupsForUserRequest *request = (const Us__GetGroupsForUserRequest *)rpc->request;
    if (request->user[0] == '\0')
        refuse(rpc, ERR_CONFIG, "Null user");
    else if (workers_submit(s->workers, answer_groups, rpc, MAX_WAITING) != 0)
        refuse(rpc, ERR_BUSY, "too many look-ups of users and racks are waiting");
}

void users_dispatch_refresh(void *server, struct rpc_call *rpc)
{
    struct server *s = server;
    if (rpc->method->tag == USER_REFRESH_refreshUserToGroupsMappings) {
        Us__RefreshUserToGroupsMappingsResponse response =
            US__REFRESH_USER_TO_GROUPS_MAPPINGS_RESPONSE__INIT;
        groups_forget(s->groups);
        audit(s, rpc, "refreshUserToGroupsMappings");
        rpc_reply(rpc, &response.base);
        return;
    }
    refuse(rpc, ERR_UNSUPPORTED,
           "the NameNode reads hadoop.proxyuser.* when it starts: restart it to change them");
}

void users_dispatch_policy(void *server, struct rpc_call *rpc)
{
    (void)
        server; /* hadoop.security.authorization isn't there: what Hadoop answers when it is off */
    refuse(rpc, ERR_AUTHORIZATION, "Service Level Authorization not enabled!");
}
