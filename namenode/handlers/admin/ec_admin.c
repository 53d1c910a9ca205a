/* ec_admin.c - the erasure coding policies of the file system: added, removed, switched on and off,
 * and whether there are nodes enough for them. Thread: state. Order of checks and texts are
 * Hadoop's. */
#include <strings.h>

#include "namenode/handlers/call.h"
#include "namenode/state/state.h"

/* ---- adding ---- */

static bool is_built_in(uint32_t id)
{
    return (uint8_t)id != 0 && (uint8_t)id < KEPT_EC_FIRST_OWN;
}

/* What makes the whole call fail: a message that is no policy. */
static int check_message(struct call *c, const Hdfs__ErasureCodingPolicy *m)
{
    const char *missing = m->name == NULL     ? "name"
                          : m->schema == NULL ? "schema"
                          : !m->has_cell_size ? "cellsize"
                                              : NULL;
    if (is_built_in(m->id) && kept_find_policy_id(nn_of(c)->kept, (uint8_t)m->id) != NULL)
        return 0;
    if (missing != NULL)
        return fail(&c->err, ERR_CONFIG, "Missing %s field in ErasureCodingPolicy proto", missing);
    if ((int32_t)m->cell_size <= 0)
        return fail(&c->err, ERR_CONFIG, "cellSize must be positive");
    if (m->cell_size % 1024 != 0)
        return fail(&c->err, ERR_CONFIG, "cellSize must be 1024 aligned");
    return 0;
}

static int take_message(struct call *c, const Hdfs__ErasureCodingPolicy *m,
                        struct kept_ec_policy *ret)
{
    const struct kept_ec_policy *known =
        is_built_in(m->id) ? kept_find_policy_id(nn_of(c)->kept, (uint8_t)m->id) : NULL;
    if (known != NULL) {
        *ret = *known;
        return 0;
    }
    const Hdfs__ECSchema *s = m->schema;
    *ret = (struct kept_ec_policy){.state = KEPT_EC_DISABLED,
                                   .name = m->name,
                                   .codec = s->codec_name,
                                   .data_units = s->data_units,
                                   .parity_units = s->parity_units,
                                   .cell_size = m->cell_size};
    ret->options = arena_array(arena_of(c), const char *, 2 * s->n_options + 1);
    if (ret->options == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < s->n_options; i++) {
        ret->options[ret->option_count++] = s->options[i]->key;
        ret->options[ret->option_count++] = s->options[i]->value;
    }
    return 0;
}

/* Whether the policy may be added; the text is for its own answer. */
static int check_policy(struct call *c, const struct kept_ec_policy *p, struct err *why)
{
    const struct kept *kept = nn_of(c)->kept;
    uint64_t units = (uint64_t)p->data_units + p->parity_units;
    struct ec_policy ec = {.id = KEPT_EC_FIRST_OWN, .cell_size = p->cell_size};
    if (!c->env->settings->ec_user_policies)
        return fail(why, ERR_ILLEGAL_ARGUMENT,
                    "Addition of user defined erasure coding policy is disabled.");
    ec.codec = ec_codec_named(p->codec);
    if (ec.codec == EC_CODEC_NONE || strcmp(ec_codec_name(ec.codec), p->codec) != 0)
        return fail(why, ERR_ILLEGAL_ARGUMENT, "Codec name %.100s is not supported", p->codec);
    if (units > EC_MAX_UNITS)
        return fail(why, ERR_ILLEGAL_ARGUMENT,
                    "Number of data and parity blocks in an EC group %llu should not exceed "
                    "maximum %d",
                    (unsigned long long)units, EC_MAX_UNITS);
    if (p->cell_size > kept->max_cell_size)
        return fail(why, ERR_ILLEGAL_ARGUMENT, "Cell size %u should not exceed maximum %u bytes",
                    p->cell_size, kept->max_cell_size);
    ec.data_units = (uint8_t)p->data_units;
    ec.parity_units = (uint8_t)p->parity_units;
    TRY(ec_policy_check(&ec, why));
    if (kept_ec_same(kept, p) == NULL && kept_ec_next_id(kept) == 0)
        return fail(why, ERR_ILLEGAL_ARGUMENT,
                    "Adding erasure coding policy failed because the number of policies stored in "
                    "the system already reached the threshold, which is %d",
                    KEPT_EC_IDS - 1);
    return 0;
}

/* Journaled also when it is there already, as Hadoop does. */
static int commit_policy(struct call *c, const struct kept_ec_policy *p)
{
    struct edit e = {.code = OP_add_ec_policy};
    struct slice *options = arena_array(arena_of(c), struct slice, p->option_count + 1);
    if (options == NULL)
        return call_no_memory(c);
    for (uint32_t i = 0; i < p->option_count; i++)
        options[i] = slice_of(p->options[i]);
    e.add_ec_policy.policy.codec = slice_of(p->codec);
    e.add_ec_policy.policy.data_units = p->data_units;
    e.add_ec_policy.policy.parity_units = p->parity_units;
    e.add_ec_policy.policy.cell_size = p->cell_size;
    e.add_ec_policy.policy.options.at = options;
    e.add_ec_policy.policy.options.count = p->option_count;
    e.add_ec_policy.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}

/* What couldn't be added is told as it came; its id is a byte on the other side. */
static int refuse(struct call *c, const Hdfs__ErasureCodingPolicy *m,
                  const struct kept_ec_policy *p, const struct err *why,
                  Hdfs__AddErasureCodingPolicyResponse *ret)
{
    TRY(call_ec_message(c, p, &ret->policy));
    ret->policy->id = (uint32_t)(int8_t)m->id;
    ret->error_msg = arena_strdup(arena_of(c), why->text);
    return ret->error_msg == NULL ? call_no_memory(c) : 0;
}

static int add_one(struct call *c, const Hdfs__ErasureCodingPolicy *m, bool again,
                   Hdfs__AddErasureCodingPolicyResponse **ret)
{
    NEW(c, Hdfs__AddErasureCodingPolicyResponse, hdfs__add_erasure_coding_policy_response, one);
    struct kept_ec_policy p;
    struct err why = {0};
    *ret = one;
    TRY(take_message(c, m, &p));
    p.name = kept_ec_name(p.codec, p.data_units, p.parity_units, p.cell_size, arena_of(c));
    if (p.name == NULL)
        return call_no_memory(c);
    if (check_policy(c, &p, &why) != 0) {
        p.name = m->name != NULL ? m->name : p.name;
        return refuse(c, m, &p, &why, one);
    }
    if (!again)
        TRY(commit_policy(c, &p));
    const struct kept_ec_policy *added = kept_ec_same(nn_of(c)->kept, &p);
    CHECK(added != NULL);
    one->succeed = true;
    return call_ec_message(c, added, &one->policy);
}

static int add_all(struct call *c, bool again)
{
    REQUEST(c, Cp__AddErasureCodingPoliciesRequest);
    RESPOND(c, Cp__AddErasureCodingPoliciesResponse, cp__add_erasure_coding_policies_response);
    const char *names = "";
    res->responses =
        arena_array(arena_of(c), Hdfs__AddErasureCodingPolicyResponse *, req->n_ec_policies + 1);
    if (res->responses == NULL)
        return call_no_memory(c);
    for (size_t i = 0; i < req->n_ec_policies; i++) {
        Hdfs__AddErasureCodingPolicyResponse *one;
        TRY(add_one(c, req->ec_policies[i], again, &one));
        res->responses[res->n_responses++] = one;
        const struct kept_ec_policy *p =
            one->succeed ? kept_find_policy_id(nn_of(c)->kept, (uint8_t)one->policy->id) : NULL;
        if (p != NULL && names != NULL)
            names =
                arena_printf(arena_of(c), "%s%s%s", names, names[0] == '\0' ? "" : ", ", p->name);
    }
    if (names != NULL)
        c->audit_src = arena_printf(arena_of(c), "[%s]", names);
    return 0;
}

int fs_addErasureCodingPolicies(struct call *c)
{
    REQUEST(c, Cp__AddErasureCodingPoliciesRequest);
    for (size_t i = 0; i < req->n_ec_policies; i++)
        TRY(check_message(c, req->ec_policies[i]));
    TRY(call_check_superuser_for(c, "addErasureCodingPolicies"));
    TRY(call_check_safe_mode(c, "Cannot add erasure coding policy", ""));
    return add_all(c, false);
}

int call_ec_add_again(struct call *c)
{
    return add_all(c, true);
}

/* ---- on, off, gone ---- */

static int find_policy(struct call *c, const char *name, struct kept_ec_policy **ret)
{
    *ret = kept_find_policy(nn_of(c)->kept, name);
    return *ret != NULL
               ? 0
               : fail(&c->err, ERR_ILLEGAL_ARGUMENT, "The policy name %s does not exist", name);
}

int fs_removeErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__RemoveErasureCodingPolicyRequest);
    RESPOND(c, Cp__RemoveErasureCodingPolicyResponse, cp__remove_erasure_coding_policy_response);
    struct kept_ec_policy *p;
    (void)res;
    TRY(call_check_superuser_for(c, "removeErasureCodingPolicy"));
    TRY(call_check_safe_mode(c, "Cannot remove erasure coding policy ", req->ec_policy_name));
    TRY(find_policy(c, req->ec_policy_name, &p));
    if (p->id < KEPT_EC_FIRST_OWN)
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                    "System erasure coding policy %s cannot be removed", p->name);
    struct edit e = {.code = OP_remove_ec_policy};
    e.remove_ec_policy.name = slice_of(p->name);
    e.remove_ec_policy.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}

int fs_enableErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__EnableErasureCodingPolicyRequest);
    RESPOND(c, Cp__EnableErasureCodingPolicyResponse, cp__enable_erasure_coding_policy_response);
    const struct kept *kept = nn_of(c)->kept;
    struct kept_ec_policy *p;
    (void)res;
    TRY(call_check_superuser_for(c, "enableErasureCodingPolicy"));
    TRY(call_check_safe_mode(c, "Cannot enable erasure coding policy ", req->ec_policy_name));
    TRY(find_policy(c, req->ec_policy_name, &p));
    if (!kept_ec_usable(kept, p))
        return fail(&c->err, ERR_ILLEGAL_ARGUMENT, "%s can not be computed here",
                    call_ec_text(c, p));
    /* one that is on by default gets so for good, as often as it is asked for */
    c->unaudited = kept_ec_enabled(kept, p) && strcmp(p->name, kept->default_policy) != 0;
    if (c->unaudited)
        return 0;
    struct edit e = {.code = OP_enable_ec_policy};
    e.enable_ec_policy.name = slice_of(p->name);
    e.enable_ec_policy.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}

int fs_disableErasureCodingPolicy(struct call *c)
{
    REQUEST(c, Cp__DisableErasureCodingPolicyRequest);
    RESPOND(c, Cp__DisableErasureCodingPolicyResponse, cp__disable_erasure_coding_policy_response);
    struct kept_ec_policy *p;
    (void)res;
    TRY(call_check_superuser_for(c, "disableErasureCodingPolicy"));
    TRY(call_check_safe_mode(c, "Cannot disable erasure coding policy ", req->ec_policy_name));
    TRY(find_policy(c, req->ec_policy_name, &p));
    c->unaudited = !kept_ec_enabled(nn_of(c)->kept, p);
    if (c->unaudited)
        return 0;
    struct edit e = {.code = OP_disable_ec_policy};
    e.disable_ec_policy.name = slice_of(p->name);
    e.disable_ec_policy.rpc = call_rpc_ids(c);
    return call_commit(c, &e);
}

/* ---- nodes and racks ---- */

/* Hadoop counts plain replication as one block and two more. */
static const struct kept_ec_policy replication = {
    .name = "replication", .data_units = 1, .parity_units = 2};

static int named_policies(struct call *c, const struct kept_ec_policy ***ret, size_t *ret_count)
{
    REQUEST(c, Cp__GetECTopologyResultForPoliciesRequest);
    *ret = arena_array(arena_of(c), const struct kept_ec_policy *, req->n_policies);
    if (*ret == NULL)
        return call_no_memory(c);
    for (*ret_count = 0; *ret_count < req->n_policies; (*ret_count)++) {
        const char *name = req->policies[*ret_count];
        const struct kept_ec_policy *p = kept_find_policy(nn_of(c)->kept, name);
        if (p == NULL && strcasecmp(name, replication.name) == 0)
            p = &replication;
        if (p == NULL)
            return fail(&c->err, ERR_ILLEGAL_ARGUMENT,
                        "The given erasure coding policy %s does not exist.", name);
        (*ret)[*ret_count] = p;
    }
    return 0;
}

static const char *topology_text(struct call *c, const struct kept_ec_policy *const *policies,
                                 size_t count, protobuf_c_boolean *ret_fits)
{
    struct nodes_stats stats;
    uint32_t nodes = 0, racks = 0, have_racks = nodes_live_rack_count(nn_of(c)->nodes);
    const char *names = call_ec_names(c, policies, count);
    nodes_stats(nn_of(c)->nodes, c->mono_ms, &stats);
    for (size_t i = 0; i < count; i++) {
        const struct kept_ec_policy *p = policies[i];
        uint32_t units = p->data_units + p->parity_units;
        uint32_t spread =
            p->parity_units == 0 ? units : (units + p->parity_units - 1) / p->parity_units;
        nodes = units > nodes ? units : nodes;
        racks = spread > racks ? spread : racks;
    }
    *ret_fits = count == 0 || (stats.live + stats.dead >= nodes && have_racks >= racks);
    if (count == 0)
        return "No erasure coding policy is given.";
    if (stats.live + stats.dead < nodes)
        return arena_printf(arena_of(c),
                            "%u DataNodes are required for the erasure coding policies: %s. The "
                            "number of DataNodes is only %u.",
                            nodes, names, stats.live + stats.dead);
    if (have_racks < racks)
        return arena_printf(arena_of(c),
                            "%u racks are required for the erasure coding policies: %s. The number "
                            "of racks is only %u.",
                            racks, names, have_racks);
    return arena_printf(arena_of(c), "The cluster setup can support EC policies: %s", names);
}

int fs_getECTopologyResultForPolicies(struct call *c)
{
    REQUEST(c, Cp__GetECTopologyResultForPoliciesRequest);
    RESPOND(c, Cp__GetECTopologyResultForPoliciesResponse,
            cp__get_ectopology_result_for_policies_response);
    NEW(c, Hdfs__ECTopologyVerifierResult, hdfs__ectopology_verifier_result, result);
    const struct kept_ec_policy **policies;
    size_t count;
    TRY(call_check_superuser_for(c, "getECTopologyResultForPolicies"));
    if (req->n_policies == 0)
        TRY(call_ec_sorted(c, true, &policies, &count));
    else
        TRY(named_policies(c, &policies, &count));
    result->result_message = (char *)topology_text(c, policies, count, &result->is_supported);
    res->response = result;
    return result->result_message == NULL ? call_no_memory(c) : 0;
}
