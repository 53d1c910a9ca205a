/* watch.c - looks after one volume from a thread of its own, so that a disk that hangs stops nobody
 * else: once a second it asks for the free space, and on demand it probes whether files can be made
 * and synced. Everybody else reads what it saw last.
 * Thread: dn-volume, one for each volume; the lock is never held over a system call that may wait
 * for the disk. busy_since_ms is not 0 exactly while the thread may wait for the disk. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/volume/internal.h"

enum { LOOK_MS = 1000, STOP_MS = 2000 };

/* The folder is the one that was locked, not what shows when a disk is unmounted or moved. */
static int check_lock(const struct volume *v, struct err *err)
{
    struct store_path path;
    struct stat held, now;
    int n = snprintf(path.text, sizeof(path.text), "%s/in_use.lock", v->path);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    if (fstat(v->lock_fd, &held) != 0 || stat(path.text, &now) != 0)
        return fail_errno(err, "asking for %s", path.text);
    if (held.st_dev != now.st_dev || held.st_ino != now.st_ino)
        return fail(err, ERR_DISK, "%s is not the folder that was opened", v->path);
    return 0;
}

static int write_and_read(int fd, const char *path, struct err *err)
{
    static const char text[] = "does this volume still work?";
    char back[sizeof(text)];
    TRY(file_write_full(fd, text, sizeof(text), path, err));
    if (fsync(fd) != 0)
        return fail_errno(err, "syncing %s", path);
    if (pread(fd, back, sizeof(back), 0) != (ssize_t)sizeof(back))
        return fail_errno(err, "reading %s", path);
    return 0;
}

int watch_probe(const struct volume *v, struct err *err)
{
    struct store_path path;
    errno = failpoint(v->rules->failpoints, "probe", 0);
    if (errno != 0)
        return fail_errno(err, "probing %s", v->path);
    TRY(check_lock(v, err));
    int n = snprintf(path.text, sizeof(path.text), "%s/.probe", v->path);
    CHECK(n > 0 && n < STORE_PATH_MAX);
    int fd = open(path.text, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    int rc =
        fd < 0 ? fail_errno(err, "creating %s", path.text) : write_and_read(fd, path.text, err);
    if (fd >= 0)
        close(fd);
    (void)unlink(path.text);                              /* the next probe truncates it */
    return rc == ERR_NO_SPACE || rc == ERR_BUSY ? 0 : rc; /* not the disk's fault */
}

int volume_in_place(const struct volume *v, struct err *err)
{
    return check_lock(v, err);
}

static int look(struct volume *v, struct err *err)
{
    struct statvfs fs;
    int64_t used = atomic_load(&v->used);
    TRY(check_lock(v, err));
    errno = failpoint(v->rules->failpoints, "look", 0);
    if (errno != 0 || statvfs(v->path, &fs) != 0)
        return fail_errno(err, "asking for the space of %s", v->path);
    pthread_mutex_lock(&v->lock);
    v->total = fs.f_blocks * fs.f_frsize;
    v->available = fs.f_bavail * fs.f_frsize;
    v->used_then = used;
    pthread_mutex_unlock(&v->lock);
    return 0;
}

static void tell(struct volume *v, const char *why)
{
    if (volume_works(v))
        v->rules->on_bad(v->rules->ctx, v, why);
}

/* One round: a look, and a probe when that fails or somebody wants it. */
static void round_of(struct volume *v, bool check)
{
    struct err err = {0};
    if (!volume_works(v) && atomic_load(&v->state) != VOLUME_JOINING)
        return;
    atomic_store(&v->busy_since_ms, clock_monotonic_ms());
    bool ok = look(v, &err) == 0;
    if (!ok || check) {
        err = (struct err){0};
        ok = watch_probe(v, &err) == 0;
    }
    atomic_store(&v->busy_since_ms, 0);
    if (!ok)
        tell(v, err.text);
}

static void wait_for_work(struct volume *v)
{
    int64_t end_ms = clock_monotonic_ms() + LOOK_MS;
    struct timespec end = {.tv_sec = end_ms / 1000, .tv_nsec = end_ms % 1000 * 1000000};
    bool urgent = v->check_wanted; /* wanted during the last round: not again at once */
    while (!v->stopping && (urgent || !v->check_wanted))
        if (pthread_cond_timedwait(&v->wake, &v->lock, &end) == ETIMEDOUT)
            break;
}

static void *watch_thread(void *arg)
{
    struct volume *v = arg;
    pthread_setname_np(pthread_self(), "dn-volume");
    pthread_mutex_lock(&v->lock);
    while (!v->stopping) {
        bool check = v->check_wanted;
        v->check_wanted = false;
        if (check)
            v->last_check_ms = clock_monotonic_ms();
        pthread_mutex_unlock(&v->lock);
        round_of(v, check);
        pthread_mutex_lock(&v->lock);
        wait_for_work(v);
    }
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

int watch_start(struct volume *v, struct err *err)
{
    TRY(look(v, err));
    int rc = pthread_create(&v->thread, NULL, watch_thread, v);
    if (rc != 0)
        return fail(err, ERR_IO, "starting a thread: %s", strerror(rc));
    v->watched = true;
    return 0;
}

bool watch_stop(struct volume *v)
{
    struct timespec end;
    if (!v->watched)
        return !v->stuck;
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
    CHECK(clock_gettime(CLOCK_REALTIME, &end) == 0);
    end.tv_sec += STOP_MS / 1000;
    bool gone = pthread_timedjoin_np(v->thread, NULL, &end) == 0;
    if (!gone) {
        log_warn("a volume hangs, it is left as it is path=%s", v->path);
        pthread_detach(v->thread);
        v->stuck = true;
    }
    v->watched = false;
    return gone;
}

bool volume_works(const struct volume *v)
{
    return atomic_load(&v->state) == VOLUME_WORKS;
}

struct volume_space volume_space(struct volume *v)
{
    int64_t used = atomic_load(&v->used), open = atomic_load(&v->reserved_open);
    pthread_mutex_lock(&v->lock);
    uint64_t total = v->total;
    int64_t available = (int64_t)v->available - (used - v->used_then); /* since the last look */
    pthread_mutex_unlock(&v->lock);
    available = available < 0 ? 0 : available;
    return volume_space_of(&v->reserve, total, (uint64_t)available, used < 0 ? 0 : (uint64_t)used,
                           open < 0 ? 0 : (uint64_t)open);
}

void volume_check(struct volume *v, const struct err *cause)
{
    if (!volume_works(v) || cause->code == ERR_NO_SPACE)
        return;
    if (cause->code == ERR_DISK) { /* a failed sync: the page cache can't be trusted from now on */
        tell(v, cause->text);
        return;
    }
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&v->lock);
    int64_t passed_ms = v->last_check_ms == 0 ? INT64_MAX : now_ms - v->last_check_ms;
    /* a missing file is mostly the replica's own trouble */
    if (cause->code != ERR_NOT_FOUND || passed_ms >= v->rules->check_gap_ms)
        v->check_wanted = true; /* at the latest with the next look */
    if (v->check_wanted && passed_ms >= LOOK_MS)
        pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
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

bool volume_hangs(const struct volume *v, int64_t now_ms)
{
    int64_t since_ms = atomic_load(&v->busy_since_ms);
    return since_ms != 0 && now_ms - since_ms > v->rules->check_timeout_ms;
}
