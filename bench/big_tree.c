/* big_tree.c - renames and deletes a large directory while other clients go on asking, over RPC.
 *   bench_big_tree HOST:PORT DIRECTORY PROBE [CALLERS]
 * CALLERS (4) ask for the status of PROBE one call after the other, for two seconds before and
 * until five seconds after the deletion. Prints what summary, rename and deletion of DIRECTORY
 * took, and the callers' p50, p99 and longest wait before and from the rename on. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client.pb-c.h"
#include "common/rpc/rpc.h"

enum { MAX_SAMPLES = 4000000, MAX_CALLERS = 64 };

static struct rpc_client *client;
static struct rpc_target target;
static const char *probe;
static float *samples;
static atomic_uint count;
static atomic_bool stop;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static double call(enum client_method method, const ProtobufCMessage *request)
{
    struct arena arena;
    struct err err = {0};
    ProtobufCMessage *response;
    double start = now_ms();
    arena_init(&arena, 0);
    if (rpc_call(client, &target, &rpc_client_methods[method], request, &arena, &response, &err) !=
        0) {
        fprintf(stderr, "big_tree: %s: %s\n", err_class(&err), err.text);
        exit(1);
    }
    arena_fini(&arena);
    return now_ms() - start;
}

static void *ask(void *arg)
{
    Cp__GetFileInfoRequest request = CP__GET_FILE_INFO_REQUEST__INIT;
    request.src = (char *)(uintptr_t)probe;
    while (!atomic_load(&stop)) {
        double took = call(CLIENT_getFileInfo, &request.base);
        unsigned i = atomic_fetch_add(&count, 1);
        if (i < MAX_SAMPLES)
            samples[i] = (float)took;
    }
    return arg;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void show(const char *what, unsigned from, unsigned to)
{
    size_t n = to - from;
    qsort(samples + from, n, sizeof(*samples), by_size);
    const float *at = samples + from;
    printf("%s: %zu calls, p50 %.2f, p99 %.2f, longest %.2f ms\n", what, n, (double)at[n / 2],
           (double)at[n * 99 / 100], (double)at[n - 1]);
}

static void big(const char *dir)
{
    char moved[1024];
    snprintf(moved, sizeof(moved), "%s.moved", dir);
    Cp__GetContentSummaryRequest summary = CP__GET_CONTENT_SUMMARY_REQUEST__INIT;
    summary.path = (char *)(uintptr_t) "/";
    printf("summary of /: %.2f ms\n", call(CLIENT_getContentSummary, &summary.base));
    Cp__Rename2Request rename = CP__RENAME2_REQUEST__INIT;
    rename.src = (char *)(uintptr_t)dir;
    rename.dst = moved;
    printf("rename: %.2f ms\n", call(CLIENT_rename2, &rename.base));
    Cp__DeleteRequest delete = CP__DELETE_REQUEST__INIT;
    delete.src = moved;
    delete.recursive = true;
    printf("delete: %.2f ms\n", call(CLIENT_delete, &delete.base));
}

int main(int argc, char **argv)
{
    struct err err = {0};
    pthread_t threads[MAX_CALLERS];
    int callers = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 4;
    if (argc < 4 || callers < 1 || callers > MAX_CALLERS) {
        fprintf(stderr, "bench_big_tree HOST:PORT DIRECTORY PROBE [CALLERS]\n");
        return 2;
    }
    probe = argv[3];
    samples = calloc(MAX_SAMPLES, sizeof(*samples));
    if (samples == NULL)
        return 1;
    target = (struct rpc_target){.protocol = RPC_CLIENT_PROTOCOL, .version = 1};
    if (addr_parse(argv[1], 8020, "argument 1", &target.addr, &err) != 0 ||
        rpc_client_new(&(struct rpc_client_options){0}, &client, &err) != 0) {
        fprintf(stderr, "big_tree: %s\n", err.text);
        return 1;
    }
    for (int i = 0; i < callers; i++)
        if (pthread_create(&threads[i], NULL, ask, NULL) != 0)
            return 1;
    sleep(2);
    unsigned before = atomic_load(&count);
    big(argv[2]);
    sleep(5);
    unsigned after = atomic_load(&count);
    atomic_store(&stop, true);
    for (int i = 0; i < callers; i++)
        pthread_join(threads[i], NULL);
    show("others before", 0, before);
    show("others meanwhile", before, after);
    return 0;
}
