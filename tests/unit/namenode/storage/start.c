/* start.c - format, locks, and every way in which files can be wrong when a NameNode starts. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT(first, last) "edits_" first "-" last
#define T1                   "0000000000000000001"

static struct storage_format_options format_options(void)
{
    return (struct storage_format_options){.address = "10.1.2.3", .now_ms = 1700000000000};
}

static int format_again(struct fixture *f, struct storage_format_options o, struct err *err)
{
    struct nn_identity identity;
    struct nn *nn;
    TRY(storage_new_identity(&o, &identity, err));
    TRY(nn_new(&identity, "root", "supergroup", &nn, err));
    int rc = storage_format(f->conf, &o, nn, err);
    nn_free(nn);
    return rc;
}

Test(format, writes_what_hadoop_writes)
{
    struct fixture f;
    fixture_init(&f, 2);
    for (size_t i = 0; i < 2; i++) {
        struct properties p = {0};
        struct err err = {0};
        cr_assert_eq(properties_read(fixture_file(&f, i, "VERSION"), &p, &err), 0);
        cr_assert_str_eq(properties_get(&p, "layoutVersion"), "-67");
        cr_assert_str_eq(properties_get(&p, "storageType"), "NAME_NODE");
        cr_assert_str_eq(properties_get(&p, "cTime"), "1700000000000");
        cr_assert_eq(strncmp(properties_get(&p, "clusterID"), "CID-", 4), 0);
        cr_assert_eq(strncmp(properties_get(&p, "blockpoolID"), "BP-", 3), 0);
        cr_assert_not_null(strstr(properties_get(&p, "blockpoolID"), "-127.0.0.1-1700000000000"));
        cr_assert_gt(atol(properties_get(&p, "namespaceID")), 0);
        properties_fini(&p);
        cr_assert_eq(md5_check(fixture_file(&f, i, "fsimage_0000000000000000000"), &err), 0, "%s",
                     err.text);
        cr_assert(fixture_has(&f, i, "seen_txid"));
        cr_assert_not(fixture_has(&f, i, "fsimage.ckpt_0000000000000000000"));
    }
    expect_state(&f, 0);
    fixture_fini(&f);
}

Test(format, refuses_to_erase_unless_told)
{
    struct fixture f;
    struct err err = {0};
    fixture_init(&f, 1);
    struct storage_format_options o = format_options();
    o.non_interactive = true;
    cr_assert_eq(format_again(&f, o, &err), ERR_EXISTS);
    cr_assert_not_null(strstr(err.text, "Not formatting"));
    cr_assert_not_null(strstr(err.text, f.root));
    o.non_interactive = false;
    o.force = true;
    o.cluster_id = "CID-mine";
    cr_assert_eq(format_again(&f, o, &err), 0, "%s", err.text);
    struct storage *s;
    cr_assert_eq(storage_open(f.conf, &s, &err), 0);
    cr_assert_str_eq(storage_identity(s)->cluster_id, "CID-mine");
    cr_assert_not_null(strstr(storage_identity(s)->block_pool_id, "-10.1.2.3-1700000000000"));
    o.force = true;
    cr_assert_eq(format_again(&f, o, &err), ERR_LOCKED, "not under a running NameNode");
    storage_close(s);
    o.cluster_id = "";
    cr_assert_eq(format_again(&f, o, &err), ERR_ILLEGAL_ARGUMENT);
    fixture_fini(&f);
}

Test(start, of_what_is_not_formatted_or_not_there)
{
    struct fixture f;
    struct err err = {0};
    struct storage *s;
    bool formatted;
    fixture_init(&f, 1);
    cr_assert_eq(storage_is_formatted(f.conf, &formatted, &err), 0);
    cr_assert(formatted);
    unlink(fixture_file(&f, 0, "VERSION"));
    cr_assert_eq(storage_is_formatted(f.conf, &formatted, &err), 0);
    cr_assert_not(formatted);
    cr_assert_eq(storage_open(f.conf, &s, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "not formatted"));
    fixture_set(&f, "dfs.namenode.name.dir", "/nowhere/at/all");
    cr_assert_eq(storage_open(f.conf, &s, &err), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "/nowhere/at/all"));
    fixture_set(&f, "dfs.namenode.name.dir", "relative/path");
    cr_assert_eq(storage_open(f.conf, &s, &err), ERR_CONFIG);
    fixture_fini(&f);
}

Test(start, a_second_namenode_is_refused)
{
    struct fixture f;
    struct err err = {0};
    struct storage *first, *second;
    char pid[32];
    fixture_init(&f, 1);
    cr_assert_eq(storage_open(f.conf, &first, &err), 0);
    cr_assert_eq(storage_open(f.conf, &second, &err), ERR_LOCKED);
    snprintf(pid, sizeof(pid), "%d@", getpid());
    cr_assert_not_null(strstr(err.text, pid), "%s", err.text);
    storage_close(first);
    cr_assert_eq(storage_open(f.conf, &second, &err), 0);
    storage_close(second);
    fixture_fini(&f);
}

Test(start, folders_of_two_file_systems_are_refused)
{
    struct fixture a, b;
    struct err err = {0};
    struct storage *s;
    char list[256];
    fixture_init(&a, 1);
    fixture_init(&b, 1);
    snprintf(list, sizeof(list), "%s/d0,%s/d0", a.root, b.root);
    fixture_set(&a, "dfs.namenode.name.dir", list);
    cr_assert_eq(storage_open(a.conf, &s, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, b.root));
    fixture_fini(&a);
    fixture_fini(&b);
}

Test(start, after_a_clean_stop_and_after_a_crash)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    for (int i = 0; i < 10; i++)
        node_commit(&n);
    node_stop(&n); /* 1 start, 2..11, 12 end */
    cr_assert(fixture_has(&f, 0, SEGMENT(T1, "0000000000000000012")));
    node_must_start(&n, &f);
    cr_assert_eq(n.loaded.edits, 12);
    cr_assert_eq(n.nn->generation_stamp, 1011);
    node_commit(&n);
    node_wait(&n);
    cr_assert_eq(n.durable, 14);
    node_crash(&n);
    cr_assert(fixture_has(&f, 0, "edits_inprogress_0000000000000000013"));
    cr_assert_eq(file_size(fixture_file(&f, 0, "edits_inprogress_0000000000000000013")), 1 << 20);
    expect_state(&f, 14);
    cr_assert(fixture_has(&f, 0, SEGMENT("0000000000000000013", "0000000000000000014")));
    cr_assert_not(fixture_has(&f, 0, "edits_inprogress_0000000000000000013"));
    fixture_fini(&f);
}

/* Ten edits and a crash; the path of the file in progress. */
static const char *crashed(struct fixture *f, size_t dirs)
{
    struct node n;
    fixture_init(f, dirs);
    node_must_start(&n, f);
    for (int i = 0; i < 10; i++)
        node_commit(&n);
    node_wait(&n);
    node_crash(&n);
    return fixture_file(f, 0, "edits_inprogress_" T1);
}

Test(start, cuts_off_a_torn_last_edit)
{
    struct fixture f;
    const char *path = crashed(&f, 1);
    size_t end = file_data_end(path);
    cr_assert_eq(truncate(path, (off_t)end - 7), 0);
    expect_state(&f, 10);
    cr_assert(fixture_has(&f, 0, SEGMENT(T1, "0000000000000000010")));
    fixture_fini(&f);
}

Test(start, stops_at_damage_in_the_middle)
{
    struct fixture f;
    const char *path = crashed(&f, 1);
    struct node n;
    struct err err = {0};
    file_flip(path, file_data_end(path) / 2, 0x10);
    cr_assert_eq(node_start(&n, &f, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, path), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "offset"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "transaction"), "%s", err.text);
    cr_assert(fixture_has(&f, 0, "edits_inprogress_" T1), "and leaves everything as it is");
    fixture_fini(&f);
}

Test(start, another_copy_makes_up_for_damage)
{
    struct fixture f;
    const char *path = crashed(&f, 2);
    file_flip(path, file_data_end(path) / 2, 0x10);
    expect_state(&f, 11);
    cr_assert(fixture_has(&f, 0, "edits_inprogress_" T1 ".corrupt"));
    cr_assert(fixture_has(&f, 1, SEGMENT(T1, "0000000000000000011")));
    expect_state(&f, 11);
    fixture_fini(&f);
}

Test(start, the_longer_copy_counts)
{
    struct fixture f;
    const char *path = crashed(&f, 2);
    cr_assert_eq(truncate(path, (off_t)file_data_end(path) - 40), 0);
    expect_state(&f, 11);
    expect_state(&f, 11);
    fixture_fini(&f);
}

/* d1 was away while d0's torn last edit was cut off and its id given to another. */
static void cut_off_elsewhere(bool ended)
{
    struct fixture f;
    struct node n;
    char list[300];
    const char *path = crashed(&f, 2);
    cr_assert_eq(truncate(path, (off_t)file_data_end(path) - 7), 0);
    snprintf(list, sizeof(list), "%s/d0", f.root);
    fixture_set(&f, "dfs.namenode.name.dir", list);
    node_must_start(&n, &f);
    cr_assert_eq(n.nn->last_txid, 11); /* 10 and the segment's first */
    node_commit(&n);
    node_wait(&n);
    uint64_t stamp = n.nn->generation_stamp;
    if (ended)
        node_stop(&n);
    else
        node_crash(&n);
    snprintf(list, sizeof(list), "%s/d0,%s/d1", f.root, f.root);
    fixture_set(&f, "dfs.namenode.name.dir", list);
    for (int start = 0; start < 2; start++) { /* what the first one leaves must be sound, too */
        node_must_start(&n, &f);
        cr_assert_eq(n.nn->generation_stamp, stamp);
        cr_assert_not(fixture_has(&f, 1, SEGMENT(T1, "0000000000000000011")));
        node_crash(&n);
    }
    cr_assert(fixture_has(&f, 1, "edits_inprogress_" T1 ".stale"));
    fixture_fini(&f);
}

Test(start, an_end_that_was_cut_off_elsewhere_never_counts)
{
    cut_off_elsewhere(true);
    cut_off_elsewhere(false);
}

Test(start, an_empty_file_in_progress_is_removed)
{
    struct fixture f;
    const char *path = crashed(&f, 1);
    expect_state(&f, 11);
    path = fixture_file(&f, 0, "edits_inprogress_0000000000000000012");
    struct err err = {0};
    cr_assert_eq(durable_write_file(path, "", 0, &err), 0);
    expect_state(&f, 11);
    cr_assert_neq(access(path, F_OK), 0);
    fixture_fini(&f);
}

Test(start, a_gap_stops_it)
{
    struct fixture f;
    struct node n;
    struct err err = {0};
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    node_commit(&n);
    node_roll(&n); /* 1..3, 4.. */
    node_commit(&n);
    node_stop(&n); /* 4..6 */
    unlink(fixture_file(&f, 0, SEGMENT(T1, "0000000000000000003")));
    cr_assert_eq(node_start(&n, &f, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "edits 1 to 3 are missing"), "%s", err.text);
    fixture_fini(&f);
}

Test(start, seen_txid_tells_of_a_lost_last_segment)
{
    struct fixture f;
    struct node n;
    struct err err = {0};
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    node_roll(&n);
    node_stop(&n); /* 1..2, 3..4 */
    unlink(fixture_file(&f, 0, SEGMENT("0000000000000000003", "0000000000000000004")));
    cr_assert_eq(node_start(&n, &f, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "seen_txid"), "%s", err.text);
    fixture_fini(&f);
}

Test(start, a_finalized_segment_must_keep_its_promise)
{
    struct fixture f;
    struct node n;
    struct err err = {0};
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    node_commit(&n);
    node_stop(&n);
    const char *path = fixture_file(&f, 0, SEGMENT(T1, "0000000000000000003"));
    cr_assert_eq(truncate(path, (off_t)file_size(path) - 1), 0);
    cr_assert_eq(node_start(&n, &f, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, path), "%s", err.text);
    fixture_fini(&f);
}

/* ---- images ---- */

static int durable_now(void *ctx, uint64_t txid)
{
    struct node *n = ctx;
    while (n->durable < txid)
        usleep(200);
    return 0;
}

struct outcome {
    _Atomic int state; /* 1: good, -1: bad */
    struct err err;
};
static struct outcome outcome;

static void on_done(void *ctx, uint64_t txid, const struct err *err)
{
    (void)ctx;
    (void)txid;
    if (err != NULL)
        outcome.err = *err;
    outcome.state = err == NULL ? 1 : -1;
}

static void take_image(struct node *n)
{
    struct checkpoint *c;
    struct err err = {0};
    struct checkpoint_events events = {n, durable_now, on_done};
    outcome.state = 0;
    node_commit_code(n, OP_end_log_segment);
    edit_log_end_segment(n->log);
    cr_assert_eq(checkpoint_start(n->storage, n->nn, &events, &c, &err), 0, "%s", err.text);
    node_commit_code(n, OP_start_log_segment);
    edit_log_kick(n->log);
    for (int i = 0; outcome.state == 0 && i < 240000; i++)
        usleep(500); /* a busy disk takes seconds for a sync */
    checkpoint_free(c);
    cr_assert_eq(outcome.state, 1, "%s", outcome.err.text);
}

Test(image, is_written_by_a_child_and_loaded)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 2);
    node_must_start(&n, &f);
    node_commit(&n);
    take_image(&n); /* at 3 */
    node_commit(&n);
    node_wait(&n);
    node_crash(&n);
    struct err err = {0};
    for (size_t i = 0; i < 2; i++) {
        cr_assert(fixture_has(&f, i, "fsimage_0000000000000000003"));
        cr_assert_eq(md5_check(fixture_file(&f, i, "fsimage_0000000000000000003"), &err), 0);
    }
    node_must_start(&n, &f);
    cr_assert_eq(n.loaded.image_txid, 3);
    cr_assert_eq(n.loaded.edits, 2);
    cr_assert_eq(n.nn->generation_stamp, 1005);
    node_stop(&n);
    fixture_fini(&f);
}

Test(image, a_damaged_one_is_replaced_by_the_older)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    node_commit(&n);
    take_image(&n);
    node_stop(&n);
    file_flip(fixture_file(&f, 0, "fsimage_0000000000000000003"), 20, 0x40);
    node_must_start(&n, &f);
    cr_assert(n.loaded.image_damaged);
    cr_assert_eq(n.loaded.image_txid, 0);
    cr_assert_eq(n.loaded.last_txid, 5);
    node_stop(&n);
    fixture_fini(&f);
}

Test(image, any_flipped_byte_of_the_only_one_stops_the_start)
{
    struct fixture f;
    struct err err = {0};
    struct node n;
    fixture_init(&f, 1);
    const char *path = fixture_file(&f, 0, "fsimage_0000000000000000000");
    size_t size = file_size(path);
    for (size_t i = 0; i < size; i++) {
        file_flip(path, i, 0x01);
        err = (struct err){0};
        cr_assert_neq(node_start(&n, &f, &err), 0, "byte %zu", i);
        cr_assert_not_null(strstr(err.text, path), "%s", err.text);
        file_flip(path, i, 0x01);
    }
    unlink(fixture_file(&f, 0, "fsimage_0000000000000000000.md5"));
    cr_assert_neq(node_start(&n, &f, &err), 0);
    fixture_fini(&f);
}

Test(image, old_ones_go_but_two_stay_with_their_edits)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 1);
    fixture_set(&f, "dfs.namenode.num.extra.edits.retained", "0");
    node_must_start(&n, &f);
    for (int i = 0; i < 4; i++)
        take_image(&n); /* at 2, 4, 6, 8 */
    node_stop(&n);
    cr_assert_not(fixture_has(&f, 0, "fsimage_0000000000000000000"));
    cr_assert_not(fixture_has(&f, 0, "fsimage_0000000000000000004"));
    cr_assert_not(fixture_has(&f, 0, "fsimage_0000000000000000004.md5"));
    cr_assert(fixture_has(&f, 0, "fsimage_0000000000000000006"));
    cr_assert(fixture_has(&f, 0, "fsimage_0000000000000000008"));
    cr_assert_not(fixture_has(&f, 0, SEGMENT("0000000000000000005", "0000000000000000006")));
    cr_assert(fixture_has(&f, 0, SEGMENT("0000000000000000007", "0000000000000000008")));
    file_flip(fixture_file(&f, 0, "fsimage_0000000000000000008"), 12, 1);
    expect_state(&f, 10);
    fixture_fini(&f);
}

Test(image, an_empty_folder_joins)
{
    struct fixture f;
    struct node n;
    char list[256];
    fixture_init(&f, 1);
    struct err err = {0};
    snprintf(list, sizeof(list), "%s/d1", f.root);
    cr_assert_eq(durable_mkdirs(list, 0755, &err), 0);
    snprintf(list, sizeof(list), "%s/d0,%s/d1", f.root, f.root);
    fixture_set(&f, "dfs.namenode.name.dir", list);
    node_must_start(&n, &f);
    cr_assert(n.loaded.dir_outdated, "so a checkpoint follows at once");
    take_image(&n);
    node_stop(&n);
    snprintf(list, sizeof(list), "%s/d1", f.root);
    fixture_set(&f, "dfs.namenode.name.dir", list);
    expect_state(&f, 4);
    fixture_fini(&f);
}
