/* internal.h - what the files of handlers/file share: files under construction. Thread: state. */
#pragma once
#include "namenode/handlers/call.h"

enum { MAX_TARGETS = 512 };

/* writer.c */
/* The open file that `holder` writes: by id if that isn't 0, else by path. */
int writer_file(struct call *c, const char *path, uint64_t file_id, const char *holder,
                struct resolved *ret);
/* The last block (back 0), the one before it (1) ..; 0: there is none. */
handle_t block_from_end(const struct call *c, handle_t file, uint32_t back);
bool same_block(const struct call *c, const Hdfs__ExtendedBlock *named, handle_t block);
/* Takes the length and stamp that the client tells of its last block. */
int commit_last(struct call *c, handle_t file, const Hdfs__ExtendedBlock *told);

/* block.c */
uint32_t node_named(const struct call *c, const Hdfs__DatanodeInfo *info); /* 0: unknown */
int nodes_named(struct call *c, Hdfs__DatanodeInfo *const *list, size_t count, uint32_t **ret,
                size_t *ret_count);

/* lease.c */
/* Closes a file whose writer is gone, if no block has to be recovered for that. *ret_closed false:
 * the last block needs recovery by DataNodes. */
int lease_release(const struct handler_env *env, handle_t file, int64_t now_ms, struct arena *arena,
                  bool *ret_closed, struct err *err);
/* What stands in the way of another writer of an existing file: ERR_BEING_CREATED, ERR_RECOVERY. 0:
 * nothing. */
int lease_check_other_writer(struct call *c, const struct resolved *r, const char *holder,
                             const char *operation);
