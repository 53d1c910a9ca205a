/* fixture.h - nodes on racks, for the tests of placement. */
#pragma once
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/placement/placement.h"

enum { MIB = 1 << 20 };

struct field {
    struct nodes *nodes;
    struct place_settings settings;
    struct rng rng;
    int64_t now; /* ms, both clocks */
};

static inline uint32_t field_add(struct field *f, uint32_t i, uint32_t rack_number)
{
    char uuid[32], ip[32], rack[32];
    snprintf(uuid, sizeof(uuid), "node-%u", i);
    snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 250, i % 250 + 1);
    snprintf(rack, sizeof(rack), "/r%u", rack_number);
    struct node_registration r = {.uuid = uuid,
                                  .ip = ip,
                                  .hostname = ip,
                                  .software_version = "3.4.3",
                                  .xfer_port = 9866,
                                  .rack = rack};
    uint32_t node = 0;
    cr_assert_eq(nodes_register(f->nodes, &r, f->now, f->now, &node, NULL), 0);
    return node;
}

/* One volume of each type that is listed (0 ends). */
static inline void field_volumes(struct field *f, uint32_t node, const uint8_t *types,
                                 uint64_t remaining, uint32_t xceivers)
{
    char uuids[4][32];
    struct node_storage_report s[4] = {0};
    size_t n = 0;
    for (; n < 4 && types[n] != 0; n++) {
        snprintf(uuids[n], sizeof(uuids[n]), "DS-%u-%zu", node, n);
        s[n] = (struct node_storage_report){.uuid = uuids[n],
                                            .type = types[n],
                                            .capacity = 1000ULL * MIB,
                                            .dfs_used = 1000ULL * MIB - remaining,
                                            .remaining = remaining};
    }
    struct node_heartbeat h = {.storages = s, .storage_count = n, .xceivers = xceivers};
    cr_assert_eq(nodes_heartbeat(f->nodes, node, &h, f->now, f->now, NULL), 0);
}

static inline void field_disk(struct field *f, uint32_t node, uint64_t remaining)
{
    field_volumes(f, node, (const uint8_t[]){STORAGE_DISK, 0}, remaining, 0);
}

/* Nodes 1 .. count with one disk each (storage i on node i), node i on rack i modulo racks. */
static inline struct field field_new(uint32_t count, uint32_t racks)
{
    struct field f = {.rng = {42}, .now = 1000000};
    struct nodes_settings s;
    nodes_settings_defaults(&s);
    place_settings_defaults(&f.settings);
    cr_assert_eq(nodes_new(&s, &f.nodes), 0);
    for (uint32_t i = 1; i <= count; i++) {
        cr_assert_eq(field_add(&f, i, racks == 0 ? 0 : i % racks), i);
        field_disk(&f, i, 900ULL * MIB);
    }
    return f;
}

/* The same with these types of volumes on every node: storages aren't numbered as the nodes. */
static inline struct field field_typed(uint32_t count, uint32_t racks, const uint8_t *types)
{
    struct field f = field_new(0, 0);
    for (uint32_t i = 1; i <= count; i++) {
        cr_assert_eq(field_add(&f, i, racks == 0 ? 0 : i % racks), i);
        field_volumes(&f, i, types, 900ULL * MIB, 0);
    }
    return f;
}

static inline void field_free(struct field *f)
{
    nodes_verify(f->nodes);
    nodes_free(f->nodes);
}

static inline size_t place(struct field *f, struct place_request req, uint32_t *ret)
{
    return place_choose(f->nodes, &f->settings, &req, f->now, &f->rng, ret);
}

static inline uint32_t node_of(struct field *f, uint32_t storage)
{
    return nodes_storage(f->nodes, storage)->node;
}

static inline uint32_t rack(struct field *f, uint32_t storage)
{
    return nodes_at(f->nodes, node_of(f, storage))->rack_id;
}

static inline uint32_t count_racks(struct field *f, const uint32_t *storages, size_t count)
{
    uint32_t racks = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < i && rack(f, storages[k]) != rack(f, storages[i]))
            k++;
        racks += k == i;
    }
    return racks;
}

static inline uint32_t count_type(struct field *f, const uint32_t *storages, size_t count, int type)
{
    uint32_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += nodes_storage(f->nodes, storages[i])->type == type;
    return n;
}
