/* source.c - bytes from memory, from a part of another source, and numbers out of them.
 * Thread: the command's. */
#include "cli/unpack/internal.h"

static int read_memory(struct source *s, void *data, size_t size, size_t *ret, struct err *err)
{
    struct source_memory *m = (struct source_memory *)s;
    (void)err;
    *ret = size < m->left ? size : m->left;
    if (*ret > 0)
        memcpy(data, m->data, *ret);
    m->data += *ret;
    m->left -= *ret;
    return 0;
}

struct source_memory source_memory(const void *data, size_t size)
{
    static const uint8_t nothing;
    return (struct source_memory){{read_memory}, data == NULL ? &nothing : data, size};
}

static int ends_early(struct err *err)
{
    return fail(err, ERR_EOF, "the file ends too early");
}

static int read_limit(struct source *s, void *data, size_t size, size_t *ret, struct err *err)
{
    struct source_limit *l = (struct source_limit *)s;
    *ret = 0;
    if (l->left == 0 || size == 0)
        return 0;
    TRY(l->from->read(l->from, data, size < l->left ? size : (size_t)l->left, ret, err));
    if (*ret == 0)
        return ends_early(err);
    l->left -= *ret;
    return 0;
}

struct source_limit source_limit(struct source *from, uint64_t size)
{
    return (struct source_limit){{read_limit}, from, size};
}

int source_get_or_end(struct source *from, void *data, size_t size, bool *ret_more, struct err *err)
{
    size_t have = 0, n = 1;
    while (have < size && n > 0) {
        TRY(from->read(from, (uint8_t *)data + have, size - have, &n, err));
        have += n;
    }
    if (have < size && have > 0)
        return ends_early(err);
    *ret_more = have == size;
    return 0;
}

int source_get(struct source *from, void *data, size_t size, struct err *err)
{
    bool more;
    TRY(source_get_or_end(from, data, size, &more, err));
    return more ? 0 : ends_early(err);
}

int source_append(struct source *from, uint64_t size, struct buf *b, struct err *err)
{
    if (size > ITEM_MAX)
        return fail(err, ERR_CORRUPT, "a part of %llu bytes is too long", (unsigned long long)size);
    while (size > 0) {
        size_t n = size < CHUNK ? (size_t)size : CHUNK;
        uint8_t *to = buf_reserve(b, n);
        if (to == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory");
        TRY(source_get(from, to, n, err));
        buf_commit(b, n);
        size -= n;
    }
    return 0;
}

int source_skip(struct source *from, uint64_t size, struct err *err)
{
    uint8_t bytes[4096];
    while (size > 0) {
        size_t n = size < sizeof(bytes) ? (size_t)size : sizeof(bytes);
        TRY(source_get(from, bytes, n, err));
        size -= n;
    }
    return 0;
}

int source_u32(struct source *from, uint32_t *ret, struct err *err)
{
    uint8_t bytes[4];
    TRY(source_get(from, bytes, sizeof(bytes), err));
    struct reader r = reader_of(bytes, sizeof(bytes));
    *ret = read_u32(&r);
    return 0;
}

/* The first byte is the number itself, or says how many bytes follow and whether they are
 * inverted. */
int source_vlong(struct source *from, int64_t *ret, struct err *err)
{
    enum { SMALLEST = -112, INVERTED = -120 };
    uint8_t bytes[8];
    int8_t first;
    TRY(source_get(from, &first, 1, err));
    if (first >= SMALLEST) {
        *ret = first;
        return 0;
    }
    bool inverted = first < INVERTED;
    size_t size = (size_t)((inverted ? INVERTED : SMALLEST) - first);
    uint64_t n = 0;
    TRY(source_get(from, bytes, size, err));
    for (size_t i = 0; i < size; i++)
        n = n << 8 | bytes[i];
    *ret = (int64_t)(inverted ? ~n : n);
    return 0;
}

int source_vint(struct source *from, int32_t *ret, struct err *err)
{
    int64_t n;
    TRY(source_vlong(from, &n, err));
    if (n < INT32_MIN || n > INT32_MAX)
        return fail(err, ERR_CORRUPT, "value too long to fit in integer");
    *ret = (int32_t)n;
    return 0;
}

int source_length(struct source *from, uint32_t *ret, struct err *err)
{
    int32_t n;
    TRY(source_vint(from, &n, err));
    if (n < 0)
        return fail(err, ERR_CORRUPT, "a length is %d", n);
    *ret = (uint32_t)n;
    return 0;
}

int source_copy(struct source *from, FILE *out, struct err *err)
{
    uint8_t *bytes = text_alloc(CHUNK);
    size_t n = 0;
    int rc;
    while ((rc = from->read(from, bytes, CHUNK, &n, err)) == 0 && n > 0) {
        if (fwrite(bytes, 1, n, out) != n) {
            rc = fail(err, ERR_IO, "Unable to write to output stream.");
            break;
        }
    }
    text_free(bytes);
    return rc;
}
