/* internal.h - what the files of tools/ share. */
#pragma once
#include <inttypes.h>
#include <stdio.h>

#include "common/base/base.h"

struct edit;

enum { EXIT_BAD = 255 };

/* ---- output: oev_xml.c ---- */

/* A tree of elements, indented, as Java's serializer writes it. */
struct xml {
    FILE *out, *copy; /* copy: the screen, or NULL */
    int depth;
    bool bad; /* a write failed */
};
void xml_raw(struct xml *x, const char *text);
void xml_open(struct xml *x, const char *tag);
void xml_close(struct xml *x, const char *tag);
void xml_text(struct xml *x, const char *tag, struct slice text);
void xml_number(struct xml *x, const char *tag, int64_t value);
/* One <RECORD>. */
void oev_put_record(struct xml *x, const struct edit *e);
/* "ADD": Hadoop's name behind "OP_"; NULL: no such code. */
const char *oev_name(int code);
int oev_code(const char *name); /* -1 */

/* The code point at *at, which moves on; U+FFFD for what isn't UTF-8. */
uint32_t text_next(struct slice s, size_t *at);
/* One code point as Hadoop's XML has it: characters that XML can't hold become \hhhh; */
bool text_is_mangled(uint32_t cp);
void text_put_utf8(FILE *out, uint32_t cp);

/* ---- input: oev_parse.c ---- */

struct xml_input_events {
    void *ctx;
    int (*version)(void *ctx, int version, struct err *err);
    int (*record)(void *ctx, struct edit *e, struct err *err); /* memory until it returns */
};
/* Reads the XML that oev writes; memory for one record at a time. */
must_use int oev_parse(const char *path, const struct xml_input_events *events, struct err *err);

/* ---- images: image_file.c ---- */

struct image_section {
    const char *name;
    uint64_t offset, length;
    int order; /* Hadoop's */
};
enum { IMAGE_SECTIONS_MAX = 4096 };
struct string_of_id {
    uint32_t id; /* with the kind in the highest bits */
    const char *text;
};
struct image_file {
    const uint8_t *data;
    size_t size;
    struct arena names; /* sections and strings live here */
    int32_t layout_version;
    uint32_t ondisk_version;
    bool compressed;
    struct image_section *sections; /* in Hadoop's order of loading */
    size_t section_count;
    struct string_of_id *strings; /* by id */
    size_t string_count;
    unsigned kind_bits;
};
enum { KIND_USER = 1, KIND_GROUP = 2, KIND_XATTR = 3 };
must_use int image_open(struct image_file *f, const char *path, struct err *err);
void image_close(struct image_file *f);
const struct image_section *image_section(const struct image_file *f, const char *name);
/* "null" when there is none, as Java prints it. */
const char *image_string_of(const struct image_file *f, unsigned kind, uint32_t id);

/* Delimited records of one section; memory for one record. */
struct records {
    const struct image_file *file;
    const struct image_section *section;
    struct reader in; /* plain: the section; compressed: what is inflated and not yet read */
    struct buf inflated;
    void *inflater; /* z_stream, NULL when plain */
    bool ended;     /* nothing more to inflate */
    struct arena arena;
};
must_use int records_open(struct records *r, const struct image_file *f,
                          const struct image_section *s, struct err *err);
/* False at the end; the bytes hold until the next call, r->arena is reset. */
must_use int records_next(struct records *r, struct slice *ret, bool *ret_one, struct err *err);
void records_close(struct records *r);
/* "malformed record in section X" */
must_use int records_bad(const struct records *r, struct err *err);

/* ---- the processors of oiv ---- */

struct oiv_options {
    int64_t max_size, step;
    bool format, storage_policy, ec_policy;
    const char *delimiter;
};
must_use int oiv_xml(struct image_file *f, const struct oiv_options *o, FILE *out, struct err *err);
must_use int oiv_delimited(struct image_file *f, const struct oiv_options *o, FILE *out,
                           struct err *err);
must_use int oiv_distribution(struct image_file *f, const struct oiv_options *o, FILE *out,
                              struct err *err);
