/* reconstruct.h - lost internal blocks of erasure coded groups are made again from others, at the
 * NameNode's command. Door of datanode/ec. Threads: its own, bounded. */
#pragma once
#include "common/conf/conf.h"
#include "common/io/io.h"
#include "datanode.pb-c.h"
#include "datanode/pipeline/pipeline.h"

struct rebuilder;
/* A replica of this node turned out to be bad; called from a thread of the rebuilder. */
typedef void (*rebuilder_bad)(void *ctx, const char *pool_id, const struct block *block);
must_use int rebuilder_new(const struct conf *conf, const struct pipeline_config *pipeline,
                           rebuilder_bad bad, void *ctx, struct rebuilder **ret, struct err *err);
/* Ends what runs: nothing that isn't complete is kept. */
void rebuilder_free(struct rebuilder *r);
/* One group of an order; namenode: who is told of bad sources. ERR_PROTOCOL for an order that
 * can't be, ERR_BUSY when too many wait: the NameNode will ask again. */
must_use int rebuilder_submit(struct rebuilder *r, const Hdfs__BlockECReconstructionInfo *order,
                              const struct addr *namenode, struct err *err);
/* What waits and runs, weighed as the NameNode wants it in heartbeats. */
unsigned rebuilder_load(const struct rebuilder *r);
