/* upgrade.c - upgrade, rollback, finalize, import; and each of them, as well as an image, a new
 * segment and a format, ended or failing at each single step. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENDED = 77, BEFORE = 7 /* the last txid of prepared() */ };

struct faults faults;

int fault_of(const char *path)
{
    if (!faults.armed || (faults.below != NULL && strstr(path, faults.below) == NULL))
        return 0;
    if (faults.count++ < faults.at)
        return 0;
    if (faults.eno == 0)
        _exit(ENDED);
    return faults.eno;
}

int fault_of_fd(int fd)
{
    char link[64], path[400];
    if (!faults.armed)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return fault_of(path);
}

static bool has(const struct fixture *f, size_t dir, const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/d%zu/%s", f->root, dir, name);
    return access(path, F_OK) == 0;
}

static uint64_t ctime_of(struct fixture *f)
{
    struct storage *s;
    struct err err = {0};
    cr_assert_eq(storage_open(f->conf, &s, &err), 0, "%s", err.text);
    uint64_t ctime_ms = storage_identity(s)->ctime_ms;
    storage_close(s);
    return ctime_ms;
}

static void prepared(struct fixture *f, size_t dirs)
{
    struct node n;
    fixture_init(f, dirs);
    node_must_start(&n, f);
    for (int i = 0; i < 5; i++)
        node_commit(&n);
    node_stop(&n);
}

static int upgrade(struct fixture *f, struct err *err)
{
    struct storage *s;
    struct nn *nn;
    struct storage_loaded loaded;
    TRY(storage_open_for(f->conf, STORAGE_UPGRADE, &s, err));
    int rc = storage_load(s, &nn, &loaded, err);
    if (rc == 0) {
        rc = storage_upgrade(s, nn, 1800000000000, err);
        nn_free(nn);
    }
    storage_close(s);
    return rc;
}

static int finalize(struct fixture *f, struct err *err)
{
    struct storage *s;
    TRY(storage_open(f->conf, &s, err));
    int rc = storage_finalize_upgrade(s, err);
    storage_close(s);
    return rc;
}

static int roll_back(struct fixture *f, struct err *err)
{
    return storage_rollback(f->conf, err);
}

static void more_edits(struct fixture *f)
{
    struct node n;
    node_must_start(&n, f);
    cr_assert(storage_keeps_previous(n.storage));
    node_commit(&n);
    node_stop(&n);
    expect_state(f, BEFORE + 3);
}

Test(upgrade, keeps_the_former_state_until_rollback)
{
    struct fixture f;
    struct err err = {0};
    prepared(&f, 2);
    cr_assert_eq(upgrade(&f, &err), 0, "%s", err.text);
    cr_assert_eq(ctime_of(&f), 1800000000000);
    cr_assert_eq(upgrade(&f, &err), ERR_EXISTS);
    cr_assert_not_null(strstr(err.text, "Finalize or rollback first"));
    for (size_t i = 0; i < 2; i++) {
        cr_assert(has(&f, i, "previous/VERSION"));
        cr_assert(has(&f, i, "previous/fsimage_0000000000000000000"));
        cr_assert_not(has(&f, i, "current/fsimage_0000000000000000000"));
        cr_assert(has(&f, i, "current/edits_0000000000000000001-0000000000000000007"));
    }
    more_edits(&f);
    cr_assert_eq(roll_back(&f, &err), 0, "%s", err.text);
    cr_assert_eq(ctime_of(&f), 1700000000000);
    expect_state(&f, BEFORE);
    cr_assert_eq(roll_back(&f, &err), ERR_NOT_FOUND);
    fixture_fini(&f);
}

Test(upgrade, finalized_is_for_good)
{
    struct fixture f;
    struct err err = {0};
    prepared(&f, 2);
    cr_assert_eq(upgrade(&f, &err), 0, "%s", err.text);
    more_edits(&f);
    cr_assert_eq(finalize(&f, &err), 0, "%s", err.text);
    cr_assert_not(has(&f, 0, "previous") || has(&f, 1, "previous"));
    cr_assert_eq(roll_back(&f, &err), ERR_NOT_FOUND);
    cr_assert_eq(finalize(&f, &err), 0, "nothing is left to do");
    cr_assert_eq(upgrade(&f, &err), 0, "%s", err.text);
    fixture_fini(&f);
}

static void set_layout(struct fixture *f, const char *layout)
{
    struct properties p = {0};
    struct err err = {0};
    const char *path = fixture_file(f, 0, "VERSION");
    cr_assert_eq(properties_read(path, &p, &err), 0);
    cr_assert_eq(properties_set(&p, "layoutVersion", layout), 0);
    cr_assert_eq(properties_write(path, &p, &err), 0);
    properties_fini(&p);
}

Test(upgrade, is_demanded_by_an_older_layout)
{
    struct fixture f;
    struct err err = {0};
    struct node n;
    int layout;
    prepared(&f, 1);
    set_layout(&f, "-66");
    cr_assert_eq(node_start(&n, &f, &err), ERR_NODE_VERSION);
    cr_assert_not_null(strstr(err.text, "old layout version -66.\nAn upgrade to version -67 is "
                                        "required.\nPlease restart NameNode with the"),
                       "%s", err.text);
    cr_assert_not_null(strstr(err.text, "or restart NameNode with the \"-upgrade\" option"));
    cr_assert_eq(storage_layout(f.conf, &layout, &err), 0);
    cr_assert_eq(layout, -66);
    cr_assert_eq(upgrade(&f, &err), 0, "%s", err.text);
    expect_state(&f, BEFORE);
    cr_assert_eq(storage_layout(f.conf, &layout, &err), 0);
    cr_assert_eq(layout, -67);
    cr_assert_eq(roll_back(&f, &err), ERR_NODE_VERSION);
    cr_assert_not_null(strstr(err.text, "Cannot rollback to storage version -66"), "%s", err.text);
    set_layout(&f, "-68");
    cr_assert_eq(upgrade(&f, &err), ERR_NODE_VERSION);
    fixture_fini(&f);
}

Test(upgrade, impossible_folders_are_refused)
{
    struct fixture f;
    struct err err = {0};
    struct storage *s;
    char command[200];
    prepared(&f, 1);
    snprintf(command, sizeof(command), "cd %s/d0 && mkdir previous.tmp removed.tmp", f.root);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(storage_open(f.conf, &s, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "too many temporary directories"), "%s", err.text);
    snprintf(command, sizeof(command), "cd %s/d0 && rmdir removed.tmp && mkdir previous", f.root);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(storage_open(f.conf, &s, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "cannot exist together"), "%s", err.text);
    snprintf(command, sizeof(command), "cd %s/d0 && rmdir previous.tmp && rm current/VERSION",
             f.root);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(storage_open(f.conf, &s, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "version file in current directory is missing"));
    fixture_fini(&f);
}

/* ---- import ---- */

static void empty_dirs(struct fixture *to, const struct fixture *from)
{
    char text[400];
    fixture_init(to, 2);
    snprintf(text, sizeof(text), "rm -rf %s/d0/current %s/d1/current", to->root, to->root);
    cr_assert_eq(system(text), 0);
    snprintf(text, sizeof(text), "%s/d0", from->root);
    fixture_set(to, "dfs.namenode.checkpoint.dir", text);
}

static int import(struct fixture *f, struct err *err)
{
    struct storage *s;
    struct nn *nn;
    struct storage_loaded loaded;
    TRY(storage_import(f->conf, &s, &nn, &loaded, err));
    cr_assert_eq(loaded.last_txid, BEFORE);
    nn_free(nn);
    storage_close(s);
    return 0;
}

Test(import, fills_empty_folders_and_only_those)
{
    struct fixture from, to;
    struct err err = {0};
    prepared(&from, 1);
    empty_dirs(&to, &from);
    cr_assert_eq(import(&to, &err), 0, "%s", err.text);
    expect_state(&to, BEFORE);
    for (size_t i = 0; i < 2; i++)
        cr_assert(fixture_has(&to, i, "fsimage_0000000000000000007"));
    cr_assert_eq(import(&to, &err), ERR_EXISTS);
    cr_assert_not_null(strstr(err.text, "already contains an image"), "%s", err.text);
    expect_state(&from, BEFORE);
    fixture_fini(&from);
    fixture_fini(&to);
}

Test(import, needs_a_checkpoint)
{
    struct fixture from, to;
    struct err err = {0};
    prepared(&from, 1);
    empty_dirs(&to, &from);
    fixture_set(&to, "dfs.namenode.checkpoint.dir", "/nowhere/at/all");
    cr_assert_eq(import(&to, &err), ERR_NOT_FOUND);
    cr_assert_not(has(&to, 0, "current/VERSION"));
    fixture_fini(&from);
    fixture_fini(&to);
}

/* ---- the process ends after each single step ---- */

/* False: it came to its end. */
static bool ends_at(unsigned long at, struct fixture *f, int (*run)(struct fixture *, struct err *))
{
    struct err err = {0};
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        faults = (struct faults){.armed = true, .at = at};
        _exit(run(f, &err) == 0 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert(WEXITSTATUS(status) == ENDED || WEXITSTATUS(status) == 0, "step %lu", at);
    return WEXITSTATUS(status) == ENDED;
}

static void no_traces(const struct fixture *f)
{
    for (size_t i = 0; i < f->dirs; i++) {
        cr_assert_not(has(f, i, "previous.tmp") || has(f, i, "removed.tmp"));
        cr_assert_not(has(f, i, "finalized.tmp"));
        cr_assert_eq(has(f, i, "previous"), has(f, 0, "previous"), "all folders or none");
    }
}

Test(crash_of, an_upgrade, .timeout = 120)
{
    unsigned long at = 0, old = 0, fresh = 0;
    bool cut = true;
    for (; cut; at++) {
        struct fixture f;
        struct err err = {0};
        prepared(&f, 2);
        cut = ends_at(at, &f, upgrade);
        expect_state(&f, BEFORE);
        no_traces(&f);
        bool done = has(&f, 0, "previous");
        *(done ? &fresh : &old) += 1;
        cr_assert_eq(ctime_of(&f), done ? 1800000000000 : 1700000000000, "step %lu", at);
        cr_assert(done || fresh == 0, "step %lu: what had come must stay", at);
        cr_assert_eq(done ? roll_back(&f, &err) : upgrade(&f, &err), 0, "step %lu: %s", at,
                     err.text);
        expect_state(&f, BEFORE);
        fixture_fini(&f);
    }
    cr_assert_gt(old, 10);
    cr_assert_gt(fresh, 3);
}

Test(crash_of, a_rollback, .timeout = 120)
{
    unsigned long at = 0;
    bool cut = true;
    for (; cut; at++) {
        struct fixture f;
        struct err err = {0};
        prepared(&f, 2);
        cr_assert_eq(upgrade(&f, &err), 0);
        more_edits(&f);
        cut = ends_at(at, &f, roll_back);
        int rc = roll_back(&f, &err);
        cr_assert(rc == 0 || (rc == ERR_NOT_FOUND && strstr(err.text, "Cannot rollback") != NULL),
                  "step %lu: %s", at, err.text);
        expect_state(&f, BEFORE);
        cr_assert_eq(ctime_of(&f), 1700000000000);
        no_traces(&f);
        cr_assert_not(has(&f, 0, "previous"));
        fixture_fini(&f);
    }
    cr_assert_gt(at, 8);
}

Test(crash_of, finalizing, .timeout = 120)
{
    unsigned long at = 0;
    bool cut = true;
    for (; cut; at++) {
        struct fixture f;
        struct err err = {0};
        prepared(&f, 2);
        cr_assert_eq(upgrade(&f, &err), 0);
        more_edits(&f);
        cut = ends_at(at, &f, finalize);
        expect_state(&f, BEFORE + 3);
        cr_assert_eq(finalize(&f, &err), 0, "step %lu: %s", at, err.text);
        no_traces(&f);
        cr_assert_not(has(&f, 0, "previous") || has(&f, 1, "previous"));
        fixture_fini(&f);
    }
    cr_assert_gt(at, 8);
}

Test(crash_of, an_import, .timeout = 120)
{
    unsigned long at = 0;
    bool cut = true;
    for (; cut; at++) {
        struct fixture from, to;
        struct err err = {0};
        struct storage *s;
        prepared(&from, 1);
        empty_dirs(&to, &from);
        cut = ends_at(at, &to, import);
        if (storage_open(to.conf, &s, &err) == 0) { /* the first VERSION was there */
            storage_close(s);
        } else {
            cr_assert_eq(err.code, ERR_NOT_FOUND, "%s", err.text);
            cr_assert_eq(import(&to, &err), 0, "step %lu: %s", at, err.text);
        }
        expect_state(&to, BEFORE);
        fixture_fini(&from);
        fixture_fini(&to);
    }
    cr_assert_gt(at, 8);
}

/* As saveNamespace does, without its process and thread: an image, its name, clearing away. */
static int save(struct fixture *f, struct err *err)
{
    struct storage *s;
    struct nn *nn;
    struct storage_loaded loaded;
    struct image_written w;
    TRY(storage_open(f->conf, &s, err));
    TRY(storage_load(s, &nn, &loaded, err));
    faults.armed |= faults.late;
    int rc = image_write(s, nn, NULL, NULL, &w, err);
    if (rc == 0)
        rc = image_publish(s, nn->last_txid, &w, err);
    if (rc == 0)
        storage_purge(s);
    nn_free(nn);
    storage_close(s);
    return rc;
}

static int roll(struct fixture *f, struct err *err)
{
    struct node n;
    TRY(node_start(&n, f, err));
    node_commit(&n);
    node_wait(&n);
    faults.armed |= faults.late;
    node_roll(&n);
    node_commit(&n);
    node_wait(&n);
    bool lost = n.lost;
    node_stop(&n);
    return lost ? ERR_IO : 0;
}

Test(crash_of, an_image, .timeout = 120)
{
    unsigned long at = 0;
    bool cut = true;
    for (; cut; at++) {
        struct fixture f;
        prepared(&f, 2);
        fixture_set(&f, "dfs.namenode.num.checkpoints.retained", "1");
        cut = ends_at(at, &f, save);
        expect_state(&f, BEFORE);
        expect_state(&f, BEFORE);
        fixture_fini(&f);
    }
    cr_assert_gt(at, 10);
}

/* ---- one of two folders fails from each single step on ---- */

static int format(struct fixture *f, struct err *err)
{
    struct storage_format_options o = {.address = "127.0.0.1", .now_ms = 1900000000000, .force = 1};
    struct nn_identity identity;
    struct nn *nn;
    TRY(storage_new_identity(&o, &identity, err));
    TRY(nn_new(&identity, "root", "supergroup", &nn, err));
    int rc = storage_format(f->conf, &o, nn, err);
    nn_free(nn);
    return rc;
}

/* How often the second folder failed. */
static unsigned long failing_second(int (*run)(struct fixture *, struct err *), bool late,
                                    void (*check)(struct fixture *f, int rc, unsigned long at))
{
    for (unsigned long at = 0;; at++) {
        struct fixture f;
        struct err err = {0};
        prepared(&f, 2);
        faults =
            (struct faults){.armed = !late, .late = late, .at = at, .eno = EIO, .below = "/d1"};
        int rc = run(&f, &err);
        bool failed = faults.count > at;
        faults.armed = faults.late = false;
        check(&f, failed ? rc : 0, at);
        fixture_fini(&f);
        if (!failed)
            return at;
    }
}

static void good_without_it(struct fixture *f, int rc, unsigned long at)
{
    cr_assert_eq(rc, 0, "step %lu", at);
    struct storage *s;
    struct nn *nn;
    struct storage_loaded loaded;
    struct err err = {0};
    cr_assert_eq(storage_open(f->conf, &s, &err), 0, "step %lu: %s", at, err.text);
    cr_assert_eq(storage_load(s, &nn, &loaded, &err), 0, "step %lu: %s", at, err.text);
    cr_assert_geq(nn->last_txid, BEFORE, "step %lu", at);
    nn_free(nn);
    storage_close(s);
}

static void new_or_nothing(struct fixture *f, int rc, unsigned long at)
{
    struct storage *s;
    struct err err = {0};
    (void)rc;
    if (storage_open(f->conf, &s, &err) == 0) {
        uint64_t ctime_ms = storage_identity(s)->ctime_ms;
        storage_close(s);
        expect_state(f, ctime_ms == 1900000000000 ? 0 : BEFORE);
    } else {
        cr_assert(err.code == ERR_NOT_FOUND || err.code == ERR_CORRUPT, "step %lu: %s", at,
                  err.text);
    }
    err = (struct err){0};
    cr_assert_eq(format(f, &err), 0, "step %lu: the repetition: %s", at, err.text);
    expect_state(f, 0);
}

static void old_or_new(struct fixture *f, int rc, unsigned long at)
{
    (void)rc;
    expect_state(f, BEFORE);
    no_traces(f);
    (void)at;
}

Test(one_of_two_folders_fails, at_an_image, .timeout = 120)
{
    cr_assert_gt(failing_second(save, true, good_without_it), 3);
}

Test(one_of_two_folders_fails, at_a_roll, .timeout = 120)
{
    cr_assert_gt(failing_second(roll, true, good_without_it), 3);
}

Test(one_of_two_folders_fails, at_a_format, .timeout = 120)
{
    cr_assert_gt(failing_second(format, false, new_or_nothing), 8);
}

Test(one_of_two_folders_fails, at_an_upgrade, .timeout = 120)
{
    cr_assert_gt(failing_second(upgrade, false, old_or_new), 8);
}
