/* report.c - how long the state thread needs for full block reports.
 *   bench_report [blocks] [slice]
 * Registers three DataNodes and reports all blocks from each, in slices as the NameNode does: the
 * first report of each adds every replica, the second finds nothing new. Prints time, the longest
 * slice, and memory. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "namenode/blocks/blocks.h"

enum { NODES = 3, CHUNK = 64 * 1024, ENTRY_MAX = 40 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct slice *encode(uint64_t count, size_t *ret_chunks)
{
    uint8_t *bytes = malloc(count * ENTRY_MAX), *end = bytes;
    CHECK(bytes != NULL);
    for (uint64_t i = 0; i < count; i++) {
        end = put_varint(end, (1073741825 + i) << 1);
        end = put_varint(end, 128 << 20);
        end = put_varint(end, 1001 + i);
        end = put_varint(end, REPLICA_FINALIZED);
    }
    size_t size = (size_t)(end - bytes), n = (size + CHUNK - 1) / CHUNK;
    struct slice *chunks = calloc(n + 1, sizeof(*chunks));
    CHECK(chunks != NULL);
    for (size_t i = 0; i < n; i++)
        chunks[i] = (struct slice){bytes + i * CHUNK, i + 1 < n ? CHUNK : size - i * CHUNK};
    *ret_chunks = n;
    return chunks;
}

static uint32_t add_node(struct nodes *nodes, int i)
{
    char uuid[16], ip[16];
    snprintf(uuid, sizeof(uuid), "n%d", i);
    snprintf(ip, sizeof(ip), "10.0.0.%d", i);
    struct node_registration r = {
        .uuid = uuid, .ip = ip, .hostname = "h", .software_version = "3", .xfer_port = 9866};
    uint32_t node = 0, storage = 0;
    CHECK(nodes_register(nodes, &r, 1, 1, &node, NULL) == 0);
    CHECK(nodes_add_storage(nodes, node, "DS", STORAGE_DISK, false, &storage, NULL) == 0);
    return storage;
}

static void report(struct blocks *b, uint32_t storage, const struct report_source *source,
                   size_t slice, uint64_t count, const char *what)
{
    struct block_report *r = NULL;
    CHECK(blocks_report_start(b, storage, source, &r) == 0);
    double start = now_s(), longest = 0;
    int rc = REPORT_MORE;
    while (rc == REPORT_MORE) {
        double t = now_s();
        rc = blocks_report_step(r, slice, 2, 2, NULL);
        t = now_s() - t;
        longest = t > longest ? t : longest;
    }
    double all = now_s() - start;
    CHECK(rc == REPORT_DONE);
    blocks_report_free(r);
    printf("storage %u, %s: %llu replicas in %.3f s, %.0f ns each, longest slice %.3f ms\n",
           storage, what, (unsigned long long)count, all, all * 1e9 / (double)count, longest * 1e3);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    size_t slice = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000, chunk_count = 0;
    struct nodes_settings ns;
    struct blocks_settings bs;
    nodes_settings_defaults(&ns);
    blocks_settings_defaults(&bs);
    struct nodes *nodes = NULL;
    struct blocks *b = NULL;
    CHECK(nodes_new(&ns, &nodes) == 0 && blocks_new(&bs, nodes, &b) == 0);
    double start = now_s();
    for (uint64_t i = 0; i < count; i++) {
        struct block_info info = {.id = 1073741825 + i,
                                  .generation_stamp = 1001 + i,
                                  .length = 128 << 20,
                                  .replication = NODES,
                                  .state = BLOCK_COMPLETE};
        handle_t h;
        CHECK(blocks_add(b, &info, &h) == 0);
    }
    printf("%llu blocks added in %.3f s\n", (unsigned long long)count, now_s() - start);
    struct report_source source = {.buffers = encode(count, &chunk_count)};
    source.buffer_count = chunk_count;
    uint32_t storages[NODES];
    for (int i = 0; i < NODES; i++)
        storages[i] = add_node(nodes, i);
    for (int i = 0; i < NODES; i++)
        report(b, storages[i], &source, slice, count, "first report");
    blocks_start(b, 1001 + count, 2);
    struct rng rng = {1};
    blocks_leave_safe_mode(b, true, 2);
    start = now_s();
    while (blocks_tick(b, 3, &rng, slice))
        ;
    printf("queues filled in %.3f s\n", now_s() - start);
    for (int i = 0; i < NODES; i++)
        report(b, storages[i], &source, slice, count, "nothing new");
    struct report_source empty = {0};
    report(b, storages[0], &empty, slice, count, "all replicas gone");
    struct blocks_stats stats;
    blocks_stats(b, &stats);
    printf("low redundancy %llu, %.1f bytes of memory a block\n",
           (unsigned long long)stats.low_redundancy,
           (double)stats.bytes_of_records / (double)count);
    blocks_free(b);
    nodes_free(nodes);
    free((void *)(uintptr_t)source.buffers[0].data);
    free((void *)(uintptr_t)source.buffers);
    return 0;
}
