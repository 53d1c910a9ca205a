/* plan.c - who shall decode what from whom, and who shall copy. See mend.h.
 * Invariants: (1) an index is the source of a plan at most once, and a target at most once, never
 * both; (2) a target is no node that has any replica of the group or will get one; (3) what is
 * decoded has at least data_units sources; (4) in an order to decode, each index that exists is a
 * source, a target, or excluded: a node that derives its targets comes to the same. */
#include "namenode/mend/internal.h"

enum { LISTED_MAX = 128 };

struct maker {
    const struct nodes *nodes;
    const struct place_settings *place;
    const struct mend_group *g;
    const struct mend_limits *limits;
    struct mend_state state;
    uint32_t source[MEND_UNITS]; /* storages; of indices in `sources` */
    uint16_t sources, busy;      /* readable ones with room for orders; only without */
    struct mend_plan *plan;
};

/* ---- sources ---- */

static bool is_busy(const struct maker *m, const struct node *node)
{
    bool more = m->limits->urgent || !node_in_service(node);
    return node->copy_count + node->rebuild_count >=
           (more ? m->limits->streams_hard : m->limits->streams);
}

/* Smaller is better: who may be gone soon or at any time is asked last. */
static unsigned rank(const struct node *node)
{
    static const uint8_t ranks[] = {
        [ADMIN_NORMAL] = 0,
        [ADMIN_DECOMMISSION_IN_PROGRESS] = 1,
        [ADMIN_ENTERING_MAINTENANCE] = 2,
        [ADMIN_DECOMMISSIONED] = 3,
        [ADMIN_IN_MAINTENANCE] = 4,
    };
    return ranks[node->admin];
}

/* Keeps (1): the best one of each index. */
static void find_sources(struct maker *m)
{
    m->sources = m->busy = 0;
    for (size_t i = 0; i < m->g->replica_count; i++) {
        const struct mend_replica *r = &m->g->replicas[i];
        const struct node *node = mend_node(m->nodes, r->storage);
        uint16_t bit = mend_bit(r->index) & m->g->units;
        if (bit == 0 || !mend_good(r) || !mend_usable(m->nodes, r->storage))
            continue;
        if (is_busy(m, node)) {
            m->busy |= bit;
            continue;
        }
        if ((m->sources & bit) == 0 || rank(node) < rank(mend_node(m->nodes, m->source[r->index])))
            m->source[r->index] = r->storage;
        m->sources |= bit;
    }
    m->busy &= (uint16_t)~m->sources;
}

/* ---- targets ---- */

struct node_lists {
    uint32_t have[LISTED_MAX], avoid[LISTED_MAX]; /* storages that count for racks; nodes */
    size_t have_count, avoid_count;
};

/* Keeps (2). */
static void list_nodes(const struct maker *m, struct node_lists *l)
{
    const struct mend_group *g = m->g;
    l->have_count = l->avoid_count = 0;
    for (size_t i = 0; i < g->replica_count; i++) {
        uint32_t storage = g->replicas[i].storage;
        bool counts = mend_good(&g->replicas[i]) && mend_usable(m->nodes, storage) &&
                      node_in_service(mend_node(m->nodes, storage));
        if (counts && l->have_count < LISTED_MAX)
            l->have[l->have_count++] = storage;
        else if (l->avoid_count < LISTED_MAX)
            l->avoid[l->avoid_count++] = nodes_storage(m->nodes, storage)->node;
    }
    for (size_t i = 0; i < g->pending_count && l->have_count < LISTED_MAX; i++)
        l->have[l->have_count++] = g->pending[i].storage;
}

static size_t choose_targets(const struct maker *m, uint32_t wanted, int64_t mono_ms,
                             struct rng *rng, uint32_t *ret)
{
    struct node_lists l;
    list_nodes(m, &l);
    struct place_request req = {
        .wanted = wanted,
        .chosen = l.have,
        .chosen_count = l.have_count,
        .excluded = l.avoid,
        .excluded_count = l.avoid_count,
        .block_size = m->g->unit_size,
        .block_id = m->g->block.id,
        .policy = m->g->storage_policy,
    };
    return place_choose(m->nodes, m->place, &req, mono_ms, rng, ret);
}

/* ---- orders ---- */

/* Keeps (3) and (4). */
static void add_rebuild(struct maker *m, uint16_t lost, const uint32_t *targets, size_t count)
{
    struct node_rebuild_order *o = &m->plan->rebuild;
    *o = (struct node_rebuild_order){.group = m->g->block, .policy = m->g->ec_policy};
    for (unsigned i = 0; i < MEND_UNITS; i++) {
        uint16_t bit = mend_bit(i) & m->g->units;
        if ((bit & m->sources) != 0) {
            o->source_indices[o->source_count] = (uint8_t)i;
            o->sources[o->source_count++] = m->source[i];
        } else if ((bit & lost) != 0 && o->target_count < count) {
            o->target_indices[o->target_count] = (uint8_t)i;
            o->targets[o->target_count] = targets[o->target_count];
            o->target_count++;
        } else if (bit != 0) {
            o->excluded[o->excluded_count++] = (uint8_t)i;
        }
    }
    CHECK(o->source_count >= m->g->data_units && o->target_count == count);
}

static void add_copies(struct maker *m, uint16_t copied, const uint32_t *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned index = mend_lowest(copied);
        copied &= (uint16_t)~mend_bit(index);
        m->plan->copies[m->plan->copy_count++] = (struct mend_copy){
            .source = m->source[index], .target = targets[i], .index = (uint8_t)index};
    }
}

static void make_units(struct maker *m, uint16_t wanted, int64_t mono_ms, struct rng *rng)
{
    uint32_t targets[MEND_UNITS];
    uint16_t lost = wanted & (uint16_t)~m->state.readable, copied = wanted & m->sources;
    if (mend_size(m->sources) < m->g->data_units) {
        if (lost != 0)
            m->plan->obstacle =
                mend_size(m->state.readable) < m->g->data_units ? MEND_UNREADABLE : MEND_BUSY;
        lost = 0;
    }
    if ((wanted & m->busy) != 0)
        m->plan->obstacle = MEND_BUSY;
    unsigned decode = mend_size(lost), copy = mend_size(copied);
    if (decode + copy == 0)
        return;
    size_t found = choose_targets(m, decode + copy, mono_ms, rng, targets);
    if (found < decode + copy)
        m->plan->obstacle = MEND_NO_TARGETS;
    size_t first = found < decode ? found : decode;
    if (first > 0 && is_busy(m, mend_node(m->nodes, targets[0])))
        m->plan->obstacle = MEND_BUSY;
    else if (first > 0)
        add_rebuild(m, lost, targets, first);
    add_copies(m, copied, targets + first, found - first);
}

/* ---- racks ---- */

static uint32_t missing_racks(const struct maker *m, uint32_t more)
{
    uint32_t nodes[LISTED_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < m->g->replica_count && count < LISTED_MAX; i++) {
        const struct mend_replica *r = &m->g->replicas[i];
        if (mend_good(r) && !node_decommissions(mend_node(m->nodes, r->storage)))
            nodes[count++] = nodes_storage(m->nodes, r->storage)->node;
    }
    if (more != 0)
        nodes[count++] = nodes_storage(m->nodes, more)->node;
    return place_missing(m->nodes, m->place, nodes, count, mend_size(m->g->units));
}

static unsigned units_on_rack(const struct maker *m, uint32_t rack)
{
    unsigned count = 0;
    for (uint16_t left = m->state.live & m->sources; left != 0; left &= (uint16_t)(left - 1))
        count += mend_node(m->nodes, m->source[mend_lowest(left)])->rack_id == rack;
    return count;
}

/* One of those where most are, so that the rack keeps others. */
static void make_spread(struct maker *m, int64_t mono_ms, struct rng *rng)
{
    unsigned most = 0, best = 0;
    uint32_t target = 0, missing = missing_racks(m, 0);
    if (missing == 0 || m->state.pending != 0)
        return;
    for (uint16_t left = m->state.live & m->sources; left != 0; left &= (uint16_t)(left - 1)) {
        unsigned index = mend_lowest(left);
        unsigned there = units_on_rack(m, mend_node(m->nodes, m->source[index])->rack_id);
        if (there > most) {
            most = there;
            best = index;
        }
    }
    if (most == 0)
        m->plan->obstacle = MEND_BUSY;
    else if (choose_targets(m, 1, mono_ms, rng, &target) == 0 ||
             missing_racks(m, target) >= missing)
        m->plan->obstacle = MEND_NO_TARGETS;
    else
        add_copies(m, mend_bit(best), &target, 1);
}

void mend_make(const struct nodes *n, const struct place_settings *place,
               const struct mend_group *g, const struct mend_limits *limits, int64_t mono_ms,
               struct rng *rng, struct mend_plan *ret)
{
    struct maker m = {.nodes = n, .place = place, .g = g, .limits = limits, .plan = ret};
    *ret = (struct mend_plan){.obstacle = MEND_NONE};
    mend_look(n, g, &m.state);
    find_sources(&m);
    uint16_t wanted = mend_wanted(g->units, g->data_units, &m.state);
    if (wanted != 0)
        make_units(&m, wanted, mono_ms, rng);
    else
        make_spread(&m, mono_ms, rng);
}
