/* internal.h - what the readers of this room share. */
#pragma once
#include "cli/unpack/unpack.h"
#include "common/base/base.h"

enum { CHUNK = 1 << 16 };
#define ITEM_MAX ((size_t)1 << 29) /* bytes of one key, value or packed part of a block */

/* The next `left` bytes of another source; its end before that is an error. */
struct source_limit {
    struct source source, *from;
    uint64_t left;
};
struct source_limit source_limit(struct source *from, uint64_t size);

/* Exactly `size` bytes. */
must_use int source_get(struct source *from, void *data, size_t size, struct err *err);
/* The same, behind what is in *b; memory grows as bytes come. */
must_use int source_append(struct source *from, uint64_t size, struct buf *b, struct err *err);
/* False: at the end. */
must_use int source_get_or_end(struct source *from, void *data, size_t size, bool *ret_more,
                               struct err *err);
must_use int source_skip(struct source *from, uint64_t size, struct err *err);
must_use int source_u32(struct source *from, uint32_t *ret, struct err *err);
/* Hadoop's integers of 1 to 9 bytes. */
must_use int source_vlong(struct source *from, int64_t *ret, struct err *err);
must_use int source_vint(struct source *from, int32_t *ret, struct err *err);
/* A length: a vint that must not be negative. */
must_use int source_length(struct source *from, uint32_t *ret, struct err *err);

/* How a class is shown. */
struct writable;
/* NULL: not known. */
const struct writable *writable_find(const char *java_class);
/* Reads one object and appends its text. */
must_use int writable_text(const struct writable *w, struct source *from, struct buf *text,
                           struct err *err);
/* Bytes as Java decodes UTF-8: what is malformed becomes U+FFFD. */
must_use int append_decoded(struct buf *text, const uint8_t *bytes, size_t size, struct err *err);
