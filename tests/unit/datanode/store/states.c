#include <criterion/criterion.h>

#include "datanode/store/internal.h"

Test(replica_state, only_the_moves_of_the_table)
{
    static const struct {
        enum replica_state from, to;
    } allowed[] = {{REPLICA_NONE, REPLICA_FINALIZED},    {REPLICA_NONE, REPLICA_RBW},
                   {REPLICA_NONE, REPLICA_RWR},          {REPLICA_NONE, REPLICA_TEMPORARY},
                   {REPLICA_RBW, REPLICA_FINALIZED},     {REPLICA_RBW, REPLICA_RUR},
                   {REPLICA_RBW, REPLICA_DELETED},       {REPLICA_RWR, REPLICA_RUR},
                   {REPLICA_RWR, REPLICA_DELETED},       {REPLICA_RUR, REPLICA_FINALIZED},
                   {REPLICA_RUR, REPLICA_DELETED},       {REPLICA_TEMPORARY, REPLICA_FINALIZED},
                   {REPLICA_TEMPORARY, REPLICA_RBW},     {REPLICA_TEMPORARY, REPLICA_DELETED},
                   {REPLICA_FINALIZED, REPLICA_RBW},     {REPLICA_FINALIZED, REPLICA_RUR},
                   {REPLICA_FINALIZED, REPLICA_DELETED}, {REPLICA_TEMPORARY, REPLICA_RUR}};
    size_t count = 0;
    for (int from = 0; from < REPLICA_STATE_COUNT; from++)
        for (int to = 0; to < REPLICA_STATE_COUNT; to++)
            count += replica_may_move((enum replica_state)from, (enum replica_state)to);
    cr_assert_eq(count, ARRAY_SIZE(allowed));
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        cr_assert(replica_may_move(allowed[i].from, allowed[i].to));
}

Test(tail, records)
{
    uint8_t bytes[TAIL_RECORD_SIZE];
    struct tail_record r;
    tail_encode(&(struct tail_record){700, 0x12345678}, bytes);
    cr_assert(tail_decode(bytes, &r));
    cr_assert(r.length == 700 && r.crc == 0x12345678);
    for (size_t i = 0; i < sizeof(bytes); i++) { /* any torn byte is noticed */
        bytes[i] ^= 0x40;
        cr_assert(!tail_decode(bytes, &r), "byte %zu", i);
        bytes[i] ^= 0x40;
    }
    memset(bytes, 0, sizeof(bytes));
    cr_assert(!tail_decode(bytes, &r));
}
