/* internal.h - what the files of cli/fsck share. */
#pragma once
#include "cli/fsck/fsck.h"

/* Calls `line` for each line of a page, without its end; false ends it. The last one need not be
 * ended by a line feed. */
must_use int get_lines(const struct conf *conf, const char *url,
                       bool (*line)(void *ctx, const char *text), void *ctx, struct err *err);
char *get_escaped(const char *text); /* for a query; for text_free */
