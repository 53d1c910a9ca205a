/* The parity of unit vectors is the encoding matrix: it must be Hadoop's. */
#include <criterion/criterion.h>

#include "common/ec/ec.h"

static void rows_are(uint32_t id, const uint8_t *expected)
{
    const struct ec_policy *p = ec_policy_builtin(id);
    struct ec_coder *c = NULL;
    struct err err = {0};
    cr_assert_eq(ec_coder_new(p, &c, &err), 0, "%s", err.text);
    uint8_t zero = 0, one = 1, out[EC_MAX_UNITS];
    const uint8_t *data[EC_MAX_UNITS];
    uint8_t *parity[EC_MAX_UNITS];
    for (unsigned j = 0; j < p->data_units; j++) {
        for (unsigned i = 0; i < p->data_units; i++)
            data[i] = i == j ? &one : &zero;
        for (unsigned i = 0; i < p->parity_units; i++)
            parity[i] = &out[i];
        ec_encode(c, 1, data, parity);
        for (unsigned i = 0; i < p->parity_units; i++)
            cr_assert_eq(out[i], expected[i * p->data_units + j], "policy %u row %u column %u", id,
                         i, j);
    }
    ec_coder_free(c);
}

Test(ec, matrices_are_hadoops)
{
    rows_are(1, (uint8_t[]){0x7a, 0xba, 0x47, 0xa7, 0x8e, 0xf4, 0xba, 0x7a, 0xa7, 0x47, 0xf4, 0x8e,
                            0xad, 0x9d, 0xdd, 0x98, 0x3d, 0xaa});
    rows_are(2, (uint8_t[]){0xf4, 0x8e, 0x01, 0x47, 0xa7, 0x7a});
    rows_are(3, (uint8_t[]){0x08, 0x38, 0xd8, 0x3f, 0x04, 0xf5, 0x0e, 0x22, 0xba, 0xb0, 0x38, 0x7f,
                            0x07, 0x1b, 0x63, 0x8e, 0x3d, 0x8b});
    rows_are(4, (uint8_t[]){1, 1});
    rows_are(5, (uint8_t[]){0xdd, 0x98, 0xad, 0x9d, 0x5d, 0x96, 0x3d, 0xaa, 0x8e, 0xf4,
                            0x98, 0xdd, 0x9d, 0xad, 0x96, 0x5d, 0xaa, 0x3d, 0xf4, 0x8e,
                            0x3d, 0xaa, 0x5d, 0x96, 0xad, 0x9d, 0xdd, 0x98, 0x47, 0xa7,
                            0xaa, 0x3d, 0x96, 0x5d, 0x9d, 0xad, 0x98, 0xdd, 0xa7, 0x47});
}
