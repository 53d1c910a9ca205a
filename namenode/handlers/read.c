/* read.c - questions about one path: status, listing, locations, counts. They change nothing (but
 * access times). */
#include "namenode/handlers/internal.h"

static int check_valid(struct call *c, const char *path)
{
    if (!path_valid_name(path))
        return fail(&c->err, ERR_INVALID_PATH, "Invalid file name: %s", path);
    return 0;
}

static int status_at(struct call *c, const char *path, enum path_op op, bool locations,
                     Hdfs__HdfsFileStatus **ret)
{
    struct resolved r;
    TRY(check_valid(c, path));
    int rc = call_resolve(c, path, op, &r);
    if (rc == ERR_ACCESS && c->who.superuser) {
        c->err = (struct err){0};
        return 0; /* a path through a file: for the superuser there is nothing, as in Hadoop */
    }
    TRY(rc);
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

static int list_directory(struct call *c, handle_t dir, struct slice start_after, bool locations,
                          Hdfs__DirectoryListing *list)
{
    uint32_t limit = c->env->settings->list_limit, n = 0;
    uint64_t remaining = 0;
    int64_t budget = limit; /* of locations, so that the answer stays of a reasonable size */
    handle_t *children = arena_array(arena_of(c), handle_t, limit);
    list->partial_listing = arena_array(arena_of(c), Hdfs__HdfsFileStatus *, limit);
    if (children == NULL || list->partial_listing == NULL)
        return call_no_memory(c);
    uint32_t count = ns_list(ns_of(c), dir, start_after, limit, children, &remaining);
    for (; n < count && budget > 0; n++) {
        Hdfs__HdfsFileStatus *status;
        TRY(status_of(c, children[n], ns_name(ns_of(c), children[n]), locations, &status));
        if (status->locations != NULL)
            budget -= (int64_t)status->locations->n_blocks * status->block_replication;
        list->partial_listing[n] = status;
    }
    list->n_partial_listing = n;
    list->remaining_entries = (uint32_t)(remaining + count - n);
    return 0;
}

/* The name after which a page starts. A client whose directory may be renamed meanwhile passes the
 * last entry as
 * /.reserved/.inodes/<id> instead of its name. */
static int start_after_name(struct call *c, ProtobufCBinaryData text, struct slice *ret)
{
    *ret = (struct slice){text.data, text.len};
    if (text.len == 0 || text.data[0] != '/')
        return 0;
    struct resolved r;
    char *path = arena_strndup(arena_of(c), text.data, text.len);
    if (path == NULL)
        return call_no_memory(c);
    TRY(call_resolve(c, path, PATH_READ_LINK, &r));
    *ret = resolved_name(&r);
    return 0;
}

int fs_getListing(struct call *c)
{
    REQUEST(c, Cp__GetListingRequest);
    RESPOND(c, Cp__GetListingResponse, cp__get_listing_response);
    struct resolved r;
    struct slice start_after;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    handle_t h = resolved_last(&r);
    if (h == 0)
        return 0;
    TRY(start_after_name(c, req->start_after, &start_after));
    NEW(c, Hdfs__DirectoryListing, hdfs__directory_listing, list);
    if (inode_is_dir(ns_inode(ns_of(c), h))) {
        TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ | ACCESS_EXECUTE}));
        TRY(list_directory(c, h, start_after, req->need_location, list));
    } else {
        list->partial_listing = arena_array(arena_of(c), Hdfs__HdfsFileStatus *, 1);
        if (list->partial_listing == NULL)
            return call_no_memory(c);
        TRY(status_of(c, h, (struct slice){0}, req->need_location, &list->partial_listing[0]));
        list->n_partial_listing = 1;
    }
    res->dir_list = list;
    return 0;
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

int fs_getBlockLocations(struct call *c)
{
    REQUEST(c, Cp__GetBlockLocationsRequest);
    RESPOND(c, Cp__GetBlockLocationsResponse, cp__get_block_locations_response);
    struct resolved r;
    if (req->offset > INT64_MAX)
        return fail(&c->err, ERR_CONFIG, "Negative offset is not supported. File: %s", req->src);
    if (req->length > INT64_MAX)
        return fail(&c->err, ERR_CONFIG, "Negative length is not supported. File: %s", req->src);
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    TRY(status_located_blocks(c, resolved_last(&r), req->offset, req->length, &res->locations));
    return update_access_time(c, &r);
}

static int type_quotas(struct call *c, const struct dir_quota *quota,
                       Hdfs__StorageTypeQuotaInfos **ret)
{
    /* index: Java's ordinal of StorageType, which quotas are kept by */
    static const Hdfs__StorageType types[QUOTA_TYPES] = {
        HDFS__STORAGE_TYPE__RAM_DISK, HDFS__STORAGE_TYPE__SSD,      HDFS__STORAGE_TYPE__DISK,
        HDFS__STORAGE_TYPE__ARCHIVE,  HDFS__STORAGE_TYPE__PROVIDED, HDFS__STORAGE_TYPE__NVDIMM,
    };
    NEW(c, Hdfs__StorageTypeQuotaInfos, hdfs__storage_type_quota_infos, infos);
    infos->type_quota_info = arena_array(arena_of(c), Hdfs__StorageTypeQuotaInfo *, QUOTA_TYPES);
    if (infos->type_quota_info == NULL)
        return call_no_memory(c);
    for (int i = 0; i < QUOTA_TYPES; i++) {
        NEW(c, Hdfs__StorageTypeQuotaInfo, hdfs__storage_type_quota_info, info);
        info->has_type = true;
        info->type = types[i];
        info->quota = quota != NULL ? quota->type[i] : NS_NO_QUOTA;
        infos->type_quota_info[infos->n_type_quota_info++] = info;
    }
    *ret = infos;
    return 0;
}

/* Counts of a tree that the caller may read as a whole, and the quota set on it (NULL: none). */
static int count_tree(struct call *c, const char *path, struct ns_summary *ret_sum,
                      const struct dir_quota **ret_quota)
{
    struct resolved r;
    TRY(call_resolve(c, path, PATH_READ_LINK, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.subtree = ACCESS_READ | ACCESS_EXECUTE}));
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    handle_t h = resolved_last(&r);
    ns_summarize(ns_of(c), h, ret_sum);
    *ret_quota = inode_is_dir(ns_inode(ns_of(c), h)) ? ns_quota(ns_of(c), h) : NULL;
    return 0;
}

int fs_getContentSummary(struct call *c)
{
    REQUEST(c, Cp__GetContentSummaryRequest);
    RESPOND(c, Cp__GetContentSummaryResponse, cp__get_content_summary_response);
    struct ns_summary sum;
    const struct dir_quota *quota;
    TRY(count_tree(c, req->path, &sum, &quota));
    NEW(c, Hdfs__ContentSummary, hdfs__content_summary, summary);
    summary->length = sum.length;
    summary->file_count = sum.files;
    summary->directory_count = sum.directories;
    summary->space_consumed = sum.space;
    summary->quota = quota != NULL ? quota->ns : NS_NO_QUOTA;
    summary->space_quota = quota != NULL ? quota->ds : NS_NO_QUOTA;
    TRY(type_quotas(c, quota, &summary->type_quota_infos));
    summary->erasure_coding_policy = (char *)"";
    summary->has_snapshot_length = summary->has_snapshot_file_count = true;
    summary->has_snapshot_directory_count = summary->has_snapshot_space_consumed = true;
    res->summary = summary;
    return 0;
}

int fs_getQuotaUsage(struct call *c)
{
    REQUEST(c, Cp__GetQuotaUsageRequest);
    RESPOND(c, Cp__GetQuotaUsageResponse, cp__get_quota_usage_response);
    struct ns_summary sum;
    const struct dir_quota *quota;
    TRY(count_tree(c, req->path, &sum, &quota));
    NEW(c, Hdfs__QuotaUsage, hdfs__quota_usage, usage);
    usage->file_and_directory_count = sum.files + sum.directories + sum.symlinks;
    usage->space_consumed = sum.space;
    usage->quota = quota != NULL ? quota->ns : NS_NO_QUOTA;
    usage->space_quota = quota != NULL ? quota->ds : NS_NO_QUOTA;
    TRY(type_quotas(c, quota, &usage->type_quota_infos));
    res->usage = usage;
    return 0;
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
        return fail(&c->err, ERR_NOT_FOUND, "Path not found: %s", req->path);
    return call_check_access(c, &r, (struct ns_want){.target = (uint8_t)(req->mode & 7)});
}

int fs_getLinkTarget(struct call *c)
{
    REQUEST(c, Cp__GetLinkTargetRequest);
    RESPOND(c, Cp__GetLinkTargetResponse, cp__get_link_target_response);
    res->target_path = (char *)ns_link_target(ns_of(c), req->path, arena_of(c));
    if (res->target_path == NULL)
        return fail(&c->err, ERR_NOT_FOUND, "Path %s is not a symbolic link", req->path);
    return 0;
}

int fs_isFileClosed(struct call *c)
{
    REQUEST(c, Cp__IsFileClosedRequest);
    RESPOND(c, Cp__IsFileClosedResponse, cp__is_file_closed_response);
    struct resolved r;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    res->result = ns_uc(ns_of(c), resolved_last(&r)) == NULL;
    return 0;
}

int fs_getEnclosingRoot(struct call *c)
{
    REQUEST(c, Cp__GetEnclosingRootRequest);
    RESPOND(c, Cp__GetEnclosingRootResponse, cp__get_enclosing_root_response);
    struct resolved r;
    TRY(call_resolve(c, req->filename != NULL ? req->filename : "", PATH_READ_LINK, &r));
    res->enclosing_root_path = (char *)"/"; /* other roots come with encryption zones */
    return 0;
}
