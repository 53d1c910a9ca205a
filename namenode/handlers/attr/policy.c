/* policy.c - storage policies: known by name; placement doesn't look at them. */
#include <strings.h>

#include "namenode/handlers/call.h"

#define T(type) HDFS__STORAGE_TYPE__##type
static const struct storage_policy {
    uint8_t id;
    const char *name;
    Hdfs__StorageType creation[2], creation_fallback[2], replication_fallback[2]; /* 0 ends */
} policies[] = {
    {1, "PROVIDED", {T(PROVIDED), T(DISK)}, {T(PROVIDED), T(DISK)}, {T(PROVIDED), T(DISK)}},
    {2, "COLD", {T(ARCHIVE)}, {0}, {0}},
    {5, "WARM", {T(DISK), T(ARCHIVE)}, {T(DISK), T(ARCHIVE)}, {T(DISK), T(ARCHIVE)}},
    {7, "HOT", {T(DISK)}, {0}, {T(ARCHIVE)}},
    {10, "ONE_SSD", {T(SSD), T(DISK)}, {T(SSD), T(DISK)}, {T(SSD), T(DISK)}},
    {12, "ALL_SSD", {T(SSD)}, {T(DISK)}, {T(DISK)}},
    {14, "ALL_NVDIMM", {T(NVDIMM)}, {T(DISK)}, {T(DISK)}},
    {15, "LAZY_PERSIST", {T(RAM_DISK), T(DISK)}, {T(DISK)}, {T(DISK)}},
};
#undef T

static int types_of(struct call *c, const Hdfs__StorageType types[2], Hdfs__StorageTypes **ret)
{
    NEW(c, Hdfs__StorageTypes, hdfs__storage_types, message);
    message->storage_types = (Hdfs__StorageType *)types;
    while (message->n_storage_types < 2 && types[message->n_storage_types] != 0)
        message->n_storage_types++;
    *ret = message;
    return 0;
}

static int policy_message(struct call *c, const struct storage_policy *p,
                          Hdfs__BlockStoragePolicy **ret)
{
    NEW(c, Hdfs__BlockStoragePolicy, hdfs__block_storage_policy, message);
    message->policy_id = p->id;
    message->name = (char *)p->name;
    TRY(types_of(c, p->creation, &message->creation_policy));
    TRY(types_of(c, p->creation_fallback, &message->creation_fallback_policy));
    TRY(types_of(c, p->replication_fallback, &message->replication_fallback_policy));
    *ret = message;
    return 0;
}

int fs_getStoragePolicies(struct call *c)
{
    RESPOND(c, Cp__GetStoragePoliciesResponse, cp__get_storage_policies_response);
    res->policies = arena_array(arena_of(c), Hdfs__BlockStoragePolicy *, ARRAY_SIZE(policies));
    if (res->policies == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        TRY(policy_message(c, &policies[i], &res->policies[i]));
    res->n_policies = ARRAY_SIZE(policies);
    return 0;
}

static const struct storage_policy *policy_at(unsigned id)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (policies[i].id == id)
            return &policies[i];
    return NULL;
}

int call_policy_named(struct call *c, const char *name, uint8_t *ret_id)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (strcasecmp(policies[i].name, name) == 0) {
            *ret_id = policies[i].id;
            return 0;
        }
    return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "Cannot find a block policy with the name %s", name);
}

int fs_getStoragePolicy(struct call *c)
{
    REQUEST(c, Cp__GetStoragePolicyRequest);
    RESPOND(c, Cp__GetStoragePolicyResponse, cp__get_storage_policy_response);
    struct resolved r;
    TRY(call_resolve(c, req->path, PATH_READ_LINK, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    handle_t h = resolved_last(&r);
    if (h == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory does not exist: %s", r.text);
    if (ns_inode(ns_of(c), h)->type == INODE_SYMLINK)
        return fail(&c->err, ERR_UNSUPPORTED, "Storage policy are not supported on symlinks");
    uint8_t id = ns_effective_policy(ns_of(c), h);
    const struct storage_policy *p = policy_at(id == 0 ? POLICY_HOT : id);
    if (p == NULL)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s has the unknown storage policy %u", r.text,
                    id);
    return policy_message(c, p, &res->storage_policy);
}

/* ---- setting ---- */

static const char *type_names(struct call *c, const Hdfs__StorageType types[2])
{
    const char *first =
        protobuf_c_enum_descriptor_get_value(&hdfs__storage_type__descriptor, (int)types[0])->name;
    if (types[1] == 0)
        return first;
    return arena_printf(
        arena_of(c), "%s, %s", first,
        protobuf_c_enum_descriptor_get_value(&hdfs__storage_type__descriptor, (int)types[1])->name);
}

/* A policy that a file gets when it is made, and keeps, can neither be set nor changed later. */
static int check_file_policy(struct call *c, handle_t file, uint8_t id)
{
    const struct storage_policy *p = policy_at(id);
    if (id == POLICY_LAZY_PERSIST)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Policy BlockStoragePolicy{%s:%u, storageTypes=[%s], creationFallbacks=[%s], "
                    "replicationFallbacks=[%s]} cannot be set after file creation.",
                    p->name, p->id, type_names(c, p->creation), type_names(c, p->creation_fallback),
                    type_names(c, p->replication_fallback));
    if (ns_local_policy(ns_of(c), file) == POLICY_LAZY_PERSIST)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Existing policy LAZY_PERSIST cannot be changed after file creation.");
    return 0;
}

/* id 0: back to what the parent has. */
static int set_policy(struct call *c, const char *path, uint8_t id)
{
    struct resolved r;
    TRY(call_resolve(c, path, PATH_WRITE, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_WRITE}));
    handle_t h = resolved_last(&r);
    if (h == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory does not exist: %s", r.text);
    if (inode_is_file(ns_inode(ns_of(c), h)))
        TRY(check_file_policy(c, h, id));
    struct edit e = {.code = OP_set_storage_policy};
    e.set_storage_policy.path = slice_of(r.text);
    e.set_storage_policy.policy = id;
    return call_commit(c, &e);
}

int fs_setStoragePolicy(struct call *c)
{
    REQUEST(c, Cp__SetStoragePolicyRequest);
    RESPOND(c, Cp__SetStoragePolicyResponse, cp__set_storage_policy_response);
    uint8_t id;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot set storage policy for ", req->src));
    TRY(call_policy_named(c, req->policy_name, &id));
    return set_policy(c, req->src, id);
}

int fs_unsetStoragePolicy(struct call *c)
{
    REQUEST(c, Cp__UnsetStoragePolicyRequest);
    RESPOND(c, Cp__UnsetStoragePolicyResponse, cp__unset_storage_policy_response);
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot unset storage policy for ", req->src));
    return set_policy(c, req->src, 0);
}

int fs_satisfyStoragePolicy(struct call *c)
{
    return fail(
        &c->err, ERR_UNSUPPORTED_ACTION,
        "Cannot request to satisfy storage policy when storage policy satisfier feature has "
        "been disabled by admin. Seek for an admin help to enable it or use Mover tool.");
}
