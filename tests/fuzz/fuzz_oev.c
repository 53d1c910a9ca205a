// room: cli_tools
/* Any bytes as the XML of an edit log. What is taken must be shown as XML that is taken again, and
 * as the same records. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/tools/internal.h"
#include "namenode/journal/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct shown {
    struct xml xml;
    size_t records;
};

static int take_version(void *ctx, int version, struct err *err)
{
    (void)ctx;
    (void)version;
    (void)err;
    return 0;
}

static int take_record(void *ctx, struct edit *e, struct err *err)
{
    struct shown *s = ctx;
    (void)err;
    oev_put_record(&s->xml, e);
    s->records++;
    return 0;
}

/* The records of `data`, shown again in *ret; false: refused. */
static bool show(const void *data, size_t size, char **ret, size_t *ret_size, size_t *records)
{
    char path[64];
    struct err err = {0};
    struct shown s = {0};
    struct xml_input_events events = {&s, take_version, take_record};
    int fd = memfd_create("oev", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    s.xml.out = open_memstream(ret, ret_size);
    CHECK(s.xml.out != NULL);
    xml_open(&s.xml, "EDITS");
    xml_number(&s.xml, "EDITS_VERSION", -67);
    int rc = oev_parse(path, &events, &err);
    xml_close(&s.xml, "EDITS");
    CHECK(fclose(s.xml.out) == 0);
    close(fd);
    *records = s.records;
    CHECK(rc == 0 || err.code != 0);
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0, records = 0, again = 0;
    if (show(data, size, &first, &first_size, &records)) {
        CHECK(show(first, first_size, &second, &second_size, &again));
        CHECK(again == records);
        CHECK(first_size == second_size && memcmp(first, second, first_size) == 0);
    }
    free(first);
    free(second);
    return 0;
}
