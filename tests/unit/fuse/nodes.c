#include <criterion/criterion.h>
#include <stdlib.h>

#include "fuse/internal.h"

static struct nodes n;

static void init(void)
{
    cr_assert_eq(nodes_init(&n, ""), 0);
}

static void fini(void)
{
    nodes_fini(&n);
}

TestSuite(nodes, .init = init, .fini = fini);

static void assert_path(uint64_t id, const char *name, const char *want)
{
    char *path = NULL;
    cr_assert_eq(nodes_path(&n, id, name, &path), 0);
    cr_assert_str_eq(path, want);
    free(path);
}

static void assert_gone(uint64_t id)
{
    char *path = NULL;
    cr_assert_eq(nodes_path(&n, id, NULL, &path), -ENOENT);
    cr_assert_null(path);
}

Test(nodes, paths)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", true), b = nodes_use(&n, a, "b", true);
    assert_path(FUSE_ROOT_ID, NULL, "/");
    assert_path(FUSE_ROOT_ID, "x", "/x");
    assert_path(a, NULL, "/a");
    assert_path(b, "c", "/a/b/c");
    assert_gone(12345);
}

Test(nodes, a_root_below_the_root)
{
    struct nodes below;
    char *path = NULL;
    cr_assert_eq(nodes_init(&below, "/user/me"), 0);
    cr_assert_eq(nodes_path(&below, FUSE_ROOT_ID, NULL, &path), 0);
    cr_assert_str_eq(path, "/user/me");
    free(path);
    cr_assert_eq(nodes_path(&below, FUSE_ROOT_ID, "f", &path), 0);
    cr_assert_str_eq(path, "/user/me/f");
    free(path);
    nodes_fini(&below);
}

Test(nodes, uses_are_counted_and_numbers_are_not_used_again)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", false);
    cr_assert_eq(nodes_use(&n, FUSE_ROOT_ID, "a", false), a);
    nodes_forget(&n, a, 1);
    assert_path(a, NULL, "/a");
    nodes_forget(&n, a, 1);
    assert_gone(a);
    cr_assert_eq(nodes_count(&n), 1);
    cr_assert_gt(nodes_use(&n, FUSE_ROOT_ID, "a", false), a);
    nodes_forget(&n, FUSE_ROOT_ID, 100); /* the root stays */
    assert_path(FUSE_ROOT_ID, NULL, "/");
}

Test(nodes, parents_stay_for_their_children)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", true), b = nodes_use(&n, a, "b", true);
    uint64_t c = nodes_use(&n, b, "c", false);
    nodes_forget(&n, a, 1);
    nodes_forget(&n, b, 1);
    assert_path(c, NULL, "/a/b/c");
    nodes_forget(&n, c, 1);
    cr_assert_eq(nodes_count(&n), 1);
}

Test(nodes, rename_moves_what_is_below)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", true), b = nodes_use(&n, a, "b", true);
    uint64_t c = nodes_use(&n, b, "c", false), d = nodes_use(&n, FUSE_ROOT_ID, "d", true);
    nodes_renamed(&n, a, "b", d, "new");
    assert_path(c, NULL, "/d/new/c");
    cr_assert_eq(nodes_use(&n, d, "new", true), b);
    nodes_renamed(&n, FUSE_ROOT_ID, "d", FUSE_ROOT_ID, "e");
    assert_path(c, NULL, "/e/new/c");
    nodes_forget(&n, a, 1); /* nothing is below it any more */
    assert_gone(a);
    nodes_renamed(&n, FUSE_ROOT_ID, "unknown", FUSE_ROOT_ID, "e2");
    assert_path(d, NULL, "/e");
}

Test(nodes, rename_replaces)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", false),
             b = nodes_use(&n, FUSE_ROOT_ID, "b", false);
    nodes_renamed(&n, FUSE_ROOT_ID, "a", FUSE_ROOT_ID, "b");
    assert_path(a, NULL, "/b");
    assert_gone(b);
    nodes_forget(&n, b, 1);
    assert_path(a, NULL, "/b");
    nodes_renamed(&n, FUSE_ROOT_ID, "b", FUSE_ROOT_ID, "b");
    assert_path(a, NULL, "/b");
}

Test(nodes, removed_ones_have_no_path_but_their_name_is_free)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", true), b = nodes_use(&n, a, "b", false);
    nodes_removed(&n, FUSE_ROOT_ID, "a");
    assert_gone(a);
    assert_gone(b);
    uint64_t again = nodes_use(&n, FUSE_ROOT_ID, "a", true);
    cr_assert_neq(again, a);
    nodes_forget(&n, a, 1);
    nodes_forget(&n, b, 1);
    assert_path(again, NULL, "/a");
    cr_assert_eq(nodes_count(&n), 2);
}

Test(nodes, another_type_is_another_node)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", false),
             b = nodes_use(&n, FUSE_ROOT_ID, "a", true);
    cr_assert_neq(a, b);
    assert_gone(a);
    assert_path(b, NULL, "/a");
}

Test(nodes, one_writer_at_a_time)
{
    uint64_t a = nodes_use(&n, FUSE_ROOT_ID, "a", false), size = 99;
    cr_assert(!nodes_written_size(&n, a, &size));
    cr_assert(!nodes_keep_times(&n, a, (struct node_times){1, 1}));
    cr_assert_eq(nodes_begin_write(&n, a), 0);
    cr_assert_eq(nodes_begin_write(&n, a), -EBUSY);
    cr_assert(nodes_written_size(&n, a, &size));
    cr_assert_eq(size, 0);
    nodes_wrote(&n, a, 10);
    cr_assert(nodes_child_written_size(&n, FUSE_ROOT_ID, "a", &size));
    cr_assert_eq(size, 10);
    cr_assert(!nodes_child_written_size(&n, FUSE_ROOT_ID, "b", &size));
    cr_assert(nodes_keep_times(&n, a, (struct node_times){5, -1}));
    cr_assert(nodes_keep_times(&n, a, (struct node_times){-1, 6}));
    struct node_times times = nodes_end_write(&n, a);
    cr_assert_eq(times.modified_ms, 5);
    cr_assert_eq(times.accessed_ms, 6);
    cr_assert_eq(nodes_begin_write(&n, a), 0);
    cr_assert(nodes_keep_times(&n, a, (struct node_times){5, 6}));
    nodes_wrote(&n, a, 11);
    cr_assert_eq(nodes_end_write(&n, a).modified_ms, -1);
}

Test(nodes, paths_are_bounded)
{
    char name[256], *path = NULL;
    memset(name, 'n', 255);
    name[255] = '\0';
    uint64_t at = FUSE_ROOT_ID;
    for (int i = 0; i < 31; i++)
        at = nodes_use(&n, at, name, true);
    cr_assert_eq(nodes_path(&n, at, NULL, &path), 0);
    cr_assert_eq(strlen(path), 31 * 256);
    free(path);
    cr_assert_eq(nodes_path(&n, at, name, &path), -ENAMETOOLONG);
}
