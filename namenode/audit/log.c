/* log.c - the file of the audit log and the thread that writes it.
 *
 * Putting a line is a copy into memory; the writer takes all that has gathered and writes it in one
 * go. Thread: put by any, the file by the writer alone. Lock: log->lock, a leaf; it guards buffer
 * and flags. Invariant: lines stand in the file in the order of their putting. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/io/io.h"
#include "common/obs/obs.h"
#include "namenode/audit/audit.h"

enum { MAX_BUFFERED = 8 << 20, LOOK_MS = 1000 };

struct audit_log {
    pthread_mutex_t lock;
    pthread_cond_t more, room; /* to the writer, to those who wait */
    struct buf lines;
    bool closing, waits; /* waits: put waits when the buffer is full */
    pthread_t writer;
    char *path;
    int fd; /* -1: could not be opened, tried again */
    int64_t looked_ms;
    int64_t stamp_s; /* the second that `stamp` tells */
    char stamp[32];
};

/* ---- putting ---- */

static int put_stamped(struct audit_log *log, struct slice line)
{
    int64_t now_ms = clock_wall_ms();
    if (log->stamp_s != now_ms / 1000) {
        time_t seconds = (time_t)(now_ms / 1000);
        struct tm local;
        localtime_r(&seconds, &local);
        strftime(log->stamp, sizeof(log->stamp), "%Y-%m-%d %H:%M:%S", &local);
        log->stamp_s = now_ms / 1000;
    }
    size_t before = buf_size(&log->lines);
    int rc = buf_printf(&log->lines, "%s,%03d INFO FSNamesystem.audit: ", log->stamp,
                        (int)(now_ms % 1000));
    if (rc == 0)
        rc = buf_append(&log->lines, line.data, line.size);
    if (rc == 0)
        rc = buf_append(&log->lines, "\n", 1);
    if (rc != 0)
        log->lines.end = log->lines.start + before;
    return rc;
}

void audit_log_put(struct audit_log *log, struct slice line)
{
    if (log == NULL || line.size == 0)
        return;
    pthread_mutex_lock(&log->lock);
    while (log->waits && buf_size(&log->lines) >= MAX_BUFFERED && !log->closing)
        pthread_cond_wait(&log->room, &log->lock);
    bool kept = buf_size(&log->lines) < MAX_BUFFERED && put_stamped(log, line) == 0;
    pthread_cond_signal(&log->more);
    pthread_mutex_unlock(&log->lock);
    if (!kept)
        metric_add(METRIC_audit_lines_dropped, 1);
}

/* ---- the writer ---- */

static void open_file(struct audit_log *log)
{
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log->fd < 0)
        log_limited(LOG_ERROR, "audit log can't be opened path=%s errno=%d", log_quote(log->path),
                    errno);
}

/* Somebody moved the file away: the name gets a new one. */
static void follow_rename(struct audit_log *log)
{
    struct stat by_name, by_fd;
    int64_t now_ms = clock_monotonic_ms();
    if (log->fd >= 0 && now_ms - log->looked_ms < LOOK_MS)
        return;
    log->looked_ms = now_ms;
    if (log->fd >= 0 && fstat(log->fd, &by_fd) == 0 && stat(log->path, &by_name) == 0 &&
        by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev)
        return;
    if (log->fd >= 0)
        close(log->fd);
    open_file(log);
}

static void write_out(struct audit_log *log, struct buf *lines)
{
    struct err err = {0};
    follow_rename(log);
    if (log->fd < 0 ||
        file_write_full(log->fd, buf_head(lines), buf_size(lines), log->path, &err) != 0) {
        log_limited(LOG_ERROR, "audit lines are lost bytes=%zu why=%s", buf_size(lines),
                    log_quote(err.text));
        metric_add(METRIC_audit_lines_dropped, 1);
    }
    buf_clear(lines);
}

static void *writer_main(void *arg)
{
    struct audit_log *log = arg;
    struct buf taken = {0};
    pthread_mutex_lock(&log->lock);
    while (!log->closing || buf_size(&log->lines) > 0) {
        if (buf_size(&log->lines) == 0) {
            pthread_cond_wait(&log->more, &log->lock);
            continue;
        }
        struct buf full = log->lines;
        log->lines = taken;
        taken = full;
        pthread_cond_broadcast(&log->room);
        pthread_mutex_unlock(&log->lock);
        write_out(log, &taken);
        pthread_mutex_lock(&log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    buf_fini(&taken);
    return NULL;
}

/* ---- birth and end ---- */

static void log_free(struct audit_log *log)
{
    pthread_cond_destroy(&log->more);
    pthread_cond_destroy(&log->room);
    pthread_mutex_destroy(&log->lock);
    buf_fini(&log->lines);
    if (log->fd >= 0)
        close(log->fd);
    free(log->path);
    free(log);
}

int audit_log_open(const struct conf *conf, struct audit_log **ret, struct err *err)
{
    const char *path = conf_str(conf, CONF_audit_log);
    *ret = NULL;
    if (path[0] == '\0')
        return 0;
    struct audit_log *log = calloc(1, sizeof(*log));
    if (log == NULL || (log->path = strdup(path)) == NULL) {
        free(log);
        return fail(err, ERR_NO_MEMORY, "no memory for the audit log");
    }
    log->waits = conf_bool(conf, CONF_audit_blocking);
    log->stamp_s = -1;
    log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->more, NULL);
    pthread_cond_init(&log->room, NULL);
    int eno = log->fd < 0 ? errno : pthread_create(&log->writer, NULL, writer_main, log);
    if (eno != 0) {
        log_free(log);
        return fail(err, ERR_CONFIG, "%s: the audit log %.300s can't be opened: %s",
                    conf_name(CONF_audit_log), path, strerror(eno));
    }
    pthread_setname_np(log->writer, "audit");
    *ret = log;
    return 0;
}

void audit_log_close(struct audit_log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_signal(&log->more);
    pthread_cond_broadcast(&log->room);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->writer, NULL);
    log_free(log);
}
