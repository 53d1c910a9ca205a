/* Which internal blocks of a group stay when its writer is gone, and which length results. */
#include <criterion/criterion.h>

#include "datanode/upkeep/upkeep.h"

enum { C = 1024 };
static const struct ec_policy rs32 = {2, 3, 2, EC_RS, C};
static const uint8_t indices[] = {0, 1, 2, 3, 4, 4};

/* state: f finalized, b being written, w waiting after a restart, '-' no replica, '?' silent. */
static void expect(const char *states, const uint64_t *lengths, uint64_t length, const char *chosen)
{
    struct recovery_vote v[6] = {{0}};
    struct err err = {0};
    uint64_t got;
    size_t count = strlen(states);
    for (size_t i = 0; i < count; i++) {
        v[i].answered = states[i] != '?';
        v[i].state = states[i] == 'f'   ? REPLICA_FINALIZED
                     : states[i] == 'b' ? REPLICA_RBW
                     : states[i] == 'w' ? REPLICA_RWR
                                        : REPLICA_NONE;
        v[i].block = (struct block){0x8000000000000010 + indices[i], 1001, lengths[i]};
    }
    int rc = recovery_plan_group(v, indices, count, &rs32, &got, &err);
    cr_assert_eq(rc, chosen == NULL ? ERR_BLOCK_MISSING : 0, "%s: %s", states, err.text);
    if (rc != 0)
        return;
    cr_assert_eq(got, length, "%s: %llu", states, (unsigned long long)got);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(v[i].chosen, chosen[i] == 'x', "%s: vote %zu", states, i);
}

Test(group_plan, full_stripes_keep_all_that_reach_them)
{
    expect("bbbbb", (uint64_t[]){C, C, C, C, C}, 3 * C, "xxxxx");
    expect("b?bb?", (uint64_t[]){C, 0, C, C, 0}, 3 * C, "x xx ");
    expect("bwbb-", (uint64_t[]){2 * C, C + 5, C, 2 * C, 0}, 3 * C + C + 5, "xxx  ");
    expect("b?bbb", (uint64_t[]){2 * C, 0, C, 2 * C, C}, 3 * C,
           "x xxx"); /* needs parity: no tail */
}

Test(group_plan, inside_a_stripe_no_parity_stays)
{
    expect("bbbbb", (uint64_t[]){2 * C, C + 100, C, C, C}, 3 * C + C + 100, "xxx  ");
    expect("b----", (uint64_t[]){300, 0, 0, 0, 0}, 300, "x    ");
    /* parity of the last cells is there, but may be that of more data than what arrived */
    expect("fbfff", (uint64_t[]){C, 500, 400, C, C}, C + 500, "xx   ");
}

Test(group_plan, what_was_closed_stays_whole)
{
    expect("fffff", (uint64_t[]){2 * C, C + 100, C, 2 * C, 2 * C}, 3 * C + C + 100, "xxxxx");
    expect("ff-ff", (uint64_t[]){C, 500, 0, C, C}, C + 500, "xx xx");
    expect("ffffb", (uint64_t[]){2 * C, C + 100, C, 2 * C, C}, 3 * C + C + 100, "xxxx ");
    expect("ff?ff", (uint64_t[]){C, 500, 0, C, C}, C + 500,
           "xx   "); /* unit 2 may have had bytes */
}

Test(group_plan, the_longer_of_two_of_one_unit)
{
    expect("bbbbbb", (uint64_t[]){C, C, C, C, 5, C}, 3 * C, "xxxx x");
}

Test(group_plan, too_little_is_known)
{
    expect("bb???", (uint64_t[]){C, C, 0, 0, 0}, 0, NULL);
    expect("?bbb-", (uint64_t[]){0, 100, 0, 0, 0}, 0, NULL); /* unit 0 may have bytes */
    expect("-bbb-", (uint64_t[]){0, 100, 0, 0, 0}, 0, "     ");
    expect("-----", (uint64_t[]){0, 0, 0, 0, 0}, 0, "     ");
}
