/* bytes.h - borrowed bytes, a growing buffer, and the only reader for bytes from outside.
 * A `struct reader` never reads past its end: a short read sets `bad`, returns zero and stays bad,
 * so that a decoder checks once at the end. Integers are big-endian as Java writes them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/err.h"

/* Bytes owned by somebody else (an arena, a buffer); not NUL-terminated. */
struct slice {
    const uint8_t *data;
    size_t size;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Growing bytes. Zero-initialised is empty; buf_fini frees. Live bytes are [data + start, data +
 * end). */
struct buf {
    uint8_t *data;
    size_t start, end, capacity;
};

void buf_fini(struct buf *b);
static inline size_t buf_size(const struct buf *b)
{
    return b->end - b->start;
}
static inline uint8_t *buf_head(struct buf *b)
{
    return b->data == NULL ? NULL : b->data + b->start; /* NULL + 0 is undefined */
}
static inline void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}
/* Room for `size` more bytes at the returned place; commit with buf_commit. NULL: no memory. */
uint8_t *buf_reserve(struct buf *b, size_t size);
static inline void buf_commit(struct buf *b, size_t size)
{
    b->end += size;
}
/* Drops `size` bytes from the front. */
void buf_consume(struct buf *b, size_t size);
must_use int buf_append(struct buf *b, const void *data, size_t size);
must_use int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Big-endian stores into memory that the caller has sized; each returns the place behind. */
static inline uint8_t *put_u8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}
uint8_t *put_u16(uint8_t *p, uint16_t v);
uint8_t *put_u32(uint8_t *p, uint32_t v);
uint8_t *put_u64(uint8_t *p, uint64_t v);
/* Protobuf base-128 varint, at most 10 bytes. */
uint8_t *put_varint(uint8_t *p, uint64_t v);
size_t varint_size(uint64_t v);

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static inline struct reader reader_of(const void *data, size_t size)
{
    return (struct reader){data, data == NULL ? NULL : (const uint8_t *)data + size, false};
}
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
uint64_t read_varint(struct reader *r);
/* Zigzag of a varint, as protobuf's sint64. */
int64_t read_svarint(struct reader *r);
/* `size` bytes, borrowed from what the reader reads. */
struct slice read_bytes(struct reader *r, size_t size);

/* Well-formed UTF-8 without NUL. */
bool utf8_valid(struct slice text);
