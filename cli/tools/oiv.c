/* oiv.c - `dfs oiv`: the command line of the image viewer. Thread: main's. */
#include <getopt.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/tools/internal.h"
#include "cli/tools/tools.h"

struct arguments {
    const char *input, *output, *processor;
    struct oiv_options o;
};

static const struct {
    const char *name;
    int (*run)(struct image_file *f, const struct oiv_options *o, FILE *out, struct err *err);
} processors[] = {
    {"XML", oiv_xml}, {"Delimited", oiv_delimited}, {"FileDistribution", oiv_distribution},
    {"Web", NULL},    {"ReverseXML", NULL},         {"DetectCorruption", NULL},
};

static void usage(void)
{
    fputs("Usage: bin/hdfs oiv [OPTIONS] -i INPUTFILE -o OUTPUTFILE\n"
          "Offline Image Viewer\n"
          "View a Hadoop fsimage INPUTFILE using the specified PROCESSOR,\n"
          "saving the results in OUTPUTFILE.\n"
          "\n"
          "The following image processors are available:\n"
          "  * XML: all elements of the image as XML.\n"
          "  * FileDistribution: how many files have which size.\n"
          "  * Delimited: a line for each inode, with its path.\n"
          "\n"
          "Required command line arguments:\n"
          "-i,--inputFile <arg>   FSImage file to process.\n"
          "\n"
          "Optional command line arguments:\n"
          "-o,--outputFile <arg>  Name of output file. If the specified\n"
          "                       file exists, it will be overwritten.\n"
          "                       (output to stdout by default)\n"
          "-p,--processor <arg>   Select which type of processor to apply\n"
          "                       (XML|FileDistribution|Delimited)\n"
          "-maxSize <arg>         FileDistribution: the largest file size in bytes\n"
          "                       (128GB by default).\n"
          "-step <arg>            FileDistribution: bytes of a step (2MB by default).\n"
          "-format                FileDistribution: sizes with units.\n"
          "-delimiter <arg>       Delimited: what stands between fields (tab by default).\n"
          "-sp                    Delimited: print the storage policy.\n"
          "-ec                    Delimited: print the erasure coding policy.\n"
          "-t,--temp <arg>        Accepted; nothing is kept in files.\n"
          "-m,--multiThread <arg> Accepted; one thread is used.\n"
          "-h,--help              Display usage information and exit\n",
          stdout);
}

enum { OPT_MAX_SIZE = 256, OPT_STEP, OPT_FORMAT, OPT_ADDRESS, OPT_DELIMITER, OPT_SP, OPT_EC };

static const struct option long_options[] = {
    {"inputFile", required_argument, NULL, 'i'},
    {"outputFile", required_argument, NULL, 'o'},
    {"processor", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},
    {"maxSize", required_argument, NULL, OPT_MAX_SIZE},
    {"step", required_argument, NULL, OPT_STEP},
    {"format", no_argument, NULL, OPT_FORMAT},
    {"addr", required_argument, NULL, OPT_ADDRESS},
    {"delimiter", required_argument, NULL, OPT_DELIMITER},
    {"sp", no_argument, NULL, OPT_SP},
    {"ec", no_argument, NULL, OPT_EC},
    {"temp", required_argument, NULL, 't'},
    {"multiThread", required_argument, NULL, 'm'},
    {NULL, 0, NULL, 0},
};

static bool parse_size(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && *ret >= 0)
        return true;
    fprintf(stderr, "oiv: %s is no size\n", text);
    return false;
}

static bool take(struct arguments *a, int option)
{
    switch (option) {
    case 'i':
        a->input = optarg;
        return true;
    case 'o':
        a->output = optarg;
        return true;
    case 'p':
        a->processor = optarg;
        return true;
    case OPT_MAX_SIZE:
        return parse_size(optarg, &a->o.max_size);
    case OPT_STEP:
        return parse_size(optarg, &a->o.step);
    case OPT_FORMAT:
        a->o.format = true;
        return true;
    case OPT_DELIMITER:
        a->o.delimiter = optarg;
        return true;
    case OPT_SP:
        a->o.storage_policy = true;
        return true;
    case OPT_EC:
        a->o.ec_policy = true;
        return true;
    case OPT_ADDRESS:
    case 't':
    case 'm':
        return true;
    default:
        return false;
    }
}

static int run(const struct arguments *a, size_t processor)
{
    struct image_file f;
    struct err err = {0};
    bool to_screen = strcmp(a->output, "-") == 0;
    FILE *out = to_screen ? stdout : fopen(a->output, "wbe");
    int rc = out == NULL ? fail_errno(&err, "%s", a->output) : 0;
    if (rc == 0) {
        rc = image_open(&f, a->input, &err);
        if (rc == 0)
            rc = processors[processor].run(&f, &a->o, out, &err);
        image_close(&f);
        if (rc == 0 && (fflush(out) != 0 || ferror(out) != 0))
            rc = fail_errno(&err, "%s", a->output);
        if (!to_screen && fclose(out) != 0 && rc == 0)
            rc = fail_errno(&err, "%s", a->output);
    }
    if (rc == 0)
        return 0;
    fprintf(stderr, "Encountered exception.  Exiting: %s\n", err.text);
    return EXIT_BAD;
}

int oiv_run(int argc, char **argv)
{
    struct arguments a = {.output = "-", .processor = "Web", .o.delimiter = "\t"};
    if (argc == 1 ||
        (argc == 2 && (strcasecmp(argv[1], "-h") == 0 || strcasecmp(argv[1], "--help") == 0))) {
        usage();
        return 0;
    }
    int option;
    optind = 1;
    while ((option = getopt_long_only(argc, argv, "i:o:p:t:m:h", long_options, NULL)) != -1) {
        if (!take(&a, option)) {
            usage();
            return EXIT_BAD;
        }
    }
    if (a.input == NULL) {
        puts("Error parsing command-line options: ");
        usage();
        return EXIT_BAD;
    }
    for (size_t i = 0; i < ARRAY_SIZE(processors); i++) {
        if (strcasecmp(a.processor, processors[i].name) != 0)
            continue;
        if (processors[i].run != NULL)
            return run(&a, i);
        fprintf(stderr,
                "oiv: the processor %s is not supported (XML, Delimited and "
                "FileDistribution are)\n",
                processors[i].name);
        return EXIT_BAD;
    }
    fprintf(stderr, "Invalid processor specified : %s\n", a.processor);
    usage();
    return EXIT_BAD;
}
