/* show.c - cat, text, head, tail, checksum: contents to standard output.
 * Bytes go past stdio, straight to the descriptor; what stdio holds is flushed first.
 * Thread: the command's. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/fs/internal.h"

enum { SHOW_END = 1024, FOLLOW_MS = 5000, GUNZIP_BUFFER = 1 << 18 };

static void close_read(struct stream *in)
{
    struct err ignored = {0};
    (void)stream_close(in, &ignored); /* it was only read */
}

/* offset .. offset + limit (0: to the end) of a file; *ret_end: where it ended. */
static int show_range(struct shell *sh, const struct item *item, uint64_t offset, uint64_t limit,
                      struct err *err)
{
    struct stream *in;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    (void)fflush(sh->out);
    TRY(file_store_open(item->store, item->path, &in, err));
    int rc = offset == 0 ? 0 : stream_seek(in, offset, err);
    if (rc == 0)
        rc = transfer(in, (struct sink){.fd = STDOUT_FILENO}, limit, NULL, err);
    close_read(in);
    return rc;
}

static int cat_path(struct walk *w, struct item *item, struct err *err)
{
    return show_range(w->sh, item, 0, TRANSFER_ALL, err);
}

int cmd_cat(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct walk w = {.sh = sh, .path = cat_path};
    return walk_args(&w, args, err);
}

static int head_path(struct walk *w, struct item *item, struct err *err)
{
    return show_range(w->sh, item, 0, SHOW_END, err);
}

int cmd_head(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct walk w = {.sh = sh, .path = head_path, .expand = expand_plain};
    return walk_args(&w, args, err);
}

struct tail {
    bool follow;
    int64_t delay_ms;
};

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL); /* a signal ends it early, which is fine */
}

static int tail_path(struct walk *w, struct item *item, struct err *err)
{
    const struct tail *tail = w->data;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    uint64_t length = item->stat.length;
    uint64_t at = length > SHOW_END ? length - SHOW_END : 0;
    for (;;) {
        if (length > at) {
            TRY(show_range(w->sh, item, at, length - at, err));
            at = length;
        }
        if (!tail->follow || shell_interrupted())
            return 0;
        sleep_ms(tail->delay_ms);
        TRY(item_look(item, err));
        if (!item->exists)
            return fail_missing(err, item->text);
        length = item->stat.length;
        if (length < at)
            at = length; /* it was cut */
    }
}

int cmd_tail(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct tail tail = {.follow = option_on(&o, "f"), .delay_ms = FOLLOW_MS};
    const char *delay = option_value(&o, "s");
    if (tail.follow && delay != NULL && delay[0] != '\0') {
        char *end;
        errno = 0;
        long long ms = strtoll(delay, &end, 10);
        if (*end != '\0' || errno != 0)
            return fail(err, ERR_ILLEGAL_ARGUMENT, "For input string: \"%s\"", delay);
        if (ms > 0)
            tail.delay_ms = ms;
    }
    struct walk w = {.sh = sh, .data = &tail, .path = tail_path, .expand = expand_plain};
    return walk_args(&w, args, err);
}

static int checksum_path(struct walk *w, struct item *item, struct err *err)
{
    bool block_size = *(const bool *)w->data;
    struct dfs_checksum sum;
    FILE *out = w->sh->out;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    TRY(store_checksum(item->store, item->path, &sum, err));
    fprintf(out, "%s\t%s", item->text, sum.algorithm);
    for (size_t i = 0; i < sum.size; i++)
        fprintf(out, "%s%02x", i == 0 ? "\t" : "", sum.bytes[i]);
    if (block_size)
        fprintf(out, "\tBlockSize=%llu", (unsigned long long)item->stat.block_size);
    fputc('\n', out);
    return 0;
}

int cmd_checksum(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    bool block_size = option_on(&o, "v");
    struct walk w = {.sh = sh, .data = &block_size, .path = checksum_path};
    return walk_args(&w, args, err);
}

/* Unpacks what inflate has got; more members may follow one another. */
static int inflate_some(z_stream *z, uint8_t *out, const char *name, struct err *err)
{
    do {
        z->next_out = out;
        z->avail_out = GUNZIP_BUFFER;
        int code = inflate(z, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return fail(err, ERR_CORRUPT, "`%s': not a valid gzip file: %s", name,
                        z->msg == NULL ? "bad data" : z->msg);
        size_t n = GUNZIP_BUFFER - z->avail_out;
        if (n > 0 && write(STDOUT_FILENO, out, n) != (ssize_t)n)
            return fail(err, ERR_IO, "Unable to write to output stream.");
        if (code == Z_STREAM_END && inflateReset(z) != Z_OK)
            return fail(err, ERR_IO, "`%s': gzip state", name);
        if (code == Z_BUF_ERROR)
            break;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return 0;
}

static int gunzip(struct stream *in, const char *name, struct err *err)
{
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return fail(err, ERR_NO_MEMORY, "gzip: no memory");
    uint8_t *from = text_alloc(GUNZIP_BUFFER), *to = text_alloc(GUNZIP_BUFFER);
    size_t n = 0;
    int rc;
    while ((rc = stream_read(in, from, GUNZIP_BUFFER, &n, err)) == 0 && n > 0) {
        z.next_in = from;
        z.avail_in = (uInt)n;
        rc = inflate_some(&z, to, name, err);
        if (rc != 0)
            break;
    }
    (void)inflateEnd(&z);
    text_free(from);
    text_free(to);
    return rc;
}

/* By the first bytes: gzip is unpacked, Hadoop's own containers are refused, anything else is text.
 */
static int text_stream(struct stream *in, const char *name, struct err *err)
{
    uint8_t lead[3] = {0};
    size_t have = 0, n = 1;
    while (have < sizeof(lead) && n > 0) {
        TRY(stream_read(in, lead + have, sizeof(lead) - have, &n, err));
        have += n;
    }
    TRY(stream_seek(in, 0, err));
    if (have >= 2 && lead[0] == 0x1f && lead[1] == 0x8b)
        return gunzip(in, name, err);
    if (have == 3 && (memcmp(lead, "SEQ", 3) == 0 || memcmp(lead, "Obj", 3) == 0))
        return fail(err, ERR_UNSUPPORTED, "`%s': %s files can't be shown as text yet", name,
                    lead[0] == 'S' ? "sequence" : "Avro");
    return transfer(in, (struct sink){.fd = STDOUT_FILENO}, TRANSFER_ALL, NULL, err);
}

static int text_path(struct walk *w, struct item *item, struct err *err)
{
    struct stream *in;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    (void)fflush(w->sh->out);
    TRY(file_store_open(item->store, item->path, &in, err));
    int rc = text_stream(in, item->text, err);
    close_read(in);
    return rc;
}

int cmd_text(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct walk w = {.sh = sh, .path = text_path};
    return walk_args(&w, args, err);
}
