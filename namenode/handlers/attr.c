/* attr.c - attributes of one inode: mode, owner, times, replication, extended attributes, ACL. */
#include "namenode/acl/acl.h"
#include "namenode/handlers/internal.h"

enum { MAX_XATTRS = 32, MAX_XATTR_SIZE = 16384 }; /* dfs.namenode.fs-limits.max-xattr... */

int fs_setPermission(struct call *c)
{
    REQUEST(c, Cp__SetPermissionRequest);
    RESPOND(c, Cp__SetPermissionResponse, cp__set_permission_response);
    struct resolved r;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot set permission for ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    TRY(call_check_access(c, &r, (struct ns_want){.owner = true}));
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
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    TRY(call_check_access(c, &r, (struct ns_want){.owner = true}));
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
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory %s does not exist.", r.text);
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    struct edit e = {.code = OP_times};
    e.times.path = slice_of(r.text);
    e.times.mtime = req->mtime;
    e.times.atime = req->atime;
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
    res->result = h != 0 && inode_is_file(ns_inode(ns_of(c), h));
    if (!res->result || ns_inode(ns_of(c), h)->file.ec != 0)
        return 0; /* false for what is no file; an erasure coded file stays as it is */
    struct edit e = {.code = OP_set_replication};
    e.set_replication.path = slice_of(r.text);
    e.set_replication.replication = (uint16_t)req->replication;
    return call_commit(c, &e);
}

/* ---- extended attributes ---- */

static const char *const space_names[] = {"user", "trusted", "security", "system", "raw"};

/* Whether the caller may see attributes of that namespace. */
static bool space_visible(const struct call *c, unsigned space, bool raw)
{
    bool super = c->who.superuser || !c->env->settings->permissions_enabled;
    return space == XATTR_USER || (space == XATTR_TRUSTED && super) ||
           (space == XATTR_RAW && super && raw);
}

static int check_space(struct call *c, const Hdfs__XAttr *x, bool raw)
{
    if (x == NULL || (unsigned)x->namespace_ >= ARRAY_SIZE(space_names))
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s names no extended attribute",
                    c->rpc->method->name);
    if (!space_visible(c, (unsigned)x->namespace_, raw))
        return fail(&c->err, ERR_ACCESS, "User doesn't have permission for xattr: %s.%s",
                    space_names[x->namespace_], x->name);
    return 0;
}

static int add_xattr(struct call *c, unsigned space, const char *name, struct slice value,
                     Hdfs__XAttr **list, size_t *n)
{
    NEW(c, Hdfs__XAttr, hdfs__xattr, x);
    x->namespace_ = (Hdfs__XAttr__XAttrNamespace)space;
    x->name = (char *)name;
    x->has_value = true;
    x->value = (ProtobufCBinaryData){value.size, (uint8_t *)value.data};
    list[(*n)++] = x;
    return 0;
}

/* All that the caller may see; values are left out unless wanted. */
static int visible_xattrs(struct call *c, const struct resolved *r, bool values, Hdfs__XAttr ***ret,
                          size_t *ret_count)
{
    struct xattr x;
    uint32_t cursor = 0;
    size_t count = 0;
    handle_t h = resolved_last(r);
    while (ns_xattr_next(ns_of(c), h, &cursor, &x))
        count++;
    *ret = arena_array(arena_of(c), Hdfs__XAttr *, count);
    if (*ret == NULL)
        return call_no_memory(c);
    for (cursor = 0, *ret_count = 0; ns_xattr_next(ns_of(c), h, &cursor, &x);)
        if (space_visible(c, x.space, r->raw))
            TRY(add_xattr(c, x.space, ns_interned(ns_of(c), NAME_XATTR, x.name),
                          values ? x.value : (struct slice){0}, *ret, ret_count));
    return 0;
}

int fs_getXAttrs(struct call *c)
{
    REQUEST(c, Cp__GetXAttrsRequest);
    RESPOND(c, Cp__GetXAttrsResponse, cp__get_xattrs_response);
    struct resolved r;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    for (size_t i = 0; i < req->n_xattrs; i++)
        TRY(check_space(c, req->xattrs[i], r.raw));
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    if (req->n_xattrs == 0)
        return visible_xattrs(c, &r, true, &res->xattrs, &res->n_xattrs);
    res->xattrs = arena_array(arena_of(c), Hdfs__XAttr *, req->n_xattrs);
    if (res->xattrs == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_xattrs; i++) {
        struct slice value;
        const Hdfs__XAttr *x = req->xattrs[i];
        if (!ns_xattr_get(ns_of(c), resolved_last(&r), (unsigned)x->namespace_, x->name, &value))
            return fail(&c->err, ERR_XATTR_NOT_FOUND,
                        "At least one of the attributes provided was not found.");
        TRY(add_xattr(c, (unsigned)x->namespace_, x->name, value, res->xattrs, &res->n_xattrs));
    }
    return 0;
}

int fs_listXAttrs(struct call *c)
{
    REQUEST(c, Cp__ListXAttrsRequest);
    RESPOND(c, Cp__ListXAttrsResponse, cp__list_xattrs_response);
    struct resolved r;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    TRY(call_check_access(c, &r, (struct ns_want){.parent = ACCESS_EXECUTE}));
    return visible_xattrs(c, &r, false, &res->xattrs, &res->n_xattrs);
}

static int resolve_for_xattr(struct call *c, const char *src, const Hdfs__XAttr *x,
                             struct resolved *r)
{
    TRY(call_resolve(c, src, PATH_WRITE, r));
    TRY(check_space(c, x, r->raw));
    TRY(ns_check_exists(ns_of(c), r, &c->err));
    if (x->namespace_ == HDFS__XATTR__XATTR_NAMESPACE__USER)
        TRY(call_check_access(c, r, (struct ns_want){.target = ACCESS_WRITE}));
    return 0;
}

static int commit_xattr(struct call *c, uint8_t code, const struct resolved *r,
                        const Hdfs__XAttr *x)
{
    struct edit_xattr *one = arena_new(arena_of(c), struct edit_xattr);
    if (one == NULL)
        return call_no_memory(c);
    one->space = (uint8_t)x->namespace_;
    one->name = slice_of(x->name);
    if (x->has_value)
        one->value = (struct slice){x->value.data, x->value.len};
    struct edit e = {.code = code};
    struct edit_xattr_list list = {.src = slice_of(r->text), .at = one, .count = 1};
    if (code == OP_set_xattr) {
        e.set_xattr.xattrs = list;
        e.set_xattr.rpc = call_rpc_ids(c);
    } else {
        e.remove_xattr.xattrs = list;
        e.remove_xattr.rpc = call_rpc_ids(c);
    }
    return call_commit(c, &e);
}

static int check_set_flags(struct call *c, handle_t h, const Hdfs__XAttr *x, uint32_t flags)
{
    struct slice old;
    struct xattr each;
    uint32_t cursor = 0, count = 0;
    bool exists = ns_xattr_get(ns_of(c), h, (unsigned)x->namespace_, x->name, &old);
    if (exists && (flags & HDFS__XATTR_SET_FLAG__XATTR_REPLACE) == 0)
        return fail(&c->err, ERR_IO,
                    "XAttr: %s already exists. The REPLACE flag must be specified.", x->name);
    if (!exists && (flags & HDFS__XATTR_SET_FLAG__XATTR_CREATE) == 0)
        return fail(&c->err, ERR_IO, "XAttr: %s does not exist. The CREATE flag must be specified.",
                    x->name);
    while (ns_xattr_next(ns_of(c), h, &cursor, &each))
        count += each.space == XATTR_USER || each.space == XATTR_TRUSTED;
    if (!exists && count >= MAX_XATTRS)
        return fail(&c->err, ERR_IO,
                    "Cannot add additional XAttr to inode, would exceed limit of %d", MAX_XATTRS);
    return 0;
}

int fs_setXAttr(struct call *c)
{
    REQUEST(c, Cp__SetXAttrRequest);
    RESPOND(c, Cp__SetXAttrResponse, cp__set_xattr_response);
    struct resolved r;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot set XAttr on ", req->src));
    TRY(resolve_for_xattr(c, req->src, req->xattr, &r));
    size_t size = strlen(req->xattr->name) + req->xattr->value.len;
    if (size > MAX_XATTR_SIZE)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "The XAttr is too big. The maximum combined size of the name and value is %d, "
                    "but the total size is %zu",
                    MAX_XATTR_SIZE, size);
    TRY(check_set_flags(c, resolved_last(&r), req->xattr, req->flag));
    return commit_xattr(c, OP_set_xattr, &r, req->xattr);
}

int fs_removeXAttr(struct call *c)
{
    REQUEST(c, Cp__RemoveXAttrRequest);
    RESPOND(c, Cp__RemoveXAttrResponse, cp__remove_xattr_response);
    struct resolved r;
    struct slice old;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot remove XAttr entry on ", req->src));
    TRY(resolve_for_xattr(c, req->src, req->xattr, &r));
    if (!ns_xattr_get(ns_of(c), resolved_last(&r), (unsigned)req->xattr->namespace_,
                      req->xattr->name, &old))
        return fail(&c->err, ERR_IO, "No matching attributes found for remove operation");
    return commit_xattr(c, OP_remove_xattr, &r, req->xattr);
}

/* ---- ACL ---- */

int fs_getAclStatus(struct call *c)
{
    REQUEST(c, Cp__GetAclStatusRequest);
    RESPOND(c, Cp__GetAclStatusResponse, cp__get_acl_status_response);
    struct resolved r;
    uint32_t count;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    handle_t h = resolved_last(&r);
    const uint32_t *stored = ns_acl(ns_of(c), h, &count);
    NEW(c, Hdfs__AclStatus, hdfs__acl_status, acl);
    NEW(c, Hdfs__FsPermission, hdfs__fs_permission, permission);
    permission->perm = perm_mode(ns_inode(ns_of(c), h)->perm);
    acl->permission = permission;
    acl->owner = (char *)ns_user(ns_of(c), h);
    acl->group = (char *)ns_group(ns_of(c), h);
    acl->sticky = (permission->perm & 01000) != 0;
    acl->entries = arena_array(arena_of(c), Hdfs__AclEntry *, count);
    if (acl->entries == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < count; i++) {
        NEW(c, Hdfs__AclEntry, hdfs__acl_entry, entry);
        unsigned type = acl_type(stored[i]);
        entry->type = (Hdfs__AclEntry__AclEntryType)type;
        entry->scope = (Hdfs__AclEntry__AclEntryScope)acl_scope(stored[i]);
        entry->permissions = (Hdfs__AclEntry__FsAction)acl_access(stored[i]);
        if (acl_name(stored[i]) != 0)
            entry->name = (char *)ns_interned(ns_of(c), type == ACL_USER ? NAME_USER : NAME_GROUP,
                                              acl_name(stored[i]));
        acl->entries[acl->n_entries++] = entry;
    }
    res->result = acl;
    return 0;
}

/* The complete ACL, from the mode alone if there is no other. */
static int complete_acl(struct call *c, handle_t h, struct edit_acl_list *ret)
{
    static const uint8_t types[] = {ACL_USER, ACL_GROUP, ACL_OTHER};
    if (edit_from_acl(ns_of(c), h, arena_of(c), ret) != 0)
        return call_no_memory(c);
    if (ret->count > 0)
        return 0;
    ret->at = arena_array(arena_of(c), struct edit_acl_entry, ARRAY_SIZE(types));
    if (ret->at == NULL)
        return call_no_memory(c);
    uint16_t mode = perm_mode(ns_inode(ns_of(c), h)->perm);
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
        ret->at[ret->count++] =
            (struct edit_acl_entry){.type = types[i], .access = mode >> (6 - 3 * i) & 7};
    return 0;
}

static int asked_acl(struct call *c, Hdfs__AclEntry *const *entries, size_t count,
                     struct edit_acl_list *ret)
{
    *ret = (struct edit_acl_list){arena_array(arena_of(c), struct edit_acl_entry, count), 0};
    if (ret->at == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        const Hdfs__AclEntry *e = entries[i];
        if ((unsigned)e->scope > 1 || (unsigned)e->type > ACL_OTHER ||
            (unsigned)e->permissions > ACCESS_ALL)
            return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                        "An ACL entry has scope %d, type %d and permissions %d", (int)e->scope,
                        (int)e->type, (int)e->permissions);
        ret->at[ret->count++] =
            (struct edit_acl_entry){.scope = (uint8_t)e->scope,
                                    .type = (uint8_t)e->type,
                                    .access = (uint8_t)e->permissions,
                                    .name = slice_of(e->name != NULL ? e->name : "")};
    }
    return 0;
}

static int resolve_for_acl(struct call *c, const char *src, const char *refusal, struct resolved *r)
{
    TRY(call_check_safe_mode(c, refusal, src));
    TRY(call_resolve(c, src, PATH_WRITE, r));
    if (resolved_last(r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Directory/File does not exist %s", r->text);
    return call_check_access(c, r, (struct ns_want){.owner = true});
}

static int commit_acl(struct call *c, const struct resolved *r, struct edit_acl_list entries)
{
    struct edit e = {.code = OP_set_acl};
    e.set_acl.acl = (struct edit_acl_record){.src = slice_of(r->text), .entries = entries};
    return call_commit(c, &e);
}

/* `shown` is the path that Hadoop's text names. */
static int change_acl(struct call *c, const struct resolved *r, const char *shown,
                      acl_change *change, Hdfs__AclEntry *const *entries, size_t count)
{
    struct err err = {0};
    struct edit_acl_list old, asked, acl;
    handle_t h = resolved_last(r);
    TRY(asked_acl(c, entries, count, &asked));
    TRY(complete_acl(c, h, &old));
    int rc = change(&old, &asked, arena_of(c), &acl, &err);
    if (rc == 0 && acl.at[acl.count - 1].scope != 0 && !inode_is_dir(ns_inode(ns_of(c), h)))
        rc = fail(&err, ERR_ACL, "Invalid ACL: only directories may have a default ACL. Path: %s",
                  r->text);
    if (rc == ERR_ACL)
        return fail(&c->err, ERR_ACL, "%s Path: %s", err.text, shown);
    return rc != 0 ? call_no_memory(c) : commit_acl(c, r, acl);
}

int fs_modifyAclEntries(struct call *c)
{
    REQUEST(c, Cp__ModifyAclEntriesRequest);
    RESPOND(c, Cp__ModifyAclEntriesResponse, cp__modify_acl_entries_response);
    struct resolved r;
    (void)res;
    TRY(resolve_for_acl(c, req->src, "Cannot modify ACL entries on ", &r));
    return change_acl(c, &r, r.text, acl_merge, req->acl_spec, req->n_acl_spec);
}

int fs_removeAclEntries(struct call *c)
{
    REQUEST(c, Cp__RemoveAclEntriesRequest);
    RESPOND(c, Cp__RemoveAclEntriesResponse, cp__remove_acl_entries_response);
    struct resolved r;
    (void)res;
    TRY(resolve_for_acl(c, req->src, "Cannot remove ACL entries on ", &r));
    return change_acl(c, &r, r.text, acl_remove, req->acl_spec, req->n_acl_spec);
}

int fs_removeDefaultAcl(struct call *c)
{
    REQUEST(c, Cp__RemoveDefaultAclRequest);
    RESPOND(c, Cp__RemoveDefaultAclResponse, cp__remove_default_acl_response);
    struct resolved r;
    (void)res;
    TRY(resolve_for_acl(c, req->src, "Cannot remove default ACL entries on ", &r));
    return change_acl(c, &r, r.text, acl_remove_defaults, NULL, 0);
}

int fs_removeAcl(struct call *c)
{
    REQUEST(c, Cp__RemoveAclRequest);
    RESPOND(c, Cp__RemoveAclResponse, cp__remove_acl_response);
    struct resolved r;
    (void)res;
    TRY(resolve_for_acl(c, req->src, "Cannot remove ACL on ", &r));
    return commit_acl(c, &r, (struct edit_acl_list){0});
}

int fs_setAcl(struct call *c)
{
    REQUEST(c, Cp__SetAclRequest);
    RESPOND(c, Cp__SetAclResponse, cp__set_acl_response);
    struct resolved r;
    (void)res;
    TRY(resolve_for_acl(c, req->src, "Cannot set ACL on ", &r));
    if (req->n_acl_spec == 0) /* as removeAcl */
        return commit_acl(c, &r, (struct edit_acl_list){0});
    return change_acl(c, &r, req->src, acl_replace, req->acl_spec, req->n_acl_spec);
}
