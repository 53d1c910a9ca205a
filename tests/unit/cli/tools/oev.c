/* Every operation as XML and back: the same bytes but for what Hadoop's XML leaves out. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/tools/internal.h"
#include "cli/tools/tools.h"
#include "namenode/journal/journal.h"

static char dir[64];

static const char *in_dir(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, 128, "%s/%s", dir, name);
    return path;
}

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/hadron-oev-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    static const char *const names[] = {"a", "b", "a.xml", "b.xml", "s"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlink(in_dir(names[i]));
    (void)rmdir(dir);
}

TestSuite(oev, .init = setup, .fini = teardown);

static struct buf contents(const char *name)
{
    struct buf b = {0};
    uint8_t chunk[4096];
    FILE *f = fopen(in_dir(name), "rb");
    cr_assert_not_null(f);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        cr_assert_eq(buf_append(&b, chunk, n), 0);
    fclose(f);
    return b;
}

static void write_edits(uint64_t seed, int count)
{
    struct rng rng = {.state = seed};
    struct arena arena;
    struct buf out = {0};
    struct err err = {0};
    arena_init(&arena, 0);
    cr_assert_eq(edit_encode_header(&out), 0);
    for (int i = 0; i < count; i++) {
        struct edit e;
        edit_random(&rng, &arena, &e);
        e.txid = (uint64_t)i + 1;
        static const uint8_t both[] = {RENAME_OVERWRITE, RENAME_TO_TRASH};
        if (e.code == OP_rename) /* the random ones needn't be Hadoop's */
            e.rename.options = (struct slice){both, sizeof(both)};
        cr_assert_eq(edit_encode(&out, &e, &err), 0, "%s", err.text);
        arena_reset(&arena);
    }
    FILE *f = fopen(in_dir("a"), "wb");
    cr_assert_eq(fwrite(buf_head(&out), 1, buf_size(&out), f), buf_size(&out));
    fclose(f);
    buf_fini(&out);
    arena_fini(&arena);
}

static int oev(const char *processor, const char *from, const char *to)
{
    const char *const words[] = {"oev", "-p", processor, "-i", in_dir(from), "-o", in_dir(to)};
    char *argv[ARRAY_SIZE(words) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        argv[i] = (char *)(uintptr_t)words[i];
    return oev_run(7, argv);
}

Test(oev, xml_and_back_and_xml_is_the_same)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        write_edits(seed, 200);
        cr_assert_eq(oev("xml", "a", "a.xml"), 0);
        cr_assert_eq(oev("binary", "a.xml", "b"), 0);
        cr_assert_eq(oev("xml", "b", "b.xml"), 0);
        struct buf a = contents("a.xml"), b = contents("b.xml");
        cr_assert_eq(buf_size(&a), buf_size(&b));
        cr_assert_eq(memcmp(buf_head(&a), buf_head(&b), buf_size(&a)), 0);
        buf_fini(&a);
        buf_fini(&b);
    }
}

Test(oev, statistics_count_each_operation)
{
    write_edits(3, 500);
    cr_assert_eq(oev("stats", "a", "s"), 0);
    struct buf s = contents("s");
    cr_assert_eq(buf_append(&s, "", 1), 0);
    unsigned long sum = 0;
    for (const char *p = (char *)buf_head(&s); (p = strstr(p, "): ")) != NULL; p += 3)
        sum += strtoul(p + 3, NULL, 10);
    cr_assert_eq(sum, 500);
    buf_fini(&s);
}

Test(oev, a_wrong_pair_of_formats_is_refused)
{
    write_edits(1, 1);
    cr_assert_eq(oev("binary", "a", "b"), EXIT_BAD);
    cr_assert_eq(oev("nothing", "a", "b"), EXIT_BAD);
    FILE *f = fopen(in_dir("a.xml"), "wb");
    fputs("<EDITS><EDITS_VERSION>-67</EDITS_VERSION><RECORD><OPCODE>OP_DELETE</OPCODE><DATA>"
          "<TXID>1</TXID></DATA></RECORD></EDITS>",
          f);
    fclose(f);
    cr_assert_eq(oev("binary", "a.xml", "b"), EXIT_BAD); /* PATH is missing */
    cr_assert_eq(oev("xml", "a.xml", "b"), EXIT_BAD);
}
