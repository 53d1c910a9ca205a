/* methods.c - proto/methods.def as tables. */
#include "client.pb-c.h"
#include "common/rpc/rpc.h"
#include "datanode.pb-c.h"
#include "dnipc.pb-c.h"
#include "ha.pb-c.h"
#include "namenode.pb-c.h"
#include "reconf.pb-c.h"
#include "users.pb-c.h"

#define CLIENT(name, stem, ...) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, CLIENT_##name},
#define DATANODE(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, DATANODE_##name},
#define LIFELINE(name, request, response) \
    {#name, &request##_request__descriptor, &response##_response__descriptor, LIFELINE_##name},
#define NAMENODE(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, NAMENODE_##name},
#define DATANODE_IPC(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, DATANODE_IPC_##name},
#define INTER_DATANODE(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, INTER_DATANODE_##name},
#define HA(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, HA_##name},
#define USER_GROUPS(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, USER_GROUPS_##name},
#define USER_REFRESH(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, USER_REFRESH_##name},
#define REFRESH_POLICY(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, REFRESH_POLICY_##name},
#define RECONFIGURATION(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, RECONFIGURATION_##name},
#define CALL_QUEUE(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, CALL_QUEUE_##name},
#define GENERIC_REFRESH(name, stem) \
    {#name, &stem##_request__descriptor, &stem##_response__descriptor, GENERIC_REFRESH_##name},

const struct rpc_method rpc_client_methods[] = {CLIENT_METHODS(CLIENT)};
const struct rpc_method rpc_datanode_methods[] = {DATANODE_METHODS(DATANODE)};
const struct rpc_method rpc_lifeline_methods[] = {LIFELINE_METHODS(LIFELINE)};
const struct rpc_method rpc_namenode_methods[] = {NAMENODE_METHODS(NAMENODE)};
const struct rpc_method rpc_datanode_ipc_methods[] = {DATANODE_IPC_METHODS(DATANODE_IPC)};
const struct rpc_method rpc_inter_datanode_methods[] = {INTER_DATANODE_METHODS(INTER_DATANODE)};
const struct rpc_method rpc_ha_methods[] = {HA_METHODS(HA)};
const struct rpc_method rpc_user_groups_methods[] = {USER_GROUPS_METHODS(USER_GROUPS)};
const struct rpc_method rpc_user_refresh_methods[] = {USER_REFRESH_METHODS(USER_REFRESH)};
const struct rpc_method rpc_refresh_policy_methods[] = {REFRESH_POLICY_METHODS(REFRESH_POLICY)};
const struct rpc_method rpc_reconfiguration_methods[] = {RECONFIGURATION_METHODS(RECONFIGURATION)};
const struct rpc_method rpc_call_queue_methods[] = {CALL_QUEUE_METHODS(CALL_QUEUE)};
const struct rpc_method rpc_generic_refresh_methods[] = {GENERIC_REFRESH_METHODS(GENERIC_REFRESH)};
