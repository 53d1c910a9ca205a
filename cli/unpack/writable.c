/* writable.c - objects of Hadoop's basic classes as text, as their toString() has it. Pure. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "cli/unpack/internal.h"

struct writable {
    const char *name;
    int (*text)(struct source *from, struct buf *text, struct err *err);
};

static int append_long(struct buf *text, int64_t n, struct err *err)
{
    return buf_printf(text, "%" PRId64, n) == 0 ? 0 : fail(err, ERR_NO_MEMORY, "no memory");
}

static int append(struct buf *text, const void *bytes, size_t size, struct err *err)
{
    return buf_append(text, bytes, size) == 0 ? 0 : fail(err, ERR_NO_MEMORY, "no memory");
}

/* How many bytes are a character, or, *ret_whole false, one mistake as Java counts them: the bytes
 * that could have begun one; a surrogate is one mistake. */
static size_t utf8_prefix(const uint8_t *p, size_t size, bool *ret_whole)
{
    size_t want = p[0] < 0x80                    ? 1
                  : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
                  : p[0] >= 0xe0 && p[0] <= 0xef ? 3
                  : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                 : 0;
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xf4 ? 0x8f : 0xbf;
    size_t n = 1;
    for (; n < want && n < size && p[n] >= low && p[n] <= high; n++) {
        low = 0x80;
        high = 0xbf;
    }
    *ret_whole = n == want && !(p[0] == 0xed && p[1] >= 0xa0);
    return n;
}

int append_decoded(struct buf *text, const uint8_t *bytes, size_t size, struct err *err)
{
    for (size_t at = 0, n; at < size; at += n) {
        bool whole;
        n = utf8_prefix(bytes + at, size - at, &whole);
        TRY(whole ? append(text, bytes + at, n, err) : append(text, "\xef\xbf\xbd", 3, err));
    }
    return 0;
}

static int text_of_text(struct source *from, struct buf *text, struct err *err)
{
    uint32_t size;
    struct buf bytes = {0};
    TRY(source_length(from, &size, err));
    int rc = source_append(from, size, &bytes, err);
    if (rc == 0)
        rc = append_decoded(text, buf_head(&bytes), buf_size(&bytes), err);
    buf_fini(&bytes);
    return rc;
}

static int append_hex(struct source *from, uint32_t size, const char *between, struct buf *text,
                      struct err *err)
{
    for (uint32_t i = 0; i < size; i++) {
        uint8_t byte;
        TRY(source_get(from, &byte, 1, err));
        if (buf_size(text) > ITEM_MAX ||
            buf_printf(text, "%s%02x", i == 0 ? "" : between, byte) != 0)
            return fail(err, ERR_NO_MEMORY, "no memory");
    }
    return 0;
}

static int text_of_bytes(struct source *from, struct buf *text, struct err *err)
{
    uint32_t size;
    TRY(source_u32(from, &size, err));
    if (size > INT32_MAX)
        return fail(err, ERR_CORRUPT, "a length is %d", (int32_t)size);
    return append_hex(from, size, " ", text, err);
}

static int text_of_md5(struct source *from, struct buf *text, struct err *err)
{
    return append_hex(from, 16, "", text, err);
}

static int fixed(struct source *from, size_t size, uint64_t *ret, struct err *err)
{
    uint8_t bytes[8];
    TRY(source_get(from, bytes, size, err));
    *ret = 0;
    for (size_t i = 0; i < size; i++)
        *ret = *ret << 8 | bytes[i];
    return 0;
}

static int text_of_byte(struct source *from, struct buf *text, struct err *err)
{
    uint64_t n;
    TRY(fixed(from, 1, &n, err));
    return append_long(text, (int8_t)n, err);
}

static int text_of_short(struct source *from, struct buf *text, struct err *err)
{
    uint64_t n;
    TRY(fixed(from, 2, &n, err));
    return append_long(text, (int16_t)n, err);
}

static int text_of_int(struct source *from, struct buf *text, struct err *err)
{
    uint64_t n;
    TRY(fixed(from, 4, &n, err));
    return append_long(text, (int32_t)n, err);
}

static int text_of_long(struct source *from, struct buf *text, struct err *err)
{
    uint64_t n;
    TRY(fixed(from, 8, &n, err));
    return append_long(text, (int64_t)n, err);
}

static int text_of_vint(struct source *from, struct buf *text, struct err *err)
{
    int32_t n;
    TRY(source_vint(from, &n, err));
    return append_long(text, n, err);
}

static int text_of_vlong(struct source *from, struct buf *text, struct err *err)
{
    int64_t n;
    TRY(source_vlong(from, &n, err));
    return append_long(text, n, err);
}

static int text_of_boolean(struct source *from, struct buf *text, struct err *err)
{
    uint64_t n;
    TRY(fixed(from, 1, &n, err));
    return n != 0 ? append(text, "true", 4, err) : append(text, "false", 5, err);
}

static int text_of_null(struct source *from, struct buf *text, struct err *err)
{
    (void)from;
    return append(text, "(null)", 6, err);
}

/* Java's words for a number: the fewest digits that give it back, an exponent beyond 10^-3 .. 10^7.
 */
static int append_real(struct buf *text, double value, bool single, struct err *err)
{
    char scientific[64], digits[32], shown[96];
    int precision = 0, exponent, n;
    if (isnan(value) || isinf(value) || value == 0) {
        const char *word = isnan(value) ? "NaN"
                           : value == 0 ? (signbit(value) ? "-0.0" : "0.0")
                           : value < 0  ? "-Infinity"
                                        : "Infinity";
        return append(text, word, strlen(word), err);
    }
    do
        snprintf(scientific, sizeof(scientific), "%.*e", precision, fabs(value));
    while (++precision <= 17 && (single ? strtof(scientific, NULL) != (float)fabs(value)
                                        : strtod(scientific, NULL) != fabs(value)));
    exponent = (int)strtol(strchr(scientific, 'e') + 1, NULL, 10);
    n = snprintf(digits, sizeof(digits), "%c%.*s", scientific[0], precision - 1,
                 precision > 1 ? scientific + 2 : "");
    const char *sign = value < 0 ? "-" : "";
    if (exponent < -3 || exponent >= 7)
        snprintf(shown, sizeof(shown), "%s%c.%sE%d", sign, digits[0], n > 1 ? digits + 1 : "0",
                 exponent);
    else if (exponent < 0)
        snprintf(shown, sizeof(shown), "%s0.%.*s%s", sign, -exponent - 1, "000", digits);
    else if (n <= exponent + 1)
        snprintf(shown, sizeof(shown), "%s%s%.*s.0", sign, digits, exponent + 1 - n, "0000000");
    else
        snprintf(shown, sizeof(shown), "%s%.*s.%s", sign, exponent + 1, digits,
                 digits + exponent + 1);
    return append(text, shown, strlen(shown), err);
}

static int text_of_float(struct source *from, struct buf *text, struct err *err)
{
    uint64_t bits;
    float value;
    TRY(fixed(from, 4, &bits, err));
    uint32_t narrow = (uint32_t)bits;
    memcpy(&value, &narrow, sizeof(value));
    return append_real(text, (double)value, true, err);
}

static int text_of_double(struct source *from, struct buf *text, struct err *err)
{
    uint64_t bits;
    double value;
    TRY(fixed(from, 8, &bits, err));
    memcpy(&value, &bits, sizeof(value));
    return append_real(text, value, false, err);
}

static const struct writable writables[] = {
    {"Text", text_of_text},           {"BytesWritable", text_of_bytes},
    {"NullWritable", text_of_null},   {"IntWritable", text_of_int},
    {"LongWritable", text_of_long},   {"VIntWritable", text_of_vint},
    {"VLongWritable", text_of_vlong}, {"ShortWritable", text_of_short},
    {"ByteWritable", text_of_byte},   {"BooleanWritable", text_of_boolean},
    {"FloatWritable", text_of_float}, {"DoubleWritable", text_of_double},
    {"MD5Hash", text_of_md5},
};

const struct writable *writable_find(const char *java_class)
{
    static const char package[] = "org.apache.hadoop.io.";
    if (strncmp(java_class, package, sizeof(package) - 1) != 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(writables); i++)
        if (strcmp(java_class + sizeof(package) - 1, writables[i].name) == 0)
            return &writables[i];
    return NULL;
}

int writable_text(const struct writable *w, struct source *from, struct buf *text, struct err *err)
{
    return w->text(from, text, err);
}
