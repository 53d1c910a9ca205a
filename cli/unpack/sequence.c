/* sequence.c - Hadoop's sequence files: a header, then records, or blocks of records.
 *
 *   header  "SEQ", version, class of keys, class of values, packed?, in blocks?, codec, metadata,
 *           16 bytes of sync; older versions lack some of it
 *   record  length, length of the key, key, value (packed by itself if the file is packed);
 *           a length of -1: the sync bytes come first
 *   block   -1, sync, count, then lengths of keys, keys, lengths of values, values, each packed
 *           with its packed length in front
 *
 * Objects say themselves where they end; the lengths beside them are checked where Hadoop checks
 * them. Thread: the command's. */
#include "cli/unpack/internal.h"

enum { SYNC_SIZE = 16, NAME_MAX_SIZE = 1024, NEWEST = 6 };

struct sequence {
    struct source *from;
    FILE *out;
    uint8_t version;
    bool packed, blocks;
    enum codec codec;
    const struct writable *key, *value;
    uint8_t sync[SYNC_SIZE];
    struct buf text; /* of one record */
};

/* ---- header ---- */

static int get_name(struct sequence *s, char name[NAME_MAX_SIZE], struct err *err)
{
    uint32_t size;
    uint8_t old[2];
    if (s->version >= 4) {
        TRY(source_length(s->from, &size, err));
    } else {
        TRY(source_get(s->from, old, sizeof(old), err));
        size = (uint32_t)old[0] << 8 | old[1];
    }
    if (size >= NAME_MAX_SIZE)
        return fail(err, ERR_CORRUPT, "the name of a class has %u bytes", size);
    TRY(source_get(s->from, name, size, err));
    name[size] = '\0';
    return 0;
}

static int get_class(struct sequence *s, const struct writable **ret, struct err *err)
{
    char name[NAME_MAX_SIZE];
    TRY(get_name(s, name, err));
    *ret = writable_find(name);
    return *ret != NULL
               ? 0
               : fail(err, ERR_UNSUPPORTED, "objects of the class %s can't be shown", name);
}

static int get_flag(struct sequence *s, bool *ret, struct err *err)
{
    uint8_t byte;
    TRY(source_get(s->from, &byte, 1, err));
    *ret = byte != 0;
    return 0;
}

static int get_codec(struct sequence *s, struct err *err)
{
    char name[NAME_MAX_SIZE];
    s->codec = CODEC_ZLIB;
    if (s->version < 5)
        return 0;
    TRY(get_name(s, name, err));
    s->codec = codec_of_class(name);
    return s->codec != CODEC_UNKNOWN ? 0 : fail(err, ERR_UNSUPPORTED, "Unknown codec: %s", name);
}

static int skip_metadata(struct sequence *s, struct err *err)
{
    uint32_t pairs, size;
    TRY(source_u32(s->from, &pairs, err));
    if (pairs > INT32_MAX)
        return fail(err, ERR_CORRUPT, "Invalid size: %d for file metadata object", (int32_t)pairs);
    for (uint64_t i = 0; i < 2 * (uint64_t)pairs; i++) {
        TRY(source_length(s->from, &size, err));
        TRY(source_skip(s->from, size, err));
    }
    return 0;
}

static int get_header(struct sequence *s, struct err *err)
{
    uint8_t magic[4];
    TRY(source_get(s->from, magic, sizeof(magic), err));
    s->version = magic[3];
    if (memcmp(magic, "SEQ", 3) != 0)
        return fail(err, ERR_CORRUPT, "not a SequenceFile");
    if (s->version > NEWEST)
        return fail(err, ERR_CORRUPT,
                    "A record version mismatch occurred. Expecting v%d, found v%d", NEWEST,
                    s->version);
    TRY(get_class(s, &s->key, err));
    TRY(get_class(s, &s->value, err));
    if (s->version > 2)
        TRY(get_flag(s, &s->packed, err));
    if (s->version >= 4)
        TRY(get_flag(s, &s->blocks, err));
    if (s->packed)
        TRY(get_codec(s, err));
    if (s->version >= 6)
        TRY(skip_metadata(s, err));
    return s->version > 1 ? source_get(s->from, s->sync, SYNC_SIZE, err) : 0;
}

static int check_sync(struct sequence *s, struct err *err)
{
    uint8_t sync[SYNC_SIZE];
    TRY(source_get(s->from, sync, SYNC_SIZE, err));
    return memcmp(sync, s->sync, SYNC_SIZE) == 0 ? 0 : fail(err, ERR_CORRUPT, "File is corrupt!");
}

/* ---- records ---- */

static int print_record(struct sequence *s, struct source *key, struct source *value,
                        struct err *err)
{
    buf_clear(&s->text);
    TRY(writable_text(s->key, key, &s->text, err));
    if (buf_append(&s->text, "\t", 1) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory");
    TRY(writable_text(s->value, value, &s->text, err));
    if (buf_append(&s->text, "\n", 1) != 0)
        return fail(err, ERR_NO_MEMORY, "no memory");
    size_t size = buf_size(&s->text);
    return fwrite(buf_head(&s->text), 1, size, s->out) == size
               ? 0
               : fail(err, ERR_IO, "Unable to write to output stream.");
}

/* Reads like its `from`, but only when the key has been read in full: a record's value begins where
 * its key must end. */
struct behind_key {
    struct source source, *from;
    const struct source_limit *key;
};

static int read_behind_key(struct source *src, void *data, size_t size, size_t *ret,
                           struct err *err)
{
    struct behind_key *b = (struct behind_key *)src;
    if (b->key->left != 0)
        return fail(err, ERR_CORRUPT, "a key is %llu bytes shorter than the record says",
                    (unsigned long long)b->key->left);
    return b->from->read(b->from, data, size, ret, err);
}

static int show_record(struct sequence *s, uint32_t length, struct err *err)
{
    uint32_t key_length;
    TRY(source_u32(s->from, &key_length, err));
    if (length > INT32_MAX || key_length > length)
        return fail(err, ERR_CORRUPT, "a record of %d bytes has a key of %d bytes", (int32_t)length,
                    (int32_t)key_length);
    struct source_limit key = source_limit(s->from, key_length);
    struct source_limit rest = source_limit(s->from, length - key_length);
    struct behind_key value = {{read_behind_key}, &rest.source, &key};
    struct unpacked *u = NULL;
    struct source *from = &value.source;
    if (s->packed) {
        TRY(unpacked_new(s->codec, from, &u, err));
        from = unpacked_source(u);
    }
    uint8_t byte;
    size_t more = 0;
    int rc = print_record(s, &key.source, from, err);
    if (rc == 0)
        rc = from->read(from, &byte, 1, &more, err);
    unpacked_free(u);
    TRY(rc);
    return more == 0 ? 0 : fail(err, ERR_CORRUPT, "a value is longer than its object");
}

static int show_records(struct sequence *s, struct err *err)
{
    for (;;) {
        uint8_t bytes[4];
        bool more;
        uint32_t length;
        TRY(source_get_or_end(s->from, bytes, sizeof(bytes), &more, err));
        if (!more)
            return 0;
        struct reader r = reader_of(bytes, sizeof(bytes));
        length = read_u32(&r);
        if (length == UINT32_MAX && s->version > 1) {
            TRY(check_sync(s, err));
            TRY(source_get_or_end(s->from, bytes, sizeof(bytes), &more, err));
            if (!more)
                return 0;
            r = reader_of(bytes, sizeof(bytes));
            length = read_u32(&r);
        }
        TRY(show_record(s, length, err));
    }
}

/* ---- blocks ---- */

enum { KEY_LENGTHS, KEYS, VALUE_LENGTHS, VALUES, PARTS };
struct part {
    struct buf bytes;
    struct source_memory memory;
    struct unpacked *unpacked;
};

static int get_part(struct sequence *s, struct part *part, struct err *err)
{
    uint32_t size;
    buf_clear(&part->bytes);
    TRY(source_length(s->from, &size, err));
    TRY(source_append(s->from, size, &part->bytes, err));
    part->memory = source_memory(buf_head(&part->bytes), buf_size(&part->bytes));
    unpacked_free(part->unpacked);
    part->unpacked = NULL;
    return unpacked_new(s->codec, &part->memory.source, &part->unpacked, err);
}

static int show_block(struct sequence *s, struct part parts[PARTS], struct err *err)
{
    uint32_t count;
    int32_t ignored, key_length;
    TRY(check_sync(s, err));
    TRY(source_length(s->from, &count, err));
    for (unsigned i = 0; i < PARTS; i++)
        TRY(get_part(s, &parts[i], err));
    for (uint32_t i = 0; i < count; i++) {
        TRY(source_vint(unpacked_source(parts[KEY_LENGTHS].unpacked), &key_length, err));
        if (key_length < 0)
            return fail(err, ERR_CORRUPT, "a length is %d", key_length);
        TRY(source_vint(unpacked_source(parts[VALUE_LENGTHS].unpacked), &ignored, err));
        TRY(print_record(s, unpacked_source(parts[KEYS].unpacked),
                         unpacked_source(parts[VALUES].unpacked), err));
    }
    return 0;
}

static int show_blocks(struct sequence *s, struct err *err)
{
    struct part parts[PARTS] = {0};
    uint8_t escape[4];
    bool more = true;
    int rc = 0;
    while (rc == 0) {
        rc = source_get_or_end(s->from, escape, sizeof(escape), &more, err);
        if (rc != 0 || !more)
            break;
        rc = show_block(s, parts, err);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        buf_fini(&parts[i].bytes);
        unpacked_free(parts[i].unpacked);
    }
    return rc;
}

int sequence_show(struct source *from, FILE *out, struct err *err)
{
    struct sequence s = {.from = from, .out = out};
    TRY(get_header(&s, err));
    if (s.blocks && !s.packed)
        return fail(err, ERR_CORRUPT, "a file in blocks that isn't packed");
    int rc = s.blocks ? show_blocks(&s, err) : show_records(&s, err);
    buf_fini(&s.text);
    return rc;
}
