/* arena.h - memory that lives as long as one call and is freed in one go.
 * Not thread-safe; one call, one owner at a time. `limit` bounds what one call may take (0: none).
 */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "common/base/bytes.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    uint8_t *at, *end;
    size_t total, limit;
    ProtobufCAllocator pb; /* protobuf-c takes from here and never gives back */
};

void arena_init(struct arena *a, size_t limit);
void arena_fini(struct arena *a);
/* Empties, keeps the first chunk for the next call. */
void arena_reset(struct arena *a);
/* 16-byte aligned, not zeroed. NULL: no memory, or the limit is reached. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *text);
/* Copies and adds a NUL. */
char *arena_strndup(struct arena *a, const void *data, size_t size);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type)      ((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (size_t)(n)))
