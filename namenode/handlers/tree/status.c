/* status.c - questions about one path: status, locations, access. They change nothing but access
 * times. */
#include "namenode/handlers/call.h"

/* "/.reserved" and "/.snapshot", which have no inode: their id is Hadoop's -1. */
static int reserved_status(struct call *c, uint32_t mode, Hdfs__HdfsFileStatus **ret)
{
    NEW(c, Hdfs__HdfsFileStatus, hdfs__hdfs_file_status, status);
    NEW(c, Hdfs__FsPermission, hdfs__fs_permission, permission);
    permission->perm = mode;
    status->file_type = HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR;
    status->has_children_num = true;
    status->children_num = 0;
    status->permission = permission;
    status->owner = status->group = (char *)"";
    status->has_file_id = true;
    status->file_id = UINT64_MAX;
    *ret = status;
    return 0;
}

static int status_at(struct call *c, const char *path, enum path_op op, bool locations,
                     Hdfs__HdfsFileStatus **ret)
{
    struct resolved r;
    int rc = call_resolve(c, path, op, &r);
    if (rc == ERR_ACCESS && c->who.superuser) {
        c->err = (struct err){0};
        return 0; /* a path through a file: for the superuser there is nothing, as in Hadoop */
    }
    TRY(rc);
    if (r.depth == 1 && slice_equal(resolved_name(&r), slice_of(".reserved")))
        return reserved_status(c, 01770, ret);
    if (r.depth == 1 && slice_equal(resolved_name(&r), slice_of(".snapshot")))
        return reserved_status(c, 0777, ret);
    if (resolved_last(&r) == 0)
        return 0; /* an answer without a status says that there is nothing */
    return status_of(c, resolved_last(&r), (struct slice){0}, locations, ret);
}

int fs_getFileInfo(struct call *c)
{
    REQUEST(c, Cp__GetFileInfoRequest);
    RESPOND(c, Cp__GetFileInfoResponse, cp__get_file_info_response);
    return status_at(c, req->src, PATH_READ, false, &res->fs);
}

int fs_getFileLinkInfo(struct call *c)
{
    REQUEST(c, Cp__GetFileLinkInfoRequest);
    RESPOND(c, Cp__GetFileLinkInfoResponse, cp__get_file_link_info_response);
    return status_at(c, req->src, PATH_READ_LINK, false, &res->fs);
}

int fs_getLocatedFileInfo(struct call *c)
{
    REQUEST(c, Cp__GetLocatedFileInfoRequest);
    RESPOND(c, Cp__GetLocatedFileInfoResponse, cp__get_located_file_info_response);
    return status_at(c, req->src != NULL ? req->src : "", PATH_READ, true, &res->fs);
}

static int update_access_time(struct call *c, const struct resolved *r)
{
    const struct inode *inode = ns_inode(ns_of(c), resolved_last(r));
    uint64_t precision = c->env->settings->access_time_precision_ms;
    if (precision == 0 || (uint64_t)c->now_ms <= inode->file.atime_ms + precision ||
        blocks_in_safe_mode(blocks_of(c)))
        return 0;
    struct edit e = {.code = OP_times};
    e.times.path = slice_of(r->text);
    e.times.mtime = UINT64_MAX;
    e.times.atime = (uint64_t)c->now_ms;
    return call_commit(c, &e);
}

/* What the superuser has been forbidden to read. */
static int check_readable_by_superuser(struct call *c, handle_t file)
{
    struct slice value;
    bool checked = c->who.superuser && c->env->settings->permissions_enabled;
    if (!checked || !ns_xattr_get(ns_of(c), file, XATTR_SECURITY, XATTR_UNREADABLE, &value))
        return 0;
    return fail(&c->err, ERR_ACCESS,
                "Access is denied for %s since the superuser is not allowed to perform this "
                "operation.",
                c->who.user);
}

int fs_getBlockLocations(struct call *c)
{
    REQUEST(c, Cp__GetBlockLocationsRequest);
    RESPOND(c, Cp__GetBlockLocationsResponse, cp__get_block_locations_response);
    struct resolved r;
    if (req->offset > INT64_MAX)
        return fail(&c->err, ERR_CONFIG, "Negative offset is not supported. File: %s", req->src);
    if (req->length > INT64_MAX)
        return fail(&c->err, ERR_CONFIG, "Negative length is not supported. File: %s", req->src);
    TRY(ns_resolve(ns_of(c), NULL, req->src, PATH_READ, arena_of(c), &r, &c->err));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    TRY(check_readable_by_superuser(c, resolved_last(&r)));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    TRY(status_located_blocks(c, resolved_last(&r), req->offset, req->length, &res->locations));
    return update_access_time(c, &r);
}

int fs_getPreferredBlockSize(struct call *c)
{
    REQUEST(c, Cp__GetPreferredBlockSizeRequest);
    RESPOND(c, Cp__GetPreferredBlockSizeResponse, cp__get_preferred_block_size_response);
    struct resolved r;
    TRY(call_resolve(c, req->filename, PATH_READ_LINK, &r));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    res->bsize = ns_inode(ns_of(c), resolved_last(&r))->file.block_size;
    return 0;
}

int fs_checkAccess(struct call *c)
{
    REQUEST(c, Cp__CheckAccessRequest);
    RESPOND(c, Cp__CheckAccessResponse, cp__check_access_response);
    struct resolved r;
    (void)res;
    TRY(call_resolve(c, req->path, PATH_READ, &r));
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Path not found: %s", r.text);
    return call_check_access(c, &r, (struct ns_want){.target = (uint8_t)(req->mode & 7)});
}

int fs_getLinkTarget(struct call *c)
{
    REQUEST(c, Cp__GetLinkTargetRequest);
    RESPOND(c, Cp__GetLinkTargetResponse, cp__get_link_target_response);
    Hdfs__HdfsFileStatus *status = NULL;
    int rc = status_at(c, req->path, PATH_READ_LINK, false, &status);
    if (rc == ERR_UNRESOLVED_LINK) { /* the text is where the first link on the way leads */
        res->target_path = arena_strdup(arena_of(c), c->err.text);
        c->err = (struct err){0};
        return res->target_path == NULL ? call_no_memory(c) : 0;
    }
    TRY(rc);
    if (status == NULL)
        return fail(&c->err, ERR_NOT_FOUND, "File does not exist: %s", req->path);
    if (status->file_type != HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_SYMLINK)
        return fail(&c->err, ERR_IO, "Path %s is not a symbolic link", req->path);
    res->target_path = arena_strndup(arena_of(c), status->symlink.data, status->symlink.len);
    return res->target_path == NULL ? call_no_memory(c) : 0;
}

int fs_isFileClosed(struct call *c)
{
    REQUEST(c, Cp__IsFileClosedRequest);
    RESPOND(c, Cp__IsFileClosedResponse, cp__is_file_closed_response);
    struct resolved r;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    r.text = req->src; /* as the messages show it */
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    res->result = ns_uc(ns_of(c), resolved_last(&r)) == NULL;
    return 0;
}

int fs_getEnclosingRoot(struct call *c)
{
    REQUEST(c, Cp__GetEnclosingRootRequest);
    RESPOND(c, Cp__GetEnclosingRootResponse, cp__get_enclosing_root_response);
    struct resolved r;
    TRY(call_resolve(c, req->filename != NULL ? req->filename : "", PATH_READ, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    res->enclosing_root_path = (char *)"/"; /* other roots come with encryption zones */
    return 0;
}
