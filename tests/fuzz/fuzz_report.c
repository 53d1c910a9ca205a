// room: namenode_blocks
/* fuzz_report.c - block reports from outside: both forms of the full report, cut anywhere, taken in
 * small slices, and incremental ones in between. Whatever comes, the room's own recount must hold.
 */
#include <stdlib.h>

#include "namenode/blocks/blocks.h"

enum { BLOCKS = 24, GROUPS = 8, CHUNKS = 64 };

static struct nodes *nodes;
static struct blocks *blocks;

static const struct ec_policy rs32 = {
    .id = 2, .data_units = 3, .parity_units = 2, .codec = EC_RS, .cell_size = 1024};

static const struct ec_policy *policy_at(void *ctx, uint8_t id)
{
    (void)ctx;
    return id == rs32.id ? &rs32 : NULL;
}

/* Ids -16, -32 .. are short as varints; one of three has a policy that nobody knows. */
static void build_groups(void)
{
    blocks_ec_from(blocks, policy_at, NULL);
    for (uint64_t i = 1; i <= GROUPS; i++) {
        struct block_info info = {.id = 0 - 16 * i,
                                  .generation_stamp = 3,
                                  .length = i % 2 == 0 ? 5 : 5000,
                                  .state = i % 4 == 0 ? BLOCK_UNDER_CONSTRUCTION : BLOCK_COMPLETE,
                                  .ec = i % 3 == 0 ? 70 : 2};
        handle_t h;
        CHECK(blocks_add(blocks, &info, &h) == 0);
    }
}

static void build(void)
{
    struct nodes_settings ns;
    struct blocks_settings bs;
    nodes_settings_defaults(&ns);
    blocks_settings_defaults(&bs);
    CHECK(nodes_new(&ns, &nodes) == 0);
    CHECK(blocks_new(&bs, nodes, &blocks) == 0);
    blocks_start(blocks, 100000, 1);
    for (int i = 0; i < 2; i++) {
        struct node_registration r = {.uuid = i == 0 ? "a" : "b",
                                      .ip = i == 0 ? "10.0.0.1" : "10.0.0.2",
                                      .hostname = "h",
                                      .software_version = "3",
                                      .xfer_port = 1};
        uint32_t node = 0, storage = 0;
        CHECK(nodes_register(nodes, &r, 1, 1, &node, NULL) == 0);
        CHECK(nodes_add_storage(nodes, node, "s", STORAGE_DISK, false, &storage, NULL) == 0);
    }
    for (uint64_t id = 1; id <= BLOCKS; id++) {
        struct block_info info = {.id = id,
                                  .generation_stamp = 3,
                                  .length = 5,
                                  .replication = 1 + (uint32_t)(id % 3),
                                  .state = id % 4 == 0 ? BLOCK_UNDER_CONSTRUCTION : BLOCK_COMPLETE};
        handle_t h;
        CHECK(blocks_add(blocks, &info, &h) == 0);
    }
    build_groups();
}

/* The first byte of what is left says how much the piece takes. */
static size_t cut(const uint8_t *data, size_t size, struct slice *ret)
{
    size_t count = 0;
    while (size > 0 && count < CHUNKS) {
        size_t n = count == CHUNKS - 1 ? size - 1 : data[0] % 16;
        n = n < size - 1 ? n : size - 1;
        ret[count++] = (struct slice){data + 1, n};
        data += 1 + n;
        size -= 1 + n;
    }
    return count;
}

static void full_report(uint32_t storage, const struct report_source *source, uint8_t seed)
{
    struct block_report *r = NULL;
    CHECK(blocks_report_start(blocks, storage, source, &r) == 0);
    struct rng rng = {seed};
    int rc;
    while ((rc = blocks_report_step(r, 3, 2, 2, NULL)) == REPORT_MORE) {
        uint64_t id = rng_below(&rng, BLOCKS) + 1;
        if (rng_below(&rng, 2) == 0)
            id = 0 - rng_below(&rng, GROUPS * 16) - 1;
        struct received_block item = {.block = {id, 3, 5},
                                      .status = (enum received_status)(1 + rng_below(&rng, 3))};
        if (rng_below(&rng, 4) == 0)
            CHECK(blocks_received(blocks, 3 - storage, &item, 1, 2, NULL) == 0);
    }
    CHECK(rc == REPORT_DONE || rc == ERR_PROTOCOL);
    blocks_report_free(r);
    blocks_verify(blocks);
    nodes_verify(nodes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    build();
    struct slice chunks[CHUNKS];
    static const struct slice none;
    struct report_source buffers = {.buffers = chunks, .buffer_count = 0};
    buffers.buffer_count = cut(data + 2, size - 2, chunks);
    if (buffers.buffer_count == 0)
        buffers.buffers = &none;
    size_t count = 0;
    uint64_t *longs = malloc((size / 2 + 1) * sizeof(*longs));
    CHECK(longs != NULL);
    struct reader in = reader_of(data + 2, size - 2);
    while (reader_left(&in) > 0 && !in.bad && count < size / 2)
        longs[count++] = read_varint(&in);
    struct report_source list = {.longs = longs, .long_count = count};
    full_report(1, data[0] & 1 ? &buffers : &list, data[1]);
    full_report(data[0] & 2 ? 1 : 2, data[0] & 4 ? &buffers : &list, data[1]);
    struct rng rng = {data[1]};
    for (int64_t now = 3000; now < 30000; now += 3000)
        blocks_tick(blocks, now, &rng, 7);
    blocks_verify(blocks);
    free(longs);
    blocks_free(blocks);
    nodes_free(nodes);
    return 0;
}
