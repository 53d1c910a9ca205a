/* usage.c - df and du: space.
 * Thread: the command's. */
#include "cli/meta/meta.h"
#include "common/base/base.h"

struct usage {
    struct table table;
    bool human, summary;
    bool without_snapshots;
};

static int df_path(struct walk *w, struct item *item, struct err *err)
{
    struct usage *u = w->data;
    struct dfs_usage space;
    char size[TEXT_SIZE], used[TEXT_SIZE], left[TEXT_SIZE], percent[TEXT_SIZE];
    TRY(store_statfs(item->store, &space, err));
    const char *cells[] = {
        store_url(item->store),
        text_size((int64_t)space.capacity, u->human, size),
        text_size((int64_t)space.used, u->human, used),
        text_size((int64_t)space.remaining, u->human, left),
        text_percent((double)space.used, (double)space.capacity, 0, percent),
    };
    table_add(&u->table, cells);
    return 0;
}

/* Prints unless there is nothing below the heading. */
static void finish(struct walk *w, bool heading)
{
    struct usage *u = w->data;
    if (u->table.count > (heading ? 1 : 0))
        table_print(&u->table, w->sh->out);
    table_fini(&u->table);
}

/* Without an operand: that one. */
static void default_operand(struct args *args, char **only)
{
    if (args->count == 0)
        *args = (struct args){.at = only, .count = 1};
}

int cmd_df(struct shell *sh, struct args *args, struct err *err)
{
    static const char *const heading[] = {"Filesystem", "Size", "Used", "Available", "Use%"};
    static char root[] = "/";
    char *only[] = {root};
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    default_operand(args, only);
    struct usage u = {.human = option_on(&o, "h")};
    table_init(&u.table, ARRAY_SIZE(heading), 0x1e);
    table_add(&u.table, heading);
    struct walk w = {.sh = sh, .data = &u, .path = df_path};
    int rc = walk_args(&w, args, err);
    finish(&w, true);
    return rc;
}

static int du_path(struct walk *w, struct item *item, struct err *err)
{
    struct usage *u = w->data;
    struct dfs_summary sum;
    char length[TEXT_SIZE], space[TEXT_SIZE];
    TRY(store_summary(item->store, item->path, &sum, err));
    uint64_t less = u->without_snapshots ? sum.snapshot_length : 0;
    uint64_t less_space = u->without_snapshots ? sum.snapshot_space : 0;
    const char *cells[] = {text_size((int64_t)(sum.length - less), u->human, length),
                           text_size((int64_t)(sum.space_consumed - less_space), u->human, space),
                           item->text};
    table_add(&u->table, cells);
    return 0;
}

static int du_argument(struct walk *w, struct item *item, struct err *err)
{
    const struct usage *u = w->data;
    w->depth = 0;
    if (!u->summary && item_is_dir(item))
        return walk_children(w, item, err);
    return walk_argument(w, item, err);
}

int cmd_du(struct shell *sh, struct args *args, struct err *err)
{
    static const char *const heading[] = {"SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS",
                                          "FULL_PATH_NAME"};
    static char here[] = ".";
    char *only[] = {here};
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    default_operand(args, only);
    bool headed = option_on(&o, "v");
    struct usage u = {.human = option_on(&o, "h"),
                      .summary = option_on(&o, "s") || strcmp(sh->command->name, "dus") == 0,
                      .without_snapshots = option_on(&o, "x")};
    table_init(&u.table, ARRAY_SIZE(heading), 0);
    if (headed)
        table_add(&u.table, heading);
    struct walk w = {.sh = sh, .data = &u, .path = du_path, .argument = du_argument};
    int rc = walk_args(&w, args, err);
    finish(&w, headed);
    return rc;
}
