/* admin.c - which commands an administrator has, their usage, and how one runs.
 * A command that Hadoop has and this program hasn't is told apart from one that nobody knows.
 * Thread: main's. */
#include <stdarg.h>

#include "cli/admin/internal.h"

enum { EXIT_BAD = 255 };

static const char *const not_yet[] = {"rollingUpgrade", "fetchImage", "provisionSnapshotTrash"};

static void usage_of(const struct admin_command *c)
{
    fprintf(stderr, "Usage: hdfs dfsadmin %s\n", c->usage != NULL ? c->usage : c->summary);
}

static const struct admin_command commands[] = {
    {"report", admin_report, 0, 6,
     "[-report [-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] "
     "[-slownodes]]",
     "[-report] [-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] "
     "[-slownodes]",
     "Space, blocks that need care, and the DataNodes, or those in the named states."},
    {"safemode", admin_safemode, 1, 1, "[-safemode <enter | leave | get | wait | forceExit>]",
     "[-safemode enter | leave | get | wait | forceExit]",
     "Turn safe mode on or off, ask for it, or wait until it is off."},
    {"saveNamespace", admin_save_namespace, 0, 1, "[-saveNamespace [-beforeShutdown]]", NULL,
     "Save the namespace as an image; needs safe mode. -beforeShutdown: only if the last image is "
     "old."},
    {"rollEdits", admin_roll_edits, 0, 0, "[-rollEdits]", NULL,
     "Begin a new segment of the journal."},
    {"restoreFailedStorage", admin_restore, 1, 1, "[-restoreFailedStorage true|false|check]",
     "[-restoreFailedStorage true|false|check ]",
     "Shall name directories that failed be taken back into use? check: say what is set."},
    {"refreshNodes", admin_refresh_nodes, 0, 0, "[-refreshNodes]", NULL,
     "Read the lists of DataNodes that may join again."},
    {"refreshServiceAcl", admin_refresh_acl, 0, 0, "[-refreshServiceAcl]", NULL,
     "Read the rules again who may call the NameNode at all."},
    {"refreshUserToGroupsMappings", admin_refresh_groups, 0, 0, "[-refreshUserToGroupsMappings]",
     NULL, "Forget which groups users have, and ask again."},
    {"refreshSuperUserGroupsConfiguration", admin_refresh_proxies, 0, 0,
     "[-refreshSuperUserGroupsConfiguration]", NULL, "Read the rules again who may act for whom."},
    {"refreshCallQueue", admin_refresh_call_queue, 0, 0, "[-refreshCallQueue]", NULL,
     "Read again how the NameNode's calls wait for their turn."},
    {"refresh", admin_refresh, 2, ADMIN_ANY, "[-refresh <host:ipc_port> <key> [arg1..argn]]",
     "[-refresh <hostname:ipc_port> <resource_identifier> [arg1..argn]",
     "Have a server read something again that registered under the key."},
    {"reconfig", admin_reconfig, 3, 3,
     "[-reconfig <namenode|datanode> <host:ipc_port|livenodes> <start|status|properties>]", NULL,
     "Have a server read its configuration again, look how that went, or list the properties that "
     "can change while it runs. livenodes: all live DataNodes."},
    {"setQuota", admin_set_quota, 0, ADMIN_ANY, "[-setQuota <quota> <dirname>...<dirname>]", NULL,
     "Limit the number of names in and below directories."},
    {"clrQuota", admin_clear_quota, 0, ADMIN_ANY, "[-clrQuota <dirname>...<dirname>]", NULL,
     "Take that limit away."},
    {"setSpaceQuota", admin_set_space, 0, ADMIN_ANY,
     "[-setSpaceQuota <quota> [-storageType <storagetype>] <dirname>...<dirname>]", NULL,
     "Limit the bytes of all replicas below directories, or of those on one type of storage (DISK, "
     "SSD, ARCHIVE, PROVIDED, NVDIMM). The quota may end with k, m, g, t, p, e."},
    {"clrSpaceQuota", admin_clear_space, 0, ADMIN_ANY,
     "[-clrSpaceQuota [-storageType <storagetype>] <dirname>...<dirname>]", NULL,
     "Take that limit away."},
    {"finalizeUpgrade", admin_finalize, 0, 0, "[-finalizeUpgrade]", NULL,
     "Give up what an upgrade kept for going back."},
    {"upgrade", admin_upgrade, 1, 1, "[-upgrade <query | finalize>]", "[-upgrade query | finalize]",
     "Is an upgrade finalized? Or finalize it."},
    {"printTopology", admin_topology, 0, 0, "[-printTopology]", NULL,
     "The racks and their DataNodes."},
    {"refreshNamenodes", admin_refresh_namenodes, 1, 1,
     "[-refreshNamenodes datanode_host:ipc_port]", "[-refreshNamenodes datanode-host:ipc_port]",
     "Have a DataNode read again which NameNodes there are: it joins new ones and leaves those "
     "that "
     "are gone."},
    {"getVolumeReport", admin_volume_report, 1, 1, "[-getVolumeReport datanode_host:ipc_port]",
     "[-getVolumeReport datanode-host:ipc_port]", "The volumes of a DataNode, and their space."},
    {"deleteBlockPool", admin_delete_pool, 2, 3,
     "[-deleteBlockPool datanode_host:ipc_port blockpoolId [force]]",
     "[-deleteBlockPool datanode-host:ipc_port blockpoolId [force]]",
     "Delete a block pool of a DataNode whose NameNodes it has left; force: with its blocks."},
    {"setBalancerBandwidth", admin_bandwidth, 1, 1,
     "[-setBalancerBandwidth <bandwidth in bytes per second>]", NULL,
     "How fast a DataNode may move blocks for a balancer."},
    {"getBalancerBandwidth", admin_get_bandwidth, 1, 1,
     "[-getBalancerBandwidth <datanode_host:ipc_port>]", NULL,
     "How fast this DataNode may move blocks for a balancer."},
    {"allowSnapshot", admin_allow_snapshot, 1, 1, "[-allowSnapshot <snapshotDir>]", NULL,
     "Let snapshots be made of a directory."},
    {"disallowSnapshot", admin_disallow_snapshot, 1, 1, "[-disallowSnapshot <snapshotDir>]", NULL,
     "No longer."},
    {"shutdownDatanode", admin_shutdown_datanode, 1, 2,
     "[-shutdownDatanode <datanode_host:ipc_port> [upgrade]]", NULL,
     "Stop a DataNode; upgrade: its clients are told that it will be back."},
    {"evictWriters", admin_evict_writers, 1, 1, "[-evictWriters <datanode_host:ipc_port>]", NULL,
     "Have a DataNode drop the clients that write to it."},
    {"getDatanodeInfo", admin_datanode_info, 1, 1, "[-getDatanodeInfo <datanode_host:ipc_port>]",
     NULL, "Whether a DataNode answers, for how long it has been up, and its version."},
    {"metasave", admin_metasave, 1, 1, "[-metasave filename]", NULL,
     "Write the state of blocks into a file of the NameNode."},
    {"triggerBlockReport", admin_trigger_report, 1, 4,
     "[-triggerBlockReport [-incremental] <datanode_host:ipc_port> [-namenode "
     "<namenode_host:ipc_port>]]",
     NULL,
     "Have a DataNode report all of its blocks now, or what has changed; to all of its NameNodes "
     "or "
     "to one."},
    {"listOpenFiles", admin_open_files, 0, 3,
     "[-listOpenFiles [-blockingDecommission] [-path <path>]]", NULL,
     "The files that are being written."},
};

static const struct admin_command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void usage(FILE *out)
{
    fputs("Usage: hdfs dfsadmin\n"
          "Note: Administrative commands can only be run as the HDFS superuser.\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "\t%s\n", commands[i].summary);
    fputs("\t[-help [cmd]]\n", out);
}

/* "[-x a]" -> "-x a:" and the help. */
static void help_of(const struct admin_command *c)
{
    printf("%.*s:\n\t%s\n", (int)strlen(c->summary) - 2, c->summary + 1, c->help);
}

static int help(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] + (argv[1][0] == '-') : "";
    const struct admin_command *only = find(name);
    if (strcmp(name, "help") == 0) {
        puts("-help [cmd]:\n\tExplain a command, or all.");
        return 0;
    }
    if (only == NULL)
        usage(stdout);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (only == NULL || only == &commands[i])
            help_of(&commands[i]);
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

static int failed(const struct admin_command *c, const char *text)
{
    fprintf(stderr, "%s: %.*s\n", c->name, (int)strcspn(text, "\n"), text);
    return EXIT_BAD;
}

static int find_file_system(struct admin *a, const struct admin_command *c)
{
    struct store *store;
    struct err err = {0};
    if (stores_default(a->stores, &store, &err) != 0)
        return failed(c, err.text);
    a->dfs = store_dfs(store);
    a->url = store_url(store);
    if (a->dfs == NULL) {
        auto_text text = text_printf("FileSystem %s is not an HDFS file system", a->url);
        return failed(c, text);
    }
    return 0;
}

/* Their words name a server: no default file system is needed. */
static bool is_for_one_server(const struct admin *a, const struct admin_command *c)
{
    static int (*const runs[])(struct admin * a) = {
        admin_refresh,       admin_refresh_namenodes, admin_volume_report,
        admin_delete_pool,   admin_get_bandwidth,     admin_shutdown_datanode,
        admin_evict_writers, admin_datanode_info,     admin_trigger_report};
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
        if (c->run == runs[i])
            return true;
    return c->run == admin_reconfig && strcmp(a->argv[2], "livenodes") != 0;
}

static int run_on_server(struct admin *a, const struct admin_command *c)
{
    if (!is_for_one_server(a, c))
        TRY(find_file_system(a, c));
    int rc = c->run(a);
    if (rc < 0)
        return failed(c, a->error.text);
    if (rc == ADMIN_USAGE) {
        if (a->error.text[0] != '\0')
            (void)failed(c, a->error.text);
        usage_of(c);
    }
    return rc == 0 || rc == ADMIN_ONE ? rc != 0 : EXIT_BAD;
}

int admin_bad_usage(struct admin *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(a->error.text, sizeof(a->error.text), fmt, args);
    va_end(args);
    return ADMIN_USAGE;
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
    struct admin a = {.stores = stores, .name = c->name, .argc = argc, .argv = argv};
    return run_on_server(&a, c);
}
