#include <criterion/criterion.h>

#include "common/base/base.h"
#include "common/crc/crc.h"

Test(crc, known_values)
{
    cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(crc32_zlib(0, "123456789", 9), 0xcbf43926);
    cr_assert_eq(crc32c(0, "", 0), 0);
    cr_assert_eq(crc32_zlib(0, "", 0), 0);
    uint8_t zeros[32] = {0}; /* RFC 3720, B.4 */
    cr_assert_eq(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
    cr_assert_eq(crc_update(CRC_NULL, 7, zeros, 32), 0);
}

Test(crc, continues_at_any_border)
{
    const char text[] = "the quick brown fox jumps over the lazy dog";
    enum crc_type types[] = {CRC_CRC32, CRC_CRC32C};
    for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
        uint32_t whole = crc_update(types[t], 0, text, sizeof(text));
        for (size_t cut = 0; cut <= sizeof(text); cut++) {
            uint32_t a = crc_update(types[t], 0, text, cut);
            uint32_t b = crc_update(types[t], 0, text + cut, sizeof(text) - cut);
            cr_assert_eq(crc_update(types[t], a, text + cut, sizeof(text) - cut), whole);
            cr_assert_eq(crc_combine(types[t], a, b, sizeof(text) - cut), whole);
        }
    }
}

Test(crc, combine_over_long_lengths)
{
    static uint8_t data[300000];
    struct rng rng = {5};
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rng_next(&rng);
    for (int i = 0; i < 50; i++) {
        size_t cut = rng_below(&rng, sizeof(data) + 1);
        uint32_t a = crc32c(0, data, cut), b = crc32c(0, data + cut, sizeof(data) - cut);
        cr_assert_eq(crc_combine(CRC_CRC32C, a, b, sizeof(data) - cut),
                     crc32c(0, data, sizeof(data)));
    }
}

Test(crc, verify_names_the_first_bad_chunk)
{
    struct crc_kind kind = {CRC_CRC32C, 512};
    uint8_t data[1300], sums[12];
    memset(data, 'x', sizeof(data));
    cr_assert_eq(crc_sums_size(kind, sizeof(data)), 12);
    cr_assert_eq(crc_sums_size(kind, 1024), 8);
    cr_assert_eq(crc_sums_size(kind, 0), 0);
    cr_assert_eq(crc_sums_size((struct crc_kind){CRC_NULL, 512}, 1300), 0);
    crc_compute(kind, data, sizeof(data), sums);
    struct err err = {0};
    cr_assert_eq(crc_verify(kind, data, sizeof(data), sums, 0, &err), 0);
    data[600] ^= 1;
    data[1299] ^= 1;
    cr_assert_eq(crc_verify(kind, data, sizeof(data), sums, 10000, &err), ERR_CHECKSUM);
    cr_assert(strstr(err.text, "offset 10512") != NULL, "%s", err.text);
}

Test(crc, header)
{
    uint8_t out[CRC_HEADER_SIZE];
    crc_header_encode((struct crc_kind){CRC_CRC32C, 512}, out);
    cr_assert_eq(memcmp(out, "\x02\x00\x00\x02\x00", 5), 0);
    struct crc_kind kind;
    struct err err = {0};
    cr_assert_eq(crc_header_decode(out, &kind, &err), 0);
    cr_assert_eq(kind.bytes_per_chunk, 512);
    cr_assert_eq(crc_header_decode((const uint8_t *)"\x03\x00\x00\x02\x00", &kind, &err),
                 ERR_PROTOCOL);
    cr_assert_eq(crc_header_decode((const uint8_t *)"\x02\x00\x00\x00\x00", &kind, &err),
                 ERR_PROTOCOL);
    cr_assert_eq(crc_header_decode((const uint8_t *)"\x02\x7f\x00\x00\x00", &kind, &err),
                 ERR_PROTOCOL);
}

Test(crc, types_by_name)
{
    cr_assert_eq(crc_type_of("CRC32C"), CRC_CRC32C);
    cr_assert_eq(crc_type_of("crc32"), CRC_CRC32);
    cr_assert_eq(crc_type_of("null"), CRC_NULL);
    cr_assert_eq(crc_type_of("CRC64"), -1);
}
