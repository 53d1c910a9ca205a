/* reconfig.c - settings of a running server: start reading them anew, look how it went, list those
 * that can change. A DataNode has these calls in ClientDatanodeProtocol, a NameNode in a protocol
 * of their own. Thread: main's. */
#include "cli/admin/internal.h"
#include "common/rpc/rpc.h"
#include "reconf.pb-c.h"

enum operation { START, STATUS, PROPERTIES, OPERATION_COUNT };

static const struct rpc_method *method_of(bool datanode, enum operation op)
{
    static const enum datanode_ipc_method datanodes[] = {DATANODE_IPC_startReconfiguration,
                                                         DATANODE_IPC_getReconfigurationStatus,
                                                         DATANODE_IPC_listReconfigurableProperties};
    static const enum reconfiguration_method namenodes[] = {
        RECONFIGURATION_startReconfiguration, RECONFIGURATION_getReconfigurationStatus,
        RECONFIGURATION_listReconfigurableProperties};
    return datanode ? &rpc_datanode_ipc_methods[datanodes[op]]
                    : &rpc_reconfiguration_methods[namenodes[op]];
}

static void print_status(const Rc__GetReconfigurationStatusResponse *r)
{
    static const char format[] = "%a %b %d %H:%M:%S %Z %Y";
    char text[TEXT_SIZE];
    if (r->start_time == 0) {
        puts("no task was found.");
        return;
    }
    printf("started at %s", text_time(r->start_time, format, false, text));
    if (!r->has_end_time || r->end_time == 0) {
        puts(" and is still running.");
        return;
    }
    printf(" and finished at %s.\n", text_time(r->end_time, format, false, text));
    for (size_t i = 0; i < r->n_changes; i++) {
        const Rc__ConfigChange *c = r->changes[i];
        printf("%s property %s\n\tFrom: \"%s\"\n\tTo: \"%s\"\n",
               c->error_message == NULL ? "SUCCESS: Changed" : "FAILED: Change", c->name,
               c->old_value, c->new_value == NULL ? "null" : c->new_value);
        if (c->error_message != NULL)
            printf("\tError: %s.\n", c->error_message);
    }
}

static void print_answer(enum operation op, const char *address, const ProtobufCMessage *m)
{
    const Rc__ListReconfigurablePropertiesResponse *list = (const void *)m;
    switch (op) {
    case START:
        printf("Started reconfiguration task on node [%s].\n", address);
        break;
    case STATUS:
        printf("Reconfiguring status for node [%s]: ", address);
        print_status((const void *)m);
        break;
    default:
        printf("Node [%s] Reconfigurable properties:\n", address);
        for (size_t i = 0; i < list->n_name; i++)
            puts(list->name[i]);
    }
}

static int ask(enum operation op, bool datanode, const char *address)
{
    static const char *const verbs[] = {"reconfiguring", "reloading configuration",
                                        "reconfiguration"};
    Rc__StartReconfigurationRequest start = RC__START_RECONFIGURATION_REQUEST__INIT;
    Rc__GetReconfigurationStatusRequest status = RC__GET_RECONFIGURATION_STATUS_REQUEST__INIT;
    Rc__ListReconfigurablePropertiesRequest list = RC__LIST_RECONFIGURABLE_PROPERTIES_REQUEST__INIT;
    const ProtobufCMessage *requests[] = {&start.base, &status.base, &list.base};
    struct server_question q = {address,
                                datanode ? RPC_DATANODE_IPC_PROTOCOL : RPC_RECONFIGURATION_PROTOCOL,
                                method_of(datanode, op)};
    struct arena arena = {0};
    ProtobufCMessage *m;
    struct err err = {0};
    int rc = server_call(&q, requests[op], &arena, &m, &err);
    if (rc == 0) {
        print_answer(op, address, m);
    } else {
        auto_text text = server_exception(&err);
        fprintf(stderr, "Node [%s] %s: %s.\n", address, verbs[op], text);
    }
    arena_fini(&arena);
    return rc == 0 ? 0 : ADMIN_ONE;
}

/* A server that has no such calls. */
static int no_such_type(enum operation op, const char *type, const char *address)
{
    fprintf(stderr, "Node type %s does not support reconfiguration.\n", type);
    if (op == START)
        printf("Started reconfiguration task on node [%s].\n", address); /* so says Hadoop */
    else if (op == STATUS)
        printf("Reconfiguring status for node [%s]: ", address);
    return ADMIN_ONE;
}

static int ask_live(struct admin *a, enum operation op)
{
    struct dfs_nodes nodes;
    size_t good = 0;
    TRY(dfs_nodes(a->dfs, DFS_NODES_LIVE, &nodes, &a->error));
    for (size_t i = 0; i < nodes.count; i++) {
        const struct dfs_node *n = &nodes.items[i];
        auto_text address =
            text_printf("%.*s:%u", (int)strcspn(n->address, ":"), n->address, n->ipc_port);
        good += ask(op, true, address) == 0;
    }
    size_t bad = nodes.count - good;
    dfs_nodes_free(&nodes);
    printf("%s successful on %zu nodes, failed on %zu nodes.\n",
           op == START ? "Starting of reconfiguration task" : "Retrieval of reconfiguration status",
           good, bad);
    return bad == 0 ? 0 : ADMIN_ONE;
}

int admin_reconfig(struct admin *a)
{
    static const char *const names[] = {"start", "status", "properties"};
    const char *type = a->argv[1], *address = a->argv[2];
    bool datanode = strcmp(type, "datanode") == 0;
    for (enum operation op = START; op < OPERATION_COUNT; op++) {
        if (strcmp(a->argv[3], names[op]) != 0)
            continue;
        if (op != PROPERTIES && strcmp(address, "livenodes") == 0) {
            if (datanode)
                return ask_live(a, op);
            fputs("Only datanode type supports reconfiguration in bulk.\n", stderr);
            return ADMIN_ONE;
        }
        if (!datanode && strcmp(type, "namenode") != 0)
            return no_such_type(op, type, address);
        return ask(op, datanode, address);
    }
    fprintf(stderr, "Unknown operation: %s\n", a->argv[3]);
    return ADMIN_FAILED;
}
