/* symlink.c - symbolic links: made only if the switch allows it. In Hadoop that is a call that
 * nobody but its own tests makes, here it is hadron.namenode.symlinks.enabled. */
#include "namenode/handlers/call.h"

static int check_names(struct call *c, const char *target, const char *link)
{
    static const char reserved[] = "/.reserved/";
    if (!path_valid_name(link))
        return fail(&c->err, ERR_INVALID_PATH, "Invalid path name Invalid link name: %s", link);
    if (target[0] == '\0' || path_is_reserved(target) ||
        strncmp(target, reserved, sizeof(reserved) - 1) == 0)
        return fail(&c->err, ERR_INVALID_PATH, "Invalid path name Invalid target name: %s", target);
    return 0;
}

static int check_place(struct call *c, const Cp__CreateSymlinkRequest *req,
                       const struct resolved *r)
{
    if (!req->create_parent)
        TRY(ns_check_parent(ns_of(c), r, &c->err));
    if (resolved_last(r) != 0)
        return fail(&c->err, ERR_IO,
                    "failed to create link %s either because the filename is invalid or the file "
                    "exists",
                    r->text);
    TRY(call_check_access(c, r, (struct ns_want){.ancestor = ACCESS_WRITE}));
    return ns_check_new(ns_of(c), r, call_limits(c), &c->err);
}

int fs_createSymlink(struct call *c)
{
    REQUEST(c, Cp__CreateSymlinkRequest);
    RESPOND(c, Cp__CreateSymlinkResponse, cp__create_symlink_response);
    struct resolved r;
    struct err ignored = {0};
    uint16_t mode = (uint16_t)(req->dir_perm->perm & 01777);
    (void)res;
    if (path_check_length(req->link, "createSymlink", &ignored) != 0)
        return ignored.code == ERR_IO
                   ? fail(&c->err, ERR_IO, "Symlink path exceeds %d character limit",
                          NS_MAX_PATH_CHARS)
                   : fail(&c->err, ignored.code, "%s", ignored.text);
    if (!c->env->settings->symlinks_enabled)
        return fail(&c->err, ERR_UNSUPPORTED, "Symlinks not supported");
    TRY(call_check_safe_mode(c, "Cannot create symlink ", req->link));
    TRY(check_names(c, req->target, req->link));
    TRY(call_resolve(c, req->link, PATH_WRITE_LINK, &r));
    TRY(check_place(c, req, &r));
    if (r.found < r.depth)
        TRY(call_make_dirs(c, &r, r.depth - 1, ns_implied_parent_mode(ns_of(c), &r, mode, true),
                           -1));
    TRY(call_check_new_quota(c, &r));
    struct edit e = {.code = OP_symlink};
    e.symlink = (struct op_symlink){
        .inode_id = ns_last_inode_id(ns_of(c)) + 1,
        .path = slice_of(r.text),
        .target = slice_of(req->target),
        .mtime = (uint64_t)c->now_ms,
        .atime = (uint64_t)c->now_ms,
        .perm = {.user = slice_of(c->who.user),
                 .group = slice_of(ns_group(ns_of(c), resolved_parent(&r))),
                 .mode = 0777},
        .rpc = call_rpc_ids(c),
    };
    return call_commit(c, &e);
}
