/* group_in.c - reading of block groups from DataNodes that refuse, cut, lie, stall and are late. */
#include "fixture.h"

enum { CELL = 64 * 1024 };

static void reads(struct fake_group *f, uint64_t position, uint64_t end, size_t step)
{
    struct err err = {0};
    cr_assert_eq(fake_read(f, position, end, step, &err), 0, "%s", err.text);
}

Test(group_in, healthy_groups_of_all_lengths)
{
    uint64_t stripe = 3 * CELL;
    uint64_t lengths[] = {1,      CELL - 1,   CELL,       CELL + 1,          stripe - 1,
                          stripe, stripe + 1, stripe * 2, stripe * 3 + 70000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, lengths[i]);
        reads(f, 0, lengths[i], 1 << 20);
        reads(f, 0, lengths[i], 100);
        reads(f, lengths[i] / 2, lengths[i], 30001);
        reads(f, lengths[i] / 3, lengths[i] / 3 + 1, 30001);
        cr_assert_str_eq(f->log, "");
        cr_assert_eq(f->units[3].requests + f->units[4].requests, 0, "parity was read");
        fake_group_stop(f);
    }
}

Test(group_in, a_small_read_asks_one_node_for_little)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 9 * CELL);
    reads(f, CELL + 1000, CELL + 2000, 1 << 20);
    cr_assert_eq(f->units[0].requests + f->units[2].requests + f->units[3].requests, 0);
    cr_assert_eq(f->units[1].requests, 1);
    cr_assert_leq(f->units[1].sent, 2048, "%llu", (unsigned long long)f->units[1].sent);
    fake_group_heal(f);
    f->units[1].fault.refuse = true;
    reads(f, CELL + 1000, CELL + 2000, 1 << 20);
    cr_assert_eq(f->units[0].requests + f->units[2].requests + f->units[3].requests, 3);
    cr_assert_leq(f->units[0].sent, 2048, "%llu", (unsigned long long)f->units[0].sent);
    fake_group_stop(f);
}

static void lose(struct fake_group *f, uint32_t lost, bool absent)
{
    fake_group_heal(f);
    if (absent)
        f->absent = lost;
    for (unsigned i = 0; i < ec_units(&f->policy) && !absent; i++)
        f->units[i].fault.refuse = (lost >> i & 1) != 0;
}

static void every_loss(enum ec_codec codec, uint8_t k, uint8_t m, uint32_t cell, uint64_t length)
{
    struct fake_group *f = fake_group_start(codec, k, m, cell, length);
    for (uint32_t lost = 1; lost < 1U << (k + m); lost++) {
        if (__builtin_popcount(lost) > (int)m)
            continue;
        for (int absent = 0; absent < 2; absent++) {
            lose(f, lost, absent != 0);
            reads(f, 0, length, 1 << 22);
            lose(f, lost, absent != 0);
            reads(f, lost * 997 % length, length, 10007);
        }
    }
    fake_group_stop(f);
}

Test(group_in, every_loss_that_the_policy_bears)
{
    every_loss(EC_RS, 3, 2, 4096, 3 * 4096 * 2 + 5000);
    every_loss(EC_RS_LEGACY, 3, 2, 4096, 3 * 4096 + 100);
    every_loss(EC_XOR, 2, 1, 4096, 4 * 4096 + 4096 + 100);
    every_loss(EC_RS, 6, 3, 4096, 6 * 4096 + 2 * 4096 + 77);
}

Test(group_in, connections_cut_in_the_middle)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 9 * CELL + 100);
    f->units[0].fault.cut_after = 70000;
    f->units[2].fault.cut_after = 20000; /* gets on, but only three times */
    reads(f, 0, f->length, 1 << 20);
    cr_assert_not_null(strstr(f->log, "2:ERR_EOF"), "%s", f->log);
    fake_group_heal(f);
    f->units[1].fault =
        (struct fake_fault){.cut_after = 70000, .stall_after = -1, .flip_at = -1, .times = 1};
    reads(f, 0, f->length, 5000);
    cr_assert_str_eq(f->log, "", "a node that has cut one connection is asked again: %s", f->log);
    fake_group_stop(f);
}

Test(group_in, wrong_checksums_are_told_and_rebuilt)
{
    struct fake_group *f = fake_group_start(EC_RS, 6, 3, CELL, 12 * CELL + 5);
    for (unsigned step = 0; step < 2; step++) {
        fake_group_heal(f);
        f->units[1].fault.flip_at = CELL + 600;
        f->units[5].fault.flip_at = 0;
        f->units[6].fault.flip_at = 10;
        reads(f, 0, f->length, step == 0 ? 1 << 20 : 1000);
        cr_assert_not_null(strstr(f->log, "1:ERR_CHECKSUM"), "%s", f->log);
        cr_assert_not_null(strstr(f->log, "5:ERR_CHECKSUM"), "%s", f->log);
        cr_assert_not_null(strstr(f->log, "6:ERR_CHECKSUM"), "%s", f->log);
    }
    fake_group_stop(f);
}

Test(group_in, error_answers)
{
    struct fake_group *f = fake_group_start(EC_XOR, 2, 1, CELL, 5 * CELL);
    f->units[1].fault.error = true;
    reads(f, 0, f->length, 1 << 20);
    cr_assert_str_eq(f->log, "1:ERR_IO ");
    fake_group_stop(f);
}

Test(group_in, who_stalls_is_decoded_around_soon)
{
    struct fake_group *f = fake_group_start(EC_RS, 6, 3, CELL, 24 * CELL + 5);
    for (unsigned step = 0; step < 4; step++) {
        fake_group_heal(f);
        f->units[0].fault.stall_after = 100000;
        f->units[3].fault.hang = true;
        f->units[7].fault.stall_after = 0;
        int64_t began = clock_monotonic_ms();
        reads(f, 0, f->length, step % 2 == 0 ? 1 << 20 : 5000);
        cr_assert_lt(clock_monotonic_ms() - began, 2500);
        cr_assert_not_null(strstr(f->log, "0:ERR_TIMEOUT"), "%s", f->log);
        cr_assert_not_null(strstr(f->log, "3:ERR_TIMEOUT"), "%s", f->log);
        if (step >= 2) { /* the next reader of the file knows already */
            f->log[0] = '\0';
            began = clock_monotonic_ms();
            reads(f, 0, f->length, step % 2 == 0 ? 1 << 20 : 5000);
            cr_assert_lt(clock_monotonic_ms() - began, 190);
        }
    }
    fake_group_stop(f);
}

Test(group_in, who_is_late_but_comes_is_still_good)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 6 * CELL);
    for (unsigned i = 0; i < 5; i++)
        f->units[i].fault.delay_ms = 300 + (i > 2 ? 2000 : 0); /* parity isn't any faster */
    reads(f, 0, f->length, 1 << 20);
    cr_assert_str_eq(f->log, "");
    fake_group_stop(f);
}

Test(group_in, dead_nodes_are_used_when_there_is_no_other_way)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 6 * CELL);
    f->dead = 0x1f;
    reads(f, 0, f->length, 1 << 20);
    fake_group_heal(f);
    f->dead = 1;
    reads(f, 0, f->length, 1 << 20);
    cr_assert_eq(f->units[0].requests, 0, "a dead node was asked");
    fake_group_stop(f);
}

/* What is remembered of nodes may be wrong: the one that hangs is told from those that don't. */
Test(group_in, a_node_that_hangs_among_nodes_called_dead)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 12 * CELL);
    f->dead = 0xf;
    f->units[0].fault.hang = true;
    f->units[2].fault.hang = true;
    int64_t began = clock_monotonic_ms();
    reads(f, 0, f->length, 5000);
    cr_assert_lt(clock_monotonic_ms() - began, 1500);
    cr_assert_eq(f->dead, 5, "who has delivered is trusted again: %x", f->dead);
    fake_group_stop(f);
}

Test(group_in, one_too_many)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 6 * CELL);
    struct err err = {0};
    f->absent = 1;
    f->units[2].fault.error = true;
    f->units[4].fault.refuse = true;
    cr_assert_eq(fake_read(f, 0, f->length, 1 << 20, &err), ERR_BLOCK_MISSING);
    cr_assert_not_null(strstr(err.text, "2 of 5 units are left and 3 are needed; index 0: no node "
                                        "has it; index 2: 127.0.0.1:"),
                       "%s", err.text);
    cr_assert_not_null(strstr(err.text, "the disk is gone; index 4: 127.0.0.1:"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "Connection refused"), "%s", err.text);
    cr_assert_eq(fake_read(f, CELL, CELL + 1, 1, &err), 0, "what is left can be read");
    fake_group_heal(f);
    for (unsigned i = 0; i < 3; i++)
        f->units[i].fault.hang = true;
    int64_t began = clock_monotonic_ms();
    cr_assert_eq(fake_read(f, 0, f->length, 1 << 20, &err), ERR_BLOCK_MISSING);
    cr_assert_lt(clock_monotonic_ms() - began, 6500, "two time-outs at most");
    fake_group_stop(f);
}

Test(group_in, skipping_and_kept_connections)
{
    struct fake_group *f = fake_group_start(EC_RS, 3, 2, CELL, 30 * CELL);
    uint8_t data[1000];
    for (int round = 0; round < 3; round++) {
        struct group_in *g = fake_open(f, 0, f->length);
        uint64_t at = 0;
        while (at < f->length) {
            size_t n;
            struct err err = {0};
            cr_assert_eq(group_in_read(g, data, sizeof(data), &n, &err), 0, "%s", err.text);
            cr_assert(n > 0 && memcmp(data, f->data + at, n) == 0);
            at += n;
            group_in_skip(g, round == 2 ? CELL * 5 : 10 + at % 30000);
            at = group_in_position(g);
        }
        cr_assert_eq(at, f->length);
        group_in_close(g);
        fake_group_heal(f);
        f->units[1].fault.refuse = round == 1;
    }
    unsigned before = f->connection_count;
    fake_group_heal(f);
    reads(f, 0, f->length, 1 << 20);
    reads(f, 0, f->length, 1 << 20);
    cr_assert_leq(f->connection_count, before + 3);
    fake_group_stop(f);
}
