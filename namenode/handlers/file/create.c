/* create.c - a new file, or an old one overwritten: checks, the missing parents, the ADD record. */
#include <inttypes.h>

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

/* A block holds at least a cell. */
static int check_cell(struct call *c, const Cp__CreateRequest *req, const struct kept_ec_policy *p)
{
    if ((int64_t)req->block_size >= (int64_t)p->cell_size)
        return 0;
    return fail(&c->err, ERR_IO,
                "Specified block size (%" PRId64 ") is less than the cell size (%u) of the erasure "
                "coding policy (%s).",
                (int64_t)req->block_size, p->cell_size, call_ec_text(c, p));
}

/* Hadoop looks first at what is there (so at the policy of a file that is overwritten), and again
 * at the directory for the new file. */
static int choose_redundancy(struct call *c, const Cp__CreateRequest *req, const struct resolved *r,
                             uint8_t *ret_ec)
{
    const char *name = req->ec_policy_name;
    uint32_t last = r->found <= r->depth ? r->found - 1 : r->depth;
    const struct kept_ec_policy *checked = NULL, *p = NULL;
    *ret_ec = 0;
    if ((req->create_flag & SHOULD_REPLICATE) != 0)
        return call_check_replication(c, req->replication, req->src, c->rpc->peer_host);
    if (name != NULL && name[0] != '\0') {
        TRY(call_ec_policy_named(c, name, &checked));
        p = checked;
    } else {
        checked = call_ec_policy(c, r->inodes[last]);
        p = last == r->depth ? call_ec_policy(c, r->inodes[last - 1]) : checked;
    }
    if (checked == NULL || p == NULL)
        TRY(call_check_replication(c, req->replication, req->src, c->rpc->peer_host));
    if (checked != NULL)
        TRY(check_cell(c, req, checked));
    if (p == NULL)
        return 0;
    TRY(check_cell(c, req, p));
    if (!kept_ec_usable(nn_of(c)->kept, p))
        return fail(&c->err, ERR_UNSUPPORTED, "%s can not be computed here", call_ec_text(c, p));
    *ret_ec = p->id;
    return 0;
}

static int check_create_limits(struct call *c, const Cp__CreateRequest *req,
                               const struct resolved *r, uint8_t *ret_ec)
{
    const struct nn_settings *s = c->env->settings;
    if ((int64_t)req->block_size < (int64_t)s->min_block_size)
        return fail(&c->err, ERR_IO,
                    "Specified block size %" PRId64 " is less than configured minimum value "
                    "dfs.namenode.fs-limits.min-block-size=%" PRIu64,
                    (int64_t)req->block_size, s->min_block_size);
    return choose_redundancy(c, req, r, ret_ec);
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

static int commit_create(struct call *c, const Cp__CreateRequest *req, uint8_t policy, uint8_t ec,
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
                              /* what Hadoop writes down for a striped one */
                              .replication = ec != 0 ? 1 : (uint16_t)req->replication,
                              .mode = mode,
                              .unmasked = unmasked,
                              .user = slice_of(c->who.user),
                              .client = slice_of(req->client_name),
                              .machine = slice_of(c->rpc->peer_host),
                              .policy = policy,
                              .ec = ec,
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
    uint8_t policy, ec;
    TRY(path_check_length(req->src, "create", &c->err));
    TRY(check_arguments(c, req));
    TRY(call_check_safe_mode(c, "Cannot create file", req->src));
    TRY(call_resolve(c, req->src, PATH_CREATE, &r));
    TRY(check_create(c, req, &r));
    TRY(check_create_limits(c, req, &r, &ec));
    if (resolved_last(&r) != 0 && (req->create_flag & OVERWRITE) == 0) {
        TRY(lease_check_other_writer(c, &r, req->client_name, "CREATE_FILE"));
        return fail(&c->err, ERR_EXISTS, "%s for client %s already exists", r.text,
                    c->rpc->peer_host);
    }
    TRY(choose_policy(c, req, &r, &policy));
    TRY(commit_create(c, req, policy, ec, &r));
    return status_of(c, resolved_last(&r), (struct slice){0}, false, &res->fs);
}
