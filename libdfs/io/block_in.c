/* block_in.c - the bytes of one block from one DataNode.
 * Thread: the owner's. The shell around read/verify.c: it reads from the socket what rd_flow_take
 * says, straight into the caller's memory where that is possible. Invariant: bounce[bounce_at,
 * bounce_end) are checked bytes from position on that the caller hasn't got yet. */
#include <stdlib.h>

#include "libdfs/io/internal.h"

struct block_in {
    struct io_env *env;
    struct dnc *conn;
    unsigned node;
    struct rd_flow flow;
    uint8_t *sums; /* of the packet that is being read */
    size_t sums_capacity;
    uint8_t *bounce;
    size_t bounce_size, bounce_at, bounce_end;
};

int send_read(struct dnc *c, const struct io_env *env, const Hdfs__ExtendedBlock *block,
              const Rpc__Token *token, uint64_t from, uint64_t to, struct err *err)
{
    Xfer__BaseHeader base = XFER__BASE_HEADER__INIT;
    Xfer__ClientOperationHeader header = XFER__CLIENT_OPERATION_HEADER__INIT;
    Xfer__OpReadBlock op = XFER__OP_READ_BLOCK__INIT;
    base.block = UNCONST(Hdfs__ExtendedBlock, block);
    base.token = UNCONST(Rpc__Token, token);
    header.base_header = &base;
    header.client_name = UNCONST(char, env->client_name);
    op.header = &header;
    op.offset = from;
    op.len = to - from;
    return xfer_send_op(c->fd, XFER_READ_BLOCK, &op.base, err);
}

int start_flow(struct rd_flow *f, const Xfer__BlockOpResponse *answer, uint64_t from, uint64_t to,
               struct err *err)
{
    if (answer->read_op_checksum_info == NULL)
        return fail(err, ERR_PROTOCOL, "the answer to a read has no checksum information");
    struct crc_kind kind;
    TRY(xfer_checksum_kind(answer->read_op_checksum_info->checksum, &kind, err));
    return rd_flow_start(f, kind, answer->read_op_checksum_info->chunk_offset, from, to, err);
}

static int request(struct block_in *b, const Hdfs__LocatedBlock *block, uint64_t position,
                   uint64_t end, struct arena *arena, struct err *err)
{
    Xfer__BlockOpResponse *answer;
    TRY(send_read(b->conn, b->env, block->b, block->block_token, position, end, err));
    TRY(dnc_answer(b->conn, arena, &answer, NULL, err));
    return start_flow(&b->flow, answer, position, end, err);
}

static int request_on(struct block_in *b, const Hdfs__LocatedBlock *block, uint64_t position,
                      uint64_t end, struct err *err)
{
    struct arena arena;
    arena_init(&arena, XFER_MAX_HEADER * 4);
    int rc = request(b, block, position, end, &arena, err);
    arena_fini(&arena);
    return rc;
}

/* Kept connections first: they may be dead, which only shows when they are used. */
static int connect_and_request(struct block_in *b, const Hdfs__LocatedBlock *block,
                               uint64_t position, uint64_t end, struct err *err)
{
    const Hdfs__DatanodeID *node = block->locs[b->node]->id;
    char name[sizeof(b->conn->name)];
    node_address(node, b->env->use_hostname, name, sizeof(name));
    for (unsigned i = 0; i < b->env->cached_conn_retry; i++) {
        b->conn = conn_cache_take(b->env->cache, name);
        if (b->conn == NULL)
            break;
        int rc = request_on(b, block, position, end, err);
        if (rc != ERR_EOF)
            return rc;
        dnc_free(take_ptr(&b->conn));
    }
    TRY(dnc_connect(node, b->env->use_hostname, &b->env->timeouts, 0, &b->conn, err));
    return request_on(b, block, position, end, err);
}

static void destroy(struct block_in *b)
{
    dnc_free(b->conn);
    free(b->sums);
    free(b->bounce);
    free(b);
}

int block_in_open(struct io_env *env, const Hdfs__LocatedBlock *block, unsigned node,
                  uint64_t position, uint64_t end, struct block_in **ret, struct err *err)
{
    struct block_in *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to read");
    b->env = env;
    b->node = node;
    int rc = connect_and_request(b, block, position, end, err);
    if (rc != 0) {
        destroy(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static int next_packet(struct block_in *b, struct err *err)
{
    struct xfer_packet p;
    TRY(xfer_recv_packet(&b->conn->in, &p, err));
    TRY(rd_flow_packet(&b->flow, &p, err));
    if (p.sums_size > b->sums_capacity) { /* bounded by XFER_MAX_PACKET */
        uint8_t *sums = realloc(b->sums, p.sums_size);
        if (sums == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for checksums");
        b->sums = sums;
        b->sums_capacity = p.sums_size;
    }
    return xfer_read(&b->conn->in, b->sums, p.sums_size, err);
}

static int need_bounce(struct block_in *b, struct err *err)
{
    if (b->bounce != NULL)
        return 0;
    size_t chunk = b->flow.kind.bytes_per_chunk;
    size_t size = chunk > RD_BOUNCE_SIZE ? chunk : RD_BOUNCE_SIZE;
    b->bounce = malloc(size);
    if (b->bounce == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory to read");
    b->bounce_size = size;
    return 0;
}

static size_t from_bounce(struct block_in *b, void *data, size_t size)
{
    size_t n = b->bounce_end - b->bounce_at;
    if (n > size)
        n = size;
    memcpy(data, b->bounce + b->bounce_at, n);
    b->bounce_at += n;
    rd_flow_deliver(&b->flow, n);
    return n;
}

static int take(struct block_in *b, void *data, size_t size, size_t *ret, struct err *err)
{
    TRY(need_bounce(b, err));
    struct rd_take t = rd_flow_take(&b->flow, size, b->bounce_size);
    uint8_t *to = t.direct > 0 ? data : b->bounce;
    size_t n = t.direct > 0 ? t.direct : t.bounce;
    TRY(xfer_read(&b->conn->in, to, n, err));
    TRY(rd_flow_verify(&b->flow, to, n, b->sums, err));
    if (t.direct > 0) {
        rd_flow_deliver(&b->flow, n);
        *ret = n;
        return 0;
    }
    b->bounce_at = t.skip;
    b->bounce_end = t.skip + t.wanted;
    *ret = from_bounce(b, data, size);
    return 0;
}

int block_in_read(struct block_in *b, void *data, size_t size, size_t *ret, struct err *err)
{
    if (b->flow.position == b->flow.end || size == 0) {
        *ret = 0;
        return 0;
    }
    if (b->bounce_at < b->bounce_end) {
        *ret = from_bounce(b, data, size);
        return 0;
    }
    while (b->flow.next_offset == b->flow.packet_end)
        TRY(next_packet(b, err));
    return take(b, data, size, ret, err);
}

uint64_t block_in_position(const struct block_in *b)
{
    return b->flow.position;
}

uint64_t block_in_end(const struct block_in *b)
{
    return b->flow.end;
}

unsigned block_in_node(const struct block_in *b)
{
    return b->node;
}

int block_in_skip(struct block_in *b, uint64_t size, struct err *err)
{
    uint8_t waste[16384];
    while (size > 0) {
        size_t n;
        TRY(block_in_read(b, waste, size < sizeof(waste) ? (size_t)size : sizeof(waste), &n, err));
        if (n == 0)
            break;
        size -= n;
    }
    return 0;
}

/* All wanted bytes are there: takes what the server sends beyond (the rest of a chunk, the empty
 * packet) and tells it that the checksums were right, so that the connection can be used again. */
static int say_goodbye(struct block_in *b)
{
    struct rd_flow *f = &b->flow;
    while (!f->done) {
        while (f->next_offset < f->packet_end) {
            uint64_t left = f->packet_end - f->next_offset;
            size_t n = left < b->bounce_size ? (size_t)left : b->bounce_size;
            TRY(xfer_read(&b->conn->in, b->bounce, n, NULL));
            f->next_offset += n;
        }
        TRY(next_packet(b, NULL));
    }
    Xfer__ClientReadStatus status = XFER__CLIENT_READ_STATUS__INIT;
    status.status = f->kind.type == CRC_NULL ? XFER__STATUS__SUCCESS : XFER__STATUS__CHECKSUM_OK;
    return xfer_send_message(b->conn->fd, &status.base, NULL);
}

void block_in_close(struct block_in *b)
{
    if (b == NULL)
        return;
    bool complete = b->flow.position == b->flow.end && b->bounce != NULL;
    if (complete && say_goodbye(b) == 0)
        conn_cache_give(b->env->cache, take_ptr(&b->conn));
    destroy(b);
}
