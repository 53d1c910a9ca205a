/* count.c - count: numbers, sizes and quotas of folders.
 * Thread: the command's. */
#include <strings.h>

#include "cli/meta/meta.h"
#include "common/base/base.h"

struct count {
    bool human, quota, usage, by_type, without_snapshots, policy, snapshots;
    const struct type *types[8]; /* NULL at the end */
};

/* Those that can have a quota, in the order in which "all" shows them. */
static const struct type {
    enum dfs_storage_type type;
    bool all;
    const char *name;
} storage_types[] = {{DFS_SSD, true, "SSD"},         {DFS_DISK, true, "DISK"},
                     {DFS_ARCHIVE, true, "ARCHIVE"}, {DFS_PROVIDED, true, "PROVIDED"},
                     {DFS_NVDIMM, true, "NVDIMM"},   {DFS_RAM_DISK, false, "RAM_DISK"}};

static int add_type(struct count *c, size_t *n, const char *text, size_t size, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(storage_types); i++) {
        const struct type *t = &storage_types[i];
        if (strlen(t->name) != size || strncasecmp(t->name, text, size) != 0)
            continue;
        if (*n + 1 == ARRAY_SIZE(c->types))
            return fail(err, ERR_ILLEGAL_ARGUMENT, "too many storage types");
        c->types[(*n)++] = t;
        return 0;
    }
    auto_text upper = text_ndup(text, size);
    for (char *p = upper; *p != '\0'; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    return fail(err, ERR_ILLEGAL_ARGUMENT, "No enum constant org.apache.hadoop.fs.StorageType.%s",
                upper);
}

static int parse_types(struct count *c, const char *text, struct err *err)
{
    size_t n = 0;
    c->by_type = true;
    if (text[0] == '\0' || strcasecmp(text, "all") == 0) {
        for (size_t i = 0; i < ARRAY_SIZE(storage_types); i++)
            if (storage_types[i].all)
                c->types[n++] = &storage_types[i];
        return 0;
    }
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        TRY(add_type(c, &n, text, size, err));
        text += size;
        text += *text == ',';
    }
    return 0;
}

/* "none" and "inf", or the quota and what is left of it. */
static void quota_cells(int64_t quota, int64_t used, bool human, char cells[2][TEXT_SIZE])
{
    if (quota < 0) {
        (void)snprintf(cells[0], TEXT_SIZE, "none");
        (void)snprintf(cells[1], TEXT_SIZE, "inf");
        return;
    }
    (void)text_size(quota, human, cells[0]);
    (void)text_size(quota - used, human, cells[1]);
}

static void print_quotas(const struct dfs_quota_usage *q, bool human, FILE *out)
{
    char names[2][TEXT_SIZE], space[2][TEXT_SIZE];
    quota_cells(q->name_quota > 0 ? q->name_quota : -1, q->names, human, names);
    quota_cells(q->space_quota, q->space, human, space);
    fprintf(out, "%12s %15s %15s %15s ", names[0], names[1], space[0], space[1]);
}

static void print_types(const struct count *c, const struct dfs_quota_usage *q, FILE *out)
{
    for (size_t i = 0; c->types[i] != NULL; i++) {
        enum dfs_storage_type type = c->types[i]->type;
        char cells[2][TEXT_SIZE];
        quota_cells(q->type_quota[type], q->type_space[type], c->human, cells);
        fprintf(out, "%14s %18s ", cells[0], cells[1]);
    }
}

/* A store without quotas has used what its summary says. */
static int read_usage(const struct item *item, struct dfs_quota_usage *ret, struct err *err)
{
    struct dfs *dfs = store_dfs(item->store);
    struct dfs_error e = {0};
    struct dfs_summary sum;
    if (dfs != NULL)
        return store_failed(err, dfs_quota_usage(dfs, item->path, ret, &e), &e);
    TRY(store_summary(item->store, item->path, &sum, err));
    *ret = (struct dfs_quota_usage){.names = (int64_t)(sum.files + sum.directories),
                                    .space = (int64_t)sum.space_consumed,
                                    .name_quota = -1,
                                    .space_quota = -1};
    for (size_t i = 0; i < ARRAY_SIZE(ret->type_quota); i++)
        ret->type_quota[i] = -1;
    return 0;
}

static int print_usage(const struct count *c, const struct item *item, FILE *out, struct err *err)
{
    struct dfs_quota_usage usage;
    TRY(read_usage(item, &usage, err));
    if (c->by_type)
        print_types(c, &usage, out);
    else
        print_quotas(&usage, c->human, out);
    return 0;
}

static void print_summary(const struct count *c, const struct dfs_summary *s, FILE *out)
{
    char folders[TEXT_SIZE], files[TEXT_SIZE], length[TEXT_SIZE];
    bool less = c->without_snapshots;
    if (c->quota) {
        struct dfs_quota_usage q = {.names = (int64_t)(s->files + s->directories),
                                    .space = (int64_t)s->space_consumed,
                                    .name_quota = s->quota,
                                    .space_quota = s->space_quota};
        print_quotas(&q, c->human, out);
    }
    fprintf(out, "%12s %12s %18s ",
            text_size((int64_t)(s->directories - (less ? s->snapshot_directories : 0)), c->human,
                      folders),
            text_size((int64_t)(s->files - (less ? s->snapshot_files : 0)), c->human, files),
            text_size((int64_t)(s->length - (less ? s->snapshot_length : 0)), c->human, length));
}

static void print_policy(const struct dfs_summary *s, FILE *out)
{
    bool plain = strcmp(s->erasure_coding, "Replicated") == 0;
    auto_text text = text_printf("%s%s", plain ? "" : "EC:", s->erasure_coding);
    fprintf(out, "%20s ", text);
}

static void print_snapshots(const struct count *c, const struct dfs_summary *s, FILE *out)
{
    char length[TEXT_SIZE], files[TEXT_SIZE], folders[TEXT_SIZE], space[TEXT_SIZE];
    fprintf(out, "%18s %24s %24s %28s ", text_size((int64_t)s->snapshot_length, c->human, length),
            text_size((int64_t)s->snapshot_files, c->human, files),
            text_size((int64_t)s->snapshot_directories, c->human, folders),
            text_size((int64_t)s->snapshot_space, c->human, space));
}

static int count_path(struct walk *w, struct item *item, struct err *err)
{
    const struct count *c = w->data;
    FILE *out = w->sh->out;
    struct dfs_summary sum = {0};
    bool short_form = c->usage || c->by_type;
    if (!short_form || c->policy || c->snapshots)
        TRY(store_summary(item->store, item->path, &sum, err));
    if (short_form)
        TRY(print_usage(c, item, out, err));
    else
        print_summary(c, &sum, out);
    if (c->policy)
        print_policy(&sum, out);
    if (c->snapshots)
        print_snapshots(c, &sum, out);
    fprintf(out, "%s\n", item->text);
    return 0;
}

static void print_heading(const struct count *c, FILE *out)
{
    for (size_t i = 0; c->by_type && c->types[i] != NULL; i++) {
        auto_text quota = text_printf("%s_QUOTA", c->types[i]->name);
        auto_text left = text_printf("REM_%s_QUOTA", c->types[i]->name);
        fprintf(out, "%14s %18s ", quota, left);
    }
    if (!c->by_type && (c->quota || c->usage))
        fprintf(out, "%12s %15s %15s %15s ", "QUOTA", "REM_QUOTA", "SPACE_QUOTA",
                "REM_SPACE_QUOTA");
    if (!c->by_type && !c->usage)
        fprintf(out, "%12s %12s %18s ", "DIR_COUNT", "FILE_COUNT", "CONTENT_SIZE");
    if (c->policy)
        fprintf(out, "%20s ", "ERASURECODING_POLICY");
    if (c->snapshots)
        fprintf(out, "%18s %24s %24s %28s ", "SNAPSHOT_LENGTH", "SNAPSHOT_FILE_COUNT",
                "SNAPSHOT_DIR_COUNT", "SNAPSHOT_SPACE_CONSUMED");
    fputs("PATHNAME\n", out);
}

int cmd_count(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct count c = {
        .human = option_on(&o, "h"),
        .quota = option_on(&o, "q"),
        .usage = option_on(&o, "u"),
        .without_snapshots = option_on(&o, "x"),
        .policy = option_on(&o, "e"),
        .snapshots = option_on(&o, "s"),
    };
    const char *types = option_value(&o, "t");
    if ((c.quota || c.usage) && types != NULL)
        TRY(parse_types(&c, types, err));
    if ((c.quota || c.usage) && c.without_snapshots) {
        fputs("q or u option is given, the -x option is ignored.\n", sh->out);
        c.without_snapshots = false;
    }
    if (option_on(&o, "v"))
        print_heading(&c, sh->out);
    struct walk w = {.sh = sh, .data = &c, .path = count_path};
    return walk_args(&w, args, err);
}
