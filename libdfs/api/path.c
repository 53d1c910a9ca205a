/* path.c - what a user calls a file, as the NameNode wants to hear it.
 * Pure. Accepted: absolute paths, paths relative to /user/<user>, hdfs:// URLs of this file system.
 * Empty parts and "." vanish, ".." takes the part before with it, as Hadoop's Path does; above the
 * root there is nothing. */
#include <strings.h>

#include "libdfs/api/internal.h"

static const char scheme[] = "hdfs://";

static int strip_url(struct op *op, const char *path, const char **ret)
{
    if (strncasecmp(path, scheme, sizeof(scheme) - 1) != 0) {
        *ret = path;
        return 0;
    }
    const char *authority = path + sizeof(scheme) - 1;
    size_t size = strcspn(authority, "/");
    if (!meta_same_authority(meta_addresses(op->fs->env.meta), authority, size))
        return fail(&op->err, ERR_ILLEGAL_ARGUMENT, "Wrong FS: %s, expected: %s", path,
                    op->fs->url);
    *ret = authority[size] != '\0' ? authority + size : "/";
    return 0;
}

/* Appends the parts of `text` to out (which begins and never ends with '/', but for the root being
 * empty). */
static int append_parts(struct op *op, char *out, size_t *size, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "/");
        if (n == 2 && text[0] == '.' && text[1] == '.') {
            if (*size == 0)
                return fail(&op->err, ERR_INVALID_PATH,
                            "Invalid path name: it leads above the root");
            while (out[--*size] != '/')
                ;
        } else if (n > 0 && !(n == 1 && text[0] == '.')) {
            out[(*size)++] = '/';
            memcpy(out + *size, text, n);
            *size += n;
        }
        text += n;
        text += *text == '/';
    }
    return 0;
}

int op_path(struct op *op, const char *path, const char **ret)
{
    if (path == NULL || path[0] == '\0')
        return fail(&op->err, ERR_ILLEGAL_ARGUMENT, "Can not create a Path from an empty string");
    if (!utf8_valid(slice_of(path)))
        return fail(&op->err, ERR_INVALID_PATH, "Invalid path name: it is not UTF-8");
    TRY(strip_url(op, path, &path));
    const char *user = meta_user(op->fs->env.meta);
    char *out = arena_alloc(&op->arena, strlen(path) + strlen(user) + 16);
    if (out == NULL)
        return fail(&op->err, ERR_NO_MEMORY, "no memory for a path");
    size_t size = 0;
    if (path[0] != '/') {
        TRY(append_parts(op, out, &size, "user"));
        TRY(append_parts(op, out, &size, user));
    }
    TRY(append_parts(op, out, &size, path));
    if (size == 0)
        out[size++] = '/';
    out[size] = '\0';
    *ret = out;
    return 0;
}

const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}
