/* Open files and listings by pages, symlinks, storage policies, attributes that bind the superuser.
 */
#include "fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    f.settings.list_limit = 3;
    f.settings.open_files_page = 2;
    f.settings.batched_list_limit = 4;
    f.settings.max_xattrs = 2;
    f.settings.max_xattr_size = 100;
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(names, .init = setup, .fini = teardown);

static const Hdfs__HdfsFileStatus *status(const char *path)
{
    Cp__GetFileLinkInfoRequest req = CP__GET_FILE_LINK_INFO_REQUEST__INIT;
    req.src = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_getFileLinkInfo, &req.base), 0, "%s", f.call.err.text);
    return ((const Cp__GetFileLinkInfoResponse *)f.call.response)->fs;
}

static void expect(int rc, int want, const char *text)
{
    cr_assert_eq(rc, want, "%s: %s", err_name(rc), f.call.err.text);
    cr_assert_str_eq(f.call.err.text, text);
}

/* ---- open files ---- */

static const Cp__ListOpenFilesResponse *open_files(int64_t after, const char *path)
{
    Cp__ListOpenFilesRequest req = CP__LIST_OPEN_FILES_REQUEST__INIT;
    req.id = after;
    req.path = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_listOpenFiles, &req.base), 0, "%s", f.call.err.text);
    return (const Cp__ListOpenFilesResponse *)f.call.response;
}

Test(names, open_files_come_by_inode_id_a_page_at_a_time)
{
    bool done;
    const char *paths[] = {"/d/3", "/e/1", "/d/2", "/d/4"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) /* holders in another order than ids */
        cr_assert_eq(do_create(&f, paths[i], i % 2 == 0 ? "z" : "a", 1), 0);
    const Cp__ListOpenFilesResponse *page = open_files(0, "/");
    cr_assert(page->n_entries == 2 && page->has_more);
    cr_assert_str_eq(page->entries[0]->path, "/d/3");
    cr_assert_str_eq(page->entries[1]->path, "/e/1");
    page = open_files(page->entries[1]->id, "/");
    cr_assert(page->n_entries == 2 && !page->has_more);
    cr_assert_str_eq(page->entries[1]->client_name, "a");
    page = open_files(0, "/d");
    cr_assert(page->n_entries == 2 && page->has_more);
    cr_assert_str_eq(page->entries[1]->path, "/d/2");
    cr_assert_eq(open_files(0, "/nothing")->n_entries, 0);
    cr_assert_eq(open_files(0, "//d")->n_entries, 0, "the authority of a path");
    cr_assert_eq(do_complete(&f, "/d/3", "z", NULL, &done), 0);
    page = open_files(0, "/d/");
    cr_assert(page->n_entries == 2 && !page->has_more);
    cr_assert_str_eq(page->entries[0]->path, "/d/2");
}

/* ---- many listings ---- */

static int batched(char **paths, size_t count, ProtobufCBinaryData after)
{
    Cp__GetBatchedListingRequest req = CP__GET_BATCHED_LISTING_REQUEST__INIT;
    req.paths = paths;
    req.n_paths = count;
    req.start_after = after;
    return client_call(&f, CLIENT_getBatchedListing, &req.base);
}

Test(names, batched_listings_go_on_at_their_cursor)
{
    char *paths[] = {(char *)"/none", (char *)"/d", (char *)"/d/1"};
    uint8_t cursor[64];
    const char *made[] = {"/d/1", "/d/2", "/d/3", "/d/4"};
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        cr_assert_eq(do_mkdirs(&f, made[i]), 0);
    cr_assert_eq(batched(paths, 3, (ProtobufCBinaryData){0}), 0, "%s", f.call.err.text);
    const Cp__GetBatchedListingResponse *res =
        (const Cp__GetBatchedListingResponse *)f.call.response;
    cr_assert(res->n_listings == 2 && res->has_more);
    cr_assert_str_eq(res->listings[0]->exception->class_name, "java.io.FileNotFoundException");
    cr_assert_str_eq(res->listings[0]->exception->message, "Path /none does not exist");
    cr_assert_eq(res->listings[1]->n_partial_listing, 3);
    cr_assert_leq(res->start_after.len, sizeof(cursor));
    ProtobufCBinaryData after = {res->start_after.len, cursor};
    memcpy(cursor, res->start_after.data, after.len);
    cr_assert_eq(batched(paths, 2, after), ERR_CONFIG); /* other paths */
    cr_assert_eq(batched(paths, 3, after), 0);
    res = (const Cp__GetBatchedListingResponse *)f.call.response;
    cr_assert(res->n_listings == 2 && !res->has_more);
    cr_assert(res->listings[0]->parent_idx == 1 && res->listings[0]->n_partial_listing == 1);
    cr_assert_eq(res->listings[1]->n_partial_listing, 0);
    char *root = (char *)"/", *many[] = {root, root, root, root, root};
    expect(batched(many, 5, (ProtobufCBinaryData){0}), ERR_CONFIG, "Too many source paths (5 > 4)");
}

static void write_file(const char *path)
{
    Hdfs__ExtendedBlock block;
    bool done = false;
    cr_assert_eq(do_create(&f, path, "c", 1), 0, "%s", f.call.err.text);
    cr_assert_eq(do_add_block(&f, path, "c", NULL, &block), 0, "%s", f.call.err.text);
    for (int i = 1; i <= 3; i++)
        report_received(&f, i, &block, 10);
    block.has_num_bytes = true;
    block.num_bytes = 10;
    cr_assert_eq(do_complete(&f, path, "c", &block, &done), 0, "%s", f.call.err.text);
}

/* Locations make a page short of its entries: the rest comes with the next one. */
Test(names, batched_listings_with_locations_leave_nothing_out)
{
    char *paths[] = {(char *)"/d", (char *)"/e"};
    uint8_t cursor[64];
    const char *made[] = {"/d/1", "/d/2", "/d/3", "/e/1"};
    for (int i = 1; i <= 3; i++)
        add_datanode(&f, i);
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        write_file(made[i]);
    Cp__GetBatchedListingRequest req = CP__GET_BATCHED_LISTING_REQUEST__INIT;
    req.paths = paths;
    req.n_paths = ARRAY_SIZE(paths);
    req.need_location = true;
    size_t entries = 0;
    for (bool more = true; more;) {
        cr_assert_eq(client_call(&f, CLIENT_getBatchedListing, &req.base), 0, "%s",
                     f.call.err.text);
        const Cp__GetBatchedListingResponse *res =
            (const Cp__GetBatchedListingResponse *)f.call.response;
        for (size_t i = 0; i < res->n_listings; i++)
            entries += res->listings[i]->n_partial_listing;
        more = res->has_more;
        cr_assert_leq(res->start_after.len, sizeof(cursor));
        if (more)
            memcpy(cursor, res->start_after.data, res->start_after.len);
        req.start_after = (ProtobufCBinaryData){res->start_after.len, cursor};
    }
    cr_assert_eq(entries, ARRAY_SIZE(made));
}

/* ---- symlinks ---- */

static int link_to(const char *target, const char *link, bool parents)
{
    Hdfs__FsPermission perm = HDFS__FS_PERMISSION__INIT;
    Cp__CreateSymlinkRequest req = CP__CREATE_SYMLINK_REQUEST__INIT;
    perm.perm = 0755;
    req.target = (char *)target;
    req.link = (char *)link;
    req.dir_perm = &perm;
    req.create_parent = parents;
    return client_call(&f, CLIENT_createSymlink, &req.base);
}

Test(names, symlinks_need_the_switch)
{
    expect(link_to("/a", "/l", false), ERR_UNSUPPORTED, "Symlinks not supported");
    f.settings.symlinks_enabled = true;
    cr_assert_eq(do_mkdirs(&f, "/a"), 0);
    expect(link_to("/.reserved/raw/a", "/l", false), ERR_INVALID_PATH,
           "Invalid path name Invalid target name: /.reserved/raw/a");
    cr_assert_eq(link_to("../a", "/new/l", false), ERR_NOT_FOUND);
    cr_assert_eq(link_to("../a", "/new/l", true), 0, "%s", f.call.err.text);
    const Hdfs__HdfsFileStatus *s = status("/new/l");
    cr_assert_eq(s->file_type, HDFS__HDFS_FILE_STATUS__FILE_TYPE__IS_SYMLINK);
    Cp__GetListingRequest list = CP__GET_LISTING_REQUEST__INIT;
    list.src = (char *)"/new/l/x";
    expect(client_call(&f, CLIENT_getListing, &list.base), ERR_UNRESOLVED_LINK, "/a/x");
    cr_assert_eq(link_to("x", "/new/l", false), ERR_IO);
    Cp__GetLinkTargetRequest target = CP__GET_LINK_TARGET_REQUEST__INIT;
    target.path = (char *)"/new/l";
    cr_assert_eq(client_call(&f, CLIENT_getLinkTarget, &target.base), 0);
    cr_assert_str_eq(((const Cp__GetLinkTargetResponse *)f.call.response)->target_path, "../a");
}

Test(names, symlinks_count_in_quotas)
{
    Cp__SetQuotaRequest req = CP__SET_QUOTA_REQUEST__INIT;
    f.settings.symlinks_enabled = true;
    req.path = (char *)"/q";
    req.namespace_quota = 2;
    req.storagespace_quota = INT64_MAX;
    cr_assert_eq(do_mkdirs(&f, "/q"), 0);
    cr_assert_eq(client_call(&f, CLIENT_setQuota, &req.base), 0, "%s", f.call.err.text);
    cr_assert_eq(link_to("a", "/q/1", false), 0);
    cr_assert_eq(link_to("a", "/q/2", false), ERR_NS_QUOTA);
}

/* ---- storage policies ---- */

static int set_policy(const char *path, const char *name)
{
    Cp__SetStoragePolicyRequest req = CP__SET_STORAGE_POLICY_REQUEST__INIT;
    req.src = (char *)path;
    req.policy_name = (char *)name;
    return client_call(&f, CLIENT_setStoragePolicy, &req.base);
}

Test(names, storage_policies_are_inherited_and_one_is_for_life)
{
    cr_assert_eq(do_mkdirs(&f, "/d/e"), 0);
    expect(set_policy("/d", "LUKEWARM"), ERR_ILLEGAL_ARGUMENT,
           "Cannot find a block policy with the name LUKEWARM");
    cr_assert_eq(set_policy("/none", "COLD"), ERR_NOT_FOUND);
    cr_assert_eq(set_policy("/d", "cold"), 0, "%s", f.call.err.text);
    cr_assert_eq(status("/d/e")->storage_policy, 2);
    cr_assert_eq(do_create(&f, "/d/e/f", "c", 1), 0);
    cr_assert_eq(status("/d/e/f")->storage_policy, 2);
    expect(set_policy("/d/e/f", "LAZY_PERSIST"), ERR_ILLEGAL_ARGUMENT,
           "Policy BlockStoragePolicy{LAZY_PERSIST:15, storageTypes=[RAM_DISK, DISK], "
           "creationFallbacks=[DISK], replicationFallbacks=[DISK]} cannot be set after file "
           "creation.");
    cr_assert_eq(set_policy("/d", "LAZY_PERSIST"), 0);
    cr_assert_eq(do_create(&f, "/d/e/g", "c", 1), 0);
    cr_assert_eq(set_policy("/d", "HOT"), 0);
    cr_assert_eq(status("/d/e/f")->storage_policy, 7);
    cr_assert_eq(status("/d/e/g")->storage_policy, 15, "what it was made with stays");
    expect(set_policy("/d/e/g", "HOT"), ERR_ILLEGAL_ARGUMENT,
           "Existing policy LAZY_PERSIST cannot be changed after file creation.");
    Cp__UnsetStoragePolicyRequest unset = CP__UNSET_STORAGE_POLICY_REQUEST__INIT;
    unset.src = (char *)"/d";
    cr_assert_eq(client_call(&f, CLIENT_unsetStoragePolicy, &unset.base), 0);
    cr_assert_eq(status("/d/e/f")->storage_policy, 0);
}

/* ---- attributes ---- */

static int set_xattr(const char *path, unsigned space, const char *name, const char *value)
{
    Hdfs__XAttr x = HDFS__XATTR__INIT;
    Cp__SetXAttrRequest req = CP__SET_XATTR_REQUEST__INIT;
    x.namespace_ = (Hdfs__XAttr__XAttrNamespace)space;
    x.name = (char *)name;
    x.has_value = value != NULL;
    x.value = (ProtobufCBinaryData){value == NULL ? 0 : strlen(value), (uint8_t *)value};
    req.src = (char *)path;
    req.xattr = &x;
    req.has_flag = true;
    req.flag = HDFS__XATTR_SET_FLAG__XATTR_CREATE;
    return client_call(&f, CLIENT_setXAttr, &req.base);
}

Test(names, not_even_the_superuser_reads_a_file_so_marked)
{
    static const char mark[] = "hdfs.unreadable.by.superuser";
    cr_assert_eq(do_create(&f, "/d/f", "c", 1), 0);
    expect(set_xattr("/d", XATTR_SECURITY, mark, NULL), ERR_IO,
           "Can only set 'security.hdfs.unreadable.by.superuser' on a file.");
    cr_assert_eq(set_xattr("/d/f", XATTR_SECURITY, mark, "x"), ERR_ACCESS);
    cr_assert_eq(set_xattr("/d/f", XATTR_SECURITY, "other", NULL), ERR_ACCESS);
    cr_assert_eq(set_xattr("/d/f", XATTR_RAW, "x", NULL), ERR_ACCESS);
    cr_assert_eq(set_xattr("/.reserved/raw/d/f", XATTR_RAW, "x", NULL), 0, "%s", f.call.err.text);
    cr_assert_eq(set_xattr("/d/f", XATTR_SECURITY, mark, NULL), 0, "%s", f.call.err.text);
    Cp__GetBlockLocationsRequest req = CP__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    req.src = (char *)"/d/f";
    req.length = 1;
    cr_assert_eq(client_call(&f, CLIENT_getBlockLocations, &req.base), ERR_ACCESS);
    cr_assert_eq(set_xattr("/d/f", XATTR_USER, "a", NULL), 0);
    cr_assert_eq(set_xattr("/d/f", XATTR_USER, "b", NULL), 0);
    expect(set_xattr("/d/f", XATTR_USER, "c", NULL), ERR_IO,
           "Cannot add additional XAttr to inode, would exceed limit of 2");
}
