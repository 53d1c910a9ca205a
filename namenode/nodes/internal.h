/* internal.h - what the files of this room share. */
#pragma once
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION     HASH_FNV /* the default one falls through cases, which clang refuses */
#include <uthash.h>

#include "namenode/nodes/nodes.h"

/* One name of a node: its uuid, its "ip:port", or its ip (then the head of a chain). */
struct name_entry {
    UT_hash_handle hh;
    uint32_t node;
    char key[];
};

struct rack {
    char *name;
    uint32_t live;
};

struct invalid {
    struct node_block block;
    uint32_t prev, next;
};

struct nodes {
    struct nodes_settings settings;
    struct pool nodes, storages; /* nothing is ever given back: indices count up from 1 */
    struct pool invalids;
    struct name_entry *by_uuid, *by_address, *by_ip;
    struct rack *racks; /* rack_id - 1 */
    uint32_t rack_count, live_rack_count, live_count;
    uint32_t topology_version, rack_changes;
    uint32_t losses;
    uint32_t waiting_count; /* live ones with deletions that wait */
    struct {
        uint32_t node;          /* the next to look at; 0: nothing to grant */
        uint32_t room, waiting; /* grants, and nodes from there on that wait */
    } grants;
    uint32_t service_count; /* live and ADMIN_NORMAL */
    uint64_t service_xceivers;
    struct node_copy *spent; /* handed out by the last take */
    uint32_t *lease_holders; /* nodes with a report lease; those that ran out leave at the next */
    uint32_t lease_count, lease_capacity;
    struct slow_peer *slow_peers;
    struct slow_disk *slow_disks_told;
    int64_t slow_next_ms;
};

struct node_copy {
    struct node_copy *prev, *next;
    struct node_block block;
    uint32_t target_count;
    uint32_t targets[];
};

struct node_recovery {
    struct node_recovery *prev, *next;
    uint64_t block_id;
};

struct node_rebuild {
    struct node_rebuild *prev, *next;
    struct node_rebuild_order order;
};

uint64_t invalid_id_of(const void *owner, handle_t h);

/* topology.c: 0: no memory. */
uint32_t rack_intern(struct nodes *n, const char *name);
uint32_t rack_depth(const char *rack);
/* heartbeat.c: the only place that moves `alive`; keeps the counts of live nodes and racks. */
void node_set_alive(struct nodes *n, struct node *node, bool alive);
void node_sum_storages(struct nodes *n, struct node *node);
/* slow.c: marks the slow ones when it is time for that. */
void slow_check(struct nodes *n, int64_t mono_ms);
void slow_fini(struct nodes *n);
/* commands.c */
void copies_free(struct node_copy *list);
void recoveries_free(struct node_recovery *list);
/* rebuild.c */
void rebuilds_free(struct node_rebuild *list);
uint32_t node_streams_left(const struct nodes *n, const struct node *node);
void roll_scheduled(struct nodes *n, struct node *node, int64_t mono_ms);
