/* Quotas through the calls: who may set them, what they stop and with which words, and that usage
 * follows what happens. */
#include "fixture.h"

#include "namenode/state/state.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    for (int i = 1; i <= 3; i++)
        add_datanode(&f, i);
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(quota, .init = setup, .fini = teardown);

static int set_quota(const char *path, int64_t ns, int64_t ds, int type)
{
    Cp__SetQuotaRequest req = CP__SET_QUOTA_REQUEST__INIT;
    req.path = (char *)path;
    req.namespace_quota = (uint64_t)ns;
    req.storagespace_quota = (uint64_t)ds;
    req.has_storage_type = type != 0;
    req.storage_type = (Hdfs__StorageType)type;
    return client_call(&f, CLIENT_setQuota, &req.base);
}

static const Hdfs__QuotaUsage *usage(const char *path)
{
    Cp__GetQuotaUsageRequest req = CP__GET_QUOTA_USAGE_REQUEST__INIT;
    req.path = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_getQuotaUsage, &req.base), 0, "%s", f.call.err.text);
    return ((const Cp__GetQuotaUsageResponse *)f.call.response)->usage;
}

static const Hdfs__ContentSummary *summary(const char *path)
{
    Cp__GetContentSummaryRequest req = CP__GET_CONTENT_SUMMARY_REQUEST__INIT;
    req.path = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_getContentSummary, &req.base), 0, "%s", f.call.err.text);
    return ((const Cp__GetContentSummaryResponse *)f.call.response)->summary;
}

static int rename_to(const char *src, const char *dst, bool overwrite)
{
    Cp__Rename2Request req = CP__RENAME2_REQUEST__INIT;
    req.src = (char *)src;
    req.dst = (char *)dst;
    req.overwrite_dest = overwrite;
    return client_call(&f, CLIENT_rename2, &req.base);
}

static int delete_all(const char *path)
{
    Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
    req.src = (char *)path;
    req.recursive = true;
    return client_call(&f, CLIENT_delete, &req.base);
}

static int set_replication(const char *path, uint32_t replication)
{
    Cp__SetReplicationRequest req = CP__SET_REPLICATION_REQUEST__INIT;
    req.src = (char *)path;
    req.replication = replication;
    return client_call(&f, CLIENT_setReplication, &req.base);
}

/* A closed file of one block. */
static void write_file(const char *path, uint64_t length)
{
    Hdfs__ExtendedBlock block;
    bool done = false;
    cr_assert_eq(do_create(&f, path, "c", 1), 0, "%s", f.call.err.text);
    cr_assert_eq(do_add_block(&f, path, "c", NULL, &block), 0, "%s", f.call.err.text);
    for (int i = 1; i <= 3; i++)
        report_received(&f, i, &block, length);
    block.has_num_bytes = true;
    block.num_bytes = length;
    cr_assert_eq(do_complete(&f, path, "c", &block, &done), 0, "%s", f.call.err.text);
    cr_assert(done);
}

static void set_policy(const char *path, uint8_t policy)
{
    struct edit e = {.code = OP_set_storage_policy};
    struct err err = {0};
    e.set_storage_policy.path = slice_of(path);
    e.set_storage_policy.policy = policy;
    cr_assert_eq(f.env.shell.commit(&f, &e, &err), 0, "%s", err.text);
}

static void expect(int rc, int want, const char *text)
{
    cr_assert_eq(rc, want, "%s: %s", err_name(rc), f.call.err.text);
    cr_assert_str_eq(f.call.err.text, text);
}

Test(quota, arguments_are_checked_as_hadoop_does)
{
    do_mkdirs(&f, "/q");
    write_file("/file", 1);
    expect(set_quota("/q", -2, INT64_MAX, 0), ERR_CONFIG,
           "Illegal value for nsQuota or ssQuota : -2 and 9223372036854775807");
    expect(set_quota("/q", 5, 100, HDFS__STORAGE_TYPE__SSD), ERR_UNSUPPORTED_ACTION,
           "Failed to set quota by storage type because eitherdfs.quota.by.storage.type.enabled is "
           "set to true or nsQuota value is illegal 5");
    expect(set_quota("/none", 5, INT64_MAX, 0), ERR_NOT_FOUND, "Directory does not exist: /none");
    expect(set_quota("/file", 5, INT64_MAX, 0), ERR_PATH_NOT_DIR, "`/file': Is not a directory");
    f.user = "bob";
    expect(set_quota("/q", 5, INT64_MAX, 0), ERR_ACCESS,
           "Access denied for user bob. Superuser privilege is required for operation setQuota");
    f.settings.owner_may_set_quota = true;
    expect(set_quota("/q", 5, INT64_MAX, 0), ERR_ACCESS,
           "Access denied for user bob. Superuser or owner of parent folder privilege is required");
}

Test(quota, is_shown_kept_and_dropped)
{
    do_mkdirs(&f, "/q");
    unsigned edits = f.edits;
    cr_assert_eq(set_quota("/q", 10, INT64_MAX, 0), 0);
    cr_assert_eq(set_quota("/q", INT64_MAX, 1 << 30, 0), 0);
    cr_assert_eq(set_quota("/q", INT64_MAX, 1 << 20, HDFS__STORAGE_TYPE__ARCHIVE), 0);
    const Hdfs__QuotaUsage *u = usage("/q");
    cr_assert(u->quota == 10 && u->space_quota == 1 << 30 && u->file_and_directory_count == 1);
    cr_assert_eq(u->type_quota_infos->n_type_quota_info, 5);
    cr_assert_eq(u->type_quota_infos->type_quota_info[2]->type, HDFS__STORAGE_TYPE__ARCHIVE);
    cr_assert_eq(u->type_quota_infos->type_quota_info[2]->quota, 1 << 20);
    cr_assert_eq(f.edits, edits + 3);
    cr_assert_eq(set_quota("/q", 10, INT64_MAX, 0), 0);
    cr_assert_eq(f.edits, edits + 3, "what changes nothing is not logged");
    cr_assert_eq(set_quota("/q", -1, -1, 0), 0);
    cr_assert_eq(set_quota("/q", INT64_MAX, -1, HDFS__STORAGE_TYPE__ARCHIVE), 0);
    cr_assert(usage("/q")->quota == NS_NO_QUOTA && usage("/q")->type_quota_infos == NULL);
    cr_assert_eq(set_quota("/", -1, INT64_MAX, 0), 0);
    cr_assert_eq(usage("/")->quota, INT64_MAX);
}

Test(quota, of_names_stops_mkdirs_create_and_rename)
{
    do_mkdirs(&f, "/q/a");
    do_mkdirs(&f, "/other/b/c");
    cr_assert_eq(set_quota("/q", 4, INT64_MAX, 0), 0);
    expect(do_mkdirs(&f, "/q/x/y/z"), ERR_NS_QUOTA,
           "The NameSpace quota (directories and files) of directory /q is exceeded: quota=4 file "
           "count=5");
    cr_assert_eq(usage("/q")->file_and_directory_count, 4, "the first two were made");
    expect(do_create(&f, "/q/f", "c", 1), ERR_NS_QUOTA,
           "The NameSpace quota (directories and files) of directory /q is exceeded: quota=4 file "
           "count=5");
    expect(rename_to("/other/b", "/q/b", false), ERR_NS_QUOTA,
           "The NameSpace quota (directories and files) of directory /q is exceeded: quota=4 file "
           "count=6");
    cr_assert_eq(rename_to("/q/a", "/q/x/a", false), 0, "inside of the same quota");
    cr_assert_eq(delete_all("/q/x"), 0);
    cr_assert_eq(rename_to("/other/b", "/q/b", false), 0);
    cr_assert_eq(usage("/q")->file_and_directory_count, 3);
    cr_assert_eq(do_create(&f, "/q/f", "c", 1), 0);
}

Test(quota, of_space_counts_a_full_block_until_it_is_complete)
{
    Hdfs__ExtendedBlock block;
    bool done;
    do_mkdirs(&f, "/q");
    cr_assert_eq(set_quota("/q", INT64_MAX, 5 << 20, 0), 0);
    write_file("/q/a", 1000);
    cr_assert_eq(usage("/q")->space_consumed, 3000);
    cr_assert_eq(do_create(&f, "/q/b", "c", 1), 0);
    cr_assert_eq(do_add_block(&f, "/q/b", "c", NULL, &block), 0);
    cr_assert_eq(usage("/q")->space_consumed, 3000 + (3 << 20));
    cr_assert(summary("/q")->length == 1000 && summary("/q")->space_consumed == 3000 + (3 << 20));
    cr_assert_eq(do_create(&f, "/q/c", "c", 1), 0);
    Hdfs__ExtendedBlock other;
    expect(do_add_block(&f, "/q/c", "c", NULL, &other), ERR_DS_QUOTA,
           "The DiskSpace quota of /q is exceeded: quota = 5242880 B = 5 MB but diskspace consumed "
           "= 6294456 B = 6.00 MB");
    for (int i = 1; i <= 3; i++)
        report_received(&f, i, &block, 500);
    block.has_num_bytes = true;
    block.num_bytes = 500;
    cr_assert_eq(do_complete(&f, "/q/b", "c", &block, &done), 0);
    cr_assert(usage("/q")->space_consumed == 4500 && summary("/q")->length == 1500);
    cr_assert_eq(do_add_block(&f, "/q/c", "c", NULL, &other), 0);
}

Test(quota, of_space_stops_replicas_and_moves)
{
    do_mkdirs(&f, "/q");
    write_file("/q/a", 1000);
    write_file("/b", 2000);
    cr_assert_eq(set_quota("/q", INT64_MAX, 3500, 0), 0);
    expect(set_replication("/q/a", 4), ERR_DS_QUOTA,
           "The DiskSpace quota of /q is exceeded: quota = 3500 B = 3.42 KB but diskspace consumed "
           "= 4000 B = 3.91 KB");
    cr_assert_eq(set_replication("/q/a", 1), 0);
    cr_assert_eq(usage("/q")->space_consumed, 1000);
    expect(rename_to("/b", "/q/b", false), ERR_DS_QUOTA,
           "The DiskSpace quota of /q is exceeded: quota = 3500 B = 3.42 KB but diskspace consumed "
           "= 7000 B = 6.84 KB");
    cr_assert_eq(set_replication("/b", 1), 0);
    cr_assert_eq(rename_to("/b", "/q/a", true), 0, "what it overwrites makes room");
    cr_assert_eq(usage("/q")->space_consumed, 2000);
}

static uint64_t consumed(const char *path, int at)
{
    const Hdfs__QuotaUsage *u = usage(path);
    return u->type_quota_infos == NULL ? 0 : u->type_quota_infos->type_quota_info[at]->consumed;
}

Test(quota, by_type_follows_the_policy)
{
    enum { SSD, DISK, ARCHIVE };
    do_mkdirs(&f, "/q/in");
    write_file("/q/in/a", 1000);
    cr_assert_eq(usage("/q")->type_quota_infos, NULL, "without a policy nothing has a type");
    set_policy("/q", 10); /* ONE_SSD */
    cr_assert(consumed("/q", SSD) == 1000 && consumed("/q", DISK) == 2000);
    cr_assert(consumed("/q/in", SSD) == 1000 && consumed("/q/in/a", DISK) == 2000);
    set_policy("/q/in", 2); /* COLD */
    cr_assert(consumed("/q", SSD) == 0 && consumed("/q", ARCHIVE) == 3000);
    set_policy("/q/in", 0);
    cr_assert(consumed("/q", SSD) == 1000 && consumed("/q", ARCHIVE) == 0);
    cr_assert_eq(set_quota("/q", INT64_MAX, 1500, HDFS__STORAGE_TYPE__SSD), 0);
    Hdfs__ExtendedBlock block;
    cr_assert_eq(do_create(&f, "/q/b", "c", 1), 0);
    expect(do_add_block(&f, "/q/b", "c", NULL, &block), ERR_TYPE_QUOTA,
           "Quota by storage type : SSD on path : /q is exceeded. quota = 1.46 KB but space "
           "consumed = 1.00 MB");
    cr_assert_eq(rename_to("/q/in", "/in", false), 0);
    cr_assert(consumed("/q", SSD) == 0 && consumed("/in", SSD) == 0);
}

Test(quota, a_summary_names_the_erasure_coding_policy)
{
    write_file("/d/a", 10);
    cr_assert_str_eq(summary("/d")->erasure_coding_policy, "");
    cr_assert_str_eq(summary("/d/a")->erasure_coding_policy, "Replicated");
    cr_assert(summary("/d")->file_count == 1 && summary("/d")->directory_count == 1);
}

Test(quota, reading_a_summary_needs_the_directories_and_no_sticky_bit)
{
    Cp__GetContentSummaryRequest req = CP__GET_CONTENT_SUMMARY_REQUEST__INIT;
    Cp__SetPermissionRequest mode = CP__SET_PERMISSION_REQUEST__INIT;
    Hdfs__FsPermission perm = HDFS__FS_PERMISSION__INIT;
    write_file("/tmp/a/f", 10);
    mode.src = (char *)"/tmp";
    mode.permission = &perm;
    perm.perm = 01777;
    cr_assert_eq(client_call(&f, CLIENT_setPermission, &mode.base), 0);
    f.user = "bob";
    cr_assert_eq(summary("/tmp")->file_count, 1);
    f.user = "root";
    mode.src = (char *)"/tmp/a";
    perm.perm = 0750;
    cr_assert_eq(client_call(&f, CLIENT_setPermission, &mode.base), 0);
    f.user = "bob";
    req.path = (char *)"/tmp";
    expect(client_call(&f, CLIENT_getContentSummary, &req.base), ERR_ACCESS,
           "Permission denied: user=bob, access=READ_EXECUTE, "
           "inode=\"/tmp/a\":root:supergroup:drwxr-x---");
}
