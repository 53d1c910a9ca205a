/* internal.h - what the files of handlers/file share: files under construction. Thread: state. */
#pragma once
#include "namenode/handlers/call.h"

enum { MAX_TARGETS = 512, LAZY_PERSIST_POLICY = 15 };

/* writer.c */
/* The open file that `holder` writes: by id if that isn't 0, else by path. */
int writer_file(struct call *c, const char *path, uint64_t file_id, const char *holder,
                struct resolved *ret);
/* The last block (back 0), the one before it (1) ..; 0: there is none. */
handle_t block_from_end(const struct call *c, handle_t file, uint32_t back);
bool same_block(const struct call *c, const Hdfs__ExtendedBlock *named, handle_t block);
int check_told_length(struct call *c, handle_t file, uint64_t block_id, uint64_t length);
/* Takes the length and stamp that the client tells of its last block. */
int commit_last(struct call *c, handle_t file, const Hdfs__ExtendedBlock *told);

/* block.c */
uint32_t node_named(const struct call *c, const Hdfs__DatanodeInfo *info); /* 0: unknown */
int nodes_named(struct call *c, Hdfs__DatanodeInfo *const *list, size_t count, uint32_t **ret,
                size_t *ret_count);
/* The block with the nodes that write it, at its place in the file, which ends with it. */
int answer_block(struct call *c, handle_t file, handle_t block, Hdfs__LocatedBlock **ret);

/* lease.c */
/* What it takes to release a file. holder: who has it while its last block is recovered; NULL: as
 * it is. */
struct release {
    const struct handler_env *env;
    handle_t file;
    const char *holder;
    int64_t now_ms, mono_ms;
    struct arena *arena;
};
struct release lease_release_of(struct call *c, handle_t file, const char *holder);
/* Closes a file whose writer is gone. *ret_closed false: its last block is being recovered. */
int lease_release(const struct release *r, bool *ret_closed, struct err *err);
/* The first attempt or another one, under that id. */
int lease_start_recovery(const struct handler_env *env, handle_t block, uint64_t recovery_id,
                         int64_t mono_ms, struct err *err);
/* What stands in the way of another writer of an existing file: ERR_BEING_CREATED, ERR_RECOVERY. 0:
 * nothing. */
int lease_check_other_writer(struct call *c, const struct resolved *r, const char *holder,
                             const char *operation);
