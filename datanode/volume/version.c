/* version.c - the VERSION file of a block pool, of its present and of its previous state. */
#include <stdio.h>
#include <stdlib.h>

#include "datanode/volume/internal.h"

int version_need(const struct properties *p, const char *path, const char *name, const char **ret,
                 struct err *err)
{
    *ret = properties_get(p, name);
    if (*ret == NULL)
        return fail(err, ERR_CORRUPT, "%s has no %s", path, name);
    return 0;
}

int version_check_layout(const struct properties *p, const char *path, struct err *err)
{
    const char *text;
    TRY(version_need(p, path, "layoutVersion", &text, err));
    long layout = strtol(text, NULL, 10);
    if (layout != STORE_LAYOUT_VERSION)
        return fail(err, ERR_CORRUPT, "%s has layout version %ld, this version reads %d only", path,
                    layout, STORE_LAYOUT_VERSION);
    return 0;
}

static int set_all(struct properties *p, const char *const pairs[][2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(properties_set(p, pairs[i][0], pairs[i][1]));
    return 0;
}

int version_write(const char *path, const char *const pairs[][2], size_t count, struct err *err)
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

static int take(const struct properties *p, const char *path, struct pool_version *ret,
                struct err *err)
{
    const char *namespace_id, *pool, *ctime;
    TRY(version_check_layout(p, path, err));
    TRY(version_need(p, path, "namespaceID", &namespace_id, err));
    TRY(version_need(p, path, "blockpoolID", &pool, err));
    TRY(version_need(p, path, "cTime", &ctime, err));
    if (strlen(pool) > POOL_ID_MAX)
        return fail(err, ERR_CORRUPT, "%s has a block pool id that is too long", path);
    ret->namespace_id = (uint32_t)strtoll(namespace_id, NULL, 10);
    ret->ctime = strtoull(ctime, NULL, 10);
    snprintf(ret->pool_id, sizeof(ret->pool_id), "%s", pool);
    return 0;
}

int pool_version_read(const char *path, struct pool_version *ret, struct err *err)
{
    struct properties p = {0};
    TRY(properties_read(path, &p, err));
    int rc = take(&p, path, ret, err);
    properties_fini(&p);
    return rc;
}

int pool_version_write(const char *path, const struct pool_identity *id, struct err *err)
{
    char namespace_id[16], ctime[24];
    snprintf(namespace_id, sizeof(namespace_id), "%d", (int)id->namespace_id);
    snprintf(ctime, sizeof(ctime), "%llu", (unsigned long long)id->ctime);
    const char *const pairs[][2] = {{"namespaceID", namespace_id},
                                    {"cTime", ctime},
                                    {"blockpoolID", id->pool_id},
                                    {"layoutVersion", "-57"}};
    return version_write(path, pairs, ARRAY_SIZE(pairs), err);
}
