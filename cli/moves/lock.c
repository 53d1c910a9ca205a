/* lock.c - only one balancer (mover) a cluster: a file that it keeps open for writing.
 * The lease of the file is the lock: while its holder lives nobody else can append to it. One that
 * died leaves the file, and its lease runs out. Hadoop's balancer does the same, so the two respect
 * each other. The file holds the name of the machine. */
#include <unistd.h>

#include "cli/moves/moves.h"

static bool is_held(const struct dfs_error *e)
{
    return strcmp(e->exception, "org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException") ==
               0 ||
           strcmp(e->exception, "org.apache.hadoop.hdfs.protocol.RecoveryInProgressException") == 0;
}

static int failed(const char *name, int rc, const struct dfs_error *e, struct err *err)
{
    if (is_held(e))
        return fail(err, ERR_IO, "Another %s is running.", name);
    return store_failed(err, rc, e);
}

/* A file that nobody writes goes. */
static int remove_old(struct dfs *dfs, const char *name, const char *path, struct err *err)
{
    struct dfs_error e = {0};
    struct dfs_file *file;
    struct dfs_stat stat;
    int rc = dfs_stat(dfs, path, &stat, &e);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return failed(name, rc, &e, err);
    dfs_stat_free(&stat);
    rc = dfs_append(dfs, path, 0, &file, &e);
    if (rc != 0)
        return failed(name, rc, &e, err);
    (void)dfs_close(file, NULL); /* nothing was written */
    rc = dfs_delete(dfs, path, true, &e);
    return rc == 0 || rc == -ENOENT ? 0 : failed(name, rc, &e, err);
}

int lock_take(struct cluster *c, const char *name, const char *path, struct err *err)
{
    char host[256] = "localhost";
    struct dfs_error e = {0};
    struct dfs_create_options options = {.overwrite = true, .create_parents = true};
    struct dfs_file *file;
    TRY(remove_old(c->dfs, name, path, err));
    int rc = dfs_create(c->dfs, path, &options, &file, &e);
    if (rc != 0)
        return failed(name, rc, &e, err);
    c->lock = file;
    c->lock_path = path;
    (void)gethostname(host, sizeof(host) - 1);
    ssize_t n = dfs_write(file, host, strlen(host), &e);
    rc = n < 0 ? (int)n : dfs_hflush(file, &e);
    return rc == 0 ? 0 : failed(name, rc, &e, err);
}

void lock_drop(struct cluster *c)
{
    if (c->lock == NULL)
        return;
    (void)dfs_close(c->lock, NULL); /* it goes in any case */
    (void)dfs_delete(c->dfs, c->lock_path, true, NULL);
    c->lock = NULL;
}
