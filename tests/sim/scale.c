/* scale.c - what many nodes and blocks cost the owner thread: full reports, heartbeats, ticks, and
 * a rack that dies, one that is decommissioned. Measures, checks nothing but the limits of orders.
 * dfs-sim --scale [NODES [REPLICAS_A_NODE]]   (10000, 3000) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "namenode/drain/drain.h"
#include "namenode/hosts/hosts.h"
#include "tests/sim/sim.h"

enum {
    RACK = 40,
    SPREAD = 7 * RACK + 1,
    SLICE = 1000,
    BUDGET = 2000,
    ENTRY = 40,
    LENGTH = 128 << 20
};

struct scale {
    struct nodes *nodes;
    struct blocks *blocks;
    struct nn *nn; /* only for its namespace, which is empty */
    struct drain *drain;
    struct rng rng;
    uint32_t node_count, dead_from; /* nodes from there on are silent */
    uint64_t block_count;
    int64_t now;
    uint8_t *bytes;
};

struct lap {
    double cpu, longest;
    uint64_t slices, over; /* of 2 ms */
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void lap_add(struct lap *l, double since)
{
    double took = cpu_s() - since;
    l->cpu += took;
    l->longest = took > l->longest ? took : l->longest;
    l->slices++;
    l->over += took > 0.002;
}

static double resident_mb(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL && fscanf(f, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    if (f != NULL)
        fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void make_nodes(struct scale *s)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        char uuid[32], ip[32], rack[32], disk[32];
        uint32_t node = 0, storage = 0;
        snprintf(uuid, sizeof(uuid), "dn%u", i);
        snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, (i >> 8) & 255, i & 255);
        snprintf(rack, sizeof(rack), "/r%u", i / RACK);
        snprintf(disk, sizeof(disk), "DS-%u", i);
        struct node_registration r = {.uuid = uuid,
                                      .ip = ip,
                                      .hostname = uuid,
                                      .software_version = "3.4.3",
                                      .xfer_port = 9866,
                                      .rack = rack};
        CHECK(nodes_register(s->nodes, &r, s->now, s->now, &node, NULL) == 0 && node == i + 1);
        CHECK(nodes_add_storage(s->nodes, node, disk, STORAGE_DISK, false, &storage, NULL) == 0);
    }
}

static void make_blocks(struct scale *s)
{
    for (uint64_t i = 0; i < s->block_count; i++) {
        handle_t h;
        struct block_info info = {.id = FIRST_BLOCK_ID + i,
                                  .generation_stamp = FIRST_GENERATION_STAMP,
                                  .length = LENGTH,
                                  .owner = 1,
                                  .replication = 3,
                                  .state = BLOCK_COMPLETE};
        CHECK(blocks_add(s->blocks, &info, &h) == 0);
    }
}

/* Block i is on nodes i, i + SPREAD and i + 2 SPREAD, modulo the number of nodes. */
static struct slice encode(struct scale *s, uint32_t node)
{
    uint8_t *end = s->bytes;
    for (uint32_t k = 0; k < 3; k++)
        for (uint64_t i = (node + 3 * (uint64_t)s->node_count - k * SPREAD) % s->node_count;
             i < s->block_count; i += s->node_count) {
            end = put_varint(end, (FIRST_BLOCK_ID + i) << 1);
            end = put_varint(end, LENGTH);
            end = put_varint(end, FIRST_GENERATION_STAMP);
            end = put_varint(end, REPLICA_FINALIZED);
        }
    return (struct slice){s->bytes, (size_t)(end - s->bytes)};
}

static void report_all(struct scale *s, struct lap *l)
{
    for (uint32_t node = 0; node < s->node_count; node++) {
        struct slice bytes = encode(s, node);
        struct report_source source = {.buffers = &bytes, .buffer_count = 1};
        struct block_report *r = NULL;
        CHECK(blocks_report_start(s->blocks, node + 1, &source, &r) == 0);
        for (int rc = REPORT_MORE; rc == REPORT_MORE;) {
            double t = cpu_s();
            rc = blocks_report_step(r, SLICE, s->now, s->now, NULL);
            lap_add(l, t);
            CHECK(rc >= 0);
        }
        blocks_report_free(r);
    }
}

struct orders {
    uint64_t copies;
    uint32_t most;
};

static void beat_all(struct scale *s, struct lap *l, struct orders *o)
{
    for (uint32_t node = 1; node <= s->dead_from; node++) {
        char disk[32];
        snprintf(disk, sizeof(disk), "DS-%u", node - 1);
        struct node_storage_report r = {.uuid = disk,
                                        .type = STORAGE_DISK,
                                        .capacity = (uint64_t)1 << 46,
                                        .remaining = (uint64_t)1 << 45};
        struct node_heartbeat h = {.storages = &r, .storage_count = 1, .xceivers = 1};
        struct node_copy_order copies[64];
        double t = cpu_s();
        CHECK(nodes_heartbeat(s->nodes, node, &h, s->now, s->now, NULL) == 0);
        (void)nodes_grant_report_lease(s->nodes, node, s->now, &s->rng);
        uint32_t n = nodes_take_copies(s->nodes, node, copies, 64);
        lap_add(l, t);
        o->copies += n;
        o->most = n > o->most ? n : o->most;
    }
}

static bool tick(struct scale *s, struct lap *l)
{
    double t = cpu_s();
    bool more = blocks_tick(s->blocks, s->now, &s->rng, BUDGET);
    lap_add(l, t);
    t = cpu_s();
    more |= drain_tick(s->drain, s->now, s->now, BUDGET);
    lap_add(l, t);
    return more;
}

/* Those between two heartbeats, one in 500 ms. */
static void run_ticks(struct scale *s, struct lap *l)
{
    for (int i = 0; i < 6; i++) {
        s->now += SECOND / 2;
        while (tick(s, l))
            ;
    }
}

static void show(const char *what, const struct lap *l, double count)
{
    printf("%-34s %8.2f s CPU, %7.0f ns each, longest slice %5.2f ms, %llu of %llu over 2 ms\n",
           what, l->cpu, l->cpu * 1e9 / count, l->longest * 1e3, (unsigned long long)l->over,
           (unsigned long long)l->slices);
    fflush(stdout);
}

/* Heartbeats every 3 s, ticks every 500 ms, full reports every 6 h. */
static void show_share(const struct lap *beats, double beat_rounds, const struct lap *ticks,
                       const struct lap *reports)
{
    double hour = (beats->cpu + ticks->cpu) / beat_rounds * 1200 + reports->cpu / 6;
    printf("an hour of heartbeats, ticks and reports: %.1f s CPU, %.2f %% of a core\n", hour,
           hour / 36);
}

static void storm(struct scale *s)
{
    struct lap beats = {0}, ticks = {0};
    struct orders orders = {0};
    struct blocks_stats b;
    uint64_t lost = 0;
    for (uint32_t i = s->node_count - RACK + 1; i <= s->node_count; i++)
        lost += nodes_storage(s->nodes, i)->block_count;
    s->dead_from = s->node_count - RACK;
    s->now +=
        nodes_dead_after_ms(nodes_settings_get(s->nodes)) - SECOND; /* all but the dead beat */
    beat_all(s, &(struct lap){0}, &(struct orders){0});
    s->now += 2 * SECOND;
    while (tick(s, &ticks))
        ;
    blocks_stats(s->blocks, &b);
    printf("a rack of %d nodes with %llu replicas dies\n", RACK, (unsigned long long)lost);
    show("  until all its work is queued", &ticks, (double)(lost == 0 ? 1 : lost));
    printf("  short of replicas: %llu\n", (unsigned long long)b.low_redundancy);
    ticks = (struct lap){0};
    for (int round = 0; round < 20; round++) {
        beat_all(s, &beats, &orders);
        run_ticks(s, &ticks);
    }
    show("  ticks of the minute after", &ticks, (double)ticks.slices);
    show("  heartbeats of that minute", &beats, (double)beats.slices);
    printf("  copies ordered in it: %llu, at most %u to a node in one heartbeat\n",
           (unsigned long long)orders.copies, orders.most);
    CHECK(orders.most <= nodes_settings_get(s->nodes)->max_streams);
}

/* The rack before the dead one is to leave: the first minute. */
static void retire(struct scale *s)
{
    struct lap beats = {0}, ticks = {0};
    struct orders orders = {0};
    struct host_wish wish = {.included = true, .excluded = true};
    uint32_t last = s->node_count - RACK;
    for (uint32_t i = last - RACK + 1; i <= last; i++)
        drain_apply(s->drain, i, &wish, s->now, s->now);
    for (int round = 0; round < 20; round++) {
        beat_all(s, &beats, &orders);
        run_ticks(s, &ticks);
    }
    printf("a rack of %d nodes is decommissioned\n", RACK);
    show("  ticks of the minute after", &ticks, (double)ticks.slices);
    printf("  copies ordered in it: %llu; left on its last node: %u blocks\n",
           (unsigned long long)orders.copies, nodes_at(s->nodes, last)->leaving_blocks);
}

static void make_rooms(struct scale *s)
{
    struct nn_identity id = {.namespace_id = 7, .ctime_ms = 1};
    struct nodes_settings ns;
    struct blocks_settings bs;
    struct drain_settings ds;
    struct err err = {0};
    nodes_settings_defaults(&ns);
    blocks_settings_defaults(&bs);
    drain_settings_defaults(&ds);
    bs.safemode_extension_ms = 0;
    CHECK(nodes_new(&ns, &s->nodes) == 0 && blocks_new(&bs, s->nodes, &s->blocks) == 0);
    CHECK(nn_new(&id, "root", "supergroup", &s->nn, &err) == 0);
    s->drain = drain_new(&ds, s->nn->ns, s->blocks, s->nodes);
    CHECK(s->drain != NULL);
}

int scale_main(int argc, char **argv)
{
    struct scale s = {.rng = {1}, .now = MINUTE, .node_count = 10000};
    uint64_t each = argc > 2 ? strtoull(argv[2], NULL, 10) : 3000;
    struct lap first = {0}, again = {0}, beats = {0}, ticks = {0};
    struct orders orders = {0};
    if (argc > 1)
        s.node_count = (uint32_t)strtoul(argv[1], NULL, 10);
    if (s.node_count <= 3 * SPREAD || each == 0)
        return fprintf(stderr, "more than %d nodes are needed\n", 3 * SPREAD), 2;
    make_rooms(&s);
    s.dead_from = s.node_count;
    s.block_count = each * s.node_count / 3;
    s.bytes = malloc((each + 64) * ENTRY);
    CHECK(s.bytes != NULL);
    double before = resident_mb(), replicas = (double)s.block_count * 3;
    make_nodes(&s);
    make_blocks(&s);
    blocks_start(s.blocks, FIRST_GENERATION_STAMP, s.now);
    printf("%u nodes, %llu blocks: %.0f MB\n", s.node_count, (unsigned long long)s.block_count,
           resident_mb() - before);
    report_all(&s, &first);
    show("first full reports", &first, replicas);
    while (tick(&s, &ticks))
        ;
    CHECK(!blocks_in_safe_mode(s.blocks));
    show("ticks until queues are filled", &ticks, (double)s.block_count);
    ticks = (struct lap){0};
    report_all(&s, &again);
    show("full reports without news", &again, replicas);
    double used = resident_mb() - before;
    printf("resident: %.0f MB, %.1f bytes a replica\n", used, used * 1e6 / replicas);
    for (int round = 0; round < 20; round++) {
        beat_all(&s, &beats, &orders);
        run_ticks(&s, &ticks);
    }
    show("heartbeats", &beats, (double)beats.slices);
    show("ticks at rest", &ticks, (double)ticks.slices);
    show_share(&beats, 20, &ticks, &again);
    storm(&s);
    retire(&s);
    drain_free(s.drain);
    nn_free(s.nn);
    blocks_free(s.blocks);
    nodes_free(s.nodes);
    free(s.bytes);
    return 0;
}
