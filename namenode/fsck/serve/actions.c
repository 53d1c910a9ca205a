/* actions.c - what a check does beyond looking: deletes, and sets remains aside. See serve.h.
 * Thread: state. */
#include "client.pb-c.h"
#include "common/io/io.h"
#include "common/rpc/rpc.h"
#include "namenode/fsck/serve/internal.h"
#include "namenode/journal/journal.h"

enum { MAX_WAITING = 16 };

/* The call that the same user would make, without its line in the audit log. */
int fsck_delete(void *ctx, const char *path)
{
    struct fsck_job *j = ctx;
    static const struct rpc_protocol protocol = {.name = RPC_CLIENT_PROTOCOL, .version = 1};
    struct handler_env env = *j->server->env;
    Cp__DeleteRequest request = CP__DELETE_REQUEST__INIT;
    struct rpc_call rpc = {.protocol = &protocol,
                           .method = &rpc_client_methods[CLIENT_delete],
                           .request = &request.base,
                           .user = j->caller.user,
                           .call_id = EDIT_NO_CALL_ID};
    request.src = (char *)path;
    request.recursive = true;
    env.audit = NULL;
    arena_init(&rpc.arena, 0);
    struct call call = {.env = &env,
                        .rpc = &rpc,
                        .who = {.user = j->caller.user,
                                .groups = j->caller.groups,
                                .group_count = j->caller.group_count,
                                .superuser = j->caller.superuser},
                        .now_ms = clock_wall_ms(),
                        .mono_ms = clock_monotonic_ms()};
    int rc = handle_client_call(&call);
    arena_fini(&rpc.arena);
    return rc;
}

/* Thread: a worker's. */
static void copy(void *arg)
{
    struct fsck_job *j = arg;
    j->copied_ok = fsck_salvage(j);
    j->copied = true;
    j->server->post(j->turn);
}

int fsck_start_salvage(void *ctx, const struct fsck_remains *r)
{
    struct fsck_job *j = ctx;
    arena_reset(&j->remains_arena);
    struct fsck_piece *pieces = arena_array(&j->remains_arena, struct fsck_piece, r->count + 1);
    const char *path = arena_strdup(&j->remains_arena, r->path);
    if (pieces == NULL || path == NULL)
        return ERR_NO_MEMORY;
    memcpy(pieces, r->pieces, r->count * sizeof(*pieces));
    j->remains = (struct fsck_remains){path, r->mode, pieces, r->count};
    return workers_submit(j->server->workers, copy, j, MAX_WAITING);
}
