/* coder.c - the codecs, as matrices over GF(2^8) (polynomial 0x11d) for ISA-L's kernels.
 * Thread: any; coders and decoders never change once made.
 * Invariants: (1) the encoding matrix is k + m rows of k: the identity, then a row a parity unit;
 * (2) any k rows of it can be inverted, so any k units give all. Both Cauchy's matrix and the
 * cyclic code of rs-legacy have this property, and a row of ones for a single parity unit. */
#include <isa-l.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ec/ec.h"

enum {
    TABLE = 32, /* bytes that ISA-L expands a coefficient to */
    MAX_CELLS = EC_MAX_UNITS * EC_MAX_UNITS,
    MAX_PIECE = 1 << 30, /* ISA-L's lengths are ints */
};

/* Rows of coefficients, ready for the kernels. */
struct product {
    unsigned inputs, outputs;
    uint8_t tables[MAX_CELLS * TABLE];
};

struct ec_coder {
    struct ec_policy policy;
    uint8_t matrix[MAX_CELLS];
    struct product encode;
};

struct ec_decoder {
    uint8_t from[EC_MAX_UNITS], to[EC_MAX_UNITS];
    struct product product;
};

/* ---- matrices ---- */

/* Row of unit k + i, column of data j: 1 / ((k + i) xor j). */
static void cauchy_rows(const struct ec_policy *p, uint8_t *rows)
{
    for (unsigned i = 0; i < p->parity_units; i++)
        for (unsigned j = 0; j < p->data_units; j++)
            *rows++ = gf_inv((unsigned char)((p->data_units + i) ^ j));
}

/* The product of (x + 2^i) for i in 0..m-1, without its leading 1; [0] is the constant term. */
static void legacy_generator(unsigned m, uint8_t *generator)
{
    uint8_t root = 1;
    memset(generator, 0, m);
    for (unsigned degree = 0; degree < m; degree++, root = gf_mul(root, 2)) {
        uint8_t lead = 1; /* of the product so far; its term moves up to x^(degree + 1) */
        for (unsigned i = degree; i > 0; i--) {
            uint8_t above = i == degree ? lead : generator[i];
            generator[i] = (uint8_t)(generator[i - 1] ^ gf_mul(root, above));
        }
        generator[0] = gf_mul(root, degree == 0 ? lead : generator[0]);
    }
}

/* The data are the coefficients of x^m and up, parity is the remainder when divided by the
 * generator. So column j is the remainder of x^(m + j), and each next one is the last times x. */
static void legacy_rows(const struct ec_policy *p, uint8_t *rows)
{
    unsigned k = p->data_units, m = p->parity_units;
    uint8_t generator[EC_MAX_UNITS], column[EC_MAX_UNITS];
    legacy_generator(m, generator);
    memcpy(column, generator, m); /* x^m = the rest of the generator, as -1 is 1 */
    for (unsigned j = 0; j < k; j++) {
        for (unsigned i = 0; i < m; i++)
            rows[i * k + j] = column[i];
        uint8_t top = column[m - 1];
        for (unsigned i = m - 1; i > 0; i--)
            column[i] = (uint8_t)(column[i - 1] ^ gf_mul(top, generator[i]));
        column[0] = gf_mul(top, generator[0]);
    }
}

static void fill_matrix(const struct ec_policy *p, uint8_t *matrix)
{
    unsigned k = p->data_units;
    memset(matrix, 0, MAX_CELLS);
    for (unsigned i = 0; i < k; i++)
        matrix[i * k + i] = 1; /* keeps (1) */
    uint8_t *rows = matrix + k * k;
    switch (p->codec) {
    case EC_RS:
        cauchy_rows(p, rows);
        break;
    case EC_RS_LEGACY:
        legacy_rows(p, rows);
        break;
    case EC_XOR:
    case EC_CODEC_NONE:
        CHECK(p->codec == EC_XOR && p->parity_units == 1);
        memset(rows, 1, k);
    }
}

/* ---- products ---- */

static void product_set(struct product *x, unsigned inputs, unsigned outputs, uint8_t *rows)
{
    x->inputs = inputs;
    x->outputs = outputs;
    ec_init_tables((int)inputs, (int)outputs, rows, x->tables);
}

/* Leaves out the inputs that are NULL. Returns how many are left; their tables are in `tables`. */
static unsigned without_zeros(const struct product *x, const uint8_t *const in[], uint8_t *tables,
                              unsigned char **ret_in)
{
    unsigned count = 0;
    for (unsigned j = 0; j < x->inputs; j++)
        count += in[j] != NULL;
    unsigned n = 0;
    for (unsigned j = 0; j < x->inputs; j++) {
        if (in[j] == NULL)
            continue;
        for (unsigned i = 0; i < x->outputs; i++)
            memcpy(tables + (i * count + n) * TABLE, x->tables + (i * x->inputs + j) * TABLE,
                   TABLE);
        ret_in[n++] = (unsigned char *)in[j]; /* ISA-L's data parameter lacks its const */
    }
    return count;
}

static void run(const uint8_t *tables, unsigned inputs, unsigned outputs, size_t size,
                unsigned char **in, unsigned char **out)
{
    while (size > 0) {
        size_t piece = size < MAX_PIECE ? size : MAX_PIECE;
        ec_encode_data((int)piece, (int)inputs, (int)outputs, (unsigned char *)tables, in, out);
        size -= piece;
        for (unsigned i = 0; i < inputs && size > 0; i++)
            in[i] += piece;
        for (unsigned i = 0; i < outputs && size > 0; i++)
            out[i] += piece;
    }
}

static void product_run(const struct product *x, size_t size, const uint8_t *const in[],
                        uint8_t *const out[])
{
    unsigned char *from[EC_MAX_UNITS], *to[EC_MAX_UNITS];
    unsigned zeros = 0;
    for (unsigned j = 0; j < x->inputs; j++) {
        zeros += in[j] == NULL;
        from[j] = (unsigned char *)in[j]; /* as above */
    }
    for (unsigned i = 0; i < x->outputs; i++)
        to[i] = out[i];
    if (zeros == 0) {
        run(x->tables, x->inputs, x->outputs, size, from, to);
    } else if (zeros == x->inputs) {
        for (unsigned i = 0; i < x->outputs; i++)
            memset(out[i], 0, size);
    } else {
        uint8_t tables[MAX_CELLS * TABLE];
        unsigned inputs = without_zeros(x, in, tables, from);
        run(tables, inputs, x->outputs, size, from, to);
    }
}

/* ---- the door ---- */

int ec_coder_new(const struct ec_policy *p, struct ec_coder **ret, struct err *err)
{
    TRY(ec_policy_check(p, err));
    struct ec_coder *c = malloc(sizeof(*c));
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->policy = *p;
    fill_matrix(p, c->matrix);
    product_set(&c->encode, p->data_units, p->parity_units,
                c->matrix + p->data_units * p->data_units);
    *ret = c;
    return 0;
}

void ec_coder_free(struct ec_coder *c)
{
    free(c);
}

void ec_encode(const struct ec_coder *c, size_t size, const uint8_t *const data[],
               uint8_t *const parity[])
{
    product_run(&c->encode, size, data, parity);
}

/* Notes the k lowest units of `have`; how many there are. */
static unsigned choose(const struct ec_policy *p, uint32_t have, uint8_t *from)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ec_units(p) && n < p->data_units; i++)
        if ((have >> i & 1) != 0)
            from[n++] = (uint8_t)i;
    return n;
}

static int missing(const struct ec_policy *p, uint32_t have, unsigned count, struct err *err)
{
    char list[EC_MAX_UNITS * 4 + 1] = "";
    size_t used = 0;
    for (unsigned i = 0; i < ec_units(p); i++)
        if ((have >> i & 1) == 0)
            used += (size_t)snprintf(list + used, sizeof(list) - used, " %u", i);
    return fail(err, ERR_BLOCK_MISSING, "%u of the %u units needed are there; missing:%s", count,
                p->data_units, list);
}

/* row = the encoding row of `unit` times the inverse: how the unit comes from the inputs. */
static void wanted_row(const struct ec_coder *c, const uint8_t *inverse, unsigned unit,
                       uint8_t *row)
{
    unsigned k = c->policy.data_units;
    const uint8_t *encoding = c->matrix + unit * k;
    for (unsigned j = 0; j < k; j++) {
        row[j] = 0;
        for (unsigned i = 0; i < k; i++)
            row[j] ^= gf_mul(encoding[i], inverse[i * k + j]);
    }
}

int ec_decoder_new(const struct ec_coder *c, uint32_t have, uint32_t want, struct ec_decoder **ret,
                   struct err *err)
{
    const struct ec_policy *p = &c->policy;
    unsigned k = p->data_units;
    uint8_t from[EC_MAX_UNITS];
    CHECK((have & want) == 0);
    CHECK(want >> ec_units(p) == 0);
    unsigned count = choose(p, have, from);
    if (count < k)
        return missing(p, have, count, err);
    struct ec_decoder *d = malloc(sizeof(*d));
    if (d == NULL)
        return ERR_NO_MEMORY;
    uint8_t live[MAX_CELLS], inverse[MAX_CELLS], rows[MAX_CELLS];
    for (unsigned i = 0; i < k; i++)
        memcpy(live + i * k, c->matrix + from[i] * k, k);
    int singular = gf_invert_matrix(live, inverse, (int)k);
    CHECK(singular == 0); /* by (2) */
    unsigned n = 0;
    for (unsigned i = 0; i < ec_units(p); i++) {
        if ((want >> i & 1) == 0)
            continue;
        wanted_row(c, inverse, i, rows + n * k);
        d->to[n++] = (uint8_t)i;
    }
    memcpy(d->from, from, k);
    product_set(&d->product, k, n, rows);
    *ret = d;
    return 0;
}

void ec_decoder_free(struct ec_decoder *d)
{
    free(d);
}

uint32_t ec_decoder_inputs(const struct ec_decoder *d)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < d->product.inputs; i++)
        bits |= UINT32_C(1) << d->from[i];
    return bits;
}

void ec_decode(const struct ec_decoder *d, size_t size, uint8_t *const units[EC_MAX_UNITS])
{
    const uint8_t *in[EC_MAX_UNITS];
    uint8_t *out[EC_MAX_UNITS];
    for (unsigned i = 0; i < d->product.inputs; i++)
        in[i] = units[d->from[i]];
    for (unsigned i = 0; i < d->product.outputs; i++)
        out[i] = units[d->to[i]];
    product_run(&d->product, size, in, out);
}
