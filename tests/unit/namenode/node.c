/* node.c - a whole NameNode in this process, called over a real socket. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.pb-c.h"
#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "common/rpc/rpc.h"
#include "namenode/node.h"

struct fixture {
    char dir[64];
    struct conf *conf;
    struct namenode *nn;
    struct rpc_client *client;
    struct rpc_target target;
    struct arena arena;
};

static void set(struct fixture *f, const char *name, const char *value)
{
    struct err err = {0};
    cr_assert_eq(conf_set(f->conf, name, value, &err), 0, "%s", err.text);
}

static void setup(struct fixture *f)
{
    struct err err = {0};
    struct namenode_format_options o = {.non_interactive = true};
    log_set_level(getenv("HADRON_TEST_LOG") != NULL ? LOG_INFO : LOG_ERROR + 1);
    *f = (struct fixture){.conf = conf_new()};
    snprintf(f->dir, sizeof(f->dir), "/tmp/hadron-node-XXXXXX");
    cr_assert_not_null(mkdtemp(f->dir));
    set(f, "dfs.namenode.name.dir", f->dir);
    set(f, "fs.defaultFS", "hdfs://127.0.0.1:0");
    set(f, "dfs.namenode.safemode.extension", "0");
    cr_assert_eq(namenode_format(f->conf, &o, &err), 0, "%s", err.text);
    arena_init(&f->arena, 0);
}

static void up(struct fixture *f)
{
    struct err err = {0};
    struct rpc_client_options o = {0};
    cr_assert_eq(namenode_start(f->conf, &f->nn, &err), 0, "%s", err.text);
    cr_assert_eq(rpc_client_new(&o, &f->client, &err), 0, "%s", err.text);
    f->target = (struct rpc_target){.protocol = RPC_CLIENT_PROTOCOL, .version = 1};
    snprintf(f->target.addr.host, sizeof(f->target.addr.host), "127.0.0.1");
    f->target.addr.port = namenode_port(f->nn);
}

static void down(struct fixture *f)
{
    rpc_client_free(f->client);
    namenode_stop(f->nn);
}

static void teardown(struct fixture *f)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    cr_assert_eq(system(command), 0);
    arena_fini(&f->arena);
    conf_free(f->conf);
}

static int call(struct fixture *f, int method, const ProtobufCMessage *request,
                ProtobufCMessage **response, struct err *err)
{
    int rc = ERR_SAFE_MODE;
    for (int i = 0; rc == ERR_SAFE_MODE && i < 100; i++) {
        rc = rpc_call(f->client, &f->target, &rpc_client_methods[method], request, &f->arena,
                      response, err);
        if (rc == ERR_SAFE_MODE)
            usleep(50000);
    }
    return rc;
}

static void must_mkdirs(struct fixture *f, const char *path)
{
    struct err err = {0};
    ProtobufCMessage *response;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    Cp__MkdirsRequest request = CP__MKDIRS_REQUEST__INIT;
    mode.perm = 0755;
    request.src = (char *)(uintptr_t)path;
    request.masked = &mode;
    request.create_parent = true;
    cr_assert_eq(call(f, CLIENT_mkdirs, &request.base, &response, &err), 0, "%s", err.text);
}

static bool exists(struct fixture *f, const char *path)
{
    struct err err = {0};
    ProtobufCMessage *response;
    Cp__GetFileInfoRequest request = CP__GET_FILE_INFO_REQUEST__INIT;
    request.src = (char *)(uintptr_t)path;
    cr_assert_eq(call(f, CLIENT_getFileInfo, &request.base, &response, &err), 0, "%s", err.text);
    return ((Cp__GetFileInfoResponse *)response)->fs != NULL;
}

Test(node, keeps_what_it_answered)
{
    struct fixture f;
    setup(&f);
    up(&f);
    for (int i = 0; i < 50; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/a/b%d", i);
        must_mkdirs(&f, path);
    }
    cr_assert(exists(&f, "/a/b49"));
    down(&f);
    up(&f);
    cr_assert(exists(&f, "/a/b0"));
    cr_assert(exists(&f, "/a/b49"));
    cr_assert_not(exists(&f, "/a/b50"));
    down(&f);
    teardown(&f);
}

Test(node, does_not_pretend_to_protect)
{
    struct fixture f;
    struct err err = {0};
    struct namenode_format_options o = {.force = true, .non_interactive = true};
    setup(&f);
    set(&f, "hadoop.security.authentication", "kerberos");
    cr_assert_eq(namenode_start(f.conf, &f.nn, &err), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "hadoop.security.authentication=kerberos"));
    cr_assert_eq(namenode_format(f.conf, &o, &err), ERR_CONFIG);
    set(&f, "hadoop.security.authentication", "simple");
    up(&f); /* nothing was touched */
    down(&f);
    teardown(&f);
}

static bool set_safe_mode(struct fixture *f, int action)
{
    struct err err = {0};
    ProtobufCMessage *response;
    Cp__SetSafeModeRequest request = CP__SET_SAFE_MODE_REQUEST__INIT;
    request.action = (Hdfs__SafeModeAction)action;
    cr_assert_eq(call(f, CLIENT_setSafeMode, &request.base, &response, &err), 0, "%s", err.text);
    return ((Cp__SetSafeModeResponse *)response)->result;
}

Test(node, saves_its_namespace_when_told)
{
    struct fixture f;
    struct err err = {0};
    ProtobufCMessage *response;
    char command[200];
    setup(&f);
    up(&f);
    must_mkdirs(&f, "/saved");
    cr_assert(set_safe_mode(&f, HDFS__SAFE_MODE_ACTION__SAFEMODE_ENTER));
    Cp__SaveNamespaceRequest request = CP__SAVE_NAMESPACE_REQUEST__INIT;
    cr_assert_eq(call(&f, CLIENT_saveNamespace, &request.base, &response, &err), 0, "%s", err.text);
    cr_assert(((Cp__SaveNamespaceResponse *)response)->saved);
    snprintf(command, sizeof(command), "ls %s/current/fsimage_*3 > /dev/null", f.dir);
    cr_assert_eq(system(command), 0);
    cr_assert_not(set_safe_mode(&f, HDFS__SAFE_MODE_ACTION__SAFEMODE_LEAVE));
    must_mkdirs(&f, "/later");
    down(&f);
    snprintf(command, sizeof(command), "rm %s/current/edits_*1-*", f.dir);
    cr_assert_eq(system(command), 0);
    up(&f);
    cr_assert(exists(&f, "/saved"), "from the image alone");
    cr_assert(exists(&f, "/later"));
    down(&f);
    teardown(&f);
}

Test(node, refuses_to_be_two)
{
    struct fixture f;
    struct err err = {0};
    struct namenode *second;
    setup(&f);
    up(&f);
    cr_assert_eq(namenode_start(f.conf, &second, &err), ERR_LOCKED);
    cr_assert_not_null(strstr(err.text, f.dir));
    down(&f);
    teardown(&f);
}

Test(node, stays_on_loopback_unless_told)
{
    struct fixture f;
    struct err err = {0};
    struct namenode *nn;
    setup(&f);
    set(&f, "dfs.namenode.rpc-address", "0.0.0.0:0");
    cr_assert_eq(namenode_start(f.conf, &nn, &err), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "set hadron.insecure.network=true to listen on 0.0.0.0"),
                       "%s", err.text);
    set(&f, "hadron.insecure.network", "true");
    cr_assert_eq(namenode_start(f.conf, &nn, &err), 0, "%s", err.text);
    namenode_stop(nn);
    set(&f, "dfs.namenode.rpc-address", "");
    set(&f, "fs.defaultFS", "file:///");
    cr_assert_eq(namenode_start(f.conf, &nn, &err), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "fs.defaultFS"));
    teardown(&f);
}

Test(node, two_in_one_process)
{
    struct fixture a, b;
    setup(&a);
    setup(&b);
    up(&a);
    up(&b);
    must_mkdirs(&a, "/only-a");
    cr_assert_not(exists(&b, "/only-a"));
    down(&a);
    must_mkdirs(&b, "/b");
    down(&b);
    teardown(&a);
    teardown(&b);
}
