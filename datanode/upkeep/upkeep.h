/* upkeep.h - work of a DataNode that nobody waits for. Door of datanode/upkeep. */
#pragma once
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
