/* append_truncate.c - around the edges of chunks: append_truncate URL [all|begin|end]
 * 1. Files of each length get each number of bytes appended, while a second client reads along: no
 *    byte is ever wrong, and what was visible once stays visible.
 * 2. Files are cut to each edge, all at the same time, and get bytes appended after that.
 * begin: only begins to cut some files. end: waits until they are cut (by then the NameNode may be
 * another one). With `all` every length and number from 0 to 1,025 takes part, each length with a
 * random number.
 */
#include <dfs.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1025, BLOCK_SIZE = 1024, LIMIT_SECONDS = 90 };
static const unsigned edges[] = {0, 1, 511, 512, 513, 1023, 1024, 1025};
enum { EDGES = sizeof(edges) / sizeof(*edges) };

static struct dfs *writer, *reader;

__attribute__((noreturn)) static void die(const char *what, const char *path,
                                          const struct dfs_error *e)
{
    fprintf(stderr, "append_truncate: %s %s: %s %s\n", what, path, e->exception, e->text);
    exit(1);
}

static uint8_t byte_at(unsigned version, uint64_t offset)
{
    return (uint8_t)(offset * 31 + offset / 251 + version * 101);
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* ---- what is in a file: `split` bytes of version 0, the rest of version 1 ---- */

static void expect(const uint8_t *data, uint64_t size, uint64_t split, const char *path)
{
    for (uint64_t i = 0; i < size; i++)
        if (data[i] != byte_at(i >= split, i)) {
            fprintf(stderr, "append_truncate: %s has a wrong byte at %llu of %llu\n", path,
                    (unsigned long long)i, (unsigned long long)size);
            exit(1);
        }
}

static uint64_t read_all(struct dfs_file *file, uint64_t split, const char *path)
{
    uint8_t data[4 * MOST];
    struct dfs_error e = {0};
    uint64_t length = dfs_length(file);
    ssize_t n = dfs_pread(file, data, length, 0, &e);
    if (n < 0)
        die("read", path, &e);
    if ((uint64_t)n != length) {
        fprintf(stderr, "append_truncate: %s shows %llu bytes, %zd can be read\n", path,
                (unsigned long long)length, n);
        exit(1);
    }
    expect(data, length, split, path);
    return length;
}

static uint64_t open_and_read(struct dfs *fs, uint64_t split, const char *path)
{
    struct dfs_file *file;
    struct dfs_error e = {0};
    if (dfs_open(fs, path, &file, &e) != 0)
        die("open", path, &e);
    uint64_t length = read_all(file, split, path);
    (void)dfs_close(file, NULL);
    return length;
}

static void put(struct dfs_file *file, unsigned version, uint64_t from, uint64_t size,
                const char *path)
{
    uint8_t data[4 * MOST];
    struct dfs_error e = {0};
    for (uint64_t i = 0; i < size; i++)
        data[i] = byte_at(version, from + i);
    if (size > 0 && dfs_write(file, data, size, &e) != (ssize_t)size)
        die("write", path, &e);
}

static void make(const char *path, uint64_t length, uint64_t block_size)
{
    struct dfs_file *file;
    struct dfs_error e = {0};
    struct dfs_create_options o = {.overwrite = true, .replication = 3, .block_size = block_size};
    if (dfs_create(writer, path, &o, &file, &e) != 0)
        die("create", path, &e);
    put(file, 0, 0, length, path);
    if (dfs_close(file, &e) != 0)
        die("close", path, &e);
}

static void append(const char *path, uint64_t length, uint64_t size, bool flush)
{
    struct dfs_file *file;
    struct dfs_error e = {0};
    if (dfs_append(writer, path, 0, &file, &e) != 0)
        die("append", path, &e);
    put(file, 1, length, size / 2, path);
    if (flush && dfs_hflush(file, &e) != 0)
        die("hflush", path, &e);
    put(file, 1, length + size / 2, size - size / 2, path);
    if (dfs_close(file, &e) != 0)
        die("close", path, &e);
}

static void expect_length(uint64_t length, uint64_t wanted, const char *path)
{
    if (length == wanted)
        return;
    fprintf(stderr, "append_truncate: %s has %llu bytes, not %llu\n", path,
            (unsigned long long)length, (unsigned long long)wanted);
    exit(1);
}

/* ---- the one who reads along ---- */

struct watch {
    const char *path;
    uint64_t split, at_least;
    atomic_bool stop;
    unsigned looks;
};

static void no_less(uint64_t length, struct watch *w)
{
    if (length < w->at_least) {
        fprintf(stderr, "append_truncate: %s shrank from %llu to %llu\n", w->path,
                (unsigned long long)w->at_least, (unsigned long long)length);
        exit(1);
    }
    w->at_least = length;
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct dfs_file *file;
    struct dfs_error e = {0};
    if (dfs_open(reader, w->path, &file, &e) != 0)
        die("open", w->path, &e);
    for (; !atomic_load(&w->stop); w->looks++) {
        no_less(open_and_read(reader, w->split, w->path), w);
        if (dfs_refresh(file, &e) != 0)
            die("refresh", w->path, &e);
        no_less(read_all(file, w->split, w->path), w);
    }
    (void)dfs_close(file, NULL);
    return NULL;
}

static unsigned watched_append(const char *path, uint64_t length, uint64_t size)
{
    struct watch w = {.path = path, .split = length, .at_least = length};
    pthread_t thread;
    make(path, length, BLOCK_SIZE);
    if (pthread_create(&thread, NULL, watch_main, &w) != 0)
        exit(1);
    append(path, length, size, true);
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    expect_length(open_and_read(reader, length, path), length + size, path);
    return w.looks;
}

static void appends(bool all)
{
    unsigned looks = 0, files = 0;
    for (uint64_t length = 0; length <= MOST; length++) {
        bool edge = false;
        for (int i = 0; i < EDGES; i++)
            edge |= edges[i] == length;
        for (int i = 0; edge && i < EDGES; i++, files++)
            looks += watched_append("/append_truncate/a", length, edges[i]);
        if (!all)
            continue;
        looks += watched_append("/append_truncate/a", length, (length * 7919 + 13) % (MOST + 1));
        files++;
    }
    printf("%u appends, %u looks meanwhile\n", files, looks);
}

/* ---- cutting ---- */

struct cut {
    char path[64];
    uint64_t from, to;
};

static void wait_closed(const char *path)
{
    struct dfs_error e = {0};
    bool closed = false;
    time_t end = time(NULL) + LIMIT_SECONDS;
    for (; !closed; sleep_ms(50)) {
        if (dfs_is_closed(writer, path, &closed, &e) != 0)
            die("is closed", path, &e);
        if (!closed && time(NULL) > end) {
            fprintf(stderr, "append_truncate: %s isn't cut after %d s\n", path, LIMIT_SECONDS);
            exit(1);
        }
    }
}

static unsigned plan_cuts(struct cut *list)
{
    unsigned count = 0;
    for (int from = 0; from < EDGES; from++)
        for (int to = 0; to <= from; to++) {
            struct cut *c = &list[count++];
            c->from = edges[from];
            c->to = edges[to];
            snprintf(c->path, sizeof(c->path), "/append_truncate/t%u", count);
        }
    return count;
}

/* Twice the block size: ends inside blocks, at their ends, and behind the first. */
static void cuts(uint64_t block_size)
{
    struct cut list[EDGES * EDGES];
    struct dfs_error e = {0};
    unsigned count = plan_cuts(list), waited = 0;
    for (unsigned i = 0; i < count; i++)
        make(list[i].path, list[i].from, block_size);
    for (unsigned i = 0; i < count; i++) {
        bool done;
        if (dfs_truncate(writer, list[i].path, list[i].to, &done, &e) != 0)
            die("truncate", list[i].path, &e);
        if (done != (list[i].to == list[i].from || list[i].to % block_size == 0)) {
            fprintf(stderr, "append_truncate: %s from %llu to %llu was %sdone at once\n",
                    list[i].path, (unsigned long long)list[i].from, (unsigned long long)list[i].to,
                    done ? "" : "not ");
            exit(1);
        }
        waited += !done;
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t to = list[i].to, more = edges[i % EDGES];
        wait_closed(list[i].path);
        expect_length(open_and_read(reader, to, list[i].path), to, list[i].path);
        append(list[i].path, to, more, false);
        expect_length(open_and_read(reader, to, list[i].path), to + more, list[i].path);
    }
    printf("%u cuts with blocks of %llu, %u by DataNodes\n", count, (unsigned long long)block_size,
           waited);
}

static void begin_or_end(bool begin)
{
    struct dfs_error e = {0};
    for (unsigned i = 0; i < 2 * EDGES; i++) {
        char path[64];
        bool done;
        if (i % EDGES == 0)
            continue; /* there is nothing to cut */
        uint64_t from = edges[i % EDGES], to = from / 2;
        snprintf(path, sizeof(path), "/append_truncate/u%u", i);
        if (begin) {
            make(path, from, 1 << 20);
            if (dfs_truncate(writer, path, to, &done, &e) != 0)
                die("truncate", path, &e);
            continue;
        }
        wait_closed(path);
        expect_length(open_and_read(reader, to, path), to, path);
    }
}

int main(int argc, char **argv)
{
    struct dfs_error e = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: append_truncate URL [all]\n");
        return 2;
    }
    struct dfs_options o = {.url = argv[1]};
    if (dfs_connect(&o, &writer, &e) != 0 || dfs_connect(&o, &reader, &e) != 0)
        die("connect", argv[1], &e);
    if (dfs_mkdirs(writer, "/append_truncate", 0755, true, &e) != 0)
        die("mkdir", "/append_truncate", &e);
    if (argc > 2 && (strcmp(argv[2], "begin") == 0 || strcmp(argv[2], "end") == 0)) {
        begin_or_end(argv[2][0] == 'b');
        return 0;
    }
    appends(argc > 2);
    cuts(512);
    cuts(1024);
    cuts(1 << 20);
    dfs_disconnect(reader);
    dfs_disconnect(writer);
    return 0;
}
