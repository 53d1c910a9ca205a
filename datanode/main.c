/* main.c - dfs-datanode: configuration from files and command line, one DataNode, until SIGTERM or
 * SIGINT. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/obs/obs.h"
#include "datanode/node.h"

static const char usage[] =
    "Usage: dfs-datanode [--conf DIR] [-D key=value]... [-regular | -rollback]\n"
    "Stores blocks of a Hadoop file system and serves them.\n"
    "\n"
    "  --conf DIR     read core-site.xml and hdfs-site.xml of DIR\n"
    "                 (default: $HADOOP_CONF_DIR, then /etc/hadoop/conf)\n"
    "  -D key=value   set one property, after the files\n"
    "  -rollback      go back to the state before an upgrade, as the NameNode did\n"
    "  --version      print the version and exit\n"
    "  --help         print this and exit\n"
    "\n"
    "Keys that matter first: fs.defaultFS or dfs.namenode.rpc-address, dfs.datanode.data.dir,\n"
    "dfs.datanode.address, dfs.datanode.ipc.address. The manual page has the rest.\n";

struct arguments {
    const char *conf_dir;
    const char **pairs;
    size_t pair_count;
    struct datanode_options options;
};

/* 0: go on, 1: done, 2: wrong usage. */
static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(usage, stdout);
            return 1;
        }
        if (strcmp(arg, "--version") == 0) {
            printf("dfs-datanode (Hadron) %s\n", HADRON_VERSION);
            return 1;
        }
        bool has_next = i + 1 < argc;
        if (strcmp(arg, "--conf") == 0 && has_next) {
            a->conf_dir = argv[++i];
        } else if (strcmp(arg, "-D") == 0 && has_next) {
            a->pairs[a->pair_count++] = argv[++i];
        } else if (strcasecmp(arg, "-rollback") == 0 || strcasecmp(arg, "-regular") == 0) {
            a->options.rollback = strcasecmp(arg, "-rollback") == 0;
        } else if (strncmp(arg, "-D", 2) == 0 && arg[2] != '\0') {
            a->pairs[a->pair_count++] = arg + 2;
        } else {
            fprintf(stderr, "dfs-datanode: %s is not understood\n%s", arg, usage);
            return 2;
        }
    }
    return 0;
}

static int load(const struct arguments *a, struct conf *conf, struct err *err)
{
    TRY(conf_add_dir(conf, a->conf_dir, err));
    for (size_t i = 0; i < a->pair_count; i++)
        TRY(conf_set_pair(conf, a->pairs[i], err));
    return conf_finish(conf, err);
}

struct ending {
    pthread_t main_thread;
    bool failed;
};

/* Wakes sigwait. */
static void on_end(void *ctx, bool failed, const char *why)
{
    struct ending *e = ctx;
    e->failed = failed;
    if (failed)
        log_error("stopping cause=%s", log_quote(why));
    else
        log_info("stopping cause=%s", log_quote(why));
    pthread_kill(e->main_thread, SIGTERM);
}

static int serve(const struct conf *conf, const struct datanode_options *options,
                 const sigset_t *signals)
{
    struct err err = {0};
    struct datanode *dn;
    struct ending ending = {.main_thread = pthread_self()};
    if (datanode_start_with(conf, options, &dn, &err) != 0) {
        log_error("the datanode doesn't start cause=%s", log_quote(err.text));
        return 1;
    }
    datanode_on_end(dn, on_end, &ending);
    int signal_number;
    sigwait(signals, &signal_number);
    datanode_stop(dn);
    log_info("stopped signal=%d", signal_number);
    return ending.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct arguments a = {.pairs = calloc((size_t)argc + 1, sizeof(char *))};
    struct conf *conf = conf_new();
    struct err err = {0};
    sigset_t signals;
    if (a.pairs == NULL || conf == NULL)
        return 1;
    int rc = parse(argc, argv, &a);
    if (rc == 0) {
        log_init("datanode");
        /* before any thread starts, so that all of them inherit it */
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        if (load(&a, conf, &err) != 0) {
            log_error("the configuration can't be used cause=%s", log_quote(err.text));
            rc = 1;
        } else {
            conf_log_unknown(conf);
            rc = serve(conf, &a.options, &signals);
        }
    } else {
        rc = rc == 2 ? 2 : 0;
    }
    conf_free(conf);
    free(a.pairs);
    return rc;
}
