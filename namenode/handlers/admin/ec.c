/* ec.c - erasure coding policies: what the image has of them is told. No file is striped here. */
#include <stdlib.h>

#include "namenode/handlers/call.h"
#include "namenode/state/state.h"

enum { EC_DISABLED = 1, EC_ENABLED = 2 };

bool call_ec_policy_enabled(const struct kept_ec_policy *p)
{
    return p->state == EC_ENABLED ||
           (p->state == EC_DISABLED && strcmp(p->name, "RS-6-3-1024k") == 0);
}

static int schema_options(struct call *c, const struct kept_ec_policy *p, Hdfs__ECSchema *schema)
{
    schema->options = arena_array(arena_of(c), Hdfs__ECSchemaOptionEntry *, p->option_count);
    if (schema->options == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < p->option_count; i++) {
        NEW(c, Hdfs__ECSchemaOptionEntry, hdfs__ecschema_option_entry, option);
        option->key = (char *)p->options[2 * i];
        option->value = (char *)p->options[2 * i + 1];
        schema->options[schema->n_options++] = option;
    }
    return 0;
}

static int policy_message(struct call *c, const struct kept_ec_policy *p,
                          Hdfs__ErasureCodingPolicy **ret)
{
    NEW(c, Hdfs__ErasureCodingPolicy, hdfs__erasure_coding_policy, policy);
    NEW(c, Hdfs__ECSchema, hdfs__ecschema, schema);
    policy->id = p->id;
    policy->name = (char *)p->name;
    policy->has_cell_size = policy->has_state = true;
    policy->cell_size = p->cell_size;
    policy->state = call_ec_policy_enabled(p) ? HDFS__ERASURE_CODING_POLICY_STATE__ENABLED
                                              : (Hdfs__ErasureCodingPolicyState)p->state;
    schema->codec_name = (char *)p->codec;
    schema->data_units = p->data_units;
    schema->parity_units = p->parity_units;
    TRY(schema_options(c, p, schema));
    policy->schema = schema;
    *ret = policy;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const Hdfs__ErasureCodingPolicy *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

int fs_getErasureCodingPolicies(struct call *c)
{
    RESPOND(c, Cp__GetErasureCodingPoliciesResponse, cp__get_erasure_coding_policies_response);
    const struct kept *kept = nn_of(c)->kept;
    res->ec_policies = arena_array(arena_of(c), Hdfs__ErasureCodingPolicy *, kept->policy_count);
    if (res->ec_policies == NULL)
        return call_no_memory(c);
    for (; res->n_ec_policies < kept->policy_count; res->n_ec_policies++)
        TRY(policy_message(c, &kept->policies[res->n_ec_policies],
                           &res->ec_policies[res->n_ec_policies]));
    if (res->n_ec_policies > 0)
        qsort(res->ec_policies, res->n_ec_policies, sizeof(*res->ec_policies), by_name);
    return 0;
}

/* The policy of a striped file, or of the nearest directory that has one. */
static const struct kept_ec_policy *policy_of(const struct call *c, handle_t h)
{
    const struct inode *i = ns_inode(ns_of(c), h);
    if (inode_is_file(i))
        return i->file.ec == 0 ? NULL : kept_find_policy_id(nn_of(c)->kept, i->file.ec);
    if (!inode_is_dir(i))
        return NULL;
    char name[64];
    struct slice text = ns_ec_policy_name(ns_of(c), h);
    if (text.size == 0 || text.size >= sizeof(name))
        return NULL;
    memcpy(name, text.data, text.size);
    name[text.size] = '\0';
    return kept_find_policy(nn_of(c)->kept, name);
}

int fs_getErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__GetErasureCodingPolicyRequest);
    RESPOND(c, Cp__GetErasureCodingPolicyResponse, cp__get_erasure_coding_policy_response);
    struct resolved r;
    if (path_is_reserved(req->src))
        return 0;
    TRY(call_resolve(c, req->src, PATH_READ, &r));
    TRY(call_check_access(c, &r, (struct ns_want){.target = ACCESS_READ}));
    if (r.depth > 0 && slice_equal(resolved_name(&r), slice_of(".snapshot")))
        return 0;
    if (resolved_last(&r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Path not found: %s", req->src);
    const struct kept_ec_policy *p = policy_of(c, resolved_last(&r));
    return p == NULL ? 0 : policy_message(c, p, &res->ec_policy);
}

int fs_getErasureCodingCodecs(struct call *c)
{
    RESPOND(c, Cp__GetErasureCodingCodecsResponse, cp__get_erasure_coding_codecs_response);
    (void)res; /* no coder is built in */
    return 0;
}
