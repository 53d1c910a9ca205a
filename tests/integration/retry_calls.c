/* retry_calls.c - calls at most once, repeated with the same ids: after a lost answer, at the same
 * time, and after the NameNode has died and come back. For retry_cache.sh.
 * retry_calls HOST:PORT   says "restart" and waits for a line on standard input before it goes on
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.pb-c.h"
#include "common/rpc/rpc.h"

enum { SAFE_MODE_TRIES = 300, TOGETHER = 8 };

static struct rpc_client *client;
static struct rpc_target target = {.protocol = RPC_CLIENT_PROTOCOL, .version = 1};

__attribute__((format(printf, 2, 3))) static void need(bool holds, const char *fmt, ...)
{
    va_list ap;
    if (holds)
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static int call(enum client_method method, const ProtobufCMessage *request, int32_t id, int retry,
                struct arena *arena, ProtobufCMessage **response, struct err *err)
{
    int rc = rpc_call_full(client, &target, &rpc_client_methods[method], request, id, retry, arena,
                           response, err);
    for (int i = 0; rc == ERR_SAFE_MODE && i < SAFE_MODE_TRIES; i++) {
        usleep(100000);
        rc = rpc_call_full(client, &target, &rpc_client_methods[method], request, id, retry, arena,
                           response, err);
    }
    if (rc != 0 && getenv("RETRY_CALLS_VERBOSE") != NULL)
        fprintf(stderr, "%s: %s\n", rpc_client_methods[method].name, err->text);
    return rc;
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* 1: true, 0: false, negative: the error */
static int delete (const char *path, int32_t id)
{
    Cp__DeleteRequest req = CP__DELETE_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *response;
    struct err err = {0};
    req.src = text(path);
    arena_init(&arena, 0);
    int rc = call(CLIENT_delete, &req.base, id, 0, &arena, &response, &err);
    if (rc == 0)
        rc = ((Cp__DeleteResponse *)(void *)response)->result;
    arena_fini(&arena);
    return rc;
}

static int rename_to(const char *src, const char *dst, int32_t id)
{
    Cp__Rename2Request req = CP__RENAME2_REQUEST__INIT;
    struct arena arena;
    ProtobufCMessage *response;
    struct err err = {0};
    req.src = text(src);
    req.dst = text(dst);
    arena_init(&arena, 0);
    int rc = call(CLIENT_rename2, &req.base, id, 1, &arena, &response, &err);
    arena_fini(&arena);
    return rc;
}

static int mkdirs(const char *path)
{
    Cp__MkdirsRequest req = CP__MKDIRS_REQUEST__INIT;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    struct arena arena;
    ProtobufCMessage *response;
    struct err err = {0};
    req.src = text(path);
    req.masked = &mode;
    mode.perm = 0755;
    req.create_parent = true;
    arena_init(&arena, 0);
    int rc = call(CLIENT_mkdirs, &req.base, rpc_new_call_id(client), 0, &arena, &response, &err);
    arena_fini(&arena);
    return rc;
}

static int set_xattr(const char *path, int32_t id)
{
    Cp__SetXAttrRequest req = CP__SET_XATTR_REQUEST__INIT;
    Hdfs__XAttr x = HDFS__XATTR__INIT;
    struct arena arena;
    ProtobufCMessage *response;
    struct err err = {0};
    x.namespace_ = HDFS__XATTR__XATTR_NAMESPACE__USER;
    x.name = text("n");
    req.src = text(path);
    req.xattr = &x;
    req.has_flag = true;
    req.flag = HDFS__XATTR_SET_FLAG__XATTR_CREATE;
    arena_init(&arena, 0);
    int rc = call(CLIENT_setXAttr, &req.base, id, 0, &arena, &response, &err);
    arena_fini(&arena);
    return rc;
}

/* The new file's id, or a negative error. */
static int64_t create(const char *path, int32_t id)
{
    Cp__CreateRequest req = CP__CREATE_REQUEST__INIT;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    struct arena arena;
    ProtobufCMessage *response;
    struct err err = {0};
    req.src = text(path);
    req.masked = &mode;
    mode.perm = 0644;
    req.client_name = text("DFSClient_again");
    req.create_flag = 1;
    req.create_parent = true;
    req.replication = 1;
    req.block_size = 128 << 20;
    arena_init(&arena, 0);
    int64_t rc = call(CLIENT_create, &req.base, id, 2, &arena, &response, &err);
    if (rc == 0)
        rc = (int64_t)((Cp__CreateResponse *)(void *)response)->fs->file_id;
    arena_fini(&arena);
    return rc;
}

static void *delete_together(void *id)
{
    return (void *)(intptr_t) delete ("/together", *(int32_t *)id);
}

/* All of them wait for one and the same answer. */
static void at_the_same_time(void)
{
    pthread_t threads[TOGETHER];
    int32_t id = rpc_new_call_id(client);
    need(mkdirs("/together") == 0, "mkdirs /together");
    for (int i = 0; i < TOGETHER; i++)
        need(pthread_create(&threads[i], NULL, delete_together, &id) == 0, "thread");
    for (int i = 0; i < TOGETHER; i++) {
        void *result;
        pthread_join(threads[i], &result);
        need((intptr_t)result == 1, "delete %d of the same id: %d", i, (int)(intptr_t)result);
    }
}

struct ids {
    int32_t delete, rename, create, xattr, failed;
    int64_t file;
};

static void first(struct ids *ids)
{
    *ids = (struct ids){rpc_new_call_id(client), rpc_new_call_id(client), rpc_new_call_id(client),
                        rpc_new_call_id(client), rpc_new_call_id(client), 0};
    need(mkdirs("/a") == 0 && mkdirs("/d") == 0 && mkdirs("/x") == 0, "mkdirs");
    need(delete ("/d", ids->delete) == 1, "delete");
    need(rename_to("/a", "/b", ids->rename) == 0, "rename2");
    ids->file = create("/f", ids->create);
    need(ids->file > 0, "create: %d", (int)ids->file);
    need(set_xattr("/x", ids->xattr) == 0, "setXAttr");
    need(rename_to("/nothing", "/y", ids->failed) == ERR_NOT_FOUND, "a rename that fails");
}

static void again(const struct ids *ids, const char *when)
{
    need(delete ("/d", ids->delete) == 1, "delete %s", when);
    need(rename_to("/a", "/b", ids->rename) == 0, "rename2 %s", when);
    int64_t file = create("/f", ids->create);
    need(file == ids->file, "create %s: %lld, first %lld", when, (long long)file,
         (long long)ids->file);
    need(set_xattr("/x", ids->xattr) == 0, "setXAttr %s", when);
    need(rename_to("/nothing", "/y", ids->failed) == ERR_NOT_FOUND, "the failed one %s", when);
    /* and these are other calls */
    need(delete ("/d", rpc_new_call_id(client)) == 0, "a new delete %s", when);
    need(rename_to("/a", "/b", rpc_new_call_id(client)) == ERR_NOT_FOUND, "a new rename %s", when);
    need(create("/f", rpc_new_call_id(client)) < 0, "a new create %s", when);
    need(set_xattr("/x", rpc_new_call_id(client)) < 0, "a new setXAttr %s", when);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    char line[16];
    struct ids ids;
    need(argc == 2, "retry_calls HOST:PORT");
    need(addr_parse(argv[1], 8020, "address", &target.addr, &err) == 0, "%s", err.text);
    struct rpc_client_options o = {.connect_retries = 10};
    need(rpc_client_new(&o, &client, &err) == 0, "%s", err.text);
    first(&ids);
    again(&ids, "at once");
    at_the_same_time();
    puts("restart");
    fflush(stdout);
    need(fgets(line, sizeof(line), stdin) != NULL, "nobody restarts");
    again(&ids, "after the restart");
    /* a failed call is executed again, and may succeed now */
    need(mkdirs("/nothing") == 0, "mkdirs /nothing");
    need(rename_to("/nothing", "/y", ids.failed) == 0, "the failed one succeeds");
    need(rename_to("/nothing", "/y", ids.failed) == 0, "and is remembered");
    rpc_client_free(client);
    return 0;
}
