/* place.c - folders and settings of a small cluster.
 * Its settings differ from the defaults in what makes a cluster on one machine quick: heartbeats
 * each second, no delay before safe mode is left. No configuration of the machine is read.
 * Thread: main's. */
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/mini/internal.h"

enum { TREE_FDS = 32 };

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    return fail_errno(err, "%s", path);
}

static int make_temporary(struct mini_place *place, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp == NULL || tmp[0] != '/')
        tmp = "/tmp";
    int n = snprintf(place->base, sizeof(place->base), "%s/dfs-mini-XXXXXX", tmp);
    if (n < 0 || (size_t)n >= sizeof(place->base))
        return fail(err, ERR_NAME_TOO_LONG, "TMPDIR is too long");
    if (mkdtemp(place->base) == NULL)
        return fail_errno(err, "%s", place->base);
    place->temporary = true;
    return 0;
}

/* The folder `path`, made if missing, as an absolute path. */
static int absolute_dir(const char *path, char *out, size_t size, struct err *err)
{
    TRY(make_dir(path, err));
    char *real = realpath(path, NULL);
    if (real == NULL)
        return fail_errno(err, "%s", path);
    int n = snprintf(out, size, "%s", real);
    free(real);
    return n < 0 || (size_t)n >= size ? fail(err, ERR_NAME_TOO_LONG, "%s is too long", path) : 0;
}

int mini_place_make(const struct mini_options *o, struct mini_place *ret, struct err *err)
{
    *ret = (struct mini_place){0};
    if (o->dir == NULL)
        TRY(make_temporary(ret, err));
    else
        TRY(absolute_dir(o->dir, ret->base, sizeof(ret->base), err));
    if (o->conf_out != NULL)
        return absolute_dir(o->conf_out, ret->conf, sizeof(ret->conf), err);
    (void)snprintf(ret->conf, sizeof(ret->conf), "%s/conf", ret->base);
    return make_dir(ret->conf, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path); /* what can't go makes its folder stay, too */
    return 0;
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS);
}

void mini_place_remove(const struct mini_place *place)
{
    if (place->temporary)
        remove_tree(place->base);
}

int mini_place_clear(const struct mini_place *place, struct err *err)
{
    char path[sizeof(place->base) + 16];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/name", place->base);
    remove_tree(path);
    if (stat(path, &st) == 0)
        return fail(err, ERR_IO, "%s can't be removed", path);
    for (unsigned i = 0; i < MINI_DATANODES_MAX; i++) {
        (void)snprintf(path, sizeof(path), "%s/dn%u", place->base, i);
        if (stat(path, &st) == 0)
            remove_tree(path);
    }
    return 0;
}

static int set(struct conf *c, struct err *err, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int set(struct conf *c, struct err *err, const char *name, const char *fmt, ...)
{
    char value[sizeof(((struct mini_place *)0)->conf) + 64];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(value, sizeof(value), fmt, args);
    va_end(args);
    return conf_set(c, name, value, err);
}

static unsigned replication(const struct mini_options *o)
{
    return o->datanodes < 1 ? 1 : o->datanodes > 3 ? 3 : o->datanodes;
}

/* What all servers share. */
static int set_common(struct conf *c, const struct mini_options *o, const struct mini_place *place,
                      unsigned port, struct err *err)
{
    TRY(set(c, err, "fs.defaultFS", "hdfs://127.0.0.1:%u", port));
    TRY(set(c, err, "hadoop.tmp.dir", "%s/tmp", place->base));
    TRY(set(c, err, "dfs.replication", "%u", replication(o)));
    TRY(set(c, err, "dfs.heartbeat.interval", "1"));
    TRY(set(c, err, "dfs.namenode.rpc-address", "127.0.0.1:%u", port));
    return set(c, err, "dfs.blockreport.initialDelay", "0");
}

static int set_namenode(struct conf *c, const struct mini_place *place, struct err *err)
{
    TRY(set(c, err, "dfs.namenode.name.dir", "file://%s/name", place->base));
    TRY(set(c, err, "dfs.namenode.http-address", "127.0.0.1:0"));
    TRY(set(c, err, "dfs.namenode.safemode.extension", "0"));
    return set(c, err, "dfs.namenode.redundancy.interval.seconds", "1s");
}

static int set_datanode(struct conf *c, const struct mini_place *place, unsigned index,
                        struct err *err)
{
    TRY(set(c, err, "dfs.datanode.data.dir", "file://%s/dn%u", place->base, index));
    TRY(set(c, err, "dfs.datanode.address", "127.0.0.1:0"));
    TRY(set(c, err, "dfs.datanode.http.address", "127.0.0.1:0"));
    TRY(set(c, err, "dfs.datanode.ipc.address", "127.0.0.1:0"));
    return set(c, err, "dfs.datanode.hostname", "127.0.0.1");
}

/* The user's settings come last, so they win. */
static int set_user(struct conf *c, const struct mini_options *o, struct err *err)
{
    for (size_t i = 0; i < o->setting_count; i++)
        TRY(conf_set_pair(c, o->settings[i], err));
    return conf_finish(c, err);
}

static int make(const struct mini_options *o, const struct mini_place *place, int index,
                unsigned port, struct conf **ret, struct err *err)
{
    struct conf *c = conf_new();
    if (c == NULL)
        return fail(err, ERR_NO_MEMORY, "out of memory");
    int rc = set_common(c, o, place, port, err);
    if (rc == 0)
        rc = index < 0 ? set_namenode(c, place, err) : set_datanode(c, place, (unsigned)index, err);
    if (rc == 0)
        rc = set_user(c, o, err);
    if (rc != 0) {
        conf_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

int mini_conf_namenode(const struct mini_options *o, const struct mini_place *place,
                       struct conf **ret, struct err *err)
{
    return make(o, place, -1, o->port, ret, err);
}

int mini_conf_datanode(const struct mini_options *o, const struct mini_place *place, unsigned index,
                       unsigned port, struct conf **ret, struct err *err)
{
    return make(o, place, (int)index, port, ret, err);
}

int mini_conf_write(const struct mini_options *o, const struct mini_place *place, unsigned port,
                    struct err *err)
{
    char path[sizeof(place->conf) + 16];
    (void)snprintf(path, sizeof(path), "%s/core-site.xml", place->conf);
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return fail_errno(err, "%s", path);
    fprintf(out,
            "<?xml version=\"1.0\"?>\n"
            "<configuration>\n"
            "  <property><name>fs.defaultFS</name><value>hdfs://127.0.0.1:%u</value></property>\n"
            "  <property><name>dfs.replication</name><value>%u</value></property>\n"
            "</configuration>\n",
            port, replication(o));
    bool good = !ferror(out);
    if (fclose(out) != 0 || !good)
        return fail_errno(err, "%s", path);
    return 0;
}
