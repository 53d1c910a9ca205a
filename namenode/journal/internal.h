/* internal.h - what the files of journal/ share. */
#pragma once
#include "common/crc/crc.h"
#include "image.pb-c.h"
#include "namenode/blocks/blocks.h"
#include "namenode/journal/journal.h"
#include "namenode/nodes/nodes.h"

enum { RECORD_OVERHEAD = 1 + 4 + 8, RECORD_CRC = 4, RECORD_MIN_LENGTH = 12 };

/* A body being decoded. Bad input sets reader.bad; lack of memory no_memory. */
struct decoder {
    struct reader reader;
    struct arena *arena;
    int32_t layout_version;
    bool no_memory;
};
/* decode.c: the body of a record whose code, id and checksum are known. */
int edit_decode_body(struct decoder *d, struct edit *ret);

/* apply.c, apply_file.c: one function per operation. */
#define OP(code, name, fields)                                                        \
    int apply_##name(struct nn *nn, const struct op_##name *op, const struct edit *e, \
                     struct err *err);
EDIT_OPS(OP)
#undef OP

/* The walk to a path that a record names; must be freed. Links are followed by nobody: a record has
 * the real path. */
struct target {
    struct arena arena;
    struct resolved at;
    handle_t inode; /* 0: doesn't exist */
};
int target_find(struct nn *nn, struct slice path, struct target *t, struct err *err);
int target_find_existing(struct nn *nn, struct slice path, struct target *t, struct err *err);
int target_find_file(struct nn *nn, struct slice path, struct target *t, struct err *err);
void target_fini(struct target *t);
#define auto_target __attribute__((cleanup(target_fini)))

int perm_from_edit(struct ns *ns, const struct edit_permission *p, perm_t *ret);
/* A complete ACL of a record as mode bits and stored entries. */
int acl_from_edit(struct ns *ns, handle_t h, const struct edit_acl_list *acl, struct err *err);
/* ERR_UNSUPPORTED for those of encryption zones. */
int xattrs_check(const struct edit_xattr_list *list, struct err *err);
int xattrs_from_edit(struct ns *ns, handle_t h, const struct edit_xattr_list *list);
/* Makes t's last component, whose id, times and kind n gives. */
int make_inode(struct nn *nn, enum inode_type type, const struct target *t, struct ns_new_inode *n,
               const struct edit_permission *perm, handle_t *ret, struct err *err);
