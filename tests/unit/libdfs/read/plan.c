/* Which block holds which byte, and what contradictory answers do. */
#include <criterion/criterion.h>

#include "libdfs/read/read.h"

/* An answer with blocks of the given lengths, the first one at offset. */
static struct rd_page *answer(uint64_t offset, const uint64_t *lengths, size_t n, uint64_t file)
{
    struct rd_page *page = rd_page_new();
    page->blocks = arena_new(&page->arena, Hdfs__LocatedBlocks);
    hdfs__located_blocks__init(page->blocks);
    page->blocks->file_length = file;
    page->blocks->is_last_block_complete = true;
    page->blocks->n_blocks = n;
    page->blocks->blocks = arena_array(&page->arena, Hdfs__LocatedBlock *, n);
    for (size_t i = 0; i < n; i++) {
        Hdfs__LocatedBlock *b = arena_new(&page->arena, Hdfs__LocatedBlock);
        hdfs__located_block__init(b);
        b->b = arena_new(&page->arena, Hdfs__ExtendedBlock);
        hdfs__extended_block__init(b->b);
        b->b->block_id = 100 + i;
        b->b->num_bytes = lengths[i];
        b->offset = offset;
        offset += lengths[i];
        page->blocks->blocks[i] = b;
    }
    return page;
}

static void merge_ok(struct rd_plan *p, struct rd_page *page)
{
    cr_assert_eq(rd_plan_merge(p, page, NULL), 0);
    rd_page_unref(page);
}

Test(plan, finds_blocks_of_any_length)
{
    struct rd_plan p = {0};
    merge_ok(&p,
             answer(0, (uint64_t[]){10, 3, 0, 7}, 4, 20)); /* short ones in the middle are legal */
    cr_assert_eq(p.length, 20);
    cr_assert_eq(p.count, 3);
    cr_assert_eq(rd_plan_find(&p, 0)->offset, 0);
    cr_assert_eq(rd_plan_find(&p, 9)->offset, 0);
    cr_assert_eq(rd_plan_find(&p, 10)->offset, 10);
    cr_assert_eq(rd_plan_find(&p, 12)->offset, 10);
    cr_assert_eq(rd_plan_find(&p, 13)->offset, 13);
    cr_assert_eq(rd_plan_find(&p, 19)->block->b->block_id, 103);
    cr_assert_null(rd_plan_find(&p, 20));
    rd_plan_fini(&p);
}

Test(plan, pages_come_in_any_order_and_replace)
{
    struct rd_plan p = {0};
    merge_ok(&p, answer(20, (uint64_t[]){10, 10}, 2, 60));
    cr_assert_null(rd_plan_find(&p, 19));
    cr_assert_null(rd_plan_find(&p, 40));
    merge_ok(&p, answer(0, (uint64_t[]){10, 10}, 2, 60));
    merge_ok(&p, answer(40, (uint64_t[]){10, 10}, 2, 60));
    cr_assert_eq(p.count, 6);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(p.items[i].offset, i * 10);
    struct rd_page *old = rd_page_ref(p.items[2].page);
    merge_ok(&p, answer(20, (uint64_t[]){10, 10}, 2, 60)); /* fresh locations of the same blocks */
    cr_assert_eq(p.count, 6);
    cr_assert_neq(p.items[2].page, old);
    cr_assert_eq(old->refs, 1);
    rd_page_unref(old);
    rd_plan_fini(&p);
}

Test(plan, contradictions_change_nothing)
{
    struct rd_plan p = {0};
    merge_ok(&p, answer(0, (uint64_t[]){10, 10}, 2, 20));
    struct rd_page *bad[] = {
        answer(0, (uint64_t[]){10, 11}, 2, 20),         /* beyond the file */
        answer(5, (uint64_t[]){UINT64_MAX - 3}, 1, 20), /* wraps around */
        answer(0, (uint64_t[]){10, 10}, 2, 20),         /* overlap, made below */
    };
    bad[2]->blocks->blocks[1]->offset = 9;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        cr_assert_eq(rd_plan_merge(&p, bad[i], &err), ERR_PROTOCOL, "case %zu", i);
        cr_assert_eq(p.count, 2);
        cr_assert_eq(p.items[1].length, 10);
        rd_page_unref(bad[i]);
    }
    rd_plan_fini(&p);
}

Test(plan, open_block_extends_the_file)
{
    struct rd_plan p = {0};
    struct rd_page *page = answer(0, (uint64_t[]){10, 5}, 2, 10); /* the second one is open */
    page->blocks->last_block = page->blocks->blocks[1];
    cr_assert_eq(rd_plan_merge(&p, page, NULL), 0);
    cr_assert_eq(p.length, 10);
    cr_assert_eq(rd_plan_add_open_block(&p, page, 0, NULL), 0);
    cr_assert_eq(p.count, 1);
    cr_assert_eq(rd_plan_add_open_block(&p, page, 7, NULL), 0);
    cr_assert_eq(p.length, 17);
    cr_assert_eq(rd_plan_find(&p, 16)->offset, 10);
    cr_assert_eq(rd_plan_add_open_block(&p, page, UINT64_MAX, NULL), ERR_PROTOCOL);
    rd_page_unref(page);
    rd_plan_fini(&p);
}

Test(plan, unsupported_files_are_named)
{
    struct err err = {0};
    Hdfs__LocatedBlocks blocks = HDFS__LOCATED_BLOCKS__INIT;
    Hdfs__ErasureCodingPolicy policy = HDFS__ERASURE_CODING_POLICY__INIT;
    Hdfs__ECSchema schema = HDFS__ECSCHEMA__INIT;
    cr_assert_eq(rd_check_supported(&blocks, &err), 0);
    policy.id = 1; /* the rest of a built-in one is known */
    blocks.ec_policy = &policy;
    cr_assert_eq(rd_check_supported(&blocks, &err), 0);
    policy.id = 64;
    policy.schema = &schema;
    schema.codec_name = (char *)"turbo";
    schema.data_units = 3;
    schema.parity_units = 2;
    policy.has_cell_size = true;
    policy.cell_size = 65536;
    cr_assert_eq(rd_check_supported(&blocks, &err), ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "turbo"));
}

Test(choose, order_of_the_server_without_dead_and_tried)
{
    Hdfs__DatanodeID ids[3];
    Hdfs__DatanodeInfo infos[3], *list[3];
    const char *uuids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        hdfs__datanode_id__init(&ids[i]);
        hdfs__datanode_info__init(&infos[i]);
        ids[i].datanode_uuid = (char *)uuids[i];
        infos[i].id = &ids[i];
        list[i] = &infos[i];
    }
    Hdfs__LocatedBlock b = HDFS__LOCATED_BLOCK__INIT;
    b.n_locs = 3;
    b.locs = list;
    struct rd_dead dead = {0};
    cr_assert_eq(rd_choose(&b, &dead, 0), 0);
    cr_assert_eq(rd_choose(&b, &dead, 1), 1);
    rd_dead_add(&dead, list[1]);
    rd_dead_add(&dead, list[1]);
    cr_assert_eq(dead.count, 1);
    cr_assert_eq(rd_choose(&b, &dead, 1), 2);
    cr_assert_eq(rd_choose(&b, &dead, 5), -1);
    rd_dead_clear(&dead);
    cr_assert_eq(rd_choose(&b, &dead, 1), 1);
}
