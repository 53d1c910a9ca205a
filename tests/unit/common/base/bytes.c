#include <criterion/criterion.h>

#include "common/base/base.h"

Test(reader, stays_bad_after_a_short_read)
{
    uint8_t data[] = {0x01, 0x02, 0x03};
    struct reader r = reader_of(data, sizeof(data));
    cr_assert_eq(read_u16(&r), 0x0102);
    cr_assert_eq(read_u32(&r), 0);
    cr_assert(r.bad);
    cr_assert_eq(read_u8(&r), 0);
}

Test(reader, varint_round_trip_and_overlong)
{
    uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        uint8_t out[10];
        size_t n = (size_t)(put_varint(out, values[i]) - out);
        cr_assert_eq(n, varint_size(values[i]));
        struct reader r = reader_of(out, n);
        cr_assert_eq(read_varint(&r), values[i]);
        cr_assert(!r.bad);
    }
    uint8_t endless[11] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct reader r = reader_of(endless, sizeof(endless));
    (void)read_varint(&r);
    cr_assert(r.bad);
}

Test(buf, keeps_bytes_in_order_while_sliding)
{
    struct buf b = {0};
    uint8_t next_in = 0, next_out = 0;
    struct rng rng = {3};
    for (int i = 0; i < 10000; i++) {
        size_t n = rng_below(&rng, 50);
        uint8_t *p = buf_reserve(&b, n);
        for (size_t k = 0; k < n; k++)
            p[k] = next_in++;
        buf_commit(&b, n);
        size_t m = rng_below(&rng, buf_size(&b) + 1);
        for (size_t k = 0; k < m; k++)
            cr_assert_eq(buf_head(&b)[k], next_out++);
        buf_consume(&b, m);
    }
    buf_fini(&b);
}

Test(utf8, refuses_what_java_would_not_write)
{
    cr_assert(utf8_valid(slice_of("/gr\xc3\xbc\xc3\x9f/\xf0\x9f\x98\x80")));
    cr_assert(!utf8_valid((struct slice){(const uint8_t *)"a\0b", 3}));
    cr_assert(!utf8_valid(slice_of("\xed\xa0\xbd")));
    cr_assert(!utf8_valid(slice_of("\xc0\xaf")));
    cr_assert(!utf8_valid(slice_of("\xe2\x82")));
}

Test(arena, limit_is_an_error_not_a_crash)
{
    struct arena a;
    arena_init(&a, 10000);
    cr_assert_not_null(arena_alloc(&a, 5000));
    cr_assert_null(arena_alloc(&a, 6000));
    arena_reset(&a);
    cr_assert_str_eq(arena_printf(&a, "%s-%d", "x", 5), "x-5");
    arena_fini(&a);
}

Test(err, remote_exception_keeps_its_class)
{
    struct err e = {0};
    cr_assert_eq(fail_remote(&e, "java.io.FileNotFoundException", "gone\n\tat x.y"), ERR_NOT_FOUND);
    cr_assert_str_eq(e.text, "gone");
    cr_assert_eq(fail_remote(&e, "com.acme.Odd", "x"), ERR_REMOTE);
    cr_assert_str_eq(err_class(&e), "com.acme.Odd");
    cr_assert_eq(err_errno(ERR_NOT_EMPTY), ENOTEMPTY);
}
