/* oev.c - `dfs oev`: a file of edits as XML, as statistics, or from XML back as a file of edits.
 * The file is mapped and read record by record. Thread: main's. */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/tools/internal.h"
#include "cli/tools/oev.def"
#include "cli/tools/tools.h"
#include "namenode/journal/journal.h"

struct oev;
struct processor {
    const char *name;
    int (*start)(struct oev *o, int version);
    int (*record)(struct oev *o, struct edit *e, struct err *err);
    int (*end)(struct oev *o, const struct err *why); /* why: NULL, or what stopped the reading */
};

struct oev {
    const char *input, *output;
    const struct processor *processor;
    bool fix_txids, recover, verbose;
    uint64_t next_txid;
    struct xml xml;
    struct buf record;
    int version;
    uint64_t counts[256];
};

/* ---- xml ---- */

static int xml_begin(struct oev *o, int version)
{
    xml_raw(&o->xml, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n");
    xml_open(&o->xml, "EDITS");
    xml_number(&o->xml, "EDITS_VERSION", version);
    return 0;
}

static int xml_record(struct oev *o, struct edit *e, struct err *err)
{
    (void)err;
    oev_put_record(&o->xml, e);
    return 0;
}

static int xml_end(struct oev *o, const struct err *why)
{
    xml_close(&o->xml, "EDITS");
    if (why != NULL)
        xml_text(&o->xml, "ERROR", slice_of(why->text));
    return 0;
}

/* ---- stats ---- */

static int stats_begin(struct oev *o, int version)
{
    o->version = version;
    return 0;
}

static int stats_record(struct oev *o, struct edit *e, struct err *err)
{
    (void)err;
    o->counts[e->code]++;
    return 0;
}

static void stats_line(struct oev *o, const char *name, int code, uint64_t count)
{
    char line[96];
    (void)snprintf(line, sizeof(line), "    %-30.30s (%3d): %" PRIu64 "\n", name, code, count);
    xml_raw(&o->xml, line);
}

static int stats_end(struct oev *o, const struct err *why)
{
    char line[128];
    (void)snprintf(line, sizeof(line), "    %-30.30s      : %d\n", "VERSION", o->version);
    xml_raw(&o->xml, line);
    for (int code = 0; code < 255; code++) {
        const char *name = oev_name(code);
        if (name == NULL)
            continue;
        (void)snprintf(line, sizeof(line), "OP_%s", name);
        stats_line(o, line, code, o->counts[code]);
    }
    stats_line(o, "OP_INVALID", -1, 0);
    if (why != NULL) {
        xml_raw(&o->xml, "EXITING ON ERROR: ");
        xml_raw(&o->xml, why->text);
        xml_raw(&o->xml, "\n");
    }
    return 0;
}

/* ---- binary ---- */

static int write_out(struct oev *o)
{
    size_t size = buf_size(&o->record);
    o->xml.bad |= fwrite(buf_head(&o->record), 1, size, o->xml.out) != size;
    buf_clear(&o->record);
    return 0;
}

static int binary_begin(struct oev *o, int version)
{
    (void)version; /* Hadoop's tool writes its own, too */
    TRY(edit_encode_header(&o->record));
    return write_out(o);
}

static int binary_record(struct oev *o, struct edit *e, struct err *err)
{
    TRY(edit_encode(&o->record, e, err));
    return write_out(o);
}

static int binary_end(struct oev *o, const struct err *why)
{
    (void)o;
    (void)why;
    return 0;
}

static const struct processor processors[] = {
    {"xml", xml_begin, xml_record, xml_end},
    {"binary", binary_begin, binary_record, binary_end},
    {"stats", stats_begin, stats_record, stats_end},
};

/* ---- reading ---- */

static int visit(struct oev *o, struct edit *e, struct err *err)
{
    if (o->fix_txids) {
        if (o->next_txid == 0)
            o->next_txid = (int64_t)e->txid <= 0 ? 1 : e->txid;
        e->txid = o->next_txid++;
    }
    TRY(o->processor->record(o, e, err));
    return o->xml.bad ? fail_errno(err, "%s", o->output) : 0;
}

/* The next good record behind a damaged one; false: there is none. */
static bool resync(struct edit_reader *r, struct arena *arena, struct edit *e)
{
    while (r->offset + 1 < r->bytes.size) {
        struct err ignored = {0};
        r->offset++;
        r->next_txid = 0;
        arena_reset(arena);
        if (edit_read(r, arena, e, &ignored) == EDIT_READ_ONE)
            return true;
    }
    return false;
}

static int read_records(struct oev *o, struct edit_reader *r, struct arena *arena, struct err *err)
{
    for (;;) {
        struct edit e;
        arena_reset(arena);
        r->next_txid = 0; /* gaps are shown, not judged */
        int rc = edit_read(r, arena, &e, err);
        if (rc == EDIT_READ_END)
            return 0;
        if (rc != EDIT_READ_ONE) {
            if (!o->recover || rc == ERR_NO_MEMORY)
                return rc;
            fprintf(stderr, "Got an error while reading stream!  Resyncing. %s\n", err->text);
            if (!resync(r, arena, &e))
                return 0;
        }
        TRY(visit(o, &e, err));
    }
}

static int read_mapped(struct oev *o, const void *data, size_t size, struct err *err)
{
    struct edit_reader r;
    struct arena arena;
    TRY(edit_reader_init(&r, data, size, 0, err));
    TRY(o->processor->start(o, r.layout_version));
    arena_init(&arena, 0);
    int rc = read_records(o, &r, &arena, err);
    arena_fini(&arena);
    return rc;
}

static int read_binary(struct oev *o, struct err *err)
{
    struct stat st;
    int fd = open(o->input, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "%s", o->input);
    void *data = MAP_FAILED;
    int rc = fstat(fd, &st) != 0 ? fail_errno(err, "%s", o->input) : 0;
    if (rc == 0 && st.st_size == 0)
        rc = fail(err, ERR_EOF, "%s: the file is empty", o->input);
    if (rc == 0) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        rc = data == MAP_FAILED ? fail_errno(err, "%s", o->input) : 0;
    }
    close(fd);
    if (rc != 0)
        return rc;
    (void)madvise(data, (size_t)st.st_size, MADV_SEQUENTIAL);
    rc = read_mapped(o, data, (size_t)st.st_size, err);
    munmap(data, (size_t)st.st_size);
    return rc;
}

static int on_version(void *ctx, int version, struct err *err)
{
    struct oev *o = ctx;
    int rc = o->processor->start(o, version);
    return rc == 0 ? 0 : fail(err, rc, "no memory");
}

static int on_record(void *ctx, struct edit *e, struct err *err)
{
    return visit(ctx, e, err);
}

static bool is_xml(const char *path)
{
    size_t n = strlen(path);
    return n >= 4 && strcasecmp(path + n - 4, ".xml") == 0;
}

static int run(struct oev *o, struct err *err)
{
    o->xml.out = fopen(o->output, "wbe");
    if (o->xml.out == NULL)
        return fail_errno(err, "%s", o->output);
    if (o->verbose && strcmp(o->processor->name, "binary") != 0)
        o->xml.copy = stdout;
    struct xml_input_events events = {o, on_version, on_record};
    int rc = is_xml(o->input) ? oev_parse(o->input, &events, err) : read_binary(o, err);
    (void)o->processor->end(o, rc == 0 ? NULL : err);
    o->xml.bad |= ferror(o->xml.out) != 0;
    if (fclose(o->xml.out) != 0 || o->xml.bad)
        rc = rc != 0 ? rc : fail_errno(err, "%s", o->output);
    buf_fini(&o->record);
    return rc;
}

/* ---- command line ---- */

static void usage(void)
{
    fputs("Usage: bin/hdfs oev [OPTIONS] -i INPUT_FILE -o OUTPUT_FILE\n"
          "Offline edits viewer\n"
          "Parse a Hadoop edits log file INPUT_FILE and save results\n"
          "in OUTPUT_FILE.\n"
          "Required command line arguments:\n"
          "-i,--inputFile <arg>   edits file to process, xml (case\n"
          "                       insensitive) extension means XML format,\n"
          "                       any other filename means binary format.\n"
          "                       XML/Binary format input file is not allowed\n"
          "                       to be processed by the same type processor.\n"
          "-o,--outputFile <arg>  Name of output file. If the specified\n"
          "                       file exists, it will be overwritten,\n"
          "                       format of the file is determined\n"
          "                       by -p option\n"
          "\n"
          "Optional command line arguments:\n"
          "-p,--processor <arg>   Select which type of processor to apply:\n"
          "                       binary (native binary format that Hadoop uses),\n"
          "                       xml (default, XML format),\n"
          "                       stats (prints statistics about edits file)\n"
          "-h,--help              Display usage information and exit\n"
          "-f,--fix-txids         Renumber the transaction IDs in the input,\n"
          "                       so that there are no gaps or invalid\n"
          "                       transaction IDs.\n"
          "-r,--recover           When reading binary edit logs, skip corrupt\n"
          "                       parts of the edit log.\n"
          "-v,--verbose           More verbose output, prints the input and\n"
          "                       output filenames, for processors that write\n"
          "                       to a file, also output to screen.\n",
          stdout);
}

static const struct option long_options[] = {
    {"inputFile", required_argument, NULL, 'i'},
    {"inputFilename", required_argument, NULL, 'i'},
    {"outputFile", required_argument, NULL, 'o'},
    {"outputFilename", required_argument, NULL, 'o'},
    {"processor", required_argument, NULL, 'p'},
    {"fix-txids", no_argument, NULL, 'f'},
    {"recover", no_argument, NULL, 'r'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int find_processor(const char *name, const struct processor **ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(processors); i++)
        if (strcasecmp(name, processors[i].name) == 0) {
            *ret = &processors[i];
            return 0;
        }
    fprintf(stderr,
            "Encountered exception. Exiting: Unknown processor %s (valid processors: xml, "
            "binary, stats)\n",
            name);
    return -1;
}

static int parse(int argc, char **argv, struct oev *o)
{
    int option;
    const char *processor = "xml";
    optind = 1;
    while ((option = getopt_long_only(argc, argv, "i:o:p:frvh", long_options, NULL)) != -1) {
        switch (option) {
        case 'i':
            o->input = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'p':
            processor = optarg;
            break;
        case 'f':
            o->fix_txids = true;
            break;
        case 'r':
            o->recover = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        default:
            usage();
            return -1;
        }
    }
    if (o->input == NULL || o->output == NULL) {
        printf("Error parsing command-line options: Missing required option%s: %s%s%s\n",
               o->input == o->output ? "s" : "", o->output == NULL ? "o" : "",
               o->input == o->output ? ", " : "", o->input == NULL ? "i" : "");
        usage();
        return -1;
    }
    return find_processor(processor, &o->processor);
}

int oev_run(int argc, char **argv)
{
    struct oev o = {0};
    if (argc == 1 ||
        (argc == 2 && (strcasecmp(argv[1], "-h") == 0 || strcasecmp(argv[1], "--help") == 0))) {
        usage();
        return 0;
    }
    if (parse(argc, argv, &o) != 0)
        return EXIT_BAD;
    if (o.verbose)
        printf("input  [%s]\noutput [%s]\n", o.input, o.output);
    bool binary = strcmp(o.processor->name, "binary") == 0;
    if (is_xml(o.input) ? strcmp(o.processor->name, "xml") == 0 : binary) {
        fprintf(stderr, "%s format input file is not allowed to be processed by %s processor.\n",
                binary ? "Binary" : "XML", binary ? "Binary" : "XML");
        return EXIT_BAD;
    }
    struct err err = {0};
    if (run(&o, &err) == 0)
        return 0;
    fprintf(stderr, "Encountered exception. Exiting: %s\n", err.text);
    return EXIT_BAD;
}
