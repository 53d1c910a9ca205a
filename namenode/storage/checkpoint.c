/* checkpoint.c - writes the state as an image beside the running service.
 *
 * A forked child has a frozen copy of memory; it writes the image to temporary files, syncs them
 * and tells through a pipe. A thread of the parent waits for that, then for the journal, then gives
 * the files their names. Why fork and not a second replay beside: memory is what limits a
 * namespace, and a copy on write costs only what changes while the image is written.
 *
 * What the child may do. Other threads held locks when it was made. glibc makes malloc usable in
 * the child; we use nothing else that locks: no log, no stdio, no threads. Should it hang all the
 * same, it stops telling progress and is killed. It dies with its parent, and closes all
 * descriptors, so it holds neither the port nor the folders' locks. Threads: start and free: state;
 * the rest: the checkpoint's own. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "namenode/storage/internal.h"

enum { SILENCE_LIMIT_MS = 300000, CHILD_NICE = 10 };

/* What the child writes to its end: PROGRESS bytes, then END and one result. */
enum { MESSAGE_PROGRESS = 1, MESSAGE_END = 2 };

struct result {
    int code;
    struct image_written written;
    struct err err;
};

struct checkpoint {
    struct storage *storage;
    struct checkpoint_events events;
    uint64_t txid;
    uint32_t dirs; /* bit i: the child writes to dirs[i] */
    int64_t started_ms;
    pid_t pid;
    int result_fd;
    int cancel_fd; /* readable: the NameNode stops */

    pthread_t thread;
};

/* ---- the child ---- */

static void tell_progress(void *ctx)
{
    uint8_t message = MESSAGE_PROGRESS;
    /* a full or closed pipe only means that nobody waits */
    (void)!write(*(int *)ctx, &message, 1);
}

_Noreturn static void child_main(const struct storage *s, const struct nn *nn, pid_t parent, int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (fd > 3)
        close_range(3, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
    setpriority(PRIO_PROCESS, 0, CHILD_NICE);
    static struct result r; /* of this process alone */
    r.code = image_write(s, nn, tell_progress, &fd, &r.written, &r.err);
    uint8_t message = MESSAGE_END;
    struct err ignored = {0};
    if (file_write_full(fd, &message, 1, "socket pair", &ignored) != 0 ||
        file_write_full(fd, &r, sizeof(r), "socket pair", &ignored) != 0)
        _exit(1);
    _exit(0);
}

/* ---- the thread ---- */

/* The next byte; 0: the child ended or is stuck. */
static int next_message(const struct checkpoint *c)
{
    struct pollfd p[2] = {{.fd = c->result_fd, .events = POLLIN},
                          {.fd = c->cancel_fd, .events = POLLIN}};
    int n;
    do
        n = poll(p, 2, SILENCE_LIMIT_MS);
    while (n < 0 && errno == EINTR);
    uint8_t message = 0;
    if (n > 0 && p[1].revents != 0)
        return 0;
    if (n == 0)
        log_error("checkpoint makes no progress and is stopped txid=%" PRIu64, c->txid);
    else if (n > 0 && read(c->result_fd, &message, 1) != 1)
        message = 0;
    return message;
}

static int read_result(const struct checkpoint *c, struct result *r, struct err *err)
{
    int message;
    while ((message = next_message(c)) == MESSAGE_PROGRESS)
        ;
    if (message == MESSAGE_END && sock_read_full(c->result_fd, r, sizeof(*r), err) == 0) {
        if (r->code != 0 && err != NULL)
            *err = r->err;
        return r->code;
    }
    return fail(err, ERR_IO, "the process that writes image %" PRIu64 " ended early", c->txid);
}

/* The child's failures in single folders are known by its mask only. */
static void drop_failed_dirs(struct checkpoint *c, const struct result *r)
{
    for (size_t i = 0; i < c->storage->dir_count; i++) {
        struct name_dir *d = &c->storage->dirs[i];
        if ((c->dirs >> i & 1) != 0 && (r->written.dirs >> i & 1) == 0)
            dir_drop(d, &r->err);
    }
}

static int finish(struct checkpoint *c, struct err *err)
{
    struct result r = {.code = 0};
    TRY(read_result(c, &r, err));
    drop_failed_dirs(c, &r);
    if (c->events.wait_durable(c->events.ctx, c->txid) != 0)
        return fail(err, ERR_INTERRUPTED, "the NameNode is stopping");
    TRY(image_publish(c->storage, c->txid, &r.written, err));
    storage_purge(c->storage);
    return 0;
}

static void reap(const struct checkpoint *c)
{
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void *checkpoint_main(void *arg)
{
    struct checkpoint *c = arg;
    struct err err = {0};
    int rc = finish(c, &err);
    if (rc != 0)
        kill(c->pid, SIGKILL); /* not reaped yet, so the number is still its own */
    reap(c);
    if (rc == 0) {
        metric_add(METRIC_checkpoints, 1);
        log_info("image written txid=%" PRIu64 " ms=%" PRId64, c->txid,
                 clock_monotonic_ms() - c->started_ms);
    } else {
        storage_remove_leftovers(c->storage);
    }
    c->events.done(c->events.ctx, c->txid, rc == 0 ? NULL : &err);
    return NULL;
}

static int start_thread(struct checkpoint *c, struct err *err)
{
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int eno = pthread_create(&c->thread, NULL, checkpoint_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (eno == 0)
        return 0;
    return fail_errno_at(err, eno, __FILE__, __LINE__, "checkpoint's thread");
}

static int fork_child(struct checkpoint *c, const struct nn *nn, struct err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return fail_errno(err, "checkpoint's socket pair");
    c->result_fd = fds[0];
    pid_t parent = getpid();
    c->pid = fork();
    if (c->pid == 0)
        child_main(c->storage, nn, parent, fds[1]);
    int rc = c->pid > 0 ? 0 : fail_errno(err, "checkpoint's process");
    close(fds[1]);
    return rc;
}

static void close_all(struct checkpoint *c)
{
    if (c->result_fd >= 0)
        close(c->result_fd);
    if (c->cancel_fd >= 0)
        close(c->cancel_fd);
    free(c);
}

int checkpoint_start(struct storage *s, const struct nn *nn, const struct checkpoint_events *events,
                     struct checkpoint **ret, struct err *err)
{
    struct checkpoint *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a checkpoint");
    *c = (struct checkpoint){.storage = s,
                             .events = *events,
                             .txid = nn->last_txid,
                             .started_ms = clock_monotonic_ms(),
                             .result_fd = -1,
                             .cancel_fd = eventfd(0, EFD_CLOEXEC)};
    for (size_t i = 0; i < s->dir_count; i++)
        c->dirs |= (s->dirs[i].for_image && dir_usable(&s->dirs[i]) ? 1u : 0u) << i;
    int rc = c->cancel_fd >= 0 ? fork_child(c, nn, err) : fail_errno(err, "checkpoint's eventfd");
    if (rc == 0 && (rc = start_thread(c, err)) != 0) {
        kill(c->pid, SIGKILL);
        reap(c);
    }
    if (rc != 0) {
        close_all(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void checkpoint_free(struct checkpoint *c)
{
    if (c == NULL)
        return;
    uint64_t one = 1;
    CHECK(write(c->cancel_fd, &one, sizeof(one)) == sizeof(one));
    pthread_join(c->thread, NULL);
    close_all(c);
}
