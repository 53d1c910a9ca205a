/* trash.c - empties the trash of all users: /user/<name>/.Trash.
 *
 * Every so often (fs.trash.checkpoint.interval) what was thrown away since then, Current, becomes a
 * checkpoint that is named after the time, and checkpoints older than fs.trash.interval are
 * deleted; both by ordinary edits. Thread: state. A round goes over the users in slices. Names and
 * times are in the process's time zone, as Hadoop's are. */
#include <stdio.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/blocks/blocks.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"
#include "namenode/server/internal.h"
#include "namenode/trash/trash.h"

enum { USERS_A_SLICE = 64, MAX_ATTEMPTS = 1000, MAX_CHECKPOINTS = 1000 };

void trash_init(struct server *s, int64_t now_ms)
{
    struct trash *t = &s->trash;
    t->keep_ms = conf_ms(s->conf, CONF_trash_interval);
    t->interval_ms = conf_ms(s->conf, CONF_trash_checkpoint_interval);
    t->clean_root = conf_bool(s->conf, CONF_trash_clean_root);
    if (t->interval_ms <= 0 || t->interval_ms > t->keep_ms)
        t->interval_ms = t->keep_ms;
    if (t->interval_ms > 0)
        t->next_ms = (now_ms / t->interval_ms + 1) * t->interval_ms;
}

static handle_t child(const struct server *s, handle_t dir, const char *name)
{
    return dir != 0 && inode_is_dir(ns_inode(s->nn->ns, dir))
               ? ns_child(s->nn->ns, dir, slice_of(name))
               : 0;
}

static bool delete_tree(struct server *s, const char *path, int64_t now_ms)
{
    struct edit e = {.code = OP_delete};
    struct err err = {0};
    e.delete.path = slice_of(path);
    e.delete.time = (uint64_t)now_ms;
    e.delete.rpc.call_id = EDIT_NO_CALL_ID;
    if (state_commit(s, &e, &err) == 0)
        return true;
    log_warn("trash could not be deleted path=%s why=%s", log_quote(path), log_quote(err.text));
    return false;
}

/* One entry of a trash: is it old? */
static void look_at(struct server *s, const char *root, handle_t entry, int64_t now_ms,
                    struct arena *arena)
{
    struct slice name = ns_name(s->nn->ns, entry);
    int64_t made_ms = 0;
    if (slice_equal(name, slice_of("Current")))
        return;
    bool is_checkpoint = trash_time_of(name, &made_ms);
    const char *path =
        arena_printf(arena, "%s/%.*s", root, (int)name.size, (const char *)name.data);
    if (path == NULL)
        return;
    if (!is_checkpoint && !s->trash.clean_root)
        log_limited(LOG_WARN, "unexpected item in trash, left alone path=%s", log_quote(path));
    else if (!is_checkpoint || now_ms - s->trash.keep_ms > made_ms)
        if (delete_tree(s, path, now_ms))
            log_info("trash deleted path=%s", log_quote(path));
}

static void delete_old(struct server *s, const char *root, handle_t dir, int64_t now_ms,
                       struct arena *arena)
{
    handle_t *list = arena_array(arena, handle_t, MAX_CHECKPOINTS);
    if (list == NULL)
        return;
    uint32_t n = ns_list(s->nn->ns, dir, (struct slice){0}, MAX_CHECKPOINTS, list, NULL);
    for (uint32_t i = 0; i < n; i++)
        look_at(s, root, list[i], now_ms, arena);
}

static void make_checkpoint(struct server *s, const char *root, handle_t dir, int64_t now_ms,
                            struct arena *arena)
{
    static const uint8_t options[] = {RENAME_NONE};
    char base[TRASH_NAME_SIZE], name[TRASH_NAME_SIZE + 16];
    struct err err = {0};
    if (child(s, dir, "Current") == 0)
        return;
    trash_name_of(now_ms, base);
    snprintf(name, sizeof(name), "%s", base);
    for (int i = 1; child(s, dir, name) != 0; i++) {
        if (i > MAX_ATTEMPTS) {
            log_warn("trash has too many checkpoints of this second path=%s", log_quote(root));
            return;
        }
        snprintf(name, sizeof(name), "%s-%d", base, i);
    }
    char *from = arena_printf(arena, "%s/Current", root);
    char *to = arena_printf(arena, "%s/%s", root, name);
    if (from == NULL || to == NULL)
        return;
    struct edit e = {.code = OP_rename};
    e.rename.src = slice_of(from);
    e.rename.dst = slice_of(to);
    e.rename.time = (uint64_t)now_ms;
    e.rename.options = (struct slice){options, sizeof(options)};
    e.rename.rpc.call_id = EDIT_NO_CALL_ID;
    if (state_commit(s, &e, &err) == 0)
        log_info("trash checkpoint made path=%s", log_quote(to));
    else
        log_warn("trash checkpoint not made path=%s why=%s", log_quote(to), log_quote(err.text));
}

static void empty_one(struct server *s, handle_t user, int64_t now_ms)
{
    handle_t dir = child(s, user, ".Trash");
    struct slice name = ns_name(s->nn->ns, user);
    struct arena arena;
    if (dir == 0 || !inode_is_dir(ns_inode(s->nn->ns, dir)))
        return;
    arena_init(&arena, 0);
    const char *root =
        arena_printf(&arena, "/user/%.*s/.Trash", (int)name.size, (const char *)name.data);
    if (root != NULL) {
        delete_old(s, root, dir, now_ms, &arena);
        make_checkpoint(s, root, dir, now_ms, &arena);
    }
    arena_fini(&arena);
}

/* Users are remembered by name between slices, since anybody may come and go. */
static void run_slice(struct server *s)
{
    struct trash *t = &s->trash;
    handle_t users[USERS_A_SLICE];
    handle_t home = child(s, ns_root(s->nn->ns), "user");
    struct slice after = {t->after, t->after_size};
    uint32_t n = 0;
    if (home != 0 && inode_is_dir(ns_inode(s->nn->ns, home)))
        n = ns_list(s->nn->ns, home, after, USERS_A_SLICE, users, NULL);
    if (n > 0) {
        struct slice last = ns_name(s->nn->ns, users[n - 1]);
        CHECK(last.size <= sizeof(t->after));
        t->after_size = last.size;
        memcpy(t->after, last.data, t->after_size);
    }
    for (uint32_t i = 0; i < n; i++)
        empty_one(s, users[i], t->round_ms);
    t->running = n == USERS_A_SLICE;
}

bool trash_tick(struct server *s, int64_t now_ms)
{
    struct trash *t = &s->trash;
    if (t->interval_ms <= 0 || blocks_in_safe_mode(s->nn->blocks))
        return false;
    if (!t->running) {
        if (now_ms < t->next_ms)
            return false;
        t->next_ms = (now_ms / t->interval_ms + 1) * t->interval_ms;
        t->round_ms = now_ms;
        t->after_size = 0;
        t->running = true;
    }
    run_slice(s);
    return t->running;
}
