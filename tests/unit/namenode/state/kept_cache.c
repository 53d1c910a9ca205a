/* kept_cache.c - pools and directives stay sorted, whatever order they come in. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "namenode/state/state.h"

enum { MANY = 8000 };

static void put_pool(struct kept *k, unsigned i)
{
    char name[16];
    snprintf(name, sizeof(name), "p%05u", i);
    cr_assert_eq(kept_put_cache_pool(k, &(struct kept_cache_pool){.name = name, .limit = i}), 0);
}

static void put_directive(struct kept *k, unsigned i, const char *pool)
{
    struct kept_directive d = {.id = i, .path = "/", .pool = pool};
    cr_assert_eq(kept_put_directive(k, &d), 0);
}

Test(kept_cache, sorted_and_found_in_no_time, .timeout = 30)
{
    struct kept *k;
    cr_assert_eq(kept_new(&k), 0);
    for (unsigned i = 0; i < MANY; i++) {
        put_pool(k, i * 7919 % MANY); /* each once */
        put_directive(k, i * 7919 % MANY, i % 2 == 0 ? "p00000" : "p00001");
    }
    put_pool(k, 5);
    put_directive(k, 5, "p00001");
    cr_assert_eq(k->cache_pool_count, MANY);
    cr_assert_eq(k->directive_count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(k->cache_pools[i].limit, i);
        cr_assert_eq(k->directives[i].id, i);
    }
    cr_assert_eq(kept_find_cache_pool(k, "p07999")->limit, 7999);
    cr_assert_null(kept_find_cache_pool(k, "p08000"));
    cr_assert_null(kept_find_directive(k, MANY));
    kept_drop_directive(k, 7);
    cr_assert_null(kept_find_directive(k, 7));
    cr_assert_eq(kept_find_directive(k, 8)->id, 8);
    kept_drop_cache_pool(k, "p00001"); /* with its directives */
    cr_assert_null(kept_find_cache_pool(k, "p00001"));
    for (uint32_t i = 0; i < k->directive_count; i++)
        cr_assert_str_eq(k->directives[i].pool, "p00000");
    cr_assert_gt(k->directive_count, MANY / 2 - 3);
    kept_free(k);
}
