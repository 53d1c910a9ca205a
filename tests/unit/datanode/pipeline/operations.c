/* Operations over a socket pair against a real store in a temporary folder. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/io.h"
#include "datanode/pipeline/internal.h"

static char base[64];
static struct store *store;
static struct block_pool *pool;
static struct pipeline_config config;
static const struct crc_kind kind = {CRC_CRC32C, 512};
static uint8_t bytes[1 << 20];

static void set_up(void)
{
    char dir[128];
    struct err err = {0};
    struct conf *conf = conf_new();
    struct pool_identity id = {"BP-1", "CID-1", 7, 1000};
    snprintf(base, sizeof(base), "/tmp/dn-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    snprintf(dir, sizeof(dir), "%s/v0", base);
    cr_assert_eq(conf_set(conf, "dfs.datanode.data.dir", dir, &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0);
    cr_assert_eq(store_open(conf, &store, &err), 0, "%s", err.text);
    cr_assert_eq(store_attach(store, &id, &pool, &err), 0, "%s", err.text);
    conf_free(conf);
    config = (struct pipeline_config){.store = store,
                                      .read_timeout_ms = 5000,
                                      .write_timeout_ms = 5000,
                                      .read_packet = 64 * 1024};
    struct rng rng = {11};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
}

static void tear_down(void)
{
    char command[128];
    store_close(store);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(operations, .init = set_up, .fini = tear_down);

/* The server's end of a connection, on a thread. */
struct server {
    pthread_t thread;
    struct xfer_in in;
    struct arena arena;
    struct transfer_watch watch;
    struct err err;
    int rc;
};

static int run_op(struct server *s, enum xfer_opcode op, ProtobufCMessage *m)
{
    struct transfer t = {&config, &s->in, &s->arena, "127.0.0.1:9866", &s->watch};
    switch (op) {
    case XFER_WRITE_BLOCK:
        return op_write_block(&t, (Xfer__OpWriteBlock *)m, &s->err);
    case XFER_READ_BLOCK:
        return op_read_block(&t, (Xfer__OpReadBlock *)m, &s->err);
    case XFER_COPY_BLOCK:
        return op_copy_block(&t, (Xfer__OpCopyBlock *)m, &s->err);
    case XFER_REPLACE_BLOCK:
        return op_replace_block(&t, (Xfer__OpReplaceBlock *)m, &s->err);
    case XFER_BLOCK_CHECKSUM:
        return op_block_checksum(&t, (Xfer__OpBlockChecksum *)m, &s->err);
    default:
        return ERR_PROTOCOL;
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    enum xfer_opcode op;
    ProtobufCMessage *m;
    s->rc = xfer_recv_op(&s->in, &s->arena, &op, &m, &s->err);
    if (s->rc == 0)
        s->rc = run_op(s, op, m);
    shutdown(s->in.fd, SHUT_RDWR);
    return NULL;
}

static void start(struct server *s, struct xfer_in *client)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *s = (struct server){0};
    xfer_in_init(&s->in, pair[0]);
    xfer_in_init(client, pair[1]);
    arena_init(&s->arena, 1 << 20);
    transfer_watch_init(&s->watch);
    cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static int finish(struct server *s, struct xfer_in *client)
{
    shutdown(client->fd, SHUT_WR);
    pthread_join(s->thread, NULL);
    close(s->in.fd);
    close(client->fd);
    xfer_in_fini(&s->in);
    xfer_in_fini(client);
    arena_fini(&s->arena);
    transfer_watch_fini(&s->watch);
    return s->rc;
}

struct headers {
    Hdfs__ExtendedBlock block;
    Xfer__BaseHeader base;
    Xfer__ClientOperationHeader client;
    Xfer__Checksum checksum;
};

static void fill(struct headers *h, uint64_t id, uint64_t length)
{
    hdfs__extended_block__init(&h->block);
    xfer__base_header__init(&h->base);
    xfer__client_operation_header__init(&h->client);
    xfer__checksum__init(&h->checksum);
    h->block.pool_id = (char *)"BP-1";
    h->block.block_id = id;
    h->block.generation_stamp = 1001;
    h->block.has_num_bytes = true;
    h->block.num_bytes = length;
    h->base.block = &h->block;
    h->client.base_header = &h->base;
    h->client.client_name = (char *)"client";
    h->checksum.type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    h->checksum.bytes_per_checksum = 512;
}

static Xfer__Status begin_write(struct xfer_in *c, uint64_t id,
                                Xfer__OpWriteBlock__BlockConstructionStage stage, char *text)
{
    struct headers h;
    Xfer__OpWriteBlock op = XFER__OP_WRITE_BLOCK__INIT;
    struct err err = {0};
    fill(&h, id, 1 << 20);
    op.header = &h.client;
    op.stage = stage;
    op.pipeline_size = 1;
    op.requested_checksum = &h.checksum;
    cr_assert_eq(xfer_send_op(c->fd, XFER_WRITE_BLOCK, &op.base, &err), 0);
    struct arena arena;
    ProtobufCMessage *m;
    arena_init(&arena, 1 << 20);
    cr_assert_eq(xfer_recv_message(c, &xfer__block_op_response__descriptor, &arena, &m, &err), 0,
                 "%s", err.text);
    Xfer__BlockOpResponse *r = (Xfer__BlockOpResponse *)m;
    Xfer__Status status = r->status;
    snprintf(text, 256, "%s", r->message == NULL ? "" : r->message);
    arena_fini(&arena);
    return status;
}

#define CREATE XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE

static void begin(struct xfer_in *c, uint64_t id)
{
    char text[256];
    cr_assert_eq(begin_write(c, id, CREATE, text), XFER__STATUS__SUCCESS, "%s", text);
}

static void send_data(struct xfer_in *c, int64_t seqno, size_t offset, size_t size, bool bad)
{
    uint8_t header[XFER_PACKET_HEADER_MAX], sums[8192];
    struct err err = {0};
    struct xfer_packet p = {.offset = (int64_t)offset,
                            .seqno = seqno,
                            .data_size = (uint32_t)size,
                            .sums_size = (uint32_t)crc_sums_size(kind, size)};
    crc_compute(kind, bytes + offset, size, sums);
    sums[0] ^= bad;
    cr_assert_eq(sock_write_full(c->fd, header, xfer_packet_encode(&p, header), &err), 0);
    cr_assert_eq(sock_write_full(c->fd, sums, p.sums_size, &err), 0);
    cr_assert_eq(sock_write_full(c->fd, bytes + offset, size, &err), 0);
}

static void send_empty(struct xfer_in *c, int64_t seqno, size_t offset, bool last)
{
    uint8_t header[XFER_PACKET_HEADER_MAX];
    struct err err = {0};
    struct xfer_packet p = {.offset = (int64_t)offset, .seqno = seqno, .last = last};
    cr_assert_eq(sock_write_full(c->fd, header, xfer_packet_encode(&p, header), &err), 0);
}

static void expect_ack(struct xfer_in *c, int64_t seqno, Xfer__Status status)
{
    struct xfer_ack ack;
    struct err err = {0};
    cr_assert_eq(xfer_recv_ack(c, &ack, &err), 0, "%s", err.text);
    cr_assert_eq(ack.seqno, seqno);
    cr_assert_eq(ack.count, 1);
    cr_assert_eq(xfer_ack_status(ack.flags[0]), status);
}

static void write_block(uint64_t id, size_t size)
{
    struct server s;
    struct xfer_in c;
    start(&s, &c);
    begin(&c, id);
    int64_t seqno = 0;
    for (size_t at = 0; at < size; at += 64512) {
        send_data(&c, seqno, at, size - at < 64512 ? size - at : 64512, false);
        expect_ack(&c, seqno++, XFER__STATUS__SUCCESS);
    }
    send_empty(&c, seqno, size, true);
    expect_ack(&c, seqno, XFER__STATUS__SUCCESS);
    cr_assert_eq(finish(&s, &c), ERR_CLOSED);
}

static void expect_replica(uint64_t id, uint64_t length, enum replica_state state)
{
    struct replica_reader r;
    struct err err = {0};
    cr_assert_eq(replica_open(pool, id, 1001, 0, 0, &r, &err), 0, "%s", err.text);
    cr_assert_eq(r.state, state);
    cr_assert_eq(r.block.length, length);
    replica_close(&r);
}

Test(operations, write_with_heartbeats)
{
    struct server s;
    struct xfer_in c;
    start(&s, &c);
    begin(&c, 5);
    send_empty(&c, XFER_HEARTBEAT_SEQNO, 0, false);
    expect_ack(&c, XFER_HEARTBEAT_SEQNO, XFER__STATUS__SUCCESS);
    send_data(&c, 0, 0, 700, false);
    expect_ack(&c, 0, XFER__STATUS__SUCCESS);
    expect_replica(5, 700, REPLICA_RBW); /* visible as soon as it is acknowledged */
    send_data(&c, 1, 512, 1000, false);  /* again from the chunk's begin, as after an hflush */
    expect_ack(&c, 1, XFER__STATUS__SUCCESS);
    send_empty(&c, 2, 1512, true);
    expect_ack(&c, 2, XFER__STATUS__SUCCESS);
    cr_assert_eq(finish(&s, &c), ERR_CLOSED);
    expect_replica(5, 1512, REPLICA_FINALIZED);
}

Test(operations, a_wrong_checksum_is_answered)
{
    struct server s;
    struct xfer_in c;
    start(&s, &c);
    begin(&c, 5);
    send_data(&c, 0, 0, 512, false);
    expect_ack(&c, 0, XFER__STATUS__SUCCESS);
    send_data(&c, 1, 512, 512, true);
    expect_ack(&c, 1, XFER__STATUS__ERROR_CHECKSUM);
    cr_assert_eq(finish(&s, &c), ERR_CHECKSUM);
    expect_replica(5, 512, REPLICA_RBW); /* what was acknowledged stays, for a recovery */
}

Test(operations, bad_packets_end_the_connection)
{
    for (int i = 0; i < 4; i++) {
        struct server s;
        struct xfer_in c;
        start(&s, &c);
        begin(&c, 10 + (uint64_t)i);
        switch (i) {
        case 0:
            send_data(&c, 0, 1024, 10, false); /* a gap */
            break;
        case 1:
            send_data(&c, XFER_HEARTBEAT_SEQNO, 0, 10, false); /* data in a heartbeat */
            break;
        case 2:
            cr_assert_eq(write(c.fd, "\xff\xff\xff\xff\x00\x19", 6), 6); /* 4 GiB announced */
            cr_assert_eq(write(c.fd, bytes, 100), 100);
            break;
        default:
            send_data(&c, -7, 0, 10, false);
        }
        cr_assert_eq(finish(&s, &c), ERR_PROTOCOL, "%d", i);
    }
}

Test(operations, a_writer_that_goes_away_leaves_an_open_replica)
{
    struct server s;
    struct xfer_in c;
    start(&s, &c);
    begin(&c, 5);
    send_data(&c, 0, 0, 512, false);
    expect_ack(&c, 0, XFER__STATUS__SUCCESS);
    cr_assert_eq(write(c.fd, "\x00\x00", 2), 2);
    cr_assert_eq(finish(&s, &c), ERR_EOF);
    expect_replica(5, 512, REPLICA_RBW);
}

Test(operations, a_replica_that_is_not_there_is_not_continued)
{
    static const Xfer__OpWriteBlock__BlockConstructionStage stages[] = {
        XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_APPEND,
        XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_STREAMING_RECOVERY,
        XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE_RECOVERY,
        XFER__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__DATA_STREAMING};
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        struct server s;
        struct xfer_in c;
        char text[256];
        start(&s, &c);
        cr_assert_eq(begin_write(&c, 5, stages[i], text), XFER__STATUS__ERROR);
        cr_assert(strlen(text) > 20);
        cr_assert_lt(finish(&s, &c), 0);
    }
}

/* A client appends with other checksums than the block was written with. */
Test(operations, appending_with_other_checksums)
{
    static const struct crc_kind others[] = {
        {CRC_CRC32, 512}, {CRC_CRC32C, 1024}, {CRC_CRC32, 100}};
    uint64_t id = 20;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        for (size_t size = 700; size <= 1024; size += 324, id++) {
            struct replica_reopening q = {{id, 1001, 0}, 1001, size, 1 << 20};
            struct replica_writer w;
            struct err err = {0};
            uint8_t sums[8192];
            write_block(id, size);
            cr_assert_eq(replica_reopen(pool, &q, &w, &err), 0, "%s", err.text);
            uint64_t from = size / others[i].bytes_per_chunk * others[i].bytes_per_chunk;
            crc_compute(others[i], bytes + from, 5000, sums);
            size_t sums_size = crc_sums_size(others[i], 5000);
            cr_assert_eq(
                translate_append(&w, others[i], from, bytes + from, 5000, sums, sums_size, &err), 0,
                "%s", err.text);
            cr_assert_eq(w.block.length, from + 5000);
            cr_assert_eq(translate_append(&w, others[i], from, bytes + from, 5000, sums,
                                          sums_size - 4, &err),
                         ERR_PROTOCOL);
            sums[0] ^= 1;
            cr_assert_eq(
                translate_append(&w, others[i], from, bytes + from, 5000, sums, sums_size, &err),
                ERR_CHECKSUM);
            cr_assert_eq(translate_append(&w, others[i], from + 9000, bytes, 0, sums, 0, &err),
                         ERR_PROTOCOL, "a gap");
            cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
            struct replica_reader r;
            cr_assert_eq(replica_open(pool, id, 1001, 0, 0, &r, &err), 0, "%s", err.text);
            cr_assert_eq(r.block.length, from + 5000);
            cr_assert_eq(r.kind.type, kind.type);
            uint8_t data[8192];
            cr_assert_eq(pread(r.data_fd, data, from + 5000, 0), (ssize_t)(from + 5000));
            cr_assert_eq(memcmp(data, bytes, from + 5000), 0);
            cr_assert_eq(replica_sums(&r, 0, crc_sums_size(kind, from + 5000) / 4, sums, &err), 0);
            cr_assert_eq(crc_verify(kind, data, from + 5000, sums, 0, &err), 0, "%s", err.text);
            replica_close(&r);
        }
}

/* Reads [offset, offset + length) and checks all that comes. */
static void expect_read(uint64_t id, uint64_t offset, uint64_t length, uint64_t begin_at,
                        uint64_t end, bool with_sums)
{
    struct server s;
    struct xfer_in c;
    struct headers h;
    struct err err = {0};
    struct arena arena;
    ProtobufCMessage *m;
    Xfer__OpReadBlock op = XFER__OP_READ_BLOCK__INIT;
    start(&s, &c);
    fill(&h, id, 0);
    op.header = &h.client;
    op.offset = offset;
    op.len = length;
    op.has_send_checksums = true;
    op.send_checksums = with_sums;
    cr_assert_eq(xfer_send_op(c.fd, XFER_READ_BLOCK, &op.base, &err), 0);
    arena_init(&arena, 1 << 20);
    cr_assert_eq(xfer_recv_message(&c, &xfer__block_op_response__descriptor, &arena, &m, &err), 0);
    Xfer__BlockOpResponse *r = (Xfer__BlockOpResponse *)m;
    cr_assert_eq(r->status, XFER__STATUS__SUCCESS, "%s", r->message);
    cr_assert_eq(r->read_op_checksum_info->chunk_offset, begin_at);
    cr_assert_eq(r->read_op_checksum_info->checksum->type,
                 with_sums ? HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C
                           : HDFS__CHECKSUM_TYPE__CHECKSUM_NULL);
    arena_fini(&arena);
    struct incoming i = {0};
    uint64_t at = begin_at;
    for (int64_t seqno = 0;; seqno++) {
        cr_assert_eq(incoming_receive(&i, &c, &err), 0, "%s", err.text);
        cr_assert_eq(i.packet.seqno, seqno);
        cr_assert_eq(i.packet.offset, (int64_t)at);
        if (i.packet.last)
            break;
        cr_assert_eq(i.packet.sums_size, with_sums ? crc_sums_size(kind, i.packet.data_size) : 0);
        cr_assert_eq(memcmp(incoming_data(&i), bytes + at, i.packet.data_size), 0);
        if (with_sums)
            cr_assert_eq(crc_verify(kind, incoming_data(&i), i.packet.data_size, incoming_sums(&i),
                                    at, &err),
                         0, "%s", err.text);
        at += i.packet.data_size;
    }
    cr_assert_eq(at, end, "%llu", (unsigned long long)at);
    incoming_fini(&i);
    cr_assert_eq(finish(&s, &c), 0, "%s", s.err.text);
}

Test(operations, reads_are_widened_to_chunks)
{
    write_block(5, 200001);
    expect_read(5, 0, 200001, 0, 200001, true);
    expect_read(5, 600, 300, 512, 1024, true);
    expect_read(5, 511, 2, 0, 1024, true);
    expect_read(5, 512, 512, 512, 1024, true);
    expect_read(5, 200000, 1, 199680, 200001, true);
    expect_read(5, 100, 0, 0, 512, true);
    expect_read(5, 600, 300, 512, 1024, false);
    expect_read(5, 0, 200001, 0, 200001, false);
}

Test(operations, reads_of_a_block_that_is_being_written)
{
    struct server s;
    struct xfer_in c;
    start(&s, &c);
    begin(&c, 5);
    send_data(&c, 0, 0, 1300, false);
    expect_ack(&c, 0, XFER__STATUS__SUCCESS);
    expect_read(5, 0, 1300, 0, 1300, true); /* the last chunk's checksum from memory */
    expect_read(5, 0, 100, 0, 512, true);
    send_data(&c, 1, 1024, 1000, false);
    expect_ack(&c, 1, XFER__STATUS__SUCCESS);
    expect_read(5, 1200, 824, 1024, 2024, true);
    cr_assert_eq(finish(&s, &c), ERR_EOF);
    expect_read(5, 0, 2024, 0, 2024, true); /* also when its writer is gone */
}

static Xfer__Status read_status(uint64_t id, uint64_t gs, uint64_t offset, uint64_t length,
                                char *text)
{
    struct server s;
    struct xfer_in c;
    struct headers h;
    struct err err = {0};
    struct arena arena;
    ProtobufCMessage *m;
    Xfer__OpReadBlock op = XFER__OP_READ_BLOCK__INIT;
    start(&s, &c);
    fill(&h, id, 0);
    h.block.generation_stamp = gs;
    op.header = &h.client;
    op.offset = offset;
    op.len = length;
    cr_assert_eq(xfer_send_op(c.fd, XFER_READ_BLOCK, &op.base, &err), 0);
    arena_init(&arena, 1 << 20);
    cr_assert_eq(xfer_recv_message(&c, &xfer__block_op_response__descriptor, &arena, &m, &err), 0);
    Xfer__BlockOpResponse *r = (Xfer__BlockOpResponse *)m;
    Xfer__Status status = r->status;
    snprintf(text, 256, "%s", r->message == NULL ? "" : r->message);
    arena_fini(&arena);
    cr_assert_lt(finish(&s, &c), 0);
    return status;
}

Test(operations, reads_that_cannot_be_served)
{
    char text[256];
    write_block(5, 1000);
    cr_assert_eq(read_status(6, 1001, 0, 1, text), XFER__STATUS__ERROR);
    cr_assert(strstr(text, "ReplicaNotFoundException") != NULL, "%s", text);
    cr_assert_eq(read_status(5, 1002, 0, 1, text), XFER__STATUS__ERROR); /* older than asked */
    cr_assert_eq(read_status(5, 1001, 0, 1001, text), XFER__STATUS__ERROR);
    cr_assert_eq(read_status(5, 1001, 1001, 0, text), XFER__STATUS__ERROR);
    cr_assert_eq(read_status(5, 1001, 2, UINT64_MAX, text), XFER__STATUS__ERROR);
}

static void expect_checksum(uint64_t id, uint64_t length, bool composite, uint64_t stripe,
                            const uint8_t *want, size_t want_size)
{
    struct server s;
    struct xfer_in c;
    struct headers h;
    struct err err = {0};
    struct arena arena;
    ProtobufCMessage *m;
    Xfer__OpBlockChecksum op = XFER__OP_BLOCK_CHECKSUM__INIT;
    Hdfs__BlockChecksumOptions options = HDFS__BLOCK_CHECKSUM_OPTIONS__INIT;
    start(&s, &c);
    fill(&h, id, length);
    options.has_block_checksum_type = options.has_stripe_length = true;
    options.block_checksum_type =
        composite ? HDFS__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC : HDFS__BLOCK_CHECKSUM_TYPE__MD5CRC;
    options.stripe_length = stripe;
    op.header = &h.base;
    op.block_checksum_options = &options;
    cr_assert_eq(xfer_send_op(c.fd, XFER_BLOCK_CHECKSUM, &op.base, &err), 0);
    arena_init(&arena, 1 << 20);
    cr_assert_eq(xfer_recv_message(&c, &xfer__block_op_response__descriptor, &arena, &m, &err), 0);
    Xfer__BlockOpResponse *r = (Xfer__BlockOpResponse *)m;
    cr_assert_eq(r->status, XFER__STATUS__SUCCESS, "%s", r->message);
    cr_assert_eq(r->checksum_response->bytes_per_crc, 512);
    cr_assert_eq(r->checksum_response->block_checksum.len, want_size);
    cr_assert_eq(memcmp(r->checksum_response->block_checksum.data, want, want_size), 0);
    arena_fini(&arena);
    cr_assert_eq(finish(&s, &c), 0);
}

Test(operations, composite_checksums_are_those_of_the_bytes)
{
    uint8_t want[8];
    write_block(5, 200001);
    uint64_t lengths[] = {200001, 1, 511, 512, 513, 100000};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        put_u32(want, crc32c(0, bytes, lengths[i]));
        expect_checksum(5, lengths[i], true, 0, want, 4);
    }
    put_u32(put_u32(want, crc32c(0, bytes, 102400)), crc32c(0, bytes + 102400, 200001 - 102400));
    expect_checksum(5, 200001, true, 102400, want, 8);
}

Test(operations, md5_of_checksums)
{
    write_block(5, 700);
    uint8_t sums[8], want[16];
    crc_compute(kind, bytes, 700, sums);
    char command[200], hex[40];
    snprintf(command, sizeof(command),
             "printf '\\%03o\\%03o\\%03o\\%03o\\%03o\\%03o\\%03o\\%03o' | md5sum", sums[0], sums[1],
             sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]);
    FILE *f = popen(command, "r");
    cr_assert_eq(fread(hex, 1, 32, f), 32);
    pclose(f);
    for (int i = 0; i < 16; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        want[i] = (uint8_t)byte;
    }
    expect_checksum(5, 700, false, 0, want, 16);
}

/* --- moves of a balancer --- */

static void write_replica(uint64_t id, size_t size, bool pinned)
{
    struct replica_writer w;
    struct err err = {0};
    static uint8_t sums[8192];
    struct replica_request q = {{id, 1001, size}, REPLICA_RBW, STORAGE_DISK, kind};
    crc_compute(kind, bytes, size, sums);
    cr_assert_eq(replica_create(pool, &q, &w, &err), 0, "%s", err.text);
    cr_assert_eq(replica_append(&w, 0, bytes, size, sums, crc_sums_size(kind, size), &err), 0);
    cr_assert(!pinned || replica_pin(&w, &err) == 0, "%s", err.text);
    cr_assert_eq(replica_finalize(&w, &err), 0, "%s", err.text);
}

/* The first answer; its text lives until the next one. */
static Xfer__Status copy(struct server *s, struct xfer_in *c, uint64_t id, uint64_t stamp,
                         const char **ret_text)
{
    static struct arena arena;
    struct headers h;
    Xfer__OpCopyBlock op = XFER__OP_COPY_BLOCK__INIT;
    ProtobufCMessage *m;
    struct err err = {0};
    start(s, c);
    fill(&h, id, 0);
    h.block.generation_stamp = stamp;
    op.header = &h.base;
    cr_assert_eq(xfer_send_op(c->fd, XFER_COPY_BLOCK, &op.base, &err), 0);
    arena_fini(&arena);
    arena_init(&arena, 1 << 20);
    cr_assert_eq(xfer_recv_message(c, &xfer__block_op_response__descriptor, &arena, &m, &err), 0);
    *ret_text = ((Xfer__BlockOpResponse *)m)->message;
    return ((Xfer__BlockOpResponse *)m)->status;
}

Test(operations, copies_for_moves_are_limited_and_leave_pinned_replicas)
{
    struct server s;
    struct xfer_in c;
    const char *text;
    config.balance = throttle_new(0);
    config.balance_moves = 1;
    config.pinning = true;
    throttle_set_limit(config.balance, 1);
    write_replica(1, 1000, false);
    write_replica(2, 1000, true);
    cr_assert_eq(copy(&s, &c, 1, 1001, &text), XFER__STATUS__SUCCESS);
    (void)finish(&s, &c);
    cr_assert_eq(throttle_inside(config.balance), 0);
    cr_assert_eq(copy(&s, &c, 2, 1001, &text), XFER__STATUS__ERROR_BLOCK_PINNED);
    cr_assert_not_null(strstr(text, "because it's pinned"), "%s", text);
    (void)finish(&s, &c);
    cr_assert_eq(copy(&s, &c, 1, 1000, &text), XFER__STATUS__ERROR, "an older one was meant");
    (void)finish(&s, &c);
    cr_assert(throttle_enter(config.balance));
    cr_assert_eq(copy(&s, &c, 1, 1001, &text), XFER__STATUS__ERROR);
    cr_assert_not_null(strstr(text, "because threads quota=1 is exceeded."), "%s", text);
    (void)finish(&s, &c);
    throttle_leave(config.balance);
    throttle_free(config.balance);
}

/* Ids of internal blocks are below zero as signed numbers. */
Test(operations, units_of_groups_are_copied_for_moves_and_summed_up)
{
    const uint64_t unit = 0x8000000000000013;
    struct server s;
    struct xfer_in c;
    const char *text;
    config.balance = throttle_new(0);
    write_replica(unit, 1000, false);
    cr_assert_eq(copy(&s, &c, unit, 1001, &text), XFER__STATUS__SUCCESS);
    (void)finish(&s, &c);
    throttle_free(config.balance);
    uint8_t crc[4];
    put_u32(crc, crc32c(0, bytes, 1000));
    expect_checksum(unit, 1000, true, 0, crc, 4);
}
