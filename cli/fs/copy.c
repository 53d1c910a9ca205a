/* copy.c - put, get, cp, mv, getmerge: where each file goes.
 * A source goes into the destination if that is a folder (or is written like one), else onto it;
 * below folders names are kept. Several sources need a folder that exists. Thread: the command's;
 * files may be copied by `struct copiers`. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/fs/internal.h"

enum { QUEUE_DEFAULT = 1024, THREADS_MAX = 256, QUEUE_MAX = 1 << 20 };

/* target is the destination at the present depth. */
struct copy {
    struct walk walk;
    struct copy_how how;
    struct item target;
    struct copiers *copiers;
    unsigned threads, queue;
    bool fresh;      /* target was made just now: nothing is in it */
    bool move_local; /* delete sources */
    bool rename;     /* mv */
};

static int local_target(struct shell *sh, struct args *args, struct item *ret, struct err *err)
{
    return item_local(sh->stores, args->count < 2 ? "." : args_last(args), ret, err);
}

static int remote_target(struct shell *sh, struct args *args, struct item *ret, struct err *err)
{
    if (args->count < 2)
        return item_plain(sh->stores, ".", ret, err);
    const char *text = args_last(args);
    struct items found = {0};
    TRY(item_glob(sh->stores, text, &found, err));
    int rc = 0;
    if (found.count == 0) {
        rc = fail_missing(err, text);
    } else if (found.count > 1) {
        rc = fail_path(err, text, "Too many matches");
    } else {
        *ret = found.at[0];
        found.count = 0;
    }
    items_fini(&found);
    return rc;
}

/* Where source goes. */
static int target_of(const struct copy *c, const struct item *source, struct item *ret,
                     struct err *err)
{
    const struct item *t = &c->target;
    if (c->walk.depth > 0 && c->fresh) {
        *ret = item_child_unseen(t, item_name(source));
        return 0;
    }
    if (c->walk.depth > 0 || item_is_dir(t))
        return item_child(t, item_name(source), ret, err);
    if (item_looks_like_dir(t))
        return fail_missing(err, t->text);
    *ret = item_copy(t);
    return 0;
}

/* A folder must not go into itself. */
static int check_not_inside(const struct copy *c, const struct item *source, struct err *err)
{
    struct item target;
    if (!item_is_dir(source) || source->store != c->target.store)
        return 0;
    TRY(target_of(c, source, &target, err));
    size_t n = strlen(source->path);
    int rc = 0;
    if (strcmp(target.path, source->path) == 0) {
        auto_text full = item_qualified(&target);
        rc = fail(err, ERR_IO, "`%s' to `%s': are identical", source->text, full);
    } else if (strncmp(target.path, source->path, n) == 0 && (n == 1 || target.path[n] == '/')) {
        rc = fail(err, ERR_IO, "`%s' to `%s': is a subdirectory of itself", source->text,
                  target.text);
    }
    item_fini(&target);
    return rc;
}

static int copy_argument(struct walk *w, struct item *source, struct err *err)
{
    w->depth = 0;
    TRY(check_not_inside(w->data, source, err));
    return walk_argument(w, source, err);
}

static int rename_path(struct item *source, const struct item *target, struct err *err)
{
    if (source->store != target->store)
        return fail_path(err, source->text, "Does not match target filesystem");
    if (target->exists)
        return fail_exists(err, target->text);
    return store_rename(source->store, source->path, target->path, 0, err);
}

static int copy_path(struct walk *w, struct item *source, struct err *err)
{
    struct copy *c = w->data;
    struct item target;
    if (item_is_dir(source) && !c->rename && !c->move_local)
        return 0; /* made when it is entered */
    TRY(target_of(c, source, &target, err));
    int rc = 0;
    if (c->rename)
        rc = rename_path(source, &target, err);
    else if (c->move_local && item_is_dir(&target))
        rc = fail_exists(err, target.text);
    else if (item_is_dir(source))
        rc = 0;
    else if (c->copiers != NULL)
        copiers_add(c->copiers, source, &target);
    else
        rc = copy_file(&c->how, source, &target, err);
    item_fini(&target);
    return rc;
}

static int enter(struct copy *c, struct item *source, struct err *err)
{
    struct item *t = &c->target;
    if (t->exists && !item_is_dir(t))
        return fail_not_dir(err, t->text);
    if (!t->exists) {
        TRY(store_mkdirs(t->store, t->path, 0777, err));
        TRY(item_look(t, err));
        c->fresh = true;
    }
    TRY(walk_children(&c->walk, source, err));
    return item_is_dir(t) ? copy_attributes(&c->how, source, t, err) : 0;
}

static int copy_recurse(struct walk *w, struct item *source, struct err *err)
{
    struct copy *c = w->data;
    struct item inner;
    TRY(target_of(c, source, &inner, err));
    struct item outer = c->target;
    bool outer_fresh = c->fresh;
    c->target = inner;
    c->fresh = false;
    int rc = enter(c, source, err);
    item_fini(&c->target);
    c->target = outer;
    c->fresh = outer_fresh;
    return rc;
}

static int copy_after(struct walk *w, struct item *source, struct err *err)
{
    const struct copy *c = w->data;
    return c->move_local ? store_delete(source->store, source->path, false, err) : 0;
}

/* The rules about the destination, before anything is copied. */
static int check_target(const struct copy *c, size_t sources, struct err *err)
{
    const struct item *t = &c->target;
    bool parent;
    if (sources > 1) {
        if (!t->exists)
            return fail_missing(err, t->text);
        return item_is_dir(t) ? 0 : fail_not_dir(err, t->text);
    }
    if (t->exists)
        return item_is_dir(t) || c->how.overwrite ? 0 : fail_exists(err, t->text);
    TRY(item_parent_exists(t, &parent, err));
    return parent ? 0 : fail_missing_full(err, t);
}

static void start_copiers(struct copy *c, const struct items *sources)
{
    bool many = sources->count > 1 || (sources->count == 1 && item_is_dir(&sources->at[0]));
    if (c->threads > 1 && many)
        c->copiers = copiers_new(c->walk.sh, &c->how, c->threads, c->queue);
}

/* Takes c->target. */
static int copy_run(struct copy *c, const struct args *args, struct err *err)
{
    struct items sources = {0};
    int rc = walk_expand(&c->walk, args, &sources, err);
    if (rc == 0)
        rc = check_target(c, sources.count, err);
    if (rc == 0) {
        start_copiers(c, &sources);
        rc = walk_items(&c->walk, &sources, err);
        copiers_finish(c->copiers);
    }
    items_fini(&sources);
    item_fini(&c->target);
    return rc;
}

static void copy_init(struct copy *c, struct shell *sh)
{
    *c = (struct copy){
        .walk = {.sh = sh,
                 .recursive = true,
                 .argument = copy_argument,
                 .path = copy_path,
                 .recurse = copy_recurse,
                 .after = copy_after},
        .threads = 1,
        .queue = QUEUE_DEFAULT,
    };
    c->walk.data = c;
}

/* As Java reads an int; low stands for anything below 1. */
static int parse_count(const char *text, long low, long max, unsigned *ret, struct err *err)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value > INT_MAX || value < INT_MIN)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "For input string: \"%s\"", text);
    *ret = (unsigned)(value < 1 ? low : value > max ? max : value);
    return 0;
}

static int parse_threads(struct copy *c, const struct options *o, struct err *err)
{
    const char *threads = option_value(o, "t"), *queue = option_value(o, "q");
    if (threads != NULL)
        TRY(parse_count(threads, 1, THREADS_MAX, &c->threads, err));
    if (queue != NULL)
        TRY(parse_count(queue, QUEUE_DEFAULT, QUEUE_MAX, &c->queue, err));
    return 0;
}

static void keep_all(struct copy_how *how, bool keep)
{
    how->times = how->owner = how->mode = keep;
}

/* From standard input; the destination needs no parent yet. */
static int put_stdin(struct copy *c, struct err *err)
{
    static char name[] = "/-";
    struct item source = {.path = name}, target;
    int rc = target_of(c, &source, &target, err);
    if (rc == 0) {
        rc = copy_file(&c->how, NULL, &target, err);
        item_fini(&target);
    }
    item_fini(&c->target);
    return rc;
}

static int put(struct shell *sh, struct args *args, bool move, struct err *err)
{
    struct options o;
    struct copy c;
    TRY(options_parse(sh, args, &o, err));
    copy_init(&c, sh);
    c.walk.expand = expand_local;
    c.how.overwrite = option_on(&o, "f");
    c.how.lazy = option_on(&o, "l");
    c.how.direct = option_on(&o, "d");
    c.move_local = move;
    keep_all(&c.how, option_on(&o, "p"));
    TRY(parse_threads(&c, &o, err));
    TRY(remote_target(sh, args, &c.target, err));
    if (args->count == 1 && strcmp(args->at[0], "-") == 0)
        return put_stdin(&c, err);
    return copy_run(&c, args, err);
}

int cmd_put(struct shell *sh, struct args *args, struct err *err)
{
    return put(sh, args, false, err);
}

int cmd_move_from_local(struct shell *sh, struct args *args, struct err *err)
{
    return put(sh, args, true, err);
}

int cmd_move_to_local(struct shell *sh, struct args *args, struct err *err)
{
    (void)sh;
    (void)args;
    return fail(err, ERR_UNSUPPORTED, "Option '-moveToLocal' is not implemented yet.");
}

/* get to "-": one file after the other to standard output. */
static int get_path(struct walk *w, struct item *item, struct err *err)
{
    struct stream *in;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    (void)fflush(w->sh->out);
    TRY(file_store_open(item->store, item->path, &in, err));
    int rc = transfer(in, (struct sink){.fd = STDOUT_FILENO}, TRANSFER_ALL, NULL, err);
    struct err ignored = {0};
    (void)stream_close(in, &ignored); /* it was only read */
    return rc;
}

int cmd_get(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct copy c;
    TRY(options_parse(sh, args, &o, err));
    if (args->count > 1 && strcmp(args->at[args->count - 1], "-") == 0) {
        struct walk w = {.sh = sh, .path = get_path};
        args->count--;
        return walk_args(&w, args, err);
    }
    copy_init(&c, sh);
    c.how.overwrite = option_on(&o, "f");
    c.how.checksums = option_on(&o, "crc");
    keep_all(&c.how, option_on(&o, "p"));
    TRY(parse_threads(&c, &o, err));
    TRY(local_target(sh, args, &c.target, err));
    return copy_run(&c, args, err);
}

/* cp's -p, -pto ... may stand anywhere. */
static int pop_keep(struct args *args, struct copy_how *how, struct err *err)
{
    for (size_t i = 0; i < args->count && strcmp(args->at[i], "--") != 0; i++) {
        const char *arg = args->at[i];
        if (strncmp(arg, "-p", 2) != 0)
            continue;
        if (arg[2] == '\0')
            keep_all(how, true);
        for (const char *p = arg + 2; *p != '\0'; p++) {
            switch (*p | 32) {
            case 't':
                how->times = true;
                break;
            case 'o':
                how->owner = true;
                break;
            case 'p':
                how->mode = true;
                break;
            case 'a':
                how->acl = true;
                break;
            case 'x':
                how->xattrs = true;
                break;
            default:
                return fail(err, ERR_ILLEGAL_ARGUMENT, "No attribute for %c", *p);
            }
        }
        (void)args_pop(args, arg);
        return 0;
    }
    return 0;
}

int cmd_cp(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct copy c;
    copy_init(&c, sh);
    TRY(pop_keep(args, &c.how, err));
    TRY(options_parse(sh, args, &o, err));
    c.how.overwrite = option_on(&o, "f");
    c.how.direct = option_on(&o, "d");
    c.how.checksums = true;
    TRY(parse_threads(&c, &o, err));
    TRY(remote_target(sh, args, &c.target, err));
    return copy_run(&c, args, err);
}

int cmd_mv(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct copy c;
    TRY(options_parse(sh, args, &o, err));
    copy_init(&c, sh);
    c.walk.recursive = false;
    c.rename = true;
    TRY(remote_target(sh, args, &c.target, err));
    return copy_run(&c, args, err);
}

/* getmerge collects first, so that a missing source leaves no target. */
struct merge {
    struct items files;
    bool failed, newline, skip_empty;
};

static int merge_missing(struct walk *w, struct item *item, struct err *err)
{
    ((struct merge *)w->data)->failed = true;
    return fail_missing(err, item->text);
}

static int merge_path(struct walk *w, struct item *item, struct err *err)
{
    struct merge *m = w->data;
    if (item_is_dir(item))
        return w->depth == 0 ? walk_children(w, item, err) : 0;
    struct item copy = item_copy(item);
    items_add(&m->files, &copy);
    return 0;
}

static int merge_one(const struct merge *m, const struct item *item, struct stream *out,
                     struct err *err)
{
    if (item->stat.length > 0) {
        struct stream *in;
        TRY(file_store_open(item->store, item->path, &in, err));
        int rc = transfer(in, (struct sink){.stream = out}, TRANSFER_ALL, item->text, err);
        struct err ignored = {0};
        (void)stream_close(in, &ignored); /* it was only read */
        TRY(rc);
    } else if (m->skip_empty) {
        return 0;
    }
    return m->newline ? stream_write(out, "\n", 1, err) : 0;
}

static int merge_write(const struct merge *m, const struct item *target, struct err *err)
{
    struct store_create options = {.checksums = true};
    struct stream *out;
    TRY(store_create(target->store, target->path, &options, &out, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->files.count; i++)
        rc = merge_one(m, &m->files.at[i], out, err);
    if (rc == 0)
        return stream_close(out, err);
    stream_abort(out);
    return rc;
}

int cmd_getmerge(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct item target;
    TRY(options_parse(sh, args, &o, err));
    struct merge m = {.newline = option_on(&o, "nl"),
                      .skip_empty = option_on(&o, "skip-empty-file")};
    struct walk w = {
        .sh = sh, .data = &m, .sorted = true, .missing = merge_missing, .path = merge_path};
    TRY(item_local(sh->stores, args_last(args), &target, err));
    int rc = item_is_dir(&target) ? fail_is_dir(err, target.text) : walk_args(&w, args, err);
    if (rc == 0 && !m.failed)
        rc = merge_write(&m, &target, err);
    items_fini(&m.files);
    item_fini(&target);
    return rc;
}
