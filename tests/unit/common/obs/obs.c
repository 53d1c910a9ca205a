#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/obs/obs.h"

static char captured[16384];
static int saved_stderr, pipe_end;

static void capture(void)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    pipe_end = ends[0];
}

static void release(void)
{
    dup2(saved_stderr, STDERR_FILENO); /* the last writing end closes */
    close(saved_stderr);
    size_t n = 0;
    for (ssize_t got; (got = read(pipe_end, captured + n, sizeof(captured) - 1 - n)) > 0;)
        n += (size_t)got;
    captured[n] = '\0';
    close(pipe_end);
}

static void log_path(const char *file, const char *text)
{
    log_write(LOG_WARN, file, 12, "%s", text);
}

Test(log, one_line_with_all_parts)
{
    log_init("tester");
    capture();
    log_path("/some/where/rooms/file.c", "hello a=1");
    release();
    cr_assert_not_null(strstr(captured, "Z warn tester rooms/file.c:12 hello a=1\n"), "%s",
                       captured);
    cr_assert_eq(captured[10], 'T');
}

Test(log, a_line_cannot_be_forged)
{
    capture();
    log_path("f.c", "a\nb\x1b[31m");
    release();
    cr_assert_not_null(strstr(captured, "f.c:12 a?b?[31m\n"), "%s", captured);
    cr_assert_eq(strchr(captured, '\n')[1], '\0');
}

Test(log, long_lines_are_cut_visibly)
{
    char text[8000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    capture();
    log_path("f.c", text);
    release();
    cr_assert_leq(strlen(captured), 4096);
    cr_assert_not_null(strstr(captured, "xxx...\n"));
}

Test(log, levels)
{
    capture();
    log_set_level(LOG_WARN);
    log_info("no %d", 1);
    log_warn("yes %d", 2);
    log_set_level(LOG_DEBUG);
    log_debug("also %d", 3);
    setenv("HADRON_LOG", "error", 1);
    log_init("x");
    log_warn("not %d", 4);
    release();
    cr_assert_null(strstr(captured, "no 1"));
    cr_assert_not_null(strstr(captured, "yes 2"));
    cr_assert_not_null(strstr(captured, "debug"));
    cr_assert_null(strstr(captured, "not 4"));
}

Test(log, quotes)
{
    cr_assert_str_eq(log_quote("plain"), "\"plain\"");
    cr_assert_str_eq(log_quote("a \"b\" \\ \n\x7f"), "\"a \\\"b\\\" \\\\ \\x0a\\x7f\"");
    cr_assert_str_eq(log_quote(NULL), "\"\"");
    const char *first = log_quote("first");
    for (int i = 0; i < 7; i++)
        log_quote("other");
    cr_assert_str_eq(first, "\"first\"");
    char text[2000];
    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    const char *cut = log_quote(text);
    cr_assert_lt(strlen(cut), 512);
    cr_assert_not_null(strstr(cut, "...\""));
}

Test(log, limited_lines_count_what_they_left_out)
{
    capture();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++)
            log_limited(LOG_WARN, "bad frame n=%d", i);
        if (round == 0)
            usleep(1050 * 1000);
    }
    release();
    cr_assert_not_null(strstr(captured, "n=0 skipped=0\n"), "%s", captured);
    /* the same place again after a second */
    cr_assert_not_null(strstr(captured, "n=0 skipped=49\n"), "%s", captured);
    cr_assert_null(strstr(captured, "n=1 "));
}

Test(metrics, count)
{
    metric_add(METRIC_blocks_read, 2);
    metric_add(METRIC_blocks_read, 3);
    cr_assert_eq(metric_get(METRIC_blocks_read), 5);
    cr_assert_eq(metric_get(METRIC_bytes_read), 0);
    cr_assert_str_eq(metric_name(METRIC_blocks_read), "blocks_read");
}
