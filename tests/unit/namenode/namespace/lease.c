/* Leases, attributes, counts. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/namespace/namespace.h"

static struct ns *ns;
static struct arena arena;
static handle_t files[4];

static handle_t make(enum inode_type type, const char *name)
{
    struct ns_new_inode n = {.id = ns_last_inode_id(ns) + 1,
                             .parent = ns_root(ns),
                             .name = slice_of(name),
                             .replication = 3};
    handle_t h;
    cr_assert_eq(ns_add(ns, type, &n, true, &h), 0);
    return h;
}

static void setup(void)
{
    arena_init(&arena, 0);
    cr_assert_eq(ns_new("root", "supergroup", &ns), 0);
    const char *names[] = {"p", "q", "r", "s"};
    for (int i = 0; i < 4; i++)
        files[i] = make(INODE_FILE, names[i]);
}

static void teardown(void)
{
    struct err err = {0};
    cr_assert(ns_verify(ns, &err), "%s", err.text);
    ns_free(ns);
    arena_fini(&arena);
}

TestSuite(lease, .init = setup, .fini = teardown);

Test(lease, expires_in_order_of_renewal)
{
    ns_set_now(ns, 1000);
    cr_assert_eq(ns_open_file(ns, files[0], slice_of("one"), slice_of("10.0.0.1")), 0);
    ns_set_now(ns, 2000);
    cr_assert_eq(ns_open_file(ns, files[1], slice_of("two"), slice_of("10.0.0.2")), 0);
    cr_assert_eq(ns_open_file(ns, files[2], slice_of("two"), slice_of("10.0.0.2")), 0);
    handle_t one = ns_lease_find(ns, "one"), two = ns_lease_find(ns, "two");
    cr_assert_eq(ns_lease_next_expired(ns, 0, 1500, 1000), 0);
    cr_assert_eq(ns_lease_next_expired(ns, 0, 2500, 1000), one);
    cr_assert_eq(ns_lease_next_expired(ns, one, 2500, 1000), 0);
    cr_assert_eq(ns_lease_next_expired(ns, one, 3500, 1000), two);
    cr_assert(ns_lease_renew(ns, "one", 3000));
    cr_assert_not(ns_lease_renew(ns, "three", 3000));
    cr_assert_eq(ns_lease_next_expired(ns, 0, 3500, 1000), two);
    cr_assert_eq(ns_lease_next_expired(ns, two, 3500, 1000), 0);
    cr_assert_eq(ns_lease_file_count(ns, two), 2);
    cr_assert(slice_equal(ns_uc_machine(ns, files[1]), slice_of("10.0.0.2")));
    ns_lease_renew_all(ns, 9000);
    cr_assert_eq(ns_lease_next_expired(ns, 0, 9900, 1000), 0);
}

Test(lease, ends_with_its_last_file_and_can_change_hands)
{
    cr_assert_eq(ns_open_file(ns, files[0], slice_of("one"), slice_of("")), 0);
    cr_assert_eq(ns_open_file(ns, files[1], slice_of("one"), slice_of("")), 0);
    cr_assert_eq(ns_reassign_lease(ns, files[0], slice_of("HDFS_NameNode")), 0);
    cr_assert_str_eq(ns_uc_client(ns, files[0]), "HDFS_NameNode");
    cr_assert_str_eq(ns_uc_client(ns, files[1]), "one");
    cr_assert_str_eq(ns_uc_client(ns, files[2]), "");
    ns_close_file(ns, files[1]);
    cr_assert_eq(ns_lease_find(ns, "one"), 0);
    handle_t lease = ns_lease_find(ns, "HDFS_NameNode");
    cr_assert_eq(ns_lease_next_file(ns, lease, 0), files[0]);
    cr_assert_eq(ns_lease_next_file(ns, lease, files[0]), 0);
    ns_close_file(ns, files[0]);
    ns_close_file(ns, files[0]); /* closed is closed */
    cr_assert_eq(ns_lease_find(ns, "HDFS_NameNode"), 0);
}

Test(lease, attributes_come_and_go)
{
    uint32_t color, size;
    struct slice value;
    cr_assert_eq(ns_intern(ns, NAME_XATTR, slice_of("color"), &color), 0);
    cr_assert_eq(ns_intern(ns, NAME_XATTR, slice_of("size"), &size), 0);
    struct xattr x = {XATTR_USER, color, slice_of("red")}, y = {XATTR_TRUSTED, size, slice_of("")};
    cr_assert_eq(ns_set_xattr(ns, files[0], &x), 0);
    cr_assert_eq(ns_set_xattr(ns, files[0], &y), 0);
    x.value =
        slice_of("a colour that has a much longer name than the one before, so that it moves");
    cr_assert_eq(ns_set_xattr(ns, files[0], &x), 0);
    cr_assert(ns_xattr_get(ns, files[0], XATTR_USER, "color", &value));
    cr_assert(slice_equal(value, x.value));
    cr_assert_not(ns_xattr_get(ns, files[0], XATTR_TRUSTED, "color", &value));
    uint32_t cursor = 0;
    struct xattr seen;
    cr_assert(ns_xattr_next(ns, files[0], &cursor, &seen) &&
              seen.name == color); /* the latest is first */
    cr_assert(ns_xattr_next(ns, files[0], &cursor, &seen) && seen.name == size &&
              seen.value.size == 0);
    cr_assert_not(ns_xattr_next(ns, files[0], &cursor, &seen));
    ns_remove_xattr(ns, files[0], XATTR_USER, color);
    ns_remove_xattr(ns, files[0], XATTR_USER, color);
    ns_remove_xattr(ns, files[0], XATTR_TRUSTED, size);
    cr_assert_eq(ns_inode(ns, files[0])->features, 0);
}

Test(lease, policies_are_inherited)
{
    uint32_t id;
    handle_t dir = make(INODE_DIR, "dir");
    cr_assert_eq(ns_intern(ns, NAME_XATTR, slice_of("hsm.block.storage.policy.id"), &id), 0);
    uint8_t cold = 2;
    struct xattr x = {XATTR_SYSTEM, id, {&cold, 1}};
    cr_assert_eq(ns_set_xattr(ns, ns_root(ns), &x), 0);
    cr_assert_eq(ns_effective_policy(ns, dir), 2);
    cr_assert_eq(ns_local_policy(ns, dir), 0);
    ns_set_file_policy(ns, files[1], 7);
    cr_assert_eq(ns_effective_policy(ns, files[1]), 7);
    cr_assert_eq(ns_effective_policy(ns, files[0]), 2);
    cr_assert_eq(ns_intern(ns, NAME_XATTR, slice_of("hdfs.erasurecoding.policy"), &id), 0);
    x = (struct xattr){XATTR_SYSTEM, id, {(const uint8_t *)"\0\0\0\x0cRS-6-3-1024k", 16}};
    cr_assert_eq(ns_set_xattr(ns, dir, &x), 0);
    cr_assert(slice_equal(ns_ec_policy_name(ns, dir), slice_of("RS-6-3-1024k")));
    cr_assert_eq(ns_ec_policy_name(ns, ns_root(ns)).size, 0);
}

static uint64_t length_of(const void *ctx, handle_t block)
{
    (void)ctx;
    return block * 10;
}

Test(lease, a_summary_counts_the_subtree)
{
    handle_t blocks[] = {1, 2, 3};
    struct ns_summary s;
    ns_set_block_length(ns, length_of, NULL);
    cr_assert_eq(ns_set_blocks(ns, files[0], blocks, 3), 0);
    make(INODE_SYMLINK, "z");
    ns_summarize(ns, ns_root(ns), &s);
    cr_assert(s.files == 4 && s.directories == 1 && s.symlinks == 1);
    cr_assert(s.length == 60 && s.space == 180);
    cr_assert_eq(ns_file_length(ns, files[0]), 60);
    ns_summarize(ns, files[1], &s);
    cr_assert(s.files == 1 && s.length == 0);
}

Test(lease, names_get_the_same_id_again)
{
    uint32_t first, again;
    char text[20];
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof(text), "user%d", i);
        cr_assert_eq(ns_intern(ns, NAME_USER, slice_of(text), &first), 0);
        cr_assert_eq(ns_intern(ns, NAME_USER, slice_of(text), &again), 0);
        cr_assert(first == again && first == ns_name_id(ns, NAME_USER, text));
        cr_assert_str_eq(ns_interned(ns, NAME_USER, first), text);
    }
    cr_assert_eq(ns_name_id(ns, NAME_GROUP, "user1"), 0);
    cr_assert_str_eq(ns_interned(ns, NAME_USER, 9999), "");
}
