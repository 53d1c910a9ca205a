/* path.c - paths as written and what they stand for; globs and streams on the local disk. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/store/internal.h"

static void expect(const char *home, const char *path, const char *want)
{
    auto_text have = path_absolute(home, path);
    cr_assert_str_eq(have, want);
}

Test(path, absolute)
{
    expect("/user/me", "a", "/user/me/a");
    expect("/user/me", "a//b/", "/user/me/a/b");
    expect("/user/me", ".", "/user/me");
    expect("/user/me", "..", "/user");
    expect("/user/me", "./../x", "/user/x");
    expect("/user/me", "/", "/");
    expect("/user/me", "//a///b", "/a/b");
    expect("/", "../..", "/");
    expect("/", "/a/./b/../c", "/a/c");
}

Test(path, parent)
{
    auto_text a = path_parent("/a/b");
    auto_text b = path_parent("/a");
    auto_text c = path_parent("/");
    cr_assert_str_eq(a, "/a");
    cr_assert_str_eq(b, "/");
    cr_assert_str_eq(c, "/");
}

Test(path, order_is_that_of_uris)
{
    cr_assert_lt(path_compare("/a", "/b"), 0);
    cr_assert_eq(path_compare("/a b", "/a b"), 0);
    cr_assert_lt(path_compare("/a", "/a/b"), 0);
    cr_assert_gt(path_compare("/a b", "/a!b"), 0);  /* %20 is behind ! */
    cr_assert_lt(path_compare("/a b", "/a\"b"), 0); /* %20 < %22 */
    cr_assert_gt(path_compare("/\xc3\xbc", "/z"), 0);
}

Test(path, split)
{
    struct path_parts p;
    struct err err = {0};
    cr_assert_eq(path_split("hdfs://h:1/a", &p, &err), 0);
    cr_assert_eq(p.scheme_size, 4);
    cr_assert_eq(p.authority_size, 3);
    cr_assert_str_eq(p.path, "/a");
    cr_assert_eq(path_split("hdfs://h:1", &p, &err), 0);
    cr_assert_str_eq(p.path, "/");
    cr_assert_eq(path_split("/a:b", &p, &err), 0);
    cr_assert_eq(p.scheme_size, 0);
    cr_assert_eq(path_split("a:b", &p, &err), ERR_ILLEGAL_ARGUMENT);
    cr_assert_str_eq(err.text, "java.net.URISyntaxException: Relative path in absolute URI: a:b");
    cr_assert_eq(path_split("", &p, &err), ERR_ILLEGAL_ARGUMENT);
}

/* A folder with a few files, and stores whose default is the local disk. */
static char dir[64];
static struct conf *conf;
static struct stores *stores;

static void touch(const char *name)
{
    auto_text path = text_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs("x", f);
    fclose(f);
}

static void set_up(void)
{
    static const char *const none[] = {NULL};
    strcpy(dir, "/tmp/cli-store-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    auto_text sub = text_printf("%s/sub", dir);
    mkdir(sub, 0755);
    touch("a1");
    touch("a2");
    touch("b1");
    touch("sub/a3");
    conf = conf_new();
    stores = stores_new(conf, none);
}

static void tear_down(void)
{
    struct err err = {0};
    struct store *local;
    cr_assert_eq(stores_local(stores, &local, &err), 0);
    cr_assert_eq(store_delete(local, dir, true, &err), 0, "%s", err.text);
    stores_free(stores);
    conf_free(conf);
}

static size_t count_matches(const char *pattern)
{
    struct items found = {0};
    struct err err = {0};
    auto_text full = text_printf("file://%s/%s", dir, pattern);
    cr_assert_eq(item_glob(stores, full, &found, &err), 0, "%s", err.text);
    size_t n = 0;
    for (size_t i = 0; i < found.count; i++)
        n += found.at[i].exists;
    items_fini(&found);
    return n;
}

Test(glob, local, .init = set_up, .fini = tear_down)
{
    cr_assert_eq(count_matches("a*"), 2);
    cr_assert_eq(count_matches("*"), 4);
    cr_assert_eq(count_matches("*/a*"), 1);
    cr_assert_eq(count_matches("{a1,sub/a3}"), 2);
    cr_assert_eq(count_matches("zz*"), 0);
    cr_assert_eq(count_matches("none"), 0);
    cr_assert_eq(count_matches("a1/*"), 0); /* a file has no children */
    cr_assert_eq(count_matches("sub/../a1"), 1);
}

Test(glob, finds_are_shown_as_written, .init = set_up, .fini = tear_down)
{
    struct items found = {0};
    struct err err = {0};
    cr_assert_eq(chdir(dir), 0);
    cr_assert_eq(item_glob(stores, "sub/../a*", &found, &err), 0);
    cr_assert_eq(found.count, 2);
    cr_assert_str_eq(found.at[0].text, "a1");
    items_fini(&found);
    cr_assert_eq(item_glob(stores, "no\\*ne", &found, &err), 0);
    cr_assert_eq(found.count, 1);
    cr_assert(!found.at[0].exists);
    cr_assert_str_eq(found.at[0].text, "no*ne");
    items_fini(&found);
    cr_assert_eq(chdir("/"), 0);
}

Test(local, checksum_files_follow_and_hide, .init = set_up, .fini = tear_down)
{
    struct store *local;
    struct stream *f;
    struct err err = {0};
    const struct store_create with_sums = {.checksums = true};
    char data[700] = {1};
    cr_assert_eq(stores_local(stores, &local, &err), 0);
    auto_text path = text_printf("%s/new", dir);
    auto_text moved = text_printf("%s/moved", dir);
    auto_text sums = text_printf("%s/.moved.crc", dir);
    cr_assert_eq(store_create(local, path, &with_sums, &f, &err), 0);
    cr_assert_eq(stream_write(f, data, sizeof(data), &err), 0);
    cr_assert_eq(stream_close(f, &err), 0);
    cr_assert_eq(store_rename(local, path, moved, 0, &err), 0, "%s", err.text);
    struct stat st;
    cr_assert_eq(stat(sums, &st), 0);
    cr_assert_eq(st.st_size, 8 + 2 * 4); /* header, two chunks */
    cr_assert_eq(count_matches("*"), 5); /* the .crc is not listed */
    cr_assert_eq(store_rename(local, moved, dir, 0, &err), ERR_EXISTS);
    cr_assert_eq(store_delete(local, moved, false, &err), 0);
    cr_assert_neq(stat(sums, &st), 0);
}
