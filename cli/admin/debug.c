/* debug.c - `dfs debug recoverLease`: takes a file from a writer that is gone.
 * Thread: main's. */
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "cli/admin/internal.h"
#include "cli/shell/shell.h"

enum { EXIT_ERROR = 1, RETRY_MS = 5000 };

static int usage(void)
{
    puts("Usage: hdfs debug <command> [arguments]\n\n"
         "These commands are for advanced users only.\n\n"
         "recoverLease -path <path> [-retries <num-retries>]\n");
    return EXIT_ERROR;
}

/* As often as asked, 5 s apart. */
static int recover(struct dfs *dfs, const char *path, const char *shown, long retries)
{
    for (long tried = 1;; tried++) {
        struct dfs_error e = {0};
        bool closed = false;
        int rc = dfs_recover_lease(dfs, path, &closed, &e);
        if (rc == 0 && closed) {
            printf("recoverLease SUCCEEDED on %s\n", shown);
            return 0;
        }
        if (rc != 0)
            fprintf(stderr, "recoverLease got exception: %s\n", e.text);
        else
            fputs("recoverLease returned false.\n", stderr);
        if (rc == -ENOENT || tried >= retries) {
            fprintf(stderr, "Giving up on recoverLease for %s after %ld %s\n", shown, tried,
                    tried == 1 ? "try" : "tries");
            return EXIT_ERROR;
        }
        fprintf(stderr, "Retrying in %d ms...\nRetry #%ld\n", RETRY_MS, tried + 1);
        struct timespec t = {.tv_sec = RETRY_MS / 1000};
        (void)nanosleep(&t, NULL); /* a signal ends it early, which is fine */
    }
}

static bool parse_retries(const char *text, long *ret)
{
    char *end;
    if (text == NULL)
        return true;
    errno = 0;
    *ret = strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0 && *ret <= INT_MAX && *ret >= INT_MIN;
}

static int recover_lease(struct stores *stores, struct args *args)
{
    const char *path = NULL, *retries_text = NULL;
    long retries = 1;
    struct err err = {0};
    struct item item;
    if (args->count == 0) {
        puts("recoverLease -path <path> [-retries <num-retries>]\n"
             "  Take the lease of a file from its writer, and close it; one try if no number is "
             "given.\n");
        return EXIT_ERROR;
    }
    if (args_pop_value(args, "-path", &path, &err) != 0 ||
        args_pop_value(args, "-retries", &retries_text, &err) != 0) {
        fprintf(stderr, "RuntimeException: java.lang.IllegalArgumentException: %s\n", err.text);
        return EXIT_ERROR;
    }
    if (path == NULL) {
        fputs("You must supply a -path argument to recoverLease.\n", stderr);
        return EXIT_ERROR;
    }
    if (!parse_retries(retries_text, &retries)) {
        fprintf(
            stderr,
            "Failed to parse the argument to -retries: java.lang.NumberFormatException: For input "
            "string: \"%s\"\n",
            retries_text);
        return EXIT_ERROR;
    }
    if (item_plain(stores, path, &item, &err) != 0) {
        fprintf(stderr, "IOException: %s\n", err.text);
        return EXIT_ERROR;
    }
    int rc = EXIT_ERROR;
    if (store_dfs(item.store) == NULL)
        fprintf(stderr, "Invalid filesystem for path %s: needed scheme hdfs, but got: file\n",
                path);
    else
        rc = recover(store_dfs(item.store), item.path, path, retries);
    item_fini(&item);
    return rc;
}

int debug_run(struct stores *stores, int argc, char **argv)
{
    if (argc < 1 || strcmp(argv[0] + (argv[0][0] == '-'), "recoverLease") != 0)
        return usage();
    struct args args = {.at = argv + 1, .count = (size_t)argc - 1};
    return recover_lease(stores, &args);
}
