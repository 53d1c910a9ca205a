/* acl.c - access control lists: read and changed.
 * Thread: any. Entries that are read belong to the struct dfs_acl; entries of a change are
 * borrowed. */
#include <stdlib.h>

#include "libdfs/api/internal.h"

void dfs_acl_free(struct dfs_acl *acl)
{
    for (size_t i = 0; i < acl->count; i++)
        free(acl->items[i].name);
    free(acl->items);
    free(acl->owner);
    free(acl->group);
    *acl = (struct dfs_acl){0};
}

static bool fill_entry(const Hdfs__AclEntry *from, struct dfs_acl_entry *e)
{
    *e = (struct dfs_acl_entry){
        .type = (enum dfs_acl_type)from->type,
        .is_default = from->scope == HDFS__ACL_ENTRY__ACL_ENTRY_SCOPE__DEFAULT,
        .permission = (uint8_t)(from->permissions & 7),
    };
    if (from->name != NULL && from->name[0] != '\0')
        e->name = strdup(from->name);
    return from->name == NULL || from->name[0] == '\0' || e->name != NULL;
}

static int fill_acl(struct op *op, const Hdfs__AclStatus *from, struct dfs_acl *ret)
{
    struct dfs_acl acl = {
        .owner = strdup(from->owner),
        .group = strdup(from->group),
        .sticky = from->sticky,
        .mode = from->permission != NULL ? from->permission->perm & 01777 : 0,
        .has_mode = from->permission != NULL,
        .items = calloc(from->n_entries + 1, sizeof(*acl.items)),
    };
    bool filled = acl.owner != NULL && acl.group != NULL && acl.items != NULL;
    for (size_t i = 0; i < from->n_entries && filled; i++) {
        acl.count = i + 1;
        filled = fill_entry(from->entries[i], &acl.items[i]);
    }
    if (!filled) {
        dfs_acl_free(&acl);
        return fail(&op->err, ERR_NO_MEMORY, "no memory for an ACL");
    }
    *ret = acl;
    return 0;
}

static int do_get_acl(struct op *op, const char *path, struct dfs_acl *ret)
{
    TRY(op_path(op, path, &path));
    Cp__GetAclStatusRequest request = CP__GET_ACL_STATUS_REQUEST__INIT;
    Cp__GetAclStatusResponse *response;
    request.src = (char *)(uintptr_t)path;
    TRY(OP_CALL(op, getAclStatus, &request, &response));
    return fill_acl(op, response->result, ret);
}

int dfs_get_acl(struct dfs *fs, const char *path, struct dfs_acl *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_get_acl(&op, path, ret), error);
}

/* The entries as messages, in the op's arena. */
static int pack(struct op *op, const struct dfs_acl_entry *entries, size_t count,
                Hdfs__AclEntry ***ret)
{
    Hdfs__AclEntry *messages = arena_alloc(&op->arena, (count + 1) * sizeof(*messages));
    Hdfs__AclEntry **list = arena_alloc(&op->arena, (count + 1) * sizeof(Hdfs__AclEntry *));
    if (messages == NULL || list == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for an ACL");
    for (size_t i = 0; i < count; i++) {
        const struct dfs_acl_entry *e = &entries[i];
        hdfs__acl_entry__init(&messages[i]);
        messages[i].type = (Hdfs__AclEntry__AclEntryType)e->type;
        messages[i].scope = e->is_default ? HDFS__ACL_ENTRY__ACL_ENTRY_SCOPE__DEFAULT
                                          : HDFS__ACL_ENTRY__ACL_ENTRY_SCOPE__ACCESS;
        messages[i].permissions = (Hdfs__AclEntry__FsAction)(e->permission & 7);
        messages[i].name = e->name;
        list[i] = &messages[i];
    }
    *ret = list;
    return 0;
}

/* The five requests differ in nothing but their type. */
#define ACL_CALL(op, method, Type, INIT, path_, entries_, count_)  \
    do {                                                           \
        Cp__##Type##Request request_ = CP__##INIT##_REQUEST__INIT; \
        Cp__##Type##Response *response_;                           \
        request_.src = (char *)(uintptr_t)(path_);                 \
        request_.n_acl_spec = (count_);                            \
        request_.acl_spec = (entries_);                            \
        return OP_CALL(op, method, &request_, &response_);         \
    } while (0)

static int do_remove_default(struct op *op, const char *path)
{
    Cp__RemoveDefaultAclRequest request = CP__REMOVE_DEFAULT_ACL_REQUEST__INIT;
    Cp__RemoveDefaultAclResponse *response;
    request.src = (char *)(uintptr_t)path;
    return OP_CALL(op, removeDefaultAcl, &request, &response);
}

static int do_remove_all(struct op *op, const char *path)
{
    Cp__RemoveAclRequest request = CP__REMOVE_ACL_REQUEST__INIT;
    Cp__RemoveAclResponse *response;
    request.src = (char *)(uintptr_t)path;
    return OP_CALL(op, removeAcl, &request, &response);
}

static int do_change(struct op *op, const char *path, enum dfs_acl_change change,
                     const struct dfs_acl_entry *entries, size_t count)
{
    Hdfs__AclEntry **list;
    TRY(op_path(op, path, &path));
    TRY(pack(op, entries, count, &list));
    switch (change) {
    case DFS_ACL_MODIFY:
        ACL_CALL(op, modifyAclEntries, ModifyAclEntries, MODIFY_ACL_ENTRIES, path, list, count);
    case DFS_ACL_REMOVE:
        ACL_CALL(op, removeAclEntries, RemoveAclEntries, REMOVE_ACL_ENTRIES, path, list, count);
    case DFS_ACL_SET:
        ACL_CALL(op, setAcl, SetAcl, SET_ACL, path, list, count);
    case DFS_ACL_REMOVE_DEFAULT:
        return do_remove_default(op, path);
    case DFS_ACL_REMOVE_ALL:
        return do_remove_all(op, path);
    }
    return fail(&op->err, ERR_ILLEGAL_ARGUMENT, "%d is no change of an ACL", (int)change);
}

int dfs_change_acl(struct dfs *fs, const char *path, enum dfs_acl_change change,
                   const struct dfs_acl_entry *entries, size_t count, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_change(&op, path, change, entries, count), error);
}
