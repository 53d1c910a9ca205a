#include <criterion/criterion.h>

#include "datanode/control/internal.h"

static size_t find(const char *const (*pairs)[2], size_t count, struct addr *out, struct err *err)
{
    struct conf *conf = conf_new();
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(conf_set(conf, pairs[i][0], pairs[i][1], err), 0);
    cr_assert_eq(conf_finish(conf, err), 0);
    if (namenodes_of(conf, out, &found, err) != 0)
        found = 0;
    conf_free(conf);
    return found;
}

Test(namenodes, one_by_any_key)
{
    struct addr a[MAX_NAMENODES];
    struct err err = {0};
    const char *const fs[][2] = {{"fs.defaultFS", "hdfs://nn.example:9000/x"}};
    cr_assert_eq(find(fs, 1, a, &err), 1, "%s", err.text);
    cr_assert_str_eq(a[0].host, "nn.example");
    cr_assert_eq(a[0].port, 9000);
    const char *const service[][2] = {{"fs.defaultFS", "hdfs://a"},
                                      {"dfs.namenode.rpc-address", "b:1"},
                                      {"dfs.namenode.servicerpc-address", "c:2"}};
    cr_assert_eq(find(service, 1, a, &err), 1);
    cr_assert_eq(a[0].port, 8020);
    cr_assert_eq(find(service, 2, a, &err), 1);
    cr_assert_str_eq(a[0].host, "b");
    cr_assert_eq(find(service, 3, a, &err), 1);
    cr_assert_str_eq(a[0].host, "c");
    cr_assert_eq(find(service, 0, a, &err), 0);
    cr_assert_eq(err.code, ERR_CONFIG);
}

Test(namenodes, both_of_a_pair)
{
    struct addr a[MAX_NAMENODES];
    struct err err = {0};
    const char *const pair[][2] = {{"dfs.nameservices", "ns1"},
                                   {"fs.defaultFS", "hdfs://ns1"},
                                   {"dfs.ha.namenodes.ns1", "x, y"},
                                   {"dfs.namenode.rpc-address.ns1.x", "h1:8020"},
                                   {"dfs.namenode.rpc-address.ns1.y", "h2:8021"}};
    cr_assert_eq(find(pair, 5, a, &err), 2, "%s", err.text);
    cr_assert_str_eq(a[1].host, "h2");
    cr_assert_eq(a[1].port, 8021);
}

Test(version, order)
{
    cr_assert_lt(version_compare("2.0.6", "2.1.0-beta"), 0);
    cr_assert_eq(version_compare("2.1.0-beta", "2.1.0-beta"), 0);
    cr_assert_gt(version_compare("2.1.0", "2.1.0-beta"), 0);
    cr_assert_gt(version_compare("3.4.3", "2.1.0-beta"), 0);
    cr_assert_gt(version_compare("10.0.0-SNAPSHOT", "9.9.9"), 0);
    cr_assert_gt(version_compare(DATANODE_VERSION, "2.1.0-beta"), 0);
    cr_assert_lt(version_compare("", "2.1.0-beta"), 0);
}

Test(queue, a_full_one_is_dropped_and_says_so)
{
    struct event_queue q = {0};
    struct event e = {"DS-1", STORAGE_DISK, STORE_REMOVED, {1, 2, 3}, ""};
    queue_add(&q, &e);
    cr_assert(!q.urgent);
    e.what = STORE_RECEIVED;
    queue_add(&q, &e);
    cr_assert(q.urgent && q.count == 2);
    for (size_t i = 0; i < QUEUE_LIMIT; i++)
        queue_add(&q, &e);
    cr_assert(q.overflown && q.count == 0);
    queue_add(&q, &e);
    cr_assert_eq(q.count, 0);
    queue_fini(&q);
}

Test(namenodes, lifelines_by_the_same_suffix)
{
    struct addr a[MAX_NAMENODES], l[MAX_NAMENODES];
    struct err err = {0};
    size_t count = 0;
    static const char *const pairs[][2] = {{"dfs.nameservices", "ns1,ns2"},
                                           {"dfs.ha.namenodes.ns1", "x,y"},
                                           {"dfs.namenode.rpc-address.ns1.x", "h1:8020"},
                                           {"dfs.namenode.rpc-address.ns1.y", "h2:8021"},
                                           {"dfs.namenode.lifeline.rpc-address.ns1.y", "h2:8050"},
                                           {"dfs.namenode.servicerpc-address.ns2", "h3:8022"},
                                           {"dfs.namenode.lifeline.rpc-address.ns2", "h4:8051"}};
    struct conf *conf = conf_new();
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        cr_assert_eq(conf_set(conf, pairs[i][0], pairs[i][1], &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0);
    cr_assert_eq(namenodes_with_lifelines(conf, a, l, &count, &err), 0, "%s", err.text);
    cr_assert_eq(count, 3);
    cr_assert_str_eq(l[0].host, "");
    cr_assert_eq(l[1].port, 8050);
    cr_assert_str_eq(l[2].host, "h4");
    cr_assert_eq(a[2].port, 8022);
    cr_assert_eq(conf_set(conf, "dfs.namenode.lifeline.rpc-address.ns2", "h4", &err), 0);
    cr_assert_eq(namenodes_with_lifelines(conf, a, l, &count, &err), ERR_CONFIG, "no port");
    conf_free(conf);
}
