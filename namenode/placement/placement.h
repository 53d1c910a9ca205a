/* placement.h - which storages get the replicas of a block, which of too many replicas go, and
 * whether the racks are as wanted. Door of namenode/placement. Thread: state. Core: pure functions
 * of the nodes (which it never changes), time and randomness come in. */
#pragma once
#include "common/base/base.h"
#include "namenode/nodes/nodes.h"

/* ---- storage policies ---- */

enum { STORAGE_TYPES = 7 }; /* sizes tables by enum storage_type; 0 is none */

enum {
    STORAGE_POLICY_PROVIDED = 1,
    STORAGE_POLICY_COLD = 2,
    STORAGE_POLICY_WARM = 5,
    STORAGE_POLICY_HOT = 7,
    STORAGE_POLICY_ONE_SSD = 10,
    STORAGE_POLICY_ALL_SSD = 12,
    STORAGE_POLICY_ALL_NVDIMM = 14,
    STORAGE_POLICY_LAZY_PERSIST = 15,
};

/* Lists of types end with 0. The first replica gets the first type, the next ones the next, the
 * last type counts for all further ones. */
struct storage_policy {
    uint8_t id;
    const char *name;
    uint8_t types[3], creation_fallbacks[3], replication_fallbacks[3];
};

/* By position; NULL behind the last. */
const struct storage_policy *storage_policy_list(size_t i);
/* NULL: there is none with this id; 0 is HOT, what counts where none is set. */
const struct storage_policy *storage_policy_at(uint8_t id);

/* How many replicas of each type a block of that replication wants; never RAM, which is filled by
 * the node itself and not kept. */
void storage_policy_types(const struct storage_policy *p, uint32_t replication,
                          uint32_t ret[STORAGE_TYPES]);
/* What is wanted beyond the `chosen` ones when these types (bits 1 << type) can't be had. */
void storage_policy_missing(const struct storage_policy *p, uint32_t replication,
                            const uint32_t chosen[STORAGE_TYPES], uint32_t unavailable, bool is_new,
                            uint32_t ret[STORAGE_TYPES]);
/* Replicas of a type beyond those that it wants: they go first. */
void storage_policy_excess(const struct storage_policy *p, uint32_t replication,
                           const uint32_t have[STORAGE_TYPES], uint32_t ret[STORAGE_TYPES]);

/* ---- choosing ---- */

/* dfs.block.replicator.classname */
enum place_rule {
    PLACE_BY_DEFAULT,         /* two racks */
    PLACE_BY_RACKS,           /* as many racks as there are */
    PLACE_BY_DOMAINS,         /* default, and as many upgrade domains as upgrade_domain_factor */
    PLACE_BY_SPACE,           /* default; emptier nodes are preferred */
    PLACE_BY_SPACE_AND_RACKS, /* as many racks as there are; emptier nodes are preferred */
};

struct place_settings {
    enum place_rule rule;
    bool consider_load;         /* dfs.namenode.redundancy.considerLoad, true */
    bool consider_load_by_type; /* ...considerLoadByStorageType, false */
    bool consider_volume_load;  /* ...considerLoadByVolume, false */
    double load_factor;         /* ...considerLoad.factor, 2.0 */
    bool avoid_stale;           /* dfs.namenode.avoid.write.stale.datanode, false */
    bool avoid_slow;     /* dfs.namenode.block-placement-policy.exclude-slow-nodes.enabled, false */
    bool prefer_local;   /* dfs.namenode.block-placement-policy.default.prefer-local-node, true */
    uint32_t min_blocks; /* dfs.namenode.block-placement.min-blocks-for.write, 1 */
    uint32_t upgrade_domain_factor; /* dfs.namenode.upgrade.domain.factor, dfs.replication */
    uint32_t space_preference;      /* percent: how often the emptier of two is taken, 60 */
    uint32_t space_tolerance;       /* percent: a smaller difference doesn't count, 5 */
    uint32_t space_tolerance_limit; /* ... unless the fuller one is fuller than this, 100 */
    bool space_local; /* dfs.namenode.available-space-block-placement-policy.balance-local-node */
};
/* Hadoop's defaults. */
void place_settings_defaults(struct place_settings *s);
/* By Hadoop's class name, with or without its package; false: not known. */
bool place_rule_named(const char *class_name, enum place_rule *ret);

enum {
    PLACE_NO_LOCAL_WRITE = 1,         /* AddBlockFlag: not on the writer's node */
    PLACE_IGNORE_CLIENT_LOCALITY = 2, /* AddBlockFlag: as if the writer's place weren't known */
    PLACE_NO_LOCAL_RACK = 4,          /* not on the writer's rack */
};

struct place_request {
    uint32_t wanted;         /* how many more */
    uint32_t writer_node;    /* 0: the writer is no DataNode */
    const char *writer_rack; /* of such a writer; NULL: unknown */
    const uint32_t *chosen;  /* storages that have it already; count for racks and types */
    size_t chosen_count;
    const uint32_t *excluded; /* nodes */
    size_t excluded_count;
    const uint32_t *favored; /* nodes to try first */
    size_t favored_count;
    uint64_t block_size;
    uint64_t block_id; /* 0: new; else nodes that still have to delete a replica of it, or of a
                          group any internal block, are avoided */
    uint32_t flags;
    uint8_t policy; /* storage policy; 0: HOT */
};

/* Storages on distinct nodes, in pipeline order; fewer than wanted when there are no more. Needs
 * room for `wanted`. */
size_t place_choose(const struct nodes *n, const struct place_settings *s,
                    const struct place_request *req, int64_t mono_ms, struct rng *rng,
                    uint32_t *ret_storages);

/* ---- racks of a block ---- */

/* How many replicas more the rule about racks (and domains) wants of a block whose good replicas
 * are on these nodes; 0: it is satisfied, or the cluster has no more racks. */
uint32_t place_missing(const struct nodes *n, const struct place_settings *s, const uint32_t *nodes,
                       size_t count, uint32_t replication);
/* Changes when place_missing may have changed for any block. */
uint32_t place_version(const struct nodes *n, const struct place_settings *s);

struct surplus_request {
    const uint32_t *storages; /* of the good replicas */
    size_t count;
    uint32_t keep;
    uint8_t policy;
    uint32_t hint_node;  /* the one that the new replica shall replace; 0: none */
    uint32_t added_node; /* which has the new replica */
};

/* Those that go, in ret (room for count); never more than count - keep. Wrong types go first, and
 * racks (domains) are kept. */
size_t place_surplus(const struct nodes *n, const struct place_settings *s,
                     const struct surplus_request *req, int64_t mono_ms, uint32_t *ret);
