/* glob.c - a pattern against a store: which paths it stands for.
 * Components without wildcards are not looked up on the way, only the last one is; so a plain path
 * costs one stat and a pattern one listing for each folder it visits. Thread: any. */
#include "cli/store/internal.h"

/* Folders and finds of one pattern. stat is filled only where have_stat. */
struct candidate {
    char *path;
    struct dfs_stat stat;
    bool have_stat;
};

struct candidates {
    struct candidate *at;
    size_t count;
};

struct glob {
    struct store *store;
    struct candidates now;
    bool saw_wildcard;
};

static void candidates_fini(struct candidates *c)
{
    for (size_t i = 0; i < c->count; i++) {
        text_free(c->at[i].path);
        if (c->at[i].have_stat)
            dfs_stat_free(&c->at[i].stat);
    }
    text_free(c->at);
    *c = (struct candidates){0};
}

static struct candidate *candidates_add(struct candidates *c, char *take_path)
{
    if ((c->count & (c->count - 1)) == 0) /* a power of two is full */
        c->at = text_grow(c->at, (c->count == 0 ? 1 : c->count * 2) * sizeof(*c->at));
    c->at[c->count] = (struct candidate){.path = take_path};
    return &c->at[c->count++];
}

static char *join(const char *dir, const char *name)
{
    return text_printf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
}

/* Children of one folder that match; files count only for the last component. */
static int list_matches(struct glob *g, const char *dir, const struct pattern *p, bool last,
                        struct candidates *to, struct err *err)
{
    struct dfs_stat st;
    int rc = store_stat(g->store, dir, &st, err);
    if (rc != 0)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    bool is_dir = st.type == DFS_DIRECTORY;
    dfs_stat_free(&st);
    if (!is_dir)
        return 0; /* a file would list itself */
    struct store_dir *handle;
    rc = store_opendir(g->store, dir, &handle, err);
    if (rc != 0)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    bool more = true;
    while (rc == 0 && (rc = store_readdir(handle, &st, &more, err)) == 0 && more) {
        if ((last || st.type == DFS_DIRECTORY) && pattern_matches(p, st.name)) {
            struct candidate *c = candidates_add(to, join(dir, st.name));
            c->stat = st;
            c->have_stat = true;
        } else {
            dfs_stat_free(&st);
        }
    }
    store_closedir(handle);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static char *unescaped(const char *text)
{
    char *out = text_dup(text), *to = out;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        *to++ = *p;
    }
    *to = '\0';
    return out;
}

static int step_plain(struct glob *g, const char *name, bool last, struct candidates *to,
                      struct err *err)
{
    for (size_t i = 0; i < g->now.count; i++) {
        char *path = join(g->now.at[i].path, name);
        struct dfs_stat st = {0};
        int rc = last ? store_stat(g->store, path, &st, err) : 0;
        if (rc != 0) {
            text_free(path);
            if (rc != ERR_NOT_FOUND)
                return rc;
            continue;
        }
        struct candidate *c = candidates_add(to, path);
        c->stat = st;
        c->have_stat = last;
    }
    return 0;
}

/* One component: the candidates move down. */
static int step(struct glob *g, const char *component, bool last, struct err *err)
{
    struct pattern *p;
    struct candidates next = {0};
    TRY(pattern_new(component, &p, err));
    auto_text name = unescaped(component);
    int rc = 0;
    if (pattern_has_wildcard(p)) {
        g->saw_wildcard = true;
        for (size_t i = 0; rc == 0 && i < g->now.count; i++)
            rc = list_matches(g, g->now.at[i].path, p, last, &next, err);
    } else {
        rc = step_plain(g, name, last, &next, err);
    }
    pattern_free(p);
    candidates_fini(&g->now);
    g->now = next;
    return rc;
}

/* One flat pattern from the root down. */
static int walk_pattern(struct glob *g, const char *pattern, struct err *err)
{
    auto_text path = path_absolute(store_home(g->store), pattern);
    candidates_fini(&g->now);
    struct candidate *root = candidates_add(&g->now, text_dup("/"));
    if (strcmp(path, "/") == 0) {
        int rc = store_stat(g->store, "/", &root->stat, err);
        root->have_stat = rc == 0;
        return rc;
    }
    char *at = path + 1;
    for (;;) {
        size_t n = strcspn(at, "/");
        bool last = at[n] == '\0';
        at[n] = '\0';
        TRY(step(g, at, last, err));
        if (last)
            return 0;
        at += n + 1;
    }
}

/* From the working folder to path, as "../x"; "." for itself. */
static char *relative_to(const char *home, const char *path)
{
    if (strcmp(home, path) == 0)
        return text_dup(".");
    auto_text from = text_printf("%s/", strcmp(home, "/") == 0 ? "" : home);
    auto_text to = text_printf("%s/", strcmp(path, "/") == 0 ? "" : path);
    size_t common = 0;
    for (size_t i = 0; from[i] != '\0' && from[i] == to[i]; i++)
        if (from[i] == '/')
            common = i + 1;
    char *out = text_dup(strlen(path) >= common ? path + common : "");
    for (size_t i = common; from[i] != '\0'; i++) {
        if (from[i] != '/')
            continue;
        char *longer = text_printf("..%s%s", out[0] == '\0' ? "" : "/", out);
        text_free(out);
        out = longer;
    }
    return out;
}

/* How a find is shown: in the shape in which the pattern was written. */
static char *find_text(const struct path_parts *parts, const struct store *store, const char *path)
{
    if (parts->scheme_size > 0)
        return text_printf("%.*s://%.*s%s", (int)parts->scheme_size, parts->scheme,
                           (int)parts->authority_size,
                           parts->authority == NULL ? "" : parts->authority, path);
    if (parts->path[0] == '/')
        return text_dup(path);
    return relative_to(store_home(store), path);
}

static void take_finds(struct glob *g, const struct path_parts *parts, struct items *to)
{
    for (size_t i = 0; i < g->now.count; i++) {
        struct candidate *c = &g->now.at[i];
        struct item item = {
            .store = g->store,
            .text = find_text(parts, g->store, c->path),
            .path = c->path,
            .stat = c->stat,
            .exists = true,
        };
        items_add(to, &item);
    }
    text_free(g->now.at);
    g->now = (struct candidates){0};
}

int item_glob(struct stores *s, const char *pattern, struct items *ret, struct err *err)
{
    struct path_parts parts;
    struct glob g = {0};
    char **flat = NULL;
    TRY(path_split(pattern, &parts, err));
    TRY(stores_find(s, &parts, &g.store, err));
    TRY(glob_expand(parts.path, &flat, err));
    struct items found = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && flat[i] != NULL; i++) {
        rc = walk_pattern(&g, flat[i], err);
        if (rc == 0)
            take_finds(&g, &parts, &found);
    }
    candidates_fini(&g.now);
    if (rc == 0 && found.count == 0 && !g.saw_wildcard && flat[1] == NULL) {
        auto_text plain = unescaped(pattern);
        auto_text plain_path = unescaped(parts.path);
        struct item item = {.store = g.store,
                            .text = text_dup(plain),
                            .path = path_absolute(store_home(g.store), plain_path)};
        items_add(&found, &item);
    }
    list_free(flat);
    if (rc != 0) {
        items_fini(&found);
        return rc;
    }
    items_sort(&found);
    *ret = found;
    return 0;
}
