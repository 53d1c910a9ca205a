/* line.c - a line says what was done and by whom, whatever names the client has chosen. */
#include <criterion/criterion.h>

#include "namenode/audit/audit.h"

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 0);
}

static void teardown(void)
{
    arena_fini(&arena);
}

TestSuite(line, .init = setup, .fini = teardown);

static const char *line_of(const struct audit_event *e)
{
    struct audit_settings s = {.separator = ",", .max_context = 128, .max_signature = 40};
    struct slice line = audit_line(&s, e, &arena);
    cr_assert_gt(line.size, 0);
    const char *text = arena_strndup(&arena, line.data, line.size);
    cr_assert_eq(strlen(text), line.size);
    return text;
}

Test(line, all_of_it)
{
    struct audit_event e = {.allowed = true,
                            .user = "alice",
                            .real_user = "knox",
                            .address = "10.0.0.1",
                            .cmd = "rename",
                            .src = "/a b\"\\",
                            .dst = "/\xc3\xa4\xf0\x9f\x98\x80",
                            .owner = "alice",
                            .group = "staff",
                            .mode = 01755};
    cr_assert_str_eq(line_of(&e),
                     "allowed=true\tugi=alice (auth:PROXY) via knox (auth:SIMPLE)\tip=/10.0.0.1\t"
                     "cmd=rename\tsrc=/a b\\\"\\\\\tdst=/\\u00E4\\uD83D\\uDE00\t"
                     "perm=alice:staff:rwxr-xr-t\tproto=rpc");
}

Test(line, names_forge_neither_lines_nor_fields)
{
    struct audit_event e = {.user = "eve\tip=/1.1.1.1\tcmd=open\nallowed=true\tugi=root",
                            .real_user = "x\ty\x7f",
                            .address = "10.0.0.1",
                            .cmd = "delete",
                            .src = "/a\tdst=/b\n\r\x01",
                            .owner = "o\tw",
                            .group = "g\nr"};
    cr_assert_str_eq(line_of(&e),
                     "allowed=false\tugi=eve?ip=/1.1.1.1?cmd=open?allowed=true?ugi=root "
                     "(auth:PROXY) via x?y? (auth:SIMPLE)\tip=/10.0.0.1\tcmd=delete\t"
                     "src=/a\\tdst=/b\\n\\r\\u0001\tdst=null\tperm=o?w:g?r:---------\tproto=rpc");
}
