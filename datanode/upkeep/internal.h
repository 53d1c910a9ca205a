/* internal.h - what the files of datanode/upkeep share: the steps of a block recovery. */
#pragma once
#include "common/rpc/rpc.h"
#include "datanode/upkeep/upkeep.h"

enum { MAX_NODES = 64 };

struct task;
struct recovery {
    struct recoverer *recoverer;
    struct task *task;
    const Hdfs__ExtendedBlock *block;
    uint64_t id; /* the recovery's, the new stamp */
    size_t count;
    Hdfs__DatanodeInfo **nodes;
    const uint8_t *indices; /* of a group's internal blocks, one for each node; NULL: no group */
    struct recovery_vote votes[MAX_NODES];
};
/* The block that node i has. */
static inline uint64_t recovery_block_id(const struct recovery *x, size_t i)
{
    return x->block->block_id + (x->indices != NULL ? x->indices[i] : 0);
}

/* recover.c */
bool recovery_takes_part(const struct recovery_vote *v);
/* 0, ERR_RECOVERY when a newer one runs. *ret_usable: nodes that take part. */
must_use int recovery_ask_all(struct recovery *x, size_t *ret_usable, struct err *err);
/* *ret_storage: of the replica at the node, in the arena or the store's. */
must_use int recovery_update(const struct recovery *x, size_t i, uint64_t length,
                             const char **ret_storage, struct err *err);
/* No nodes: the block goes. */
must_use int recovery_commit(const struct recovery *x, uint64_t length, Hdfs__DatanodeID **nodes,
                             char **storages, size_t count, struct err *err);

/* group.c */
must_use int group_recover(struct recovery *x, const Hdfs__ErasureCodingPolicy *policy,
                           struct err *err);
