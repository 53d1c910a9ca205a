/* server.h - the data port and the RPC port of a DataNode. Door of datanode/server. */
#pragma once
#include "common/io/io.h"
#include "common/reconf/reconf.h"
#include "datanode/control/control.h"
#include "datanode/pipeline/pipeline.h"

/* The data port: a loop thread accepts and parks connections; an operation that has arrived whole
 * runs on a worker thread, then the connection is parked again. */
struct data_server_options {
    struct addr listen;
    const struct pipeline_config *pipeline;
    unsigned max_transfers; /* workers; beyond, an operation is answered with ERROR and the
                               connection closed */
    int64_t first_ms;       /* until the first operation has come */
    int64_t keepalive_ms;   /* between operations */
};
struct data_server;
must_use int data_server_start(const struct data_server_options *o, struct data_server **ret,
                               struct err *err);
uint16_t data_server_port(const struct data_server *s);
unsigned data_server_active(const struct data_server *s); /* running operations */
/* Tells the clients whose blocks are being written that this node will be back; a moment for them
 * to hear it. */
void data_server_restart(struct data_server *s);
/* Stops accepting, ends the running operations, joins all threads, frees. */
void data_server_stop(struct data_server *take_s);

/* The RPC port: ClientDatanodeProtocol, InterDatanodeProtocol. */
struct ipc_options {
    struct addr listen;
    const struct conf *conf;
    struct store *store;
    struct control *control;
    struct reconf *reconf;
    /* an administrator asks this node to stop; restart: it will be back soon */
    void (*shutdown)(void *ctx, bool restart);
    void *shutdown_ctx;
};
struct ipc;
must_use int ipc_start(const struct ipc_options *o, struct ipc **ret, struct err *err);
uint16_t ipc_port(const struct ipc *i);
void ipc_stop(struct ipc *take_i);
