/* heap.c - names, block lists, targets and the like: bytes of any size under 32-bit handles.
 * Thread: state. Small pieces come from pools of fixed size, so that a name costs no header and no
 * malloc of its own; pieces over 256 bytes are malloc'ed to a power of two. Invariant: the owner
 * passes the size it asked for. */
#include <stdlib.h>

#include "namenode/namespace/internal.h"

static const uint16_t class_size[HEAP_CLASSES] = {8, 16, 24, 32, 48, 64, 96, 128, 192, 256};

struct big_piece {
    uint64_t link_; /* the pool's, while the record is free */
    void *bytes;    /* NULL while free */
};

static struct big_piece *piece_at(const struct heap *h, handle_t at)
{
    return pool_at(&h->big, at);
}

static unsigned class_of(size_t size)
{
    unsigned c = 0;
    while (class_size[c] < size)
        c++;
    return c;
}

void heap_init(struct heap *h)
{
    for (unsigned c = 0; c < HEAP_CLASSES; c++)
        pool_init(&h->small[c], class_size[c]);
    pool_init(&h->big, sizeof(struct big_piece));
    h->big_bytes = 0;
}

void heap_fini(struct heap *h)
{
    for (unsigned c = 0; c < HEAP_CLASSES; c++)
        pool_fini(&h->small[c]);
    for (handle_t at = 1; at <= h->big.used; at++)
        free(piece_at(h, at)->bytes);
    pool_fini(&h->big);
}

size_t heap_capacity(size_t size)
{
    if (size == 0)
        return 0;
    if (size <= HEAP_SMALL_MAX)
        return class_size[class_of(size)];
    return (size_t)1 << (64 - __builtin_clzll(size - 1));
}

handle_t heap_put(struct heap *h, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    handle_t at;
    if (size <= HEAP_SMALL_MAX) {
        at = pool_take(&h->small[class_of(size)]);
    } else {
        void *piece = malloc(heap_capacity(size));
        at = piece == NULL ? 0 : pool_take(&h->big);
        if (at == 0) {
            free(piece);
            return 0;
        }
        piece_at(h, at)->bytes = piece;
        h->big_bytes += heap_capacity(size);
    }
    if (at != 0 && data != NULL)
        memcpy(heap_at(h, at, size), data, size);
    return at;
}

void *heap_at(const struct heap *h, handle_t at, size_t size)
{
    if (size <= HEAP_SMALL_MAX)
        return pool_at(&h->small[class_of(size)], at);
    return piece_at(h, at)->bytes;
}

void heap_give(struct heap *h, handle_t at, size_t size)
{
    if (size == 0)
        return;
    if (size <= HEAP_SMALL_MAX) {
        pool_give(&h->small[class_of(size)], at);
    } else {
        free(piece_at(h, at)->bytes);
        piece_at(h, at)->bytes = NULL;
        pool_give(&h->big, at);
        h->big_bytes -= heap_capacity(size);
    }
}

handle_t heap_resize(struct heap *h, handle_t at, size_t old_size, size_t new_size)
{
    CHECK(new_size > 0);
    if (heap_capacity(old_size) == heap_capacity(new_size))
        return at;
    handle_t grown = heap_put(h, NULL, new_size);
    if (grown == 0 || old_size == 0)
        return grown;
    size_t keep = old_size < new_size ? old_size : new_size;
    memcpy(heap_at(h, grown, new_size), heap_at(h, at, old_size), keep);
    heap_give(h, at, old_size);
    return grown;
}

size_t heap_bytes(const struct heap *h)
{
    size_t bytes = h->big_bytes + pool_bytes(&h->big);
    for (unsigned c = 0; c < HEAP_CLASSES; c++)
        bytes += pool_bytes(&h->small[c]);
    return bytes;
}
