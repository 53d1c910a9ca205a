/* quota.c - setting quotas, and the checks that other handlers make before they take room.
 * Thread: state. Usage is what the directories count (namespace/sums.c). Records carry the values
 * that result, so that applying them needs no old ones. */
#include <inttypes.h>

#include "namenode/handlers/call.h"
#include "namenode/state/state.h"

#define QUOTA_KEEP  INT64_MAX /* "don't change" of the call */
#define QUOTA_RESET (-1)

int call_check_new_quota(struct call *c, const struct resolved *r)
{
    struct ns_usage one = {.inodes = 1};
    return ns_check_quota(ns_of(c), r, r->found < r->depth ? r->found : r->depth, &one, 0, &c->err);
}

int call_check_space_quota(struct call *c, const struct resolved *file, int64_t bytes)
{
    handle_t h = resolved_last(file);
    struct ns_usage more = {0};
    const struct inode_file *f = &ns_inode(ns_of(c), h)->file;
    const struct ec_policy *ec = f->ec == 0 ? NULL : kept_ec(nn_of(c)->kept, f->ec);
    ns_usage_add(&more, bytes, ec == NULL ? f->replication : ec_units(ec),
                 ns_effective_policy(ns_of(c), h));
    return ns_check_quota(ns_of(c), file, file->depth, &more, 0, &c->err);
}

int call_check_replication_quota(struct call *c, const struct resolved *file, uint32_t replication)
{
    handle_t h = resolved_last(file);
    uint32_t now = ns_inode(ns_of(c), h)->file.replication;
    uint8_t policy = ns_effective_policy(ns_of(c), h);
    struct ns_usage delta, old = {0};
    if (replication <= now || now == 0)
        return 0;
    ns_usage(ns_of(c), h, &old);
    int64_t bytes = old.space / (int64_t)now;
    old = delta = (struct ns_usage){0};
    ns_usage_add(&old, bytes, now, policy);
    ns_usage_add(&delta, bytes, replication, policy);
    ns_usage_subtract(&delta, &old);
    return ns_check_quota(ns_of(c), file, file->depth, &delta, 0, &c->err);
}

/* The superuser, or if the configuration says so the owner of the parent. */
static int check_may_set(struct call *c, const char *path)
{
    struct ns_caller store;
    struct resolved r;
    const struct ns_caller *who = call_caller(c, &store);
    if (who == NULL || who->superuser)
        return 0;
    TRY(call_resolve(c, path, PATH_WRITE, &r));
    handle_t parent = resolved_parent(&r);
    if (parent != 0 && strcmp(ns_user(ns_of(c), parent), who->user) == 0)
        return 0;
    return fail(&c->err, ERR_ACCESS,
                "Access denied for user %s. Superuser or owner of parent folder privilege is "
                "required",
                who->user);
}

static int check_values(struct call *c, const Cp__SetQuotaRequest *req)
{
    int64_t ns = (int64_t)req->namespace_quota, ds = (int64_t)req->storagespace_quota;
    bool by_type = c->env->settings->quota_by_type_enabled;
    if (ns < QUOTA_RESET || ds < QUOTA_RESET)
        return fail(&c->err, ERR_CONFIG,
                    "Illegal value for nsQuota or ssQuota : %" PRId64 " and %" PRId64, ns, ds);
    if (req->has_storage_type && (!by_type || ns != QUOTA_KEEP))
        return fail(&c->err, ERR_UNSUPPORTED_ACTION,
                    "Failed to set quota by storage type because eitherdfs.quota.by.storage.type."
                    "enabled is set to %s or nsQuota value is illegal %" PRId64,
                    by_type ? "true" : "false", ns);
    return 0;
}

static uint32_t java_ordinal(Hdfs__StorageType type)
{
    switch (type) {
    case HDFS__STORAGE_TYPE__RAM_DISK:
        return 0;
    case HDFS__STORAGE_TYPE__SSD:
        return 1;
    case HDFS__STORAGE_TYPE__ARCHIVE:
        return 3;
    case HDFS__STORAGE_TYPE__PROVIDED:
        return 4;
    case HDFS__STORAGE_TYPE__NVDIMM:
        return 5;
    default:
        return 2; /* DISK */
    }
}

static int commit_type_quota(struct call *c, const struct resolved *r, uint32_t type, uint64_t ds,
                             uint64_t old)
{
    if (ds == old)
        return 0;
    struct edit e = {.code = OP_set_quota_by_storage_type};
    e.set_quota_by_storage_type.path = slice_of(r->text);
    e.set_quota_by_storage_type.type = type;
    e.set_quota_by_storage_type.quota = ds;
    return call_commit(c, &e);
}

static int commit_quota(struct call *c, const Cp__SetQuotaRequest *req, const struct resolved *r)
{
    static const struct dir_quota none = {
        NS_NO_QUOTA,
        NS_NO_QUOTA,
        {NS_NO_QUOTA, NS_NO_QUOTA, NS_NO_QUOTA, NS_NO_QUOTA, NS_NO_QUOTA, NS_NO_QUOTA}};
    handle_t dir = resolved_last(r);
    const struct dir_quota *old = ns_quota(ns_of(c), dir);
    uint64_t ns = req->namespace_quota, ds = req->storagespace_quota;
    if (old == NULL)
        old = &none;
    if (dir == ns_root(ns_of(c)) && ns == NS_NO_QUOTA)
        ns = QUOTA_KEEP; /* the root's is never dropped: it gets as large as can be */
    else if (ns == QUOTA_KEEP)
        ns = old->ns;
    if (ds == QUOTA_KEEP)
        ds = old->ds;
    if (req->has_storage_type) {
        uint32_t type = java_ordinal(req->storage_type);
        return commit_type_quota(c, r, type, ds, old->type[type]);
    }
    if (ns == old->ns && ds == old->ds)
        return 0;
    struct edit e = {.code = OP_set_quota};
    e.set_quota.path = slice_of(r->text);
    e.set_quota.ns = ns;
    e.set_quota.ds = ds;
    return call_commit(c, &e);
}

/* Hadoop's name of what is being done, for the message. */
static const char *operation_of(const Cp__SetQuotaRequest *req)
{
    int64_t ns = (int64_t)req->namespace_quota, ds = (int64_t)req->storagespace_quota;
    if (ns == QUOTA_RESET && ds == QUOTA_KEEP)
        return "clearQuota";
    if (ns == QUOTA_KEEP && ds == QUOTA_RESET)
        return "clearSpaceQuota";
    return ds == QUOTA_KEEP ? "setQuota" : "setSpaceQuota";
}

int fs_setQuota(struct call *c)
{
    REQUEST(c, Cp__SetQuotaRequest);
    RESPOND(c, Cp__SetQuotaResponse, cp__set_quota_response);
    struct resolved r;
    (void)res;
    if (!c->env->settings->owner_may_set_quota)
        TRY(call_check_superuser_for(c, operation_of(req)));
    TRY(call_check_safe_mode(c, "Cannot set quota on ", req->path));
    TRY(call_resolve(c, req->path, PATH_WRITE, &r));
    TRY(check_may_set(c, req->path));
    TRY(check_values(c, req));
    handle_t h = resolved_last(&r);
    if (h == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Directory does not exist: %s", r.text);
    if (!inode_is_dir(ns_inode(ns_of(c), h)))
        return fail(&c->err, ERR_PATH_NOT_DIR, "`%s': Is not a directory", r.text);
    return commit_quota(c, req, &r);
}
