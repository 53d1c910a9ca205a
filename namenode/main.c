/* main.c - dfs-namenode: the NameNode as a process. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/obs/obs.h"
#include "namenode/node.h"

struct arguments {
    bool format;
    struct namenode_format_options options;
};

static void usage(FILE *out)
{
    fputs(
        "usage: dfs-namenode [--conf DIR] [-D KEY=VALUE]...\n"
        "       dfs-namenode -format [-force] [-nonInteractive] [-clusterid ID] [--conf DIR] [-D "
        "KEY=VALUE]...\n"
        "\n"
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
            a->format = true;
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

static int serve(const struct conf *conf, const sigset_t *stops)
{
    struct namenode *n;
    struct err err = {0};
    name_ignored(conf);
    if (namenode_start(conf, &n, &err) != 0) {
        log_error("namenode can't start why=%s", log_quote(err.text));
        fprintf(stderr, "dfs-namenode: %s\n", err.text);
        return EXIT_FAILURE;
    }
    int number = 0;
    sigwait(stops, &number);
    log_info("namenode stops signal=%s", strsignal(number));
    namenode_stop(n);
    log_info("namenode has stopped");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct arguments a = {.format = false};
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
    } else if (a.format) {
        status = format(conf, &a.options);
    } else {
        sigprocmask(SIG_BLOCK, &stops, NULL);
        status = serve(conf, &stops);
    }
    conf_free(conf);
    return status;
}
