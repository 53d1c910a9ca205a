/* main.c - dfs-namenode: the NameNode as a process. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/node.h"

enum action { SERVE, FORMAT, ROLLBACK, SHOW_LAYOUT };

struct arguments {
    enum action action;
    enum namenode_start_mode mode;
    bool only_upgrade;
    struct namenode_format_options options;
};

static void usage(FILE *out)
{
    fputs(
        "usage: dfs-namenode [-upgrade | -upgradeOnly | -importCheckpoint] [--conf DIR] [-D "
        "KEY=VALUE]...\n"
        "       dfs-namenode -format [-force] [-nonInteractive] [-clusterid ID] [--conf DIR] [-D "
        "KEY=VALUE]...\n"
        "       dfs-namenode -rollback | -metadataVersion [--conf DIR] [-D KEY=VALUE]...\n"
        "\n"
        "  -upgrade         keep the present state aside, until dfs admin -finalizeUpgrade, and "
        "start\n"
        "  -upgradeOnly     the same without starting\n"
        "  -rollback        go back to the state that -upgrade kept\n"
        "  -importCheckpoint  fill empty name directories from dfs.namenode.checkpoint.dir, and "
        "start\n"
        "  -metadataVersion show the layout versions of directories and program\n"
        "  -format          make new name directories, with an empty file system\n"
        "  -force           erase what is there without asking\n"
        "  -nonInteractive  refuse instead of asking\n"
        "  -clusterid ID    the cluster's id (default: a new CID-<uuid>)\n"
        "  --conf DIR       folder of core-site.xml and hdfs-site.xml (default: $HADOOP_CONF_DIR)\n"
        "  -D KEY=VALUE     one property\n"
        "  --version, --help\n",
        out);
}

enum {
    OPT_FORMAT = 256,
    OPT_FORCE,
    OPT_NON_INTERACTIVE,
    OPT_CLUSTER,
    OPT_UPGRADE,
    OPT_UPGRADE_ONLY,
    OPT_ROLLBACK,
    OPT_IMPORT,
    OPT_LAYOUT,
    OPT_CONF,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"format", no_argument, NULL, OPT_FORMAT},
    {"force", no_argument, NULL, OPT_FORCE},
    {"nonInteractive", no_argument, NULL, OPT_NON_INTERACTIVE},
    {"clusterid", required_argument, NULL, OPT_CLUSTER},
    {"clusterId", required_argument, NULL, OPT_CLUSTER},
    {"upgrade", no_argument, NULL, OPT_UPGRADE},
    {"upgradeOnly", no_argument, NULL, OPT_UPGRADE_ONLY},
    {"rollback", no_argument, NULL, OPT_ROLLBACK},
    {"importCheckpoint", no_argument, NULL, OPT_IMPORT},
    {"metadataVersion", no_argument, NULL, OPT_LAYOUT},
    {"conf", required_argument, NULL, OPT_CONF},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* 0: go on; 1: done. Properties and folders go into conf in a second pass, after the files. */
static int parse(int argc, char **argv, struct arguments *a, const char **conf_dir)
{
    int option;
    optind = 1;
    while ((option = getopt_long_only(argc, argv, "D:", long_options, NULL)) != -1) {
        switch (option) {
        case OPT_FORMAT:
            a->action = FORMAT;
            break;
        case OPT_UPGRADE_ONLY:
            a->only_upgrade = true;
            a->mode = NAMENODE_UPGRADE;
            break;
        case OPT_UPGRADE:
            a->mode = NAMENODE_UPGRADE;
            break;
        case OPT_IMPORT:
            a->mode = NAMENODE_IMPORT;
            break;
        case OPT_ROLLBACK:
            a->action = ROLLBACK;
            break;
        case OPT_LAYOUT:
            a->action = SHOW_LAYOUT;
            break;
        case OPT_FORCE:
            a->options.force = true;
            break;
        case OPT_NON_INTERACTIVE:
            a->options.non_interactive = true;
            break;
        case OPT_CLUSTER:
            a->options.cluster_id = optarg;
            break;
        case OPT_CONF:
            *conf_dir = optarg;
            break;
        case OPT_VERSION:
            puts("dfs-namenode (Hadron) " HADRON_VERSION);
            exit(EXIT_SUCCESS);
        case OPT_HELP:
            usage(stdout);
            exit(EXIT_SUCCESS);
        case 'D':
            break;
        default:
            return 1;
        }
    }
    if (optind == argc)
        return 0;
    fprintf(stderr, "dfs-namenode: unexpected argument %s\n", argv[optind]);
    return 1;
}

static int add_properties(int argc, char **argv, struct conf *conf, struct err *err)
{
    int option;
    optind = 1;
    while ((option = getopt_long_only(argc, argv, "D:", long_options, NULL)) != -1) {
        if (option == 'D')
            TRY(conf_set_pair(conf, optarg, err));
    }
    return 0;
}

static void name_ignored(const struct conf *conf)
{
    conf_log_unknown(conf);
    if (conf_is_set(conf, CONF_nn_servicerpc_address)) /* DataNodes of a Hadoop NameNode use it */
        log_warn("a configuration key is not honoured by the namenode key=%s",
                 conf_name(CONF_nn_servicerpc_address));
}

static int format(const struct conf *conf, const struct namenode_format_options *options)
{
    struct err err = {0};
    int rc = namenode_format(conf, options, &err);
    if (rc != 0)
        fprintf(stderr, "dfs-namenode: %s\n", err.text);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Asks as Hadoop does; false: no, or nobody there to ask. */
static bool user_agrees(void)
{
    char line[16];
    fputs("\"rollBack\" will remove the current state of the file system,\n"
          "returning you to the state prior to initiating your recent\n"
          "upgrade. This action is permanent and cannot be undone.\n",
          stderr);
    for (;;) {
        fputs("Roll back file system state? (Y or N) ", stderr);
        if (fgets(line, sizeof(line), stdin) == NULL)
            return false;
        char answer = (char)(line[0] & ~0x20);
        if (answer == 'Y' || answer == 'N')
            return answer == 'Y';
        fprintf(stderr, "Invalid input: %s", line);
    }
}

static int rollback(const struct conf *conf)
{
    struct err err = {0};
    if (!user_agrees()) {
        fputs("Rollback aborted.\n", stderr);
        return EXIT_FAILURE;
    }
    if (namenode_rollback(conf, &err) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "dfs-namenode: %s\n", err.text);
    return EXIT_FAILURE;
}

static int show_layout(const struct conf *conf)
{
    struct err err = {0};
    int dirs, program;
    if (namenode_layout(conf, &dirs, &program, &err) != 0) {
        fprintf(stderr, "dfs-namenode: %s\n", err.text);
        return EXIT_FAILURE;
    }
    printf("HDFS Image Version: %d\nSoftware format version: %d\n", dirs, program);
    return EXIT_SUCCESS;
}

static int serve(const struct conf *conf, const struct arguments *a, const sigset_t *stops)
{
    struct namenode *n;
    struct err err = {0};
    name_ignored(conf);
    if (namenode_start_as(conf, a->mode, &n, &err) != 0) {
        log_error("namenode can't start why=%s", log_quote(err.text));
        fprintf(stderr, "dfs-namenode: %s\n", err.text);
        return EXIT_FAILURE;
    }
    if (!a->only_upgrade) {
        int number = 0;
        sigwait(stops, &number);
        log_info("namenode stops signal=%s", strsignal(number));
    }
    namenode_stop(n);
    log_info("namenode has stopped");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct arguments a = {.action = SERVE};
    const char *conf_dir = NULL;
    struct err err = {0};
    sigset_t stops;
    log_init("namenode");
    /* before any thread: they all inherit that only sigwait takes these */
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    if (parse(argc, argv, &a, &conf_dir) != 0) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    struct conf *conf = conf_new();
    int rc =
        conf != NULL ? conf_add_dir(conf, conf_dir, &err) : fail(&err, ERR_NO_MEMORY, "no memory");
    if (rc == 0)
        rc = add_properties(argc, argv, conf, &err);
    if (rc == 0)
        rc = conf_finish(conf, &err);
    int status = EXIT_FAILURE;
    if (rc != 0) {
        fprintf(stderr, "dfs-namenode: %s\n", err.text);
    } else if (a.action == FORMAT) {
        status = format(conf, &a.options);
    } else if (a.action == ROLLBACK) {
        status = rollback(conf);
    } else if (a.action == SHOW_LAYOUT) {
        status = show_layout(conf);
    } else {
        sigprocmask(SIG_BLOCK, &stops, NULL);
        status = serve(conf, &a, &stops);
    }
    conf_free(conf);
    return status;
}
