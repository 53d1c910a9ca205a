/* meta.h - what libdfs says to the NameNodes of one file system, and to the DataNodes' IPC port.
 * Door of libdfs/meta. Everything here is thread-safe; calls block the caller's thread. */
#pragma once
#include "client.pb-c.h"
#include "common/base/base.h"
#include "common/conf/conf.h"
#include "common/rpc/rpc.h"

enum { META_DEFAULT_PORT = 8020, META_MAX_NAMENODES = 16 };

/* resolve.c: the NameNodes that stand behind an authority. */
struct meta_addresses {
    char authority[300]; /* as URLs show it: host:port, or the nameservice */
    bool logical;        /* authority is a nameservice of the configuration */
    struct addr items[META_MAX_NAMENODES];
    char ids[META_MAX_NAMENODES][64]; /* of the NameNodes in a nameservice, else "" */
    size_t count;
};
/* url: hdfs://authority[/...]; NULL: fs.defaultFS. */
must_use int meta_resolve(const struct conf *conf, const char *url, struct meta_addresses *ret,
                          struct err *err);
/* True if authority (of some other URL) means the same file system. */
bool meta_same_authority(const struct meta_addresses *a, const char *authority, size_t size);

/* namenode.c */
struct meta;
must_use int meta_new(const struct conf *conf, const char *url, const char *user, struct meta **ret,
                      struct err *err);
void meta_free(struct meta *m);
const struct meta_addresses *meta_addresses(const struct meta *m);
const char *meta_user(const struct meta *m);

/* One RPC to whichever NameNode is active. Fails over, and asks again (the same call id, so that
 * the server's retry cache knows it) as Hadoop's client does. *ret lives in arena. Use META_CALL.
 */
must_use int meta_call(struct meta *m, enum client_method method, const ProtobufCMessage *request,
                       struct arena *arena, ProtobufCMessage **ret, struct err *err);
/* The same for another protocol of the NameNode, version 1. */
must_use int meta_call_other(struct meta *m, const char *protocol, const struct rpc_method *method,
                             const ProtobufCMessage *request, struct arena *arena,
                             ProtobufCMessage **ret, struct err *err);
#define META_CALL(m, method, request, arena, ret, err)                                             \
    meta_call((m), CLIENT_##method, &(request)->base, (arena), (ProtobufCMessage **)(void *)(ret), \
              (err))

/* datanode_ipc.c: bytes of an open block that a reader may see at this node. */
must_use int meta_visible_length(struct meta *m, const Hdfs__DatanodeID *node, bool use_hostname,
                                 const Hdfs__ExtendedBlock *block, uint64_t *ret, struct err *err);

/* probe.c: asks nodes in the background whether they are at work, and how much of an open block
 * they have acknowledged. */
enum { PROBE_MAX_NODES = 64 };
struct probe;
struct probe_sign {
    bool done;     /* there will be no other */
    bool answered; /* the process is alive; an exception is an answer, too */
    bool has_length;
    uint64_t length;
    int64_t took_ms;
};
must_use int probe_start(struct meta *m, const Hdfs__DatanodeID *const *nodes, unsigned node_count,
                         bool use_hostname, const Hdfs__ExtendedBlock *block, struct probe **ret);
struct probe_sign probe_sign(struct probe *p, unsigned index);
void probe_unref(struct probe *p); /* never waits */

/* retry.c (pure): what to do after a failed call. */
struct meta_retry {
    bool many;        /* more than one NameNode */
    bool failed_over; /* ret: the next try goes to the next NameNode */
    unsigned failovers, repeats, max_failovers, max_repeats;
    int64_t base_ms, max_ms;
};
/* True: wait *ret_wait_ms and try again. */
bool meta_retry_again(struct meta_retry *r, int code, uint64_t random, int64_t *ret_wait_ms);

/* lease_keeper.c: two threads per client, started with the first file that is open for writing. One
 * renews the lease, the other lets each file send a heartbeat down an idle pipeline. */
struct keeper;
struct keeper_entry {
    struct keeper_entry *prev, *next;
    /* Called about every 5 s (or a quarter of the hard limit) with the keeper's lock held: must not
     * wait long nor call the keeper. lease_lost: the lease couldn't be renewed within the hard
     * limit. */
    void (*tick)(struct keeper_entry *entry, int64_t now_ms, bool lease_lost);
};
must_use int keeper_new(struct meta *m, const char *client_name, int64_t hard_limit_ms,
                        struct keeper **ret);
void keeper_free(struct keeper *k); /* no entries left */
must_use int keeper_add(struct keeper *k, struct keeper_entry *entry, struct err *err);
/* When this returns no tick of the entry runs or will run. */
void keeper_remove(struct keeper *k, struct keeper_entry *entry);
