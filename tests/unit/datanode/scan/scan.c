/* A store with rot of every kind: both scanners find it, and nothing else. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datanode/scan/internal.h"

enum { SIZE = 300000, STAMP = 1001 };
/* ids of blocks; those of internal blocks are below zero as signed numbers */
static uint64_t first = 1000;
static const uint64_t first_of_groups = 0x80000000000103f0;
static char base[64];
static const struct crc_kind kind = {CRC_CRC32C, 512};
static struct pool_identity identity = {"BP-1", "CID-1", 7, 1000};
static uint8_t bytes[2 << 20];
static struct store *store;
static struct block_pool *pool;

static struct {
    pthread_mutex_t lock;
    uint64_t bad[1000], removed[1000], received[1000];
    size_t bad_count, removed_count, received_count;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_event(void *ctx, enum store_event what, const char *pool_name, const char *storage,
                     enum storage_type type, const struct block *b, const char *hint)
{
    (void)ctx, (void)pool_name, (void)storage, (void)type, (void)hint;
    pthread_mutex_lock(&told.lock);
    if (what == STORE_REMOVED && told.removed_count < 1000)
        told.removed[told.removed_count++] = b->id;
    if (what == STORE_RECEIVED && told.received_count < 1000)
        told.received[told.received_count++] = b->id;
    pthread_mutex_unlock(&told.lock);
}

static void on_bad(void *ctx, const char *pool_name, const struct block *b)
{
    (void)ctx;
    cr_assert_str_eq(pool_name, "BP-1");
    pthread_mutex_lock(&told.lock);
    if (told.bad_count < 1000)
        told.bad[told.bad_count++] = b->id;
    pthread_mutex_unlock(&told.lock);
}

static bool has(const uint64_t *list, const size_t *count, uint64_t id)
{
    bool found = false;
    pthread_mutex_lock(&told.lock);
    for (size_t i = 0; i < *count; i++)
        found |= list[i] == id;
    pthread_mutex_unlock(&told.lock);
    return found;
}
#define TOLD(what, id) has(told.what, &told.what##_count, id)

static bool comes(const uint64_t *list, const size_t *count, uint64_t id)
{
    for (int i = 0; i < 1000 && !has(list, count, id); i++)
        usleep(10000);
    return has(list, count, id);
}
#define COMES(what, id) comes(told.what, &told.what##_count, id)

static void open_store(void)
{
    struct conf *conf = conf_new();
    struct err err = {0};
    char dirs[256];
    snprintf(dirs, sizeof(dirs), "%s/v0,%s/v1", base, base);
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", dirs, &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0);
    cr_assert_eq(store_open(conf, &store, &err), 0, "%s", err.text);
    store_listen(store, on_event, NULL);
    cr_assert_eq(store_attach(store, &identity, &pool, &err), 0, "%s", err.text);
    conf_free(conf);
}

static void set_up(void)
{
    snprintf(base, sizeof(base), "/tmp/dn-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    struct rng rng = {11};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    open_store();
}

static void tear_down(void)
{
    char command[128];
    store_close(store);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(scan, .init = set_up, .fini = tear_down);

static void write_block(uint64_t id, size_t size)
{
    struct replica_writer w;
    struct err err = {0};
    static uint8_t sums[32768];
    const uint8_t *data = bytes + id % 4096;
    struct replica_request q = {{id, STAMP, size}, REPLICA_RBW, STORAGE_DISK, kind};
    cr_assert_eq(replica_create(pool, &q, &w, &err), 0, "%s", err.text);
    crc_compute(kind, data, size, sums);
    cr_assert_eq(replica_append(&w, 0, data, size, sums, crc_sums_size(kind, size), &err), 0);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

/* data or checksums of a block, where they are; volume -1: of the record */
static void path_on(char out[256], int volume, uint64_t id, bool meta, uint64_t stamp)
{
    struct replica_info info;
    if (volume < 0) {
        cr_assert(replica_look(pool, id, &info));
        volume = (int)info.volume;
    }
    int n =
        snprintf(out, 256, "%s/v%d/current/BP-1/current/finalized/subdir%u/subdir%u/blk_%lld", base,
                 volume, (unsigned)(id >> 16 & 31), (unsigned)(id >> 8 & 31), (long long)id);
    if (meta)
        snprintf(out + n, 256 - (size_t)n, "_%llu.meta", (unsigned long long)stamp);
}

static void flip(uint64_t id, bool meta, off_t at)
{
    char path[256];
    uint8_t byte;
    path_on(path, -1, id, meta, STAMP);
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 16;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void copy_file(const char *from, const char *to)
{
    char command[700];
    snprintf(command, sizeof(command), "mkdir -p $(dirname %s) && cp %s %s", to, from, to);
    cr_assert_eq(system(command), 0);
}

static struct scanner *start(const char *settings)
{
    struct conf *conf = conf_new();
    struct err err = {0};
    char text[512], *at = text;
    snprintf(text, sizeof(text), "%s", settings);
    for (char *pair; (pair = strsep(&at, " ")) != NULL;)
        cr_assert_eq(conf_set_pair(conf, pair, &err), 0, "%s", err.text);
    cr_assert_eq(conf_finish(conf, &err), 0, "%s", err.text);
    struct scanner_options o = {conf, store, on_bad, NULL};
    struct scanner *s;
    cr_assert_eq(scanner_start(&o, &s, &err), 0, "%s", err.text);
    conf_free(conf);
    return s;
}

#define BLOCKS_ONLY                                                                               \
    "dfs.datanode.directoryscan.interval=0 dfs.block.scanner.volume.bytes.per.second=1000000000 " \
    "internal.dfs.datanode.scan.period.ms.key=200"
#define FOLDERS_ONLY \
    "dfs.datanode.directoryscan.interval=1 dfs.block.scanner.volume.bytes.per.second=0"

static void find_rot(void)
{
    for (uint64_t id = first; id < first + 20; id++)
        write_block(id, SIZE + id % 4096);
    flip(first, false, 0);
    flip(first + 1, false, (off_t)(SIZE + first % 4096)); /* the last byte */
    flip(first + 2, true, 7 + 4 * 300);                   /* a checksum */
    flip(first + 3, true, 2);                             /* the header: another kind */
    char a[256], b[256];
    path_on(a, -1, first + 4, false, 0);
    cr_assert_eq(truncate(a, SIZE / 2), 0);
    path_on(a, -1, first + 5, true, STAMP);
    cr_assert_eq(truncate(a, 100), 0);
    path_on(a, -1, first + 6, false, 0);
    cr_assert_eq(unlink(a), 0);
    path_on(a, -1, first + 7, true, STAMP);
    cr_assert_eq(unlink(a), 0);
    write_block(3000, SIZE);
    write_block(3001, SIZE); /* of equal length, swapped */
    path_on(a, -1, 3000, false, 0);
    path_on(b, -1, 3001, false, 0);
    char middle[] = "/tmp/dn-unit-swap-XXXXXX";
    close(mkstemp(middle));
    copy_file(a, middle);
    copy_file(b, a);
    copy_file(middle, b);
    unlink(middle);
    struct scanner *s = start(BLOCKS_ONLY);
    for (uint64_t id = first; id < first + 6; id++)
        cr_assert(COMES(bad, id), "%llu", (unsigned long long)id);
    cr_assert(COMES(bad, 3000) && COMES(bad, 3001));
    struct block lost = {first + 7, STAMP, 0};
    scanner_suspect(s, "BP-1",
                    &lost); /* its data file has no checksums: the walk leads there, too */
    cr_assert(COMES(bad, first + 7));
    for (uint64_t id = first + 8; id < first + 20; id++)
        cr_assert(!TOLD(bad, id), "%llu", (unsigned long long)id);
    scanner_stop(s);
}

Test(scan, the_block_scanner_finds_rot)
{
    find_rot();
}

Test(scan, the_block_scanner_finds_rot_of_groups_too)
{
    first = first_of_groups;
    find_rot();
}

Test(scan, a_suspect_comes_first)
{
    for (uint64_t id = first; id < first + 4; id++)
        write_block(id, 1 << 20);
    flip(first + 1, false, 12345);
    flip(first + 3, false, 12345);
    char a[256];
    write_block(first + 5, SIZE);
    path_on(a, -1, first + 5, false, 0);
    cr_assert_eq(unlink(a), 0);
    /* at a kilobyte a second the usual round takes an hour */
    struct scanner *s = start("dfs.datanode.directoryscan.interval=0 "
                              "dfs.block.scanner.volume.bytes.per.second=1000");
    usleep(300000);
    int64_t start_ms = clock_monotonic_ms();
    while (!TOLD(bad, first + 3) && clock_monotonic_ms() - start_ms < 10000) {
        struct block b = {first + 3, STAMP, 1 << 20};
        scanner_suspect(s, "BP-1", &b);
        usleep(20000);
    }
    cr_assert(TOLD(bad, first + 3));
    struct block gone = {first + 5, STAMP, SIZE};
    scanner_suspect(s, "BP-1", &gone);
    cr_assert(COMES(removed, first + 5));
    struct scanner_counts c;
    scanner_counts(s, &c);
    cr_assert_eq(c.bad, 1);
    cr_assert_eq(c.forgotten, 1);
    scanner_stop(s);
}

Test(scan, it_goes_on_where_it_stopped)
{
    struct cursor c = {.saved_ms = clock_wall_ms(),
                       .started_ms = clock_wall_ms(),
                       .dir = "subdir0",
                       .sub = "subdir3",
                       .entry = "blk_1001"};
    struct buf text = {0};
    char path[256];
    for (uint64_t id = first; id < first + 4; id++) {
        write_block(id, 1000);
        flip(id, false, 5);
    }
    cr_assert_eq(cursor_encode(&c, &text), 0);
    for (int v = 0; v < 2; v++) {
        snprintf(path, sizeof(path), "%s/v%d/current/BP-1/scanner.cursor", base, v);
        cr_assert_eq(durable_write_file(path, buf_head(&text), buf_size(&text), NULL), 0);
    }
    buf_fini(&text);
    struct scanner *s = start("dfs.datanode.directoryscan.interval=0");
    cr_assert(COMES(bad, first + 2) && COMES(bad, first + 3));
    cr_assert(!TOLD(bad, first) && !TOLD(bad, first + 1));
    scanner_stop(s);
    struct buf b = {0};
    struct err err = {0};
    cr_assert_eq(file_read(path, 4096, &b, &err), 0, "%s", err.text);
    cr_assert_eq(cursor_decode((const char *)buf_head(&b), buf_size(&b), &c, &err), 0);
    cr_assert(c.at_end);
    buf_fini(&b);
}

static void compare_folders(void)
{
    char a[256], b[256];
    struct replica_info info;
    for (uint64_t id = first; id < first + 20; id++)
        write_block(id, 2000 + id % 4096);
    path_on(a, -1, first, false, 0); /* no data */
    unlink(a);
    path_on(a, -1, first + 1, false, 0); /* neither data nor checksums */
    unlink(a);
    path_on(a, -1, first + 1, true, STAMP);
    unlink(a);
    path_on(a, -1, first + 2, true, STAMP); /* no checksums */
    unlink(a);
    path_on(a, -1, first + 3, true, STAMP); /* checksums of another stamp */
    path_on(b, -1, first + 3, true, STAMP - 1);
    rename(a, b);
    path_on(a, -1, first + 4, false, 0); /* too short, too long */
    cr_assert_eq(truncate(a, 10), 0);
    path_on(a, -1, first + 5, false, 0);
    cr_assert_eq(truncate(a, 9000), 0);
    path_on(a, -1, first + 6, false, 0); /* not a file */
    unlink(a);
    cr_assert_eq(mkdir(a, 0700), 0);
    path_on(a, 0, 5000, true, STAMP); /* checksums without data */
    path_on(b, -1, first + 7, true, STAMP);
    copy_file(b, a);
    path_on(b, 0, 5001, true, STAMP); /* both without a record */
    copy_file(a, b);
    path_on(a, -1, first + 7, false, 0);
    path_on(b, 0, 5001, false, 0);
    copy_file(a, b);
    cr_assert(replica_look(pool, first + 8, &info)); /* on two volumes, here with a lower stamp */
    path_on(a, -1, first + 8, false, 0);
    path_on(b, 1 - (int)info.volume, first + 8, false, 0);
    copy_file(a, b);
    path_on(a, -1, first + 8, true, STAMP);
    path_on(b, 1 - (int)info.volume, first + 8, true, STAMP - 1);
    copy_file(a, b);
    cr_assert(replica_look(pool, first + 9, &info)); /* moved to the other volume by hand */
    int other = 1 - (int)info.volume;
    path_on(a, -1, first + 9, false, 0);
    path_on(b, other, first + 9, false, 0);
    copy_file(a, b);
    unlink(a);
    path_on(a, -1, first + 9, true, STAMP);
    path_on(b, other, first + 9, true, STAMP);
    copy_file(a, b);
    unlink(a);
    struct scanner *s = start(FOLDERS_ONLY);
    cr_assert(COMES(removed, first) && COMES(removed, first + 1));
    for (uint64_t id = first + 2; id <= first + 6; id++)
        cr_assert(COMES(bad, id), "%llu", (unsigned long long)id);
    cr_assert(COMES(received, 5001));
    path_on(a, 1 - (int)(replica_look(pool, first + 8, &info), info.volume), first + 8, false, 0);
    for (int i = 0; i < 500 && access(a, F_OK) == 0; i++)
        usleep(10000);
    cr_assert_neq(access(a, F_OK), 0);
    for (int i = 0; i < 500 && (!replica_look(pool, first + 9, &info) || (int)info.volume != other);
         i++)
        usleep(10000);
    cr_assert(replica_look(pool, first + 9, &info));
    cr_assert_eq(info.volume, (size_t)other);
    path_on(a, 0, 5000, true, STAMP);
    cr_assert_neq(access(a, F_OK), 0);
    cr_assert(replica_look(pool, first + 4, &info));
    cr_assert_eq(info.block.length, 10);
    for (uint64_t id = first + 10; id < first + 20; id++)
        cr_assert(!TOLD(bad, id) && !TOLD(removed, id));
    scanner_stop(s);
}

Test(scan, the_folders_are_compared)
{
    compare_folders();
}

Test(scan, the_folders_are_compared_of_groups_too)
{
    first = first_of_groups;
    compare_folders();
}

Test(scan, the_rate_is_kept)
{
    for (uint64_t id = first; id < first + 8; id++)
        write_block(id, 1 << 20);
    struct scanner_counts c;
    struct scanner *s = start("dfs.datanode.directoryscan.interval=0 "
                              "dfs.block.scanner.volume.bytes.per.second=1048576");
    sleep(2);
    scanner_counts(s, &c);
    /* two volumes, a piece and what a burst gives on top */
    cr_assert(c.bytes <= 2 * (2 * 1048576 + 512 * 1024), "%llu", (unsigned long long)c.bytes);
    cr_assert(c.bytes >= 2 * 512 * 1024, "%llu", (unsigned long long)c.bytes);
    struct buf out = {0};
    cr_assert_eq(scanner_report(s, &out), 0);
    cr_assert_eq(buf_append(&out, "", 1), 0);
    cr_assert_not_null(strstr((const char *)buf_head(&out), "Blocks scanned since restart"));
    buf_fini(&out);
    scanner_stop(s);
}

Test(scan, writers_and_removals_meanwhile)
{
    struct scanner *s = start("dfs.datanode.directoryscan.interval=1 "
                              "dfs.block.scanner.volume.bytes.per.second=1000000000 "
                              "internal.dfs.datanode.scan.period.ms.key=1");
    int64_t end_ms = clock_monotonic_ms() + 3000;
    for (uint64_t id = first; clock_monotonic_ms() < end_ms; id++) {
        struct err err = {0};
        write_block(id, 1000 + id % 5000);
        if (id % 3 == 0) { /* grows and changes its last chunk */
            struct replica_writer w;
            struct replica_reopening q = {
                {id, STAMP, 1000 + id % 5000}, STAMP + 1, 1000 + id % 5000, 0};
            cr_assert_eq(replica_reopen(pool, &q, &w, &err), 0, "%s", err.text);
            cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
        }
        if (id >= first + 50)
            cr_assert_eq(
                replica_remove(pool, id - 50, (id - 50) % 3 == 0 ? STAMP + 1 : STAMP, false, &err),
                0, "%s", err.text);
    }
    struct scanner_counts c;
    scanner_counts(s, &c);
    cr_assert_eq(c.bad, 0);
    cr_assert_eq(c.forgotten + c.added + c.twice + c.litter, 0);
    cr_assert_gt(c.verified, 0);
    scanner_stop(s);
}
