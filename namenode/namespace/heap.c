/* heap.c - names, block lists, targets and the like: bytes of any size under 32-bit handles; and
 * interned names.
 * Thread: state. Small pieces come from pools of fixed size, so that a name costs no header and no
 * malloc of its own; pieces over 256 bytes are malloc'ed to a power of two. Invariant: the owner
 * passes the size it asked for. */
#include <stdlib.h>

#include "namenode/namespace/internal.h"

static const uint16_t class_size[HEAP_CLASSES] = {8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256};

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

/* ---- users, groups and attribute names as small ids, so that an inode needs 24 bits for each.
 * A name once given an id keeps it; there are few of them, so none is ever dropped. ---- */

enum { MAX_NAMES = (1 << 24) - 1 };

struct interned {
    uint32_t id;
    UT_hash_handle hh;
    char text[];
};

void names_fini(struct name_table *t)
{
    struct interned *e, *next;
    HASH_ITER(hh, t->by_name, e, next)
    {
        HASH_DEL(t->by_name, e);
        free(e);
    }
    free(t->by_id);
    *t = (struct name_table){0};
}

static bool grow(struct name_table *t)
{
    if (t->count + 1 < t->capacity)
        return true;
    uint32_t capacity = t->capacity == 0 ? 16 : t->capacity * 2;
    struct interned **by_id = realloc(t->by_id, capacity * sizeof(struct interned *));
    if (by_id == NULL)
        return false;
    t->by_id = by_id;
    t->capacity = capacity;
    return true;
}

int ns_intern(struct ns *ns, enum name_kind kind, struct slice name, uint32_t *ret_id)
{
    struct name_table *t = &ns->names[kind];
    struct interned *e = NULL;
    name = until_zero(name);
    if (name.size == 0) {
        *ret_id = 0;
        return 0;
    }
    HASH_FIND(hh, t->by_name, name.data, name.size, e);
    if (e != NULL) {
        *ret_id = e->id;
        return 0;
    }
    if (t->count == MAX_NAMES || !grow(t))
        return ERR_NO_MEMORY;
    e = calloc(1, sizeof(*e) + name.size + 1);
    if (e == NULL)
        return ERR_NO_MEMORY;
    memcpy(e->text, name.data, name.size);
    e->id = ++t->count;
    t->by_id[e->id] = e;
    HASH_ADD(hh, t->by_name, text[0], name.size, e);
    *ret_id = e->id;
    return 0;
}

uint32_t ns_name_id(const struct ns *ns, enum name_kind kind, const char *name)
{
    struct interned *e = NULL;
    HASH_FIND(hh, ns->names[kind].by_name, name, strlen(name), e);
    return e == NULL ? 0 : e->id;
}

const char *ns_interned(const struct ns *ns, enum name_kind kind, uint32_t id)
{
    const struct name_table *t = &ns->names[kind];
    return id == 0 || id > t->count ? "" : t->by_id[id]->text;
}

uint32_t ns_interned_count(const struct ns *ns, enum name_kind kind)
{
    return ns->names[kind].count;
}
