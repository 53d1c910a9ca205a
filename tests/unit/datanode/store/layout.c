#include <criterion/criterion.h>

#include "datanode/store/internal.h"

Test(layout, names)
{
    uint64_t id, gs;
    cr_assert(layout_block_name("blk_1073741825", &id));
    cr_assert_eq(id, 1073741825);
    cr_assert(layout_block_name("blk_-9223372036854775792", &id));
    cr_assert_eq((int64_t)id, INT64_MIN + 16);
    cr_assert(layout_meta_name("blk_-9223372036854775792_1001.meta", &id, &gs));
    cr_assert_eq(gs, 1001);
    const char *bad[] = {
        "blk_",    "blk_1x",  "blk_ 1",     "blk_+1", "blk_1_2", "blk_99999999999999999999",
        "blk_--1", "block_1", "blk_1.tail", ""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert(!layout_block_name(bad[i], &id), "%s", bad[i]);
    const char *bad_meta[] = {"blk_1.meta",    "blk_1_.meta",   "blk_1_2",
                              "blk_1_-2.meta", "blk_1_2.meta2", "blk_1_2.metax"};
    for (size_t i = 0; i < ARRAY_SIZE(bad_meta); i++)
        cr_assert(!layout_meta_name(bad_meta[i], &id, &gs), "%s", bad_meta[i]);
}

Test(layout, places)
{
    static struct volume v = {.path = "/d1"};
    struct store_path p;
    uint64_t id = (3u << 16) + (33u << 8) + 7; /* B wraps at 32 */
    layout_data(&p, &v, "BP-1", PLACE_FINALIZED, id);
    cr_assert_str_eq(p.text, "/d1/current/BP-1/current/finalized/subdir3/subdir1/blk_205063");
    layout_meta(&p, &v, "BP-1", PLACE_RBW, 5, 1001);
    cr_assert_str_eq(p.text, "/d1/current/BP-1/current/rbw/blk_5_1001.meta");
    layout_data(&p, &v, "BP-1", PLACE_TMP, (uint64_t)-16);
    cr_assert_str_eq(p.text, "/d1/current/BP-1/tmp/blk_-16");
    cr_assert(layout_pool_id_valid("BP-1-127.0.0.1-5"));
    cr_assert(!layout_pool_id_valid("../x"));
    cr_assert(!layout_pool_id_valid("a/b"));
    cr_assert(!layout_pool_id_valid(""));
}

Test(layout, sizes)
{
    struct crc_kind kind = {CRC_CRC32C, 512};
    cr_assert_eq(layout_meta_size(kind, 0), 7);
    cr_assert_eq(layout_meta_size(kind, 512), 11);
    cr_assert_eq(layout_meta_size(kind, 513), 15);
    uint8_t header[META_HEADER_SIZE];
    meta_header_encode(kind, header);
    cr_assert_eq(memcmp(header, "\x00\x01\x02\x00\x00\x02\x00", 7), 0);
    header[1] = 2;
    cr_assert_eq(meta_header_decode(header, &kind, NULL), ERR_CORRUPT);
}

Test(replica_state, only_the_moves_of_the_table)
{
    static const struct {
        enum replica_state from, to;
    } allowed[] = {{REPLICA_NONE, REPLICA_FINALIZED},    {REPLICA_NONE, REPLICA_RBW},
                   {REPLICA_NONE, REPLICA_RWR},          {REPLICA_NONE, REPLICA_TEMPORARY},
                   {REPLICA_RBW, REPLICA_FINALIZED},     {REPLICA_RBW, REPLICA_RUR},
                   {REPLICA_RBW, REPLICA_DELETED},       {REPLICA_RWR, REPLICA_RUR},
                   {REPLICA_RWR, REPLICA_DELETED},       {REPLICA_RUR, REPLICA_FINALIZED},
                   {REPLICA_RUR, REPLICA_DELETED},       {REPLICA_TEMPORARY, REPLICA_FINALIZED},
                   {REPLICA_TEMPORARY, REPLICA_RBW},     {REPLICA_TEMPORARY, REPLICA_DELETED},
                   {REPLICA_FINALIZED, REPLICA_RBW},     {REPLICA_FINALIZED, REPLICA_RUR},
                   {REPLICA_FINALIZED, REPLICA_DELETED}, {REPLICA_TEMPORARY, REPLICA_RUR}};
    size_t count = 0;
    for (int from = 0; from < REPLICA_STATE_COUNT; from++)
        for (int to = 0; to < REPLICA_STATE_COUNT; to++)
            count += replica_may_move((enum replica_state)from, (enum replica_state)to);
    cr_assert_eq(count, ARRAY_SIZE(allowed));
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        cr_assert(replica_may_move(allowed[i].from, allowed[i].to));
}

Test(tail, records)
{
    uint8_t bytes[TAIL_RECORD_SIZE];
    struct tail_record r;
    tail_encode(&(struct tail_record){700, 0x12345678}, bytes);
    cr_assert(tail_decode(bytes, &r));
    cr_assert(r.length == 700 && r.crc == 0x12345678);
    for (size_t i = 0; i < sizeof(bytes); i++) { /* any torn byte is noticed */
        bytes[i] ^= 0x40;
        cr_assert(!tail_decode(bytes, &r), "byte %zu", i);
        bytes[i] ^= 0x40;
    }
    memset(bytes, 0, sizeof(bytes));
    cr_assert(!tail_decode(bytes, &r));
}
