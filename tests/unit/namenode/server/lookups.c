/* lookups.c - racks from table and script, and who may act for whom. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/server/internal.h"

static void set(struct conf *conf, const char *name, const char *value)
{
    struct err err = {0};
    cr_assert_eq(conf_set(conf, name, value, &err), 0, "%s", err.text);
}

static const char *write_file(const char *text, unsigned mode)
{
    static char path[64];
    struct err err = {0};
    snprintf(path, sizeof(path), "/tmp/hadron-lookups-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_eq(file_write_full(fd, text, strlen(text), path, &err), 0);
    close(fd);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

Test(racks, without_settings_there_is_one)
{
    struct conf *conf = conf_new();
    struct racks *r;
    struct err err = {0};
    struct arena arena;
    const char *rack;
    arena_init(&arena, 0);
    cr_assert_eq(racks_new(conf, &r, &err), 0);
    cr_assert(racks_cached(r, "10.0.0.1", true, &arena, &rack));
    cr_assert_str_eq(rack, "/default-rack");
    racks_free(r);
    arena_fini(&arena);
    conf_free(conf);
}

Test(racks, from_a_table)
{
    struct conf *conf = conf_new();
    struct racks *r;
    struct err err = {0};
    struct arena arena;
    const char *rack, *path = write_file("# machines\n10.0.0.1 /a/r1\n10.0.0.2\t/a/r2\n\n", 0644);
    arena_init(&arena, 0);
    set(conf, "net.topology.table.file.name", path);
    set(conf, "net.topology.node.switch.mapping.impl", "org.apache.hadoop.net.TableMapping");
    cr_assert_eq(racks_new(conf, &r, &err), 0, "%s", err.text);
    cr_assert(racks_cached(r, "10.0.0.2", true, &arena, &rack));
    cr_assert_str_eq(rack, "/a/r2");
    cr_assert(racks_cached(r, "10.0.0.3", true, &arena, &rack));
    cr_assert_str_eq(rack, "/default-rack");
    racks_free(r);
    unlink(path);
    path = write_file("10.0.0.1 rack\n", 0644);
    set(conf, "net.topology.table.file.name", path);
    cr_assert_eq(racks_new(conf, &r, &err), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "10.0.0.1"));
    unlink(path);
    arena_fini(&arena);
    conf_free(conf);
}

Test(racks, from_a_script_asked_once)
{
    struct conf *conf = conf_new();
    struct racks *r;
    struct err err = {0};
    struct arena arena;
    const char *rack;
    char text[300], count[64] = "/tmp/hadron-count-XXXXXX";
    close(mkstemp(count));
    log_set_level(LOG_ERROR + 1);
    snprintf(text, sizeof(text),
             "#!/bin/sh\necho x >> %s\ncase $1 in bad) echo nonsense;; fails) echo /r; exit 1;; *) "
             "echo /rack-$1;; esac\n",
             count);
    const char *path = write_file(text, 0755);
    arena_init(&arena, 0);
    set(conf, "net.topology.script.file.name", path);
    cr_assert_eq(racks_new(conf, &r, &err), 0);
    cr_assert_not(racks_cached(r, "h1", true, &arena, &rack));
    cr_assert_str_eq(racks_find(r, "h1", true, &arena), "/rack-h1");
    cr_assert_str_eq(racks_find(r, "h1", true, &arena), "/rack-h1");
    cr_assert(racks_cached(r, "h1", true, &arena, &rack));
    struct stat st;
    cr_assert_eq(stat(count, &st), 0);
    cr_assert_eq(st.st_size, 2, "one run");
    cr_assert_str_eq(racks_find(r, "bad", true, &arena), "/default-rack");
    cr_assert_str_eq(racks_find(r, "fails", true, &arena), "/default-rack");
    cr_assert_not(racks_cached(r, "fails", true, &arena, &rack), "a failure is not remembered");
    cr_assert(racks_cached(r, "fails", false, &arena, &rack), "but for clients, for a while");
    cr_assert_str_eq(rack, "/default-rack");
    racks_forget(r, "h1");
    cr_assert_not(racks_cached(r, "h1", true, &arena, &rack));
    racks_free(r);
    unlink(path);
    unlink(count);
    arena_fini(&arena);
    conf_free(conf);
}

static int authorize(const char *hosts, const char *groups, const char *users, const char *user,
                     const char *host, struct err *err)
{
    struct conf *conf = conf_new();
    static struct server s;
    set(conf, "hadoop.user.group.static.mapping.overrides", "alice=staff;bob=guests");
    if (hosts != NULL)
        set(conf, "hadoop.proxyuser.oozie.hosts", hosts);
    if (groups != NULL)
        set(conf, "hadoop.proxyuser.oozie.groups", groups);
    if (users != NULL)
        set(conf, "hadoop.proxyuser.oozie.users", users);
    s = (struct server){.conf = conf};
    cr_assert_eq(groups_new(conf, &s.groups, err), 0);
    int rc = proxy_authorize(&s, "oozie", user, host, err);
    groups_free(s.groups);
    conf_free(conf);
    return rc;
}

Test(proxy, needs_both_a_user_and_a_host_that_fit)
{
    struct err err = {0};
    cr_assert_eq(authorize(NULL, NULL, NULL, "alice", "10.1.2.3", &err), ERR_AUTHORIZATION);
    cr_assert_str_eq(err.text, "User: oozie is not allowed to impersonate alice");
    cr_assert_eq(authorize("*", "staff", NULL, "alice", "10.1.2.3", &err), 0);
    cr_assert_eq(authorize("*", "staff", NULL, "bob", "10.1.2.3", &err), ERR_AUTHORIZATION);
    cr_assert_eq(authorize("*", NULL, "bob, carol", "bob", "10.1.2.3", &err), 0);
    cr_assert_eq(authorize("10.1.2.3", "*", NULL, "bob", "10.1.2.3", &err), 0);
    cr_assert_eq(authorize("10.1.2.4", "*", NULL, "bob", "10.1.2.3", &err), ERR_AUTHORIZATION);
    cr_assert_str_eq(err.text, "Unauthorized connection for super-user: oozie from IP /10.1.2.3");
    cr_assert_eq(authorize("10.0.0.0/8", "*", NULL, "bob", "10.200.2.3", &err), 0);
    cr_assert_eq(authorize("10.0.0.0/16", "*", NULL, "bob", "10.200.2.3", &err), ERR_AUTHORIZATION);
    cr_assert_eq(authorize("localhost", "*", NULL, "bob", "127.0.0.1", &err), 0);
    cr_assert_eq(authorize(NULL, "*", NULL, "bob", "127.0.0.1", &err), ERR_AUTHORIZATION);
}
