/* Images: Hadoop's own, compressed ones, damaged ones, and what is refused by name. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "image.pb-c.h"
#include "namenode/image/image.h"
#include "namenode/journal/journal.h"

static const struct nn_identity identity;

/* A file of the fuzz corpus, which a Hadoop 3.4.3 NameNode wrote. */
static struct buf corpus(const char *name)
{
    char path[500];
    struct buf b = {0};
    snprintf(path, sizeof(path), SOURCE_DIR "/tests/fuzz/corpus/%s", name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    uint8_t chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        cr_assert_eq(buf_append(&b, chunk, n), 0);
    fclose(f);
    return b;
}

static int into_buf(void *ctx, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_append(ctx, data, size);
}

static struct nn *load(struct buf *image)
{
    struct nn *nn = NULL;
    struct err err = {0};
    cr_assert_eq(image_load(buf_head(image), buf_size(image), &identity, &nn, &err), 0, "%s",
                 err.text);
    cr_assert_eq(nn_verify(nn, &err), 0, "%s", err.text);
    return nn;
}

static int load_error(struct buf *image, struct err *err)
{
    struct nn *nn = NULL;
    int rc = image_load(buf_head(image), buf_size(image), &identity, &nn, err);
    cr_assert_neq(rc, 0);
    cr_assert_null(nn);
    return rc;
}

Test(image, a_fresh_format_is_hadoops_byte_for_byte)
{
    struct buf theirs = corpus("image/hadoop-3.4.3-fresh"), ours = {0};
    struct nn *nn = load(&theirs), *fresh;
    struct err err = {0};
    uint8_t md5[IMAGE_MD5_SIZE];
    const struct nn_identity same = {.namespace_id = nn->identity.namespace_id};
    cr_assert_eq(nn_new(&same, "root", "supergroup", &fresh, &err), 0);
    cr_assert_eq(image_save(fresh, into_buf, &ours, md5, &err), 0);
    cr_assert_eq(buf_size(&ours), buf_size(&theirs));
    cr_assert_eq(memcmp(buf_head(&ours), buf_head(&theirs), buf_size(&ours)), 0);
    cr_assert_eq(nn_digest(nn), nn_digest(fresh));
    nn_free(nn);
    nn_free(fresh);
    buf_fini(&theirs);
    buf_fini(&ours);
}

Test(image, hadoops_journal_leads_to_hadoops_image)
{
    struct buf first = corpus("image/hadoop-3.4.3-fresh"),
               last = corpus("image/hadoop-3.4.3-files");
    struct buf edits = corpus("edits/hadoop-3.4.3-files");
    struct nn *nn = load(&first), *theirs = load(&last);
    struct err err = {0};
    struct edit_reader r;
    struct edit e;
    struct arena arena;
    arena_init(&arena, 0);
    cr_assert_eq(edit_reader_init(&r, buf_head(&edits), buf_size(&edits), 1, &err), 0);
    while (edit_read(&r, &arena, &e, &err) == EDIT_READ_ONE)
        cr_assert_eq(edit_apply(nn, &e, &err), 0, "%s", err.text);
    cr_assert_eq(nn->last_txid, 80);
    cr_assert_eq(nn_digest(nn), nn_digest(theirs));
    /* some of what its shell made */
    struct resolved at;
    cr_assert_eq(ns_resolve(nn->ns, NULL, "/uni/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80/x", PATH_READ,
                            &arena, &at, &err),
                 0);
    cr_assert_eq(ns_file_length(nn->ns, resolved_last(&at)), 6);
    cr_assert_eq(ns_resolve(nn->ns, NULL, "/a/b", PATH_READ, &arena, &at, &err), 0);
    cr_assert_eq(ns_quota(nn->ns, resolved_last(&at))->ns, 1000);
    cr_assert_eq(ns_effective_policy(nn->ns, resolved_last(&at)), 5);
    nn_free(nn);
    nn_free(theirs);
    arena_fini(&arena);
    buf_fini(&first);
    buf_fini(&last);
    buf_fini(&edits);
}

static size_t pack(Bytef *to, size_t room, const void *data, size_t size, bool gzip)
{
    enum { GZIP_HEADER = 16 };
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
                  .avail_in = (uInt)size,
                  .next_out = to,
                  .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                              MAX_WBITS + (gzip ? GZIP_HEADER : 0), 8, Z_DEFAULT_STRATEGY),
                 Z_OK);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t packed = z.total_out;
    deflateEnd(&z);
    return packed;
}

/* The same image with another codec and, if `section` isn't NULL, other bytes for one section. */
static struct buf rebuilt(struct buf *image, const char *codec, const char *section,
                          const void *bytes, size_t size)
{
    struct buf out = {0};
    struct reader tail = reader_of(buf_head(image) + buf_size(image) - 4, 4);
    uint32_t length = read_u32(&tail);
    struct reader in = reader_of(buf_head(image) + buf_size(image) - 4 - length, length);
    size_t body = read_varint(&in);
    Image__FileSummary *m = image__file_summary__unpack(NULL, body, in.at);
    cr_assert_not_null(m);
    cr_assert_eq(buf_append(&out, buf_head(image), 8), 0);
    for (size_t i = 0; i < m->n_sections; i++) {
        Image__FileSummary__Section *s = m->sections[i];
        bool replaced = section != NULL && strcmp(s->name, section) == 0;
        const void *data = replaced ? bytes : buf_head(image) + s->offset;
        size_t data_size = replaced ? size : s->length;
        s->offset = buf_size(&out);
        uLongf packed = compressBound(data_size) + 64;
        Bytef *to = (Bytef *)buf_reserve(&out, packed + data_size);
        if (codec != NULL) {
            data_size = pack(to, packed, data, data_size, strstr(codec, "Gzip") != NULL);
        } else if (data_size > 0) {
            memcpy(to, data, data_size);
        }
        buf_commit(&out, data_size);
        s->length = data_size;
    }
    char *old = m->codec;
    m->codec = (char *)(uintptr_t)codec;
    size_t packed_size = image__file_summary__get_packed_size(m);
    uint8_t *p = buf_reserve(&out, packed_size + 20), *start = p;
    p = put_varint(p, packed_size);
    p += image__file_summary__pack(m, p);
    p = put_u32(p, (uint32_t)(p - start));
    buf_commit(&out, (size_t)(p - start));
    m->codec = old;
    image__file_summary__free_unpacked(m, NULL);
    return out;
}

Test(image, a_compressed_one_is_the_same)
{
    struct buf plain = corpus("image/hadoop-3.4.3-files");
    struct buf packed =
        rebuilt(&plain, "org.apache.hadoop.io.compress.DefaultCodec", NULL, NULL, 0);
    struct nn *a = load(&plain), *b = load(&packed);
    cr_assert_lt(buf_size(&packed), buf_size(&plain));
    cr_assert_eq(nn_digest(a), nn_digest(b));
    nn_free(b);
    buf_fini(&packed);
    packed = rebuilt(&plain, "org.apache.hadoop.io.compress.GzipCodec", NULL, NULL, 0);
    b = load(&packed);
    cr_assert_eq(nn_digest(a), nn_digest(b));
    nn_free(a);
    nn_free(b);
    struct err err = {0};
    buf_head(&packed)[8 + 12] ^= 0xff; /* behind the head of the first section's gzip */
    cr_assert_eq(load_error(&packed, &err), ERR_CORRUPT);
    buf_fini(&packed);
    err = (struct err){0};
    packed = rebuilt(&plain, "org.apache.hadoop.io.compress.Lz4Codec", NULL, NULL, 0);
    cr_assert_eq(load_error(&packed, &err), ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "Lz4Codec"));
    buf_fini(&packed);
    buf_fini(&plain);
}

/* Ranges of inodes for loading side by side: named in front of their section, without a gap. */
Test(image, ranges_cover_their_section)
{
    struct buf plain = corpus("image/hadoop-3.4.3-files"), out = {0};
    struct nn *a = load(&plain);
    struct image_options o = {.sections = 3, .threshold = 1};
    uint8_t md5[IMAGE_MD5_SIZE];
    struct err err = {0};
    cr_assert_eq(image_save_with(a, &o, into_buf, &out, md5, &err), 0, "%s", err.text);
    struct reader tail = reader_of(buf_head(&out) + buf_size(&out) - 4, 4);
    uint32_t length = read_u32(&tail);
    struct reader in = reader_of(buf_head(&out) + buf_size(&out) - 4 - length, length);
    size_t body = read_varint(&in);
    Image__FileSummary *m = image__file_summary__unpack(NULL, body, in.at);
    uint64_t from = 0, end = 0;
    size_t ranges = 0, covered = 0;
    for (size_t i = 0; i < m->n_sections; i++) {
        const Image__FileSummary__Section *s = m->sections[i];
        if (strcmp(s->name, "INODE_SUB") == 0) {
            cr_assert(ranges == 0 || s->offset == end);
            from = ranges++ == 0 ? s->offset : from;
            end = s->offset + s->length;
        } else if (strcmp(s->name, "INODE") == 0) {
            cr_assert(s->offset == from && s->offset + s->length == end);
            covered++;
        }
    }
    cr_assert(ranges == 3 && covered == 1, "%zu ranges", ranges);
    image__file_summary__free_unpacked(m, NULL);
    struct nn *b = load(&out);
    cr_assert_eq(nn_digest(a), nn_digest(b));
    nn_free(a);
    nn_free(b);
    buf_fini(&plain);
    buf_fini(&out);
}

static void expect_refused(const char *section, const void *bytes, size_t size, int code,
                           const char *word)
{
    struct buf plain = corpus("image/hadoop-3.4.3-files");
    struct buf other = rebuilt(&plain, NULL, section, bytes, size);
    struct err err = {0};
    cr_assert_eq(load_error(&other, &err), code, "%s", err.text);
    cr_assert_not_null(strstr(err.text, word), "%s", err.text);
    buf_fini(&other);
    buf_fini(&plain);
}

Test(image, what_we_would_have_to_drop_is_refused_by_name)
{
    const uint8_t snapshots[] = {4, 0x08, 1, 0x18, 1},
                  snapshottable[] = {5, 0x12, 3, 0x81, 0x80, 0x01};
    expect_refused("SNAPSHOT", snapshots, sizeof(snapshots), ERR_UNSUPPORTED, "snapshots");
    expect_refused("SNAPSHOT", snapshottable, sizeof(snapshottable), ERR_UNSUPPORTED,
                   "snapshottable");
    expect_refused("INODE_REFERENCE", snapshots, sizeof(snapshots), ERR_UNSUPPORTED,
                   "INODE_REFERENCE");
    const uint8_t directives[] = {6, 0x08, 2, 0x10, 0, 0x18, 1};
    expect_refused("CACHE_MANAGER", directives, sizeof(directives), ERR_CORRUPT, "CACHE_MANAGER");
    const uint8_t rolling[] = {2, 0x38, 5};
    expect_refused("NS_INFO", rolling, sizeof(rolling), ERR_UNSUPPORTED, "rolling upgrade");
}

Test(image, damage_is_told_with_its_section)
{
    const uint8_t no_entries[] = {4, 0x08, 0, 0x10, 3}, no_root[] = {4, 0x08, 1, 0x10, 0},
                  cut[] = {200, 1, 1};
    expect_refused("STRING_TABLE", no_entries, sizeof(no_entries), ERR_CORRUPT, "INODE");
    expect_refused("INODE", no_root, sizeof(no_root), ERR_CORRUPT, "no root");
    expect_refused("INODE", cut, sizeof(cut), ERR_CORRUPT, "INODE");
    expect_refused("INODE_DIR", "", 0, ERR_CORRUPT, "INODE_DIR");
    /* two directories, each the other's child: 16386 and 16387 exist there */
    const uint8_t ring[] = {9, 0x08, 0x82, 0x80, 0x01, 0x12, 3, 0x83, 0x80, 0x01,
                            9, 0x08, 0x83, 0x80, 0x01, 0x12, 3, 0x82, 0x80, 0x01};
    expect_refused("INODE_DIR", ring, sizeof(ring), ERR_CORRUPT, "INODE_DIR");
}

Test(image, any_flipped_or_missing_byte_is_an_error_or_another_state)
{
    struct buf image = corpus("image/hadoop-3.4.3-files");
    struct err err = {0};
    for (size_t size = 0; size < buf_size(&image); size++) {
        struct nn *nn = NULL;
        cr_assert_neq(image_load(buf_head(&image), size, &identity, &nn, &err), 0, "%zu", size);
    }
    for (size_t at = 0; at < buf_size(&image); at++) {
        struct nn *nn = NULL;
        buf_head(&image)[at] ^= 0x41;
        if (image_load(buf_head(&image), buf_size(&image), &identity, &nn, &err) == 0)
            nn_free(nn);
        buf_head(&image)[at] ^= 0x41;
    }
    buf_fini(&image);
}

Test(image, another_namespace_is_refused)
{
    struct buf image = corpus("image/hadoop-3.4.3-fresh");
    const struct nn_identity other = {.namespace_id = 1};
    struct nn *nn = NULL;
    struct err err = {0};
    cr_assert_eq(image_load(buf_head(&image), buf_size(&image), &other, &nn, &err), ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, "not of 1"));
    buf_fini(&image);
}

static int full_disk(void *ctx, const void *data, size_t size, struct err *err)
{
    (void)ctx;
    (void)data;
    (void)size;
    return fail(err, ERR_NO_SPACE, "the disk is full");
}

Test(image, a_failing_write_ends_the_saving)
{
    struct buf image = corpus("image/hadoop-3.4.3-files");
    struct nn *nn = load(&image);
    struct err err = {0};
    uint8_t md5[IMAGE_MD5_SIZE];
    cr_assert_eq(image_save(nn, full_disk, NULL, md5, &err), ERR_NO_SPACE);
    nn_free(nn);
    buf_fini(&image);
}
