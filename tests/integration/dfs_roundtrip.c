/* dfs_roundtrip.c - libdfs against a running cluster: dfs_roundtrip URL [SEED] [key=value...]
 * Everything that is read is compared with what was written; a difference prints where and exits
 * with 1. Runs below /dfs_roundtrip.<pid>, which it removes. Block size is 1 MiB, so that several
 * blocks are cheap. */
#include <dfs.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB          1048576ULL
#define MAX_SETTINGS 32

static struct dfs *fs;
static char base[64];
static uint64_t seed = 1;
static unsigned checks;

__attribute__((noreturn, format(printf, 2, 3))) static void die(int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "dfs_roundtrip:%d: ", line);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, " (seed %llu)\n", (unsigned long long)seed);
    va_end(ap);
    exit(1);
}

#define EXPECT(x, ...)                                    \
    do {                                                  \
        __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED); \
        if (!(x))                                         \
            die(__LINE__, __VA_ARGS__);                   \
    } while (0)
/* The call must succeed; `e` tells why it didn't. */
#define OK(call)                                                             \
    do {                                                                     \
        struct dfs_error e = {0};                                            \
        long long rc_ = (call);                                              \
        EXPECT(rc_ >= 0, "%s: %lld %s %s", #call, rc_, e.exception, e.text); \
    } while (0)
#define FAILS(eno, call)                                                                 \
    do {                                                                                 \
        struct dfs_error e = {0};                                                        \
        long long rc_ = (call);                                                          \
        EXPECT(rc_ == -(eno) && e.code == (eno) && e.text[0] != '\0',                    \
               "%s: %lld, expected %d; %s %s", #call, rc_, -(eno), e.exception, e.text); \
    } while (0)

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Byte `offset` of every file with this tag. */
static uint8_t byte_at(uint64_t tag, uint64_t offset)
{
    uint64_t z = (offset / 8 + tag * 0x10001) * 0x9e3779b97f4a7c15ULL;
    return (uint8_t)((z ^ (z >> 29)) >> (offset % 8 * 8));
}

static void fill(uint64_t tag, uint64_t offset, uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(tag, offset + i);
}

static void compare(int line, uint64_t tag, uint64_t offset, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte_at(tag, offset + i))
            die(line, "byte %llu is %02x, not %02x", (unsigned long long)(offset + i), data[i],
                byte_at(tag, offset + i));
    __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
}

static const char *path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", base, name);
    return out;
}

static struct dfs_file *create(const char *path)
{
    struct dfs_create_options o = {.create_parents = true, .block_size = MIB};
    struct dfs_file *f = NULL;
    OK(dfs_create(fs, path, &o, &f, &e));
    return f;
}

static struct dfs_file *open_file(const char *path)
{
    struct dfs_file *f = NULL;
    OK(dfs_open(fs, path, &f, &e));
    return f;
}

static uint8_t *memory(size_t size)
{
    uint8_t *p = malloc(size + 1);
    if (p == NULL)
        die(__LINE__, "no memory");
    return p;
}

/* Pieces of 1 byte to 300,000, mostly odd. */
static size_t piece(uint64_t *rng)
{
    uint64_t r = next_random(rng);
    return (size_t)(r % 5 == 0 ? 1 + r / 5 % 700 : 1 + r / 5 % 300000);
}

static void write_file(const char *path, uint64_t tag, uint64_t size, bool flushes)
{
    uint64_t rng = seed ^ tag, done = 0;
    uint8_t *data = memory(300000);
    struct dfs_file *f = create(path);
    while (done < size) {
        size_t n = piece(&rng);
        if (n > size - done)
            n = (size_t)(size - done);
        fill(tag, done, data, n);
        OK(dfs_write(f, data, n, &e));
        done += n;
        if (flushes && next_random(&rng) % 3 == 0)
            OK(next_random(&rng) % 2 == 0 ? dfs_hflush(f, &e) : dfs_hsync(f, &e));
    }
    EXPECT(dfs_length(f) == size, "length while writing");
    OK(dfs_close(f, &e));
    free(data);
}

static void read_through(const char *path, uint64_t tag, uint64_t size)
{
    uint64_t rng = seed ^ tag ^ 77, done = 0;
    uint8_t *data = memory(300000);
    struct dfs_file *f = open_file(path);
    EXPECT(dfs_length(f) == size, "%s has %llu bytes, not %llu", path,
           (unsigned long long)dfs_length(f), (unsigned long long)size);
    for (;;) {
        ssize_t n = 0;
        OK(n = dfs_read(f, data, piece(&rng), &e));
        if (n == 0)
            break;
        compare(__LINE__, tag, done, data, (size_t)n);
        done += (uint64_t)n;
        EXPECT(dfs_tell(f) == done, "tell");
    }
    EXPECT(done == size, "%s ended after %llu bytes of %llu", path, (unsigned long long)done,
           (unsigned long long)size);
    OK(dfs_close(f, &e));
    free(data);
}

static void read_around(struct dfs_file *f, uint64_t tag, uint64_t size, uint64_t rng, unsigned n)
{
    uint8_t *data = memory(300000);
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = next_random(&rng) % (size + 1);
        size_t want = piece(&rng);
        ssize_t got = 0;
        OK(got = dfs_pread(f, data, want, at, &e));
        uint64_t due = want < size - at ? want : size - at;
        EXPECT((uint64_t)got == due, "pread of %zu at %llu gave %zd", want, (unsigned long long)at,
               got);
        compare(__LINE__, tag, at, data, (size_t)got);
    }
    free(data);
}

static void seek_around(struct dfs_file *f, uint64_t tag, uint64_t size, unsigned n)
{
    uint64_t rng = seed ^ tag ^ 99;
    uint8_t *data = memory(300000);
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = next_random(&rng) % (size + 1);
        if (i % 3 == 0 && dfs_tell(f) + 5000 < size)
            at = dfs_tell(f) + next_random(&rng) % 5000; /* a short way ahead */
        OK(dfs_seek(f, at, &e));
        for (int j = 0; j < 2; j++) {
            ssize_t got = 0;
            OK(got = dfs_read(f, data, piece(&rng), &e));
            EXPECT(got > 0 || at == size, "read after a seek to %llu", (unsigned long long)at);
            compare(__LINE__, tag, at, data, (size_t)got);
            at += (uint64_t)got;
        }
    }
    FAILS(EINVAL, dfs_seek(f, size + 1, &e));
    free(data);
}

static void sizes(void)
{
    static const uint64_t list[] = {0,       1,           511,     512,    513,        1023,
                                    64511,   64512,       64513,   129024, MIB - 1,    MIB,
                                    MIB + 1, 3 * MIB + 7, 4 * MIB, 65536,  MIB + 64512};
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        char name[32], path[128];
        snprintf(name, sizeof(name), "size%zu", i);
        path_of(path, name);
        write_file(path, i + 1, list[i], i % 2 == 1);
        read_through(path, i + 1, list[i]);
        struct dfs_file *f = open_file(path);
        read_around(f, i + 1, list[i], seed ^ i, 12);
        seek_around(f, i + 1, list[i], 8);
        OK(dfs_close(f, &e));
    }
}

struct reader_arg {
    struct dfs_file *file;
    uint64_t tag, size, rng;
};

static void *reader_main(void *arg)
{
    struct reader_arg *a = arg;
    read_around(a->file, a->tag, a->size, a->rng, 40);
    return NULL;
}

static void threads(void)
{
    enum { THREADS = 8 };
    char path[128];
    uint64_t size = 5 * MIB + 12345;
    pthread_t ids[THREADS];
    struct reader_arg args[THREADS];
    write_file(path_of(path, "threads"), 500, size, false);
    struct dfs_file *f = open_file(path);
    for (int i = 0; i < THREADS; i++) {
        args[i] = (struct reader_arg){f, 500, size, seed + (uint64_t)i};
        EXPECT(pthread_create(&ids[i], NULL, reader_main, &args[i]) == 0, "thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    OK(dfs_close(f, &e));
}

/* What was flushed is seen by a reader that opens the file while it is still being written. */
static void flushed_is_visible(void)
{
    char path[128];
    uint8_t data[3000];
    uint64_t length = 0, rng = seed ^ 4242;
    struct dfs_file *f = create(path_of(path, "growing"));
    for (int i = 0; i < 25; i++) {
        size_t n = (size_t)(next_random(&rng) % sizeof(data));
        if (i == 12) { /* to just before the block's end, and over it */
            uint8_t *big = memory(MIB);
            size_t to_edge = (size_t)(MIB - 100 - length);
            fill(9, length, big, to_edge);
            OK(dfs_write(f, big, to_edge, &e));
            length += to_edge;
            free(big);
        }
        fill(9, length, data, n);
        OK(dfs_write(f, data, n, &e));
        length += n;
        OK(i % 2 == 0 ? dfs_hflush(f, &e) : dfs_hsync(f, &e));
        if (i % 5 == 0)
            OK(dfs_hsync(f, &e)); /* nothing new */
        read_through(path, 9, length);
    }
    OK(dfs_close(f, &e));
    read_through(path, 9, length);
}

static void listing(void)
{
    enum { COUNT = 2500 };
    char dir[128], path[192];
    uint8_t *seen = calloc(COUNT, 1);
    OK(dfs_mkdirs(fs, path_of(dir, "many"), 0755, false, &e));
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "%s/entry%04d-\xc3\xa4", dir, i);
        OK(dfs_mkdirs(fs, path, 0755, false, &e));
    }
    struct dfs_dir *d = NULL;
    OK(dfs_opendir(fs, dir, &d, &e));
    int count = 0;
    for (;;) {
        struct dfs_stat s;
        int rc = 0, i;
        OK(rc = dfs_readdir(d, &s, &e));
        if (rc == 0)
            break;
        EXPECT(sscanf(s.name, "entry%d", &i) == 1 && i >= 0 && i < COUNT && !seen[i] &&
                   s.type == DFS_DIRECTORY && s.children == 0,
               "strange entry %s", s.name);
        seen[i] = 1;
        count++;
        dfs_stat_free(&s);
    }
    dfs_closedir(d);
    EXPECT(count == COUNT, "%d entries listed", count);
    free(seen);
    FAILS(ENOTEMPTY, dfs_delete(fs, dir, false, &e));
    OK(dfs_delete(fs, dir, true, &e));
    FAILS(ENOENT, dfs_opendir(fs, dir, &d, &e));
    snprintf(path, sizeof(path), "%s/size3", base);
    struct dfs_stat s;
    OK(dfs_opendir(fs, path, &d, &e));
    OK(dfs_readdir(d, &s, &e));
    EXPECT(strcmp(s.name, "size3") == 0 && s.length == 512, "a file's own listing");
    dfs_stat_free(&s);
    EXPECT(dfs_readdir(d, &s, NULL) == 0, "a file lists itself once");
    dfs_closedir(d);
}

static void names(void)
{
    char a[128], b[128], c[128];
    struct dfs_stat s;
    struct dfs_file *f = NULL;
    struct dfs_create_options plain = {.block_size = MIB, .mode = 0640};
    write_file(path_of(a, "name-a"), 31, 1000, false);
    path_of(b, "name-b");
    OK(dfs_rename(fs, a, b, 0, &e));
    FAILS(ENOENT, dfs_stat(fs, a, &s, &e));
    read_through(b, 31, 1000);
    FAILS(ENOENT, dfs_rename(fs, a, b, 0, &e));
    write_file(a, 32, 2000, false);
    FAILS(EEXIST, dfs_rename(fs, a, b, 0, &e));
    OK(dfs_rename(fs, a, b, DFS_RENAME_OVERWRITE, &e));
    read_through(b, 32, 2000);
    FAILS(EEXIST, dfs_create(fs, b, &plain, &f, &e));
    path_of(c, "no/such/dir");
    FAILS(ENOENT, dfs_create(fs, c, &plain, &f, &e));
    path_of(c, "name-b/below");
    FAILS(ENOTDIR, dfs_create(fs, c, &plain, &f, &e));
    int rc = dfs_stat(fs, c, &s, NULL); /* a superuser's path isn't walked, so it is only missing */
    EXPECT(rc == -ENOTDIR || rc == -ENOENT, "stat below a file: %d", rc);
    FAILS(EISDIR, dfs_open(fs, base, &f, &e));
    FAILS(EEXIST, dfs_create(fs, base, &plain, &f, &e));
    FAILS(ENOENT, dfs_open(fs, path_of(c, "nothing"), &f, &e));
    FAILS(ENOENT, dfs_delete(fs, c, false, &e));
    FAILS(EEXIST, dfs_mkdirs(fs, b, 0755, true, &e));
    FAILS(EINVAL, dfs_stat(fs, "/../x", &s, &e));
    FAILS(EINVAL, dfs_stat(fs, "/bad\xff", &s, &e));
    FAILS(EINVAL, dfs_stat(fs, "", &s, &e));
    FAILS(EINVAL, dfs_stat(fs, "hdfs://elsewhere:1/x", &s, &e));
    snprintf(c, sizeof(c), "%s%s/.//x/..//name-b/", dfs_url(fs), base);
    OK(dfs_stat(fs, c, &s, &e));
    EXPECT(strcmp(s.name, "name-b") == 0 && s.length == 2000 && s.type == DFS_FILE &&
               s.block_size == MIB && s.file_id > 0 && strcmp(s.owner, dfs_user(fs)) == 0,
           "stat by URL");
    dfs_stat_free(&s);
    /* a file that is renamed while it is written goes on: its id counts, not its name */
    f = create(a);
    uint8_t data[5000];
    fill(33, 0, data, sizeof(data));
    OK(dfs_write(f, data, sizeof(data), &e));
    OK(dfs_hflush(f, &e));
    OK(dfs_rename(fs, a, path_of(c, "moved"), 0, &e));
    fill(33, sizeof(data), data, sizeof(data));
    OK(dfs_write(f, data, sizeof(data), &e));
    OK(dfs_close(f, &e));
    read_through(c, 33, 2 * sizeof(data));
    /* a file that is deleted while it is written can't be closed */
    f = create(a);
    OK(dfs_write(f, data, sizeof(data), &e));
    OK(dfs_delete(fs, a, false, &e));
    FAILS(ENOENT, dfs_close(f, &e));
}

static void attributes(void)
{
    char path[128];
    struct dfs_stat s;
    struct dfs_file *f = NULL;
    struct dfs_create_options o = {.mode = 0666, .replication = 2, .block_size = MIB};
    OK(dfs_create(fs, path_of(path, "attr"), &o, &f, &e));
    OK(dfs_close(f, &e));
    OK(dfs_stat(fs, path, &s, &e));
    EXPECT(s.mode == 0644 && s.replication == 2 && s.length == 0, "mode %o, replication %u", s.mode,
           s.replication);
    dfs_stat_free(&s);
    OK(dfs_chmod(fs, path, 0600, &e));
    OK(dfs_chown(fs, path, "alice", "staff", &e));
    OK(dfs_utimes(fs, path, 1000000000123, 1000000000456, &e));
    OK(dfs_set_replication(fs, path, 1, &e));
    OK(dfs_stat(fs, path, &s, &e));
    EXPECT(s.mode == 0600 && strcmp(s.owner, "alice") == 0 && strcmp(s.group, "staff") == 0 &&
               s.modified_ms == 1000000000123 && s.accessed_ms == 1000000000456 &&
               s.replication == 1,
           "attributes");
    dfs_stat_free(&s);
    OK(dfs_utimes(fs, path, -1, 5000, &e));
    OK(dfs_stat(fs, path, &s, &e));
    EXPECT(s.modified_ms == 1000000000123 && s.accessed_ms == 5000, "one time only");
    dfs_stat_free(&s);
    FAILS(EISDIR, dfs_set_replication(fs, base, 1, &e));
    FAILS(ENOENT, dfs_set_replication(fs, path_of(path, "nothing"), 1, &e));
    FAILS(ENOENT, dfs_chmod(fs, path, 0600, &e));
    path_of(path, "size3");
    struct dfs_checksum sum;
    OK(dfs_checksum(fs, path, &sum, &e));
    EXPECT(sum.size == 28 && strncmp(sum.algorithm, "MD5-of-0MD5-of-512CRC32", 23) == 0, "%s",
           sum.algorithm);
}

/* Another user without rights. */
static void permissions(const char *url)
{
    struct dfs *other = NULL;
    struct dfs_file *f = NULL;
    struct dfs_options o = {.url = url, .user = "mallory"};
    char path[128];
    struct dfs_error err = {0};
    OK(dfs_connect(&o, &other, &e));
    OK(dfs_chmod(fs, path_of(path, "size2"), 0600, &e));
    FAILS(EACCES, dfs_open(other, path, &f, &e));
    EXPECT(dfs_open(other, path, &f, &err) == -EACCES && strstr(err.text, "mallory") != NULL &&
               strstr(err.exception, "AccessControlException") != NULL,
           "text of the server: %s %s", err.exception, err.text);
    FAILS(EACCES, dfs_delete(other, path, false, &e));
    dfs_disconnect(other);
}

static void whole(void)
{
    struct dfs_summary sum;
    struct dfs_usage usage;
    struct dfs_defaults d;
    struct dfs_nodes nodes;
    struct dfs_locations l;
    bool on = true;
    char path[128];
    OK(dfs_content_summary(fs, base, &sum, &e));
    EXPECT(sum.files >= 17 && sum.directories == 1 && sum.length > 9 * MIB, "summary");
    OK(dfs_statfs(fs, &usage, &e));
    EXPECT(usage.capacity > 0 && usage.remaining <= usage.capacity, "usage");
    OK(dfs_server_defaults(fs, &d, &e));
    EXPECT(d.bytes_per_checksum > 0 && d.block_size > 0 && d.replication > 0, "defaults");
    OK(dfs_nodes(fs, DFS_NODES_LIVE, &nodes, &e));
    EXPECT(nodes.count > 0 && nodes.items[0].capacity > 0 && nodes.items[0].address[0] != '\0',
           "nodes");
    dfs_nodes_free(&nodes);
    OK(dfs_locate(fs, path_of(path, "size13"), 0, UINT64_MAX, &l, &e));
    EXPECT(l.count == 4 && l.items[3].offset == 3 * MIB && l.items[3].length == 7 &&
               l.items[0].host_count > 0,
           "locations");
    dfs_locations_free(&l);
    OK(dfs_safemode(fs, DFS_SAFEMODE_GET, &on, &e));
    EXPECT(!on, "safe mode");
}

static void refused(void)
{
    struct dfs *nobody = NULL;
    struct dfs_stat s;
    const char *settings[] = {"ipc.client.connect.max.retries=0", NULL};
    struct dfs_options o = {.url = "hdfs://127.0.0.1:1", .settings = settings};
    OK(dfs_connect(&o, &nobody, &e));
    FAILS(ECONNREFUSED, dfs_stat(nobody, "/", &s, &e));
    dfs_disconnect(nobody);
    o.url = "ftp://x";
    FAILS(EINVAL, dfs_connect(&o, &nobody, &e));
}

int main(int argc, char **argv)
{
    const char *settings[MAX_SETTINGS + 1] = {NULL};
    if (argc < 2 || argc > 3 + MAX_SETTINGS) {
        fprintf(stderr, "usage: dfs_roundtrip URL [SEED] [key=value...]\n");
        return 2;
    }
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    for (int i = 3; i < argc; i++)
        settings[i - 3] = argv[i];
    struct dfs_options o = {.url = argv[1], .settings = settings};
    OK(dfs_connect(&o, &fs, &e));
    snprintf(base, sizeof(base), "/dfs_roundtrip.%d", (int)getpid());
    OK(dfs_mkdirs(fs, base, 0755, true, &e));
    sizes();
    threads();
    flushed_is_visible();
    listing();
    names();
    attributes();
    permissions(argv[1]);
    whole();
    refused();
    OK(dfs_delete(fs, base, true, &e));
    dfs_disconnect(fs);
    printf("dfs_roundtrip: %u checks passed (seed %llu)\n", checks, (unsigned long long)seed);
    return 0;
}
