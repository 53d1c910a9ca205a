/* lease.c - who may write, and what becomes of files whose writer is gone.
 * A file is closed here when no DataNode has to recover its last block for that; block recovery
 * itself is not served yet (docs/differences.md), so such a file stays open under its old lease. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/file/internal.h"

enum { SOFT_LIMIT_MS = 60 * 1000, RELEASES_A_TICK = 100 };

int fs_renewLease(struct call *c)
{
    REQUEST(c, Cp__RenewLeaseRequest);
    RESPOND(c, Cp__RenewLeaseResponse, cp__renew_lease_response);
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot renew lease for ", req->client_name));
    (void)ns_lease_renew(ns_of(c), req->client_name, c->mono_ms); /* nothing open: nothing to do */
    return 0;
}

/* What must happen to the file's last blocks before it can be closed. */
enum ending { END_CLOSE, END_DROP_LAST, END_RECOVER };

static enum ending ending_of(const struct nn *nn, handle_t file)
{
    const handle_t *list = ns_blocks(nn->ns, file);
    uint32_t count = ns_inode(nn->ns, file)->file.block_count;
    struct expected_replica expected[1];
    for (uint32_t i = 0; i + 1 < count; i++)
        if (!blocks_complete(nn->blocks, list[i]))
            return END_RECOVER;
    if (count == 0 || blocks_complete(nn->blocks, list[count - 1]))
        return END_CLOSE;
    handle_t last = list[count - 1];
    if (blocks_state(nn->blocks, last) == BLOCK_UNDER_CONSTRUCTION &&
        blocks_length(nn->blocks, last) == 0 && blocks_expected(nn->blocks, last, expected, 1) == 0)
        return END_DROP_LAST;
    return END_RECOVER;
}

static int commit_edit(const struct handler_env *env, int made, struct edit *e, struct err *err)
{
    if (made != 0)
        return fail(err, ERR_NO_MEMORY, "out of memory while closing a file");
    return env->shell.commit(env->shell.ctx, e, err);
}

int lease_release(const struct handler_env *env, handle_t file, int64_t now_ms, struct arena *arena,
                  bool *ret_closed, struct err *err)
{
    struct edit e;
    enum ending ending = ending_of(env->nn, file);
    *ret_closed = false;
    if (ending == END_RECOVER)
        return 0;
    const char *path = ns_path(env->nn->ns, file, arena);
    if (path == NULL)
        return fail(err, ERR_NO_MEMORY, "out of memory while closing a file");
    if (ending == END_DROP_LAST)
        TRY(commit_edit(env,
                        edit_for_update_blocks(env->nn, path, file, NULL, true,
                                               (struct edit_rpc_ids){.call_id = EDIT_NO_CALL_ID},
                                               arena, &e),
                        &e, err));
    TRY(commit_edit(env, edit_for_close(env->nn, path, file, NULL, (uint64_t)now_ms, arena, &e), &e,
                    err));
    *ret_closed = true;
    return 0;
}

int lease_check_other_writer(struct call *c, const struct resolved *r, const char *holder,
                             const char *operation)
{
    handle_t file = resolved_last(r);
    const struct inode_uc *uc = ns_uc(ns_of(c), file);
    bool closed;
    if (uc == NULL)
        return 0;
    const char *owner = ns_uc_client(ns_of(c), file);
    struct slice machine = ns_uc_machine(ns_of(c), file);
    if (strcmp(owner, holder) == 0)
        return fail(&c->err, ERR_BEING_CREATED,
                    "Failed to %s %s for %s on %s because %s is already the current lease holder.",
                    operation, r->text, holder, c->rpc->peer_host, holder);
    if (c->mono_ms - ns_lease_renewed_ms(ns_of(c), uc->lease) < SOFT_LIMIT_MS)
        return fail(&c->err, ERR_BEING_CREATED,
                    "Failed to %s %s for %s on %s because this file lease is currently owned by "
                    "%s on %.*s",
                    operation, r->text, holder, c->rpc->peer_host, owner, (int)machine.size,
                    (const char *)machine.data);
    TRY(lease_release(c->env, file, c->now_ms, arena_of(c), &closed, &c->err));
    if (closed)
        return 0;
    return fail(&c->err, ERR_RECOVERY,
                "Failed to %s %s for %s on %s because lease recovery is in progress. Try again "
                "later.",
                operation, r->text, holder, c->rpc->peer_host);
}

int fs_recoverLease(struct call *c)
{
    REQUEST(c, Cp__RecoverLeaseRequest);
    RESPOND(c, Cp__RecoverLeaseResponse, cp__recover_lease_response);
    struct resolved r;
    TRY(call_check_safe_mode(c, "Cannot recover the lease of ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    handle_t file = resolved_last(&r);
    bool closed = ns_uc(ns_of(c), file) == NULL;
    res->result = true;
    if (closed)
        return 0;
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    TRY(lease_release(c->env, file, c->now_ms, arena_of(c), &closed, &c->err));
    if (!closed)
        return fail(&c->err, ERR_UNSUPPORTED,
                    "the last block of %s must be recovered by its DataNodes, which is not "
                    "available yet",
                    r.text);
    return 0;
}

static int release_files(const struct handler_env *env, handle_t lease, int64_t now_ms,
                         struct arena *arena, unsigned *budget, struct err *err)
{
    struct ns *ns = env->nn->ns;
    bool closed;
    for (handle_t file = ns_lease_next_file(ns, lease, 0), next; file != 0 && *budget > 0;
         file = next) {
        next = ns_lease_next_file(ns, lease, file);
        --*budget;
        TRY(lease_release(env, file, now_ms, arena, &closed, err));
        if (!closed)
            log_limited(LOG_WARN, "lease expired but the last block needs recovery inode=%" PRIu64,
                        ns_inode(ns, file)->id);
    }
    return 0;
}

int handlers_tick(const struct handler_env *env, int64_t now_ms, int64_t mono_ms, struct err *err)
{
    struct arena arena;
    unsigned budget = RELEASES_A_TICK;
    int rc = 0;
    if (blocks_in_safe_mode(env->nn->blocks))
        return 0;
    arena_init(&arena, 0);
    for (handle_t lease = ns_lease_next_expired(env->nn->ns, 0, mono_ms,
                                                env->settings->lease_hard_limit_ms),
                  next;
         lease != 0 && budget > 0 && rc == 0; lease = next) {
        next =
            ns_lease_next_expired(env->nn->ns, lease, mono_ms, env->settings->lease_hard_limit_ms);
        rc = release_files(env, lease, now_ms, &arena, &budget, err);
    }
    arena_fini(&arena);
    return rc;
}
