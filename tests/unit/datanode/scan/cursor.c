/* The cursor file, as Hadoop writes it, and broken ones. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "datanode/scan/internal.h"

static const char hadoops[] = "{\n  \"lastSavedMs\" : 1700000001000,\n"
                              "  \"iterStartMs\" : 1700000000000,\n"
                              "  \"curFinalizedDir\" : \"subdir0\",\n"
                              "  \"curFinalizedSubDir\" : \"subdir17\",\n"
                              "  \"curEntry\" : \"blk_-9223372036854775792\",\n"
                              "  \"atEnd\" : false\n}";

Test(cursor, there_and_back)
{
    struct cursor c;
    struct err err = {0};
    struct buf b = {0};
    cr_assert_eq(cursor_decode(hadoops, strlen(hadoops), &c, &err), 0, "%s", err.text);
    cr_assert_eq(c.started_ms, 1700000000000);
    cr_assert_str_eq(c.sub, "subdir17");
    cr_assert_str_eq(c.entry, "blk_-9223372036854775792");
    cr_assert(!c.at_end);
    cr_assert_eq(cursor_encode(&c, &b), 0);
    cr_assert_eq(buf_size(&b), strlen(hadoops));
    cr_assert_eq(memcmp(buf_head(&b), hadoops, strlen(hadoops)), 0);
    buf_fini(&b);
}

Test(cursor, nothing_yet)
{
    struct cursor c = {.saved_ms = 5, .started_ms = 4, .at_end = true}, back;
    struct buf b = {0};
    cr_assert_eq(cursor_encode(&c, &b), 0);
    cr_assert_eq(cursor_decode((const char *)buf_head(&b), buf_size(&b), &back, NULL), 0);
    cr_assert(back.at_end && back.dir[0] == '\0' && back.entry[0] == '\0' && back.saved_ms == 5);
    buf_fini(&b);
}

Test(cursor, every_prefix_is_refused)
{
    struct cursor c = {.saved_ms = 77};
    for (size_t n = 0; n < strlen(hadoops); n++) {
        char *text = malloc(n + 1); /* so that a read beyond is seen */
        memcpy(text, hadoops, n);
        cr_assert_eq(cursor_decode(text, n, &c, NULL), ERR_CORRUPT, "%zu", n);
        free(text);
    }
    cr_assert_eq(c.saved_ms, 77);
}

Test(cursor, what_else_is_refused)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"lastSavedMs\" : 1, \"other\" : 2}",
        "{\"lastSavedMs\" : -1}",
        "{\"lastSavedMs\" : 11111111111111111111}",
        "{\"curFinalizedDir\" : \"../../etc\"}",
        "{\"curFinalizedDir\" : \"etc\"}",
        "{\"curFinalizedSubDir\" : \"subdir1\"}",
        "{\"curEntry\" : \"blk_11111111111111111111111111111111111\"}",
        "{\"atEnd\" : maybe}",
        "{\"atEnd\" : true} x",
    };
    struct cursor c;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert_eq(cursor_decode(bad[i], strlen(bad[i]), &c, NULL), ERR_CORRUPT, "%s", bad[i]);
}

Test(figures, an_hour)
{
    struct volume_figures f = {0};
    figures_bytes(&f, 100, 0);
    figures_bytes(&f, 10, 59 * 60000);
    cr_assert_eq(figures_last_hour(&f, 59 * 60000 + 59999), 110);
    cr_assert_eq(figures_last_hour(&f, 60 * 60000), 10);
    cr_assert_eq(figures_last_hour(&f, 500 * 60000), 0);
}

Test(suspects, once_within_ten_minutes)
{
    struct suspects q;
    struct suspect s;
    struct block b = {7, 1001, 5}, other = {8, 1001, 5};
    cr_assert_eq(suspects_init(&q), 0);
    cr_assert(suspects_put(&q, NULL, &b, 1000));
    cr_assert(!suspects_put(&q, NULL, &b, 2000));
    cr_assert(suspects_put(&q, NULL, &other, 2000));
    cr_assert(suspects_take(&q, &s) && s.id == 7);
    cr_assert(!suspects_put(&q, NULL, &b, 500000));
    cr_assert(suspects_put(&q, NULL, &b, 700000));
    cr_assert(suspects_take(&q, &s) && s.id == 8);
    cr_assert(suspects_take(&q, &s) && s.id == 7);
    cr_assert(!suspects_take(&q, &s));
    suspects_fini(&q);
}

Test(suspects, bounded)
{
    struct suspects q;
    struct block b = {.gen_stamp = 1};
    cr_assert_eq(suspects_init(&q), 0);
    for (b.id = 0; b.id < MAX_SUSPECTS; b.id++)
        cr_assert(suspects_put(&q, NULL, &b, 0));
    cr_assert(!suspects_put(&q, NULL, &b, 0));
    suspects_fini(&q);
}
