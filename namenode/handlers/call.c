/* call.c - from method to handler, and the checks that most handlers begin with. */
#include "namenode/handlers/call.h"
#include "ha.pb-c.h"
#include "namenode/retry/retry.h"

#define H(name) [CLIENT_##name] = fs_##name,
static handler_fn *const client_handlers[CLIENT_METHOD_COUNT] = {SERVED_CLIENT_METHODS(H)};
#undef H
#define H(name) [DATANODE_##name] = dn_##name,
static handler_fn *const datanode_handlers[DATANODE_METHOD_COUNT] = {SERVED_DATANODE_METHODS(H)};
#undef H
#define H(name) [NAMENODE_##name] = np_##name,
static handler_fn *const namenode_handlers[NAMENODE_METHOD_COUNT] = {SERVED_NAMENODE_METHODS(H)};
#undef H

static int no_such_method(struct call *c)
{
    return fail(&c->err, ERR_NO_METHOD, "Unknown method %s called on %s protocol.",
                c->rpc->method->name, c->rpc->protocol->name);
}

static int run_client_call(struct call *c)
{
    handler_fn *handler = client_handlers[c->rpc->method->tag];
    struct retry_answer first;
    if (handler == NULL)
        return no_such_method(c);
    if (call_is_repeated(c, &first))
        return call_answer_again(c, &first);
    TRY(call_check_enabled(c));
    return handler(c);
}

int handle_client_call(struct call *c)
{
    int rc = run_client_call(c);
    if (c->env->audit != NULL)
        call_audit(c, rc);
    return rc;
}

int handle_datanode_call(struct call *c)
{
    handler_fn *handler = datanode_handlers[c->rpc->method->tag];
    return handler != NULL ? handler(c) : no_such_method(c);
}

int handle_lifeline_call(struct call *c)
{
    return c->rpc->method->tag == LIFELINE_sendLifeline ? dn_sendLifeline(c) : no_such_method(c);
}

int handle_namenode_call(struct call *c)
{
    handler_fn *handler = namenode_handlers[c->rpc->method->tag];
    return handler != NULL ? handler(c) : no_such_method(c);
}

static int ha_get_service_status(struct call *c)
{
    RESPOND(c, Ha__GetServiceStatusResponse, ha__get_service_status_response);
    res->state = HA__HASERVICE_STATE__ACTIVE;
    res->has_ready_to_become_active = true;
    res->ready_to_become_active = true;
    return 0;
}

static int ha_monitor_health(struct call *c)
{
    RESPOND(c, Ha__MonitorHealthResponse, ha__monitor_health_response);
    (void)res;
    return 0;
}

int handle_ha_call(struct call *c)
{
    switch (c->rpc->method->tag) {
    case HA_getServiceStatus:
        return ha_get_service_status(c);
    case HA_monitorHealth:
        return ha_monitor_health(c);
    default:
        return no_such_method(c);
    }
}

/* Hadoop's names of operations where they aren't the method's; some have none. */
static const char *const operations[CLIENT_METHOD_COUNT] = {
    [CLIENT_getBlockLocations] = "open",
    [CLIENT_create] = "null",
    [CLIENT_getFileInfo] = "getfileinfo",
    [CLIENT_getFileLinkInfo] = "getfileinfo",
    [CLIENT_getLocatedFileInfo] = "getfileinfo",
    [CLIENT_getListing] = "listStatus",
    [CLIENT_getBatchedListing] = "listStatus",
    [CLIENT_rename2] = "rename",
    [CLIENT_getContentSummary] = "contentSummary",
    [CLIENT_getQuotaUsage] = "quotaUsage",
    [CLIENT_getDatanodeReport] = "datanodeReport",
    [CLIENT_rollEdits] = "rollEditLog",
    [CLIENT_addBlock] = "getAdditionalBlock",
    [CLIENT_getAdditionalDatanode] = "null",
    [CLIENT_getPreferredBlockSize] = "null",
    [CLIENT_getStoragePolicy] = "null",
    [CLIENT_recoverLease] = "null",
    [CLIENT_abandonBlock] = "null",
    [CLIENT_complete] = "null",
    [CLIENT_fsync] = "null",
    [CLIENT_getLinkTarget] = "getfileinfo",
    [CLIENT_getEnclosingRoot] = "getEZForPath",
};

static const char *operation_of(const struct call *c)
{
    int tag = c->rpc->method->tag;
    const char *name = tag < (int)ARRAY_SIZE(operations) ? operations[tag] : NULL;
    return name != NULL ? name : c->rpc->method->name;
}

int call_no_memory(struct call *c)
{
    return fail(&c->err, ERR_NO_MEMORY, "out of memory while answering %s", c->rpc->method->name);
}

int call_check_safe_mode(struct call *c, const char *what, const char *path)
{
    if (!blocks_in_safe_mode(blocks_of(c)))
        return 0;
    char tip[512];
    blocks_safe_mode_tip(blocks_of(c), c->mono_ms, tip, sizeof(tip));
    return fail(&c->err, ERR_SAFE_MODE, "%s%s. Name node is in safe mode.\n%s", what, path, tip);
}

int call_check_superuser_for(struct call *c, const char *operation)
{
    struct ns_caller store;
    if (call_caller(c, &store) == NULL)
        return 0;
    store.operation = operation;
    return ns_check_superuser(&store, &c->err);
}

int call_check_superuser(struct call *c)
{
    struct ns_caller store;
    const struct ns_caller *caller = call_caller(c, &store);
    return caller == NULL ? 0 : ns_check_superuser(caller, &c->err);
}

const struct ns_caller *call_caller(const struct call *c, struct ns_caller *store)
{
    if (!c->env->settings->permissions_enabled)
        return NULL;
    *store = (struct ns_caller){c->who.user, c->who.groups, c->who.group_count, c->who.superuser,
                                operation_of(c)};
    return store;
}

int call_resolve(struct call *c, const char *path, enum path_op op, struct resolved *ret)
{
    struct ns_caller store;
    return ns_resolve(ns_of(c), call_caller(c, &store), path, op, arena_of(c), ret, &c->err);
}

int call_check_access(struct call *c, const struct resolved *r, struct ns_want want)
{
    struct ns_caller store;
    const struct ns_caller *caller = call_caller(c, &store);
    return caller == NULL ? 0 : ns_check_access(ns_of(c), caller, r, want, &c->err);
}

int call_check_not_reserved(struct call *c, const char *path)
{
    if (path_is_reserved(path))
        return fail(&c->err, ERR_INVALID_PATH, "Invalid path name %s", path);
    return 0;
}

int call_check_owner(struct call *c, const struct resolved *r)
{
    if (resolved_last(r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Directory/File does not exist %s", r->text);
    return call_check_access(c, r, (struct ns_want){.owner = true});
}

int call_check_found(struct call *c, const struct resolved *r)
{
    if (resolved_last(r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "cannot find %s", r->text);
    return 0;
}

struct ns_limits call_limits(const struct call *c)
{
    const struct nn_settings *s = c->env->settings;
    return (struct ns_limits){s->max_component_length, s->max_dir_items};
}

int call_commit(struct call *c, struct edit *e)
{
    return c->env->shell.commit(c->env->shell.ctx, e, &c->err);
}

struct edit_rpc_ids call_rpc_ids(const struct call *c)
{
    if (!call_is_once(c))
        return (struct edit_rpc_ids){.call_id = EDIT_NO_CALL_ID};
    return (struct edit_rpc_ids){{c->rpc->client_id, c->rpc->client_id_size}, c->rpc->call_id};
}

int call_unmasked(const struct call *c, const Hdfs__FsPermission *unmasked, uint32_t bits)
{
    return unmasked == NULL || c->env->settings->acls_by_masked_mode ? -1
                                                                     : (int)(unmasked->perm & bits);
}

int call_make_dirs(struct call *c, struct resolved *r, uint32_t depth, uint16_t mode, int unmasked)
{
    while (r->found <= depth) {
        struct edit e;
        /* like so many single mkdirs: what fits is made, as in Hadoop */
        TRY(call_check_new_quota(c, r));
        if (edit_for_mkdir(nn_of(c), r, r->found, slice_of(c->who.user), mode, unmasked,
                           (uint64_t)c->now_ms, arena_of(c), &e) != 0)
            return call_no_memory(c);
        TRY(call_commit(c, &e));
        ns_resolve_more(ns_of(c), r);
    }
    return 0;
}

int call_check_pool(struct call *c, const Hdfs__ExtendedBlock *block)
{
    const char *ours = nn_of(c)->identity.block_pool_id;
    if (block != NULL && strcmp(block->pool_id, ours) != 0)
        return fail(&c->err, ERR_IO, "Unexpected BlockPoolId %s - expected %s", block->pool_id,
                    ours);
    return 0;
}
