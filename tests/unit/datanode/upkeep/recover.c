/* Who takes part in a block recovery, and which length results. */
#include <criterion/criterion.h>

#include "datanode/upkeep/upkeep.h"

static struct recovery_vote vote(enum replica_state state, uint64_t length)
{
    return (struct recovery_vote){.answered = true, .state = state, .block = {5, 1001, length}};
}

static void expect(struct recovery_vote *votes, size_t count, const uint64_t *cut, uint64_t length,
                   const char *chosen)
{
    uint64_t got;
    struct err err = {0};
    cr_assert_eq(recovery_plan(votes, count, cut, &got, &err), 0, "%s", err.text);
    cr_assert_eq(got, length, "%llu", (unsigned long long)got);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(votes[i].chosen, chosen[i] == 'x', "vote %zu", i);
}

Test(recovery_plan, finalized_wins)
{
    struct recovery_vote v[] = {vote(REPLICA_RBW, 900), vote(REPLICA_FINALIZED, 1000),
                                vote(REPLICA_RBW, 1000), vote(REPLICA_RWR, 1000),
                                vote(REPLICA_FINALIZED, 1000)};
    expect(v, 5, NULL, 1000, " xx x");
}

Test(recovery_plan, the_shortest_open_one)
{
    struct recovery_vote v[] = {vote(REPLICA_RBW, 900), vote(REPLICA_RWR, 100),
                                vote(REPLICA_RBW, 800)};
    expect(v, 3, NULL, 800, "x x");
    struct recovery_vote w[] = {vote(REPLICA_RWR, 900), vote(REPLICA_RWR, 700),
                                vote(REPLICA_TEMPORARY, 600)};
    expect(w, 3, NULL, 700, "xx ");
}

Test(recovery_plan, silent_and_empty_ones_do_not_count)
{
    struct recovery_vote v[] = {vote(REPLICA_RBW, 0),
                                vote(REPLICA_NONE, 0),
                                vote(REPLICA_RWR, 300),
                                {.state = REPLICA_FINALIZED}};
    expect(v, 4, NULL, 300, "  x ");
}

Test(recovery_plan, finalized_ones_differ)
{
    struct recovery_vote v[] = {vote(REPLICA_FINALIZED, 1000), vote(REPLICA_FINALIZED, 700)};
    uint64_t length, cut = 700;
    struct err err = {0};
    cr_assert_eq(recovery_plan(v, 2, NULL, &length, &err), ERR_CORRUPT);
    expect(v, 2, &cut, 700, "xx"); /* an earlier attempt came so far */
    cut = 800;
    expect(v, 2, &cut, 800, "x ");
}
