/* mode.c - chmod's modes and touch's times. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "cli/text/text.h"

static uint32_t apply(const char *text, uint32_t mode, bool dir)
{
    struct mode_change change;
    cr_assert(mode_parse(text, &change), "%s", text);
    return mode_apply(&change, mode, dir);
}

Test(mode, octal)
{
    cr_assert_eq(apply("755", 0, false), 0755);
    cr_assert_eq(apply("0644", 01777, false), 0644);
    cr_assert_eq(apply("1777", 0, true), 01777);
    cr_assert_eq(apply(" +700 ", 0777, false), 0700);
}

Test(mode, symbolic)
{
    cr_assert_eq(apply("+x", 0644, false), 0755);
    cr_assert_eq(apply("a-w", 0666, false), 0444);
    cr_assert_eq(apply("u=rwx,g=rx,o=r", 0, false), 0754);
    cr_assert_eq(apply("g+w,o-r", 0644, false), 0660);
    cr_assert_eq(apply("u+x, o+w", 0, false), 0102);
    cr_assert_eq(apply("ug+rw", 0, false), 0660);
}

Test(mode, capital_x_only_where_something_may_run)
{
    cr_assert_eq(apply("a+X", 0644, false), 0644);
    cr_assert_eq(apply("a+X", 0744, false), 0755);
    cr_assert_eq(apply("a+X", 0644, true), 0755);
}

Test(mode, sticky)
{
    cr_assert_eq(apply("+t", 0755, true), 01755);
    cr_assert_eq(apply("-t", 01755, true), 0755);
    cr_assert_eq(apply("u+t", 0755, true), 0755); /* only others' clause has it */
}

Test(mode, wrong)
{
    static const char *const wrong[] = {"",  "9",    "75", "888",     "2755", "07555", "u+q",   "u",
                                        "+", "u+r;", "x",  "u+r g+w", "u+r,", "755x",  "u+rx,g"};
    struct mode_change change;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bool trailing_comma = i == 12; /* Hadoop lets that pass */
        cr_assert_eq(mode_parse(wrong[i], &change), trailing_comma, "%s", wrong[i]);
    }
}

Test(timestamp, parses)
{
    int64_t ms;
    setenv("TZ", "UTC", 1);
    tzset();
    cr_assert(timestamp_parse("20200102:030405", &ms));
    cr_assert_eq(ms, 1577934245000);
    cr_assert(!timestamp_parse("2020", &ms));
    cr_assert(!timestamp_parse("20200102 030405", &ms));
    cr_assert(!timestamp_parse("", &ms));
}
