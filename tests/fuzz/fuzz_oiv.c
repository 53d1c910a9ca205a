// room: cli_tools
/* Any bytes as an image for the viewer: each processor shows it or says why not. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/tools/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int processor(struct image_file *f, const struct oiv_options *o, FILE *out,
                      struct err *err);

static void show(const char *path, processor *run)
{
    static const struct oiv_options options = {
        .max_size = 1 << 20, .step = 1 << 10, .delimiter = "\t", .storage_policy = true};
    struct image_file f;
    struct err err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    int rc = image_open(&f, path, &err);
    if (rc == 0)
        rc = run(&f, &options, out, &err);
    CHECK(rc == 0 || err.code != 0);
    CHECK(fclose(out) == 0);
    free(text);
    image_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("oiv", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    show(path, oiv_xml);
    show(path, oiv_delimited);
    show(path, oiv_distribution);
    close(fd);
    return 0;
}
