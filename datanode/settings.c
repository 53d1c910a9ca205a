/* settings.c - the keys that a running DataNode takes anew, and how.
 * Thread: a reconfiguration's. */
#include "datanode/internal.h"

static int set_folders(void *ctx, const struct conf *now, struct err *err)
{
    struct store_changes changes;
    return store_reconfigure(((struct node_parts *)ctx)->store, conf_str(now, CONF_dn_data_dir),
                             &changes, err);
}

static int set_balance(void *ctx, const struct conf *now, struct err *err)
{
    (void)err;
    throttle_set(((struct node_parts *)ctx)->pipeline->balance,
                 (uint64_t)conf_size(now, CONF_dn_balance_bandwidth));
    return 0;
}

static int set_moves(void *ctx, const struct conf *now, struct err *err)
{
    (void)err;
    throttle_set_limit(((struct node_parts *)ctx)->pipeline->balance,
                       (unsigned)conf_int(now, CONF_dn_balance_moves));
    return 0;
}

static int set_transfer(void *ctx, const struct conf *now, struct err *err)
{
    (void)err;
    throttle_set(((struct node_parts *)ctx)->pipeline->transfer,
                 (uint64_t)conf_size(now, CONF_dn_transfer_bandwidth));
    return 0;
}

static int set_write(void *ctx, const struct conf *now, struct err *err)
{
    (void)err;
    throttle_set(((struct node_parts *)ctx)->pipeline->write,
                 (uint64_t)conf_size(now, CONF_dn_write_bandwidth));
    return 0;
}

static int set_read(void *ctx, const struct conf *now, struct err *err)
{
    (void)err;
    throttle_set(((struct node_parts *)ctx)->pipeline->read,
                 (uint64_t)conf_size(now, CONF_dn_read_bandwidth));
    return 0;
}

/* Intervals are the control's. */
#define INTERVAL(name, key)                                                      \
    static int name(void *ctx, const struct conf *now, struct err *err)          \
    {                                                                            \
        (void)err;                                                               \
        control_configure(((struct node_parts *)ctx)->control, now, CONF_##key); \
        return 0;                                                                \
    }
INTERVAL(set_heartbeat, heartbeat_interval)
INTERVAL(set_report_interval, dn_report_interval)
INTERVAL(set_report_delay, dn_report_delay)
INTERVAL(set_report_split, dn_report_split)

/* The order is Hadoop's, where it has the key. */
const struct reconf_key node_keys[] = {
    {"dfs.datanode.data.dir", set_folders},
    {"dfs.datanode.balance.max.concurrent.moves", set_moves},
    {"dfs.blockreport.intervalMsec", set_report_interval},
    {"dfs.blockreport.split.threshold", set_report_split},
    {"dfs.blockreport.initialDelay", set_report_delay},
    {"dfs.datanode.data.transfer.bandwidthPerSec", set_transfer},
    {"dfs.datanode.data.write.bandwidthPerSec", set_write},
    {"dfs.datanode.data.read.bandwidthPerSec", set_read},
    {"dfs.datanode.balance.bandwidthPerSec", set_balance},
    {"dfs.heartbeat.interval", set_heartbeat},
};
const size_t node_key_count = ARRAY_SIZE(node_keys);
