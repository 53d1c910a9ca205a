#include <criterion/criterion.h>

#include "common/base/base.h"

struct record {
    uint64_t id;
};

static uint64_t id_of(const void *owner, handle_t h)
{
    return ((const struct record *)pool_at(owner, h))->id;
}

Test(map, finds_what_a_long_random_history_left)
{
    struct pool pool;
    struct idmap map;
    pool_init(&pool, sizeof(struct record));
    idmap_init(&map, id_of, &pool);
    struct rng rng = {7};
    enum { IDS = 3000 };
    static handle_t expected[IDS];
    for (int step = 0; step < 200000; step++) {
        uint64_t id = rng_below(&rng, IDS);
        cr_assert_eq(idmap_find(&map, id), expected[id]);
        if (expected[id] == 0) {
            handle_t h = pool_take(&pool);
            ((struct record *)pool_at(&pool, h))->id = id;
            cr_assert_eq(idmap_put(&map, id, h), 0);
            expected[id] = h;
        } else {
            idmap_remove(&map, id);
            pool_give(&pool, expected[id]);
            expected[id] = 0;
        }
    }
    cr_assert_eq(map.used, pool.live);
    idmap_fini(&map);
    pool_fini(&pool);
}
