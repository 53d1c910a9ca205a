#include <criterion/criterion.h>

#include "namenode/nodes/nodes.h"

static struct nodes *make(uint32_t *ret_node)
{
    struct nodes_settings s;
    struct nodes *n = NULL;
    struct node_registration r = {.uuid = "a",
                                  .ip = "10.0.0.1",
                                  .hostname = "host",
                                  .software_version = "3.4.3",
                                  .xfer_port = 1};
    nodes_settings_defaults(&s);
    cr_assert_eq(nodes_new(&s, &n), 0);
    cr_assert_eq(nodes_register(n, &r, 1, 1, ret_node, NULL), 0);
    return n;
}

static bool order(struct nodes *n, uint32_t node, uint64_t group)
{
    struct node_rebuild_order o = {.group = {group, 7, 100},
                                   .policy = 1,
                                   .source_count = 6,
                                   .target_count = 2,
                                   .target_indices = {3, 8},
                                   .targets = {21, 22}};
    return nodes_order_rebuild(n, node, &o);
}

static void copies(struct nodes *n, uint32_t node, unsigned count)
{
    uint32_t target = 9;
    for (uint64_t id = 1; id <= count; id++)
        cr_assert(nodes_order_copy(n, node, (struct node_block){id, 1, 1}, &target, 1));
}

Test(rebuild, orders_leave_in_order_and_whole)
{
    uint32_t a;
    struct nodes *n = make(&a);
    for (uint64_t group = 16; group <= 48; group += 16)
        cr_assert(order(n, a, group));
    nodes_verify(n);
    cr_assert(nodes_cancel_rebuild(n, a, 32));
    cr_assert_not(nodes_cancel_rebuild(n, a, 32));
    struct node_rebuild_order out[4];
    cr_assert_eq(nodes_take_rebuilds(n, a, out, 4), 2);
    cr_assert_eq(out[0].group.id, 16);
    cr_assert_eq(out[1].group.id, 48);
    cr_assert_eq(out[1].target_indices[1], 8);
    cr_assert_eq(out[1].targets[1], 22);
    cr_assert_eq(nodes_at(n, a)->rebuild_count, 0);
    nodes_verify(n);
    nodes_free(n);
}

Test(rebuild, the_queue_is_limited_and_cleared)
{
    uint32_t a, accepted = 0;
    struct nodes *n = make(&a);
    while (order(n, a, 16))
        accepted++;
    cr_assert_eq(accepted, NODE_COPIES_MAX);
    nodes_clear_orders(n, a);
    cr_assert_eq(nodes_at(n, a)->rebuild_count, 0);
    nodes_verify(n);
    cr_assert(order(n, a, 16)); /* freed with the room */
    nodes_free(n);
}

Test(rebuild, streams_are_shared_by_the_lengths_of_the_queues)
{
    uint32_t a;
    struct nodes *n = make(&a);
    struct node_share s = nodes_stream_share(n, a);
    cr_assert(s.copies == 0 && s.rebuilds == 0);
    cr_assert(order(n, a, 16) && order(n, a, 32));
    s = nodes_stream_share(n, a);
    cr_assert(s.copies == 0 && s.rebuilds == 2);
    copies(n, a, 98);
    s = nodes_stream_share(n, a);
    cr_assert(s.copies == 2 && s.rebuilds == 1, "the few don't starve");
    nodes_at_mut(n, a)->xmits = 2;
    s = nodes_stream_share(n, a);
    cr_assert(s.copies == 0 && s.rebuilds == 0);
    nodes_free(n);
}

Test(rebuild, who_leaves_may_send_more)
{
    uint32_t a;
    struct nodes *n = make(&a);
    struct node_copy_order out[8];
    copies(n, a, 8);
    nodes_set_admin(n, a, ADMIN_DECOMMISSION_IN_PROGRESS);
    cr_assert_eq(nodes_stream_share(n, a).copies, 4);
    cr_assert_eq(nodes_take_copies(n, a, out, 8), 4);
    nodes_at_mut(n, a)->xmits = 3;
    cr_assert_eq(nodes_take_copies(n, a, out, 8), 1);
    nodes_set_admin(n, a, ADMIN_NORMAL);
    cr_assert_eq(nodes_take_copies(n, a, out, 8), 0);
    nodes_free(n);
}
