/* Who is blamed for a silent pipeline, and above all who is not. */
#include <criterion/criterion.h>

#include "libdfs/write/write.h"

struct scene {
    struct wr_watch watch;
    struct wr_sign signs[3];
    struct wr_watch_case c;
    int64_t now;
    unsigned probes;
};

static struct scene scene_of(unsigned nodes)
{
    struct scene s = {.c = {.nodes = nodes, .sent = 1000, .patience_ms = 75000}, .now = 5000};
    wr_watch_start(&s.watch, s.now);
    return s;
}

/* Steps every 200 ms until `until` ms after the start; signs appear 50 ms after a probe began.
 * Returns the nodes that were blamed, 0: nobody. */
static uint64_t run(struct scene *s, int64_t until)
{
    uint64_t blamed = 0;
    s->c.signs = s->signs;
    while (s->now < 5000 + until) {
        s->now += 200;
        enum wr_watch_action a = wr_watch_step(&s->watch, s->now, &s->c, &blamed);
        if (a == WR_WATCH_BLAME)
            return blamed;
        if (a == WR_WATCH_PROBE) {
            s->probes++;
            wr_watch_probing(&s->watch, s->now);
            s->c.signs_known = true;
        }
    }
    return 0;
}

static struct wr_sign answer(uint64_t length)
{
    return (struct wr_sign){
        .done = true, .answered = true, .has_length = true, .length = length, .took_ms = 5};
}

static const struct wr_sign refusal = {.done = true};
static const struct wr_sign silence = {0};

Test(watch, asks_only_after_a_while)
{
    struct scene s = scene_of(3);
    cr_assert_eq(run(&s, 800), 0);
    cr_assert_eq(s.probes, 0);
    cr_assert_eq(run(&s, 1200), 0);
    cr_assert_eq(s.probes, 1);
}

Test(watch, stopped_process_is_found_at_each_position)
{
    for (unsigned bad = 0; bad < 3; bad++) {
        struct scene s = scene_of(3);
        for (unsigned i = 0; i < 3; i++)
            s.signs[i] = i == bad ? silence : answer(1000);
        cr_assert_eq(run(&s, 60000), 1ULL << bad);
        cr_assert_leq(s.now - 5000, 4400, "after %lld ms", (long long)(s.now - 5000));
    }
}

Test(watch, refused_connection_needs_no_patience)
{
    struct scene s = scene_of(3);
    s.signs[0] = answer(1000);
    s.signs[1] = silence;
    s.signs[2] = refusal;
    cr_assert_eq(run(&s, 60000), 4);
    cr_assert_leq(s.now - 5000, 1400);
}

Test(watch, two_of_three_are_blamed_together)
{
    struct scene s = scene_of(3);
    s.signs[0] = silence;
    s.signs[1] = answer(1000);
    s.signs[2] = silence;
    cr_assert_eq(run(&s, 60000), 5);
}

Test(watch, when_nobody_answers_it_may_be_us)
{
    struct scene s = scene_of(3);
    cr_assert_eq(run(&s, 74000), 0);
    cr_assert_gt(s.probes, 10);
    cr_assert_eq(run(&s, 80000), 1, "the time-out of the sockets still holds");
}

Test(watch, node_that_answers_and_acknowledged_all_is_never_blamed_early)
{
    struct scene s = scene_of(3);
    for (unsigned i = 0; i < 3; i++)
        s.signs[i] = answer(1000);
    cr_assert_eq(run(&s, 74000), 0);
}

Test(watch, stuck_disk_shows_as_a_step)
{
    for (unsigned bad = 0; bad < 2; bad++) {
        struct scene s = scene_of(3);
        for (unsigned i = 0; i < 3; i++)
            s.signs[i] = answer(i <= bad ? 400 : 1000);
        cr_assert_eq(run(&s, 60000), 1ULL << bad);
        cr_assert_geq(s.now - 5000, 5000);
        cr_assert_leq(s.now - 5000, 7000);
    }
}

Test(watch, last_one_behind_waits_longer)
{
    struct scene s = scene_of(3);
    for (unsigned i = 0; i < 3; i++)
        s.signs[i] = answer(400);
    cr_assert_eq(run(&s, 60000), 4);
    cr_assert_geq(s.now - 5000, 10000);
}

Test(watch, a_sync_may_take_its_time)
{
    struct scene s = scene_of(3);
    s.c.syncing = true;
    s.signs[0] = answer(400);
    s.signs[1] = s.signs[2] = answer(1000);
    cr_assert_eq(run(&s, 29000), 0);
    cr_assert_eq(run(&s, 40000), 1);
}

Test(watch, slow_answers_mean_a_busy_machine)
{
    struct scene s = scene_of(3);
    for (unsigned i = 0; i < 3; i++) {
        s.signs[i] = answer(i == 0 ? 400 : 1000);
        s.signs[i].took_ms = 1500;
    }
    cr_assert_eq(run(&s, 74000), 0);
}

Test(watch, progress_takes_the_suspicion_away)
{
    struct scene s = scene_of(3);
    s.signs[0] = answer(400);
    s.signs[1] = s.signs[2] = answer(1000);
    for (int i = 1; i < 20; i++) { /* an acknowledgement every 4 s */
        cr_assert_eq(run(&s, 4000 * i), 0);
        wr_watch_start(&s.watch, s.now);
    }
}

Test(watch, our_own_pause_counts_for_nobody)
{
    struct scene s = scene_of(3);
    s.signs[0] = silence;
    s.signs[1] = s.signs[2] = answer(1000);
    cr_assert_eq(run(&s, 1200), 0);
    s.now += 100000; /* we were stopped */
    uint64_t blamed = 0;
    cr_assert_eq(wr_watch_step(&s.watch, s.now, &s.c, &blamed), WR_WATCH_WAIT);
}

Test(watch, single_node_has_only_the_long_patience)
{
    struct scene s = scene_of(1);
    cr_assert_eq(run(&s, 74000), 0);
    s.signs[0] = answer(400);
    cr_assert_eq(run(&s, 75000), 0);
    cr_assert_eq(run(&s, 76000), 1);
}
