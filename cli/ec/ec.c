/* ec.c - `dfs ec`: erasure coding policies of the file system, of files and directories.
 * In: words behind `ec`. Out: text, and Hadoop's exit codes: 0, 1 (bad command line), 2 and 3
 * (failed), 255 (an argument that can't be). Thread: main's. */
#include <ctype.h>
#include <stdlib.h>

#include "cli/ec/internal.h"
#include "common/io/io.h"

enum { FILE_MAX = 1 << 20, POLICIES_NAMED_MAX = 256 };

/* ---- errors as Hadoop's tool shows them ---- */

/* Its client takes some out of the RemoteException that they come in. */
static const char *const few[] = {"AccessControlException", "SafeModeException", NULL};
static const char *const of_paths[] = {"AccessControlException",  "SafeModeException",
                                       "UnresolvedPathException", "FileNotFoundException",
                                       "NoECPolicySetException",  NULL};

static const char *class_of(const struct dfs_error *e)
{
    const char *dot = strrchr(e->exception, '.');
    return dot == NULL ? e->exception : dot + 1;
}

void ec_show_error(const struct dfs_error *e, const char *const *unwrapped)
{
    const char *class = class_of(e), *shown = class[0] == '\0' ? "IOException" : "RemoteException";
    for (size_t i = 0; unwrapped[i] != NULL; i++)
        if (strcmp(class, unwrapped[i]) == 0)
            shown = class;
    fprintf(stderr, "%s: %.*s\n", shown, (int)strcspn(e->text, "\n"), e->text);
}

static int failed(const struct dfs_error *e, const char *const *unwrapped, int code)
{
    ec_show_error(e, unwrapped);
    return code;
}

int ec_no_more(struct ec_call *c)
{
    if (c->args.count == 0)
        return 0;
    fprintf(stderr, "%s: Too many arguments\n", c->command->name);
    return EXIT_USAGE;
}

/* ---- the policies of the file system ---- */

static void print_policy(const struct dfs_ec_policy *p)
{
    static const char *const states[] = {"?", "DISABLED", "ENABLED", "REMOVED"};
    printf("ErasureCodingPolicy=[Name=%s, Schema=[ECSchema=[Codec=%s, numDataUnits=%u, "
           "numParityUnits=%u%s",
           p->name, p->codec, p->data_units, p->parity_units, p->option_count > 0 ? ", " : "");
    for (size_t i = 0; i < p->option_count; i++)
        printf("%s%s=%s", i == 0 ? "" : ", ", p->options[2 * i], p->options[2 * i + 1]);
    size_t state = p->state > 0 && p->state < (int)ARRAY_SIZE(states) ? (size_t)p->state : 0;
    printf("]], CellSize=%u, Id=%d], State=%s\n", p->cell_size, p->id, states[state]);
}

static int list(struct ec_call *c)
{
    struct dfs_ec_policies all;
    struct dfs_error e = {0};
    if (dfs_ec_policies(c->dfs, &all, &e) != 0)
        return failed(&e, few, EXIT_FAILED);
    puts(all.count == 0 ? "There is no erasure coding policies in the cluster."
                        : "Erasure Coding Policies:");
    for (size_t i = 0; i < all.count; i++)
        print_policy(&all.items[i]);
    dfs_ec_policies_free(&all);
    return 0;
}

static int codecs(struct ec_call *c)
{
    struct dfs_ec_codec all[DFS_EC_CODECS_MAX];
    struct dfs_error e = {0};
    size_t count;
    if (dfs_ec_codecs(c->dfs, all, &count, &e) != 0)
        return failed(&e, few, EXIT_FAILED);
    puts(count == 0 ? "No erasure coding codecs are supported on the cluster."
                    : "Erasure Coding Codecs: Codec [Coder List]");
    for (size_t i = 0; i < count; i++) {
        for (char *p = all[i].codec; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        for (char *p = all[i].coders; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        printf("\t%s [%s]\n", all[i].codec, all[i].coders);
    }
    return 0;
}

static int add_all(struct ec_call *c, const struct dfs_ec_policies *policies)
{
    struct dfs_ec_added *added = calloc(policies->count + 1, sizeof(*added));
    struct dfs_error e = {0};
    if (added == NULL) {
        fputs("no memory\n", stderr);
        return EXIT_FAILED;
    }
    int rc = dfs_ec_add_policies(c->dfs, policies->items, policies->count, added, &e);
    for (size_t i = 0; rc == 0 && i < policies->count; i++)
        if (added[i].done)
            printf("Add ErasureCodingPolicy %s succeed.\n", added[i].policy.name);
        else
            printf("Add ErasureCodingPolicy %s failed and error message is %s\n",
                   added[i].policy.name, added[i].text);
    dfs_ec_added_free(added, policies->count);
    free(added);
    return rc == 0 ? 0 : failed(&e, few, EXIT_FAILED);
}

static int read_policies(const char *file, struct dfs_ec_policies *ret)
{
    struct buf bytes = {0};
    struct err err = {0};
    const char *path = strncmp(file, "file:", 5) == 0 ? file + 5 : file;
    int rc = file_read(path, FILE_MAX, &bytes, &err), code = 0;
    if (rc != 0) {
        fprintf(stderr, "IOException: %s\n", err.text);
        code = EXIT_FAILED;
    } else if ((rc = policy_file_parse(path, buf_head(&bytes), buf_size(&bytes), ret, &err)) != 0) {
        bool argument = rc == ERR_ILLEGAL_ARGUMENT;
        fprintf(stderr, "%s: %s\n", argument ? "IllegalArgumentException" : "RuntimeException",
                err.text);
        code = argument ? EXIT_ARGUMENT : EXIT_USAGE;
    }
    buf_fini(&bytes);
    return code;
}

static int add(struct ec_call *c)
{
    const char *file = NULL;
    struct err err = {0};
    struct dfs_ec_policies policies = {0};
    if (args_pop_value(&c->args, "-policyFile", &file, &err) != 0) {
        fprintf(stderr, "IllegalArgumentException: %s\n", err.text);
        return EXIT_ARGUMENT;
    }
    if (file == NULL) {
        fprintf(stderr, "Please specify the path with -policyFile.\nUsage: [%s%s]\n",
                c->command->name, c->command->operands);
        return EXIT_USAGE;
    }
    int code = ec_no_more(c);
    if (code == 0)
        code = read_policies(file, &policies);
    if (code != 0)
        return code;
    if (policies.count > 0)
        code = add_all(c, &policies);
    else
        printf("No EC policy parsed out from %s\n", file);
    dfs_ec_policies_free(&policies);
    return code;
}

static int take_off(struct ec_call *c)
{
    struct dfs_error e = {0};
    if (dfs_ec_change(c->dfs, DFS_EC_REMOVE, c->path, &e) != 0)
        return failed(&e, few, EXIT_FAILED);
    printf("Erasure coding policy %sis removed\n", c->path); /* scripts may know it like this */
    return 0;
}

static int enable(struct ec_call *c)
{
    struct dfs_error e = {0};
    const char *names[] = {c->path};
    char *text;
    bool fits;
    if (dfs_ec_change(c->dfs, DFS_EC_ENABLE, c->path, &e) != 0)
        return failed(&e, few, EXIT_FAILED);
    printf("Erasure coding policy %s is enabled\n", c->path);
    if (dfs_ec_check_cluster(c->dfs, names, 1, &fits, &text, &e) != 0)
        return failed(&e, few, EXIT_FAILED);
    if (!fits)
        fprintf(stderr, "Warning: The cluster setup does not support EC policy %s. Reason: %s\n",
                c->path, text);
    free(text);
    return 0;
}

static int disable(struct ec_call *c)
{
    struct dfs_error e = {0};
    if (dfs_ec_change(c->dfs, DFS_EC_DISABLE, c->path, &e) != 0)
        return failed(&e, few, EXIT_FAILED);
    printf("Erasure coding policy %s is disabled\n", c->path);
    return 0;
}

static int verify(struct ec_call *c)
{
    struct dfs_error e = {0};
    char *text;
    bool fits;
    if (!args_pop(&c->args, "-policy")) {
        int code = ec_no_more(c);
        if (code != 0)
            return code;
    } else if (c->args.count == 0) {
        fputs("NotEnoughArgumentsException: Not enough arguments: expected 1 but got 0\n", stderr);
        return EXIT_ARGUMENT;
    }
    if (dfs_ec_check_cluster(c->dfs, (const char *const *)c->args.at, c->args.count, &fits, &text,
                             &e) != 0) {
        bool argument = strcmp(class_of(&e), "HadoopIllegalArgumentException") == 0;
        if (argument)
            fprintf(stderr, "%s: %s\n", class_of(&e), e.text);
        return argument ? EXIT_ARGUMENT : failed(&e, few, EXIT_USAGE);
    }
    puts(text);
    free(text);
    return fits ? 0 : EXIT_FAILED;
}

/* ---- of a path ---- */

static int get(struct ec_call *c)
{
    struct dfs_ec_policy policy;
    struct dfs_error e = {0};
    if (dfs_ec_get_policy(c->dfs, c->item.path, &policy, &e) != 0)
        return failed(&e, of_paths, EXIT_FAILED);
    if (policy.name != NULL)
        puts(policy.name);
    else
        printf("The erasure coding policy of %s is unspecified\n", c->path);
    dfs_ec_policy_free(&policy);
    return 0;
}

static bool has_children(struct ec_call *c)
{
    struct dfs_dir *dir;
    struct dfs_stat stat = {0};
    if (dfs_opendir(c->dfs, c->item.path, &dir, NULL) != 0)
        return false;
    bool any = dfs_readdir(dir, &stat, NULL) == 1;
    dfs_stat_free(&stat);
    dfs_closedir(dir);
    return any;
}

static int set(struct ec_call *c)
{
    const char *policy = NULL;
    struct err err = {0};
    struct dfs_error e = {0};
    if (args_pop_value(&c->args, "-policy", &policy, &err) != 0) {
        fprintf(stderr, "IllegalArgumentException: %s\n", err.text);
        return EXIT_ARGUMENT;
    }
    bool replicate = args_pop(&c->args, "-replicate");
    int code = ec_no_more(c);
    if (code != 0)
        return code;
    if (replicate && policy != NULL) {
        fprintf(stderr, "%s: -replicate and -policy cannot been used at the same time\n",
                c->command->name);
        return EXIT_FAILED;
    }
    if (replicate)
        policy = "replication";
    if (dfs_ec_set_policy(c->dfs, c->item.path, policy, &e) != 0)
        return failed(&e, of_paths, EXIT_SET_FAILED);
    policy = policy == NULL ? "default" : policy;
    printf("Set %s erasure coding policy on %s\n", policy, c->path);
    if (has_children(c))
        printf("Warning: setting erasure coding policy on a non-empty directory will not "
               "automatically convert existing files to %s erasure coding policy\n",
               policy);
    return 0;
}

static int unset(struct ec_call *c)
{
    struct dfs_error e = {0};
    if (dfs_ec_unset_policy(c->dfs, c->item.path, &e) != 0) {
        ec_show_error(&e, of_paths);
        if (strcmp(class_of(&e), "NoECPolicySetException") == 0)
            fputs("Use '-setPolicy -path <PATH> -replicate' to enforce default replication policy "
                  "irrespective of EC policy defined on parent.\n",
                  stderr);
        return EXIT_FAILED;
    }
    printf("Unset erasure coding policy from %s\n", c->path);
    if (has_children(c))
        puts("Warning: unsetting erasure coding policy on a non-empty directory will not "
             "automatically convert existing files to replicated data.");
    return 0;
}

/* ---- which command ---- */

static const struct ec_command commands[] = {
    {"-listPolicies", "", "List all erasure coding policies and their states.", NULL, false, list},
    {"-addPolicies", " -policyFile <file>",
     "Add the policies that an XML file defines; they are disabled at first.\n"
     "<file>  On the local disk.",
     NULL, false, add},
    {"-getPolicy", " -path <path>",
     "Show the policy of a file, or the one that new files in a folder get.",
     "Please specify the path with -path.", true, get},
    {"-removePolicy", " -policy <policy>",
     "Remove a policy that was added. Files keep it, new ones can't have it.",
     "Please specify the policy name.", false, take_off},
    {"-setPolicy", " -path <path> [-policy <policy>] [-replicate]",
     "Give the new files below a folder a policy; files that are there stay as they are.\n"
     "-policy     The policy; if none is named, the server's default one.\n"
     "-replicate  Replicate them, whatever the folders above say.",
     "Please specify the path for setting the EC policy.", true, set},
    {"-unsetPolicy", " -path <path>",
     "Take a folder's own policy off: that of the one above counts.", "Please specify a path.",
     true, unset},
    {"-listCodecs", "", "List the codecs, and the coders of each, the preferred one first.", NULL,
     false, codecs},
    {"-enablePolicy", " -policy <policy>", "Let files and folders get a policy.",
     "Please specify the policy name.", false, enable},
    {"-disablePolicy", " -policy <policy>",
     "Let no file or folder get a policy any more; those that have it keep it.",
     "Please specify the policy name.", false, disable},
    {"-verifyClusterSetup", " [-policy <policy>...<policy>]",
     "Tell whether there are DataNodes and racks enough for all enabled policies, or for those "
     "named.",
     NULL, false, verify},
    {"-convert", " [-policy <policy> | -replicate] <path> ...", ec_convert_help, NULL, false,
     ec_convert}, /* not in Hadoop */
};

static int usage(void)
{
    fputs("Usage: bin/hdfs ec [COMMAND]\n", stderr);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, "          [%s%s]\n", commands[i].name, commands[i].operands);
    fputs("          [-help <command-name>]\n\n", stderr);
    return EXIT_USAGE;
}

static const struct ec_command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void explain(const struct ec_command *c)
{
    fprintf(stderr, "[%s%s]\n\n%s\n\n", c->name, c->operands, c->help);
}

static int help(int argc, char **argv)
{
    for (size_t i = 0; argc == 1 && i < ARRAY_SIZE(commands); i++)
        explain(&commands[i]);
    if (argc == 1)
        return EXIT_USAGE;
    if (argc > 2) {
        fputs("You must give exactly one argument to -help.\n", stderr);
        return EXIT_USAGE;
    }
    auto_text name = text_printf("-%s", argv[1]);
    const struct ec_command *c = find(name);
    if (c != NULL) {
        explain(c);
        return 0;
    }
    fprintf(stderr, "Unknown command '%s'.\nValid help command names are:\n", argv[1]);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, "%s%s", i == 0 ? "" : ", ", commands[i].name + 1);
    fputs("\n", stderr);
    return EXIT_USAGE;
}

/* The file system of the path, or the default one. */
static int open_store(struct ec_call *c)
{
    struct err err = {0};
    struct store *store = NULL;
    bool on_path = c->command->on_path && c->path != NULL;
    int rc = on_path ? item_plain(c->stores, c->path, &c->item, &err)
                     : stores_default(c->stores, &store, &err);
    if (rc != 0) {
        fprintf(stderr, "IOException: %s\n", err.text);
        return EXIT_FAILED;
    }
    store = on_path ? c->item.store : store;
    c->dfs = store_dfs(store);
    if (c->dfs == NULL) {
        fprintf(stderr, "IllegalArgumentException: FileSystem %s is not an HDFS file system\n",
                store_url(store));
        return EXIT_ARGUMENT;
    }
    return 0;
}

/* The option that the command can't be without. */
static int take_wanted(struct ec_call *c)
{
    struct err err = {0};
    const char *option = c->command->on_path ? "-path" : "-policy";
    if (c->command->wants == NULL)
        return 0;
    if (args_pop_value(&c->args, option, &c->path, &err) != 0) {
        fprintf(stderr, "IllegalArgumentException: %s\n", err.text);
        return EXIT_ARGUMENT;
    }
    if (c->path == NULL) {
        fprintf(stderr, "%s\nUsage: [%s%s]\n", c->command->wants, c->command->name,
                c->command->operands);
        return EXIT_USAGE;
    }
    return 0;
}

static int run(struct ec_call *c)
{
    const struct ec_command *command = c->command;
    int code = take_wanted(c);
    bool more = command->run == set || command->run == add || command->run == verify ||
                command->run == ec_convert;
    if (code == 0 && !more)
        code = ec_no_more(c);
    if (code == 0)
        code = open_store(c);
    if (code == 0)
        code = command->run(c);
    item_fini(&c->item);
    return code;
}

int ec_run(struct stores *stores, int argc, char **argv)
{
    if (argc < 1)
        return usage();
    if (strcmp(argv[0], "-help") == 0)
        return help(argc, argv);
    const struct ec_command *command = find(argv[0]);
    if (command == NULL) {
        fprintf(stderr, "Can't understand command '%s'\n", argv[0]);
        if (argv[0][0] != '-')
            fputs("Command names must start with dashes.\n", stderr);
        return usage();
    }
    struct ec_call c = {
        .stores = stores, .command = command, .args = {.at = argv + 1, .count = (size_t)argc - 1}};
    return run(&c);
}
