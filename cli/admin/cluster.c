/* cluster.c - commands on the whole: safe mode, image and journal, upgrades, open files.
 * Thread: main's. */
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "cli/admin/internal.h"

enum { WAIT_MS = 5000, WAIT_FIRST_MS = 100 };

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL); /* a signal ends it early, which is fine */
}

static int wait_until_off(struct admin *a, bool *on)
{
    int64_t delay = WAIT_FIRST_MS;
    while (*on) {
        sleep_ms(delay);
        delay = delay * 2 > WAIT_MS ? WAIT_MS : delay * 2;
        TRY(dfs_safemode(a->dfs, DFS_SAFEMODE_GET, on, &a->error));
    }
    return 0;
}

int admin_safemode(struct admin *a)
{
    static const struct {
        const char *word;
        enum dfs_safemode_action action;
    } words[] = {{"enter", DFS_SAFEMODE_ENTER},
                 {"leave", DFS_SAFEMODE_LEAVE},
                 {"get", DFS_SAFEMODE_GET},
                 {"wait", DFS_SAFEMODE_GET},
                 {"forceExit", DFS_SAFEMODE_FORCE_EXIT}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasecmp(a->argv[1], words[i].word) != 0)
            continue;
        bool on = false;
        TRY(dfs_safemode(a->dfs, words[i].action, &on, &a->error));
        if (strcmp(words[i].word, "wait") == 0)
            TRY(wait_until_off(a, &on));
        printf("Safe mode is %s\n", on ? "ON" : "OFF");
        return 0;
    }
    fputs("Usage: hdfs dfsadmin [-safemode enter | leave | get | wait | forceExit]\n", stderr);
    return 0; /* so does Hadoop */
}

/* A whole number of the configuration that this program has no key for. */
static uint64_t setting(const struct admin *a, const char *name, uint64_t missing)
{
    const char *text = conf_raw(stores_conf(a->stores), name);
    char *end;
    errno = 0;
    unsigned long long value = text == NULL ? missing : strtoull(text, &end, 10);
    if (text != NULL && (end == text || errno != 0 || (*end != '\0' && strcmp(end, "s") != 0)))
        return missing;
    return value;
}

int admin_save_namespace(struct admin *a)
{
    uint64_t window = 0, gap = 0;
    bool saved = true;
    if (a->argc > 1 && strcmp(a->argv[1], "-beforeShutdown") == 0) {
        uint64_t periods = setting(a, "dfs.namenode.missing.checkpoint.periods.before.shutdown", 3);
        window = setting(a, "dfs.namenode.checkpoint.period", 3600) * periods;
        gap = setting(a, "dfs.namenode.checkpoint.txns", 1000000) * periods;
        printf("Do checkpoint if necessary before stopping namenode. The time window is %llu "
               "seconds, and the transaction gap is %llu\n",
               (unsigned long long)window, (unsigned long long)gap);
    }
    TRY(dfs_save_namespace_if(a->dfs, window, gap, &saved, &a->error));
    puts(saved ? "Save namespace successful" : "No extra checkpoint has been made");
    return 0;
}

int admin_roll_edits(struct admin *a)
{
    uint64_t txid;
    TRY(dfs_roll_edits(a->dfs, &txid, &a->error));
    printf("Successfully rolled edit logs.\nNew segment starts at txid %llu\n",
           (unsigned long long)txid);
    return 0;
}

int admin_restore(struct admin *a)
{
    const char *arg = a->argv[1];
    bool on;
    if (strcmp(arg, "check") != 0 && strcmp(arg, "true") != 0 && strcmp(arg, "false") != 0) {
        fputs("restoreFailedStorage valid args are true|false|check\n", stderr);
        return ADMIN_FAILED;
    }
    TRY(dfs_restore_failed_storage(a->dfs, arg, &on, &a->error));
    printf("restoreFailedStorage is set to %s\n", on ? "true" : "false");
    return 0;
}

int admin_refresh_nodes(struct admin *a)
{
    TRY(dfs_refresh_nodes(a->dfs, &a->error));
    puts("Refresh nodes successful");
    return 0;
}

static int refresh(struct admin *a, enum dfs_server_part what, const char *done)
{
    TRY(dfs_refresh_server(a->dfs, what, &a->error));
    puts(done);
    return 0;
}

int admin_refresh_acl(struct admin *a)
{
    return refresh(a, DFS_REFRESH_SERVICE_ACL, "Refresh service acl successful");
}

int admin_refresh_groups(struct admin *a)
{
    return refresh(a, DFS_REFRESH_GROUPS, "Refresh user to groups mapping successful");
}

int admin_refresh_proxies(struct admin *a)
{
    return refresh(a, DFS_REFRESH_PROXY_USERS,
                   "Refresh super user groups configuration successful");
}

int admin_finalize(struct admin *a)
{
    TRY(dfs_finalize_upgrade(a->dfs, &a->error));
    puts("Finalize upgrade successful");
    return 0;
}

int admin_upgrade(struct admin *a)
{
    bool finalized;
    if (strcasecmp(a->argv[1], "finalize") == 0)
        return admin_finalize(a);
    if (strcasecmp(a->argv[1], "query") != 0)
        return ADMIN_USAGE;
    TRY(dfs_is_upgrade_finalized(a->dfs, &finalized, &a->error));
    puts(finalized ? "Upgrade finalized" : "Upgrade not finalized");
    return 0;
}

int admin_bandwidth(struct admin *a)
{
    struct err err = {0};
    int64_t bandwidth;
    if (!admin_parse_long(a->argv[1], &bandwidth, &err)) {
        fprintf(stderr, "NumberFormatException: %s\n", err.text);
        fputs("Usage: hdfs dfsadmin [-setBalancerBandwidth <bandwidth in bytes per second>]\n",
              stderr);
        return ADMIN_FAILED;
    }
    if (bandwidth < 0) {
        fputs("Bandwidth should be a non-negative integer\n", stderr);
        return ADMIN_FAILED;
    }
    int rc = dfs_set_balancer_bandwidth(a->dfs, bandwidth, &a->error);
    if (rc == 0)
        printf("Balancer bandwidth is set to %lld\n", (long long)bandwidth);
    else
        fputs("Balancer bandwidth is set failed.\n", stderr);
    return rc;
}

int admin_metasave(struct admin *a)
{
    TRY(dfs_metasave(a->dfs, a->argv[1], &a->error));
    printf("Created metasave file %s in the log directory of namenode %s\n", a->argv[1], a->url);
    return 0;
}

static int print_open_files(struct admin *a, const char *path, bool blocking)
{
    struct dfs_open_files files = {.more = true};
    puts("Client Host         \tClient Name         \tOpen File Path");
    for (int64_t after = 0; files.more;) {
        TRY(dfs_list_open_files(a->dfs, after, path, blocking, &files, &a->error));
        for (size_t i = 0; i < files.count; i++) {
            const struct dfs_open_file *f = &files.items[i];
            printf("%-20s\t%-20s\t%20s\n", f->host, f->client, f->path);
            after = f->id;
        }
        bool more = files.more && files.count > 0;
        dfs_open_files_free(&files);
        files.more = more;
    }
    return 0;
}

int admin_open_files(struct admin *a)
{
    const char *path = "/";
    bool blocking = false;
    for (int i = 1; i < a->argc; i++) {
        if (strcmp(a->argv[i], "-blockingDecommission") == 0)
            blocking = true;
        else if (strcmp(a->argv[i], "-path") == 0 && i + 1 == a->argc)
            return admin_bad_usage(a, "option -path requires 1 argument.");
        else if (strcmp(a->argv[i], "-path") == 0)
            path = a->argv[++i];
    }
    path += strspn(path, " \t");
    int rc = print_open_files(a, *path == '\0' ? "/" : path, blocking);
    if (rc != 0)
        fputs("List open files failed.\n", stderr);
    return rc;
}

static int allow(struct admin *a, bool allowed)
{
    struct item item;
    struct err err = {0};
    if (item_plain(a->stores, a->argv[1], &item, &err) != 0)
        return admin_bad_usage(a, "%s", err.text);
    struct dfs *dfs = store_dfs(item.store);
    int rc = dfs == NULL ? admin_bad_usage(a, "FileSystem %s is not an HDFS file system",
                                           store_url(item.store))
                         : dfs_allow_snapshots(dfs, item.path, allowed, &a->error);
    item_fini(&item);
    TRY(rc);
    printf("%s snapshot on %s succeeded\n", allowed ? "Allowing" : "Disallowing", a->argv[1]);
    return 0;
}

int admin_allow_snapshot(struct admin *a)
{
    return allow(a, true);
}

int admin_disallow_snapshot(struct admin *a)
{
    return allow(a, false);
}
