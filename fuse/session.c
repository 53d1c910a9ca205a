/* session.c - from the options to a mounted folder, and back.
 * Thread: main; libfuse's loop starts the others. In the background the parent waits until the
 * child has connected, looked at the root and mounted, so that whoever called sees what is wrong;
 * the fork comes first because a client of libdfs has threads. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/obs/obs.h"
#include "fuse/internal.h"

enum { MAX_THREADS = 32 };

static void op_init(void *user_data, struct fuse_conn_info *conn)
{
    (void)user_data;
    conn->max_write = MOUNT_IO_BYTES;
}

const struct fuse_lowlevel_ops mount_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .access = op_access,
    .statfs = op_statfs,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .rename = op_rename,
    .mknod = op_mknod,
    .symlink = op_symlink,
    .link = op_link,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .create = op_create,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .fsync = op_fsync,
    .release = op_release,
};

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "dfs-mount: %s: %s\n", what, why);
    return -1;
}

static int connect_fs(const struct mount_options *o, struct mount *m)
{
    struct dfs_error error = {0};
    struct dfs_options options = {
        .url = o->url, .user = o->user, .conf_dir = o->conf_dir, .settings = o->settings};
    const char *where = o->url != NULL ? o->url : "fs.defaultFS";
    if (dfs_connect(&options, &m->fs, &error) != 0)
        return complain(where, error.text);
    struct dfs_stat stat = {0};
    const char *root = o->root[0] != '\0' ? o->root : "/";
    int rc = dfs_stat(m->fs, root, &stat, &error);
    if (rc != 0)
        rc = complain(where, error.text);
    else if (stat.type != DFS_DIRECTORY)
        rc = complain(root, "is not a folder");
    dfs_stat_free(&stat);
    return rc;
}

static int mount_init(const struct mount_options *o, struct mount *m)
{
    *m = (struct mount){.options = o};
    CHECK(pthread_mutex_init(&m->handles_lock, NULL) == 0);
    users_init(&m->users);
    if (nodes_init(&m->nodes, o->root) != 0)
        return complain("start", "no memory");
    return connect_fs(o, m);
}

static void mount_fini(struct mount *m)
{
    handles_release_all(m);
    if (m->fs != NULL)
        dfs_disconnect(m->fs);
    nodes_fini(&m->nodes);
    users_fini(&m->users);
    pthread_mutex_destroy(&m->handles_lock);
}

/* What mount(8) shows; commas and backslashes would end the word. */
static int put_source(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++)
        TRY(buf_printf(b, "%s%c", *text == ',' || *text == '\\' ? "\\" : "", *text));
    return 0;
}

static int make_flags(const struct mount_options *o, const struct mount *m, struct buf *ret)
{
    TRY(buf_printf(ret, "subtype=hdfs"));
    /* others act as our user there: let the kernel judge them by owner and mode here */
    if (o->allow_other)
        TRY(buf_printf(ret, ",default_permissions"));
    if (buf_size(&o->flags) > 0)
        TRY(buf_printf(ret, ",%.*s", (int)buf_size(&o->flags),
                       (const char *)o->flags.data + o->flags.start));
    TRY(buf_printf(ret, ",fsname="));
    TRY(put_source(ret, dfs_url(m->fs)));
    TRY(put_source(ret, o->root));
    return buf_append(ret, "", 1);
}

static struct fuse_session *make_session(const struct mount_options *o, struct mount *m)
{
    struct buf flags = {0};
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_session *session = NULL;
    if (make_flags(o, m, &flags) == 0 && fuse_opt_add_arg(&args, "dfs-mount") == 0 &&
        fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, (const char *)buf_head(&flags)) == 0)
        session = fuse_session_new(&args, &mount_ops, sizeof(mount_ops), m);
    fuse_opt_free_args(&args);
    buf_fini(&flags);
    if (session == NULL)
        (void)complain(o->mountpoint, "libfuse refuses the options");
    return session;
}

/* Leaves the terminal and tells the parent. status_fd < 0: foreground. */
static int detach(const struct mount_options *o, int status_fd)
{
    if (status_fd < 0)
        return 0;
    const char *log = o->log_file != NULL ? o->log_file : "/dev/null";
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (null < 0 || out < 0 || setsid() < 0 || chdir("/") != 0)
        return complain(log, strerror(errno));
    if (write(status_fd, "k", 1) != 1)
        return -1;
    close(status_fd);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(null);
    close(out);
    return 0;
}

static int loop(struct fuse_session *session)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (config == NULL)
        return -1;
    fuse_loop_cfg_set_max_threads(config, MAX_THREADS);
    int rc = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    return rc < 0 ? -1 : 0;
}

static int serve_session(const struct mount_options *o, struct mount *m, const char *mountpoint,
                         struct fuse_session *session, int status_fd)
{
    if (fuse_session_mount(session, mountpoint) != 0)
        return complain(mountpoint, "can't be mounted (is /dev/fuse there, and may you use it?)");
    int rc = detach(o, status_fd);
    if (rc == 0) {
        log_info("mounted url=%s path=%s mountpoint=%s user=%s", dfs_url(m->fs),
                 log_quote(o->root[0] != '\0' ? o->root : "/"), log_quote(mountpoint),
                 log_quote(dfs_user(m->fs)));
        rc = loop(session);
        log_info("unmounted mountpoint=%s", log_quote(mountpoint));
    }
    fuse_session_unmount(session);
    return rc;
}

static int serve(const struct mount_options *o, const char *mountpoint, int status_fd)
{
    struct mount m;
    int rc = mount_init(o, &m);
    struct fuse_session *session = rc == 0 ? make_session(o, &m) : NULL;
    if (session == NULL || fuse_set_signal_handlers(session) != 0) {
        rc = -1;
    } else {
        rc = serve_session(o, &m, mountpoint, session, status_fd);
        fuse_remove_signal_handlers(session);
    }
    if (session != NULL)
        fuse_session_destroy(session);
    mount_fini(&m);
    return rc;
}

/* In the parent: 0 when the child says that all is well. */
static int await_child(pid_t child, int fd)
{
    char said = '\0';
    ssize_t n;
    do {
        n = read(fd, &said, 1);
    } while (n < 0 && errno == EINTR);
    close(fd);
    if (n == 1 && said == 'k')
        return 0;
    waitpid(child, NULL, 0);
    return -1;
}

static int serve_in_background(const struct mount_options *o, const char *mountpoint)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return complain("pipe", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        return complain("fork", strerror(errno));
    if (child > 0) {
        close(ends[1]);
        return await_child(child, ends[0]);
    }
    close(ends[0]);
    return serve(o, mountpoint, ends[1]);
}

int mount_run(const struct mount_options *o)
{
    struct stat st;
    char *mountpoint = realpath(o->mountpoint, NULL);
    int rc = mountpoint != NULL && stat(mountpoint, &st) == 0
                 ? 0
                 : complain(o->mountpoint, strerror(errno));
    if (rc == 0 && !S_ISDIR(st.st_mode))
        rc = complain(o->mountpoint, "is not a folder");
    if (rc == 0)
        rc = o->foreground ? serve(o, mountpoint, -1) : serve_in_background(o, mountpoint);
    free(mountpoint);
    return rc;
}
