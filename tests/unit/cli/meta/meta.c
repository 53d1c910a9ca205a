/* meta.c - ACL specs, values of extended attributes, the order of Java's tables. */
#include <criterion/criterion.h>

#include "cli/meta/meta.h"

static int parse(const char *text, bool permissions, struct acl_spec *ret)
{
    struct err err = {0};
    return acl_spec_parse(text, permissions, ret, &err);
}

Test(acl_spec, takes_what_hadoop_takes)
{
    struct acl_spec spec;
    cr_assert_eq(parse("user:bob:rw-,default:group::r-x,mask::---", true, &spec), 0);
    cr_assert_eq(spec.count, 3);
    cr_assert_str_eq(spec.items[0].name, "bob");
    cr_assert_eq(spec.items[0].permission, 6);
    cr_assert(spec.items[1].is_default && spec.items[1].type == DFS_ACL_GROUP);
    cr_assert_null(spec.items[1].name);
    cr_assert_eq(spec.items[2].type, DFS_ACL_MASK);
    acl_spec_free(&spec);
    cr_assert_eq(parse("user:bob,mask::", false, &spec), 0);
    cr_assert_eq(spec.count, 2);
    acl_spec_free(&spec);
}

Test(acl_spec, refuses_the_rest)
{
    static const char *const bad[] = {"user:bob", "user:bob:rwq", "nobody:bob:rwx",
                                      ":",        "default",      "user:bob:rwx:x"};
    struct acl_spec spec;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(parse(bad[i], true, &spec), ERR_ILLEGAL_ARGUMENT, "%s", bad[i]);
}

Test(xattr_value, goes_and_comes_back)
{
    static const char *const shown[] = {"\"hello\"", "0x68656c6c6f", "0saGVsbG8="};
    for (int i = XATTR_TEXT; i <= XATTR_BASE64; i++) {
        struct err err = {0};
        char *value;
        size_t size, shown_size;
        cr_assert_eq(xattr_value_parse(shown[i], &value, &size, &err), 0);
        cr_assert(size == 5 && memcmp(value, "hello", 5) == 0, "%s", shown[i]);
        char *text = xattr_value_show(value, size, (enum xattr_encoding)i, &shown_size);
        cr_assert(shown_size == strlen(shown[i]) && memcmp(text, shown[i], shown_size) == 0);
        text_free(text);
        text_free(value);
    }
}

Test(java_order, is_that_of_a_hash_map)
{
    static const char *const keys[] = {"b", "a", "q"}; /* 98, 97, 113 = 97 + 16: a's bucket */
    size_t *order = text_java_order(keys, 3);
    cr_assert(order[0] == 1 && order[1] == 2 && order[2] == 0);
    text_free(order);
}
