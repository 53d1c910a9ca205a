/* unpack.c - zlib, gzip and bzip2 behind one face. Members that follow one another are one stream;
 * what follows the last gzip member and is none is left out, as Java's reader does it. An end
 * within a member is an error. Thread: the command's. */
#include <bzlib.h>
#include <zlib.h>

#include "cli/unpack/internal.h"

struct unpacked {
    struct source source, *from;
    enum codec codec;
    union {
        z_stream z;
        bz_stream bz;
    };
    bool open;   /* the state of the library */
    bool inside; /* a member has begun and has not ended */
    bool any;    /* a member has ended */
    bool done;
    uint8_t *in;
    size_t at, have; /* in[at .. have) waits */
};

static const struct {
    const char *ending, *java_class;
    enum codec codec;
} codecs[] = {
    {".deflate", "DefaultCodec", CODEC_ZLIB},  {"", "DeflateCodec", CODEC_ZLIB},
    {".gz", "GzipCodec", CODEC_GZIP},          {".bz2", "BZip2Codec", CODEC_BZIP2},
    {".snappy", "SnappyCodec", CODEC_UNKNOWN}, {".lz4", "Lz4Codec", CODEC_UNKNOWN},
    {".zst", "ZStandardCodec", CODEC_UNKNOWN},
};

enum codec codec_of_name(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
        size_t n = strlen(codecs[i].ending);
        if (n > 0 && size >= n && strcmp(name + size - n, codecs[i].ending) == 0)
            return codecs[i].codec;
    }
    return CODEC_NONE;
}

enum codec codec_of_class(const char *java_class)
{
    static const char package[] = "org.apache.hadoop.io.compress.";
    if (strncmp(java_class, package, sizeof(package) - 1) != 0)
        return CODEC_UNKNOWN;
    for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
        if (strcmp(java_class + sizeof(package) - 1, codecs[i].java_class) == 0)
            return codecs[i].codec;
    return CODEC_UNKNOWN;
}

static void close_library(struct unpacked *u)
{
    if (u->open && u->codec == CODEC_BZIP2)
        (void)BZ2_bzDecompressEnd(&u->bz);
    else if (u->open)
        (void)inflateEnd(&u->z);
    u->open = false;
}

static int open_library(struct unpacked *u, struct err *err)
{
    enum { GZIP_HEADER = 16 };
    bool ok;
    if (u->codec == CODEC_BZIP2) {
        memset(&u->bz, 0, sizeof(u->bz));
        ok = BZ2_bzDecompressInit(&u->bz, 0, 0) == BZ_OK;
    } else {
        memset(&u->z, 0, sizeof(u->z));
        ok = inflateInit2(&u->z, MAX_WBITS + (u->codec == CODEC_GZIP ? GZIP_HEADER : 0)) == Z_OK;
    }
    if (!ok)
        return fail(err, ERR_NO_MEMORY, "no memory to unpack");
    u->open = true;
    return 0;
}

enum step { STEP_MORE, STEP_END, STEP_BAD };

static enum step step_bzip2(struct unpacked *u, void *data, size_t size, size_t *ret)
{
    u->bz.next_in = (char *)u->in + u->at;
    u->bz.avail_in = (unsigned)(u->have - u->at);
    u->bz.next_out = data;
    u->bz.avail_out = (unsigned)size;
    int code = BZ2_bzDecompress(&u->bz);
    u->at = u->have - u->bz.avail_in;
    *ret = size - u->bz.avail_out;
    return code == BZ_OK ? STEP_MORE : code == BZ_STREAM_END ? STEP_END : STEP_BAD;
}

static enum step step_zlib(struct unpacked *u, void *data, size_t size, size_t *ret)
{
    u->z.next_in = u->in + u->at;
    u->z.avail_in = (uInt)(u->have - u->at);
    u->z.next_out = data;
    u->z.avail_out = (uInt)size;
    int code = inflate(&u->z, Z_NO_FLUSH);
    u->at = u->have - u->z.avail_in;
    *ret = size - u->z.avail_out;
    if (code == Z_OK || code == Z_BUF_ERROR)
        return STEP_MORE;
    return code == Z_STREAM_END ? STEP_END : STEP_BAD;
}

static int bad_data(struct unpacked *u, size_t made, struct err *err)
{
    if (u->codec == CODEC_GZIP && u->any && made == 0 && u->z.total_out == 0) {
        u->done = true; /* something else behind the last member */
        return 0;
    }
    return fail(err, ERR_CORRUPT, "not valid %s data: %s",
                u->codec == CODEC_GZIP    ? "gzip"
                : u->codec == CODEC_BZIP2 ? "bzip2"
                                          : "zlib",
                u->codec == CODEC_BZIP2 || u->z.msg == NULL ? "damaged" : u->z.msg);
}

static int fill(struct unpacked *u, struct err *err)
{
    u->at = u->have = 0;
    TRY(u->from->read(u->from, u->in, CHUNK, &u->have, err));
    if (u->have > 0)
        return 0;
    if (u->inside)
        return fail(err, ERR_EOF, "Unexpected end of the packed data");
    u->done = true;
    return 0;
}

static int step(struct unpacked *u, void *data, size_t size, size_t *ret, struct err *err)
{
    if (!u->open)
        TRY(open_library(u, err));
    u->inside = true;
    enum step got =
        u->codec == CODEC_BZIP2 ? step_bzip2(u, data, size, ret) : step_zlib(u, data, size, ret);
    if (got == STEP_BAD)
        return bad_data(u, *ret, err);
    if (got == STEP_END) {
        u->any = true;
        u->inside = false;
        close_library(u);
    }
    return 0;
}

static int read_unpacked(struct source *s, void *data, size_t size, size_t *ret, struct err *err)
{
    struct unpacked *u = (struct unpacked *)s;
    *ret = 0;
    if (size > CHUNK)
        size = CHUNK;
    while (*ret == 0 && !u->done && size > 0) {
        if (u->at == u->have && u->inside) { /* what is inside may still have bytes for us */
            TRY(step(u, data, size, ret, err));
            if (*ret > 0)
                break;
        }
        if (u->at == u->have)
            TRY(fill(u, err));
        if (!u->done)
            TRY(step(u, data, size, ret, err));
    }
    return 0;
}

int unpacked_new(enum codec codec, struct source *from, struct unpacked **ret, struct err *err)
{
    if (codec == CODEC_NONE || codec == CODEC_UNKNOWN)
        return fail(err, ERR_UNSUPPORTED, "this compression is not supported");
    struct unpacked *u = text_alloc(sizeof(*u));
    u->source.read = read_unpacked;
    u->from = from;
    u->codec = codec;
    u->in = text_alloc(CHUNK);
    *ret = u;
    return 0;
}

struct source *unpacked_source(struct unpacked *u)
{
    return &u->source;
}

void unpacked_free(struct unpacked *u)
{
    if (u == NULL)
        return;
    close_library(u);
    text_free(u->in);
    text_free(u);
}
