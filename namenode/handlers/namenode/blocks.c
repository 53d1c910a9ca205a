/* blocks.c - getBlocks: some blocks of a DataNode with all their places, for a balancer.
 * It begins at a random block and goes round once, so that several calls give different blocks.
 * Hot blocks (their file was read lately) go to the end of the answer. A call takes turns: a node
 * may hold millions of blocks that are too small. The lists may change between two turns; a block
 * that is missed or seen twice does no harm. */
#include "namenode.pb-c.h"
#include "namenode/handlers/call.h"

enum {
    BLOCKS_TURN = 4000,         /* block visits, about a millisecond */
    BLOCKS_BATCH = 256,         /* handles at once */
    BLOCKS_ANSWER_MAX = 100000, /* blocks of an answer */
    BLOCK_REPLICAS_MAX = 64,    /* places told of a block */
};

struct blocks_progress {
    uint32_t node;
    uint32_t *storages;
    uint32_t storage_count;
    uint32_t at, cursor; /* the next one: storages[at], position in it */
    uint64_t left;       /* visits until the round is over */
    uint64_t bytes;      /* in the answer */
    Np__BlockWithLocations **found, **hot;
    size_t found_count, hot_count;
    size_t found_room, hot_room;
};

static int check_request(struct call *c, const Np__GetBlocksRequest *req)
{
    if ((int64_t)req->size <= 0 || (int64_t)req->min_block_size < 0)
        return fail(&c->err, ERR_CONFIG, "Unexpected not positive size: %lld",
                    (long long)req->size);
    TRY(call_check_superuser_for(c, "getBlocks"));
    return call_check_safe_mode(c, "Cannot execute getBlocks", "");
}

static bool storage_fits(const struct node_storage *s, const Np__GetBlocksRequest *req)
{
    if (!s->reported || s->failed)
        return false;
    return !req->has_storage_type || (int)s->type == (int)req->storage_type;
}

/* A random place in the lists. */
static void choose_start(struct call *c, struct blocks_progress *p)
{
    const struct nodes *nodes = nn_of(c)->nodes;
    uint64_t skip = p->left == 0 ? 0 : rng_below(c->env->rng, p->left);
    for (uint32_t i = 0; i < p->storage_count; i++) {
        uint32_t count = nodes_storage(nodes, p->storages[i])->block_count;
        if (skip < count) {
            p->at = i;
            p->cursor = (uint32_t)skip;
            return;
        }
        skip -= count;
    }
}

static int begin(struct call *c, const Np__GetBlocksRequest *req, struct blocks_progress **ret)
{
    const struct nodes *nodes = nn_of(c)->nodes;
    const Hdfs__DatanodeID *id = req->datanode;
    TRY(check_request(c, req));
    struct blocks_progress *p = arena_new(arena_of(c), struct blocks_progress);
    if (p == NULL)
        return call_no_memory(c);
    *p = (struct blocks_progress){.node = nodes_find(nodes, id->datanode_uuid)};
    if (p->node == 0)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "Datanode %s:%u not found.", id->ip_addr,
                    id->xfer_port);
    p->storages = arena_array(arena_of(c), uint32_t, NODE_STORAGES_MAX);
    if (p->storages == NULL)
        return call_no_memory(c);
    for (uint32_t s = nodes_at(nodes, p->node)->storages;
         s != 0 && p->storage_count < NODE_STORAGES_MAX; s = nodes_storage(nodes, s)->next) {
        if (!storage_fits(nodes_storage(nodes, s), req) ||
            nodes_storage(nodes, s)->block_count == 0)
            continue;
        p->storages[p->storage_count++] = s;
        p->left += nodes_storage(nodes, s)->block_count;
    }
    choose_start(c, p);
    c->progress = *ret = p;
    return 0;
}

static int push(struct call *c, Np__BlockWithLocations ***list, size_t *count, size_t *room,
                Np__BlockWithLocations *item)
{
    if (*count == *room) {
        size_t more = *room == 0 ? 64 : *room * 2;
        Np__BlockWithLocations **grown = arena_array(arena_of(c), Np__BlockWithLocations *, more);
        if (grown == NULL)
            return call_no_memory(c);
        if (*count > 0)
            memcpy(grown, *list, *count * sizeof(*grown));
        *list = grown;
        *room = more;
    }
    (*list)[(*count)++] = item;
    return 0;
}

/* *ret NULL: the node holds no good replica of it. */
/* Of a group: which internal block is where, and what a balancer needs to know to weigh them. */
static int add_units(struct call *c, handle_t block, const struct replica_info *replicas,
                     size_t count, Np__BlockWithLocations *b)
{
    const struct ec_policy *ec = blocks_ec_policy(blocks_of(c), block);
    uint8_t *indices = arena_array(arena_of(c), uint8_t, count);
    if (ec == NULL)
        return 0;
    if (indices == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++)
        indices[i] = replicas[i].index;
    b->has_indices = b->has_data_block_num = b->has_cell_size = true;
    b->indices = (ProtobufCBinaryData){count, indices};
    b->data_block_num = ec->data_units;
    b->cell_size = ec->cell_size;
    return 0;
}

static int locate(struct call *c, handle_t block, const struct block_info *info, uint32_t node,
                  Np__BlockWithLocations **ret)
{
    const struct nodes *nodes = nn_of(c)->nodes;
    struct replica_info replicas[BLOCK_REPLICAS_MAX];
    size_t count = blocks_replicas(blocks_of(c), block, replicas, BLOCK_REPLICAS_MAX);
    bool here = false;
    count = count < BLOCK_REPLICAS_MAX ? count : BLOCK_REPLICAS_MAX;
    NEW(c, Np__BlockWithLocations, np__block_with_locations, b);
    NEW(c, Hdfs__Block, hdfs__block, id);
    b->datanode_uuids = arena_array(arena_of(c), char *, count);
    b->storage_uuids = arena_array(arena_of(c), char *, count);
    b->storage_types = arena_array(arena_of(c), Hdfs__StorageType, count);
    if (b->datanode_uuids == NULL || b->storage_uuids == NULL || b->storage_types == NULL)
        return call_no_memory(c);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct node_storage *s = nodes_storage(nodes, replicas[i].storage);
        if (replicas[i].corrupt || replicas[i].excess)
            continue;
        here |= s->node == node;
        replicas[n] = replicas[i];
        b->datanode_uuids[n] = nodes_at(nodes, s->node)->uuid;
        b->storage_uuids[n] = s->uuid;
        b->storage_types[n++] = (Hdfs__StorageType)s->type;
    }
    b->n_datanode_uuids = b->n_storage_uuids = b->n_storage_types = n;
    id->block_id = info->id;
    id->gen_stamp = info->generation_stamp;
    id->has_num_bytes = true;
    id->num_bytes = info->length;
    b->block = id;
    *ret = here ? b : NULL;
    return add_units(c, block, replicas, n, b);
}

static bool is_hot(struct call *c, const Np__GetBlocksRequest *req, handle_t owner)
{
    int64_t interval_ms = (int64_t)req->time_interval; /* a Java long: it may be negative */
    if (interval_ms <= 0 || owner == 0)
        return false;
    const struct inode *file = ns_inode(ns_of(c), owner);
    return (int64_t)file->file.atime_ms >= c->now_ms - interval_ms;
}

static int visit(struct call *c, const Np__GetBlocksRequest *req, struct blocks_progress *p,
                 handle_t block)
{
    struct block_info info;
    Np__BlockWithLocations *b = NULL;
    blocks_get(blocks_of(c), block, &info);
    const struct ec_policy *ec = blocks_ec_policy(blocks_of(c), block);
    if (info.state != BLOCK_COMPLETE || (info.ec != 0 && ec == NULL) ||
        info.length < req->min_block_size)
        return 0;
    TRY(locate(c, block, &info, p->node, &b));
    if (b == NULL)
        return 0;
    if (is_hot(c, req, info.owner))
        return push(c, &p->hot, &p->hot_count, &p->hot_room, b);
    p->bytes += info.length / (ec == NULL ? 1 : ec->data_units); /* what an internal one has */
    return push(c, &p->found, &p->found_count, &p->found_room, b);
}

static bool is_full(const struct blocks_progress *p, const Np__GetBlocksRequest *req)
{
    return p->bytes >= req->size || p->found_count + p->hot_count >= BLOCKS_ANSWER_MAX;
}

/* 0: the round is over or the answer is full. */
static int turn(struct call *c, const Np__GetBlocksRequest *req, struct blocks_progress *p)
{
    handle_t batch[BLOCKS_BATCH];
    for (uint32_t visits = 0; p->left > 0 && !is_full(p, req);) {
        if (visits >= BLOCKS_TURN)
            return CALL_AGAIN;
        uint32_t before = p->cursor;
        size_t max = p->left < BLOCKS_BATCH ? (size_t)p->left : BLOCKS_BATCH;
        size_t n = blocks_list_storage(blocks_of(c), p->storages[p->at], &p->cursor, batch, max);
        uint32_t seen = p->cursor - before;
        if (seen == 0) { /* the end of this list */
            uint32_t next = p->at + 1 < p->storage_count ? p->at + 1 : 0;
            bool shrunk = next <= p->at && before == 0; /* nothing anywhere */
            p->at = next;
            p->cursor = 0;
            visits++;
            if (shrunk)
                p->left = 0;
            continue;
        }
        p->left -= seen < p->left ? seen : p->left;
        visits += seen;
        for (size_t i = 0; i < n && !is_full(p, req); i++)
            TRY(visit(c, req, p, batch[i]));
    }
    return 0;
}

/* The cold ones, then as many hot ones as are still wanted. */
static int answer(struct call *c, const Np__GetBlocksRequest *req, struct blocks_progress *p)
{
    RESPOND(c, Np__GetBlocksResponse, np__get_blocks_response);
    NEW(c, Np__BlocksWithLocations, np__blocks_with_locations, blocks);
    for (size_t i = 0; i < p->hot_count && p->bytes < req->size; i++) {
        const Np__BlockWithLocations *b = p->hot[i];
        p->bytes += b->block->num_bytes / (b->has_data_block_num ? b->data_block_num : 1);
        TRY(push(c, &p->found, &p->found_count, &p->found_room, p->hot[i]));
    }
    blocks->blocks = p->found;
    blocks->n_blocks = p->found_count;
    res->blocks = blocks;
    return 0;
}

int np_getBlocks(struct call *c)
{
    REQUEST(c, Np__GetBlocksRequest);
    struct blocks_progress *p = c->progress;
    if (p == NULL)
        TRY(begin(c, req, &p));
    int rc = turn(c, req, p);
    return rc != 0 ? rc : answer(c, req, p);
}
