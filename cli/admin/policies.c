/* policies.c - `dfs storagepolicies`: where replicas shall lie.
 * In: words behind `storagepolicies`. Out: text, exit code 0, 1 (bad command line), 2 (failed).
 * Thread: main's. */
#include "cli/admin/internal.h"
#include "cli/shell/shell.h"

enum { EXIT_LINE = 1, EXIT_ERROR = 2 };

static const char *const type_names[DFS_STORAGE_TYPES] = {
    [DFS_DISK] = "DISK",         [DFS_SSD] = "SSD",           [DFS_ARCHIVE] = "ARCHIVE",
    [DFS_RAM_DISK] = "RAM_DISK", [DFS_PROVIDED] = "PROVIDED", [DFS_NVDIMM] = "NVDIMM"};

struct policy_call {
    struct stores *stores;
    struct args args;
    const char *path;
    struct item item; /* that path */
    struct dfs *dfs;
};

struct policy_command {
    const char *name, *operands, *help;
    const char *wants_path; /* what is told when -path is missing; NULL: takes none */
    int (*run)(struct policy_call *c);
};

/* Hadoop's client takes these out of the RemoteException that they come in. */
static bool is_unwrapped(const char *class)
{
    static const char *const unwrapped[] = {
        "AccessControlException",       "FileNotFoundException",   "SafeModeException",
        "NSQuotaExceededException",     "UnresolvedPathException", "SnapshotAccessControlException",
        "UnsupportedOperationException"};
    for (size_t i = 0; i < ARRAY_SIZE(unwrapped); i++)
        if (strcmp(class, unwrapped[i]) == 0)
            return true;
    return false;
}

/* "SomeException: text", as the tool of Hadoop shows it. */
static int failed(const struct dfs_error *e)
{
    const char *dot = strrchr(e->exception, '.');
    const char *class = dot == NULL ? e->exception : dot + 1;
    if (class[0] == '\0')
        class = "IOException";
    else if (!is_unwrapped(class))
        class = "RemoteException";
    fprintf(stderr, "%s: %.*s\n", class, (int)strcspn(e->text, "\n"), e->text);
    return EXIT_ERROR;
}

static void print_types(const char *label, const enum dfs_storage_type *types)
{
    printf(", %s=[", label);
    for (size_t i = 0; types[i] != 0; i++) {
        const char *name = types[i] < DFS_STORAGE_TYPES ? type_names[types[i]] : NULL;
        printf("%s%s", i > 0 ? ", " : "", name == NULL ? "?" : name);
    }
    putchar(']');
}

static void print_policy(const struct dfs_storage_policy *p)
{
    printf("BlockStoragePolicy{%s:%u", p->name, p->id);
    print_types("storageTypes", p->types);
    print_types("creationFallbacks", p->creation_fallbacks);
    print_types("replicationFallbacks", p->replication_fallbacks);
    puts("}");
}

static int list(struct policy_call *c)
{
    struct dfs_storage_policy policies[DFS_POLICIES_MAX];
    struct dfs_error e = {0};
    size_t count;
    if (dfs_storage_policies(c->dfs, policies, &count, &e) != 0)
        return failed(&e);
    puts("Block Storage Policies:");
    for (size_t i = 0; i < count; i++) {
        putchar('\t');
        print_policy(&policies[i]);
    }
    return 0;
}

static int get(struct policy_call *c)
{
    struct dfs_storage_policy policies[DFS_POLICIES_MAX];
    struct dfs_error e = {0};
    size_t count;
    if (!c->item.exists) {
        fprintf(stderr, "File/Directory does not exist: %s\n", c->path);
        return EXIT_ERROR;
    }
    uint32_t id = c->item.stat.storage_policy;
    if (id == 0) {
        printf("The storage policy of %s is unspecified\n", c->path);
        return 0;
    }
    if (dfs_storage_policies(c->dfs, policies, &count, &e) != 0)
        return failed(&e);
    for (size_t i = 0; i < count; i++) {
        if (policies[i].id != id)
            continue;
        printf("The storage policy of %s:\n", c->path);
        print_policy(&policies[i]);
        return 0;
    }
    fprintf(stderr, "-getStoragePolicy is not supported for filesystem hdfs on path %s\n", c->path);
    return EXIT_ERROR;
}

static int set(struct policy_call *c)
{
    const char *policy = NULL;
    struct err err = {0};
    struct dfs_error e = {0};
    if (args_pop_value(&c->args, "-policy", &policy, &err) != 0 || policy == NULL) {
        fputs("Please specify the policy name.\n"
              "Usage: [-setStoragePolicy -path <path> -policy <policy>]\n",
              stderr);
        return EXIT_LINE;
    }
    if (dfs_set_storage_policy(c->dfs, c->item.path, policy, &e) != 0)
        return failed(&e);
    printf("Set storage policy %s on %s\n", policy, c->path);
    return 0;
}

static int unset(struct policy_call *c)
{
    struct dfs_error e = {0};
    if (dfs_unset_storage_policy(c->dfs, c->item.path, &e) != 0)
        return failed(&e);
    printf("Unset storage policy from %s\n", c->path);
    return 0;
}

static int satisfy(struct policy_call *c)
{
    struct dfs_error e = {0};
    if (dfs_satisfy_storage_policy(c->dfs, c->item.path, &e) != 0)
        return failed(&e);
    printf("Scheduled blocks to move based on the current storage policy on %s\n", c->path);
    return 0;
}

static const struct policy_command commands[] = {
    {"-listPolicies", "", "List all storage policies.", NULL, list},
    {"-setStoragePolicy", " -path <path> -policy <policy>",
     "Set the storage policy of a file or directory.",
     "Please specify the path for setting the storage policy.", set},
    {"-getStoragePolicy", " -path <path>", "Show the storage policy of a file or directory.",
     "Please specify the path with -path.", get},
    {"-unsetStoragePolicy", " -path <path>",
     "Take the storage policy off a file or directory: that of the one above counts.",
     "Please specify the path from which the storage policy will be unset.", unset},
    {"-satisfyStoragePolicy", " -path <path>",
     "Move blocks to where the storage policy wants them.",
     "Please specify the path for setting the storage policy.", satisfy},
};

static int usage(void)
{
    fputs("Usage: bin/hdfs storagepolicies [COMMAND]\n", stderr);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, "          [%s%s]\n", commands[i].name, commands[i].operands);
    fputs("          [-help <command-name>]\n\n", stderr);
    return EXIT_LINE;
}

static const struct policy_command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void explain(const struct policy_command *c)
{
    fprintf(stderr, "[%s%s]\n\n%s\n\n", c->name, c->operands, c->help);
}

static int help(int argc, char **argv)
{
    for (size_t i = 0; argc == 1 && i < ARRAY_SIZE(commands); i++)
        explain(&commands[i]);
    if (argc == 1)
        return EXIT_LINE;
    auto_text name = text_printf("%s%s", argv[1][0] == '-' ? "" : "-", argv[1]);
    const struct policy_command *c = argc == 2 ? find(name) : NULL;
    if (c == NULL) {
        fprintf(stderr, "Unknown command '%s'.\n", argv[1]);
        return EXIT_LINE;
    }
    explain(c);
    return 0;
}

/* The file system of the path, or the default one. */
static int open_store(const struct policy_command *command, struct policy_call *c)
{
    struct err err = {0};
    struct store *store = NULL;
    int rc = command->wants_path == NULL ? stores_default(c->stores, &store, &err)
                                         : item_plain(c->stores, c->path, &c->item, &err);
    if (rc != 0) {
        fprintf(stderr, "IOException: %s\n", err.text);
        return EXIT_ERROR;
    }
    c->dfs = store_dfs(command->wants_path == NULL ? store : c->item.store);
    if (c->dfs == NULL) {
        fputs("UnsupportedOperationException: a local file system has no storage policies\n",
              stderr);
        return EXIT_ERROR;
    }
    return 0;
}

static int run(const struct policy_command *command, struct policy_call *c)
{
    struct err err = {0};
    if (command->wants_path != NULL &&
        (args_pop_value(&c->args, "-path", &c->path, &err) != 0 || c->path == NULL)) {
        fprintf(stderr, "%s\nUsage: [%s%s]\n", command->wants_path, command->name,
                command->operands);
        return EXIT_LINE;
    }
    int rc = open_store(command, c);
    if (rc == 0)
        rc = command->run(c);
    item_fini(&c->item);
    return rc;
}

int policies_run(struct stores *stores, int argc, char **argv)
{
    if (argc < 1)
        return usage();
    if (strcmp(argv[0], "-help") == 0)
        return help(argc, argv);
    const struct policy_command *command = find(argv[0]);
    if (command == NULL) {
        fprintf(stderr, "Can't understand command '%s'\n", argv[0]);
        if (argv[0][0] != '-')
            fputs("Command names must start with dashes.\n", stderr);
        return usage();
    }
    struct policy_call c = {.stores = stores, .args = {.at = argv + 1, .count = (size_t)argc - 1}};
    return run(command, &c);
}
