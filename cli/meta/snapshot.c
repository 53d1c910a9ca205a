/* snapshot.c - createSnapshot, deleteSnapshot, renameSnapshot: the server does them or says why
 * not. Thread: the command's. */
#include <stdlib.h>

#include "cli/meta/meta.h"
#include "common/base/base.h"

struct snapshot {
    const char *name, *new_name;
    int (*act)(const struct snapshot *s, struct shell *sh, const struct item *item,
               struct dfs_error *e);
};

static int act_create(const struct snapshot *s, struct shell *sh, const struct item *item,
                      struct dfs_error *e)
{
    char *path = NULL;
    TRY(dfs_create_snapshot(store_dfs(item->store), item->path, s->name, &path, e));
    fprintf(sh->out, "Created snapshot %s\n", path);
    free(path);
    return 0;
}

static int act_delete(const struct snapshot *s, struct shell *sh, const struct item *item,
                      struct dfs_error *e)
{
    auto_text full = item_qualified(item);
    TRY(dfs_delete_snapshot(store_dfs(item->store), item->path, s->name, e));
    fprintf(sh->out, "Deleted snapshot %s under %s\n", s->name, full);
    return 0;
}

static int act_rename(const struct snapshot *s, struct shell *sh, const struct item *item,
                      struct dfs_error *e)
{
    auto_text full = item_qualified(item);
    TRY(dfs_rename_snapshot(store_dfs(item->store), item->path, s->name, s->new_name, e));
    fprintf(sh->out, "Renamed snapshot %s to %s under %s\n", s->name, s->new_name, full);
    return 0;
}

static int snapshot_path(struct walk *w, struct item *item, struct err *err)
{
    const struct snapshot *s = w->data;
    struct dfs_error e = {0};
    if (!item_is_dir(item))
        return fail_not_dir(err, item->text);
    if (store_dfs(item->store) == NULL)
        return fail(err, ERR_UNSUPPORTED, "`%s': no snapshots of a local file system", item->text);
    return store_failed(err, s->act(s, w->sh, item, &e), &e);
}

static int run(struct shell *sh, struct args *args, struct snapshot *s, struct err *err)
{
    struct walk w = {.sh = sh, .data = s, .path = snapshot_path};
    args->count = 1;
    return walk_args(&w, args, err);
}

int cmd_create_snapshot(struct shell *sh, struct args *args, struct err *err)
{
    if (args->count == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "<snapshotDir> is missing.");
    if (args->count > 2)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Too many arguments.");
    struct snapshot s = {.name = args->count == 2 ? args->at[1] : NULL, .act = act_create};
    return run(sh, args, &s, err);
}

int cmd_delete_snapshot(struct shell *sh, struct args *args, struct err *err)
{
    if (args->count != 2)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Incorrect number of arguments.");
    struct snapshot s = {.name = args->at[1], .act = act_delete};
    return run(sh, args, &s, err);
}

int cmd_rename_snapshot(struct shell *sh, struct args *args, struct err *err)
{
    if (args->count != 3)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Incorrect number of arguments.");
    struct snapshot s = {.name = args->at[1], .new_name = args->at[2], .act = act_rename};
    return run(sh, args, &s, err);
}
