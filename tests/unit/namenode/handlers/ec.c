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
