/* striped.c - erasure coded files by their writer's and readers' calls: groups, their places, and
 * what isn't possible. RS-6-3-1024k, the policy that is on by itself; the fixture replays all of
 * it.
 */
#include <stdio.h>

#include "fixture.h"
#include "namenode.pb-c.h"

enum { DATA = 6, UNITS = 9, CELL = 1 << 20, BLOCK = 2 * CELL, NEW_BLOCK = 32 };
#define FIRST_GROUP ((uint64_t)INT64_MIN + 16)

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    cr_assert_eq(do_mkdirs(&f, "/d"), 0);
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(striped, .init = setup, .fini = teardown);

#define TEXT_IS(wanted) cr_assert_str_eq(f.call.err.text, wanted)

static void add_nodes(int count)
{
    for (int i = 0; i < count; i++)
        add_datanode(&f, i);
}

static void create(const char *path)
{
    Cp__CreateRequest req = CP__CREATE_REQUEST__INIT;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    mode.perm = 0644;
    req.src = (char *)path;
    req.masked = &mode;
    req.client_name = (char *)"c";
    req.create_flag = 1;
    req.replication = 3;
    req.block_size = BLOCK;
    req.ec_policy_name = (char *)"RS-6-3-1024k";
    cr_assert_eq(client_call(&f, CLIENT_create, &req.base), 0, "%s", f.call.err.text);
}

static const Hdfs__LocatedBlock *add_group(const char *path, Hdfs__ExtendedBlock *previous,
                                           Hdfs__ExtendedBlock *ret)
{
    cr_assert_eq(do_add_block(&f, path, "c", previous, ret), 0, "%s", f.call.err.text);
    return ((const Cp__AddBlockResponse *)f.call.response)->block;
}

/* The node that the answer names for each index. */
static void places(const Hdfs__LocatedBlock *l, int ret[UNITS])
{
    for (int i = 0; i < UNITS; i++)
        ret[i] = -1;
    for (size_t i = 0; i < l->n_locs; i++)
        cr_assert_eq(sscanf(l->locs[i]->id->datanode_uuid, "dn%d", &ret[l->block_indices.data[i]]),
                     1);
}

static void receive_unit(int node, const Hdfs__ExtendedBlock *group, unsigned index,
                         uint64_t length)
{
    static const struct ec_policy rs63 = {
        .id = 1, .data_units = 6, .parity_units = 3, .codec = EC_RS, .cell_size = CELL};
    Hdfs__ExtendedBlock unit = *group;
    unit.block_id += index;
    if (ec_internal_length(&rs63, length, index) > 0)
        report_received(&f, node, &unit, ec_internal_length(&rs63, length, index));
}

static void finish(const char *path, Hdfs__ExtendedBlock *group, const int at[UNITS],
                   uint64_t length)
{
    bool done;
    group->has_num_bytes = true;
    group->num_bytes = length;
    for (unsigned i = 0; i < UNITS; i++)
        receive_unit(at[i], group, i, length);
    cr_assert_eq(do_complete(&f, path, "c", group, &done), 0, "%s", f.call.err.text);
    cr_assert(done);
}

static void write_file(const char *path, uint64_t length, Hdfs__ExtendedBlock *ret)
{
    int at[UNITS];
    create(path);
    places(add_group(path, NULL, ret), at);
    finish(path, ret, at, length);
}

static const Hdfs__LocatedBlocks *locate(const char *path, uint64_t offset, uint64_t length)
{
    Cp__GetBlockLocationsRequest req = CP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    req.src = (char *)path;
    req.offset = offset;
    req.length = length;
    cr_assert_eq(client_call(&f, CLIENT_getBlockLocations, &req.base), 0, "%s", f.call.err.text);
    return ((const Cp__GetBlockLocationsResponse *)f.call.response)->locations;
}

Test(striped, groups_have_ids_of_their_own_and_a_place_for_each_index)
{
    Hdfs__ExtendedBlock first, second;
    int at[UNITS];
    bool done;
    add_nodes(UNITS);
    create("/d/a");
    const Hdfs__LocatedBlock *l = add_group("/d/a", NULL, &first);
    cr_assert_eq(first.block_id, FIRST_GROUP);
    cr_assert(l->n_locs == UNITS && l->block_indices.len == UNITS && l->n_block_tokens == UNITS);
    places(l, at);
    for (int i = 0; i < UNITS; i++)
        cr_assert_geq(at[i], 0);
    first.has_num_bytes = true;
    first.num_bytes = DATA * BLOCK;
    for (unsigned i = 0; i < DATA; i++)
        receive_unit(at[i], &first, i, DATA * BLOCK);
    places(add_group("/d/a", &first, &second), at);
    cr_assert_eq(second.block_id, FIRST_GROUP + 16);
    second.has_num_bytes = true;
    second.num_bytes = CELL + 1;
    receive_unit(at[0], &second, 0, CELL + 1);
    cr_assert_eq(do_complete(&f, "/d/a", "c", &second, &done), 0);
    cr_assert(!done, "half of it could be lost with one node");
    receive_unit(at[8], &second, 8, CELL + 1);
    cr_assert_eq(do_complete(&f, "/d/a", "c", &second, &done), 0);
    cr_assert(done, "parity is as good as data");

    const Hdfs__LocatedBlocks *b = locate("/d/a", DATA * BLOCK + 5, 1);
    cr_assert(b->ec_policy != NULL && b->ec_policy->id == 1);
    cr_assert_eq(b->file_length, DATA * BLOCK + CELL + 1);
    cr_assert_eq(b->n_blocks, 1);
    cr_assert_eq(b->blocks[0]->offset, DATA * BLOCK);
    cr_assert_eq(b->blocks[0]->b->block_id, second.block_id);
    cr_assert_eq(b->blocks[0]->n_locs, 2);
    cr_assert(b->blocks[0]->block_indices.data[0] == 0 && b->blocks[0]->block_indices.data[1] == 8);
    b = locate("/d/a", 0, INT64_MAX);
    cr_assert_eq(b->n_blocks, 2);
    cr_assert_eq(b->blocks[0]->n_locs, DATA);
    for (unsigned i = 0; i < DATA; i++)
        cr_assert_eq(b->blocks[0]->block_indices.data[i], i);
}

Test(striped, the_data_units_need_nodes)
{
    Hdfs__ExtendedBlock group;
    add_nodes(DATA - 1);
    create("/d/a");
    cr_assert_eq(do_add_block(&f, "/d/a", "c", NULL, &group), ERR_IO);
    TEXT_IS("File /d/a could only be written to 5 of the 6 required nodes for RS-6-3-1024k. There "
            "are 5 datanode(s) running and no node(s) are excluded in this operation.");
    add_datanode(&f, DATA);
    const Hdfs__LocatedBlock *l = add_group("/d/a", NULL, &group);
    cr_assert(l->n_locs == DATA && l->block_indices.len == DATA);
    for (unsigned i = 0; i < DATA; i++)
        cr_assert_eq(l->block_indices.data[i], i);
}

Test(striped, a_group_is_no_longer_than_its_data_blocks)
{
    Hdfs__ExtendedBlock group;
    bool done;
    add_nodes(UNITS);
    create("/d/a");
    (void)add_group("/d/a", NULL, &group);
    group.has_num_bytes = true;
    group.num_bytes = DATA * BLOCK + 1;
    cr_assert_eq(do_complete(&f, "/d/a", "c", &group, &done), ERR_ILLEGAL_ARGUMENT);
    group.num_bytes--;
    cr_assert_eq(do_complete(&f, "/d/a", "c", &group, &done), 0);
}

Test(striped, an_abandoned_group_stays)
{
    Hdfs__ExtendedBlock group;
    add_nodes(UNITS);
    create("/d/a");
    (void)add_group("/d/a", NULL, &group);
    Cp__AbandonBlockRequest req = CP__ABANDON_BLOCK_REQUEST__INIT;
    req.b = &group;
    req.src = (char *)"/d/a";
    req.holder = (char *)"c";
    cr_assert_eq(client_call(&f, CLIENT_abandonBlock, &req.base), 0);
    cr_assert_neq(blocks_find(f.nn->blocks, group.block_id), 0);
}

Test(striped, a_pipeline_update_leaves_gaps_where_nodes_are_gone)
{
    Hdfs__ExtendedBlock group, renewed;
    int at[UNITS];
    add_nodes(UNITS);
    create("/d/a");
    places(add_group("/d/a", NULL, &group), at);
    Cp__UpdateBlockForPipelineRequest ask = CP__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    ask.block = &group;
    ask.client_name = (char *)"c";
    cr_assert_eq(client_call(&f, CLIENT_updateBlockForPipeline, &ask.base), 0);
    const Hdfs__LocatedBlock *l =
        ((const Cp__UpdateBlockForPipelineResponse *)f.call.response)->block;
    cr_assert(l->n_locs == 0 && l->block_indices.len == UNITS && l->n_block_tokens == UNITS);
    renewed = group;
    renewed.generation_stamp = l->b->generation_stamp;
    renewed.has_num_bytes = true;
    renewed.num_bytes = 5 * CELL;

    Cp__UpdatePipelineRequest req = CP__UPDATE_PIPELINE_REQUEST__INIT;
    Hdfs__DatanodeID ids[UNITS], *list[UNITS];
    char uuids[UNITS][16], storages[UNITS][16], *names[UNITS];
    for (int i = 0; i < UNITS; i++) {
        bool gone = i == 2 || i == 7; /* as Java's clients write "nobody" */
        hdfs__datanode_id__init(&ids[i]);
        snprintf(uuids[i], sizeof(uuids[i]), gone ? "null" : "dn%d", at[i]);
        storages[i][0] = '\0';
        if (!gone)
            snprintf(storages[i], sizeof(storages[i]), "ds%d", at[i]);
        ids[i].datanode_uuid = uuids[i];
        ids[i].ip_addr = ids[i].host_name = (char *)"127.0.0.1";
        list[i] = &ids[i];
        names[i] = storages[i];
    }
    req.client_name = (char *)"c";
    req.old_block = &group;
    req.new_block = &renewed;
    req.new_nodes = list;
    req.storage_ids = names;
    req.n_new_nodes = req.n_storage_ids = UNITS;
    cr_assert_eq(client_call(&f, CLIENT_updatePipeline, &req.base), 0, "%s", f.call.err.text);
    struct expected_replica e[16];
    cr_assert_eq(blocks_expected(f.nn->blocks, blocks_find(f.nn->blocks, group.block_id), e, 16),
                 UNITS - 2);
    cr_assert(e[1].index == 1 && e[2].index == 3 && e[6].index == 8);
    const Hdfs__LocatedBlocks *b = locate("/d/a", 0, 1);
    cr_assert(b->under_construction && !b->is_last_block_complete);
    cr_assert_eq(b->last_block->n_locs, UNITS - 2);
    cr_assert_eq(b->last_block->block_indices.data[2], 3);
}

static int append(const char *path, uint32_t flag)
{
    Cp__AppendRequest req = CP__APPEND_REQUEST__INIT;
    req.src = (char *)path;
    req.client_name = (char *)"c";
    req.has_flag = true;
    req.flag = 4 | flag;
    return client_call(&f, CLIENT_append, &req.base);
}

Test(striped, append_begins_a_new_group)
{
    Hdfs__ExtendedBlock first, last, second;
    int at[UNITS];
    add_nodes(UNITS);
    write_file("/d/a", 7, &first);
    cr_assert_eq(append("/d/a", 0), ERR_UNSUPPORTED);
    TEXT_IS("Append on EC file without new block is not supported. Use NEW_BLOCK create flag while "
            "appending file.");
    cr_assert_eq(append("/d/a", NEW_BLOCK), 0, "%s", f.call.err.text);
    const Cp__AppendResponse *res = (const void *)f.call.response;
    cr_assert(res->block->b->block_id == first.block_id && res->block->n_locs == 0);
    last = first;
    places(add_group("/d/a", &last, &second), at);
    cr_assert_eq(second.block_id, first.block_id + 16);
    finish("/d/a", &second, at, 3 * CELL);
    cr_assert_eq(locate("/d/a", 0, 1)->file_length, 3 * CELL + 7);
}

Test(striped, what_a_group_does_not_do)
{
    Hdfs__ExtendedBlock group;
    add_nodes(UNITS);
    write_file("/d/a", 7, &group);
    Cp__SetReplicationRequest set = CP__SET_REPLICATION_REQUEST__INIT;
    set.src = (char *)"/d/a";
    set.replication = 2;
    cr_assert_eq(client_call(&f, CLIENT_setReplication, &set.base), 0);
    cr_assert(!((const Cp__SetReplicationResponse *)f.call.response)->result);
    Cp__TruncateRequest cut = CP__TRUNCATE_REQUEST__INIT;
    cut.src = (char *)"/d/a";
    cut.client_name = (char *)"c";
    cut.new_length = 1;
    cr_assert_eq(client_call(&f, CLIENT_truncate, &cut.base), ERR_UNSUPPORTED);
}

Test(striped, concat_moves_groups)
{
    Hdfs__ExtendedBlock group;
    add_nodes(UNITS);
    write_file("/d/a", 7, &group);
    write_file("/d/b", 2 * CELL, &group);
    Cp__ConcatRequest req = CP__CONCAT_REQUEST__INIT;
    char *sources[] = {(char *)"/d/b"};
    req.trg = (char *)"/d/a";
    req.srcs = sources;
    req.n_srcs = 1;
    cr_assert_eq(client_call(&f, CLIENT_concat, &req.base), 0, "%s", f.call.err.text);
    const Hdfs__LocatedBlocks *b = locate("/d/a", 0, INT64_MAX);
    cr_assert(b->n_blocks == 2 && b->file_length == 2 * CELL + 7);
    cr_assert(b->blocks[1]->b->block_id == group.block_id && b->blocks[1]->offset == 7);
    cr_assert_eq(b->blocks[1]->n_locs, 5, "two cells and three of parity");
}

Test(striped, a_balancer_learns_the_indices)
{
    Hdfs__ExtendedBlock group;
    add_nodes(UNITS);
    write_file("/d/a", 600, &group);
    Np__GetBlocksRequest req = NP__GET_BLOCKS_REQUEST__INIT;
    Hdfs__DatanodeID id = HDFS__DATANODE_ID__INIT;
    id.ip_addr = id.host_name = (char *)"127.0.0.1";
    id.xfer_port = 1000;
    req.datanode = &id;
    req.size = 1000;
    req.has_min_block_size = true;
    req.min_block_size = 0;
    unsigned found = 0;
    for (int i = 0; i < UNITS; i++) {
        char uuid[16];
        snprintf(uuid, sizeof(uuid), "dn%d", i);
        id.datanode_uuid = uuid;
        cr_assert_eq(namenode_call(&f, NAMENODE_getBlocks, &req.base), 0, "%s", f.call.err.text);
        const Np__BlocksWithLocations *l = ((const Np__GetBlocksResponse *)f.call.response)->blocks;
        found += (unsigned)l->n_blocks;
        if (l->n_blocks == 0)
            continue;
        const Np__BlockWithLocations *b = l->blocks[0];
        cr_assert(b->block->block_id == group.block_id && b->block->num_bytes == 600);
        cr_assert(b->has_data_block_num && b->data_block_num == DATA && b->cell_size == CELL);
        cr_assert(b->n_datanode_uuids == 4 && b->indices.len == 4);
    }
    cr_assert_eq(found, 4, "those that have one");
}

Test(striped, groups_are_counted_apart)
{
    Hdfs__ExtendedBlock group;
    int at[UNITS];
    bool done;
    add_nodes(UNITS);
    cr_assert(blocks_leave_safe_mode(f.nn->blocks, true, f.mono_ms) ||
              !blocks_in_safe_mode(f.nn->blocks));
    while (blocks_tick(f.nn->blocks, f.mono_ms, &f.rng, 1000))
        ;
    create("/d/a");
    places(add_group("/d/a", NULL, &group), at);
    group.has_num_bytes = true;
    group.num_bytes = 1;
    receive_unit(at[0], &group, 0, 1);
    cr_assert_eq(do_complete(&f, "/d/a", "c", &group, &done), 0);
    cr_assert(done);
    Hdfs__ExtendedBlock unit = group;
    report(&f, at[0], &unit, 1, DP__RECEIVED_DELETED_BLOCK_INFO__BLOCK_STATUS__DELETED);
    Cp__GetFsECBlockGroupStatsRequest req = CP__GET_FS_ECBLOCK_GROUP_STATS_REQUEST__INIT;
    cr_assert_eq(client_call(&f, CLIENT_getFsECBlockGroupStats, &req.base), 0);
    const Cp__GetFsECBlockGroupStatsResponse *res = (const void *)f.call.response;
    cr_assert(res->missing_blocks == 1 && res->low_redundancy == 1 && res->corrupt_blocks == 0);
    Cp__GetFsReplicatedBlockStatsRequest ask = CP__GET_FS_REPLICATED_BLOCK_STATS_REQUEST__INIT;
    cr_assert_eq(client_call(&f, CLIENT_getFsReplicatedBlockStats, &ask.base), 0);
    const Cp__GetFsReplicatedBlockStatsResponse *other = (const void *)f.call.response;
    cr_assert(other->missing_blocks == 0 && other->low_redundancy == 0);
}
