/* load_strings.c - the image's table of user, group and attribute names, and their numbers there
 * and here. */
#include <stdlib.h>

#include "namenode/image/internal.h"

static int by_kind_and_id(const void *a, const void *b)
{
    const struct string_entry *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->id == y->id ? 0 : x->id < y->id ? -1 : 1;
}

static int add(struct image_loader *l, uint32_t stored_id, unsigned kind_bits, struct slice text)
{
    if ((l->string_count & (l->string_count - 1)) == 0) { /* the array doubles at powers of two */
        size_t n = l->string_count == 0 ? 1 : l->string_count * 2;
        struct string_entry *grown = realloc(l->strings, n * sizeof(*grown));
        if (grown == NULL)
            return ERR_NO_MEMORY;
        l->strings = grown;
    }
    struct string_entry *e = &l->strings[l->string_count++];
    *e = (struct string_entry){.id = stored_id, .text = text};
    if (kind_bits > 0) {
        e->kind = stored_id >> (32 - kind_bits);
        e->id = stored_id & (UINT32_MAX >> kind_bits);
    }
    return 0;
}

/* The text of field 2 of an entry, as it lies in the section: protobuf-c's copy wouldn't outlive
 * the record. */
static bool find_text(struct slice record, struct slice *ret)
{
    struct reader r = reader_of(record.data, record.size);
    *ret = (struct slice){0};
    while (reader_left(&r) > 0 && !r.bad) {
        uint64_t tag = read_varint(&r);
        uint64_t value = read_varint(&r); /* both known fields begin with a varint */
        if ((tag & 7) == 2) {
            struct slice s =
                value > reader_left(&r) ? (struct slice){0} : read_bytes(&r, (size_t)value);
            r.bad |= s.size != value;
            if (tag >> 3 == 2)
                *ret = s;
        } else if ((tag & 7) != 0) {
            return false;
        }
    }
    return !r.bad;
}

int image_load_strings(struct image_loader *l, struct err *err)
{
    struct slice bytes, text;
    TRY(image_record(l, &bytes, err));
    Image__StringTableSection *head =
        image__string_table_section__unpack(&l->arena.pb, bytes.size, bytes.data);
    if (head == NULL || head->mask_bits > 8)
        return image_corrupt(l, err, "a malformed header");
    unsigned kind_bits = head->mask_bits;
    for (uint32_t i = 0, count = head->num_entry; i < count; i++) {
        TRY(image_record(l, &bytes, err));
        Image__StringTableEntry *e =
            image__string_table_entry__unpack(&l->arena.pb, bytes.size, bytes.data);
        if (e == NULL || !find_text(bytes, &text) ||
            (text.size > 0 && memchr(text.data, 0, text.size) != NULL))
            return image_corrupt(l, err, "a malformed entry");
        if (add(l, e->id, kind_bits, text) != 0)
            return fail(err, ERR_NO_MEMORY, "no memory for the image's strings");
    }
    if (l->string_count > 0)
        qsort(l->strings, l->string_count, sizeof(*l->strings), by_kind_and_id);
    return 0;
}

int image_intern_strings(struct image_loader *l)
{
    for (size_t i = 0; i < l->string_count; i++)
        for (enum name_kind kind = NAME_USER; kind <= NAME_XATTR; kind++)
            if (l->strings[i].kind == 0 || l->strings[i].kind == kind)
                TRY(ns_intern(l->nn->ns, kind, l->strings[i].text, &l->strings[i].ours[kind]));
    return 0;
}

static struct string_entry *find(struct image_loader *l, uint32_t kind, uint32_t id)
{
    struct string_entry key = {.kind = kind, .id = id};
    return l->string_count == 0
               ? NULL
               : bsearch(&key, l->strings, l->string_count, sizeof(key), by_kind_and_id);
}

int image_string(struct image_loader *l, enum name_kind kind, uint32_t id, uint32_t *ret,
                 struct err *err)
{
    *ret = 0;
    if (id == 0)
        return 0;
    struct string_entry *e = find(l, kind, id);
    if (e == NULL)
        e = find(l, 0, id);
    if (e == NULL)
        return image_corrupt(l, err, "a name that the string table doesn't have");
    if (e->ours[kind] == 0 && ns_intern(l->nn->ns, kind, e->text, &e->ours[kind]) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory for the image's strings");
    *ret = e->ours[kind];
    return 0;
}
