/* ec.c - erasure coding policies: of the file system, and of a file or directory. Thread: any. */
#include <stdio.h>
#include <stdlib.h>

#include "common/ec/ec.h"
#include "libdfs/api/internal.h"

void dfs_ec_policy_free(struct dfs_ec_policy *p)
{
    free(p->name);
    free(p->codec);
    for (size_t i = 0; p->options != NULL && i < 2 * p->option_count; i++)
        free(p->options[i]);
    free(p->options);
    *p = (struct dfs_ec_policy){0};
}

void dfs_ec_policies_free(struct dfs_ec_policies *policies)
{
    for (size_t i = 0; i < policies->count; i++)
        dfs_ec_policy_free(&policies->items[i]);
    free(policies->items);
    *policies = (struct dfs_ec_policies){0};
}

/* Numbers alone are enough for a built-in policy. */
static bool fill_schema(const Hdfs__ErasureCodingPolicy *m, struct dfs_ec_policy *p)
{
    struct ec_policy known;
    struct err ignored = {0};
    const Hdfs__ECSchema *s = m->schema;
    if (s == NULL) {
        if (ec_policy_take(m, &known, &ignored) != 0)
            return false;
        const char *codec = ec_codec_name(known.codec);
        p->data_units = known.data_units;
        p->parity_units = known.parity_units;
        p->cell_size = known.cell_size;
        p->codec = strdup(codec);
        if (p->codec == NULL || asprintf(&p->name, "%s-%u-%u-%uk", codec, p->data_units,
                                         p->parity_units, p->cell_size / 1024) < 0)
            return false;
        for (char *c = p->name; *c != '\0' && *c != 'k'; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 'a' + 'A');
        return true;
    }
    p->data_units = s->data_units;
    p->parity_units = s->parity_units;
    p->cell_size = m->has_cell_size ? m->cell_size : 0;
    p->name = strdup(m->name != NULL ? m->name : "");
    p->codec = strdup(s->codec_name);
    p->options = calloc(2 * s->n_options + 1, sizeof(*p->options));
    if (p->name == NULL || p->codec == NULL || p->options == NULL)
        return false;
    p->option_count = s->n_options;
    for (size_t i = 0; i < s->n_options; i++) {
        p->options[2 * i] = strdup(s->options[i]->key);
        p->options[2 * i + 1] = strdup(s->options[i]->value);
        if (p->options[2 * i] == NULL || p->options[2 * i + 1] == NULL)
            return false;
    }
    return true;
}

static int fill_policy(struct op *op, const Hdfs__ErasureCodingPolicy *m, struct dfs_ec_policy *ret)
{
    struct dfs_ec_policy p = {.id = (int32_t)m->id, .state = m->has_state ? (int)m->state : 0};
    if (!fill_schema(m, &p)) {
        dfs_ec_policy_free(&p);
        return fail(&op->err, ERR_PROTOCOL, "erasure coding policy %u can't be understood", m->id);
    }
    *ret = p;
    return 0;
}

static int do_policies(struct op *op, struct dfs_ec_policies *ret)
{
    Cp__GetErasureCodingPoliciesRequest request = CP__GET_ERASURE_CODING_POLICIES_REQUEST__INIT;
    Cp__GetErasureCodingPoliciesResponse *response;
    struct dfs_ec_policies all = {0};
    int rc = 0;
    TRY(OP_CALL(op, getErasureCodingPolicies, &request, &response));
    all.items = calloc(response->n_ec_policies + 1, sizeof(*all.items));
    if (all.items == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for erasure coding policies");
    for (; rc == 0 && all.count < response->n_ec_policies; all.count++)
        rc = fill_policy(op, response->ec_policies[all.count], &all.items[all.count]);
    if (rc != 0)
        dfs_ec_policies_free(&all);
    else
        *ret = all;
    return rc;
}

int dfs_ec_policies(struct dfs *fs, struct dfs_ec_policies *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_policies(&op, ret), error);
}

static int do_get(struct op *op, const char *path, struct dfs_ec_policy *ret)
{
    Cp__GetErasureCodingPolicyRequest request = CP__GET_ERASURE_CODING_POLICY_REQUEST__INIT;
    Cp__GetErasureCodingPolicyResponse *response;
    TRY(op_path(op, path, &path));
    request.src = (char *)(uintptr_t)path;
    TRY(OP_CALL(op, getErasureCodingPolicy, &request, &response));
    if (response->ec_policy != NULL)
        return fill_policy(op, response->ec_policy, ret);
    *ret = (struct dfs_ec_policy){0};
    return 0;
}

int dfs_ec_get_policy(struct dfs *fs, const char *path, struct dfs_ec_policy *ret,
                      struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_get(&op, path, ret), error);
}

static int do_set(struct op *op, const char *path, const char *policy)
{
    Cp__SetErasureCodingPolicyRequest request = CP__SET_ERASURE_CODING_POLICY_REQUEST__INIT;
    Cp__SetErasureCodingPolicyResponse *response;
    TRY(op_path(op, path, &path));
    request.src = (char *)(uintptr_t)path;
    request.ec_policy_name = (char *)(uintptr_t)policy;
    return OP_CALL(op, setErasureCodingPolicy, &request, &response);
}

int dfs_ec_set_policy(struct dfs *fs, const char *path, const char *policy, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_set(&op, path, policy), error);
}

static int do_unset(struct op *op, const char *path)
{
    Cp__UnsetErasureCodingPolicyRequest request = CP__UNSET_ERASURE_CODING_POLICY_REQUEST__INIT;
    Cp__UnsetErasureCodingPolicyResponse *response;
    TRY(op_path(op, path, &path));
    request.src = (char *)(uintptr_t)path;
    return OP_CALL(op, unsetErasureCodingPolicy, &request, &response);
}

int dfs_ec_unset_policy(struct dfs *fs, const char *path, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_unset(&op, path), error);
}

/* ---- policies of the file system ---- */

static int make_message(struct op *op, const struct dfs_ec_policy *p,
                        Hdfs__ErasureCodingPolicy **ret)
{
    Hdfs__ErasureCodingPolicy *m = arena_new(&op->arena, Hdfs__ErasureCodingPolicy);
    Hdfs__ECSchema *s = arena_new(&op->arena, Hdfs__ECSchema);
    size_t n = p->option_count;
    Hdfs__ECSchemaOptionEntry *options = arena_array(&op->arena, Hdfs__ECSchemaOptionEntry, n + 1);
    Hdfs__ECSchemaOptionEntry **list = arena_array(&op->arena, Hdfs__ECSchemaOptionEntry *, n + 1);
    if (m == NULL || s == NULL || options == NULL || list == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for erasure coding policies");
    hdfs__erasure_coding_policy__init(m);
    hdfs__ecschema__init(s);
    for (size_t i = 0; i < n; i++) {
        hdfs__ecschema_option_entry__init(&options[i]);
        options[i].key = p->options[2 * i];
        options[i].value = p->options[2 * i + 1];
        list[i] = &options[i];
    }
    s->codec_name = p->codec;
    s->data_units = p->data_units;
    s->parity_units = p->parity_units;
    s->options = list;
    s->n_options = n;
    m->id = UINT32_MAX; /* none yet, as Hadoop's client says it */
    m->name = p->name;
    m->schema = s;
    m->has_cell_size = true;
    m->cell_size = p->cell_size;
    *ret = m;
    return 0;
}

static int fill_answer(struct op *op, const Hdfs__AddErasureCodingPolicyResponse *from,
                       struct dfs_ec_added *ret)
{
    *ret = (struct dfs_ec_added){.done = from->succeed};
    TRY(fill_policy(op, from->policy, &ret->policy));
    ret->text = strdup(from->error_msg != NULL ? from->error_msg : "");
    return ret->text != NULL ? 0 : fail(&op->err, ERR_NO_MEMORY, "no memory for an answer");
}

void dfs_ec_added_free(struct dfs_ec_added *added, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dfs_ec_policy_free(&added[i].policy);
        free(added[i].text);
        added[i] = (struct dfs_ec_added){0};
    }
}

static int do_add(struct op *op, const struct dfs_ec_policy *policies, size_t count,
                  struct dfs_ec_added *ret)
{
    Cp__AddErasureCodingPoliciesRequest request = CP__ADD_ERASURE_CODING_POLICIES_REQUEST__INIT;
    Cp__AddErasureCodingPoliciesResponse *response;
    request.ec_policies = arena_array(&op->arena, Hdfs__ErasureCodingPolicy *, count + 1);
    if (request.ec_policies == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for erasure coding policies");
    for (; request.n_ec_policies < count; request.n_ec_policies++)
        TRY(make_message(op, &policies[request.n_ec_policies],
                         &request.ec_policies[request.n_ec_policies]));
    TRY(OP_CALL(op, addErasureCodingPolicies, &request, &response));
    if (response->n_responses != count)
        return fail(&op->err, ERR_PROTOCOL, "%zu answers to %zu erasure coding policies",
                    response->n_responses, count);
    for (size_t i = 0; i < count; i++) {
        int rc = fill_answer(op, response->responses[i], &ret[i]);
        if (rc != 0) {
            dfs_ec_added_free(ret, i + 1);
            return rc;
        }
    }
    return 0;
}

int dfs_ec_add_policies(struct dfs *fs, const struct dfs_ec_policy *policies, size_t count,
                        struct dfs_ec_added *ret, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_add(&op, policies, count, ret), error);
}

static int do_change(struct op *op, enum dfs_ec_change change, const char *policy)
{
    char *name = (char *)(uintptr_t)policy;
    if (change == DFS_EC_REMOVE) {
        Cp__RemoveErasureCodingPolicyRequest request =
            CP__REMOVE_ERASURE_CODING_POLICY_REQUEST__INIT;
        Cp__RemoveErasureCodingPolicyResponse *response;
        request.ec_policy_name = name;
        return OP_CALL(op, removeErasureCodingPolicy, &request, &response);
    }
    if (change == DFS_EC_ENABLE) {
        Cp__EnableErasureCodingPolicyRequest request =
            CP__ENABLE_ERASURE_CODING_POLICY_REQUEST__INIT;
        Cp__EnableErasureCodingPolicyResponse *response;
        request.ec_policy_name = name;
        return OP_CALL(op, enableErasureCodingPolicy, &request, &response);
    }
    Cp__DisableErasureCodingPolicyRequest request = CP__DISABLE_ERASURE_CODING_POLICY_REQUEST__INIT;
    Cp__DisableErasureCodingPolicyResponse *response;
    request.ec_policy_name = name;
    return OP_CALL(op, disableErasureCodingPolicy, &request, &response);
}

int dfs_ec_change(struct dfs *fs, enum dfs_ec_change change, const char *policy,
                  struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_change(&op, change, policy), error);
}

static int do_codecs(struct op *op, struct dfs_ec_codec *ret, size_t *ret_count)
{
    Cp__GetErasureCodingCodecsRequest request = CP__GET_ERASURE_CODING_CODECS_REQUEST__INIT;
    Cp__GetErasureCodingCodecsResponse *response;
    TRY(OP_CALL(op, getErasureCodingCodecs, &request, &response));
    size_t count = 0;
    for (; count < response->n_codec && count < DFS_EC_CODECS_MAX; count++) {
        const Hdfs__Codec *c = response->codec[count];
        (void)snprintf(ret[count].codec, sizeof(ret[count].codec), "%s", c->codec);
        (void)snprintf(ret[count].coders, sizeof(ret[count].coders), "%s", c->coders);
    }
    *ret_count = count;
    return 0;
}

int dfs_ec_codecs(struct dfs *fs, struct dfs_ec_codec ret[DFS_EC_CODECS_MAX], size_t *ret_count,
                  struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_codecs(&op, ret, ret_count), error);
}

static int do_check(struct op *op, const char *const *policies, size_t count, bool *ret_fits,
                    char **ret_text)
{
    Cp__GetECTopologyResultForPoliciesRequest request =
        CP__GET_ECTOPOLOGY_RESULT_FOR_POLICIES_REQUEST__INIT;
    Cp__GetECTopologyResultForPoliciesResponse *response;
    request.policies = (char **)(uintptr_t)policies;
    request.n_policies = count;
    TRY(OP_CALL(op, getECTopologyResultForPolicies, &request, &response));
    char *text = strdup(response->response->result_message);
    if (text == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for an answer");
    *ret_fits = response->response->is_supported;
    *ret_text = text;
    return 0;
}

int dfs_ec_check_cluster(struct dfs *fs, const char *const *policies, size_t count, bool *ret_fits,
                         char **ret_text, struct dfs_error *error)
{
    struct op op;
    op_begin(&op, fs);
    return op_end(&op, do_check(&op, policies, count, ret_fits, ret_text), error);
}
