/* pipeline_writer.c - a writer that stops at exact bytes: pipeline_writer URL [key=value...]
 * Takes commands on standard input and answers each with "ok <ms> ..." or "error <ms> <text>", so
 * that a script does something to the servers in between. The byte at position i of a file is a
 * function of i, so whoever reads it knows what is right.
 * create PATH REPLICATION BLOCKSIZE, append PATH, write N, hflush, hsync, close, recover PATH,
 * truncate PATH N, verify PATH. */
#include <dfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SETTINGS = 32, PIECE = 65536 };

static struct dfs *fs;
static struct dfs_file *file;
static unsigned long long end;

static unsigned char byte_at(unsigned long long i)
{
    return (unsigned char)(i * 31 + (i >> 9) * 7 + (i >> 17));
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int write_bytes(unsigned long long count, struct dfs_error *e)
{
    static unsigned char piece[PIECE];
    while (count > 0) {
        size_t n = count < PIECE ? (size_t)count : PIECE;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(end + i);
        if (dfs_write(file, piece, n, e) < 0)
            return -1;
        end += n;
        count -= n;
    }
    return 0;
}

static int verify(const char *path, unsigned long long *ret, struct dfs_error *e)
{
    static unsigned char piece[PIECE];
    struct dfs_file *f;
    unsigned long long at = 0;
    if (dfs_open(fs, path, &f, e) != 0)
        return -1;
    ssize_t n;
    while ((n = dfs_read(f, piece, PIECE, e)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (piece[i] != byte_at(at)) {
                snprintf(e->text, sizeof(e->text), "wrong byte at %llu", at);
                n = -1;
                break;
            }
    struct dfs_error ignored;
    (void)dfs_close(f, &ignored); /* it was only read */
    *ret = at;
    return n < 0 ? -1 : 0;
}

static int append(const char *path, struct dfs_error *e)
{
    struct dfs_stat st;
    if (dfs_append(fs, path, 0, &file, e) != 0 || dfs_stat(fs, path, &st, e) != 0)
        return -1;
    end = (unsigned long long)st.length;
    return 0;
}

static int end_file(struct dfs_error *e)
{
    struct dfs_file *f = file;
    file = NULL;
    return dfs_close(f, e);
}

static int run(char **w, char *more, size_t size, struct dfs_error *e)
{
    const char *a = w[1] == NULL ? "" : w[1], *b = w[2] == NULL ? "0" : w[2];
    bool yes = false;
    int rc;
    if (strcmp(w[0], "create") == 0) {
        struct dfs_create_options o = {.overwrite = true,
                                       .create_parents = true,
                                       .replication = (unsigned)strtoul(b, NULL, 10),
                                       .block_size = strtoull(w[3], NULL, 10)};
        end = 0;
        return dfs_create(fs, a, &o, &file, e);
    }
    if (strcmp(w[0], "append") == 0)
        return append(a, e);
    if (strcmp(w[0], "write") == 0)
        return write_bytes(strtoull(a, NULL, 10), e);
    if (strcmp(w[0], "hflush") == 0)
        return dfs_hflush(file, e);
    if (strcmp(w[0], "hsync") == 0)
        return dfs_hsync(file, e);
    if (strcmp(w[0], "close") == 0)
        return end_file(e);
    if (strcmp(w[0], "verify") == 0) {
        unsigned long long length = 0;
        rc = verify(a, &length, e);
        snprintf(more, size, " %llu", length);
        return rc;
    }
    if (strcmp(w[0], "recover") == 0)
        rc = dfs_recover_lease(fs, a, &yes, e);
    else
        rc = dfs_truncate(fs, a, strtoull(b, NULL, 10), &yes, e);
    snprintf(more, size, " %s", yes ? "true" : "false");
    return rc;
}

int main(int argc, char **argv)
{
    const char *settings[MAX_SETTINGS + 1] = {NULL};
    struct dfs_error e = {0};
    char line[1024];
    for (int i = 2; i < argc && i - 2 < MAX_SETTINGS; i++)
        settings[i - 2] = argv[i];
    if (argc < 2 ||
        dfs_connect(&(struct dfs_options){.url = argv[1], .settings = settings}, &fs, &e) != 0) {
        fprintf(stderr, "pipeline_writer: %s\n", e.text);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *words[5] = {NULL}, *rest = line, more[64] = "";
        for (int i = 0; i < 4; i++)
            words[i] = strsep(&rest, " \n");
        long long start = now_ms();
        e = (struct dfs_error){0};
        int rc = run(words, more, sizeof(more), &e);
        printf(rc == 0 ? "ok %lld%s\n" : "error %lld %s%s %s\n", now_ms() - start,
               rc == 0 ? more : e.exception, rc == 0 ? "" : ":", rc == 0 ? "" : e.text);
        fflush(stdout);
    }
    if (file != NULL)
        dfs_abort(file);
    dfs_disconnect(fs);
    return 0;
}
