#include "datanode/stats/stats.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void near(double a, double b)
{
    cr_assert_float_eq(a, b, 1e-9, "%f instead of %f", a, b);
}

Test(outlier, too_few)
{
    double values[] = {1, 1, 100};
    struct outlier_facts f;
    cr_assert_not(outlier_find(values, 3, (struct outlier_rule){4, 5}, &f));
    cr_assert_not(outlier_find(values, 0, (struct outlier_rule){0, 5}, &f));
    cr_assert(outlier_find(values, 3, (struct outlier_rule){3, 5}, &f));
}

Test(outlier, three_times_the_median)
{
    double values[] = {60, 10, 11, 9, 10};
    struct outlier_facts f;
    cr_assert(outlier_find(values, 5, (struct outlier_rule){1, 5}, &f));
    near(f.median, 10);
    near(f.mad, 1.4826); /* away from it by 0 0 1 1 50 */
    near(f.limit, 30);
}

Test(outlier, three_times_the_spread)
{
    double values[] = {1, 1, 10, 100, 100, 1000};
    struct outlier_facts f;
    cr_assert(outlier_find(values, 6, (struct outlier_rule){1, 5}, &f));
    near(f.median, 55);
    near(f.mad, 49.5 * 1.4826); /* 45 45 45 54 54 945 */
    near(f.limit, 55 + 3 * 49.5 * 1.4826);
}

Test(outlier, nobody_is_slow_up_to_the_threshold)
{
    double values[] = {0.1, 0.1, 0.1, 4.9};
    struct outlier_facts f;
    cr_assert(outlier_find(values, 4, (struct outlier_rule){1, 5}, &f));
    near(f.limit, 5);
}

Test(series, old_windows_dont_count)
{
    struct series *s = series_new("x", 100);
    double ms;
    int64_t minute = 60000, now = 1000 * minute;
    cr_assert_eq(series_mean(s, SERIES_WINDOWS, now, &ms), 0);
    near(ms, 0);
    series_add(s, 4000000, now);
    series_add(s, 8000000, now + 6 * minute);
    cr_assert_eq(series_mean(s, SERIES_WINDOWS, now + 6 * minute, &ms), 2);
    near(ms, 6);
    cr_assert_eq(series_mean(s, 1, now + 6 * minute, &ms), 1);
    near(ms, 8);
    cr_assert_eq(series_mean(s, SERIES_WINDOWS, now + 180 * minute, &ms), 1);
    near(ms, 8);
    series_add(s, 1000000, now + 180 * minute); /* in the place of the first */
    cr_assert_eq(series_mean(s, SERIES_WINDOWS, now + 180 * minute, &ms), 2);
    cr_assert_eq(series_mean(s, SERIES_WINDOWS, now + 1000 * minute, &ms), 0);
    series_free(s);
}

static struct stats *make(const char *const (*pairs)[2], size_t count)
{
    struct conf *conf = conf_new();
    struct stats *s = NULL;
    struct err err = {0};
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(conf_set(conf, pairs[i][0], pairs[i][1], &err), 0);
    cr_assert_eq(conf_finish(conf, &err), 0);
    cr_assert_eq(stats_new(conf, &s, &err), 0, "%s", err.text);
    conf_free(conf);
    return s;
}

static void add_many(struct series *s, double ms, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        series_add(s, (int64_t)(ms * 1e6), 1000);
}

Test(stats, off_by_default)
{
    struct stats *s = make(NULL, 0);
    cr_assert_null(stats_peer(s, "a:1"));
    cr_assert_null(stats_disk(s, "/d", DISK_READ));
    cr_assert_null(stats_peer(NULL, "a:1"));
    cr_assert_eq(stats_interval_ms(s), 30 * 60000);
    cr_assert_eq(series_begin(NULL), 0);
    series_end(NULL, 0);
    stats_free(s);
}

Test(stats, a_slow_peer_among_ten)
{
    static const char *const on[][2] = {{"dfs.datanode.peer.stats.enabled", "true"}};
    struct stats *s = make(on, 1);
    struct slow_peer slow[4];
    char name[32];
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(stats_slow_peers(s, 1000, slow, 4), 0, "with %d nodes", i);
        snprintf(name, sizeof(name), "10.0.0.%d:9864", i);
        struct series *peer = stats_peer(s, name);
        cr_assert_eq(peer, stats_peer(s, name));
        add_many(peer, i == 7 ? 50 : 2, 1000);
        cr_assert_eq(stats_slow_peers(s, 1000, slow, 4), 0, "as many samples as are too few");
        add_many(peer, i == 7 ? 50 : 2, 1);
    }
    cr_assert_eq(stats_slow_peers(s, 1000, slow, 4), 1);
    cr_assert_str_eq(slow[0].name, "10.0.0.7:9864");
    near(slow[0].mean_ms, 50);
    near(slow[0].facts.median, 2);
    near(slow[0].facts.limit, 6);
    cr_assert_eq(stats_slow_peers(s, 1000, slow, 0), 0);
    stats_free(s);
}

Test(stats, a_disk_that_writes_slowly)
{
    static const char *const on[][2] = {
        {"dfs.datanode.fileio.profiling.sampling.percentage", "100"}};
    struct stats *s = make(on, 1);
    struct slow_disk slow[4];
    char path[32];
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "/d%d", i);
        cr_assert_eq(stats_slow_disks(s, 1000, slow, 4), 0);
        add_many(stats_disk(s, path, DISK_WRITE), i == 2 ? 90 : 1, 3);
        add_many(stats_disk(s, path, DISK_READ), i == 2 ? 19 : 1, 3); /* under the threshold */
        add_many(stats_disk(s, path, DISK_METADATA), i == 2 ? 30 : 1, 3);
    }
    cr_assert_eq(stats_slow_disks(s, 1000, slow, 4), 1);
    cr_assert_str_eq(slow[0].path, "/d2");
    near(slow[0].mean_ms[DISK_WRITE], 90);
    near(slow[0].mean_ms[DISK_READ], 0);
    near(slow[0].mean_ms[DISK_METADATA], 30);
    stats_free(s);
}
