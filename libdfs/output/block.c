/* block.c - the life of one block that is being written, but for its packets and failures: asked
 * for, set up at the DataNodes, reported complete. Thread: the writer's, which holds the file's
 * lock. */
#include <poll.h>
#include <stdio.h>

#include "common/obs/obs.h"
#include "libdfs/output/internal.h"

enum { NOT_YET_SOON_MS = 2, CONNECT_MS = 4000, FORGIVE_MS = 1000 };

void output_exclude(struct output *o, const Hdfs__DatanodeInfo *node)
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
        clock_sleep_ms(wait_ms);
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
        clock_sleep_ms(wait_ms);
    }
}

static int call_fsync(struct output *o, bool length, struct err *err)
{
    Cp__FsyncRequest request = CP__FSYNC_REQUEST__INIT;
    request.src = o->path;
    request.client = o->env->client_name;
    request.has_last_block_length = true;
    request.last_block_length = length ? (int64_t)o->window.offset : -1;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    Cp__FsyncResponse *response;
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    int rc = META_CALL(o->env->meta, fsync, &request, &arena, &response, err);
    arena_fini(&arena);
    o->persisted = o->persisted || rc == 0;
    return rc;
}

int output_persist(struct output *o, bool length, struct err *err)
{
    if (!o->has_block || (o->persisted && !length))
        return 0;
    return call_fsync(o, length, err);
}

int output_still_ours(struct output *o, struct err *err)
{
    struct err e = {0};
    int rc = call_fsync(o, false, &e);
    if (rc != ERR_LEASE_EXPIRED && rc != ERR_NOT_FOUND)
        return 0;
    if (err != NULL)
        *err = e;
    return rc;
}

void output_cut_connection(struct output *o)
{
    dnc_free(take_ptr(&o->conn));
}

const Hdfs__DatanodeInfo *output_node(const struct output *o, unsigned position)
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

static void note_setup_failure(struct output *o, const Xfer__BlockOpResponse *answer)
{
    unsigned bad = wr_blame_response(&o->pipeline, answer->first_bad_link);
    o->blamed = 1ULL << bad;
    if (answer->status == XFER__STATUS__OOB_RESTART)
        output_restarting(o, bad);
}

static int ask_setup(struct output *o, const struct setup *s, struct arena *arena, struct err *err)
{
    Xfer__BlockOpResponse *answer = NULL;
    short events = 0;
    TRY(xfer_send_op(o->conn->fd, XFER_WRITE_BLOCK, &s->op.base, err));
    TRY(output_wait(o, o->conn, POLLIN, &events, err));
    o->blamed = 1;
    int rc = dnc_answer(o->conn, arena, &answer, NULL, err);
    if (rc != 0 && answer != NULL)
        note_setup_failure(o, answer);
    return rc;
}

int output_set_up(struct output *o, output_stage stage, uint64_t new_stamp, struct err *err)
{
    struct setup s;
    fill_setup(o, &s, stage, new_stamp);
    o->blamed = 1;
    /* a kernel that doesn't answer in this time belongs to a machine that is gone */
    struct io_timeouts t = o->env->timeouts;
    if (o->pipeline.count > 1 && (t.connect_ms == 0 || t.connect_ms > CONNECT_MS))
        t.connect_ms = CONNECT_MS;
    TRY(dnc_connect(s.targets[0]->id, o->env->use_hostname, &t, o->pipeline.count, &o->conn, err));
    struct arena arena;
    arena_init(&arena, XFER_MAX_HEADER * 4);
    output_watch_pipeline(o);
    int rc = ask_setup(o, &s, &arena, err);
    if (rc != 0)
        output_cut_connection(o);
    arena_fini(&arena);
    o->sent_ms = clock_monotonic_ms();
    output_watch_pipeline(o);
    return rc;
}

int output_no_nodes(struct output *o, const char *what, struct err *err)
{
    return fail(err, ERR_IO, "%s: block %s:blk_%lld_%llu of %s. %s", what, o->pool_id,
                (long long)o->block.block_id, (unsigned long long)o->block.generation_stamp,
                o->path, o->pipeline.story);
}

void output_take_block(struct output *o, const Hdfs__LocatedBlock *b)
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
    output_take_block(o, located);
    wr_window_start(&o->window, o->o.block_size, 0);
    o->appending = false;
    struct err e = {0};
    if (output_set_up(o, XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE, 0,
                      &e) == 0) {
        wr_pipeline_move(&o->pipeline, WR_STREAMING);
        return 0;
    }
    log_debug("pipeline set-up failed path=%s block=%llu nodes=%llx error=%s", log_quote(o->path),
              (unsigned long long)o->block.block_id, (unsigned long long)o->blamed,
              log_quote(e.text));
    for (unsigned i = o->pipeline.count; i-- > 0;)
        if ((o->blamed >> i & 1) != 0) {
            output_exclude(o, output_node(o, i));
            wr_pipeline_drop(&o->pipeline, i, e.text);
        }
    o->restarting = -1;
    wr_pipeline_move(&o->pipeline, WR_NONE);
    TRY(abandon_block(o, located, err));
    *ret_again = true;
    int rc = output_no_nodes(o, "Unable to create new block", err);
    o->block = previous;
    o->has_block = had_block;
    return rc;
}

/* Nobody is left because all have failed once: some may be well again, after a restart for example.
 */
static bool forgive(struct output *o, const struct err *err, unsigned *pardons)
{
    if (o->excluded_count == 0 || err == NULL || *pardons >= o->env->block_write_retries ||
        strstr(err->text, "could only be written to 0 of") == NULL)
        return false;
    clock_sleep_ms(FORGIVE_MS << *pardons);
    ++*pardons;
    o->excluded_count = 0;
    arena_reset(&o->exclude_arena);
    return true;
}

int output_open_block(struct output *o, struct err *err)
{
    unsigned pardons = 0;
    arena_reset(&o->block_arena);
    for (unsigned i = 0;;) {
        bool again;
        int rc = try_block(o, &again, err);
        if (rc == 0)
            return 0;
        if (!again && forgive(o, err, &pardons))
            i = 0;
        else if (!again || i++ >= o->env->block_write_retries)
            return rc;
    }
}

/* The NameNode's message lives in the caller's arena: ours is made by a copy of its bytes. */
static int copy_block(struct output *o, const Hdfs__LocatedBlock *b, Hdfs__LocatedBlock **ret,
                      struct err *err)
{
    size_t size = hdfs__located_block__get_packed_size(b);
    uint8_t *bytes = arena_alloc(&o->block_arena, size + 1);
    if (bytes == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to append");
    (void)hdfs__located_block__pack(b, bytes);
    *ret = hdfs__located_block__unpack(&o->block_arena.pb, size, bytes);
    return *ret != NULL ? 0 : fail(err, ERR_NO_MEMORY, "no memory to append");
}

int output_open_append(struct output *o, struct err *err)
{
    Hdfs__LocatedBlock *b;
    TRY(copy_block(o, o->o.last_block, &b, err));
    o->o.last_block = NULL;
    uint64_t length = b->b->num_bytes;
    if (b->n_locs == 0) { /* a new block was wanted: this one only comes before it */
        output_take_block(o, b);
        o->block.num_bytes = length;
        o->token = NULL;
        return 0;
    }
    if (length > o->o.block_size)
        return fail(err, ERR_PROTOCOL, "the last block of %s has %llu bytes, block size is %llu",
                    o->path, (unsigned long long)length, (unsigned long long)o->o.block_size);
    TRY(wr_pipeline_start(&o->pipeline, b, err));
    output_take_block(o, b);
    o->block.num_bytes = length;
    wr_window_start(&o->window, o->o.block_size, length);
    o->appending = true;
    return output_join_append(o, err);
}
