/* Append, truncate, concat; files whose writer is gone, and what DataNodes make of their last
 * blocks. */
#include <stdio.h>

#include "fixture.h"
#include "namenode/image/image.h"

static struct fixture f;
static const uint64_t BLOCK = 1 << 20;

static void setup(void)
{
    fixture_init(&f);
    for (int i = 0; i < 3; i++)
        add_datanode(&f, i);
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(recovery, .init = setup, .fini = teardown);

#define OK(rc)  cr_assert_eq((rc), 0, "%s", f.call.err.text)
#define SAYS(t) cr_assert_not_null(strstr(f.call.err.text, t), "%s", f.call.err.text)

static void receive_all(const Hdfs__ExtendedBlock *b, uint64_t length)
{
    for (int i = 0; i < 3; i++)
        report_received(&f, i, b, length);
}

static Hdfs__ExtendedBlock opened(const char *path, const char *client)
{
    Hdfs__ExtendedBlock b;
    OK(do_create(&f, path, client, 1));
    OK(do_add_block(&f, path, client, NULL, &b));
    b.has_num_bytes = true;
    for (int i = 0; i < 3; i++)
        report(&f, i, &b, 0, DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING);
    return b;
}

static Hdfs__ExtendedBlock closed(const char *path, uint64_t length)
{
    bool done;
    Hdfs__ExtendedBlock b = opened(path, "maker");
    b.num_bytes = length;
    receive_all(&b, length);
    OK(do_complete(&f, path, "maker", &b, &done));
    cr_assert(done);
    return b;
}

static int append(const char *path, const char *client, uint32_t flag)
{
    Cp__AppendRequest req = CP__APPEND_REQUEST__INIT;
    req.src = (char *)path;
    req.client_name = (char *)client;
    req.has_flag = true;
    req.flag = flag;
    return client_call(&f, CLIENT_append, &req.base);
}

static const Cp__AppendResponse *appended(void)
{
    return (const Cp__AppendResponse *)f.call.response;
}

static int cut(const char *path, const char *client, uint64_t length, bool *ret)
{
    Cp__TruncateRequest req = CP__TRUNCATE_REQUEST__INIT;
    req.src = (char *)path;
    req.client_name = (char *)client;
    req.new_length = length;
    TRY(client_call(&f, CLIENT_truncate, &req.base));
    *ret = ((const Cp__TruncateResponse *)f.call.response)->result;
    return 0;
}

static int concat(const char *target, char **sources, size_t count)
{
    Cp__ConcatRequest req = CP__CONCAT_REQUEST__INIT;
    req.trg = (char *)target;
    req.srcs = sources;
    req.n_srcs = count;
    return client_call(&f, CLIENT_concat, &req.base);
}

static bool recover_lease(const char *path, const char *client)
{
    Cp__RecoverLeaseRequest req = CP__RECOVER_LEASE_REQUEST__INIT;
    req.src = (char *)path;
    req.client_name = (char *)client;
    OK(client_call(&f, CLIENT_recoverLease, &req.base));
    return ((const Cp__RecoverLeaseResponse *)f.call.response)->result;
}

static bool is_closed(const char *path)
{
    Cp__IsFileClosedRequest req = CP__IS_FILE_CLOSED_REQUEST__INIT;
    req.src = (char *)path;
    OK(client_call(&f, CLIENT_isFileClosed, &req.base));
    return ((const Cp__IsFileClosedResponse *)f.call.response)->result;
}

static uint64_t length_of(const char *path)
{
    Cp__GetFileInfoRequest req = CP__GET_FILE_INFO_REQUEST__INIT;
    req.src = (char *)path;
    OK(client_call(&f, CLIENT_getFileInfo, &req.base));
    return ((const Cp__GetFileInfoResponse *)f.call.response)->fs->length;
}

struct order {
    int node; /* -1: none was told */
    uint64_t id, cut, length;
    size_t nodes;
    bool has_cut;
};

/* Which node is told to lead. */
static struct order told_order(void)
{
    struct order o = {.node = -1};
    for (int i = 0; i < 3; i++) {
        const Dp__SendHeartbeatResponse *res = heartbeat(&f, i);
        if (res->n_cmds == 0 || res->cmds[0]->recovery_cmd == NULL)
            continue;
        cr_assert_eq(o.node, -1, "one leads");
        cr_assert_eq(res->cmds[0]->recovery_cmd->n_blocks, 1);
        const Dp__RecoveringBlock *b = res->cmds[0]->recovery_cmd->blocks[0];
        o = (struct order){i, b->new_gen_stamp, 0, b->block->b->num_bytes, b->block->n_locs, false};
        if (b->truncate_block != NULL) {
            o.has_cut = true;
            o.cut = b->truncate_block->num_bytes;
            cr_assert_eq(b->truncate_block->gen_stamp, o.id);
        }
    }
    return o;
}

struct result {
    uint64_t id, length;
    bool keep_open, delete;
    int nodes; /* 0 .. nodes - 1 have it */
};

static int synchronize(const Hdfs__ExtendedBlock *b, struct result r)
{
    char uuids[3][16], storages[3][16];
    Hdfs__DatanodeID ids[3], *targets[3];
    char *names[3];
    for (int i = 0; i < r.nodes; i++) {
        hdfs__datanode_id__init(&ids[i]);
        snprintf(uuids[i], sizeof(uuids[i]), "dn%d", i);
        snprintf(storages[i], sizeof(storages[i]), "ds%d", i);
        ids[i].datanode_uuid = uuids[i];
        ids[i].ip_addr = ids[i].host_name = (char *)"127.0.0.1";
        targets[i] = &ids[i];
        names[i] = storages[i];
    }
    Dp__CommitBlockSynchronizationRequest req = DP__COMMIT_BLOCK_SYNCHRONIZATION_REQUEST__INIT;
    req.block = (Hdfs__ExtendedBlock *)b;
    req.new_gen_stamp = r.id;
    req.new_length = r.length;
    req.close_file = !r.keep_open;
    req.delete_block = r.delete;
    req.new_targets = targets;
    req.n_new_targets = (size_t)r.nodes;
    req.new_target_storages = names;
    req.n_new_target_storages = (size_t)r.nodes;
    return datanode_call(&f, DATANODE_commitBlockSynchronization, &req.base);
}

static uint32_t live(const Hdfs__ExtendedBlock *b)
{
    struct replica_counts n;
    blocks_count(f.nn->blocks, blocks_find(f.nn->blocks, b->block_id), &n);
    return n.live;
}

/* ---- append ---- */

Test(recovery, append_opens_a_partial_block_and_leaves_a_full_one)
{
    bool done;
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700), next;
    OK(append("/tmp/a", "c1", 4));
    cr_assert_eq(appended()->block->b->block_id, b.block_id);
    cr_assert_eq(appended()->block->b->generation_stamp, b.generation_stamp);
    cr_assert_eq(appended()->block->b->num_bytes, 700);
    cr_assert_eq(appended()->block->n_locs, 3);
    cr_assert_eq(appended()->stat->length, 700);
    cr_assert_eq(append("/tmp/a", "c1", 4), ERR_BEING_CREATED);
    SAYS("Failed to APPEND_FILE /tmp/a for c1 on 127.0.0.1 because c1 is already the current lease "
         "holder.");
    cr_assert_eq(append("/tmp/a", "c2", 4), ERR_BEING_CREATED);
    SAYS("because this file lease is currently owned by c1 on 127.0.0.1");

    Cp__UpdateBlockForPipelineRequest bump = CP__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    bump.block = &b;
    bump.client_name = (char *)"c1";
    OK(client_call(&f, CLIENT_updateBlockForPipeline, &bump.base));
    Hdfs__ExtendedBlock renewed = b;
    renewed.generation_stamp = f.nn->generation_stamp;
    Hdfs__DatanodeID id = HDFS__DATANODE_ID__INIT, *ids[] = {&id};
    id.ip_addr = id.host_name = (char *)"127.0.0.1";
    id.datanode_uuid = (char *)"dn1";
    char *storages[] = {(char *)"ds1"};
    Cp__UpdatePipelineRequest update = CP__UPDATE_PIPELINE_REQUEST__INIT;
    update.client_name = (char *)"c1";
    update.old_block = &b;
    update.new_block = &renewed;
    update.new_nodes = ids;
    update.storage_ids = storages;
    update.n_new_nodes = update.n_storage_ids = 1;
    OK(client_call(&f, CLIENT_updatePipeline, &update.base));
    cr_assert_eq(client_call(&f, CLIENT_updatePipeline, &update.base), ERR_IO, "no new stamp");
    renewed.num_bytes = BLOCK;
    report_received(&f, 1, &renewed, BLOCK);
    OK(do_complete(&f, "/tmp/a", "c1", &renewed, &done));
    cr_assert(done);
    cr_assert_eq(live(&renewed), 1, "only the pipeline's node has what was appended");

    OK(append("/tmp/a", "c1", 4));
    cr_assert_null(appended()->block, "a full block stays as it is");
    OK(do_add_block(&f, "/tmp/a", "c1", NULL, &next));
    cr_assert_neq(next.block_id, b.block_id);
}

Test(recovery, append_to_a_new_block)
{
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700), next;
    OK(append("/tmp/a", "c1", 4 | 32));
    cr_assert_eq(appended()->block->b->block_id, b.block_id);
    cr_assert_eq(appended()->block->n_locs, 0);
    OK(do_add_block(&f, "/tmp/a", "c1", &b, &next));
    cr_assert_neq(next.block_id, b.block_id);
    cr_assert_eq(length_of("/tmp/a"), 700);
}

Test(recovery, append_refuses)
{
    cr_assert_eq(append("/tmp", "c1", 4), ERR_EXISTS);
    SAYS("Cannot append to directory /tmp; already exists as a directory.");
    cr_assert_eq(append("/tmp/none", "c1", 4), ERR_NOT_FOUND);
    SAYS("Failed to append to non-existent file /tmp/none for client 127.0.0.1");
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700);
    for (int i = 0; i < 3; i++)
        report(&f, i, &b, 700, DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED);
    cr_assert_eq(append("/tmp/a", "c1", 4), ERR_IO);
    SAYS("is not sufficiently replicated yet.");
}

/* ---- truncate ---- */

Test(recovery, truncate_at_a_boundary_is_done_at_once)
{
    bool done;
    Hdfs__ExtendedBlock first = closed("/tmp/a", 700), second;
    OK(append("/tmp/a", "c1", 32));
    OK(do_add_block(&f, "/tmp/a", "c1", &first, &second));
    second.has_num_bytes = true;
    second.num_bytes = 300;
    receive_all(&second, 300);
    OK(do_complete(&f, "/tmp/a", "c1", &second, &done));
    cr_assert_eq(length_of("/tmp/a"), 1000);
    OK(cut("/tmp/a", "c1", 1000, &done));
    cr_assert(done, "nothing to do");
    OK(cut("/tmp/a", "c1", 700, &done));
    cr_assert(done && is_closed("/tmp/a"));
    cr_assert_eq(blocks_find(f.nn->blocks, second.block_id), 0);
    cr_assert_eq(told_order().node, -1);
    OK(cut("/tmp/a", "c1", 0, &done));
    cr_assert(done);
    cr_assert_eq(length_of("/tmp/a"), 0);
    cr_assert_eq(cut("/tmp/a", "c1", 1, &done), ERR_ILLEGAL_ARGUMENT);
    SAYS("Cannot truncate to a larger file size. Current size: 0, truncate size: 1.");
    cr_assert_eq(cut("/tmp/a", "c1", UINT64_MAX, &done), ERR_ILLEGAL_ARGUMENT);
    SAYS("Cannot truncate to a negative file size: -1.");
}

Test(recovery, truncate_inside_a_block_waits_for_its_nodes)
{
    bool done = true;
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700);
    OK(cut("/tmp/a", "c1", 512, &done));
    cr_assert(!done && !is_closed("/tmp/a"));
    cr_assert_eq(length_of("/tmp/a"), 700, "until the DataNodes have done it");
    struct order o = told_order();
    cr_assert_neq(o.node, -1);
    cr_assert(o.has_cut && o.cut == 512 && o.length == 700 && o.nodes == 3);
    cr_assert_gt(o.id, b.generation_stamp);
    OK(cut("/tmp/a", "c2", 512, &done));
    cr_assert(!done, "the same again");
    cr_assert_eq(cut("/tmp/a", "c1", 100, &done), ERR_BEING_CREATED);
    SAYS("Failed to TRUNCATE_FILE /tmp/a for c1 on 127.0.0.1 because /tmp/a is being truncated.");
    cr_assert_eq(append("/tmp/a", "c2", 4), ERR_RECOVERY);
    SAYS("because another recovery is in progress by c1 on 127.0.0.1");
    cr_assert_eq(told_order().node, -1, "told once");
    OK(synchronize(&b, (struct result){o.id, 512, .nodes = 3}));
    cr_assert(is_closed("/tmp/a"));
    cr_assert_eq(length_of("/tmp/a"), 512);
    b.generation_stamp = o.id;
    cr_assert_eq(live(&b), 3);
    OK(append("/tmp/a", "c2", 4));
    cr_assert_eq(appended()->block->b->num_bytes, 512);
}

Test(recovery, a_cut_that_nobody_finished_is_tried_again)
{
    bool done;
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700);
    OK(cut("/tmp/a", "c1", 512, &done));
    struct order first = told_order();
    f.mono_ms += 31 * 1000;
    cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &f.call.err), 0);
    struct order second = told_order();
    cr_assert(second.node != -1 && second.node != first.node, "another leads");
    cr_assert(second.id > first.id && second.has_cut && second.cut == 512);
    cr_assert_eq(synchronize(&b, (struct result){first.id, 512, .nodes = 3}), ERR_IO);
    SAYS("does not match current recovery id");
    OK(synchronize(&b, (struct result){second.id, 512, .nodes = 2}));
    cr_assert_eq(length_of("/tmp/a"), 512);
    cr_assert_eq(live(&b), 2, "the third wasn't there");
}

static int into_buf(void *ctx, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_append(ctx, data, size);
}

Test(recovery, a_cut_goes_on_after_an_image)
{
    bool done;
    uint64_t cut_length;
    struct buf image = {0};
    uint8_t md5[IMAGE_MD5_SIZE];
    struct nn *loaded;
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700);
    OK(cut("/tmp/a", "c1", 512, &done));
    OK(image_save(f.nn, into_buf, &image, md5, &f.call.err));
    OK(image_load(buf_head(&image), buf_size(&image), &f.nn->identity, &loaded, &f.call.err));
    OK(nn_verify(loaded, &f.call.err));
    handle_t block = blocks_find(loaded->blocks, b.block_id);
    cr_assert(blocks_being_cut(loaded->blocks, block, &cut_length), "the bytes would come back");
    cr_assert_eq(cut_length, 512);
    cr_assert_eq(blocks_length(loaded->blocks, block), 700, "till the DataNodes have cut it");
    cr_assert_eq(blocks_next_overdue(loaded->blocks, 0, 0), block, "it is tried again at once");
    nn_free(loaded);
    buf_fini(&image);
}

Test(recovery, a_repeated_truncate_does_not_cut_what_was_appended_since)
{
    bool done;
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700);
    f.rpc.client_id_size = RPC_CLIENT_ID_SIZE;
    f.rpc.call_id = 77;
    OK(cut("/tmp/a", "c1", 512, &done));
    OK(cut("/tmp/a", "c1", 512, &done));
    cr_assert(!done, "under way");
    f.rpc.call_id = 78;
    struct order o = told_order();
    OK(synchronize(&b, (struct result){o.id, 512, .nodes = 3}));
    OK(append("/tmp/a", "c2", 32));
    Hdfs__ExtendedBlock next;
    b.generation_stamp = o.id;
    f.rpc.call_id = 79;
    OK(do_add_block(&f, "/tmp/a", "c2", &b, &next));
    next.has_num_bytes = true;
    next.num_bytes = 10;
    receive_all(&next, 10);
    OK(do_complete(&f, "/tmp/a", "c2", &next, &done));
    f.rpc.call_id = 77;
    OK(cut("/tmp/a", "c1", 512, &done));
    cr_assert(done);
    cr_assert_eq(length_of("/tmp/a"), 522);
}

/* ---- concat ---- */

Test(recovery, concat_moves_blocks)
{
    closed("/tmp/a", 700);
    closed("/tmp/b", 1);
    closed("/tmp/c", 300);
    char *sources[] = {(char *)"/tmp/b", (char *)"/tmp/c"};
    OK(concat("/tmp/a", sources, 2));
    cr_assert_eq(length_of("/tmp/a"), 1001);
    cr_assert_eq(concat("/tmp/a", sources, 2), ERR_NOT_FOUND);
    SAYS("File does not exist: /tmp/b");
}

Test(recovery, concat_refuses)
{
    closed("/tmp/a", 700);
    closed("/tmp/b", 1);
    OK(do_mkdirs(&f, "/d"));
    closed("/d/b", 1);
    opened("/tmp/open", "c1");
    bool done;
    OK(do_create(&f, "/tmp/empty", "c1", 1));
    OK(do_complete(&f, "/tmp/empty", "c1", NULL, &done));
    static const struct {
        const char *target, *sources[2], *text;
    } cases[] = {
        {"", {"/tmp/b"}, "Target file name is empty"},
        {"/tmp/a", {NULL}, "No sources given"},
        {"/.reserved/raw/a",
         {"/tmp/b"},
         "Concat operation doesn't support .reserved relative path"},
        {"/tmp/none", {"/tmp/b"}, "File does not exist: /tmp/none"},
        {"/tmp/open", {"/tmp/b"}, "concat: target file /tmp/open is under construction"},
        {"/tmp/a", {"/tmp/open"}, "/tmp/open is invalid or empty or underConstruction"},
        {"/tmp/a", {"/tmp/empty"}, "/tmp/empty is invalid or empty or underConstruction"},
        {"/tmp/a", {"/tmp/a"}, "concat: the src file /tmp/a is the same with the target file"},
        {"/tmp/a",
         {"/d/b"},
         "Source file /d/b is not in the same directory with the target /tmp/a"},
        {"/tmp/a", {"/tmp/b", "/tmp/b"}, "concat: at least two of the source files are the same"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = (cases[i].sources[0] != NULL) + (size_t)(cases[i].sources[1] != NULL);
        cr_assert_neq(concat(cases[i].target, (char **)cases[i].sources, n), 0);
        SAYS(cases[i].text);
    }
    cr_assert_eq(length_of("/tmp/a"), 700);
}

/* ---- lost writers ---- */

Test(recovery, recover_lease_asks_the_node_heard_last)
{
    Hdfs__ExtendedBlock b = opened("/tmp/a", "c1");
    (void)heartbeat(&f, 1);
    cr_assert(!recover_lease("/tmp/a", "c2"));
    cr_assert_str_eq(
        ns_uc_client(f.nn->ns, blocks_owner(f.nn->blocks, blocks_find(f.nn->blocks, b.block_id))),
        "c2");
    cr_assert(!recover_lease("/tmp/a", "c2"), "under way");
    struct order o = told_order();
    cr_assert_eq(o.node, 1);
    cr_assert(!o.has_cut);
    bool done;
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &b, &done), ERR_LEASE_EXPIRED);
    cr_assert_eq(synchronize(&b, (struct result){o.id + 1, 44, .nodes = 3}), ERR_IO);
    SAYS("The recovery id ");
    OK(synchronize(&b, (struct result){o.id, 44, .nodes = 3}));
    cr_assert(is_closed("/tmp/a"));
    cr_assert_eq(length_of("/tmp/a"), 44);
    OK(synchronize(&b, (struct result){o.id, 44, .nodes = 3}));
    cr_assert(recover_lease("/tmp/a", "c2"));
    Hdfs__ExtendedBlock late = b;
    report_received(&f, 2, &late, 44);
    cr_assert_eq(live(&b), 2, "a replica under the old stamp doesn't count");
    late.generation_stamp = o.id;
    report_received(&f, 2, &late, 44);
    cr_assert_eq(live(&b), 3);
}

Test(recovery, what_never_got_a_byte_goes)
{
    Hdfs__ExtendedBlock b = opened("/tmp/a", "c1");
    cr_assert(!recover_lease("/tmp/a", "c2"));
    struct order o = told_order();
    OK(synchronize(&b, (struct result){o.id, 0, .delete = true}));
    cr_assert(is_closed("/tmp/a"));
    cr_assert_eq(length_of("/tmp/a"), 0);
    cr_assert_eq(blocks_find(f.nn->blocks, b.block_id), 0);
    OK(synchronize(&b, (struct result){o.id, 0, .delete = true}));
    cr_assert_eq(synchronize(&b, (struct result){o.id, 1, .nodes = 1}), ERR_IO);
    SAYS(" not found");
}

Test(recovery, what_has_bytes_somewhere_does_not_go)
{
    Hdfs__ExtendedBlock b = closed("/tmp/a", 700), c = opened("/tmp/c", "c1");
    OK(append("/tmp/a", "c1", 4));
    cr_assert(!recover_lease("/tmp/a", "c2"));
    struct order o = told_order();
    cr_assert_eq(synchronize(&b, (struct result){o.id, 0, .delete = true}), ERR_IO);
    SAYS("has 700 bytes somewhere");
    cr_assert_eq(length_of("/tmp/a"), 700);
    OK(synchronize(&b, (struct result){o.id, 700, .nodes = 1}));
    cr_assert(is_closed("/tmp/a"), "the attempt isn't over by that");

    report(&f, 1, &c, 9, DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__RECEIVING);
    cr_assert(!recover_lease("/tmp/c", "c2"));
    o = told_order();
    cr_assert_eq(synchronize(&c, (struct result){o.id, 0, .delete = true}), ERR_IO);
    report(&f, 1, &c, 0, DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED);
    OK(synchronize(&c, (struct result){o.id, 0, .delete = true}));
    cr_assert(is_closed("/tmp/c"), "the one that had some has it no more");
}

Test(recovery, recovered_yet_open)
{
    Hdfs__ExtendedBlock b = opened("/tmp/a", "c1");
    cr_assert(!recover_lease("/tmp/a", "c2"));
    struct order o = told_order();
    OK(synchronize(&b, (struct result){o.id, 9, .keep_open = true, .nodes = 3}));
    cr_assert(!is_closed("/tmp/a"));
    cr_assert_eq(blocks_state(f.nn->blocks, blocks_find(f.nn->blocks, b.block_id)),
                 BLOCK_UNDER_CONSTRUCTION);
    cr_assert_eq(synchronize(&b, (struct result){o.id, 9, .nodes = 3}), ERR_IO, "it is over");
}

Test(recovery, soft_limit_lets_another_writer_in)
{
    Hdfs__ExtendedBlock b = opened("/tmp/a", "c1");
    f.mono_ms += 61 * 1000;
    cr_assert_eq(append("/tmp/a", "c2", 4), ERR_RECOVERY);
    SAYS("because lease recovery is in progress. Try again later.");
    cr_assert_eq(append("/tmp/a", "c2", 4), ERR_RECOVERY);
    SAYS("because another recovery is in progress by c1 on 127.0.0.1");
    struct order o = told_order();
    OK(synchronize(&b, (struct result){o.id, 5, .nodes = 3}));
    OK(append("/tmp/a", "c2", 4));
    cr_assert_eq(appended()->block->b->num_bytes, 5);
}

Test(recovery, hard_limit_is_the_namenodes_own_doing)
{
    Hdfs__ExtendedBlock b = opened("/tmp/a", "c1");
    f.mono_ms += 1201 * 1000;
    ns_set_now(f.nn->ns, f.mono_ms);
    cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &f.call.err), 0);
    handle_t file = blocks_owner(f.nn->blocks, blocks_find(f.nn->blocks, b.block_id));
    cr_assert_eq(strncmp(ns_uc_client(f.nn->ns, file), "HDFS_NameNode-2023-11-14 22:13:2", 32), 0,
                 "%s", ns_uc_client(f.nn->ns, file));
    unsigned edits = f.edits;
    cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &f.call.err), 0);
    cr_assert_eq(f.edits, edits, "once");
    struct order first = told_order();
    for (int i = 1; i <= 8; i++) { /* as long as it takes, each in turn, with more and more time */
        f.mono_ms += 29 * 1000 * (i < 6 ? i : 6);
        cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &f.call.err), 0);
        cr_assert_eq(told_order().node, -1);
        f.mono_ms += 2 * 1000 * (i < 6 ? i : 6);
        cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &f.call.err), 0);
        struct order next = told_order();
        cr_assert(next.node != -1 && next.node != first.node && next.id > first.id);
        first = next;
    }
    OK(synchronize(&b, (struct result){first.id, 5, .nodes = 3}));
    cr_assert(is_closed("/tmp/a"));
}

Test(recovery, dead_nodes_do_not_lead)
{
    opened("/tmp/a", "c1");
    nodes_declare_dead(f.nn->nodes, nodes_find(f.nn->nodes, "dn0"));
    nodes_declare_dead(f.nn->nodes, nodes_find(f.nn->nodes, "dn2"));
    cr_assert(!recover_lease("/tmp/a", "c2"));
    const Dp__SendHeartbeatResponse *res = heartbeat(&f, 1);
    cr_assert_eq(res->n_cmds, 1);
    cr_assert_not_null(res->cmds[0]->recovery_cmd);
    cr_assert_eq(res->cmds[0]->recovery_cmd->blocks[0]->block->n_locs, 3,
                 "one alone: it finds out by itself what the others have");
}

Test(recovery, renamed_and_deleted_open_files)
{
    Hdfs__ExtendedBlock a = opened("/tmp/a", "c1"), b = opened("/tmp/b", "c1");
    cr_assert(!recover_lease("/tmp/a", "c2"));
    struct order o = told_order();
    Cp__RenameRequest move = CP__RENAME_REQUEST__INIT;
    move.src = (char *)"/tmp/a";
    move.dst = (char *)"/tmp/moved";
    OK(client_call(&f, CLIENT_rename, &move.base));
    OK(synchronize(&a, (struct result){o.id, 3, .nodes = 3}));
    cr_assert_eq(length_of("/tmp/moved"), 3);

    cr_assert(!recover_lease("/tmp/b", "c2"));
    Cp__DeleteRequest drop = CP__DELETE_REQUEST__INIT;
    drop.src = (char *)"/tmp/b";
    OK(client_call(&f, CLIENT_delete, &drop.base));
    o = told_order();
    cr_assert_eq(synchronize(&b, (struct result){f.nn->generation_stamp, 3, .nodes = 3}),
                 ERR_NOT_FOUND);
    while (nn_collect(f.nn, 10))
        ;
    cr_assert_eq(synchronize(&b, (struct result){f.nn->generation_stamp, 3, .nodes = 3}), ERR_IO);
    f.mono_ms += 31 * 1000;
    cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &f.call.err), 0);
}

Test(recovery, committed_blocks_are_waited_for_and_recovered)
{
    Hdfs__ExtendedBlock b = opened("/tmp/a", "c1");
    bool done;
    b.num_bytes = 77;
    OK(do_complete(&f, "/tmp/a", "c1", &b, &done));
    cr_assert(!done);
    cr_assert(!recover_lease("/tmp/a", "c2"), "nobody has told that it has it");
    struct order o = told_order();
    cr_assert_neq(o.node, -1);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c2", &b, &done), ERR_IO);
    SAYS("whereas it is under recovery.");
    OK(synchronize(&b, (struct result){o.id, 77, .nodes = 3}));
    cr_assert_eq(length_of("/tmp/a"), 77);
}
