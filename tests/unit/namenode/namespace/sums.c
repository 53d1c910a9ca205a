/* sums.c - sizes that nobody should have: they wrap and come back, and no quota is got around. */
#include <criterion/criterion.h>

#include "namenode/namespace/namespace.h"

static struct ns *ns;
static uint64_t length_of_all;

static uint64_t length(const void *ctx, handle_t block)
{
    (void)ctx;
    (void)block;
    return length_of_all;
}

static bool complete(const void *ctx, handle_t block)
{
    (void)ctx;
    return block % 2 == 0;
}

static handle_t make(enum inode_type type, handle_t parent, const char *name)
{
    struct ns_new_inode n = {.id = ns_last_inode_id(ns) + 1,
                             .parent = parent,
                             .name = slice_of(name),
                             .block_size = INT64_MAX,
                             .replication = 512};
    handle_t h;
    cr_assert_eq(ns_add(ns, type, &n, true, &h), 0);
    return h;
}

static void setup(void)
{
    cr_assert_eq(ns_new("root", "supergroup", &ns), 0);
    ns_set_block_length(ns, length, NULL);
    ns_set_block_complete(ns, complete);
}

static void teardown(void)
{
    ns_free(ns);
}

TestSuite(sums, .init = setup, .fini = teardown);

Test(sums, lengths_without_end_wrap_and_come_back)
{
    struct ns_usage u;
    struct err err = {0};
    handle_t d = make(INODE_DIR, ns_root(ns), "d"), e = make(INODE_DIR, d, "e"),
             f = make(INODE_FILE, e, "f");
    length_of_all = INT64_MAX;
    for (handle_t block = 1; block <= 8; block++)
        cr_assert_eq(ns_push_block(ns, f, block), 0);
    cr_assert(ns_verify(ns, &err), "%s", err.text);
    ns_set_replication(ns, f, 3);
    ns_set_file_policy(ns, f, 10);
    cr_assert(ns_verify(ns, &err), "%s", err.text);
    ns_block_changed(ns, f, INT64_MAX, false, INT64_MAX, true);
    ns_block_changed(ns, f, INT64_MAX, true, INT64_MAX, false);
    cr_assert(ns_verify(ns, &err), "%s", err.text);
    while (ns_pop_block(ns, f) != 0)
        continue;
    cr_assert(ns_verify(ns, &err), "%s", err.text);
    ns_usage(ns, ns_root(ns), &u);
    cr_assert_eq(u.space, 0);
    for (int i = 0; i < QUOTA_TYPES; i++)
        cr_assert_eq(u.type[i], 0);
}

Test(sums, an_open_block_counts_as_no_more_than_a_disk_holds)
{
    struct ns_usage u;
    handle_t f = make(INODE_FILE, ns_root(ns), "f");
    length_of_all = 0;
    cr_assert_eq(ns_push_block(ns, f, 1), 0);
    ns_usage(ns, ns_root(ns), &u);
    cr_assert_eq(u.space, INT64_C(512) << 44);
}

Test(sums, a_change_that_is_too_large_to_count_fits_no_quota)
{
    struct arena arena;
    struct resolved r;
    struct err err = {0};
    struct ns_usage more = {0};
    struct dir_quota q = {NS_NO_QUOTA, INT64_MAX - 1, {0}};
    handle_t d = make(INODE_DIR, ns_root(ns), "d");
    for (int i = 0; i < QUOTA_TYPES; i++)
        q.type[i] = NS_NO_QUOTA;
    arena_init(&arena, 0);
    cr_assert_eq(ns_set_quota(ns, d, &q), 0);
    cr_assert_eq(ns_resolve(ns, NULL, "/d", PATH_WRITE, &arena, &r, &err), 0);
    ns_usage_add(&more, INT64_MAX, 2, 7);
    ns_usage_add(&more, INT64_C(1) << 62, 4, 7);
    cr_assert_eq(ns_check_quota(ns, &r, r.depth + 1, &more, 0, &err), ERR_DS_QUOTA);
    arena_fini(&arena);
}
