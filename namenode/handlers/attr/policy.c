/* policy.c - storage policies by name: told, set, taken off. What they mean is in
 * namenode/placement. */
#include <strings.h>

#include "namenode/handlers/call.h"

static int types_of(struct call *c, const uint8_t types[3], Hdfs__StorageTypes **ret)
{
    NEW(c, Hdfs__StorageTypes, hdfs__storage_types, message);
    message->storage_types = arena_array(arena_of(c), Hdfs__StorageType, 3);
    if (message->storage_types == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < 3 && types[i] != 0; i++)
        message->storage_types[message->n_storage_types++] = (Hdfs__StorageType)types[i];
    *ret = message;
    return 0;
}

static int policy_message(struct call *c, const struct storage_policy *p,
                          Hdfs__BlockStoragePolicy **ret)
{
    NEW(c, Hdfs__BlockStoragePolicy, hdfs__block_storage_policy, message);
    message->policy_id = p->id;
    message->name = (char *)p->name;
    TRY(types_of(c, p->types, &message->creation_policy));
    TRY(types_of(c, p->creation_fallbacks, &message->creation_fallback_policy));
    TRY(types_of(c, p->replication_fallbacks, &message->replication_fallback_policy));
    *ret = message;
    return 0;
}

int fs_getStoragePolicies(struct call *c)
{
    RESPOND(c, Cp__GetStoragePoliciesResponse, cp__get_storage_policies_response);
    size_t count = 0;
    while (storage_policy_list(count) != NULL)
        count++;
    res->policies = arena_array(arena_of(c), Hdfs__BlockStoragePolicy *, count);
    if (res->policies == NULL)
        return call_no_memory(c);
    for (; res->n_policies < count; res->n_policies++)
        TRY(policy_message(c, storage_policy_list(res->n_policies),
                           &res->policies[res->n_policies]));
    return 0;
}

int call_policy_named(struct call *c, const char *name, uint8_t *ret_id)
{
    const struct storage_policy *p;
    for (size_t i = 0; (p = storage_policy_list(i)) != NULL; i++)
        if (strcasecmp(p->name, name) == 0) {
            *ret_id = p->id;
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
    const struct storage_policy *p = storage_policy_at(id);
    if (p == NULL)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s has the unknown storage policy %u", r.text,
                    id);
    return policy_message(c, p, &res->storage_policy);
}

/* ---- setting ---- */

static const char *type_names(struct call *c, const uint8_t types[3])
{
    if (types[0] == 0)
        return "";
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
    const struct storage_policy *p = storage_policy_at(id);
    if (id == POLICY_LAZY_PERSIST)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "Policy BlockStoragePolicy{%s:%u, storageTypes=[%s], creationFallbacks=[%s], "
                    "replicationFallbacks=[%s]} cannot be set after file creation.",
                    p->name, p->id, type_names(c, p->types), type_names(c, p->creation_fallbacks),
                    type_names(c, p->replication_fallbacks));
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
