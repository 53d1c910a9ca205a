/* fsck.c - the command line of fsck, where to ask, and what the answer means. Thread: main's. */
#include <stdlib.h>

#include "cli/fsck/internal.h"
#include "common/base/base.h"

enum { EXIT_ERROR = 1, EXIT_BAD = 255, DEFAULT_PORT = 9870 };

static const char usage_text[] =
    "Usage: hdfs fsck <path> [-list-corruptfileblocks | [-move | -delete | -openforwrite] [-files "
    "[-blocks [-locations | -racks | -replicaDetails | -upgradedomains]]]] [-includeSnapshots] "
    "[-showprogress] [-storagepolicies] [-maintenance] [-blockId <blk_Id>] [-replicate]\n"
    "\t<path>\twhere to start\n"
    "\t-move\tcopy what is left of corrupt files to /lost+found\n"
    "\t-delete\tdelete corrupt files\n"
    "\t-files\tshow each file\n"
    "\t-openforwrite\tlook at files that are being written, too\n"
    "\t-includeSnapshots\tin snapshots as well\n"
    "\t-list-corruptfileblocks\tonly list the missing blocks and their files\n"
    "\t-files -blocks\tshow each block\n"
    "\t-files -blocks -locations\tand where its replicas are\n"
    "\t-files -blocks -racks\tand on which racks\n"
    "\t-files -blocks -replicaDetails\tand in which state\n"
    "\t-files -blocks -upgradedomains\tand in which upgrade domains\n"
    "\t-storagepolicies\tcount blocks by storage policy\n"
    "\t-maintenance\tshow nodes in maintenance\n"
    "\t-showprogress\tnothing any more\n"
    "\t-blockId\twhich file these blocks belong to, and how their replicas are\n"
    "\t-replicate\tput blocks on more racks where the placement rule wants it\n";

int fsck_usage(void)
{
    fputs(usage_text, stderr);
    return EXIT_BAD;
}

bool fsck_wants_usage(int argc, char **argv)
{
    return argc == 0 || strcmp(argv[0], "-files") == 0;
}

/* ---- what the answer means ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int code_of(const char *last)
{
    static const struct {
        const char *end;
        int code;
    } ends[] = {{"is HEALTHY", 0},        {"is CORRUPT", 1},
                {"does not exist", 0},    {"is EXCESS", 0},
                {"is DECOMMISSIONED", 2}, {"is DECOMMISSIONING", 3},
                {"is IN MAINTENANCE", 4}, {"is ENTERING MAINTENANCE", 5},
                {"is STALE", 6}};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (ends_with(last, ends[i].end))
            return ends[i].code;
    return strstr(last, "Incorrect blockId format:") != NULL ? 0 : EXIT_BAD;
}

static bool print_line(void *ctx, const char *text)
{
    int *code = ctx;
    puts(text);
    *code = code_of(text);
    return true;
}

static int complain(const struct err *err)
{
    fprintf(stderr, "fsck: %s\n", err->text);
    return EXIT_ERROR;
}

static int check(const struct conf *conf, const char *url)
{
    struct err err = {0};
    int code = EXIT_ERROR; /* of nothing */
    return get_lines(conf, url, print_line, &code, &err) != 0 ? complain(&err) : code;
}

/* ---- the list of corrupt files ---- */

struct listing {
    const char *dir;
    unsigned long cookie, count;
    bool done, denied;
};

static bool list_line(void *ctx, const char *text)
{
    struct listing *l = ctx;
    if (strncmp(text, "Cookie:\t", 8) == 0) {
        char *end;
        l->cookie = strtoul(text + 8, &end, 10);
        l->done = *end != '\0' || end == text + 8;
    } else if (ends_with(text, "has no CORRUPT files") ||
               ends_with(text, "has no more CORRUPT files") || ends_with(text, "does not exist")) {
        l->done = true;
    } else if (strncmp(text, "Access denied for user", 22) == 0) {
        printf("Failed to open path '%s': Permission denied\n", l->dir);
        l->denied = l->done = true;
    } else if (text[0] != '\0' && strncmp(text, "FSCK started by", 15) != 0 &&
               strncmp(text, "FSCK ended at", 13) != 0 &&
               strncmp(text, "The filesystem under path", 25) != 0) {
        if (l->count++ == 0)
            printf("The list of corrupt blocks under path '%s' are:\n", l->dir);
        puts(text);
    }
    return !l->done;
}

static int list_corrupt(const struct conf *conf, const char *dir, const char *url)
{
    struct listing l = {.dir = dir};
    struct err err = {0};
    while (!l.done) {
        unsigned long before = l.cookie;
        auto_text page =
            l.cookie > 0 ? text_printf("%s&startblockafter=%lu", url, l.cookie) : text_dup(url);
        if (get_lines(conf, page, list_line, &l, &err) != 0)
            return complain(&err);
        l.done |= l.cookie == before; /* a server that doesn't move on */
    }
    if (l.denied)
        return EXIT_BAD;
    printf("The filesystem under path '%s' has %lu CORRUPT blocks\n", dir, l.count);
    return l.count == 0 ? 0 : EXIT_BAD;
}

/* ---- where to ask ---- */

/* host:port of the NameNode's web server; a wildcard stands for the NameNode's own host. */
static char *web_address(const struct conf *conf, const char *store_url)
{
    const char *address = conf_str(conf, CONF_nn_http_address), *at = strstr(store_url, "://");
    const char *colon = strrchr(address, ':');
    size_t host = colon == NULL ? strlen(address) : (size_t)(colon - address);
    const char *port = colon == NULL ? "" : colon + 1;
    if (host != 0 && !(host == 7 && strncmp(address, "0.0.0.0", host) == 0))
        return colon != NULL ? text_dup(address) : text_printf("%s:%d", address, DEFAULT_PORT);
    at = at == NULL ? store_url : at + 3;
    return text_printf("%.*s:%s", (int)strcspn(at, ":/"), at, port[0] != '\0' ? port : "9870");
}

static int ask(struct stores *stores, const char *dir, const char *options, bool corrupt_only)
{
    const struct conf *conf = stores_conf(stores);
    struct item item;
    struct err err = {0};
    int rc = item_plain(stores, dir, &item, &err);
    if (rc == 0 && store_dfs(item.store) == NULL) {
        fprintf(stderr, "FileSystem is file:///\nDFSck exiting.\n");
    } else if (rc != 0 || !item.exists) {
        auto_text full = rc == 0 ? item_qualified(&item) : NULL;
        fputs("FileSystem is inaccessible due to:\n", stderr);
        if (rc == 0)
            fprintf(stderr, "java.io.FileNotFoundException: File does not exist: %s\n", full);
        else
            fprintf(stderr, "%s: %s\n", err_class(&err), err.text);
        fputs("DFSck exiting.\n", stderr);
    } else {
        auto_text address = web_address(conf, store_url(item.store));
        auto_text path = get_escaped(item.path);
        auto_text user = get_escaped(dfs_user(store_dfs(item.store)));
        auto_text url =
            text_printf("http://%s/fsck?ugi=%s%s&path=%s", address, user, options, path);
        fprintf(stderr, "Connecting to namenode via %s\n", url);
        rc = corrupt_only ? list_corrupt(conf, dir, url) : check(conf, url);
        item_fini(&item);
        return rc;
    }
    if (rc == 0)
        item_fini(&item);
    return 0; /* as Hadoop's */
}

/* ---- the command line ---- */

static const char *parameter_of(const char *word)
{
    static const char *const same[] = {
        "move",  "delete",          "files",        "openforwrite",     "blocks",      "locations",
        "racks", "storagepolicies", "showprogress", "includeSnapshots", "maintenance", "replicate"};
    if (strcmp(word, "-replicaDetails") == 0)
        return "replicadetails";
    if (strcmp(word, "-upgradedomains") == 0)
        return "upgradedomains";
    if (strcmp(word, "-list-corruptfileblocks") == 0)
        return "listcorruptfileblocks";
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        if (strcmp(word + 1, same[i]) == 0)
            return same[i];
    return NULL;
}

static void add(char **options, const char *name, const char *value)
{
    char *longer = text_printf("%s&%s=%s", *options, name, value);
    text_free(*options);
    *options = longer;
}

/* The words up to the next option; returns how many. The word that follows them is lost, as in
 * Hadoop's. */
static int take_ids(char **options, int argc, char **argv)
{
    int n = 0;
    char *ids = text_dup("");
    for (; n < argc && argv[n][0] != '-'; n++) {
        char *longer = text_printf("%s%s ", ids, argv[n]);
        text_free(ids);
        ids = longer;
    }
    auto_text escaped = get_escaped(ids);
    text_free(ids);
    add(options, "blockId", escaped);
    return n + 1;
}

static int bad_word(const char *format, const char *word)
{
    fprintf(stderr, "fsck: %s '%s'\n", format, word);
    return fsck_usage();
}

int fsck_run(struct stores *stores, int argc, char **argv)
{
    const char *dir = NULL;
    bool corrupt_only = false;
    auto_text options = text_dup("");
    if (argc == 1 && (strcmp(argv[0], "-help") == 0 || strcmp(argv[0], "-h") == 0 ||
                      strcmp(argv[0], "--help") == 0)) {
        fputs(usage_text, stdout);
        return 0;
    }
    for (int i = 0; i < argc; i++) {
        const char *name = argv[i][0] == '-' ? parameter_of(argv[i]) : NULL;
        if (strcmp(argv[i], "-blockId") == 0) {
            i += take_ids(&options, argc - i - 1, argv + i + 1);
        } else if (name != NULL) {
            corrupt_only |= strcmp(name, "listcorruptfileblocks") == 0;
            add(&options, name, "1");
        } else if (argv[i][0] == '-') {
            return bad_word("Illegal option", argv[i]);
        } else if (dir != NULL) {
            return bad_word("can only operate on one path at a time", argv[i]);
        } else {
            dir = argv[i];
        }
    }
    return ask(stores, dir != NULL ? dir : "/", options, corrupt_only);
}
