/* Paths: names, resolution, reserved paths, links, permissions on the way. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/namespace/namespace.h"

static struct ns *ns;
static struct arena arena;
static handle_t a, b, file, link;

static handle_t make(enum inode_type type, handle_t parent, const char *name, uint16_t mode,
                     const char *user, const char *target)
{
    uint32_t user_id, group_id;
    handle_t h;
    cr_assert_eq(ns_intern(ns, NAME_USER, slice_of(user), &user_id), 0);
    cr_assert_eq(ns_intern(ns, NAME_GROUP, slice_of("staff"), &group_id), 0);
    struct ns_new_inode n = {.id = ns_last_inode_id(ns) + 1,
                             .parent = parent,
                             .name = slice_of(name),
                             .perm = perm_of(user_id, group_id, mode),
                             .replication = 3,
                             .target = slice_of(target)};
    cr_assert_eq(ns_add(ns, type, &n, true, &h), 0);
    return h;
}

static void setup(void)
{
    arena_init(&arena, 0);
    cr_assert_eq(ns_new("root", "supergroup", &ns), 0);
    a = make(INODE_DIR, ns_root(ns), "a", 0750, "alice", "");
    b = make(INODE_DIR, a, "b", 01777, "alice", "");
    file = make(INODE_FILE, b, "f", 0640, "alice", "");
    link = make(INODE_SYMLINK, ns_root(ns), "link", 0777, "alice", "a/b");
}

static void teardown(void)
{
    ns_free(ns);
    arena_fini(&arena);
}

TestSuite(path, .init = setup, .fini = teardown);

static const char *const staff[] = {"staff"};
static const struct ns_caller alice = {"alice", NULL, 0, false, NULL},
                              bob = {"bob", NULL, 0, false, NULL},
                              carl = {"carl", staff, 1, false, NULL},
                              super = {"root", NULL, 0, true, NULL};

Test(path, bad_names_are_told_as_hadoop_does)
{
    const char *good[] = {"/",     "/a",     "/a/b/",
                          "/a/.b", "/a/..b", "/\xc3\xa9",
                          "//",    "/a//",   "/.reserved/.inodes/16386/.."};
    const char *bad[] = {
        "", "a", "//a", "/a//b", "/a/./b", "/a/..", "/a:b", "/\xff", "/.reserved/.inodes/.."};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        cr_assert(path_valid_name(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert_not(path_valid_name(bad[i]), "%s", bad[i]);
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, NULL, "/a/../x", PATH_CREATE, &arena, &r, &err), ERR_INVALID_PATH);
    cr_assert_str_eq(err.text, "Invalid path name Invalid file name: /a/../x");
    cr_assert_eq(ns_resolve(ns, NULL, "a", PATH_READ, &arena, &r, &err), ERR_ASSERTION);
}

Test(path, resolves_as_far_as_it_exists)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, NULL, "/", PATH_READ, &arena, &r, &err), 0);
    cr_assert(r.depth == 0 && r.found == 1 && resolved_last(&r) == ns_root(ns) &&
              resolved_parent(&r) == 0);
    cr_assert_str_eq(r.text, "/");
    cr_assert_eq(ns_resolve(ns, NULL, "//a//b/f/", PATH_READ, &arena, &r, &err), 0);
    cr_assert(r.depth == 3 && resolved_last(&r) == file && resolved_parent(&r) == b);
    cr_assert_str_eq(r.text, "/a/b/f");
    cr_assert_eq(ns_resolve(ns, NULL, "/a/x/y", PATH_READ, &arena, &r, &err), 0);
    cr_assert(r.found == 2 && resolved_last(&r) == 0 && resolved_parent(&r) == 0);
    cr_assert_str_eq(resolved_prefix(&r, 2, &arena), "/a/x");
    cr_assert_eq(ns_resolve_inode(ns, file, &arena, &r, &err), 0);
    cr_assert_str_eq(r.text, "/a/b/f");
    cr_assert_eq(resolved_parent(&r), b);
    cr_assert_str_eq(ns_path(ns, file, &arena), "/a/b/f");
}

Test(path, a_file_on_the_way_is_one_of_two_exceptions)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, NULL, "/a/b/f/x", PATH_READ, &arena, &r, &err), ERR_ACCESS);
    cr_assert_str_eq(err.text, "/a/b/f (is not a directory)");
    cr_assert_eq(ns_resolve(ns, &alice, "/a/b/f/x/y", PATH_CREATE, &arena, &r, &err),
                 ERR_PARENT_NOT_DIR);
    cr_assert_str_eq(err.text, "/a/b/f (is not a directory)");
}

Test(path, inode_numbers_stand_for_paths)
{
    struct resolved r;
    struct err err = {0};
    char text[100];
    unsigned long long id = ns_inode(ns, b)->id;
    snprintf(text, sizeof(text), "/.reserved/.inodes/%llu/f", id);
    cr_assert_eq(ns_resolve(ns, NULL, text, PATH_READ, &arena, &r, &err), 0);
    cr_assert_eq(resolved_last(&r), file);
    cr_assert_str_eq(r.text, "/a/b/f");
    snprintf(text, sizeof(text), "/.reserved/.inodes/%llu/..", id);
    cr_assert_eq(ns_resolve(ns, NULL, text, PATH_READ, &arena, &r, &err), 0);
    cr_assert_eq(resolved_last(&r), a);
    cr_assert_eq(ns_resolve(ns, NULL, "/.reserved/.inodes/99999", PATH_READ, &arena, &r, &err),
                 ERR_NOT_FOUND);
    cr_assert_eq(ns_resolve(ns, NULL, "/.reserved/.inodes/x", PATH_READ, &arena, &r, &err),
                 ERR_NOT_FOUND);
    cr_assert_eq(ns_resolve(ns, &super, "/.reserved/raw/a/b", PATH_WRITE, &arena, &r, &err), 0);
    cr_assert(resolved_last(&r) == b && r.raw);
    cr_assert_eq(ns_resolve(ns, &alice, "/.reserved/raw/a/b", PATH_WRITE, &arena, &r, &err),
                 ERR_ACCESS);
    ns_remove(ns, a, 1);
    snprintf(text, sizeof(text), "/.reserved/.inodes/%llu", id);
    cr_assert_eq(ns_resolve(ns, NULL, text, PATH_READ, &arena, &r, &err), ERR_NOT_FOUND);
}

Test(path, links_end_in_the_path_to_try_next)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, NULL, "/link/f", PATH_READ, &arena, &r, &err), ERR_UNRESOLVED_LINK);
    cr_assert_str_eq(err.text, "/a/b/f");
    cr_assert_eq(ns_resolve(ns, NULL, "/link", PATH_READ, &arena, &r, &err), ERR_UNRESOLVED_LINK);
    cr_assert_eq(ns_resolve(ns, NULL, "/link", PATH_READ_LINK, &arena, &r, &err), 0);
    cr_assert_eq(resolved_last(&r), link);
    make(INODE_SYMLINK, b, "out", 0777, "alice", "hdfs://other/x");
    cr_assert_eq(ns_resolve(ns, NULL, "/a/b/out/y", PATH_READ, &arena, &r, &err),
                 ERR_UNRESOLVED_LINK);
    cr_assert_str_eq(err.text, "hdfs://other/x/y");
    make(INODE_SYMLINK, b, "up", 0777, "alice", "../.././c");
    cr_assert_eq(ns_resolve(ns, NULL, "/a/b/up/y", PATH_READ, &arena, &r, &err),
                 ERR_UNRESOLVED_LINK);
    cr_assert_str_eq(err.text, "/c/y");
}

/* What Hadoop's UnresolvedPathException says of such targets. */
Test(path, targets_that_end_in_dots)
{
    static const struct {
        const char *target, *path, *rest;
    } cases[] = {{"/x/y/..", "/x/", "/x/f"},      {"/x/y/../", "/x/", "/x/f"},
                 {"/x/.", "/x/", "/x/f"},         {"..", "/a", "/a/f"},
                 {"/..", "/..", "/../f"},         {"/x/..", "/", "/f"},
                 {"/x/y..", "/x/y..", "/x/y../f"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct resolved r;
        struct err err = {0};
        char name[16], below[32];
        snprintf(name, sizeof(name), "l%zu", i);
        make(INODE_SYMLINK, b, name, 0777, "alice", cases[i].target);
        snprintf(below, sizeof(below), "/a/b/l%zu/f", i);
        cr_assert_eq(ns_resolve(ns, NULL, below, PATH_READ, &arena, &r, &err), ERR_UNRESOLVED_LINK);
        cr_assert_str_eq(err.text, cases[i].rest, "%s", cases[i].target);
        below[strlen(below) - 2] = '\0';
        cr_assert_eq(ns_resolve(ns, NULL, below, PATH_READ, &arena, &r, &err), ERR_UNRESOLVED_LINK);
        cr_assert_str_eq(err.text, cases[i].path, "%s", cases[i].target);
    }
}

Test(path, permissions_are_checked_on_the_way_with_the_known_text)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, &bob, "/a/b/f", PATH_READ, &arena, &r, &err), ERR_ACCESS);
    cr_assert_str_eq(
        err.text,
        "Permission denied: user=bob, access=EXECUTE, inode=\"/a\":alice:staff:drwxr-x---");
    cr_assert_eq(ns_resolve(ns, &carl, "/a/b/f", PATH_READ, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_access(ns, &carl, &r, (struct ns_want){.target = ACCESS_READ}, &err), 0);
    cr_assert_eq(ns_check_access(ns, &carl, &r, (struct ns_want){.target = ACCESS_WRITE}, &err),
                 ERR_ACCESS);
    cr_assert_str_eq(
        err.text,
        "Permission denied: user=carl, access=WRITE, inode=\"/a/b/f\":alice:staff:-rw-r-----");
    cr_assert_eq(ns_check_access(ns, &super, &r,
                                 (struct ns_want){.target = ACCESS_ALL, .owner = true}, &err),
                 0);
    cr_assert_eq(
        ns_check_access(ns, NULL, &r, (struct ns_want){.target = ACCESS_ALL, .owner = true}, &err),
        0);
}

Test(path, the_sticky_bit_guards_what_others_own)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, &carl, "/a/b/f", PATH_WRITE_LINK, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_access(ns, &carl, &r, (struct ns_want){.parent = ACCESS_WRITE}, &err),
                 ERR_ACCESS);
    cr_assert_str_eq(
        err.text,
        "Permission denied by sticky bit: user=carl, path=\"/a/b/f\":alice:staff:-rw-r-----, "
        "parent=\"/a/b\":alice:staff:drwxrwxrwt");
    cr_assert_eq(ns_check_access(ns, &alice, &r, (struct ns_want){.parent = ACCESS_WRITE}, &err),
                 0);
}

Test(path, owner_and_subtree_are_checked)
{
    struct resolved r;
    struct err err = {0};
    cr_assert_eq(ns_resolve(ns, &carl, "/a", PATH_WRITE, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_access(ns, &carl, &r, (struct ns_want){.owner = true}, &err), ERR_ACCESS);
    cr_assert_str_eq(err.text, "Permission denied. user=carl is not the owner of inode=/a");
    handle_t closed = make(INODE_DIR, b, "closed", 0500, "alice", "");
    struct ns_want want = {.subtree = ACCESS_ALL, .ignore_empty = true};
    cr_assert_eq(ns_check_access(ns, &alice, &r, want, &err), 0); /* it is empty */
    make(INODE_FILE, closed, "x", 0600, "alice", "");
    cr_assert_eq(ns_check_access(ns, &alice, &r, want, &err), ERR_ACCESS);
    cr_assert_str_eq(
        err.text,
        "Permission denied: user=alice, access=ALL, inode=\"/a/b/closed\":alice:staff:dr-x------");
}

Test(path, acl_entries_count_before_the_group_bits)
{
    uint32_t bob_id;
    cr_assert_eq(ns_intern(ns, NAME_USER, slice_of("bob"), &bob_id), 0);
    uint32_t acl[] = {acl_entry(0, ACL_USER, 7, bob_id), acl_entry(0, ACL_GROUP, 0, 0)};
    cr_assert_eq(ns_set_acl(ns, a, acl, 2), 0); /* group bits 5 are the mask now */
    cr_assert(ns_may(ns, &bob, a, ACCESS_READ | ACCESS_EXECUTE));
    cr_assert_not(ns_may(ns, &bob, a, ACCESS_WRITE)); /* masked */
    cr_assert_not(ns_may(ns, &carl, a, ACCESS_READ)); /* the group's own entry */
    cr_assert(ns_may(ns, &alice, a, ACCESS_ALL));
    cr_assert_eq(ns_set_acl(ns, a, NULL, 0), 0);
    cr_assert(ns_may(ns, &carl, a, ACCESS_READ));
}

Test(path, limits_of_length_and_names)
{
    struct resolved r;
    struct err err = {0};
    static char deep[3 * 1002 + 1], longer[9000];
    for (int i = 0; i < 1001; i++)
        memcpy(deep + 2 * i, "/x", 3);
    memset(longer, 'y', sizeof(longer) - 1);
    longer[0] = '/';
    cr_assert_eq(path_check_length(deep, "mkdirs", &err), ERR_IO);
    cr_assert_str_eq(err.text, "mkdirs: Pathname too long.  Limit 8000 characters, 1000 levels.");
    cr_assert_eq(path_check_length(longer, "create", &err), ERR_IO);
    cr_assert_eq(path_check_length("/a/b", "create", &err), 0);
    struct ns_limits limits = {.max_component_length = 4, .max_dir_items = 2};
    cr_assert_eq(ns_resolve(ns, NULL, "/a/toolong", PATH_CREATE, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_new(ns, &r, limits, &err), ERR_NAME_TOO_LONG);
    cr_assert_str_eq(
        err.text, "The maximum path component name limit of toolong in directory /a is exceeded: "
                  "limit=4 length=7");
    cr_assert_eq(ns_resolve(ns, NULL, "/more", PATH_CREATE, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_new(ns, &r, limits, &err), ERR_DIR_FULL);
    cr_assert_str_eq(err.text, "The directory item limit of / is exceeded: limit=2 items=2");
    cr_assert_eq(ns_resolve(ns, NULL, "/a/.snapshot", PATH_CREATE, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_new(ns, &r, (struct ns_limits){0}, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(ns_resolve(ns, NULL, "/x/y/z", PATH_CREATE, &arena, &r, &err), 0);
    cr_assert_eq(ns_check_parent(ns, &r, &err), ERR_NOT_FOUND);
    cr_assert_str_eq(err.text, "Parent directory doesn't exist: /x/y");
}
