#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/conf/conf.h"

static struct err err;

static int add(struct conf *c, const char *name, const char *body)
{
    char text[8192];
    snprintf(text, sizeof(text), "<?xml version=\"1.0\"?>\n<configuration>\n%s\n</configuration>",
             body);
    err = (struct err){0};
    return conf_add_text(c, name, text, strlen(text), &err);
}

static int add_one(struct conf *c, const char *key, const char *value)
{
    char body[4096];
    snprintf(body, sizeof(body), "<property><name>%s</name><value>%s</value></property>", key,
             value);
    return add(c, "hdfs-site.xml", body);
}

#define assert_text(word) cr_assert(strstr(err.text, word) != NULL, "no %s in: %s", word, err.text)

Test(conf, defaults_are_typed)
{
    struct conf *c = conf_new();
    cr_assert_not_null(c);
    cr_assert_eq(conf_int(c, CONF_replication), 3);
    cr_assert_eq(conf_size(c, CONF_block_size), 128 << 20);
    cr_assert_eq(conf_ms(c, CONF_heartbeat_interval), 3000);
    cr_assert_eq(conf_ms(c, CONF_heartbeat_recheck_interval), 300000);
    cr_assert_eq(conf_ms(c, CONF_trash_interval), 0);
    cr_assert_float_eq(conf_double(c, CONF_safemode_threshold), 0.999, 1e-9);
    cr_assert(conf_bool(c, CONF_permissions_enabled));
    cr_assert(conf_bool(c, CONF_dn_sync_on_close));
    cr_assert(!conf_bool(c, CONF_insecure_network));
    cr_assert_str_eq(conf_str(c, CONF_nn_rpc_address), "");
    cr_assert_null(conf_raw(c, "dfs.namenode.rpc-address"));
    cr_assert_null(conf_raw(c, "no.such.key"));
    cr_assert(!conf_is_set(c, CONF_replication));
    cr_assert_eq(conf_finish(c, &err), 0);
    conf_free(c);
}

Test(conf, later_sources_win_unless_final)
{
    struct conf *c = conf_new();
    cr_assert_eq(
        add(c, "core-site.xml",
            "<property><name>dfs.replication</name><value>2</value></property>"
            "<property><name>dfs.blocksize</name><value>1m</value><final>true</final></property>"),
        0);
    cr_assert_eq(conf_int(c, CONF_replication), 2);
    cr_assert_eq(add(c, "hdfs-site.xml",
                     "<property><name>dfs.replication</name><value>5</value></property>"
                     "<property><name>dfs.blocksize</name><value>2m</value></property>"),
                 0);
    cr_assert_eq(conf_int(c, CONF_replication), 5);
    cr_assert_eq(conf_size(c, CONF_block_size), 1 << 20);
    cr_assert_eq(conf_set_pair(c, "dfs.blocksize=4m", &err), 0);
    cr_assert_eq(conf_size(c, CONF_block_size), 4 << 20);
    cr_assert(conf_is_set(c, CONF_block_size));
    conf_free(c);
}

Test(conf, substitution)
{
    setenv("HADRON_T_SET", "here", 1);
    setenv("HADRON_T_EMPTY", "", 1);
    unsetenv("HADRON_T_UNSET");
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"${a.b}/x", "/data/x"},
        {"${env.HADRON_T_SET}", "here"},
        {"${env.HADRON_T_UNSET:-d}", "d"},
        {"${env.HADRON_T_EMPTY:-d}", "d"},
        {"${env.HADRON_T_EMPTY-d}", ""},
        {"${env.HADRON_T_UNSET-d-e}", "d-e"},
        {"${env.HADRON_T_UNSET:-${a.b}}", "/data"},
        {"${env.HADRON_T_UNSET}", "${env.HADRON_T_UNSET}"},
        {"${nobody}", "${nobody}"},
        {"${a.${which}}", "/data"},
        {"${java.io.tmpdir}/t", "/tmp/t"},
        {"${dfs.replication}", "3"},
        {"cost: 5$ {a}", "cost: 5$ {a}"},
        {"open ${a.b", "open ${a.b"},
        {"$${a.b}", "$/data"},
        {"  trimmed ", "trimmed"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct conf *c = conf_new();
        cr_assert_eq(add_one(c, "a.b", "/data"), 0);
        cr_assert_eq(add_one(c, "which", "b"), 0);
        cr_assert_eq(add_one(c, "dfs.datanode.hostname", cases[i].value), 0);
        cr_assert_eq(conf_finish(c, &err), 0, "%s", err.text);
        cr_assert_str_eq(conf_str(c, CONF_dn_hostname), cases[i].want);
        cr_assert_str_eq(conf_raw(c, "dfs.datanode.hostname"), cases[i].want);
        conf_free(c);
    }
}

Test(conf, a_reference_is_judged_at_the_end)
{
    struct conf *c = conf_new();
    cr_assert_eq(add_one(c, "dfs.replication", "${my.count}"), 0);
    cr_assert_eq(conf_int(c, CONF_replication), 3);
    cr_assert_eq(conf_finish(c, &err), ERR_CONFIG);
    assert_text("dfs.replication=\"${my.count}\"");
    assert_text("hdfs-site.xml");
    assert_text("not a whole number");
    cr_assert_eq(add_one(c, "my.count", "7"), 0);
    cr_assert_eq(conf_finish(c, &err), 0, "%s", err.text);
    cr_assert_eq(conf_int(c, CONF_replication), 7);
    conf_free(c);
}

Test(conf, user_name_and_home)
{
    struct conf *c = conf_new();
    cr_assert_eq(add_one(c, "x", "${user.name}:${user.home}"), 0);
    cr_assert_eq(conf_finish(c, &err), 0);
    const char *value = conf_raw(c, "x");
    cr_assert(strchr(value, ':') != NULL && strstr(value, "user.") == NULL, "%s", value);
    cr_assert(strncmp(conf_str(c, CONF_tmp_dir), "/tmp/hadoop-", 12) == 0);
    conf_free(c);
}

Test(conf, cycles_are_errors)
{
    struct conf *c = conf_new();
    cr_assert_eq(add_one(c, "one", "${two}"), 0);
    cr_assert_eq(add_one(c, "two", "x${one}"), 0);
    cr_assert_eq(conf_finish(c, &err), 0); /* nobody needs them */
    cr_assert_eq(add_one(c, "net.topology.table.file.name", "${one}"), 0);
    cr_assert_eq(conf_finish(c, &err), ERR_CONFIG);
    assert_text("net.topology.table.file.name");
    assert_text("refers to itself");
    conf_free(c);
    c = conf_new();
    cr_assert_eq(add_one(c, "net.topology.table.file.name", "${net.topology.table.file.name}"), 0);
    cr_assert_eq(conf_finish(c, &err), ERR_CONFIG);
    conf_free(c);
}

static struct conf *chain(int length)
{
    struct conf *c = conf_new();
    char key[32], value[32];
    cr_assert_eq(add_one(c, "k0", "end"), 0);
    for (int i = 1; i < length; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "${k%d}", i - 1);
        cr_assert_eq(add_one(c, key, value), 0);
    }
    snprintf(value, sizeof(value), "${k%d}", length - 1);
    cr_assert_eq(add_one(c, "net.topology.table.file.name", value), 0);
    return c;
}

Test(conf, depth_is_limited_to_20)
{
    struct conf *c = chain(20);
    cr_assert_eq(conf_finish(c, &err), 0, "%s", err.text);
    cr_assert_str_eq(conf_str(c, CONF_topology_table), "end");
    conf_free(c);
    c = chain(21);
    cr_assert_eq(conf_finish(c, &err), ERR_CONFIG);
    assert_text("deeper than 20");
    conf_free(c);
}

Test(conf, doubling_references_are_refused)
{
    struct conf *c = conf_new();
    char key[32], value[128];
    cr_assert_eq(add_one(c, "k0", "0123456789abcdef"), 0);
    for (int i = 1; i < 18; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "${k%d}${k%d}${k%d}${k%d}", i - 1, i - 1, i - 1, i - 1);
        cr_assert_eq(add_one(c, key, i < 17 ? value : "${k16}"), 0);
    }
    cr_assert_eq(add_one(c, "net.topology.table.file.name", "${k17}"), 0);
    cr_assert_eq(conf_finish(c, &err), ERR_CONFIG);
    assert_text("expand to more than");
    conf_free(c);
}

Test(conf, good_values)
{
    static const struct {
        const char *key, *value;
        enum conf_key id;
        int64_t want;
    } cases[] = {
        {"dfs.blocksize", "1048576", CONF_block_size, 1048576},
        {"dfs.blocksize", "64K", CONF_block_size, 65536},
        {"dfs.blocksize", "1g", CONF_block_size, 1 << 30},
        {"dfs.blocksize", "1p", CONF_block_size, 1LL << 50},
        {"dfs.blocksize", "7e", CONF_block_size, 7LL << 60},
        {"dfs.blocksize", "0x100000", CONF_block_size, 1 << 20},
        {"dfs.block.size", "2m", CONF_block_size, 2 << 20},
        {"dfs.replication", " 12 ", CONF_replication, 12},
        {"dfs.datanode.failed.volumes.tolerated", "-1", CONF_dn_failed_volumes_tolerated, -1},
        {"dfs.heartbeat.interval", "5", CONF_heartbeat_interval, 5000},
        {"dfs.heartbeat.interval", "5s", CONF_heartbeat_interval, 5000},
        {"dfs.heartbeat.interval", "2M", CONF_heartbeat_interval, 120000},
        {"dfs.heartbeat.interval", "1500ms", CONF_heartbeat_interval, 1500},
        {"heartbeat.recheck.interval", "250", CONF_heartbeat_recheck_interval, 250},
        {"dfs.namenode.checkpoint.period", "1h", CONF_checkpoint_period, 3600000},
        {"dfs.namenode.checkpoint.period", "1d", CONF_checkpoint_period, 86400000},
        {"dfs.namenode.safemode.extension", "2000000us", CONF_safemode_extension, 2000},
        {"dfs.namenode.safemode.extension", "2000000ns", CONF_safemode_extension, 2},
        {"fs.trash.interval", "10", CONF_trash_interval, 600000},
        {"fs.trash.interval", "30s", CONF_trash_interval, 30000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct conf *c = conf_new();
        cr_assert_eq(add_one(c, cases[i].key, cases[i].value), 0, "%s", err.text);
        bool time = strstr(cases[i].key, "interval") || strstr(cases[i].key, "period") ||
                    strstr(cases[i].key, "extension");
        int64_t got = time ? conf_ms(c, cases[i].id) : conf_size(c, cases[i].id);
        cr_assert_eq(got, cases[i].want, "%s=%s gave %lld", cases[i].key, cases[i].value,
                     (long long)got);
        conf_free(c);
    }
}

Test(conf, floats_as_java_writes_them)
{
    struct conf *c = conf_new();
    static const struct {
        const char *value;
        double want;
    } cases[] = {{"0.5f", 0.5}, {"1", 1}, {"1.5d", 1.5}, {"0", 0}, {"1e-3", 0.001}, {".25F", 0.25}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cr_assert_eq(add_one(c, "dfs.namenode.safemode.threshold-pct", cases[i].value), 0);
        cr_assert_float_eq(conf_double(c, CONF_safemode_threshold), cases[i].want, 1e-12);
    }
    conf_free(c);
}

Test(conf, bad_values_name_key_value_and_file_and_change_nothing)
{
    static const struct {
        const char *key, *value, *why;
    } cases[] = {
        {"dfs.replication", "three", "not a whole number"},
        {"dfs.replication", "3.5", "not a whole number"},
        {"dfs.replication", "", "not a whole number"},
        {"dfs.replication", "0", "not between 1 and 512"},
        {"dfs.replication", "99999999999999999999", "not a whole number"},
        {"dfs.replication", "0x", "not a whole number"},
        {"dfs.replication", "--1", "not a whole number"},
        {"dfs.blocksize", "12q", "not a size"},
        {"dfs.blocksize", "12mb", "not a size"},
        {"dfs.blocksize", "16e", "not a size"},
        {"dfs.blocksize", "-1", "not between 1"},
        {"dfs.heartbeat.interval", "soon", "not a time"},
        {"dfs.heartbeat.interval", "3 weeks", "not a time"},
        {"dfs.namenode.redundancy.interval.seconds", "500ms", "not between 1 and 86400 seconds"},
        {"dfs.heartbeat.interval", "9223372036854775807", "not a time"},
        {"dfs.permissions.enabled", "yes", "not true or false"},
        {"dfs.permissions", "1", "not true or false"},
        {"dfs.namenode.safemode.threshold-pct", "most", "not a number"},
        {"dfs.namenode.safemode.threshold-pct", "inf", "not a number"},
        {"dfs.namenode.safemode.threshold-pct", "11", "not between 0 and 10"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct conf *c = conf_new();
        char body[1024];
        snprintf(
            body, sizeof(body),
            "<property><name>net.topology.table.file.name</name><value>changed</value></property>"
            "<property><name>%s</name><value>%s</value></property>",
            cases[i].key, cases[i].value);
        cr_assert_eq(add(c, "/etc/x/hdfs-site.xml", body), ERR_CONFIG, "%s", cases[i].value);
        const char *key =
            strcmp(cases[i].key, "dfs.permissions") == 0 ? "dfs.permissions.enabled" : cases[i].key;
        assert_text(key);
        assert_text(cases[i].value);
        assert_text(cases[i].why);
        assert_text("/etc/x/hdfs-site.xml");
        cr_assert_str_eq(conf_str(c, CONF_topology_table), "");
        cr_assert_eq(conf_int(c, CONF_replication), 3);
        conf_free(c);
    }
}

Test(conf, settings_are_checked)
{
    struct conf *c = conf_new();
    cr_assert_eq(conf_set(c, "dfs.replication", "x", &err), ERR_CONFIG);
    assert_text("dfs.replication=\"x\"");
    cr_assert_eq(conf_set_pair(c, "no equals", &err), ERR_CONFIG);
    cr_assert_eq(conf_set_pair(c, "=x", &err), ERR_CONFIG);
    cr_assert_eq(conf_set_pair(c, "fs.default.name=hdfs://h:1/?a=b", &err), 0);
    cr_assert_str_eq(conf_str(c, CONF_default_fs), "hdfs://h:1/?a=b");
    conf_free(c);
}

Test(conf, attributes_comments_and_descriptions)
{
    struct conf *c = conf_new();
    cr_assert_eq(add(c, "f",
                     "<!-- c --><property name=\"dfs.replication\" value=\"4\" final=\"true\"/>"
                     "<property><description>x <value>no</value></description><name> "
                     "net.topology.table.file.name </name>"
                     "<value>a&amp;b<![CDATA[<c>]]></value><source>s</source></property>"
                     "<property><name>no.value</name></property><other><name>q</name></other>"),
                 0, "%s", err.text);
    cr_assert_eq(conf_int(c, CONF_replication), 4);
    cr_assert_str_eq(conf_str(c, CONF_topology_table), "a&b<c>");
    cr_assert_null(conf_raw(c, "no.value"));
    cr_assert_null(conf_raw(c, "q"));
    cr_assert_eq(add_one(c, "dfs.replication", "5"), 0);
    cr_assert_eq(conf_int(c, CONF_replication), 4);
    conf_free(c);
}

static void refuses(const char *text, const char *why)
{
    struct conf *c = conf_new();
    err = (struct err){0};
    cr_assert_eq(conf_add_text(c, "bad.xml", text, strlen(text), &err), ERR_CONFIG, "%s", text);
    assert_text("bad.xml:");
    assert_text(why);
    conf_free(c);
}

Test(conf, bad_files_name_file_and_line)
{
    refuses("", "bad.xml:1");
    refuses("<configuration>\n<property>", "bad.xml:2");
    refuses("<configuration>\n\n</conf>", "bad.xml:3: mismatched tag");
    refuses("<settings/>", "<configuration>");
    refuses("<configuration><property><value>1</value></property></configuration>", "no name");
    refuses("<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n"
            "<xi:include href=\"/etc/passwd\"/></configuration>",
            "bad.xml:2: XInclude is not supported");
    refuses("<?xml version=\"1.0\"?><!DOCTYPE c [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]>"
            "<configuration><property><name>x</name><value>&b;</value></property></configuration>",
            "entities are not allowed");
    refuses("<!DOCTYPE c [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>"
            "<configuration><property><name>x</name><value>&f;</value></property></configuration>",
            "entities are not allowed");
    refuses("<!DOCTYPE c SYSTEM \"http://x/y.dtd\">"
            "<configuration><property><name>x</name><value>&f;</value></property></configuration>",
            "entities are not allowed");
    refuses("<configuration><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
            "too deep");
}

Test(conf, too_large_a_file_is_refused)
{
    size_t size = (16 << 20) + 1;
    char *text = malloc(size);
    memset(text, ' ', size);
    struct conf *c = conf_new();
    cr_assert_eq(conf_add_text(c, "big.xml", text, size, &err), ERR_CONFIG);
    assert_text("big.xml is larger");
    conf_free(c);
    free(text);
}

static void write_file(const char *dir, const char *name, const char *key, const char *value)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    fprintf(f,
            "<configuration><property><name>%s</name><value>%s</value></property></configuration>",
            key, value);
    fclose(f);
}

Test(conf, folders)
{
    char dir[] = "/tmp/hadron-conf-XXXXXX", command[64];
    cr_assert_not_null(mkdtemp(dir));
    struct conf *c = conf_new();
    cr_assert_eq(conf_add_dir(c, dir, &err), 0); /* empty is fine */
    write_file(dir, "core-site.xml", "fs.defaultFS", "hdfs://a:1");
    write_file(dir, "hdfs-site.xml", "dfs.replication", "9");
    cr_assert_eq(conf_add_dir(c, dir, &err), 0, "%s", err.text);
    cr_assert_str_eq(conf_str(c, CONF_default_fs), "hdfs://a:1");
    cr_assert_eq(conf_int(c, CONF_replication), 9);
    setenv("HADOOP_CONF_DIR", dir, 1);
    struct conf *d = conf_new();
    cr_assert_eq(conf_add_dir(d, NULL, &err), 0);
    cr_assert_eq(conf_int(d, CONF_replication), 9);
    write_file(dir, "hdfs-site.xml", "dfs.replication", "many");
    cr_assert_eq(conf_add_dir(d, NULL, &err), ERR_CONFIG);
    assert_text(dir);
    setenv("HADOOP_CONF_DIR", "/no/such/folder", 1);
    cr_assert_eq(conf_add_dir(d, NULL, &err), ERR_NOT_FOUND);
    assert_text("/no/such/folder");
    assert_text("HADOOP_CONF_DIR");
    cr_assert_eq(conf_add_file(d, "/no/such/file.xml", &err), ERR_NOT_FOUND);
    conf_free(c);
    conf_free(d);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

Test(conf, a_copy_is_independent)
{
    struct conf *c = conf_new();
    cr_assert_eq(add_one(c, "base", "/b"), 0);
    cr_assert_eq(add_one(c, "net.topology.table.file.name", "${base}/h"), 0);
    struct conf *d = conf_copy(c);
    cr_assert_eq(conf_set(c, "base", "/c", &err), 0);
    conf_free(c);
    cr_assert_str_eq(conf_str(d, CONF_topology_table), "/b/h");
    cr_assert(conf_is_set(d, CONF_topology_table));
    conf_free(d);
}

static void count_unknown(void *ctx, const char *name, const char *file)
{
    cr_assert_str_eq(name, "dfs.nonsense");
    cr_assert_str_eq(file, "hdfs-site.xml");
    ++*(int *)ctx;
}

Test(conf, unknown_keys_are_told)
{
    struct conf *c = conf_new();
    int count = 0;
    cr_assert_eq(add_one(c, "dfs.nonsense", "1"), 0);
    cr_assert_eq(add_one(c, "dfs.namenode.rpc-address.ns1.nn1", "h:1"), 0);
    cr_assert_eq(add_one(c, "dfs.replication", "1"), 0);
    cr_assert_eq(add_one(c, "dfs.ha.namenodes.ns1", "nn1"), 0);
    cr_assert_eq(add_one(c, "hadoop.proxyuser.hive.groups", "*"), 0);
    cr_assert_eq(add_one(c, "base", "/data"), 0);
    cr_assert_eq(add_one(c, "dfs.datanode.data.dir", "${base}/dn"), 0);
    conf_unknown(c, count_unknown, &count);
    cr_assert_eq(count, 1);
    cr_assert_str_eq(conf_raw(c, "dfs.namenode.rpc-address.ns1.nn1"), "h:1");
    conf_free(c);
}

static void match_unknown(void *ctx, const char *name, const char *file)
{
    (void)file;
    cr_assert_str_eq(name, "dfs.namenode.name.dir.restored");
    ++*(int *)ctx;
}

Test(conf, a_longer_name_than_a_known_one_is_unknown)
{
    struct conf *c = conf_new();
    int count = 0;
    cr_assert_eq(add_one(c, "dfs.namenode.name.dir.restored", "true"), 0);
    conf_unknown(c, match_unknown, &count);
    cr_assert_eq(count, 1);
    conf_free(c);
}

static void count_property(void *ctx, const char *name, const char *value)
{
    int *count = ctx;
    ++*count;
    cr_assert(strcmp(name, "base") == 0 || strcmp(name, "dfs.ha.namenodes.ns1") == 0);
    cr_assert_str_eq(value, "x");
}

Test(conf, each_property_expanded)
{
    struct conf *c = conf_new();
    int count = 0;
    cr_assert_eq(add_one(c, "base", "x"), 0);
    cr_assert_eq(add_one(c, "dfs.ha.namenodes.ns1", "${base}"), 0);
    conf_each(c, count_property, &count);
    cr_assert_eq(count, 2);
    conf_free(c);
}

Test(conf, lists)
{
    char **items;
    size_t count;
    cr_assert_eq(conf_list(" a ,,b c, \n d,", &items, &count), 0);
    cr_assert_eq(count, 3);
    cr_assert_str_eq(items[0], "a");
    cr_assert_str_eq(items[1], "b c");
    cr_assert_str_eq(items[2], "d");
    conf_list_free(items, count);
    cr_assert_eq(conf_list("", &items, &count), 0);
    cr_assert_eq(count, 0);
    conf_list_free(items, count);
}

Test(conf, table_is_sound)
{
    struct conf *c = conf_new();
    for (int i = 0; i < CONF_KEY_COUNT; i++) {
        cr_assert(strlen(conf_help((enum conf_key)i)) > 0);
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(conf_name((enum conf_key)i), conf_name((enum conf_key)k));
    }
    conf_free(c);
}
