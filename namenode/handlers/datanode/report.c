/* report.c - full and incremental block reports, bad blocks told by clients and nodes. */
#include <inttypes.h>

#include "common/obs/obs.h"
#include "namenode/handlers/datanode/internal.h"

static int check_our_pool(struct call *c, const char *pool)
{
    if (strcmp(pool, nn_of(c)->identity.block_pool_id) == 0)
        return 0;
    return fail(&c->err, ERR_IO, "%s of block pool %s, this NameNode has %s", c->rpc->method->name,
                pool, nn_of(c)->identity.block_pool_id);
}

/* A million replicas must not hold up everybody else: a report is taken in turns. */
struct report_progress {
    size_t next;                 /* of req->reports */
    struct block_report *report; /* of the storage under way */
};
enum { REPORT_TURN = 1000 }; /* replicas, less than a millisecond */

static int report_begin(struct call *c, uint32_t node, const Dp__StorageBlockReport *report,
                        struct block_report **ret)
{
    uint32_t storage;
    const Hdfs__DatanodeStorage *s = report->storage;
    TRY(nodes_add_storage(nn_of(c)->nodes, node, s->storage_uuid, (int)s->storage_type,
                          s->state == HDFS__DATANODE_STORAGE__STORAGE_STATE__READ_ONLY_SHARED,
                          &storage, &c->err));
    struct report_source source = {.longs = report->blocks, .long_count = report->n_blocks};
    if (report->has_number_of_blocks) { /* the buffer form, empty for an empty storage */
        struct slice *buffers =
            arena_array(arena_of(c), struct slice, report->n_blocks_buffers + 1);
        if (buffers == NULL)
            return call_no_memory(c);
        for (size_t i = 0; i < report->n_blocks_buffers; i++)
            buffers[i] =
                (struct slice){report->blocks_buffers[i].data, report->blocks_buffers[i].len};
        source =
            (struct report_source){.buffers = buffers, .buffer_count = report->n_blocks_buffers};
    }
    if (blocks_report_start(blocks_of(c), storage, &source, ret) != 0)
        return call_no_memory(c);
    return 0;
}

/* As told: only how long a turn gets depends on it. */
static size_t report_entries(const Dp__StorageBlockReport *r)
{
    return r->has_number_of_blocks ? (size_t)r->number_of_blocks : r->n_blocks / 3;
}

static int report_turn(struct call *c, uint32_t node, const Dp__BlockReportRequest *req,
                       struct report_progress *p)
{
    size_t turn = c->env->settings->report_turn == 0 ? REPORT_TURN : c->env->settings->report_turn;
    while (p->next < req->n_reports) {
        size_t entries = report_entries(req->reports[p->next]);
        if (p->report == NULL)
            TRY(report_begin(c, node, req->reports[p->next], &p->report));
        int rc = blocks_report_step(p->report, turn, c->mono_ms, c->now_ms, &c->err);
        if (rc == REPORT_MORE)
            return CALL_AGAIN;
        blocks_report_free(p->report);
        p->report = NULL;
        TRY(rc);
        p->next++;
        if (entries >= turn && p->next < req->n_reports)
            return CALL_AGAIN;
        turn -= entries < turn ? entries : 0;
    }
    return 0;
}

/* The lease is checked once: it may run out while the report waits for its turns. */
static int report_lease_check(struct call *c, uint32_t node, const Dp__BlockReportRequest *req)
{
    uint64_t lease = req->context != NULL ? req->context->lease_id : 0;
    if (nodes_check_report_lease(nn_of(c)->nodes, node, lease, c->mono_ms))
        return 0;
    return fail(&c->err, ERR_REPORT_LEASE,
                "block report of %s:%u rejected: lease 0x%" PRIx64 " is not valid",
                c->rpc->peer_host, req->registration->datanode_id->xfer_port, lease);
}

int dn_blockReport(struct call *c)
{
    REQUEST(c, Dp__BlockReportRequest);
    RESPOND(c, Dp__BlockReportResponse, dp__block_report_response);
    const Dp__BlockReportContext *context = req->context;
    struct report_progress *p = c->progress;
    TRY(check_our_pool(c, req->block_pool_id));
    uint32_t node = registered(c, req->registration);
    if (node == 0) {
        if (p != NULL)
            blocks_report_free(p->report);
        return register_command(c, &res->cmd);
    }
    if (p == NULL) {
        TRY(report_lease_check(c, node, req));
        p = arena_new(arena_of(c), struct report_progress);
        if (p == NULL)
            return call_no_memory(c);
        c->progress = p;
    }
    int rc = report_turn(c, node, req, p);
    if (rc != 0)
        return rc;
    if (context == NULL || context->cur_rpc + 1 >= context->total_rpcs)
        nodes_end_report_lease(nn_of(c)->nodes, node);
    metric_add(METRIC_full_reports_taken, context == NULL || context->cur_rpc == 0);
    return finalize_command(c, &res->cmd);
}

static int received_storage(struct call *c, uint32_t node,
                            const Dp__StorageReceivedDeletedBlocks *list)
{
    const Hdfs__DatanodeStorage *s = list->storage;
    uint32_t storage;
    TRY(nodes_add_storage(nn_of(c)->nodes, node, s != NULL ? s->storage_uuid : list->storage_uuid,
                          s != NULL ? (int)s->storage_type : STORAGE_DISK, false, &storage,
                          &c->err));
    struct received_block *blocks = arena_array(arena_of(c), struct received_block, list->n_blocks);
    if (blocks == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < list->n_blocks; i++) {
        const Dp__ReceivedDeletedBlockInfo *b = list->blocks[i];
        blocks[i].block =
            (struct node_block){b->block->block_id, b->block->gen_stamp, b->block->num_bytes};
        blocks[i].status = (enum received_status)b->status;
        if (b->delete_hint != NULL && b->delete_hint[0] != '\0')
            blocks[i].hint_node = nodes_find(nn_of(c)->nodes, b->delete_hint);
    }
    return blocks_received(blocks_of(c), storage, blocks, list->n_blocks, c->mono_ms, &c->err);
}

int dn_blockReceivedAndDeleted(struct call *c)
{
    REQUEST(c, Dp__BlockReceivedAndDeletedRequest);
    RESPOND(c, Dp__BlockReceivedAndDeletedResponse, dp__block_received_and_deleted_response);
    uint32_t node;
    (void)res;
    TRY(check_our_pool(c, req->block_pool_id));
    TRY(need_registered(c, req->registration, &node));
    for (size_t i = 0; i < req->n_blocks; i++) {
        int rc = received_storage(c, node, req->blocks[i]);
        if (rc !=
            0) { /* what was lost of it comes back with the full report of a new registration */
            nodes_demand_registration(nn_of(c)->nodes, node);
            return rc;
        }
    }
    return 0;
}

/* ---- bad blocks, told by clients and by nodes ---- */

static int report_bad_blocks(struct call *c, Hdfs__LocatedBlock **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Hdfs__LocatedBlock *b = list[i];
        TRY(call_check_pool(c, b->b));
        for (size_t k = 0; k < b->n_locs; k++) {
            uint32_t node = nodes_find(nn_of(c)->nodes, b->locs[k]->id->datanode_uuid);
            uint32_t storage = node != 0 && k < b->n_storage_ids
                                   ? nodes_find_storage(nn_of(c)->nodes, node, b->storage_ids[k])
                                   : 0;
            if (node == 0)
                continue;
            log_limited(LOG_WARN, "replica reported as corrupt block=%" PRIu64 " node=%s:%u",
                        b->b->block_id, nodes_at(nn_of(c)->nodes, node)->ip,
                        nodes_at(nn_of(c)->nodes, node)->xfer_port);
            blocks_mark_corrupt(blocks_of(c), b->b->block_id, b->b->generation_stamp, node, storage,
                                CORRUPT_REPORTED);
        }
    }
    return 0;
}

int fs_reportBadBlocks(struct call *c)
{
    REQUEST(c, Cp__ReportBadBlocksRequest);
    RESPOND(c, Cp__ReportBadBlocksResponse, cp__report_bad_blocks_response);
    (void)res;
    return report_bad_blocks(c, req->blocks, req->n_blocks);
}

int dn_reportBadBlocks(struct call *c)
{
    REQUEST(c, Dp__ReportBadBlocksRequest);
    RESPOND(c, Dp__ReportBadBlocksResponse, dp__report_bad_blocks_response);
    (void)res;
    return report_bad_blocks(c, req->blocks, req->n_blocks);
}
