/* internal.h - shared by the files of libdfs/io only. */
#pragma once
#include <pthread.h>

#include "common/io/io.h"
#include "libdfs/io/io.h"
#include "libdfs/write/write.h"

/* ip:port as the connection cache and error texts show it. */
void node_address(const Hdfs__DatanodeID *node, bool use_hostname, char *out, size_t size);
/* getBlockLocations into a fresh page. ERR_NOT_FOUND when there is no such file. */
must_use int fetch_page(struct io_env *env, const char *path, uint64_t offset, uint64_t length,
                        struct rd_page **ret, struct err *err);
/* Bytes of a block under construction that may be read; 0 when no node has it yet. */
must_use int open_block_length(struct io_env *env, const Hdfs__LocatedBlock *block, uint64_t *ret,
                               struct err *err);
/* protobuf-c's fields aren't const, though packing only reads them. */
#define UNCONST(type, p) ((type *)(uintptr_t)(p))

enum { OUTPUT_MAX_EXCLUDED = 64 };
struct output {
    struct io_env *env;
    struct keeper_entry entry;
    bool kept;            /* entry is in the keeper's list */
    pthread_mutex_t lock; /* guards all below */
    struct output_options o;
    char pool_id[128];
    Hdfs__ExtendedBlock block; /* current or last one; pool_id points above */
    bool has_block;
    bool persisted;             /* the NameNode was told of the block by fsync */
    struct arena block_arena;   /* located blocks of the current block */
    struct arena exclude_arena; /* nodes that failed; they live as long as the file */
    Hdfs__DatanodeInfo *excluded[OUTPUT_MAX_EXCLUDED];
    size_t excluded_count;
    struct wr_window window;
    struct wr_pipeline pipeline;
    Rpc__Token *token;
    struct dnc *conn;
    int64_t sent_ms, heard_ms;
    uint64_t length;
    unsigned blame; /* position in the pipeline of the node that the last failure is about */
    struct err failed;
    char path[];
};

/* output_block.c; all with the lock held. */
must_use int output_open_block(struct output *o, struct err *err);
/* A node failed (o->blame, *why). 0: the block goes on with the others. */
must_use int output_recover(struct output *o, const struct err *why, struct err *err);
void output_cut_connection(struct output *o);
/* Before a reader can count on flushed bytes the NameNode must have logged the block. */
must_use int output_persist(struct output *o, struct err *err);
must_use int output_complete(struct output *o, struct err *err);
