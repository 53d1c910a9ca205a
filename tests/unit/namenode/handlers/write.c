#include "fixture.h"

static struct fixture f;

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

static void receive_all(const Hdfs__ExtendedBlock *b, uint64_t length)
{
    for (int i = 0; i < 3; i++)
        report_received(&f, i, b, length);
}

Test(write, a_file_of_two_blocks, .init = setup, .fini = teardown)
{
    Hdfs__ExtendedBlock first, second, again;
    bool done;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0, "%s", f.call.err.text);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &first), 0, "%s", f.call.err.text);
    cr_assert_eq(first.block_id, FIRST_BLOCK_ID);
    cr_assert_eq(first.generation_stamp, FIRST_GENERATION_STAMP);
    first.has_num_bytes = true;
    first.num_bytes = 1 << 20;
    receive_all(&first, 1 << 20);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", &first, &second), 0, "%s", f.call.err.text);
    /* the answer was lost: the same block comes again */
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", &first, &again), 0, "%s", f.call.err.text);
    cr_assert_eq(again.block_id, second.block_id);
    second.has_num_bytes = true;
    second.num_bytes = 5;
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &second, &done), 0, "%s", f.call.err.text);
    cr_assert(!done, "no replica of the last block is reported yet");
    receive_all(&second, 5);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &second, &done), 0, "%s", f.call.err.text);
    cr_assert(done);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &second, &done), 0, "%s", f.call.err.text);
    cr_assert(done, "a repeated complete is the answer that got lost");

    Cp__GetBlockLocationsRequest where = CP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    where.src = (char *)"/tmp/a";
    where.offset = 1 << 20;
    where.length = 1;
    cr_assert_eq(client_call(&f, CLIENT_getBlockLocations, &where.base), 0);
    const Hdfs__LocatedBlocks *l =
        ((const Cp__GetBlockLocationsResponse *)f.call.response)->locations;
    cr_assert_eq(l->file_length, (1 << 20) + 5);
    cr_assert_eq(l->n_blocks, 1);
    cr_assert_eq(l->blocks[0]->offset, 1 << 20);
    cr_assert_eq(l->blocks[0]->n_locs, 3);
    cr_assert(!l->under_construction && l->is_last_block_complete);
}

Test(write, only_the_lease_holder_writes, .init = setup, .fini = teardown)
{
    Hdfs__ExtendedBlock block;
    bool done;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c2", NULL, &block), ERR_LEASE_EXPIRED);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c2", NULL, &done), ERR_LEASE_EXPIRED);
    cr_assert_eq(do_create(&f, "/tmp/a", "c2", 1), ERR_BEING_CREATED);
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), ERR_BEING_CREATED);
    cr_assert_eq(do_create(&f, "/tmp/a", "c2", 3), 0, "overwriting takes the file over");
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &block), ERR_LEASE_EXPIRED);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c2", NULL, &done), 0);
    cr_assert(done);
    cr_assert_eq(do_create(&f, "/tmp/a", "c2", 1), ERR_EXISTS);
}

Test(write, a_silent_writer_loses_an_empty_file_at_the_soft_limit, .init = setup, .fini = teardown)
{
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    f.mono_ms += 61 * 1000;
    cr_assert_eq(do_create(&f, "/tmp/a", "c2", 1), ERR_EXISTS, "closed for the old writer");
    cr_assert_eq(do_create(&f, "/tmp/b", "c1", 1), 0);
    f.mono_ms += 1201 * 1000;
    struct err err = {0};
    cr_assert_eq(handlers_tick(&f.env, f.now_ms, f.mono_ms, &err), 0);
    bool done;
    cr_assert_eq(do_complete(&f, "/tmp/b", "c1", NULL, &done), 0);
    cr_assert(done, "closed by the hard limit");
}

Test(write, limits, .init = setup, .fini = teardown)
{
    Hdfs__ExtendedBlock b, *previous = NULL;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", previous, &b), 0, "%s", f.call.err.text);
        b.has_num_bytes = true;
        b.num_bytes = 1 << 20;
        receive_all(&b, 1 << 20);
        previous = &b;
    }
    Hdfs__ExtendedBlock more;
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", previous, &more), ERR_IO);
    cr_assert_not_null(strstr(f.call.err.text, "max-blocks-per-file"));
    cr_assert_eq(do_create(&f, "/tmp//none", "c1", 1), ERR_INVALID_PATH);
    cr_assert_eq(do_create(&f, "/tmp", "c1", 1), ERR_EXISTS);
    cr_assert_eq(do_create(&f, "/tmp/a/b", "c1", 1), ERR_PARENT_NOT_DIR);
    cr_assert_eq(do_create(&f, "/tmp/new", "c1", 2), ERR_NOT_FOUND, "overwrite without create");
}

Test(write, without_datanodes_the_error_counts_them)
{
    Hdfs__ExtendedBlock b;
    fixture_init(&f);
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &b), ERR_IO);
    cr_assert_str_eq(f.call.err.text,
                     "File /tmp/a could only be written to 0 of the 1 minReplication nodes. There "
                     "are 0 datanode(s) running and no node(s) are excluded in this operation.");
    fixture_fini(&f);
}

Test(write, abandoned_blocks_are_gone, .init = setup, .fini = teardown)
{
    Hdfs__ExtendedBlock b, other;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &b), 0);
    Cp__AbandonBlockRequest req = CP__ABANDON_BLOCK_REQUEST__INIT;
    req.b = &b;
    req.src = (char *)"/tmp/a";
    req.holder = (char *)"c1";
    cr_assert_eq(client_call(&f, CLIENT_abandonBlock, &req.base), 0, "%s", f.call.err.text);
    cr_assert_eq(client_call(&f, CLIENT_abandonBlock, &req.base), 0, "idempotent");
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &other), 0, "%s", f.call.err.text);
    cr_assert_neq(other.block_id, b.block_id);
}

Test(write, a_closing_client_invents_neither_stamp_nor_length, .init = setup, .fini = teardown)
{
    Hdfs__ExtendedBlock b;
    bool done;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &b), 0);
    b.has_num_bytes = true;
    b.num_bytes = 5;
    receive_all(&b, 5);
    Hdfs__ExtendedBlock newer = b, longer = b;
    newer.generation_stamp = INT64_MAX;
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &newer, &done), ERR_IO);
    cr_assert_not_null(strstr(f.call.err.text, "mismatching GS"), "%s", f.call.err.text);
    cr_assert_eq(f.nn->generation_stamp, b.generation_stamp, "no stamps are used up");
    longer.num_bytes = 1ULL << 62;
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &longer, &done), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &b, &done), 0, "%s", f.call.err.text);
    cr_assert(done);
}

Test(write, the_length_of_a_finished_block_is_final, .init = setup, .fini = teardown)
{
    Hdfs__ExtendedBlock b, more;
    bool done;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), 0);
    cr_assert_eq(do_add_block(&f, "/tmp/a", "c1", NULL, &b), 0);
    b.has_num_bytes = true;
    b.num_bytes = 77;
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &b, &done), 0);
    cr_assert(!done, "nobody has told that it has it");
    Cp__FsyncRequest req = CP__FSYNC_REQUEST__INIT;
    req.src = (char *)"/tmp/a";
    req.client = (char *)"c1";
    req.has_last_block_length = true;
    req.last_block_length = 500;
    cr_assert_eq(client_call(&f, CLIENT_fsync, &req.base), 0, "%s", f.call.err.text);
    more = b;
    more.num_bytes = 500;
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &more, &done), 0);
    receive_all(&b, 77);
    cr_assert_eq(do_complete(&f, "/tmp/a", "c1", &b, &done), 0, "%s", f.call.err.text);
    cr_assert(done, "its replicas are right as they were");
    cr_assert_eq(blocks_length(f.nn->blocks, blocks_find(f.nn->blocks, b.block_id)), 77);
}

Test(write, nothing_is_written_in_safe_mode, .init = setup, .fini = teardown)
{
    blocks_enter_safe_mode(f.nn->blocks, false);
    unsigned edits = f.edits;
    cr_assert_eq(do_create(&f, "/tmp/a", "c1", 1), ERR_SAFE_MODE);
    cr_assert_eq(do_mkdirs(&f, "/d"), ERR_SAFE_MODE);
    cr_assert_not_null(
        strstr(f.call.err.text, "Cannot create directory /d. Name node is in safe mode.\n"));
    cr_assert_eq(f.edits, edits);
}
