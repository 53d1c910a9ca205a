/* verify.c - checks the whole namespace against itself: walks everything, recounts everything.
 * Thread: state. */
#include "namenode/namespace/internal.h"

static bool broken(struct err *err, const struct ns *ns, handle_t h, const char *what)
{
    (void)fail(err, ERR_CORRUPT, "inode %llu: %s", (unsigned long long)at_inode(ns, h)->id, what);
    return false;
}

static bool verify_dir(const struct ns *ns, handle_t dir, struct err *err)
{
    const struct inode *d = at_inode(ns, dir);
    uint32_t count, total = 0;
    const handle_t *at;
    struct slice previous = {0};
    for (uint32_t k = 0; (at = ns_children(ns, dir, k, &count)) != NULL; k++) {
        if (count == 0)
            return broken(err, ns, dir, "has an empty run of children");
        for (uint32_t i = 0; i < count; i++) {
            struct slice name = ns_name(ns, at[i]);
            if (at_inode(ns, at[i])->parent != dir)
                return broken(err, ns, at[i], "is listed by a directory that isn't its parent");
            if (total + i > 0 && name_compare(previous, name) >= 0)
                return broken(err, ns, at[i], "is out of order");
            previous = name;
        }
        total += count;
    }
    if (total != d->dir.child_count)
        return broken(err, ns, dir, "counts its children wrong");
    return sums_verify(ns, dir, err);
}

static bool verify_file(const struct ns *ns, handle_t h, uint64_t *open_files, struct err *err)
{
    const struct inode_uc *u = ns_uc(ns, h);
    if (u == NULL)
        return true;
    ++*open_files;
    if (u->inode != h)
        return broken(err, ns, h, "is open under another file's record");
    for (handle_t uc = at_lease(ns, u->lease)->files; uc != 0; uc = at_uc(ns, uc)->next)
        if (at_uc(ns, uc) == u)
            return true;
    return broken(err, ns, h, "is open but not in its lease's list");
}

static bool verify_inode(const struct ns *ns, handle_t h, uint64_t *open_files, struct err *err)
{
    const struct inode *i = at_inode(ns, h);
    if (idmap_find(&ns->by_id, i->id) != h)
        return broken(err, ns, h, "is not found by its id");
    if (i->id > ns->last_inode_id)
        return broken(err, ns, h, "has an id beyond the last one given out");
    if (i->type == INODE_DIR)
        return verify_dir(ns, h, err);
    return i->type == INODE_FILE ? verify_file(ns, h, open_files, err) : true;
}

static bool verify_leases(const struct ns *ns, struct err *err)
{
    int64_t previous = INT64_MIN;
    uint64_t leases = 0, files = 0;
    for (handle_t h = ns->lease_oldest; h != 0; h = at_lease(ns, h)->next, leases++) {
        const struct lease *l = at_lease(ns, h);
        uint32_t count = 0;
        for (handle_t uc = l->files; uc != 0; uc = at_uc(ns, uc)->next)
            count += at_uc(ns, uc)->lease == h;
        if (count != l->file_count || count == 0 || l->renewed_ms < previous ||
            ns_lease_find(ns, l->holder) != h) {
            (void)fail(err, ERR_CORRUPT, "lease of %s is broken", l->holder);
            return false;
        }
        previous = l->renewed_ms;
        files += count;
    }
    if (leases != ns->leases.live || files != ns->uc.live) {
        (void)fail(
            err, ERR_CORRUPT, "%llu leases and %llu open files in the lists, %u and %u alive",
            (unsigned long long)leases, (unsigned long long)files, ns->leases.live, ns->uc.live);
        return false;
    }
    return true;
}

bool ns_verify(const struct ns *ns, struct err *err)
{
    uint64_t inodes = 0, open_files = 0;
    struct ns_walk walk = ns_walk_from(ns, ns->root);
    for (handle_t h; (h = ns_walk_next(&walk)) != 0; inodes++)
        if (!verify_inode(ns, h, &open_files, err))
            return false;
    if (ns->by_id.used != ns->inodes.live || (ns->detached == 0 && inodes != ns->inodes.live)) {
        (void)fail(err, ERR_CORRUPT, "%llu inodes in the tree, %u known by id, %u alive",
                   (unsigned long long)inodes, ns->by_id.used, ns->inodes.live);
        return false;
    }
    if (ns->detached == 0 && open_files != ns->uc.live) {
        (void)fail(err, ERR_CORRUPT, "%llu open files in the tree, %u alive",
                   (unsigned long long)open_files, ns->uc.live);
        return false;
    }
    return verify_leases(ns, err);
}
