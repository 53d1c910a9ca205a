/* options.c - the command line of the mover. */
#include <stdio.h>

#include "cli/mover/internal.h"
#include "common/io/io.h"

enum { PATHS_FILE_MAX = 64 << 20 };

void mover_usage(FILE *out)
{
    fputs("Usage: hdfs mover [-p <files/dirs> | -f <local file>]"
          "\n\t-p <files/dirs>\ta space separated list of HDFS files/dirs to migrate."
          "\n\t-f <local file>\ta local file containing a list of HDFS files/dirs to migrate.\n\n",
          out);
}

static int add(struct mover_options *o, const char *text, size_t size, struct err *err)
{
    auto_text copy = text_ndup(text, size);
    const char *path = copy;
    const char *authority = strstr(copy, "://");
    if (authority != NULL) { /* of the one NameNode that we know */
        path = strchr(authority + 3, '/');
        path = path == NULL ? "/" : path;
    }
    if (path[0] != '/')
        return fail(err, ERR_CONFIG, "The path %s is not absolute", copy);
    o->paths = text_grow(o->paths, (o->count + 2) * sizeof(*o->paths));
    o->paths[o->count++] = text_dup(path);
    o->paths[o->count] = NULL;
    return 0;
}

static int add_file(struct mover_options *o, const char *name, struct err *err)
{
    struct buf b = {0};
    TRY(file_read(name, PATHS_FILE_MAX, &b, err));
    const char *at = (const char *)buf_head(&b), *end = at + buf_size(&b);
    int rc = 0;
    while (rc == 0 && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end == NULL ? end : line_end) - at);
        size_t shown = size > 0 && at[size - 1] == '\r' ? size - 1 : size;
        bool blank = true;
        for (size_t i = 0; i < shown && blank; i++)
            blank = at[i] == ' ' || at[i] == '\t';
        if (!blank)
            rc = add(o, at, shown, err);
        at += size + (line_end != NULL);
    }
    buf_fini(&b);
    return rc;
}

static int one_kind(const char *seen, const char *now, struct err *err)
{
    if (seen == NULL || strcmp(seen, now) == 0)
        return 0;
    return fail(err, ERR_CONFIG,
                "The option '%s' was specified but an option from this group has already been "
                "selected: '%s'",
                now, seen);
}

int mover_options(int argc, char **argv, struct mover_options *ret, struct err *err)
{
    const char *seen = NULL;
    *ret = (struct mover_options){0};
    if (argc == 1 && (strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "-help") == 0 ||
                      strcmp(argv[0], "--help") == 0)) {
        ret->help = true;
        return 0;
    }
    for (int i = 0; i < argc; i++) {
        const char *kind = strcmp(argv[i], "-p") == 0 ? "p" : strcmp(argv[i], "-f") == 0 ? "f" : "";
        if (kind[0] == '\0') /* as in Hadoop: what isn't known ends the options */
            return 0;
        TRY(one_kind(seen, kind, err));
        seen = kind;
        if (i + 1 >= argc || argv[i + 1][0] == '-')
            return fail(err, ERR_CONFIG, "Missing argument for option: %s", kind);
        if (kind[0] == 'f')
            TRY(add_file(ret, argv[++i], err));
        for (; kind[0] == 'p' && i + 1 < argc && argv[i + 1][0] != '-'; i++)
            TRY(add(ret, argv[i + 1], strlen(argv[i + 1]), err));
    }
    return 0;
}

void mover_options_fini(struct mover_options *o)
{
    for (size_t i = 0; i < o->count; i++)
        text_free(o->paths[i]);
    text_free(o->paths);
}
