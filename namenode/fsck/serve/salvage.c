/* salvage.c - copies what can be read of a damaged file to /lost+found/<its path>/<0, 1, ...>: one
 * file for each run of readable blocks. It does so as the user who asks, through the front door.
 * Thread: a worker's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "libdfs/include/dfs.h"
#include "namenode/fsck/serve/internal.h"

enum { CHUNK = 1 << 20, FILE_MODE = 0644, DIR_MODE = 0755, PERMISSIONS = 01777 };

struct salvage {
    struct fsck_job *job;
    struct dfs *fs;
    struct dfs_file *from, *to;
    char *target, *chunk;
    unsigned chains;
    struct dfs_error error;
};

static int exists(struct salvage *s, const char *path, bool *ret, bool *ret_dir)
{
    struct dfs_stat stat;
    int rc = dfs_stat(s->fs, path, &stat, &s->error);
    *ret = rc == 0;
    *ret_dir = rc == 0 && stat.type == DFS_DIRECTORY;
    if (rc == 0)
        dfs_stat_free(&stat);
    return rc == -ENOENT ? 0 : rc;
}

/* *ret_done: the remains are there already. */
static int make_target(struct salvage *s, bool *ret_done)
{
    bool there, is_dir;
    TRY(exists(s, "/lost+found", &there, &is_dir));
    if (there && !is_dir)
        return -ENOTDIR;
    if (!there)
        TRY(dfs_mkdirs(s->fs, "/lost+found", DIR_MODE, true, &s->error));
    TRY(exists(s, s->target, ret_done, &is_dir));
    if (*ret_done) {
        log_warn("fsck: remains are not copied, something is there already path=%s",
                 log_quote(s->target));
        return 0;
    }
    return dfs_mkdirs(s->fs, s->target, s->job->remains.mode & PERMISSIONS, true, &s->error);
}

static int close_chain(struct salvage *s)
{
    struct dfs_file *to = s->to;
    s->to = NULL;
    return to == NULL ? 0 : dfs_close(to, &s->error);
}

static int open_chain(struct salvage *s)
{
    struct dfs_create_options options = {
        .overwrite = true, .create_parents = true, .mode = FILE_MODE};
    char *path = NULL;
    if (s->to != NULL)
        return 0;
    if (asprintf(&path, "%s/%u", s->target, s->chains++) < 0)
        return -ENOMEM;
    int rc = dfs_create(s->fs, path, &options, &s->to, &s->error);
    free(path);
    return rc;
}

static int copy_piece(struct salvage *s, const struct fsck_piece *p)
{
    TRY(open_chain(s));
    for (uint64_t done = 0; done < p->length;) {
        size_t want = p->length - done < CHUNK ? (size_t)(p->length - done) : CHUNK;
        if (web_stream_put(s->job->stream, "", 0) != 0)
            return -ECANCELED; /* nobody waits for it any more */
        ssize_t n = dfs_pread(s->from, s->chunk, want, p->offset + done, &s->error);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        ssize_t written = dfs_write(s->to, s->chunk, (size_t)n, &s->error);
        if (written < 0)
            return (int)written;
        done += (uint64_t)n;
    }
    return 0;
}

/* False: a block that should have been readable was not. */
static bool copy_pieces(struct salvage *s)
{
    const struct fsck_remains *r = &s->job->remains;
    bool ok = true;
    for (size_t i = 0; i < r->count; i++) {
        int rc = r->pieces[i].readable ? copy_piece(s, &r->pieces[i]) : 0;
        if (rc != 0) {
            log_warn("fsck: block not copied path=%s offset=%" PRIu64 " why=%s", log_quote(r->path),
                     r->pieces[i].offset, log_quote(s->error.text));
            ok = ok && r->pieces[i].corrupt; /* those are a try */
        }
        if ((rc != 0 || !r->pieces[i].readable) && close_chain(s) != 0)
            ok = false;
    }
    return close_chain(s) == 0 && ok;
}

static bool run(struct salvage *s)
{
    static const char *const settings[] = {"fs.permissions.umask-mode=000",
                                           "ipc.client.connect.max.retries=1", NULL};
    struct dfs_options options = {
        .url = s->job->server->url, .user = s->job->caller.user, .settings = settings};
    bool done = false;
    int rc = dfs_connect(&options, &s->fs, &s->error);
    if (rc == 0)
        rc = make_target(s, &done);
    if (rc == 0 && done)
        return true;
    if (rc == 0)
        rc = dfs_open(s->fs, s->job->remains.path, &s->from, &s->error);
    if (rc != 0) {
        log_warn("fsck: remains can't be copied path=%s why=%s", log_quote(s->job->remains.path),
                 log_quote(s->error.text));
        return false;
    }
    return copy_pieces(s);
}

bool fsck_salvage(struct fsck_job *job)
{
    struct salvage s = {.job = job, .chunk = malloc(CHUNK)};
    bool ok = s.chunk != NULL && asprintf(&s.target, "/lost+found%s", job->remains.path) >= 0;
    ok = ok && run(&s);
    if (s.from != NULL)
        (void)dfs_close(s.from, NULL); /* a reader has nothing to lose */
    if (s.fs != NULL)
        dfs_disconnect(s.fs);
    free(s.target);
    free(s.chunk);
    return ok;
}
