/* verify.c - recounts what the room keeps. See nodes.h. Slow; for tests and debug commands. */
#include <stdlib.h>
#include <utlist.h>

#include "namenode/nodes/internal.h"

static void verify_queues(const struct nodes *n, const struct node *node)
{
    uint32_t copies = 0, invalids = 0, internal = 0, last = 0;
    struct node_copy *copy;
    DL_FOREACH(node->copies, copy)
    {
        copies++;
    }
    CHECK(copies == node->copy_count);
    uint32_t rebuilds = 0;
    struct node_rebuild *rebuild;
    DL_FOREACH(node->rebuilds, rebuild)
    {
        rebuilds++;
    }
    CHECK(rebuilds == node->rebuild_count);
    for (uint32_t h = node->invalid_first; h != 0;) {
        const struct invalid *v = pool_at(&n->invalids, h);
        CHECK(v->prev == last);
        CHECK(idmap_find(&node->invalid_ids, v->block.id) == h);
        invalids++;
        internal += (int64_t)v->block.id < 0;
        last = h;
        h = v->next;
    }
    CHECK(last == node->invalid_last);
    CHECK(internal == node->invalid_internal);
    CHECK(invalids == node->invalid_count && node->invalid_ids.used == invalids);
}

static void verify_names(const struct nodes *n, uint32_t i)
{
    const struct node *node = nodes_at(n, i);
    CHECK(nodes_find(n, node->uuid) == i);
    uint32_t at = nodes_find_address(n, node->ip, node->xfer_port);
    CHECK(node->gone ? at != i : at == i);
    CHECK(!(node->gone && node->alive));
}

void nodes_verify(const struct nodes *n)
{
    uint32_t live = 0, service = 0, racks = 0, waiting = 0;
    uint64_t xceivers = 0;
    uint32_t *rack_live = calloc((size_t)n->rack_count + 1, sizeof(*rack_live));
    CHECK(rack_live != NULL);
    for (uint32_t i = 1; i <= nodes_count(n); i++) {
        const struct node *node = nodes_at(n, i);
        verify_names(n, i);
        verify_queues(n, node);
        for (uint32_t s = node->storages; s != 0; s = nodes_storage(n, s)->next)
            CHECK(nodes_storage(n, s)->node == i);
        if (!node->alive)
            continue;
        live++;
        waiting += node->invalid_count > 0;
        if (!node_decommissions(node))
            racks += rack_live[node->rack_id]++ == 0;
        service += node->admin == ADMIN_NORMAL;
        xceivers += node->admin == ADMIN_NORMAL ? node->xceivers : 0;
    }
    CHECK(live == n->live_count && racks == n->live_rack_count);
    CHECK(waiting == n->waiting_count);
    CHECK(service == n->service_count && xceivers == n->service_xceivers);
    for (uint32_t r = 0; r < n->rack_count; r++)
        CHECK(n->racks[r].live == rack_live[r + 1]);
    free(rack_live);
}
