/* name.c - a checkpoint of the trash is named after the time at which it was made. */
#include <stdio.h>
#include <time.h>

#include "namenode/trash/trash.h"

static int two_digits(const char *at)
{
    return (at[0] - '0') * 10 + (at[1] - '0');
}

bool trash_time_of(struct slice name, int64_t *ret_ms)
{
    const char *at = (const char *)name.data;
    size_t digits = 0;
    while (digits < name.size && at[digits] >= '0' && at[digits] <= '9')
        digits++;
    if (digits < 10)
        return false;
    struct tm t = {.tm_year = 100 + two_digits(at),
                   .tm_mon = two_digits(at + 2) - 1,
                   .tm_mday = two_digits(at + 4),
                   .tm_hour = two_digits(at + 6),
                   .tm_min = two_digits(at + 8),
                   .tm_sec = digits >= 12 ? two_digits(at + 10) : 0,
                   .tm_isdst = -1};
    *ret_ms = (int64_t)mktime(&t) * 1000; /* a month 13 is a January, as in Java */
    return true;
}

void trash_name_of(int64_t ms, char out[TRASH_NAME_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    localtime_r(&seconds, &t);
    char text[32];
    strftime(text, sizeof(text), "%Y%m%d%H%M%S", &t);
    snprintf(out, TRASH_NAME_SIZE, "%.12s", text + 2); /* without the century */
}
