/* crash.c - the power goes off after each single write, sync and rename of a scenario.
 *
 * The system calls that change files are caught here. A model of the disk keeps what is safe: a
 * file's bytes as of its last sync, a folder's names as of its last sync. At cut number k the
 * folder is rebuilt from the model in three ways: nothing of what was not synced is there; all of
 * it is; files hold half of their unsynced bytes. Each must start, with every transaction that had
 * been called durable. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/obs/obs.h"

enum { MAX_NAMES = 64, MAX_INODES = 128 };

struct inode_model {
    ino_t number;
    struct buf safe;
    bool known;
};
struct name_model {
    char name[256];
    ino_t inode;
};

static struct {
    bool armed;
    char dir[300]; /* the one current/ folder */
    pthread_mutex_t lock;
    struct inode_model inodes[MAX_INODES];
    struct name_model names[MAX_NAMES]; /* as of the last sync of the folder */
    size_t name_count;
    unsigned long steps, cut_at;
    bool cut;
    int mode;
    char target[300]; /* where the remains are put */
    uint64_t durable_at_cut;
    const struct node *node;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void read_fd(int fd, struct buf *out)
{
    struct stat st;
    fstat(fd, &st);
    buf_clear(out);
    uint8_t *to = buf_reserve(out, (size_t)st.st_size + 1);
    ssize_t n = pread(fd, to, (size_t)st.st_size, 0);
    buf_commit(out, n > 0 ? (size_t)n : 0);
}

static struct inode_model *inode_at(ino_t number)
{
    for (size_t i = 0; i < MAX_INODES; i++) {
        if (disk.inodes[i].known && disk.inodes[i].number == number)
            return &disk.inodes[i];
        if (!disk.inodes[i].known) {
            disk.inodes[i] = (struct inode_model){.number = number, .known = true};
            return &disk.inodes[i];
        }
    }
    abort();
}

static bool in_dir(int fd, bool *is_dir)
{
    char link[64], path[400];
    struct stat st;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0 || fstat(fd, &st) != 0)
        return false;
    path[n] = '\0';
    *is_dir = S_ISDIR(st.st_mode);
    return strncmp(path, disk.dir, strlen(disk.dir)) == 0;
}

static void remember_names(void)
{
    DIR *d = opendir(disk.dir);
    struct dirent *e;
    disk.name_count = 0;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        struct name_model *n = &disk.names[disk.name_count++];
        if (disk.name_count == MAX_NAMES)
            abort();
        snprintf(n->name, sizeof(n->name), "%s", e->d_name);
        n->inode = e->d_ino;
    }
    closedir(d);
}

static void put_file(const char *name, const void *data, size_t size)
{
    char path[500];
    snprintf(path, sizeof(path), "%s/%s", disk.target, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || (size > 0 && syscall(SYS_write, fd, data, size) != (long)size))
        abort();
    close(fd);
}

/* What the disk holds of a file in the mode at hand. */
static void put_inode(const char *name, ino_t number, const char *live)
{
    struct buf now = {0};
    struct inode_model *m = inode_at(number);
    size_t size = buf_size(&m->safe);
    int fd = live == NULL ? -1 : open(live, O_RDONLY);
    if (disk.mode == 0 || fd < 0) {
        put_file(name, buf_head(&m->safe), size);
        if (fd >= 0)
            close(fd);
        return;
    }
    read_fd(fd, &now);
    close(fd);
    if (disk.mode == 2) { /* the first half of the changed bytes, by sectors */
        size_t first = 0, end = buf_size(&now);
        while (first < end && first < size && buf_head(&now)[first] == buf_head(&m->safe)[first])
            first++;
        size_t cut = (first + (end - first) / 2) / 512 * 512;
        for (size_t i = cut < first ? first : cut; i < end && i < size; i++)
            buf_head(&now)[i] = buf_head(&m->safe)[i];
        if (end > size)
            now.end = now.start + (cut > size ? cut : size);
    }
    put_file(name, buf_head(&now), buf_size(&now));
    buf_fini(&now);
}

static void cut_power(void)
{
    disk.cut = true;
    disk.durable_at_cut = disk.node != NULL ? disk.node->durable : 0;
    if (disk.mode == 0) {
        for (size_t i = 0; i < disk.name_count; i++)
            put_inode(disk.names[i].name, disk.names[i].inode, NULL);
        return;
    }
    DIR *d = opendir(disk.dir);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        char live[600];
        snprintf(live, sizeof(live), "%s/%s", disk.dir, e->d_name);
        if (e->d_name[0] != '.')
            put_inode(e->d_name, e->d_ino, live);
    }
    closedir(d);
}

/* Before each change: is this the moment? Unarmed, nothing is locked: tests of checkpoints fork,
 * and a child would inherit a lock that another thread holds. */
static bool enter(void)
{
    if (!disk.armed)
        return false;
    pthread_mutex_lock(&disk.lock);
    if (disk.steps++ == disk.cut_at && !disk.cut)
        cut_power();
    return true;
}

static void leave(bool modelled)
{
    if (modelled)
        pthread_mutex_unlock(&disk.lock);
}

static void synced(int fd)
{
    bool is_dir;
    if (disk.cut || !in_dir(fd, &is_dir))
        return;
    if (is_dir) {
        remember_names();
        return;
    }
    struct stat st;
    fstat(fd, &st);
    int again = open("/dev/null", O_RDONLY); /* the fd may be write-only: read by path */
    char link[64];
    close(again);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    again = open(link, O_RDONLY);
    read_fd(again, &inode_at(st.st_ino)->safe);
    close(again);
}

/* ---- the calls, in place of the C library's ---- */

#define FAULT(e)          \
    do {                  \
        int eno_ = (e);   \
        if (eno_ != 0) {  \
            errno = eno_; \
            return -1;    \
        }                 \
    } while (0)

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    FAULT(fault_of_fd(fd));
    bool modelled = enter();
    long n = syscall(SYS_pwrite64, fd, data, size, at);
    leave(modelled);
    return n;
}

int fdatasync(int fd)
{
    FAULT(fault_of_fd(fd));
    bool modelled = enter();
    if (modelled)
        synced(fd);
    leave(modelled);
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

int rename(const char *from, const char *to)
{
    FAULT(fault_of(to));
    bool modelled = enter();
    long rc = syscall(SYS_rename, from, to);
    leave(modelled);
    return (int)rc;
}

int ftruncate(int fd, off_t size)
{
    FAULT(fault_of_fd(fd));
    bool modelled = enter();
    long rc = syscall(SYS_ftruncate, fd, size);
    leave(modelled);
    return (int)rc;
}

int mkdir(const char *path, mode_t mode)
{
    FAULT(fault_of(path));
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int link(const char *from, const char *to)
{
    FAULT(fault_of(to));
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    FAULT(fault_of(path));
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int remove(const char *path)
{
    FAULT(fault_of(path));
    long rc = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (rc != 0 && errno == EISDIR)
        rc = syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
    return (int)rc;
}

/* ---- the scenario ---- */

static void take_all_files(const char *dir)
{
    snprintf(disk.dir, sizeof(disk.dir), "%s", dir);
    DIR *d = opendir(dir);
    struct dirent *e;
    remember_names();
    while ((e = readdir(d)) != NULL) {
        char path[600];
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.')
            continue;
        int fd = open(path, O_RDONLY);
        read_fd(fd, &inode_at(e->d_ino)->safe);
        close(fd);
    }
    closedir(d);
}

static void forget_all(void)
{
    for (size_t i = 0; i < MAX_INODES; i++)
        buf_fini(&disk.inodes[i].safe);
    memset(disk.inodes, 0, sizeof(disk.inodes));
    disk.steps = 0;
    disk.cut = false;
    disk.node = NULL;
}

/* A crash before, then start, edits in two batches, a roll, an edit, a clean stop. */
static void scenario(struct fixture *f)
{
    struct node n;
    struct err err = {0};
    n = (struct node){.f = f};
    if (node_start(&n, f, &err) != 0)
        cr_assert_fail("%s", err.text);
    disk.node = &n;
    for (int i = 0; i < 3; i++)
        node_commit(&n);
    node_wait(&n);
    for (int i = 0; i < 40; i++)
        node_commit(&n);
    node_wait(&n);
    node_roll(&n);
    node_commit(&n);
    node_wait(&n);
    node_stop(&n);
    disk.node = NULL;
}

static void prepare(struct fixture *f)
{
    struct node n;
    fixture_init(f, 1);
    node_must_start(&n, f);
    node_commit(&n);
    node_wait(&n);
    node_crash(&n); /* leaves a file in progress to be recovered */
}

static bool run_once(unsigned long cut_at, int mode)
{
    struct fixture f, remains;
    prepare(&f);
    fixture_init(&remains, 1);
    char path[300], command[400];
    snprintf(disk.target, sizeof(disk.target), "%s/d0/current", remains.root);
    snprintf(command, sizeof(command), "rm -f %s/*", disk.target);
    cr_assert_eq(system(command), 0);
    snprintf(path, sizeof(path), "%s/d0/current", f.root);
    forget_all();
    take_all_files(path);
    disk.cut_at = cut_at;
    disk.mode = mode;
    disk.armed = true;
    scenario(&f);
    disk.armed = false;
    bool cut = disk.cut;
    if (cut) {
        struct node n;
        struct err err = {0};
        int rc = node_start(&n, &remains, &err);
        cr_assert_eq(rc, 0, "cut %lu, mode %d: %s", cut_at, mode, err.text);
        uint64_t least = disk.durable_at_cut > 2 ? disk.durable_at_cut : 2;
        cr_assert_geq(n.nn->last_txid, least + 1, "cut %lu, mode %d", cut_at, mode);
        node_stop(&n);
    }
    fixture_fini(&f);
    fixture_fini(&remains);
    return cut;
}

static void sweep(int mode)
{
    unsigned long cuts = 0;
    while (run_once(cuts, mode))
        cuts++;
    cr_assert_gt(cuts, 20, "the scenario must really write");
}

Test(crash, nothing_unsynced_is_there, .timeout = 120)
{
    sweep(0);
}

Test(crash, everything_unsynced_is_there, .timeout = 120)
{
    sweep(1);
}

Test(crash, half_of_the_unsynced_bytes_are_there, .timeout = 120)
{
    sweep(2);
}
