/* Directories: order, paging, growth and shrinking, against a plain sorted array. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "namenode/namespace/namespace.h"

static struct ns *ns;

static void setup(void)
{
    cr_assert_eq(ns_new("root", "supergroup", &ns), 0);
}

static void teardown(void)
{
    ns_free(ns);
}

TestSuite(dir, .init = setup, .fini = teardown);

static void no_block(void *ctx, handle_t block)
{
    (void)ctx;
    (void)block;
    cr_assert_fail("there are no blocks");
}

static handle_t add(handle_t parent, struct slice name)
{
    struct ns_new_inode n = {
        .id = ns_last_inode_id(ns) + 1, .parent = parent, .name = name, .mtime_ms = 1};
    handle_t h;
    cr_assert_eq(ns_add(ns, INODE_DIR, &n, true, &h), 0);
    return h;
}

static void verify(void)
{
    struct err err = {0};
    cr_assert(ns_verify(ns, &err), "%s", err.text);
}

Test(dir, names_order_as_signed_bytes)
{
    cr_assert_lt(name_compare(slice_of("\xc3\xa9"), slice_of("a")),
                 0); /* bytes over 127 are negative */
    cr_assert_gt(name_compare(slice_of("b"), slice_of("a")), 0);
    cr_assert_lt(name_compare(slice_of("a"), slice_of("aa")), 0);
    cr_assert_eq(name_compare(slice_of("a"), slice_of("a")), 0);
    const char *names[] = {"b", "a", "\xe2\x82\xac", "Z", "ab", "\xc3\xa9"};
    const char *expected[] = {"\xc3\xa9", "\xe2\x82\xac", "Z", "a", "ab", "b"};
    handle_t out[8];
    uint64_t remaining = 9;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        add(ns_root(ns), slice_of(names[i]));
    cr_assert_eq(ns_list(ns, ns_root(ns), (struct slice){0}, 8, out, &remaining), 6);
    cr_assert_eq(remaining, 0);
    for (size_t i = 0; i < 6; i++)
        cr_assert(slice_equal(ns_name(ns, out[i]), slice_of(expected[i])), "%zu", i);
}

enum { NAMES = 6000 };
static handle_t by_number[NAMES];

static struct slice numbered(char *text, unsigned i)
{
    return (struct slice){(const uint8_t *)text, (size_t)sprintf(text, "%u", i)};
}

static int by_name(const void *a, const void *b)
{
    return name_compare(ns_name(ns, *(const handle_t *)a), ns_name(ns, *(const handle_t *)b));
}

/* The whole directory by pages of `page`, and the remaining counts, against the array. */
static void check_pages(handle_t dir, uint32_t page)
{
    static handle_t sorted[NAMES], out[NAMES];
    uint32_t n = 0, seen = 0;
    for (unsigned i = 0; i < NAMES; i++)
        if (by_number[i] != 0)
            sorted[n++] = by_number[i];
    qsort(sorted, n, sizeof(*sorted), by_name);
    cr_assert_eq(ns_inode(ns, dir)->dir.child_count, n);
    struct slice after = {0};
    for (uint32_t got = 1; got > 0; seen += got) {
        uint64_t remaining;
        got = ns_list(ns, dir, after, page, out, &remaining);
        cr_assert_eq(remaining, n - seen - got);
        cr_assert_eq(memcmp(out, sorted + seen, got * sizeof(*out)), 0);
        if (got > 0)
            after = ns_name(ns, out[got - 1]);
    }
    cr_assert_eq(seen, n);
    if (n > 0)
        cr_assert_eq(ns_child_at(ns, dir, n / 2), sorted[n / 2]);
}

Test(dir, equals_a_sorted_array_through_growth_and_shrinking)
{
    struct rng rng = {11};
    handle_t dir = add(ns_root(ns), slice_of("dir"));
    char text[16];
    /* first mostly adding, then mostly removing, through all sizes */
    for (int step = 0; step < 60000; step++) {
        unsigned i = (unsigned)rng_below(&rng, NAMES);
        bool want = rng_below(&rng, 100) < (step < 30000 ? 80u : 15u);
        struct slice name = numbered(text, i);
        cr_assert_eq(ns_child(ns, dir, name), by_number[i]);
        if (want && by_number[i] == 0) {
            by_number[i] = add(dir, name);
        } else if (!want && by_number[i] != 0) {
            ns_remove(ns, by_number[i], 2);
            by_number[i] = 0;
        }
        if (step % 64 == 0)
            ns_collect(ns, 100, no_block, NULL);
        if (step % 10000 == 0)
            check_pages(dir, 777);
    }
    while (ns_collect(ns, 7, no_block, NULL))
        ;
    check_pages(dir, 10);
    verify();
}

Test(dir, many_children_in_order_and_gone_again)
{
    enum { MANY = 200000 };
    handle_t dir = add(ns_root(ns), slice_of("dir"));
    char text[16];
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(text, "%07u", i);
        add(dir, slice_of(text));
    }
    struct ns_stats before, after;
    ns_stats(ns, &before);
    cr_assert_eq(before.inodes, MANY + 2);
    /* pools grow in slabs of 4096 records, which shows at this size */
    cr_assert_lt(before.bytes / MANY, 140, "%zu bytes an inode", (size_t)(before.bytes / MANY));
    verify();
    ns_remove(ns, dir, 1);
    cr_assert_eq(ns_find_id(ns, NS_ROOT_INODE_ID + 5), 0); /* gone at once .. */
    unsigned slices = 1;
    while (ns_collect(ns, 1000, no_block, NULL)) /* .. freed by and by */
        slices++;
    cr_assert_geq(slices, MANY / 1000);
    ns_stats(ns, &after);
    cr_assert_eq(after.inodes, 1);
    verify();
}

Test(dir, a_walk_sees_every_inode_once_parents_first)
{
    handle_t a = add(ns_root(ns), slice_of("a")), b = add(a, slice_of("b")),
             c = add(ns_root(ns), slice_of("c"));
    handle_t d = add(b, slice_of("d")), e = add(a, slice_of("e"));
    handle_t expected[] = {ns_root(ns), a, b, d, e, c, 0};
    struct ns_walk walk = ns_walk_from(ns, ns_root(ns));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        cr_assert_eq(ns_walk_next(&walk), expected[i], "%zu", i);
    walk = ns_walk_from(ns, a);
    handle_t below_a[] = {a, b, d, e, 0, 0};
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(ns_walk_next(&walk), below_a[i], "%zu", i);
}

Test(dir, names_of_all_sizes_are_kept)
{
    static char text[5000];
    for (size_t size = 1; size < sizeof(text); size += size < 300 ? 1 : 97) {
        memset(text, 'x', size);
        struct slice name = {(const uint8_t *)text, size};
        handle_t h = add(ns_root(ns), name);
        cr_assert(slice_equal(ns_name(ns, h), name));
        if (size % 3 == 0)
            ns_remove(ns, h, 1);
    }
    verify();
}
