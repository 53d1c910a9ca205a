/* internal.h - what the files of datanode/volume share. */
#pragma once
#include "datanode/volume/volume.h"

/* version.c */
must_use int version_need(const struct properties *p, const char *path, const char *name,
                          const char **ret, struct err *err);
must_use int version_check_layout(const struct properties *p, const char *path, struct err *err);
must_use int version_write(const char *path, const char *const pairs[][2], size_t count,
                           struct err *err);

/* watch.c */
must_use int watch_start(struct volume *v, struct err *err);
bool watch_stop(struct volume *v); /* false: it hangs */
/* Makes, writes, syncs and removes a file. Waits for the disk. */
must_use int watch_probe(const struct volume *v, struct err *err);
