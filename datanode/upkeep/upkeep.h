/* upkeep.h - work of a DataNode that nobody waits for. Door of datanode/upkeep. */
#pragma once
#include "common/ec/ec.h"
#include "common/io/io.h"
#include "datanode.pb-c.h"
#include "datanode/pipeline/pipeline.h"

/* Copies of replicas to other nodes, at the NameNode's command. Threads: its own, bounded. */
struct copier;
/* A copy that failed because the replica here is bad; called from a thread of the copier. */
typedef void (*copier_bad)(void *ctx, const char *pool_id, const struct block *block);
must_use int copier_new(const struct pipeline_config *config, copier_bad bad, void *ctx,
                        struct copier **ret, struct err *err);
/* Waits for what runs. */
void copier_free(struct copier *c);
/* One block of a TRANSFER command. ERR_BUSY when too many wait: the NameNode will ask again. */
must_use int copier_submit(struct copier *c, const Dp__BlockCommand *command, size_t index,
                           struct err *err);
unsigned copier_active(const struct copier *c); /* waiting and running */

/* Recovery of blocks whose writer went away, at the NameNode's command. Threads: its own, bounded.
 */
struct recoverer;
must_use int recoverer_new(struct store *store, bool use_hostname, struct recoverer **ret,
                           struct err *err);
/* Waits for what runs. */
void recoverer_free(struct recoverer *r);
/* One block of a recovery command; namenode: who is told of the result. */
must_use int recoverer_submit(struct recoverer *r, const Dp__RecoveringBlock *order,
                              const struct addr *namenode, struct err *err);

/* What a node said of its replica, and whether it takes part. */
struct recovery_vote {
    bool answered, chosen;
    enum replica_state state; /* REPLICA_NONE: it has none */
    struct block block;
};
/* Sets `chosen` of each. At least one vote has bytes and is RWR or better. truncate_to: NULL for a
 * recovery without a truncation. Pure. */
must_use int recovery_plan(struct recovery_vote *votes, size_t count, const uint64_t *truncate_to,
                           uint64_t *ret_length, struct err *err);
/* The same for a block group: indices[i] is that of vote i. Chosen are at most one for each index,
 * to be cut to ec_internal_length of *ret_length; 0: nothing can be kept, the group goes.
 * ERR_BLOCK_MISSING: too few nodes answered to know. Pure. */
must_use int recovery_plan_group(struct recovery_vote *votes, const uint8_t *indices, size_t count,
                                 const struct ec_policy *policy, uint64_t *ret_length,
                                 struct err *err);
