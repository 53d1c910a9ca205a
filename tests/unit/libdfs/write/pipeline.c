/* Who is to blame, who is left, and how long to ask again. */
#include <criterion/criterion.h>

#include "libdfs/write/write.h"

static Hdfs__DatanodeID ids[3];
static Hdfs__DatanodeInfo infos[3], *list[3];
static Hdfs__ExtendedBlock extended;
static Hdfs__LocatedBlock located;

static void three_nodes(void)
{
    static char addresses[3][16] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
    hdfs__extended_block__init(&extended);
    hdfs__located_block__init(&located);
    for (int i = 0; i < 3; i++) {
        hdfs__datanode_id__init(&ids[i]);
        hdfs__datanode_info__init(&infos[i]);
        ids[i].ip_addr = addresses[i];
        ids[i].xfer_port = 9866;
        infos[i].id = &ids[i];
        list[i] = &infos[i];
    }
    located.b = &extended;
    located.n_locs = 3;
    located.locs = list;
}

static struct wr_pipeline streaming(void)
{
    struct wr_pipeline p;
    three_nodes();
    wr_pipeline_init(&p);
    cr_assert_eq(wr_pipeline_start(&p, &located, NULL), 0);
    wr_pipeline_move(&p, WR_STREAMING);
    return p;
}

static struct xfer_ack ack_of(uint32_t count, Xfer__Status a, Xfer__Status b, Xfer__Status c)
{
    return (struct xfer_ack){.seqno = 3,
                             .count = count,
                             .flags = {xfer_ack_flag(a, XFER_ECN_SUPPORTED),
                                       xfer_ack_flag(b, XFER_ECN_DISABLED),
                                       xfer_ack_flag(c, XFER_ECN_CONGESTED)}};
}

Test(pipeline, blame_of_a_set_up)
{
    struct wr_pipeline p = streaming();
    cr_assert_eq(wr_blame_response(&p, "10.0.0.3:9866"), 2);
    cr_assert_eq(wr_blame_response(&p, ""), 0, "an empty link means the first node itself");
    cr_assert_eq(wr_blame_response(&p, NULL), 0);
    cr_assert_eq(wr_blame_response(&p, "10.9.9.9:1"), 0);
    wr_pipeline_drop(&p, 0, "gone");
    cr_assert_eq(wr_blame_response(&p, "10.0.0.3:9866"), 1, "positions count those that are left");
}

Test(pipeline, blame_of_an_acknowledgement)
{
    struct wr_pipeline p = streaming();
    int bad = 77;
    struct xfer_ack ok =
        ack_of(3, XFER__STATUS__SUCCESS, XFER__STATUS__SUCCESS, XFER__STATUS__SUCCESS);
    cr_assert_eq(wr_blame_ack(&p, &ok, &bad, NULL), 0);
    cr_assert_eq(bad, -1);
    struct xfer_ack third =
        ack_of(3, XFER__STATUS__SUCCESS, XFER__STATUS__SUCCESS, XFER__STATUS__ERROR);
    cr_assert_eq(wr_blame_ack(&p, &third, &bad, NULL), 0);
    cr_assert_eq(bad, 2);
    /* a node that lost its mirror speaks for two only */
    struct xfer_ack mirror =
        ack_of(2, XFER__STATUS__SUCCESS, XFER__STATUS__ERROR, XFER__STATUS__SUCCESS);
    cr_assert_eq(wr_blame_ack(&p, &mirror, &bad, NULL), 0);
    cr_assert_eq(bad, 1);
    struct xfer_ack restart = ack_of(1, XFER__STATUS__OOB_RESTART, 0, 0);
    cr_assert_eq(wr_blame_ack(&p, &restart, &bad, NULL), 0);
    cr_assert_eq(bad, 0);
    struct xfer_ack few = ack_of(2, XFER__STATUS__SUCCESS, XFER__STATUS__SUCCESS, 0);
    cr_assert_eq(wr_blame_ack(&p, &few, &bad, NULL), ERR_PROTOCOL);
    struct xfer_ack none = ack_of(0, 0, 0, 0);
    cr_assert_eq(wr_blame_ack(&p, &none, &bad, NULL), ERR_PROTOCOL);
    wr_pipeline_drop(&p, 1, "gone");
    cr_assert_eq(wr_blame_ack(&p, &ok, &bad, NULL), ERR_PROTOCOL, "three answers of two nodes");
}

Test(pipeline, recovers_while_there_is_progress)
{
    struct wr_pipeline p = streaming();
    for (int i = 0; i < 5; i++)
        cr_assert(wr_pipeline_may_recover(&p, 100, 5));
    cr_assert(!wr_pipeline_may_recover(&p, 100, 5));
    cr_assert(wr_pipeline_may_recover(&p, 101, 5), "progress starts the count anew");
    for (unsigned i = 3; i > 0; i--)
        wr_pipeline_drop(&p, i - 1, "lost");
    cr_assert(!wr_pipeline_may_recover(&p, 200, 5), "nobody is left");
    cr_assert_not_null(strstr(p.story, "10.0.0.3:9866: lost; 10.0.0.2:9866: lost"));
}

Test(pipeline, needs_nodes)
{
    struct wr_pipeline p;
    three_nodes();
    wr_pipeline_init(&p);
    located.n_locs = 0;
    cr_assert_eq(wr_pipeline_start(&p, &located, NULL), ERR_PROTOCOL);
}

Test(finish, doubles_up_to_a_limit_then_ends)
{
    struct wr_patience p = {400, 3000, 5, 100};
    static const int64_t due[] = {100, 400, 800, 1600, 3000, 3000};
    int64_t ms;
    for (size_t i = 0; i < ARRAY_SIZE(due); i++) {
        cr_assert(wr_patience_more(&p, &ms));
        cr_assert_eq(ms, due[i]);
    }
    cr_assert(!wr_patience_more(&p, &ms));
}

Test(pipeline, when_a_node_is_replaced)
{
    struct wr_pipeline p = streaming();
    cr_assert_not(wr_replace_wanted(WR_REPLACE_ALWAYS, &p, 3, true, true), "nobody is missing");
    wr_pipeline_drop(&p, 1, "x");
    cr_assert(wr_replace_wanted(WR_REPLACE_ALWAYS, &p, 3, false, false));
    cr_assert_not(wr_replace_wanted(WR_REPLACE_NEVER, &p, 3, true, true));
    cr_assert_not(wr_replace_wanted(WR_REPLACE_DEFAULT, &p, 3, false, false), "two of three");
    cr_assert(wr_replace_wanted(WR_REPLACE_DEFAULT, &p, 3, true, false));
    cr_assert(wr_replace_wanted(WR_REPLACE_DEFAULT, &p, 3, false, true));
    wr_pipeline_drop(&p, 0, "y");
    cr_assert(wr_replace_wanted(WR_REPLACE_DEFAULT, &p, 3, false, false), "one of three");
    cr_assert_not(wr_replace_wanted(WR_REPLACE_DEFAULT, &p, 2, true, true), "two are enough");
}

Test(pipeline, another_node_joins)
{
    struct wr_pipeline p = streaming();
    static char uuids[4][8] = {"a", "b", "c", "d"};
    for (int i = 0; i < 3; i++)
        ids[i].datanode_uuid = uuids[i];
    wr_pipeline_drop(&p, 1, "x");
    Hdfs__DatanodeID id = ids[0];
    Hdfs__DatanodeInfo node = infos[0], *with[] = {&infos[0], &node, &infos[2]};
    id.datanode_uuid = uuids[3];
    node.id = &id;
    Hdfs__LocatedBlock more = located;
    more.locs = with;
    cr_assert_eq(wr_pipeline_find_new(&p, &more), 1);
    cr_assert_eq(wr_pipeline_adopt(&p, &more, NULL), 0);
    cr_assert_eq(p.count, 3);
    cr_assert_eq(wr_pipeline_find_new(&p, &more), -1);
    Hdfs__DatanodeInfo *without[] = {&infos[0], &node};
    more.locs = without;
    more.n_locs = 2;
    cr_assert_eq(wr_pipeline_adopt(&p, &more, NULL), ERR_PROTOCOL);
}

Test(pipeline, slow_and_congested_bits)
{
    struct wr_pipeline p = streaming();
    struct xfer_ack slow = {.count = 3, .flags = {0, 2u << 7, 1u << 7}};
    struct xfer_ack well = {.count = 3};
    cr_assert_not(wr_ack_congested(&slow));
    slow.flags[2] |= 3u << 5;
    cr_assert(wr_ack_congested(&slow));
    for (int i = 0; i < 2; i++)
        cr_assert_eq(wr_pipeline_slow(&p, &slow, 3), -1);
    cr_assert_eq(wr_pipeline_slow(&p, &well, 3), -1, "the row is broken");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(wr_pipeline_slow(&p, &slow, 3), -1);
    cr_assert_eq(wr_pipeline_slow(&p, &slow, 3), 1);
    cr_assert_eq(wr_pipeline_slow(&p, &slow, 0), -1, "switched off");
}
