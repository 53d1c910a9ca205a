/* append.c - appendToFile, truncate, concat: files that change after they were closed.
 * Thread: the command's. */
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "cli/fs/internal.h"

enum { LOOK_MS = 1000, FIRST_LOOK_MS = 50 };

static int append_all(struct items *sources, struct stream *to, const char *label, struct err *err)
{
    if (sources->count == 0)
        return transfer(NULL, (struct sink){.stream = to}, TRANSFER_ALL, label, err);
    for (size_t i = 0; i < sources->count; i++) {
        const struct item *source = &sources->at[i];
        struct stream *in;
        if (item_is_dir(source))
            return fail(err, ERR_IO, "Is a directory");
        int rc = file_store_open(source->store, source->path, &in, err);
        if (rc == ERR_NOT_FOUND)
            return fail(err, rc, "%s", source->path); /* as Java puts it */
        TRY(rc);
        rc = transfer(in, (struct sink){.stream = to}, TRANSFER_ALL, label, err);
        stream_abort(in);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* What came before an error stays in the file, as with Hadoop's shell. */
static int append_to(const struct item *target, bool new_block, struct items *sources, bool mixed,
                     struct err *err)
{
    struct stream *out;
    if (!target->exists) {
        struct store_create options = {0};
        TRY(store_create(target->store, target->path, &options, &out, err));
        TRY(stream_close(out, err));
    }
    TRY(store_append(target->store, target->path, new_block, &out, err));
    int rc = mixed ? fail(err, ERR_IO, "stdin (-) must be the sole input argument when present")
                   : append_all(sources, out, target->text, err);
    struct err closing = {0};
    int closed = stream_close(out, &closing);
    if (rc == 0 && closed != 0) {
        *err = closing;
        rc = closed;
    }
    return rc;
}

static int find_sources(struct shell *sh, const struct args *args, struct items *ret,
                        bool *ret_mixed, struct err *err)
{
    bool standard_input = false;
    for (size_t i = 0; i < args->count; i++) {
        struct item item;
        if (strcmp(args->at[i], "-") == 0) {
            standard_input = true;
            continue;
        }
        TRY(item_local(sh->stores, args->at[i], &item, err));
        items_add(ret, &item);
    }
    *ret_mixed = standard_input && ret->count > 0;
    return 0;
}

static int find_target(struct shell *sh, const char *text, struct items *ret, struct err *err)
{
    TRY(item_glob(sh->stores, text, ret, err));
    if (ret->count == 0)
        return fail_missing(err, text);
    if (ret->count > 1)
        return fail_path(err, text, "Too many matches");
    return 0;
}

int cmd_append_to_file(struct shell *sh, struct args *args, struct err *err)
{
    if (args->count < 2)
        return fail(err, ERR_IO, "missing destination argument");
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    bool new_block = option_on(&o, "n"), mixed = false;
    struct items target = {0}, sources = {0};
    int rc = find_target(sh, args_last(args), &target, err);
    if (rc == 0)
        rc = find_sources(sh, args, &sources, &mixed, err);
    if (rc == 0)
        rc = append_to(&target.at[0], new_block, &sources, mixed, err);
    items_fini(&target);
    items_fini(&sources);
    return rc;
}

struct cutting {
    uint64_t length;
    bool wait;
    struct items waiting;
};

static int truncate_path(struct walk *w, struct item *item, struct err *err)
{
    struct cutting *c = w->data;
    bool done;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    if (c->length > item->stat.length)
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "Cannot truncate to a larger file size. Current size: %llu, truncate size: "
                    "%llu.",
                    (unsigned long long)item->stat.length, (unsigned long long)c->length);
    TRY(store_truncate(item->store, item->path, c->length, &done, err));
    if (done) {
        fprintf(w->sh->out, "Truncated %s to length: %llu\n", item->text,
                (unsigned long long)c->length);
    } else if (c->wait) {
        struct item copy = item_copy(item);
        items_add(&c->waiting, &copy);
    } else {
        fprintf(w->sh->out,
                "Truncating %s to length: %llu. Wait for block recovery to complete before further "
                "updating this file.\n",
                item->text, (unsigned long long)c->length);
    }
    return 0;
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL); /* a signal ends it early, which is fine */
}

/* The NameNode may show the new length before the DataNodes have cut the block. */
static bool is_closed(const struct item *item)
{
    bool closed = true;
    struct dfs *fs = store_dfs(item->store);
    return fs == NULL || dfs_is_closed(fs, item->path, &closed, NULL) != 0 || closed;
}

static int wait_for(struct shell *sh, struct item *item, uint64_t length, struct err *err)
{
    fprintf(sh->out, "Waiting for %s ...\n", item->text);
    fflush(sh->out);
    for (int64_t pause = FIRST_LOOK_MS;; pause = pause * 2 < LOOK_MS ? pause * 2 : LOOK_MS) {
        TRY(item_look(item, err));
        if (!item->exists)
            return fail_missing(err, item->text);
        if (item->stat.length == length && is_closed(item))
            break;
        if (shell_interrupted())
            return fail(err, ERR_INTERRUPTED, "Interrupted");
        sleep_ms(pause);
    }
    fprintf(sh->out, "Truncated %s to length: %llu\n", item->text, (unsigned long long)length);
    return 0;
}

static int parse_length(struct shell *sh, const char *text, uint64_t *ret, struct err *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || errno != 0) {
        shell_warn(sh, "Illegal length, a non-negative integer expected");
        return fail(err, ERR_ILLEGAL_ARGUMENT, "For input string: \"%s\"", text);
    }
    if (value < 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "length must be >= 0");
    *ret = (uint64_t)value;
    return 0;
}

int cmd_truncate(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    struct cutting c = {0};
    TRY(options_parse(sh, args, &o, err));
    c.wait = option_on(&o, "w");
    TRY(parse_length(sh, args_first(args), &c.length, err));
    struct walk w = {.sh = sh, .data = &c, .path = truncate_path};
    int rc = walk_args(&w, args, err);
    for (size_t i = 0; i < c.waiting.count && rc == 0; i++)
        rc = wait_for(sh, &c.waiting.at[i], c.length, err);
    items_fini(&c.waiting);
    return rc;
}

static bool is_file(const struct item *item)
{
    return item->exists && !item_is_dir(item);
}

static int concat_items(struct items *items, struct err *err)
{
    const struct item *target = &items->at[0];
    if (!is_file(target)) {
        auto_text url = item_qualified(target);
        return fail(err, ERR_NOT_FOUND, "Target path %s does not exist or is not file.", url);
    }
    const char **paths = text_alloc((items->count + 1) * sizeof(*paths));
    int rc = 0;
    for (size_t i = 1; i < items->count && rc == 0; i++) {
        const struct item *source = &items->at[i];
        paths[i - 1] = source->path;
        auto_text url = item_qualified(source);
        if (!is_file(source))
            rc = fail(err, ERR_NOT_FOUND, "%s does not exist or is not file.", url);
    }
    paths[items->count - 1] = NULL;
    if (rc == 0)
        rc = store_concat(target->store, target->path, paths, err);
    text_free(paths);
    return rc;
}

int cmd_concat(struct shell *sh, struct args *args, struct err *err)
{
    struct walk w = {.sh = sh};
    struct items items = {0};
    int rc = walk_expand(&w, args, &items, err);
    if (rc == 0 && items.count < 1)
        rc = fail(err, ERR_IO, "Target path not specified. %s", sh->command->usage);
    else if (rc == 0 && items.count < 3)
        rc = fail(err, ERR_IO, "The number of source paths is less than 2. %s", sh->command->usage);
    else if (rc == 0)
        rc = concat_items(&items, err);
    items_fini(&items);
    return rc;
}
