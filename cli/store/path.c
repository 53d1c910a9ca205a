/* path.c - paths as people write them, and what they stand for.
 * A text keeps the shape it was given (relative, with a URL in front), since that is what messages
 * show; the path is absolute and normalised, since that is what stores take. Thread: any; items are
 * owned by whoever holds them. */
#include <stdlib.h>

#include "cli/store/internal.h"

int path_split(const char *text, struct path_parts *ret, struct err *err)
{
    *ret = (struct path_parts){.path = text};
    if (text[0] == '\0')
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Can not create a Path from an empty string");
    size_t n = strcspn(text, ":/");
    const char *at = text;
    if (at[n] == ':') {
        if (n == 0)
            return fail(err, ERR_ILLEGAL_ARGUMENT,
                        "java.net.URISyntaxException: Expected scheme name at index 0: %s", text);
        if (at[n + 1] != '/')
            return fail(err, ERR_ILLEGAL_ARGUMENT,
                        "java.net.URISyntaxException: Relative path in absolute URI: %s", text);
        ret->scheme = at;
        ret->scheme_size = n;
        at += n + 1;
    }
    if (ret->scheme_size > 0 && at[0] == '/' && at[1] == '/') {
        ret->has_authority = true;
        ret->authority = at + 2;
        ret->authority_size = strcspn(at + 2, "/");
        at += 2 + ret->authority_size;
    }
    ret->path = at[0] == '\0' ? "/" : at;
    return 0;
}

char *path_absolute(const char *home, const char *path)
{
    char *out = text_alloc(strlen(home) + strlen(path) + 3), *end = out;
    const char *parts[] = {path[0] == '/' ? "" : home, path};
    for (size_t i = 0; i < 2; i++) {
        const char *at = parts[i];
        while (*at != '\0') {
            at += strspn(at, "/");
            size_t n = strcspn(at, "/");
            if (n == 2 && at[0] == '.' && at[1] == '.') {
                while (end > out && *--end != '/')
                    ;
            } else if (n > 0 && !(n == 1 && at[0] == '.')) {
                *end++ = '/';
                memcpy(end, at, n);
                end += n;
            }
            at += n;
        }
    }
    if (end == out)
        *end++ = '/';
    *end = '\0';
    return out;
}

char *path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? text_dup("/") : text_ndup(path, (size_t)(slash - path));
}

/* The order that Hadoop's paths have as URIs: characters that a URI escapes count as '%'. */
static unsigned weight(const char **p, char escape[3])
{
    static const char plain[] = "_-!.~'()*:@&=+$,;/";
    if (escape[0] != '\0') {
        unsigned c = (unsigned char)escape[0];
        memmove(escape, escape + 1, 2);
        escape[2] = '\0';
        return c;
    }
    unsigned c = (unsigned char)**p;
    if (c == 0)
        return 0;
    (*p)++;
    bool letter = (c | 32) - 'a' < 26 || c - '0' < 10;
    if (letter || c >= 0x80 || strchr(plain, (int)c) != NULL)
        return c;
    escape[0] = "0123456789ABCDEF"[c >> 4];
    escape[1] = "0123456789ABCDEF"[c & 15];
    return '%';
}

int path_compare(const char *a, const char *b)
{
    char ea[3] = "", eb[3] = "";
    for (;;) {
        unsigned ca = weight(&a, ea), cb = weight(&b, eb);
        if (ca != cb)
            return ca < cb ? -1 : 1;
        if (ca == 0)
            return 0;
    }
}

void item_fini(struct item *item)
{
    text_free(item->text);
    text_free(item->path);
    if (item->exists)
        dfs_stat_free(&item->stat);
    *item = (struct item){0};
}

void items_fini(struct items *items)
{
    for (size_t i = 0; i < items->count; i++)
        item_fini(&items->at[i]);
    text_free(items->at);
    *items = (struct items){0};
}

void items_add(struct items *items, struct item *take_item)
{
    if (items->count == items->capacity) {
        items->capacity = items->capacity == 0 ? 8 : items->capacity * 2;
        items->at = text_grow(items->at, items->capacity * sizeof(items->at[0]));
    }
    items->at[items->count++] = *take_item;
    *take_item = (struct item){0};
}

static int compare_items(const void *a, const void *b)
{
    return path_compare(((const struct item *)a)->path, ((const struct item *)b)->path);
}

void items_sort(struct items *items)
{
    if (items->count > 1)
        qsort(items->at, items->count, sizeof(items->at[0]), compare_items);
}

int item_look(struct item *item, struct err *err)
{
    if (item->exists)
        dfs_stat_free(&item->stat);
    item->exists = false;
    struct err local = {0};
    int rc = store_stat(item->store, item->path, &item->stat, &local);
    item->exists = rc == 0;
    if (rc == 0 || rc == ERR_NOT_FOUND)
        return 0;
    *err = local;
    return rc;
}

/* take_text is freed on failure. */
static int item_make(struct store *store, char *take_text, const char *path, struct item *ret,
                     struct err *err)
{
    struct item item = {
        .store = store, .text = take_text, .path = path_absolute(store_home(store), path)};
    int rc = item_look(&item, err);
    if (rc != 0) {
        item_fini(&item);
        return rc;
    }
    *ret = item;
    return 0;
}

int item_plain(struct stores *s, const char *text, struct item *ret, struct err *err)
{
    struct path_parts parts;
    struct store *store;
    TRY(path_split(text, &parts, err));
    TRY(stores_find(s, &parts, &store, err));
    return item_make(store, text_dup(text), parts.path, ret, err);
}

int item_local(struct stores *s, const char *text, struct item *ret, struct err *err)
{
    struct store *store;
    if (text[0] == '\0')
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Can not create a Path from an empty string");
    if (strncmp(text, "file:", 5) == 0) {
        text += 5;
        if (strncmp(text, "//", 2) == 0)
            text += 2 + strcspn(text + 2, "/");
    }
    TRY(stores_local(s, &store, err));
    return item_make(store, text_dup(text), text, ret, err);
}

static char *child_text(const struct item *dir, const char *name)
{
    if (strcmp(dir->text, ".") == 0)
        return text_dup(name);
    size_t n = strlen(dir->text);
    bool slash = n > 0 && dir->text[n - 1] == '/';
    return text_printf("%s%s%s", dir->text, slash ? "" : "/", name);
}

static char *child_path(const struct item *dir, const char *name)
{
    return text_printf("%s/%s", strcmp(dir->path, "/") == 0 ? "" : dir->path, name);
}

int item_child(const struct item *dir, const char *name, struct item *ret, struct err *err)
{
    auto_text path = child_path(dir, name);
    return item_make(dir->store, child_text(dir, name), path, ret, err);
}

void item_child_of_stat(const struct item *dir, struct dfs_stat *take_stat, struct item *ret)
{
    *ret = (struct item){
        .store = dir->store,
        .text = child_text(dir, take_stat->name),
        .path = child_path(dir, take_stat->name),
        .stat = *take_stat,
        .exists = true,
    };
    *take_stat = (struct dfs_stat){0};
}

struct item item_child_unseen(const struct item *dir, const char *name)
{
    return (struct item){
        .store = dir->store, .text = child_text(dir, name), .path = child_path(dir, name)};
}

static char *dup_or_null(const char *text)
{
    return text == NULL ? NULL : text_dup(text);
}

struct item item_copy(const struct item *item)
{
    struct item copy = *item;
    copy.text = text_dup(item->text);
    copy.path = text_dup(item->path);
    if (item->exists) {
        copy.stat.name = dup_or_null(item->stat.name);
        copy.stat.owner = dup_or_null(item->stat.owner);
        copy.stat.group = dup_or_null(item->stat.group);
        copy.stat.target = dup_or_null(item->stat.target);
    }
    return copy;
}

bool item_is_dir(const struct item *item)
{
    return item->exists && item->stat.type == DFS_DIRECTORY;
}

const char *item_name(const struct item *item)
{
    return strrchr(item->path, '/') + 1;
}

bool item_looks_like_dir(const struct item *item)
{
    const char *slash = strrchr(item->text, '/');
    const char *name = slash == NULL ? item->text : slash + 1;
    return name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int item_parent_exists(const struct item *item, bool *ret, struct err *err)
{
    struct item place = {.store = item->store};
    place.path = item_looks_like_dir(item) ? text_dup(item->path) : path_parent(item->path);
    int rc = item_look(&place, err);
    *ret = place.exists;
    item_fini(&place);
    return rc;
}

char *item_qualified(const struct item *item)
{
    const char *url = store_is_local(item->store) ? "file://" : store_url(item->store);
    return text_printf("%s%s", url, item->path);
}
