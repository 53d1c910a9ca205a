/* walk.c - over the arguments of a command, and what is below them.
 * Arguments are all expanded first, then done one after the other. A folder's children come in
 * groups, so that a recursive walk over millions of files holds a few hundred of them. Thread: the
 * command's. Items belong to the walk; a hook that keeps one copies it. */
#include "cli/shell/shell.h"
#include "common/base/base.h"

enum { WALK_GROUP = 100 };

static bool is_fatal(int rc)
{
    return rc == ERR_ILLEGAL_ARGUMENT || rc == ERR_INTERRUPTED;
}

/* Reports what may be reported; the rest goes on up. */
static int settle(struct walk *w, int rc, struct err *err)
{
    if (rc == 0 || is_fatal(rc))
        return rc;
    shell_error(w->sh, err);
    *err = (struct err){0};
    return 0;
}

int fail_path(struct err *err, const char *text, const char *why)
{
    return fail(err, ERR_IO, "`%s': %s", text, why);
}

int fail_missing(struct err *err, const char *text)
{
    return fail(err, ERR_NOT_FOUND, "`%s': No such file or directory", text);
}

int fail_missing_full(struct err *err, const struct item *item)
{
    auto_text full = item_qualified(item);
    if (strcmp(full, item->text) == 0)
        return fail_missing(err, item->text);
    return fail(err, ERR_NOT_FOUND, "`%s': No such file or directory: `%s'", item->text, full);
}

int fail_exists(struct err *err, const char *text)
{
    return fail_path(err, text, "File exists");
}

int fail_is_dir(struct err *err, const char *text)
{
    return fail_path(err, text, "Is a directory");
}

int fail_not_dir(struct err *err, const char *text)
{
    return fail_path(err, text, "Is not a directory");
}

int fail_not_empty(struct err *err, const char *text)
{
    return fail_path(err, text, "Directory is not empty");
}

int expand_plain(struct walk *w, const char *arg, struct items *ret, struct err *err)
{
    struct item item;
    TRY(item_plain(w->sh->stores, arg, &item, err));
    items_add(ret, &item);
    return 0;
}

int expand_local(struct walk *w, const char *arg, struct items *ret, struct err *err)
{
    struct item item;
    TRY(item_local(w->sh->stores, arg, &item, err));
    items_add(ret, &item);
    return 0;
}

int expand_glob(struct walk *w, const char *arg, struct items *ret, struct err *err)
{
    struct items found = {0};
    TRY(item_glob(w->sh->stores, arg, &found, err));
    if (found.count == 0)
        return fail_missing(err, arg);
    for (size_t i = 0; i < found.count; i++)
        items_add(ret, &found.at[i]);
    text_free(found.at);
    return 0;
}

int walk_expand(struct walk *w, const struct args *args, struct items *ret, struct err *err)
{
    for (size_t i = 0; i < args->count; i++) {
        int rc = (w->expand == NULL ? expand_glob : w->expand)(w, args->at[i], ret, err);
        rc = settle(w, rc, err);
        if (rc != 0) {
            items_fini(ret);
            return rc;
        }
    }
    return 0;
}

static int visit_argument(struct walk *w, struct item *item, struct err *err)
{
    if (!item->exists)
        return w->missing == NULL ? fail_missing(err, item->text) : w->missing(w, item, err);
    return w->argument == NULL ? walk_argument(w, item, err) : w->argument(w, item, err);
}

int walk_items(struct walk *w, struct items *items, struct err *err)
{
    for (size_t i = 0; i < items->count; i++) {
        if (shell_interrupted())
            return fail(err, ERR_INTERRUPTED, "Interrupted");
        TRY(settle(w, visit_argument(w, &items->at[i], err), err));
    }
    return 0;
}

int walk_args(struct walk *w, const struct args *args, struct err *err)
{
    struct items items = {0};
    TRY(walk_expand(w, args, &items, err));
    int rc = walk_items(w, &items, err);
    items_fini(&items);
    return rc;
}

static int visit(struct walk *w, struct item *item, struct err *err)
{
    if (shell_interrupted())
        return fail(err, ERR_INTERRUPTED, "Interrupted");
    TRY(w->path(w, item, err));
    if (w->recursive && item_is_dir(item))
        TRY(w->recurse == NULL ? walk_children(w, item, err) : w->recurse(w, item, err));
    return w->after == NULL ? 0 : w->after(w, item, err);
}

static int visit_group(struct walk *w, const struct item *parent, struct items *items,
                       struct err *err)
{
    if (w->group != NULL)
        TRY(w->group(w, parent, items, err));
    for (size_t i = 0; i < items->count; i++)
        TRY(settle(w, visit(w, &items->at[i], err), err));
    return 0;
}

int walk_argument(struct walk *w, struct item *item, struct err *err)
{
    w->depth = 0;
    struct items one = {.at = item, .count = 1, .capacity = 1};
    return visit_group(w, NULL, &one, err);
}

/* The next children of an open folder, at most limit. */
static int read_group(const struct item *parent, struct store_dir *dir, size_t limit,
                      struct items *ret, struct err *err)
{
    bool more = true;
    while (ret->count < limit) {
        struct dfs_stat st;
        TRY(store_readdir(dir, &st, &more, err));
        if (!more)
            break;
        struct item child;
        item_child_of_stat(parent, &st, &child);
        items_add(ret, &child);
    }
    return 0;
}

int walk_children(struct walk *w, struct item *item, struct err *err)
{
    struct store_dir *dir;
    if (!item_is_dir(item))
        return fail_not_dir(err, item->text);
    TRY(store_opendir(item->store, item->path, &dir, err));
    size_t limit = w->sorted ? SIZE_MAX : WALK_GROUP;
    int rc;
    w->depth++;
    for (;;) {
        struct items group = {0};
        rc = read_group(item, dir, limit, &group, err);
        if (w->sorted)
            items_sort(&group);
        bool last = rc != 0 || group.count < limit;
        if (rc == 0 && (group.count > 0 || w->sorted))
            rc = visit_group(w, item, &group, err);
        items_fini(&group);
        if (rc != 0 || last)
            break;
    }
    w->depth--;
    store_closedir(dir);
    return rc;
}
