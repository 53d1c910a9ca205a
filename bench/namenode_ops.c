/* namenode_ops.c - operations a second of any NameNode, over RPC, with N callers that each wait for
 * their answer. Usage: bench_namenode_ops HOST:PORT PID CALLERS COUNT Prints one line an operation:
 * name, operations a second, server CPU microseconds an operation (of process PID). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.pb-c.h"
#include "common/rpc/rpc.h"

struct run {
    struct rpc_client *client;
    struct rpc_target target;
    int caller, callers, count;
    void (*op)(struct run *run, int i);
};

static void die(const struct err *err)
{
    fprintf(stderr, "namenode_ops: %s: %s\n", err_class(err), err->text);
    exit(1);
}

static void call(struct run *run, enum client_method method, const ProtobufCMessage *request)
{
    struct arena arena;
    struct err err = {0};
    ProtobufCMessage *response;
    arena_init(&arena, 0);
    if (rpc_call(run->client, &run->target, &rpc_client_methods[method], request, &arena, &response,
                 &err) != 0)
        die(&err);
    arena_fini(&arena);
}

static char *name_of(char out[64], const char *kind, int i)
{
    snprintf(out, 64, "/bench/%s/%d/%d", kind, i / 1000, i);
    return out;
}

static void op_mkdirs(struct run *run, int i)
{
    char path[64];
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    mode.perm = 0755;
    Cp__MkdirsRequest request = CP__MKDIRS_REQUEST__INIT;
    request.src = name_of(path, "dirs", i);
    request.masked = &mode;
    request.create_parent = true;
    call(run, CLIENT_mkdirs, &request.base);
}

static void op_create_close(struct run *run, int i)
{
    char path[64];
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    mode.perm = 0644;
    Cp__CreateRequest request = CP__CREATE_REQUEST__INIT;
    request.src = name_of(path, "files", i);
    request.masked = &mode;
    request.client_name = (char *)"DFSClient_bench";
    request.create_flag = 1;
    request.create_parent = true;
    request.replication = 3;
    request.block_size = 128 << 20;
    call(run, CLIENT_create, &request.base);
    Cp__CompleteRequest done = CP__COMPLETE_REQUEST__INIT;
    done.src = path;
    done.client_name = request.client_name;
    call(run, CLIENT_complete, &done.base);
}

static void op_get_file_info(struct run *run, int i)
{
    char path[64];
    Cp__GetFileInfoRequest request = CP__GET_FILE_INFO_REQUEST__INIT;
    request.src = name_of(path, "files", i);
    call(run, CLIENT_getFileInfo, &request.base);
}

static void *caller_main(void *arg)
{
    struct run *run = arg;
    for (int i = run->caller; i < run->count; i += run->callers)
        run->op(run, i);
    return NULL;
}

static double cpu_seconds(const char *pid)
{
    char path[64];
    unsigned long user = 0, sys = 0;
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                            &user, &sys) != 2)
        fprintf(stderr, "namenode_ops: no CPU time in %s\n", path);
    if (f != NULL)
        fclose(f);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static void measure(const struct run *base, const char *name, void (*op)(struct run *, int),
                    const char *pid)
{
    enum { MAX_CALLERS = 256 };
    static pthread_t threads[MAX_CALLERS];
    static struct run runs[MAX_CALLERS];
    double cpu = cpu_seconds(pid);
    int64_t start = clock_monotonic_ns();
    for (int i = 0; i < base->callers; i++) {
        runs[i] = *base;
        runs[i].caller = i;
        runs[i].op = op;
        if (pthread_create(&threads[i], NULL, caller_main, &runs[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < base->callers; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    cpu = cpu_seconds(pid) - cpu;
    printf("%-14s %10.0f ops/s %10.1f us CPU/op\n", name, base->count / seconds,
           cpu * 1e6 / base->count);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct run run = {.target = {.protocol = RPC_CLIENT_PROTOCOL, .version = 1}};
    if (argc != 5) {
        fprintf(stderr, "usage: bench_namenode_ops HOST:PORT PID CALLERS COUNT\n");
        return 2;
    }
    run.callers = (int)strtol(argv[3], NULL, 10);
    run.count = (int)strtol(argv[4], NULL, 10);
    if (run.callers < 1 || run.callers > 256 || run.count < 1)
        return 2;
    if (addr_parse(argv[1], 8020, "argument 1", &run.target.addr, &err) != 0 ||
        rpc_client_new(&(struct rpc_client_options){0}, &run.client, &err) != 0)
        die(&err);
    measure(&run, "mkdirs", op_mkdirs, argv[2]);
    measure(&run, "create+close", op_create_close, argv[2]);
    measure(&run, "getFileInfo", op_get_file_info, argv[2]);
    rpc_client_free(run.client);
    return 0;
}
