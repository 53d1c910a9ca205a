/* trash.c - names of checkpoints. The whole is shown by tests/integration/trash.sh. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "namenode/trash/trash.h"

static bool time_of(const char *name, int64_t *ret)
{
    return trash_time_of(slice_of(name), ret);
}

Test(trash, names)
{
    char name[TRASH_NAME_SIZE];
    int64_t ms = 0, other = 0;
    setenv("TZ", "UTC", 1);
    tzset();
    trash_name_of(1700000000123, name);
    cr_assert_str_eq(name, "231114221320");
    cr_assert(time_of("231114221320", &ms));
    cr_assert_eq(ms, 1700000000000);
    cr_assert(time_of("231114221320-7", &ms), "of a second with several");
    cr_assert_eq(ms, 1700000000000);
    cr_assert(time_of("2311142213", &ms), "without seconds, as old Hadoops named it");
    cr_assert_eq(ms, 1699999980000);
    cr_assert(time_of("231301000000", &ms) && time_of("240101000000", &other));
    cr_assert_eq(ms, other, "month 13");
    cr_assert(!time_of("Current", &ms));
    cr_assert(!time_of("231114", &ms));
    cr_assert(!time_of("", &ms));
    setenv("TZ", "Asia/Kolkata", 1);
    tzset();
    trash_name_of(1700000000123, name);
    cr_assert_str_eq(name, "231115034320");
    cr_assert(time_of(name, &ms));
    cr_assert_eq(ms, 1700000000000);
}
