/* unpack.h - packed files and sequence files as plain text. Door of cli/unpack.
 * Bytes are from outside: whatever they are, the answer is text or an error. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "cli/text/text.h"

/* Where bytes come from; embedded in its kind. *ret_read 0: the end. */
struct source {
    int (*read)(struct source *s, void *data, size_t size, size_t *ret_read, struct err *err);
};
struct source_memory {
    struct source source;
    const uint8_t *data;
    size_t left;
};
struct source_memory source_memory(const void *data, size_t size);

enum codec {
    CODEC_NONE,
    CODEC_ZLIB,
    CODEC_GZIP,
    CODEC_BZIP2,
    CODEC_UNKNOWN, /* Hadoop has it, this program hasn't */
};
/* By the end of a file's name. */
enum codec codec_of_name(const char *name);
/* By the Java class that a sequence file names. */
enum codec codec_of_class(const char *java_class);

/* A source of the unpacked bytes of `from`, which is borrowed. */
struct unpacked;
must_use int unpacked_new(enum codec codec, struct source *from, struct unpacked **ret,
                          struct err *err);
struct source *unpacked_source(struct unpacked *u);
void unpacked_free(struct unpacked *u);

/* Writes all that comes. */
must_use int source_copy(struct source *from, FILE *out, struct err *err);
/* Writes the records of a sequence file, a line each: key, tab, value. */
must_use int sequence_show(struct source *from, FILE *out, struct err *err);
