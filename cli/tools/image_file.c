/* image_file.c - an fsimage as sections of delimited records, read from front to back.
 * The file is mapped; a compressed section (DefaultCodec, gzip) is inflated as it is read, so
 * memory is that of one record and the table of strings. Any bytes may come in: offsets and lengths
 * are checked. Thread: main's. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/tools/internal.h"
#include "image.pb-c.h"

enum { STEP = 1 << 16, MAGIC_SIZE = 8, AUTO_HEADER = 32 };

static const char *const order[] = {
    "NS_INFO",       "STRING_TABLE",      "EXTENDED_ACL",    "ERASURE_CODING",
    "INODE",         "INODE_SUB",         "INODE_REFERENCE", "INODE_REFERENCE_SUB",
    "SNAPSHOT",      "INODE_DIR",         "INODE_DIR_SUB",   "FILES_UNDERCONSTRUCTION",
    "SNAPSHOT_DIFF", "SNAPSHOT_DIFF_SUB", "SECRET_MANAGER",  "CACHE_MANAGER",
};

/* ---- the summary ---- */

static int by_order(const void *a, const void *b)
{
    const struct image_section *x = a, *y = b;
    if (x->order != y->order)
        return x->order - y->order;
    return x->offset == y->offset ? 0 : x->offset < y->offset ? -1 : 1;
}

static int add_section(struct image_file *f, const Image__FileSummary__Section *s, struct err *err)
{
    struct image_section *to = &f->sections[f->section_count];
    *to = (struct image_section){.offset = s->offset, .length = s->length, .order = -1};
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        if (s->name != NULL && strcmp(s->name, order[i]) == 0)
            *to = (struct image_section){order[i], s->offset, s->length, (int)i};
    if (to->order < 0)
        return fail(err, ERR_CORRUPT, "Unrecognized section %s", s->name == NULL ? "" : s->name);
    if (s->offset > f->size || s->length > f->size - s->offset)
        return fail(err, ERR_CORRUPT, "section %s lies outside of the file", to->name);
    f->section_count++;
    return 0;
}

static int take_summary(struct image_file *f, const Image__FileSummary *m, struct err *err)
{
    f->layout_version = (int32_t)m->layout_version;
    f->ondisk_version = m->ondisk_version;
    f->compressed = m->codec != NULL && m->codec[0] != '\0';
    if (f->compressed && strcmp(m->codec, "org.apache.hadoop.io.compress.DefaultCodec") != 0 &&
        strcmp(m->codec, "org.apache.hadoop.io.compress.GzipCodec") != 0)
        return fail(err, ERR_UNSUPPORTED,
                    "the image is compressed by %.200s, which isn't supported", m->codec);
    if (m->n_sections > IMAGE_SECTIONS_MAX)
        return fail(err, ERR_CORRUPT, "the image has too many sections");
    f->sections = arena_array(&f->names, struct image_section, m->n_sections + 1);
    if (f->sections == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the image's sections");
    for (size_t i = 0; i < m->n_sections; i++)
        TRY(add_section(f, m->sections[i], err));
    qsort(f->sections, f->section_count, sizeof(*f->sections), by_order);
    return 0;
}

static int read_summary(struct image_file *f, struct err *err)
{
    if (f->size < MAGIC_SIZE + 4 || memcmp(f->data, "HDFSIMG1", MAGIC_SIZE) != 0)
        return fail(err, ERR_CORRUPT, "Unrecognized FSImage");
    struct reader tail = reader_of(f->data + f->size - 4, 4);
    uint32_t length = read_u32(&tail);
    if (length > f->size - 4 - MAGIC_SIZE)
        return fail(err, ERR_CORRUPT, "the image's summary is longer than the image");
    struct reader in = reader_of(f->data + f->size - 4 - length, length);
    uint64_t body = read_varint(&in);
    struct arena arena;
    arena_init(&arena, 0);
    Image__FileSummary *m = in.bad || body != reader_left(&in)
                                ? NULL
                                : image__file_summary__unpack(&arena.pb, (size_t)body, in.at);
    int rc = m != NULL ? take_summary(f, m, err)
                       : fail(err, ERR_CORRUPT, "the image's summary is malformed");
    arena_fini(&arena);
    return rc;
}

const struct image_section *image_section(const struct image_file *f, const char *name)
{
    for (size_t i = 0; i < f->section_count; i++)
        if (strcmp(f->sections[i].name, name) == 0)
            return &f->sections[i];
    return NULL;
}

/* ---- strings ---- */

static int by_id(const void *a, const void *b)
{
    const struct string_of_id *x = a, *y = b;
    return x->id == y->id ? 0 : x->id < y->id ? -1 : 1;
}

static int add_string(struct image_file *f, uint32_t id, const char *text, struct err *err)
{
    if ((f->string_count & (f->string_count - 1)) == 0) { /* doubles at powers of two */
        size_t n = f->string_count == 0 ? 16 : f->string_count * 2;
        struct string_of_id *grown = realloc(f->strings, n * sizeof(*grown));
        if (grown == NULL)
            return fail(err, ERR_NO_MEMORY, "no memory for the image's strings");
        f->strings = grown;
    }
    const char *copy = arena_strdup(&f->names, text == NULL ? "" : text);
    if (copy == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the image's strings");
    f->strings[f->string_count++] = (struct string_of_id){id, copy};
    return 0;
}

static int read_strings(struct image_file *f, struct records *r, struct err *err)
{
    struct slice bytes;
    bool one;
    TRY(records_next(r, &bytes, &one, err));
    Image__StringTableSection *head =
        !one ? NULL : image__string_table_section__unpack(&r->arena.pb, bytes.size, bytes.data);
    if (head == NULL || head->mask_bits > 8)
        return records_bad(r, err);
    f->kind_bits = head->mask_bits;
    for (uint32_t i = 0, count = head->num_entry; i < count; i++) {
        TRY(records_next(r, &bytes, &one, err));
        Image__StringTableEntry *e =
            !one ? NULL : image__string_table_entry__unpack(&r->arena.pb, bytes.size, bytes.data);
        if (e == NULL)
            return records_bad(r, err);
        TRY(add_string(f, e->id, e->str, err));
    }
    if (f->string_count > 0)
        qsort(f->strings, f->string_count, sizeof(*f->strings), by_id);
    return 0;
}

static int load_strings(struct image_file *f, struct err *err)
{
    const struct image_section *s = image_section(f, "STRING_TABLE");
    struct records r;
    if (s == NULL)
        return 0;
    TRY(records_open(&r, f, s, err));
    int rc = read_strings(f, &r, err);
    records_close(&r);
    return rc;
}

const char *image_string_of(const struct image_file *f, unsigned kind, uint32_t id)
{
    struct string_of_id key = {.id = id};
    if (id == 0 || f->string_count == 0)
        return "null";
    if (f->kind_bits > 0)
        key.id = kind << (32 - f->kind_bits) | (id & UINT32_MAX >> f->kind_bits);
    const struct string_of_id *e = bsearch(&key, f->strings, f->string_count, sizeof(key), by_id);
    return e == NULL ? "null" : e->text;
}

/* ---- the file ---- */

int image_open(struct image_file *f, const char *path, struct err *err)
{
    *f = (struct image_file){.data = MAP_FAILED};
    arena_init(&f->names, 0);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "%s", path);
    int rc = fstat(fd, &st) != 0 ? fail_errno(err, "%s", path) : 0;
    if (rc == 0 && st.st_size == 0)
        rc = fail(err, ERR_CORRUPT, "Unrecognized FSImage");
    if (rc == 0) {
        f->size = (size_t)st.st_size;
        f->data = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0);
        rc = f->data == MAP_FAILED ? fail_errno(err, "%s", path) : 0;
    }
    close(fd);
    if (rc == 0)
        rc = read_summary(f, err);
    return rc == 0 ? load_strings(f, err) : rc;
}

void image_close(struct image_file *f)
{
    if (f->data != MAP_FAILED)
        munmap((void *)(uintptr_t)f->data, f->size);
    free(f->strings);
    arena_fini(&f->names);
}

/* ---- records ---- */

int records_bad(const struct records *r, struct err *err)
{
    return fail(err, ERR_CORRUPT, "the image's section %s has a malformed record",
                r->section->name);
}

int records_open(struct records *r, const struct image_file *f, const struct image_section *s,
                 struct err *err)
{
    *r = (struct records){.file = f, .section = s};
    if (f->compressed) {
        z_stream *z = calloc(1, sizeof(*z));
        if (z == NULL || inflateInit2(z, MAX_WBITS + AUTO_HEADER) != Z_OK) {
            free(z);
            return fail(err, ERR_NO_MEMORY, "no memory for inflating the image");
        }
        z->next_in = (Bytef *)(uintptr_t)(f->data + s->offset);
        r->inflater = z;
    } else {
        r->in = reader_of(f->data + s->offset, (size_t)s->length);
    }
    arena_init(&r->arena, 0);
    return 0;
}

void records_close(struct records *r)
{
    if (r->inflater != NULL)
        inflateEnd(r->inflater);
    free(r->inflater);
    buf_fini(&r->inflated);
    arena_fini(&r->arena);
}

/* More bytes behind those that are left. *ret_more false: there are none. */
static int inflate_more(struct records *r, bool *ret_more, struct err *err)
{
    z_stream *z = r->inflater;
    const uint8_t *end = r->file->data + r->section->offset + r->section->length;
    *ret_more = false;
    if (z == NULL || r->ended)
        return 0;
    buf_consume(&r->inflated, buf_size(&r->inflated) - reader_left(&r->in));
    uint8_t *p = buf_reserve(&r->inflated, STEP);
    if (p == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for inflating the image");
    size_t left = (size_t)(end - (const uint8_t *)z->next_in);
    z->avail_in = left < (1u << 30) ? (uInt)left : 1u << 30;
    z->next_out = p;
    z->avail_out = STEP;
    int rc = inflate(z, Z_NO_FLUSH);
    buf_commit(&r->inflated, STEP - z->avail_out);
    if (rc != Z_OK && rc != Z_STREAM_END)
        return fail(err, ERR_CORRUPT, "the image's section %s is damaged", r->section->name);
    r->ended = rc == Z_STREAM_END;
    *ret_more = z->avail_out < STEP;
    r->in = reader_of(buf_head(&r->inflated), buf_size(&r->inflated));
    return 0;
}

int records_next(struct records *r, struct slice *ret, bool *ret_one, struct err *err)
{
    arena_reset(&r->arena);
    for (;;) {
        struct reader ahead = r->in;
        bool more;
        uint64_t size = read_varint(&ahead);
        if (!ahead.bad && size <= reader_left(&ahead)) {
            *ret = read_bytes(&ahead, (size_t)size);
            *ret_one = true;
            r->in = ahead;
            return 0;
        }
        TRY(inflate_more(r, &more, err));
        if (more)
            continue;
        *ret_one = false;
        return reader_left(&r->in) == 0 ? 0 : records_bad(r, err);
    }
}
