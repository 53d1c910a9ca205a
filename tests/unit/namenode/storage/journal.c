/* journal.c - the journal's thread: grouping, rolling, folders that fail. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/obs/obs.h"

Test(journal, many_edits_share_a_sync)
{
    struct fixture f;
    struct node n;
    enum { EDITS = 20000 };
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    node_wait(&n);
    uint64_t syncs = metric_get(METRIC_journal_syncs);
    for (int i = 0; i < EDITS; i++) {
        node_commit(&n);
        if (i % 10 == 0)
            edit_log_kick(n.log);
    }
    node_wait(&n);
    syncs = metric_get(METRIC_journal_syncs) - syncs;
    cr_assert_eq(n.durable, EDITS + 1);
    cr_assert_lt(syncs, EDITS / 10, "%lu syncs", syncs);
    node_crash(&n);
    expect_state(&f, EDITS + 1);
    fixture_fini(&f);
}

Test(journal, rolls_into_segments_that_follow_each_other)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 2);
    node_must_start(&n, &f);
    for (int i = 0; i < 3; i++) {
        node_commit(&n);
        node_roll(&n);
    }
    node_stop(&n); /* 1-3 4-6 7-9 10-11 */
    for (size_t i = 0; i < 2; i++) {
        cr_assert(fixture_has(&f, i, "edits_0000000000000000001-0000000000000000003"));
        cr_assert(fixture_has(&f, i, "edits_0000000000000000004-0000000000000000006"));
        cr_assert(fixture_has(&f, i, "edits_0000000000000000007-0000000000000000009"));
        cr_assert(fixture_has(&f, i, "edits_0000000000000000010-0000000000000000011"));
    }
    struct storage *s;
    struct err err = {0};
    cr_assert_eq(storage_open(f.conf, &s, &err), 0);
    cr_assert_eq(s->dirs[0].seen_txid, 10);
    cr_assert_eq(s->dirs[1].seen_txid, 10);
    storage_close(s);
    fixture_fini(&f);
}

Test(journal, an_edit_larger_than_a_step_of_padding)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    /* not applied: only the bytes matter here */
    struct buf bytes = {0};
    struct err err = {0};
    static char name[60000];
    memset(name, 'x', sizeof(name));
    for (int i = 0; i < 40; i++) {
        struct edit e = {.txid = n.nn->last_txid + 1, .code = OP_set_owner};
        e.set_owner.path = (struct slice){(const uint8_t *)"/", 1};
        e.set_owner.user = (struct slice){(const uint8_t *)name, sizeof(name)};
        buf_clear(&bytes);
        cr_assert_eq(edit_encode(&bytes, &e, &err), 0);
        cr_assert_eq(edit_log_append(n.log, e.txid,
                                     (struct slice){buf_head(&bytes), buf_size(&bytes)}, &err),
                     0);
        cr_assert_eq(edit_apply(n.nn, &e, &err), 0, "%s", err.text);
    }
    node_wait(&n);
    node_crash(&n);
    cr_assert_eq(file_size(fixture_file(&f, 0, "edits_inprogress_0000000000000000001")) % (1 << 20),
                 0);
    expect_state(&f, 41);
    buf_fini(&bytes);
    fixture_fini(&f);
}

Test(journal, goes_on_without_a_folder_that_fails)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 2);
    node_must_start(&n, &f);
    node_commit(&n);
    node_wait(&n);
    /* the next segment can't be made there */
    char from[300], to[300];
    snprintf(from, sizeof(from), "%s/d0/current", f.root);
    snprintf(to, sizeof(to), "%s/d0/away", f.root);
    cr_assert_eq(rename(from, to), 0);
    node_roll(&n);
    node_commit(&n);
    node_wait(&n);
    cr_assert_not(n.lost);
    cr_assert_eq(n.durable, 5);
    cr_assert_not(dir_usable(&n.storage->dirs[0]));
    cr_assert(dir_usable(&n.storage->dirs[1]));
    node_crash(&n);
    cr_assert_eq(rename(to, from), 0);
    expect_state(&f, 5); /* from the folder that has it all */
    fixture_fini(&f);
}

Test(journal, a_folder_comes_back_when_it_is_wanted)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 2);
    node_must_start(&n, &f);
    node_commit(&n);
    char from[300], to[300], name[96];
    snprintf(from, sizeof(from), "%s/d0/current", f.root);
    snprintf(to, sizeof(to), "%s/d0/away", f.root);
    cr_assert_eq(rename(from, to), 0);
    node_roll(&n);
    node_commit(&n);
    node_wait(&n);
    cr_assert_not(dir_usable(&n.storage->dirs[0]));
    cr_assert_eq(rename(to, from), 0);
    storage_try_failed(n.storage); /* not wanted yet */
    cr_assert_not(dir_usable(&n.storage->dirs[0]));
    storage_set_restores(n.storage, true);
    storage_try_failed(n.storage);
    cr_assert(dir_usable(&n.storage->dirs[0]));
    cr_assert_not(dir_has_segment(&n.storage->dirs[0])); /* the open segment isn't there */
    node_commit(&n);
    node_wait(&n);
    node_roll(&n);
    uint64_t first = n.nn->last_txid;
    node_commit(&n);
    node_wait(&n);
    cr_assert(dir_has_segment(&n.storage->dirs[0]));
    uint64_t last = n.nn->last_txid;
    in_progress_name(first, name);
    cr_assert(fixture_has(&f, 0, name));
    cr_assert_not(n.lost);
    node_crash(&n);
    expect_state(&f, last);
    fixture_fini(&f);
}

static bool lost_without_first_folder(const char *key, const char *value)
{
    struct fixture f;
    struct node n;
    char path[300], to[300];
    fixture_init(&f, 2);
    if (value == NULL) {
        snprintf(path, sizeof(path), "%s/d0", f.root);
        value = path;
    }
    fixture_set(&f, key, value);
    node_must_start(&n, &f);
    node_commit(&n);
    node_wait(&n);
    snprintf(path, sizeof(path), "%s/d0/current", f.root);
    snprintf(to, sizeof(to), "%s/d0/away", f.root);
    cr_assert_eq(rename(path, to), 0);
    node_roll(&n);
    for (int i = 0; i < 1000 && !n.lost && n.durable != n.nn->last_txid; i++)
        usleep(1000);
    bool lost = n.lost;
    node_crash(&n);
    fixture_fini(&f);
    return lost;
}

Test(journal, ends_without_a_folder_that_is_required)
{
    cr_assert_not(lost_without_first_folder("dfs.namenode.edits.dir.minimum", "1"));
    cr_assert(lost_without_first_folder("dfs.namenode.edits.dir.required", NULL));
    cr_assert(lost_without_first_folder("dfs.namenode.edits.dir.minimum", "2"));
}

Test(journal, a_full_disk_loses_it_and_nothing_more_is_durable)
{
    struct fixture f;
    struct node n;
    fixture_init(&f, 1);
    node_must_start(&n, &f);
    node_commit(&n);
    node_wait(&n);
    cr_assert_eq(n.durable, 2);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {(1 << 20) + 1000, (1 << 20) + 1000};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 60000; i++)
        node_commit(&n);
    node_wait(&n);
    cr_assert(n.lost);
    uint64_t durable = n.durable;
    cr_assert_lt(durable, n.nn->last_txid);
    node_commit(&n);
    edit_log_kick(n.log);
    usleep(20000);
    cr_assert_eq(n.durable, durable);
    node_crash(&n);
    limit.rlim_cur = limit.rlim_max;
    struct node again;
    struct err err = {0};
    /* what was called durable is there (the limit still holds, so nothing is written) */
    again = (struct node){.f = &f};
    cr_assert_eq(storage_open(f.conf, &again.storage, &err), 0, "%s", err.text);
    cr_assert_eq(storage_load(again.storage, &again.nn, &again.loaded, &err), 0, "%s", err.text);
    cr_assert_geq(again.nn->last_txid, durable);
    nn_free(again.nn);
    storage_close(again.storage);
    fixture_fini(&f);
}
