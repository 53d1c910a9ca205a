/* protect.c - what configuration switches off or keeps from being deleted. */
#include "namenode/handlers/call.h"

int call_check_enabled(struct call *c)
{
    const struct nn_settings *s = c->env->settings;
    switch (c->rpc->method->tag) {
    case CLIENT_modifyAclEntries:
    case CLIENT_removeAclEntries:
    case CLIENT_removeDefaultAcl:
    case CLIENT_removeAcl:
    case CLIENT_setAcl:
    case CLIENT_getAclStatus:
        if (!s->acls_disabled)
            return 0;
        return fail(&c->err, ERR_ACL,
                    "The ACL operation has been rejected.  Support for ACLs has been disabled by "
                    "setting dfs.namenode.acls.enabled to false.");
    case CLIENT_setXAttr:
    case CLIENT_getXAttrs:
    case CLIENT_listXAttrs:
    case CLIENT_removeXAttr:
        if (!s->xattrs_disabled)
            return 0;
        return fail(&c->err, ERR_IO,
                    "The XAttr operation has been rejected.  Support for XAttrs has been disabled "
                    "by setting dfs.namenode.xattrs.enabled to false.");
    default:
        return 0;
    }
}

static bool is_filled(const struct ns *ns, handle_t h)
{
    return h != 0 && inode_is_dir(ns_inode(ns, h)) && ns_inode(ns, h)->dir.child_count > 0;
}

/* `path` lies below `dir`. */
static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

int call_check_protected(struct call *c, const struct resolved *r)
{
    const struct nn_settings *s = c->env->settings;
    if (s->protected_count == 0 || !is_filled(ns_of(c), resolved_last(r)))
        return 0;
    for (size_t i = 0; i < s->protected_count; i++)
        if (strcmp(r->text, s->protected_dirs[i]) == 0)
            return fail(&c->err, ERR_ACCESS,
                        "Cannot delete/rename non-empty protected directory %s", r->text);
    for (size_t i = 0; i < s->protected_count; i++) {
        struct resolved dir;
        struct err ignored = {0}; /* a configured path that can't be is no folder */
        const char *path = s->protected_dirs[i];
        if (is_below(path, r->text) &&
            ns_resolve(ns_of(c), NULL, path, PATH_WRITE, arena_of(c), &dir, &ignored) == 0 &&
            is_filled(ns_of(c), resolved_last(&dir)))
            return fail(&c->err, ERR_ACCESS,
                        "Cannot delete/rename non-empty protected subdirectory %s", path);
    }
    for (size_t i = 0; s->protect_subdirs && i < s->protected_count; i++)
        if (is_below(r->text, s->protected_dirs[i]))
            return fail(&c->err, ERR_ACCESS,
                        "Cannot delete/rename subdirectory under protected subdirectory %s",
                        s->protected_dirs[i]);
    return 0;
}
