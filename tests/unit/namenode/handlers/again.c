/* again.c - repeated calls get the first answer; protected folders; lines for the audit log. */
#include "fixture.h"
#include "namenode/audit/audit.h"
#include "namenode/retry/retry.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    memset(f.rpc.client_id, 7, sizeof(f.rpc.client_id));
    f.rpc.client_id_size = RPC_CLIENT_ID_SIZE;
    f.rpc.call_id = 1;
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(again, .init = setup, .fini = teardown);

static int delete (const char *path, bool *ret)
{
    Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
    req.src = (char *)(uintptr_t)path;
    req.recursive = true;
    int rc = client_call(&f, CLIENT_delete, &req.base);
    if (rc == 0)
        *ret = ((Cp__DeleteResponse *)(void *)f.call.response)->result;
    return rc;
}

static int rename_old(const char *src, const char *dst, bool *ret)
{
    Cp__RenameRequest req = CP__RENAME_REQUEST__INIT;
    req.src = (char *)(uintptr_t)src;
    req.dst = (char *)(uintptr_t)dst;
    int rc = client_call(&f, CLIENT_rename, &req.base);
    if (rc == 0)
        *ret = ((Cp__RenameResponse *)(void *)f.call.response)->result;
    return rc;
}

static int create(const char *path, uint64_t *ret_id)
{
    int rc = do_create(&f, path, "writer", 1);
    if (rc == 0)
        *ret_id = ((Cp__CreateResponse *)(void *)f.call.response)->fs->file_id;
    return rc;
}

Test(again, delete_and_rename)
{
    bool ok = false;
    cr_assert_eq(do_mkdirs(&f, "/a"), 0);
    unsigned edits = f.edits;
    cr_assert_eq(rename_old("/a", "/b", &ok), 0);
    cr_assert(ok);
    cr_assert_eq(rename_old("/a", "/b", &ok), 0);
    cr_assert(ok, "the repetition says what the first call said");
    cr_assert_eq(f.edits, edits + 1);
    f.rpc.call_id = 2;
    cr_assert_eq(rename_old("/a", "/b", &ok), 0);
    cr_assert(!ok, "another call is executed");
    cr_assert_eq(delete ("/b", &ok), 0);
    cr_assert(ok);
    cr_assert_eq(delete ("/b", &ok), 0);
    cr_assert(ok);
    f.rpc.call_id = 3;
    cr_assert_eq(delete ("/b", &ok), 0);
    cr_assert(!ok);
    cr_assert_eq(retry_count(f.nn->retry), 2, "what changed nothing is not remembered");
}

Test(again, create)
{
    uint64_t id = 0, again = 0;
    cr_assert_eq(create("/f", &id), 0);
    cr_assert_eq(create("/f", &again), 0);
    cr_assert_eq(id, again);
    f.rpc.call_id = 2;
    cr_assert_eq(create("/f", &again), ERR_BEING_CREATED);
    cr_assert_eq(create("/f", &again), ERR_BEING_CREATED, "a failed call is executed again");
    f.rpc.client_id[0] = 8;
    f.rpc.call_id = 1;
    cr_assert_eq(create("/f", &again), ERR_BEING_CREATED, "another client");
    bool ok;
    f.rpc.call_id = 5;
    cr_assert_eq(delete ("/f", &ok), 0);
    f.rpc.client_id[0] = 7;
    f.rpc.call_id = 1;
    cr_assert_eq(create("/f", &again), ERR_NOT_FOUND, "deleted by another one since");
}

Test(again, a_call_without_ids_is_executed)
{
    bool ok;
    f.rpc.client_id_size = 0;
    cr_assert_eq(do_mkdirs(&f, "/a"), 0);
    cr_assert_eq(delete ("/a", &ok), 0);
    cr_assert(ok);
    cr_assert_eq(delete ("/a", &ok), 0);
    cr_assert(!ok);
}

Test(again, expires)
{
    bool ok;
    cr_assert_eq(do_mkdirs(&f, "/a"), 0);
    cr_assert_eq(delete ("/a", &ok), 0);
    retry_set_now(f.nn->retry, 600001);
    cr_assert_eq(delete ("/a", &ok), 0);
    cr_assert(!ok);
}

/* ---- protected folders ---- */

static void protect(char **dirs, size_t count, bool subdirs)
{
    f.settings.protected_dirs = dirs;
    f.settings.protected_count = count;
    f.settings.protect_subdirs = subdirs;
    f.rpc.client_id_size = 0;
}

Test(again, protected_dirs)
{
    char *dirs[] = {(char *)(uintptr_t) "/p/q", (char *)(uintptr_t) "/gone"};
    bool ok;
    protect(dirs, 2, false);
    cr_assert_eq(do_mkdirs(&f, "/p/q"), 0);
    cr_assert_eq(rename_old("/p/q", "/empty", &ok), 0);
    cr_assert(ok, "an empty one may go");
    cr_assert_eq(do_mkdirs(&f, "/p/q/r/s"), 0);
    cr_assert_eq(delete ("/p/q", &ok), ERR_ACCESS);
    cr_assert_str_eq(f.call.err.text, "Cannot delete/rename non-empty protected directory /p/q");
    cr_assert_eq(delete ("/p", &ok), ERR_ACCESS);
    cr_assert_str_eq(f.call.err.text, "Cannot delete/rename non-empty protected subdirectory /p/q");
    cr_assert_eq(rename_old("/p", "/x", &ok), ERR_ACCESS);
    cr_assert_eq(do_mkdirs(&f, "/p/q2/r"), 0);
    cr_assert_eq(delete ("/p/q2", &ok), 0);
    cr_assert_eq(delete ("/p/q/r", &ok), 0);
    cr_assert(ok, "what is in it may go");
    cr_assert_eq(do_mkdirs(&f, "/p/q/r/s"), 0);
    f.settings.protect_subdirs = true;
    cr_assert_eq(delete ("/p/q/r", &ok), ERR_ACCESS);
    cr_assert_str_eq(f.call.err.text,
                     "Cannot delete/rename subdirectory under protected subdirectory /p/q");
    protect(NULL, 0, false);
}

/* ---- the audit log ---- */

static struct audit_settings audit = {.max_context = 8, .max_signature = 4, .separator = ","};

static const char *line(void)
{
    return f.call.audit.size == 0
               ? ""
               : arena_strndup(&f.rpc.arena, f.call.audit.data, f.call.audit.size);
}

Test(again, audit_lines)
{
    bool ok;
    f.env.audit = &audit;
    f.rpc.client_id_size = 0;
    f.rpc.user = "root";
    cr_assert_eq(do_mkdirs(&f, "/a"), 0);
    cr_assert_str_eq(line(), "allowed=true\tugi=root (auth:SIMPLE)\tip=/127.0.0.1\tcmd=mkdirs\t"
                             "src=/a\tdst=null\tperm=root:supergroup:rwxr-xr-x\tproto=rpc");
    cr_assert_eq(rename_old("/a", "/tmp", &ok), 0);
    cr_assert_str_eq(line(), "allowed=true\tugi=root (auth:SIMPLE)\tip=/127.0.0.1\tcmd=rename\t"
                             "src=/a\tdst=/tmp\tperm=root:supergroup:rwxr-xr-x\tproto=rpc");
    cr_assert_eq(rename_old("/a", "/tmp", &ok), 0);
    cr_assert_str_eq(line(), "", "a rename that did nothing leaves no line");
    cr_assert_eq(delete ("/a", &ok), 0);
    cr_assert_str_eq(line(), "allowed=false\tugi=root (auth:SIMPLE)\tip=/127.0.0.1\tcmd=delete\t"
                             "src=/a\tdst=null\tperm=null\tproto=rpc");
    f.user = f.rpc.user = "alice";
    f.rpc.real_user = "proxy";
    cr_assert_eq(delete ("/tmp", &ok), ERR_ACCESS);
    cr_assert_str_eq(
        line(), "allowed=false\tugi=alice (auth:PROXY) via proxy (auth:SIMPLE)\tip=/127.0.0.1\t"
                "cmd=delete\tsrc=/tmp\tdst=null\tperm=null\tproto=rpc");
}

Test(again, audit_context)
{
    bool ok;
    f.env.audit = &audit;
    f.rpc.client_id_size = 0;
    f.rpc.user = "root";
    f.rpc.caller_context = "ab\"\ncdefgh";
    f.rpc.caller_signature = slice_of("sig");
    audit.caller_context = true;
    cr_assert_eq(delete ("/no\xc3\xa9\xf0\x9f\x98\x80", &ok), 0);
    cr_assert_str_eq(line(), "allowed=false\tugi=root (auth:SIMPLE)\tip=/127.0.0.1\tcmd=delete\t"
                             "src=/no\\u00E9\\uD83D\\uDE00\tdst=null\tperm=null\tproto=rpc\t"
                             "callerContext=ab\\\"\\ncd:sig");
    f.rpc.caller_signature = slice_of("longer");
    f.rpc.caller_context = "c";
    audit.remote_port = true;
    audit.max_context = 128;
    f.rpc.peer_port = 99;
    cr_assert_eq(delete ("/x", &ok), 0);
    cr_assert(strstr(line(), "\tcallerContext=c,clientPort:99") != NULL, "%s", line());
    f.rpc.caller_context = NULL;
    cr_assert_eq(delete ("/x", &ok), 0);
    cr_assert(strstr(line(), "\tcallerContext=clientPort:99") != NULL, "%s", line());
}
