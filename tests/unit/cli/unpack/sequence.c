/* Sequence files and packed bytes: what is shown, and which damage is refused. */
#include <criterion/criterion.h>
#include <zlib.h>

#include "cli/unpack/internal.h"

static char *shown;
static struct err why;

static int show(const void *data, size_t size)
{
    size_t length;
    struct source_memory from = source_memory(data, size);
    memset(&why, 0, sizeof(why));
    FILE *out = open_memstream(&shown, &length);
    int rc = sequence_show(&from.source, out, &why);
    fclose(out);
    return rc;
}

#define TEXT "\x19org.apache.hadoop.io.Text"
#define INT  "\x20org.apache.hadoop.io.IntWritable"
#define SYNC "0123456789abcdef"
#define PLAIN               \
    "SEQ\6" TEXT INT "\0\0" \
    "\0\0\0\0" SYNC
#define SHOW(bytes) show(bytes, sizeof(bytes) - 1)

Test(sequence, records_with_and_without_sync)
{
    cr_assert_eq(SHOW(PLAIN "\0\0\0\7\0\0\0\3\2ab\0\0\0\5"
                            "\xff\xff\xff\xff" SYNC "\0\0\0\5\0\0\0\1\0\xff\xff\xff\xfe"),
                 0, "%s", why.text);
    cr_assert_str_eq(shown, "ab\t5\n\t-2\n");
}

Test(sequence, nothing_but_a_header)
{
    cr_assert_eq(SHOW(PLAIN), 0);
    cr_assert_str_eq(shown, "");
}

Test(sequence, damage_keeps_the_records_before)
{
    cr_assert_eq(SHOW(PLAIN "\0\0\0\7\0\0\0\3\2ab\0\0\0\5\0\0\0\7\0\0\0\3\2a"), ERR_EOF);
    cr_assert_str_eq(shown, "ab\t5\n");
    cr_assert_eq(SHOW(PLAIN "\xff\xff\xff\xff"
                            "0123456789abcdeX"),
                 ERR_CORRUPT);
    cr_assert_str_eq(why.text, "File is corrupt!");
}

Test(sequence, lengths_must_fit)
{
    cr_assert_eq(SHOW(PLAIN "\0\0\0\3\0\0\0\7\2ab\0\0\0\5"), ERR_CORRUPT); /* key longer than all */
    cr_assert_eq(SHOW(PLAIN "\0\0\0\10\0\0\0\4\2ab.\0\0\0\5"),
                 ERR_CORRUPT); /* key not read in full */
    cr_assert_eq(SHOW(PLAIN "\0\0\0\10\0\0\0\3\2ab\0\0\0\5."), ERR_CORRUPT); /* nor the value */
    cr_assert_eq(SHOW(PLAIN "\0\0\0\6\0\0\0\2\2ab\0\0\0"), ERR_EOF);
    cr_assert_eq(SHOW(PLAIN "\x80\0\0\0\0\0\0\2"), ERR_CORRUPT);
    cr_assert_eq(SHOW(PLAIN "\x7f\xff\xff\xff\x7f\xff\xff\xff\x8c\x7f\xff\xff\xff"), ERR_CORRUPT);
}

Test(sequence, headers_that_are_refused)
{
    cr_assert_eq(SHOW("SEQUENCE"), ERR_CORRUPT);
    cr_assert_str_eq(why.text, "A record version mismatch occurred. Expecting v6, found v85");
    cr_assert_eq(SHOW("SEQ\6\5a.b.c"), ERR_UNSUPPORTED);
    cr_assert_eq(SHOW("SEQ\6" TEXT INT "\1\0\3x.Y"), ERR_UNSUPPORTED);
    cr_assert_str_eq(why.text, "Unknown codec: x.Y");
    cr_assert_eq(SHOW("SEQ\6" TEXT INT "\0\1"
                      "\0\0\0\0" SYNC),
                 ERR_CORRUPT);
    cr_assert_eq(SHOW("SEQ\6" TEXT INT "\0\0"
                      "\xff\0\0\0" SYNC),
                 ERR_CORRUPT);
    cr_assert_eq(SHOW("SEQ\6\x8f\xff"), ERR_EOF);
    cr_assert_eq(SHOW("SEQ"), ERR_EOF);
}

Test(sequence, old_versions)
{
    cr_assert_eq(SHOW("SEQ\1\0\x19"
                      "org.apache.hadoop.io.Text"
                      "\0\x20"
                      "org.apache.hadoop.io.IntWritable"
                      "\0\0\0\5\0\0\0\1\0\0\0\0\1"),
                 0, "%s", why.text);
    cr_assert_str_eq(shown, "\t1\n");
}

static int64_t vlong(const char *bytes, size_t size)
{
    struct source_memory from = source_memory(bytes, size);
    int64_t n;
    cr_assert_eq(source_vlong(&from.source, &n, &why), 0);
    cr_assert_eq(from.left, 0);
    return n;
}

Test(sequence, integers)
{
    cr_assert_eq(vlong("\x7f", 1), 127);
    cr_assert_eq(vlong("\x90", 1), -112);
    cr_assert_eq(vlong("\x8f\x80", 2), 128);
    cr_assert_eq(vlong("\x87\x70", 2), -113);
    cr_assert_eq(vlong("\x88\x7f\xff\xff\xff\xff\xff\xff\xff", 9), INT64_MAX);
    cr_assert_eq(vlong("\x80\x7f\xff\xff\xff\xff\xff\xff\xff", 9), INT64_MIN);
}

static void decoded(const char *bytes, const char *want)
{
    struct buf b = {0};
    cr_assert_eq(append_decoded(&b, (const uint8_t *)bytes, strlen(bytes), &why), 0);
    cr_assert_eq(buf_append(&b, "", 1), 0);
    cr_assert_str_eq((char *)buf_head(&b), want);
    buf_fini(&b);
}

Test(sequence, mistakes_in_utf8_as_java_counts_them)
{
    decoded("\xc3\xbc\xf0\x9f\x98\x80", "\xc3\xbc\xf0\x9f\x98\x80");
    decoded("\xff!", "\xef\xbf\xbd!");
    decoded("\xe2\x82!", "\xef\xbf\xbd!");
    decoded("\xed\xa0\x80!", "\xef\xbf\xbd!");
    decoded("\xe0\x80!", "\xef\xbf\xbd\xef\xbf\xbd!");
    decoded("\xf0\x9f\x98", "\xef\xbf\xbd");
}

static int unpack(enum codec codec, const void *data, size_t size)
{
    size_t length;
    struct source_memory from = source_memory(data, size);
    struct unpacked *u;
    FILE *out = open_memstream(&shown, &length);
    cr_assert_eq(unpacked_new(codec, &from.source, &u, &why), 0);
    int rc = source_copy(unpacked_source(u), out, &why);
    unpacked_free(u);
    fclose(out);
    return rc;
}

Test(unpack, members_and_damage)
{
    uint8_t packed[200];
    uLongf size = sizeof(packed) / 2;
    cr_assert_eq(compress(packed, &size, (const Bytef *)"a line\n", 7), Z_OK);
    cr_assert_eq(unpack(CODEC_ZLIB, packed, size), 0);
    cr_assert_str_eq(shown, "a line\n");
    cr_assert_eq(unpack(CODEC_ZLIB, packed, size - 1), ERR_EOF);
    memcpy(packed + size, packed, size);
    cr_assert_eq(unpack(CODEC_ZLIB, packed, 2 * size), 0);
    cr_assert_str_eq(shown, "a line\na line\n");
    packed[size + 4] ^= 0x55;
    cr_assert_neq(unpack(CODEC_ZLIB, packed, 2 * size), 0);
    cr_assert_eq(unpack(CODEC_GZIP, "nothing", 7), ERR_CORRUPT);
    cr_assert_eq(unpack(CODEC_BZIP2, "nothing", 7), ERR_CORRUPT);
    cr_assert_eq(unpack(CODEC_BZIP2, "BZh9", 4), ERR_EOF);
    cr_assert_eq(unpack(CODEC_BZIP2, "", 0), 0);
}

Test(unpack, names)
{
    cr_assert_eq(codec_of_name("/a/b.bz2"), CODEC_BZIP2);
    cr_assert_eq(codec_of_name("/a/b.deflate"), CODEC_ZLIB);
    cr_assert_eq(codec_of_name("/a.gz/b"), CODEC_NONE);
    cr_assert_eq(codec_of_name(""), CODEC_NONE);
    cr_assert_eq(codec_of_name("x.lz4"), CODEC_UNKNOWN);
    cr_assert_eq(codec_of_class("org.apache.hadoop.io.compress.GzipCodec"), CODEC_GZIP);
    cr_assert_eq(codec_of_class("GzipCodec"), CODEC_UNKNOWN);
}
