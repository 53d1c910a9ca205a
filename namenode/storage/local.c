/* local.c - the edit log on local folders: one thread that writes what has gathered and syncs once.
 *
 * The state's thread appends encoded edits to the last batch of a queue. This thread takes the
 * whole queue, writes it to the current segment of each folder, syncs each, and only then says
 * "durable". While it syncs, the next batches gather: the busier, the larger a batch.
 *
 * Invariants: (1) "durable" up to n means that n is on disk in every folder still in use; (2) after
 * a failed write or sync a folder gets nothing more of that segment; (3) with no folder left
 * nothing is ever called durable again; (4) seen_txid never names an edit that isn't on disk.
 * Threads: append, kick, end_segment, close: state. Everything below "the journal's thread": that
 * one. The lock guards the queue and its flags; it is a leaf. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "namenode/storage/internal.h"

enum {
    BATCH_BYTES = 1 << 20,  /* a batch larger than this is followed by a new one */
    QUEUE_BYTES = 64 << 20, /* the state's thread waits beyond */
};

struct batch {
    struct batch *next;
    struct buf bytes;
    uint64_t first_txid, last_txid;
    bool ends_segment;
};

struct local_log {
    struct edit_log base;
    struct storage *storage;
    struct edit_log_events events;
    pthread_t thread;
    pthread_mutex_t lock; /* guards from here to closing */
    pthread_cond_t wake;  /* the journal's thread: kicked or closing */
    pthread_cond_t room;  /* the state's thread: the queue got shorter */
    struct batch *head, *tail;
    size_t queued_bytes;
    bool kicked, closing;

    struct segment_writer segments[MAX_NAME_DIRS]; /* journal's thread from here on */
    uint64_t segment_first;                        /* 0: no segment is open */
    bool seen_txid_due;
    bool lost;
};

/* ---- the state's thread ---- */

static struct batch *new_batch(struct local_log *l, uint64_t txid)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->first_txid = txid;
    if (l->tail == NULL)
        l->head = b;
    else
        l->tail->next = b;
    l->tail = b;
    return b;
}

static int queue_edit(struct local_log *l, uint64_t txid, struct slice edit)
{
    struct batch *b = l->tail;
    if (b == NULL || b->ends_segment || buf_size(&b->bytes) >= BATCH_BYTES)
        b = new_batch(l, txid);
    if (b == NULL)
        return ERR_NO_MEMORY;
    TRY(buf_append(&b->bytes, edit.data, edit.size));
    b->last_txid = txid;
    l->queued_bytes += edit.size;
    return 0;
}

static int local_append(struct edit_log *log, uint64_t txid, struct slice edit, struct err *err)
{
    struct local_log *l = (struct local_log *)log;
    pthread_mutex_lock(&l->lock);
    while (l->queued_bytes > QUEUE_BYTES) {
        l->kicked = true;
        pthread_cond_signal(&l->wake);
        pthread_cond_wait(&l->room, &l->lock);
    }
    int rc = queue_edit(l, txid, edit);
    pthread_mutex_unlock(&l->lock);
    return rc == 0 ? 0 : fail(err, rc, "no memory to journal transaction %" PRIu64, txid);
}

static void local_kick(struct edit_log *log)
{
    struct local_log *l = (struct local_log *)log;
    pthread_mutex_lock(&l->lock);
    if (l->head != NULL && !l->kicked) {
        l->kicked = true;
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
}

/* The edit that ends a segment may have been taken already; then an empty batch carries the mark.
 */
static void local_end_segment(struct edit_log *log)
{
    struct local_log *l = (struct local_log *)log;
    pthread_mutex_lock(&l->lock);
    struct batch *b = l->tail != NULL ? l->tail : new_batch(l, 0);
    CHECK(b != NULL); /* a few bytes; without the mark the files would lie */
    b->ends_segment = true;
    l->kicked = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

/* ---- the journal's thread ---- */

static struct batch *take_queue(struct local_log *l)
{
    pthread_mutex_lock(&l->lock);
    while (!l->closing && !(l->kicked && l->head != NULL))
        pthread_cond_wait(&l->wake, &l->lock);
    struct batch *all = l->head;
    l->head = l->tail = NULL;
    l->kicked = false;
    l->queued_bytes = 0;
    pthread_cond_signal(&l->room);
    pthread_mutex_unlock(&l->lock);
    return all;
}

/* Runs a step in each folder that is in use; folders that fail are dropped. */
#define EACH_DIR(l, d, w, step)                               \
    for (size_t i_ = 0; i_ < (l)->storage->dir_count; i_++) { \
        struct name_dir *d = &(l)->storage->dirs[i_];         \
        struct segment_writer *w = &(l)->segments[i_];        \
        struct err why_ = {0};                                \
        if (dir_has_segment(d) && (step) != 0) {              \
            segment_abandon(w);                               \
            dir_drop(d, &why_);                               \
            note_loss(l, &why_);                              \
        }                                                     \
    }

/* Too few are left, or one that must not fail has failed. */
static void note_loss(struct local_log *l, const struct err *why)
{
    uint64_t left = 0;
    bool required_failed = false;
    for (size_t i = 0; i < l->storage->dir_count; i++) {
        const struct name_dir *d = &l->storage->dirs[i];
        left += dir_has_segment(d);
        required_failed |= d->edits_required && !dir_has_segment(d);
    }
    if (l->lost || (left >= l->storage->edits_dirs_minimum && !required_failed))
        return;
    l->lost = true;
    l->events.lost(l->events.ctx, why);
}

static void open_segment(struct local_log *l, uint64_t first_txid)
{
    for (size_t i = 0; i < l->storage->dir_count; i++) {
        int returning = DIR_RETURNING;
        if (atomic_compare_exchange_strong(&l->storage->dirs[i].state, &returning, DIR_IN_USE))
            segment_abandon(&l->segments[i]); /* a checkpoint may have dropped it */
    }
    EACH_DIR(l, d, w, segment_create(w, d, first_txid, &why_));
    l->segment_first = first_txid;
    l->seen_txid_due = true;
    struct err why = {0}; /* folders may have failed before there was a segment */
    (void)fail(&why, ERR_IO, "too few folders are left for the edits");
    note_loss(l, &why);
}

static void write_batch(struct local_log *l, struct batch *b)
{
    struct slice bytes = {buf_head(&b->bytes), buf_size(&b->bytes)};
    EACH_DIR(l, d, w, segment_write(w, bytes, &why_));
    metric_add(METRIC_journal_transactions, b->last_txid - b->first_txid + 1);
}

/* Write-back starts in all folders before the first is waited for. */
static void sync_dirs(struct local_log *l)
{
    if (l->storage->dir_count > 1)
        EACH_DIR(l, d, w, (segment_start_sync(w), 0));
    EACH_DIR(l, d, w, segment_sync(w, &why_));
    metric_add(METRIC_journal_syncs, 1);
    if (l->seen_txid_due)
        EACH_DIR(l, d, w, dir_write_seen_txid(d, l->segment_first, &why_));
    l->seen_txid_due = false;
}

static void end_segment(struct local_log *l, uint64_t last_txid)
{
    EACH_DIR(l, d, w, segment_finalize(w, d, l->segment_first, last_txid, &why_));
    l->segment_first = 0;
}

/* Everything up to and including b has been written. */
static void make_durable(struct local_log *l, uint64_t txid)
{
    if (l->segment_first != 0 && !l->lost)
        sync_dirs(l);
    if (!l->lost)
        l->events.durable(l->events.ctx, txid);
}

static void run_queue(struct local_log *l, struct batch *all, uint64_t *written)
{
    uint64_t synced = *written;
    while (all != NULL) {
        struct batch *b = all;
        all = b->next;
        if (buf_size(&b->bytes) > 0) {
            if (l->segment_first == 0)
                open_segment(l, b->first_txid);
            if (!l->lost)
                write_batch(l, b);
            *written = b->last_txid;
        }
        if ((b->ends_segment || all == NULL) && synced != *written) {
            make_durable(l, *written);
            synced = *written;
        }
        if (b->ends_segment && l->segment_first != 0 && !l->lost)
            end_segment(l, *written);
        buf_fini(&b->bytes);
        free(b);
    }
}

static void *journal_main(void *arg)
{
    struct local_log *l = arg;
    uint64_t written = 0;
    struct batch *all;
    while ((all = take_queue(l)) != NULL)
        run_queue(l, all, &written);
    return NULL;
}

static int start_thread(struct local_log *l, struct err *err)
{
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int eno = pthread_create(&l->thread, NULL, journal_main, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (eno != 0)
        return fail_errno_at(err, eno, __FILE__, __LINE__, "journal's thread");
    pthread_setname_np(l->thread, "journal");
    return 0;
}

static void local_free(struct local_log *l)
{
    for (size_t i = 0; i < l->storage->dir_count; i++)
        segment_abandon(&l->segments[i]);
    pthread_cond_destroy(&l->room);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void local_close(struct edit_log *take_log)
{
    struct local_log *l = (struct local_log *)take_log;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    local_free(l);
}

static const struct edit_log_kind local_kind = {local_append, local_kick, local_end_segment,
                                                local_close};

int edit_log_local(struct storage *s, const struct edit_log_events *events, struct edit_log **ret,
                   struct err *err)
{
    struct local_log *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the journal");
    l->base.kind = &local_kind;
    l->storage = s;
    l->events = *events;
    for (size_t i = 0; i < MAX_NAME_DIRS; i++)
        l->segments[i].fd = -1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    pthread_cond_init(&l->room, NULL);
    int rc = start_thread(l, err);
    if (rc != 0) {
        local_free(l);
        return rc;
    }
    *ret = &l->base;
    return 0;
}
