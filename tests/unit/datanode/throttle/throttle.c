/* throttle.c - the rule with a clock of its own, and the waiting. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "common/io/io.h"
#include "datanode/throttle/throttle.h"

static const int64_t ms = 1000000;

Test(throttle, a_steady_rate)
{
    struct bucket b;
    int64_t now = 5000 * ms;
    bucket_init(&b, 1000, now);
    for (int i = 1; i <= 50; i++) { /* 100 bytes each: 100 ms */
        uint64_t place = bucket_reserve(&b, 100, now);
        int64_t wait = bucket_wait_ns(&b, place, now);
        cr_assert(wait > 99 * ms && wait <= 100 * ms + 1, "%lld", (long long)wait);
        now += wait;
        cr_assert_eq(bucket_wait_ns(&b, place, now), 0);
    }
    cr_assert(now >= 10000 * ms && now < 10001 * ms);
}

Test(throttle, a_pause_earns_little)
{
    struct bucket b;
    bucket_init(&b, 1000, 0);
    /* an hour of nothing is worth BUCKET_BURST_MS */
    uint64_t place = bucket_reserve(&b, BUCKET_BURST_MS, 3600000 * ms);
    cr_assert_eq(bucket_wait_ns(&b, place, 3600000 * ms), 0);
    place = bucket_reserve(&b, 1000, 3600000 * ms);
    int64_t wait = bucket_wait_ns(&b, place, 3600000 * ms);
    cr_assert(wait > 999 * ms && wait <= 1000 * ms + 1, "%lld", (long long)wait);
}

Test(throttle, nobody_overtakes)
{
    struct bucket b;
    bucket_init(&b, 1000, 0);
    uint64_t large = bucket_reserve(&b, 5000, 0), small = bucket_reserve(&b, 1, 0);
    cr_assert(bucket_wait_ns(&b, small, 0) > bucket_wait_ns(&b, large, 0));
    cr_assert_eq(bucket_wait_ns(&b, large, 5001 * ms), 0);
    cr_assert_eq(bucket_wait_ns(&b, small, 5002 * ms), 0);
}

Test(throttle, a_new_rate_counts_for_those_who_wait)
{
    struct bucket b;
    bucket_init(&b, 1, 0);
    uint64_t place = bucket_reserve(&b, 1000, 0);
    cr_assert(bucket_wait_ns(&b, place, 0) > 999000 * ms);
    bucket_set(&b, 10000, 10 * ms);
    int64_t wait = bucket_wait_ns(&b, place, 10 * ms);
    cr_assert(wait > 90 * ms && wait <= 101 * ms, "%lld", (long long)wait);
    bucket_set(&b, 0, 20 * ms);
    cr_assert_eq(bucket_wait_ns(&b, place, 20 * ms), 0);
}

Test(throttle, what_was_free_is_not_paid_later)
{
    struct bucket b;
    bucket_init(&b, 0, 0);
    cr_assert_eq(bucket_wait_ns(&b, bucket_reserve(&b, 1ull << 40, 0), 0), 0);
    bucket_set(&b, 1000, 10 * ms);
    int64_t wait = bucket_wait_ns(&b, bucket_reserve(&b, 1000, 10 * ms), 10 * ms);
    cr_assert(wait > 999 * ms && wait <= 1000 * ms + 1, "%lld", (long long)wait);
}

Test(throttle, slow_rates_lose_no_time)
{
    struct bucket b;
    bucket_init(&b, 10, 0);
    uint64_t place = bucket_reserve(&b, 10, 0);
    for (int64_t now = 0; now < 999 * ms;
         now += ms) /* looked at far more often than a byte comes */
        cr_assert(bucket_wait_ns(&b, place, now) > 0);
    cr_assert_eq(bucket_wait_ns(&b, place, 1001 * ms), 0);
}

Test(throttle, large_numbers)
{
    struct bucket b;
    bucket_init(&b, UINT64_MAX / 4, 0);
    uint64_t place = bucket_reserve(&b, 1 << 30, INT64_MAX / 8);
    cr_assert_eq(bucket_wait_ns(&b, place, INT64_MAX / 8), 0);
}

static void *wait_in_it(void *t)
{
    throttle_use(t, 1000000);
    return NULL;
}

Test(throttle, the_end_wakes)
{
    struct throttle *t = throttle_new(1);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, wait_in_it, t), 0);
    throttle_end(t);
    pthread_join(thread, NULL);
    throttle_use(t, 1 << 30);
    throttle_free(t);
}

Test(throttle, bytes_take_their_time)
{
    struct throttle *t = throttle_new(100000);
    int64_t start = clock_monotonic_ms();
    for (int i = 0; i < 10; i++)
        throttle_use(t, 3000);
    int64_t took = clock_monotonic_ms() - start;
    cr_assert(took >= 190 && took < 5000, "%lld", (long long)took);
    throttle_free(t);
}

Test(throttle, so_many_at_a_time)
{
    struct throttle *t = throttle_new(0);
    cr_assert(throttle_enter(t));
    throttle_set_limit(t, 2);
    cr_assert(throttle_enter(t));
    cr_assert(!throttle_enter(t));
    cr_assert_eq(throttle_inside(t), 2);
    throttle_leave(t);
    cr_assert(throttle_enter(t));
    throttle_leave(t);
    throttle_leave(t);
    throttle_set_limit(t, 0);
    cr_assert(!throttle_enter(t));
    throttle_free(t);
    cr_assert(throttle_enter(NULL));
    throttle_leave(NULL);
    throttle_use(NULL, 1);
}
