/* images.c - writes an image to all folders in one pass, and gives it its name.
 * Thread: any, one at a time; image_write also in a forked child, so it takes no locks and logs
 * nothing. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "namenode/image/image.h"
#include "namenode/storage/internal.h"

enum { BLOCK = 1 << 20, PROGRESS_EVERY = 16 << 20 };

struct image_out {
    const struct storage *s;
    int fds[MAX_NAME_DIRS]; /* -1: not written, or failed */
    uint8_t *block;
    size_t used, since_progress;
    void (*progress)(void *ctx);
    void *ctx;
    struct err why; /* of the last folder that failed */
};

static void temporary_path(const struct name_dir *d, uint64_t txid, char out[STORAGE_PATH])
{
    char name[96];
    snprintf(name, sizeof(name), "fsimage.ckpt_%019" PRIu64, txid);
    dir_file(d, name, out);
}

static int give_up(struct image_out *o, size_t i)
{
    close(o->fds[i]);
    o->fds[i] = -1;
    return 0;
}

static bool any_open(const struct image_out *o)
{
    for (size_t i = 0; i < o->s->dir_count; i++) {
        if (o->fds[i] >= 0)
            return true;
    }
    return false;
}

static int flush(struct image_out *o, struct err *err)
{
    for (size_t i = 0; i < o->s->dir_count; i++) {
        if (o->fds[i] >= 0 &&
            file_write_full(o->fds[i], o->block, o->used, o->s->dirs[i].path, &o->why) != 0)
            give_up(o, i);
    }
    o->used = 0;
    if (any_open(o))
        return 0;
    if (err != NULL)
        *err = o->why;
    return o->why.code != 0 ? o->why.code : ERR_IO;
}

static int write_bytes(void *ctx, const void *data, size_t size, struct err *err)
{
    struct image_out *o = ctx;
    const uint8_t *p = data;
    while (size > 0) {
        size_t n = size < BLOCK - o->used ? size : BLOCK - o->used;
        memcpy(o->block + o->used, p, n);
        o->used += n;
        p += n;
        size -= n;
        if (o->used == BLOCK)
            TRY(flush(o, err));
        o->since_progress += n;
    }
    if (o->since_progress >= PROGRESS_EVERY && o->progress != NULL) {
        o->progress(o->ctx);
        o->since_progress = 0;
    }
    return 0;
}

static int open_all(struct image_out *o, uint64_t txid, struct err *err)
{
    for (size_t i = 0; i < o->s->dir_count; i++) {
        const struct name_dir *d = &o->s->dirs[i];
        char path[STORAGE_PATH];
        o->fds[i] = -1;
        if (!d->for_image || !dir_usable(d))
            continue;
        temporary_path(d, txid, path);
        o->fds[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (o->fds[i] < 0)
            (void)fail_errno(&o->why, "%s", path); /* the others may do */
    }
    if (any_open(o))
        return 0;
    if (o->why.code == 0)
        return fail(err, ERR_IO, "no name directory is left for an image");
    *err = o->why;
    return err->code;
}

static void sync_all(struct image_out *o, struct image_written *ret)
{
    for (size_t i = 0; i < o->s->dir_count; i++) {
        if (o->fds[i] < 0)
            continue;
        if (fsync(o->fds[i]) != 0)
            (void)fail_errno(&o->why, "fsync of an image in %s", o->s->dirs[i].path);
        else
            ret->dirs |= 1u << i;
        give_up(o, i);
        if (o->progress != NULL)
            o->progress(o->ctx);
    }
}

int image_write(const struct storage *s, const struct nn *nn, void (*progress)(void *ctx),
                void *ctx, struct image_written *ret, struct err *err)
{
    struct image_out o = {.s = s, .progress = progress, .ctx = ctx};
    *ret = (struct image_written){0};
    struct err ignored = {0};
    if (err == NULL)
        err = &ignored;
    TRY(open_all(&o, nn->last_txid, err));
    o.block = malloc(BLOCK);
    int rc = o.block != NULL ? 0 : fail(err, ERR_NO_MEMORY, "no memory to write an image");
    if (rc == 0)
        rc = image_save_with(nn, &s->image_options, write_bytes, &o, ret->md5, err);
    if (rc == 0)
        rc = flush(&o, err);
    if (rc == 0) {
        sync_all(&o, ret);
        *err = o.why;
        rc = ret->dirs != 0 ? 0 : o.why.code;
    }
    for (size_t i = 0; i < s->dir_count; i++) {
        if (o.fds[i] >= 0)
            give_up(&o, i);
    }
    free(o.block);
    return rc;
}

static int publish_in(const struct name_dir *d, uint64_t txid, const struct image_written *w,
                      struct err *err)
{
    char from[STORAGE_PATH], to[STORAGE_PATH], name[96];
    temporary_path(d, txid, from);
    image_name(txid, name);
    dir_file(d, name, to);
    TRY(md5_write(to, name, w->md5, err));
    return durable_rename(from, to, err);
}

int image_publish(struct storage *s, uint64_t txid, const struct image_written *w, struct err *err)
{
    unsigned good = 0;
    struct err why = {0};
    for (size_t i = 0; i < s->dir_count; i++) {
        if ((w->dirs >> i & 1) == 0 || !dir_usable(&s->dirs[i]))
            continue;
        if (publish_in(&s->dirs[i], txid, w, &why) == 0)
            good++;
        else
            dir_drop(&s->dirs[i], &why);
    }
    if (good > 0)
        return 0;
    return fail(err, ERR_IO, "image %" PRIu64 " could not be stored anywhere: %.500s", txid,
                why.text);
}
