/* output.c - a file open for writing: blocks, their pipelines, and what to do when a node fails.
 * Thread: the caller's, and the keeper's tick for heartbeats; `lock` guards everything.
 * Acknowledgements are taken by the caller's thread whenever it writes, and waited for when the
 * window is full or the caller asks to. The deciding is in write/: window.c cuts packets and keeps
 * them until acknowledged, pipeline.c knows the nodes and whom to blame. Life of a block:
 *   open_block: addBlock, connect to the first node; a failed set-up is abandoned and tried with
 * other nodes; streaming: packets out, acknowledgements in; a failure drops the node that is to
 * blame, the rest gets a new generation stamp and all packets that weren't acknowledged (recover);
 *   end_block: everything acknowledged, then the empty last packet, then its acknowledgement.
 * Invariants: (1) at most one block is open; (2) the last packet leaves only when all others are
 * acknowledged, so a node is never finalized while another lacks data; (3) after the first failure
 * that couldn't be mended `failed` is set and every call answers it. Lock order: keeper.lock, then
 * this lock by trylock. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/obs/obs.h"
#include "libdfs/io/internal.h"
#include "libdfs/write/write.h"

enum {
    HEARTBEAT_MS = 30000, /* half of a DataNode's patience */
    MAX_EXCLUDED = 64,
    DRAIN_FROM = 8 /* acknowledgements are looked for when so many packets are in flight */
};

struct output {
    struct io_env *env;
    struct keeper_entry entry;
    bool kept;            /* entry is in the keeper's list */
    pthread_mutex_t lock; /* guards all below */
    struct output_options o;
    char pool_id[128];
    Hdfs__ExtendedBlock block; /* current or last one; pool_id points above */
    bool has_block;
    bool persisted;             /* the NameNode was told of the block by fsync */
    struct arena block_arena;   /* located blocks of the current block */
    struct arena exclude_arena; /* nodes that failed; they live as long as the file */
    Hdfs__DatanodeInfo *excluded[MAX_EXCLUDED];
    size_t excluded_count;
    struct wr_window window;
    struct wr_pipeline pipeline;
    Rpc__Token *token;
    struct dnc *conn;
    int64_t sent_ms, heard_ms;
    uint64_t length;
    unsigned blame; /* position in the pipeline of the node that the last failure is about */
    struct err failed;
    char path[];
};

static int stick(struct output *o, int rc, const struct err *err)
{
    if (rc != 0 && o->failed.code == 0) {
        o->failed = *err;
        o->failed.code = rc;
    }
    return rc;
}

/* ---- NameNode ---- */

static void exclude(struct output *o, const Hdfs__DatanodeInfo *node)
{
    if (o->excluded_count == MAX_EXCLUDED)
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
                                   o->env->not_yet_retries};
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

static int complete(struct output *o, struct err *err)
{
    Cp__CompleteRequest request = CP__COMPLETE_REQUEST__INIT;
    request.src = o->path;
    request.client_name = o->env->client_name;
    request.last = o->has_block ? &o->block : NULL;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    struct wr_patience patience = {o->env->not_yet_delay_ms, o->env->not_yet_max_delay_ms,
                                   o->env->not_yet_retries};
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
static int persist(struct output *o, struct err *err)
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

/* ---- pipeline ---- */

static void cut_connection(struct output *o)
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
        cut_connection(o);
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
    log_info("pipeline set-up failed path=%s block=%llu node=%u error=%s", log_quote(o->path),
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

static int open_block(struct output *o, struct err *err)
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
static int recover(struct output *o, const struct err *why, struct err *err)
{
    bool closing = o->window.closing, again = true;
    struct err e = *why;
    while (again) {
        cut_connection(o);
        log_info("pipeline failed path=%s block=%llu node=%u acked=%llu error=%s",
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
        cut_connection(o);
        wr_window_forget_last(&o->window);
        wr_pipeline_move(&o->pipeline, WR_CLOSING);
    } else {
        wr_window_resend(&o->window);
        wr_pipeline_move(&o->pipeline, WR_STREAMING);
    }
    return 0;
}

/* ---- packets ---- */

static int send_heartbeat(struct output *o, struct err *err)
{
    struct xfer_packet p = {.seqno = XFER_HEARTBEAT_SEQNO};
    uint8_t out[XFER_PACKET_HEADER_MAX];
    size_t size = xfer_packet_encode(&p, out);
    o->sent_ms = clock_monotonic_ms();
    return sock_write_full(o->conn->fd, out, size, err);
}

/* 1: an acknowledgement can be read, 0: not within timeout_ms. */
static int poll_ack(struct output *o, int timeout_ms, short *ret_events)
{
    if (buf_size(&o->conn->in.buffered) > 0)
        return 1;
    struct pollfd p = {.fd = o->conn->fd, .events = POLLIN};
    int n = poll(&p, 1, timeout_ms);
    *ret_events = p.revents;
    return n > 0;
}

static int wait_readable(struct output *o, struct err *err)
{
    int64_t patience =
        o->env->timeouts.read_ms + (int64_t)o->env->timeouts.per_node_ms * o->pipeline.count;
    int64_t since = clock_monotonic_ms();
    for (;;) {
        int64_t now = clock_monotonic_ms(),
                silent = now - (o->heard_ms > since ? o->heard_ms : since);
        if (silent > patience)
            return fail(err, ERR_TIMEOUT, "no acknowledgement for %lld ms", (long long)silent);
        if (now - o->sent_ms >= HEARTBEAT_MS)
            TRY(send_heartbeat(o, err));
        short events = 0;
        if (poll_ack(o, 1000, &events) > 0)
            return 0;
    }
}

/* Takes one acknowledgement; o->blame tells the node on failure. */
static int take_ack(struct output *o, struct err *err)
{
    struct xfer_ack ack;
    int bad;
    o->blame = 0;
    TRY(wait_readable(o, err));
    TRY(xfer_recv_ack(&o->conn->in, &ack, err));
    o->heard_ms = clock_monotonic_ms();
    TRY(wr_blame_ack(&o->pipeline, &ack, &bad, err));
    if (bad >= 0) {
        o->blame = (unsigned)bad;
        const ProtobufCEnumValue *name = protobuf_c_enum_descriptor_get_value(
            &xfer__status__descriptor, (int)xfer_ack_status(ack.flags[bad]));
        return fail(err, ERR_IO, "acknowledged packet %lld with %s", (long long)ack.seqno,
                    name != NULL ? name->name : "an unknown status");
    }
    if (ack.seqno == XFER_HEARTBEAT_SEQNO)
        return 0;
    return wr_window_ack(&o->window, ack.seqno, err);
}

/* When sending failed, an answer that is already there may tell who is really to blame. */
static void look_for_blame(struct output *o, struct err *err)
{
    short events = 0;
    while (poll_ack(o, 100, &events) > 0) {
        struct err e = {0};
        if (take_ack(o, &e) == 0)
            continue;
        if (e.code == ERR_IO) /* a node's own word; anything else says no more than err */
            *err = e;
        else
            o->blame = 0;
        return;
    }
    o->blame = 0;
}

static int send_packet(struct output *o, struct wr_packet *p, struct err *err)
{
    struct iovec iov[] = {{p->wire, p->wire_size}, {p->data, p->header.data_size}};
    int rc = sock_writev_full(o->conn->fd, iov, 2, err);
    if (rc != 0) {
        look_for_blame(o, err);
        return rc;
    }
    o->sent_ms = clock_monotonic_ms();
    wr_window_sent(&o->window);
    return 0;
}

static int step_packets(struct output *o, unsigned leave_in_flight, struct err *err)
{
    struct wr_packet *p = wr_window_next(&o->window);
    if (p != NULL)
        return send_packet(o, p, err);
    if (o->window.in_flight > leave_in_flight)
        return take_ack(o, err);
    return 0;
}

/* Sends what is cut and waits until at most so many packets are in flight. */
static int push(struct output *o, unsigned leave_in_flight, struct err *err)
{
    while (wr_window_next(&o->window) != NULL || o->window.in_flight > leave_in_flight) {
        struct err e = {0};
        if (step_packets(o, leave_in_flight, &e) != 0)
            TRY(recover(o, &e, err));
    }
    short events = 0;
    while (o->window.in_flight >= DRAIN_FROM && o->conn != NULL && poll_ack(o, 0, &events) > 0) {
        struct err e = {0};
        if (take_ack(o, &e) != 0) {
            TRY(recover(o, &e, err));
            return push(o, leave_in_flight, err);
        }
    }
    return 0;
}

static int end_block(struct output *o, struct err *err)
{
    TRY(wr_window_cut(&o->window, false, err));
    TRY(push(o, 0, err));
    TRY(wr_window_cut_last(&o->window, o->env->sync_on_close, err));
    wr_pipeline_move(&o->pipeline, WR_CLOSING);
    TRY(push(o, 0, err));
    cut_connection(o);
    o->block.num_bytes = o->window.offset;
    wr_pipeline_move(&o->pipeline, WR_DONE);
    return 0;
}

static int write_some(struct output *o, const void *data, size_t size, size_t *ret, struct err *err)
{
    bool full;
    if (o->pipeline.stage != WR_STREAMING)
        TRY(open_block(o, err));
    TRY(wr_window_add(&o->window, data, size, ret, &full, err));
    o->length += *ret;
    if (!full)
        return 0;
    if (o->window.offset == o->window.block_size)
        return end_block(o, err);
    TRY(wr_window_cut(&o->window, false, err));
    return push(o, o->window.max_in_flight - 1, err);
}

/* ---- door ---- */

static void tick(struct keeper_entry *entry, int64_t now_ms, bool lease_lost)
{
    struct output *o = (struct output *)(void *)((char *)entry - offsetof(struct output, entry));
    if (pthread_mutex_trylock(&o->lock) != 0)
        return; /* the writer is at work, so it isn't idle */
    struct err err = {0};
    if (lease_lost && o->failed.code == 0)
        (void)stick(o,
                    fail(&err, ERR_LEASE_EXPIRED, "the lease on %s could not be renewed", o->path),
                    &err);
    struct pollfd p = {.fd = o->conn != NULL ? o->conn->fd : -1, .events = POLLOUT};
    if (o->failed.code == 0 && o->conn != NULL && now_ms - o->sent_ms >= HEARTBEAT_MS &&
        poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
        (void)send_heartbeat(o, NULL); /* a broken pipeline shows at the next write */
    pthread_mutex_unlock(&o->lock);
}

int output_open(struct io_env *env, const struct output_options *options, struct output **ret,
                struct err *err)
{
    size_t size = strlen(options->path) + 1;
    struct output *o = calloc(1, sizeof(*o) + size);
    if (o == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to write %s", options->path);
    o->env = env;
    o->o = *options;
    memcpy(o->path, options->path, size);
    o->o.path = o->path;
    o->entry.tick = tick;
    hdfs__extended_block__init(&o->block);
    pthread_mutex_init(&o->lock, NULL);
    arena_init(&o->block_arena, 64 * 1024 * 1024);
    arena_init(&o->exclude_arena, 1024 * 1024);
    wr_pipeline_init(&o->pipeline);
    int rc =
        wr_window_init(&o->window, options->kind, options->packet_size, env->max_in_flight, err);
    if (rc == 0)
        rc = keeper_add(env->keeper, &o->entry, err);
    o->kept = rc == 0;
    if (rc != 0) {
        output_abort(o);
        return rc;
    }
    *ret = o;
    return 0;
}

static int already_failed(const struct output *o, struct err *err)
{
    if (o->failed.code != 0 && err != NULL)
        *err = o->failed;
    return o->failed.code;
}

int output_write(struct output *o, const void *data, size_t size, struct err *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = already_failed(o, err);
    for (size_t done = 0; done < size && rc == 0;) {
        size_t n = 0;
        rc = stick(o, write_some(o, (const uint8_t *)data + done, size - done, &n, err), err);
        done += n;
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

static int flush_all(struct output *o, bool sync, struct err *err)
{
    if (o->pipeline.stage == WR_STREAMING && o->window.offset > 0) {
        TRY(wr_window_cut(&o->window, sync, err));
        TRY(push(o, 0, err));
    }
    return persist(o, err);
}

int output_flush(struct output *o, bool sync, struct err *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = already_failed(o, err);
    if (rc == 0)
        rc = stick(o, flush_all(o, sync, err), err);
    pthread_mutex_unlock(&o->lock);
    return rc;
}

uint64_t output_length(const struct output *o)
{
    return o->length;
}

static void destroy(struct output *o)
{
    if (o->kept)
        keeper_remove(o->env->keeper, &o->entry);
    dnc_free(o->conn);
    wr_window_fini(&o->window);
    arena_fini(&o->block_arena);
    arena_fini(&o->exclude_arena);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

int output_close(struct output *o, struct err *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = already_failed(o, err);
    if (rc == 0 && o->pipeline.stage == WR_STREAMING)
        rc = end_block(o, err);
    if (rc == 0)
        rc = complete(o, err);
    pthread_mutex_unlock(&o->lock);
    destroy(o);
    return rc;
}

void output_abort(struct output *o)
{
    destroy(o);
}
