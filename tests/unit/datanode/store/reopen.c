/* Replicas that are written again: appended to, taken over, closed by a recovery, cut; and what a
 * restart finds after each step of that. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/io.h"
#include "common/obs/obs.h"
#include "datanode/store/internal.h"

static char base[64];
static const struct crc_kind kind = {CRC_CRC32C, 512};
static struct pool_identity identity = {"BP-1", "CID-1", 7, 1000};
static uint8_t bytes[1 << 16];
static struct store *s;
static struct block_pool *p;

static void open_store(void)
{
    struct conf *conf = conf_new();
    struct err err = {0};
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/v0", base);
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", dir, &err), 0);
    snprintf(dir, sizeof(dir), "%s/faults", base);
    cr_assert_eq(conf_set(conf, "hadron.testing.failpoints", dir, &err), 0);
    cr_assert_eq(conf_set(conf, "dfs.datanode.xceiver.stop.timeout.millis", "300", &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0, "%s", err.text);
    cr_assert_eq(store_open(conf, &s, &err), 0, "%s", err.text);
    cr_assert_eq(store_attach(s, &identity, &p, &err), 0, "%s", err.text);
    conf_free(conf);
}

static void restart(void)
{
    store_close(s);
    open_store();
}

static void set_up(void)
{
    snprintf(base, sizeof(base), "/tmp/dn-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    struct rng rng = {11};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    log_set_level(LOG_ERROR);
    open_store();
}

static void tear_down(void)
{
    char command[128];
    store_close(s);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(reopen, .init = set_up, .fini = tear_down);

static void create(uint64_t id, enum replica_state state, struct replica_writer *w)
{
    struct err err = {0};
    struct replica_request q = {{id, 1001, 1 << 16}, state, STORAGE_DISK, kind};
    cr_assert_eq(replica_create(p, &q, w, &err), 0, "%s", err.text);
}

static int append(struct replica_writer *w, uint64_t offset, size_t size, struct err *err)
{
    uint8_t sums[1024];
    crc_compute(kind, bytes + offset, size, sums);
    return replica_append(w, offset, bytes + offset, size, sums, crc_sums_size(kind, size), err);
}

/* As a client sends it: up to the chunk's end, then whole chunks. */
static void write_to(struct replica_writer *w, uint64_t end)
{
    struct err err = {0};
    while (w->block.length < end) {
        uint64_t at = w->block.length, stop = at % 512 == 0 ? end : (at / 512 + 1) * 512;
        stop = stop > end ? end : stop;
        cr_assert_eq(append(w, at, (size_t)(stop - at), &err), 0, "%s", err.text);
    }
}

static void finalized(uint64_t id, size_t size)
{
    struct replica_writer w;
    struct err err = {0};
    create(id, REPLICA_RBW, &w);
    write_to(&w, size);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

static void expect(uint64_t id, uint64_t stamp, uint64_t length, enum replica_state state)
{
    struct replica_reader r;
    struct err err = {0};
    uint8_t data[1 << 16], sums[1024];
    cr_assert_eq(replica_open(p, id, 0, 0, 0, &r, &err), 0, "%s", err.text);
    cr_assert_eq(r.state, state, "%s", replica_state_name(r.state));
    cr_assert_eq(r.block.gen_stamp, stamp, "%llu", (unsigned long long)r.block.gen_stamp);
    cr_assert_eq(r.block.length, length, "%llu", (unsigned long long)r.block.length);
    cr_assert_eq(pread(r.data_fd, data, r.on_disk, 0), (ssize_t)r.on_disk);
    cr_assert_eq(memcmp(data, bytes, r.on_disk), 0);
    size_t count = crc_sums_size(kind, r.on_disk) / 4;
    cr_assert_eq(replica_sums(&r, 0, count, sums, &err), 0, "%s", err.text);
    cr_assert_eq(crc_verify(kind, data, r.on_disk, sums, 0, &err), 0, "%s", err.text);
    replica_close(&r);
}

static struct replica_reopening asks(uint64_t id, uint64_t stamp, uint64_t min, uint64_t max)
{
    return (struct replica_reopening){{id, 1001, 0}, stamp, min, max};
}

static const size_t lengths[] = {1, 100, 511, 512, 513, 1000, 1024, 1025, 5000};

Test(reopen, appending_to_every_end)
{
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        for (size_t k = 0; k < ARRAY_SIZE(lengths); k++) {
            struct replica_writer w;
            uint64_t id = 100 + i * 20 + k;
            finalized(id, lengths[i]);
            struct replica_reopening q = asks(id, 1005, lengths[i], 0);
            cr_assert_eq(replica_reopen(p, &q, &w, &err), 0, "%s", err.text);
            expect(id, 1005, lengths[i], REPLICA_RBW);
            write_to(&w, lengths[i] + lengths[k]);
            expect(id, 1005, lengths[i], REPLICA_RBW); /* nothing acknowledged yet */
            replica_acked(&w, lengths[i] + 1);
            cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
            expect(id, 1005, lengths[i] + lengths[k], REPLICA_FINALIZED);
        }
    restart();
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        for (size_t k = 0; k < ARRAY_SIZE(lengths); k++)
            expect(100 + i * 20 + k, 1005, lengths[i] + lengths[k], REPLICA_FINALIZED);
}

Test(reopen, appending_is_refused_when_it_does_not_fit)
{
    struct err err = {0};
    struct replica_writer w;
    finalized(5, 700);
    struct replica_reopening q = asks(5, 1005, 699, 0);
    cr_assert_eq(replica_reopen(p, &q, &w, &err), ERR_CORRUPT);
    q = asks(5, 1000, 700, 0);
    cr_assert_eq(replica_reopen(p, &q, &w, &err), ERR_PROTOCOL);
    q = asks(6, 1005, 700, 0);
    cr_assert_eq(replica_reopen(p, &q, &w, &err), ERR_NO_REPLICA);
    q = asks(5, 1005, 700, 0);
    cr_assert_eq(replica_reopen(p, &q, &w, &err), 0, "%s", err.text);
    struct replica_writer again;
    q = asks(5, 1006, 700, 0);
    q.block.gen_stamp = 1005;
    cr_assert_eq(replica_reopen(p, &q, &again, &err), ERR_NO_REPLICA); /* RBW already */
    replica_abandon(&w);
}

Test(reopen, a_last_chunk_that_rotted_is_not_appended_to)
{
    struct err err = {0};
    struct replica_writer w;
    struct store_path path;
    finalized(5, 700);
    layout_data(&path, store_volume(s, 0), "BP-1", PLACE_FINALIZED, 5);
    int fd = open(path.text, O_WRONLY);
    cr_assert_eq(pwrite(fd, "x", 1, 600), 1);
    close(fd);
    struct replica_reopening q = asks(5, 1005, 700, 0);
    cr_assert_eq(replica_reopen(p, &q, &w, &err), ERR_CORRUPT);
    struct replica_info info;
    uint32_t cursor = 0;
    cr_assert_eq(pool_list(p, &cursor, &info, 1), 1);
    cr_assert(info.state == REPLICA_FINALIZED && info.block.gen_stamp == 1001);
}

/* The power goes while the appended bytes are on disk and their checksum isn't, or the reverse. */
Test(reopen, what_was_closed_stays_verifiable_while_its_last_chunk_grows)
{
    for (int reverse = 0; reverse < 2; reverse++) {
        struct err err = {0};
        struct replica_writer w;
        struct store_path path;
        uint64_t id = 5 + (uint64_t)reverse;
        finalized(id, 700);
        struct replica_reopening q = asks(id, 1005, 700, 0);
        cr_assert_eq(replica_reopen(p, &q, &w, &err), 0, "%s", err.text);
        write_to(&w, 900);
        if (reverse) {
            cr_assert_eq(ftruncate(w.data_fd, 700), 0);
        } else {
            uint8_t old[4];
            put_u32(old, crc_update(CRC_CRC32C, 0, bytes + 512, 50));
            cr_assert_eq(pwrite(w.meta_fd, old, 4, META_HEADER_SIZE + 4), 4);
        }
        replica_abandon(&w);
        layout_tail(&path, store_volume(s, 0), "BP-1", id);
        restart();
        expect(id, 1005, 700, REPLICA_RWR);
    }
}

Test(reopen, a_crash_between_the_two_renames)
{
    struct store_path from, to;
    finalized(5, 700);
    layout_data(&from, store_volume(s, 0), "BP-1", PLACE_FINALIZED, 5);
    layout_data(&to, store_volume(s, 0), "BP-1", PLACE_RBW, 5);
    cr_assert_eq(rename(from.text, to.text), 0);
    restart();
    expect(5, 1001, 700, REPLICA_RWR);
}

Test(reopen, taking_over_cuts_to_what_was_acknowledged)
{
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        for (size_t synced = 0; synced < 2; synced++) {
            struct err err = {0};
            struct replica_writer w, next;
            uint64_t id = 5 + i * 2 + synced, acked = lengths[i];
            create(id, REPLICA_RBW, &w);
            write_to(&w, acked);
            if (synced)
                cr_assert_eq(replica_sync(&w, &err), 0, "%s", err.text);
            replica_acked(&w, acked);
            write_to(&w, acked + 700);
            struct replica_reopening q = asks(id, 1005, acked, acked + 700);
            cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), ERR_REPLICA_EXISTS);
            replica_abandon(&w);
            q.min_length = acked + 1;
            cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), ERR_NO_REPLICA);
            q = asks(id, 1005, acked, acked + 699);
            cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), ERR_NO_REPLICA);
            q = asks(id, 1000, acked, acked + 700);
            cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), ERR_NO_REPLICA);
            q = asks(id, 1005, acked, acked + 700);
            cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), 0, "%s", err.text);
            expect(id, 1005, acked, REPLICA_RBW);
            write_to(&next, 6000);
            cr_assert_eq(replica_finalize(&next, &err), 0, "%s", err.text);
            expect(id, 1005, 6000, REPLICA_FINALIZED);
        }
}

/* The cut with one file cut and the other not. */
Test(reopen, a_power_cut_during_the_cut)
{
    struct err err = {0};
    struct replica_writer w, next;
    create(5, REPLICA_RBW, &w);
    write_to(&w, 700);
    cr_assert_eq(replica_sync(&w, &err), 0, "%s", err.text);
    replica_acked(&w, 800);
    write_to(&w, 1000);
    replica_acked(&w, 800);
    replica_abandon(&w);
    struct replica_reopening q = asks(5, 1005, 800, 1000);
    cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), 0, "%s", err.text);
    uint8_t of_1000[4];
    put_u32(of_1000, crc_update(CRC_CRC32C, 0, bytes + 512, 488));
    cr_assert_eq(pwrite(next.meta_fd, of_1000, 4, META_HEADER_SIZE + 4), 4);
    replica_abandon(&next);
    restart();
    expect(5, 1005, 800, REPLICA_RWR);
}

struct stopped_writer {
    struct replica_writer w;
    pthread_t thread;
    bool joined;
};

static void *end_writing(void *arg)
{
    replica_abandon(&((struct stopped_writer *)arg)->w);
    return NULL;
}

static void on_stop(void *ctx)
{
    struct stopped_writer *x = ctx;
    if (!x->joined)
        pthread_create(&x->thread, NULL, end_writing, x);
    x->joined = true;
}

Test(reopen, a_former_writer_is_stopped)
{
    struct err err = {0};
    struct replica_writer next;
    struct stopped_writer x = {.joined = false};
    create(5, REPLICA_RBW, &x.w);
    write_to(&x.w, 700);
    replica_acked(&x.w, 700);
    replica_on_stop(&x.w, on_stop, &x);
    struct replica_reopening q = asks(5, 1005, 700, 700);
    cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), 0, "%s", err.text);
    cr_assert(x.joined);
    pthread_join(x.thread, NULL);
    replica_abandon(&next);
}

static void ignore(void *ctx)
{
    ++*(int *)ctx;
}

Test(reopen, a_writer_that_does_not_stop_is_not_waited_for_for_ever)
{
    struct err err = {0};
    struct replica_writer w, next;
    int asked = 0;
    create(5, REPLICA_RBW, &w);
    replica_on_stop(&w, ignore, &asked);
    struct replica_reopening q = asks(5, 1005, 0, 0);
    cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), ERR_IO);
    cr_assert_gt(asked, 0);
    replica_abandon(&w);
}

Test(reopen, closing_again)
{
    struct err err = {0};
    struct replica_writer w;
    finalized(5, 700);
    struct replica_reopening q = asks(5, 1005, 700, 700);
    cr_assert_eq(replica_recover_close(p, &q, &err), 0, "%s", err.text);
    expect(5, 1005, 700, REPLICA_FINALIZED);
    create(6, REPLICA_RBW, &w);
    write_to(&w, 700);
    replica_abandon(&w);
    q = asks(6, 1005, 700, 700);
    cr_assert_eq(replica_recover_close(p, &q, &err), ERR_REPLICA_EXISTS); /* not acknowledged */
    create(7, REPLICA_RBW, &w);
    write_to(&w, 700);
    replica_acked(&w, 700);
    replica_abandon(&w);
    q = asks(7, 1005, 700, 700);
    cr_assert_eq(replica_recover_close(p, &q, &err), 0, "%s", err.text);
    expect(7, 1005, 700, REPLICA_FINALIZED);
    q = asks(7, 1006, 600, 700);
    cr_assert_eq(replica_recover_close(p, &q, &err), ERR_CORRUPT);
    restart();
    expect(5, 1005, 700, REPLICA_FINALIZED);
    expect(7, 1005, 700, REPLICA_FINALIZED);
}

Test(reopen, a_failed_append_again)
{
    struct err err = {0};
    struct replica_writer w;
    finalized(5, 700);
    struct replica_reopening q = asks(5, 1005, 700, 700);
    cr_assert_eq(replica_recover_append(p, &q, &w, &err), 0, "%s", err.text);
    replica_abandon(&w);
    q = asks(5, 1006, 700, 700);
    cr_assert_eq(replica_recover_append(p, &q, &w, &err), 0, "%s", err.text);
    expect(5, 1006, 700, REPLICA_RBW);
    write_to(&w, 1500);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
    expect(5, 1006, 1500, REPLICA_FINALIZED);
}

/* --- block recovery --- */

static void leave(uint64_t id, enum replica_state state, size_t size)
{
    struct replica_writer w;
    struct err err = {0};
    create(id, REPLICA_RBW, &w);
    write_to(&w, size);
    replica_acked(&w, size / 2);
    if (state == REPLICA_FINALIZED)
        cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
    else
        replica_abandon(&w);
    if (state == REPLICA_RWR)
        restart();
}

static int init(uint64_t id, uint64_t recovery, struct replica_recovery *ret)
{
    struct err err = {0};
    struct block b = {id, 1001, 0};
    return replica_init_recovery(p, &b, recovery, ret, &err);
}

static int update(const struct replica_recovery *r, uint64_t recovery, uint64_t length,
                  uint64_t new_id)
{
    struct err err = {0};
    const char *storage = NULL;
    struct replica_update u = {r->block, recovery, length, new_id};
    int rc = replica_update_recovery(p, &u, &storage, &err);
    if (rc == 0)
        cr_assert_str_eq(storage, volume_storage_id(store_volume(s, 0)));
    return rc;
}

Test(reopen, recovery_of_every_state_to_every_length)
{
    static const enum replica_state states[] = {REPLICA_FINALIZED, REPLICA_RBW, REPLICA_RWR};
    uint64_t id = 5;
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        for (size_t k = 0; k < ARRAY_SIZE(lengths); k++, id++) {
            struct replica_recovery r;
            leave(id, states[i], 5000);
            cr_assert_eq(init(id, 1010, &r), 0);
            cr_assert(r.found && r.state == states[i] && r.block.length == 5000);
            cr_assert_eq(update(&r, 1011, lengths[k], 0), ERR_PROTOCOL);
            cr_assert_eq(update(&r, 1010, lengths[k], id), 0);
            expect(id, 1010, lengths[k], REPLICA_FINALIZED);
            cr_assert_eq(update(&r, 1010, lengths[k], id), ERR_PROTOCOL); /* done already */
        }
    restart();
    for (uint64_t k = 5; k < id; k++)
        expect(k, 1010, lengths[(k - 5) % ARRAY_SIZE(lengths)], REPLICA_FINALIZED);
}

Test(reopen, recoveries_that_compete)
{
    struct replica_recovery r;
    leave(5, REPLICA_RBW, 700);
    cr_assert_eq(init(6, 1010, &r), 0);
    cr_assert(!r.found);
    cr_assert_eq(init(5, 1001, &r), ERR_PROTOCOL); /* not newer than the replica */
    cr_assert_eq(init(5, 1010, &r), 0);
    cr_assert_eq(init(5, 1010, &r), ERR_RECOVERY);
    cr_assert_eq(init(5, 1009, &r), ERR_RECOVERY);
    cr_assert_eq(init(5, 1012, &r), 0);
    cr_assert(r.found && r.state == REPLICA_RBW);
    cr_assert_eq(update(&r, 1010, 700, 0), ERR_PROTOCOL);
    cr_assert_eq(update(&r, 1012, 701, 0), ERR_PROTOCOL);
    struct replica_writer w;
    struct replica_reopening q = asks(5, 1015, 0, 700);
    struct err err = {0};
    cr_assert_eq(replica_recover_rbw(p, &q, &w, &err), ERR_NO_REPLICA); /* its writer is too late */
    expect(5, 1001, 350, REPLICA_RUR);
    cr_assert_eq(update(&r, 1012, 600, 0), 0);
    expect(5, 1012, 600, REPLICA_FINALIZED);
}

/* A NameNode takes a reported RUR for corrupt, and doesn't delete it when it got stale. */
Test(reopen, reports_say_what_a_replica_was_before_its_recovery)
{
    static const enum replica_state states[] = {REPLICA_RWR, REPLICA_FINALIZED, REPLICA_RBW};
    struct replica_info info[4];
    uint32_t cursor = 0;
    for (uint64_t i = 0; i < ARRAY_SIZE(states); i++)
        leave(5 + i, states[i], 700);
    for (uint64_t i = 0; i < ARRAY_SIZE(states); i++) {
        struct replica_recovery r;
        cr_assert_eq(init(5 + i, 1010, &r), 0);
        expect(5 + i, 1001, states[i] == REPLICA_RBW ? 350 : 700, REPLICA_RUR);
    }
    cr_assert_eq(pool_list(p, &cursor, info, 4), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(info[i].state, states[info[i].block.id - 5]);
        cr_assert(info[i].block.gen_stamp == 1001 && info[i].block.length == 700);
    }
}

/* What an upgrade's snapshot shares with the present stays as it was. */
Test(reopen, appending_leaves_other_names_of_the_files_alone)
{
    struct replica_writer w;
    struct replica_reopening q = asks(5, 1005, 700, 0);
    struct err err = {0};
    struct store_path data, meta;
    char kept_data[128], kept_meta[128];
    uint8_t before[64], after[64];
    finalized(5, 700);
    layout_data(&data, store_volume(s, 0), "BP-1", PLACE_FINALIZED, 5);
    layout_meta(&meta, store_volume(s, 0), "BP-1", PLACE_FINALIZED, 5, 1001);
    snprintf(kept_data, sizeof(kept_data), "%s/kept", base);
    snprintf(kept_meta, sizeof(kept_meta), "%s/kept.meta", base);
    cr_assert_eq(link(data.text, kept_data), 0);
    cr_assert_eq(link(meta.text, kept_meta), 0);
    int fd = open(kept_meta, O_RDONLY);
    ssize_t size = read(fd, before, sizeof(before));
    close(fd);
    cr_assert_eq(replica_reopen(p, &q, &w, &err), 0, "%s", err.text);
    write_to(&w, 2000);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
    expect(5, 1005, 2000, REPLICA_FINALIZED);
    struct stat st;
    cr_assert_eq(stat(kept_data, &st), 0);
    cr_assert_eq(st.st_size, 700);
    fd = open(kept_meta, O_RDONLY);
    cr_assert_eq(read(fd, after, sizeof(after)), size);
    close(fd);
    cr_assert_eq(memcmp(before, after, (size_t)size), 0);
}

Test(reopen, a_prefix_becomes_a_new_block)
{
    static const enum replica_state states[] = {REPLICA_FINALIZED, REPLICA_RBW, REPLICA_RWR};
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        for (size_t k = 0; k < ARRAY_SIZE(lengths); k++) {
            uint64_t id = 5 + i * 100 + k;
            struct replica_recovery r;
            leave(id, states[i], 5000);
            cr_assert_eq(init(id, 1010, &r), 0);
            cr_assert_eq(update(&r, 1010, lengths[k], 1000 + id), 0);
            expect(id, 1001, 5000, REPLICA_FINALIZED);
            expect(1000 + id, 1010, lengths[k], REPLICA_FINALIZED);
        }
}

Test(reopen, a_crash_during_a_cut_by_a_recovery)
{
    struct replica_recovery r;
    struct store_path path;
    for (int step = 0; step < 3; step++) {
        uint64_t id = 5 + (uint64_t)step;
        finalized(id, 1000);
        cr_assert_eq(init(id, 1010, &r), 0);
        struct replica_open open = *replica_find(p, id)->open;
        struct err err = {0};
        (void)open;
        /* by hand what the recovery does, up to the step */
        struct store_path to;
        layout_data(&path, store_volume(s, 0), "BP-1", PLACE_FINALIZED, id);
        layout_data(&to, store_volume(s, 0), "BP-1", PLACE_RBW, id);
        cr_assert_eq(rename(path.text, to.text), 0);
        if (step > 0) {
            struct replica_writer w = {.pool = p,
                                       .volume = store_volume(s, 0),
                                       .block = {id, 1010, 700},
                                       .tail_fd = -1,
                                       .partial_crc = crc_update(CRC_CRC32C, 0, bytes + 512, 188)};
            layout_meta(&path, store_volume(s, 0), "BP-1", PLACE_FINALIZED, id, 1001);
            layout_meta(&to, store_volume(s, 0), "BP-1", PLACE_RBW, id, 1010);
            cr_assert_eq(rename(path.text, to.text), 0);
            cr_assert_eq(tail_write(&w, &err), 0, "%s", err.text);
            close(w.tail_fd);
        }
        layout_data(&to, store_volume(s, 0), "BP-1", PLACE_RBW, id);
        if (step > 1)
            cr_assert_eq(truncate(to.text, 700), 0);
    }
    restart();
    expect(5, 1001, 1000, REPLICA_RWR);
    expect(6, 1010, 1000, REPLICA_RWR);
    expect(7, 1010, 700, REPLICA_RWR);
}

/* --- planned restarts, faults --- */

Test(reopen, a_planned_restart_keeps_the_writer_s_place)
{
    struct replica_writer w;
    struct err err = {0};
    create(5, REPLICA_RBW, &w);
    write_to(&w, 700);
    replica_acked(&w, 700);
    replica_mark_restart(&w);
    replica_abandon(&w);
    restart();
    expect(5, 1001, 700, REPLICA_RBW);
    struct replica_reopening q = asks(5, 1005, 700, 700);
    cr_assert_eq(replica_recover_rbw(p, &q, &w, &err), 0, "%s", err.text);
    replica_abandon(&w);
    restart(); /* once only */
    expect(5, 1005, 700, REPLICA_RWR);
}

static void fault(const char *text)
{
    char path[128];
    struct err err = {0};
    snprintf(path, sizeof(path), "%s/faults", base);
    cr_assert_eq(durable_write_file(path, text, strlen(text), &err), 0, "%s", err.text);
}

Test(reopen, faults_are_switched_while_it_runs)
{
    struct replica_writer w, next;
    struct err err = {0};
    create(5, REPLICA_RBW, &w);
    write_to(&w, 1024);
    replica_acked(&w, 1024);
    fault("write ENOSPC 1500\n");
    cr_assert_eq(append(&w, 1024, 400, &err), 0, "%s", err.text);
    cr_assert_eq(append(&w, 1424, 80, &err), ERR_NO_SPACE);
    fault("write-checksums EIO\n");
    cr_assert_eq(append(&w, 1424, 80, &err), ERR_IO); /* the data is there, its checksum isn't */
    replica_abandon(&w);
    fault("");
    struct replica_reopening q = asks(5, 1005, 1024, 2000);
    cr_assert_eq(replica_recover_rbw(p, &q, &next, &err), 0, "%s", err.text);
    expect(5, 1005, 1024, REPLICA_RBW);
    write_to(&next, 3000);
    fault("sync EIO\n");
    cr_assert_eq(replica_sync(&next, &err), ERR_DISK);
    replica_abandon(&next);
    cr_assert_eq(pool_replicas(p), 0); /* the volume went */
}
