/* servers.c - commands for one server, named by its address: a DataNode, or what a NameNode reads
 * again. They go to its RPC port directly, not through the default file system.
 * Thread: main's. */
#include "cli/admin/internal.h"
#include "common/rpc/rpc.h"
#include "dnipc.pb-c.h"
#include "users.pb-c.h"

enum { CALL_TIMEOUT_MS = 60000, RESPONSE_MEMORY = 16 << 20 };

/* What Java's toString makes of the exception. */
char *server_exception(const struct err *err)
{
    bool remote = err->remote_class[0] != '\0';
    return text_printf("%s%s%s: %s", remote ? "org.apache.hadoop.ipc.RemoteException(" : "",
                       err_class(err), remote ? ")" : "", err->text);
}

int server_call(const struct server_question *q, const ProtobufCMessage *request,
                struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
    struct rpc_target target = {.protocol = q->protocol, .version = 1};
    struct rpc_client_options o = {.call_timeout_ms = CALL_TIMEOUT_MS};
    struct rpc_client *client;
    if (addr_parse(q->address, 0, "address", &target.addr, err) != 0) {
        *err = (struct err){0};
        return fail(err, ERR_ILLEGAL_ARGUMENT, "Does not contain a valid host:port authority: %s",
                    q->address);
    }
    arena_init(arena, RESPONSE_MEMORY);
    TRY(rpc_client_new(&o, &client, err));
    int rc = rpc_call(client, &target, q->method, request, arena, ret, err);
    rpc_client_free(client);
    return rc;
}

/* The end of a command: usage for a bad address, as Hadoop has it, else the text. */
static int failed(struct admin *a, const struct err *err)
{
    if (err->code == ERR_ILLEGAL_ARGUMENT && err->remote_class[0] == '\0')
        return admin_bad_usage(a, "%s", err->text);
    snprintf(a->error.text, sizeof(a->error.text), "%s", err->text);
    return err->code;
}

/* "Datanode unreachable. " and the exception. */
static int unreachable(struct admin *a, const struct err *err)
{
    if (err->code == ERR_ILLEGAL_ARGUMENT && err->remote_class[0] == '\0')
        return failed(a, err);
    auto_text text = server_exception(err);
    snprintf(a->error.text, sizeof(a->error.text), "Datanode unreachable. %s", text);
    return err->code;
}

static int ask_datanode(const char *address, enum datanode_ipc_method method,
                        const ProtobufCMessage *request, struct arena *arena,
                        ProtobufCMessage **ret, struct err *err)
{
    struct server_question q = {address, RPC_DATANODE_IPC_PROTOCOL,
                                &rpc_datanode_ipc_methods[method]};
    return server_call(&q, request, arena, ret, err);
}

/* A question whose answer is empty. */
static int tell_datanode(const char *address, enum datanode_ipc_method method,
                         const ProtobufCMessage *request, struct err *err)
{
    struct arena arena = {0};
    ProtobufCMessage *ignored;
    int rc = ask_datanode(address, method, request, &arena, &ignored, err);
    arena_fini(&arena);
    return rc;
}

int admin_datanode_info(struct admin *a)
{
    Di__GetDatanodeInfoRequest request = DI__GET_DATANODE_INFO_REQUEST__INIT;
    struct arena arena = {0};
    ProtobufCMessage *m;
    struct err err = {0};
    int rc =
        ask_datanode(a->argv[1], DATANODE_IPC_getDatanodeInfo, &request.base, &arena, &m, &err);
    if (rc == 0) {
        const Hdfs__DatanodeLocalInfo *i = ((Di__GetDatanodeInfoResponse *)m)->local_info;
        printf("Uptime: %llu, Software version: %s, Config version: %s\n",
               (unsigned long long)i->uptime, i->software_version, i->config_version);
    }
    arena_fini(&arena);
    return rc == 0 ? 0 : unreachable(a, &err);
}

static void amount_line(const char *label, uint64_t bytes)
{
    char text[TEXT_SIZE];
    printf("%s: %llu(%s)\n", label, (unsigned long long)bytes,
           text_prefixed((int64_t)bytes, "B", 2, text));
}

static const char *type_name(const Hdfs__DatanodeVolumeInfo *v)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&hdfs__storage_type__descriptor, (int)v->storage_type);
    return value == NULL ? "DISK" : value->name;
}

int admin_volume_report(struct admin *a)
{
    Di__GetVolumeReportRequest request = DI__GET_VOLUME_REPORT_REQUEST__INIT;
    struct arena arena = {0};
    ProtobufCMessage *m;
    struct err err = {0};
    int rc =
        ask_datanode(a->argv[1], DATANODE_IPC_getVolumeReport, &request.base, &arena, &m, &err);
    if (rc == 0) {
        const Di__GetVolumeReportResponse *r = (Di__GetVolumeReportResponse *)m;
        printf("Active Volumes : %zu\n", r->n_volume_info);
        for (size_t i = 0; i < r->n_volume_info; i++) {
            const Hdfs__DatanodeVolumeInfo *v = r->volume_info[i];
            printf("\nDirectory: %s\nStorageType: %s\n", v->path, type_name(v));
            amount_line("Capacity Used", v->used_space);
            amount_line("Capacity Left", v->free_space);
            amount_line("Capacity Reserved", v->reserved_space);
            amount_line("Reserved Space for Replicas", v->reserved_space_for_replicas);
            printf("Blocks: %llu\n", (unsigned long long)v->num_blocks);
        }
    }
    arena_fini(&arena);
    return rc == 0 ? 0 : failed(a, &err);
}

int admin_get_bandwidth(struct admin *a)
{
    Di__GetBalancerBandwidthRequest request = DI__GET_BALANCER_BANDWIDTH_REQUEST__INIT;
    struct arena arena = {0};
    ProtobufCMessage *m;
    struct err err = {0};
    int rc = ask_datanode(a->argv[1], DATANODE_IPC_getBalancerBandwidth, &request.base, &arena, &m,
                          &err);
    if (rc == 0)
        printf("Balancer bandwidth is %llu bytes per second.\n",
               (unsigned long long)((Di__GetBalancerBandwidthResponse *)m)->bandwidth);
    arena_fini(&arena);
    return rc == 0 ? 0 : unreachable(a, &err);
}

int admin_refresh_namenodes(struct admin *a)
{
    Di__RefreshNamenodesRequest request = DI__REFRESH_NAMENODES_REQUEST__INIT;
    struct err err = {0};
    int rc = tell_datanode(a->argv[1], DATANODE_IPC_refreshNamenodes, &request.base, &err);
    return rc == 0 ? 0 : failed(a, &err);
}

int admin_delete_pool(struct admin *a)
{
    Di__DeleteBlockPoolRequest request = DI__DELETE_BLOCK_POOL_REQUEST__INIT;
    struct err err = {0};
    request.block_pool = a->argv[2];
    request.force = a->argc > 3;
    if (request.force && strcmp(a->argv[3], "force") != 0)
        return ADMIN_USAGE;
    int rc = tell_datanode(a->argv[1], DATANODE_IPC_deleteBlockPool, &request.base, &err);
    return rc == 0 ? 0 : failed(a, &err);
}

int admin_shutdown_datanode(struct admin *a)
{
    Di__ShutdownDatanodeRequest request = DI__SHUTDOWN_DATANODE_REQUEST__INIT;
    struct err err = {0};
    request.for_upgrade = a->argc > 2;
    if (request.for_upgrade && strcasecmp(a->argv[2], "upgrade") != 0)
        return ADMIN_USAGE;
    int rc = tell_datanode(a->argv[1], DATANODE_IPC_shutdownDatanode, &request.base, &err);
    if (rc != 0)
        return failed(a, &err);
    printf("Submitted a shutdown request to datanode %s\n", a->argv[1]);
    return 0;
}

int admin_evict_writers(struct admin *a)
{
    Di__EvictWritersRequest request = DI__EVICT_WRITERS_REQUEST__INIT;
    struct err err = {0};
    int rc = tell_datanode(a->argv[1], DATANODE_IPC_evictWriters, &request.base, &err);
    if (rc != 0)
        return unreachable(a, &err);
    printf("Requested writer eviction to datanode %s\n", a->argv[1]);
    return 0;
}

/* Hadoop takes the words in any order. */
static int parse_report(struct admin *a, Di__TriggerBlockReportRequest *q, const char **address)
{
    *address = NULL;
    for (int i = 1; i < a->argc; i++) {
        if (strcmp(a->argv[i], "-incremental") == 0)
            q->incremental = true;
        else if (strcmp(a->argv[i], "-namenode") == 0 && i + 1 < a->argc)
            q->nn_address = a->argv[++i];
        else if (strcmp(a->argv[i], "-namenode") == 0)
            return admin_bad_usage(a, "option -namenode requires 1 argument.");
        else if (*address == NULL && a->argv[i][0] != '-')
            *address = a->argv[i];
        else {
            fprintf(stderr, "Can't understand arguments: %s\n", a->argv[i]);
            return ADMIN_ONE;
        }
    }
    if (*address != NULL)
        return 0;
    fputs("You must specify a host:port pair.\n", stderr);
    return ADMIN_ONE;
}

int admin_trigger_report(struct admin *a)
{
    Di__TriggerBlockReportRequest request = DI__TRIGGER_BLOCK_REPORT_REQUEST__INIT;
    struct err err = {0};
    const char *address;
    TRY(parse_report(a, &request, &address));
    int rc = tell_datanode(address, DATANODE_IPC_triggerBlockReport, &request.base, &err);
    if (rc != 0 && err.code == ERR_ILLEGAL_ARGUMENT && err.remote_class[0] == '\0')
        return failed(a, &err);
    if (rc != 0) {
        auto_text text = server_exception(&err);
        fprintf(stderr, "triggerBlockReport error: %s\n", text);
        return ADMIN_ONE;
    }
    printf("Triggering %s block report on %s%s%s.\n",
           request.incremental ? "an incremental" : "a full", address,
           request.nn_address == NULL ? "" : " to namenode ",
           request.nn_address == NULL ? "" : request.nn_address);
    return 0;
}

/* ---- what a server reads again ---- */

int admin_refresh(struct admin *a)
{
    Us__RefreshRequest request = US__REFRESH_REQUEST__INIT;
    struct server_question q = {a->argv[1], RPC_GENERIC_REFRESH_PROTOCOL,
                                &rpc_generic_refresh_methods[GENERIC_REFRESH_refresh]};
    struct arena arena = {0};
    ProtobufCMessage *m;
    struct err err = {0};
    int result = 0;
    request.identifier = a->argv[2];
    request.args = a->argv + 3;
    request.n_args = (size_t)a->argc - 3;
    int rc = server_call(&q, &request.base, &arena, &m, &err);
    if (rc == 0) {
        const Us__RefreshResponse *r = (Us__RefreshResponse *)m;
        puts("Refresh Responses:\n");
        for (size_t i = 0; i < r->n_responses; i++) {
            const Us__GenericRefreshResponse *one = r->responses[i];
            printf("%s: %s (exit %d)\n", one->sender_name, one->user_message, one->exit_status);
            result = one->exit_status != 0 ? ADMIN_FAILED : result;
        }
    } else if (err.code == ERR_ILLEGAL_ARGUMENT && err.remote_class[0] == '\0') {
        result = failed(a, &err);
    } else {
        puts("Failed to get response.\n"); /* Hadoop says no more */
        result = ADMIN_FAILED;
    }
    arena_fini(&arena);
    return result;
}

int admin_refresh_call_queue(struct admin *a)
{
    Us__RefreshCallQueueRequest request = US__REFRESH_CALL_QUEUE_REQUEST__INIT;
    const char *address = strstr(a->url, "://");
    struct server_question q = {address == NULL ? a->url : address + 3, RPC_CALL_QUEUE_PROTOCOL,
                                &rpc_call_queue_methods[CALL_QUEUE_refreshCallQueue]};
    struct arena arena = {0};
    ProtobufCMessage *m;
    struct err err = {0};
    int rc = server_call(&q, &request.base, &arena, &m, &err);
    arena_fini(&arena);
    if (rc != 0)
        return failed(a, &err);
    puts("Refresh call queue successful");
    return 0;
}
