/* call.h - what the rooms of handlers/ share: checks, answers, the tables. Thread: state. */
#pragma once
#include "client.pb-c.h"
#include "datanode.pb-c.h"
#include "hdfs.pb-c.h"
#include "namenode/blocks/blocks.h"
#include "namenode/handlers/handlers.h"
#include "namenode/handlers/served.def"
#include "namenode/journal/journal.h"
#include "namenode/namespace/namespace.h"
#include "namenode/nodes/nodes.h"

typedef int handler_fn(struct call *c);

/* Declares `var`, an empty message of the call's arena. */
#define NEW(c, type, stem, var)                              \
    type *var = arena_alloc(&(c)->rpc->arena, sizeof(type)); \
    if (var == NULL)                                         \
        return call_no_memory(c);                            \
    stem##__init(var)

/* Declares `res`, the call's response. */
#define RESPOND(c, type, stem) \
    NEW(c, type, stem, res);   \
    (c)->response = &res->base

#define REQUEST(c, type) const type *req = (const type *)(c)->rpc->request

static inline struct nn *nn_of(const struct call *c)
{
    return c->env->nn;
}
static inline struct ns *ns_of(const struct call *c)
{
    return c->env->nn->ns;
}
static inline struct blocks *blocks_of(const struct call *c)
{
    return c->env->nn->blocks;
}
static inline struct arena *arena_of(struct call *c)
{
    return &c->rpc->arena;
}

/* call.c */
struct ns_limits call_limits(const struct call *c); /* of names and directories */
int call_no_memory(struct call *c);
/* ERR_SAFE_MODE "<what> <path>. Name node is in safe mode.\n<tip>" while it is on. */
int call_check_safe_mode(struct call *c, const char *what, const char *path);
int call_check_superuser(struct call *c);
int call_check_superuser_for(struct call *c, const char *operation); /* as the message says it */
/* NULL while permissions are switched off. *store keeps it. */
const struct ns_caller *call_caller(const struct call *c, struct ns_caller *store);
int call_resolve(struct call *c, const char *path, enum path_op op, struct resolved *ret);
int call_check_access(struct call *c, const struct resolved *r, struct ns_want want);
int call_commit(struct call *c, struct edit *e);
/* "/.reserved" itself can't be changed: ERR_INVALID_PATH. */
int call_check_not_reserved(struct call *c, const char *path);
/* r must exist and belong to the caller. */
int call_check_owner(struct call *c, const struct resolved *r);
/* r must exist: ERR_NOT_FOUND "cannot find P", the text of what reads or sets attributes. */
int call_check_found(struct call *c, const struct resolved *r);
struct edit_rpc_ids call_rpc_ids(const struct call *c);
/* In the name space security; see attr/xattr.c. */
#define XATTR_UNREADABLE "hdfs.unreadable.by.superuser"
/* The mode before the umask that a request tells, -1: none, or it doesn't count. */
int call_unmasked(const struct call *c, const Hdfs__FsPermission *unmasked, uint32_t bits);
/* Makes the missing directories of r above component `depth` (and that one too if with_last). */
int call_make_dirs(struct call *c, struct resolved *r, uint32_t depth, uint16_t mode, int unmasked);
/* The block pool that a client names must be ours. */
int call_check_pool(struct call *c, const Hdfs__ExtendedBlock *block);
/* again.c */
struct retry_answer;
/* Marked ONCE in methods.def: its ids are kept, and a repetition gets the first answer. */
bool call_is_once(const struct call *c);
bool call_is_repeated(const struct call *c, struct retry_answer *ret);
int call_answer_again(struct call *c, const struct retry_answer *first);
int call_append_again(struct call *c); /* file/append.c */
int call_ec_add_again(struct call *c); /* admin/ec_admin.c */
/* audited.c: sets c->audit if the call belongs into the audit log; rc is the handler's. */
void call_audit(struct call *c, int rc);
/* protect.c: ACLs and attributes may be switched off. */
int call_check_enabled(struct call *c);
/* fs.protected.directories: what isn't empty there must not be deleted or renamed. */
int call_check_protected(struct call *c, const struct resolved *r);
/* attr/policy.c: storage policies by name, whatever its case: ERR_ILLEGAL_ARGUMENT. */
enum { POLICY_HOT = 7, POLICY_LAZY_PERSIST = 15 };
int call_policy_named(struct call *c, const char *name, uint8_t *ret_id);
/* admin/hosts.c */
/* Whether the lists of hosts let it join: ERR_DISALLOWED_NODE. */
int call_check_included(struct call *c, const char *address, uint32_t port, const char *shown);
/* What the lists want of a node happens. */
int call_apply_hosts(struct call *c, uint32_t node);
/* Hosts that are named and were never heard of: at most max, those beyond are left out. */
int call_unheard_hosts(struct call *c, Hdfs__DatanodeInfo **ret, size_t max, size_t *ret_count);
size_t call_hosts_count(const struct call *c);
/* admin/ec.c */
struct kept_ec_policy;
/* The policy of a striped file, or the one that new files in a directory get; NULL: replicated. */
const struct kept_ec_policy *call_ec_policy(const struct call *c, handle_t h);
/* An enabled one; NULL for "replication". ERR_ILLEGAL_ARGUMENT. */
int call_ec_policy_named(struct call *c, const char *name, const struct kept_ec_policy **ret);
int call_ec_message(struct call *c, const struct kept_ec_policy *p,
                    Hdfs__ErasureCodingPolicy **ret);
const char *call_ec_text(struct call *c, const struct kept_ec_policy *p); /* as Java shows it */
/* All or those that are enabled, by name; and their names with commas. */
int call_ec_sorted(struct call *c, bool enabled, const struct kept_ec_policy ***ret,
                   size_t *ret_count);
const char *call_ec_names(struct call *c, const struct kept_ec_policy *const *policies,
                          size_t count);
/* file/create.c: within the configured minimum and maximum; client may be NULL. */
int call_check_replication(struct call *c, uint32_t asked, const char *path, const char *client);

/* attr/quota.c: before room is taken. ERR_NS_QUOTA, ERR_DS_QUOTA, ERR_TYPE_QUOTA. */
/* One inode more: the first missing component of r (or its last one). */
int call_check_new_quota(struct call *c, const struct resolved *r);
/* `bytes` more in an existing file: a new block counts in full, an append from the end of the last
 * block to its full size. */
int call_check_space_quota(struct call *c, const struct resolved *file, int64_t bytes);
int call_check_replication_quota(struct call *c, const struct resolved *file, uint32_t replication);

/* status.c: the shared answers, built in the call's arena */
int status_of(struct call *c, handle_t inode, struct slice name, bool locations,
              Hdfs__HdfsFileStatus **ret);
int status_datanode(struct call *c, uint32_t node, Hdfs__DatanodeInfo **ret);
int status_located_block(struct call *c, const struct block_info *info, uint64_t offset,
                         const uint32_t *storages, size_t count, bool corrupt,
                         Hdfs__LocatedBlock **ret);
/* Makes it one of a group: indices[i] is that of locs[i], if there is such a location. */
int status_add_units(struct call *c, const uint8_t *indices, size_t count,
                     Hdfs__LocatedBlock *located);
int status_located_blocks(struct call *c, handle_t file, uint64_t offset, uint64_t length,
                          Hdfs__LocatedBlocks **ret);
int status_empty_token(struct call *c, Rpc__Token **ret);

#define H(name) handler_fn fs_##name;
SERVED_CLIENT_METHODS(H)
#undef H
#define H(name) handler_fn dn_##name;
SERVED_DATANODE_METHODS(H)
#undef H
handler_fn dn_sendLifeline; /* of the protocol for lifelines */
#define H(name) handler_fn np_##name;
SERVED_NAMENODE_METHODS(H)
#undef H
