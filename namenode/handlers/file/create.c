/* create.c - a new file, or an old one overwritten: checks, the missing parents, the ADD record. */
#include <inttypes.h>

#include "namenode/handlers/file/internal.h"

enum { CREATE = 1, OVERWRITE = 2 };

int call_check_replication(struct call *c, uint32_t replication, const char *path,
                           const char *client)
{
    const struct nn_settings *s = c->env->settings;
    const char *with = client != NULL ? ", clientName=" : "";
    client = client != NULL ? client : "";
    if (replication > s->replication_max)
        return fail(&c->err, ERR_IO,
                    "Requested replication factor of %u exceeds maximum of %u for %s%s%s",
                    replication, s->replication_max, path, with, client);
    if (replication < s->replication_min)
        return fail(
            &c->err, ERR_IO,
            "Requested replication factor of %u is less than the required minimum of %u for %s%s%s",
            replication, s->replication_min, path, with, client);
    return 0;
}

static int check_create(struct call *c, const Cp__CreateRequest *req, const struct resolved *r)
{
    handle_t last = resolved_last(r);
    TRY(call_check_access(c, r, (struct ns_want){.ancestor = ACCESS_WRITE}));
    if (last != 0 && inode_is_dir(ns_inode(ns_of(c), last)))
        return fail(&c->err, ERR_EXISTS, "%s already exists as a directory", r->text);
    if (last != 0 && (req->create_flag & OVERWRITE) != 0)
        return call_check_access(c, r, (struct ns_want){.target = ACCESS_WRITE});
    if (last != 0)
        return 0;
    if (!req->create_parent)
        TRY(ns_check_parent(ns_of(c), r, &c->err));
    if ((req->create_flag & CREATE) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Can't overwrite non-existent %s", r->text);
    return 0;
}

static int check_create_limits(struct call *c, const Cp__CreateRequest *req)
{
    const struct nn_settings *s = c->env->settings;
    if (req->block_size < s->min_block_size)
        return fail(&c->err, ERR_IO,
                    "Specified block size %" PRIu64 " is less than configured minimum value "
                    "dfs.namenode.fs-limits.min-block-size=%" PRIu64,
                    req->block_size, s->min_block_size);
    if (req->block_size > INT64_MAX)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "Specified block size %" PRIu64 " is too large",
                    req->block_size);
    if (req->ec_policy_name != NULL && req->ec_policy_name[0] != '\0')
        return fail(&c->err, ERR_UNSUPPORTED, "erasure coding is not available: policy %s",
                    req->ec_policy_name);
    return call_check_replication(c, req->replication, req->src, c->rpc->peer_host);
}

static int commit_create(struct call *c, const Cp__CreateRequest *req, struct resolved *r)
{
    uint16_t mode = (uint16_t)(req->masked->perm & 0777);
    int unmasked = call_unmasked(c, req->unmasked, 0777);
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
    TRY(path_check_length(req->src, "create", &c->err));
    TRY(call_check_safe_mode(c, "Cannot create file", req->src));
    if (req->client_name[0] == '\0')
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "create of %s without a client name", req->src);
    TRY(call_resolve(c, req->src, PATH_CREATE, &r));
    TRY(check_create(c, req, &r));
    TRY(check_create_limits(c, req));
    if (resolved_last(&r) != 0 && (req->create_flag & OVERWRITE) == 0) {
        TRY(lease_check_other_writer(c, &r, req->client_name, "CREATE_FILE"));
        return fail(&c->err, ERR_EXISTS, "%s for client %s already exists", r.text,
                    c->rpc->peer_host);
    }
    TRY(commit_create(c, req, &r));
    return status_of(c, resolved_last(&r), (struct slice){0}, false, &res->fs);
}
