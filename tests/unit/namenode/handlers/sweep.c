/* sweep.c - a stop after each single edit of a scenario: what a restart finds is exactly what had
 * been acknowledged by then. Calls run against a living NameNode; after each edit that one commits,
 * its digest is noted. Each prefix of the journal, replayed from nothing, must give that digest,
 * and so must an image of it. */
#include "fixture.h"

#include <stdio.h>

#include "namenode/image/image.h"
#include "namenode/state/state.h"

enum { MAX_EDITS = 400 };

static struct fixture f;
static struct {
    size_t end; /* of the journal */
    uint64_t digest;
    struct ns_summary sum;
} marks[MAX_EDITS];
static unsigned count;

static int (*plain_commit)(void *ctx, struct edit *e, struct err *err);

static int record(void *ctx, struct edit *e, struct err *err)
{
    TRY(plain_commit(ctx, e, err));
    cr_assert_lt(count, MAX_EDITS);
    marks[count].end = buf_size(&f.journal);
    marks[count].digest = nn_digest(f.nn);
    ns_summarize(f.nn->ns, ns_root(f.nn->ns), &marks[count].sum);
    count++;
    return 0;
}

static int rename_to(const char *src, const char *dst, bool overwrite)
{
    Cp__Rename2Request req = CP__RENAME2_REQUEST__INIT;
    req.src = (char *)src;
    req.dst = (char *)dst;
    req.overwrite_dest = overwrite;
    return client_call(&f, CLIENT_rename2, &req.base);
}

static int delete_all(const char *path)
{
    Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
    req.src = (char *)path;
    req.recursive = true;
    return client_call(&f, CLIENT_delete, &req.base);
}

static void write_blocks(const char *path, int blocks, bool close)
{
    Hdfs__ExtendedBlock block[2], *last = NULL;
    bool done = false;
    cr_assert_eq(do_create(&f, path, "c", 1), 0, "%s", f.call.err.text);
    for (int i = 0; i < blocks; i++) {
        cr_assert_eq(do_add_block(&f, path, "c", last, &block[i & 1]), 0, "%s", f.call.err.text);
        last = &block[i & 1];
        for (int node = 1; node <= 3; node++)
            report_received(&f, node, last, (uint64_t)(1000 + i));
        last->has_num_bytes = true;
        last->num_bytes = (uint64_t)(1000 + i);
    }
    if (close)
        cr_assert_eq(do_complete(&f, path, "c", last, &done), 0, "%s", f.call.err.text);
}

static void attributes(const char *path)
{
    Cp__SetQuotaRequest quota = CP__SET_QUOTA_REQUEST__INIT;
    Cp__SetPermissionRequest mode = CP__SET_PERMISSION_REQUEST__INIT;
    Cp__SetOwnerRequest owner = CP__SET_OWNER_REQUEST__INIT;
    Cp__SetTimesRequest times = CP__SET_TIMES_REQUEST__INIT;
    Hdfs__FsPermission perm = HDFS__FS_PERMISSION__INIT;
    perm.perm = 01711;
    quota.path = mode.src = owner.src = times.src = (char *)path;
    quota.namespace_quota = 100;
    quota.storagespace_quota = 1 << 30;
    mode.permission = &perm;
    owner.username = (char *)"alice";
    times.mtime = 5;
    times.atime = UINT64_MAX;
    cr_assert_eq(client_call(&f, CLIENT_setQuota, &quota.base), 0, "%s", f.call.err.text);
    cr_assert_eq(client_call(&f, CLIENT_setPermission, &mode.base), 0, "%s", f.call.err.text);
    cr_assert_eq(client_call(&f, CLIENT_setOwner, &owner.base), 0, "%s", f.call.err.text);
    cr_assert_eq(client_call(&f, CLIENT_setTimes, &times.base), 0, "%s", f.call.err.text);
}

static void replication(const char *path, uint32_t n)
{
    Cp__SetReplicationRequest req = CP__SET_REPLICATION_REQUEST__INIT;
    req.src = (char *)path;
    req.replication = n;
    cr_assert_eq(client_call(&f, CLIENT_setReplication, &req.base), 0, "%s", f.call.err.text);
}

static void scenario(void)
{
    char path[40];
    do_mkdirs(&f, "/a/b/c");
    attributes("/a");
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof(path), "/a/b/f%d", i);
        write_blocks(path, i % 4, i != 7);
    }
    replication("/a/b/f2", 1);
    cr_assert_eq(rename_to("/a/b", "/b", false), 0, "%s", f.call.err.text);
    cr_assert_eq(rename_to("/b/f1", "/b/f2", true), 0, "%s", f.call.err.text);
    cr_assert_eq(do_create(&f, "/b/f3", "c", 1 | 2), 0, "%s", f.call.err.text);
    cr_assert_eq(delete_all("/b/f4"), 0);
    do_mkdirs(&f, "/b/deep/deeper");
    cr_assert_eq(delete_all("/b"), 0);
    write_blocks("/a/last", 1, true);
}

static int into_buf(void *ctx, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_append(ctx, data, size);
}

static void check_image(const struct nn *nn, uint64_t digest)
{
    struct buf image = {0};
    struct nn *loaded = NULL;
    struct err err = {0};
    uint8_t md5[IMAGE_MD5_SIZE];
    cr_assert_eq(image_save(nn, into_buf, &image, md5, &err), 0, "%s", err.text);
    cr_assert_eq(image_load(buf_head(&image), buf_size(&image), &nn->identity, &loaded, &err), 0,
                 "%s", err.text);
    cr_assert_eq(nn_digest(loaded), digest);
    cr_assert_eq(nn_verify(loaded, &err), 0, "%s", err.text);
    nn_free(loaded);
    buf_fini(&image);
}

static struct nn *restart(size_t end)
{
    struct nn *nn = NULL;
    struct err err = {0};
    struct edit_reader r;
    struct edit e;
    struct arena scratch;
    arena_init(&scratch, 0);
    cr_assert_eq(nn_new(&f.nn->identity, "root", "supergroup", &nn, &err), 0);
    cr_assert_eq(edit_reader_init(&r, buf_head(&f.journal), end, 1, &err), 0);
    while (edit_read(&r, &scratch, &e, &err) == EDIT_READ_ONE)
        cr_assert_eq(edit_apply(nn, &e, &err), 0, "%s", err.text);
    cr_assert_eq(r.offset, end, "%s", err.text);
    arena_fini(&scratch);
    return nn;
}

Test(sweep, each_prefix_of_the_journal_is_what_was_acknowledged)
{
    struct err err = {0};
    fixture_init(&f);
    f.settings.max_blocks_per_file = 10;
    plain_commit = f.env.shell.commit;
    f.env.shell.commit = record;
    for (int i = 1; i <= 3; i++)
        add_datanode(&f, i);
    scenario();
    cr_assert_gt(count, 70);
    for (unsigned k = 0; k < count; k++) {
        struct nn *nn = restart(marks[k].end);
        struct ns_summary sum;
        cr_assert_eq(nn_digest(nn), marks[k].digest, "after edit %u", k);
        cr_assert_eq(nn_verify(nn, &err), 0, "after edit %u: %s", k, err.text);
        ns_summarize(nn->ns, ns_root(nn->ns), &sum);
        cr_assert_eq(sum.files + sum.directories, marks[k].sum.files + marks[k].sum.directories);
        check_image(nn, marks[k].digest);
        nn_free(nn);
    }
    fixture_fini(&f);
}
