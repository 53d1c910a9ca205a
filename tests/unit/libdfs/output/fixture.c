/* fixture.c - the pretended NameNode, and how the cluster begins and ends. */
#include "fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void fake_log(struct fake_cluster *c, const char *fmt, ...)
{
    va_list ap;
    size_t used = strlen(c->log);
    va_start(ap, fmt);
    vsnprintf(c->log + used, sizeof(c->log) - used, fmt, ap);
    va_end(ap);
}

unsigned fake_count(struct fake_cluster *c, const char *word)
{
    unsigned n = 0;
    pthread_mutex_lock(&c->lock);
    for (const char *at = c->log; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static Hdfs__LocatedBlock *located(struct fake_cluster *c, struct arena *a, unsigned block)
{
    Hdfs__LocatedBlock *b = arena_new(a, Hdfs__LocatedBlock);
    hdfs__located_block__init(b);
    b->b = arena_new(a, Hdfs__ExtendedBlock);
    hdfs__extended_block__init(b->b);
    b->b->pool_id = arena_strdup(a, "BP-1");
    b->b->block_id = block;
    b->b->generation_stamp = c->stamps[block];
    b->b->has_num_bytes = true;
    b->b->num_bytes = c->sizes[block];
    for (unsigned i = 0; i < block; i++)
        b->offset += c->sizes[i];
    b->block_token = arena_new(a, Rpc__Token);
    rpc__token__init(b->block_token);
    b->block_token->kind = b->block_token->service = arena_strdup(a, "");
    b->locs = arena_array(a, Hdfs__DatanodeInfo *, FAKE_NODES);
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        Hdfs__DatanodeInfo *info = b->locs[b->n_locs++] = arena_new(a, Hdfs__DatanodeInfo);
        hdfs__datanode_info__init(info);
        info->id = arena_new(a, Hdfs__DatanodeID);
        hdfs__datanode_id__init(info->id);
        info->id->ip_addr = info->id->host_name = arena_strdup(a, "127.0.0.1");
        info->id->datanode_uuid = arena_printf(a, "node-%u", i);
        info->id->xfer_port = c->nodes[i].port;
    }
    return b;
}

static bool is_excluded(const Cp__AddBlockRequest *r, const Hdfs__DatanodeInfo *node)
{
    for (size_t i = 0; i < r->n_exclude_nodes; i++)
        if (r->exclude_nodes[i]->id->xfer_port == node->id->xfer_port)
            return true;
    return false;
}

static void add_block(struct fake_cluster *c, struct rpc_call *call)
{
    const Cp__AddBlockRequest *r = (const Cp__AddBlockRequest *)(void *)call->request;
    fake_log(c, "addBlock-%zu ", r->n_exclude_nodes);
    if (c->not_replicated > 0) {
        struct err err = {0};
        c->not_replicated--;
        (void)fail(&err, ERR_NOT_REPLICATED, "not yet");
        rpc_reply_error(call, &err);
        return;
    }
    unsigned id = c->block_count++;
    c->stamps[id] = 1000 + id;
    Hdfs__LocatedBlock *b = located(c, &call->arena, id);
    size_t kept = 0;
    for (size_t i = 0; i < b->n_locs; i++)
        if (!is_excluded(r, b->locs[i]))
            b->locs[kept++] = b->locs[i];
    b->n_locs = kept;
    Cp__AddBlockResponse response = CP__ADD_BLOCK_RESPONSE__INIT;
    response.block = b;
    rpc_reply(call, &response.base);
}

static void locations(struct fake_cluster *c, struct rpc_call *call)
{
    Cp__GetBlockLocationsResponse response = CP__GET_BLOCK_LOCATIONS_RESPONSE__INIT;
    Hdfs__LocatedBlocks blocks = HDFS__LOCATED_BLOCKS__INIT;
    fake_log(c, "locations ");
    blocks.is_last_block_complete = true;
    blocks.blocks = arena_array(&call->arena, Hdfs__LocatedBlock *, FAKE_BLOCKS);
    for (unsigned i = 0; i < c->block_count; i++) {
        blocks.blocks[blocks.n_blocks++] = located(c, &call->arena, i);
        blocks.file_length += c->sizes[i];
    }
    response.locations = &blocks;
    rpc_reply(call, &response.base);
}

static void new_stamp(struct fake_cluster *c, struct rpc_call *call)
{
    const Cp__UpdateBlockForPipelineRequest *r =
        (const Cp__UpdateBlockForPipelineRequest *)(void *)call->request;
    Cp__UpdateBlockForPipelineResponse response = CP__UPDATE_BLOCK_FOR_PIPELINE_RESPONSE__INIT;
    fake_log(c, "stamp ");
    response.block = located(c, &call->arena, (unsigned)r->block->block_id);
    response.block->b->generation_stamp += 100;
    rpc_reply(call, &response.base);
}

static void update_pipeline(struct fake_cluster *c, struct rpc_call *call)
{
    const Cp__UpdatePipelineRequest *r = (const Cp__UpdatePipelineRequest *)(void *)call->request;
    Cp__UpdatePipelineResponse response = CP__UPDATE_PIPELINE_RESPONSE__INIT;
    fake_log(c, "pipeline-%zu ", r->n_new_nodes);
    c->stamps[r->new_block->block_id] = r->new_block->generation_stamp;
    rpc_reply(call, &response.base);
}

static void abandon(struct fake_cluster *c, struct rpc_call *call)
{
    Cp__AbandonBlockResponse response = CP__ABANDON_BLOCK_RESPONSE__INIT;
    fake_log(c, "abandon ");
    c->block_count--;
    rpc_reply(call, &response.base);
}

static void complete(struct fake_cluster *c, struct rpc_call *call)
{
    Cp__CompleteResponse response = CP__COMPLETE_RESPONSE__INIT;
    fake_log(c, "complete ");
    response.result = c->not_yet == 0;
    c->not_yet -= c->not_yet > 0;
    rpc_reply(call, &response.base);
}

static void renew_lease(struct fake_cluster *c, struct rpc_call *call)
{
    struct err err = {0};
    Cp__RenewLeaseResponse response = CP__RENEW_LEASE_RESPONSE__INIT;
    fake_log(c, "renew ");
    if (!c->refuse_renewals) {
        rpc_reply(call, &response.base);
        return;
    }
    (void)fail(&err, ERR_IO, "no renewals today");
    rpc_reply_error(call, &err);
}

void fake_namenode_dispatch(void *cluster, struct rpc_call *call)
{
    struct fake_cluster *c = cluster;
    Cp__ReportBadBlocksResponse bad = CP__REPORT_BAD_BLOCKS_RESPONSE__INIT;
    Cp__FsyncResponse fsync = CP__FSYNC_RESPONSE__INIT;
    pthread_mutex_lock(&c->lock);
    switch (call->method->tag) {
    case CLIENT_addBlock:
        add_block(c, call);
        break;
    case CLIENT_getBlockLocations:
        locations(c, call);
        break;
    case CLIENT_updateBlockForPipeline:
        new_stamp(c, call);
        break;
    case CLIENT_updatePipeline:
        update_pipeline(c, call);
        break;
    case CLIENT_abandonBlock:
        abandon(c, call);
        break;
    case CLIENT_complete:
        complete(c, call);
        break;
    case CLIENT_renewLease:
        renew_lease(c, call);
        break;
    case CLIENT_reportBadBlocks:
        fake_log(c, "bad ");
        rpc_reply(call, &bad.base);
        break;
    default:
        fake_log(c, "%s ", call->method->name);
        rpc_reply(call, &fsync.base); /* fsync and the like: the answers are empty */
    }
    pthread_mutex_unlock(&c->lock);
}

static void start_namenode(struct fake_cluster *c)
{
    struct err err = {0};
    struct rpc_protocol protocol = {
        RPC_CLIENT_PROTOCOL, 1, rpc_client_methods, CLIENT_METHOD_COUNT, fake_namenode_dispatch, c};
    struct rpc_server_options o = {
        .listen = {"127.0.0.1", 0}, .name = "fake", .protocols = &protocol, .protocol_count = 1};
    cr_assert_eq(rpc_server_start(&o, &c->namenode, &err), 0, "%s", err.text);
    char url[64];
    snprintf(url, sizeof(url), "hdfs://127.0.0.1:%u", rpc_server_port(c->namenode));
    c->conf = conf_new();
    cr_assert_eq(conf_finish(c->conf, &err), 0, "%s", err.text);
    cr_assert_eq(meta_new(c->conf, url, "tester", &c->env.meta, &err), 0, "%s", err.text);
}

struct fake_cluster *fake_start(void)
{
    return fake_start_with(1200000);
}

struct fake_cluster *fake_start_with(int64_t hard_limit_ms)
{
    struct fake_cluster *c = calloc(1, sizeof(*c));
    pthread_mutex_init(&c->lock, NULL);
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        struct fake_node *n = &c->nodes[i];
        struct addr a = {"127.0.0.1", 0};
        n->cluster = c;
        n->fault = (struct fake_fault){
            .cut_after_packets = -1, .error_after_packets = -1, .drop_read_after = -1};
        cr_assert_eq(sock_listen(&a, &n->listener, &n->port, NULL), 0);
        cr_assert_eq(pthread_create(&n->thread, NULL, fake_node_main, n), 0);
    }
    start_namenode(c);
    io_env_load(&c->env, c->conf);
    c->env.not_yet_delay_ms = 5;
    c->env.timeouts.read_ms = 3000;
    snprintf(c->env.client_name, sizeof(c->env.client_name), "tester");
    c->env.cache = conn_cache_new(16, 3000);
    cr_assert_eq(keeper_new(c->env.meta, "tester", hard_limit_ms, &c->env.keeper), 0);
    return c;
}

void fake_stop(struct fake_cluster *c)
{
    keeper_free(c->env.keeper);
    conn_cache_free(c->env.cache);
    meta_free(c->env.meta);
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        shutdown(c->nodes[i].listener, SHUT_RDWR);
        pthread_join(c->nodes[i].thread, NULL);
        close(c->nodes[i].listener);
    }
    rpc_server_stop(c->namenode, 100);
    rpc_server_free(c->namenode);
    conf_free(c->conf);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
