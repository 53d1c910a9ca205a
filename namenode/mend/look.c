/* look.c - which internal blocks a group has, and which it lacks. See mend.h. */
#include "namenode/mend/internal.h"

void mend_look(const struct nodes *n, const struct mend_group *g, struct mend_state *ret)
{
    struct mend_state s = {0};
    for (size_t i = 0; i < g->replica_count; i++) {
        const struct mend_replica *r = &g->replicas[i];
        const struct node *node = mend_node(n, r->storage);
        uint16_t bit = mend_bit(r->index) & g->units;
        if (!mend_good(r))
            continue;
        s.live |= node_in_service(node) ? bit : 0;
        s.decommissioning |= node_decommissions(node) ? bit : 0;
        s.kept |= node_in_maintenance(node) ? bit : 0;
        s.readable |= mend_usable(n, r->storage) ? bit : 0;
    }
    for (size_t i = 0; i < g->pending_count; i++)
        s.pending |= mend_bit(g->pending[i].index) & g->units;
    s.decommissioning &= (uint16_t)~s.live;
    s.kept &= (uint16_t) ~(s.live | s.decommissioning);
    *ret = s;
}

uint16_t mend_wanted(uint16_t units, unsigned data_units, const struct mend_state *s)
{
    uint16_t have = s->live | s->pending;
    uint16_t wanted = units & (uint16_t) ~(have | s->kept);
    uint16_t kept = s->kept & (uint16_t)~have;
    while (kept != 0 && mend_size(have | wanted) < data_units) {
        uint16_t bit = mend_bit(mend_lowest(kept));
        kept &= (uint16_t)~bit;
        wanted |= bit;
    }
    return wanted;
}
