/* internal.h - what the commands on files share. */
#pragma once
#include "cli/fs/fs.h"
#include "common/base/base.h"

int cmd_append_to_file(struct shell *sh, struct args *args, struct err *err);
int cmd_cat(struct shell *sh, struct args *args, struct err *err);
int cmd_checksum(struct shell *sh, struct args *args, struct err *err);
int cmd_chgrp(struct shell *sh, struct args *args, struct err *err);
int cmd_chmod(struct shell *sh, struct args *args, struct err *err);
int cmd_chown(struct shell *sh, struct args *args, struct err *err);
int cmd_concat(struct shell *sh, struct args *args, struct err *err);
int cmd_cp(struct shell *sh, struct args *args, struct err *err);
int cmd_expunge(struct shell *sh, struct args *args, struct err *err);
int cmd_find(struct shell *sh, struct args *args, struct err *err);
int cmd_get(struct shell *sh, struct args *args, struct err *err);
int cmd_getmerge(struct shell *sh, struct args *args, struct err *err);
int cmd_head(struct shell *sh, struct args *args, struct err *err);
int cmd_ls(struct shell *sh, struct args *args, struct err *err);
int cmd_mkdir(struct shell *sh, struct args *args, struct err *err);
int cmd_move_from_local(struct shell *sh, struct args *args, struct err *err);
int cmd_move_to_local(struct shell *sh, struct args *args, struct err *err);
int cmd_mv(struct shell *sh, struct args *args, struct err *err);
int cmd_put(struct shell *sh, struct args *args, struct err *err);
int cmd_rm(struct shell *sh, struct args *args, struct err *err);
int cmd_rmdir(struct shell *sh, struct args *args, struct err *err);
int cmd_setrep(struct shell *sh, struct args *args, struct err *err);
int cmd_stat(struct shell *sh, struct args *args, struct err *err);
int cmd_tail(struct shell *sh, struct args *args, struct err *err);
int cmd_test(struct shell *sh, struct args *args, struct err *err);
int cmd_text(struct shell *sh, struct args *args, struct err *err);
int cmd_touch(struct shell *sh, struct args *args, struct err *err);
int cmd_touchz(struct shell *sh, struct args *args, struct err *err);
int cmd_truncate(struct shell *sh, struct args *args, struct err *err);

/* Where bytes go: a stream, or a file descriptor when stream is NULL. */
struct sink {
    struct stream *stream;
    int fd;
};
enum { TRANSFER_ALL = 0 };
/* Copies from a stream (NULL: standard input) until its end, or at most limit bytes (0: no limit).
 * label, if any, is shown with the progress of long copies when standard error is a terminal. */
must_use int transfer(struct stream *from, struct sink to, uint64_t limit, const char *label,
                      struct err *err);

/* What a copy does; see copy.c. */
struct copy_how {
    bool overwrite, direct, lazy, checksums;
    bool times, owner, mode, acl, xattrs; /* to keep */
};
/* One file; source NULL: standard input. Counts nothing, reports nothing. Any thread. */
must_use int copy_file(const struct copy_how *how, const struct item *source,
                       const struct item *target, struct err *err);
must_use int copy_attributes(const struct copy_how *how, const struct item *source,
                             const struct item *target, struct err *err);

/* Threads that copy files; the caller's thread helps when the queue is full. */
struct copiers;
/* NULL: no threads could be made, copy without. */
struct copiers *copiers_new(struct shell *sh, const struct copy_how *how, unsigned threads,
                            unsigned queue);
/* Errors are reported by the copier. */
void copiers_add(struct copiers *c, const struct item *source, const struct item *target);
/* Waits for all, frees. NULL is fine. */
void copiers_finish(struct copiers *c);
