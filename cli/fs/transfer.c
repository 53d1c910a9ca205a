/* transfer.c - bytes from here to there, one file or many at a time.
 * Threads: transfer and copy_file run in any; `struct copiers` owns its threads, a queue with a
 * limit, and the copies of the items in it. lock guards the queue. Invariants: (1) a target appears
 * under its name only when it is complete (temporary name, then rename), but with `direct`; (2) a
 * copy that fails or is interrupted leaves no temporary file. */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "cli/fs/internal.h"
#include "cli/meta/meta.h"

enum { TRANSFER_BUFFER = 1 << 20, PROGRESS_AFTER_MS = 2000, PROGRESS_EVERY_MS = 250 };

struct progress {
    const char *label; /* NULL: silent */
    uint64_t done, total;
    int64_t start_ms, next_ms;
    bool shown;
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void progress_start(struct progress *p, const char *label, uint64_t total)
{
    *p = (struct progress){.label = label, .total = total};
    if (label == NULL || !isatty(STDERR_FILENO)) {
        p->label = NULL;
        return;
    }
    p->start_ms = now_ms();
    p->next_ms = p->start_ms + PROGRESS_AFTER_MS;
}

static void progress_add(struct progress *p, size_t n)
{
    p->done += n;
    if (p->label == NULL)
        return;
    int64_t now = now_ms();
    if (now < p->next_ms)
        return;
    p->next_ms = now + PROGRESS_EVERY_MS;
    p->shown = true;
    char size[TEXT_SIZE], rate[TEXT_SIZE], percent[TEXT_SIZE] = "";
    int64_t per_second = (int64_t)(p->done * 1000 / (uint64_t)(now - p->start_ms));
    if (p->total > 0)
        (void)text_percent((double)p->done, (double)p->total, 0, percent);
    fprintf(stderr, "\r%s: %s%s%s, %s/s\033[K", p->label, percent, p->total > 0 ? " " : "",
            text_prefixed((int64_t)p->done, "B", 1, size), text_prefixed(per_second, "B", 1, rate));
}

static void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

static int read_some(struct stream *from, uint8_t *data, size_t size, size_t *ret, struct err *err)
{
    if (from != NULL)
        return stream_read(from, data, size, ret, err);
    ssize_t n = read(STDIN_FILENO, data, size);
    if (n < 0)
        return fail_errno(err, "standard input");
    *ret = (size_t)n;
    return 0;
}

static int write_all(struct sink to, const uint8_t *data, size_t size, struct err *err)
{
    if (to.stream != NULL)
        return stream_write(to.stream, data, size, err);
    while (size > 0) {
        ssize_t n = write(to.fd, data, size);
        if (n < 0)
            return fail(err, ERR_IO, "Unable to write to output stream.");
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int transfer(struct stream *from, struct sink to, uint64_t limit, const char *label,
             struct err *err)
{
    struct progress progress;
    uint8_t *data = text_alloc(TRANSFER_BUFFER);
    int rc = 0;
    progress_start(&progress, label, from == NULL ? 0 : stream_length(from));
    while (limit == TRANSFER_ALL || progress.done < limit) {
        size_t want = TRANSFER_BUFFER, n;
        if (limit != TRANSFER_ALL && limit - progress.done < want)
            want = (size_t)(limit - progress.done);
        rc = read_some(from, data, want, &n, err);
        if (rc != 0 || n == 0)
            break;
        rc = write_all(to, data, n, err);
        if (rc == 0 && shell_interrupted())
            rc = fail(err, ERR_INTERRUPTED, "Interrupted");
        if (rc != 0)
            break;
        progress_add(&progress, n);
    }
    progress_end(&progress);
    text_free(data);
    return rc;
}

/* The contents of source into path. */
static int write_file(const struct copy_how *how, struct stream *in, const struct item *target,
                      const char *path, struct err *err)
{
    struct store_create options = {.lazy = how->lazy, .checksums = how->checksums};
    struct stream *out;
    TRY(store_create(target->store, path, &options, &out, err));
    int rc = transfer(in, (struct sink){.stream = out}, TRANSFER_ALL, target->text, err);
    if (rc == 0)
        return stream_close(out, err);
    stream_abort(out);
    return rc;
}

/* Deletes a half-written file; the first error stays the one that counts. */
static void discard(const struct item *target, const char *path)
{
    struct err ignored = {0};
    (void)store_delete(target->store, path, false, &ignored);
}

static int put_in_place(const struct item *target, const char *temporary, struct err *err)
{
    if (target->exists)
        TRY(store_delete(target->store, target->path, false, err));
    return store_rename(target->store, temporary, target->path, 0, err);
}

static int copy_stream(const struct copy_how *how, struct stream *in, const struct item *target,
                       struct err *err)
{
    if (target->exists && (item_is_dir(target) || !how->overwrite))
        return fail_exists(err, target->text);
    if (how->direct)
        return write_file(how, in, target, target->path, err);
    auto_text temporary = text_printf("%s._COPYING_", target->path);
    int rc = write_file(how, in, target, temporary, err);
    if (rc == 0)
        rc = put_in_place(target, temporary, err);
    if (rc != 0)
        discard(target, temporary);
    return rc;
}

static int copy_acl(const struct item *source, const struct item *target, struct err *err)
{
    struct dfs *from = store_dfs(source->store), *to = store_dfs(target->store);
    struct dfs_error e = {0};
    struct dfs_acl acl;
    if (from == NULL || to == NULL)
        return fail(err, ERR_UNSUPPORTED, "`%s': a local file system keeps no ACLs", target->text);
    TRY(store_failed(err, dfs_get_acl(from, source->path, &acl, &e), &e));
    struct acl_spec full = acl_full(source->stat.mode, &acl);
    int rc = dfs_change_acl(to, target->path, DFS_ACL_SET, full.items, full.count, &e);
    text_free(full.items); /* the names are acl's */
    dfs_acl_free(&acl);
    return store_failed(err, rc, &e);
}

static const char raw_root[] = "/.reserved/raw";

static bool is_raw(const struct item *item)
{
    return strncmp(item->path, raw_root, sizeof(raw_root) - 1) == 0;
}

/* Below /.reserved/raw the attributes of the name space raw go with the file in any case. */
static int copy_xattrs(const struct copy_how *how, const struct item *source,
                       const struct item *target, struct err *err)
{
    struct dfs *from = store_dfs(source->store), *to = store_dfs(target->store);
    struct dfs_error e = {0};
    struct dfs_xattrs x;
    if (from == NULL || to == NULL)
        return fail(err, ERR_UNSUPPORTED, "`%s': no extended attributes of a local file system",
                    target->text);
    TRY(store_failed(err, dfs_get_xattrs(from, source->path, NULL, &x, &e), &e));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < x.count; i++)
        if (how->xattrs || strncmp(x.items[i].name, "raw.", 4) == 0)
            rc = dfs_set_xattr(to, target->path, x.items[i].name, x.items[i].value, x.items[i].size,
                               DFS_XATTR_CREATE | DFS_XATTR_REPLACE, &e);
    dfs_xattrs_free(&x);
    return store_failed(err, rc, &e);
}

/* Both in /.reserved/raw, or neither. */
static int check_raw(const struct item *source, const struct item *target, struct err *err)
{
    bool from = is_raw(source), to = is_raw(target);
    auto_text text = item_qualified(source);
    if (from == to)
        return 0;
    return fail(err, ERR_IO,
                "`'%s' copy from %s'%s' to %s'%s'. Either both source and target must be in '%s' "
                "or neither.': Operation not supported",
                from ? text : target->text, from ? "" : "non ", raw_root, from ? "non " : "",
                raw_root, raw_root);
}

int copy_attributes(const struct copy_how *how, const struct item *source,
                    const struct item *target, struct err *err)
{
    const struct dfs_stat *st = &source->stat;
    if (how->times)
        TRY(store_utimes(target->store, target->path, st->modified_ms, st->accessed_ms, err));
    if (how->owner)
        TRY(store_chown(target->store, target->path, st->owner, st->group, err));
    if (how->mode || how->acl)
        TRY(store_chmod(target->store, target->path, st->mode, err));
    if (how->acl && st->has_acl)
        TRY(copy_acl(source, target, err));
    bool raw = is_raw(source) && is_raw(target);
    return how->xattrs || raw ? copy_xattrs(how, source, target, err) : 0;
}

int copy_file(const struct copy_how *how, const struct item *source, const struct item *target,
              struct err *err)
{
    struct stream *in = NULL;
    if (source == NULL)
        return copy_stream(how, NULL, target, err);
    TRY(check_raw(source, target, err));
    TRY(file_store_open(source->store, source->path, &in, err));
    int rc = copy_stream(how, in, target, err);
    struct err ignored = {0};
    (void)stream_close(in, &ignored); /* it was only read */
    return rc != 0 ? rc : copy_attributes(how, source, target, err);
}

struct job {
    struct item source, target;
};

struct copiers {
    struct shell *sh;
    const struct copy_how *how;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *jobs; /* ring of `size` */
    size_t size, head, count;
    bool closing;
    pthread_t *threads;
    unsigned thread_count;
};

static void run_job(struct copiers *c, struct job *job)
{
    struct err err = {0};
    int rc = shell_interrupted() ? fail(&err, ERR_INTERRUPTED, "Interrupted")
                                 : copy_file(c->how, &job->source, &job->target, &err);
    if (rc != 0)
        shell_error(c->sh, &err);
    item_fini(&job->source);
    item_fini(&job->target);
}

static void *copier(void *ctx)
{
    struct copiers *c = ctx;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->count == 0 && !c->closing)
            pthread_cond_wait(&c->changed, &c->lock);
        if (c->count == 0)
            break;
        struct job job = c->jobs[c->head];
        c->head = (c->head + 1) % c->size;
        c->count--;
        pthread_mutex_unlock(&c->lock);
        run_job(c, &job);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct copiers *copiers_new(struct shell *sh, const struct copy_how *how, unsigned threads,
                            unsigned queue)
{
    struct copiers *c = text_alloc(sizeof(*c));
    *c = (struct copiers){.sh = sh, .how = how, .size = queue};
    CHECK(pthread_mutex_init(&c->lock, NULL) == 0 && pthread_cond_init(&c->changed, NULL) == 0);
    c->jobs = text_alloc(queue * sizeof(*c->jobs));
    c->threads = text_alloc(threads * sizeof(*c->threads));
    while (c->thread_count < threads &&
           pthread_create(&c->threads[c->thread_count], NULL, copier, c) == 0)
        c->thread_count++;
    if (c->thread_count > 0)
        return c;
    copiers_finish(c);
    return NULL;
}

void copiers_add(struct copiers *c, const struct item *source, const struct item *target)
{
    struct job job = {item_copy(source), item_copy(target)};
    pthread_mutex_lock(&c->lock);
    bool full = c->count == c->size;
    if (!full) {
        c->jobs[(c->head + c->count++) % c->size] = job;
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    if (full)
        run_job(c, &job);
}

void copiers_finish(struct copiers *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->thread_count; i++)
        pthread_join(c->threads[i], NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    text_free(c->threads);
    text_free(c->jobs);
    text_free(c);
}
