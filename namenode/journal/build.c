/* build.c - fills records from the state, for handlers. Nothing is changed; memory comes from the
 * call's arena, names and texts are borrowed from the state and the call. Thread: state. */
#include "namenode/journal/internal.h"

static struct slice interned(const struct ns *ns, enum name_kind kind, uint32_t id)
{
    return slice_of(ns_interned(ns, kind, id));
}

void edit_from_perm(const struct ns *ns, handle_t h, struct edit_permission *ret)
{
    perm_t p = ns_inode(ns, h)->perm;
    *ret = (struct edit_permission){.user = interned(ns, NAME_USER, perm_user(p)),
                                    .group = interned(ns, NAME_GROUP, perm_group(p)),
                                    .mode = perm_mode(p)};
}

/* ---- ACLs ---- */

static void put_entry(struct edit_acl_list *list, unsigned scope, unsigned type, unsigned access,
                      struct slice name)
{
    list->at[list->count++] = (struct edit_acl_entry){
        .scope = (uint8_t)scope, .type = (uint8_t)type, .access = (uint8_t)access, .name = name};
}

static void put_packed(const struct ns *ns, struct edit_acl_list *list, unsigned scope, uint32_t e,
                       unsigned access)
{
    enum name_kind kind = acl_type(e) == ACL_USER ? NAME_USER : NAME_GROUP;
    put_entry(list, scope, acl_type(e), access, interned(ns, kind, acl_name(e)));
}

int edit_from_acl(const struct ns *ns, handle_t h, struct arena *arena, struct edit_acl_list *ret)
{
    const struct slice none = {0};
    uint32_t count, i = 0;
    const uint32_t *acl = ns_acl(ns, h, &count);
    *ret = (struct edit_acl_list){0};
    if (count == 0)
        return 0;
    ret->at = arena_array(arena, struct edit_acl_entry, count + 3);
    if (ret->at == NULL)
        return ERR_NO_MEMORY;
    uint16_t mode = perm_mode(ns_inode(ns, h)->perm);
    put_entry(ret, 0, ACL_USER, mode >> 6 & 7, none);
    for (; i < count && acl_scope(acl[i]) == 0; i++)
        put_packed(ns, ret, 0, acl[i], acl_access(acl[i]));
    put_entry(ret, 0, i == 0 ? ACL_GROUP : ACL_MASK, mode >> 3 & 7,
              none); /* with entries those bits are the mask */
    put_entry(ret, 0, ACL_OTHER, mode & 7, none);
    for (; i < count; i++)
        put_packed(ns, ret, 1, acl[i], acl_access(acl[i]));
    return 0;
}

/* What the mode that the client asked for leaves of a default entry. */
static unsigned filtered(uint32_t e, uint16_t mode, bool minimal)
{
    unsigned access = acl_access(e);
    if (acl_type(e) == ACL_USER && acl_name(e) == 0)
        return access & mode >> 6;
    if (acl_type(e) == ACL_MASK || (acl_type(e) == ACL_GROUP && minimal))
        return access & mode >> 3;
    return acl_type(e) == ACL_OTHER ? access & mode : access;
}

/* A child of a directory with a default ACL gets that as its ACL, filtered by the mode before the
 * umask; a directory inherits the defaults too. Without one the mode after the umask counts. */
static int inherit(const struct nn *nn, handle_t parent, bool is_dir, uint16_t mode, int unmasked,
                   struct arena *arena, uint16_t *ret_mode, struct edit_acl_list *ret)
{
    uint32_t count, first = 0;
    const uint32_t *acl = ns_acl(nn->ns, parent, &count);
    *ret = (struct edit_acl_list){0};
    *ret_mode = mode & 01777;
    while (first < count && acl_scope(acl[first]) == 0)
        first++;
    if (first == count)
        return 0;
    ret->at = arena_array(arena, struct edit_acl_entry, 2 * (count - first));
    if (ret->at == NULL)
        return ERR_NO_MEMORY;
    uint16_t asked = unmasked < 0 ? mode : (uint16_t)unmasked;
    bool minimal = count - first == 3;
    for (uint32_t i = first; i < count; i++)
        put_packed(nn->ns, ret, 0, acl[i], filtered(acl[i], asked, minimal));
    uint32_t n = ret->count;
    *ret_mode = (uint16_t)((asked & 01000) | ret->at[0].access << 6 | ret->at[n - 2].access << 3 |
                           ret->at[n - 1].access);
    for (uint32_t i = first; is_dir && i < count; i++)
        put_packed(nn->ns, ret, 1, acl[i], acl_access(acl[i]));
    if (ret->count == 3) /* nothing that the mode doesn't say */
        ret->count = 0;
    return 0;
}

/* ---- new inodes ---- */

static struct slice group_of(const struct nn *nn, handle_t h)
{
    return slice_of(ns_group(nn->ns, h));
}

int edit_for_add(const struct nn *nn, const struct resolved *r, const struct edit_new_file *f,
                 struct arena *arena, struct edit *ret)
{
    handle_t parent = resolved_parent(r);
    CHECK(parent != 0);
    *ret = (struct edit){.code = OP_add};
    ret->add = (struct op_add){.inode_id = ns_last_inode_id(nn->ns) + 1,
                               .path = slice_of(r->text),
                               .replication = f->replication,
                               .mtime = f->now_ms,
                               .atime = f->now_ms,
                               .block_size = f->block_size,
                               .perm = {.user = f->user, .group = group_of(nn, parent)},
                               .client = f->client,
                               .machine = f->machine,
                               .overwrite = f->overwrite,
                               .policy = f->policy,
                               .ec = f->ec,
                               .rpc = f->rpc};
    return inherit(nn, parent, false, f->mode, f->unmasked, arena, &ret->add.perm.mode,
                   &ret->add.acl);
}

int edit_for_mkdir(const struct nn *nn, const struct resolved *r, uint32_t depth, struct slice user,
                   uint16_t mode, int unmasked, uint64_t now_ms, struct arena *arena,
                   struct edit *ret)
{
    CHECK(depth > 0 && depth <= r->depth && r->inodes[depth - 1] != 0);
    const char *path = depth == r->depth ? r->text : resolved_prefix(r, depth, arena);
    if (path == NULL)
        return ERR_NO_MEMORY;
    handle_t parent = r->inodes[depth - 1];
    *ret = (struct edit){.code = OP_mkdir};
    ret->mkdir = (struct op_mkdir){.inode_id = ns_last_inode_id(nn->ns) + 1,
                                   .path = slice_of(path),
                                   .mtime = now_ms,
                                   .atime = now_ms,
                                   .perm = {.user = user, .group = group_of(nn, parent)}};
    return inherit(nn, parent, true, mode, unmasked, arena, &ret->mkdir.perm.mode, &ret->mkdir.acl);
}

/* ---- block lists ---- */

int edit_from_blocks(const struct nn *nn, handle_t file, struct arena *arena,
                     struct edit_block_list *ret)
{
    const handle_t *blocks = ns_blocks(nn->ns, file);
    uint32_t count = ns_inode(nn->ns, file)->file.block_count;
    ret->at = arena_array(arena, struct edit_block, count + 1); /* a caller may put one behind */
    ret->count = count;
    if (ret->at == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct block_info b;
        blocks_get(nn->blocks, blocks[i], &b);
        ret->at[i] = (struct edit_block){b.id, b.length, b.generation_stamp};
    }
    return 0;
}

int edit_for_add_block(const struct nn *nn, const char *path, const struct edit_block *previous,
                       const struct edit_block *last, struct edit_rpc_ids rpc, struct arena *arena,
                       struct edit *ret)
{
    (void)nn;
    struct edit_block *list = arena_array(arena, struct edit_block, 2);
    if (list == NULL)
        return ERR_NO_MEMORY;
    uint32_t count = 0;
    if (previous != NULL)
        list[count++] = *previous;
    list[count++] = *last;
    *ret = (struct edit){.code = OP_add_block};
    ret->add_block =
        (struct op_add_block){.path = slice_of(path), .blocks = {list, count}, .rpc = rpc};
    return 0;
}

int edit_for_update_blocks(const struct nn *nn, const char *path, handle_t file,
                           const struct edit_block *last, bool drop_last, struct edit_rpc_ids rpc,
                           struct arena *arena, struct edit *ret)
{
    *ret = (struct edit){.code = OP_update_blocks};
    struct op_update_blocks *op = &ret->update_blocks;
    op->path = slice_of(path);
    op->rpc = rpc;
    TRY(edit_from_blocks(nn, file, arena, &op->blocks));
    CHECK(op->blocks.count > 0);
    if (last != NULL)
        op->blocks.at[op->blocks.count - 1] = *last;
    op->blocks.count -= drop_last;
    return 0;
}

int edit_for_close(const struct nn *nn, const char *path, handle_t file,
                   const struct edit_block *last, uint64_t mtime_ms, struct arena *arena,
                   struct edit *ret)
{
    const struct inode *i = ns_inode(nn->ns, file);
    *ret = (struct edit){.code = OP_close};
    ret->close = (struct op_close){.inode_id = i->id,
                                   .path = slice_of(path),
                                   .replication = i->file.replication,
                                   .mtime = mtime_ms,
                                   .atime = i->file.atime_ms,
                                   .block_size = i->file.block_size};
    edit_from_perm(nn->ns, file, &ret->close.perm);
    TRY(edit_from_blocks(nn, file, arena, &ret->close.blocks));
    if (last != NULL && ret->close.blocks.count > 0)
        ret->close.blocks.at[ret->close.blocks.count - 1] = *last;
    return 0;
}
