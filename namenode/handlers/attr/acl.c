/* acl.c - the calls that read and change ACLs; the rules are namenode/acl's. */
#include "namenode/acl/acl.h"
#include "namenode/handlers/call.h"

int fs_getAclStatus(struct call *c)
{
    REQUEST(c, Cp__GetAclStatusRequest);
    RESPOND(c, Cp__GetAclStatusResponse, cp__get_acl_status_response);
    struct resolved r;
    uint32_t count;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(call_check_found(c, &r));
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
    return call_check_owner(c, r);
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
