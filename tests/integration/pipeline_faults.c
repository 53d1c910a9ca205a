/* pipeline_faults.c - one writer, one fault: pipeline_faults URL DIR HOW POINT POSITION
 * IP:PORT=PID... Writes /HOW-POINT-POSITION and the same bytes to DIR, while at POINT the node at
 * POSITION of the pipeline is killed or stopped (HOW). All calls must succeed, and what was flushed
 * must be readable at once. Prints how long the worst flush took, the ids of stopped processes stay
 * stopped. POINT: connect first packet chunk flush block last close append. */
#include <dfs.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/obs.h"

#define BLOCK     1048576U
#define MAX_NODES 16

struct node {
    char name[64];
    pid_t pid;
};
static struct node nodes[MAX_NODES];
static int node_count;
static struct dfs *fs;
static struct dfs_file *file;
static FILE *copy;
static char path[256], how[16], point[16];
static unsigned position;
static uint64_t written;
static long worst_ms;
static int last_count;
static bool struck;

#define OK(call)                                                                  \
    do {                                                                          \
        struct dfs_error e = {0};                                                 \
        if ((call) < 0) {                                                         \
            fprintf(stderr, "%s: %s: %s %s\n", path, #call, e.exception, e.text); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void put(size_t size)
{
    static uint8_t data[BLOCK];
    long start = now_ms();
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)((written + i) * 31 + (written + i) / 509);
    OK(dfs_write(file, data, size, &e));
    fwrite(data, 1, size, copy);
    written += size;
    if (now_ms() - start > worst_ms)
        worst_ms = now_ms() - start;
}

static void flush(void)
{
    long start = now_ms();
    OK(dfs_hflush(file, &e));
    if (now_ms() - start > worst_ms)
        worst_ms = now_ms() - start;
}

/* What was flushed is what another reader sees. */
static void look(void)
{
    struct dfs_file *in;
    uint8_t last;
    OK(dfs_open(fs, path, &in, &e));
    if (dfs_length(in) < written) {
        fprintf(stderr, "%s: %llu bytes were flushed, a reader sees %llu\n", path,
                (unsigned long long)written, (unsigned long long)dfs_length(in));
        exit(1);
    }
    OK(dfs_pread(in, &last, 1, written - 1, &e));
    if (last != (uint8_t)((written - 1) * 31 + (written - 1) / 509)) {
        fprintf(stderr, "%s: the last flushed byte is wrong\n", path);
        exit(1);
    }
    OK(dfs_close(in, &e));
}

static void strike_pid(pid_t pid)
{
    kill(pid, strcmp(how, "kill") == 0 ? SIGKILL : SIGSTOP);
    struck = true;
}

/* The node at the position, or the last one of a pipeline that the NameNode made shorter. */
static pid_t victim(void)
{
    char names[512], *save = NULL, last[64] = "";
    int count = dfs_pipeline(file, names, sizeof(names));
    char *name = strtok_r(names, " ", &save);
    for (int i = 0; name != NULL && i < count && i <= (int)position; i++) {
        snprintf(last, sizeof(last), "%s", name);
        name = strtok_r(NULL, " ", &save);
    }
    for (int i = 0; i < node_count; i++)
        if (strcmp(nodes[i].name, last) == 0)
            return nodes[i].pid;
    fprintf(stderr, "%s: no pipeline\n", path);
    exit(1);
}

/* An append takes the nodes that have reported the block by then. */
static void wait_for_replicas(void)
{
    for (int i = 0; i < 100; i++) {
        struct dfs_locations l;
        OK(dfs_locate(fs, path, written - 1, 1, &l, &e));
        bool all = l.count == 1 && l.items[0].host_count == 3;
        dfs_locations_free(&l);
        if (all)
            return;
        usleep(100000);
    }
}

static void strike(void)
{
    strike_pid(victim());
}

static bool at(const char *where)
{
    return strcmp(point, where) == 0;
}

static pid_t next;

static void *strike_soon(void *arg)
{
    (void)arg;
    usleep(500);
    strike_pid(next);
    return NULL;
}

static void start_strike(pthread_t *thread)
{
    next = victim();
    if (pthread_create(thread, NULL, strike_soon, NULL) != 0)
        exit(1);
}

static void begin(bool append)
{
    struct dfs_create_options o = {.overwrite = true, .replication = 3, .block_size = BLOCK};
    if (append)
        OK(dfs_append(fs, path, 0, &file, &e));
    else
        OK(dfs_create(fs, path, &o, &file, &e));
}

static void finish(void)
{
    char names[512];
    last_count = dfs_pipeline(file, names, sizeof(names));
    long start = now_ms();
    OK(dfs_close(file, &e));
    if (now_ms() - start > worst_ms)
        worst_ms = now_ms() - start;
}

static void run(void)
{
    pthread_t thread;
    begin(false);
    if (at("connect"))
        strike_pid(nodes[position].pid); /* whatever its place will be */
    put(1000);
    if (at("first"))
        strike();
    flush();
    look();
    put(200000);
    flush();
    if (at("packet"))
        strike();
    for (int i = 0; i < 5; i++)
        put(70001);
    if (at("chunk"))
        strike();
    put(7);
    flush();
    look();
    if (at("flush")) {
        start_strike(&thread);
        for (int i = 0; i < 200 || !struck; i++) {
            put(100);
            flush();
        }
        pthread_join(thread, NULL);
    }
    if (at("block"))
        strike();
    put(BLOCK - 1);
    put(300);
    flush();
    look();
    if (at("last"))
        strike();
    else if (at("close"))
        start_strike(&thread);
    finish();
    if (at("close"))
        pthread_join(thread, NULL);
    if (!at("append"))
        return;
    wait_for_replicas();
    begin(true);
    strike();
    put(1000);
    flush();
    look();
    finish();
}

int main(int argc, char **argv)
{
    char name[512];
    if (argc < 7)
        return 2;
    log_init("pipeline_faults");
    snprintf(how, sizeof(how), "%s", argv[3]);
    snprintf(point, sizeof(point), "%s", argv[4]);
    position = (unsigned)strtoul(argv[5], NULL, 10);
    snprintf(path, sizeof(path), "/faults/%s-%s-%u", how, point, position);
    for (int i = 6; i < argc && node_count < MAX_NODES; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL)
            return 2;
        snprintf(nodes[node_count].name, sizeof(nodes[0].name), "%.*s", (int)(equals - argv[i]),
                 argv[i]);
        nodes[node_count++].pid = (pid_t)strtol(equals + 1, NULL, 10);
    }
    snprintf(name, sizeof(name), "%s/%s-%s-%u", argv[2], how, point, position);
    copy = fopen(name, "w");
    if (copy == NULL)
        return 2;
    OK(dfs_connect(&(struct dfs_options){.url = argv[1]}, &fs, &e));
    OK(dfs_mkdirs(fs, "/faults", 0777, true, &e));
    run();
    fclose(copy);
    dfs_disconnect(fs);
    printf("%s-%s-%u: %d nodes at the end, worst call %ld ms\n", how, point, position, last_count,
           worst_ms);
    return 0;
}
