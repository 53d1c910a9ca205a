/* striped_read.c - reads a file again and again, in order and at random places at the same time,
 * and compares with the original: striped_read URL PATH ORIGINAL SECONDS [SEED] [key=value...].
 * Prints how much it read and how long the longest call took; ends with 1 at a difference, with 3
 * and the text at an error of a read. SECONDS 0: once through, and some hundred random places. */
#include <dfs.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, PREADS = 100, MAX_SETTINGS = 16, BIG = 8 << 20 };

struct walk {
    pthread_t thread;
    uint64_t seed, calls, bytes;
    int64_t longest_ms;
    bool in_order;
};

static struct dfs *fs;
static struct dfs_file *shared;
static const char *path;
static const uint8_t *original;
static uint64_t length;
static int64_t until_ms;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* Mostly small, sometimes several stripes. */
static size_t some_size(uint64_t *seed)
{
    static const size_t most[] = {64, 5000, 131072, 1048576, 1048577, BIG};
    return (size_t)(next(seed) % most[next(seed) % 6]) + 1;
}

static void check(struct walk *w, const uint8_t *data, ssize_t n, size_t size, uint64_t at,
                  int64_t began_ms, const struct dfs_error *error)
{
    uint64_t left = at < length ? length - at : 0;
    size_t due = size < left ? size : (size_t)left;
    int64_t took = now_ms() - began_ms;
    w->longest_ms = took > w->longest_ms ? took : w->longest_ms;
    w->calls++;
    if (n < 0) {
        printf("%s of %zu bytes at %" PRIu64 " failed after %" PRId64 " ms: %s\n",
               w->in_order ? "read" : "pread", size, at, took, error->text);
        exit(3);
    }
    w->bytes += (uint64_t)n;
    if ((!w->in_order && (size_t)n != due) || (size_t)n > due || (due > 0 && n == 0) ||
        memcmp(data, original + at, (size_t)n) != 0) {
        printf("%s of %zu bytes at %" PRIu64 " gave %zd bytes, or other ones\n",
               w->in_order ? "read" : "pread", size, at, n);
        exit(1);
    }
}

static void once_through(struct walk *w, uint8_t *data)
{
    struct dfs_error error = {0};
    struct dfs_file *f;
    if (dfs_open(fs, path, &f, &error) != 0 || dfs_length(f) != length) {
        printf("open %s: %s\n", path, error.text);
        exit(1);
    }
    uint64_t at = 0;
    for (ssize_t n = 1; n > 0; at += (uint64_t)n) {
        if (next(&w->seed) % 16 == 0) { /* a bit forwards or backwards */
            at = (at + next(&w->seed) % 3000000) % (length + 1);
            at = at > 1000000 && next(&w->seed) % 2 == 0 ? at - 1000000 : at;
            if (dfs_seek(f, at, &error) != 0)
                exit(1);
        }
        size_t size = some_size(&w->seed);
        int64_t began = now_ms();
        n = dfs_read(f, data, size, &error);
        check(w, data, n, size, at, began, &error);
    }
    if (dfs_read(f, data, 1, &error) != 0)
        exit(1);
    dfs_close(f, &error);
}

static void *walk(void *arg)
{
    struct walk *w = arg;
    struct dfs_error error = {0};
    uint8_t *data = malloc(BIG);
    if (data == NULL)
        exit(1);
    for (int i = 0; now_ms() < until_ms || (until_ms == 0 && i < (w->in_order ? 1 : PREADS)); i++) {
        if (w->in_order) {
            once_through(w, data);
            continue;
        }
        uint64_t at = next(&w->seed) % (length + 10);
        size_t size = some_size(&w->seed);
        int64_t began = now_ms();
        ssize_t n = dfs_pread(shared, data, size, at, &error);
        check(w, data, n, size, at, began, &error);
    }
    free(data);
    return NULL;
}

static void map_original(const char *name)
{
    struct stat st;
    int fd = open(name, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(name);
        exit(2);
    }
    length = (uint64_t)st.st_size;
    original = length > 0 ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0) : (const void *)"";
    if (original == MAP_FAILED)
        exit(2);
    close(fd);
}

int main(int argc, char **argv)
{
    const char *settings[MAX_SETTINGS + 1] = {NULL};
    struct dfs_error error = {0};
    struct walk walks[THREADS + 1] = {0};
    if (argc < 5 || argc > 6 + MAX_SETTINGS) {
        fprintf(stderr, "usage: striped_read URL PATH ORIGINAL SECONDS [SEED] [key=value...]\n");
        return 2;
    }
    path = argv[2];
    map_original(argv[3]);
    uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
    int64_t seconds = (int64_t)strtoull(argv[4], NULL, 10);
    until_ms = seconds > 0 ? now_ms() + seconds * 1000 : 0;
    for (int i = 6; i < argc; i++)
        settings[i - 6] = argv[i];
    struct dfs_options o = {.url = argv[1], .settings = settings};
    if (dfs_connect(&o, &fs, &error) != 0 || dfs_open(fs, path, &shared, &error) != 0) {
        printf("open %s: %s\n", path, error.text);
        return 3;
    }
    for (int i = 0; i <= THREADS; i++) {
        walks[i].seed = seed * 1000003 + (uint64_t)i + 1;
        walks[i].in_order = i == 0;
        pthread_create(&walks[i].thread, NULL, walk, &walks[i]);
    }
    struct walk all = {0};
    for (int i = 0; i <= THREADS; i++) {
        pthread_join(walks[i].thread, NULL);
        all.calls += walks[i].calls;
        all.bytes += walks[i].bytes;
        all.longest_ms =
            walks[i].longest_ms > all.longest_ms ? walks[i].longest_ms : all.longest_ms;
    }
    dfs_close(shared, &error);
    dfs_disconnect(fs);
    printf("calls=%" PRIu64 " bytes=%" PRIu64 " longest_ms=%" PRId64 "\n", all.calls, all.bytes,
           all.longest_ms);
    return 0;
}
