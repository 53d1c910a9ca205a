/* volume.c - one data folder: its lock, its VERSION files, its space, and how it fails.
 * Thread: any; the fields that change after the attach are atomic, storage_id is written once,
 * before the pool is there for others. A volume lives as long as its store, also when it has
 * failed: readers and writers may hold it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/store/internal.h"

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static int version_path(const struct volume *v, struct store_path *ret)
{
    int n = snprintf(ret->text, sizeof(ret->text), "%s/current/VERSION", v->path);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    return n;
}

static int need_property(const struct properties *p, const char *path, const char *name,
                         const char **ret, struct err *err)
{
    *ret = properties_get(p, name);
    if (*ret == NULL)
        return fail(err, ERR_CORRUPT, "%s has no %s", path, name);
    return 0;
}

static int check_layout(const struct properties *p, const char *path, struct err *err)
{
    const char *text;
    TRY(need_property(p, path, "layoutVersion", &text, err));
    long layout = strtol(text, NULL, 10);
    if (layout != STORE_LAYOUT_VERSION)
        return fail(err, ERR_CORRUPT, "%s has layout version %ld, this version reads %d only", path,
                    layout, STORE_LAYOUT_VERSION);
    return 0;
}

static int take_version(struct volume *v, const struct properties *p, const char *path,
                        struct err *err)
{
    const char *cluster, *type;
    TRY(check_layout(p, path, err));
    TRY(need_property(p, path, "clusterID", &cluster, err));
    TRY(need_property(p, path, "storageType", &type, err));
    if (strcmp(type, "DATA_NODE") != 0)
        return fail(err, ERR_CORRUPT, "%s is a folder of %s, not of a DataNode", path, type);
    const char *storage = properties_get(p, "storageID"), *uuid = properties_get(p, "datanodeUuid");
    snprintf(v->cluster_id, sizeof(v->cluster_id), "%s", cluster);
    snprintf(v->storage_id, sizeof(v->storage_id), "%s", storage == NULL ? "" : storage);
    if (uuid == NULL || uuid[0] == '\0')
        return 0;
    struct store *s = v->store;
    if (s->uuid[0] != '\0' && strcmp(s->uuid, uuid) != 0)
        return fail(err, ERR_CORRUPT, "%s belongs to DataNode %s, other volumes to %s", path, uuid,
                    s->uuid);
    snprintf(s->uuid, sizeof(s->uuid), "%s", uuid);
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

int volume_open(struct volume *v, struct err *err)
{
    TRY(durable_mkdirs(v->path, v->store->dir_mode, err));
    if (chmod(v->path, v->store->dir_mode) != 0)
        return fail_errno(err, "setting the mode of %s", v->path);
    TRY(lock_dir(v->path, &v->lock_fd, err));
    TRY(read_version(v, err));
    v->remover = workers_new("dn-remove", 1);
    if (v->remover == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a volume");
    return 0;
}

void volume_close(struct volume *v)
{
    if (v->remover != NULL)
        workers_free(v->remover);
    v->remover = NULL;
    if (v->lock_fd >= 0)
        close(v->lock_fd);
    v->lock_fd = -1;
}

static int set_all(struct properties *p, const char *const pairs[][2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(properties_set(p, pairs[i][0], pairs[i][1]));
    return 0;
}

static int write_properties(const char *path, const char *const pairs[][2], size_t count,
                            struct err *err)
{
    struct properties p = {0};
    int rc = set_all(&p, pairs, count);
    if (rc != 0)
        rc = fail(err, rc, "no memory for %s", path);
    else
        rc = properties_write(path, &p, err);
    properties_fini(&p);
    return rc;
}

/* Writes what is missing: a fresh volume, or one without storage or node id. */
static int complete_version(struct volume *v, const struct pool_identity *id, struct err *err)
{
    struct store_path path, current;
    version_path(v, &path);
    bool whole = v->storage_id[0] != '\0' && exists(path.text);
    struct properties old = {0};
    if (whole && properties_read(path.text, &old, NULL) == 0) {
        const char *uuid = properties_get(&old, "datanodeUuid");
        whole = uuid != NULL && uuid[0] != '\0';
        properties_fini(&old);
    }
    if (whole)
        return 0;
    if (v->storage_id[0] == '\0') {
        char uuid[37];
        random_uuid(uuid);
        snprintf(v->storage_id, sizeof(v->storage_id), "DS-%s", uuid);
    }
    snprintf(v->cluster_id, sizeof(v->cluster_id), "%s", id->cluster_id);
    snprintf(current.text, sizeof(current.text), "%s/current", v->path);
    TRY(durable_mkdirs(current.text, v->store->dir_mode, err));
    const char *const pairs[][2] = {
        {"storageID", v->storage_id},     {"clusterID", v->cluster_id}, {"cTime", "0"},
        {"datanodeUuid", v->store->uuid}, {"storageType", "DATA_NODE"}, {"layoutVersion", "-57"}};
    TRY(write_properties(path.text, pairs, ARRAY_SIZE(pairs), err));
    log_info("volume is ready path=%s storage=%s cluster=%s", v->path, v->storage_id,
             v->cluster_id);
    return 0;
}

static int check_pool_version(const struct pool_identity *id, const struct properties *p,
                              const char *path, struct err *err)
{
    const char *namespace_id, *pool, *ctime;
    TRY(check_layout(p, path, err));
    TRY(need_property(p, path, "namespaceID", &namespace_id, err));
    TRY(need_property(p, path, "blockpoolID", &pool, err));
    TRY(need_property(p, path, "cTime", &ctime, err));
    if ((uint32_t)strtoll(namespace_id, NULL, 10) != id->namespace_id)
        return fail(err, ERR_CORRUPT, "Incompatible namespaceIDs: %s has %s, the NameNode has %d",
                    path, namespace_id, (int)id->namespace_id);
    if (strcmp(pool, id->pool_id) != 0)
        return fail(err, ERR_CORRUPT, "%s belongs to block pool %s, not to %s", path, pool,
                    id->pool_id);
    uint64_t have = strtoull(ctime, NULL, 10);
    if (have < id->ctime)
        return fail(err, ERR_UNSUPPORTED,
                    "%s has cTime %s, the NameNode %llu: the pool wants an upgrade, which this "
                    "version can't do",
                    path, ctime, (unsigned long long)id->ctime);
    if (have > id->ctime)
        return fail(err, ERR_CORRUPT, "%s has cTime %s, newer than the NameNode's %llu", path,
                    ctime, (unsigned long long)id->ctime);
    return 0;
}

static int write_pool_version(const struct pool_identity *id, const char *path, struct err *err)
{
    char namespace_id[16], ctime[24];
    snprintf(namespace_id, sizeof(namespace_id), "%d", (int)id->namespace_id);
    snprintf(ctime, sizeof(ctime), "%llu", (unsigned long long)id->ctime);
    const char *const pairs[][2] = {{"namespaceID", namespace_id},
                                    {"cTime", ctime},
                                    {"blockpoolID", id->pool_id},
                                    {"layoutVersion", "-57"}};
    return write_properties(path, pairs, ARRAY_SIZE(pairs), err);
}

/* Folders first, VERSION last: a pool with a VERSION is complete. */
static int make_pool(struct volume *v, const struct pool_identity *id, struct err *err)
{
    static const char *const dirs[] = {"current/finalized", "current/rbw", "tmp"};
    struct store_path pool, path;
    layout_pool_dir(&pool, v, id->pool_id);
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        int n = snprintf(path.text, sizeof(path.text), "%s/%s", pool.text, dirs[i]);
        CHECK(n > 0 && n < STORE_PATH_MAX);
        TRY(durable_mkdirs(path.text, 0755, err));
    }
    int n = snprintf(path.text, sizeof(path.text), "%s/current/VERSION", pool.text);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    if (!exists(path.text))
        return write_pool_version(id, path.text, err);
    struct properties p = {0};
    TRY(properties_read(path.text, &p, err));
    int rc = check_pool_version(id, &p, path.text, err);
    properties_fini(&p);
    return rc;
}

/* Hadoop's caches of what we are about to change: it must not believe them when it takes the disk
 * back. */
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

int volume_attach(struct volume *v, const struct pool_identity *id, struct err *err)
{
    if (v->cluster_id[0] != '\0' && strcmp(v->cluster_id, id->cluster_id) != 0)
        return fail(err, ERR_CORRUPT,
                    "Incompatible clusterIDs in %s: namenode clusterID = %s; datanode clusterID = "
                    "%s",
                    v->path, id->cluster_id, v->cluster_id);
    TRY(complete_version(v, id, err));
    TRY(make_pool(v, id, err));
    drop_caches(v, id->pool_id);
    return 0;
}

static uint64_t used_of(const struct volume *v)
{
    int64_t used = 0;
    for (size_t i = 0; i < v->store->pool_count; i++)
        used += atomic_load(&v->store->pools[i]->used[v->index]);
    return used < 0 ? 0 : (uint64_t)used;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

int volume_space(struct volume *v, struct volume_space *ret, struct err *err)
{
    struct statvfs fs;
    if (statvfs(v->path, &fs) != 0)
        return fail_errno(err, "asking for the space of %s", v->path);
    uint64_t total = fs.f_blocks * fs.f_frsize, available = fs.f_bavail * fs.f_frsize;
    uint64_t reserved = total / 100 * v->store->reserved_pct;
    if (reserved < v->reserved)
        reserved = v->reserved;
    int64_t open = atomic_load(&v->reserved_open);
    uint64_t used = used_of(v), capacity = minus(total, reserved);
    uint64_t others = minus(minus(total, available), used);
    uint64_t remaining = minus(available, minus(reserved, others));
    if (remaining > minus(capacity, used))
        remaining = minus(capacity, used);
    atomic_store(&v->last_capacity, capacity);
    *ret = (struct volume_space){
        .capacity = capacity,
        .used = used,
        .remaining = minus(remaining, open < 0 ? 0 : (uint64_t)open),
        .non_dfs_used = minus(others, reserved),
    };
    return 0;
}

int volume_choose(struct store *s, enum storage_type type, uint64_t need, struct volume **ret,
                  struct err *err)
{
    uint64_t most = 0;
    size_t usable = 0;
    uint_fast32_t start = atomic_fetch_add(&s->next_volume, 1);
    for (size_t i = 0; i < s->volume_count; i++) {
        struct volume *v = &s->volumes[(start + i) % s->volume_count];
        struct volume_space space;
        if (v->type != type || atomic_load(&v->failed) || volume_space(v, &space, NULL) != 0)
            continue;
        usable++;
        if (space.remaining >= need) {
            *ret = v;
            return 0;
        }
        most = space.remaining > most ? space.remaining : most;
    }
    if (usable == 0)
        return fail(err, ERR_NO_SPACE, "no working volume of storage type %d", (int)type);
    return fail(err, ERR_NO_SPACE,
                "Out of space: The volume with the most available space (=%llu B) is less than "
                "the block size (=%llu B).",
                (unsigned long long)most, (unsigned long long)need);
}

void volume_note_failure(struct volume *v, const char *why)
{
    struct store *s = v->store;
    if (atomic_exchange(&v->failed, true))
        return;
    log_error("a volume is taken out of service path=%s storage=%s cause=%s", v->path,
              v->storage_id, log_quote(why));
    metric_add(METRIC_volume_failures, 1);
    s->failures.paths[s->failures.count++] = v->path;
    s->failures.last_ms = clock_wall_ms();
    s->failures.capacity_lost += atomic_load(&v->last_capacity);
}

void volume_fail(struct volume *v, const char *why)
{
    struct store *s = v->store;
    pthread_mutex_lock(&s->lock);
    volume_note_failure(v, why);
    for (size_t i = 0; i < s->pool_count; i++)
        pool_drop_volume(s->pools[i], v);
    pthread_mutex_unlock(&s->lock);
}

/* Makes, writes, syncs and removes a file. */
static int probe(const struct volume *v, struct err *err)
{
    static const char text[] = "does this volume still work?";
    struct store_path path;
    snprintf(path.text, sizeof(path.text), "%s/.probe", v->path);
    int fd = open(path.text, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, "creating %s", path.text);
    char back[sizeof(text)];
    int rc = file_write_full(fd, text, sizeof(text), path.text, err);
    if (rc == 0 && fsync(fd) != 0)
        rc = fail_errno(err, "syncing %s", path.text);
    if (rc == 0 && pread(fd, back, sizeof(back), 0) != (ssize_t)sizeof(back))
        rc = fail_errno(err, "reading %s", path.text);
    close(fd);
    (void)unlink(path.text); /* the next probe truncates it */
    return rc;
}

void volume_check(struct volume *v, const struct err *cause)
{
    struct err err = {0};
    if (atomic_load(&v->failed) || cause->code == ERR_NO_SPACE)
        return;
    int rc = cause->code == ERR_DISK ? ERR_DISK : probe(v, &err);
    if (rc == ERR_DISK) /* a failed sync: what the page cache says from now on can't be trusted */
        volume_fail(v, cause->text);
    else if (rc != 0 && rc != ERR_NO_SPACE)
        volume_fail(v, err.text);
}

int volume_error(struct volume *v, struct err *err)
{
    switch (err->code) {
    case ERR_IO:
    case ERR_DISK:
    case ERR_ACCESS: /* also a file system that went read-only */
    case ERR_NOT_FOUND:
        volume_check(v, err);
        break;
    default:
        break;
    }
    return err->code;
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
