/* output.h - a file open for writing. Door of libdfs/output.
 * The caller's thread does the work; one file by one thread at a time. */
#pragma once
#include "libdfs/io/io.h"

struct output_options {
    const char *path;
    uint64_t file_id, block_size;
    struct crc_kind kind;
    uint32_t packet_size, replication;
    bool sync_blocks;
    /* An append: bytes that the file has, and the last block if it is to be filled (it is copied).
     */
    bool is_append;
    uint64_t length;
    const Hdfs__LocatedBlock *last_block;
};
struct output;
/* For an append the pipeline of the last block is set up, too. */
must_use int output_open(struct io_env *env, const struct output_options *options,
                         struct output **ret, struct err *err);
must_use int output_write(struct output *o, const void *data, size_t size, struct err *err);
enum output_flush { OUTPUT_SYNC = 1, OUTPUT_UPDATE_LENGTH = 2, OUTPUT_END_BLOCK = 4 };
must_use int output_flush(struct output *o, unsigned flags, struct err *err);
uint64_t output_length(const struct output *o);
/* "ip:port ip:port" of the current pipeline; how many. */
unsigned output_nodes(struct output *o, char *out, size_t size);
/* Frees in any case. */
must_use int output_close(struct output *o, struct err *err);
void output_abort(struct output *o);
