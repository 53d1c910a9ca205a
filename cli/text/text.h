/* text.h - words on the command line, in and out. Door of cli/text.
 * Everything here is pure but the allocation words, which end the process with a message when
 * memory is out: a command has nothing better to do then. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/base/err.h"

void *text_alloc(size_t size); /* zeroed */
void *text_grow(void *old, size_t size);
char *text_dup(const char *text);
char *text_ndup(const char *text, size_t size);
char *text_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void text_free(void *pointer);
/* The order in which a Java HashMap with these keys hands them out, as indexes; for text_free. */
size_t *text_java_order(const char *const *keys, size_t count);
/* For `text_free` by the end of the scope. */
void text_free_at(char **pointer);
#define auto_text __attribute__((cleanup(text_free_at))) char *

/* Printed width as Hadoop counts it: UTF-16 units. */
size_t text_width(const char *utf8);
/* A copy with ? for characters that can't be shown (control, format, private, unassigned planes).
 */
char *text_printable(const char *utf8);

enum { TEXT_SIZE = 32 };
/* "1.5 K", "24 K", "0"; unit is appended ("B" gives "1.50 KB"). Ties round up, as Hadoop's do. */
const char *text_prefixed(int64_t n, const char *unit, unsigned decimals, char out[TEXT_SIZE]);
/* Plain digits, or text_prefixed(n, "", 1) when human. */
const char *text_size(int64_t n, bool human, char out[TEXT_SIZE]);
/* part / whole in percent, "NaN%" for 0 / 0. */
const char *text_percent(double part, double whole, unsigned decimals, char out[TEXT_SIZE]);
/* "rwxr-xr-t" */
const char *text_permission(uint32_t mode, char out[10]);
/* strftime of milliseconds since 1970, local time or UTC. */
const char *text_time(int64_t ms, const char *format, bool utc, char out[TEXT_SIZE]);

/* Rows of columns, printed as wide as needed with two blanks between. */
struct table {
    char ***rows;
    size_t columns, count, capacity;
    unsigned right; /* bit per column: aligned to the right */
};
void table_init(struct table *t, size_t columns, unsigned right);
void table_fini(struct table *t);
void table_add(struct table *t, const char *const *cells);
void table_print(const struct table *t, FILE *out);

/* chmod's first argument. */
struct mode_change {
    char type[4];    /* '+', '-' or '=' for user, group, others, sticky */
    uint8_t bits[4]; /* r 4, w 2, x 1, X 8 */
};
/* False: not a mode. */
bool mode_parse(const char *text, struct mode_change *ret);
uint32_t mode_apply(const struct mode_change *change, uint32_t mode, bool is_directory);
/* yyyyMMdd:HHmmss in local time. */
bool timestamp_parse(const char *text, int64_t *ret_ms);
