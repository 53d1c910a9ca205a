/* stores.c - the file systems of one run, each opened when a path first names it.
 * Thread: the command's; after that the stores themselves are shared. Owns stores and their libdfs
 * handles. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/store/internal.h"

enum { STORES_MAX = 16 };

struct stores {
    const struct conf *conf;
    const char *const *settings;
    struct store *items[STORES_MAX];
    size_t count;
};

struct stores *stores_new(const struct conf *conf, const char *const *settings)
{
    struct stores *s = text_alloc(sizeof(*s));
    s->conf = conf;
    s->settings = settings;
    return s;
}

void stores_free(struct stores *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        dfs_disconnect(s->items[i]->dfs);
        text_free(s->items[i]->url);
        text_free(s->items[i]->home);
        text_free(s->items[i]);
    }
    text_free(s);
}

const struct conf *stores_conf(const struct stores *s)
{
    return s->conf;
}

static struct store *add(struct stores *s, const struct store_kind *kind, const char *url)
{
    CHECK(s->count < STORES_MAX);
    struct store *store = text_alloc(sizeof(*store));
    store->kind = kind;
    store->url = text_dup(url);
    s->items[s->count++] = store;
    return store;
}

int stores_local(struct stores *s, struct store **ret, struct err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i]->kind == &store_local) {
            *ret = s->items[i];
            return 0;
        }
    }
    if (s->count == STORES_MAX)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "more than %d file systems", STORES_MAX);
    char *cwd = getcwd(NULL, 0);
    if (cwd == NULL)
        return fail_errno(err, "current directory");
    *ret = add(s, &store_local, "file:///");
    (*ret)->home = cwd;
    return 0;
}

static int open_hdfs(struct stores *s, const char *url, struct store **ret, struct err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->items[i]->url, url) == 0) {
            *ret = s->items[i];
            return 0;
        }
    }
    if (s->count == STORES_MAX)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "more than %d file systems", STORES_MAX);
    struct dfs_options options = {.url = url, .settings = s->settings};
    struct dfs_error error = {0};
    struct dfs *dfs = NULL;
    if (dfs_connect(&options, &dfs, &error) < 0)
        return fail(err, ERR_IO, "%s", error.text);
    *ret = add(s, &store_hdfs, url);
    (*ret)->dfs = dfs;
    (*ret)->home = text_printf("/user/%s", dfs_user(dfs));
    return 0;
}

int stores_default(struct stores *s, struct store **ret, struct err *err)
{
    const char *url = conf_str(s->conf, CONF_default_fs);
    if (url[0] == '\0' || strcmp(url, "local") == 0)
        url = "file:///";
    struct path_parts parts;
    if (strstr(url, "://") == NULL && strncmp(url, "file:", 5) != 0) {
        auto_text full = text_printf("hdfs://%s", url); /* host:port alone */
        return open_hdfs(s, full, ret, err);
    }
    TRY(path_split(url, &parts, err));
    if (!parts.has_authority || parts.authority_size > 0 || parts.scheme_size == 4)
        return stores_find(s, &parts, ret, err);
    return fail(err, ERR_CONFIG, "fs.defaultFS %s names no host", url);
}

static bool same_word(const char *a, size_t size, const char *b)
{
    return strlen(b) == size && strncasecmp(a, b, size) == 0;
}

int stores_find(struct stores *s, const struct path_parts *p, struct store **ret, struct err *err)
{
    if (p->scheme_size == 0)
        return stores_default(s, ret, err);
    if (same_word(p->scheme, p->scheme_size, "file"))
        return stores_local(s, ret, err);
    if (!same_word(p->scheme, p->scheme_size, "hdfs"))
        return fail(err, ERR_UNSUPPORTED, "No FileSystem for scheme \"%.*s\"", (int)p->scheme_size,
                    p->scheme);
    if (p->authority_size == 0) {
        TRY(stores_default(s, ret, err));
        if ((*ret)->kind == &store_hdfs)
            return 0;
        return fail(err, ERR_CONFIG, "Incomplete HDFS URI, no host: %s", p->scheme);
    }
    auto_text url = text_printf("hdfs://%.*s", (int)p->authority_size, p->authority);
    return open_hdfs(s, url, ret, err);
}

const char *store_url(const struct store *s)
{
    return s->url;
}

const char *store_home(const struct store *s)
{
    return s->home;
}

bool store_is_local(const struct store *s)
{
    return s->kind == &store_local;
}

struct dfs *store_dfs(const struct store *s)
{
    return s->dfs;
}

/* The face: each word goes to its kind. */
int store_stat(struct store *s, const char *path, struct dfs_stat *ret, struct err *err)
{
    return s->kind->stat(s, path, ret, err);
}

int store_opendir(struct store *s, const char *path, struct store_dir **ret, struct err *err)
{
    return s->kind->opendir(s, path, ret, err);
}

int store_readdir(struct store_dir *dir, struct dfs_stat *ret, bool *ret_more, struct err *err)
{
    return dir->store->kind->readdir(dir, ret, ret_more, err);
}

void store_closedir(struct store_dir *dir)
{
    if (dir != NULL)
        dir->store->kind->closedir(dir);
}

int store_mkdirs(struct store *s, const char *path, uint32_t mode, struct err *err)
{
    return s->kind->mkdirs(s, path, mode, err);
}

int store_rename(struct store *s, const char *from, const char *to, unsigned flags, struct err *err)
{
    return s->kind->rename(s, from, to, flags, err);
}

int store_delete(struct store *s, const char *path, bool recursive, struct err *err)
{
    return s->kind->remove(s, path, recursive, err);
}

int store_chmod(struct store *s, const char *path, uint32_t mode, struct err *err)
{
    return s->kind->chmod(s, path, mode, err);
}

int store_chown(struct store *s, const char *path, const char *owner, const char *group,
                struct err *err)
{
    return s->kind->chown(s, path, owner, group, err);
}

int store_utimes(struct store *s, const char *path, int64_t modified_ms, int64_t accessed_ms,
                 struct err *err)
{
    return s->kind->utimes(s, path, modified_ms, accessed_ms, err);
}

int store_set_replication(struct store *s, const char *path, uint32_t replication, struct err *err)
{
    return s->kind->set_replication(s, path, replication, err);
}

int store_summary(struct store *s, const char *path, struct dfs_summary *ret, struct err *err)
{
    return s->kind->summary(s, path, ret, err);
}

int store_statfs(struct store *s, struct dfs_usage *ret, struct err *err)
{
    return s->kind->statfs(s, ret, err);
}

int store_trash_minutes(struct store *s, uint64_t *ret, struct err *err)
{
    return s->kind->trash_minutes(s, ret, err);
}

int store_checksum(struct store *s, const char *path, struct dfs_checksum *ret, struct err *err)
{
    return s->kind->checksum(s, path, ret, err);
}

int store_access(struct store *s, const char *path, bool writing, struct err *err)
{
    return s->kind->access(s, path, writing, err);
}

int file_store_open(struct store *s, const char *path, struct stream **ret, struct err *err)
{
    return s->kind->open(s, path, ret, err);
}

int store_create(struct store *s, const char *path, const struct store_create *options,
                 struct stream **ret, struct err *err)
{
    return s->kind->create(s, path, options, ret, err);
}

static int not_supported(const char *what, struct err *err)
{
    return fail(err, ERR_UNSUPPORTED, "%s is not supported by ChecksumFileSystem", what);
}

int store_append(struct store *s, const char *path, bool new_block, struct stream **ret,
                 struct err *err)
{
    if (s->kind->append == NULL)
        return not_supported("Append", err);
    return s->kind->append(s, path, new_block, ret, err);
}

int store_truncate(struct store *s, const char *path, uint64_t length, bool *ret_done,
                   struct err *err)
{
    if (s->kind->truncate == NULL)
        return not_supported("Truncate", err);
    return s->kind->truncate(s, path, length, ret_done, err);
}

int store_concat(struct store *s, const char *target, const char *const *sources, struct err *err)
{
    if (s->kind->concat == NULL)
        return not_supported("Concat", err);
    return s->kind->concat(s, target, sources, err);
}

int stream_read(struct stream *f, void *data, size_t size, size_t *ret_read, struct err *err)
{
    return f->store->kind->read(f, data, size, ret_read, err);
}

int stream_write(struct stream *f, const void *data, size_t size, struct err *err)
{
    return f->store->kind->write(f, data, size, err);
}

int stream_seek(struct stream *f, uint64_t offset, struct err *err)
{
    return f->store->kind->seek(f, offset, err);
}

uint64_t stream_length(const struct stream *f)
{
    return f->length;
}

int stream_close(struct stream *f, struct err *err)
{
    return f == NULL ? 0 : f->store->kind->close(f, err);
}

void stream_abort(struct stream *f)
{
    if (f != NULL)
        f->store->kind->abort(f);
}
