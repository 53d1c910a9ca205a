/* Whole stores in temporary folders: writing, restarting at every state, damage in between. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/io.h"
#include "datanode/store/internal.h"

static char base[64];
static const struct crc_kind kind = {CRC_CRC32C, 512};
static struct pool_identity identity = {"BP-1", "CID-1", 7, 1000};
static uint8_t bytes[1 << 20];

static void set_up(void)
{
    snprintf(base, sizeof(base), "/tmp/dn-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    struct rng rng = {11};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(store, .init = set_up, .fini = tear_down);

static struct store *try_open(const char *dirs, struct block_pool **pool, struct err *err)
{
    struct conf *conf = conf_new();
    struct store *s = NULL;
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", dirs, err), 0, "%s", err->text);
    cr_assert_eq(conf_finish(conf, err), 0, "%s", err->text);
    if (store_open(conf, &s, err) == 0 && store_attach(s, &identity, pool, err) != 0) {
        store_close(s);
        s = NULL;
    }
    conf_free(conf);
    return s;
}

static struct store *open_store(struct block_pool **pool)
{
    char dirs[256];
    struct err err = {0};
    snprintf(dirs, sizeof(dirs), "[DISK]file://%s/v0,%s/v1", base, base);
    struct store *s = try_open(dirs, pool, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

static struct store *open_one(struct block_pool **pool)
{
    char dirs[256];
    struct err err = {0};
    snprintf(dirs, sizeof(dirs), "%s/v0", base);
    struct store *s = try_open(dirs, pool, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

static void create(struct block_pool *p, uint64_t id, enum replica_state state,
                   struct replica_writer *w)
{
    struct err err = {0};
    struct replica_request q = {{id, 1001, 1 << 20}, state, STORAGE_DISK, kind};
    cr_assert_eq(replica_create(p, &q, w, &err), 0, "%s", err.text);
}

/* `size` bytes of the pattern at `offset`, with their checksums */
static int append(struct replica_writer *w, uint64_t offset, size_t size, struct err *err)
{
    uint8_t sums[8192];
    const uint8_t *data = offset < sizeof(bytes) - size ? bytes + offset : bytes;
    crc_compute(kind, data, size, sums);
    return replica_append(w, offset, data, size, sums, crc_sums_size(kind, size), err);
}

static void must_append(struct replica_writer *w, uint64_t offset, size_t size)
{
    struct err err = {0};
    cr_assert_eq(append(w, offset, size, &err), 0, "%s", err.text);
}

static void write_finalized(struct block_pool *p, uint64_t id, size_t size)
{
    struct replica_writer w;
    struct err err = {0};
    create(p, id, REPLICA_RBW, &w);
    must_append(&w, 0, size);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

/* Length and state as a reader finds them; every chunk is checked. */
static void expect(struct block_pool *p, uint64_t id, uint64_t length, enum replica_state state)
{
    struct replica_reader r;
    struct err err = {0};
    cr_assert_eq(replica_open(p, id, 1001, 0, 0, &r, &err), 0, "%s", err.text);
    cr_assert_eq(r.state, state);
    cr_assert_eq(r.block.length, length, "%llu", (unsigned long long)r.block.length);
    static uint8_t data[1 << 20], sums[8192];
    cr_assert_eq(pread(r.data_fd, data, r.on_disk, 0), (ssize_t)r.on_disk);
    cr_assert_eq(memcmp(data, bytes, r.on_disk), 0);
    cr_assert_eq(replica_sums(&r, 0, crc_sums_size(kind, r.on_disk) / 4, sums, &err), 0, "%s",
                 err.text);
    cr_assert_eq(crc_verify(kind, data, r.on_disk, sums, 0, &err), 0, "%s", err.text);
    replica_close(&r);
}

static void expect_none(struct block_pool *p, uint64_t id)
{
    struct replica_reader r;
    cr_assert_eq(replica_open(p, id, 0, 0, 0, &r, NULL), ERR_NO_REPLICA);
}

static int open_rbw(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/v0/current/BP-1/current/rbw/%s", base, name);
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0, "%s", path);
    return fd;
}

static void poke(const char *name, off_t at, const void *data, size_t size)
{
    int fd = open_rbw(name);
    cr_assert_eq(pwrite(fd, data, size, at), (ssize_t)size);
    close(fd);
}

static void cut_file(const char *name, off_t size)
{
    int fd = open_rbw(name);
    cr_assert_eq(ftruncate(fd, size), 0);
    close(fd);
}

Test(store, finalized_replicas_survive_a_restart)
{
    struct block_pool *p;
    struct store *s = open_store(&p);
    char uuid[64];
    snprintf(uuid, sizeof(uuid), "%s", store_uuid(s));
    for (uint64_t id = 1; id <= 20; id++)
        write_finalized(p, id * 256, (size_t)id * 700);
    struct volume_info v[STORE_MAX_VOLUMES];
    cr_assert_eq(store_volumes(s, p, v), 2);
    uint64_t used = v[0].used + v[1].used;
    cr_assert_eq(v[0].replicas, 10); /* round robin */
    cr_assert_eq(v[0].reserved_open + v[1].reserved_open, 0);
    store_close(s);
    s = open_store(&p);
    cr_assert_str_eq(store_uuid(s), uuid);
    cr_assert_eq(pool_replicas(p), 20);
    for (uint64_t id = 1; id <= 20; id++)
        expect(p, id * 256, id * 700, REPLICA_FINALIZED);
    cr_assert_eq(store_volumes(s, p, v), 2);
    cr_assert_eq(v[0].used + v[1].used, used);
    store_close(s);
}

static void *attach_soon(void *s)
{
    struct block_pool *pool;
    struct err err = {0};
    usleep(50 * 1000);
    cr_assert_eq(store_attach(s, &identity, &pool, &err), 0, "%s", err.text);
    return NULL;
}

Test(store, whoever_comes_before_the_first_pool_waits_for_it)
{
    struct conf *conf = conf_new();
    struct store *s;
    struct err err = {0};
    pthread_t thread;
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", base, &err), 0, "%s", err.text);
    cr_assert_eq(conf_finish(conf, &err), 0, "%s", err.text);
    cr_assert_eq(store_open(conf, &s, &err), 0, "%s", err.text);
    cr_assert_eq(pthread_create(&thread, NULL, attach_soon, s), 0);
    cr_assert_not_null(store_await_pool(s, identity.pool_id));
    cr_assert_null(store_await_pool(s, "BP-other"), "another one isn't waited for");
    pthread_join(thread, NULL);
    store_close(s);
    conf_free(conf);
}

Test(store, two_processes_or_clusters_are_refused)
{
    struct block_pool *p;
    struct store *s = open_one(&p), *other = NULL;
    struct err err = {0};
    char dirs[256];
    snprintf(dirs, sizeof(dirs), "%s/v0", base);
    store_close(s);
    struct pool_identity saved = identity;
    identity.cluster_id = "CID-2";
    other = try_open(dirs, &p, &err);
    identity = saved;
    cr_assert_null(other);
    cr_assert(strstr(err.text, "CID-1") != NULL && strstr(err.text, "CID-2") != NULL, "%s",
              err.text);
    identity.namespace_id = 8;
    other = try_open(dirs, &p, &err);
    identity = saved;
    cr_assert_null(other);
    identity.ctime = 999;
    other = try_open(dirs, &p, &err);
    identity = saved;
    cr_assert_null(other);
    cr_assert(strstr(err.text, "is newer than the namespace state") != NULL, "%s", err.text);
}

Test(store, an_open_replica_becomes_rwr)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    create(p, 5, REPLICA_RBW, &w);
    must_append(&w, 0, 1300);
    replica_acked(&w, 1000);
    struct replica_reader r;
    struct err err = {0};
    cr_assert_eq(replica_open(p, 5, 1001, 0, 0, &r, &err), 0, "%s", err.text);
    cr_assert(r.block.length == 1000 && r.on_disk == 1300);
    replica_close(&r);
    expect(p, 5, 1000, REPLICA_RBW);
    replica_abandon(&w);
    expect(p, 5, 1000, REPLICA_RBW);
    store_close(s);
    s = open_one(&p);
    expect(p, 5, 1300, REPLICA_RWR);
    store_close(s);
}

Test(store, copies_are_removed_at_start_and_not_readable)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    create(p, 5, REPLICA_TEMPORARY, &w);
    must_append(&w, 0, 1024);
    expect_none(p, 5);
    close(w.data_fd);
    close(w.meta_fd);
    store_close(s); /* as if killed */
    s = open_one(&p);
    expect_none(p, 5);
    create(p, 5, REPLICA_TEMPORARY, &w);
    must_append(&w, 0, 1024);
    struct err err = {0};
    cr_assert_eq(replica_to_rbw(&w, &err), 0, "%s", err.text);
    expect(p, 5, 1024, REPLICA_RBW);
    store_close(s);
}

Test(store, packets_that_overlap_or_leave_gaps)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    struct err err = {0};
    create(p, 5, REPLICA_RBW, &w);
    must_append(&w, 0, 700);
    must_append(&w, 512, 400); /* a chunk again from its begin, grown */
    must_append(&w, 0, 512);   /* nothing new */
    must_append(&w, 912, 100); /* from inside the chunk: the checksum covers the new bytes only */
    must_append(&w, 1012, 12);
    must_append(&w, 1024, 1);
    cr_assert_eq(append(&w, 1536, 10, &err), ERR_PROTOCOL);  /* gap */
    cr_assert_eq(append(&w, 1025, 600, &err), ERR_PROTOCOL); /* beyond its chunk */
    cr_assert_eq(append(&w, 1000, 600, &err), ERR_PROTOCOL); /* inside, across chunks */
    must_append(&w, 1020, 4);                                /* inside, sent again */
    uint8_t sums[8] = {0};
    cr_assert_eq(replica_append(&w, UINT64_MAX - 5, bytes, 6, sums, crc_sums_size(kind, 6), &err),
                 ERR_PROTOCOL);
    cr_assert_eq(replica_append(&w, 1024, bytes, 512, sums, 8, &err), ERR_PROTOCOL);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
    expect(p, 5, 1025, REPLICA_FINALIZED);
    store_close(s);
}

Test(store, the_same_block_again)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w, w2;
    struct err err = {0};
    write_finalized(p, 5, 100);
    struct replica_request q = {{5, 1001, 0}, REPLICA_RBW, STORAGE_DISK, kind};
    cr_assert_eq(replica_create(p, &q, &w, &err), ERR_REPLICA_EXISTS);
    q.block.gen_stamp = 1002; /* a newer one takes its place */
    cr_assert_eq(replica_create(p, &q, &w, &err), 0, "%s", err.text);
    q.block.gen_stamp = 1003; /* but not that of a running writer */
    cr_assert_eq(replica_create(p, &q, &w2, &err), ERR_REPLICA_EXISTS);
    replica_abandon(&w);
    cr_assert_eq(pool_replicas(p), 1);
    struct replica_reader r;
    cr_assert_eq(replica_open(p, 5, 1003, 0, 0, &r, &err), ERR_NO_REPLICA); /* older than asked */
    q.type = STORAGE_SSD;
    q.block.id = 6;
    cr_assert_eq(replica_create(p, &q, &w, &err), ERR_NO_SPACE);
    q.type = STORAGE_DISK;
    q.block.length = UINT64_MAX / 2;
    cr_assert_eq(replica_create(p, &q, &w, &err), ERR_NO_SPACE);
    store_close(s);
}

Test(store, removing)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct err err = {0};
    struct replica_writer w;
    write_finalized(p, 5, 100);
    cr_assert_eq(replica_remove(p, 5, 1000, false, &err), ERR_NO_REPLICA); /* another stamp */
    struct replica_reader r;
    cr_assert_eq(replica_open(p, 5, 1001, 0, 0, &r, &err), 0);
    cr_assert_eq(replica_remove(p, 5, 1001, false, &err), 0);
    expect_none(p, 5);
    uint8_t byte;
    cr_assert_eq(pread(r.data_fd, &byte, 1, 0), 1); /* who reads goes on */
    replica_close(&r);
    create(p, 6, REPLICA_RBW, &w);
    must_append(&w, 0, 512);
    cr_assert_eq(replica_remove(p, 6, 1001, false, &err), 0);
    cr_assert_eq(append(&w, 512, 10, &err), ERR_NO_REPLICA); /* under its writer */
    replica_abandon(&w);
    store_close(s);
    s = open_one(&p);
    cr_assert_eq(pool_replicas(p), 0);
    store_close(s);
}

/* --- damage between stop and start: 5 is open, 1300 bytes, synced at 1300 unless said otherwise
 * --- */

static void leave_open(size_t first, size_t synced, size_t size)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    struct err err = {0};
    create(p, 5, REPLICA_RBW, &w);
    if (first > 0)
        must_append(&w, 0, first);
    if (synced > 0) {
        must_append(&w, first - first % 512, synced - (first - first % 512));
        cr_assert_eq(replica_sync(&w, &err), 0, "%s", err.text);
    }
    if (size > synced) {
        uint64_t from = w.block.length - w.block.length % 512;
        must_append(&w, from, size - from);
    }
    replica_abandon(&w);
    store_close(s);
}

static void expect_after_restart(uint64_t length)
{
    for (int i = 0; i < 2; i++) { /* the second start finds what the first one made of it */
        struct block_pool *p;
        struct store *s = open_one(&p);
        expect(p, 5, length, REPLICA_RWR);
        store_close(s);
    }
}

Test(store, scan_data_ahead_of_its_checksum)
{
    leave_open(0, 0, 1300);
    poke("blk_5", 1300, bytes + 1300, 100); /* killed between the two writes */
    expect_after_restart(1300);
}

Test(store, scan_checksums_are_missing)
{
    leave_open(0, 0, 1300);
    cut_file("blk_5_1001.meta", META_HEADER_SIZE + 4);
    expect_after_restart(512);
}

Test(store, scan_torn_checksum)
{
    leave_open(0, 0, 1300);
    cut_file("blk_5_1001.meta", META_HEADER_SIZE + 10);
    expect_after_restart(1024);
}

Test(store, scan_torn_header)
{
    leave_open(0, 0, 1300);
    cut_file("blk_5_1001.meta", 3);
    expect_after_restart(0);
}

Test(store, scan_data_are_missing)
{
    leave_open(0, 0, 1300);
    cut_file("blk_5", 900);
    expect_after_restart(512);
    cut_file("blk_5", 0);
    expect_after_restart(0);
}

Test(store, scan_bad_chunk_in_the_middle)
{
    leave_open(0, 0, 5000);
    poke("blk_5", 1100, "\0\0\0\0\0\0\0\0", 8);
    expect_after_restart(1024);
}

Test(store, scan_synced_partial_chunk_whose_checksum_was_overwritten)
{
    leave_open(600, 700, 900); /* synced at 700, then 900 came, then the power went: */
    cut_file("blk_5", 700);    /* the new data didn't reach the disk, the new checksum did */
    expect_after_restart(700);
}

Test(store, scan_synced_partial_chunk_without_any_checksum)
{
    leave_open(600, 700, 700);
    cut_file("blk_5_1001.meta", META_HEADER_SIZE + 4);
    expect_after_restart(700);
}

Test(store, scan_torn_tail_record_leaves_the_one_before)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    struct err err = {0};
    create(p, 5, REPLICA_RBW, &w);
    must_append(&w, 0, 600);
    cr_assert_eq(replica_sync(&w, &err), 0);
    must_append(&w, 600, 100);
    cr_assert_eq(replica_sync(&w, &err), 0);
    replica_abandon(&w);
    store_close(s);
    cut_file("blk_5_1001.meta", META_HEADER_SIZE + 4);
    poke("blk_5.tail", TAIL_SLOT_SIZE, "\xff", 1);
    expect_after_restart(600);
}

Test(store, scan_tail_record_ahead_of_its_data)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    struct err err = {0};
    create(p, 5, REPLICA_RBW, &w);
    must_append(&w, 0, 600);
    cr_assert_eq(replica_sync(&w, &err), 0);
    must_append(&w, 600, 100);
    cr_assert_eq(replica_sync(&w, &err), 0);
    replica_abandon(&w);
    store_close(s);
    /* the power went in the second sync: its record and the checksum are there, its data are not */
    cut_file("blk_5", 600);
    expect_after_restart(600);
}

Test(store, finalizing_removes_the_tail)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    struct replica_writer w;
    struct err err = {0};
    create(p, 5, REPLICA_RBW, &w);
    must_append(&w, 0, 600);
    cr_assert_eq(replica_sync(&w, &err), 0);
    cr_assert_eq(replica_finalize(&w, &err), 0);
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/v0/current/BP-1/current/rbw/blk_5.tail", base);
    cr_assert_neq(stat(path, &st), 0);
    expect(p, 5, 600, REPLICA_FINALIZED);
    store_close(s);
}

static void rename_in(const char *from, const char *to)
{
    char a[256], b[256];
    snprintf(a, sizeof(a), "%s/%s", base, from);
    snprintf(b, sizeof(b), "%s/%s", base, to);
    cr_assert_eq(rename(a, b), 0, "%s -> %s", a, b);
}

#define CURRENT "v0/current/BP-1/current/"

Test(store, scan_crash_between_the_renames_of_a_finalize)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    write_finalized(p, 5, 1300);
    store_close(s);
    rename_in(CURRENT "finalized/subdir0/subdir0/blk_5", CURRENT "rbw/blk_5");
    expect_after_restart(1300);
}

Test(store, scan_moves_misplaced_replicas_home)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    write_finalized(p, 5, 1300);
    store_close(s);
    rename_in(CURRENT "finalized/subdir0", CURRENT "finalized/subdir9");
    s = open_one(&p);
    expect(p, 5, 1300, REPLICA_FINALIZED);
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/" CURRENT "finalized/subdir0/subdir0/blk_5", base);
    cr_assert_eq(stat(path, &st), 0);
    store_close(s);
}

Test(store, scan_keeps_the_better_of_two_copies)
{
    struct block_pool *p;
    struct store *s = open_one(&p);
    write_finalized(p, 5, 1300);
    store_close(s);
    rename_in("v0", "v1");
    s = open_one(&p);
    write_finalized(p, 5, 700);
    store_close(s);
    char command[256]; /* one node's volumes again */
    snprintf(command, sizeof(command),
             "sed -i \"/datanodeUuid/d\" %s/v0/current/VERSION %s/v1/current/VERSION", base, base);
    cr_assert_eq(system(command), 0);
    s = open_store(&p);
    cr_assert_eq(pool_replicas(p), 1);
    expect(p, 5, 1300, REPLICA_FINALIZED);
    store_close(s);
    s = open_one(&p);
    expect_none(p, 5); /* the other copy is gone from its disk */
    store_close(s);
}

Test(store, a_failed_volume_goes_alone)
{
    struct block_pool *p;
    struct store *s = open_store(&p);
    struct err cause = {0}, err = {0};
    write_finalized(p, 1, 100);
    write_finalized(p, 2, 100);
    struct replica_reader r;
    cr_assert_eq(replica_open(p, 1, 0, 0, 0, &r, &err), 0);
    struct volume *bad = r.volume;
    replica_close(&r);
    (void)fail(&cause, ERR_IO, "one bad sector");
    volume_check(bad, &cause); /* the volume itself works */
    cr_assert_eq(pool_replicas(p), 2);
    (void)fail(&cause, ERR_DISK, "a sync failed");
    volume_check(bad, &cause);
    expect_none(p, 1);
    expect(p, 2, 100, REPLICA_FINALIZED);
    struct volume_failures f;
    store_failures(s, &f);
    cr_assert_eq(f.count, 1);
    write_finalized(p, 3, 100); /* goes to the other one */
    write_finalized(p, 4, 100);
    expect(p, 3, 100, REPLICA_FINALIZED);
    store_close(s);
}

Test(store, bad_configurations_are_errors)
{
    struct block_pool *p;
    struct err err = {0};
    cr_assert_null(try_open("relative/path", &p, &err));
    cr_assert_eq(err.code, ERR_CONFIG);
    cr_assert_null(try_open("[TAPE]/tmp/x", &p, &err));
    cr_assert_eq(err.code, ERR_CONFIG);
    char dirs[256];
    snprintf(dirs, sizeof(dirs), "%s/v0,/proc/no/such/volume", base);
    cr_assert_null(try_open(dirs, &p, &err));
    cr_assert_eq(err.code, ERR_DISK);
}
