/* settings.c - from the configuration to what handlers and cores use, at start and when it is read
 * again. Thread: the one that starts; a reconfiguration's, which has the state's thread make the
 * changes. */
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/crc/crc.h"
#include "namenode/blocks/blocks.h"
#include "namenode/nodes/nodes.h"
#include "namenode/retry/retry.h"
#include "namenode/server/internal.h"
#include "namenode/state/state.h"

static uint64_t u64(const struct conf *c, enum conf_key key)
{
    return (uint64_t)conf_int(c, key);
}

static uint32_t u32(const struct conf *c, enum conf_key key)
{
    return (uint32_t)conf_int(c, key);
}

static int checksum_type(const struct conf *conf, uint32_t *ret, struct err *err)
{
    const char *text = conf_str(conf, CONF_checksum_type);
    int type = crc_type_of(text);
    if (type < 0)
        return fail(err, ERR_CONFIG, "%s: \"%s\" is none of NULL, CRC32, CRC32C",
                    conf_name(CONF_checksum_type), text);
    *ret = (uint32_t)type;
    return 0;
}

static void free_list(char **items, size_t count)
{
    if (items != NULL)
        conf_list_free(items, count);
}

/* Normal paths: one slash between names, none at the end. */
static void normalize(char *path)
{
    char *out = path;
    for (const char *in = path; *in != '\0'; in++)
        if (*in != '/' || out == path || out[-1] != '/')
            *out++ = *in;
    if (out > path + 1 && out[-1] == '/')
        out--;
    *out = '\0';
}

static int protected_dirs(const struct conf *conf, struct nn_settings *s, struct err *err)
{
    if (conf_list(conf_str(conf, CONF_protected_dirs), &s->protected_dirs, &s->protected_count) !=
        0)
        return fail(err, ERR_NO_MEMORY, "no memory for the protected folders");
    for (size_t i = 0; i < s->protected_count; i++) {
        if (s->protected_dirs[i][0] != '/')
            return fail(err, ERR_CONFIG, "%s: \"%s\" is not an absolute path",
                        conf_name(CONF_protected_dirs), s->protected_dirs[i]);
        normalize(s->protected_dirs[i]);
    }
    return 0;
}

void settings_fini(struct nn_settings *s)
{
    free_list(s->protected_dirs, s->protected_count);
    s->protected_dirs = NULL;
    s->protected_count = 0;
}

int settings_from_conf(const struct conf *conf, struct nn_settings *ret, struct err *err)
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
        .trash_interval_min = (uint64_t)(conf_ms(conf, CONF_trash_interval) / 60000),
        .access_time_precision_ms = (uint64_t)conf_ms(conf, CONF_access_time_precision),
        .batched_list_limit = u32(conf, CONF_batched_ls_limit),
        .open_files_page = u32(conf, CONF_open_files_page),
        .corrupt_files_page = u32(conf, CONF_corrupt_files_page),
        .symlinks_enabled = conf_bool(conf, CONF_symlinks_enabled),
        .permissions_enabled = conf_bool(conf, CONF_permissions_enabled),
        .owner_may_set_quota = conf_bool(conf, CONF_owner_may_set_quota),
        .quota_by_type_enabled = conf_bool(conf, CONF_quota_by_type_enabled),
        .supergroup = conf_str(conf, CONF_superusergroup),
        .acls_disabled = !conf_bool(conf, CONF_acls_enabled),
        .acls_by_masked_mode = !conf_bool(conf, CONF_posix_acl_inheritance),
        .xattrs_disabled = !conf_bool(conf, CONF_xattrs_enabled),
        .max_xattrs = u32(conf, CONF_max_xattrs),
        .max_xattr_size = u32(conf, CONF_max_xattr_size),
        .ec_user_policies = conf_bool(conf, CONF_ec_user_policies),
        .protect_subdirs = conf_bool(conf, CONF_protect_subdirs),
        .heartbeat_interval_ms = conf_ms(conf, CONF_heartbeat_interval),
        .lease_hard_limit_ms = conf_ms(conf, CONF_lease_hard_limit),
    };
    TRY(checksum_type(conf, &ret->checksum_type, err));
    return protected_dirs(conf, ret, err);
}

static void configure_retry(const struct conf *conf, struct retry *retry)
{
    enum { HEAP_SHARE = 4 }; /* of the memory, what Java takes for its heap by default */
    struct retry_settings r = {.expiry_ms = conf_ms(conf, CONF_retry_expiry)};
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    if (conf_bool(conf, CONF_retry_enabled))
        r.max_entries =
            retry_entries_for(conf_double(conf, CONF_retry_heap_percent), memory / HEAP_SHARE);
    retry_configure(retry, &r);
}

/* Percent of a fraction from the configuration. */
static uint32_t percent(const struct conf *conf, enum conf_key key)
{
    return (uint32_t)(100 * conf_double(conf, key));
}

static int place_from_conf(const struct conf *conf, struct place_settings *p, struct err *err)
{
    const char *rule = conf_str(conf, CONF_block_replicator);
    place_settings_defaults(p);
    if (!place_rule_named(rule, &p->rule))
        return fail(err, ERR_CONFIG, "%s: the placement policy %s is not known",
                    conf_name(CONF_block_replicator), rule);
    bool racks = p->rule == PLACE_BY_SPACE_AND_RACKS;
    p->consider_load = conf_bool(conf, CONF_consider_load);
    p->consider_load_by_type = conf_bool(conf, CONF_consider_load_by_type);
    p->consider_volume_load = conf_bool(conf, CONF_consider_volume_load);
    p->load_factor = conf_double(conf, CONF_consider_load_factor);
    p->avoid_stale = conf_bool(conf, CONF_avoid_write_stale);
    p->avoid_slow = conf_bool(conf, CONF_exclude_slow_nodes) && conf_bool(conf, CONF_dn_peer_stats);
    p->prefer_local = conf_bool(conf, CONF_prefer_local_node);
    p->min_blocks = u32(conf, CONF_min_blocks_for_write);
    p->upgrade_domain_factor = u32(conf, CONF_upgrade_domain_factor);
    p->space_preference = percent(conf, racks ? CONF_rack_space_preference : CONF_space_preference);
    p->space_tolerance = u32(conf, racks ? CONF_rack_space_tolerance : CONF_space_tolerance);
    if (!racks)
        p->space_tolerance_limit = u32(conf, CONF_space_tolerance_limit);
    p->space_local = !racks && conf_bool(conf, CONF_space_local);
    return 0;
}

static int configure_blocks(const struct conf *conf, struct blocks *blocks, struct err *err)
{
    struct blocks_settings b;
    blocks_settings_defaults(&b);
    TRY(place_from_conf(conf, &b.place, err));
    b.replication_min = u32(conf, CONF_replication_min);
    b.replication_max = u32(conf, CONF_replication_max);
    b.redundancy_interval_ms = conf_ms(conf, CONF_redundancy_interval);
    b.work_multiplier = u32(conf, CONF_replication_work_multiplier);
    b.max_streams = u32(conf, CONF_replication_streams);
    b.max_streams_hard = u32(conf, CONF_replication_streams_hard);
    b.pending_timeout_ms = conf_ms(conf, CONF_pending_timeout);
    b.safemode_threshold = conf_double(conf, CONF_safemode_threshold);
    b.safemode_min_nodes = u32(conf, CONF_safemode_min_datanodes);
    b.safemode_replication = conf_is_set(conf, CONF_safemode_replication_min)
                                 ? u32(conf, CONF_safemode_replication_min)
                                 : 0;
    b.safemode_extension_ms = conf_ms(conf, CONF_safemode_extension);
    b.maintenance_min = u32(conf, CONF_maintenance_min);
    b.replication_default = u32(conf, CONF_replication);
    b.invalidate_share = conf_double(conf, CONF_invalidate_share);
    b.deletion_delay_ms = conf_ms(conf, CONF_startup_deletion_delay);
    if (b.invalidate_share <= 0)
        return fail(err, ERR_CONFIG, "%s must be more than 0", conf_name(CONF_invalidate_share));
    blocks_configure(blocks, &b);
    return 0;
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
    n.max_streams_hard = u32(conf, CONF_replication_streams_hard);
    uint32_t sampling = u32(conf, CONF_dn_fileio_sampling);
    n.slow_peers = conf_bool(conf, CONF_dn_peer_stats);
    n.slow_disks = sampling > 0 && sampling <= 100;
    n.slow_valid_ms = 3 * conf_ms(conf, CONF_dn_outliers_interval);
    n.slow_collect_ms = conf_ms(conf, CONF_slowpeer_collect_interval);
    n.slow_collect_nodes = u32(conf, CONF_slowpeer_collect_nodes);
    n.slow_peers_told = u32(conf, CONF_dn_max_nodes_to_report);
    n.slow_disks_told = u32(conf, CONF_dn_max_disks_to_report);
    nodes_configure(nodes, &n);
}

static int configure_ec(const struct conf *conf, struct kept *kept, struct err *err)
{
    const char *policy = conf_str(conf, CONF_ec_default_policy);
    if (!kept_ec_configure(kept, policy, u32(conf, CONF_ec_max_cell)))
        return fail(err, ERR_CONFIG,
                    "EC policy '%s' specified at %s is not a valid policy. Please choose from list "
                    "of available policies: [RS-10-4-1024k, RS-3-2-1024k, RS-6-3-1024k, "
                    "RS-LEGACY-6-3-1024k, XOR-2-1-1024k]",
                    policy, conf_name(CONF_ec_default_policy));
    return 0;
}

int server_configure(const struct conf *conf, struct nn *nn, struct err *err)
{
    TRY(configure_ec(conf, nn->kept, err));
    if (conf_int(conf, CONF_replication_min) > conf_int(conf, CONF_replication_max))
        return fail(err, ERR_CONFIG, "%s is larger than %s", conf_name(CONF_replication_min),
                    conf_name(CONF_replication_max));
    if (conf_int(conf, CONF_maintenance_min) > conf_int(conf, CONF_replication))
        return fail(err, ERR_CONFIG, "%s is larger than %s", conf_name(CONF_maintenance_min),
                    conf_name(CONF_replication));
    configure_nodes(conf, nn->nodes);
    TRY(configure_blocks(conf, nn->blocks, err));
    configure_retry(conf, nn->retry);
    return 0;
}

/* ---- keys that change while it runs ---- */

/* A change on its way to the state's thread; on the stack of the one who waits. */
struct turn {
    struct message message;
    void (*change)(struct server *s, struct turn *t);
    const struct conf *now;
    char **dirs;
    size_t dir_count;
    pthread_mutex_t lock; /* guards done; a leaf */
    pthread_cond_t wake;
    bool done;
};

static void run_turn(struct server *s, struct message *m)
{
    struct turn *t = (struct turn *)m;
    t->change(s, t);
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

/* Returns when the state's thread has made the change. */
static void on_state(struct server *s, struct turn *t)
{
    t->message.run = run_turn;
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0 && pthread_cond_init(&t->wake, NULL) == 0);
    inbox_put(&s->inbox, &t->message.node);
    pthread_mutex_lock(&t->lock);
    while (!t->done)
        pthread_cond_wait(&t->wake, &t->lock);
    pthread_mutex_unlock(&t->lock);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
}

/* set_<fn>: has the state's thread run change_<fn>. */
#define KEY(fn)                                                                \
    static int set_##fn(void *server, const struct conf *now, struct err *err) \
    {                                                                          \
        struct turn t = {.change = change_##fn, .now = now};                   \
        (void)err;                                                             \
        on_state(server, &t);                                                  \
        return 0;                                                              \
    }
/* One field of the settings of `room`. */
#define FIELD_KEY(room, fn, field, value)                             \
    static void change_##fn(struct server *s, struct turn *t)         \
    {                                                                 \
        struct room##_settings n = *room##_settings_get(s->nn->room); \
        n.field = value;                                              \
        room##_configure(s->nn->room, &n);                            \
    }                                                                 \
    KEY(fn)

FIELD_KEY(nodes, recheck, recheck_interval_ms, conf_ms(t->now, CONF_heartbeat_recheck_interval))
FIELD_KEY(nodes, invalidate, invalidate_limit, u32(t->now, CONF_block_invalidate_limit))
FIELD_KEY(blocks, pending_timeout, pending_timeout_ms, conf_ms(t->now, CONF_pending_timeout))
FIELD_KEY(blocks, multiplier, work_multiplier, u32(t->now, CONF_replication_work_multiplier))

static void change_heartbeat(struct server *s, struct turn *t)
{
    struct nodes_settings n = *nodes_settings_get(s->nn->nodes);
    n.heartbeat_interval_ms = conf_ms(t->now, CONF_heartbeat_interval);
    nodes_configure(s->nn->nodes, &n);
    s->settings.heartbeat_interval_ms = n.heartbeat_interval_ms;
}
KEY(heartbeat)

static void change_streams(struct server *s, struct turn *t)
{
    struct nodes_settings n = *nodes_settings_get(s->nn->nodes);
    struct blocks_settings b = *blocks_settings_get(s->nn->blocks);
    n.max_streams = b.max_streams = u32(t->now, CONF_replication_streams);
    n.max_streams_hard = b.max_streams_hard = u32(t->now, CONF_replication_streams_hard);
    nodes_configure(s->nn->nodes, &n);
    blocks_configure(s->nn->blocks, &b);
}
KEY(streams)

/* The list is exchanged; t has the former one. */
static void change_protected(struct server *s, struct turn *t)
{
    char **dirs = s->settings.protected_dirs;
    size_t count = s->settings.protected_count;
    s->settings.protected_dirs = t->dirs;
    s->settings.protected_count = t->dir_count;
    t->dirs = dirs;
    t->dir_count = count;
}

static int set_protected(void *server, const struct conf *now, struct err *err)
{
    struct nn_settings wanted = {0};
    int rc = protected_dirs(now, &wanted, err);
    if (rc == 0) {
        struct turn t = {.change = change_protected,
                         .now = now,
                         .dirs = wanted.protected_dirs,
                         .dir_count = wanted.protected_count};
        on_state(server, &t);
        wanted.protected_dirs = t.dirs;
        wanted.protected_count = t.dir_count;
    }
    settings_fini(&wanted);
    return rc;
}

/* Sorted, as Hadoop shows them. */
const struct reconf_key settings_keys[] = {
    {"dfs.block.invalidate.limit", set_invalidate},
    {"dfs.heartbeat.interval", set_heartbeat},
    {"dfs.namenode.heartbeat.recheck-interval", set_recheck},
    {"dfs.namenode.reconstruction.pending.timeout-sec", set_pending_timeout},
    {"dfs.namenode.replication.max-streams", set_streams},
    {"dfs.namenode.replication.max-streams-hard-limit", set_streams},
    {"dfs.namenode.replication.work.multiplier.per.iteration", set_multiplier},
    {"fs.protected.directories", set_protected},
};
const size_t settings_key_count = ARRAY_SIZE(settings_keys);
