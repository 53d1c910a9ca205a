/* net.c - the RPC server of the NameNode: from a decoded call to a message for the state's thread.
 *
 * On the loops' threads: who calls (groups), from which rack a DataNode registers. Both are usually
 * known; when they have to be asked for, a worker does it, so that a slow directory server or
 * script doesn't stop the loop. Ownership: a call belongs to the rpc_call's arena; whoever answers
 * gives it up. */
#include <stdio.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/hostfiles/hostfiles.h"
#include "namenode/hosts/hosts.h"
#include "namenode/nodes/nodes.h"
#include "namenode/server/internal.h"

enum { MAX_LOOKUPS_WAITING = 1000 };

/* ---- the state's thread ---- */

static void run_call(struct server *s, struct message *m)
{
    struct nn_call *n = (struct nn_call *)m;
    struct call *c = &n->call;
    c->now_ms = clock_wall_ms();
    c->mono_ms = clock_monotonic_ms();
    int rc = n->handle(c);
    if (rc == CALL_TAKEN)
        return;
    hosts_free(c->hosts);
    c->hosts = NULL;
    if (rc == CALL_AGAIN) {
        inbox_put(&s->inbox, &m->node);
        return;
    }
    n->failed = rc != 0;
    if (rc == ERR_TOPOLOGY) /* it may get another one at the next try */
        racks_forget(s->racks, c->rpc->peer_host);
    n->wait_txid = s->nn->last_txid;
    if (n->failed)
        metric_add(METRIC_rpc_errors, 1);
    gate_pass(&s->gate, n);
}

/* ---- loops and workers ---- */

static void set_principal(struct nn_call *n, const struct group_list *groups)
{
    struct principal *who = &n->call.who;
    const struct server *s = n->server;
    who->groups = groups->names;
    who->group_count = groups->count;
    who->superuser = strcmp(who->user, s->process_user) == 0;
    for (size_t i = 0; i < groups->count && !who->superuser; i++)
        who->superuser = strcmp(groups->names[i], s->settings.supergroup) == 0;
}

static bool is_registration(const struct nn_call *n)
{
    return n->handle == handle_datanode_call &&
           n->call.rpc->method->tag == DATANODE_registerDatanode;
}

/* Also of clients that write or read: they may be near some node without being on one. */
static bool wants_rack(const struct nn_call *n)
{
    if (n->handle != handle_client_call)
        return is_registration(n);
    switch (n->call.rpc->method->tag) {
    case CLIENT_addBlock:
    case CLIENT_getAdditionalDatanode:
    case CLIENT_getBlockLocations:
        return true;
    default:
        return false;
    }
}

/* The files are read for those only who may ask for it. */
static bool wants_hosts(const struct nn_call *n)
{
    return n->handle == handle_client_call && n->call.rpc->method->tag == CLIENT_refreshNodes &&
           (n->call.who.superuser || !n->server->settings.permissions_enabled);
}

static void submit(struct nn_call *n)
{
    inbox_put(&n->server->inbox, &n->message.node);
}

static void refuse(struct nn_call *n, int code, const char *text)
{
    (void)fail(&n->call.err, code, "%s", text);
    rpc_reply_error(n->call.rpc, &n->call.err);
}

/* On a worker: may block. */
static void look_up(void *arg)
{
    struct nn_call *n = arg;
    struct server *s = n->server;
    struct arena *arena = &n->call.rpc->arena;
    struct group_list groups;
    if (groups_find(s->groups, n->call.who.user, arena, &groups) != 0) {
        refuse(n, ERR_NO_MEMORY, "no memory for the groups of the caller");
        return;
    }
    set_principal(n, &groups);
    if (wants_rack(n))
        n->call.rack = racks_find(s->racks, n->call.rpc->peer_host, is_registration(n), arena);
    if (wants_hosts(n) && hostfiles_load(s->conf, &n->call.hosts, &n->hosts_err) != 0)
        n->call.hosts_err = &n->hosts_err;
    submit(n);
}

/* NULL: the caller has been told that there is no memory. */
static struct nn_call *new_call(struct server *s, struct rpc_call *rpc,
                                int (*handle)(struct call *c))
{
    struct nn_call *n = arena_new(&rpc->arena, struct nn_call);
    if (n == NULL) {
        struct err err = {0};
        (void)fail(&err, ERR_NO_MEMORY, "no memory for a call");
        rpc_reply_error(rpc, &err);
        return NULL;
    }
    rpc->owner_data = n;
    n->server = s;
    n->handle = handle;
    n->call.env = &s->env;
    n->call.rpc = rpc;
    n->call.who.user = rpc->user;
    return n;
}

static void dispatch(struct server *s, struct rpc_call *rpc, int (*handle)(struct call *c))
{
    struct nn_call *n = new_call(s, rpc, handle);
    if (n == NULL)
        return;
    n->message.run = run_call;
    if (rpc->user == NULL || rpc->user[0] == '\0') {
        refuse(n, ERR_ACCESS, "the connection names no user");
        return;
    }
    struct group_list groups;
    bool known = groups_cached(s->groups, rpc->user, &rpc->arena, &groups);
    if (known)
        set_principal(n, &groups);
    if (known && wants_rack(n))
        known =
            racks_cached(s->racks, rpc->peer_host, is_registration(n), &rpc->arena, &n->call.rack);
    known = known && !wants_hosts(n);
    if (known)
        submit(n);
    else if (workers_submit(s->workers, look_up, n, MAX_LOOKUPS_WAITING) != 0)
        refuse(n, ERR_BUSY, "too many look-ups of users and racks are waiting");
}

static void dispatch_client(void *ctx, struct rpc_call *call)
{
    dispatch(ctx, call, handle_client_call);
}

static void dispatch_datanode(void *ctx, struct rpc_call *call)
{
    dispatch(ctx, call, handle_datanode_call);
}

static void dispatch_namenode(void *ctx, struct rpc_call *call)
{
    dispatch(ctx, call, handle_namenode_call);
}

static void dispatch_ha(void *ctx, struct rpc_call *call)
{
    dispatch(ctx, call, handle_ha_call);
}

/* ---- lifelines ---- */

void net_run_lifelines(struct server *s)
{
    struct inbox_node *list = inbox_take_all(&s->lifelines, 0);
    while (list != NULL) {
        struct nn_call *n = (struct nn_call *)list;
        struct call *c = &n->call;
        list = list->next;
        c->now_ms = clock_wall_ms();
        c->mono_ms = clock_monotonic_ms();
        if (n->handle(c) == 0)
            rpc_reply(c->rpc, c->response); /* it shows nothing that could have to be durable */
        else
            rpc_reply_error(c->rpc, &c->err);
    }
}

static void run_came(struct server *s, struct message *m)
{
    (void)m;
    atomic_store(&s->lifelines_told, false);
    net_run_lifelines(s);
}

/* Past the groups and past the inbox: neither a slow look-up nor a flood of calls holds it up. */
static void dispatch_lifeline(void *ctx, struct rpc_call *rpc)
{
    struct server *s = ctx;
    struct nn_call *n = new_call(s, rpc, handle_lifeline_call);
    if (n == NULL)
        return;
    inbox_put(&s->lifelines, &n->message.node);
    if (!atomic_exchange(&s->lifelines_told, true))
        inbox_put(&s->inbox, &s->lifelines_came.node);
}

/* ---- start and stop ---- */

static int address_text(const struct conf *conf, char *out, size_t size, struct err *err)
{
    const char *rpc = conf_str(conf, CONF_nn_rpc_address);
    const char *fs = conf_str(conf, CONF_default_fs);
    if (rpc[0] != '\0')
        return snprintf(out, size, "%s", rpc) < (int)size
                   ? 0
                   : fail(err, ERR_CONFIG, "%s is too long", conf_name(CONF_nn_rpc_address));
    size_t n = strncmp(fs, "hdfs://", 7) == 0 ? strcspn(fs + 7, "/") : 0;
    if (n == 0 || n >= size)
        return fail(err, ERR_CONFIG,
                    "%s is not set and %s=%s names no NameNode: set one of them to the address to "
                    "listen on, for example hdfs://localhost:8020",
                    conf_name(CONF_nn_rpc_address), conf_name(CONF_default_fs), fs);
    snprintf(out, size, "%.*s", (int)n, fs + 7);
    return 0;
}

/* Beyond loopback only when that is wanted. */
static int check_reach(const struct conf *conf, const char *text, const struct addr *ret,
                       struct err *err)
{
    if (addr_is_loopback(ret->host))
        return 0;
    if (!conf_bool(conf, CONF_insecure_network))
        return fail(err, ERR_CONFIG,
                    "%s: set hadron.insecure.network=true to listen on %s while authentication is "
                    "simple, where anybody who connects is believed",
                    text, ret->host);
    log_warn(
        "hadron.insecure.network is on: anybody who reaches this address is believed to be the "
        "user that he names, the superuser too address=%s port=%u",
        ret->host, ret->port);
    return 0;
}

int server_address_from_conf(const struct conf *conf, struct addr *ret, struct err *err)
{
    enum { DEFAULT_PORT = 8020 };
    char text[300];
    TRY(address_text(conf, text, sizeof(text), err));
    TRY(addr_parse(text, DEFAULT_PORT, conf_name(CONF_nn_rpc_address), ret, err));
    const char *bind_host = conf_str(conf, CONF_nn_rpc_bind_host);
    if (bind_host[0] != '\0')
        snprintf(ret->host, sizeof(ret->host), "%s", bind_host);
    return check_reach(conf, text, ret, err);
}

static unsigned loops_for(const struct conf *conf)
{
    enum { MAX_LOOPS = 16 };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t loops = conf_int(conf, CONF_nn_handler_count);
    if (loops > cores)
        loops = cores;
    return loops < 1 ? 1 : loops > MAX_LOOPS ? MAX_LOOPS : (unsigned)loops;
}

/* `main` gives the limits. */
static int lifeline_start(struct server *s, const struct rpc_server_options *main, struct err *err)
{
    const char *text = conf_str(s->conf, CONF_nn_lifeline_address);
    const char *bind_host = conf_str(s->conf, CONF_nn_lifeline_bind_host);
    struct rpc_server_options o = *main;
    if (text[0] == '\0')
        return 0;
    TRY(addr_parse(text, 0, conf_name(CONF_nn_lifeline_address), &o.listen, err));
    if (bind_host[0] != '\0')
        snprintf(o.listen.host, sizeof(o.listen.host), "%s", bind_host);
    TRY(check_reach(s->conf, text, &o.listen, err));
    s->lifelines_came.run = run_came;
    s->lifeline_protocol =
        (struct rpc_protocol){RPC_LIFELINE_PROTOCOL, 1, rpc_lifeline_methods, LIFELINE_METHOD_COUNT,
                              dispatch_lifeline,     s};
    o.name = "lifeline";
    o.loops = 1;
    o.protocols = &s->lifeline_protocol;
    o.protocol_count = 1;
    TRY(rpc_server_start(&o, &s->lifeline, err));
    log_info("lifelines are taken address=%s port=%u", o.listen.host, rpc_server_port(s->lifeline));
    return 0;
}

int net_start(struct server *s, struct err *err)
{
    s->protocols[0] = (struct rpc_protocol){
        RPC_CLIENT_PROTOCOL, 1, rpc_client_methods, CLIENT_METHOD_COUNT, dispatch_client, s};
    s->protocols[1] =
        (struct rpc_protocol){RPC_DATANODE_PROTOCOL, 1, rpc_datanode_methods, DATANODE_METHOD_COUNT,
                              dispatch_datanode,     s};
    s->protocols[2] =
        (struct rpc_protocol){RPC_HA_PROTOCOL, 1, rpc_ha_methods, HA_METHOD_COUNT, dispatch_ha, s};
    s->protocols[3] = (struct rpc_protocol){RPC_USER_GROUPS_PROTOCOL, 1,
                                            rpc_user_groups_methods,  USER_GROUPS_METHOD_COUNT,
                                            users_dispatch_groups,    s};
    s->protocols[4] = (struct rpc_protocol){RPC_USER_REFRESH_PROTOCOL, 1,
                                            rpc_user_refresh_methods,  USER_REFRESH_METHOD_COUNT,
                                            users_dispatch_refresh,    s};
    s->protocols[5] = (struct rpc_protocol){
        RPC_REFRESH_POLICY_PROTOCOL, 1, rpc_refresh_policy_methods, REFRESH_POLICY_METHOD_COUNT,
        users_dispatch_policy,       s};
    s->protocols[6] =
        (struct rpc_protocol){RPC_NAMENODE_PROTOCOL, 1, rpc_namenode_methods, NAMENODE_METHOD_COUNT,
                              dispatch_namenode,     s};
    s->protocols[7] = (struct rpc_protocol){RPC_RECONFIGURATION_PROTOCOL,
                                            1,
                                            rpc_reconfiguration_methods,
                                            RECONFIGURATION_METHOD_COUNT,
                                            reconf_dispatch,
                                            s};
    s->protocols[8] = (struct rpc_protocol){RPC_CALL_QUEUE_PROTOCOL, 1,
                                            rpc_call_queue_methods,  CALL_QUEUE_METHOD_COUNT,
                                            call_queue_dispatch,     s};
    s->protocols[9] = (struct rpc_protocol){
        RPC_GENERIC_REFRESH_PROTOCOL, 1, rpc_generic_refresh_methods, GENERIC_REFRESH_METHOD_COUNT,
        generic_refresh_dispatch,     s};
    struct rpc_server_options o = {
        .name = "namenode",
        .loops = loops_for(s->conf),
        .protocols = s->protocols,
        .protocol_count = ARRAY_SIZE(s->protocols),
        .max_frame = (size_t)conf_size(s->conf, CONF_ipc_max_data),
        .max_connections = (unsigned)conf_int(s->conf, CONF_ipc_max_connections),
        .idle_ms = 2 * conf_ms(s->conf, CONF_ipc_idle_time),
        .authorize_proxy = proxy_authorize,
        .authorize_ctx = s,
    };
    TRY(server_address_from_conf(s->conf, &o.listen, err));
    TRY(rpc_server_start(&o, &s->rpc, err));
    snprintf(s->address, sizeof(s->address), "%s:%u", o.listen.host, rpc_server_port(s->rpc));
    return lifeline_start(s, &o, err);
}

void net_free(struct server *s)
{
    rpc_server_free(s->lifeline);
    s->lifeline = NULL;
    rpc_server_free(s->rpc);
    s->rpc = NULL;
}
