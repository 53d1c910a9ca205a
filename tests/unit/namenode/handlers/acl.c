#include "fixture.h"

#include <stdio.h>

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    bool done;
    cr_assert_eq(do_mkdirs(&f, "/d"), 0);
    cr_assert_eq(do_create(&f, "/f", "writer", 1), 0);
    cr_assert_eq(do_complete(&f, "/f", "writer", NULL, &done), 0);
}

static void teardown(void)
{
    fixture_fini(&f);
}

/* ---- entries as text: u:bob:rw-, g::r-x, m::rwx, o::---, with a d before those of the defaults */

enum { MAX_SPEC = 80 };
struct spec {
    char text[2048];
    Hdfs__AclEntry entries[MAX_SPEC], *list[MAX_SPEC];
    size_t count;
};

static void parse(const char *text, struct spec *s)
{
    static const char types[] = "ugmo";
    char *save, *next = s->text;
    snprintf(s->text, sizeof(s->text), "%s", text);
    for (s->count = 0; (next = strtok_r(s->count == 0 ? next : NULL, " ", &save)) != NULL;) {
        Hdfs__AclEntry *e = &s->entries[s->count];
        hdfs__acl_entry__init(e);
        e->scope = (Hdfs__AclEntry__AclEntryScope)(*next == 'd');
        next += e->scope;
        e->type = (Hdfs__AclEntry__AclEntryType)(strchr(types, *next) - types);
        char *name = next + 2, *access = strchr(name, ':');
        *access++ = '\0';
        e->name = *name == '\0' ? NULL : name;
        e->permissions = (Hdfs__AclEntry__FsAction)((access[0] == 'r') << 2 |
                                                    (access[1] == 'w') << 1 | (access[2] == 'x'));
        s->list[s->count++] = e;
    }
}

/* The mode in octal, then the entries as above. */
static const char *show(const char *path)
{
    static char text[4096];
    Cp__GetAclStatusRequest req = CP__GET_ACL_STATUS_REQUEST__INIT;
    req.src = (char *)path;
    cr_assert_eq(client_call(&f, CLIENT_getAclStatus, &req.base), 0, "%s", f.call.err.text);
    const Hdfs__AclStatus *acl = ((const Cp__GetAclStatusResponse *)f.call.response)->result;
    int n = snprintf(text, sizeof(text), "%o", acl->permission->perm);
    for (size_t i = 0; i < acl->n_entries; i++) {
        const Hdfs__AclEntry *e = acl->entries[i];
        char access[10];
        mode_text((uint16_t)(e->permissions << 6), access);
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %s%c:%s:%.3s", e->scope ? "d" : "",
                      "ugmo"[e->type], e -> name ? e -> name : "", access);
    }
    return text;
}

static int modify(const char *path, const char *entries)
{
    struct spec s;
    Cp__ModifyAclEntriesRequest req = CP__MODIFY_ACL_ENTRIES_REQUEST__INIT;
    parse(entries, &s);
    req.src = (char *)path;
    req.acl_spec = s.list;
    req.n_acl_spec = s.count;
    return client_call(&f, CLIENT_modifyAclEntries, &req.base);
}

static int remove_entries(const char *path, const char *entries)
{
    struct spec s;
    Cp__RemoveAclEntriesRequest req = CP__REMOVE_ACL_ENTRIES_REQUEST__INIT;
    parse(entries, &s);
    req.src = (char *)path;
    req.acl_spec = s.list;
    req.n_acl_spec = s.count;
    return client_call(&f, CLIENT_removeAclEntries, &req.base);
}

static int set(const char *path, const char *entries)
{
    struct spec s;
    Cp__SetAclRequest req = CP__SET_ACL_REQUEST__INIT;
    parse(entries, &s);
    req.src = (char *)path;
    req.acl_spec = s.list;
    req.n_acl_spec = s.count;
    return client_call(&f, CLIENT_setAcl, &req.base);
}

static int remove_defaults(const char *path)
{
    Cp__RemoveDefaultAclRequest req = CP__REMOVE_DEFAULT_ACL_REQUEST__INIT;
    req.src = (char *)path;
    return client_call(&f, CLIENT_removeDefaultAcl, &req.base);
}

static int remove_all(const char *path)
{
    Cp__RemoveAclRequest req = CP__REMOVE_ACL_REQUEST__INIT;
    req.src = (char *)path;
    return client_call(&f, CLIENT_removeAcl, &req.base);
}

#define ASSERT_ACL(path, expected) cr_assert_str_eq(show(path), expected)
#define ASSERT_DONE(action)        cr_assert_eq(action, 0, "%s", f.call.err.text)

static void assert_refused(int rc, const char *text)
{
    cr_assert_eq(rc, ERR_ACL, "%d %s", rc, f.call.err.text);
    cr_assert_str_eq(f.call.err.text, text);
}

Test(acl, entries_are_added_replaced_and_sorted, .init = setup, .fini = teardown)
{
    ASSERT_ACL("/f", "644");
    ASSERT_DONE(modify("/f", "g:staff:r-x u:bob:rw- u:amy:r--"));
    ASSERT_ACL("/f", "674 u:amy:r-- u:bob:rw- g::r-- g:staff:r-x");
    ASSERT_DONE(modify("/f", "u:bob:r-- o::--- u::r--"));
    ASSERT_ACL("/f", "450 u:amy:r-- u:bob:r-- g::r-- g:staff:r-x");
    ASSERT_DONE(remove_entries("/f", "u:amy:--- u:nobody:rwx"));
    ASSERT_ACL("/f", "450 u:bob:r-- g::r-- g:staff:r-x");
}

Test(acl, a_mask_is_kept_given_or_counted, .init = setup, .fini = teardown)
{
    ASSERT_DONE(modify("/f", "u:bob:rwx m::r--"));
    ASSERT_ACL("/f", "644 u:bob:rwx g::r--");
    ASSERT_DONE(modify("/f", "o::r--")); /* a change of its scope counts it anew */
    ASSERT_ACL("/f", "674 u:bob:rwx g::r--");
    assert_refused(remove_entries("/f", "m::---"),
                   "Invalid ACL: mask is required and cannot be deleted. Path: /f");
    ASSERT_DONE(remove_entries("/f", "u:bob:---"));
    ASSERT_ACL("/f", "644 g::r--");
    ASSERT_DONE(remove_entries("/f", "m::---"));
    ASSERT_ACL("/f", "644");

    ASSERT_DONE(modify("/d", "u:bob:rwx m::r--"));
    ASSERT_DONE(modify("/d", "du:eve:rwx")); /* the other scope's mask stays */
    ASSERT_ACL("/d", "745 u:bob:rwx g::r-x du::rwx du:eve:rwx dg::r-x dm::rwx do::r-x");
}

Test(acl, defaults_are_completed_and_inherited, .init = setup, .fini = teardown)
{
    ASSERT_DONE(modify("/d", "dm::rwx")); /* a mask alone is no ACL */
    ASSERT_ACL("/d", "755");
    ASSERT_DONE(modify("/d", "du:bob:-wx"));
    ASSERT_ACL("/d", "755 du::rwx du:bob:-wx dg::r-x dm::rwx do::r-x");
    ASSERT_DONE(do_mkdirs(&f, "/d/sub"));
    ASSERT_ACL("/d/sub", "755 u:bob:-wx g::r-x du::rwx du:bob:-wx dg::r-x dm::rwx do::r-x");
    ASSERT_DONE(remove_defaults("/d/sub"));
    ASSERT_ACL("/d/sub", "755 u:bob:-wx g::r-x");
    assert_refused(modify("/f", "du:bob:rwx"), "Invalid ACL: only directories may have a default "
                                               "ACL. Path: /f Path: /f");
    ASSERT_ACL("/f", "644");
}

Test(acl, set_replaces_the_scopes_that_it_names, .init = setup, .fini = teardown)
{
    ASSERT_DONE(modify("/d", "u:bob:rwx dg:staff:rwx"));
    ASSERT_DONE(set("/d", "u::rwx g::--- o::---"));
    ASSERT_ACL("/d", "700 du::rwx dg::r-x dg:staff:rwx dm::rwx do::r-x");
    ASSERT_DONE(set("/d", "du:eve:r--"));
    ASSERT_ACL("/d", "700 du::rwx du:eve:r-- dg::--- dm::r-- do::---");
    assert_refused(set("/d", "u:bob:rwx"),
                   "Invalid ACL: the user, group and other entries are required. Path: /d");
    ASSERT_DONE(set("/d", ""));
    ASSERT_ACL("/d", "700");
}

Test(acl, removing_it_brings_the_group_back, .init = setup, .fini = teardown)
{
    ASSERT_DONE(modify("/d", "u:bob:rwx du:bob:rwx"));
    ASSERT_ACL("/d", "775 u:bob:rwx g::r-x du::rwx du:bob:rwx dg::r-x dm::rwx do::r-x");
    unsigned edits = f.edits;
    ASSERT_DONE(remove_all("/d"));
    ASSERT_ACL("/d", "755");
    cr_assert_eq(f.edits, edits + 1);
}

static const char *many(const char *prefix, int n)
{
    static char text[2048];
    int size = 0;
    for (int i = 0; i < n; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%su:user%d:r-- ", prefix, i);
    return text;
}

Test(acl, wrong_lists_are_refused, .init = setup, .fini = teardown)
{
    unsigned edits = f.edits;
    assert_refused(modify("/f", "u:bob:rwx u:bob:r--"),
                   "Invalid ACL: multiple entries with same scope, type and name. Path: /f");
    assert_refused(remove_entries("/f", "g::---"),
                   "Invalid ACL: the user, group and other entries are required. Path: /f");
    cr_assert_eq(f.edits, edits, "nothing was journaled");
}

Test(acl, names_only_for_users_and_groups, .init = setup, .fini = teardown)
{
    assert_refused(modify("/f", "o:bob:r-x"),
                   "Invalid ACL: this entry type must not have a name: other:bob:r-x. Path: /f");
    assert_refused(modify("/d", "dm:bob:-w- du:eve:r--"),
                   "Invalid ACL: this entry type must not have a name: default:mask:bob:-w-. "
                   "Path: /d");
}

Test(acl, at_most_32_of_a_scope, .init = setup, .fini = teardown)
{
    ASSERT_DONE(modify("/d", many("", 28)));
    ASSERT_DONE(modify("/d", many("d", 28)));
    assert_refused(modify("/d", "g:staff:rwx"), "Invalid ACL: ACL has 33 access entries, which "
                                                "exceeds maximum of 32. Path: /d");
    assert_refused(modify("/d", "dg:staff:rwx"), "Invalid ACL: ACL has 33 default entries, which "
                                                 "exceeds maximum of 32. Path: /d");
    assert_refused(remove_entries("/d", many("", 40)),
                   "Invalid ACL: ACL has 40 access entries, which exceeds maximum of 32. Path: /d");
}

Test(acl, only_owner_and_superuser, .init = setup, .fini = teardown)
{
    f.user = "mallory";
    cr_assert_eq(modify("/f", "u:mallory:rwx"), ERR_ACCESS);
    cr_assert_eq(remove_entries("/f", "u:root:rwx"), ERR_ACCESS);
    cr_assert_eq(set("/f", "u::rwx g::rwx o::rwx"), ERR_ACCESS);
    cr_assert_eq(remove_all("/f"), ERR_ACCESS);
    cr_assert_eq(remove_defaults("/d"), ERR_ACCESS);
    f.user = "root";
    ASSERT_ACL("/f", "644");
    cr_assert_eq(modify("/none", "u:bob:rwx"), ERR_NOT_FOUND);
    cr_assert_str_eq(f.call.err.text, "Directory/File does not exist /none");
}

Test(acl, values_out_of_range_are_refused, .init = setup, .fini = teardown)
{
    Hdfs__AclEntry e = HDFS__ACL_ENTRY__INIT, *list[] = {&e};
    Cp__SetAclRequest req = CP__SET_ACL_REQUEST__INIT;
    req.src = (char *)"/f";
    req.acl_spec = list;
    req.n_acl_spec = 1;
    e.permissions = (Hdfs__AclEntry__FsAction)8;
    cr_assert_eq(client_call(&f, CLIENT_setAcl, &req.base), ERR_ILLEGAL_ARGUMENT);
    e.permissions = HDFS__ACL_ENTRY__FS_ACTION__READ;
    e.type = (Hdfs__AclEntry__AclEntryType)-1;
    cr_assert_eq(client_call(&f, CLIENT_setAcl, &req.base), ERR_ILLEGAL_ARGUMENT);
    e.type = HDFS__ACL_ENTRY__ACL_ENTRY_TYPE__USER;
    e.scope = (Hdfs__AclEntry__AclEntryScope)2;
    cr_assert_eq(client_call(&f, CLIENT_setAcl, &req.base), ERR_ILLEGAL_ARGUMENT);
}

Test(acl, not_in_safe_mode, .init = setup, .fini = teardown)
{
    blocks_enter_safe_mode(f.nn->blocks, false);
    cr_assert_eq(modify("/f", "u:bob:rwx"), ERR_SAFE_MODE);
    cr_assert_eq(strncmp(f.call.err.text, "Cannot modify ACL entries on /f. Name node is in safe",
                         strlen("Cannot modify ACL entries on /f. Name node is in safe")),
                 0, "%s", f.call.err.text);
    cr_assert_eq(remove_entries("/f", "u:bob:rwx"), ERR_SAFE_MODE);
    cr_assert_eq(set("/f", ""), ERR_SAFE_MODE);
    cr_assert_eq(remove_all("/f"), ERR_SAFE_MODE);
    cr_assert_eq(remove_defaults("/f"), ERR_SAFE_MODE);
}
