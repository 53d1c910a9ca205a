/* create_storm.c - many creates, each written to a log once the NameNode has answered, and a check
 * that all of them are there. For kill_namenode.sh. create_storm HOST:PORT create FIRST COUNT
 * CALLERS LOG   files FIRST..FIRST+COUNT-1; ends early when a call fails create_storm HOST:PORT
 * verify LOG                       exit 0: each file of the log exists */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.pb-c.h"
#include "common/rpc/rpc.h"

enum { PATH_SIZE = 128, MAX_CALLERS = 64, SAFE_MODE_TRIES = 300 };

struct storm {
    struct rpc_client *client;
    struct rpc_target target;
    atomic_long next;
    long end;
    int log_fd;
    atomic_bool failed;
};

static int call(struct storm *s, enum client_method method, const ProtobufCMessage *request,
                struct arena *arena, ProtobufCMessage **response, struct err *err)
{
    return rpc_call(s->client, &s->target, &rpc_client_methods[method], request, arena, response,
                    err);
}

static int create(struct storm *s, char *path, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *response;
    Hdfs__FsPermission mode = HDFS__FS_PERMISSION__INIT;
    Cp__CreateRequest request = CP__CREATE_REQUEST__INIT;
    Cp__CompleteRequest done = CP__COMPLETE_REQUEST__INIT;
    mode.perm = 0644;
    request.src = done.src = path;
    request.masked = &mode;
    request.client_name = done.client_name = (char *)(uintptr_t) "DFSClient_storm";
    request.create_flag = 1;
    request.create_parent = true;
    request.replication = 1;
    request.block_size = 128 << 20;
    arena_init(&arena, 0);
    int rc = call(s, CLIENT_create, &request.base, &arena, &response, err);
    for (int i = 0; rc == ERR_SAFE_MODE && i < SAFE_MODE_TRIES; i++) {
        usleep(100000);
        rc = call(s, CLIENT_create, &request.base, &arena, &response, err);
    }
    /* answered: from here on it must survive */
    if (rc == 0 && dprintf(s->log_fd, "%s\n", path) < 0)
        rc = fail_errno(err, "log");
    if (rc == 0)
        rc = call(s, CLIENT_complete, &done.base, &arena, &response, err);
    arena_fini(&arena);
    return rc;
}

static void *caller_main(void *arg)
{
    struct storm *s = arg;
    long i;
    while (!atomic_load(&s->failed) && (i = atomic_fetch_add(&s->next, 1)) < s->end) {
        char path[PATH_SIZE];
        struct err err = {0};
        snprintf(path, sizeof(path), "/storm/%ld/%ld", i / 1000, i);
        if (create(s, path, &err) != 0 && !atomic_exchange(&s->failed, true))
            fprintf(stderr, "create_storm: %s: %s: %s\n", path, err_class(&err), err.text);
    }
    return NULL;
}

static int run_create(struct storm *s, char **argv)
{
    pthread_t threads[MAX_CALLERS];
    long first = strtol(argv[0], NULL, 10), callers = strtol(argv[2], NULL, 10);
    s->end = first + strtol(argv[1], NULL, 10);
    atomic_store(&s->next, first);
    s->log_fd = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (s->log_fd < 0 || callers < 1 || callers > MAX_CALLERS)
        return 2;
    for (long i = 0; i < callers; i++) {
        if (pthread_create(&threads[i], NULL, caller_main, s) != 0)
            abort();
    }
    for (long i = 0; i < callers; i++)
        pthread_join(threads[i], NULL);
    close(s->log_fd);
    return atomic_load(&s->failed) ? 1 : 0;
}

static int exists(struct storm *s, char *path, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *response;
    Cp__GetFileInfoRequest request = CP__GET_FILE_INFO_REQUEST__INIT;
    request.src = path;
    arena_init(&arena, 0);
    int rc = call(s, CLIENT_getFileInfo, &request.base, &arena, &response, err);
    if (rc == 0 && ((Cp__GetFileInfoResponse *)response)->fs == NULL)
        rc = fail(err, ERR_NOT_FOUND, "acknowledged and not there");
    arena_fini(&arena);
    return rc;
}

static int run_verify(struct storm *s, const char *log)
{
    char path[PATH_SIZE];
    long count = 0, missing = 0;
    FILE *f = fopen(log, "r");
    if (f == NULL)
        return 2;
    while (fgets(path, sizeof(path), f) != NULL) {
        struct err err = {0};
        path[strcspn(path, "\n")] = '\0';
        count++;
        if (exists(s, path, &err) == 0)
            continue;
        missing++;
        fprintf(stderr, "create_storm: %s: %s\n", path, err.text);
    }
    fclose(f);
    printf("%ld acknowledged, %ld missing\n", count, missing);
    return missing == 0 && count > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct storm s = {.target = {.protocol = RPC_CLIENT_PROTOCOL, .version = 1}};
    struct rpc_client_options options = {.call_timeout_ms = 60000};
    struct err err = {0};
    bool create_mode = argc == 7 && strcmp(argv[2], "create") == 0;
    bool verify_mode = argc == 4 && strcmp(argv[2], "verify") == 0;
    if (!create_mode && !verify_mode) {
        fprintf(stderr, "usage: create_storm HOST:PORT create FIRST COUNT CALLERS LOG\n"
                        "       create_storm HOST:PORT verify LOG\n");
        return 2;
    }
    if (addr_parse(argv[1], 8020, "HOST:PORT", &s.target.addr, &err) != 0 ||
        rpc_client_new(&options, &s.client, &err) != 0) {
        fprintf(stderr, "create_storm: %s\n", err.text);
        return 2;
    }
    int rc = create_mode ? run_create(&s, argv + 3) : run_verify(&s, argv[3]);
    rpc_client_free(s.client);
    return rc;
}
