/* candidate.c - whether a node may get a replica, on which of its storages, and random ones that
 * may. See internal.h.
 * Thread: state. Pure: randomness and time come in, the nodes aren't changed.
 * Invariants: (1) a candidate is live, in service, not excluded, has no replica of the block yet,
 * and has space on a storage of a type that is needed; (2) its rack has fewer than max_per_rack. */
#include "namenode/placement/internal.h"

enum { TRIES = 16 };

/* Hadoop's order of the types, the fastest first. */
static const uint8_t type_order[] = {STORAGE_RAM_DISK, STORAGE_SSD,      STORAGE_DISK,
                                     STORAGE_ARCHIVE,  STORAGE_PROVIDED, STORAGE_NVDIMM};

/* ---- load ---- */

static bool in_service(const struct node *node)
{
    return node->alive && !node->gone && node->admin == ADMIN_NORMAL;
}

/* Bits of the types of a node's working volumes; counts them. */
static uint32_t node_types(const struct nodes *n, const struct node *node, uint32_t *ret_volumes)
{
    uint32_t types = 0;
    *ret_volumes = 0;
    for (uint32_t s = node->storages; s != 0; s = nodes_storage(n, s)->next) {
        const struct node_storage *storage = nodes_storage(n, s);
        if (storage->failed)
            continue;
        types |= 1u << storage->type;
        (*ret_volumes)++;
    }
    return types;
}

void load_sum(struct place *p)
{
    const struct place_settings *s = p->settings;
    if (!s->consider_load || (!s->consider_load_by_type && !s->consider_volume_load))
        return;
    for (uint32_t i = 1; i <= nodes_count(p->nodes); i++) {
        const struct node *node = place_node(p, i);
        if (!in_service(node))
            continue;
        uint32_t volumes, types = node_types(p->nodes, node, &volumes);
        p->load.volumes += volumes;
        p->load.total += node->xceivers;
        for (uint32_t t = 1; t < STORAGE_TYPES; t++) {
            p->load.nodes[t] += (types >> t) & 1;
            p->load.xceivers[t] += (types >> t) & 1 ? node->xceivers : 0;
        }
    }
}

static double average_load(const struct place *p, uint32_t types)
{
    if (!p->settings->consider_load_by_type)
        return nodes_average_xceivers(p->nodes);
    uint64_t xceivers = 0, count = 0;
    for (uint32_t t = 1; t < STORAGE_TYPES; t++) {
        xceivers += (types >> t) & 1 ? p->load.xceivers[t] : 0;
        count += (types >> t) & 1 ? p->load.nodes[t] : 0;
    }
    return count == 0 ? 0 : (double)xceivers / (double)count;
}

static bool is_busy(const struct place *p, const struct node *node)
{
    const struct place_settings *s = p->settings;
    uint32_t volumes = 0, types = 0;
    if (s->consider_load_by_type || s->consider_volume_load)
        types = node_types(p->nodes, node, &volumes);
    double most = s->load_factor * average_load(p, types);
    if (most > 0 && node->xceivers > most)
        return true;
    if (!s->consider_volume_load || p->load.volumes == 0)
        return false;
    most = s->load_factor * volumes * ((double)p->load.total / (double)p->load.volumes);
    return most > 0 && node->xceivers > most;
}

/* ---- one node ---- */

/* Hadoop's arithmetic: the volumes of the type together must have room for what is promised to the
 * node and for this block, and one of them for the block. The node itself picks the volume. */
static uint32_t storage_of_type(const struct place *p, uint32_t node, int type)
{
    uint64_t size = p->req->block_size == 0 ? 1 : p->req->block_size, room = 0, promised = 0;
    uint64_t least;
    if (__builtin_mul_overflow(size, p->settings->min_blocks, &least))
        return 0;
    uint32_t best = 0;
    for (uint32_t s = place_node(p, node)->storages; s != 0;) {
        const struct node_storage *storage = nodes_storage(p->nodes, s);
        if (storage->type == type && !storage->failed && !storage->read_only) {
            promised += node_storage_scheduled(storage);
            if (storage->remaining >= least) {
                room += storage->remaining;
                bool idler = best == 0 || node_storage_scheduled(storage) <
                                              node_storage_scheduled(nodes_storage(p->nodes, best));
                best = idler ? s : best;
            }
        }
        s = storage->next;
    }
    uint64_t need;
    if (__builtin_mul_overflow(size, promised, &need) ||
        __builtin_add_overflow(need, least, &need) || room < need)
        return 0;
    return best;
}

static uint32_t rack_load(const struct place *p, uint32_t rack)
{
    uint32_t count = 0;
    for (size_t i = 0; i < taken_count(p); i++)
        count += place_node(p, taken_node(p, i))->rack_id == rack;
    return count;
}

bool same_domain(const struct nodes *n, uint32_t a, uint32_t b)
{
    const char *da = nodes_at(n, a)->upgrade_domain, *db = nodes_at(n, b)->upgrade_domain;
    return a == b || (da != NULL && db != NULL && strcmp(da, db) == 0);
}

static bool has_replica(const struct place *p, uint32_t node)
{
    for (size_t i = 0; i < taken_count(p); i++)
        if (taken_node(p, i) == node)
            return true;
    return false;
}

/* Until there are enough domains each replica has to bring a new one. */
static bool repeats_domain(const struct place *p, uint32_t node)
{
    uint32_t domains = 0;
    bool repeats = false;
    for (size_t i = 0; i < taken_count(p); i++) {
        bool fresh = true;
        for (size_t k = 0; k < i && fresh; k++)
            fresh = !same_domain(p->nodes, taken_node(p, k), taken_node(p, i));
        domains += fresh;
        repeats |= same_domain(p->nodes, taken_node(p, i), node);
    }
    return repeats && domains < p->settings->upgrade_domain_factor;
}

/* A replica of the block, or any internal block of the group (their ids follow its own). */
static bool deletes(const struct place *p, uint32_t node)
{
    uint64_t id = p->req->block_id;
    unsigned ids = (int64_t)id < 0 ? REBUILD_UNITS : 1;
    if (id == 0 || place_node(p, node)->invalid_count == 0)
        return false;
    for (unsigned i = 0; i < ids; i++)
        if (nodes_invalidate_waits(p->nodes, node, id + i))
            return true;
    return false;
}

static bool is_excluded(const struct place *p, uint32_t node)
{
    const struct place_request *req = p->req;
    for (size_t i = 0; i < req->excluded_count; i++)
        if (req->excluded[i] == node)
            return true;
    return node == p->not_node || deletes(p, node);
}

/* Keeps (1) and (2), but for the storage. */
static bool node_will_do(const struct place *p, uint32_t i, bool near)
{
    const struct node *node = place_node(p, i);
    const struct place_settings *s = p->settings;
    if (!in_service(node) || (p->not_rack != 0 && node->rack_id == p->not_rack) ||
        is_excluded(p, i) || has_replica(p, i))
        return false;
    if (p->avoid_stale && node_is_stale(node, nodes_settings_get(p->nodes), p->mono_ms))
        return false;
    if ((p->avoid_busy && !near && is_busy(p, node)) || (s->avoid_slow && node->slow))
        return false;
    if (s->rule == PLACE_BY_DOMAINS && repeats_domain(p, i))
        return false;
    return rack_load(p, node->rack_id) < p->max_per_rack;
}

uint32_t candidate_storage(const struct place *p, uint32_t node, bool near)
{
    if (!node_will_do(p, node, near))
        return 0;
    for (size_t t = 0; t < ARRAY_SIZE(type_order); t++) {
        uint8_t type = type_order[t];
        uint32_t storage = p->need[type] == 0 ? 0 : storage_of_type(p, node, type);
        if (storage != 0)
            return storage;
    }
    return 0;
}

void take_storage(struct place *p, uint32_t storage)
{
    uint8_t type = nodes_storage(p->nodes, storage)->type;
    CHECK(p->need[type] > 0);
    p->need[type]--;
    p->storages[p->count++] = storage;
}

bool take_node(struct place *p, uint32_t node, bool near)
{
    uint32_t storage = candidate_storage(p, node, near);
    if (storage == 0)
        return false;
    take_storage(p, storage);
    return true;
}

/* ---- random ones ---- */

static bool in_scope(const struct place *p, uint32_t node, enum scope scope, uint32_t rack)
{
    return scope == ANYWHERE || (place_node(p, node)->rack_id == rack) == (scope == ON_RACK);
}

static uint32_t try_node(const struct place *p, uint32_t node, uint8_t type, enum scope scope,
                         uint32_t rack)
{
    if (!in_scope(p, node, scope, rack))
        return 0;
    uint32_t storage = storage_of_type(p, node, type);
    return storage != 0 && node_will_do(p, node, false) ? storage : 0;
}

/* Uniformly random: a few blind tries, then a walk over all. */
static uint32_t random_of_type(const struct place *p, uint8_t type, enum scope scope, uint32_t rack)
{
    uint32_t n = nodes_count(p->nodes), chosen = 0, seen = 0;
    for (int i = 0; i < TRIES && n > TRIES; i++) {
        uint32_t node = (uint32_t)rng_below(p->rng, n) + 1;
        uint32_t storage = try_node(p, node, type, scope, rack);
        if (storage != 0)
            return storage;
    }
    for (uint32_t node = 1; node <= n; node++) {
        uint32_t storage = try_node(p, node, type, scope, rack);
        if (storage != 0 && rng_below(p->rng, ++seen) == 0)
            chosen = storage;
    }
    return chosen;
}

static double used_percent(const struct place *p, uint32_t storage)
{
    const struct node *node = place_node(p, nodes_storage(p->nodes, storage)->node);
    return node->capacity == 0 ? 100 : 100.0 * (double)node->dfs_used / (double)node->capacity;
}

uint32_t by_space(const struct place *p, uint32_t first, uint32_t second, bool first_is_local)
{
    const struct place_settings *s = p->settings;
    double a = used_percent(p, first), b = used_percent(p, second);
    double difference = a < b ? b - a : a - b, more = a < b ? b : a;
    if (first == second || (first_is_local && a < 50) || a == b ||
        (more < s->space_tolerance_limit && difference < s->space_tolerance))
        return first;
    bool emptier = rng_below(p->rng, 100) < s->space_preference;
    return (a < b) == emptier ? first : second;
}

uint32_t random_storage(const struct place *p, enum scope scope, uint32_t rack)
{
    for (size_t t = 0; t < ARRAY_SIZE(type_order); t++) {
        uint8_t type = type_order[t];
        uint32_t storage = p->need[type] == 0 ? 0 : random_of_type(p, type, scope, rack);
        if (storage == 0)
            continue;
        if (!rule_by_space(p->settings))
            return storage;
        uint32_t other = random_of_type(p, type, scope, rack);
        return by_space(p, storage, other, false);
    }
    return 0;
}

bool take_random(struct place *p, enum scope scope, uint32_t rack)
{
    uint32_t storage = random_storage(p, scope, rack);
    if (storage != 0)
        take_storage(p, storage);
    return storage != 0;
}
