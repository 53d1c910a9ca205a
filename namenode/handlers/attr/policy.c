/* policy.c - storage policies: known by name; placement doesn't look at them. */
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

int fs_getStoragePolicy(struct call *c)
{
    enum { HOT = 7 };
    REQUEST(c, Cp__GetStoragePolicyRequest);
    RESPOND(c, Cp__GetStoragePolicyResponse, cp__get_storage_policy_response);
    struct resolved r;
    TRY(call_resolve(c, req->path, PATH_READ, &r));
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "File/Directory does not exist: %s", r.text);
    uint8_t id = ns_effective_policy(ns_of(c), resolved_last(&r));
    if (id == 0)
        id = HOT;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (policies[i].id == id)
            return policy_message(c, &policies[i], &res->storage_policy);
    return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s has the unknown storage policy %u", r.text, id);
}
