/* surplus.c - which internal blocks of a group are too many. See mend.h.
 * Invariant: of each index that the group is to have one replica in service stays. */
#include "namenode/mend/internal.h"

enum { LATE_HEARTBEATS = 4 };

struct surplus {
    const struct nodes *nodes;
    const struct mend_group *g;
    uint32_t hint_node;
    int64_t mono_ms;
    uint32_t *gone; /* positions */
    size_t gone_count;
};

static bool stays(const struct surplus *s, size_t position)
{
    const struct mend_replica *r = &s->g->replicas[position];
    for (size_t i = 0; i < s->gone_count; i++)
        if (s->gone[i] == position)
            return false;
    return mend_good(r) && mend_usable(s->nodes, r->storage) &&
           node_in_service(mend_node(s->nodes, r->storage));
}

static size_t others(const struct surplus *s, size_t position)
{
    size_t count = 0;
    for (size_t i = 0; i < s->g->replica_count; i++)
        count += i != position && s->g->replicas[i].index == s->g->replicas[position].index &&
                 stays(s, i);
    return count;
}

static bool may_go(const struct surplus *s, size_t position)
{
    if (!stays(s, position))
        return false;
    bool wanted = (s->g->units & mend_bit(s->g->replicas[position].index)) != 0;
    return !wanted || others(s, position) > 0;
}

static size_t on_rack(const struct surplus *s, uint32_t rack)
{
    size_t count = 0;
    for (size_t i = 0; i < s->g->replica_count; i++)
        count += stays(s, i) && mend_node(s->nodes, s->g->replicas[i].storage)->rack_id == rack;
    return count;
}

static bool is_late(const struct surplus *s, const struct node *node)
{
    return s->mono_ms - node->heard_ms >
           LATE_HEARTBEATS * nodes_settings_get(s->nodes)->heartbeat_interval_ms;
}

static bool goes_before(const struct surplus *s, size_t a, size_t b)
{
    uint32_t x = s->g->replicas[a].storage, y = s->g->replicas[b].storage;
    const struct node *xn = mend_node(s->nodes, x), *yn = mend_node(s->nodes, y);
    bool x_hint = s->hint_node != 0 && nodes_storage(s->nodes, x)->node == s->hint_node;
    bool y_hint = s->hint_node != 0 && nodes_storage(s->nodes, y)->node == s->hint_node;
    if (x_hint != y_hint)
        return x_hint;
    if (is_late(s, xn) != is_late(s, yn))
        return is_late(s, xn);
    size_t x_rack = on_rack(s, xn->rack_id), y_rack = on_rack(s, yn->rack_id);
    if (x_rack != y_rack)
        return x_rack > y_rack;
    return nodes_storage(s->nodes, x)->remaining < nodes_storage(s->nodes, y)->remaining;
}

size_t mend_surplus(const struct nodes *n, const struct mend_group *g, uint32_t hint_node,
                    int64_t mono_ms, uint32_t *ret)
{
    struct surplus s = {n, g, hint_node, mono_ms, ret, 0};
    for (;;) {
        size_t best = g->replica_count;
        for (size_t i = 0; i < g->replica_count; i++)
            if (may_go(&s, i) && (best == g->replica_count || goes_before(&s, i, best)))
                best = i;
        if (best == g->replica_count)
            return s.gone_count;
        ret[s.gone_count++] = (uint32_t)best;
    }
}
