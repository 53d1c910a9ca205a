/* errno.c - from the errors of dfs.h to what a system call returns. Thread: any.
 * Numbers that tell a program to try again, or that mean something else for files, become EIO: the
 * retries have been made below us already. What isn't the caller's doing is logged, since a number
 * is all he gets. */
#include "common/obs/obs.h"
#include "fuse/internal.h"

static int for_programs(int eno)
{
    switch (eno) {
    case EAGAIN:
    case EINTR:
    case EPIPE:
    case EBADF:
    case EPROTO:
    case EPROTONOSUPPORT:
    case ENODATA:
    case ENOSYS: /* would make the kernel never ask again */
        return EIO;
    default:
        return eno > 0 && eno < 512 ? eno : EIO;
    }
}

static bool is_ordinary(int eno)
{
    switch (eno) {
    case ENOENT:
    case EEXIST:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case EINVAL:
    case ENAMETOOLONG:
    case EDQUOT:
    case ENOTSUP:
        return true;
    default:
        return false;
    }
}

int mount_errno(int rc, const struct dfs_error *error, const char *what, const char *path)
{
    int eno = for_programs(-rc);
    if (is_ordinary(eno))
        log_debug("%s failed path=%s errno=%d error=%s", what, log_quote(path), eno,
                  log_quote(error->text));
    else
        log_limited(LOG_WARN, "%s failed path=%s errno=%d exception=%s error=%s", what,
                    log_quote(path), eno, log_quote(error->exception), log_quote(error->text));
    return -eno;
}
