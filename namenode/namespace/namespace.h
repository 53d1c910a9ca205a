/* namespace.h - inodes, directories, paths, permissions, leases. Door of namenode/namespace.
 * Core: no clock, no I/O, no threads; the owner thread alone calls it. Blocks are known only by
 * their handles.
 *
 * Two kinds of functions:
 *  - questions and checks (ns_find.., ns_resolve, ns_check_..): for handlers; they change nothing.
 *  - mutations, marked "apply": called only when an edit is applied or an image loaded (journal/,
 * image/). After the matching check has passed they fail for lack of memory only. A deleted tree is
 * unlinked at once and freed in slices by ns_collect(); until then its inodes are "detached": no
 * look-up by path or id finds them. */
#pragma once
#include "common/base/base.h"

enum inode_type { INODE_FILE = 1, INODE_DIR = 2, INODE_SYMLINK = 3 }; /* the image's numbers */

/* Namespaces of names that are interned to small ids (1..2^24-1; 0 is ""); the kinds of the image's
 * string table. */
enum name_kind { NAME_USER = 1, NAME_GROUP = 2, NAME_XATTR = 3 };

enum {
    NS_ROOT_INODE_ID = 16385,
    NS_MAX_PATH_CHARS = 8000,
    NS_MAX_PATH_DEPTH = 1000,
    NS_MAX_NAME_BYTES = 65535
};
#define NS_NO_QUOTA      UINT64_MAX /* -1 on the wire */
#define NS_KEEP_TIME     UINT64_MAX /* for ns_set_times */
#define NS_ROOT_NS_QUOTA INT64_MAX  /* what format gives the root */

/* Owner, group and mode of an inode, packed as Hadoop's image does: mode 16 bits, group id 24, user
 * id 24. */
typedef uint64_t perm_t;
static inline perm_t perm_of(uint32_t user, uint32_t group, uint16_t mode)
{
    return (uint64_t)user << 40 | (uint64_t)(group & 0xffffffu) << 16 | mode;
}
static inline uint16_t perm_mode(perm_t p)
{
    return (uint16_t)p;
}
static inline uint32_t perm_group(perm_t p)
{
    return (uint32_t)(p >> 16) & 0xffffffu;
}
static inline uint32_t perm_user(perm_t p)
{
    return (uint32_t)(p >> 40);
}

struct inode_file {
    uint64_t atime_ms;
    uint64_t block_size;
    handle_t blocks; /* the only block, or heap bytes: block_count handles; use ns_blocks() */
    uint32_t block_count;
    handle_t uc;          /* struct inode_uc while open for write, else 0 */
    uint16_t replication; /* 0 for a striped file */
    uint8_t policy;       /* storage policy id, 0: inherited */
    uint8_t ec;           /* erasure coding policy id, 0: replicated */
};

struct inode_dir {
    handle_t index; /* children in signed-byte order of their names; see ns_list */
    uint32_t child_count;
    handle_t quota; /* struct dir_quota, 0: none set */
    handle_t sums;  /* the record of what is below; 0: little enough to count, see sums.c */
};

struct inode_symlink {
    uint64_t atime_ms;
    handle_t target; /* heap bytes */
    uint32_t target_size;
};

/* One file, directory or symlink. Read fields freely; change them by the apply functions only. */
struct inode {
    uint64_t id;
    uint64_t mtime_ms;
    perm_t perm;
    handle_t parent; /* 0: the root, or detached */
    handle_t name;   /* heap bytes */
    uint16_t name_size;
    uint8_t type; /* enum inode_type */
    uint8_t flags;
    handle_t features; /* ACL and extended attributes, 0: none */
    union {
        struct inode_file file;
        struct inode_dir dir;
        struct inode_symlink link;
    };
};
_Static_assert(sizeof(struct inode) <= 72, "a hundred million inodes must fit the memory budget");

/* A file open for write. */
struct inode_uc {
    handle_t inode;
    handle_t lease;
    handle_t machine; /* heap bytes; see ns_uc_machine */
    uint32_t machine_size;
    handle_t prev, next; /* files of the same lease */
};

enum {
    QUOTA_TYPES = 6
}; /* index: Java's ordinal of StorageType: RAM_DISK SSD DISK ARCHIVE PROVIDED NVDIMM */
struct dir_quota {
    uint64_t ns, ds;            /* NS_NO_QUOTA: none */
    uint64_t type[QUOTA_TYPES]; /* NS_NO_QUOTA: none */
};

struct ns;

struct ns_stats {
    uint64_t inodes; /* attached or not yet collected */
    uint64_t directories, files, symlinks, open_files, leases;
    uint64_t detached_roots; /* deleted trees waiting for ns_collect */
    uint64_t bytes;          /* memory of all of it */
};

/* Makes the namespace of a fresh format: the root with owner, group, 0755, mtime 0 and Hadoop's
 * default quota. */
int ns_new(const char *owner, const char *group, struct ns **ret);
void ns_free(struct ns *ns);
void ns_stats(const struct ns *ns, struct ns_stats *ret);

/* ---- looking at inodes ---- */
const struct inode *ns_inode(const struct ns *ns, handle_t h); /* h must be live */
handle_t ns_root(const struct ns *ns);
uint64_t ns_last_inode_id(const struct ns *ns);
/* 0: no such id, or its tree has been deleted. */
handle_t ns_find_id(const struct ns *ns, uint64_t id);
handle_t ns_find_any(const struct ns *ns, uint64_t id); /* detached and not yet linked ones too */
bool ns_attached(const struct ns *ns, handle_t h);
struct slice ns_name(const struct ns *ns, handle_t h); /* last component; the root's is empty */
struct slice ns_symlink_target(const struct ns *ns, handle_t h);
/* Full path of an attached inode, "/" for the root. NULL: no memory. */
const char *ns_path(const struct ns *ns, handle_t h, struct arena *arena);
const handle_t *ns_blocks(const struct ns *ns, handle_t file); /* block_count of them */
const char *ns_user(const struct ns *ns, handle_t h);
const char *ns_group(const struct ns *ns, handle_t h);
static inline bool inode_is_dir(const struct inode *i)
{
    return i->type == INODE_DIR;
}
static inline bool inode_is_file(const struct inode *i)
{
    return i->type == INODE_FILE;
}

/* ---- interned names ---- */
/* The id of a user, group or xattr name; 0 for "". Negative: no memory or 2^24 names. */
int ns_intern(struct ns *ns, enum name_kind kind, struct slice name, uint32_t *ret_id);
/* 0: never seen (and not ""). */
uint32_t ns_name_id(const struct ns *ns, enum name_kind kind, const char *name);
const char *ns_interned(const struct ns *ns, enum name_kind kind,
                        uint32_t id);                                 /* "" when unknown */
uint32_t ns_interned_count(const struct ns *ns, enum name_kind kind); /* ids are 1..count */

/* ---- directories ---- */
handle_t ns_child(const struct ns *ns, handle_t dir, struct slice name); /* 0: none */
/* Up to max children whose names come after start_after (empty: from the first), in signed-byte
 * order. Returns how many; *ret_remaining (may be NULL) how many follow. O(log n + max) plus a word
 * per 256 children. */
uint32_t ns_list(const struct ns *ns, handle_t dir, struct slice start_after, uint32_t max,
                 handle_t *out, uint64_t *ret_remaining);
/* The k-th run of children, in order, for walking a directory: *ret_count handles; NULL: there is
 * no k-th run. */
const handle_t *ns_children(const struct ns *ns, handle_t dir, uint32_t k, uint32_t *ret_count);
/* The i-th child, i < child_count. */
handle_t ns_child_at(const struct ns *ns, handle_t dir, uint32_t i);
/* A walk over a tree, each inode once, parents before children, children in order. Takes no memory.
 */
struct ns_walk {
    const struct ns *ns;
    handle_t top, dir, at;
    uint32_t run, position; /* of `at` among the runs of `dir` */
};
struct ns_walk ns_walk_from(const struct ns *ns, handle_t top);
handle_t ns_walk_next(struct ns_walk *w); /* the top first; 0: done */
handle_t ns_walk_skip(struct ns_walk *w); /* past what is below the last one */
/* Whether a directory holds other directories. */
bool ns_has_subdirs(const struct ns *ns, handle_t dir);
/* Order of names: bytes as signed, then length. */
int name_compare(struct slice a, struct slice b);

/* ---- paths ---- */
/* What a path is wanted for; decides what stands in the way (as Hadoop's DirOp). *_LINK: the last
 * component may be a symlink. CREATE*: the name must be well-formed, and a file as ancestor is
 * ParentNotDirectoryException; for the others it is AccessControlException with the same text. */
enum path_op {
    PATH_READ,
    PATH_READ_LINK,
    PATH_WRITE,
    PATH_WRITE_LINK,
    PATH_CREATE,
    PATH_CREATE_LINK
};

/* A path walked as far as it exists. Lives in the arena given; valid until the next mutation. */
struct resolved {
    const char
        *text; /* the full path as messages and edits show it (/.reserved/.inodes/N replaced) */
    struct slice *names; /* [depth + 1]; names[0] is the root's empty one */
    handle_t *inodes;    /* [depth + 1]; 0 from the first that is missing */
    uint32_t depth;      /* components; 0 is the root itself */
    uint32_t found;      /* how many of inodes[] exist, at least 1 */
    bool raw;            /* was /.reserved/raw/.. */
};
static inline handle_t resolved_last(const struct resolved *r) /* 0: doesn't exist */
{
    return r->inodes[r->depth];
}
static inline handle_t resolved_parent(const struct resolved *r) /* 0: missing, or r is the root */
{
    return r->depth == 0 ? 0 : r->inodes[r->depth - 1];
}
static inline struct slice resolved_name(const struct resolved *r)
{
    return r->names[r->depth];
}
/* The path of the first n components below the root ("/" for 0). NULL: no memory. */
const char *resolved_prefix(const struct resolved *r, uint32_t n, struct arena *arena);

/* Who asks. A NULL caller means no permission checks (they are switched off, or an internal call).
 */
struct ns_caller {
    const char *user;
    const char *const *groups;
    size_t group_count;
    bool superuser;
    const char *operation; /* what is being done, for messages; NULL: "null", as in Hadoop */
};

/* Absolute, no empty, "." or ".." component (but after /.reserved/.inodes), no ':', valid UTF-8. */
bool path_valid_name(const char *text);
bool path_is_reserved(const char *text); /* exactly "/.reserved" */
/* Length and depth limits of a client's path: ERR_IO with Hadoop's text "<what>: Pathname too
 * long...". */
int path_check_length(const char *text, const char *what, struct err *err);

/* Parses, replaces /.reserved/.inodes/<id>[/..] and /.reserved/raw, walks, and checks that the
 * caller may traverse (EXECUTE on each ancestor) and that no file or symlink stands in the way.
 * Errors: ERR_INVALID_PATH (CREATE*; text "Invalid file name: .."), ERR_NOT_FOUND (unknown inode
 * number), ERR_ACCESS, ERR_PARENT_NOT_DIR, ERR_UNRESOLVED_LINK, ERR_ILLEGAL_ARGUMENT (not
 * absolute). A missing path is no error: look at resolved_last(). */
int ns_resolve(const struct ns *ns, const struct ns_caller *who, const char *text, enum path_op op,
               struct arena *arena, struct resolved *ret, struct err *err);
/* The same of a known attached inode, without checks (calls that carry a file id). */
int ns_resolve_inode(const struct ns *ns, handle_t h, struct arena *arena, struct resolved *ret,
                     struct err *err);
/* Walks on from r->found, after a missing component has been made. */
void ns_resolve_more(const struct ns *ns, struct resolved *r);
/* r one level down: for rename into a directory. r's last inode must be a directory. */
int ns_resolve_child(const struct ns *ns, const struct resolved *r, struct slice name,
                     struct arena *arena, struct resolved *ret, struct err *err);

/* ---- permissions ---- */
enum { ACCESS_EXECUTE = 1, ACCESS_WRITE = 2, ACCESS_READ = 4, ACCESS_ALL = 7 };
struct ns_want {
    uint8_t ancestor;   /* on the last existing ancestor */
    uint8_t parent;     /* on the parent; WRITE also respects its sticky bit */
    uint8_t target;     /* on the inode itself */
    uint8_t subtree;    /* on each directory at and below it */
    bool owner;         /* the caller must own it */
    bool ignore_empty;  /* subtree: empty directories don't count */
    bool ignore_sticky; /* subtree: sticky bits don't count */
};
/* Hadoop's messages: Permission denied: user=U, access=A, inode="P":owner:group:drwxr-xr-x */
int ns_check_access(const struct ns *ns, const struct ns_caller *who, const struct resolved *r,
                    struct ns_want want, struct err *err);
/* Whether the caller may access this one inode (by mode or ACL); no ancestors, no message. */
bool ns_may(const struct ns *ns, const struct ns_caller *who, handle_t h, unsigned access);
int ns_check_superuser(const struct ns_caller *who, struct err *err);
bool caller_in_group(const struct ns_caller *who, const char *group);
/* "rwxr-xr-t"; out holds at least 10 bytes. */
void mode_text(uint16_t mode, char *out);

/* ---- checks of operations ---- */
struct ns_limits {
    uint64_t max_component_length; /* bytes; 0: no limit */
    uint64_t max_dir_items;        /* 0: no limit */
};
/* May the missing components of r be added? Name lengths, directory sizes, reserved names
 * (".snapshot", "/.reserved"). */
int ns_check_new(const struct ns *ns, const struct resolved *r, struct ns_limits limits,
                 struct err *err);
/* The parent of r must exist and be a directory: ERR_NOT_FOUND "Parent directory doesn't exist: P",
 * ERR_PARENT_NOT_DIR "Parent path is not a directory: P". */
int ns_check_parent(const struct ns *ns, const struct resolved *r, struct err *err);
/* r must be an existing file: ERR_NOT_FOUND "File does not exist: P", "Path is not a file: P". */
int ns_check_file(const struct ns *ns, const struct resolved *r, struct err *err);
/* r must exist: ERR_NOT_FOUND "File does not exist: P". */
int ns_check_exists(const struct ns *ns, const struct resolved *r, struct err *err);
/* Old rename. First descends: an existing directory as dst becomes dst/<src name>. *ret_ok false:
 * answer false, nothing to log. True with src equal dst: answer true, nothing to log (*ret_noop).
 * *dst is replaced by the real destination. */
int ns_check_rename_old(const struct ns *ns, const struct resolved *src, struct resolved *dst,
                        struct ns_limits limits, struct arena *arena, bool *ret_ok, bool *ret_noop,
                        struct err *err);
int ns_check_rename(const struct ns *ns, const struct resolved *src, const struct resolved *dst,
                    bool overwrite, struct ns_limits limits, struct err *err);
/* *ret_ok false: missing or the root, answer false. */
int ns_check_delete(const struct ns *ns, const struct resolved *r, bool recursive, bool *ret_ok,
                    struct err *err);
/* Mode of the missing parents that mkdirs (inherit false) or create (inherit true: from the last
 * existing one) makes: the base mode plus u+wx. */
uint16_t ns_implied_parent_mode(const struct ns *ns, const struct resolved *r, uint16_t mode,
                                bool inherit);

/* ---- counting ---- */
/* Kept up to date in directories: asking costs the depth of the path, not the size of the tree. */
struct ns_summary {
    uint64_t files, directories, symlinks; /* h itself included */
    uint64_t length, space;     /* bytes; space: times replication, or with parity; a block that
                                   isn't complete takes the space of a full one */
    uint64_t type[QUOTA_TYPES]; /* space by storage type of what has a storage policy, else 0 */
};
/* Give the length of a block and whether it is COMPLETE; set once by the owner of both rooms. */
void ns_set_block_length(struct ns *ns, uint64_t (*length)(const void *ctx, handle_t block),
                         const void *ctx);
void ns_set_block_complete(struct ns *ns, bool (*complete)(const void *ctx, handle_t block));
/* Units and cells of erasure coding policies, by id; id 0 in a row: unknown. Borrowed for good.
 * Without it, and for a policy that can't be computed: striped blocks take their length. */
struct ec_policy; /* common/ec/ec.h */
void ns_set_ec_policies(struct ns *ns, const struct ec_policy *policies, uint32_t count);
/* A block in the list of `file` got another length or (in)complete: keeps the sums. */
void ns_block_changed(struct ns *ns, handle_t file, uint64_t old_length, bool was_complete,
                      uint64_t new_length, bool is_complete);
void ns_summarize(const struct ns *ns, handle_t h, struct ns_summary *ret);
/* What a tree, or a change of it, takes from quotas. */
struct ns_usage {
    int64_t inodes, space, type[QUOTA_TYPES];
};
void ns_usage(const struct ns *ns, handle_t h, struct ns_usage *ret);
/* The same as if h lay below a directory whose effective storage policy is `policy`. */
void ns_usage_under(const struct ns *ns, handle_t h, uint8_t policy, struct ns_usage *ret);
/* `bytes` (may be negative) with so many replicas under a storage policy; 0: no types. */
void ns_usage_add(struct ns_usage *u, int64_t bytes, uint32_t replication, uint8_t policy);
void ns_usage_subtract(struct ns_usage *u, const struct ns_usage *less);
/* Whether the directories among the first `count` inodes of r may take delta, the lowest first, up
 * to `stop` (0: all). ERR_NS_QUOTA, ERR_DS_QUOTA, ERR_TYPE_QUOTA with Hadoop's texts. */
int ns_check_quota(const struct ns *ns, const struct resolved *r, uint32_t count,
                   const struct ns_usage *delta, handle_t stop, struct err *err);
/* The same for a rename whose other checks have passed. */
int ns_check_rename_quota(const struct ns *ns, const struct resolved *src,
                          const struct resolved *dst, struct err *err);
/* Length of a file: sum of its blocks. */
uint64_t ns_file_length(const struct ns *ns, handle_t file);
/* NULL: no quota set. The root always has one. */
const struct dir_quota *ns_quota(const struct ns *ns, handle_t dir);
/* Storage policy that counts for h: its own, else the nearest ancestor's, else 0. */
uint8_t ns_effective_policy(const struct ns *ns, handle_t h);
uint8_t ns_local_policy(const struct ns *ns, handle_t h);
/* Name of the erasure coding policy that a new file below dir gets; empty: replicated. */
struct slice ns_ec_policy_name(const struct ns *ns, handle_t dir);

/* ---- ACLs and extended attributes ---- */
/* One ACL entry as the image packs it: bits 0-2 access, 3-4 type (USER GROUP MASK OTHER), 5 scope
 * (1: default), 6-29 name id (NAME_USER or NAME_GROUP). Only what doesn't fit the mode is stored.
 */
enum { ACL_USER = 0, ACL_GROUP = 1, ACL_MASK = 2, ACL_OTHER = 3 };
static inline uint32_t acl_entry(unsigned scope, unsigned type, unsigned access, uint32_t name)
{
    return access | type << 3 | scope << 5 | name << 6;
}
static inline unsigned acl_access(uint32_t e)
{
    return e & 7;
}
static inline unsigned acl_type(uint32_t e)
{
    return e >> 3 & 3;
}
static inline unsigned acl_scope(uint32_t e)
{
    return e >> 5 & 1;
}
static inline uint32_t acl_name(uint32_t e)
{
    return e >> 6 & 0xffffff;
}
/* Stored entries; *ret_count 0: no ACL. */
const uint32_t *ns_acl(const struct ns *ns, handle_t h, uint32_t *ret_count);

/* XAttr namespaces, Java's numbers. */
enum { XATTR_USER = 0, XATTR_TRUSTED = 1, XATTR_SECURITY = 2, XATTR_SYSTEM = 3, XATTR_RAW = 4 };
struct xattr {
    uint8_t space;
    uint32_t name; /* NAME_XATTR id */
    struct slice value;
};
/* Iterates: *cursor starts at 0; false: no more. */
bool ns_xattr_next(const struct ns *ns, handle_t h, uint32_t *cursor, struct xattr *ret);
bool ns_xattr_get(const struct ns *ns, handle_t h, unsigned space, const char *name,
                  struct slice *ret);

/* ---- leases ---- */
/* A lease belongs to a holder (a client's name) and has the files that it holds open. */
handle_t ns_lease_find(const struct ns *ns, const char *holder); /* 0: none */
const char *ns_lease_holder(const struct ns *ns, handle_t lease);
int64_t ns_lease_renewed_ms(const struct ns *ns, handle_t lease);
uint32_t ns_lease_file_count(const struct ns *ns, handle_t lease);
/* Files of a lease: pass 0 first, then what was returned; 0: no more. Detached ones are skipped. */
handle_t ns_lease_next_file(const struct ns *ns, handle_t lease, handle_t file);
/* The open file with the next larger inode id; 0: no more. O(log n). */
handle_t ns_open_after(const struct ns *ns, uint64_t id);
/* NULL when the file is closed. */
const struct inode_uc *ns_uc(const struct ns *ns, handle_t file);
const char *ns_uc_client(const struct ns *ns, handle_t file); /* "" when closed */
struct slice ns_uc_machine(const struct ns *ns, handle_t file);
/* False: the holder has no lease. */
bool ns_lease_renew(struct ns *ns, const char *holder, int64_t mono_ms);
/* Leases not renewed for limit_ms, the oldest first: pass 0 first, then what was returned. */
handle_t ns_lease_next_expired(const struct ns *ns, handle_t lease, int64_t mono_ms,
                               int64_t limit_ms);
/* The name under which this NameNode takes files over, as Hadoop's: HDFS_NameNode-<date>; another
 * one when keep_ms have passed. */
const char *ns_own_holder(struct ns *ns, int64_t now_ms, int64_t mono_ms, int64_t keep_ms);
/* Takes each lease as renewed now: after a restart, and on becoming active. */
void ns_lease_renew_all(struct ns *ns, int64_t mono_ms);
/* The monotonic time that leases made by apply get; set before each turn. */
void ns_set_now(struct ns *ns, int64_t mono_ms);

/* ======== apply: below this line only journal/ and image/ call ======== */
struct ns_new_inode {
    uint64_t id; /* must be free; ns_last_inode_id follows the largest */
    handle_t parent;
    struct slice name; /* must be free in parent */
    perm_t perm;
    uint64_t mtime_ms, atime_ms;
    /* files */
    uint64_t block_size;
    uint16_t replication;
    uint8_t policy, ec;
    /* symlinks */
    struct slice target;
};
/* The parent's mtime becomes the child's mtime if touch_parent (as applying an edit does) and it is
 * later. */
int ns_add(struct ns *ns, enum inode_type type, const struct ns_new_inode *n, bool touch_parent,
           handle_t *ret);
/* Image loading: makes an inode without parent, then links it; children come mostly in order. */
int ns_make(struct ns *ns, enum inode_type type, const struct ns_new_inode *n, handle_t *ret);
int ns_link(struct ns *ns, handle_t parent, handle_t child);
/* Image loading: no sums are kept from ns_sums_off until ns_sums_on, which counts everything. */
void ns_sums_off(struct ns *ns);
int ns_sums_on(struct ns *ns);
/* Image loading: gives the root its attributes. */
void ns_set_last_inode_id(struct ns *ns, uint64_t id);
/* Unlinks h (not the root) and queues its tree for ns_collect; open files in it lose their leases
 * when collected. */
void ns_remove(struct ns *ns, handle_t h, uint64_t mtime_ms);
/* Moves src to new_parent/new_name, removing what stands there; both parents get mtime_ms. */
int ns_move(struct ns *ns, handle_t src, handle_t new_parent, struct slice new_name,
            uint64_t mtime_ms);
/* Frees up to `budget` inodes of deleted trees; the blocks of the files go to on_block. True: more
 * is waiting. */
bool ns_collect(struct ns *ns, uint32_t budget, void (*on_block)(void *ctx, handle_t block),
                void *ctx);

void ns_set_perm(struct ns *ns, handle_t h, perm_t perm);
void ns_set_times(struct ns *ns, handle_t h, uint64_t mtime_ms,
                  uint64_t atime_ms); /* UINT64_MAX: leave; dirs have no atime */
void ns_set_replication(struct ns *ns, handle_t file, uint16_t replication);
void ns_set_file_policy(struct ns *ns, handle_t file, uint8_t policy);
int ns_set_quota(struct ns *ns, handle_t dir,
                 const struct dir_quota *q); /* NULL or all none: drops it */
int ns_set_blocks(struct ns *ns, handle_t file, const handle_t *blocks, uint32_t count);
int ns_push_block(struct ns *ns, handle_t file, handle_t block);
handle_t ns_pop_block(struct ns *ns, handle_t file); /* the last one; 0: none */
int ns_set_acl(struct ns *ns, handle_t h, const uint32_t *entries, uint32_t count);
/* Puts it in front of the others, whether it is new or replaces one. */
int ns_set_xattr(struct ns *ns, handle_t h, const struct xattr *x);
void ns_remove_xattr(struct ns *ns, handle_t h, unsigned space, uint32_t name);
/* Opens a file for write under the lease of `holder`, which is made if need be. */
int ns_open_file(struct ns *ns, handle_t file, struct slice holder, struct slice machine);
void ns_close_file(struct ns *ns, handle_t file); /* drops the lease of its last file */
int ns_reassign_lease(struct ns *ns, handle_t file, struct slice new_holder);

/* ---- for tests and the debug calls ---- */
/* Walks everything: order, links, counts, leases, the id map. False: *err says what is broken. */
bool ns_verify(const struct ns *ns, struct err *err);
