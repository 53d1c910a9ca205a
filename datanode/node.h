/* node.h - a DataNode as a whole. Door of datanode. No globals, no signal handlers: a process may
 * run many. */
#pragma once
#include <stdint.h>

#include "common/base/err.h"
#include "common/conf/conf.h"

struct datanode;

/* Opens the volumes, the data and RPC ports, and starts to look for the NameNodes; returns without
 * waiting for them. conf is copied. */
must_use int datanode_start(const struct conf *conf, struct datanode **ret, struct err *err);
struct datanode_options {
    bool rollback; /* of block pools that keep the state before an upgrade */
};
must_use int datanode_start_with(const struct conf *conf, const struct datanode_options *o,
                                 struct datanode **ret, struct err *err);
uint16_t datanode_port(const struct datanode *dn); /* of data */
uint16_t datanode_ipc_port(const struct datanode *dn);
const char *datanode_uuid(const struct datanode *dn); /* "" until it is known */
bool datanode_registered(const struct datanode *dn);
/* `cb` is called once from some thread, with failed and why when every NameNode has refused this
 * node or too many volumes have failed, or without when an administrator asked it to stop. The
 * callback must not call datanode_stop itself. */
void datanode_on_end(struct datanode *dn, void (*cb)(void *ctx, bool failed, const char *why),
                     void *ctx);
/* Graceful: running transfers are cut off, what is on disk is whole. */
void datanode_stop(struct datanode *take_dn);
