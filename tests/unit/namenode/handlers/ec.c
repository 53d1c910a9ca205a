/* ec.c - erasure coding policies: which files are striped, who may set what, in which order it is
 * checked, and how the answers look. */
#include "fixture.h"

#include "namenode/state/state.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    cr_assert_eq(do_mkdirs(&f, "/d/below"), 0);
}

static void teardown(void)
{
    f.user = "root";
    fixture_fini(&f);
}

TestSuite(ec, .init = setup, .fini = teardown);

static int set_policy(const char *path, const char *name)
{
    Cp__SetErasureCodingPolicyRequest req = CP__SET_ERASURE_CODING_POLICY_REQUEST__INIT;
    req.src = (char *)path;
    req.ec_policy_name = (char *)name;
    return client_call(&f, CLIENT_setErasureCodingPolicy, &req.base);
}

static int unset_policy(const char *path)
{
    Cp__UnsetErasureCodingPolicyRequest req = CP__UNSET_ERASURE_CODING_POLICY_REQUEST__INIT;
    req.src = (char *)path;
    return client_call(&f, CLIENT_unsetErasureCodingPolicy, &req.base);
}

static int policy_of(const char *path, uint32_t *ret_id)
{
    Cp__GetErasureCodingPolicyRequest req = CP__GET_ERASURE_CODING_POLICY_REQUEST__INIT;
    req.src = (char *)path;
    TRY(client_call(&f, CLIENT_getErasureCodingPolicy, &req.base));
    const Cp__GetErasureCodingPolicyResponse *res = (const void *)f.call.response;
    *ret_id = res->ec_policy == NULL ? 0 : res->ec_policy->id;
    return 0;
}

#define POLICY_IS(path, id)                           \
    do {                                              \
        uint32_t id_;                                 \
        cr_assert_eq(policy_of(path, &id_), 0);       \
        cr_assert_eq(id_, (id), "%s: %u", path, id_); \
    } while (0)

static int create(const char *path, const char *policy, uint32_t flag)
{
    Cp__CreateRequest req = CP__CREATE_REQUEST__INIT;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    mode.perm = 0644;
    req.src = (char *)path;
    req.masked = &mode;
    req.client_name = (char *)"c";
    req.create_flag = flag;
    req.replication = 3;
    req.block_size = 1 << 20;
    req.ec_policy_name = (char *)policy;
    return client_call(&f, CLIENT_create, &req.base);
}

static const Hdfs__HdfsFileStatus *created(void)
{
    const Cp__CreateResponse *res = (const void *)f.call.response;
    return res->fs;
}

#define TEXT_IS(wanted) cr_assert_str_eq(f.call.err.text, wanted)

Test(ec, the_default_policy_is_on_and_inherited)
{
    cr_assert_eq(set_policy("/d", NULL), 0);
    POLICY_IS("/d", 1);
    POLICY_IS("/d/below", 1);
    cr_assert_eq(create("/d/below/f", NULL, 1), 0);
    cr_assert_eq(created()->ec_policy->id, 1);
    cr_assert_null(created()->ec_policy->name, "a built-in one is just its number");
    cr_assert_eq(created()->block_replication, 1);
    cr_assert((created()->flags & HDFS__HDFS_FILE_STATUS__FLAGS__HAS_EC) != 0);
    POLICY_IS("/d/below/f", 1);
    cr_assert_eq(unset_policy("/d"), 0);
    POLICY_IS("/d/below", 0);
    POLICY_IS("/d/below/f", 1); /* a file keeps its own */
}

Test(ec, what_cannot_be_set)
{
    cr_assert_eq(set_policy("/d", "XOR-2-1-1024k"), ERR_ILLEGAL_ARGUMENT);
    TEXT_IS("Policy 'XOR-2-1-1024k' does not match any enabled erasure coding policies: "
            "[RS-6-3-1024k]. An erasure coding policy can be enabled by enableErasureCodingPolicy "
            "API.");
    cr_assert_eq(set_policy("/none", NULL), ERR_NOT_FOUND);
    TEXT_IS("Path not found: /none");
    cr_assert_eq(create("/f", NULL, 1), 0);
    cr_assert_eq(set_policy("/f", NULL), ERR_IO);
    TEXT_IS("Attempt to set an erasure coding policy for a file /f");
    cr_assert_eq(unset_policy("/f"), ERR_IO);
    TEXT_IS("Cannot unset an erasure coding policy on a file /f");
    cr_assert_eq(unset_policy("/d"), ERR_NO_EC_POLICY);
    TEXT_IS("No erasure coding policy explicitly set on /d");
    f.user = "alice";
    cr_assert_eq(set_policy("/d", NULL), ERR_ACCESS);
    cr_assert_eq(unset_policy("/d"), ERR_ACCESS);
}

Test(ec, replication_ends_what_is_inherited)
{
    cr_assert_eq(set_policy("/d", NULL), 0);
    cr_assert_eq(set_policy("/d/below", "Replication"), 0);
    POLICY_IS("/d/below", 0);
    cr_assert_eq(create("/d/below/f", NULL, 1), 0);
    cr_assert_null(created()->ec_policy);
    cr_assert_eq(created()->block_replication, 3);
    cr_assert_eq(create("/d/g", "replication", 1), 0);
    cr_assert_null(created()->ec_policy);
    cr_assert_eq(create("/d/h", NULL, 1 | 0x80), 0);
    cr_assert_null(created()->ec_policy);
    cr_assert_eq(create("/d/i", "RS-6-3-1024k", 1 | 0x80), ERR_ILLEGAL_ARGUMENT);
}

Test(ec, a_policy_named_at_create)
{
    cr_assert_eq(create("/f", "RS-6-3-1024k", 1), 0);
    cr_assert_eq(created()->ec_policy->id, 1);
    cr_assert_eq(create("/g", "RS-3-2-1024k", 1), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(create("/h", "none", 1), ERR_ILLEGAL_ARGUMENT);
}

Test(ec, a_block_holds_a_cell)
{
    Cp__CreateRequest req = CP__CREATE_REQUEST__INIT;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    req.src = (char *)"/f";
    req.masked = &mode;
    req.client_name = (char *)"c";
    req.create_flag = 1;
    req.block_size = 4096;
    req.ec_policy_name = (char *)"RS-6-3-1024k";
    cr_assert_eq(client_call(&f, CLIENT_create, &req.base), ERR_IO);
    TEXT_IS("Specified block size (4096) is less than the cell size (1048576) of the erasure "
            "coding policy (ErasureCodingPolicy=[Name=RS-6-3-1024k, Schema=[ECSchema=[Codec=rs, "
            "numDataUnits=6, numParityUnits=3]], CellSize=1048576, Id=1]).");
}

Test(ec, overwriting_takes_the_directory_s_policy)
{
    cr_assert_eq(create("/d/f", NULL, 1), 0);
    cr_assert_null(created()->ec_policy);
    cr_assert_eq(set_policy("/d", NULL), 0);
    cr_assert_eq(create("/d/f", NULL, 1 | 2), 0);
    cr_assert_eq(created()->ec_policy->id, 1);
}

/* ---- the policies of the file system ---- */

static int change(enum client_method method, const char *name)
{
    Cp__EnableErasureCodingPolicyRequest req = CP__ENABLE_ERASURE_CODING_POLICY_REQUEST__INIT;
    Cp__DisableErasureCodingPolicyRequest off = CP__DISABLE_ERASURE_CODING_POLICY_REQUEST__INIT;
    Cp__RemoveErasureCodingPolicyRequest gone = CP__REMOVE_ERASURE_CODING_POLICY_REQUEST__INIT;
    req.ec_policy_name = off.ec_policy_name = gone.ec_policy_name = (char *)name;
    return client_call(&f, method,
                       method == CLIENT_enableErasureCodingPolicy    ? &req.base
                       : method == CLIENT_disableErasureCodingPolicy ? &off.base
                                                                     : &gone.base);
}

/* Its state, 0: there is none of that id. */
static int state_of(uint32_t id)
{
    Cp__GetErasureCodingPoliciesRequest req = CP__GET_ERASURE_CODING_POLICIES_REQUEST__INIT;
    cr_assert_eq(client_call(&f, CLIENT_getErasureCodingPolicies, &req.base), 0);
    const Cp__GetErasureCodingPoliciesResponse *res = (const void *)f.call.response;
    for (size_t i = 0; i < res->n_ec_policies; i++)
        if (res->ec_policies[i]->id == id)
            return (int)res->ec_policies[i]->state;
    return 0;
}

static const Hdfs__AddErasureCodingPolicyResponse *add(const char *codec, uint32_t k, uint32_t m,
                                                       uint32_t cell, int want)
{
    Cp__AddErasureCodingPoliciesRequest req = CP__ADD_ERASURE_CODING_POLICIES_REQUEST__INIT;
    Hdfs__ErasureCodingPolicy policy = HDFS__ERASURE_CODING_POLICY__INIT, *one = &policy;
    Hdfs__ECSchema schema = HDFS__ECSCHEMA__INIT;
    schema.codec_name = (char *)codec;
    schema.data_units = k;
    schema.parity_units = m;
    policy.id = UINT32_MAX;
    policy.name = (char *)"any";
    policy.schema = &schema;
    policy.has_cell_size = true;
    policy.cell_size = cell;
    req.ec_policies = &one;
    req.n_ec_policies = 1;
    cr_assert_eq(client_call(&f, CLIENT_addErasureCodingPolicies, &req.base), want, "%s",
                 f.call.err.text);
    if (want != 0)
        return NULL;
    const Cp__AddErasureCodingPoliciesResponse *res = (const void *)f.call.response;
    cr_assert_eq(res->n_responses, 1);
    return res->responses[0];
}

#define REFUSED(response, wanted)                                    \
    do {                                                             \
        const Hdfs__AddErasureCodingPolicyResponse *r_ = (response); \
        cr_assert_not(r_->succeed);                                  \
        cr_assert_str_eq(r_->error_msg, wanted);                     \
        cr_assert_eq(r_->policy->id, UINT32_MAX);                    \
    } while (0)

Test(ec, on_and_off)
{
    unsigned edits = f.edits;
    cr_assert_eq(state_of(4), KEPT_EC_DISABLED);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "XOR-2-1-1024k"), 0);
    cr_assert_eq(state_of(4), KEPT_EC_ENABLED);
    cr_assert_eq(f.edits, edits + 1);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "XOR-2-1-1024k"), 0);
    cr_assert_eq(f.edits, edits + 1, "nothing has changed");
    cr_assert_eq(set_policy("/d", "XOR-2-1-1024k"), 0);
    cr_assert_eq(change(CLIENT_disableErasureCodingPolicy, "XOR-2-1-1024k"), 0);
    cr_assert_eq(state_of(4), KEPT_EC_DISABLED);
    cr_assert_eq(f.edits, edits + 3);
    cr_assert_eq(change(CLIENT_disableErasureCodingPolicy, "XOR-2-1-1024k"), 0);
    cr_assert_eq(f.edits, edits + 3);
    cr_assert_eq(create("/d/f", NULL, 1), 0, "a directory keeps what it has");
    cr_assert_eq(created()->ec_policy->id, 4);
    cr_assert_eq(create("/g", "XOR-2-1-1024k", 1), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "none"), ERR_ILLEGAL_ARGUMENT);
    TEXT_IS("The policy name none does not exist");
}

Test(ec, the_default_is_on_until_it_is_disabled)
{
    unsigned edits = f.edits;
    cr_assert_eq(state_of(1), KEPT_EC_ENABLED);
    cr_assert_eq(kept_find_policy_id(f.nn->kept, 1)->state, KEPT_EC_DISABLED,
                 "as the image has it");
    cr_assert_eq(change(CLIENT_disableErasureCodingPolicy, "RS-6-3-1024k"), 0);
    cr_assert_eq(state_of(1), KEPT_EC_DISABLED);
    cr_assert_eq(set_policy("/d", NULL), ERR_ILLEGAL_ARGUMENT);
    TEXT_IS("Policy 'RS-6-3-1024k' does not match any enabled erasure coding policies: []. An "
            "erasure coding policy can be enabled by enableErasureCodingPolicy API.");
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "RS-6-3-1024k"), 0);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "RS-6-3-1024k"), 0);
    cr_assert_eq(f.edits, edits + 3, "the default is noted as often as it is enabled");
    cr_assert_eq(kept_find_policy_id(f.nn->kept, 1)->state, KEPT_EC_ENABLED);
}

Test(ec, adding)
{
    const Hdfs__AddErasureCodingPolicyResponse *r = add("rs", 4, 2, 65536, 0);
    cr_assert(r->succeed);
    cr_assert_eq(r->policy->id, 64);
    cr_assert_str_eq(r->policy->name, "RS-4-2-64k");
    cr_assert_eq(state_of(64), KEPT_EC_DISABLED);
    cr_assert_eq(add("rs", 4, 2, 65536, 0)->policy->id, 64, "it is there already");
    cr_assert_eq(add("rs", 6, 3, 1024 * 1024, 0)->policy->id, 1, "a built-in one");
    cr_assert_eq(add("xor", 3, 1, 1024, 0)->policy->id, 65);
    cr_assert_eq(set_policy("/d", "RS-4-2-64k"), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "RS-4-2-64k"), 0);
    cr_assert_eq(set_policy("/d", "RS-4-2-64k"), 0);
    cr_assert_eq(create("/d/f", NULL, 1), 0);
    cr_assert_str_eq(created()->ec_policy->name, "RS-4-2-64k");
    cr_assert_eq(created()->ec_policy->schema->data_units, 4);
    const struct ec_policy *ec = kept_ec(f.nn->kept, 64);
    cr_assert_eq(ec->codec, EC_RS);
    cr_assert_eq(ec_units(ec), 6);
    cr_assert_null(kept_ec(f.nn->kept, 66));
}

Test(ec, what_cannot_be_added)
{
    REFUSED(add("lrc", 4, 2, 65536, 0), "Codec name lrc is not supported");
    REFUSED(add("RS", 4, 2, 65536, 0), "Codec name RS is not supported");
    REFUSED(add("rs", 14, 3, 65536, 0),
            "Number of data and parity blocks in an EC group 17 should not exceed maximum 16");
    REFUSED(add("xor", 2, 2, 65536, 0), "codec xor makes 1 parity unit, not 2");
    REFUSED(add("rs", 0, 2, 65536, 0), "0 data and 2 parity units: each needs at least one");
    (void)add("rs", 4, 2, 1000, ERR_CONFIG);
    TEXT_IS("cellSize must be 1024 aligned");
    (void)add("rs", 4, 2, 0, ERR_CONFIG);
    TEXT_IS("cellSize must be positive");
    f.settings.ec_user_policies = false;
    REFUSED(add("rs", 4, 2, 65536, 0),
            "Addition of user defined erasure coding policy is disabled.");
    f.settings.ec_user_policies = true;
    f.user = "alice";
    (void)add("rs", 4, 2, 65536, ERR_ACCESS);
}

Test(ec, there_is_room_for_sixty_four)
{
    for (uint32_t i = 0; i < 64; i++)
        cr_assert_eq(add("rs", 2, 1, 1024 * (i + 1), 0)->policy->id, 64 + i);
    REFUSED(add("rs", 2, 1, 1024 * 65, 0),
            "Adding erasure coding policy failed because the number of policies stored in the "
            "system already reached the threshold, which is 127");
    cr_assert(add("rs", 2, 1, 1024, 0)->succeed, "it is there already");
}

Test(ec, removing)
{
    (void)add("rs", 4, 2, 65536, 0);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "RS-4-2-64k"), 0);
    cr_assert_eq(create("/f", "RS-4-2-64k", 1), 0);
    cr_assert_eq(change(CLIENT_removeErasureCodingPolicy, "RS-4-2-64k"), 0);
    cr_assert_eq(state_of(64), KEPT_EC_REMOVED);
    POLICY_IS("/f", 64);
    cr_assert_eq(create("/g", "RS-4-2-64k", 1), ERR_ILLEGAL_ARGUMENT);
    cr_assert_eq(change(CLIENT_removeErasureCodingPolicy, "RS-6-3-1024k"), ERR_ILLEGAL_ARGUMENT);
    TEXT_IS("System erasure coding policy RS-6-3-1024k cannot be removed");
    cr_assert_eq(change(CLIENT_removeErasureCodingPolicy, "x"), ERR_ILLEGAL_ARGUMENT);
    TEXT_IS("The policy name x does not exist");
    f.user = "alice";
    cr_assert_eq(change(CLIENT_removeErasureCodingPolicy, "RS-4-2-64k"), ERR_ACCESS);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "RS-4-2-64k"), ERR_ACCESS);
    cr_assert_eq(change(CLIENT_disableErasureCodingPolicy, "RS-4-2-64k"), ERR_ACCESS);
}

static const Hdfs__ECTopologyVerifierResult *topology(const char *name)
{
    Cp__GetECTopologyResultForPoliciesRequest req =
        CP__GET_ECTOPOLOGY_RESULT_FOR_POLICIES_REQUEST__INIT;
    char *names[] = {(char *)name};
    req.policies = names;
    req.n_policies = name != NULL;
    if (client_call(&f, CLIENT_getECTopologyResultForPolicies, &req.base) != 0)
        return NULL;
    return ((const Cp__GetECTopologyResultForPoliciesResponse *)(const void *)f.call.response)
        ->response;
}

Test(ec, nodes_and_racks)
{
    for (int i = 0; i < 3; i++)
        add_datanode(&f, i);
    const Hdfs__ECTopologyVerifierResult *r = topology(NULL);
    cr_assert_not(r->is_supported);
    cr_assert_str_eq(r->result_message,
                     "9 DataNodes are required for the erasure coding policies: RS-6-3-1024k. The "
                     "number of DataNodes is only 3.");
    r = topology("XOR-2-1-1024k");
    cr_assert_not(r->is_supported);
    cr_assert_str_eq(r->result_message,
                     "3 racks are required for the erasure coding policies: XOR-2-1-1024k. The "
                     "number of racks is only 1.");
    cr_assert_null(topology("none"));
    TEXT_IS("The given erasure coding policy none does not exist.");
    cr_assert_eq(change(CLIENT_disableErasureCodingPolicy, "RS-6-3-1024k"), 0);
    r = topology(NULL);
    cr_assert(r->is_supported);
    cr_assert_str_eq(r->result_message, "No erasure coding policy is given.");
}

/* ---- what striped files take ---- */

static const Hdfs__ContentSummary *summary(const char *path)
{
    Cp__GetContentSummaryRequest req = CP__GET_CONTENT_SUMMARY_REQUEST__INIT;
    req.path = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_getContentSummary, &req.base), 0);
    return ((const Cp__GetContentSummaryResponse *)(const void *)f.call.response)->summary;
}

/* Written by an image or a journal: closed with one group of that length. */
static void close_with_group(const char *path, uint64_t id, uint64_t length)
{
    struct err err = {0};
    struct edit_block block = {.id = id, .length = length, .genstamp = f.nn->generation_stamp};
    struct edit e = {.code = OP_close};
    e.close.path = slice_of(path);
    e.close.blocks = (struct edit_block_list){.at = &block, .count = 1};
    e.close.mtime = e.close.atime = 1;
    cr_assert_eq(f.env.shell.commit(&f, &e, &err), 0, "%s", err.text);
}

Test(ec, space_counts_parity_of_every_policy)
{
    (void)add("rs", 4, 2, 1024, 0);
    cr_assert_eq(change(CLIENT_enableErasureCodingPolicy, "RS-4-2-1k"), 0);
    cr_assert_eq(set_policy("/d", "RS-4-2-1k"), 0);
    cr_assert_eq(create("/d/f", NULL, 1), 0);
    close_with_group("/d/f", (uint64_t)INT64_MIN + 16, 4096 + 1500); /* a stripe and 1024 + 476 */
    const Hdfs__ContentSummary *s = summary("/d");
    cr_assert_eq(s->length, 5596);
    cr_assert_eq(s->space_consumed, 5596 + 2 * 2048);
    cr_assert_str_eq(s->erasure_coding_policy, "RS-4-2-1k");
    cr_assert_eq(create("/f", "RS-6-3-1024k", 1), 0);
    close_with_group("/f", (uint64_t)INT64_MIN + 32, 100);
    cr_assert_eq(summary("/f")->space_consumed, 400);
    cr_assert_str_eq(summary("/f")->erasure_coding_policy, "RS-6-3-1024k");
}

Test(ec, replication_is_a_policy_to_the_summary)
{
    cr_assert_eq(set_policy("/d", "replication"), 0);
    cr_assert_str_eq(summary("/d")->erasure_coding_policy, "replication");
    cr_assert_str_eq(summary("/d/below")->erasure_coding_policy, "replication");
    cr_assert_str_eq(summary("/")->erasure_coding_policy, "");
}

Test(ec, a_repeated_call_gets_the_same_answer)
{
    memset(f.rpc.client_id, 7, sizeof(f.rpc.client_id));
    f.rpc.client_id_size = RPC_CLIENT_ID_SIZE;
    f.rpc.call_id = 9;
    unsigned edits = f.edits;
    cr_assert_eq(add("rs", 4, 2, 1024, 0)->policy->id, 64);
    cr_assert_eq(add("rs", 4, 2, 1024, 0)->policy->id, 64);
    cr_assert_eq(f.edits, edits + 1);
    f.rpc.call_id = 10;
    cr_assert_eq(set_policy("/d", NULL), 0);
    cr_assert_eq(set_policy("/d", NULL), 0);
    cr_assert_eq(f.edits, edits + 2);
}
