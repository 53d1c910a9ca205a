/* serve.c - a check from the request to its last line. See serve.h.
 * Invariants: (1) a job is held by one thread at a time, and by nobody while its reader is slow or
 * a worker has it; (2) it ends when the check has ended or its reader has gone; (3) a turn takes
 * about half a millisecond, however many checks run: they share the budget. */
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "namenode/audit/audit.h"
#include "namenode/fsck/serve/internal.h"

enum { BUDGET = 400, MAX_JOBS = 16, MAX_WAITING = 16 };

static void free_job(struct fsck_job *j)
{
    fsck_free(j->fsck);
    buf_fini(&j->text);
    arena_fini(&j->arena);
    arena_fini(&j->remains_arena);
    free(j);
}

static void end_job(struct fsck_job *j)
{
    struct fsck_server *s = j->server;
    void *turn = j->turn;
    web_stream_end(j->stream);
    free_job(j);
    atomic_fetch_sub(&s->running, 1);
    s->done(turn);
}

/* ---- the request; thread: the web server's ---- */

static const char *take_text(struct fsck_job *j, const struct web_request *r, const char *name,
                             bool *no_memory)
{
    const char *value = web_value(r, name);
    const char *copy = value == NULL ? NULL : arena_strdup(&j->arena, value);
    *no_memory |= value != NULL && copy == NULL;
    return copy;
}

/* Who asks: as Hadoop's servlet, which believes everybody. */
static int take_caller(struct fsck_job *j, const struct web_request *r, struct err *err)
{
    bool no_memory = false;
    const char *user = take_text(j, r, "user.name", &no_memory);
    const char *as = take_text(j, r, "doas", &no_memory);
    if (user == NULL) {
        char *ugi = (char *)take_text(j, r, "ugi", &no_memory);
        if (ugi != NULL)
            ugi[strcspn(ugi, ",")] = '\0';
        user = ugi;
    }
    if (user == NULL || user[0] == '\0')
        user = "dr.who";
    j->caller.user = user;
    j->caller.address = arena_strdup(&j->arena, web_peer(r));
    if (no_memory || j->caller.address == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a check");
    if (as == NULL || strcmp(as, user) == 0)
        return 0;
    TRY(j->server->authorize(j->server->ctx, user, as, j->caller.address, err));
    j->caller.real_user = user;
    j->caller.user = as;
    return 0;
}

static int take_options(struct fsck_job *j, const struct web_request *r, struct err *err)
{
    struct fsck_options *o = &j->options;
    bool no_memory = false;
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"move", &o->move},
                 {"delete", &o->delete},
                 {"files", &o->files},
                 {"blocks", &o->blocks},
                 {"locations", &o->locations},
                 {"racks", &o->racks},
                 {"replicadetails", &o->replica_details},
                 {"upgradedomains", &o->upgrade_domains},
                 {"storagepolicies", &o->policies},
                 {"showprogress", &o->progress},
                 {"openforwrite", &o->open_files},
                 {"listcorruptfileblocks", &o->corrupt_only},
                 {"maintenance", &o->maintenance},
                 {"replicate", &o->replicate}};
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        *flags[i].flag = web_value(r, flags[i].name) != NULL;
    o->path = take_text(j, r, "path", &no_memory);
    o->block_ids = take_text(j, r, "blockId", &no_memory);
    o->after = take_text(j, r, "startblockafter", &no_memory);
    return no_memory ? fail(err, ERR_NO_MEMORY, "no memory for a check") : 0;
}

/* Thread: a worker's. May block. */
static void look_up(void *arg)
{
    struct fsck_job *j = arg;
    struct fsck_caller *c = &j->caller;
    struct group_list groups;
    if (groups_find(j->server->groups, c->user, &j->arena, &groups) != 0) {
        end_job(j);
        return;
    }
    c->groups = groups.names;
    c->group_count = groups.count;
    c->superuser = strcmp(c->user, j->server->superuser) == 0;
    for (size_t i = 0; i < groups.count && !c->superuser; i++)
        c->superuser = strcmp(groups.names[i], j->server->env->settings->supergroup) == 0;
    j->server->post(j->turn);
}

int fsck_open(struct fsck_server *s, void *turn, const struct web_request *r,
              struct web_stream *stream, struct err *err, struct fsck_job **ret)
{
    struct fsck_job *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a check");
    *j = (struct fsck_job){.server = s, .turn = turn, .stream = stream};
    arena_init(&j->arena, 0);
    arena_init(&j->remains_arena, 0);
    int rc = take_caller(j, r, err);
    if (rc == 0)
        rc = take_options(j, r, err);
    if (rc == 0 && atomic_fetch_add(&s->running, 1) >= MAX_JOBS) {
        atomic_fetch_sub(&s->running, 1);
        rc = fail(err, ERR_BUSY, "too many checks are running");
    }
    *ret = j;
    if (rc == 0 && workers_submit(s->workers, look_up, j, MAX_WAITING) != 0) {
        atomic_fetch_sub(&s->running, 1);
        rc = fail(err, ERR_BUSY, "too many checks are waiting");
    }
    if (rc != 0)
        free_job(j);
    return rc;
}

/* ---- turns; thread: state ---- */

static void audit(struct fsck_job *j)
{
    const struct audit_settings *settings = j->server->env->audit;
    if (settings == NULL || audit_is_quiet(settings, "fsck"))
        return;
    struct audit_event e = {.allowed = true,
                            .user = j->caller.user,
                            .real_user = j->caller.real_user,
                            .address = j->caller.address,
                            .cmd = "fsck",
                            .src = fsck_source(j->fsck)};
    audit_log_put(j->server->audit, audit_line(settings, &e, &j->arena));
}

static bool make_check(struct fsck_job *j)
{
    const struct nn_settings *settings = j->server->env->settings;
    struct fsck_host host = {.ctx = j,
                             .permissions = settings->permissions_enabled,
                             .replication = settings->replication,
                             .replication_min = settings->replication_min,
                             .corrupt_page = settings->corrupt_files_page,
                             .delete = fsck_delete,
                             .salvage = fsck_start_salvage};
    j->fsck = fsck_new(j->server->env->nn, &j->options, &j->caller, &host);
    return j->fsck != NULL;
}

static void wake(void *turn_of_job)
{
    struct fsck_job *j = turn_of_job;
    j->server->post(j->turn);
}

static size_t budget_of(const struct fsck_job *j)
{
    unsigned running = atomic_load(&j->server->running);
    return BUDGET / (running == 0 ? 1 : running);
}

void fsck_turn(struct fsck_job *j)
{
    if (j->fsck == NULL && !make_check(j)) {
        end_job(j);
        return;
    }
    if (j->copied) {
        j->copied = false;
        fsck_salvaged(j->fsck, j->copied_ok);
    }
    struct fsck_time now = {clock_wall_ms(), clock_monotonic_ms()};
    int rc = fsck_step(j->fsck, now, budget_of(j), &j->text);
    if (rc == FSCK_DONE || rc < 0)
        audit(j);
    int put = web_stream_put(j->stream, buf_head(&j->text), buf_size(&j->text));
    buf_clear(&j->text);
    if (rc == FSCK_WAITS)
        return; /* a worker has it */
    if (rc != FSCK_MORE || put != 0)
        end_job(j);
    else if (!web_stream_full(j->stream, wake, j))
        j->server->post(j->turn);
}
