/* node.c - puts the rooms of a DataNode together.
 * Start: volumes, data port, RPC port (their numbers are registered), then control. Stop: the
 * reverse; the store goes last, since all others hold replicas. `lock` guards what the end callback
 * needs; it is called without it. */
#include "datanode/node.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/auth/auth.h"
#include "common/obs/obs.h"
#include "datanode/ec/reconstruct.h"
#include "datanode/internal.h"
#include "datanode/scan/scan.h"
#include "datanode/server/server.h"
#include "datanode/status/status.h"

enum { READ_PACKET = 512 * 1024 };

struct datanode {
    struct conf *conf;
    struct stats *stats;
    struct store *store;
    struct pipeline_config pipeline;
    struct copier *copier;
    struct recoverer *recoverer;
    struct rebuilder *rebuilder;
    atomic_bool slow, restarting;
    struct data_server *data;
    struct ipc *ipc;
    struct status_page *page;
    struct scanner *scanner;
    struct control *control;
    struct node_parts parts;
    struct reconf *reconf;
    char host_name[256], ip[256];
    pthread_mutex_t lock;
    void (*on_end)(void *ctx, bool failed, const char *why);
    void *on_end_ctx;
    bool ended, failed;
    char why[512];
};

static void end(struct datanode *dn, bool failed, const char *why)
{
    pthread_mutex_lock(&dn->lock);
    bool first = !dn->ended;
    dn->ended = true;
    if (first) {
        dn->failed = failed;
        snprintf(dn->why, sizeof(dn->why), "%s", why);
    }
    void (*cb)(void *, bool, const char *) = first ? dn->on_end : NULL;
    void *ctx = dn->on_end_ctx;
    pthread_mutex_unlock(&dn->lock);
    if (cb != NULL)
        cb(ctx, failed, why);
}

static void on_refused(void *ctx, const char *why, bool all)
{
    if (all)
        end(ctx, true, why);
}

static void on_unusable(void *ctx, const char *why)
{
    char text[500];
    snprintf(text, sizeof(text),
             "DataNode is shutting down due to failed volumes, more than "
             "dfs.datanode.failed.volumes.tolerated allows; the last one: %s",
             why);
    end(ctx, true, text);
}

static void on_shutdown(void *ctx, bool restart)
{
    atomic_store(&((struct datanode *)ctx)->restarting, restart);
    end(ctx, false, "an administrator asked for it");
}

void datanode_on_end(struct datanode *dn, void (*cb)(void *ctx, bool failed, const char *why),
                     void *ctx)
{
    pthread_mutex_lock(&dn->lock);
    dn->on_end = cb;
    dn->on_end_ctx = ctx;
    bool now = dn->ended;
    pthread_mutex_unlock(&dn->lock);
    if (now)
        cb(ctx, dn->failed, dn->why);
}

static void on_bad_block(void *ctx, const char *pool, const struct block *block)
{
    struct datanode *dn = ctx;
    if (dn->control != NULL)
        control_bad_block(dn->control, pool, block);
}

static void on_suspect(void *ctx, const char *pool, const struct block *block)
{
    scanner_suspect(((struct datanode *)ctx)->scanner, pool, block);
}

static unsigned transfers(void *ctx)
{
    return data_server_active(((struct datanode *)ctx)->data);
}

/* Without authentication whoever connects is believed, so only loopback is offered unless that is
 * wanted. */
static int listen_address(const struct conf *conf, enum conf_key key, struct addr *ret,
                          struct err *err)
{
    TRY(addr_parse(conf_str(conf, key), 0, conf_name(key), ret, err));
    if (addr_is_loopback(ret->host))
        return 0;
    if (conf_bool(conf, CONF_insecure_network)) {
        log_warn("listening beyond loopback without authentication: whoever connects is believed "
                 "key=%s address=%s",
                 conf_name(key), conf_str(conf, key));
        return 0;
    }
    if (conf_is_set(conf, key))
        return fail(err, ERR_CONFIG,
                    "%s is %s: without authentication this node listens beyond loopback only with "
                    "hadron.insecure.network=true",
                    conf_name(key), conf_str(conf, key));
    log_info("listening on loopback only, since %s is not set and hadron.insecure.network is false",
             conf_name(key));
    snprintf(ret->host, sizeof(ret->host), "127.0.0.1");
    return 0;
}

static int start_data(struct datanode *dn, struct err *err)
{
    struct data_server_options o = {
        .pipeline = &dn->pipeline,
        .max_transfers = (unsigned)conf_int(dn->conf, CONF_dn_max_transfer_threads),
        .first_ms = dn->pipeline.read_timeout_ms > 0 ? dn->pipeline.read_timeout_ms : 60000,
        .keepalive_ms = conf_ms(dn->conf, CONF_dn_keepalive),
    };
    TRY(listen_address(dn->conf, CONF_dn_address, &o.listen, err));
    snprintf(dn->ip, sizeof(dn->ip), "%s", o.listen.host);
    return data_server_start(&o, &dn->data, err);
}

static int start_ipc(struct datanode *dn, struct err *err)
{
    dn->parts = (struct node_parts){dn->store, dn->control, &dn->pipeline};
    struct reconf_options r = {dn->conf, node_keys, node_key_count, &dn->parts};
    TRY(reconf_new(&r, &dn->reconf, err));
    struct ipc_options o = {.conf = dn->conf,
                            .store = dn->store,
                            .control = dn->control,
                            .reconf = dn->reconf,
                            .shutdown = on_shutdown,
                            .shutdown_ctx = dn};
    TRY(listen_address(dn->conf, CONF_dn_ipc_address, &o.listen, err));
    return ipc_start(&o, &dn->ipc, err);
}

static void find_host_name(struct datanode *dn)
{
    const char *configured = conf_str(dn->conf, CONF_dn_hostname);
    if (configured[0] != '\0')
        snprintf(dn->host_name, sizeof(dn->host_name), "%s", configured);
    else if (addr_is_loopback(dn->ip) || gethostname(dn->host_name, sizeof(dn->host_name)) != 0)
        snprintf(dn->host_name, sizeof(dn->host_name), "localhost");
    dn->host_name[sizeof(dn->host_name) - 1] = '\0';
}

/* A default port that is taken is no reason not to start. */
static int start_page(struct datanode *dn, struct err *err)
{
    struct status_page_options o = {.conf = dn->conf,
                                    .store = dn->store,
                                    .scanner = dn->scanner,
                                    .host_name = dn->host_name,
                                    .data_port = data_server_port(dn->data),
                                    .transfers = transfers,
                                    .transfers_ctx = dn};
    find_host_name(dn);
    int rc = status_page_start(&o, &dn->page, err);
    if (rc == 0 || conf_is_set(dn->conf, CONF_dn_http_address))
        return rc;
    log_warn("no status page why=%s", log_quote(err->text));
    *err = (struct err){0};
    return 0;
}

static int start_control(struct datanode *dn, struct err *err)
{
    struct control_options o = {.conf = dn->conf,
                                .store = dn->store,
                                .copier = dn->copier,
                                .recoverer = dn->recoverer,
                                .rebuilder = dn->rebuilder,
                                .balance = dn->pipeline.balance,
                                .slow = &dn->slow,
                                .stats = dn->stats,
                                .host_name = dn->host_name,
                                .ip = dn->ip,
                                .data_port = data_server_port(dn->data),
                                .info_port = status_page_port(dn->page),
                                .transfers = transfers,
                                .transfers_ctx = dn,
                                .refused = on_refused,
                                .refused_ctx = dn,
                                .unusable = on_unusable,
                                .unusable_ctx = dn};
    TRY(control_new(&o, &dn->control, err));
    TRY(start_ipc(dn, err));
    return control_run(dn->control, ipc_port(dn->ipc), err);
}

/* The throttles of the data port; they end with the node, whoever waits in them. */
static int start_throttles(struct datanode *dn, struct err *err)
{
    struct pipeline_config *p = &dn->pipeline;
    p->balance = throttle_new((uint64_t)conf_size(dn->conf, CONF_dn_balance_bandwidth));
    p->transfer = throttle_new((uint64_t)conf_size(dn->conf, CONF_dn_transfer_bandwidth));
    p->write = throttle_new((uint64_t)conf_size(dn->conf, CONF_dn_write_bandwidth));
    p->read = throttle_new((uint64_t)conf_size(dn->conf, CONF_dn_read_bandwidth));
    if (p->balance == NULL || p->transfer == NULL || p->write == NULL || p->read == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a datanode");
    throttle_set_limit(p->balance, (unsigned)conf_int(dn->conf, CONF_dn_balance_moves));
    p->balance_moves = (unsigned)conf_int(dn->conf, CONF_dn_balance_moves);
    p->pinning = conf_bool(dn->conf, CONF_dn_block_pinning);
    return 0;
}

static void end_throttles(struct datanode *dn)
{
    struct pipeline_config *p = &dn->pipeline;
    throttle_end(p->balance);
    throttle_end(p->transfer);
    throttle_end(p->write);
    throttle_end(p->read);
}

static void free_throttles(struct datanode *dn)
{
    struct pipeline_config *p = &dn->pipeline;
    throttle_free(p->balance);
    throttle_free(p->transfer);
    throttle_free(p->write);
    throttle_free(p->read);
}

static int start(struct datanode *dn, const struct datanode_options *o, struct err *err)
{
    const struct conf *conf = dn->conf;
    TRY(auth_check_protection(conf, err));
    TRY(stats_new(conf, &dn->stats, err));
    TRY(store_open_with(conf, &(struct store_options){.rollback = o->rollback, .stats = dn->stats},
                        &dn->store, err));
    dn->pipeline = (struct pipeline_config){
        .store = dn->store,
        .read_timeout_ms = (int)conf_ms(conf, CONF_socket_timeout),
        .write_timeout_ms = (int)conf_ms(conf, CONF_dn_write_timeout),
        .use_hostname = conf_bool(conf, CONF_dn_use_hostname),
        .drop_behind_reads = conf_bool(conf, CONF_dn_drop_behind_reads),
        .read_packet = READ_PACKET,
        .mirror_quiet_ms = (int)conf_ms(conf, CONF_dn_mirror_quiet),
        .mirror_probe_ms = (int)conf_ms(conf, CONF_dn_mirror_probe),
        .tell_load = conf_bool(conf, CONF_dn_ecn),
        .load_limit = conf_double(conf, CONF_dn_ecn_ratio),
        .tell_slow = conf_bool(conf, CONF_dn_slownode),
        .slow = &dn->slow,
        .stats = dn->stats,
        .suspect = on_suspect,
        .suspect_ctx = dn,
    };
    struct scanner_options scanning = {conf, dn->store, on_bad_block, dn};
    TRY(start_throttles(dn, err));
    TRY(scanner_start(&scanning, &dn->scanner, err));
    TRY(copier_new(&dn->pipeline, on_bad_block, dn, &dn->copier, err));
    TRY(recoverer_new(dn->store, dn->pipeline.use_hostname, &dn->recoverer, err));
    TRY(rebuilder_new(conf, &dn->pipeline, on_bad_block, dn, &dn->rebuilder, err));
    TRY(start_data(dn, err));
    TRY(start_page(dn, err));
    TRY(start_control(dn, err));
    log_info("datanode is up version=%s data=%s:%u ipc=%u", HADRON_VERSION, dn->ip,
             data_server_port(dn->data), ipc_port(dn->ipc));
    return 0;
}

int datanode_start_with(const struct conf *conf, const struct datanode_options *o,
                        struct datanode **ret, struct err *err)
{
    struct datanode *dn = calloc(1, sizeof(*dn));
    if (dn == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a datanode");
    CHECK(pthread_mutex_init(&dn->lock, NULL) == 0);
    dn->conf = conf_copy(conf);
    int rc =
        dn->conf == NULL ? fail(err, ERR_NO_MEMORY, "no memory for a datanode") : start(dn, o, err);
    if (rc != 0) {
        datanode_stop(dn);
        return rc;
    }
    *ret = dn;
    return 0;
}

int datanode_start(const struct conf *conf, struct datanode **ret, struct err *err)
{
    return datanode_start_with(conf, &(struct datanode_options){0}, ret, err);
}

uint16_t datanode_port(const struct datanode *dn)
{
    return data_server_port(dn->data);
}

uint16_t datanode_ipc_port(const struct datanode *dn)
{
    return ipc_port(dn->ipc);
}

const char *datanode_uuid(const struct datanode *dn)
{
    return store_uuid(dn->store);
}

bool datanode_registered(const struct datanode *dn)
{
    return control_registered(dn->control);
}

void datanode_stop(struct datanode *dn)
{
    if (dn == NULL)
        return;
    end_throttles(dn);
    status_page_stop(dn->page);
    reconf_stop(dn->reconf);
    ipc_stop(dn->ipc);
    reconf_free(dn->reconf);
    if (dn->control != NULL)
        control_end(dn->control); /* its memory stays for the copies that run */
    if (dn->data != NULL && atomic_load(&dn->restarting))
        data_server_restart(dn->data);
    data_server_stop(dn->data);
    copier_free(dn->copier);
    rebuilder_free(dn->rebuilder);
    recoverer_free(dn->recoverer);
    scanner_stop(dn->scanner);
    free_throttles(dn);
    store_close(dn->store); /* what it still removes is told to control */
    control_free(dn->control);
    stats_free(dn->stats);
    conf_free(dn->conf);
    pthread_mutex_destroy(&dn->lock);
    free(dn);
}
