/* crc.c - checksums of chunks, over ISA-L's kernels.
 * Pure. ISA-L's iscsi kernel works on the raw register, so the inversions before and after are made
 * here; its gzip_refl kernel makes them itself. */
#include "common/crc/crc.h"

#include <isa-l/crc.h>
#include <strings.h>

#include "common/base/base.h"

enum { KERNEL_MAX = 1 << 30 }; /* crc32_iscsi takes the length as int */

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    unsigned char *at = (unsigned char *)(uintptr_t)data;
    crc = ~crc;
    while (size > 0) {
        size_t n = size < KERNEL_MAX ? size : KERNEL_MAX;
        crc = crc32_iscsi(at, (int)n, crc);
        at += n;
        size -= n;
    }
    return ~crc;
}

uint32_t crc32_zlib(uint32_t crc, const void *data, size_t size)
{
    return size == 0 ? crc : crc32_gzip_refl(crc, data, size);
}

uint32_t crc_update(enum crc_type type, uint32_t crc, const void *data, size_t size)
{
    switch (type) {
    case CRC_CRC32:
        return crc32_zlib(crc, data, size);
    case CRC_CRC32C:
        return crc32c(crc, data, size);
    case CRC_NULL:
        break;
    }
    return 0;
}

int crc_type_of(const char *name)
{
    static const char *const names[] = {"NULL", "CRC32", "CRC32C"};
    for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return i;
    return -1;
}

size_t crc_sums_size(struct crc_kind kind, size_t size)
{
    if (kind.type == CRC_NULL)
        return 0;
    return (size / kind.bytes_per_chunk + (size % kind.bytes_per_chunk != 0)) * 4;
}

void crc_compute(struct crc_kind kind, const void *data, size_t size, uint8_t *sums)
{
    if (kind.type == CRC_NULL)
        return;
    const uint8_t *at = data;
    while (size > 0) {
        size_t n = size < kind.bytes_per_chunk ? size : kind.bytes_per_chunk;
        sums = put_u32(sums, crc_update(kind.type, 0, at, n));
        at += n;
        size -= n;
    }
}

int crc_verify(struct crc_kind kind, const void *data, size_t size, const uint8_t *sums,
               uint64_t base_offset, struct err *err)
{
    if (kind.type == CRC_NULL)
        return 0;
    const uint8_t *at = data;
    for (size_t done = 0; done < size; sums += 4) {
        size_t n = size - done < kind.bytes_per_chunk ? size - done : kind.bytes_per_chunk;
        uint8_t want[4];
        put_u32(want, crc_update(kind.type, 0, at + done, n));
        if (memcmp(want, sums, 4) != 0)
            return fail(err, ERR_CHECKSUM,
                        "checksum error at offset %llu: computed %02x%02x%02x%02x, stored "
                        "%02x%02x%02x%02x",
                        (unsigned long long)(base_offset + done), want[0], want[1], want[2],
                        want[3], sums[0], sums[1], sums[2], sums[3]);
        done += n;
    }
    return 0;
}

void crc_header_encode(struct crc_kind kind, uint8_t out[CRC_HEADER_SIZE])
{
    put_u32(put_u8(out, (uint8_t)kind.type), kind.bytes_per_chunk);
}

int crc_header_decode(const uint8_t in[CRC_HEADER_SIZE], struct crc_kind *ret_kind, struct err *err)
{
    struct reader r = reader_of(in, CRC_HEADER_SIZE);
    uint8_t type = read_u8(&r);
    uint32_t bytes_per_chunk = read_u32(&r);
    if (type > CRC_CRC32C)
        return fail(err, ERR_PROTOCOL, "unknown checksum type %u", type);
    if (bytes_per_chunk == 0 || bytes_per_chunk > CRC_MAX_BYTES_PER_CHUNK)
        return fail(err, ERR_PROTOCOL, "%u bytes per checksum are not between 1 and %d",
                    bytes_per_chunk, CRC_MAX_BYTES_PER_CHUNK);
    *ret_kind = (struct crc_kind){(enum crc_type)type, bytes_per_chunk};
    return 0;
}
