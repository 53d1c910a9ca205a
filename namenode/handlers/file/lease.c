/* lease.c - who may write, and what becomes of files whose writer is gone.
 *
 * A file is closed at once when all its blocks are known well enough. Else its last block has to be
 * recovered: the block gets a recovery id (the stamp that its replicas will have), one of the
 * DataNodes that have it is told with its next heartbeat to lead, and commitBlockSynchronization
 * (handlers/datanode/recovery.c) closes the file. An attempt that was not heard of in time is made
 * again here, with another leader, as long as the file is open. Thread: state.
 * Invariants: (1) one attempt at a time for a block; (2) each attempt has an id larger than all
 * stamps given out before it. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/file/internal.h"

enum { SOFT_LIMIT_MS = 60 * 1000, RELEASES_A_TICK = 100, ATTEMPT_HEARTBEATS = 10 };

int fs_renewLease(struct call *c)
{
    REQUEST(c, Cp__RenewLeaseRequest);
    RESPOND(c, Cp__RenewLeaseResponse, cp__renew_lease_response);
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot renew lease for ", req->client_name));
    (void)ns_lease_renew(ns_of(c), req->client_name, c->mono_ms); /* nothing open: nothing to do */
    return 0;
}

/* ---- release ---- */

static int no_memory(struct err *err)
{
    return fail(err, ERR_NO_MEMORY, "out of memory while closing a file");
}

static int commit_edit(const struct handler_env *env, int made, struct edit *e, struct err *err)
{
    if (made != 0)
        return no_memory(err);
    return env->shell.commit(env->shell.ctx, e, err);
}

static int close_now(const struct release *r, const char *path, struct err *err)
{
    struct edit e;
    int made = edit_for_close(r->env->nn, path, r->file, NULL, (uint64_t)r->now_ms, r->arena, &e);
    return commit_edit(r->env, made, &e, err);
}

static int drop_last(const struct release *r, const char *path, struct err *err)
{
    struct edit e;
    int made =
        edit_for_update_blocks(r->env->nn, path, r->file, NULL, true,
                               (struct edit_rpc_ids){.call_id = EDIT_NO_CALL_ID}, r->arena, &e);
    return commit_edit(r->env, made, &e, err);
}

/* Of a group that is being written: what is known to be there, and how many nodes could answer. */
struct group_hope {
    unsigned units, nodes_alive, data_units;
    bool readable; /* some bytes from its start on could be read */
    bool any_bytes;
};

static struct group_hope hope_of(const struct nn *nn, handle_t block, const struct ec_policy *ec)
{
    struct expected_replica expected[EC_MAX_UNITS];
    struct group_hope hope = {.data_units = ec->data_units};
    uint64_t lengths[EC_MAX_UNITS] = {0};
    uint32_t present = 0;
    size_t count = blocks_expected(nn->blocks, block, expected, EC_MAX_UNITS);
    for (size_t i = 0; i < count && i < EC_MAX_UNITS; i++) {
        const struct node_storage *s = nodes_storage(nn->nodes, expected[i].storage);
        unsigned index = expected[i].index & (EC_MAX_UNITS - 1);
        hope.nodes_alive += nodes_at(nn->nodes, s->node)->alive;
        hope.units += (present >> index & 1) == 0;
        present |= 1u << index;
        if (expected[i].reported && expected[i].length > lengths[index])
            lengths[index] = expected[i].length;
        hope.any_bytes |= lengths[index] > 0;
    }
    hope.readable = ec_safe_length(ec, lengths, present) > 0;
    return hope;
}

/* As long as too few nodes answer nothing happens but this line, each time it is tried. */
static void warn_of_group(const struct nn *nn, handle_t block, const struct block_info *info)
{
    const struct ec_policy *ec = blocks_ec_policy(nn->blocks, block);
    if (ec == NULL)
        return;
    struct group_hope hope = hope_of(nn, block, ec);
    if (hope.nodes_alive < hope.data_units)
        log_warn("a block group can't be recovered while too few of its nodes are there "
                 "block=%" PRId64 " inode=%" PRIu64 " alive=%u needed=%u",
                 (int64_t)info->id, ns_inode(nn->ns, info->owner)->id, hope.nodes_alive,
                 hope.data_units);
}

int lease_start_recovery(const struct handler_env *env, handle_t block, uint64_t recovery_id,
                         int64_t mono_ms, struct err *err)
{
    struct nn *nn = env->nn;
    struct block_info info;
    uint32_t leader = 0;
    int64_t limit_ms = ATTEMPT_HEARTBEATS * env->settings->heartbeat_interval_ms;
    if (blocks_start_recovery(nn->blocks, block, recovery_id, mono_ms, limit_ms, &leader) != 0)
        return no_memory(err);
    blocks_get(nn->blocks, block, &info);
    log_info("block recovery started block=%" PRIu64 " id=%" PRIu64 " leader=%s:%u", info.id,
             recovery_id, leader != 0 ? nodes_at(nn->nodes, leader)->ip : "none",
             leader != 0 ? nodes_at(nn->nodes, leader)->xfer_port : 0);
    warn_of_group(nn, block, &info);
    return 0;
}

/* Keeps (1) and (2). */
static int try_recovery(const struct release *r, handle_t block, struct err *err)
{
    struct nn *nn = r->env->nn;
    if (!blocks_recovery_due(nn->blocks, block, r->mono_ms))
        return 0;
    struct edit e = {.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = nn->generation_stamp + 1;
    TRY(commit_edit(r->env, 0, &e, err));
    return lease_start_recovery(r->env, block, nn->generation_stamp, r->mono_ms, err);
}

static int take_over(const struct release *r, const char *path, struct err *err)
{
    const char *owner = ns_uc_client(r->env->nn->ns, r->file);
    if (r->holder == NULL)
        return 0;
    if (strcmp(owner, r->holder) == 0) {
        (void)ns_lease_renew(r->env->nn->ns, r->holder, r->mono_ms);
        return 0;
    }
    struct edit e = {.code = OP_reassign_lease};
    e.reassign_lease = (struct op_reassign_lease){
        .holder = slice_of(owner), .path = slice_of(path), .new_holder = slice_of(r->holder)};
    return commit_edit(r->env, 0, &e, err);
}

/* Nobody ever told that it has the block, and nobody will: its writer was gone before the first
 * byte, or the NameNode before it knew where. Or all that is told of a group is too little to read
 * even its first byte. */
static bool never_written(const struct release *r, handle_t block)
{
    const struct nn *nn = r->env->nn;
    const struct blocks *b = nn->blocks;
    const struct ec_policy *ec = blocks_ec_policy(b, block);
    struct expected_replica expected[1];
    if (blocks_length(b, block) != 0 || !blocks_heard_all(b, r->mono_ms))
        return false;
    size_t count = blocks_expected(b, block, expected, 1);
    if (count == 0 || ec == NULL)
        return count == 0;
    struct group_hope hope = hope_of(nn, block, ec);
    struct nodes_stats nodes;
    nodes_stats(nn->nodes, r->mono_ms, &nodes);
    if (hope.units >= hope.data_units || hope.readable || (hope.any_bytes && nodes.dead > 0))
        return false; /* who is away may have the rest */
    log_warn("a block group is dropped: too few of its internal blocks were ever written to read "
             "anything of it inode=%" PRIu64 " units=%u needed=%u",
             ns_inode(nn->ns, r->file)->id, hope.units, hope.data_units);
    return true;
}

/* What Hadoop's internalReleaseLease demands of the blocks before the last. *ret_all: they and the
 * last are complete. */
static int check_blocks(const struct release *r, const char *path, bool *ret_all, struct err *err)
{
    struct blocks *b = r->env->nn->blocks;
    const handle_t *list = ns_blocks(r->env->nn->ns, r->file);
    uint32_t count = ns_inode(r->env->nn->ns, r->file)->file.block_count, complete = 0;
    while (complete < count && blocks_complete(b, list[complete]))
        complete++;
    *ret_all = complete == count;
    if (complete + 1 >= count)
        return 0;
    if (complete + 2 < count || blocks_state(b, list[complete]) != BLOCK_COMMITTED)
        return fail(err, ERR_IO,
                    "DIR* NameSystem.internalReleaseLease: attempt to release a create lock on %s "
                    "but file is already closed.",
                    path);
    if (blocks_state(b, list[count - 1]) == BLOCK_COMMITTED)
        return fail(err, ERR_BEING_CREATED,
                    "DIR* NameSystem.internalReleaseLease: Failed to release lease for file %s. "
                    "Committed blocks are waiting to be minimally replicated.",
                    path);
    return 0;
}

int lease_release(const struct release *r, bool *ret_closed, struct err *err)
{
    bool all;
    const struct ns *ns = r->env->nn->ns;
    const char *path = ns_path(ns, r->file, r->arena);
    *ret_closed = false;
    if (path == NULL)
        return no_memory(err);
    TRY(check_blocks(r, path, &all, err));
    uint32_t count = ns_inode(ns, r->file)->file.block_count;
    if (!all) {
        handle_t last = ns_blocks(ns, r->file)[count - 1];
        if (!never_written(r, last)) {
            TRY(try_recovery(r, last, err));
            return take_over(r, path, err);
        }
        TRY(drop_last(r, path, err));
    }
    TRY(close_now(r, path, err));
    *ret_closed = true;
    return 0;
}

struct release lease_release_of(struct call *c, handle_t file, const char *holder)
{
    return (struct release){c->env, file, holder, c->now_ms, c->mono_ms, arena_of(c)};
}

/* ---- other writers ---- */

static int refuse(struct call *c, const struct resolved *r, const char *holder,
                  const char *operation, enum err_code code, const char *why)
{
    return fail(&c->err, code, "Failed to %s %s for %s on %s because %s", operation, r->text,
                holder, c->rpc->peer_host, why);
}

static int refuse_owned(struct call *c, const struct resolved *r, const char *holder,
                        const char *operation)
{
    handle_t file = resolved_last(r), last = block_from_end(c, file, 0);
    bool recovers = last != 0 && blocks_state(blocks_of(c), last) == BLOCK_UNDER_RECOVERY;
    struct slice machine = ns_uc_machine(ns_of(c), file);
    const char *why = arena_printf(
        arena_of(c), "%s by %s on %.*s",
        recovers ? "another recovery is in progress" : "this file lease is currently owned",
        ns_uc_client(ns_of(c), file), (int)machine.size, (const char *)machine.data);
    if (why == NULL)
        return call_no_memory(c);
    return refuse(c, r, holder, operation, recovers ? ERR_RECOVERY : ERR_BEING_CREATED, why);
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
    if (strcmp(owner, holder) == 0) {
        const char *why =
            arena_printf(arena_of(c), "%s is already the current lease holder.", holder);
        return why == NULL ? call_no_memory(c)
                           : refuse(c, r, holder, operation, ERR_BEING_CREATED, why);
    }
    if (c->mono_ms - ns_lease_renewed_ms(ns_of(c), uc->lease) <= SOFT_LIMIT_MS)
        return refuse_owned(c, r, holder, operation);
    struct release release = lease_release_of(c, file, NULL);
    TRY(lease_release(&release, &closed, &c->err));
    if (closed)
        return 0;
    (void)ns_lease_renew(ns_of(c), owner, c->mono_ms); /* the recovery has its time */
    return refuse(c, r, holder, operation, ERR_RECOVERY,
                  "lease recovery is in progress. Try again later.");
}

int fs_recoverLease(struct call *c)
{
    REQUEST(c, Cp__RecoverLeaseRequest);
    RESPOND(c, Cp__RecoverLeaseResponse, cp__recover_lease_response);
    struct resolved r;
    bool closed;
    TRY(call_check_safe_mode(c, "Cannot recover the lease of ", req->src));
    TRY(call_resolve(c, req->src, PATH_WRITE, &r));
    TRY(ns_check_file(ns_of(c), &r, &c->err));
    handle_t file = resolved_last(&r);
    res->result = true;
    if (ns_uc(ns_of(c), file) == NULL)
        return 0;
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    struct release release = lease_release_of(c, file, req->client_name);
    TRY(lease_release(&release, &closed, &c->err));
    res->result = closed;
    return 0;
}

/* ---- time ---- */

/* One that can't be released now is looked at again; the others go on. */
static void release_logged(const struct release *r)
{
    struct err err = {0};
    bool closed;
    uint64_t id = ns_inode(r->env->nn->ns, r->file)->id;
    if (lease_release(r, &closed, &err) != 0)
        log_limited(LOG_WARN, "file of a lost writer can not be released inode=%" PRIu64 " why=%s",
                    id, log_quote(err.text));
    else if (closed)
        log_info("file of a lost writer closed inode=%" PRIu64, id);
}

static void release_files(struct release *r, handle_t lease, unsigned *budget)
{
    struct ns *ns = r->env->nn->ns;
    for (handle_t file = ns_lease_next_file(ns, lease, 0), next; file != 0 && *budget > 0;
         file = next) {
        next = ns_lease_next_file(ns, lease, file);
        --*budget;
        r->file = file;
        release_logged(r);
    }
}

static void release_expired(struct release *r, unsigned *budget)
{
    struct ns *ns = r->env->nn->ns;
    int64_t limit_ms = r->env->settings->lease_hard_limit_ms;
    handle_t lease = ns_lease_next_expired(ns, 0, r->mono_ms, limit_ms), next;
    if (lease != 0)
        r->holder = ns_own_holder(ns, r->now_ms, r->mono_ms, limit_ms);
    for (; lease != 0 && *budget > 0; lease = next) {
        next = ns_lease_next_expired(ns, lease, r->mono_ms, limit_ms);
        release_files(r, lease, budget);
    }
    r->holder = NULL;
}

static void repeat_overdue(struct release *r, unsigned *budget)
{
    const struct blocks *b = r->env->nn->blocks;
    for (handle_t block = blocks_next_overdue(b, 0, r->mono_ms), next; block != 0 && *budget > 0;
         block = next) {
        next = blocks_next_overdue(b, block, r->mono_ms);
        --*budget;
        r->file = blocks_owner(b, block);
        if (ns_attached(r->env->nn->ns, r->file) && ns_uc(r->env->nn->ns, r->file) != NULL)
            release_logged(r);
    }
}

int handlers_tick(const struct handler_env *env, int64_t now_ms, int64_t mono_ms, struct err *err)
{
    struct arena arena;
    struct release r = {.env = env, .now_ms = now_ms, .mono_ms = mono_ms, .arena = &arena};
    unsigned budget = RELEASES_A_TICK;
    (void)err;
    if (blocks_in_safe_mode(env->nn->blocks))
        return 0;
    arena_init(&arena, 0);
    release_expired(&r, &budget);
    repeat_overdue(&r, &budget);
    arena_fini(&arena);
    return 0;
}
