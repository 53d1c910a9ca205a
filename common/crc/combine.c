/* combine.c - the CRC of A||B from those of A and B.
 * A CRC register is a polynomial over GF(2) modulo P, kept bit-reversed: bit 31 is x^0. Appending B
 * multiplies the register of A by x^(8 * size of B); the pre- and post-inversions cancel out. The
 * powers x^(8 * 2^k) come from squaring, so a combination takes at most 64 squarings and 64
 * multiplications. */
#include "common/base/check.h"
#include "common/crc/crc.h"

static uint32_t polynomial(enum crc_type type)
{
    return type == CRC_CRC32C ? 0x82f63b78u : 0xedb88320u;
}

/* a * b mod P */
static uint32_t multiply(uint32_t p, uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? (b >> 1) ^ p : b >> 1; /* b * x */
    }
    return product;
}

uint32_t crc_shift(enum crc_type type, uint64_t size)
{
    uint32_t p = polynomial(type), result = 1u << 31; /* x^0 */
    uint32_t power = 1u << 23;                        /* x^8 */
    for (; size != 0; size >>= 1) {
        if (size & 1)
            result = multiply(p, power, result);
        power = multiply(p, power, power);
    }
    return result;
}

uint32_t crc_combine_shifted(enum crc_type type, uint32_t crc_a, uint32_t crc_b, uint32_t shift)
{
    return type == CRC_NULL ? 0 : multiply(polynomial(type), shift, crc_a) ^ crc_b;
}

uint32_t crc_combine(enum crc_type type, uint32_t crc_a, uint32_t crc_b, uint64_t size_b)
{
    return crc_combine_shifted(type, crc_a, crc_b, crc_shift(type, size_b));
}
