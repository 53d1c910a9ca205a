/* inode.c - the table of inodes: birth, links to the parent, block lists, and the end of the
 * namespace itself. Thread: state. Invariants: (1) each live inode is in by_id; (2) parent is 0 for
 * the root and for a detached tree's top only; (3) child is in its parent's directory under its
 * name exactly once. */
#include <stdlib.h>

#include "namenode/namespace/internal.h"

static uint64_t id_of(const void *owner, handle_t h)
{
    return ((const struct inode *)pool_at(owner, h))->id;
}

static void init_pools(struct ns *ns)
{
    pool_init(&ns->inodes, sizeof(struct inode));
    pool_init(&ns->chunks, sizeof(struct dir_chunk));
    pool_init(&ns->big_dirs, sizeof(struct big_dir));
    pool_init(&ns->uc, sizeof(struct inode_uc));
    pool_init(&ns->leases, sizeof(struct lease));
    pool_init(&ns->quotas, sizeof(struct dir_quota));
    pool_init(&ns->features, sizeof(struct features));
    pool_init(&ns->sums, sizeof(struct dir_sums));
    pool_init(&ns->type_sums, QUOTA_TYPES * sizeof(uint64_t));
    heap_init(&ns->heap);
    idmap_init(&ns->by_id, id_of, &ns->inodes);
}

static int make_root(struct ns *ns, const char *owner, const char *group)
{
    uint32_t user_id, group_id;
    TRY(ns_intern(ns, NAME_USER, slice_of(owner), &user_id));
    TRY(ns_intern(ns, NAME_GROUP, slice_of(group), &group_id));
    struct ns_new_inode n = {.id = NS_ROOT_INODE_ID, .perm = perm_of(user_id, group_id, 0755)};
    TRY(ns_make(ns, INODE_DIR, &n, &ns->root));
    struct dir_quota q = {.ns = NS_ROOT_NS_QUOTA, .ds = NS_NO_QUOTA};
    for (int i = 0; i < QUOTA_TYPES; i++)
        q.type[i] = NS_NO_QUOTA;
    return ns_set_quota(ns, ns->root, &q);
}

int ns_new(const char *owner, const char *group, struct ns **ret)
{
    struct ns *ns = calloc(1, sizeof(*ns));
    if (ns == NULL)
        return ERR_NO_MEMORY;
    init_pools(ns);
    int rc = make_root(ns, owner, group);
    if (rc != 0) {
        ns_free(ns);
        return rc;
    }
    *ret = ns;
    return 0;
}

static void free_leases(struct ns *ns)
{
    struct lease *lease, *next;
    HASH_ITER(hh, ns->lease_by_holder, lease, next)
    {
        HASH_DEL(ns->lease_by_holder, lease);
        free(lease->holder);
    }
}

void ns_free(struct ns *ns)
{
    if (ns == NULL)
        return;
    free_leases(ns);
    free(ns->open);
    for (handle_t h = 1; h <= ns->big_dirs.used; h++)
        free(((struct big_dir *)pool_at(&ns->big_dirs, h))->chunks);
    struct pool *pools[] = {&ns->inodes, &ns->chunks,   &ns->big_dirs, &ns->uc,       &ns->leases,
                            &ns->quotas, &ns->features, &ns->sums,     &ns->type_sums};
    for (size_t i = 0; i < ARRAY_SIZE(pools); i++)
        pool_fini(pools[i]);
    heap_fini(&ns->heap);
    idmap_fini(&ns->by_id);
    for (int kind = 0; kind < 4; kind++)
        names_fini(&ns->names[kind]);
    free(ns);
}

void ns_stats(const struct ns *ns, struct ns_stats *ret)
{
    *ret = (struct ns_stats){
        .inodes = ns->inodes.live,
        .directories = ns->type_count[INODE_DIR],
        .files = ns->type_count[INODE_FILE],
        .symlinks = ns->type_count[INODE_SYMLINK],
        .open_files = ns->uc.live,
        .leases = ns->leases.live,
        .detached_roots = ns->detached_count,
        .bytes = heap_bytes(&ns->heap) + idmap_bytes(&ns->by_id),
    };
    const struct pool *pools[] = {&ns->inodes,   &ns->chunks, &ns->big_dirs,
                                  &ns->uc,       &ns->leases, &ns->quotas,
                                  &ns->features, &ns->sums,   &ns->type_sums};
    for (size_t i = 0; i < ARRAY_SIZE(pools); i++)
        ret->bytes += pool_bytes(pools[i]);
}

/* ---- looking ---- */

const struct inode *ns_inode(const struct ns *ns, handle_t h)
{
    CHECK(h != 0);
    return at_inode(ns, h);
}

handle_t ns_root(const struct ns *ns)
{
    return ns->root;
}

uint64_t ns_last_inode_id(const struct ns *ns)
{
    return ns->last_inode_id;
}

void ns_set_last_inode_id(struct ns *ns, uint64_t id)
{
    if (id > ns->last_inode_id)
        ns->last_inode_id = id;
}

bool ns_attached(const struct ns *ns, handle_t h)
{
    for (handle_t parent; (parent = at_inode(ns, h)->parent) != 0;)
        h = parent;
    return h == ns->root;
}

handle_t ns_find_id(const struct ns *ns, uint64_t id)
{
    handle_t h = idmap_find(&ns->by_id, id);
    return h != 0 && ns_attached(ns, h) ? h : 0;
}

handle_t ns_find_any(const struct ns *ns, uint64_t id)
{
    return idmap_find(&ns->by_id, id);
}

struct slice ns_name(const struct ns *ns, handle_t h)
{
    return name_of(ns, at_inode(ns, h));
}

struct slice ns_symlink_target(const struct ns *ns, handle_t h)
{
    const struct inode_symlink *l = &at_inode(ns, h)->link;
    return (struct slice){
        l->target_size == 0 ? NULL : heap_at(&ns->heap, l->target, l->target_size), l->target_size};
}

const char *ns_path(const struct ns *ns, handle_t h, struct arena *arena)
{
    if (h == ns->root)
        return arena_strdup(arena, "/");
    size_t size = 0;
    for (handle_t at = h; at != ns->root; at = at_inode(ns, at)->parent) {
        if (at == 0)
            return arena_strdup(arena, "(deleted)");
        size += 1u + at_inode(ns, at)->name_size;
    }
    char *path = arena_alloc(arena, size + 1);
    if (path == NULL)
        return NULL;
    char *p = path + size;
    *p = '\0';
    for (handle_t at = h; at != ns->root; at = at_inode(ns, at)->parent) {
        struct slice name = ns_name(ns, at);
        p -= name.size;
        memcpy(p, name.data, name.size);
        *--p = '/';
    }
    return path;
}

const handle_t *ns_blocks(const struct ns *ns, handle_t file)
{
    const struct inode_file *f = &at_inode(ns, file)->file;
    if (f->block_count <= 1)
        return f->block_count == 0 ? NULL : &f->blocks;
    return heap_at(&ns->heap, f->blocks, f->block_count * sizeof(handle_t));
}

const char *ns_user(const struct ns *ns, handle_t h)
{
    return ns_interned(ns, NAME_USER, perm_user(at_inode(ns, h)->perm));
}

const char *ns_group(const struct ns *ns, handle_t h)
{
    return ns_interned(ns, NAME_GROUP, perm_group(at_inode(ns, h)->perm));
}

/* ---- birth ---- */

static void fill_file(struct inode *i, const struct ns_new_inode *n)
{
    i->file.atime_ms = n->atime_ms;
    i->file.block_size = n->block_size;
    i->file.replication = n->replication;
    i->file.policy = n->policy;
    i->file.ec = n->ec;
}

static int fill_symlink(struct ns *ns, struct inode *i, const struct ns_new_inode *n)
{
    i->link.atime_ms = n->atime_ms;
    i->link.target_size = (uint32_t)n->target.size;
    i->link.target = heap_put(&ns->heap, n->target.data, n->target.size);
    return i->link.target == 0 && n->target.size > 0 ? ERR_NO_MEMORY : 0;
}

int ns_make(struct ns *ns, enum inode_type type, const struct ns_new_inode *n, handle_t *ret)
{
    CHECK(n->name.size <= NS_MAX_NAME_BYTES);
    handle_t h = pool_take(&ns->inodes);
    if (h == 0)
        return ERR_NO_MEMORY;
    struct inode *i = at_inode(ns, h);
    i->id = n->id;
    i->type = (uint8_t)type;
    i->perm = n->perm;
    i->mtime_ms = n->mtime_ms;
    i->name_size = (uint16_t)n->name.size;
    i->name = heap_put(&ns->heap, n->name.data, n->name.size);
    int rc = i->name == 0 && n->name.size > 0 ? ERR_NO_MEMORY : 0;
    if (rc == 0 && type == INODE_FILE)
        fill_file(i, n);
    if (rc == 0 && type == INODE_SYMLINK)
        rc = fill_symlink(ns, i, n);
    if (rc == 0)
        rc = idmap_put(&ns->by_id, n->id, h);
    if (rc != 0) { /* out of memory: what little was taken stays with the namespace */
        pool_give(&ns->inodes, h);
        return rc;
    }
    ns->type_count[type]++;
    ns_set_last_inode_id(ns, n->id);
    *ret = h;
    return 0;
}

int ns_link(struct ns *ns, handle_t parent, handle_t child)
{
    CHECK(at_inode(ns, child)->parent == 0 && child != ns->root);
    TRY(sums_before_link(ns, parent, child));
    TRY(dir_insert(ns, parent, child));
    at_inode(ns, child)->parent = parent;
    sums_linked(ns, child);
    return 0;
}

int ns_add(struct ns *ns, enum inode_type type, const struct ns_new_inode *n, bool touch_parent,
           handle_t *ret)
{
    handle_t h;
    TRY(ns_make(ns, type, n, &h));
    TRY(ns_link(ns, n->parent, h));
    if (touch_parent)
        touch(at_inode(ns, n->parent), n->mtime_ms);
    *ret = h;
    return 0;
}

/* ---- attributes ---- */

void ns_set_perm(struct ns *ns, handle_t h, perm_t perm)
{
    at_inode(ns, h)->perm = perm;
}

void ns_set_times(struct ns *ns, handle_t h, uint64_t mtime_ms, uint64_t atime_ms)
{
    struct inode *i = at_inode(ns, h);
    if ((int64_t)mtime_ms >= 0)
        i->mtime_ms = mtime_ms;
    if ((int64_t)atime_ms < 0 || i->type == INODE_DIR)
        return;
    if (i->type == INODE_FILE)
        i->file.atime_ms = atime_ms;
    else
        i->link.atime_ms = atime_ms;
}

void ns_set_replication(struct ns *ns, handle_t file, uint16_t replication)
{
    CHECK(at_inode(ns, file)->type == INODE_FILE);
    struct sums before = sums_before(ns, file);
    at_inode(ns, file)->file.replication = replication;
    sums_after(ns, file, &before);
}

void ns_set_file_policy(struct ns *ns, handle_t file, uint8_t policy)
{
    CHECK(at_inode(ns, file)->type == INODE_FILE);
    struct sums before = sums_before(ns, file);
    at_inode(ns, file)->file.policy = policy;
    sums_after(ns, file, &before);
}

static bool quota_is_none(const struct dir_quota *q)
{
    for (int i = 0; i < QUOTA_TYPES; i++)
        if (q->type[i] != NS_NO_QUOTA)
            return false;
    return q->ns == NS_NO_QUOTA && q->ds == NS_NO_QUOTA;
}

const struct dir_quota *ns_quota(const struct ns *ns, handle_t dir)
{
    handle_t q = at_inode(ns, dir)->dir.quota;
    return q == 0 ? NULL : pool_at(&ns->quotas, q);
}

int ns_set_quota(struct ns *ns, handle_t dir, const struct dir_quota *q)
{
    struct inode *d = at_inode(ns, dir);
    CHECK(d->type == INODE_DIR);
    if (q == NULL || quota_is_none(q)) {
        if (d->dir.quota != 0)
            pool_give(&ns->quotas, d->dir.quota);
        d->dir.quota = 0;
        return 0;
    }
    if (d->dir.quota == 0 && (d->dir.quota = pool_take(&ns->quotas)) == 0)
        return ERR_NO_MEMORY;
    *(struct dir_quota *)pool_at(&ns->quotas, d->dir.quota) = *q;
    return 0;
}

/* ---- block lists ---- */

/* Keeps the first min(old, new); a single one needs no piece of heap. */
static int resize_blocks(struct ns *ns, handle_t file, uint32_t count)
{
    struct inode_file *f = &at_inode(ns, file)->file;
    size_t old_size = f->block_count * sizeof(handle_t), new_size = count * sizeof(handle_t);
    handle_t first = f->block_count == 0 ? 0 : ns_blocks(ns, file)[0], blocks = first;
    if (count > 1 && f->block_count > 1) {
        blocks = heap_resize(&ns->heap, f->blocks, old_size, new_size);
    } else if (count > 1) {
        blocks = heap_put(&ns->heap, NULL, new_size);
        if (blocks != 0)
            memcpy(heap_at(&ns->heap, blocks, new_size), &first, sizeof(first));
    } else if (f->block_count > 1) {
        heap_give(&ns->heap, f->blocks, old_size);
    }
    if (count > 1 && blocks == 0)
        return ERR_NO_MEMORY;
    f->blocks = count == 0 ? 0 : blocks;
    f->block_count = count;
    return 0;
}

static handle_t *block_list(struct ns *ns, handle_t file)
{
    struct inode_file *f = &at_inode(ns, file)->file;
    return f->block_count == 1 ? &f->blocks
                               : heap_at(&ns->heap, f->blocks, f->block_count * sizeof(handle_t));
}

int ns_set_blocks(struct ns *ns, handle_t file, const handle_t *blocks, uint32_t count)
{
    struct sums before = sums_before(ns, file);
    TRY(resize_blocks(ns, file, count));
    if (count > 0)
        memcpy(block_list(ns, file), blocks, count * sizeof(handle_t));
    sums_after(ns, file, &before);
    return 0;
}

int ns_push_block(struct ns *ns, handle_t file, handle_t block)
{
    uint32_t count = at_inode(ns, file)->file.block_count;
    TRY(resize_blocks(ns, file, count + 1));
    block_list(ns, file)[count] = block;
    sums_of_block(ns, file, block, 1);
    return 0;
}

handle_t ns_pop_block(struct ns *ns, handle_t file)
{
    struct inode_file *f = &at_inode(ns, file)->file;
    if (f->block_count == 0)
        return 0;
    handle_t last = ns_blocks(ns, file)[f->block_count - 1];
    sums_of_block(ns, file, last, -1);
    CHECK(resize_blocks(ns, file, f->block_count - 1) == 0);
    return last;
}
