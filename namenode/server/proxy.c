/* proxy.c - users: who may act for whom (hadoop.proxyuser.<real>.users|groups|hosts), and the small
 * protocols about them: their groups, and refreshing what is remembered of them.
 * Also the calls that make the server read something again; what that changes is in settings.c.
 * Thread: a loop's; a worker's where NSS or files may block. Touches the configuration and the
 * groups only, no state of the namespace. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/server/internal.h"
#include "users.pb-c.h"

/* Good as long as the rules are locked. */
static const char *rule(const struct server *s, const char *real, const char *what)
{
    const struct conf *rules = s->proxy_rules != NULL ? s->proxy_rules : s->conf;
    char name[512];
    int n = snprintf(name, sizeof(name), "hadoop.proxyuser.%s.%s", real, what);
    const char *value = n > 0 && (size_t)n < sizeof(name) ? conf_raw(rules, name) : NULL;
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

static int authorize(struct server *s, const char *real, const char *user, const char *host,
                     struct err *err)
{
    if (!may_act_for(s, real, user))
        return fail(err, ERR_AUTHORIZATION, "User: %s is not allowed to impersonate %s", real,
                    user);
    if (!any_item(rule(s, real, "hosts"), is_host, host))
        return fail(err, ERR_AUTHORIZATION,
                    "Unauthorized connection for super-user: %s from IP /%s", real, host);
    return 0;
}

int proxy_authorize(void *ctx, const char *real, const char *user, const char *host,
                    struct err *err)
{
    struct server *s = ctx;
    pthread_rwlock_rdlock(&s->proxy_lock);
    int rc = authorize(s, real, user, host, err);
    pthread_rwlock_unlock(&s->proxy_lock);
    return rc;
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

/* On a worker: reads the files. */
static void refresh_rules(void *arg)
{
    struct rpc_call *rpc = arg;
    struct server *s = rpc->owner_data;
    Us__RefreshSuperUserGroupsConfigurationResponse response =
        US__REFRESH_SUPER_USER_GROUPS_CONFIGURATION_RESPONSE__INIT;
    struct conf *now;
    struct err err = {0};
    if (conf_reload(s->conf, &now, &err) != 0) {
        rpc_reply_error(rpc, &err);
        return;
    }
    pthread_rwlock_wrlock(&s->proxy_lock);
    struct conf *before = s->proxy_rules;
    s->proxy_rules = now;
    pthread_rwlock_unlock(&s->proxy_lock);
    conf_free(before);
    log_info("the rules who may act for whom were read again user=%s", log_quote(rpc->user));
    audit(s, rpc, "refreshSuperUserGroupsConfiguration");
    rpc_reply(rpc, &response.base);
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
    rpc->owner_data = server;
    if (workers_submit(s->workers, refresh_rules, rpc, MAX_WAITING) != 0)
        refuse(rpc, ERR_BUSY, "too many look-ups of users and racks are waiting");
}

void users_dispatch_policy(void *server, struct rpc_call *rpc)
{
    (void)
        server; /* hadoop.security.authorization isn't there: what Hadoop answers when it is off */
    refuse(rpc, ERR_AUTHORIZATION, "Service Level Authorization not enabled!");
}

/* ---- settings, and what else may be read again ---- */

static bool is_superuser(struct server *s, struct rpc_call *rpc)
{
    struct group_list groups;
    if (!s->settings.permissions_enabled || strcmp(rpc->user, s->process_user) == 0)
        return true;
    return groups_find(s->groups, rpc->user, &rpc->arena, &groups) == 0 &&
           is_group(&groups, s->settings.supergroup);
}

/* On a worker. */
static void answer_reconf(void *arg)
{
    static const char *const operations[] = {
        [RECONFIGURATION_startReconfiguration] = "startNamenodeReconfiguration",
        [RECONFIGURATION_getReconfigurationStatus] = "getNamenodeReconfigurationStatus",
        [RECONFIGURATION_listReconfigurableProperties] = "listNamenodeReconfigurableProperties"};
    struct rpc_call *rpc = arg;
    struct server *s = rpc->owner_data;
    const char *operation = operations[rpc->method->tag];
    if (!is_superuser(s, rpc)) {
        struct err err = {0};
        (void)fail(&err, ERR_ACCESS,
                   "Access denied for user %s. Superuser privilege is required for operation %s",
                   rpc->user, operation);
        rpc_reply_error(rpc, &err);
        return;
    }
    audit(s, rpc, operation);
    if (rpc->method->tag == RECONFIGURATION_startReconfiguration)
        reconf_answer_start(s->reconf, rpc);
    else if (rpc->method->tag == RECONFIGURATION_getReconfigurationStatus)
        reconf_answer_status(s->reconf, rpc);
    else
        reconf_answer_list(s->reconf, rpc);
}

void reconf_dispatch(void *server, struct rpc_call *rpc)
{
    struct server *s = server;
    rpc->owner_data = server;
    if (workers_submit(s->workers, answer_reconf, rpc, MAX_WAITING) != 0)
        refuse(rpc, ERR_BUSY, "too many look-ups of users and racks are waiting");
}

void call_queue_dispatch(void *server, struct rpc_call *rpc)
{
    (void)server;
    refuse(rpc, ERR_UNSUPPORTED,
           "calls wait in one queue in order of arrival, there is no other to change to");
}

/* Hadoop's text when nothing has registered; nothing ever does here. */
void generic_refresh_dispatch(void *server, struct rpc_call *rpc)
{
    const Us__RefreshRequest *q = (const Us__RefreshRequest *)rpc->request;
    struct err err = {0};
    (void)server;
    (void)fail(&err, ERR_CONFIG,
               "Identifier '%s' does not exist in RefreshRegistry. Valid options are: ",
               q->identifier == NULL ? "" : log_quote(q->identifier));
    rpc_reply_error(rpc, &err);
}
