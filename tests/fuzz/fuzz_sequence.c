// room: cli_unpack
/* fuzz_sequence.c - a sequence file as `dfs text` shows it, and the same bytes as packed ones. */
#include "cli/unpack/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(enum codec codec, const uint8_t *data, size_t size, FILE *out)
{
    struct source_memory from = source_memory(data, size);
    struct err err = {0};
    struct unpacked *u;
    CHECK(unpacked_new(codec, &from.source, &u, &err) == 0);
    struct source_limit some = source_limit(unpacked_source(u), 1 << 20);
    if (source_copy(&some.source, out, &err) != 0)
        CHECK(err.text[0] != '\0');
    unpacked_free(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *out;
    if (out == NULL && (out = fopen("/dev/null", "w")) == NULL)
        return 0;
    struct source_memory from = source_memory(data, size);
    struct err err = {0};
    if (sequence_show(&from.source, out, &err) != 0)
        CHECK(err.text[0] != '\0');
    if (size > 2 && data[0] != 'S') {
        unpack(CODEC_GZIP, data, size, out);
        unpack(CODEC_ZLIB, data, size, out);
        unpack(CODEC_BZIP2, data, size, out);
    }
    return 0;
}
