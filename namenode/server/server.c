/* server.c - starts the threads in order and stops them in the opposite one.
 *
 * Start: journal, state (it opens the first segment), network. Stop: the network takes nothing new
 * and lets answers leave, the state's thread runs what has come and ends the segment, the journal
 * makes it durable, the gate is empty. Thread: the one that starts and stops. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/blocks/blocks.h"
#include "namenode/drain/drain.h"
#include "namenode/hostfiles/hostfiles.h"
#include "namenode/hosts/hosts.h"
#include "namenode/namespace/namespace.h"
#include "namenode/retry/retry.h"
#include "namenode/server/internal.h"

enum { MAX_LOOKUPS = 8, DRAIN_MS = 2000 };

static void journal_durable(void *server, uint64_t txid)
{
    gate_open(&((struct server *)server)->gate, txid);
}

static void journal_lost(void *server, const struct err *why)
{
    (void)server;
    log_error("no name directory can be written any more, the process ends: what it holds in "
              "memory can't be "
              "kept why=%s",
              log_quote(why->text));
    _exit(EXIT_FAILURE);
}

static void free_all(struct server *s)
{
    gate_fini(&s->gate);
    inbox_fini(&s->lifelines);
    inbox_fini(&s->inbox);
    buf_fini(&s->scratch);
    audit_log_close(s->audit);
    audit_settings_fini(&s->audit_settings);
    settings_fini(&s->settings);
    drain_free(s->drain);
    hosts_free(s->hosts);
    reconf_free(s->reconf);
    conf_free(s->proxy_rules);
    pthread_rwlock_destroy(&s->proxy_lock);
    groups_free(s->groups);
    racks_free(s->racks);
    free(s);
}

static void prepare_state(struct server *s)
{
    int64_t mono_ms = clock_monotonic_ms();
    s->rng.state = random_u64();
    s->env = (struct handler_env){.nn = s->nn,
                                  .audit = s->audit == NULL ? NULL : &s->audit_settings,
                                  .settings = &s->settings,
                                  .rng = &s->rng,
                                  .hosts = s->hosts,
                                  .drain = s->drain,
                                  .software_version = "3.4.3"};
    ns_set_now(s->nn->ns, mono_ms);
    ns_lease_renew_all(s->nn->ns, mono_ms);
    trash_init(s, clock_wall_ms());
    retry_restart(s->nn->retry, mono_ms);
    blocks_start(s->nn->blocks, s->nn->generation_stamp, mono_ms);
}

static int prepare_drain(struct server *s, struct err *err)
{
    struct drain_settings o = {
        .interval_ms = conf_ms(s->conf, CONF_decommission_interval),
        .blocks_per_interval = (uint32_t)conf_int(s->conf, CONF_decommission_blocks),
        .max_tracked = (uint32_t)conf_int(s->conf, CONF_decommission_nodes),
    };
    TRY(hostfiles_load(s->conf, &s->hosts, err));
    s->drain = drain_new(&o, s->nn->ns, s->nn->blocks, s->nn->nodes);
    if (s->drain == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the states of DataNodes");
    drain_watch(s->drain, state_node_moved, s);
    return 0;
}

static int start_parts(struct server *s, struct err *err)
{
    TRY(groups_new(s->conf, &s->groups, err));
    TRY(racks_new(s->conf, &s->racks, err));
    TRY(settings_from_conf(s->conf, &s->settings, err));
    TRY(prepare_drain(s, err));
    if (audit_settings_from_conf(s->conf, &s->audit_settings) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for the settings of the audit log");
    TRY(audit_log_open(s->conf, &s->audit, err));
    s->workers = workers_new("nn-lookup", MAX_LOOKUPS);
    if (s->workers == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for workers");
    prepare_state(s);
    struct edit_log_events events = {s, journal_durable, journal_lost};
    TRY(edit_log_local(s->storage, &events, &s->log, err));
    TRY(status_new(s, err));
    struct reconf_options reconf = {s->conf, settings_keys, settings_key_count, s};
    TRY(reconf_new(&reconf, &s->reconf, err));
    TRY(state_start(s, err));
    TRY(net_start(s, err));
    return status_start(s, err);
}

int server_start(const struct server_options *o, struct server **ret, struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the server");
    s->conf = o->conf;
    s->storage = o->storage;
    s->nn = o->nn;
    snprintf(s->process_user, sizeof(s->process_user), "%s", o->process_user);
    CHECK(pthread_rwlock_init(&s->proxy_lock, NULL) == 0);
    inbox_init(&s->inbox);
    inbox_init(&s->lifelines);
    gate_init(&s->gate);
    gate_open(&s->gate, o->loaded->last_txid); /* it came from disk */
    checkpoints_init(s, o->loaded);
    int rc = start_parts(s, err);
    if (rc != 0) {
        server_stop(s);
        return rc;
    }
    *ret = s;
    return 0;
}

uint16_t server_port(const struct server *s)
{
    return rpc_server_port(s->rpc);
}

const char *server_listens_on(const struct server *s)
{
    return s->address;
}

void server_stop(struct server *s)
{
    if (s == NULL)
        return;
    status_stop(s);
    if (s->lifeline != NULL)
        rpc_server_stop(s->lifeline, 0);
    if (s->rpc != NULL)
        rpc_server_stop(s->rpc, DRAIN_MS);
    reconf_stop(s->reconf); /* what it waits for is the state's thread */
    if (s->workers != NULL)
        workers_free(s->workers); /* look-ups under way still reach the inbox */
    state_stop(s);
    status_free(s);
    edit_log_close(s->log);
    gate_close(&s->gate);
    net_free(s);
    free_all(s);
}
