/* checksum.c - Hadoop's file checksum: the MD5 of the blocks' MD5s of their chunk CRCs, which
 * DataNodes compute. Thread: any. Comparable between files only if block size, chunk size and CRC
 * type are equal; that is what the algorithm's name says. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "libdfs/io/internal.h"

enum { MD5_SIZE = 16, JAVA_BUFFER = 32 };

struct sum {
    EVP_MD_CTX *md5;
    uint32_t bytes_per_crc;
    uint64_t crc_per_block;
    Hdfs__ChecksumType type;
    uint64_t block_count;
};

static int ask_node(struct io_env *env, const Hdfs__LocatedBlock *block, size_t node,
                    struct arena *arena, Xfer__OpBlockChecksumResponse **ret, struct err *err)
{
    Xfer__BaseHeader base = XFER__BASE_HEADER__INIT;
    Xfer__OpBlockChecksum op = XFER__OP_BLOCK_CHECKSUM__INIT;
    base.block = block->b;
    base.token = block->block_token;
    op.header = &base;
    struct dnc *c;
    Xfer__BlockOpResponse *answer;
    TRY(dnc_connect(block->locs[node]->id, env->use_hostname, &env->timeouts, 0, &c, err));
    int rc = dnc_request(c, XFER_BLOCK_CHECKSUM, &op.base, arena, &answer, NULL, err);
    dnc_free(c);
    if (rc != 0)
        return rc;
    if (answer->checksum_response == NULL ||
        answer->checksum_response->block_checksum.len != MD5_SIZE)
        return fail(err, ERR_PROTOCOL, "the answer has no MD5");
    *ret = answer->checksum_response;
    return 0;
}

static int add(struct sum *s, const Xfer__OpBlockChecksumResponse *r, struct err *err)
{
    Hdfs__ChecksumType type = r->has_crc_type ? r->crc_type : HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32;
    if (s->block_count == 0) {
        s->bytes_per_crc = r->bytes_per_crc;
        s->crc_per_block = r->crc_per_block;
        s->type = type;
    } else if (s->bytes_per_crc != r->bytes_per_crc || s->type != type) {
        return fail(err, ERR_UNSUPPORTED, "blocks have different checksums (%u and %u bytes)",
                    s->bytes_per_crc, r->bytes_per_crc);
    }
    s->block_count++;
    if (EVP_DigestUpdate(s->md5, r->block_checksum.data, MD5_SIZE) != 1)
        return fail(err, ERR_IO, "MD5 is not available");
    return 0;
}

static int add_block(struct io_env *env, const Hdfs__LocatedBlock *block, struct sum *s,
                     struct err *err)
{
    int rc = fail(err, ERR_BLOCK_MISSING, "block %llu has no live replica",
                  (unsigned long long)block->b->block_id);
    for (size_t i = 0; i < block->n_locs && rc != 0; i++) {
        struct arena arena;
        struct err e = {0};
        arena_init(&arena, XFER_MAX_HEADER * 4);
        Xfer__OpBlockChecksumResponse *r = NULL;
        rc = ask_node(env, block, i, &arena, &r, &e);
        if (rc == 0) {
            rc = add(s, r, err);
            arena_fini(&arena);
            return rc;
        }
        (void)fail(err, rc, "checksum of block %llu at %s:%u: %.500s",
                   (unsigned long long)block->b->block_id, block->locs[i]->id->ip_addr,
                   block->locs[i]->id->xfer_port, e.text);
        arena_fini(&arena);
    }
    return rc;
}

/* Hadoop has always digested its whole buffer, which starts at 32 bytes and doubles: what is behind
 * the MD5s is zeros, and belongs to the checksum. */
static int add_padding(struct sum *s, struct err *err)
{
    static const uint8_t zeros[JAVA_BUFFER] = {0};
    uint64_t used = s->block_count * MD5_SIZE, size = JAVA_BUFFER;
    while (size < used)
        size *= 2;
    for (uint64_t left = size - used; left > 0;) {
        size_t n = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
        if (EVP_DigestUpdate(s->md5, zeros, n) != 1)
            return fail(err, ERR_IO, "MD5 is not available");
        left -= n;
    }
    return 0;
}

static int finish(struct sum *s, struct file_checksum *ret, struct err *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    TRY(add_padding(s, err));
    if (EVP_DigestFinal_ex(s->md5, digest, NULL) != 1)
        return fail(err, ERR_IO, "MD5 is not available");
    uint64_t crc_per_block = s->block_count > 1 ? s->crc_per_block : 0;
    const char *type = s->type == HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32C  ? "CRC32C"
                       : s->type == HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32 ? "CRC32"
                                                                        : "NULL";
    snprintf(ret->algorithm, sizeof(ret->algorithm), "MD5-of-%lluMD5-of-%u%s",
             (unsigned long long)crc_per_block, s->bytes_per_crc, type);
    memcpy(put_u64(put_u32(ret->bytes, s->bytes_per_crc), crc_per_block), digest, MD5_SIZE);
    return 0;
}

static int add_all(struct io_env *env, const char *path, const struct rd_page *page, struct sum *s,
                   struct err *err)
{
    const Hdfs__LocatedBlocks *blocks = page->blocks;
    TRY(rd_check_supported(blocks, err));
    if (blocks->ec_policy != NULL)
        return fail(err, ERR_UNSUPPORTED, "checksums of erasure coded files are not computed");
    if (blocks->under_construction)
        return fail(err, ERR_IO, "Fail to get checksum, since file %s is under construction.",
                    path);
    for (size_t i = 0; i < blocks->n_blocks; i++)
        TRY(add_block(env, blocks->blocks[i], s, err));
    return 0;
}

int file_checksum(struct io_env *env, const char *path, struct file_checksum *ret, struct err *err)
{
    struct rd_page *page;
    TRY(fetch_page(env, path, 0, INT64_MAX, &page, err));
    struct sum s = {.md5 = EVP_MD_CTX_new(), .type = HDFS__CHECKSUM_TYPE__CHECKSUM_CRC32};
    int rc = 0;
    if (s.md5 == NULL || EVP_DigestInit_ex(s.md5, EVP_md5(), NULL) != 1)
        rc = fail(err, ERR_IO, "MD5 is not available");
    if (rc == 0)
        rc = add_all(env, path, page, &s, err);
    if (rc == 0)
        rc = finish(&s, ret, err);
    EVP_MD_CTX_free(s.md5);
    rd_page_unref(page);
    return rc;
}
