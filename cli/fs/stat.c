/* stat.c - stat and test: what is known of a path.
 * Thread: the command's. */
#include "cli/fs/internal.h"

static const char *type_name(const struct dfs_stat *st)
{
    return st->type == DFS_DIRECTORY ? "directory"
           : st->type == DFS_FILE    ? "regular file"
                                     : "symlink";
}

/* One letter behind a %. */
static void print_field(char letter, const struct item *item, FILE *out)
{
    const struct dfs_stat *st = &item->stat;
    char text[TEXT_SIZE];
    bool accessed = letter == 'x' || letter == 'X';
    int64_t ms = accessed ? st->accessed_ms : st->modified_ms;
    switch (letter) {
    case 'a':
        fprintf(out, "%o", st->mode);
        break;
    case 'A':
        fputs(text_permission(st->mode, text), out);
        break;
    case 'b':
        fprintf(out, "%llu", (unsigned long long)st->length);
        break;
    case 'F':
        fputs(type_name(st), out);
        break;
    case 'g':
        fputs(st->group, out);
        break;
    case 'n':
        fputs(item_name(item), out);
        break;
    case 'o':
        fprintf(out, "%llu", (unsigned long long)st->block_size);
        break;
    case 'r':
        fprintf(out, "%u", st->replication);
        break;
    case 'u':
        fputs(st->owner, out);
        break;
    case 'x':
    case 'y':
        fputs(text_time(ms, "%Y-%m-%d %H:%M:%S", true, text), out);
        break;
    case 'X':
    case 'Y':
        fprintf(out, "%lld", (long long)ms);
        break;
    default:
        fputc(letter, out);
        break;
    }
}

static int stat_path(struct walk *w, struct item *item, struct err *err)
{
    (void)err;
    for (const char *p = w->data; *p != '\0'; p++) {
        if (*p != '%')
            fputc(*p, w->sh->out);
        else if (*++p == '\0')
            break;
        else
            print_field(*p, item, w->sh->out);
    }
    fputc('\n', w->sh->out);
    return 0;
}

int cmd_stat(struct shell *sh, struct args *args, struct err *err)
{
    static char by_default[] = "%y";
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct walk w = {
        .sh = sh, .data = by_default, .recursive = option_on(&o, "R"), .path = stat_path};
    if (strchr(args->at[0], '%') != NULL)
        w.data = args_first(args);
    TRY(options_parse(sh, args, &o, err)); /* there must be an operand left */
    return walk_args(&w, args, err);
}

static bool is_allowed(const struct item *item, bool writing, int *ret_rc, struct err *err)
{
    int rc = store_access(item->store, item->path, writing, err);
    *ret_rc = rc == ERR_ACCESS || rc == ERR_NOT_FOUND ? 0 : rc;
    return rc == 0;
}

static int test_path(struct walk *w, struct item *item, struct err *err)
{
    const char *flag = w->data;
    uint64_t length = item->stat.length;
    bool good = true;
    int rc = 0;
    if (*flag == 'd')
        good = item_is_dir(item);
    else if (*flag == 'f')
        good = item->stat.type == DFS_FILE;
    else if (*flag == 's')
        good = length > 0;
    else if (*flag == 'z')
        good = length == 0;
    else if (*flag != 'e')
        good = is_allowed(item, *flag == 'w', &rc, err);
    if (!good)
        w->sh->exit_code = 1;
    return rc;
}

static int test_missing(struct walk *w, struct item *item, struct err *err)
{
    (void)item;
    (void)err;
    w->sh->exit_code = 1;
    return 0;
}

int cmd_test(struct shell *sh, struct args *args, struct err *err)
{
    static const char flags[] = "edfszwr";
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    char flag[2] = "";
    for (const char *p = flags; *p != '\0'; p++) {
        char name[2] = {*p};
        if (!option_on(&o, name))
            continue;
        if (flag[0] != '\0')
            return fail(err, ERR_ILLEGAL_ARGUMENT, "Only one test flag is allowed");
        flag[0] = *p;
    }
    if (flag[0] == '\0')
        return fail(err, ERR_ILLEGAL_ARGUMENT, "No test flag given");
    struct walk w = {.sh = sh, .data = flag, .path = test_path, .missing = test_missing};
    return walk_args(&w, args, err);
}
