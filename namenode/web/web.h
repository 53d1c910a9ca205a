/* web.h - the NameNode's status as pages. Door of namenode/web.
 * Facts are gathered by the state's thread (core: no clock, no I/O) and are then nobody's but the
 * holder's; pages are made from them by whoever serves them. */
#pragma once
#include "common/base/base.h"
#include "namenode/nn.h"

struct facts_node {
    const char *host, *ip, *rack, *version;
    uint8_t admin; /* enum admin_state */
    uint32_t leaving_blocks, leaving_open_blocks, leaving_only_here;
    int64_t leaving_ms; /* since it was told to */
    uint32_t port, http_port, failed_volumes, blocks, xceivers;
    bool alive;
    int64_t heard_ago_ms;
    uint64_t capacity, used, remaining, non_dfs;
};
/* What only the shell knows. */
struct facts_shell {
    int64_t started_ms, now_ms; /* wall */
    uint64_t image_txid, resident_bytes, retry_entries;
    bool upgrade_open;
    const char *version, *rpc_version;
};
struct facts {
    struct arena arena; /* of all texts and lists */
    struct facts_shell shell;
    char cluster_id[80], block_pool_id[80];
    char safe_mode[512]; /* its tip; empty: off */
    uint64_t inodes, files, directories, open_files, namespace_bytes;
    uint64_t blocks, missing, missing_one, corrupt, low_redundancy, pending, scheduled, deletions,
        excess, block_bytes;
    uint64_t capacity, used, remaining, non_dfs, pool_used;
    uint32_t live, dead, stale, xceivers, failed_volumes, racks;
    uint32_t decommissioning, decommissioned_live, decommissioned_dead;
    uint32_t entering_maintenance, maintenance_live, maintenance_dead, in_service;
    uint64_t txid;
    const char *slow_peers, *slow_disks; /* JSON; NULL: not collected, none */
    struct facts_node *nodes;
    uint32_t node_count;
};
/* NULL: no memory. Thread: state. */
struct facts *facts_gather(const struct nn *nn, int64_t mono_ms, const struct facts_shell *shell);
void facts_free(struct facts *f);

/* "In Service" and so on. */
const char *facts_admin_name(uint8_t admin);

int facts_page(const struct facts *f, const char *rpc_address, struct buf *out);
int facts_jmx(const struct facts *f, const char *query, struct buf *out);
int facts_prom(const struct facts *f, struct buf *out);
