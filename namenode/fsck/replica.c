/* replica.c - the replicas of a block: how many of which kind, where, in words. See fsck.h.
 * Thread: state. */
#include <inttypes.h>

#include "namenode/fsck/internal.h"

const char *fsck_type_name(unsigned type)
{
    static const char *const names[] = {
        [STORAGE_DISK] = "DISK",         [STORAGE_SSD] = "SSD",
        [STORAGE_ARCHIVE] = "ARCHIVE",   [STORAGE_RAM_DISK] = "RAM_DISK",
        [STORAGE_PROVIDED] = "PROVIDED", [STORAGE_NVDIMM] = "NVDIMM"};
    return type < ARRAY_SIZE(names) && names[type] != NULL ? names[type] : "DISK";
}

static const struct node *node_of(const struct fsck *f, uint32_t storage)
{
    return nodes_at(f->nn->nodes, nodes_storage(f->nn->nodes, storage)->node);
}

/* Not to be read: it may be switched off any time, or is so already. */
static bool is_away(const struct node *n)
{
    return n->admin == ADMIN_IN_MAINTENANCE ||
           (n->admin == ADMIN_ENTERING_MAINTENANCE && !n->alive);
}

/* The counter that a replica belongs to; NULL: it doesn't count. */
static uint32_t *counter_of(const struct fsck *f, const struct replica_info *r,
                            struct fsck_counts *n)
{
    const struct node_storage *s = nodes_storage(f->nn->nodes, r->storage);
    const struct node *node = nodes_at(f->nn->nodes, s->node);
    if (s->failed || s->read_only)
        return NULL;
    if (r->corrupt)
        return &n->corrupt;
    if (blocks_in_startup_safe_mode(f->nn->blocks))
        return &n->live;
    if (is_away(node))
        return &n->maintenance;
    if (!node->alive)
        return NULL; /* its replicas are being dropped */
    switch (node->admin) {
    case ADMIN_DECOMMISSION_IN_PROGRESS:
        return &n->decommissioning;
    case ADMIN_DECOMMISSIONED:
        return &n->decommissioned;
    case ADMIN_ENTERING_MAINTENANCE:
        return &n->entering;
    default:
        return r->excess ? &n->excess : &n->live;
    }
}

static size_t replicas(const struct fsck *f, handle_t block, struct replica_info *ret)
{
    size_t count = blocks_replicas(f->nn->blocks, block, ret, FSCK_MAX_REPLICAS);
    return count < FSCK_MAX_REPLICAS ? count : FSCK_MAX_REPLICAS;
}

/* Each index of a group counts once, by the best that it has, and corrupt and surplus ones. */
static void count_units(const struct fsck *f, const struct replica_info *list, size_t count,
                        struct fsck_counts *ret)
{
    struct fsck_counts n;
    const uint32_t *const counters[] = {&n.live, &n.decommissioning, &n.decommissioned, &n.entering,
                                        &n.maintenance};
    uint32_t *const sums[] = {&ret->live, &ret->decommissioning, &ret->decommissioned,
                              &ret->entering, &ret->maintenance};
    uint32_t seen = 0;
    for (size_t k = 0; k < ARRAY_SIZE(counters); k++)
        for (size_t i = 0; i < count; i++) {
            uint32_t unit = 1u << (list[i].index & 31);
            if (counter_of(f, &list[i], &n) != counters[k])
                continue;
            if ((seen & unit) == 0)
                ++*sums[k];
            else
                ret->redundant++;
            seen |= unit;
        }
    for (size_t i = 0; i < count; i++) {
        const uint32_t *counter = counter_of(f, &list[i], &n);
        ret->corrupt += counter == &n.corrupt;
        ret->excess += counter == &n.excess;
        ret->stale += counter != NULL && !nodes_storage(f->nn->nodes, list[i].storage)->reported;
    }
}

static bool is_group(const struct fsck *f, handle_t block)
{
    struct block_info info;
    blocks_get(f->nn->blocks, block, &info);
    return info.ec != 0;
}

void fsck_count(const struct fsck *f, handle_t block, struct fsck_counts *ret)
{
    struct replica_info list[FSCK_MAX_REPLICAS];
    size_t count = replicas(f, block, list);
    *ret = (struct fsck_counts){0};
    if (is_group(f, block)) {
        count_units(f, list, count, ret);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t *counter = counter_of(f, &list[i], ret);
        if (counter == NULL)
            continue;
        ++*counter;
        ret->stale += !nodes_storage(f->nn->nodes, list[i].storage)->reported;
    }
}

static size_t expected(const struct fsck *f, handle_t block, uint32_t *ret_storages, size_t max)
{
    struct expected_replica list[FSCK_MAX_REPLICAS];
    size_t count = blocks_expected(f->nn->blocks, block, list, FSCK_MAX_REPLICAS);
    if (count > max)
        count = max;
    for (size_t i = 0; i < count; i++)
        ret_storages[i] = list[i].storage;
    return count;
}

size_t fsck_locations(const struct fsck *f, handle_t block, uint32_t *ret_storages, size_t max,
                      bool *ret_corrupt)
{
    struct replica_info list[FSCK_MAX_REPLICAS];
    struct fsck_counts ignored;
    size_t n = 0, corrupt = 0, recorded = 0;
    *ret_corrupt = false;
    if (!blocks_is_complete(f->nn->blocks, block))
        return expected(f, block, ret_storages, max);
    size_t count = replicas(f, block, list);
    for (size_t i = 0; i < count; i++) {
        bool counts = counter_of(f, &list[i], &ignored) != NULL;
        recorded += counts;
        corrupt += counts && list[i].corrupt;
    }
    *ret_corrupt = corrupt > 0 && corrupt == recorded;
    for (size_t i = 0; i < count && n < max; i++)
        if (counter_of(f, &list[i], &ignored) != NULL && list[i].corrupt == *ret_corrupt &&
            !is_away(node_of(f, list[i].storage)))
            ret_storages[n++] = list[i].storage;
    return n;
}

static const char *state_word(const struct fsck *f, const struct replica_info *r)
{
    const struct node *n = node_of(f, r->storage);
    if (n->admin == ADMIN_DECOMMISSIONED)
        return "DECOMMISSIONED";
    if (n->admin == ADMIN_DECOMMISSION_IN_PROGRESS)
        return "DECOMMISSIONING";
    if (f->o.maintenance && n->admin == ADMIN_ENTERING_MAINTENANCE)
        return "ENTERING MAINTENANCE";
    if (f->o.maintenance && n->admin == ADMIN_IN_MAINTENANCE)
        return "IN MAINTENANCE";
    if (r->corrupt)
        return "CORRUPT";
    if (r->excess)
        return "EXCESS";
    if (node_is_stale(n, nodes_settings_get(f->nn->nodes), f->now.mono_ms))
        return "STALE_NODE";
    return nodes_storage(f->nn->nodes, r->storage)->reported ? "LIVE" : "STALE_BLOCK_CONTENT";
}

static void put_replica(struct fsck *f, const struct replica_info *r, struct buf *to)
{
    const struct node_storage *s = nodes_storage(f->nn->nodes, r->storage);
    const struct node *n = nodes_at(f->nn->nodes, s->node);
    if (f->o.racks)
        fsck_put(f, to, "%s/%s:%u", n->rack, n->ip, n->xfer_port);
    else
        fsck_put(f, to, "DatanodeInfoWithStorage[%s:%u,%s,%s]", n->ip, n->xfer_port, s->uuid,
                 fsck_type_name(s->type));
    if (f->o.upgrade_domains)
        fsck_put(f, to, "(ud=%s)", n->upgrade_domain != NULL ? n->upgrade_domain : "undefined");
    if (f->o.replica_details)
        fsck_put(f, to, "(%s)", state_word(f, r));
}

/* Stable; there are few. */
static void by_index(struct replica_info *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct replica_info moving = list[i];
        size_t k = i;
        for (; k > 0 && list[k - 1].index > moving.index; k--)
            list[k] = list[k - 1];
        list[k] = moving;
    }
}

void fsck_put_replicas(struct fsck *f, handle_t block, struct buf *to)
{
    struct replica_info list[FSCK_MAX_REPLICAS];
    uint32_t storages[FSCK_MAX_REPLICAS];
    size_t count;
    if (!(f->o.locations || f->o.racks || f->o.replica_details || f->o.upgrade_domains))
        return;
    if (blocks_is_complete(f->nn->blocks, block)) {
        count = replicas(f, block, list);
    } else {
        count = expected(f, block, storages, FSCK_MAX_REPLICAS);
        for (size_t i = 0; i < count; i++)
            list[i] = (struct replica_info){.storage = storages[i]};
    }
    struct block_info info;
    blocks_get(f->nn->blocks, block, &info);
    if (info.ec != 0)
        by_index(list, count);
    fsck_put(f, to, "  [");
    for (size_t i = 0; i < count; i++) {
        fsck_put(f, to, "%s", i > 0 ? ", " : "");
        if (info.ec != 0 && info.state == BLOCK_COMPLETE)
            fsck_put(f, to, "blk_%" PRId64 ":", (int64_t)(info.id + list[i].index));
        put_replica(f, &list[i], to);
    }
    fsck_put(f, to, "]");
}
