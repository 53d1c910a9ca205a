/* admin.c - what an administrator asks of a DataNode: reports, writers that shall go, NameNodes and
 * block pools that come and go, settings, the end.
 * Thread: calls arrive on the RPC server's loop and run on a worker each, since they wait for
 * disks, threads and the users' database. Who may: the user that runs this process and members of
 * dfs.permissions.superusergroup, as in Hadoop; anybody with dfs.permissions.enabled=false. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/auth/auth.h"
#include "common/obs/obs.h"
#include "common/rpc/rpc.h"
#include "datanode/server/internal.h"
#include "dnipc.pb-c.h"

enum {
    ADMIN_THREADS = 4,
    ADMIN_QUEUE = 100,
    ANSWER_MS = 300 /* for the answer of a shutdown to leave */
};

struct admin {
    struct ipc_options options;
    struct workers *workers;
    struct groups *groups;
    atomic_bool shutting_down;
    char owner[128];
};

static int need_superuser(const struct admin *a, struct rpc_call *call, struct err *err)
{
    const char *super = conf_str(a->options.conf, CONF_superusergroup);
    struct group_list groups;
    if (!conf_bool(a->options.conf, CONF_permissions_enabled) || strcmp(call->user, a->owner) == 0)
        return 0;
    if (groups_find(a->groups, call->user, &call->arena, &groups) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for the groups of the caller");
    for (size_t i = 0; i < groups.count; i++)
        if (strcmp(groups.names[i], super) == 0)
            return 0;
    return fail(err, ERR_ACCESS, "Permission denied.");
}

/* ---- reports ---- */

static Hdfs__DatanodeVolumeInfo *volume_message(struct arena *arena, const struct volume_info *v)
{
    static const Hdfs__DatanodeVolumeInfo init = HDFS__DATANODE_VOLUME_INFO__INIT;
    Hdfs__DatanodeVolumeInfo *m = arena_new(arena, Hdfs__DatanodeVolumeInfo);
    if (m == NULL)
        return NULL;
    *m = init;
    m->path = (char *)(uintptr_t)v->path;
    m->storage_type = (Hdfs__StorageType)v->type;
    m->used_space = v->used;
    m->free_space = v->remaining;
    m->reserved_space = v->reserved;
    m->reserved_space_for_replicas = v->reserved_open;
    m->num_blocks = v->replicas;
    return m;
}

static int volume_report(struct admin *a, struct rpc_call *call, struct err *err)
{
    Di__GetVolumeReportResponse r = DI__GET_VOLUME_REPORT_RESPONSE__INIT;
    struct volume_info volumes[STORE_MAX_VOLUMES];
    Hdfs__DatanodeVolumeInfo *list[STORE_MAX_VOLUMES];
    size_t count = store_volumes(a->options.store, NULL, volumes);
    r.volume_info = list;
    for (size_t k = 0; k < count; k++) {
        if (volumes[k].failed)
            continue;
        list[r.n_volume_info] = volume_message(&call->arena, &volumes[k]);
        if (list[r.n_volume_info++] == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a report");
    }
    rpc_reply(call, &r.base);
    return 0;
}

static int trigger_report(struct admin *a, struct rpc_call *call, struct err *err)
{
    enum { DEFAULT_PORT = 8020 };
    const Di__TriggerBlockReportRequest *q = (const Di__TriggerBlockReportRequest *)call->request;
    Di__TriggerBlockReportResponse r = DI__TRIGGER_BLOCK_REPORT_RESPONSE__INIT;
    struct addr only;
    bool all = q->nn_address == NULL || q->nn_address[0] == '\0';
    if (!all)
        TRY(addr_parse(q->nn_address, DEFAULT_PORT, "the NameNode's address", &only, err));
    control_report_to(a->options.control, q->incremental, all ? NULL : &only);
    rpc_reply(call, &r.base);
    return 0;
}

/* ---- NameNodes, pools, writers ---- */

static int refresh_namenodes(struct admin *a, struct rpc_call *call, struct err *err)
{
    Di__RefreshNamenodesResponse r = DI__REFRESH_NAMENODES_RESPONSE__INIT;
    struct conf *now;
    TRY(conf_reload(a->options.conf, &now, err));
    int rc = control_refresh(a->options.control, now, err);
    conf_free(now);
    if (rc == 0)
        rpc_reply(call, &r.base);
    return rc;
}

static int delete_pool(struct admin *a, struct rpc_call *call, struct err *err)
{
    const Di__DeleteBlockPoolRequest *q = (const Di__DeleteBlockPoolRequest *)call->request;
    Di__DeleteBlockPoolResponse r = DI__DELETE_BLOCK_POOL_RESPONSE__INIT;
    log_info("a block pool shall go pool=%s forced=%d user=%s", log_quote(q->block_pool), q->force,
             log_quote(call->user));
    if (control_serves(a->options.control, q->block_pool))
        return fail(err, ERR_IO,
                    "The block pool is still running. First do a refreshNamenodes to shutdown the "
                    "block pool service");
    TRY(store_remove_pool(a->options.store, q->block_pool, q->force, err));
    rpc_reply(call, &r.base);
    return 0;
}

static int evict_writers(struct admin *a, struct rpc_call *call, struct err *err)
{
    Di__EvictWritersResponse r = DI__EVICT_WRITERS_RESPONSE__INIT;
    (void)err;
    log_info("all writers are asked to stop user=%s", log_quote(call->user));
    store_evict_writers(a->options.store);
    rpc_reply(call, &r.base);
    return 0;
}

static int shut_down(struct admin *a, struct rpc_call *call, struct err *err)
{
    const Di__ShutdownDatanodeRequest *q = (const Di__ShutdownDatanodeRequest *)call->request;
    bool restart = q->for_upgrade;
    Di__ShutdownDatanodeResponse r = DI__SHUTDOWN_DATANODE_RESPONSE__INIT;
    if (atomic_exchange(&a->shutting_down, true))
        return fail(err, ERR_IO, "Shutdown already in progress.");
    log_info("shutdown is asked for user=%s peer=%s upgrade=%d", log_quote(call->user),
             call->peer_host, restart);
    rpc_reply(call, &r.base);
    (void)nanosleep(&(struct timespec){.tv_nsec = ANSWER_MS * 1000000L}, NULL);
    if (a->options.shutdown != NULL)
        a->options.shutdown(a->options.shutdown_ctx, restart);
    return 0;
}

/* ---- which is which ---- */

static int off(struct admin *a, struct rpc_call *call, struct err *err)
{
    (void)a;
    (void)call;
    return fail(err, ERR_DISK_BALANCER, "Disk Balancer is not enabled.");
}

static int start_reconf(struct admin *a, struct rpc_call *call, struct err *err)
{
    (void)err;
    reconf_answer_start(a->options.reconf, call);
    return 0;
}

static int reconf_status(struct admin *a, struct rpc_call *call, struct err *err)
{
    (void)err;
    reconf_answer_status(a->options.reconf, call);
    return 0;
}

static int reconf_list(struct admin *a, struct rpc_call *call, struct err *err)
{
    (void)err;
    reconf_answer_list(a->options.reconf, call);
    return 0;
}

/* Each answers the call, or fails without. */
static int (*const methods[DATANODE_IPC_METHOD_COUNT])(struct admin *a, struct rpc_call *call,
                                                       struct err *err) = {
    [DATANODE_IPC_refreshNamenodes] = refresh_namenodes,
    [DATANODE_IPC_deleteBlockPool] = delete_pool,
    [DATANODE_IPC_shutdownDatanode] = shut_down,
    [DATANODE_IPC_evictWriters] = evict_writers,
    [DATANODE_IPC_getVolumeReport] = volume_report,
    [DATANODE_IPC_triggerBlockReport] = trigger_report,
    [DATANODE_IPC_startReconfiguration] = start_reconf,
    [DATANODE_IPC_getReconfigurationStatus] = reconf_status,
    [DATANODE_IPC_listReconfigurableProperties] = reconf_list,
    [DATANODE_IPC_submitDiskBalancerPlan] = off,
    [DATANODE_IPC_cancelDiskBalancerPlan] = off,
    [DATANODE_IPC_queryDiskBalancerPlan] = off,
    [DATANODE_IPC_getDiskBalancerSetting] = off,
};

bool admin_has(int tag)
{
    return tag >= 0 && tag < DATANODE_IPC_METHOD_COUNT && methods[tag] != NULL;
}

struct admin_call {
    struct admin *admin;
    struct rpc_call *call;
};

static void run(void *arg)
{
    struct admin_call x = *(struct admin_call *)arg;
    struct err err = {0};
    free(arg);
    int rc = need_superuser(x.admin, x.call, &err);
    if (rc == 0)
        rc = methods[x.call->method->tag](x.admin, x.call, &err);
    if (rc != 0)
        rpc_reply_error(x.call, &err);
}

void admin_dispatch(struct admin *a, struct rpc_call *call)
{
    struct err err = {0};
    struct admin_call *x = malloc(sizeof(*x));
    int rc = x == NULL ? fail(&err, ERR_NO_MEMORY, "no memory for a call") : 0;
    if (rc == 0) {
        *x = (struct admin_call){a, call};
        rc = workers_submit(a->workers, run, x, ADMIN_QUEUE);
        if (rc != 0)
            rc = fail(&err, rc, "%d calls wait already", ADMIN_QUEUE);
    }
    if (rc != 0) {
        free(x);
        rpc_reply_error(call, &err);
    }
}

static void find_owner(struct admin *a)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        snprintf(a->owner, sizeof(a->owner), "%s", found->pw_name);
    else
        snprintf(a->owner, sizeof(a->owner), "%u", (unsigned)geteuid());
}

int admin_new(const struct ipc_options *o, struct admin **ret, struct err *err)
{
    struct admin *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the RPC port");
    a->options = *o;
    find_owner(a);
    a->workers = workers_new("dn-admin", ADMIN_THREADS);
    int rc = a->workers == NULL ? fail(err, ERR_NO_MEMORY, "no memory for the RPC port")
                                : groups_new(o->conf, &a->groups, err);
    if (rc != 0) {
        admin_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    if (a->workers != NULL)
        workers_free(a->workers);
    groups_free(a->groups);
    free(a);
}
