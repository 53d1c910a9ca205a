/* cli.c - which family a command line belongs to, and its surroundings: signals, logging, file
 * systems. Thread: main's. */
#include <signal.h>
#include <stdlib.h>

#include "cli/admin/admin.h"
#include "cli/balancer/balancer.h"
#include "cli/cli.h"
#include "cli/ec/ec.h"
#include "cli/fs/fs.h"
#include "cli/fsck/fsck.h"
#include "cli/mini/mini.h"
#include "cli/mover/mover.h"
#include "cli/tools/tools.h"
#include "common/base/base.h"
#include "common/obs/obs.h"

enum { EXIT_BAD = 255 };

static void on_signal(int number)
{
    shell_interrupt();
    (void)signal(number, SIG_DFL); /* the second one ends the program at once */
}

/* A closed pipe is an error of write; the first ^C lets a copy tidy up. */
static void set_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static int run_files(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return shell_run(sh, argc, argv);
}

static int run_admin(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return admin_run(sh->stores, argc - 1, argv + 1);
}

static int run_policies(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return policies_run(sh->stores, argc - 1, argv + 1);
}

static int run_getconf(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)sh;
    return getconf_run(g->conf, argc - 1, argv + 1);
}

static int run_debug(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return debug_run(sh->stores, argc - 1, argv + 1);
}

static int run_groups(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return groups_run(sh->stores, argc - 1, argv + 1);
}

static int run_balancer(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return balancer_run(sh->stores, argc - 1, argv + 1);
}

static int run_mover(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return mover_run(sh->stores, argc - 1, argv + 1);
}

static int run_ec(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return ec_run(sh->stores, argc - 1, argv + 1);
}

static int run_fsck(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    return argc < 2 ? fsck_usage() : fsck_run(sh->stores, argc - 1, argv + 1);
}

static int run_version(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)sh;
    (void)g;
    (void)argc;
    (void)argv;
    puts("Hadron " HADRON_VERSION);
    return 0;
}

static int run_man(struct shell *sh, struct generic *g, int argc, char **argv)
{
    (void)g;
    (void)argc;
    (void)argv;
    help_man(sh, stdout);
    return 0;
}

static const struct family {
    const char *word;
    int (*run)(struct shell *sh, struct generic *g, int argc, char **argv);
} families[] = {
    {"admin", run_admin},
    {"dfsadmin", run_admin},
    {"getconf", run_getconf},
    {"storagepolicies", run_policies},
    {"balancer", run_balancer},
    {"mover", run_mover},
    {"debug", run_debug},
    {"groups", run_groups},
    {"ec", run_ec},
    {"fsck", run_fsck},
    {"version", run_version},
    {"-version", run_version},
    {"--version", run_version},
    {"--man", run_man},
};

static int run(struct generic *g, int argc, char **argv)
{
    int (*with)(struct shell *, struct generic *, int, char **) = run_files;
    int skip = generic_parse(g, argc, argv);
    if (skip < 0)
        return EXIT_BAD;
    argc -= skip;
    argv += skip;
    for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(families); i++)
        if (strcmp(argv[0], families[i].word) == 0)
            with = families[i].run;
    if (with == run_fsck && fsck_wants_usage(argc - 1, argv + 1))
        return fsck_usage();
    if (with != run_files) { /* generic options may follow the word, too */
        skip = generic_parse(g, argc - 1, argv + 1);
        if (skip < 0)
            return EXIT_BAD;
        argv[skip] = argv[0];
        argc -= skip;
        argv += skip;
    }
    if (!generic_load(g))
        return EXIT_BAD;
    struct shell sh;
    struct stores *stores = stores_new(g->conf, (const char *const *)g->settings);
    shell_init(&sh, stores, fs_commands, fs_command_count);
    int code = with(&sh, g, argc, argv);
    shell_fini(&sh);
    stores_free(stores);
    return fflush(stdout) == 0 ? code : 1;
}

int cli_main(int argc, char **argv)
{
    log_init("dfs");
    if (getenv("HADRON_LOG") == NULL)
        log_set_level(LOG_ERROR); /* what matters comes as the command's own error */
    if (argc > 1 && strcmp(argv[1], "mini") == 0)
        return mini_run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "oiv") == 0)
        return oiv_run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "oev") == 0)
        return oev_run(argc - 1, argv + 1);
    set_signals();
    struct generic g = {0};
    g.settings = text_alloc(sizeof(*g.settings));
    int code = run(&g, argc - 1, argv + 1);
    generic_fini(&g);
    return code;
}
