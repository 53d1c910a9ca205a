/* internal.h - what the files of namespace/ share. */
#pragma once
#define HASH_FUNCTION HASH_OAT /* the default one falls through cases, which clang warns of */
#include <uthash.h>

#include "namenode/namespace/namespace.h"

/* ---- heap.c: variable-size bytes with 32-bit handles; the owner remembers the size ---- */
enum { HEAP_CLASSES = 12, HEAP_SMALL_MAX = 256 };
struct heap {
    struct pool small[HEAP_CLASSES]; /* records of 8 .. 256 bytes */
    struct pool big;                 /* pointers to what is larger */
    size_t big_bytes;
};
void heap_init(struct heap *h);
void heap_fini(struct heap *h);
/* Copies data (NULL: leaves the bytes undefined). 0: no memory, or size is 0. */
handle_t heap_put(struct heap *h, const void *data, size_t size);
void *heap_at(const struct heap *h, handle_t at, size_t size);
void heap_give(struct heap *h, handle_t at, size_t size);
/* What a piece of this size can grow to in place. */
size_t heap_capacity(size_t size);
/* Keeps the first min(old, new) bytes. 0: no memory, and the old piece stays. */
handle_t heap_resize(struct heap *h, handle_t at, size_t old_size, size_t new_size);
size_t heap_bytes(const struct heap *h);

struct interned; /* one name */
struct name_table {
    struct interned *by_name;
    struct interned **by_id; /* [1..count] */
    uint32_t count, capacity;
};
void names_fini(struct name_table *t);

/* ---- dir.c ---- */
enum { DIR_SMALL_MAX = 64, DIR_CHUNK_MAX = 255 };
struct dir_chunk {
    uint32_t count;
    handle_t at[DIR_CHUNK_MAX];
};
struct big_dir {
    uint32_t count, capacity;
    handle_t *chunks; /* NULL while the record is free */
};
int dir_insert(struct ns *ns, handle_t dir, handle_t child);
void dir_remove(struct ns *ns, handle_t dir, handle_t child);
handle_t dir_take_last(struct ns *ns, handle_t dir); /* 0: empty */
/* Where `name` is, or would be put: run and position. True: it is there. */
bool dir_find(const struct ns *ns, handle_t dir, struct slice name, uint32_t *run,
              uint32_t *position);

/* ---- lease.c ---- */
struct lease {
    char *holder;
    int64_t renewed_ms;
    handle_t self, files;
    uint32_t file_count;
    handle_t prev, next; /* by time of renewal, the oldest first */
    UT_hash_handle hh;
};

/* ---- features.c ---- */
struct features {
    handle_t acl;
    uint32_t acl_count;
    handle_t xattrs;
    uint32_t xattrs_size;
};
void features_free(struct ns *ns, struct inode *i);

/* ---- sums.c ---- */
/* Counts of a tree, or a difference of them. */
struct sums {
    int64_t files, directories, symlinks, length, space;
    int64_t free_bytes, free_space; /* of replicated files whose policy comes from further up */
    int64_t type[QUOTA_TYPES];      /* of those whose policy is known */
};
/* The record of a directory: everything below it. */
struct dir_sums {
    uint32_t files, directories, symlinks;
    handle_t types; /* uint64_t[QUOTA_TYPES]; 0: nothing has a policy */
    uint64_t length, space, free_bytes, free_space;
};
int sums_before_link(struct ns *ns, handle_t parent, handle_t child);
void sums_linked(struct ns *ns, handle_t child);
/* After it has left the parent's list; child may still have its name and policy. */
void sums_unlinked(struct ns *ns, handle_t parent, handle_t child);
/* Around a change of what h counts. */
struct sums sums_before(const struct ns *ns, handle_t h);
void sums_after(struct ns *ns, handle_t h, const struct sums *before);
void sums_of_block(struct ns *ns, handle_t file, handle_t block, int sign);
void sums_drop(struct ns *ns, struct inode *d);
bool sums_verify(const struct ns *ns, handle_t dir, struct err *err);

enum { INODE_BIG_DIR = 1 }; /* inode.flags: dir.index is a struct big_dir */

struct ns {
    struct pool inodes, chunks, big_dirs, uc, leases, quotas, features, sums, type_sums;
    struct heap heap;
    struct idmap by_id;
    struct name_table names[4]; /* by enum name_kind */
    handle_t root;
    handle_t detached; /* deleted trees, linked by inode.name */
    uint64_t detached_count;
    uint64_t last_inode_id;
    uint64_t type_count[4]; /* by enum inode_type, detached ones included */
    struct lease *lease_by_holder;
    handle_t lease_oldest, lease_newest;
    handle_t *open; /* files, rising by inode id */
    uint32_t open_count, open_room;
    int64_t now_ms;
    char own_holder[112]; /* see ns_own_holder */
    int64_t own_holder_ms;
    uint64_t (*block_length)(const void *ctx, handle_t block);
    bool (*block_complete)(const void *ctx, handle_t block);
    const void *block_length_ctx;
    const struct ec_policy *ec_policies; /* by id */
    uint32_t ec_policy_count;
    bool sums_off; /* while an image is loaded */
};

static inline struct inode *at_inode(const struct ns *ns, handle_t h)
{
    return pool_at(&ns->inodes, h);
}
static inline struct slice name_of(const struct ns *ns, const struct inode *i)
{
    return (struct slice){i->name_size == 0 ? NULL : heap_at(&ns->heap, i->name, i->name_size),
                          i->name_size};
}
static inline struct lease *at_lease(const struct ns *ns, handle_t h)
{
    return pool_at(&ns->leases, h);
}
static inline struct inode_uc *at_uc(const struct ns *ns, handle_t h)
{
    return pool_at(&ns->uc, h);
}
/* Names that are used as C strings end at a zero byte, should one come from outside. */
static inline struct slice until_zero(struct slice s)
{
    const uint8_t *zero = s.size == 0 ? NULL : memchr(s.data, 0, s.size);
    return zero == NULL ? s : (struct slice){s.data, (size_t)(zero - s.data)};
}
/* Later modification times of a directory win. */
static inline void touch(struct inode *dir, uint64_t mtime_ms)
{
    if ((int64_t)mtime_ms > (int64_t)dir->mtime_ms)
        dir->mtime_ms = mtime_ms;
}

/* ---- perm.c ---- */
/* Born as AccessControlException: who may not `access` the i-th inode of r. */
int deny(const struct ns *ns, const struct ns_caller *who, const struct resolved *r, uint32_t i,
         unsigned access, struct err *err);
