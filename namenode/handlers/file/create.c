/* create.c - a new file, or an old one overwritten: checks, the missing parents, the ADD record. */
#include <inttypes.h>
#include <strings.h>

#include "namenode/handlers/file/internal.h"
#include "namenode/state/state.h"

/* The bits that change what is done here; the others are the client's own business. */
enum { CREATE = 0x01, OVERWRITE = 0x02, LAZY_PERSIST = 0x10, SHOULD_REPLICATE = 0x80 };

int call_check_replication(struct call *c, uint32_t asked, const char *path, const char *client)
{
    const struct nn_settings *s = c->env->settings;
    int replication = (int16_t)asked; /* a short on the other side */
    const char *with = client != NULL ? ", clientName=" : "";
    client = client != NULL ? client : "";
    if (replication > (int)s->replication_max)
        return fail(&c->err, ERR_IO,
                    "Requested replication factor of %d exceeds maximum of %u for %s%s%s",
                    replication, s->replication_max, path, with, client);
    if (replication < (int)s->replication_min)
        return fail(
            &c->err, ERR_IO,
            "Requested replication factor of %d is less than the required minimum of %u for %s%s%s",
            replication, s->replication_min, path, with, client);
    return 0;
}

static int check_create(struct call *c, const Cp__CreateRequest *req, const struct resolved *r)
{
    handle_t last = resolved_last(r);
    TRY(call_check_access(c, r, (struct ns_want){.ancestor = ACCESS_WRITE}));
    if (last != 0 && inode_is_dir(ns_inode(ns_of(c), last)))
        return fail(&c->err, ERR_EXISTS, "%s already exists as a directory", r->text);
    if (last != 0)
        TRY(ns_check_file(ns_of(c), r, &c->err));
    if (last != 0 && (req->create_flag & OVERWRITE) != 0)
        return call_check_access(c, r, (struct ns_want){.target = ACCESS_WRITE});
    if (last != 0)
        return 0;
    if (!req->create_parent)
        TRY(ns_check_parent(ns_of(c), r, &c->err));
    if ((req->create_flag & CREATE) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Can't overwrite non-existent %s", req->src);
    return 0;
}

/* Names of the policies that a file may be created with, for the message. */
static const char *enabled_policies(struct call *c)
{
    const struct kept *kept = nn_of(c)->kept;
    const char *list = "";
    for (uint32_t i = 0; i < kept->policy_count && list != NULL; i++)
        if (call_ec_policy_enabled(&kept->policies[i]))
            list = arena_printf(arena_of(c), "%s%s%s", list, list[0] == '\0' ? "" : ", ",
                                kept->policies[i].name);
    return list == NULL ? "" : list;
}

/* No file can be striped yet: neither by name nor because of the directory it is made in. */
static int check_replicated(struct call *c, const Cp__CreateRequest *req, const struct resolved *r)
{
    static const char replication[] = "replication";
    const char *name = req->ec_policy_name;
    uint32_t last = r->found <= r->depth ? r->found - 1 : r->depth;
    struct slice policy = ns_ec_policy_name(ns_of(c), r->inodes[last]);
    if (name != NULL && name[0] != '\0') {
        const struct kept_ec_policy *p = kept_find_policy(nn_of(c)->kept, name);
        if (strcasecmp(name, replication) == 0)
            return 0;
        if (p == NULL || !call_ec_policy_enabled(p))
            return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                        "Policy '%s' does not match any enabled erasure coding policies: [%s]. An "
                        "erasure coding policy can be enabled by enableErasureCodingPolicy API.",
                        name, enabled_policies(c));
        policy = slice_of(name);
    }
    if (policy.size == 0)
        return 0;
    return fail(&c->err, ERR_UNSUPPORTED,
                "%s would be erasure coded with %.*s, which is not available; the flag "
                "SHOULD_REPLICATE makes a replicated file",
                r->text, (int)policy.size, policy.data);
}

static int check_create_limits(struct call *c, const Cp__CreateRequest *req,
                               const struct resolved *r)
{
    const struct nn_settings *s = c->env->settings;
    if ((int64_t)req->block_size < (int64_t)s->min_block_size)
        return fail(&c->err, ERR_IO,
                    "Specified block size %" PRId64 " is less than configured minimum value "
                    "dfs.namenode.fs-limits.min-block-size=%" PRIu64,
                    (int64_t)req->block_size, s->min_block_size);
    if ((req->create_flag & SHOULD_REPLICATE) == 0)
        TRY(check_replicated(c, req, r));
    return call_check_replication(c, req->replication, req->src, c->rpc->peer_host);
}

static int check_arguments(struct call *c, const Cp__CreateRequest *req)
{
    static const char reserved[] = "/.reserved/";
    bool special = strncmp(req->src, reserved, sizeof(reserved) - 1) == 0 &&
                   strncmp(req->src, "/.reserved/raw", 14) != 0 &&
                   strncmp(req->src, "/.reserved/.inodes", 18) != 0;
    if (!path_valid_name(req->src) || path_is_reserved(req->src) || special)
        return fail(&c->err, ERR_INVALID_PATH, "Invalid path name %s", req->src);
    if ((req->create_flag & SHOULD_REPLICATE) != 0 && req->ec_policy_name != NULL &&
        req->ec_policy_name[0] != '\0')
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "SHOULD_REPLICATE flag and ecPolicyName are exclusive parameters. Set both is "
                    "not allowed!");
    return 0;
}

/* What the file keeps as its own policy: the one asked for, or one that counts for life. */
static int choose_policy(struct call *c, const Cp__CreateRequest *req, const struct resolved *r,
                         uint8_t *ret)
{
    *ret = 0;
    if (req->storage_policy != NULL && req->storage_policy[0] != '\0')
        TRY(call_policy_named(c, req->storage_policy, ret));
    uint32_t last = r->found <= r->depth ? r->found - 1 : r->depth - 1;
    if ((req->create_flag & LAZY_PERSIST) != 0 ||
        (*ret == 0 && ns_effective_policy(ns_of(c), r->inodes[last]) == POLICY_LAZY_PERSIST))
        *ret = POLICY_LAZY_PERSIST;
    return 0;
}

static int commit_create(struct call *c, const Cp__CreateRequest *req, uint8_t policy,
                         struct resolved *r)
{
    uint16_t mode = (uint16_t)(req->masked->perm & 01777);
    int unmasked = call_unmasked(c, req->unmasked, 01777);
    bool overwrite = resolved_last(r) != 0;
    if (!overwrite)
        TRY(ns_check_new(ns_of(c), r, call_limits(c), &c->err));
    if (r->found < r->depth)
        TRY(call_make_dirs(c, r, r->depth - 1, ns_implied_parent_mode(ns_of(c), r, mode, true),
                           -1));
    if (!overwrite)
        TRY(call_check_new_quota(c, r));
    struct edit_new_file f = {.now_ms = (uint64_t)c->now_ms,
                              .block_size = req->block_size,
                              .replication = (uint16_t)req->replication,
                              .mode = mode,
                              .unmasked = unmasked,
                              .user = slice_of(c->who.user),
                              .client = slice_of(req->client_name),
                              .machine = slice_of(c->rpc->peer_host),
                              .policy = policy,
                              .overwrite = overwrite,
                              .rpc = call_rpc_ids(c)};
    struct edit e;
    if (edit_for_add(nn_of(c), r, &f, arena_of(c), &e) != 0)
        return call_no_memory(c);
    TRY(call_commit(c, &e));
    struct resolved made;
    TRY(ns_resolve(ns_of(c), NULL, r->text, PATH_READ_LINK, arena_of(c), &made, &c->err));
    *r = made;
    return 0;
}

int fs_create(struct call *c)
{
    REQUEST(c, Cp__CreateRequest);
    RESPOND(c, Cp__CreateResponse, cp__create_response);
    struct resolved r;
    uint8_t policy;
    TRY(path_check_length(req->src, "create", &c->err));
    TRY(check_arguments(c, req));
    TRY(call_check_safe_mode(c, "Cannot create file", req->src));
    TRY(call_resolve(c, req->src, PATH_CREATE, &r));
    TRY(check_create(c, req, &r));
    TRY(check_create_limits(c, req, &r));
    if (resolved_last(&r) != 0 && (req->create_flag & OVERWRITE) == 0) {
        TRY(lease_check_other_writer(c, &r, req->client_name, "CREATE_FILE"));
        return fail(&c->err, ERR_EXISTS, "%s for client %s already exists", r.text,
                    c->rpc->peer_host);
    }
    TRY(choose_policy(c, req, &r, &policy));
    TRY(commit_create(c, req, policy, &r));
    return status_of(c, resolved_last(&r), (struct slice){0}, false, &res->fs);
}
