/* bytes.c - see bytes.h. */
#include "common/base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

uint8_t *buf_reserve(struct buf *b, size_t size)
{
    if (b->capacity - b->end >= size && b->data != NULL)
        return b->data + b->end;
    if (b->start > 0) { /* slide the live bytes to the front before asking for more */
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
        if (b->capacity - b->end >= size)
            return b->data + b->end;
    }
    size_t need;
    if (__builtin_add_overflow(b->end, size, &need))
        return NULL;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity < need)
        if (__builtin_mul_overflow(capacity, 2, &capacity))
            return NULL;
    uint8_t *data = realloc(b->data, capacity);
    if (data == NULL)
        return NULL;
    b->data = data;
    b->capacity = capacity;
    return data + b->end;
}

void buf_consume(struct buf *b, size_t size)
{
    b->start += size;
    if (b->start == b->end)
        buf_clear(b);
}

int buf_append(struct buf *b, const void *data, size_t size)
{
    uint8_t *p = buf_reserve(b, size);
    if (p == NULL)
        return ERR_NO_MEMORY;
    if (size > 0)
        memcpy(p, data, size);
    buf_commit(b, size);
    return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    uint8_t *p = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (p == NULL)
        return ERR_NO_MEMORY;
    va_start(ap, fmt);
    vsnprintf((char *)p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    buf_commit(b, (size_t)n);
    return 0;
}

uint8_t *put_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

size_t varint_size(uint64_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

struct slice read_bytes(struct reader *r, size_t size)
{
    if (r->bad || reader_left(r) < size) {
        r->bad = true;
        return (struct slice){0};
    }
    struct slice s = {r->at, size};
    r->at += size;
    return s;
}

uint8_t read_u8(struct reader *r)
{
    struct slice s = read_bytes(r, 1);
    return r->bad ? 0 : s.data[0];
}

uint16_t read_u16(struct reader *r)
{
    uint16_t v = 0;
    struct slice s = read_bytes(r, sizeof(v));
    if (!r->bad)
        memcpy(&v, s.data, sizeof(v));
    return __builtin_bswap16(v);
}

uint32_t read_u32(struct reader *r)
{
    uint32_t v = 0;
    struct slice s = read_bytes(r, sizeof(v));
    if (!r->bad)
        memcpy(&v, s.data, sizeof(v));
    return __builtin_bswap32(v);
}

uint64_t read_u64(struct reader *r)
{
    uint64_t v = 0;
    struct slice s = read_bytes(r, sizeof(v));
    if (!r->bad)
        memcpy(&v, s.data, sizeof(v));
    return __builtin_bswap64(v);
}

uint64_t read_varint(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return v;
    }
    r->bad = true;
    return 0;
}

int64_t read_svarint(struct reader *r)
{
    uint64_t v = read_varint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static size_t utf8_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    if (lead >= 0xf0 && lead < 0xf5)
        return 4;
    return 0;
}

bool utf8_valid(struct slice text)
{
    const uint8_t *p = text.data, *end = p + text.size;
    while (p < end) {
        size_t n = utf8_length(*p);
        if (n == 0 || *p == 0 || (size_t)(end - p) < n)
            return false;
        for (size_t i = 1; i < n; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        /* over-long forms, UTF-16 surrogates and code points beyond U+10FFFF */
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
            (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
            return false;
        p += n;
    }
    return true;
}
