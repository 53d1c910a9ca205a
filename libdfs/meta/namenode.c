/* namenode.c - calls to the NameNodes of one file system.
 * Thread: any. Owns the RPC client (whose loop thread does the bytes). `active` is a hint that all
 * threads share: the NameNode that answered last; a thread that fails over moves it on only if
 * nobody else has done so yet. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "common/io/io.h"
#include "common/obs/obs.h"
#include "libdfs/meta/internal.h"

static struct rpc_client_options rpc_options(const struct conf *conf, const char *user)
{
    return (struct rpc_client_options){
        .user = user,
        .connect_timeout_ms = (int)conf_ms(conf, CONF_ipc_connect_timeout),
        .call_timeout_ms = (int)conf_ms(conf, CONF_ipc_rpc_timeout),
        .ping_interval_ms = (int)conf_ms(conf, CONF_ipc_ping_interval),
        .idle_ms = (int)conf_ms(conf, CONF_ipc_idle_time),
        .max_response = (size_t)conf_size(conf, CONF_ipc_max_response),
    };
}

int meta_new(const struct conf *conf, const char *url, const char *user, struct meta **ret,
             struct err *err)
{
    struct meta *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a client");
    probes_init(m);
    int rc = meta_resolve(conf, url, &m->addresses, err);
    if (rc == 0) {
        struct rpc_client_options o = rpc_options(conf, user);
        /* with a second NameNode to go to, waiting for the first one helps nobody */
        if (m->addresses.count == 1)
            o.connect_retries = (unsigned)conf_int(conf, CONF_ipc_connect_retries);
        rc = rpc_client_new(&o, &m->rpc, err);
    }
    if (rc != 0) {
        meta_free(m);
        return rc;
    }
    m->retry = (struct meta_retry){
        .many = m->addresses.count > 1,
        .max_failovers = (unsigned)conf_int(conf, CONF_failover_attempts),
        .max_repeats = (unsigned)conf_int(conf, CONF_client_retry_attempts),
        .base_ms = conf_ms(conf, CONF_failover_sleep_base),
        .max_ms = conf_ms(conf, CONF_failover_sleep_max),
    };
    *ret = m;
    return 0;
}

void meta_free(struct meta *m)
{
    if (m == NULL)
        return;
    probes_fini(m);
    if (m->rpc != NULL)
        rpc_client_free(m->rpc);
    free(m);
}

const struct meta_addresses *meta_addresses(const struct meta *m)
{
    return &m->addresses;
}

const char *meta_user(const struct meta *m)
{
    return rpc_client_user(m->rpc);
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0)
        ;
}

/* Text for people must name the server that it is about. */
static void name_server(const struct addr *server, const char *method, struct err *err)
{
    if (err == NULL || err->remote_class[0] != '\0')
        return;
    char text[sizeof(err->text)];
    snprintf(text, sizeof(text), "%s", err->text);
    snprintf(err->text, sizeof(err->text), "%.40s at NameNode %.128s:%u: %.560s", method,
             server->host, server->port, text);
}

int meta_call(struct meta *m, enum client_method method, const ProtobufCMessage *request,
              struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
    return meta_call_other(m, RPC_CLIENT_PROTOCOL, &rpc_client_methods[method], request, arena, ret,
                           err);
}

int meta_call_other(struct meta *m, const char *protocol, const struct rpc_method *what,
                    const ProtobufCMessage *request, struct arena *arena, ProtobufCMessage **ret,
                    struct err *err)
{
    struct meta_retry retry = m->retry;
    int32_t call_id = rpc_new_call_id(m->rpc);
    for (int32_t tries = 0;; tries++) {
        size_t at = atomic_load(&m->active);
        struct rpc_target target = {m->addresses.items[at], protocol, 1};
        int rc = rpc_call_full(m->rpc, &target, what, request, call_id, tries, arena, ret, err);
        if (rc == 0)
            return 0;
        name_server(&target.addr, what->name, err);
        int64_t wait_ms = 0;
        if (!meta_retry_again(&retry, rc, random_u64(), &wait_ms))
            return rc;
        log_debug("NameNode call is tried again method=%s error=%s wait_ms=%lld", what->name,
                  err_name(rc), (long long)wait_ms);
        if (retry.failed_over) {
            size_t expected = at;
            (void)atomic_compare_exchange_strong(&m->active, &expected,
                                                 (at + 1) % m->addresses.count);
        }
        sleep_ms(wait_ms);
    }
}
