/* apply.c - what each record does to directories, attributes and counters. Files and blocks:
 * apply_file.c.
 *
 * Live operation and replay come here alike. Nothing is taken for granted: a record from a log that
 * doesn't fit the image, or that was made up, ends with an error that names it; only memory can run
 * out for one that a handler made. Thread: state. */
#include "namenode/journal/internal.h"
#include "namenode/retry/retry.h"

/* ---- finding what a record names ---- */

void target_fini(struct target *t)
{
    arena_fini(&t->arena);
}

int target_find(struct nn *nn, struct slice path, struct target *t, struct err *err)
{
    arena_init(&t->arena, 0);
    t->inode = 0;
    if (path.size == 0 || memchr(path.data, 0, path.size) != NULL)
        return fail(err, ERR_CORRUPT, "a path is empty or holds a zero byte");
    const char *text = arena_strndup(&t->arena, path.data, path.size);
    if (text == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory");
    TRY(ns_resolve(nn->ns, NULL, text, PATH_WRITE_LINK, &t->arena, &t->at, err));
    t->inode = resolved_last(&t->at);
    return 0;
}

int target_find_existing(struct nn *nn, struct slice path, struct target *t, struct err *err)
{
    TRY(target_find(nn, path, t, err));
    return ns_check_exists(nn->ns, &t->at, err);
}

int target_find_file(struct nn *nn, struct slice path, struct target *t, struct err *err)
{
    TRY(target_find(nn, path, t, err));
    return ns_check_file(nn->ns, &t->at, err);
}

static int find_dir(struct nn *nn, struct slice path, struct target *t, struct err *err)
{
    TRY(target_find_existing(nn, path, t, err));
    if (!inode_is_dir(ns_inode(nn->ns, t->inode)))
        return fail(err, ERR_NOT_DIR, "Path is not a directory: %s", t->at.text);
    return 0;
}

/* ---- permissions, ACLs, attributes ---- */

int perm_from_edit(struct ns *ns, const struct edit_permission *p, perm_t *ret)
{
    uint32_t user, group;
    TRY(ns_intern(ns, NAME_USER, p->user, &user));
    TRY(ns_intern(ns, NAME_GROUP, p->group, &group));
    *ret = perm_of(user, group, p->mode & 01777);
    return 0;
}

static int pack_acl_entry(struct ns *ns, const struct edit_acl_entry *a, uint32_t *ret)
{
    uint32_t name;
    TRY(ns_intern(ns, a->type == ACL_USER ? NAME_USER : NAME_GROUP, a->name, &name));
    *ret = acl_entry(a->scope, a->type, a->access, name);
    return 0;
}

/* The base entries give the mode (the mask standing for the group when there are more than three);
 * the named ones, the unnamed group beside a mask, and the defaults are stored. */
int acl_from_edit(struct ns *ns, handle_t h, const struct edit_acl_list *acl, struct err *err)
{
    uint32_t access_count = 0, stored = 0;
    while (access_count < acl->count && acl->at[access_count].scope == 0)
        access_count++;
    if (access_count < 3 || acl->at[0].type != ACL_USER ||
        acl->at[access_count - 1].type != ACL_OTHER)
        return fail(err, ERR_CORRUPT, "an ACL of %u entries isn't complete", acl->count);
    const struct edit_acl_entry *entries = acl->at;
    unsigned group = entries[access_count - 2].access; /* the mask, or the group itself */
    uint16_t mode = (uint16_t)((unsigned)entries[0].access << 6 | group << 3 |
                               entries[access_count - 1].access);
    struct arena scratch;
    arena_init(&scratch, 0);
    uint32_t *packed = arena_array(&scratch, uint32_t, acl->count);
    int rc = packed == NULL ? ERR_NO_MEMORY : 0;
    for (uint32_t i = 1; access_count > 3 && i < access_count - 2 && rc == 0; i++)
        rc = pack_acl_entry(ns, &entries[i], &packed[stored++]);
    for (uint32_t i = access_count; i < acl->count && rc == 0; i++)
        rc = pack_acl_entry(ns, &entries[i], &packed[stored++]);
    if (rc == 0)
        rc = ns_set_acl(ns, h, packed, stored);
    arena_fini(&scratch);
    TRY(rc);
    perm_t perm = ns_inode(ns, h)->perm;
    mode |= perm_mode(perm) & 01000;
    ns_set_perm(ns, h, perm_of(perm_user(perm), perm_group(perm), mode));
    return 0;
}

/* Data written by clients of an encryption zone would be unreadable through us, and what we write
 * there plain. */
static bool of_encryption(const struct edit_xattr *x)
{
    return x->space == XATTR_RAW &&
           (slice_equal(x->name, slice_of("hdfs.crypto.encryption.zone")) ||
            slice_equal(x->name, slice_of("hdfs.crypto.file.encryption.info")));
}

int xattrs_check(const struct edit_xattr_list *list, struct err *err)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (of_encryption(&list->at[i]))
            return fail(err, ERR_UNSUPPORTED, "encryption zones aren't there yet");
    return 0;
}

int xattrs_from_edit(struct ns *ns, handle_t h, const struct edit_xattr_list *list)
{
    for (uint32_t i = list->count; i-- > 0;) { /* each goes to the front */
        struct xattr x = {.space = list->at[i].space, .value = list->at[i].value};
        TRY(ns_intern(ns, NAME_XATTR, list->at[i].name, &x.name));
        TRY(ns_set_xattr(ns, h, &x));
    }
    return 0;
}

int apply_set_permissions(struct nn *nn, const struct op_set_permissions *op, const struct edit *e,
                          struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->path, &t, err));
    perm_t p = ns_inode(nn->ns, t.inode)->perm;
    ns_set_perm(nn->ns, t.inode, perm_of(perm_user(p), perm_group(p), op->mode & 01777));
    return 0;
}

int apply_set_owner(struct nn *nn, const struct op_set_owner *op, const struct edit *e,
                    struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->path, &t, err));
    perm_t p = ns_inode(nn->ns, t.inode)->perm;
    uint32_t user = perm_user(p), group = perm_group(p);
    if (op->user.size > 0)
        TRY(ns_intern(nn->ns, NAME_USER, op->user, &user));
    if (op->group.size > 0)
        TRY(ns_intern(nn->ns, NAME_GROUP, op->group, &group));
    ns_set_perm(nn->ns, t.inode, perm_of(user, group, perm_mode(p)));
    return 0;
}

int apply_set_acl(struct nn *nn, const struct op_set_acl *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->acl.src, &t, err));
    if (op->acl.entries.count > 0)
        return acl_from_edit(nn->ns, t.inode, &op->acl.entries, err);
    /* no entries: back to the plain mode, whose group bits are the unnamed group's entry, if the
     * ACL had one */
    uint32_t count;
    const uint32_t *acl = ns_acl(nn->ns, t.inode, &count);
    perm_t p = ns_inode(nn->ns, t.inode)->perm;
    uint16_t mode = perm_mode(p);
    for (uint32_t i = 0; i < count; i++)
        if (acl_scope(acl[i]) == 0 && acl_type(acl[i]) == ACL_GROUP && acl_name(acl[i]) == 0)
            mode = (uint16_t)((mode & 01707u) | acl_access(acl[i]) << 3);
    ns_set_perm(nn->ns, t.inode, perm_of(perm_user(p), perm_group(p), mode));
    return ns_set_acl(nn->ns, t.inode, NULL, 0);
}

int apply_set_xattr(struct nn *nn, const struct op_set_xattr *op, const struct edit *e,
                    struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->xattrs.src, &t, err));
    TRY(xattrs_check(&op->xattrs, err));
    return xattrs_from_edit(nn->ns, t.inode, &op->xattrs);
}

int apply_remove_xattr(struct nn *nn, const struct op_remove_xattr *op, const struct edit *e,
                       struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->xattrs.src, &t, err));
    for (uint32_t i = 0; i < op->xattrs.count; i++) {
        uint32_t name;
        TRY(ns_intern(nn->ns, NAME_XATTR, op->xattrs.at[i].name, &name));
        ns_remove_xattr(nn->ns, t.inode, op->xattrs.at[i].space, name);
    }
    return 0;
}

int apply_times(struct nn *nn, const struct op_times *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->path, &t, err));
    ns_set_times(nn->ns, t.inode, op->mtime, op->atime);
    return 0;
}

int apply_set_storage_policy(struct nn *nn, const struct op_set_storage_policy *op,
                             const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->path, &t, err));
    const struct inode *i = ns_inode(nn->ns, t.inode);
    if (i->type == INODE_SYMLINK)
        return fail(err, ERR_NOT_FOUND, "%s is not a file or directory", t.at.text);
    if (i->type == INODE_FILE) {
        ns_set_file_policy(nn->ns, t.inode, op->policy);
        return 0;
    }
    struct xattr x = {.space = XATTR_SYSTEM, .value = {&op->policy, 1}};
    TRY(ns_intern(nn->ns, NAME_XATTR, slice_of("hsm.block.storage.policy.id"), &x.name));
    if (op->policy != 0)
        return ns_set_xattr(nn->ns, t.inode, &x);
    ns_remove_xattr(nn->ns, t.inode, x.space, x.name);
    return 0;
}

/* ---- quotas ---- */

#define QUOTA_KEEP ((uint64_t)INT64_MAX) /* "don't change" of the call, which the record keeps */

static struct dir_quota quota_of(const struct nn *nn, handle_t dir)
{
    const struct dir_quota *q = ns_quota(nn->ns, dir);
    if (q != NULL)
        return *q;
    struct dir_quota none = {NS_NO_QUOTA, NS_NO_QUOTA, {0}};
    for (int i = 0; i < QUOTA_TYPES; i++)
        none.type[i] = NS_NO_QUOTA;
    return none;
}

int apply_set_quota(struct nn *nn, const struct op_set_quota *op, const struct edit *e,
                    struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(find_dir(nn, op->path, &t, err));
    struct dir_quota q = quota_of(nn, t.inode);
    if (t.inode == ns_root(nn->ns) && op->ns == NS_NO_QUOTA)
        q.ns = QUOTA_KEEP; /* the root always has one: as large as can be */
    else if (op->ns != QUOTA_KEEP)
        q.ns = op->ns;
    if (op->ds != QUOTA_KEEP)
        q.ds = op->ds;
    return ns_set_quota(nn->ns, t.inode, &q);
}

int apply_set_quota_by_storage_type(struct nn *nn, const struct op_set_quota_by_storage_type *op,
                                    const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(find_dir(nn, op->path, &t, err));
    if (op->type >= QUOTA_TYPES)
        return fail(err, ERR_CORRUPT, "there is no storage type %u", op->type);
    struct dir_quota q = quota_of(nn, t.inode);
    if (op->quota != QUOTA_KEEP)
        q.type[op->type] = op->quota;
    return ns_set_quota(nn->ns, t.inode, &q);
}

/* ---- the tree ---- */

/* Whether t names something that can be made under that id. */
static int check_new(struct nn *nn, const struct target *t, uint64_t id, struct err *err)
{
    struct ns_limits no_limits = {0};
    handle_t parent = resolved_parent(&t->at);
    if (t->inode != 0)
        return fail(err, ERR_EXISTS, "%s already exists", t->at.text);
    if (parent == 0 || !inode_is_dir(ns_inode(nn->ns, parent)))
        return fail(err, ERR_NOT_FOUND, "the parent of %s isn't an existing directory", t->at.text);
    if (ns_find_any(nn->ns, id) != 0 || id <= ROOT_INODE_ID || id > INT64_MAX)
        return fail(err, ERR_CORRUPT, "the inode id %llu of %s is taken or not possible",
                    (unsigned long long)id, t->at.text);
    return ns_check_new(nn->ns, &t->at, no_limits, err);
}

int make_inode(struct nn *nn, enum inode_type type, const struct target *t, struct ns_new_inode *n,
               const struct edit_permission *perm, handle_t *ret, struct err *err)
{
    TRY(check_new(nn, t, n->id, err));
    n->parent = resolved_parent(&t->at);
    n->name = resolved_name(&t->at);
    int rc = perm_from_edit(nn->ns, perm, &n->perm);
    if (rc == 0)
        rc = ns_add(nn->ns, type, n, true, ret);
    return rc == 0 ? 0 : fail(err, rc, "no memory for an inode");
}

int apply_mkdir(struct nn *nn, const struct op_mkdir *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    handle_t h;
    (void)e;
    TRY(target_find(nn, op->path, &t, err));
    TRY(xattrs_check(&op->xattrs, err));
    struct ns_new_inode n = {.id = op->inode_id, .mtime_ms = op->mtime};
    TRY(make_inode(nn, INODE_DIR, &t, &n, &op->perm, &h, err));
    if (op->acl.count > 0)
        TRY(acl_from_edit(nn->ns, h, &op->acl, err));
    return xattrs_from_edit(nn->ns, h, &op->xattrs);
}

int apply_symlink(struct nn *nn, const struct op_symlink *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    handle_t h;
    (void)e;
    TRY(target_find(nn, op->path, &t, err));
    struct ns_new_inode n = {
        .id = op->inode_id, .mtime_ms = op->mtime, .atime_ms = op->atime, .target = op->target};
    return make_inode(nn, INODE_SYMLINK, &t, &n, &op->perm, &h, err);
}

int apply_delete(struct nn *nn, const struct op_delete *op, const struct edit *e, struct err *err)
{
    auto_target struct target t;
    (void)e;
    TRY(target_find_existing(nn, op->path, &t, err));
    if (t.at.depth == 0)
        return fail(err, ERR_CORRUPT, "the root can't be deleted");
    ns_remove(nn->ns, t.inode, op->time);
    return 0;
}

static int rename_to(struct nn *nn, const struct target *src, const struct target *dst,
                     bool overwrite, uint64_t time, struct err *err)
{
    struct ns_limits no_limits = {0};
    TRY(ns_check_rename(nn->ns, &src->at, &dst->at, overwrite, no_limits, err));
    return ns_move(nn->ns, src->inode, resolved_parent(&dst->at), resolved_name(&dst->at), time);
}

int apply_rename_old(struct nn *nn, const struct op_rename_old *op, const struct edit *e,
                     struct err *err)
{
    auto_target struct target src, dst = {0};
    (void)e;
    TRY(target_find(nn, op->src, &src, err));
    TRY(target_find(nn, op->dst, &dst, err));
    /* Java's NameNode calls a rename to the same path done, and writes it down */
    if (src.inode != 0 && src.inode == dst.inode)
        return 0;
    return rename_to(nn, &src, &dst, false, op->time, err);
}

int apply_rename(struct nn *nn, const struct op_rename *op, const struct edit *e, struct err *err)
{
    auto_target struct target src, dst = {0};
    (void)e;
    bool overwrite = op->options.size > 0 &&
                     memchr(op->options.data, RENAME_OVERWRITE, op->options.size) != NULL;
    TRY(target_find(nn, op->src, &src, err));
    TRY(target_find(nn, op->dst, &dst, err));
    return rename_to(nn, &src, &dst, overwrite, op->time, err);
}

/* ---- counters ---- */

int apply_set_genstamp_v1(struct nn *nn, const struct op_set_genstamp_v1 *op, const struct edit *e,
                          struct err *err)
{
    (void)e;
    (void)err;
    nn->kept->legacy_genstamp = op->genstamp;
    return 0;
}

int apply_set_genstamp_v2(struct nn *nn, const struct op_set_genstamp_v2 *op, const struct edit *e,
                          struct err *err)
{
    (void)e;
    (void)err;
    /* A Java NameNode that isn't one of several forgets after a restart the stamps that no block
     * got, and gives them out again. */
    if (op->genstamp > nn->generation_stamp)
        nn->generation_stamp = op->genstamp;
    return 0;
}

int apply_allocate_block_id(struct nn *nn, const struct op_allocate_block_id *op,
                            const struct edit *e, struct err *err)
{
    (void)e;
    uint64_t *last = (int64_t)op->block_id < 0 ? &nn->last_striped_block_id : &nn->last_block_id;
    if ((int64_t)op->block_id < (int64_t)*last)
        return fail(err, ERR_CORRUPT, "the block id %lld comes before %lld",
                    (long long)op->block_id, (long long)*last);
    *last = op->block_id;
    return 0;
}

int apply_start_log_segment(struct nn *nn, const struct op_start_log_segment *op,
                            const struct edit *e, struct err *err)
{
    (void)nn;
    (void)op;
    (void)e;
    (void)err;
    return 0;
}

int apply_end_log_segment(struct nn *nn, const struct op_end_log_segment *op, const struct edit *e,
                          struct err *err)
{
    (void)nn;
    (void)op;
    (void)e;
    (void)err;
    return 0;
}

/* ---- all of them ---- */

static int apply_one(struct nn *nn, const struct edit *e, struct err *err)
{
    switch (e->code) {
#define OP(code, name, fields) \
    case code:                 \
        return apply_##name(nn, &e->name, e, err);
        EDIT_OPS(OP)
#undef OP
    default:
        return fail(err, ERR_CORRUPT, "no operation has the code %d", e->code);
    }
}

/* ---- calls that must not be executed twice ---- */

/* The ids of the call that made the record; NULL: its kind has none. */
#define F(type, name) \
    ids = _Generic(&op->name, const struct edit_rpc_ids * : &op->name, default : ids);
#define OP(code, name, fields)                                                  \
    static const struct edit_rpc_ids *ids_of_##name(const struct op_##name *op) \
    {                                                                           \
        const struct edit_rpc_ids *ids = NULL;                                  \
        (void)op;                                                               \
        fields return ids;                                                      \
    }
EDIT_OPS(OP)
#undef OP
#undef F

static const struct edit_rpc_ids *ids_of(const struct edit *e)
{
    switch (e->code) {
#define OP(code, name, fields) \
    case code:                 \
        return ids_of_##name(&e->name);
        EDIT_OPS(OP)
#undef OP
    default:
        return NULL;
    }
}

static void note_call(struct nn *nn, const struct edit *e)
{
    const struct edit_rpc_ids *ids = ids_of(e);
    if (ids != NULL && ids->client_id.size > 0)
        retry_note(nn->retry, ids->client_id, ids->call_id, e->code,
                   e->code == OP_add ? e->add.inode_id : 0);
}

int edit_apply(struct nn *nn, const struct edit *e, struct err *err)
{
    if (e->txid != nn->last_txid + 1)
        return fail(err, ERR_CORRUPT, "transaction %llu can't follow %llu",
                    (unsigned long long)e->txid, (unsigned long long)nn->last_txid);
    struct err why = {0};
    int rc = apply_one(nn, e, &why);
    if (rc != 0)
        return fail(err, rc, "transaction %llu (%s): %s", (unsigned long long)e->txid,
                    edit_op_name(e->code) == NULL ? "?" : edit_op_name(e->code),
                    why.text[0] == '\0' ? err_name(rc) : why.text);
    nn->last_txid = e->txid;
    note_call(nn, e);
    return 0;
}
