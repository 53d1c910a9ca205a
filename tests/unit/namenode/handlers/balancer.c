/* NamenodeProtocol as balancers use it: getBlocks gives what stands on a node, with all places. */
#include <stdio.h>

#include "fixture.h"
#include "namenode.pb-c.h"

static struct fixture f;
static Hdfs__ExtendedBlock small, large;

static void write_file(const char *path, uint64_t length, Hdfs__ExtendedBlock *ret)
{
    bool done = false;
    cr_assert_eq(do_create(&f, path, "c", 1), 0, "%s", f.call.err.text);
    cr_assert_eq(do_add_block(&f, path, "c", NULL, ret), 0, "%s", f.call.err.text);
    ret->has_num_bytes = true;
    ret->num_bytes = length;
    for (int i = 0; i < 3; i++)
        report_received(&f, i, ret, length);
    cr_assert_eq(do_complete(&f, path, "c", ret, &done), 0, "%s", f.call.err.text);
    cr_assert(done);
}

static void setup(void)
{
    fixture_init(&f);
    for (int i = 0; i < 4; i++)
        add_datanode(&f, i);
    cr_assert_eq(do_mkdirs(&f, "/tmp"), 0);
    write_file("/tmp/small", 100, &small);
    write_file("/tmp/large", 1000, &large);
}

static void teardown(void)
{
    fixture_fini(&f);
}

static int get_blocks(int node, uint64_t size, uint64_t min, const Np__BlocksWithLocations **ret)
{
    Np__GetBlocksRequest request = NP__GET_BLOCKS_REQUEST__INIT;
    Hdfs__DatanodeID id = HDFS__DATANODE_ID__INIT;
    char uuid[16];
    snprintf(uuid, sizeof(uuid), "dn%d", node);
    id.ip_addr = id.host_name = (char *)"127.0.0.1";
    id.xfer_port = (uint32_t)(1000 + node);
    id.datanode_uuid = uuid;
    request.datanode = &id;
    request.size = size;
    request.has_min_block_size = true;
    request.min_block_size = min;
    int rc = namenode_call(&f, NAMENODE_getBlocks, &request.base);
    if (rc == 0)
        *ret = ((const Np__GetBlocksResponse *)f.call.response)->blocks;
    return rc;
}

TestSuite(balancer, .init = setup, .fini = teardown);

Test(balancer, blocks_of_a_node_with_their_places)
{
    const Np__BlocksWithLocations *b;
    cr_assert_eq(get_blocks(0, 1 << 20, 0, &b), 0, "%s", f.call.err.text);
    cr_assert_eq(b->n_blocks, 2);
    cr_assert_eq(get_blocks(0, 1 << 20, 101, &b), 0);
    cr_assert_eq(b->n_blocks, 1, "the small one isn't worth it");
    cr_assert_eq(b->blocks[0]->block->block_id, large.block_id);
    cr_assert_eq(b->blocks[0]->block->num_bytes, 1000);
    cr_assert_eq(b->blocks[0]->n_datanode_uuids, 3);
    cr_assert_eq(b->blocks[0]->n_storage_types, 3);
    cr_assert_eq(get_blocks(3, 1 << 20, 0, &b), 0);
    cr_assert_eq(b->n_blocks, 0, "nothing stands there");
    cr_assert_eq(get_blocks(0, 1, 0, &b), 0);
    cr_assert_eq(b->n_blocks, 1, "the first one is enough");
}

Test(balancer, refusals)
{
    const Np__BlocksWithLocations *b;
    cr_assert_eq(get_blocks(0, 0, 0, &b), ERR_CONFIG);
    cr_assert_str_eq(f.call.err.text, "Unexpected not positive size: 0");
    cr_assert_eq(get_blocks(9, 1, 0, &b), ERR_ILLEGAL_ARGUMENT);
    cr_assert_str_eq(f.call.err.text, "Datanode 127.0.0.1:1009 not found.");
    f.user = "nobody";
    cr_assert_eq(get_blocks(0, 1, 0, &b), ERR_ACCESS);
}
