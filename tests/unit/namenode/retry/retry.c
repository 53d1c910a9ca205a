/* retry.c - repeated calls are known, for a while, and in bounded memory. */
#include "namenode/retry/retry.h"

#include <criterion/criterion.h>

static uint8_t id_bytes[RETRY_CLIENT_ID_SIZE];

static struct slice id_of(unsigned client)
{
    memset(id_bytes, (int)(client & 255), sizeof(id_bytes));
    id_bytes[3] = (uint8_t)(client >> 8);
    return (struct slice){id_bytes, sizeof(id_bytes)};
}

static bool known(const struct retry *r, unsigned client, int32_t call)
{
    struct retry_answer answer;
    return retry_find(r, id_of(client), call, &answer);
}

Test(retry, finds_what_was_noted)
{
    struct retry *r = retry_new();
    struct retry_answer answer;
    cr_assert(!retry_find(r, id_of(1), 5, &answer));
    retry_note(r, id_of(1), 5, 9, 16400);
    retry_note(r, id_of(2), 5, 3, 0);
    cr_assert(retry_find(r, id_of(1), 5, &answer));
    cr_assert_eq(answer.op, 9);
    cr_assert_eq(answer.inode_id, 16400);
    cr_assert(retry_find(r, id_of(2), 5, &answer));
    cr_assert_eq(answer.op, 3);
    cr_assert(!known(r, 1, 6));
    cr_assert(!known(r, 3, 5));
    retry_note(r, id_of(1), 5, 10, 7);
    cr_assert_eq(retry_count(r), 2);
    cr_assert(retry_find(r, id_of(1), 5, &answer));
    cr_assert_eq(answer.op, 10);
    retry_free(r);
}

Test(retry, ids_that_repeat_nothing)
{
    struct retry *r = retry_new();
    retry_note(r, (struct slice){NULL, 0}, 5, 1, 0);
    retry_note(r, (struct slice){id_bytes, 8}, 5, 1, 0);
    retry_note(r, id_of(1), -2, 1, 0);
    cr_assert_eq(retry_count(r), 0);
    cr_assert(!known(r, 1, -2));
    retry_free(r);
}

Test(retry, expires)
{
    struct retry *r = retry_new();
    retry_configure(r, &(struct retry_settings){.max_entries = 100, .expiry_ms = 1000});
    retry_set_now(r, 5000);
    retry_note(r, id_of(1), 1, 1, 0);
    retry_set_now(r, 5600);
    retry_note(r, id_of(1), 2, 1, 0);
    retry_set_now(r, 6000);
    cr_assert(known(r, 1, 1), "it lives its whole time");
    retry_set_now(r, 6001);
    cr_assert(!known(r, 1, 1));
    cr_assert(known(r, 1, 2));
    cr_assert_eq(retry_count(r), 1);
    retry_set_now(r, 100); /* never back */
    retry_note(r, id_of(1), 3, 1, 0);
    retry_set_now(r, 7000);
    cr_assert(known(r, 1, 3));
    retry_free(r);
}

/* A restart notes everything at one moment. */
Test(retry, many_expire_in_slices_but_none_is_found)
{
    struct retry *r = retry_new();
    retry_set_now(r, 1000);
    for (int call = 0; call < 20000; call++)
        retry_note(r, id_of(1), call, 1, 0);
    retry_set_now(r, 1000 + 600001);
    cr_assert_gt(retry_count(r), 0);
    cr_assert(!known(r, 1, 0));
    cr_assert(!known(r, 1, 19999));
    retry_note(r, id_of(1), 15000, 2, 0); /* the id of one that is still there */
    cr_assert(known(r, 1, 15000));
    for (int i = 0; i < 5; i++)
        retry_set_now(r, 1000 + 600001);
    cr_assert_eq(retry_count(r), 1);
    cr_assert(known(r, 1, 15000));
    retry_free(r);
}

Test(retry, replayed_entries_start_their_time_at_the_restart)
{
    struct retry *r = retry_new();
    retry_note(r, id_of(1), 1, 1, 0); /* at time 0, as on replay */
    retry_restart(r, 90000000);
    retry_set_now(r, 90000000 + 600000);
    cr_assert(known(r, 1, 1));
    retry_set_now(r, 90000000 + 600001);
    cr_assert(!known(r, 1, 1));
    retry_free(r);
}

/* Against a model: the last max_entries calls are known, no others, whatever wraps and grows. */
Test(retry, bounded_and_oldest_goes_first)
{
    enum { LIMIT = 3000, CALLS = 20000 };
    struct retry *r = retry_new();
    retry_configure(r, &(struct retry_settings){.max_entries = LIMIT, .expiry_ms = 1000000});
    for (int32_t i = 0; i < CALLS; i++) {
        retry_note(r, id_of((unsigned)i % 700), i, 1, (uint64_t)i);
        cr_assert_eq(retry_count(r), (uint32_t)(i < LIMIT ? i + 1 : LIMIT));
        if (i >= LIMIT)
            cr_assert(!known(r, (unsigned)(i - LIMIT) % 700, i - LIMIT));
        if (i % 97 == 0)
            for (int32_t k = i; k >= 0 && k > i - LIMIT; k -= 61)
                cr_assert(known(r, (unsigned)k % 700, k), "call %d of %d", k, i);
    }
    retry_configure(r, &(struct retry_settings){.max_entries = 10, .expiry_ms = 1000000});
    cr_assert_eq(retry_count(r), 10);
    cr_assert(known(r, (CALLS - 10) % 700, CALLS - 10));
    cr_assert(!known(r, (CALLS - 11) % 700, CALLS - 11));
    retry_configure(r, &(struct retry_settings){.max_entries = 0});
    retry_note(r, id_of(1), 1, 1, 0);
    cr_assert_eq(retry_count(r), 0);
    retry_free(r);
}

Test(retry, share_of_a_heap)
{
    cr_assert_eq(retry_entries_for(0.03, UINT64_C(1) << 30), 32768);
    cr_assert_eq(retry_entries_for(0.03, UINT64_C(4) << 30), 131072);
    cr_assert_eq(retry_entries_for(0, UINT64_C(4) << 30), 16);
    cr_assert_eq(retry_entries_for(100, UINT64_C(4) << 40), 1 << 24);
}
