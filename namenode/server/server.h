/* server.h - the threads around the state: network loops, the owner thread, the gate. Door of
 * namenode/server. Shell: brings calls to the handlers in order and lets no answer out before what
 * it saw is durable. */
#pragma once
#include "common/base/base.h"
#include "namenode/nn.h"

struct conf;
struct server;
struct storage;
struct storage_loaded;

/* The host and port to listen on, from dfs.namenode.rpc-address (or fs.defaultFS) and
 * rpc-bind-host. ERR_CONFIG: no address, or beyond loopback without hadron.insecure.network. Warns
 * when that is on and used. */
struct addr;
must_use int server_address_from_conf(const struct conf *conf, struct addr *ret, struct err *err);
/* Gives the cores the settings of the configuration; call before server_start. */
must_use int server_configure(const struct conf *conf, struct nn *nn, struct err *err);

struct server_options {
    const struct conf *conf; /* these three are borrowed and must outlive the server */
    struct storage *storage;
    struct nn *nn;
    const struct storage_loaded *loaded;
    const char *process_user; /* the superuser; copied */
};
/* Returns when the first segment is open and calls are answered. */
must_use int server_start(const struct server_options *o, struct server **ret, struct err *err);
uint16_t server_port(const struct server *s);
const char *server_listens_on(const struct server *s);
/* Answers what has come, closes the segment, joins all threads. */
void server_stop(struct server *take_server);
