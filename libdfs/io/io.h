/* io.h - the shell of libdfs: connections to DataNodes, open files. Door of libdfs/io.
 * The caller's thread does the work. */
#pragma once
#include "common/conf/conf.h"
#include "libdfs/meta/meta.h"
#include "libdfs/read/read.h"

/* protobuf-c's fields aren't const, though packing only reads them. */
#define UNCONST(type, p) ((type *)(uintptr_t)(p))

/* dn_conn.c: one connection to a DataNode's data port; one owner at a time. */
struct dnc {
    struct dnc *prev, *next;
    int fd;
    bool reused;
    struct xfer_in in;
    int64_t idle_since_ms;
    char name[300]; /* ip:port */
};
struct io_timeouts {
    int connect_ms, read_ms, write_ms, per_node_ms;
};
/* ip:port as the connection cache and error texts show it. */
void node_address(const Hdfs__DatanodeID *node, bool use_hostname, char *out, size_t size);
must_use int dnc_connect(const Hdfs__DatanodeID *node, bool use_hostname,
                         const struct io_timeouts *timeouts, unsigned nodes_behind,
                         struct dnc **ret, struct err *err);
/* The same in two steps, without waiting: for who polls. */
must_use int dnc_connect_start(const Hdfs__DatanodeID *node, bool use_hostname, struct dnc **ret,
                               struct err *err);
must_use int dnc_connect_check(struct dnc *c, const struct io_timeouts *timeouts,
                               bool *ret_connected, struct err *err);
void dnc_free(struct dnc *c);
/* Sends an operation and takes the first answer; any status but SUCCESS is an error with the node's
 * text. *ret_first_bad_link (may be NULL as an argument) is set for those, in the arena. */
must_use int dnc_request(struct dnc *c, enum xfer_opcode op, const ProtobufCMessage *message,
                         struct arena *arena, Xfer__BlockOpResponse **ret,
                         const char **ret_first_bad_link, struct err *err);

/* 0, or the error that an answer's status stands for. */
must_use int dnc_status(const Xfer__BlockOpResponse *r, struct err *err);
/* The second half of it: the answer alone. *ret is also set when its status is not SUCCESS. */
must_use int dnc_answer(struct dnc *c, struct arena *arena, Xfer__BlockOpResponse **ret,
                        const char **ret_first_bad_link, struct err *err);

/* conn_cache.c: idle connections after a read, for the next one. Thread-safe. */
struct conn_cache;
struct conn_cache *conn_cache_new(size_t capacity, int64_t expiry_ms);
void conn_cache_free(struct conn_cache *cache);
/* NULL: none. */
struct dnc *conn_cache_take(struct conn_cache *cache, const char *name);
void conn_cache_give(struct conn_cache *cache, struct dnc *take_c);

/* What open files need of their client; borrowed by them. */
struct io_env {
    struct meta *meta;
    struct conn_cache *cache;
    struct keeper *keeper;
    char client_name[80];
    struct io_timeouts timeouts;
    bool use_hostname, sync_on_close;
    unsigned cached_conn_retry, max_acquire_failures;
    int hedge_ms; /* a unit of a stripe that is so much later than the others is decoded around */
    uint64_t block_size;     /* dfs.blocksize of the client */
    uint64_t prefetch_bytes; /* 0: ten blocks */
    unsigned block_write_retries, max_recoveries, max_in_flight;
    unsigned slow_acks; /* in a row make a node leave the pipeline, 0: never */
    int replace;        /* enum wr_replace */
    bool replace_best_effort;
    unsigned replace_min;
    int64_t restart_ms; /* a restarting node is waited for */
    unsigned not_yet_retries;
    int64_t not_yet_delay_ms, not_yet_max_delay_ms;
};
void io_env_load(struct io_env *env, const struct conf *conf);

/* block_in.c: one OP_READ_BLOCK in progress. */
struct block_in;
must_use int block_in_open(struct io_env *env, const Hdfs__LocatedBlock *block, unsigned node,
                           uint64_t position, uint64_t end, struct block_in **ret, struct err *err);
/* At least one byte unless the range is done (*ret 0). */
must_use int block_in_read(struct block_in *b, void *data, size_t size, size_t *ret,
                           struct err *err);
/* Position in the block of the next byte that block_in_read gives. */
uint64_t block_in_position(const struct block_in *b);
uint64_t block_in_end(const struct block_in *b);
unsigned block_in_node(const struct block_in *b);
/* Throws bytes away, at most to the end of the range. */
must_use int block_in_skip(struct block_in *b, uint64_t size, struct err *err);
/* Gives the connection back if all was read, else cuts it. */
void block_in_close(struct block_in *b);

/* input.c: a file open for reading. */
struct input;
must_use int input_open(struct io_env *env, const char *path, struct input **ret, struct err *err);
uint64_t input_length(const struct input *in);
uint64_t input_tell(const struct input *in);
/* Asks for the length again; it never shrinks. */
must_use int input_refresh(struct input *in, struct err *err);
must_use int input_seek(struct input *in, uint64_t offset, struct err *err);
must_use int input_read(struct input *in, void *data, size_t size, size_t *ret, struct err *err);
must_use int input_pread(struct input *in, void *data, size_t size, uint64_t offset, size_t *ret,
                         struct err *err);
void input_close(struct input *in);

/* checksum.c: Hadoop's MD5-of-MD5s of a file's blocks. */
struct file_checksum {
    char algorithm[64];
    uint8_t bytes[28];
};
must_use int file_checksum(struct io_env *env, const char *path, struct file_checksum *ret,
                           struct err *err);
