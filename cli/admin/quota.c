/* quota.c - limits on names and space of directories.
 * Paths may be patterns; a path that fails is reported and the next one done. Thread: main's. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/admin/internal.h"
#include "cli/shell/shell.h"

#define NO_TYPE ((enum dfs_storage_type)0)

static const struct {
    enum dfs_storage_type type;
    const char *name;
} types[] = {{DFS_SSD, "SSD"},           {DFS_DISK, "DISK"},     {DFS_ARCHIVE, "ARCHIVE"},
             {DFS_PROVIDED, "PROVIDED"}, {DFS_NVDIMM, "NVDIMM"}, {DFS_RAM_DISK, "RAM_DISK"}};

static bool parse_digits(const char *text, size_t size, int64_t *ret, struct err *err)
{
    auto_text digits = text_ndup(text, size);
    char *end;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (end == digits || *end != '\0' || errno != 0 || isspace((unsigned char)digits[0])) {
        (void)fail(err, ERR_ILLEGAL_ARGUMENT, "For input string: \"%s\"", digits);
        return false;
    }
    *ret = value;
    return true;
}

bool admin_parse_long(const char *text, int64_t *ret, struct err *err)
{
    static const char prefixes[] = "kmgtpe";
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    if (n == 0 || isdigit((unsigned char)text[n - 1]))
        return parse_digits(text, n, ret, err);
    const char *prefix = strchr(prefixes, tolower((unsigned char)text[n - 1]));
    int64_t number;
    if (prefix == NULL) {
        (void)fail(err, ERR_CONFIG,
                   "Invalid size prefix '%c' in '%.*s'. Allowed prefixes are k, m, g, t, p, e(case "
                   "insensitive)",
                   text[n - 1], (int)n, text);
        return false;
    }
    if (!parse_digits(text, n - 1, &number, err))
        return false;
    if (__builtin_mul_overflow(number, (int64_t)1 << 10 * (prefix - prefixes + 1), ret)) {
        (void)fail(err, ERR_CONFIG, "%.*s does not fit in a Long", (int)n, text);
        return false;
    }
    return true;
}

struct quota {
    int64_t names, space;
    enum dfs_storage_type type; /* NO_TYPE: both of the above, else space alone */
};

/* 0, a usage error or a failure that was told. */
static int set_one(struct admin *a, const struct quota *q, const struct item *item)
{
    struct dfs *dfs = store_dfs(item->store);
    struct dfs_error e = {0};
    if (dfs == NULL)
        return admin_bad_usage(a, "FileSystem %s is not an HDFS file system",
                               store_url(item->store));
    bool bad_names = q->names <= 0 && q->names != DFS_QUOTA_CLEAR;
    if (q->type == NO_TYPE && (bad_names || q->space < DFS_QUOTA_CLEAR))
        return admin_bad_usage(a, "Invalid values for quota : %lld and %lld", (long long)q->names,
                               (long long)q->space);
    if (q->type != NO_TYPE && q->space <= 0 && q->space != DFS_QUOTA_CLEAR)
        return admin_bad_usage(a, "Invalid values for quota :%lld", (long long)q->space);
    if (q->type == DFS_RAM_DISK)
        return admin_bad_usage(a, "Don't support Quota for storage type : RAM_DISK");
    int rc = q->type == NO_TYPE ? dfs_set_quota(dfs, item->path, q->names, q->space, &e)
                                : dfs_set_type_quota(dfs, item->path, q->type, q->space, &e);
    if (rc == 0)
        return 0;
    fprintf(stderr, "%s: %.*s\n", a->name, (int)strcspn(e.text, "\n"), e.text);
    return ADMIN_FAILED;
}

static int set_pattern(struct admin *a, const struct quota *q, const char *pattern)
{
    struct items found = {0};
    struct err err = {0};
    int rc = item_glob(a->stores, pattern, &found, &err);
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", a->name, err.text);
        return ADMIN_FAILED;
    }
    for (size_t i = 0; rc == 0 && i < found.count; i++)
        rc = set_one(a, q, &found.at[i]);
    items_fini(&found);
    return rc;
}

static int set_all(struct admin *a, const struct quota *q, const struct args *args)
{
    int result = 0;
    for (size_t i = 0; i < args->count; i++) {
        int rc = set_pattern(a, q, args->at[i]);
        if (rc == ADMIN_USAGE)
            return rc;
        result = rc != 0 ? rc : result;
    }
    return result;
}

/* Options in front of the operands, of which there must be at least min. */
static int parse(struct admin *a, unsigned min, const char *options, struct args *ret,
                 struct options *ret_options)
{
    const struct command row = {.name = a->name, .min = min, .max = ADMIN_ANY, .options = options};
    struct shell sh = {.command = &row};
    struct args args = {.at = a->argv + 1, .count = (size_t)a->argc - 1};
    struct err err = {0};
    if (options_parse(&sh, &args, ret_options, &err) != 0)
        return admin_bad_usage(a, "%s", err.text);
    *ret = args;
    return 0;
}

static enum dfs_storage_type find_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcasecmp(types[i].name, name) == 0)
            return types[i].type;
    return NO_TYPE;
}

int admin_set_quota(struct admin *a)
{
    struct args args;
    struct options o;
    struct err err = {0};
    struct quota q = {.space = DFS_QUOTA_KEEP};
    TRY(parse(a, 2, "", &args, &o));
    if (!admin_parse_long(args_first(&args), &q.names, &err))
        return admin_bad_usage(a, "%s", err.text);
    return set_all(a, &q, &args);
}

int admin_clear_quota(struct admin *a)
{
    struct args args;
    struct options o;
    struct quota q = {.names = DFS_QUOTA_CLEAR, .space = DFS_QUOTA_KEEP};
    TRY(parse(a, 1, "", &args, &o));
    return set_all(a, &q, &args);
}

int admin_set_space(struct admin *a)
{
    struct args args;
    struct options o;
    struct err err = {0};
    struct quota q = {.names = DFS_QUOTA_KEEP};
    const char *type = NULL;
    TRY(parse(a, 2, "", &args, &o));
    const char *text = args_first(&args);
    if (!admin_parse_long(text, &q.space, &err))
        return err.code == ERR_CONFIG
                   ? admin_bad_usage(a, "%s", err.text)
                   : admin_bad_usage(a, "\"%s\" is not a valid value for a quota.", text);
    if (args_pop_value(&args, "-storageType", &type, &err) != 0)
        return admin_bad_usage(a, "%s", err.text);
    if (type != NULL && (q.type = find_type(type)) == NO_TYPE)
        return admin_bad_usage(a,
                               "Storage type %s is not available. Available storage types are "
                               "[SSD, DISK, ARCHIVE, PROVIDED, NVDIMM]",
                               type);
    return set_all(a, &q, &args);
}

int admin_clear_space(struct admin *a)
{
    struct args args;
    struct options o;
    struct quota q = {.names = DFS_QUOTA_KEEP, .space = DFS_QUOTA_CLEAR};
    TRY(parse(a, 1, "storageType=", &args, &o));
    const char *type = option_value(&o, "storageType");
    if (type != NULL && (q.type = find_type(type)) == NO_TYPE) {
        auto_text upper = text_dup(type);
        for (char *p = upper; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        return admin_bad_usage(a, "No enum constant org.apache.hadoop.fs.StorageType.%s", upper);
    }
    return set_all(a, &q, &args);
}
