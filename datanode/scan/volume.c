/* volume.c - the block scanner of one volume: suspects first, then one replica after the other, at
 * the rate of dfs.block.scanner.volume.bytes.per.second. A pool whose end was reached begins again
 * when the period since its begin is over; pools take turns.
 * Thread: one a volume. What is read on behalf of a suspect isn't waited for, but counts, so the
 * usual round pays for it. A replica that looks bad is read twice, and reported only if its record
 * stayed the same: a writer may have been at work. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/obs/obs.h"
#include "datanode/scan/internal.h"

enum { LOOK_AGAIN_MS = 1000, CURSOR_MAX = 4096 };

static bool ending(struct volume_scan *vs)
{
    struct scanner *s = vs->scanner;
    pthread_mutex_lock(&s->lock);
    bool ends = s->stopping || vs->ending;
    pthread_mutex_unlock(&s->lock);
    return ends;
}

/* Until then, a suspect, or the end. */
static void pause_until(struct volume_scan *vs, int64_t end_ns, bool for_suspects)
{
    struct scanner *s = vs->scanner;
    struct timespec end = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !vs->ending && !(for_suspects && vs->suspects.count > 0))
        if (pthread_cond_timedwait(&s->wake, &s->lock, &end) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&s->lock);
}

static void look_at_suspects(struct volume_scan *vs);

static bool pace(void *ctx, size_t bytes)
{
    struct volume_scan *vs = ctx;
    uint64_t place = bucket_reserve(&vs->bucket, bytes, clock_monotonic_ns());
    while (!ending(vs)) {
        if (vs->nested)
            return true;
        look_at_suspects(vs);
        int64_t now = clock_monotonic_ns(), wait = bucket_wait_ns(&vs->bucket, place, now);
        if (wait == 0)
            return true;
        pause_until(vs, now + wait, true);
    }
    return false;
}

/* --- one replica --- */

static bool unchanged(struct block_pool *p, const struct replica_info *before)
{
    struct replica_info now;
    return replica_look(p, before->block.id, &now) && now.state == REPLICA_FINALIZED &&
           now.volume == before->volume && now.block.gen_stamp == before->block.gen_stamp &&
           now.block.length == before->block.length;
}

static void note(struct volume_scan *vs, const struct block_pool *p, const struct block *b,
                 uint64_t bytes, bool verified, bool error)
{
    struct scanner *s = vs->scanner;
    struct volume_figures *f = &vs->figures;
    pthread_mutex_lock(&s->lock);
    figures_bytes(f, bytes, clock_monotonic_ms());
    snprintf(f->last, sizeof(f->last), "%.200s:blk_%" PRId64 "_%" PRIu64, pool_id(p),
             (int64_t)b->id, b->gen_stamp);
    f->scanned_in_period += verified;
    f->scanned += verified;
    f->errors += error;
    s->counts.verified += verified;
    s->counts.bytes += bytes;
    pthread_mutex_unlock(&s->lock);
    metric_add(METRIC_blocks_verified, verified);
    metric_add(METRIC_block_verification_failures, error);
}

static void examine(struct volume_scan *vs, struct block_pool *p, uint64_t id)
{
    struct replica_info info;
    if (!replica_look(p, id, &info) || info.state != REPLICA_FINALIZED || info.volume != vs->index)
        return; /* the directory scanner's business, if anybody's */
    struct err err = {0};
    uint64_t bytes = 0, more = 0;
    int rc = verify_replica(p, &info.block, pace, vs, &bytes, &err);
    if (verify_is_bad(rc)) {
        err = (struct err){0};
        rc = verify_replica(p, &info.block, pace, vs, &more, &err);
    }
    bool bad = verify_is_bad(rc) && unchanged(p, &info);
    note(vs, p, &info.block, bytes + more, rc == 0, bad);
    if (bad)
        scanner_bad(vs->scanner, p, &info.block, err.text);
    if (bad || rc == ERR_NOT_FOUND) /* a file that is gone or too short changes the record */
        scanner_reconcile(vs->scanner, p, vs->index, id, "the block scanner looked for it");
}

static void look_at_suspects(struct volume_scan *vs)
{
    struct scanner *s = vs->scanner;
    struct suspect x;
    if (vs->nested)
        return;
    vs->nested = true;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        bool found = !s->stopping && !vs->ending && suspects_take(&vs->suspects, &x);
        pthread_mutex_unlock(&s->lock);
        if (!found)
            break;
        examine(vs, x.pool, x.id);
    }
    vs->nested = false;
}

/* --- pools --- */

static void load_cursor(struct pool_walk *w, int64_t period_ms)
{
    struct buf b = {0};
    struct err err = {0};
    struct cursor c;
    int64_t now = clock_wall_ms();
    walk_rewind(&w->walk, now);
    int rc = file_read(w->cursor_path, CURSOR_MAX, &b, &err);
    if (rc == 0)
        rc = cursor_decode((const char *)buf_head(&b), buf_size(&b), &c, &err);
    buf_fini(&b);
    if (rc == 0 && c.started_ms <= now && now - c.started_ms < period_ms)
        w->walk.at = c;
    else if (rc == 0 && c.started_ms <= now && !c.at_end) /* late, but it goes on */
        w->walk.at = c;
    else if (rc != 0 && rc != ERR_NOT_FOUND)
        log_warn("the block scanner begins anew path=%s cause=%s", w->cursor_path,
                 log_quote(err.text));
}

static void save_cursor(struct pool_walk *w)
{
    struct buf b = {0};
    struct err err = {0};
    w->walk.at.saved_ms = clock_wall_ms();
    w->saved_ms = clock_monotonic_ms();
    int rc = cursor_encode(&w->walk.at, &b);
    if (rc == 0)
        rc = durable_write_file(w->cursor_path, buf_head(&b), buf_size(&b), &err);
    if (rc != 0)
        log_limited(LOG_WARN, "the place of the block scanner isn't saved path=%s cause=%s",
                    w->cursor_path, log_quote(err.text));
    buf_fini(&b);
}

static void take_new_pools(struct volume_scan *vs)
{
    struct block_pool *pools[MAX_SCAN_POOLS];
    size_t count = store_pools(vs->scanner->o.store, pools, MAX_SCAN_POOLS);
    for (size_t i = vs->pool_count; i < count; i++) { /* they only come, in this order */
        struct pool_walk *w = &vs->pools[i];
        char root[SCAN_PATH_MAX];
        const char *name = pool_id(pools[i]);
        int n = snprintf(root, sizeof(root), "%s/current/%s/current/finalized", vs->path, name);
        int m = snprintf(w->cursor_path, sizeof(w->cursor_path), "%s/current/%s/scanner.cursor",
                         vs->path, name);
        CHECK(n > 0 && n < SCAN_PATH_MAX && m > 0 &&
              m < SCAN_PATH_MAX); /* the store's are shorter */
        w->pool = pools[i];
        walk_init(&w->walk, root);
        load_cursor(w, vs->scanner->period_ms);
        w->saved_ms = clock_monotonic_ms();
        vs->pool_count++;
    }
}

/* The pool to go on with; NULL: none for *ret_wait ms. */
static struct pool_walk *usable_pool(struct volume_scan *vs, int64_t *ret_wait)
{
    int64_t now = clock_wall_ms();
    *ret_wait = INT64_MAX;
    if (vs->current < vs->pool_count && !vs->pools[vs->current].walk.at.at_end)
        return &vs->pools[vs->current];
    for (size_t i = 1; i <= vs->pool_count; i++) {
        size_t at = (vs->current + i) % vs->pool_count;
        struct pool_walk *w = &vs->pools[at];
        int64_t wait = w->walk.at.started_ms + vs->scanner->period_ms - now;
        if (w->walk.at.at_end && wait > 0) {
            *ret_wait = wait < *ret_wait ? wait : *ret_wait;
            continue;
        }
        if (w->walk.at.at_end)
            walk_rewind(&w->walk, now);
        vs->current = at;
        pthread_mutex_lock(&vs->scanner->lock);
        vs->figures.scans++;
        vs->figures.scanned_in_period = 0;
        vs->figures.next_start_ms = -1;
        pthread_mutex_unlock(&vs->scanner->lock);
        return w;
    }
    return NULL;
}

static void note_place(struct volume_scan *vs, const struct walk *w, int64_t wait_ms)
{
    struct scanner *s = vs->scanner;
    int64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&s->lock);
    vs->figures.next_start_ms = wait_ms == 0 || wait_ms == INT64_MAX ? -1 : now + wait_ms;
    vs->figures.period_end_ms = w == NULL ? -1 : w->at.started_ms + s->period_ms;
    vs->figures.at_end = w == NULL || w->at.at_end;
    pthread_mutex_unlock(&s->lock);
}

static bool read_lately(const struct volume_scan *vs, const struct walk *w)
{
    char path[SCAN_PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/%s/%s/%s", w->root, w->at.dir, w->at.sub, w->at.entry);
    return vs->scanner->skip_recent && n > 0 && n < SCAN_PATH_MAX && stat(path, &st) == 0 &&
           clock_wall_ms() - st.st_atim.tv_sec * 1000 < vs->scanner->period_ms;
}

/* One replica. Returns how long to wait before the next. */
static int64_t turn(struct volume_scan *vs)
{
    int64_t wait;
    uint64_t id;
    bool found;
    struct err err = {0};
    struct pool_walk *w = usable_pool(vs, &wait);
    if (w == NULL) {
        note_place(vs, vs->pool_count == 0 ? NULL : &vs->pools[vs->current].walk, wait);
        return wait < LOOK_AGAIN_MS ? wait : LOOK_AGAIN_MS;
    }
    if (walk_next(&w->walk, &id, &found, &err) != 0)
        log_warn("the block scanner can't go on volume=%s cause=%s", vs->path, log_quote(err.text));
    note_place(vs, &w->walk, 0);
    if (!found) {
        save_cursor(w);
        return 0;
    }
    if (clock_monotonic_ms() - w->saved_ms >= vs->scanner->save_ms)
        save_cursor(w);
    if (!read_lately(vs, &w->walk))
        examine(vs, w->pool, id);
    return 0;
}

void *volume_scan_run(void *arg)
{
    struct volume_scan *vs = arg;
    pthread_setname_np(pthread_self(), "dn-scan");
    scanner_be_idle();
    bucket_init(&vs->bucket, vs->scanner->rate, clock_monotonic_ns());
    while (!ending(vs)) {
        look_at_suspects(vs);
        take_new_pools(vs);
        int64_t wait = turn(vs);
        if (wait > 0)
            pause_until(vs, clock_monotonic_ns() + wait * 1000000, true);
    }
    for (size_t i = 0; i < vs->pool_count; i++) {
        if (scanner_stopping(vs->scanner)) /* else the folder is no longer ours */
            save_cursor(&vs->pools[i]);
        walk_fini(&vs->pools[i].walk);
    }
    atomic_store(&vs->over, true);
    return NULL;
}
