/* oiv_distribution.c - how large the files of an image are, as Hadoop's FileDistribution processor
 * counts them. Thread: main's. */
#include <stdlib.h>

#include "cli/tools/internal.h"
#include "image.pb-c.h"

enum { MAX_INTERVALS = 0x8000000, REPORT_EVERY = 1 << 20 };

struct distribution {
    const struct oiv_options *o;
    int64_t max_size, step;
    int32_t *counts;
    size_t count;
    int32_t files, directories, blocks;
    int64_t space, largest;
};

static void count_file(struct distribution *d, const Image__INodeFile *m)
{
    int64_t size = 0;
    for (size_t i = 0; i < m->n_blocks; i++)
        size = (int64_t)((uint64_t)size + m->blocks[i]->num_bytes);
    d->files++;
    d->blocks += (int32_t)m->n_blocks;
    d->largest = size > d->largest ? size : d->largest;
    d->space = (int64_t)((uint64_t)d->space + (uint64_t)size * m->replication);
    size_t bucket = d->count - 1;
    if (size >= 0 && size <= d->max_size) {
        size_t at = (size_t)(size / d->step) + (size % d->step != 0);
        bucket = at < bucket ? at : bucket;
    }
    d->counts[size < 0 ? 0 : bucket]++;
}

static int count_all(struct distribution *d, struct records *r, FILE *out, struct err *err)
{
    struct slice bytes;
    bool one;
    TRY(records_next(r, &bytes, &one, err)); /* the header */
    for (uint64_t i = 0;; i++) {
        TRY(records_next(r, &bytes, &one, err));
        if (!one)
            return 0;
        const Image__INode *m = image__inode__unpack(&r->arena.pb, bytes.size, bytes.data);
        if (m == NULL)
            return records_bad(r, err);
        if (m->file != NULL)
            count_file(d, m->file);
        d->directories += m->type == IMAGE__INODE__TYPE__DIRECTORY;
        if (i % REPORT_EVERY == 0)
            (void)fprintf(out, "Processed %" PRIu64 " inodes.\n", i);
    }
}

/* "2 MB", "1.50 GB" */
static void bytes_of(int64_t n, char out[32])
{
    static const char prefixes[] = "KMGTPE";
    size_t i = 0;
    if (n < 1024) {
        (void)snprintf(out, 32, "%" PRId64 " B", n);
        return;
    }
    while (i < 5 && n >= (int64_t)1 << (10 * (i + 2)))
        i++;
    int64_t unit = (int64_t)1 << (10 * (i + 1));
    char number[32];
    if (n % unit == 0)
        (void)snprintf(number, sizeof(number), "%" PRId64, n / unit);
    else
        (void)snprintf(number, sizeof(number), "%.2f", (double)n / (double)unit);
    if (n % unit != 0 && strncmp(number, "1024", 4) == 0 && i < 5)
        (void)snprintf(number, sizeof(number), "%.2f", (double)n / (double)(unit << 10)), i++;
    (void)snprintf(out, 32, "%.24s %cB", number, prefixes[i]);
}

static void put_range(const struct distribution *d, size_t i, FILE *out)
{
    char from[32], to[32];
    bytes_of((int64_t)(i == 0 ? 0 : i - 1) * d->step, from);
    bytes_of(i == d->count - 1 ? d->largest : (int64_t)i * d->step, to);
    (void)fprintf(out, "%c%s, %s]\t%d\n", i == 0 ? '[' : '(', from, to, d->counts[i]);
}

static void put_all(const struct distribution *d, FILE *out)
{
    (void)fprintf(out, "%s\tNumFiles\n", d->o->format ? "Size Range" : "Size");
    for (size_t i = 0; i < d->count; i++) {
        if (d->counts[i] == 0)
            continue;
        if (d->o->format)
            put_range(d, i, out);
        else
            (void)fprintf(out, "%" PRId64 "\t%d\n", (int64_t)i * d->step, d->counts[i]);
    }
    (void)fprintf(out,
                  "totalFiles = %d\ntotalDirectories = %d\ntotalBlocks = %d\ntotalSpace = %" PRId64
                  "\nmaxFileSize = %" PRId64 "\n",
                  d->files, d->directories, d->blocks, d->space, d->largest);
}

int oiv_distribution(struct image_file *f, const struct oiv_options *o, FILE *out, struct err *err)
{
    struct distribution d = {.o = o,
                             .max_size = o->max_size == 0 ? 0x2000000000 : o->max_size,
                             .step = o->step == 0 ? 0x200000 : o->step};
    int64_t intervals = d.max_size / d.step;
    const struct image_section *s = image_section(f, "INODE");
    struct records r;
    if (intervals > MAX_INTERVALS)
        return fail(err, ERR_ILLEGAL_ARGUMENT,
                    "Too many distribution intervals (maxSize/step): %" PRId64
                    ", should be less than %d.",
                    intervals, MAX_INTERVALS + 1);
    if (s == NULL)
        return fail(err, ERR_CORRUPT, "the image has no section INODE");
    d.count = 1 + (size_t)intervals;
    d.counts = calloc(d.count, sizeof(*d.counts));
    if (d.counts == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for the distribution");
    int rc = records_open(&r, f, s, err);
    if (rc == 0) {
        rc = count_all(&d, &r, out, err);
        records_close(&r);
    }
    if (rc == 0)
        put_all(&d, out);
    free(d.counts);
    return rc;
}
