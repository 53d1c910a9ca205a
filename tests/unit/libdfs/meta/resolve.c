/* Addresses of NameNodes, and when a call is worth another try. */
#include <criterion/criterion.h>

#include "libdfs/meta/meta.h"

static struct conf *with(const char *const *pairs)
{
    struct conf *c = conf_new();
    for (; *pairs != NULL; pairs++)
        cr_assert_eq(conf_set_pair(c, *pairs, NULL), 0);
    cr_assert_eq(conf_finish(c, NULL), 0);
    return c;
}

Test(resolve, plain_urls)
{
    struct meta_addresses a;
    struct conf *c = with((const char *[]){"fs.defaultFS=hdfs://nn.example:9000/", NULL});
    cr_assert_eq(meta_resolve(c, "hdfs://h", &a, NULL), 0);
    cr_assert_str_eq(a.authority, "h:8020");
    cr_assert_eq(meta_resolve(c, "HDFS://h:1234/some/path", &a, NULL), 0);
    cr_assert_str_eq(a.authority, "h:1234");
    cr_assert_eq(meta_resolve(c, NULL, &a, NULL), 0);
    cr_assert_str_eq(a.items[0].host, "nn.example");
    cr_assert_eq(a.items[0].port, 9000);
    cr_assert(!a.logical && a.count == 1);
    cr_assert(meta_same_authority(&a, "NN.example:9000", 15));
    cr_assert(meta_same_authority(&a, "", 0));
    cr_assert(!meta_same_authority(&a, "nn.example:9001", 15));
    cr_assert_eq(meta_resolve(c, "file:///x", &a, NULL), ERR_CONFIG);
    cr_assert_eq(meta_resolve(c, "hdfs:///x", &a, NULL), ERR_CONFIG);
    cr_assert_eq(meta_resolve(c, "hdfs://h:99999", &a, NULL), ERR_CONFIG);
    conf_free(c);
}

Test(resolve, nameservices)
{
    struct meta_addresses a;
    struct err err = {0};
    struct conf *c = with((const char *[]){"dfs.nameservices=one,two", "dfs.ha.namenodes.two=a, b",
                                           "dfs.namenode.rpc-address.one=h1:1",
                                           "dfs.namenode.rpc-address.two.a=h2:2",
                                           "dfs.namenode.rpc-address.two.b=h3:3", NULL});
    cr_assert_eq(meta_resolve(c, "hdfs://one", &a, &err), 0, "%s", err.text);
    cr_assert(a.logical && a.count == 1);
    cr_assert_eq(meta_resolve(c, "hdfs://two/x", &a, &err), 0, "%s", err.text);
    cr_assert_eq(a.count, 2);
    cr_assert_str_eq(a.authority, "two");
    cr_assert_str_eq(a.items[1].host, "h3");
    cr_assert_str_eq(a.ids[1], "b");
    cr_assert(meta_same_authority(&a, "two", 3));
    cr_assert(!meta_same_authority(&a, "h2:2", 4));
    conf_free(c);
    c = with((const char *[]){"dfs.nameservices=two", "dfs.ha.namenodes.two=a", NULL});
    cr_assert_eq(meta_resolve(c, "hdfs://two", &a, &err), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "dfs.namenode.rpc-address.two.a"));
    conf_free(c);
}

static struct meta_retry fresh(bool many)
{
    return (struct meta_retry){
        .many = many, .max_failovers = 4, .max_repeats = 3, .base_ms = 500, .max_ms = 1500};
}

Test(retry, errors_of_the_operation_are_final)
{
    int64_t ms;
    struct meta_retry r = fresh(true);
    static const int final[] = {ERR_NOT_FOUND, ERR_ACCESS,    ERR_SAFE_MODE, ERR_IO,
                                ERR_REMOTE,    ERR_NO_MEMORY, ERR_PROTOCOL,  ERR_NO_METHOD,
                                ERR_EXISTS,    ERR_NOT_EMPTY};
    for (size_t i = 0; i < ARRAY_SIZE(final); i++)
        cr_assert(!meta_retry_again(&r, final[i], 0, &ms));
}

Test(retry, fails_over_with_growing_waits)
{
    struct meta_retry r = fresh(true);
    int64_t ms = -1;
    cr_assert(meta_retry_again(&r, ERR_STANDBY, 7, &ms));
    cr_assert(r.failed_over && ms == 0, "the first time at once");
    static const int64_t low[] = {250, 500, 750}, high[] = {750, 1500, 2250};
    for (int i = 0; i < 3; i++) {
        cr_assert(meta_retry_again(&r, i == 1 ? ERR_CONNECT : ERR_EOF, 0xabcdef1234567ULL, &ms));
        cr_assert(r.failed_over && ms >= low[i] && ms <= high[i], "wait %d: %lld", i,
                  (long long)ms);
    }
    cr_assert(!meta_retry_again(&r, ERR_STANDBY, 7, &ms));
}

Test(retry, a_single_namenode)
{
    struct meta_retry r = fresh(false);
    int64_t ms = -1;
    cr_assert(!meta_retry_again(&r, ERR_STANDBY, 7, &ms));
    cr_assert(!meta_retry_again(&r, ERR_CONNECT, 7, &ms), "the RPC client has repeated it already");
    cr_assert(meta_retry_again(&r, ERR_EOF, 7, &ms));
    cr_assert(!r.failed_over && ms == 0);
    r = fresh(false);
    for (int i = 0; i < 3; i++)
        cr_assert(meta_retry_again(&r, ERR_RETRIABLE, 7, &ms));
    cr_assert(!r.failed_over && ms > 0);
    cr_assert(!meta_retry_again(&r, ERR_RETRIABLE, 7, &ms));
}
