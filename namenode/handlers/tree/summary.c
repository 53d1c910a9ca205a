/* summary.c - content summary and quota usage of a tree. The directories keep the counts; what
 * costs the size of the tree is the check that a caller who isn't the superuser may read all of it.
 */
#include "namenode/handlers/call.h"
#include "namenode/state/state.h"

enum { FIRST_QUOTA_TYPE = 1 }; /* memory has no quota */

/* NULL when there is nothing to tell: no quota of a type, and nothing with a storage policy. */
static int type_quotas(struct call *c, const struct dir_quota *quota, const struct ns_summary *sum,
                       Hdfs__StorageTypeQuotaInfos **ret)
{
    /* index: Java's ordinal of StorageType, which quotas are kept by */
    static const Hdfs__StorageType types[QUOTA_TYPES] = {
        HDFS__STORAGE_TYPE__RAM_DISK, HDFS__STORAGE_TYPE__SSD,      HDFS__STORAGE_TYPE__DISK,
        HDFS__STORAGE_TYPE__ARCHIVE,  HDFS__STORAGE_TYPE__PROVIDED, HDFS__STORAGE_TYPE__NVDIMM,
    };
    bool any = false;
    for (int i = FIRST_QUOTA_TYPE; i < QUOTA_TYPES; i++)
        any |= sum->type[i] > 0 || (quota != NULL && (int64_t)quota->type[i] > 0);
    if (!any)
        return 0;
    NEW(c, Hdfs__StorageTypeQuotaInfos, hdfs__storage_type_quota_infos, infos);
    infos->type_quota_info = arena_array(arena_of(c), Hdfs__StorageTypeQuotaInfo *, QUOTA_TYPES);
    if (infos->type_quota_info == NULL)
        return call_no_memory(c);
    for (int i = FIRST_QUOTA_TYPE; i < QUOTA_TYPES; i++) {
        NEW(c, Hdfs__StorageTypeQuotaInfo, hdfs__storage_type_quota_info, info);
        info->has_type = true;
        info->type = types[i];
        info->quota = quota != NULL ? quota->type[i] : NS_NO_QUOTA;
        info->consumed = sum->type[i];
        infos->type_quota_info[infos->n_type_quota_info++] = info;
    }
    *ret = infos;
    return 0;
}

/* Counts of a tree that the caller may read as a whole, and the quota set on it (NULL: none). */
static int count_tree(struct call *c, const char *path, bool sticky, struct ns_summary *ret_sum,
                      handle_t *ret_inode, const struct dir_quota **ret_quota)
{
    struct resolved r;
    TRY(call_resolve(c, path, PATH_READ_LINK, &r));
    TRY(call_check_access(
        c, &r,
        (struct ns_want){.subtree = ACCESS_READ | ACCESS_EXECUTE, .ignore_sticky = !sticky}));
    if (sticky && resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory does not exist: %s", r.text);
    TRY(ns_check_exists(ns_of(c), &r, &c->err));
    handle_t h = resolved_last(&r);
    ns_summarize(ns_of(c), h, ret_sum);
    *ret_quota = inode_is_dir(ns_inode(ns_of(c), h)) ? ns_quota(ns_of(c), h) : NULL;
    *ret_inode = h;
    return 0;
}

/* As Hadoop tells it: of a directory without any attribute its parent's; "replication" is a policy
 * here. */
static const char *ec_policy_text(struct call *c, handle_t h)
{
    const struct inode *i = ns_inode(ns_of(c), h);
    if (i->type == INODE_SYMLINK)
        return "";
    if (i->type == INODE_FILE) {
        const struct kept_ec_policy *p =
            i->file.ec == 0 ? NULL : kept_find_policy_id(nn_of(c)->kept, i->file.ec);
        return i->file.ec == 0 ? "Replicated" : p != NULL ? p->name : "";
    }
    for (struct xattr x; h != 0; h = ns_inode(ns_of(c), h)->parent) {
        uint32_t cursor = 0;
        if (ns_xattr_next(ns_of(c), h, &cursor, &x))
            break;
    }
    struct slice value;
    if (h == 0 || !ns_xattr_get(ns_of(c), h, XATTR_SYSTEM, "hdfs.erasurecoding.policy", &value))
        return "";
    struct reader in = reader_of(value.data, value.size);
    struct slice name = read_bytes(&in, read_u32(&in));
    const char *text = in.bad ? "" : arena_strndup(arena_of(c), name.data, name.size);
    return text != NULL ? text : "";
}

int fs_getContentSummary(struct call *c)
{
    REQUEST(c, Cp__GetContentSummaryRequest);
    RESPOND(c, Cp__GetContentSummaryResponse, cp__get_content_summary_response);
    struct ns_summary sum;
    const struct dir_quota *quota;
    handle_t h;
    TRY(count_tree(c, req->path, false, &sum, &h, &quota));
    NEW(c, Hdfs__ContentSummary, hdfs__content_summary, summary);
    summary->length = sum.length;
    summary->file_count = sum.files + sum.symlinks;
    summary->directory_count = sum.directories;
    summary->space_consumed = sum.space;
    summary->quota = quota != NULL ? quota->ns : NS_NO_QUOTA;
    summary->space_quota = quota != NULL ? quota->ds : NS_NO_QUOTA;
    TRY(type_quotas(c, quota, &sum, &summary->type_quota_infos));
    summary->erasure_coding_policy = (char *)ec_policy_text(c, h);
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
    handle_t h;
    TRY(count_tree(c, req->path, true, &sum, &h, &quota));
    NEW(c, Hdfs__QuotaUsage, hdfs__quota_usage, usage);
    usage->file_and_directory_count = sum.files + sum.directories + sum.symlinks;
    usage->space_consumed = sum.space;
    usage->quota = quota != NULL ? quota->ns : NS_NO_QUOTA;
    usage->space_quota = quota != NULL ? quota->ds : NS_NO_QUOTA;
    TRY(type_quotas(c, quota, &sum, &usage->type_quota_infos));
    res->usage = usage;
    return 0;
}
