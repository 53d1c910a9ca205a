#include "fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_fini(&f);
}

static int do_rename(const char *src, const char *dst, bool *ret)
{
    Cp__RenameRequest req = CP__RENAME_REQUEST__INIT;
    req.src = (char *)src;
    req.dst = (char *)dst;
    TRY(client_call(&f, CLIENT_rename, &req.base));
    *ret = ((const Cp__RenameResponse *)f.call.response)->result;
    return 0;
}

static int do_rename2(const char *src, const char *dst, bool overwrite)
{
    Cp__Rename2Request req = CP__RENAME2_REQUEST__INIT;
    req.src = (char *)src;
    req.dst = (char *)dst;
    req.overwrite_dest = overwrite;
    return client_call(&f, CLIENT_rename2, &req.base);
}

static int do_delete(const char *path, bool recursive, bool *ret)
{
    Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
    req.src = (char *)path;
    req.recursive = recursive;
    TRY(client_call(&f, CLIENT_delete, &req.base));
    *ret = ((const Cp__DeleteResponse *)f.call.response)->result;
    return 0;
}

static const Hdfs__HdfsFileStatus *status(const char *path)
{
    Cp__GetFileInfoRequest req = CP__GET_FILE_INFO_REQUEST__INIT;
    req.src = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_getFileInfo, &req.base), 0, "%s", f.call.err.text);
    return ((const Cp__GetFileInfoResponse *)f.call.response)->fs;
}

Test(tree, rename_answers_false_rename2_fails, .init = setup, .fini = teardown)
{
    bool ok;
    cr_assert_eq(do_mkdirs(&f, "/a/b"), 0);
    cr_assert_eq(do_mkdirs(&f, "/c"), 0);
    cr_assert_eq(do_rename("/missing", "/x", &ok), 0);
    cr_assert(!ok);
    cr_assert_eq(do_rename2("/missing", "/x", false), ERR_NOT_FOUND);
    cr_assert_eq(do_rename("/a", "/a/b/c", &ok), 0);
    cr_assert(!ok);
    cr_assert_eq(do_rename("/a", "/c", &ok), 0);
    cr_assert(ok, "into the directory");
    cr_assert_not_null(status("/c/a/b"));
    cr_assert_eq(do_mkdirs(&f, "/d"), 0);
    cr_assert_eq(do_rename2("/d", "/c", false), ERR_EXISTS);
    cr_assert_eq(do_rename2("/d", "/c", true), ERR_IO, "not empty");
    cr_assert_eq(do_rename2("/c", "/e", false), 0, "%s", f.call.err.text);
    cr_assert_null(status("/c"));
    cr_assert_not_null(status("/e/a/b"));
}

Test(tree, the_root_is_not_renamed_into_what_may_not_be_entered, .init = setup, .fini = teardown)
{
    bool ok = true;
    Cp__SetPermissionRequest req = CP__SET_PERMISSION_REQUEST__INIT;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    cr_assert_eq(do_mkdirs(&f, "/closed"), 0);
    cr_assert_eq(do_rename("/", "/closed", &ok), 0);
    cr_assert(!ok);
    mode.perm = 0700;
    req.src = (char *)"/closed";
    req.permission = &mode;
    cr_assert_eq(client_call(&f, CLIENT_setPermission, &req.base), 0, "%s", f.call.err.text);
    mode.perm = 0777;
    req.src = (char *)"/";
    cr_assert_eq(client_call(&f, CLIENT_setPermission, &req.base), 0, "%s", f.call.err.text);
    f.user = "mallory";
    cr_assert_eq(do_rename("/", "/closed", &ok), ERR_ACCESS);
}

Test(tree, what_is_no_inode_has_no_id, .init = setup, .fini = teardown)
{
    cr_assert(status("/.reserved")->has_file_id);
    cr_assert_eq(status("/.reserved")->file_id, UINT64_MAX);
    cr_assert_eq(status("/.snapshot")->file_id, UINT64_MAX);
}

Test(tree, delete_says_what_hdfs_says, .init = setup, .fini = teardown)
{
    bool ok;
    cr_assert_eq(do_mkdirs(&f, "/a/b"), 0);
    cr_assert_eq(do_delete("/a", false, &ok), ERR_NOT_EMPTY);
    cr_assert_eq(do_delete("/missing", true, &ok), 0);
    cr_assert(!ok);
    cr_assert_eq(do_delete("/", true, &ok), 0);
    cr_assert(!ok);
    cr_assert_eq(do_delete("/a", true, &ok), 0);
    cr_assert(ok);
    cr_assert_null(status("/a/b"));
}

Test(tree, others_may_not, .init = setup, .fini = teardown)
{
    bool ok;
    cr_assert_eq(do_mkdirs(&f, "/a/b"), 0);
    f.user = "mallory";
    cr_assert_eq(do_mkdirs(&f, "/a/c"), ERR_ACCESS);
    cr_assert_str_eq(f.call.err.text, "Permission denied: user=mallory, access=WRITE, "
                                      "inode=\"/a\":root:supergroup:drwxr-xr-x");
    cr_assert_eq(do_delete("/a/b", true, &ok), ERR_ACCESS);
    cr_assert_eq(do_rename("/a", "/x", &ok), ERR_ACCESS);
    cr_assert_eq(do_create(&f, "/x", "c", 1), ERR_ACCESS);
    cr_assert_not_null(status("/a/b"), "reading is allowed");
}

Test(tree, listing_goes_in_pages_of_signed_bytes, .init = setup, .fini = teardown)
{
    const char *names[] = {"/l/b", "/l/a", "/l/\xc3\xa9", "/l/c", "/l/d"};
    const char *order[] = {"\xc3\xa9", "a", "b", "c", "d"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        cr_assert_eq(do_mkdirs(&f, names[i]), 0);
    char last[16] = "";
    size_t seen = 0;
    for (uint32_t remaining = 1; remaining > 0;) {
        Cp__GetListingRequest req = CP__GET_LISTING_REQUEST__INIT;
        req.src = (char *)"/l";
        req.start_after = (ProtobufCBinaryData){strlen(last), (uint8_t *)last};
        cr_assert_eq(client_call(&f, CLIENT_getListing, &req.base), 0);
        const Hdfs__DirectoryListing *list =
            ((const Cp__GetListingResponse *)f.call.response)->dir_list;
        for (size_t i = 0; i < list->n_partial_listing; i++, seen++) {
            ProtobufCBinaryData name = list->partial_listing[i]->path;
            cr_assert_lt(seen, ARRAY_SIZE(order));
            cr_assert_eq(name.len, strlen(order[seen]));
            cr_assert_eq(memcmp(name.data, order[seen], name.len), 0);
            memcpy(last, name.data, name.len);
            last[name.len] = '\0';
        }
        remaining = list->remaining_entries;
    }
    cr_assert_eq(seen, ARRAY_SIZE(order));
}

Test(tree, unknown_methods_have_their_exception, .init = setup, .fini = teardown)
{
    Cp__CreateSnapshotRequest req = CP__CREATE_SNAPSHOT_REQUEST__INIT;
    req.snapshot_root = (char *)"/";
    cr_assert_eq(client_call(&f, CLIENT_createSnapshot, &req.base), ERR_NO_METHOD);
}

Test(tree, a_path_through_a_file, .init = setup, .fini = teardown)
{
    cr_assert_eq(do_create(&f, "/file", "c", 1), 0);
    cr_assert_null(status("/file/x"), "the superuser sees nothing there");
    f.user = "mallory";
    Cp__GetFileInfoRequest req = CP__GET_FILE_INFO_REQUEST__INIT;
    req.src = (char *)"/file/x";
    cr_assert_eq(client_call(&f, CLIENT_getFileInfo, &req.base), ERR_ACCESS);
    cr_assert_str_eq(f.call.err.text, "/file (is not a directory)");
}
