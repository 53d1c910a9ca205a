#include <criterion/criterion.h>
#include <stdio.h>

#include "common/auth/auth.h"
#include "common/conf/conf.h"

static struct err err;

static int check(const char *key, const char *value)
{
    struct conf *conf = conf_new();
    err = (struct err){0};
    cr_assert_eq(conf_set(conf, key, value, &err), 0, "%s", err.text);
    int rc = auth_check_protection(conf, &err);
    conf_free(conf);
    return rc;
}

Test(protection, the_defaults_are_fine)
{
    struct conf *conf = conf_new();
    cr_assert_eq(auth_check_protection(conf, &err), 0, "%s", err.text);
    conf_free(conf);
}

Test(protection, what_is_kept_is_let_pass)
{
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"hadoop.security.authentication", "simple"},
        {"hadoop.security.authentication", "SIMPLE"},
        {"hadoop.rpc.protection", "authentication"},
        {"hadoop.rpc.protection", "privacy, Authentication"},
        {"hadoop.rpc.protection", ""},
        {"dfs.block.access.token.enable", "false"},
        {"dfs.encrypt.data.transfer", "false"},
        {"dfs.data.transfer.protection", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        cr_assert_eq(check(cases[i].key, cases[i].value), 0, "%s", err.text);
}

Test(protection, what_cannot_be_kept_is_refused_by_key_and_value)
{
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"hadoop.security.authentication", "kerberos"},
        {"hadoop.security.authentication", "simple,kerberos"},
        {"hadoop.security.authentication", ""},
        {"hadoop.rpc.protection", "privacy"},
        {"hadoop.rpc.protection", "integrity,privacy"},
        {"hadoop.rpc.protection", "authentications"},
        {"dfs.block.access.token.enable", "true"},
        {"dfs.encrypt.data.transfer", "true"},
        {"dfs.data.transfer.protection", "integrity"},
        {"dfs.data.transfer.protection", "authentication"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char want[128];
        snprintf(want, sizeof(want), "%s=%s: Kerberos, tokens and encryption", cases[i].key,
                 cases[i].value);
        cr_assert_eq(check(cases[i].key, cases[i].value), ERR_CONFIG, "%s", want);
        cr_assert(strstr(err.text, want) == err.text, "%s", err.text);
        cr_assert_not_null(strstr(err.text, ": unset "));
        cr_assert_null(strchr(err.text, '\n'));
    }
}
