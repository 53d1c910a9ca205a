/* arena.c - see arena.h. */
#include "common/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 16, FIRST_CHUNK = 4096, MAX_CHUNK = 256 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data[] */
    _Alignas(ALIGNMENT) uint8_t data[];
};

static void *pb_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void pb_free(void *arena, void *pointer)
{
    (void)arena; /* everything goes at once, with the arena */
    (void)pointer;
}

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){.limit = limit};
    a->pb = (ProtobufCAllocator){.alloc = pb_alloc, .free = pb_free, .allocator_data = a};
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_fini(struct arena *a)
{
    free_chunks(a->chunks);
    a->chunks = NULL;
    a->at = a->end = NULL;
    a->total = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *first = a->chunks;
    while (first != NULL && first->next != NULL) { /* the oldest chunk is the last of the list */
        struct arena_chunk *next = first->next;
        free(first);
        first = next;
    }
    a->chunks = first;
    a->at = first != NULL ? first->data : NULL;
    a->end = first != NULL ? first->data + first->size : NULL;
    a->total = first != NULL ? first->size : 0;
}

static bool add_chunk(struct arena *a, size_t need)
{
    size_t size = a->total < FIRST_CHUNK ? FIRST_CHUNK : a->total;
    if (size > MAX_CHUNK)
        size = MAX_CHUNK;
    if (size < need)
        size = need;
    if (a->limit != 0 && (size > a->limit || a->total > a->limit - size)) {
        size = need; /* near the limit: just what is asked */
        if (size > a->limit || a->total > a->limit - size)
            return false;
    }
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk == NULL)
        return false;
    chunk->size = size;
    chunk->next = a->chunks;
    a->chunks = chunk;
    a->at = chunk->data;
    a->end = chunk->data + size;
    a->total += size;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded;
    if (__builtin_add_overflow(size, ALIGNMENT - 1, &rounded))
        return NULL;
    rounded &= ~(size_t)(ALIGNMENT - 1);
    if ((size_t)(a->end - a->at) < rounded && !add_chunk(a, rounded))
        return NULL;
    void *p = a->at;
    a->at += rounded;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const void *data, size_t size)
{
    char *copy = arena_alloc(a, size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_strndup(a, text, strlen(text));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text == NULL)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}
