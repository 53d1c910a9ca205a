/* remove.c - rm, rmdir, expunge, and the trash between them.
 * With a trash interval (the server's, else the client's) a path moves to <trash>/Current/<its full
 * path>, where <trash> is .Trash in the user's folder; a name that is taken there gets the time in
 * ms behind it. expunge renames Current to yyMMddHHmmss and deletes such checkpoints that are older
 * than the interval. Thread: the command's. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/fs/internal.h"

enum { TRASH_MODE = 0700, TRASH_TRIES = 1000 };

struct rm {
    bool quiet, folders, skip_trash, safely;
};

static int64_t wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t); /* can't fail */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char *trash_root(const struct store *s)
{
    return text_printf("%s/.Trash", store_home(s));
}

/* The interval in ms, 0: no trash. */
static int trash_interval(struct shell *sh, struct store *s, int64_t *ret, struct err *err)
{
    uint64_t minutes = 0;
    TRY(store_trash_minutes(s, &minutes, err));
    *ret = minutes != 0 ? (int64_t)minutes * 60000
                        : conf_ms(stores_conf(sh->stores), CONF_trash_interval);
    return 0;
}

static int exists(struct store *s, const char *path, bool *ret, struct err *err)
{
    struct item item = {.store = s, .path = text_dup(path)};
    int rc = item_look(&item, err);
    *ret = item.exists;
    item_fini(&item);
    return rc;
}

/* A file in the trash stands where a folder is needed: the folder gets the time behind its name. */
static char *beside_file(struct store *s, const char *folder)
{
    for (const char *p = strchr(folder + 1, '/');; p = strchr(p + 1, '/')) {
        size_t n = p == NULL ? strlen(folder) : (size_t)(p - folder);
        struct item part = {.store = s, .path = text_ndup(folder, n)};
        struct err ignored = {0}; /* then it stays as it is, and making it says why not */
        bool is_file = item_look(&part, &ignored) == 0 && part.exists && !item_is_dir(&part);
        item_fini(&part);
        if (is_file)
            return text_printf("%.*s%lld%s", (int)n, folder, (long long)wall_ms(), folder + n);
        if (p == NULL)
            return text_dup(folder);
    }
}

/* A free name in the trash; the folder above it is made. */
static int trash_place(struct store *s, const char *root, const char *path, char **ret,
                       struct err *err)
{
    auto_text wanted = text_printf("%s/Current%s", root, path);
    auto_text wanted_folder = path_parent(wanted);
    auto_text folder = text_dup(wanted_folder);
    bool taken = false;
    int rc = store_mkdirs(s, folder, TRASH_MODE, err);
    if (rc == ERR_EXISTS || rc == ERR_PARENT_NOT_DIR || rc == ERR_NOT_DIR) {
        text_free(folder);
        folder = beside_file(s, wanted_folder);
        rc = store_mkdirs(s, folder, TRASH_MODE, err);
    }
    TRY(rc);
    char *place = text_printf("%s%s", folder, strrchr(wanted, '/'));
    rc = exists(s, place, &taken, err);
    if (rc == 0 && taken) {
        char *other = text_printf("%s%lld", place, (long long)wall_ms());
        text_free(place);
        place = other;
    }
    if (rc != 0) {
        text_free(place);
        return rc;
    }
    *ret = place;
    return 0;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || n == 1);
}

static int move_to_trash(struct shell *sh, struct item *item, bool *ret_moved, struct err *err)
{
    int64_t interval;
    *ret_moved = false;
    TRY(trash_interval(sh, item->store, &interval, err));
    if (interval == 0)
        return 0;
    auto_text root = trash_root(item->store);
    auto_text full = item_qualified(item);
    if (is_below(item->path, root))
        return 0; /* what is in the trash is deleted */
    if (is_below(store_home(item->store), item->path))
        return fail(err, ERR_IO,
                    "Cannot move \"%s\" to the trash, as it contains the trash. Consider using "
                    "-skipTrash option",
                    full);
    char *place = NULL;
    struct err cause = {0};
    int rc = trash_place(item->store, root, item->path, &place, &cause);
    if (rc == 0)
        rc = store_rename(item->store, item->path, place, DFS_RENAME_TO_TRASH, &cause);
    if (rc == 0) {
        (void)fflush(sh->out);
        fprintf(sh->err, "Moved: '%s' to trash at: %.*s%s\n", full,
                (int)(strlen(full) - strlen(item->path)), full, place);
        *ret_moved = true;
    } else {
        rc =
            fail(err, ERR_IO, "Failed to move %s to trash %s: %s. Consider using -skipTrash option",
                 full, place != NULL ? place : root, cause.text);
    }
    text_free(place);
    return rc;
}

/* Yes or no from standard input, asked on standard error. */
static bool confirm(const char *question)
{
    char line[16];
    for (;;) {
        fprintf(stderr, "%s (Y or N) ", question);
        if (fgets(line, sizeof(line), stdin) == NULL)
            return false;
        line[strcspn(line, "\n")] = '\0';
        if (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0)
            return true;
        if (strcasecmp(line, "n") == 0 || strcasecmp(line, "no") == 0)
            return false;
        fprintf(stderr, "Invalid input: %s\n", line);
    }
}

static int may_delete(struct shell *sh, const struct item *item, bool *ret, struct err *err)
{
    int64_t limit = conf_int(stores_conf(sh->stores), CONF_shell_delete_limit);
    struct dfs_summary summary;
    TRY(store_summary(item->store, item->path, &summary, err));
    *ret = true;
    if (limit == 0 || summary.files <= (uint64_t)limit)
        return 0;
    auto_text question =
        text_printf("Proceed deleting %llu files?", (unsigned long long)summary.files);
    *ret = confirm(question);
    if (!*ret)
        fputs("Delete aborted at user request.\n\n", sh->err);
    return 0;
}

static int rm_path(struct walk *w, struct item *item, struct err *err)
{
    const struct rm *rm = w->data;
    bool done = false, go = true;
    if (item_is_dir(item) && !rm->folders)
        return fail_is_dir(err, item->text);
    if (!rm->skip_trash)
        TRY(move_to_trash(w->sh, item, &done, err));
    if (!done && rm->safely)
        TRY(may_delete(w->sh, item, &go, err));
    if (done || !go)
        return 0;
    int rc = store_delete(item->store, item->path, rm->folders, err);
    if (rc == ERR_NOT_FOUND) /* it was there, and wouldn't go: the root */
        return fail_path(err, item->text, "Input/output error");
    TRY(rc);
    fprintf(w->sh->out, "Deleted %s\n", item->text);
    return 0;
}

static int rm_expand(struct walk *w, const char *arg, struct items *ret, struct err *err)
{
    const struct rm *rm = w->data;
    int rc = expand_glob(w, arg, ret, err);
    if (rc != ERR_NOT_FOUND || !rm->quiet)
        return rc;
    *err = (struct err){0};
    return 0;
}

static int rm_missing(struct walk *w, struct item *item, struct err *err)
{
    const struct rm *rm = w->data;
    return rm->quiet ? 0 : fail_missing(err, item->text);
}

int cmd_rm(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct rm rm = {
        .quiet = option_on(&o, "f"),
        .folders =
            option_on(&o, "r") || option_on(&o, "R") || strcmp(sh->command->name, "rmr") == 0,
        .skip_trash = option_on(&o, "skipTrash"),
        .safely = option_on(&o, "safely"),
    };
    struct walk w = {
        .sh = sh, .data = &rm, .expand = rm_expand, .missing = rm_missing, .path = rm_path};
    return walk_args(&w, args, err);
}

static int is_empty(const struct item *dir, bool *ret, struct err *err)
{
    struct store_dir *handle;
    struct dfs_stat st;
    bool more = false;
    TRY(store_opendir(dir->store, dir->path, &handle, err));
    int rc = store_readdir(handle, &st, &more, err);
    store_closedir(handle);
    if (rc == 0 && more)
        dfs_stat_free(&st);
    *ret = !more;
    return rc;
}

static int rmdir_path(struct walk *w, struct item *item, struct err *err)
{
    bool ignore = *(const bool *)w->data, empty;
    if (!item_is_dir(item))
        return fail_not_dir(err, item->text);
    TRY(is_empty(item, &empty, err));
    if (empty)
        return store_delete(item->store, item->path, false, err);
    return ignore ? 0 : fail_not_empty(err, item->text);
}

int cmd_rmdir(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    bool ignore = option_on(&o, "-ignore-fail-on-non-empty");
    struct walk w = {.sh = sh, .data = &ignore, .path = rmdir_path};
    return walk_args(&w, args, err);
}

/* Current becomes yyMMddHHmmss, with -1, -2 ... if that is taken. */
static int make_checkpoint(struct store *s, const char *root, struct err *err)
{
    char stamp[TEXT_SIZE];
    bool there;
    auto_text current = text_printf("%s/Current", root);
    TRY(exists(s, current, &there, err));
    if (!there)
        return 0;
    (void)text_time(wall_ms(), "%y%m%d%H%M%S", false, stamp);
    for (unsigned i = 0; i < TRASH_TRIES; i++) {
        auto_text name =
            i == 0 ? text_printf("%s/%s", root, stamp) : text_printf("%s/%s-%u", root, stamp, i);
        int rc = store_rename(s, current, name, 0, err);
        if (rc != ERR_EXISTS)
            return rc;
    }
    return fail(err, ERR_IO, "Failed to checkpoint trash: %s/%s", root, stamp);
}

/* yyMMddHHmmss or yyMMddHHmm -> ms; false: not a checkpoint's name. */
static bool checkpoint_time(const char *name, int64_t *ret)
{
    size_t n = strspn(name, "0123456789");
    if (n != 12 && n != 10)
        return false;
    auto_text stamp = text_printf("20%.6s:%.*s%s", name, (int)n - 6, name + 6, n == 10 ? "00" : "");
    return timestamp_parse(stamp, ret);
}

static int delete_checkpoint(struct store *s, const char *root, const struct dfs_stat *st,
                             int64_t older_than, struct err *err)
{
    int64_t time;
    if (strcmp(st->name, "Current") == 0 || !checkpoint_time(st->name, &time) || time >= older_than)
        return 0;
    auto_text path = text_printf("%s/%s", root, st->name);
    return store_delete(s, path, true, err);
}

static int delete_checkpoints(struct store *s, const char *root, int64_t older_than,
                              struct err *err)
{
    struct store_dir *dir;
    int rc = store_opendir(s, root, &dir, err);
    if (rc != 0)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    bool more = true;
    struct dfs_stat st;
    while (rc == 0 && (rc = store_readdir(dir, &st, &more, err)) == 0 && more) {
        rc = delete_checkpoint(s, root, &st, older_than, err);
        dfs_stat_free(&st);
    }
    store_closedir(dir);
    return rc;
}

int cmd_expunge(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct store *s;
    TRY(options_parse(sh, args, &o, err));
    const char *url = option_value(&o, "fs");
    if (url != NULL && url[0] != '\0') {
        struct item item;
        auto_text root_url = text_printf("%s/", url);
        TRY(item_plain(sh->stores, root_url, &item, err));
        s = item.store;
        item_fini(&item);
    } else {
        TRY(stores_default(sh->stores, &s, err));
    }
    auto_text root = trash_root(s);
    if (option_on(&o, "immediate")) {
        TRY(make_checkpoint(s, root, err));
        return delete_checkpoints(s, root, INT64_MAX, err);
    }
    int64_t interval = conf_ms(stores_conf(sh->stores), CONF_trash_interval);
    TRY(delete_checkpoints(s, root, wall_ms() - interval, err));
    return make_checkpoint(s, root, err);
}
