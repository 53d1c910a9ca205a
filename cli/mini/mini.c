/* mini.c - a NameNode and N DataNodes in this process; the servers are those of dfs-namenode and
 * dfs-datanode. Ready means: all DataNodes are live and safe mode is off. They are stopped in the
 * opposite order. Thread: main's; the servers have their own. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/mini/internal.h"
#include "common/obs/obs.h"
#include "datanode/node.h"
#include "dfs.h"
#include "namenode/node.h"

enum { EXIT_BAD = 255, READY_MS = 30000, READY_LOOK_MS = 10 };

struct mini {
    struct mini_options options;
    struct mini_place place;
    struct namenode *namenode;
    struct datanode *datanodes[MINI_DATANODES_MAX];
    unsigned running, port;
};

static int start_namenode(struct mini *m, struct err *err)
{
    struct conf *c;
    bool formatted = false;
    const struct namenode_format_options how = {.force = true};
    if (m->options.format)
        TRY(mini_place_clear(&m->place, err));
    TRY(mini_conf_namenode(&m->options, &m->place, &c, err));
    int rc = namenode_is_formatted(c, &formatted, err);
    if (rc == 0 && !formatted)
        rc = namenode_format(c, &how, err);
    if (rc == 0)
        rc = namenode_start(c, &m->namenode, err);
    conf_free(c);
    if (rc == 0)
        m->port = namenode_port(m->namenode);
    return rc;
}

static int start_datanode(struct mini *m, struct err *err)
{
    struct conf *c;
    TRY(mini_conf_datanode(&m->options, &m->place, m->running, m->port, &c, err));
    int rc = datanode_start(c, &m->datanodes[m->running], err);
    conf_free(c);
    if (rc == 0)
        m->running++;
    return rc;
}

static bool is_ready(struct dfs *fs, unsigned datanodes)
{
    struct dfs_nodes nodes;
    bool safe = true;
    if (dfs_nodes(fs, DFS_NODES_LIVE, &nodes, NULL) < 0)
        return false;
    bool all = nodes.count >= datanodes;
    dfs_nodes_free(&nodes);
    return all && dfs_safemode(fs, DFS_SAFEMODE_GET, &safe, NULL) == 0 && !safe;
}

static int await_ready(const struct mini *m, struct err *err)
{
    struct dfs *fs;
    struct dfs_error error = {0};
    char url[64];
    (void)snprintf(url, sizeof(url), "hdfs://127.0.0.1:%u", m->port);
    const struct dfs_options options = {.url = url, .conf_dir = m->place.conf};
    if (dfs_connect(&options, &fs, &error) < 0)
        return fail(err, ERR_CONNECT, "%s", error.text);
    bool ready = false;
    for (unsigned waited = 0; waited < READY_MS && !ready; waited += READY_LOOK_MS) {
        ready = is_ready(fs, m->options.datanodes);
        if (!ready)
            (void)nanosleep(&(struct timespec){.tv_nsec = READY_LOOK_MS * 1000000}, NULL);
    }
    dfs_disconnect(fs);
    return ready ? 0 : fail(err, ERR_TIMEOUT, "not ready after %d s", READY_MS / 1000);
}

static int start(struct mini *m, struct err *err)
{
    TRY(mini_place_make(&m->options, &m->place, err));
    TRY(start_namenode(m, err));
    TRY(mini_conf_write(&m->options, &m->place, m->port, err));
    while (m->running < m->options.datanodes)
        TRY(start_datanode(m, err));
    return await_ready(m, err);
}

static void stop(struct mini *m)
{
    while (m->running > 0)
        datanode_stop(m->datanodes[--m->running]);
    namenode_stop(m->namenode);
    mini_place_remove(&m->place);
}

static void tell(const struct mini *m)
{
    FILE *out = m->options.command == NULL ? stdout : stderr;
    fprintf(out, "hdfs://127.0.0.1:%u\nHADOOP_CONF_DIR=%s\n%s/core-site.xml\n", m->port,
            m->place.conf, m->place.conf);
    (void)fflush(out);
}

int mini_run(int argc, char **argv)
{
    struct mini m = {0};
    struct err err = {0};
    if (!mini_parse(argc, argv, &m.options))
        return EXIT_BAD;
    if (m.options.help)
        return 0;
    if (getenv("HADRON_LOG") == NULL)
        log_set_level(LOG_WARN);
    mini_signals_block();
    int code = EXIT_BAD;
    if (start(&m, &err) != 0) {
        fprintf(stderr, "dfs mini: %s\n", err.text);
    } else if (setenv("HADOOP_CONF_DIR", m.place.conf, 1) == 0) {
        tell(&m);
        code = mini_wait(m.options.command);
    }
    stop(&m);
    return code;
}
