/* output_block.c - the life of one block that is being written, but for its packets: asked for, set
 * up at the DataNodes, set up again without those that failed, reported complete. Thread: the
 * writer's, which holds the file's lock. Who is to blame and whether it is worth going on is
 * decided by write/pipeline.c. Recovery: the node to blame leaves, the NameNode gives a new
 * generation stamp (so that what the lost node still has is stale), the others are set up with it
 * and cut their replica back to what all have acknowledged, the NameNode is told who they are, and
 * the packets that weren't acknowledged are sent again. If the last packet was on its way all bytes
 * are acknowledged, and the set-up itself (CLOSE_RECOVERY) finalizes the replicas. */
#include <stdio.h>

#include "common/obs/obs.h"
#include "libdfs/io/internal.h"

enum { NOT_YET_SOON_MS = 2 };

static void exclude(struct output *o, const Hdfs__DatanodeInfo *node)
{
    if (o->excluded_count == OUTPUT_MAX_EXCLUDED)
        return;
    size_t size = hdfs__datanode_info__get_packed_size(node);
    uint8_t *bytes = arena_alloc(&o->exclude_arena, size);
    if (bytes == NULL)
        return; /* the NameNode may offer it again: slower, not wrong */
    (void)hdfs__datanode_info__pack(node, bytes);
    Hdfs__DatanodeInfo *copy = hdfs__datanode_info__unpack(&o->exclude_arena.pb, size, bytes);
    if (copy != NULL)
        o->excluded[o->excluded_count++] = copy;
}

static int add_block(struct output *o, Hdfs__LocatedBlock **ret, struct err *err)
{
    Cp__AddBlockRequest request = CP__ADD_BLOCK_REQUEST__INIT;
    request.src = o->path;
    request.client_name = o->env->client_name;
    request.previous = o->has_block ? &o->block : NULL;
    request.n_exclude_nodes = o->excluded_count;
    request.exclude_nodes = o->excluded;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    struct wr_patience patience = {o->env->not_yet_delay_ms, o->env->not_yet_max_delay_ms,
                                   o->env->not_yet_retries, NOT_YET_SOON_MS};
    for (;;) {
        Cp__AddBlockResponse *response;
        int64_t wait_ms;
        int rc = META_CALL(o->env->meta, addBlock, &request, &o->block_arena, &response, err);
        if (rc == 0) {
            *ret = response->block;
            return 0;
        }
        if (rc != ERR_NOT_REPLICATED || !wr_patience_more(&patience, &wait_ms))
            return rc;
        io_sleep_ms(wait_ms);
    }
}

static int abandon_block(struct output *o, const Hdfs__LocatedBlock *block, struct err *err)
{
    Cp__AbandonBlockRequest request = CP__ABANDON_BLOCK_REQUEST__INIT;
    request.b = block->b;
    request.src = o->path;
    request.holder = o->env->client_name;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    Cp__AbandonBlockResponse *response;
    return META_CALL(o->env->meta, abandonBlock, &request, &o->block_arena, &response, err);
}

int output_complete(struct output *o, struct err *err)
{
    Cp__CompleteRequest request = CP__COMPLETE_REQUEST__INIT;
    request.src = o->path;
    request.client_name = o->env->client_name;
    request.last = o->has_block ? &o->block : NULL;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    struct wr_patience patience = {o->env->not_yet_delay_ms, o->env->not_yet_max_delay_ms,
                                   o->env->not_yet_retries, NOT_YET_SOON_MS};
    for (;;) {
        Cp__CompleteResponse *response;
        int64_t wait_ms;
        arena_reset(&o->block_arena);
        TRY(META_CALL(o->env->meta, complete, &request, &o->block_arena, &response, err));
        if (response->result)
            return 0;
        if (!wr_patience_more(&patience, &wait_ms))
            return fail(err, ERR_NOT_REPLICATED,
                        "Unable to close file because the last block %s:blk_%lld_%llu does not "
                        "have enough number of replicas: %s",
                        o->pool_id, (long long)o->block.block_id,
                        (unsigned long long)o->block.generation_stamp, o->path);
        io_sleep_ms(wait_ms);
    }
}

/* Before a reader can count on flushed bytes the NameNode must have logged the block. */
int output_persist(struct output *o, struct err *err)
{
    if (o->persisted || !o->has_block)
        return 0;
    Cp__FsyncRequest request = CP__FSYNC_REQUEST__INIT;
    request.src = o->path;
    request.client = o->env->client_name;
    request.has_last_block_length = true;
    request.last_block_length = -1;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    Cp__FsyncResponse *response;
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    int rc = META_CALL(o->env->meta, fsync, &request, &arena, &response, err);
    arena_fini(&arena);
    o->persisted = rc == 0;
    return rc;
}

void output_cut_connection(struct output *o)
{
    dnc_free(take_ptr(&o->conn));
}

static const Hdfs__DatanodeInfo *node_at(const struct output *o, unsigned position)
{
    return o->pipeline.block->locs[o->pipeline.nodes[position]];
}

struct setup {
    Xfer__OpWriteBlock op;
    Xfer__ClientOperationHeader header;
    Xfer__BaseHeader base;
    Xfer__Checksum checksum;
    Hdfs__ExtendedBlock block;
    Hdfs__DatanodeInfo *targets[WR_MAX_NODES];
    Hdfs__StorageType types[WR_MAX_NODES];
    char *ids[WR_MAX_NODES];
};

/* The first node gets the others as its targets. */
static void fill_targets(struct output *o, struct setup *s)
{
    const struct wr_pipeline *p = &o->pipeline;
    const Hdfs__LocatedBlock *b = p->block;
    for (unsigned i = 0; i < p->count; i++) {
        unsigned at = p->nodes[i];
        s->targets[i] = b->locs[at];
        s->types[i] = at < b->n_storage_types ? b->storage_types[at] : HDFS__STORAGE_TYPE__DISK;
        s->ids[i] = at < b->n_storage_ids ? b->storage_ids[at] : UNCONST(char, "");
    }
    s->op.n_targets = p->count - 1;
    s->op.targets = s->targets + 1;
    s->op.has_storage_type = true;
    s->op.storage_type = s->types[0];
    s->op.n_target_storage_types = p->count - 1;
    s->op.target_storage_types = s->types + 1;
    s->op.storage_id = s->ids[0];
    s->op.n_target_storage_ids = p->count - 1;
    s->op.target_storage_ids = s->ids + 1;
    s->op.pipeline_size = p->count;
}

static void fill_setup(struct output *o, struct setup *s,
                       Xfer__OpWriteBlock__BlockConstructionStage stage, uint64_t new_stamp)
{
    xfer__op_write_block__init(&s->op);
    xfer__client_operation_header__init(&s->header);
    xfer__base_header__init(&s->base);
    xfer__checksum__init(&s->checksum);
    s->block = o->block;
    s->block.has_num_bytes = true;
    s->block.num_bytes = o->o.block_size; /* how much room the nodes should look for */
    s->base.block = &s->block;
    s->base.token = o->token;
    s->header.base_header = &s->base;
    s->header.client_name = o->env->client_name;
    s->checksum.type = (Hdfs__ChecksumType)o->o.kind.type;
    s->checksum.bytes_per_checksum = o->o.kind.bytes_per_chunk;
    s->op.header = &s->header;
    s->op.stage = stage;
    s->op.min_bytes_rcvd = o->window.acked;
    s->op.max_bytes_rcvd = o->window.sent;
    s->op.latest_generation_stamp = new_stamp;
    s->op.requested_checksum = &s->checksum;
    fill_targets(o, s);
}

/* Connects to the first node and sets the pipeline up; on failure o->blame is the node that failed.
 */
static int set_up(struct output *o, Xfer__OpWriteBlock__BlockConstructionStage stage,
                  uint64_t new_stamp, struct err *err)
{
    struct setup s;
    fill_setup(o, &s, stage, new_stamp);
    o->blame = 0;
    TRY(dnc_connect(s.targets[0]->id, o->env->use_hostname, &o->env->timeouts, o->pipeline.count,
                    &o->conn, err));
    struct arena arena;
    arena_init(&arena, XFER_MAX_HEADER * 4);
    Xfer__BlockOpResponse *answer;
    const char *bad = NULL;
    int rc = dnc_request(o->conn, XFER_WRITE_BLOCK, &s.op.base, &arena, &answer, &bad, err);
    if (rc != 0) {
        o->blame = wr_blame_response(&o->pipeline, bad);
        output_cut_connection(o);
    }
    arena_fini(&arena);
    o->sent_ms = o->heard_ms = clock_monotonic_ms();
    return rc;
}

static int no_nodes(struct output *o, const char *what, struct err *err)
{
    return fail(err, ERR_IO, "%s: block %s:blk_%lld_%llu of %s. %s", what, o->pool_id,
                (long long)o->block.block_id, (unsigned long long)o->block.generation_stamp,
                o->path, o->pipeline.story);
}

static void take_block(struct output *o, const Hdfs__LocatedBlock *b)
{
    snprintf(o->pool_id, sizeof(o->pool_id), "%s", b->b->pool_id);
    o->block.pool_id = o->pool_id;
    o->block.block_id = b->b->block_id;
    o->block.generation_stamp = b->b->generation_stamp;
    o->block.has_num_bytes = true;
    o->block.num_bytes = 0;
    o->token = b->block_token;
    o->has_block = true;
    o->persisted = false;
}

/* One try of a new block. *ret_again: the set-up failed, another block may do. */
static int try_block(struct output *o, bool *ret_again, struct err *err)
{
    Hdfs__LocatedBlock *located;
    Hdfs__ExtendedBlock previous = o->block;
    bool had_block = o->has_block;
    *ret_again = false;
    TRY(add_block(o, &located, err));
    TRY(wr_pipeline_start(&o->pipeline, located, err));
    take_block(o, located);
    wr_window_start(&o->window, o->o.block_size);
    struct err e = {0};
    if (set_up(o, XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE, 0, &e) ==
        0) {
        wr_pipeline_move(&o->pipeline, WR_STREAMING);
        return 0;
    }
    log_debug("pipeline set-up failed path=%s block=%llu node=%u error=%s", log_quote(o->path),
              (unsigned long long)o->block.block_id, o->blame, log_quote(e.text));
    exclude(o, node_at(o, o->blame));
    wr_pipeline_drop(&o->pipeline, o->blame, e.text);
    wr_pipeline_move(&o->pipeline, WR_NONE);
    TRY(abandon_block(o, located, err));
    *ret_again = true;
    int rc = no_nodes(o, "Unable to create new block", err);
    o->block = previous;
    o->has_block = had_block;
    return rc;
}

int output_open_block(struct output *o, struct err *err)
{
    arena_reset(&o->block_arena);
    for (unsigned i = 0;; i++) {
        bool again;
        int rc = try_block(o, &again, err);
        if (rc == 0 || !again || i >= o->env->block_write_retries)
            return rc;
    }
}

static int new_stamp(struct output *o, Hdfs__LocatedBlock **ret, struct err *err)
{
    Cp__UpdateBlockForPipelineRequest request = CP__UPDATE_BLOCK_FOR_PIPELINE_REQUEST__INIT;
    request.block = &o->block;
    request.client_name = o->env->client_name;
    Cp__UpdateBlockForPipelineResponse *response;
    TRY(META_CALL(o->env->meta, updateBlockForPipeline, &request, &o->block_arena, &response, err));
    *ret = response->block;
    return 0;
}

static int update_pipeline(struct output *o, uint64_t stamp, struct err *err)
{
    Hdfs__ExtendedBlock updated = o->block;
    Hdfs__DatanodeID *nodes[WR_MAX_NODES];
    char *ids[WR_MAX_NODES];
    const Hdfs__LocatedBlock *b = o->pipeline.block;
    updated.generation_stamp = stamp;
    updated.num_bytes = o->block.num_bytes = o->window.acked;
    for (unsigned i = 0; i < o->pipeline.count; i++) {
        unsigned at = o->pipeline.nodes[i];
        nodes[i] = b->locs[at]->id;
        ids[i] = at < b->n_storage_ids ? b->storage_ids[at] : UNCONST(char, "");
    }
    Cp__UpdatePipelineRequest request = CP__UPDATE_PIPELINE_REQUEST__INIT;
    request.client_name = o->env->client_name;
    request.old_block = &o->block;
    request.new_block = &updated;
    request.n_new_nodes = request.n_storage_ids = o->pipeline.count;
    request.new_nodes = nodes;
    request.storage_ids = ids;
    Cp__UpdatePipelineResponse *response;
    TRY(META_CALL(o->env->meta, updatePipeline, &request, &o->block_arena, &response, err));
    o->block.generation_stamp = stamp;
    return 0;
}

/* Sets the pipeline up again with the nodes that are left. */
static int rejoin(struct output *o, bool closing, bool *ret_again, struct err *err)
{
    Hdfs__LocatedBlock *located;
    *ret_again = false;
    TRY(new_stamp(o, &located, err));
    o->token = located->block_token;
    uint64_t stamp = located->b->generation_stamp;
    int rc = set_up(
        o,
        closing ? XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE_RECOVERY
                : XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_STREAMING_RECOVERY,
        stamp, err);
    if (rc != 0) {
        *ret_again = true;
        return rc;
    }
    return update_pipeline(o, stamp, err);
}

/* A node failed (o->blame, *why). 0: the block goes on with the others. */
int output_recover(struct output *o, const struct err *why, struct err *err)
{
    bool closing = o->window.closing, again = true;
    struct err e = *why;
    while (again) {
        output_cut_connection(o);
        log_debug("pipeline failed path=%s block=%llu node=%u acked=%llu error=%s",
                  log_quote(o->path), (unsigned long long)o->block.block_id, o->blame,
                  (unsigned long long)o->window.acked, log_quote(e.text));
        exclude(o, node_at(o, o->blame));
        wr_pipeline_drop(&o->pipeline, o->blame, e.text);
        wr_pipeline_move(&o->pipeline, WR_SETUP);
        if (!wr_pipeline_may_recover(&o->pipeline, o->window.acked, o->env->max_recoveries))
            return no_nodes(o, "All datanodes are bad. Aborting", err);
        int rc = rejoin(o, closing, &again, &e);
        if (rc == 0)
            break;
        if (!again) {
            *err = e;
            return rc;
        }
    }
    if (closing) { /* the nodes finalized the block when they were set up */
        output_cut_connection(o);
        wr_window_forget_last(&o->window);
        wr_pipeline_move(&o->pipeline, WR_CLOSING);
    } else {
        wr_window_resend(&o->window);
        wr_pipeline_move(&o->pipeline, WR_STREAMING);
    }
    return 0;
}
