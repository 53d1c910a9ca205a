/* checksum.c - BLOCK_CHECKSUM: a digest of a block made from its stored checksums, without reading
 * the data. MD5CRC: MD5 over the checksums of the first n bytes. COMPOSITE_CRC: the CRC of the
 * bytes themselves, combined from those of the chunks, one for each stripe. When n ends inside a
 * chunk that goes on, that chunk's checksum is computed from the data. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "datanode/pipeline/internal.h"

enum { BATCH = 16 * 1024 /* chunks */, MD5_SIZE = 16, RBW_WAIT_MS = 3000 };

struct digest {
    struct replica_reader replica;
    uint64_t length; /* bytes it covers */
    bool composite;
    uint64_t stripe; /* of composite ones; 0: the block */
    EVP_MD_CTX *md5;
    struct buf out;
    uint32_t crc, shift; /* of the current stripe; factor of a whole chunk */
    uint64_t in_stripe;
};

static int cut_chunk(const struct digest *d, uint64_t index, size_t size, uint8_t out[4],
                     struct err *err)
{
    struct crc_kind kind = d->replica.kind;
    uint8_t *data = malloc(size);
    if (data == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a chunk");
    ssize_t n = pread(d->replica.data_fd, data, size, (off_t)(index * kind.bytes_per_chunk));
    int rc = n == (ssize_t)size ? 0
             : n < 0            ? fail_errno(err, "reading a chunk")
                                : fail(err, ERR_CORRUPT, "the replica is too short");
    if (rc == 0)
        put_u32(out, crc_update(kind.type, 0, data, size));
    free(data);
    return rc;
}

static int stripe_ends(struct digest *d, struct err *err)
{
    uint8_t bytes[4];
    put_u32(bytes, d->crc);
    d->crc = 0;
    d->in_stripe = 0;
    return buf_append(&d->out, bytes, 4) == 0 ? 0
                                              : fail(err, ERR_NO_MEMORY, "no memory for a digest");
}

static int compose(struct digest *d, const uint8_t *sums, size_t count, uint64_t first,
                   struct err *err)
{
    struct crc_kind kind = d->replica.kind;
    struct reader r = reader_of(sums, count * 4);
    for (size_t i = 0; i < count; i++) {
        uint64_t left = d->length - (first + i) * kind.bytes_per_chunk;
        uint64_t size = left < kind.bytes_per_chunk ? left : kind.bytes_per_chunk;
        uint32_t crc = read_u32(&r);
        d->crc = size == kind.bytes_per_chunk
                     ? crc_combine_shifted(kind.type, d->crc, crc, d->shift)
                     : crc_combine(kind.type, d->crc, crc, size);
        d->in_stripe += size;
        if (d->stripe > 0 && d->in_stripe >= d->stripe)
            TRY(stripe_ends(d, err));
    }
    return 0;
}

static int take_sums(struct digest *d, const uint8_t *sums, size_t count, uint64_t first,
                     struct err *err)
{
    if (d->composite)
        return compose(d, sums, count, first, err);
    if (EVP_DigestUpdate(d->md5, sums, count * 4) != 1)
        return fail(err, ERR_IO, "MD5 failed");
    return 0;
}

static int digest_sums(struct digest *d, uint8_t *sums, struct err *err)
{
    struct crc_kind kind = d->replica.kind;
    uint64_t chunks = crc_sums_size(kind, d->length) / 4;
    size_t rest = (size_t)(d->length % kind.bytes_per_chunk);
    bool cut = rest > 0 && d->length < d->replica.on_disk;
    for (uint64_t at = 0; at < chunks;) {
        size_t n = chunks - at < BATCH ? (size_t)(chunks - at) : BATCH;
        TRY(replica_sums(&d->replica, at, n, sums, err));
        if (cut && at + n == chunks)
            TRY(cut_chunk(d, chunks - 1, rest, sums + (n - 1) * 4, err));
        TRY(take_sums(d, sums, n, at, err));
        at += n;
    }
    return 0;
}

static int digest_end(struct digest *d, struct err *err)
{
    if (d->composite)
        return d->in_stripe > 0 || buf_size(&d->out) == 0 ? stripe_ends(d, err) : 0;
    uint8_t *md5 = buf_reserve(&d->out, MD5_SIZE);
    if (md5 == NULL || EVP_DigestFinal_ex(d->md5, md5, NULL) != 1)
        return fail(err, ERR_IO, "MD5 failed");
    buf_commit(&d->out, MD5_SIZE);
    return 0;
}

static int digest_run(struct digest *d, struct err *err)
{
    if (d->composite && d->stripe % d->replica.kind.bytes_per_chunk != 0)
        return fail(err, ERR_ILLEGAL_ARGUMENT, "a stripe of %llu bytes doesn't end with a chunk",
                    (unsigned long long)d->stripe);
    d->shift = crc_shift(d->replica.kind.type, d->replica.kind.bytes_per_chunk);
    if (!d->composite &&
        ((d->md5 = EVP_MD_CTX_new()) == NULL || EVP_DigestInit_ex(d->md5, EVP_md5(), NULL) != 1))
        return fail(err, ERR_IO, "MD5 is not available");
    uint8_t *sums = malloc(BATCH * 4);
    int rc = sums == NULL ? fail(err, ERR_NO_MEMORY, "no memory for a digest")
                          : digest_sums(d, sums, err);
    free(sums);
    return rc == 0 ? digest_end(d, err) : rc;
}

static int answer(const struct transfer *t, struct digest *d, struct err *err)
{
    Xfer__BlockOpResponse response = XFER__BLOCK_OP_RESPONSE__INIT;
    Xfer__OpBlockChecksumResponse sum = XFER__OP_BLOCK_CHECKSUM_RESPONSE__INIT;
    Hdfs__BlockChecksumOptions options = HDFS__BLOCK_CHECKSUM_OPTIONS__INIT;
    struct crc_kind kind = d->replica.kind;
    options.has_block_checksum_type = true;
    options.block_checksum_type =
        d->composite ? HDFS__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC : HDFS__BLOCK_CHECKSUM_TYPE__MD5CRC;
    options.has_stripe_length = true;
    options.stripe_length = d->stripe;
    sum.bytes_per_crc = kind.bytes_per_chunk;
    sum.crc_per_block = crc_sums_size(kind, d->replica.on_disk) / 4;
    sum.block_checksum = (ProtobufCBinaryData){buf_size(&d->out), buf_head(&d->out)};
    sum.has_crc_type = true;
    sum.crc_type = (Hdfs__ChecksumType)kind.type;
    sum.block_checksum_options = &options;
    response.status = XFER__STATUS__SUCCESS;
    response.checksum_response = &sum;
    return xfer_send_message(t->in->fd, &response.base, err);
}

static int digest_open(struct transfer *t, const Xfer__OpBlockChecksum *op, struct digest *d,
                       struct err *err)
{
    struct block_pool *pool;
    struct block b;
    TRY(header_block(t, op->header, &pool, &b, err));
    TRY(replica_open(pool, b.id, b.gen_stamp, b.length, RBW_WAIT_MS, &d->replica, err));
    d->length = b.length < d->replica.block.length ? b.length : d->replica.block.length;
    const Hdfs__BlockChecksumOptions *options = op->block_checksum_options;
    if (options != NULL) {
        d->composite = options->block_checksum_type == HDFS__BLOCK_CHECKSUM_TYPE__COMPOSITE_CRC;
        d->stripe = options->has_stripe_length ? options->stripe_length : 0;
    }
    return 0;
}

int op_block_checksum(struct transfer *t, const Xfer__OpBlockChecksum *op, struct err *err)
{
    struct digest d = {.replica = {.data_fd = -1, .meta_fd = -1}};
    if (op->header->block->pool_id[0] == '\0') { /* mirror.c of another node */
        (void)fail(err, ERR_CLOSED, "it was only asked whether this node lives");
        answer_error(t, err, NULL);
        return err->code;
    }
    int rc = digest_open(t, op, &d, err);
    if (rc == 0)
        rc = digest_run(&d, err);
    const Hdfs__ExtendedBlock *b = op->header->block;
    struct block block = {b->block_id, b->generation_stamp, b->num_bytes};
    suspect_replica(t->config, b->pool_id, &block, rc);
    if (rc != 0)
        answer_error(t, err, NULL);
    else
        rc = answer(t, &d, err);
    EVP_MD_CTX_free(d.md5);
    buf_fini(&d.out);
    replica_close(&d.replica);
    return rc;
}
