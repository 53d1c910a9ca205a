/* The choosing policies, reserved space and the configured folders: all pure. */
#include <criterion/criterion.h>

#include "datanode/volume/volume.h"

#define GB (1ULL << 30)

static struct conf *conf_of(const char *const pairs[][2], size_t count)
{
    struct conf *conf = conf_new();
    struct err err = {0};
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(conf_set(conf, pairs[i][0], pairs[i][1], &err), 0, "%s", err.text);
    cr_assert_eq(conf_finish(conf, &err), 0, "%s", err.text);
    return conf;
}

static struct volume_chooser chooser(const char *policy)
{
    const char *const pairs[][2] = {{"dfs.datanode.fsdataset.volume.choosing.policy", policy}};
    struct conf *conf = conf_of(pairs, 1);
    struct volume_chooser c;
    struct err err = {0};
    cr_assert_eq(volume_chooser_init(&c, conf, 7, &err), 0, "%s", err.text);
    conf_free(conf);
    return c;
}

static size_t choose(struct volume_chooser *c, const struct volume_candidate *v, size_t count,
                     uint64_t need)
{
    size_t slot;
    struct err err = {0};
    cr_assert_eq(volume_choose_among(c, STORAGE_DISK, v, count, need, &slot, &err), 0, "%s",
                 err.text);
    return slot;
}

Test(choose, round_robin_passes_over_full_volumes)
{
    struct volume_chooser c = chooser("");
    const struct volume_candidate v[] = {{4, 20 * GB}, {5, 100}, {9, 20 * GB}};
    const size_t want[] = {4, 9, 4, 9};
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        cr_assert_eq(choose(&c, v, 3, GB), want[i]);
    size_t slot;
    struct err err = {0};
    cr_assert_eq(volume_choose_among(&c, STORAGE_DISK, v, 3, 30 * GB, &slot, &err), ERR_NO_SPACE);
    cr_assert(strstr(err.text, "The volume with the most available space (=21474836480 B) is less "
                               "than the block size (=32212254720 B)") != NULL);
    cr_assert_eq(volume_choose_among(&c, STORAGE_SSD, v, 0, 1, &slot, &err), ERR_NO_SPACE);
}

Test(choose, space_to_be_left_is_a_wish_unless_it_is_set)
{
    struct volume_chooser c = chooser("org.x.RoundRobinVolumeChoosingPolicy");
    const struct volume_candidate v[] = {{0, GB}, {1, 3 * GB}};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(choose(&c, v, 2, GB), 1);
    cr_assert_eq(choose(&c, v, 1, GB), 0);
    c.strict = true;
    size_t slot;
    cr_assert_eq(volume_choose_among(&c, STORAGE_DISK, v, 1, GB, &slot, NULL), ERR_NO_SPACE);
}

Test(choose, available_space_prefers_the_emptier)
{
    struct volume_chooser c = chooser(
        "org.apache.hadoop.hdfs.server.datanode.fsdataset.AvailableSpaceVolumeChoosingPolicy");
    const struct volume_candidate even[] = {{0, 20 * GB}, {1, 30 * GB}, {2, 25 * GB}};
    const size_t turns[] = {0, 1, 2, 0}; /* no farther apart than the threshold */
    for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
        cr_assert_eq(choose(&c, even, 3, GB), turns[i]);
    const struct volume_candidate odd[] = {{0, 5 * GB}, {1, 100 * GB}};
    size_t count[2] = {0};
    for (int i = 0; i < 10000; i++)
        count[choose(&c, odd, 2, GB)]++;
    cr_assert(count[1] > 7300 && count[1] < 7700, "%zu", count[1]);
    for (int i = 0; i < 100; i++) /* the fuller one has no room */
        cr_assert_eq(choose(&c, odd, 2, 6 * GB), 1);
}

Test(choose, other_policies_are_refused)
{
    const char *const pairs[][2] = {
        {"dfs.datanode.fsdataset.volume.choosing.policy", "org.x.MyPolicy"}};
    struct conf *conf = conf_of(pairs, 1);
    struct volume_chooser c;
    cr_assert_eq(volume_chooser_init(&c, conf, 7, NULL), ERR_CONFIG);
    conf_free(conf);
}

static struct volume_reserve reserve(const char *const pairs[][2], size_t count, const char *dir)
{
    struct conf *conf = conf_of(pairs, count);
    struct volume_location l[STORE_MAX_VOLUMES];
    struct volume_reserve r;
    struct err err = {0};
    size_t n;
    cr_assert_eq(volume_locations(dir, l, &n, &err), 0, "%s", err.text);
    cr_assert_eq(volume_reserve_of(conf, &l[0], &r, &err), 0, "%s", err.text);
    conf_free(conf);
    return r;
}

#define CALCULATOR "org.apache.hadoop.hdfs.server.datanode.fsdataset.impl.ReservedSpaceCalculator$"

Test(reserve, folder_before_type_before_all)
{
    const char *const pairs[][2] = {{"dfs.datanode.du.reserved", "10"},
                                    {"dfs.datanode.du.reserved.ssd", "20"},
                                    {"dfs.datanode.du.reserved./d2", "30"},
                                    {"dfs.datanode.du.reserved./d2.ssd", "40"}};
    cr_assert_eq(reserve(pairs, 4, "/d1").bytes, 10);
    cr_assert_eq(reserve(pairs, 4, "[SSD]/d1").bytes, 20);
    cr_assert_eq(reserve(pairs, 4, "/d2").bytes, 30);
    cr_assert_eq(reserve(pairs, 4, "[SSD]/d2").bytes, 40);
}

Test(reserve, calculators)
{
    const struct {
        const char *name;
        uint64_t want;
    } cases[] = {{CALCULATOR "ReservedSpaceCalculatorAbsolute", 100},
                 {CALCULATOR "ReservedSpaceCalculatorPercentage", 200},
                 {CALCULATOR "ReservedSpaceCalculatorConservative", 200},
                 {CALCULATOR "ReservedSpaceCalculatorAggressive", 100}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *const pairs[][2] = {{"dfs.datanode.du.reserved", "100"},
                                        {"dfs.datanode.du.reserved.pct", "20"},
                                        {"dfs.datanode.du.reserved.calculator", cases[i].name}};
        struct volume_reserve r = reserve(pairs, 3, "/d1");
        cr_assert_eq(volume_reserve_bytes(&r, 1000), cases[i].want, "%s", cases[i].name);
    }
}

Test(reserve, what_others_use_counts_against_the_reserve_first)
{
    const struct volume_reserve r = {.bytes = 100};
    struct volume_space s = volume_space_of(&r, 1000, 500, 440, 0); /* others: 60 of 100 */
    cr_assert(s.capacity == 900 && s.used == 440 && s.non_dfs_used == 0 && s.remaining == 460);
    s = volume_space_of(&r, 1000, 500, 300, 50); /* others: 200 */
    cr_assert(s.capacity == 900 && s.non_dfs_used == 100 && s.remaining == 450);
    s = volume_space_of(&r, 50, 50, 0, 0);
    cr_assert(s.capacity == 0 && s.remaining == 0);
}

Test(locations, types_and_forms)
{
    struct volume_location l[STORE_MAX_VOLUMES];
    size_t count;
    struct err err = {0};
    cr_assert_eq(volume_locations("[ssd]file:///d1/, /d2 ,[ARCHIVE]file:/d3,file://host/d4", l,
                                  &count, &err),
                 0, "%s", err.text);
    cr_assert_eq(count, 4);
    cr_assert_str_eq(l[0].path, "/d1");
    cr_assert_eq(l[0].type, STORAGE_SSD);
    cr_assert_str_eq(l[0].text, "[ssd]file:///d1/");
    cr_assert(strcmp(l[1].path, "/d2") == 0 && l[1].type == STORAGE_DISK);
    cr_assert(strcmp(l[2].path, "/d3") == 0 && l[2].type == STORAGE_ARCHIVE);
    cr_assert_str_eq(l[3].path, "/d4");
    const char *bad[] = {"", "d1", "[TAPE]/d1", "[SSD/d1", "/d1,/d1/"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert_eq(volume_locations(bad[i], l, &count, NULL), ERR_CONFIG, "%s", bad[i]);
}
