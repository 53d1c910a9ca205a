/* base.h - the words every room uses. Door of common/base. */
#pragma once
#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/err.h"
#include "common/base/pool.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Moves a pointer out, so that its cleanup attribute finds NULL. */
#define take_ptr(pp)                      \
    __extension__({                       \
        __typeof__(*(pp)) taken_ = *(pp); \
        *(pp) = NULL;                     \
        taken_;                           \
    })

/* Deterministic pseudo-random numbers for cores; the seed is passed in. */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Uniform in [0, bound), bound > 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}
