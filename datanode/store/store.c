/* store.c - all volumes of a DataNode, and its block pools.
 * Thread: any. store.lock guards the array of pools and the node's id; a pool that is in the array
 * stays there. A volume's memory lives as long as the store; its slot may go to another one after
 * it was removed. */
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

static void on_bad(void *ctx, struct volume *v, const char *why)
{
    (void)ctx;
    volume_fail(v, why);
}

static void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(c, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

/* One that doesn't open stays in its slot as failed, so that its path can be reported. */
static int open_volume(struct store *s, const struct volume_location *l, struct err *ret_why,
                       struct err *err)
{
    struct volume *v;
    TRY(volume_new(&s->rules, l, s->conf, &v, err));
    TRY(volumes_add(s, v, err));
    if (volume_open(v, ret_why) == 0) {
        atomic_store(&v->state, VOLUME_WORKS);
        return 0;
    }
    if (ret_why->code == ERR_LOCKED) { /* not a broken disk: another process works on it */
        *err = *ret_why;
        return err->code;
    }
    volume_fail(v, ret_why->text);
    return 0;
}

/* One node, however many volumes. */
static int take_uuid(struct store *s, const struct volume *v, struct err *err)
{
    if (v->uuid[0] == '\0' || strcmp(s->uuid, v->uuid) == 0)
        return 0;
    if (s->uuid[0] != '\0')
        return fail(err, ERR_CORRUPT, "%s belongs to DataNode %s, other volumes to %s", v->path,
                    v->uuid, s->uuid);
    snprintf(s->uuid, sizeof(s->uuid), "%s", v->uuid);
    return 0;
}

int store_check_uuid(struct store *s, const struct volume *v, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    int rc = take_uuid(s, v, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int open_volumes(struct store *s, const struct volume_location *locations, size_t count,
                        struct err *err)
{
    struct err last = {0};
    if (s->tolerated >= (int64_t)count)
        return fail(err, ERR_CONFIG,
                    "Invalid value configured for dfs.datanode.failed.volumes.tolerated - %lld. "
                    "Value configured is either less than -1 or >= to the number of configured "
                    "volumes (%zu).",
                    (long long)s->tolerated, count);
    for (size_t i = 0; i < count; i++) {
        TRY(open_volume(s, &locations[i], &last, err));
        struct volume *v = store_volume(s, i);
        if (volume_works(v))
            TRY(take_uuid(s, v, err));
    }
    if (s->unusable || s->failures.count == count)
        return fail(err, ERR_DISK,
                    "%zu of %zu volumes can't be used, dfs.datanode.failed.volumes.tolerated is "
                    "%lld; the last one: %s",
                    s->failures.count, count, (long long)s->tolerated, last.text);
    return 0;
}

static int read_rules(struct store *s, const struct store_options *o, struct err *err)
{
    const struct conf *conf = s->conf;
    s->rules = (struct volume_rules){
        .stats = o->stats,
        .dir_mode = (unsigned)strtoul(conf_str(conf, CONF_dn_data_dir_perm), NULL, 8) & 0777,
        .rollback = o->rollback,
        .check_timeout_ms = conf_ms(conf, CONF_dn_check_timeout),
        .check_gap_ms = conf_ms(conf, CONF_dn_check_gap),
        .on_bad = on_bad,
        .ctx = s,
    };
    snprintf(s->rules.failpoints, sizeof(s->rules.failpoints), "%s",
             conf_str(conf, CONF_dn_failpoints));
    if (s->rules.failpoints[0] != '\0')
        log_warn("faults can be switched on by a file, for tests only file=%s",
                 s->rules.failpoints);
    s->tolerated = conf_int(conf, CONF_dn_failed_volumes_tolerated);
    s->durable = conf_bool(conf, CONF_dn_sync_on_close) || conf_bool(conf, CONF_dn_synconclose);
    s->restart_ms = conf_ms(conf, CONF_dn_restart_expiration);
    s->stop_timeout_ms = conf_ms(conf, CONF_dn_stop_timeout);
    s->drop_behind_writes = conf_bool(conf, CONF_dn_drop_behind_writes);
    return volume_chooser_init(&s->chooser, conf, random_u64(), err);
}

static struct store *store_new(void)
{
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    CHECK(pthread_mutex_init(&s->swap_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&s->chooser_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&s->failures_lock, NULL) == 0);
    cond_init(&s->failures_wake);
    return s;
}

static int start(struct store *s, const struct store_options *o, struct err *err)
{
    struct volume_location *locations = calloc(STORE_MAX_VOLUMES, sizeof(*locations));
    size_t count = 0;
    if (locations == NULL || s->conf == NULL) {
        free(locations);
        return fail(err, ERR_NO_MEMORY, "no memory for the store");
    }
    int rc = read_rules(s, o, err);
    if (rc == 0)
        rc = volume_locations(conf_str(s->conf, CONF_dn_data_dir), locations, &count, err);
    if (rc == 0)
        rc = open_volumes(s, locations, count, err);
    if (rc == 0)
        rc = failures_start(s, err);
    free(locations);
    return rc;
}

int store_open_with(const struct conf *conf, const struct store_options *o, struct store **ret,
                    struct err *err)
{
    struct store *s = store_new();
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the store");
    s->conf = conf_copy(conf);
    int rc = start(s, o, err);
    if (rc != 0) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int store_open(const struct conf *conf, struct store **ret, struct err *err)
{
    return store_open_with(conf, &(struct store_options){0}, ret, err);
}

static void pool_free(struct block_pool *p)
{
    for (handle_t h = 1; h <= p->replicas.used; h++)
        free(((struct replica *)pool_at(&p->replicas, h))->open);
    idmap_fini(&p->map);
    pool_fini(&p->replicas);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void store_close(struct store *s)
{
    bool closed = true;
    if (s == NULL)
        return;
    failures_stop(s);
    for (size_t i = 0; i < s->volume_count; i++)
        closed &= volume_close(store_volume(s, i)); /* waits for removals, which use the pools */
    if (!closed)
        return; /* a thread hangs in a disk and may still look at all this */
    for (size_t i = 0; i < s->volume_count; i++)
        volume_free(store_volume(s, i));
    for (struct volume *v = s->retired, *next; v != NULL; v = next) {
        next = v->next_retired;
        volume_free(v);
    }
    for (size_t i = 0; i < s->pool_count; i++)
        pool_free(s->pools[i]);
    conf_free(s->conf);
    pthread_cond_destroy(&s->failures_wake);
    pthread_mutex_destroy(&s->failures_lock);
    pthread_mutex_destroy(&s->chooser_lock);
    pthread_mutex_destroy(&s->swap_lock);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void store_listen(struct store *s, store_listener listener, void *ctx)
{
    s->listener = listener;
    s->listener_ctx = ctx;
}

static struct block_pool *pool_new(struct store *s, const struct pool_identity *id)
{
    struct block_pool *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    cond_init(&p->changed);
    p->store = s;
    snprintf(p->id, sizeof(p->id), "%s", id->pool_id);
    snprintf(p->cluster_id, sizeof(p->cluster_id), "%s", id->cluster_id);
    p->namespace_id = id->namespace_id;
    p->ctime = id->ctime;
    pool_map_init(p);
    return p;
}

static int check_identity(const struct store *s, const struct block_pool *p,
                          const struct pool_identity *id, struct err *err)
{
    if (strcmp(p->cluster_id, id->cluster_id) != 0)
        return fail(err, ERR_CORRUPT,
                    "Incompatible clusterIDs in %s: namenode clusterID = %s; datanode clusterID = "
                    "%s",
                    store_volume(s, 0)->path, id->cluster_id, p->cluster_id);
    if (p->namespace_id != id->namespace_id || p->ctime != id->ctime)
        return fail(err, ERR_CORRUPT,
                    "block pool %s has namespaceID %d and cTime %llu, another NameNode says %d and "
                    "%llu",
                    p->id, (int)p->namespace_id, (unsigned long long)p->ctime,
                    (int)id->namespace_id, (unsigned long long)id->ctime);
    return 0;
}

static int check_new(const struct store *s, const struct pool_identity *id, struct err *err)
{
    if (!layout_pool_id_valid(id->pool_id))
        return fail(err, ERR_PROTOCOL, "%s is not a valid block pool id", log_quote(id->pool_id));
    if (strlen(id->cluster_id) >= sizeof(s->pools[0]->cluster_id))
        return fail(err, ERR_PROTOCOL, "the cluster ID is too long");
    if (s->pool_count == MAX_POOLS)
        return fail(err, ERR_BUSY, "there are %d block pools already", MAX_POOLS);
    return 0;
}

static int attach_new(struct store *s, const struct pool_identity *id, struct block_pool **ret,
                      struct err *err)
{
    TRY(check_new(s, id, err));
    if (s->uuid[0] == '\0')
        random_uuid(s->uuid);
    for (size_t i = 0; i < s->volume_count; i++)
        if (volume_works(store_volume(s, i)))
            TRY(volume_attach(store_volume(s, i), id, s->uuid, err));
    struct block_pool *p = pool_new(s, id);
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a block pool");
    int rc = pool_scan(p, err);
    if (rc != 0) {
        pool_free(p);
        return rc;
    }
    s->pools[s->pool_count] = p;
    atomic_fetch_add(&s->pool_count, 1);         /* now others see it */
    for (size_t i = 0; i < s->volume_count; i++) /* who went meanwhile did not see it */
        if (!volume_works(store_volume(s, i)) && atomic_load(&store_volume(s, i)->replicas) > 0)
            pool_drop_volume(p, store_volume(s, i), false);
    *ret = p;
    return 0;
}

static struct block_pool *find_pool(const struct store *s, const char *pool_id)
{
    for (size_t i = 0; i < s->pool_count; i++)
        if (strcmp(s->pools[i]->id, pool_id) == 0)
            return s->pools[i];
    return NULL;
}

/* A pool that was deleted begins anew; those who still know it by its pointer find it empty until
 * then. */
static int attach_again(struct store *s, struct block_pool *p, const struct pool_identity *id,
                        struct block_pool **ret, struct err *err)
{
    if (strcmp(p->cluster_id, id->cluster_id) != 0)
        return check_identity(s, p, id, err);
    for (size_t i = 0; i < s->volume_count; i++)
        if (volume_works(store_volume(s, i)))
            TRY(volume_attach(store_volume(s, i), id, s->uuid, err));
    p->namespace_id = id->namespace_id;
    p->ctime = id->ctime;
    TRY(pool_scan(p, err));
    atomic_store(&p->gone, false);
    *ret = p;
    return 0;
}

int store_attach(struct store *s, const struct pool_identity *id, struct block_pool **ret,
                 struct err *err)
{
    pthread_mutex_lock(&s->lock);
    struct block_pool *p = find_pool(s, id->pool_id);
    int rc;
    if (p == NULL)
        rc = attach_new(s, id, ret, err);
    else if (atomic_load(&p->gone))
        rc = attach_again(s, p, id, ret, err);
    else if ((rc = check_identity(s, p, id, err)) == 0)
        *ret = p;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

struct block_pool *store_pool(struct store *s, const char *pool_id)
{
    /* pools only come, so no lock: a scan must not stop the others */
    struct block_pool *p = find_pool(s, pool_id);
    return p != NULL && !atomic_load(&p->gone) ? p : NULL;
}

struct block_pool *store_await_pool(struct store *s, const char *pool_id)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int64_t until = clock_monotonic_ms() + STORE_START_WAIT_MS;
    while (s->pool_count == 0 && clock_monotonic_ms() < until)
        nanosleep(&pause, NULL);
    return store_pool(s, pool_id);
}

void store_evict_writers(struct store *s)
{
    size_t count = atomic_load(&s->pool_count);
    for (size_t i = 0; i < count; i++)
        pool_evict_writers(s->pools[i]);
}

/* Calls visit for everything below the pool's folder of a volume, contents before their folder; it
 * ends when that fails. */
static int walk_pool(const struct volume *v, const char *pool_id,
                     int (*visit)(const FTSENT *e, struct err *err), struct err *err)
{
    struct store_path dir;
    layout_pool_dir(&dir, v, pool_id);
    char *paths[] = {dir.text, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    if (tree == NULL)
        return fail_errno(err, "open %s", dir.text);
    int rc = 0;
    for (FTSENT *e; rc == 0 && (e = fts_read(tree)) != NULL;)
        if (e->fts_info != FTS_D && (e->fts_info != FTS_NS || e->fts_level > 0))
            rc = visit(e, err);
    fts_close(tree);
    return rc;
}

static int visit_no_block(const FTSENT *e, struct err *err)
{
    if (e->fts_info != FTS_DP && strncmp(e->fts_name, "blk_", 4) == 0)
        return fail(err, ERR_IO, "Cannot delete block pool, it contains some block files");
    return 0;
}

static int visit_delete(const FTSENT *e, struct err *err)
{
    if (e->fts_errno == ENOENT)
        return 0;
    int rc = e->fts_info == FTS_DP ? rmdir(e->fts_path) : unlink(e->fts_path);
    return rc == 0 || errno == ENOENT ? 0 : fail_errno(err, "delete %s", e->fts_path);
}

static int walk_all(struct store *s, const char *pool_id,
                    int (*visit)(const FTSENT *e, struct err *err), struct err *err)
{
    for (size_t i = 0; i < s->volume_count; i++)
        if (volume_works(store_volume(s, i)))
            TRY(walk_pool(store_volume(s, i), pool_id, visit, err));
    return 0;
}

static void forget_pool(struct store *s, struct block_pool *p)
{
    atomic_store(&p->gone, true);
    pool_evict_writers(p);
    for (size_t i = 0; i < s->volume_count; i++)
        pool_drop_volume(p, store_volume(s, i), false);
}

int store_remove_pool(struct store *s, const char *pool_id, bool force, struct err *err)
{
    if (!layout_pool_id_valid(pool_id))
        return fail(err, ERR_IO, "%s is not a valid block pool id", log_quote(pool_id));
    pthread_mutex_lock(&s->lock);
    struct block_pool *p = find_pool(s, pool_id);
    int rc = force ? 0 : walk_all(s, pool_id, visit_no_block, err);
    if (rc == 0 && p != NULL && !atomic_load(&p->gone))
        forget_pool(s, p);
    if (rc == 0)
        rc = walk_all(s, pool_id, visit_delete, err);
    pthread_mutex_unlock(&s->lock);
    if (rc == 0)
        log_info("a block pool is deleted pool=%s forced=%d", log_quote(pool_id), force);
    return rc;
}

size_t store_pools(struct store *s, struct block_pool **out, size_t max)
{
    size_t count = atomic_load(&s->pool_count);
    if (count > max)
        count = max;
    memcpy(out, s->pools, count * sizeof(*out));
    return count;
}

const char *pool_id(const struct block_pool *p)
{
    return p->id;
}

const char *store_uuid(const struct store *s)
{
    return s->uuid;
}

size_t store_volumes(struct store *s, const struct block_pool *pool,
                     struct volume_info out[STORE_MAX_VOLUMES])
{
    size_t count = s->volume_count;
    for (size_t i = 0; i < count; i++) {
        struct volume *v = store_volume(s, i);
        int state = atomic_load(&v->state);
        struct volume_space space = {0};
        if (state == VOLUME_WORKS)
            space = volume_space(v);
        int64_t open = atomic_load(&v->reserved_open);
        int64_t pool_used = pool == NULL ? 0 : atomic_load(&pool->used[i]);
        out[i] = (struct volume_info){.path = v->path,
                                      .storage_id = v->storage_id,
                                      .type = v->type,
                                      .failed = state != VOLUME_WORKS,
                                      .removed = state == VOLUME_JOINING || state == VOLUME_REMOVED,
                                      .capacity = space.capacity,
                                      .used = space.used,
                                      .pool_used = pool_used < 0 ? 0 : (uint64_t)pool_used,
                                      .remaining = space.remaining,
                                      .non_dfs_used = space.non_dfs_used,
                                      .reserved = space.reserved,
                                      .reserved_open = open < 0 ? 0 : (uint64_t)open,
                                      .replicas = atomic_load(&v->replicas)};
    }
    return count;
}

int volume_choose(struct store *s, enum storage_type type, uint64_t need, struct volume **ret,
                  struct err *err)
{
    struct volume_candidate candidates[STORE_MAX_VOLUMES];
    size_t count = 0, slot = 0;
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = store_volume(s, i);
        if (v->type == type && volume_works(v))
            candidates[count++] = (struct volume_candidate){i, volume_space(v).remaining};
    }
    pthread_mutex_lock(&s->chooser_lock);
    int rc = volume_choose_among(&s->chooser, type, candidates, count, need, &slot, err);
    pthread_mutex_unlock(&s->chooser_lock);
    if (rc == 0)
        *ret = store_volume(s, slot);
    return rc;
}

void store_finalize_upgrade(struct block_pool *p)
{
    struct store *s = p->store;
    if (pthread_mutex_trylock(&s->swap_lock) != 0)
        return; /* volumes are scanned: too long for a heartbeat's thread */
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = store_volume(s, i);
        struct err err = {0};
        if (volume_works(v) && volume_finalize(v, p->id, &err) != 0)
            log_warn("the upgrade of a block pool is not final cause=%s", log_quote(err.text));
    }
    pthread_mutex_unlock(&s->swap_lock);
}
