/* options.c - the command line, by the tables of options.def. Thread: main. Strings point into argv
 * but url and root. */
#include "fuse/options.def"

#include <getopt.h>
#include <stdlib.h>

#include "fuse/internal.h"

enum option_id {
    OPTION_END,
#define OPTION(id, letter, name, argument, help) OPTION_##id,
    MOUNT_OPTIONS(OPTION)
#undef OPTION
};

static const struct option_row {
    char letter;
    const char *name, *argument, *help;
} rows[] = {
#define OPTION(id, short_name, long_name, argument_name, text) \
    [OPTION_##id] = {(short_name), (long_name), (argument_name), (text)},
    MOUNT_OPTIONS(OPTION)
#undef OPTION
};

static const char *const mount_flags[] = {
#define MOUNT_FLAG(word) (word),
    MOUNT_FLAGS(MOUNT_FLAG)
#undef MOUNT_FLAG
};

void options_print_help(FILE *out)
{
    fprintf(out, "usage: dfs-mount [options] [hdfs://host[:port][/path]] MOUNTPOINT\n"
                 "Shows HDFS as a folder. Without URL: fs.defaultFS of the configuration.\n\n");
    for (size_t i = OPTION_END + 1; i < ARRAY_SIZE(rows); i++) {
        char left[64];
        snprintf(left, sizeof(left), "-%c, --%s %s", rows[i].letter, rows[i].name,
                 rows[i].argument != NULL ? rows[i].argument : "");
        fprintf(out, "  %-36s %s\n", left, rows[i].help);
    }
    fprintf(out, "\nwords of -o:");
    for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++)
        fprintf(out, " %s", mount_flags[i]);
    fprintf(out, "\n");
}

static int add_flag(struct mount_options *o, const char *word, struct err *err)
{
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++)
        known = known || strcmp(mount_flags[i], word) == 0;
    if (!known)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "unknown mount option %s", word);
    o->read_only = strcmp(word, "ro") == 0 || (o->read_only && strcmp(word, "rw") != 0);
    o->allow_other = o->allow_other || strcmp(word, "allow_other") == 0;
    const char *comma = buf_size(&o->flags) > 0 ? "," : "";
    if (buf_printf(&o->flags, "%s%s", comma, word) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory");
    return 0;
}

static int add_flags(struct mount_options *o, const char *list, struct err *err)
{
    char *copy = strdup(list), *rest = copy;
    if (copy == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory");
    int rc = 0;
    for (char *word; rc == 0 && (word = strsep(&rest, ",")) != NULL;)
        if (word[0] != '\0')
            rc = add_flag(o, word, err);
    free(copy);
    return rc;
}

static int take_option(struct mount_options *o, int id, const char *value, struct err *err)
{
    switch (id) {
    case OPTION_foreground:
        o->foreground = true;
        return 0;
    case OPTION_mount:
        return add_flags(o, value, err);
    case OPTION_user:
        o->user = value;
        return 0;
    case OPTION_define:
        if (strchr(value, '=') == NULL)
            return fail(err, ERR_ILLEGAL_ARGUMENT, "-D %s is not key=value", value);
        if (o->setting_count == MOUNT_MAX_SETTINGS)
            return fail(err, ERR_ILLEGAL_ARGUMENT, "more than %d -D options", MOUNT_MAX_SETTINGS);
        o->settings[o->setting_count++] = value;
        return 0;
    case OPTION_conf:
        o->conf_dir = value;
        return 0;
    case OPTION_log:
        o->log_file = value;
        return 0;
    case OPTION_help:
        o->help = true;
        return 0;
    case OPTION_version:
        o->version = true;
        return 0;
    default:
        return fail(err, ERR_ILLEGAL_ARGUMENT, "unknown or incomplete option; see --help");
    }
}

static int take_url(struct mount_options *o, const char *url, struct err *err)
{
    static const char scheme[] = "hdfs://";
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "%s is not hdfs://host[:port][/path]", url);
    size_t authority = strcspn(url + sizeof(scheme) - 1, "/");
    if (authority == 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "%s names no host", url);
    const char *path = url + sizeof(scheme) - 1 + authority;
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    o->url = strndup(url, (size_t)(path - url));
    o->root = strndup(path, size);
    return o->url != NULL && o->root != NULL ? 0 : fail(err, ERR_NO_MEMORY, "no memory");
}

static int take_operands(struct mount_options *o, int count, char **operands, struct err *err)
{
    if (count < 1 || count > 2)
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "needs a mount point, and at most a URL before it; see --help");
    if (count == 2)
        TRY(take_url(o, operands[0], err));
    o->mountpoint = operands[count - 1];
    if (o->root == NULL)
        o->root = strdup("");
    return o->root != NULL ? 0 : fail(err, ERR_NO_MEMORY, "no memory");
}

/* getopt's tables from ours. */
static void make_tables(struct option longs[ARRAY_SIZE(rows) + 1], char *shorts)
{
    size_t n = 0;
    for (size_t i = OPTION_END + 1; i < ARRAY_SIZE(rows); i++) {
        int has = rows[i].argument != NULL ? required_argument : no_argument;
        longs[n++] = (struct option){rows[i].name, has, NULL, (int)i};
        *shorts++ = rows[i].letter;
        if (has == required_argument)
            *shorts++ = ':';
    }
    longs[n] = (struct option){0};
    *shorts = '\0';
}

static int id_of(int got)
{
    for (size_t i = OPTION_END + 1; i < ARRAY_SIZE(rows); i++)
        if (got == rows[i].letter || got == (int)i)
            return (int)i;
    return OPTION_END;
}

int options_parse(int argc, char **argv, struct mount_options *ret, struct err *err)
{
    struct option longs[ARRAY_SIZE(rows) + 1];
    char shorts[2 * ARRAY_SIZE(rows) + 1];
    make_tables(longs, shorts);
    opterr = 0;
    optind = 0; /* start anew, also in a second call */
    for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;)
        TRY(take_option(ret, id_of(got), optarg, err));
    if (ret->help || ret->version)
        return 0;
    TRY(take_operands(ret, argc - optind, argv + optind, err));
    /* the kernel has applied the caller's umask already */
    ret->settings[ret->setting_count] = "fs.permissions.umask-mode=000";
    return 0;
}

void options_fini(struct mount_options *o)
{
    free(o->url);
    free(o->root);
    buf_fini(&o->flags);
    *o = (struct mount_options){0};
}
