// room: common_conf
/* fuzz_conf.c - a configuration file from anywhere: an error or a configuration whose keys all have
 * a value. */
#include <stdlib.h>

#include "common/base/base.h"
#include "common/conf/conf.h"
#include "common/obs/obs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_set_level(LOG_ERROR);
    struct conf *c = conf_new();
    struct err err = {0};
    if (c == NULL)
        return 0;
    int rc = conf_add_text(c, "fuzz.xml", data, size, &err);
    CHECK(rc == 0 || err.text[0] != '\0');
    if (rc == 0)
        rc = conf_finish(c, &err);
    CHECK(rc == 0 || err.text[0] != '\0');
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        CHECK(conf_str(c, (enum conf_key)key) != NULL);
    CHECK(conf_int(c, CONF_replication) >= 1);
    conf_free(c);
    return 0;
}
