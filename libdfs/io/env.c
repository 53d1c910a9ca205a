/* env.c - settings of a client that open files look at. */
#include <strings.h>

#include "libdfs/io/internal.h"

/* enum wr_replace of libdfs/write, by Hadoop's names; what is unknown counts as DEFAULT */
static int replace_policy(const struct conf *conf)
{
    const char *text = conf_str(conf, CONF_replace_policy);
    if (!conf_bool(conf, CONF_replace_enable) || strcasecmp(text, "NEVER") == 0)
        return 0;
    return strcasecmp(text, "ALWAYS") == 0 ? 2 : 1;
}

void io_env_load(struct io_env *env, const struct conf *conf)
{
    env->timeouts = (struct io_timeouts){
        .connect_ms = (int)conf_ms(conf, CONF_socket_timeout),
        .read_ms = (int)conf_ms(conf, CONF_socket_timeout),
        .write_ms = (int)conf_ms(conf, CONF_dn_write_timeout),
        .per_node_ms = 5000,
    };
    env->use_hostname = conf_bool(conf, CONF_client_use_hostname);
    env->sync_on_close = conf_bool(conf, CONF_dn_sync_on_close);
    env->cached_conn_retry = (unsigned)conf_int(conf, CONF_cached_conn_retry);
    env->max_acquire_failures = (unsigned)conf_int(conf, CONF_block_acquire_failures);
    env->hedge_ms = (int)conf_ms(conf, CONF_hedged_read_threshold);
    env->block_size = (uint64_t)conf_size(conf, CONF_block_size);
    env->prefetch_bytes = (uint64_t)conf_size(conf, CONF_client_read_prefetch);
    env->block_write_retries = (unsigned)conf_int(conf, CONF_block_write_retries);
    env->max_recoveries = (unsigned)conf_int(conf, CONF_pipeline_recovery_retries);
    env->max_in_flight = (unsigned)conf_int(conf, CONF_max_packets_in_flight);
    env->slow_acks = (unsigned)conf_int(conf, CONF_slow_acks);
    env->replace = replace_policy(conf);
    env->replace_best_effort = conf_bool(conf, CONF_replace_best_effort);
    env->replace_min = (unsigned)conf_int(conf, CONF_replace_min);
    env->restart_ms = conf_ms(conf, CONF_restart_timeout);
    env->not_yet_retries = (unsigned)conf_int(conf, CONF_locate_following_retries);
    env->not_yet_delay_ms = conf_ms(conf, CONF_locate_following_delay);
    env->not_yet_max_delay_ms = conf_ms(conf, CONF_locate_following_max_delay);
}
