/* source.c - an internal block that is read for a reconstruction: from another node as one long
 * READ_BLOCK, or from the own store. Thread: the task's.
 *
 * Bytes come in pieces that never cross a packet; each piece's checksums are verified before
 * anybody sees it. The other nodes send ahead as far as the sockets take it, so all of them read at
 * the same time while one thread takes piece after piece. A source that needs longer than slow_ms
 * for a piece is slow; one that is patient (nobody else is left) gets the time-out of all reads. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/obs/obs.h"
#include "datanode/ec/internal.h"

enum { MAX_SUMS = 256 * 1024 }; /* of one packet: more isn't sent by anybody */

void source_init(struct source *s, const struct order *o, const struct order_source *at_node,
                 const struct rebuild_settings *settings, struct wires *wires)
{
    *s = (struct source){.order = o,
                         .at_node = at_node,
                         .settings = settings,
                         .wires = wires,
                         .length = order_length(o, at_node->index)};
    xfer_in_init(&s->in, -1);
    s->replica.data_fd = s->replica.meta_fd = -1;
    s->local = strcmp(at_node->node->id->datanode_uuid, store_uuid(settings->pipeline->store)) == 0;
}

void source_close(struct source *s)
{
    if (s->in.fd >= 0)
        wires_close(s->wires, s->in.fd);
    xfer_in_fini(&s->in);
    xfer_in_init(&s->in, -1);
    replica_close(&s->replica);
    free(s->sums);
    free(s->bytes);
    s->sums = s->bytes = NULL;
    s->sums_room = s->room = s->head = s->size = 0;
    if (s->state == SOURCE_OPEN)
        s->state = SOURCE_UNTRIED;
}

static int patience_ms(const struct source *s)
{
    int longest_ms = s->settings->pipeline->read_timeout_ms;
    return s->patient && longest_ms > s->settings->slow_ms ? longest_ms : s->settings->slow_ms;
}

/* --- operations --- */

struct headers {
    Hdfs__ExtendedBlock block;
    Rpc__Token token;
    Xfer__BaseHeader base;
};

static void fill_headers(struct headers *h, const struct order *o, unsigned index)
{
    hdfs__extended_block__init(&h->block);
    rpc__token__init(&h->token);
    xfer__base_header__init(&h->base);
    h->token.kind = h->token.service = (char *)(uintptr_t) "";
    h->block.pool_id = (char *)(uintptr_t)o->pool_id;
    h->block.block_id = order_block_id(o, index);
    h->block.generation_stamp = o->group.gen_stamp;
    h->block.has_num_bytes = true;
    h->block.num_bytes = order_length(o, index);
    h->base.block = &h->block;
    h->base.token = &h->token;
}

static int check_answer(const Xfer__BlockOpResponse *r, const struct order_source *from,
                        struct err *err)
{
    const Hdfs__DatanodeID *id = from->node->id;
    if (r->status == XFER__STATUS__SUCCESS)
        return 0;
    return fail(err, ERR_REMOTE, "%s:%u answers status %d: %s", id->ip_addr, id->xfer_port,
                (int)r->status, log_quote(r->message == NULL ? "" : r->message));
}

static int send_read(const struct source *s, struct err *err)
{
    struct headers h;
    Xfer__ClientOperationHeader header = XFER__CLIENT_OPERATION_HEADER__INIT;
    Xfer__OpReadBlock op = XFER__OP_READ_BLOCK__INIT;
    fill_headers(&h, s->order, s->at_node->index);
    header.base_header = &h.base;
    header.client_name = (char *)(uintptr_t) "reconstruction";
    op.header = &header;
    op.offset = s->at;
    op.len = s->length - s->at;
    op.has_send_checksums = op.send_checksums = true;
    return xfer_send_op(s->in.fd, XFER_READ_BLOCK, &op.base, err);
}

/* Packets begin with a whole chunk, perhaps before what was asked for. */
static int take_answer(struct source *s, const Xfer__BlockOpResponse *r, struct err *err)
{
    TRY(check_answer(r, s->at_node, err));
    const Xfer__ReadOpChecksumInfo *info = r->read_op_checksum_info;
    if (info == NULL)
        return fail(err, ERR_PROTOCOL, "an answer tells of no checksums");
    TRY(xfer_checksum_kind(info->checksum, &s->kind, err));
    if (info->chunk_offset > s->at || s->at - info->chunk_offset >= CRC_MAX_BYTES_PER_CHUNK)
        return fail(err, ERR_PROTOCOL, "data begin at %llu instead of %llu",
                    (unsigned long long)info->chunk_offset, (unsigned long long)s->at);
    s->packet_at = info->chunk_offset;
    return 0;
}

static int open_remote(struct source *s, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *m;
    int fd, ms = patience_ms(s);
    TRY(wires_connect(s->wires, s->settings->pipeline, s->at_node->node->id, s->settings->slow_ms,
                      ms, ms, &fd, err));
    s->in.fd = fd;
    TRY(send_read(s, err));
    arena_init(&arena, TASK_MEMORY);
    int rc = xfer_recv_message(&s->in, &xfer__block_op_response__descriptor, &arena, &m, err);
    if (rc == 0)
        rc = take_answer(s, (const Xfer__BlockOpResponse *)m, err);
    arena_fini(&arena);
    return rc;
}

static int open_local(struct source *s, struct err *err)
{
    struct block_pool *pool = store_pool(s->settings->pipeline->store, s->order->pool_id);
    if (pool == NULL)
        return fail(err, ERR_NO_REPLICA, "there is no block pool %s here",
                    log_quote(s->order->pool_id));
    TRY(replica_open(pool, order_block_id(s->order, s->at_node->index), s->order->group.gen_stamp,
                     s->length, 0, &s->replica, err));
    if (s->replica.block.length < s->length)
        return fail(err, ERR_CORRUPT, "blk_%lld has %llu bytes instead of %llu",
                    (long long)s->replica.block.id, (unsigned long long)s->replica.block.length,
                    (unsigned long long)s->length);
    s->kind = s->replica.kind;
    uint32_t chunk = s->kind.bytes_per_chunk;
    s->packet_at = s->at - s->at % chunk;
    return 0;
}

static int make_room(struct source *s, struct err *err)
{
    size_t chunk = s->kind.type == CRC_NULL ? 1 : s->kind.bytes_per_chunk;
    s->room = s->settings->slice < chunk ? chunk : s->settings->slice - s->settings->slice % chunk;
    s->bytes = malloc(s->room);
    return s->bytes == NULL ? fail(err, ERR_NO_MEMORY, "no memory for a source") : 0;
}

int source_open(struct source *s, uint64_t at, struct err *err)
{
    CHECK(s->state != SOURCE_OPEN && at < s->length);
    s->at = at;
    s->packet = (struct xfer_packet){0};
    s->packet_done = 0;
    s->sums_size = 0;
    int rc = s->local ? open_local(s, err) : open_remote(s, err);
    if (rc == 0)
        rc = make_room(s, err);
    s->state = SOURCE_OPEN;
    if (rc != 0) {
        source_close(s);
        s->state = rc == ERR_TIMEOUT && !s->patient ? SOURCE_SLOW : SOURCE_FAILED;
    }
    return rc;
}

/* --- bytes of a connection --- */

static int wait_readable(const struct source *s, int64_t deadline_ms, struct err *err)
{
    struct pollfd p = {s->in.fd, POLLIN, 0};
    int64_t left = deadline_ms - clock_monotonic_ms();
    int n = left <= 0 ? 0 : poll(&p, 1, (int)left);
    if (n == 0)
        return fail(err, ERR_TIMEOUT, "%s:%u is slow", s->at_node->node->id->ip_addr,
                    s->at_node->node->id->xfer_port);
    return n < 0 && errno != EINTR ? fail_errno(err, "waiting for a source") : 0;
}

/* Exactly `size` bytes before the deadline: one that trickles is as bad as one that is silent. */
static int pull(struct source *s, void *out, size_t size, int64_t deadline_ms, struct err *err)
{
    uint8_t *to = out;
    size_t kept = buf_size(&s->in.buffered) < size ? buf_size(&s->in.buffered) : size;
    if (kept > 0) {
        memcpy(to, buf_head(&s->in.buffered), kept);
        buf_consume(&s->in.buffered, kept);
    }
    for (size_t done = kept; done < size;) {
        ssize_t n = recv(s->in.fd, to + done, size - done, MSG_DONTWAIT);
        if (n == 0)
            return fail(err, ERR_EOF, "%s:%u ended inside a block", s->at_node->node->id->ip_addr,
                        s->at_node->node->id->xfer_port);
        if (n > 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            TRY(wait_readable(s, deadline_ms, err));
        else if (errno != EINTR)
            return fail_errno(err, "reading from a source");
    }
    return 0;
}

static int pull_header(struct source *s, int64_t deadline_ms, struct err *err)
{
    uint8_t header[XFER_PACKET_HEADER_MAX];
    enum { FIXED = 6 }; /* lengths of packet and header */
    TRY(pull(s, header, FIXED, deadline_ms, err));
    size_t more = (size_t)header[4] << 8 | header[5];
    if (more > sizeof(header) - FIXED)
        return fail(err, ERR_PROTOCOL, "the header of a packet has %zu bytes", more);
    TRY(pull(s, header + FIXED, more, deadline_ms, err));
    ssize_t used = xfer_packet_decode((struct slice){header, FIXED + more}, &s->packet, err);
    if (used < 0)
        return (int)used;
    return used == 0 ? fail(err, ERR_PROTOCOL, "the header of a packet is too short") : 0;
}

static int check_packet(const struct source *s, struct err *err)
{
    const struct xfer_packet *p = &s->packet;
    if (p->data_size == 0 || p->last || p->offset < 0 || (uint64_t)p->offset != s->packet_at)
        return fail(err, ERR_PROTOCOL, "a packet at %lld of %u bytes, wanted: %llu",
                    (long long)p->offset, p->data_size, (unsigned long long)s->packet_at);
    if (p->sums_size != crc_sums_size(s->kind, p->data_size) || p->sums_size > MAX_SUMS)
        return fail(err, ERR_PROTOCOL, "%u bytes of data come with %u bytes of checksums",
                    p->data_size, p->sums_size);
    return 0;
}

static int reserve_sums(struct source *s, size_t size, struct err *err)
{
    if (size <= s->sums_room)
        return 0;
    uint8_t *more = realloc(s->sums, size);
    if (more == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for checksums");
    s->sums = more;
    s->sums_room = size;
    return 0;
}

static int next_packet(struct source *s, int64_t deadline_ms, struct err *err)
{
    do
        TRY(pull_header(s, deadline_ms, err));
    while (s->packet.seqno == XFER_HEARTBEAT_SEQNO && s->packet.data_size == 0);
    TRY(check_packet(s, err));
    TRY(reserve_sums(s, s->packet.sums_size, err));
    s->packet_done = 0;
    return pull(s, s->sums, s->packet.sums_size, deadline_ms, err);
}

static int fill_remote(struct source *s, size_t *ret_size, const uint8_t **ret_sums,
                       struct err *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + patience_ms(s);
    if (s->packet_done == s->packet.data_size)
        TRY(next_packet(s, deadline_ms, err));
    size_t left = s->packet.data_size - s->packet_done, size = left < s->room ? left : s->room;
    TRY(pull(s, s->bytes, size, deadline_ms, err));
    *ret_sums = s->sums;
    if (s->kind.type != CRC_NULL)
        *ret_sums += s->packet_done / s->kind.bytes_per_chunk * 4;
    *ret_size = size;
    s->packet_done += (uint32_t)size;
    return 0;
}

/* --- bytes of the own store --- */

static int fill_local(struct source *s, size_t *ret_size, const uint8_t **ret_sums, struct err *err)
{
    uint64_t left = s->replica.on_disk - s->packet_at;
    size_t size = left < s->room ? (size_t)left : s->room;
    size_t sums = crc_sums_size(s->kind, size);
    TRY(reserve_sums(s, sums, err));
    TRY(file_read_at(s->replica.data_fd, s->bytes, size, s->packet_at, "a replica", err));
    if (sums > 0)
        TRY(replica_sums(&s->replica, s->packet_at / s->kind.bytes_per_chunk, sums / 4, s->sums,
                         err));
    *ret_sums = s->sums;
    *ret_size = size;
    return 0;
}

/* --- pieces --- */

static int fill(struct source *s, struct err *err)
{
    const uint8_t *sums;
    size_t size, before = s->at > s->packet_at ? (size_t)(s->at - s->packet_at) : 0;
    TRY(s->local ? fill_local(s, &size, &sums, err) : fill_remote(s, &size, &sums, err));
    metric_add(METRIC_ec_bytes_read, size);
    if (!s->local)
        metric_add(METRIC_ec_remote_bytes_read, size);
    if (s->kind.type != CRC_NULL)
        TRY(crc_verify(s->kind, s->bytes, size, sums, s->packet_at, err));
    s->packet_at += size;
    if (before >= size)
        return 0;                      /* not there yet */
    uint64_t left = s->length - s->at; /* the last chunk may go further */
    s->head = before;
    s->size = size - before < left ? size - before : (size_t)left;
    return 0;
}

int source_fill(struct source *s, struct err *err)
{
    CHECK(s->state == SOURCE_OPEN);
    while (s->size == 0) {
        if (s->at >= s->length)
            return fail(err, ERR_PROTOCOL, "an internal block has no more bytes");
        int rc = fill(s, err);
        if (rc != 0) {
            source_close(s);
            s->state = rc == ERR_TIMEOUT && !s->patient ? SOURCE_SLOW : SOURCE_FAILED;
            return rc;
        }
    }
    return 0;
}

void source_used(struct source *s, size_t size)
{
    CHECK(size <= s->size);
    s->head += size;
    s->size -= size;
    s->at += size;
}

void source_blame(const struct source *s)
{
    const struct rebuild_settings *settings = s->settings;
    struct block b = {order_block_id(s->order, s->at_node->index), s->order->group.gen_stamp,
                      s->length};
    if (s->local && settings->bad_here != NULL)
        settings->bad_here(settings->bad_ctx, s->order->pool_id, &b);
    if (!s->local && settings->bad_there != NULL)
        settings->bad_there(settings->there_ctx, s->order, s->at_node);
}

/* --- the checksum of a whole internal block --- */

static int take_whole(const Xfer__BlockOpResponse *r, const struct order_source *from,
                      struct whole_sum *ret, struct err *err)
{
    TRY(check_answer(r, from, err));
    const Xfer__OpBlockChecksumResponse *sum = r->checksum_response;
    const Hdfs__BlockChecksumOptions *options = sum == NULL ? NULL : sum->block_checksum_options;
    if (options == NULL || sum->block_checksum.len != 4 || !sum->has_crc_type ||
        options->block_checksum_type != HDFS__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC ||
        (sum->crc_type != HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32 &&
         sum->crc_type != HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C))
        return fail(err, ERR_UNSUPPORTED, "a node tells no checksum of a whole block");
    struct reader in = reader_of(sum->block_checksum.data, 4);
    *ret = (struct whole_sum){(enum crc_type)sum->crc_type, read_u32(&in)};
    return 0;
}

int whole_sum_ask(const struct order *o, const struct order_source *from,
                  const struct rebuild_settings *settings, struct wires *wires,
                  struct whole_sum *ret, struct err *err)
{
    struct headers h;
    Xfer__OpBlockChecksum op = XFER__OP_BLOCK_CHECKSUM__INIT;
    Hdfs__BlockChecksumOptions options = HDFS__BLOCK_CHECKSUM_OPTIONS__INIT;
    struct xfer_in in;
    struct arena arena;
    ProtobufCMessage *m;
    int fd, ms = settings->slow_ms;
    TRY(wires_connect(wires, settings->pipeline, from->node->id, ms, ms, ms, &fd, err));
    fill_headers(&h, o, from->index);
    options.has_block_checksum_type = true;
    options.block_checksum_type = HDFS__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC;
    op.header = &h.base;
    op.block_checksum_options = &options;
    xfer_in_init(&in, fd);
    arena_init(&arena, TASK_MEMORY);
    int rc = xfer_send_op(fd, XFER_BLOCK_CHECKSUM, &op.base, err);
    if (rc == 0)
        rc = xfer_recv_message(&in, &xfer__block_op_response__descriptor, &arena, &m, err);
    if (rc == 0)
        rc = take_whole((const Xfer__BlockOpResponse *)m, from, ret, err);
    arena_fini(&arena);
    xfer_in_fini(&in);
    wires_close(wires, fd);
    return rc;
}
