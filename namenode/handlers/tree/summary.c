/* summary.c - content summary and quota usage of a tree. */
#include "namenode/handlers/call.h"

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
    summary->file_count = sum.files + sum.symlinks;
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
