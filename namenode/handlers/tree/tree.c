/* tree.c - what changes the tree: mkdirs, rename, delete. */
#include "namenode/handlers/call.h"

int fs_mkdirs(struct call *c)
{
    REQUEST(c, Cp__MkdirsRequest);
    RESPOND(c, Cp__MkdirsResponse, cp__mkdirs_response);
    struct resolved r;
    uint16_t mode = (uint16_t)(req->masked->perm & 01777);
    int unmasked = call_unmasked(c, req->unmasked, 01777);
    TRY(path_check_length(req->src, "mkdirs", &c->err));
    TRY(call_check_safe_mode(c, "Cannot create directory ", req->src));
    TRY(call_resolve(c, req->src, PATH_CREATE, &r));
    res->result = true;
    handle_t last = resolved_last(&r);
    if (last != 0 && inode_is_dir(ns_inode(ns_of(c), last)))
        return 0;
    if (last != 0)
        return fail(&c->err, ERR_EXISTS, "Path is not a directory: %s", req->src);
    TRY(call_check_access(c, &r, (struct ns_want){.ancestor = ACCESS_WRITE}));
    if (!req->create_parent)
        TRY(ns_check_parent(ns_of(c), &r, &c->err));
    TRY(ns_check_new(ns_of(c), &r, call_limits(c), &c->err));
    if (r.depth > 1)
        TRY(call_make_dirs(c, &r, r.depth - 1, ns_implied_parent_mode(ns_of(c), &r, mode, false),
                           unmasked));
    return call_make_dirs(c, &r, r.depth, mode, unmasked);
}

int fs_rename(struct call *c)
{
    REQUEST(c, Cp__RenameRequest);
    RESPOND(c, Cp__RenameResponse, cp__rename_response);
    struct resolved src, dst;
    bool noop = false, ok = false;
    TRY(path_check_length(req->dst, "rename", &c->err));
    TRY(call_check_safe_mode(c, "Cannot rename ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE_LINK, &src));
    TRY(call_resolve(c, req->dst, PATH_CREATE_LINK, &dst));
    TRY(call_check_access(c, &src, (struct ns_want){.parent = ACCESS_WRITE}));
    TRY(call_check_protected(c, &src));
    TRY(ns_check_rename_old(ns_of(c), &src, &dst, call_limits(c), arena_of(c), &ok, &noop,
                            &c->err));
    TRY(call_check_access(c, &dst, (struct ns_want){.ancestor = ACCESS_WRITE}));
    res->result = ok;
    if (!ok || noop)
        return 0;
    TRY(ns_check_rename_quota(ns_of(c), &src, &dst, &c->err));
    struct edit e = {.code = OP_rename_old};
    e.rename_old.src = slice_of(src.text);
    e.rename_old.dst = slice_of(dst.text);
    e.rename_old.time = (uint64_t)c->now_ms;
    e.rename_old.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}

int fs_rename2(struct call *c)
{
    REQUEST(c, Cp__Rename2Request);
    RESPOND(c, Cp__Rename2Response, cp__rename2_response);
    struct resolved src, dst;
    (void)res;
    bool to_trash = req->has_move_to_trash && req->move_to_trash;
    TRY(path_check_length(req->dst, "rename", &c->err));
    TRY(call_check_safe_mode(c, "Cannot rename ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE_LINK, &src));
    TRY(call_resolve(c, req->dst, PATH_CREATE_LINK, &dst));
    /* what goes to the trash must be deletable, too */
    TRY(call_check_access(c, &src,
                          (struct ns_want){.parent = ACCESS_WRITE,
                                           .subtree = to_trash ? ACCESS_ALL : 0,
                                           .ignore_empty = to_trash}));
    TRY(call_check_access(c, &dst, (struct ns_want){.ancestor = ACCESS_WRITE}));
    TRY(call_check_protected(c, &src));
    TRY(ns_check_rename(ns_of(c), &src, &dst, req->overwrite_dest, call_limits(c), &c->err));
    TRY(ns_check_rename_quota(ns_of(c), &src, &dst, &c->err));
    uint8_t options[2];
    size_t n = 0;
    options[n++] = req->overwrite_dest ? RENAME_OVERWRITE : RENAME_NONE;
    if (to_trash)
        options[n++] = RENAME_TO_TRASH;
    struct edit e = {.code = OP_rename};
    e.rename.src = slice_of(src.text);
    e.rename.dst = slice_of(dst.text);
    e.rename.time = (uint64_t)c->now_ms;
    e.rename.options = (struct slice){options, n};
    e.rename.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}

int fs_delete(struct call *c)
{
    REQUEST(c, Cp__DeleteRequest);
    RESPOND(c, Cp__DeleteResponse, cp__delete_response);
    struct resolved r;
    bool ok;
    TRY(call_check_safe_mode(c, "Cannot delete ", req->src));
    TRY(call_check_not_reserved(c, req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE_LINK, &r));
    TRY(call_check_access(
        c, &r,
        (struct ns_want){.parent = ACCESS_WRITE, .subtree = ACCESS_ALL, .ignore_empty = true}));
    TRY(ns_check_delete(ns_of(c), &r, req->recursive, &ok, &c->err));
    res->result = ok;
    if (!ok)
        return 0;
    TRY(call_check_protected(c, &r));
    struct edit e = {.code = OP_delete};
    e.delete.path = slice_of(r.text);
    e.delete.time = (uint64_t)c->now_ms;
    e.delete.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}
