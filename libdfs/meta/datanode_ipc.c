/* datanode_ipc.c - the one question libdfs has for a DataNode's IPC port.
 * Thread: any. */
#include "dnipc.pb-c.h"
#include "libdfs/meta/internal.h"

int meta_visible_length(struct meta *m, const Hdfs__DatanodeID *node, bool use_hostname,
                        const Hdfs__ExtendedBlock *block, uint64_t *ret, struct err *err)
{
    if (node->ipc_port == 0 || node->ipc_port > UINT16_MAX)
        return fail(err, ERR_PROTOCOL, "DataNode %s has IPC port %u", node->ip_addr,
                    node->ipc_port);
    struct rpc_target target = {.protocol = RPC_DATANODE_IPC_PROTOCOL, .version = 1};
    snprintf(target.addr.host, sizeof(target.addr.host), "%s",
             use_hostname ? node->host_name : node->ip_addr);
    target.addr.port = (uint16_t)node->ipc_port;
    Di__GetReplicaVisibleLengthRequest request = DI__GET_REPLICA_VISIBLE_LENGTH_REQUEST__INIT;
    request.block = (Hdfs__ExtendedBlock *)(uintptr_t)block; /* protobuf-c has no const fields */
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    ProtobufCMessage *response = NULL;
    int rc =
        rpc_call(m->rpc, &target, &rpc_datanode_ipc_methods[DATANODE_IPC_getReplicaVisibleLength],
                 &request.base, &arena, &response, err);
    if (rc == 0)
        *ret = ((Di__GetReplicaVisibleLengthResponse *)(void *)response)->length;
    arena_fini(&arena);
    return rc;
}
