/* nodes.h - the DataNodes: who they are, where they stand, what they hold in sum and what they
 * shall do next. Door of namenode/nodes. Thread: state. Core: time and randomness come in as
 * arguments. A node and a storage keep their index for ever (0 is none), so that block records can
 * hold small numbers. The structs below are there to be read; only this room and namenode/blocks
 * (fields marked "blocks") write them. */
#pragma once
#include "common/base/base.h"

/* The numbers of StorageType on the wire. */
enum storage_type {
    STORAGE_DISK = 1,
    STORAGE_SSD = 2,
    STORAGE_ARCHIVE = 3,
    STORAGE_RAM_DISK = 4,
    STORAGE_PROVIDED = 5,
    STORAGE_NVDIMM = 6,
};

/* The numbers of DatanodeInfo.AdminState. */
enum admin_state {
    ADMIN_NORMAL,
    ADMIN_DECOMMISSION_IN_PROGRESS,
    ADMIN_DECOMMISSIONED,
    ADMIN_ENTERING_MAINTENANCE,
    ADMIN_IN_MAINTENANCE,
};

#define DEFAULT_RACK "/default-rack"

enum {
    NODES_MAX = 1 << 20,     /* nodes, and */
    NODE_STORAGES_MAX = 256, /* storages a node that we remember */
    NODE_TEXT_MAX = 255,     /* bytes of uuid, ip, hostname, version, rack */
    NODE_COPIES_MAX =
        4096, /* orders to copy, or to recover, that wait for a node; more are refused */
};

struct nodes_settings {
    int64_t heartbeat_interval_ms; /* dfs.heartbeat.interval, 3 s */
    int64_t recheck_interval_ms;   /* dfs.namenode.heartbeat.recheck-interval, 5 min */
    int64_t stale_interval_ms;     /* dfs.namenode.stale.datanode.interval, 30 s */
    uint32_t report_leases;        /* dfs.namenode.max.full.block.report.leases, 6 */
    int64_t report_lease_ms;       /* dfs.namenode.full.block.report.lease.length.ms, 5 min */
    uint32_t invalidate_limit;     /* dfs.block.invalidate.limit, 1000 block ids a heartbeat */
    uint32_t max_streams;          /* dfs.namenode.replication.max-streams, 2 */
    uint32_t max_streams_hard; /* dfs.namenode.replication.max-streams-hard-limit, 4: of nodes that
                                  leave */
    bool slow_peers; /* dfs.datanode.peer.stats.enabled, false: what nodes tell of others is kept */
    bool slow_disks; /* dfs.datanode.fileio.profiling.sampling.percentage in 1 .. 100 */
    int64_t slow_valid_ms;       /* 3 x dfs.datanode.outliers.report.interval, 90 min */
    int64_t slow_collect_ms;     /* dfs.namenode.slowpeer.collect.interval, 30 min */
    uint32_t slow_collect_nodes; /* dfs.namenode.max.slowpeer.collect.nodes, 5 */
    uint32_t slow_peers_told;    /* dfs.datanode.max.nodes.to.report, 5 */
    uint32_t slow_disks_told;    /* dfs.datanode.max.disks.to.report, 5 */
};
/* Hadoop's defaults. */
void nodes_settings_defaults(struct nodes_settings *s);

struct node_storage {
    char *uuid;
    uint32_t node, next;  /* its node; the next storage of that node, 0 ends */
    uint32_t block_count; /* blocks: replicas that are recorded on it */
    uint8_t type;         /* enum storage_type */
    bool read_only;       /* READ_ONLY_SHARED */
    bool failed; /* reported as failed, or gone from the heartbeats: its replicas are being dropped
                  */
    bool reported; /* blocks: a full report came since the node registered; else it is "stale" */
    bool reported_once;    /* blocks: a full report came since this NameNode started */
    uint32_t scheduled[2]; /* new replicas under way to it: in this 10 minutes, in those before */
    uint64_t heartbeat;    /* number of the last heartbeat of the node that named it */
    uint64_t capacity, dfs_used, remaining, block_pool_used, non_dfs_used;
};

struct node_copy;     /* an order to copy a block; internal */
struct node_recovery; /* to lead the recovery of one */
struct node_rebuild;  /* to reconstruct parts of one */

struct node {
    char *uuid, *ip, *hostname, *software_version, *rack;
    char *upgrade_domain; /* from the hosts file; NULL: none is set */
    uint32_t xfer_port, info_port, ipc_port, info_secure_port;
    uint32_t storages; /* first storage, 0: none yet */
    uint32_t rack_id;  /* equal for nodes of the same rack */
    uint8_t admin;     /* enum admin_state */
    bool alive;        /* heard from in time; false also from the start until it registers */
    bool gone; /* another node took its address: not shown any more, its replicas are being dropped
                */
    bool must_register;
    bool heard_since_registration; /* a heartbeat came since it registered */
    bool slow;                     /* one of those that most others call slow */
    bool drained;                  /* blocks: its open orders were taken back after it died */
    bool disallowed; /* left the list of included hosts: it is told so when it calls */
    /* How far an order to leave has come: complete blocks and blocks being written that need
     * something before, those of them that no node in service holds, and since when (monotonic). */
    uint32_t leaving_blocks, leaving_open_blocks, leaving_only_here;
    uint32_t open_found, open_only_here_found; /* by the look at open files that is under way */
    int64_t leaving_since_ms;
    int64_t maintenance_until_ms; /* wall */
    uint32_t registration; /* counts registrations; a report begun under an older one is void */
    uint64_t heartbeats;
    int64_t heard_ms;                  /* monotonic */
    int64_t heard_wall_ms;             /* shown */
    int64_t report_ms, report_wall_ms; /* blocks: last full report; 0: none */
    int64_t scheduled_rolled_ms;
    uint32_t xceivers, xmits, failed_volumes;
    uint64_t capacity, dfs_used, remaining, block_pool_used,
        non_dfs_used; /* sums of its storages */
    uint64_t cache_capacity, cache_used;
    uint64_t report_lease; /* 0: none */
    int64_t report_lease_until_ms;
    struct node_copy *copies; /* queue */
    uint32_t copy_count;
    struct node_rebuild *rebuilds; /* queue */
    uint32_t rebuild_count;
    struct node_recovery *recoveries; /* queue */
    uint32_t recovery_count;
    uint32_t invalid_first, invalid_last, invalid_count; /* queue in a pool */
    uint32_t invalid_internal; /* so many of those are internal blocks of groups */
    uint32_t invalid_granted;  /* so many of them it may be given */
    struct idmap invalid_ids;
    uint32_t next_same_ip;
    uint64_t
        bandwidth; /* of the balancer's moves, to be told with the next heartbeat; 0: nothing */
};

static inline bool node_in_service(const struct node *node)
{
    return node->admin == ADMIN_NORMAL;
}
static inline bool node_decommissions(const struct node *node) /* or has done so */
{
    return node->admin == ADMIN_DECOMMISSION_IN_PROGRESS || node->admin == ADMIN_DECOMMISSIONED;
}
static inline bool node_in_maintenance(const struct node *node) /* or is about to be */
{
    return node->admin == ADMIN_ENTERING_MAINTENANCE || node->admin == ADMIN_IN_MAINTENANCE;
}

struct nodes;

must_use int nodes_new(const struct nodes_settings *settings, struct nodes **ret_nodes);
void nodes_free(struct nodes *n);
const struct nodes_settings *nodes_settings_get(const struct nodes *n);
/* Other settings from now on: after an image was loaded, which knows only the defaults. */
void nodes_configure(struct nodes *n, const struct nodes_settings *settings);

/* ---- who ---- */

struct node_registration {
    const char *uuid, *ip, *hostname, *software_version;
    uint32_t xfer_port, info_port, ipc_port, info_secure_port;
    const char *rack; /* "/a/b"; NULL: /default-rack */
};

/* Counts as a heartbeat. The same uuid at another address moves; another uuid at the same
 * ip:xfer_port makes the old node `gone`. All its storages are stale until their next full report.
 * ERR_ILLEGAL_ARGUMENT: bad or too long text. */
must_use int nodes_register(struct nodes *n, const struct node_registration *r, int64_t mono_ms,
                            int64_t now_ms, uint32_t *ret_node, struct err *err);

uint32_t nodes_find(const struct nodes *n, const char *uuid); /* 0: unknown */
uint32_t nodes_find_address(const struct nodes *n, const char *ip, uint32_t xfer_port);
/* Any node on that machine, a live one if there is one: the one to prefer for a client that calls
 * from ip. */
uint32_t nodes_find_ip(const struct nodes *n, const char *ip);
/* "host:port" or "ip:port" of the transfer port, or a bare host; as in favoredNodes. */
uint32_t nodes_find_host(const struct nodes *n, const char *host_port);
/* The node if it is alive, registered and at that address; else 0: answer RegisterCommand
 * (heartbeat, reports) or UnregisteredNodeException (other calls). */
uint32_t nodes_find_registered(const struct nodes *n, const char *uuid, const char *ip,
                               uint32_t xfer_port);

uint32_t nodes_count(const struct nodes *n); /* indices are 1..count, gone ones included */
const struct node *nodes_at(const struct nodes *n, uint32_t node);
struct node *nodes_at_mut(struct nodes *n, uint32_t node);

/* ---- storages ---- */

uint32_t nodes_storage_count(const struct nodes *n); /* indices are 1..count */
const struct node_storage *nodes_storage(const struct nodes *n, uint32_t storage);
struct node_storage *nodes_storage_mut(struct nodes *n, uint32_t storage);
uint32_t nodes_find_storage(const struct nodes *n, uint32_t node, const char *storage_uuid);
/* Finds or makes it. ERR_ILLEGAL_ARGUMENT: bad text, or too many storages. */
must_use int nodes_add_storage(struct nodes *n, uint32_t node, const char *uuid, int type,
                               bool read_only, uint32_t *ret_storage, struct err *err);

/* ---- heartbeats ---- */

struct node_storage_report {
    const char *uuid;
    int type;
    bool read_only, failed;
    uint64_t capacity, dfs_used, remaining, block_pool_used, non_dfs_used;
};

struct node_heartbeat {
    const struct node_storage_report *storages;
    size_t storage_count;
    uint32_t xmits, xceivers, failed_volumes;
    uint64_t cache_capacity, cache_used;
    bool lifeline; /* it only tells that it lives: its first heartbeat has yet to come */
};

/* A storage that is reported as failed, or that is missing when the number of failed volumes grew
 * or at the first heartbeat of a registration, becomes `failed`; blocks_tick then drops its
 * replicas. */
must_use int nodes_heartbeat(struct nodes *n, uint32_t node, const struct node_heartbeat *h,
                             int64_t mono_ms, int64_t now_ms, struct err *err);
/* Marks those dead that were silent too long, rolls the scheduled counts. Returns how many died
 * now. */
uint32_t nodes_check(struct nodes *n, int64_t mono_ms);
/* The same for one node, and what is left then: those who walk over the nodes in slices. */
bool nodes_check_node(struct nodes *n, uint32_t node, int64_t mono_ms);
void nodes_check_slow(struct nodes *n, int64_t mono_ms);
/* Counts each death of a node or failure of a storage, and each move of its admin state: then
 * somebody's replicas may have to be dropped. */
uint32_t nodes_losses(const struct nodes *n);
/* Any move; the counts of nodes in service follow. Call blocks_set_admin instead, which lets the
 * node's blocks follow too. */
void nodes_set_admin(struct nodes *n, uint32_t node, enum admin_state admin);
/* errorReport FATAL_DISK_ERROR, tests: dead at once; it must register again. */
void nodes_declare_dead(struct nodes *n, uint32_t node);
/* The next heartbeat of the node is answered with RegisterCommand (a report could not be processed
 * ...). */
void nodes_demand_registration(struct nodes *n, uint32_t node);

static inline bool node_is_stale(const struct node *node, const struct nodes_settings *s,
                                 int64_t mono_ms)
{
    return mono_ms - node->heard_ms >= s->stale_interval_ms;
}
int64_t nodes_dead_after_ms(const struct nodes_settings *s);

/* ---- slow nodes and disks, as others and they themselves tell ---- */

struct slow_latency {
    double reported, median, mad, upper_limit; /* ms */
};
struct slow_disk_latency {
    double metadata, read, write; /* ms; below 0: not told */
};

/* `reporter` calls `peer` ("ip:port" of any server of that node) slow. Malformed text, strange
 * numbers and what is beyond the limits is passed over, as is all while it is switched off. */
void nodes_slow_peer(struct nodes *n, uint32_t reporter, const char *peer,
                     const struct slow_latency *latency, int64_t mono_ms);
void nodes_slow_disk(struct nodes *n, uint32_t reporter, const char *path,
                     const struct slow_disk_latency *latency, int64_t mono_ms);
/* Those that are called slow, by most first; at most max, returns how many. */
uint32_t nodes_slow_list(const struct nodes *n, int64_t mono_ms, uint32_t *ret, uint32_t max);
/* SlowPeersReport and SlowDisksReport of JMX; of disks nothing at all when there is none. */
must_use int nodes_slow_peers_json(const struct nodes *n, int64_t mono_ms, struct buf *out);
must_use int nodes_slow_disks_json(const struct nodes *n, int64_t mono_ms, struct buf *out);

/* ---- full block report leases ---- */

/* 0: not now. A node that has one gets a new id. */
uint64_t nodes_grant_report_lease(struct nodes *n, uint32_t node, int64_t mono_ms, struct rng *rng);
/* Id 0 bypasses. */
bool nodes_check_report_lease(const struct nodes *n, uint32_t node, uint64_t lease,
                              int64_t mono_ms);
void nodes_end_report_lease(struct nodes *n, uint32_t node);

/* ---- topology ---- */

/* Hops: 0 same node, 2 same rack, 4 and more else ("/a/b": by depth of the common part). */
uint32_t nodes_distance(const struct nodes *n, uint32_t a, uint32_t b);
/* The same to a machine that is no DataNode but of which the rack is known (NULL: unknown,
 * farthest). */
uint32_t nodes_rack_distance(const struct nodes *n, uint32_t node, const char *rack);
/* Changes when a node moves to another rack or upgrade domain, and when the cluster becomes or
 * ceases to be one of several racks: rules about racks must be looked at again. */
uint32_t nodes_topology_version(const struct nodes *n);
/* NULL or "": none. It survives registrations. Only ERR_NO_MEMORY. */
must_use int nodes_set_upgrade_domain(struct nodes *n, uint32_t node, const char *domain);
uint32_t nodes_live_rack_count(const struct nodes *n);
/* Counts how often a rack got its first live node or lost its last. */
uint32_t nodes_rack_changes(const struct nodes *n);
uint32_t nodes_find_rack(const struct nodes *n, const char *rack); /* its rack_id; 0: unknown */
uint32_t nodes_live_count(const struct nodes *n);

/* Of live nodes in service; 0 without any. */
double nodes_average_xceivers(const struct nodes *n);

/* ---- orders that wait for a node's next heartbeat ---- */

struct node_block {
    uint64_t id, generation_stamp, length;
};

struct node_copy_order {
    struct node_block block;
    const uint32_t *targets; /* storages; good until the next call that changes the node's queue */
    uint32_t target_count;
};

/* False: the queue is full or no memory. */
bool nodes_order_copy(struct nodes *n, uint32_t node, struct node_block block,
                      const uint32_t *targets, uint32_t target_count);
/* At most `max`, and at most what the node's free streams allow. Each call first frees what the
 * call before it returned. Give nothing in safe mode. */
uint32_t nodes_take_copies(struct nodes *n, uint32_t node, struct node_copy_order *ret_orders,
                           uint32_t max);
/* All of them, ignoring the limit; for a node that died. */
uint32_t nodes_take_all_copies(struct nodes *n, uint32_t node, struct node_copy_order *ret_orders,
                               uint32_t max);
/* Takes back the copies of that block; true if there was one. */
bool nodes_cancel_copy(struct nodes *n, uint32_t node, uint64_t block_id);

/* To reconstruct internal blocks of an erasure coded group: the node that is told reads from the
 * sources (storages; an index only once, at least as many as the group has data units), decodes,
 * and writes internal block target_indices[i] to targets[i], itself being the first target. Targets
 * are ascending by index, and what is neither source nor target is excluded: a node that derives
 * the indices, as Hadoop's do, comes to the same. */
enum { REBUILD_UNITS = 16 };
struct node_rebuild_order {
    struct node_block group;
    uint8_t policy; /* its id */
    uint8_t source_count, target_count, excluded_count;
    uint8_t source_indices[REBUILD_UNITS], target_indices[REBUILD_UNITS], excluded[REBUILD_UNITS];
    uint32_t sources[REBUILD_UNITS], targets[REBUILD_UNITS];
};
/* False: the queue is full or no memory. */
bool nodes_order_rebuild(struct nodes *n, uint32_t node, const struct node_rebuild_order *order);
uint32_t nodes_take_rebuilds(struct nodes *n, uint32_t node, struct node_rebuild_order *ret,
                             uint32_t max);
/* Takes back those of that group; true if there was one. */
bool nodes_cancel_rebuild(struct nodes *n, uint32_t node, uint64_t group_id);
/* How many of each kind a node may be given now: its free streams (max_streams, while it leaves the
 * service max_streams_hard, beside the xmits that it told) by the lengths of the two queues. */
struct node_share {
    uint32_t copies, rebuilds;
};
struct node_share nodes_stream_share(const struct nodes *n, uint32_t node);

/* Once per block id and node; a later stamp replaces. False: no memory (the next full report
 * repairs that). */
bool nodes_order_invalidate(struct nodes *n, uint32_t node, struct node_block block);
bool nodes_invalidate_ordered(const struct nodes *n, uint32_t node, uint64_t block_id,
                              uint64_t generation_stamp);
/* The same for any stamp. */
bool nodes_invalidate_waits(const struct nodes *n, uint32_t node, uint64_t block_id);
void nodes_cancel_invalidate(struct nodes *n, uint32_t node, uint64_t block_id);
/* At most min(max, invalidate_limit). Give nothing in safe mode. */
uint32_t nodes_take_invalidates(struct nodes *n, uint32_t node, struct node_block *ret_blocks,
                                uint32_t max);
/* Deletions are spread: an iteration of the monitor lets `share` of the live nodes (rounded up),
 * drawn from those that wait for some, have invalidate_limit of them. What was granted stays so
 * until it is taken. */
void nodes_grant_invalidates(struct nodes *n, double share, struct rng *rng);
/* The same in slices: begin, then as often as it returns true; about `max` nodes are looked at. */
void nodes_begin_grants(struct nodes *n, double share);
bool nodes_grant_some(struct nodes *n, struct rng *rng, uint32_t max);
uint32_t nodes_invalidates_granted(const struct nodes *n, uint32_t node); /* of those that wait */
/* To lead the recovery of a block; once per block id. False: the queue is full or no memory. */
bool nodes_order_recovery(struct nodes *n, uint32_t node, uint64_t block_id);
uint32_t nodes_take_recoveries(struct nodes *n, uint32_t node, uint64_t *ret_block_ids,
                               uint32_t max);
/* Every node that is alive is told at its next heartbeat how many bytes a second the balancer's
 * moves may take. */
void nodes_set_bandwidth(struct nodes *n, uint64_t bytes_per_second);
uint64_t nodes_take_bandwidth(struct nodes *n, uint32_t node); /* 0: nothing to tell */
void nodes_clear_orders(struct nodes *n, uint32_t node);
/* At most about `max` of them. True: more are left. */
bool nodes_clear_some_orders(struct nodes *n, uint32_t node, uint32_t max);
/* New replicas that were promised to a storage, for placement and load. */
void nodes_schedule(struct nodes *n, uint32_t storage);
void nodes_unschedule(struct nodes *n, uint32_t storage);
uint32_t node_storage_scheduled(const struct node_storage *s);

/* ---- sums ---- */

struct nodes_stats {
    uint64_t capacity, dfs_used, remaining, block_pool_used,
        non_dfs_used; /* of live nodes in service */
    uint64_t cache_capacity, cache_used;
    uint64_t invalidates; /* replicas that wait for deletion orders */
    uint32_t live, dead, stale, xceivers, failed_volumes, racks, in_service;
    uint32_t in_service_xceivers;
    uint32_t decommissioning, decommissioned_live, decommissioned_dead;
    uint32_t entering_maintenance, maintenance_live, maintenance_dead;
};
void nodes_stats(const struct nodes *n, int64_t mono_ms, struct nodes_stats *ret);

enum node_filter {
    NODES_ALL,
    NODES_LIVE,
    NODES_DEAD,
    NODES_DECOMMISSIONING,
    NODES_ENTERING_MAINTENANCE,
    NODES_IN_MAINTENANCE,
}; /* without gone and disallowed ones */
/* For getDatanodeReport: fills at most max indices, returns how many there are. */
uint32_t nodes_list(const struct nodes *n, enum node_filter filter, uint32_t *ret_nodes,
                    uint32_t max);

/* Walks everything with CHECKs: links, counts, queues. */
void nodes_verify(const struct nodes *n);
