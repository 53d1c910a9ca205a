/* getconf.c - `dfs getconf`: what the configuration says, for scripts.
 * Thread: main's. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/admin/internal.h"

enum { EXIT_BAD = 255 };

/* Words that are printed with blanks between. */
struct words {
    char **at;
    size_t count;
};

static void add(struct words *w, char *take_word)
{
    w->at = text_grow(w->at, (w->count + 1) * sizeof(*w->at));
    w->at[w->count++] = take_word;
}

static int print(struct words *w, const char *between)
{
    for (size_t i = 0; i < w->count; i++) {
        printf("%s%s", i > 0 ? between : "", w->at[i]);
        text_free(w->at[i]);
    }
    putchar('\n');
    text_free(w->at);
    return 0;
}

/* The name behind a numeric address, if it has one. */
static char *name_of(const char *host)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    char name[NI_MAXHOST];
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1 && strcmp(host, "0.0.0.0") != 0 &&
        getnameinfo((struct sockaddr *)&in, sizeof(in), name, sizeof(name), NULL, 0, NI_NAMEREQD) ==
            0)
        return text_dup(name);
    return text_dup(host);
}

/* host:port, hdfs://host:port/... -> host, or host:port with port 8020 if there is none. */
static char *address(const char *text, bool with_port)
{
    const char *at = strstr(text, "://");
    at = at == NULL ? text : at + 3;
    size_t n = strcspn(at, "/"), host = strcspn(at, ":/");
    auto_text bare = text_ndup(at, host);
    char *name = name_of(bare);
    if (!with_port)
        return name;
    char *full = host < n ? text_printf("%s%.*s", name, (int)(n - host), at + host)
                          : text_printf("%s:8020", name);
    text_free(name);
    return full;
}

/* The RPC address of one NameNode: the one for servers, else the one for clients. */
static const char *namenode_address(const struct conf *c, const char *suffix)
{
    static const char *const keys[] = {"dfs.namenode.servicerpc-address",
                                       "dfs.namenode.rpc-address"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        auto_text key = text_printf("%s%s", keys[i], suffix);
        const char *value = conf_raw(c, key);
        if (value != NULL && value[0] != '\0')
            return value;
    }
    return NULL;
}

static void add_namenode(const struct conf *c, const char *suffix, bool with_port, struct words *w)
{
    const char *value = namenode_address(c, suffix);
    if (value != NULL)
        add(w, address(value, with_port));
}

/* Words of a list with commas and blanks; *at moves on. NULL at the end. */
static char *next_word(const char **at)
{
    *at += strspn(*at, ", \t\n");
    size_t n = strcspn(*at, ", \t\n");
    char *word = n == 0 ? NULL : text_ndup(*at, n);
    *at += n;
    return word;
}

static void add_nameservice(const struct conf *c, const char *service, bool with_port,
                            struct words *w)
{
    auto_text key = text_printf("dfs.ha.namenodes.%s", service);
    const char *nodes = conf_raw(c, key);
    if (nodes == NULL || nodes[0] == '\0') {
        auto_text suffix = text_printf(".%s", service);
        add_namenode(c, suffix, with_port, w);
        return;
    }
    char *node;
    while ((node = next_word(&nodes)) != NULL) {
        auto_text suffix = text_printf(".%s.%s", service, node);
        add_namenode(c, suffix, with_port, w);
        text_free(node);
    }
}

static struct words namenodes(const struct conf *c, bool with_port)
{
    struct words w = {0};
    const char *services = conf_raw(c, "dfs.nameservices");
    if (services == NULL || services[0] == '\0') {
        const char *one = namenode_address(c, "");
        const char *url = conf_str(c, CONF_default_fs);
        if (one != NULL || strncasecmp(url, "hdfs:", 5) == 0)
            add(&w, address(one != NULL ? one : url, with_port));
        return w;
    }
    char *service;
    while ((service = next_word(&services)) != NULL) {
        add_nameservice(c, service, with_port, &w);
        text_free(service);
    }
    return w;
}

static int get_namenodes(const struct conf *c, const char *arg)
{
    (void)arg;
    struct words w = namenodes(c, false);
    if (w.count > 0)
        return print(&w, " ");
    fputs("Incorrect configuration: namenode address dfs.namenode.servicerpc-address.[] or "
          "dfs.namenode.rpc-address.[] is not configured.\n",
          stderr);
    return EXIT_BAD;
}

static int get_rpc_addresses(const struct conf *c, const char *arg)
{
    (void)arg;
    struct words w = namenodes(c, true);
    if (w.count > 0)
        return print(&w, "\n");
    fputs("Did not get namenode service rpc addresses.\n", stderr);
    return EXIT_BAD;
}

static int get_host(const struct conf *c, const char *key, const char *missing)
{
    struct words w = {0};
    const char *value = conf_raw(c, key);
    add(&w, address(value == NULL || value[0] == '\0' ? missing : value, false));
    return print(&w, " ");
}

static int get_secondaries(const struct conf *c, const char *arg)
{
    (void)arg;
    return get_host(c, "dfs.namenode.secondary.http-address", "0.0.0.0");
}

static int get_backups(const struct conf *c, const char *arg)
{
    (void)arg;
    return get_host(c, "dfs.namenode.backup.address", "0.0.0.0");
}

/* qjournal://a:8485;b:8485/name */
static int get_journals(const struct conf *c, const char *arg)
{
    static const char scheme[] = "qjournal://";
    struct words w = {0};
    (void)arg;
    const char *at = conf_raw(c, "dfs.namenode.shared.edits.dir");
    at = at == NULL ? NULL : strstr(at, scheme);
    for (at = at == NULL ? "" : at + sizeof(scheme) - 1; *at != '\0' && *at != '/';) {
        size_t n = strcspn(at, ":;/");
        add(&w, text_ndup(at, n));
        at += strcspn(at, ";/");
        at += *at == ';';
    }
    return print(&w, " ");
}

static int get_key(const struct conf *c, const char *key)
{
    const char *value = conf_raw(c, key);
    if (value == NULL) {
        fprintf(stderr, "Configuration %s is missing.\n", key);
        return EXIT_BAD;
    }
    value += strspn(value, " \t\n");
    size_t n = strlen(value);
    while (n > 0 && strchr(" \t\n", value[n - 1]) != NULL)
        n--;
    printf("%.*s\n", (int)n, value);
    return 0;
}

static int get_include(const struct conf *c, const char *arg)
{
    (void)arg;
    return get_key(c, "dfs.hosts");
}

static int get_exclude(const struct conf *c, const char *arg)
{
    (void)arg;
    return get_key(c, "dfs.hosts.exclude");
}

static const struct {
    const char *name, *operand, *help;
    int (*run)(const struct conf *c, const char *arg);
} commands[] = {
    {"-namenodes", "", "the hosts of the NameNodes", get_namenodes},
    {"-secondaryNameNodes", "", "the hosts of the secondary NameNodes", get_secondaries},
    {"-backupNodes", "", "the hosts of the backup nodes", get_backups},
    {"-journalNodes", "", "the hosts of the journal nodes", get_journals},
    {"-includeFile", "", "the file that lists the DataNodes that may join", get_include},
    {"-excludeFile", "", "the file that lists the DataNodes that shall leave", get_exclude},
    {"-nnRpcAddresses", "", "the RPC addresses of the NameNodes", get_rpc_addresses},
    {"-confKey", " [key]", "the value of a key", get_key},
};

int getconf_run(const struct conf *conf, int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(commands); i++) {
        bool takes = commands[i].operand[0] != '\0';
        if (strcasecmp(commands[i].name, argv[0]) != 0)
            continue;
        if (takes && argc != 2) {
            fprintf(stderr, "usage: %s%s\n", commands[i].name, commands[i].operand);
            return EXIT_BAD;
        }
        if (!takes && argc > 1) {
            fprintf(stderr, "Did not expect argument: %s\n", argv[1]);
            return EXIT_BAD;
        }
        return commands[i].run(conf, takes ? argv[1] : NULL);
    }
    fputs("hdfs getconf is utility for getting configuration information from the config "
          "file.\n\nhadoop getconf \n",
          stderr);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, "\t[%s%s]\t\t\t%s\n", commands[i].name, commands[i].operand,
                commands[i].help);
    fputc('\n', stderr);
    return EXIT_BAD;
}
