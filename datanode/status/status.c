/* status.c - see status.h. */
#include "datanode/status/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "common/web/web.h"
#include "datanode/scan/scan.h"
#include "datanode/store/store.h"

struct status_page {
    struct status_page_options o;
    struct web *web;
};

struct figures {
    struct volume_info volumes[STORE_MAX_VOLUMES];
    size_t count, failed;
    uint64_t capacity, used, remaining, replicas;
    unsigned transfers;
};

static void gather(const struct status_page *p, struct figures *f)
{
    *f = (struct figures){.transfers = p->o.transfers(p->o.transfers_ctx)};
    f->count = store_volumes(p->o.store, NULL, f->volumes);
    for (size_t i = 0; i < f->count; i++) {
        const struct volume_info *v = &f->volumes[i];
        f->failed += v->failed && !v->removed;
        if (v->failed)
            continue;
        f->capacity += v->capacity;
        f->used += v->used;
        f->remaining += v->remaining;
        f->replicas += v->replicas;
    }
}

static int put(struct buf *out, const char *text)
{
    return buf_append(out, text, strlen(text));
}

static int size_cell(struct buf *out, uint64_t bytes)
{
    TRY(put(out, "<td class=\"n\">"));
    TRY(web_put_bytes(out, bytes));
    return put(out, "</td>");
}

static int volume_row(struct buf *out, const struct volume_info *v)
{
    TRY(put(out, "<tr><td>"));
    TRY(web_put_html(out, v->path));
    TRY(put(out, v->failed ? "</td><td class=\"bad\">failed</td>"
                           : "</td><td class=\"ok\">in use</td>"));
    TRY(size_cell(out, v->used));
    TRY(size_cell(out, v->remaining));
    TRY(size_cell(out, v->capacity));
    return buf_printf(out, "<td class=\"n\">%" PRIu64 "</td></tr>", v->replicas);
}

static int page(void *ctx, const char *query, struct buf *out)
{
    struct status_page *p = ctx;
    struct figures f;
    (void)query;
    gather(p, &f);
    TRY(web_put_head(out, "Hadron DataNode"));
    TRY(buf_printf(out,
                   "<h1>DataNode</h1><p class=\"sub\">Hadron " HADRON_VERSION
                   " &middot; %u transfers &middot; ",
                   f.transfers));
    TRY(web_put_html(out, store_uuid(p->o.store)));
    TRY(put(out, "</p><h2>Volumes</h2><table><tr><th>folder</th><th>state</th><th class=\"n\">used"
                 "</th><th class=\"n\">free</th><th class=\"n\">capacity</th><th class=\"n\">"
                 "replicas</th></tr>"));
    for (size_t i = 0; i < f.count; i++)
        if (!f.volumes[i].removed)
            TRY(volume_row(out, &f.volumes[i]));
    return put(out, "</table><footer><a href=\"jmx\">jmx</a> &middot; <a href=\"prom\">prom</a>"
                    "</footer></body></html>\n");
}

static int jmx_state(const struct status_page *p, const char *name, struct buf *out)
{
    struct figures f;
    gather(p, &f);
    TRY(buf_printf(out,
                   " {\n    \"name\" : \"%s\",\n    \"modelerType\" : "
                   "\"FSDatasetState\",\n    \"tag.Context\" : \"FSDatasetState\",\n"
                   "    \"tag.StorageInfo\" : ",
                   name));
    TRY(web_put_json(out, store_uuid(p->o.store)));
    return buf_printf(out,
                      ",\n    \"Capacity\" : %" PRIu64 ",\n    \"DfsUsed\" : %" PRIu64
                      ",\n    \"Remaining\" : %" PRIu64 ",\n    \"NumBlocks\" : %" PRIu64
                      ",\n    \"NumFailedVolumes\" : %zu,\n    \"CacheUsed\" : 0,\n"
                      "    \"CacheCapacity\" : 0,\n    \"NumBlocksCached\" : 0\n  }",
                      f.capacity, f.used, f.remaining, f.replicas, f.failed);
}

/* What of Hadoop's figures is counted. */
static const struct {
    const char *name;
    enum metric metric;
    uint64_t divisor;
} activity[] = {
    {"BytesWritten", METRIC_bytes_written, 1},
    {"BytesRead", METRIC_bytes_read, 1},
    {"BlocksWritten", METRIC_blocks_written, 1},
    {"BlocksRead", METRIC_blocks_read, 1},
    {"BlocksReplicated", METRIC_blocks_copied, 1},
    {"BlocksRemoved", METRIC_blocks_deleted, 1},
    {"BlocksVerified", METRIC_blocks_verified, 1},
    {"BlockVerificationFailures", METRIC_block_verification_failures, 1},
    {"VolumeFailures", METRIC_volume_failures, 1},
    {"EcReconstructionTasks", METRIC_ec_tasks, 1},
    {"EcFailedReconstructionTasks", METRIC_ec_failed_tasks, 1},
    {"EcInvalidReconstructionTasks", METRIC_ec_invalid_tasks, 1},
    {"EcDecodingTimeNanos", METRIC_ec_decoding_ns, 1},
    {"EcReconstructionBytesRead", METRIC_ec_bytes_read, 1},
    {"EcReconstructionBytesWritten", METRIC_ec_bytes_written, 1},
    {"EcReconstructionRemoteBytesRead", METRIC_ec_remote_bytes_read, 1},
    {"EcReconstructionReadTimeMillis", METRIC_ec_read_ms, 1},
    {"EcReconstructionDecodingTimeMillis", METRIC_ec_decoding_ns, 1000000},
    {"EcReconstructionWriteTimeMillis", METRIC_ec_write_ms, 1},
    {"EcReconstructionValidateTimeMillis", METRIC_ec_validate_ms, 1},
};

static int jmx_activity(const char *name, struct buf *out)
{
    TRY(buf_printf(out, " {\n    \"name\" : "));
    TRY(web_put_json(out, name));
    TRY(put(out, ",\n    \"modelerType\" : \"DataNodeActivity\",\n"
                 "    \"tag.Context\" : \"dfs\""));
    for (size_t i = 0; i < ARRAY_SIZE(activity); i++)
        TRY(buf_printf(out, ",\n    \"%s\" : %" PRIu64, activity[i].name,
                       metric_get(activity[i].metric) / activity[i].divisor));
    return put(out, "\n  }");
}

static int jmx(void *ctx, const char *query, struct buf *out)
{
    static const char state[] = "Hadoop:service=DataNode,name=FSDatasetState";
    struct status_page *p = ctx;
    char active[400];
    snprintf(active, sizeof(active), "Hadoop:service=DataNode,name=DataNodeActivity-%.255s-%u",
             p->o.host_name, p->o.data_port);
    bool with_state = web_wants(query, state), with_activity = web_wants(query, active);
    TRY(put(out, "{\n  \"beans\" : ["));
    if (with_state)
        TRY(jmx_state(p, state, out));
    if (with_state && with_activity)
        TRY(put(out, ","));
    if (with_activity)
        TRY(jmx_activity(active, out));
    return put(out, " ]\n}\n");
}

static int scanner_page(void *ctx, const char *query, struct buf *out)
{
    (void)query;
    return scanner_report(((struct status_page *)ctx)->o.scanner, out);
}

static int scanner_figures(const struct status_page *p, struct buf *out)
{
    struct scanner_counts c;
    scanner_counts(p->o.scanner, &c);
    TRY(web_put_figure(out, "datanode_scanner_verified", "replicas found right",
                       (double)c.verified));
    TRY(web_put_figure(out, "datanode_scanner_bytes", "read by the block scanner",
                       (double)c.bytes));
    TRY(web_put_figure(out, "datanode_scanner_bad", "replicas reported as bad", (double)c.bad));
    TRY(web_put_figure(out, "datanode_scanner_missing", "replicas whose files were gone",
                       (double)c.forgotten));
    TRY(web_put_figure(out, "datanode_scanner_added", "replicas found without a record",
                       (double)c.added));
    return web_put_figure(out, "datanode_scanner_rounds", "comparisons of folders and records",
                          (double)c.rounds);
}

static int prom(void *ctx, const char *query, struct buf *out)
{
    struct figures f;
    (void)query;
    gather(ctx, &f);
    TRY(web_put_figure(out, "datanode_capacity_bytes", "of all volumes", (double)f.capacity));
    TRY(web_put_figure(out, "datanode_used_bytes", "by replicas", (double)f.used));
    TRY(web_put_figure(out, "datanode_remaining_bytes", "free for replicas", (double)f.remaining));
    TRY(web_put_figure(out, "datanode_replicas", "replicas", (double)f.replicas));
    TRY(web_put_figure(out, "datanode_failed_volumes", "volumes out of service", (double)f.failed));
    TRY(scanner_figures(ctx, out));
    TRY(web_put_figure(out, "datanode_transfers", "active transfers", f.transfers));
    return web_put_counters(out);
}

static const struct web_page pages[] = {
    {"/", "text/html; charset=utf-8", page, NULL},
    {"/index.html", "text/html; charset=utf-8", page, NULL},
    {"/datanode.html", "text/html; charset=utf-8", page, NULL},
    {"/blockScannerReport", "text/plain; charset=utf-8", scanner_page, NULL},
    {"/jmx", "application/json; charset=utf-8", jmx, NULL},
    {"/prom", "text/plain; version=0.0.4; charset=utf-8", prom, NULL},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", prom, NULL},
};

int status_page_start(const struct status_page_options *o, struct status_page **ret,
                      struct err *err)
{
    struct status_page *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the status page");
    p->o = *o;
    struct web_options web = {.pages = pages, .page_count = ARRAY_SIZE(pages), .ctx = p};
    int rc = web_address(o->conf, conf_name(CONF_dn_http_address),
                         conf_str(o->conf, CONF_dn_http_address),
                         conf_is_set(o->conf, CONF_dn_http_address), "", 9864, &web.listen, err);
    if (rc == 0)
        rc = web_start(&web, &p->web, err);
    if (rc != 0) {
        free(p);
        return rc;
    }
    log_info("status page url=http://%s:%u/", web.listen.host, web_port(p->web));
    *ret = p;
    return 0;
}

uint16_t status_page_port(const struct status_page *p)
{
    return p == NULL ? 0 : web_port(p->web);
}

void status_page_stop(struct status_page *p)
{
    if (p == NULL)
        return;
    web_stop(p->web);
    free(p);
}
