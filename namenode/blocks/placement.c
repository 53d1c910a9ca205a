/* placement.c - chooses the DataNodes for new replicas: Hadoop's default policy. See blocks.h.
 * Thread: state. Pure: randomness and time come in, nothing is changed.
 * The first replica on the writer's node (else a random one), the second on another rack, the third
 * on the rack of the second, more at random.
 * Invariants: (1) targets are live, in service, not excluded, with space for the block, and never
 * two on one node; (2) no rack gets more than max_per_rack; (3) if a pass comes out short, the next
 * one is less choosy (silent nodes, then busy ones), never against (1) or (2). */
#include <stdlib.h>

#include "namenode/blocks/internal.h"

enum { TRIES = 16 };

struct place {
    const struct blocks *b;
    const struct place_request *req;
    struct rng *rng;
    int64_t mono_ms;
    uint32_t *storages; /* results */
    size_t count;
    uint32_t max_per_rack, not_rack, not_node; /* not_*: 0 none */
    bool avoid_stale, avoid_busy;
};

enum scope { ANYWHERE, ON_RACK, OFF_RACK };

static const struct node *node_at(const struct place *p, uint32_t node)
{
    return nodes_at(p->b->nodes, node);
}

static uint32_t result_node(const struct place *p, size_t i)
{
    return nodes_storage(p->b->nodes, p->storages[i])->node;
}

/* Those that have it already come first. */
static size_t taken_count(const struct place *p)
{
    return p->req->chosen_count + p->count;
}

static uint32_t taken_node(const struct place *p, size_t i)
{
    size_t before = p->req->chosen_count;
    return i < before ? p->req->chosen[i] : result_node(p, i - before);
}

static bool contains(const uint32_t *list, size_t count, uint32_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* Hadoop's arithmetic: the volumes of the type together must have room for what is promised to the
 * node and for this block, and one of them for the block. The node itself picks the volume. */
static uint32_t pick_storage(const struct place *p, uint32_t node)
{
    uint64_t size = p->req->block_size == 0 ? 1 : p->req->block_size, room = 0, promised = 0;
    int type = p->req->storage_type == 0 ? STORAGE_DISK : p->req->storage_type;
    uint32_t best = 0;
    for (uint32_t s = node_at(p, node)->storages; s != 0;) {
        const struct node_storage *storage = nodes_storage(p->b->nodes, s);
        if (storage->type == type && !storage->failed && !storage->read_only) {
            promised += node_storage_scheduled(storage);
            if (storage->remaining >= size) {
                room += storage->remaining;
                bool idler =
                    best == 0 || node_storage_scheduled(storage) <
                                     node_storage_scheduled(nodes_storage(p->b->nodes, best));
                best = idler ? s : best;
            }
        }
        s = storage->next;
    }
    uint64_t need;
    if (__builtin_mul_overflow(size, promised + 1, &need) || room < need)
        return 0;
    return best;
}

static uint32_t rack_load(const struct place *p, uint32_t rack)
{
    uint32_t count = 0;
    for (size_t i = 0; i < taken_count(p); i++)
        count += node_at(p, taken_node(p, i))->rack_id == rack;
    return count;
}

/* Keeps (1) and (2). The storage to use, 0: not this node. */
static uint32_t acceptable(const struct place *p, uint32_t i)
{
    const struct node *node = node_at(p, i);
    const struct blocks_settings *settings = &p->b->settings;
    if (!node->alive || node->gone || node->admin != ADMIN_NORMAL || i == p->not_node ||
        (p->not_rack != 0 && node->rack_id == p->not_rack) ||
        contains(p->req->excluded, p->req->excluded_count, i))
        return 0;
    for (size_t k = 0; k < taken_count(p); k++)
        if (taken_node(p, k) == i)
            return 0;
    if (p->avoid_stale && node_is_stale(node, nodes_settings_get(p->b->nodes), p->mono_ms))
        return 0;
    double busy = settings->load_factor * nodes_average_xceivers(p->b->nodes);
    if (p->avoid_busy && busy > 0 && node->xceivers > busy)
        return 0;
    if (p->req->block_id != 0 && nodes_invalidate_waits(p->b->nodes, i, p->req->block_id))
        return 0;
    if (rack_load(p, node->rack_id) >= p->max_per_rack)
        return 0;
    return pick_storage(p, i);
}

static bool take_node(struct place *p, uint32_t node)
{
    uint32_t storage = acceptable(p, node);
    if (storage == 0)
        return false;
    p->storages[p->count++] = storage;
    return true;
}

static bool in_scope(const struct place *p, uint32_t node, enum scope scope, uint32_t rack)
{
    return scope == ANYWHERE || (node_at(p, node)->rack_id == rack) == (scope == ON_RACK);
}

/* A uniformly random node of the scope: a few blind tries, then a walk over all. */
static bool take_random(struct place *p, enum scope scope, uint32_t rack)
{
    uint32_t n = nodes_count(p->b->nodes), chosen = 0, seen = 0;
    for (int i = 0; i < TRIES && n > TRIES; i++) {
        uint32_t node = (uint32_t)rng_below(p->rng, n) + 1;
        if (in_scope(p, node, scope, rack) && take_node(p, node))
            return true;
    }
    for (uint32_t node = 1; node <= n; node++)
        if (in_scope(p, node, scope, rack) && acceptable(p, node) != 0 &&
            rng_below(p->rng, ++seen) == 0)
            chosen = node;
    return chosen != 0 && take_node(p, chosen);
}

static bool take_remote_rack(struct place *p, uint32_t rack)
{
    return take_random(p, OFF_RACK, rack) || take_random(p, ON_RACK, rack);
}

/* The rack of `node`; failing that, of another replica; failing that, anywhere. */
static bool take_local_rack(struct place *p, uint32_t node)
{
    uint32_t rack = node_at(p, node)->rack_id;
    if (take_random(p, ON_RACK, rack))
        return true;
    for (size_t i = 0; i < taken_count(p); i++) {
        uint32_t other = node_at(p, taken_node(p, i))->rack_id;
        if (other != rack)
            return take_random(p, ON_RACK, other) || take_random(p, ANYWHERE, 0);
    }
    return take_random(p, ANYWHERE, 0);
}

static bool take_first(struct place *p)
{
    uint32_t writer = p->req->writer_node;
    if (writer == 0 || (p->req->flags & PLACE_IGNORE_CLIENT_LOCALITY))
        return take_random(p, ANYWHERE, 0);
    return take_node(p, writer) || take_local_rack(p, writer);
}

static bool take_third(struct place *p)
{
    uint32_t first = taken_node(p, 0), second = taken_node(p, 1);
    uint32_t rack = node_at(p, first)->rack_id;
    if (rack == node_at(p, second)->rack_id)
        return take_remote_rack(p, rack);
    bool fresh = p->req->chosen_count == 0;
    return take_local_rack(p, fresh || p->req->writer_node == 0 ? second : p->req->writer_node);
}

/* The next one by the order of the policy. */
static bool take_next(struct place *p)
{
    switch (taken_count(p)) {
    case 0:
        return take_first(p);
    case 1:
        return take_remote_rack(p, node_at(p, taken_node(p, 0))->rack_id);
    case 2:
        return take_third(p);
    default:
        return take_random(p, ANYWHERE, 0);
    }
}

static void fill(struct place *p, size_t wanted)
{
    while (p->count < wanted && take_next(p))
        ;
}

/* Keeps (3). */
static void fill_in_passes(struct place *p, size_t wanted)
{
    bool busy_matters = p->b->settings.consider_load;
    p->avoid_stale = p->b->settings.avoid_stale_writes;
    p->avoid_busy = busy_matters;
    fill(p, wanted);
    p->avoid_stale = false;
    fill(p, wanted);
    p->avoid_busy = false;
    fill(p, wanted);
}

/* How many may be wanted at all, and on one rack: all racks share, and never all on one. */
static size_t limits(struct place *p)
{
    size_t live = nodes_live_count(p->b->nodes), have = p->req->chosen_count;
    size_t wanted = p->req->wanted;
    if (have + wanted > live)
        wanted = have >= live ? 0 : live - have;
    uint32_t total = (uint32_t)(have + wanted), racks = nodes_live_rack_count(p->b->nodes);
    p->max_per_rack = total;
    if (racks > 1 && total > 1) {
        p->max_per_rack = (total - 1) / racks + 2;
        if (p->max_per_rack == total)
            p->max_per_rack--;
    }
    return wanted;
}

/* From each node to the nearest of the rest. */
static void order_pipeline(struct place *p)
{
    uint32_t from = p->req->flags & PLACE_IGNORE_CLIENT_LOCALITY ? 0 : p->req->writer_node;
    for (size_t i = 0; i < p->count; i++) {
        size_t nearest = i;
        uint32_t best = UINT32_MAX;
        for (size_t k = i; k < p->count; k++) {
            uint32_t node = result_node(p, k);
            uint32_t d = from != 0 ? nodes_distance(p->b->nodes, from, node)
                                   : nodes_rack_distance(p->b->nodes, node, p->req->writer_rack);
            if (d < best) {
                best = d;
                nearest = k;
            }
        }
        uint32_t storage = p->storages[nearest];
        p->storages[nearest] = p->storages[i];
        p->storages[i] = storage;
        from = result_node(p, i);
    }
}

static void fill_avoiding_writer(struct place *p, size_t wanted)
{
    const struct place_request *req = p->req;
    if (req->writer_node != 0) {
        size_t before = p->count;
        bool racks = (req->flags & PLACE_NO_LOCAL_RACK) && nodes_live_rack_count(p->b->nodes) > 2;
        if (racks) {
            p->not_rack = node_at(p, req->writer_node)->rack_id;
            fill_in_passes(p, wanted);
            p->not_rack = 0;
            if (p->count == wanted)
                return;
            p->count = before;
        }
        if (req->flags & PLACE_NO_LOCAL_WRITE) {
            p->not_node = req->writer_node;
            fill_in_passes(p, wanted);
            p->not_node = 0;
            if (p->count == wanted)
                return;
            p->count = before; /* not enough without it */
        }
    }
    fill_in_passes(p, wanted);
}

size_t blocks_place(struct blocks *b, const struct place_request *req, int64_t mono_ms,
                    struct rng *rng, uint32_t *ret_storages)
{
    struct place p = {.b = b, .req = req, .rng = rng, .mono_ms = mono_ms, .storages = ret_storages};
    size_t wanted = limits(&p);
    for (size_t i = 0; i < req->favored_count && p.count < wanted; i++)
        if (req->favored[i] != 0)
            (void)take_node(&p, req->favored[i]);
    fill_avoiding_writer(&p, wanted);
    order_pipeline(&p);
    return p.count;
}
