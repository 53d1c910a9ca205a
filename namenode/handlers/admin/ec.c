/* ec.c - erasure coding policies of files and directories: which one counts, how it is told, set
 * and unset. What changes the policies themselves is in ec_admin.c. Thread: state. */
#include <stdlib.h>
#include <strings.h>

#include "namenode/handlers/call.h"
#include "namenode/state/state.h"

#define EC_XATTR "hdfs.erasurecoding.policy"
static const char replication[] = "replication";

static int schema_options(struct call *c, const struct kept_ec_policy *p, Hdfs__ECSchema *schema)
{
    schema->options = arena_array(arena_of(c), Hdfs__ECSchemaOptionEntry *, p->option_count);
    if (schema->options == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i + 1 < p->option_count; i += 2) {
        NEW(c, Hdfs__ECSchemaOptionEntry, hdfs__ecschema_option_entry, option);
        option->key = (char *)p->options[i];
        option->value = (char *)p->options[i + 1];
        schema->options[schema->n_options++] = option;
    }
    return 0;
}

int call_ec_message(struct call *c, const struct kept_ec_policy *p, Hdfs__ErasureCodingPolicy **ret)
{
    NEW(c, Hdfs__ErasureCodingPolicy, hdfs__erasure_coding_policy, policy);
    policy->id = p->id;
    *ret = policy;
    if (p->id != 0 && p->id < KEPT_EC_FIRST_OWN) /* built in: everybody knows it by its number */
        return 0;
    NEW(c, Hdfs__ECSchema, hdfs__ecschema, schema);
    policy->name = (char *)p->name;
    policy->has_cell_size = true;
    policy->cell_size = p->cell_size;
    schema->codec_name = (char *)p->codec;
    schema->data_units = p->data_units;
    schema->parity_units = p->parity_units;
    policy->schema = schema;
    return schema_options(c, p, schema);
}

static int by_name(const void *a, const void *b)
{
    const struct kept_ec_policy *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

int call_ec_sorted(struct call *c, bool enabled, const struct kept_ec_policy ***ret,
                   size_t *ret_count)
{
    const struct kept *kept = nn_of(c)->kept;
    *ret_count = 0;
    *ret = arena_array(arena_of(c), const struct kept_ec_policy *, kept->policy_count + 1);
    if (*ret == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < kept->policy_count; i++)
        if (!enabled || kept_ec_enabled(kept, &kept->policies[i]))
            (*ret)[(*ret_count)++] = &kept->policies[i];
    qsort(*ret, *ret_count, sizeof(**ret), by_name);
    return 0;
}

const char *call_ec_names(struct call *c, const struct kept_ec_policy *const *policies,
                          size_t count)
{
    const char *list = "";
    for (size_t i = 0; i < count && list != NULL; i++)
        list = arena_printf(arena_of(c), "%s%s%s", list, i == 0 ? "" : ", ", policies[i]->name);
    return list == NULL ? "" : list;
}

int call_ec_policy_named(struct call *c, const char *name, const struct kept_ec_policy **ret)
{
    const struct kept *kept = nn_of(c)->kept;
    const struct kept_ec_policy *p = kept_find_policy(kept, name), **enabled;
    size_t count;
    if (p != NULL && kept_ec_enabled(kept, p)) {
        *ret = p;
        return 0;
    }
    if (strcasecmp(name, replication) == 0) {
        *ret = NULL;
        return 0;
    }
    TRY(call_ec_sorted(c, true, &enabled, &count));
    return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                "Policy '%s' does not match any enabled erasure coding policies: [%s]. An erasure "
                "coding policy can be enabled by enableErasureCodingPolicy API.",
                name, call_ec_names(c, enabled, count));
}

/* The name may be of a policy that is disabled or removed by now: it counts all the same. */
const struct kept_ec_policy *call_ec_policy(const struct call *c, handle_t h)
{
    const struct inode *i = ns_inode(ns_of(c), h);
    if (inode_is_file(i))
        return i->file.ec == 0 ? NULL : kept_find_policy_id(nn_of(c)->kept, i->file.ec);
    if (!inode_is_dir(i))
        return NULL;
    char name[128];
    struct slice text = ns_ec_policy_name(ns_of(c), h);
    if (text.size == 0 || text.size >= sizeof(name))
        return NULL;
    memcpy(name, text.data, text.size);
    name[text.size] = '\0';
    return kept_find_policy(nn_of(c)->kept, name);
}

const char *call_ec_text(struct call *c, const struct kept_ec_policy *p)
{
    const char *text = arena_printf(
        arena_of(c),
        "ErasureCodingPolicy=[Name=%s, Schema=[ECSchema=[Codec=%s, numDataUnits=%u, "
        "numParityUnits=%u%s",
        p->name, p->codec, p->data_units, p->parity_units, p->option_count > 1 ? ", " : "");
    for (uint32_t i = 0; i + 1 < p->option_count && text != NULL; i += 2)
        text = arena_printf(arena_of(c), "%s%s%s=%s", text, i == 0 ? "" : ", ", p->options[i],
                            p->options[i + 1]);
    if (text != NULL)
        text = arena_printf(arena_of(c), "%s]], CellSize=%u, Id=%u]", text, p->cell_size, p->id);
    return text == NULL ? p->name : text;
}

/* ---- questions ---- */

int fs_getErasureCodingPolicies(struct call *c)
{
    RESPOND(c, Cp__GetErasureCodingPoliciesResponse, cp__get_erasure_coding_policies_response);
    const struct kept_ec_policy **all;
    size_t count;
    TRY(call_ec_sorted(c, false, &all, &count));
    res->ec_policies = arena_array(arena_of(c), Hdfs__ErasureCodingPolicy *, count + 1);
    if (res->ec_policies == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        TRY(call_ec_message(c, all[i], &res->ec_policies[i]));
        res->ec_policies[i]->has_state = true;
        res->ec_policies[i]->state =
            (Hdfs__ErasureCodingPolicyState)kept_ec_state(nn_of(c)->kept, all[i]);
    }
    res->n_ec_policies = count;
    return 0;
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
    const struct kept_ec_policy *p = call_ec_policy(c, resolved_last(&r));
    return p == NULL ? 0 : call_ec_message(c, p, &res->ec_policy);
}

/* In the order of Hadoop's answer. */
int fs_getErasureCodingCodecs(struct call *c)
{
    static const struct {
        const char *codec, *coders;
    } codecs[] = {{"rs", "rs_native"}, {"rs-legacy", "rs-legacy_native"}, {"xor", "xor_native"}};
    RESPOND(c, Cp__GetErasureCodingCodecsResponse, cp__get_erasure_coding_codecs_response);
    res->codec = arena_array(arena_of(c), Hdfs__Codec *, ARRAY_SIZE(codecs));
    if (res->codec == NULL)
        return call_no_memory(c);
    for (; res->n_codec < ARRAY_SIZE(codecs); res->n_codec++) {
        NEW(c, Hdfs__Codec, hdfs__codec, codec);
        codec->codec = (char *)codecs[res->n_codec].codec;
        codec->coders = (char *)codecs[res->n_codec].coders;
        res->codec[res->n_codec] = codec;
    }
    return 0;
}

/* ---- a directory's own policy ---- */

/* A length and the name, as Java's WritableUtils writes a string. */
static int attribute_of(struct call *c, const char *name, struct slice *ret)
{
    size_t size = strlen(name);
    uint8_t *value = arena_alloc(arena_of(c), 4 + size);
    if (value == NULL)
        return call_no_memory(c);
    for (int i = 0; i < 4; i++)
        value[i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(value + 4, name, size);
    *ret = (struct slice){value, 4 + size};
    return 0;
}

static int resolve_dir(struct call *c, const char *src, const char *not_dir, struct resolved *r)
{
    TRY(call_resolve(c, src, PATH_WRITE_LINK, r));
    TRY(call_check_access(c, r, (struct ns_want){.target = ACCESS_WRITE}));
    if (resolved_last(r) == 0)
        return fail(&c->err, ERR_NOT_FOUND, "Path not found: %s", r->text);
    if (!inode_is_dir(ns_inode(ns_of(c), resolved_last(r))))
        return fail(&c->err, ERR_IO, "%s a file %s", not_dir, r->text);
    return 0;
}

static int commit_attribute(struct call *c, const struct resolved *r, uint8_t code,
                            struct slice value)
{
    struct edit_xattr one = {.space = XATTR_SYSTEM, .name = slice_of(EC_XATTR), .value = value};
    struct edit_xattr_list list = {.src = slice_of(r->text), .at = &one, .count = 1};
    struct edit e = {.code = code};
    if (code == OP_set_xattr) {
        e.set_xattr.xattrs = list;
        e.set_xattr.rpc = call_rpc_ids(c);
    } else {
        e.remove_xattr.xattrs = list;
        e.remove_xattr.rpc = call_rpc_ids(c);
    }
    return call_commit(c, &e);
}

int fs_setErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__SetErasureCodingPolicyRequest);
    RESPOND(c, Cp__SetErasureCodingPolicyResponse, cp__set_erasure_coding_policy_response);
    const char *name = req->ec_policy_name;
    const struct kept_ec_policy *p;
    struct slice value;
    struct resolved r;
    (void)res;
    if (name == NULL)
        name = nn_of(c)->kept->default_policy;
    TRY(call_check_safe_mode(c, "Cannot set erasure coding policy on ", req->src));
    TRY(call_ec_policy_named(c, name, &p));
    TRY(resolve_dir(c, req->src, "Attempt to set an erasure coding policy for", &r));
    TRY(attribute_of(c, p == NULL ? replication : p->name, &value));
    return commit_attribute(c, &r, OP_set_xattr, value);
}

int fs_unsetErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__UnsetErasureCodingPolicyRequest);
    RESPOND(c, Cp__UnsetErasureCodingPolicyResponse, cp__unset_erasure_coding_policy_response);
    struct slice value;
    struct resolved r;
    (void)res;
    TRY(call_check_safe_mode(c, "Cannot unset erasure coding policy on ", req->src));
    c->unaudited = true; /* a refusal isn't noted */
    TRY(resolve_dir(c, req->src, "Cannot unset an erasure coding policy on", &r));
    c->unaudited = false;
    if (!ns_xattr_get(ns_of(c), resolved_last(&r), XATTR_SYSTEM, EC_XATTR, &value))
        return fail(&c->err, ERR_NO_EC_POLICY, "No erasure coding policy explicitly set on %s",
                    r.text);
    return commit_attribute(c, &r, OP_remove_xattr, value);
}
