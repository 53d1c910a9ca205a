/* fixture.h - a NameNode without its shell: calls run at once, edits are applied and kept for
 * replay. */
#pragma once
#include <criterion/criterion.h>

#include "client.pb-c.h"
#include "datanode.pb-c.h"
#include "namenode/blocks/blocks.h"
#include "namenode/handlers/handlers.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"

struct fixture {
    struct nn *nn;
    struct nn_settings settings;
    struct handler_env env;
    struct rng rng;
    struct rpc_protocol protocol;
    struct rpc_call rpc; /* of the last call; its arena holds the last answer */
    struct call call;
    const char *user;
    int64_t now_ms, mono_ms;
    unsigned edits;
    struct buf journal;
};

void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);
/* Runs a method; 0 or the error code. The answer is f->call.response. */
int client_call(struct fixture *f, enum client_method method, ProtobufCMessage *request);
int datanode_call(struct fixture *f, enum datanode_method method, ProtobufCMessage *request);
int namenode_call(struct fixture *f, enum namenode_method method, ProtobufCMessage *request);
/* Registers DataNode i (uuid "dn<i>", port 1000 + i) with one storage "ds<i>" and lets it report an
 * empty storage. */
void add_datanode(struct fixture *f, int i);
/* Its next heartbeat, and what it is ordered. */
const Dp__SendHeartbeatResponse *heartbeat(struct fixture *f, int i);
void report(struct fixture *f, int i, const Hdfs__ExtendedBlock *block, uint64_t length,
            Dp__ReceivedDeletedBlockInfo__BlockStatus status);
/* Node i reports the block as received. */
void report_received(struct fixture *f, int i, const Hdfs__ExtendedBlock *block, uint64_t length);

int do_mkdirs(struct fixture *f, const char *path);
int do_create(struct fixture *f, const char *path, const char *client, uint32_t flag);
int do_complete(struct fixture *f, const char *path, const char *client,
                const Hdfs__ExtendedBlock *last, bool *ret_done);
int do_add_block(struct fixture *f, const char *path, const char *client,
                 Hdfs__ExtendedBlock *previous, Hdfs__ExtendedBlock *ret);
