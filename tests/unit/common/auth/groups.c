#include <criterion/criterion.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/auth/auth.h"
#include "common/conf/conf.h"

static struct groups *with_table(const char *table)
{
    struct err err = {0};
    struct groups *g = NULL;
    struct conf *conf = conf_new();
    cr_assert_eq(conf_set(conf, "hadoop.user.group.static.mapping.overrides", table, &err), 0);
    cr_assert_eq(groups_new(conf, &g, &err), 0, "%s", err.text);
    conf_free(conf);
    return g;
}

Test(groups, the_static_table_goes_first)
{
    struct groups *g = with_table("dr.who=;alice=users,admins,users; bob=staff");
    struct arena arena;
    struct group_list list;
    arena_init(&arena, 0);
    cr_assert(groups_cached(g, "alice", &arena, &list));
    cr_assert_eq(list.count, 2);
    cr_assert_str_eq(list.names[0], "users");
    cr_assert_str_eq(list.names[1], "admins");
    cr_assert(groups_cached(g, "dr.who", &arena, &list));
    cr_assert_eq(list.count, 0);
    cr_assert_eq(groups_find(g, "bob", &arena, &list), 0);
    cr_assert_str_eq(list.names[0], "staff");
    arena_fini(&arena);
    groups_free(g);
}

Test(groups, a_table_without_a_user_is_refused)
{
    struct err err = {0};
    struct groups *g = NULL;
    struct conf *conf = conf_new();
    cr_assert_eq(conf_set(conf, "hadoop.user.group.static.mapping.overrides", "=users", &err), 0);
    cr_assert_eq(groups_new(conf, &g, &err), ERR_CONFIG);
    conf_free(conf);
}

Test(groups, the_system_is_asked_once)
{
    struct groups *g = with_table("");
    struct arena arena;
    struct group_list list;
    arena_init(&arena, 0);
    struct passwd *me = getpwuid(geteuid());
    struct group *primary = getgrgid(me->pw_gid);
    cr_assert_not(groups_cached(g, me->pw_name, &arena, &list));
    cr_assert_eq(groups_find(g, me->pw_name, &arena, &list), 0);
    cr_assert_geq(list.count, 1);
    cr_assert_str_eq(list.names[0], primary->gr_name);
    cr_assert(groups_cached(g, me->pw_name, &arena, &list));
    arena_fini(&arena);
    groups_free(g);
}

Test(groups, an_unknown_user_has_none_and_the_table_stays_bounded)
{
    struct groups *g = with_table("keeper=kept");
    struct arena arena;
    struct group_list list;
    arena_init(&arena, 0);
    for (int i = 0; i < 10100; i++) {
        char name[32];
        snprintf(name, sizeof(name), "nobody-%d", i);
        arena_reset(&arena);
        cr_assert_eq(groups_find(g, name, &arena, &list), 0);
        cr_assert_eq(list.count, 0);
    }
    cr_assert(groups_cached(g, "keeper", &arena, &list), "static entries are never pushed out");
    cr_assert_not(groups_cached(g, "nobody-0", &arena, &list), "the oldest went");
    cr_assert(groups_cached(g, "nobody-10099", &arena, &list));
    arena_fini(&arena);
    groups_free(g);
}

Test(groups, forgetting_leaves_the_static_table)
{
    struct groups *g = with_table("keeper=kept");
    struct arena arena;
    struct group_list list;
    arena_init(&arena, 0);
    cr_assert_eq(groups_find(g, "nobody-1", &arena, &list), 0);
    cr_assert(groups_cached(g, "nobody-1", &arena, &list));
    groups_forget(g);
    cr_assert_not(groups_cached(g, "nobody-1", &arena, &list));
    cr_assert(groups_cached(g, "keeper", &arena, &list));
    arena_fini(&arena);
    groups_free(g);
}

Test(user, the_environment_speaks_for_the_process)
{
    char name[64];
    struct err err = {0};
    setenv("HADOOP_USER_NAME", "carol", 1);
    cr_assert_eq(auth_process_user(name, sizeof(name), &err), 0);
    cr_assert_str_eq(name, "carol");
    unsetenv("HADOOP_USER_NAME");
    cr_assert_eq(auth_process_user(name, sizeof(name), &err), 0);
    cr_assert_str_eq(name, getpwuid(geteuid())->pw_name);
    setenv("HADOOP_USER_NAME", "a-name-that-is-longer-than-the-place-for-it", 1);
    char small[8];
    cr_assert_eq(auth_process_user(small, sizeof(small), &err), ERR_CONFIG);
}
