/* control.h - a DataNode and its NameNodes. Door of datanode/control.
 * One thread for each NameNode: registration, heartbeats, reports, commands. Everything that
 * happens to replicas is queued for each of them; the queues are bounded (a full one becomes a full
 * block report). */
#pragma once
#include <stdatomic.h>

#include "common/conf/conf.h"
#include "common/io/io.h"
#include "datanode/ec/reconstruct.h"
#include "datanode/stats/stats.h"
#include "datanode/store/store.h"
#include "datanode/upkeep/upkeep.h"

#define DATANODE_VERSION                                                     \
    "3.4.3-hadron-" HADRON_VERSION /* Hadoop's NameNodes compare the numbers \
                                    */

struct control_options {
    const struct conf *conf;
    struct store *store;
    struct copier *copier;
    struct recoverer *recoverer;
    struct rebuilder *rebuilder;
    struct throttle *balance; /* the NameNode sets its rate */
    atomic_bool *slow;        /* what the NameNode says of this node */
    struct stats *stats;      /* of slow peers and disks, to be told; NULL: none */
    const char *host_name, *ip;
    uint16_t data_port, info_port;
    unsigned (*transfers)(void *ctx); /* running operations of the data port */
    void *transfers_ctx;
    /* A NameNode refused this node for good (why); called from its thread. all: no other one is
     * left. */
    void (*refused)(void *ctx, const char *why, bool all);
    void *refused_ctx;
    /* More volumes have failed than are tolerated: the node has to stop. From any thread. */
    void (*unusable)(void *ctx, const char *why);
    void *unusable_ctx;
};
struct control;
must_use int control_new(const struct control_options *o, struct control **ret, struct err *err);
/* Starts the threads; the RPC port is known by now. */
must_use int control_run(struct control *c, uint16_t ipc_port, struct err *err);
/* Ends the threads; the other functions may still be called. */
void control_end(struct control *c);
void control_free(struct control *c);
/* A report to all NameNodes soon: a full one, or what waits in the queues. */
void control_report(struct control *c, bool incremental);
/* The same to one NameNode; NULL: to all. */
void control_report_to(struct control *c, bool incremental, const struct addr *only);
/* The NameNodes that this configuration names are served from now on, and no others. Waits until
 * calls to those that go are over. */
must_use int control_refresh(struct control *c, const struct conf *now, struct err *err);
/* Is some NameNode of the block pool served? */
bool control_serves(struct control *c, const char *pool_id);
/* One of the keys for intervals of heartbeats and reports, from now on; a report that is due at a
 * known time comes then. */
void control_configure(struct control *c, const struct conf *now, enum conf_key key);
/* A replica here is bad; every NameNode of the pool is told. */
void control_bad_block(struct control *c, const char *pool_id, const struct block *block);
uint64_t control_bandwidth(const struct control *c); /* of the balancer, bytes a second */
bool control_registered(const struct control *c);    /* with at least one NameNode */
