/* report.c - the state of the cluster, line for line as Hadoop's report has it, since scripts read
 * it. Thread: main's. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include "cli/admin/internal.h"

static void size_line(const char *label, uint64_t bytes)
{
    char text[TEXT_SIZE];
    printf("%s: %llu (%s)\n", label, (unsigned long long)bytes,
           text_prefixed((int64_t)bytes, "B", 2, text));
}

static void count_line(const char *label, uint64_t count)
{
    printf("\t%s: %llu\n", label, (unsigned long long)count);
}

static void highest_line(const struct dfs_block_health *h)
{
    if (h->has_highest_priority)
        count_line("Low redundancy blocks with highest priority to recover", h->highest_priority);
}

static int print_blocks(struct dfs *fs, struct dfs_error *error)
{
    struct dfs_block_health blocks, groups;
    TRY(dfs_block_health(fs, &blocks, &groups, error));
    puts("Replicated Blocks:");
    count_line("Under replicated blocks", blocks.low_redundancy);
    count_line("Blocks with corrupt replicas", blocks.corrupt);
    count_line("Missing blocks", blocks.missing);
    count_line("Missing blocks (with replication factor 1)", blocks.missing_one_replica);
    highest_line(&blocks);
    count_line("Pending deletion blocks", blocks.pending_deletion);
    puts("Erasure Coded Block Groups: ");
    count_line("Low redundancy block groups", groups.low_redundancy);
    count_line("Block groups with corrupt internal blocks", groups.corrupt);
    count_line("Missing block groups", groups.missing);
    highest_line(&groups);
    count_line("Pending deletion blocks", groups.pending_deletion);
    puts("\n-------------------------------------------------");
    return 0;
}

static int print_summary(struct dfs *fs, struct dfs_error *error)
{
    struct dfs_usage u;
    bool safe = false;
    char percent[TEXT_SIZE];
    TRY(dfs_statfs(fs, &u, error));
    TRY(dfs_safemode(fs, DFS_SAFEMODE_GET, &safe, error));
    uint64_t present = u.used + u.remaining;
    if (safe)
        puts("Safe mode is ON");
    size_line("Configured Capacity", u.capacity);
    size_line("Present Capacity", present);
    size_line("DFS Remaining", u.remaining);
    size_line("DFS Used", u.used);
    printf("DFS Used%%: %s\n",
           present == 0 ? "0.00%" : text_percent((double)u.used, (double)present, 2, percent));
    return print_blocks(fs, error);
}

static const char *admin_state(uint32_t state)
{
    static const char *const names[] = {"Normal", "Decommission in progress", "Decommissioned",
                                        "Entering maintenance", "In maintenance"};
    return state < ARRAY_SIZE(names) ? names[state] : "Unknown";
}

/* The host name of ip:port, NULL if it has none. */
static char *name_of(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    char host[NI_MAXHOST];
    auto_text ip = text_ndup(address, strcspn(address, ":"));
    if (inet_pton(AF_INET, ip, &in.sin_addr) != 1 ||
        getnameinfo((struct sockaddr *)&in, sizeof(in), host, sizeof(host), NULL, 0, NI_NAMEREQD) !=
            0)
        return NULL;
    return text_dup(host);
}

/* Of nothing, `empty` is in use. */
static void percent_line(const char *label, uint64_t part, uint64_t whole, const char *empty)
{
    char text[TEXT_SIZE];
    printf("%s: %s\n", label,
           whole == 0 ? empty : text_percent((double)part, (double)whole, 2, text));
}

static void print_space(const struct dfs_node *n)
{
    uint64_t cache_left = n->cache_capacity - n->cache_used;
    size_line("Configured Capacity", n->capacity);
    size_line("DFS Used", n->used);
    size_line("Non DFS Used", n->non_dfs_used);
    size_line("DFS Remaining", n->remaining);
    percent_line("DFS Used%", n->used, n->capacity, "100.00%");
    percent_line("DFS Remaining%", n->remaining, n->capacity, "0.00%");
    size_line("Configured Cache Capacity", n->cache_capacity);
    size_line("Cache Used", n->cache_used);
    size_line("Cache Remaining", cache_left);
    percent_line("Cache Used%", n->cache_used, n->cache_capacity, "100.00%");
    percent_line("Cache Remaining%", cache_left, n->cache_capacity, "0.00%");
}

static const char *date(int64_t ms, char out[TEXT_SIZE])
{
    return text_time(ms, "%a %b %d %H:%M:%S %Z %Y", false, out);
}

static void print_node(const struct dfs_node *n)
{
    char text[TEXT_SIZE];
    auto_text name = name_of(n->address);
    printf("Name: %s", n->address);
    if (name != NULL)
        printf(" (%s)", name);
    printf("\nHostname: %s\n", n->host);
    if (n->rack != NULL && n->rack[0] != '\0' && strcmp(n->rack, "/default-rack") != 0)
        printf("Rack: %s\n", n->rack);
    if (n->upgrade_domain != NULL)
        printf("Upgrade domain: %s\n", n->upgrade_domain);
    printf("Decommission Status : %s\n", admin_state(n->admin_state));
    print_space(n);
    printf("Xceivers: %u\n", n->transfers);
    printf("Last contact: %s\n", date(n->last_contact_ms, text));
    printf("Last Block Report: %s\n",
           n->last_report_ms == 0 ? "Never" : date(n->last_report_ms, text));
    printf("Num of Blocks: %u\n\n\n", n->blocks);
}

/* Nodes of one admin state (-1: any) out of a list. */
static void print_nodes(const struct dfs_nodes *nodes, int state, const char *title, bool asked)
{
    size_t count = 0;
    for (size_t i = 0; i < nodes->count; i++)
        count += state < 0 || nodes->items[i].admin_state == (uint32_t)state;
    if (count > 0 || asked)
        printf("%s datanodes (%zu):\n\n", title, count);
    for (size_t i = 0; i < nodes->count; i++)
        if (state < 0 || nodes->items[i].admin_state == (uint32_t)state)
            print_node(&nodes->items[i]);
}

static bool given(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

int admin_report(struct admin *a)
{
    int argc = a->argc;
    char **argv = a->argv;
    static const struct {
        const char *flag, *title;
        enum dfs_node_filter filter;
        int state;
    } lists[] = {{"-live", "Live", DFS_NODES_LIVE, -1},
                 {"-dead", "Dead", DFS_NODES_DEAD, -1},
                 {"-decommissioning", "Decommissioning", DFS_NODES_ALL, 1},
                 {"-enteringmaintenance", "Entering maintenance", DFS_NODES_ALL, 3},
                 {"-inmaintenance", "In maintenance", DFS_NODES_ALL, 4},
                 {"-slownodes", "Slow", DFS_NODES_SLOW, -1}};
    bool all = true;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        all = all && !given(argc, argv, lists[i].flag);
    TRY(print_summary(a->dfs, &a->error));
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        bool asked = given(argc, argv, lists[i].flag);
        if (!asked && !all)
            continue;
        struct dfs_nodes nodes;
        int rc = dfs_nodes(a->dfs, lists[i].filter, &nodes, &a->error);
        if (rc == -ENOSYS && !asked)
            continue; /* a server that doesn't look for slow nodes */
        TRY(rc);
        print_nodes(&nodes, lists[i].state, lists[i].title, asked);
        dfs_nodes_free(&nodes);
    }
    return 0;
}

static int compare_nodes(const void *x, const void *y)
{
    const struct dfs_node *a = x, *b = y;
    int order = strcmp(a->rack, b->rack);
    return order != 0 ? order : strcmp(a->address, b->address);
}

/* The nodes of one rack, in the order of Java's hash table. */
static void print_rack(const struct dfs_node *nodes, size_t count)
{
    static const char *const states[] = {"In Service", "Decommission In Progress", "Decommissioned",
                                         "Entering Maintenance", "In Maintenance"};
    const char **names = text_alloc(count * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = nodes[i].address;
    size_t *order = text_java_order(names, count);
    printf("Rack: %s\n", nodes[0].rack);
    for (size_t i = 0; i < count; i++) {
        const struct dfs_node *n = &nodes[order[i]];
        auto_text name = name_of(n->address);
        printf("   %s%s%s%s %s\n", n->address, name != NULL ? " (" : "", name != NULL ? name : "",
               name != NULL ? ")" : "",
               n->admin_state < ARRAY_SIZE(states) ? states[n->admin_state] : "Unknown");
    }
    putchar('\n');
    text_free(order);
    text_free(names);
}

int admin_topology(struct admin *a)
{
    struct dfs_nodes nodes;
    TRY(dfs_nodes(a->dfs, DFS_NODES_ALL, &nodes, &a->error));
    qsort(nodes.items, nodes.count, sizeof(*nodes.items), compare_nodes);
    for (size_t i = 0; i < nodes.count;) {
        size_t n = 1;
        while (i + n < nodes.count && strcmp(nodes.items[i + n].rack, nodes.items[i].rack) == 0)
            n++;
        print_rack(&nodes.items[i], n);
        i += n;
    }
    dfs_nodes_free(&nodes);
    return 0;
}
