/* beans.c - what monitoring tools read of /jmx, under Hadoop's names. Pure. */
#include <inttypes.h>
#include <stdio.h>

#include "common/web/web.h"
#include "namenode/nodes/nodes.h"
#include "namenode/web/web.h"

static int put(struct buf *out, const char *text)
{
    return buf_append(out, text, strlen(text));
}

static int number(struct buf *out, const char *name, uint64_t value)
{
    return buf_printf(out, ",\n    \"%s\" : %" PRIu64, name, value);
}

static int percent(struct buf *out, const char *name, uint64_t part, uint64_t whole)
{
    return buf_printf(out, ",\n    \"%s\" : %.4f", name,
                      whole == 0 ? 0 : 100.0 * (double)part / (double)whole);
}

static int text(struct buf *out, const char *name, const char *value)
{
    TRY(buf_printf(out, ",\n    \"%s\" : ", name));
    return web_put_json(out, value);
}

static int begin(struct buf *out, const char *bean, const char *type, bool *first)
{
    TRY(buf_printf(out, "%s  {\n    \"name\" : \"%s\",\n    \"modelerType\" : \"%s\"",
                   *first ? "" : ",\n", bean, type));
    *first = false;
    return 0;
}

/* Lists of nodes are JSON inside of a string. */
static int node_address(struct buf *out, const struct facts_node *n, uint32_t port)
{
    char address[320];
    snprintf(address, sizeof(address), "%s:%u", n->host, port);
    return web_put_json(out, address);
}

static int node_json(const struct facts_node *n, struct buf *out)
{
    TRY(node_address(out, n, n->port));
    TRY(put(out, ":{\"infoAddr\":"));
    TRY(node_address(out, n, n->http_port));
    TRY(put(out, ",\"xferaddr\":"));
    TRY(node_address(out, n, n->port));
    TRY(buf_printf(out, ",\"lastContact\":%" PRId64 ",\"location\":", n->heard_ago_ms / 1000));
    TRY(web_put_json(out, n->rack));
    TRY(put(out, ",\"version\":"));
    TRY(web_put_json(out, n->version));
    TRY(buf_printf(out, ",\"adminState\":\"%s\"", facts_admin_name(n->admin)));
    if (!n->alive)
        return put(out, n->admin == ADMIN_DECOMMISSIONED ? ",\"decommissioned\":true}"
                                                         : ",\"decommissioned\":false}");
    return buf_printf(
        out,
        ",\"usedSpace\":%" PRIu64 ",\"nonDfsUsedSpace\":%" PRIu64 ",\"capacity\":%" PRIu64
        ",\"numBlocks\":%u,\"used\":%" PRIu64 ",\"remaining\":%" PRIu64 ",\"volfails\":%u}",
        n->used, n->non_dfs, n->capacity, n->blocks, n->used, n->remaining, n->failed_volumes);
}

/* One that is on its way out of the service, and how far. */
static int leaving_json(const struct facts_node *n, struct buf *out)
{
    char address[320];
    bool decommission = n->admin == ADMIN_DECOMMISSION_IN_PROGRESS;
    snprintf(address, sizeof(address), "%s:%u", n->ip, n->port);
    TRY(node_address(out, n, n->port));
    TRY(put(out, ":{\"xferaddr\":"));
    TRY(web_put_json(out, address));
    TRY(put(out, ",\"location\":"));
    TRY(web_put_json(out, n->rack));
    TRY(buf_printf(out, ",\"underReplicatedBlocks\":%u,\"%s\":%u,\"underReplicateInOpenFiles\":%u",
                   n->leaving_blocks,
                   decommission ? "decommissionOnlyReplicas" : "maintenanceOnlyReplicas",
                   n->leaving_only_here, n->leaving_open_blocks));
    if (decommission)
        TRY(buf_printf(out, ",\"decommissionDuration\":%" PRId64, n->leaving_ms));
    return put(out, "}");
}

static bool is_live(const struct facts_node *n)
{
    return n->alive;
}
static bool is_dead(const struct facts_node *n)
{
    return !n->alive;
}
static bool is_decommissioning(const struct facts_node *n)
{
    return n->admin == ADMIN_DECOMMISSION_IN_PROGRESS;
}
static bool is_entering(const struct facts_node *n)
{
    return n->admin == ADMIN_ENTERING_MAINTENANCE;
}

static int node_list(struct buf *out, const char *name, const struct facts *f,
                     bool (*wanted)(const struct facts_node *n))
{
    struct buf list = {0};
    int rc = put(&list, "{");
    bool first = true, leaving = wanted == is_decommissioning || wanted == is_entering;
    for (uint32_t i = 0; i < f->node_count && rc == 0; i++) {
        if (!wanted(&f->nodes[i]))
            continue;
        if (!first)
            rc = put(&list, ",");
        if (rc == 0)
            rc = leaving ? leaving_json(&f->nodes[i], &list) : node_json(&f->nodes[i], &list);
        first = false;
    }
    if (rc == 0)
        rc = buf_append(&list, "}", 2); /* with its NUL */
    if (rc == 0)
        rc = text(out, name, (const char *)buf_head(&list));
    buf_fini(&list);
    return rc;
}

static int info_bean(const struct facts *f, struct buf *out)
{
    char version[96];
    snprintf(version, sizeof(version), "%s, hadron %s", f->shell.rpc_version, f->shell.version);
    TRY(text(out, "Version", version));
    TRY(text(out, "SoftwareVersion", f->shell.rpc_version));
    TRY(text(out, "Safemode", f->safe_mode));
    TRY(text(out, "ClusterId", f->cluster_id));
    TRY(text(out, "BlockPoolId", f->block_pool_id));
    TRY(number(out, "Total", f->capacity));
    TRY(number(out, "Used", f->used));
    TRY(number(out, "Free", f->remaining));
    TRY(number(out, "NonDfsUsedSpace", f->non_dfs));
    TRY(number(out, "BlockPoolUsedSpace", f->pool_used));
    TRY(percent(out, "PercentUsed", f->used, f->capacity));
    TRY(percent(out, "PercentRemaining", f->remaining, f->capacity));
    TRY(percent(out, "PercentBlockPoolUsed", f->pool_used, f->capacity));
    TRY(number(out, "TotalBlocks", f->blocks));
    TRY(number(out, "TotalFiles", f->inodes));
    TRY(number(out, "NumberOfMissingBlocks", f->missing));
    TRY(number(out, "NumberOfMissingBlocksWithReplicationFactorOne", f->missing_one));
    TRY(number(out, "NNStartedTimeInMillis", (uint64_t)f->shell.started_ms));
    TRY(put(out, f->shell.upgrade_open ? ",\n    \"UpgradeFinalized\" : false"
                                       : ",\n    \"UpgradeFinalized\" : true"));
    TRY(node_list(out, "LiveNodes", f, is_live));
    TRY(node_list(out, "DeadNodes", f, is_dead));
    TRY(node_list(out, "DecomNodes", f, is_decommissioning));
    return node_list(out, "EnteringMaintenanceNodes", f, is_entering);
}

static int totals(const struct facts *f, struct buf *out)
{
    TRY(number(out, "CapacityTotal", f->capacity));
    TRY(number(out, "CapacityUsed", f->used));
    TRY(number(out, "CapacityRemaining", f->remaining));
    TRY(number(out, "FilesTotal", f->inodes));
    TRY(number(out, "BlocksTotal", f->blocks));
    TRY(number(out, "UnderReplicatedBlocks", f->low_redundancy));
    TRY(number(out, "PendingReplicationBlocks", f->pending));
    TRY(number(out, "ScheduledReplicationBlocks", f->scheduled));
    TRY(number(out, "PendingDeletionBlocks", f->deletions));
    return number(out, "TotalLoad", f->xceivers);
}

static int system_bean(const struct facts *f, struct buf *out)
{
    TRY(text(out, "tag.Context", "dfs"));
    TRY(text(out, "tag.HAState", "active"));
    TRY(totals(f, out));
    TRY(number(out, "CapacityUsedNonDFS", f->non_dfs));
    TRY(number(out, "MissingBlocks", f->missing));
    TRY(number(out, "MissingReplOneBlocks", f->missing_one));
    TRY(number(out, "CorruptBlocks", f->corrupt));
    TRY(number(out, "ExcessBlocks", f->excess));
    TRY(number(out, "StaleDataNodes", f->stale));
    TRY(number(out, "NumFilesUnderConstruction", f->open_files));
    TRY(number(out, "LastWrittenTransactionId", f->txid));
    return number(out, "TransactionsSinceLastCheckpoint", f->txid - f->shell.image_txid);
}

static int state_bean(const struct facts *f, struct buf *out)
{
    TRY(text(out, "FSState", f->safe_mode[0] != '\0' ? "safeMode" : "Operational"));
    TRY(totals(f, out));
    TRY(number(out, "NumLiveDataNodes", f->live));
    TRY(number(out, "NumDeadDataNodes", f->dead));
    TRY(number(out, "NumStaleDataNodes", f->stale));
    TRY(number(out, "NumDecomLiveDataNodes", f->decommissioned_live));
    TRY(number(out, "NumDecomDeadDataNodes", f->decommissioned_dead));
    TRY(number(out, "NumInServiceLiveDataNodes", f->in_service));
    TRY(number(out, "NumDecommissioningDataNodes", f->decommissioning));
    TRY(number(out, "NumInMaintenanceLiveDataNodes", f->maintenance_live));
    TRY(number(out, "NumInMaintenanceDeadDataNodes", f->maintenance_dead));
    TRY(number(out, "NumEnteringMaintenanceDataNodes", f->entering_maintenance));
    TRY(number(out, "VolumeFailuresTotal", f->failed_volumes));
    return number(out, "MaxObjects", 0);
}

static int text_or_null(struct buf *out, const char *name, const char *value)
{
    return value != NULL ? text(out, name, value) : buf_printf(out, ",\n    \"%s\" : null", name);
}

static int status_bean(const struct facts *f, struct buf *out)
{
    TRY(text(out, "NNRole", "NameNode"));
    TRY(text(out, "State", "active"));
    TRY(put(out, ",\n    \"SecurityEnabled\" : false"));
    TRY(text_or_null(out, "SlowPeersReport", f->slow_peers));
    return text_or_null(out, "SlowDisksReport", f->slow_disks);
}

int facts_jmx(const struct facts *f, const char *query, struct buf *out)
{
    static const struct {
        const char *name, *type;
        int (*fill)(const struct facts *f, struct buf *out);
    } beans[] = {
        {"Hadoop:service=NameNode,name=NameNodeInfo",
         "org.apache.hadoop.hdfs.server.namenode.FSNamesystem", info_bean},
        {"Hadoop:service=NameNode,name=NameNodeStatus",
         "org.apache.hadoop.hdfs.server.namenode.NameNode", status_bean},
        {"Hadoop:service=NameNode,name=FSNamesystem", "FSNamesystem", system_bean},
        {"Hadoop:service=NameNode,name=FSNamesystemState",
         "org.apache.hadoop.hdfs.server.namenode.FSNamesystem", state_bean},
    };
    bool first = true;
    TRY(put(out, "{\n  \"beans\" : [\n"));
    for (size_t i = 0; i < ARRAY_SIZE(beans); i++) {
        if (!web_wants(query, beans[i].name))
            continue;
        TRY(begin(out, beans[i].name, beans[i].type, &first));
        TRY(beans[i].fill(f, out));
        TRY(put(out, "\n  }"));
    }
    return put(out, "\n  ]\n}\n");
}
