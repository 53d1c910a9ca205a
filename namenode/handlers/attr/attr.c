/* attr.c - mode, owner, times, replication of one inode. */
#include "namenode/handlers/call.h"

int fs_setPermission(struct call *c)
{
    REQUEST(c, Cp__SetPermissionRequest);
    RESPOND(c, Cp__SetPermissionResponse, cp__set_permission_response);
    struct resolved r;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot set permission for ", req->src));
    TRY(call_check_not_reserved(c, req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(call_check_owner(c, &r));
    struct edit e = {.code = OP_set_permissions};
    e.set_permissions.path = slice_of(r.text);
    e.set_permissions.mode = (uint16_t)(req->permission->perm & 01777);
    return call_commit(c, &e);
}

/* Only the superuser gives a file away, and an owner only to a group of his. */
static int check_new_owner(struct call *c, const char *user, const char *group)
{
    struct ns_caller store;
    const struct ns_caller *caller = call_caller(c, &store);
    if (caller == NULL || caller->superuser)
        return 0;
    if (user != NULL && strcmp(user, caller->user) != 0)
        return fail(&c->err, ERR_ACCESS,
                    "User %s is not a super user (non-super user cannot change owner).",
                    caller->user);
    if (group != NULL && !caller_in_group(caller, group))
        return fail(&c->err, ERR_ACCESS, "User %s does not belong to %s", caller->user, group);
    return 0;
}

int fs_setOwner(struct call *c)
{
    REQUEST(c, Cp__SetOwnerRequest);
    RESPOND(c, Cp__SetOwnerResponse, cp__set_owner_response);
    struct resolved r;
    (void)res;
    const char *user = req->username != NULL && req->username[0] != '\0' ? req->username : NULL;
    const char *group = req->groupname != NULL && req->groupname[0] != '\0' ? req->groupname : NULL;
    TRY(call_check_safe_mode(c, "Cannot set owner for ", req->src));
    TRY(call_check_not_reserved(c, req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(call_check_owner(c, &r));
    TRY(check_new_owner(c, user, group));
    struct edit e = {.code = OP_set_owner};
    e.set_owner.path = slice_of(r.text);
    e.set_owner.user = slice_of(user != NULL ? user : "");
    e.set_owner.group = slice_of(group != NULL ? group : "");
    return call_commit(c, &e);
}

int fs_setTimes(struct call *c)
{
    REQUEST(c, Cp__SetTimesRequest);
    RESPOND(c, Cp__SetTimesResponse, cp__set_times_response);
    struct resolved r;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot set times ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory %s does not exist.", r.text);
    if ((int64_t)req->mtime < 0 && (int64_t)req->atime < 0)
        return 0;
    struct edit e = {.code = OP_times};
    e.times.path = slice_of(r.text);
    e.times.mtime = (int64_t)req->mtime < 0 ? NS_KEEP_TIME : req->mtime; /* negative: as it is */
    e.times.atime = (int64_t)req->atime < 0 ? NS_KEEP_TIME : req->atime;
    return call_commit(c, &e);
}

int fs_setReplication(struct call *c)
{
    REQUEST(c, Cp__SetReplicationRequest);
    RESPOND(c, Cp__SetReplicationResponse, cp__set_replication_response);
    struct resolved r;
    TRY(call_check_safe_mode(c, "Cannot set replication for ", req->src));
    TRY(call_check_replication(c, req->replication, req->src, NULL));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    handle_t h = resolved_last(&r);
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    res->result =
        h != 0 && inode_is_file(ns_inode(ns_of(c), h)) && ns_inode(ns_of(c), h)->file.ec == 0;
    if (!res->result)
        return 0;
    TRY(call_check_replication_quota(c, &r, req->replication));
    struct edit e = {.code = OP_set_replication};
    e.set_replication.path = slice_of(r.text);
    e.set_replication.replication = (uint16_t)req->replication;
    return call_commit(c, &e);
}
