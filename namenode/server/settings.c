/* settings.c - from the configuration to what handlers and cores use. Thread: the one that starts.
 */
#include <strings.h>

#include "common/conf/conf.h"
#include "common/crc/crc.h"
#include "namenode/blocks/blocks.h"
#include "namenode/nodes/nodes.h"
#include "namenode/server/internal.h"

static uint64_t u64(const struct conf *c, enum conf_key key)
{
    return (uint64_t)conf_int(c, key);
}

static uint32_t u32(const struct conf *c, enum conf_key key)
{
    return (uint32_t)conf_int(c, key);
}

static uint32_t checksum_type(const struct conf *conf)
{
    const char *text = conf_str(conf, CONF_checksum_type);
    if (strcasecmp(text, "NULL") == 0)
        return CRC_NULL;
    return strcasecmp(text, "CRC32") == 0 ? CRC_CRC32 : CRC_CRC32C;
}

void settings_from_conf(const struct conf *conf, struct nn_settings *ret)
{
    *ret = (struct nn_settings){
        .block_size = (uint64_t)conf_size(conf, CONF_block_size),
        .min_block_size = (uint64_t)conf_size(conf, CONF_min_block_size),
        .max_blocks_per_file = u64(conf, CONF_max_blocks_per_file),
        .max_component_length = u64(conf, CONF_max_component_length),
        .max_dir_items = u64(conf, CONF_max_directory_items),
        .bytes_per_checksum = u32(conf, CONF_bytes_per_checksum),
        .write_packet_size = (uint32_t)conf_size(conf, CONF_write_packet_size),
        .replication = u32(conf, CONF_replication),
        .replication_min = u32(conf, CONF_replication_min),
        .replication_max = u32(conf, CONF_replication_max),
        .file_buffer_size = (uint32_t)conf_size(conf, CONF_io_buffer_size),
        .list_limit = u32(conf, CONF_ls_limit),
        .checksum_type = checksum_type(conf),
        .trash_interval_min = (uint64_t)(conf_ms(conf, CONF_trash_interval) / 60000),
        .access_time_precision_ms = (uint64_t)conf_ms(conf, CONF_access_time_precision),
        .permissions_enabled = conf_bool(conf, CONF_permissions_enabled),
        .owner_may_set_quota = conf_bool(conf, CONF_owner_may_set_quota),
        .quota_by_type_enabled = conf_bool(conf, CONF_quota_by_type_enabled),
        .supergroup = conf_str(conf, CONF_superusergroup),
        .heartbeat_interval_ms = conf_ms(conf, CONF_heartbeat_interval),
        .lease_hard_limit_ms = conf_ms(conf, CONF_lease_hard_limit),
    };
}

static void configure_blocks(const struct conf *conf, struct blocks *blocks)
{
    struct blocks_settings b;
    blocks_settings_defaults(&b);
    b.replication_min = u32(conf, CONF_replication_min);
    b.replication_max = u32(conf, CONF_replication_max);
    b.redundancy_interval_ms = conf_ms(conf, CONF_redundancy_interval);
    b.work_multiplier = u32(conf, CONF_replication_work_multiplier);
    b.max_streams = u32(conf, CONF_replication_streams);
    b.max_streams_hard = u32(conf, CONF_replication_streams_hard);
    b.pending_timeout_ms = conf_ms(conf, CONF_pending_timeout);
    b.consider_load = conf_bool(conf, CONF_consider_load);
    b.load_factor = conf_double(conf, CONF_consider_load_factor);
    b.avoid_stale_writes = conf_bool(conf, CONF_avoid_write_stale);
    b.safemode_threshold = conf_double(conf, CONF_safemode_threshold);
    b.safemode_min_nodes = u32(conf, CONF_safemode_min_datanodes);
    b.safemode_replication = conf_is_set(conf, CONF_safemode_replication_min)
                                 ? u32(conf, CONF_safemode_replication_min)
                                 : 0;
    b.safemode_extension_ms = conf_ms(conf, CONF_safemode_extension);
    blocks_configure(blocks, &b);
}

static void configure_nodes(const struct conf *conf, struct nodes *nodes)
{
    struct nodes_settings n;
    nodes_settings_defaults(&n);
    n.heartbeat_interval_ms = conf_ms(conf, CONF_heartbeat_interval);
    n.recheck_interval_ms = conf_ms(conf, CONF_heartbeat_recheck_interval);
    n.stale_interval_ms = conf_ms(conf, CONF_stale_interval);
    n.report_leases = u32(conf, CONF_report_leases);
    n.report_lease_ms = conf_ms(conf, CONF_report_lease_length);
    n.invalidate_limit = u32(conf, CONF_block_invalidate_limit);
    n.max_streams = u32(conf, CONF_replication_streams);
    nodes_configure(nodes, &n);
}

int server_configure(const struct conf *conf, struct nn *nn, struct err *err)
{
    if (conf_int(conf, CONF_replication_min) > conf_int(conf, CONF_replication_max))
        return fail(err, ERR_CONFIG, "%s is larger than %s", conf_name(CONF_replication_min),
                    conf_name(CONF_replication_max));
    configure_nodes(conf, nn->nodes);
    configure_blocks(conf, nn->blocks);
    return 0;
}
