/* scan.c - the start-up scan: what is on the volumes becomes the map of a block pool.
 * One thread a volume. The finalized tree is walked, not computed, since an older layout or a hand
 * may have put replicas elsewhere; those are moved to where they belong. Open replicas become RWR,
 * cut to what can be trusted (RBW, when this node said that it would be back by now); incoming
 * copies are removed. A block that is on several volumes stays once: highest stamp, then longest. A
 * crash between the two renames of a finalize leaves the checksums in the finalized folder and the
 * data in rbw: the checksums are taken back. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

enum { MAX_DEPTH = 16 };

struct found {
    uint64_t id, gen_stamp; /* of a checksum file */
    uint64_t size;          /* of a data file */
};

struct found_list {
    struct found *items;
    size_t count, capacity;
};

struct scan {
    struct block_pool *pool;
    struct volume *volume;
    pthread_t thread;
    bool started;
    struct found_list metas; /* finalized checksum files without data */
    uint64_t finalized, open, temporary, moved, alone;
    struct err err;
    int rc;
};

static int list_add(struct found_list *l, struct found f, struct err *err)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        struct found *items = realloc(l->items, capacity * sizeof(*items));
        if (items == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a scan");
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = f;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct found *)a)->id, y = ((const struct found *)b)->id;
    return x < y ? -1 : x > y;
}

static struct found *list_find(const struct found_list *l, uint64_t id)
{
    struct found key = {.id = id};
    return l->count == 0 ? NULL : bsearch(&key, l->items, l->count, sizeof(key), by_id);
}

/* --- into the map --- */

static bool better(const struct block *a, const struct replica *b)
{
    if (a->gen_stamp != b->gen_stamp)
        return a->gen_stamp > b->gen_stamp;
    return a->length > b->length;
}

static int enter(struct scan *s, const struct block *block, enum replica_state state,
                 struct replica_open *take_open, struct err *err)
{
    struct block_pool *p = s->pool;
    struct replica *r;
    struct block loser = *block;
    struct volume *loser_volume = s->volume;
    enum place loser_place = place_of(state);
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    struct replica *other = replica_find(p, block->id);
    bool takes = other == NULL || better(block, other);
    if (other != NULL && other->open != NULL && other->volume != s->volume->index) {
        pthread_mutex_unlock(&p->lock); /* a volume that joins: the one in use stays */
        free(take_open);
        log_warn("a block is there twice, the copy of the new volume is left alone block=%lld "
                 "volume=%s",
                 (long long)block->id, s->volume->path);
        s->alone++;
        return 0;
    }
    if (other != NULL && takes) {
        loser = (struct block){other->id, other->gen_stamp, other->length};
        loser_volume = store_volume(p->store, other->volume);
        loser_place = place_of((enum replica_state)other->state);
        replica_forget(p, other);
    }
    if (takes)
        rc = replica_insert(p,
                            &(struct replica){.state = (uint8_t)state,
                                              .volume = (uint8_t)s->volume->index,
                                              .id = block->id,
                                              .gen_stamp = block->gen_stamp,
                                              .length = block->length,
                                              .open = take_open},
                            &r, err);
    if (!takes || rc != 0)
        free(take_open);
    pthread_mutex_unlock(&p->lock);
    if (other == NULL || rc != 0)
        return rc;
    log_warn("a block is there twice, one copy is removed block=%lld stamp=%llu volume=%s",
             (long long)loser.id, (unsigned long long)loser.gen_stamp, loser_volume->path);
    replica_unlink(p, loser_volume, loser_place, &loser);
    return 0;
}

/* --- finalized --- */

static int move_home(struct scan *s, const char *dir, const struct block *b, struct err *err)
{
    struct store_path home, from, to;
    layout_dir(&home, s->volume, s->pool->id, PLACE_FINALIZED, b->id);
    if (strcmp(home.text, dir) == 0)
        return 0;
    TRY(durable_mkdirs(home.text, 0755, err));
    layout_meta(&to, s->volume, s->pool->id, PLACE_FINALIZED, b->id, b->gen_stamp);
    int n = snprintf(from.text, sizeof(from.text), "%s%s", dir, strrchr(to.text, '/'));
    if (n >= STORE_PATH_MAX)
        return fail(err, ERR_CORRUPT, "%s is too deep", dir);
    if (renameat2(AT_FDCWD, from.text, AT_FDCWD, to.text, RENAME_NOREPLACE) != 0)
        return fail_errno(err, "moving %s to %s", from.text, to.text);
    layout_data(&to, s->volume, s->pool->id, PLACE_FINALIZED, b->id);
    snprintf(from.text, sizeof(from.text), "%s%s", dir, strrchr(to.text, '/'));
    if (renameat2(AT_FDCWD, from.text, AT_FDCWD, to.text, RENAME_NOREPLACE) != 0)
        return fail_errno(err, "moving %s to %s", from.text, to.text);
    s->moved++;
    return durable_sync_dir(home.text, err);
}

static int pair_up(struct scan *s, const char *dir, struct found_list *data,
                   struct found_list *metas, struct err *err)
{
    if (metas->count > 0)
        qsort(metas->items, metas->count, sizeof(*metas->items), by_id);
    for (size_t i = 0; i < data->count; i++) {
        struct found *meta = list_find(metas, data->items[i].id);
        if (meta == NULL) {
            s->alone++;
            log_warn("a replica has no checksums, it is left alone path=%s/blk_%lld", dir,
                     (long long)data->items[i].id);
            continue;
        }
        struct block b = {meta->id, meta->gen_stamp, data->items[i].size};
        meta->size = 1; /* used */
        struct err moving = {0};
        if (move_home(s, dir, &b, &moving) != 0) {
            s->alone++;
            log_warn("a replica is at a wrong place and stays there cause=%s",
                     log_quote(moving.text));
            continue;
        }
        TRY(enter(s, &b, REPLICA_FINALIZED, NULL, err));
        s->finalized++;
    }
    for (size_t i = 0; i < metas->count; i++)
        if (metas->items[i].size == 0)
            TRY(list_add(&s->metas, metas->items[i], err));
    return 0;
}

static int walk(struct scan *s, const char *dir, int depth, struct err *err);

static int take_entry(struct scan *s, int dir_fd, const char *dir, const char *name, int depth,
                      struct found_list *data, struct found_list *metas, struct err *err)
{
    struct found f = {0};
    struct stat st;
    struct store_path child;
    if (layout_meta_name(name, &f.id, &f.gen_stamp))
        return list_add(metas, f, err);
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : fail_errno(err, "asking for %s/%s", dir, name);
    if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
        int n = snprintf(child.text, sizeof(child.text), "%s/%s", dir, name);
        return n < STORE_PATH_MAX ? walk(s, child.text, depth + 1, err) : 0;
    }
    if (!S_ISREG(st.st_mode) || !layout_block_name(name, &f.id))
        return 0;
    f.size = (uint64_t)st.st_size;
    return list_add(data, f, err);
}

static int walk(struct scan *s, const char *dir, int depth, struct err *err)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return fail_errno(err, "opening %s", dir);
    struct found_list data = {0}, metas = {0};
    int rc = 0;
    errno = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d)) != NULL; errno = 0)
        if (e->d_name[0] != '.')
            rc = take_entry(s, dirfd(d), dir, e->d_name, depth, &data, &metas, err);
    if (rc == 0 && errno != 0)
        rc = fail_errno(err, "reading %s", dir);
    closedir(d);
    if (rc == 0)
        rc = pair_up(s, dir, &data, &metas, err);
    free(data.items);
    free(metas.items);
    return rc;
}

static int scan_finalized(struct scan *s, struct err *err)
{
    struct store_path pool, dir;
    layout_pool_dir(&pool, s->volume, s->pool->id);
    int n = snprintf(dir.text, sizeof(dir.text), "%s/current/finalized", pool.text);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    TRY(walk(s, dir.text, 0, err));
    if (s->metas.count > 0)
        qsort(s->metas.items, s->metas.count, sizeof(*s->metas.items), by_id);
    return 0;
}

/* --- open and incoming ones --- */

/* Calls back for every plain file of a folder. */
static int each_file(const char *dir, int (*cb)(void *ctx, const char *name, struct err *err),
                     void *ctx, struct err *err)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return fail_errno(err, "opening %s", dir);
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            rc = cb(ctx, e->d_name, err);
    closedir(d);
    return rc;
}

struct rbw_scan {
    struct found_list data, metas;
};

static int take_rbw(void *ctx, const char *name, struct err *err)
{
    struct rbw_scan *x = ctx;
    struct found f = {0};
    if (layout_meta_name(name, &f.id, &f.gen_stamp))
        return list_add(&x->metas, f, err);
    if (layout_block_name(name, &f.id))
        return list_add(&x->data, f, err);
    return 0;
}

static int take_back_meta(struct scan *s, const struct found *meta, struct err *err)
{
    struct store_path from, to;
    layout_meta(&from, s->volume, s->pool->id, PLACE_FINALIZED, meta->id, meta->gen_stamp);
    layout_meta(&to, s->volume, s->pool->id, PLACE_RBW, meta->id, meta->gen_stamp);
    return durable_rename(from.text, to.text, err);
}

/* Looks at the mark of a planned restart and removes it. */
static bool back_in_time(const struct scan *s, uint64_t id)
{
    struct store_path path;
    struct buf b = {0};
    uint8_t end = 0;
    layout_restart(&path, s->volume, s->pool->id, id);
    int64_t until = 0;
    if (file_read(path.text, 64, &b, NULL) == 0 && buf_append(&b, &end, 1) == 0)
        until = strtoll((const char *)buf_head(&b), NULL, 10);
    buf_fini(&b);
    (void)unlink(path.text); /* mostly not there */
    return until > clock_wall_ms();
}

static int scan_one_open(struct scan *s, uint64_t id, const struct rbw_scan *x, struct err *err)
{
    struct found *meta = list_find(&x->metas, id);
    if (meta == NULL && (meta = list_find(&s->metas, id)) != NULL)
        TRY(take_back_meta(s, meta, err));
    if (meta == NULL) {
        s->alone++;
        log_warn("an open replica has no checksums, it is left alone volume=%s block=%lld",
                 s->volume->path, (long long)id);
        return 0;
    }
    struct block b = {id, meta->gen_stamp, 0};
    struct crc_kind kind;
    uint32_t crc;
    TRY(scan_open_replica(s->volume, s->pool->id, &b, &kind, &crc, err));
    s->open++;
    if (!back_in_time(s, id))
        return enter(s, &b, REPLICA_RWR, NULL, err);
    struct replica_open *open = replica_open_new(kind, 0);
    if (open == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for an open replica");
    open->acked = b.length;
    open->partial_crc = crc;
    open->has_partial = true;
    return enter(s, &b, REPLICA_RBW, open, err);
}

static int scan_rbw(struct scan *s, struct err *err)
{
    struct store_path dir;
    struct rbw_scan x = {0};
    layout_dir(&dir, s->volume, s->pool->id, PLACE_RBW, 0);
    int rc = each_file(dir.text, take_rbw, &x, err);
    if (rc == 0 && x.metas.count > 0)
        qsort(x.metas.items, x.metas.count, sizeof(*x.metas.items), by_id);
    for (size_t i = 0; rc == 0 && i < x.data.count; i++)
        rc = scan_one_open(s, x.data.items[i].id, &x, err);
    free(x.data.items);
    free(x.metas.items);
    return rc;
}

static int remove_copy(void *ctx, const char *name, struct err *err)
{
    struct scan *s = ctx;
    struct store_path dir, path;
    uint64_t id, gen_stamp;
    if (!layout_block_name(name, &id) && !layout_meta_name(name, &id, &gen_stamp))
        return 0;
    layout_dir(&dir, s->volume, s->pool->id, PLACE_TMP, 0);
    int n = snprintf(path.text, sizeof(path.text), "%s/%s", dir.text, name);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    if (unlink(path.text) != 0)
        return fail_errno(err, "removing %s", path.text);
    s->temporary++;
    return 0;
}

static int scan_volume(struct scan *s, struct err *err)
{
    struct store_path tmp;
    TRY(scan_finalized(s, err));
    TRY(scan_rbw(s, err));
    layout_dir(&tmp, s->volume, s->pool->id, PLACE_TMP, 0);
    return each_file(tmp.text, remove_copy, s, err);
}

static void *scan_thread(void *arg)
{
    struct scan *s = arg;
    int64_t start_ms = clock_monotonic_ms();
    s->rc = scan_volume(s, &s->err);
    free(s->metas.items);
    if (s->rc == 0)
        log_info("volume scanned path=%s pool=%s finalized=%llu open=%llu copies_removed=%llu "
                 "moved=%llu left_alone=%llu ms=%lld",
                 s->volume->path, s->pool->id, (unsigned long long)s->finalized,
                 (unsigned long long)s->open, (unsigned long long)(s->temporary / 2),
                 (unsigned long long)s->moved, (unsigned long long)s->alone,
                 (long long)(clock_monotonic_ms() - start_ms));
    return NULL;
}

int pool_scan_volume(struct block_pool *p, struct volume *v, struct err *err)
{
    struct scan s = {.pool = p, .volume = v};
    scan_thread(&s);
    if (s.rc != 0) {
        pool_drop_volume(p, v, false);
        *err = s.err;
    }
    return s.rc;
}

/* store.lock is held. A volume that can't be read is out; the pool fails when none is left. */
int pool_scan(struct block_pool *p, struct err *err)
{
    struct store *store = p->store;
    size_t count = store->volume_count; /* one that joins now comes when the pool is there */
    struct scan *scans = calloc(count, sizeof(*scans));
    if (scans == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a scan");
    for (size_t i = 0; i < count; i++) {
        struct scan *s = &scans[i];
        s->pool = p;
        s->volume = store_volume(store, i);
        if (!volume_works(s->volume)) {
            s->volume = NULL;
            continue;
        }
        s->started = pthread_create(&s->thread, NULL, scan_thread, s) == 0;
        if (!s->started)
            scan_thread(s); /* no thread to be had: one after the other */
    }
    size_t working = 0;
    for (size_t i = 0; i < count; i++) {
        struct scan *s = &scans[i];
        if (s->volume == NULL)
            continue;
        if (s->started)
            pthread_join(s->thread, NULL);
        if (s->rc != 0) {
            volume_fail(s->volume, s->err.text);
            *err = s->err;
        }
        if (volume_works(s->volume))
            working++;
        else
            pool_drop_volume(p, s->volume, false);
    }
    free(scans);
    return working > 0 ? 0 : err->code != 0 ? err->code : fail(err, ERR_DISK, "no volume works");
}
