/* perm.c - who may do what: modes, ACLs, the sticky bit, and Hadoop's texts, which tools parse.
 * Thread: state. Pure. Users and groups are compared as interned ids: a caller's name that was
 * never interned owns nothing. A NULL caller and the superuser may do everything. */
#include <stdio.h>

#include "namenode/namespace/internal.h"

enum { STICKY = 01000, PATH_TEXT = 320 };

static const char *const action_name[] = {"NONE", "EXECUTE",      "WRITE",      "WRITE_EXECUTE",
                                          "READ", "READ_EXECUTE", "READ_WRITE", "ALL"};

static bool is_super(const struct ns_caller *who)
{
    return who == NULL || who->superuser;
}

bool caller_in_group(const struct ns_caller *who, const char *group)
{
    for (size_t i = 0; i < who->group_count; i++)
        if (strcmp(who->groups[i], group) == 0)
            return true;
    return false;
}

static bool is_user(const struct ns *ns, const struct ns_caller *who, uint32_t user)
{
    return strcmp(ns_interned(ns, NAME_USER, user), who->user) == 0;
}

static bool in_group(const struct ns *ns, const struct ns_caller *who, uint32_t group)
{
    return caller_in_group(who, ns_interned(ns, NAME_GROUP, group));
}

void mode_text(uint16_t mode, char *out)
{
    static const char bits[] = "rwxrwxrwx";
    for (int i = 0; i < 9; i++)
        out[i] = (mode >> (8 - i) & 1) != 0 ? bits[i] : '-';
    if ((mode & STICKY) != 0)
        out[8] = (mode & 1) != 0 ? 't' : 'T';
    out[9] = '\0';
}

/* ---- one inode ---- */

/* Owner, then named users under the mask, then the union of groups under the mask, then the others.
 */
static bool acl_allows(const struct ns *ns, const struct ns_caller *who, const struct inode *i,
                       const uint32_t *acl, uint32_t count, unsigned access)
{
    uint16_t mode = perm_mode(i->perm);
    if (is_user(ns, who, perm_user(i->perm)))
        return ((mode >> 6) & access) == access;
    unsigned mask = mode >> 3 & 7;
    bool matched = false;
    for (uint32_t n = 0; n < count && acl_scope(acl[n]) == 0; n++) {
        bool allows = (acl_access(acl[n]) & mask & access) == access;
        if (acl_type(acl[n]) == ACL_USER && is_user(ns, who, acl_name(acl[n])))
            return allows;
        uint32_t group = acl_name(acl[n]) == 0 ? perm_group(i->perm) : acl_name(acl[n]);
        if (acl_type(acl[n]) == ACL_GROUP && in_group(ns, who, group)) {
            if (allows)
                return true;
            matched = true;
        }
    }
    return !matched && (mode & access) == access;
}

bool ns_may(const struct ns *ns, const struct ns_caller *who, handle_t h, unsigned access)
{
    if (is_super(who))
        return true;
    const struct inode *i = at_inode(ns, h);
    uint32_t count;
    const uint32_t *acl = ns_acl(ns, h, &count);
    if (count > 0 && acl_scope(acl[0]) == 0)
        return acl_allows(ns, who, i, acl, count, access);
    uint16_t mode = perm_mode(i->perm);
    if (is_user(ns, who, perm_user(i->perm)))
        mode >>= 6;
    else if (in_group(ns, who, perm_group(i->perm)))
        mode >>= 3;
    return (mode & access) == access;
}

/* ---- texts ---- */

static char kind_letter(const struct ns *ns, handle_t h)
{
    return at_inode(ns, h)->type == INODE_DIR ? 'd' : '-';
}

/* <path>":owner:group:drwxr-xr-x of an inode, for messages; long paths keep their end out. */
static void describe(const struct ns *ns, const char *path, handle_t h, char *out, size_t size)
{
    char mode[10];
    mode_text(perm_mode(at_inode(ns, h)->perm), mode);
    snprintf(out, size, "\"%.*s\":%s:%s:%c%s", PATH_TEXT, path, ns_user(ns, h), ns_group(ns, h),
             kind_letter(ns, h), mode);
}

static int deny_at(const struct ns *ns, const struct ns_caller *who, const char *path, handle_t h,
                   unsigned access, struct err *err)
{
    char text[700];
    describe(ns, path == NULL ? "" : path, h, text, sizeof(text));
    return fail(err, ERR_ACCESS, "Permission denied: user=%s, access=%s, inode=%s", who->user,
                action_name[access & 7], text);
}

int deny(const struct ns *ns, const struct ns_caller *who, const struct resolved *r, uint32_t i,
         unsigned access, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    int rc = deny_at(ns, who, resolved_prefix(r, i, &scratch), r->inodes[i], access, err);
    arena_fini(&scratch);
    return rc;
}

static int deny_sticky(const struct ns *ns, const struct ns_caller *who, handle_t dir,
                       handle_t child, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    char child_text[400], dir_text[400];
    const char *child_path = ns_path(ns, child, &scratch), *dir_path = ns_path(ns, dir, &scratch);
    describe(ns, child_path == NULL ? "" : child_path, child, child_text, sizeof(child_text));
    describe(ns, dir_path == NULL ? "" : dir_path, dir, dir_text, sizeof(dir_text));
    arena_fini(&scratch);
    return fail(err, ERR_ACCESS, "Permission denied by sticky bit: user=%s, path=%s, parent=%s",
                who->user, child_text, dir_text);
}

/* ---- checks ---- */

int ns_check_superuser(const struct ns_caller *who, struct err *err)
{
    if (is_super(who))
        return 0;
    return fail(err, ERR_ACCESS, "Access denied for user %s. Superuser privilege is required",
                who->user);
}

static bool sticky_forbids(const struct ns *ns, const struct ns_caller *who, handle_t dir,
                           handle_t child)
{
    return (perm_mode(at_inode(ns, dir)->perm) & STICKY) != 0 &&
           !is_user(ns, who, perm_user(at_inode(ns, dir)->perm)) &&
           !is_user(ns, who, perm_user(at_inode(ns, child)->perm));
}

static int check_sticky(const struct ns *ns, const struct ns_caller *who, handle_t dir,
                        struct err *err)
{
    uint32_t count;
    const handle_t *at;
    if ((perm_mode(at_inode(ns, dir)->perm) & STICKY) == 0)
        return 0;
    for (uint32_t k = 0; (at = ns_children(ns, dir, k, &count)) != NULL; k++)
        for (uint32_t i = 0; i < count; i++)
            if (sticky_forbids(ns, who, dir, at[i]))
                return deny_sticky(ns, who, dir, at[i], err);
    return 0;
}

/* Each directory at and below top, and what a sticky one holds. */
static int check_subtree(const struct ns *ns, const struct ns_caller *who, handle_t top,
                         struct ns_want want, struct err *err)
{
    struct ns_walk walk = ns_walk_from(ns, top);
    for (handle_t h = ns_walk_next(&walk), next; h != 0; h = next) {
        const struct inode *i = at_inode(ns, h);
        bool dir = i->type == INODE_DIR, may = !dir || ns_may(ns, who, h, want.subtree);
        if (dir && want.ignore_empty && i->dir.child_count == 0)
            may = true;
        if (dir && may && !want.ignore_sticky)
            TRY(check_sticky(ns, who, h, err));
        next = dir && !ns_has_subdirs(ns, h) ? ns_walk_skip(&walk) : ns_walk_next(&walk);
        if (may)
            continue;
        struct arena scratch;
        arena_init(&scratch, 0);
        int rc = deny_at(ns, who, ns_path(ns, h, &scratch), h, want.subtree, err);
        arena_fini(&scratch);
        return rc;
    }
    return 0;
}

static int check_at(const struct ns *ns, const struct ns_caller *who, const struct resolved *r,
                    uint32_t i, unsigned access, struct err *err)
{
    if (access == 0 || r->inodes[i] == 0 || ns_may(ns, who, r->inodes[i], access))
        return 0;
    return deny(ns, who, r, i, access, err);
}

static int check_owner(const struct ns *ns, const struct ns_caller *who, const struct resolved *r,
                       struct err *err)
{
    handle_t h = resolved_last(r);
    if (h == 0 || is_user(ns, who, perm_user(at_inode(ns, h)->perm)))
        return 0;
    return fail(err, ERR_ACCESS, "Permission denied. user=%s is not the owner of inode=%s",
                who->user, r->text);
}

int ns_check_access(const struct ns *ns, const struct ns_caller *who, const struct resolved *r,
                    struct ns_want want, struct err *err)
{
    if (is_super(who))
        return 0;
    handle_t last = resolved_last(r), parent = resolved_parent(r);
    uint32_t ancestor = r->found - 1 < r->depth
                            ? r->found - 1
                            : r->depth - 1; /* the last that exists above the last */
    for (uint32_t i = 0; r->depth > 0 && i <= ancestor; i++)
        TRY(check_at(ns, who, r, i, ACCESS_EXECUTE, err));
    if ((want.parent & ACCESS_WRITE) != 0 && last != 0 && parent != 0 &&
        sticky_forbids(ns, who, parent, last))
        return deny_sticky(ns, who, parent, last, err);
    if (r->depth > 0) {
        TRY(check_at(ns, who, r, ancestor, want.ancestor, err));
        TRY(check_at(ns, who, r, r->depth - 1, want.parent, err));
    }
    TRY(check_at(ns, who, r, r->depth, want.target, err));
    if (want.subtree != 0 && last != 0)
        TRY(check_subtree(ns, who, last, want, err));
    return want.owner ? check_owner(ns, who, r, err) : 0;
}
