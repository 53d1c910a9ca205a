/* volume.c - one data folder: its lock, its VERSION files, its pools' folders.
 * Thread: whoever opens, attaches or closes it, one at a time; the fields that change while others
 * use the volume are atomic or under its lock, storage_id is written once, before it works. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/volume/internal.h"

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static void version_path(const struct volume *v, struct store_path *ret)
{
    int n = snprintf(ret->text, sizeof(ret->text), "%s/current/VERSION", v->path);
    CHECK(n > 0 && n < STORE_PATH_MAX);
}

static int take_version(struct volume *v, const struct properties *p, const char *path,
                        struct err *err)
{
    const char *cluster, *type;
    TRY(version_check_layout(p, path, err));
    TRY(version_need(p, path, "clusterID", &cluster, err));
    TRY(version_need(p, path, "storageType", &type, err));
    if (strcmp(type, "DATA_NODE") != 0)
        return fail(err, ERR_CORRUPT, "%s is a folder of %s, not of a DataNode", path, type);
    const char *storage = properties_get(p, "storageID"), *uuid = properties_get(p, "datanodeUuid");
    snprintf(v->cluster_id, sizeof(v->cluster_id), "%s", cluster);
    snprintf(v->storage_id, sizeof(v->storage_id), "%s", storage == NULL ? "" : storage);
    snprintf(v->uuid, sizeof(v->uuid), "%s", uuid == NULL ? "" : uuid);
    return 0;
}

static int read_version(struct volume *v, struct err *err)
{
    struct store_path path;
    version_path(v, &path);
    if (!exists(path.text))
        return 0; /* fresh */
    struct properties p = {0};
    TRY(properties_read(path.text, &p, err));
    int rc = take_version(v, &p, path.text, err);
    properties_fini(&p);
    return rc;
}

int volume_new(const struct volume_rules *rules, const struct volume_location *l,
               const struct conf *conf, struct volume **ret, struct err *err)
{
    pthread_condattr_t attr;
    struct volume_reserve reserve;
    TRY(volume_reserve_of(conf, l, &reserve, err));
    struct volume *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a volume");
    v->rules = rules;
    v->location = *l;
    v->path = v->location.path;
    v->type = l->type;
    v->reserve = reserve;
    for (size_t i = 0; i < DISK_OPS; i++)
        v->times[i] = stats_disk(rules->stats, v->path, (enum disk_op)i);
    v->lock_fd = -1;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&v->lock, NULL) == 0);
    CHECK(pthread_cond_init(&v->wake, &attr) == 0);
    pthread_condattr_destroy(&attr);
    *ret = v;
    return 0;
}

void volume_free(struct volume *v)
{
    if (v == NULL)
        return;
    CHECK(!v->watched && v->remover == NULL && v->lock_fd < 0);
    pthread_cond_destroy(&v->wake);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

int volume_open(struct volume *v, struct err *err)
{
    TRY(durable_mkdirs(v->path, v->rules->dir_mode, err));
    if (chmod(v->path, v->rules->dir_mode) != 0)
        return fail_errno(err, "setting the mode of %s", v->path);
    TRY(lock_dir(v->path, &v->lock_fd, err));
    TRY(read_version(v, err));
    TRY(watch_probe(v, err));
    v->remover = workers_new("dn-remove", 1);
    if (v->remover == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a volume");
    return watch_start(v, err);
}

bool volume_close(struct volume *v)
{
    if (!watch_stop(v))
        return false;
    if (v->remover != NULL)
        workers_free(v->remover);
    v->remover = NULL;
    if (v->lock_fd >= 0)
        close(v->lock_fd);
    v->lock_fd = -1;
    return true;
}

/* Writes what is missing: a fresh volume, or one without storage or node id. */
static int complete_version(struct volume *v, const struct pool_identity *id, const char *uuid,
                            struct err *err)
{
    struct store_path path, current;
    version_path(v, &path);
    if (v->storage_id[0] != '\0' && v->uuid[0] != '\0' && exists(path.text))
        return 0;
    if (v->storage_id[0] == '\0') {
        char storage[37];
        random_uuid(storage);
        snprintf(v->storage_id, sizeof(v->storage_id), "DS-%s", storage);
    }
    snprintf(v->cluster_id, sizeof(v->cluster_id), "%s", id->cluster_id);
    snprintf(v->uuid, sizeof(v->uuid), "%s", uuid);
    snprintf(current.text, sizeof(current.text), "%s/current", v->path);
    TRY(durable_mkdirs(current.text, v->rules->dir_mode, err));
    const char *const pairs[][2] = {
        {"storageID", v->storage_id}, {"clusterID", v->cluster_id}, {"cTime", "0"},
        {"datanodeUuid", v->uuid},    {"storageType", "DATA_NODE"}, {"layoutVersion", "-57"}};
    TRY(version_write(path.text, pairs, ARRAY_SIZE(pairs), err));
    log_info("volume is ready path=%s storage=%s cluster=%s", v->path, v->storage_id,
             v->cluster_id);
    return 0;
}

/* --- a pool --- */

static int check_pool(const struct pool_identity *id, const struct pool_version *have,
                      const char *path, struct err *err)
{
    if (have->namespace_id != id->namespace_id)
        return fail(err, ERR_CORRUPT, "Incompatible namespaceIDs: %s has %d, the NameNode has %d",
                    path, (int)have->namespace_id, (int)id->namespace_id);
    if (strcmp(have->pool_id, id->pool_id) != 0)
        return fail(err, ERR_CORRUPT, "%s belongs to block pool %s, not to %s", path, have->pool_id,
                    id->pool_id);
    if (have->ctime > id->ctime)
        return fail(err, ERR_CORRUPT,
                    "%s: Datanode state: CTime = %llu is newer than the namespace state: CTime = "
                    "%llu (after a rollback of the NameNode start with -rollback)",
                    path, (unsigned long long)have->ctime, (unsigned long long)id->ctime);
    return 0;
}

/* Folders first, VERSION last: a pool with a VERSION is complete. */
static int make_folders(const char *pool, struct err *err)
{
    static const char *const dirs[] = {"current/finalized", "current/rbw", "tmp"};
    struct store_path path;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        int n = snprintf(path.text, sizeof(path.text), "%s/%s", pool, dirs[i]);
        CHECK(n > 0 && n < STORE_PATH_MAX);
        TRY(durable_mkdirs(path.text, 0755, err));
    }
    return 0;
}

static int attach_pool(const struct volume *v, const struct pool_identity *id, struct err *err)
{
    struct store_path pool, path;
    struct pool_version have;
    bool undone;
    layout_pool_dir(&pool, v, id->pool_id);
    int n = snprintf(path.text, sizeof(path.text), "%s/current/VERSION", pool.text);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    TRY(upgrade_recover(pool.text, err));
    if (v->rules->rollback)
        TRY(upgrade_undo(pool.text, id, &undone, err));
    if (!exists(path.text)) {
        TRY(make_folders(pool.text, err));
        return pool_version_write(path.text, id, err);
    }
    TRY(pool_version_read(path.text, &have, err));
    TRY(check_pool(id, &have, path.text, err));
    if (have.ctime < id->ctime)
        TRY(upgrade_make(pool.text, id, err));
    return make_folders(pool.text, err);
}

/* Caches of what we are about to change: a Hadoop must not believe them when it takes the disk
 * back.
 */
static void drop_caches(const struct volume *v, const char *pool_id)
{
    static const char *const names[] = {"replicas", "dfsUsed"};
    struct store_path pool, path;
    layout_pool_dir(&pool, v, pool_id);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        int n = snprintf(path.text, sizeof(path.text), "%s/current/%s", pool.text, names[i]);
        CHECK(n > 0 && n < STORE_PATH_MAX);
        (void)unlink(path.text); /* mostly not there */
    }
}

int volume_attach(struct volume *v, const struct pool_identity *id, const char *uuid,
                  struct err *err)
{
    if (v->cluster_id[0] != '\0' && strcmp(v->cluster_id, id->cluster_id) != 0)
        return fail(err, ERR_CORRUPT,
                    "Incompatible clusterIDs in %s: namenode clusterID = %s; datanode clusterID = "
                    "%s",
                    v->path, id->cluster_id, v->cluster_id);
    TRY(complete_version(v, id, uuid, err));
    TRY(attach_pool(v, id, err));
    drop_caches(v, id->pool_id);
    return 0;
}

struct leftover {
    struct store_path path;
};

static void remove_leftover(void *arg)
{
    struct leftover *l = arg;
    struct err err = {0};
    if (remove_tree(l->path.text, &err) != 0)
        log_warn("what an upgrade kept stays until the next start cause=%s", log_quote(err.text));
    free(l);
}

int volume_finalize(struct volume *v, const char *pool_id, struct err *err)
{
    struct store_path pool;
    bool wanted;
    layout_pool_dir(&pool, v, pool_id);
    TRY(upgrade_finalize(pool.text, &wanted, err));
    if (!wanted)
        return 0;
    struct leftover *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return 0; /* the next start removes it */
    int n = snprintf(l->path.text, sizeof(l->path.text), "%s/finalized.tmp", pool.text);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    if (workers_submit(v->remover, remove_leftover, l, 1u << 20) != 0)
        free(l);
    return 0;
}

const char *volume_path(const struct volume *v)
{
    return v->path;
}

const char *volume_storage_id(const struct volume *v)
{
    return v->storage_id;
}

enum storage_type volume_type(const struct volume *v)
{
    return v->type;
}
