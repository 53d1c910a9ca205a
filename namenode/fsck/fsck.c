/* fsck.c - the life of a check: its first lines, its stages, its last lines. See fsck.h.
 * Thread: state. Invariant: the last line that a finished check says is the one that tools read the
 * result from. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "namenode/fsck/internal.h"

/* ---- birth and end ---- */

static const char *copy(struct fsck *f, const char *text)
{
    const char *mine = text == NULL ? NULL : arena_strdup(&f->arena, text);
    f->no_memory |= text != NULL && mine == NULL;
    return mine;
}

static void copy_caller(struct fsck *f, const struct fsck_caller *c)
{
    const char **groups = arena_array(&f->arena, const char *, c->group_count + 1);
    f->no_memory |= groups == NULL;
    for (size_t i = 0; groups != NULL && i < c->group_count; i++)
        groups[i] = copy(f, c->groups[i]);
    f->caller = (struct fsck_caller){.user = copy(f, c->user),
                                     .real_user = copy(f, c->real_user),
                                     .address = copy(f, c->address),
                                     .groups = groups,
                                     .group_count = c->group_count,
                                     .superuser = c->superuser};
    f->who = (struct ns_caller){.user = f->caller.user,
                                .groups = groups,
                                .group_count = c->group_count,
                                .superuser = c->superuser};
}

struct fsck *fsck_new(struct nn *nn, const struct fsck_options *options,
                      const struct fsck_caller *caller, const struct fsck_host *host)
{
    struct fsck *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    arena_init(&f->arena, 0);
    f->nn = nn;
    f->host = *host;
    f->o = *options;
    f->o.path = copy(f, options->path != NULL ? options->path : "/");
    f->o.block_ids = copy(f, options->block_ids);
    f->o.after = copy(f, options->after);
    copy_caller(f, caller);
    if (f->no_memory) {
        fsck_free(f);
        return NULL;
    }
    return f;
}

void fsck_free(struct fsck *f)
{
    if (f == NULL)
        return;
    buf_fini(&f->path);
    buf_fini(&f->file.report);
    buf_fini(&f->list);
    free(f->frames);
    free(f->combinations);
    arena_fini(&f->arena);
    free(f);
}

/* As Java prints a list of words. */
const char *fsck_source(const struct fsck *f)
{
    if (f->o.block_ids == NULL)
        return f->o.path;
    struct arena *arena = &((struct fsck *)f)->arena;
    const char *text = "";
    size_t size;
    for (const char *at = f->o.block_ids; text != NULL; at += size + 1) {
        size = strcspn(at, " ");
        bool last = at[size] == '\0' || at[size + strspn(at + size, " ")] == '\0';
        text = arena_printf(arena, "%s%.*s%s", text, (int)size, at, last ? "" : ", ");
        if (last)
            break;
    }
    text = text == NULL ? NULL : arena_printf(arena, "blocksIds=[%s]", text);
    return text != NULL ? text : "";
}

/* ---- speaking ---- */

__attribute__((format(printf, 3, 0))) static void put_args(struct fsck *f, struct buf *to,
                                                           const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    uint8_t *at = size < 0 ? NULL : buf_reserve(to, (size_t)size + 1);
    if (at != NULL) {
        (void)vsnprintf((char *)at, (size_t)size + 1, fmt, again);
        buf_commit(to, (size_t)size);
    }
    f->no_memory |= at == NULL;
    va_end(again);
}

void fsck_put(struct fsck *f, struct buf *to, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_args(f, to, fmt, args);
    va_end(args);
}

void fsck_say(struct fsck *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_args(f, f->out, fmt, args);
    va_end(args);
}

const char *fsck_date(int64_t now_ms, char out[FSCK_DATE_SIZE])
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(out, FSCK_DATE_SIZE, "%a %b %d %H:%M:%S %Z %Y", &local) == 0)
        out[0] = '\0';
    return out;
}

const struct ns_caller *fsck_who(const struct fsck *f)
{
    return f->host.permissions ? &f->who : NULL;
}

static void say_started(struct fsck *f)
{
    char date[FSCK_DATE_SIZE];
    const struct fsck_caller *c = &f->caller;
    if (f->o.progress)
        fsck_say(f, "The fsck switch -showprogress is deprecated and no longer has any effect. "
                    "Progress is now shown by default.\n");
    fsck_say(f, "FSCK started by %s (auth:%s)", c->user, c->real_user != NULL ? "PROXY" : "SIMPLE");
    if (c->real_user != NULL)
        fsck_say(f, " via %s (auth:SIMPLE)", c->real_user);
    fsck_say(f, " from /%s", c->address);
    if (f->o.block_ids == NULL)
        fsck_say(f, " for path %s", f->o.path);
    fsck_say(f, " at %s\n", fsck_date(f->now.now_ms, date));
}

static void say_ended(struct fsck *f)
{
    char date[FSCK_DATE_SIZE];
    fsck_say(f, "FSCK ended at %s in %" PRId64 " milliseconds\n", fsck_date(f->now.now_ms, date),
             f->now.mono_ms - f->started_ms);
}

/* ---- stages ---- */

static int check_superuser(struct fsck *f, const char *operation)
{
    struct ns_caller who = f->who;
    who.operation = operation;
    return f->host.permissions ? ns_check_superuser(&who, &f->err) : 0;
}

static int start_at_path(struct fsck *f)
{
    struct resolved r;
    struct arena arena;
    arena_init(&arena, 0);
    int rc = ns_resolve(f->nn->ns, fsck_who(f), f->o.path, PATH_READ, &arena, &r, &f->err);
    handle_t top = rc == 0 ? resolved_last(&r) : 0;
    arena_fini(&arena);
    if (rc == ERR_ACCESS && f->caller.superuser) { /* through a file: there is nothing */
        f->err = (struct err){0};
        rc = 0;
    }
    TRY(rc);
    f->stage = FSCK_END;
    if (top == 0)
        fsck_say(f, "\n\nPath '%s' does not exist", f->o.path);
    else if (f->o.corrupt_only)
        f->stage = FSCK_CORRUPT;
    else
        return fsck_walk_from(f, top);
    return f->o.corrupt_only && top != 0 ? check_superuser(f, "listCorruptFileBlocks") : 0;
}

static int start(struct fsck *f)
{
    f->started_ms = f->now.mono_ms;
    if (f->o.block_ids != NULL)
        TRY(check_superuser(f, "fsck"));
    say_started(f);
    if (f->o.block_ids == NULL)
        return start_at_path(f);
    f->next_id = f->o.block_ids;
    f->stage = FSCK_BLOCKS;
    return 0;
}

static int say_sums(struct fsck *f)
{
    bool healthy = fsck_healthy(&f->replicated) && fsck_healthy(&f->striped);
    fsck_say(f, "\nStatus: %s\n Number of data-nodes:\t%u\n Number of racks:\t\t%u\n",
             healthy ? "HEALTHY" : "CORRUPT", nodes_live_count(f->nn->nodes),
             nodes_live_rack_count(f->nn->nodes));
    fsck_say(f, " Total dirs:\t\t\t%" PRIu64 "\n Total symlinks:\t\t%" PRIu64 "\n", f->directories,
             f->symlinks);
    fsck_say_replicated(f);
    fsck_say_striped(f);
    if (f->o.policies)
        fsck_say_policies(f);
    say_ended(f);
    if (f->internal_error)
        return fail(&f->err, ERR_IO, "fsck encountered internal errors!");
    fsck_say(f, "\n\nThe filesystem under path '%s' is %s", f->o.path,
             healthy ? "HEALTHY" : "CORRUPT");
    f->stage = FSCK_END;
    return 0;
}

static int run_stage(struct fsck *f, size_t *budget)
{
    switch (f->stage) {
    case FSCK_START:
        return start(f);
    case FSCK_BLOCKS:
        fsck_blocks_by_id(f, budget);
        return 0;
    case FSCK_CORRUPT:
        return fsck_list_corrupt(f, budget);
    case FSCK_WALK:
        return fsck_walk(f, budget);
    case FSCK_CLOSE_FILE:
        fsck_file_close(f);
        return 0;
    case FSCK_SUMS:
        return say_sums(f);
    case FSCK_SALVAGE:
    case FSCK_END:
        break;
    }
    return 0;
}

int fsck_step(struct fsck *f, struct fsck_time now, size_t budget, struct buf *out)
{
    f->now = now;
    f->out = out;
    while (budget > 0 && f->stage != FSCK_END && f->stage != FSCK_SALVAGE && !f->no_memory) {
        budget--;
        if (run_stage(f, &budget) == 0)
            continue;
        say_ended(f);
        fsck_say(f, "%s\n\n\nFsck on path '%s' FAILED", f->err.text, f->o.path);
        f->stage = FSCK_END;
    }
    if (f->no_memory)
        return ERR_NO_MEMORY;
    return f->stage == FSCK_END ? FSCK_DONE : f->stage == FSCK_SALVAGE ? FSCK_WAITS : FSCK_MORE;
}

void fsck_salvaged(struct fsck *f, bool ok)
{
    CHECK(f->stage == FSCK_SALVAGE);
    f->internal_error |= !ok;
    f->stage = FSCK_CLOSE_FILE;
}
