/* ec.c - what common/ec adds to ISA-L: GB/s of data coded through our door and by ISA-L's kernels
 * alone, in turns, on the same buffers. One line each of: policy, bytes of a unit, encode or decode
 * (m data units lost). Usage: bench_ec [seconds a figure] */
#include <inttypes.h>
#include <isa-l.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ec/ec.h"
#include "common/io/io.h"

enum { ROUNDS = 10, MAX_TABLES = EC_MAX_UNITS * EC_MAX_UNITS * 32 };

struct bench {
    const struct ec_policy *policy;
    size_t size; /* of a unit */
    uint8_t *units[EC_MAX_UNITS];
    struct ec_coder *coder;
    struct ec_decoder *decoder;
    uint8_t encode_tables[MAX_TABLES], decode_tables[MAX_TABLES];
    unsigned char *live[EC_MAX_UNITS];
};

/* ISA-L's own tables for the same work: k + m rows of Cauchy's matrix, the first m units lost. */
static void plain_tables(struct bench *b)
{
    int k = b->policy->data_units, m = b->policy->parity_units;
    uint8_t all[EC_MAX_UNITS * EC_MAX_UNITS], live[EC_MAX_UNITS * EC_MAX_UNITS],
        inverse[EC_MAX_UNITS * EC_MAX_UNITS];
    gf_gen_cauchy1_matrix(all, k + m, k);
    ec_init_tables(k, m, all + k * k, b->encode_tables);
    memcpy(live, all + m * k, (size_t)(k * k)); /* rows m..k+m-1 */
    CHECK(gf_invert_matrix(live, inverse, k) == 0);
    ec_init_tables(k, m, inverse, b->decode_tables);
    for (int i = 0; i < k; i++)
        b->live[i] = b->units[m + i];
}

static void setup(struct bench *b, uint32_t policy, size_t size)
{
    struct err err = {0};
    struct rng rng = {1};
    *b = (struct bench){.policy = ec_policy_builtin(policy), .size = size};
    for (unsigned i = 0; i < ec_units(b->policy); i++) {
        b->units[i] = aligned_alloc(64, size);
        CHECK(b->units[i] != NULL);
        for (size_t at = 0; at < size; at++)
            b->units[i][at] = (uint8_t)rng_next(&rng);
    }
    uint32_t lost = (UINT32_C(1) << b->policy->parity_units) - 1;
    uint32_t every = (UINT32_C(1) << ec_units(b->policy)) - 1;
    CHECK(ec_coder_new(b->policy, &b->coder, &err) == 0);
    CHECK(ec_decoder_new(b->coder, every & ~lost, lost, &b->decoder, &err) == 0);
    plain_tables(b);
}

static void teardown(struct bench *b)
{
    ec_decoder_free(b->decoder);
    ec_coder_free(b->coder);
    for (unsigned i = 0; i < ec_units(b->policy); i++)
        free(b->units[i]);
}

static void ours_encode(struct bench *b)
{
    ec_encode(b->coder, b->size, (const uint8_t *const *)b->units,
              b->units + b->policy->data_units);
}

static void plain_encode(struct bench *b)
{
    ec_encode_data((int)b->size, b->policy->data_units, b->policy->parity_units, b->encode_tables,
                   b->units, b->units + b->policy->data_units);
}

static void ours_decode(struct bench *b)
{
    ec_decode(b->decoder, b->size, b->units);
}

static void plain_decode(struct bench *b)
{
    ec_encode_data((int)b->size, b->policy->data_units, b->policy->parity_units, b->decode_tables,
                   b->live, b->units);
}

/* Nanoseconds of a call, over at least `ns`. */
static double cost(struct bench *b, void (*run)(struct bench *), int64_t ns)
{
    int64_t begin = clock_monotonic_ns(), now = begin, calls = 0;
    while (now - begin < ns) {
        for (int i = 0; i < 4; i++)
            run(b);
        calls += 4;
        now = clock_monotonic_ns();
    }
    return (double)(now - begin) / (double)calls;
}

/* The quickest of some rounds in turns: other work on the machine only ever adds. */
static void compare(struct bench *b, const char *what, void (*ours)(struct bench *),
                    void (*plain)(struct bench *), double seconds)
{
    int64_t ns = (int64_t)(seconds * 1e9 / ROUNDS);
    double best_ours = 1e18, best_plain = 1e18;
    for (int i = 0; i < ROUNDS; i++) {
        double a = cost(b, ours, ns), c = cost(b, plain, ns);
        best_ours = a < best_ours ? a : best_ours;
        best_plain = c < best_plain ? c : best_plain;
    }
    double bytes = (double)b->size * b->policy->data_units;
    printf("RS-%u-%u %7zu %s: ours %6.2f GB/s, ISA-L %6.2f GB/s, ratio %.2f\n",
           b->policy->data_units, b->policy->parity_units, b->size, what, bytes / best_ours,
           bytes / best_plain, best_plain / best_ours);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    const uint32_t policies[] = {1, 5};
    const size_t sizes[] = {4096, 16384, 32768, 65536, 262144, 1048576};
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
            struct bench b;
            setup(&b, policies[i], sizes[j]);
            compare(&b, "encode", ours_encode, plain_encode, seconds);
            compare(&b, "decode", ours_decode, plain_decode, seconds);
            teardown(&b);
        }
    return 0;
}
