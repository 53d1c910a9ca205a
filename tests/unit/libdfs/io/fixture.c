/* fixture.c - see fixture.h. */
#include "fixture.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET = 16384 };
static const struct crc_kind kind = {CRC_CRC32C, 512};

/* Waits for the end of the test. */
static void hang(struct fake_group *f)
{
    for (bool ending = false; !ending;) {
        usleep(2000);
        pthread_mutex_lock(&f->lock);
        ending = f->ending;
        pthread_mutex_unlock(&f->lock);
    }
}

static bool send_packet(struct fake_unit *u, const struct fake_fault *fault, int fd,
                        struct xfer_packet *p, uint64_t *sent)
{
    uint8_t out[XFER_PACKET_HEADER_MAX], sums[4096], data[PACKET];
    p->last = p->data_size == 0;
    p->sums_size = (uint32_t)crc_sums_size(kind, p->data_size);
    memcpy(data, u->data + p->offset, p->data_size);
    crc_compute(kind, data, p->data_size, sums);
    int64_t flip = fault->flip_at - p->offset;
    if (fault->flip_at >= 0 && flip >= 0 && flip < p->data_size)
        data[flip] ^= 4;
    size_t size = p->data_size;
    int64_t limit = fault->cut_after >= 0 ? fault->cut_after : fault->stall_after;
    if (limit >= 0 && *sent + size > (uint64_t)limit)
        size = (size_t)((uint64_t)limit - *sent);
    if (sock_write_full(fd, out, xfer_packet_encode(p, out), NULL) != 0 ||
        sock_write_full(fd, sums, p->sums_size, NULL) != 0 ||
        sock_write_full(fd, data, size, NULL) != 0)
        return false;
    *sent += size;
    if (size < p->data_size && fault->stall_after >= 0)
        hang(u->of);
    return size == p->data_size && !p->last;
}

static bool send_data(struct fake_unit *u, const struct fake_fault *fault, int fd, uint64_t from,
                      uint64_t to)
{
    struct xfer_packet p = {.offset = (int64_t)from};
    uint64_t sent = 0;
    for (;;) {
        p.data_size =
            (uint32_t)(to - (uint64_t)p.offset < PACKET ? to - (uint64_t)p.offset : PACKET);
        if (!send_packet(u, fault, fd, &p, &sent))
            break;
        p.offset += p.data_size;
        p.seqno++;
    }
    pthread_mutex_lock(&u->of->lock);
    u->sent += sent;
    pthread_mutex_unlock(&u->of->lock);
    return p.last;
}

static bool serve(struct fake_unit *u, const struct fake_fault *fault, struct xfer_in *in,
                  const Xfer__OpReadBlock *op)
{
    const Hdfs__ExtendedBlock *b = op->header->base_header->block;
    unsigned index = (unsigned)(u - u->of->units);
    cr_assert_eq(ec_index_of(b->block_id), index, "unit %u is asked for block %llx", index,
                 (unsigned long long)b->block_id);
    cr_assert(op->len > 0 && op->offset + op->len <= u->size, "[%llu,+%llu) of %llu bytes",
              (unsigned long long)op->offset, (unsigned long long)op->len,
              (unsigned long long)u->size);
    uint64_t from = op->offset / 512 * 512, to = (op->offset + op->len + 511) / 512 * 512;
    Xfer__Checksum sum = XFER__CHECKSUM__INIT;
    Xfer__ReadOpChecksumInfo info = XFER__READ_OP_CHECKSUM_INFO__INIT;
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    sum.type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    sum.bytes_per_checksum = 512;
    info.checksum = &sum;
    info.chunk_offset = from;
    response.read_op_checksum_info = &info;
    usleep(fault->delay_ms * 1000);
    if (fault->error) {
        (void)!xfer_send_response(in->fd, XFER__STATUS__ERROR, "the disk is gone", NULL, NULL);
        return false;
    }
    if (xfer_send_message(in->fd, &response.base, NULL) != 0 ||
        !send_data(u, fault, in->fd, from, to < u->size ? to : u->size))
        return false;
    struct arena arena;
    ProtobufCMessage *status;
    arena_init(&arena, 65536);
    int rc = xfer_recv_message(in, &xfer__client_read_status__descriptor, &arena, &status, NULL);
    arena_fini(&arena);
    return rc == 0;
}

static struct fake_fault strike(struct fake_unit *u)
{
    static const struct fake_fault none = {.cut_after = -1, .stall_after = -1, .flip_at = -1};
    pthread_mutex_lock(&u->of->lock);
    struct fake_fault fault = u->fault;
    if (fault.times > 0 && u->struck++ >= fault.times)
        fault = none;
    u->requests++;
    pthread_mutex_unlock(&u->of->lock);
    return fault;
}

struct connection {
    struct fake_unit *unit;
    int fd;
    unsigned slot;
};

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    struct fake_group *f = c->unit->of;
    struct xfer_in in;
    bool more = true;
    xfer_in_init(&in, c->fd);
    while (more) {
        struct arena arena;
        enum xfer_opcode op;
        ProtobufCMessage *message;
        arena_init(&arena, 1 << 20);
        more = xfer_recv_op(&in, &arena, &op, &message, NULL) == 0 && op == XFER_READ_BLOCK;
        if (more) {
            struct fake_fault fault = strike(c->unit);
            if (fault.hang)
                hang(f);
            more = !fault.hang &&
                   serve(c->unit, &fault, &in, (const Xfer__OpReadBlock *)(void *)message);
        }
        arena_fini(&arena);
    }
    xfer_in_fini(&in);
    pthread_mutex_lock(&f->lock);
    f->fds[c->slot] = -1;
    close(c->fd);
    pthread_mutex_unlock(&f->lock);
    free(c);
    return NULL;
}

static void *listener_main(void *arg)
{
    struct fake_unit *u = arg;
    for (;;) {
        int fd = accept(u->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct connection *c = calloc(1, sizeof(*c));
        *c = (struct connection){u, fd, 0};
        pthread_mutex_lock(&u->of->lock);
        cr_assert_lt(u->of->connection_count, FAKE_CONNECTIONS);
        c->slot = u->of->connection_count++;
        u->of->fds[c->slot] = fd;
        cr_assert_eq(pthread_create(&u->of->connections[c->slot], NULL, connection_main, c), 0);
        pthread_mutex_unlock(&u->of->lock);
    }
}

static void make_units(struct fake_group *f)
{
    const struct ec_policy *p = &f->policy;
    uint64_t stripe = (uint64_t)p->cell_size * p->data_units;
    uint64_t rows = (f->length + stripe - 1) / stripe;
    f->data = calloc(1, rows * stripe);
    for (uint64_t i = 0; i < f->length; i++)
        f->data[i] = (uint8_t)(i * 131 + i / 4099 + 7);
    for (unsigned i = 0; i < ec_units(p); i++) {
        f->units[i].data = calloc(1, rows * p->cell_size);
        f->units[i].size = ec_internal_length(p, f->length, i);
    }
    for (uint64_t row = 0; row < rows; row++) {
        const uint8_t *data[EC_MAX_UNITS];
        uint8_t *parity[EC_MAX_UNITS];
        for (unsigned i = 0; i < p->data_units; i++) {
            data[i] = f->data + row * stripe + i * (uint64_t)p->cell_size;
            memcpy(f->units[i].data + row * p->cell_size, data[i], p->cell_size);
        }
        for (unsigned i = 0; i < p->parity_units; i++)
            parity[i] = f->units[p->data_units + i].data + row * p->cell_size;
        ec_encode(f->coder, p->cell_size, data, parity);
    }
}

static bool is_dead(void *arg, const Hdfs__DatanodeInfo *node)
{
    struct fake_group *f = arg;
    return (f->dead >> (node - f->infos) & 1) != 0;
}

static void failed(void *arg, const Hdfs__LocatedBlock *group, const Hdfs__ExtendedBlock *internal,
                   unsigned location, const struct err *why)
{
    struct fake_group *f = arg;
    unsigned unit = (unsigned)(group->locs[location] - f->infos);
    size_t used = strlen(f->log);
    cr_assert_eq(ec_index_of(internal->block_id), unit);
    cr_assert_eq(ec_group_id(internal->block_id), group->b->block_id);
    snprintf(f->log + used, sizeof(f->log) - used, "%u:%s ", unit, err_name(why->code));
    f->dead |= 1U << unit;
}

static void worked(void *arg, const Hdfs__DatanodeInfo *node)
{
    struct fake_group *f = arg;
    f->dead &= ~(1U << (node - f->infos));
}

static void start_unit(struct fake_group *f, unsigned i)
{
    struct fake_unit *u = &f->units[i];
    struct addr a = {"127.0.0.1", 0};
    int fd;
    u->of = f;
    cr_assert_eq(sock_listen(&a, &fd, &u->closed_port, NULL), 0);
    close(fd);
    cr_assert_eq(sock_listen(&a, &u->listener, &u->port, NULL), 0);
    cr_assert_eq(pthread_create(&u->thread, NULL, listener_main, u), 0);
    hdfs__datanode_info__init(&f->infos[i]);
    hdfs__datanode_id__init(&f->ids[i]);
    snprintf(f->uuids[i], sizeof(f->uuids[i]), "node-%u", i);
    f->infos[i].id = &f->ids[i];
    f->ids[i].ip_addr = f->ids[i].host_name = (char *)"127.0.0.1";
    f->ids[i].datanode_uuid = f->uuids[i];
}

struct fake_group *fake_group_start(enum ec_codec codec, uint8_t k, uint8_t m, uint32_t cell,
                                    uint64_t length)
{
    struct fake_group *f = calloc(1, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    f->policy = (struct ec_policy){64, k, m, codec, cell};
    f->length = length;
    cr_assert_eq(ec_coder_new(&f->policy, &f->coder, NULL), 0);
    make_units(f);
    for (unsigned i = 0; i < ec_units(&f->policy); i++)
        start_unit(f, i);
    hdfs__located_block__init(&f->block);
    hdfs__extended_block__init(&f->id);
    rpc__token__init(&f->token);
    f->token.kind = f->token.service = (char *)"";
    f->id.pool_id = (char *)"BP-1";
    f->id.block_id = (uint64_t)-1600;
    f->id.generation_stamp = 1001;
    f->block.b = &f->id;
    f->block.block_token = &f->token;
    f->env.timeouts = (struct io_timeouts){3000, 3000, 3000, 0};
    f->env.hedge_ms = 200;
    f->env.cached_conn_retry = 3;
    f->env.cache = conn_cache_new(16, 3000);
    snprintf(f->env.client_name, sizeof(f->env.client_name), "tester");
    f->owner = (struct group_owner){f, is_dead, failed, worked};
    fake_group_heal(f);
    return f;
}

void fake_group_heal(struct fake_group *f)
{
    pthread_mutex_lock(&f->lock);
    f->dead = f->absent = 0;
    f->log[0] = '\0';
    for (unsigned i = 0; i < FAKE_UNITS; i++) {
        f->units[i].fault = (struct fake_fault){.cut_after = -1, .stall_after = -1, .flip_at = -1};
        f->units[i].struck = f->units[i].requests = 0;
        f->units[i].sent = 0;
    }
    pthread_mutex_unlock(&f->lock);
}

void fake_group_stop(struct fake_group *f)
{
    conn_cache_free(f->env.cache);
    pthread_mutex_lock(&f->lock);
    f->ending = true;
    for (unsigned i = 0; i < f->connection_count; i++)
        if (f->fds[i] >= 0)
            shutdown(f->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&f->lock);
    for (unsigned i = 0; i < ec_units(&f->policy); i++) {
        shutdown(f->units[i].listener, SHUT_RDWR);
        pthread_join(f->units[i].thread, NULL);
        close(f->units[i].listener);
        free(f->units[i].data);
    }
    for (unsigned i = 0; i < f->connection_count; i++)
        pthread_join(f->connections[i], NULL);
    ec_coder_free(f->coder);
    free(f->data);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

struct group_in *fake_open(struct fake_group *f, uint64_t position, uint64_t end)
{
    struct rd_entry entry = {.length = f->length, .block = &f->block};
    struct group_in *g;
    struct err err = {0};
    f->block.n_locs = 0;
    f->block.locs = f->locs;
    for (unsigned n = 0; n < ec_units(&f->policy);
         n++) { /* parity first: the order means nothing */
        unsigned i = ec_units(&f->policy) - 1 - n;
        if ((f->absent >> i & 1) != 0 || f->units[i].size == 0)
            continue;
        f->ids[i].xfer_port = f->units[i].fault.refuse ? f->units[i].closed_port : f->units[i].port;
        f->indices[f->block.n_locs] = (uint8_t)i;
        f->locs[f->block.n_locs++] = &f->infos[i];
    }
    f->block.block_indices = (ProtobufCBinaryData){f->block.n_locs, f->indices};
    cr_assert_eq(rd_group_init(&f->layout, &f->policy, &entry, &err), 0, "%s", err.text);
    cr_assert_eq(
        group_in_open(&f->env, &f->layout, &f->block, f->coder, &f->owner, position, end, &g, &err),
        0);
    return g;
}

int fake_read(struct fake_group *f, uint64_t position, uint64_t end, size_t step, struct err *err)
{
    struct group_in *g = fake_open(f, position, end);
    uint8_t *data = malloc(step);
    int rc = 0;
    for (uint64_t at = position; at < end && rc == 0;) {
        size_t n = 0;
        rc = group_in_read(g, data, step, &n, err);
        cr_assert(rc != 0 || (n > 0 && n <= step && n <= end - at));
        cr_assert(rc != 0 || memcmp(data, f->data + at, n) == 0,
                  "wrong bytes in [%llu,+%zu) of %llu", (unsigned long long)at, n,
                  (unsigned long long)f->length);
        at += n;
    }
    free(data);
    group_in_close(g);
    return rc;
}
