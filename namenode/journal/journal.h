/* journal.h - the edit log as data: records, their bytes, and what they do to the state. Door of
 * namenode/journal. Core: works on memory given by the caller; files, segments on disk and syncing
 * are storage/'s.
 *
 * Live operation and replay share edit_apply(). A handler checks, fills a struct edit, has it
 * committed: encoded into the batch and applied. Applying a record that a handler was right to
 * accept can't fail but for memory; on replay a failure means that image and log don't fit each
 * other and is reported with its transaction id. */
#pragma once
#include "common/base/base.h"
#include "namenode/journal/ops.def"
#include "namenode/namespace/namespace.h"
#include "namenode/nn.h"
#include "namenode/state/state.h"

enum {
    EDIT_LAYOUT_VERSION = -67, /* written; -63..-67 are read */
    EDIT_OLDEST_LAYOUT_VERSION = -63,
    EDIT_SEGMENT_HEADER_SIZE = 8,
    EDIT_MAX_OP_SIZE = 50 * 1024 * 1024,
    EDIT_PADDING_BYTE = 0xff,
    EDIT_NO_CALL_ID = -2
};

/* ---- the words of ops.def ---- */
struct edit_block {
    uint64_t id, length, genstamp;
};
struct edit_block_list {
    struct edit_block *at;
    uint32_t count;
};
struct edit_rpc_ids { /* of an at-most-once call; an empty client id otherwise */
    struct slice client_id;
    int32_t call_id;
};
struct edit_permission {
    struct slice user, group;
    uint16_t mode;
};
struct edit_acl_entry {
    uint8_t scope, type, access; /* as acl_scope, acl_type, acl_access */
    struct slice name;           /* empty: none */
};
struct edit_acl_list { /* the complete ACL: owner, named, group, mask, other, defaults */
    struct edit_acl_entry *at;
    uint32_t count;
};
struct edit_xattr {
    uint8_t space;
    struct slice name, value; /* value.data NULL: no value */
};
struct edit_xattr_list {
    struct slice src; /* the path, where the record has no other */
    struct edit_xattr *at;
    uint32_t count;
};
struct edit_acl_record {
    struct slice src;
    struct edit_acl_list entries;
};
struct edit_string_list {
    struct slice *at;
    uint32_t count;
};
struct edit_token_id {
    struct slice owner, renewer, real_user;
    uint64_t issue_date, max_date;
    uint32_t sequence, master_key;
};
struct edit_key {
    uint32_t id;
    uint64_t expiry;
    bool has_key;
    struct slice key;
};
struct edit_directive { /* flags: 1 path, 2 replication, 4 pool, 8 expiry */
    uint64_t id;
    uint32_t flags;
    struct slice path, pool;
    uint16_t replication;
    uint64_t expiry;
};
struct edit_pool { /* flags: 1 owner, 2 group, 4 mode, 8 limit, 16 max expiry, 32 default
                      replication */
    struct slice name;
    uint32_t flags;
    struct slice owner, group;
    uint16_t mode;
    uint64_t limit, max_expiry;
    uint16_t replication;
};
struct edit_ec_schema {
    struct slice codec;
    uint32_t data_units, parity_units, cell_size;
    struct edit_string_list options; /* key, value, key, value .. */
};
enum { RENAME_NONE = 0, RENAME_OVERWRITE = 1, RENAME_TO_TRASH = 2 }; /* bytes of `options` */

typedef uint64_t edit_u64;
typedef uint32_t edit_u32;
typedef uint16_t edit_u16;
typedef uint8_t edit_u8;
typedef bool edit_bool;
typedef uint8_t edit_ec_policy;      /* from layout version -64 on */
typedef uint64_t edit_snapshot_time; /* from -66 on */
typedef struct slice edit_str;       /* UTF-8 here, Java's CESU-8 in the file */
typedef struct slice edit_options;
typedef struct edit_string_list edit_strs;
typedef struct edit_block_list edit_blocks;      /* compact: deltas */
typedef struct edit_block_list edit_wide_blocks; /* fixed width */
typedef struct edit_permission edit_perm;
typedef struct edit_acl_list edit_acl;
typedef struct edit_acl_record edit_acl_log;
typedef struct edit_xattr_list edit_xattrs;
typedef struct edit_rpc_ids edit_rpc;
typedef struct edit_token_id edit_token;
typedef struct edit_key edit_master_key;
typedef struct edit_directive edit_directive;
typedef struct edit_pool edit_cache_pool;
typedef struct edit_ec_schema edit_ec_schema;

enum edit_code {
#define OP(code, name, fields) OP_##name = (code),
    EDIT_OPS(OP)
#undef OP
};

#define F(type, name) edit_##type name;
#define OP(code, name, fields) \
    struct op_##name {         \
        char empty_[0];        \
        fields                 \
    };
EDIT_OPS(OP)
#undef OP
#undef F

/* One record. Slices belong to whoever filled it (a call's arena, or the arena given to edit_read).
 */
struct edit {
    uint64_t txid;
    uint8_t code; /* enum edit_code */
    union {
#define OP(code, name, fields) struct op_##name name;
        EDIT_OPS(OP)
#undef OP
    };
};

const char *edit_op_name(int code); /* "mkdir"; NULL: unknown */

/* ---- bytes ---- */
/* Appends the whole record (opcode .. CRC) with e->txid to out; on error out is as before. */
int edit_encode(struct buf *out, const struct edit *e, struct err *err);
/* The 8 bytes at the start of a segment. */
int edit_encode_header(struct buf *out);

/* Reads a segment that lies in memory. */
struct edit_reader {
    struct slice bytes;
    size_t offset;      /* of the next record, from the start of the segment */
    uint64_t next_txid; /* the id that must come next; 0: whatever comes first */
    int32_t layout_version;
};

/* Checks the header. ERR_EOF: too short (a segment that was just being made). ERR_VERSION: a layout
 * that we don't read. */
int edit_reader_init(struct edit_reader *r, const void *data, size_t size, uint64_t first_txid,
                     struct err *err);

enum edit_read_result { EDIT_READ_END = 0, EDIT_READ_ONE = 1 };
/* EDIT_READ_ONE: *ret holds the record (memory in arena, which the caller resets). EDIT_READ_END:
 * exact end, or nothing but padding follows. Negative, with offset and transaction id in the text,
 * and r->offset at the bad record: ERR_EOF      torn tail: the record is incomplete or damaged and
 * no valid later record follows. In the last segment it may be cut off at r->offset. ERR_CORRUPT
 * damaged, yet valid records follow; or a gap in the ids; or a body that doesn't parse although its
 *                checksum is right.
 *   ERR_NO_MEMORY */
int edit_read(struct edit_reader *r, struct arena *arena, struct edit *ret, struct err *err);
/* The same without decoding bodies: for finding the end of a segment. *ret_txid is the record's. */
int edit_scan(struct edit_reader *r, uint64_t *ret_txid, uint8_t *ret_code, struct err *err);

/* One line of text (XML as Hadoop's offline viewer shows it, roughly) for debugging. */
int edit_dump(struct buf *out, const struct edit *e);
/* A random well-formed record, for tests; memory from arena. */
void edit_random(struct rng *rng, struct arena *arena, struct edit *ret);

/* ---- effects ---- */
/* Applies e, whose txid must be nn->last_txid + 1, and sets nn->last_txid. Refuses
 * (ERR_UNSUPPORTED, naming op and txid) what belongs to features that aren't there: snapshots,
 * rolling upgrades. After an error the state must not be used any more, unless
 * the error is ERR_UNSUPPORTED. */
int edit_apply(struct nn *nn, const struct edit *e, struct err *err);

/* ---- filling records from the state, for handlers ---- */
/* Paths are r->text; nothing is copied. */
void edit_from_perm(const struct ns *ns, handle_t h, struct edit_permission *ret);
/* The complete ACL of h as a record carries it; count 0 when it has none. */
int edit_from_acl(const struct ns *ns, handle_t h, struct arena *arena, struct edit_acl_list *ret);
/* All blocks of a file as they stand. */
int edit_from_blocks(const struct nn *nn, handle_t file, struct arena *arena,
                     struct edit_block_list *ret);
/* ADD of a new file; the ACL that it inherits from its parent is filled in, and mode and umask
 * handled as Hadoop does: mode is what results without a default ACL, unmasked (or -1) what the
 * client sent before its umask. */
struct edit_new_file {
    uint64_t now_ms, block_size;
    uint16_t replication, mode;
    int unmasked;
    struct slice user, client, machine; /* the group is the parent's */
    uint8_t policy, ec;
    bool overwrite;
    struct edit_rpc_ids rpc;
};
int edit_for_add(const struct nn *nn, const struct resolved *r, const struct edit_new_file *f,
                 struct arena *arena, struct edit *ret);
/* MKDIR of the first `depth` components of r, whose parent (depth - 1) exists; after each commit
 * call ns_resolve_more to make r see it. The group is the parent's; an inherited ACL is filled in.
 */
int edit_for_mkdir(const struct nn *nn, const struct resolved *r, uint32_t depth, struct slice user,
                   uint16_t mode, int unmasked, uint64_t now_ms, struct arena *arena,
                   struct edit *ret);
/* ADD_BLOCK: `previous` (NULL for the first block) with its final length and stamp, then the new
 * one. */
int edit_for_add_block(const struct nn *nn, const char *path, const struct edit_block *previous,
                       const struct edit_block *last, struct edit_rpc_ids rpc, struct arena *arena,
                       struct edit *ret);
/* UPDATE_BLOCKS with the list as it stands, `last` (may be NULL) in place of the last one; or
 * without the last one. */
int edit_for_update_blocks(const struct nn *nn, const char *path, handle_t file,
                           const struct edit_block *last, bool drop_last, struct edit_rpc_ids rpc,
                           struct arena *arena, struct edit *ret);
/* CLOSE with the list as it stands, the last block with the given final length and stamp if last
 * isn't NULL. */
int edit_for_close(const struct nn *nn, const char *path, handle_t file,
                   const struct edit_block *last, uint64_t mtime_ms, struct arena *arena,
                   struct edit *ret);
