/* store.c - all volumes of a DataNode, and its block pools.
 * Thread: any. store.lock guards the array of pools, the node's id and the list of failures; a pool
 * that is in the array stays there, and the volumes never move. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

/* "[SSD]file:///d1" or "/d1" */
static int parse_dir(const char *text, struct volume *v, struct err *err)
{
    const char *at = text;
    v->type = STORAGE_DISK;
    if (*at == '[') {
        const char *end = strchr(at, ']');
        char name[16];
        if (end == NULL || (size_t)(end - at) > sizeof(name))
            return fail(err, ERR_CONFIG, "dfs.datanode.data.dir: %s has no valid storage type",
                        text);
        snprintf(name, sizeof(name), "%.*s", (int)(end - at - 1), at + 1);
        int type = storage_type_of(name);
        if (type == 0)
            return fail(err, ERR_CONFIG, "dfs.datanode.data.dir: %s is not a storage type here",
                        name);
        v->type = (enum storage_type)type;
        at = end + 1;
    }
    if (strncmp(at, "file:", 5) == 0) {
        at += 5;
        if (strncmp(at, "//", 2) == 0)
            at = strchr(at + 2, '/'); /* without the authority */
    }
    if (at == NULL || *at != '/' || strlen(at) >= VOLUME_PATH_MAX)
        return fail(err, ERR_CONFIG,
                    "dfs.datanode.data.dir: %s is not an absolute path of less than %d bytes", text,
                    VOLUME_PATH_MAX);
    snprintf(v->path, sizeof(v->path), "%s", at);
    for (size_t n = strlen(v->path); n > 1 && v->path[n - 1] == '/';)
        v->path[--n] = '\0';
    return 0;
}

/* Failed ones stay in the array, so that their paths can be reported. */
static int open_volumes(struct store *s, char **dirs, size_t count, struct err *err)
{
    if (count == 0 || count > STORE_MAX_VOLUMES)
        return fail(err, ERR_CONFIG, "dfs.datanode.data.dir has %zu folders, 1 to %d can be used",
                    count, STORE_MAX_VOLUMES);
    struct err last = {0};
    for (size_t i = 0; i < count; i++) {
        struct volume *v = &s->volumes[s->volume_count];
        *v = (struct volume){
            .store = s, .index = s->volume_count, .lock_fd = -1, .reserved = s->reserved};
        TRY(parse_dir(dirs[i], v, err));
        s->volume_count++;
        if (volume_open(v, &last) == 0)
            continue;
        if (last.code == ERR_LOCKED) { /* not a broken disk: another process works on it */
            *err = last;
            return last.code;
        }
        volume_note_failure(v, last.text);
    }
    int64_t tolerated = s->tolerated < 0 ? (int64_t)count - 1 : s->tolerated;
    if ((int64_t)s->failures.count > tolerated || s->failures.count == count)
        return fail(err, ERR_DISK,
                    "%zu of %zu volumes can't be used, dfs.datanode.failed.volumes.tolerated is "
                    "%lld; the last one: %s",
                    s->failures.count, count, (long long)s->tolerated, last.text);
    return 0;
}

int store_open(const struct conf *conf, struct store **ret, struct err *err)
{
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the store");
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    s->reserved = (uint64_t)conf_size(conf, CONF_dn_du_reserved);
    s->reserved_pct = (unsigned)conf_int(conf, CONF_dn_du_reserved_pct);
    s->dir_mode = (unsigned)strtoul(conf_str(conf, CONF_dn_data_dir_perm), NULL, 8) & 0777;
    s->tolerated = conf_int(conf, CONF_dn_failed_volumes_tolerated);
    s->durable = conf_bool(conf, CONF_dn_sync_on_close) || conf_bool(conf, CONF_dn_synconclose);
    snprintf(s->failpoints, sizeof(s->failpoints), "%s", conf_str(conf, CONF_dn_failpoints));
    if (s->failpoints[0] != '\0')
        log_warn("faults can be switched on by a file, for tests only file=%s", s->failpoints);
    s->restart_ms = conf_ms(conf, CONF_dn_restart_expiration);
    s->stop_timeout_ms = conf_ms(conf, CONF_dn_stop_timeout);
    s->drop_behind_writes = conf_bool(conf, CONF_dn_drop_behind_writes);
    char **dirs = NULL;
    size_t count = 0;
    int rc = conf_list(conf_str(conf, CONF_dn_data_dir), &dirs, &count);
    if (rc != 0)
        rc = fail(err, rc, "no memory for the list of volumes");
    else
        rc = open_volumes(s, dirs, count, err);
    conf_list_free(dirs, count);
    if (rc != 0) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
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
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->volume_count; i++)
        volume_close(&s->volumes[i]); /* waits for removals, which use the pools */
    for (size_t i = 0; i < s->pool_count; i++)
        pool_free(s->pools[i]);
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
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    CHECK(pthread_cond_init(&p->changed, &attr) == 0);
    pthread_condattr_destroy(&attr);
    p->store = s;
    snprintf(p->id, sizeof(p->id), "%s", id->pool_id);
    p->namespace_id = id->namespace_id;
    p->ctime = id->ctime;
    pool_map_init(p);
    return p;
}

static int check_identity(const struct store *s, const struct block_pool *p,
                          const struct pool_identity *id, struct err *err)
{
    const char *cluster = "";
    for (size_t i = 0; i < s->volume_count && cluster[0] == '\0'; i++)
        cluster = s->volumes[i].cluster_id;
    if (strcmp(cluster, id->cluster_id) != 0)
        return fail(err, ERR_CORRUPT,
                    "Incompatible clusterIDs in %s: namenode clusterID = %s; datanode clusterID = "
                    "%s",
                    s->volumes[0].path, id->cluster_id, cluster);
    if (p->namespace_id != id->namespace_id || p->ctime != id->ctime)
        return fail(err, ERR_CORRUPT,
                    "block pool %s has namespaceID %d and cTime %llu, another NameNode says %d and "
                    "%llu",
                    p->id, (int)p->namespace_id, (unsigned long long)p->ctime,
                    (int)id->namespace_id, (unsigned long long)id->ctime);
    return 0;
}

static int attach_new(struct store *s, const struct pool_identity *id, struct block_pool **ret,
                      struct err *err)
{
    if (!layout_pool_id_valid(id->pool_id))
        return fail(err, ERR_PROTOCOL, "%s is not a valid block pool id", log_quote(id->pool_id));
    if (strlen(id->cluster_id) >= sizeof(s->volumes[0].cluster_id))
        return fail(err, ERR_PROTOCOL, "the cluster ID is too long");
    if (s->pool_count == MAX_POOLS)
        return fail(err, ERR_BUSY, "there are %d block pools already", MAX_POOLS);
    if (s->uuid[0] == '\0')
        random_uuid(s->uuid);
    for (size_t i = 0; i < s->volume_count; i++)
        if (!atomic_load(&s->volumes[i].failed))
            TRY(volume_attach(&s->volumes[i], id, err));
    struct block_pool *p = pool_new(s, id);
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a block pool");
    int rc = pool_scan(p, err);
    if (rc != 0) {
        pool_free(p);
        return rc;
    }
    s->pools[s->pool_count] = p;
    atomic_fetch_add(&s->pool_count, 1); /* now others see it */
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

int store_attach(struct store *s, const struct pool_identity *id, struct block_pool **ret,
                 struct err *err)
{
    pthread_mutex_lock(&s->lock);
    struct block_pool *p = find_pool(s, id->pool_id);
    int rc;
    if (p == NULL)
        rc = attach_new(s, id, ret, err);
    else if ((rc = check_identity(s, p, id, err)) == 0)
        *ret = p;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

struct block_pool *store_pool(struct store *s, const char *pool_id)
{
    return find_pool(s, pool_id); /* pools only come, so no lock: a scan must not stop the others */
}

struct block_pool *store_await_pool(struct store *s, const char *pool_id)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int64_t until = clock_monotonic_ms() + STORE_START_WAIT_MS;
    while (s->pool_count == 0 && clock_monotonic_ms() < until)
        nanosleep(&pause, NULL);
    return find_pool(s, pool_id);
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
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = &s->volumes[i];
        struct volume_space space = {0};
        struct err err = {0};
        if (!atomic_load(&v->failed) && volume_space(v, &space, &err) != 0)
            volume_check(v, &err);
        int64_t open = atomic_load(&v->reserved_open);
        int64_t pool_used = pool == NULL ? 0 : atomic_load(&pool->used[i]);
        out[i] = (struct volume_info){.path = v->path,
                                      .storage_id = v->storage_id,
                                      .type = v->type,
                                      .failed = atomic_load(&v->failed),
                                      .capacity = space.capacity,
                                      .used = space.used,
                                      .pool_used = pool_used < 0 ? 0 : (uint64_t)pool_used,
                                      .remaining = space.remaining,
                                      .non_dfs_used = space.non_dfs_used,
                                      .reserved = v->reserved,
                                      .reserved_open = open < 0 ? 0 : (uint64_t)open,
                                      .replicas = atomic_load(&v->replicas)};
    }
    return s->volume_count;
}

void store_failures(struct store *s, struct volume_failures *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->failures;
    pthread_mutex_unlock(&s->lock);
}
