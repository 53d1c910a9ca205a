/* change.c - creating, renaming and deleting: first the checks, with Hadoop's classes and texts,
 * then the deeds. Thread: state. A check changes nothing; a deed is called when an edit is applied
 * and relies on the check. Deleting is two steps: unlinking makes the tree unreachable at once,
 * ns_collect frees it in slices. Detached trees form a stack linked through inode.name (a detached
 * top needs no name any more), so that collecting takes no memory. */
#include "namenode/namespace/internal.h"

/* ---- checks ---- */

static int check_name(const struct resolved *r, uint32_t i, uint64_t max_length, struct err *err)
{
    struct slice name = r->names[i];
    if (slice_equal(name, slice_of(".snapshot")))
        return fail(err, ERR_ILLEGAL_ARGUMENT, "\".snapshot\" is a reserved name.");
    if (i == 1 && slice_equal(name, slice_of(".reserved")))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "File name \".reserved\" is reserved and cannot be created. If this is during "
                    "upgrade change the name of the existing file or directory to another name "
                    "before upgrading to the new release.");
    if ((max_length == 0 || name.size <= max_length) && name.size <= NS_MAX_NAME_BYTES)
        return 0;
    struct arena scratch;
    arena_init(&scratch, 0);
    const char *parent = resolved_prefix(r, i - 1, &scratch);
    int rc = fail(err, ERR_NAME_TOO_LONG,
                  "The maximum path component name limit of %.*s in directory %s is exceeded: "
                  "limit=%llu length=%zu",
                  (int)(name.size < 560 ? name.size : 560), name.data, parent == NULL ? "" : parent,
                  (unsigned long long)max_length, name.size);
    arena_fini(&scratch);
    return rc;
}

static int check_room(const struct ns *ns, const struct resolved *r, uint32_t i, uint64_t max_items,
                      struct err *err)
{
    const struct inode *d = at_inode(ns, r->inodes[i]);
    if (max_items == 0 || d->dir.child_count < max_items)
        return 0;
    struct arena scratch;
    arena_init(&scratch, 0);
    const char *path = resolved_prefix(r, i, &scratch);
    int rc =
        fail(err, ERR_DIR_FULL, "The directory item limit of %s is exceeded: limit=%llu items=%u",
             path == NULL ? "" : path, (unsigned long long)max_items, d->dir.child_count);
    arena_fini(&scratch);
    return rc;
}

int ns_check_new(const struct ns *ns, const struct resolved *r, struct ns_limits limits,
                 struct err *err)
{
    for (uint32_t i = r->found; i <= r->depth; i++)
        TRY(check_name(r, i, limits.max_component_length, err));
    if (r->found <= r->depth)
        TRY(check_room(ns, r, r->found - 1, limits.max_dir_items, err));
    return 0;
}

int ns_check_parent(const struct ns *ns, const struct resolved *r, struct err *err)
{
    if (r->depth <= 1)
        return 0;
    handle_t parent = resolved_parent(r);
    if (parent != 0 && at_inode(ns, parent)->type == INODE_DIR)
        return 0;
    struct arena scratch;
    arena_init(&scratch, 0);
    const char *path = resolved_prefix(r, r->depth - 1, &scratch);
    int rc = parent == 0 ? fail(err, ERR_NOT_FOUND, "Parent directory doesn't exist: %s",
                                path == NULL ? "" : path)
                         : fail(err, ERR_PARENT_NOT_DIR, "Parent path is not a directory: %s",
                                path == NULL ? "" : path);
    arena_fini(&scratch);
    return rc;
}

int ns_check_exists(const struct ns *ns, const struct resolved *r, struct err *err)
{
    (void)ns;
    if (resolved_last(r) == 0)
        return fail(err, ERR_NOT_FOUND, "File does not exist: %s", r->text);
    return 0;
}

int ns_check_file(const struct ns *ns, const struct resolved *r, struct err *err)
{
    TRY(ns_check_exists(ns, r, err));
    if (at_inode(ns, resolved_last(r))->type != INODE_FILE)
        return fail(err, ERR_NOT_FOUND, "Path is not a file: %s", r->text);
    return 0;
}

static int check_rename_source(const struct resolved *src, struct err *err)
{
    if (resolved_last(src) == 0)
        return fail(err, ERR_NOT_FOUND, "rename source %s is not found.", src->text);
    if (src->depth == 0)
        return fail(err, ERR_IO, "rename source cannot be the root");
    return 0;
}

static bool is_below(const char *path, const char *top)
{
    size_t n = strlen(top);
    return strncmp(path, top, n) == 0 && path[n] == '/';
}

static int check_rename_target(const struct ns *ns, const struct resolved *src,
                               const struct resolved *dst, struct err *err)
{
    handle_t from = resolved_last(src);
    if (at_inode(ns, from)->type == INODE_SYMLINK &&
        slice_equal(ns_symlink_target(ns, from), slice_of(dst->text)))
        return fail(err, ERR_EXISTS, "Cannot rename symlink %s to its target %s", src->text,
                    dst->text);
    if (is_below(dst->text, src->text))
        return fail(err, ERR_IO, "Rename destination %s is a directory or file under source %s",
                    dst->text, src->text);
    if (path_is_reserved(src->text) || path_is_reserved(dst->text))
        return fail(err, ERR_INVALID_PATH, "Invalid path name Cannot rename to or from /.reserved");
    return 0;
}

/* Of the destination's name and parent; a move inside one directory doesn't make it fuller. */
static int check_rename_limits(const struct ns *ns, const struct resolved *src,
                               const struct resolved *dst, struct ns_limits limits, struct err *err)
{
    TRY(check_name(dst, dst->depth, limits.max_component_length, err));
    if (resolved_parent(src) == resolved_parent(dst) || resolved_last(dst) != 0)
        return 0;
    return check_room(ns, dst, dst->depth - 1, limits.max_dir_items, err);
}

int ns_check_rename_old(const struct ns *ns, const struct resolved *src, struct resolved *dst,
                        struct ns_limits limits, struct arena *arena, bool *ret_ok, bool *ret_noop,
                        struct err *err)
{
    struct err ignored; /* what rename2 would throw is just "false" here */
    handle_t to = resolved_last(dst);
    *ret_ok = *ret_noop = false;
    struct slice name = src->depth > 0 ? resolved_name(src) : slice_of("");
    if (to != 0 && at_inode(ns, to)->type == INODE_DIR) /* whoever asks must be able to enter it */
        TRY(ns_resolve_child(ns, dst, name, arena, dst, err));
    if (check_rename_source(src, &ignored) != 0)
        return 0;
    if (strcmp(src->text, dst->text) == 0) {
        *ret_ok = *ret_noop = true;
        return 0;
    }
    if (check_rename_target(ns, src, dst, &ignored) != 0 || resolved_last(dst) != 0)
        return 0;
    handle_t parent = resolved_parent(dst);
    if (parent == 0 || at_inode(ns, parent)->type != INODE_DIR)
        return 0;
    TRY(check_rename_limits(ns, src, dst, limits, err));
    *ret_ok = true;
    return 0;
}

static int check_overwrite(const struct ns *ns, const struct resolved *src,
                           const struct resolved *dst, bool overwrite, struct err *err)
{
    const struct inode *from = at_inode(ns, resolved_last(src)),
                       *to = at_inode(ns, resolved_last(dst));
    if ((from->type == INODE_DIR) != (to->type == INODE_DIR))
        return fail(err, ERR_IO, "Source %s and destination %s must both be directories", src->text,
                    dst->text);
    if (!overwrite)
        return fail(err, ERR_EXISTS, "rename destination %s already exists", dst->text);
    if (to->type == INODE_DIR && to->dir.child_count > 0)
        return fail(err, ERR_IO, "rename destination directory is not empty: %s", dst->text);
    return 0;
}

int ns_check_rename(const struct ns *ns, const struct resolved *src, const struct resolved *dst,
                    bool overwrite, struct ns_limits limits, struct err *err)
{
    TRY(check_rename_source(src, err));
    if (strcmp(src->text, dst->text) == 0)
        return fail(err, ERR_EXISTS, "The source %s and destination %s are the same", src->text,
                    dst->text);
    TRY(check_rename_target(ns, src, dst, err));
    if (dst->depth == 0)
        return fail(err, ERR_IO, "rename destination cannot be the root");
    if (resolved_last(dst) != 0)
        TRY(check_overwrite(ns, src, dst, overwrite, err));
    handle_t parent = resolved_parent(dst);
    if (parent == 0)
        return fail(err, ERR_NOT_FOUND, "rename destination parent %s not found.", dst->text);
    if (at_inode(ns, parent)->type != INODE_DIR)
        return fail(err, ERR_PARENT_NOT_DIR, "rename destination parent %s is a file.", dst->text);
    return check_rename_limits(ns, src, dst, limits, err);
}

int ns_check_delete(const struct ns *ns, const struct resolved *r, bool recursive, bool *ret_ok,
                    struct err *err)
{
    handle_t h = resolved_last(r);
    const struct inode *i = h == 0 ? NULL : at_inode(ns, h);
    if (i != NULL && i->type == INODE_DIR && i->dir.child_count > 0 && !recursive)
        return fail(err, ERR_NOT_EMPTY, "`%s is non empty': Directory is not empty", r->text);
    *ret_ok = h != 0 && r->depth > 0;
    return 0;
}

uint16_t ns_implied_parent_mode(const struct ns *ns, const struct resolved *r, uint16_t mode,
                                bool inherit)
{
    uint16_t base = inherit ? perm_mode(at_inode(ns, r->inodes[r->found - 1])->perm) : mode;
    return (uint16_t)((base & 0777) | 0300);
}

/* ---- deeds ---- */

static void free_name(struct ns *ns, struct inode *i)
{
    heap_give(&ns->heap, i->name, i->name_size);
    i->name = 0;
    i->name_size = 0;
}

static void push_detached(struct ns *ns, handle_t h)
{
    struct inode *i = at_inode(ns, h);
    free_name(ns, i);
    i->parent = 0;
    i->name = ns->detached;
    ns->detached = h;
    ns->detached_count++;
}

void ns_remove(struct ns *ns, handle_t h, uint64_t mtime_ms)
{
    struct inode *i = at_inode(ns, h);
    CHECK(h != ns->root && i->parent != 0);
    dir_remove(ns, i->parent, h);
    sums_unlinked(ns, i->parent, h);
    touch(at_inode(ns, i->parent), mtime_ms);
    if (i->type == INODE_FILE)
        ns_close_file(ns, h);
    push_detached(ns, h);
}

static int set_name(struct ns *ns, struct inode *i, struct slice name)
{
    if (slice_equal(name_of(ns, i), name))
        return 0;
    handle_t fresh = heap_put(&ns->heap, name.data, name.size);
    if (fresh == 0)
        return ERR_NO_MEMORY;
    free_name(ns, i);
    i->name = fresh;
    i->name_size = (uint16_t)name.size;
    return 0;
}

int ns_move(struct ns *ns, handle_t src, handle_t new_parent, struct slice new_name,
            uint64_t mtime_ms)
{
    struct inode *i = at_inode(ns, src);
    handle_t old_parent = i->parent, standing = ns_child(ns, new_parent, new_name);
    CHECK(src != ns->root && old_parent != 0 && standing != src && new_name.size > 0);
    if (standing != 0)
        ns_remove(ns, standing, mtime_ms);
    dir_remove(ns, old_parent, src);
    sums_unlinked(ns, old_parent, src);
    TRY(set_name(ns, i, new_name));
    i->parent = 0;
    TRY(ns_link(ns, new_parent, src));
    touch(at_inode(ns, new_parent), i->mtime_ms);
    touch(at_inode(ns, old_parent), mtime_ms);
    touch(at_inode(ns, new_parent), mtime_ms);
    return 0;
}

static void free_inode(struct ns *ns, handle_t h, void (*on_block)(void *ctx, handle_t block),
                       void *ctx)
{
    struct inode *i = at_inode(ns, h);
    if (i->type == INODE_FILE) {
        const handle_t *blocks = ns_blocks(ns, h);
        for (uint32_t n = 0; n < i->file.block_count; n++)
            on_block(ctx, blocks[n]);
        if (i->file.block_count > 1)
            heap_give(&ns->heap, i->file.blocks, i->file.block_count * sizeof(handle_t));
        ns_close_file(ns, h);
    } else if (i->type == INODE_SYMLINK) {
        heap_give(&ns->heap, i->link.target, i->link.target_size);
    } else {
        (void)ns_set_quota(ns, h, NULL); /* dropping can't fail */
        CHECK(i->dir.child_count == 0 && i->dir.index == 0);
        sums_drop(ns, i);
    }
    features_free(ns, i);
    ns->type_count[i->type]--;
    idmap_remove(&ns->by_id, i->id);
    i->type = 0; /* walks over the table pass it by */
    pool_give(&ns->inodes, h);
}

bool ns_collect(struct ns *ns, uint32_t budget, void (*on_block)(void *ctx, handle_t block),
                void *ctx)
{
    while (ns->detached != 0 && budget > 0) {
        handle_t h = ns->detached, child = 0;
        struct inode *i = at_inode(ns, h);
        if (i->type == INODE_DIR)
            child = dir_take_last(ns, h);
        if (child != 0) {
            push_detached(ns, child);
            continue;
        }
        ns->detached = i->name;
        ns->detached_count--;
        i->name = 0;
        free_inode(ns, h, on_block, ctx);
        budget--;
    }
    return ns->detached != 0;
}
