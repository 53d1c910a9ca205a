/* Reconstructions from nodes that are threads: every loss of up to three units at lengths around
 * the edges of cells and stripes, and sources that fail in each way. Unit i lives at node i. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datanode/ec/internal.h"

enum { K = 6, M = 3, N = K + M, CELL = 1024, LONGEST = 64 * 1024, PACKET = 2048 };
enum fault { FINE, ERROR, CUT, FLIP, SILENT, STALE, NO_SUM };

struct node {
    int listener;
    struct addr addr;
    pthread_t thread;
    uint8_t bytes[LONGEST], got[LONGEST];
    size_t size, got_size;
    enum fault fault;
    size_t fault_at;
    bool committed;
    unsigned reads;
};

static struct node nodes[N];
static char base[64];
static struct store *store;
static struct block_pool *pool;
static struct pipeline_config config;
static const struct ec_policy policy = {1, K, M, EC_RS, CELL};
static const struct crc_kind kind = {CRC_CRC32C, 512};
static const uint64_t group = 0x8000000000000010;
static uint32_t blamed; /* units that were told of */
static Hdfs__DatanodeID ids[N];
static Hdfs__DatanodeInfo infos[N];
static char no_uuid[] = "", ip[] = "127.0.0.1";

/* --- a node --- */

static void send_all(int fd, const void *data, size_t size)
{
    struct err err = {0};
    (void)(sock_write_full(fd, data, size, &err) == 0); /* the other end may have gone */
}

static void send_packet(int fd, const struct node *n, size_t at, size_t size, bool last)
{
    uint8_t out[XFER_PACKET_HEADER_MAX], sums[PACKET / 512 * 4], data[PACKET];
    struct xfer_packet p = {.offset = (int64_t)at,
                            .data_size = (uint32_t)size,
                            .sums_size = (uint32_t)crc_sums_size(kind, size),
                            .last = last};
    memcpy(data, n->bytes + at, size);
    crc_compute(kind, data, size, sums);
    if (n->fault == FLIP && n->fault_at >= at && n->fault_at < at + size)
        data[n->fault_at - at] ^= 1;
    send_all(fd, out, xfer_packet_encode(&p, out));
    send_all(fd, sums, p.sums_size);
    send_all(fd, data, size);
}

static void serve_read(int fd, struct node *n, const Xfer__OpReadBlock *op)
{
    struct err err = {0};
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    Xfer__ReadOpChecksumInfo info = XFER__READ_OP_CHECKSUM_INFO__INIT;
    Xfer__Checksum checksum = XFER__CHECKSUM__INIT;
    size_t at = (size_t)op->offset - (size_t)op->offset % 512;
    cr_expect_eq(op->offset + op->len, n->size);
    n->reads++;
    checksum.type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    checksum.bytes_per_checksum = 512;
    info.checksum = &checksum;
    info.chunk_offset = at;
    response.read_op_checksum_info = &info;
    if (xfer_send_message(fd, &response.base, &err) != 0)
        return;
    while (at < n->size) {
        size_t size = n->size - at < PACKET ? n->size - at : PACKET;
        if ((n->fault == CUT || n->fault == SILENT) && at + size > n->fault_at)
            break;
        send_packet(fd, n, at, size, false);
        at += size;
    }
    uint8_t byte;
    if (n->fault == SILENT)
        (void)(sock_read_full(fd, &byte, 1, &err) == 0); /* until the other end has had enough */
    else if (n->fault != CUT)
        send_packet(fd, n, at, 0, true);
}

static void serve_write(struct xfer_in *in, struct node *n, const Xfer__OpWriteBlock *op)
{
    struct err err = {0};
    struct xfer_packet p;
    uint8_t sums[LONGEST / 512 * 4];
    cr_expect_str_eq(op->header->client_name, "");
    n->got_size = 0;
    while (xfer_recv_packet(in, &p, &err) == 0) {
        if (p.last) {
            n->committed = true;
            return;
        }
        cr_assert_eq((size_t)p.offset, n->got_size);
        cr_assert(n->got_size + p.data_size <= LONGEST);
        if (xfer_read(in, sums, p.sums_size, &err) != 0 ||
            xfer_read(in, n->got + n->got_size, p.data_size, &err) != 0)
            return;
        cr_assert_eq(crc_verify(kind, n->got + n->got_size, p.data_size, sums, 0, &err), 0);
        n->got_size += p.data_size;
    }
}

static void serve_sum(int fd, const struct node *n)
{
    struct err err = {0};
    uint8_t crc[4];
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    Xfer__OpBlockChecksumResponse sum = XFER__OP_BLOCK_CHECKSUM_RESPONSE__INIT;
    Hdfs__BlockChecksumOptions options = HDFS__BLOCK_CHECKSUM_OPTIONS__INIT;
    put_u32(crc, crc32c(0, n->bytes, n->size));
    options.block_checksum_type = HDFS__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC;
    options.has_block_checksum_type = true;
    sum.block_checksum = (ProtobufCBinaryData){4, crc};
    sum.has_crc_type = true;
    sum.crc_type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    sum.block_checksum_options = &options;
    response.checksum_response = &sum;
    if (n->fault == NO_SUM)
        (void)(xfer_send_response(fd, XFER__STATUS__ERROR, "no", NULL, &err) == 0);
    else
        (void)(xfer_send_message(fd, &response.base, &err) == 0);
}

static void serve(struct node *n, int fd)
{
    struct xfer_in in;
    struct arena arena;
    struct err err = {0};
    enum xfer_opcode op;
    ProtobufCMessage *m;
    xfer_in_init(&in, fd);
    arena_init(&arena, 1 << 20);
    if (xfer_recv_op(&in, &arena, &op, &m, &err) == 0) {
        if (n->fault == ERROR)
            (void)(xfer_send_response(fd, XFER__STATUS__ERROR, "no replica", NULL, &err) == 0);
        else if (op == XFER_READ_BLOCK)
            serve_read(fd, n, (const Xfer__OpReadBlock *)m);
        else if (op == XFER_WRITE_BLOCK)
            serve_write(&in, n, (const Xfer__OpWriteBlock *)m);
        else
            serve_sum(fd, n);
    }
    arena_fini(&arena);
    xfer_in_fini(&in);
    shutdown(fd, SHUT_WR);
    while (recv(fd, &(uint8_t){0}, 1, 0) > 0)
        ;
    close(fd);
}

static void *node_run(void *arg)
{
    struct node *n = arg;
    for (int fd; (fd = accept(n->listener, NULL, NULL)) >= 0;)
        serve(n, fd);
    return NULL;
}

/* --- the stage --- */

static void set_up(void)
{
    char dir[128];
    struct err err = {0};
    struct conf *conf = conf_new();
    struct pool_identity id = {"BP-1", "CID-1", 7, 1000};
    snprintf(base, sizeof(base), "/tmp/dn-ec-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    snprintf(dir, sizeof(dir), "%s/v0", base);
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", dir, &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0);
    cr_assert_eq(store_open(conf, &store, &err), 0, "%s", err.text);
    cr_assert_eq(store_attach(store, &id, &pool, &err), 0, "%s", err.text);
    conf_free(conf);
    config =
        (struct pipeline_config){.store = store, .read_timeout_ms = 5000, .write_timeout_ms = 5000};
    for (unsigned i = 0; i < N; i++) {
        uint16_t port;
        struct addr any = {"127.0.0.1", 0};
        cr_assert_eq(sock_listen(&any, &nodes[i].listener, &port, &err), 0, "%s", err.text);
        cr_assert_eq(pthread_create(&nodes[i].thread, NULL, node_run, &nodes[i]), 0);
        hdfs__datanode_id__init(&ids[i]);
        hdfs__datanode_info__init(&infos[i]);
        ids[i].ip_addr = ids[i].host_name = ip;
        ids[i].datanode_uuid = no_uuid;
        ids[i].xfer_port = port;
        infos[i].id = &ids[i];
    }
}

static void tear_down(void)
{
    char command[128];
    for (unsigned i = 0; i < N; i++) {
        shutdown(nodes[i].listener, SHUT_RDWR);
        pthread_join(nodes[i].thread, NULL);
        close(nodes[i].listener);
    }
    store_close(store);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(rebuild, .init = set_up, .fini = tear_down, .timeout = 120);

/* A group of that length on the nodes: random data, parity by the coder, cell by cell. */
static void fill_nodes(size_t length, uint64_t seed)
{
    struct rng rng = {seed};
    struct ec_coder *coder;
    struct err err = {0};
    cr_assert_eq(ec_coder_new(&policy, &coder, &err), 0);
    for (unsigned i = 0; i < N; i++) {
        struct node *n = &nodes[i];
        n->size = (size_t)ec_internal_length(&policy, length, i);
        n->fault = FINE;
        n->committed = false;
        n->reads = 0;
        memset(n->bytes, 0, sizeof(n->bytes));
        memset(n->got, 0xee, sizeof(n->got));
    }
    for (size_t at = 0; at < length; at++) {
        struct ec_place p = ec_locate(&policy, at);
        nodes[p.index].bytes[p.offset] = (uint8_t)rng_next(&rng);
    }
    const uint8_t *data[K];
    uint8_t *parity[M];
    for (unsigned i = 0; i < K; i++)
        data[i] = nodes[i].bytes;
    for (unsigned i = 0; i < M; i++)
        parity[i] = nodes[K + i].bytes;
    ec_encode(coder, nodes[K].size, data, parity);
    ec_coder_free(coder);
}

static void bad_there(void *ctx, const struct order *o, const struct order_source *s)
{
    (void)ctx, (void)o;
    blamed |= 1u << s->index;
}

static void bad_here(void *ctx, const char *pool_name, const struct block *b)
{
    (void)ctx, (void)pool_name;
    blamed |= 1u << ec_index_of(b->id);
}

/* All that aren't lost are sources. */
static struct order order_of(size_t length, uint32_t lost)
{
    struct order o = {.pool_id = "BP-1", .group = {group, 1001, length}, .policy = policy};
    for (unsigned i = 0; i < N; i++) {
        bool is_empty = order_length(&o, i) == 0;
        if (is_empty)
            o.empty |= 1u << i;
        else if ((lost >> i & 1) != 0)
            o.targets[o.target_count++] = (struct order_target){.index = i, .node = &infos[i]};
        else
            o.sources[o.source_count++] = (struct order_source){i, &infos[i]};
    }
    return o;
}

static int rebuild(const struct order *o, struct err *err)
{
    struct rebuild_settings settings = {.pipeline = &config,
                                        .slice = 700,
                                        .slow_ms = 300,
                                        .bad_here = bad_here,
                                        .bad_there = bad_there};
    struct wires wires;
    unsigned made;
    wires_init(&wires);
    blamed = 0;
    int rc = rebuild_run(o, &settings, &wires, &made, err);
    if (rc == ERR_CORRUPT)
        culprit_find(o, &settings, &wires);
    cr_assert_eq(made, rc == 0 ? (unsigned)o->target_count : 0);
    wires_fini(&wires);
    return rc;
}

static void expect_made(const struct order *o)
{
    for (size_t i = 0; i < o->target_count; i++) {
        const struct node *n = &nodes[o->targets[i].index];
        cr_assert(n->committed);
        cr_assert_eq(n->got_size, n->size);
        cr_assert_arr_eq(n->got, n->bytes, n->size);
    }
}

static void expect_nothing(const struct order *o)
{
    for (size_t i = 0; i < o->target_count; i++)
        cr_assert_not(nodes[o->targets[i].index].committed);
}

static void all_losses(size_t length)
{
    for (uint32_t lost = 1; lost < 1u << N; lost++) {
        struct err err = {0};
        if (__builtin_popcount(lost) > M)
            continue;
        fill_nodes(length, length + lost);
        struct order o = order_of(length, lost);
        if (o.target_count == 0)
            continue;
        cr_assert_eq(rebuild(&o, &err), 0, "length %zu lost %x: %s", length, lost, err.text);
        expect_made(&o);
        cr_assert_eq(blamed, 0);
    }
}

enum { STRIPE = K * CELL };
Test(rebuild, every_loss_of_small_groups)
{
    all_losses(1);
    all_losses(CELL);
    all_losses(CELL + 1);
}

Test(rebuild, every_loss_around_a_stripe)
{
    all_losses(STRIPE - 1);
    all_losses(STRIPE);
    all_losses(STRIPE + 1);
}

Test(rebuild, every_loss_of_longer_groups)
{
    all_losses(3 * STRIPE + 2 * CELL - 1);
    all_losses(7 * STRIPE + 4 * CELL + 1);
}

/* --- sources that fail --- */

static const size_t some = 5 * STRIPE + 1234;

Test(rebuild, a_failing_source_is_replaced)
{
    static const enum fault faults[] = {ERROR, CUT, FLIP, SILENT};
    for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
        for (unsigned bad = 1; bad <= 2; bad++) {
            struct err err = {0};
            fill_nodes(some, f);
            struct order o = order_of(some, 1);
            for (unsigned i = 0; i < bad; i++) {
                nodes[2 + i].fault = faults[f];
                nodes[2 + i].fault_at = 2500 + 1111 * i;
            }
            cr_assert_eq(rebuild(&o, &err), 0, "fault %zu: %s", f, err.text);
            expect_made(&o);
            cr_assert_eq(blamed, faults[f] != FLIP ? 0 : bad == 1 ? 4 : 12);
        }
}

Test(rebuild, too_few_sources)
{
    struct err err = {0};
    fill_nodes(some, 1);
    struct order o = order_of(some, 7);
    nodes[4].fault = FLIP;
    nodes[4].fault_at = nodes[4].size - 1;
    cr_assert_eq(rebuild(&o, &err), ERR_BLOCK_MISSING);
    expect_nothing(&o);
    cr_assert_eq(blamed, 1u << 4);
}

Test(rebuild, a_slow_source_is_borne_when_nobody_else_is_left)
{
    struct err err = {0};
    fill_nodes(some, 1);
    struct order o = order_of(some, 7);
    config.read_timeout_ms = 1500;
    nodes[4].fault = SILENT; /* each time it is asked it gets a little further */
    nodes[4].fault_at = 2048;
    cr_assert_eq(rebuild(&o, &err), ERR_BLOCK_MISSING);
    cr_assert_eq(nodes[4].reads, 2);
    expect_nothing(&o);
}

/* --- units that are intact but wrong --- */

static void make_stale(unsigned index)
{
    nodes[index].bytes[nodes[index].size / 2] ^= 0x55;
}

Test(rebuild, a_wrong_unit_is_never_used_and_is_found)
{
    for (unsigned wrong = 1; wrong < N; wrong++) {
        struct err err = {0};
        fill_nodes(some, wrong);
        struct order o = order_of(some, 1);
        make_stale(wrong);
        int rc = rebuild(&o, &err);
        if (rc == 0) { /* neither input nor check */
            expect_made(&o);
            continue;
        }
        cr_assert_eq(rc, ERR_CORRUPT, "%s", err.text);
        expect_nothing(&o);
        cr_assert_eq(blamed, 1u << wrong, "%u: %x", wrong, blamed);
    }
}

Test(rebuild, with_one_unit_to_spare_nobody_is_blamed)
{
    struct err err = {0};
    fill_nodes(some, 3);
    struct order o = order_of(some, 3);
    make_stale(5);
    cr_assert_eq(rebuild(&o, &err), ERR_CORRUPT);
    expect_nothing(&o);
    cr_assert_eq(blamed, 0);
}

/* A wrong input shows when it is longer than the lost unit: zeros are known there. */
Test(rebuild, what_follows_the_end_must_be_zeros)
{
    struct err err = {0};
    fill_nodes(STRIPE + CELL + 10, 3);
    struct order o = order_of(STRIPE + CELL + 10, 1u << 1 | 1u << 2);
    nodes[0].bytes[CELL + 5] ^= 1;
    for (unsigned i = 0; i < N; i++)
        nodes[i].fault = nodes[i].fault == FINE ? NO_SUM : FINE;
    cr_assert_eq(rebuild(&o, &err), ERR_CORRUPT);
    expect_nothing(&o);
}

Test(rebuild, without_sums_an_input_is_the_check)
{
    struct err err = {0};
    fill_nodes(some, 3);
    struct order o = order_of(some, 1u << 8);
    for (unsigned i = 0; i < N; i++)
        nodes[i].fault = NO_SUM;
    cr_assert_eq(rebuild(&o, &err), 0, "%s", err.text);
    expect_made(&o);
}

/* --- targets --- */

Test(rebuild, a_failing_target_does_not_hold_the_others_up)
{
    struct err err = {0};
    struct rebuild_settings settings = {
        .pipeline = &config, .slice = 65536, .slow_ms = 300, .bad_there = bad_there};
    struct wires wires;
    unsigned made;
    fill_nodes(some, 3);
    struct order o = order_of(some, 3);
    ids[1].xfer_port = 1;
    wires_init(&wires);
    cr_assert_eq(rebuild_run(&o, &settings, &wires, &made, &err), 0, "%s", err.text);
    wires_fini(&wires);
    cr_assert_eq(made, 1);
    cr_assert(nodes[0].committed);
    cr_assert_arr_eq(nodes[0].got, nodes[0].bytes, nodes[0].size);
}

/* --- the own store, with an id below zero --- */

static void store_unit(unsigned index)
{
    struct replica_request q = {.block = {group + index, 1001, nodes[index].size},
                                .state = REPLICA_TEMPORARY,
                                .type = STORAGE_DISK,
                                .kind = kind};
    struct replica_writer w;
    struct err err = {0};
    static uint8_t sums[LONGEST / 512 * 4];
    crc_compute(kind, nodes[index].bytes, nodes[index].size, sums);
    cr_assert_eq(replica_create(pool, &q, &w, &err), 0, "%s", err.text);
    cr_assert_eq(replica_append(&w, 0, nodes[index].bytes, nodes[index].size, sums,
                                crc_sums_size(kind, nodes[index].size), &err),
                 0, "%s", err.text);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

static void flip_stored(unsigned index)
{
    char command[300];
    snprintf(command, sizeof(command),
             "printf X | dd of=$(find %s -name 'blk_%lld') bs=1 seek=3000 conv=notrunc 2>/dev/null",
             base, (long long)(group + index));
    cr_assert_eq(system(command), 0);
}

Test(rebuild, a_unit_of_the_own_store)
{
    struct err err = {0};
    fill_nodes(some, 9);
    store_unit(7);
    nodes[7].fault = ERROR; /* must not be asked */
    ids[7].datanode_uuid = (char *)(uintptr_t)store_uuid(store);
    struct order o = order_of(some, 1u << 1 | 1u << 2 | 1u << 3);
    cr_assert_eq(rebuild(&o, &err), 0, "%s", err.text);
    expect_made(&o);
    o = order_of(some, 1u << 2);
    flip_stored(7);
    cr_assert_eq(rebuild(&o, &err), 0, "%s", err.text);
    expect_made(&o);
    cr_assert_eq(blamed, 1u << 7);
}

/* --- an end --- */

static void *stop_soon(void *wires)
{
    usleep(100000);
    wires_stop(wires);
    return NULL;
}

Test(rebuild, a_stopping_node_does_not_wait)
{
    struct err err = {0};
    struct rebuild_settings settings = {
        .pipeline = &config, .slice = 65536, .slow_ms = 30000, .bad_there = bad_there};
    struct wires wires;
    unsigned made;
    pthread_t thread;
    fill_nodes(some, 3);
    struct order o = order_of(some, 1);
    nodes[3].fault = SILENT;
    nodes[3].fault_at = 0;
    wires_init(&wires);
    cr_assert_eq(pthread_create(&thread, NULL, stop_soon, &wires), 0);
    int64_t start = clock_monotonic_ms();
    cr_assert_neq(rebuild_run(&o, &settings, &wires, &made, &err), 0);
    cr_assert_lt(clock_monotonic_ms() - start, 5000);
    pthread_join(thread, NULL);
    wires_fini(&wires);
    expect_nothing(&o);
}
