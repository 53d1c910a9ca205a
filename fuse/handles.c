/* handles.c - open files, and when a written one is closed.
 * Thread: any; each handle has its lock, which is held while a server is asked: one file, one
 * caller at a time, but for reads. A file that has bytes is written again by an append. The kernel
 * tells of each close(2) of a shared descriptor alike (flush), and of the last one only
 * when nobody waits for an answer any more (release). So: (1) a flush that is surely the last one
 * closes the file, and close(2) gets its result; (2) any other flush does hflush: close(2) gets the
 * errors of all bytes, and release closes; (3) "surely": the process that opened it asks, has no
 * child that could have inherited it and no other descriptor of it. (4) After a failed write the
 * handle is FAILED for good and every flush says so. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/obs/obs.h"
#include "fuse/internal.h"

enum { CUT_MS = 60000, CUT_LOOK_MS = 500 };

/* The process of a thread; 0: not known, as of another pid namespace. */
static pid_t process_of(pid_t thread)
{
    char path[64], line[128];
    int process = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
    FILE *f = thread > 0 ? fopen(path, "re") : NULL;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "Tgid: %d", &process) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return process;
}

/* Calls `matches` for each entry of a folder of /proc until one does. True also when we may not
 * look. */
static bool any_entry(const char *folder, bool (*matches)(const char *path, const char *wanted),
                      const char *wanted)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return true;
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
        char path[320];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        found = matches(path, wanted);
    }
    closedir(dir);
    return found;
}

static bool thread_has_child(const char *thread, const char *unused)
{
    char path[352], first;
    (void)unused;
    snprintf(path, sizeof(path), "%s/children", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    ssize_t n = read(fd, &first, 1);
    close(fd);
    return n != 0;
}

/* The end of the name is enough: to take another file for this one only makes us careful. */
static bool descriptor_is_of(const char *link, const char *path)
{
    static const char deleted[] = " (deleted)";
    char text[8192];
    ssize_t n = readlink(link, text, sizeof(text) - 1);
    if (n < 0)
        return errno != ENOENT; /* gone since */
    text[n] = '\0';
    size_t size = (size_t)n, wanted = strlen(path), tail = sizeof(deleted) - 1;
    if (size > tail && strcmp(text + size - tail, deleted) == 0)
        size -= tail;
    return size >= wanted && memcmp(text + size - wanted, path, wanted) == 0;
}

/* path: below the mount point. Keeps (3). */
static bool is_last_close(const struct handle *h, pid_t pid, const char *path)
{
    char folder[64];
    pid_t process = process_of(pid);
    if (process == 0 || process != h->opener)
        return false;
    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)process);
    if (any_entry(folder, thread_has_child, NULL))
        return false;
    snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)process);
    return !any_entry(folder, descriptor_is_of, path);
}

static struct handle *handle_new(struct mount *m, uint64_t node, enum handle_state state)
{
    struct handle *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    CHECK(pthread_mutex_init(&h->lock, NULL) == 0);
    h->state = state;
    h->read_only = state == HANDLE_READING;
    h->node = node;
    nodes_use_again(&m->nodes, node);
    pthread_mutex_lock(&m->handles_lock);
    DL_APPEND(m->handles, h);
    pthread_mutex_unlock(&m->handles_lock);
    return h;
}

/* With the lock: asks for a new file at the node's place. */
static int start_writer(struct mount *m, struct handle *h, const char *path,
                        const struct dfs_create_options *options)
{
    struct dfs_error error = {0};
    TRY(nodes_begin_write(&m->nodes, h->node));
    int rc = dfs_create(m->fs, path, options, &h->writer, &error);
    if (rc != 0) {
        (void)nodes_end_write(&m->nodes, h->node);
        return mount_errno(rc, &error, "create", path);
    }
    h->state = HANDLE_WRITING;
    h->size = 0;
    h->dirty = false;
    return 0;
}

/* With the lock: replaces the file by an empty one of the same mode and replication. */
static int restart_writer(struct mount *m, struct handle *h, const char *path,
                          const struct dfs_stat *stat)
{
    struct dfs_create_options options = {.overwrite = true,
                                         .mode = stat->mode,
                                         .replication = stat->replication,
                                         .block_size = stat->block_size};
    TRY(start_writer(m, h, path, &options));
    if (stat->mode == 0) /* to dfs_create 0 means the usual mode */
        (void)dfs_chmod(m->fs, path, 0, NULL);
    return 0;
}

static int stat_file(struct mount *m, const char *path, struct dfs_stat *ret)
{
    struct dfs_error error = {0};
    int rc = dfs_stat(m->fs, path, ret, &error);
    return rc == 0 ? 0 : mount_errno(rc, &error, "stat", path);
}

/* With the lock: gives up what was written. */
static void abandon_writer(struct mount *m, struct handle *h)
{
    if (h->writer == NULL)
        return;
    dfs_abort(h->writer);
    h->writer = NULL;
    (void)nodes_end_write(&m->nodes, h->node);
}

/* With the lock. */
static int truncate_locked(struct mount *m, struct handle *h)
{
    if (h->state == HANDLE_READING)
        return -EBADF;
    if (h->state == HANDLE_WRITING && h->size == 0)
        return 0;
    char *path = NULL;
    struct dfs_stat stat = {0};
    TRY(nodes_path(&m->nodes, h->node, NULL, &path));
    int rc = stat_file(m, path, &stat);
    if (rc == 0) {
        abandon_writer(m, h);
        h->state = HANDLE_PENDING;
        rc = restart_writer(m, h, path, &stat);
        dfs_stat_free(&stat);
    }
    free(path);
    return rc;
}

static int close_writer(struct mount *m, struct handle *h, const char *path);

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0)
        ;
}

/* The servers cut the last block in their own time. */
static int wait_till_closed(struct mount *m, const char *path)
{
    struct dfs_error error = {0};
    bool closed = false;
    for (int64_t waited = 0, pause = 20; waited < CUT_MS; waited += pause) {
        int rc = dfs_is_closed(m->fs, path, &closed, &error);
        if (rc != 0)
            return mount_errno(rc, &error, "truncate", path);
        if (closed)
            return 0;
        pause = pause * 2 < CUT_LOOK_MS ? pause * 2 : CUT_LOOK_MS;
        pause_ms(pause);
    }
    return -EAGAIN;
}

int mount_cut(struct mount *m, const char *path, uint64_t size)
{
    struct dfs_error error = {0};
    bool done;
    int rc = dfs_truncate(m->fs, path, size, &done, &error);
    if (rc != 0)
        return mount_errno(rc, &error, "truncate", path);
    return done ? 0 : wait_till_closed(m, path);
}

/* With the lock: the file is closed, cut, and the next write will append to it. */
static int cut_locked(struct mount *m, struct handle *h, uint64_t size)
{
    if (h->state == HANDLE_READING)
        return -EBADF;
    if (h->state == HANDLE_FAILED)
        return h->failure;
    char *path = NULL;
    TRY(nodes_path(&m->nodes, h->node, NULL, &path));
    int rc = h->state == HANDLE_WRITING ? close_writer(m, h, path) : 0;
    if (rc == 0) {
        h->state = HANDLE_PENDING;
        rc = mount_cut(m, path, size);
    }
    free(path);
    return rc;
}

int handle_truncate(struct mount *m, struct handle *h, uint64_t size)
{
    pthread_mutex_lock(&h->lock);
    int rc = size == 0 ? truncate_locked(m, h) : cut_locked(m, h, size);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

int handle_open_reader(struct mount *m, uint64_t node, struct handle **ret)
{
    char *path = NULL;
    struct dfs_error error = {0};
    TRY(nodes_path(&m->nodes, node, NULL, &path));
    struct handle *h = handle_new(m, node, HANDLE_READING);
    int rc = h != NULL ? dfs_open(m->fs, path, &h->reader, &error) : -ENOMEM;
    if (rc != 0 && h != NULL) {
        rc = mount_errno(rc, &error, "open", path);
        h->reader = NULL;
        handle_release(m, h);
    } else if (rc == 0) {
        *ret = h;
    }
    free(path);
    return rc;
}

int handle_open_writer(struct mount *m, uint64_t node, int flags, pid_t pid, struct handle **ret)
{
    struct handle *h = handle_new(m, node, HANDLE_PENDING);
    if (h == NULL)
        return -ENOMEM;
    h->opener = process_of(pid);
    h->append = (flags & O_APPEND) != 0;
    int rc = (flags & O_TRUNC) != 0 ? handle_truncate(m, h, 0) : 0;
    if (rc == 0)
        *ret = h;
    else
        handle_release(m, h);
    return rc;
}

int handle_create(struct mount *m, uint64_t node, uint32_t mode, int flags, pid_t pid,
                  struct handle **ret)
{
    char *path = NULL;
    TRY(nodes_path(&m->nodes, node, NULL, &path));
    bool overwrite = (flags & O_TRUNC) != 0 && (flags & O_EXCL) == 0;
    struct dfs_create_options options = {.overwrite = overwrite, .mode = mode};
    struct handle *h = handle_new(m, node, HANDLE_PENDING);
    int rc = h != NULL ? start_writer(m, h, path, &options) : -ENOMEM;
    if (rc == 0 && mode == 0)
        (void)dfs_chmod(m->fs, path, 0, NULL);
    if (rc == 0) {
        h->opener = process_of(pid);
        h->append = (flags & O_APPEND) != 0;
        *ret = h;
    } else if (h != NULL) {
        handle_release(m, h);
    }
    free(path);
    return rc;
}

/* For a file opened both ways. What is being written can't be read back yet. */
static int need_reader(struct mount *m, struct handle *h)
{
    int rc = 0;
    char *path = NULL;
    struct dfs_error error = {0};
    pthread_mutex_lock(&h->lock);
    if (h->reader == NULL && (h->state == HANDLE_WRITING || h->state == HANDLE_FAILED))
        rc = -EOPNOTSUPP;
    else if (h->reader == NULL)
        rc = nodes_path(&m->nodes, h->node, NULL, &path);
    if (path != NULL) {
        rc = dfs_open(m->fs, path, &h->reader, &error);
        rc = rc != 0 ? mount_errno(rc, &error, "open", path) : 0;
    }
    pthread_mutex_unlock(&h->lock);
    free(path);
    return rc;
}

ssize_t handle_read(struct mount *m, struct handle *h, void *data, size_t size, uint64_t offset)
{
    struct dfs_error error = {0};
    if (!h->read_only)
        TRY(need_reader(m, h));
    ssize_t n = dfs_pread(h->reader, data, size, offset, &error);
    return n >= 0 ? n : mount_errno((int)n, &error, "read", "");
}

/* With the lock: goes on behind the bytes that the file has. */
static int append_writer(struct mount *m, struct handle *h, const char *path, uint64_t length)
{
    struct dfs_error error = {0};
    TRY(nodes_begin_write(&m->nodes, h->node));
    int rc = dfs_append(m->fs, path, 0, &h->writer, &error);
    if (rc != 0) {
        (void)nodes_end_write(&m->nodes, h->node);
        return mount_errno(rc, &error, "append to", path);
    }
    h->state = HANDLE_WRITING;
    h->size = dfs_length(h->writer);
    h->dirty = false;
    nodes_wrote(&m->nodes, h->node, h->size);
    return h->size == length ? 0 : -EAGAIN; /* another writer was there in between */
}

/* With the lock: the first write to a file that was opened without truncation, or after it was
 * closed by a flush. */
static int need_writer(struct mount *m, struct handle *h, uint64_t offset)
{
    if (h->state == HANDLE_WRITING)
        return 0;
    if (h->state == HANDLE_FAILED)
        return h->failure;
    if (h->state == HANDLE_READING)
        return -EOPNOTSUPP;
    char *path = NULL;
    struct dfs_stat stat = {0};
    TRY(nodes_path(&m->nodes, h->node, NULL, &path));
    int rc = stat_file(m, path, &stat);
    if (rc == 0) {
        if (offset != stat.length && !h->append)
            rc = -EOPNOTSUPP;
        else if (stat.length == 0)
            rc = restart_writer(m, h, path, &stat);
        else
            rc = append_writer(m, h, path, stat.length);
        dfs_stat_free(&stat);
    }
    free(path);
    return rc;
}

static ssize_t write_locked(struct mount *m, struct handle *h, const void *data, size_t size,
                            uint64_t offset)
{
    struct dfs_error error = {0};
    TRY(need_writer(m, h, offset));
    if (offset != h->size && !h->append)
        return -EOPNOTSUPP;
    ssize_t n = dfs_write(h->writer, data, size, &error);
    if (n < 0) {
        h->failure = mount_errno((int)n, &error, "write", "");
        h->state = HANDLE_FAILED;
        return h->failure;
    }
    h->size += (uint64_t)n;
    h->dirty = true;
    nodes_wrote(&m->nodes, h->node, h->size);
    return n;
}

ssize_t handle_write(struct mount *m, struct handle *h, const void *data, size_t size,
                     uint64_t offset)
{
    pthread_mutex_lock(&h->lock);
    ssize_t n = write_locked(m, h, data, size, offset);
    pthread_mutex_unlock(&h->lock);
    return n;
}

/* With the lock. path NULL: the file was removed, there is nothing to complete. */
static int close_writer(struct mount *m, struct handle *h, const char *path)
{
    struct dfs_error error = {0};
    if (path == NULL) {
        abandon_writer(m, h);
        h->state = HANDLE_CLOSED;
        return 0;
    }
    int rc = dfs_close(h->writer, &error);
    h->writer = NULL;
    struct node_times times = nodes_end_write(&m->nodes, h->node);
    if (rc != 0) {
        h->failure = mount_errno(rc, &error, "close", path);
        h->state = HANDLE_FAILED;
        return h->failure;
    }
    h->state = HANDLE_CLOSED;
    if (times.modified_ms >= 0 || times.accessed_ms >= 0) {
        rc = dfs_utimes(m->fs, path, times.modified_ms, times.accessed_ms, &error);
        if (rc != 0)
            (void)mount_errno(rc, &error, "utimes", path); /* the bytes are safe: told in the log */
    }
    return 0;
}

static int hflush(struct handle *h)
{
    struct dfs_error error = {0};
    if (!h->dirty)
        return 0;
    int rc = dfs_hflush(h->writer, &error);
    if (rc != 0) {
        h->failure = mount_errno(rc, &error, "flush", "");
        h->state = HANDLE_FAILED;
        return h->failure;
    }
    h->dirty = false;
    return 0;
}

static int flush_locked(struct mount *m, struct handle *h, pid_t pid)
{
    if (h->state == HANDLE_FAILED)
        return h->failure;
    if (h->state != HANDLE_WRITING)
        return 0;
    char *path = NULL;
    int rc = nodes_path(&m->nodes, h->node, NULL, &path);
    if (rc != 0 && rc != -ENOENT)
        return rc;
    if (path == NULL || is_last_close(h, pid, path + strlen(m->options->root)))
        rc = close_writer(m, h, path);
    else
        rc = hflush(h);
    free(path);
    return rc;
}

int handle_flush(struct mount *m, struct handle *h, pid_t pid)
{
    pthread_mutex_lock(&h->lock);
    int rc = flush_locked(m, h, pid);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

int handle_sync(struct mount *m, struct handle *h)
{
    struct dfs_error error = {0};
    (void)m;
    pthread_mutex_lock(&h->lock);
    int rc = h->state == HANDLE_FAILED ? h->failure : 0;
    if (h->state == HANDLE_WRITING) {
        rc = dfs_hsync(h->writer, &error);
        if (rc != 0) {
            rc = h->failure = mount_errno(rc, &error, "sync", "");
            h->state = HANDLE_FAILED;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static void finish_writer(struct mount *m, struct handle *h)
{
    char *path = NULL;
    if (h->state == HANDLE_WRITING && nodes_path(&m->nodes, h->node, NULL, &path) != -ENOMEM)
        (void)close_writer(m, h, path); /* logged; nobody waits for it any more */
    free(path);
    abandon_writer(m, h);
}

void handle_release(struct mount *m, struct handle *h)
{
    pthread_mutex_lock(&m->handles_lock);
    DL_DELETE(m->handles, h);
    pthread_mutex_unlock(&m->handles_lock);
    finish_writer(m, h);
    if (h->reader != NULL)
        (void)dfs_close(h->reader, NULL); /* nothing can be lost by a reader */
    nodes_forget(&m->nodes, h->node, 1);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void handles_release_all(struct mount *m)
{
    while (m->handles != NULL)
        handle_release(m, m->handles);
}
