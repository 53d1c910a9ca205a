/* walk.c - goes through finalized/subdirA/subdirB/blk_* by names, as Hadoop's iterator does: a
 * place is three names, so it can be written down and stays right while replicas come and go. A
 * listing is kept for a while; the files are looked for again when their turn comes. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datanode/scan/internal.h"

enum { STALE_MS = 15 * 60 * 1000 };

void walk_init(struct walk *w, const char *root)
{
    *w = (struct walk){0};
    snprintf(w->root, sizeof(w->root), "%s", root);
}

void walk_fini(struct walk *w)
{
    free(w->names);
    w->names = NULL;
    w->count = w->capacity = 0;
}

void walk_rewind(struct walk *w, int64_t wall_ms)
{
    w->at = (struct cursor){.saved_ms = wall_ms, .started_ms = wall_ms};
    w->listed = false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add_name(struct walk *w, const char *name, struct err *err)
{
    if (w->count == w->capacity) {
        size_t capacity = w->capacity == 0 ? 64 : w->capacity * 2;
        void *names = realloc(w->names, capacity * NAME_SIZE);
        if (names == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for a folder");
        w->names = names;
        w->capacity = capacity;
    }
    snprintf(w->names[w->count++], NAME_SIZE, "%.31s", name);
    return 0;
}

static bool wanted(const char *name, bool folders)
{
    uint64_t id;
    if (strlen(name) >= NAME_SIZE)
        return false;
    return folders ? strncmp(name, "subdir", 6) == 0 : layout_block_name(name, &id);
}

/* A folder that isn't there is an empty one. */
static int list(struct walk *w, const char *path, bool folders, struct err *err)
{
    w->count = 0;
    w->listed = false;
    DIR *d = opendir(path);
    if (d == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno(err, "opening %s", path);
    int rc = 0;
    errno = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(d)) != NULL; errno = 0)
        if (wanted(e->d_name, folders))
            rc = add_name(w, e->d_name, err);
    if (rc == 0 && errno != 0)
        rc = fail_errno(err, "reading %s", path);
    closedir(d);
    if (rc == 0 && w->count > 0)
        qsort(w->names, w->count, NAME_SIZE, by_name);
    return rc;
}

/* The first name after `name`, which takes its place; "": none. */
static bool step(const struct walk *w, char name[NAME_SIZE])
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(w->names[middle], name) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    snprintf(name, NAME_SIZE, "%s", low < w->count ? w->names[low] : "");
    return low < w->count;
}

static int path_of(const struct walk *w, char out[SCAN_PATH_MAX], const char *dir, const char *sub,
                   struct err *err)
{
    int n = snprintf(out, SCAN_PATH_MAX, "%s%s%s%s%s", w->root, dir[0] != '\0' ? "/" : "", dir,
                     sub[0] != '\0' ? "/" : "", sub);
    return n > 0 && n < SCAN_PATH_MAX ? 0 : fail(err, ERR_CORRUPT, "%s is too deep", w->root);
}

static int next_folder(struct walk *w, struct err *err)
{
    char path[SCAN_PATH_MAX];
    struct cursor *at = &w->at;
    if (at->dir[0] != '\0') {
        TRY(path_of(w, path, at->dir, "", err));
        TRY(list(w, path, true, err));
        if (step(w, at->sub))
            return 0;
    }
    TRY(path_of(w, path, "", "", err));
    TRY(list(w, path, true, err));
    at->sub[0] = '\0';
    if (!step(w, at->dir))
        at->at_end = true;
    return 0;
}

static int list_folder(struct walk *w, struct err *err)
{
    char path[SCAN_PATH_MAX];
    int64_t now = clock_monotonic_ms();
    if (w->listed && now - w->listed_ms < STALE_MS)
        return 0;
    TRY(path_of(w, path, w->at.dir, w->at.sub, err));
    TRY(list(w, path, false, err));
    w->listed = true;
    w->listed_ms = now;
    return 0;
}

static bool at_home(const struct cursor *at, uint64_t id)
{
    char dir[NAME_SIZE], sub[NAME_SIZE];
    snprintf(dir, sizeof(dir), "subdir%u", (unsigned)(id >> 16 & 31));
    snprintf(sub, sizeof(sub), "subdir%u", (unsigned)(id >> 8 & 31));
    return strcmp(dir, at->dir) == 0 && strcmp(sub, at->sub) == 0;
}

static int look_for_next(struct walk *w, uint64_t *ret_id, bool *ret_found, struct err *err)
{
    while (!w->at.at_end) {
        if (w->at.sub[0] != '\0') {
            TRY(list_folder(w, err));
            while (step(w, w->at.entry))
                if (layout_block_name(w->at.entry, ret_id) && at_home(&w->at, *ret_id)) {
                    *ret_found = true;
                    return 0;
                }
        }
        w->at.entry[0] = '\0';
        TRY(next_folder(w, err));
    }
    return 0;
}

int walk_next(struct walk *w, uint64_t *ret_id, bool *ret_found, struct err *err)
{
    *ret_found = false;
    int rc = look_for_next(w, ret_id, ret_found, err);
    if (rc != 0)
        w->at.at_end = true;
    return rc;
}
