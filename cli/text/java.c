/* java.c - the order of Java's hash tables, in which Hadoop's shell prints what it keeps in one.
 * A table has 16 buckets, twice as many whenever it is more than three quarters full; a bucket
 * keeps the order of insertion. Pure. */
#include <stdlib.h>
#include <string.h>

#include "cli/text/text.h"

/* The next UTF-16 units of valid UTF-8: one, or a pair. */
static size_t units(const unsigned char **at, uint32_t out[2])
{
    const unsigned char *p = *at;
    size_t more = *p < 0xc0 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? *p : *p & (0x3fU >> more);
    for (p++; more > 0 && *p != '\0'; more--, p++)
        c = c << 6 | (*p & 0x3f);
    *at = p;
    if (c < 0x10000) {
        out[0] = c;
        return 1;
    }
    out[0] = 0xd800 + ((c - 0x10000) >> 10);
    out[1] = 0xdc00 + ((c - 0x10000) & 0x3ff);
    return 2;
}

static uint32_t hash(const char *text)
{
    uint32_t h = 0, unit[2];
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t n = units(&p, unit);
        for (size_t i = 0; i < n; i++)
            h = h * 31 + unit[i];
    }
    return h ^ h >> 16;
}

size_t *text_java_order(const char *const *keys, size_t count)
{
    size_t buckets = 16, done = 0;
    while (count > buckets / 4 * 3)
        buckets *= 2;
    size_t *order = text_alloc((count + 1) * sizeof(*order));
    for (size_t b = 0; b < buckets && done < count; b++)
        for (size_t i = 0; i < count; i++)
            if ((hash(keys[i]) & (buckets - 1)) == b)
                order[done++] = i;
    return order;
}
