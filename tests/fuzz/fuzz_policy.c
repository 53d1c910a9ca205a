// room: cli_ec
/* fuzz_policy.c - a file of erasure coding policies from anywhere: an error, or policies that have
 * a name, a codec, units and a cell. */
#include <stdlib.h>

#include "cli/ec/ec.h"
#include "common/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dfs_ec_policies all = {0};
    struct err err = {0};
    int rc = policy_file_parse("fuzz.xml", data, size, &all, &err);
    CHECK(rc == 0 || err.text[0] != '\0');
    CHECK(rc == 0 || all.count == 0);
    for (size_t i = 0; i < all.count; i++) {
        const struct dfs_ec_policy *p = &all.items[i];
        CHECK(p->name[0] != '\0' && p->codec[0] != '\0');
        CHECK(p->data_units > 0 && p->parity_units > 0);
        CHECK(p->cell_size > 0 && p->cell_size % 1024 == 0);
    }
    dfs_ec_policies_free(&all);
    return 0;
}
