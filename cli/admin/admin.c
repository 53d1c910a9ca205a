/* admin.c - the administrator's commands: safe mode, saving the image, and which there are.
 * A command that Hadoop has and this program hasn't is told apart from one that nobody knows.
 * Thread: main's. */
#include <time.h>

#include "cli/admin/internal.h"

enum { EXIT_BAD = 255, WAIT_MS = 5000, WAIT_FIRST_MS = 100 };

static const char *const not_yet[] = {
    "rollEdits",
    "restoreFailedStorage",
    "refreshNodes",
    "setQuota",
    "clrQuota",
    "setSpaceQuota",
    "clrSpaceQuota",
    "finalizeUpgrade",
    "rollingUpgrade",
    "upgrade",
    "refreshServiceAcl",
    "refreshUserToGroupsMappings",
    "refreshSuperUserGroupsConfiguration",
    "refreshCallQueue",
    "refresh",
    "reconfig",
    "printTopology",
    "refreshNamenodes",
    "getVolumeReport",
    "deleteBlockPool",
    "setBalancerBandwidth",
    "getBalancerBandwidth",
    "fetchImage",
    "allowSnapshot",
    "disallowSnapshot",
    "provisionSnapshotTrash",
    "shutdownDatanode",
    "evictWriters",
    "getDatanodeInfo",
    "metasave",
    "triggerBlockReport",
    "listOpenFiles",
};

struct admin_command {
    const char *name, *usage, *help;
    int (*run)(struct dfs *fs, int argc, char **argv, struct dfs_error *error);
    int min, max; /* words behind the name */
};

static void usage_of(const struct admin_command *c)
{
    fprintf(stderr, "Usage: hdfs dfsadmin %s\n", c->usage);
}

static void usage(FILE *out)
{
    fputs("Usage: hdfs dfsadmin\n"
          "Note: Administrative commands can only be run as the HDFS superuser.\n"
          "\t[-report [-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] "
          "[-slownodes]]\n"
          "\t[-safemode <enter | leave | get | wait>]\n"
          "\t[-saveNamespace]\n"
          "\t[-help [cmd]]\n",
          out);
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL); /* a signal ends it early, which is fine */
}

static int wait_until_off(struct dfs *fs, bool *on, struct dfs_error *error)
{
    int64_t delay = WAIT_FIRST_MS;
    while (*on) {
        sleep_ms(delay);
        delay = delay * 2 > WAIT_MS ? WAIT_MS : delay * 2;
        TRY(dfs_safemode(fs, DFS_SAFEMODE_GET, on, error));
    }
    return 0;
}

static int safemode(struct dfs *fs, int argc, char **argv, struct dfs_error *error)
{
    static const struct {
        const char *word;
        enum dfs_safemode_action action;
    } words[] = {{"enter", DFS_SAFEMODE_ENTER},
                 {"leave", DFS_SAFEMODE_LEAVE},
                 {"get", DFS_SAFEMODE_GET},
                 {"wait", DFS_SAFEMODE_GET}};
    (void)argc;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasecmp(argv[1], words[i].word) != 0)
            continue;
        bool on = false;
        TRY(dfs_safemode(fs, words[i].action, &on, error));
        if (strcmp(words[i].word, "wait") == 0)
            TRY(wait_until_off(fs, &on, error));
        printf("Safe mode is %s\n", on ? "ON" : "OFF");
        return 0;
    }
    if (strcasecmp(argv[1], "forceExit") == 0) {
        (void)snprintf(error->text, sizeof(error->text), "forceExit is not supported yet");
        return -ENOTSUP;
    }
    fputs("Usage: hdfs dfsadmin [-safemode enter | leave | get | wait | forceExit]\n", stderr);
    return 0; /* so does Hadoop */
}

static int save_namespace(struct dfs *fs, int argc, char **argv, struct dfs_error *error)
{
    if (argc > 1) {
        (void)snprintf(error->text, sizeof(error->text), "%s is not supported yet", argv[1]);
        return -ENOTSUP;
    }
    TRY(dfs_save_namespace(fs, error));
    puts("Save namespace successful");
    return 0;
}

static const struct admin_command commands[] = {
    {"report",
     "[-report] [-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] "
     "[-slownodes]",
     "Space, blocks that need care, and the DataNodes, or those in the named states.", admin_report,
     0, 6},
    {"safemode", "[-safemode enter | leave | get | wait | forceExit]",
     "Turn safe mode on or off, ask for it, or wait until it is off.", safemode, 1, 1},
    {"saveNamespace", "[-saveNamespace [-beforeShutdown]]",
     "Save the namespace as an image; needs safe mode.", save_namespace, 0, 1},
};

static const struct admin_command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] + (argv[1][0] == '-') : "";
    const struct admin_command *only = find(name);
    if (only == NULL)
        usage(stdout);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (only == NULL || only == &commands[i])
            printf("%s:\n\t%s\n", commands[i].usage, commands[i].help);
    return 0;
}

static int unknown(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(not_yet); i++) {
        if (strcasecmp(not_yet[i], name) == 0) {
            fprintf(stderr, "%s: not supported yet\n", name);
            return EXIT_BAD;
        }
    }
    fprintf(stderr, "%s: Unknown command\n", name);
    usage(stderr);
    return EXIT_BAD;
}

static int run_on_server(struct stores *stores, const struct admin_command *c, int argc,
                         char **argv)
{
    struct store *store;
    struct err err = {0};
    if (stores_default(stores, &store, &err) != 0) {
        fprintf(stderr, "%s: %s\n", c->name, err.text);
        return EXIT_BAD;
    }
    if (store_dfs(store) == NULL) {
        fprintf(stderr, "%s: FileSystem %s is not an HDFS file system\n", c->name,
                store_url(store));
        return EXIT_BAD;
    }
    struct dfs_error error = {0};
    if (c->run(store_dfs(store), argc, argv, &error) == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", c->name, error.text);
    return EXIT_BAD;
}

int admin_run(struct stores *stores, int argc, char **argv)
{
    if (argc < 1) {
        usage(stderr);
        return EXIT_BAD;
    }
    const char *name = argv[0] + (argv[0][0] == '-');
    if (strcmp(name, "help") == 0)
        return help(argc, argv);
    const struct admin_command *c = find(name);
    if (c == NULL)
        return unknown(name);
    if (argc - 1 < c->min || argc - 1 > c->max) {
        usage_of(c);
        return EXIT_BAD;
    }
    return run_on_server(stores, c, argc, argv);
}
