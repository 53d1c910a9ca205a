/* rpc.h - Hadoop RPC version 9, server and client. Door of common/rpc.
 *
 * Server: K libuv loops do the bytes (framing, SASL NEGOTIATE, decoding into an arena per call,
 * encoding of replies). A decoded call is handed to the protocol's `dispatch` on the loop's thread;
 * whoever holds it answers exactly once, from any thread, at any time, with rpc_reply or
 * rpc_reply_error. A connection that went away in between is the server's business: the reply is
 * dropped.
 *
 * Client: one loop thread per struct rpc_client keeps connections (by address, user, protocol);
 * rpc_call blocks the caller's thread; many calls are in flight on one connection. */
#pragma once
#include <protobuf-c/protobuf-c.h>

#include "common/base/base.h"
#include "common/io/io.h"

enum { RPC_CLIENT_ID_SIZE = 16 };

struct rpc_method {
    const char *name;
    const ProtobufCMessageDescriptor *request, *response;
    int tag; /* the protocol owner's own: an enum value, an index */
};

struct rpc_call {
    struct arena arena; /* request, response and all that the handler needs; lives till the reply is
                           queued */
    const struct rpc_protocol *protocol;
    const struct rpc_method *method;
    ProtobufCMessage *request;
    const char *user;      /* effective user of the connection */
    const char *real_user; /* who authenticated, when a proxy acts for `user`; else NULL */
    char peer_host[64];    /* numeric address of the other end */
    uint16_t peer_port;
    uint8_t client_id[RPC_CLIENT_ID_SIZE];
    size_t client_id_size; /* 0 or 16 */
    int32_t call_id, retry_count;
    const char *caller_context; /* NULL if none */
    struct slice caller_signature;
    int64_t received_ns;    /* monotonic */
    struct inbox_node node; /* for the owner's queues while it holds the call */
    void *owner_data;       /* the owner's own, e.g. the response that waits for the journal */
};

struct rpc_protocol {
    const char *name; /* org.apache.hadoop... */
    uint64_t version;
    const struct rpc_method *methods;
    size_t method_count;
    void (*dispatch)(void *ctx, struct rpc_call *call);
    void *ctx;
};

struct rpc_server_options {
    struct addr listen; /* port 0: any */
    const char *name;   /* thread names and log lines */
    unsigned loops;     /* 0: 1 */
    const struct rpc_protocol *protocols;
    size_t protocol_count;
    size_t max_frame;             /* ipc.maximum.data.length; 0: 128 MiB */
    unsigned max_connections;     /* 0: 10000; beyond: accepted and closed, counted */
    unsigned max_calls_in_flight; /* per connection, 0: 256; beyond: reading pauses until replies
                                     leave */
    int64_t
        idle_ms; /* 0: 20000; connections without calls for so long are closed when many are open */
    int64_t handshake_ms; /* 0: 10000; until the connection context has come */
    /* Asked once a connection when its context has come, for a proxy user (real != NULL); NULL:
     * proxies are refused. */
    int (*authorize_proxy)(void *ctx, const char *real, const char *user, const char *host,
                           struct err *err);
    void *authorize_ctx;
};

struct rpc_server;
must_use int rpc_server_start(const struct rpc_server_options *o, struct rpc_server **ret,
                              struct err *err);
uint16_t rpc_server_port(const struct rpc_server *s);
/* Stops accepting and reading, lets queued replies leave for at most drain_ms, closes, joins the
 * threads. Calls that are still held must be answered before rpc_server_free (their replies are
 * dropped). */
void rpc_server_stop(struct rpc_server *s, int64_t drain_ms);
void rpc_server_free(struct rpc_server *s);

/* Takes the call; response is of the method's response type and may live in the call's arena (it is
 * encoded before this returns). */
void rpc_reply(struct rpc_call *take_call, const ProtobufCMessage *response);
/* Takes the call; class and text come from err. */
void rpc_reply_error(struct rpc_call *take_call, const struct err *err);
/* Encodes now, sends later: for replies that wait for the journal. rpc_reply_send takes the call.
 */
must_use int rpc_reply_encode(struct rpc_call *call, const ProtobufCMessage *response);
void rpc_reply_send(struct rpc_call *take_call);

struct rpc_client_options {
    const char *user; /* effective user; NULL: the process's (HADOOP_USER_NAME, else by uid) */
    int connect_timeout_ms;   /* 0: 20000 */
    int call_timeout_ms;      /* 0: 120000 */
    int ping_interval_ms;     /* 0: 60000 */
    int idle_ms;              /* 0: 10000 */
    unsigned connect_retries; /* on refused and timed out connects, 1 s apart; Hadoop's 10 is the
                                 caller's choice */
    size_t max_response;      /* 0: 128 MiB */
};

struct rpc_client;
must_use int rpc_client_new(const struct rpc_client_options *o, struct rpc_client **ret,
                            struct err *err);
void rpc_client_free(struct rpc_client *c);
const char *rpc_client_user(const struct rpc_client *c);

struct rpc_target {
    struct addr addr;
    const char *protocol;
    uint64_t version;
};

/* One call. Thread-safe. *ret_response lives in `arena`. A retry of the same logical call passes
 * the same call_id (from rpc_new_call_id) and a greater retry_count, so that the server's retry
 * cache knows it. */
int32_t rpc_new_call_id(struct rpc_client *c);
must_use int rpc_call_full(struct rpc_client *c, const struct rpc_target *target,
                           const struct rpc_method *method, const ProtobufCMessage *request,
                           int32_t call_id, int32_t retry_count, struct arena *arena,
                           ProtobufCMessage **ret_response, struct err *err);
must_use int rpc_call(struct rpc_client *c, const struct rpc_target *target,
                      const struct rpc_method *method, const ProtobufCMessage *request,
                      struct arena *arena, ProtobufCMessage **ret_response, struct err *err);

/* Checks that every string field of an encoded message (nested ones too) is valid UTF-8 without
 * NUL, since protobuf-c would cut it there. 0 or ERR_PROTOCOL naming the field. */
must_use int rpc_check_strings(const ProtobufCMessageDescriptor *descriptor, struct slice message,
                               struct err *err);

/* methods.def of proto/ as tables: the methods of each protocol, for servers and clients alike. */
extern const struct rpc_method rpc_client_methods[];       /* ClientProtocol */
extern const struct rpc_method rpc_datanode_methods[];     /* DatanodeProtocol */
extern const struct rpc_method rpc_lifeline_methods[];     /* DatanodeLifelineProtocol */
extern const struct rpc_method rpc_namenode_methods[];     /* NamenodeProtocol */
extern const struct rpc_method rpc_datanode_ipc_methods[]; /* ClientDatanodeProtocol */
extern const struct rpc_method rpc_inter_datanode_methods[];
extern const struct rpc_method rpc_ha_methods[];           /* HAServiceProtocol */
extern const struct rpc_method rpc_user_groups_methods[];  /* GetUserMappingsProtocol */
extern const struct rpc_method rpc_user_refresh_methods[]; /* RefreshUserMappingsProtocol */
extern const struct rpc_method
    rpc_refresh_policy_methods[]; /* RefreshAuthorizationPolicyProtocol */
extern const struct rpc_method rpc_reconfiguration_methods[]; /* ReconfigurationProtocol */
extern const struct rpc_method rpc_call_queue_methods[];      /* RefreshCallQueueProtocol */
extern const struct rpc_method rpc_generic_refresh_methods[]; /* GenericRefreshProtocol */
#include "proto/methods.def"
enum client_method {
#define M(name, ...) CLIENT_##name,
    CLIENT_METHODS(M)
#undef M
        CLIENT_METHOD_COUNT
};
enum datanode_method {
#define M(name, type) DATANODE_##name,
    DATANODE_METHODS(M)
#undef M
        DATANODE_METHOD_COUNT
};
enum lifeline_method {
#define M(name, ...) LIFELINE_##name,
    LIFELINE_METHODS(M)
#undef M
        LIFELINE_METHOD_COUNT
};
enum namenode_method {
#define M(name, type) NAMENODE_##name,
    NAMENODE_METHODS(M)
#undef M
        NAMENODE_METHOD_COUNT
};
enum datanode_ipc_method {
#define M(name, type) DATANODE_IPC_##name,
    DATANODE_IPC_METHODS(M)
#undef M
        DATANODE_IPC_METHOD_COUNT
};
enum inter_datanode_method {
#define M(name, type) INTER_DATANODE_##name,
    INTER_DATANODE_METHODS(M)
#undef M
        INTER_DATANODE_METHOD_COUNT
};
enum ha_method {
#define M(name, type) HA_##name,
    HA_METHODS(M)
#undef M
        HA_METHOD_COUNT
};
enum user_groups_method {
#define M(name, type) USER_GROUPS_##name,
    USER_GROUPS_METHODS(M)
#undef M
        USER_GROUPS_METHOD_COUNT
};
enum user_refresh_method {
#define M(name, type) USER_REFRESH_##name,
    USER_REFRESH_METHODS(M)
#undef M
        USER_REFRESH_METHOD_COUNT
};
enum refresh_policy_method {
#define M(name, type) REFRESH_POLICY_##name,
    REFRESH_POLICY_METHODS(M)
#undef M
        REFRESH_POLICY_METHOD_COUNT
};
enum reconfiguration_method {
#define M(name, type) RECONFIGURATION_##name,
    RECONFIGURATION_METHODS(M)
#undef M
        RECONFIGURATION_METHOD_COUNT
};
enum call_queue_method {
#define M(name, type) CALL_QUEUE_##name,
    CALL_QUEUE_METHODS(M)
#undef M
        CALL_QUEUE_METHOD_COUNT
};
enum generic_refresh_method {
#define M(name, type) GENERIC_REFRESH_##name,
    GENERIC_REFRESH_METHODS(M)
#undef M
        GENERIC_REFRESH_METHOD_COUNT
};
#define RPC_CLIENT_PROTOCOL         "org.apache.hadoop.hdfs.protocol.ClientProtocol"
#define RPC_DATANODE_PROTOCOL       "org.apache.hadoop.hdfs.server.protocol.DatanodeProtocol"
#define RPC_LIFELINE_PROTOCOL       "org.apache.hadoop.hdfs.server.protocol.DatanodeLifelineProtocol"
#define RPC_NAMENODE_PROTOCOL       "org.apache.hadoop.hdfs.server.protocol.NamenodeProtocol"
#define RPC_DATANODE_IPC_PROTOCOL   "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol"
#define RPC_INTER_DATANODE_PROTOCOL "org.apache.hadoop.hdfs.server.protocol.InterDatanodeProtocol"
#define RPC_HA_PROTOCOL             "org.apache.hadoop.ha.HAServiceProtocol"
#define RPC_USER_GROUPS_PROTOCOL    "org.apache.hadoop.tools.GetUserMappingsProtocol"
#define RPC_USER_REFRESH_PROTOCOL   "org.apache.hadoop.security.RefreshUserMappingsProtocol"
#define RPC_REFRESH_POLICY_PROTOCOL \
    "org.apache.hadoop.security.authorize.RefreshAuthorizationPolicyProtocol"
#define RPC_RECONFIGURATION_PROTOCOL "org.apache.hadoop.hdfs.protocol.ReconfigurationProtocol"
#define RPC_CALL_QUEUE_PROTOCOL      "org.apache.hadoop.ipc.RefreshCallQueueProtocol"
#define RPC_GENERIC_REFRESH_PROTOCOL "org.apache.hadoop.ipc.GenericRefreshProtocol"
