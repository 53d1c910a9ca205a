/* load_inode.c - the sections INODE and INODE_DIR: first all inodes without a place, then who is
 * whose child. */
#include "namenode/image/internal.h"

static int no_memory(struct err *err)
{
    return fail(err, ERR_NO_MEMORY, "no memory for the image's inodes");
}

static int load_perm(struct image_loader *l, uint64_t packed, perm_t *ret, struct err *err)
{
    uint32_t user, group;
    TRY(image_string(l, NAME_USER, perm_user(packed), &user, err));
    TRY(image_string(l, NAME_GROUP, perm_group(packed), &group, err));
    *ret = perm_of(user, group, perm_mode(packed) & 01777);
    return 0;
}

static int load_acl(struct image_loader *l, handle_t h, const Image__AclFeature *m, struct err *err)
{
    if (m == NULL || m->n_entries == 0)
        return 0;
    uint32_t *entries = arena_array(&l->arena, uint32_t, m->n_entries);
    if (entries == NULL)
        return no_memory(err);
    for (size_t i = 0; i < m->n_entries; i++) {
        uint32_t e = m->entries[i], name;
        enum name_kind kind = acl_type(e) == ACL_USER ? NAME_USER : NAME_GROUP;
        TRY(image_string(l, kind, acl_name(e), &name, err));
        entries[i] = acl_entry(acl_scope(e), acl_type(e), acl_access(e), name);
        if (i > 0 && acl_scope(e) < acl_scope(m->entries[i - 1]))
            return image_corrupt(l, err, "an ACL whose default entries don't come last");
    }
    return ns_set_acl(l->nn->ns, h, entries, (uint32_t)m->n_entries) == 0 ? 0 : no_memory(err);
}

static bool of_encryption(const struct ns *ns, const struct xattr *x)
{
    const char *name = ns_interned(ns, NAME_XATTR, x->name);
    return x->space == XATTR_RAW && strncmp(name, "hdfs.crypto.", strlen("hdfs.crypto.")) == 0;
}

static int load_xattrs(struct image_loader *l, handle_t h, const Image__XAttrFeature *m,
                       struct err *err)
{
    for (size_t i = m == NULL ? 0 : m->n_xattrs; i-- > 0;) { /* each goes to the front */
        const Image__XAttrCompact *c = m->xattrs[i];
        struct xattr x = {.space = (uint8_t)(c->name >> 30 | (c->name >> 5 & 1) << 2),
                          .value = {c->value.data, c->value.len}};
        TRY(image_string(l, NAME_XATTR, c->name >> 6 & 0xffffff, &x.name, err));
        if (x.space > XATTR_RAW || x.name == 0 || x.value.size > UINT16_MAX)
            return image_corrupt(l, err, "a malformed extended attribute");
        if (of_encryption(l->nn->ns, &x))
            return fail(err, ERR_UNSUPPORTED,
                        "the image has encryption zones, which aren't there yet");
        if (ns_set_xattr(l->nn->ns, h, &x) != 0)
            return no_memory(err);
    }
    return 0;
}

/* ---- files ---- */

/* A truncation was under way: it goes on, or the bytes it took away would come back. */
static int load_cut(struct image_loader *l, handle_t block, const Image__INodeFile *m,
                    struct err *err)
{
    const Image__FileUnderConstructionFeature *uc = m->file_uc;
    if (uc == NULL || !uc->has_cut_length)
        return 0;
    if (uc->cut_length >= blocks_length(l->nn->blocks, block))
        return image_corrupt(l, err, "a block that is cut to more than it has");
    return blocks_cut(l->nn->blocks, block, uc->cut_length) == 0 ? 0 : no_memory(err);
}

static int load_blocks(struct image_loader *l, handle_t h, const Image__INodeFile *m,
                       struct err *err)
{
    struct ns *ns = l->nn->ns;
    uint32_t replication = ns_inode(ns, h)->file.replication;
    handle_t *handles = arena_array(&l->arena, handle_t, m->n_blocks + 1);
    if (handles == NULL || m->n_blocks > UINT32_MAX)
        return no_memory(err);
    for (size_t i = 0; i < m->n_blocks; i++) {
        const Hdfs__Block *b = m->blocks[i];
        bool growing = m->file_uc != NULL && i == m->n_blocks - 1;
        struct block_info info = {.id = b->block_id,
                                  .generation_stamp = b->gen_stamp,
                                  .length = b->num_bytes,
                                  .owner = h,
                                  .replication = replication == 0 ? 1 : replication,
                                  .ec = ns_inode(ns, h)->file.ec,
                                  .state = growing ? BLOCK_UNDER_CONSTRUCTION : BLOCK_COMPLETE};
        if (blocks_find(l->nn->blocks, info.id) != 0)
            return image_corrupt(l, err, "a block that two files have");
        if ((int64_t)info.length < 0)
            return image_corrupt(l, err, "a block of negative length");
        if (blocks_add(l->nn->blocks, &info, &handles[i]) != 0)
            return no_memory(err);
        if (growing)
            TRY(load_cut(l, handles[i], m, err));
    }
    return ns_set_blocks(ns, h, handles, (uint32_t)m->n_blocks) == 0 ? 0 : no_memory(err);
}

static int load_open(struct image_loader *l, handle_t h,
                     const Image__FileUnderConstructionFeature *uc, struct err *err)
{
    if (uc == NULL)
        return 0;
    struct slice client = slice_of(uc->client_name == NULL ? "" : uc->client_name);
    struct slice machine = slice_of(uc->client_machine == NULL ? "" : uc->client_machine);
    return ns_open_file(l->nn->ns, h, client, machine) == 0 ? 0 : no_memory(err);
}

static int load_file(struct image_loader *l, struct ns_new_inode *n, const Image__INodeFile *m,
                     struct err *err)
{
    handle_t h;
    bool striped = m->has_block_type && m->block_type == HDFS__BLOCK_TYPE__STRIPED;
    if (m->replication > UINT16_MAX || (m->replication == 0) != striped ||
        m->erasure_coding_policy_id > UINT8_MAX || (m->erasure_coding_policy_id == 0) == striped ||
        m->storage_policy_id > UINT8_MAX)
        return image_corrupt(l, err, "a file with impossible attributes");
    n->mtime_ms = m->modification_time;
    n->atime_ms = m->access_time;
    n->block_size = m->preferred_block_size;
    n->replication = (uint16_t)m->replication;
    n->policy = (uint8_t)m->storage_policy_id;
    n->ec = (uint8_t)m->erasure_coding_policy_id;
    TRY(load_perm(l, m->permission, &n->perm, err));
    if (ns_make(l->nn->ns, INODE_FILE, n, &h) != 0)
        return no_memory(err);
    TRY(load_acl(l, h, m->acl, err));
    TRY(load_xattrs(l, h, m->xattrs, err));
    TRY(load_open(l, h, m->file_uc, err));
    return load_blocks(l, h, m, err);
}

/* ---- directories and links ---- */

static int load_quota(struct image_loader *l, handle_t h, const Image__INodeDirectory *m,
                      struct err *err)
{
    struct dir_quota q = {m->has_ns_quota ? m->ns_quota : NS_NO_QUOTA,
                          m->has_ds_quota ? m->ds_quota : NS_NO_QUOTA,
                          {0}};
    for (int t = 0; t < QUOTA_TYPES; t++)
        q.type[t] = NS_NO_QUOTA;
    for (size_t i = 0; m->type_quotas != NULL && i < m->type_quotas->n_quotas; i++)
        for (int t = 0; t < QUOTA_TYPES; t++)
            if (image_storage_type[t] == (unsigned)m->type_quotas->quotas[i]->storage_type)
                q.type[t] = m->type_quotas->quotas[i]->quota;
    return ns_set_quota(l->nn->ns, h, &q) == 0 ? 0 : no_memory(err);
}

static int load_dir(struct image_loader *l, struct ns_new_inode *n, const Image__INodeDirectory *m,
                    struct err *err)
{
    struct ns *ns = l->nn->ns;
    handle_t h = ns_root(ns);
    n->mtime_ms = m->modification_time;
    TRY(load_perm(l, m->permission, &n->perm, err));
    if (n->id == ROOT_INODE_ID) {
        if (l->has_root)
            return image_corrupt(l, err, "a second root");
        l->has_root = true;
        ns_set_perm(ns, h, n->perm);
        ns_set_times(ns, h, n->mtime_ms, NS_KEEP_TIME);
    } else if (ns_make(ns, INODE_DIR, n, &h) != 0) {
        return no_memory(err);
    }
    TRY(load_acl(l, h, m->acl, err));
    TRY(load_xattrs(l, h, m->xattrs, err));
    return load_quota(l, h, m, err);
}

static int load_symlink(struct image_loader *l, struct ns_new_inode *n,
                        const Image__INodeSymlink *m, struct err *err)
{
    handle_t h;
    n->mtime_ms = m->modification_time;
    n->atime_ms = m->access_time;
    n->target = (struct slice){m->target.data, m->target.len};
    TRY(load_perm(l, m->permission, &n->perm, err));
    return ns_make(l->nn->ns, INODE_SYMLINK, n, &h) == 0 ? 0 : no_memory(err);
}

static bool possible_name(const Image__INode *m)
{
    if (m->id == ROOT_INODE_ID)
        return m->name.len == 0;
    return m->name.len > 0 && m->name.len <= NS_MAX_NAME_BYTES &&
           memchr(m->name.data, '/', m->name.len) == NULL &&
           memchr(m->name.data, 0, m->name.len) == NULL;
}

static int load_inode(struct image_loader *l, const Image__INode *m, struct err *err)
{
    struct ns_new_inode n = {.id = m->id, .name = {m->name.data, m->name.len}};
    bool root = m->id == ROOT_INODE_ID;
    if (m->id < ROOT_INODE_ID || m->id > INT64_MAX || !possible_name(m))
        return image_corrupt(l, err, "an inode with an impossible id or name");
    if (!root && ns_find_any(l->nn->ns, m->id) != 0)
        return image_corrupt(l, err, "two inodes with the same id");
    if (m->type == IMAGE__INODE__TYPE__DIRECTORY && m->directory != NULL)
        return load_dir(l, &n, m->directory, err);
    if (m->type == IMAGE__INODE__TYPE__FILE && m->file != NULL && !root)
        return load_file(l, &n, m->file, err);
    if (m->type == IMAGE__INODE__TYPE__SYMLINK && m->symlink != NULL && !root)
        return load_symlink(l, &n, m->symlink, err);
    return image_corrupt(l, err, "an inode without what its type needs");
}

int image_load_inodes(struct image_loader *l, struct err *err)
{
    struct slice bytes;
    TRY(image_record(l, &bytes, err));
    Image__INodeSection *head = image__inode_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (head == NULL)
        return image_corrupt(l, err, "a malformed header");
    uint64_t count = head->num_inodes, last_id = head->last_inode_id;
    if (last_id > INT64_MAX)
        return image_corrupt(l, err, "an impossible last inode id");
    for (; reader_left(&l->in) > 0; l->inode_count++) {
        TRY(image_record(l, &bytes, err));
        Image__INode *m = image__inode__unpack(&l->arena.pb, bytes.size, bytes.data);
        if (m == NULL)
            return image_corrupt(l, err, "a malformed inode");
        TRY(load_inode(l, m, err));
    }
    if (count != l->inode_count || !l->has_root)
        return image_corrupt(l, err,
                             l->has_root ? "another number of inodes than it says" : "no root");
    ns_set_last_inode_id(l->nn->ns, last_id);
    return 0;
}

/* ---- who is whose child ---- */

static int link_child(struct image_loader *l, handle_t dir, uint64_t id, struct err *err)
{
    struct ns *ns = l->nn->ns;
    handle_t child = ns_find_any(ns, id);
    if (child == 0 || child == ns_root(ns) || ns_inode(ns, child)->parent != 0)
        return image_corrupt(l, err, "a child that doesn't exist or has another parent");
    if (ns_child(ns, dir, ns_name(ns, child)) != 0)
        return image_corrupt(l, err, "two children of the same name");
    return ns_link(ns, dir, child) == 0 ? 0 : no_memory(err);
}

int image_load_directories(struct image_loader *l, struct err *err)
{
    struct ns *ns = l->nn->ns;
    while (reader_left(&l->in) > 0) {
        struct slice bytes;
        TRY(image_record(l, &bytes, err));
        Image__DirEntry *m = image__dir_entry__unpack(&l->arena.pb, bytes.size, bytes.data);
        if (m == NULL)
            return image_corrupt(l, err, "a malformed directory");
        if (m->n_ref_children > 0)
            return fail(err, ERR_UNSUPPORTED,
                        "the image has inode references, which come with snapshots");
        handle_t dir = ns_find_any(ns, m->parent);
        if (dir == 0 || !inode_is_dir(ns_inode(ns, dir)))
            return image_corrupt(l, err, "children of what isn't a directory");
        for (size_t i = 0; i < m->n_children; i++)
            TRY(link_child(l, dir, m->children[i], err));
    }
    /* what the root doesn't lead to is lost, or hangs in a ring */
    uint64_t reached = 0;
    struct ns_walk walk = ns_walk_from(ns, ns_root(ns));
    while (ns_walk_next(&walk) != 0)
        reached++;
    return reached == l->inode_count ? 0
                                     : image_corrupt(l, err, "inodes that no directory leads to");
}
