// room: namenode_hosts
/* fuzz_hosts.c - lists of hosts from anywhere, by the first byte as text or as JSON: an error with
 * a text, or lists that answer. */
#include <stdlib.h>

#include "namenode/hosts/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct hosts *h = hosts_new();
    if (h == NULL || size == 0) {
        hosts_free(h);
        return 0;
    }
    struct slice text = {data + 1, size - 1};
    int rc = data[0] == 'j' ? hosts_add_json(h, text, "f", &err)
                            : hosts_add_text(h, text, "f", data[0] == 'x', &err);
    CHECK(rc == 0 || err.text[0] != '\0');
    for (size_t i = 0; i < hosts_count(h); i++)
        CHECK(hosts_add_address(h, i, hosts_name(h, i)) == 0);
    CHECK(hosts_seal(h) == 0);
    for (size_t i = 0; i < hosts_count(h); i++) {
        struct host_entry e = hosts_entry(h, i);
        struct host_wish w = hosts_wish(h, e.name, e.port != 0 ? e.port : 1);
        CHECK(w.included || !e.included);
    }
    hosts_free(h);
    return 0;
}
