/* Lists of hosts: what is read from both forms, what is refused and how, who matches. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/hosts/hosts.h"

static struct hosts *hosts;
static struct err err;

static void setup(void)
{
    hosts = hosts_new();
    err = (struct err){0};
    cr_assert_not_null(hosts);
}

static void teardown(void)
{
    hosts_free(hosts);
}

TestSuite(hosts, .init = setup, .fini = teardown);

static int text(const char *s, bool exclude)
{
    return hosts_add_text(hosts, slice_of(s), "/etc/list", exclude, &err);
}

static int json(const char *s)
{
    return hosts_add_json(hosts, slice_of(s), "/etc/hosts.json", &err);
}

/* Every name stands for itself. */
static void resolve(void)
{
    for (size_t i = 0; i < hosts_count(hosts); i++)
        cr_assert_eq(hosts_add_address(hosts, i, hosts_name(hosts, i)), 0);
    cr_assert_eq(hosts_seal(hosts), 0);
}

static struct host_wish wish(const char *address, uint32_t port)
{
    return hosts_wish(hosts, address, port);
}

Test(hosts, without_lists_everybody_may_join)
{
    resolve();
    cr_assert(wish("10.0.0.1", 9866).included);
    cr_assert_not(wish("10.0.0.1", 9866).excluded);
    cr_assert(hosts_wish(NULL, "10.0.0.1", 9866).included);
}

Test(hosts, words_comments_and_ports)
{
    cr_assert_eq(text("# all\n10.0.0.1 10.0.0.2:50\t10.0.0.3 # 10.0.0.4\r\n\n\f10.0.0.5", false),
                 0);
    cr_assert_eq(text("10.0.0.3:60\n", true), 0);
    cr_assert_eq(hosts_count(hosts), 5);
    resolve();
    cr_assert(wish("10.0.0.1", 1).included);
    cr_assert(wish("10.0.0.2", 50).included);
    cr_assert_not(wish("10.0.0.2", 51).included);
    cr_assert_not(wish("10.0.0.4", 1).included);
    cr_assert(wish("10.0.0.5", 1).included);
    cr_assert(wish("10.0.0.3", 60).excluded && wish("10.0.0.3", 60).included);
    cr_assert_not(wish("10.0.0.3", 61).excluded);
}

Test(hosts, an_excluded_host_alone_restricts_nobody)
{
    cr_assert_eq(text("10.0.0.9", true), 0);
    resolve();
    cr_assert(wish("10.0.0.1", 1).included);
    cr_assert(wish("10.0.0.9", 1).included && wish("10.0.0.9", 1).excluded);
}

Test(hosts, a_name_without_address_still_restricts)
{
    cr_assert_eq(text("nowhere.example", false), 0);
    cr_assert_eq(hosts_seal(hosts), 0);
    cr_assert_not(wish("10.0.0.1", 1).included);
}

Test(hosts, addresses_in_brackets)
{
    cr_assert_eq(text("[::1]:50 [fe80::2]", false), 0);
    cr_assert_str_eq(hosts_name(hosts, 0), "::1");
    resolve();
    cr_assert(wish("::1", 50).included);
    cr_assert_not(wish("::1", 51).included);
    cr_assert(wish("fe80::2", 51).included);
}

Test(hosts, a_bad_word_is_named_with_file_and_line)
{
    static const char *const bad[] = {"a:b",   "h:0",  "h:65536", "h:",  ":1",      "a b\xff",
                                      "x:1:2", "[::1", "[]:1",    "h/1", "[::1]x:1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char list[64];
        snprintf(list, sizeof(list), "good\n\n%s\n", bad[i]);
        cr_assert_eq(text(list, false), ERR_CONFIG, "%s", bad[i]);
        cr_assert(strstr(err.text, "/etc/list, line 3: \"") == err.text, "%s", err.text);
    }
    cr_assert_eq(text("a:70000", false), ERR_CONFIG);
    cr_assert_str_eq(err.text, "/etc/list, line 1: \"a:70000\" is neither a host nor host:port");
}

#define OBJECTS                                                                                 \
    "{\"hostName\": \"10.0.0.1\"}", "{\"hostName\": \"10.0.0.2\", \"upgradeDomain\": \"ud2\"}", \
        "{\"hostName\": \"10.0.0.3\", \"adminState\": \"DECOMMISSIONED\"}",                     \
        "{\"hostName\": \"10.0.0.4\", \"port\": 50, \"adminState\": \"IN_MAINTENANCE\","        \
        " \"maintenanceExpireTimeInMS\": 1234567890123}",                                       \
        "{\"hostName\": \"10.0.0.5\", \"adminState\": \"IN_MAINTENANCE\"}",                     \
        "{\"hostName\": \"10.0.0.6\", \"maintenanceExpireTimeInMS\": 7}"

static void check_objects(void)
{
    resolve();
    cr_assert_eq(hosts_count(hosts), 6);
    cr_assert(wish("10.0.0.1", 1).included);
    cr_assert_null(wish("10.0.0.1", 1).upgrade_domain);
    cr_assert_str_eq(wish("10.0.0.2", 1).upgrade_domain, "ud2");
    cr_assert(wish("10.0.0.3", 1).included && wish("10.0.0.3", 1).excluded);
    cr_assert_eq(wish("10.0.0.4", 50).maintenance_until_ms, 1234567890123);
    cr_assert_not(wish("10.0.0.4", 51).included);
    cr_assert_eq(wish("10.0.0.5", 51).maintenance_until_ms, INT64_MAX);
    cr_assert_eq(wish("10.0.0.6", 51).maintenance_until_ms, 0); /* it isn't in maintenance */
    cr_assert_not(wish("10.0.0.7", 51).included);
}

Test(hosts, json_array)
{
    static const char *const o[] = {OBJECTS};
    char list[2000] = " [\n";
    for (size_t i = 0; i < ARRAY_SIZE(o); i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s\n", i == 0 ? "" : ",",
                 o[i]);
    snprintf(list + strlen(list), sizeof(list) - strlen(list), "]\n");
    cr_assert_eq(json(list), 0, "%s", err.text);
    check_objects();
}

Test(hosts, json_objects_one_after_the_other)
{
    static const char *const o[] = {OBJECTS};
    char list[2000] = "";
    for (size_t i = 0; i < ARRAY_SIZE(o); i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", o[i],
                 i % 2 == 0 ? "\n" : "");
    cr_assert_eq(json(list), 0, "%s", err.text);
    check_objects();
}

Test(hosts, json_without_a_host_in_service_restricts_nobody)
{
    cr_assert_eq(json("[{\"hostName\":\"a\",\"adminState\":\"DECOMMISSIONED\"}]"), 0);
    resolve();
    cr_assert(wish("b", 1).included);
    cr_assert(wish("a", 1).excluded);
}

Test(hosts, empty_json)
{
    cr_assert_eq(json(""), 0);
    cr_assert_eq(json(" \n"), 0);
    cr_assert_eq(json("[]"), 0);
    cr_assert_eq(hosts_count(hosts), 0);
}

Test(hosts, bad_json_is_named_with_file_line_and_value)
{
    static const struct {
        const char *list, *why;
    } bad[] = {
        {"[\n{\"hostName\":\"a\"},\n{\"hostName\":\"b\",\"adminState\":\"GONE\"}]",
         "/etc/hosts.json, line 3: adminState can't be \"GONE\""},
        {"[{\"hostName\":\"a\",\n\"port\":70000}]", "/etc/hosts.json, line 1: port can't be 70000"},
        {"[{\"hostName\":\"a b\"}]", "/etc/hosts.json, line 1: hostName can't be \"a?b\""},
        {"\n[{\"port\":1}]", "/etc/hosts.json, line 2: an object without hostName"},
        {"[{\"hostname\":\"a\"}]", "/etc/hosts.json, line 1: there is no field \"hostname\""},
        {"[{\"hostName\":\"a\"}\n{\"hostName\":\"b\"}]",
         "/etc/hosts.json, line 2: \"{\"hostName\":\"b\"}\" where a comma or ] is expected"},
        {"[{\"hostName\":\"a\"},\n]", "/etc/hosts.json, line 2: \"]\" where an object is expected"},
        {"[{\"hostName\":\"a\"}",
         "/etc/hosts.json, line 1: the file ends where a comma or ] is expected"},
        {"[{\"hostName\":\"a\"}]x", "/etc/hosts.json, line 1: \"x\" where the end is expected"},
        {"{\"hostName\":\"a\"} 7", "/etc/hosts.json, line 1: \"7\" where an object is expected"},
        {"[{\"hostName\":\"a\",\"maintenanceExpireTimeInMS\":\"x\"}]",
         "/etc/hosts.json, line 1: maintenanceExpireTimeInMS can't be \"x\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_assert_eq(json(bad[i].list), ERR_CONFIG, "%s", bad[i].list);
        cr_assert(strncmp(err.text, bad[i].why, 60) == 0, "%s", err.text);
    }
    cr_assert_eq(json("[\n{\"hostName\":\"a\"},\n{\"hostName\":\n]}]"), ERR_CONFIG);
    cr_assert(strstr(err.text, "line 4") != NULL, "%s", err.text);
    cr_assert_eq(json("[{\"hostName\":\"a\",\"hostName\":\"b\"}]"), ERR_CONFIG);
}
