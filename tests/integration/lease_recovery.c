/* lease_recovery.c - writers that die: lease_recovery URL REPEATS REPLICATION [SEED]
 * Each writer is a process of its own (this program again, as `lease_recovery -write URL PATH SEED
 * REPLICATION`), tells by how many bytes it has flushed, and is killed at a random instant. Then
 * its lease is recovered: the file must close, must have at least what was flushed, and only bytes
 * that were written. Prints each file's length; what the replicas have is the script's business. */
#include <dfs.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 10, BLOCK_SIZE = 64 << 10, RECOVERY_SECONDS = 90 };

static const char *url;
static struct dfs *fs;

__attribute__((noreturn)) static void die(const char *what, const char *path,
                                          const struct dfs_error *e)
{
    fprintf(stderr, "lease_recovery: %s %s: %s %s\n", what, path, e->exception, e->text);
    exit(1);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint8_t byte_at(uint64_t seed, uint64_t offset)
{
    uint64_t state = seed * 1000003 + offset / 8;
    return (uint8_t)(next_random(&state) >> (offset % 8 * 8));
}

static void connect_to(void)
{
    struct dfs_error e = {0};
    if (dfs_connect(&(struct dfs_options){.url = url}, &fs, &e) != 0)
        die("connect", url, &e);
}

/* ---- the writer ---- */

static int write_until_killed(const char *path, uint64_t seed, uint32_t replication)
{
    static uint8_t data[40000];
    struct dfs_file *file;
    struct dfs_error e = {0};
    uint64_t state = seed, length = 0;
    connect_to();
    struct dfs_create_options o = {
        .overwrite = true, .replication = replication, .block_size = BLOCK_SIZE};
    if (dfs_create(fs, path, &o, &file, &e) != 0)
        die("create", path, &e);
    for (;;) {
        uint64_t dice = next_random(&state);
        size_t size = 1 + (dice & 7 ? dice >> 8 & 1023 : dice >> 8) % (sizeof(data) - 1);
        for (size_t i = 0; i < size; i++)
            data[i] = byte_at(seed, length + i);
        if (dfs_write(file, data, size, &e) != (ssize_t)size)
            die("write", path, &e);
        length += size;
        if ((dice >> 40 & 3) == 0)
            continue; /* some is still on its way when the end comes */
        if ((dice >> 42 & 15 ? dfs_hflush(file, &e) : dfs_hsync(file, &e)) != 0)
            die("flush", path, &e);
        if (write(STDOUT_FILENO, &length, sizeof(length)) != sizeof(length))
            return 0;
    }
}

/* ---- the one who comes after it ---- */

struct victim {
    pid_t pid;
    int told;
    uint64_t seed, flushed;
    char path[64];
};

static void start(struct victim *v, const char *self, char *replication, uint64_t seed)
{
    int ends[2];
    char text[32];
    v->seed = seed;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
    snprintf(v->path, sizeof(v->path), "/lease_recovery/f%llu", (unsigned long long)seed);
    if (pipe(ends) != 0 || (v->pid = fork()) < 0) {
        perror("lease_recovery");
        exit(1);
    }
    if (v->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(self, self, "-write", url, v->path, text, replication, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    v->told = ends[0];
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static void kill_and_collect(struct victim *v)
{
    int status;
    uint64_t length;
    kill(v->pid, SIGKILL);
    while (waitpid(v->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFSIGNALED(status)) {
        fprintf(stderr, "lease_recovery: the writer of %s ended by itself\n", v->path);
        exit(1);
    }
    while (read(v->told, &length, sizeof(length)) == sizeof(length))
        v->flushed = length;
    close(v->told);
}

static bool exists(const char *path)
{
    struct dfs_stat stat;
    struct dfs_error e = {0};
    int rc = dfs_stat(fs, path, &stat, &e);
    if (rc == 0)
        dfs_stat_free(&stat);
    else if (rc != -ENOENT)
        die("stat", path, &e);
    return rc == 0;
}

static void recover(const struct victim *v)
{
    struct dfs_error e = {0};
    bool closed = false;
    time_t end = time(NULL) + RECOVERY_SECONDS;
    for (; !closed; sleep_ms(100)) {
        if (dfs_recover_lease(fs, v->path, &closed, &e) != 0)
            die("recover", v->path, &e);
        if (!closed && time(NULL) > end) {
            fprintf(stderr, "lease_recovery: %s isn't closed after %d s\n", v->path,
                    RECOVERY_SECONDS);
            exit(1);
        }
    }
}

static void check(const struct victim *v)
{
    static uint8_t data[1 << 16];
    struct dfs_file *file;
    struct dfs_error e = {0};
    uint64_t offset = 0;
    ssize_t n;
    if (dfs_open(fs, v->path, &file, &e) != 0)
        die("open", v->path, &e);
    while ((n = dfs_read(file, data, sizeof(data), &e)) > 0)
        for (ssize_t i = 0; i < n; i++, offset++)
            if (data[i] != byte_at(v->seed, offset)) {
                fprintf(stderr, "lease_recovery: %s has a wrong byte at %llu of %llu\n", v->path,
                        (unsigned long long)offset, (unsigned long long)dfs_length(file));
                exit(1);
            }
    if (n < 0)
        die("read", v->path, &e);
    if (offset != dfs_length(file) || offset < v->flushed) {
        fprintf(stderr, "lease_recovery: %s has %llu bytes, flushed were %llu (says %llu)\n",
                v->path, (unsigned long long)offset, (unsigned long long)v->flushed,
                (unsigned long long)dfs_length(file));
        exit(1);
    }
    printf("%s flushed %llu recovered %llu\n", v->path, (unsigned long long)v->flushed,
           (unsigned long long)offset);
    (void)dfs_close(file, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "-write") == 0) {
        url = argv[2];
        return write_until_killed(argv[3], strtoull(argv[4], NULL, 10),
                                  (uint32_t)strtoul(argv[5], NULL, 10));
    }
    if (argc < 4) {
        fprintf(stderr, "usage: lease_recovery URL REPEATS REPLICATION [SEED]\n");
        return 2;
    }
    url = argv[1];
    uint64_t repeats = strtoull(argv[2], NULL, 10);
    uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1, dice = seed;
    connect_to();
    for (uint64_t done = 0; done < repeats;) {
        struct victim v[BATCH] = {0};
        int count = 0;
        for (; count < BATCH && done + (uint64_t)count < repeats; count++)
            start(&v[count], argv[0], argv[3], seed * 100000 + done + (uint64_t)count);
        sleep_ms(300); /* until most of them write */
        for (int i = 0; i < count; i++) {
            sleep_ms((unsigned)(next_random(&dice) % 150));
            kill_and_collect(&v[i]);
        }
        if (getenv("BETWEEN") != NULL && system(getenv("BETWEEN")) != 0) {
            fprintf(stderr, "lease_recovery: %s failed\n", getenv("BETWEEN"));
            return 1;
        }
        for (int i = 0; i < count; i++) { /* all at once, then one after the other */
            bool closed;
            (void)dfs_recover_lease(fs, v[i].path, &closed, NULL);
        }
        for (int i = 0; i < count; i++) {
            if (!exists(v[i].path)) /* killed before it began */
                continue;
            recover(&v[i]);
            check(&v[i]);
        }
        done += (uint64_t)count;
        fflush(stdout);
    }
    dfs_disconnect(fs);
    return 0;
}
