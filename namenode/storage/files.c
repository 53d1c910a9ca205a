/* files.c - what lies in the current/ folders: names, listing, digests beside images, clearing
 * away. Thread: the one that starts, then a checkpoint's. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "namenode/storage/internal.h"

enum { DIGEST_SIZE = 16, MAX_FILES = 1 << 20 };

void image_name(uint64_t txid, char out[96])
{
    snprintf(out, 96, "fsimage_%019" PRIu64, txid);
}

void segment_name(uint64_t first, uint64_t last, char out[96])
{
    snprintf(out, 96, "edits_%019" PRIu64 "-%019" PRIu64, first, last);
}

void in_progress_name(uint64_t first, char out[96])
{
    snprintf(out, 96, "edits_inprogress_%019" PRIu64, first);
}

/* Digits only, at most 19; returns the place behind them or NULL. */
static const char *parse_txid(const char *p, uint64_t *ret)
{
    uint64_t value = 0;
    size_t n = 0;
    for (; p[n] >= '0' && p[n] <= '9'; n++) {
        if (n == 19)
            return NULL;
        value = value * 10 + (uint64_t)(p[n] - '0');
    }
    *ret = value;
    return n > 0 ? p + n : NULL;
}

static bool parse_name(const char *name, struct storage_file *f)
{
    const char *p;
    if (strncmp(name, "fsimage_", 8) == 0) {
        f->kind = FILE_IMAGE;
        p = parse_txid(name + 8, &f->first);
        f->last = f->first;
        return p != NULL && *p == '\0';
    }
    if (strncmp(name, "edits_inprogress_", 17) == 0) {
        f->kind = FILE_IN_PROGRESS;
        p = parse_txid(name + 17, &f->first);
        return p != NULL && *p == '\0';
    }
    if (strncmp(name, "edits_", 6) != 0)
        return false;
    f->kind = FILE_EDITS;
    p = parse_txid(name + 6, &f->first);
    if (p == NULL || *p != '-')
        return false;
    p = parse_txid(p + 1, &f->last);
    return p != NULL && *p == '\0' && f->last >= f->first;
}

static int add_file(struct file_list *l, const struct storage_file *f)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        struct storage_file *grown = realloc(l->items, capacity * sizeof(*grown));
        if (grown == NULL || capacity > MAX_FILES)
            return ERR_NO_MEMORY;
        l->items = grown;
        l->capacity = capacity;
    }
    l->items[l->count++] = *f;
    return 0;
}

/* Calls for each entry of current/. */
static int each_entry(struct name_dir *d,
                      int (*visit)(void *ctx, struct name_dir *d, const char *name), void *ctx,
                      struct err *err)
{
    DIR *dir = opendir(d->current);
    if (dir == NULL)
        return fail_errno(err, "%s", d->current);
    struct dirent *entry;
    int rc = 0;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        rc = visit(ctx, d, entry->d_name);
    if (rc == 0 && errno != 0)
        rc = fail_errno(err, "%s", d->current);
    closedir(dir);
    return rc;
}

static int collect(void *ctx, struct name_dir *d, const char *name)
{
    struct storage_file f = {.dir = d};
    if (!parse_name(name, &f))
        return 0;
    snprintf(f.name, sizeof(f.name), "%s", name);
    return add_file(ctx, &f);
}

int files_list(struct storage *s, struct file_list *ret, struct err *err)
{
    *ret = (struct file_list){0};
    for (size_t i = 0; i < s->dir_count; i++) {
        struct name_dir *d = &s->dirs[i];
        struct err why = {0};
        if (!dir_usable(d))
            continue;
        int rc = each_entry(d, collect, ret, &why);
        if (rc == ERR_NO_MEMORY) {
            files_fini(ret);
            return fail(err, rc, "too many files in %s, or no memory", d->current);
        }
        if (rc != 0)
            dir_drop(d, &why);
    }
    return 0;
}

void files_fini(struct file_list *l)
{
    free(l->items);
    *l = (struct file_list){0};
}

/* ---- digests ---- */

static void hex_of(const uint8_t digest[DIGEST_SIZE], char out[2 * DIGEST_SIZE + 1])
{
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

int md5_write(const char *image_path, const char *image_base, const uint8_t digest[16],
              struct err *err)
{
    char path[STORAGE_PATH + 8], text[256], hex[2 * DIGEST_SIZE + 1];
    hex_of(digest, hex);
    snprintf(path, sizeof(path), "%s.md5", image_path);
    int n = snprintf(text, sizeof(text), "%s *%s\n", hex, image_base);
    return durable_write_file(path, text, (size_t)n, err);
}

int md5_of_file(const char *path, uint8_t digest[16], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "%s", path);
    enum { BLOCK = 1 << 20 };
    uint8_t *block = malloc(BLOCK);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int rc = block != NULL && md != NULL && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1
                 ? 0
                 : fail(err, ERR_NO_MEMORY, "no memory, or no MD5, to check %s", path);
    ssize_t n = 1;
    while (rc == 0 && (n = read(fd, block, BLOCK)) > 0)
        EVP_DigestUpdate(md, block, (size_t)n);
    if (n < 0)
        rc = fail_errno(err, "%s", path);
    if (rc == 0)
        EVP_DigestFinal_ex(md, digest, NULL);
    EVP_MD_CTX_free(md);
    free(block);
    close(fd);
    return rc;
}

int md5_check(const char *image_path, struct err *err)
{
    char path[STORAGE_PATH + 8], hex[2 * DIGEST_SIZE + 1];
    snprintf(path, sizeof(path), "%s.md5", image_path);
    struct buf b = {0};
    TRY(file_read(path, 1024, &b, err));
    uint8_t digest[DIGEST_SIZE];
    int rc = md5_of_file(image_path, digest, err);
    if (rc == 0) {
        hex_of(digest, hex);
        if (buf_size(&b) < 2 * DIGEST_SIZE ||
            strncasecmp((const char *)buf_head(&b), hex, 2 * DIGEST_SIZE) != 0)
            rc = fail(err, ERR_CORRUPT, "%s: its MD5 is %s, %s says %.32s", image_path, hex, path,
                      buf_size(&b) < 32 ? "nothing" : (const char *)buf_head(&b));
    }
    buf_fini(&b);
    return rc;
}

/* ---- clearing away ---- */

static void remove_file(const struct name_dir *d, const char *name)
{
    char path[STORAGE_PATH];
    dir_file(d, name, path);
    if (unlink(path) != 0 && errno != ENOENT)
        log_warn("old file can't be removed file=%s why=%s", path, strerror(errno));
    else
        log_info("old file removed file=%s", path);
}

static int by_txid(const void *a, const void *b)
{
    const struct storage_file *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The id of the oldest image to keep; 0: fewer than enough. */
static uint64_t oldest_image_kept(const struct file_list *l, uint64_t retained)
{
    uint64_t distinct = 0, last = UINT64_MAX;
    for (size_t i = l->count; i > 0; i--) {
        const struct storage_file *f = &l->items[i - 1];
        if (f->kind != FILE_IMAGE || f->first == last)
            continue;
        last = f->first;
        if (++distinct == retained)
            return last;
    }
    return 0;
}

/* The first id that must stay in the edits: what the oldest image needs plus the extra ones, but
 * not too many files. */
static uint64_t oldest_edit_kept(const struct storage *s, const struct file_list *l, uint64_t image)
{
    uint64_t needed = image + 1;
    uint64_t keep = needed > s->extra_edits_retained ? needed - s->extra_edits_retained : 0;
    uint64_t extra = 0, last = UINT64_MAX;
    for (size_t i = l->count; i > 0; i--) {
        const struct storage_file *f = &l->items[i - 1];
        if (f->kind != FILE_EDITS || f->last >= needed || f->first == last)
            continue;
        last = f->first;
        if (extra++ == s->extra_segments_retained)
            return f->last + 1 > keep ? f->last + 1 : keep;
    }
    return keep;
}

void storage_purge(struct storage *s)
{
    struct file_list l;
    struct err err = {0};
    if (files_list(s, &l, &err) != 0) {
        log_warn("old images and edits stay why=%s", log_quote(err.text));
        return;
    }
    qsort(l.items, l.count, sizeof(l.items[0]), by_txid);
    uint64_t image = oldest_image_kept(&l, s->images_retained);
    uint64_t edits = image == 0 ? 0 : oldest_edit_kept(s, &l, image);
    for (size_t i = 0; i < l.count; i++) {
        const struct storage_file *f = &l.items[i];
        if (f->kind == FILE_IMAGE && f->first < image) {
            char md5[104];
            remove_file(f->dir, f->name);
            snprintf(md5, sizeof(md5), "%s.md5", f->name);
            remove_file(f->dir, md5);
        } else if (f->kind == FILE_EDITS && f->last < edits) {
            remove_file(f->dir, f->name);
        }
    }
    files_fini(&l);
}

static int remove_if_leftover(void *ctx, struct name_dir *d, const char *name)
{
    (void)ctx;
    if (strncmp(name, "fsimage.ckpt_", 13) == 0)
        remove_file(d, name);
    return 0;
}

void storage_remove_leftovers(struct storage *s)
{
    for (size_t i = 0; i < s->dir_count; i++) {
        struct err why = {0};
        if (dir_usable(&s->dirs[i]) && each_entry(&s->dirs[i], remove_if_leftover, NULL, &why) != 0)
            dir_drop(&s->dirs[i], &why);
    }
}

static int remove_any(void *ctx, struct name_dir *d, const char *name)
{
    char path[STORAGE_PATH];
    dir_file(d, name, path);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlink(path) == 0)
        return 0;
    return fail_errno(ctx, "%s", path);
}

int dir_clear(struct name_dir *d, struct err *err)
{
    TRY(each_entry(d, remove_any, err, err));
    return durable_sync_dir(d->current, err);
}
