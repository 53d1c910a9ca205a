/* list.c - ls and mkdir.
 * Columns are as wide as the widest value seen so far, the reason why a folder comes as a group.
 * Thread: the command's. */
#include <stdlib.h>

#include "cli/fs/internal.h"

struct ls {
    bool paths_only, human, printable, by_time, by_size, reverse, accessed;
    bool folders_themselves, policy;
    size_t replicas, size, owner, group, policies; /* widths; policies: of a group */
};

static void widen(size_t *width, size_t n)
{
    if (n > *width)
        *width = n;
}

static int64_t time_shown(const struct ls *ls, const struct item *item)
{
    return ls->accessed ? item->stat.accessed_ms : item->stat.modified_ms;
}

static int compare(const void *a, const void *b, void *ctx)
{
    const struct ls *ls = ctx;
    const struct item *x = a, *y = b;
    int order;
    if (ls->by_time)
        order = (time_shown(ls, x) < time_shown(ls, y)) - (time_shown(ls, x) > time_shown(ls, y));
    else if (ls->by_size)
        order = (x->stat.length < y->stat.length) - (x->stat.length > y->stat.length);
    else
        order = path_compare(x->path, y->path);
    return ls->reverse ? -order : order;
}

/* Stable, as Java's sort is: equal times keep the order of names. */
static void merge_sort(struct item *at, size_t count, struct item *spare, struct ls *ls)
{
    if (count < 2)
        return;
    size_t half = count / 2, i = 0, j = half;
    merge_sort(at, half, spare, ls);
    merge_sort(at + half, count - half, spare, ls);
    for (size_t n = 0; n < count; n++) {
        bool left = j == count || (i < half && compare(&at[i], &at[j], ls) <= 0);
        spare[n] = at[left ? i++ : j++];
    }
    memcpy(at, spare, count * sizeof(*at));
}

static void sort(struct items *items, struct ls *ls)
{
    struct item *spare = text_alloc(items->count * sizeof(*spare));
    merge_sort(items->at, items->count, spare, ls);
    text_free(spare);
}

/* The erasure coding policy of a path; "" for none. */
static int read_policy(const struct item *item, char ret[64], struct err *err)
{
    struct dfs_summary sum;
    if (store_is_local(item->store))
        return fail(err, ERR_UNSUPPORTED, "FileSystem %s does not support Erasure Coding",
                    store_url(item->store));
    TRY(store_summary(item->store, item->path, &sum, err));
    memcpy(ret, sum.erasure_coding, sizeof(sum.erasure_coding));
    return 0;
}

static int ls_group(struct walk *w, const struct item *parent, struct items *items, struct err *err)
{
    struct ls *ls = w->data;
    ls->policies = 0;
    if (parent != NULL && !w->recursive && items->count > 0) {
        if (!ls->paths_only)
            fprintf(w->sh->out, "Found %zu items\n", items->count);
        sort(items, ls);
    }
    for (size_t i = 0; i < items->count && !ls->paths_only; i++) {
        const struct dfs_stat *st = &items->at[i].stat;
        char digits[TEXT_SIZE];
        widen(&ls->replicas, strlen(text_size(st->replication, false, digits)));
        widen(&ls->size, strlen(text_size((int64_t)st->length, false, digits)));
        widen(&ls->owner, text_width(st->owner));
        widen(&ls->group, text_width(st->group));
        char policy[64] = "";
        if (ls->policy)
            TRY(read_policy(&items->at[i], policy, err));
        widen(&ls->policies, strlen(policy));
    }
    return 0;
}

static void print_padded(FILE *out, const char *text, size_t width)
{
    if (width > 0)
        fprintf(out, "%s%*s ", text, (int)(width - text_width(text)), "");
}

static int ls_path(struct walk *w, struct item *item, struct err *err)
{
    const struct ls *ls = w->data;
    const struct dfs_stat *st = &item->stat;
    FILE *out = w->sh->out;
    char permission[10], size[TEXT_SIZE], time[TEXT_SIZE], replicas[TEXT_SIZE] = "-";
    char policy[64] = "";
    if (ls->policy)
        TRY(read_policy(item, policy, err));
    if (ls->paths_only) {
        fprintf(out, "%s\n", item->text);
        return 0;
    }
    if (st->type == DFS_FILE)
        (void)text_size(st->replication, false, replicas);
    fprintf(out, "%c%s%c%*s ", st->type == DFS_DIRECTORY ? 'd' : '-',
            text_permission(st->mode, permission), st->has_acl ? '+' : ' ', (int)ls->replicas,
            replicas);
    print_padded(out, st->owner, ls->owner);
    print_padded(out, st->group, ls->group);
    auto_text printable = ls->printable ? text_printable(item->text) : NULL;
    if (ls->policy && (policy[0] != '\0' || ls->policies > 0))
        fprintf(out, "%-*s ", (int)ls->policies, policy);
    fprintf(out, "%*s %s %s\n", (int)ls->size, text_size((int64_t)st->length, ls->human, size),
            text_time(time_shown(ls, item), "%Y-%m-%d %H:%M", false, time),
            printable != NULL ? printable : item->text);
    return 0;
}

static int ls_argument(struct walk *w, struct item *item, struct err *err)
{
    const struct ls *ls = w->data;
    w->depth = 0;
    if (!ls->folders_themselves && item_is_dir(item))
        return walk_children(w, item, err);
    return walk_argument(w, item, err);
}

int cmd_ls(struct shell *sh, struct args *args, struct err *err)
{
    static char here[] = ".";
    char *only[] = {here};
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct ls ls = {
        .paths_only = option_on(&o, "C"),
        .folders_themselves = option_on(&o, "d"),
        .human = option_on(&o, "h"),
        .printable = option_on(&o, "q"),
        .by_time = option_on(&o, "t"),
        .by_size = option_on(&o, "S"),
        .reverse = option_on(&o, "r"),
        .accessed = option_on(&o, "u"),
        .policy = option_on(&o, "e"),
        .replicas = 3,
        .size = 10,
    };
    bool recursive = option_on(&o, "R") || strcmp(sh->command->name, "lsr") == 0;
    struct walk w = {
        .sh = sh,
        .data = &ls,
        .recursive = recursive && !ls.folders_themselves,
        .argument = ls_argument,
        .group = ls_group,
        .path = ls_path,
    };
    w.sorted = !w.recursive || ls.by_time || ls.by_size || ls.reverse;
    if (args->count == 0)
        *args = (struct args){.at = only, .count = 1};
    return walk_args(&w, args, err);
}

static int mkdir_path(struct walk *w, struct item *item, struct err *err)
{
    bool parents = *(const bool *)w->data;
    if (!item_is_dir(item))
        return fail_not_dir(err, item->text);
    return parents ? 0 : fail_exists(err, item->text);
}

static int mkdir_missing(struct walk *w, struct item *item, struct err *err)
{
    bool parents = *(const bool *)w->data;
    if (!parents) {
        struct item parent = {.store = item->store, .path = path_parent(item->path)};
        auto_text full = item_qualified(&parent);
        int rc = item_look(&parent, err);
        bool there = parent.exists;
        item_fini(&parent);
        TRY(rc);
        if (!there)
            return fail_missing(err, full);
    }
    return store_mkdirs(item->store, item->path, 0777, err);
}

int cmd_mkdir(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    bool parents = option_on(&o, "p");
    struct walk w = {.sh = sh, .data = &parents, .path = mkdir_path, .missing = mkdir_missing};
    return walk_args(&w, args, err);
}
