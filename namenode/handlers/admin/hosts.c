/* hosts.c - what the lists of hosts say happens: who may join, who leaves, who was never heard of.
 */
#include "namenode/hosts/hosts.h"

#include "common/obs/obs.h"
#include "namenode/drain/drain.h"
#include "namenode/handlers/call.h"

int call_check_included(struct call *c, const char *address, uint32_t port, const char *text)
{
    if (hosts_wish(c->env->hosts, address, port).included)
        return 0;
    return fail(&c->err, ERR_DISALLOWED_NODE,
                "Datanode denied communication with namenode because the host is not in the "
                "include-list: %s",
                text);
}

int call_apply_hosts(struct call *c, uint32_t i)
{
    struct nodes *nodes = nn_of(c)->nodes;
    struct node *node = nodes_at_mut(nodes, i);
    struct host_wish wish = hosts_wish(c->env->hosts, node->ip, node->xfer_port);
    if (!wish.included) {
        node->disallowed = true;
        nodes_declare_dead(nodes, i);
    } else if (c->env->drain != NULL) {
        drain_apply(c->env->drain, i, &wish, c->now_ms, c->mono_ms);
    }
    if (nodes_set_upgrade_domain(nodes, i, wish.upgrade_domain) != 0)
        return call_no_memory(c);
    return 0;
}

/* The shell has read the files already; a bad one changes nothing. */
int fs_refreshNodes(struct call *c)
{
    RESPOND(c, Cp__RefreshNodesResponse, cp__refresh_nodes_response);
    (void)res;
    TRY(call_check_superuser_for(c, "refreshNodes"));
    if (c->hosts_err != NULL)
        return fail(&c->err, ERR_IO, "%s", c->hosts_err->text);
    if (c->hosts != NULL) {
        c->env->shell.set_hosts(c->env->shell.ctx, c->hosts);
        c->hosts = NULL;
    }
    log_info("lists of hosts are read anew entries=%zu", call_hosts_count(c));
    for (uint32_t i = 1; i <= nodes_count(nn_of(c)->nodes); i++)
        if (!nodes_at(nn_of(c)->nodes, i)->gone)
            TRY(call_apply_hosts(c, i));
    return 0;
}

/* ---- hosts that were never heard of ---- */

size_t call_hosts_count(const struct call *c)
{
    return c->env->hosts == NULL ? 0 : hosts_count(c->env->hosts);
}

static bool is_heard_of(const struct call *c, const struct host_entry *e)
{
    const struct nodes *nodes = nn_of(c)->nodes;
    return e->port == 0 ? nodes_find_ip(nodes, e->address) != 0
                        : nodes_find_address(nodes, e->address, e->port) != 0;
}

/* Its ports are the usual ones: nobody has told others. */
static int unheard_host(struct call *c, const struct host_entry *e, Hdfs__DatanodeInfo **ret)
{
    enum { XFER = 9866, INFO = 9864, INFO_SECURE = 9865, IPC = 9867 };
    uint32_t port = e->port != 0 ? e->port : (uint32_t)XFER;
    bool excluded = hosts_wish(c->env->hosts, e->address, port).excluded;
    NEW(c, Hdfs__DatanodeInfo, hdfs__datanode_info, info);
    NEW(c, Hdfs__DatanodeID, hdfs__datanode_id, id);
    id->ip_addr = (char *)e->address;
    id->host_name = (char *)e->name;
    id->datanode_uuid = (char *)"";
    id->xfer_port = port;
    id->info_port = INFO;
    id->ipc_port = IPC;
    id->has_info_secure_port = true;
    id->info_secure_port = INFO_SECURE;
    info->id = id;
    info->location = (char *)DEFAULT_RACK;
    info->has_admin_state = true;
    info->admin_state = excluded ? HDFS__DATANODE_INFO__ADMIN_STATE__DECOMMISSIONED
                                 : HDFS__DATANODE_INFO__ADMIN_STATE__NORMAL;
    *ret = info;
    return 0;
}

int call_unheard_hosts(struct call *c, Hdfs__DatanodeInfo **ret, size_t max, size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < call_hosts_count(c) && *ret_count < max; i++) {
        struct host_entry e = hosts_entry(c->env->hosts, i);
        if (!e.included || e.address == NULL || is_heard_of(c, &e))
            continue;
        TRY(unheard_host(c, &e, &ret[(*ret_count)++]));
    }
    return 0;
}
