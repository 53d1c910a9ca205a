/* show.c - cat, text, head, tail, checksum: contents to standard output.
 * Bytes go past stdio, straight to the descriptor; what stdio holds is flushed first.
 * Thread: the command's. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/fs/internal.h"
#include "cli/unpack/unpack.h"

enum { SHOW_END = 1024, FOLLOW_MS = 5000 };

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

/* A file's stream as a source, and how it reads. */
struct file_source {
    struct source source;
    struct stream *in;
};

static int read_file_source(struct source *s, void *data, size_t size, size_t *ret, struct err *err)
{
    return stream_read(((struct file_source *)s)->in, data, size, ret, err);
}

static int text_unpacked(struct source *from, enum codec codec, FILE *out, struct err *err)
{
    struct unpacked *u;
    TRY(unpacked_new(codec, from, &u, err));
    int rc = source_copy(unpacked_source(u), out, err);
    unpacked_free(u);
    return rc;
}

/* By the first bytes: gzip is unpacked, records of a sequence file are shown, Avro is refused; then
 * by the name; anything else is text. */
static int text_stream(struct stream *in, const char *name, FILE *out, struct err *err)
{
    uint8_t lead[3] = {0};
    size_t have = 0, n = 1;
    struct file_source from = {{read_file_source}, in};
    enum codec codec = codec_of_name(name);
    while (have < sizeof(lead) && n > 0) {
        TRY(stream_read(in, lead + have, sizeof(lead) - have, &n, err));
        have += n;
    }
    TRY(stream_seek(in, 0, err));
    if (have >= 2 && lead[0] == 0x1f && lead[1] == 0x8b)
        codec = CODEC_GZIP;
    else if (have == 3 && memcmp(lead, "SEQ", 3) == 0)
        return sequence_show(&from.source, out, err);
    else if (have == 3 && memcmp(lead, "Obj", 3) == 0)
        return fail(err, ERR_UNSUPPORTED, "Avro files can't be shown as text");
    if (have >= 2 && codec != CODEC_NONE)
        return text_unpacked(&from.source, codec, out, err);
    return source_copy(&from.source, out, err);
}

static int text_path(struct walk *w, struct item *item, struct err *err)
{
    struct stream *in;
    if (item_is_dir(item))
        return fail_is_dir(err, item->text);
    TRY(file_store_open(item->store, item->path, &in, err));
    struct err why = {0};
    int rc = text_stream(in, item->path, w->sh->out, &why);
    close_read(in);
    if (fflush(w->sh->out) != 0 && rc == 0)
        rc = fail(&why, ERR_IO, "Unable to write to output stream.");
    return rc == 0 ? 0 : fail(err, rc, "`%s': %s", item->text, why.text);
}

int cmd_text(struct shell *sh, struct args *args, struct err *err)
{
    struct options o;
    TRY(options_parse(sh, args, &o, err));
    struct walk w = {.sh = sh, .path = text_path};
    return walk_args(&w, args, err);
}
