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

/* `shown` is whose attributes the text gives for the parent; Hadoop shows the top of a tree that it
 * walks. */
static int deny_sticky(const struct ns *ns, const struct ns_caller *who, handle_t dir,
                       handle_t child, handle_t shown, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    char child_text[400], dir_text[400];
    const char *child_path = ns_path(ns, child, &scratch), *dir_path = ns_path(ns, dir, &scratch);
    describe(ns, child_path == NULL ? "" : child_path, child, child_text, sizeof(child_text));
    describe(ns, dir_path == NULL ? "" : dir_path, shown, dir_text, sizeof(dir_text));
    arena_fini(&scratch);
    return fail(err, ERR_ACCESS, "Permission denied by sticky bit: user=%s, path=%s, parent=%s",
                who->user, child_text, dir_text);
}

/* ---- checks ---- */

int ns_check_superuser(const struct ns_caller *who, struct err *err)
{
    if (is_super(who))
        return 0;
    return fail(err, ERR_ACCESS,
                "Access denied for user %s. Superuser privilege is required for operation %s",
                who->user, who->operation != NULL ? who->operation : "null");
}

static bool sticky_forbids(const struct ns *ns, const struct ns_caller *who, handle_t dir,
                           handle_t child)
{
    return (perm_mode(at_inode(ns, dir)->perm) & STICKY) != 0 &&
           !is_user(ns, who, perm_user(at_inode(ns, dir)->perm)) &&
           !is_user(ns, who, perm_user(at_inode(ns, child)->perm));
}

/* One directory of a tree that is checked as a whole, and what it holds if it is sticky. */
static int check_subdirectory(const struct ns *ns, const struct ns_caller *who, handle_t dir,
                              handle_t top, struct ns_want want, struct err *err)
{
    const struct inode *i = at_inode(ns, dir);
    if (want.ignore_empty && i->dir.child_count == 0)
        return 0;
    if (!ns_may(ns, who, dir, want.subtree)) {
        struct arena scratch;
        arena_init(&scratch, 0);
        int rc = deny_at(ns, who, ns_path(ns, dir, &scratch), dir, want.subtree, err);
        arena_fini(&scratch);
        return rc;
    }
    if (want.ignore_sticky || (perm_mode(i->perm) & STICKY) == 0)
        return 0;
    uint32_t count;
    const handle_t *children;
    for (uint32_t run = 0; (children = ns_children(ns, dir, run, &count)) != NULL; run++)
        for (uint32_t n = 0; n < count; n++)
            if (sticky_forbids(ns, who, dir, children[n]))
                return deny_sticky(ns, who, dir, children[n], top, err);
    return 0;
}

/* The last subdirectory before place n of that run of children, or in the runs before; 0: none. */
static handle_t last_subdirectory(const struct ns *ns, handle_t dir, uint32_t run, uint32_t n)
{
    for (;;) {
        uint32_t count;
        const handle_t *children = ns_children(ns, dir, run, &count);
        for (n = children == NULL ? 0 : n < count ? n : count; n > 0; n--)
            if (at_inode(ns, children[n - 1])->type == INODE_DIR)
                return children[n - 1];
        if (run-- == 0)
            return 0;
        n = UINT32_MAX;
    }
}

static handle_t last_of_all(const struct ns *ns, handle_t dir)
{
    uint32_t run = 0, count;
    while (ns_children(ns, dir, run, &count) != NULL)
        run++;
    return last_subdirectory(ns, dir, run, UINT32_MAX);
}

static handle_t previous_subdirectory(const struct ns *ns, handle_t dir)
{
    uint32_t run, position;
    handle_t parent = at_inode(ns, dir)->parent;
    CHECK(dir_find(ns, parent, ns_name(ns, dir), &run, &position));
    return last_subdirectory(ns, parent, run, position);
}

static int check_from_first(const struct ns *ns, const struct ns_caller *who, handle_t top,
                            struct ns_want want, struct err *err)
{
    struct ns_walk walk = ns_walk_from(ns, top);
    for (handle_t h; (h = ns_walk_next(&walk)) != 0;)
        if (at_inode(ns, h)->type == INODE_DIR)
            TRY(check_subdirectory(ns, who, h, top, want, err));
    return 0;
}

/* Each directory at and below top. Which of several refusals is told depends on the order: who
 * deletes meets the last directory first, who counts the first. */
static int check_subtree(const struct ns *ns, const struct ns_caller *who, handle_t top,
                         struct ns_want want, struct err *err)
{
    handle_t dir = top, next;
    if (at_inode(ns, top)->type != INODE_DIR)
        return 0;
    if (want.ignore_sticky)
        return check_from_first(ns, who, top, want, err);
    for (;;) {
        TRY(check_subdirectory(ns, who, dir, top, want, err));
        next = last_of_all(ns, dir);
        for (; next == 0 && dir != top; dir = at_inode(ns, dir)->parent)
            next = previous_subdirectory(ns, dir);
        if (next == 0)
            return 0;
        dir = next;
    }
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
        return deny_sticky(ns, who, parent, last, parent, err);
    if (r->depth > 0) {
        TRY(check_at(ns, who, r, ancestor, want.ancestor, err));
        TRY(check_at(ns, who, r, r->depth - 1, want.parent, err));
    }
    TRY(check_at(ns, who, r, r->depth, want.target, err));
    if (want.subtree != 0 && last != 0)
        TRY(check_subtree(ns, who, last, want, err));
    return want.owner ? check_owner(ns, who, r, err) : 0;
}
