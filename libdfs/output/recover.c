/* recover.c - a pipeline that broke is set up again, and an append's for the first time.
 * Thread: the writer's, with the file's lock. Who is to blame and whether it is worth going on is
 * decided by write/. Recovery: the nodes to blame leave; if the policy wants it another node takes
 * their place and gets a copy of the block from one of the others (TRANSFER_BLOCK); the NameNode
 * gives a new generation stamp (so that what the lost nodes still have is stale), the nodes are set
 * up with it and cut their replica back to what all have acknowledged, the NameNode is told who
 * they are, and the packets that weren't acknowledged are sent again. If the last packet was on its
 * way all bytes are acknowledged, and the set-up itself (CLOSE_RECOVERY) finalizes the replicas.
 * A node that said it restarts (OOB_RESTART) stays, and is tried until restart_ms. */
#include <poll.h>
#include <stdio.h>

#include "common/obs/obs.h"
#include "libdfs/output/internal.h"

enum { REPLACE_TRIES = 3, RESTART_POLL_MS = 1000 };
#define STAGE(name) XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__##name

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

/* Local nodes and the last one are worth waiting for, as Hadoop's client does. */
void output_restarting(struct output *o, unsigned position)
{
    char local[64] = "";
    if (o->conn != NULL)
        sock_local(o->conn->fd, local, sizeof(local));
    size_t size = strcspn(local, ":");
    const char *ip = output_node(o, position)->id->ip_addr;
    bool near = strlen(ip) == size && strncmp(ip, local, size) == 0;
    if (o->env->restart_ms == 0 || (!near && o->pipeline.count > 1))
        return;
    o->restarting = (int)position;
    o->restart_ms = clock_monotonic_ms() + o->env->restart_ms;
}

static void drop(struct output *o, unsigned position, const char *what)
{
    output_exclude(o, output_node(o, position));
    wr_pipeline_drop(&o->pipeline, position, what);
    if (o->restarting == (int)position)
        o->restarting = -1;
    else if (o->restarting > (int)position)
        o->restarting--;
}

static void drop_blamed(struct output *o, const char *what)
{
    if (o->restarting >= 0 && clock_monotonic_ms() < o->restart_ms)
        o->blamed &= ~(1ULL << o->restarting);
    for (unsigned i = o->pipeline.count; i-- > 0;)
        if ((o->blamed >> i & 1) != 0)
            drop(o, i, what);
    o->blamed = 0;
}

static int ask_for_node(struct output *o, Hdfs__LocatedBlock **ret, struct err *err)
{
    const struct wr_pipeline *p = &o->pipeline;
    Hdfs__DatanodeInfo *nodes[WR_MAX_NODES];
    char *ids[WR_MAX_NODES];
    for (unsigned i = 0; i < p->count; i++) {
        unsigned at = p->nodes[i];
        nodes[i] = p->block->locs[at];
        ids[i] = at < p->block->n_storage_ids ? p->block->storage_ids[at] : UNCONST(char, "");
    }
    Cp__GetAdditionalDatanodeRequest request = CP__GET_ADDITIONAL_DATANODE_REQUEST__INIT;
    request.src = o->path;
    request.blk = &o->block;
    request.n_existings = request.n_existing_storage_uuids = p->count;
    request.existings = nodes;
    request.existing_storage_uuids = ids;
    request.n_excludes = o->excluded_count;
    request.excludes = o->excluded;
    request.num_additional_nodes = 1;
    request.client_name = o->env->client_name;
    request.has_file_id = true;
    request.file_id = o->o.file_id;
    Cp__GetAdditionalDatanodeResponse *response;
    TRY(META_CALL(o->env->meta, getAdditionalDatanode, &request, &o->block_arena, &response, err));
    *ret = response->block;
    return 0;
}

/* The connection is open: `from` shall copy the block to node `to` of b. */
static int ask_transfer(struct output *o, struct dnc *c, const Hdfs__LocatedBlock *b, unsigned to,
                        struct arena *arena, struct err *err)
{
    Xfer__OpTransferBlock op = XFER__OP_TRANSFER_BLOCK__INIT;
    Xfer__ClientOperationHeader header = XFER__CLIENT_OPERATION_HEADER__INIT;
    Xfer__BaseHeader base = XFER__BASE_HEADER__INIT;
    Hdfs__ExtendedBlock block = o->block;
    Hdfs__DatanodeInfo *target = b->locs[to];
    Hdfs__StorageType type =
        to < b->n_storage_types ? b->storage_types[to] : HDFS__STORAGE_TYPE__DISK;
    char *id = to < b->n_storage_ids ? b->storage_ids[to] : UNCONST(char, "");
    block.has_num_bytes = true;
    block.num_bytes = o->window.acked;
    base.block = &block;
    base.token = b->block_token;
    header.base_header = &base;
    header.client_name = o->env->client_name;
    op.header = &header;
    op.n_targets = op.n_target_storage_types = op.n_target_storage_ids = 1;
    op.targets = &target;
    op.target_storage_types = &type;
    op.target_storage_ids = &id;
    Xfer__BlockOpResponse *answer;
    short events = 0;
    TRY(xfer_send_op(c->fd, XFER_TRANSFER_BLOCK, &op.base, err));
    TRY(output_wait(o, c, POLLIN, &events, err));
    return dnc_answer(c, arena, &answer, NULL, err);
}

static int transfer(struct output *o, const Hdfs__DatanodeInfo *from, const Hdfs__LocatedBlock *b,
                    unsigned to, struct err *err)
{
    struct dnc *c;
    struct arena arena;
    TRY(dnc_connect(from->id, o->env->use_hostname, &o->env->timeouts, 1, &c, err));
    arena_init(&arena, XFER_MAX_HEADER * 4);
    o->watched[0] = from->id;
    o->watched[1] = b->locs[to]->id;
    o->watched_count = 2;
    wr_watch_start(&o->watch, clock_monotonic_ms());
    int rc = ask_transfer(o, c, b, to, &arena, err);
    arena_fini(&arena);
    dnc_free(c);
    return rc;
}

static int add_node(struct output *o, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < REPLACE_TRIES; i++) {
        Hdfs__LocatedBlock *b;
        TRY(ask_for_node(o, &b, err));
        int to = wr_pipeline_find_new(&o->pipeline, b);
        if (to < 0)
            return fail(err, ERR_IO, "the NameNode has no other node");
        rc = transfer(o, output_node(o, i % o->pipeline.count), b, (unsigned)to, err);
        if (rc == 0)
            return wr_pipeline_adopt(&o->pipeline, b, err);
        log_debug("block not copied to a new node path=%s error=%s", log_quote(o->path),
                  log_quote(err != NULL ? err->text : ""));
        output_exclude(o, b->locs[to]);
    }
    return rc;
}

/* 0: so many nodes as the policy wants, or it is content with less. */
static int replace(struct output *o, struct err *err)
{
    const struct io_env *env = o->env;
    if (o->window.closing || o->restarting >= 0 || (o->window.acked == 0 && !o->appending) ||
        !wr_replace_wanted((enum wr_replace)env->replace, &o->pipeline, o->o.replication,
                           o->appending, o->flushed))
        return 0;
    struct err e = {0};
    int rc = add_node(o, &e);
    if (rc == 0 || env->replace_best_effort ||
        (env->replace_min > 0 && o->pipeline.count >= env->replace_min)) {
        if (rc != 0)
            log_debug("pipeline goes on with %u nodes path=%s error=%s", o->pipeline.count,
                      log_quote(o->path), log_quote(e.text));
        return 0;
    }
    char what[512];
    snprintf(what, sizeof(what),
             "Failed to replace a bad datanode on the existing pipeline due to no more good "
             "datanodes being available to try (%.200s)",
             e.text);
    return output_no_nodes(o, what, err);
}

/* Sets the nodes that are left up with a new stamp. */
static int rejoin(struct output *o, output_stage stage, bool *ret_again, struct err *err)
{
    Hdfs__LocatedBlock *located;
    *ret_again = false;
    TRY(new_stamp(o, &located, err));
    o->token = located->block_token;
    uint64_t stamp = located->b->generation_stamp;
    int rc = output_set_up(o, stage, stamp, err);
    if (rc != 0) {
        *ret_again = true;
        return rc;
    }
    return update_pipeline(o, stamp, err);
}

/* Takes leave of those to blame; an error: it can't go on. */
static int prepare(struct output *o, const struct err *why, struct err *err)
{
    output_cut_connection(o);
    log_debug("pipeline failed path=%s block=%llu nodes=%llx acked=%llu error=%s",
              log_quote(o->path), (unsigned long long)o->block.block_id,
              (unsigned long long)o->blamed, (unsigned long long)o->window.acked,
              log_quote(why->text));
    drop_blamed(o, why->text);
    wr_pipeline_move(&o->pipeline, WR_SETUP);
    if (o->restarting >= 0)
        clock_sleep_ms(RESTART_POLL_MS);
    else if (!wr_pipeline_may_recover(&o->pipeline, o->window.acked, o->env->max_recoveries))
        return output_no_nodes(o, "All datanodes are bad. Aborting", err);
    return replace(o, err);
}

static int join(struct output *o, output_stage stage, output_stage next, bool first,
                const struct err *why, struct err *err)
{
    struct err e = why != NULL ? *why : (struct err){0};
    for (bool again = true;; stage = next, first = false) {
        if (!first)
            TRY(prepare(o, &e, err));
        e = (struct err){0};
        int rc = rejoin(o, stage, &again, &e);
        if (rc == 0)
            break;
        if (!again) {
            if (err != NULL)
                *err = e;
            return rc;
        }
    }
    o->restarting = -1;
    return 0;
}

int output_join_append(struct output *o, struct err *err)
{
    TRY(join(o, STAGE(PIPELINE_SETUP_APPEND), STAGE(PIPELINE_SETUP_APPEND_RECOVERY), true, NULL,
             err));
    wr_pipeline_move(&o->pipeline, WR_STREAMING);
    return 0;
}

static int recover(struct output *o, const struct err *why, struct err *err)
{
    bool closing = o->window.closing;
    output_stage stage =
        closing ? STAGE(PIPELINE_CLOSE_RECOVERY) : STAGE(PIPELINE_SETUP_STREAMING_RECOVERY);
    TRY(join(o, stage, stage, false, why, err));
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

int output_recover(struct output *o, const struct err *why, struct err *err)
{
    struct err e = {0};
    int rc = recover(o, why, &e);
    if (rc == 0)
        return 0;
    if (rc != ERR_LEASE_EXPIRED)
        TRY(output_still_ours(o, err));
    if (err != NULL)
        *err = e;
    return rc;
}
