/* attr.c - chmod, chown, chgrp, touch, touchz, setrep: what is kept about a file.
 * Thread: the command's. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "cli/fs/internal.h"

enum { SETREP_LOOK_MS = 10000, SETREP_FIRST_MS = 100 };

static int chmod_path(struct walk *w, struct item *item, struct err *err)
{
    uint32_t mode = mode_apply(w->data, item->stat.mode, item_is_dir(item));
    if (mode == item->stat.mode)
        return 0;
    struct err cause = {0};
    if (store_chmod(item->store, item->path, mode, &cause) == 0)
        return 0;
    return fail(err, ERR_IO, "changing permissions of '%s': %s", item->text, cause.text);
}

int cmd_chmod(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct mode_change change;
    TRY(options_parse(sh, args, &o, err));
    const char *mode = args_first(args);
    if (!mode_parse(mode, &change))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "chmod : mode '%s' does not match the expected pattern.", mode);
    struct walk w = {
        .sh = sh, .data = &change, .recursive = option_on(&o, "R"), .path = chmod_path};
    return walk_args(&w, args, err);
}

/* "": leave it. */
struct chown {
    char *owner, *group;
};

static int chown_path(struct walk *w, struct item *item, struct err *err)
{
    const struct chown *c = w->data;
    const char *owner = strcmp(c->owner, item->stat.owner) == 0 ? "" : c->owner;
    const char *group = strcmp(c->group, item->stat.group) == 0 ? "" : c->group;
    if (owner[0] == '\0' && group[0] == '\0')
        return 0;
    struct err cause = {0};
    if (store_chown(item->store, item->path, owner, group, &cause) == 0)
        return 0;
    return fail(err, ERR_IO, "changing ownership of '%s': %s", item->text, cause.text);
}

/* Bytes at the start of text that may be in a name. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr("-+_./@", text[n])))
        n++;
    return n;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\n\v\f\r")] == '\0';
}

static int parse_owner(const char *text, struct chown *ret, struct err *err)
{
    const char *p = text + strspn(text, " \t\n\v\f\r");
    size_t owner = name_length(p), group = 0;
    const char *group_at = p + owner;
    if (*group_at == ':')
        group = name_length(++group_at);
    if (!is_blank(group_at + group))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "'%s' does not match expected pattern for [owner][:group].", text);
    if (owner == 0 && group == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "'%s' does not specify owner or group.", text);
    ret->owner = text_ndup(p, owner);
    ret->group = text_ndup(group_at, group);
    return 0;
}

static int parse_group(const char *text, struct chown *ret, struct err *err)
{
    const char *p = text + strspn(text, " \t\n\v\f\r");
    size_t n = name_length(p);
    if (n == 0 || !is_blank(p + n))
        return fail(err, ERR_ILLEGAL_ARGUMENT, "'%s' does not match expected pattern for group",
                    text);
    ret->owner = text_dup("");
    ret->group = text_ndup(p, n);
    return 0;
}

static int chown_run(struct shell *sh, struct args *args,
                     int (*parse)(const char *, struct chown *, struct err *), struct err *err)
{
    struct options o;
    struct chown c;
    TRY(options_parse(sh, args, &o, err));
    TRY(parse(args_first(args), &c, err));
    struct walk w = {.sh = sh, .data = &c, .recursive = option_on(&o, "R"), .path = chown_path};
    int rc = walk_args(&w, args, err);
    text_free(c.owner);
    text_free(c.group);
    return rc;
}

int cmd_chown(struct shell *sh, struct args *args, struct err *err)
{
    return chown_run(sh, args, parse_owner, err);
}

int cmd_chgrp(struct shell *sh, struct args *args, struct err *err)
{
    return chown_run(sh, args, parse_group, err);
}

static int create_empty(const struct item *item, struct err *err)
{
    struct store_create options = {.checksums = true};
    struct stream *out;
    TRY(store_create(item->store, item->path, &options, &out, err));
    return stream_close(out, err);
}

static int check_parent(const struct item *item, struct err *err)
{
    bool there;
    TRY(item_parent_exists(item, &there, err));
    return there ? 0 : fail_missing_full(err, item);
}

static int touchz_path(struct walk *w, struct item *item, struct err *err)
{
    (void)w;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    if (item->stat.length != 0)
        return fail_path(err, item->text, "Not a zero-length file");
    return create_empty(item, err);
}

static int touchz_missing(struct walk *w, struct item *item, struct err *err)
{
    (void)w;
    TRY(check_parent(item, err));
    return create_empty(item, err);
}

int cmd_touchz(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct walk w = {.sh = sh, .path = touchz_path, .missing = touchz_missing};
    return walk_args(&w, args, err);
}

struct touch {
    const char *stamp; /* NULL: now */
    bool modified, accessed, no_create;
};

static int touch_path(struct walk *w, struct item *item, struct err *err)
{
    const struct touch *t = w->data;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* can't fail */
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (t->stamp != NULL && !timestamp_parse(t->stamp, &ms))
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "Unable to parse the specified timestamp %s. The expected format is "
                    "yyyyMMdd:HHmmss",
                    t->stamp);
    bool one = t->modified != t->accessed;
    return store_utimes(item->store, item->path, one && t->accessed ? -1 : ms,
                        one && t->modified ? -1 : ms, err);
}

static int touch_missing(struct walk *w, struct item *item, struct err *err)
{
    const struct touch *t = w->data;
    TRY(check_parent(item, err));
    if (t->no_create)
        return 0;
    TRY(create_empty(item, err));
    return t->stamp == NULL ? 0 : touch_path(w, item, err);
}

int cmd_touch(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct touch t = {0};
    TRY(args_pop_value(args, "-t", &t.stamp, err));
    TRY(options_parse(sh, args, &o, err));
    t.modified = option_on(&o, "m");
    t.accessed = option_on(&o, "a");
    t.no_create = option_on(&o, "c");
    struct walk w = {.sh = sh, .data = &t, .path = touch_path, .missing = touch_missing};
    return walk_args(&w, args, err);
}

struct setrep {
    unsigned replication;
    bool wait;
    struct items waiting;
};

static int setrep_path(struct walk *w, struct item *item, struct err *err)
{
    struct setrep *s = w->data;
    if (item->stat.type == DFS_SYMLINK)
        return fail_path(err, item->text, "Symlinks unsupported");
    if (item->stat.type != DFS_FILE)
        return 0;
    if (item->stat.erasure_coded) {
        fprintf(w->sh->out,
                "Did not set replication for: %s, because it's an erasure coded file.\n",
                item->text);
        return 0;
    }
    TRY(store_set_replication(item->store, item->path, s->replication, err));
    fprintf(w->sh->out, "Replication %u set: %s\n", s->replication, item->text);
    if (s->wait) {
        struct item copy = item_copy(item);
        items_add(&s->waiting, &copy);
    }
    return 0;
}

/* Has each block as many replicas as it should? *ret_more: some have more. */
static int is_replicated(const struct item *item, unsigned want, bool *ret, bool *ret_more,
                         struct err *err)
{
    struct dfs_locations blocks;
    struct dfs_error e = {0};
    *ret = true;
    struct dfs *dfs = store_dfs(item->store);
    if (dfs == NULL)
        return 0;
    if (dfs_locate(dfs, item->path, 0, item->stat.length, &blocks, &e) < 0)
        return fail(err, ERR_IO, "%s", e.text);
    for (size_t i = 0; i < blocks.count; i++) {
        size_t have = blocks.items[i].host_count;
        *ret = *ret && have == want;
        *ret_more = *ret_more || have > want;
    }
    dfs_locations_free(&blocks);
    return 0;
}

static int wait_for(struct shell *sh, const struct item *item, unsigned want, struct err *err)
{
    bool warned = false;
    int64_t delay = SETREP_FIRST_MS;
    fprintf(sh->out, "Waiting for %s ...", item->text);
    for (;;) {
        bool done, more = false;
        (void)fflush(sh->out);
        TRY(is_replicated(item, want, &done, &more, err));
        if (done)
            break;
        if (more && !warned) {
            fputs("\nWARNING: the waiting time may be long for DECREASING the number of "
                  "replications.\n",
                  sh->out);
            warned = true;
        }
        fputc('.', sh->out);
        (void)fflush(sh->out);
        struct timespec t = {.tv_sec = delay / 1000, .tv_nsec = delay % 1000 * 1000000};
        (void)nanosleep(&t, NULL); /* a signal ends it early, which is fine */
        if (shell_interrupted())
            return fail(err, ERR_INTERRUPTED, "Interrupted");
        delay = delay * 2 > SETREP_LOOK_MS ? SETREP_LOOK_MS : delay * 2;
    }
    fputs(" done\n", sh->out);
    return 0;
}

/* As Java reads a short. */
static int parse_replication(struct shell *sh, const char *text, unsigned *ret, struct err *err)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool number = *text != '\0' && *end == '\0' && !isspace((unsigned char)*text);
    if (!number || errno != 0 || value < SHRT_MIN || value > SHRT_MAX) {
        shell_warn(sh, "Illegal replication, a positive integer expected");
        if (number && errno == 0 && value >= INT_MIN && value <= INT_MAX)
            return fail(err, ERR_ILLEGAL_ARGUMENT, "Value out of range. Value:\"%s\" Radix:10",
                        text);
        return fail(err, ERR_ILLEGAL_ARGUMENT, "For input string: \"%s\"", text);
    }
    if (value < 1)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "replication must be >= 1");
    *ret = (unsigned)value;
    return 0;
}

int cmd_setrep(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct setrep s = {0};
    TRY(options_parse(sh, args, &o, err));
    s.wait = option_on(&o, "w");
    TRY(parse_replication(sh, args_first(args), &s.replication, err));
    struct walk w = {.sh = sh, .data = &s, .recursive = true, .path = setrep_path};
    int rc = walk_args(&w, args, err);
    for (size_t i = 0; rc == 0 && i < s.waiting.count; i++)
        rc = wait_for(sh, &s.waiting.at[i], s.replication, err);
    items_fini(&s.waiting);
    return rc;
}
