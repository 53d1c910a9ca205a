/* sender.c - READ_BLOCK and COPY_BLOCK: a replica as packets.
 * Data go from the page cache to the socket by sendfile; header and checksums of a packet are one
 * write before it. The range is widened to whole chunks (or the end of what is on disk), since a
 * checksum needs its whole chunk. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "datanode/pipeline/internal.h"

enum {
    MAX_SUMS = 64 * 1024,     /* of one packet */
    COPY_BUFFER = 64 * 1024,  /* for files that sendfile refuses */
    SEQUENTIAL = 1024 * 1024, /* readers of more are worth a hint */
    RBW_WAIT_MS = 3000,
    COPY_PACKET = 64 * 1024, /* small, so that a throttle lets them go evenly */
    CHUNK_WITHOUT_SUMS = 512
};

struct sender {
    int fd;
    const struct replica_reader *replica;
    bool with_sums, by_copy;
    uint32_t chunk, packet; /* bytes */
    uint64_t at, end;
    int64_t seqno;
    uint8_t *buffer; /* header and checksums */
    struct throttle *throttle;
};

static uint32_t chunk_of(const struct replica_reader *r, bool with_sums)
{
    return with_sums ? r->kind.bytes_per_chunk : CHUNK_WITHOUT_SUMS;
}

uint64_t send_start(const struct replica_reader *r, const struct send_range *range)
{
    return range->offset - range->offset % chunk_of(r, range->with_sums);
}

static uint64_t send_end(const struct replica_reader *r, const struct send_range *range)
{
    uint64_t chunk = chunk_of(r, range->with_sums), end = range->offset + range->length;
    uint64_t over = end % chunk;
    end = over == 0 ? end : end - over + chunk;
    return end < r->on_disk ? end : r->on_disk;
}

static int send_bytes(int fd, const uint8_t *data, size_t size, int flags, struct err *err)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, flags | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "sending a block");
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int send_by_copy(struct sender *s, uint64_t size, struct err *err)
{
    uint8_t buffer[COPY_BUFFER];
    while (size > 0) {
        ssize_t n = pread(s->replica->data_fd, buffer, size < COPY_BUFFER ? size : COPY_BUFFER,
                          (off_t)s->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "reading blk_%lld", (long long)s->replica->block.id);
        if (n == 0)
            return fail(err, ERR_CORRUPT, "blk_%lld became shorter",
                        (long long)s->replica->block.id);
        TRY(send_bytes(s->fd, buffer, (size_t)n, 0, err));
        s->at += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

static int send_data(struct sender *s, uint64_t size, struct err *err)
{
    while (size > 0 && !s->by_copy) {
        off_t at = (off_t)s->at;
        ssize_t n = sendfile(s->fd, s->replica->data_fd, &at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
            s->by_copy = true;
            break;
        }
        if (n < 0)
            return fail_errno(err, "sending blk_%lld", (long long)s->replica->block.id);
        if (n == 0)
            return fail(err, ERR_CORRUPT, "blk_%lld became shorter",
                        (long long)s->replica->block.id);
        s->at += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return size == 0 ? 0 : send_by_copy(s, size, err);
}

static int send_packet(struct sender *s, struct err *err)
{
    uint64_t left = s->end - s->at;
    struct xfer_packet p = {.offset = (int64_t)s->at,
                            .seqno = s->seqno++,
                            .data_size = left < s->packet ? (uint32_t)left : s->packet,
                            .last = left == 0};
    if (s->with_sums)
        p.sums_size = (uint32_t)crc_sums_size(s->replica->kind, p.data_size);
    size_t size = xfer_packet_encode(&p, s->buffer);
    throttle_use(s->throttle, size + p.sums_size + p.data_size);
    if (p.sums_size > 0)
        TRY(replica_sums(s->replica, s->at / s->chunk, p.sums_size / 4, s->buffer + size, err));
    TRY(send_bytes(s->fd, s->buffer, size + p.sums_size, p.data_size > 0 ? MSG_MORE : 0, err));
    return send_data(s, p.data_size, err);
}

int send_replica(int fd, const struct replica_reader *r, const struct send_range *range,
                 struct err *err)
{
    struct sender s = {.fd = fd,
                       .throttle = range->throttle,
                       .replica = r,
                       .with_sums = range->with_sums && r->kind.type != CRC_NULL,
                       .chunk = chunk_of(r, range->with_sums),
                       .at = send_start(r, range),
                       .end = send_end(r, range)};
    uint32_t chunks = range->packet / s.chunk;
    if (chunks > MAX_SUMS / 4)
        chunks = MAX_SUMS / 4;
    s.packet = (chunks == 0 ? 1 : chunks) * s.chunk;
    uint64_t start = s.at;
    if (s.end - s.at >= SEQUENTIAL)
        (void)posix_fadvise(r->data_fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
    s.buffer = malloc(XFER_PACKET_HEADER_MAX + MAX_SUMS);
    if (s.buffer == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to send a block");
    int rc = 0;
    while (rc == 0 && s.at < s.end)
        rc = send_packet(&s, err);
    if (rc == 0)
        rc = send_packet(&s, err); /* the empty last one */
    free(s.buffer);
    metric_add(METRIC_bytes_read, s.at - start);
    if (range->drop_behind)
        (void)posix_fadvise(r->data_fd, (off_t)start, (off_t)(s.at - start), POSIX_FADV_DONTNEED);
    if (rc == ERR_IO || rc == ERR_CORRUPT)
        volume_check(r->volume, err);
    return rc;
}

void suspect_replica(const struct pipeline_config *config, const char *pool, const struct block *b,
                     int code)
{
    bool is = code == ERR_CORRUPT || code == ERR_CHECKSUM || code == ERR_NOT_FOUND ||
              code == ERR_IO || code == ERR_ACCESS;
    if (is && config->suspect != NULL)
        config->suspect(config->suspect_ctx, pool, b);
}

/* SUCCESS, which checksums follow, and where the data start. */
static int answer_start(const struct transfer *t, const struct replica_reader *r,
                        const struct send_range *range, struct err *err)
{
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    Xfer__ReadOpChecksumInfo info = XFER__READ_OP_CHECKSUM_INFO__INIT;
    Xfer__Checksum checksum = XFER__CHECKSUM__INIT;
    checksum.type =
        range->with_sums ? (Hdfs__ChecksumType)r->kind.type : HDFS__CHECKSUM_TYPE__CHECKSUM_NULL;
    checksum.bytes_per_checksum = chunk_of(r, range->with_sums);
    info.checksum = &checksum;
    info.chunk_offset = send_start(r, range);
    response.status = XFER__STATUS__SUCCESS;
    response.read_op_checksum_info = &info;
    return xfer_send_message(t->in->fd, &response.base, err);
}

static int check_range(const struct replica_reader *r, const struct send_range *range,
                       struct err *err)
{
    if (range->offset + range->length < range->offset ||
        range->offset + range->length > r->block.length)
        return fail(
            err, ERR_IO,
            " Offset %llu and length %llu don't match block blk_%lld_%llu ( blockLen %llu )",
            (unsigned long long)range->offset, (unsigned long long)range->length,
            (long long)r->block.id, (unsigned long long)r->block.gen_stamp,
            (unsigned long long)r->block.length);
    return 0;
}

static int serve(struct transfer *t, const char *pool, const struct replica_reader *r,
                 struct send_range *range, struct err *err)
{
    int rc = check_range(r, range, err);
    if (rc != 0) {
        answer_error(t, err, NULL);
        return rc;
    }
    TRY(sock_set_timeouts(t->in->fd, t->config->read_timeout_ms, t->config->write_timeout_ms, err));
    TRY(answer_start(t, r, range, err));
    rc = send_replica(t->in->fd, r, range, err);
    suspect_replica(t->config, pool, &r->block, rc);
    TRY(rc);
    metric_add(METRIC_blocks_read, 1);
    return 0;
}

static int open_for(struct transfer *t, const Xfer__BaseHeader *header, uint64_t need,
                    struct replica_reader *r, struct err *err)
{
    struct block_pool *pool;
    struct block b;
    int rc = header_block(t, header, &pool, &b, err);
    if (rc == 0)
        rc = replica_open(pool, b.id, b.gen_stamp, need, RBW_WAIT_MS, r, err);
    if (rc != 0) {
        suspect_replica(t->config, header->block->pool_id, &b, rc);
        answer_error(t, err, NULL);
    }
    return rc;
}

int op_read_block(struct transfer *t, const Xfer__OpReadBlock *op, struct err *err)
{
    struct replica_reader r;
    struct send_range range = {.offset = op->offset,
                               .length = op->len,
                               .with_sums = op->send_checksums,
                               .packet = t->config->read_packet,
                               .drop_behind = t->config->drop_behind_reads,
                               .throttle = t->config->read};
    const Xfer__CachingStrategy *caching = op->caching_strategy;
    if (caching != NULL && caching->has_drop_behind)
        range.drop_behind = caching->drop_behind;
    uint64_t need = op->offset + op->len < op->offset ? UINT64_MAX : op->offset + op->len;
    TRY(open_for(t, op->header->base_header, need, &r, err));
    int rc = serve(t, op->header->base_header->block->pool_id, &r, &range, err);
    replica_close(&r);
    return rc;
}

/* Answers with a text of Hadoop's, which balancers log. */
static int refuse_copy(const struct transfer *t, const struct replica_reader *r,
                       Xfer__Status status, const char *why, struct err *err)
{
    char text[400], peer[300];
    sock_peer(t->in->fd, peer, sizeof(peer));
    snprintf(text, sizeof(text), "Not able to copy block %lld to /%s because %s",
             (long long)r->block.id, peer, why);
    TRY(xfer_send_response(t->in->fd, status, text, NULL, err));
    return fail(err, ERR_CLOSED, "%s", text);
}

static int serve_copy(struct transfer *t, const char *pool, const struct replica_reader *r,
                      struct err *err)
{
    const struct pipeline_config *config = t->config;
    char why[100];
    if (config->pinning && replica_is_pinned(r))
        return refuse_copy(t, r, XFER__STATUS__ERROR_BLOCK_PINNED, "it's pinned ", err);
    if (!throttle_enter(config->balance)) {
        move_quota_text(config, why, sizeof(why));
        return refuse_copy(t, r, XFER__STATUS__ERROR, why, err);
    }
    struct send_range range = {.length = r->block.length,
                               .with_sums = true,
                               .packet = COPY_PACKET,
                               .drop_behind = true,
                               .throttle = config->balance};
    int rc = serve(t, pool, r, &range, err);
    throttle_leave(config->balance);
    return rc;
}

/* One that is written again would be old at its new place. */
static int check_whole(const struct transfer *t, const struct replica_reader *r, uint64_t stamp,
                       struct err *err)
{
    if (r->state == REPLICA_FINALIZED && r->block.gen_stamp == stamp)
        return 0;
    (void)fail(err, ERR_NO_REPLICA, "blk_%lld_%llu is not the replica blk_%lld_%llu that was asked",
               (long long)r->block.id, (unsigned long long)r->block.gen_stamp,
               (long long)r->block.id, (unsigned long long)stamp);
    answer_error(t, err, NULL);
    return err->code;
}

int op_copy_block(struct transfer *t, const Xfer__OpCopyBlock *op, struct err *err)
{
    struct replica_reader r;
    TRY(open_for(t, op->header, 0, &r, err));
    int rc = check_whole(t, &r, op->header->block->generation_stamp, err);
    if (rc == 0)
        rc = serve_copy(t, op->header->block->pool_id, &r, err);
    replica_close(&r);
    TRY(rc);
    TRY(sock_write_full(t->in->fd, "\0d", 2,
                        err)); /* a Java char: the sender is done with its slot */
    return fail(err, ERR_CLOSED, "the copy is complete");
}
