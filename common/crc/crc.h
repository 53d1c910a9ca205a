/* crc.h - checksums of data chunks. Door of common/crc.
 * Kernels: ISA-L for CRC32C (Castagnoli), zlib's polynomial for CRC32. All results are the plain
 * CRC value; on the wire and in .meta files they are 4 bytes big-endian per chunk. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum crc_type { CRC_NULL = 0, CRC_CRC32 = 1, CRC_CRC32C = 2 }; /* Hadoop's DataChecksum types */

/* By its name in dfs.checksum.type, in either case; -1: none of them. */
int crc_type_of(const char *name);

struct crc_kind {
    enum crc_type type;
    uint32_t bytes_per_chunk;
};

enum { CRC_HEADER_SIZE = 5, CRC_MAX_BYTES_PER_CHUNK = 1 << 20 };

uint32_t crc32c(uint32_t crc, const void *data, size_t size);
uint32_t crc32_zlib(uint32_t crc, const void *data, size_t size);
/* Continues: crc of what came before, 0 at the start. */
uint32_t crc_update(enum crc_type type, uint32_t crc, const void *data, size_t size);
/* CRC of A||B from crc(A), crc(B) and the length of B. */
uint32_t crc_combine(enum crc_type type, uint32_t crc_a, uint32_t crc_b, uint64_t size_b);

/* The same in two steps, for many parts of one length: the factor of `size` bytes, and its use. */
uint32_t crc_shift(enum crc_type type, uint64_t size);
uint32_t crc_combine_shifted(enum crc_type type, uint32_t crc_a, uint32_t crc_b, uint32_t shift);

/* Bytes that the checksums of `size` data bytes take: 4 per started chunk, 0 for CRC_NULL. */
size_t crc_sums_size(struct crc_kind kind, size_t size);
/* Fills sums (crc_sums_size bytes). */
void crc_compute(struct crc_kind kind, const void *data, size_t size, uint8_t *sums);
/* 0, or ERR_CHECKSUM with the offset of the first bad chunk (base_offset is added in the text). */
must_use int crc_verify(struct crc_kind kind, const void *data, size_t size, const uint8_t *sums,
                        uint64_t base_offset, struct err *err);

/* u8 type, u32 BE bytes per chunk: wire form and part of the .meta header. */
void crc_header_encode(struct crc_kind kind, uint8_t out[CRC_HEADER_SIZE]);
must_use int crc_header_decode(const uint8_t in[CRC_HEADER_SIZE], struct crc_kind *ret_kind,
                               struct err *err);
