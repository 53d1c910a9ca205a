/* load.c - from the folders to the state: the newest good image, then every edit behind it.
 *
 * Each file may lie in several folders, and each copy may be short or damaged on its own.
 * Invariants: (1) an edit is applied once, in order, from any good copy; (2) no edit that may have
 * been acknowledged is skipped: a gap, or damage that no other copy makes up for, ends the start;
 * (3) at the end no segment is in progress. Thread: the one that starts. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "namenode/image/image.h"
#include "namenode/journal/journal.h"
#include "namenode/storage/internal.h"

enum { COLLECT_EVERY = 256, COLLECT_BUDGET = 4096 };

enum source_state { SOURCE_NEW, SOURCE_USED, SOURCE_BAD };

/* A file of edits and what was found in it. */
struct source {
    const struct storage_file *file;
    enum source_state state;
    bool scanned;
    struct segment_scan scan;
};

struct loader {
    struct storage *s;
    struct file_list files;
    struct source *sources;
    size_t source_count;
    struct nn *nn;
    struct arena arena;
    uint64_t applied;
};

/* ---- image ---- */

static int load_mapped(struct loader *l, int fd, const char *path, uint64_t txid, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(err, "%s", path);
    if (st.st_size == 0)
        return fail(err, ERR_CORRUPT, "%s is empty", path);
    size_t size = (size_t)st.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        return fail_errno(err, "%s", path);
    struct nn *nn = NULL;
    struct err why = {0};
    int rc = image_load(data, size, &l->s->identity, &nn, &why);
    munmap(data, size);
    if (rc != 0)
        return fail(err, rc, "%.200s: %.500s", path, why.text);
    if (nn->last_txid != txid) {
        rc = fail(err, ERR_CORRUPT, "%s: holds transaction %" PRIu64, path, nn->last_txid);
        nn_free(nn);
        return rc;
    }
    l->nn = nn;
    return 0;
}

static int load_image_file(struct loader *l, const struct storage_file *f, struct err *err)
{
    char path[STORAGE_PATH];
    dir_file(f->dir, f->name, path);
    TRY(md5_check(path, err));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "%s", path);
    int rc = load_mapped(l, fd, path, f->first, err);
    close(fd);
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    const struct storage_file *x = a, *y = b;
    if (x->first != y->first)
        return x->first > y->first ? -1 : 1;
    return strcmp(x->dir->path, y->dir->path);
}

static int load_image(struct loader *l, struct storage_loaded *ret, struct err *err)
{
    struct err why = {0};
    int rc = fail(&why, ERR_NOT_FOUND, "no image in any name directory");
    qsort(l->files.items, l->files.count, sizeof(l->files.items[0]), newest_first);
    for (size_t i = 0; i < l->files.count; i++) {
        const struct storage_file *f = &l->files.items[i];
        if (f->kind != FILE_IMAGE)
            continue;
        rc = load_image_file(l, f, &why);
        if (rc == 0) {
            ret->image_txid = f->first;
            return 0;
        }
        if (rc == ERR_NO_MEMORY || rc == ERR_UNSUPPORTED)
            break; /* an older one would not be better */
        ret->image_damaged = true;
        log_error("image can't be used, another copy or an older one is tried why=%s",
                  log_quote(why.text));
    }
    if (err != NULL)
        *err = why;
    return rc;
}

static bool lacks_image(const struct loader *l, const struct name_dir *d, uint64_t txid)
{
    for (size_t i = 0; i < l->files.count; i++) {
        const struct storage_file *f = &l->files.items[i];
        if (f->kind == FILE_IMAGE && f->dir == d && f->first == txid)
            return false;
    }
    return d->for_image && dir_usable(d);
}

/* ---- edits ---- */

static uint64_t next_txid(const struct loader *l)
{
    return l->nn->last_txid + 1;
}

static void source_path(const struct source *src, char out[STORAGE_PATH])
{
    dir_file(src->file->dir, src->file->name, out);
}

static int apply_from(struct loader *l, const struct source *src, struct buf *file, struct err *err)
{
    struct edit_reader r;
    struct err why = {0};
    char path[STORAGE_PATH];
    source_path(src, path);
    int rc = edit_reader_init(&r, buf_head(file), src->scan.valid_size, 0, &why);
    while (rc == 0) {
        struct edit e;
        arena_reset(&l->arena);
        rc = edit_read(&r, &l->arena, &e, &why);
        if (rc != EDIT_READ_ONE)
            break;
        rc = e.txid < next_txid(l) ? 0 : edit_apply(l->nn, &e, &why);
        if (rc == 0 && e.txid == l->nn->last_txid && ++l->applied % COLLECT_EVERY == 0)
            (void)nn_collect(l->nn, COLLECT_BUDGET);
    }
    if (rc < 0)
        return fail(err, rc, "%.200s: offset %zu, after transaction %" PRIu64 ": %.400s", path,
                    r.offset, l->nn->last_txid, why.text);
    return 0;
}

/* What the name promises must be in the file. */
static void check_promise(struct source *src)
{
    const struct storage_file *f = src->file;
    struct segment_scan *scan = &src->scan;
    bool empty = scan->last_txid == 0;
    char path[STORAGE_PATH];
    source_path(src, path);
    if (scan->state == SEGMENT_CORRUPT)
        src->state = SOURCE_BAD;
    else if (!empty && scan->first_txid != f->first)
        src->state = SOURCE_BAD;
    else if (f->kind == FILE_EDITS && (scan->state != SEGMENT_CLEAN || scan->last_txid != f->last))
        src->state = SOURCE_BAD;
    if (src->state == SOURCE_BAD && scan->why.code == 0)
        (void)fail(&scan->why, ERR_CORRUPT,
                   "%.300s: holds transactions %" PRIu64 " to %" PRIu64 ", not what its name says",
                   path, scan->first_txid, scan->last_txid);
}

/* Reads, judges, applies what is new. Only an edit that doesn't fit the state is an error here; a
 * bad file is left to its other copies. */
static int use_source(struct loader *l, struct source *src, struct err *err)
{
    char path[STORAGE_PATH];
    source_path(src, path);
    struct buf file = {0};
    struct err why = {0};
    int rc = segment_read(path, &file, &src->scan, &why);
    src->scanned = rc == 0;
    if (rc != 0) {
        src->scan.why = why;
        src->state = SOURCE_BAD;
    } else {
        check_promise(src);
    }
    rc = 0;
    if (src->state == SOURCE_BAD) {
        log_error("edits can't be used, another copy is tried why=%s",
                  log_quote(src->scan.why.text));
    } else {
        src->state = SOURCE_USED;
        if (src->scan.last_txid >= next_txid(l))
            rc = apply_from(l, src, &file, err);
    }
    buf_fini(&file);
    return rc;
}

/* Of two files that both have the next transaction. One in progress comes last; and the later one
 * of them first, for a folder that was away may hold an end that was cut off elsewhere. */
static bool is_better(const struct storage_file *f, const struct storage_file *than)
{
    if (f->kind != than->kind)
        return f->kind == FILE_EDITS;
    return f->kind == FILE_EDITS ? f->last > than->last : f->first > than->first;
}

/* The unread file that reaches furthest from the next transaction. */
static struct source *next_source(struct loader *l)
{
    struct source *best = NULL;
    for (size_t i = 0; i < l->source_count; i++) {
        struct source *src = &l->sources[i];
        const struct storage_file *f = src->file;
        bool useful = src->state == SOURCE_NEW && f->first <= next_txid(l) &&
                      (f->kind == FILE_IN_PROGRESS || f->last >= next_txid(l));
        if (useful && (best == NULL || is_better(f, best->file)))
            best = src;
    }
    return best;
}

/* Whether what a bad file could not give has come from elsewhere. */
static bool made_up_for(const struct loader *l, const struct source *bad)
{
    const struct storage_file *f = bad->file;
    uint64_t last = l->nn->last_txid;
    if (f->kind == FILE_EDITS)
        return last >= f->last;
    if (bad->scanned && last > bad->scan.last_txid)
        return true;
    for (size_t i = 0; i < l->source_count; i++) {
        const struct source *other = &l->sources[i];
        if (!bad->scanned && other->state == SOURCE_USED && other->file->first == f->first)
            return true;
    }
    return false;
}

static int check_complete(const struct loader *l, struct err *err)
{
    uint64_t last = l->nn->last_txid, seen = 0;
    for (size_t i = 0; i < l->source_count; i++) {
        const struct source *src = &l->sources[i];
        if (src->state == SOURCE_BAD && !made_up_for(l, src)) {
            if (err != NULL)
                *err = src->scan.why;
            return src->scan.why.code;
        }
    }
    for (size_t i = 0; i < l->source_count; i++) {
        const struct source *src = &l->sources[i];
        if (src->file->first > last + 1 &&
            (src->file->kind == FILE_EDITS || src->scan.last_txid != 0))
            return fail(err, ERR_CORRUPT,
                        "edits %" PRIu64 " to %" PRIu64 " are missing: after transaction %" PRIu64
                        " comes %s/%s",
                        last + 1, src->file->first - 1, last, src->file->dir->current,
                        src->file->name);
    }
    for (size_t i = 0; i < l->s->dir_count; i++)
        seen = l->s->dirs[i].seen_txid > seen ? l->s->dirs[i].seen_txid : seen;
    if (seen > last)
        return fail(err, ERR_CORRUPT,
                    "edits are missing: they end at transaction %" PRIu64
                    ", but seen_txid says that %" PRIu64 " was written",
                    last, seen);
    return 0;
}

/* Files in progress that lie behind a gap: empty ones don't matter, so look. */
static void scan_the_rest(struct loader *l)
{
    for (size_t i = 0; i < l->source_count; i++) {
        struct source *src = &l->sources[i];
        if (src->file->kind != FILE_IN_PROGRESS || src->state != SOURCE_NEW)
            continue;
        char path[STORAGE_PATH];
        struct buf file = {0};
        source_path(src, path);
        struct err why = {0};
        src->scanned = segment_read(path, &file, &src->scan, &why) == 0;
        if (!src->scanned) {
            src->scan.why = why;
            src->state = SOURCE_BAD;
        } else {
            check_promise(src);
        }
        buf_fini(&file);
    }
}

static int replay(struct loader *l, struct err *err)
{
    l->sources = calloc(l->files.count + 1, sizeof(*l->sources));
    if (l->sources == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the list of edits");
    for (size_t i = 0; i < l->files.count; i++) {
        if (l->files.items[i].kind != FILE_IMAGE)
            l->sources[l->source_count++].file = &l->files.items[i];
    }
    struct source *src;
    while ((src = next_source(l)) != NULL)
        TRY(use_source(l, src, err));
    scan_the_rest(l);
    return check_complete(l, err);
}

/* ---- the end ---- */

static int set_aside(const struct source *src, const char *suffix, struct err *err)
{
    char from[STORAGE_PATH], to[STORAGE_PATH + 16];
    source_path(src, from);
    snprintf(to, sizeof(to), "%s.%s", from, suffix);
    log_warn("segment that other copies make up for is set aside file=%s", to);
    return durable_rename(from, to, err);
}

/* Another segment begins within this one: a start without this folder cut off its end, which nobody
 * had been promised, and wrote other edits under the same ids. It must never count again. */
static bool is_overtaken(const struct loader *l, const struct source *src)
{
    for (size_t i = 0; i < l->source_count; i++) {
        const struct source *other = &l->sources[i];
        if (other->state != SOURCE_BAD && other->file->first > src->file->first &&
            other->file->first <= src->scan.last_txid)
            return true;
    }
    return false;
}

/* A folder where that fails is dropped: the start goes on with the others. */
static void finalize_all(struct loader *l)
{
    for (size_t i = 0; i < l->source_count; i++) {
        const struct source *src = &l->sources[i];
        if (src->file->kind != FILE_IN_PROGRESS || !dir_usable(src->file->dir))
            continue;
        struct err why = {0};
        int rc = src->state == SOURCE_BAD ? set_aside(src, "corrupt", &why)
                 : is_overtaken(l, src)   ? set_aside(src, "stale", &why)
                                          : segment_recover(src->file->dir, src->file->name,
                                                            src->file->first, &src->scan, &why);
        if (rc != 0)
            dir_drop(src->file->dir, &why);
    }
}

static int load(struct loader *l, struct storage_loaded *ret, struct err *err)
{
    storage_remove_leftovers(l->s);
    TRY(files_list(l->s, &l->files, err));
    TRY(load_image(l, ret, err));
    TRY(replay(l, err));
    finalize_all(l);
    ret->edits = l->applied;
    ret->last_txid = l->nn->last_txid;
    for (size_t i = 0; i < l->s->dir_count; i++)
        ret->dir_outdated |= lacks_image(l, &l->s->dirs[i], ret->image_txid);
    return 0;
}

int storage_load(struct storage *s, struct nn **ret_nn, struct storage_loaded *ret, struct err *err)
{
    struct loader l = {.s = s};
    *ret = (struct storage_loaded){0};
    arena_init(&l.arena, 0);
    int rc = load(&l, ret, err);
    if (rc == 0)
        *ret_nn = l.nn;
    else
        nn_free(l.nn);
    arena_fini(&l.arena);
    free(l.sources);
    files_fini(&l.files);
    return rc;
}
