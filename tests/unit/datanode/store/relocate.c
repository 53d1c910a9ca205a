/* replica_relocate: to a volume of another type, with whatever goes wrong on the way. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/io.h"
#include "datanode/store/internal.h"

static char base[64];
static const struct crc_kind kind = {CRC_CRC32C, 512};
static struct pool_identity identity = {"BP-1", "CID-1", 7, 1000};
static struct store *s;
static struct block_pool *pool;
static uint8_t bytes[3000];
static enum storage_type told; /* of the last replica that was received */

static void listen(void *ctx, enum store_event event, const char *pool_name, const char *storage_id,
                   enum storage_type type, const struct block *block, const char *instead_of)
{
    (void)ctx, (void)pool_name, (void)storage_id, (void)block, (void)instead_of;
    if (event == STORE_RECEIVED)
        told = type;
}

static void open_store(void)
{
    char dirs[256];
    struct err err = {0};
    struct conf *conf = conf_new();
    snprintf(dirs, sizeof(dirs), "[DISK]%s/v0,[ARCHIVE]%s/v1", base, base);
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", dirs, &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0);
    cr_assert_eq(store_open(conf, &s, &err), 0, "%s", err.text);
    store_listen(s, listen, NULL);
    cr_assert_eq(store_attach(s, &identity, &pool, &err), 0, "%s", err.text);
    conf_free(conf);
}

static void set_up(void)
{
    struct replica_writer w;
    struct err err = {0};
    uint8_t sums[64];
    struct replica_request q = {{1, 1001, 3000}, REPLICA_RBW, STORAGE_DISK, kind};
    snprintf(base, sizeof(base), "/tmp/dn-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    open_store();
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    crc_compute(kind, bytes, sizeof(bytes), sums);
    cr_assert_eq(replica_create(pool, &q, &w, &err), 0, "%s", err.text);
    cr_assert_eq(replica_append(&w, 0, bytes, sizeof(bytes), sums, crc_sums_size(kind, 3000), &err),
                 0);
    cr_assert_eq(replica_finalize(&w, &err), 0);
}

static void tear_down(void)
{
    char command[128];
    store_close(s);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

static bool is_there(int volume)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/v%d/current/BP-1/current/finalized/subdir0/subdir0/blk_1",
             base, volume);
    return access(path, F_OK) == 0;
}

static int relocate(uint64_t stamp, enum storage_type type, struct err *err)
{
    struct block b = {1, stamp, 3000};
    *err = (struct err){0};
    return replica_relocate(pool, &b, type, NULL, NULL, err);
}

static void expect_on(enum storage_type type)
{
    struct replica_reader r;
    struct err err = {0};
    uint8_t data[3000];
    cr_assert_eq(replica_open(pool, 1, 1001, 0, 0, &r, &err), 0, "%s", err.text);
    cr_assert_eq(volume_type(r.volume), type);
    cr_assert_eq(pread(r.data_fd, data, sizeof(data), 0), 3000);
    cr_assert_arr_eq(data, bytes, sizeof(data));
    replica_close(&r);
    cr_assert_eq(is_there(0), type == STORAGE_DISK);
    cr_assert_eq(is_there(1), type == STORAGE_ARCHIVE);
}

TestSuite(relocate, .init = set_up, .fini = tear_down);

Test(relocate, there_and_back_and_over_a_restart)
{
    struct err err;
    cr_assert_eq(relocate(1001, STORAGE_ARCHIVE, &err), 0, "%s", err.text);
    cr_assert_eq(told, STORAGE_ARCHIVE);
    expect_on(STORAGE_ARCHIVE);
    cr_assert_eq(relocate(1001, STORAGE_ARCHIVE, &err), 0, "is there: %s", err.text);
    store_close(s);
    open_store();
    expect_on(STORAGE_ARCHIVE);
    cr_assert_eq(relocate(1001, STORAGE_DISK, &err), 0, "%s", err.text);
    expect_on(STORAGE_DISK);
}

Test(relocate, refusals_leave_it)
{
    struct err err;
    cr_assert_eq(relocate(1001, STORAGE_SSD, &err), ERR_NO_SPACE);
    cr_assert_eq(relocate(1001, (enum storage_type)99, &err), ERR_NO_SPACE, "as peers may send it");
    cr_assert_eq(relocate(1001, (enum storage_type) - 1, &err), ERR_NO_SPACE);
    cr_assert_eq(relocate(1002, STORAGE_ARCHIVE, &err), ERR_NO_REPLICA, "a later one");
    expect_on(STORAGE_DISK);
}

static atomic_bool over;

static void *move_on(void *arg)
{
    struct block b = {1, 1001, 3000};
    const enum storage_type types[] = {STORAGE_ARCHIVE, STORAGE_DISK};
    (void)arg;
    for (unsigned i = 0; !atomic_load(&over); i++)
        (void)!replica_relocate(pool, &b, types[i % 2], NULL, NULL, NULL);
    return NULL;
}

static void *look_on(void *arg)
{
    enum reconciled what;
    struct block b;
    (void)arg;
    for (unsigned i = 0; !atomic_load(&over); i++)
        if (replica_reconcile(pool, i % 2, 1, &what, &b, NULL) == 0)
            cr_assert(what == RECONCILED_SAME || what == RECONCILED_TWICE, "%d", (int)what);
    return NULL;
}

/* Two movers and a scanner at once: whoever loses leaves the winner's files alone. */
Test(relocate, many_at_once_lose_nothing)
{
    pthread_t threads[4];
    struct replica_reader r;
    struct err err = {0};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, i < 2 ? move_on : look_on, NULL), 0);
    usleep(1500 * 1000);
    atomic_store(&over, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(replica_open(pool, 1, 1001, 0, 0, &r, &err), 0, "%s", err.text);
    enum storage_type type = volume_type(r.volume);
    replica_close(&r);
    expect_on(type);
}

Test(relocate, a_rotten_replica_stays_where_it_is)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof(path), "%s/v0/current/BP-1/current/finalized/subdir0/subdir0/blk_1",
             base);
    int fd = open(path, O_RDWR);
    cr_assert_eq(pwrite(fd, "x", 1, 700), 1);
    close(fd);
    cr_assert_eq(relocate(1001, STORAGE_ARCHIVE, &err), ERR_CHECKSUM);
    cr_assert(is_there(0) && !is_there(1));
}

/* --- what happens while the copy is under way --- */

static void make_again(enum storage_type type)
{
    struct replica_writer w;
    struct err err = {0};
    uint8_t sums[64];
    struct replica_request q = {{1, 1001, 3000}, REPLICA_RBW, type, kind};
    crc_compute(kind, bytes, sizeof(bytes), sums);
    cr_assert_eq(replica_create(pool, &q, &w, &err), 0, "%s", err.text);
    cr_assert_eq(replica_append(&w, 0, bytes, sizeof(bytes), sums, crc_sums_size(kind, 3000), &err),
                 0);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

/* The NameNode has it deleted; a new copy comes in at once, on the volume that the move goes to. */
static void replace(void *ctx, uint64_t n)
{
    struct err err = {0};
    struct replica_info info;
    (void)ctx, (void)n;
    cr_assert_eq(replica_remove(pool, 1, 1001, false, &err), 0, "%s", err.text);
    while (replica_look(pool, 1, &info))
        usleep(1000);
    make_again(STORAGE_ARCHIVE);
}

static int relocate_with(void (*use)(void *ctx, uint64_t n), struct err *err)
{
    struct block b = {1, 1001, 3000};
    *err = (struct err){0};
    return replica_relocate(pool, &b, STORAGE_ARCHIVE, use, NULL, err);
}

Test(relocate, a_replica_that_came_to_the_target_meanwhile_lives)
{
    struct err err;
    cr_assert_eq(relocate_with(replace, &err), ERR_NO_REPLICA, "%s", err.text);
    expect_on(STORAGE_ARCHIVE);
    store_close(s);
    open_store();
    expect_on(STORAGE_ARCHIVE);
}

/* As above, and then the move fails in its middle. */
static void replace_and_rot(void *ctx, uint64_t n)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/v0/current/BP-1/current/finalized/subdir0/subdir0/blk_1",
             base);
    int fd = open(path, O_RDWR);
    cr_assert_eq(pwrite(fd, "x", 1, 700), 1);
    close(fd);
    replace(ctx, n);
}

Test(relocate, a_move_that_fails_takes_nothing_of_others_away)
{
    struct err err;
    cr_assert_eq(relocate_with(replace_and_rot, &err), ERR_CHECKSUM, "%s", err.text);
    expect_on(STORAGE_ARCHIVE);
}

/* Two orders for the same move: the second one finds the copy of the first. */
static void relocate_again(void *ctx, uint64_t n)
{
    struct err err;
    (void)ctx, (void)n;
    cr_assert_neq(relocate(1001, STORAGE_ARCHIVE, &err), 0);
}

Test(relocate, twice_at_a_time)
{
    struct err err;
    cr_assert_eq(relocate_with(relocate_again, &err), 0, "%s", err.text);
    expect_on(STORAGE_ARCHIVE);
}
