/* plan.c - which block holds which byte of a file.
 * Pure; the file's lock guards a plan. Pages are counted without atomics: references change under
 * that lock only. Invariants: (1) entries are sorted, don't overlap and have length > 0; (2) each
 * entry holds a reference of its page; (3) a failed merge leaves the plan as it was. */
#include <stdlib.h>

#include "libdfs/read/read.h"

enum { PAGE_MEMORY = 128 * 1024 * 1024 };

struct rd_page *rd_page_new(void)
{
    struct rd_page *page = calloc(1, sizeof(*page));
    if (page == NULL)
        return NULL;
    page->refs = 1;
    arena_init(&page->arena, PAGE_MEMORY);
    return page;
}

struct rd_page *rd_page_ref(struct rd_page *page)
{
    page->refs++;
    return page;
}

void rd_page_unref(struct rd_page *page)
{
    if (page == NULL || --page->refs > 0)
        return;
    arena_fini(&page->arena);
    free(page);
}

void rd_plan_fini(struct rd_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        rd_page_unref(p->items[i].page);
    free(p->items);
    *p = (struct rd_plan){0};
}

/* Index of the first entry that ends behind offset. */
static size_t lower_bound(const struct rd_plan *p, uint64_t offset)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->items[mid].offset + p->items[mid].length <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct rd_entry *rd_plan_find(const struct rd_plan *p, uint64_t offset)
{
    size_t i = lower_bound(p, offset);
    return i < p->count && p->items[i].offset <= offset ? &p->items[i] : NULL;
}

static int reserve(struct rd_plan *p, size_t more, struct err *err)
{
    if (p->count + more <= p->capacity)
        return 0;
    size_t capacity = (p->count + more) * 2;
    struct rd_entry *items = realloc(p->items, capacity * sizeof(*items));
    if (items == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the locations of a file");
    p->items = items;
    p->capacity = capacity;
    return 0;
}

/* Room is reserved. Old entries that overlap give way. */
static void insert(struct rd_plan *p, struct rd_entry e)
{
    size_t first = lower_bound(p, e.offset), last = first;
    while (last < p->count && p->items[last].offset < e.offset + e.length)
        rd_page_unref(p->items[last++].page);
    memmove(p->items + first + 1, p->items + last, (p->count - last) * sizeof(*p->items));
    p->count = p->count - (last - first) + 1;
    p->items[first] = e;
    (void)rd_page_ref(e.page);
}

static int check_block(const Hdfs__LocatedBlock *b, uint64_t at_least, uint64_t file_length,
                       struct err *err)
{
    if (b->offset < at_least || b->b->num_bytes > file_length ||
        b->offset > file_length - b->b->num_bytes)
        return fail(err, ERR_PROTOCOL,
                    "locations of block %llu (offset %llu, %llu bytes) contradict the file's "
                    "length %llu or other blocks",
                    (unsigned long long)b->b->block_id, (unsigned long long)b->offset,
                    (unsigned long long)b->b->num_bytes, (unsigned long long)file_length);
    return 0;
}

int rd_plan_merge(struct rd_plan *p, struct rd_page *page, struct err *err)
{
    const Hdfs__LocatedBlocks *blocks = page->blocks;
    uint64_t length = blocks->file_length, end = 0;
    size_t count = 0;
    for (; count < blocks->n_blocks; count++) {
        const Hdfs__LocatedBlock *b = blocks->blocks[count];
        if (b->offset >= length)
            break; /* the one still being written */
        TRY(check_block(b, end, length, err));
        end = b->offset + b->b->num_bytes;
    }
    TRY(reserve(p, count, err));
    for (size_t i = 0; i < count; i++) {
        const Hdfs__LocatedBlock *b = blocks->blocks[i];
        if (b->b->num_bytes > 0)
            insert(p, (struct rd_entry){b->offset, b->b->num_bytes, b, page, false});
    }
    if (p->length < length)
        p->length = length;
    return 0;
}

int rd_plan_add_open_block(struct rd_plan *p, struct rd_page *page, uint64_t visible,
                           struct err *err)
{
    const Hdfs__LocatedBlock *b = page->blocks->last_block;
    uint64_t end;
    if (__builtin_add_overflow(b->offset, visible, &end))
        return fail(err, ERR_PROTOCOL, "open block %llu has %llu bytes at offset %llu",
                    (unsigned long long)b->b->block_id, (unsigned long long)visible,
                    (unsigned long long)b->offset);
    if (visible == 0)
        return 0;
    TRY(reserve(p, 1, err));
    insert(p, (struct rd_entry){b->offset, visible, b, page, true});
    if (p->length < end)
        p->length = end;
    return 0;
}

int rd_check_supported(const Hdfs__LocatedBlocks *blocks, struct err *err)
{
    if (blocks->file_encryption_info != NULL)
        return fail(err, ERR_UNSUPPORTED,
                    "the file lies in an encryption zone (key %s); this client has no keys",
                    blocks->file_encryption_info->key_name);
    struct ec_policy policy;
    if (blocks->ec_policy != NULL)
        TRY(ec_policy_take(blocks->ec_policy, &policy, err));
    return 0;
}
