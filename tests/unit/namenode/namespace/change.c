/* Rename and delete: what is refused and how, and what happens. */
#include <criterion/criterion.h>

#include "namenode/namespace/namespace.h"

static struct ns *ns;
static struct arena arena;
static const struct ns_limits unlimited;

static handle_t make(enum inode_type type, handle_t parent, const char *name)
{
    struct ns_new_inode n = {.id = ns_last_inode_id(ns) + 1,
                             .parent = parent,
                             .name = slice_of(name),
                             .mtime_ms = 100,
                             .replication = 1};
    handle_t h;
    cr_assert_eq(ns_add(ns, type, &n, true, &h), 0);
    return h;
}

static handle_t d, e, f, g;

static void setup(void)
{
    arena_init(&arena, 0);
    cr_assert_eq(ns_new("root", "supergroup", &ns), 0);
    d = make(INODE_DIR, ns_root(ns), "d");
    e = make(INODE_DIR, ns_root(ns), "e");
    f = make(INODE_FILE, d, "f");
    g = make(INODE_FILE, d, "g");
}

static void teardown(void)
{
    struct err err = {0};
    cr_assert(ns_verify(ns, &err), "%s", err.text);
    ns_free(ns);
    arena_fini(&arena);
}

TestSuite(change, .init = setup, .fini = teardown);

static struct resolved at(const char *path, enum path_op op)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, NULL, path, op, &arena, &r, &err), 0, "%s: %s", path, err.text);
    return r;
}

static int check(const char *from, const char *to, bool overwrite, struct err *err)
{
    struct resolved src = at(from, PATH_WRITE_LINK), dst = at(to, PATH_CREATE_LINK);
    return ns_check_rename(ns, &src, &dst, overwrite, unlimited, err);
}

Test(change, rename2_refuses_with_hadoops_classes)
{
    struct err err = {0};
    cr_assert_eq(check("/none", "/x", false, &err), ERR_NOT_FOUND);
    cr_assert_str_eq(err.text, "rename source /none is not found.");
    cr_assert_eq(check("/", "/x", false, &err), ERR_IO);
    cr_assert_eq(check("/d", "/d", false, &err), ERR_EXISTS);
    cr_assert_eq(check("/d", "/d/x", false, &err), ERR_IO);
    cr_assert_str_eq(err.text, "Rename destination /d/x is a directory or file under source /d");
    cr_assert_eq(check("/d", "/dx", false, &err), 0);
    cr_assert_eq(check("/e", "/", true, &err), ERR_IO);
    cr_assert_eq(check("/e", "/d/f", true, &err), ERR_IO);
    cr_assert_str_eq(err.text, "Source /e and destination /d/f must both be directories");
    cr_assert_eq(check("/d/f", "/d/g", false, &err), ERR_EXISTS);
    cr_assert_eq(check("/d/f", "/d/g", true, &err), 0);
    cr_assert_eq(check("/e", "/d", true, &err), ERR_IO);
    cr_assert_str_eq(err.text, "rename destination directory is not empty: /d");
    cr_assert_eq(check("/d", "/e", true, &err), 0);
    cr_assert_eq(check("/d/f", "/none/x", false, &err), ERR_NOT_FOUND);
}

static void check_old(const char *from, const char *to, bool ok, bool noop, const char *real)
{
    struct resolved src = at(from, PATH_WRITE_LINK), dst = at(to, PATH_CREATE_LINK);
    struct err err = {0};
    bool got_ok, got_noop;
    cr_assert_eq(ns_check_rename_old(ns, &src, &dst, unlimited, &arena, &got_ok, &got_noop, &err),
                 0);
    cr_assert(got_ok == ok && got_noop == noop, "%s to %s", from, to);
    if (ok)
        cr_assert_str_eq(dst.text, real);
}

Test(change, old_rename_answers_false_and_goes_into_directories)
{
    check_old("/none", "/x", false, false, "");
    check_old("/", "/x", false, false, "");
    check_old("/d", "/d/x", false, false, "");
    check_old("/d", "/d", false, false, "");       /* means /d/d */
    check_old("/d/f", "/d/f", true, true, "/d/f"); /* itself: true, and nothing happens */
    check_old("/d/f", "/d", true, true, "/d/f");
    check_old("/d/f", "/e", true, false, "/e/f");
    check_old("/d/f", "/d/g", false, false, "");
    check_old("/d/f", "/none/x", false, false, "");
    check_old("/d", "/e", true, false, "/e/d");
}

Test(change, a_move_touches_both_parents_and_keeps_the_inode)
{
    cr_assert_eq(ns_move(ns, f, e, slice_of("new name"), 500), 0);
    cr_assert_eq(ns_child(ns, d, slice_of("f")), 0);
    cr_assert_eq(ns_child(ns, e, slice_of("new name")), f);
    cr_assert(ns_inode(ns, d)->mtime_ms == 500 && ns_inode(ns, e)->mtime_ms == 500);
    cr_assert_eq(ns_inode(ns, f)->mtime_ms, 100);
    cr_assert_eq(ns_move(ns, f, d, slice_of("g"), 400),
                 0); /* over g; an older time doesn't count */
    cr_assert_eq(ns_inode(ns, d)->mtime_ms, 500);
    cr_assert_eq(ns_find_id(ns, NS_ROOT_INODE_ID + 4), 0);
    cr_assert_eq(ns_child(ns, d, slice_of("g")), f);
}

static uint64_t seen_blocks;
static void on_block(void *ctx, handle_t block)
{
    (void)ctx;
    seen_blocks += block;
}

Test(change, deleting_gives_back_blocks_and_leases)
{
    struct resolved r = at("/d", PATH_WRITE_LINK);
    struct err err = {0};
    bool ok = true;
    handle_t blocks[] = {5, 6, 7};
    cr_assert_eq(ns_set_blocks(ns, f, blocks, 3), 0);
    cr_assert_eq(ns_push_block(ns, f, 8), 0);
    cr_assert_eq(ns_pop_block(ns, f), 8);
    cr_assert_eq(ns_open_file(ns, g, slice_of("client"), slice_of("host")), 0);
    cr_assert_eq(ns_check_delete(ns, &r, false, &ok, &err), ERR_NOT_EMPTY);
    cr_assert_eq(ns_check_delete(ns, &r, true, &ok, &err), 0);
    cr_assert(ok);
    ns_remove(ns, d, 900);
    cr_assert_eq(ns_inode(ns, ns_root(ns))->mtime_ms, 900);
    handle_t lease = ns_lease_find(ns, "client");
    cr_assert_neq(lease, 0);
    cr_assert_eq(ns_lease_next_file(ns, lease, 0), 0); /* it holds nothing that can be reached */
    seen_blocks = 0;
    cr_assert(ns_collect(ns, 1, on_block, NULL));
    while (ns_collect(ns, 1, on_block, NULL))
        ;
    cr_assert_eq(seen_blocks, 18);
    cr_assert_eq(ns_lease_find(ns, "client"), 0);
    r = at("/", PATH_WRITE_LINK);
    cr_assert_eq(ns_check_delete(ns, &r, true, &ok, &err), 0);
    cr_assert_not(ok);
}

Test(change, implied_parents_are_at_least_writable_by_their_owner)
{
    struct resolved r = at("/d/x/y", PATH_CREATE);
    cr_assert_eq(ns_implied_parent_mode(ns, &r, 0444, false), 0744);
    ns_set_perm(ns, d, perm_of(1, 1, 0555));
    cr_assert_eq(ns_implied_parent_mode(ns, &r, 0444, true), 0755);
}
