#include <criterion/criterion.h>

#include "datanode/volume/volume.h"

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
