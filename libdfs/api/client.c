/* client.c - the handle of a file system: made, asked about itself, freed; what paths mean; and how
 * errors reach the user. Thread: any; `lock` guards the cached server defaults. */
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/auth/auth.h"
#include "libdfs/api/internal.h"

enum { DEFAULTS_MS = 3600 * 1000, OP_MEMORY = 256 * 1024 * 1024 };

void op_begin(struct op *op, struct dfs *fs)
{
    op->fs = fs;
    op->err = (struct err){0};
    arena_init(&op->arena, OP_MEMORY);
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Two Java classes stand for more than one errno; their texts tell. */
static int errno_of(int rc, const struct err *err)
{
    if (rc == ERR_NOT_FOUND && strncmp(err->text, "Path is not a file", 18) == 0)
        return EISDIR;
    if (rc == ERR_ACCESS && ends_with(err->text, "(is not a directory)"))
        return ENOTDIR;
    return err_errno(rc);
}

static void fill_error(const struct err *err, int rc, int eno, struct dfs_error *error)
{
    error->code = eno;
    snprintf(error->exception, sizeof(error->exception), "%s", err->remote_class);
    snprintf(error->text, sizeof(error->text), "%s",
             err->text[0] != '\0' ? err->text : err_name(rc));
}

int op_end(struct op *op, int rc, struct dfs_error *error)
{
    int eno = rc != 0 ? errno_of(rc, &op->err) : 0;
    if (error != NULL && rc != 0)
        fill_error(&op->err, rc, eno, error);
    else if (error != NULL)
        *error = (struct dfs_error){0};
    arena_fini(&op->arena);
    return -eno;
}

/* "022", or like "u=rwx,g=rx,o=" (what is allowed, so the mask is the rest). */
static int parse_umask(const char *text, uint32_t *ret, struct err *err)
{
    uint32_t mask = 0;
    size_t n = strspn(text, "01234567");
    if (n > 0 && n <= 5 && text[n] == '\0') {
        for (size_t i = 0; i < n; i++)
            mask = mask * 8 + (uint32_t)(text[i] - '0');
        *ret = mask & 01777;
        return 0;
    }
    for (const char *at = text; *at != '\0';) {
        uint32_t who = 0, bits = 0;
        for (; strchr("ugoa", *at) != NULL && *at != '\0'; at++)
            who |= *at == 'u' ? 0100 : *at == 'g' ? 010 : *at == 'o' ? 01 : 0111;
        if (who == 0 || *at++ != '=')
            return fail(err, ERR_CONFIG, "%s: \"%s\" is no umask", conf_name(CONF_umask), text);
        for (; strchr("rwx", *at) != NULL && *at != '\0'; at++)
            bits |= *at == 'r' ? 4 : *at == 'w' ? 2 : 1;
        mask |= who * (7 & ~bits);
        if (*at == ',')
            at++;
    }
    *ret = mask;
    return 0;
}

static int load_conf(const struct dfs_options *o, struct conf *conf, struct err *err)
{
    TRY(conf_add_dir(conf, o->conf_dir, err));
    for (const char *const *pair = o->settings; pair != NULL && *pair != NULL; pair++)
        TRY(conf_set_pair(conf, *pair, err));
    return conf_finish(conf, err);
}

static int set_up(struct dfs *fs, const struct dfs_options *o, struct err *err)
{
    static atomic_uint next_client = 1;
    fs->conf = conf_new();
    if (fs->conf == NULL)
        return fail(err, ERR_NO_MEMORY, "no memory for a client");
    TRY(load_conf(o, fs->conf, err));
    TRY(auth_check_protection(fs->conf, err));
    TRY(parse_umask(conf_str(fs->conf, CONF_umask), &fs->umask, err));
    TRY(meta_new(fs->conf, o->url, o->user, &fs->env.meta, err));
    io_env_load(&fs->env, fs->conf);
    snprintf(fs->env.client_name, sizeof(fs->env.client_name), "DFSClient_NONMAPREDUCE_%d_%u",
             (int)(int32_t)random_u64(), atomic_fetch_add(&next_client, 1));
    fs->env.cache = conn_cache_new((size_t)conf_int(fs->conf, CONF_socket_cache_capacity),
                                   conf_ms(fs->conf, CONF_socket_cache_expiry));
    if (fs->env.cache == NULL ||
        keeper_new(fs->env.meta, fs->env.client_name, conf_ms(fs->conf, CONF_lease_hard_limit),
                   &fs->env.keeper) != 0 ||
        asprintf(&fs->url, "hdfs://%s", meta_addresses(fs->env.meta)->authority) < 0)
        return fail(err, ERR_NO_MEMORY, "no memory for a client");
    return 0;
}

int dfs_connect(const struct dfs_options *options, struct dfs **ret, struct dfs_error *error)
{
    struct op op;
    struct dfs *fs = calloc(1, sizeof(*fs));
    op_begin(&op, fs);
    if (fs == NULL)
        return op_end(&op, fail(&op.err, ERR_NO_MEMORY, "no memory for a client"), error);
    pthread_mutex_init(&fs->lock, NULL);
    int rc = set_up(fs, options, &op.err);
    if (rc == 0)
        *ret = fs;
    else
        dfs_disconnect(fs);
    return op_end(&op, rc, error);
}

void dfs_disconnect(struct dfs *fs)
{
    if (fs == NULL)
        return;
    keeper_free(fs->env.keeper);
    conn_cache_free(fs->env.cache);
    meta_free(fs->env.meta);
    conf_free(fs->conf);
    free(fs->url);
    pthread_mutex_destroy(&fs->lock);
    free(fs);
}

const char *dfs_url(const struct dfs *fs)
{
    return fs->url;
}

const char *dfs_user(const struct dfs *fs)
{
    return meta_user(fs->env.meta);
}

/* A client's own configuration, where it says something, goes before what the server tells. */
static int own_checksum(const struct conf *conf, Xfer__Checksum *sum, struct err *err)
{
    if (conf_is_set(conf, CONF_bytes_per_checksum))
        sum->bytes_per_checksum = (uint32_t)conf_int(conf, CONF_bytes_per_checksum);
    if (!conf_is_set(conf, CONF_checksum_type))
        return 0;
    const char *text = conf_str(conf, CONF_checksum_type);
    int type = crc_type_of(text);
    if (type < 0)
        return fail(err, ERR_CONFIG, "%s: \"%s\" is none of NULL, CRC32, CRC32C",
                    conf_name(CONF_checksum_type), text);
    sum->type = (Hdfs__ChecksumType)type;
    return 0;
}

static int ask_defaults(struct op *op, struct dfs_defaults *ret, struct crc_kind *ret_kind)
{
    Cp__GetServerDefaultsRequest request = CP__GET_SERVER_DEFAULTS_REQUEST__INIT;
    Cp__GetServerDefaultsResponse *response;
    TRY(OP_CALL(op, getServerDefaults, &request, &response));
    const Hdfs__FsServerDefaults *d = response->server_defaults;
    *ret = (struct dfs_defaults){
        .block_size = d->block_size,
        .trash_interval_minutes = d->has_trash_interval ? d->trash_interval : 0,
        .replication = d->replication,
        .bytes_per_checksum = d->bytes_per_checksum,
        .write_packet_size = d->write_packet_size,
    };
    Xfer__Checksum sum = XFER__CHECKSUM__INIT;
    sum.type = d->checksum_type;
    sum.bytes_per_checksum = d->bytes_per_checksum;
    TRY(own_checksum(op->fs->conf, &sum, &op->err));
    return xfer_checksum_kind(&sum, ret_kind, &op->err);
}

int server_defaults(struct op *op, struct dfs_defaults *ret, struct crc_kind *ret_kind)
{
    struct dfs *fs = op->fs;
    int64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&fs->lock);
    bool known = fs->defaults_until_ms > now;
    *ret = fs->defaults;
    *ret_kind = fs->defaults_kind;
    pthread_mutex_unlock(&fs->lock);
    if (known)
        return 0;
    TRY(ask_defaults(op, ret, ret_kind));
    pthread_mutex_lock(&fs->lock);
    fs->defaults = *ret;
    fs->defaults_kind = *ret_kind;
    fs->defaults_until_ms = now + DEFAULTS_MS;
    pthread_mutex_unlock(&fs->lock);
    return 0;
}

int dfs_server_defaults(struct dfs *fs, struct dfs_defaults *ret, struct dfs_error *error)
{
    struct op op;
    struct crc_kind kind;
    op_begin(&op, fs);
    return op_end(&op, server_defaults(&op, ret, &kind), error);
}

/* ---- what a user calls a file, as the NameNode wants to hear it ----
 * Accepted: absolute paths, paths relative to /user/<user>, hdfs:// URLs of this file system. Empty
 * parts and "." vanish, ".." takes the part before with it, as Hadoop's Path does; above the root
 * there is nothing. */

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
