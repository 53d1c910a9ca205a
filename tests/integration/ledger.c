/* ledger.c - writers that keep a ledger of what was promised to them, and a check of the promises
 * after a disaster. For power_cut.sh.
 *   ledger URL write SEED THREADS LEDGER   files /ledger/<seed>-<thread>-<n> until a call fails
 *   ledger URL verify LEDGER               recovers what is open, reads all, exit 0: nothing broken
 * A line of the ledger, written once the call was acknowledged: <file> <tag> <what> <bytes>, what:
 * s (hsync), f (hflush), c (close, bytes: the whole). Closed and hsynced bytes must be there; every
 * byte that is there must be the one that was written; hflushed ones may be lost in a power cut. */
#include <dfs.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 16, MAX_FILES = 100000, NAME_SIZE = 64, PIECE_MAX = 96 * 1024 };
enum { FILE_MAX = 3 << 20, BLOCK_SIZE = 1 << 20, RECOVERY_TRIES = 600, TRY_US = 200000 };

struct writer {
    struct dfs *fs;
    uint64_t seed;
    unsigned thread;
    int ledger;
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Byte `offset` of the file with this tag; never zero, so that holes show. */
static uint8_t byte_at(uint64_t tag, uint64_t offset)
{
    uint64_t z = (offset / 8 + tag * 0x10001) * 0x9e3779b97f4a7c15ULL;
    return (uint8_t)((z ^ (z >> 29)) >> (offset % 8 * 8)) | 1;
}

/* ---- writing ---- */

static void promise(const struct writer *w, const char *name, uint64_t tag, char what,
                    uint64_t bytes)
{
    if (dprintf(w->ledger, "%s %llu %c %llu\n", name, (unsigned long long)tag, what,
                (unsigned long long)bytes) < 0)
        _exit(2);
}

static int write_pieces(const struct writer *w, struct dfs_file *f, const char *name, uint64_t tag,
                        uint64_t *random, uint64_t *ret_length)
{
    static _Thread_local uint8_t piece[PIECE_MAX];
    uint64_t end =
        next_random(random) % 4 == 0 ? next_random(random) % 2000 : next_random(random) % FILE_MAX;
    uint64_t at = 0;
    while (at < end) {
        uint64_t size = next_random(random) % 3 == 0 ? 1 + next_random(random) % 700
                                                     : 1 + next_random(random) % PIECE_MAX;
        size = size > end - at ? end - at : size;
        for (uint64_t i = 0; i < size; i++)
            piece[i] = byte_at(tag, at + i);
        if (dfs_write(f, piece, size, NULL) < 0)
            return -1;
        at += size;
        unsigned dice = (unsigned)(next_random(random) % 10);
        if (dice < 3 && dfs_hsync(f, NULL) < 0)
            return -1;
        if (dice == 3 && dfs_hflush(f, NULL) < 0)
            return -1;
        if (dice <= 3)
            promise(w, name, tag, dice < 3 ? 's' : 'f', at);
    }
    *ret_length = at;
    return 0;
}

static int write_file(const struct writer *w, unsigned n, uint64_t *random)
{
    char name[NAME_SIZE];
    struct dfs_file *f;
    struct dfs_create_options o = {
        .create_parents = true, .replication = 3, .block_size = BLOCK_SIZE};
    uint64_t tag = next_random(random) >> 16, length;
    snprintf(name, sizeof(name), "/ledger/%llu-%u-%u", (unsigned long long)w->seed, w->thread, n);
    if (dfs_create(w->fs, name, &o, &f, NULL) < 0)
        return -1;
    if (write_pieces(w, f, name, tag, random, &length) < 0) {
        dfs_abort(f);
        return -1;
    }
    if (dfs_close(f, NULL) < 0)
        return -1;
    promise(w, name, tag, 'c', length);
    return 0;
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    uint64_t random = w->seed * 1000 + w->thread;
    for (unsigned n = 0; n < MAX_FILES && write_file(w, n, &random) == 0; n++)
        ;
    return NULL;
}

static int run_write(struct dfs *fs, char **argv)
{
    pthread_t threads[MAX_THREADS];
    struct writer writers[MAX_THREADS];
    unsigned count = (unsigned)strtoul(argv[1], NULL, 10);
    int ledger = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (ledger < 0 || count == 0 || count > MAX_THREADS)
        return 2;
    for (unsigned i = 0; i < count; i++) {
        writers[i] = (struct writer){fs, strtoull(argv[0], NULL, 10), i, ledger};
        if (pthread_create(&threads[i], NULL, writer_main, &writers[i]) != 0)
            return 2;
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    close(ledger);
    return 0;
}

/* ---- checking ---- */

struct promised {
    char name[NAME_SIZE];
    uint64_t tag, durable, flushed;
    bool closed;
};

struct tally {
    unsigned files, closed, synced, broken;
};

static void broken(struct tally *t, const struct promised *p, const char *why,
                   const struct dfs_error *e)
{
    t->broken++;
    fprintf(stderr, "ledger: %s (promised %llu bytes, %s): %s %s\n", p->name,
            (unsigned long long)p->durable, p->closed ? "closed" : "open", why,
            e != NULL ? e->text : "");
}

/* The lease is recovered first, as a reader of a dead writer's file does. */
static int recover(struct dfs *fs, const char *name, struct dfs_error *e)
{
    int rc = 0;
    for (int i = 0; i < RECOVERY_TRIES; i++) {
        bool closed = false;
        if ((rc = dfs_recover_lease(fs, name, &closed, e)) < 0 || closed)
            return rc;
        usleep(TRY_US);
    }
    snprintf(e->text, sizeof(e->text), "the lease is not recovered after %d tries", RECOVERY_TRIES);
    return -ETIMEDOUT;
}

static void check_bytes(struct tally *t, const struct promised *p, struct dfs_file *f)
{
    static uint8_t data[1 << 16];
    uint64_t at = 0;
    ssize_t n;
    struct dfs_error e = {0};
    while ((n = dfs_read(f, data, sizeof(data), &e)) > 0) {
        for (ssize_t i = 0; i < n; i++, at++)
            if (data[i] != byte_at(p->tag, at)) {
                snprintf(e.text, sizeof(e.text), "at byte %llu", (unsigned long long)at);
                broken(t, p, "a byte that nobody wrote", &e);
                return;
            }
    }
    if (n < 0) {
        broken(t, p, "does not read:", &e);
    } else if (at < p->durable || (p->closed && at != p->durable)) {
        snprintf(e.text, sizeof(e.text), "%llu bytes", (unsigned long long)at);
        broken(t, p, "has only", &e);
    }
}

static void check_file(struct tally *t, struct dfs *fs, const struct promised *p)
{
    struct dfs_error e = {0};
    struct dfs_file *f;
    t->files++;
    t->closed += p->closed;
    t->synced += !p->closed && p->durable > 0;
    if (!p->closed && recover(fs, p->name, &e) < 0) {
        if (p->durable > 0 || e.code != ENOENT)
            broken(t, p, "its lease is not recovered:", &e);
        return;
    }
    if (dfs_open(fs, p->name, &f, &e) < 0) {
        broken(t, p, "does not open:", &e);
        return;
    }
    check_bytes(t, p, f);
    (void)dfs_close(f, NULL);
}

static struct promised *promised_of(struct promised *list, size_t *count, const char *name)
{
    for (size_t i = *count; i-- > 0;)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    if (*count == MAX_FILES)
        return NULL;
    struct promised *p = &list[(*count)++];
    snprintf(p->name, sizeof(p->name), "%s", name);
    return p;
}

static size_t read_ledger(FILE *in, struct promised *list)
{
    char line[256], name[NAME_SIZE], what;
    unsigned long long tag, bytes;
    size_t count = 0;
    while (fgets(line, sizeof(line), in) != NULL) {
        if (sscanf(line, "%63s %llu %c %llu", name, &tag, &what, &bytes) != 4)
            continue;
        struct promised *p = promised_of(list, &count, name);
        if (p == NULL)
            break;
        p->tag = tag;
        p->closed |= what == 'c';
        if (what != 'f' && bytes > p->durable)
            p->durable = bytes;
        if (bytes > p->flushed)
            p->flushed = bytes;
    }
    return count;
}

static int run_verify(struct dfs *fs, char **argv)
{
    struct promised *list = calloc(MAX_FILES, sizeof(*list));
    FILE *in = fopen(argv[0], "re");
    struct tally t = {0};
    if (list == NULL || in == NULL)
        return 2;
    size_t count = read_ledger(in, list);
    fclose(in);
    for (size_t i = 0; i < count; i++)
        check_file(&t, fs, &list[i]);
    printf("%u files: %u closed, %u open with synced bytes, %u broken\n", t.files, t.closed,
           t.synced, t.broken);
    free(list);
    return t.broken == 0 && t.files > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct dfs *fs;
    struct dfs_error e = {0};
    struct dfs_options o = {.url = argc > 1 ? argv[1] : NULL};
    bool writes = argc == 6 && strcmp(argv[2], "write") == 0;
    if (!writes && !(argc == 4 && strcmp(argv[2], "verify") == 0)) {
        fprintf(stderr, "ledger: URL write SEED THREADS LEDGER | URL verify LEDGER\n");
        return 2;
    }
    if (dfs_connect(&o, &fs, &e) < 0) {
        fprintf(stderr, "ledger: %s\n", e.text);
        return 2;
    }
    int rc = writes ? run_write(fs, argv + 3) : run_verify(fs, argv + 3);
    dfs_disconnect(fs);
    return rc;
}
