/* segment_write.c - one file of edits while it grows, and its end.
 * Thread: journal (recovery of a dead process's file: the one that starts).
 * Invariants: (1) the file is always followed by padding or its end, so a reader finds the last
 * edit; (2) a finalized name never stands for a file whose bytes aren't on disk. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "namenode/journal/journal.h"
#include "namenode/storage/internal.h"

static int write_at(struct segment_writer *w, const void *data, size_t size, uint64_t at,
                    struct err *err)
{
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = pwrite(w->fd, p, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "%s", w->path);
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* Padding in whole steps up to at least `end`. */
static int preallocate(struct segment_writer *w, uint64_t end, struct err *err)
{
    static const uint8_t padding[64 << 10] = {[0 ...(64 << 10) - 1] = 0xff};
    while (w->allocated < end) {
        for (uint64_t i = 0; i < SEGMENT_STEP; i += sizeof(padding))
            TRY(write_at(w, padding, sizeof(padding), w->allocated + i, err));
        w->allocated += SEGMENT_STEP;
    }
    return 0;
}

int segment_create(struct segment_writer *w, const struct name_dir *d, uint64_t first_txid,
                   struct err *err)
{
    char name[96];
    in_progress_name(first_txid, name);
    *w = (struct segment_writer){.fd = -1};
    dir_file(d, name, w->path);
    w->fd = open(w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (w->fd < 0)
        return fail_errno(err, "%s", w->path);
    uint8_t header[EDIT_SEGMENT_HEADER_SIZE];
    put_u32(put_u32(header, (uint32_t)LAYOUT_VERSION), 0);
    TRY(segment_write(w, (struct slice){header, sizeof(header)}, err));
    TRY(segment_sync(w, err));
    return durable_sync_dir(d->current, err);
}

int segment_write(struct segment_writer *w, struct slice bytes, struct err *err)
{
    TRY(preallocate(w, w->end + bytes.size, err));
    TRY(write_at(w, bytes.data, bytes.size, w->end, err));
    w->end += bytes.size;
    return 0;
}

void segment_start_sync(struct segment_writer *w)
{
    /* only a hint; the sync that follows reports what goes wrong */
    (void)sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int segment_sync(struct segment_writer *w, struct err *err)
{
    if (fdatasync(w->fd) != 0)
        return fail_errno(err, "fdatasync of %s", w->path);
    return 0;
}

void segment_abandon(struct segment_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

static int cut_and_rename(struct segment_writer *w, const struct name_dir *d, uint64_t first_txid,
                          uint64_t last_txid, struct err *err)
{
    if (ftruncate(w->fd, (off_t)w->end) != 0 || fsync(w->fd) != 0)
        return fail_errno(err, "%s", w->path);
    char name[96], to[STORAGE_PATH];
    segment_name(first_txid, last_txid, name);
    dir_file(d, name, to);
    return durable_rename(w->path, to, err);
}

int segment_finalize(struct segment_writer *w, const struct name_dir *d, uint64_t first_txid,
                     uint64_t last_txid, struct err *err)
{
    int rc = cut_and_rename(w, d, first_txid, last_txid, err);
    segment_abandon(w);
    return rc;
}

int segment_recover(const struct name_dir *d, const char *name, uint64_t first_txid,
                    const struct segment_scan *scan, struct err *err)
{
    struct segment_writer w = {.fd = -1, .end = scan->valid_size};
    dir_file(d, name, w.path);
    if (scan->last_txid == 0) {
        log_info("segment without an edit is removed file=%s", w.path);
        if (unlink(w.path) != 0)
            return fail_errno(err, "%s", w.path);
        return durable_sync_dir(d->current, err);
    }
    if (scan->state == SEGMENT_TORN)
        log_warn("torn last edit is cut off, it was never acknowledged file=%s offset=%zu "
                 "last_txid=%" PRIu64 " why=%s",
                 w.path, scan->valid_size, scan->last_txid, log_quote(scan->why.text));
    w.fd = open(w.path, O_RDWR | O_CLOEXEC);
    if (w.fd < 0)
        return fail_errno(err, "%s", w.path);
    return segment_finalize(&w, d, first_txid, scan->last_txid, err);
}
