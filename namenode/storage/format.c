/* format.c - makes folders into those of a new file system.
 * Thread: the caller's. Invariant: VERSION is written last, so a cut in the middle leaves a folder
 * that is refused as "not formatted", never one that starts with half a file system. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/storage/internal.h"

int storage_new_identity(const struct storage_format_options *o, struct nn_identity *ret,
                         struct err *err)
{
    char uuid[37];
    *ret = (struct nn_identity){.ctime_ms = o->now_ms};
    ret->namespace_id = (int32_t)(random_u64() % INT32_MAX) + 1;
    if (ret->namespace_id <= 0)
        ret->namespace_id = 1;
    random_uuid(uuid);
    int n = o->cluster_id != NULL
                ? snprintf(ret->cluster_id, sizeof(ret->cluster_id), "%s", o->cluster_id)
                : snprintf(ret->cluster_id, sizeof(ret->cluster_id), "CID-%s", uuid);
    if (n <= 0 || (size_t)n >= sizeof(ret->cluster_id) || strpbrk(ret->cluster_id, "\r\n") != NULL)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "a cluster id has 1 to %zu characters on one line",
                    sizeof(ret->cluster_id) - 1);
    snprintf(ret->block_pool_id, sizeof(ret->block_pool_id), "BP-%" PRIu64 "-%.40s-%" PRIu64,
             random_u64() % INT32_MAX, o->address, o->now_ms);
    return 0;
}

static bool has_data(const struct name_dir *d)
{
    return access(d->current, F_OK) == 0 && rmdir(d->current) != 0;
}

/* Asks as Hadoop does. */
static bool user_agrees(const char *dir)
{
    char line[16];
    for (;;) {
        fprintf(stderr,
                "Re-format filesystem in Storage Directory root= %s; location= null ? (Y or N) ",
                dir);
        if (fgets(line, sizeof(line), stdin) == NULL)
            return false;
        char answer = (char)(line[0] & ~0x20);
        if (answer == 'Y' || answer == 'N')
            return answer == 'Y';
        fprintf(stderr, "Invalid input: %s", line);
    }
}

static int may_erase(const struct name_dir *d, const struct storage_format_options *o,
                     struct err *err)
{
    if (o->force || !has_data(d))
        return 0;
    if (o->non_interactive || isatty(STDIN_FILENO) != 1)
        return fail(
            err, ERR_EXISTS,
            "Running in non-interactive mode, and data appears to exist in Storage Directory "
            "%s. Not formatting. (-force erases it)",
            d->path);
    if (user_agrees(d->path))
        return 0;
    return fail(err, ERR_EXISTS, "Format aborted in Storage Directory %s", d->path);
}

static int remove_entry(const struct name_dir *d, const char *name, struct err *err)
{
    char path[STORAGE_PATH];
    dir_file(d, name, path);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno(err, "%s", path);
    return 0;
}

/* Empties current/, VERSION first: from then on the folder counts as not formatted. */
static int clear(struct name_dir *d, struct err *err)
{
    TRY(durable_mkdirs(d->current, 0700, err));
    TRY(remove_entry(d, "VERSION", err));
    TRY(durable_sync_dir(d->current, err));
    return dir_clear(d, err);
}

static int prepare(struct name_dir *d, const struct storage_format_options *o, struct err *err)
{
    TRY(durable_mkdirs(d->path, 0755, err));
    TRY(lock_dir(d->path, &d->lock_fd, err));
    return may_erase(d, o, err);
}

static int finish(struct storage *s, const struct nn *nn, struct err *err)
{
    for (size_t i = 0; i < s->dir_count; i++) {
        struct name_dir *d = &s->dirs[i];
        if (!dir_usable(d))
            return fail(err, ERR_IO, "%s could not be formatted", d->path);
        TRY(dir_write_seen_txid(d, nn->last_txid, err));
        TRY(dir_write_version(d, &nn->identity, LAYOUT_VERSION, err));
        log_info("name directory has been formatted dir=%s", d->path);
    }
    return 0;
}

static int format_dirs(struct storage *s, const struct storage_format_options *o,
                       const struct nn *nn, struct err *err)
{
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(prepare(&s->dirs[i], o, err));
    for (size_t i = 0; i < s->dir_count; i++)
        TRY(clear(&s->dirs[i], err));
    struct image_written w;
    TRY(image_write(s, nn, NULL, NULL, &w, err));
    if (err != NULL && err->code != 0)
        return err->code; /* one folder failed: format is all or nothing */
    TRY(image_publish(s, nn->last_txid, &w, err));
    return finish(s, nn, err);
}

int storage_format(const struct conf *conf, const struct storage_format_options *o,
                   const struct nn *nn, struct err *err)
{
    struct storage *s;
    struct err why = {0};
    TRY(storage_from_conf(conf, &s, err));
    int rc = format_dirs(s, o, nn, &why);
    if (rc != 0 && err != NULL)
        *err = why;
    storage_close(s);
    return rc;
}

int storage_is_formatted(const struct conf *conf, bool *ret, struct err *err)
{
    struct storage *s;
    TRY(storage_from_conf(conf, &s, err));
    *ret = false;
    for (size_t i = 0; i < s->dir_count; i++) {
        char path[STORAGE_PATH];
        dir_file(&s->dirs[i], "VERSION", path);
        *ret |= access(path, F_OK) == 0;
    }
    storage_close(s);
    return 0;
}
