/* A pool's folder through upgrades, and stopped after each of their steps. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datanode/volume/volume.h"

static char base[64];
static struct pool_identity old_id = {"BP-1", "CID-1", 7, 1000},
                            new_id = {"BP-1", "CID-1", 7, 2000};

static const char *in(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[next]), "%s/%s", base, name);
    return path[next];
}

static void put(const char *name, const char *text)
{
    int fd = open(in(name), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void set_up(void)
{
    struct err err = {0};
    snprintf(base, sizeof(base), "/tmp/dn-upgrade-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    cr_assert_eq(durable_mkdirs(in("current/finalized/subdir0/subdir1"), 0755, &err), 0);
    cr_assert_eq(durable_mkdirs(in("current/rbw"), 0755, &err), 0);
    put("current/finalized/subdir0/subdir1/blk_256", "data");
    put("current/rbw/blk_7", "open");
    cr_assert_eq(pool_version_write(in("current/VERSION"), &old_id, &err), 0);
}

static void tear_down(void)
{
    struct err err = {0};
    cr_assert_eq(remove_tree(base, &err), 0, "%s", err.text);
}

TestSuite(upgrade, .init = set_up, .fini = tear_down);

static bool there(const char *name)
{
    return access(in(name), F_OK) == 0;
}

static void expect_state(uint64_t ctime, bool previous)
{
    struct pool_version v;
    struct err err = {0};
    cr_assert_eq(pool_version_read(in("current/VERSION"), &v, &err), 0, "%s", err.text);
    cr_assert_eq(v.ctime, ctime);
    cr_assert(there("current/finalized/subdir0/subdir1/blk_256"));
    cr_assert(there("current/rbw/blk_7"));
    cr_assert_eq(there("previous"), previous);
    cr_assert(!there("previous.tmp") && !there("removed.tmp") && !there("finalized.tmp"));
    if (!previous)
        return;
    cr_assert_eq(pool_version_read(in("previous/VERSION"), &v, &err), 0, "%s", err.text);
    cr_assert_eq(v.ctime, 1000);
    cr_assert(there("previous/finalized/subdir0/subdir1/blk_256"));
}

static void recover(void)
{
    struct err err = {0};
    cr_assert_eq(upgrade_recover(base, &err), 0, "%s", err.text);
}

static void make(void)
{
    struct err err = {0};
    cr_assert_eq(upgrade_make(base, &new_id, &err), 0, "%s", err.text);
}

static void undo(const struct pool_identity *id)
{
    bool done;
    struct err err = {0};
    cr_assert_eq(upgrade_undo(base, id, &done, &err), 0, "%s", err.text);
    cr_assert(done);
}

Test(upgrade, shares_files_and_can_be_undone)
{
    struct stat st;
    make();
    expect_state(2000, true);
    cr_assert_eq(stat(in("current/finalized/subdir0/subdir1/blk_256"), &st), 0);
    cr_assert_eq(st.st_nlink, 2);
    put("current/finalized/subdir0/subdir1/blk_257", "written later");
    unlink(in("current/rbw/blk_7"));
    undo(&old_id);
    expect_state(1000, false);
    cr_assert(!there("current/finalized/subdir0/subdir1/blk_257"));
}

Test(upgrade, the_end_drops_the_state_before)
{
    bool wanted;
    struct err err = {0};
    make();
    cr_assert_eq(upgrade_finalize(base, &wanted, &err), 0);
    cr_assert(wanted);
    recover(); /* a crash before the files were gone */
    expect_state(2000, false);
    cr_assert_eq(upgrade_finalize(base, &wanted, &err), 0);
    cr_assert(!wanted);
    cr_assert_eq(upgrade_undo(base, &old_id, &wanted, &err), 0);
    cr_assert(!wanted);
    expect_state(2000, false);
}

Test(upgrade, is_not_undone_to_a_newer_state)
{
    bool done;
    struct pool_identity older = old_id;
    older.ctime = 500;
    make();
    cr_assert_eq(upgrade_undo(base, &older, &done, NULL), ERR_CORRUPT);
    expect_state(2000, true);
}

Test(upgrade, one_that_was_never_finalized_gives_way)
{
    make();
    old_id.ctime = 1000;
    new_id.ctime = 3000;
    struct pool_version v;
    make();
    cr_assert_eq(pool_version_read(in("previous/VERSION"), &v, NULL), 0);
    cr_assert_eq(v.ctime, 2000);
}

/* steps of making: 0 before, 1 set aside, 2 half made, 3 made, 4 done */
Test(upgrade, stopped_after_each_step)
{
    struct err err = {0};
    for (int step = 0; step <= 4; step++) {
        if (step >= 1)
            cr_assert_eq(rename(in("current"), in("previous.tmp")), 0);
        if (step >= 2) {
            cr_assert_eq(durable_mkdirs(in("current/finalized/subdir0/subdir1"), 0755, &err), 0);
            cr_assert_eq(durable_mkdirs(in("current/rbw"), 0755, &err), 0);
            cr_assert_eq(link(in("previous.tmp/rbw/blk_7"), in("current/rbw/blk_7")), 0);
        }
        if (step >= 3) {
            cr_assert_eq(link(in("previous.tmp/finalized/subdir0/subdir1/blk_256"),
                              in("current/finalized/subdir0/subdir1/blk_256")),
                         0);
            cr_assert_eq(pool_version_write(in("current/VERSION"), &new_id, &err), 0);
        }
        if (step >= 4)
            cr_assert_eq(rename(in("previous.tmp"), in("previous")), 0);
        recover();
        expect_state(step >= 3 ? 2000 : 1000, step >= 3);
        if (step < 3)
            make();
        expect_state(2000, true);
        undo(&old_id);
        expect_state(1000, false);
    }
}

Test(upgrade, undoing_stopped_after_each_step)
{
    for (int step = 0; step <= 2; step++) {
        make();
        if (step >= 1)
            cr_assert_eq(rename(in("current"), in("removed.tmp")), 0);
        if (step >= 2)
            cr_assert_eq(rename(in("previous"), in("current")), 0);
        recover();
        expect_state(step == 2 ? 1000 : 2000, step < 2);
        if (step < 2)
            undo(&old_id);
        expect_state(1000, false);
    }
}
