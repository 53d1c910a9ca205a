/* mend.h - what has to be done for a block group: internal blocks that are to be decoded from
 * others, or copied because their node leaves or there are too few racks, or deleted because there
 * are too many. Door of namenode/mend. Thread: state. Core: pure functions of the nodes, which are
 * never changed; time and randomness come in, nothing is kept. An index stands for the internal
 * block of a group that has it; sets of them are bits. */
#pragma once
#include "common/base/base.h"
#include "namenode/nodes/nodes.h"
#include "namenode/placement/placement.h"

enum { MEND_UNITS = REBUILD_UNITS };

struct mend_replica {
    uint32_t storage;
    uint8_t index;
    bool corrupt, excess;
};

struct mend_group {
    const struct mend_replica *replicas; /* all that are recorded, */
    size_t replica_count;                /* and */
    const struct mend_replica *pending;  /* what is on its way to whom */
    size_t pending_count;
    uint16_t units;     /* the indices that it is to have: all that hold bytes */
    uint8_t data_units; /* so many of them make all the others */
    uint8_t parity_units;
    uint8_t ec_policy, storage_policy; /* their ids */
    struct node_block block;           /* the group */
    uint64_t unit_size;                /* of its longest internal block */
};

/* Each index counts once, by the best replica it has, in this order; corrupt and excess ones don't
 * count at all. */
struct mend_state {
    uint16_t live;            /* on nodes in service */
    uint16_t decommissioning; /* on nodes that leave, or have left, for good */
    uint16_t kept;            /* on nodes that enter maintenance or are in it: they come back */
    uint16_t readable;        /* some node that is heard has it, wherever it counts */
    uint16_t pending;
};
void mend_look(const struct nodes *n, const struct mend_group *g, struct mend_state *ret);
/* The indices that lack a replica in service which isn't on its way either. Those in maintenance
 * come back; they lack one only if the group couldn't be read without them. */
uint16_t mend_wanted(uint16_t units, unsigned data_units, const struct mend_state *s);

/* A node that has that many orders is too busy for more. */
struct mend_limits {
    uint32_t streams, streams_hard;
    bool urgent; /* streams_hard counts for all, not only for nodes that leave */
};

struct mend_copy {
    uint32_t source, target; /* storages */
    uint8_t index;
};

enum mend_obstacle {
    MEND_NONE,
    MEND_BUSY,       /* nodes have to get done with other orders first */
    MEND_UNREADABLE, /* fewer internal blocks are left than data units */
    MEND_NO_TARGETS, /* there is no node for all of what is wanted */
};

struct mend_plan {
    struct node_rebuild_order rebuild; /* for the node of its first target; target_count 0: none */
    struct mend_copy copies[MEND_UNITS]; /* each for the node of its source */
    size_t copy_count;
    enum mend_obstacle obstacle; /* why it isn't all that is wanted */
};

/* Lost ones are decoded, all in one order; those on nodes that leave are copied from there. If none
 * is wanted and there are too few racks, one is copied to another rack. A target never is a node
 * that has a replica of the group already. */
void mend_make(const struct nodes *n, const struct place_settings *place,
               const struct mend_group *g, const struct mend_limits *limits, int64_t mono_ms,
               struct rng *rng, struct mend_plan *ret);

/* Those of the replicas in service that may go because their index has another one there, or isn't
 * wanted at all: their positions in g->replicas; one of each index stays. First the one on
 * hint_node (0: none), then on silent nodes, on racks with most of the group, on full volumes.
 * Needs room for replica_count; returns how many. */
size_t mend_surplus(const struct nodes *n, const struct mend_group *g, uint32_t hint_node,
                    int64_t mono_ms, uint32_t *ret);
