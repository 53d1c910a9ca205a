/* fixture.h - a cluster of nodes with one disk each, for the tests of blocks. */
#pragma once
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/blocks/blocks.h"

enum { GS = 1001, LEN = 1000, MIB = 1 << 20 };

struct cluster {
    struct nodes *nodes;
    struct blocks *blocks;
    struct rng rng;
    int64_t now; /* ms, both clocks */
};

struct cluster_opts {
    uint32_t nodes, racks; /* racks 0: all in the default one */
    bool stay_in_safe_mode, unreported;
    uint64_t remaining; /* 0: plenty */
};

static inline uint32_t cluster_add_node(struct cluster *c, uint32_t i, uint32_t racks)
{
    char uuid[32], ip[32], host[32], rack[32];
    snprintf(uuid, sizeof(uuid), "node-%u", i);
    snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 250, i % 250 + 1);
    snprintf(host, sizeof(host), "h%u", i);
    snprintf(rack, sizeof(rack), "/r%u", racks == 0 ? 0 : i % racks);
    struct node_registration r = {.uuid = uuid,
                                  .ip = ip,
                                  .hostname = host,
                                  .software_version = "3.4.3",
                                  .xfer_port = 9866,
                                  .rack = racks == 0 ? NULL : rack};
    uint32_t node = 0;
    cr_assert_eq(nodes_register(c->nodes, &r, c->now, c->now, &node, NULL), 0);
    return node;
}

static inline void cluster_beat(struct cluster *c, uint32_t node, uint64_t remaining)
{
    char uuid[32];
    snprintf(uuid, sizeof(uuid), "DS-%u", node);
    struct node_storage_report s = {
        .uuid = uuid, .type = STORAGE_DISK, .capacity = 1000ULL * MIB, .remaining = remaining};
    struct node_heartbeat h = {.storages = &s, .storage_count = 1};
    cr_assert_eq(nodes_heartbeat(c->nodes, node, &h, c->now, c->now, NULL), 0);
}

static inline void cluster_beat_all(struct cluster *c)
{
    for (uint32_t i = 1; i <= nodes_count(c->nodes); i++)
        if (nodes_at(c->nodes, i)->alive)
            cluster_beat(c, i, nodes_at(c->nodes, i)->remaining);
}

static inline void report_empty(struct cluster *c, uint32_t storage)
{
    struct report_source empty = {0};
    cr_assert_eq(blocks_report_all(c->blocks, storage, &empty, c->now, c->now, NULL), 0);
}

/* Node i has storage i. */
static inline struct cluster cluster_new(struct cluster_opts o)
{
    struct cluster c = {.rng = {42}, .now = 1000000};
    struct nodes_settings ns;
    struct blocks_settings bs;
    nodes_settings_defaults(&ns);
    blocks_settings_defaults(&bs);
    bs.safemode_extension_ms = 0;
    cr_assert_eq(nodes_new(&ns, &c.nodes), 0);
    cr_assert_eq(blocks_new(&bs, c.nodes, &c.blocks), 0);
    if (!o.stay_in_safe_mode)
        blocks_start(c.blocks, 1000000, c.now);
    for (uint32_t i = 1; i <= o.nodes; i++) {
        cr_assert_eq(cluster_add_node(&c, i, o.racks), i);
        cluster_beat(&c, i, o.remaining == 0 ? 900ULL * MIB : o.remaining);
        if (!o.unreported)
            report_empty(&c, i);
    }
    return c;
}

static inline void cluster_free(struct cluster *c)
{
    blocks_verify(c->blocks);
    nodes_verify(c->nodes);
    blocks_free(c->blocks);
    nodes_free(c->nodes);
}

static inline void cluster_tick(struct cluster *c, int64_t ms)
{
    c->now += ms;
    cluster_beat_all(c);
    while (blocks_tick(c->blocks, c->now, &c->rng, 1000))
        ;
    blocks_verify(c->blocks);
}

static inline handle_t add_block(struct cluster *c, uint64_t id, uint32_t replication,
                                 enum block_state state)
{
    struct block_info info = {.id = id,
                              .generation_stamp = GS,
                              .length = state == BLOCK_UNDER_CONSTRUCTION ? 0 : LEN,
                              .owner = 5,
                              .replication = replication,
                              .state = state};
    handle_t h = 0;
    cr_assert_eq(blocks_add(c->blocks, &info, &h), 0);
    return h;
}

static inline void tell(struct cluster *c, uint32_t storage, uint64_t id, uint64_t gs, uint64_t len,
                        enum received_status status)
{
    struct received_block r = {.block = {id, gs, len}, .status = status};
    cr_assert_eq(blocks_received(c->blocks, storage, &r, 1, c->now, NULL), 0);
}

/* A COMPLETE block with good replicas on the first `replicas` storages. */
static inline handle_t add_stored(struct cluster *c, uint64_t id, uint32_t replication,
                                  uint32_t replicas)
{
    handle_t h = add_block(c, id, replication, BLOCK_COMPLETE);
    for (uint32_t s = 1; s <= replicas; s++)
        tell(c, s, id, GS, LEN, BLOCK_RECEIVED);
    return h;
}

static inline struct replica_counts counts(struct cluster *c, handle_t h)
{
    struct replica_counts n;
    blocks_count(c->blocks, h, &n);
    return n;
}

static inline struct blocks_stats stats(struct cluster *c)
{
    struct blocks_stats s;
    blocks_stats(c->blocks, &s);
    return s;
}

static inline bool ordered(struct cluster *c, uint32_t node, uint64_t id)
{
    return nodes_invalidate_waits(c->nodes, node, id);
}
