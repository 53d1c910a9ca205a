/* namespace_size.c - what a large namespace costs: memory, image, start, and moving big trees.
 *   bench_namespace_size [directories] [image file [groups]]
 * With an image file it is kept there and nothing else is done behind it.
 * Makes that many directories (a million) with ten files each: four empty, three of one block in
 * one place, three of one block in three places. Prints bytes an object, resident memory, image
 * size, saving and loading, replaying edits, and what a summary, a rename and a deletion of a tenth
 * of it take while another client's look-ups go on. Everything runs in this process on the cores
 * that the NameNode's state thread runs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "namenode/blocks/blocks.h"
#include "namenode/image/image.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"
#include "namenode/nodes/nodes.h"
#include "namenode/state/state.h"

enum { EMPTY = 4, ONE = 3, THREE = 3, NODES = 3, BATCH = 1000, COLLECT = 2000 };

static const struct nn_identity identity = {.namespace_id = 1, .cluster_id = "CID-bench"};
static struct nn *nn;
static uint64_t next_id = NS_ROOT_INODE_ID + 1, next_block = FIRST_BLOCK_ID;
static perm_t perm;
static uint64_t groups = 10; /* directories that hold everything, alike */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What this thread alone took, whatever else the machine did. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct watch {
    double wall, cpu;
};

static struct watch watch_start(void)
{
    return (struct watch){now_s(), cpu_s()};
}

static const char *took(struct watch w, char out[48])
{
    snprintf(out, 48, "%.1f s (%.1f s CPU)", now_s() - w.wall, cpu_s() - w.cpu);
    return out;
}

static double resident_mb(void)
{
    unsigned long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL && fscanf(f, "%lu %lu", &all, &resident) == 2);
    fclose(f);
    return (double)resident * 4096 / 1e6;
}

static uint64_t live_bytes(void)
{
    struct ns_stats n;
    struct blocks_stats b;
    ns_stats(nn->ns, &n);
    blocks_stats(nn->blocks, &b);
    return n.bytes + b.bytes_of_records;
}

static handle_t make(enum inode_type type, handle_t parent, const char *kind, uint64_t i)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%05llu", kind, (unsigned long long)i);
    struct ns_new_inode n = {.id = next_id++,
                             .parent = parent,
                             .name = slice_of(name),
                             .perm = perm,
                             .mtime_ms = 1700000000000 + i,
                             .atime_ms = 1700000000000 + i,
                             .block_size = 128 << 20,
                             .replication = 3};
    handle_t h;
    CHECK(ns_add(nn->ns, type, &n, true, &h) == 0);
    return h;
}

static void add_block(handle_t file)
{
    struct block_info info = {.id = next_block,
                              .generation_stamp =
                                  FIRST_GENERATION_STAMP + next_block - FIRST_BLOCK_ID,
                              .length = 1 << 20,
                              .owner = file,
                              .replication = 3,
                              .state = BLOCK_COMPLETE};
    handle_t h;
    CHECK(blocks_add(nn->blocks, &info, &h) == 0 && ns_push_block(nn->ns, file, h) == 0);
    nn->last_block_id = next_block++;
    nn->generation_stamp = info.generation_stamp;
}

static void make_dirs(uint64_t count, handle_t *dirs)
{
    handle_t top = make(INODE_DIR, ns_root(nn->ns), "bench", 0), group = 0, middle = 0;
    uint64_t in_group = count / groups, in_middle = 1000;
    for (uint64_t i = 0; i < count; i++) {
        if (i % in_group == 0)
            group = make(INODE_DIR, top, "g", i / in_group);
        if (i % in_group % in_middle == 0)
            middle = make(INODE_DIR, group, "t", i % in_group / in_middle);
        dirs[i] = make(INODE_DIR, middle, "d", i % in_middle);
    }
}

static void make_files(uint64_t count, const handle_t *dirs, unsigned from, unsigned n, bool block)
{
    for (uint64_t i = 0; i < count; i++)
        for (unsigned k = from; k < from + n; k++) {
            handle_t h = make(INODE_FILE, dirs[i], "part-", k);
            if (block)
                add_block(h);
        }
}

/* Blocks first .. next_block - 1 are reported by so many nodes. */
static void add_replicas(uint64_t first, unsigned copies, const uint32_t *storages)
{
    struct received_block batch[BATCH];
    struct err err = {0};
    for (uint64_t id = first; id < next_block;) {
        size_t n = 0;
        for (; n < BATCH && id < next_block; n++, id++)
            batch[n] = (struct received_block){
                .block = {id, FIRST_GENERATION_STAMP + id - FIRST_BLOCK_ID, 1 << 20},
                .status = BLOCK_RECEIVED};
        for (unsigned k = 0; k < copies; k++)
            CHECK(blocks_received(nn->blocks, storages[k], batch, n, 2, &err) == 0);
    }
}

static void add_nodes(uint32_t *storages)
{
    char uuid[16], ip[16];
    for (int i = 0; i < NODES; i++) {
        snprintf(uuid, sizeof(uuid), "n%d", i);
        snprintf(ip, sizeof(ip), "10.0.0.%d", i);
        struct node_registration r = {
            .uuid = uuid, .ip = ip, .hostname = "h", .software_version = "3", .xfer_port = 9866};
        uint32_t node = 0;
        CHECK(nodes_register(nn->nodes, &r, 1, 1, &node, NULL) == 0);
        CHECK(nodes_add_storage(nn->nodes, node, "DS", STORAGE_DISK, false, &storages[i], NULL) ==
              0);
    }
}

static void show(const char *what, uint64_t before, uint64_t count)
{
    printf("%-34s %7.1f bytes\n", what, (double)(live_bytes() - before) / (double)count);
    fflush(stdout);
}

static void build(uint64_t count)
{
    handle_t *dirs = calloc(count, sizeof(*dirs));
    uint32_t storages[NODES];
    struct err err = {0};
    CHECK(dirs != NULL && nn_new(&identity, "hdfs", "supergroup", &nn, &err) == 0);
    perm = ns_inode(nn->ns, ns_root(nn->ns))->perm;
    add_nodes(storages);
    struct watch start = watch_start();
    char text[48];
    uint64_t at = live_bytes();
    make_dirs(count, dirs);
    show("directory", at, count);
    at = live_bytes();
    make_files(count, dirs, 0, EMPTY, false);
    show("empty file", at, count * EMPTY);
    at = live_bytes();
    uint64_t first = next_block;
    make_files(count, dirs, EMPTY, ONE, true);
    add_replicas(first, 1, storages);
    show("file, a block in one place", at, count * ONE);
    at = live_bytes();
    first = next_block;
    make_files(count, dirs, EMPTY + ONE, THREE, true);
    add_replicas(first, NODES, storages);
    show("file, a block in three places", at, count * THREE);
    struct ns_stats n;
    ns_stats(nn->ns, &n);
    printf("%llu inodes made in %s, resident %.0f MB\n", (unsigned long long)n.inodes,
           took(start, text), resident_mb());
    free(dirs);
}

/* ---- image ---- */

static int to_file(void *ctx, const void *data, size_t size, struct err *err)
{
    return fwrite(data, 1, size, ctx) == size ? 0 : fail(err, ERR_IO, "write");
}

static void save_and_load(const char *path, bool keep)
{
    uint8_t md5[IMAGE_MD5_SIZE];
    struct err err = {0};
    struct stat st;
    FILE *f = fopen(path, "w");
    struct watch start = watch_start();
    char saved[48], loaded[48];
    CHECK(f != NULL && image_save(nn, to_file, f, md5, &err) == 0);
    CHECK(fclose(f) == 0);
    (void)took(start, saved);
    uint64_t digest = nn_digest(nn);
    nn_free(nn);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    start = watch_start();
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(bytes != MAP_FAILED);
    CHECK(image_load(bytes, (size_t)st.st_size, &identity, &nn, &err) == 0);
    printf("image %.0f MB, saved in %s, loaded in %s\n", (double)st.st_size / 1e6, saved,
           took(start, loaded));
    munmap(bytes, (size_t)st.st_size);
    close(fd);
    if (!keep)
        unlink(path);
    CHECK(nn_digest(nn) == digest);
    start = watch_start();
    CHECK(nn_verify(nn, &err) == 0);
    printf("everything recounted and equal in %s\n", took(start, loaded));
    fflush(stdout);
}

/* ---- big trees ---- */

static handle_t look_up(const char *path, struct arena *arena, struct resolved *r)
{
    struct err err = {0};
    CHECK(ns_resolve(nn->ns, NULL, path, PATH_WRITE_LINK, arena, r, &err) == 0);
    return resolved_last(r);
}

static void commit(struct edit *e)
{
    struct err err = {0};
    e->txid = nn->last_txid + 1;
    if (edit_apply(nn, e, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void percentiles(const char *what, double *at, size_t n)
{
    qsort(at, n, sizeof(*at), by_size);
    printf("  %s: p50 %.2f, p99 %.2f, longest %.2f ms\n", what, at[n / 2] * 1e3,
           at[n * 99 / 100] * 1e3, at[n - 1] * 1e3);
}

/* Slices of freeing, each followed by another client's call, as the state thread takes turns. */
static void collect(struct arena *arena)
{
    enum { MAX = 100000 };
    static double slices[MAX], waits[MAX];
    size_t n = 0;
    struct watch start = watch_start();
    char text[48];
    for (bool more = true; more && n < MAX; n++) {
        struct watch w = watch_start();
        struct resolved r;
        more = nn_collect(nn, COLLECT);
        slices[n] = cpu_s() - w.cpu;
        CHECK(look_up("/bench00000/g00001/t00003/d00003/part-00001", arena, &r) != 0);
        waits[n] = now_s() - w.wall;
        arena_reset(arena);
    }
    printf("freeing it: %s in %zu slices\n", took(start, text), n);
    percentiles("a slice, CPU", slices, n);
    percentiles("another client's call behind a slice", waits, n);
}

static void big_trees(void)
{
    struct arena arena;
    struct resolved r;
    struct ns_summary all, sum;
    arena_init(&arena, 0);
    double start = now_s();
    ns_summarize(nn->ns, ns_root(nn->ns), &all);
    printf("summary of / (%llu files, %llu directories, %.0f GB): %.1f us\n",
           (unsigned long long)all.files, (unsigned long long)all.directories,
           (double)all.length / 1e9, (now_s() - start) * 1e6);
    ns_summarize(nn->ns, look_up("/bench00000/g00000", &arena, &r), &sum);
    uint64_t inodes = sum.files + sum.directories;
    struct edit e = {.code = OP_rename};
    e.rename.src = slice_of("/bench00000/g00000");
    e.rename.dst = slice_of("/bench00000/g00001/moved");
    e.rename.time = 1800000000000;
    start = now_s();
    commit(&e);
    printf("rename of a directory with %llu inodes: %.1f us\n", (unsigned long long)inodes,
           (now_s() - start) * 1e6);
    e = (struct edit){.code = OP_delete};
    e.delete.path = slice_of("/bench00000/g00001/moved");
    e.delete.time = 1800000000001;
    start = now_s();
    commit(&e);
    printf("delete of it: %.1f us\n", (now_s() - start) * 1e6);
    collect(&arena);
    ns_summarize(nn->ns, ns_root(nn->ns), &sum);
    CHECK(sum.files + sum.directories + inodes == all.files + all.directories);
    arena_fini(&arena);
}

/* ---- edits ---- */

static struct buf log_bytes;
static uint64_t edit_count;

static void log_edit(struct edit *e)
{
    struct err err = {0};
    e->txid = ++edit_count;
    CHECK(edit_encode(&log_bytes, e, &err) == 0);
}

static void log_file(const char *path, uint64_t i)
{
    struct edit_permission p = {slice_of("hdfs"), slice_of("supergroup"), 0644};
    struct edit_block b = {FIRST_BLOCK_ID + i, 0, FIRST_GENERATION_STAMP + i};
    struct edit e = {.code = OP_add};
    e.add = (struct op_add){.inode_id = NS_ROOT_INODE_ID + 1 + edit_count,
                            .path = slice_of(path),
                            .replication = 3,
                            .mtime = 1700000000000,
                            .atime = 1700000000000,
                            .block_size = 128 << 20,
                            .perm = p,
                            .client = slice_of("DFSClient_NONMAPREDUCE_1_1"),
                            .machine = slice_of("10.0.0.1")};
    log_edit(&e);
    e = (struct edit){.code = OP_allocate_block_id};
    e.allocate_block_id.block_id = b.id;
    log_edit(&e);
    e = (struct edit){.code = OP_set_genstamp_v2};
    e.set_genstamp_v2.genstamp = b.genstamp;
    log_edit(&e);
    e = (struct edit){.code = OP_add_block};
    e.add_block = (struct op_add_block){.path = slice_of(path), .blocks = {&b, 1}};
    log_edit(&e);
    b.length = 1 << 20;
    e = (struct edit){.code = OP_close};
    e.close = (struct op_close){.path = slice_of(path),
                                .replication = 3,
                                .mtime = 1700000000000,
                                .atime = 1700000000000,
                                .block_size = 128 << 20,
                                .blocks = {&b, 1},
                                .perm = p};
    log_edit(&e);
}

static void log_dir(const char *path)
{
    struct edit e = {.code = OP_mkdir};
    e.mkdir.inode_id = NS_ROOT_INODE_ID + 1 + edit_count;
    e.mkdir.path = slice_of(path);
    e.mkdir.mtime = 1700000000000;
    e.mkdir.perm = (struct edit_permission){slice_of("hdfs"), slice_of("supergroup"), 0755};
    log_edit(&e);
}

static void replay(uint64_t files)
{
    char path[80];
    struct err err = {0};
    struct edit e;
    struct edit_reader r;
    struct arena scratch;
    arena_init(&scratch, 0);
    CHECK(edit_encode_header(&log_bytes) == 0);
    log_dir("/bench");
    for (uint64_t i = 0; i < files; i++) {
        snprintf(path, sizeof(path), "/bench/d%05llu", (unsigned long long)(i / 10));
        if (i % 10 == 0)
            log_dir(path);
        snprintf(path, sizeof(path), "/bench/d%05llu/part-%05llu", (unsigned long long)(i / 10),
                 (unsigned long long)(i % 10));
        log_file(path, i);
    }
    CHECK(nn_new(&identity, "hdfs", "supergroup", &nn, &err) == 0);
    struct watch start = watch_start();
    char text[48];
    CHECK(edit_reader_init(&r, buf_head(&log_bytes), buf_size(&log_bytes), 1, &err) == 0);
    while (edit_read(&r, &scratch, &e, &err) == EDIT_READ_ONE) {
        CHECK(edit_apply(nn, &e, &err) == 0);
        arena_reset(&scratch);
    }
    CHECK(nn->last_txid == edit_count);
    printf("%llu edits (%.0f MB) replayed in %s\n", (unsigned long long)edit_count,
           (double)buf_size(&log_bytes) / 1e6, took(start, text));
    buf_fini(&log_bytes);
    arena_fini(&scratch);
    nn_free(nn);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    bool keep = argc > 2;
    if (argc > 3)
        groups = strtoull(argv[3], NULL, 10);
    const char *path = keep ? argv[2] : "/tmp/bench_namespace_size.image";
    CHECK(groups > 1 && count >= groups && count % groups == 0);
    build(count);
    save_and_load(path, keep);
    if (keep)
        return 0;
    big_trees();
    nn_free(nn);
    replay(count * 7 / 10);
    return 0;
}
