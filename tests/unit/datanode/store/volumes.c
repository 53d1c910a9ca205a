/* Volumes that fail, hang, come and go, and are upgraded, under a store with replicas. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/io.h"
#include "datanode/store/internal.h"

static char base[64], faults[96];
static const struct crc_kind kind = {CRC_CRC32C, 512};
static struct pool_identity identity = {"BP-1", "CID-1", 7, 1000};
static struct store *s;
static struct block_pool *p;
static int notices[3], told;
static char text[600];

static void set_up(void)
{
    snprintf(base, sizeof(base), "/tmp/dn-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    snprintf(faults, sizeof(faults), "%s/faults", base);
}

static void tear_down(void)
{
    store_close(s);
    s = NULL;
    struct err err = {0};
    cr_assert_eq(remove_tree(base, &err), 0, "%s", err.text);
}

TestSuite(volumes, .init = set_up, .fini = tear_down);

static void on_notice(void *ctx, enum store_notice notice, const char *why)
{
    (void)ctx;
    notices[notice]++;
    told++;
    snprintf(text, sizeof(text), "%s", why);
}

static atomic_int removed;

static void on_event(void *ctx, enum store_event event, const char *pool_name,
                     const char *storage_id, enum storage_type type, const struct block *block,
                     const char *instead_of)
{
    (void)ctx, (void)pool_name, (void)storage_id, (void)type, (void)block, (void)instead_of;
    atomic_fetch_add(&removed, event == STORE_REMOVED);
}

static const char *dirs(const char *format)
{
    static char out[512];
    out[0] = '\0';
    size_t n = 0;
    for (const char *c = format; *c != '\0'; c++) /* % is the test's folder */
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s", *c == '%' ? 64 : 1,
                              *c == '%' ? base : c);
    return out;
}

static int open_with(const char *format, const char *tolerated, bool rollback, struct err *err)
{
    struct conf *conf = conf_new();
    const char *const pairs[][2] = {{"dfs.datanode.data.dir", dirs(format)},
                                    {"dfs.datanode.failed.volumes.tolerated", tolerated},
                                    {"dfs.datanode.disk.check.timeout", "300ms"},
                                    {"hadron.testing.failpoints", faults}};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        cr_assert_eq(conf_set(conf, pairs[i][0], pairs[i][1], err), 0, "%s", err->text);
    cr_assert_eq(conf_finish(conf, err), 0, "%s", err->text);
    int rc = store_open_with(conf, &(struct store_options){.rollback = rollback}, &s, err);
    conf_free(conf);
    if (rc != 0)
        return rc;
    store_watch(s, on_notice, NULL);
    store_listen(s, on_event, NULL);
    rc = store_attach(s, &identity, &p, err);
    if (rc != 0) {
        store_close(s);
        s = NULL;
    }
    return rc;
}

static void must_open(const char *format, const char *tolerated)
{
    struct err err = {0};
    cr_assert_eq(open_with(format, tolerated, false, &err), 0, "%s", err.text);
}

static void append(struct replica_writer *w, uint64_t size, int *ret_rc)
{
    uint8_t data[1024] = {1}, sums[64];
    crc_compute(kind, data, size, sums);
    *ret_rc = replica_append(w, w->block.length, data, size, sums, crc_sums_size(kind, size), NULL);
}

static void create(uint64_t id, enum storage_type type, struct replica_writer *w)
{
    struct err err = {0};
    int rc;
    struct replica_request q = {{id, 1001, 1024}, REPLICA_RBW, type, kind};
    cr_assert_eq(replica_create(p, &q, w, &err), 0, "%s", err.text);
    append(w, 1024, &rc);
    cr_assert_eq(rc, 0);
}

static void finalized(uint64_t id, enum storage_type type)
{
    struct replica_writer w;
    struct err err = {0};
    create(id, type, &w);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

static bool readable(uint64_t id)
{
    struct replica_reader r;
    if (replica_open(p, id, 0, 0, 0, &r, NULL) != 0)
        return false;
    replica_close(&r);
    return true;
}

static bool wait_for(const int *value)
{
    for (int i = 0; i < 400 && *(const volatile int *)value == 0; i++)
        usleep(10000);
    return *(const volatile int *)value != 0;
}

static void fault(const char *line)
{
    int fd = open(faults, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    close(fd);
}

static size_t shown(struct volume_info out[STORE_MAX_VOLUMES])
{
    size_t count = store_volumes(s, p, out), n = 0;
    for (size_t i = 0; i < count; i++)
        if (!out[i].failed)
            out[n++] = out[i];
    return n;
}

Test(volumes, a_type_s_replicas_go_to_its_volumes)
{
    struct volume_info v[STORE_MAX_VOLUMES];
    must_open("%/v0,[SSD]%/v1,[ARCHIVE]%/v2", "0");
    finalized(1, STORAGE_SSD);
    finalized(2, STORAGE_ARCHIVE);
    cr_assert_eq(shown(v), 3);
    cr_assert(v[0].replicas == 0 && v[1].replicas == 1 && v[2].replicas == 1);
    cr_assert(v[1].pool_used == 1024 + 7 + 8 && v[1].used == v[1].pool_used);
}

Test(volumes, more_tolerated_than_there_are)
{
    struct err err = {0};
    cr_assert_eq(open_with("%/v0,%/v1", "2", false, &err), ERR_CONFIG);
    cr_assert(strstr(err.text, "Invalid value configured for") != NULL, "%s", err.text);
}

Test(volumes, a_folder_that_is_gone_is_found_without_being_used)
{
    char from[100], to[100];
    struct volume_failures f;
    struct volume_info v[STORE_MAX_VOLUMES];
    must_open("%/v0,%/v1,%/v2", "1");
    for (uint64_t id = 0; id < 3; id++)
        finalized(id, STORAGE_DISK);
    snprintf(from, sizeof(from), "%s/v1", base);
    snprintf(to, sizeof(to), "%s/away", base);
    cr_assert_eq(rename(from, to), 0);
    cr_assert(wait_for(&notices[STORE_VOLUME_FAILED]));
    cr_assert(strstr(text, from) != NULL, "%s", text);
    store_failures(s, &f);
    cr_assert_eq(f.count, 1);
    cr_assert_str_eq(f.paths[0], from);
    cr_assert_gt(f.capacity_lost, 0);
    cr_assert_eq(shown(v), 2);
    usleep(20000); /* the replicas go after the news */
    cr_assert(readable(0) && !readable(1) && readable(2));
    snprintf(from, sizeof(from), "%s/v2", base);
    snprintf(to, sizeof(to), "%s/away2", base);
    cr_assert_eq(rename(from, to), 0);
    cr_assert(wait_for(&notices[STORE_UNUSABLE]));
    cr_assert_eq(notices[STORE_VOLUME_FAILED], 1);
}

Test(volumes, all_but_one_may_fail)
{
    struct err cause = {0};
    must_open("%/v0,%/v1", "-1");
    (void)fail(&cause, ERR_DISK, "a sync failed");
    volume_check(store_volume(s, 0), &cause);
    cr_assert(notices[STORE_VOLUME_FAILED] == 1 && notices[STORE_UNUSABLE] == 0);
    finalized(1, STORAGE_DISK);
    volume_check(store_volume(s, 1), &cause);
    cr_assert_eq(notices[STORE_UNUSABLE], 1);
}

Test(volumes, a_disk_that_hangs_stops_nobody)
{
    struct volume_info v[STORE_MAX_VOLUMES];
    must_open("%/v0,%/v1", "1");
    fault("look stall:1500\n"); /* both; the first that is late goes, then the other */
    for (int i = 0; i < 150; i++) {
        int64_t start_ms = clock_monotonic_ms();
        (void)shown(v);
        cr_assert_lt(clock_monotonic_ms() - start_ms, 500);
        usleep(10000);
    }
    cr_assert(wait_for(&notices[STORE_VOLUME_FAILED]));
    cr_assert(strstr(text, "doesn't answer") != NULL, "%s", text);
    fault("");
    usleep(1600000);
}

Test(volumes, a_probe_decides)
{
    struct err cause = {0};
    must_open("%/v0,%/v1", "1");
    (void)fail(&cause, ERR_IO, "one bad sector");
    volume_check(store_volume(s, 0), &cause);
    usleep(300000);
    cr_assert_eq(told, 0);
    fault("probe EIO\n");
    volume_check(store_volume(s, 0), &cause); /* within a second of the last: with the next look */
    cr_assert(wait_for(&notices[STORE_VOLUME_FAILED]));
}

/* --- hot swap --- */

static int reconfigure(const char *format, struct store_changes *c, struct err *err)
{
    *err = (struct err){0};
    return store_reconfigure(s, dirs(format), c, err);
}

static void expect_dirs(const char *format)
{
    struct buf b = {0};
    struct err err = {0};
    cr_assert_eq(store_data_dirs(s, &b, &err), 0);
    cr_assert_str_eq((const char *)buf_head(&b), dirs(format));
    buf_fini(&b);
}

static int stopped;
static void stop_it(void *ctx)
{
    (void)ctx;
    stopped++;
}

Test(volumes, come_and_go)
{
    struct volume_info v[STORE_MAX_VOLUMES];
    struct store_changes c;
    struct replica_writer w;
    struct replica_reader r;
    struct err err = {0};
    int rc;
    must_open("%/v0,%/v1", "0");
    finalized(1, STORAGE_DISK);
    finalized(2, STORAGE_DISK);
    create(3, STORAGE_DISK, &w); /* on v0 */
    replica_on_stop(&w, stop_it, NULL);
    cr_assert_eq(replica_open(p, 1, 0, 0, 0, &r, &err), 0);
    cr_assert_eq(reconfigure("[SSD]%/v2,%/v1", &c, &err), 0, "%s", err.text);
    cr_assert(c.added == 1 && c.removed == 1 && c.unchanged == 1 && c.failed == 0);
    cr_assert_eq(notices[STORE_VOLUMES_CHANGED], 1);
    cr_assert_eq(stopped, 1);
    append(&w, 512, &rc);
    cr_assert_eq(rc, ERR_NO_REPLICA);
    replica_abandon(&w);
    uint8_t byte;
    cr_assert_eq(pread(r.data_fd, &byte, 1, 0), 1); /* a reader comes to its end */
    replica_close(&r);
    cr_assert(!readable(1) && readable(2) && !readable(3));
    cr_assert_eq(shown(v), 2);
    finalized(4, STORAGE_SSD);
    expect_dirs("%/v1,[SSD]%/v2");
    /* back: what was written is there again, the open one waits for its recovery */
    cr_assert_eq(reconfigure("%/v0,%/v1", &c, &err), 0, "%s", err.text);
    cr_assert(readable(1) && readable(2) && readable(3) && !readable(4));
    cr_assert_eq(replica_open(p, 3, 0, 0, 0, &r, &err), 0);
    cr_assert_eq(r.state, REPLICA_RWR);
    replica_close(&r);
    cr_assert_eq(pool_replicas(p), 3);
}

Test(volumes, what_cannot_be_swapped)
{
    struct store_changes c;
    struct err err;
    must_open("%/v0,%/v1", "0");
    finalized(1, STORAGE_DISK);
    cr_assert_eq(reconfigure("", &c, &err), ERR_CONFIG);
    cr_assert_eq(reconfigure("v0", &c, &err), ERR_CONFIG);
    cr_assert_eq(reconfigure("[SSD]%/v0", &c, &err), ERR_CONFIG);
    cr_assert_str_eq(err.text, "Changing storage type is not allowed.");
    cr_assert_eq(reconfigure("%/v0,/proc/no/such,%/v3", &c, &err), ERR_IO);
    cr_assert_eq(strncmp(err.text, "FAILED TO ADD: /proc/no/such: ", 30), 0, "%s", err.text);
    cr_assert(c.added == 1 && c.removed == 1 && c.unchanged == 1 && c.failed == 1);
    expect_dirs("%/v0,%/v3");
    cr_assert(readable(1));
    for (int i = 0; i < 2 * STORE_MAX_VOLUMES; i++) /* slots are used again */
        cr_assert_eq(reconfigure(i % 2 == 0 ? "%/v0,%/v4" : "%/v0,%/v3", &c, &err), 0, "%s",
                     err.text);
    cr_assert(readable(1));
}

Test(volumes, a_failed_one_is_healed)
{
    struct err cause = {0}, err;
    struct store_changes c;
    struct volume_failures f;
    must_open("%/v0,%/v1", "1");
    finalized(1, STORAGE_DISK);
    (void)fail(&cause, ERR_DISK, "a sync failed");
    volume_check(store_volume(s, 0), &cause);
    cr_assert(!readable(1));
    expect_dirs("%/v1");
    cr_assert_eq(reconfigure("%/v0,%/v1", &c, &err), 0, "%s", err.text);
    cr_assert_eq(c.added, 1);
    store_failures(s, &f);
    cr_assert(f.count == 0 && f.capacity_lost == 0);
    cr_assert(readable(1));
}

Test(volumes, a_copy_of_a_block_on_a_new_volume)
{
    struct store_changes c;
    struct replica_writer w;
    struct err err;
    must_open("%/v0,%/v1", "0");
    finalized(1, STORAGE_DISK);
    cr_assert_eq(reconfigure("%/v1", &c, &err), 0, "%s", err.text);
    create(1, STORAGE_DISK, &w); /* open on v1, and v0 has one */
    cr_assert_eq(reconfigure("%/v0,%/v1", &c, &err), 0, "%s", err.text);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
    cr_assert_eq(pool_replicas(p), 1);
}

/* --- upgrades --- */

static void reopen(uint64_t ctime, bool rollback)
{
    struct err err = {0};
    store_close(s);
    s = NULL;
    identity.ctime = ctime;
    cr_assert_eq(open_with("%/v0", "0", rollback, &err), 0, "%s", err.text);
}

static uint64_t length_of(uint64_t id)
{
    struct replica_reader r;
    struct err err = {0};
    cr_assert_eq(replica_open(p, id, 0, 0, 0, &r, &err), 0, "%s", err.text);
    replica_close(&r);
    return r.block.length;
}

Test(volumes, an_upgrade_keeps_the_replicas_of_before)
{
    struct replica_writer w;
    struct err err = {0};
    int rc;
    must_open("%/v0", "0");
    finalized(1, STORAGE_DISK);
    finalized(2, STORAGE_DISK);
    create(3, STORAGE_DISK, &w); /* stays open, with bytes that nobody acknowledged */
    append(&w, 300, &rc);
    replica_abandon(&w);
    reopen(2000, false);
    cr_assert_eq(pool_replicas(p), 3);
    struct replica_reopening q = {{1, 1001, 4096}, 1005, 1024, 1024};
    cr_assert_eq(replica_reopen(p, &q, &w, &err), 0, "%s", err.text);
    append(&w, 200, &rc);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
    cr_assert_eq(length_of(1), 1224);
    cr_assert_eq(replica_remove(p, 2, 1001, true, &err), 0);
    struct replica_recovery found;
    cr_assert_eq(replica_init_recovery(p, &(struct block){3, 1001, 1324}, 1006, &found, &err), 0);
    const char *storage;
    struct replica_update u = {{3, found.block.gen_stamp, found.block.length}, 1006, 700, 3};
    cr_assert_eq(replica_update_recovery(p, &u, &storage, &err), 0, "%s", err.text);
    cr_assert_eq(length_of(3), 700);
    finalized(4, STORAGE_DISK);
    reopen(1000, true);
    cr_assert_eq(pool_replicas(p), 3);
    cr_assert(length_of(1) == 1024 && length_of(2) == 1024 && length_of(3) == 1324);
    cr_assert(!readable(4));
}

Test(volumes, a_final_upgrade)
{
    char path[128];
    must_open("%/v0", "0");
    finalized(1, STORAGE_DISK);
    reopen(2000, false);
    snprintf(path, sizeof(path), "%s/v0/current/BP-1/previous", base);
    cr_assert_eq(access(path, F_OK), 0);
    store_finalize_upgrade(p);
    cr_assert_neq(access(path, F_OK), 0);
    reopen(2000, true); /* nothing to go back to */
    cr_assert(readable(1));
    snprintf(path, sizeof(path), "%s/v0/current/BP-1/finalized.tmp", base);
    cr_assert_neq(access(path, F_OK), 0);
}

/* What an unmounted disk leaves behind is an empty folder: its blocks are not deleted by that. */
Test(volumes, another_folder_in_its_place_deletes_nothing)
{
    char away[128], path[128];
    enum reconciled what;
    struct block b;
    struct err err = {0};
    must_open("%/v0,%/v1", "1");
    for (uint64_t id = 1; id <= 2; id++)
        finalized(id, STORAGE_DISK);
    snprintf(path, sizeof(path), "%s/v0", base);
    snprintf(away, sizeof(away), "%s/away", base);
    cr_assert_eq(rename(path, away), 0);
    cr_assert_eq(mkdir(path, 0755), 0);
    for (uint64_t id = 1; id <= 2; id++) {
        err = (struct err){0};
        if (replica_reconcile(p, 0, id, &what, &b, &err) == 0)
            cr_assert_neq(what, RECONCILED_FORGOTTEN);
    }
    cr_assert(wait_for(&notices[STORE_VOLUME_FAILED]), "the volume is found to be away");
}

static void *remove_all(void *arg)
{
    (void)arg;
    for (uint64_t id = 1; id <= 300; id++)
        (void)!replica_remove(p, id, 1001, false, NULL);
    return NULL;
}

Test(volumes, removals_while_a_volume_leaves)
{
    must_open("%/v0,%/v1", "1");
    for (int round = 0; round < 3; round++) {
        struct store_changes c;
        struct err err = {0};
        pthread_t thread;
        for (uint64_t id = 1; id <= 300; id++)
            finalized(id, STORAGE_DISK);
        cr_assert_eq(pthread_create(&thread, NULL, remove_all, NULL), 0);
        usleep((unsigned)round * 300);
        cr_assert_eq(store_reconfigure(s, dirs("%/v0"), &c, &err), 0, "%s", err.text);
        pthread_join(thread, NULL);
        cr_assert_eq(store_reconfigure(s, dirs("%/v0,%/v1"), &c, &err), 0, "%s", err.text);
        remove_all(NULL);
        for (int i = 0; i < 500 && pool_replicas(p) > 0; i++)
            usleep(10000);
        cr_assert_eq(pool_replicas(p), 0);
    }
}

Test(volumes, without_descriptors_no_disk_is_at_fault)
{
    struct rlimit all, few;
    struct replica_reader r;
    struct err err = {0};
    must_open("%/v0", "0");
    finalized(1, STORAGE_DISK);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = (struct rlimit){3, all.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    cr_assert_eq(replica_open(p, 1, 0, 0, 0, &r, &err), ERR_BUSY, "%s", err.text);
    volume_check(store_volume(s, 0), &(struct err){.code = ERR_IO});
    usleep(1500 * 1000);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    cr_assert_eq(told, 0);
    cr_assert(volume_works(store_volume(s, 0)));
}

Test(volumes, the_replicas_of_a_removed_one_are_told_of)
{
    struct store_changes c;
    struct err err = {0};
    must_open("%/v0,%/v1", "1");
    for (uint64_t id = 1; id <= 600; id++)
        finalized(id, STORAGE_DISK);
    cr_assert_eq(store_reconfigure(s, dirs("%/v1"), &c, &err), 0, "%s", err.text);
    cr_assert_eq(atomic_load(&removed), 300);
    cr_assert_eq(pool_replicas(p), 300);
}
