/* options.c - the command line of the balancer: Hadoop's options, messages and their order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/balancer/internal.h"
#include "common/io/io.h"

enum { HOSTS_FILE_MAX = 64 << 20, IDLE_ITERATIONS = 5 };

struct words {
    int argc;
    char **argv;
    int at;
    struct err *err;
};

void balancer_usage(FILE *out)
{
    fputs("Usage: hdfs balancer"
          "\n\t[-policy <policy>]\tthe balancing policy: datanode or blockpool"
          "\n\t[-threshold <threshold>]\tPercentage of disk capacity"
          "\n\t[-exclude [-f <hosts-file> | <comma-separated list of hosts>]]"
          "\tExcludes the specified datanodes."
          "\n\t[-include [-f <hosts-file> | <comma-separated list of hosts>]]"
          "\tIncludes only the specified datanodes."
          "\n\t[-source [-f <hosts-file> | <comma-separated list of hosts>]]"
          "\tPick only the specified datanodes as source nodes."
          "\n\t[-blockpools <comma-separated list of blockpool ids>]"
          "\tThe balancer will only run on blockpools included in this list."
          "\n\t[-idleiterations <idleiterations>]"
          "\tNumber of consecutive idle iterations (-1 for Infinite) before exit."
          "\n\t[-runDuringUpgrade]"
          "\tWhether to run the balancer during an ongoing HDFS upgrade."
          "\n\t[-asService]\tRun as a long running service."
          "\n\t[-sortTopNodes]\tHighly utilized datanodes come first."
          "\n\t[-hotBlockTimeInterval <ms>]\tprefer to move cold blocks.\n\n",
          out);
}

/* "args = [-a, b]" */
static char *all_words(const struct words *w)
{
    char *text = text_dup("[");
    for (int i = 0; i < w->argc; i++) {
        char *longer = text_printf("%s%s%s", text, i > 0 ? ", " : "", w->argv[i]);
        text_free(text);
        text = longer;
    }
    char *whole = text_printf("%s]", text);
    text_free(text);
    return whole;
}

static int missing(const struct words *w, const char *what)
{
    auto_text words = all_words(w);
    return fail(w->err, ERR_CONFIG, "%sargs = %s", what, words);
}

static int value(struct words *w, const char *name, const char **ret)
{
    if (++w->at >= w->argc) {
        auto_text what = text_printf("%s value is missing: ", name);
        return missing(w, what);
    }
    *ret = w->argv[w->at];
    return 0;
}

static int number(struct words *w, const char *name, int64_t *ret)
{
    const char *text = "";
    char *end;
    TRY(value(w, name, &text));
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return fail(w->err, ERR_CONFIG, "For input string: \"%s\"", text);
    *ret = n;
    return 0;
}

static int threshold(struct words *w, struct balancer_options *o)
{
    const char *text;
    char *end;
    TRY(value(w, "Threshold", &text));
    double d = strtod(text, &end);
    if (end != text && *end == '\0' && d >= 1 && d <= 100) {
        o->threshold = d;
        return 0;
    }
    fprintf(stderr, "Expecting a number in the range of [1.0, 100.0]: %s\n", text);
    char shown[TEXT_SIZE];
    if (end == text || *end != '\0' || isnan(d))
        return fail(w->err, ERR_CONFIG, "For input string: \"%s\"", text);
    return fail(w->err, ERR_CONFIG, "Number out of range: threshold = %s", moves_double(d, shown));
}

static int policy(struct words *w, struct balancer_options *o)
{
    const char *text;
    TRY(value(w, "Policy", &text));
    o->by_pool = strcasecmp(text, "blockpool") == 0;
    if (o->by_pool || strcasecmp(text, "datanode") == 0)
        return 0;
    fprintf(stderr, "Illegal policy name: %s\n", text);
    return fail(w->err, ERR_CONFIG, "Cannot parse string \"%s\"", text);
}

static void list_add(struct host_list *list, const char *text, size_t size)
{
    list->items = text_grow(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = text_ndup(text, size);
}

static void list_split(struct host_list *list, const char *text)
{
    char **items;
    size_t count;
    if (conf_list(text, &items, &count) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        list_add(list, items[i], strlen(items[i]));
    conf_list_free(items, count);
}

/* Words of lines; # begins a comment. */
static int list_read(struct words *w, const char *kind, const char *path, struct host_list *list)
{
    struct buf b = {0};
    if (file_read(path, HOSTS_FILE_MAX, &b, NULL) != 0)
        return fail(w->err, ERR_CONFIG, "Failed to read %s node list from file: %s", kind, path);
    const char *at = (const char *)buf_head(&b), *end = at + buf_size(&b);
    while (at < end) {
        size_t word = 0;
        while (at + word < end && strchr(" \t\r\n#", at[word]) == NULL)
            word++;
        if (word > 0)
            list_add(list, at, word);
        at += word;
        if (at < end && *at == '#')
            while (at < end && *at != '\n')
                at++;
        at += at < end;
    }
    buf_fini(&b);
    return 0;
}

static int hosts(struct words *w, const char *kind, struct host_list *list)
{
    list->count = 0;
    if (++w->at >= w->argc) {
        auto_text what = text_printf("List of %s nodes | -f <filename> is missing: ", kind);
        return missing(w, what);
    }
    if (strcasecmp(w->argv[w->at], "-f") != 0) {
        list_split(list, w->argv[w->at]);
        return 0;
    }
    if (++w->at >= w->argc) {
        auto_text what = text_printf("File containing %s nodes is not specified: ", kind);
        return missing(w, what);
    }
    return list_read(w, kind, w->argv[w->at], list);
}

static int pools(struct words *w, struct balancer_options *o)
{
    const char *text;
    TRY(value(w, "blockpools", &text));
    list_split(&o->pools, text);
    return 0;
}

static int word(struct words *w, struct balancer_options *o)
{
    const char *text = w->argv[w->at];
    if (strcasecmp(text, "-threshold") == 0)
        return threshold(w, o);
    if (strcasecmp(text, "-policy") == 0)
        return policy(w, o);
    if (strcasecmp(text, "-exclude") == 0) {
        o->has_excluded = true;
        return hosts(w, "exclude", &o->excluded);
    }
    if (strcasecmp(text, "-include") == 0) {
        o->has_included = true;
        return hosts(w, "include", &o->included);
    }
    if (strcasecmp(text, "-source") == 0)
        return hosts(w, "source", &o->sources);
    if (strcasecmp(text, "-blockpools") == 0)
        return pools(w, o);
    if (strcasecmp(text, "-idleiterations") == 0)
        return number(w, "idleiterations", &o->idle_iterations);
    if (strcasecmp(text, "-hotBlockTimeInterval") == 0)
        return number(w, "hotBlockTimeInterval", &o->hot_ms);
    if (strcasecmp(text, "-runDuringUpgrade") == 0)
        o->during_upgrade = true;
    else if (strcasecmp(text, "-asService") == 0)
        o->as_service = true;
    else if (strcasecmp(text, "-sortTopNodes") == 0)
        o->sort_top = true;
    else
        return missing(w, "");
    return 0;
}

int balancer_parse(int argc, char **argv, struct balancer_options *ret, struct err *err)
{
    struct words w = {argc, argv, 0, err};
    *ret = (struct balancer_options){.threshold = 10, .idle_iterations = IDLE_ITERATIONS};
    if (argc == 1 && (strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "-help") == 0 ||
                      strcmp(argv[0], "--help") == 0)) {
        ret->help = true;
        return 0;
    }
    for (; w.at < argc; w.at++)
        TRY(word(&w, ret));
    if (ret->has_excluded && ret->has_included)
        return fail(err, ERR_CONFIG, "-exclude and -include options cannot be specified together.");
    return 0;
}

static void list_free(struct host_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        text_free(list->items[i]);
    text_free(list->items);
}

void balancer_fini(struct balancer_options *o)
{
    list_free(&o->excluded);
    list_free(&o->included);
    list_free(&o->sources);
    list_free(&o->pools);
}

static bool names(const char *item, const char *host, uint32_t port)
{
    size_t n = strlen(host);
    char digits[16];
    snprintf(digits, sizeof(digits), ":%u", port);
    return strncmp(item, host, n) == 0 && (item[n] == '\0' || strcmp(item + n, digits) == 0);
}

bool host_list_has(const struct host_list *list, const struct move_node *node)
{
    for (size_t i = 0; i < list->count; i++)
        if (names(list->items[i], node->host, node->xfer_port) ||
            names(list->items[i], node->ip, node->xfer_port))
            return true;
    return false;
}
