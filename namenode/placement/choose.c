/* choose.c - the order in which the replicas of a block find their nodes. See placement.h.
 * Thread: state. Pure: randomness and time come in, nothing is changed.
 * By default the first replica goes on the writer's node (else its rack, else a random one), the
 * second on another rack, the third on the rack of the second, more at random. By racks: each rack
 * gets its share before one gets more.
 * Invariants: (1) those of candidate.c; (2) if a pass comes out short, the next one is less choosy:
 * silent nodes, then the types that the storage policy falls back to, at last busy nodes. */
#include "namenode/placement/internal.h"

void place_settings_defaults(struct place_settings *s)
{
    *s = (struct place_settings){
        .consider_load = true,
        .load_factor = 2.0,
        .prefer_local = true,
        .min_blocks = 1,
        .upgrade_domain_factor = 3,
        .space_preference = 60,
        .space_tolerance = 5,
        .space_tolerance_limit = 100,
    };
}

bool place_rule_named(const char *class_name, enum place_rule *ret)
{
    static const struct {
        const char *name;
        enum place_rule rule;
    } rules[] = {
        {"BlockPlacementPolicyDefault", PLACE_BY_DEFAULT},
        {"BlockPlacementPolicyRackFaultTolerant", PLACE_BY_RACKS},
        {"BlockPlacementPolicyWithUpgradeDomain", PLACE_BY_DOMAINS},
        {"AvailableSpaceBlockPlacementPolicy", PLACE_BY_SPACE},
        {"AvailableSpaceRackFaultTolerantBlockPlacementPolicy", PLACE_BY_SPACE_AND_RACKS},
    };
    const char *dot = strrchr(class_name, '.');
    const char *name = dot == NULL ? class_name : dot + 1;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (strcmp(rules[i].name, name) == 0) {
            *ret = rules[i].rule;
            return true;
        }
    return false;
}

/* ---- one replica ---- */

static bool take_remote_rack(struct place *p, uint32_t rack)
{
    return take_random(p, OFF_RACK, rack) || take_random(p, ON_RACK, rack);
}

/* That rack; failing that, the rack of another replica; failing that, anywhere. */
static bool take_on_rack(struct place *p, uint32_t rack)
{
    if (take_random(p, ON_RACK, rack))
        return true;
    for (size_t i = 0; i < taken_count(p); i++) {
        uint32_t other = place_node(p, taken_node(p, i))->rack_id;
        if (other != rack)
            return take_random(p, ON_RACK, other) || take_random(p, ANYWHERE, 0);
    }
    return take_random(p, ANYWHERE, 0);
}

/* The local node or one on its rack, by used space. */
static bool take_near_by_space(struct place *p, uint32_t rack)
{
    uint32_t local = candidate_storage(p, p->writer, true);
    uint32_t beside = random_storage(p, ON_RACK, rack);
    if (local == 0 || beside == 0)
        return false;
    take_storage(p, by_space(p, local, beside, true));
    return true;
}

static bool take_near(struct place *p)
{
    if (p->writer == 0) {
        uint32_t rack = p->writer_rack == NULL ? 0 : nodes_find_rack(p->nodes, p->writer_rack);
        return rack != 0 ? take_on_rack(p, rack) : take_random(p, ANYWHERE, 0);
    }
    uint32_t rack = place_node(p, p->writer)->rack_id;
    if (rule_by_space(p->settings) && p->settings->space_local && take_near_by_space(p, rack))
        return true;
    return (p->settings->prefer_local && take_node(p, p->writer, true)) || take_on_rack(p, rack);
}

static bool take_third(struct place *p)
{
    uint32_t first = taken_node(p, p->base), second = taken_node(p, p->base + 1);
    uint32_t rack = place_node(p, first)->rack_id, other = place_node(p, second)->rack_id;
    if (rack == other)
        return take_remote_rack(p, rack);
    bool fresh = p->req->chosen_count == 0 || p->writer == 0;
    return take_on_rack(p, fresh ? other : place_node(p, p->writer)->rack_id);
}

/* The next one by the order of the default policy. */
static bool take_next(struct place *p)
{
    switch (taken_count(p) - p->base) {
    case 0:
        return take_near(p);
    case 1:
        return take_remote_rack(p, place_node(p, taken_node(p, p->base))->rack_id);
    case 2:
        return take_third(p);
    default:
        return take_random(p, ANYWHERE, 0);
    }
}

/* ---- by racks ---- */

static void fill_once(struct place *p, size_t wanted)
{
    if (p->count < wanted && take_near(p))
        while (p->count < wanted && take_random(p, ANYWHERE, 0))
            ;
}

/* Replicas that are on racks beyond `limit` of them each. */
static uint32_t beyond(const struct place *p, uint32_t limit)
{
    uint32_t count = 0;
    for (size_t i = 0; i < taken_count(p); i++) {
        uint32_t rack = place_node(p, taken_node(p, i))->rack_id, before = 0;
        for (size_t k = 0; k < i; k++)
            before += place_node(p, taken_node(p, k))->rack_id == rack;
        count += before >= limit;
    }
    return count;
}

/* Every rack gets one less than the limit before some get the limit; when racks are too small, the
 * others take more. */
static void fill_by_racks(struct place *p, size_t wanted)
{
    uint32_t most = p->max_per_rack, racks = nodes_live_rack_count(p->nodes);
    size_t total = p->req->chosen_count + wanted;
    if (racks > 0 && total > racks && total % racks != 0) {
        p->max_per_rack = most - 1;
        size_t share = (size_t)p->max_per_rack * racks;
        size_t spread = taken_count(p) - beyond(p, p->max_per_rack);
        size_t first = p->count + (share > spread ? share - spread : 0);
        fill_once(p, first < wanted ? first : wanted);
    }
    for (p->max_per_rack = most; p->count < wanted; p->max_per_rack++) {
        fill_once(p, wanted);
        if (p->max_per_rack >= total)
            break;
    }
    p->max_per_rack = most;
}

/* ---- passes ---- */

static void fill(struct place *p, size_t wanted)
{
    if (rule_by_racks(p->settings))
        fill_by_racks(p, wanted);
    else
        while (p->count < wanted && take_next(p))
            ;
}

/* False: the storage policy has nothing (more) to ask for. */
static bool need_types(struct place *p, size_t wanted)
{
    uint32_t chosen[STORAGE_TYPES] = {0}, sum = 0;
    const struct storage_policy *policy = storage_policy_at(p->req->policy);
    for (size_t i = 0; i < taken_count(p); i++)
        chosen[nodes_storage(p->nodes, taken_storage(p, i))->type]++;
    storage_policy_missing(policy != NULL ? policy : storage_policy_at(0),
                           (uint32_t)(p->req->chosen_count + wanted), chosen, p->unavailable,
                           p->req->chosen_count == 0, p->need);
    for (size_t t = 0; t < STORAGE_TYPES; t++)
        sum += p->need[t];
    return sum > 0;
}

/* With every fallback of the types. */
static void fill_types(struct place *p, size_t wanted)
{
    p->unavailable = 0;
    while (need_types(p, wanted)) {
        p->avoid_stale = p->settings->avoid_stale;
        fill(p, wanted);
        if (p->count < wanted && p->avoid_stale) {
            p->avoid_stale = false;
            fill(p, wanted);
        }
        uint32_t short_of = 0;
        for (uint32_t t = 1; t < STORAGE_TYPES; t++)
            short_of |= p->need[t] > 0 ? 1u << t : 0;
        if (p->count >= wanted || (short_of & ~p->unavailable) == 0)
            return;
        p->unavailable |= short_of;
    }
}

/* Keeps (2). */
static void fill_in_passes(struct place *p, size_t wanted)
{
    p->avoid_busy = p->settings->consider_load;
    fill_types(p, wanted);
    if (p->count == wanted || !p->avoid_busy)
        return;
    p->avoid_busy = false;
    fill_types(p, wanted);
}

/* How many may be wanted at all, and on one rack: all racks share, and never all on one. */
static size_t limits(struct place *p)
{
    size_t live = nodes_live_count(p->nodes), have = p->req->chosen_count;
    size_t wanted = p->req->wanted;
    if (have + wanted > live)
        wanted = have >= live ? 0 : live - have;
    uint32_t total = (uint32_t)(have + wanted), racks = nodes_live_rack_count(p->nodes);
    p->max_per_rack = total;
    if (racks <= 1 || total <= 1)
        return wanted;
    if (rule_by_racks(p->settings)) {
        p->max_per_rack = total < racks ? 1 : (total - 1) / racks + 1;
        return wanted;
    }
    p->max_per_rack = (total - 1) / racks + 2;
    if (p->max_per_rack == total)
        p->max_per_rack--;
    return wanted;
}

/* From each node to the nearest of the rest. */
static void order_pipeline(struct place *p)
{
    uint32_t from = p->writer;
    for (size_t i = 0; i < p->count; i++) {
        size_t nearest = i;
        uint32_t best = UINT32_MAX;
        for (size_t k = i; k < p->count; k++) {
            uint32_t node = nodes_storage(p->nodes, p->storages[k])->node;
            uint32_t d = from != 0 ? nodes_distance(p->nodes, from, node)
                                   : nodes_rack_distance(p->nodes, node, p->writer_rack);
            if (d < best) {
                best = d;
                nearest = k;
            }
        }
        uint32_t storage = p->storages[nearest];
        p->storages[nearest] = p->storages[i];
        p->storages[i] = storage;
        from = nodes_storage(p->nodes, storage)->node;
    }
}

/* True: it was enough, although these were left out. */
static bool fill_without(struct place *p, size_t wanted, uint32_t node, uint32_t rack)
{
    size_t before = p->count;
    p->not_node = node;
    p->not_rack = rack;
    fill_in_passes(p, wanted);
    p->not_node = p->not_rack = 0;
    if (p->count == wanted)
        return true;
    p->count = before;
    return false;
}

static void fill_all(struct place *p, size_t wanted)
{
    uint32_t flags = p->req->flags;
    if (p->writer != 0 && (flags & PLACE_NO_LOCAL_RACK) && nodes_live_rack_count(p->nodes) > 2 &&
        fill_without(p, wanted, 0, place_node(p, p->writer)->rack_id))
        return;
    if (p->writer != 0 && (flags & PLACE_NO_LOCAL_WRITE) && fill_without(p, wanted, p->writer, 0))
        return;
    fill_in_passes(p, wanted);
}

static void take_favored(struct place *p, size_t wanted)
{
    const struct place_request *req = p->req;
    p->avoid_stale = p->settings->avoid_stale;
    for (size_t i = 0; i < req->favored_count && p->count < wanted; i++)
        if (req->favored[i] != 0 && need_types(p, wanted))
            (void)take_node(p, req->favored[i], true);
    p->base = p->count;
}

size_t place_choose(const struct nodes *n, const struct place_settings *s,
                    const struct place_request *req, int64_t mono_ms, struct rng *rng,
                    uint32_t *ret_storages)
{
    struct place p = {.nodes = n,
                      .settings = s,
                      .req = req,
                      .rng = rng,
                      .mono_ms = mono_ms,
                      .storages = ret_storages};
    if ((req->flags & PLACE_IGNORE_CLIENT_LOCALITY) == 0) {
        p.writer = req->writer_node;
        p.writer_rack = req->writer_rack;
    }
    if (p.writer == 0 && req->chosen_count > 0)
        p.writer = taken_node(&p, 0);
    size_t wanted = limits(&p);
    load_sum(&p);
    if (req->chosen_count == 0)
        take_favored(&p, wanted);
    fill_all(&p, wanted);
    order_pipeline(&p);
    return p.count;
}
