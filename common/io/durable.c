/* durable.c - files that are whole after a power cut.
 * Thread: any that may block. Invariants: (1) a name appears only after its bytes are on disk; (2)
 * a rename is on disk when we return; (3) after a failed fsync the file is given up, never synced
 * again: its pages may be marked clean. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/io.h"

enum { FIRST_READ_BYTES = 16 * 1024, LOCK_TEXT_BYTES = 320 };

int file_write_full(int fd, const void *data, size_t size, const char *what, struct err *err)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "write %s", what);
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int file_read_at(int fd, void *data, size_t size, uint64_t offset, const char *what,
                 struct err *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, (uint8_t *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "reading %s", what);
        if (n == 0)
            return fail(err, ERR_CORRUPT, "%s ends before byte %llu", what,
                        (unsigned long long)(offset + size));
        done += (size_t)n;
    }
    return 0;
}

int durable_sync_dir(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open folder %s", dir);
    int rc = fsync(fd) == 0 ? 0 : fail_errno(err, "fsync folder %s", dir);
    close(fd);
    return rc;
}

/* The folder of `path`, to be freed; NULL: no memory. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    if (slash == path)
        return strdup("/");
    return strndup(path, (size_t)(slash - path));
}

static int sync_parent(const char *path, struct err *err)
{
    char *dir = parent_of(path);
    if (dir == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to sync the folder of %s", path);
    int rc = durable_sync_dir(dir, err);
    free(dir);
    return rc;
}

int durable_rename(const char *from, const char *to, struct err *err)
{
    if (rename(from, to) != 0)
        return fail_errno(err, "rename %s to %s", from, to);
    return sync_parent(to, err);
}

static int write_and_sync(const char *path, const void *data, size_t size, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail_errno(err, "create %s", path);
    int rc = file_write_full(fd, data, size, path, err);
    if (rc == 0 && fsync(fd) != 0)
        rc = fail_errno(err, "fsync %s", path);
    if (close(fd) != 0 && rc == 0)
        rc = fail_errno(err, "close %s", path);
    return rc;
}

int durable_write_file(const char *path, const void *data, size_t size, struct err *err)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.tmp", path) < 0)
        return fail(err, ERR_NO_MEMORY, "no memory to write %s", path);
    int rc = write_and_sync(temporary, data, size, err);
    if (rc == 0)
        rc = durable_rename(temporary, path, err);
    if (rc != 0)
        unlink(temporary); /* what is left of it has no value; the first error is the one to tell */
    free(temporary);
    return rc;
}

/* One level; there already is fine if it is a folder. */
static int make_dir(const char *dir, unsigned mode, struct err *err)
{
    if (mkdir(dir, mode) == 0)
        return sync_parent(dir, err);
    if (errno != EEXIST)
        return fail_errno(err, "make folder %s", dir);
    struct stat st;
    if (stat(dir, &st) != 0)
        return fail_errno(err, "look at %s", dir);
    if (!S_ISDIR(st.st_mode))
        return fail(err, ERR_NOT_DIR, "%s is not a folder", dir);
    return 0;
}

int durable_mkdirs(const char *dir, unsigned mode, struct err *err)
{
    char *path = strdup(dir);
    if (path == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to make folder %s", dir);
    int rc = 0;
    for (char *slash = strchr(path + (path[0] == '/'), '/'); rc == 0 && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = make_dir(path, mode, err);
        *slash = '/';
    }
    size_t length = strlen(path);
    if (rc == 0 && (length == 0 || path[length - 1] != '/'))
        rc = make_dir(path, mode, err);
    free(path);
    return rc;
}

static int read_all(int fd, const char *path, size_t max_size, struct buf *b, struct err *err)
{
    size_t total = 0;
    for (;;) {
        size_t room = total < FIRST_READ_BYTES ? FIRST_READ_BYTES : total;
        uint8_t *at = buf_reserve(b, room);
        if (at == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory to read %s", path);
        ssize_t n = read(fd, at, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "read %s", path);
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > max_size)
            return fail(err, ERR_CORRUPT, "%s is larger than %zu bytes", path, max_size);
        buf_commit(b, (size_t)n);
    }
}

int file_read(const char *path, size_t max_size, struct buf *b, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open %s", path);
    int rc = read_all(fd, path, max_size, b, err);
    close(fd);
    return rc;
}

/* Who wrote the lock file, for the error text only. */
static void read_holder(int fd, char out[LOCK_TEXT_BYTES])
{
    ssize_t n = pread(fd, out, LOCK_TEXT_BYTES - 1, 0);
    size_t size = n > 0 ? (size_t)n : 0;
    out[size] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
}

static int write_holder(int fd, const char *path, struct err *err)
{
    char host[256] = "localhost", text[LOCK_TEXT_BYTES];
    (void)gethostname(host, sizeof(host) - 1); /* only for people who look at the file */
    int n = snprintf(text, sizeof(text), "%ld@%s", (long)getpid(), host);
    if (ftruncate(fd, 0) != 0)
        return fail_errno(err, "truncate %s", path);
    return file_write_full(fd, text, (size_t)n, path, err);
}

/* A lock of the open file, not of the process: two servers in one process conflict as they should,
 * closing some other descriptor of the file doesn't drop it, and the POSIX lock that Java takes
 * still conflicts with it. */
static int lock_file(const char *dir, const char *path, int fd, struct err *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return write_holder(fd, path, err);
    if (errno != EAGAIN && errno != EACCES)
        return fail_errno(err, "lock %s", path);
    char holder[LOCK_TEXT_BYTES];
    read_holder(fd, holder);
    return fail(err, ERR_LOCKED, "%s is in use by %s (it holds %s)", dir,
                holder[0] != '\0' ? holder : "another process", path);
}

int lock_dir(const char *dir, int *ret_fd, struct err *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/in_use.lock", dir) < 0)
        return fail(err, ERR_NO_MEMORY, "no memory to lock %s", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int rc = fd >= 0 ? lock_file(dir, path, fd, err) : fail_errno(err, "open %s", path);
    free(path);
    if (rc == 0)
        *ret_fd = fd;
    else if (fd >= 0)
        close(fd);
    return rc;
}
