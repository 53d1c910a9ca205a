/* format.c - sizes, percentages, permissions, times, widths and tables against what Hadoop's shell
 * prints. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "cli/text/text.h"

static void expect_human(int64_t n, const char *want)
{
    char out[TEXT_SIZE];
    cr_assert_str_eq(text_size(n, true, out), want, "%lld: %s, not %s", (long long)n, out, want);
}

Test(format, human_sizes)
{
    expect_human(0, "0");
    expect_human(1023, "1023");
    expect_human(1024, "1 K");
    expect_human(1536, "1.5 K");
    expect_human(1280, "1.3 K"); /* 1.25: ties go up */
    expect_human(1279, "1.2 K");
    expect_human(24 * 1024, "24 K");
    expect_human(1024 * 1024 - 1, "1.0 M"); /* 1024.0 K would be longer */
    expect_human(134217728, "128 M");
    expect_human((int64_t)5 << 40, "5 T");
    expect_human(INT64_MAX, "8.0 E");
    expect_human(-1536, "-1.5 K");
}

Test(format, prefixed_with_unit)
{
    char out[TEXT_SIZE];
    cr_assert_str_eq(text_prefixed(270594457600, "B", 2, out), "252.01 GB");
    cr_assert_str_eq(text_prefixed(0, "B", 2, out), "0 B");
    cr_assert_str_eq(text_prefixed(24576, "B", 2, out), "24 KB");
}

Test(format, plain_size)
{
    char out[TEXT_SIZE];
    cr_assert_str_eq(text_size(1536, false, out), "1536");
    cr_assert_str_eq(text_size(-1, false, out), "-1");
}

Test(format, percent)
{
    char out[TEXT_SIZE];
    cr_assert_str_eq(text_percent(0, 0, 0, out), "NaN%");
    cr_assert_str_eq(text_percent(1, 8, 0, out), "13%"); /* 12.5 */
    cr_assert_str_eq(text_percent(1, 3, 2, out), "33.33%");
    cr_assert_str_eq(text_percent(2, 2, 2, out), "100.00%");
}

Test(format, permission)
{
    char out[10];
    cr_assert_str_eq(text_permission(0644, out), "rw-r--r--");
    cr_assert_str_eq(text_permission(01777, out), "rwxrwxrwt");
    cr_assert_str_eq(text_permission(01776, out), "rwxrwxrwT");
    cr_assert_str_eq(text_permission(0, out), "---------");
}

Test(format, time)
{
    char out[TEXT_SIZE];
    setenv("TZ", "UTC+2", 1);
    tzset();
    cr_assert_str_eq(text_time(1577934245999, "%Y-%m-%d %H:%M:%S", true, out),
                     "2020-01-02 03:04:05");
    cr_assert_str_eq(text_time(1577934245999, "%Y-%m-%d %H:%M", false, out), "2020-01-02 01:04");
    cr_assert_str_eq(text_time(-1, "%Y-%m-%d %H:%M:%S", true, out), "1969-12-31 23:59:59");
}

Test(format, width_counts_utf16_units)
{
    cr_assert_eq(text_width("abc"), 3);
    cr_assert_eq(text_width("\xc3\xbcn\xc3\xaf"), 3);
    cr_assert_eq(text_width("\xf0\x9f\x98\x80"), 2);
    cr_assert_eq(text_width("\xff\xfe"), 2); /* stray bytes count one each */
}

Test(format, printable)
{
    auto_text text = text_printable("a\tb\x7f\xe2\x80\x8b\xc3\xbc");
    cr_assert_str_eq(text, "a?b??\xc3\xbc");
}

Test(format, table_pads_all_but_the_last_column)
{
    char *data = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&data, &size);
    struct table t;
    table_init(&t, 3, 1u << 1);
    table_add(&t, (const char *[]){"name", "n", "last"});
    table_add(&t, (const char *[]){"x", "123", "y"});
    table_print(&t, out);
    table_fini(&t);
    fclose(out);
    cr_assert_str_eq(data, "name    n  last\nx     123  y\n");
    free(data);
}
