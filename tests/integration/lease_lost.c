/* lease_lost.c - a writer whose lease another client has recovered: lease_lost URL
 * For files in each state a file can be in (nothing written, bytes that are on their way, flushed,
 * at a block's end), with one and three replicas: the first client's next call must fail at once
 * and say that the lease is gone, so must its close, and what was flushed stays as it was. */
#include <dfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 65536, LIMIT_SECONDS = 60, PROMPT_SECONDS = 10 };
enum state { EMPTY, UNFLUSHED, FLUSHED, BLOCK_END, STATES };
static const char *const states[STATES] = {"empty", "unflushed", "flushed", "block-end"};
static const char *const calls[] = {"write", "hflush", "hsync", "close"};
enum { CALLS = sizeof(calls) / sizeof(*calls) };

static struct dfs *first, *second;
static uint8_t data[BLOCK + 1000];

__attribute__((noreturn)) static void die(const char *path, const char *what,
                                          const struct dfs_error *e)
{
    fprintf(stderr, "lease_lost: %s: %s: %s %s\n", path, what, e->exception, e->text);
    exit(1);
}

static uint64_t length_of(enum state state)
{
    return state == FLUSHED ? 1000 : state == BLOCK_END ? BLOCK : 0;
}

static struct dfs_file *begin(const char *path, enum state state, uint32_t replication)
{
    struct dfs_create_options o = {
        .overwrite = true, .replication = replication, .block_size = BLOCK};
    struct dfs_file *file;
    struct dfs_error e = {0};
    size_t size = state == UNFLUSHED ? 1000 : (size_t)length_of(state);
    if (dfs_create(first, path, &o, &file, &e) != 0)
        die(path, "create", &e);
    if (size > 0 && dfs_write(file, data, size, &e) != (ssize_t)size)
        die(path, "write", &e);
    if (size > 0 && state != UNFLUSHED && dfs_hflush(file, &e) != 0)
        die(path, "hflush", &e);
    return file;
}

static void take_lease(const char *path)
{
    struct dfs_error e = {0};
    bool closed = false;
    for (time_t end = time(NULL) + LIMIT_SECONDS; !closed; usleep(100000)) {
        if (dfs_recover_lease(second, path, &closed, &e) != 0)
            die(path, "recoverLease", &e);
        if (!closed && time(NULL) > end)
            die(path, "the file is never closed", &e);
    }
}

/* What the first client does next. */
static int go_on(struct dfs_file *file, int call, struct dfs_error *e)
{
    if (call < 3 && dfs_write(file, data, call == 0 ? BLOCK + 1000 : 1, e) < 0)
        return -1;
    return call == 1 ? dfs_hflush(file, e) : call == 2 ? dfs_hsync(file, e) : 0;
}

static void check_content(const char *path, uint64_t length)
{
    static uint8_t in[sizeof(data)];
    struct dfs_file *file;
    struct dfs_error e = {0};
    if (dfs_open(second, path, &file, &e) != 0)
        die(path, "open", &e);
    ssize_t n = dfs_pread(file, in, sizeof(in), 0, &e);
    if (n < 0)
        die(path, "read", &e);
    if ((uint64_t)n < length || memcmp(in, data, (size_t)n) != 0)
        die(path, "what was flushed isn't there", &e);
    (void)dfs_close(file, NULL);
}

static void run(enum state state, int call, uint32_t replication)
{
    char path[64];
    struct dfs_error e = {0};
    snprintf(path, sizeof(path), "/lease_lost/%s-%s-%u", states[state], calls[call], replication);
    struct dfs_file *file = begin(path, state, replication);
    take_lease(path);
    time_t start = time(NULL);
    int rc = call < 3 ? go_on(file, call, &e) : dfs_close(file, &e);
    /* nothing of the file is missing then: to close it again is no mistake */
    bool may_close = call == 3 && (state == EMPTY || state == BLOCK_END);
    if (rc == 0 && !may_close)
        die(path, "succeeds without a lease", &e);
    if (rc != 0 && strstr(e.exception, "LeaseExpired") == NULL)
        die(path, "isn't told that the lease is gone", &e);
    if (call < 3 && dfs_close(file, &e) == 0)
        die(path, "is closed after an error", &e);
    if (time(NULL) - start > PROMPT_SECONDS)
        die(path, "the error took long", &e);
    check_content(path, length_of(state));
}

int main(int argc, char **argv)
{
    struct dfs_error e = {0};
    if (argc != 2)
        return 2;
    struct dfs_options o = {.url = argv[1]};
    if (dfs_connect(&o, &first, &e) != 0 || dfs_connect(&o, &second, &e) != 0 ||
        dfs_mkdirs(first, "/lease_lost", 0777, true, &e) != 0)
        die(argv[1], "connect", &e);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    for (enum state state = EMPTY; state < STATES; state++)
        for (int call = 0; call < CALLS; call++)
            for (uint32_t replication = 1; replication <= 3; replication += 2)
                run(state, call, replication);
    dfs_disconnect(first);
    dfs_disconnect(second);
    return 0;
}
