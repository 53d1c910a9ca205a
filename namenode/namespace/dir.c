/* dir.c - the children of a directory, in signed-byte order of their names (what Java's binary
 * search expects).
 *
 * A directory of up to 64 children is one run of handles on the heap. A larger one is a list of
 * chunks of up to 255 handles: finding is a binary search over the chunks' first names and then
 * inside one, inserting moves at most one chunk and, at a split, the list of chunks (4 bytes per
 * 128 children or more). Names live with the inodes. Thread: state. Invariants: (1) runs are never
 * empty; (2) names rise strictly through all runs; (3) child_count is the sum of the runs; (4)
 * INODE_BIG_DIR tells which of the two forms it is. */
#include <stdlib.h>

#include "namenode/namespace/internal.h"

enum { SHRINK_AT = DIR_SMALL_MAX / 2, MERGE_UP_TO = 192 };

int name_compare(struct slice a, struct slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    for (size_t i = 0; i < n; i++)
        if (a.data[i] != b.data[i])
            return (int8_t)a.data[i] < (int8_t)b.data[i] ? -1 : 1;
    return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

static struct dir_chunk *chunk_at(const struct ns *ns, handle_t h)
{
    return pool_at(&ns->chunks, h);
}

static struct big_dir *big_of(const struct ns *ns, const struct inode *d)
{
    return pool_at(&ns->big_dirs, d->dir.index);
}

static handle_t *small_run(const struct ns *ns, const struct inode *d)
{
    return heap_at(&ns->heap, d->dir.index, d->dir.child_count * sizeof(handle_t));
}

const handle_t *ns_children(const struct ns *ns, handle_t dir, uint32_t k, uint32_t *ret_count)
{
    const struct inode *d = at_inode(ns, dir);
    if ((d->flags & INODE_BIG_DIR) == 0) {
        if (k > 0 || d->dir.child_count == 0)
            return NULL;
        *ret_count = d->dir.child_count;
        return small_run(ns, d);
    }
    const struct big_dir *b = big_of(ns, d);
    if (k >= b->count)
        return NULL;
    const struct dir_chunk *c = chunk_at(ns, b->chunks[k]);
    *ret_count = c->count;
    return c->at;
}

/* First position in the run whose name is not less. */
static uint32_t lower_bound(const struct ns *ns, const handle_t *run, uint32_t count,
                            struct slice name, bool *found)
{
    uint32_t low = 0, high = count;
    *found = false;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = name_compare(name_of(ns, at_inode(ns, run[middle])), name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last chunk whose first name is not greater; 0 when all are. */
static uint32_t chunk_for(const struct ns *ns, const struct big_dir *b, struct slice name)
{
    uint32_t low = 0, high = b->count; /* the first chunk beyond is in [low, high] */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        handle_t first = chunk_at(ns, b->chunks[middle])->at[0];
        if (name_compare(name_of(ns, at_inode(ns, first)), name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : low - 1;
}

bool dir_find(const struct ns *ns, handle_t dir, struct slice name, uint32_t *run,
              uint32_t *position)
{
    const struct inode *d = at_inode(ns, dir);
    CHECK(d->type == INODE_DIR);
    *run = (d->flags & INODE_BIG_DIR) != 0 ? chunk_for(ns, big_of(ns, d), name) : 0;
    uint32_t count = 0;
    const handle_t *at = ns_children(ns, dir, *run, &count);
    bool found = false;
    *position = at == NULL ? 0 : lower_bound(ns, at, count, name, &found);
    return found;
}

handle_t ns_child(const struct ns *ns, handle_t dir, struct slice name)
{
    uint32_t run, position, count;
    if (!dir_find(ns, dir, name, &run, &position))
        return 0;
    return ns_children(ns, dir, run, &count)[position];
}

uint32_t ns_list(const struct ns *ns, handle_t dir, struct slice start_after, uint32_t max,
                 handle_t *out, uint64_t *ret_remaining)
{
    uint32_t run, position, count, n = 0;
    if (dir_find(ns, dir, start_after, &run, &position))
        position++;
    uint64_t remaining = 0;
    const handle_t *at;
    for (; (at = ns_children(ns, dir, run, &count)) != NULL; run++, position = 0) {
        uint32_t take = count - position < max - n ? count - position : max - n;
        if (take > 0)
            memcpy(out + n, at + position, take * sizeof(*out));
        n += take;
        remaining += count - position - take;
        if (ret_remaining == NULL && n == max)
            break;
    }
    if (ret_remaining != NULL)
        *ret_remaining = remaining;
    return n;
}

handle_t ns_child_at(const struct ns *ns, handle_t dir, uint32_t i)
{
    uint32_t count;
    const handle_t *at;
    for (uint32_t k = 0; (at = ns_children(ns, dir, k, &count)) != NULL; k++) {
        if (i < count)
            return at[i];
        i -= count;
    }
    return 0;
}

/* ---- changing ---- */

static int small_insert(struct ns *ns, struct inode *d, uint32_t position, handle_t child)
{
    size_t old_size = d->dir.child_count * sizeof(handle_t);
    handle_t index = heap_resize(&ns->heap, d->dir.index, old_size, old_size + sizeof(handle_t));
    if (index == 0)
        return ERR_NO_MEMORY;
    d->dir.index = index;
    handle_t *at = heap_at(&ns->heap, index, old_size + sizeof(handle_t));
    memmove(at + position + 1, at + position, (d->dir.child_count - position) * sizeof(*at));
    at[position] = child;
    d->dir.child_count++;
    return 0;
}

/* Makes room for one more chunk at place k and puts an empty chunk there. */
static struct dir_chunk *add_chunk(struct ns *ns, struct big_dir *b, uint32_t k)
{
    if (b->count == b->capacity) {
        uint32_t capacity = b->capacity == 0 ? 4 : b->capacity * 2;
        handle_t *chunks = realloc(b->chunks, capacity * sizeof(*chunks));
        if (chunks == NULL)
            return NULL;
        b->chunks = chunks;
        b->capacity = capacity;
    }
    handle_t h = pool_take(&ns->chunks);
    if (h == 0)
        return NULL;
    memmove(b->chunks + k + 1, b->chunks + k, (b->count - k) * sizeof(*b->chunks));
    b->chunks[k] = h;
    b->count++;
    return chunk_at(ns, h);
}

static void drop_chunk(struct ns *ns, struct big_dir *b, uint32_t k)
{
    pool_give(&ns->chunks, b->chunks[k]);
    b->count--;
    memmove(b->chunks + k, b->chunks + k + 1, (b->count - k) * sizeof(*b->chunks));
}

static int to_big(struct ns *ns, struct inode *d)
{
    handle_t h = pool_take(&ns->big_dirs);
    if (h == 0)
        return ERR_NO_MEMORY;
    struct big_dir *b = pool_at(&ns->big_dirs, h);
    struct dir_chunk *c = add_chunk(ns, b, 0);
    if (c == NULL) {
        free(b->chunks);
        b->chunks = NULL;
        pool_give(&ns->big_dirs, h);
        return ERR_NO_MEMORY;
    }
    c->count = d->dir.child_count;
    memcpy(c->at, small_run(ns, d), c->count * sizeof(handle_t));
    heap_give(&ns->heap, d->dir.index, c->count * sizeof(handle_t));
    d->dir.index = h;
    d->flags |= INODE_BIG_DIR;
    return 0;
}

static void free_big(struct ns *ns, struct inode *d)
{
    struct big_dir *b = big_of(ns, d);
    while (b->count > 0)
        drop_chunk(ns, b, b->count - 1);
    free(b->chunks);
    b->chunks = NULL;
    pool_give(&ns->big_dirs, d->dir.index);
    d->flags &= (uint8_t)~INODE_BIG_DIR;
    d->dir.index = 0;
}

/* Back to one run when little is left. Not having the memory for it is no harm: the big form stays.
 */
static void try_small(struct ns *ns, struct inode *d)
{
    handle_t run[SHRINK_AT];
    uint32_t n = 0;
    const struct big_dir *b = big_of(ns, d);
    for (uint32_t k = 0; k < b->count; k++) {
        const struct dir_chunk *c = chunk_at(ns, b->chunks[k]);
        memcpy(run + n, c->at, c->count * sizeof(handle_t));
        n += c->count;
    }
    CHECK(n == d->dir.child_count);
    handle_t index = heap_put(&ns->heap, run, n * sizeof(handle_t));
    if (index == 0 && n > 0)
        return;
    free_big(ns, d);
    d->dir.index = index;
}

/* Splits chunk k, which is full. A name that goes behind the last one starts a new chunk, so that
 * children that come in order (an image, a bulk load) fill chunks. */
static int split_chunk(struct ns *ns, struct big_dir *b, uint32_t *k, uint32_t *position)
{
    bool at_end = *k == b->count - 1 && *position == DIR_CHUNK_MAX;
    struct dir_chunk *right = add_chunk(ns, b, *k + 1);
    if (right == NULL)
        return ERR_NO_MEMORY;
    struct dir_chunk *left = chunk_at(ns, b->chunks[*k]);
    uint32_t keep = at_end ? DIR_CHUNK_MAX : DIR_CHUNK_MAX / 2;
    right->count = left->count - keep;
    memcpy(right->at, left->at + keep, right->count * sizeof(handle_t));
    left->count = keep;
    if (*position > keep || at_end) {
        *k += 1;
        *position -= keep;
    }
    return 0;
}

int dir_insert(struct ns *ns, handle_t dir, handle_t child)
{
    struct inode *d = at_inode(ns, dir);
    uint32_t k, position;
    CHECK(!dir_find(ns, dir, name_of(ns, at_inode(ns, child)), &k, &position));
    if ((d->flags & INODE_BIG_DIR) == 0) {
        if (d->dir.child_count < DIR_SMALL_MAX)
            return small_insert(ns, d, position, child);
        TRY(to_big(ns, d));
    }
    struct big_dir *b = big_of(ns, d);
    if (chunk_at(ns, b->chunks[k])->count == DIR_CHUNK_MAX)
        TRY(split_chunk(ns, b, &k, &position));
    struct dir_chunk *c = chunk_at(ns, b->chunks[k]);
    memmove(c->at + position + 1, c->at + position, (c->count - position) * sizeof(handle_t));
    c->at[position] = child;
    c->count++;
    d->dir.child_count++;
    return 0;
}

static void merge_chunk(struct ns *ns, struct big_dir *b, uint32_t k)
{
    struct dir_chunk *c = chunk_at(ns, b->chunks[k]);
    if (c->count == 0) {
        drop_chunk(ns, b, k);
    } else if (k + 1 < b->count && c->count < DIR_SMALL_MAX) {
        struct dir_chunk *right = chunk_at(ns, b->chunks[k + 1]);
        if (c->count + right->count > MERGE_UP_TO)
            return;
        memcpy(c->at + c->count, right->at, right->count * sizeof(handle_t));
        c->count += right->count;
        drop_chunk(ns, b, k + 1);
    }
}

static void remove_at(struct ns *ns, struct inode *d, uint32_t k, uint32_t position)
{
    if ((d->flags & INODE_BIG_DIR) == 0) {
        size_t size = d->dir.child_count * sizeof(handle_t);
        handle_t *at = small_run(ns, d);
        memmove(at + position, at + position + 1,
                (d->dir.child_count - position - 1) * sizeof(*at));
        d->dir.child_count--;
        if (d->dir.child_count == 0) {
            heap_give(&ns->heap, d->dir.index, size);
            d->dir.index = 0;
        } else if (heap_capacity(size) != heap_capacity(size - sizeof(*at))) {
            /* a piece's size decides where it lives, so it has to move; both pools have room or get
             * it */
            handle_t index = heap_resize(&ns->heap, d->dir.index, size, size - sizeof(*at));
            CHECK(index != 0);
            d->dir.index = index;
        }
        return;
    }
    struct big_dir *b = big_of(ns, d);
    struct dir_chunk *c = chunk_at(ns, b->chunks[k]);
    memmove(c->at + position, c->at + position + 1, (c->count - position - 1) * sizeof(handle_t));
    c->count--;
    d->dir.child_count--;
    if (d->dir.child_count <= SHRINK_AT)
        try_small(ns, d);
    else
        merge_chunk(ns, b, k);
}

void dir_remove(struct ns *ns, handle_t dir, handle_t child)
{
    uint32_t k, position;
    CHECK(dir_find(ns, dir, name_of(ns, at_inode(ns, child)), &k, &position));
    remove_at(ns, at_inode(ns, dir), k, position);
}

handle_t dir_take_last(struct ns *ns, handle_t dir)
{
    struct inode *d = at_inode(ns, dir);
    uint32_t count = 0, k = (d->flags & INODE_BIG_DIR) != 0 ? big_of(ns, d)->count - 1 : 0;
    const handle_t *at = ns_children(ns, dir, k, &count);
    if (at == NULL)
        return 0;
    handle_t last = at[count - 1];
    remove_at(ns, d, k, count - 1);
    return last;
}

/* ---- walking ---- */

struct ns_walk ns_walk_from(const struct ns *ns, handle_t top)
{
    return (struct ns_walk){.ns = ns, .top = top};
}

static handle_t walk_up(struct ns_walk *w)
{
    while (w->dir != 0) {
        uint32_t count;
        const handle_t *at = ns_children(w->ns, w->dir, w->run, &count);
        if (++w->position >= count) {
            w->position = 0;
            at = ns_children(w->ns, w->dir, ++w->run, &count);
        }
        if (at != NULL)
            return w->at = at[w->position];
        if (w->dir == w->top)
            break;
        handle_t done = w->dir;
        w->dir = at_inode(w->ns, done)->parent;
        CHECK(dir_find(w->ns, w->dir, ns_name(w->ns, done), &w->run, &w->position));
    }
    w->top = w->dir = 0;
    return w->at = 0;
}

handle_t ns_walk_skip(struct ns_walk *w)
{
    return walk_up(w);
}

handle_t ns_walk_next(struct ns_walk *w)
{
    if (w->at == 0) /* before the first, or after the last */
        return w->at = w->top;
    const struct inode *i = at_inode(w->ns, w->at);
    if (i->type != INODE_DIR || i->dir.child_count == 0)
        return walk_up(w);
    uint32_t count;
    w->dir = w->at;
    w->run = w->position = 0;
    return w->at = ns_children(w->ns, w->dir, 0, &count)[0];
}
