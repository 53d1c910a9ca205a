/* nn.h - the NameNode's state: what the owner thread owns, and nothing else does.
 * Core: no clock, no I/O, no threads. Handlers read it and change it only by applying edits
 * (namespace, block ids, leases) or through blocks/ and nodes/ (replica locations, which are not
 * journaled). */
#pragma once
#include "common/base/base.h"

struct ns;     /* namespace/namespace.h: inodes, directories, permissions, leases */
struct blocks; /* blocks/blocks.h: block records, replicas, redundancy work, safe mode */
struct kept;   /* journal/: tokens, keys, EC policies, counters: kept for the image, not used yet */
struct retry;  /* retry/retry.h: at-most-once calls that have succeeded */
struct nodes;  /* nodes/nodes.h: DataNodes, storages, topology, their command queues */

enum { ROOT_INODE_ID = 16385, FIRST_BLOCK_ID = 1073741825, FIRST_GENERATION_STAMP = 1001 };

/* What `-format` makes and VERSION keeps. */
struct nn_identity {
    int32_t namespace_id;
    uint64_t ctime_ms;
    char cluster_id[80];    /* CID-<uuid> */
    char block_pool_id[80]; /* BP-<random>-<ip>-<ms> */
};

struct nn {
    struct nn_identity identity;
    struct ns *ns;
    struct blocks *blocks;
    struct nodes *nodes;
    struct kept *kept;
    struct retry *retry;
    uint64_t last_txid;             /* of the last edit applied */
    uint64_t last_block_id;         /* allocated; FIRST_BLOCK_ID - 1 after format */
    uint64_t last_striped_block_id; /* as in the image; striped files come later */
    uint64_t generation_stamp;      /* last given out; FIRST_GENERATION_STAMP - 1 after format */
};
