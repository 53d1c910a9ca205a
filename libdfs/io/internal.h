/* internal.h - shared by the files of libdfs/io only. */
#pragma once
#include <pthread.h>

#include "common/io/io.h"
#include "libdfs/io/io.h"

/* getBlockLocations into a fresh page. ERR_NOT_FOUND when there is no such file. */
must_use int fetch_page(struct io_env *env, const char *path, uint64_t offset, uint64_t length,
                        struct rd_page **ret, struct err *err);
/* Bytes of a block under construction that may be read; 0 when no node has it yet. */
must_use int open_block_length(struct io_env *env, const Hdfs__LocatedBlock *block, uint64_t *ret,
                               struct err *err);
