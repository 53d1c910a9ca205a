/* spread.c - whether the replicas of a block are spread as the rule wants, and which go when there
 * are too many. See placement.h.
 * Thread: state. Pure.
 * Invariant: a replica is taken from a rack (or domain) that has another one as long as the rule
 * needs that rack. */
#include "namenode/placement/internal.h"

enum { LATE_HEARTBEATS = 4 };

/* ---- enough racks ---- */

static uint32_t count_racks(const struct nodes *n, const uint32_t *nodes, size_t count)
{
    uint32_t racks = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < i && nodes_at(n, nodes[k])->rack_id != nodes_at(n, nodes[i])->rack_id)
            k++;
        racks += k == i;
    }
    return racks;
}

static uint32_t count_domains(const struct nodes *n, const uint32_t *nodes, size_t count)
{
    uint32_t domains = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < i && !same_domain(n, nodes[k], nodes[i]))
            k++;
        domains += k == i;
    }
    return domains;
}

static uint32_t missing_racks(const struct nodes *n, const struct place_settings *s,
                              const uint32_t *nodes, size_t count, uint32_t replication)
{
    uint32_t total = nodes_live_rack_count(n);
    if (replication < 2 || total < 2)
        return 0;
    uint32_t wanted = rule_by_racks(s) ? replication : 2, have = count_racks(n, nodes, count);
    return have >= wanted || have >= total ? 0 : (wanted < total ? wanted : total) - have;
}

uint32_t place_missing(const struct nodes *n, const struct place_settings *s, const uint32_t *nodes,
                       size_t count, uint32_t replication)
{
    uint32_t racks = missing_racks(n, s, nodes, count, replication);
    if (s->rule != PLACE_BY_DOMAINS)
        return racks;
    uint32_t factor = s->upgrade_domain_factor, have = count_domains(n, nodes, count);
    uint32_t wanted = replication < factor ? replication : factor;
    uint32_t domains = have >= wanted ? 0 : wanted - have;
    return racks > domains ? racks : domains;
}

uint32_t place_version(const struct nodes *n, const struct place_settings *s)
{
    return nodes_topology_version(n) + (rule_by_racks(s) ? nodes_rack_changes(n) : 0);
}

/* ---- fewer replicas ---- */

struct surplus {
    const struct nodes *nodes;
    const struct place_settings *settings;
    const struct surplus_request *req;
    int64_t mono_ms;
    const uint32_t *gone; /* chosen so far */
    size_t gone_count;
    uint32_t excess[STORAGE_TYPES];
    uint32_t racks; /* that hold one still */
};

static uint32_t node_of(const struct surplus *u, uint32_t storage)
{
    return nodes_storage(u->nodes, storage)->node;
}

static uint32_t rack_of(const struct surplus *u, uint32_t storage)
{
    return nodes_at(u->nodes, node_of(u, storage))->rack_id;
}

static bool is_gone(const struct surplus *u, uint32_t storage)
{
    for (size_t i = 0; i < u->gone_count; i++)
        if (u->gone[i] == storage)
            return true;
    return false;
}

/* Another replica that stays is on its rack. */
static bool shares_rack(const struct surplus *u, uint32_t storage)
{
    for (size_t i = 0; i < u->req->count; i++) {
        uint32_t other = u->req->storages[i];
        if (other != storage && !is_gone(u, other) && rack_of(u, other) == rack_of(u, storage))
            return true;
    }
    return false;
}

static bool shares_domain(const struct surplus *u, uint32_t storage)
{
    for (size_t i = 0; i < u->req->count; i++) {
        uint32_t other = u->req->storages[i];
        if (other != storage && !is_gone(u, other) &&
            same_domain(u->nodes, node_of(u, other), node_of(u, storage)))
            return true;
    }
    return false;
}

static uint32_t racks_left(const struct surplus *u)
{
    uint32_t racks = 0;
    for (size_t i = 0; i < u->req->count; i++) {
        size_t k = 0;
        if (is_gone(u, u->req->storages[i]))
            continue;
        while (k < i && (is_gone(u, u->req->storages[k]) ||
                         rack_of(u, u->req->storages[k]) != rack_of(u, u->req->storages[i])))
            k++;
        racks += k == i;
    }
    return racks;
}

/* The larger, the rather it may go for the sake of racks and domains. */
static int freedom(const struct surplus *u, uint32_t storage)
{
    bool rack = shares_rack(u, storage);
    if (u->settings->rule == PLACE_BY_DOMAINS) {
        bool domain = shares_domain(u, storage);
        if (domain)
            return rack ? 4 : 3;
    }
    if (rule_by_racks(u->settings))
        return rack;
    return u->racks != 2 || rack; /* of three racks two are left whichever goes */
}

static bool right_type(const struct surplus *u, uint32_t storage)
{
    return u->excess[nodes_storage(u->nodes, storage)->type] > 0;
}

/* Goes before the other: a silent node first, then the fuller volume. */
static bool goes_first(const struct surplus *u, uint32_t storage, uint32_t other)
{
    const struct node_storage *s = nodes_storage(u->nodes, storage);
    const struct node_storage *o = nodes_storage(u->nodes, other);
    const struct node *sn = nodes_at(u->nodes, s->node), *on = nodes_at(u->nodes, o->node);
    int64_t late = LATE_HEARTBEATS * nodes_settings_get(u->nodes)->heartbeat_interval_ms;
    bool s_late = u->mono_ms - sn->heard_ms > late, o_late = u->mono_ms - on->heard_ms > late;
    if (s_late || o_late)
        return s_late && (!o_late || sn->heard_ms < on->heard_ms);
    return s->remaining < o->remaining;
}

/* Racks count more than types: a replica on a wrong type that keeps the second rack stays. */
static bool better(const struct surplus *u, uint32_t storage, uint32_t best)
{
    if (best == 0)
        return true;
    int a = freedom(u, storage), b = freedom(u, best);
    if (a != b)
        return a > b;
    bool at = right_type(u, storage), bt = right_type(u, best);
    if (at != bt)
        return at;
    return goes_first(u, storage, best);
}

static uint32_t hinted(const struct surplus *u)
{
    const struct surplus_request *req = u->req;
    uint32_t hint = 0, added = 0;
    for (size_t i = 0; i < req->count; i++) {
        uint32_t node = node_of(u, req->storages[i]);
        hint = req->hint_node != 0 && node == req->hint_node ? req->storages[i] : hint;
        added = req->added_node != 0 && node == req->added_node ? req->storages[i] : added;
    }
    if (hint == 0 || !right_type(u, hint))
        return 0;
    if (!shares_rack(u, hint) && (added == 0 || shares_rack(u, added)))
        return 0;
    bool by_domains = u->settings->rule == PLACE_BY_DOMAINS;
    if (by_domains && !shares_domain(u, hint) && (added == 0 || shares_domain(u, added)))
        return 0;
    return hint;
}

static uint32_t next_gone(struct surplus *u)
{
    uint32_t best = u->gone_count == 0 ? hinted(u) : 0;
    if (best != 0)
        return best;
    u->racks = racks_left(u);
    for (size_t i = 0; i < u->req->count; i++) {
        uint32_t storage = u->req->storages[i];
        if (!is_gone(u, storage) && better(u, storage, best))
            best = storage;
    }
    return best;
}

size_t place_surplus(const struct nodes *n, const struct place_settings *s,
                     const struct surplus_request *req, int64_t mono_ms, uint32_t *ret)
{
    struct surplus u = {.nodes = n, .settings = s, .req = req, .mono_ms = mono_ms, .gone = ret};
    uint32_t have[STORAGE_TYPES] = {0};
    for (size_t i = 0; i < req->count; i++)
        have[nodes_storage(n, req->storages[i])->type]++;
    const struct storage_policy *policy = storage_policy_at(req->policy);
    storage_policy_excess(policy != NULL ? policy : storage_policy_at(0), req->keep, have,
                          u.excess);
    while (req->count - u.gone_count > req->keep) {
        uint32_t storage = next_gone(&u);
        uint8_t type = nodes_storage(n, storage)->type;
        u.excess[type] -= u.excess[type] > 0;
        ret[u.gone_count++] = storage;
    }
    return u.gone_count;
}
