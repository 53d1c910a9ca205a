/* folders.c - one round over the finalized folders of a pool on a volume.
 * A folder is listed, then each of its blocks is compared with the record; what differs is looked
 * at again by the store, alone and with the lock, so nothing that changes meanwhile does harm. The
 * ids that were seen are remembered (8 bytes each); a record that wasn't seen has lost its file. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/obs/obs.h"
#include "datanode/scan/internal.h"

enum { SLICE = 512, MAX_LEVEL = 2 };

struct entry {
    uint64_t id, gen_stamp, length;
    bool data, regular, meta;
};

struct list {
    void *items;
    size_t count, capacity;
};

struct round {
    struct scanner *s;
    struct block_pool *pool;
    size_t volume;
    char root[SCAN_PATH_MAX];
    struct list seen; /* ids */
    struct folder_counts counts;
    int64_t running_since_ms;
};

static int list_add(struct list *l, const void *item, size_t size, struct err *err)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 128 : l->capacity * 2;
        void *items = realloc(l->items, capacity * size);
        if (items == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a round over the folders");
        l->items = items;
        l->capacity = capacity;
    }
    memcpy((uint8_t *)l->items + l->count++ * size, item, size);
    return 0;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x)); /* the id is the first member of both kinds */
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* So many ms of each second only. False: the node stops. */
static bool pace(struct round *r)
{
    int64_t limit = r->s->folder_limit_ms, now = clock_monotonic_ms();
    int64_t ran = now - r->running_since_ms;
    if (limit <= 0 || ran < limit)
        return !scanner_stopping(r->s);
    int64_t rest = 1000 - limit + (ran - limit);
    bool ends = scanner_wait_until(r->s, now + (rest > 1000 ? 1000 : rest));
    r->running_since_ms = clock_monotonic_ms();
    return !ends;
}

static void differs(struct round *r, uint64_t id)
{
    r->counts.differences++;
    scanner_reconcile(r->s, r->pool, r->volume, id, "the folders say so");
}

static bool agrees(const struct round *r, const struct replica_info *info, const struct entry *e)
{
    if (info->state != REPLICA_FINALIZED)
        return true; /* somebody is at work */
    return info->volume == r->volume && e->data && e->regular && e->meta &&
           e->gen_stamp == info->block.gen_stamp && e->length == info->block.length;
}

/* All that was found of one block. */
static int compare(struct round *r, const struct entry *all, size_t count, struct err *err)
{
    struct replica_info info;
    struct entry e = {.id = all[0].id};
    bool has = replica_look(r->pool, e.id, &info);
    for (size_t i = 0; i < count; i++) {
        const struct entry *x = &all[i];
        if (x->meta && (!e.meta || (has && x->gen_stamp == info.block.gen_stamp))) {
            e.meta = true;
            e.gen_stamp = x->gen_stamp;
        }
        if (x->data) {
            e.data = true;
            e.regular = x->regular;
            e.length = x->length;
        }
    }
    r->counts.blocks += e.data;
    TRY(list_add(&r->seen, &e.id, sizeof(e.id), err));
    if (!has || !agrees(r, &info, &e))
        differs(r, e.id);
    return 0;
}

static bool at_home(const char *inside, uint64_t id)
{
    char home[64];
    snprintf(home, sizeof(home), "/subdir%u/subdir%u", (unsigned)(id >> 16 & 31),
             (unsigned)(id >> 8 & 31));
    return strcmp(home, inside) == 0;
}

static int take_name(struct round *r, int dir_fd, const char *inside, const char *name,
                     struct list *found, struct err *err)
{
    struct entry e = {0};
    struct stat st;
    if (layout_meta_name(name, &e.id, &e.gen_stamp)) {
        e.meta = true;
    } else if (layout_block_name(name, &e.id)) {
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? 0 : fail_errno(err, "asking for %s/%s", inside, name);
        e.data = true;
        e.regular = S_ISREG(st.st_mode);
        e.length = (uint64_t)st.st_size;
    } else {
        return 0;
    }
    if (!at_home(inside, e.id)) { /* the next start moves it to its place */
        r->counts.misplaced += e.data;
        return 0;
    }
    return list_add(found, &e, sizeof(e), err);
}

static int compare_folder(struct round *r, struct list *found, struct err *err)
{
    struct entry *e = found->items;
    if (found->count == 0)
        return 0;
    qsort(e, found->count, sizeof(*e), by_id);
    for (size_t i = 0, n; i < found->count; i += n) {
        for (n = 1; i + n < found->count && e[i + n].id == e[i].id; n++)
            ;
        TRY(compare(r, e + i, n, err));
    }
    return 0;
}

static int visit(struct round *r, const char *inside, int level, struct err *err);

static int read_folder(struct round *r, DIR *d, const char *inside, int level, struct list *found,
                       struct err *err)
{
    int rc = 0;
    errno = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d)) != NULL; errno = 0) {
        char child[SCAN_PATH_MAX];
        if (strncmp(e->d_name, "subdir", 6) != 0) {
            rc = take_name(r, dirfd(d), inside, e->d_name, found, err);
            continue;
        }
        int n = snprintf(child, sizeof(child), "%s/%s", inside, e->d_name);
        if (level < MAX_LEVEL && n > 0 && n < SCAN_PATH_MAX)
            rc = visit(r, child, level + 1, err);
    }
    return rc == 0 && errno != 0 ? fail_errno(err, "reading %s%s", r->root, inside) : rc;
}

static int visit(struct round *r, const char *inside, int level, struct err *err)
{
    char path[SCAN_PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s%s", r->root, inside);
    if (n < 0 || n >= SCAN_PATH_MAX)
        return 0;
    if (!pace(r))
        return fail(err, ERR_CLOSED, "the scanner stops");
    DIR *d = opendir(path);
    if (d == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno(err, "opening %s", path);
    struct list found = {0};
    int rc = read_folder(r, d, inside, level, &found, err);
    closedir(d);
    if (rc == 0)
        rc = compare_folder(r, &found, err);
    free(found.items);
    return rc;
}

/* Records of this volume whose files were not seen. */
static int unseen(struct round *r, struct err *err)
{
    struct replica_info slice[SLICE];
    uint32_t cursor = 0;
    size_t n;
    if (r->seen.count > 0)
        qsort(r->seen.items, r->seen.count, sizeof(uint64_t), by_id);
    while ((n = pool_list(r->pool, &cursor, slice, SLICE)) > 0) {
        if (!pace(r))
            return fail(err, ERR_CLOSED, "the scanner stops");
        for (size_t i = 0; i < n; i++) {
            uint64_t id = slice[i].block.id;
            if (slice[i].state == REPLICA_FINALIZED && slice[i].volume == r->volume &&
                (r->seen.count == 0 ||
                 bsearch(&id, r->seen.items, r->seen.count, sizeof(id), by_id) == NULL))
                differs(r, id);
        }
    }
    return 0;
}

int folders_scan(struct scanner *s, size_t volume, const char *path, struct block_pool *p,
                 struct folder_counts *ret, struct err *err)
{
    struct round r = {
        .s = s, .pool = p, .volume = volume, .running_since_ms = clock_monotonic_ms()};
    int n = snprintf(r.root, sizeof(r.root), "%s/current/%s/current/finalized", path, pool_id(p));
    CHECK(n > 0 && n < SCAN_PATH_MAX); /* the store's paths are shorter */
    int rc = visit(&r, "", 0, err);
    if (rc == 0)
        rc = unseen(&r, err);
    free(r.seen.items);
    *ret = r.counts;
    return rc;
}
